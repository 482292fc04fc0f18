//! Regular files, opened without ever waiting: opening a pipe (FIFO) without a writer, or some
//! devices, hangs a program for good.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a regular file, or a symbolic link to one, to be read.
///
/// # Errors
/// What the system says; [`io::ErrorKind::IsADirectory`] for a folder, and
/// [`io::ErrorKind::InvalidInput`], with what it is, for a pipe, a socket or a device.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Before it is opened: that alone has effects on some devices.
    check(&std::fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    options.read(true);
    // It may have become another since; then opening it must not wait either.
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

fn check(metadata: &std::fs::Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    if kind.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    #[cfg(unix)]
    let what = {
        use std::os::unix::fs::FileTypeExt;
        match () {
            () if kind.is_fifo() => "it is a pipe",
            () if kind.is_socket() => "it is a socket",
            () if kind.is_block_device() || kind.is_char_device() => "it is a device",
            () => "it is no regular file",
        }
    };
    #[cfg(not(unix))]
    let what = "it is no regular file";
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
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
        assert_eq!(open(&path("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
