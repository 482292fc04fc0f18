//! The key under which transactions and subjects are named in the log: a file of its own, and what is
//! derived from it.
//!
//! ```text
//! HMAC-SHA-256(key, "chinhchu.ledger/<purpose>/v1\n" || text), the first 16 bytes
//! ```
//!
//! Who has the key can tell whether an entry is about an id that they have; who has not sees that two
//! entries are about one.

use std::io::{self, Write};
use std::path::Path;
use std::{fmt, str::FromStr};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::words::Label;
use crate::private::{self, Partial, Readers};
use crate::{hex, random};

/// Before the digits of a label that stands for a text.
const DIGESTED: &str = "hmac:";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerKeyError {
    /// The file cannot be read or written, or others can read it.
    #[error("the key of the log's digests: {0}")]
    Io(#[from] io::Error),
    /// A key cut short, or another file.
    #[error(
        "the key of the log's digests is a file of 32 bytes; restore it from a backup: with another key no earlier \
         entry is found by its transaction or subject"
    )]
    Length,
}

/// A transaction or a subject as the log names it: 16 bytes of HMAC-SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyedDigest([u8; KeyedDigest::BYTES]);

impl KeyedDigest {
    /// Length of a digest.
    pub const BYTES: usize = 16;

    /// The digest of these bytes, which are one already.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Display for KeyedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for KeyedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyedDigest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        hex::decode_array(text).map(Self).ok_or(NotADigest)
    }
}

/// A text that is no digest of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a digest of the log is 32 hexadecimal digits")]
pub struct NotADigest;

impl serde::Serialize for KeyedDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The key, 32 random bytes. Never printed.
#[derive(Clone)]
pub struct LedgerKey {
    secret: [u8; LedgerKey::BYTES],
    /// HMAC under the secret, before any message.
    mac: Hmac<Sha256>,
}

impl LedgerKey {
    /// Length of its file.
    pub const BYTES: usize = 32;

    /// A key that nobody has yet.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn random() -> io::Result<Self> {
        random::secret().map(Self::from_bytes)
    }

    /// The key of these bytes.
    pub fn from_bytes(secret: [u8; Self::BYTES]) -> Self {
        Self { mac: Hmac::new_from_slice(&secret).expect("a key of any length"), secret }
    }

    /// The key of a file that its owner alone can read.
    ///
    /// # Errors
    /// [`LedgerKeyError`]; [`io::ErrorKind::NotFound`] where there is none.
    pub fn load(path: &Path) -> Result<Self, LedgerKeyError> {
        let length = Self::BYTES as u64;
        let bytes = private::read_secret(path, length + 1)?;
        bytes.try_into().map(Self::from_bytes).map_err(|_| LedgerKeyError::Length)
    }

    /// The key of a file, which is made where it is not there, readable by its owner alone.
    ///
    /// # Errors
    /// As for [`LedgerKey::load`] but for a missing file, and those of writing it.
    pub fn load_or_create(path: &Path) -> Result<Self, LedgerKeyError> {
        let is_missing = |found: &Result<Self, LedgerKeyError>| matches!(found, Err(LedgerKeyError::Io(error)) if error.kind() == io::ErrorKind::NotFound);
        let found = Self::load(path);
        if !is_missing(&found) {
            return found;
        }
        // By one process at a time: none replaces a key that another has begun to use.
        let partial = Partial::create(path, Readers::Owner)?;
        let found = Self::load(path);
        if !is_missing(&found) {
            return found;
        }
        let key = Self::random()?;
        partial.file().write_all(&key.secret)?;
        partial.keep()?;
        private::sync_folder(path.parent().unwrap_or(Path::new(".")))?;
        Ok(key)
    }

    /// What a log keeps to tell this key from others; it says nothing of the key.
    pub fn check(&self) -> KeyedDigest {
        self.digest("check", "")
    }

    /// What stands for a transaction's id.
    pub fn transaction(&self, id: &str) -> KeyedDigest {
        self.digest("transaction", id)
    }

    /// What stands for a subject's id.
    pub fn subject(&self, id: &str) -> KeyedDigest {
        self.digest("subject", id)
    }

    /// The label of any text: the text itself, or where that is no [`Label`] or looks like the number
    /// of a person, `hmac:` and a keyed digest. So no text stands in the way of an entry.
    pub fn label(&self, text: &str) -> Label {
        let own = Label::new(text).ok().filter(|_| !text.starts_with(DIGESTED));
        own.unwrap_or_else(|| {
            let digest = format!("{DIGESTED}{}", self.digest("label", text));
            Label::read(digest).expect("a digest is a label")
        })
    }

    fn digest(&self, purpose: &str, text: &str) -> KeyedDigest {
        let mut mac = self.mac.clone();
        mac.update(format!("chinhchu.ledger/{purpose}/v1\n").as_bytes());
        mac.update(text.as_bytes());
        let whole: [u8; 32] = mac.finalize().into_bytes().into();
        KeyedDigest(*whole.first_chunk().expect("16 of 32 bytes"))
    }
}

impl fmt::Debug for LedgerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LedgerKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Computed by another program: `hmac.new(bytes([7]) * 32, b"chinhchu.ledger/subject/v1\nrecord-1",
    /// "sha256")` of Python.
    #[test]
    fn digests_are_what_the_page_says_and_differ_by_purpose_and_key() {
        let key = LedgerKey::from_bytes([7; 32]);
        assert_eq!(key.subject("record-1").to_string(), "9290953687c9627602a9f18ca1c15a77");
        assert_ne!(key.subject("record-1"), key.transaction("record-1"));
        assert_ne!(key.subject("record-1"), key.subject("record-2"));
        assert_ne!(key.subject("record-1"), LedgerKey::from_bytes([8; 32]).subject("record-1"));
        assert_eq!(key.subject("record-1").to_string().parse(), Ok(key.subject("record-1")));
        assert_eq!("00".parse::<KeyedDigest>(), Err(NotADigest));
    }

    #[test]
    fn any_text_has_a_label_and_no_number_of_a_person_is_one() {
        let key = LedgerKey::from_bytes([7; 32]);
        assert_eq!(key.label("counter-q1").as_str(), "counter-q1");
        let long = "x".repeat(200);
        for text in ["", "079088000017", "a\nb", " a", "hmac:00", &long] {
            let label = key.label(text);
            assert!(label.as_str().starts_with("hmac:") && label.as_str().len() == 37, "{text}");
            assert!(text.is_empty() || !label.as_str().contains(text));
            assert_eq!(label, key.label(text));
        }
        assert_ne!(key.label("079088000017"), key.label("079088000018"));
    }

    #[test]
    fn the_key_is_made_once_for_its_owner_alone_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.key");
        let made = LedgerKey::load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(LedgerKey::load_or_create(&path).unwrap().secret, made.secret);
        assert_ne!(LedgerKey::random().unwrap().secret, made.secret);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(LedgerKey::load_or_create(&path).unwrap_err().to_string().contains("chmod 600"));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        for length in [0, 31, 33] {
            fs::write(&path, vec![7; length]).unwrap();
            assert!(matches!(LedgerKey::load_or_create(&path), Err(LedgerKeyError::Length)), "{length}");
            assert_eq!(fs::read(&path).unwrap().len(), length, "it stays as it is");
        }
        assert_eq!(format!("{made:?}"), "LedgerKey(..)");
    }
}
