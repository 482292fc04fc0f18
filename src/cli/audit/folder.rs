//! The folder of an audit: who works in it, and files that are whole or not there.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::Failure;
use super::super::files::{Partial, Readers};
use crate::audit::{Findings, FindingsError};
use crate::private;

const LOCK: &str = "lock";
/// Units that are done.
pub(super) const CHECKPOINT: &str = "checkpoint";
/// What was compared.
pub(super) const SEEN: &str = "templates.seen";
/// Templates of photos.
pub(super) const CACHE: &str = "templates.cache";
/// Template pairs found.
pub(super) const PAIRS: &str = "pairs.csv";
/// Rings found.
pub(super) const RINGS: &str = "rings.csv";
/// The page.
pub(super) const PAGE: &str = "index.html";
/// Written last: where it is, the audit is finished.
pub(super) const SUMMARY: &str = "summary.json";
/// Captures that do not match.
pub(super) const SAME: &str = "same.csv";
/// Records without a verification for long.
pub(super) const STALE: &str = "stale.csv";
const INPUTS: &str = "inputs.json";
const FINDINGS: &str = "findings.log";

/// The folder, for this process alone.
pub(super) struct Folder {
    path: PathBuf,
    /// Locked; the lock goes with the file handle.
    _lock: File,
}

/// What an audit was of, for those who come back to it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptInputs {
    /// Folder of the gallery, where it was one.
    pub gallery: Option<PathBuf>,
}

impl Folder {
    /// Takes the folder, made where it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |e: io::Error| unwritable(path, &e);
        private::make_folder(path).map_err(failed)?;
        let lock = private::open(&path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(Failure::new(format_args!(
                "--out {}: another audit is at work in this folder; wait for it, or use another folder",
                path.display()
            ))),
            Err(fs::TryLockError::Error(e)) => Err(failed(e)),
        }
    }

    /// Where a file is.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Where the folder is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the audit in it was finished.
    pub(super) fn is_finished(&self) -> bool {
        self.file(SUMMARY).is_file()
    }

    /// Takes away what an earlier audit left.
    pub(super) fn clear(&self) -> Result<(), Failure> {
        // The summary first: without it nothing counts as finished.
        for name in [SUMMARY, CHECKPOINT, PAIRS, RINGS, PAGE, SEEN] {
            match fs::remove_file(self.file(name)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(unwritable(&self.file(name), &e)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes a file whole, or leaves the older one.
    pub(super) fn write(
        &self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let path = self.file(name);
        let written = Partial::create(&path, Readers::Owner).and_then(|partial| {
            let mut out = BufWriter::with_capacity(1 << 20, partial.file());
            write(&mut out)?;
            out.flush()?;
            drop(out);
            partial.keep()
        });
        written.map_err(|e| unwritable(&path, &e))
    }

    /// Notes what the audit is of.
    pub(super) fn keep_inputs(&self, inputs: &KeptInputs) -> Result<(), Failure> {
        self.write(INPUTS, |out| {
            serde_json::to_writer_pretty(&mut *out, inputs)?;
            writeln!(out)
        })
    }
}

/// What the audit in a folder was of.
pub(super) fn kept_inputs(folder: &Path) -> Result<KeptInputs, Failure> {
    let path = folder.join(INPUTS);
    let what = |e: &dyn std::fmt::Display| {
        Failure::new(format_args!("{}: {e}; name the folder of a `chinhchu audit` with --out", path.display()))
    };
    let bytes = fs::read(&path).map_err(|e| what(&e))?;
    serde_json::from_slice(&bytes).map_err(|e| what(&e))
}

/// Where findings of an audit are kept: with the gallery, so that every later audit of it
/// knows them; else with the audit.
pub(super) fn findings_file(folder: &Path, gallery: Option<&Path>) -> PathBuf {
    gallery.unwrap_or(folder).join(FINDINGS)
}

/// The findings of the audit in a folder.
pub(super) fn findings_of(folder: &Path) -> Result<Findings, Failure> {
    let inputs = kept_inputs(folder)?;
    read_findings(&findings_file(folder, inputs.gallery.as_deref()))
}

/// The findings in a file; none where it is not there.
pub(super) fn read_findings(path: &Path) -> Result<Findings, Failure> {
    Findings::read(path).map_err(|e| findings_failure(&e))
}

/// What to do where findings cannot be read or kept.
pub(super) fn findings_failure(error: &FindingsError) -> Failure {
    match error {
        FindingsError::Io { path, source } => unwritable(path, source),
        other => Failure::new(other),
    }
}

/// What to do where a file cannot be written.
pub(super) fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Failure::new(format_args!(
                "the disk is full at {path}; what was done until now is kept: free some space and run the same command again"
            ))
        }
        _ => Failure::new(format_args!("{path}: {error}; check the folder and its permissions")),
    }
}
