//! The master key: it seals the other keys and nothing else. Outside memory it is one line:
//!
//! ```text
//! chinhchu-master-key-v1:base64url(key of 32 bytes || check of 4 bytes)
//! check: HMAC-SHA-256(key, "chinhchu master key check v1"), the first four bytes
//! id:    HMAC-SHA-256(key, "chinhchu master key id v1"), the first eight bytes
//! ```
//!
//! So a line that is cut or mistyped is an error, and never another key.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::path::Path;
use std::{fmt, fs};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Secret, line};
use crate::{hex, private};

const PREFIX: &str = "chinhchu-master-key-v1:";
const CHECK_BYTES: usize = 4;

/// What a key is told from others by; says nothing of the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 8]);

/// A key for one purpose outside the key store, and the master key that it is of.
#[derive(Debug, Clone)]
pub struct DerivedKey {
    /// By which a file tells whether it is the right one.
    pub master: KeyId,
    /// The key.
    pub key: Secret,
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// Why a line is no master key. Says nothing of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAMasterKey {
    /// Another file.
    #[error("it is no master key, which is one line that begins with {PREFIX}; name the right one")]
    Form,
    /// A custodian's share.
    #[error("it is a share of a master key; put the key together of several: chinhchu keys restore")]
    Share,
    /// Cut, or with more behind it.
    #[error("the master key in it is cut, or there is more than the key; take it from a copy")]
    Length,
    /// Mistyped or damaged.
    #[error("the master key in it is damaged or mistyped: its check bytes do not fit; take it from a copy")]
    Check,
}

/// The key above all others. `Debug` shows its id alone.
#[derive(Clone)]
pub struct MasterKey(Secret);

impl MasterKey {
    /// The master key that these bytes are.
    pub fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// A master key that nobody has yet.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn random() -> io::Result<Self> {
        Secret::random().map(Self)
    }

    /// Makes a master key in a file of its own, which its owner alone can read (mode 0600).
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] where there is a file, which stays as it is; others of writing.
    pub fn create(path: &Path) -> io::Result<Self> {
        let key = Self::random()?;
        key.write_new(path)?;
        Ok(key)
    }

    /// Writes it to a file of its own.
    ///
    /// # Errors
    /// As [`MasterKey::create`].
    pub fn write_new(&self, path: &Path) -> io::Result<()> {
        write_new(path, &self.line())
    }

    /// The key of a line; white space and line breaks around it, and a byte order mark, are passed over.
    ///
    /// # Errors
    /// [`NotAMasterKey`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NotAMasterKey> {
        let line = private::key_line(bytes);
        if line.starts_with(super::shares::PREFIX.as_bytes()) {
            return Err(NotAMasterKey::Share);
        }
        let digits = line.strip_prefix(PREFIX.as_bytes()).ok_or(NotAMasterKey::Form)?;
        const BYTES: usize = Secret::BYTES + CHECK_BYTES;
        if digits.len() != BYTES / 3 * 4 {
            return Err(NotAMasterKey::Length);
        }
        let decoded = line::decoded::<BYTES>(digits).ok_or(NotAMasterKey::Check)?;
        let (key, check) = decoded.split_first_chunk().expect("longer than a key");
        let key = Self(Secret::copied(key));
        // Compared in the open: whoever has the line has the key.
        (key.check() == *check).then_some(key).ok_or(NotAMasterKey::Check)
    }

    /// The line that it is written as.
    pub fn line(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; Secret::BYTES + CHECK_BYTES]);
        let (key, check) = bytes.split_at_mut(Secret::BYTES);
        key.copy_from_slice(self.0.bytes());
        check.copy_from_slice(&self.check());
        line::written(PREFIX, bytes.as_slice())
    }

    /// A key of its own for what is sealed outside the key store: HMAC-SHA-256 of the purpose under this one.
    pub fn derived(&self, purpose: &str) -> DerivedKey {
        let digest = Zeroizing::new(self.digest(format!("chinhchu derived key v1: {purpose}").as_bytes()));
        DerivedKey { master: self.id(), key: Secret::copied(&digest) }
    }

    /// What it is told from others by: the first bytes of HMAC-SHA-256 under it.
    pub fn id(&self) -> KeyId {
        KeyId(self.digest(b"chinhchu master key id v1"))
    }

    fn check(&self) -> [u8; CHECK_BYTES] {
        self.digest(b"chinhchu master key check v1")
    }

    fn digest<const N: usize>(&self, message: &[u8]) -> [u8; N] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.bytes()).expect("a key of any length will do");
        mac.update(message);
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        let mut first = [0; N];
        first.copy_from_slice(&digest[..N]);
        first
    }

    /// Itself.
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id())
    }
}

/// Writes a new file for its owner alone, durably; never over another.
pub(super) fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = private::owner_only(&mut options).write(true).create_new(true).open(path)?;
    // Whatever the umask took away or a folder's rules added.
    private::tighten(&file)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    private::sync_folder(path.parent().unwrap_or(Path::new("")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> MasterKey {
        MasterKey::new(Secret::copied(&[byte; 32]))
    }

    /// Keys that were made earlier are read for ever.
    #[test]
    fn a_line_and_an_id_are_the_same_for_ever() {
        assert_eq!(key(7).line().as_str(), "chinhchu-master-key-v1:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcVjbFS\n");
        assert_eq!(key(7).id().to_string(), "b594b69361fb6164");
    }

    #[test]
    fn a_cut_or_mistyped_line_is_an_error_and_never_another_key() {
        let line = key(9).line();
        let line = line.trim_end();
        for length in 0..line.len() {
            assert!(MasterKey::parse(&line.as_bytes()[..length]).is_err(), "cut at {length}");
        }
        for at in PREFIX.len()..line.len() {
            // White space behind the line is no part of it.
            let is_around = |other: u8| other == b' ' && at == line.len() - 1;
            let others = "Aa0-_=+ \u{7f}".bytes().filter(|&other| other != line.as_bytes()[at] && !is_around(other));
            for other in others {
                let mut mistyped = line.as_bytes().to_vec();
                mistyped[at] = other;
                assert_eq!(MasterKey::parse(&mistyped).unwrap_err(), NotAMasterKey::Check, "{other} at {at}");
            }
        }
        for swapped in PREFIX.len()..line.len() - 1 {
            let mut bytes = line.as_bytes().to_vec();
            bytes.swap(swapped, swapped + 1);
            assert!(bytes == line.as_bytes() || MasterKey::parse(&bytes).is_err(), "swapped at {swapped}");
        }
        for (wrong, error) in [
            ("", NotAMasterKey::Form),
            ("-----BEGIN PRIVATE KEY-----\n", NotAMasterKey::Form),
            ("chinhchu-key-share-v1:0123456789abcdef:1:2:", NotAMasterKey::Share),
            (&format!("\u{a0}{line}"), NotAMasterKey::Form),
            (&format!("{line}\r\nx"), NotAMasterKey::Length),
            (&format!("{line}\n{line}\n"), NotAMasterKey::Length),
        ] {
            assert_eq!(MasterKey::parse(wrong.as_bytes()).unwrap_err(), error, "{wrong:?}");
        }
    }

    /// Windows, editors and mail put a carriage return, an empty line or a byte order mark around a line.
    #[test]
    fn what_other_systems_put_around_a_line_does_not_damage_it() {
        let line = key(9).line();
        let line = line.trim_end();
        for (before, after) in
            [("", ""), ("", "\n"), ("", "\r\n"), ("", "\n\n"), ("\u{feff}", "\r\n"), (" \t", " \n"), ("\n", "")]
        {
            let around = format!("{before}{line}{after}");
            assert_eq!(MasterKey::parse(around.as_bytes()).unwrap().id(), key(9).id(), "{before:?} {after:?}");
        }
    }

    #[test]
    fn a_new_key_is_its_owners_alone_and_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let made = MasterKey::create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let before = fs::read(&path).unwrap();
        assert_eq!(MasterKey::parse(&before).unwrap().id(), made.id());
        assert_eq!(MasterKey::create(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), before);
        // Not through a link either.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &link).unwrap();
        assert_eq!(MasterKey::create(&link).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn keys_for_two_purposes_have_nothing_in_common_and_say_nothing_of_their_master() {
        let derived = |key: &MasterKey, purpose: &str| *key.derived(purpose).key.bytes();
        assert_eq!(derived(&key(7), "a"), derived(&key(7), "a"));
        assert_ne!(derived(&key(7), "a"), derived(&key(7), "b"));
        assert_ne!(derived(&key(7), "a"), derived(&key(8), "a"));
        assert_ne!(derived(&key(7), "a")[..8], key(7).id().0);
    }

    #[test]
    fn nothing_of_a_key_is_printed() {
        let printed = format!("{:?} {:?}", key(7), key(7).secret());
        assert_eq!(printed, format!("MasterKey({}) Secret(…)", key(7).id()));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_what_is_read_was_written_so(bytes: [u8; 32], junk in prop::collection::vec(any::<u8>(), 0..120)) {
            let key = MasterKey::new(Secret::copied(&bytes));
            let read = MasterKey::parse(key.line().as_bytes()).unwrap();
            prop_assert_eq!(read.secret().bytes(), &bytes);
            prop_assert_eq!(read.id(), key.id());
            prop_assert!(MasterKey::parse(&junk).is_err());
            let prefixed = [PREFIX.as_bytes(), &junk].concat();
            prop_assert!(MasterKey::parse(&prefixed).is_err());
        }
    }
}
