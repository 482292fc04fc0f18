//! Lists that callers go through page by page.

use super::super::record::fault::StoreError;
use super::read::{decision_head, head_in, pair_in, read_captures, subject_request_in};
use super::sql::{Sql, limit, number, signed};
use crate::gallery::{
    CaptureBand, CapturesFound, ClearedPair, DecisionFilter, DecisionPage, RequestFilter, RequestPage, SubjectId,
    Timestamp,
};

/// Rows that one page of a list looks at.
const LOOKED_AT_MAX: usize = 10_000;
/// Rows read at a time.
const AT_ONCE: usize = 1000;
/// By how much the clock may have been set back, in milliseconds, for lists by time to be complete.
const CLOCK_STEP_MAX_MS: u64 = 60 * 60 * 1000;

pub(super) async fn subjects_after(
    sql: &Sql<'_>,
    after: Option<&SubjectId>,
    rows: usize,
) -> Result<Vec<SubjectId>, StoreError> {
    let after = after.map(|id| sql.protection().subject(id)).unwrap_or_default();
    let page = "SELECT name, value FROM subjects WHERE name > $1 ORDER BY name LIMIT $2";
    let rows = sql.rows(page, &[&after, &limit(rows)]).await?;
    rows.iter().map(|row| head_in(sql, row).map(|head| head.id)).collect()
}

pub(super) async fn pairs_after(
    sql: &Sql<'_>,
    after: Option<&(SubjectId, SubjectId)>,
    rows: usize,
) -> Result<Vec<ClearedPair>, StoreError> {
    let name = |id: &SubjectId| sql.protection().subject(id);
    let (one, other) = after.map(|(one, other)| (name(one), name(other))).unwrap_or_default();
    let page = "SELECT one, other, value FROM cleared WHERE is_first AND (one, other) > ($1, $2) \
                ORDER BY one, other LIMIT $3";
    sql.rows(page, &[&one, &other, &limit(rows)]).await?.iter().map(|row| pair_in(sql, row)).collect()
}

pub(super) async fn captures_sharing(sql: &Sql<'_>, bands: &[CaptureBand]) -> Result<CapturesFound, StoreError> {
    let next = sql.gate().await?.captures + 1;
    Ok(CapturesFound { captures: read_captures(sql, 0, bands, Timestamp::now()).await?, next })
}

/// Decisions that pass the filter, lowest number first, those after `after`. Looks at [`LOOKED_AT_MAX`]
/// rows at most.
pub(super) async fn decisions_after(
    sql: &Sql<'_>,
    filter: &DecisionFilter,
    after: u64,
    rows: usize,
) -> Result<DecisionPage, StoreError> {
    let mut after = match filter.since {
        Some(since) => after.max(last_before(sql, since).await?),
        None => after,
    };
    let subject = filter.subject.as_ref().map(|subject| sql.protection().subject(subject));
    let mut page = DecisionPage::default();
    let mut looked_at = 0;
    loop {
        let found = match (&subject, filter.waiting) {
            (Some(subject), _) => {
                let of = "SELECT number, waits, head FROM decisions WHERE subject = $1 AND number > $2 \
                          ORDER BY number LIMIT $3";
                sql.rows(of, &[subject, &signed(after), &limit(AT_ONCE)]).await?
            }
            (None, true) => {
                let waiting = "SELECT number, waits, head FROM decisions WHERE waits AND number > $1 \
                               ORDER BY number LIMIT $2";
                sql.rows(waiting, &[&signed(after), &limit(AT_ONCE)]).await?
            }
            (None, false) => {
                let all = "SELECT number, waits, head FROM decisions WHERE number > $1 ORDER BY number LIMIT $2";
                sql.rows(all, &[&signed(after), &limit(AT_ONCE)]).await?
            }
        };
        for row in &found {
            if page.decisions.len() == rows || looked_at == LOOKED_AT_MAX {
                return Ok(page);
            }
            looked_at += 1;
            after = number(row, 0)?;
            page.more_after = Some(after);
            let head = decision_head(sql, row)?;
            if filter.until.is_some_and(|until| head.decided_at.0 >= until.0.saturating_add(CLOCK_STEP_MAX_MS)) {
                page.more_after = None;
                return Ok(page);
            }
            if filter.passes(&head) {
                page.decisions.push(head);
            }
        }
        if found.len() < AT_ONCE {
            page.more_after = None;
            return Ok(page);
        }
    }
}

/// A number below those of all decisions that were committed at `since` or later: the clock rises with
/// the number but for steps of an hour at most.
async fn last_before(sql: &Sql<'_>, since: Timestamp) -> Result<u64, StoreError> {
    let since = since.0.saturating_sub(CLOCK_STEP_MAX_MS);
    let (mut low, mut high) = (0, sql.gate().await?.decision_next);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        // Decisions that were erased leave gaps.
        let next = "SELECT number, waits, head FROM decisions WHERE number >= $1 AND number < $2 \
                    ORDER BY number LIMIT 1";
        let row = sql.row(next, &[&signed(middle), &signed(high)]).await?;
        match row.map(|row| decision_head(sql, &row)).transpose()? {
            Some(head) if head.decided_at.0 < since => low = head.number,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Requests of people that pass the filter, lowest number first, those after `after`. Looks at
/// [`LOOKED_AT_MAX`] rows at most.
pub(super) async fn requests_after(
    sql: &Sql<'_>,
    filter: &RequestFilter,
    after: u64,
    rows: usize,
) -> Result<RequestPage, StoreError> {
    let subject = filter.subject.as_ref().map(|subject| sql.protection().subject(subject));
    let (mut page, mut last) = (RequestPage::default(), after);
    let mut looked_at = 0;
    loop {
        let found = match (&subject, filter.is_of_open()) {
            (Some(subject), _) => {
                let of = "SELECT number, value FROM subject_requests WHERE subject = $1 AND number > $2 \
                          ORDER BY number LIMIT $3";
                sql.rows(of, &[subject, &signed(last), &limit(AT_ONCE)]).await?
            }
            (None, true) => {
                let open = "SELECT number, value FROM subject_requests WHERE is_open AND number > $1 \
                            ORDER BY number LIMIT $2";
                sql.rows(open, &[&signed(last), &limit(AT_ONCE)]).await?
            }
            (None, false) => {
                let all = "SELECT number, value FROM subject_requests WHERE number > $1 ORDER BY number LIMIT $2";
                sql.rows(all, &[&signed(last), &limit(AT_ONCE)]).await?
            }
        };
        for row in &found {
            if page.requests.len() == rows || looked_at == LOOKED_AT_MAX {
                page.more_after = Some(last);
                return Ok(page);
            }
            looked_at += 1;
            last = number(row, 0)?;
            page.requests.extend(Some(subject_request_in(sql, row)?).filter(|one| filter.passes(one)));
        }
        if found.len() < AT_ONCE {
            return Ok(page);
        }
    }
}
