//! What the gallery keeps of decisions: enough to answer a retry with the same
//! bytes and to prove later what was decided, nothing of who it was about beyond
//! the pseudonymous id. The answer itself is the workflow's; here it is bytes.

use std::fmt;

use super::{Enrolment, GalleryError, Note, RequestId, SubjectHead, SubjectId, Timestamp, Watermark};
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
    /// The whole answer, as the workflow encodes it.
    pub answer: Vec<u8>,
    /// An enrolment that happens with the decision or not at all. Its subject must
    /// be the decision's and must not be there yet.
    pub enrolment: Option<Enrolment>,
    /// What it was made from; `None` commits it whatever has changed meanwhile.
    pub basis: Option<Basis>,
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
    /// What was decided, before any referral was resolved.
    pub outcome: Outcome,
    /// The whole answer, as the workflow encoded it.
    pub answer: Vec<u8>,
    /// When it was committed.
    pub decided_at: Timestamp,
    /// Number of the commit that carried it.
    pub commit: u64,
    /// What an officer made of it, where it was referred and has been looked at.
    pub resolution: Option<Resolution>,
}

/// An officer's answer to a referral.
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

/// Two subjects who share a face for a good reason.
#[derive(Clone, PartialEq, Eq)]
pub struct ClearedPair {
    /// The one whose id comes first in byte order.
    pub first: SubjectId,
    /// The other.
    pub second: SubjectId,
    /// Pseudonymous id of the officer who cleared them.
    pub officer: SubjectId,
    /// Why, in the officer's words.
    pub reason: Note,
    /// When it was committed.
    pub cleared_at: Timestamp,
}

macro_rules! hidden {
    ($($type:ident)*) => {$(
        impl fmt::Debug for $type {
            // What is decided about people stays out of logs.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($type), "(…)"))
            }
        }
    )*};
}
hidden!(NewDecision StoredDecision Resolution ClearedPair);

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
