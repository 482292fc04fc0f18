//! Searches that come in together are answered together.
//!
//! One batch runs at a time, on all cores; what comes in meanwhile waits for the
//! next one, which reads the index once for all of them. So a search that comes
//! alone begins at once, and many cost far less than one after the other.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::candidates::{self, Asked};
use super::{Label, Shared};
use crate::gallery::Candidate;
use crate::search::{SearchError, View};

/// Searches in a batch at most: bounds the time that the first of the next one
/// waits.
const BATCH_MAX: usize = 64;

/// Who waits for an answer.
type Reply = oneshot::Sender<Result<Vec<Candidate>, SearchError>>;

/// A search that waits.
struct Pending {
    query: Vec<f32>,
    asked: Asked,
    reply: Reply,
}

#[derive(Default)]
struct Queue {
    pending: VecDeque<Pending>,
    /// True while a batch runs; whoever runs it takes the next one too.
    is_running: bool,
}

/// Where searches wait for each other.
#[derive(Default)]
pub(super) struct Gather {
    queue: Mutex<Queue>,
}

impl Gather {
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

/// Queues a search; the answer comes through what is returned. `query` and
/// `asked` were found fit for the index.
pub(super) fn search(
    shared: &Arc<Shared>,
    query: Vec<f32>,
    asked: Asked,
) -> oneshot::Receiver<Result<Vec<Candidate>, SearchError>> {
    let (reply, found) = oneshot::channel();
    let mut queue = shared.gather.queue();
    queue.pending.push_back(Pending { query, asked, reply });
    if !std::mem::replace(&mut queue.is_running, true) {
        let shared = Arc::clone(shared);
        rayon::spawn(move || run(&shared));
    }
    found
}

/// Answers batches until nothing waits.
fn run(shared: &Shared) {
    loop {
        let batch = shared.gather.take();
        if batch.is_empty() {
            return;
        }
        // Taken after every search of the batch came in: each sees all that was
        // acknowledged before.
        let view = shared.index.view();
        // rayon ends the process where a spawned job panics. The callers then
        // learn that there is no answer.
        let _ = catch_unwind(AssertUnwindSafe(|| answer(&view, batch)));
    }
}

fn answer(view: &View<Label>, batch: Vec<Pending>) {
    let searches: Vec<_> = batch.iter().map(|pending| (pending.query.as_slice(), pending.asked)).collect();
    match candidates::find(view, &searches) {
        Ok(found) => {
            for (pending, found) in batch.into_iter().zip(found) {
                // A caller that has gone needs no answer.
                let _ = pending.reply.send(Ok(found));
            }
        }
        Err(error) => batch.into_iter().for_each(|pending| drop(pending.reply.send(Err(error)))),
    }
}
