//! The evidence behind a decision, as it is answered and stored: verdicts,
//! scores and states, nothing about who the person is. Stored as JSON, whose
//! fields are only ever added.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::challenge::ChallengeState;
use super::reason_code::ReasonCode;
use crate::chip;
use crate::face::quality::Flaw;
use crate::gallery::{
    DecisionHead, DecisionKey, Outcome, Scheme, StoredDecision, Subject, SubjectId, Timestamp, same_scheme,
};
use crate::matching::{CurveName, Fmr, Fnmr, Reference, Threshold};
use crate::workflow::Frames;

/// Everything a decision rests on. What is `None` was not to be had.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// The chip check; `None` where no chip files came.
    pub chip: Option<ChipEvidence>,
    /// What the chip says against what the record says.
    pub record: RecordEvidence,
    /// What the enrolled record says of the scheme asked for; `None` where nobody is
    /// enrolled, and in decisions of earlier programs.
    #[serde(default)]
    pub scheme: Option<SchemeState>,
    /// What was seen in each capture, in order.
    pub frames: Vec<FrameEvidence>,
    /// What the captures look like together; `None` in decisions of earlier programs, as
    /// what follows from it.
    #[serde(default)]
    pub together: Option<Frames>,
    /// How many different pictures they are: what they count for in every rate. 0 in
    /// decisions of earlier programs.
    #[serde(default)]
    pub distinct_frames: u32,
    /// Best quality of the captures, 0–100: of those without a flaw, where there are
    /// such.
    pub quality: Option<f32>,
    /// Mean liveness of the different captures, 0–1.
    pub liveness: Option<f32>,
    /// The captures against the chip's photo.
    pub chip_face: Option<Comparison>,
    /// Why the chip's photo could not be compared: the code of the refusal.
    pub chip_photo_unusable: Option<String>,
    /// The captures against the enrolled reference.
    pub reference_face: Option<Comparison>,
    /// Whether the enrolled templates show one person; `None` where nobody is enrolled, and
    /// in decisions of earlier programs.
    #[serde(default)]
    pub record_templates: Option<RecordTemplates>,
    /// Whether the record is restricted; false in decisions of earlier programs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub record_restricted: bool,
    /// The search for the same face on other records.
    pub duplicates: Option<Duplicates>,
    /// What was tried before; `None` where the policy does without, and in decisions of earlier
    /// programs.
    #[serde(default)]
    pub history: Option<History>,
    /// The calibration curve of the search for duplicates; `None` in decisions that were
    /// made before answers named it. In decisions whose comparisons name none, that of all
    /// rates here.
    #[serde(default)]
    pub curve: Option<CurveName>,
}

/// Attempts before this one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Earlier attempts of this transaction, oldest first.
    pub transaction: Vec<EarlierAttempt>,
    /// Attempts about the record in other transactions, in the last [`History::days`] days.
    pub others: EarlierAttempts,
    /// Attempts about the record in the last 24 hours, over all transactions, this one included.
    pub last_day: u32,
    /// How far back the record's other transactions were looked at.
    pub days: u32,
    /// Captures of this attempt that took part in other transactions, [`CAPTURES_SEEN_MAX`] at
    /// most; `None` where no fingerprints are kept, and in decisions of earlier programs.
    #[serde(default)]
    pub captures: Option<Vec<CaptureSeen>>,
}

/// Captures seen before that a decision names at most.
pub const CAPTURES_SEEN_MAX: usize = 20;

/// A capture that took part in another transaction, or one so near to it that both are one
/// picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureSeen {
    /// Which capture of this attempt, from 0.
    pub frame: u32,
    /// The other transaction.
    pub transaction: String,
    /// Its attempt.
    pub attempt: u32,
    /// The record that one was about.
    pub subject: SubjectId,
    /// Unit that presented it, where it was named.
    pub unit: Option<String>,
    /// When it was decided.
    pub at: Timestamp,
    /// In how many bits of their sketches they differ; `None` where the files are the same.
    pub distance: Option<u32>,
}

/// An earlier attempt of the transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierAttempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// What it came to.
    pub outcome: Outcome,
    /// Codes of the reasons that stood in its way, the gravest first.
    pub reasons: Vec<String>,
}

/// Attempts counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierAttempts {
    /// How many; of more than [`crate::gallery::RECENT_MAX`] those.
    pub count: u32,
    /// How many of them did not approve because they denied.
    pub denied: u32,
    /// How many of them referred.
    pub referred: u32,
    /// In how many of them each reason stood in the way, the most frequent first.
    pub reasons: Vec<(String, u32)>,
}

impl History {
    /// Of the earlier `attempts` of a transaction and the `recent` decisions about its record,
    /// newest first, those of the transaction among them; `now` is the clock.
    pub(super) fn of(
        key: &DecisionKey,
        attempts: &[StoredDecision],
        recent: &[DecisionHead],
        days: u32,
        now: Timestamp,
    ) -> Self {
        let mut others = EarlierAttempts::default();
        let mut reasons: BTreeMap<&str, u32> = BTreeMap::new();
        for head in recent.iter().filter(|head| head.key.transaction != key.transaction) {
            others.count += 1;
            others.denied += u32::from(head.outcome == Outcome::Deny);
            others.referred += u32::from(head.outcome == Outcome::Refer);
            head.reasons.iter().for_each(|reason| *reasons.entry(reason).or_default() += 1);
        }
        others.reasons = reasons.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect();
        others.reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let day_ago = Timestamp(now.0.saturating_sub(DAY_MS));
        let last_day = recent.iter().filter(|head| head.decided_at > day_ago).count();
        let earlier = |attempt: &StoredDecision| EarlierAttempt {
            attempt: attempt.key.attempt,
            outcome: attempt.outcome,
            reasons: attempt.reasons.clone(),
        };
        Self {
            transaction: attempts.iter().map(earlier).collect(),
            others,
            // At most `RECENT_MAX`, and this one.
            last_day: last_day as u32 + 1,
            days,
            captures: None,
        }
    }
}

/// A day, in milliseconds.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Whether the templates of the enrolled record show one person.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RecordTemplates {
    /// Templates it has.
    pub templates: u32,
    /// Groups they fall into: those of one person are alike, over others if need be. 1 where
    /// all is well.
    pub groups: u32,
    /// Templates of the record that an officer vouched for.
    pub vouched: u32,
    /// The score at which two are alike.
    pub threshold: Threshold,
}

/// What the chip check came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChipEvidence {
    /// The verdict.
    pub verdict: chip::Verdict,
    /// What was found, the gravest first.
    pub reasons: Vec<chip::Reason>,
    /// Whether the chip showed that it is the original: proven only by its answer to a challenge
    /// that this server issued.
    pub active_authentication: chip::ActiveAuthentication,
    /// What the challenge was that it answered; `None` where no answer came, and in decisions of
    /// earlier programs, which took every challenge.
    #[serde(default)]
    pub challenge: Option<ChallengeState>,
    /// Whole years since the card was issued, where the chip says when: about the
    /// age of its photo.
    pub photo_years: Option<u32>,
    /// Data groups of the signed list whose files did not come.
    #[serde(default)]
    pub groups_unread: Vec<u8>,
}

impl ChipEvidence {
    /// The same, with what is known of the challenge that the chip answered. An answer to one that
    /// this server did not issue proves nothing; one that is wrong stays wrong, whoever asked.
    pub(super) fn answering(self, challenge: ChallengeState) -> Self {
        use chip::ActiveAuthentication::{Proven, Unproven};
        let active_authentication = match (self.active_authentication, challenge) {
            (Proven, ChallengeState::Issued) => Proven,
            (Proven, _) => Unproven,
            (other, _) => other,
        };
        Self { active_authentication, challenge: Some(challenge), ..self }
    }

    /// Whether its answer could prove nothing, because this server did not issue the challenge. A
    /// wrong answer is graver than that.
    pub(super) fn answered_in_vain(&self) -> bool {
        let is_issued = self.challenge.is_none_or(|challenge| challenge == ChallengeState::Issued);
        !is_issued && self.active_authentication != chip::ActiveAuthentication::Failed
    }

    /// Whether something was found.
    pub fn found(&self, reason: chip::Reason) -> bool {
        self.reasons.contains(&reason)
    }

    /// Whether every reason it could not be read for may be gone with another reading.
    pub fn may_be_misread(&self) -> bool {
        let mut unreadable =
            self.reasons.iter().filter(|reason| reason.effect() == chip::reason::Effect::Unreadable).peekable();
        unreadable.peek().is_some() && unreadable.all(|reason| reason.may_be_misread())
    }

    /// Whether the signature over the chip's list holds, as far as what was found tells.
    pub fn is_signed(&self) -> bool {
        use chip::Reason::{CurveForged, KeyInvalid};
        !self.reasons.iter().any(|&reason| {
            let effect = reason.effect();
            effect == chip::reason::Effect::Altered
                || effect == chip::reason::Effect::Unreadable
                || matches!(reason, CurveForged | KeyInvalid)
        })
    }

    /// What its reasons of one effect come to.
    pub(super) fn come_to(&self, effect: chip::reason::Effect) -> impl Iterator<Item = ReasonCode> {
        let reasons = self.reasons.iter().filter(move |reason| reason.effect() == effect);
        reasons.filter_map(|&reason| ReasonCode::of_finding(reason))
    }
}

/// A field of the chip against the same field of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldState {
    /// No chip was checked.
    #[default]
    NotChecked,
    /// They agree, as far as both are known.
    Agrees,
    /// A name that agrees once the marks are taken off, where one side has none.
    AgreesWithoutMarks,
    /// A number whose leading zeros the record lacks, as a spreadsheet leaves it; with
    /// them they agree.
    AgreesPadded,
    /// The record has the number of an earlier identity card, and the chip names it too.
    AgreesFormer,
    /// They do not.
    Differs,
    /// The chip does not say, or what it says is not signed.
    NotOnChip,
    /// The request did not say.
    NotInRecord,
    /// What the record says is written in a way that tells nothing of the person: letters in
    /// a number, a name in a broken encoding, a day that is none. In decisions of earlier
    /// programs, or what the chip says is.
    Unreadable,
    /// The record's side can be read, and what the chip says is written in such a way.
    UnreadableOnChip,
}

impl FieldState {
    /// Whether record and chip agree, in whatever way.
    pub fn agrees(self) -> bool {
        matches!(self, Self::Agrees | Self::AgreesWithoutMarks | Self::AgreesPadded | Self::AgreesFormer)
    }
}

/// Field by field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RecordEvidence {
    /// The citizen's number.
    pub number: FieldState,
    /// Full name.
    pub name: FieldState,
    /// Date of birth.
    pub birth_date: FieldState,
    /// Sex.
    pub sex: FieldState,
}

/// What an enrolled record says of a scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemeState {
    /// It draws from it.
    InRecord,
    /// It draws from others alone.
    NotInRecord,
    /// It names none, and was never verified for this one.
    NoneNamed,
}

impl SchemeState {
    /// What `subject` says of `scheme`. A record that names no scheme has those it was
    /// approved for before.
    pub(super) fn of(subject: &Subject, scheme: Scheme) -> Self {
        let named = &subject.attributes.schemes;
        let verified = subject.last_verified.contains_key(scheme.name());
        match () {
            () if named.iter().any(|stored| same_scheme(stored, scheme.name())) => Self::InRecord,
            () if !named.is_empty() => Self::NotInRecord,
            () if verified => Self::InRecord,
            () => Self::NoneNamed,
        }
    }
}

/// What was seen in one capture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameEvidence {
    /// Distance between the eyes' centres, in pixels of the full-size picture.
    pub eye_distance: f32,
    /// Another face of comparable size is in the picture.
    pub second_face: bool,
    /// Length of the embedding before normalisation.
    pub norm: f32,
    /// Quality, 0–100, where measured.
    pub quality: Option<f32>,
    /// Liveness, 0–1, where measured.
    pub liveness: Option<f32>,
    /// What is wrong with it as a live capture, the gravest first: flaws of quality, where
    /// that was measured, and the advice to move back.
    #[serde(default)]
    pub flaws: Vec<Flaw>,
    /// Number of its picture, from 0: captures with the same number are one picture, or
    /// nothing moves between them. `None` in decisions of earlier programs.
    #[serde(default)]
    pub picture: Option<u32>,
    /// The photo that it is itself, where it is one: so much alike are no two pictures that
    /// a camera took.
    #[serde(default)]
    pub copy_of: Option<CopyOf>,
}

/// A photo that a capture can be a copy of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyOf {
    /// The photo in the chip.
    ChipPhoto,
    /// A photo that was enrolled in the record.
    EnrolledPhoto,
}

impl FrameEvidence {
    /// Whether something is wrong with its quality.
    pub fn is_flawed(&self) -> bool {
        self.flaws.iter().any(|flaw| flaw.is_of_quality())
    }
}

/// One comparison of the captures with a reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Comparison score.
    pub score: f32,
    /// False match rate with this score as threshold.
    pub fmr: Fmr,
    /// The score it takes to be sure.
    pub threshold: Threshold,
    /// The score below which the faces differ; between the two it refers.
    pub refer_threshold: Threshold,
    /// Whether the band between the two was widened because the photo is old.
    pub widened: bool,
    /// Templates compared with; the best score counts, at a rate divided by their
    /// number.
    pub templates: u32,
    /// What the reference is: the chip's photo or one like it, a live capture, anything else.
    #[serde(default)]
    pub against: Reference,
    /// The calibration curve of its rates; where there is none for such a reference, the
    /// one that stands in for it. `None` in decisions of earlier programs.
    #[serde(default)]
    pub curve: Option<CurveName>,
    /// Recipe of the two templates, as text, where it is not that of the answer: its scores are
    /// on a scale of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
}

/// The same face on other records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Duplicates {
    /// Other subjects at or above the threshold, best first; those cleared with the
    /// claimed one are not among them.
    pub candidates: Vec<Duplicate>,
    /// There were more than are listed.
    pub truncated: bool,
    /// Subjects at or above the threshold that were cleared with the claimed one.
    pub cleared: u32,
    /// The score it took.
    pub threshold: Threshold,
    /// Templates of others that were searched.
    pub templates: u64,
    /// Hits to expect by chance alone.
    pub expected_chance_hits: f64,
    /// That number rests on a fitted tail.
    pub expected_extrapolated: bool,
    /// Share of true duplicates expected to score below the threshold.
    pub expected_miss: Option<Fnmr>,
}

/// Another record with this face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Duplicate {
    /// Whose.
    pub subject: SubjectId,
    /// Score of its best template.
    pub score: f32,
    /// False match rate of one comparison at this score.
    pub fmr: Fmr,
    /// Recipe of the template, as text, where it is not that of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gallery::RequestId;

    #[test]
    fn a_history_tells_this_transaction_from_others_and_the_last_day_from_the_days_before() {
        let key = |transaction: &str, attempt| DecisionKey::new(RequestId::new(transaction).unwrap(), attempt).unwrap();
        let now = Timestamp(100 * DAY_MS);
        let head = |transaction: &str, outcome, reason: &str, hours_ago: u64| DecisionHead {
            number: 1,
            key: key(transaction, 1),
            subject: SubjectId::new("s").unwrap(),
            scheme: "social".to_owned(),
            outcome,
            reasons: (!reason.is_empty()).then(|| reason.to_owned()).into_iter().collect(),
            decided_at: Timestamp(now.0 - hours_ago * DAY_MS / 24),
            unit: None,
            province: None,
            resolved: None,
            waits: false,
            answer_by: None,
        };
        let recent = [
            head("t", Outcome::Refer, "QUALITY_POOR", 0),
            head("u", Outcome::Deny, "CHIP_ALTERED", 23),
            head("v", Outcome::Refer, "NAME_DIFFERS", 25),
            head("w", Outcome::Deny, "CHIP_ALTERED", 600),
            head("x", Outcome::Approve, "", 700),
        ];
        let history = History::of(&key("t", 2), &[], &recent, 30, now);
        let EarlierAttempts { count, denied, referred, reasons } = history.others;
        assert_eq!((count, denied, referred), (4, 2, 1));
        assert_eq!(reasons, [("CHIP_ALTERED".to_owned(), 2), ("NAME_DIFFERS".to_owned(), 1)]);
        assert_eq!((history.last_day, history.days), (3, 30), "two before, and this one");
        assert_eq!(History::of(&key("t", 1), &[], &[], 30, now).last_day, 1);
    }
}
