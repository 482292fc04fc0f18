//! Gathering the evidence and committing the decision.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::captures::CaptureProbes;
use super::challenge::{AnsweredChallenge, ChallengeState};
use super::counted::Counted;
use super::decide::{AppliedRule, Decided, decide};
use super::entered::others;
use super::evidence::{ChipEvidence, CopyOf, Evidence, FrameEvidence, History, SchemeState};
use super::pictures::PictureSources;
use super::policy::{Consequence, FirstSight, Policy};
use super::reason_code::{EvidenceKind, ReasonCode};
use super::{BeneficiaryOutcome, BeneficiaryRequest, Scheme, record};
use crate::chip::{self, Anchors, CheckOptions, ChipFiles, GroupState, Holder, Moment};
use crate::context::RequestContext;
use crate::face::{Analysis, FaceError, Template, Wants};
use crate::gallery::{
    Agreement, Attributes, Basis, DecisionKey, EnrolMode, Enrolment, Gallery, GalleryError, Look, NewDecision,
    NewTemplate, Outcome, ReadSet, Records, Source, StoredDecision, Subject, SubjectId, Timestamp, next_attempt,
    province_code,
};
use crate::hex;
use crate::ledger::entry::Kind as EntryKind;
use crate::matching::Reference;
use crate::numbers;
use crate::workflow::copies::{Together, is_enrolled_picture, is_reference_picture};
use crate::workflow::engine::{BUSY_RETRY_AFTER_MS, check_count};
use crate::workflow::generation::{Analysed, Generation, ProbeTemplates, analyze};
use crate::workflow::photos_analysed::photos_are_analysed;
use crate::workflow::reason::Reason;
use crate::workflow::{Engine, Field, Kind, LegalBasisRule, WorkflowError};

/// How often a decision is made, where what it rests on changes while it is being made.
const TRIES_MAX: u32 = 5;
/// Days of a year, leap years levelled.
const YEAR_DAYS: f64 = 365.25;

/// What the photos and the chip gave, before anything is looked up.
pub(super) struct Observed {
    key: DecisionKey,
    content: [u8; 32],
    pub(super) subject: SubjectId,
    presented_by: Option<SubjectId>,
    scheme: Scheme,
    pub(super) chip: Option<ChipEvidence>,
    record: super::RecordEvidence,
    frames: Vec<FrameEvidence>,
    pub(super) together: Together,
    /// The captures as each generation of the engine sees them.
    pub(super) by: Vec<ProbeTemplates>,
    chip_photo: Option<Result<Analysed, FaceError>>,
    /// Where fingerprints of captures are kept.
    probes: Option<CaptureProbes>,
    /// Where pictures of cases that wait are kept.
    pictures: Option<PictureSources>,
    /// Where the chip answered one.
    challenge: Option<AnsweredChallenge>,
    unit: Option<String>,
    counted: Counted,
}

impl Observed {
    /// Which decision it is for.
    pub(super) fn key(&self) -> &DecisionKey {
        &self.key
    }

    /// The captures as the first generation sees them.
    pub(super) fn first(&self) -> &ProbeTemplates {
        // `Engine::fused` makes one at least.
        &self.by[0]
    }

    /// The captures, with those marked that are photos enrolled in the record.
    fn beside(&self, subject: Option<&Subject>) -> Vec<FrameEvidence> {
        let now = Timestamp::now();
        let is_enrolled = |number: usize| {
            let of = |subject: &Subject| {
                let mut captures = self.by.iter().filter_map(|by| by.captures.get(number));
                captures.any(|capture| {
                    let mut enrolled = subject.templates.iter();
                    enrolled.any(|one| is_enrolled_picture(capture, &one.content, subject.updated_at, now))
                })
            };
            subject.is_some_and(of)
        };
        let marked = |(number, frame): (usize, &FrameEvidence)| {
            let own = || is_enrolled(number).then_some(CopyOf::EnrolledPhoto);
            FrameEvidence { copy_of: frame.copy_of.or_else(own), ..frame.clone() }
        };
        self.frames.iter().enumerate().map(marked).collect()
    }
}

/// The answer as it is stored: what is not in the record around it.
#[derive(Serialize, Deserialize)]
struct Answer {
    policy: String,
    /// Empty in answers of earlier versions, as the next.
    #[serde(default)]
    policy_digest: String,
    #[serde(default)]
    anchors_digest: String,
    recipe: String,
    enrolled: bool,
    decided: Decided,
    evidence: Evidence,
    /// What statistics are made of.
    #[serde(default)]
    counted: Counted,
}

/// The rules that one decision is made by.
#[derive(Clone, Copy)]
struct DecidedBy<'a> {
    name: &'a str,
    policy: &'a Policy,
    anchors: &'a Anchors,
}

/// The chip, looked at.
struct ChipObserved {
    evidence: ChipEvidence,
    holder: Option<Holder>,
    photo: Option<Vec<u8>>,
}

impl Engine {
    /// Decides whether the person present is the one the card and the benefit belong
    /// to, and stores the decision.
    ///
    /// The same transaction, attempt and content give the same answer, made once,
    /// also where two calls come at once or the process was killed in between. A
    /// retake is the next attempt of the same transaction.
    ///
    /// # Errors
    /// [`WorkflowError::Face`] for a capture without a usable face and
    /// [`WorkflowError::ProbesDisagree`]: nothing is stored, and the same attempt may
    /// be sent again with other captures. [`WorkflowError::Policy`] for a policy that
    /// is not configured; [`WorkflowError::Attempts`] beyond the policy's number;
    /// [`GalleryError::TransactionReused`], [`GalleryError::AttemptOutOfOrder`],
    /// [`GalleryError::TransactionClosed`]. [`WorkflowError::DeadlineExceeded`] where the
    /// deadline has passed already.
    pub async fn verify_beneficiary(
        &self,
        context: &RequestContext,
        request: BeneficiaryRequest,
    ) -> Result<BeneficiaryOutcome, WorkflowError> {
        context.check_deadline()?;
        let gallery = self.gallery()?;
        let content = request.digest();
        let _turn = self.decision_service().turns.take(&request.key.transaction).await;
        let challenge = request
            .active
            .as_ref()
            .map(|active| AnsweredChallenge::new(context, &request.key.transaction, &active.challenge));
        let wanted = ReadSet {
            decision: Some(request.key.clone()),
            subjects: vec![request.subject.clone()],
            templates: true,
            attempts: true,
            recent: Some((request.subject.clone(), self.case_rules().history_from(Timestamp::now()))),
            newest_of: Some(request.subject.clone()),
            cleared_with: Some(request.subject.clone()),
            challenges_of: challenge.as_ref().map(|challenge| challenge.owner().clone()),
            ..ReadSet::default()
        };
        let mut records = gallery.read(wanted.clone()).await?;
        if let Some(stored) = records.decision {
            if stored.content != content {
                return Err(GalleryError::TransactionReused.into());
            }
            tracing::debug!(attempt = stored.key.attempt, "a decision was asked for again");
            let look = Look::new(EntryKind::RecordRead).at([stored.subject.clone()]).coming_to("again");
            let look = look.at_transaction(&stored.key.transaction, Some(stored.key.attempt));
            let told = outcome(stored)?;
            gallery.enter_look(context, look.at(others(&told.evidence))).await?;
            return Ok(told);
        }
        check_count(request.frames.len())?;
        // Those in force now, to the end of this decision, whatever is loaded meanwhile.
        let rules = self.decision_service().in_force();
        let (policy_name, policy) = rules.policies.find(&request.policy).ok_or(WorkflowError::Policy)?;
        check_turn(records.last_decision.as_ref(), &request, policy)?;
        self.check_subject_of(&records, &request.subject, "subject_id")?;
        if let Some(clerk) = &request.presented_by {
            self.check_officer(clerk, "clerk_id")?;
        }
        let number = request.record.number.as_ref().map_or("", |number| number.reveal());
        if numbers::carries(request.key.transaction.as_str(), number) {
            return Err(WorkflowError::NumberAsId { field: Field::Named("transaction_id") });
        }

        let seen = self.look(request, content, policy, &rules.anchors).await?;
        let seen = Observed { challenge, ..seen };
        let by = DecidedBy { name: policy_name, policy, anchors: &rules.anchors };
        // Of two who ask for one record at once, each counts the other's attempt.
        let _record = self.decision_service().records.take(&seen.subject).await;
        for _ in 1..TRIES_MAX {
            match self.judge(context, gallery, &seen, by, &records).await {
                Err(WorkflowError::Gallery(GalleryError::Outdated | GalleryError::SubjectExists)) => {
                    tracing::debug!("what a decision rests on has changed meanwhile");
                    records = gallery.read(wanted.clone()).await?;
                }
                other => return other,
            }
        }
        match self.judge(context, gallery, &seen, by, &records).await {
            Err(WorkflowError::Gallery(GalleryError::Outdated)) => {
                Err(WorkflowError::Busy { retry_after_ms: BUSY_RETRY_AFTER_MS })
            }
            other => other,
        }
    }

    /// Looks at captures and chip, side by side. Stores nothing, looks nothing up.
    async fn look(
        &self,
        request: BeneficiaryRequest,
        content: [u8; 32],
        policy: &Policy,
        anchors: &Arc<Anchors>,
    ) -> Result<Observed, WorkflowError> {
        let BeneficiaryRequest { key, subject, presented_by, unit, scheme, record, chip_files, active, frames, .. } =
            request;
        let keeps_pictures = self.keeps_pictures();
        // Kept for their exact digests, and for officers.
        let files = if self.capture_key().is_some() || keeps_pictures { frames.clone() } else { Vec::new() };
        let files = Arc::new(files);
        let wants = Wants {
            liveness: !policy.does_without(EvidenceKind::Liveness),
            quality: !policy.does_without(EvidenceKind::Quality),
            pose: false,
        };
        let frames = frames.into_iter().enumerate().map(|(i, bytes)| (Field::Frame(i), bytes, wants)).collect();
        let chip = async {
            if chip_files.is_empty() {
                return Ok((None, None, None));
            }
            let mut chip = self.inspect(chip_files, active, Arc::clone(anchors)).await?;
            let picture = chip.photo.clone().filter(|_| keeps_pictures);
            let photo = match chip.photo.take() {
                Some(photo) => Some(self.chip_template(photo).await?),
                None => None,
            };
            Ok::<_, WorkflowError>((Some(chip), photo, picture))
        };
        let generations: Vec<&Generation> = self.generations().collect();
        let (captures, (chip, chip_photo, chip_picture)) = tokio::try_join!(analyze(&generations, frames), chip)?;
        photos_are_analysed();
        let (mut analyses, beside): (Vec<_>, Vec<_>) =
            captures.into_iter().map(|capture| (capture.analysis, capture.beside)).unzip();

        analyses.iter_mut().for_each(|analysis| self.judge_capture(&mut analysis.report, Kind::Live));
        let together = Together::of(&analyses);
        let chips_own = |seen: &Analysis| match &chip_photo {
            Some(Ok(photo)) if is_reference_picture(seen, &photo.analysis) => Some(CopyOf::ChipPhoto),
            _ => None,
        };
        let frames = analyses.iter().zip(&together.pictures);
        let frames = frames.map(|(seen, picture)| frame(seen, *picture, chips_own(seen))).collect();
        let by = self.fused(&analyses, beside, &together)?;
        let probes = self.capture_probes(Arc::clone(&files), &analyses).await?;
        let pictures = keeps_pictures.then(|| PictureSources::new(self, files, chip_picture));
        let record = match &chip {
            Some(chip) => record::compare(&record, chip.holder.as_ref()),
            None => super::RecordEvidence::default(),
        };
        let counted = Counted::of(chip.as_ref().and_then(|chip| chip.holder.as_ref()), Moment::now());
        let chip = chip.map(|chip| chip.evidence);
        Ok(Observed {
            key,
            content,
            subject,
            presented_by,
            scheme,
            chip,
            record,
            frames,
            together,
            by,
            chip_photo,
            probes,
            pictures,
            challenge: None,
            unit,
            counted,
        })
    }

    /// Checks the chip on a thread that may compute for some milliseconds.
    async fn inspect(
        &self,
        files: Vec<Vec<u8>>,
        active: Option<chip::ChallengeResponse>,
        anchors: Arc<Anchors>,
    ) -> Result<ChipObserved, WorkflowError> {
        let work = move || {
            let options = CheckOptions { active, ..CheckOptions::default() };
            let inspection = chip::inspect(&ChipFiles::from_bytes(files), &anchors, &options);
            let holder = inspection.holder();
            let issued = holder.as_ref().and_then(|holder| holder.issued);
            let evidence = ChipEvidence {
                verdict: inspection.verdict,
                reasons: inspection.reasons(),
                active_authentication: inspection.active_authentication,
                challenge: None,
                groups_unread: inspection
                    .data_groups
                    .iter()
                    .filter(|(_, state)| **state == GroupState::Absent)
                    .map(|(number, _)| *number)
                    .collect(),
                photo_years: issued.map(|issued| years_between(Moment::of_date(issued), options.now)),
            };
            ChipObserved { evidence, holder, photo: inspection.photo().map(|photo| photo.bytes.clone()) }
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| WorkflowError::ChipCheck)
    }

    /// The template of the chip's photo, or why it gives none: which is evidence, not
    /// an error, except where the engine itself is at fault.
    async fn chip_template(&self, photo: Vec<u8>) -> Result<Result<Analysed, FaceError>, WorkflowError> {
        let generations: Vec<&Generation> = self.generations().collect();
        match analyze(&generations, vec![(Field::ChipPhoto, photo, Wants::default())]).await {
            Err(WorkflowError::Face { field: Field::ChipPhoto, source })
                if !matches!(source, FaceError::Inference(_) | FaceError::Cancelled) =>
            {
                Ok(Err(source))
            }
            Err(error) => Err(error),
            // One photo, one answer.
            Ok(photos) => photos.into_iter().next().map(Ok).ok_or(WorkflowError::ChipCheck),
        }
    }

    /// Decides by what was read of the store, and commits.
    async fn judge(
        &self,
        context: &RequestContext,
        gallery: &Gallery,
        seen: &Observed,
        by: DecidedBy<'_>,
        records: &Records,
    ) -> Result<BeneficiaryOutcome, WorkflowError> {
        let policy = by.policy;
        let subject = records.subject(&seen.subject)?;
        // A gallery holds references of every kind.
        let curve = self.curve(seen.together.distinct(), Reference::Any)?;
        let chip_template = match &seen.chip_photo {
            Some(Ok(photo)) => Some(photo),
            _ => None,
        };
        // A decision names no legal basis; where one is required, whoever is seen first is not enrolled by it.
        let enrols = policy.first_sight == FirstSight::Enrol && self.legal_basis() == LegalBasisRule::Optional;
        let newcomer = chip_template.filter(|_| subject.is_none() && enrols);
        let elsewhere = match policy.does_without(EvidenceKind::Duplicates) {
            true => None,
            false => Some(self.elsewhere(gallery, seen, records, policy).await?),
        };
        let (duplicates, searched) = elsewhere.unzip();
        let days = self.case_rules().history_days;
        let mut history = (!policy.does_without(EvidenceKind::History))
            .then(|| History::of(&seen.key, &records.attempts, &records.recent, days, Timestamp::now()));
        let mut captures_before = None;
        if let (Some(history), Some(probes)) = (&mut history, &seen.probes) {
            let (captures, next) = probes.look_up(gallery, seen).await?;
            (history.captures, captures_before) = (Some(captures), Some(next));
        }

        let challenge = seen.challenge.as_ref().map(|one| (one, one.state(&records.challenges, Timestamp::now())));
        let evidence = Evidence {
            chip_face: match chip_template {
                Some(photo) => Some(self.against_chip(seen, &photo.analysis.template, policy)?),
                None => None,
            },
            chip_photo_unusable: match &seen.chip_photo {
                Some(Err(error)) => Some(Reason::of_face(error).code().to_owned()),
                _ => None,
            },
            reference_face: match &subject {
                Some(subject) => self.against_reference(seen, subject, policy)?,
                None => None,
            },
            record_templates: subject.as_ref().map(|subject| self.record_templates(subject)).transpose()?,
            record_restricted: subject.as_ref().is_some_and(|subject| subject.standing.is_restricted()),
            duplicates,
            history,
            curve: Some(curve.name()),
            chip: match challenge {
                Some((_, state)) => seen.chip.clone().map(|chip| chip.answering(state)),
                None => seen.chip.clone(),
            },
            record: seen.record,
            scheme: subject.as_ref().map(|subject| SchemeState::of(subject, seen.scheme)),
            quality: best_quality(&seen.frames),
            liveness: mean_liveness(&seen.frames, &seen.together),
            together: Some(seen.together.frames),
            // At most five.
            distinct_frames: seen.together.distinct() as u32,
            frames: seen.beside(subject.as_ref()),
        };
        let decided = decide(policy, &evidence, seen.key.attempt);

        let enrolment = newcomer.filter(|_| decided.outcome == Outcome::Approve).map(|photo| Enrolment {
            subject: seen.subject.clone(),
            mode: EnrolMode::Create,
            // It belongs to the place that enrolled it, whose officers answer for it.
            attributes: Attributes {
                schemes: [seen.scheme.name().to_owned()].into(),
                province: context.province().map(province_code),
                unit: seen.unit.clone(),
            },
            templates: chip_templates(photo),
            // One photo, of the person who was just compared with it.
            agreement: Agreement::Known,
            by: seen.presented_by.clone(),
            legal_basis: None,
        });
        let facts = self.facts(policy, &evidence, &decided);
        let pictures = match &seen.pictures {
            Some(sources) if decided.outcome != Outcome::Approve => Some(self.pictures_of(sources).await?),
            _ => None,
        };
        let answer = Answer {
            policy: by.name.to_owned(),
            policy_digest: hex::encode(&policy.digest()),
            anchors_digest: hex::encode(&by.anchors.digest()),
            recipe: self.recipe().to_string(),
            enrolled: enrolment.is_some(),
            decided,
            evidence,
            counted: seen.counted,
        };
        let decision = NewDecision {
            key: seen.key.clone(),
            content: seen.content,
            subject: seen.subject.clone(),
            scheme: seen.scheme.name().to_owned(),
            outcome: answer.decided.outcome,
            reasons: standing(&answer.decided),
            presented_by: seen.presented_by.clone(),
            captures: seen.probes.as_ref().map(CaptureProbes::kept).unwrap_or_default(),
            captures_lifetime_ms: self.case_rules().capture_lifetime_ms(),
            pictures,
            unit: seen.unit.clone(),
            province: records
                .head(&seen.subject)
                .and_then(|head| head.attributes.province.clone())
                .or_else(|| context.province().map(str::to_owned)),
            answer: serde_json::to_vec(&answer).map_err(|_| WorkflowError::Answer)?,
            enrolment,
            basis: Some(Basis {
                subject: records.head(&seen.subject).cloned(),
                cleared_with: records.cleared_with.clone(),
                searched,
                newest: answer.evidence.history.as_ref().map(|_| records.newest),
                captures_before,
            }),
            challenge: challenge
                .filter(|(_, state)| *state == ChallengeState::Issued)
                .map(|(answered, _)| answered.used()),
            facts,
        };
        let (stored, _) = gallery.decide(context, decision).await?;
        let caller = context.principal().kind();
        tracing::info!(outcome = ?stored.outcome, attempt = stored.key.attempt, caller, "decided");
        outcome(stored)
    }
}

/// Refuses what the commit would refuse, before any work is done for it.
fn check_turn(
    last: Option<&StoredDecision>,
    request: &BeneficiaryRequest,
    policy: &Policy,
) -> Result<(), WorkflowError> {
    let expected = next_attempt(last, &request.subject, request.scheme.name(), request.unit.as_deref())?;
    if expected > policy.attempts_max {
        return Err(WorkflowError::Attempts { max: policy.attempts_max });
    }
    if request.key.attempt != expected {
        return Err(GalleryError::AttemptOutOfOrder { expected }.into());
    }
    Ok(())
}

/// The answer in a stored decision.
pub(super) fn outcome(stored: StoredDecision) -> Result<BeneficiaryOutcome, WorkflowError> {
    let Answer { policy, policy_digest, anchors_digest, recipe, enrolled, decided, evidence, counted: _ } =
        serde_json::from_slice(&stored.answer).map_err(|_| WorkflowError::Answer)?;
    // Two places say what was decided; where they differ, neither is believed.
    if decided.outcome != stored.outcome {
        return Err(WorkflowError::Answer);
    }
    let StoredDecision { key, decided_at, commit, resolutions, officers_needed, .. } = stored;
    Ok(BeneficiaryOutcome {
        key,
        decided,
        evidence,
        policy,
        policy_digest,
        anchors_digest,
        enrolled,
        recipe,
        decided_at,
        commit,
        resolutions,
        officers_needed,
    })
}

/// Codes of the reasons that stand in the way of an approval, the gravest first.
fn standing(decided: &Decided) -> Vec<String> {
    // A capture that was used before is listed whatever the policy makes of it.
    let is_listed =
        |one: &&AppliedRule| one.consequence > Consequence::Accept || one.ground == ReasonCode::CaptureSeenBefore;
    let stands = decided.grounds.iter().filter(is_listed);
    stands.map(|one| one.ground.code().to_owned()).collect()
}

/// The templates of a chip's photo by every generation that can use it.
fn chip_templates(photo: &Analysed) -> Vec<NewTemplate> {
    let further = photo.beside.iter().filter_map(|template| template.as_ref().ok());
    let all = std::iter::once(&photo.analysis.template).chain(further);
    let new = |template: &Template| {
        let template = template.clone();
        NewTemplate { template, source: Source::Chip, captured_at: None, quality: None }
    };
    all.map(new).collect()
}

fn frame(analysis: &Analysis, picture: usize, copy_of: Option<CopyOf>) -> FrameEvidence {
    let report = &analysis.report;
    FrameEvidence {
        eye_distance: report.eye_distance,
        second_face: report.second_face,
        norm: report.norm.unwrap_or(0.0),
        quality: report.quality.map(|quality| quality.utility.unwrap_or(quality.capture)),
        liveness: report.liveness,
        flaws: report.flaws.clone(),
        picture: u32::try_from(picture).ok(),
        copy_of,
    }
}

/// The mean of the different pictures, where all were measured. Of files of one picture the
/// lowest counts: another file format makes nobody alive.
fn mean_liveness(frames: &[FrameEvidence], together: &Together) -> Option<f32> {
    let all: Vec<f32> = frames.iter().map(|frame| frame.liveness).collect::<Option<_>>()?;
    let lowest = |picture| together.all_of(picture, &all).copied().fold(f32::INFINITY, f32::min);
    let pictures = together.distinct();
    (pictures > 0).then(|| (0..pictures).map(lowest).sum::<f32>() / pictures as f32)
}

/// The best of the captures without a flaw; of all, where each has one.
fn best_quality(frames: &[FrameEvidence]) -> Option<f32> {
    let best = |frames: &mut dyn Iterator<Item = &FrameEvidence>| {
        frames.filter_map(|frame| frame.quality).max_by(f32::total_cmp)
    };
    best(&mut frames.iter().filter(|frame| !frame.is_flawed())).or_else(|| best(&mut frames.iter()))
}

fn years_between(from: Moment, to: Moment) -> u32 {
    let days = (to.0 - from.0) as f64 / 86_400.0;
    // Negative for a card of the future: none.
    (days / YEAR_DAYS) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::Date;

    #[test]
    fn an_answer_stored_by_an_earlier_program_is_read() {
        // As version 0.1.0 wrote it, before schemes, unread files and consequences were in it.
        let stored = r#"{"policy":"default","recipe":"00","enrolled":false,"decided":{"outcome":"REFER","grounds":[
            {"ground":"CHIP_UNREADABLE","consequence":"refer"},{"ground":"NUMBER_MISSING","consequence":"refer"},
            {"ground":"CHIP_NOT_PROVEN","consequence":"accept"}],"without":["liveness"],"retake":false},
            "evidence":{"chip":{"verdict":"UNREADABLE","reasons":["SOD_UNREADABLE","SIGNER_NOT_YET_VALID"],
            "active_authentication":"absent","photo_years":null},"record":{"number":"not_on_chip","name":"agrees",
            "birth_date":"agrees_without_marks","sex":"not_in_record"},"frames":[{"eye_distance":60.0,
            "second_face":false,"norm":9.0,"quality":null,"liveness":null}],"quality":null,"liveness":null,
            "chip_face":null,"chip_photo_unusable":null,"reference_face":null,"duplicates":null}}"#;
        let Answer { decided, evidence, .. } = serde_json::from_str(stored).unwrap();
        assert!(decided.grounds.iter().all(|one| one.follows.is_none()) && !decided.retake);
        assert!(evidence.scheme.is_none() && evidence.chip.unwrap().groups_unread.is_empty());
    }

    #[test]
    fn a_picture_sent_again_in_another_format_raises_no_mean() {
        let frame = |liveness, picture| FrameEvidence {
            eye_distance: 60.0,
            second_face: false,
            norm: 9.0,
            quality: None,
            liveness,
            flaws: Vec::new(),
            picture: Some(picture),
            copy_of: None,
        };
        let together = Together { frames: crate::workflow::Frames::Repeated, pictures: vec![0, 0, 1] };
        let mean =
            |first, second, third| mean_liveness(&[frame(first, 0), frame(second, 0), frame(third, 1)], &together);
        assert_eq!(mean(Some(0.2), Some(0.9), Some(0.6)), Some(0.4));
        assert_eq!(mean(Some(0.2), None, Some(0.6)), None);
    }

    #[test]
    fn the_age_of_a_photo_is_in_whole_years_and_never_negative() {
        let at = |year, month, day| Moment::of_date(Date { year, month, day });
        assert_eq!(years_between(at(2016, 3, 15), at(2026, 3, 15)), 9);
        assert_eq!(years_between(at(2016, 3, 15), at(2026, 3, 17)), 10);
        assert_eq!(years_between(at(2027, 1, 1), at(2026, 1, 1)), 0);
    }
}
