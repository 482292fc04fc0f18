//! Calibration curves: comparison score to FMR and FNMR, and FMR to threshold (ISO/IEC 19795-1).
//!
//! A curve is empirical as far as the data supports it: knots of (score, FMR) counted over impostor
//! comparisons, interpolated linearly in (score, ln FMR). Beyond the last knot, which rests on at
//! least 30 false matches (the "rule of 30" of ISO/IEC 19795-1), it continues as a fitted tail;
//! values read from the tail are marked extrapolated.
//!
//! # How sure it is
//! A rate counted on one sample of people differs from that of another: few look-alikes decide it.
//! Each knot has a *factor* by which the rate observed on an equally large sample of other people
//! of the same population differs at most, in either direction, in 95 % of cases. This is a
//! prediction interval, about √2 wider (in ln FMR) than the confidence interval of the rate,
//! because the later sample varies, too.
//!
//! # Whose rate it is
//! A *pooled* curve counts all comparisons of its population. People of one sex and origin are more
//! similar to each other than to others, so a calibration may hold a second curve, of the group
//! with the highest measurable FMR ([`super::worst_group`]).

use serde::{Deserialize, Serialize};

use super::CalibrationError;
use super::provenance::{CurveBasis, CurveName, POOLED, Weighting, pooled};

/// Lowest rate returned: below it no fitted tail is meaningful.
pub const FMR_FLOOR: f64 = 1e-12;

/// What a probe is compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reference {
    /// Any kind, or unknown; references in a gallery are of all kinds.
    #[default]
    Any,
    /// A photo taken live.
    Live,
    /// The photo on the card's chip.
    Chip,
}

impl Reference {
    /// Its name in files: `any`, `live` or `chip`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Live => "live",
            Self::Chip => "chip",
        }
    }
}

/// FMR by score for one comparison type, and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// Frames fused into the probe: 1…5.
    pub probe_frames: u32,
    /// What the probes were compared with.
    #[serde(default)]
    pub reference: Reference,
    /// [`POOLED`], or the group of people it was fitted on, as `sex=F`.
    #[serde(default = "pooled")]
    pub group: String,
    /// The unit that has equal weight in its rates.
    #[serde(default)]
    pub weighed: Weighting,
    /// Whether it was counted or derived from other curves.
    #[serde(default)]
    pub basis: CurveBasis,
    /// Population: data set and selection of photos.
    pub population: String,
    /// Day of the fit, `YYYY-MM-DD`.
    pub date: String,
    /// Subjects in the data.
    pub subjects: u64,
    /// Impostor comparisons counted.
    pub impostor_comparisons: u64,
    /// Scores ascending, FMR descending; the last knot rests on at least 30 false matches.
    pub knots: Vec<Knot>,
    /// The fitted tail beyond the last knot.
    pub tail: Tail,
    /// Interval factors of the tail at scores beyond the last knot, ascending.
    #[serde(default)]
    pub tail_factors: Vec<TailFactor>,
    /// Genuine comparisons counted; 0 where the misses were not measured.
    #[serde(default)]
    pub genuine_comparisons: u64,
    /// Group of people of `misses`: [`Self::group`], or [`POOLED`] if the group has too few people
    /// with several photos.
    #[serde(default = "pooled")]
    pub misses_group: String,
    /// Scores and miss rates, both ascending: `fnmr` of genuine comparisons score
    /// below `score`.
    #[serde(default)]
    pub misses: Vec<FnmrPoint>,
}

/// One point of the curve: `fmr` of impostor comparisons score at or above `score`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "KnotRow", into = "KnotRow")]
pub struct Knot {
    /// Comparison score.
    pub score: f64,
    /// False match rate at that score as threshold.
    pub fmr: f64,
    /// The 95 % prediction interval is `fmr / factor` to `fmr · factor`; at least 1.
    pub factor: Option<f64>,
}

/// Interval factor of the tail at a score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f64; 2]", into = "[f64; 2]")]
pub struct TailFactor {
    /// Comparison score, above the last knot's.
    pub score: f64,
    /// As [`Knot::factor`].
    pub factor: f64,
}

/// One point of the genuine curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "MissRow", into = "MissRow")]
pub struct FnmrPoint {
    /// Comparison score.
    pub score: f64,
    /// False non-match rate at that score as threshold.
    pub fnmr: f64,
}

/// A knot as stored: a row, or a table as version 1 had it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum KnotRow {
    Sure([f64; 3]),
    Plain([f64; 2]),
    #[serde(skip_serializing)]
    Table {
        score: f64,
        fmr: f64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum MissRow {
    Row([f64; 2]),
    #[serde(skip_serializing)]
    Table {
        score: f64,
        fnmr: f64,
    },
}

impl From<KnotRow> for Knot {
    fn from(row: KnotRow) -> Self {
        match row {
            KnotRow::Sure([score, fmr, factor]) => Self { score, fmr, factor: Some(factor) },
            KnotRow::Plain([score, fmr]) | KnotRow::Table { score, fmr } => Self { score, fmr, factor: None },
        }
    }
}

impl From<Knot> for KnotRow {
    fn from(Knot { score, fmr, factor }: Knot) -> Self {
        match factor {
            Some(factor) => Self::Sure([score, fmr, factor]),
            None => Self::Plain([score, fmr]),
        }
    }
}

impl From<[f64; 2]> for TailFactor {
    fn from([score, factor]: [f64; 2]) -> Self {
        Self { score, factor }
    }
}

impl From<TailFactor> for [f64; 2] {
    fn from(row: TailFactor) -> Self {
        [row.score, row.factor]
    }
}

impl From<MissRow> for FnmrPoint {
    fn from(row: MissRow) -> Self {
        match row {
            MissRow::Row([score, fnmr]) | MissRow::Table { score, fnmr } => Self { score, fnmr },
        }
    }
}

impl From<FnmrPoint> for MissRow {
    fn from(miss: FnmrPoint) -> Self {
        Self::Row([miss.score, miss.fnmr])
    }
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

impl Tail {
    /// By how much `ln FMR` at `beyond` above the last knot is below that of the knot.
    pub fn ln_fall(&self, beyond: f64) -> f64 {
        self.slope * beyond + self.curvature * beyond * beyond
    }

    /// Score above the last knot at which `ln FMR` has fallen by `ln_fall` ≥ 0: the positive root
    /// of `curvature·x² + slope·x = ln_fall`.
    pub fn reach(&self, ln_fall: f64) -> f64 {
        2.0 * ln_fall / (self.slope + (self.slope * self.slope + 4.0 * self.curvature * ln_fall).sqrt())
    }
}

/// A false match rate, and whether it is extrapolated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fmr {
    /// Share of impostor comparisons at or above the score, 0…1.
    pub rate: f64,
    /// True where it comes from the fitted tail instead of counted comparisons.
    pub extrapolated: bool,
}

/// Where the rate seen on as many other people of the same population lies, in 95 of
/// 100 cases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RateInterval {
    /// Lower end, 0…1.
    pub low: f64,
    /// Upper end, 0…1.
    pub high: f64,
}

/// A false non-match rate, and whether the data supports it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fnmr {
    /// Share of genuine comparisons below the score, 0…1.
    pub rate: f64,
    /// True beyond the scores the data covers: the true rate may lie on either side.
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

impl Curve {
    /// What answers call it.
    pub fn name(&self) -> CurveName {
        CurveName {
            group: self.group.clone(),
            population: self.population.clone(),
            basis: self.basis,
            reference: self.reference,
            probe_frames: self.probe_frames,
        }
    }

    /// Whether it counts everybody in its population.
    pub fn is_pooled(&self) -> bool {
        self.group == POOLED
    }

    /// The false match rate with `score` as threshold.
    ///
    /// Never rises with the score. Below the first knot the first knot's rate is
    /// given; nothing below 1e-12 is.
    pub fn fmr(&self, score: f32) -> Fmr {
        let score = f64::from(score);
        let (first, last) = (self.knots[0], self.knots[self.knots.len() - 1]);
        if score > last.score {
            let ln = last.fmr.ln() - self.tail.ln_fall(score - last.score);
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

    /// The interval of the rate with `score` as threshold: where the rate seen on as
    /// many other people of this population is expected, in 95 of 100 cases. Beyond
    /// the last knot it says how sure the fit of the tail is, not whether a tail of
    /// this shape goes on there. `None` where the calibration does not say.
    pub fn fmr_interval(&self, score: f32) -> Option<RateInterval> {
        let at = f64::from(score);
        let known = self.knots.iter().map(|k| Some((k.score, k.factor?.ln())));
        let tail = self.tail_factors.iter().map(|f| Some((f.score, f.factor.ln())));
        let points: Vec<(f64, f64)> = known.chain(tail).collect::<Option<_>>()?;
        let upper = points.partition_point(|(score, _)| *score < at).clamp(1, points.len() - 1);
        let ((from, low), (to, high)) = (points[upper - 1], points[upper]);
        // Before the first point as at it; beyond the last as the line goes on.
        let share = ((at - from) / (to - from)).max(0.0);
        let spread = (low + share * (high - low)).max(0.0);
        let rate = self.fmr(score).rate;
        Some(RateInterval { low: rate * (-spread).exp(), high: (rate * spread.exp()).min(1.0) })
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

    /// The lowest false match rate that was counted, and not extrapolated.
    pub fn fmr_supported(&self) -> f64 {
        self.knots[self.knots.len() - 1].fmr
    }

    /// The lowest score whose false match rate is at most `fmr`.
    ///
    /// # Errors
    /// [`CalibrationError`] for a rate outside what the curve can say.
    pub fn threshold(&self, fmr: f64) -> Result<Threshold, CalibrationError> {
        if !(FMR_FLOOR..=0.5).contains(&fmr) {
            return Err(CalibrationError::BadRate(fmr));
        }
        let last = self.knots[self.knots.len() - 1];
        let extrapolated = fmr < last.fmr;
        let score = if extrapolated {
            last.score + self.tail.reach((last.fmr / fmr).ln())
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
pub(super) mod tests {
    use super::super::fixture;
    use super::*;
    use proptest::prelude::*;

    pub fn curve() -> Curve {
        let knot = |score, fmr, factor| Knot { score, fmr, factor: Some(factor) };
        Curve {
            knots: vec![knot(0.0, 0.5, 1.1), knot(0.2, 1e-2, 1.5), knot(0.42, 1e-4, 3.0)],
            tail: Tail { slope: 25.0, curvature: 30.0 },
            tail_factors: vec![TailFactor { score: 0.5, factor: 4.0 }, TailFactor { score: 0.6, factor: 8.0 }],
            genuine_comparisons: 100,
            misses: vec![FnmrPoint { score: 0.2, fnmr: 0.01 }, FnmrPoint { score: 0.6, fnmr: 0.41 }],
            ..fixture::curve(&[], None, 1.0)
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
    fn misses_are_read_between_the_points_measured() {
        let at = |score| curve().fnmr(score).unwrap();
        assert!((at(0.4).rate - 0.21).abs() < 1e-6 && !at(0.4).extrapolated);
        assert!(at(0.1).extrapolated && at(0.7).extrapolated);
        assert_eq!(Curve { misses: Vec::new(), ..curve() }.fnmr(0.4), None);
    }

    #[test]
    fn the_interval_is_read_between_the_points_and_widens_beyond_them() {
        let factor = |score: f32| {
            let RateInterval { low, high } = curve().fmr_interval(score).unwrap();
            let rate = curve().fmr(score).rate;
            assert!(low <= rate && (rate / low).ln() - (high / rate).ln() < 1e-9);
            rate / low
        };
        assert!((factor(0.2) - 1.5).abs() < 1e-6 && (factor(-0.5) - 1.1).abs() < 1e-9);
        assert!((factor(0.1) - (1.1f64 * 1.5).sqrt()).abs() < 1e-6);
        // From 4 to 8 over a tenth: 16 a tenth further.
        assert!((factor(0.7) - 16.0).abs() < 1e-4);
        let mut unsaid = curve();
        unsaid.knots[1].factor = None;
        assert_eq!(unsaid.fmr_interval(0.2), None);
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
