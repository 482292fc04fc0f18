//! What the gallery keeps of decisions: enough to answer a retry with the same
//! bytes and to prove later what was decided, nothing of who it was about beyond
//! the pseudonymous id. The answer itself is the workflow's; here it is bytes.

use super::{
    ChallengeOwner, Enrolment, GalleryError, LedgerFacts, NewPictures, Note, RequestId, SubjectHead, SubjectId,
    Timestamp, Watermark, same_province,
};
use crate::face::Template;

/// Most attempts of one transaction.
pub const ATTEMPTS_MAX: u32 = 10;
/// Longest answer kept, in bytes: several times that of any real one.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Which decision: a transaction, and the 1-based number of the attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DecisionKey {
    /// The caller's name for the transaction.
    pub transaction: RequestId,
    /// 1 for the first, one more for each retake.
    pub attempt: u32,
}

impl DecisionKey {
    /// Checks that the attempt is a number from 1. Whether it is one that may be decided is
    /// for the transaction to say, when it is decided.
    ///
    /// # Errors
    /// [`GalleryError::AttemptOutOfOrder`] for 0.
    pub fn new(transaction: RequestId, attempt: u32) -> Result<Self, GalleryError> {
        match attempt {
            0 => Err(GalleryError::AttemptOutOfOrder { expected: 1 }),
            _ => Ok(Self { transaction, attempt }),
        }
    }
}

/// What a decision comes to. Ordered by gravity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// The person is the one, and nothing speaks against it.
    Approve,
    /// A person must look.
    Refer,
    /// It is not to be paid or given.
    Deny,
}

/// A decision about to be stored, with what must be stored together with it.
#[derive(Clone, PartialEq)]
pub struct NewDecision {
    /// Which.
    pub key: DecisionKey,
    /// SHA-256 of what was asked: the same key with another digest is refused.
    pub content: [u8; 32],
    /// About whom.
    pub subject: SubjectId,
    /// For which scheme.
    pub scheme: String,
    /// What was decided.
    pub outcome: Outcome,
    /// Codes of the reasons that stand in its way, the gravest first: what decisions are listed by.
    pub reasons: Vec<String>,
    /// Pseudonymous id of the clerk who presented the case, where the caller named one.
    pub presented_by: Option<SubjectId>,
    /// The whole answer, as the workflow encodes it.
    pub answer: Vec<u8>,
    /// The captures that took part, each by what is kept in place of its picture.
    pub captures: Vec<NewCapture>,
    /// For how many milliseconds that is kept.
    pub captures_lifetime_ms: u64,
    /// Pictures for officers; kept in a sealed gallery, and of a decision that does not approve.
    pub pictures: Option<NewPictures>,
    /// Unit that presented the case, where the caller named one.
    pub unit: Option<String>,
    /// Province of the record, or else of the caller, where one is known.
    pub province: Option<String>,
    /// An enrolment that happens with the decision or not at all. Its subject must
    /// be the decision's and must not be there yet.
    pub enrolment: Option<Enrolment>,
    /// What it was made from; `None` commits it whatever has changed meanwhile.
    pub basis: Option<Basis>,
    /// The challenge that it uses up: it must be open still.
    pub challenge: Option<UsedChallenge>,
    /// What the transparency log tells of it besides.
    pub facts: LedgerFacts,
}

/// The challenge of Active Authentication that a decision uses up.
#[derive(Clone, PartialEq, Eq)]
pub struct UsedChallenge {
    /// Whose it is.
    pub owner: ChallengeOwner,
    /// Its digest.
    pub digest: [u8; 32],
}

/// What a decision was made from. The commit looks whether it still holds.
#[derive(Clone, PartialEq)]
pub struct Basis {
    /// The subject's head as it was read; `None` where it was not enrolled.
    pub subject: Option<SubjectHead>,
    /// Those who were cleared with the subject, in byte order.
    pub cleared_with: Vec<SubjectId>,
    /// The searches for the same face under another number, one for each recipe; `None` where
    /// the decision did without.
    pub searched: Option<Vec<Searched>>,
    /// Number of the newest decision about the subject as it was read, 0 where there was none;
    /// `None` where the decision does not rest on earlier ones.
    pub newest: Option<u64>,
    /// [`CapturesFound::next`] of the look-up of its captures; `None` where none was made.
    pub captures_before: Option<u64>,
}

/// A search that a decision rests on.
#[derive(Clone, PartialEq)]
pub struct Searched {
    /// What was searched for.
    pub probe: Template,
    /// From which score on a subject was found.
    pub score: f32,
    /// Everything up to this commit was searched.
    pub as_of: Watermark,
}

/// A key that a capture is looked up by: a keyed hash of some of its fingerprint.
pub type CaptureBand = [u8; 8];

/// A capture about to be stored: its fingerprint, sealed, and the keys it is found under.
#[derive(Clone, PartialEq, Eq)]
pub struct NewCapture {
    /// Opaque to the gallery.
    pub fingerprint: Vec<u8>,
    /// Keys that it shares with copies of it.
    pub bands: Vec<CaptureBand>,
}

/// A capture that took part in a decision.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredCapture {
    /// Its place in the order of captures, from 1.
    pub number: u64,
    /// Which decision it took part in.
    pub key: DecisionKey,
    /// About whom that was.
    pub subject: SubjectId,
    /// Which of the decision's captures it is, from 0.
    pub frame: u32,
    /// Unit that presented the case, where it was named.
    pub unit: Option<String>,
    /// When the decision was committed.
    pub at: Timestamp,
    /// When it is forgotten.
    pub expires_at: Timestamp,
    /// Its fingerprint and the keys it is found under.
    pub content: NewCapture,
}

/// What a look-up of captures found.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CapturesFound {
    /// Those that share a key and are kept still, oldest first.
    pub captures: Vec<StoredCapture>,
    /// Every capture with a lower number was looked at.
    pub next: u64,
}

/// A decision in the store.
#[derive(Clone, PartialEq)]
pub struct StoredDecision {
    /// Which.
    pub key: DecisionKey,
    /// SHA-256 of what was asked.
    pub content: [u8; 32],
    /// About whom.
    pub subject: SubjectId,
    /// For which scheme.
    pub scheme: String,
    /// What was decided, before any officer looked at it.
    pub outcome: Outcome,
    /// Codes of the reasons that stood in its way, the gravest first. Empty in decisions of
    /// earlier programs.
    pub reasons: Vec<String>,
    /// Pseudonymous id of the clerk who presented the case, where the caller named one.
    pub presented_by: Option<SubjectId>,
    /// Unit that presented the case, where the caller named one.
    pub unit: Option<String>,
    /// Province of the record, or else of the caller, where one was known.
    pub province: Option<String>,
    /// The whole answer, as the workflow encoded it.
    pub answer: Vec<u8>,
    /// When it was committed.
    pub decided_at: Timestamp,
    /// Number of the commit that carried it.
    pub commit: u64,
    /// Its place in the order of decisions, from 1.
    pub number: u64,
    /// What officers said of it, oldest first, each once.
    pub resolutions: Vec<Resolution>,
    /// How many officers an approval of theirs takes; 0 until one has answered.
    pub officers_needed: u32,
    /// Until when pictures were to be kept with it, at most; `None` where none were. They may be gone before.
    pub pictures_until: Option<Timestamp>,
}

impl StoredDecision {
    /// What officers made of it, where that closed the transaction: the first denial, or the
    /// approval that was the last one needed.
    pub fn resolution(&self) -> Option<&Resolution> {
        resolution(&self.resolutions, self.officers_needed)
    }

    /// Whether an officer is expected to look at it, where no later attempt followed: it was
    /// referred, or one officer has answered and another is needed.
    pub fn waits(&self) -> bool {
        let is_open = self.resolution().is_none();
        is_open && (self.outcome == Outcome::Refer || !self.resolutions.is_empty())
    }

    /// What is listed of it; `waits` as of [`StoredDecision::waits`], and false where a later
    /// attempt followed.
    pub fn head(&self, waits: bool) -> DecisionHead {
        DecisionHead {
            number: self.number,
            key: self.key.clone(),
            subject: self.subject.clone(),
            scheme: self.scheme.clone(),
            outcome: self.outcome,
            reasons: self.reasons.clone(),
            decided_at: self.decided_at,
            unit: self.unit.clone(),
            province: self.province.clone(),
            resolved: self.resolution().map(|one| one.outcome),
            waits,
            answer_by: None,
        }
    }
}

/// See [`StoredDecision::resolution`].
pub fn resolution(answers: &[Resolution], officers_needed: u32) -> Option<&Resolution> {
    let denial = answers.iter().find(|one| one.outcome == Outcome::Deny);
    let mut approvals = answers.iter().filter(|one| one.outcome == Outcome::Approve);
    // At least one, whatever is stored.
    denial.or_else(|| approvals.nth((officers_needed as usize).max(1) - 1))
}

/// A decision without its answer, as lists show it.
#[derive(Clone, PartialEq, Eq)]
pub struct DecisionHead {
    /// Its place in the order of decisions, from 1.
    pub number: u64,
    /// Which.
    pub key: DecisionKey,
    /// About whom.
    pub subject: SubjectId,
    /// For which scheme.
    pub scheme: String,
    /// What the engine decided.
    pub outcome: Outcome,
    /// Codes of the reasons that stood in its way, the gravest first.
    pub reasons: Vec<String>,
    /// When it was committed.
    pub decided_at: Timestamp,
    /// Unit that presented the case, where it was named.
    pub unit: Option<String>,
    /// Province of the record, or else of the caller, where one was known.
    pub province: Option<String>,
    /// What officers made of it, where that closed the transaction.
    pub resolved: Option<Outcome>,
    /// An officer is expected to look at it.
    pub waits: bool,
    /// Until when; `None` where it does not wait, and as long as the rules about cases were not asked.
    pub answer_by: Option<Timestamp>,
}

/// Which decisions to list. The default lists all.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DecisionFilter {
    /// If set, only decisions about this subject.
    pub subject: Option<SubjectId>,
    /// If set, only decisions that were committed at this time or later.
    pub since: Option<Timestamp>,
    /// If set, only decisions that were committed before this time.
    pub until: Option<Timestamp>,
    /// If set, only decisions that came out like this, before any officer looked at them.
    pub outcome: Option<Outcome>,
    /// If set, only decisions with this code among the reasons that stood in their way.
    pub reason: Option<String>,
    /// Only decisions that wait for an officer.
    pub waiting: bool,
    /// If set, only decisions about cases that this unit presented.
    pub unit: Option<String>,
    /// If set, only decisions of this province.
    pub province: Option<String>,
}

impl DecisionFilter {
    /// Whether a decision is to be listed.
    pub fn passes(&self, head: &DecisionHead) -> bool {
        let Self { subject, since, until, outcome, reason, waiting, unit, province } = self;
        let is_in = |wanted: &String| head.province.as_deref().is_some_and(|own| same_province(own, wanted));
        subject.as_ref().is_none_or(|subject| *subject == head.subject)
            && since.is_none_or(|since| head.decided_at >= since)
            && until.is_none_or(|until| head.decided_at < until)
            && outcome.is_none_or(|outcome| outcome == head.outcome)
            && reason.as_ref().is_none_or(|reason| head.reasons.contains(reason))
            && (!waiting || head.waits)
            && unit.as_ref().is_none_or(|unit| head.unit.as_ref() == Some(unit))
            && province.as_ref().is_none_or(is_in)
    }
}

/// Some of the decisions that were asked for, and where to go on.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DecisionPage {
    /// By number, lowest first.
    pub decisions: Vec<DecisionHead>,
    /// There may be more of them after this number.
    pub more_after: Option<u64>,
}

/// An officer's answer to a decision that did not approve.
#[derive(Clone, PartialEq, Eq)]
pub struct Resolution {
    /// Pseudonymous id of the officer.
    pub officer: SubjectId,
    /// [`Outcome::Approve`] or [`Outcome::Deny`].
    pub outcome: Outcome,
    /// Why, in the officer's words.
    pub reason: Note,
    /// When it was committed.
    pub resolved_at: Timestamp,
}

/// Two subjects who share a face for a good reason, and what officers said of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClearedPair {
    /// The one whose id comes first in byte order.
    pub first: SubjectId,
    /// The other.
    pub second: SubjectId,
    /// What officers said, oldest first; at least one entry.
    pub entries: Vec<PairEntry>,
    /// Index of the entry that the present clearing begins with: earlier ones were ended, or had
    /// expired.
    pub round_from: usize,
    /// How many officers it takes to clear them.
    pub officers_needed: u32,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

/// What an officer said of a pair.
#[derive(Clone, PartialEq, Eq)]
pub struct PairEntry {
    /// Whether it clears the pair or ends that.
    pub kind: PairEntryKind,
    /// Pseudonymous id of the officer.
    pub officer: SubjectId,
    /// Why, in the officer's words.
    pub reason: Note,
    /// When it was committed.
    pub at: Timestamp,
}

/// What an entry does to a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairEntryKind {
    /// The two share a face for a good reason.
    Cleared,
    /// They do not, or not any more.
    Ended,
}

/// How a pair stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PairState {
    /// Neither is reported as a duplicate of the other.
    InForce,
    /// Another officer must clear it as well.
    Waiting,
    /// An officer ended it.
    Ended,
    /// Its time is over.
    Expired,
}

impl ClearedPair {
    /// How it stands at `now`.
    pub fn state(&self, now: Timestamp) -> PairState {
        let round = self.round();
        match () {
            () if round.iter().any(|entry| entry.kind == PairEntryKind::Ended) => PairState::Ended,
            () if self.expires_at.is_some_and(|end| end <= now) => PairState::Expired,
            () if round.len() < self.officers_needed as usize => PairState::Waiting,
            () => PairState::InForce,
        }
    }

    /// The entries of the present clearing, oldest first.
    pub fn round(&self) -> &[PairEntry] {
        self.entries.get(self.round_from..).unwrap_or_default()
    }
}

/// Clears a pair, or confirms that another officer did.
#[derive(Clone, PartialEq, Eq)]
pub struct ClearPair {
    /// The one whose id comes first in byte order.
    pub first: SubjectId,
    /// The other.
    pub second: SubjectId,
    /// Pseudonymous id of the officer.
    pub officer: SubjectId,
    /// Why, in the officer's words.
    pub reason: Note,
    /// How many officers it takes, where it is not cleared yet; at least 1.
    pub officers_needed: u32,
    /// After how many milliseconds it ends by itself; `None` never.
    pub lifetime_ms: Option<u64>,
}

/// Ends the clearing of a pair.
#[derive(Clone, PartialEq, Eq)]
pub struct UnclearPair {
    /// The one whose id comes first in byte order.
    pub first: SubjectId,
    /// The other.
    pub second: SubjectId,
    /// Pseudonymous id of the officer.
    pub officer: SubjectId,
    /// Why, in the officer's words.
    pub reason: Note,
}

/// How an officer's answer is to be treated.
#[derive(Clone, PartialEq, Eq)]
pub struct ResolveCommand {
    /// Which decision.
    pub key: DecisionKey,
    /// What the officer says.
    pub resolution: Resolution,
    /// How many officers must approve, where none has answered yet; at least 1.
    pub officers_needed: u32,
}

opaque!(NewDecision UsedChallenge StoredDecision DecisionHead DecisionFilter Resolution NewCapture StoredCapture CapturesFound ClearedPair PairEntry ClearPair UnclearPair);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_begin_at_one() {
        let id = RequestId::new("t").unwrap();
        assert!(DecisionKey::new(id.clone(), 1).is_ok() && DecisionKey::new(id.clone(), u32::MAX).is_ok());
        assert!(DecisionKey::new(id, 0).is_err());
    }
}
