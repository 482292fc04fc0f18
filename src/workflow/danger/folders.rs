//! Who may read people's data, and who may write what decides: permissions of files and folders.

use std::io;
use std::path::{Path, PathBuf};

use super::{DATA_OPEN, DATA_OPEN_TO_GROUP, Finding, Setup};
use super::{RULES_OPEN, RULES_OPEN_TO_GROUP, RULES_OWNED_BY_OTHER};

/// Most files of a folder looked at: of those beyond, the folder's own permissions tell enough.
const FILES_MAX: usize = 10_000;
const GROUP: u32 = 0o070;
const OTHERS: u32 = 0o007;
const WRITE: u32 = 0o022;
/// May change everything whoever owns it.
const ROOT: u32 = 0;

/// What others than the owner may do with a path and with what lies in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// The path as it is configured.
    pub path: PathBuf,
    /// Its own mode, and that of its files, taken together: what anybody may do with any of it.
    pub mode: u32,
    /// User ids of its owner and of the owners of its files, each once, the lowest first.
    pub owners: Vec<u32>,
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
        let mut owners = Vec::from_iter(owner(&metadata));
        // A folder that only its owner may enter keeps all that is in it.
        if metadata.is_dir() && mode & (GROUP | OTHERS) != 0 {
            for entry in std::fs::read_dir(path)?.take(FILES_MAX) {
                match std::fs::metadata(entry?.path()) {
                    Ok(file) if file.is_file() => {
                        mode |= self::mode(&file);
                        owners.extend(owner(&file).filter(|owner| !owners.contains(owner)));
                    }
                    // What has gone since, and what is no file, is nobody's to read.
                    _ => {}
                }
            }
        }
        owners.sort_unstable();
        Ok(Some(Self { path: path.to_owned(), mode, owners }))
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
        Some(Self { path: folder.to_owned(), mode, owners: Vec::new() })
    }
}

/// User id that this process acts as, where the system says.
pub fn user() -> Option<u32> {
    #[cfg(target_os = "linux")]
    {
        Some(rustix::process::geteuid().as_raw())
    }
    #[cfg(not(target_os = "linux"))]
    {
        None
    }
}

#[cfg(unix)]
fn owner(metadata: &std::fs::Metadata) -> Option<u32> {
    Some(std::os::unix::fs::MetadataExt::uid(metadata))
}

#[cfg(not(unix))]
fn owner(_: &std::fs::Metadata) -> Option<u32> {
    None
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
    if let Some(Permissions { path, mode, .. }) = &setup.data {
        let place = path.display().to_string();
        if mode & OTHERS != 0 {
            all.push(DATA_OPEN.at(place, found(*mode)));
        } else if mode & GROUP != 0 {
            all.push(DATA_OPEN_TO_GROUP.at(place, found(*mode)));
        }
    }
    for Permissions { path, mode, owners } in &setup.deciding {
        let place = path.display().to_string();
        if mode & WRITE & OTHERS != 0 {
            all.push(RULES_OPEN.at(&place, found(*mode)));
        } else if mode & WRITE & GROUP != 0 {
            all.push(RULES_OPEN_TO_GROUP.at(&place, found(*mode)));
        }
        if let Some(other) = other_owner(owners, setup.user) {
            all.push(RULES_OWNED_BY_OTHER.at(place, format!("owned by user {other}")));
        }
    }
    all
}

/// The first owner who is neither root nor `user`; `None` where there is none, or where `user` is
/// not known.
fn other_owner(owners: &[u32], user: Option<u32>) -> Option<u32> {
    let user = user?;
    owners.iter().copied().find(|&owner| owner != ROOT && owner != user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_belongs_to_root_or_to_the_servers_own_user() {
        assert_eq!(other_owner(&[0, 1000], Some(1000)), None);
        assert_eq!(other_owner(&[0], Some(1000)), None);
        assert_eq!(other_owner(&[0, 1000, 1001], Some(1000)), Some(1001));
        assert_eq!(other_owner(&[1000], Some(0)), Some(1000), "root's server, and a user who can change its rules");
        assert_eq!(other_owner(&[1000], None), None);
    }

    #[test]
    fn the_owners_of_a_folder_are_its_own_and_its_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rules"), "").unwrap();
        // Only a folder that others may enter is looked into.
        #[cfg(unix)]
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let found = Permissions::of(folder.path()).unwrap().unwrap();
        assert_eq!(found.owners, Vec::from_iter(user()));
    }
}
