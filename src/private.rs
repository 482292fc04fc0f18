//! Files for their owner alone, and files that are there whole or not at all: the one place that
//! makes either. Faces, templates, names and keys are never readable by others, not even for a
//! moment.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Mode of a file that its owner alone may read and write.
const OWNER_FILE: u32 = 0o600;
/// Mode of a folder that its owner alone may enter.
const OWNER_FOLDER: u32 = 0o700;
/// Mode of a file whose readers the process's mask decides.
const ALL_FILE: u32 = 0o666;

/// Times that a temporary file is opened where others give it its name each time.
const ATTEMPTS: usize = 100;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner alone: faces, templates, names or keys are in it.
    Owner,
    /// Whoever the process's mask lets.
    All,
}

/// Options of which a file that is made is its owner's alone.
pub(crate) fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(OWNER_FILE)
}

/// A file to be read, changed and added to: made for its owner alone where it is not there, kept as
/// it is where it is.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    owner_only(OpenOptions::new().read(true).write(true).create(true).truncate(false)).open(path)
}

/// Takes a file that was there, and may have had another mode, from everybody but its owner.
pub(crate) fn tighten(file: &File) -> io::Result<()> {
    file.set_permissions(fs::Permissions::from_mode(OWNER_FILE))
}

/// Makes a folder, and those above it, for their owner alone; those that are there stay as they
/// are.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(OWNER_FOLDER).create(path)
}

/// Makes what was renamed in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
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
            let mode = if readers == Readers::Owner { OWNER_FILE } else { ALL_FILE };
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
                tighten(&file)?;
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

/// Writes a file whole, or leaves the older one.
///
/// # Errors
/// As [`Partial::create`], and those of writing.
pub(crate) fn write(path: &Path, readers: Readers, bytes: &[u8]) -> io::Result<()> {
    let partial = Partial::create(path, readers)?;
    partial.file().write_all(bytes)?;
    partial.keep()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

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
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_file_that_is_opened_keeps_its_content_and_one_that_is_made_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "kept").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let file = open(&path).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"kept".to_vec(), 0o644));
        tighten(&file).unwrap();
        assert_eq!(mode(&path), 0o600);
        open(&folder.path().join("new")).unwrap();
        assert_eq!(mode(&folder.path().join("new")), 0o600);
        make_folder(&folder.path().join("a/b")).unwrap();
        assert_eq!(mode(&folder.path().join("a")), 0o700);
        sync_folder(&folder.path().join("a")).unwrap();
    }
}
