//! Why the folder of an audit cannot be used: what, then what to do. Names nobody.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::format::VERSION;
use super::{PAIRS, RESULTS, RINGS, SUMMARY};
use crate::audit::checkpoint::CheckpointError;
use crate::audit::findings::FindingsError;
use crate::audit::ids::IdKeyError;
use crate::audit::seen::SeenError;

/// Why the folder of an audit cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditStoreError {
    /// Another process is at work in it.
    #[error("--out {}: another audit is at work in this folder; wait for it, or use another folder", .folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{}", Unwritable(.path, .source))]
    Io {
        /// The file, or the folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No audit was begun there.
    #[error("{}: {what}; name the folder of a `chinhchu audit` with --out", .path.display())]
    NoAudit {
        /// The file that would say so.
        path: PathBuf,
        /// What is the matter with it.
        what: String,
    },
    /// No audit was finished there.
    #[error(
        "{}: it holds neither {RESULTS} nor, of an earlier version, {RINGS} and {PAIRS}, with {SUMMARY}; \
         name the folder of an audit that was finished with --out", .folder.display()
    )]
    NotFinished {
        /// The folder.
        folder: PathBuf,
    },
    /// A file makes no sense.
    #[error("{}: {what}; name the folder of an audit that was finished with --out", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is the matter with it.
        what: String,
    },
    /// Results were altered or cut short.
    #[error("{}, line {line}: the results are damaged; run that audit again, which writes them anew", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A newer program wrote the results.
    #[error("{} has version {found}, this program reads {VERSION}; use the newer program", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Results and summary do not belong together.
    #[error(
        "{}: {RESULTS} and {SUMMARY} are of two runs, or one of them was changed; run that audit again, which writes \
         both anew", .folder.display()
    )]
    TwoRuns {
        /// The folder.
        folder: PathBuf,
    },
    /// The checkpoint cannot be used.
    #[error("{}", of_checkpoint(.folder, .source))]
    Checkpoint {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: CheckpointError,
    },
    /// The key of stable ids cannot be read or made.
    #[error("{}", of_key(.0))]
    Ids(#[from] IdKeyError),
    /// Findings cannot be read or kept.
    #[error("{}", of_findings(.0))]
    Findings(#[from] FindingsError),
    /// The list of templates of an earlier audit cannot be used.
    #[error(transparent)]
    FilterFacts(#[from] SeenError),
}

/// What to do where a file cannot be read or written.
struct Unwritable<'a>(&'a Path, &'a io::Error);

impl fmt::Display for Unwritable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(path, error) = self;
        let path = path.display();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => write!(
                f,
                "the disk is full at {path}; what was done until now is kept: free some space and run the same command again"
            ),
            _ => write!(f, "{path}: {error}; check the folder and its permissions"),
        }
    }
}

fn of_checkpoint(folder: &Path, error: &CheckpointError) -> String {
    match error {
        CheckpointError::Other(difference) => format!(
            "--out {}: {difference}; use another folder, or --restart to give up what is there",
            folder.display()
        ),
        CheckpointError::Io { path, source } => Unwritable(path, source).to_string(),
        other => other.to_string(),
    }
}

fn of_key(error: &IdKeyError) -> String {
    match error {
        IdKeyError::Io { path, source } => Unwritable(path, source).to_string(),
        other => other.to_string(),
    }
}

fn of_findings(error: &FindingsError) -> String {
    match error {
        FindingsError::Io { path, source } => Unwritable(path, source).to_string(),
        other => other.to_string(),
    }
}
