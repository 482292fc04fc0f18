//! What can go wrong in the store, and what it is called outside.

use std::io;
use std::path::Path;

use crate::gallery::GalleryError;
use crate::gallery::embedded::DATABASE;
use crate::sealing::KeyStoreError;

/// Why work on the store stopped.
#[derive(Debug)]
pub(in crate::gallery) enum StoreError {
    /// The request itself is refused; the transaction it is part of goes on.
    Refused(GalleryError),
    /// redb failed; the transaction is lost.
    Redb(redb::Error),
    /// A database server failed; the transaction is lost.
    Server(ServerFault),
    /// What was read makes no sense. Says what, never whose.
    Damaged(String),
    /// The key store failed; the transaction is lost.
    Keys(KeyStoreError),
    /// A record was written by a newer program.
    Newer {
        /// Version found.
        found: u32,
        /// Newest version known.
        known: u32,
    },
}

/// How a database server failed.
#[derive(Debug)]
pub(in crate::gallery) struct ServerFault {
    /// In the server's words, without values of rows.
    pub(in crate::gallery) detail: String,
    /// Whether its disk is full.
    pub(in crate::gallery) is_full: bool,
    /// Whether the connection is gone: another one may do.
    pub(in crate::gallery) is_cut: bool,
}

macro_rules! from_redb {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> Self {
                Self::Redb(error.into())
            }
        }
    )*};
}

from_redb!(StorageError, TableError, TransactionError, CommitError, DatabaseError);

impl From<KeyStoreError> for StoreError {
    fn from(error: KeyStoreError) -> Self {
        Self::Keys(error)
    }
}

impl From<GalleryError> for StoreError {
    fn from(error: GalleryError) -> Self {
        Self::Refused(error)
    }
}

impl StoreError {
    pub(in crate::gallery) fn damaged(detail: impl Into<String>) -> Self {
        Self::Damaged(detail.into())
    }

    /// The error as callers see it; `path` is the data folder.
    pub(in crate::gallery) fn at(self, path: &Path) -> GalleryError {
        match self {
            Self::Refused(error) => error,
            Self::Damaged(detail) => GalleryError::Damaged { path: path.to_owned(), detail },
            Self::Newer { found, known } => GalleryError::NewerVersion { path: path.to_owned(), found, known },
            Self::Keys(error) => GalleryError::KeyStore(error),
            Self::Redb(error) => from_redb_error(error, path),
            Self::Server(fault) if fault.is_full => GalleryError::DiskFull,
            Self::Server(ServerFault { detail, .. }) => GalleryError::Postgres(format!(
                "the server did not do its part ({detail}); check it and the way to it, then try again"
            )),
        }
    }
}

fn from_redb_error(error: redb::Error, path: &Path) -> GalleryError {
    let damaged = |detail: String| GalleryError::Damaged { path: path.to_owned(), detail };
    match error {
        redb::Error::Io(error) => from_io(&error, path),
        redb::Error::Corrupted(detail) => {
            // In the words of the library, which say nothing to who has to act.
            tracing::debug!(detail, "the database was found damaged");
            damaged(format!(
                "its database {DATABASE} does not match its own checksums: a disk may be failing, or the file was cut or \
                 written over"
            ))
        }
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => GalleryError::InUse(path.to_owned()),
        redb::Error::UpgradeRequired(found) if u32::from(found) > REDB_FORMAT => {
            GalleryError::NewerVersion { path: path.to_owned(), found: u32::from(found), known: REDB_FORMAT }
        }
        redb::Error::UpgradeRequired(found) => damaged(format!("database format {found} was never used here")),
        redb::Error::TableDoesNotExist(table) => damaged(format!("table {table} is missing")),
        redb::Error::TableTypeMismatch { table, .. } => damaged(format!("table {table} has another type")),
        redb::Error::TypeDefinitionChanged { .. } => damaged("a table has another type".into()),
        other => GalleryError::Storage(other.to_string()),
    }
}

/// The file format of redb 4.
const REDB_FORMAT: u32 = 3;

/// An error of the operating system as callers see it.
pub(in crate::gallery) fn from_io(error: &io::Error, path: &Path) -> GalleryError {
    use io::ErrorKind::{
        FileTooLarge, InvalidData, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull, UnexpectedEof,
    };
    match error.kind() {
        // A size limit on the file is a full disk to the one who writes.
        StorageFull | QuotaExceeded | FileTooLarge => GalleryError::DiskFull,
        InvalidData | UnexpectedEof => {
            let detail = format!("{DATABASE} in it is no gallery's database, or was cut");
            GalleryError::Damaged { path: path.to_owned(), detail }
        }
        PermissionDenied | ReadOnlyFilesystem => {
            GalleryError::NotAllowed { path: path.to_owned(), detail: error.to_string() }
        }
        _ => GalleryError::Storage(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The library's words are for those who wrote it.
    #[test]
    fn a_damaged_database_is_told_by_its_file_and_with_what_to_do() {
        let error = redb::Error::Corrupted("Primary is corrupted despite 2-phase commit".to_owned());
        let told = StoreError::Redb(error).at(Path::new("/srv/people")).to_string();
        for part in ["/srv/people", "chinhchu.redb", "checksums", "restore it from a backup"] {
            assert!(told.contains(part), "{told}");
        }
        assert!(!told.contains("Primary"), "{told}");
    }

    #[test]
    fn what_the_system_forbids_is_said_with_the_folder_and_points_to_no_log() {
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem] {
            let told = from_io(&kind.into(), Path::new("/srv/people")).to_string();
            assert!(told.contains("/srv/people") && told.contains("belong to the user"), "{told}");
        }
        let other = from_io(&io::Error::other("a cable"), Path::new("/srv/people")).to_string();
        assert!(other.contains("a cable") && !other.contains("log"), "{other}");
    }
}
