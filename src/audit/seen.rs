//! Which templates and records an audit has seen, so that a later one need not compare the former
//! again and can say which of the latter came and went.
//!
//! # The files
//! Magic, version, number of marks, then the marks sorted, then the CRC-32 of all before. The mark
//! of a template is half a SHA-256 of owner and vector, that of a record half an HMAC of its id
//! under the key of stable ids. Marks tell nothing of a face.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rayon::slice::ParallelSliceMut;
use sha2::{Digest, Sha256};

use super::collection::Mark;
use crate::hex;

const MAGIC: &[u8; 8] = b"CHCHSEEN";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 20;

/// Why the list of an earlier audit cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeenError {
    /// It is not there, or cannot be read.
    #[error("{path}: {source}; --since takes the folder of an audit that was finished")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It was altered or cut short.
    #[error("{path} is damaged; run that audit again, which writes it anew, or audit without --since")]
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

/// Marks of the templates, or of the records, that an audit has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenMarks {
    sorted: Vec<Mark>,
}

impl SeenMarks {
    /// Those with these marks.
    pub fn new(mut marks: Vec<Mark>) -> Self {
        marks.par_sort_unstable();
        marks.dedup();
        Self { sorted: marks }
    }

    /// Together with those another audit has seen.
    #[must_use]
    pub fn with(self, other: &Self) -> Self {
        let mut marks = self.sorted;
        marks.extend_from_slice(&other.sorted);
        Self::new(marks)
    }

    /// Reads the list at `path`.
    ///
    /// # Errors
    /// [`SeenError`] where the file cannot be read or makes no sense.
    pub fn read(path: &Path) -> Result<Self, SeenError> {
        let bytes = fs::read(path).map_err(|source| SeenError::Io { path: path.to_owned(), source })?;
        let damaged = || SeenError::Damaged { path: path.to_owned() };
        let (content, crc) = bytes.split_last_chunk::<4>().ok_or_else(damaged)?;
        let word = |at: usize| content.get(at..).and_then(|bytes| bytes.first_chunk().copied()).map(u32::from_le_bytes);
        if content.get(..8) != Some(MAGIC) || crc32fast::hash(content) != u32::from_le_bytes(*crc) {
            return Err(damaged());
        }
        let found = word(8).ok_or_else(damaged)?;
        if found > VERSION {
            return Err(SeenError::Newer { path: path.to_owned(), found });
        }
        let count = content.get(12..).and_then(|bytes| bytes.first_chunk().copied()).map(u64::from_le_bytes);
        let (marks, []) = content.get(HEADER_BYTES..).ok_or_else(damaged)?.as_chunks::<16>() else {
            return Err(damaged());
        };
        if count != Some(marks.len() as u64) {
            return Err(damaged());
        }
        Ok(Self { sorted: marks.to_vec() })
    }

    /// Writes the list.
    ///
    /// # Errors
    /// What the system said.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        let mut crc = crc32fast::Hasher::new();
        let mut header = MAGIC.to_vec();
        header.extend(VERSION.to_le_bytes());
        header.extend((self.sorted.len() as u64).to_le_bytes());
        let marks = self.sorted.as_flattened();
        crc.update(&header);
        crc.update(marks);
        out.write_all(&header)?;
        out.write_all(marks)?;
        out.write_all(&crc.finalize().to_le_bytes())?;
        out.flush()
    }

    /// Whether a mark is among them.
    pub fn contains(&self, mark: &Mark) -> bool {
        self.sorted.binary_search(mark).is_ok()
    }

    /// How many of these are not among others.
    pub fn not_in(&self, others: &Self) -> u64 {
        self.sorted.iter().filter(|mark| !others.contains(mark)).count() as u64
    }

    /// Digest of all, in hexadecimal.
    pub fn digest(&self) -> String {
        hex::encode(&Sha256::digest(self.sorted.as_flattened()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_flipped_bit_or_a_cut_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen");
        let known = SeenMarks::new(vec![[3; 16], [1; 16], [2; 16], [1; 16]]);
        let mut bytes = Vec::new();
        known.write(&mut bytes).unwrap();
        fs::write(&path, &bytes).unwrap();
        let read = SeenMarks::read(&path).unwrap();
        assert_eq!(read, known);
        assert!(read.contains(&[2; 16]) && !read.contains(&[4; 16]));
        assert_eq!(read.digest(), known.digest());
        let other = SeenMarks::new(vec![[2; 16], [5; 16]]);
        assert_eq!((known.not_in(&other), other.not_in(&known), known.not_in(&known)), (2, 1, 0));
        for at in 0..bytes.len() {
            let mut spoilt = bytes.clone();
            spoilt[at] ^= 1;
            fs::write(&path, &spoilt).unwrap();
            assert!(SeenMarks::read(&path).is_err(), "byte {at}");
            fs::write(&path, &bytes[..at]).unwrap();
            assert!(SeenMarks::read(&path).is_err(), "cut at {at}");
        }
        assert!(SeenMarks::read(&folder.path().join("none")).is_err());
    }
}
