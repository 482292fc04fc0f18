//! Receipts (C2SP `tlog-proof`): that one entry stands in the log, checked by anybody who knows the
//! log's key, without the log.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! [extra <base64 of the opening>]
//! index <place of the entry, from 0>
//! <hash of the inclusion proof in base64>…
//!
//! <the checkpoint, with its signatures and cosignatures>
//! ```
//!
//! The extra data is the entry's [`Opening`]: without it a receipt proves that a commitment stands in
//! the log and says nothing of what was entered. It is believed only as far as it opens the
//! commitment that the proof is for.

use std::fmt;

use super::checkpoint::{Checkpoint, NotACheckpoint};
use super::commitment::{CONTENTS_BYTES_MAX, Commitment, Opening, Salt};
use super::encoding;
use super::hash::Hash;
use super::key_change::{LogKeys, NotSigned};
use super::note::{NOTE_BYTES_MAX, NotANote, Note};
use super::tree::{self, NodeSource, PROOF_HASHES_MAX, ProofError, TreeError};
use super::witness::{Cosigned, NotWitnessed, WitnessPolicy};

/// First line of a receipt.
const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Longest extra data, in bytes: an opening's.
const EXTRA_BYTES_MAX: usize = 1 + Salt::BYTES + CONTENTS_BYTES_MAX;
/// Longest receipt, in bytes.
pub const RECEIPT_BYTES_MAX: usize = 64 + EXTRA_BYTES_MAX.div_ceil(3) * 4 + PROOF_HASHES_MAX * 45 + NOTE_BYTES_MAX;

/// How files of receipts end.
pub const FILE_EXTENSION: &str = "tlog-proof";

/// A proof that an entry stands in a log, verified or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Data that nothing vouches for: of this program's receipts the opening, or nothing.
    pub extra: Option<Vec<u8>>,
    /// Place of the entry, from 0.
    pub index: u64,
    /// The inclusion proof, the leaf's sibling first.
    pub proof: Vec<Hash>,
    /// The checkpoint of the tree in which it is included.
    pub checkpoint: Note,
}

/// What cannot be read as a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAReceipt {
    /// Longer than [`RECEIPT_BYTES_MAX`], or a proof of more hashes than any has.
    #[error("it is longer than a receipt may be")]
    TooLong,
    /// The first line is another.
    #[error("its first line is not {HEADER}")]
    Header,
    /// The extra data are not base64.
    #[error("its extra line is not base64")]
    Extra,
    /// There is no index.
    #[error("it has no line with the entry's index")]
    Index,
    /// A line of the proof is no hash.
    #[error("line {0} of its proof is no hash")]
    Proof(usize),
    /// There is no checkpoint after an empty line.
    #[error("it has no empty line with a checkpoint under it")]
    NoCheckpoint,
    /// What follows is no note.
    #[error("its checkpoint is no signed note: {0}")]
    Checkpoint(#[from] NotANote),
}

/// Why a receipt proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotProven {
    /// The checkpoint is not the log's.
    #[error("its checkpoint is not to be believed: {0}")]
    NotSigned(#[from] NotSigned),
    /// Too few witnesses.
    #[error(transparent)]
    NotWitnessed(#[from] NotWitnessed),
    /// The proof does not lead from the entry to the checkpoint.
    #[error("the entry is not in that tree at {index}: {source}")]
    NotIncluded {
        /// Where it should be.
        index: u64,
        /// What is wrong.
        source: ProofError,
    },
    /// Neither the receipt nor the caller says what the entry is.
    #[error("the receipt carries no contents; say which commitment it is for")]
    NoCommitment,
    /// The receipt is for another entry than the caller's.
    #[error("the receipt's contents are not those of the commitment {0}")]
    OtherCommitment(Commitment),
}

/// What a receipt proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The entry's commitment.
    pub commitment: Commitment,
    /// Place of the entry, from 0.
    pub index: u64,
    /// The checkpoint it is included in.
    pub checkpoint: Checkpoint,
    /// Which witnesses have cosigned that.
    pub witnesses: Vec<Cosigned>,
    /// Contents and salt, where the receipt carries them: those that were entered.
    pub opening: Option<Opening>,
}

/// Why a receipt cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CannotProve<E> {
    /// The note is no checkpoint.
    #[error("the note is no checkpoint: {0}")]
    NotACheckpoint(#[from] NotACheckpoint),
    /// The entry is beyond the checkpoint, or the nodes cannot be read.
    #[error(transparent)]
    Tree(TreeError<E>),
}

impl Receipt {
    /// The receipt of entry `index` in the tree of a checkpoint, whose nodes are read; with an opening
    /// it shows what was entered.
    ///
    /// # Errors
    /// [`CannotProve`].
    pub fn prove<S: NodeSource>(
        nodes: &S,
        index: u64,
        checkpoint: Note,
        opening: Option<&Opening>,
    ) -> Result<Self, CannotProve<S::Error>> {
        let size = Checkpoint::parse(checkpoint.text())?.size;
        let proof = tree::inclusion_proof(nodes, index, size).map_err(CannotProve::Tree)?;
        Ok(Self { extra: opening.map(Opening::to_bytes), index, proof, checkpoint })
    }

    /// Reads a receipt, strictly: its `Display` writes the same bytes again.
    ///
    /// # Errors
    /// [`NotAReceipt`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NotAReceipt> {
        if bytes.len() > RECEIPT_BYTES_MAX {
            return Err(NotAReceipt::TooLong);
        }
        let mut rest = bytes;
        if line(&mut rest) != Some(HEADER) {
            return Err(NotAReceipt::Header);
        }
        let mut next = line(&mut rest).ok_or(NotAReceipt::Index)?;
        let mut extra = None;
        if let Some(encoded) = next.strip_prefix("extra ") {
            extra = Some(encoding::from_base64(encoded).ok_or(NotAReceipt::Extra)?);
            next = line(&mut rest).ok_or(NotAReceipt::Index)?;
        }
        let index = next.strip_prefix("index ").and_then(encoding::decimal).ok_or(NotAReceipt::Index)?;
        let mut proof = Vec::new();
        loop {
            let next = line(&mut rest).ok_or(NotAReceipt::NoCheckpoint)?;
            if next.is_empty() {
                break;
            }
            if proof.len() == PROOF_HASHES_MAX {
                return Err(NotAReceipt::TooLong);
            }
            proof.push(Hash::from_base64(next).ok_or(NotAReceipt::Proof(proof.len() + 1))?);
        }
        Ok(Self { extra, index, proof, checkpoint: Note::parse(rest)? })
    }

    /// The opening that the extra data are, if they are one; whether it is that of this entry
    /// [`Receipt::verify`] says.
    pub fn opening(&self) -> Option<Opening> {
        Opening::from_bytes(self.extra.as_deref()?)
    }

    /// The receipt without what was entered, to be shown where that must not be seen.
    #[must_use]
    pub fn without_contents(self) -> Self {
        Self { extra: None, ..self }
    }

    /// Checks that the entry stands in the log of these keys, and that as many witnesses say so as
    /// the policy asks for. Which entry: that of the `commitment`, or else the one whose contents the
    /// receipt carries.
    ///
    /// # Errors
    /// [`NotProven`].
    pub fn verify(
        &self,
        commitment: Option<Commitment>,
        keys: &LogKeys,
        witnesses: &WitnessPolicy,
    ) -> Result<Proven, NotProven> {
        let checkpoint = keys.verify(&self.checkpoint)?;
        let witnesses = witnesses.check(&self.checkpoint)?;
        let opening = self.opening();
        let carried = opening.as_ref().map(Opening::commitment);
        let commitment = match (commitment, carried) {
            (Some(asked), Some(carried)) if asked != carried => return Err(NotProven::OtherCommitment(asked)),
            (asked, carried) => asked.or(carried).ok_or(NotProven::NoCommitment)?,
        };
        let (index, leaf) = (self.index, commitment.leaf_hash());
        tree::check_inclusion(leaf, index, checkpoint.size, &self.proof, checkpoint.root)
            .map_err(|source| NotProven::NotIncluded { index, source })?;
        Ok(Proven { commitment, index, checkpoint, witnesses, opening })
    }
}

/// The receipt as it is kept and sent.
impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", encoding::base64(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// The next line, without its break; `None` at the end and where it is not UTF-8.
fn line<'t>(rest: &mut &'t [u8]) -> Option<&'t str> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (line, after) = (&rest[..end], &rest[end + 1..]);
    *rest = after;
    str::from_utf8(line).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::note::{Algorithm, SigningKey};
    use crate::ledger::tree::{MemoryNodes, RightEdge};
    use crate::ledger::witness;

    fn opening(number: u8) -> Opening {
        Opening { salt: Salt::from_bytes([number; 32]), contents: format!("entry {number}").into_bytes() }
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed("example.vn/log".parse().unwrap(), Algorithm::Ed25519, &[seed; 32])
    }

    fn witness() -> SigningKey {
        SigningKey::from_seed("witness.example.vn".parse().unwrap(), Algorithm::CosignatureV1, &[50; 32])
    }

    fn keys() -> LogKeys {
        LogKeys::new(key(1).verifier().clone()).unwrap()
    }

    fn policy(needed: usize) -> WitnessPolicy {
        WitnessPolicy::new(vec![witness().verifier().clone()], needed).unwrap()
    }

    /// The receipt of an entry in a log of 11.
    fn receipt(index: u8) -> Receipt {
        let (mut edge, mut nodes) = (RightEdge::default(), MemoryNodes::default());
        for number in 0..11 {
            edge.append(opening(number).commitment().leaf_hash(), &mut nodes).unwrap();
        }
        let origin = "example.vn/log".parse().unwrap();
        let checkpoint = Checkpoint { origin, size: 11, root: edge.root(), extensions: Vec::new() };
        let note = checkpoint.sign(&[&key(1)]).unwrap();
        let cosignature = witness::cosign(&witness(), note.text(), 1_700_000_000).unwrap();
        let beyond = Receipt::prove(&nodes, 11, note.clone(), None);
        assert!(matches!(beyond, Err(CannotProve::Tree(TreeError::OutOfRange { what: 11, size: 11 }))));
        Receipt::prove(&nodes, index.into(), note.with(cosignature), Some(&opening(index))).unwrap()
    }

    #[test]
    fn a_receipt_proves_its_entry_to_whoever_has_the_key() {
        for index in 0..11 {
            let text = receipt(index).to_string();
            let read = Receipt::parse(text.as_bytes()).unwrap();
            assert_eq!(read, receipt(index));
            assert_eq!(read.to_string(), text);
            let proven = read.verify(None, &keys(), &policy(1)).unwrap();
            assert_eq!((proven.index, proven.checkpoint.size, proven.witnesses.len()), (index.into(), 11, 1));
            assert_eq!(proven.opening, Some(opening(index)));
        }
    }

    #[test]
    fn a_receipt_is_written_as_the_specification_says() {
        let text = receipt(3).without_contents().to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["c2sp.org/tlog-proof@v1", "index 3"]);
        // Four hashes, each of 44 characters, an empty line, the checkpoint.
        assert!(lines[2..6].iter().all(|line| line.len() == 44), "{text}");
        assert_eq!(lines[6..9], ["", "example.vn/log", "11"]);
        assert!(receipt(3).to_string().lines().nth(1).unwrap().starts_with("extra AQMD"));
    }

    #[test]
    fn without_contents_it_proves_the_commitment_that_is_named() {
        let bare = receipt(4).without_contents();
        let asked = opening(4).commitment();
        let proven = bare.verify(Some(asked), &keys(), &policy(0)).unwrap();
        assert_eq!((proven.commitment, proven.opening), (asked, None));
        assert_eq!(bare.verify(None, &keys(), &policy(0)), Err(NotProven::NoCommitment));
        let other = opening(5).commitment();
        assert!(matches!(bare.verify(Some(other), &keys(), &policy(0)), Err(NotProven::NotIncluded { index: 4, .. })));
        assert_eq!(receipt(4).verify(Some(other), &keys(), &policy(0)), Err(NotProven::OtherCommitment(other)));
    }

    #[test]
    fn what_was_altered_proves_nothing() {
        let verify = |receipt: &Receipt| receipt.verify(None, &keys(), &policy(1));
        let good = receipt(6);
        let moved = Receipt { index: 5, ..good.clone() };
        let other_contents = Receipt { extra: Some(opening(7).to_bytes()), ..good.clone() };
        let shorter = Receipt { proof: good.proof[1..].to_vec(), ..good.clone() };
        for altered in [moved, other_contents, shorter] {
            assert!(matches!(verify(&altered), Err(NotProven::NotIncluded { .. })), "{altered}");
        }
        let by_another =
            Receipt { checkpoint: Note::sign(good.checkpoint.text(), &[&key(2)]).unwrap(), ..good.clone() };
        assert!(matches!(verify(&by_another), Err(NotProven::NotSigned(_))));
        let alone = Receipt { checkpoint: Note::sign(good.checkpoint.text(), &[&key(1)]).unwrap(), ..good };
        assert!(matches!(verify(&alone), Err(NotProven::NotWitnessed(_))));
    }

    #[test]
    fn what_is_no_receipt_is_refused_with_its_reason() {
        let good = receipt(2).to_string();
        let long =
            format!("{HEADER}\nindex 0\n{}", format!("{}\n", Hash::EMPTY.to_base64()).repeat(PROOF_HASHES_MAX + 1));
        for (text, error) in [
            (String::new(), NotAReceipt::Header),
            (good.replacen("@v1", "@v2", 1), NotAReceipt::Header),
            (good.replacen("extra ", "extra =", 1), NotAReceipt::Extra),
            (good.replacen("index 2", "index 02", 1), NotAReceipt::Index),
            (good.replacen("index 2\n", "", 1), NotAReceipt::Index),
            (format!("{HEADER}\nextra AA==\nextra AA==\nindex 0\n\n"), NotAReceipt::Index),
            (good.replacen("index 2\n", "index 2\nhash\n", 1), NotAReceipt::Proof(1)),
            (good.replacen("\n\nexample", "\nexample", 1), NotAReceipt::Proof(5)),
            (format!("{HEADER}\nindex 0\n"), NotAReceipt::NoCheckpoint),
            (format!("{HEADER}\nindex 0\n\n"), NotAReceipt::Checkpoint(NotANote::NoSignatures)),
            (long, NotAReceipt::TooLong),
            ("a".repeat(RECEIPT_BYTES_MAX + 1), NotAReceipt::TooLong),
        ] {
            assert_eq!(Receipt::parse(text.as_bytes()), Err(error), "{text:.300}");
        }
    }

    proptest! {
        /// One bit anywhere, and it is no receipt or proves nothing: but in the line of the witness
        /// where nobody asks for one, and in the salt's and contents' own spelling, which are bound.
        #[test]
        fn one_bit_is_told(at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut bytes = receipt(6).to_string().into_bytes();
            let place = at.index(bytes.len());
            bytes[place] ^= 1 << bit;
            let proves = Receipt::parse(&bytes).is_ok_and(|read| read.verify(None, &keys(), &policy(1)).is_ok());
            prop_assert!(!proves);
        }

        #[test]
        fn whatever_bytes_come_they_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Receipt::parse(&bytes);
            let _ = Receipt::parse(&[HEADER.as_bytes(), b"\nindex 1\n", &bytes].concat());
        }
    }
}
