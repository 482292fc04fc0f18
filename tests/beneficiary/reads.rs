//! What a decision asks of the record store, and what holds where several engines share one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chinhchu::context::RequestContext;
use chinhchu::face::RecipeDigest;
use chinhchu::gallery::{
    self, CaptureBand, CapturesFound, Changes, ClearedPair, Command, Committed, DecisionFilter, DecisionPage,
    EmbeddedOptions, Gallery, GalleryError, GalleryId, GallerySnapshot, LedgerRead, Outcome, ReadSet, RecordStore,
    Records, RequestFilter, RequestPage, Sizes, SubjectId, VectorIndex, Watermark,
};
use chinhchu::workflow::Engine;

use crate::need_assets;
use crate::support::*;

/// A store that counts what is asked of another, which it leaves open.
struct Counting {
    store: Arc<dyn RecordStore>,
    reads: AtomicUsize,
    commits: AtomicUsize,
    others: AtomicUsize,
    /// Who committed last.
    caller: Mutex<Option<RequestContext>>,
}

impl Counting {
    fn new(store: Arc<dyn RecordStore>) -> Arc<Self> {
        Arc::new(Self {
            store,
            reads: AtomicUsize::new(0),
            commits: AtomicUsize::new(0),
            others: AtomicUsize::new(0),
            caller: Mutex::new(None),
        })
    }

    /// Reads, commits, and all else but the log, since the last time.
    fn take(&self) -> [usize; 3] {
        [&self.reads, &self.commits, &self.others].map(|count| count.swap(0, Ordering::SeqCst))
    }
}

#[async_trait]
impl RecordStore for Counting {
    fn id(&self) -> GalleryId {
        self.store.id()
    }

    fn recipes(&self) -> Vec<(RecipeDigest, usize)> {
        self.store.recipes()
    }

    async fn read(&self, wanted: ReadSet) -> Result<Records, GalleryError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.store.read(wanted).await
    }

    async fn commit(&self, context: &RequestContext, command: Command) -> Result<Committed, GalleryError> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        *self.caller.lock().unwrap() = Some(context.clone());
        self.store.commit(context, command).await
    }

    fn last_change(&self) -> Watermark {
        self.store.last_change()
    }

    async fn changes(&self, after: Watermark) -> Result<Changes, GalleryError> {
        self.store.changes(after).await
    }

    async fn requests_after(
        &self,
        filter: &RequestFilter,
        after: u64,
        limit: usize,
    ) -> Result<RequestPage, GalleryError> {
        self.others.fetch_add(1, Ordering::SeqCst);
        self.store.requests_after(filter, after, limit).await
    }

    fn has_ledger(&self) -> bool {
        self.store.has_ledger()
    }

    async fn read_ledger(&self, read: LedgerRead) -> Result<(), GalleryError> {
        self.store.read_ledger(read).await
    }

    async fn snapshot(&self) -> Result<GallerySnapshot, GalleryError> {
        self.others.fetch_add(1, Ordering::SeqCst);
        self.store.snapshot().await
    }

    async fn subjects_after(&self, after: Option<&SubjectId>, limit: usize) -> Result<Vec<SubjectId>, GalleryError> {
        self.others.fetch_add(1, Ordering::SeqCst);
        self.store.subjects_after(after, limit).await
    }

    async fn pairs_after(
        &self,
        after: Option<&(SubjectId, SubjectId)>,
        limit: usize,
    ) -> Result<Vec<ClearedPair>, GalleryError> {
        self.others.fetch_add(1, Ordering::SeqCst);
        self.store.pairs_after(after, limit).await
    }

    async fn captures_sharing(&self, bands: &[CaptureBand]) -> Result<CapturesFound, GalleryError> {
        self.others.fetch_add(1, Ordering::SeqCst);
        self.store.captures_sharing(bands).await
    }

    async fn decisions_after(
        &self,
        filter: &DecisionFilter,
        after: u64,
        limit: usize,
    ) -> Result<DecisionPage, GalleryError> {
        self.others.fetch_add(1, Ordering::SeqCst);
        self.store.decisions_after(filter, after, limit).await
    }

    fn sizes(&self) -> Sizes {
        self.store.sizes()
    }
}

/// A caller whom every commit must name.
fn desk() -> RequestContext {
    RequestContext::internal("desk").with_unit("unit-7")
}

/// An engine of its own over a store and an index that others use as well.
fn engine_over(store: Arc<dyn RecordStore>, index: &Arc<dyn VectorIndex>) -> Engine {
    let gallery = Gallery::new(store, vec![Arc::clone(index)]).expect("one recipe");
    engine_alone(anchors(), None).with_gallery(Arc::new(gallery)).expect("the pack's recipe")
}

fn parts(folder: &std::path::Path) -> (Arc<dyn RecordStore>, Arc<dyn VectorIndex>) {
    let engine = engine_alone(anchors(), None);
    let (recipe, dimension) = (engine.recipe(), engine.pack().dimension());
    let (store, mut indexes) =
        gallery::open_parts(folder, recipe, dimension, EmbeddedOptions::default()).expect("a gallery");
    (store, indexes.remove(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_reads_the_store_once_and_commits_once() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let (store, index) = parts(folder.path());
    let counting = Counting::new(store);
    let engine = engine_over(Arc::clone(&counting) as _, &index);
    counting.take();
    for (transaction, subject, person, photo, outcome) in [
        // Enrolled at first sight, known by its reference, and found under another number.
        ("t-1", "record-1", &FIRST, "obama2.jpg", Outcome::Approve),
        ("t-2", "record-1", &FIRST, "obama2.jpg", Outcome::Approve),
        ("t-3", "record-2", &SECOND_CARD, "obama2.jpg", Outcome::Refer),
    ] {
        let decided = engine.verify_beneficiary(&desk(), claim(transaction, subject, person, &[photo])).await.unwrap();
        assert_eq!(decided.decided.outcome, outcome, "{transaction}");
        assert_eq!(counting.take(), [1, 1, 0], "{transaction}");
        let caller = counting.caller.lock().unwrap().take().expect("a commit names its caller");
        assert_eq!((caller.principal().kind(), caller.unit()), ("internal", Some("unit-7")));
    }
    // Asked for again, nothing is committed.
    engine.verify_beneficiary(&desk(), claim("t-1", "record-1", &FIRST, &["obama2.jpg"])).await.unwrap();
    assert_eq!(counting.take(), [1, 0, 0]);
}

/// The two engines know nothing of each other: each has its own turns.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_engines_that_meet_one_face_under_two_numbers_one_finds_the_other() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let (store, index) = parts(folder.path());
    let engines = [0, 1].map(|_| engine_over(Counting::new(Arc::clone(&store)) as _, &index));
    for round in 0..3 {
        let claims =
            [(&FIRST, "one"), (&SECOND_CARD, "other")].into_iter().zip(&engines).map(|((who, name), engine)| {
                let request = claim(&format!("t-{name}-{round}"), &format!("{name}-{round}"), who, &["obama2.jpg"]);
                let engine = engine.clone();
                tokio::spawn(async move { engine.verify_beneficiary(&desk(), request).await.unwrap() })
            });
        let mut approved = 0;
        for claim in claims.collect::<Vec<_>>() {
            let decided = claim.await.unwrap();
            let found = against(&decided).contains(&"DUPLICATE_FACE");
            assert_eq!(decided.decided.outcome == Outcome::Approve, !found, "{:?}", against(&decided));
            approved += usize::from(!found);
        }
        assert_eq!(approved, usize::from(round == 0), "round {round}");
    }
}

/// Two engines are asked for the same attempt at the same moment: one answer, for both.
#[tokio::test(flavor = "multi_thread")]
async fn two_engines_that_are_asked_the_same_give_the_same_answer() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let (store, index) = parts(folder.path());
    let engines = [0, 1, 2].map(|_| engine_over(Counting::new(Arc::clone(&store)) as _, &index));
    let calls = engines.map(|engine| {
        let request = claim("t-1", "record-1", &FIRST, &["obama2.jpg"]);
        tokio::spawn(async move { engine.verify_beneficiary(&desk(), request).await.unwrap() })
    });
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!((store.sizes().subjects, store.sizes().templates), (1, 1));
}
