//! Whether the gallery in a folder could be opened: the checks of its opening, one after the other, and no byte of
//! the folder or the key store is changed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable};

use super::fault::StoreError;
use super::folder::Folder;
use super::protection::{self, Protection};
use super::read::Recipes;
use super::storage::{Storage, guarded};
use super::store::EmbeddedStore;
use super::tables::{GALLERY, Snapshot, Tables, read_gallery, read_id};
use super::{EmbeddedOptions, create, given_up, ledger};
use crate::gallery::GalleryError;
use crate::sealing::{CopyFound, KeyStoreError, KeyStoreHead, KeyStoreOptions};

/// The key store of a gallery that is looked at.
#[derive(Debug, Clone)]
pub enum LookKeys {
    /// With the master key.
    Open(KeyStoreOptions),
    /// Without: a command or a credential gives it to the server alone.
    Closed {
        /// Where it is.
        path: PathBuf,
        /// Its copy.
        copy: Option<PathBuf>,
    },
}

impl LookKeys {
    fn path(&self) -> &Path {
        match self {
            Self::Open(options) => &options.path,
            Self::Closed { path, .. } => path,
        }
    }

    fn head(&self) -> Result<Option<KeyStoreHead>, StoreError> {
        let copy = match self {
            Self::Open(options) => options.copy.as_deref(),
            Self::Closed { copy, .. } => copy.as_deref(),
        };
        Ok(KeyStoreHead::look(self.path(), copy)?)
    }
}

/// How much of a gallery was looked at; nothing was found that it would be refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// There is none, and one would be made.
    NotMade,
    /// Another program has it open: the folder alone, and the heads of its key store.
    InUse,
    /// All that is looked at when it is opened, but for what is in a sealed one, as the keys are not at hand.
    Closed,
    /// All that is looked at when it is opened.
    Whole(KeysLooked),
}

/// How the key store of a gallery was found that would be opened; of one in the clear the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeysLooked {
    /// Keys that the gallery has given up and that are there all the same: an erasure or a removal was interrupted, or
    /// the key store is from before it. Whoever opens the gallery destroys them first.
    pub to_destroy: u64,
    /// Its copy.
    pub copy: CopyFound,
}

impl Default for KeysLooked {
    fn default() -> Self {
        Self { to_destroy: 0, copy: CopyFound::None }
    }
}

impl EmbeddedStore {
    /// Whether a program could open the gallery in the folder `dir` with these options, without opening it,
    /// writing, or keeping anybody out. The options' `sealing` is not looked at: `keys` is. `recipes` are those
    /// with which it would be opened; where there are none, the keys alone are looked at, and any recipe and any log
    /// will do.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open`].
    pub(in crate::gallery) fn look(
        dir: &Path,
        recipes: &Recipes,
        options: &EmbeddedOptions,
        keys: Option<&LookKeys>,
    ) -> Result<Looked, GalleryError> {
        let at = |error: StoreError| error.at(dir);
        let open = match keys {
            Some(LookKeys::Open(keys)) => Some(KeyStoreOptions { read_only: true, ..keys.clone() }),
            _ => None,
        };
        let Some(path) = Folder::look(dir, options.create && options.id.is_none())? else {
            Protection::create(open.as_ref(), None).map_err(at)?;
            return Ok(Looked::NotMade);
        };
        if Storage::is_in_use(&path).map_err(at)? {
            keys.map(LookKeys::head).transpose().map_err(at)?;
            return Ok(Looked::InUse);
        }
        let options = EmbeddedOptions { sealing: open, ..options.clone() };
        let storage = Storage::unchanged(path);
        let looked = storage.open(&options).and_then(|(database, _)| {
            guarded(|| match keys {
                Some(keys @ LookKeys::Closed { .. }) => look_closed(&database, dir, recipes, &options, keys),
                _ => look_whole(&database, dir, recipes, &options, &storage),
            })
        });
        looked.map_err(at)
    }
}

fn look_whole(
    database: &Database,
    dir: &Path,
    recipes: &Recipes,
    options: &EmbeddedOptions,
    storage: &Storage,
) -> Result<Looked, StoreError> {
    let protection = Arc::new(create::protection(database, options, dir)?);
    create::complete(database)?;
    let id = create::checked_id(database, options, dir)?;
    if !recipes.is_empty() {
        create::check_recipes(&Snapshot::new(database.begin_read()?, Arc::clone(&protection)), recipes)?;
    }
    let mut looked = KeysLooked::default();
    if let Some(keys) = protection.keys() {
        let snapshot = Snapshot::new(database.begin_read()?, Arc::clone(&protection));
        if storage.bytes().map_err(redb::StorageError::from)? <= options.checked_bytes_max {
            snapshot.check_rows()?;
        }
        let to_destroy = given_up::catch_up(&snapshot)?.keys() as u64;
        looked = KeysLooked { to_destroy, copy: keys.copy_found() };
        check_keys_of_subjects(&snapshot)?;
    } else {
        // One that lies in the clear is sealed beside the work, where that is configured.
        Protection::create(options.sealing.as_ref(), Some((dir, Some(id))))?;
    }
    if !recipes.is_empty() {
        ledger::begin_or_check(database, options.ledger.as_ref(), &protection)?;
    }
    Ok(Looked::Whole(looked))
}

/// Whether the key of everybody who is enrolled can be opened: in a folder from before an erasure one is not there.
fn check_keys_of_subjects(snapshot: &Snapshot) -> Result<(), StoreError> {
    let protection = snapshot.protection();
    let Some(keys) = protection.keys() else { return Ok(()) };
    for row in snapshot.subjects()?.iter()? {
        let (_, bytes) = row?;
        let Some(number) = protection.subject_key_in(bytes.value())? else { continue };
        if keys.key(number)?.is_none() {
            return Err(protection::destroyed("subjects"));
        }
    }
    Ok(())
}

fn look_closed(
    database: &Database,
    dir: &Path,
    recipes: &Recipes,
    options: &EmbeddedOptions,
    keys: &LookKeys,
) -> Result<Looked, StoreError> {
    let read = database.begin_read()?;
    let table = read.open_table(GALLERY)?;
    let Some(sealing) = read_gallery(&table)?.sealing else {
        if !options.seal_while_serving {
            return Err(GalleryError::NotSealed(dir.to_owned()).into());
        }
        keys.head()?;
        return look_clear(database, dir, recipes, options).map(|()| Looked::Closed);
    };
    let path = keys.path().to_owned();
    let head = keys.head()?.ok_or_else(|| KeyStoreError::NotThere(path.clone()))?;
    if head.id.as_slice() != sealing.key_store {
        return Err(GalleryError::OtherKeyStore(path).into());
    }
    if protection::is_older(&head, &sealing) {
        return Err(GalleryError::OlderKeyStore(path).into());
    }
    // An older gallery gets its id when it is opened.
    if let (Some(wanted), Some(found)) = (options.id, read_id(&table)?)
        && wanted != found
    {
        return Err(GalleryError::OtherGallery { path: dir.to_owned(), found, wanted }.into());
    }
    if !recipes.is_empty() {
        let unopened = Arc::new(Protection::Checksummed);
        create::check_recipes(&Snapshot::new(database.begin_read()?, unopened), recipes)?;
    }
    Ok(Looked::Closed)
}

/// A gallery in the clear, which is to be sealed beside the work with keys that are not at hand.
fn look_clear(database: &Database, dir: &Path, recipes: &Recipes, options: &EmbeddedOptions) -> Result<(), StoreError> {
    let protection = Arc::new(Protection::Checksummed);
    create::complete(database)?;
    create::checked_id(database, options, dir)?;
    if !recipes.is_empty() {
        create::check_recipes(&Snapshot::new(database.begin_read()?, Arc::clone(&protection)), recipes)?;
    }
    if !recipes.is_empty() {
        ledger::begin_or_check(database, options.ledger.as_ref(), &protection)?;
    }
    Ok(())
}
