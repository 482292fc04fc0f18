//! The folder while an audit is at work in it: for one process alone, and files that are whole
//! or not there.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::runs::OF_A_RUN;
use super::{
    AuditInputs, AuditStoreError, CHANGES, CLEARED, INPUTS, LOCK, PAGE, PAIRS, RESULTS, RINGS, SUMMARY, format,
};
use crate::audit::cost::{AuditCost, Clock};
use crate::audit::page::Thumbnail;
use crate::audit::results::Results;
use crate::private::{self, Partial, Readers};
use crate::table::CsvLocale;

/// A file of the folder that others than the store write or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditFile {
    /// Units that are done.
    Checkpoint,
    /// Units of a run of other templates than the finished one's, which stays until it is done.
    NextCheckpoint,
    /// Which templates were compared, for later audits.
    Seen,
    /// Which records were compared, for later runs.
    SeenRecords,
    /// Templates of photos: biometric data.
    Cache,
    /// Rows of lists that took no part.
    LeftOut,
    /// Captures of one record that do not match.
    Same,
    /// Records without a verification for long.
    Stale,
}

impl AuditFile {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::NextCheckpoint => "checkpoint.next",
            Self::SeenRecords => "records.seen",
            Self::Seen => "templates.seen",
            Self::Cache => "templates.cache",
            Self::LeftOut => "left_out.csv",
            Self::Same => "same.csv",
            Self::Stale => "stale.csv",
        }
    }
}

/// The folder, for this process alone.
#[derive(Debug)]
pub struct AuditFolder {
    path: PathBuf,
    /// Locked; the lock goes with the file handle.
    _lock: fs::File,
}

/// How the files for people are written.
#[derive(Clone, Copy)]
pub struct ReportOptions<'a> {
    /// How tables are written.
    pub locale: CsvLocale,
    /// Photos for the page, where they are at hand and were asked for.
    pub thumbnail: Option<Thumbnail<'a>>,
}

impl AuditFolder {
    /// Takes the folder, made where it is not there.
    ///
    /// # Errors
    /// Where another process has taken it, or it cannot be made.
    pub fn open(path: &Path) -> Result<Self, AuditStoreError> {
        let failed = |source: io::Error| AuditStoreError::Io { path: path.to_owned(), source };
        private::make_folder(path).map_err(failed)?;
        let lock = private::open(&path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(AuditStoreError::InUse { folder: path.to_owned() }),
            Err(fs::TryLockError::Error(e)) => Err(failed(e)),
        }
    }

    /// Where a file is.
    pub fn file(&self, file: AuditFile) -> PathBuf {
        self.path.join(file.name())
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the page is.
    pub fn page(&self) -> PathBuf {
        self.path.join(PAGE)
    }

    /// Whether the audit in it was finished.
    pub fn is_finished(&self) -> bool {
        self.path.join(SUMMARY).is_file()
    }

    /// Gives up what an earlier run has compared, and what it left without having finished. A run
    /// that was finished stays as it is.
    ///
    /// # Errors
    /// What the system says.
    pub fn clear(&self) -> Result<(), AuditStoreError> {
        let checkpoints = [AuditFile::Checkpoint, AuditFile::NextCheckpoint].map(AuditFile::name);
        let reports = if self.is_finished() { &[][..] } else { &OF_A_RUN };
        checkpoints.iter().chain(reports).try_for_each(|name| self.remove_named(name))
    }

    /// Gives a file the name of another one, which it replaces.
    ///
    /// # Errors
    /// What the system says.
    pub fn rename(&self, from: AuditFile, to: AuditFile) -> Result<(), AuditStoreError> {
        let path = self.file(from);
        fs::rename(&path, self.file(to)).map_err(|source| AuditStoreError::Io { path, source })
    }

    /// Takes a file away, where it is there.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&self, file: AuditFile) -> Result<(), AuditStoreError> {
        self.remove_named(file.name())
    }

    pub(super) fn remove_named(&self, name: &str) -> Result<(), AuditStoreError> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(AuditStoreError::Io { path, source }),
            _ => Ok(()),
        }
    }

    /// Writes a file whole, or leaves the older one.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(
        &self,
        file: AuditFile,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), AuditStoreError> {
        self.write_named(file.name(), write)
    }

    fn write_named(
        &self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), AuditStoreError> {
        let path = self.path.join(name);
        let written = Partial::create(&path, Readers::Owner).and_then(|partial| {
            let mut out = BufWriter::with_capacity(1 << 20, partial.file());
            write(&mut out)?;
            out.flush()?;
            drop(out);
            partial.keep()
        });
        written.map_err(|source| AuditStoreError::Io { path, source })
    }

    /// Notes what the audit is of.
    ///
    /// # Errors
    /// What the system says.
    pub fn keep_inputs(&self, inputs: &AuditInputs) -> Result<(), AuditStoreError> {
        self.write_named(INPUTS, |out| {
            serde_json::to_writer_pretty(&mut *out, inputs)?;
            writeln!(out)
        })
    }

    /// Writes the results, once, and the files for people; the summary last. What it cost until
    /// now is in `cost`, and `clock` runs since; both, and how long it is since `begun`, become
    /// part of the summary.
    ///
    /// # Errors
    /// What the system says.
    pub fn keep_results(
        &self,
        results: &mut Results,
        report: ReportOptions<'_>,
        begun: Instant,
        mut cost: AuditCost,
        mut clock: Clock,
    ) -> Result<(), AuditStoreError> {
        self.write_named(PAIRS, |out| results.write_pairs(out, report.locale))?;
        self.write_named(RINGS, |out| results.write_rings(out, report.locale))?;
        match results.cleared.is_empty() {
            true => self.remove_named(CLEARED)?,
            false => self.write_named(CLEARED, |out| results.write_cleared(out, report.locale))?,
        }
        match results.summary.changes {
            None => self.remove_named(CHANGES)?,
            Some(_) => self.write_named(CHANGES, |out| results.write_changes(out, report.locale))?,
        }
        self.write_named(PAGE, |out| results.write_page(out, report.thumbnail))?;
        self.write_named(RESULTS, |out| {
            format::write_body(results, out)?;
            cost.report += clock.lap();
            results.summary.cost = Some(cost.finished());
            results.summary.seconds = begun.elapsed().as_secs_f64();
            format::write_end(results, out)
        })?;
        self.write_named(SUMMARY, |out| results.summary.write(out))
    }
}
