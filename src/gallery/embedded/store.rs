//! The embedded record store: a redb database in a folder, and one thread that writes to it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use redb::{Database, ReadableDatabase, ReadableTableMetadata};
use tokio::sync::{mpsc, oneshot};

use super::database::OpenDatabase;
use super::fault::{self, StoreError};
use super::folder::Folder;
use super::ledger::LedgerAt;
use super::log::LogTail;
use super::protection::Protection;
use super::read::{self, State};
use super::seal_serving::{self, Handed, Sealing};
use super::storage::{BackendFactory, Storage, guarded};
use super::tables::{
    INDEX_KEY, Snapshot, Tables, cleared_key, read_captures, read_cleared_pairs, read_gallery, read_retention,
};
use super::writer::{Message, Waiting, Writer};
use super::{EmbeddedOptions, create, given_up, index, ledger, subject_requests};
use crate::context::RequestContext;
use crate::face::RecipeDigest;
use crate::gallery::{
    CaptureBand, CapturesFound, Changes, ClearedPair, Command, Committed, DecisionFilter, DecisionPage, GalleryError,
    GalleryId, GalleryRows, GallerySnapshot, LedgerRead, ReadSet, RecordStore, Records, RequestFilter, RequestPage,
    Sizes, SubjectId, Timestamp, Watermark,
};
use crate::hex;
use crate::sealing::{KeyStoreOptions, Rotation};

/// What callers, readers and the writer share.
pub(super) struct Shared {
    pub(super) path: PathBuf,
    pub(super) id: GalleryId,
    /// Those that templates may be of, the one first that the gallery was opened for.
    pub(super) recipes: Vec<(RecipeDigest, usize)>,
    /// The one whose index file has no suffix.
    pub(super) recipe_of_index: RecipeDigest,
    pub(super) options: EmbeddedOptions,
    /// Whether it keeps a transparency log.
    pub(super) has_ledger: bool,
    pub(super) storage: Storage,
    pub(super) database: Arc<OpenDatabase>,
    pub(super) tail: LogTail,
    subjects: AtomicU64,
    templates: AtomicU64,
    /// By follower, the commit after which it still needs the log.
    followers: Mutex<BTreeMap<RecipeDigest, u64>>,
    /// A sealed copy that the writer is to put in the gallery's place.
    handed: Mutex<Option<Handed>>,
}

impl Shared {
    pub(super) fn set_sizes(&self, subjects: u64, templates: u64) {
        self.subjects.store(subjects, Ordering::Release);
        self.templates.store(templates, Ordering::Release);
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&Snapshot) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.database.read(read)
    }

    /// Hands the writer a sealed copy, or takes it back.
    pub(super) fn hand_over(&self, copy: Option<Handed>) {
        *self.handed.lock().unwrap_or_else(PoisonError::into_inner) = copy;
    }

    pub(super) fn is_handed_over(&self) -> bool {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The copy that was handed over, for the writer.
    pub(super) fn handed_over(&self) -> Option<Handed> {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The commit after which some follower still needs the log.
    pub(super) fn keep_after(&self) -> u64 {
        let followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        followers.values().min().copied().unwrap_or(u64::MAX)
    }
}

/// Begins to seal the keys anew where the master key was changed, beside the work.
fn rotation(shared: &Arc<Shared>, is_closing: &Arc<AtomicBool>) -> std::io::Result<Option<JoinHandle<()>>> {
    let protection = shared.database.protection();
    let is_changed = shared.options.sealing.as_ref().is_some_and(|sealing| sealing.previous.is_some());
    if !shared.options.rotate_keys || !is_changed || protection.keys().is_none() {
        return Ok(None);
    }
    let is_closing = Arc::clone(is_closing);
    let rotate = move || {
        let Some(keys) = protection.keys() else { return };
        let mut told = 0;
        let progress = &mut |Rotation { done, of }| {
            if done * 10 / of.max(1) > told {
                told = done * 10 / of.max(1);
                tracing::info!(done, of, "keys are sealed anew under the new master key");
            }
            if is_closing.load(Ordering::Acquire) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        match keys.rotate(progress) {
            Ok(true) => tracing::info!("the master key was changed; the previous one can be taken out of [sealing]"),
            Ok(false) if keys.is_rotated() => tracing::info!("the previous master key can be taken out of [sealing]"),
            Ok(false) => tracing::info!("the change of the master key goes on at the next start"),
            Err(error) => tracing::error!(%error, "the master key could not be changed; the next start tries again"),
        }
    };
    std::thread::Builder::new().name("key-rotation".into()).spawn(rotate).map(Some)
}

/// A [`RecordStore`] in a data folder of its own.
pub(in crate::gallery) struct EmbeddedStore {
    pub(super) shared: Arc<Shared>,
    /// `None` once it is closed.
    queue: Mutex<Option<mpsc::Sender<Message>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Seals the keys anew, where the master key was changed.
    rotation: Mutex<Option<JoinHandle<()>>>,
    /// Seals a clear gallery beside the work.
    sealing: Mutex<Option<JoinHandle<()>>>,
    /// Told to stop both.
    is_closing: Arc<AtomicBool>,
    /// Freed last, when all else is closed.
    folder: Mutex<Option<Folder>>,
}

impl EmbeddedStore {
    /// Opens the store in the folder `dir` for templates of `recipe` with `dimension` values;
    /// makes it where there is none, unless the options forbid that or ask for one with an id.
    ///
    /// # Errors
    /// [`GalleryError::NotThere`], [`GalleryError::OtherFiles`], which leave the folder as it is;
    /// [`GalleryError::OtherGallery`], [`GalleryError::InUse`], [`GalleryError::NewerVersion`],
    /// [`GalleryError::OtherRecipe`], [`GalleryError::Damaged`], none of which touches the
    /// database; [`GalleryError::DiskFull`], [`GalleryError::Storage`].
    pub(in crate::gallery) fn open(
        dir: &Path,
        recipe: RecipeDigest,
        dimension: usize,
        options: EmbeddedOptions,
    ) -> Result<Self, GalleryError> {
        let at = |error: StoreError| error.at(dir);
        let may_make = options.create && options.id.is_none();
        Folder::check_not_restoring(dir)?;
        if may_make && !Folder::begun(dir).map_err(|error| fault::from_io(&error, dir))? {
            // Tried in memory first: what is refused leaves no folder behind.
            let keys = options.sealing.as_ref().map(|keys| KeyStoreOptions { read_only: true, ..keys.clone() });
            Protection::create(keys.as_ref(), None).map_err(at)?;
        }
        let folder = Folder::claim(dir, may_make)?;
        if folder.is_new()? {
            let keys = Protection::create(options.sealing.as_ref(), None).map_err(at)?;
            let new = folder.new_database()?;
            let database = Storage::create(&new).map_err(at)?;
            create::initialise(&database, recipe, dimension, &keys).map_err(at)?;
            database.close().map_err(|error| at(error.into()))?;
            folder.keep_database(&new)?;
        }
        let storage = Storage::File(folder.database());
        Self::start(dir, storage, Some(folder), recipe, dimension, options)
    }

    /// The same on storage of one's own, for tests of what happens when storage fails.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open`].
    pub(in crate::gallery) fn open_on(
        backend: BackendFactory,
        recipe: RecipeDigest,
        dimension: usize,
        options: EmbeddedOptions,
    ) -> Result<Self, GalleryError> {
        Self::start(Path::new("(backend)"), Storage::Backend(backend), None, recipe, dimension, options)
    }

    fn start(
        path: &Path,
        storage: Storage,
        folder: Option<Folder>,
        recipe: RecipeDigest,
        dimension: usize,
        options: EmbeddedOptions,
    ) -> Result<Self, GalleryError> {
        let at = |error: StoreError| error.at(path);
        let (database, empty) = storage.open(&options).map_err(at)?;
        if empty {
            let keys = Protection::create(options.sealing.as_ref(), None).map_err(at)?;
            create::initialise(&database, recipe, dimension, &keys).map_err(at)?;
        }
        // Before anything is changed: a wrong key, or none, is an error at the start.
        let protection = guarded(|| create::protection(&database, &options, path)).map_err(at)?;
        let protection = Arc::new(protection);
        if !empty {
            create::complete(&database).map_err(at)?;
        }
        let id = create::checked_id(&database, &options, path).map_err(at)?;
        let mut recipes = vec![(recipe, dimension)];
        recipes.extend(options.recipes_beside.iter().filter(|(of, _)| *of != recipe));
        let checked = |database: &Database| {
            let snapshot = Snapshot::new(database.begin_read()?, Arc::clone(&protection));
            create::check_recipes(&snapshot, &recipes)
        };
        let unused = guarded(|| checked(&database)).map_err(at)?;
        if !empty {
            guarded(|| given_up::begin(&database, &protection)).map_err(at)?;
        }
        if !unused.is_empty() {
            guarded(|| create::forget_recipes(&database, &unused)).map_err(at)?;
            // They hold vectors of people who are not there any more.
            index::take_files_away(path);
        }
        let has_ledger =
            guarded(|| ledger::begin_or_check(&database, options.ledger.as_ref(), &protection)).map_err(at)?;
        let bytes = storage.bytes().map_err(|error| fault::from_io(&error, path))?;
        let is_checked_whole = bytes <= options.checked_bytes_max;
        let slot = OpenDatabase::new(database, protection);
        let task = guarded(|| seal_serving::begin(path, &storage, &options, &slot)).map_err(at)?;
        let opened = slot.read(|snapshot| {
            if is_checked_whole {
                snapshot.check_rows()?;
            }
            if given_up::catch_up(snapshot)?.tell().interrupted > 0 {
                // They hold what the erasure was to take away.
                index::take_files_away(path);
            }
            if let Some(keys) = snapshot.protection().keys() {
                keys.serves_sealed(id.bytes())?;
            }
            let first = read_gallery(snapshot.gallery()?)?.recipes()?.first().map_or(recipe, |(first, _)| *first);
            let counters = snapshot.counters()?;
            Ok((first, counters, snapshot.subjects()?.len()?, snapshot.templates()?.len()?))
        });
        let (recipe_of_index, counters, subjects, templates) = opened.map_err(at)?;
        let (queue, messages) = mpsc::channel(options.queue_max.max(1));
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            id,
            recipes,
            recipe_of_index,
            options,
            has_ledger,
            storage,
            database: Arc::new(slot),
            tail: LogTail::new(counters.commit, counters.template_next),
            subjects: AtomicU64::new(subjects),
            templates: AtomicU64::new(templates),
            followers: Mutex::default(),
            handed: Mutex::default(),
        });
        let writer = Writer::new(Arc::clone(&shared), counters.commit);
        let writer = std::thread::Builder::new()
            .name("gallery-writer".into())
            .spawn(move || writer.run(messages))
            .map_err(|error| fault::from_io(&error, path))?;
        let is_closing = Arc::new(AtomicBool::new(false));
        let rotation = rotation(&shared, &is_closing).map_err(|error| fault::from_io(&error, path))?;
        let sealing = task.map(|task| {
            let (shared, is_closing, queue) = (Arc::clone(&shared), Arc::clone(&is_closing), queue.downgrade());
            let sealing = Sealing { shared, is_closing, queue };
            std::thread::Builder::new().name("gallery-sealing".into()).spawn(move || sealing.run(task))
        });
        let sealing = sealing.transpose().map_err(|error| fault::from_io(&error, path))?;
        Ok(Self {
            rotation: Mutex::new(rotation),
            sealing: Mutex::new(sealing),
            is_closing,
            shared,
            queue: Mutex::new(Some(queue)),
            writer: Mutex::new(Some(writer)),
            folder: Mutex::new(folder),
        })
    }

    /// Writes into the folder which version it is of, once all in it was found to be in order.
    ///
    /// # Errors
    /// [`GalleryError::DiskFull`], [`GalleryError::Storage`].
    pub(in crate::gallery) fn keep_version(&self) -> Result<(), GalleryError> {
        self.folder.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(Ok(()), Folder::keep_version)
    }

    /// Where it lies; `None` on storage that is no folder.
    pub(super) fn folder(&self) -> Option<&Path> {
        match self.shared.storage {
            Storage::File(_) => Some(&self.shared.path),
            Storage::Backend(_) => None,
        }
    }

    /// What the index file of a recipe and its marks are named.
    pub(super) fn index_name(&self, recipe: RecipeDigest) -> String {
        match recipe == self.shared.recipe_of_index {
            true => INDEX_KEY.to_owned(),
            false => format!("{INDEX_KEY}-{}", hex::encode(&recipe.0[..8])),
        }
    }

    /// Says that the index of `recipe` needs the log for commits after `commit` alone.
    pub(super) fn needs_log_after(&self, recipe: RecipeDigest, commit: u64) {
        self.shared.followers.lock().unwrap_or_else(PoisonError::into_inner).insert(recipe, commit);
    }

    fn queue(&self) -> Result<mpsc::Sender<Message>, GalleryError> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(GalleryError::Closing)
    }

    /// Has the database opened again where it has to be.
    pub(super) fn recover(&self) {
        if let Ok(queue) = self.queue() {
            // Full: then commands wait, and they find out by themselves.
            let _ = queue.try_send(Message::Recover);
        }
    }

    /// Reads the database on a thread that may block.
    pub(super) async fn read_tables<T, F>(&self, read: F) -> Result<T, GalleryError>
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
        if matches!(error, StoreError::Redb(_)) || !self.shared.database.is_open() {
            self.recover();
        }
        Err(error.at(&self.shared.path))
    }
}

#[async_trait]
impl RecordStore for EmbeddedStore {
    fn id(&self) -> GalleryId {
        self.shared.id
    }

    fn recipes(&self) -> Vec<(RecipeDigest, usize)> {
        self.shared.recipes.clone()
    }

    async fn read(&self, wanted: ReadSet) -> Result<Records, GalleryError> {
        self.read_tables(move |snapshot, shared| {
            let counters = snapshot.counters()?;
            let state = State {
                unlogged: counters.template_next..counters.template_next,
                relabelled: Vec::new(),
                templates: shared.templates.load(Ordering::Acquire),
                templates_max: shared.options.templates_max,
                recipes: &shared.recipes,
                decision_next: counters.decision_next,
                captures: counters.captures,
                subject_requests: counters.subject_requests,
                counters,
            };
            let records = read::read(snapshot, &state, &wanted)?;
            let last_retention = match wanted.last_retention {
                true => read_retention(snapshot.gallery()?)?,
                false => None,
            };
            Ok(Records { has_ledger: shared.has_ledger, last_retention, ..records })
        })
        .await
    }

    async fn commit(&self, context: &RequestContext, command: Command) -> Result<Committed, GalleryError> {
        let (reply, committed) = oneshot::channel();
        let waiting = Box::new(Waiting { context: context.clone(), command, reply });
        self.queue()?.send(Message::Commit(waiting)).await.map_err(|_| GalleryError::Closing)?;
        committed.await.map_err(|_| GalleryError::Closing)?
    }

    fn last_change(&self) -> Watermark {
        self.shared.tail.last_change()
    }

    async fn changes(&self, after: Watermark) -> Result<Changes, GalleryError> {
        if let Some(changes) = self.shared.tail.changes(after) {
            return Ok(changes);
        }
        self.read_tables(move |snapshot, shared| {
            let counters = snapshot.counters()?;
            read::changes(snapshot, &counters, after.0, &shared.recipes)
        })
        .await
    }

    async fn snapshot(&self) -> Result<GallerySnapshot, GalleryError> {
        self.take_snapshot().await
    }

    async fn rows(&self) -> Result<GalleryRows, GalleryError> {
        self.take_rows().await
    }

    async fn subjects_after(&self, after: Option<&SubjectId>, limit: usize) -> Result<Vec<SubjectId>, GalleryError> {
        let after = after.cloned();
        self.read_tables(move |snapshot, _| read::subjects_after(snapshot, after.as_ref(), limit)).await
    }

    async fn pairs_after(
        &self,
        after: Option<&(SubjectId, SubjectId)>,
        limit: usize,
    ) -> Result<Vec<ClearedPair>, GalleryError> {
        let after = after.cloned();
        self.read_tables(move |snapshot, _| {
            let after = after.map(|(one, other)| cleared_key(snapshot.protection(), &one, &other));
            read_cleared_pairs(snapshot, after.as_deref(), limit)
        })
        .await
    }

    async fn decisions_after(
        &self,
        filter: &DecisionFilter,
        after: u64,
        limit: usize,
    ) -> Result<DecisionPage, GalleryError> {
        let filter = filter.clone();
        self.read_tables(move |snapshot, _| {
            let next = snapshot.counters()?.decision_next;
            read::decisions_after(snapshot, &filter, after, limit, next)
        })
        .await
    }

    async fn requests_after(
        &self,
        filter: &RequestFilter,
        after: u64,
        limit: usize,
    ) -> Result<RequestPage, GalleryError> {
        let filter = filter.clone();
        self.read_tables(move |snapshot, _| subject_requests::requests_after(snapshot, &filter, after, limit)).await
    }

    async fn captures_sharing(&self, bands: &[CaptureBand]) -> Result<CapturesFound, GalleryError> {
        let bands = bands.to_vec();
        self.read_tables(move |snapshot, _| {
            let next = snapshot.counters()?.captures + 1;
            Ok(CapturesFound { captures: read_captures(snapshot, 0, &bands, Timestamp::now())?, next })
        })
        .await
    }

    fn is_sealed(&self) -> bool {
        self.shared.database.protection().keys().is_some()
    }

    fn has_ledger(&self) -> bool {
        self.shared.has_ledger
    }

    async fn read_ledger(&self, read: LedgerRead) -> Result<(), GalleryError> {
        self.read_tables(move |snapshot, shared| {
            let tables = LedgerAt { tables: snapshot.ledger()?, records: snapshot, path: &shared.path };
            Ok(read(&tables)?)
        })
        .await
    }

    async fn destroy_keys(&self) -> Result<(), GalleryError> {
        self.read_tables(|snapshot, _| given_up::destroy(snapshot)).await
    }

    fn sizes(&self) -> Sizes {
        let Shared { subjects, templates, .. } = &*self.shared;
        Sizes { subjects: subjects.load(Ordering::Acquire), templates: templates.load(Ordering::Acquire) }
    }

    fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
        for thread in [&self.rotation, &self.sealing] {
            if let Some(thread) = thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
                let _ = thread.join();
            }
        }
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(writer) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It catches panics itself; there is nobody left to tell.
            let _ = writer.join();
        }
        self.shared.database.close();
        drop(self.folder.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.close();
    }
}
