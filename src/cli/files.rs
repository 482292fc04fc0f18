//! Files that are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Failure;

/// Times that a temporary file is opened where others give it its name each time.
const ATTEMPTS: usize = 100;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Its owner alone: faces, templates or names are in it.
    Owner,
    /// Whoever the process's mask lets.
    All,
}

/// A file that has its name only once it is whole. Removed where it is not kept.
#[derive(Debug)]
pub(super) struct Partial {
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
    pub(super) fn create(path: &Path, readers: Readers) -> io::Result<Self> {
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
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Makes the content durable and gives it its name.
    pub(super) fn keep(mut self) -> io::Result<()> {
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

/// Writes a file whole, or leaves the older one. What is no file but a pipe or a terminal
/// is written to as it is.
pub(super) fn write(path: &Path, readers: Readers, bytes: &[u8]) -> Result<(), Failure> {
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return fs::write(path, bytes).map_err(|e| unwritable(path, &e));
    }
    let written = Partial::create(path, readers).and_then(|partial| {
        partial.file().write_all(bytes)?;
        partial.keep()
    });
    written.map_err(|e| unwritable(path, &e))
}

/// What to do where a file cannot be written.
pub(super) fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Failure::new(format_args!("the disk is full, {path} was not written; free some space and run again"))
        }
        io::ErrorKind::ResourceBusy => Failure::new(format_args!("{path}: {error}; wait for it")),
        _ => Failure::new(format_args!("cannot write {path}: {error}; check the folder and its permissions")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_the_older_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        write(&path, Readers::All, b"older").unwrap();
        let partial = Partial::create(&path, Readers::All).unwrap();
        partial.file().write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"older");
        drop(partial);
        assert_eq!(fs::read(&path).unwrap(), b"older");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_second_writer_is_refused_and_leaves_what_the_first_has_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let first = Partial::create(&path, Readers::All).unwrap();
        first.file().write_all(b"first").unwrap();
        let refused = Partial::create(&path, Readers::All).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ResourceBusy);
        first.keep().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first");
        write(&path, Readers::All, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
    }

    #[test]
    fn what_a_killed_run_left_is_used_again_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(folder.path().join("out.partial"), "much more than is written now").unwrap();
        write(&path, Readers::Owner, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
