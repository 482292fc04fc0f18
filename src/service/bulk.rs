//! Enrolling a stream: rows side by side, a bounded number at once over all
//! streams, each durable when the backend says so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tonic::{Status, Streaming};
use tracing::Instrument;

use super::admission::Admission;
use super::handlers::Handlers;
use super::refusal::{Manner, Names, Refusal};
use super::{Backend, convert, pb};
use crate::workflow::{EnrolOutcome, WorkflowError};

/// Most failures listed in an answer, as the contract says.
const FAILURES_MAX: usize = 1000;
/// Longest wait between two tries of a row the engine was too busy for.
const BUSY_PAUSE_MAX: Duration = Duration::from_secs(2);

/// What came of one row.
type Row = (u64, Result<EnrolOutcome, Refusal>);

/// Takes the rows as they come; answers when all are done.
pub(super) async fn enroll(
    handlers: &Handlers,
    mut rows: Streaming<pb::EnrollRequest>,
    peer: u64,
    refused: impl Fn(Refusal) -> Status,
) -> Result<pb::BulkEnrollResponse, Status> {
    let mut tally = Tally::default();
    // Dropped with this future when the caller goes: rows in work are dropped too.
    let mut work: JoinSet<Row> = JoinSet::new();
    let mut end = Ok(());
    loop {
        let next = async {
            // The place comes first: a row that cannot be worked on stays on the wire,
            // where HTTP/2's flow control holds the caller back.
            let place = Arc::clone(&handlers.rows).acquire_owned().await;
            (place, timeout(handlers.rows_idle_max, rows.message()).await)
        };
        tokio::select! {
            biased;
            () = handlers.closing.cancelled() => {
                end = Err(refused(Manner::ShuttingDown.into()));
                break;
            }
            Some(row) = work.join_next() => tally.add(row),
            (place, row) = next => match row {
                Ok(Ok(Some(request))) => {
                    let index = tally.begin();
                    let (backend, admission) = (Arc::clone(&handlers.backend), Arc::clone(&handlers.admission));
                    let row = async move {
                        let _place = place;
                        (index, enroll_one(&*backend, &admission, peer, request).await)
                    };
                    work.spawn(row.in_current_span());
                }
                Ok(Ok(None)) => break,
                Ok(Err(status)) => {
                    end = Err(status);
                    break;
                }
                Err(_) => {
                    end = Err(refused(Manner::Stalled.into()));
                    break;
                }
            },
        }
    }
    // What was begun is finished, however the stream ended.
    while let Some(row) = work.join_next().await {
        tally.add(row);
    }
    tracing::info!(rows = tally.rows, committed = tally.committed, failed = tally.failed, "bulk enrolment");
    end.map(|()| tally.answer())
}

/// One row, when its turn comes: after all calls that wait, but for one start in a few. A
/// busy engine is waited for: the caller sent a list, not a call to be tried again row by row.
async fn enroll_one(
    backend: &dyn Backend,
    admission: &Arc<Admission>,
    peer: u64,
    request: pb::EnrollRequest,
) -> Result<EnrolOutcome, Refusal> {
    let refusal = |error: &WorkflowError| Refusal::of(error, Names::GALLERY);
    let request = convert::enrol_request(request).map_err(|error| refusal(&error))?;
    loop {
        let turn = admission.row(request.photos.len(), peer).await;
        match turn.of(backend.enrol(request.clone())).await {
            Err(WorkflowError::Busy { retry_after_ms }) => {
                let pause = Duration::from_millis(retry_after_ms.max(1)).min(BUSY_PAUSE_MAX);
                tokio::time::sleep(pause).await;
            }
            other => return other.map_err(|error| refusal(&error)),
        }
    }
}

#[derive(Default)]
struct Tally {
    rows: u64,
    committed: u64,
    replayed: u64,
    failed: u64,
    /// The failures with the lowest row numbers, whatever order they came in.
    failures: BTreeMap<u64, Refusal>,
}

impl Tally {
    fn begin(&mut self) -> u64 {
        let index = self.rows;
        self.rows += 1;
        index
    }

    fn add(&mut self, row: Result<Row, JoinError>) {
        match row {
            Ok((_, Ok(outcome))) if outcome.receipt.replayed => self.replayed += 1,
            Ok((_, Ok(_))) => self.committed += 1,
            Ok((index, Err(refusal))) => {
                self.failed += 1;
                self.failures.insert(index, refusal);
                if self.failures.len() > FAILURES_MAX {
                    self.failures.pop_last();
                }
            }
            Err(error) => {
                // A panic: which row it was is lost with it, that one failed is not.
                tracing::error!(%error, "a row's task failed");
                self.failed += 1;
            }
        }
    }

    fn answer(self) -> pb::BulkEnrollResponse {
        let listed = self.failures.len() as u64;
        let failures = self.failures.into_iter().map(|(row, refusal)| {
            let (message_vi, message_en) = refusal.sentences();
            pb::BulkEnrollFailure {
                row,
                code: i32::from(refusal.code()),
                reason: refusal.reason.code().to_owned(),
                field: refusal.field.unwrap_or_default(),
                message_vi,
                message_en,
            }
        });
        pb::BulkEnrollResponse {
            rows: self.rows,
            committed: self.committed,
            replayed: self.replayed,
            failed: self.failed,
            failures: failures.collect(),
            failures_truncated: self.failed > listed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_failures_is_bounded_and_keeps_the_first_rows() {
        let mut tally = Tally::default();
        for _ in 0..1500 {
            tally.begin();
        }
        for row in (0..1500).rev() {
            tally.add(Ok((row, Err(Refusal::from(Manner::BadMessage)))));
        }
        let answer = tally.answer();
        assert_eq!((answer.rows, answer.failed, answer.failures.len()), (1500, 1500, FAILURES_MAX));
        assert!(answer.failures_truncated);
        assert!(answer.failures.iter().map(|failure| failure.row).eq(0..FAILURES_MAX as u64));
    }
}
