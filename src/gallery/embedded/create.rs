//! Makes the tables of a gallery, and brings those of an earlier program up to date.

use std::path::Path;

use redb::{Database, ReadableDatabase};

use super::EmbeddedOptions;
use super::fault::StoreError;
use super::record::{Counters, GalleryRecord, IdRecord, seal};
use super::tables::{
    CHANGES, CLEARED, COUNTERS_KEY, DECISIONS, FORMAT_VERSION, GALLERY, GALLERY_KEY, ID_KEY, REQUEST_ORDER, REQUESTS,
    SUBJECTS, Snapshot, TEMPLATES, read_gallery, read_id,
};
use crate::face::RecipeDigest;
use crate::gallery::{GalleryError, GalleryId, Timestamp};
use crate::search::SearchError;

/// Makes every table of a new gallery, in one transaction.
pub(super) fn initialise(database: &Database, recipe: RecipeDigest, dimension: usize) -> Result<(), StoreError> {
    let dimension = u32::try_from(dimension)
        .map_err(|_| GalleryError::Search(SearchError::Dimension { expected: u32::MAX as usize, found: dimension }))?;
    let transaction = database.begin_write()?;
    {
        let mut gallery = transaction.open_table(GALLERY)?;
        let record = GalleryRecord {
            version: FORMAT_VERSION,
            recipe: recipe.0.to_vec(),
            dimension,
            created_at: Timestamp::now().0,
        };
        gallery.insert(GALLERY_KEY, seal("gallery", GALLERY_KEY.as_bytes(), &record).as_slice())?;
        put_id(&mut gallery)?;
        // Template ids begin at 1, so that 0 never means one.
        let counters = Counters { template_next: 1, ..Counters::default() };
        gallery.insert(COUNTERS_KEY, seal("gallery", COUNTERS_KEY.as_bytes(), &counters).as_slice())?;
        transaction.open_table(SUBJECTS)?;
        transaction.open_table(TEMPLATES)?;
        transaction.open_table(REQUESTS)?;
        transaction.open_table(REQUEST_ORDER)?;
        transaction.open_table(DECISIONS)?;
        transaction.open_table(CLEARED)?;
        transaction.open_table(CHANGES)?;
    }
    transaction.commit()?;
    Ok(())
}

fn put_id(gallery: &mut redb::Table<'_, &'static str, &'static [u8]>) -> Result<(), StoreError> {
    let id = GalleryId::random().map_err(|error| GalleryError::Storage(error.to_string()))?;
    let record = IdRecord { id: id.bytes().to_vec() };
    gallery.insert(ID_KEY, seal("gallery", ID_KEY.as_bytes(), &record).as_slice())?;
    Ok(())
}

/// Makes the tables, and the id, that came later, in a folder of before.
pub(super) fn complete(database: &Database) -> Result<(), StoreError> {
    {
        let read = database.begin_read()?;
        // Nothing of a newer program's folder, or of none of ours, is touched.
        read_gallery(&read.open_table(GALLERY)?)?;
        let is_there = |found: Result<(), redb::TableError>| match found {
            Ok(()) => Ok(true),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(false),
            Err(error) => Err(StoreError::from(error)),
        };
        if is_there(read.open_table(DECISIONS).map(drop))?
            && is_there(read.open_table(CLEARED).map(drop))?
            && is_there(read.open_table(CHANGES).map(drop))?
            && read_id(&read.open_table(GALLERY)?)?.is_some()
        {
            return Ok(());
        }
    }
    let transaction = database.begin_write()?;
    transaction.open_table(DECISIONS)?;
    transaction.open_table(CLEARED)?;
    transaction.open_table(CHANGES)?;
    {
        let mut gallery = transaction.open_table(GALLERY)?;
        if read_id(&gallery)?.is_none() {
            put_id(&mut gallery)?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// What the gallery is known by, once it is complete: the id that is asked for, if one is.
pub(super) fn checked_id(database: &Database, options: &EmbeddedOptions, path: &Path) -> Result<GalleryId, StoreError> {
    let read = database.begin_read()?;
    let found =
        read_id(&read.open_table(GALLERY)?)?.ok_or_else(|| StoreError::damaged("the gallery's id is missing"))?;
    match options.id {
        Some(wanted) if wanted != found => {
            Err(GalleryError::OtherGallery { path: path.to_owned(), found, wanted }.into())
        }
        _ => Ok(found),
    }
}

/// Refuses a gallery of another recipe, or with templates of another dimension.
pub(super) fn check_recipe(snapshot: &Snapshot, recipe: RecipeDigest, dimension: usize) -> Result<(), StoreError> {
    let gallery = read_gallery(snapshot.gallery()?)?;
    if gallery.recipe != recipe.0 {
        let stored = <[u8; 32]>::try_from(gallery.recipe.as_slice())
            .map_err(|_| StoreError::damaged("the gallery's recipe is not a digest"))?;
        return Err(GalleryError::OtherRecipe { gallery: RecipeDigest(stored), template: recipe }.into());
    }
    if gallery.dimension as usize != dimension {
        let expected = gallery.dimension as usize;
        return Err(GalleryError::Search(SearchError::Dimension { expected, found: dimension }).into());
    }
    Ok(())
}
