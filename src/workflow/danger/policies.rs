//! What is dangerous about a policy.

use super::*;
use crate::workflow::beneficiary::{Consequence, FirstSight, Ground, Piece, Policy};

/// Above it a rate is warned of, and above the second it is refused.
const FMR_HIGH_ABOVE: f64 = 1e-3;
const FMR_VERY_HIGH_FROM: f64 = 1e-2;
/// Below it the liveness network's word is not heard.
pub(super) const LIVENESS_HEARD: f32 = 0.1;
const ATTEMPTS_FEW: u32 = 5;
/// Below it a search for duplicates finds next to nobody.
const FPIR_HEARD: f64 = 1e-6;
/// Above it a search names strangers more often than anybody looks at.
const FPIR_HIGH_ABOVE: f64 = 0.1;
/// Card and record are not of one person, or nothing can be told of it. Of the number no policy
/// may accept that.
const RECORD_GROUNDS: [Ground; 6] = [
    Ground::NameDiffers,
    Ground::BirthDateDiffers,
    Ground::SexDiffers,
    Ground::SchemeNotInRecord,
    Ground::NameUnreadable,
    Ground::BirthDateUnreadable,
];

pub(super) fn findings(name: &str, policy: &Policy) -> Vec<Finding> {
    let key = |key: &str| format!("policies.{name}.{key}");
    let accepts = |ground: Ground| policy.consequence(ground) == Consequence::Accept;
    let without = |piece: Piece| policy.does_without(piece);
    let mut all = Vec::new();

    // The chip alone approves people nobody has enrolled.
    let newcomers = policy.first_sight() != FirstSight::Refer || without(Piece::ReferenceFace);
    let reads_chip = !without(Piece::Chip) && !without(Piece::ChipFace);
    if accepts(Ground::ChipUnanchored) {
        let rule = if newcomers && reads_chip { &UNANCHORED_SUFFICES } else { &UNANCHORED_ACCEPTED };
        let found = format!("accept, with first_sight = {}", policy.first_sight().name());
        all.push(rule.at(key("on.chip_unanchored"), found));
    }
    if accepts(Ground::ChipWeak) {
        all.push(WEAK_CHIP_ACCEPTED.at(key("on.chip_weak"), "accept"));
    }
    if reads_chip && without(Piece::Number) {
        let names = without(Piece::Name) || accepts(Ground::NameDiffers);
        let births = without(Piece::BirthDate) || accepts(Ground::BirthDateDiffers);
        let rule = if newcomers && names && births { &IDENTITY_UNCHECKED } else { &NUMBER_UNCHECKED };
        all.push(rule.at(key("without"), "number"));
    }
    if accepts(Ground::CaptureIsChipPhoto) {
        all.push(CHIP_PHOTO_AS_CAPTURE.at(key("on.capture_is_chip_photo"), "accept"));
    }
    for ground in [Ground::CaptureIsEnrolledPhoto, Ground::FramesRepeated, Ground::FramesStill] {
        if accepts(ground) {
            let ground = ground.code().to_lowercase();
            all.push(STILL_PICTURES_ACCEPTED.at(key(&format!("on.{ground}")), "accept"));
        }
    }
    // Where it refers, a person looks: only the rates to approve at count.
    for (rate, value) in policy.rates() {
        if matches!(rate, "chip_fmr" | "reference_fmr") {
            all.extend(of_rate(&key(rate), value));
        }
    }
    if without(Piece::Liveness) {
        all.push(LIVENESS_OFF.at(key("without"), "liveness"));
    } else if policy.liveness_min() < LIVENESS_HEARD {
        all.push(LIVENESS_OFF.at(key("liveness_min"), policy.liveness_min().to_string()));
    }
    if without(Piece::Duplicates) {
        all.push(DUPLICATES_OFF.at(key("without"), "duplicates"));
    } else if policy.fpir() < FPIR_HEARD {
        all.push(DUPLICATES_OFF.at(key("fpir"), format!("{:e}", policy.fpir())));
    } else {
        all.extend(of_fpir(&key("fpir"), policy.fpir()));
    }
    for ground in RECORD_GROUNDS {
        if accepts(ground) {
            let ground = ground.code().to_lowercase();
            all.push(RECORD_DIFFERENCES_ACCEPTED.at(key(&format!("on.{ground}")), "accept"));
        }
    }
    if policy.attempts_max() > ATTEMPTS_FEW {
        all.push(ATTEMPTS_MANY.at(key("attempts_max"), policy.attempts_max().to_string()));
    }
    all
}

/// A false match rate that faces are accepted at.
pub(super) fn of_rate(key: &str, rate: f64) -> Option<Finding> {
    let found = format!("{rate:e}");
    if rate >= FMR_VERY_HIGH_FROM {
        Some(FMR_VERY_HIGH.at(key, found))
    } else {
        (rate > FMR_HIGH_ABOVE).then(|| FMR_HIGH.at(key, found))
    }
}

/// A false positive identification rate that searches are answered at.
pub(super) fn of_fpir(key: &str, rate: f64) -> Option<Finding> {
    (rate > FPIR_HIGH_ABOVE).then(|| FPIR_HIGH.at(key, format!("{rate:e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::beneficiary::PolicyFile;

    fn codes(text: &str) -> Vec<&'static str> {
        let policy = Policy::new(&toml::from_str::<PolicyFile>(text).unwrap()).unwrap();
        findings("p", &policy).iter().map(|finding| finding.rule.code).collect()
    }

    #[test]
    fn the_default_policy_breaks_no_rule() {
        assert_eq!(codes(""), [""; 0]);
    }

    #[test]
    fn each_dangerous_policy_breaks_its_rule() {
        for (text, expected) in [
            ("first_sight = \"enrol\"\non.chip_unanchored = \"accept\"", vec!["UNANCHORED_SUFFICES"]),
            ("first_sight = \"accept\"\non.chip_unanchored = \"accept\"", vec!["UNANCHORED_SUFFICES"]),
            ("on.chip_unanchored = \"accept\"", vec!["UNANCHORED_ACCEPTED"]),
            // A reference is needed, and the chip is not.
            ("without = [\"chip\"]\non.chip_unanchored = \"accept\"", vec!["UNANCHORED_ACCEPTED"]),
            ("on.chip_weak = \"accept\"", vec!["WEAK_CHIP_ACCEPTED"]),
            ("chip_fmr = 0.4\nliveness_min = 0", vec!["FMR_VERY_HIGH", "LIVENESS_OFF"]),
            ("reference_fmr = 0.01", vec!["FMR_VERY_HIGH"]),
            ("chip_fmr = 5e-3", vec!["FMR_HIGH"]),
            ("chip_fmr = 1e-3", vec![]),
            // What refers approves nobody.
            ("chip_refer_fmr = 0.4", vec![]),
            ("without = [\"liveness\"]", vec!["LIVENESS_OFF"]),
            ("without = [\"duplicates\"]", vec!["DUPLICATES_OFF"]),
            ("attempts_max = 10", vec!["ATTEMPTS_MANY"]),
            ("on.capture_is_chip_photo = \"accept\"", vec!["CHIP_PHOTO_AS_CAPTURE"]),
            ("on.frames_still = \"accept\"", vec!["STILL_PICTURES_ACCEPTED"]),
            ("without = [\"number\"]", vec!["NUMBER_UNCHECKED"]),
            ("without = [\"number\", \"name\", \"birth_date\"]\nfirst_sight = \"accept\"", vec!["IDENTITY_UNCHECKED"]),
            (
                "without = [\"number\", \"name\"]\nfirst_sight = \"enrol\"\non.birth_date_differs = \"accept\"",
                vec!["IDENTITY_UNCHECKED", "RECORD_DIFFERENCES_ACCEPTED"],
            ),
            ("on.name_differs = \"accept\"", vec!["RECORD_DIFFERENCES_ACCEPTED"]),
            ("on.sex_differs = \"accept\"", vec!["RECORD_DIFFERENCES_ACCEPTED"]),
            ("on.scheme_not_in_record = \"accept\"", vec!["RECORD_DIFFERENCES_ACCEPTED"]),
            ("fpir = 1e-7", vec!["DUPLICATES_OFF"]),
            ("fpir = 1e-6", vec![]),
            ("fpir = 0.1", vec![]),
            ("fpir = 0.5", vec!["FPIR_HIGH"]),
            // Nobody searches.
            ("fpir = 0.5\nwithout = [\"duplicates\"]", vec!["DUPLICATES_OFF"]),
            ("without = [\"chip\", \"number\"]", vec![]),
        ] {
            assert_eq!(codes(text), expected, "{text}");
        }
    }

    #[test]
    fn a_finding_names_the_key() {
        let policy = Policy::new(&toml::from_str("chip_fmr = 0.4").unwrap()).unwrap();
        let found = findings("clinic", &policy);
        assert_eq!((found[0].place.as_str(), found[0].found.as_str()), ("policies.clinic.chip_fmr", "4e-1"));
        assert_eq!(of_rate("engine.default_fmr", 0.5).unwrap().rule, &FMR_VERY_HIGH);
        assert_eq!(of_fpir("engine.default_fpir", 0.5).unwrap().rule, &FPIR_HIGH);
        assert_eq!(of_fpir("engine.default_fpir", 0.01), None);
    }
}
