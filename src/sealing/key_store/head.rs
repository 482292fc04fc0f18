//! The head of a file of keys, as far as it can be read without a key.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::file::{HEADER_BYTES, ID_BYTES, MAGIC, MASTER_AT, SLOT_BYTES, SUMMED_BYTES, VERSION, master_in};
use super::{KeyStoreError, check_copy};
use crate::sealing::KeyId;

/// What a head says without a key.
pub(super) struct Head {
    pub(super) id: [u8; ID_BYTES],
    pub(super) epoch: u32,
    /// Under which master key the file is sealed.
    pub(super) master: KeyId,
    pub(super) sealed_store_key: [u8; SLOT_BYTES],
}

impl Head {
    /// The head of the file at `path`, of which `read` gives the first bytes.
    pub(super) fn read(path: &Path, read: impl FnOnce(&mut [u8]) -> io::Result<()>) -> Result<Self, KeyStoreError> {
        let damaged = |detail| KeyStoreError::Damaged { path: path.to_owned(), detail };
        let mut bytes = [0; SUMMED_BYTES + 4];
        read(&mut bytes).map_err(|_| damaged("it is too short"))?;
        let (magic, rest) = bytes.split_first_chunk::<12>().ok_or_else(|| damaged("it is too short"))?;
        if magic != MAGIC {
            return Err(damaged("it is no key store"));
        }
        let number = |bytes: &[u8]| bytes.first_chunk().map_or(0, |four| u32::from_le_bytes(*four));
        let found = number(rest);
        if found > VERSION {
            return Err(KeyStoreError::Newer { path: path.to_owned(), found, known: VERSION });
        }
        if number(&bytes[SUMMED_BYTES..]) != crc32fast::hash(&bytes[..SUMMED_BYTES]) {
            return Err(damaged("its head does not match its checksum"));
        }
        let mut head = Self {
            id: [0; ID_BYTES],
            epoch: number(&bytes[32..]),
            master: master_in(&bytes),
            sealed_store_key: [0; SLOT_BYTES],
        };
        head.id.copy_from_slice(&bytes[16..32]);
        head.sealed_store_key.copy_from_slice(&bytes[MASTER_AT.end..SUMMED_BYTES]);
        Ok(head)
    }

    /// That of the file at `path`, which another program may have open, and how many whole keys follow it.
    pub(super) fn at(path: &Path) -> Result<Option<(Self, u64)>, KeyStoreError> {
        let failed = |error: io::Error| KeyStoreError::io(path, &error);
        let file = match crate::regular::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let len = file.metadata().map_err(failed)?.len();
        Self::read(path, |bytes| file.read_exact_at(bytes, 0)).map(|head| Some((head, slots_in(len))))
    }
}

/// How many whole keys a file of so many bytes has.
pub(super) fn slots_in(bytes: u64) -> u64 {
    bytes.saturating_sub(HEADER_BYTES) / SLOT_BYTES as u64
}

/// What the files of a key store say without its master key, and while another program has them open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStoreHead {
    /// What the store is told from others by.
    pub id: [u8; ID_BYTES],
    /// Under which master key it is sealed.
    pub master: KeyId,
    /// How many keys are made.
    pub made: u64,
}

impl KeyStoreHead {
    /// Looks at a key store and its copy; `None` where there is neither. What keys they have is not looked at.
    ///
    /// # Errors
    /// Any [`KeyStoreError`] that can be told without the master key.
    pub fn look(path: &Path, copy: Option<&Path>) -> Result<Option<Self>, KeyStoreError> {
        check_copy(path, copy)?;
        let found = Head::at(path).map_err(|error| error.of_store(copy))?;
        let of_copy = copy.map(|copy| (copy, Head::at(copy)));
        let (head, made) = match (found, of_copy) {
            (None, None | Some((_, Ok(None)))) => return Ok(None),
            (None, Some(_)) => return Err(KeyStoreError::NotThere(path.to_owned())),
            (Some(found), None | Some((_, Ok(None)))) => found,
            (Some(_), Some((copy, Err(error)))) => return Err(error.of_copy(path, copy)),
            (Some(found), Some((copy, Ok(Some((other, made)))))) => {
                if other.id != found.0.id {
                    return Err(KeyStoreError::OtherCopy { path: path.to_owned(), copy: copy.to_owned() });
                }
                if other.epoch == found.0.epoch && made > found.1 {
                    let detail = "its copy has keys that it lacks, or bytes behind them that are none";
                    return Err(KeyStoreError::Damaged { path: path.to_owned(), detail });
                }
                found
            }
        };
        Ok(Some(Self { id: head.id, master: head.master, made }))
    }
}
