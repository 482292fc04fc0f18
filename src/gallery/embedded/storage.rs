//! What the database lies on: a file, or in tests anything that stores bytes.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Builder, Database, DatabaseError, ReadOnlyDatabase, StorageBackend};

use super::EmbeddedOptions;
use super::fault::StoreError;
use crate::overlay::Overlay;

/// Makes a handle to the same bytes each time it is called.
pub type BackendFactory = Arc<dyn Fn() -> io::Result<Box<dyn StorageBackend>> + Send + Sync>;

/// Where the database lies.
pub(super) enum Storage {
    File(PathBuf),
    Backend(BackendFactory),
}

impl Storage {
    /// Opens the database that is there; redb repairs it after a crash. The flag
    /// says that it was empty, which only a backend may be.
    pub(super) fn open(&self, options: &EmbeddedOptions) -> Result<(Database, bool), StoreError> {
        let checks = self.bytes().map_err(redb::StorageError::from)? <= options.checked_bytes_max;
        let mut builder = Database::builder();
        builder.set_cache_size(options.cache_bytes).set_check_integrity_on_open(checks);
        guarded(|| match self {
            Self::File(path) => Ok((builder.open(path)?, false)),
            Self::Backend(factory) => {
                let backend = factory().map_err(redb::StorageError::from)?;
                let empty = backend.len().map_err(redb::StorageError::from)? == 0;
                Ok((builder.create_with_backend(Handle(backend))?, empty))
            }
        })
    }

    /// Opens the database in a file to be read alone. `None` where another program has it open, or
    /// it has to be repaired first.
    pub(super) fn look(path: &Path) -> Result<Option<ReadOnlyDatabase>, StoreError> {
        guarded(|| match ReadOnlyDatabase::open(path) {
            Ok(database) => Ok(Some(database)),
            Err(
                DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch | DatabaseError::RepairAborted,
            ) => Ok(None),
            Err(error) => Err(error.into()),
        })
    }

    /// Whether another program has the database in a file open.
    pub(super) fn is_in_use(path: &Path) -> Result<bool, StoreError> {
        guarded(|| match ReadOnlyDatabase::open(path) {
            Ok(_) | Err(DatabaseError::RepairAborted) => Ok(false),
            Err(DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch) => Ok(true),
            Err(error) => Err(error.into()),
        })
    }

    /// The database in a file, of which no byte changes: what is written to it, repairs included, stays in memory.
    pub(super) fn unchanged(path: PathBuf) -> Self {
        Self::Backend(Arc::new(move || Ok(Box::new(Overlay::over(crate::regular::open(&path)?)?))))
    }

    /// How large it is.
    pub(super) fn bytes(&self) -> io::Result<u64> {
        match self {
            Self::File(path) => Ok(std::fs::metadata(path)?.len()),
            Self::Backend(factory) => factory()?.len(),
        }
    }

    /// Opens it anew after a failure, without trusting what the system still has
    /// in memory: after a failed flush the page cache shows data that is not on
    /// the disk, and it must not be taken for durable. What is only in the cache
    /// is dropped; redb's checksums then tell what reached the disk.
    pub(super) fn reopen(&self, options: &EmbeddedOptions) -> Result<Database, StoreError> {
        if let Self::File(path) = self {
            forget_cached(path).map_err(redb::StorageError::from)?;
        }
        Ok(self.open(options)?.0)
    }

    /// Makes a new, empty database in the file at `path`.
    pub(super) fn create(path: &Path) -> Result<Database, StoreError> {
        guarded(|| Ok(Builder::new().create(path)?))
    }
}

/// redb promises errors, not panics, for altered files, but only in release
/// builds and only where it checks; a panic here is damage too.
pub(super) fn guarded<T>(open: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(open))
        .unwrap_or_else(|_| Err(StoreError::damaged("the database's own structure is broken")))
}

#[cfg(target_os = "linux")]
fn forget_cached(path: &Path) -> io::Result<()> {
    let file = crate::regular::open(path)?;
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn forget_cached(_path: &Path) -> io::Result<()> {
    Ok(())
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(Overlay::len(self))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Overlay::set_len(self, len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_all_at(data, offset)
    }
}

/// A boxed backend, which redb does not take as it is.
struct Handle(Box<dyn StorageBackend>);

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
}
