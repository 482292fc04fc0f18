use super::capture::refuse_flaws;
use super::content_digest::ContentDigest;
use super::engine::check_count;
use super::generation::{Analysed, Generation, analyze};
use super::identify::NAME_BYTES_MAX;
use super::photos_analysed::photos_are_analysed;
use super::{Engine, Field, Kind, LegalBasisRule, NumberIds, WorkflowError, reach};
use crate::context::{Reach, RequestContext, Role};
use crate::face::{FaceReport, Wants};
use crate::gallery::{
    Agreement, Attributes, EnrolMode, Enrolment, Gallery, LegalBasis, NewTemplate, ReadSet, Receipt, RequestId, Retry,
    Scheme, Source, Stats, Subject, SubjectId, Timestamp, Vouch, province_code,
};
use crate::text;

/// False match rate up to which two photos agree: from there on a decision says that the
/// faces differ, too (`reference_refer_fmr`). Of two photos of one person on `cfp-dev` and
/// `asia-dev`, years apart and in any light, 3 % score lower: those are an officer's matter.
pub const AGREE_FMR: f64 = 1e-3;
/// False match rate at whose score two templates are apart: 19 of 20 pairs of strangers
/// score less, and so do 42 of 11,250 pairs of front views of one person of `cfp-dev`.
pub const APART_FMR: f64 = 0.05;

/// One photo to enrol.
#[derive(Clone)]
pub struct Photo {
    /// Encoded bytes.
    pub bytes: Vec<u8>,
    /// Where it came from.
    pub source: Source,
    /// When it was taken, where known.
    pub captured_at: Option<Timestamp>,
}

/// Enrol a subject from 1–5 photos; each becomes a template.
#[derive(Clone)]
pub struct EnrolRequest {
    /// Makes a retry safe.
    pub request_id: Option<RequestId>,
    /// Whose.
    pub subject: SubjectId,
    /// How to treat what is there.
    pub mode: EnrolMode,
    /// What is known beside the face.
    pub attributes: Attributes,
    /// 1–5.
    pub photos: Vec<Photo>,
    /// Pseudonymous id of who enrols, where the caller names one: nobody answers as an officer for
    /// a record they enrolled.
    pub by: Option<SubjectId>,
    /// Take a poor live photo all the same.
    pub accept_poor: bool,
    /// An officer's word that the photos, and those of the record they are added to, are
    /// one person's, where the faces alone do not say so. Kept with the record.
    pub vouch: Option<Vouch>,
    /// Reference to the legal basis or the consent that it rests on. Kept with the record.
    pub legal_basis: Option<LegalBasis>,
}

/// What an enrolment did.
#[derive(Debug, Clone, PartialEq)]
pub struct EnrolOutcome {
    /// Proof of the commit.
    pub receipt: Receipt,
    /// What was seen in each photo, in order; empty for a replayed request, whose
    /// photos are not looked at again.
    pub photos: Vec<FaceReport>,
}

impl Engine {
    /// Makes templates and stores them in one commit. A live photo that the profile for
    /// live captures finds flaws in is refused, unless the request accepts poor ones.
    ///
    /// The photos must show one person, and where they are added to a record, the person of
    /// that record; [`GalleryError::PhotosDisagree`] and [`GalleryError::RecordDisagrees`]
    /// otherwise, unless an officer vouches for them; [`GalleryError::VouchNotNeeded`] for an officer,
    /// who is no registrar, with photos that agree. It is checked in the commit, on top of
    /// whatever was committed before.
    ///
    /// With a request id, a retry of what was done before returns the first receipt
    /// without looking at the photos again.
    ///
    /// # Errors
    /// [`WorkflowError::Face`] names the photo that gave no template,
    /// [`WorkflowError::CaptureRefused`] the one that is too poor;
    /// [`WorkflowError::LegalBasisMissing`] where the engine requires one; [`WorkflowError::Gallery`]
    /// where the gallery refuses or fails; [`WorkflowError::OutOfReach`] for a record of another
    /// place; [`WorkflowError::DeadlineExceeded`] where the deadline has passed already.
    ///
    /// [`GalleryError::PhotosDisagree`]: crate::gallery::GalleryError::PhotosDisagree
    /// [`GalleryError::RecordDisagrees`]: crate::gallery::GalleryError::RecordDisagrees
    /// [`GalleryError::VouchNotNeeded`]: crate::gallery::GalleryError::VouchNotNeeded
    pub async fn enrol(&self, context: &RequestContext, request: EnrolRequest) -> Result<EnrolOutcome, WorkflowError> {
        context.check_deadline()?;
        let gallery = self.gallery()?;
        check_count(request.photos.len())?;
        let retry = request.request_id.clone().map(|request_id| Retry { request_id, content: request.digest() });
        if let Some(retry) = &retry
            && let Some(receipt) = gallery.receipt(retry).await?
        {
            return Ok(EnrolOutcome { receipt, photos: Vec::new() });
        }
        self.check_subject(gallery, &request.subject, "subject_id").await?;
        if let Some(vouch) = &request.vouch {
            self.check_officer(&vouch.officer, "vouch.officer_id")?;
        }
        if let Some(by) = &request.by {
            self.check_officer(by, "clerk_id")?;
        }
        if request.legal_basis.is_none() && self.legal_basis() == LegalBasisRule::Required {
            return Err(WorkflowError::LegalBasisMissing);
        }
        let attributes = checked(request.attributes, self.number_ids())?;
        self.check_reach(context, gallery, &request.subject, &attributes).await?;

        let wants = Wants { quality: true, ..Wants::default() };
        let (origins, photos): (Vec<_>, Vec<_>) = request
            .photos
            .into_iter()
            .enumerate()
            .map(|(i, photo)| ((photo.source, photo.captured_at), (Field::Photo(i), photo.bytes, wants)))
            .unzip();
        let generations: Vec<&Generation> = self.generations().collect();
        let mut photos = analyze(&generations, photos).await?;
        photos_are_analysed();
        for (i, (Analysed { analysis, .. }, (source, _))) in photos.iter_mut().zip(&origins).enumerate() {
            // Only a person who is there can have his picture taken again.
            let live = *source == Source::Live;
            self.judge_capture(&mut analysis.report, if live { Kind::Live } else { Kind::Chip });
            if live && !request.accept_poor {
                refuse_flaws(Field::Photo(i), &analysis.report)?;
            }
        }
        let (mut templates, mut reports) = (Vec::with_capacity(photos.len()), Vec::with_capacity(photos.len()));
        for (Analysed { analysis, beside }, (source, captured_at)) in photos.into_iter().zip(origins) {
            let quality = analysis.report.quality.and_then(|quality| quality.utility);
            let new = |template| NewTemplate { template, source, captured_at, quality };
            templates.push(new(analysis.template));
            for template in beside {
                match template {
                    Ok(template) => templates.push(new(template)),
                    // A live photo can be taken again; of another, the first template is enough.
                    Err(error) if source == Source::Live => return Err(error),
                    Err(_) => {}
                }
            }
            reports.push(analysis.report);
        }
        let scores = || generations.iter().map(|one| one.agreement_scores()).collect::<Result<_, _>>();
        let roles = context.roles();
        // An officer who is no registrar enrols what needs an officer's word, and nothing else.
        let only_vouches = roles.contains(Role::Officer) && !roles.contains(Role::Registrar);
        let agreement = match request.vouch {
            Some(vouch) if only_vouches => Agreement::VouchedWhereNeeded(vouch, scores()?),
            Some(vouch) => Agreement::Vouched(vouch),
            None => Agreement::Asked(scores()?),
        };
        let EnrolRequest { subject, mode, by, legal_basis, .. } = request;
        let enrolment = Enrolment { subject, mode, attributes, templates, agreement, by, legal_basis };
        let receipt = gallery.enrol(context, enrolment, retry).await?;
        Ok(EnrolOutcome { receipt, photos: reports })
    }

    /// Removes a subject and its templates.
    ///
    /// # Errors
    /// [`GalleryError::UnknownSubject`] and the other errors of the gallery;
    /// [`WorkflowError::DeadlineExceeded`] where the deadline has passed already.
    ///
    /// [`GalleryError::UnknownSubject`]: crate::gallery::GalleryError::UnknownSubject
    pub async fn remove(
        &self,
        context: &RequestContext,
        subject: &SubjectId,
        request_id: Option<RequestId>,
    ) -> Result<Receipt, WorkflowError> {
        context.check_deadline()?;
        let retry = request_id.map(|request_id| {
            let mut digest = ContentDigest::new("remove");
            digest.field(subject.as_str().as_bytes());
            Retry { request_id, content: digest.finish() }
        });
        Ok(self.gallery()?.remove(context, subject, retry).await?)
    }

    /// Looks up one subject.
    ///
    /// # Errors
    /// [`GalleryError::UnknownSubject`] and the other errors of the gallery;
    /// [`WorkflowError::OutOfReach`] for a record of another place;
    /// [`WorkflowError::DeadlineExceeded`] where the deadline has passed already.
    ///
    /// [`GalleryError::UnknownSubject`]: crate::gallery::GalleryError::UnknownSubject
    pub async fn subject(&self, context: &RequestContext, subject: &SubjectId) -> Result<Subject, WorkflowError> {
        self.cases()?.subject(context, subject).await
    }

    /// Checks that a caller who is bound to its place enrols there: a record of its place, or a new
    /// one in it.
    async fn check_reach(
        &self,
        context: &RequestContext,
        gallery: &Gallery,
        subject: &SubjectId,
        asked: &Attributes,
    ) -> Result<(), WorkflowError> {
        if context.reach() == Reach::Everything {
            return Ok(());
        }
        let wanted = ReadSet { subjects: vec![subject.clone()], ..ReadSet::default() };
        let records = gallery.read(wanted).await?;
        let Attributes { unit, province, .. } = records.head(subject).map_or(asked, |head| &head.attributes);
        reach::check(context, unit.as_deref(), province.as_deref())
    }

    /// Size of the gallery.
    ///
    /// # Errors
    /// [`WorkflowError::NoGallery`] without one, and the errors of the gallery;
    /// [`WorkflowError::DeadlineExceeded`] where the deadline has passed already.
    pub async fn stats(&self, context: &RequestContext) -> Result<Stats, WorkflowError> {
        context.check_deadline()?;
        Ok(self.gallery()?.stats())
    }
}

/// Attributes by the vocabulary: schemes by their names, codes without what cannot be
/// seen.
fn checked(attributes: Attributes, numbers: NumberIds) -> Result<Attributes, WorkflowError> {
    let scheme = |typed: String| match Scheme::from_text(&typed) {
        Some(scheme) => Ok(scheme.name().to_owned()),
        None => Err(WorkflowError::OutOfRange {
            field: Field::Named("attributes.schemes"),
            detail: format!("the schemes are {}", Scheme::NAMES),
        }),
    };
    // As long as what is searched by, or nobody could search by it.
    for (name, value) in [("attributes.province", &attributes.province), ("attributes.unit", &attributes.unit)] {
        if let Some(value) = value {
            numbers.check_text(value, name)?;
        }
        let fits = |value: &String| value.len() <= NAME_BYTES_MAX && !value.chars().any(char::is_control);
        if !value.as_ref().is_none_or(fits) {
            let detail = format!("at most {NAME_BYTES_MAX} bytes without control characters");
            return Err(WorkflowError::OutOfRange { field: Field::Named(name), detail });
        }
    }
    Ok(Attributes {
        schemes: attributes.schemes.into_iter().map(scheme).collect::<Result<_, _>>()?,
        province: attributes.province.map(|code| province_code(&code)),
        unit: attributes.unit.map(|unit| text::visible(&unit)),
    })
}

impl EnrolRequest {
    /// SHA-256 of everything asked for, the request id apart.
    fn digest(&self) -> [u8; 32] {
        let mut digest = ContentDigest::new("enrol");
        digest.field(self.subject.as_str().as_bytes());
        digest.field(&[self.mode as u8, u8::from(self.accept_poor)]);
        let Attributes { schemes, province, unit } = &self.attributes;
        digest.field(&(schemes.len() as u64).to_le_bytes());
        for scheme in schemes {
            digest.field(scheme.as_bytes());
        }
        for text in [province, unit] {
            digest.field(&[u8::from(text.is_some())]);
            digest.field(text.as_deref().unwrap_or_default().as_bytes());
        }
        for photo in &self.photos {
            digest.field(&[photo.source as u8]);
            digest.field(&photo.captured_at.map_or([0xff; 8], |at| at.0.to_le_bytes()));
            digest.field(&photo.bytes);
        }
        // Nothing where there is none: so requests of earlier versions are still recognised.
        if let Some(Vouch { officer, reason }) = &self.vouch {
            digest.field(b"vouched");
            digest.field(officer.as_str().as_bytes());
            digest.field(reason.as_str().as_bytes());
        }
        if let Some(by) = &self.by {
            digest.field(b"enrolled by");
            digest.field(by.as_str().as_bytes());
        }
        if let Some(basis) = &self.legal_basis {
            digest.field(b"legal basis");
            digest.field(basis.as_str().as_bytes());
        }
        digest.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> EnrolRequest {
        EnrolRequest {
            legal_basis: None,
            request_id: None,
            subject: SubjectId::new("a").unwrap(),
            mode: EnrolMode::Create,
            attributes: Attributes::default(),
            photos: vec![Photo { bytes: vec![1, 2], source: Source::Live, captured_at: None }],
            by: None,
            accept_poor: false,
            vouch: None,
        }
    }

    fn vouch(officer: &str, reason: &str) -> Vouch {
        Vouch { officer: SubjectId::new(officer).unwrap(), reason: crate::gallery::Note::new(reason).unwrap() }
    }

    #[test]
    fn attributes_are_taken_by_the_vocabulary_or_refused() {
        let given = |scheme: &str| Attributes {
            schemes: [scheme.to_owned(), "health".to_owned()].into(),
            province: Some(" 1\u{200b}".into()),
            unit: Some("Quận 1 ".into()),
        };
        for scheme in ["Social ", "SCHEME_SOCIAL", "bhxh"] {
            let attributes = checked(given(scheme), NumberIds::Refuse).unwrap();
            assert!(attributes.schemes == ["health".to_owned(), "social".to_owned()].into());
            assert_eq!((attributes.province.as_deref(), attributes.unit.as_deref()), (Some("01"), Some("Quận 1")));
        }
        // They are kept as ids are, and come back in answers and lists.
        for number in ["001058000123", "20241129001058000123", "BHXH quận 1 001|058|000|123"] {
            let province = Attributes { province: Some(number.into()), ..Attributes::default() };
            let unit = Attributes { unit: Some(number.into()), ..Attributes::default() };
            for (attributes, field) in [(province, "attributes.province"), (unit, "attributes.unit")] {
                assert!(checked(attributes.clone(), NumberIds::Accept).is_ok());
                let error = checked(attributes, NumberIds::Refuse).unwrap_err();
                assert!(matches!(error, WorkflowError::NumberAsId { field: Field::Named(of) } if of == field));
            }
        }
        for scheme in ["", "socail", "pension"] {
            let error = checked(given(scheme), NumberIds::Refuse).unwrap_err();
            assert!(matches!(error, WorkflowError::OutOfRange { field: Field::Named("attributes.schemes"), .. }));
        }
    }

    #[test]
    fn every_part_of_an_enrolment_counts_in_its_digest() {
        type Change = fn(&mut EnrolRequest);
        let changes: [Change; 15] = [
            |r| r.legal_basis = Some(LegalBasis::new("form 7").unwrap()),
            |r| r.by = Some(SubjectId::new("clerk").unwrap()),
            |r| r.accept_poor = true,
            |r| r.subject = SubjectId::new("b").unwrap(),
            |r| r.mode = EnrolMode::Replace,
            |r| r.attributes.province = Some(String::new()),
            |r| r.attributes.unit = Some(String::new()),
            |r| r.attributes.schemes = ["health".to_owned()].into(),
            |r| r.photos[0].bytes.push(3),
            |r| r.photos[0].source = Source::Chip,
            |r| r.photos[0].captured_at = Some(Timestamp(0)),
            |r| r.photos.push(r.photos[0].clone()),
            |r| r.vouch = Some(vouch("o-1", "seen")),
            |r| r.vouch = Some(vouch("o-2", "seen")),
            |r| r.vouch = Some(vouch("o-1", "looked at")),
        ];
        let mut seen = vec![request().digest()];
        for change in changes {
            let mut changed = request();
            change(&mut changed);
            let digest = changed.digest();
            assert!(!seen.contains(&digest));
            seen.push(digest);
        }
        assert_eq!(request().digest(), seen[0]);
    }
}
