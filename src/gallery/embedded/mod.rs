//! The embedded gallery: one process, one data folder, one machine.
//!
//! A redb database is the source of truth, the index in memory is derived from
//! it at opening. Writes go through one thread that commits them in groups
//! (`writer`); acknowledged means flushed to disk *and* visible to searches.
//! Reads take a consistent snapshot of the database, searches one of the index.
//!
//! Each file answers one question: who may use the folder (`folder`), what the
//! database lies on (`medium`), which tables there are (`tables`), what their
//! bytes mean (`record`), whether all of it fits together (`load`), what a write
//! asks for (`change`, `verdict`), how many share a transaction (`group`), what happens
//! when one fails (`writer`), which searches share a scan (`gather`), who was
//! found (`candidates`), which graph look-ups walk (`interactive`), how everything is read
//! at once (`snapshot`), whom a row of the index means (`label`), where vectors
//! outside memory are (`store`), what the index file holds (`index_file`) and when it
//! is written (`keeper`), how it all works (`options`) and how much memory there is
//! (`budget`).

#![forbid(unsafe_code)]

mod budget;
mod candidates;
mod change;
mod fault;
mod folder;
mod gather;
mod group;
mod index_file;
mod interactive;
mod keeper;
mod label;
mod load;
mod medium;
mod options;
mod record;
mod snapshot;
mod store;
mod tables;
mod verdict;
mod writer;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use self::candidates::Asked;
use self::change::Change;
use self::fault::StoreError;
use self::folder::Folder;
use self::gather::{Gather, Wish};
use self::index_file::Place;
use self::interactive::Interactive;
use self::keeper::{Keeper, Position};
use self::label::{Label, Labels, Traits};
use self::load::Making;
pub use self::medium::BackendFactory;
use self::medium::Medium;
pub use self::options::{EmbeddedOptions, Progress};
use self::store::Store;
use self::tables::{
    Snapshot, cleared_key, read_cleared_pairs, read_cleared_with, read_decision, read_last_decision, read_request,
    read_subject,
};
use self::writer::{Message, Write, Writer};
use super::{
    ANSWER_BYTES_MAX, Answered, Candidate, ClearedPair, DecisionKey, Enrolment, Filter, Gallery, GalleryError,
    GalleryId, GallerySnapshot, LookUp, NewDecision, Receipt, RequestId, Resolution, Retry, Scope, Stats,
    StoredDecision, Subject, SubjectId,
};
use crate::face::{RecipeDigest, Template};
use crate::search::{GraphReport, Index, SearchError};

/// What the gallery's callers, its readers and its writer share.
struct Shared {
    path: PathBuf,
    recipe: RecipeDigest,
    options: EmbeddedOptions,
    medium: Medium,
    store: Arc<Store>,
    index: Index<Label>,
    /// What the index's labels mean.
    labels: Labels,
    /// Searches under way.
    gather: Gather,
    /// The graph for look-ups, where there should be one.
    interactive: Option<Interactive>,
    subjects: AtomicU64,
    id: GalleryId,
}

impl Shared {
    fn set_subjects(&self, subjects: u64) {
        self.subjects.store(subjects, Ordering::Release);
    }

    fn read<T>(&self, read: impl FnOnce(&Snapshot) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.store.read(read)
    }
}

/// A [`Gallery`] in a data folder of its own.
///
/// Dropping it waits for the writes already queued, closes the database and
/// frees the folder.
pub struct EmbeddedGallery {
    shared: Arc<Shared>,
    /// `None` only while dropping.
    queue: Option<mpsc::Sender<Message>>,
    writer: Option<JoinHandle<()>>,
    /// Declared last, dropped last: nobody else comes in before all is closed.
    _folder: Option<Folder>,
}

impl fmt::Debug for EmbeddedGallery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedGallery").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

impl EmbeddedGallery {
    /// Opens the gallery in the folder `dir` for templates of `recipe` with `dimension`
    /// values; makes it where there is none, unless the options forbid that or ask for one
    /// with an id. Reads and checks everything that is stored and fills the index.
    ///
    /// # Errors
    /// [`GalleryError::NotThere`], [`GalleryError::OtherFiles`], which leave the folder as it
    /// is; [`GalleryError::OtherGallery`], [`GalleryError::InUse`], [`GalleryError::NewerVersion`],
    /// [`GalleryError::OtherRecipe`], [`GalleryError::Damaged`], none of which
    /// touches the database; [`GalleryError::DiskFull`], [`GalleryError::Storage`];
    /// [`GalleryError::Search`] where it holds more than `options.templates_max`.
    pub fn open(
        dir: &Path,
        recipe: RecipeDigest,
        dimension: usize,
        options: EmbeddedOptions,
    ) -> Result<Self, GalleryError> {
        let folder = Folder::claim(dir, options.create && options.id.is_none())?;
        if folder.is_new()? {
            let at = |error: StoreError| error.at(dir);
            let database = Medium::create(&folder.new_database()?).map_err(at)?;
            load::initialise(&database, recipe, dimension).map_err(at)?;
            database.close().map_err(|error| at(error.into()))?;
            folder.keep_database()?;
        }
        let medium = Medium::File(folder.database());
        let gallery = Self::start(dir, medium, Some(folder), recipe, dimension, options)?;
        if let Some(folder) = &gallery._folder {
            folder.keep_version()?;
        }
        Ok(gallery)
    }

    /// The same on storage of one's own, for tests of what happens when storage
    /// fails.
    #[doc(hidden)]
    pub fn open_on(
        backend: BackendFactory,
        recipe: RecipeDigest,
        dimension: usize,
        options: EmbeddedOptions,
    ) -> Result<Self, GalleryError> {
        Self::start(Path::new("(backend)"), Medium::Backend(backend), None, recipe, dimension, options)
    }

    fn start(
        path: &Path,
        medium: Medium,
        folder: Option<Folder>,
        recipe: RecipeDigest,
        dimension: usize,
        options: EmbeddedOptions,
    ) -> Result<Self, GalleryError> {
        let at = |error: StoreError| error.at(path);
        let (database, empty) = medium.open(&options).map_err(at)?;
        if empty {
            load::initialise(&database, recipe, dimension).map_err(at)?;
        } else {
            load::complete(&database).map_err(at)?;
        }
        let id = load::checked_id(&database, &options, path).map_err(at)?;
        let store = Arc::new(Store::default());
        *store.database.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(database);
        let place = folder.as_ref().map(|_| Place::new(path));
        let is_large = medium.bytes().map_err(|error| fault::from_io(&error, path))? > options.checked_bytes_max;
        let making =
            Making { store: &store, recipe, dimension, place: place.as_ref().filter(|_| is_large), options: &options };
        let loaded = catch_unwind(AssertUnwindSafe(|| load::load(&making)))
            .unwrap_or_else(|_| Err(StoreError::damaged("the database's own structure is broken")))
            .map_err(at)?;
        let (index, labels, counters) = (loaded.index, loaded.labels, loaded.counters);
        tracing::info!(subjects = loaded.subjects, templates = index.len(), "the gallery is open");
        let keeper = place.map(|place| Keeper::new(place, loaded.file, loaded.replayed));

        let interactive = options.graph.then(|| Interactive::new(dimension));
        let (queue, messages) = mpsc::channel(options.queue_max.max(1));
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            recipe,
            options,
            medium,
            store,
            index,
            labels,
            gather: Gather::default(),
            interactive,
            subjects: AtomicU64::new(loaded.subjects),
            id,
        });
        let at = Position { commit: counters.commit, template_next: counters.template_next };
        let writer = Writer::new(Arc::clone(&shared), at, keeper);
        let writer = std::thread::Builder::new()
            .name("gallery-writer".into())
            .spawn(move || writer.run(messages))
            .map_err(|error| fault::from_io(&error, path))?;
        Ok(Self { shared, queue: Some(queue), writer: Some(writer), _folder: folder })
    }

    /// How the graph for look-ups stands; `None` where none is kept.
    pub fn graph_report(&self) -> Option<GraphReport> {
        self.shared.interactive.as_ref().map(Interactive::report)
    }

    /// What it is known by.
    pub fn id(&self) -> GalleryId {
        self.shared.id
    }

    /// Values in a template.
    pub fn dimension(&self) -> usize {
        self.shared.index.dimension()
    }

    /// Whether a template is of the gallery's recipe and dimension.
    fn fits(&self, template: &Template) -> Result<(), GalleryError> {
        if template.recipe() != self.shared.recipe {
            return Err(GalleryError::OtherRecipe { gallery: self.shared.recipe, template: template.recipe() });
        }
        Ok(self.shared.index.check(template.vector())?)
    }

    async fn write(&self, change: Change, retry: Option<Retry>) -> Result<Receipt, GalleryError> {
        let (reply, receipt) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(GalleryError::Closing)?;
        let write = Box::new(Write { change, retry, reply });
        queue.send(Message::Write(write)).await.map_err(|_| GalleryError::Closing)?;
        receipt.await.map_err(|_| GalleryError::Closing)?
    }

    /// Reads the database on a thread that may block.
    async fn read<T, F>(&self, read: F) -> Result<T, GalleryError>
    where
        T: Send + 'static,
        F: FnOnce(&Snapshot, &Shared) -> Result<T, StoreError> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let task = tokio::task::spawn_blocking(move || shared.read(|snapshot| read(snapshot, &shared)));
        let error = match task.await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error,
            Err(_) => StoreError::damaged("a read panicked"),
        };
        let broken = matches!(error, StoreError::Redb(_)) || !self.shared.store.is_open();
        if broken && let Some(queue) = &self.queue {
            // Full: then writes wait, and they find out by themselves.
            let _ = queue.try_send(Message::Recover);
        }
        Err(error.at(&self.shared.path))
    }

    /// Searches the index as it is now, on the threads that compute, together with
    /// what else is asked at the time. A search whose caller has gone before it
    /// begins is not begun.
    async fn ask(&self, probe: &Template, asked: Asked, filter: &Filter) -> Result<Vec<Candidate>, GalleryError> {
        self.fits(probe)?;
        if let Asked::Within(score) = asked
            && !score.is_finite()
        {
            return Err(SearchError::BadScore.into());
        }
        let spared = match &filter.claimed {
            Some(claimed) => self.cleared_with(claimed).await?,
            None => Vec::new(),
        };
        let wish = Wish { query: probe.vector().to_vec(), asked, filter: filter.clone(), spared };
        let found = gather::search(&self.shared, wish);
        found.await.map_err(|_| GalleryError::Storage("the search ended without an answer".into()))?
    }
}

impl Drop for EmbeddedGallery {
    fn drop(&mut self) {
        if let Some(interactive) = &self.shared.interactive {
            interactive.close();
        }
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // It catches panics itself; there is nobody left to tell.
            let _ = writer.join();
        }
        self.shared.store.close();
    }
}

#[async_trait]
impl Gallery for EmbeddedGallery {
    fn recipe(&self) -> RecipeDigest {
        self.shared.recipe
    }

    async fn enrol(&self, enrolment: Enrolment, retry: Option<Retry>) -> Result<Receipt, GalleryError> {
        change::check(&enrolment)?;
        enrolment.templates.iter().try_for_each(|new| self.fits(&new.template))?;
        self.write(Change::Enrol(enrolment), retry).await
    }

    async fn remove(&self, subject: &SubjectId, retry: Option<Retry>) -> Result<Receipt, GalleryError> {
        self.write(Change::Remove(subject.clone()), retry).await
    }

    async fn receipt(&self, retry: &Retry) -> Result<Option<Receipt>, GalleryError> {
        let retry = retry.clone();
        self.read(move |snapshot, _| match read_request(&snapshot.requests, retry.request_id.as_str())? {
            Some(record) if record.content == retry.content => Ok(Some(record.receipt())),
            Some(_) => Err(GalleryError::RequestIdReused.into()),
            None => Ok(None),
        })
        .await
    }

    async fn subject(&self, subject: &SubjectId) -> Result<Option<Subject>, GalleryError> {
        let id = subject.clone();
        self.read(move |snapshot, shared| {
            let Some(record) = read_subject(&snapshot.subjects, id.as_str())? else {
                return Ok(None);
            };
            snapshot.restore(id, record, shared.recipe, shared.index.dimension()).map(Some)
        })
        .await
    }

    async fn list(&self, after: Option<&SubjectId>, limit: usize) -> Result<Vec<SubjectId>, GalleryError> {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = after.cloned();
        self.read(move |snapshot, _| {
            let from = after.as_ref().map_or(Unbounded, |id| Excluded(id.as_str()));
            let rows = snapshot.subjects.range::<&str>((from, Unbounded))?;
            rows.take(limit)
                .map(|row| {
                    let (id, _) = row?;
                    SubjectId::new(id.value()).map_err(|_| StoreError::damaged("a subject's id is not one"))
                })
                .collect()
        })
        .await
    }

    async fn search(&self, probe: &Template, scope: Scope, filter: &Filter) -> Result<Vec<Candidate>, GalleryError> {
        let asked = match scope {
            Scope::Within(score) => Asked::Within(score),
            Scope::Nearest(k) => Asked::Nearest(k),
        };
        self.ask(probe, asked, filter).await
    }

    async fn look_up(&self, probe: &Template, k: usize, filter: &Filter) -> Result<LookUp, GalleryError> {
        self.fits(probe)?;
        let spared = match &filter.claimed {
            Some(claimed) => self.cleared_with(claimed).await?,
            None => Vec::new(),
        };
        let (shared, query, within) = (Arc::clone(&self.shared), probe.vector().to_vec(), filter.clone());
        // Not on the threads that scan: there it would wait for whole batches.
        let walk = move || interactive::look_up(&shared, &query, k, &within, &spared);
        let walked = tokio::task::spawn_blocking(walk).await;
        match walked.map_err(|_| GalleryError::Storage("the look-up ended without an answer".into()))?? {
            Ok((candidates, recall)) => Ok(LookUp { candidates, answered: Answered::Approximately { recall } }),
            Err(instead) => {
                let candidates = self.ask(probe, Asked::Nearest(k), filter).await?;
                Ok(LookUp { candidates, answered: Answered::ExactlyInstead(instead) })
            }
        }
    }

    async fn templates_in(&self, filter: &Filter) -> Result<u64, GalleryError> {
        if filter.excluded.is_empty() && filter.claimed.is_none() {
            return Ok(self.shared.labels.templates(filter));
        }
        let filter = filter.clone();
        self.read(move |snapshot, shared| {
            let mut out = filter.excluded.clone();
            if let Some(claimed) = &filter.claimed {
                out.extend(read_cleared_with(&snapshot.cleared, claimed)?);
                out.insert(claimed.clone());
            }
            let mut left_out = 0;
            for subject in &out {
                let record = read_subject(&snapshot.subjects, subject.as_str())?;
                let record = record.filter(|record| Traits::of(record).pass(&filter));
                left_out += record.map_or(0, |record| record.templates.len() as u64);
            }
            Ok(shared.labels.templates(&filter).saturating_sub(left_out))
        })
        .await
    }

    async fn decide(&self, decision: NewDecision) -> Result<(StoredDecision, bool), GalleryError> {
        if decision.answer.len() > ANSWER_BYTES_MAX {
            return Err(GalleryError::Storage("the answer of a decision is too long to be stored".into()));
        }
        if let Some(enrolment) = &decision.enrolment {
            change::check(enrolment)?;
            enrolment.templates.iter().try_for_each(|new| self.fits(&new.template))?;
        }
        let key = decision.key.clone();
        let receipt = self.write(Change::Decide(decision), None).await?;
        // What is answered is what is stored, now as in any retry.
        let stored = self.decision(&key).await?.ok_or(GalleryError::UnknownTransaction)?;
        Ok((stored, receipt.replayed))
    }

    async fn decision(&self, key: &DecisionKey) -> Result<Option<StoredDecision>, GalleryError> {
        let key = key.clone();
        self.read(move |snapshot, _| {
            read_decision(&snapshot.decisions, &key)?.map(|record| record.restore(key)).transpose()
        })
        .await
    }

    async fn last_decision(&self, transaction: &RequestId) -> Result<Option<StoredDecision>, GalleryError> {
        let transaction = transaction.clone();
        self.read(move |snapshot, _| read_last_decision(&snapshot.decisions, &transaction)).await
    }

    async fn resolve(&self, key: &DecisionKey, resolution: Resolution) -> Result<(StoredDecision, bool), GalleryError> {
        let receipt = self.write(Change::Resolve(key.clone(), resolution), None).await?;
        let stored = self.decision(key).await?.ok_or(GalleryError::UnknownTransaction)?;
        Ok((stored, receipt.replayed))
    }

    async fn clear_pair(&self, mut pair: ClearedPair) -> Result<Receipt, GalleryError> {
        match pair.first.cmp(&pair.second) {
            std::cmp::Ordering::Equal => return Err(GalleryError::SamePair),
            std::cmp::Ordering::Greater => std::mem::swap(&mut pair.first, &mut pair.second),
            std::cmp::Ordering::Less => {}
        }
        self.write(Change::ClearPair(pair), None).await
    }

    async fn cleared_with(&self, subject: &SubjectId) -> Result<Vec<SubjectId>, GalleryError> {
        let subject = subject.clone();
        self.read(move |snapshot, _| read_cleared_with(&snapshot.cleared, &subject)).await
    }

    async fn cleared_pairs(
        &self,
        after: Option<&(SubjectId, SubjectId)>,
        limit: usize,
    ) -> Result<Vec<ClearedPair>, GalleryError> {
        let after = after.map(|(one, other)| cleared_key(one, other));
        self.read(move |snapshot, _| read_cleared_pairs(&snapshot.cleared, after.as_deref(), limit)).await
    }

    async fn snapshot(&self) -> Result<GallerySnapshot, GalleryError> {
        self.take_snapshot().await
    }

    async fn stats(&self) -> Result<Stats, GalleryError> {
        let shared = &self.shared;
        let subjects = shared.subjects.load(Ordering::Acquire);
        Ok(Stats { subjects, templates: shared.index.len(), recipe: shared.recipe })
    }
}
