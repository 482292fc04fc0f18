//! Earlier runs of an audit: a finished run is kept, in a folder of its own, when the audit is run
//! again.
//!
//! # How
//! `runs/` holds a folder for each, named for when the run finished (`2026-11-29T19-02-19Z`). Its
//! files are second names (hard links) of those in the audit's folder, or copies where the file
//! system has no such names; they are gathered in a folder that is called otherwise
//! (`….partial`), and then it is given its name, all at once. Nothing in the audit's folder is
//! touched: each of its files is replaced by the new run's as that is written, the summary last.
//! A run that is killed between the two is known again by its summary, and is not kept twice.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{
    AuditFile, AuditFolder, AuditStoreError, CHANGES, CLEARED, INPUTS, LOCK, PAGE, PAIRS, RESULTS, RINGS, RUNS,
    SUMMARY, summary,
};
use crate::audit::results::listed;
use crate::private;

/// Files of one run; the summary first: without it nothing counts as finished.
pub(super) const OF_A_RUN: [&str; 11] = [
    SUMMARY,
    RESULTS,
    PAIRS,
    RINGS,
    PAGE,
    CLEARED,
    CHANGES,
    INPUTS,
    AuditFile::LeftOut.name(),
    AuditFile::Seen.name(),
    AuditFile::SeenRecords.name(),
];
/// What a folder is called until it holds all of a run.
const PARTIAL: &str = ".partial";

/// A run that is kept.
pub(crate) struct KeptRun {
    /// Its folder.
    pub path: PathBuf,
    /// The same within the audit's folder.
    pub name: String,
}

impl AuditFolder {
    /// Keeps the finished run that the folder holds, beside what takes its place; `None` where it
    /// holds none. What is kept already is not kept twice.
    ///
    /// # Errors
    /// What the system says.
    pub(in crate::audit) fn keep_finished_run(&self) -> Result<Option<KeptRun>, AuditStoreError> {
        if !self.is_finished() {
            return Ok(None);
        }
        let runs = self.path().join(RUNS);
        self.kept_run(&runs).map(Some).map_err(|source| AuditStoreError::Io { path: runs, source })
    }

    fn kept_run(&self, runs: &Path) -> io::Result<KeptRun> {
        private::make_folder(runs)?;
        remove_partial(runs)?;
        let now = fs::read(self.path().join(SUMMARY))?;
        let finished = self.finished_at()?;
        for number in 1u32.. {
            let name = if number == 1 { finished.clone() } else { format!("{finished}-{number}") };
            let path = runs.join(&name);
            let kept = KeptRun { name: format!("{RUNS}/{name}"), path };
            match fs::read(kept.path.join(SUMMARY)) {
                Ok(before) if before == now => return Ok(kept),
                Ok(_) => continue,
                Err(e) if e.kind() == io::ErrorKind::NotFound && !kept.path.exists() => {
                    self.link_into(&runs.join(format!("{name}{PARTIAL}")))?;
                    fs::rename(runs.join(format!("{name}{PARTIAL}")), &kept.path)?;
                    private::sync_folder(runs)?;
                    return Ok(kept);
                }
                // A folder of this name that is no run: somebody else's.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            }
        }
        unreachable!("a folder has fewer than 2³² entries")
    }

    /// When the run finished, as the name of its folder. Earlier programs did not say; their summary
    /// was written last.
    fn finished_at(&self) -> io::Result<String> {
        let said = summary(self.path()).ok().flatten().and_then(|summary| summary.run).map(|run| run.finished);
        let is_time = |text: &String| text.len() == 20 && text.bytes().all(|byte| b"0123456789-:TZ".contains(&byte));
        let finished = match said.filter(is_time) {
            Some(finished) => finished,
            None => {
                let written = fs::metadata(self.path().join(SUMMARY))?.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                let since = written.duration_since(UNIX_EPOCH).unwrap_or_default();
                listed::moment(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
            }
        };
        Ok(finished.replace(':', "-"))
    }

    /// Puts second names of all files of the run into a new folder.
    fn link_into(&self, partial: &Path) -> io::Result<()> {
        private::make_folder(partial)?;
        for name in OF_A_RUN {
            let (from, to) = (self.path().join(name), partial.join(name));
            match fs::hard_link(&from, &to) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                // A file system without second names.
                Err(_) => {
                    // With its rights: its owner's alone.
                    fs::copy(&from, &to)?;
                    fs::File::open(&to)?.sync_all()?;
                }
            }
        }
        private::sync_folder(partial)
    }
}

/// Takes away what a killed run was gathering.
fn remove_partial(runs: &Path) -> io::Result<()> {
    for entry in fs::read_dir(runs)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(PARTIAL)) {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

/// The folder of the audit that a folder belongs to: itself, or where it is that of an earlier run,
/// the one above `runs`. Findings and the key of ids are there.
pub(super) fn audit_folder(folder: &Path) -> PathBuf {
    let above = || {
        let folder = fs::canonicalize(folder).ok()?;
        let runs = folder.parent().filter(|runs| runs.file_name().is_some_and(|name| name == RUNS))?;
        Some(runs.parent()?.to_owned()).filter(|audit| audit.join(LOCK).is_file())
    };
    above().unwrap_or_else(|| folder.to_owned())
}
