//! What a write asks for, and the rows that carry it out.
//!
//! A [`Change`] is planned first, which reads and may refuse, and written
//! afterwards, which may only fail with the whole transaction. So a refused
//! change leaves nothing behind, and several changes can share a transaction.
//! Whatever must be there together with a subject's change (a decision, its
//! ledger entry) becomes further rows of the same [`Plan`]: they are committed
//! with it or not at all.

use super::fault::StoreError;
use super::group::Group;
use super::record::{ClearedRecord, DecisionRecord, SubjectRecord, TemplateRecord, VouchedRecord};
use super::tables::{cleared_key, read_cleared_with, read_subject, read_template};
use super::verdict;
use crate::gallery::{
    Agreement, Attributes, ClearedPair, DecisionKey, EnrolMode, Enrolment, GalleryError, NewDecision, Resolution,
    Subject, SubjectId, Timestamp, groups_of_one_record,
};
use crate::matching::{Dot, Link};
use crate::search::SearchError;

/// One thing to do.
pub(super) enum Change {
    Enrol(Enrolment),
    Remove(SubjectId),
    Decide(NewDecision),
    Resolve(DecisionKey, Resolution),
    ClearPair(ClearedPair),
}

/// One row to write.
pub(super) enum Row {
    PutSubject(SubjectId, SubjectRecord),
    DropSubject(SubjectId),
    /// Under its id, with the vector as it goes into the index.
    PutTemplate(u64, Vec<f32>, TemplateRecord),
    DropTemplate(u64),
    PutDecision(String, DecisionRecord),
    PutCleared(String, ClearedRecord),
    DropCleared(String),
}

/// What there is to do.
pub(super) enum Step {
    /// This.
    Do(Plan),
    /// Nothing: an earlier commit had done it.
    Done { commit: u64 },
}

/// A change that was found possible.
pub(super) struct Plan {
    pub(super) rows: Vec<Row>,
    /// Templates the subject has afterwards.
    pub(super) templates: u32,
}

impl Change {
    /// The rows that carry it out on top of what the group has written so far.
    pub(super) fn plan(&self, group: &Group<'_>, now: Timestamp) -> Result<Step, StoreError> {
        match self {
            Self::Enrol(enrolment) => plan_enrolment(enrolment, group, now).map(Step::Do),
            Self::Remove(subject) => plan_removal(subject, group).map(Step::Do),
            Self::Decide(decision) => verdict::plan_decision(decision, group, now),
            Self::Resolve(key, resolution) => verdict::plan_resolution(key, resolution, group, now),
            Self::ClearPair(pair) => verdict::plan_clearing(pair, group, now),
        }
    }
}

/// Refuses an enrolment that no state of the store could make right. Done before
/// it is queued.
pub(super) fn check(enrolment: &Enrolment) -> Result<(), GalleryError> {
    let found = enrolment.templates.len();
    if (1..=Subject::TEMPLATES_MAX).contains(&found) {
        return Ok(());
    }
    Err(GalleryError::TemplateCount { found, max: Subject::TEMPLATES_MAX })
}

pub(super) fn plan_enrolment(enrolment: &Enrolment, group: &Group<'_>, now: Timestamp) -> Result<Plan, StoreError> {
    let id = &enrolment.subject;
    let old = read_subject(&group.subjects, id.as_str())?;
    let mut rows = Vec::with_capacity(1 + 2 * enrolment.templates.len());
    let mut record = match (old, enrolment.mode) {
        (Some(_), EnrolMode::Create) => return Err(GalleryError::SubjectExists.into()),
        (Some(old), EnrolMode::Add) => {
            let attributes = merged(old.attributes(), &enrolment.attributes);
            SubjectRecord { updated_at: now.0, ..with_attributes(old, attributes) }
        }
        (Some(old), EnrolMode::Replace) => {
            rows.extend(dropped(&old, id, group)?);
            rows.extend(forgotten_pairs(id, group)?);
            // The time of the first enrolment stays. The verifications do not:
            // they were of a face that is no longer this subject's reference; nor
            // do the pairs that were cleared for it.
            fresh(enrolment, Timestamp(old.enrolled_at), now)
        }
        (None, _) => fresh(enrolment, now, now),
    };

    let keys = group.template_next()..group.template_next() + enrolment.templates.len() as u64;
    match &enrolment.agreement {
        Agreement::Known => {}
        Agreement::Asked { alike, apart } => check_agreement(&record, enrolment, (alike, *apart), group)?,
        Agreement::Vouched(vouch) => record.vouched.push(VouchedRecord {
            officer: vouch.officer.as_str().to_owned(),
            reason: vouch.reason.as_str().to_owned(),
            at: now.0,
            templates: record.templates.iter().copied().chain(keys.clone()).collect(),
        }),
    }

    let found = record.templates.len() + enrolment.templates.len();
    if found > Subject::TEMPLATES_MAX {
        return Err(GalleryError::TemplateCount { found, max: Subject::TEMPLATES_MAX }.into());
    }
    let leaving = rows.iter().filter(|row| matches!(row, Row::DropTemplate(_))).count() as u64;
    if group.templates_live() - leaving + enrolment.templates.len() as u64 > group.templates_max() {
        return Err(GalleryError::Search(SearchError::Full { max: group.templates_max() }).into());
    }
    let more = (enrolment.templates.len() as u64).saturating_sub(leaving);
    group.room_for(more).map_err(GalleryError::from)?;

    for (new, key) in enrolment.templates.iter().zip(keys) {
        record.templates.push(key);
        rows.push(Row::PutTemplate(key, new.template.vector().to_vec(), TemplateRecord::new(id.as_str(), new)));
    }
    // At most `Subject::TEMPLATES_MAX`.
    let templates = record.templates.len() as u32;
    rows.push(Row::PutSubject(id.clone(), record));
    Ok(Plan { rows, templates })
}

/// Whether new templates show one person, and the person of the record they come to.
fn check_agreement(
    record: &SubjectRecord,
    enrolment: &Enrolment,
    (alike, apart): (&[f32], f32),
    group: &Group<'_>,
) -> Result<(), StoreError> {
    let read = |&key: &u64| {
        let stored = read_template(&group.templates, key)?
            .filter(|template| template.subject == enrolment.subject.as_str())
            .ok_or_else(|| StoreError::damaged("a subject's template is missing or another's"))?;
        stored.values()
    };
    let mut vectors: Vec<Vec<f32>> = record.templates.iter().map(read).collect::<Result<_, _>>()?;
    let old = vectors.len();
    vectors.extend(enrolment.templates.iter().map(|new| new.template.vector().to_vec()));
    let others = vectors.len() - 1;
    let (Some(&lenient), Some(&strict)) = (alike.first(), alike.get(others.saturating_sub(1)).or(alike.last())) else {
        return Ok(());
    };
    let vouched = |at: usize| {
        record.templates.get(at).is_some_and(|id| record.vouched.iter().any(|one| one.templates.contains(id)))
    };
    let dot = Dot::best();
    let link = |i: usize, j: usize| {
        let (one, other) = (&vectors[i], &vectors[j]);
        // Of another length is of another recipe, which the index refuses by name.
        match one.len() == other.len() {
            true => Link::of(dot.score(one, other), if j < old { lenient } else { strict }, apart),
            false => Link::Alike(1.0),
        }
    };
    let groups = groups_of_one_record(vectors.len(), vouched, link);
    let (before, new) = groups.split_at(old);
    let Some(first) = new.first() else { return Ok(()) };
    if new.iter().any(|of| of != first) {
        return Err(GalleryError::PhotosDisagree.into());
    }
    // What was one person's stays one person's: a photo that is alike with some of the record
    // must not part it. A record that falls apart already only asks for some that is alike.
    let was_one = groups_of_one_record(old, vouched, link).iter().all(|of| *of == 0);
    let fits = if was_one { before.iter().all(|of| of == first) } else { before.contains(first) };
    if fits { Ok(()) } else { Err(GalleryError::RecordDisagrees.into()) }
}

fn plan_removal(id: &SubjectId, group: &Group<'_>) -> Result<Plan, StoreError> {
    let old = read_subject(&group.subjects, id.as_str())?.ok_or(GalleryError::UnknownSubject)?;
    let mut rows = dropped(&old, id, group)?;
    rows.extend(forgotten_pairs(id, group)?);
    rows.push(Row::DropSubject(id.clone()));
    Ok(Plan { rows, templates: 0 })
}

/// Rows that drop every template of a subject, each checked to be its own.
fn dropped(old: &SubjectRecord, id: &SubjectId, group: &Group<'_>) -> Result<Vec<Row>, StoreError> {
    let drop = |&key: &u64| match read_template(&group.templates, key)? {
        Some(template) if template.subject == id.as_str() => Ok(Row::DropTemplate(key)),
        _ => Err(StoreError::damaged("a subject's template is missing or another's")),
    };
    old.templates.iter().map(drop).collect()
}

/// Rows that drop every pair a subject was cleared in.
fn forgotten_pairs(id: &SubjectId, group: &Group<'_>) -> Result<Vec<Row>, StoreError> {
    let others = read_cleared_with(&group.cleared, id)?;
    let both = |other: SubjectId| [cleared_key(id, &other), cleared_key(&other, id)].map(Row::DropCleared);
    Ok(others.into_iter().flat_map(both).collect())
}

fn fresh(enrolment: &Enrolment, enrolled_at: Timestamp, now: Timestamp) -> SubjectRecord {
    let empty = SubjectRecord { enrolled_at: enrolled_at.0, updated_at: now.0, ..SubjectRecord::default() };
    with_attributes(empty, enrolment.attributes.clone())
}

/// Attributes given replace the old ones where they are set.
fn merged(old: Attributes, new: &Attributes) -> Attributes {
    Attributes {
        schemes: if new.schemes.is_empty() { old.schemes } else { new.schemes.clone() },
        province: new.province.clone().or(old.province),
        unit: new.unit.clone().or(old.unit),
    }
}

fn with_attributes(record: SubjectRecord, attributes: Attributes) -> SubjectRecord {
    let Attributes { schemes, province, unit } = attributes;
    SubjectRecord { schemes: schemes.into_iter().collect(), province, unit, ..record }
}
