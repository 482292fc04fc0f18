//! Reading what a decision, a command or an index needs, out of one state of the tables.

use std::collections::BTreeSet;
use std::ops::Range;

use redb::ReadableTable;

use super::challenges::{next_challenge, read_challenges};
use super::fault::StoreError;
use super::pictures::{count_pictures, expired_pictures, read_pictures};
use super::record::{ChangeRecord, Counters, SubjectRecord};
use super::subject_requests::{read_requests_of, read_subject_request};
use super::tables::{
    Tables, read_attempts, read_captures, read_changes, read_decision, read_decision_head, read_pairs_of, read_request,
    read_subject, read_subject_decisions, read_template,
};
use crate::face::RecipeDigest;
use crate::gallery::{
    Arrived, Change, Changes, ClearedPair, DecisionFilter, DecisionHead, DecisionPage, GalleryError, PairState,
    RECENT_MAX, ReadSet, Records, StoredTemplate, Subject, SubjectHead, SubjectId, Timestamp, Watermark,
};

/// Recipes of the templates that a store may hold, each with the number of its values.
pub(super) type Recipes = [(RecipeDigest, usize)];

/// Rows that one page of a list looks at.
const LOOKED_AT_MAX: usize = 10_000;
/// By how much the clock may have been set back, in milliseconds, for lists by time to be complete.
const CLOCK_STEP_MAX_MS: u64 = 60 * 60 * 1000;

/// The state that tables are read in.
pub(super) struct State<'a> {
    /// As they were at the last commit.
    pub(super) counters: Counters,
    /// Templates that the log does not tell of yet: those of a transaction under way.
    pub(super) unlogged: Range<u64>,
    /// Subjects whose change the log does not tell of yet, as above.
    pub(super) relabelled: Vec<SubjectId>,
    /// Templates that are there.
    pub(super) templates: u64,
    /// Most that may be.
    pub(super) templates_max: u64,
    pub(super) recipes: &'a Recipes,
    /// Number of the next decision.
    pub(super) decision_next: u64,
    /// Number of the last capture.
    pub(super) captures: u64,
    /// Number of the last request of a person.
    pub(super) subject_requests: u64,
}

/// Everything that is asked for.
pub(super) fn read(tables: &impl Tables, state: &State<'_>, wanted: &ReadSet) -> Result<Records, StoreError> {
    let ReadSet {
        request,
        decision,
        subjects,
        decided_subject,
        templates,
        attempts,
        pictures,
        pictures_of,
        expired_pictures: expired,
        recent,
        presented_about,
        decisions_about,
        newest_of,
        captures_since,
        challenges_of,
        cleared_with,
        subject_request,
        requests_of,
        key_of,
        // The store reads it: it is in the gallery's own table.
        last_retention: _,
        arrived_after,
        // Those of a transaction alone are read, where it is planned: see `Group::carry`.
        unsequenced: _,
        entered_before: _,
    } = wanted;
    let mut records = Records {
        as_of: Watermark(state.counters.commit),
        commit: state.counters.commit + 1,
        template_next: state.unlogged.end.max(state.counters.template_next),
        decision_next: state.decision_next,
        capture_next: state.captures + 1,
        subject_request_next: state.subject_requests + 1,
        room: state.templates_max.saturating_sub(state.templates),
        templates_max: state.templates_max,
        is_sealed: tables.protection().keys().is_some(),
        ..Records::default()
    };
    if let Some(id) = request {
        let found = read_request(tables, &tables.protection().request(id))?;
        records.request = found.map(|record| record.restore()).transpose()?;
    }
    if let Some(key) = decision {
        let found = read_decision(tables, key)?;
        records.decision = found.map(|record| record.restore(key.clone())).transpose()?;
        let limit = if *attempts { usize::MAX } else { 1 };
        let mut found = read_attempts(tables, &key.transaction, limit)?;
        records.last_decision = found.first().cloned();
        if *attempts {
            found.reverse();
            records.attempts = found;
        }
        if let Some(decision) = records.decision.as_ref().filter(|_| *pictures) {
            records.pictures = read_pictures(tables, decision.number)?;
        }
    }
    if let Some(subject) = pictures_of {
        records.pictures_kept = count_pictures(tables, subject, Timestamp::now())?;
    }
    if let Some((before, limit)) = *expired {
        records.expired_pictures = expired_pictures(tables, before, limit, Timestamp::now())?;
    }
    if let Some((subject, since)) = recent {
        records.recent = recent_decisions(tables, subject, *since)?;
    }
    for subject in presented_about {
        for head in recent_decisions(tables, subject, Timestamp(0))? {
            let found = read_decision(tables, &head.key)?;
            let found = found.ok_or_else(|| StoreError::damaged("a decision is listed and not there"))?;
            records.presented.push((subject.clone(), found.restore(head.key)?.presented_by));
        }
    }
    let decided = records.decision.as_ref().filter(|_| *decided_subject).map(|decision| decision.subject.clone());
    for id in subjects.iter().chain(&decided) {
        if records.head(id).is_none() {
            records.subjects.extend(head(tables, id)?);
        }
    }
    if *templates {
        for head in &records.subjects {
            for &id in &head.templates {
                records.templates.push(template_of(tables, id, &head.id, state.recipes)?);
            }
        }
    }
    if let Some(subject) = decisions_about {
        for number in decisions_of(tables, subject, 0)? {
            let head = read_decision_head(tables, number?)?;
            records.about.push(head.ok_or_else(|| StoreError::damaged("a decision is listed and not there"))?);
        }
    }
    if let Some(subject) = newest_of {
        let newest = decisions_of(tables, subject, 0)?.next_back();
        records.newest = newest.transpose()?.unwrap_or(0);
    }
    if let Some((since, bands)) = captures_since {
        records.captures = read_captures(tables, *since, bands, Timestamp::now())?;
    }
    if let Some(owner) = challenges_of {
        (records.challenges, records.challenge_next) = (read_challenges(tables, owner)?, next_challenge(tables)?);
    }
    if let Some(number) = subject_request {
        records.subject_requests.extend(read_subject_request(tables, *number)?);
    }
    if let Some(subject) = requests_of {
        records.subject_requests.extend(read_requests_of(tables, subject)?);
    }
    if let Some(subject) = key_of {
        records.has_key = tables.has_key(subject)?;
    }
    if let Some(subject) = cleared_with {
        let (pairs, now) = (read_pairs_of(tables, subject)?, Timestamp::now());
        let in_force = pairs.iter().filter(|pair| pair.state(now) == PairState::InForce);
        let other = |pair: &ClearedPair| if pair.first == *subject { pair.second.clone() } else { pair.first.clone() };
        records.cleared_with = in_force.map(other).collect();
        records.pairs = pairs;
        for other in &records.cleared_with {
            records.cleared_heads.extend(head(tables, other)?);
        }
    }
    if let Some(Watermark(after)) = *arrived_after {
        records.arrived = arrived(tables, state, after)?;
    }
    Ok(records)
}

/// The newest decisions about a subject that were committed at `since` or later, newest first.
fn recent_decisions(
    tables: &impl Tables,
    subject: &SubjectId,
    since: Timestamp,
) -> Result<Vec<DecisionHead>, StoreError> {
    let mut found = Vec::new();
    for number in decisions_of(tables, subject, 0)?.rev().take(RECENT_MAX) {
        let head = read_decision_head(tables, number?)?;
        let head = head.ok_or_else(|| StoreError::damaged("a decision is listed and not there"))?;
        if head.decided_at < since {
            break;
        }
        found.push(head);
    }
    Ok(found)
}

/// Decisions that pass the filter, lowest number first, those after `after`; `next` is the number
/// of the next decision. Looks at [`LOOKED_AT_MAX`] rows at most.
pub(super) fn decisions_after(
    tables: &impl Tables,
    filter: &DecisionFilter,
    after: u64,
    limit: usize,
    next: u64,
) -> Result<DecisionPage, StoreError> {
    let after = match filter.since {
        Some(since) => after.max(last_before(tables, since, next)?),
        None => after,
    };
    let numbers: Box<dyn Iterator<Item = Result<u64, StoreError>>> = match (&filter.subject, filter.waiting) {
        (Some(subject), _) => Box::new(decisions_of(tables, subject, after)?),
        (None, true) => Box::new(numbers_of(tables.waiting()?, after)?),
        (None, false) => Box::new(numbers_of(tables.decision_heads()?, after)?),
    };
    let mut page = DecisionPage::default();
    for (looked_at, number) in numbers.enumerate() {
        let number = number?;
        if page.decisions.len() == limit || looked_at == LOOKED_AT_MAX {
            return Ok(page);
        }
        page.more_after = Some(number);
        let head = read_decision_head(tables, number)?;
        let head = head.ok_or_else(|| StoreError::damaged("a decision is listed and not there"))?;
        if filter.until.is_some_and(|until| head.decided_at.0 >= until.0.saturating_add(CLOCK_STEP_MAX_MS)) {
            break;
        }
        if filter.passes(&head) {
            page.decisions.push(head);
        }
    }
    page.more_after = None;
    Ok(page)
}

pub(super) fn numbers_of<'t>(
    table: &'t impl ReadableTable<u64, &'static [u8]>,
    after: u64,
) -> Result<impl Iterator<Item = Result<u64, StoreError>> + 't, StoreError> {
    let rows = table.range(after.saturating_add(1)..)?;
    Ok(rows.map(|row| row.map(|(number, _)| number.value()).map_err(StoreError::from)))
}

/// A number below those of all decisions that were committed at `since` or later: the clock rises
/// with the number but for steps of an hour at most.
fn last_before(tables: &impl Tables, since: Timestamp, next: u64) -> Result<u64, StoreError> {
    let since = since.0.saturating_sub(CLOCK_STEP_MAX_MS);
    let (mut low, mut high) = (0, next);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        // Decisions that were erased leave gaps.
        let next = tables.decision_heads()?.range(middle..high)?.next().transpose()?.map(|(number, _)| number.value());
        let head = next.map(|number| read_decision_head(tables, number)).transpose()?.flatten();
        match head {
            Some(head) if head.decided_at.0 < since => low = head.number,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// A subject without its vectors.
pub(super) fn head(tables: &impl Tables, id: &SubjectId) -> Result<Option<SubjectHead>, StoreError> {
    read_subject(tables, id.as_str())?.map(|record| record.into_head(id.clone())).transpose()
}

/// A subject with its templates.
pub(super) fn subject(tables: &impl Tables, head: SubjectHead, recipes: &Recipes) -> Result<Subject, StoreError> {
    let restore = |&id: &u64| template_of(tables, id, &head.id, recipes);
    let templates = head.templates.iter().map(restore).collect::<Result<Vec<_>, _>>()?;
    Ok(head.holding(templates))
}

/// A template that must be there and be the subject's.
fn template_of(
    tables: &impl Tables,
    id: u64,
    subject: &SubjectId,
    recipes: &Recipes,
) -> Result<StoredTemplate, StoreError> {
    match read_template(tables, id)? {
        Some(record) if record.subject == subject.as_str() => record.restore(id, recipes),
        Some(_) => Err(StoreError::damaged("a template belongs to another subject")),
        None => Err(StoreError::damaged("a subject's template is missing")),
    }
}

/// A template that may have gone, and whose it is.
fn arrival(
    tables: &impl Tables,
    id: u64,
    recipes: &Recipes,
) -> Result<Option<(SubjectHead, StoredTemplate)>, StoreError> {
    let Some(record) = read_template(tables, id)? else { return Ok(None) };
    let subject =
        SubjectId::new(record.subject.clone()).map_err(|_| StoreError::damaged("a template's subject is not an id"))?;
    let owner = head(tables, &subject)?.ok_or_else(|| StoreError::damaged("a template belongs to nobody"))?;
    Ok(Some((owner, record.restore(id, recipes)?)))
}

/// Templates of commits after `after`; `None` where the log does not reach back so far.
fn arrived(tables: &impl Tables, state: &State<'_>, after: u64) -> Result<Option<Vec<Arrived>>, StoreError> {
    if state.counters.logged_after() > after {
        return Ok(None);
    }
    let logged = read_changes(tables, after)?;
    let mut ids: BTreeSet<u64> = logged.iter().flat_map(|change| change.came_from..change.came_to).collect();
    ids.extend(state.unlogged.clone());
    // Who is searched by something else was perhaps not found before: one whose restriction ended.
    let mut changed: BTreeSet<SubjectId> = state.relabelled.iter().cloned().collect();
    for change in &logged {
        changed.append(&mut relabelled(tables, change)?);
    }
    for id in &changed {
        ids.extend(head(tables, id)?.map(|head| head.templates).unwrap_or_default());
    }
    let mut found = Vec::new();
    for id in ids {
        if let Some((SubjectHead { id: subject, standing, .. }, template)) = arrival(tables, id, state.recipes)? {
            found.push(Arrived { subject, restricted: standing.is_restricted(), template });
        }
    }
    Ok(Some(found))
}

/// What commits after `after` changed.
pub(super) fn changes(
    tables: &impl Tables,
    counters: &Counters,
    after: u64,
    recipes: &Recipes,
) -> Result<Changes, StoreError> {
    if counters.logged_after() > after {
        return Err(GalleryError::LogTooShort.into());
    }
    let mut changes = Vec::new();
    for change in read_changes(tables, after)? {
        changes.extend(change.removed.iter().map(|&id| Change::Removed { id }));
        for id in change.came_from..change.came_to {
            let Some((owner, template)) = arrival(tables, id, recipes)? else { continue };
            let (restricted, content) = (owner.standing.is_restricted(), template.content);
            let SubjectHead { id: subject, attributes, .. } = owner;
            changes.push(Change::Added { subject, attributes, restricted, id, content });
        }
        for id in relabelled(tables, &change)? {
            // One that was removed afterwards has no templates left.
            if let Some(head) = head(tables, &id)? {
                let restricted = head.standing.is_restricted();
                let SubjectHead { id: subject, attributes, templates, .. } = head;
                changes.push(Change::Relabelled { subject, attributes, restricted, templates });
            }
        }
    }
    Ok(Changes { changes, up_to: Watermark(counters.commit), template_next: counters.template_next })
}

/// Subjects whose attributes a commit changed; those who have gone since may be missing.
pub(super) fn relabelled(tables: &impl Tables, change: &ChangeRecord) -> Result<BTreeSet<SubjectId>, StoreError> {
    let mut subjects: BTreeSet<SubjectId> =
        change.relabelled.iter().cloned().map(stored_id).collect::<Result<_, _>>()?;
    for &id in &change.relabelled_templates {
        subjects.extend(read_template(tables, id)?.map(|template| stored_id(template.subject)).transpose()?);
    }
    Ok(subjects)
}

fn stored_id(id: String) -> Result<SubjectId, StoreError> {
    SubjectId::new(id).map_err(|_| StoreError::damaged("a subject's id is not one"))
}

/// Numbers of the decisions about a subject, those after `after`, lowest first.
fn decisions_of(
    tables: &impl Tables,
    subject: &SubjectId,
    after: u64,
) -> Result<impl DoubleEndedIterator<Item = Result<u64, StoreError>>, StoreError> {
    read_subject_decisions(tables.subject_decisions()?, tables.protection(), subject, after)
}

/// Up to `limit` subject ids in the order of the table, those after `after`.
pub(super) fn subjects_after(
    tables: &impl Tables,
    after: Option<&SubjectId>,
    limit: usize,
) -> Result<Vec<SubjectId>, StoreError> {
    use std::ops::Bound::{Excluded, Unbounded};
    let after = after.map(|id| tables.protection().subject(id));
    let from = after.as_deref().map_or(Unbounded, Excluded);
    let rows = tables.subjects()?.range::<&str>((from, Unbounded))?;
    rows.take(limit)
        .map(|row| {
            row.map_err(StoreError::from)
                .and_then(|(name, value)| subject_in(tables, name.value(), value.value()).map(|(id, _)| id))
        })
        .collect()
}

/// The subject that lies under `name`.
pub(super) fn subject_in(
    tables: &impl Tables,
    name: &str,
    value: &[u8],
) -> Result<(SubjectId, SubjectRecord), StoreError> {
    let record: SubjectRecord = tables.protection().unwrap("subjects", name.as_bytes(), value)?;
    Ok((record.subject(name)?, record))
}
