//! The one task of this process that commits.
//!
//! It takes the commands that wait, up to [`GROUP_MAX`], carries them out in one transaction and only
//! then answers; while the server flushes, the next group gathers. A command is never part of a caller's
//! future: a caller that goes away leaves its command to end.
//!
//! Where a statement fails nothing was kept; a group is then tried once more on another connection if its
//! own was cut, and command by command if there are several, so that none fails for another's sake. Where
//! the answer to the COMMIT itself is lost, the server is asked whether the commit's random tag is in the
//! log, once the gate is free: the old transaction has ended by then, however it ended.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio_postgres::IsolationLevel;

use super::super::record::fault::{ServerFault, StoreError};
use super::group::{Done, Group, Staged};
use super::sql::{Sql, bytes, signed};
use super::store::Shared;
use crate::gallery::{Command, Committed, GalleryError};

/// Commands in one transaction at most.
const GROUP_MAX: usize = 16;
/// How long to wait before the server is asked again about a commit.
const PAUSE: Duration = Duration::from_millis(200);

type Answer = Result<Committed, GalleryError>;

/// A command that waits for its answer.
pub(super) struct Waiting {
    pub(super) command: Command,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// How a transaction ended that was not answered.
enum Failed {
    /// Nothing of it was kept.
    Nothing(StoreError),
    /// Nobody could say whether it was kept.
    InDoubt(GalleryError),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Nothing(error)
    }
}

/// Works until every sender is gone and the queue is empty.
pub(super) async fn run(shared: Arc<Shared>, mut queue: mpsc::Receiver<Box<Waiting>>) {
    while let Some(first) = queue.recv().await {
        let mut waiting = vec![*first];
        while waiting.len() < GROUP_MAX {
            let Ok(next) = queue.try_recv() else { break };
            waiting.push(*next);
        }
        answer(&shared, waiting).await;
    }
}

/// Carries out a group and tells every caller how it went.
async fn answer(shared: &Shared, waiting: Vec<Waiting>) {
    let commands: Vec<&Command> = waiting.iter().map(|one| &one.command).collect();
    let results = match carried_out(shared, &commands).await {
        Ok(results) => results,
        Err(Failed::InDoubt(error)) => vec![Err(error); waiting.len()],
        Err(Failed::Nothing(error)) if waiting.len() == 1 => vec![Err(told(shared, error))],
        Err(Failed::Nothing(_)) => {
            let mut results = Vec::with_capacity(waiting.len());
            for command in commands {
                results.push(match carried_out(shared, &[command]).await {
                    Ok(mut one) => one.pop().unwrap_or(Err(GalleryError::Closing)),
                    Err(Failed::InDoubt(error)) => Err(error),
                    Err(Failed::Nothing(error)) => Err(told(shared, error)),
                });
            }
            results
        }
    };
    for (one, result) in waiting.into_iter().zip(results) {
        // A caller that has gone is no reason to undo what is committed.
        let _ = one.reply.send(result);
    }
}

fn told(shared: &Shared, error: StoreError) -> GalleryError {
    let error = error.at(shared.layout.place());
    tracing::error!(%error, "a commit failed; nothing of it was kept");
    error
}

/// One result for each command, or what befell all. Tried once more where the connection was cut before
/// anything could be kept: it may have been one that was kept open while the server was started anew.
async fn carried_out(shared: &Shared, commands: &[&Command]) -> Result<Vec<Answer>, Failed> {
    match attempt(shared, commands).await {
        Err(Failed::Nothing(StoreError::Server(ServerFault { is_cut: true, .. }))) => attempt(shared, commands).await,
        other => other,
    }
}

async fn attempt(shared: &Shared, commands: &[&Command]) -> Result<Vec<Answer>, Failed> {
    let mut client = shared.connections.committer().await?;
    // Every statement sees what was committed before it: see `Sql::lock_gate`.
    let transaction = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start();
    let sql = Sql::new(transaction.await.map_err(StoreError::from)?, &shared.layout);
    match stage(shared, &sql, commands).await {
        Err(error) => {
            sql.roll_back().await;
            Err(error.into())
        }
        Ok(Staged { results, done: None }) => {
            sql.roll_back().await;
            Ok(results)
        }
        Ok(Staged { results, done: Some(done) }) => {
            if let Err(error) = sql.commit().await {
                // What this connection answers next may be about the commit still.
                drop(deadpool_postgres::Object::take(client));
                settle(shared, &done, error).await?;
            }
            publish(shared, done);
            Ok(results)
        }
    }
}

/// Writes everything, up to the point where only the commit is missing.
async fn stage(shared: &Shared, sql: &Sql<'_>, commands: &[&Command]) -> Result<Staged, StoreError> {
    let listed = shared.listed.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut group = Group::begin(sql, &shared.options, listed).await?;
    let mut results = Vec::with_capacity(commands.len());
    for command in commands {
        results.push(group.carry(command).await?);
    }
    Ok(Staged { results, done: group.finish().await? })
}

/// Lets everybody in this process know of a commit.
fn publish(shared: &Shared, done: Done) {
    *shared.listed.lock().unwrap_or_else(PoisonError::into_inner) = done.listed;
    shared.saw(&done.gate);
}

/// Finds out whether a commit was kept whose answer was lost: `Ok` where it was.
async fn settle(shared: &Shared, done: &Done, error: StoreError) -> Result<(), Failed> {
    let error = error.at(shared.layout.place());
    tracing::warn!(%error, "the answer to a commit was lost; asking the server whether it was kept");
    let until = Instant::now() + shared.options.doubt_timeout;
    loop {
        match is_kept(shared, done).await {
            Ok(true) => return Ok(()),
            Ok(false) => {
                let detail = format!("the connection was cut before the commit, of which nothing was kept: {error}");
                return Err(Failed::Nothing(StoreError::Server(ServerFault { detail, is_full: false, is_cut: false })));
            }
            Err(again) if Instant::now() < until => {
                let again = again.at(shared.layout.place());
                tracing::warn!(error = %again, "the server does not say yet whether a commit was kept");
                tokio::time::sleep(PAUSE).await;
            }
            Err(_) => {
                return Err(Failed::InDoubt(GalleryError::Postgres(format!(
                    "the answer to a commit was lost ({error}), and it is not known yet whether it was kept; send it \
                     again with the same request id"
                ))));
            }
        }
    }
}

/// Whether the log has the tag of this commit under its number. Waits for the gate first, which the
/// transaction in doubt holds until it has ended.
async fn is_kept(shared: &Shared, done: &Done) -> Result<bool, StoreError> {
    let mut client = shared.connections.committer().await?;
    let transaction = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start();
    let sql = Sql::new(transaction.await?, &shared.layout);
    sql.lock_gate().await?;
    let row = sql.row("SELECT tag FROM commits WHERE commit = $1", &[&signed(done.commit)]).await?;
    let found = row.map(|row| Ok::<_, StoreError>(bytes(&row, 0)? == done.tag)).transpose()?;
    if found != Some(true) {
        sql.roll_back().await;
        return Ok(false);
    }
    // It is on this server. Standbys that must have it may not: a commit behind it is answered when they do.
    let gate = sql.gate().await?;
    sql.put_gate(&gate).await?;
    sql.commit().await?;
    Ok(true)
}
