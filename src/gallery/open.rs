//! Which store and which indexes a gallery is made of: the one place that names them.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::embedded::{
    BackendFactory, EmbeddedIndex, EmbeddedOptions, EmbeddedStore, LookKeys, Looked, Sealed, SealingState,
};
use super::postgres::{PostgresOptions, PostgresStore};
use super::{
    ErasedAfter, Gallery, GalleryError, LedgerSetup, LedgerTables, RecordStore, RestoreFrom, Restored, RowBatch,
    RowsHead, SnapshotHead, SnapshotPart, VectorIndex,
};
use crate::context::RequestContext;
use crate::face::RecipeDigest;
use crate::ledger::entry::KeyedDigest;

/// Opens the gallery in the folder `dir` for templates of `recipe` with `dimension` values, and of
/// [`EmbeddedOptions::recipes_beside`]; makes it where there is none, unless the options forbid
/// that or ask for one with an id. Reads and checks everything that is stored and fills an index
/// for each recipe. A gallery with templates of a recipe that is not named is refused.
///
/// # Errors
/// [`GalleryError::NotThere`], [`GalleryError::OtherFiles`], which leave the folder as it is;
/// [`GalleryError::OtherGallery`], [`GalleryError::InUse`], [`GalleryError::NewerVersion`],
/// [`GalleryError::OtherRecipe`], [`GalleryError::Damaged`], none of which touches the database;
/// [`GalleryError::DiskFull`], [`GalleryError::Storage`]; [`GalleryError::Search`] where it holds
/// more than `options.templates_max`.
pub fn open(
    dir: &Path,
    recipe: RecipeDigest,
    dimension: usize,
    options: EmbeddedOptions,
) -> Result<Gallery, GalleryError> {
    let setup = options.ledger.clone();
    let store = Arc::new(EmbeddedStore::open(dir, recipe, dimension, options)?);
    let gallery = of(Arc::clone(&store), setup)?;
    store.keep_version()?;
    Ok(gallery)
}

/// The same on storage of one's own, for tests of what happens when storage fails.
///
/// # Errors
/// As [`open`].
#[doc(hidden)]
pub fn open_on(
    backend: BackendFactory,
    recipe: RecipeDigest,
    dimension: usize,
    options: EmbeddedOptions,
) -> Result<Gallery, GalleryError> {
    let setup = options.ledger.clone();
    of(Arc::new(EmbeddedStore::open_on(backend, recipe, dimension, options)?), setup)
}

/// A store, and the indexes that follow it: one for each of its recipes.
#[doc(hidden)]
pub type Parts = (Arc<dyn RecordStore>, Vec<Arc<dyn VectorIndex>>);

/// Store and indexes of the folder `dir`, to be put together with others.
///
/// # Errors
/// As [`open`].
#[doc(hidden)]
pub fn open_parts(
    dir: &Path,
    recipe: RecipeDigest,
    dimension: usize,
    options: EmbeddedOptions,
) -> Result<Parts, GalleryError> {
    let store = Arc::new(EmbeddedStore::open(dir, recipe, dimension, options)?);
    let indexes = indexes(&store)?;
    Ok((store, indexes))
}

/// The store in a PostgreSQL database. No configuration names it yet: what it keeps lies in the clear, where
/// the database's administrators see it.
///
/// # Errors
/// [`GalleryError::Postgres`] where the server cannot be reached, may not be used, or has the schema of a newer
/// program; else as [`open`].
#[doc(hidden)]
pub fn open_postgres(
    recipe: RecipeDigest,
    dimension: usize,
    options: PostgresOptions,
) -> Result<Arc<dyn RecordStore>, GalleryError> {
    Ok(Arc::new(PostgresStore::open(recipe, dimension, options)?))
}

fn indexes(store: &Arc<EmbeddedStore>) -> Result<Vec<Arc<dyn VectorIndex>>, GalleryError> {
    let all = EmbeddedIndex::open_all(store)?;
    Ok(all.into_iter().map(|index| Arc::new(index) as Arc<dyn VectorIndex>).collect())
}

fn of(store: Arc<EmbeddedStore>, setup: Option<LedgerSetup>) -> Result<Gallery, GalleryError> {
    let indexes = indexes(&store)?;
    let has_ledger = store.has_ledger();
    let gallery = Gallery::new(store, indexes)?;
    Ok(match setup.filter(|_| has_ledger) {
        Some(LedgerSetup { key, sign_at_once, .. }) => gallery.with_ledger(key).signing_at_once(sign_at_once),
        None => gallery,
    })
}

/// Seals the gallery in the folder `dir`, which nobody has open and which lies in the clear, with the
/// keys of the options; goes on where an earlier call was interrupted. `progress` is told how many rows
/// are done. What lay in the clear is overwritten; copies that were made of the folder before stay
/// readable.
///
/// # Errors
/// As [`open`]; [`GalleryError::SealingNeeded`] where the options have no keys. Where it fails the
/// clear gallery is as it was.
pub fn seal(dir: &Path, options: &EmbeddedOptions, progress: &mut dyn FnMut(u64)) -> Result<Sealed, GalleryError> {
    EmbeddedStore::seal(dir, options, progress)
}

/// How far the sealing of the gallery in the folder `dir` is, which nobody has open. Needs no keys.
///
/// # Errors
/// As [`open`].
pub fn sealing_state(dir: &Path) -> Result<SealingState, GalleryError> {
    EmbeddedStore::sealing_state(dir)
}

/// Whether there is a gallery in the folder `dir`.
pub fn is_at(dir: &Path) -> bool {
    EmbeddedStore::is_at(dir)
}

/// Reads the transparency log of a gallery that nobody has open, without its keys, and without
/// entering it: what is read tells of nobody, and whoever has the folder could read it anyhow.
///
/// # Errors
/// As [`open`], and what `read` ends with.
pub fn read_ledger_at(
    dir: &Path,
    options: &EmbeddedOptions,
    read: &mut dyn FnMut(&dyn LedgerTables) -> Result<(), GalleryError>,
) -> Result<(), GalleryError> {
    EmbeddedStore::read_ledger_at(dir, options, read)
}

/// Whether the gallery in the folder `dir` keeps a transparency log. Where another process has it
/// open that is not known, and told as yes: it cannot be opened here either.
///
/// # Errors
/// [`GalleryError::Damaged`], [`GalleryError::Storage`].
pub fn keeps_ledger(dir: &Path) -> Result<bool, GalleryError> {
    EmbeddedStore::keeps_ledger(dir)
}

/// Whether a program could open the gallery in the folder `dir` with these options: the checks of [`open`], without
/// an index, without writing a byte, and without keeping anybody out. A server may have it open, and then what is
/// inside is not looked at. In place of the options' `sealing`, `keys` is looked at. `recipes` are those with which it
/// would be opened; where none are given, any will do.
///
/// # Errors
/// As [`open`].
pub fn look(
    dir: &Path,
    recipes: &[(RecipeDigest, usize)],
    options: &EmbeddedOptions,
    keys: Option<&LookKeys>,
) -> Result<Looked, GalleryError> {
    EmbeddedStore::look(dir, recipes, options, keys)
}

/// Reads a gallery that nobody has open, of whatever recipe, without an index in memory. `begin`
/// is told what it is of, `visit` every part. Where the gallery keeps a transparency log and `begin`
/// goes on, that a snapshot was taken is entered first; `context` says by whom.
///
/// # Errors
/// As [`open`], and what `begin` and `visit` break off with.
pub fn read_all(
    context: &RequestContext,
    dir: &Path,
    options: &EmbeddedOptions,
    begin: &mut dyn FnMut(&SnapshotHead) -> ControlFlow<GalleryError>,
    visit: &mut dyn FnMut(SnapshotPart) -> ControlFlow<GalleryError>,
) -> Result<(), GalleryError> {
    EmbeddedStore::read_all(context, dir, options, begin, visit)
}

/// Reads the rows of a gallery that nobody has open, as they are stored. `begin` is told what they are of,
/// `visit` every batch. Where the gallery keeps a transparency log, that a copy was taken is entered
/// first; `context` says by whom.
///
/// # Errors
/// As [`open`], and what `begin` and `visit` break off with.
pub fn read_rows(
    context: &RequestContext,
    dir: &Path,
    options: &EmbeddedOptions,
    begin: &mut dyn FnMut(&RowsHead) -> ControlFlow<GalleryError>,
    visit: &mut dyn FnMut(RowBatch) -> ControlFlow<GalleryError>,
) -> Result<(), GalleryError> {
    EmbeddedStore::read_rows(context, dir, options, begin, visit)
}

/// Makes a gallery of a backup's rows in the folder `dir`, which is empty or not there; `next` gives them
/// in the order in which they were read, and `None` behind the last. The gallery keeps its id. Where it
/// keeps a transparency log, which is opened with the options' key alone, that it was restored is entered;
/// `context` says by whom.
///
/// Left out is everything about people whose keys were destroyed, and about those whom `from` names.
/// Numbers of commits, templates, decisions, captures and requests go on far behind those in the backup, so that none
/// is used again that what was lost may have used.
///
/// # Errors
/// As [`open`]; [`GalleryError::AlreadyThere`]; [`GalleryError::Damaged`] where rows do not come to what the
/// backup says; what `next` ends with. Then no gallery is in the folder.
pub fn restore(
    context: &RequestContext,
    dir: &Path,
    options: &EmbeddedOptions,
    from: &RestoreFrom,
    next: &mut dyn FnMut() -> Result<Option<RowBatch>, GalleryError>,
) -> Result<Restored, GalleryError> {
    EmbeddedStore::restore(context, dir, options, from, next)
}

/// Adds whom the log of a gallery in the clear says to have been erased, or left out by a restoring, after something;
/// by rows of its entries, others tell nothing.
///
/// # Errors
/// [`GalleryError::Damaged`].
pub fn erased_in(batch: &RowBatch, after: ErasedAfter, into: &mut BTreeSet<KeyedDigest>) -> Result<(), GalleryError> {
    EmbeddedStore::erased_in(batch, after, into)
}
