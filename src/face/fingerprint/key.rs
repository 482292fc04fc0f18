//! The key of capture fingerprints: a file of its own, and what is derived from it.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::projection::Projection;
use super::{face_projection, print_projection};
use crate::private::{self, Partial, Readers};
use crate::{random, regular};

/// Why there is no fingerprint key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FingerprintKeyError {
    /// The file cannot be read or written, or the system has no random numbers.
    #[error("the fingerprint key: {0}")]
    Io(#[from] io::Error),
    /// Whoever reads the key can compare fingerprints with pictures.
    #[error("others than its owner can read or write the fingerprint key (mode {0:04o}); take it from them: chmod 600")]
    Readable(u32),
    /// A key cut short, or another file.
    #[error(
        "a fingerprint key is a file of 32 bytes; name the right file, or remove it and lose all fingerprints so far"
    )]
    Length,
}

/// The key under which captures' fingerprints are made, 32 random bytes.
///
/// Fingerprints of two keys have nothing in common. Never printed.
#[derive(Clone)]
pub struct FingerprintKey {
    secret: [u8; FingerprintKey::BYTES],
    /// HMAC-SHA-256 (RFC 2104) under the secret, before any message.
    mac: Hmac<Sha256>,
    id: [u8; 8],
    pub(super) print: Projection,
    pub(super) face: Projection,
}

impl FingerprintKey {
    /// Length of a key's file.
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
        let mac = Hmac::new_from_slice(&secret).expect("a key of any length");
        let [print, face] = [Projection::default(), Projection::default()];
        let mut key = Self { secret, mac, id: [0; 8], print, face };
        let id = key.digest(b"key id", &[]);
        key.id.copy_from_slice(&id[..8]);
        (key.print, key.face) = (print_projection(&key), face_projection(&key));
        key
    }

    /// The key of a file.
    ///
    /// # Errors
    /// Where there is none ([`io::ErrorKind::NotFound`]), where others can read or write it,
    /// and where it is not 32 bytes long.
    pub fn load(path: &Path) -> Result<Self, FingerprintKeyError> {
        let file = regular::open(path)?;
        let mode = file.metadata()?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(FingerprintKeyError::Readable(mode));
        }
        let mut bytes = Vec::with_capacity(Self::BYTES + 1);
        file.take(Self::BYTES as u64 + 1).read_to_end(&mut bytes)?;
        let secret = bytes.try_into().map_err(|_| FingerprintKeyError::Length)?;
        Ok(Self::from_bytes(secret))
    }

    /// The key of a file, which is made where it is not there, readable by its owner alone.
    ///
    /// # Errors
    /// As for [`FingerprintKey::load`] but for a missing file, and those of writing it.
    pub fn load_or_create(path: &Path) -> Result<Self, FingerprintKeyError> {
        match Self::load(path) {
            Err(FingerprintKeyError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        // Whole or not at all, by one process at a time: a killed one leaves no half key, and
        // none replaces a key that another has begun to use.
        let partial = Partial::create(path, Readers::Owner)?;
        match Self::load(path) {
            Err(FingerprintKeyError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let key = Self::random()?;
        partial.file().write_all(&key.secret)?;
        partial.keep()?;
        private::sync_folder(path.parent().unwrap_or(Path::new(".")))?;
        Ok(key)
    }

    /// What names this key among others and says nothing about it.
    pub fn id(&self) -> [u8; 8] {
        self.id
    }

    /// HMAC-SHA-256 of `parts`, one after another, for one `purpose`: what is made for one
    /// says nothing about what is made for another. All parts but the last have a fixed
    /// length for a purpose.
    pub(super) fn digest(&self, purpose: &'static [u8], parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(&[purpose.len() as u8]);
        mac.update(purpose);
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fingerprint.key");
        assert!(
            matches!(FingerprintKey::load(&path), Err(FingerprintKeyError::Io(error)) if error.kind() == io::ErrorKind::NotFound)
        );
        let made = FingerprintKey::load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read = FingerprintKey::load_or_create(&path).unwrap();
        assert_eq!((made.secret, made.id()), (read.secret, read.id()));
        let other = FingerprintKey::random().unwrap();
        assert_ne!(made.id(), other.id());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fingerprint.key");
        FingerprintKey::load_or_create(&path).unwrap();
        let before = fs::read(&path).unwrap();
        for mode in [0o640, 0o604, 0o644, 0o602, 0o660] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = FingerprintKey::load_or_create(&path).unwrap_err();
            assert!(matches!(error, FingerprintKeyError::Readable(seen) if seen == mode));
            assert!(error.to_string().contains("chmod 600"));
        }
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_file_of_another_length_is_no_key_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fingerprint.key");
        for length in [0, 31, 33, 4096] {
            fs::write(&path, vec![7; length]).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(FingerprintKey::load_or_create(&path), Err(FingerprintKeyError::Length)), "{length}");
            assert_eq!(fs::read(&path).unwrap().len(), length);
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        let key = FingerprintKey::from_bytes([0xAB; 32]);
        assert_eq!(format!("{key:?}"), "FingerprintKey(..)");
    }

    #[test]
    fn what_is_made_for_one_purpose_is_not_made_for_another() {
        let key = FingerprintKey::from_bytes([3; 32]);
        assert_ne!(key.digest(b"a", &[b"bc"]), key.digest(b"ab", &[b"c"]));
        assert_ne!(key.digest(b"a", &[b"bc"]), FingerprintKey::from_bytes([4; 32]).digest(b"a", &[b"bc"]));
    }
}
