//! Bulk enrolment: takes a stream of rows, works on a bounded number of them at once over all
//! streams, and counts what became of each. A row is durable when the backend answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tonic::{Status, Streaming};
use tracing::Instrument;

use super::admission::Admission;
use super::authored::Authored;
use super::handlers::Handlers;
use super::layers::Call;
use super::refusal::{FieldNames, Refusal, ServiceRefusal};
use super::{Backend, convert, pb};
use crate::workflow::{EnrolOutcome, WorkflowError};

/// Most failures listed in an answer, as the contract says.
const FAILURES_MAX: usize = 1000;
/// Longest wait between two tries of a row that the engine was too busy for.
const BUSY_PAUSE_MAX: Duration = Duration::from_secs(2);

/// The 0-based number of a row, and what became of it.
type RowResult = (u64, Result<EnrolOutcome, Refusal>);

/// Takes the rows as they come, and answers when all are done.
///
/// # Errors
/// Where the server stops, where no row comes for too long, and where the stream fails. Rows
/// that were begun are finished all the same.
pub(super) async fn enroll(
    handlers: &Handlers,
    call: &Call,
    mut rows: Streaming<pb::EnrollRequest>,
    peer: u64,
) -> Result<pb::BulkEnrollResponse, Status> {
    let refused = |refusal: ServiceRefusal| Refusal::from(refusal).into_status(call.language);
    let mut tally = Tally::default();
    // Dropped with this future when the caller goes, and the rows in work with it.
    let mut work: JoinSet<RowResult> = JoinSet::new();
    let mut end = Ok(());
    loop {
        let next = async {
            // The permit comes first: a row that cannot be worked on stays on the wire, where
            // HTTP/2's flow control holds the caller back.
            let permit = Arc::clone(&handlers.rows).acquire_owned().await;
            (permit, timeout(handlers.rows_idle_max, rows.message()).await)
        };
        tokio::select! {
            biased;
            () = handlers.closing.cancelled() => {
                end = Err(refused(ServiceRefusal::ShuttingDown));
                break;
            }
            Some(row) = work.join_next() => tally.add(row),
            (permit, row) = next => match row {
                Ok(Ok(Some(request))) => {
                    let number = tally.begin();
                    let (backend, admission) = (Arc::clone(&handlers.backend), Arc::clone(&handlers.admission));
                    let call = call.clone();
                    let row = async move {
                        let _permit = permit;
                        (number, enroll_row(&call, &*backend, &admission, peer, request).await)
                    };
                    work.spawn(row.in_current_span());
                }
                Ok(Ok(None)) => break,
                Ok(Err(status)) => {
                    end = Err(status);
                    break;
                }
                Err(_) => {
                    end = Err(refused(ServiceRefusal::Stalled));
                    break;
                }
            },
        }
    }
    while let Some(row) = work.join_next().await {
        tally.add(row);
    }
    tracing::info!(rows = tally.rows, committed = tally.committed, failed = tally.failed, "bulk enrolment");
    end.map(|()| tally.answer())
}

/// Enrols one row when its turn comes. A row is tried again while the engine is busy: the
/// caller sent a list, not a call to be repeated row by row.
async fn enroll_row(
    call: &Call,
    backend: &dyn Backend,
    admission: &Arc<Admission>,
    peer: u64,
    mut request: pb::EnrollRequest,
) -> Result<EnrolOutcome, Refusal> {
    let refusal = |error: &WorkflowError| Refusal::of(error, FieldNames::GALLERY);
    request.author(call)?;
    let request = convert::enrol_request(request).map_err(|error| refusal(&error))?;
    loop {
        let turn = admission.row(request.photos.len(), peer).await;
        match turn.of(backend.enrol(&call.context, request.clone())).await {
            Err(WorkflowError::Busy { retry_after_ms }) => {
                let pause = Duration::from_millis(retry_after_ms.max(1)).min(BUSY_PAUSE_MAX);
                tokio::time::sleep(pause).await;
            }
            other => return other.map_err(|error| refusal(&error)),
        }
    }
}

/// Counts what became of the rows.
#[derive(Default)]
struct Tally {
    rows: u64,
    committed: u64,
    replayed: u64,
    failed: u64,
    /// The failures with the lowest row numbers, in whatever order they came.
    failures: BTreeMap<u64, Refusal>,
}

impl Tally {
    /// Counts a row that came, and gives it its number.
    fn begin(&mut self) -> u64 {
        let number = self.rows;
        self.rows += 1;
        number
    }

    /// Counts a row that is done.
    fn add(&mut self, row: Result<RowResult, JoinError>) {
        match row {
            Ok((_, Ok(outcome))) if outcome.receipt.replayed => self.replayed += 1,
            Ok((_, Ok(_))) => self.committed += 1,
            Ok((number, Err(refusal))) => {
                self.failed += 1;
                self.failures.insert(number, refusal);
                if self.failures.len() > FAILURES_MAX {
                    self.failures.pop_last();
                }
            }
            Err(error) => {
                // A panic. Its row's number is lost, but the row is counted.
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
            tally.add(Ok((row, Err(Refusal::from(ServiceRefusal::BadMessage)))));
        }
        let answer = tally.answer();
        assert_eq!((answer.rows, answer.failed, answer.failures.len()), (1500, 1500, FAILURES_MAX));
        assert!(answer.failures_truncated);
        assert!(answer.failures.iter().map(|failure| failure.row).eq(0..FAILURES_MAX as u64));
    }
}
