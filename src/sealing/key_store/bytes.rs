//! Where the bytes of a file of keys are written: to the file, or to memory where it is only looked at.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::overlay::Overlay;

/// Where the bytes of a file of keys are written.
pub(super) enum Bytes {
    /// To the file.
    File(File),
    /// To memory alone: the file is only looked at.
    Memory(Overlay),
}

impl Bytes {
    pub(super) fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.read_exact_at(out, at),
            Self::Memory(overlay) => overlay.read_exact_at(out, at),
        }
    }

    pub(super) fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all_at(bytes, at),
            Self::Memory(overlay) => overlay.write_all_at(bytes, at),
        }
    }

    pub(super) fn sync_data(&self) -> io::Result<()> {
        match self {
            Self::File(file) => file.sync_data(),
            Self::Memory(_) => Ok(()),
        }
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Memory(overlay) => Ok(overlay.len()),
        }
    }
}
