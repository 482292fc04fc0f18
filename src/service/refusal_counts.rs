//! Counts refusals for want of capacity and logs them as sums: line by line they would fill
//! the log just when it is read.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::admission::BusyCause;
use super::method::Method;
use crate::workflow::reason::Reason;

/// Refusals since they were last logged, by method.
#[derive(Default)]
pub(super) struct RefusalCounts(Mutex<BTreeMap<Method, Counts>>);

#[derive(Default)]
struct Counts {
    /// All but those of a server that stops.
    all: u64,
    place: u64,
    queue: u64,
    deadline: u64,
    /// The longest hint when to come back.
    retry_after_max: Duration,
    /// Because the server stops.
    closing: u64,
}

impl RefusalCounts {
    fn counts(&self) -> MutexGuard<'_, BTreeMap<Method, Counts>> {
        // No code panics while it holds the lock, so the data is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one refusal. Without a `cause` it was the engine that was busy.
    pub(super) fn add(&self, method: Method, cause: Option<BusyCause>, retry_after: Option<Duration>) {
        let mut counts = self.counts();
        let of = counts.entry(method).or_default();
        of.all += 1;
        of.retry_after_max = of.retry_after_max.max(retry_after.unwrap_or_default());
        match cause {
            Some(BusyCause::Place) => of.place += 1,
            Some(BusyCause::Queue) => of.queue += 1,
            Some(BusyCause::Deadline) => of.deadline += 1,
            None => {}
        }
    }

    /// Counts one refusal because the server stops.
    pub(super) fn add_closing(&self, method: Method) {
        self.counts().entry(method).or_default().closing += 1;
    }

    /// Logs one line per method and cause, and begins to count anew.
    pub(super) fn log(&self) {
        for (method, counts) in std::mem::take(&mut *self.counts()) {
            let Counts { all, place, queue, deadline, retry_after_max, closing } = counts;
            let method = method.name();
            if closing > 0 {
                tracing::info!(
                    method,
                    count = closing,
                    reason = Reason::ShuttingDown.code(),
                    "refused: the server stops"
                );
            }
            if all == 0 {
                continue;
            }
            tracing::warn!(
                method,
                count = all,
                place,
                queue,
                deadline,
                retry_after_s_max = retry_after_max.as_secs_f64(),
                reason = Reason::Busy.code(),
                "refused for want of capacity"
            );
        }
    }
}
