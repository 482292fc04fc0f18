//! Several captures of one presentation, judged together: which way of joining their
//! liveness scores is best?
//!
//! From each person's live captures, and from each person's attacks of one type, groups of
//! so many captures are drawn at random: with each seed all captures once, in disjoint
//! groups, so that seeds share captures but the groups of one seed do not. A group counts
//! as one presentation with one score.

use std::collections::BTreeMap;

use serde::Serialize;

use super::histogram::bin;
use super::pad::{AttackRate, ConfidenceLimits, Presentation};
use super::pairs::Comparison;
use super::rates::{EqualError, Rate, too_few};
use super::view::{Bootstrap, ComparisonView, ERRORS_MIN, Rates, Totals, interval};
use crate::random::SplitMix;

/// A way of making one score of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FusionRule {
    /// Their mean: VerifyBeneficiary.
    Mean,
    /// The middle one, or the mean of the two in the middle.
    Median,
    /// The lowest, so that every capture must count as live: Verify and Identify, where
    /// liveness is required.
    Minimum,
}

impl FusionRule {
    /// Every way there is.
    pub const ALL: [Self; 3] = [Self::Mean, Self::Median, Self::Minimum];

    /// Its name in the text and on the page.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Median => "median",
            Self::Minimum => "minimum",
        }
    }

    /// One score of at least one.
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

/// The experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FramesReport {
    /// Seeds; with each of them captures are grouped anew.
    pub seeds: u64,
    /// By number of captures, then by rule.
    pub rates: Vec<FramesRates>,
}

/// Rates of one number of captures and one rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FramesRates {
    /// Captures judged together.
    pub frames: usize,
    /// How.
    pub rule: FusionRule,
    /// Share of live groups below the threshold, over all seeds. Resolved with 30 errors
    /// a seed.
    pub bpcer: Rate,
    /// What can be said where that is not resolved.
    pub bpcer_limits: Option<ConfidenceLimits>,
    /// By attack type: share of its groups taken for live.
    pub apcer: Vec<AttackRate>,
    /// Where APCER of the type for which it is highest equals BPCER: compares rules at
    /// thresholds of their own.
    pub equal_error: EqualError,
    /// The lowest score of a live group.
    pub live_lowest: Option<f32>,
    /// The highest score of a group of attacks.
    pub attack_highest: Option<f32>,
}

/// Captures of one person and kind, by attack type; `None` is live.
type Captures<'a> = BTreeMap<(Option<&'a str>, u32), Vec<f32>>;

/// Rates of `presentations` of `subjects` people at a liveness threshold, 1 to
/// `frames_max` of them judged together. People with fewer captures of a kind than are
/// judged together are not in it.
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
    // Of one capture every rule makes the same.
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
) -> BTreeMap<Option<&'a str>, Vec<Comparison>> {
    let mut groups: BTreeMap<Option<&str>, Vec<Comparison>> = BTreeMap::new();
    for round in 0..seeds {
        for (&(attack, subject), scores) in captures {
            let mut scores = scores.clone();
            let count = scores.len();
            SplitMix::stream(seed.wrapping_add(round), u64::from(subject)).choose(&mut scores, count);
            let kind = groups.entry(attack).or_default();
            kind.extend(scores.chunks_exact_mut(frames).map(|group| Comparison {
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
    groups: &BTreeMap<Option<&str>, Vec<Comparison>>,
    subjects: usize,
    threshold: f32,
    seeds: u64,
    bootstrap: Bootstrap,
) -> FramesRates {
    let at = bin(threshold);
    let live = groups.get(&None).map_or(&[][..], Vec::as_slice);
    let attacks = groups.iter().filter_map(|(attack, pairs)| Some(((*attack)?, pairs.as_slice())));
    let view = |pairs: &[Comparison], live: &[Comparison]| {
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
    let scores = |pairs: &[Comparison]| pairs.iter().map(|pair| pair.score).collect::<Vec<_>>();
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

/// A rate over all seeds, which rests on the errors of one: seeds share captures.
fn per_seed(errors: u64, groups: u64, interval: Option<[f64; 2]>, seeds: u64) -> Rate {
    let one = errors / seeds.max(1);
    match one < ERRORS_MIN {
        true => Rate { not_resolved: Some(too_few(one, "errors per seed")), errors, ..Rate::new(0, groups, None) },
        false => Rate::new(errors, groups, interval),
    }
}

/// The equal error rate, where both errors are resolved with one seed.
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
