//! How many of the pairs found would chance alone give?
//!
//! Two answers, both stated: from this gallery's own *non-mates* (pairs of different
//! subjects, sampled), and from the calibration of the model pack. The gallery's own is
//! the better one: the pack's was fitted on other people, under another light.
//!
//! # How it is estimated
//! Rows are drawn with a fixed seed and compared with each other. Where sex, age group
//! or the like are known, pairs that agree in all of them and pairs that do not are
//! sampled apart and weighted by how many of each the audit compares: nearly all chance
//! pairs are of the first kind. Each sample gives a curve, counted as far down as 30
//! pairs support and continued by a fitted tail, with an interval from leaving out one
//! person at a time (`evaluation::fit_curve`).
//!
//! # A gallery full of duplicates
//! People enrolled twice hide among the sampled non-mates. [`sample`] says how
//! they are set aside; how many were is in [`SampledKind::set_aside`].
//!
//! # Of template pairs, and of links
//! All of that is of template pairs. What it says of a link between two records, which
//! may have one template pair or a hundred thousand, is in [`links`].

mod links;
mod local;
mod meetings;
mod sample;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::links::{LinkBand, LinkChance};
pub use self::local::{Band, LocalChance};
pub use self::meetings::Meetings;
use self::sample::{Sample, SamplingRefusal};
use super::shared_templates::SharedTemplates;
use crate::matching::Curve;
use crate::search::{SearchError, Side};

/// Sampled comparisons where the caller does not say: some seconds of one core.
pub const SAMPLED_MAX_DEFAULT: u64 = 20_000_000;

/// What is compared, and how to sample it.
#[derive(Clone, Copy)]
pub struct SamplingPlan<'a> {
    /// The templates.
    pub first: SamplingSide<'a>,
    /// Those they are compared with, where it is another gallery.
    pub second: Option<SamplingSide<'a>>,
    /// Templates that both hold: their pairs count once. `None` where there are none.
    pub shared: Option<&'a SharedTemplates>,
    /// Pairs of rows of different subjects that the audit decides, each counted once.
    pub comparisons: u64,
    /// The pack's calibration for what is compared.
    pub calibration: Option<&'a Curve>,
    /// Sampled comparisons at most ([`SAMPLED_MAX_DEFAULT`]).
    pub sampled_max: u64,
    /// Fixes the sample.
    pub seed: u64,
}

/// Templates of one gallery.
#[derive(Clone, Copy)]
pub struct SamplingSide<'a> {
    /// Vectors, and by row the number of the subject.
    pub side: Side<'a>,
    /// By row, the number of its combination of sex, age group and the like; `None`
    /// where not all of them are known. `None` altogether where none is.
    pub strata: Option<&'a [Option<u32>]>,
}

/// A number with an interval of 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// True where it rests on a fitted tail instead of counted comparisons.
    pub extrapolated: bool,
}

/// Which pairs a sample is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KindOfPair {
    /// All: nothing is known of the subjects.
    Any,
    /// Both agree in sex, age group and whatever else is known.
    Alike,
    /// They do not, or something is not known of one.
    Unlike,
}

/// What was found out about one kind of pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampledKind {
    /// Which pairs.
    pub of: KindOfPair,
    /// Comparisons of the audit that are of this kind.
    pub comparisons: f64,
    /// Comparisons sampled.
    pub sampled: u64,
    /// Sampled pairs set aside because they score as one person's do.
    pub set_aside: u64,
    /// From which score on they were.
    pub set_aside_from: f32,
    /// The curve.
    pub curve: Curve,
}

/// How many pairs chance is expected to give, by score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chance {
    /// Comparisons of the audit.
    pub comparisons: u64,
    /// From the gallery's own non-mates: one kind of pairs or two; empty where they are
    /// too few.
    pub own: Vec<SampledKind>,
    /// Why there is none of the gallery's own.
    pub not_own: Option<String>,
    /// The pack's calibration.
    pub calibration: Option<Curve>,
}

/// A share of an expectation that must be extrapolated for the sum to be called so.
const EXTRAPOLATED_SHARE: f64 = 0.1;
/// By which factor a rate may be off where nothing says how sure it is.
const FACTOR_UNKNOWN: f64 = 10.0;

impl Chance {
    /// Samples the gallery. Deterministic, whatever the number of threads.
    ///
    /// # Errors
    /// What reading the vectors gives; [`SearchError::Groups`] where a side has not one
    /// subject, or stratum, for every row.
    pub fn sample(plan: &SamplingPlan<'_>) -> Result<Self, SearchError> {
        let mut chance = Self {
            comparisons: plan.comparisons,
            own: Vec::new(),
            not_own: None,
            calibration: plan.calibration.cloned(),
        };
        let sample = Sample::new(plan)?;
        for kinds in [&[KindOfPair::Alike, KindOfPair::Unlike][..], &[KindOfPair::Any]] {
            if kinds.len() > 1 && !sample.is_stratified() {
                continue;
            }
            let found: Result<Vec<SampledKind>, _> = kinds.iter().map(|&of| sample.kind(of)).collect();
            match found {
                Ok(kinds) => {
                    chance.own = kinds;
                    chance.not_own = None;
                    break;
                }
                Err(SamplingRefusal::Search(e)) => return Err(e),
                Err(SamplingRefusal::Fit(e)) => chance.not_own = Some(e.to_string()),
            }
        }
        Ok(chance)
    }

    /// Pairs at or above `score` that chance is expected to give among the audit's
    /// comparisons: from the gallery's own non-mates, else by the pack's calibration;
    /// `None` where there is neither.
    pub fn expected(&self, score: f32) -> Option<Estimate> {
        if self.own.is_empty() {
            return self.by_calibration(score);
        }
        let mut sum = Estimate { value: 0.0, low: 0.0, high: 0.0, extrapolated: false };
        let mut extrapolated = 0.0;
        for kind in &self.own {
            let part = times(&kind.curve, kind.comparisons, score);
            sum.value += part.value;
            sum.low += part.low;
            sum.high += part.high;
            extrapolated += if part.extrapolated { part.value } else { 0.0 };
        }
        sum.extrapolated = extrapolated > EXTRAPOLATED_SHARE * sum.value;
        Some(sum)
    }

    /// The same by the pack's calibration alone.
    pub fn by_calibration(&self, score: f32) -> Option<Estimate> {
        self.calibration.as_ref().map(|curve| times(curve, self.comparisons as f64, score))
    }

    /// The lowest score at which at most `pairs` chance pairs are expected; `None`
    /// where no score is high enough, or nothing is known.
    pub fn score_for(&self, pairs: f64) -> Option<f32> {
        let enough = |score: f32| self.expected(score).is_some_and(|e| e.value <= pairs);
        let (mut low, mut high) = (-1.0f32, 1.0f32);
        if !enough(high) {
            return None;
        }
        if enough(low) {
            return Some(low);
        }
        // To neighbouring floats: an expectation never rises with the score.
        loop {
            let middle = low + (high - low) / 2.0;
            if middle <= low || middle >= high {
                return Some(high);
            }
            if enough(middle) { high = middle } else { low = middle }
        }
    }

    /// How much of `pairs` found at or above `score` chance explains.
    pub fn explains(&self, score: f32, pairs: u64) -> Option<Explained> {
        let expected = self.expected(score)?;
        let share = |by: f64| if pairs == 0 { 0.0 } else { (by / pairs as f64).min(1.0) };
        let explained = share(expected.value);
        let verdict = match explained {
            _ if pairs == 0 => ChanceVerdict::NothingFound,
            s if s >= MOSTLY_SHARE => ChanceVerdict::Mostly,
            _ if share(expected.high) >= MOSTLY_SHARE => ChanceVerdict::PerhapsMostly,
            s if s >= LITTLE_SHARE => ChanceVerdict::Partly,
            _ => ChanceVerdict::Little,
        };
        Some(Explained { share: explained, low: share(expected.low), high: share(expected.high), verdict })
    }
}

/// From which share on chance explains most of what was found.
const MOSTLY_SHARE: f64 = 0.5;
/// Below which share it explains little.
const LITTLE_SHARE: f64 = 0.1;

/// The share of the pairs found that chance explains.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// The share, 0…1.
    pub share: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// In a word.
    pub verdict: ChanceVerdict,
}

/// What an auditor should expect of the pairs found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChanceVerdict {
    /// There are none.
    NothingFound,
    /// Chance explains less than a tenth of them.
    Little,
    /// It explains less than half.
    Partly,
    /// It may explain half of them or more: the interval reaches there.
    PerhapsMostly,
    /// It explains half of them or more.
    Mostly,
}

fn times(curve: &Curve, comparisons: f64, score: f32) -> Estimate {
    let fmr = curve.fmr(score);
    let (low, high) = match curve.fmr_interval(score) {
        Some(interval) => (interval.low, interval.high),
        None => (fmr.rate / FACTOR_UNKNOWN, (fmr.rate * FACTOR_UNKNOWN).min(1.0)),
    };
    let [value, low, high] = [fmr.rate, low, high].map(|rate| rate * comparisons);
    Estimate { value, low, high, extrapolated: fmr.extrapolated }
}
