//! Opening: make the tables, read everything once, check it, fill the index.

use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::fault::StoreError;
use super::record::{Counters, GalleryRecord, seal, unseal};
use super::tables::{
    CLEARED, COUNTERS_KEY, DECISIONS, FORMAT_VERSION, GALLERY, GALLERY_KEY, REQUEST_ORDER, REQUESTS, SUBJECTS,
    Snapshot, TEMPLATES, read_counters, read_gallery,
};
use super::{EmbeddedOptions, Label};
use crate::face::RecipeDigest;
use crate::gallery::{GalleryError, SubjectId, Timestamp};
use crate::search::{Entry, Index, SearchError};

/// Templates put into the index at a time while loading.
const BATCH: usize = 4096;

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
        // Template ids begin at 1, so that 0 never means one.
        let counters = Counters { commit: 0, template_next: 1, request_next: 0 };
        gallery.insert(COUNTERS_KEY, seal("gallery", COUNTERS_KEY.as_bytes(), &counters).as_slice())?;
        transaction.open_table(SUBJECTS)?;
        transaction.open_table(TEMPLATES)?;
        transaction.open_table(REQUESTS)?;
        transaction.open_table(REQUEST_ORDER)?;
        transaction.open_table(DECISIONS)?;
        transaction.open_table(CLEARED)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Makes the tables that came later, in a folder of before.
pub(super) fn complete(database: &Database) -> Result<(), StoreError> {
    {
        let read = database.begin_read()?;
        // Nothing of a newer program's folder, or of none of ours, is touched.
        read_gallery(&read.open_table(GALLERY)?)?;
        let absent = |table| match read.open_table(table) {
            Ok(_) => Ok(false),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(true),
            Err(error) => Err(StoreError::from(error)),
        };
        if !absent(DECISIONS)? && !absent(CLEARED)? {
            return Ok(());
        }
    }
    let transaction = database.begin_write()?;
    transaction.open_table(DECISIONS)?;
    transaction.open_table(CLEARED)?;
    transaction.commit()?;
    Ok(())
}

/// What loading found.
pub(super) struct Loaded {
    pub(super) counters: Counters,
    pub(super) subjects: u64,
}

/// Reads every subject and template, checks that they fit together, and fills
/// the empty `index`.
pub(super) fn load(
    database: &Database,
    recipe: RecipeDigest,
    index: &Index<Label>,
    options: &EmbeddedOptions,
) -> Result<Loaded, StoreError> {
    let snapshot = Snapshot::new(&database.begin_read()?)?;
    let gallery = read_gallery(&snapshot.gallery)?;
    if gallery.recipe != recipe.0 {
        let stored = <[u8; 32]>::try_from(gallery.recipe.as_slice())
            .map_err(|_| StoreError::damaged("the gallery's recipe is not a digest"))?;
        return Err(GalleryError::OtherRecipe { gallery: RecipeDigest(stored), template: recipe }.into());
    }
    if gallery.dimension as usize != index.dimension() {
        let expected = gallery.dimension as usize;
        return Err(GalleryError::Search(SearchError::Dimension { expected, found: index.dimension() }).into());
    }

    let counters = read_counters(&snapshot.gallery)?;
    let total = snapshot.templates.len()?;
    let mut loaded = 0u64;
    let mut batch = Vec::with_capacity(BATCH.min(total as usize));
    for row in snapshot.subjects.iter()? {
        let (id, bytes) = row?;
        let subject: super::record::SubjectRecord = unseal("subjects", id.value().as_bytes(), bytes.value())?;
        let label: Label =
            Arc::new(SubjectId::new(id.value()).map_err(|_| StoreError::damaged("a subject's id is not one"))?);
        if subject.templates.is_empty() {
            return Err(StoreError::damaged("a subject has no templates"));
        }
        for &key in &subject.templates {
            let record = snapshot.template(key)?;
            if record.subject != label.as_str() {
                return Err(StoreError::damaged("a template belongs to another subject"));
            }
            if key >= counters.template_next {
                return Err(StoreError::damaged("a template's id was not given out yet"));
            }
            let stored = record.restore(key, recipe, index.dimension())?;
            let vector = stored.content.template.vector().to_vec();
            batch.push(Entry { key, label: Arc::clone(&label), vector });
            loaded += 1;
            if batch.len() == BATCH {
                fill(index, &mut batch)?;
                report(options, loaded, total);
            }
        }
    }
    fill(index, &mut batch)?;
    report(options, loaded, total);
    // Keys are unique in the index, so equal numbers mean equal sets.
    if loaded != total {
        return Err(StoreError::damaged("there are templates that belong to nobody"));
    }
    Ok(Loaded { counters, subjects: snapshot.subjects.len()? })
}

fn fill(index: &Index<Label>, batch: &mut Vec<Entry<Label>>) -> Result<(), StoreError> {
    index.apply(&[], std::mem::take(batch)).map_err(|error| match error {
        SearchError::Full { .. } => GalleryError::Search(error).into(),
        _ => StoreError::damaged("two subjects share a template"),
    })
}

fn report(options: &EmbeddedOptions, loaded: u64, total: u64) {
    if let Some(progress) = &options.progress {
        progress(loaded, total);
    }
}
