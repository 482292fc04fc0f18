//! Who is let in, and whose turn it is.
//!
//! Looking at photos takes all the processor there is, so calls that do take turns: a few
//! are worked on at once, the others wait. A call is let in by the headers alone, where the
//! work ahead of it is short enough that it will be done before its deadline; else it is
//! refused in microseconds, before its photos are read, and told when to come back. Admission
//! counts in time, by what calls of its method have taken lately.
//!
//! - **Order**: verification before identification before enrolment before bulk, each of
//!   which still gets one start in sixteen while it waits. Within a class fair by connection:
//!   every connection's first call goes before any one's second; then first come, first
//!   served. Since nobody is let in who cannot be served in time, there is no backlog of
//!   the hopeless for the newest to be taken from; and an order by deadline would let
//!   latecomers break the promises made to those inside.
//! - **Turns** are waited for once the message is there, so a slow line holds up nobody. They
//!   end when the photos have been looked at: searches and commits are done together with
//!   others', and more of them at once cost less each. They end too with the call, its caller
//!   or its deadline.
//! - Who was let in and cannot be done in time after all is refused before it costs anything.

mod hints;
mod pace;
mod queue;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use self::queue::{Queue, Verdict};
use super::method::{Class, Method};
use crate::workflow::telling;

/// Why a call is not served now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// Every place is taken.
    Place,
    /// It would wait for longer than calls may.
    Queue,
    /// It would not be done before its deadline.
    Deadline,
}

/// A refusal, and when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    pub why: Why,
    pub retry_after: Duration,
}

/// All calls that take turns.
pub(super) struct Admission(Mutex<Queue>);

impl Admission {
    /// So many are worked on at once; nobody is let in to wait for longer than `wait_max`.
    pub(super) fn new(turns: usize, wait_max: Duration) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Queue::new(turns, wait_max))))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing is left half done under it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a call in that has so much time. `None` where it needs no turn.
    pub(super) fn enter(
        self: &Arc<Self>,
        method: Method,
        peer: u64,
        time: Option<Duration>,
    ) -> Result<Option<Ticket>, Refused> {
        let Some(class) = method.class() else { return Ok(None) };
        let number = self.queue().enter((method, class), peer, time, Instant::now())?;
        Ok(Some(self.ticket(number)))
    }

    fn ticket(self: &Arc<Self>, number: u64) -> Ticket {
        Ticket(Arc::new(Inside { of: Arc::clone(self), number, sent_away: OnceLock::new() }))
    }

    /// Why a call is refused that found every place taken.
    pub(super) fn refuse_for_place(&self, method: Method) -> Refused {
        self.queue().refuse_for_place(method.class(), Instant::now())
    }

    /// Refuses one of those that wait and matter less, for its place. Whether there was one.
    pub(super) fn displace_below(&self, method: Method) -> bool {
        let class = method.class().unwrap_or(Class::Verification);
        self.queue().displace_below(class, Instant::now())
    }

    /// The turn of one row of a list with so many photos. Rows wait as long as it takes.
    pub(super) async fn row(self: &Arc<Self>, photos: usize, peer: u64) -> Turn {
        let number = self.queue().enter_row(Method::BulkEnroll, photos, peer, Instant::now());
        let ticket = self.ticket(number);
        ticket.wait(photos).await;
        Turn { ticket: Some(ticket), done: false }
    }
}

/// Belongs to a call that was let in, until all clones of it are gone.
#[derive(Clone)]
pub(super) struct Ticket(Arc<Inside>);

struct Inside {
    of: Arc<Admission>,
    number: u64,
    sent_away: OnceLock<Why>,
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.of.queue().leave(self.number, false, Instant::now());
    }
}

impl Ticket {
    /// The call's message is there, with so many photos: waits for its turn.
    pub(super) async fn turn(self, photos: usize) -> Result<Turn, Refused> {
        match self.wait(photos).await {
            Some(refused) => {
                let _ = self.0.sent_away.set(refused.why);
                Err(refused)
            }
            None => Ok(Turn { ticket: Some(self), done: false }),
        }
    }

    /// Why its call was refused after all, where it was.
    pub(super) fn sent_away(&self) -> Option<Why> {
        self.0.sent_away.get().copied()
    }

    async fn wait(&self, photos: usize) -> Option<Refused> {
        let (told, verdict) = oneshot::channel();
        self.0.of.queue().wait(self.0.number, photos, told, Instant::now());
        match verdict.await {
            Ok(Verdict::GoAway(refused)) => Some(refused),
            // The sender is dropped with a call that has left, whose own end is on its way.
            Ok(Verdict::Go) | Err(_) => None,
        }
    }
}

/// The turn of a call. It ends when dropped.
pub(super) struct Turn {
    ticket: Option<Ticket>,
    done: bool,
}

impl Turn {
    /// That of a call which takes none.
    pub(super) fn free() -> Self {
        Self { ticket: None, done: false }
    }

    /// The work of the turn, which ends with it. Only what is done to its end tells how long
    /// such work takes.
    pub(super) async fn of<T>(mut self, work: impl Future<Output = T>) -> T {
        let tell = {
            let inside = self.ticket.as_ref().map(|Ticket(inside)| Arc::downgrade(inside));
            move || {
                if let Some(inside) = inside.as_ref().and_then(Weak::upgrade) {
                    inside.of.queue().seen(inside.number, Instant::now());
                }
            }
        };
        let outcome = telling(tell, work).await;
        self.done = true;
        outcome
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(Ticket(inside)) = self.ticket.take() {
            inside.of.queue().leave(inside.number, self.done, Instant::now());
        }
    }
}
