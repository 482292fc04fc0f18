//! The data folder: who may use it, what version it is of.
//!
//! `LOCK` is locked as long as a gallery is open, `VERSION` holds the version of
//! the layout as a decimal number, `chinhchu.redb` the database. A new database
//! is made under another name and renamed when it is complete, and `VERSION` is
//! written last: a folder with a `VERSION` and no database has lost it, and is
//! never quietly begun anew. One that is restored has a name of its own until then,
//! so that no empty gallery is made where a restoring was interrupted.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::fault::from_io;
use super::tables::FORMAT_VERSION;
use crate::gallery::GalleryError;
use crate::private::{open_own, owner_only};
use crate::regular;

pub(in crate::gallery) const DATABASE: &str = "chinhchu.redb";
const DATABASE_NEW: &str = "chinhchu.redb.new";
const DATABASE_RESTORING: &str = "chinhchu.redb.restoring";
const LOCK: &str = "LOCK";
const VERSION: &str = "VERSION";
/// Far more than a number takes.
const VERSION_BYTES_MAX: u64 = 1 << 10;
const VERSION_NEW: &str = "VERSION.new";

/// Whether this user may make and read files in a folder.
#[cfg(unix)]
fn may_work_in(folder: &Path) -> io::Result<()> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    Ok(accessat(CWD, folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
}

#[cfg(not(unix))]
fn may_work_in(_: &Path) -> io::Result<()> {
    Ok(())
}

/// A data folder that is ours as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Locked; the lock goes with the file handle.
    _lock: File,
}

impl Folder {
    /// Takes the folder. Where it holds no gallery, one may be made there: in a folder
    /// that is not there yet, or that is empty; its mode is 0700 then.
    pub(super) fn claim(path: &Path, create: bool) -> Result<Self, GalleryError> {
        Self::check_not_restoring(path)?;
        Self::take(path, create)
    }

    /// Takes a folder for a gallery that is restored into it: one that is not there yet, is empty, or has what an
    /// interrupted restoring left.
    pub(super) fn claim_for_restoring(path: &Path) -> Result<Self, GalleryError> {
        let check = || match Self::begun(path).map_err(|error| from_io(&error, path))? {
            true => Err(GalleryError::AlreadyThere(path.to_owned())),
            false => Ok(()),
        };
        check()?;
        let folder = Self::take(path, true)?;
        // Another restoring may have ended in between.
        check()?;
        Ok(folder)
    }

    /// Refuses a folder in which a restoring was interrupted.
    pub(super) fn check_not_restoring(path: &Path) -> Result<(), GalleryError> {
        let left = || Ok(!Self::begun(path)? && path.join(DATABASE_RESTORING).try_exists()?);
        match left().map_err(|error: io::Error| from_io(&error, path))? {
            true => Err(GalleryError::RestoringInterrupted(path.to_owned())),
            false => Ok(()),
        }
    }

    fn take(path: &Path, create: bool) -> Result<Self, GalleryError> {
        let failed = |error: io::Error| from_io(&error, path);
        let begun = Self::begun(path).map_err(failed)?;
        if !begun {
            if !create {
                return Err(GalleryError::NotThere(path.to_owned()));
            }
            if !is_ours_alone(path).map_err(failed)? {
                return Err(GalleryError::OtherFiles(path.to_owned()));
            }
        }
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path).map_err(failed)?;
        // An empty folder that was there becomes as private as one that is made.
        #[cfg(unix)]
        if !begun {
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            fs::set_permissions(path, private).map_err(failed)?;
        }
        let lock = owner_only(OpenOptions::new().write(true).create(true).truncate(false))
            .open(path.join(LOCK))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(GalleryError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Whether a gallery is in the folder, or was. Where the power went while it was made,
    /// there is none.
    pub(super) fn begun(path: &Path) -> io::Result<bool> {
        Ok(path.join(DATABASE).try_exists()? || path.join(VERSION).try_exists()?)
    }

    /// Whether the folder can be taken as [`Folder::claim`] would, short of what another
    /// program has taken: changes nothing, and takes nothing. Gives the database that is there.
    pub(super) fn look(path: &Path, create: bool) -> Result<Option<PathBuf>, GalleryError> {
        let failed = |error: io::Error| from_io(&error, path);
        Self::check_not_restoring(path)?;
        if !Self::begun(path).map_err(failed)? {
            if !create {
                return Err(GalleryError::NotThere(path.to_owned()));
            }
            if !is_ours_alone(path).map_err(failed)? {
                return Err(GalleryError::OtherFiles(path.to_owned()));
            }
            let there = path.ancestors().find(|above| above.is_dir() || above.as_os_str().is_empty());
            let there = there.filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
            may_work_in(there).map_err(failed)?;
            return Ok(None);
        }
        may_work_in(path).map_err(failed)?;
        for file in [LOCK, DATABASE] {
            match fs::metadata(path.join(file)) {
                Ok(_) => {
                    regular::open(&path.join(file)).map_err(failed)?;
                    OpenOptions::new().write(true).open(path.join(file)).map_err(failed)?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok((!Self::is_new_at(path)?).then(|| path.join(DATABASE)))
    }

    /// Whether a database is in a folder; takes nothing.
    pub(super) fn holds_database(path: &Path) -> bool {
        path.join(DATABASE).is_file()
    }

    /// Where the database is.
    pub(super) fn database(&self) -> PathBuf {
        Self::database_of(&self.path)
    }

    /// Where it is in a folder that is not taken.
    pub(super) fn database_of(path: &Path) -> PathBuf {
        path.join(DATABASE)
    }

    /// True where the folder holds no gallery yet; an error where it is of a
    /// newer version or has lost its database.
    pub(super) fn is_new(&self) -> Result<bool, GalleryError> {
        Self::is_new_at(&self.path)
    }

    /// The same of a folder that is not taken.
    fn is_new_at(path: &Path) -> Result<bool, GalleryError> {
        let damaged = |detail: &str| GalleryError::Damaged { path: path.to_owned(), detail: detail.into() };
        let database = path.join(DATABASE).try_exists().map_err(|error| from_io(&error, path))?;
        match regular::read(&path.join(VERSION), VERSION_BYTES_MAX) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).unwrap_or_default();
                let found: u32 = text.trim().parse().map_err(|_| damaged("VERSION does not hold a number"))?;
                if found > FORMAT_VERSION {
                    return Err(GalleryError::NewerVersion { path: path.to_owned(), found, known: FORMAT_VERSION });
                }
                if found == 0 {
                    return Err(damaged("VERSION is not one that was ever used"));
                }
                if database { Ok(false) } else { Err(damaged("the database is missing")) }
            }
            // The power went between the two; the database has its version inside.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(!database),
            Err(error) => Err(from_io(&error, path)),
        }
    }

    /// An empty file for a new database, readable by its owner alone.
    pub(super) fn new_database(&self) -> Result<PathBuf, GalleryError> {
        self.empty(DATABASE_NEW)
    }

    /// The same for a database that is restored.
    pub(super) fn new_restored_database(&self) -> Result<PathBuf, GalleryError> {
        self.empty(DATABASE_RESTORING)
    }

    fn empty(&self, name: &str) -> Result<PathBuf, GalleryError> {
        let path = self.path.join(name);
        let mut options = OpenOptions::new();
        open_own(owner_only(options.write(true).create(true).truncate(false)), &path)
            .and_then(|file| file.set_len(0))
            .map_err(|error| from_io(&error, &self.path))?;
        Ok(path)
    }

    /// Gives a complete new database its name.
    pub(super) fn keep_database(&self, new: &Path) -> Result<(), GalleryError> {
        let keep = || {
            File::open(new)?.sync_all()?;
            fs::rename(new, self.database())?;
            self.sync()
        };
        keep().map_err(|error| from_io(&error, &self.path))
    }

    /// Writes `VERSION` where it is not there.
    pub(super) fn keep_version(&self) -> Result<(), GalleryError> {
        let keep = || {
            if self.path.join(VERSION).try_exists()? {
                return Ok(());
            }
            let new = self.path.join(VERSION_NEW);
            let mut file = owner_only(OpenOptions::new().write(true).create(true).truncate(true)).open(&new)?;
            writeln!(file, "{FORMAT_VERSION}")?;
            file.sync_all()?;
            fs::rename(new, self.path.join(VERSION))?;
            self.sync()
        };
        keep().map_err(|error| from_io(&error, &self.path))
    }

    /// Makes renames in the folder durable.
    fn sync(&self) -> io::Result<()> {
        #[cfg(unix)]
        File::open(&self.path)?.sync_all()?;
        Ok(())
    }
}

/// Whether nothing is in the folder but what a gallery or its server puts there, and what a
/// file system begins with.
fn is_ours_alone(path: &Path) -> io::Result<bool> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let name = entry?.file_name();
        let ours = name.to_str().is_some_and(|name| {
            ["lost+found", LOCK].contains(&name)
                || ["chinhchu.", "VERSION.", "log.key", "captures.key", "snapshots.sock"]
                    .iter()
                    .any(|ours| name.starts_with(ours))
        });
        if !ours {
            return Ok(false);
        }
    }
    Ok(true)
}
