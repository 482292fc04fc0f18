//! Fusion experiment: compares methods of combining several captures into one probe.
//!
//! From each person with enough photos, `frames` photos are drawn at random as the probe and one
//! more as the reference, with several seeds. Each method has its own threshold, from its own
//! impostor scores. Methods are compared on the same draws, by the difference of their FNMRs over
//! the same bootstrap samples of people.

use serde::Serialize;

use super::pairs::ScoredComparison;
use super::rates::Rate;
use super::set::{PhotoMeasure, PhotoSet};
use super::view::{Bootstrap, ComparisonView, ERRORS_MIN, Totals, interval};
use crate::face::Template;
use crate::matching::{Dot, fuse};
use crate::random::SplitMix;
use rayon::prelude::*;

/// FMR at which methods are compared.
const FMR: f64 = 1e-4;
/// Most people drawn; this many already resolve the FMR.
const PEOPLE_MAX: usize = 1000;

/// Lowest weight of a frame, so that a probe whose frames all have the lowest quality is their
/// mean.
const WEIGHT_MIN: f64 = 1e-3;

/// A method of combining the frames of a probe.
#[derive(Debug, Clone, PartialEq)]
enum FusionMethod {
    /// The first frame alone.
    Single,
    /// The mean of the unit vectors, as the engine does it.
    Mean,
    /// The mean, each weighted by a power of a measure.
    Weighted(usize, i32),
    /// The frame with the highest value of a measure.
    Best(usize),
    /// The highest of the scores of all frames.
    HighestScore,
}

/// Result of the fusion experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FusionReport {
    /// Photos in a probe.
    pub frames: usize,
    /// Seeds.
    pub seeds: u64,
    /// People with enough photos.
    pub people: usize,
    /// FMR at the threshold of each method.
    pub fmr: f64,
    /// Results by method.
    pub ways: Vec<FusionMethodResult>,
    /// The method to use: the plain mean, unless another is significantly better.
    pub winner: String,
}

/// Result of one method.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FusionMethodResult {
    /// Its name.
    pub way: String,
    /// Its threshold.
    pub threshold: Option<f32>,
    /// FNMR there.
    pub fnmr: Rate,
    /// Its FNMR minus that of the plain mean; negative is better.
    pub over_mean: Option<f64>,
    /// Lower end of the 95 % interval of the difference.
    pub over_mean_low: Option<f64>,
    /// Upper end.
    pub over_mean_high: Option<f64>,
}

/// Probe and reference drawn from one person.
struct ProbeDraw {
    subject: u32,
    frames: Vec<u32>,
    reference: u32,
}

/// Runs the experiment with every overall quality measure that all photos have; `None` if fewer
/// than two people have `frames` + 1 photos.
pub fn fusion(
    set: &PhotoSet,
    measures: &[PhotoMeasure],
    frames: usize,
    seeds: u64,
    bootstrap: Bootstrap,
) -> Option<FusionReport> {
    let mut own = set.by_subject(|_| true);
    own.iter_mut().filter(|photos| photos.len() <= frames).for_each(Vec::clear);
    let mut people: Vec<usize> = (0..own.len()).filter(|&s| !own[s].is_empty()).collect();
    SplitMix::stream(bootstrap.seed, 0).choose(&mut people, PEOPLE_MAX);
    people.truncate(PEOPLE_MAX);
    people.sort_unstable();
    if people.len() < 2 || frames == 0 {
        return None;
    }
    let draws: Vec<Vec<ProbeDraw>> = (0..seeds)
        .map(|seed| {
            people
                .iter()
                .map(|&subject| {
                    let mut photos = own[subject].clone();
                    SplitMix::stream(seed, subject as u64).choose(&mut photos, frames + 1);
                    let reference = photos[frames];
                    photos.truncate(frames);
                    ProbeDraw { subject: subject as u32, frames: photos, reference }
                })
                .collect()
        })
        .collect();
    let usable = |measure: &PhotoMeasure| {
        let known = |photo: &u32| measure.values.get(*photo as usize).copied().flatten().is_some_and(f32::is_finite);
        measure.overall && people.iter().flat_map(|&s| &own[s]).all(known)
    };
    let mut ways =
        vec![("plain mean".to_owned(), FusionMethod::Mean), ("single frame".to_owned(), FusionMethod::Single)];
    for (i, measure) in measures.iter().enumerate().filter(|(_, measure)| usable(measure)) {
        let name = &measure.name;
        ways.push((format!("mean weighted by {name}"), FusionMethod::Weighted(i, 1)));
        ways.push((format!("mean weighted by {name} squared"), FusionMethod::Weighted(i, 2)));
        ways.push((format!("best frame by {name}"), FusionMethod::Best(i)));
    }
    ways.push(("highest score of the frames".to_owned(), FusionMethod::HighestScore));

    let totals = totals(&people, seeds, set.subjects());
    let views = ways.iter().map(|(_, way)| {
        let pairs: Vec<ScoredComparison> = draws.iter().flat_map(|draws| compare(set, measures, draws, way)).collect();
        let (genuine, impostor): (Vec<ScoredComparison>, Vec<ScoredComparison>) =
            pairs.into_iter().partition(|p| p.genuine);
        ComparisonView::new(&genuine, &impostor, totals.clone(), set.subjects()).near(FMR)
    });
    let views: Vec<ComparisonView> = views.collect();
    let repeated: Vec<Vec<Option<f64>>> =
        views.iter().map(|view| super::rates::fnmr_at(view, FMR, bootstrap).1).collect();
    let results: Vec<FusionMethodResult> = ways
        .iter()
        .zip(&views)
        .enumerate()
        .map(|(i, ((name, _), view))| result(name, view, &views[0], &repeated[i], &repeated[0]))
        .collect();
    // Significantly better: the whole interval of the difference is below zero.
    let better = results.iter().filter(|r| r.over_mean_high.is_some_and(|high| high < 0.0));
    let winner = better
        .min_by(|a, b| a.over_mean.unwrap_or(0.0).total_cmp(&b.over_mean.unwrap_or(0.0)))
        .map_or_else(|| ways[0].0.clone(), |best| best.way.clone());
    Some(FusionReport { frames, seeds, people: people.len(), fmr: FMR, ways: results, winner })
}

fn result(
    name: &str,
    view: &ComparisonView,
    mean: &ComparisonView,
    repeated: &[Option<f64>],
    repeated_mean: &[Option<f64>],
) -> FusionMethodResult {
    let (rates, of_mean) = (view.counted(), mean.counted());
    let supported = FMR * rates.impostor_total >= ERRORS_MIN as f64;
    let at = rates.threshold(FMR).filter(|_| supported);
    let misses = at.map_or(0, |at| rates.misses(at));
    let fnmr = Rate::new(misses, rates.genuine_total as u64, interval(repeated.iter().copied()));
    let difference = |own: Option<f64>, mean: Option<f64>| Some(own? - mean?);
    let ends = interval(repeated.iter().zip(repeated_mean).map(|(own, mean)| difference(*own, *mean)));
    let ends = ends.filter(|_| supported);
    FusionMethodResult {
        way: name.to_owned(),
        threshold: at.map(super::histogram::edge),
        fnmr,
        over_mean: difference(rates.fnmr_at(FMR), of_mean.fnmr_at(FMR)).filter(|_| supported),
        over_mean_low: ends.map(|e| e[0]),
        over_mean_high: ends.map(|e| e[1]),
    }
}

/// Compares every probe with every reference of one seed.
fn compare(
    set: &PhotoSet,
    measures: &[PhotoMeasure],
    draws: &[ProbeDraw],
    way: &FusionMethod,
) -> Vec<ScoredComparison> {
    let dot = Dot::best();
    let rows = draws.par_iter().filter_map(|draw| {
        let captures: Vec<&Template> = draw.frames.iter().filter_map(|&photo| set.template(photo)).collect();
        let value = |measure: usize, photo: u32| {
            f64::from(measures[measure].values[photo as usize].unwrap_or(0.0)).max(WEIGHT_MIN)
        };
        let probes: Vec<Template> = match way {
            FusionMethod::Single => vec![(*captures.first()?).clone()],
            FusionMethod::Mean => vec![fuse(&captures.iter().map(|t| (*t).clone()).collect::<Vec<_>>())?],
            FusionMethod::Weighted(measure, power) => {
                let weights: Vec<f64> = draw.frames.iter().map(|&p| value(*measure, p).powi(*power)).collect();
                vec![weighted(&captures, &weights)?]
            }
            FusionMethod::Best(measure) => {
                let best = draw
                    .frames
                    .iter()
                    .enumerate()
                    .max_by(|(i, a), (j, b)| value(*measure, **a).total_cmp(&value(*measure, **b)).then(j.cmp(i)));
                vec![(*captures.get(best?.0)?).clone()]
            }
            FusionMethod::HighestScore => captures.into_iter().cloned().collect(),
        };
        let pairs = draws.iter().filter_map(|of| {
            let reference = set.template(of.reference)?;
            let scores = probes.iter().map(|probe| dot.score(probe.vector(), reference.vector()));
            Some(ScoredComparison {
                score: scores.fold(f32::MIN, f32::max),
                a: draw.frames[0],
                b: of.reference,
                subject_a: draw.subject,
                subject_b: of.subject,
                genuine: draw.subject == of.subject,
            })
        });
        Some(pairs.collect::<Vec<_>>())
    });
    rows.flatten_iter().collect()
}

/// The normalised weighted mean.
fn weighted(captures: &[&Template], weights: &[f64]) -> Option<Template> {
    let first = captures.first()?;
    let mut sum = vec![0.0f64; first.vector().len()];
    for (capture, weight) in captures.iter().zip(weights) {
        sum.iter_mut().zip(capture.vector()).for_each(|(sum, v)| *sum += weight * f64::from(*v));
    }
    let raw: Vec<f32> = sum.iter().map(|v| *v as f32).collect();
    Template::from_raw(first.recipe(), &raw).ok()
}

fn totals(people: &[usize], seeds: u64, subjects: usize) -> Totals {
    let mut each = vec![0u64; subjects];
    people.iter().for_each(|&subject| each[subject] = 1);
    let genuine = each.iter().map(|n| n * seeds).collect();
    Totals::Product { probes: each.clone(), references: each, genuine, share: seeds as f64 }
}

#[cfg(test)]
mod tests {
    use super::super::set::tests::made_up;
    use super::*;

    const BOOTSTRAP: Bootstrap = Bootstrap { repetitions: 100, seed: 1 };

    #[test]
    fn the_mean_beats_a_single_frame_and_ways_are_compared_on_the_same_draws() {
        // 130 · 129 · 20 comparisons: 33 false matches at 1e-4.
        let set = made_up(130, 5, 0.9);
        let flat = PhotoMeasure { name: "flat".into(), overall: true, values: vec![Some(2.0); set.len()] };
        let partly = PhotoMeasure { name: "partly".into(), overall: true, values: vec![None; set.len()] };
        let report = fusion(&set, &[flat, partly], 3, 20, BOOTSTRAP).unwrap();
        let way = |name: &str| report.ways.iter().find(|w| w.way == name).unwrap();
        let (mean, single) = (way("plain mean"), way("single frame"));
        assert_eq!((report.people, mean.fnmr.comparisons), (130, 130 * 20));
        assert!(single.over_mean_low.unwrap() > 0.0, "{single:?}");
        assert_eq!((mean.over_mean, mean.over_mean_high), (Some(0.0), Some(0.0)));
        // Equal weights give the plain mean.
        assert_eq!(way("mean weighted by flat").fnmr.errors, mean.fnmr.errors);
        assert!(!report.ways.iter().any(|w| w.way.contains("partly")));
        assert_eq!(report.winner, "plain mean");
    }

    #[test]
    fn nobody_with_enough_photos_is_no_experiment() {
        assert_eq!(fusion(&made_up(30, 3, 0.5), &[], 3, 5, BOOTSTRAP), None);
    }
}
