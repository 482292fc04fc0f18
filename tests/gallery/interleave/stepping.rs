//! The store and the index in memory, with a point to stop at wherever an engine waits for them: two
//! engines share one store, and one writer carries out what they ask for, one command at a time.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use chinhchu::context::RequestContext;
use chinhchu::face::{RecipeDigest, Template};
use chinhchu::gallery::{
    CaptureBand, CapturesFound, Changes, ClearedPair, Command, Committed, DecisionFilter, DecisionPage, Found,
    GalleryError, GalleryId, GallerySnapshot, IndexFilter, LedgerRead, ReadSet, RecordStore, Records, RequestFilter,
    RequestPage, Scope, Sizes, SubjectId, VectorIndex, Watermark,
};

use crate::memory::{MemoryIndex, MemoryStore};
use crate::support::by;

/// Lets others go on once.
pub async fn pause() {
    let mut is_over = false;
    poll_fn(move |_| if std::mem::replace(&mut is_over, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// What a future that waits for nothing comes to.
pub fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

type Reply = Arc<Mutex<Option<Result<Committed, GalleryError>>>>;

struct Waiting {
    engine: u64,
    command: Command,
    reply: Reply,
}

/// A store that several engines share.
pub struct Shared {
    pub store: MemoryStore,
    waiting: Mutex<VecDeque<Waiting>>,
    context: RequestContext,
}

impl Shared {
    pub fn new(store: MemoryStore) -> Self {
        Self { store, waiting: Mutex::default(), context: by() }
    }

    pub fn waits(&self) -> bool {
        !self.waiting.lock().unwrap().is_empty()
    }

    /// Carries out the command that has waited longest, whether somebody still waits for its answer or not.
    pub fn carry_out_next(&self) -> Option<(Command, Result<Committed, GalleryError>)> {
        let Waiting { command, reply, .. } = self.waiting.lock().unwrap().pop_front()?;
        let result = at_once(self.store.commit(&self.context, command.clone()));
        *reply.lock().unwrap() = Some(result.clone());
        Some((command, result))
    }

    /// What an engine had asked for and was not carried out is gone with it.
    pub fn forget(&self, engine: u64) {
        self.waiting.lock().unwrap().retain(|one| one.engine != engine);
    }
}

/// The store as one engine sees it. It does not close what others use.
pub struct Stepping {
    pub shared: Arc<Shared>,
    pub engine: u64,
}

#[async_trait]
impl RecordStore for Stepping {
    fn id(&self) -> GalleryId {
        self.shared.store.id()
    }

    fn recipes(&self) -> Vec<(RecipeDigest, usize)> {
        self.shared.store.recipes()
    }

    async fn read(&self, wanted: ReadSet) -> Result<Records, GalleryError> {
        pause().await;
        let records = self.shared.store.read(wanted).await;
        pause().await;
        records
    }

    async fn commit(&self, _: &RequestContext, command: Command) -> Result<Committed, GalleryError> {
        pause().await;
        let reply = Reply::default();
        let waiting = Waiting { engine: self.engine, command, reply: Arc::clone(&reply) };
        self.shared.waiting.lock().unwrap().push_back(waiting);
        poll_fn(|_| reply.lock().unwrap().take().map_or(Poll::Pending, Poll::Ready)).await
    }

    fn last_change(&self) -> Watermark {
        self.shared.store.last_change()
    }

    async fn changes(&self, after: Watermark) -> Result<Changes, GalleryError> {
        pause().await;
        let changes = self.shared.store.changes(after).await;
        pause().await;
        changes
    }

    async fn snapshot(&self) -> Result<GallerySnapshot, GalleryError> {
        self.shared.store.snapshot().await
    }

    async fn subjects_after(&self, after: Option<&SubjectId>, limit: usize) -> Result<Vec<SubjectId>, GalleryError> {
        self.shared.store.subjects_after(after, limit).await
    }

    async fn pairs_after(
        &self,
        after: Option<&(SubjectId, SubjectId)>,
        limit: usize,
    ) -> Result<Vec<ClearedPair>, GalleryError> {
        self.shared.store.pairs_after(after, limit).await
    }

    async fn decisions_after(
        &self,
        filter: &DecisionFilter,
        after: u64,
        limit: usize,
    ) -> Result<DecisionPage, GalleryError> {
        self.shared.store.decisions_after(filter, after, limit).await
    }

    async fn requests_after(
        &self,
        filter: &RequestFilter,
        after: u64,
        limit: usize,
    ) -> Result<RequestPage, GalleryError> {
        self.shared.store.requests_after(filter, after, limit).await
    }

    async fn captures_sharing(&self, bands: &[CaptureBand]) -> Result<CapturesFound, GalleryError> {
        pause().await;
        let found = self.shared.store.captures_sharing(bands).await;
        pause().await;
        found
    }

    fn has_ledger(&self) -> bool {
        self.shared.store.has_ledger()
    }

    async fn read_ledger(&self, read: LedgerRead) -> Result<(), GalleryError> {
        self.shared.store.read_ledger(read).await
    }

    fn sizes(&self) -> Sizes {
        self.shared.store.sizes()
    }
}

/// An engine's own index.
pub struct SteppingIndex(pub Arc<MemoryIndex>);

#[async_trait]
impl VectorIndex for SteppingIndex {
    fn recipe(&self) -> RecipeDigest {
        self.0.recipe()
    }

    fn dimension(&self) -> usize {
        self.0.dimension()
    }

    fn watermark(&self) -> Watermark {
        self.0.watermark()
    }

    async fn apply(&self, changes: Changes) -> Result<(), GalleryError> {
        pause().await;
        self.0.apply(changes).await?;
        pause().await;
        Ok(())
    }

    async fn search(
        &self,
        probe: &Template,
        scope: Scope,
        filter: &IndexFilter,
        at_least: Watermark,
    ) -> Result<Found, GalleryError> {
        pause().await;
        let found = self.0.search(probe, scope, filter, at_least).await;
        pause().await;
        found
    }

    fn score_error(&self) -> f32 {
        self.0.score_error()
    }

    fn count(&self, filter: &IndexFilter) -> u64 {
        self.0.count(filter)
    }
}
