//! What commands write: files that are whole or not there, and what to say where they are not.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::Failure;
pub(super) use crate::partial::{Partial, Readers};

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
    use std::os::unix::fs::PermissionsExt;

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
