//! Units of work that are done, kept so that a killed audit goes on where it was.
//!
//! # The file
//! A header: magic, version, length of an [`Identity`] as JSON, CRC-32 of version and
//! JSON, then that JSON. Then a frame per unit that is done: magic, unit, comparisons,
//! number of pairs, CRC-32 of the pairs, CRC-32 of all this with the identity's; then the
//! pairs, 12 bytes each. Frames are appended, each in one write, in whatever order units
//! end.
//!
//! In a sealed one (version 2) the id of the master key stands before the JSON, and a frame's pairs are a
//! box ([`aead`]) under a key that is derived from it, which belongs to the header and to the frame's
//! unit, comparisons and number of pairs. One under another key than is given, or in the clear where one
//! is given, is begun anew.
//!
//! A frame that was cut short or altered is dropped, and its unit is done again; those
//! behind it are found by their magic. A file whose header is damaged is begun anew: what
//! it was of cannot be told any more, so nothing in it can be trusted. A file of another
//! identity is never touched.
//!
//! It holds numbers of rows and scores, no ids and no vectors.

mod encoding;
mod identity;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use self::encoding::CHECKPOINT_VERSION;
use self::encoding::{
    FRAME_BYTES, FRAME_MAGIC, HEADER_BYTES_MAX, Header, Newer, PAIR_BYTES, UnitFrame, decode_pair, encode_header,
    encode_pair, header_of,
};
pub use self::identity::{Difference, Identity};
use super::cost::{Clock, CostPart};
use crate::private;
use crate::sealing::{DerivedKey, KeyId, Secret, aead};
use crate::search::Pair;

/// Longest file read: more than a hundred million pairs.
const FILE_BYTES_MAX: u64 = 2 << 30;
/// At least so often what was written is made to survive a power cut, too. (A killed
/// process loses nothing in any case.)
const SYNC_EVERY: Duration = Duration::from_secs(30);

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The folder holds another audit.
    #[error("{0}")]
    Other(Difference),
    /// A newer program wrote it.
    #[error(
        "the checkpoint {path} has version {found}, this program reads {CHECKPOINT_VERSION}; use the newer program or another folder"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// It cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Newer {
    fn at(self, path: &Path) -> CheckpointError {
        CheckpointError::Newer { path: path.to_owned(), found: self.0 }
    }
}

/// The open file, and all that is in it.
#[derive(Debug)]
pub struct Checkpoint {
    file: File,
    path: PathBuf,
    /// As it stands in the file; its checksum is mixed into every frame's.
    header: Vec<u8>,
    identity_crc: u32,
    /// Under which pairs are sealed.
    key: Option<Secret>,
    end: u64,
    synced_at: Instant,
    done: Vec<bool>,
    units_done: u32,
    comparisons: u64,
    pairs: Vec<Pair>,
    dropped_bytes: u64,
    /// What keeping took.
    spent: CostPart,
}

impl Checkpoint {
    /// What its key is derived for.
    pub const KEY_PURPOSE: &str = "audit.checkpoint";

    /// What the checkpoint at `path` is of; `None` where there is none, or none that can
    /// be read.
    ///
    /// # Errors
    /// [`CheckpointError::Io`] where the file is there and cannot be opened.
    pub fn identity(path: &Path) -> Result<Option<Identity>, CheckpointError> {
        let failed = |source| CheckpointError::Io { path: path.to_owned(), source };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let mut bytes = Vec::new();
        file.take(HEADER_BYTES_MAX as u64).read_to_end(&mut bytes).map_err(failed)?;
        let header = header_of(&bytes).map_err(|newer| newer.at(path))?;
        Ok(header.map(|header| header.identity))
    }

    /// Opens the checkpoint of an audit, or begins one.
    ///
    /// # Errors
    /// [`CheckpointError::Other`] where the file is of another audit; nothing is changed.
    pub fn open(path: &Path, identity: &Identity, key: Option<&DerivedKey>) -> Result<Self, CheckpointError> {
        let failed = |source| CheckpointError::Io { path: path.to_owned(), source };
        let bytes = match fs::metadata(path) {
            Ok(metadata) if metadata.len() > FILE_BYTES_MAX => {
                let kind = io::ErrorKind::InvalidData;
                return Err(failed(io::Error::new(kind, "it is too large for a checkpoint; remove it to begin anew")));
            }
            Ok(_) => fs::read(path).map_err(failed)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(failed(e)),
        };
        let there = header_of(&bytes).map_err(|newer| newer.at(path))?;
        if let Some(there) = &there
            && let Some(difference) = identity.differs(&there.identity)
        {
            return Err(CheckpointError::Other(difference));
        }
        let master: Option<KeyId> = key.map(|key| key.master);
        let there = there.filter(|there| there.key == master);
        let header = match &there {
            Some(Header { length, .. }) => bytes[..*length].to_vec(),
            None => encode_header(identity, master).map_err(failed)?,
        };
        let mut checkpoint = Self {
            file: private::open(path).map_err(failed)?,
            path: path.to_owned(),
            identity_crc: crc32fast::hash(&header),
            header: header.clone(),
            key: key.map(|key| key.key.clone()),
            end: header.len() as u64,
            synced_at: Instant::now(),
            done: vec![false; identity.units as usize],
            units_done: 0,
            comparisons: 0,
            pairs: Vec::new(),
            dropped_bytes: 0,
            spent: CostPart::default(),
        };
        let frames = there.map_or_else(Vec::new, |there| checkpoint.take_frames(&bytes, there.length));
        let framed = frames.iter().map(ExactSizeIterator::len).sum::<usize>();
        let trusted = if bytes.starts_with(&header) { header.len() + framed } else { 0 };
        checkpoint.dropped_bytes = (bytes.len() - trusted) as u64;
        checkpoint.end = (header.len() + framed) as u64;
        let contiguous = frames.first().is_none_or(|run| run.start == header.len());
        let in_place = bytes.starts_with(&header) && frames.len() <= 1 && contiguous;
        if in_place {
            // What is behind the last frame was cut short.
            checkpoint.file.set_len(checkpoint.end).map_err(failed)?;
        } else {
            let mut whole = header;
            frames.into_iter().for_each(|frames| whole.extend_from_slice(&bytes[frames]));
            checkpoint.replace(&whole).map_err(failed)?;
        }
        Ok(checkpoint)
    }

    /// Takes every frame that is whole; where they are, as runs without gaps.
    fn take_frames(&mut self, bytes: &[u8], from: usize) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        let mut at = from;
        while at < bytes.len() {
            if let Some(length) = self.take_frame(&bytes[at..]) {
                match runs.last_mut() {
                    Some(last) if last.end == at => last.end += length,
                    _ => runs.push(at..at + length),
                }
                at += length;
            } else {
                // To where the next one may begin.
                let next = bytes[at + 1..].windows(FRAME_MAGIC.len()).position(|bytes| bytes == FRAME_MAGIC);
                at = next.map_or(bytes.len(), |offset| at + 1 + offset);
            }
        }
        runs
    }

    /// Takes the frame at the beginning of `bytes`; its length, or `None` where there is
    /// none that can be trusted.
    fn take_frame(&mut self, bytes: &[u8]) -> Option<usize> {
        let frame = UnitFrame::decode(bytes.first_chunk()?, self.identity_crc)?;
        let sealed = if self.key.is_some() { aead::OVERHEAD_BYTES } else { 0 };
        let length = FRAME_BYTES + frame.pairs as usize * PAIR_BYTES + sealed;
        let payload = bytes.get(FRAME_BYTES..length)?;
        if crc32fast::hash(payload) != frame.pairs_crc {
            return None;
        }
        let opened = match &self.key {
            Some(key) => Some(aead::open(key, &[&self.header, &frame.place()], payload).ok()?),
            None => None,
        };
        let payload = opened.as_deref().map_or(payload, Vec::as_slice);
        let done = self.done.get_mut(frame.unit as usize)?;
        if !std::mem::replace(done, true) {
            self.pairs.extend(payload.as_chunks().0.iter().map(decode_pair));
            self.units_done += 1;
            self.comparisons += frame.comparisons;
        }
        Some(length)
    }

    /// Puts a file of these bytes in the place of the old one.
    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let new = self.path.with_extension("partial");
        let file = private::open(&new)?;
        file.set_len(0)?;
        file.write_all_at(bytes, 0)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        self.file = file;
        Ok(())
    }

    /// Keeps what a unit found. Where that fails nothing of it is kept, and what was
    /// kept before still is.
    ///
    /// # Errors
    /// [`CheckpointError`] where the file cannot be written.
    pub fn put(&mut self, unit: u32, comparisons: u64, pairs: &[Pair]) -> Result<(), CheckpointError> {
        if self.is_done(unit) {
            return Ok(());
        }
        let mut clock = Clock::start_thread();
        let failed = |source| CheckpointError::Io { path: self.path.clone(), source };
        let mut frame = UnitFrame { unit, comparisons, pairs: pairs.len() as u32, pairs_crc: 0 };
        let mut bytes = vec![0; FRAME_BYTES];
        match &self.key {
            None => pairs.iter().for_each(|pair| bytes.extend(encode_pair(pair))),
            Some(key) => {
                let clear: Vec<u8> = pairs.iter().flat_map(encode_pair).collect();
                aead::seal_into(&mut bytes, key, &[&self.header, &frame.place()], &clear).map_err(failed)?;
            }
        }
        frame.pairs_crc = crc32fast::hash(&bytes[FRAME_BYTES..]);
        bytes[..FRAME_BYTES].copy_from_slice(&frame.encode(self.identity_crc));
        let mut written = self.file.write_all_at(&bytes, self.end);
        if written.is_ok() && self.synced_at.elapsed() >= SYNC_EVERY {
            written = self.file.sync_data();
            self.synced_at = Instant::now();
        }
        if let Err(source) = written {
            // Best effort: a frame cut short is dropped when the file is opened.
            let _ = self.file.set_len(self.end);
            return Err(CheckpointError::Io { path: self.path.clone(), source });
        }
        self.end += bytes.len() as u64;
        self.pairs.extend_from_slice(pairs);
        if let Some(done) = self.done.get_mut(unit as usize) {
            *done = true;
        }
        self.units_done += 1;
        self.comparisons += comparisons;
        self.spent += clock.lap();
        Ok(())
    }

    /// Makes all of it survive a power cut.
    ///
    /// # Errors
    /// [`CheckpointError`] where what was written does not reach the disk.
    pub fn sync(&mut self) -> Result<(), CheckpointError> {
        self.synced_at = Instant::now();
        let mut clock = Clock::start_thread();
        let synced = self.file.sync_data();
        self.spent += clock.lap();
        synced.map_err(|source| CheckpointError::Io { path: self.path.clone(), source })
    }

    /// Time that keeping took until now, of the thread that keeps.
    pub fn spent(&self) -> CostPart {
        self.spent
    }

    /// Whether a unit is done.
    pub fn is_done(&self, unit: u32) -> bool {
        self.done.get(unit as usize).copied().unwrap_or(false)
    }

    /// Units that are done.
    pub fn units_done(&self) -> u32 {
        self.units_done
    }

    /// Whether all are.
    pub fn is_complete(&self) -> bool {
        self.units_done as usize == self.done.len()
    }

    /// Comparisons of the units that are done.
    pub fn comparisons(&self) -> u64 {
        self.comparisons
    }

    /// Pairs found so far, in the order units ended.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// All pairs, sorted by rows.
    pub fn into_pairs(mut self) -> Vec<Pair> {
        self.pairs.sort_unstable_by_key(|pair| (pair.a, pair.b));
        self.pairs
    }

    /// Bytes of the file that could not be trusted when it was opened: their units are
    /// done again.
    pub fn dropped_bytes(&self) -> u64 {
        self.dropped_bytes
    }
}
