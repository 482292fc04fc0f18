//! Enrolments and removals: which templates a subject may have, and whether they show one person.

use super::{Rows, Write, forgotten_pairs};
use crate::gallery::records::{ReadSet, Records};
use crate::gallery::{
    Agreement, Attributes, EnrolMode, Enrolment, GalleryError, Subject, SubjectHead, SubjectId, Timestamp, Vouched,
    groups_of_one_record,
};
use crate::matching::{Dot, TemplateLikeness};
use crate::search::SearchError;

pub(super) fn reads(enrolment: &Enrolment) -> ReadSet {
    let subject = &enrolment.subject;
    ReadSet {
        subjects: vec![subject.clone()],
        templates: enrolment.mode == EnrolMode::Add && matches!(enrolment.agreement, Agreement::Asked { .. }),
        cleared_with: (enrolment.mode == EnrolMode::Replace).then(|| subject.clone()),
        ..ReadSet::default()
    }
}

/// Refuses an enrolment that no state of the store could make right.
///
/// # Errors
/// [`GalleryError::TemplateCount`].
pub(in crate::gallery) fn check(enrolment: &Enrolment) -> Result<(), GalleryError> {
    let found = enrolment.templates.len();
    if (1..=Subject::TEMPLATES_MAX).contains(&found) {
        return Ok(());
    }
    Err(GalleryError::TemplateCount { found, max: Subject::TEMPLATES_MAX })
}

/// The rows of an enrolment but that of the subject itself, and the subject's head as it will be.
pub(super) fn plan(
    enrolment: &Enrolment,
    records: &Records,
    now: Timestamp,
) -> Result<(Vec<Write>, SubjectHead), GalleryError> {
    check(enrolment)?;
    let id = &enrolment.subject;
    let mut writes = Vec::with_capacity(1 + 2 * enrolment.templates.len());
    let mut leaving = 0;
    let mut head = match (records.head(id), enrolment.mode) {
        (Some(_), EnrolMode::Create) => return Err(GalleryError::SubjectExists),
        (Some(old), EnrolMode::Add) => {
            let attributes = merged(&old.attributes, &enrolment.attributes);
            SubjectHead { attributes, updated_at: now, changed_in: records.commit, ..old.clone() }
        }
        (Some(old), EnrolMode::Replace) => {
            leaving = old.templates.len();
            writes.extend(removed_templates(old));
            writes.extend(forgotten_pairs(id, records));
            // The time of the first enrolment stays. The verifications do not: they were of a
            // face that is no longer this subject's reference; nor do the pairs that were cleared
            // for it.
            fresh(enrolment, old.enrolled_at, records.commit, now)
        }
        (None, _) => fresh(enrolment, now, records.commit, now),
    };

    let new_ids = records.template_next..records.template_next + enrolment.templates.len() as u64;
    match &enrolment.agreement {
        Agreement::Known => {}
        Agreement::Asked { alike, apart } => check_agreement(&head, enrolment, alike, *apart, records)?,
        Agreement::Vouched(vouch) => head.vouched.push(Vouched {
            vouch: vouch.clone(),
            at: now,
            templates: head.templates.iter().copied().chain(new_ids.clone()).collect(),
        }),
    }

    let found = head.templates.len() + enrolment.templates.len();
    if found > Subject::TEMPLATES_MAX {
        return Err(GalleryError::TemplateCount { found, max: Subject::TEMPLATES_MAX });
    }
    if enrolment.templates.len() as u64 > records.room.saturating_add(leaving as u64) {
        return Err(GalleryError::Search(SearchError::Full { max: records.templates_max }));
    }
    for (new, key) in enrolment.templates.iter().zip(new_ids) {
        head.templates.push(key);
        writes.push(Write::Template { id: key, subject: id.clone(), content: new.clone() });
    }
    Ok((writes, head))
}

/// Whether new templates show one person, and the person of the record they come to.
fn check_agreement(
    head: &SubjectHead,
    enrolment: &Enrolment,
    alike: &[f32],
    apart: f32,
    records: &Records,
) -> Result<(), GalleryError> {
    let record = head.clone().with_templates(&records.templates)?;
    let mut vectors: Vec<&[f32]> = record.templates.iter().map(|stored| stored.content.template.vector()).collect();
    let old = vectors.len();
    vectors.extend(enrolment.templates.iter().map(|new| new.template.vector()));
    let others = vectors.len() - 1;
    let (Some(&lenient), Some(&strict)) = (alike.first(), alike.get(others.saturating_sub(1)).or(alike.last())) else {
        return Ok(());
    };
    let vouched = |at: usize| record.templates.get(at).is_some_and(|stored| record.is_vouched(stored.id));
    let dot = Dot::best();
    let link = |i: usize, j: usize| {
        let (one, other) = (vectors[i], vectors[j]);
        // Of another length is of another recipe, which the gallery refuses by name.
        match one.len() == other.len() {
            true => TemplateLikeness::of(dot.score(one, other), if j < old { lenient } else { strict }, apart),
            false => TemplateLikeness::Alike(1.0),
        }
    };
    let groups = groups_of_one_record(vectors.len(), vouched, link);
    let (before, new) = groups.split_at(old);
    let Some(first) = new.first() else { return Ok(()) };
    if new.iter().any(|of| of != first) {
        return Err(GalleryError::PhotosDisagree);
    }
    // What was one person's stays one person's: a photo that is alike with some of the record
    // must not part it. A record that falls apart already only asks for some that is alike.
    let was_one = groups_of_one_record(old, vouched, link).iter().all(|of| *of == 0);
    let fits = if was_one { before.iter().all(|of| of == first) } else { before.contains(first) };
    if fits { Ok(()) } else { Err(GalleryError::RecordDisagrees) }
}

pub(super) fn plan_removal(id: &SubjectId, records: &Records) -> Result<Rows, GalleryError> {
    let old = records.head(id).ok_or(GalleryError::UnknownSubject)?;
    let mut writes: Vec<Write> = removed_templates(old).collect();
    writes.extend(forgotten_pairs(id, records));
    writes.push(Write::RemoveSubject(id.clone()));
    Ok(Rows { writes, templates: 0 })
}

/// Rows that take away every template of a subject.
fn removed_templates(head: &SubjectHead) -> impl Iterator<Item = Write> {
    head.templates.iter().map(|&id| Write::RemoveTemplate { id, subject: head.id.clone() })
}

fn fresh(enrolment: &Enrolment, enrolled_at: Timestamp, commit: u64, now: Timestamp) -> SubjectHead {
    SubjectHead {
        id: enrolment.subject.clone(),
        attributes: enrolment.attributes.clone(),
        templates: Vec::new(),
        last_verified: Default::default(),
        enrolled_at,
        updated_at: now,
        vouched: Vec::new(),
        changed_in: commit,
    }
}

/// Attributes given replace the old ones where they are set.
fn merged(old: &Attributes, new: &Attributes) -> Attributes {
    Attributes {
        schemes: if new.schemes.is_empty() { old.schemes.clone() } else { new.schemes.clone() },
        province: new.province.clone().or_else(|| old.province.clone()),
        unit: new.unit.clone().or_else(|| old.unit.clone()),
    }
}
