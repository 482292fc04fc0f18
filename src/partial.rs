//! Files that are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Times that a temporary file is opened where others give it its name each time.
const ATTEMPTS: usize = 100;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner alone: faces, templates or names are in it.
    Owner,
    /// Whoever the process's mask lets.
    All,
}

/// A file that has its name only once it is whole. Removed where it is not kept.
#[derive(Debug)]
pub(crate) struct Partial {
    file: File,
    partial: PathBuf,
    path: PathBuf,
    kept: bool,
}

impl Partial {
    /// The same temporary name every time: what a killed run left is used again.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] where another process is writing it; nothing of what
    /// that one has written is touched.
    pub(crate) fn create(path: &Path, readers: Readers) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        let partial = PathBuf::from(name);
        let busy = || io::Error::new(io::ErrorKind::ResourceBusy, "it is being written by another process");
        for _ in 0..ATTEMPTS {
            let mode = if readers == Readers::Owner { 0o600 } else { 0o666 };
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(mode).open(&partial)?;
            // The lock ends with the process. Where the file system has none, nothing is lost
            // but this check.
            if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
                return Err(busy());
            }
            // Whoever held the lock before may have given this very file its name.
            if !fs::metadata(&partial).is_ok_and(|there| is_same(&there, &file)) {
                continue;
            }
            if readers == Readers::Owner {
                // A killed run may have left it with other rights.
                file.set_permissions(fs::Permissions::from_mode(mode))?;
            }
            file.set_len(0)?;
            return Ok(Self { file, partial, path: path.to_owned(), kept: false });
        }
        Err(busy())
    }

    /// To write to.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Makes the content durable and gives it its name.
    pub(crate) fn keep(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.partial, &self.path)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            // Best effort: what stays is overwritten by the next run.
            let _ = fs::remove_file(&self.partial);
        }
    }
}

fn is_same(there: &fs::Metadata, file: &File) -> bool {
    file.metadata().is_ok_and(|here| (here.dev(), here.ino()) == (there.dev(), there.ino()))
}
