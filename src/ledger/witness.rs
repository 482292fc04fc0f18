//! Witnesses (C2SP `tlog-cosignature`): others who remember a log's checkpoints and say so, and what
//! is told by what they remember.
//!
//! A cosignature is 8 bytes of a time and an Ed25519 signature over
//!
//! ```text
//! cosignature/v1
//! time <seconds since 1970>
//! <the checkpoint's text>
//! ```
//!
//! Whoever holds the log's signing key can sign two logs of one size, or an earlier state again. A
//! witness that remembers the larger or the other one tells ([`compare`]).

use super::checkpoint::Checkpoint;
use super::encoding::NUMBER_MAX;
use super::hash::Hash;
use super::note::{Algorithm, KeyName, NotVerified, Note, Signature, SigningKey, VerifierKey};
use super::tree::{self, NodeSource, ProofError, TreeError};

/// What is cosigned for a checkpoint's text at a time.
fn message(time_s: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time_s}\n{text}")
}

/// The time of a cosignature of this text by this key, in seconds since 1970; `None` where it is
/// none.
pub(super) fn verified_time(key: &VerifierKey, text: &str, bytes: &[u8]) -> Option<u64> {
    let (time, signature) = bytes.split_first_chunk()?;
    let time_s = u64::from_be_bytes(*time);
    let is_own = key.algorithm() == Algorithm::CosignatureV1 && time_s <= NUMBER_MAX;
    (is_own && key.verifies_bytes(message(time_s, text).as_bytes(), signature)).then_some(time_s)
}

/// Cosigns a checkpoint's text: the witness has seen that it continues the largest checkpoint that it
/// remembers ([`compare`]). `None` where the key is no witness's.
pub fn cosign(key: &SigningKey, text: &str, time_s: u64) -> Option<Signature> {
    let is_own = key.verifier().algorithm() == Algorithm::CosignatureV1 && time_s <= NUMBER_MAX;
    let sign = || [&time_s.to_be_bytes()[..], &key.sign_bytes(message(time_s, text).as_bytes())].concat();
    is_own.then(|| key.signature(sign()))
}

/// A witness that has cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// Its name.
    pub witness: KeyName,
    /// When, in seconds since 1970, by its own clock.
    pub time_s: u64,
}

/// Which witnesses are believed, and how many of them must have cosigned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WitnessPolicy {
    witnesses: Vec<VerifierKey>,
    needed: usize,
}

/// Why witnesses do not speak for a checkpoint, or a policy is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotWitnessed {
    /// A cosignature of a witness that is known does not hold.
    #[error(transparent)]
    Wrong(#[from] NotVerified),
    /// Fewer have cosigned than are needed.
    #[error("{found} of the {needed} witnesses that are needed have cosigned")]
    TooFew {
        /// How many have.
        found: usize,
        /// How many must.
        needed: usize,
    },
}

/// A policy that nobody can meet, or that counts one witness twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a policy of witnesses has cosigners' keys, each once, and needs no more of them than there are")]
pub struct NotAPolicy;

impl WitnessPolicy {
    /// At least `needed` of these witnesses must have cosigned.
    ///
    /// # Errors
    /// [`NotAPolicy`] where a key is not of [`Algorithm::CosignatureV1`], where two keys are one under
    /// two names, and where more are needed than there are.
    pub fn new(witnesses: Vec<VerifierKey>, needed: usize) -> Result<Self, NotAPolicy> {
        let are_cosigners = witnesses.iter().all(|key| key.algorithm() == Algorithm::CosignatureV1);
        let twice =
            (1..witnesses.len()).any(|at| witnesses[..at].iter().any(|key| key.public() == witnesses[at].public()));
        match are_cosigners && !twice && needed <= witnesses.len() {
            true => Ok(Self { witnesses, needed }),
            false => Err(NotAPolicy),
        }
    }

    /// Which witnesses have cosigned a checkpoint, each once, by its newest time.
    ///
    /// # Errors
    /// [`NotWitnessed`].
    pub fn check(&self, note: &Note) -> Result<Vec<Cosigned>, NotWitnessed> {
        let mut cosigned: Vec<Cosigned> = Vec::new();
        for key in &self.witnesses {
            let mut newest = None;
            for signature in note.signatures().iter().filter(|signature| key.is_named_by(signature)) {
                let wrong = || NotVerified::Wrong { name: key.name().clone(), id: key.id_text() };
                let time_s = verified_time(key, note.text(), &signature.bytes).ok_or_else(wrong)?;
                newest = newest.max(Some(time_s));
            }
            cosigned.extend(newest.map(|time_s| Cosigned { witness: key.name().clone(), time_s }));
        }
        match cosigned.len() {
            found if found < self.needed => Err(NotWitnessed::TooFew { found, needed: self.needed }),
            _ => Ok(cosigned),
        }
    }
}

/// How a log stands to a checkpoint that somebody remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continued {
    /// It is the same.
    Same,
    /// Entries came after it, and those before are as they were.
    Grown,
}

/// A log that is not what somebody remembers of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotContinued {
    /// The checkpoint is of another log.
    #[error("the checkpoint is of {remembered}, this log is {found}")]
    OtherLog {
        /// Whose it is.
        remembered: KeyName,
        /// This log's.
        found: KeyName,
    },
    /// It has fewer entries than it had: it was rolled back to an earlier state, or cut.
    #[error(
        "the log had {remembered} entries and has {found}: it was rolled back or cut; entries from {found} on are gone"
    )]
    Shorter {
        /// How many it had.
        remembered: u64,
        /// How many it has.
        found: u64,
    },
    /// It has as many entries or more, and those that were there are not the same: somebody was shown
    /// another log.
    #[error("the first {size} entries are not those that were there: two logs were signed under one name (a fork)")]
    Forked {
        /// Size of the checkpoint that is remembered.
        size: u64,
    },
}

/// Compares a log with a checkpoint that was kept elsewhere; whoever calls has verified both. The
/// roots of both sizes are made of the log's nodes.
///
/// # Errors
/// [`TreeError`] where the nodes cannot be read. Inside, [`NotContinued`].
pub fn compare<S: NodeSource>(
    remembered: &Checkpoint,
    current: &Checkpoint,
    nodes: &S,
) -> Result<Result<Continued, NotContinued>, TreeError<S::Error>> {
    if let Err(told) = comparable(remembered, current) {
        return Ok(Err(told));
    }
    // Nodes that are not those of the current checkpoint would say nothing of it.
    let is_same =
        tree::root(nodes, remembered.size)? == remembered.root && tree::root(nodes, current.size)? == current.root;
    Ok(continued(is_same, remembered, current))
}

/// Compares by a consistency proof, for whoever has no nodes.
///
/// # Errors
/// [`NotContinued`]; a proof of the wrong length proves nothing, as one that leads elsewhere.
pub fn compare_by_proof(
    remembered: &Checkpoint,
    current: &Checkpoint,
    proof: &[Hash],
) -> Result<Continued, NotContinued> {
    comparable(remembered, current)?;
    let checked: Result<(), ProofError> =
        tree::check_consistency((remembered.size, remembered.root), (current.size, current.root), proof);
    continued(checked.is_ok(), remembered, current)
}

fn comparable(remembered: &Checkpoint, current: &Checkpoint) -> Result<(), NotContinued> {
    if remembered.origin != current.origin {
        let (remembered, found) = (remembered.origin.clone(), current.origin.clone());
        return Err(NotContinued::OtherLog { remembered, found });
    }
    match current.size < remembered.size {
        true => Err(NotContinued::Shorter { remembered: remembered.size, found: current.size }),
        false => Ok(()),
    }
}

fn continued(is_same: bool, remembered: &Checkpoint, current: &Checkpoint) -> Result<Continued, NotContinued> {
    match is_same {
        false => Err(NotContinued::Forked { size: remembered.size }),
        true if remembered.size == current.size => Ok(Continued::Same),
        true => Ok(Continued::Grown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tree::{MemoryNodes, RightEdge};

    fn witness(seed: u8) -> SigningKey {
        let name = format!("witness{seed}.example.vn").parse().unwrap();
        SigningKey::from_seed(name, Algorithm::CosignatureV1, &[seed; 32])
    }

    fn log() -> SigningKey {
        SigningKey::from_seed("example.vn/log".parse().unwrap(), Algorithm::Ed25519, &[99; 32])
    }

    fn checkpoint_of(leaves: &[&str]) -> (Checkpoint, MemoryNodes) {
        let (mut edge, mut nodes) = (RightEdge::default(), MemoryNodes::default());
        for leaf in leaves {
            edge.append(Hash::leaf(leaf.as_bytes()), &mut nodes).unwrap();
        }
        let origin = "example.vn/log".parse().unwrap();
        (Checkpoint { origin, size: edge.size(), root: edge.root(), extensions: Vec::new() }, nodes)
    }

    fn cosigned(witnesses: &[u8]) -> Note {
        let note = checkpoint_of(&["a", "b"]).0.sign(&[&log()]).unwrap();
        witnesses.iter().fold(note, |note, seed| {
            let line = cosign(&witness(*seed), note.text(), 1_700_000_000 + u64::from(*seed)).unwrap();
            note.with(line)
        })
    }

    fn policy(witnesses: &[u8], needed: usize) -> WitnessPolicy {
        WitnessPolicy::new(witnesses.iter().map(|seed| witness(*seed).verifier().clone()).collect(), needed).unwrap()
    }

    #[test]
    fn as_many_witnesses_as_are_needed_speak_for_a_checkpoint() {
        let note = Note::parse(cosigned(&[1, 2, 7]).to_string().as_bytes()).unwrap();
        let found = policy(&[1, 2, 3], 2).check(&note).unwrap();
        let one = |seed: u8| Cosigned {
            witness: witness(seed).verifier().name().clone(),
            time_s: 1_700_000_000 + u64::from(seed),
        };
        assert_eq!(found, [one(1), one(2)], "a stranger counts for nothing");
        assert_eq!(policy(&[1, 2, 3], 3).check(&note), Err(NotWitnessed::TooFew { found: 2, needed: 3 }));
        assert_eq!(policy(&[], 0).check(&note), Ok(Vec::new()));
    }

    #[test]
    fn one_witness_counts_once_however_often_it_signs() {
        let note = cosigned(&[1]);
        let later = cosign(&witness(1), note.text(), 1_800_000_000).unwrap();
        let note = note.with(later);
        assert_eq!(policy(&[1, 2], 2).check(&note), Err(NotWitnessed::TooFew { found: 1, needed: 2 }));
        assert_eq!(policy(&[1, 2], 1).check(&note).unwrap()[0].time_s, 1_800_000_000);
    }

    #[test]
    fn a_witness_under_two_names_and_a_logs_key_make_no_policy() {
        let one = witness(1).verifier().clone();
        let alias = VerifierKey::new("alias".parse().unwrap(), Algorithm::CosignatureV1, *one.public());
        assert_eq!(WitnessPolicy::new(vec![one.clone(), alias], 1), Err(NotAPolicy));
        assert_eq!(WitnessPolicy::new(vec![log().verifier().clone()], 1), Err(NotAPolicy));
        assert_eq!(WitnessPolicy::new(vec![one], 2), Err(NotAPolicy));
    }

    #[test]
    fn a_cosignature_is_for_its_text_time_and_key() {
        let (key, text) = (witness(1), "example.vn/log\n2\nroot\n");
        let bytes = cosign(&key, text, 1_700_000_000).unwrap().bytes;
        assert_eq!(bytes.len(), 72);
        assert_eq!(verified_time(key.verifier(), text, &bytes), Some(1_700_000_000));
        assert_eq!(verified_time(witness(2).verifier(), text, &bytes), None);
        assert_eq!(verified_time(key.verifier(), "example.vn/log\n3\nroot\n", &bytes), None);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(verified_time(key.verifier(), text, &changed), None, "byte {at}");
        }
        for short in [&[][..], &bytes[..8], &bytes[..71]] {
            assert_eq!(verified_time(key.verifier(), text, short), None);
        }
        assert_eq!(cosign(&log(), text, 1), None, "a log's key is no witness");
        assert_eq!(cosign(&key, text, u64::MAX), None);
    }

    #[test]
    fn a_wrong_cosignature_of_a_known_witness_is_told() {
        let note = cosigned(&[1]);
        let mut line = note.signatures()[1].clone();
        line.bytes[20] ^= 1;
        assert!(matches!(policy(&[1], 0).check(&note.with(line)), Err(NotWitnessed::Wrong(_))));
    }

    #[test]
    fn what_a_witness_remembers_tells_a_log_that_goes_on_from_one_that_does_not() {
        let day = ["a", "b", "c", "d", "e"];
        let (remembered, _) = checkpoint_of(&day[..3]);
        let check = |leaves: &[&str]| {
            let (current, nodes) = checkpoint_of(leaves);
            let by_nodes = compare(&remembered, &current, &nodes).unwrap();
            let proof = tree::consistency_proof(&nodes, remembered.size, current.size).unwrap_or_default();
            assert_eq!(compare_by_proof(&remembered, &current, &proof), by_nodes);
            by_nodes
        };
        assert_eq!(check(&day[..3]), Ok(Continued::Same));
        assert_eq!(check(&day), Ok(Continued::Grown));
        assert_eq!(check(&day[..2]), Err(NotContinued::Shorter { remembered: 3, found: 2 }));
        assert_eq!(check(&[]), Err(NotContinued::Shorter { remembered: 3, found: 0 }));
        for forked in [&["a", "b", "X"][..], &["X", "b", "c", "d"], &["a", "c", "b", "d", "e", "f"]] {
            assert_eq!(check(forked), Err(NotContinued::Forked { size: 3 }), "{forked:?}");
        }
        let (mut other, nodes) = checkpoint_of(&day);
        other.origin = "example.vn/other".parse().unwrap();
        assert!(matches!(compare(&remembered, &other, &nodes).unwrap(), Err(NotContinued::OtherLog { .. })));
    }

    /// The log's nodes continue what is remembered, and the checkpoint that it shows is of others: told,
    /// too.
    #[test]
    fn a_checkpoint_that_does_not_fit_its_own_nodes_is_a_fork() {
        let (remembered, _) = checkpoint_of(&["a", "b"]);
        for leaves in [&["a", "b"][..], &["a", "b", "c"]] {
            let (current, nodes) = checkpoint_of(leaves);
            let current = Checkpoint { root: Hash::leaf(b"other"), ..current };
            assert_eq!(compare(&remembered, &current, &nodes), Ok(Err(NotContinued::Forked { size: 2 })));
        }
    }
}
