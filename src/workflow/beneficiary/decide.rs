//! Evidence and a policy to one decision. Pure: no clock, no store, no network.

use std::collections::BTreeSet;

use super::evidence::{ChipEvidence, Comparison, CopyOf, Evidence, FieldState, SchemeState};
use super::grounds::{Ground, Piece};
use super::policy::{Consequence, FirstSight, Policy};
use crate::chip;
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
    pub grounds: Vec<Weighed>,
    /// Evidence that is not there and that the policy does without.
    pub without: Vec<Piece>,
    /// Whether new captures, or another reading of the chip, may decide better.
    pub retake: bool,
}

/// A ground and what the policy makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weighed {
    /// What.
    pub ground: Ground,
    /// What it leads to.
    pub consequence: Consequence,
    /// The reason it is no more than a consequence of, where it is one: mended with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Ground>,
}

/// Decides. Approves only where every piece of evidence the policy does not do
/// without is there and good, and the face was compared with somebody.
pub fn decide(policy: &Policy, evidence: &Evidence) -> Decided {
    let mut grounds = BTreeSet::new();
    let mut without = BTreeSet::new();
    let no_chip_wanted = evidence.chip.is_none() && policy.does_without(Piece::Chip);
    let missing = |piece: Piece, grounds: &mut BTreeSet<Ground>, without: &mut BTreeSet<Piece>| {
        // Without a chip there is nothing of it to compare either.
        if policy.does_without(piece) || (no_chip_wanted && piece.is_of_chip()) {
            without.insert(piece);
        } else {
            grounds.insert(piece.missing());
        }
    };

    match &evidence.chip {
        None => missing(Piece::Chip, &mut grounds, &mut without),
        Some(chip) => {
            grounds.extend(match chip.verdict {
                chip::Verdict::Authentic => None,
                chip::Verdict::Unanchored => Some(Ground::ChipUnanchored),
                chip::Verdict::Unreadable => Some(Ground::ChipUnreadable),
                chip::Verdict::Altered => Some(Ground::ChipAltered),
                // Untrusted for its age alone, or for its signer.
                chip::Verdict::Untrusted => {
                    let gravest = chip.reasons.iter().map(|reason| reason.effect()).max();
                    (gravest != Some(chip::words::Effect::Lapsed)).then_some(Ground::ChipUntrusted)
                }
            });
            if chip.has_lapsed() {
                grounds.insert(Ground::ChipLapsed);
            }
            if chip.found(chip::Reason::WeakHash) || chip.found(chip::Reason::WeakKey) {
                grounds.insert(Ground::ChipWeak);
            }
            if chip.found(chip::Reason::NumbersDisagree) {
                grounds.insert(Ground::ChipNumbersDisagree);
            }
            if chip.active_authentication != chip::ActiveAuthentication::Proven {
                grounds.insert(Ground::ChipNotProven);
            }
        }
    }
    for (state, piece, differs, unreadable) in [
        (evidence.record.number, Piece::Number, Ground::NumberDiffers, Ground::NumberUnreadable),
        (evidence.record.name, Piece::Name, Ground::NameDiffers, Ground::NameUnreadable),
        (evidence.record.birth_date, Piece::BirthDate, Ground::BirthDateDiffers, Ground::BirthDateUnreadable),
        // A sex is told, not typed.
        (evidence.record.sex, Piece::Sex, Ground::SexDiffers, Ground::SexMissing),
    ] {
        match state {
            state if state.agrees() => {}
            FieldState::Differs => {
                grounds.insert(differs);
            }
            FieldState::Unreadable => {
                grounds.insert(unreadable);
            }
            _ => missing(piece, &mut grounds, &mut without),
        }
    }
    match evidence.scheme {
        None | Some(SchemeState::InRecord) => {}
        Some(SchemeState::NotInRecord) => {
            grounds.insert(Ground::SchemeNotInRecord);
        }
        Some(SchemeState::NoneNamed) => missing(Piece::Scheme, &mut grounds, &mut without),
    }
    for (value, least, piece, low) in [
        (evidence.quality, policy.quality_min, Piece::Quality, Ground::QualityPoor),
        (evidence.liveness, policy.liveness_min, Piece::Liveness, Ground::LivenessLow),
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
        grounds.extend((!evidence.frames.is_empty()).then_some(Ground::QualityPoor));
    }
    for copied in evidence.frames.iter().filter_map(|frame| frame.copy_of) {
        grounds.insert(match copied {
            CopyOf::ChipPhoto => Ground::CaptureIsChipPhoto,
            CopyOf::EnrolledPhoto => Ground::CaptureIsEnrolledPhoto,
        });
    }
    match evidence.together {
        Some(Frames::Repeated) => drop(grounds.insert(Ground::FramesRepeated)),
        Some(Frames::Still) => drop(grounds.insert(Ground::FramesStill)),
        None | Some(Frames::Single | Frames::Natural) => {}
    }
    if evidence.record_templates.is_some_and(|record| record.groups > 1) {
        grounds.insert(Ground::RecordDisagrees);
    }
    match &evidence.chip_face {
        None => missing(Piece::ChipFace, &mut grounds, &mut without),
        Some(face) => grounds.extend(judge(face, Ground::ChipFaceUnsure, Ground::ChipFaceDiffers)),
    }
    match &evidence.reference_face {
        // Accepted by itself only where the chip's face stands in for it.
        None if policy.first_sight != FirstSight::Refer && evidence.chip_face.is_some() => {
            without.insert(Piece::ReferenceFace);
        }
        None => missing(Piece::ReferenceFace, &mut grounds, &mut without),
        Some(face) => grounds.extend(judge(face, Ground::ReferenceFaceUnsure, Ground::ReferenceFaceDiffers)),
    }
    match &evidence.duplicates {
        None => missing(Piece::Duplicates, &mut grounds, &mut without),
        Some(found) if found.candidates.is_empty() => {}
        Some(_) => {
            grounds.insert(Ground::DuplicateFace);
        }
    }
    if evidence.chip_face.is_none() && evidence.reference_face.is_none() {
        // Whatever a policy says: a face that was compared with nobody is nobody's.
        without.remove(&Piece::ReferenceFace);
        grounds.insert(Ground::ReferenceFaceMissing);
    }

    let cause = |ground| cause(ground, &grounds, policy, evidence);
    let weigh = |&ground: &Ground| Weighed { ground, consequence: policy.consequence(ground), follows: cause(ground) };
    let mut weighed: Vec<Weighed> = grounds.iter().map(weigh).collect();
    // A cause before what follows from it.
    weighed.sort_by_key(|one| (std::cmp::Reverse(one.consequence), one.follows.is_some(), one.ground));
    let outcome = match weighed.first().map_or(Consequence::Accept, |gravest| gravest.consequence) {
        Consequence::Accept => Outcome::Approve,
        Consequence::Refer => Outcome::Refer,
        Consequence::Deny => Outcome::Deny,
    };
    // What follows from a cause is mended with it.
    let mut causes = weighed.iter().filter(|one| one.consequence > Consequence::Accept && one.follows.is_none());
    let retake = outcome != Outcome::Approve && causes.all(|one| another_try_may_help(one.ground, evidence));
    Decided { outcome, grounds: weighed, without: without.into_iter().collect(), retake }
}

fn judge(face: &Comparison, unsure: Ground, differs: Ground) -> Option<Ground> {
    if face.score >= face.threshold.score {
        None
    } else if face.score >= face.refer_threshold.score {
        Some(unsure)
    } else {
        // A score that is no number, too.
        Some(differs)
    }
}

/// The ground that `ground` is a mere consequence of: what could not be compared because
/// the chip as a whole was not to be had, or because it was not all read.
fn cause(ground: Ground, grounds: &BTreeSet<Ground>, policy: &Policy, evidence: &Evidence) -> Option<Ground> {
    let record = &evidence.record;
    // The record's own silence is a cause by itself.
    let of_chip = match ground {
        Ground::NumberMissing => record.number != FieldState::NotInRecord,
        Ground::NameMissing => record.name != FieldState::NotInRecord,
        Ground::BirthDateMissing => record.birth_date != FieldState::NotInRecord,
        Ground::SexMissing => record.sex != FieldState::NotInRecord,
        Ground::ChipFaceMissing => true,
        Ground::ChipNotProven => evidence.chip.as_ref().is_some_and(|chip| !chip.is_signed()),
        // At first sight the chip's photo would have stood in for it.
        Ground::ReferenceFaceMissing => policy.first_sight != FirstSight::Refer && evidence.chip_face.is_none(),
        _ => false,
    };
    let mut causes =
        [Ground::ChipAltered, Ground::ChipUntrusted, Ground::ChipUnreadable, Ground::ChipMissing].into_iter();
    // A chip whose signature holds keeps its data, whoever signed it.
    let whole =
        |cause: &Ground| *cause == Ground::ChipUntrusted && evidence.chip.as_ref().is_some_and(ChipEvidence::is_signed);
    let cause = causes.find(|cause| grounds.contains(cause) && !whole(cause)).filter(|_| of_chip);
    match ground {
        // Where the chip was read and its photo alone shows nobody, that is the cause.
        Ground::ReferenceFaceMissing if of_chip && cause.is_none() => {
            Some(Ground::ChipFaceMissing).filter(|cause| grounds.contains(cause))
        }
        _ => cause,
    }
}

/// Whether new captures, or another reading of the chip, may take the ground away.
fn another_try_may_help(ground: Ground, evidence: &Evidence) -> bool {
    let record = &evidence.record;
    let unread = |group: u8| evidence.chip.as_ref().is_some_and(|chip| chip.groups_unread.contains(&group));
    // A field is in the zone, or with its marks in DG13.
    let field_unread = |state: FieldState| state == FieldState::NotOnChip && (unread(1) || unread(13));
    match ground {
        Ground::QualityPoor | Ground::LivenessLow | Ground::ChipFaceUnsure | Ground::ReferenceFaceUnsure => true,
        Ground::FramesRepeated | Ground::FramesStill | Ground::CaptureIsChipPhoto | Ground::CaptureIsEnrolledPhoto => {
            true
        }
        Ground::ChipMissing => true,
        Ground::ChipUnreadable => evidence.chip.as_ref().is_some_and(ChipEvidence::may_be_misread),
        Ground::ChipFaceMissing => unread(2) || evidence.chip_photo_unusable.as_deref() == Some("IMAGE_DAMAGED"),
        Ground::NumberMissing => field_unread(record.number),
        Ground::NameMissing => field_unread(record.name),
        Ground::BirthDateMissing => field_unread(record.birth_date),
        Ground::SexMissing => field_unread(record.sex),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::evidence::{Duplicate, Duplicates, FrameEvidence, RecordEvidence, RecordTemplates};
    use super::super::policy::PolicyFile;
    use super::*;
    use crate::face::quality::Flaw;
    use crate::gallery::SubjectId;
    use crate::matching::{Fmr, Reference, Threshold};

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
        }
    }

    fn good() -> Evidence {
        let agrees = FieldState::Agrees;
        Evidence {
            chip: Some(ChipEvidence {
                verdict: chip::Verdict::Authentic,
                reasons: Vec::new(),
                active_authentication: chip::ActiveAuthentication::Proven,
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
        let grounds: Vec<Ground> = low.grounds.iter().map(|one| one.ground).collect();
        assert!(low.outcome == Outcome::Refer && low.retake);
        assert!(grounds.contains(&Ground::LivenessLow) && !grounds.contains(&Ground::QualityPoor), "{grounds:?}");
    }

    fn with_chip(change: impl FnOnce(&mut ChipEvidence)) -> Evidence {
        let mut evidence = good();
        change(evidence.chip.as_mut().unwrap());
        evidence
    }

    /// Takes one piece away.
    fn lacking(mut evidence: Evidence, piece: Piece) -> Evidence {
        match piece {
            Piece::Chip => {
                evidence.chip = None;
                evidence.chip_face = None;
                evidence.record = RecordEvidence::default();
            }
            Piece::Number => evidence.record.number = FieldState::NotOnChip,
            Piece::Name => evidence.record.name = FieldState::NotInRecord,
            Piece::BirthDate => evidence.record.birth_date = FieldState::NotOnChip,
            Piece::Sex => evidence.record.sex = FieldState::NotOnChip,
            Piece::Scheme => evidence.scheme = Some(SchemeState::NoneNamed),
            Piece::Quality => evidence.quality = None,
            Piece::Liveness => evidence.liveness = None,
            Piece::ChipFace => evidence.chip_face = None,
            Piece::ReferenceFace => evidence.reference_face = None,
            Piece::Duplicates => evidence.duplicates = None,
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
    fn each_missing_piece_refers_and_a_policy_without_it_approves_and_names_it() {
        for piece in Piece::ALL {
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
        };
        twice.duplicates.as_mut().unwrap().candidates.push(candidate);
        use chip::{Reason, Verdict};
        let cases = [
            (chip(Verdict::Altered, &[Reason::GroupAltered]), "CHIP_ALTERED", Outcome::Deny),
            (chip(Verdict::Untrusted, &[Reason::SignerRevoked]), "CHIP_UNTRUSTED", Outcome::Deny),
            (chip(Verdict::Untrusted, &[Reason::CardExpired]), "CHIP_LAPSED", Outcome::Refer),
            (chip(Verdict::Unreadable, &[Reason::SodMissing]), "CHIP_UNREADABLE", Outcome::Refer),
            (chip(Verdict::Unanchored, &[Reason::NoAnchors]), "CHIP_UNANCHORED", Outcome::Refer),
            (chip(Verdict::Authentic, &[Reason::WeakHash]), "CHIP_WEAK", Outcome::Refer),
            (chip(Verdict::Authentic, &[Reason::NumbersDisagree]), "CHIP_NUMBERS_DISAGREE", Outcome::Refer),
            (differs(|record| record.number = FieldState::Differs), "NUMBER_DIFFERS", Outcome::Deny),
            (differs(|record| record.number = FieldState::Unreadable), "NUMBER_UNREADABLE", Outcome::Refer),
            (differs(|record| record.name = FieldState::Unreadable), "NAME_UNREADABLE", Outcome::Refer),
            (differs(|record| record.birth_date = FieldState::Unreadable), "BIRTH_DATE_UNREADABLE", Outcome::Refer),
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
        let decided = decide(&policy("without = [\"chip\"]"), &lacking(good(), Piece::Chip));
        assert_eq!(decided.outcome, Outcome::Approve);
        let all = [Piece::Chip, Piece::Number, Piece::Name, Piece::BirthDate, Piece::Sex, Piece::ChipFace];
        assert_eq!(decided.without, all);
    }

    #[test]
    fn a_first_sight_is_approved_by_the_chip_alone_and_never_by_nothing() {
        let first = lacking(good(), Piece::ReferenceFace);
        for text in ["first_sight = \"accept\"", "first_sight = \"enrol\""] {
            let decided = decide(&policy(text), &first);
            assert_eq!((decided.outcome, decided.without), (Outcome::Approve, vec![Piece::ReferenceFace]));
            let text = format!("without = [\"chip\"]\n{text}");
            let nobody = lacking(first.clone(), Piece::Chip);
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
        assert_eq!((against[0].ground, against[0].follows), (Ground::ChipUnreadable, None));
        assert_eq!(against.len(), 6);
        assert!(against[1..].iter().all(|one| one.follows == Some(Ground::ChipUnreadable)), "{against:?}");
        for text in ["first_sight = \"enrol\"", "on.chip_not_proven = \"refer\"", "on.chip_unreadable = \"deny\""] {
            let mut evidence = unreadable(chip::Reason::FileDamaged);
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
                && decided.grounds.iter().any(|one| one.ground == Ground::NumberMissing && one.follows.is_none())
        );
        // Nobody is enrolled, and the policy wants to see a reference.
        assert!(
            !decide(&Policy::default(), &lacking(unreadable(chip::Reason::SodMissing), Piece::ReferenceFace)).retake
        );
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
        assert!(!decide(&Policy::default(), &lacking(good(), Piece::ChipFace)).retake);
        assert!(decide(&Policy::default(), &lacking(good(), Piece::Chip)).retake);
    }

    #[test]
    fn what_follows_from_an_altered_chip_is_marked_and_the_chip_comes_first() {
        let mut evidence = unreadable(chip::Reason::GroupAltered);
        evidence.chip.as_mut().unwrap().verdict = chip::Verdict::Altered;
        let decided = decide(&Policy::default(), &evidence);
        assert_eq!((decided.outcome, decided.grounds[0].ground), (Outcome::Deny, Ground::ChipAltered));
        assert!(decided.grounds.iter().skip(1).all(|one| one.follows == Some(Ground::ChipAltered)), "{decided:?}");
        assert!(!decided.retake);
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
            let pieces = |set: &BTreeSet<usize>| set.iter().map(|&i| Piece::ALL[i]).collect::<BTreeSet<_>>();
            let (gone, without) = (pieces(&gone), pieces(&spared));
            let evidence = gone.iter().fold(good(), |evidence, &piece| lacking(evidence, piece));
            let file = PolicyFile { without: without.iter().copied().collect(), ..PolicyFile::default() };
            let Ok(policy) = Policy::new(&file) else { return Ok(()) };
            let decided = decide(&policy, &evidence);
            let excused = |piece: &Piece| {
                without.contains(piece) || (gone.contains(&Piece::Chip) && without.contains(&Piece::Chip) && piece.is_of_chip())
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
