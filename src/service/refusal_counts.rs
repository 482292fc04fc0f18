//! Counts refusals for want of capacity, and of callers who may not call, and logs them as sums: line
//! by line they would fill the log just when it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::admission::BusyCause;
use super::method::Method;
use crate::workflow::reason::Reason;

/// How often sums of callers who may not call are logged at most.
const NOT_AUTHORISED_EVERY: Duration = Duration::from_secs(60);

/// Refusals since they were last logged.
#[derive(Default)]
pub(super) struct RefusalCounts {
    /// For want of capacity, by method.
    capacity: Mutex<BTreeMap<Method, Counts>>,
    not_authorised: Mutex<NotAuthorisedCounts>,
}

/// Refusals of callers who may not call, by reason and by the machine they came from: as many as the
/// configuration has, so that nobody can make this grow.
#[derive(Default)]
struct NotAuthorisedCounts {
    sums: BTreeMap<(&'static str, Option<Arc<str>>), NotAuthorisedSum>,
    told_at: Option<Instant>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct NotAuthorisedSum {
    count: u64,
    methods: BTreeSet<&'static str>,
}

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
        self.capacity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn not_authorised(&self) -> MutexGuard<'_, NotAuthorisedCounts> {
        self.not_authorised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one refusal of a caller who may not call; `machine` is one of the configuration.
    pub(super) fn add_not_authorised(&self, method: Method, reason: Reason, machine: Option<Arc<str>>) {
        let mut counts = self.not_authorised();
        let sum = counts.sums.entry((reason.code(), machine)).or_default();
        sum.count += 1;
        sum.methods.insert(method.name());
    }

    /// Logs one line per reason and machine for callers who may not call, and begins to count anew:
    /// not within a minute after the last time, but at the end (`is_last`).
    pub(super) fn log_not_authorised(&self, now: Instant, is_last: bool) {
        let sums = {
            let mut counts = self.not_authorised();
            let was_just_now = counts.told_at.is_some_and(|at| now.duration_since(at) < NOT_AUTHORISED_EVERY);
            if counts.sums.is_empty() || (was_just_now && !is_last) {
                return;
            }
            counts.told_at = Some(now);
            std::mem::take(&mut counts.sums)
        };
        for ((reason, machine), NotAuthorisedSum { count, methods }) in sums {
            let methods = methods.into_iter().collect::<Vec<_>>().join(", ");
            tracing::warn!(reason, machine = machine.as_deref(), count, methods, "refused: may not call");
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_who_may_not_call_are_summed_by_reason_and_machine_and_told_once_a_minute() {
        let (counts, start) = (RefusalCounts::default(), Instant::now());
        let add = |machine: Option<&str>| {
            counts.add_not_authorised(Method::Verify, Reason::RoleNotAllowed, machine.map(Into::into))
        };
        let waiting = || counts.not_authorised().sums.values().map(|sum| sum.count).sum::<u64>();
        for machine in [Some("desk"), Some("desk"), None] {
            add(machine);
        }
        counts.add_not_authorised(Method::Identify, Reason::RoleNotAllowed, Some("desk".into()));
        let of_desk = (Reason::RoleNotAllowed.code(), Some(Arc::from("desk")));
        let expected = NotAuthorisedSum { count: 3, methods: ["Identify", "Verify"].into() };
        assert_eq!(counts.not_authorised().sums.get(&of_desk), Some(&expected));
        assert_eq!(counts.not_authorised().sums.len(), 2);
        counts.log_not_authorised(start, false);
        assert_eq!(waiting(), 0, "the first are told at once");
        add(None);
        counts.log_not_authorised(start + NOT_AUTHORISED_EVERY / 2, false);
        assert_eq!(waiting(), 1, "kept for the minute");
        counts.log_not_authorised(start + NOT_AUTHORISED_EVERY, false);
        assert_eq!(waiting(), 0);
        add(None);
        counts.log_not_authorised(start + NOT_AUTHORISED_EVERY, true);
        assert_eq!(waiting(), 0, "nothing is lost at the end");
    }
}
