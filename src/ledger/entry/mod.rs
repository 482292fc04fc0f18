//! What is entered in the log, as bytes that have one form only.
//!
//! An entry says who did what, when, by which rules and with which outcome. It has no place for a
//! name, a number, a vector or a picture of a person: reasons, outcomes and methods are [`Code`]s,
//! transactions and subjects [`KeyedDigest`]s, policies and packs SHA-256 digests, and the principal
//! a [`Label`] of the operator's own.
//!
//! The encoding is the protobuf message of `proto/chinhchu/ledger/v1/entry.proto`, with each field
//! once, in order, and as short as it can be. [`Entry::decode`] encodes what it has read again and
//! refuses bytes that are not the same.

use sha2::{Digest as _, Sha256};

mod key;
mod kind;
mod listing;
mod wire;
mod words;

pub use self::key::{KeyedDigest, LedgerKey, LedgerKeyError};
pub use self::kind::{DigestOf, Kind, PrincipalKind};
pub use self::listing::{EntryTable, Listed};
pub use self::words::{Code, Label, NotAWord};
use super::commitment::{CONTENTS_BYTES_MAX, Opening};
use super::encoding::NUMBER_MAX;
use super::note::VerifierKey;
use crate::context;

/// Version of the encoding.
const VERSION: u32 = 1;
/// Most subjects of an entry; what concerns more is entered in several.
pub const SUBJECTS_MAX: usize = 1024;
/// Most digests of one list.
pub const DIGESTS_MAX: usize = 16;
/// Most kinds of evidence.
pub const EVIDENCE_MAX: usize = 32;
/// Most scores.
pub const SCORES_MAX: usize = 64;
/// Most reasons.
pub const REASONS_MAX: usize = 64;
/// Most counts.
pub const CALLS_MAX: usize = 256;

/// Who did it.
#[derive(Clone, PartialEq, Eq)]
pub struct Principal {
    /// Of which kind.
    pub kind: PrincipalKind,
    /// Name of a machine, id of a person, account of a user, name of the work.
    pub name: Option<Label>,
    /// Of a person: the machine that the call came from.
    pub machine: Option<Label>,
}

impl Principal {
    /// The principal of a request. A name that no label can be is entered as a keyed digest.
    pub fn of(principal: &context::Principal, key: &LedgerKey) -> Self {
        use context::Principal as Caller;
        let (kind, name, machine) = match principal {
            Caller::Anonymous => (PrincipalKind::Anonymous, None, None),
            Caller::OperatingSystemUser { uid, name } => {
                let name = name.as_deref().map_or_else(|| key.label(&format!("uid-{uid}")), |name| key.label(name));
                (PrincipalKind::OsUser, Some(name), None)
            }
            Caller::Machine { name } => (PrincipalKind::Machine, Some(key.label(name)), None),
            Caller::Person { id, machine } => {
                (PrincipalKind::Person, Some(key.label(id)), machine.as_deref().map(|name| key.label(name)))
            }
            Caller::Internal { task } => (PrincipalKind::Internal, Some(key.label(task)), None),
        };
        Self { kind, name, machine }
    }
}

/// SHA-256 of a policy, pack or the like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// Of what.
    pub of: DigestOf,
    /// The digest.
    pub sha256: [u8; 32],
}

impl Digest {
    /// Of a key by which a log's checkpoints are verified: the digest of its line.
    pub fn of_verifier_key(key: &VerifierKey) -> Self {
        Self { of: DigestOf::Keys, sha256: Sha256::digest(key.to_string()).into() }
    }
}

/// A score, and what it was compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Of what, such as `chip_face`.
    pub what: Code,
    /// Finite.
    pub value: f32,
    /// Finite.
    pub threshold: Option<f32>,
}

/// How many calls of a method came to an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calls {
    /// The method.
    pub method: Code,
    /// The outcome.
    pub outcome: Code,
    /// How many, 1 or more.
    pub count: u64,
}

/// An entry. [`Kind`] says which fields it must have; the others are empty where there is nothing to
/// say.
#[derive(Clone, PartialEq)]
pub struct Entry {
    /// Milliseconds since 1970-01-01 00:00 UTC, more than 0.
    pub at_ms: u64,
    /// What it is about.
    pub kind: Kind,
    /// Who did it.
    pub principal: Principal,
    /// Office or facility of the principal.
    pub unit: Option<Label>,
    /// Pseudonymous id of a clerk or officer whom the request names beside its principal.
    pub named: Option<Label>,
    /// Method or command.
    pub method: Option<Code>,
    /// The transaction.
    pub transaction: Option<KeyedDigest>,
    /// 1-based attempt of the transaction; 0 where there is none.
    pub attempt: u32,
    /// The subjects it concerns.
    pub subjects: Vec<KeyedDigest>,
    /// What was in force or came into force.
    pub digests: Vec<Digest>,
    /// What was in force until then.
    pub replaced: Vec<Digest>,
    /// Kinds of evidence.
    pub evidence: Vec<Code>,
    /// Scores and thresholds.
    pub scores: Vec<Score>,
    /// Verdict of the chip check.
    pub chip_verdict: Option<Code>,
    /// What it came to.
    pub outcome: Option<Code>,
    /// Reasons, the gravest first.
    pub reasons: Vec<Code>,
    /// How many records were found, read, handed on or pruned.
    pub records: Option<u64>,
    /// Of counts: from when on they count, until `at_ms`; 0 elsewhere.
    pub since_ms: u64,
    /// Counts.
    pub calls: Vec<Calls>,
}

/// Why an entry cannot be encoded, or bytes are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAnEntry {
    /// A field that its kind must have is missing, or one that only others have is there.
    #[error("an entry of kind {kind} {what}")]
    Field {
        /// Its kind.
        kind: Kind,
        /// What is wrong.
        what: &'static str,
    },
    /// A value is out of its range, or a list too long.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// A text is no code or label.
    #[error("{0}: {1}")]
    Word(&'static str, NotAWord),
    /// The bytes are no such message.
    #[error("these are not the bytes of an entry")]
    Message,
    /// Of another version: a later program wrote it.
    #[error("it has version {0}, this program reads {VERSION}")]
    Version(u32),
    /// The bytes say what an entry says, in another form than the one that entries have.
    #[error("the bytes have another form than those of an entry")]
    Form,
}

impl Entry {
    /// An entry with nothing in it but what all have.
    pub fn new(kind: Kind, at_ms: u64, principal: Principal) -> Self {
        Self {
            at_ms,
            kind,
            principal,
            unit: None,
            named: None,
            method: None,
            transaction: None,
            attempt: 0,
            subjects: Vec::new(),
            digests: Vec::new(),
            replaced: Vec::new(),
            evidence: Vec::new(),
            scores: Vec::new(),
            chip_verdict: None,
            outcome: None,
            reasons: Vec::new(),
            records: None,
            since_ms: 0,
            calls: Vec::new(),
        }
    }

    /// Its bytes: the contents that are committed to. At most [`CONTENTS_BYTES_MAX`].
    ///
    /// # Errors
    /// [`NotAnEntry`] where it lacks a field of its kind or a value is out of range.
    pub fn encode(&self) -> Result<Vec<u8>, NotAnEntry> {
        self.check()?;
        let bytes = wire::encode(self);
        if bytes.len() > CONTENTS_BYTES_MAX { Err(NotAnEntry::Range("the length")) } else { Ok(bytes) }
    }

    /// Reads [`Entry::encode`], and nothing else.
    ///
    /// # Errors
    /// [`NotAnEntry`].
    pub fn decode(bytes: &[u8]) -> Result<Self, NotAnEntry> {
        if bytes.len() > CONTENTS_BYTES_MAX {
            return Err(NotAnEntry::Range("the length"));
        }
        let entry = wire::decode(bytes)?;
        entry.check()?;
        if wire::encode(&entry) == bytes { Ok(entry) } else { Err(NotAnEntry::Form) }
    }

    /// The entry in contents that are kept; `None` where they are none.
    pub fn opened(opening: &Opening) -> Option<Self> {
        Self::decode(&opening.contents).ok()
    }

    fn check(&self) -> Result<(), NotAnEntry> {
        let within = |is_within: bool, what| if is_within { Ok(()) } else { Err(NotAnEntry::Range(what)) };
        within((1..=NUMBER_MAX).contains(&self.at_ms), "the time")?;
        within(self.since_ms <= self.at_ms, "the time from which on calls are counted")?;
        within(self.records.is_none_or(|records| records <= NUMBER_MAX), "the number of records")?;
        within(self.subjects.len() <= SUBJECTS_MAX, "the number of subjects")?;
        within(self.digests.len().max(self.replaced.len()) <= DIGESTS_MAX, "the number of digests")?;
        within(self.evidence.len() <= EVIDENCE_MAX, "the number of kinds of evidence")?;
        within(self.scores.len() <= SCORES_MAX, "the number of scores")?;
        within(self.reasons.len() <= REASONS_MAX, "the number of reasons")?;
        within(self.calls.len() <= CALLS_MAX, "the number of counts")?;
        let is_finite = |score: &Score| score.value.is_finite() && score.threshold.is_none_or(f32::is_finite);
        within(self.scores.iter().all(is_finite), "a score")?;
        within(self.calls.iter().all(|calls| (1..=NUMBER_MAX).contains(&calls.count)), "a count")?;
        self.kind.check(self).map_err(|what| NotAnEntry::Field { kind: self.kind, what })
    }
}

/// The kind alone: whom it concerns and who did it is nothing for a log.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entry({})", self.kind)
    }
}

/// The kind alone.
impl std::fmt::Debug for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Principal({})", self.kind)
    }
}

#[cfg(test)]
pub(in crate::ledger) mod tests;
