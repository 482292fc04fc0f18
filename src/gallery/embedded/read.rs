//! Reading what a decision, a command or an index needs, out of one state of the tables.

use std::ops::Range;

use redb::ReadableTable;

use super::fault::StoreError;
use super::record::Counters;
use super::tables::{
    Tables, read_changes, read_cleared_with, read_decision, read_last_decision, read_request, read_subject,
    read_template,
};
use crate::face::RecipeDigest;
use crate::gallery::{
    Arrived, Change, Changes, GalleryError, ReadSet, Records, StoredTemplate, Subject, SubjectHead, SubjectId,
    Watermark,
};

/// Recipes of the templates that a store may hold, each with the number of its values.
pub(super) type Recipes = [(RecipeDigest, usize)];

/// The state that tables are read in.
pub(super) struct State<'a> {
    /// As they were at the last commit.
    pub(super) counters: Counters,
    /// Templates that the log does not tell of yet: those of a transaction under way.
    pub(super) unlogged: Range<u64>,
    /// Templates that are there.
    pub(super) templates: u64,
    /// Most that may be.
    pub(super) templates_max: u64,
    pub(super) recipes: &'a Recipes,
}

/// Everything that is asked for.
pub(super) fn read(tables: &impl Tables, state: &State<'_>, wanted: &ReadSet) -> Result<Records, StoreError> {
    let ReadSet { request, decision, subjects, decided_subject, templates, cleared_with, arrived_after } = wanted;
    let mut records = Records {
        as_of: Watermark(state.counters.commit),
        commit: state.counters.commit + 1,
        template_next: state.unlogged.end.max(state.counters.template_next),
        room: state.templates_max.saturating_sub(state.templates),
        templates_max: state.templates_max,
        ..Records::default()
    };
    if let Some(id) = request {
        let found = read_request(tables.requests()?, id.as_str())?;
        records.request = found.map(|record| record.restore()).transpose()?;
    }
    if let Some(key) = decision {
        let found = read_decision(tables.decisions()?, key)?;
        records.decision = found.map(|record| record.restore(key.clone())).transpose()?;
        records.last_decision = read_last_decision(tables.decisions()?, &key.transaction)?;
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
    if let Some(subject) = cleared_with {
        records.cleared_with = read_cleared_with(tables.cleared()?, subject)?;
        for other in &records.cleared_with {
            records.cleared_heads.extend(head(tables, other)?);
        }
    }
    if let Some(Watermark(after)) = *arrived_after {
        records.arrived = arrived(tables, state, after)?;
    }
    Ok(records)
}

/// A subject without its vectors.
pub(super) fn head(tables: &impl Tables, id: &SubjectId) -> Result<Option<SubjectHead>, StoreError> {
    read_subject(tables.subjects()?, id.as_str())?.map(|record| record.into_head(id.clone())).transpose()
}

/// A subject with its templates.
pub(super) fn subject(tables: &impl Tables, head: SubjectHead, recipes: &Recipes) -> Result<Subject, StoreError> {
    let restore = |&id: &u64| template_of(tables, id, &head.id, recipes);
    let templates = head.templates.iter().map(restore).collect::<Result<Vec<_>, _>>()?;
    let SubjectHead { id, attributes, last_verified, enrolled_at, updated_at, vouched, .. } = head;
    Ok(Subject { id, attributes, templates, last_verified, enrolled_at, updated_at, vouched })
}

/// A template that must be there and be the subject's.
fn template_of(
    tables: &impl Tables,
    id: u64,
    subject: &SubjectId,
    recipes: &Recipes,
) -> Result<StoredTemplate, StoreError> {
    match read_template(tables.templates()?, id)? {
        Some(record) if record.subject == subject.as_str() => record.restore(id, recipes),
        Some(_) => Err(StoreError::damaged("a template belongs to another subject")),
        None => Err(StoreError::damaged("a subject's template is missing")),
    }
}

/// A template that may have gone, and whose it is.
fn arrival(tables: &impl Tables, id: u64, recipes: &Recipes) -> Result<Option<Arrived>, StoreError> {
    let Some(record) = read_template(tables.templates()?, id)? else { return Ok(None) };
    let subject =
        SubjectId::new(record.subject.clone()).map_err(|_| StoreError::damaged("a template's subject is not an id"))?;
    Ok(Some(Arrived { subject, template: record.restore(id, recipes)? }))
}

/// Templates of commits after `after`; `None` where the log does not reach back so far.
fn arrived(tables: &impl Tables, state: &State<'_>, after: u64) -> Result<Option<Vec<Arrived>>, StoreError> {
    if state.counters.logged_after() > after {
        return Ok(None);
    }
    let logged = read_changes(tables.changes()?, after)?;
    let logged = logged.iter().flat_map(|change| change.came_from..change.came_to);
    let found = logged.chain(state.unlogged.clone()).map(|id| arrival(tables, id, state.recipes));
    Ok(Some(found.filter_map(Result::transpose).collect::<Result<_, _>>()?))
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
    for change in read_changes(tables.changes()?, after)? {
        changes.extend(change.removed.into_iter().map(|id| Change::Removed { id }));
        for id in change.came_from..change.came_to {
            let Some(Arrived { subject, template }) = arrival(tables, id, recipes)? else { continue };
            let owner = head(tables, &subject)?;
            let owner = owner.ok_or_else(|| StoreError::damaged("a template belongs to nobody"))?;
            changes.push(Change::Added { subject, attributes: owner.attributes, id, content: template.content });
        }
        for id in change.relabelled {
            let id = SubjectId::new(id).map_err(|_| StoreError::damaged("a subject's id is not one"))?;
            // One that was removed afterwards has no templates left.
            if let Some(SubjectHead { attributes, templates, .. }) = head(tables, &id)? {
                changes.push(Change::Relabelled { subject: id, attributes, templates });
            }
        }
    }
    Ok(Changes { changes, up_to: Watermark(counters.commit), template_next: counters.template_next })
}

/// Up to `limit` subject ids in byte order, those after `after`.
pub(super) fn subjects_after(
    tables: &impl Tables,
    after: Option<&SubjectId>,
    limit: usize,
) -> Result<Vec<SubjectId>, StoreError> {
    use std::ops::Bound::{Excluded, Unbounded};
    let from = after.map_or(Unbounded, |id| Excluded(id.as_str()));
    let rows = tables.subjects()?.range::<&str>((from, Unbounded))?;
    rows.take(limit)
        .map(|row| {
            let (id, _) = row?;
            SubjectId::new(id.value()).map_err(|_| StoreError::damaged("a subject's id is not one"))
        })
        .collect()
}
