//! What all connections of a server share.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::ServeOptions;
use super::access::AccessControl;
use super::admission::Admission;
use super::desk::Desk;
use super::ledger::NotedCalls;
use super::refusal_budget::RefusalBudget;
use super::refusal_counts::RefusalCounts;
use super::uploads::Uploads;

/// Bulk enrolments may take one in so many places: they last, and must leave places to others.
const BULK_SHARE: usize = 4;

/// State and limits that the request layers and the handlers of all connections share.
pub(super) struct Shared {
    /// Who may call; `None` lets everybody call everything.
    pub access: Option<AccessControl>,
    /// The pages, where there are any.
    pub desk: Option<Desk>,
    /// One permit per call in flight.
    pub places: Arc<Semaphore>,
    /// The calls that take turns.
    pub admission: Arc<Admission>,
    /// Longest time for a call.
    pub deadline_max: Duration,
    /// Largest message in bytes, named in the refusal of a larger one.
    pub message_bytes_max: usize,
    /// Cancelled when the server begins to drain: no new call is let in.
    pub closing: CancellationToken,
    /// Cancelled when the drain is over: calls that still run are dropped.
    pub ended: CancellationToken,
    /// Calls whose message is still coming.
    pub uploads: Arc<Uploads>,
    /// One permit per bulk enrolment.
    pub bulk: Arc<Semaphore>,
    /// Longest time a call may wait for more of its message.
    pub upload_idle_max: Duration,
    /// Counts of refusals for want of capacity, and of callers who may not call.
    pub refusals: RefusalCounts,
    /// Refusals that the server as a whole answers at once.
    pub refusal_budget: RefusalBudget,
    /// Whether the backend keeps pictures of cases that wait, at present.
    pub keeps_pictures: OnceLock<Box<dyn Fn() -> bool + Send + Sync>>,
    /// What is to be entered in the transparency log, where the gallery keeps one.
    pub noted: Option<NotedCalls>,
}

impl Shared {
    /// The state of a server that has not begun to serve.
    pub(super) fn new(options: &ServeOptions, keeps_ledger: bool) -> Arc<Self> {
        Arc::new(Self {
            access: options.access.clone(),
            desk: options.desk.clone(),
            places: Arc::new(Semaphore::new(options.requests_in_flight_max)),
            admission: Admission::new(options.turns_max, options.turn_wait_max),
            deadline_max: options.deadline_max,
            message_bytes_max: options.message_bytes_max,
            closing: CancellationToken::new(),
            ended: CancellationToken::new(),
            uploads: Arc::default(),
            bulk: Arc::new(Semaphore::new((options.requests_in_flight_max / BULK_SHARE).max(1))),
            upload_idle_max: options.upload_idle_max,
            refusals: RefusalCounts::default(),
            refusal_budget: RefusalBudget::of_server(options.turns_max),
            keeps_pictures: OnceLock::new(),
            noted: keeps_ledger.then(NotedCalls::default),
        })
    }
}
