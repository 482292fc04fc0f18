//! Searches that come in together are answered together.
//!
//! One batch runs at a time, on all cores; what comes in meanwhile waits for the
//! next one, which reads the index once for all of them. So a search that comes
//! alone begins at once, and many cost far less than one after the other.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::candidates::{self, Asked, Question};
use super::shared::Shared;
use crate::gallery::{Candidate, Found, GalleryError, IndexFilter};
use crate::search::SearchError;

/// Searches in a batch at most: bounds the time that the first of the next one
/// waits.
const BATCH_MAX: usize = 64;

/// Views that are tried where vectors outside memory came or went between a view and
/// what it is read from: one commit in between is rare, several are not to be expected.
const VIEWS_MAX: usize = 8;

/// Who waits for an answer.
type Answer = Result<Found, GalleryError>;

/// A search to be answered with others.
pub(super) struct SearchRequest {
    /// Found fit for the index, as is `asked`.
    pub(super) query: Vec<f32>,
    pub(super) asked: Asked,
    pub(super) filter: IndexFilter,
}

/// A search that waits.
struct Pending {
    request: SearchRequest,
    reply: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct Queue {
    pending: VecDeque<Pending>,
    /// True while a batch runs; whoever runs it takes the next one too.
    is_running: bool,
}

/// Where searches wait for each other.
#[derive(Default)]
pub(super) struct SearchBatches {
    queue: Mutex<Queue>,
}

impl SearchBatches {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Searches that wait, taken out, without those whose callers have gone.
    fn take(&self) -> Vec<Pending> {
        let mut queue = self.queue();
        let mut batch = Vec::new();
        while batch.len() < BATCH_MAX
            && let Some(next) = queue.pending.pop_front()
        {
            if !next.reply.is_closed() {
                batch.push(next);
            }
        }
        queue.is_running = !batch.is_empty();
        batch
    }
}

/// Queues a search; the answer comes through what is returned.
pub(super) fn search(shared: &Arc<Shared>, request: SearchRequest) -> oneshot::Receiver<Answer> {
    let (reply, found) = oneshot::channel();
    let mut queue = shared.batches.queue();
    queue.pending.push_back(Pending { request, reply });
    if !std::mem::replace(&mut queue.is_running, true) {
        let shared = Arc::clone(shared);
        rayon::spawn(move || run(&shared));
    }
    found
}

/// Answers batches until nothing waits.
fn run(shared: &Shared) {
    loop {
        let batch = shared.batches.take();
        if batch.is_empty() {
            return;
        }
        // rayon ends the process where a spawned job panics. The callers then
        // learn that there is no answer.
        let _ = catch_unwind(AssertUnwindSafe(|| answer(shared, batch)));
    }
}

fn answer(shared: &Shared, batch: Vec<Pending>) {
    match find(shared, &batch) {
        Ok(found) => {
            for (pending, found) in batch.into_iter().zip(found) {
                // A caller that has gone needs no answer.
                let _ = pending.reply.send(Ok(found));
            }
        }
        Err(error) => batch.into_iter().for_each(|pending| drop(pending.reply.send(Err(error.clone())))),
    }
}

/// Views are taken after every search of the batch came in: each sees all that was
/// applied before.
fn find(shared: &Shared, batch: &[Pending]) -> Result<Vec<Found>, GalleryError> {
    let labels = &shared.labels;
    // Before the view, which may already have more.
    let as_of = shared.watermark();
    let founds = |each: Vec<Vec<Candidate>>| -> Vec<Found> {
        each.into_iter().map(|candidates| Found { candidates, as_of }).collect()
    };
    let questions = || -> Vec<Question<'_>> {
        let each = batch.iter().map(|Pending { request, .. }| Question {
            query: &request.query,
            asked: request.asked,
            label_filter: labels.label_filter(&request.filter),
        });
        each.collect()
    };
    let view = shared.index.view();
    if view.is_whole() {
        return Ok(founds(candidates::find(&view, labels, &questions(), None)?));
    }
    drop(view);
    for _ in 0..VIEWS_MAX {
        // First the originals, then the view: what is removed meanwhile is still
        // found, and what is inserted meanwhile is in memory.
        let (found, failure) = shared.database.pinned(|pinned| {
            let view = shared.index.view();
            candidates::find(&view, labels, &questions(), Some(pinned))
        });
        match (found, failure) {
            (Ok(found), _) => return Ok(founds(found)),
            // Or hardly ever is not any more: then on a newer view.
            (Err(SearchError::Missing), None) => {}
            (Err(_), Some(error)) => return Err(error.at(&shared.path)),
            (Err(error), None) => return Err(error.into()),
        }
    }
    Err(GalleryError::Damaged {
        path: shared.path.clone(),
        detail: "a template of the index is not in the database".into(),
    })
}
