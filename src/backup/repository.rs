//! The folder that backups lie in, and who may use it when.
//!
//! ```text
//! chinhchu-backups   version of the layout, a decimal number
//! LOCK               locked by who writes or takes away
//! READERS            shared by who reads; who takes away has it alone
//! backups/ID         manifests
//! chunks/xx/NAME     chunks, by the first two digits of their names
//! ```
//!
//! A file gets its name when it is whole and on the disk, a manifest when all its chunks are; so a backup that
//! was interrupted leaves chunks that nothing names, which the next taking away removes. Chunks are never
//! changed. Folders have mode 0700, files 0600.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::BackupError;
use super::keys::BackupKeys;
use super::manifest::{BackupId, MANIFEST_BYTES_MAX, Manifest};
use crate::gallery::{GalleryId, Timestamp};
use crate::private::{self, Partial, Readers};
use crate::{hex, regular};

const MARKER: &str = "chinhchu-backups";
const LAYOUT: u32 = 1;
const LOCK: &str = "LOCK";
const READERS: &str = "READERS";
const MANIFESTS: &str = "backups";
const CHUNKS: &str = "chunks";

/// A folder of backups.
#[derive(Debug, Clone)]
pub struct Repository {
    path: PathBuf,
}

/// A backup in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// What it is called.
    pub id: BackupId,
    /// What it is of, or why that cannot be told.
    pub manifest: Result<Manifest, String>,
}

/// Held while nobody else may do what stands against it.
#[derive(Debug)]
pub struct Held(#[allow(dead_code, reason = "the lock goes with the file handle")] File);

impl Repository {
    /// The one at `path`.
    ///
    /// # Errors
    /// [`BackupError::NotThere`], [`BackupError::Newer`], [`BackupError::Io`].
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        let marker = path.join(MARKER);
        let bytes = match regular::read(&marker, 64) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BackupError::NotThere(path.to_owned()));
            }
            Err(error) => return Err(BackupError::io(&error, &marker)),
        };
        let found = str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse::<u32>().ok());
        match found {
            Some(LAYOUT) => Ok(Self { path: path.to_owned() }),
            Some(found) if found > LAYOUT => Err(BackupError::Newer { path: marker, found, known: LAYOUT }),
            _ => Err(BackupError::damaged(&marker, "does not hold the version of the folder")),
        }
    }

    /// The same, which is made where the folder is empty or not there.
    ///
    /// # Errors
    /// As [`Repository::open`]; [`BackupError::OtherFiles`], [`BackupError::DiskFull`].
    pub fn open_or_make(path: &Path) -> Result<Self, BackupError> {
        match Self::open(path) {
            Err(BackupError::NotThere(_)) => {}
            opened => return opened,
        }
        let failed = |error: io::Error| BackupError::io(&error, path);
        private::make_folder(path).map_err(failed)?;
        let is_ours = |name: &std::ffi::OsStr| {
            [LOCK, READERS, MANIFESTS, CHUNKS, "lost+found"].iter().any(|ours| name == *ours)
                || name.to_string_lossy().starts_with(MARKER)
        };
        for entry in fs::read_dir(path).map_err(failed)? {
            if !is_ours(&entry.map_err(failed)?.file_name()) {
                return Err(BackupError::OtherFiles(path.to_owned()));
            }
        }
        let repository = Self { path: path.to_owned() };
        private::make_folder(&repository.manifests()).map_err(failed)?;
        private::make_folder(&path.join(CHUNKS)).map_err(failed)?;
        // Where the marker is, so is the folder itself, also when the power goes.
        let absolute = std::path::absolute(path).map_err(failed)?;
        match absolute.parent().map_or(Ok(()), private::sync_folder) {
            // A folder that this user may not list: whoever made this one in it has to see to that.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced.map_err(failed)?,
        }
        repository.write(&path.join(MARKER), format!("{LAYOUT}\n").as_bytes())?;
        repository.sync(path)?;
        Ok(repository)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn manifests(&self) -> PathBuf {
        self.path.join(MANIFESTS)
    }

    pub(super) fn manifest(&self, id: &BackupId) -> PathBuf {
        self.manifests().join(id.as_str())
    }

    pub(super) fn chunks(&self) -> PathBuf {
        self.path.join(CHUNKS)
    }

    pub(super) fn chunk_path(&self, name: &[u8; 32]) -> PathBuf {
        let name = hex::encode(name);
        self.chunks().join(&name[..2]).join(name)
    }

    /// Keeps out others who write or take away.
    pub(super) fn lock(&self) -> Result<Held, BackupError> {
        let path = self.path.join(LOCK);
        let file = private::open(&path).map_err(|error| BackupError::io(&error, &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Held(file)),
            Err(TryLockError::WouldBlock) => Err(BackupError::Busy(self.path.clone())),
            Err(TryLockError::Error(error)) => Err(BackupError::io(&error, &path)),
        }
    }

    /// Keeps out who would take away what is read; waits for one who does.
    pub(super) fn read_lock(&self) -> Result<Option<Held>, BackupError> {
        let path = self.path.join(READERS);
        let file = match private::open(&path) {
            Ok(file) => file,
            // A medium that is read-only: nobody takes anything away there.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(BackupError::io(&error, &path)),
        };
        file.lock_shared().map_err(|error| BackupError::io(&error, &path))?;
        Ok(Some(Held(file)))
    }

    /// Keeps out who reads; `None` while somebody does.
    pub(super) fn without_readers(&self) -> Result<Option<Held>, BackupError> {
        let path = self.path.join(READERS);
        let file = private::open(&path).map_err(|error| BackupError::io(&error, &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Held(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(BackupError::io(&error, &path)),
        }
    }

    /// Writes a file that has its name once it is whole and on the disk.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
        let write = || {
            let partial = Partial::create(path, Readers::Owner)?;
            partial.file().write_all(bytes)?;
            partial.keep()
        };
        write().map_err(|error| match BackupError::io(&error, path) {
            BackupError::DiskFull(_) => BackupError::DiskFull(self.path.clone()),
            other => other,
        })
    }

    /// Makes names in a folder durable.
    pub(super) fn sync(&self, folder: &Path) -> Result<(), BackupError> {
        private::sync_folder(folder).map_err(|error| BackupError::io(&error, folder))
    }

    /// Names of all backups, oldest first.
    ///
    /// # Errors
    /// [`BackupError::Io`].
    pub fn ids(&self) -> Result<Vec<BackupId>, BackupError> {
        let folder = self.manifests();
        let failed = |error: io::Error| BackupError::io(&error, &folder);
        let mut ids = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            ids.extend(entry.map_err(failed)?.file_name().to_str().and_then(|name| name.parse().ok()));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// All backups, oldest first; those that cannot be opened say why.
    ///
    /// # Errors
    /// [`BackupError::Io`].
    pub fn list(&self, keys: &BackupKeys) -> Result<Vec<Listed>, BackupError> {
        let listed = |id: BackupId| {
            let manifest = self.read_manifest(&id, keys).map_err(|error| error.to_string());
            Listed { id, manifest }
        };
        Ok(self.ids()?.into_iter().map(listed).collect())
    }

    /// A manifest.
    ///
    /// # Errors
    /// [`BackupError::NoSuchBackup`], [`BackupError::OtherKey`], [`BackupError::Damaged`], [`BackupError::Newer`],
    /// [`BackupError::Io`].
    pub fn read_manifest(&self, id: &BackupId, keys: &BackupKeys) -> Result<Manifest, BackupError> {
        let path = self.manifest(id);
        match regular::read(&path, MANIFEST_BYTES_MAX) {
            Ok(bytes) => Manifest::open(id.clone(), &bytes, keys, &path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(BackupError::NoSuchBackup { id: id.to_string(), path: self.path.clone() })
            }
            Err(error) => Err(BackupError::io(&error, &path)),
        }
    }

    /// The newest backup of a gallery that was taken at a time or before it: the one with the most commits, since a
    /// clock may have been wrong. Where no gallery is named it is that of the last backup by its name.
    ///
    /// # Errors
    /// [`BackupError::NoneThen`]; as [`Repository::read_manifest`] of one that may be it.
    pub fn newest(
        &self,
        keys: &BackupKeys,
        gallery: Option<GalleryId>,
        at: Option<Timestamp>,
    ) -> Result<Manifest, BackupError> {
        let (mut gallery, mut found, mut unreadable) = (gallery, None::<Manifest>, None);
        for id in self.ids()?.iter().rev() {
            let manifest = match self.read_manifest(id, keys) {
                Ok(manifest) => manifest,
                Err(error) if found.is_none() => {
                    // Unless another that was taken later has more commits, it may be the one.
                    unreadable.get_or_insert(error);
                    continue;
                }
                Err(_) => continue,
            };
            if at.is_some_and(|at| manifest.head.taken_at > at) || gallery.is_some_and(|of| of != manifest.head.gallery)
            {
                continue;
            }
            if let Some(error) = unreadable.take() {
                return Err(error);
            }
            gallery = Some(manifest.head.gallery);
            if found.as_ref().is_none_or(|found| found.head.commit < manifest.head.commit) {
                found = Some(manifest);
            }
        }
        let when = if at.is_some() { "from then or before" } else { "of this gallery" };
        let none = || BackupError::NoneThen { when: when.to_owned(), path: self.path.clone() };
        found.ok_or_else(|| unreadable.unwrap_or_else(none))
    }
}
