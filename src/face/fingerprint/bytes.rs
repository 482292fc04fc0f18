//! A fingerprint as bytes: sealed, so that without the key two of them cannot be compared.
//!
//! ```text
//! version (1) │ key id (8) │ tag (16) │ sealed: exact (32), recipe (8), print, face
//! ```
//!
//! The tag is the HMAC of what is sealed and begins the key stream that seals it (synthetic
//! IV: Rogaway and Shrimpton 2006), so that one fingerprint has the same bytes every time and
//! a damaged one is told.

use super::{CaptureFingerprint, FACE_WORDS, FingerprintKey, PRINT_WORDS};

const VERSION: u8 = 1;
const HEAD: usize = 1 + 8 + TAG;
const TAG: usize = 16;
const SEALED: usize = 32 + 8 + 8 * (PRINT_WORDS + FACE_WORDS);

/// Why bytes are no fingerprint under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FingerprintError {
    /// Cut short or too long.
    #[error("a stored fingerprint has another length; it is damaged")]
    Length,
    /// Of a later program.
    #[error("a stored fingerprint has version {0}, which this program does not know")]
    Version(u8),
    /// The key was replaced, or is another folder's.
    #[error("a stored fingerprint was made under another fingerprint key")]
    OtherKey,
    /// Not what was stored.
    #[error("a stored fingerprint is damaged")]
    Damaged,
}

impl CaptureFingerprint {
    /// Length of [`CaptureFingerprint::to_bytes`].
    pub const BYTES: usize = HEAD + SEALED;

    /// As it is stored, sealed under the key that it was made with.
    pub fn to_bytes(&self, key: &FingerprintKey) -> [u8; Self::BYTES] {
        let mut plain = [0; SEALED];
        let words = self.print.iter().chain(&self.face).flat_map(|word| word.to_le_bytes());
        let values = self.exact.into_iter().chain(self.recipe).chain(words);
        plain.iter_mut().zip(values).for_each(|(byte, value)| *byte = value);
        let tag = tag(key, &plain);
        sealed(key, &tag, &mut plain);
        let mut bytes = [0; Self::BYTES];
        let parts = [VERSION].into_iter().chain(key.id()).chain(tag).chain(plain);
        bytes.iter_mut().zip(parts).for_each(|(byte, value)| *byte = value);
        bytes
    }

    /// What was stored.
    ///
    /// # Errors
    /// [`FingerprintError`] for bytes that this key did not seal, or that changed since.
    pub fn from_bytes(key: &FingerprintKey, bytes: &[u8]) -> Result<Self, FingerprintError> {
        let version = *bytes.first().ok_or(FingerprintError::Length)?;
        if version != VERSION {
            return Err(FingerprintError::Version(version));
        }
        let bytes: &[u8; Self::BYTES] = bytes.try_into().map_err(|_| FingerprintError::Length)?;
        if bytes[1..9] != key.id() {
            return Err(FingerprintError::OtherKey);
        }
        let mut tagged = [0; TAG];
        tagged.copy_from_slice(&bytes[9..HEAD]);
        let mut plain = [0; SEALED];
        plain.copy_from_slice(&bytes[HEAD..]);
        sealed(key, &tagged, &mut plain);
        if tag(key, &plain) != tagged {
            return Err(FingerprintError::Damaged);
        }
        let mut left = plain.as_slice();
        let (exact, recipe) = (take(&mut left), take(&mut left));
        let mut word = || u64::from_le_bytes(take(&mut left));
        Ok(Self { exact, recipe, print: std::array::from_fn(|_| word()), face: std::array::from_fn(|_| word()) })
    }
}

/// The next bytes; zeros past the end, which the lengths above rule out.
fn take<const N: usize>(left: &mut &[u8]) -> [u8; N] {
    let (head, rest) = left.split_first_chunk::<N>().unwrap_or((&[0; N], &[]));
    *left = rest;
    *head
}

fn tag(key: &FingerprintKey, plain: &[u8; SEALED]) -> [u8; TAG] {
    let digest = key.digest(b"tag", &[plain]);
    std::array::from_fn(|at| digest[at])
}

/// Seals and unseals: the bytes with those of a stream that begins with the tag.
fn sealed(key: &FingerprintKey, tag: &[u8; TAG], bytes: &mut [u8; SEALED]) {
    for (block, bytes) in (0_u8..).zip(bytes.chunks_mut(32)) {
        let stream = key.digest(b"stream", &[tag, &[block]]);
        bytes.iter_mut().zip(stream).for_each(|(byte, with)| *byte ^= with);
    }
}
