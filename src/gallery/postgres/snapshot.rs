//! A whole gallery as of one commit, part by part, while writes go on.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Object;
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::IsolationLevel;

use super::super::record::fault::StoreError;
use super::read::{head_in, pair_in, templates_of};
use super::sql::{Gate, Sql, limit};
use super::store::{Shared, read_gallery};
use crate::gallery::snapshot::Sent;
use crate::gallery::{GalleryError, GallerySnapshot, SnapshotHead, SnapshotPart, Timestamp};

/// Parts ready before they are asked for.
const PARTS_AHEAD: usize = 64;
/// Subjects, and pairs, read at a time.
const AT_ONCE: usize = 256;
/// How long a part waits to be taken.
const STALL_MAX: Duration = Duration::from_secs(60);

type Parts = mpsc::Sender<Result<Sent, GalleryError>>;

/// Takes a snapshot: waits until it is known what it is of, and goes on in a task of its own.
pub(super) async fn take(shared: Arc<Shared>) -> Result<GallerySnapshot, GalleryError> {
    let (begun, head) = oneshot::channel();
    let (parts, received) = mpsc::channel(PARTS_AHEAD);
    let place = shared.layout.place.clone();
    tokio::spawn(async move {
        let is_sent = match shared.connections.reader().await {
            Ok(client) => send_all(&shared, client, begun, &parts).await,
            Err(error) => {
                // Whoever waits is told.
                let _ = begun.send(Err(error));
                return;
            }
        };
        let last = match is_sent {
            Ok(()) => Ok(Sent::End),
            Err(error) => Err(error.at(shared.layout.place())),
        };
        let _ = tokio::time::timeout(STALL_MAX, parts.send(last)).await;
    });
    let head = head.await.map_err(|_| GalleryError::Closing)?.map_err(|error: StoreError| error.at(&place))?;
    Ok(GallerySnapshot::new(head, received))
}

async fn send_all(
    shared: &Shared,
    mut client: Object,
    begun: oneshot::Sender<Result<SnapshotHead, StoreError>>,
    parts: &Parts,
) -> Result<(), StoreError> {
    let transaction =
        client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start();
    let sql = Sql::new(transaction.await?, &shared.layout);
    // It holds up nobody, and lasts as long as the gallery is large.
    sql.run("SET LOCAL transaction_timeout = 0", &[]).await?;
    sql.run("SET LOCAL idle_in_transaction_session_timeout = 0", &[]).await?;
    let head = match head(&sql).await {
        Ok(head) => head,
        Err(error) => {
            let _ = begun.send(Err(error));
            return Ok(());
        }
    };
    let _ = begun.send(Ok(head.clone()));
    let mut templates = 0;
    let mut after = String::new();
    loop {
        let page = "SELECT name, value FROM subjects WHERE name > $1 ORDER BY name LIMIT $2";
        let rows = sql.rows(page, &[&after, &limit(AT_ONCE)]).await?;
        let heads = rows.iter().map(|row| head_in(&sql, row)).collect::<Result<Vec<_>, _>>()?;
        let mut found = templates_of(&sql, &heads).await?;
        for head in heads {
            let (own, others) = found.into_iter().partition(|template| head.templates.contains(&template.id));
            found = others;
            let subject = head.holding(own);
            templates += subject.templates.len() as u64;
            send(parts, SnapshotPart::Subject(subject)).await?;
        }
        let Some(last) = rows.last().filter(|_| rows.len() == AT_ONCE) else { break };
        after = last.try_get(0)?;
    }
    if templates != head.templates {
        return Err(StoreError::damaged("there are templates that belong to nobody, or to two"));
    }
    let mut after = (String::new(), String::new());
    loop {
        let page = "SELECT one, other, value FROM cleared WHERE is_first AND (one, other) > ($1, $2) \
                    ORDER BY one, other LIMIT $3";
        let rows = sql.rows(page, &[&after.0, &after.1, &limit(AT_ONCE)]).await?;
        for row in &rows {
            send(parts, SnapshotPart::Cleared(pair_in(&sql, row)?)).await?;
        }
        let Some(last) = rows.last().filter(|_| rows.len() == AT_ONCE) else { return Ok(()) };
        after = (last.try_get(0)?, last.try_get(1)?);
    }
}

async fn head(sql: &Sql<'_>) -> Result<SnapshotHead, StoreError> {
    let Gate { subjects, templates, template_next, .. } = sql.gate().await?;
    let recipes = read_gallery(sql).await?.ok_or_else(|| StoreError::damaged("the gallery's own record is missing"))?;
    let recipes = recipes.recipes()?;
    Ok(SnapshotHead { recipes, subjects, templates, template_next, taken_at: Timestamp::now(), master_key: None })
}

async fn send(parts: &Parts, part: SnapshotPart) -> Result<(), StoreError> {
    let sent = tokio::time::timeout(STALL_MAX, parts.send(Ok(Sent::Part(Box::new(part))))).await;
    match sent {
        Ok(Ok(())) => Ok(()),
        // Nobody wants it any more.
        Ok(Err(_)) => Err(GalleryError::Closing.into()),
        Err(_) => Err(GalleryError::Postgres("a snapshot was not read for a minute; take it again".to_owned()).into()),
    }
}
