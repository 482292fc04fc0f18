//! Opening: the index is filled from the index file where a large gallery has one, else from
//! everything that is stored, each record checked.

use std::collections::BTreeSet;
use std::sync::Arc;

use redb::{ReadableTable, ReadableTableMetadata};

use super::file::{FilePath, IndexFile};
use super::file_writer::Kept;
use super::label::{Label, Labels, SearchedBy};
use crate::face::RecipeDigest;
use crate::gallery::GalleryError;
use crate::gallery::embedded::EmbeddedOptions;
use crate::gallery::embedded::database::OpenDatabase;
use crate::gallery::embedded::fault::StoreError;
use crate::gallery::embedded::read::{Recipes, relabelled, subject_in};
use crate::gallery::embedded::record::{Counters, IndexHeadRecord, SubjectRecord};
use crate::gallery::embedded::tables::{Snapshot, Tables, read_changes, read_marks, read_subject};
use crate::search::{Entry, FileError, Index, IndexOptions, SearchError};

/// Templates put into the index at a time while loading.
const BATCH: usize = 4096;

/// What loading found and made.
pub(super) struct Loaded {
    pub(super) counters: Counters,
    pub(super) index: Index<Label>,
    pub(super) labels: Labels,
    /// The index file, where it was used.
    pub(super) file: Option<Kept>,
    /// Changes that were made since that.
    pub(super) replayed: u64,
}

/// What the index of a gallery is made with.
pub(super) struct LoadInput<'a> {
    pub(super) database: &'a Arc<OpenDatabase>,
    pub(super) recipe: RecipeDigest,
    pub(super) dimension: usize,
    /// Those that stored templates may be of.
    pub(super) recipes: &'a Recipes,
    pub(super) memory_bytes_max: u64,
    /// Where an index file may be, and the database is too large to be read whole.
    pub(super) place: Option<&'a FilePath>,
    pub(super) options: &'a EmbeddedOptions,
}

/// Makes the index, its labels and all.
pub(super) fn load(input: &LoadInput<'_>) -> Result<Loaded, StoreError> {
    input.database.read(|snapshot| {
        let counters = snapshot.counters()?;
        let known = input.place.map(|place| read_marks(snapshot.gallery()?, place.name())).transpose()?;
        if let Some(place) = input.place {
            match from_file(snapshot, input, place, &counters) {
                Ok(Some(loaded)) => {
                    let is_another = |key: &u64| loaded.file.as_ref().is_none_or(|file| file.key != Some(*key));
                    place.destroy(&known.unwrap_or_default().keys.into_iter().filter(is_another).collect::<Vec<_>>());
                    return Ok(loaded);
                }
                Ok(None) => {}
                Err(Unusable::Because(reason)) => {
                    tracing::warn!(reason, "the index file cannot be used; the index is made from the database");
                }
                Err(Unusable::Failed(error)) => return Err(error),
            }
            place.take_away();
            place.destroy(&known.unwrap_or_default().keys);
        }
        from_records(snapshot, input, counters)
    })
}

impl LoadInput<'_> {
    fn empty_index(&self) -> Index<Label> {
        let options = IndexOptions {
            vectors_max: self.options.templates_max,
            bytes_max: self.memory_bytes_max,
            originals: Some(Arc::clone(self.database) as _),
        };
        Index::with_options(self.dimension, options)
    }

    fn report(&self, loaded: u64, total: u64) {
        if let Some(progress) = &self.options.progress {
            progress(loaded, total);
        }
    }

    /// Whose a stored template is, and its vector where it is of the index's recipe.
    fn vector(&self, snapshot: &Snapshot, key: u64) -> Result<(String, Option<Vec<f32>>), StoreError> {
        let record = snapshot.template(key)?;
        let subject = record.subject.clone();
        let template = record.restore(key, self.recipes)?.content.template;
        let vector = (template.recipe() == self.recipe).then(|| template.vector().to_vec());
        Ok((subject, vector))
    }
}

/// Reads every subject and template, and checks that they fit together.
fn from_records(snapshot: &Snapshot, input: &LoadInput<'_>, counters: Counters) -> Result<Loaded, StoreError> {
    let (index, labels) = (input.empty_index(), Labels::default());
    let total = snapshot.templates()?.len()?;
    let mut loaded = 0u64;
    let mut batch = Vec::with_capacity(BATCH.min(total as usize));
    for row in snapshot.subjects()?.iter()? {
        let (id, bytes) = row?;
        let (id, subject) = subject_in(snapshot, id.value(), bytes.value())?;
        let label = label_of(&labels, id.as_str(), &subject)?;
        if subject.templates.is_empty() {
            return Err(StoreError::damaged("a subject has no templates"));
        }
        for &key in &subject.templates {
            let (owner, vector) = input.vector(snapshot, key)?;
            if owner != id.as_str() {
                return Err(StoreError::damaged("a template belongs to another subject"));
            }
            if key >= counters.template_next {
                return Err(StoreError::damaged("a template's id was not given out yet"));
            }
            batch.extend(vector.map(|vector| Entry { key, label, vector }));
            loaded += 1;
            if batch.len() == BATCH {
                fill(&index, &labels, &mut batch)?;
                input.report(loaded, total);
            }
        }
    }
    fill(&index, &labels, &mut batch)?;
    input.report(loaded, total);
    // Keys are unique in the index, so equal numbers mean equal sets.
    if loaded != total {
        return Err(StoreError::damaged("there are templates that belong to nobody"));
    }
    let replayed = index.len();
    Ok(Loaded { counters, index, labels, file: None, replayed })
}

fn label_of(labels: &Labels, id: &str, subject: &SubjectRecord) -> Result<Label, StoreError> {
    let label = labels.label(id, &SearchedBy::of(&subject.attributes(), subject.is_restricted()?));
    label.ok_or_else(|| GalleryError::Search(SearchError::Full { max: u64::from(u32::MAX) }).into())
}

fn fill(index: &Index<Label>, labels: &Labels, batch: &mut Vec<Entry<Label>>) -> Result<(), StoreError> {
    let came: Vec<Label> = batch.iter().map(|entry| entry.label).collect();
    index.apply(&[], std::mem::take(batch)).map_err(|error| match error {
        SearchError::Full { .. } | SearchError::Memory { .. } => GalleryError::Search(error).into(),
        _ => StoreError::damaged("two subjects share a template"),
    })?;
    labels.count(came.into_iter(), std::iter::empty());
    Ok(())
}

/// Why an index file gave no index.
enum Unusable {
    /// The database will do.
    Because(&'static str),
    /// Nor would the database.
    Failed(StoreError),
}

impl From<StoreError> for Unusable {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<redb::StorageError> for Unusable {
    fn from(error: redb::StorageError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<FileError> for Unusable {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Search(error @ (SearchError::Full { .. } | SearchError::Memory { .. })) => {
                Self::Failed(GalleryError::Search(error).into())
            }
            FileError::Io(_) => Self::Because("it cannot be read"),
            FileError::OtherVersion { .. } => Self::Because("another version wrote it"),
            FileError::Damaged(what) => Self::Because(what),
            FileError::Search(_) => Self::Because("it does not fit the index"),
        }
    }
}

/// The index of a file, brought up to the present. `None` where there is no file.
fn from_file(
    snapshot: &Snapshot,
    input: &LoadInput<'_>,
    place: &FilePath,
    counters: &Counters,
) -> Result<Option<Loaded>, Unusable> {
    let Some((head, file)) = place.open()? else { return Ok(None) };
    let key = file.key;
    if head.recipe != input.recipe.0 || !read_marks(snapshot.gallery()?, place.name())?.marks.contains(&head.mark) {
        return Err(Unusable::Because("it belongs to another gallery, or to another past of this one"));
    }
    let is_logged = counters.changes_to == counters.commit && counters.changes_from <= head.commit;
    if head.commit > counters.commit || !(is_logged || head.commit == counters.commit) {
        return Err(Unusable::Because("what happened since it was written is not known"));
    }
    let total = snapshot.templates()?.len()?;
    let index = input.empty_index();
    let (labels, loose_ends) = file_contents(file, &index, &head, |loaded| input.report(loaded.min(total), total))?;
    let replayed = replay(snapshot, input, &head, &index, &labels, loose_ends)?;
    // Of several indexes together, whoever opens them looks.
    if input.recipes.len() == 1 && index.len() != total {
        return Err(Unusable::Because("it holds other templates than the database"));
    }
    input.report(total, total);
    tracing::info!(templates = index.len(), replayed, "the index was read from its file");
    let file = Some(Kept { mark: head.mark, commit: head.commit, key });
    Ok(Some(Loaded { counters: counters.clone(), index, labels, file, replayed }))
}

fn file_contents(
    file: IndexFile,
    index: &Index<Label>,
    head: &IndexHeadRecord,
    progress: impl FnMut(u64),
) -> Result<(Labels, Vec<(u64, Label)>), FileError> {
    file.read(index, head.subjects, progress)
}

/// Does to the index what commits did since the file was written. How many changes
/// that were.
fn replay(
    snapshot: &Snapshot,
    input: &LoadInput<'_>,
    head: &IndexHeadRecord,
    index: &Index<Label>,
    labels: &Labels,
    loose_ends: Vec<(u64, Label)>,
) -> Result<u64, Unusable> {
    let changes = read_changes(snapshot, head.commit)?;
    let removed: Vec<u64> = changes.iter().flat_map(|change| &change.removed).copied().collect();
    let gone: Vec<Label> = removed.iter().filter_map(|&key| index.label(key)).collect();
    let made = |_| Unusable::Because("it holds templates that the database does not");
    index.follow(&removed, Vec::new(), Vec::new()).map_err(made)?;
    labels.count(std::iter::empty(), gone.into_iter());

    // Of before, and not removed since.
    let removed: std::collections::HashSet<u64> = removed.into_iter().collect();
    let mut batch = Vec::new();
    for (key, label) in loose_ends.into_iter().filter(|(key, _)| !removed.contains(key)) {
        let (_, vector) = input.vector(snapshot, key)?;
        let vector = vector.ok_or(Unusable::Because("it holds a template of another recipe"))?;
        batch.push(Entry { key, label, vector });
        if batch.len() == BATCH {
            fill(index, labels, &mut batch)?;
        }
    }
    let mut count = removed.len() as u64;
    for row in snapshot.templates()?.range(head.template_next..)? {
        let key = row?.0.value();
        let (owner, vector) = input.vector(snapshot, key)?;
        let Some(vector) = vector else { continue };
        let subject = read_subject(snapshot, &owner)?;
        let subject = subject.ok_or_else(|| StoreError::damaged("a template belongs to nobody"))?;
        batch.push(Entry { key, label: label_of(labels, &owner, &subject)?, vector });
        count += 1;
        if batch.len() == BATCH {
            fill(index, labels, &mut batch)?;
        }
    }
    fill(index, labels, &mut batch)?;

    let mut changed = BTreeSet::new();
    for change in &changes {
        changed.append(&mut relabelled(snapshot, change)?);
    }
    for id in &changed {
        // One that was removed afterwards has no templates left.
        let Some(subject) = read_subject(snapshot, id.as_str())? else { continue };
        let label = label_of(labels, id.as_str(), &subject)?;
        let old = subject.templates.iter().filter_map(|&key| index.label(key).map(|old| (key, old)));
        let (keys, old): (Vec<u64>, Vec<Label>) = old.unzip();
        count += keys.len() as u64;
        labels.count(keys.iter().map(|_| label), old.into_iter());
        index.follow(&[], keys.into_iter().map(|key| (key, label)).collect(), Vec::new()).map_err(made)?;
    }
    Ok(count)
}
