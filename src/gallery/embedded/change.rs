//! What a write asks for, and the rows that carry it out.
//!
//! A [`Change`] is planned first, which reads and may refuse, and written
//! afterwards, which may only fail with the whole transaction. So a refused
//! change leaves nothing behind, and several changes can share a transaction.
//! Whatever must be there together with a subject's change (a decision, its
//! ledger entry) becomes further rows of the same [`Plan`]: they are committed
//! with it or not at all.

use std::sync::Arc;

use super::fault::StoreError;
use super::group::Group;
use super::record::{SubjectRecord, TemplateRecord};
use super::tables::{read_subject, read_template};
use crate::gallery::{Attributes, EnrolMode, Enrolment, GalleryError, Subject, SubjectId, Timestamp};
use crate::search::{Entry, SearchError};

/// One thing to do.
pub(super) enum Change {
    Enrol(Enrolment),
    Remove(SubjectId),
}

/// One row to write.
pub(super) enum Row {
    PutSubject(SubjectId, SubjectRecord),
    DropSubject(SubjectId),
    PutTemplate(Entry<Arc<SubjectId>>, TemplateRecord),
    DropTemplate(u64),
}

/// A change that was found possible.
pub(super) struct Plan {
    pub(super) rows: Vec<Row>,
    /// Templates the subject has afterwards.
    pub(super) templates: u32,
}

impl Change {
    /// The rows that carry it out on top of what the group has written so far.
    pub(super) fn plan(&self, group: &Group<'_>, now: Timestamp) -> Result<Plan, StoreError> {
        match self {
            Self::Enrol(enrolment) => plan_enrolment(enrolment, group, now),
            Self::Remove(subject) => plan_removal(subject, group),
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

fn plan_enrolment(enrolment: &Enrolment, group: &Group<'_>, now: Timestamp) -> Result<Plan, StoreError> {
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
            // The time of the first enrolment stays. The verifications do not:
            // they were of a face that is no longer this subject's reference.
            fresh(enrolment, Timestamp(old.enrolled_at), now)
        }
        (None, _) => fresh(enrolment, now, now),
    };

    let found = record.templates.len() + enrolment.templates.len();
    if found > Subject::TEMPLATES_MAX {
        return Err(GalleryError::TemplateCount { found, max: Subject::TEMPLATES_MAX }.into());
    }
    let leaving = rows.len() as u64;
    if group.templates_live() - leaving + enrolment.templates.len() as u64 > group.templates_max() {
        return Err(GalleryError::Search(SearchError::Full { max: group.templates_max() }).into());
    }

    let label = Arc::new(id.clone());
    for (new, key) in enrolment.templates.iter().zip(group.template_next()..) {
        record.templates.push(key);
        let entry = Entry { key, label: Arc::clone(&label), vector: new.template.vector().to_vec() };
        rows.push(Row::PutTemplate(entry, TemplateRecord::new(id.as_str(), new)));
    }
    // At most `Subject::TEMPLATES_MAX`.
    let templates = record.templates.len() as u32;
    rows.push(Row::PutSubject(id.clone(), record));
    Ok(Plan { rows, templates })
}

fn plan_removal(id: &SubjectId, group: &Group<'_>) -> Result<Plan, StoreError> {
    let old = read_subject(&group.subjects, id.as_str())?.ok_or(GalleryError::UnknownSubject)?;
    let mut rows = dropped(&old, id, group)?;
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
