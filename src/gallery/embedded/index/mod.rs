//! The embedded index: every template of one recipe in memory, searched exactly, derived from the
//! embedded record store.
//!
//! Each file answers one question: who was found (`candidates`), which searches share a scan
//! (`batches`), whom a row of the index means (`label`), which graph look-ups walk (`graph`),
//! how the index is made at opening (`load`), what its file holds (`file`) and when that is
//! written (`file_writer`). `shared` is what they work on.

mod batches;
mod candidates;
mod file;
mod file_writer;
mod graph;
mod label;
mod load;
mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use self::batches::{SearchBatches, SearchRequest};
use self::candidates::Asked;
use self::file::FilePath;
use self::file_writer::{FileWriter, Position};
use self::graph::LookUpGraph;
use self::label::{Label, SearchedBy};
use self::load::LoadInput;
use self::shared::Shared;
use super::fault::{self, StoreError};
use super::storage::guarded;
use super::store::EmbeddedStore;
use super::tables::INDEX_KEY;
use crate::face::{RecipeDigest, Template};
use crate::gallery::{
    Answered, Change, Changes, Found, GalleryError, IndexFilter, Instead, LookUp, RecordStore, Scope, VectorIndex,
    Watermark,
};
use crate::search::{Entry, GraphReport, SearchError};

/// What only one thread at a time does.
struct Following {
    /// How far the log has been followed.
    at: Position,
    /// Where there is a folder for an index file.
    file_writer: Option<FileWriter>,
}

/// A [`VectorIndex`] of an [`EmbeddedStore`].
#[derive(Clone)]
pub(in crate::gallery) struct EmbeddedIndex(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    store: Arc<EmbeddedStore>,
    following: Mutex<Following>,
}

impl EmbeddedIndex {
    /// Makes an index for each recipe of the store, of everything that is stored: from the index
    /// file where a large gallery has one, else from every record, each checked.
    ///
    /// # Errors
    /// [`GalleryError::Damaged`]; [`GalleryError::Search`] where the store holds more than
    /// `templates_max` of its options, or than there is memory for; [`GalleryError::Storage`].
    pub(in crate::gallery) fn open_all(store: &Arc<EmbeddedStore>) -> Result<Vec<Self>, GalleryError> {
        let recipes = &store.shared.recipes;
        let open = |use_file: bool| -> Result<Vec<Self>, GalleryError> {
            let each = recipes.iter().map(|&(recipe, dimension)| Self::open(store, recipe, dimension, use_file));
            each.collect()
        };
        let all = open(true)?;
        let loaded: u64 = all.iter().map(|index| index.0.shared.index.len()).sum();
        let stored = store.sizes().templates;
        let all = match loaded == stored {
            true => all,
            false => {
                // Which of the files is wrong, nobody can tell.
                tracing::warn!("the index files hold other templates than the database; they are made anew");
                drop(all);
                open(false)?
            }
        };
        for index in &all {
            index.0.tend(&mut index.0.following(), FileWriter::tend);
        }
        tracing::info!(subjects = store.sizes().subjects, templates = stored, "the gallery is open");
        Ok(all)
    }

    /// The index of one recipe, from its file only if `use_file`.
    fn open(
        store: &Arc<EmbeddedStore>,
        recipe: RecipeDigest,
        dimension: usize,
        use_file: bool,
    ) -> Result<Self, GalleryError> {
        let options = &store.shared.options;
        let path = store.shared.path.clone();
        let at = |error: StoreError| error.at(&path);
        let name = store.index_name(recipe);
        let place = store.folder().map(|folder| FilePath::new(folder, &name, &store.shared.database));
        if let Some(place) = place.as_ref().filter(|_| !use_file) {
            place.take_away();
        }
        let bytes = store.shared.storage.bytes().map_err(|error| fault::from_io(&error, &path))?;
        let is_large = bytes > options.checked_bytes_max;
        let database = &store.shared.database;
        let recipes = &store.shared.recipes;
        let memory_bytes_max = options.memory_bytes_max / (recipes.len() as u64).max(1);
        let input = LoadInput {
            database,
            recipe,
            dimension,
            recipes,
            memory_bytes_max,
            place: place.as_ref().filter(|_| is_large && use_file),
            options,
        };
        let loaded = guarded(|| load::load(&input)).map_err(at)?;
        let shared = Arc::new(Shared {
            recipe,
            memory_bytes_max,
            database: Arc::clone(database),
            index: loaded.index,
            labels: loaded.labels,
            batches: SearchBatches::default(),
            look_up_graph: options.graph.then(|| LookUpGraph::new(dimension)),
            watermark: AtomicU64::new(loaded.counters.commit),
            path,
        });
        let following = Following {
            at: Position { commit: loaded.counters.commit, template_next: loaded.counters.template_next },
            file_writer: place.map(|place| FileWriter::new(place, loaded.file, loaded.replayed)),
        };
        let store = Arc::clone(store);
        Ok(Self(Arc::new(Inner { shared, store, following: Mutex::new(following) })))
    }
}

/// Takes away every index file in a folder.
pub(super) fn take_files_away(folder: &Path) {
    for name in file_names(folder).unwrap_or_default() {
        // One that stays is not used: nothing knows its mark.
        let _ = std::fs::remove_file(folder.join(name));
    }
}

/// Names of all index files in a folder.
pub(super) fn file_names(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string().ok().filter(|name| name.starts_with(INDEX_KEY)));
    }
    Ok(names)
}

/// Templates that came, went and were relabelled, each id once.
#[derive(Default)]
struct Summed {
    removed: BTreeSet<u64>,
    relabelled: BTreeMap<u64, Label>,
    added: BTreeMap<u64, (Label, Vec<f32>)>,
}

impl Inner {
    fn following(&self) -> std::sync::MutexGuard<'_, Following> {
        self.following.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the index up to a commit.
    fn follow(&self, changes: Changes) -> Result<(), GalleryError> {
        let mut following = self.following();
        let Changes { changes, up_to, template_next } = changes;
        if up_to.0 <= following.at.commit {
            return Ok(());
        }
        let Summed { removed, relabelled, added } = self.summed(changes, following.at.template_next)?;
        let Shared { index, labels, look_up_graph, .. } = &*self.shared;
        let removed: Vec<u64> = removed.into_iter().collect();
        let gone = removed.iter().chain(relabelled.keys()).filter_map(|&key| index.label(key));
        let gone: Vec<Label> = gone.collect();
        let came = added.values().map(|(label, _)| *label).chain(relabelled.values().copied());
        let came: Vec<Label> = came.collect();
        let new: Vec<u64> = added.keys().copied().collect();
        let changed = (removed.len() + relabelled.len() + added.len()) as u64;
        let inserted = added.into_iter().map(|(key, (label, vector))| Entry { key, label, vector }).collect();
        // Dimension and values were checked before the commit, and limits are not asked here.
        index.follow(&removed, relabelled.into_iter().collect(), inserted)?;
        if let Some(look_up_graph) = look_up_graph {
            look_up_graph.note(&removed, &new);
        }
        labels.count(came.into_iter(), gone.into_iter());
        following.at = Position { commit: up_to.0, template_next };
        self.shared.watermark.store(up_to.0, Ordering::Release);
        if let Some(file_writer) = &mut following.file_writer {
            file_writer.note(changed);
        }
        self.tend(&mut following, FileWriter::tend);
        Ok(())
    }

    /// What changes come to; `known` is the id of the next template of those that are applied.
    fn summed(&self, changes: Vec<Change>, known: u64) -> Result<Summed, GalleryError> {
        let mut sum = Summed::default();
        let label = |subject: &str, traits: &SearchedBy| {
            // Four billion subjects came and went since the gallery was opened.
            self.shared.labels.label(subject, traits).ok_or(SearchError::Full { max: u64::from(u32::MAX) })
        };
        for change in changes {
            match change {
                Change::Added { subject, attributes, restricted, id, content } => {
                    if id >= known && content.template.recipe() == self.shared.recipe {
                        let label = label(subject.as_str(), &SearchedBy::of(&attributes, restricted))?;
                        sum.added.insert(id, (label, content.template.vector().to_vec()));
                    }
                }
                Change::Removed { id } => {
                    sum.relabelled.remove(&id);
                    if sum.added.remove(&id).is_none() {
                        sum.removed.insert(id);
                    }
                }
                Change::Relabelled { subject, attributes, restricted, templates } => {
                    let label = label(subject.as_str(), &SearchedBy::of(&attributes, restricted))?;
                    for id in templates {
                        match sum.added.get_mut(&id) {
                            Some((newest, _)) => *newest = label,
                            None if self.shared.index.label(id).is_some() => drop(sum.relabelled.insert(id, label)),
                            None => {}
                        }
                    }
                }
            }
        }
        Ok(sum)
    }

    /// Looks after the index file and the graph.
    fn tend(
        &self,
        following: &mut Following,
        work: fn(&mut FileWriter, &EmbeddedStore, &Shared, Position) -> Result<(), StoreError>,
    ) {
        let Following { at, file_writer } = following;
        if let Some(file_writer) = file_writer
            && let Err(error) = guarded(|| work(file_writer, &self.store, &self.shared, *at))
        {
            let error = error.at(&self.shared.path);
            tracing::error!(%error, "the index file could not be made known; opening the database again");
            self.store.shared.database.close();
            self.store.recover();
        }
        let needed = file_writer.as_ref().and_then(FileWriter::commit).unwrap_or(u64::MAX).min(at.commit);
        self.store.needs_log_after(self.shared.recipe, needed);
        graph::tend(&self.shared);
    }
}

#[async_trait]
impl VectorIndex for EmbeddedIndex {
    fn recipe(&self) -> RecipeDigest {
        self.0.shared.recipe
    }

    fn dimension(&self) -> usize {
        self.0.shared.index.dimension()
    }

    fn watermark(&self) -> Watermark {
        self.0.shared.watermark()
    }

    async fn apply(&self, changes: Changes) -> Result<(), GalleryError> {
        let inner = Arc::clone(&self.0);
        let applied = tokio::task::spawn_blocking(move || inner.follow(changes)).await;
        applied.map_err(|_| GalleryError::Storage("the index could not follow the gallery".into()))?
    }

    /// Searches the index as it is now, on the threads that compute, together with what else is
    /// asked at the time. A search whose caller has gone before it begins is not begun.
    async fn search(
        &self,
        probe: &Template,
        scope: Scope,
        filter: &IndexFilter,
        at_least: Watermark,
    ) -> Result<Found, GalleryError> {
        let shared = &self.0.shared;
        shared.index.check(probe.vector())?;
        let asked = match scope {
            Scope::Within(score) if !score.is_finite() => return Err(SearchError::BadScore.into()),
            Scope::Within(score) => Asked::Within(score),
            Scope::Nearest(k) => Asked::Nearest(k),
        };
        if shared.watermark() < at_least {
            return Err(GalleryError::Behind);
        }
        let request = SearchRequest { query: probe.vector().to_vec(), asked, filter: filter.clone() };
        let found = batches::search(shared, request).await;
        found.map_err(|_| GalleryError::Storage("the search ended without an answer".into()))?
    }

    async fn look_up(
        &self,
        probe: &Template,
        k: usize,
        filter: &IndexFilter,
    ) -> Result<Result<LookUp, Instead>, GalleryError> {
        self.0.shared.index.check(probe.vector())?;
        let (shared, query, filter) = (Arc::clone(&self.0.shared), probe.vector().to_vec(), filter.clone());
        // Not on the threads that scan: there it would wait for whole batches.
        let walk = move || graph::look_up(&shared, &query, k, &filter);
        let walked = tokio::task::spawn_blocking(walk).await;
        let walked = walked.map_err(|_| GalleryError::Storage("the look-up ended without an answer".into()))??;
        Ok(walked.map(|(candidates, recall)| LookUp { candidates, answered: Answered::Approximately { recall } }))
    }

    fn count(&self, filter: &IndexFilter) -> u64 {
        self.0.shared.labels.templates(filter)
    }

    fn room_for(&self, templates: u64) -> Result<(), GalleryError> {
        let shared = &self.0.shared;
        match shared.index.room_for(templates) {
            // A graph is never the reason why somebody cannot be enrolled.
            Err(SearchError::Memory { .. }) if graph::give_way(shared) => Ok(shared.index.room_for(templates)?),
            room => Ok(room?),
        }
    }

    fn graph_report(&self) -> Option<GraphReport> {
        self.0.shared.look_up_graph.as_ref().map(LookUpGraph::report)
    }

    async fn forget_files(&self) -> Result<(), GalleryError> {
        let inner = Arc::clone(&self.0);
        let forget = move || {
            let mut following = inner.following();
            let Some(file_writer) = &mut following.file_writer else { return Ok(()) };
            guarded(|| file_writer.forget(&inner.shared)).map_err(|error| {
                inner.store.shared.database.close();
                inner.store.recover();
                error.at(&inner.shared.path)
            })
        };
        let forgotten = tokio::task::spawn_blocking(forget).await;
        forgotten.map_err(|_| GalleryError::Storage("the index file could not be taken away".into()))?
    }

    fn close(&self) {
        if let Some(look_up_graph) = &self.0.shared.look_up_graph {
            look_up_graph.close();
        }
        let mut following = self.0.following();
        self.0.tend(&mut following, FileWriter::close);
        following.file_writer = None;
    }
}
