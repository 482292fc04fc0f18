//! Number and weight of all comparisons, for given multiplicities of subjects.

use super::super::histogram::WEIGHT;
use crate::matching::Weighting;
use crate::random::SplitMix;

/// Numbers of comparisons in a form that can be evaluated for any multiplicities of subjects.
#[derive(Debug, Clone, PartialEq)]
pub enum Totals {
    /// Probes of each subject against references of each other subject.
    Product {
        /// Probes per subject.
        probes: Vec<u64>,
        /// References per subject.
        references: Vec<u64>,
        /// Genuine comparisons per subject.
        genuine: Vec<u64>,
        /// Share of the possible impostor comparisons that are made.
        share: f64,
    },
    /// All photos with each other within each of several groups.
    Groups {
        /// By group: its subjects with their number of photos in it.
        groups: Vec<Vec<(u32, u64)>>,
        /// The unit of weight: comparisons, or pairs of people ([`WEIGHT`] each).
        weighed: Weighting,
        /// Share of the possible impostor comparisons that are made.
        share: f64,
    },
    /// Comparisons per pair of subjects.
    Listed {
        /// Genuine: subject, subject, number.
        genuine: Vec<(u32, u32, u64)>,
        /// Impostor, likewise.
        impostor: Vec<(u32, u32, u64)>,
    },
}

impl Totals {
    /// All photos with each other: `photos[subject]` of each.
    pub fn all_pairs(photos: &[u64]) -> Self {
        Self::Product {
            probes: photos.to_vec(),
            references: photos.to_vec(),
            genuine: photos.iter().map(|n| n * n.saturating_sub(1) / 2).collect(),
            share: 0.5,
        }
    }

    /// Counts comparisons given as (subject, subject, whether genuine).
    pub fn counted(pairs: impl Iterator<Item = (u32, u32, bool)>) -> Self {
        let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
        for (a, b, is_genuine) in pairs {
            let to = if is_genuine { &mut genuine } else { &mut impostor };
            to.push((a, b, 1));
        }
        for list in [&mut genuine, &mut impostor] {
            list.sort_unstable();
            list.dedup_by(|next, kept| {
                let is_same_pair = (next.0, next.1) == (kept.0, kept.1);
                if is_same_pair {
                    kept.2 += next.2;
                }
                is_same_pair
            });
        }
        Self::Listed { genuine, impostor }
    }

    /// Number of genuine and of impostor comparisons.
    pub(super) fn comparisons(&self, subjects: usize) -> (u64, u64) {
        let counted = match self {
            Self::Groups { groups, share, .. } => {
                let (groups, share) = (groups.clone(), *share);
                Self::Groups { groups, weighed: Weighting::Comparisons, share }
                    .weighted(&Multiplicities::once(subjects))
            }
            other => other.weighted(&Multiplicities::once(subjects)),
        };
        (counted.0.round() as u64, counted.1.round() as u64)
    }

    /// Weight of genuine and of impostor comparisons with the multiplicities `times`.
    pub(super) fn weighted(&self, times: &Multiplicities) -> (f64, f64) {
        match self {
            Self::Product { probes, references, genuine, share } => {
                let (mut probe, mut reference, mut own, mut mated) = (0.0, 0.0, 0.0, 0.0);
                for (subject, ((p, r), g)) in probes.iter().zip(references).zip(genuine).enumerate() {
                    let times = times.of(subject as u32) as f64;
                    probe += times * *p as f64;
                    reference += times * *r as f64;
                    own += times * times * (*p * *r) as f64;
                    mated += times * *g as f64;
                }
                (mated, share * (probe * reference - own))
            }
            Self::Groups { groups, weighed, share } => {
                let (mut mated, mut others) = (0.0, 0.0);
                for group in groups {
                    let (mut sum, mut own) = (0.0, 0.0);
                    for &(subject, photos) in group {
                        let times = times.of(subject) as f64;
                        let (each, pairs) = match weighed {
                            Weighting::Comparisons => (photos as f64, (photos * photos.saturating_sub(1) / 2) as f64),
                            Weighting::People => (1.0, if photos > 1 { WEIGHT as f64 } else { 0.0 }),
                        };
                        sum += times * each;
                        own += times * each * times * each;
                        mated += times * pairs;
                    }
                    others += (sum * sum - own) / 2.0;
                }
                let unit = if *weighed == Weighting::People { WEIGHT as f64 } else { 1.0 };
                (mated, share * others * unit)
            }
            Self::Listed { genuine, impostor } => {
                let sum = |list: &[(u32, u32, u64)]| {
                    list.iter().map(|&(a, b, count)| (times.both(a, b) * count) as f64).sum::<f64>()
                };
                (sum(genuine), sum(impostor))
            }
        }
    }
}

/// How often each subject is drawn in a bootstrap sample.
pub(in crate::evaluation) struct Multiplicities(pub(super) Vec<u32>);

impl Multiplicities {
    /// Each once.
    pub fn once(subjects: usize) -> Self {
        Self(vec![1; subjects])
    }

    /// A bootstrap sample: as many draws with replacement as there are subjects.
    pub fn drawn(subjects: usize, seed: u64, repetition: u64) -> Self {
        let mut random = SplitMix::stream(seed, repetition + 1);
        let mut times = vec![0; subjects];
        (0..subjects).for_each(|_| times[random.below(subjects)] += 1);
        Self(times)
    }

    fn of(&self, subject: u32) -> u64 {
        // [`NOBODY`] has no number: the gallery is the same in every sample.
        self.0.get(subject as usize).map_or(1, |times| u64::from(*times))
    }

    /// Multiplicity of a comparison; one of a single person's photos occurs as often as the person.
    pub(super) fn both(&self, a: u32, b: u32) -> u64 {
        if a == b { self.of(a) } else { self.of(a) * self.of(b) }
    }
}

/// Subject number of what is not resampled, such as a gallery; its multiplicity is always 1.
pub const NOBODY: u32 = u32::MAX;
