//! The calibration of a model pack: FMR and FNMR curves by comparison type, valid for one recipe.
//!
//! # The file
//! `calibration.toml`, version 3. Rows are `[score, FMR, factor]` in `knots`, `[score, factor]` in
//! `tail_factors`, `[score, FNMR]` in `misses`; what they mean is documented at [`Curve`]. Curves
//! state the group of people they were fitted on (`group`), the unit that has equal weight
//! (`weighed`) and whether they were counted or derived (`basis`). Version 2 lacks these three: its
//! curves are pooled ones. Version 1 also lacks factors, and has tables instead of rows. Both are
//! still read.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::curve::{Curve, FnmrPoint, Knot, Reference, Tail, TailFactor};
use super::provenance::CurveChoice;
use crate::face::RecipeDigest;
use crate::{regular, typed};

/// Version of the file format that is written.
pub const CALIBRATION_VERSION: u32 = 3;
/// Longest name of a group, in bytes: it is part of every answer.
pub const GROUP_BYTES_MAX: usize = 200;
/// Comment lines written at the head of the file.
const FILE_NOTES: [&str; 6] = [
    "FMR x factor (95 %). tail_factors: [score, factor]. misses: [score, FNMR].",
    "group: whose rate it is: pooled, or the group with the highest FMR that the data can tell, with its",
    "people and comparisons. weighed: what counts the same. basis = \"derived\": the group has too few people",
    "with so many photos; it is its curve for single frames, with scores multiplied as much as fusing does",
    "with people of the population. misses_group: whose misses they are; pooled where few of the group have",
    "several photos.",
];
/// Largest file read, in bytes.
const BYTES_MAX: u64 = 16 << 20;
/// Oldest version that is read.
const VERSION_MIN: u32 = 1;

/// The calibrations of one recipe, one curve per comparison type.
///
/// Stored as `calibration.toml` in the model pack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Version of the file format: 1 to 3.
    pub version: u32,
    /// Hexadecimal digest of the recipe whose scores these are.
    pub recipe: String,
    /// One curve per comparison type.
    pub curves: Vec<Curve>,
}

/// Why a calibration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// The file cannot be read.
    #[error("cannot read the calibration {path}: {source}; restore the file or run `chinhchu calibrate`")]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a calibration.
    #[error("the calibration {path} is damaged: {detail}; restore it from the model pack")]
    Malformed {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// It was fitted on scores of another recipe.
    #[error("the calibration is for recipe {found}, the model pack makes {expected}; calibrate this pack")]
    OtherRecipe {
        /// Recipe in the file.
        found: String,
        /// Recipe of the pack.
        expected: RecipeDigest,
    },
    /// A false match rate outside 0…1, both ends excluded.
    #[error("a false match rate of {0} makes no sense; ask for one between 1e-12 and 0.5")]
    BadRate(f64),
    /// No curve for this comparison type.
    #[error("the model pack has no calibration for {0} fused frames; send another number of frames")]
    NoCurve(u32),
}

impl Calibration {
    /// Reads and checks a `calibration.toml`, and binds it to `recipe`.
    ///
    /// # Errors
    /// [`CalibrationError`] where the file cannot be read, makes no sense, or is of another recipe.
    pub fn load(path: &Path, recipe: RecipeDigest) -> Result<Self, CalibrationError> {
        Self::load_with_digest(path, recipe).map(|(calibration, _)| calibration)
    }

    /// The same, with the SHA-256 of the file.
    ///
    /// # Errors
    /// As [`Calibration::load`].
    pub fn load_with_digest(path: &Path, recipe: RecipeDigest) -> Result<(Self, [u8; 32]), CalibrationError> {
        let text = regular::read(path, BYTES_MAX)
            .and_then(|bytes| String::from_utf8(bytes).map_err(std::io::Error::other))
            .map_err(|source| CalibrationError::Unreadable { path: path.to_owned(), source })?;
        let malformed = |detail: String| CalibrationError::Malformed { path: path.to_owned(), detail };
        let calibration: Self = toml::from_str(&text).map_err(|e| malformed(typed::plain(e.message())))?;
        calibration.check().map_err(malformed)?;
        if calibration.recipe.parse() != Ok(recipe) {
            return Err(CalibrationError::OtherRecipe { found: calibration.recipe, expected: recipe });
        }
        Ok((calibration, Sha256::digest(text).into()))
    }

    /// Checks the version and that scores ascend and rates descend.
    fn check(&self) -> Result<(), String> {
        if !(VERSION_MIN..=CALIBRATION_VERSION).contains(&self.version) {
            return Err(format!(
                "version {} is not known, this program reads {VERSION_MIN} to {CALIBRATION_VERSION}",
                self.version
            ));
        }
        self.curves.iter().try_for_each(check_curve)
    }

    /// The curve for a probe of `frames` fused frames against a reference of any kind.
    ///
    /// If the pack has no curve for any kind of reference, another for the same number of frames is
    /// returned; [`Curve::reference`] says what it was fitted on.
    ///
    /// # Errors
    /// [`CalibrationError`] where the calibration has no such curve.
    pub fn curve(&self, choice: CurveChoice, frames: u32) -> Result<&Curve, CalibrationError> {
        self.curve_for(choice, frames, Reference::Any)
    }

    /// The curve for a probe of `frames` different frames against a `reference`: the one for this
    /// kind of reference, else for any kind, else for the other kind; among those the one that
    /// `choice` asks for, else the other. [`Curve::name`] says which it is.
    ///
    /// The kind of reference takes precedence over `choice`: an operator who fitted a curve on
    /// their own chip photos wants it used for chip photos even if it is only a pooled one.
    ///
    /// # Errors
    /// As [`Calibration::curve`].
    pub fn curve_for(
        &self,
        choice: CurveChoice,
        frames: u32,
        reference: Reference,
    ) -> Result<&Curve, CalibrationError> {
        let rank = |curve: &Curve| {
            let kind = match curve.reference {
                of if of == reference => 0,
                Reference::Any => 1,
                _ => 2,
            };
            (kind, curve.is_pooled() != (choice == CurveChoice::Pooled))
        };
        self.curves
            .iter()
            .filter(|c| c.probe_frames == frames)
            .min_by_key(|c| rank(c))
            .ok_or(CalibrationError::NoCurve(frames))
    }

    /// The text of `calibration.toml` in the current version, one row per line.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "# Score to false match rate, written by `chinhchu calibrate`.")?;
        writeln!(text, "# knots: [score, FMR, factor]: for other people, expect the FMR between FMR / factor and")?;
        for line in FILE_NOTES {
            writeln!(text, "# {line}")?;
        }
        writeln!(text, "version = {CALIBRATION_VERSION}\nrecipe = {}", quoted(&self.recipe))?;
        for curve in &self.curves {
            writeln!(text, "\n[[curves]]\nprobe_frames = {}", curve.probe_frames)?;
            writeln!(text, "reference = {}", quoted(curve.reference.name()))?;
            writeln!(text, "group = {}", quoted(&curve.group))?;
            writeln!(text, "weighed = {}", quoted(curve.weighed.name()))?;
            writeln!(text, "basis = {}", quoted(curve.basis.name()))?;
            writeln!(text, "population = {}\ndate = {}", quoted(&curve.population), quoted(&curve.date))?;
            writeln!(text, "subjects = {}", curve.subjects)?;
            writeln!(text, "impostor_comparisons = {}", curve.impostor_comparisons)?;
            writeln!(text, "genuine_comparisons = {}", curve.genuine_comparisons)?;
            writeln!(text, "misses_group = {}", quoted(&curve.misses_group))?;
            writeln!(text, "knots = [")?;
            for Knot { score, fmr, factor } in &curve.knots {
                match factor {
                    Some(factor) => writeln!(text, "    [{score:?}, {fmr:?}, {factor:?}],")?,
                    None => writeln!(text, "    [{score:?}, {fmr:?}],")?,
                }
            }
            let Tail { slope, curvature } = curve.tail;
            writeln!(text, "]\ntail = {{ slope = {slope:?}, curvature = {curvature:?} }}")?;
            writeln!(text, "tail_factors = [")?;
            for TailFactor { score, factor } in &curve.tail_factors {
                writeln!(text, "    [{score:?}, {factor:?}],")?;
            }
            writeln!(text, "]\nmisses = [")?;
            for FnmrPoint { score, fnmr } in &curve.misses {
                writeln!(text, "    [{score:?}, {fnmr:?}],")?;
            }
            writeln!(text, "]")?;
        }
        Ok(())
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn check_curve(curve: &Curve) -> Result<(), String> {
    let frames = curve.probe_frames;
    if curve.group.is_empty() || curve.group.len() > GROUP_BYTES_MAX || curve.group.chars().any(char::is_control) {
        return Err(format!("the group of the curve for {frames} frames is no name"));
    }
    if curve.knots.len() < 2 {
        return Err(format!("the curve for {frames} frames has fewer than two knots"));
    }
    let rising = curve.knots.windows(2).all(|w| w[0].score < w[1].score && w[0].fmr > w[1].fmr);
    let sane = curve.knots.iter().all(|k| k.score.is_finite() && k.fmr > 0.0 && k.fmr <= 1.0);
    if !rising || !sane {
        return Err(format!("the knots for {frames} frames do not fall from score to score"));
    }
    let known = curve.misses.windows(2).all(|w| w[0].score < w[1].score && w[0].fnmr <= w[1].fnmr);
    if !known || curve.misses.iter().any(|m| !(0.0..=1.0).contains(&m.fnmr) || !m.score.is_finite()) {
        return Err(format!("the misses for {frames} frames do not rise from score to score"));
    }
    let Tail { slope, curvature } = curve.tail;
    if !(slope > 0.0 && curvature >= 0.0 && slope.is_finite() && curvature.is_finite()) {
        return Err(format!("the tail for {frames} frames does not fall"));
    }
    let mut factors = curve.knots.iter().filter_map(|k| k.factor).chain(curve.tail_factors.iter().map(|f| f.factor));
    let last = curve.knots[curve.knots.len() - 1].score;
    let scores = std::iter::once(last).chain(curve.tail_factors.iter().map(|f| f.score)).collect::<Vec<_>>();
    if factors.any(|f| !(f.is_finite() && f >= 1.0)) || !scores.windows(2).all(|w| w[0] < w[1] && w[1].is_finite()) {
        return Err(format!("the factors for {frames} frames make no sense"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::curve::tests::curve;
    use super::super::provenance::{CurveBasis, Weighting};
    use super::*;

    fn made(curves: Vec<Curve>) -> Calibration {
        Calibration { version: CALIBRATION_VERSION, recipe: "ab".repeat(32), curves }
    }

    #[test]
    fn a_calibration_of_another_recipe_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calibration.toml");
        std::fs::write(&path, made(vec![curve()]).to_toml()).unwrap();
        assert!(Calibration::load(&path, RecipeDigest([0xab; 32])).is_ok());
        assert!(matches!(
            Calibration::load(&path, RecipeDigest([0xac; 32])),
            Err(CalibrationError::OtherRecipe { .. })
        ));
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut other = curve();
        other.reference = Reference::Chip;
        other.population = "\"quoted\" \\ and\nbroken".into();
        other.knots[0].factor = None;
        other.group = "sex=\"F\"".into();
        other.weighed = Weighting::People;
        other.basis = CurveBasis::Derived;
        let calibration = made(vec![curve(), other]);
        assert_eq!(toml::from_str::<Calibration>(&calibration.to_toml()).unwrap(), calibration);
    }

    #[test]
    fn a_file_of_version_1_is_still_read() {
        let text = "version = 1\nrecipe = \"RECIPE\"\n[[curves]]\nprobe_frames = 1\npopulation = \"p\"\n\
            date = \"2026-01-01\"\nsubjects = 3\nimpostor_comparisons = 100\ntail = { slope = 2.0, curvature = 1.0 }\n\
            knots = [{ score = 0.1, fmr = 0.5 }, { score = 0.2, fmr = 0.1 }]\nmisses = [{ score = 0.1, fnmr = 0.1 }]\n";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calibration.toml");
        std::fs::write(&path, text.replace("RECIPE", &"ab".repeat(32))).unwrap();
        let calibration = Calibration::load(&path, RecipeDigest([0xab; 32])).unwrap();
        let curve = calibration.curve(CurveChoice::WorstGroup, 1).unwrap();
        assert_eq!((curve.reference, curve.fmr_interval(0.1)), (Reference::Any, None));
        assert_eq!(curve.misses[0].fnmr, 0.1);
        assert!(curve.is_pooled());
    }

    #[test]
    fn the_curve_of_the_same_kind_of_reference_goes_first() {
        let of = |reference| Curve { reference, ..curve() };
        let all = made(vec![of(Reference::Live), of(Reference::Any), of(Reference::Chip)]);
        for kind in [Reference::Any, Reference::Chip, Reference::Live] {
            assert_eq!(all.curve_for(CurveChoice::Pooled, 1, kind).unwrap().reference, kind);
        }
        let some = made(vec![of(Reference::Live), of(Reference::Any)]);
        let chip = some.curve_for(CurveChoice::Pooled, 1, Reference::Chip).unwrap();
        assert_eq!(chip.reference, Reference::Any);
        let none = some.curve_for(CurveChoice::Pooled, 2, Reference::Any);
        assert!(matches!(none, Err(CalibrationError::NoCurve(2))));
    }

    #[test]
    fn a_curve_fitted_on_chip_photos_is_used_for_them_though_it_is_pooled_alone() {
        let of = |group: &str, reference| Curve { group: group.into(), reference, ..curve() };
        let fitted =
            made(vec![of("pooled", Reference::Any), of("sex=F", Reference::Any), of("pooled", Reference::Chip)]);
        let name = |reference| fitted.curve_for(CurveChoice::WorstGroup, 1, reference).unwrap().name();
        let chip = name(Reference::Chip);
        assert_eq!((chip.group.as_str(), chip.reference, chip.probe_frames), ("pooled", Reference::Chip, 1));
        for other in [Reference::Live, Reference::Any] {
            assert_eq!((name(other).group.as_str(), name(other).reference), ("sex=F", Reference::Any));
        }
    }

    #[test]
    fn the_operator_chooses_the_group_and_each_stands_in_for_the_other() {
        let of = |group: &str, frames| Curve { group: group.into(), probe_frames: frames, ..curve() };
        let both = made(vec![of("pooled", 1), of("sex=F", 1), of("pooled", 2)]);
        let group = |choice, frames| both.curve(choice, frames).unwrap().group.clone();
        assert_eq!(group(CurveChoice::WorstGroup, 1), "sex=F");
        assert_eq!(group(CurveChoice::default(), 1), "sex=F");
        assert_eq!(group(CurveChoice::Pooled, 1), "pooled");
        // The group has no curve for two frames: the pooled one is used, and its name says so.
        assert_eq!(group(CurveChoice::WorstGroup, 2), "pooled");
        let alone = made(vec![of("sex=F", 1)]);
        assert_eq!(alone.curve(CurveChoice::Pooled, 1).unwrap().group, "sex=F");
    }

    #[test]
    fn a_file_of_version_2_is_still_read_and_its_curves_are_pooled() {
        let text = made(vec![curve()]).to_toml();
        let old: String = text
            .replace("version = 3", "version = 2")
            .lines()
            .filter(|line| !["group", "weighed", "basis", "misses_group"].iter().any(|key| line.starts_with(key)))
            .map(|line| format!("{line}\n"))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calibration.toml");
        std::fs::write(&path, old).unwrap();
        let read = Calibration::load(&path, RecipeDigest([0xab; 32])).unwrap();
        assert_eq!(read.curves, made(vec![curve()]).curves);
    }

    #[test]
    fn a_curve_that_makes_no_sense_is_refused() {
        let spoilt: [fn(&mut Curve); 10] = [
            |c| c.group.clear(),
            |c| c.group = "a\nb".into(),
            |c| c.knots.swap(0, 1),
            |c| c.tail.slope = f64::NAN,
            |c| c.misses.swap(0, 1),
            |c| c.knots[0].factor = Some(0.5),
            |c| c.tail_factors[0].score = 0.0,
            |c| c.tail_factors[1].factor = f64::INFINITY,
            |c| c.tail_factors.last_mut().unwrap().score = f64::NAN,
            |c| c.tail_factors.last_mut().unwrap().score = f64::INFINITY,
        ];
        for spoil in spoilt {
            let mut bad = made(vec![curve()]);
            assert!(bad.check().is_ok());
            spoil(&mut bad.curves[0]);
            assert!(bad.check().is_err());
        }
        assert!(Calibration { version: 4, ..made(vec![curve()]) }.check().is_err());
    }
}
