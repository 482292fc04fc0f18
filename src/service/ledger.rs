//! What the request layers note for the transparency log: calls that access control refused, and
//! counts of calls that store nothing.
//!
//! Use cases enter what they do themselves, before they answer. A refused call reaches none, so it is
//! noted here and entered within a second: one by one up to [`REFUSALS_A_MINUTE`] of each caller,
//! beyond it together with how many there were, since whoever is refused decides how often. Verify and Assess are counted by the minute
//! and caller; a killed server loses those of the minute.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Backend;
use super::method::Method;
use super::shared::Shared;
use crate::context::{Principal, RequestContext};
use crate::gallery::Timestamp;
use crate::workflow::ledger::Noted;
use crate::workflow::reason::Reason;

/// Refusals of one caller that are entered one by one, a minute.
pub(super) const REFUSALS_A_MINUTE: usize = 60;
/// Callers that are counted apart, a minute; further ones are counted as anonymous together.
const CALLERS_MAX: usize = 10_000;
/// How often refusals are entered.
const ENTER_EVERY: Duration = Duration::from_millis(500);
/// How long counts gather.
const COUNT_FOR: Duration = Duration::from_secs(60);

/// Calls that wait to be entered.
pub(super) struct NotedCalls(Mutex<Waiting>);

struct Waiting {
    refused: Vec<(RequestContext, Reason)>,
    /// Of each caller, how many were taken in one by one since the counts began.
    refused_apart: BTreeMap<CallerKey, usize>,
    /// Refusals beyond that, by method and reason.
    refused_more: BTreeMap<CallerKey, (RequestContext, Counts)>,
    counts: BTreeMap<CallerKey, (RequestContext, Counts)>,
    since: Timestamp,
    began: Instant,
}

/// How many calls of a method came to an outcome.
type Counts = BTreeMap<(&'static str, &'static str), u64>;
/// Kind, name, machine and unit of a caller.
type CallerKey = (&'static str, String, String, String);

impl Default for NotedCalls {
    fn default() -> Self {
        Self(Mutex::new(Waiting::new()))
    }
}

impl Waiting {
    fn new() -> Self {
        Self {
            refused: Vec::new(),
            refused_apart: BTreeMap::new(),
            refused_more: BTreeMap::new(),
            counts: BTreeMap::new(),
            since: Timestamp::now(),
            began: Instant::now(),
        }
    }

    /// The caller as it is counted: apart, while they are few enough.
    fn counted(&self, context: &RequestContext) -> (CallerKey, RequestContext) {
        let key = key_of(context);
        let is_known = self.counts.contains_key(&key) || self.refused_apart.contains_key(&key);
        match is_known || self.counts.len() + self.refused_apart.len() < CALLERS_MAX {
            true => (key, context.clone()),
            false => (key_of(&RequestContext::anonymous()), RequestContext::anonymous()),
        }
    }

    fn count(&mut self, context: &RequestContext, method: &'static str, outcome: &'static str) {
        let (key, context) = self.counted(context);
        let (_, counts) = self.counts.entry(key).or_insert_with(|| (context, BTreeMap::new()));
        *counts.entry((method, outcome)).or_default() += 1;
    }

    fn refuse(&mut self, context: RequestContext, method: Method, reason: Reason) {
        let (key, counted) = self.counted(&context);
        let apart = self.refused_apart.entry(key.clone()).or_default();
        if *apart < REFUSALS_A_MINUTE {
            *apart += 1;
            self.refused.push((context, reason));
            return;
        }
        let (_, counts) = self.refused_more.entry(key).or_insert_with(|| (counted, BTreeMap::new()));
        *counts.entry((method.name(), reason.code())).or_default() += 1;
    }
}

fn key_of(context: &RequestContext) -> CallerKey {
    let text = |text: &str| text.to_owned();
    let (name, machine) = match context.principal() {
        Principal::Anonymous => (String::new(), String::new()),
        Principal::OperatingSystemUser { uid, .. } => (uid.to_string(), String::new()),
        Principal::Machine { name } => (text(name), String::new()),
        Principal::Person { id, machine } => (text(id), machine.as_deref().map(text).unwrap_or_default()),
        Principal::Internal { task } => (text(task), String::new()),
    };
    (context.principal().kind(), name, machine, context.unit().map(text).unwrap_or_default())
}

impl NotedCalls {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // No code panics while it holds the lock, so the data is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a call that access control refused.
    pub(super) fn refused(&self, context: RequestContext, method: Method, reason: Reason) {
        self.waiting().refuse(context.with_method(method.name()), method, reason);
    }

    /// Takes in what came of a call that stored nothing.
    pub(super) fn ended(&self, context: &RequestContext, method: Method, outcome: &'static str) {
        self.waiting().count(context, method.name(), outcome);
    }

    /// Whether a method is counted, because it enters nothing of its own.
    pub(super) fn counts(method: Method) -> bool {
        matches!(method, Method::Verify | Method::Assess)
    }

    /// What is to be entered now: refusals always, counts when their time is over or the server ends.
    fn take(&self, is_last: bool) -> Vec<(RequestContext, Noted)> {
        let mut waiting = self.waiting();
        let refused = std::mem::take(&mut waiting.refused).into_iter();
        let mut noted: Vec<_> =
            refused.map(|(context, reason)| (context, Noted::Refused { reason: reason.code(), count: None })).collect();
        if is_last || waiting.began.elapsed() >= COUNT_FOR {
            let over = std::mem::replace(&mut *waiting, Waiting::new());
            let since = over.since;
            for (context, counts) in over.refused_more.into_values() {
                noted.extend(counts.into_iter().map(|((method, reason), count)| {
                    (context.clone().with_method(method), Noted::Refused { reason, count: Some(count) })
                }));
            }
            noted.extend(over.counts.into_values().map(|(context, counts)| {
                let counts = counts.into_iter().map(|((method, outcome), count)| (method, outcome, count)).collect();
                (context, Noted::Counts { since, counts })
            }));
        }
        noted
    }
}

/// Enters what is noted, as long as it is polled.
pub(super) async fn enter_noted(backend: &dyn Backend, shared: &Shared) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(ENTER_EVERY).await;
        enter(backend, shared, false).await;
    }
}

/// Enters what is noted when the server ends.
pub(super) async fn enter_last(backend: &dyn Backend, shared: &Shared) {
    enter(backend, shared, true).await;
}

async fn enter(backend: &dyn Backend, shared: &Shared, is_last: bool) {
    let Some(noted) = &shared.noted else { return };
    for (context, noted) in noted.take(is_last) {
        if let Err(error) = backend.note(&context, noted).await {
            tracing::error!(%error, "a refused or counted call could not be entered in the transparency log");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(name: &str) -> RequestContext {
        RequestContext::new(Principal::Machine { name: name.into() })
    }

    #[test]
    fn refusals_are_entered_one_by_one_up_to_a_bound_of_each_caller_and_none_is_lost() {
        let noted = NotedCalls::default();
        let all = 3 * REFUSALS_A_MINUTE;
        for _ in 0..all {
            noted.refused(machine("loud"), Method::Identify, Reason::RoleNotAllowed);
        }
        noted.refused(machine("quiet"), Method::Remove, Reason::RoleNotAllowed);
        let taken = noted.take(true);
        let of = |name: &str, method: &str| {
            let by = |context: &RequestContext| *context.principal() == *machine(name).principal();
            let counts = taken.iter().filter(|(context, _)| by(context)).map(|(context, noted)| match noted {
                Noted::Refused { reason, count } => {
                    assert_eq!((*reason, context.method()), (Reason::RoleNotAllowed.code(), Some(method)));
                    count.unwrap_or(1)
                }
                Noted::Counts { .. } => panic!("no counts"),
            });
            let counts: Vec<u64> = counts.collect();
            (counts.len(), counts.iter().sum::<u64>())
        };
        assert_eq!(of("loud", "Identify"), (REFUSALS_A_MINUTE + 1, all as u64));
        assert_eq!(of("quiet", "Remove"), (1, 1), "nobody is hidden behind another");
        assert!(noted.take(true).is_empty(), "each is entered once");
    }

    #[test]
    fn calls_are_counted_by_caller_method_and_outcome_when_the_minute_is_over() {
        let noted = NotedCalls::default();
        for (caller, method, outcome) in [
            ("a", Method::Verify, "OK"),
            ("b", Method::Verify, "OK"),
            ("a", Method::Verify, "OK"),
            ("a", Method::Assess, "NO_FACE"),
        ] {
            noted.ended(&machine(caller), method, outcome);
        }
        assert!(noted.take(false).is_empty(), "not before the minute is over");
        let taken = noted.take(true);
        let counts: Vec<_> = taken
            .into_iter()
            .map(|(context, noted)| match (context.principal(), noted) {
                (Principal::Machine { name }, Noted::Counts { counts, .. }) => (name.to_string(), counts),
                _ => panic!("another entry"),
            })
            .collect();
        let a = vec![("Assess", "NO_FACE", 1), ("Verify", "OK", 2)];
        assert_eq!(counts, [("a".to_owned(), a), ("b".to_owned(), vec![("Verify", "OK", 1)])]);
    }

    #[test]
    fn ever_new_callers_do_not_fill_the_memory() {
        let noted = NotedCalls::default();
        for number in 0..2 * CALLERS_MAX {
            noted.ended(&machine(&number.to_string()), Method::Verify, "OK");
        }
        assert!(noted.waiting().counts.len() <= CALLERS_MAX + 1);
        let sum: u64 = noted.waiting().counts.values().flat_map(|(_, counts)| counts.values()).sum();
        assert_eq!(sum, 2 * CALLERS_MAX as u64);
    }
}
