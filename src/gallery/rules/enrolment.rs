//! Enrolments and removals: which templates a subject may have, and whether they show one person.

use std::collections::BTreeMap;

use super::{Rows, Write, forgotten_pairs, standing};
use crate::face::{RecipeDigest, Template};
use crate::gallery::records::{ReadSet, Records};
use crate::gallery::{
    Agreement, AgreementScores, Attributes, EnrolMode, Enrolment, GalleryError, NewTemplate, RecordedBasis,
    StoredTemplate, Subject, SubjectHead, SubjectId, Timestamp, Vouched, groups_of_one_record,
};
use crate::matching::{Dot, TemplateLikeness};
use crate::search::SearchError;

pub(super) fn reads(enrolment: &Enrolment) -> ReadSet {
    let subject = &enrolment.subject;
    ReadSet {
        subjects: vec![subject.clone()],
        templates: enrolment.mode == EnrolMode::Add,
        cleared_with: Some(subject.clone()),
        decisions_about: (enrolment.mode == EnrolMode::Replace).then(|| subject.clone()),
        ..ReadSet::default()
    }
}

/// Refuses an enrolment that no state of the store could make right.
///
/// # Errors
/// [`GalleryError::TemplateCount`].
pub(in crate::gallery) fn check(enrolment: &Enrolment) -> Result<(), GalleryError> {
    check_count(enrolment.templates.iter().map(|new| &new.template))
}

/// Refuses no template at all, and too many of one recipe.
fn check_count<'a>(templates: impl Iterator<Item = &'a Template>) -> Result<(), GalleryError> {
    let mut count: BTreeMap<RecipeDigest, usize> = BTreeMap::new();
    templates.for_each(|template| *count.entry(template.recipe()).or_default() += 1);
    let found = count.values().max().copied().unwrap_or(0);
    if (1..=Subject::TEMPLATES_MAX).contains(&found) {
        return Ok(());
    }
    Err(GalleryError::TemplateCount { found, max: Subject::TEMPLATES_MAX })
}

/// As [`plan`], for an enrolment by itself. Whoever is enrolled under an id that was not enrolled is
/// nobody for whom a pair was cleared: officers have seen another face, or none.
pub(super) fn plan_command(
    enrolment: &Enrolment,
    records: &Records,
    now: Timestamp,
) -> Result<(Vec<Write>, SubjectHead), GalleryError> {
    let is_new = records.head(&enrolment.subject).is_none();
    let (mut writes, head) = plan(enrolment, records, now)?;
    if is_new {
        writes.extend(forgotten_pairs(records));
    }
    Ok((writes, head))
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
        (Some(old), EnrolMode::Add) if old.standing.is_restricted() => return Err(GalleryError::RecordRestricted),
        (Some(old), EnrolMode::Add) => {
            let attributes = merged(&old.attributes, &enrolment.attributes);
            SubjectHead { attributes, updated_at: now, changed_in: records.commit, ..old.clone() }
        }
        (Some(old), EnrolMode::Replace) => {
            standing::check_removable(id, records)?;
            leaving = old.templates.len();
            writes.extend(removed_templates(old));
            writes.extend(forgotten_pairs(records));
            // The time of the first enrolment stays. The verifications do not: they were of a
            // face that is no longer this subject's reference; nor do the pairs that were cleared
            // for it.
            fresh(enrolment, old.enrolled_at, records.commit, now)
        }
        (None, _) => fresh(enrolment, now, records.commit, now),
    };

    if let Some(by) = &enrolment.by
        && !head.enrolled_by.contains(by)
    {
        head.enrolled_by.push(by.clone());
    }
    head.legal_bases.extend(enrolment.legal_basis.clone().map(|basis| RecordedBasis { basis, at: now }));
    let new_ids = records.template_next..records.template_next + enrolment.templates.len() as u64;
    match &enrolment.agreement {
        Agreement::Known => {}
        Agreement::Asked(scores) => check_agreement(&head, enrolment, scores, records)?,
        Agreement::Vouched(_) => {}
        // Who enrols nobody else's photos has nothing to enrol here.
        Agreement::VouchedWhereNeeded(_, scores) => match check_agreement(&head, enrolment, scores, records) {
            Ok(()) => return Err(GalleryError::VouchNotNeeded),
            Err(GalleryError::PhotosDisagree | GalleryError::RecordDisagrees) => {}
            Err(error) => return Err(error),
        },
    }
    if let Agreement::Vouched(vouch) | Agreement::VouchedWhereNeeded(vouch, _) = &enrolment.agreement {
        let templates = head.templates.iter().copied().chain(new_ids.clone()).collect();
        head.vouched.push(Vouched { vouch: vouch.clone(), at: now, templates });
    }

    let kept = head.templates.iter().filter_map(|id| records.templates.iter().find(|stored| stored.id == *id));
    let kept = kept.map(|stored| &stored.content.template);
    check_count(kept.chain(enrolment.templates.iter().map(|new| &new.template)))?;
    if enrolment.templates.len() as u64 > records.room.saturating_add(leaving as u64) {
        return Err(GalleryError::Search(SearchError::Full { max: records.templates_max }));
    }
    for (new, key) in enrolment.templates.iter().zip(new_ids) {
        head.templates.push(key);
        writes.push(Write::Template { id: key, subject: id.clone(), content: new.clone() });
    }
    Ok((writes, head))
}

/// Whether new templates show one person, and the person of the record they come to, by each
/// recipe that made some of them.
fn check_agreement(
    head: &SubjectHead,
    enrolment: &Enrolment,
    scores: &[AgreementScores],
    records: &Records,
) -> Result<(), GalleryError> {
    let record = head.clone().with_templates(&records.templates)?;
    scores.iter().try_for_each(|of| check_agreement_by(&record, enrolment, of))?;
    // Photos that no recipe compares with the record may be anybody's.
    let is_shared = |new: &NewTemplate| record.templates_of(new.template.recipe()).next().is_some();
    match record.templates.is_empty() || enrolment.templates.iter().any(is_shared) {
        true => Ok(()),
        false => Err(GalleryError::RecordDisagrees),
    }
}

fn check_agreement_by(record: &Subject, enrolment: &Enrolment, scores: &AgreementScores) -> Result<(), GalleryError> {
    let AgreementScores { recipe, alike, apart } = scores;
    let stored: Vec<&StoredTemplate> = record.templates_of(*recipe).collect();
    let mut vectors: Vec<&[f32]> = stored.iter().map(|stored| stored.content.template.vector()).collect();
    let old = vectors.len();
    let new = enrolment.templates.iter().filter(|new| new.template.recipe() == *recipe);
    vectors.extend(new.map(|new| new.template.vector()));
    if vectors.len() == old {
        return Ok(());
    }
    let others = vectors.len() - 1;
    let (Some(&lenient), Some(&strict)) = (alike.first(), alike.get(others.saturating_sub(1)).or(alike.last())) else {
        return Ok(());
    };
    let vouched = |at: usize| stored.get(at).is_some_and(|stored| record.is_vouched(stored.id));
    let dot = Dot::best();
    let link = |i: usize, j: usize| {
        let (one, other) = (vectors[i], vectors[j]);
        // The gallery refuses another length by name.
        match one.len() == other.len() {
            true => TemplateLikeness::of(dot.score(one, other), if j < old { lenient } else { strict }, *apart),
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
    standing::check_removable(id, records)?;
    let mut writes: Vec<Write> = removed_templates(old).collect();
    writes.extend(forgotten_pairs(records));
    writes.push(Write::ForgetCaptures(id.clone()));
    writes.push(Write::ForgetPictures(id.clone()));
    writes.push(Write::RemoveSubject(id.clone()));
    if records.about.is_empty() && records.subject_requests.is_empty() {
        // Nothing that is kept is sealed under it, and a copy from before is not to open.
        writes.push(Write::ForgetKey(id.clone()));
    }
    Ok(Rows::of(writes))
}

/// Rows that take away every template of a subject.
pub(super) fn removed_templates(head: &SubjectHead) -> impl Iterator<Item = Write> {
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
        enrolled_by: Vec::new(),
        standing: Default::default(),
        legal_bases: Vec::new(),
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
