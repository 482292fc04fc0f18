//! Who may read people's data, and who may write what decides: permissions of files and folders.

use std::io;
use std::path::{Path, PathBuf};

use super::{DATA_OPEN, DATA_OPEN_TO_GROUP, Finding, RULES_OPEN, RULES_OPEN_TO_GROUP, Setup};

/// Most files of a folder looked at: of those beyond, the folder's own permissions tell enough.
const FILES_MAX: usize = 10_000;
const GROUP: u32 = 0o070;
const OTHERS: u32 = 0o007;
const WRITE: u32 = 0o022;

/// What others than the owner may do with a path and with what lies in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// The path as it is configured.
    pub path: PathBuf,
    /// Its own mode, and that of its files, taken together: what anybody may do with any of it.
    pub mode: u32,
}

impl Permissions {
    /// Looks at a file, or at a folder and the files in it. `None` where it is not there.
    ///
    /// # Errors
    /// Where it is there and cannot be looked at.
    pub fn of(path: &Path) -> io::Result<Option<Self>> {
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut mode = mode(&metadata);
        // A folder that only its owner may enter keeps all that is in it.
        if metadata.is_dir() && mode & (GROUP | OTHERS) != 0 {
            for entry in std::fs::read_dir(path)?.take(FILES_MAX) {
                match std::fs::metadata(entry?.path()) {
                    Ok(file) if file.is_file() => mode |= self::mode(&file),
                    // What has gone since, and what is no file, is nobody's to read.
                    _ => {}
                }
            }
        }
        Ok(Some(Self { path: path.to_owned(), mode }))
    }

    /// Looks at the folders above a path, by its name and by where a link leads: the first in
    /// which everybody can rename what is there, and put something else in its place. A folder such
    /// as `/tmp`, in which only owners may (sticky), is none.
    pub fn of_above(path: &Path) -> Option<Self> {
        let names = [std::path::absolute(path), std::fs::canonicalize(path)];
        let names: Vec<PathBuf> = names.into_iter().flatten().collect();
        let above = names.iter().flat_map(|name| name.ancestors().skip(1));
        let open = |folder: &&Path| {
            std::fs::metadata(folder).is_ok_and(|found| mode(&found) & WRITE & OTHERS != 0 && !is_sticky(&found))
        };
        let folder = above.into_iter().find(open)?;
        let mode = mode(&std::fs::metadata(folder).ok()?);
        Some(Self { path: folder.to_owned(), mode })
    }
}

#[cfg(unix)]
fn is_sticky(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(metadata) & 0o1000 != 0
}

#[cfg(not(unix))]
fn is_sticky(_: &std::fs::Metadata) -> bool {
    false
}

#[cfg(unix)]
fn mode(metadata: &std::fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::mode(metadata) & 0o777
}

#[cfg(not(unix))]
fn mode(_: &std::fs::Metadata) -> u32 {
    0o700
}

pub(super) fn findings(setup: &Setup<'_>) -> Vec<Finding> {
    let mut all = Vec::new();
    let found = |mode: u32| format!("mode {mode:04o}");
    if let Some(Permissions { path, mode }) = &setup.data {
        let place = path.display().to_string();
        if mode & OTHERS != 0 {
            all.push(DATA_OPEN.at(place, found(*mode)));
        } else if mode & GROUP != 0 {
            all.push(DATA_OPEN_TO_GROUP.at(place, found(*mode)));
        }
    }
    for Permissions { path, mode } in &setup.deciding {
        let place = path.display().to_string();
        if mode & WRITE & OTHERS != 0 {
            all.push(RULES_OPEN.at(place, found(*mode)));
        } else if mode & WRITE & GROUP != 0 {
            all.push(RULES_OPEN_TO_GROUP.at(place, found(*mode)));
        }
    }
    all
}
