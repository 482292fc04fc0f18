//! Units of work that are done, kept so that a killed audit goes on where it was.
//!
//! # The file
//! A header: magic, version, length of an [`Identity`] as JSON, CRC-32 of version and
//! JSON, then that JSON. Then a frame per unit that is done: magic, unit, comparisons, number of pairs,
//! CRC-32 of the pairs, CRC-32 of all this with the identity's; then the pairs, 12 bytes
//! each. Frames are appended, each in one write, in whatever order units end.
//!
//! A frame that was cut short or altered is dropped, and its unit is done again; those
//! behind it are found by their magic. A file whose header is damaged is begun anew: what
//! it was of cannot be told any more, so nothing in it can be trusted. A file of another
//! identity is never touched.
//!
//! It holds numbers of rows and scores, no ids and no vectors.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::cost::{Clock, Part};
use crate::search::Pair;

const MAGIC: &[u8; 8] = b"CHCHAUDT";
const FRAME_MAGIC: [u8; 4] = *b"unit";
/// Version of the format, and of the units it numbers.
pub const CHECKPOINT_VERSION: u32 = 1;
const HEADER_BYTES: usize = 20;
const FRAME_BYTES: usize = 28;
const PAIR_BYTES: usize = 12;
/// Longest identity read.
const IDENTITY_BYTES_MAX: usize = 64 << 10;
/// Longest file read: more than a hundred million pairs.
const FILE_BYTES_MAX: u64 = 2 << 30;
/// At least so often what was written is made to survive a power cut, too. (A killed
/// process loses nothing in any case.)
const SYNC_EVERY: Duration = Duration::from_secs(30);

/// What an audit is of: pairs of one are never taken for pairs of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Digest of templates, owners and their order, in hexadecimal.
    pub templates: String,
    /// The score asked for, as its bits: equal means equal.
    pub score_bits: u32,
    /// What was chosen of the galleries, as typed.
    pub filters: String,
    /// Digest of the earlier audit's templates, for an audit of what is new.
    pub since: Option<String>,
    /// Units of work.
    pub units: u32,
    /// Of galleries in use: templates with this id or a higher one came after the audit
    /// began. One number for each gallery. The first run says it for those that follow;
    /// it tells no audits apart.
    pub before: Vec<Option<u64>>,
}

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

/// In what an audit differs from the one in the folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Difference {
    /// Other templates.
    #[error("the folder holds an audit of another gallery, or the gallery has changed since")]
    Templates,
    /// Another score.
    #[error("the folder holds an audit at score {}, this one is at {}", f32::from_bits(*.there), f32::from_bits(*.here))]
    Score {
        /// Bits of the score in the folder.
        there: u32,
        /// Bits of the score asked for.
        here: u32,
    },
    /// Other filters.
    #[error("the folder holds an audit of another selection ({there}; this one is of {here})")]
    Filters {
        /// Those in the folder.
        there: String,
        /// Those given.
        here: String,
    },
    /// Since another audit.
    #[error("the folder holds an audit since another audit, or of everything")]
    Since,
    /// Another number of units: another program's.
    #[error("the folder holds an audit by a program that cuts the work otherwise")]
    Units,
}

impl Identity {
    /// In what another one differs, the most telling first.
    fn differs(&self, there: &Identity) -> Option<Difference> {
        let here = self;
        Some(match () {
            () if there.filters != here.filters => {
                let name = |text: &str| if text.is_empty() { "everything".to_owned() } else { text.to_owned() };
                Difference::Filters { there: name(&there.filters), here: name(&here.filters) }
            }
            () if there.templates != here.templates => Difference::Templates,
            () if there.since != here.since => Difference::Since,
            () if there.score_bits != here.score_bits => {
                Difference::Score { there: there.score_bits, here: here.score_bits }
            }
            () if there.units != here.units => Difference::Units,
            () => return None,
        })
    }
}

/// The open file, and all that is in it.
#[derive(Debug)]
pub struct Checkpoint {
    file: File,
    path: PathBuf,
    /// Mixed into every frame's checksum.
    identity_crc: u32,
    end: u64,
    synced_at: Instant,
    done: Vec<bool>,
    units_done: u32,
    comparisons: u64,
    pairs: Vec<Pair>,
    dropped_bytes: u64,
    /// What keeping took.
    spent: Part,
}

impl Checkpoint {
    /// What the checkpoint at `path` is of; `None` where there is none, or none that can
    /// be read.
    pub fn identity(path: &Path) -> Result<Option<Identity>, CheckpointError> {
        let failed = |source| CheckpointError::Io { path: path.to_owned(), source };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let mut bytes = Vec::new();
        file.take((HEADER_BYTES + IDENTITY_BYTES_MAX) as u64).read_to_end(&mut bytes).map_err(failed)?;
        Ok(header_of(&bytes, path)?.map(|(identity, _)| identity))
    }

    /// Opens the checkpoint of an audit, or begins one.
    ///
    /// # Errors
    /// [`CheckpointError::Other`] where the file is of another audit; nothing is changed.
    pub fn open(path: &Path, identity: &Identity) -> Result<Self, CheckpointError> {
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
        let there = header_of(&bytes, path)?;
        if let Some((there, _)) = &there
            && let Some(difference) = identity.differs(there)
        {
            return Err(CheckpointError::Other(difference));
        }
        let header = match &there {
            Some((_, length)) => bytes[..*length].to_vec(),
            None => encode_header(identity).map_err(failed)?,
        };
        let mut checkpoint = Self {
            file: open_private(path).map_err(failed)?,
            path: path.to_owned(),
            identity_crc: crc32fast::hash(&header),
            end: header.len() as u64,
            synced_at: Instant::now(),
            done: vec![false; identity.units as usize],
            units_done: 0,
            comparisons: 0,
            pairs: Vec::new(),
            dropped_bytes: 0,
            spent: Part::default(),
        };
        let frames = there.map_or_else(Vec::new, |(_, length)| checkpoint.take_frames(&bytes, length));
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
        let frame = Frame::decode(bytes.first_chunk()?, self.identity_crc)?;
        let length = FRAME_BYTES + frame.pairs as usize * PAIR_BYTES;
        let payload = bytes.get(FRAME_BYTES..length)?;
        if crc32fast::hash(payload) != frame.pairs_crc {
            return None;
        }
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
        let file = open_private(&new)?;
        file.set_len(0)?;
        file.write_all_at(bytes, 0)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        self.file = file;
        Ok(())
    }

    /// Keeps what a unit found. Where that fails nothing of it is kept, and what was
    /// kept before still is.
    pub fn put(&mut self, unit: u32, comparisons: u64, pairs: &[Pair]) -> Result<(), CheckpointError> {
        if self.is_done(unit) {
            return Ok(());
        }
        let mut clock = Clock::start_thread();
        let mut bytes = vec![0; FRAME_BYTES];
        pairs.iter().for_each(|pair| bytes.extend(encode_pair(pair)));
        let frame =
            Frame { unit, comparisons, pairs: pairs.len() as u32, pairs_crc: crc32fast::hash(&bytes[FRAME_BYTES..]) };
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
    pub fn sync(&mut self) -> Result<(), CheckpointError> {
        self.synced_at = Instant::now();
        let mut clock = Clock::start_thread();
        let synced = self.file.sync_data();
        self.spent += clock.lap();
        synced.map_err(|source| CheckpointError::Io { path: self.path.clone(), source })
    }

    /// Time that keeping took until now, of the thread that keeps.
    pub fn spent(&self) -> Part {
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

/// A frame's fixed part.
struct Frame {
    unit: u32,
    comparisons: u64,
    pairs: u32,
    pairs_crc: u32,
}

impl Frame {
    fn encode(&self, identity_crc: u32) -> [u8; FRAME_BYTES] {
        let mut bytes = [0; FRAME_BYTES];
        bytes[..4].copy_from_slice(&FRAME_MAGIC);
        bytes[4..8].copy_from_slice(&self.unit.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.comparisons.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.pairs.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.pairs_crc.to_le_bytes());
        let crc = frame_crc(&bytes, identity_crc);
        bytes[24..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; FRAME_BYTES], identity_crc: u32) -> Option<Self> {
        let word = |at: usize| bytes[at..].first_chunk().copied().map(u32::from_le_bytes);
        if bytes[..4] != FRAME_MAGIC || word(24)? != frame_crc(bytes, identity_crc) {
            return None;
        }
        let comparisons = bytes[8..].first_chunk().copied().map(u64::from_le_bytes)?;
        Some(Self { unit: word(4)?, comparisons, pairs: word(16)?, pairs_crc: word(20)? })
    }
}

fn frame_crc(bytes: &[u8; FRAME_BYTES], identity_crc: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&identity_crc.to_le_bytes());
    hasher.update(&bytes[..24]);
    hasher.finalize()
}

fn encode_pair(pair: &Pair) -> [u8; PAIR_BYTES] {
    let mut bytes = [0; PAIR_BYTES];
    bytes[..4].copy_from_slice(&pair.a.to_le_bytes());
    bytes[4..8].copy_from_slice(&pair.b.to_le_bytes());
    bytes[8..].copy_from_slice(&pair.score.to_le_bytes());
    bytes
}

fn decode_pair(bytes: &[u8; PAIR_BYTES]) -> Pair {
    let [a0, a1, a2, a3, b0, b1, b2, b3, s0, s1, s2, s3] = *bytes;
    Pair {
        a: u32::from_le_bytes([a0, a1, a2, a3]),
        b: u32::from_le_bytes([b0, b1, b2, b3]),
        score: f32::from_le_bytes([s0, s1, s2, s3]),
    }
}

fn encode_header(identity: &Identity) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(identity)?;
    let mut header = MAGIC.to_vec();
    header.extend(CHECKPOINT_VERSION.to_le_bytes());
    header.extend((json.len() as u32).to_le_bytes());
    header.extend(header_crc(CHECKPOINT_VERSION, &json).to_le_bytes());
    header.extend(json);
    Ok(header)
}

/// The identity and the length of the header; `None` where it cannot be read.
fn header_of(bytes: &[u8], path: &Path) -> Result<Option<(Identity, usize)>, CheckpointError> {
    let word = |at: usize| bytes.get(at..).and_then(|bytes| bytes.first_chunk().copied()).map(u32::from_le_bytes);
    let (Some(version), Some(length), Some(crc)) = (word(8), word(12), word(16)) else { return Ok(None) };
    let end = HEADER_BYTES.saturating_add(length as usize);
    let Some(json) = bytes.get(HEADER_BYTES..end) else { return Ok(None) };
    if bytes[..8] != *MAGIC || json.len() > IDENTITY_BYTES_MAX || header_crc(version, json) != crc {
        return Ok(None);
    }
    if version > CHECKPOINT_VERSION {
        return Err(CheckpointError::Newer { path: path.to_owned(), found: version });
    }
    Ok(serde_json::from_slice(json).ok().map(|identity| (identity, end)))
}

fn header_crc(version: u32, json: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&version.to_le_bytes());
    hasher.update(json);
    hasher.finalize()
}

fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            templates: "ab".into(),
            score_bits: 0.5f32.to_bits(),
            filters: String::new(),
            since: None,
            units: 6,
            before: vec![Some(9)],
        }
    }

    fn pairs(unit: u32) -> Vec<Pair> {
        (0..unit % 4).map(|i| Pair { a: unit, b: 100 + i, score: 0.5 + i as f32 * 0.1 }).collect()
    }

    fn filled(path: &Path) -> Vec<u8> {
        let _ = fs::remove_file(path);
        let mut checkpoint = Checkpoint::open(path, &identity()).unwrap();
        // In the order they happen to end.
        for unit in [1, 3, 0, 5, 2] {
            checkpoint.put(unit, 10 + u64::from(unit), &pairs(unit)).unwrap();
        }
        fs::read(path).unwrap()
    }

    /// Every unit that counts as done has exactly its pairs.
    fn check(checkpoint: &Checkpoint) {
        let mut expected: Vec<Pair> = (0..6).filter(|&unit| checkpoint.is_done(unit)).flat_map(pairs).collect();
        let mut found = checkpoint.pairs().to_vec();
        expected.sort_by_key(|pair| (pair.a, pair.b));
        found.sort_by_key(|pair| (pair.a, pair.b));
        assert_eq!(found, expected);
        let comparisons: u64 = (0..6).filter(|&unit| checkpoint.is_done(unit)).map(|unit| 10 + u64::from(unit)).sum();
        assert_eq!(checkpoint.comparisons(), comparisons);
    }

    #[test]
    fn what_was_put_is_there_after_opening_again_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        filled(&path);
        let mut again = Checkpoint::open(&path, &identity()).unwrap();
        assert_eq!((again.units_done(), again.is_complete(), again.dropped_bytes()), (5, false, 0));
        check(&again);
        again.put(4, 14, &[]).unwrap();
        assert!(again.is_complete());
        assert_eq!(Checkpoint::identity(&path).unwrap(), Some(identity()));
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn wherever_the_file_is_cut_what_was_whole_before_is_kept_and_the_rest_can_be_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let whole = filled(&path);
        // Where nothing is cut: an empty file, and behind the header and each frame.
        let mut starts = vec![0, encode_header(&identity()).unwrap().len()];
        for unit in [1, 3, 0, 5, 2] {
            starts.push(starts[starts.len() - 1] + FRAME_BYTES + PAIR_BYTES * pairs(unit).len());
        }
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let mut checkpoint = Checkpoint::open(&path, &identity()).unwrap();
            assert_eq!(checkpoint.dropped_bytes() > 0, !starts.contains(&length), "cut at {length}");
            check(&checkpoint);
            (0..6).for_each(|unit| checkpoint.put(unit, 10 + u64::from(unit), &pairs(unit)).unwrap());
            drop(checkpoint);
            let again = Checkpoint::open(&path, &identity()).unwrap();
            assert!(again.is_complete(), "cut at {length}");
            check(&again);
        }
    }

    #[test]
    fn a_flipped_bit_is_never_read_and_costs_one_unit_at_most() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let whole = filled(&path);
        let header = encode_header(&identity()).unwrap().len();
        for at in 0..whole.len() {
            let mut spoilt = whole.clone();
            spoilt[at] ^= 4;
            fs::write(&path, &spoilt).unwrap();
            let opened = Checkpoint::open(&path, &identity()).unwrap();
            check(&opened);
            assert!(opened.dropped_bytes() > 0);
            assert!(at < header || opened.units_done() == 4, "byte {at}: {}", opened.units_done());
            drop(opened);
            let again = Checkpoint::open(&path, &identity()).unwrap();
            assert_eq!(again.dropped_bytes(), 0, "what was dropped is gone for good");
            check(&again);
        }
    }

    #[test]
    fn a_checkpoint_of_another_audit_is_told_from_ours_and_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let whole = filled(&path);
        let moved_on = Identity { before: vec![Some(12)], ..identity() };
        assert_eq!(Checkpoint::open(&path, &moved_on).unwrap().units_done(), 5);
        let others = [
            (Identity { templates: "cd".into(), ..identity() }, Difference::Templates),
            (
                Identity { score_bits: 0.6f32.to_bits(), ..identity() },
                Difference::Score { there: 0.5f32.to_bits(), here: 0.6f32.to_bits() },
            ),
            (
                Identity { filters: "province 79".into(), ..identity() },
                Difference::Filters { there: "everything".into(), here: "province 79".into() },
            ),
            (Identity { since: Some("ef".into()), ..identity() }, Difference::Since),
            (Identity { units: 7, ..identity() }, Difference::Units),
        ];
        for (other, expected) in others {
            match Checkpoint::open(&path, &other) {
                Err(CheckpointError::Other(difference)) => assert_eq!(difference, expected),
                other => panic!("{expected:?}: {other:?}"),
            }
            assert_eq!(fs::read(&path).unwrap(), whole);
        }
    }
}
