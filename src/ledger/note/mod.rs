//! Signed notes (C2SP `signed-note`): a text of lines with signatures under it, each by a key that is
//! known by name and id.
//!
//! Our own code on `ring`, which signs and verifies already: the crate `signed_note` covers the same
//! and would bring a second Ed25519, a second SHA-256 and earlier versions of `rand_core`, `base64`
//! and `thiserror`, and it does not know cosignatures.

mod key;

use std::fmt;
use std::str::FromStr;

pub use self::key::{Algorithm, KeyError, KeyName, NotAKey, SigningKey, VerifierKey};
use super::encoding;

/// Longest note, in bytes: 16 signatures of 5 kB, as those that withstand quantum computers have, and a
/// text.
pub const NOTE_BYTES_MAX: usize = 128 << 10;
/// Most signatures of a note. The specification asks for 16 at least.
pub const SIGNATURES_MAX: usize = 64;

/// What stands before a signature: an em dash and a space.
const SIGNATURE_START: &str = "\u{2014} ";

/// What cannot be read as a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotANote {
    /// Longer than [`NOTE_BYTES_MAX`], or with more signatures than [`SIGNATURES_MAX`].
    #[error("it is longer than a note may be, or has too many signatures")]
    TooLong,
    /// Not UTF-8, or with a control character other than a line break.
    #[error("it is not UTF-8, or has control characters in it")]
    Characters,
    /// There is no empty line with signatures after it.
    #[error("it has no empty line with signatures under it")]
    NoSignatures,
    /// A line under the text is no signature.
    #[error("line {0} of its signatures is none")]
    Signature(usize),
}

/// Why a note's text is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotVerified {
    /// No key that is known has signed it.
    #[error("no key that is known has signed it")]
    Unsigned,
    /// A signature by a key that is known does not hold: the text was changed, or the signature.
    #[error("the signature of {name} ({id}) does not hold")]
    Wrong {
        /// The key's name.
        name: KeyName,
        /// The key's id, in hexadecimal.
        id: String,
    },
}

/// One line under a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Name of the key.
    pub name: KeyName,
    /// Id of the key.
    pub id: [u8; 4],
    /// What the key's algorithm made; of Ed25519 64 bytes, of a cosignature 72.
    pub bytes: Vec<u8>,
}

/// A text and its signatures, verified or not. Two notes are equal where all bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

impl Note {
    /// Signs a text with keys of [`Algorithm::Ed25519`], in their order. `None` where the text is no
    /// note's (it ends with a line break and has no other control characters), or where there is no
    /// key.
    pub fn sign(text: &str, keys: &[&SigningKey]) -> Option<Self> {
        let signatures: Vec<_> = keys.iter().map(|key| key.sign(text)).collect();
        let is_text = is_written_so(text) && text.ends_with('\n') && text.len() <= NOTE_BYTES_MAX;
        (is_text && !signatures.is_empty()).then(|| Self { text: text.to_owned(), signatures })
    }

    /// Reads a note, strictly: its `Display` writes the same bytes again.
    ///
    /// # Errors
    /// [`NotANote`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NotANote> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NotANote::TooLong);
        }
        let whole = str::from_utf8(bytes).ok().filter(|text| is_written_so(text)).ok_or(NotANote::Characters)?;
        // The last empty line parts them: the text may have others.
        let end = whole.rfind("\n\n").ok_or(NotANote::NoSignatures)?;
        let (text, lines) = (&whole[..=end], &whole[end + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(NotANote::NoSignatures)?;
        let mut signatures = Vec::new();
        for (number, line) in lines.split('\n').enumerate() {
            if number == SIGNATURES_MAX {
                return Err(NotANote::TooLong);
            }
            signatures.push(Signature::parse(line).ok_or(NotANote::Signature(number + 1))?);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text, its last line break included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in their order.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The note with one more signature under it.
    #[must_use]
    pub fn with(mut self, signature: Signature) -> Self {
        self.signatures.push(signature);
        self
    }

    /// Which of these keys have signed it. Signatures of other keys are passed over.
    ///
    /// # Errors
    /// [`NotVerified::Wrong`] where a signature of one of the keys does not hold, whatever others
    /// there are; [`NotVerified::Unsigned`] where none of them has signed.
    pub fn verify<'k>(&self, keys: &[&'k VerifierKey]) -> Result<Vec<&'k VerifierKey>, NotVerified> {
        let mut signers: Vec<&VerifierKey> = Vec::new();
        for key in keys {
            for signature in self.signatures.iter().filter(|signature| key.is_named_by(signature)) {
                if !key.verifies(&self.text, &signature.bytes) {
                    return Err(NotVerified::Wrong { name: key.name().clone(), id: key.id_text() });
                }
                if !signers.contains(key) {
                    signers.push(key);
                }
            }
        }
        if signers.is_empty() { Err(NotVerified::Unsigned) } else { Ok(signers) }
    }
}

/// The note as it is kept and sent.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl Signature {
    fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(SIGNATURE_START)?.split_once(' ')?;
        let bytes = encoding::from_base64(encoded)?;
        let (id, bytes) = bytes.split_first_chunk()?;
        let name = KeyName::from_str(name).ok()?;
        (!bytes.is_empty()).then(|| Self { name, id: *id, bytes: bytes.to_vec() })
    }
}

/// The line, without its break.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = encoding::base64(&[&self.id[..], &self.bytes].concat());
        write!(f, "{SIGNATURE_START}{} {encoded}", self.name)
    }
}

fn is_written_so(text: &str) -> bool {
    text.bytes().all(|byte| byte >= b' ' || byte == b'\n')
}

#[cfg(test)]
mod tests;
