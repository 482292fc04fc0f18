//! The key under which stable ids are made.
//!
//! # The file
//! `ids.key`, for its owner alone: one line (`lines`) with format, version and 32 bytes in
//! hexadecimal. It lies in the gallery's folder, so that every audit of the gallery gives a pair the
//! same id; of photos and vectors, in the audit's own folder. It opens nothing: who loses it gets
//! other ids, and findings, which go by the ids of records, stay.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{IdKind, StableId};
use crate::audit::collection::Mark;
use crate::audit::lines;
use crate::{hex, private, random};

const FORMAT: &str = "chinhchu audit ids";
const VERSION: u32 = 1;
/// Longest file read.
const FILE_BYTES_MAX: u64 = 1 << 12;

/// Why the key of ids cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdKeyError {
    /// It cannot be read or made.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It was altered.
    #[error(
        "{path} is damaged; restore it from a backup, or take it away: pairs and rings get other ids then, and findings \
         are kept"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A newer program wrote it.
    #[error("{path} has version {found}, this program reads {VERSION}; use the newer program")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

#[derive(Serialize, Deserialize)]
struct KeyLine {
    format: String,
    version: u32,
    key: String,
}

/// The key of stable ids.
#[derive(Clone, PartialEq, Eq)]
pub struct IdKey([u8; 32]);

impl std::fmt::Debug for IdKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdKey(…)")
    }
}

impl IdKey {
    #[cfg(test)]
    pub(in crate::audit) fn for_tests() -> Self {
        Self([7; 32])
    }

    /// Reads the key at `path`; `None` where none is.
    ///
    /// # Errors
    /// [`IdKeyError`] where the file cannot be read or makes no sense.
    pub fn read(path: &Path) -> Result<Option<Self>, IdKeyError> {
        match File::open(path) {
            Ok(file) => Self::parse(file, path),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(IdKeyError::Io { path: path.to_owned(), source }),
        }
    }

    /// Reads the key at `path`, or puts `wanted` there, else a new one.
    ///
    /// # Errors
    /// [`IdKeyError`] where the file cannot be read or made, or makes no sense.
    pub fn read_or_make(path: &Path, wanted: Option<Self>) -> Result<Self, IdKeyError> {
        let failed = |source| IdKeyError::Io { path: path.to_owned(), source };
        let file = private::open(path).map_err(failed)?;
        // For as long as the file is open: two audits of one gallery may begin at once.
        file.lock().map_err(failed)?;
        if let Some(there) = Self::parse(&file, path)? {
            return Ok(there);
        }
        let key = match wanted {
            Some(key) => key,
            None => Self(random::secret().map_err(failed)?),
        };
        let line = lines::encode(&KeyLine { format: FORMAT.to_owned(), version: VERSION, key: hex::encode(&key.0) });
        let written = line.and_then(|line| {
            file.set_len(0)?;
            file.write_all_at(&line, 0)?;
            file.sync_all()?;
            private::sync_folder(path.parent().unwrap_or(Path::new("")))
        });
        written.map(|()| key).map_err(failed)
    }

    /// `None` of a file whose line was cut short: its key was never used.
    fn parse(file: impl Read, path: &Path) -> Result<Option<Self>, IdKeyError> {
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(|source| IdKeyError::Io { path: path.to_owned(), source })?;
        if !bytes.contains(&b'\n') {
            return Ok(None);
        }
        let damaged = || IdKeyError::Damaged { path: path.to_owned() };
        let line: KeyLine = lines::decode(&bytes).ok_or_else(damaged)?;
        match line.version {
            _ if line.format != FORMAT => Err(damaged()),
            found if found > VERSION => Err(IdKeyError::Newer { path: path.to_owned(), found }),
            _ => Ok(Some(Self(hex::decode_array(&line.key).ok_or_else(damaged)?))),
        }
    }

    /// The id of two records, named in either order.
    pub fn pair(&self, one: &str, other: &str) -> StableId {
        let (a, b) = if one <= other { (one, other) } else { (other, one) };
        let digest = self.digest("pair", [a, b], 0);
        StableId::of_bits(IdKind::Pair, leading(&digest))
    }

    /// The id of a ring that is new, of its members in byte order. `attempt` gives another one.
    pub(super) fn ring<'a>(&self, members: impl IntoIterator<Item = &'a str>, attempt: u32) -> StableId {
        let digest = self.digest("ring", members, attempt);
        StableId::of_bits(IdKind::Ring, leading(&digest))
    }

    /// What a later audit knows a record by.
    pub(in crate::audit) fn record(&self, id: &str) -> Mark {
        leading(&self.digest("record", [id], 0))
    }

    fn digest<'a>(&self, what: &str, ids: impl IntoIterator<Item = &'a str>, attempt: u32) -> [u8; 32] {
        let mut mac = match <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0) {
            Ok(mac) => mac,
            Err(_) => unreachable!("HMAC takes a key of any length"),
        };
        mac.update(what.as_bytes());
        mac.update(&attempt.to_le_bytes());
        for id in ids {
            mac.update(&(id.len() as u32).to_le_bytes());
            mac.update(id.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}

fn leading<const N: usize>(digest: &[u8; 32]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&digest[..N]);
    bytes
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_pair_has_one_id_in_either_order_and_another_under_another_key() {
        let [one, other] = [IdKey([1; 32]), IdKey([2; 32])];
        assert!(one.pair("a", "b").is_same(&one.pair("b", "a")));
        assert!(!one.pair("a", "b").is_same(&other.pair("a", "b")));
        // Lengths are part of it: no two pairs are the same text.
        assert!(!one.pair("a", "bc").is_same(&one.pair("ab", "c")));
        assert!(!one.ring(["a", "b"], 0).is_same(&one.ring(["a", "b"], 1)));
        assert_ne!(one.record("a"), other.record("a"));
        assert_eq!(format!("{one:?} {:?}", one.pair("a", "b")), "IdKey(…) StableId(Pair)");
    }

    #[test]
    fn a_key_is_made_once_and_read_ever_after_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ids.key");
        assert_eq!(IdKey::read(&path).unwrap(), None);
        let made = IdKey::read_or_make(&path, None).unwrap();
        assert_eq!(IdKey::read_or_make(&path, Some(IdKey([7; 32]))).unwrap(), made);
        assert_eq!(IdKey::read(&path).unwrap(), Some(made.clone()));
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() - 1 {
            let mut spoilt = whole.clone();
            spoilt[at] ^= 2;
            fs::write(&path, &spoilt).unwrap();
            assert!(matches!(IdKey::read(&path), Err(IdKeyError::Damaged { .. })), "byte {at}");
        }
        // Cut short by a kill before anything used it.
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert_eq!(IdKey::read_or_make(&path, Some(IdKey([7; 32]))).unwrap(), IdKey([7; 32]));
        fs::write(&path, lines::encode(&serde_json::json!({"format": FORMAT, "version": 2, "key": "?"})).unwrap())
            .unwrap();
        assert!(matches!(IdKey::read(&path), Err(IdKeyError::Newer { found: 2, .. })));
    }
}
