//! Refusals for want of capacity, told in sums: line by line they would fill the log just
//! when it is read.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::admission::Why;
use super::method::Method;
use crate::workflow::words::Reason;

/// Those since they were last told, by call.
#[derive(Default)]
pub(super) struct Refusals(Mutex<BTreeMap<Method, Sum>>);

#[derive(Default)]
struct Sum {
    count: u64,
    place: u64,
    queue: u64,
    deadline: u64,
    /// The longest hint.
    retry_after: Duration,
    /// Because the server stops.
    closing: u64,
}

impl Refusals {
    fn of(&self) -> std::sync::MutexGuard<'_, BTreeMap<Method, Sum>> {
        // Nothing is left half done under it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more. `why` where it was not the engine's own word.
    pub(super) fn add(&self, method: Method, why: Option<Why>, retry_after: Option<Duration>) {
        let mut sums = self.of();
        let sum = sums.entry(method).or_default();
        sum.count += 1;
        sum.retry_after = sum.retry_after.max(retry_after.unwrap_or_default());
        match why {
            Some(Why::Place) => sum.place += 1,
            Some(Why::Queue) => sum.queue += 1,
            Some(Why::Deadline) => sum.deadline += 1,
            None => {}
        }
    }

    /// One more, because the server stops.
    pub(super) fn add_closing(&self, method: Method) {
        self.of().entry(method).or_default().closing += 1;
    }

    /// One line per call: how many were refused, for want of what, and told to wait how long.
    pub(super) fn tell(&self) {
        for (method, sum) in std::mem::take(&mut *self.of()) {
            let (Sum { count, place, queue, deadline, retry_after, closing }, method) = (sum, method.name());
            if closing > 0 {
                tracing::info!(
                    method,
                    count = closing,
                    reason = Reason::ShuttingDown.code(),
                    "refused: the server stops"
                );
            }
            if count == 0 {
                continue;
            }
            tracing::warn!(
                method,
                count,
                place,
                queue,
                deadline,
                retry_after_s_max = retry_after.as_secs_f64(),
                reason = Reason::Busy.code(),
                "refused for want of capacity"
            );
        }
    }
}
