//! Error rates from scores, and calibrations fitted on them.
//!
//! Terms are those of ISO/IEC 19795-1: a *genuine* comparison is of two captures
//! of one person, an *impostor* comparison of two persons; FMR and FNMR are the
//! shares of them on the wrong side of a threshold, where a score at or above
//! the threshold matches.

mod fit;
mod quality_fit;

pub use fit::{FitError, fit_curve};
pub use quality_fit::{Example, Shows, fit_quality};

use rayon::prelude::*;

use crate::face::Template;
use crate::matching::{RecipeMismatch, compare, fuse};

/// The scores of an evaluation, each kind in ascending order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    genuine: Vec<f32>,
    impostor: Vec<f32>,
}

/// The error rates at one threshold.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct OperatingPoint {
    /// The false match rate that was asked for.
    pub fmr: f64,
    /// The lowest threshold that keeps it on these scores.
    pub threshold: f32,
    /// Share of genuine comparisons below the threshold.
    pub fnmr: f64,
}

impl Scores {
    /// Takes scores in any order. Those that are not finite are left out.
    pub fn new(mut genuine: Vec<f32>, mut impostor: Vec<f32>) -> Self {
        for scores in [&mut genuine, &mut impostor] {
            scores.retain(|s| s.is_finite());
            scores.par_sort_unstable_by(f32::total_cmp);
        }
        Self { genuine, impostor }
    }

    /// Every template with every other. `subjects[i]` says whose `templates[i]` is.
    pub fn all_pairs(templates: &[Template], subjects: &[usize]) -> Result<Self, RecipeMismatch> {
        let rows = templates.par_iter().zip(subjects).enumerate().map(|(i, (template, subject))| {
            let mut row = (Vec::new(), Vec::new());
            for (other, of) in templates[..i].iter().zip(subjects) {
                let score = compare(template, other)?;
                if of == subject { row.0.push(score) } else { row.1.push(score) }
            }
            Ok(row)
        });
        Self::collect(rows)
    }

    /// Probes of `frames` captures of one person, drawn without repetition and
    /// fused, against every capture that is not in the probe. `draws` probes per
    /// person who has more captures than that; `seed` fixes which.
    pub fn fused_probes(
        templates: &[Template],
        subjects: &[usize],
        frames: usize,
        draws: usize,
        seed: u64,
    ) -> Result<Self, RecipeMismatch> {
        let mut random = SplitMix(seed);
        let mut probes = Vec::new();
        let count = subjects.iter().max().map_or(0, |max| max + 1);
        let mut of_subject = vec![Vec::new(); count];
        subjects.iter().enumerate().for_each(|(i, &subject)| of_subject[subject].push(i));
        for (subject, own) in of_subject.iter().enumerate().filter(|(_, own)| own.len() > frames) {
            for _ in 0..draws {
                let mut pick = own.clone();
                for at in 0..frames {
                    let other = at + random.below(pick.len() - at);
                    pick.swap(at, other);
                }
                pick.truncate(frames);
                probes.push((subject, pick));
            }
        }
        let rows = probes.par_iter().map(|(subject, pick)| {
            let captures: Vec<Template> = pick.iter().map(|&i| templates[i].clone()).collect();
            let mut row = (Vec::new(), Vec::new());
            if let Some(probe) = fuse(&captures) {
                for (i, (reference, of)) in templates.iter().zip(subjects).enumerate() {
                    if of != subject {
                        row.1.push(compare(&probe, reference)?);
                    } else if !pick.contains(&i) {
                        row.0.push(compare(&probe, reference)?);
                    }
                }
            }
            Ok(row)
        });
        Self::collect(rows)
    }

    fn collect(
        rows: impl ParallelIterator<Item = Result<(Vec<f32>, Vec<f32>), RecipeMismatch>>,
    ) -> Result<Self, RecipeMismatch> {
        let join = |mut a: (Vec<f32>, Vec<f32>), b: (Vec<f32>, Vec<f32>)| {
            a.0.extend(b.0);
            a.1.extend(b.1);
            Ok(a)
        };
        let (genuine, impostor) = rows.try_reduce(Default::default, join)?;
        Ok(Self::new(genuine, impostor))
    }

    /// Genuine scores, ascending.
    pub fn genuine(&self) -> &[f32] {
        &self.genuine
    }

    /// Impostor scores, ascending.
    pub fn impostor(&self) -> &[f32] {
        &self.impostor
    }

    /// Share of impostor scores at or above `threshold`; 0 where there are none.
    pub fn fmr(&self, threshold: f32) -> f64 {
        share(self.impostor.len() - self.impostor.partition_point(|s| *s < threshold), self.impostor.len())
    }

    /// Share of genuine scores below `threshold`; 0 where there are none.
    pub fn fnmr(&self, threshold: f32) -> f64 {
        share(self.genuine.partition_point(|s| *s < threshold), self.genuine.len())
    }

    /// The lowest threshold whose FMR is at most `fmr`, and the FNMR there.
    /// `None` without scores of both kinds.
    pub fn at_fmr(&self, fmr: f64) -> Option<OperatingPoint> {
        if self.genuine.is_empty() || self.impostor.is_empty() {
            return None;
        }
        let count = self.impostor.len();
        let allowed = (fmr.clamp(0.0, 1.0) * count as f64).floor() as usize;
        // Just above the highest score that must not match; ties go with it.
        let threshold = if allowed >= count { self.impostor[0] } else { self.impostor[count - 1 - allowed].next_up() };
        Some(OperatingPoint { fmr, threshold, fnmr: self.fnmr(threshold) })
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// SplitMix64 (Steele, Lea, Flood, 2014): the same draws on every machine.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0…`bound` − 1, by multiplication; the bias is below 2⁻⁵⁰ here.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::RecipeDigest;
    use proptest::prelude::*;

    fn templates(subjects: usize, each: usize) -> (Vec<Template>, Vec<usize>) {
        let mut random = SplitMix(7);
        let mut unit = || random.next() as f32 / u64::MAX as f32 - 0.5;
        let mut made = (Vec::new(), Vec::new());
        for subject in 0..subjects {
            let face: Vec<f32> = (0..16).map(|_| unit()).collect();
            for _ in 0..each {
                let raw: Vec<f32> = face.iter().map(|v| v + 0.4 * unit()).collect();
                made.0.push(Template::from_raw(RecipeDigest([0; 32]), &raw).unwrap());
                made.1.push(subject);
            }
        }
        made
    }

    #[test]
    fn every_pair_is_counted_once() {
        let (templates, subjects) = templates(5, 4);
        let scores = Scores::all_pairs(&templates, &subjects).unwrap();
        assert_eq!(scores.genuine().len(), 5 * 4 * 3 / 2);
        assert_eq!(scores.impostor().len(), 20 * 19 / 2 - 5 * 4 * 3 / 2);
    }

    #[test]
    fn a_probe_never_meets_a_capture_it_is_made_of() {
        let (templates, subjects) = templates(5, 4);
        let scores = Scores::fused_probes(&templates, &subjects, 3, 6, 1).unwrap();
        assert_eq!((scores.genuine().len(), scores.impostor().len()), (5 * 6, 5 * 6 * 16));
        assert_eq!(scores, Scores::fused_probes(&templates, &subjects, 3, 6, 1).unwrap());
        assert_ne!(scores, Scores::fused_probes(&templates, &subjects, 3, 6, 2).unwrap());
        // Nobody has a capture left to compare a probe of four with.
        assert_eq!(Scores::fused_probes(&templates, &subjects, 4, 6, 1).unwrap(), Scores::default());
    }

    #[test]
    fn fused_probes_separate_better_than_single_ones() {
        let (templates, subjects) = templates(40, 6);
        let single = Scores::all_pairs(&templates, &subjects).unwrap().at_fmr(1e-2).unwrap();
        let fused = Scores::fused_probes(&templates, &subjects, 4, 4, 3).unwrap().at_fmr(1e-2).unwrap();
        assert!(fused.fnmr <= single.fnmr);
    }

    proptest! {
        #[test]
        fn the_threshold_keeps_its_rate_and_is_the_lowest_that_does(
            impostor in prop::collection::vec(-20i8..20, 1..200),
            genuine in prop::collection::vec(-20i8..20, 1..50),
            fmr in 0.0f64..1.0,
        ) {
            // Few distinct values make many ties.
            let floats = |v: &[i8]| v.iter().map(|&s| f32::from(s) / 20.0).collect::<Vec<_>>();
            let scores = Scores::new(floats(&genuine), floats(&impostor));
            let point = scores.at_fmr(fmr).unwrap();
            prop_assert!(scores.fmr(point.threshold) <= fmr);
            let below = scores.impostor().iter().rev().find(|s| **s < point.threshold);
            if let Some(&below) = below {
                prop_assert!(scores.fmr(below) > fmr);
            }
            let misses = scores.genuine().iter().filter(|s| **s < point.threshold).count();
            prop_assert_eq!(point.fnmr, misses as f64 / genuine.len() as f64);
        }
    }
}
