//! Policies: which evidence a decision needs, at which error rates, and what
//! refers and what denies.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::reason_code::{EvidenceKind, ReasonCode};
use crate::gallery::ATTEMPTS_MAX;
use crate::matching::FMR_FLOOR;

/// What a ground leads to. Ordered by gravity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// Named in the decision, which it does not change.
    Accept,
    /// A person must look.
    Refer,
    /// No.
    Deny,
}

impl Consequence {
    /// `accept`, `refer`, `deny`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Refer => "refer",
            Self::Deny => "deny",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Accept, Self::Refer, Self::Deny].into_iter().find(|one| one.name() == name)
    }
}

/// What becomes of a person nobody has enrolled yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstSight {
    /// A person must look.
    #[default]
    Refer,
    /// The chip's photo alone will do; the decision says so.
    Accept,
    /// The same, and where it approves, the chip's photo becomes the reference.
    Enrol,
}

impl FirstSight {
    /// `refer`, `accept`, `enrol`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refer => "refer",
            Self::Accept => "accept",
            Self::Enrol => "enrol",
        }
    }
}

/// A policy as the configuration file has it, `[policies.NAME]`: every key may be
/// left out.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyFile {
    /// Evidence it does without.
    pub without: Vec<EvidenceKind>,
    /// What becomes of a person nobody has enrolled yet.
    pub first_sight: Option<FirstSight>,
    /// Attempts of one transaction, 1 to 10.
    pub attempts_max: Option<u32>,
    /// Attempts about one record in 24 hours, over all transactions, 1 to 100; beyond it refers.
    pub attempts_per_day_max: Option<u32>,
    /// False match rate of the captures against the chip's photo.
    pub chip_fmr: Option<f64>,
    /// From `chip_fmr` to this rate it refers; above, the faces differ.
    pub chip_refer_fmr: Option<f64>,
    /// A chip photo older than this many years is an old one.
    pub chip_photo_years_max: Option<u32>,
    /// The end of the referral band for an old chip photo.
    pub chip_refer_fmr_old: Option<f64>,
    /// False match rate of the captures against the enrolled reference.
    pub reference_fmr: Option<f64>,
    /// From `reference_fmr` to this rate it refers.
    pub reference_refer_fmr: Option<f64>,
    /// False positive identification rate of the search for the same face
    /// elsewhere: so many decisions refer by chance alone.
    pub fpir: Option<f64>,
    /// Lowest liveness, mean of the captures, 0 to 1.
    pub liveness_min: Option<f64>,
    /// Lowest quality, best of the captures, 0 to 100.
    pub quality_min: Option<f64>,
    /// What a ground leads to, by its code in small letters, where it is not the
    /// default.
    pub on: BTreeMap<GroundKey, Consequence>,
}

/// A ground as the configuration file names it: its code in small letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroundKey(pub ReasonCode);

impl<'de> Deserialize<'de> for GroundKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known =
            ReasonCode::ALL.iter().copied().filter(|&ground| !is_fixed(ground) && ground.governed_by() == ground);
        known.clone().find(|ground| ground.code().to_lowercase() == name).map(Self).ok_or_else(|| {
            let names: Vec<String> = known.map(|ground| ground.code().to_lowercase()).collect();
            serde::de::Error::custom(format!("`{name}` is nothing a policy decides on; known are {}", names.join(", ")))
        })
    }
}

/// What is not weighed: missing evidence is done without, or it refers, and so does what it is
/// missing for; and nobody is denied, or approved by itself, for a restriction of their record.
fn is_fixed(ground: ReasonCode) -> bool {
    let governing = ground.governed_by();
    let is_missing = governing.piece().missing() == governing || ground == ReasonCode::ChipIncomplete;
    is_missing || ground == ReasonCode::RecordRestricted
}

/// What a ground leads to where a policy does not say, and the least it may be
/// made to lead to.
fn consequences(ground: ReasonCode) -> (Consequence, Consequence) {
    use Consequence::{Accept, Deny, Refer};
    match ground {
        // What is wrong with the card itself is never approved.
        ReasonCode::ChipAltered => (Deny, Deny),
        ReasonCode::ChipUntrusted | ReasonCode::ChipNotOriginal | ReasonCode::ChipCountryDiffers => (Deny, Refer),
        ReasonCode::ChipLapsed | ReasonCode::ChipNotYetValid | ReasonCode::ChipSignerNotYetValid => (Refer, Refer),
        ReasonCode::ChipUnreadable | ReasonCode::ChipNumbersDisagree => (Refer, Refer),
        // What Vietnam's cards come to until the operator has the CSCA certificate.
        ReasonCode::ChipUnanchored => (Refer, Accept),
        ReasonCode::ChipWeak => (Refer, Accept),
        // Few readers run Active Authentication: named in every decision instead.
        ReasonCode::ChipNotProven => (Accept, Accept),
        // Accepted, it is as if no answer had come: readers that cannot ask first prove nothing.
        ReasonCode::ChallengeNotIssued => (Refer, Accept),
        ReasonCode::NumberDiffers => (Deny, Refer),
        ReasonCode::NameDiffers | ReasonCode::BirthDateDiffers | ReasonCode::SexDiffers => (Refer, Accept),
        // Nothing was learnt of the number, which alone leads to one person.
        ReasonCode::NumberUnreadable | ReasonCode::ChipNumberUnreadable => (Refer, Refer),
        ReasonCode::NameUnreadable | ReasonCode::ChipNameUnreadable | ReasonCode::BirthDateUnreadable => {
            (Refer, Accept)
        }
        ReasonCode::SchemeNotInRecord => (Refer, Accept),
        ReasonCode::AttemptsMany | ReasonCode::CaptureSeenBefore => (Refer, Accept),
        ReasonCode::FramesRepeated
        | ReasonCode::FramesStill
        | ReasonCode::CaptureIsChipPhoto
        | ReasonCode::CaptureIsEnrolledPhoto => (Refer, Accept),
        ReasonCode::QualityPoor | ReasonCode::LivenessLow | ReasonCode::FaceTooClose => (Refer, Refer),
        ReasonCode::ChipFaceUnsure | ReasonCode::ReferenceFaceUnsure | ReasonCode::DuplicateFace => (Refer, Refer),
        ReasonCode::ChipFaceDiffers => (Deny, Refer),
        // With the right face on a genuine card this is as often a wrong enrolment.
        ReasonCode::ReferenceFaceDiffers => (Refer, Refer),
        // Whoever of them comes matches one of its templates.
        ReasonCode::RecordDisagrees => (Refer, Refer),
        ReasonCode::RecordRestricted => (Refer, Refer),
        ReasonCode::ChipMissing
        | ReasonCode::ChipIncomplete
        | ReasonCode::ChipBirthDateUnreadable
        | ReasonCode::NumberMissing
        | ReasonCode::NameMissing
        | ReasonCode::BirthDateMissing
        | ReasonCode::SexMissing
        | ReasonCode::SchemeMissing
        | ReasonCode::QualityMissing
        | ReasonCode::LivenessMissing
        | ReasonCode::ChipFaceMissing
        | ReasonCode::ReferenceFaceMissing
        | ReasonCode::DuplicatesMissing
        | ReasonCode::HistoryMissing => (Refer, Refer),
    }
}

impl ReasonCode {
    /// What a policy can make of it.
    pub fn consequences_possible(self) -> impl Iterator<Item = Consequence> {
        let (default, least) = consequences(self);
        [Consequence::Accept, Consequence::Refer, Consequence::Deny]
            .into_iter()
            .filter(move |&one| if is_fixed(self) { one == default } else { one >= least })
    }
}

/// A policy that was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub(super) without: BTreeSet<EvidenceKind>,
    pub(super) first_sight: FirstSight,
    pub(super) attempts_max: u32,
    pub(super) attempts_per_day_max: u32,
    pub(super) chip_fmr: f64,
    pub(super) chip_refer_fmr: f64,
    pub(super) chip_photo_years_max: u32,
    pub(super) chip_refer_fmr_old: f64,
    pub(super) reference_fmr: f64,
    pub(super) reference_refer_fmr: f64,
    pub(super) fpir: f64,
    pub(super) liveness_min: f32,
    pub(super) quality_min: f32,
    on: BTreeMap<ReasonCode, Consequence>,
}

/// Values where a policy says nothing. Rates: one false match in 100,000, as
/// everywhere; the referral band ends where one stranger in 1,000 would get in
/// it, or in 100 with an old photo, so that the honest are looked at rather than
/// turned away.
const CHIP_FMR: f64 = 1e-5;
const CHIP_REFER_FMR: f64 = 1e-3;
const CHIP_REFER_FMR_OLD: f64 = 1e-2;
/// Vietnam renews cards at 14, 25, 40 and 60: most photos are younger than this.
const CHIP_PHOTO_YEARS_MAX: u32 = 10;
const REFERENCE_FMR: f64 = 1e-5;
const REFERENCE_REFER_FMR: f64 = 1e-3;
const FPIR: f64 = 0.01;
/// The network's own indifference.
const LIVENESS_MIN: f64 = 0.5;
const QUALITY_MIN: f64 = 30.0;
const ATTEMPTS: u32 = 3;
/// Two transactions with all their attempts: an honest day of bad luck.
const ATTEMPTS_PER_DAY: u32 = 6;

impl Policy {
    /// Checks a policy. The error names the key.
    ///
    /// # Errors
    /// A sentence that names the key that is wrong, and what it may be.
    pub fn new(file: &PolicyFile) -> Result<Self, String> {
        let rate = |key: &str, value: Option<f64>, default: f64, least: f64| {
            let value = value.unwrap_or(default);
            if (least..=0.5).contains(&value) {
                Ok(value)
            } else {
                Err(format!("{key} is {value}; it lies between {least:e} and 0.5"))
            }
        };
        let within = |key: &str, value: f64, most: f64| {
            if (0.0..=most).contains(&value) {
                Ok(value as f32)
            } else {
                Err(format!("{key} is {value}; it lies between 0 and {most}"))
            }
        };
        let without: BTreeSet<EvidenceKind> = file.without.iter().copied().collect();
        let chip_fmr = rate("chip_fmr", file.chip_fmr, CHIP_FMR, FMR_FLOOR)?;
        let reference_fmr = rate("reference_fmr", file.reference_fmr, REFERENCE_FMR, FMR_FLOOR)?;
        // Where only the rate to approve at was raised, the band begins no earlier.
        let chip_refer_fmr = rate("chip_refer_fmr", file.chip_refer_fmr, CHIP_REFER_FMR.max(chip_fmr), chip_fmr)?;
        let attempts_max = file.attempts_max.unwrap_or(ATTEMPTS);
        if !(1..=ATTEMPTS_MAX).contains(&attempts_max) {
            return Err(format!("attempts_max is {attempts_max}; it lies between 1 and {ATTEMPTS_MAX}"));
        }
        let attempts_per_day_max = file.attempts_per_day_max.unwrap_or(ATTEMPTS_PER_DAY);
        if !(1..=100).contains(&attempts_per_day_max) {
            return Err(format!("attempts_per_day_max is {attempts_per_day_max}; it lies between 1 and 100"));
        }
        let chip_photo_years_max = file.chip_photo_years_max.unwrap_or(CHIP_PHOTO_YEARS_MAX);
        if chip_photo_years_max > 100 {
            return Err(format!("chip_photo_years_max is {chip_photo_years_max}; it lies between 0 and 100"));
        }
        let no_chip = without.contains(&EvidenceKind::Chip) || without.contains(&EvidenceKind::ChipFace);
        if no_chip && without.contains(&EvidenceKind::ReferenceFace) {
            return Err(
                "without names both the chip's face and the reference's; the person must be compared with one \
                        of them"
                    .into(),
            );
        }
        let mut on = BTreeMap::new();
        for (&GroundKey(ground), &consequence) in &file.on {
            let (default, least) = consequences(ground);
            if consequence < least {
                let (key, least) = (ground.code().to_lowercase(), least.name());
                return Err(format!("on.{key} is {}; the least it may be is {least}", consequence.name()));
            }
            if consequence != default {
                on.insert(ground, consequence);
            }
        }
        Ok(Self {
            without,
            first_sight: file.first_sight.unwrap_or_default(),
            attempts_max,
            attempts_per_day_max,
            chip_fmr,
            chip_refer_fmr,
            chip_photo_years_max,
            chip_refer_fmr_old: rate(
                "chip_refer_fmr_old",
                file.chip_refer_fmr_old,
                CHIP_REFER_FMR_OLD.max(chip_refer_fmr),
                chip_refer_fmr,
            )?,
            reference_fmr,
            reference_refer_fmr: rate(
                "reference_refer_fmr",
                file.reference_refer_fmr,
                REFERENCE_REFER_FMR.max(reference_fmr),
                reference_fmr,
            )?,
            fpir: rate("fpir", file.fpir, FPIR, 1e-9)?,
            liveness_min: within("liveness_min", file.liveness_min.unwrap_or(LIVENESS_MIN), 1.0)?,
            quality_min: within("quality_min", file.quality_min.unwrap_or(QUALITY_MIN), 100.0)?,
            on,
        })
    }

    /// What a ground leads to.
    pub fn consequence(&self, ground: ReasonCode) -> Consequence {
        self.on.get(&ground.governed_by()).copied().unwrap_or(consequences(ground).0)
    }

    /// Every false match rate it names, with its key.
    pub fn rates(&self) -> [(&'static str, f64); 5] {
        [
            ("chip_fmr", self.chip_fmr),
            ("chip_refer_fmr", self.chip_refer_fmr),
            ("chip_refer_fmr_old", self.chip_refer_fmr_old),
            ("reference_fmr", self.reference_fmr),
            ("reference_refer_fmr", self.reference_refer_fmr),
        ]
    }

    /// Share of searches for duplicates that chance alone may refer.
    pub fn fpir(&self) -> f64 {
        self.fpir
    }

    /// The same decisions are made by policies of the same digest: SHA-256 of every value of
    /// it, defaults included, so that what a decision was made by is known after the policy
    /// of that name was changed.
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        let mut field = |key: &str, value: &str| digest.update(format!("{key}={value}\n"));
        field("version", "2");
        self.without.iter().for_each(|piece| field("without", piece.name()));
        field("first_sight", self.first_sight.name());
        field("attempts_max", &self.attempts_max.to_string());
        field("attempts_per_day_max", &self.attempts_per_day_max.to_string());
        // The shortest decimal that reads back as the same bits.
        self.rates().iter().for_each(|(key, rate)| field(key, &format!("{rate:?}")));
        field("chip_photo_years_max", &self.chip_photo_years_max.to_string());
        field("fpir", &format!("{:?}", self.fpir));
        field("liveness_min", &format!("{:?}", self.liveness_min));
        field("quality_min", &format!("{:?}", self.quality_min));
        for &ground in ReasonCode::ALL {
            field(ground.code(), self.consequence(ground).name());
        }
        digest.finalize().into()
    }

    /// Liveness below which a ground is seen, 0…1.
    pub fn liveness_min(&self) -> f32 {
        self.liveness_min
    }

    /// What becomes of a person nobody has enrolled yet.
    pub fn first_sight(&self) -> FirstSight {
        self.first_sight
    }

    /// Attempts of one transaction.
    pub fn attempts_max(&self) -> u32 {
        self.attempts_max
    }

    /// Whether it does without a piece of evidence.
    pub fn does_without(&self, piece: EvidenceKind) -> bool {
        self.without.contains(&piece)
    }
}

impl Default for Policy {
    /// Everything is required.
    fn default() -> Self {
        Self {
            without: BTreeSet::new(),
            first_sight: FirstSight::Refer,
            attempts_max: ATTEMPTS,
            attempts_per_day_max: ATTEMPTS_PER_DAY,
            chip_fmr: CHIP_FMR,
            chip_refer_fmr: CHIP_REFER_FMR,
            chip_photo_years_max: CHIP_PHOTO_YEARS_MAX,
            chip_refer_fmr_old: CHIP_REFER_FMR_OLD,
            reference_fmr: REFERENCE_FMR,
            reference_refer_fmr: REFERENCE_REFER_FMR,
            fpir: FPIR,
            liveness_min: LIVENESS_MIN as f32,
            quality_min: QUALITY_MIN as f32,
            on: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Policy, String> {
        let file: PolicyFile = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        Policy::new(&file)
    }

    #[test]
    fn an_empty_policy_is_the_default_and_requires_everything() {
        let policy = parse("").unwrap();
        assert_eq!(policy, Policy::default());
        assert!(EvidenceKind::ALL.iter().all(|&piece| !policy.does_without(piece)));
    }

    #[test]
    fn no_policy_denies_anybody_for_a_restriction_or_approves_in_spite_of_it() {
        for consequence in ["accept", "refer", "deny"] {
            let error = parse(&format!("[on]\nrecord_restricted = \"{consequence}\"")).unwrap_err();
            assert!(error.contains("record_restricted"), "{error}");
        }
        assert_eq!(Policy::default().consequence(ReasonCode::RecordRestricted), Consequence::Refer);
    }

    #[test]
    fn every_key_is_read() {
        let policy = parse(
            "without = [\"liveness\", \"sex\"]\nfirst_sight = \"enrol\"\nattempts_max = 5\nchip_fmr = 1e-6\n\
             chip_refer_fmr = 1e-4\nchip_photo_years_max = 7\nchip_refer_fmr_old = 0.05\nreference_fmr = 1e-4\n\
             reference_refer_fmr = 1e-2\nfpir = 0.001\nliveness_min = 0.9\nquality_min = 50\n\
             [on]\nchip_unanchored = \"accept\"\nname_differs = \"deny\"\n",
        )
        .unwrap();
        assert!(policy.does_without(EvidenceKind::Sex) && !policy.does_without(EvidenceKind::Name));
        assert_eq!((policy.first_sight, policy.attempts_max), (FirstSight::Enrol, 5));
        assert_eq!((policy.chip_fmr, policy.chip_refer_fmr, policy.chip_refer_fmr_old), (1e-6, 1e-4, 0.05));
        assert_eq!((policy.reference_fmr, policy.reference_refer_fmr, policy.fpir), (1e-4, 1e-2, 0.001));
        assert_eq!((policy.chip_photo_years_max, policy.liveness_min, policy.quality_min), (7, 0.9, 50.0));
        assert_eq!(policy.consequence(ReasonCode::ChipUnanchored), Consequence::Accept);
        assert_eq!(policy.consequence(ReasonCode::NameDiffers), Consequence::Deny);
        assert_eq!(policy.consequence(ReasonCode::ChipAltered), Consequence::Deny);
    }

    #[test]
    fn every_value_of_a_policy_counts_in_its_digest_and_a_default_that_is_written_out_does_not() {
        let mut texts: Vec<String> = [
            "without = [\"liveness\"]",
            "without = [\"sex\"]",
            "first_sight = \"enrol\"",
            "attempts_max = 4",
            "chip_fmr = 1e-6",
            "chip_refer_fmr = 1e-4",
            "chip_photo_years_max = 7",
            "chip_refer_fmr_old = 0.05",
            "reference_fmr = 1e-6",
            "reference_refer_fmr = 1e-4",
            "fpir = 0.001",
            "liveness_min = 0.9",
            "quality_min = 50",
        ]
        .map(str::to_owned)
        .into();
        for &ground in ReasonCode::ALL.iter().filter(|ground| ground.governed_by() == **ground && !is_fixed(**ground)) {
            let other = ground.consequences_possible().find(|one| *one != consequences(ground).0);
            texts.extend(other.map(|other| format!("[on]\n{} = \"{}\"", ground.code().to_lowercase(), other.name())));
        }
        let mut seen = vec![Policy::default().digest()];
        for text in &texts {
            let digest = parse(text).unwrap().digest();
            assert!(!seen.contains(&digest), "{text}");
            seen.push(digest);
        }
        let written_out = parse("chip_fmr = 1e-5\nfirst_sight = \"refer\"\n[on]\nchip_weak = \"refer\"").unwrap();
        assert_eq!(written_out.digest(), seen[0]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (text, part) in [
            ("chip_fmr = 0", "chip_fmr"),
            ("chip_fmr = nan", "chip_fmr"),
            ("chip_fmr = 1e-3\nchip_refer_fmr = 1e-4", "chip_refer_fmr"),
            ("chip_refer_fmr_old = 1e-6", "chip_refer_fmr_old"),
            ("fpir = 1", "fpir"),
            ("liveness_min = 2", "liveness_min"),
            ("quality_min = -1", "quality_min"),
            ("attempts_max = 0", "attempts_max"),
            ("chip_photo_years_max = 1000", "chip_photo_years_max"),
            ("without = [\"livness\"]", "livness"),
            ("whithout = []", "whithout"),
            ("first_sight = \"maybe\"", "maybe"),
            ("without = [\"chip\", \"reference_face\"]", "compared"),
            ("[on]\nchip_altered = \"refer\"", "on.chip_altered"),
            ("[on]\nduplicate_face = \"accept\"", "on.duplicate_face"),
            ("[on]\nduplicate = \"refer\"", "duplicate_face"),
            ("[on]\nliveness_missing = \"refer\"", "liveness_missing"),
            ("[on]\nname_differs = \"ignore\"", "ignore"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_code_that_was_split_from_another_obeys_the_key_of_that_one_and_has_none_of_its_own() {
        for &ground in ReasonCode::ALL.iter().filter(|ground| ground.governed_by() != **ground) {
            let parent = ground.governed_by();
            let (code, key) = (ground.code(), parent.code().to_lowercase());
            assert_eq!(parent.governed_by(), parent, "{code}");
            assert_eq!(consequences(ground), consequences(parent), "{code}");
            assert!(ground.consequences_possible().eq(parent.consequences_possible()), "{code}");
            for consequence in parent.consequences_possible() {
                let set = parse(&format!("[on]\n{key} = \"{}\"", consequence.name()));
                // Missing evidence is done without, or it refers.
                let policy = if is_fixed(parent) { Policy::default() } else { set.unwrap() };
                assert_eq!(policy.consequence(ground), consequence, "{code}");
            }
            assert!(parse(&format!("[on]\n{} = \"refer\"", code.to_lowercase())).is_err(), "{code}");
        }
    }

    #[test]
    fn nothing_wrong_with_a_card_can_be_configured_into_an_approval() {
        for ground in
            [ReasonCode::ChipAltered, ReasonCode::ChipUntrusted, ReasonCode::ChipLapsed, ReasonCode::ChipUnreadable]
        {
            assert!(consequences(ground).1 > Consequence::Accept, "{}", ground.code());
        }
        for &ground in ReasonCode::ALL {
            let (default, least) = consequences(ground);
            assert!(default >= least, "{}", ground.code());
        }
    }
}
