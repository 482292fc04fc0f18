//! Commitments: the leaves of the tree, which say nothing of what was entered until somebody shows
//! contents and salt.
//!
//! ```text
//! commitment = SHA-256("chinhchu.ledger/commitment/v1\n" || salt || contents)
//! ```
//!
//! The salt is 32 random bytes, new for each entry: contents of few possibilities cannot be found by
//! trying. The data of the tree's leaf is the commitment, so that contents and salts can be erased
//! and tree, receipts and tiles stay provable.

use std::{fmt, io};

use sha2::{Digest, Sha256};

use super::encoding;
use super::hash::Hash;
use crate::random;

/// Before salt and contents: no hash of anything else begins so.
const PREFIX: &[u8] = b"chinhchu.ledger/commitment/v1\n";
/// First byte of an opening's bytes.
const OPENING_VERSION: u8 = 1;

/// Longest contents of an entry, in bytes.
pub const CONTENTS_BYTES_MAX: usize = 32 << 10;

/// What hides the contents of one entry. Never printed, and never used twice.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt([u8; Salt::BYTES]);

impl Salt {
    /// Length of a salt.
    pub const BYTES: usize = 32;

    /// One that nobody knows.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn random() -> io::Result<Self> {
        random::secret().map(Self)
    }

    /// The salt of these bytes.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

/// The data of a leaf: what stands in the tree for an entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Commitment([u8; Commitment::BYTES]);

impl Commitment {
    /// Length of a commitment.
    pub const BYTES: usize = 32;

    /// The commitment to these contents under this salt.
    pub fn to(contents: &[u8], salt: &Salt) -> Self {
        Self(Sha256::new_with_prefix(PREFIX).chain_update(salt.0).chain_update(contents).finalize().into())
    }

    /// The commitment of these bytes, which are one already.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes, the data of the leaf.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The hash of the leaf: `SHA-256(0x00 || commitment)`.
    pub fn leaf_hash(&self) -> Hash {
        Hash::leaf(&self.0)
    }

    /// Whether contents and salt are those that were committed to.
    pub fn is_opened_by(&self, opening: &Opening) -> bool {
        *self == opening.commitment()
    }
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::hex::encode(&self.0))
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Contents with their salt: what shows what a commitment stands for.
#[derive(Clone, PartialEq, Eq)]
pub struct Opening {
    /// The salt.
    pub salt: Salt,
    /// The contents: of an entry, [`Entry::encode`](super::entry::Entry::encode).
    pub contents: Vec<u8>,
}

impl Opening {
    /// What it opens.
    pub fn commitment(&self) -> Commitment {
        Commitment::to(&self.contents, &self.salt)
    }

    /// One byte 1, the salt, the contents: as a receipt carries it.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&[OPENING_VERSION][..], &self.salt.0, &self.contents].concat()
    }

    /// Reads [`Opening::to_bytes`]; `None` where it is of another version or too short, or the
    /// contents are longer than [`CONTENTS_BYTES_MAX`]. Whether it opens anything is another
    /// question.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (salt, contents) = rest.split_first_chunk()?;
        let is_read = *version == OPENING_VERSION && contents.len() <= CONTENTS_BYTES_MAX;
        is_read.then(|| Self { salt: Salt(*salt), contents: contents.to_vec() })
    }
}

/// Says how long the contents are.
impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opening({} bytes)", self.contents.len())
    }
}

/// Reads a commitment in base64, as receipts' tools print it.
impl std::str::FromStr for Commitment {
    type Err = NotACommitment;

    fn from_str(text: &str) -> Result<Self, NotACommitment> {
        let bytes = crate::hex::decode_array(text).or_else(|| encoding::array_from_base64(text));
        bytes.map(Self).ok_or(NotACommitment)
    }
}

/// A text that is no commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a commitment is 32 bytes in hexadecimal or base64")]
pub struct NotACommitment;

#[cfg(test)]
mod tests {
    use super::*;

    fn opening() -> Opening {
        Opening { salt: Salt::from_bytes([7; 32]), contents: b"contents".to_vec() }
    }

    /// The formula of `docs/ledger.md`, written out.
    #[test]
    fn a_commitment_is_what_the_page_says() {
        let message = [b"chinhchu.ledger/commitment/v1\n", &[7; 32][..], b"contents"].concat();
        let expected: [u8; 32] = Sha256::digest(&message).into();
        assert_eq!(opening().commitment().as_bytes(), &expected);
        assert_eq!(opening().commitment().leaf_hash(), Hash::leaf(&expected));
    }

    #[test]
    fn contents_and_salt_open_it_and_nothing_else_does() {
        let commitment = opening().commitment();
        assert!(commitment.is_opened_by(&opening()));
        let other_salt = Opening { salt: Salt::from_bytes([8; 32]), ..opening() };
        let other_contents = Opening { contents: b"Contents".to_vec(), ..opening() };
        let mut moved = opening();
        moved.contents.insert(0, 7);
        for other in [other_salt, other_contents, moved] {
            assert!(!commitment.is_opened_by(&other), "{other:?}");
        }
    }

    #[test]
    fn the_same_contents_entered_twice_do_not_look_the_same() {
        let commitment = || Commitment::to(b"APPROVE", &Salt::random().unwrap());
        assert_ne!(commitment(), commitment());
    }

    #[test]
    fn an_opening_comes_back_from_its_bytes() {
        let bytes = opening().to_bytes();
        assert_eq!(Opening::from_bytes(&bytes), Some(opening()));
        let mut other_version = bytes.clone();
        other_version[0] = 2;
        let too_long = [&bytes[..33], &vec![0; CONTENTS_BYTES_MAX + 1]].concat();
        for wrong in [&[][..], &bytes[..32], &other_version, &too_long] {
            assert_eq!(Opening::from_bytes(wrong), None);
        }
    }

    #[test]
    fn a_salt_is_never_printed() {
        assert_eq!(format!("{:?} {:?}", opening().salt, opening()), "Salt(..) Opening(8 bytes)");
    }

    #[test]
    fn a_commitment_is_read_in_both_spellings() {
        let commitment = opening().commitment();
        assert_eq!(commitment.to_string().parse(), Ok(commitment));
        assert_eq!(encoding::base64(commitment.as_bytes()).parse(), Ok(commitment));
        assert_eq!("00".parse::<Commitment>(), Err(NotACommitment));
    }
}
