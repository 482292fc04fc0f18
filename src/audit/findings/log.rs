//! The file that keeps findings.
//!
//! One line an entry (`lines`), in the order they were made. Lines are only ever appended, each in
//! one write that is flushed before it counts. A last line without its line break was never
//! acknowledged and is dropped; any other damage is an error, because a finding must not vanish.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{Findings, PairFinding};
use crate::audit::lines;
use crate::private;

/// Longest file read: some hundred thousand findings.
const FILE_BYTES_MAX: u64 = 256 << 20;

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
    /// There is nothing that could be taken back.
    #[error("nothing that was found of this pair holds; there is nothing to take back")]
    NothingToTakeBack,
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
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<(Self, usize), FindingsError> {
        let mut findings = Self::default();
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        for (i, line) in bytes[..whole].split_inclusive(|&byte| byte == b'\n').enumerate() {
            let finding = lines::decode(line).ok_or(FindingsError::Damaged { path: path.to_owned(), line: i + 1 })?;
            findings.push(finding);
        }
        Ok((findings, whole))
    }

    /// Keeps an entry in the file at `path`, made where it is not there: when this
    /// returns it survives a power cut. `false` where the last entry of the pair says the same, and
    /// nothing was written.
    ///
    /// # Errors
    /// [`FindingsError`] where the file cannot be read or written, and where a finding is taken
    /// back that does not hold.
    pub fn record(path: &Path, finding: &PairFinding) -> Result<bool, FindingsError> {
        let failed = |source| FindingsError::Io { path: path.to_owned(), source };
        let file = private::open(path).map_err(failed)?;
        // For as long as the file is open: two officers may be at work.
        file.lock().map_err(failed)?;
        let bytes = read_bounded(&file).map_err(failed)?;
        let (known, whole) = Self::parse(&bytes, path)?;
        let holds = known.get(&finding.subject_a, &finding.subject_b);
        match finding.outcome() {
            None if holds.is_none() => return Err(FindingsError::NothingToTakeBack),
            Some(_) if holds.is_some_and(|known| known.says_as(finding)) => return Ok(false),
            _ => {}
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
