//! Why a backup was not written, read or taken away.

use std::io;
use std::path::{Path, PathBuf};

use crate::sealing::KeyId;

/// Why work on a repository of backups stopped. No text of it identifies a person.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// There is no repository.
    #[error("there are no backups at {}; check the path, and whether the disk is mounted", .0.display())]
    NotThere(PathBuf),
    /// A repository was to be made among other files.
    #[error("{} holds other files; name an empty folder, or one that is not there yet", .0.display())]
    OtherFiles(PathBuf),
    /// Another process writes to it.
    #[error("another backup is being written to {}, or backups are being taken away; run this again when that has ended", .0.display())]
    Busy(PathBuf),
    /// A newer program wrote it.
    #[error("{} was written by a newer chinhchu (version {found}, this program reads up to {known}); use that one", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Version found.
        found: u32,
        /// Newest version known.
        known: u32,
    },
    /// No such backup.
    #[error("there is no backup {id} at {}; `chinhchu backup list` lists those that are", path.display())]
    NoSuchBackup {
        /// What was asked for.
        id: String,
        /// The repository.
        path: PathBuf,
    },
    /// None early enough, or none at all.
    #[error("there is no backup {when} at {}; `chinhchu backup list` lists those that are", path.display())]
    NoneThen {
        /// Which was asked for.
        when: String,
        /// The repository.
        path: PathBuf,
    },
    /// Sealed under a key that was not given.
    #[error("the backup {} is sealed under the key {needed}, and given was {given}; name that key as backup.key, or as backup.previous_key over a change of keys", path.display())]
    OtherKey {
        /// The manifest.
        path: PathBuf,
        /// Id of the key.
        needed: KeyId,
        /// Ids of the keys given.
        given: String,
    },
    /// Altered, cut or moved.
    #[error("the backup is damaged: {} {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The disk is full.
    #[error("the disk of {} is full; this backup was not written, and earlier ones are as they were. Free some space, or keep fewer (`chinhchu backup prune`), and run it again", .0.display())]
    DiskFull(PathBuf),
    /// The system refused.
    #[error("{}: {why}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
}

impl BackupError {
    pub(super) fn io(error: &io::Error, path: &Path) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::DiskFull(path.to_owned()),
            _ => Self::Io { path: path.to_owned(), why: error.to_string() },
        }
    }

    /// The error of a file that is not in a folder of backups.
    pub fn io_at(error: &io::Error, path: &Path) -> Self {
        Self::io(error, path)
    }

    pub(super) fn damaged(path: &Path, what: &'static str) -> Self {
        Self::Damaged { path: path.to_owned(), what }
    }

    /// Whether what is stored is damaged, rather than that it could not be read.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}
