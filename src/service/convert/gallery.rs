//! Messages about enrolment and enrolled subjects.

use prost_types::Timestamp as WireTime;

use super::face::reports;
use super::rights::{recorded_basis, standing_entry, wire_basis, wire_standing};
use super::{BadAnswer, present};
use crate::gallery::{
    Attributes, EnrolMode, LegalBasis, Note, Receipt, RequestId, Scheme, Source, Standing, Subject, SubjectId,
    Timestamp, Vouch, Vouched,
};
use crate::service::client::{SubjectInfo, TemplateInfo};
use crate::service::pb;
use crate::workflow::{EnrolOutcome, EnrolRequest, Field, Photo, WorkflowError};

/// A subject id from the wire.
pub(in crate::service) fn subject_id(id: String) -> Result<SubjectId, WorkflowError> {
    Ok(SubjectId::new(id)?)
}

/// A request id from the wire; empty means none.
pub(in crate::service) fn request_id(id: String) -> Result<Option<RequestId>, WorkflowError> {
    if id.is_empty() { Ok(None) } else { Ok(Some(RequestId::new(id)?)) }
}

/// Converts a request and checks what the types of its fields do not.
///
/// # Errors
/// [`WorkflowError`] names the field that is wrong.
pub(in crate::service) fn enrol_request(request: pb::EnrollRequest) -> Result<EnrolRequest, WorkflowError> {
    let mode = match pb::EnrollMode::try_from(request.mode) {
        Ok(pb::EnrollMode::Unspecified | pb::EnrollMode::Create) => EnrolMode::Create,
        Ok(pb::EnrollMode::Replace) => EnrolMode::Replace,
        Ok(pb::EnrollMode::Add) => EnrolMode::Add,
        // An unknown mode, of a later version, must not count as one that is known.
        Err(_) => return Err(out_of_range(Field::Named("mode"), "it is none this server knows")),
    };
    let photo = |(index, photo): (usize, pb::EnrollPhoto)| {
        Ok(Photo {
            bytes: photo.image,
            source: match pb::Source::try_from(photo.source) {
                Ok(pb::Source::Chip) => Source::Chip,
                Ok(pb::Source::Live) => Source::Live,
                Ok(pb::Source::Unspecified | pb::Source::Other) => Source::Other,
                Err(_) => return Err(out_of_range(Field::PhotoPart(index, "source"), "it is none this server knows")),
            },
            captured_at: match photo.captured_at {
                None => None,
                Some(time) => Some(from_wire(time).ok_or_else(|| {
                    out_of_range(Field::PhotoPart(index, "captured_at"), "it is no time from 1970 to 9999")
                })?),
            },
        })
    };
    Ok(EnrolRequest {
        request_id: request_id(request.request_id)?,
        subject: subject_id(request.subject_id)?,
        mode,
        attributes: request.attributes.map(attributes).transpose()?.unwrap_or_default(),
        photos: request.photos.into_iter().enumerate().map(photo).collect::<Result<_, _>>()?,
        by: match request.clerk_id.is_empty() {
            true => None,
            false => {
                let field = Field::Named("clerk_id");
                Some(SubjectId::new(request.clerk_id).map_err(|_| WorkflowError::BadId { field })?)
            }
        },
        accept_poor: request.accept_poor,
        vouch: request.vouch.map(vouch).transpose()?,
        legal_basis: match request.legal_basis.is_empty() {
            true => None,
            false => Some(LegalBasis::new(request.legal_basis)?),
        },
    })
}

fn attributes(attributes: pb::Attributes) -> Result<Attributes, WorkflowError> {
    // The error names its place in the list, which a set does not keep.
    if let Some(index) = attributes.schemes.iter().position(|typed| Scheme::from_text(typed).is_none()) {
        let detail = format!("the schemes are {}", Scheme::NAMES);
        return Err(out_of_range(Field::Item("attributes.schemes", index), &detail));
    }
    Ok(attributes.into())
}

fn vouch(vouch: pb::Vouch) -> Result<Vouch, WorkflowError> {
    let field = Field::Named("vouch.officer_id");
    let officer = SubjectId::new(vouch.officer_id).map_err(|_| WorkflowError::BadId { field })?;
    Ok(Vouch { officer, reason: Note::new(vouch.reason)? })
}

fn wire_vouch(vouch: Vouch) -> pb::Vouch {
    pb::Vouch { officer_id: vouch.officer.as_str().to_owned(), reason: vouch.reason.as_str().to_owned() }
}

/// The error of a field whose value is not allowed.
pub(super) fn out_of_range(field: Field, detail: &str) -> WorkflowError {
    WorkflowError::OutOfRange { field, detail: detail.to_owned() }
}

impl From<EnrolRequest> for pb::EnrollRequest {
    fn from(request: EnrolRequest) -> Self {
        let mode = match request.mode {
            EnrolMode::Create => pb::EnrollMode::Create,
            EnrolMode::Replace => pb::EnrollMode::Replace,
            EnrolMode::Add => pb::EnrollMode::Add,
        };
        let photos = request.photos.into_iter().map(|photo| pb::EnrollPhoto {
            image: photo.bytes,
            source: wire_source(photo.source),
            captured_at: photo.captured_at.map(to_wire),
        });
        Self {
            request_id: request.request_id.map(|id| id.as_str().to_owned()).unwrap_or_default(),
            subject_id: request.subject.as_str().to_owned(),
            mode: mode.into(),
            attributes: Some(request.attributes.into()),
            photos: photos.collect(),
            accept_poor: request.accept_poor,
            vouch: request.vouch.map(wire_vouch),
            clerk_id: request.by.map(|by| by.as_str().to_owned()).unwrap_or_default(),
            legal_basis: request.legal_basis.map(|basis| basis.as_str().to_owned()).unwrap_or_default(),
        }
    }
}

fn wire_source(source: Source) -> i32 {
    i32::from(match source {
        Source::Chip => pb::Source::Chip,
        Source::Live => pb::Source::Live,
        Source::Other => pb::Source::Other,
    })
}

impl From<pb::Attributes> for Attributes {
    fn from(attributes: pb::Attributes) -> Self {
        Self { schemes: attributes.schemes.into_iter().collect(), province: attributes.province, unit: attributes.unit }
    }
}

impl From<Attributes> for pb::Attributes {
    fn from(attributes: Attributes) -> Self {
        Self { schemes: attributes.schemes.into_iter().collect(), province: attributes.province, unit: attributes.unit }
    }
}

impl From<EnrolOutcome> for pb::EnrollResponse {
    fn from(outcome: EnrolOutcome) -> Self {
        Self {
            commit: outcome.receipt.commit,
            templates: outcome.receipt.templates,
            replayed: outcome.receipt.replayed,
            photos: outcome.photos.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<pb::EnrollResponse> for EnrolOutcome {
    type Error = BadAnswer;

    fn try_from(response: pb::EnrollResponse) -> Result<Self, BadAnswer> {
        let receipt = Receipt { commit: response.commit, templates: response.templates, replayed: response.replayed };
        Ok(Self { receipt, photos: reports(response.photos)? })
    }
}

// Without the vectors: a person cannot change a face whose template has leaked.
impl From<Subject> for pb::Subject {
    fn from(subject: Subject) -> Self {
        let templates = subject.templates.into_iter().map(|template| pb::TemplateInfo {
            id: template.id,
            source: wire_source(template.content.source),
            captured_at: template.content.captured_at.map(to_wire),
            quality: template.content.quality,
        });
        Self {
            subject_id: subject.id.as_str().to_owned(),
            attributes: Some(subject.attributes.into()),
            templates: templates.collect(),
            last_verified: subject.last_verified.into_iter().map(|(scheme, at)| (scheme, to_wire(at))).collect(),
            enrolled_at: Some(to_wire(subject.enrolled_at)),
            updated_at: Some(to_wire(subject.updated_at)),
            vouched: subject
                .vouched
                .into_iter()
                .map(|one| pb::Vouched {
                    vouch: Some(wire_vouch(one.vouch)),
                    vouched_at: Some(to_wire(one.at)),
                    template_ids: one.templates,
                })
                .collect(),
            enrolled_by: subject.enrolled_by.iter().map(|by| by.as_str().to_owned()).collect(),
            standing: subject.standing.entries.into_iter().map(wire_standing).collect(),
            legal_bases: subject.legal_bases.into_iter().map(wire_basis).collect(),
        }
    }
}

/// Converts the answer about a subject.
///
/// # Errors
/// [`BadAnswer`] names the field that is wrong.
pub(in crate::service) fn subject_info(subject: pb::Subject) -> Result<SubjectInfo, BadAnswer> {
    let time = |time: Option<WireTime>, field| present(time, field).and_then(|t| present(from_wire(t), field));
    let template = |template: pb::TemplateInfo| {
        Ok(TemplateInfo {
            id: template.id,
            source: match pb::Source::try_from(template.source) {
                Ok(pb::Source::Chip) => Source::Chip,
                Ok(pb::Source::Live) => Source::Live,
                _ => Source::Other,
            },
            captured_at: template.captured_at.map(|at| present(from_wire(at), "captured_at")).transpose()?,
            quality: template.quality,
        })
    };
    let vouched = |one: pb::Vouched| {
        Ok(Vouched {
            vouch: vouch(present(one.vouch, "vouched")?).map_err(|_| BadAnswer("vouched"))?,
            at: time(one.vouched_at, "vouched_at")?,
            templates: one.template_ids,
        })
    };
    let verified = subject.last_verified.into_iter();
    Ok(SubjectInfo {
        id: subject_id(subject.subject_id).map_err(|_| BadAnswer("subject_id"))?,
        attributes: subject.attributes.map(Attributes::from).unwrap_or_default(),
        templates: subject.templates.into_iter().map(template).collect::<Result<_, _>>()?,
        last_verified: verified
            .map(|(scheme, at)| Ok((scheme, present(from_wire(at), "last_verified")?)))
            .collect::<Result<_, _>>()?,
        enrolled_at: time(subject.enrolled_at, "enrolled_at")?,
        updated_at: time(subject.updated_at, "updated_at")?,
        vouched: subject.vouched.into_iter().map(vouched).collect::<Result<_, _>>()?,
        enrolled_by: subject
            .enrolled_by
            .into_iter()
            .map(|by| SubjectId::new(by).map_err(|_| BadAnswer("enrolled_by")))
            .collect::<Result<_, _>>()?,
        standing: Standing { entries: subject.standing.into_iter().map(standing_entry).collect::<Result<_, _>>()? },
        legal_bases: subject.legal_bases.into_iter().map(recorded_basis).collect::<Result<_, _>>()?,
    })
}

/// The last second `google.protobuf.Timestamp` allows, 9999-12-31T23:59:59Z.
const SECONDS_MAX: i64 = 253_402_300_799;

/// A time on the wire; one beyond 9999 becomes the last that the wire allows.
pub(in crate::service) fn to_wire(time: Timestamp) -> WireTime {
    let seconds = i64::try_from(time.0 / 1000).unwrap_or(SECONDS_MAX).min(SECONDS_MAX);
    // At most 999 million, which an `i32` holds.
    WireTime { seconds, nanos: (time.0 % 1000) as i32 * 1_000_000 }
}

/// A time from the wire; `None` for one before 1970, after 9999, or with impossible nanoseconds.
pub(super) fn from_wire(time: WireTime) -> Option<Timestamp> {
    if !(0..=SECONDS_MAX).contains(&time.seconds) || !(0..1_000_000_000).contains(&time.nanos) {
        return None;
    }
    let seconds = u64::try_from(time.seconds).ok()?;
    let nanos = u64::try_from(time.nanos).ok()?;
    Some(Timestamp(seconds * 1000 + nanos / 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_time_survives_the_wire_to_the_millisecond(ms in 0u64..=(SECONDS_MAX as u64 * 1000 + 999)) {
            prop_assert_eq!(from_wire(to_wire(Timestamp(ms))), Some(Timestamp(ms)));
        }

        #[test]
        fn no_time_from_the_wire_overflows(seconds in any::<i64>(), nanos in any::<i32>()) {
            if let Some(time) = from_wire(WireTime { seconds, nanos }) {
                prop_assert!(time.0 / 1000 <= SECONDS_MAX as u64);
            }
        }
    }

    #[test]
    fn a_mode_or_source_of_a_later_contract_is_refused_not_guessed() {
        let request = |mode, source| pb::EnrollRequest {
            subject_id: "s".into(),
            mode,
            photos: vec![pb::EnrollPhoto { image: vec![1], source, captured_at: None }],
            ..Default::default()
        };
        assert!(enrol_request(request(0, 0)).is_ok());
        assert!(matches!(
            enrol_request(request(9, 0)),
            Err(WorkflowError::OutOfRange { field: Field::Named("mode"), .. })
        ));
        assert!(matches!(
            enrol_request(request(0, 9)),
            Err(WorkflowError::OutOfRange { field: Field::PhotoPart(0, "source"), .. })
        ));
    }

    #[test]
    fn an_enrolment_survives_the_wire() {
        let request = EnrolRequest {
            by: None,
            request_id: Some(RequestId::new("r-1").unwrap()),
            subject: SubjectId::new("s").unwrap(),
            mode: EnrolMode::Add,
            attributes: Attributes {
                schemes: ["health".to_owned(), "social".to_owned()].into(),
                province: Some("79".into()),
                unit: None,
            },
            photos: vec![Photo { bytes: vec![1, 2], source: Source::Live, captured_at: Some(Timestamp(1_234)) }],
            accept_poor: true,
            legal_basis: Some(LegalBasis::new("mẫu 7/2026").unwrap()),
            vouch: Some(Vouch {
                officer: SubjectId::new("o-7").unwrap(),
                reason: Note::new("đã xem hai ảnh").unwrap(),
            }),
        };
        let back = enrol_request(pb::EnrollRequest::from(request.clone())).unwrap();
        assert_eq!(back.request_id, request.request_id);
        assert!(back.subject == request.subject && back.mode == request.mode);
        assert!(back.attributes == request.attributes);
        assert_eq!(back.photos[0].bytes, request.photos[0].bytes);
        assert_eq!(back.photos[0].source, request.photos[0].source);
        assert_eq!(back.photos[0].captured_at, request.photos[0].captured_at);
        assert!(back.accept_poor && back.vouch == request.vouch && back.legal_basis == request.legal_basis);
    }
}
