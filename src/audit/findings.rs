//! What investigators found out about pairs, kept for this audit and those after it.
//!
//! # The file
//! One line a finding (`lines`), in the order they were made. Lines are only ever appended,
//! each in one write that is flushed before it counts. Of several findings of one pair the last one holds; the others stay
//! as its history. A last line without its line break was never acknowledged and is
//! dropped; any other damage is an error, because a finding must not vanish.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::lines;
use super::measure::Outcome;
use crate::gallery::{GalleryError, Note, SubjectId, Timestamp};
use crate::private;

/// Longest file read: some hundred thousand findings.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// What an investigator found.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The subject whose id comes first in byte order.
    pub subject_a: String,
    /// The other one.
    pub subject_b: String,
    /// Best score of the two in the audit.
    pub score: f32,
    /// What it was.
    pub outcome: Outcome,
    /// Why, in the officer's words.
    pub reason: String,
    /// Pseudonymous id of the officer.
    pub officer: String,
    /// When it was recorded, in milliseconds since 1970.
    pub at: u64,
}

impl std::fmt::Debug for Finding {
    // What is found out about people stays out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Finding(…)")
    }
}

/// Why findings cannot be read or kept. Names nobody.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindingsError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line makes no sense.
    #[error(
        "{path}, line {line}: the finding is damaged; restore the file from a backup, or take the line out and record that finding again"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// Not an id, or not a note.
    #[error(transparent)]
    Gallery(#[from] GalleryError),
}

impl Finding {
    /// Checks a finding.
    ///
    /// # Errors
    /// [`FindingsError`] for a reason that is empty, too long, or holds a number.
    pub fn new(
        subjects: [SubjectId; 2],
        score: f32,
        outcome: Outcome,
        reason: &Note,
        officer: &SubjectId,
        at: Timestamp,
    ) -> Result<Self, GalleryError> {
        let [mut a, mut b] = subjects;
        match a.cmp(&b) {
            std::cmp::Ordering::Equal => return Err(GalleryError::SamePair),
            std::cmp::Ordering::Greater => std::mem::swap(&mut a, &mut b),
            std::cmp::Ordering::Less => {}
        }
        Ok(Self {
            subject_a: a.as_str().to_owned(),
            subject_b: b.as_str().to_owned(),
            score,
            outcome,
            reason: reason.as_str().to_owned(),
            officer: officer.as_str().to_owned(),
            at: at.0,
        })
    }

    /// Whether another one says the same of the same pair.
    fn says_as(&self, other: &Self) -> bool {
        Self { at: other.at, score: other.score, ..self.clone() } == *other
    }
}

/// Findings by pair of ids, the first in byte order first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    of: BTreeMap<(String, String), Finding>,
}

impl Findings {
    /// Reads the file at `path`; none where it is not there.
    ///
    /// # Errors
    /// [`FindingsError`] where the file cannot be read or is altered.
    pub fn read(path: &Path) -> Result<Self, FindingsError> {
        let failed = |source| FindingsError::Io { path: path.to_owned(), source };
        match File::open(path) {
            Ok(file) => Ok(Self::parse(&read_bounded(file).map_err(failed)?, path)?.0),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(failed(e)),
        }
    }

    /// The findings, and how many bytes they take: what is behind was cut short.
    fn parse(bytes: &[u8], path: &Path) -> Result<(Self, usize), FindingsError> {
        let mut findings = Self::default();
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        for (i, line) in bytes[..whole].split_inclusive(|&byte| byte == b'\n').enumerate() {
            let finding = lines::decode(line).ok_or(FindingsError::Damaged { path: path.to_owned(), line: i + 1 })?;
            findings.insert(finding);
        }
        Ok((findings, whole))
    }

    fn insert(&mut self, finding: Finding) {
        self.of.insert((finding.subject_a.clone(), finding.subject_b.clone()), finding);
    }

    /// Adds those of another file. Of two of one pair the later one holds.
    pub fn merge(&mut self, other: Self) {
        for (pair, finding) in other.of {
            if self.of.get(&pair).is_none_or(|known| known.at <= finding.at) {
                self.of.insert(pair, finding);
            }
        }
    }

    /// What was found of two subjects.
    pub fn get(&self, one: &str, other: &str) -> Option<&Finding> {
        let (a, b) = if one <= other { (one, other) } else { (other, one) };
        self.of.get(&(a.to_owned(), b.to_owned()))
    }

    /// All that hold, by pair.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.of.values()
    }

    /// Keeps a finding in the file at `path`, made where it is not there: when this
    /// returns it survives a power cut. `false` where the same was there already, and
    /// nothing was written.
    ///
    /// # Errors
    /// [`FindingsError`] where the file cannot be read or written.
    pub fn record(path: &Path, finding: &Finding) -> Result<bool, FindingsError> {
        let failed = |source| FindingsError::Io { path: path.to_owned(), source };
        let file = private::open(path).map_err(failed)?;
        // For as long as the file is open: two officers may be at work.
        file.lock().map_err(failed)?;
        let bytes = read_bounded(&file).map_err(failed)?;
        let (known, whole) = Self::parse(&bytes, path)?;
        if known.get(&finding.subject_a, &finding.subject_b).is_some_and(|known| known.says_as(finding)) {
            return Ok(false);
        }
        let line = lines::encode(finding).map_err(failed)?;
        let written = file
            .set_len(whole as u64)
            .and_then(|()| file.write_all_at(&line, whole as u64))
            .and_then(|()| file.sync_all())
            .and_then(|()| private::sync_folder(path.parent().unwrap_or(Path::new(""))));
        written.map_err(|error| {
            // Best effort: a line cut short is dropped by the next one to write.
            let _ = file.set_len(whole as u64);
            failed(error)
        })?;
        Ok(true)
    }
}

fn read_bounded(file: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large for a list of findings"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn finding(a: &str, b: &str, outcome: Outcome, at: u64) -> Finding {
        let id = |text: &str| SubjectId::new(text).unwrap();
        let note = Note::new("seen").unwrap();
        Finding::new([id(a), id(b)], 0.7, outcome, &note, &id("officer-1"), Timestamp(at)).unwrap()
    }

    #[test]
    fn the_last_finding_of_a_pair_holds_and_the_same_again_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("findings");
        assert!(Findings::record(&path, &finding("b", "a", Outcome::Fraud, 1)).unwrap());
        assert!(!Findings::record(&path, &finding("a", "b", Outcome::Fraud, 2)).unwrap());
        assert!(Findings::record(&path, &finding("a", "b", Outcome::Twins, 3)).unwrap());
        assert!(Findings::record(&path, &finding("a", "c", Outcome::Fraud, 4)).unwrap());
        let read = Findings::read(&path).unwrap();
        assert_eq!(read.get("b", "a").unwrap().outcome, Outcome::Twins);
        assert_eq!((read.iter().count(), read.get("b", "c")), (2, None));
        let mut merged = Findings::default();
        merged.merge(read.clone());
        let mut older = Findings::default();
        older.insert(finding("a", "b", Outcome::Fraud, 2));
        merged.merge(older);
        assert_eq!(merged, read, "an older finding does not replace a later one");
    }

    #[test]
    fn a_line_cut_short_is_dropped_and_any_other_damage_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("findings");
        Findings::record(&path, &finding("a", "b", Outcome::Fraud, 1)).unwrap();
        let first = fs::read(&path).unwrap().len();
        Findings::record(&path, &finding("a", "c", Outcome::Fraud, 2)).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(Findings::read(&path).unwrap().iter().count(), usize::from(length >= first), "cut at {length}");
            assert!(Findings::record(&path, &finding("a", "d", Outcome::Twins, 3)).unwrap());
            assert_eq!(Findings::read(&path).unwrap().get("d", "a").unwrap().outcome, Outcome::Twins);
        }
        for at in 0..whole.len() {
            let mut spoilt = whole.clone();
            spoilt[at] ^= 2;
            fs::write(&path, &spoilt).unwrap();
            let read = Findings::read(&path);
            // The last line break altered looks like a line cut short.
            assert!(read.is_err() || at + 1 == whole.len(), "byte {at}");
        }
    }

    #[test]
    fn a_finding_is_of_two_people_and_tells_logs_nothing() {
        let id = |text: &str| SubjectId::new(text).unwrap();
        let note = Note::new("seen").unwrap();
        let same = Finding::new([id("a"), id("a")], 0.7, Outcome::Fraud, &note, &id("o"), Timestamp(1));
        assert!(matches!(same, Err(GalleryError::SamePair)));
        assert_eq!(format!("{:?}", finding("a", "b", Outcome::Fraud, 1)), "Finding(…)");
    }
}
