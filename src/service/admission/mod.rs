//! Admission: which calls are let in, and in which order they are worked on.
//!
//! Analysing photos takes all the processor there is, so calls that do take turns: a few are
//! worked on at once, the others wait. A call is let in by its headers alone, if the work ahead
//! of it is short enough for it to be done before its deadline. Otherwise it is refused in
//! microseconds, before its photos are read, with a hint when to come back. Work is counted in
//! time, by what calls of the same method took lately.
//!
//! - **Order**: verification before identification before enrolment before bulk rows; each of
//!   them still gets one start in sixteen while it waits. Within a priority it is fair by
//!   connection: every connection's first call goes before the second call of any, then first
//!   come, first served. Last come, first served would not help: nobody is let in who cannot be
//!   served in time, so there is no backlog of calls that are too late. An order by deadline
//!   would let later calls break the promise made to those let in before.
//! - **Turns** are waited for once the message is there, so that a slow line keeps nobody
//!   waiting. A turn ends when the photos have been analysed: searches and commits are done
//!   together with those of other calls, and cost less the more of them there are. It ends too
//!   with the call, its caller or its deadline.
//! - A call that was let in and cannot be done in time after all is refused before it costs
//!   anything.

mod durations;
mod queue;
mod retry_hints;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use self::queue::{Queue, TurnSignal};
use super::method::{Method, Priority};
use crate::workflow::on_photos_analysed;

/// For want of what a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum BusyCause {
    /// Every place among the calls in flight is taken.
    Place,
    /// It would wait for its turn for longer than calls may.
    Queue,
    /// It would not be done before its deadline.
    Deadline,
}

/// A call is refused for want of capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy {
    pub cause: BusyCause,
    /// When to come back.
    pub retry_after: Duration,
}

/// The queue of all calls that take turns.
pub(super) struct Admission(Mutex<Queue>);

impl Admission {
    /// Works on up to `turns` calls at once, and lets none in that would wait for longer than
    /// `wait_max`.
    pub(super) fn new(turns: usize, wait_max: Duration) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Queue::new(turns, wait_max))))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // No code panics while it holds the lock, so the data is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets in a call of the connection `peer` that must be done within `time`. `None` where its
    /// method takes no turn.
    ///
    /// # Errors
    /// [`Busy`] where it could not be done in time.
    pub(super) fn enter(
        self: &Arc<Self>,
        method: Method,
        peer: u64,
        time: Option<Duration>,
    ) -> Result<Option<QueueEntry>, Busy> {
        let Some(priority) = method.priority() else { return Ok(None) };
        let number = self.queue().enter((method, priority), peer, time, Instant::now())?;
        Ok(Some(self.entry(number)))
    }

    fn entry(self: &Arc<Self>, number: u64) -> QueueEntry {
        QueueEntry(Arc::new(Entry { of: Arc::clone(self), number, refused_for: OnceLock::new() }))
    }

    /// The refusal of a call that found every place taken.
    pub(super) fn refuse_for_place(&self, method: Method) -> Busy {
        self.queue().refuse_for_place(method.priority(), Instant::now())
    }

    /// Refuses a waiting call of a lower priority, so that its place falls free. Returns whether
    /// there was one.
    pub(super) fn displace_below(&self, method: Method) -> bool {
        let priority = method.priority().unwrap_or(Priority::Verification);
        self.queue().displace_below(priority, Instant::now())
    }

    /// Waits for the turn of one row of a bulk enrolment, as long as it takes.
    pub(super) async fn row(self: &Arc<Self>, photos: usize, peer: u64) -> Turn {
        let number = self.queue().enter_row(Method::BulkEnroll, photos, peer, Instant::now());
        let entry = self.entry(number);
        entry.wait(photos).await;
        Turn { entry: Some(entry), done: false }
    }
}

/// A call's entry in the queue. The call leaves the queue when the last clone is dropped.
#[derive(Clone)]
pub(super) struct QueueEntry(Arc<Entry>);

struct Entry {
    of: Arc<Admission>,
    /// Number of the call in the queue.
    number: u64,
    /// Set where the call was refused while it waited.
    refused_for: OnceLock<BusyCause>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.of.queue().leave(self.number, false, Instant::now());
    }
}

impl QueueEntry {
    /// Waits for the turn of a call whose message is there, with so many photos.
    ///
    /// # Errors
    /// [`Busy`] where it cannot be done in time any more, or another call needs its place.
    pub(super) async fn turn(self, photos: usize) -> Result<Turn, Busy> {
        match self.wait(photos).await {
            Some(busy) => {
                // It is refused at most once.
                let _ = self.0.refused_for.set(busy.cause);
                Err(busy)
            }
            None => Ok(Turn { entry: Some(self), done: false }),
        }
    }

    /// Why the call was refused while it waited, if it was.
    pub(super) fn refused_for(&self) -> Option<BusyCause> {
        self.0.refused_for.get().copied()
    }

    async fn wait(&self, photos: usize) -> Option<Busy> {
        let (sender, signal) = oneshot::channel();
        self.0.of.queue().wait(self.0.number, photos, sender, Instant::now());
        match signal.await {
            Ok(TurnSignal::Refused(busy)) => Some(busy),
            // The sender is dropped where the call has left the queue; its end is on its way.
            Ok(TurnSignal::Begin) | Err(_) => None,
        }
    }
}

/// The turn of a call or of a row. It ends when dropped.
pub(super) struct Turn {
    entry: Option<QueueEntry>,
    /// The work was done to its end.
    done: bool,
}

impl Turn {
    /// The turn of a call that takes none.
    pub(super) fn free() -> Self {
        Self { entry: None, done: false }
    }

    /// Does the work of the turn, and ends the turn with it, or before, when the photos have
    /// been analysed. Only work that is done to its end counts in the estimates.
    pub(super) async fn of<T>(mut self, work: impl Future<Output = T>) -> T {
        let photos_analysed = {
            let entry = self.entry.as_ref().map(|QueueEntry(entry)| Arc::downgrade(entry));
            move || {
                if let Some(entry) = entry.as_ref().and_then(Weak::upgrade) {
                    entry.of.queue().end_turn(entry.number, Instant::now());
                }
            }
        };
        let outcome = on_photos_analysed(photos_analysed, work).await;
        self.done = true;
        outcome
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(QueueEntry(entry)) = self.entry.take() {
            entry.of.queue().leave(entry.number, self.done, Instant::now());
        }
    }
}
