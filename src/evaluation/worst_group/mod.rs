//! Fits the calibration curves of a population: pooled, and of its worst group.
//!
//! The *worst group* is the one with the highest measurable FMR. Groups are compared at the pooled
//! threshold for an FMR of 1e-3 or, if no group has 30 (effective) false matches there, for 1e-2. A
//! minimum number of people keeps a few look-alikes from deciding.

use serde::Serialize;

use super::fit::{CurveDescription, FitError, fit_curve, rounded};
use super::groups::{ComparisonRules, PhotoCounts, PhotoGroups};
use super::histogram::bin;
use super::pairs::{AllPairs, ComparisonSource, ProbeComparisons, ScoredComparison, scan};
use super::set::PhotoSet;
use crate::matching::worst_group::{derived, fusing_factor, never_below};
use crate::matching::{Curve, Weighting};

/// Default of the fewest people of a worst group.
pub const GROUP_PEOPLE_MIN: u64 = 100;
/// Pooled FMRs at whose thresholds groups are compared; the first at which a group has enough false
/// matches is used.
const COMPARED_AT: [f64; 2] = [1e-3, 1e-2];
/// False matches a group's rate must rest on: the rule of 30 (ISO/IEC 19795-1).
const FALSE_MATCHES_MIN: f64 = 30.0;
/// Probes drawn per person and number of frames.
const DRAWS: usize = 10;
/// Seed of the draws of fused captures and of the sample of impostor comparisons.
const SEED: u64 = 20_161_113;

/// Input and options of the fit of a calibration.
pub struct FitInput<'a> {
    /// Photos.
    pub set: &'a PhotoSet,
    /// Rules of comparison.
    pub rules: ComparisonRules<'a>,
    /// Grouping whose worst group gets curves of its own.
    pub groups: Option<&'a PhotoGroups>,
    /// Fewest people of a worst group.
    pub people_min: u64,
    /// Accepts the photos that take part.
    pub include: &'a (dyn Fn(u32) -> bool + Sync),
    /// Accepts the photos that are references, the others being probes; `None`: all are both.
    pub references: Option<&'a (dyn Fn(u32) -> bool + Sync)>,
    /// Largest number of frames of a probe; a curve is fitted for each number up to it.
    pub frames_max: u32,
    /// Most comparisons of single photos.
    pub comparisons_max: u64,
    /// Descriptive fields of the curves.
    pub about: CurveDescription,
}

/// The fitted curves of a population.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedCurves {
    /// Pooled curves for one frame and for as many more as the data supports.
    pub pooled: Vec<Curve>,
    /// Curves of the worst group for the same numbers of frames; empty if no group has enough
    /// people and false matches.
    pub worst: Vec<Curve>,
    /// Rates of every group, in descending order.
    pub groups: Vec<GroupObservation>,
    /// Curves that could not be fitted, with the reason.
    pub skipped: Vec<String>,
}

/// The FMR of a group at a pooled threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupObservation {
    /// Its name.
    pub group: String,
    /// People in it.
    pub subjects: u64,
    /// Impostor comparisons within it.
    pub impostor_comparisons: u64,
    /// The pooled FMR at whose threshold groups are compared.
    pub pooled_fmr: f64,
    /// The group's FMR there; `None` with too few people or false matches.
    pub fmr: Option<f64>,
    /// Effective number of false matches that it rests on.
    pub false_matches: f64,
    /// Whether it is the worst group.
    pub worst: bool,
}

/// Comparisons of single photos or of fused probes.
enum FitSource<'a> {
    All(AllPairs<'a>),
    Probes(ProbeComparisons<'a>),
}

impl ComparisonSource for FitSource<'_> {
    fn rows(&self) -> usize {
        match self {
            Self::All(source) => source.rows(),
            Self::Probes(source) => source.rows(),
        }
    }

    fn row(&self, row: usize, visit: &mut dyn FnMut(ScoredComparison)) {
        match self {
            Self::All(source) => source.row(row, visit),
            Self::Probes(source) => source.row(row, visit),
        }
    }

    fn weighed(&self) -> Weighting {
        match self {
            Self::All(source) => source.weighed(),
            Self::Probes(source) => source.weighed(),
        }
    }

    fn weight(&self, pair: &ScoredComparison) -> u64 {
        match self {
            Self::All(source) => source.weight(pair),
            Self::Probes(source) => source.weight(pair),
        }
    }
}

/// Fits the pooled curves and those of the worst group.
///
/// For several frames the curve of the worst group is counted if enough of its people have that
/// many photos, else derived ([`derived`]). Its FNMR points are its own if enough people have
/// several photos, else the pooled ones. It never states a lower FMR than the pooled curve
/// ([`never_below`]).
///
/// # Errors
/// [`FitError`] where there is no pooled curve of single photos: without it there is no
/// calibration.
pub fn fit_population(fitting: &FitInput<'_>) -> Result<FittedCurves, FitError> {
    let single = fitting.curve(1, fitting.include, fitting.about.group.clone())?;
    let mut fitted = FittedCurves { pooled: vec![single], worst: Vec::new(), groups: Vec::new(), skipped: Vec::new() };
    for frames in 2..=fitting.frames_max {
        match fitting.curve(frames, fitting.include, fitting.about.group.clone()) {
            Ok(curve) => fitted.pooled.push(curve),
            Err(e) => fitted.skipped.push(format!("{frames} captures: {e}")),
        }
    }
    let Some(groups) = fitting.groups else { return Ok(fitted) };
    let observed = fitting.observe_groups(groups, &fitted.pooled[0]);
    fitted.groups = observed.iter().map(|(_, observed)| observed.clone()).collect();
    for (i, (group, observed)) in observed.iter().enumerate().filter(|(_, (_, observed))| observed.fmr.is_some()) {
        match fitting.worst(groups, *group, &fitted.pooled, &mut fitted.skipped) {
            Ok(curves) => {
                fitted.worst = curves;
                fitted.groups[i].worst = true;
                break;
            }
            Err(e) => fitted.skipped.push(format!("the group {}: {e}", observed.group)),
        }
    }
    if fitted.worst.is_empty() {
        fitted.skipped.push(format!(
            "a worst group: none has {} people and {FALSE_MATCHES_MIN} false matches at the pooled threshold",
            fitting.people_min
        ));
    }
    Ok(fitted)
}

impl<'a> FitInput<'a> {
    fn source(&self, frames: u32, include: &dyn Fn(u32) -> bool) -> FitSource<'a> {
        match self.references {
            None if frames == 1 => {
                FitSource::All(AllPairs::new(self.set, include, self.comparisons_max, SEED).with_rules(self.rules))
            }
            None => FitSource::Probes(ProbeComparisons::drawn_with(
                self.rules,
                self.set,
                include,
                include,
                frames as usize,
                DRAWS,
                SEED,
            )),
            Some(of) => FitSource::Probes(ProbeComparisons::drawn_with(
                self.rules,
                self.set,
                |photo| include(photo) && !of(photo),
                |photo| include(photo) && of(photo),
                frames as usize,
                DRAWS,
                SEED,
            )),
        }
    }

    /// Curves of single and of fused frames of the same people, those with enough photos, so that
    /// they differ only by the effect of fusion. If possible only from comparisons within groups,
    /// where scores of look-alikes are.
    fn fusing(&self, frames: u32, groups: &PhotoGroups) -> Result<[Curve; 2], FitError> {
        let within = match self.rules.within {
            Some(comparison_groups) => comparison_groups.and(groups),
            None => groups.clone(),
        };
        let alike = ComparisonRules { within: Some(&within), ..self.rules };
        self.fusing_with(alike, frames).or_else(|_| self.fusing_with(self.rules, frames))
    }

    fn fusing_with(&self, rules: ComparisonRules<'_>, frames: u32) -> Result<[Curve; 2], FitError> {
        let is_reference = |photo: u32| self.references.is_none_or(|of| of(photo));
        let is_probe = |photo: u32| self.references.is_none_or(|of| !of(photo));
        let key = |photo: u32| (rules.comparison_group(photo), self.set.subject(photo));
        let probes = self.set.with_template().filter(|&photo| (self.include)(photo) && is_probe(photo));
        let probes = PhotoCounts::count(probes.map(key));
        // If every photo is both, one must remain to compare the probe with.
        let enough = u64::from(frames) + u64::from(self.references.is_none());
        let probe = |photo: u32| {
            let (comparison_group, subject) = key(photo);
            (self.include)(photo) && is_probe(photo) && probes.of(comparison_group, subject) >= enough
        };
        let reference = |photo: u32| (self.include)(photo) && is_reference(photo);
        let curve = |frames: u32| {
            let source = ProbeComparisons::drawn_with(rules, self.set, probe, reference, frames as usize, DRAWS, SEED);
            fit_curve(&source, self.set.subjects(), self.about.clone())
        };
        Ok([curve(1)?, curve(frames)?])
    }

    fn curve(&self, frames: u32, include: &dyn Fn(u32) -> bool, group: String) -> Result<Curve, FitError> {
        let about = CurveDescription { probe_frames: frames, group, ..self.about.clone() };
        fit_curve(&self.source(frames, include), self.set.subjects(), about)
    }

    /// The FMR of each group at the pooled thresholds, in descending order; groups without a rate
    /// last.
    fn observe_groups(&self, groups: &PhotoGroups, pooled: &Curve) -> Vec<(u32, GroupObservation)> {
        let thresholds = COMPARED_AT.map(|fmr| pooled.threshold(fmr).map_or(i32::MAX, |at| bin(at.score) + 1));
        let source = self.source(1, self.include);
        /// Sums of one group: number and weight of comparisons, and at each threshold the weight of
        /// matches and the sum of its squares.
        #[derive(Clone, Copy, Default)]
        struct GroupSums {
            comparisons: u64,
            weight: u64,
            matches: [(u64, u128); COMPARED_AT.len()],
        }
        let sums = scan(
            &source,
            || vec![GroupSums::default(); groups.len()],
            |sums, pair| {
                let group = groups.group(pair.a);
                if pair.genuine || group != groups.group(pair.b) {
                    return;
                }
                let Some(sums) = sums.get_mut(group as usize) else { return };
                let (weight, at) = (source.weight(&pair), bin(pair.score));
                sums.comparisons += 1;
                sums.weight += weight;
                for ((matches, squares), threshold) in sums.matches.iter_mut().zip(thresholds) {
                    if at >= threshold {
                        *matches += weight;
                        *squares += u128::from(weight) * u128::from(weight);
                    }
                }
            },
            |mut a, b| {
                for (mine, theirs) in a.iter_mut().zip(b) {
                    mine.comparisons += theirs.comparisons;
                    mine.weight += theirs.weight;
                    for (mine, theirs) in mine.matches.iter_mut().zip(theirs.matches) {
                        (mine.0, mine.1) = (mine.0 + theirs.0, mine.1 + theirs.1);
                    }
                }
                a
            },
        );
        let people = self.people(groups);
        let effective = |(weight, squares): (u64, u128)| {
            if squares == 0 { 0.0 } else { weight as f64 * (weight as f64 / squares as f64) }
        };
        let tells = |group: usize, level: usize| {
            people[group] >= self.people_min && effective(sums[group].matches[level]) >= FALSE_MATCHES_MIN
        };
        let level = (0..COMPARED_AT.len()).find(|&level| (0..groups.len()).any(|group| tells(group, level)));
        let level = level.unwrap_or(0);
        let mut observed: Vec<(u32, GroupObservation)> = (0..groups.len())
            .filter(|&group| sums[group].comparisons > 0)
            .map(|group| {
                let GroupSums { comparisons, weight, matches } = sums[group];
                let observed = GroupObservation {
                    group: groups.kept_name(group as u32),
                    subjects: people[group],
                    impostor_comparisons: comparisons,
                    pooled_fmr: COMPARED_AT[level],
                    fmr: tells(group, level).then(|| rounded(matches[level].0 as f64 / weight as f64, 4)),
                    false_matches: rounded(effective(matches[level]), 4),
                    worst: false,
                };
                (group as u32, observed)
            })
            .collect();
        observed.sort_by(|(_, x), (_, y)| {
            let key = |observed: &GroupObservation| observed.fmr.unwrap_or(-1.0);
            key(y).total_cmp(&key(x)).then_with(|| x.group.cmp(&y.group))
        });
        observed
    }

    /// People with a photo in each group.
    pub(super) fn people(&self, groups: &PhotoGroups) -> Vec<u64> {
        let photos = self.set.with_template().filter(|&photo| (self.include)(photo));
        let mut all: Vec<(u32, u32)> = photos.map(|photo| (groups.group(photo), self.set.subject(photo))).collect();
        all.sort_unstable();
        all.dedup();
        let mut people = vec![0; groups.len()];
        for (group, _) in all {
            if let Some(people) = people.get_mut(group as usize) {
                *people += 1;
            }
        }
        people
    }

    fn worst(
        &self,
        groups: &PhotoGroups,
        group: u32,
        pooled: &[Curve],
        skipped: &mut Vec<String>,
    ) -> Result<Vec<Curve>, FitError> {
        let include = |photo: u32| groups.group(photo) == group && (self.include)(photo);
        let name = groups.kept_name(group);
        let mut single = never_below(self.curve(1, &include, name.clone())?, &pooled[0]);
        let photos = self.set.by_subject(include);
        let with = |more_than: usize| photos.iter().filter(|own| own.len() > more_than).count() as u64;
        if with(1) < self.people_min || single.misses.is_empty() {
            single.misses.clone_from(&pooled[0].misses);
            single.genuine_comparisons = pooled[0].genuine_comparisons;
            single.misses_group.clone_from(&pooled[0].group);
        }
        let mut curves = vec![single];
        for of_all in &pooled[1..] {
            let frames = of_all.probe_frames;
            let own = match with(frames as usize) >= self.people_min {
                true => self.curve(frames, &include, name.clone()).ok().filter(|curve| !curve.misses.is_empty()),
                false => None,
            };
            let curve = match own {
                Some(own) => Ok(never_below(own, of_all)),
                None => self
                    .fusing(frames, groups)
                    .map(|[single, several]| derived(&curves[0], fusing_factor(&single, &several), &several, of_all)),
            };
            match curve {
                Ok(curve) => curves.push(curve),
                Err(e) => skipped.push(format!("the group {name} and {frames} captures: {e}")),
            }
        }
        Ok(curves)
    }
}

#[cfg(test)]
pub(super) mod tests;
