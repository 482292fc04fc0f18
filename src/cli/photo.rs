//! Photo files, read with a bound.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Failure;
use crate::regular;

/// Why a file gave no bytes: what, then what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum PhotoError {
    #[error("no such file; check the path")]
    Missing,
    #[error("it is a folder; name one image file (only `verify` and `chip inspect` read folders of chip files)")]
    Folder,
    #[error("{0}; name an image file (`-` is standard input)")]
    NoFile(io::Error),
    #[error("it has more than {bytes_max} bytes; use a smaller photo or raise images.encoded_bytes_max")]
    TooLarge { bytes_max: usize },
    #[error("it cannot be read ({0}); check the file and its permissions")]
    Unreadable(io::Error),
}

impl PhotoError {
    /// Stable code, as in the `reason` of a failed row.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "FILE_MISSING",
            Self::TooLarge { .. } => "IMAGE_TOO_LARGE",
            Self::Folder | Self::NoFile(_) | Self::Unreadable(_) => "FILE_UNREADABLE",
        }
    }
}

/// Reads an encoded photo of at most `bytes_max` bytes; `-` is standard input.
///
/// What kind of image it is, if any, is the engine's business.
pub(super) fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, PhotoError> {
    if path.as_os_str() == "-" {
        return bounded(io::stdin().lock(), 0, bytes_max);
    }
    let file = regular::open(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => PhotoError::Missing,
        io::ErrorKind::IsADirectory => PhotoError::Folder,
        io::ErrorKind::InvalidInput => PhotoError::NoFile(e),
        _ => PhotoError::Unreadable(e),
    })?;
    let metadata = file.metadata().map_err(PhotoError::Unreadable)?;
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if size > bytes_max {
        return Err(PhotoError::TooLarge { bytes_max });
    }
    bounded(file, size, bytes_max)
}

/// Reads the photos a user typed, in order.
pub(super) fn read_all(paths: &[PathBuf], bytes_max: usize) -> Result<Vec<Vec<u8>>, Failure> {
    let read_one =
        |path: &PathBuf| read(path, bytes_max).map_err(|e| Failure::new(format_args!("photo {}: {e}", path.display())));
    paths.iter().map(read_one).collect()
}

/// Pipes have no size and files may grow: the bound holds while reading too.
fn bounded(source: impl Read, size: usize, bytes_max: usize) -> Result<Vec<u8>, PhotoError> {
    let mut bytes = Vec::with_capacity(size + 1);
    source.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(PhotoError::Unreadable)?;
    if bytes.len() > bytes_max { Err(PhotoError::TooLarge { bytes_max }) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_for_sources_without_a_size() {
        assert!(matches!(bounded(io::repeat(7), 0, 1000), Err(PhotoError::TooLarge { bytes_max: 1000 })));
        assert_eq!(bounded(io::repeat(7).take(1000), 0, 1000).unwrap().len(), 1000);
    }

    #[test]
    fn a_folder_and_a_missing_file_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(folder.path(), 10), Err(PhotoError::Folder)));
        assert!(matches!(read(&folder.path().join("x"), 10), Err(PhotoError::Missing)));
    }
}
