//! Converts parts of a snapshot to messages and back. The server uses one direction, the client
//! the other.

use super::{VERSION, pb};
use crate::face::{RecipeDigest, Template};
use crate::float32;
use crate::gallery::{
    Attributes, ClearedPair, NewTemplate, Note, SnapshotHead, Source, StoredTemplate, Subject, SubjectId, Timestamp,
    Vouch, Vouched,
};

/// What is wrong with a message that cannot be converted.
pub(super) type Malformed = &'static str;

pub(super) fn head_to_wire(head: &SnapshotHead) -> pb::Head {
    pb::Head {
        version: VERSION,
        recipe: head.recipe.0.to_vec(),
        dimension: u32::try_from(head.dimension).unwrap_or(u32::MAX),
        subjects: head.subjects,
        templates: head.templates,
        template_next: head.template_next,
        taken_at_ms: head.taken_at.0,
    }
}

pub(super) fn head_from_wire(head: pb::Head) -> Result<SnapshotHead, Malformed> {
    if head.version != VERSION {
        return Err("it is of another version");
    }
    Ok(SnapshotHead {
        recipe: RecipeDigest(head.recipe.try_into().map_err(|_| "the recipe is no digest")?),
        dimension: head.dimension as usize,
        subjects: head.subjects,
        templates: head.templates,
        template_next: head.template_next,
        taken_at: Timestamp(head.taken_at_ms),
    })
}

pub(super) fn subject_to_wire(subject: Subject) -> pb::EnrolledSubject {
    let Attributes { schemes, province, unit } = subject.attributes;
    let verified = |(scheme, at): (String, Timestamp)| pb::Verified { scheme, at_ms: at.0 };
    pb::EnrolledSubject {
        id: subject.id.as_str().to_owned(),
        schemes: schemes.into_iter().collect(),
        province,
        unit,
        templates: subject.templates.into_iter().map(template_to_wire).collect(),
        last_verified: subject.last_verified.into_iter().map(verified).collect(),
        enrolled_at_ms: subject.enrolled_at.0,
        updated_at_ms: subject.updated_at.0,
        vouched: subject
            .vouched
            .into_iter()
            .map(|Vouched { vouch, at, templates }| pb::Vouched {
                officer: vouch.officer.as_str().to_owned(),
                reason: vouch.reason.as_str().to_owned(),
                at_ms: at.0,
                templates,
            })
            .collect(),
    }
}

fn template_to_wire(stored: StoredTemplate) -> pb::StoredVector {
    let NewTemplate { template, source, captured_at, quality } = stored.content;
    let origin = match source {
        Source::Chip => pb::Origin::Chip,
        Source::Live => pb::Origin::Live,
        Source::Other => pb::Origin::Other,
    };
    pb::StoredVector {
        id: stored.id,
        vector: float32::encode(template.vector()),
        norm: template.norm(),
        origin: origin.into(),
        captured_at_ms: captured_at.map(|at| at.0),
        quality,
    }
}

/// Converts a subject; `head` has the recipe and dimension of its templates.
pub(super) fn subject_from_wire(subject: pb::EnrolledSubject, head: &SnapshotHead) -> Result<Subject, Malformed> {
    let templates = subject.templates.into_iter().map(|stored| template_from_wire(stored, head));
    Ok(Subject {
        id: id_from_wire(subject.id)?,
        attributes: Attributes {
            schemes: subject.schemes.into_iter().collect(),
            province: subject.province,
            unit: subject.unit,
        },
        templates: templates.collect::<Result<_, _>>()?,
        last_verified: subject.last_verified.into_iter().map(|of| (of.scheme, Timestamp(of.at_ms))).collect(),
        enrolled_at: Timestamp(subject.enrolled_at_ms),
        updated_at: Timestamp(subject.updated_at_ms),
        vouched: subject.vouched.into_iter().map(vouched_from_wire).collect::<Result<_, _>>()?,
    })
}

fn vouched_from_wire(vouched: pb::Vouched) -> Result<Vouched, Malformed> {
    let reason = Note::new(vouched.reason).map_err(|_| "an officer's reason is none")?;
    let vouch = Vouch { officer: id_from_wire(vouched.officer)?, reason };
    Ok(Vouched { vouch, at: Timestamp(vouched.at_ms), templates: vouched.templates })
}

fn template_from_wire(stored: pb::StoredVector, head: &SnapshotHead) -> Result<StoredTemplate, Malformed> {
    let source = match stored.origin() {
        pb::Origin::Chip => Source::Chip,
        pb::Origin::Live => Source::Live,
        pb::Origin::Other => Source::Other,
        pb::Origin::Unspecified => return Err("a template's source is not known"),
    };
    let values = float32::values(&stored.vector).ok_or("a template is cut short")?;
    if values.len() != head.dimension {
        return Err("a template has another dimension");
    }
    let vector = values.collect();
    let template =
        Template::from_parts(head.recipe, vector, stored.norm).map_err(|_| "a template is not a unit vector")?;
    let captured_at = stored.captured_at_ms.map(Timestamp);
    let content = NewTemplate { template, source, captured_at, quality: stored.quality };
    Ok(StoredTemplate { id: stored.id, content })
}

pub(super) fn cleared_to_wire(pair: ClearedPair) -> pb::Cleared {
    let text = |id: SubjectId| id.as_str().to_owned();
    pb::Cleared {
        first: text(pair.first),
        second: text(pair.second),
        officer: text(pair.officer),
        reason: pair.reason.as_str().to_owned(),
        cleared_at_ms: pair.cleared_at.0,
    }
}

pub(super) fn cleared_from_wire(pair: pb::Cleared) -> Result<ClearedPair, Malformed> {
    Ok(ClearedPair {
        first: id_from_wire(pair.first)?,
        second: id_from_wire(pair.second)?,
        officer: id_from_wire(pair.officer)?,
        reason: Note::new(pair.reason).map_err(|_| "an officer's reason is none")?,
        cleared_at: Timestamp(pair.cleared_at_ms),
    })
}

fn id_from_wire(id: String) -> Result<SubjectId, Malformed> {
    SubjectId::new(id).map_err(|_| "a subject's id is not one")
}
