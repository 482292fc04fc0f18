//! Creates files readable by their owner only, and writes files atomically. Faces, templates, names
//! and keys are never readable by others, not even briefly.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::regular;

/// Mode of private files: read and write for the owner.
const OWNER_FILE: u32 = 0o600;
/// Mode of private folders.
const OWNER_FOLDER: u32 = 0o700;
/// Mode of other files, before the process's umask.
const ALL_FILE: u32 = 0o666;

/// Attempts to open the temporary file if other processes keep renaming it.
const ATTEMPTS: usize = 100;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Only its owner: it holds faces, templates, names or keys.
    Owner,
    /// Everybody that the process's umask allows.
    All,
}

/// Open options with which new files are private.
pub(crate) fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(OWNER_FILE)
}

/// Opens a file for reading and writing; creates it private if missing, never truncates it.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    owner_only(OpenOptions::new().read(true).write(true).create(true).truncate(false)).open(path)
}

/// Opens a file to be written over that is no other's: follows no link, and waits for no pipe. Whoever could plant one
/// in a folder would have another file of ours written over by its name here.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`], with what it is, where something else than a file with this one name lies there.
pub(crate) fn open_own(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let other =
        |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{} is {what}; take it away", path.display()));
    match path.symlink_metadata() {
        Ok(there) if there.is_symlink() => return Err(other("a symbolic link")),
        Ok(there) if !there.is_file() => return Err(other("no regular file")),
        _ => {}
    }
    // It may have come since.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = options.custom_flags(i32::try_from(flags.bits()).unwrap_or(0)).open(path)?;
    let there = file.metadata()?;
    match there.is_file() {
        false => Err(other("no regular file")),
        true if there.nlink() > 1 => Err(other("a file that has another name as well (a hard link)")),
        true => Ok(file),
    }
}

/// Opens a secret for reading, such as a key: a regular file that its owner alone can read or write.
///
/// # Errors
/// As [`regular::open`]; [`io::ErrorKind::PermissionDenied`], with the remedy, where others can read
/// or write it.
pub(crate) fn open_secret(path: &Path) -> io::Result<File> {
    let file = regular::open(path)?;
    let mode = file.metadata()?.mode() & 0o777;
    if mode & 0o077 != 0 {
        let why = format!("others than its owner can read or write it (mode {mode:04o}); take it from them: chmod 600");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(file)
}

/// Reads a whole secret.
///
/// # Errors
/// As [`open_secret`], and where it is longer than `bytes_max`.
pub(crate) fn read_secret(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_secret(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > bytes_max {
        true => Err(io::Error::other(format!("it is longer than {bytes_max} bytes"))),
        false => Ok(bytes),
    }
}

/// The one line of a key's file, without what editors, mail and other systems put around it: a byte order
/// mark, line breaks (CR LF, too) and white space on both sides.
pub(crate) fn key_line(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii()
}

/// Makes an existing file private.
pub(crate) fn tighten(file: &File) -> io::Result<()> {
    file.set_permissions(fs::Permissions::from_mode(OWNER_FILE))
}

/// Creates a private folder and its missing parents; existing ones are unchanged.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(OWNER_FOLDER).create(path)
}

/// Makes renames in a folder durable (fsync).
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}

/// A temporary file that gets its final name when complete; removed if dropped before.
#[derive(Debug)]
pub(crate) struct Partial {
    file: File,
    partial: PathBuf,
    path: PathBuf,
    kept: bool,
}

impl Partial {
    /// The temporary name is always the same, so that one left by a killed run is reused.
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
            let file = open_own(OpenOptions::new().write(true).create(true).truncate(false).mode(mode), &partial)?;
            // The lock ends with the process. File systems without locks only lose this check.
            if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
                return Err(busy());
            }
            // The previous holder of the lock may have renamed this very file.
            if !fs::metadata(&partial).is_ok_and(|there| is_same(&there, &file)) {
                continue;
            }
            if readers == Readers::Owner {
                // A killed run may have left it with another mode.
                tighten(&file)?;
            }
            file.set_len(0)?;
            return Ok(Self { file, partial, path: path.to_owned(), kept: false });
        }
        Err(busy())
    }

    /// Its final name.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file to write to.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Makes the content durable and renames the file to its final name.
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
            // Best effort: a leftover is overwritten by the next run.
            let _ = fs::remove_file(&self.partial);
        }
    }
}

fn is_same(there: &fs::Metadata, file: &File) -> bool {
    file.metadata().is_ok_and(|here| (here.dev(), here.ino()) == (there.dev(), there.ino()))
}

/// Replaces a file atomically.
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
    fn a_link_that_was_planted_leads_to_no_other_file_and_a_pipe_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let (path, partial, other) =
            (folder.path().join("out"), folder.path().join("out.partial"), folder.path().join("other"));
        fs::write(&other, "another's").unwrap();
        let plants: [&dyn Fn(); 4] = [
            &|| std::os::unix::fs::symlink(&other, &partial).unwrap(),
            &|| std::os::unix::fs::symlink(folder.path().join("nothing"), &partial).unwrap(),
            &|| fs::hard_link(&other, &partial).unwrap(),
            &|| assert!(std::process::Command::new("mkfifo").arg(&partial).status().unwrap().success()),
        ];
        for plant in plants {
            plant();
            let refused = write(&path, Readers::Owner, b"new").unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
            assert!(refused.to_string().contains("take it away"), "{refused}");
            assert!(fs::read(&other).unwrap() == b"another's" && !path.exists());
            assert!(!folder.path().join("nothing").exists());
            fs::remove_file(&partial).unwrap();
        }
        write(&path, Readers::Owner, b"new").unwrap();
    }

    #[test]
    fn a_secret_that_others_can_read_or_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write(&path, Readers::Owner, b"secret").unwrap();
        assert_eq!(read_secret(&path, 6).unwrap(), b"secret");
        assert!(read_secret(&path, 5).unwrap_err().to_string().contains("longer than 5 bytes"));
        for mode in [0o640, 0o604, 0o620, 0o602, 0o610] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = read_secret(&path, 6).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
            assert!(refused.to_string().contains("chmod 600"), "{refused}");
        }
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
