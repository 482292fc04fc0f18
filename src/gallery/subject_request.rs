//! Requests of people about their records: what was asked for, by when that must be answered and carried
//! out, and what became of it.
//!
//! The clocks are calendar days of Vietnam: the day of receipt does not count, and the last day counts
//! whole. They are fixed at receipt: a later configuration moves none.

use super::{Note, Requester, SubjectId, Timestamp};

/// A day, in milliseconds.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// By how much the clock of Vietnam is ahead of UTC, in milliseconds; it knows no summer time.
const VIETNAM_MS: u64 = 7 * 60 * 60 * 1000;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// To be told what is kept.
    Access,
    /// That something be put right.
    Correction,
    /// That the record be restricted.
    Restriction,
    /// That everything be erased.
    Erasure,
    /// Objection to the processing, or withdrawal of consent.
    Objection,
}

impl RequestKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Access, Self::Correction, Self::Restriction, Self::Erasure, Self::Objection];

    /// Its name in answers and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Correction => "correction",
            Self::Restriction => "restriction",
            Self::Erasure => "erasure",
            Self::Objection => "objection",
        }
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// It was carried out.
    Completed,
    /// It was refused.
    Refused,
    /// The record was erased before it was carried out.
    Superseded,
}

/// How a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// Nobody has answered it.
    Open,
    /// Whoever asked was told that it came, and whether it can be carried out.
    Acknowledged,
    /// It was carried out.
    Completed,
    /// It was refused.
    Refused,
    /// The record was erased before it was carried out.
    Superseded,
}

impl RequestState {
    /// Its name in answers and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Completed => "completed",
            Self::Refused => "refused",
            Self::Superseded => "superseded",
        }
    }
}

/// Who did something about a request, why, and when.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestStep {
    /// Pseudonymous id of who did it; `None` once the record was erased.
    pub by: Option<SubjectId>,
    /// In their words; `None` once the record was erased.
    pub reason: Option<Note>,
    /// When it was committed.
    pub at: Timestamp,
}

impl RequestStep {
    /// The same without who and why.
    fn bare(&self) -> Self {
        Self { by: None, reason: None, at: self.at }
    }
}

/// A request of a person about their record.
#[derive(Clone, PartialEq, Eq)]
pub struct SubjectRequest {
    /// Its number, from 1, in the order of receipt here; never given out twice.
    pub number: u64,
    /// About whose record; `None` once that was erased.
    pub subject: Option<SubjectId>,
    /// What is asked for.
    pub kind: RequestKind,
    /// Who asks.
    pub requester: Requester,
    /// When the office received it, which may be before it was entered here.
    pub received_at: Timestamp,
    /// From then on its acknowledgement is overdue.
    pub acknowledge_by: Timestamp,
    /// From then on its end is overdue.
    pub complete_by: Timestamp,
    /// Who entered it, and why.
    pub opened: RequestStep,
    /// Who acknowledged it.
    pub acknowledged: Option<RequestStep>,
    /// How it ended, and who ended it.
    pub closed: Option<(Closing, RequestStep)>,
}

/// Which clock has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// That of the acknowledgement.
    Acknowledge,
    /// That of the end.
    Complete,
}

/// How late a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late {
    /// By which clock: the end's where both have run out.
    pub clock: Clock,
    /// Calendar days behind the last one, 1 or more; a day that has begun counts.
    pub days: u64,
}

impl SubjectRequest {
    /// How it stands.
    pub fn state(&self) -> RequestState {
        match (&self.closed, &self.acknowledged) {
            (Some((Closing::Completed, _)), _) => RequestState::Completed,
            (Some((Closing::Refused, _)), _) => RequestState::Refused,
            (Some((Closing::Superseded, _)), _) => RequestState::Superseded,
            (None, Some(_)) => RequestState::Acknowledged,
            (None, None) => RequestState::Open,
        }
    }

    /// Whether it has not ended.
    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// How late it is at `now`; `None` where it has ended or is in time.
    pub fn late(&self, now: Timestamp) -> Option<Late> {
        let late = |clock, by: Timestamp| {
            (self.is_open() && now >= by).then(|| Late { clock, days: (now.0 - by.0) / DAY_MS + 1 })
        };
        let acknowledgement = || late(Clock::Acknowledge, self.acknowledge_by).filter(|_| self.acknowledged.is_none());
        late(Clock::Complete, self.complete_by).or_else(acknowledgement)
    }

    /// What is kept of it once the record is erased: number, kind, requester, times and state.
    #[must_use]
    pub(super) fn bare(&self, now: Timestamp) -> Self {
        let closing = if self.kind == RequestKind::Erasure { Closing::Completed } else { Closing::Superseded };
        let ended = || (closing, RequestStep { by: None, reason: None, at: now });
        Self {
            subject: None,
            opened: self.opened.bare(),
            acknowledged: self.acknowledged.as_ref().map(RequestStep::bare),
            closed: Some(self.closed.as_ref().map_or_else(ended, |(closing, step)| (*closing, step.bare()))),
            ..self.clone()
        }
    }
}

/// The moment from which on something is overdue that is due so many calendar days after `received_at`.
pub fn due_at(received_at: Timestamp, days: u32) -> Timestamp {
    let day = received_at.0.saturating_add(VIETNAM_MS) / DAY_MS;
    let behind = day.saturating_add(u64::from(days)).saturating_add(1);
    Timestamp(behind.saturating_mul(DAY_MS).saturating_sub(VIETNAM_MS))
}

/// A request about to be entered.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenRequest {
    /// About whose record; it need not be enrolled.
    pub subject: SubjectId,
    /// What is asked for.
    pub kind: RequestKind,
    /// Who asks.
    pub requester: Requester,
    /// When the office received it.
    pub received_at: Timestamp,
    /// From then on its acknowledgement is overdue.
    pub acknowledge_by: Timestamp,
    /// From then on its end is overdue.
    pub complete_by: Timestamp,
    /// Pseudonymous id of who enters it.
    pub by: SubjectId,
    /// What was asked for, in their words.
    pub reason: Note,
}

/// What is answered to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestAnswer {
    /// Whoever asked was told that it came, and whether it can be carried out.
    Acknowledge,
    /// It was carried out.
    Complete,
    /// It is refused.
    Refuse,
}

impl RequestAnswer {
    /// How the request stands afterwards.
    pub fn state(self) -> RequestState {
        match self {
            Self::Acknowledge => RequestState::Acknowledged,
            Self::Complete => RequestState::Completed,
            Self::Refuse => RequestState::Refused,
        }
    }
}

/// An answer to a request.
#[derive(Clone, PartialEq, Eq)]
pub struct AnswerRequest {
    /// Its number.
    pub number: u64,
    /// What is answered.
    pub answer: RequestAnswer,
    /// Pseudonymous id of who answers.
    pub by: SubjectId,
    /// Why, in their words.
    pub reason: Note,
}

/// Which requests a list has. The default is all.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// Only those about this subject.
    pub subject: Option<SubjectId>,
    /// Only those that have not ended.
    pub open: bool,
    /// Only those that are late at this time.
    pub late_at: Option<Timestamp>,
}

impl RequestFilter {
    /// Whether a request is in the list.
    pub fn passes(&self, request: &SubjectRequest) -> bool {
        self.subject.as_ref().is_none_or(|subject| request.subject.as_ref() == Some(subject))
            && (!self.open || request.is_open())
            && self.late_at.is_none_or(|now| request.late(now).is_some())
    }

    /// Whether only those that have not ended can be in it.
    pub fn is_of_open(&self) -> bool {
        self.open || self.late_at.is_some()
    }
}

/// A page of requests.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RequestPage {
    /// Lowest number first.
    pub requests: Vec<SubjectRequest>,
    /// The number after which the list goes on; `None` at its end.
    pub more_after: Option<u64>,
}

/// How many requests have not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// All of them.
    pub open: u64,
    /// Those that are late.
    pub overdue: u64,
}

opaque!(RequestStep SubjectRequest OpenRequest AnswerRequest RequestFilter RequestPage);

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 60 * 60 * 1000;

    fn request(received_at: Timestamp) -> SubjectRequest {
        SubjectRequest {
            number: 1,
            subject: Some(SubjectId::new("s").unwrap()),
            kind: RequestKind::Access,
            requester: Requester::Person,
            received_at,
            acknowledge_by: due_at(received_at, 2),
            complete_by: due_at(received_at, 15),
            opened: step(received_at),
            acknowledged: None,
            closed: None,
        }
    }

    fn step(at: Timestamp) -> RequestStep {
        RequestStep { by: SubjectId::new("o-1").ok(), reason: Note::new("asked").ok(), at }
    }

    #[test]
    fn days_are_those_of_vietnam_and_the_last_counts_whole() {
        // 2026-03-02 is day 20514 since 1970; 17:00 UTC is midnight in Vietnam.
        let midnight = 20_514 * DAY_MS;
        for hour in [0, 16] {
            let due = due_at(Timestamp(midnight + hour * HOUR_MS), 2);
            assert_eq!(due, Timestamp(midnight + 2 * DAY_MS + 17 * HOUR_MS), "the end of 2026-03-04");
        }
        let due = due_at(Timestamp(midnight + 17 * HOUR_MS), 2);
        assert_eq!(due, Timestamp(midnight + 3 * DAY_MS + 17 * HOUR_MS), "received on 2026-03-03 there");
        assert!(due_at(Timestamp(u64::MAX), 2).0 > u64::MAX / 2, "it wraps round for nobody");
    }

    #[test]
    fn a_request_is_late_by_the_clock_that_has_run_out_and_by_days_that_have_begun() {
        let mut request = request(Timestamp(20_514 * DAY_MS));
        let just_before = |by: Timestamp| Timestamp(by.0 - 1);
        assert_eq!(request.late(just_before(request.acknowledge_by)), None);
        let late = |clock, days| Some(Late { clock, days });
        assert_eq!(request.late(request.acknowledge_by), late(Clock::Acknowledge, 1));
        assert_eq!(request.late(Timestamp(request.acknowledge_by.0 + DAY_MS)), late(Clock::Acknowledge, 2));
        assert_eq!(request.late(request.complete_by), late(Clock::Complete, 1), "the graver of both");
        request.acknowledged = Some(step(Timestamp(20_515 * DAY_MS)));
        assert_eq!(request.late(just_before(request.complete_by)), None);
        assert_eq!(request.late(request.complete_by), late(Clock::Complete, 1));
        request.closed = Some((Closing::Refused, step(request.complete_by)));
        assert_eq!(request.late(Timestamp(u64::MAX)), None, "what has ended is not overdue");
    }

    #[test]
    fn what_stays_of_a_request_names_nobody() {
        let mut open = request(Timestamp(1));
        open.acknowledged = Some(step(Timestamp(2)));
        let bare = open.bare(Timestamp(9));
        assert!(bare.subject.is_none() && bare.state() == RequestState::Superseded);
        let steps = [Some(bare.opened), bare.acknowledged, bare.closed.map(|(_, step)| step)];
        assert!(steps.iter().flatten().all(|step| step.by.is_none() && step.reason.is_none()));
        assert_eq!(steps.map(|step| step.unwrap().at.0), [1, 2, 9]);
        let erasure = SubjectRequest { kind: RequestKind::Erasure, ..request(Timestamp(1)) };
        assert_eq!(erasure.bare(Timestamp(9)).state(), RequestState::Completed);
        let refused = SubjectRequest { closed: Some((Closing::Refused, step(Timestamp(3)))), ..erasure };
        let bare = refused.bare(Timestamp(9));
        assert_eq!((bare.state(), bare.closed.unwrap().1.at), (RequestState::Refused, Timestamp(3)));
    }
}
