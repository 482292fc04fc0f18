//! Files that commands write: what to do where one cannot be written.

use std::fs;
use std::io;
use std::path::Path;

use super::Failure;
use crate::private;

pub(super) use crate::private::{Partial, Readers};

/// Writes a file whole, or leaves the older one. What is no file but a pipe or a terminal
/// is written to as it is.
pub(super) fn write(path: &Path, readers: Readers, bytes: &[u8]) -> Result<(), Failure> {
    let written = match fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        true => fs::write(path, bytes),
        false => private::write(path, readers, bytes),
    };
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
