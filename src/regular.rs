//! Opens regular files only, and never blocks: opening a pipe (FIFO) without a writer, or some
//! devices, would block forever.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// Opens a regular file, or a symbolic link to one, to be read.
///
/// # Errors
/// What the system says; [`io::ErrorKind::IsADirectory`] for a folder, and
/// [`io::ErrorKind::InvalidInput`], with what it is, for a pipe, a socket or a device.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Checked before opening, because opening some devices has side effects.
    check(&std::fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    options.read(true);
    // The file may have been replaced since the check; opening it must not block either.
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        options.custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
    }
    let file = options.open(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

/// Reads a whole regular file.
///
/// # Errors
/// As for [`open`], and where it is longer than `bytes_max`.
pub(crate) fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    let too_long = || io::Error::other(format!("it is longer than {bytes_max} bytes"));
    if length > bytes_max {
        return Err(too_long());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    // The file may grow between the check and the read.
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max { Err(too_long()) } else { Ok(bytes) }
}

/// The kind of file at `path` if it exists and is no regular file, or is a dangling link.
pub(crate) fn other_kind(path: &Path) -> Option<&'static str> {
    match std::fs::metadata(path) {
        Ok(metadata) => kind(metadata.file_type()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.is_symlink().then_some("a link to nothing"),
        // The error comes when the file is read.
        Err(_) => None,
    }
}

fn check(metadata: &std::fs::Metadata) -> io::Result<()> {
    match kind(metadata.file_type()) {
        None => Ok(()),
        Some("a folder") => Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")),
        Some(found) => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is no regular file but {found}"))),
    }
}

/// Name of a file's kind; `None` for regular files.
fn kind(kind: FileType) -> Option<&'static str> {
    if kind.is_file() {
        return None;
    }
    if kind.is_dir() {
        return Some("a folder");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return Some("a pipe");
        }
        if kind.is_socket() {
            return Some("a socket");
        }
        if kind.is_block_device() || kind.is_char_device() {
            return Some("a device");
        }
    }
    Some("something else")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_opened_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "x").unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        assert!(open(&path("file")).is_ok() && open(&path("link")).is_ok());
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
        std::os::unix::fs::symlink(path("fifo"), path("link-to-fifo")).unwrap();
        for (name, what) in [("fifo", "pipe"), ("link-to-fifo", "pipe"), ("socket", "socket"), ("", "folder")] {
            let error = open(&path(name)).unwrap_err();
            assert!(error.to_string().contains(what), "{name}: {error}");
        }
        assert!(open(Path::new("/dev/null")).unwrap_err().to_string().contains("device"));
        assert_eq!(read(&path("file"), 1).unwrap(), b"x");
        assert!(read(&path("file"), 0).unwrap_err().to_string().contains("longer than 0 bytes"));
        assert_eq!(open(&path("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
