//! The record store as its callers see it. It has a runtime of its own, so that connections live as long
//! as the store, whatever runtime its callers come from, and blocks nobody but while it opens and closes.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::IsolationLevel;

use super::super::record::fault::{ServerFault, StoreError};
use super::super::record::message::{GalleryRecord, IdRecord, seal, unseal};
use super::super::record::protection::Protection;
use super::connect::Connections;
use super::ledger::{self, LedgerAt};
use super::options::PostgresOptions;
use super::sql::{Gate, Layout, Sql};
use super::writer::{self, Waiting};
use super::{changes, lists, read, schema, snapshot};
use crate::context::RequestContext;
use crate::face::RecipeDigest;
use crate::gallery::{
    CaptureBand, CapturesFound, Changes, ClearedPair, Command, Committed, DecisionFilter, DecisionPage, GalleryError,
    GalleryId, GallerySnapshot, LedgerRead, ReadSet, RecordStore, Records, RequestFilter, RequestPage, Sizes,
    SubjectId, Timestamp, Watermark,
};
use crate::search::SearchError;

/// Version of the gallery's own record; that of the tables is counted by `schema`.
const RECORD_VERSION: u32 = 1;
/// Names of facts.
const GALLERY: &str = "gallery";
const ID: &str = "id";
/// Threads that talk to the server.
const THREADS: usize = 2;
/// How long closing waits for the commits that wait.
const CLOSE_MAX: Duration = Duration::from_secs(120);

/// What callers, readers and the writer share.
pub(super) struct Shared {
    pub(super) connections: Connections,
    pub(super) options: PostgresOptions,
    pub(super) layout: Layout,
    /// Recipes that the gallery's record names.
    pub(super) listed: Mutex<BTreeSet<RecipeDigest>>,
    last_change: AtomicU64,
    /// The newest commit that was seen, with how much was stored then.
    sizes: Mutex<(u64, Sizes)>,
}

impl Shared {
    /// Notes what a commit or a read found; what is older than what is known changes nothing.
    pub(super) fn saw(&self, gate: &Gate) {
        self.last_change.fetch_max(gate.last_change, Ordering::AcqRel);
        let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        if gate.commit >= sizes.0 {
            *sizes = (gate.commit, Sizes { subjects: gate.subjects, templates: gate.templates });
        }
    }
}

/// What is read in one transaction.
type Reading<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A [`RecordStore`] in a schema of a PostgreSQL database.
pub(in crate::gallery) struct PostgresStore {
    id: GalleryId,
    shared: Arc<Shared>,
    /// `None` once it is closed.
    queue: Mutex<Option<mpsc::Sender<Box<Waiting>>>>,
    /// Hears when the writer has ended.
    ended: Mutex<std::sync::mpsc::Receiver<()>>,
    runtime: Mutex<Option<Runtime>>,
}

impl PostgresStore {
    /// Opens the store for templates of `recipe` with `dimension` values; makes it where there is none,
    /// unless the options forbid that or ask for one with an id. Brings an older schema to this program's
    /// version.
    ///
    /// # Errors
    /// [`GalleryError::Postgres`] where the server cannot be reached, may not be used, or has a newer
    /// schema; [`GalleryError::NotThere`], [`GalleryError::OtherGallery`], [`GalleryError::OtherRecipe`],
    /// [`GalleryError::Search`], [`GalleryError::LedgerNeeded`], [`GalleryError::LedgerKey`],
    /// [`GalleryError::LedgerSigner`], [`GalleryError::Damaged`]; [`GalleryError::DiskFull`].
    pub(in crate::gallery) fn open(
        recipe: RecipeDigest,
        dimension: usize,
        options: PostgresOptions,
    ) -> Result<Self, GalleryError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("gallery-postgres")
            .enable_all()
            .build()
            .map_err(|error| GalleryError::Storage(error.to_string()))?;
        let opened = on(&runtime, open(recipe, dimension, options));
        let (id, shared) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let (queue, messages) = mpsc::channel(shared.options.queue_max.max(1));
        let (ends, ended) = std::sync::mpsc::channel();
        let of_writer = Arc::clone(&shared);
        runtime.spawn(async move {
            writer::run(of_writer, messages).await;
            // Nobody may be waiting.
            let _ = ends.send(());
        });
        Ok(Self {
            id,
            shared,
            queue: Mutex::new(Some(queue)),
            ended: Mutex::new(ended),
            runtime: Mutex::new(Some(runtime)),
        })
    }

    fn queue(&self) -> Result<mpsc::Sender<Box<Waiting>>, GalleryError> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(GalleryError::Closing)
    }

    fn runtime(&self) -> Result<Handle, GalleryError> {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        runtime.as_ref().map(|runtime| runtime.handle().clone()).ok_or(GalleryError::Closing)
    }

    /// Reads the tables as of one commit. Read again once where the connection was cut: it may have been
    /// kept open while the server was started anew.
    async fn read_tables<T, F>(&self, read: F) -> Result<T, GalleryError>
    where
        T: Send + 'static,
        F: for<'a> Fn(&'a Sql<'_>) -> Reading<'a, T> + Send + Sync + 'static,
    {
        self.queue()?;
        let shared = Arc::clone(&self.shared);
        let task = self.runtime()?.spawn(async move {
            let first = read_once(&shared, &read).await;
            let read = match first {
                Err(StoreError::Server(ServerFault { is_cut: true, .. })) => read_once(&shared, &read).await,
                other => other,
            };
            read.map_err(|error| error.at(shared.layout.place()))
        });
        task.await.unwrap_or(Err(GalleryError::Closing))
    }
}

async fn read_once<T, F>(shared: &Shared, read: &F) -> Result<T, StoreError>
where
    F: for<'a> Fn(&'a Sql<'_>) -> Reading<'a, T>,
{
    let mut client = shared.connections.reader().await?;
    let transaction =
        client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start();
    let sql = Sql::new(transaction.await?, &shared.layout);
    let gate = sql.gate().await?;
    let found = read(&sql).await;
    sql.roll_back().await;
    shared.saw(&gate);
    found
}

/// Runs a future to its end on a runtime, from a thread that may be another one's.
fn on<T: Send + 'static>(
    runtime: &Runtime,
    work: impl Future<Output = Result<T, GalleryError>> + Send + 'static,
) -> Result<T, GalleryError> {
    let (done, result) = std::sync::mpsc::channel();
    runtime.spawn(async move { done.send(work.await) });
    result.recv().unwrap_or(Err(GalleryError::Closing))
}

/// Opens the tables, and makes what is not there.
async fn open(
    recipe: RecipeDigest,
    dimension: usize,
    options: PostgresOptions,
) -> Result<(GalleryId, Arc<Shared>), GalleryError> {
    let place = options.place();
    let connections = Connections::new(&options)?;
    let mut recipes = vec![(recipe, dimension)];
    recipes.extend(options.recipes_beside.iter().filter(|(of, _)| *of != recipe));
    let mut layout = Layout {
        protection: Protection::Checksummed,
        recipes,
        templates_max: options.templates_max,
        has_ledger: false,
        place: place.clone(),
    };
    let opened = open_tables(&connections, &options, &layout).await.map_err(|error| error.at(&place));
    let (id, listed, gate) = opened?;
    layout.has_ledger = gate.entries.is_some();
    let shared = Shared {
        connections,
        options,
        layout,
        listed: Mutex::new(listed),
        last_change: AtomicU64::new(0),
        sizes: Mutex::new((0, Sizes { subjects: 0, templates: 0 })),
    };
    shared.saw(&gate);
    Ok((id, Arc::new(shared)))
}

async fn open_tables(
    connections: &Connections,
    options: &PostgresOptions,
    layout: &Layout,
) -> Result<(GalleryId, BTreeSet<RecipeDigest>, Gate), StoreError> {
    let mut client = connections.committer().await?;
    schema::migrate(&mut client, options).await?;
    let transaction = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start();
    let sql = Sql::new(transaction.await?, layout);
    // Of several processes that open at once one makes the gallery.
    sql.lock_gate().await?;
    let mut gate = sql.gate().await?;
    let (id, record) = match read_gallery(&sql).await? {
        None if options.create && options.id.is_none() => make(&sql).await?,
        None => return Err(GalleryError::NotThere(options.place()).into()),
        Some(record) => (read_id(&sql).await?, record),
    };
    if let Some(wanted) = options.id.filter(|wanted| *wanted != id) {
        return Err(GalleryError::OtherGallery { path: options.place(), found: id, wanted }.into());
    }
    let record = check_recipes(&sql, record).await?;
    ledger::begin_or_check(&sql, &mut gate, options.ledger.as_ref()).await?;
    sql.put_gate(&gate).await?;
    let listed = record.recipes()?.into_iter().map(|(recipe, _)| recipe).collect();
    sql.commit().await?;
    Ok((id, listed, gate))
}

/// Makes the gallery's own record, for the first recipe it is opened for.
async fn make(sql: &Sql<'_>) -> Result<(GalleryId, GalleryRecord), StoreError> {
    let id = GalleryId::random().map_err(|error| GalleryError::Storage(error.to_string()))?;
    sql.put_fact(ID, &seal("gallery", ID.as_bytes(), &IdRecord { id: id.bytes().to_vec() })).await?;
    let record = GalleryRecord { version: RECORD_VERSION, created_at: Timestamp::now().0, ..GalleryRecord::default() };
    let record = record.with_recipes(sql.layout.recipes.get(..1).unwrap_or_default());
    put_gallery(sql, &record).await?;
    Ok((id, record))
}

/// What the gallery is; `None` before it was made.
pub(super) async fn read_gallery(sql: &Sql<'_>) -> Result<Option<GalleryRecord>, StoreError> {
    let value = sql.fact(GALLERY).await?;
    value.map(|value| unseal("gallery", GALLERY.as_bytes(), &value)).transpose()
}

async fn put_gallery(sql: &Sql<'_>, record: &GalleryRecord) -> Result<(), StoreError> {
    sql.put_fact(GALLERY, &seal("gallery", GALLERY.as_bytes(), record)).await
}

async fn read_id(sql: &Sql<'_>) -> Result<GalleryId, StoreError> {
    let value = sql.fact(ID).await?.ok_or_else(|| StoreError::damaged("the gallery's id is missing"))?;
    let record: IdRecord = unseal("gallery", ID.as_bytes(), &value)?;
    GalleryId::from_bytes(&record.id).ok_or_else(|| StoreError::damaged("the gallery's id is of another length"))
}

/// Refuses a gallery with templates of a recipe that it is not opened for, or of another dimension.
/// Recipes beside the first of which no templates are left are taken out of its record.
async fn check_recipes(sql: &Sql<'_>, record: GalleryRecord) -> Result<GalleryRecord, StoreError> {
    let given = &sql.layout.recipes;
    let stored = record.recipes()?;
    let mut kept = Vec::new();
    for (place, &(recipe, expected)) in stored.iter().enumerate() {
        match given.iter().find(|(of, _)| *of == recipe) {
            Some(&(_, found)) if found != expected => {
                return Err(GalleryError::Search(SearchError::Dimension { expected, found }).into());
            }
            Some(_) => kept.push((recipe, expected)),
            None if (place + 1 < stored.len() || !kept.is_empty()) && !has_templates(sql, recipe).await? => {}
            None => {
                let template = given.first().map_or(recipe, |(own, _)| *own);
                return Err(GalleryError::OtherRecipe { gallery: recipe, template }.into());
            }
        }
    }
    if kept.len() == stored.len() {
        return Ok(record);
    }
    let record = record.with_recipes(&kept);
    put_gallery(sql, &record).await?;
    Ok(record)
}

async fn has_templates(sql: &Sql<'_>, recipe: RecipeDigest) -> Result<bool, StoreError> {
    let found = "SELECT EXISTS (SELECT 1 FROM templates WHERE recipe = $1)";
    let row = sql.row(found, &[&recipe.0.as_slice()]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(false))
}

/// Names a recipe in the gallery's record of which the first template comes.
pub(super) async fn list_recipe(sql: &Sql<'_>, recipe: RecipeDigest) -> Result<(), StoreError> {
    let record = read_gallery(sql).await?.ok_or_else(|| StoreError::damaged("the gallery's own record is missing"))?;
    let mut listed = record.recipes()?;
    if listed.iter().any(|(of, _)| *of == recipe) {
        return Ok(());
    }
    let own = sql.layout.recipes.iter().find(|(of, _)| *of == recipe);
    listed.push(*own.ok_or_else(|| StoreError::damaged("a template is of another recipe"))?);
    put_gallery(sql, &record.with_recipes(&listed)).await
}

#[async_trait]
impl RecordStore for PostgresStore {
    fn id(&self) -> GalleryId {
        self.id
    }

    fn recipes(&self) -> Vec<(RecipeDigest, usize)> {
        self.shared.layout.recipes.clone()
    }

    async fn read(&self, wanted: ReadSet) -> Result<Records, GalleryError> {
        let wanted = Arc::new(wanted);
        let records = self.read_tables(move |sql| {
            let wanted = Arc::clone(&wanted);
            Box::pin(async move {
                let gate = sql.gate().await?;
                let records = read::read(sql, &gate, &wanted).await?;
                // Told where a command is planned alone.
                Ok(Records { entry_next: None, ledger: None, ..records })
            })
        });
        records.await
    }

    async fn commit(&self, _: &RequestContext, command: Command) -> Result<Committed, GalleryError> {
        let (reply, committed) = oneshot::channel();
        let waiting = Box::new(Waiting { command, reply });
        self.queue()?.send(waiting).await.map_err(|_| GalleryError::Closing)?;
        committed.await.map_err(|_| GalleryError::Closing)?
    }

    fn last_change(&self) -> Watermark {
        Watermark(self.shared.last_change.load(Ordering::Acquire))
    }

    async fn changes(&self, after: Watermark) -> Result<Changes, GalleryError> {
        let changes = self.read_tables(move |sql| {
            Box::pin(async move {
                let gate = sql.gate().await?;
                changes::changes(sql, &gate, after.0).await
            })
        });
        changes.await
    }

    async fn snapshot(&self) -> Result<GallerySnapshot, GalleryError> {
        self.queue()?;
        let taken = self.runtime()?.spawn(snapshot::take(Arc::clone(&self.shared)));
        taken.await.unwrap_or(Err(GalleryError::Closing))
    }

    async fn subjects_after(&self, after: Option<&SubjectId>, limit: usize) -> Result<Vec<SubjectId>, GalleryError> {
        let after = after.cloned();
        let page = self.read_tables(move |sql| {
            let after = after.clone();
            Box::pin(async move { lists::subjects_after(sql, after.as_ref(), limit).await })
        });
        page.await
    }

    async fn pairs_after(
        &self,
        after: Option<&(SubjectId, SubjectId)>,
        limit: usize,
    ) -> Result<Vec<ClearedPair>, GalleryError> {
        let after = after.cloned();
        let page = self.read_tables(move |sql| {
            let after = after.clone();
            Box::pin(async move { lists::pairs_after(sql, after.as_ref(), limit).await })
        });
        page.await
    }

    async fn decisions_after(
        &self,
        filter: &DecisionFilter,
        after: u64,
        limit: usize,
    ) -> Result<DecisionPage, GalleryError> {
        let filter = filter.clone();
        let page = self.read_tables(move |sql| {
            let filter = filter.clone();
            Box::pin(async move { lists::decisions_after(sql, &filter, after, limit).await })
        });
        page.await
    }

    async fn requests_after(
        &self,
        filter: &RequestFilter,
        after: u64,
        limit: usize,
    ) -> Result<RequestPage, GalleryError> {
        let filter = filter.clone();
        let page = self.read_tables(move |sql| {
            let filter = filter.clone();
            Box::pin(async move { lists::requests_after(sql, &filter, after, limit).await })
        });
        page.await
    }

    async fn captures_sharing(&self, bands: &[CaptureBand]) -> Result<CapturesFound, GalleryError> {
        let bands = bands.to_vec();
        let found = self.read_tables(move |sql| {
            let bands = bands.clone();
            Box::pin(async move { lists::captures_sharing(sql, &bands).await })
        });
        found.await
    }

    fn has_ledger(&self) -> bool {
        self.shared.layout.has_ledger
    }

    async fn read_ledger(&self, read: LedgerRead) -> Result<(), GalleryError> {
        self.queue()?;
        let (shared, runtime) = (Arc::clone(&self.shared), self.runtime()?);
        let of_task = runtime.clone();
        let task = runtime.spawn_blocking(move || {
            let at = |error: StoreError| error.at(shared.layout.place());
            let mut client = of_task.block_on(shared.connections.reader()).map_err(at)?;
            let transaction =
                client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start();
            let transaction = of_task.block_on(transaction).map_err(|error| at(error.into()))?;
            let sql = Sql::new(transaction, &shared.layout);
            // A pass over the whole log lasts as long as that is large, and holds up nobody.
            for setting in ["transaction_timeout", "idle_in_transaction_session_timeout"] {
                of_task.block_on(sql.run(&format!("SET LOCAL {setting} = 0"), &[])).map_err(at)?;
            }
            let found = read(&LedgerAt { sql: &sql, runtime: &of_task });
            of_task.block_on(sql.roll_back());
            found
        });
        task.await.unwrap_or(Err(GalleryError::Closing))
    }

    fn sizes(&self) -> Sizes {
        self.shared.sizes.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    fn close(&self) {
        if self.queue.lock().unwrap_or_else(PoisonError::into_inner).take().is_none() {
            return;
        }
        // It ends when the commits that wait are done.
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(CLOSE_MAX).is_err() {
            tracing::warn!("the gallery was closed while commits had no answer from the server");
        }
        self.shared.connections.close();
        if let Some(runtime) = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.close();
    }
}
