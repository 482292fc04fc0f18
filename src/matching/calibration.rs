//! Score to false match rate, and back.
//!
//! A curve is empirical where the data is plenty: knots of (score, FMR) from
//! counted impostor comparisons, interpolated linearly in (score, log FMR).
//! Beyond the last knot the data supports (fewer than 30 false matches: ISO/IEC
//! 19795-1's "rule of 30"), a fitted tail goes on and everything read from it is
//! marked extrapolated.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::face::RecipeDigest;

/// The calibrations of one recipe, one curve per number of fused probe frames.
///
/// Stored as `calibration.toml` in the model pack.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Version of the file format: 1.
    pub version: u32,
    /// Hexadecimal digest of the recipe whose scores these are.
    pub recipe: String,
    /// One curve per comparison type.
    pub curves: Vec<Curve>,
}

/// FMR by score for one comparison type, and where it comes from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// Frames fused into the probe: 1…5.
    pub probe_frames: u32,
    /// Whose faces: data set and selection.
    pub population: String,
    /// Day of the fit, `YYYY-MM-DD`.
    pub date: String,
    /// Subjects in the data.
    pub subjects: u64,
    /// Impostor comparisons counted.
    pub impostor_comparisons: u64,
    /// Scores in ascending order, FMR in descending order; the last knot is the
    /// last the data supports.
    pub knots: Vec<Knot>,
    /// What goes on beyond the last knot.
    pub tail: Tail,
    /// Genuine comparisons counted; 0 where the misses were not measured.
    #[serde(default)]
    pub genuine_comparisons: u64,
    /// Scores and miss rates, both ascending: `fnmr` of genuine comparisons score
    /// below `score`.
    #[serde(default)]
    pub misses: Vec<Miss>,
}

/// One point of the genuine curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Miss {
    /// Comparison score.
    pub score: f64,
    /// False non-match rate at that score as threshold.
    pub fnmr: f64,
}

/// A false non-match rate, and whether the data supports it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fnmr {
    /// Share of genuine comparisons below the score, 0…1.
    pub rate: f64,
    /// True beyond the scores the data covers: the true rate may lie on either side.
    pub extrapolated: bool,
}

/// One point of the curve: `fmr` of impostor comparisons score at or above `score`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knot {
    /// Comparison score.
    pub score: f64,
    /// False match rate at that score as threshold.
    pub fmr: f64,
}

/// `ln FMR(s) = ln FMR(s0) − slope·(s − s0) − curvature·(s − s0)²` beyond the
/// last knot `s0`: the shape of a normal distribution's tail.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tail {
    /// Per unit of score, positive.
    pub slope: f64,
    /// Per unit of score squared, not negative.
    pub curvature: f64,
}

/// A false match rate, and whether the data supports it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fmr {
    /// Share of impostor comparisons at or above the score, 0…1.
    pub rate: f64,
    /// True where it comes from the fitted tail instead of counted comparisons.
    pub extrapolated: bool,
}

/// The score at which a false match rate is reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Scores at or above it match.
    pub score: f32,
    /// True where it comes from the fitted tail instead of counted comparisons.
    pub extrapolated: bool,
}

/// Why a calibration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// The file cannot be read.
    #[error("cannot read the calibration {path}: {source}; restore the file or run scripts/calibrate")]
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

/// Rates smaller than this are given as this: no tail fit means anything there.
pub const FMR_FLOOR: f64 = 1e-12;

impl Calibration {
    /// Reads and checks a `calibration.toml`, and binds it to `recipe`.
    pub fn load(path: &Path, recipe: RecipeDigest) -> Result<Self, CalibrationError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| CalibrationError::Unreadable { path: path.to_owned(), source })?;
        let malformed = |detail: String| CalibrationError::Malformed { path: path.to_owned(), detail };
        let calibration: Self = toml::from_str(&text).map_err(|e| malformed(e.message().to_owned()))?;
        calibration.check().map_err(malformed)?;
        if calibration.recipe.parse() != Ok(recipe) {
            return Err(CalibrationError::OtherRecipe { found: calibration.recipe, expected: recipe });
        }
        Ok(calibration)
    }

    /// What makes a calibration usable: known version, rising scores, falling rates.
    fn check(&self) -> Result<(), String> {
        if self.version != 1 {
            return Err(format!("version {} is not known, this program reads 1", self.version));
        }
        for curve in &self.curves {
            let frames = curve.probe_frames;
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
        }
        Ok(())
    }

    /// The curve for a probe of `frames` fused frames.
    pub fn curve(&self, frames: u32) -> Result<&Curve, CalibrationError> {
        self.curves.iter().find(|c| c.probe_frames == frames).ok_or(CalibrationError::NoCurve(frames))
    }
}

impl Curve {
    /// The false match rate with `score` as threshold.
    ///
    /// Never rises with the score. Below the first knot the first knot's rate is
    /// given; nothing below 1e-12 is.
    pub fn fmr(&self, score: f32) -> Fmr {
        let score = f64::from(score);
        let (first, last) = (self.knots[0], self.knots[self.knots.len() - 1]);
        if score > last.score {
            let beyond = score - last.score;
            let ln = last.fmr.ln() - self.tail.slope * beyond - self.tail.curvature * beyond * beyond;
            return Fmr { rate: ln.exp().max(FMR_FLOOR), extrapolated: true };
        }
        if score <= first.score {
            return Fmr { rate: first.fmr, extrapolated: false };
        }
        let upper = self.knots.partition_point(|k| k.score < score);
        let (a, b) = (self.knots[upper - 1], self.knots[upper]);
        let share = (score - a.score) / (b.score - a.score);
        let rate = (a.fmr.ln() + share * (b.fmr.ln() - a.fmr.ln())).exp();
        Fmr { rate, extrapolated: false }
    }

    /// The false non-match rate with `score` as threshold, linear between the points
    /// measured; `None` where the calibration has no genuine comparisons.
    pub fn fnmr(&self, score: f32) -> Option<Fnmr> {
        let score = f64::from(score);
        let (first, last) = (self.misses.first()?, self.misses.last()?);
        if score <= first.score || score >= last.score {
            let rate = if score <= first.score { first.fnmr } else { last.fnmr };
            return Some(Fnmr { rate, extrapolated: score < first.score || score > last.score });
        }
        let upper = self.misses.partition_point(|m| m.score < score);
        let (a, b) = (self.misses[upper - 1], self.misses[upper]);
        let share = (score - a.score) / (b.score - a.score);
        Some(Fnmr { rate: a.fnmr + share * (b.fnmr - a.fnmr), extrapolated: false })
    }

    /// The lowest score whose false match rate is at most `fmr`.
    pub fn threshold(&self, fmr: f64) -> Result<Threshold, CalibrationError> {
        if !(FMR_FLOOR..=0.5).contains(&fmr) {
            return Err(CalibrationError::BadRate(fmr));
        }
        let last = self.knots[self.knots.len() - 1];
        let extrapolated = fmr < last.fmr;
        let score = if extrapolated {
            // Positive root of curvature·x² + slope·x = ln(last.fmr / fmr).
            let (a, b, c) = (self.tail.curvature, self.tail.slope, (last.fmr / fmr).ln());
            last.score + 2.0 * c / (b + (b * b + 4.0 * a * c).sqrt())
        } else {
            let upper = self.knots.partition_point(|k| k.fmr > fmr);
            if upper == 0 {
                self.knots[0].score
            } else {
                let (a, b) = (self.knots[upper - 1], self.knots[upper]);
                let share = (a.fmr.ln() - fmr.ln()) / (a.fmr.ln() - b.fmr.ln());
                a.score + share * (b.score - a.score)
            }
        };
        // Rounding to f32 must not let a score in whose rate is above the one asked for.
        let mut score = score as f32;
        while self.fmr(score).rate > fmr && score < 2.0 {
            score = score.next_up();
        }
        Ok(Threshold { score, extrapolated })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn curve() -> Curve {
        Curve {
            probe_frames: 1,
            population: "made up".into(),
            date: "2026-01-01".into(),
            subjects: 10,
            impostor_comparisons: 1000,
            knots: vec![Knot { score: 0.0, fmr: 0.5 }, Knot { score: 0.2, fmr: 1e-2 }, Knot { score: 0.42, fmr: 1e-4 }],
            tail: Tail { slope: 25.0, curvature: 30.0 },
            genuine_comparisons: 100,
            misses: vec![Miss { score: 0.2, fnmr: 0.01 }, Miss { score: 0.6, fnmr: 0.41 }],
        }
    }

    #[test]
    fn what_the_data_does_not_support_is_marked() {
        assert!(!curve().fmr(0.42).extrapolated);
        assert!(curve().fmr(0.43).extrapolated);
        assert!(!curve().threshold(1e-4).unwrap().extrapolated);
        assert!(curve().threshold(9e-5).unwrap().extrapolated);
    }

    #[test]
    fn senseless_rates_are_refused() {
        for rate in [0.0, -1.0, 0.6, f64::NAN, f64::INFINITY, 1e-13] {
            assert!(curve().threshold(rate).is_err(), "{rate}");
        }
    }

    #[test]
    fn a_calibration_of_another_recipe_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calibration.toml");
        let calibration = Calibration { version: 1, recipe: "ab".repeat(32), curves: vec![curve()] };
        std::fs::write(&path, toml::to_string(&calibration).unwrap()).unwrap();
        assert!(Calibration::load(&path, RecipeDigest([0xab; 32])).is_ok());
        assert!(matches!(
            Calibration::load(&path, RecipeDigest([0xac; 32])),
            Err(CalibrationError::OtherRecipe { .. })
        ));
    }

    #[test]
    fn misses_are_read_between_the_points_measured() {
        let at = |score| curve().fnmr(score).unwrap();
        assert!((at(0.4).rate - 0.21).abs() < 1e-6 && !at(0.4).extrapolated);
        assert!(at(0.1).extrapolated && at(0.7).extrapolated);
        assert_eq!(Curve { misses: Vec::new(), ..curve() }.fnmr(0.4), None);
    }

    #[test]
    fn a_curve_that_rises_is_refused() {
        let mut bad = Calibration { version: 1, recipe: "ab".repeat(32), curves: vec![curve()] };
        bad.curves[0].knots.swap(0, 1);
        assert!(bad.check().is_err());
        bad.curves[0] = curve();
        bad.curves[0].tail.slope = f64::NAN;
        assert!(bad.check().is_err());
    }

    proptest! {
        #[test]
        fn fmr_never_rises_with_the_score(a in -1.0f32..1.0, b in -1.0f32..1.0) {
            let (low, high) = if a < b { (a, b) } else { (b, a) };
            prop_assert!(curve().fmr(low).rate >= curve().fmr(high).rate);
        }

        #[test]
        fn the_threshold_keeps_its_rate_and_is_the_lowest_that_does(exponent in -11.9f64..-0.31) {
            let fmr = 10f64.powf(exponent);
            let threshold = curve().threshold(fmr).unwrap();
            prop_assert!(curve().fmr(threshold.score).rate <= fmr);
            prop_assert!(curve().fmr(threshold.score - 1e-4).rate > fmr * 0.999);
        }
    }
}
