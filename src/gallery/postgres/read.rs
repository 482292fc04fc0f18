//! Reading what a decision or a command needs, out of one state of the tables.

use super::super::record::challenge::ChallengeRecord;
use super::super::record::fault::StoreError;
use super::super::record::message::{
    CaptureRecord, ClearedRecord, DecisionHeadRecord, DecisionRecord, RequestRecord, RetentionRecord, SubjectRecord,
    TemplateRecord, unseal,
};
use super::super::record::protection::{cleared_key, decision_key};
use super::super::record::subject_request::SubjectRequestRecord;
use super::changes::arrived;
use super::ledger::read_ledger;
use super::sql::{Gate, Sql, bytes, limit, number, signed};
use crate::gallery::{
    CaptureBand, ChallengeOwner, ClearedPair, DecisionHead, DecisionKey, PairState, RECENT_MAX, ReadSet, Records,
    RequestId, RetentionRun, StoredCapture, StoredChallenge, StoredDecision, StoredRequest, StoredTemplate,
    SubjectHead, SubjectId, SubjectRequest, Timestamp, Watermark,
};

/// Captures that one look-up finds at most, the newest ones.
const CAPTURES_FOUND_MAX: usize = 1000;
/// Under which name the last run of retention is kept.
pub(super) const RETENTION: &str = "retention";

/// Everything that is asked for, on top of what the gate counts.
pub(super) async fn read(sql: &Sql<'_>, gate: &Gate, wanted: &ReadSet) -> Result<Records, StoreError> {
    let ReadSet {
        request,
        decision,
        subjects,
        decided_subject,
        templates,
        attempts,
        // Nothing lies sealed: there are no pictures, and no keys.
        pictures: _,
        pictures_of: _,
        expired_pictures: _,
        key_of: _,
        recent,
        presented_about,
        decisions_about,
        newest_of,
        captures_since,
        challenges_of,
        cleared_with,
        subject_request,
        requests_of,
        last_retention,
        arrived_after,
        unsequenced: _,
        entered_before: _,
    } = wanted;
    let mut records = Records {
        as_of: Watermark(gate.commit),
        commit: gate.commit + 1,
        template_next: gate.template_next,
        decision_next: gate.decision_next,
        capture_next: gate.captures + 1,
        subject_request_next: gate.subject_requests + 1,
        room: sql.layout.templates_max.saturating_sub(gate.templates),
        templates_max: sql.layout.templates_max,
        is_sealed: false,
        has_ledger: gate.entries.is_some(),
        entry_next: gate.entries,
        ..Records::default()
    };
    if let Some(id) = request {
        records.request = read_request(sql, id).await?;
    }
    if let Some(key) = decision {
        records.decision = read_decision(sql, key).await?;
        let mut found = read_attempts(sql, &key.transaction, if *attempts { usize::MAX } else { 1 }).await?;
        records.last_decision = found.first().cloned();
        if *attempts {
            found.reverse();
            records.attempts = found;
        }
    }
    if let Some((subject, since)) = recent {
        let newest = newest_heads(sql, subject).await?;
        records.recent = newest.into_iter().take_while(|head| head.decided_at >= *since).collect();
    }
    for subject in presented_about {
        for decision in newest_decisions(sql, subject).await? {
            records.presented.push((subject.clone(), decision.presented_by));
        }
    }
    let mut ids = subjects.clone();
    ids.extend(records.decision.as_ref().filter(|_| *decided_subject).map(|decision| decision.subject.clone()));
    records.subjects = heads(sql, &ids).await?;
    if *templates {
        records.templates = templates_of(sql, &records.subjects).await?;
    }
    if let Some(subject) = decisions_about {
        let rows = "SELECT number, waits, head FROM decisions WHERE subject = $1 ORDER BY number";
        let rows = sql.rows(rows, &[&sql.protection().subject(subject)]).await?;
        records.about = rows.iter().map(|row| decision_head(sql, row)).collect::<Result<_, _>>()?;
    }
    if let Some(subject) = newest_of {
        let newest = "SELECT coalesce(max(number), 0) FROM decisions WHERE subject = $1";
        let row = sql.row(newest, &[&sql.protection().subject(subject)]).await?;
        records.newest = row.map_or(Ok(0), |row| number(&row, 0))?;
    }
    if let Some((since, bands)) = captures_since {
        records.captures = read_captures(sql, *since, bands, Timestamp::now()).await?;
    }
    if let Some(owner) = challenges_of {
        records.challenges = read_challenges(sql, owner).await?;
        let row = sql.row("SELECT coalesce(max(number), 0) FROM challenges", &[]).await?;
        records.challenge_next = row.map_or(Ok(0), |row| number(&row, 0))? + 1;
    }
    if subject_request.is_some() || requests_of.is_some() {
        let rows = "SELECT number, value FROM subject_requests WHERE number = $1 OR subject = $2 ORDER BY number";
        let of = requests_of.as_ref().map(|subject| sql.protection().subject(subject));
        let rows = sql.rows(rows, &[&subject_request.map(signed), &of]).await?;
        records.subject_requests = rows.iter().map(|row| subject_request_in(sql, row)).collect::<Result<_, _>>()?;
    }
    if *last_retention {
        records.last_retention = read_retention(sql).await?;
    }
    if let Some(subject) = cleared_with {
        let (pairs, now) = (read_pairs_of(sql, subject).await?, Timestamp::now());
        let in_force = pairs.iter().filter(|pair| pair.state(now) == PairState::InForce);
        let other = |pair: &ClearedPair| if pair.first == *subject { pair.second.clone() } else { pair.first.clone() };
        records.cleared_with = in_force.map(other).collect();
        records.cleared_heads = heads(sql, &records.cleared_with).await?;
        records.pairs = pairs;
    }
    if let Some(Watermark(after)) = *arrived_after {
        records.arrived = arrived(sql, gate, after).await?;
    }
    records.ledger = read_ledger(sql, gate, wanted).await?;
    Ok(records)
}

async fn read_request(sql: &Sql<'_>, id: &RequestId) -> Result<Option<StoredRequest>, StoreError> {
    let name = sql.protection().request(id);
    let Some(row) = sql.row("SELECT value FROM requests WHERE name = $1", &[&name]).await? else { return Ok(None) };
    let record: RequestRecord = sql.protection().unwrap("requests", name.as_bytes(), bytes(&row, 0)?)?;
    record.restore().map(Some)
}

fn decision_in(sql: &Sql<'_>, name: &str, value: &[u8]) -> Result<StoredDecision, StoreError> {
    let record: DecisionRecord = sql.protection().unwrap("decisions", name.as_bytes(), value)?;
    let key = record.key(name)?;
    record.restore(key)
}

/// Under which key the decision of a row lies, whose first columns are its transaction and attempt.
fn decision_name(row: &tokio_postgres::Row) -> Result<String, StoreError> {
    Ok(format!("{} {:010}", row.try_get::<_, &str>(0)?, number(row, 1)?))
}

pub(super) async fn read_decision(sql: &Sql<'_>, key: &DecisionKey) -> Result<Option<StoredDecision>, StoreError> {
    let (transaction, attempt) = (sql.protection().transaction(&key.transaction), i64::from(key.attempt));
    let found = "SELECT value FROM decisions WHERE transaction = $1 AND attempt = $2";
    let row = sql.row(found, &[&transaction, &attempt]).await?;
    row.map(|row| decision_in(sql, &decision_key(sql.protection(), key), bytes(&row, 0)?)).transpose()
}

/// Attempts of a transaction from the last one backwards, `rows` at most.
async fn read_attempts(sql: &Sql<'_>, transaction: &RequestId, rows: usize) -> Result<Vec<StoredDecision>, StoreError> {
    let found =
        "SELECT transaction, attempt, value FROM decisions WHERE transaction = $1 ORDER BY attempt DESC LIMIT $2";
    let rows = sql.rows(found, &[&sql.protection().transaction(transaction), &limit(rows)]).await?;
    rows.iter().map(|row| decision_in(sql, &decision_name(row)?, bytes(row, 2)?)).collect()
}

/// What is listed of the decision in a row of number, whether it waits, and head.
pub(super) fn decision_head(sql: &Sql<'_>, row: &tokio_postgres::Row) -> Result<DecisionHead, StoreError> {
    let of = number(row, 0)?;
    let record: DecisionHeadRecord = sql.protection().unwrap("decision_heads", &of.to_le_bytes(), bytes(row, 2)?)?;
    record.restore(of, row.try_get(1)?)
}

/// What is listed of the newest decisions about a subject, newest first.
async fn newest_heads(sql: &Sql<'_>, subject: &SubjectId) -> Result<Vec<DecisionHead>, StoreError> {
    let newest = "SELECT number, waits, head FROM decisions WHERE subject = $1 ORDER BY number DESC LIMIT $2";
    let rows = sql.rows(newest, &[&sql.protection().subject(subject), &limit(RECENT_MAX)]).await?;
    rows.iter().map(|row| decision_head(sql, row)).collect()
}

async fn newest_decisions(sql: &Sql<'_>, subject: &SubjectId) -> Result<Vec<StoredDecision>, StoreError> {
    let newest = "SELECT transaction, attempt, value FROM decisions WHERE subject = $1 ORDER BY number DESC LIMIT $2";
    let rows = sql.rows(newest, &[&sql.protection().subject(subject), &limit(RECENT_MAX)]).await?;
    rows.iter().map(|row| decision_in(sql, &decision_name(row)?, bytes(row, 2)?)).collect()
}

/// Heads of those subjects that are enrolled, each once, in the order of their names.
pub(super) async fn heads(sql: &Sql<'_>, ids: &[SubjectId]) -> Result<Vec<SubjectHead>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<String> = ids.iter().map(|id| sql.protection().subject(id)).collect();
    let found = "SELECT name, value FROM subjects WHERE name = ANY($1) ORDER BY name";
    sql.rows(found, &[&names]).await?.iter().map(|row| head_in(sql, row)).collect()
}

/// The subject in a row of name and value.
pub(super) fn head_in(sql: &Sql<'_>, row: &tokio_postgres::Row) -> Result<SubjectHead, StoreError> {
    let name: &str = row.try_get(0)?;
    let record: SubjectRecord = sql.protection().unwrap("subjects", name.as_bytes(), bytes(row, 1)?)?;
    let id = record.subject(name)?;
    record.into_head(id)
}

/// The template in a row of id and value, and whose it is.
pub(super) fn template_in(sql: &Sql<'_>, row: &tokio_postgres::Row) -> Result<(String, StoredTemplate), StoreError> {
    let id = number(row, 0)?;
    let mut record: TemplateRecord = sql.protection().unwrap("templates", &id.to_le_bytes(), bytes(row, 1)?)?;
    let subject = std::mem::take(&mut record.subject);
    Ok((subject, record.restore(id, &sql.layout.recipes)?))
}

/// The templates of these subjects, each of which must be there and be the subject's.
pub(super) async fn templates_of(sql: &Sql<'_>, heads: &[SubjectHead]) -> Result<Vec<StoredTemplate>, StoreError> {
    let ids: Vec<i64> = heads.iter().flat_map(|head| &head.templates).copied().map(signed).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sql.rows("SELECT id, value FROM templates WHERE id = ANY($1) ORDER BY id", &[&ids]).await?;
    if rows.len() != ids.len() {
        return Err(StoreError::damaged("a subject's template is missing"));
    }
    let owner = |id: u64| heads.iter().find(|head| head.templates.contains(&id));
    let own = |row| {
        let (subject, template) = template_in(sql, row)?;
        match owner(template.id).is_some_and(|head| head.id.as_str() == subject) {
            true => Ok(template),
            false => Err(StoreError::damaged("a template belongs to another subject")),
        }
    };
    rows.iter().map(own).collect()
}

pub(super) fn capture_in(sql: &Sql<'_>, row: &tokio_postgres::Row) -> Result<StoredCapture, StoreError> {
    let of = number(row, 0)?;
    let record: CaptureRecord = sql.protection().unwrap("captures", &of.to_le_bytes(), bytes(row, 1)?)?;
    record.restore(of)
}

/// Captures that share one of the keys, with numbers from `since` on, whose time is not over at `now`,
/// oldest first; of very many the newest.
pub(super) async fn read_captures(
    sql: &Sql<'_>,
    since: u64,
    bands: &[CaptureBand],
    now: Timestamp,
) -> Result<Vec<StoredCapture>, StoreError> {
    let bands: Vec<Vec<u8>> = bands.iter().map(|band| sql.protection().band(band).to_vec()).collect();
    let found = "SELECT number, value FROM captures WHERE expires_at > $3 AND number IN \
                 (SELECT number FROM capture_bands WHERE band = ANY($1) AND number >= $2) \
                 ORDER BY number DESC LIMIT $4";
    let rows = sql.rows(found, &[&bands, &signed(since), &signed(now.0), &limit(CAPTURES_FOUND_MAX)]).await?;
    rows.iter().rev().map(|row| capture_in(sql, row)).collect()
}

/// The challenges of an owner, oldest first.
async fn read_challenges(sql: &Sql<'_>, owner: &ChallengeOwner) -> Result<Vec<StoredChallenge>, StoreError> {
    let found = "SELECT number, value FROM challenges WHERE transaction = $1 AND asked_by = $2 ORDER BY number";
    let transaction = sql.protection().transaction(&owner.transaction);
    let rows = sql.rows(found, &[&transaction, &owner.asked_by.as_slice()]).await?;
    let restore = |row| {
        let of = number(row, 0)?;
        let record: ChallengeRecord = sql.protection().unwrap("challenges", &of.to_le_bytes(), bytes(row, 1)?)?;
        record.restore(of)
    };
    rows.iter().map(restore).collect()
}

/// The request of a person in a row of number and value.
pub(super) fn subject_request_in(sql: &Sql<'_>, row: &tokio_postgres::Row) -> Result<SubjectRequest, StoreError> {
    let of = number(row, 0)?;
    let record: SubjectRequestRecord =
        sql.protection().unwrap("subject_requests", &of.to_le_bytes(), bytes(row, 1)?)?;
    record.restore(of)
}

async fn read_retention(sql: &Sql<'_>) -> Result<Option<RetentionRun>, StoreError> {
    let Some(value) = sql.fact(RETENTION).await? else { return Ok(None) };
    Ok(Some(unseal::<RetentionRecord>("gallery", RETENTION.as_bytes(), &value)?.restore()))
}

/// The pair in a row of one, other and value.
pub(super) fn pair_in(sql: &Sql<'_>, row: &tokio_postgres::Row) -> Result<ClearedPair, StoreError> {
    let name = format!("{}\0{}", row.try_get::<_, &str>(0)?, row.try_get::<_, &str>(1)?);
    sql.protection().unwrap::<ClearedRecord>("cleared", name.as_bytes(), bytes(row, 2)?)?.restore_under(&name)
}

/// Every pair of a subject, however it stands, in byte order of the other.
async fn read_pairs_of(sql: &Sql<'_>, subject: &SubjectId) -> Result<Vec<ClearedPair>, StoreError> {
    let found = "SELECT one, other, value FROM cleared WHERE one = $1";
    let rows = sql.rows(found, &[&sql.protection().subject(subject)]).await?;
    let mut pairs = rows.iter().map(|row| pair_in(sql, row)).collect::<Result<Vec<_>, _>>()?;
    let other = |pair: &ClearedPair| if pair.first == *subject { pair.second.clone() } else { pair.first.clone() };
    pairs.sort_by_cached_key(other);
    Ok(pairs)
}

/// The two parts of the key of a pair, in this order.
pub(super) fn pair_names(sql: &Sql<'_>, one: &SubjectId, other: &SubjectId) -> (String, String, String) {
    let protection = sql.protection();
    (protection.subject(one), protection.subject(other), cleared_key(protection, one, other))
}
