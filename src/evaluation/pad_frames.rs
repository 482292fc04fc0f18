//! Fusion of the liveness scores of several captures of one presentation: APCER and BPCER by fusion
//! rule.
//!
//! From each person's bona fide captures, and from each person's attacks of one type, disjoint
//! groups of captures are drawn at random, anew for each seed; so groups of different seeds share
//! captures, those of one seed do not. A group counts as one presentation with one score.

use std::collections::BTreeMap;

use serde::Serialize;

use super::histogram::bin;
use super::pad::{AttackRate, ConfidenceLimits, Presentation};
use super::pairs::ScoredComparison;
use super::rates::{EqualError, Rate, too_few};
use super::view::{Bootstrap, ComparisonView, ERRORS_MIN, Rates, Totals, interval};
use crate::random::SplitMix;

/// A rule for fusing several scores into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FusionRule {
    /// The mean, as in VerifyBeneficiary.
    Mean,
    /// The median.
    Median,
    /// The minimum, so that every capture must be classified as live, as in Verify and Identify if
    /// liveness is required.
    Minimum,
}

impl FusionRule {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::Mean, Self::Median, Self::Minimum];

    /// Its name in the text output and the HTML report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Median => "median",
            Self::Minimum => "minimum",
        }
    }

    /// The fused score of a non-empty list.
    fn of(self, scores: &mut [f32]) -> f32 {
        scores.sort_unstable_by(f32::total_cmp);
        let (half, count) = (scores.len() / 2, scores.len());
        match self {
            Self::Mean => scores.iter().sum::<f32>() / count as f32,
            Self::Median if count.is_multiple_of(2) => f32::midpoint(scores[half - 1], scores[half]),
            Self::Median => scores[half],
            Self::Minimum => scores[0],
        }
    }
}

/// Result of the fusion test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FramesReport {
    /// Number of seeds; captures are grouped anew for each.
    pub seeds: u64,
    /// By number of captures, then by rule.
    pub rates: Vec<FramesRates>,
}

/// Rates of one number of captures and one rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FramesRates {
    /// Captures per group.
    pub frames: usize,
    /// Fusion rule.
    pub rule: FusionRule,
    /// BPCER: share of bona fide groups below the threshold, over all seeds. Needs 30 errors per
    /// seed.
    pub bpcer: Rate,
    /// What can be said where that is not resolved.
    pub bpcer_limits: Option<ConfidenceLimits>,
    /// APCER by attack type: share of its groups classified as bona fide.
    pub apcer: Vec<AttackRate>,
    /// Equal error rate of BPCER and the highest APCER; compares rules independently of the
    /// threshold.
    pub equal_error: EqualError,
    /// Lowest score of a bona fide group.
    pub live_lowest: Option<f32>,
    /// Highest score of an attack group.
    pub attack_highest: Option<f32>,
}

/// Scores by attack type (`None` is bona fide) and person.
type Captures<'a> = BTreeMap<(Option<&'a str>, u32), Vec<f32>>;

/// Rates of `presentations` of `subjects` people at a liveness threshold, with 1 to `frames_max`
/// captures per group. People with fewer captures of a type than a group has are left out.
pub fn pad_frames(
    presentations: &[Presentation],
    subjects: usize,
    threshold: f32,
    frames_max: usize,
    seeds: u64,
    bootstrap: Bootstrap,
) -> FramesReport {
    let mut captures = Captures::new();
    for Presentation { attack, subject, score } in presentations {
        if let Some(score) = score {
            captures.entry((attack.as_deref(), *subject)).or_default().push(*score);
        }
    }
    let all = (1..=frames_max).flat_map(|frames| FusionRule::ALL.map(|rule| (frames, rule)));
    // With one capture all rules agree.
    let rates = all.filter(|&(frames, rule)| frames > 1 || rule == FusionRule::Mean).map(|(frames, rule)| {
        let groups = groups(&captures, frames, rule, seeds, bootstrap.seed);
        rates(frames, rule, &groups, subjects, threshold, seeds, bootstrap)
    });
    FramesReport { seeds, rates: rates.collect() }
}

/// Scores of groups of `frames` captures with every seed, by attack type.
fn groups<'a>(
    captures: &Captures<'a>,
    frames: usize,
    rule: FusionRule,
    seeds: u64,
    seed: u64,
) -> BTreeMap<Option<&'a str>, Vec<ScoredComparison>> {
    let mut groups: BTreeMap<Option<&str>, Vec<ScoredComparison>> = BTreeMap::new();
    for round in 0..seeds {
        for (&(attack, subject), scores) in captures {
            let mut scores = scores.clone();
            let count = scores.len();
            SplitMix::stream(seed.wrapping_add(round), u64::from(subject)).choose(&mut scores, count);
            let kind = groups.entry(attack).or_default();
            kind.extend(scores.chunks_exact_mut(frames).map(|group| ScoredComparison {
                score: rule.of(group),
                a: 0,
                b: 0,
                subject_a: subject,
                subject_b: subject,
                genuine: attack.is_none(),
            }));
        }
    }
    groups
}

fn rates(
    frames: usize,
    rule: FusionRule,
    groups: &BTreeMap<Option<&str>, Vec<ScoredComparison>>,
    subjects: usize,
    threshold: f32,
    seeds: u64,
    bootstrap: Bootstrap,
) -> FramesRates {
    let at = bin(threshold);
    let live = groups.get(&None).map_or(&[][..], Vec::as_slice);
    let attacks = groups.iter().filter_map(|(attack, pairs)| Some(((*attack)?, pairs.as_slice())));
    let view = |pairs: &[ScoredComparison], live: &[ScoredComparison]| {
        let totals = Totals::counted(live.iter().chain(pairs).map(|p| (p.subject_a, p.subject_b, p.genuine)));
        ComparisonView::new(live, pairs, totals, subjects)
    };
    let live_view = view(&[], live);
    let ends = interval(live_view.repeat(bootstrap, |_, rates| rates.fnmr(at)));
    let bpcer = per_seed(live_view.counted().misses(at), live.len() as u64, ends, seeds);
    let errors = live.iter().map(|pair| (pair.subject_a, bin(pair.score) < at));
    let bpcer_limits = ConfidenceLimits::new(&bpcer, errors, false);
    let mut equal_error = EqualError { rate: None, low: None, high: None, threshold: None };
    let apcer = attacks.clone().map(|(attack, pairs)| {
        let both = view(pairs, live);
        let ends = interval(both.repeat(bootstrap, |_, rates| rates.fmr(at)));
        let apcer = per_seed(both.counted().false_matches(at), pairs.len() as u64, ends, seeds);
        let equal = equal(&both, seeds, bootstrap);
        if equal.rate > equal_error.rate {
            equal_error = equal;
        }
        let errors = pairs.iter().map(|pair| (pair.subject_a, bin(pair.score) >= at));
        AttackRate { attack: attack.to_owned(), apcer_limits: ConfidenceLimits::new(&apcer, errors, false), apcer }
    });
    let apcer = apcer.collect();
    let scores = |pairs: &[ScoredComparison]| pairs.iter().map(|pair| pair.score).collect::<Vec<_>>();
    FramesRates {
        frames,
        rule,
        bpcer,
        bpcer_limits,
        apcer,
        equal_error,
        live_lowest: scores(live).into_iter().min_by(f32::total_cmp),
        attack_highest: attacks.flat_map(|(_, pairs)| scores(pairs)).max_by(f32::total_cmp),
    }
}

/// A rate over all seeds that counts as resting on the errors of one seed, because seeds share
/// captures.
fn per_seed(errors: u64, groups: u64, interval: Option<[f64; 2]>, seeds: u64) -> Rate {
    let one = errors / seeds.max(1);
    match one < ERRORS_MIN {
        true => Rate { not_resolved: Some(too_few(one, "errors per seed")), errors, ..Rate::new(0, groups, None) },
        false => Rate::new(errors, groups, interval),
    }
}

/// The equal error rate, if both error counts per seed are large enough.
fn equal(view: &ComparisonView, seeds: u64, bootstrap: Bootstrap) -> EqualError {
    let rates = view.counted();
    let least = ERRORS_MIN * seeds;
    let at = rates.crossing().filter(|&at| rates.misses(at).min(rates.false_matches(at)) >= least);
    let ends = at.and_then(|_| interval(view.repeat(bootstrap, |_, rates| rates.equal_error_rate())));
    EqualError {
        rate: at.and_then(|_| rates.equal_error_rate()),
        low: ends.map(|[low, _]| low),
        high: ends.map(|[_, high]| high),
        threshold: at.map(Rates::score),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOTSTRAP: Bootstrap = Bootstrap { repetitions: 100, seed: 1 };

    /// `each` captures of each of `people`, of which every `nth` is an error.
    fn made(attack: Option<&str>, people: u32, each: u32, nth: u32) -> Vec<Presentation> {
        let (well, ill) = if attack.is_none() { (0.9, 0.3) } else { (0.1, 0.9) };
        let score = |i: u32| Some(if i.is_multiple_of(nth) { ill } else { well });
        (0..people * each)
            .map(|i| Presentation { attack: attack.map(str::to_owned), subject: i % people, score: score(i / people) })
            .collect()
    }

    #[test]
    fn rules_join_scores_as_they_are_named() {
        let of = |rule: FusionRule, scores: &[f32]| rule.of(&mut scores.to_vec());
        assert_eq!(of(FusionRule::Mean, &[0.5, 0.1, 0.9]), 0.5);
        assert_eq!(
            (of(FusionRule::Median, &[0.7, 0.1, 0.9]), of(FusionRule::Median, &[0.25, 0.75, 0.0, 1.0])),
            (0.7, 0.5)
        );
        assert_eq!(of(FusionRule::Minimum, &[0.5, 0.1, 0.9]), 0.1);
        for rule in FusionRule::ALL {
            assert_eq!(of(rule, &[0.3]), 0.3);
        }
    }

    #[test]
    fn groups_hold_one_person_and_one_kind_and_use_each_capture_once_a_seed() {
        let mut all = made(None, 4, 10, 100);
        all.extend(made(Some("print"), 4, 10, 100));
        // Of one who has two captures no three can be drawn.
        all.extend((0..2).map(|_| Presentation { attack: None, subject: 9, score: Some(0.9) }));
        all.push(Presentation { attack: None, subject: 0, score: None });
        let report = pad_frames(&all, 10, 0.5, 3, 5, BOOTSTRAP);
        let groups = |frames: usize| {
            let one = report.rates.iter().find(|r| (r.frames, r.rule) == (frames, FusionRule::Mean)).unwrap();
            (one.bpcer.comparisons, one.apcer[0].apcer.comparisons)
        };
        // Ten captures give three groups of three.
        assert_eq!((groups(1), groups(2), groups(3)), ((210, 200), (105, 100), (60, 60)));
        assert_eq!(report, pad_frames(&all, 10, 0.5, 3, 5, BOOTSTRAP), "the same seed, the same draws");
        assert_eq!(report.rates.len(), 1 + 2 * 3);
    }

    #[test]
    fn the_median_of_several_forgives_one_error_and_the_minimum_forgives_none() {
        // A tenth of all captures are errors, of 60 people with 20 each.
        let mut all = made(None, 60, 20, 10);
        all.extend(made(Some("print"), 60, 20, 10));
        let report = pad_frames(&all, 60, 0.5, 5, 10, BOOTSTRAP);
        let at = |frames: usize, rule: FusionRule| {
            report.rates.iter().find(|r| (r.frames, r.rule) == (frames, rule)).unwrap()
        };
        let one = at(1, FusionRule::Mean);
        assert_eq!((one.bpcer.rate, one.apcer[0].apcer.rate), (Some(0.1), Some(0.1)));
        assert!(one.bpcer.low <= Some(0.1) && one.bpcer.high >= Some(0.1) && one.bpcer_limits.is_none());
        // One or two of twenty errors among five: at most one person in two loses a group.
        let lowest = at(5, FusionRule::Minimum);
        assert!(lowest.bpcer.rate > Some(0.3), "{lowest:?}");
        assert_eq!(lowest.apcer[0].apcer.errors, 0, "five errors are never in one group of two");
        assert!(at(5, FusionRule::Median).bpcer.errors == 0 && at(5, FusionRule::Median).bpcer.rate.is_none());
        assert!(at(5, FusionRule::Mean).live_lowest > at(5, FusionRule::Mean).attack_highest);
    }

    #[test]
    fn draws_that_share_captures_give_limits_over_people_alone() {
        // One live capture of eight people's is an error: seeds see it again and again.
        let mut all = made(None, 8, 24, 1000);
        all.iter_mut().for_each(|one| one.score = Some(0.9));
        all[0].score = Some(0.0);
        all.extend(made(Some("print"), 8, 24, 1000).into_iter().map(|one| Presentation { score: Some(0.1), ..one }));
        let report = pad_frames(&all, 8, 0.5, 3, 100, BOOTSTRAP);
        let lowest = report.rates.iter().find(|r| (r.frames, r.rule) == (3, FusionRule::Minimum)).unwrap();
        assert_eq!((lowest.bpcer.errors, lowest.bpcer.comparisons, lowest.bpcer.rate), (100, 6400, None));
        assert!(lowest.bpcer.not_resolved.as_ref().unwrap().contains("errors per seed: 1"));
        let limits = lowest.bpcer_limits.as_ref().unwrap();
        assert_eq!((limits.presentations, limits.people, limits.people_with_errors), (None, 8, 1));
        assert!((limits.people_share - 0.470_679).abs() < 1e-5);
        assert_eq!(lowest.equal_error.rate, None);
    }
}
