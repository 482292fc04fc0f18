//! How precise was the audit, going by what investigators found?
//!
//! A pair *shares a face* where the same person was in both records: fraud, one person
//! enrolled twice in good faith, or a capture stored under the wrong record. Twins and unrelated
//! look-alikes do not: they are two people. A pair that stays undecided says nothing, and is not
//! counted.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::isotonic::rising;

/// What an investigator found a pair to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairOutcome {
    /// One person draws under two names.
    Fraud,
    /// Two people who look alike and are related: twins, siblings.
    Twins,
    /// One person, enrolled twice without intent.
    SamePerson,
    /// A capture of one person stored with another's record.
    CaptureError,
    /// Two people who look alike and are not related.
    UnrelatedLookAlikes,
    /// It was looked into and remains open.
    Undecided,
}

impl PairOutcome {
    /// All of them; the first [`PairOutcome::FIRST`] are those that every version knew.
    pub const ALL: [Self; 6] =
        [Self::Fraud, Self::Twins, Self::SamePerson, Self::CaptureError, Self::UnrelatedLookAlikes, Self::Undecided];
    /// Outcomes that every version knew, in front of the others.
    pub const FIRST: usize = 4;

    /// As on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fraud => "fraud",
            Self::Twins => "twins",
            Self::SamePerson => "same-person",
            Self::CaptureError => "capture-error",
            Self::UnrelatedLookAlikes => "unrelated-look-alikes",
            Self::Undecided => "undecided",
        }
    }

    /// From its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }

    /// Whether the same face was in both records; `None` where that remains open.
    pub fn shares_face(self) -> Option<bool> {
        match self {
            Self::Fraud | Self::SamePerson | Self::CaptureError => Some(true),
            Self::Twins | Self::UnrelatedLookAlikes => Some(false),
            Self::Undecided => None,
        }
    }

    /// Whether the pair is cleared by it: two people, who do not come up as a finding again.
    pub fn clears(self) -> bool {
        self.shares_face() == Some(false)
    }
}

/// A pair of subjects that was looked into.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Case {
    /// Score of their link.
    pub score: f32,
    /// What it was.
    pub outcome: PairOutcome,
}

/// A share with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// How many are.
    pub count: u64,
    /// Of how many.
    pub of: u64,
    /// The share, 0…1; absent of none.
    pub value: Option<f64>,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Share {
    /// Wilson's score interval ("Probable inference, the law of succession, and
    /// statistical inference", 1927): keeps its promise for few cases as well, and at
    /// shares of nothing or all.
    pub fn new(count: u64, of: u64) -> Self {
        if of == 0 {
            return Self { count, of, value: None, low: 0.0, high: 1.0 };
        }
        let (n, p) = (of as f64, count as f64 / of as f64);
        let z2 = Z_95 * Z_95;
        let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z_95 / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        // Rounding must not part the ends from shares of nothing and all.
        let low = if count == 0 { 0.0 } else { (middle - half).max(0.0) };
        let high = if count == of { 1.0 } else { (middle + half).min(1.0) };
        Self { count, of, value: Some(p), low, high }
    }
}

/// Quantile of the normal distribution for an interval of 95 %.
const Z_95: f64 = 1.959_964;
/// Width of a band of scores.
const BAND: f32 = 0.05;
/// Cases from which on a smooth function is fitted.
const SMOOTH_CASES_MIN: usize = 30;
/// Cases of either kind it takes.
const SMOOTH_EACH_MIN: usize = 5;

/// Precision in one band of scores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BandPrecision {
    /// Lowest score.
    pub from: f32,
    /// Where the next band begins; 1 of the last, which has scores of 1 as well.
    pub to: f32,
    /// Links of the audit in this band, looked into or not.
    pub found: u64,
    /// Share of those looked into that share a face.
    pub shares_face: Share,
    /// Share of those looked into that are fraud.
    pub fraud: Share,
    /// The same at or above the band's lowest score.
    pub shares_face_above: Share,
}

/// What outcomes say of an audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Precision {
    /// Cases by outcome: the first of [`PairOutcome::ALL`], as every version had them.
    pub outcomes: [u64; PairOutcome::FIRST],
    /// The same of every outcome, by its name, those that are not counted as a case as well.
    pub by_outcome: BTreeMap<String, u64>,
    /// All cases together.
    pub shares_face: Share,
    /// All cases together.
    pub fraud: Share,
    /// By band, ascending; bands without a link or a case are left out.
    pub bands: Vec<BandPrecision>,
    /// Score and share that shares a face, rising with the score (isotonic regression);
    /// absent with fewer than 30 cases, or fewer than 5 that do, or do not.
    pub smooth: Option<Vec<(f32, f64)>>,
    /// Expected number of links of the audit that share a face, by the precision of
    /// each band; covers the bands with a case only.
    pub expected: Option<Expected>,
}

/// What the precision of each band says of all links found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// Links in bands with a case.
    pub links: u64,
    /// Links in bands without: nothing is said of them.
    pub links_without_case: u64,
    /// How many of `links` are expected to share a face.
    pub shares_face: f64,
    /// Lower end, each band at its lower end.
    pub low: f64,
    /// Upper end, each band at its upper end.
    pub high: f64,
}

/// How precise an audit was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MeasuredPrecision {
    /// Scores at or above it were found.
    pub threshold: f32,
    /// Pairs of records found.
    pub links: u64,
    /// Pairs that were looked into and decided.
    pub cases: u64,
    /// What that says.
    #[serde(flatten)]
    pub precision: Precision,
}

/// What findings say of the pairs of records that an audit found: the best score of each, by
/// their ids, the first in byte order first.
pub fn measured<'a>(
    threshold: f32,
    mut links: BTreeMap<(&'a str, &'a str), f32>,
    findings: impl Iterator<Item = (&'a str, &'a str, Case)>,
) -> MeasuredPrecision {
    let mut cases = Vec::new();
    for (a, b, Case { score, outcome }) in findings {
        match links.get(&(a, b)) {
            Some(&found) => cases.push(Case { score: found, outcome }),
            // Cleared pairs leave the list when the audit is run again; they were found, though.
            None if outcome.clears() && score >= threshold => {
                links.insert((a, b), score);
                cases.push(Case { score, outcome });
            }
            None => {}
        }
    }
    let scores: Vec<f32> = links.into_values().collect();
    let decided = cases.iter().filter(|case| case.outcome.shares_face().is_some()).count() as u64;
    MeasuredPrecision { threshold, links: scores.len() as u64, cases: decided, precision: measure(&cases, &scores) }
}

/// What `cases` say of an audit that found links of `scores`; those that remain open say nothing.
/// Cases are taken as a fair choice within their band: looking into the most suspicious of a band
/// first makes the band look better than it is.
pub fn measure(cases: &[Case], scores: &[f32]) -> Precision {
    let count_of = |outcome: PairOutcome| cases.iter().filter(|case| case.outcome == outcome).count() as u64;
    let by_outcome = PairOutcome::ALL.map(|outcome| (outcome.name().to_owned(), count_of(outcome))).into();
    let outcomes = std::array::from_fn(|place| count_of(PairOutcome::ALL[place]));
    let cases: Vec<Case> = cases.iter().copied().filter(|case| case.outcome.shares_face().is_some()).collect();
    // No cosine is more than 1, but for rounding: the last band has it.
    let last = (1.0 / BAND).round() as i32 - 1;
    let band = |score: f32| ((score / BAND).floor() as i32).min(last);
    let count = |of: &mut dyn Iterator<Item = &Case>| {
        let mut sums = [0u64; 3];
        for case in of {
            sums[0] += 1;
            sums[1] += u64::from(case.outcome.shares_face() == Some(true));
            sums[2] += u64::from(case.outcome == PairOutcome::Fraud);
        }
        (Share::new(sums[1], sums[0]), Share::new(sums[2], sums[0]))
    };
    let mut numbers: Vec<i32> = cases.iter().map(|case| case.score).chain(scores.iter().copied()).map(band).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let bands: Vec<BandPrecision> = numbers
        .iter()
        .map(|&number| {
            let (shares_face, fraud) = count(&mut cases.iter().filter(|case| band(case.score) == number));
            let (shares_face_above, _) = count(&mut cases.iter().filter(|case| band(case.score) >= number));
            BandPrecision {
                from: number as f32 * BAND,
                to: ((number + 1) as f32 * BAND).min(1.0),
                found: scores.iter().filter(|score| band(**score) == number).count() as u64,
                shares_face,
                fraud,
                shares_face_above,
            }
        })
        .collect();
    let (shares_face, fraud) = count(&mut cases.iter());
    Precision { outcomes, by_outcome, shares_face, fraud, expected: expected(&bands), bands, smooth: smooth(&cases) }
}

fn expected(bands: &[BandPrecision]) -> Option<Expected> {
    let mut sum = Expected { links: 0, links_without_case: 0, shares_face: 0.0, low: 0.0, high: 0.0 };
    for band in bands {
        let found = band.found as f64;
        match band.shares_face.value {
            None => sum.links_without_case += band.found,
            Some(value) => {
                sum.links += band.found;
                sum.shares_face += found * value;
                sum.low += found * band.shares_face.low;
                sum.high += found * band.shares_face.high;
            }
        }
    }
    (sum.links > 0).then_some(sum)
}

fn smooth(cases: &[Case]) -> Option<Vec<(f32, f64)>> {
    let shares = |case: &Case| case.outcome.shares_face() == Some(true);
    let shared = cases.iter().filter(|case| shares(case)).count();
    if cases.len() < SMOOTH_CASES_MIN || shared.min(cases.len() - shared) < SMOOTH_EACH_MIN {
        return None;
    }
    let mut sorted = cases.to_vec();
    sorted.sort_by(|a, b| a.score.total_cmp(&b.score));
    let ties: Vec<&[Case]> = sorted.chunk_by(|a, b| a.score == b.score).collect();
    let counts: Vec<(f64, f64)> =
        ties.iter().map(|tie| (tie.iter().filter(|case| shares(case)).count() as f64, tie.len() as f64)).collect();
    let rising = rising(&counts);
    let points: Vec<(f32, f64)> = ties.iter().zip(&rising).map(|(tie, share)| (tie[0].score, *share)).collect();
    // Steps: the ends of each, nothing between.
    let last = points.len() - 1;
    let ends = |i: usize| i == 0 || i == last || points[i].1 != points[i - 1].1 || points[i].1 != points[i + 1].1;
    Some((0..points.len()).filter(|&i| ends(i)).map(|i| points[i]).collect())
}
