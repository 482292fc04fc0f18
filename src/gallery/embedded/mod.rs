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
//! found (`candidates`), how everything is read at once (`snapshot`).

#![forbid(unsafe_code)]

mod candidates;
mod change;
mod fault;
mod folder;
mod gather;
mod group;
mod load;
mod medium;
mod record;
mod snapshot;
mod tables;
mod verdict;
mod writer;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

use async_trait::async_trait;
use redb::{Database, ReadableDatabase};
use tokio::sync::{mpsc, oneshot};

use self::candidates::Asked;
use self::change::Change;
use self::fault::StoreError;
use self::folder::Folder;
use self::gather::Gather;
pub use self::medium::BackendFactory;
use self::medium::Medium;
use self::tables::{
    Snapshot, cleared_key, read_cleared_pairs, read_cleared_with, read_decision, read_last_decision, read_request,
    read_subject,
};
use self::writer::{Message, Write, Writer};
use super::{
    ANSWER_BYTES_MAX, Candidate, ClearedPair, DecisionKey, Enrolment, Gallery, GalleryError, GallerySnapshot,
    NewDecision, Receipt, RequestId, Resolution, Retry, Stats, StoredDecision, Subject, SubjectId,
};
use crate::face::{RecipeDigest, Template};
use crate::search::{Index, SearchError, VECTORS_MAX_DEFAULT};

/// What comes back with a template found: whose it is.
type Label = Arc<SubjectId>;

/// Told how many templates are loaded, of how many.
pub type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// How an embedded gallery works.
#[derive(Clone)]
pub struct EmbeddedOptions {
    /// Most templates it may hold; bounds the memory of the index (2.3 KiB each at
    /// 512 values). More are refused with [`SearchError::Full`](crate::search::SearchError::Full).
    pub templates_max: u64,
    /// Writes that may wait; the next one waits for a place in the queue.
    pub queue_max: usize,
    /// Memory for the database's cache, in bytes.
    pub cache_bytes: usize,
    /// Verify the checksum of every page at opening, which reads the whole file.
    /// Without it only records are checked, and damage to the database's own
    /// structure may show later.
    pub check_on_open: bool,
    /// Request ids remembered at most; the oldest are forgotten first.
    pub requests_max: u64,
    /// How long a request id is remembered, in milliseconds.
    pub request_age_max_ms: u64,
    /// Told now and then while the index is filled, and once at the end.
    pub progress: Option<Progress>,
}

impl EmbeddedOptions {
    /// Request ids remembered unless told otherwise: about 1 GB on disk.
    pub const REQUESTS_MAX: u64 = 10_000_000;
    /// A month: no client retries for longer.
    pub const REQUEST_AGE_MAX_MS: u64 = 30 * 24 * 60 * 60 * 1000;
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            templates_max: VECTORS_MAX_DEFAULT,
            queue_max: 4096,
            cache_bytes: 64 << 20,
            check_on_open: true,
            requests_max: Self::REQUESTS_MAX,
            request_age_max_ms: Self::REQUEST_AGE_MAX_MS,
            progress: None,
        }
    }
}

/// What the gallery's callers, its readers and its writer share.
struct Shared {
    path: PathBuf,
    recipe: RecipeDigest,
    options: EmbeddedOptions,
    medium: Medium,
    /// `None` while it is being opened again after a failure.
    database: RwLock<Option<Database>>,
    index: Index<Label>,
    /// Searches under way.
    gather: Gather,
    subjects: AtomicU64,
    /// Times the database had to be closed: snapshots under way end then.
    closings: AtomicU64,
}

impl Shared {
    fn is_database_open(&self) -> bool {
        self.database.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Closes the database once every reader is done with it.
    fn close_database(&self) {
        self.closings.fetch_add(1, Ordering::AcqRel);
        drop(self.database.write().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn set_subjects(&self, subjects: u64) {
        self.subjects.store(subjects, Ordering::Release);
    }

    fn read<T>(&self, read: impl FnOnce(&Snapshot) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database
            .as_ref()
            .ok_or_else(|| GalleryError::Storage("the database is closed after a failure; try again".into()))?;
        read(&Snapshot::new(&database.begin_read()?)?)
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
    /// Opens the gallery in the folder `dir`, made where it is absent, for
    /// templates of `recipe` with `dimension` values. Reads and checks everything
    /// that is stored and fills the index.
    ///
    /// # Errors
    /// [`GalleryError::InUse`], [`GalleryError::NewerVersion`],
    /// [`GalleryError::OtherRecipe`], [`GalleryError::Damaged`], none of which
    /// touches the database; [`GalleryError::DiskFull`], [`GalleryError::Storage`];
    /// [`GalleryError::Search`] where it holds more than `options.templates_max`.
    pub fn open(
        dir: &Path,
        recipe: RecipeDigest,
        dimension: usize,
        options: EmbeddedOptions,
    ) -> Result<Self, GalleryError> {
        let folder = Folder::claim(dir)?;
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
        let index = Index::new(dimension, options.templates_max);
        let loaded = catch_unwind(AssertUnwindSafe(|| load::load(&database, recipe, &index, &options)))
            .unwrap_or_else(|_| Err(StoreError::damaged("the database's own structure is broken")))
            .map_err(at)?;
        tracing::info!(subjects = loaded.subjects, templates = index.len(), "the gallery is open");

        let (queue, messages) = mpsc::channel(options.queue_max.max(1));
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            recipe,
            options,
            medium,
            database: RwLock::new(Some(database)),
            index,
            gather: Gather::default(),
            subjects: AtomicU64::new(loaded.subjects),
            closings: AtomicU64::new(0),
        });
        let writer = Writer::new(Arc::clone(&shared), loaded.counters.commit);
        let writer = std::thread::Builder::new()
            .name("gallery-writer".into())
            .spawn(move || writer.run(messages))
            .map_err(|error| fault::from_io(&error, path))?;
        Ok(Self { shared, queue: Some(queue), writer: Some(writer), _folder: folder })
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
        let broken = matches!(error, StoreError::Redb(_)) || !self.shared.is_database_open();
        if broken && let Some(queue) = &self.queue {
            // Full: then writes wait, and they find out by themselves.
            let _ = queue.try_send(Message::Recover);
        }
        Err(error.at(&self.shared.path))
    }

    /// Searches the index as it is now, on the threads that compute, together with
    /// what else is asked at the time. A search whose caller has gone before it
    /// begins is not begun.
    async fn search(&self, probe: &Template, asked: Asked) -> Result<Vec<Candidate>, GalleryError> {
        self.fits(probe)?;
        if let Asked::Within(score) = asked
            && !score.is_finite()
        {
            return Err(SearchError::BadScore.into());
        }
        let found = gather::search(&self.shared, probe.vector().to_vec(), asked);
        let found = found.await.map_err(|_| GalleryError::Storage("the search ended without an answer".into()))?;
        Ok(found?)
    }
}

impl Drop for EmbeddedGallery {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // It catches panics itself; there is nobody left to tell.
            let _ = writer.join();
        }
        self.shared.close_database();
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

    async fn nearest(&self, probe: &Template, k: usize) -> Result<Vec<Candidate>, GalleryError> {
        self.search(probe, Asked::Nearest(k)).await
    }

    async fn within(&self, probe: &Template, score: f32) -> Result<Vec<Candidate>, GalleryError> {
        self.search(probe, Asked::Within(score)).await
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
