//! Evidence and a policy to one decision. Pure: no clock, no store, no network.

use std::collections::BTreeSet;

use super::evidence::{ChipEvidence, Comparison, CopyOf, Evidence, FieldState, FrameEvidence, SchemeState};
use super::policy::{Consequence, FirstSight, Policy};
use super::reason_code::{EvidenceKind, ReasonCode};
use crate::chip::{self, reason::Effect};
use crate::face::quality::Flaw;
use crate::gallery::Outcome;
use crate::workflow::Frames;
use serde::{Deserialize, Serialize};

/// What was decided, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// The decision.
    pub outcome: Outcome,
    /// What speaks against an approval, the gravest first; also what the policy
    /// accepts.
    pub grounds: Vec<AppliedRule>,
    /// Evidence that is not there and that the policy does without.
    pub without: Vec<EvidenceKind>,
    /// Whether new captures, or another reading of the chip, may decide better, and the
    /// policy leaves an attempt for it.
    pub retake: bool,
}

/// The rule that was applied to a fact: its reason code, and the consequence the policy gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedRule {
    /// The fact, by its code.
    pub ground: ReasonCode,
    /// What it leads to.
    pub consequence: Consequence,
    /// The reason it is no more than a consequence of, where it is one: mended with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<ReasonCode>,
}

/// Decides the `attempt`-th attempt, from 1. Approves only where every piece of evidence the
/// policy does not do without is there and good, and the face was compared with somebody.
pub fn decide(policy: &Policy, evidence: &Evidence, attempt: u32) -> Decided {
    let mut grounds = BTreeSet::new();
    let mut without = BTreeSet::new();
    let no_chip_wanted = evidence.chip.is_none() && policy.does_without(EvidenceKind::Chip);
    let missing = |piece: EvidenceKind, grounds: &mut BTreeSet<ReasonCode>, without: &mut BTreeSet<EvidenceKind>| {
        // Without a chip there is nothing of it to compare either.
        if policy.does_without(piece) || (no_chip_wanted && piece.is_of_chip()) {
            without.insert(piece);
        } else {
            grounds.insert(piece.missing());
        }
    };

    match &evidence.chip {
        None => missing(EvidenceKind::Chip, &mut grounds, &mut without),
        Some(chip) => {
            // Whatever the verdict.
            let lapsed: Vec<ReasonCode> = chip.come_to(Effect::Lapsed).collect();
            let of_verdict = match chip.verdict {
                chip::Verdict::Authentic => vec![],
                chip::Verdict::Unanchored => vec![ReasonCode::ChipUnanchored],
                chip::Verdict::Unreadable => vec![ReasonCode::ChipUnreadable],
                chip::Verdict::Altered => vec![ReasonCode::ChipAltered],
                // For its dates alone, or for what is named here.
                chip::Verdict::Untrusted => match chip.come_to(Effect::Untrusted).collect::<Vec<_>>() {
                    named if named.is_empty() && lapsed.is_empty() => vec![ReasonCode::ChipUntrusted],
                    named => named,
                },
            };
            grounds.extend(of_verdict.into_iter().chain(lapsed));
            if chip.found(chip::Reason::WeakHash) || chip.found(chip::Reason::WeakKey) {
                grounds.insert(ReasonCode::ChipWeak);
            }
            if chip.found(chip::Reason::NumbersDisagree) {
                grounds.insert(ReasonCode::ChipNumbersDisagree);
            }
            if chip.active_authentication != chip::ActiveAuthentication::Proven {
                grounds.insert(ReasonCode::ChipNotProven);
            }
            grounds.extend(chip.answered_in_vain().then_some(ReasonCode::ChallengeNotIssued));
        }
    }
    let record = &evidence.record;
    for (state, piece, differs, in_record, on_chip) in [
        (
            record.number,
            EvidenceKind::Number,
            ReasonCode::NumberDiffers,
            ReasonCode::NumberUnreadable,
            ReasonCode::ChipNumberUnreadable,
        ),
        (
            record.name,
            EvidenceKind::Name,
            ReasonCode::NameDiffers,
            ReasonCode::NameUnreadable,
            ReasonCode::ChipNameUnreadable,
        ),
        (
            record.birth_date,
            EvidenceKind::BirthDate,
            ReasonCode::BirthDateDiffers,
            ReasonCode::BirthDateUnreadable,
            ReasonCode::ChipBirthDateUnreadable,
        ),
        // A sex is told, not typed.
        (record.sex, EvidenceKind::Sex, ReasonCode::SexDiffers, ReasonCode::SexMissing, ReasonCode::SexMissing),
    ] {
        match state {
            state if state.agrees() => {}
            FieldState::Differs => {
                grounds.insert(differs);
            }
            FieldState::Unreadable => {
                grounds.insert(in_record);
            }
            FieldState::UnreadableOnChip if on_chip.governed_by() == piece.missing() && policy.does_without(piece) => {
                without.insert(piece);
            }
            FieldState::UnreadableOnChip => {
                grounds.insert(on_chip);
            }
            _ => missing(piece, &mut grounds, &mut without),
        }
    }
    match evidence.scheme {
        None | Some(SchemeState::InRecord) => {}
        Some(SchemeState::NotInRecord) => {
            grounds.insert(ReasonCode::SchemeNotInRecord);
        }
        Some(SchemeState::NoneNamed) => missing(EvidenceKind::Scheme, &mut grounds, &mut without),
    }
    let not_live = match is_too_close(evidence, policy.liveness_min) {
        true => ReasonCode::FaceTooClose,
        false => ReasonCode::LivenessLow,
    };
    for (value, least, piece, low) in [
        (evidence.quality, policy.quality_min, EvidenceKind::Quality, ReasonCode::QualityPoor),
        (evidence.liveness, policy.liveness_min, EvidenceKind::Liveness, not_live),
    ] {
        match value {
            None => missing(piece, &mut grounds, &mut without),
            Some(value) if value >= least => {}
            // NaN too.
            Some(_) => {
                grounds.insert(low);
            }
        }
    }
    // One capture without a flaw is enough: the others only add to it.
    if evidence.quality.is_some() && evidence.frames.iter().all(|frame| frame.is_flawed()) {
        grounds.extend((!evidence.frames.is_empty()).then_some(ReasonCode::QualityPoor));
    }
    for copied in evidence.frames.iter().filter_map(|frame| frame.copy_of) {
        grounds.insert(match copied {
            CopyOf::ChipPhoto => ReasonCode::CaptureIsChipPhoto,
            CopyOf::EnrolledPhoto => ReasonCode::CaptureIsEnrolledPhoto,
        });
    }
    match evidence.together {
        Some(Frames::Repeated) => drop(grounds.insert(ReasonCode::FramesRepeated)),
        Some(Frames::Still) => drop(grounds.insert(ReasonCode::FramesStill)),
        None | Some(Frames::Single | Frames::Natural) => {}
    }
    if evidence.record_templates.is_some_and(|record| record.groups > 1) {
        grounds.insert(ReasonCode::RecordDisagrees);
    }
    grounds.extend(evidence.record_restricted.then_some(ReasonCode::RecordRestricted));
    match &evidence.chip_face {
        None => missing(EvidenceKind::ChipFace, &mut grounds, &mut without),
        Some(face) => grounds.extend(judge(face, ReasonCode::ChipFaceUnsure, ReasonCode::ChipFaceDiffers)),
    }
    match &evidence.reference_face {
        // Accepted by itself only where the chip's face stands in for it.
        None if policy.first_sight != FirstSight::Refer && evidence.chip_face.is_some() => {
            without.insert(EvidenceKind::ReferenceFace);
        }
        None => missing(EvidenceKind::ReferenceFace, &mut grounds, &mut without),
        Some(face) => grounds.extend(judge(face, ReasonCode::ReferenceFaceUnsure, ReasonCode::ReferenceFaceDiffers)),
    }
    match &evidence.duplicates {
        None => missing(EvidenceKind::Duplicates, &mut grounds, &mut without),
        Some(found) if found.candidates.is_empty() => {}
        Some(_) => {
            grounds.insert(ReasonCode::DuplicateFace);
        }
    }
    match &evidence.history {
        None => missing(EvidenceKind::History, &mut grounds, &mut without),
        Some(history) => {
            let is_too_often = history.last_day > policy.attempts_per_day_max;
            grounds.extend(is_too_often.then_some(ReasonCode::AttemptsMany));
            let is_seen = history.captures.as_ref().is_some_and(|seen| !seen.is_empty());
            grounds.extend(is_seen.then_some(ReasonCode::CaptureSeenBefore));
        }
    }
    if evidence.chip_face.is_none() && evidence.reference_face.is_none() {
        // Whatever a policy says: a face that was compared with nobody is nobody's.
        without.remove(&EvidenceKind::ReferenceFace);
        grounds.insert(ReasonCode::ReferenceFaceMissing);
    }

    let stands = |ground: ReasonCode| policy.consequence(ground) > Consequence::Accept;
    if whole_chip(&grounds, evidence).is_none()
        && grounds.iter().any(|&ground| stands(ground) && is_unread(ground, policy, evidence))
    {
        grounds.insert(ReasonCode::ChipIncomplete);
    }

    let cause = |ground| cause(ground, &grounds, policy, evidence);
    let weigh =
        |&ground: &ReasonCode| AppliedRule { ground, consequence: policy.consequence(ground), follows: cause(ground) };
    let mut weighed: Vec<AppliedRule> = grounds.iter().map(weigh).collect();
    let gravest = weighed.iter().map(|one| one.consequence).max().unwrap_or(Consequence::Accept);
    // A cause before what follows from it, also where that weighs more.
    let following = weighed.clone();
    let weight = |one: &AppliedRule| {
        let following = following.iter().filter(|other| other.follows == Some(one.ground));
        following.map(|other| other.consequence).fold(one.consequence, Consequence::max)
    };
    weighed.sort_by_key(|one| (std::cmp::Reverse(weight(one)), one.follows.is_some(), one.ground));
    let outcome = match gravest {
        Consequence::Accept => Outcome::Approve,
        Consequence::Refer => Outcome::Refer,
        Consequence::Deny => Outcome::Deny,
    };
    // What follows from a cause is mended with it.
    let mut causes = weighed.iter().filter(|one| one.consequence > Consequence::Accept && one.follows.is_none());
    let retake = outcome != Outcome::Approve
        && attempt < policy.attempts_max
        && causes.all(|one| another_try_may_help(one.ground, evidence));
    Decided { outcome, grounds: weighed, without: without.into_iter().collect(), retake }
}

fn judge(face: &Comparison, unsure: ReasonCode, differs: ReasonCode) -> Option<ReasonCode> {
    if face.score >= face.threshold.score {
        None
    } else if face.score >= face.refer_threshold.score {
        Some(unsure)
    } else {
        // A score that is no number, too.
        Some(differs)
    }
}

/// The ground that stands for the whole chip's not being there to compare with.
fn whole_chip(grounds: &BTreeSet<ReasonCode>, evidence: &Evidence) -> Option<ReasonCode> {
    // A chip whose signature holds keeps its data, whoever signed it.
    let signed = evidence.chip.as_ref().is_some_and(ChipEvidence::is_signed);
    let untrusted = [ReasonCode::ChipUntrusted, ReasonCode::ChipNotOriginal, ReasonCode::ChipCountryDiffers];
    let untrusted = untrusted.into_iter().filter(|_| !signed);
    let mut causes = [ReasonCode::ChipAltered]
        .into_iter()
        .chain(untrusted)
        .chain([ReasonCode::ChipUnreadable, ReasonCode::ChipMissing]);
    causes.find(|cause| grounds.contains(cause))
}

/// Whether `ground` is there because signed files of the chip did not come.
fn is_unread(ground: ReasonCode, policy: &Policy, evidence: &Evidence) -> bool {
    let (record, chip) = (&evidence.record, evidence.chip.as_ref());
    let unread = |group: u8| chip.is_some_and(|chip| chip.groups_unread.contains(&group));
    // A field is in the zone, or with its marks in DG13.
    let field_unread = |state: FieldState| state == FieldState::NotOnChip && (unread(1) || unread(13));
    match ground {
        ReasonCode::NumberMissing => field_unread(record.number),
        ReasonCode::NameMissing => field_unread(record.name),
        ReasonCode::BirthDateMissing => field_unread(record.birth_date),
        ReasonCode::SexMissing => field_unread(record.sex),
        // The other part may have one that can be read.
        ReasonCode::ChipBirthDateUnreadable => unread(1) || unread(13),
        ReasonCode::ChipFaceMissing => unread(2),
        ReasonCode::ReferenceFaceMissing => unread(2) && would_stand_in(policy, evidence),
        ReasonCode::ChipNotProven => unread(15) && was_asked_in_vain(evidence),
        _ => false,
    }
}

/// Whether at first sight the chip's photo would have stood in for a reference.
fn would_stand_in(policy: &Policy, evidence: &Evidence) -> bool {
    policy.first_sight != FirstSight::Refer && evidence.chip_face.is_none()
}

/// Whether an answer of the chip came that could not be checked.
fn was_asked_in_vain(evidence: &Evidence) -> bool {
    evidence.chip.as_ref().is_some_and(|chip| chip.active_authentication == chip::ActiveAuthentication::Unproven)
}

/// The ground that `ground` is a mere consequence of: what could not be compared because
/// the chip as a whole was not to be had, or because it was not all read.
fn cause(
    ground: ReasonCode,
    grounds: &BTreeSet<ReasonCode>,
    policy: &Policy,
    evidence: &Evidence,
) -> Option<ReasonCode> {
    let (record, chip) = (&evidence.record, evidence.chip.as_ref());
    let whole = || whole_chip(grounds, evidence);
    let photo_unusable = evidence.chip_photo_unusable.is_some();
    // The record's own silence is a cause by itself.
    let of_whole = match ground {
        ReasonCode::NumberMissing if record.number != FieldState::NotInRecord => whole(),
        ReasonCode::NameMissing if record.name != FieldState::NotInRecord => whole(),
        ReasonCode::BirthDateMissing if record.birth_date != FieldState::NotInRecord => whole(),
        ReasonCode::SexMissing if record.sex != FieldState::NotInRecord => whole(),
        // A photo that was there and shows nobody is a cause, whatever else is wrong.
        ReasonCode::ChipFaceMissing if !photo_unusable => whole(),
        ReasonCode::ReferenceFaceMissing if would_stand_in(policy, evidence) && !photo_unusable => whole(),
        // Where the chip was not asked, no other reading of it shows more.
        ReasonCode::ChipNotProven if was_asked_in_vain(evidence) => whole(),
        ReasonCode::ChipNotProven => chip
            .filter(|chip| chip.active_authentication == chip::ActiveAuthentication::Failed)
            .map(|_| ReasonCode::ChipNotOriginal),
        _ => None,
    };
    let unread = || is_unread(ground, policy, evidence).then_some(ReasonCode::ChipIncomplete);
    // Where the chip was read and its photo alone shows nobody, that is the cause.
    let no_photo = || {
        (ground == ReasonCode::ReferenceFaceMissing && would_stand_in(policy, evidence))
            .then_some(ReasonCode::ChipFaceMissing)
    };
    // Where an answer came and could have been checked, the challenge is what is wrong with it.
    let no_challenge = || (ground == ReasonCode::ChipNotProven).then_some(ReasonCode::ChallengeNotIssued);
    let known = |cause: &ReasonCode| grounds.contains(cause);
    let of_part = || unread().filter(known).or_else(|| no_photo().filter(known));
    of_whole.filter(known).or_else(of_part).or_else(|| no_challenge().filter(known))
}

/// Whether new captures, or another reading of the chip, may take the ground away.
fn another_try_may_help(ground: ReasonCode, evidence: &Evidence) -> bool {
    match ground {
        ReasonCode::QualityPoor | ReasonCode::LivenessLow | ReasonCode::FaceTooClose => true,
        ReasonCode::ChipFaceUnsure | ReasonCode::ReferenceFaceUnsure => true,
        ReasonCode::FramesRepeated
        | ReasonCode::FramesStill
        | ReasonCode::CaptureIsChipPhoto
        | ReasonCode::CaptureIsEnrolledPhoto
        | ReasonCode::CaptureSeenBefore => true,
        ReasonCode::ChipMissing | ReasonCode::ChipIncomplete | ReasonCode::ChallengeNotIssued => true,
        ReasonCode::ChipUnreadable => evidence.chip.as_ref().is_some_and(ChipEvidence::may_be_misread),
        // Its signature holds: another reading gives the same photo and the same fields.
        _ => false,
    }
}

/// Whether no capture but those too close to tell looks like a picture of a person.
fn is_too_close(evidence: &Evidence, least: f32) -> bool {
    let close = |frame: &FrameEvidence| frame.flaws.contains(&Flaw::Close);
    let live = |frame: &FrameEvidence| frame.liveness.is_some_and(|value| value >= least);
    evidence.frames.iter().any(close) && evidence.frames.iter().all(|frame| close(frame) || live(frame))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::challenge::ChallengeState;
    use super::super::evidence::{Duplicate, Duplicates, History, RecordEvidence, RecordTemplates};
    use super::super::policy::PolicyFile;
    use super::*;
    use crate::gallery::SubjectId;
    use crate::matching::{Fmr, Reference, Threshold};

    /// The first attempt.
    fn decide(policy: &Policy, evidence: &Evidence) -> Decided {
        super::decide(policy, evidence, 1)
    }

    fn comparison(score: f32) -> Comparison {
        let threshold = |score| Threshold { score, extrapolated: false };
        Comparison {
            score,
            fmr: Fmr { rate: 1e-6, extrapolated: false },
            threshold: threshold(0.5),
            refer_threshold: threshold(0.3),
            widened: false,
            templates: 1,
            against: Reference::Any,
            curve: None,
            recipe: None,
        }
    }

    fn good() -> Evidence {
        let agrees = FieldState::Agrees;
        Evidence {
            history: Some(History { last_day: 1, days: 30, ..History::default() }),
            chip: Some(ChipEvidence {
                verdict: chip::Verdict::Authentic,
                reasons: Vec::new(),
                active_authentication: chip::ActiveAuthentication::Proven,
                challenge: Some(ChallengeState::Issued),
                photo_years: Some(3),
                groups_unread: Vec::new(),
            }),
            record: RecordEvidence { number: agrees, name: agrees, birth_date: agrees, sex: agrees },
            scheme: Some(SchemeState::InRecord),
            frames: Vec::new(),
            quality: Some(80.0),
            liveness: Some(0.9),
            chip_face: Some(comparison(0.7)),
            chip_photo_unusable: None,
            reference_face: Some(comparison(0.7)),
            duplicates: Some(Duplicates {
                candidates: Vec::new(),
                truncated: false,
                cleared: 0,
                threshold: Threshold { score: 0.6, extrapolated: false },
                templates: 10,
                expected_chance_hits: 1e-3,
                expected_extrapolated: false,
                expected_miss: None,
            }),
            together: Some(Frames::Natural),
            distinct_frames: 2,
            record_templates: Some(record(1)),
            record_restricted: false,
            curve: None,
        }
    }

    fn record(groups: u32) -> RecordTemplates {
        RecordTemplates { templates: 2, groups, vouched: 0, threshold: Threshold { score: 0.4, extrapolated: false } }
    }

    fn frame(flaws: &[Flaw]) -> FrameEvidence {
        FrameEvidence {
            eye_distance: 60.0,
            second_face: false,
            norm: 9.0,
            quality: Some(60.0),
            liveness: Some(0.9),
            flaws: flaws.to_vec(),
            picture: None,
            copy_of: None,
        }
    }

    #[test]
    fn one_capture_without_a_flaw_is_enough() {
        let evidence = Evidence { frames: vec![frame(&[Flaw::Blurred, Flaw::Turned]), frame(&[])], ..good() };
        assert_eq!(decide(&Policy::default(), &evidence).outcome, Outcome::Approve);
    }

    #[test]
    fn the_advice_to_move_back_neither_refers_nor_approves() {
        let close = |liveness| Evidence {
            frames: vec![FrameEvidence { liveness: Some(liveness), ..frame(&[Flaw::Close]) }],
            liveness: Some(liveness),
            ..good()
        };
        let (low, high) = (decide(&Policy::default(), &close(0.2)), decide(&Policy::default(), &close(0.6)));
        assert_eq!(high.outcome, Outcome::Approve);
        let grounds: Vec<ReasonCode> = low.grounds.iter().map(|one| one.ground).collect();
        assert!(low.outcome == Outcome::Refer && low.retake);
        // Nothing is said of a picture or a screen where it cannot be told.
        assert_eq!(grounds, [ReasonCode::FaceTooClose]);
        let low = |frames| decide(&Policy::default(), &Evidence { frames, liveness: Some(0.2), ..good() });
        let seen = |liveness, flaws: &[Flaw]| FrameEvidence { liveness: Some(liveness), ..frame(flaws) };
        assert_eq!(codes(&low(vec![seen(0.1, &[Flaw::Close]), seen(0.9, &[])])), ["FACE_TOO_CLOSE"]);
        assert_eq!(codes(&low(vec![seen(0.1, &[Flaw::Close]), seen(0.1, &[])])), ["LIVENESS_LOW"]);
    }

    fn with_chip(change: impl FnOnce(&mut ChipEvidence)) -> Evidence {
        let mut evidence = good();
        change(evidence.chip.as_mut().unwrap());
        evidence
    }

    /// Takes one piece away.
    fn lacking(mut evidence: Evidence, piece: EvidenceKind) -> Evidence {
        match piece {
            EvidenceKind::Chip => {
                evidence.chip = None;
                evidence.chip_face = None;
                evidence.record = RecordEvidence::default();
            }
            EvidenceKind::Number => evidence.record.number = FieldState::NotOnChip,
            EvidenceKind::Name => evidence.record.name = FieldState::NotInRecord,
            EvidenceKind::BirthDate => evidence.record.birth_date = FieldState::NotOnChip,
            EvidenceKind::Sex => evidence.record.sex = FieldState::NotOnChip,
            EvidenceKind::Scheme => evidence.scheme = Some(SchemeState::NoneNamed),
            EvidenceKind::Quality => evidence.quality = None,
            EvidenceKind::Liveness => evidence.liveness = None,
            EvidenceKind::ChipFace => evidence.chip_face = None,
            EvidenceKind::ReferenceFace => evidence.reference_face = None,
            EvidenceKind::Duplicates => evidence.duplicates = None,
            EvidenceKind::History => evidence.history = None,
        }
        evidence
    }

    fn policy(text: &str) -> Policy {
        Policy::new(&toml::from_str::<PolicyFile>(text).unwrap()).unwrap()
    }

    fn codes(decided: &Decided) -> Vec<&'static str> {
        decided.grounds.iter().map(|one| one.ground.code()).collect()
    }

    #[test]
    fn all_good_evidence_approves_and_names_nothing() {
        let decided = decide(&Policy::default(), &good());
        assert_eq!(decided, Decided { outcome: Outcome::Approve, grounds: vec![], without: vec![], retake: false });
    }

    #[test]
    fn more_attempts_in_a_day_than_the_policy_allows_refer() {
        let tried = |last_day| Evidence { history: Some(History { last_day, ..History::default() }), ..good() };
        for (text, most) in [("", 6), ("attempts_per_day_max = 2", 2)] {
            let policy = policy(text);
            assert_eq!(decide(&policy, &tried(most)).outcome, Outcome::Approve, "{text}");
            let decided = decide(&policy, &tried(most + 1));
            assert_eq!((decided.outcome, codes(&decided)), (Outcome::Refer, vec!["ATTEMPTS_MANY"]), "{text}");
            assert!(!decided.retake, "another attempt makes it no better");
        }
        let accepting = policy("on.attempts_many = \"accept\"");
        assert_eq!(decide(&accepting, &tried(99)).outcome, Outcome::Approve);
        for bad in ["attempts_per_day_max = 0", "attempts_per_day_max = 101"] {
            assert!(Policy::new(&toml::from_str::<PolicyFile>(bad).unwrap()).is_err());
        }
    }

    #[test]
    fn each_missing_piece_refers_and_a_policy_without_it_approves_and_names_it() {
        for piece in EvidenceKind::ALL {
            let evidence = lacking(good(), piece);
            let decided = decide(&Policy::default(), &evidence);
            assert_eq!(decided.outcome, Outcome::Refer, "{piece:?}");
            assert!(codes(&decided).contains(&piece.missing().code()), "{piece:?}");
            let decided = decide(&policy(&format!("without = [\"{}\"]", piece.name())), &evidence);
            assert_eq!(decided.outcome, Outcome::Approve, "{piece:?} {:?}", codes(&decided));
            assert!(decided.without.contains(&piece), "{piece:?}");
        }
    }

    #[test]
    fn each_ground_leads_where_the_policy_says() {
        let chip = |verdict, reasons: &[chip::Reason]| {
            with_chip(|chip| (chip.verdict, chip.reasons) = (verdict, reasons.to_vec()))
        };
        let differs = |change: fn(&mut RecordEvidence)| {
            let mut evidence = good();
            change(&mut evidence.record);
            evidence
        };
        let face = |score| Evidence { chip_face: Some(comparison(score)), ..good() };
        let reference = |score| Evidence { reference_face: Some(comparison(score)), ..good() };
        let copied =
            |of| Evidence { frames: vec![frame(&[]), FrameEvidence { copy_of: Some(of), ..frame(&[]) }], ..good() };
        let mut twice = good();
        let candidate = Duplicate {
            subject: SubjectId::new("other").unwrap(),
            score: 0.8,
            fmr: Fmr { rate: 1e-9, extrapolated: true },
            recipe: None,
        };
        twice.duplicates.as_mut().unwrap().candidates.push(candidate);
        use chip::{Reason, Verdict};
        const ON_CHIP: FieldState = FieldState::UnreadableOnChip;
        let cases = [
            (chip(Verdict::Altered, &[Reason::GroupAltered]), "CHIP_ALTERED", Outcome::Deny),
            (chip(Verdict::Untrusted, &[Reason::SignerRevoked]), "CHIP_UNTRUSTED", Outcome::Deny),
            // Sound in its signer, and not what it should be.
            (chip(Verdict::Untrusted, &[Reason::ActiveAuthenticationFailed]), "CHIP_NOT_ORIGINAL", Outcome::Deny),
            (chip(Verdict::Untrusted, &[Reason::CountryMismatch]), "CHIP_COUNTRY_DIFFERS", Outcome::Deny),
            // Whatever else a verdict comes from.
            (chip(Verdict::Untrusted, &[]), "CHIP_UNTRUSTED", Outcome::Deny),
            (chip(Verdict::Untrusted, &[Reason::CardExpired]), "CHIP_LAPSED", Outcome::Refer),
            (chip(Verdict::Untrusted, &[Reason::CardNotYetValid]), "CHIP_NOT_YET_VALID", Outcome::Refer),
            (chip(Verdict::Untrusted, &[Reason::SignerNotYetValid]), "CHIP_SIGNER_NOT_YET_VALID", Outcome::Refer),
            (chip(Verdict::Unreadable, &[Reason::SodMissing]), "CHIP_UNREADABLE", Outcome::Refer),
            (chip(Verdict::Unanchored, &[Reason::NoAnchors]), "CHIP_UNANCHORED", Outcome::Refer),
            (chip(Verdict::Authentic, &[Reason::WeakHash]), "CHIP_WEAK", Outcome::Refer),
            (chip(Verdict::Authentic, &[Reason::NumbersDisagree]), "CHIP_NUMBERS_DISAGREE", Outcome::Refer),
            (differs(|record| record.number = FieldState::Differs), "NUMBER_DIFFERS", Outcome::Deny),
            (differs(|record| record.number = FieldState::Unreadable), "NUMBER_UNREADABLE", Outcome::Refer),
            (differs(|record| record.name = FieldState::Unreadable), "NAME_UNREADABLE", Outcome::Refer),
            (differs(|record| record.birth_date = FieldState::Unreadable), "BIRTH_DATE_UNREADABLE", Outcome::Refer),
            (differs(|record| record.number = ON_CHIP), "CHIP_NUMBER_UNREADABLE", Outcome::Refer),
            (differs(|record| record.name = ON_CHIP), "CHIP_NAME_UNREADABLE", Outcome::Refer),
            (differs(|record| record.birth_date = ON_CHIP), "CHIP_BIRTH_DATE_UNREADABLE", Outcome::Refer),
            (differs(|record| record.name = FieldState::Differs), "NAME_DIFFERS", Outcome::Refer),
            (differs(|record| record.birth_date = FieldState::Differs), "BIRTH_DATE_DIFFERS", Outcome::Refer),
            (differs(|record| record.sex = FieldState::Differs), "SEX_DIFFERS", Outcome::Refer),
            // Enrolled for social insurance alone, and claims health.
            (Evidence { scheme: Some(SchemeState::NotInRecord), ..good() }, "SCHEME_NOT_IN_RECORD", Outcome::Refer),
            (Evidence { scheme: Some(SchemeState::NoneNamed), ..good() }, "SCHEME_MISSING", Outcome::Refer),
            (Evidence { quality: Some(1.0), ..good() }, "QUALITY_POOR", Outcome::Refer),
            (Evidence { quality: Some(f32::NAN), ..good() }, "QUALITY_POOR", Outcome::Refer),
            (Evidence { frames: vec![frame(&[Flaw::Blurred])], ..good() }, "QUALITY_POOR", Outcome::Refer),
            (Evidence { liveness: Some(0.1), ..good() }, "LIVENESS_LOW", Outcome::Refer),
            (face(0.4), "CHIP_FACE_UNSURE", Outcome::Refer),
            (face(0.1), "CHIP_FACE_DIFFERS", Outcome::Deny),
            (face(f32::NAN), "CHIP_FACE_DIFFERS", Outcome::Deny),
            (reference(0.4), "REFERENCE_FACE_UNSURE", Outcome::Refer),
            (reference(0.1), "REFERENCE_FACE_DIFFERS", Outcome::Refer),
            (twice, "DUPLICATE_FACE", Outcome::Refer),
            // The same picture five times is one frame, and not what a camera takes.
            (Evidence { together: Some(Frames::Repeated), ..good() }, "FRAMES_REPEATED", Outcome::Refer),
            (Evidence { together: Some(Frames::Still), ..good() }, "FRAMES_STILL", Outcome::Refer),
            // A capture that is the chip's own photo scores 1.0, and is of nobody present.
            (copied(CopyOf::ChipPhoto), "CAPTURE_IS_CHIP_PHOTO", Outcome::Refer),
            (copied(CopyOf::EnrolledPhoto), "CAPTURE_IS_ENROLLED_PHOTO", Outcome::Refer),
            // Two people are enrolled in it, and each would match.
            (Evidence { record_templates: Some(record(2)), ..good() }, "RECORD_DISAGREES", Outcome::Refer),
            // Nobody is approved, and nobody is denied, because their record is restricted.
            (Evidence { record_restricted: true, ..good() }, "RECORD_RESTRICTED", Outcome::Refer),
        ];
        for (evidence, code, outcome) in cases {
            let decided = decide(&Policy::default(), &evidence);
            assert_eq!((codes(&decided), decided.outcome), (vec![code], outcome));
        }
    }

    #[test]
    fn repeated_frames_are_taken_again_or_accepted_by_a_policy_and_a_record_of_two_people_is_neither() {
        let repeated = Evidence { together: Some(Frames::Repeated), ..good() };
        assert!(decide(&Policy::default(), &repeated).retake);
        let accepting = policy("[on]\nframes_repeated = \"accept\"\nframes_still = \"accept\"");
        let decided = decide(&accepting, &repeated);
        assert_eq!((decided.outcome, codes(&decided)), (Outcome::Approve, vec!["FRAMES_REPEATED"]));
        // Also where nobody asks for liveness.
        assert_eq!(decide(&policy("without = [\"liveness\"]"), &repeated).outcome, Outcome::Refer);
        let record = Evidence { record_templates: Some(record(2)), ..good() };
        assert!(!decide(&Policy::default(), &record).retake);
        let lenient: PolicyFile = toml::from_str("[on]\nrecord_disagrees = \"accept\"").unwrap();
        assert!(Policy::new(&lenient).is_err(), "whoever of the two comes would be approved");
    }

    #[test]
    fn an_unanchored_card_that_has_lapsed_says_both() {
        let evidence = with_chip(|chip| {
            chip.verdict = chip::Verdict::Unanchored;
            chip.reasons = vec![chip::Reason::NoAnchors, chip::Reason::CardExpired];
        });
        let accepting = policy("[on]\nchip_unanchored = \"accept\"");
        let decided = decide(&accepting, &evidence);
        assert_eq!((decided.outcome, codes(&decided)), (Outcome::Refer, vec!["CHIP_LAPSED", "CHIP_UNANCHORED"]));
    }

    #[test]
    fn what_a_policy_accepts_is_named_in_the_approval() {
        let evidence = with_chip(|chip| {
            chip.verdict = chip::Verdict::Unanchored;
            chip.active_authentication = chip::ActiveAuthentication::Absent;
        });
        let decided = decide(&policy("[on]\nchip_unanchored = \"accept\""), &evidence);
        assert_eq!(decided.outcome, Outcome::Approve);
        assert_eq!(codes(&decided), ["CHIP_UNANCHORED", "CHIP_NOT_PROVEN"]);
    }

    #[test]
    fn a_chip_that_is_there_counts_even_where_the_policy_does_without_one() {
        let evidence = with_chip(|chip| chip.verdict = chip::Verdict::Altered);
        assert_eq!(decide(&policy("without = [\"chip\"]"), &evidence).outcome, Outcome::Deny);
        let decided = decide(&policy("without = [\"chip\"]"), &lacking(good(), EvidenceKind::Chip));
        assert_eq!(decided.outcome, Outcome::Approve);
        let all = [
            EvidenceKind::Chip,
            EvidenceKind::Number,
            EvidenceKind::Name,
            EvidenceKind::BirthDate,
            EvidenceKind::Sex,
            EvidenceKind::ChipFace,
        ];
        assert_eq!(decided.without, all);
    }

    #[test]
    fn a_first_sight_is_approved_by_the_chip_alone_and_never_by_nothing() {
        let first = lacking(good(), EvidenceKind::ReferenceFace);
        for text in ["first_sight = \"accept\"", "first_sight = \"enrol\""] {
            let decided = decide(&policy(text), &first);
            assert_eq!((decided.outcome, decided.without), (Outcome::Approve, vec![EvidenceKind::ReferenceFace]));
            let text = format!("without = [\"chip\"]\n{text}");
            let nobody = lacking(first.clone(), EvidenceKind::Chip);
            assert_eq!(decide(&policy(&text), &nobody).outcome, Outcome::Refer);
        }
    }

    /// A chip that was not read as a whole: nothing of it is signed.
    fn unreadable(reason: chip::Reason) -> Evidence {
        let state = FieldState::NotOnChip;
        let mut evidence = with_chip(|chip| {
            (chip.verdict, chip.reasons) = (chip::Verdict::Unreadable, vec![reason]);
            chip.active_authentication = chip::ActiveAuthentication::Absent;
        });
        evidence.record = RecordEvidence { number: state, name: state, birth_date: state, sex: state };
        evidence.chip_face = None;
        evidence
    }

    #[test]
    fn a_chip_read_badly_comes_first_and_is_read_again() {
        // It was sixth of seven, and no retake was ever offered for it.
        let decided = decide(&Policy::default(), &unreadable(chip::Reason::SodUnreadable));
        assert_eq!(decided.outcome, Outcome::Refer);
        assert!(decided.retake, "{decided:?}");
        let against: Vec<_> = decided.grounds.iter().filter(|one| one.consequence == Consequence::Refer).collect();
        assert_eq!((against[0].ground, against[0].follows), (ReasonCode::ChipUnreadable, None));
        assert_eq!(against.len(), 6);
        assert!(against[1..].iter().all(|one| one.follows == Some(ReasonCode::ChipUnreadable)), "{against:?}");
        for text in ["first_sight = \"enrol\"", "on.chip_not_proven = \"refer\"", "on.chip_unreadable = \"deny\""] {
            let mut evidence = unreadable(chip::Reason::FileDamaged);
            evidence.chip.as_mut().unwrap().active_authentication = chip::ActiveAuthentication::Unproven;
            evidence.reference_face = evidence.reference_face.filter(|_| !text.contains("first_sight"));
            assert!(decide(&policy(text), &evidence).retake, "{text}");
        }
        // Another reading does not change what the card is, or what the record lacks.
        assert!(!decide(&Policy::default(), &unreadable(chip::Reason::SignatureUnsupported)).retake);
        let mut silent = unreadable(chip::Reason::SodUnreadable);
        silent.record.number = FieldState::NotInRecord;
        let decided = decide(&Policy::default(), &silent);
        assert!(
            !decided.retake
                && decided.grounds.iter().any(|one| one.ground == ReasonCode::NumberMissing && one.follows.is_none())
        );
        // Nobody is enrolled, and the policy wants to see a reference.
        assert!(
            !decide(&Policy::default(), &lacking(unreadable(chip::Reason::SodMissing), EvidenceKind::ReferenceFace))
                .retake
        );
    }

    #[test]
    fn an_answer_to_a_challenge_that_was_not_issued_proves_nothing_whatever_a_policy_says() {
        use chip::ActiveAuthentication::{Failed, Proven, Unproven};
        let answering = |active, challenge: ChallengeState| {
            let mut evidence = good();
            evidence.chip.as_mut().unwrap().active_authentication = active;
            evidence.chip = evidence.chip.map(|chip| chip.answering(challenge));
            evidence
        };
        let result = |evidence: &Evidence| evidence.chip.as_ref().unwrap().active_authentication;
        let issued = answering(Proven, ChallengeState::Issued);
        assert_eq!((result(&issued), decide(&Policy::default(), &issued).grounds), (Proven, vec![]));
        for challenge in [ChallengeState::NotIssued, ChallengeState::Expired, ChallengeState::Used] {
            let evidence = answering(Proven, challenge);
            assert_eq!(result(&evidence), Unproven, "{challenge:?}");
            let decided = decide(&Policy::default(), &evidence);
            assert_eq!(codes(&decided), ["CHALLENGE_NOT_ISSUED", "CHIP_NOT_PROVEN"], "{challenge:?}");
            assert_eq!(decided.grounds[1].follows, Some(ReasonCode::ChallengeNotIssued));
            // The reader asks the server, and the chip, once more.
            assert!(decided.outcome == Outcome::Refer && decided.retake);
            // Accepted, it is as if no answer had come.
            let accepting = "on.challenge_not_issued = \"accept\"";
            let decided = decide(&policy(accepting), &evidence);
            assert_eq!(decided.outcome, Outcome::Approve);
            assert_eq!(codes(&decided), ["CHALLENGE_NOT_ISSUED", "CHIP_NOT_PROVEN"]);
            let strict = policy(&format!("[on]\nchip_not_proven = \"refer\"\n{}", &accepting[3..]));
            assert_eq!(decide(&strict, &evidence).outcome, Outcome::Refer);
            let denying = policy("on.challenge_not_issued = \"deny\"");
            assert_eq!(decide(&denying, &evidence).outcome, Outcome::Deny);
            // A wrong answer is one, whoever asked; and without a key for it nothing is proven either way.
            assert_eq!(result(&answering(Failed, challenge)), Failed);
            assert!(
                !codes(&decide(&Policy::default(), &answering(Failed, challenge))).contains(&"CHALLENGE_NOT_ISSUED")
            );
            let keyless = answering(Unproven, challenge);
            assert!(codes(&decide(&Policy::default(), &keyless)).contains(&"CHALLENGE_NOT_ISSUED"));
        }
        assert_eq!(result(&answering(Failed, ChallengeState::Issued)), Failed);
        let keyless = decide(&Policy::default(), &answering(Unproven, ChallengeState::Issued));
        assert_eq!((keyless.outcome, codes(&keyless)), (Outcome::Approve, vec!["CHIP_NOT_PROVEN"]));
    }

    #[test]
    fn what_was_never_asked_of_the_chip_is_not_mended_by_reading_it_again() {
        use chip::ActiveAuthentication::{Absent, Failed, Unproven};
        let not_proven = |policy: &Policy, mut evidence: Evidence, active| {
            evidence.chip.as_mut().unwrap().active_authentication = active;
            let decided = decide(policy, &evidence);
            let found = decided.grounds.iter().find(|one| one.ground == ReasonCode::ChipNotProven).unwrap();
            (found.follows, decided.retake)
        };
        let altered = || {
            let mut evidence = unreadable(chip::Reason::GroupAltered);
            evidence.chip.as_mut().unwrap().verdict = chip::Verdict::Altered;
            evidence
        };
        let unreadable = || unreadable(chip::Reason::FileDamaged);
        let strict = policy("on.chip_not_proven = \"refer\"");
        assert_eq!(not_proven(&strict, unreadable(), Absent), (None, false));
        assert_eq!(not_proven(&strict, unreadable(), Unproven), (Some(ReasonCode::ChipUnreadable), true));
        assert_eq!(not_proven(&Policy::default(), unreadable(), Absent), (None, true));
        for active in [Absent, Failed] {
            assert_eq!(not_proven(&strict, altered(), active), (None, false));
        }
        assert_eq!(not_proven(&strict, altered(), Unproven), (Some(ReasonCode::ChipAltered), false));
        // It was asked, and the key for its answer was not read; or there is none.
        let unread = with_chip(|chip| chip.groups_unread = vec![15]);
        assert_eq!(not_proven(&strict, unread.clone(), Unproven), (Some(ReasonCode::ChipIncomplete), true));
        assert_eq!(not_proven(&strict, unread.clone(), Absent), (None, false));
        assert_eq!(not_proven(&strict, good(), Unproven), (None, false));
        // Where nobody minds, nothing is missing.
        let mut unread = unread;
        unread.chip.as_mut().unwrap().active_authentication = Unproven;
        assert_eq!(decide(&Policy::default(), &unread).outcome, Outcome::Approve);
        // A cause stands before what follows from it, also where that weighs more.
        let decided = decide(&policy("on.chip_not_proven = \"deny\""), &unread);
        assert_eq!((decided.outcome, codes(&decided)), (Outcome::Deny, vec!["CHIP_INCOMPLETE", "CHIP_NOT_PROVEN"]));
    }

    #[test]
    fn a_chip_that_was_read_in_part_has_one_cause_that_all_else_follows() {
        // EF.SOD alone; without DG1 and DG13; without DG2.
        for (unread, fields, photo) in
            [(vec![1, 2, 13], true, true), (vec![1, 13], true, false), (vec![2], false, true)]
        {
            let mut evidence = with_chip(|chip| chip.groups_unread = unread);
            if fields {
                let state = FieldState::NotOnChip;
                evidence.record = RecordEvidence { number: state, name: state, birth_date: state, sex: state };
            }
            evidence.chip_face = evidence.chip_face.filter(|_| !photo);
            let decided = decide(&Policy::default(), &evidence);
            assert_eq!((decided.outcome, decided.retake), (Outcome::Refer, true));
            assert_eq!((decided.grounds[0].ground, decided.grounds[0].follows), (ReasonCode::ChipIncomplete, None));
            let follow = |one: &AppliedRule| one.follows == Some(ReasonCode::ChipIncomplete);
            assert!(decided.grounds.len() > 1 && decided.grounds[1..].iter().all(follow), "{decided:?}");
            // What the record does not say is not in the files either.
            evidence.record.number = FieldState::NotInRecord;
            let decided = decide(&Policy::default(), &evidence);
            let number = decided.grounds.iter().find(|one| one.ground == ReasonCode::NumberMissing).unwrap();
            assert!(number.follows.is_none() && !decided.retake);
            // And what a policy does without is no loss.
            let lenient = policy("without = [\"number\", \"name\", \"birth_date\", \"sex\", \"chip_face\"]");
            assert_eq!(decide(&lenient, &evidence).outcome, Outcome::Approve);
        }
        // A reference at first sight, too, would have come of the file that was left out.
        let mut evidence = lacking(with_chip(|chip| chip.groups_unread = vec![2]), EvidenceKind::ReferenceFace);
        evidence.chip_face = None;
        let decided = decide(&policy("first_sight = \"accept\""), &evidence);
        assert_eq!(codes(&decided)[..3], ["CHIP_INCOMPLETE", "CHIP_FACE_MISSING", "REFERENCE_FACE_MISSING"]);
        assert!(decided.retake);
    }

    #[test]
    fn a_photo_that_was_not_had_follows_and_one_that_shows_nobody_is_a_cause_that_no_reading_mends() {
        let follows = |evidence: &Evidence| {
            let decided = decide(&Policy::default(), evidence);
            let found = decided.grounds.iter().find(|one| one.ground == ReasonCode::ChipFaceMissing).unwrap();
            (found.follows, decided.retake)
        };
        let no_photo = |change: fn(&mut ChipEvidence)| lacking(with_chip(change), EvidenceKind::ChipFace);
        assert_eq!(follows(&lacking(good(), EvidenceKind::Chip)), (Some(ReasonCode::ChipMissing), true));
        assert_eq!(follows(&no_photo(|chip| chip.groups_unread = vec![2])), (Some(ReasonCode::ChipIncomplete), true));
        let altered = no_photo(|chip| {
            (chip.verdict, chip.reasons) = (chip::Verdict::Altered, vec![chip::Reason::GroupAltered]);
        });
        assert_eq!(follows(&altered), (Some(ReasonCode::ChipAltered), false));
        let unlisted = no_photo(|chip| chip.reasons = vec![chip::Reason::PhotoAbsent, chip::Reason::PhotoNotListed]);
        assert_eq!(follows(&unlisted), (None, false));
        // Its bytes are those that were signed, so they are the same the next time.
        for refusal in ["NO_FACE", "IMAGE_DAMAGED"] {
            for evidence in [no_photo(|_| {}), altered.clone()] {
                let evidence = Evidence { chip_photo_unusable: Some(refusal.into()), ..evidence };
                assert_eq!(follows(&evidence), (None, false));
            }
        }
    }

    #[test]
    fn a_birth_date_that_cannot_be_read_on_the_card_is_governed_as_one_that_is_not_there() {
        let mut evidence = good();
        evidence.record.birth_date = FieldState::UnreadableOnChip;
        let decided = decide(&policy("without = [\"birth_date\"]"), &evidence);
        assert_eq!((decided.outcome, decided.without), (Outcome::Approve, vec![EvidenceKind::BirthDate]));
        let decided = decide(&policy("on.birth_date_unreadable = \"accept\""), &evidence);
        assert_eq!(decided.outcome, Outcome::Refer);
        evidence.record.birth_date = FieldState::Agrees;
        evidence.record.name = FieldState::UnreadableOnChip;
        assert_eq!(decide(&policy("on.name_unreadable = \"accept\""), &evidence).outcome, Outcome::Approve);
    }

    #[test]
    fn a_file_of_the_chip_that_was_left_out_is_read_again() {
        let mut evidence = with_chip(|chip| chip.groups_unread = vec![2]);
        evidence.chip_face = None;
        assert!(decide(&Policy::default(), &evidence).retake);
        let mut evidence = with_chip(|chip| chip.groups_unread = vec![13]);
        evidence.record.sex = FieldState::NotOnChip;
        assert!(decide(&Policy::default(), &evidence).retake);
        // A card that has no photo has none the next time.
        assert!(!decide(&Policy::default(), &lacking(good(), EvidenceKind::ChipFace)).retake);
        assert!(decide(&Policy::default(), &lacking(good(), EvidenceKind::Chip)).retake);
    }

    #[test]
    fn what_follows_from_an_altered_chip_is_marked_and_the_chip_comes_first() {
        let mut evidence = unreadable(chip::Reason::GroupAltered);
        evidence.chip.as_mut().unwrap().verdict = chip::Verdict::Altered;
        let decided = decide(&Policy::default(), &evidence);
        assert_eq!((decided.outcome, decided.grounds[0].ground), (Outcome::Deny, ReasonCode::ChipAltered));
        let rest = decided.grounds.iter().skip(1).filter(|one| one.ground != ReasonCode::ChipNotProven);
        assert!(
            rest.clone().count() > 4 && rest.clone().all(|one| one.follows == Some(ReasonCode::ChipAltered)),
            "{decided:?}"
        );
        assert!(!decided.retake);
    }

    #[test]
    fn no_retake_is_offered_on_the_last_attempt_a_policy_allows() {
        let tries = [
            Evidence { quality: Some(1.0), ..good() },
            lacking(good(), EvidenceKind::Chip),
            unreadable(chip::Reason::SodMissing),
        ];
        for evidence in tries {
            for attempts in 1..=4 {
                let policy = policy(&format!("attempts_max = {attempts}"));
                let offered: Vec<bool> =
                    (1..=attempts).map(|attempt| super::decide(&policy, &evidence, attempt).retake).collect();
                assert!(offered.iter().rev().skip(1).all(|offered| *offered) && !offered[attempts as usize - 1]);
            }
        }
    }

    #[test]
    fn where_two_weigh_the_same_what_is_shown_comes_before_what_is_not() {
        let text = "[on]\nchip_not_proven = \"refer\"\nchip_face_differs = \"refer\"";
        let mut evidence = with_chip(|chip| chip.active_authentication = chip::ActiveAuthentication::Absent);
        evidence.chip_face = Some(comparison(0.1));
        let decided = decide(&policy(text), &evidence);
        assert_eq!(codes(&decided), ["CHIP_FACE_DIFFERS", "CHIP_NOT_PROVEN"]);
        // The same with what every card comes to until its country's certificate is installed.
        let mut evidence = with_chip(|chip| chip.verdict = chip::Verdict::Unanchored);
        evidence.reference_face = Some(comparison(0.1));
        assert_eq!(codes(&decide(&Policy::default(), &evidence)), ["REFERENCE_FACE_DIFFERS", "CHIP_UNANCHORED"]);
        evidence.reference_face = good().reference_face;
        evidence.liveness = Some(0.1);
        assert_eq!(codes(&decide(&Policy::default(), &evidence)), ["LIVENESS_LOW", "CHIP_UNANCHORED"]);
        // An expired card in a stranger's hand.
        let mut evidence = with_chip(|chip| {
            (chip.verdict, chip.reasons) = (chip::Verdict::Untrusted, vec![chip::Reason::CardExpired]);
        });
        evidence.chip_face = Some(comparison(0.1));
        let decided = decide(&policy("on.chip_face_differs = \"refer\""), &evidence);
        assert_eq!(codes(&decided), ["CHIP_FACE_DIFFERS", "CHIP_LAPSED"]);
    }

    #[test]
    fn a_revoked_signer_of_a_copied_chip_is_named_and_so_is_the_copy() {
        let evidence = with_chip(|chip| {
            chip.verdict = chip::Verdict::Untrusted;
            chip.reasons = vec![chip::Reason::ActiveAuthenticationFailed, chip::Reason::SignerRevoked];
            chip.active_authentication = chip::ActiveAuthentication::Failed;
        });
        let decided = decide(&Policy::default(), &evidence);
        assert_eq!(codes(&decided), ["CHIP_UNTRUSTED", "CHIP_NOT_ORIGINAL", "CHIP_NOT_PROVEN"]);
        // It was tried, and that is what came of it.
        assert_eq!(decided.grounds[2].follows, Some(ReasonCode::ChipNotOriginal));
        // What governed them before they had codes of their own governs them.
        let decided = decide(&policy("on.chip_untrusted = \"refer\""), &evidence);
        assert!(decided.outcome == Outcome::Refer && !decided.retake);
    }

    #[test]
    fn a_retake_is_offered_where_it_may_help() {
        assert!(decide(&Policy::default(), &Evidence { quality: Some(1.0), ..good() }).retake);
        let evidence = Evidence { quality: Some(1.0), chip_face: Some(comparison(0.1)), ..good() };
        assert!(!decide(&Policy::default(), &evidence).retake);
        assert!(!decide(&Policy::default(), &good()).retake);
    }

    proptest! {
        #[test]
        fn missing_evidence_never_approves_unless_the_policy_does_without_it(
            gone in prop::collection::btree_set(0usize..11, 0..11),
            spared in prop::collection::btree_set(0usize..11, 0..11),
        ) {
            let pieces = |set: &BTreeSet<usize>| set.iter().map(|&i| EvidenceKind::ALL[i]).collect::<BTreeSet<_>>();
            let (gone, without) = (pieces(&gone), pieces(&spared));
            let evidence = gone.iter().fold(good(), |evidence, &piece| lacking(evidence, piece));
            let file = PolicyFile { without: without.iter().copied().collect(), ..PolicyFile::default() };
            let Ok(policy) = Policy::new(&file) else { return Ok(()) };
            let decided = decide(&policy, &evidence);
            let excused = |piece: &EvidenceKind| {
                without.contains(piece) || (gone.contains(&EvidenceKind::Chip) && without.contains(&EvidenceKind::Chip) && piece.is_of_chip())
            };
            if decided.outcome == Outcome::Approve {
                prop_assert!(gone.iter().all(excused));
                prop_assert!(evidence.chip_face.is_some() || evidence.reference_face.is_some());
                prop_assert!(gone.iter().all(|piece| decided.without.contains(piece)));
            } else {
                prop_assert!(!gone.is_empty());
            }
        }
    }
}
