//! Converts parts of a snapshot to messages and back. The server uses one direction, the client
//! the other.

use super::{VERSION, VERSION_OF_RECIPES, pb};
use crate::face::{RecipeDigest, Template};
use crate::float32;
use crate::gallery::{
    Attributes, ClearedPair, HoldName, LegalBasis, NewTemplate, Note, PairEntry, PairEntryKind, RecordedBasis,
    Requester, SnapshotHead, Source, Standing, StandingAction, StandingEntry, StoredTemplate, Subject, SubjectId,
    Timestamp, Vouch, Vouched,
};

/// What is wrong with a message that cannot be converted.
pub(super) type Malformed = &'static str;

pub(super) fn head_to_wire(head: &SnapshotHead) -> pb::Head {
    let mut recipes = head.recipes.iter().map(|(RecipeDigest(digest), dimension)| pb::Recipe {
        digest: digest.to_vec(),
        dimension: u32::try_from(*dimension).unwrap_or(u32::MAX),
    });
    // A gallery has one at least.
    let first = recipes.next().unwrap_or_default();
    let beside: Vec<pb::Recipe> = recipes.collect();
    pb::Head {
        version: if beside.is_empty() { VERSION } else { VERSION_OF_RECIPES },
        recipe: first.digest,
        dimension: first.dimension,
        subjects: head.subjects,
        templates: head.templates,
        template_next: head.template_next,
        taken_at_ms: head.taken_at.0,
        beside,
        master_key: head.master_key.map(|id| id.to_vec()).unwrap_or_default(),
    }
}

pub(super) fn head_from_wire(head: pb::Head) -> Result<SnapshotHead, Malformed> {
    if !(VERSION..=VERSION_OF_RECIPES).contains(&head.version) {
        return Err("it is of another version");
    }
    let first = pb::Recipe { digest: head.recipe, dimension: head.dimension };
    let recipe = |recipe: pb::Recipe| -> Result<(RecipeDigest, usize), Malformed> {
        let digest = recipe.digest.try_into().map_err(|_| "the recipe is no digest")?;
        Ok((RecipeDigest(digest), recipe.dimension as usize))
    };
    Ok(SnapshotHead {
        recipes: std::iter::once(first).chain(head.beside).map(recipe).collect::<Result<_, _>>()?,
        subjects: head.subjects,
        templates: head.templates,
        template_next: head.template_next,
        taken_at: Timestamp(head.taken_at_ms),
        master_key: match head.master_key.as_slice() {
            [] => None,
            id => Some(id.try_into().map_err(|_| "the id of its master key is none")?),
        },
    })
}

/// Converts a subject; `head` has the recipes of its templates.
pub(super) fn subject_to_wire(subject: Subject, head: &SnapshotHead) -> pb::EnrolledSubject {
    let Attributes { schemes, province, unit } = subject.attributes;
    let verified = |(scheme, at): (String, Timestamp)| pb::Verified { scheme, at_ms: at.0 };
    pb::EnrolledSubject {
        id: subject.id.as_str().to_owned(),
        schemes: schemes.into_iter().collect(),
        province,
        unit,
        templates: subject.templates.into_iter().map(|stored| template_to_wire(stored, head)).collect(),
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
        enrolled_by: subject.enrolled_by.iter().map(|by| by.as_str().to_owned()).collect(),
        standing: subject.standing.entries.into_iter().map(standing_to_wire).collect(),
        legal_bases: subject
            .legal_bases
            .into_iter()
            .map(|one| pb::LegalBasis { reference: one.basis.as_str().to_owned(), at_ms: one.at.0 })
            .collect(),
    }
}

fn standing_to_wire(entry: StandingEntry) -> pb::StandingEntry {
    let ended = match entry.action {
        StandingAction::LiftOne(number) => number,
        _ => 0,
    };
    let (action, requester, hold, finding_open) = match entry.action {
        StandingAction::Restrict(requester) => (pb::StandingAction::Restrict, Some(requester), None, false),
        StandingAction::Lift | StandingAction::LiftOne(_) => (pb::StandingAction::Lift, None, None, false),
        StandingAction::Hold(name) => (pb::StandingAction::Hold, None, Some(name), false),
        StandingAction::Release(name) => (pb::StandingAction::Release, None, Some(name), false),
        StandingAction::AskErasure { requester, finding_open } => {
            (pb::StandingAction::AskErasure, Some(requester), None, finding_open)
        }
    };
    let requester = match requester {
        None => pb::Requester::Unspecified,
        Some(Requester::Person) => pb::Requester::Person,
        Some(Requester::Authority) => pb::Requester::Authority,
        Some(Requester::Office) => pb::Requester::Office,
    };
    pb::StandingEntry {
        action: action.into(),
        requester: requester.into(),
        hold: hold.map(|name| name.as_str().to_owned()).unwrap_or_default(),
        finding_open,
        by: entry.by.as_str().to_owned(),
        reason: entry.reason.as_str().to_owned(),
        at_ms: entry.at.0,
        ended,
    }
}

fn standing_from_wire(entry: pb::StandingEntry) -> Result<StandingEntry, Malformed> {
    let requester = || match pb::Requester::try_from(entry.requester) {
        Ok(pb::Requester::Person) => Ok(Requester::Person),
        Ok(pb::Requester::Authority) => Ok(Requester::Authority),
        Ok(pb::Requester::Office) => Ok(Requester::Office),
        _ => Err("by whose request a record is restricted is not known"),
    };
    let hold = || HoldName::new(entry.hold.clone()).map_err(|_| "the name of a legal hold is none");
    let action = match pb::StandingAction::try_from(entry.action) {
        Ok(pb::StandingAction::Restrict) => StandingAction::Restrict(requester()?),
        Ok(pb::StandingAction::Lift) if entry.ended > 0 => StandingAction::LiftOne(entry.ended),
        Ok(pb::StandingAction::Lift) => StandingAction::Lift,
        Ok(pb::StandingAction::Hold) => StandingAction::Hold(hold()?),
        Ok(pb::StandingAction::Release) => StandingAction::Release(hold()?),
        Ok(pb::StandingAction::AskErasure) => {
            StandingAction::AskErasure { requester: requester()?, finding_open: entry.finding_open }
        }
        _ => return Err("what was said of a record's standing is not known"),
    };
    let reason = Note::new(entry.reason).map_err(|_| "the reason of a record's standing is none")?;
    Ok(StandingEntry { action, by: id_from_wire(entry.by)?, reason, at: Timestamp(entry.at_ms) })
}

fn legal_basis_from_wire(basis: pb::LegalBasis) -> Result<RecordedBasis, Malformed> {
    let at = Timestamp(basis.at_ms);
    let basis = LegalBasis::new(basis.reference).map_err(|_| "a legal basis is none")?;
    Ok(RecordedBasis { basis, at })
}

fn template_to_wire(stored: StoredTemplate, head: &SnapshotHead) -> pb::StoredVector {
    let NewTemplate { template, source, captured_at, quality } = stored.content;
    let origin = match source {
        Source::Chip => pb::Origin::Chip,
        Source::Live => pb::Origin::Live,
        Source::Other => pb::Origin::Other,
    };
    let recipe = head.recipes.iter().position(|(recipe, _)| *recipe == template.recipe());
    pb::StoredVector {
        id: stored.id,
        // A store hands on templates of the recipes it names.
        recipe: recipe.and_then(|number| u32::try_from(number).ok()).unwrap_or(u32::MAX),
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
        enrolled_by: subject.enrolled_by.into_iter().map(id_from_wire).collect::<Result<_, _>>()?,
        standing: Standing { entries: subject.standing.into_iter().map(standing_from_wire).collect::<Result<_, _>>()? },
        legal_bases: subject.legal_bases.into_iter().map(legal_basis_from_wire).collect::<Result<_, _>>()?,
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
    let recipe = usize::try_from(stored.recipe).ok().and_then(|number| head.recipes.get(number));
    let &(recipe, dimension) = recipe.ok_or("a template is of a recipe that the head does not name")?;
    if values.len() != dimension {
        return Err("a template has another dimension");
    }
    let vector = values.collect();
    let template = Template::from_parts(recipe, vector, stored.norm).map_err(|_| "a template is not a unit vector")?;
    let captured_at = stored.captured_at_ms.map(Timestamp);
    let content = NewTemplate { template, source, captured_at, quality: stored.quality };
    Ok(StoredTemplate { id: stored.id, content })
}

pub(super) fn cleared_to_wire(pair: ClearedPair) -> pb::Cleared {
    let text = |id: SubjectId| id.as_str().to_owned();
    let mut entries = pair.entries.into_iter().map(|entry| pb::PairEntry {
        officer: text(entry.officer),
        reason: entry.reason.as_str().to_owned(),
        at_ms: entry.at.0,
        ended: entry.kind == PairEntryKind::Ended,
    });
    // A pair has one entry at least.
    let first = entries.next().unwrap_or_default();
    pb::Cleared {
        first: text(pair.first),
        second: text(pair.second),
        officer: first.officer,
        reason: first.reason,
        cleared_at_ms: first.at_ms,
        later: entries.collect(),
        round_from: u32::try_from(pair.round_from).unwrap_or(u32::MAX),
        officers_needed: pair.officers_needed,
        expires_at_ms: pair.expires_at.map(|at| at.0),
    }
}

pub(super) fn cleared_from_wire(pair: pb::Cleared) -> Result<ClearedPair, Malformed> {
    let first = pb::PairEntry { officer: pair.officer, reason: pair.reason, at_ms: pair.cleared_at_ms, ended: false };
    let entry = |entry: pb::PairEntry| -> Result<PairEntry, Malformed> {
        Ok(PairEntry {
            kind: if entry.ended { PairEntryKind::Ended } else { PairEntryKind::Cleared },
            officer: id_from_wire(entry.officer)?,
            reason: Note::new(entry.reason).map_err(|_| "an officer's reason is none")?,
            at: Timestamp(entry.at_ms),
        })
    };
    Ok(ClearedPair {
        first: id_from_wire(pair.first)?,
        second: id_from_wire(pair.second)?,
        entries: std::iter::once(first).chain(pair.later).map(entry).collect::<Result<_, _>>()?,
        round_from: pair.round_from as usize,
        officers_needed: pair.officers_needed.max(1),
        expires_at: pair.expires_at_ms.map(Timestamp),
    })
}

fn id_from_wire(id: String) -> Result<SubjectId, Malformed> {
    SubjectId::new(id).map_err(|_| "a subject's id is not one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_of_two_recipes_come_back_with_their_own() {
        let recipes = vec![(RecipeDigest([1; 32]), 2), (RecipeDigest([2; 32]), 3)];
        let (taken_at, master_key) = (Timestamp(5), Some([4; 8]));
        let head = SnapshotHead { recipes, subjects: 1, templates: 2, template_next: 9, taken_at, master_key };
        let wire = head_to_wire(&head);
        assert_eq!(wire.version, VERSION_OF_RECIPES, "a reader that knows one recipe must not read on");
        assert_eq!(head_from_wire(wire).unwrap(), head);
        let one = SnapshotHead { recipes: head.recipes[..1].to_vec(), ..head.clone() };
        assert_eq!(head_to_wire(&one).version, VERSION);

        let template = |id, (recipe, dimension): (RecipeDigest, usize)| {
            let template = Template::from_raw(recipe, &vec![1.0; dimension]).unwrap();
            let content = NewTemplate { template, source: Source::Live, captured_at: None, quality: None };
            StoredTemplate { id, content }
        };
        let subject = Subject {
            id: SubjectId::new("a").unwrap(),
            attributes: Attributes::default(),
            templates: vec![template(1, head.recipes[1]), template(2, head.recipes[0])],
            last_verified: Default::default(),
            enrolled_at: Timestamp(1),
            updated_at: Timestamp(2),
            vouched: Vec::new(),
            enrolled_by: vec![SubjectId::new("clerk").unwrap()],
            standing: Standing {
                entries: [
                    StandingAction::Restrict(Requester::Person),
                    StandingAction::Lift,
                    StandingAction::LiftOne(1),
                    StandingAction::Hold(HoldName::new("VKS-12").unwrap()),
                    StandingAction::Release(HoldName::new("VKS-12").unwrap()),
                    StandingAction::AskErasure { requester: Requester::Authority, finding_open: true },
                ]
                .map(|action| {
                    let (by, reason) = (SubjectId::new("o-1").unwrap(), Note::new("asked").unwrap());
                    StandingEntry { action, by, reason, at: Timestamp(3) }
                })
                .into(),
            },
            legal_bases: vec![RecordedBasis { basis: LegalBasis::new("form 7").unwrap(), at: Timestamp(1) }],
        };
        let back = subject_from_wire(subject_to_wire(subject.clone(), &head), &head).unwrap();
        assert_eq!(back, subject);
    }
}
