//! Rules of the operator about cases: how far back a record's history is looked at, how long a
//! challenge may be answered, by when an officer answers and for how long pictures wait for that, and what clearing a
//! pair takes.

use crate::gallery::Timestamp;

/// A day, in milliseconds.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// An hour, in milliseconds.
const HOUR_MS: u64 = 60 * 60 * 1000;

/// How cases are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseRules {
    /// Days of a record's history that are evidence in its next decision, 1–3650.
    pub history_days: u32,
    /// Days for which fingerprints of captures are kept, 0–3650; 0 keeps none.
    pub capture_days: u32,
    /// Days for which pictures of cases that wait for an officer are kept, where the gallery is sealed, 0–30;
    /// 0 keeps none.
    pub picture_days: u32,
    /// Hours within which an officer is to answer a case that waits, 1–8760. Later answers count as well.
    pub answer_hours: u32,
    /// Minutes for which a challenge of Active Authentication may be answered, 1–60.
    pub challenge_minutes: u32,
    /// Officers it takes to clear a pair, 1 or 2.
    pub clear_officers: u32,
    /// Days after which the clearing of a pair ends by itself; `None` never.
    pub clear_days: Option<u32>,
}

impl Default for CaseRules {
    fn default() -> Self {
        Self {
            history_days: 30,
            capture_days: 90,
            picture_days: 30,
            answer_hours: 24,
            challenge_minutes: 10,
            clear_officers: 1,
            clear_days: None,
        }
    }
}

impl CaseRules {
    /// From when on a record's history is looked at; always the last day.
    pub(super) fn history_from(&self, now: Timestamp) -> Timestamp {
        Timestamp(now.0.saturating_sub(u64::from(self.history_days.max(1)) * DAY_MS))
    }

    /// For how many milliseconds fingerprints of captures are kept.
    pub(super) fn capture_lifetime_ms(&self) -> u64 {
        u64::from(self.capture_days) * DAY_MS
    }

    /// For how many milliseconds pictures are kept.
    pub(super) fn picture_lifetime_ms(&self) -> u64 {
        u64::from(self.picture_days) * DAY_MS
    }

    /// Until when an officer is to answer a case of this time.
    pub(super) fn answer_by(&self, decided_at: Timestamp) -> Timestamp {
        Timestamp(decided_at.0.saturating_add(u64::from(self.answer_hours) * HOUR_MS))
    }

    /// For how many milliseconds a challenge may be answered.
    pub(super) fn challenge_lifetime_ms(&self) -> u64 {
        u64::from(self.challenge_minutes) * 60_000
    }

    /// After how many milliseconds the clearing of a pair ends by itself.
    pub fn clear_lifetime_ms(&self) -> Option<u64> {
        self.clear_days.map(|days| u64::from(days) * DAY_MS)
    }
}
