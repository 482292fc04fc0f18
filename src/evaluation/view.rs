//! Error rates of a set of comparisons, and how sure they are.
//!
//! A [`View`] holds what decides errors: the comparisons near or beyond a threshold,
//! by subject, and how many there are in all. Rates are read from it for the people
//! as they are, or with each person taken zero, one or more times: the *bootstrap
//! over subjects*. A comparison of two people then counts the product of their
//! multiplicities, because that is how often it would be in a set in which each came
//! up so often; comparisons between copies of one person do not exist. (Owen's
//! "pigeonhole bootstrap", 2007; it errs towards wide intervals.) The threshold for a
//! rate is found anew each time.
//!
//! Where every pair of people weighs the same, sums are of weights, and rates theirs; the
//! errors that a rate rests on are comparisons all the same.

use rayon::prelude::*;

use super::histogram::{WEIGHT, bin, edge};
use super::pairs::Pair;
use super::random::SplitMix;
use crate::matching::Weighed;

/// Errors below which a rate is not resolved: the rule of 30 (ISO/IEC 19795-1).
pub const ERRORS_MIN: u64 = 30;
/// Share of repetitions that must give a number for an interval to be one.
const REPETITIONS_SHARE_MIN: f64 = 0.95;

/// A comparison as a view keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    bin: i32,
    a: u32,
    b: u32,
}

/// How many comparisons there are in all, whoever is taken how often.
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
        /// How many impostor comparisons are made of those the product counts.
        share: f64,
    },
    /// All photos of a group with each other, in several groups.
    Groups {
        /// By group, its subjects and how many photos each has there.
        groups: Vec<Vec<(u32, u64)>>,
        /// What counts the same: comparisons, or pairs of people ([`WEIGHT`] each).
        weighed: Weighed,
        /// How many impostor comparisons are made of those there are.
        share: f64,
    },
    /// Comparisons per pair of subjects.
    Listed {
        /// Genuine: subject, subject, how many.
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

    /// Counted one by one; pairs of subjects that come up often are gathered.
    pub fn counted(pairs: impl Iterator<Item = (u32, u32, bool)>) -> Self {
        let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
        for (a, b, is_genuine) in pairs {
            let to = if is_genuine { &mut genuine } else { &mut impostor };
            to.push((a, b, 1));
        }
        for list in [&mut genuine, &mut impostor] {
            list.sort_unstable();
            list.dedup_by(|next, kept| {
                let same = (next.0, next.1) == (kept.0, kept.1);
                if same {
                    kept.2 += next.2;
                }
                same
            });
        }
        Self::Listed { genuine, impostor }
    }

    /// Genuine and impostor comparisons, each once.
    fn comparisons(&self, subjects: usize) -> (u64, u64) {
        let counted = match self {
            Self::Groups { groups, share, .. } => {
                let (groups, share) = (groups.clone(), *share);
                Self::Groups { groups, weighed: Weighed::Comparisons, share }.weighted(&Times::once(subjects))
            }
            other => other.weighted(&Times::once(subjects)),
        };
        (counted.0.round() as u64, counted.1.round() as u64)
    }

    /// Genuine and impostor comparisons with each subject taken `times`, weighed.
    fn weighted(&self, times: &Times) -> (f64, f64) {
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
                            Weighed::Comparisons => (photos as f64, (photos * photos.saturating_sub(1) / 2) as f64),
                            Weighed::People => (1.0, if photos > 1 { WEIGHT as f64 } else { 0.0 }),
                        };
                        sum += times * each;
                        own += times * each * times * each;
                        mated += times * pairs;
                    }
                    others += (sum * sum - own) / 2.0;
                }
                let unit = if *weighed == Weighed::People { WEIGHT as f64 } else { 1.0 };
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

/// How often each subject is taken.
pub(super) struct Times(Vec<u32>);

impl Times {
    /// Each once.
    pub fn once(subjects: usize) -> Self {
        Self(vec![1; subjects])
    }

    /// As many draws with repetition as there are subjects.
    pub fn drawn(subjects: usize, seed: u64, repetition: u64) -> Self {
        let mut random = SplitMix::stream(seed, repetition + 1);
        let mut times = vec![0; subjects];
        (0..subjects).for_each(|_| times[random.below(subjects)] += 1);
        Self(times)
    }

    fn of(&self, subject: u32) -> u64 {
        // Beyond the last subject is nobody: a gallery that stays as it is.
        self.0.get(subject as usize).map_or(1, |times| u64::from(*times))
    }

    /// A comparison of one person's photos comes up as often as the person.
    fn both(&self, a: u32, b: u32) -> u64 {
        if a == b { self.of(a) } else { self.of(a) * self.of(b) }
    }
}

/// A subject number for what is no sample of people, and so taken once always.
pub const NOBODY: u32 = u32::MAX;

/// Comparisons that decide errors, and how many there are in all.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Ascending; all, or those below some score.
    genuine: Vec<Entry>,
    /// Descending; all, or those at or above some score.
    impostor: Vec<Entry>,
    /// What the entries weigh; empty where each weighs 1.
    genuine_weights: Vec<u64>,
    impostor_weights: Vec<u64>,
    /// Whether `impostor` is all there are.
    impostor_complete: bool,
    /// Genuine and impostor comparisons in all.
    comparisons: (u64, u64),
    totals: Totals,
    subjects: usize,
}

/// How often a view is looked at with other people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// Repetitions.
    pub repetitions: u64,
    /// Fixes the draws.
    pub seed: u64,
}

impl View {
    /// `genuine` and `impostor` in any order; `totals` counts all, those not given
    /// included: genuine ones above, impostor ones below every score given.
    pub fn new(genuine: &[Pair], impostor: &[Pair], totals: Totals, subjects: usize) -> Self {
        let entry = |pair: &Pair| Entry { bin: bin(pair.score), a: pair.subject_a, b: pair.subject_b };
        let mut genuine: Vec<Entry> = genuine.iter().map(entry).collect();
        let mut impostor: Vec<Entry> = impostor.iter().map(entry).collect();
        genuine.par_sort_unstable();
        impostor.par_sort_unstable_by(|x, y| y.cmp(x));
        Self::of(genuine, impostor, (Vec::new(), Vec::new()), totals, subjects)
    }

    /// The same, each comparison with its weight in the measure of `totals`.
    pub fn weighed(
        genuine: &[Pair],
        impostor: &[Pair],
        totals: Totals,
        subjects: usize,
        weight: impl Fn(&Pair) -> u64,
    ) -> Self {
        let entry = |pair: &Pair| (Entry { bin: bin(pair.score), a: pair.subject_a, b: pair.subject_b }, weight(pair));
        let mut genuine: Vec<(Entry, u64)> = genuine.iter().map(entry).collect();
        let mut impostor: Vec<(Entry, u64)> = impostor.iter().map(entry).collect();
        genuine.par_sort_unstable();
        impostor.par_sort_unstable_by(|x, y| y.cmp(x));
        let (genuine, genuine_weights) = genuine.into_iter().unzip();
        let (impostor, impostor_weights) = impostor.into_iter().unzip();
        Self::of(genuine, impostor, (genuine_weights, impostor_weights), totals, subjects)
    }

    fn of(
        genuine: Vec<Entry>,
        impostor: Vec<Entry>,
        (genuine_weights, impostor_weights): (Vec<u64>, Vec<u64>),
        totals: Totals,
        subjects: usize,
    ) -> Self {
        let comparisons = totals.comparisons(subjects);
        let impostor_complete = impostor.len() as u64 >= comparisons.1;
        Self { genuine, impostor, genuine_weights, impostor_weights, impostor_complete, comparisons, totals, subjects }
    }

    /// The same with those impostor comparisons alone that matter at an FMR of at most
    /// `fmr`, with room for thresholds to vary.
    pub fn near(self, fmr: f64) -> Self {
        let room = fmr * self.totals.weighted(&Times::once(self.subjects)).1 * NEAR_ROOM;
        let keep = match self.impostor_weights.is_empty() {
            true => room.ceil() as usize,
            false => {
                let mut sum = 0u64;
                let below = |weight: &&u64| {
                    sum += **weight;
                    (sum as f64) < room
                };
                self.impostor_weights.iter().take_while(below).count() + 1
            }
        };
        self.with_highest(keep)
    }

    fn with_highest(mut self, keep: usize) -> Self {
        if keep < self.impostor.len() {
            self.impostor.truncate(keep);
            self.impostor_weights.truncate(keep);
            self.impostor_complete = false;
        }
        self
    }

    /// The same with those impostor comparisons alone that reach `bin`: enough where the
    /// threshold is fixed.
    pub fn above(self, bin: i32) -> Self {
        let keep = self.impostor.partition_point(|entry| entry.bin >= bin);
        self.with_highest(keep)
    }

    /// Whether every impostor comparison that reaches `bin` is held.
    pub fn reaches(&self, bin: i32) -> bool {
        self.impostor_complete || self.impostor.last().is_some_and(|last| last.bin < bin)
    }

    /// Rates with every subject taken so often.
    pub(super) fn rates(&self, times: &Times) -> Rates<'_> {
        let sums = |entries: &[Entry], weights: &[u64]| {
            let mut sum = 0;
            let add = |(i, entry): (usize, &Entry)| {
                sum += times.both(entry.a, entry.b) * weights.get(i).unwrap_or(&1);
                sum
            };
            entries.iter().enumerate().map(add).collect::<Vec<u64>>()
        };
        let (genuine_total, impostor_total) = self.totals.weighted(times);
        Rates {
            view: self,
            genuine: sums(&self.genuine, &self.genuine_weights),
            impostor: sums(&self.impostor, &self.impostor_weights),
            genuine_total,
            impostor_total,
        }
    }

    /// Rates as they were counted.
    pub(super) fn counted(&self) -> Rates<'_> {
        self.rates(&Times::once(self.subjects))
    }

    /// Numbers read from the rates of every repetition, by repetition.
    pub(super) fn repeat<T: Send>(
        &self,
        bootstrap: Bootstrap,
        read: impl Fn(&Times, &Rates<'_>) -> T + Sync + Send,
    ) -> Vec<T> {
        (0..bootstrap.repetitions)
            .into_par_iter()
            .map(|repetition| {
                let times = Times::drawn(self.subjects, bootstrap.seed, repetition);
                read(&times, &self.rates(&times))
            })
            .collect()
    }
}

/// Room that [`View::near`] leaves: an FMR at a threshold seldom varies this much.
const NEAR_ROOM: f64 = 20.0;

/// The rates of a view, each subject taken some number of times.
pub(super) struct Rates<'a> {
    view: &'a View,
    /// Running sums beside the view's entries, weighed.
    genuine: Vec<u64>,
    impostor: Vec<u64>,
    /// What all comparisons weigh.
    pub genuine_total: f64,
    pub impostor_total: f64,
}

impl Rates<'_> {
    /// The bin of the lowest threshold that keeps `fmr`; `None` where the view does
    /// not reach so far, or has no impostor comparisons.
    pub fn threshold(&self, fmr: f64) -> Option<i32> {
        if self.impostor_total <= 0.0 {
            return None;
        }
        let allowed = fmr * self.impostor_total;
        let kept = self.impostor.partition_point(|sum| *sum as f64 <= allowed);
        match self.view.impostor.get(kept) {
            // Just above the first that must not match; ties go with it.
            Some(entry) => Some(entry.bin + 1),
            None if self.view.impostor_complete => self.view.impostor.last().map(|entry| entry.bin),
            None => None,
        }
    }

    /// False matches with a threshold at the lower edge of `bin`: comparisons, however
    /// they are weighed. Where they are, people must be as they are.
    pub fn false_matches(&self, bin: i32) -> u64 {
        let count = self.matches_held(bin);
        if self.view.impostor_weights.is_empty() { running(&self.impostor, count) } else { count as u64 }
    }

    /// False non-matches, likewise.
    pub fn misses(&self, bin: i32) -> u64 {
        let count = self.misses_held(bin);
        if self.view.genuine_weights.is_empty() { running(&self.genuine, count) } else { count as u64 }
    }

    fn matches_held(&self, bin: i32) -> usize {
        self.view.impostor.partition_point(|entry| entry.bin >= bin)
    }

    fn misses_held(&self, bin: i32) -> usize {
        self.view.genuine.partition_point(|entry| entry.bin < bin)
    }

    /// Whether comparisons do not all weigh the same.
    pub fn are_weighed(&self) -> bool {
        !(self.view.impostor_weights.is_empty() && self.view.genuine_weights.is_empty())
    }

    /// Genuine comparisons, each once.
    pub fn genuine_comparisons(&self) -> u64 {
        self.view.comparisons.0
    }

    /// Impostor comparisons, likewise.
    pub fn impostor_comparisons(&self) -> u64 {
        self.view.comparisons.1
    }

    /// False match rate; `None` without impostor comparisons.
    pub fn fmr(&self, bin: i32) -> Option<f64> {
        let weight = running(&self.impostor, self.matches_held(bin));
        (self.impostor_total > 0.0).then(|| weight as f64 / self.impostor_total)
    }

    /// False non-match rate; `None` without genuine comparisons.
    pub fn fnmr(&self, bin: i32) -> Option<f64> {
        let weight = running(&self.genuine, self.misses_held(bin));
        (self.genuine_total > 0.0).then(|| weight as f64 / self.genuine_total)
    }

    /// The false non-match rate at the threshold for a false match rate.
    pub fn fnmr_at(&self, fmr: f64) -> Option<f64> {
        self.fnmr(self.threshold(fmr)?)
    }

    /// The bin from which on FMR is at most FNMR; `None` where that is beyond what
    /// the view holds.
    pub fn crossing(&self) -> Option<i32> {
        let held = self.view.impostor.last()?.bin;
        let crossed = |bin: i32| Some(self.fmr(bin)? <= self.fnmr(bin)?);
        // Thresholds up to a bin above the highest score: there FMR is 0.
        let (mut low, mut high) = (held, self.view.impostor.first()?.bin + 1);
        if crossed(low)? {
            return None;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if crossed(middle)? { high = middle } else { low = middle }
        }
        Some(high)
    }

    /// The rate at which FMR and FNMR are equal: the mean of both where they cross.
    pub fn equal_error_rate(&self) -> Option<f64> {
        let at = self.crossing()?;
        Some((self.fmr(at)? + self.fnmr(at)?) / 2.0)
    }

    /// The threshold of a bin.
    pub fn score(bin: i32) -> f32 {
        edge(bin)
    }
}

fn running(sums: &[u64], count: usize) -> u64 {
    count.checked_sub(1).and_then(|last| sums.get(last)).copied().unwrap_or(0)
}

/// The 2.5th and 97.5th percentile of what the repetitions gave; `None` where too few
/// of them gave a number.
pub(super) fn interval(values: impl IntoIterator<Item = Option<f64>>) -> Option<[f64; 2]> {
    let all: Vec<Option<f64>> = values.into_iter().collect();
    let mut values: Vec<f64> = all.iter().flatten().copied().filter(|v| v.is_finite()).collect();
    if values.is_empty() || (values.len() as f64) < REPETITIONS_SHARE_MIN * all.len() as f64 {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    Some([at(0.025), at(0.975)])
}

#[cfg(test)]
mod tests {
    use super::super::groups::Holdings;
    use super::super::pairs::{AllPairs, collect};
    use super::super::set::PhotoSet;
    use super::super::set::tests::made_up;
    use super::*;
    use proptest::prelude::*;

    fn view(subjects: usize, each: usize) -> (View, Vec<Pair>) {
        let set = made_up(subjects, each, 0.8);
        let pairs = collect(&AllPairs::new(&set, |_| true, u64::MAX, 0), |_, _| true);
        let (genuine, impostor): (Vec<_>, Vec<_>) = pairs.iter().copied().partition(|p| p.genuine);
        let totals = Totals::all_pairs(&vec![each as u64; subjects]);
        (View::new(&genuine, &impostor, totals, subjects), pairs)
    }

    #[test]
    fn a_person_taken_twice_counts_as_two_would() {
        let (view, pairs) = view(6, 4);
        let times = Times(vec![2, 0, 1, 3, 1, 1]);
        let rates = view.rates(&times);
        let threshold = 20_000;
        let (mut matches, mut impostors, mut misses, mut genuine) = (0, 0, 0, 0);
        for pair in &pairs {
            let (a, b) = (times.0[pair.subject_a as usize], times.0[pair.subject_b as usize]);
            let above = bin(pair.score) >= threshold;
            if pair.genuine {
                genuine += a;
                misses += if above { 0 } else { a };
            } else {
                impostors += a * b;
                matches += if above { a * b } else { 0 };
            }
        }
        assert_eq!((rates.genuine_total, rates.impostor_total), (f64::from(genuine), f64::from(impostors)));
        assert_eq!((rates.misses(threshold), rates.false_matches(threshold)), (u64::from(misses), u64::from(matches)));
    }

    #[test]
    fn a_pair_of_people_weighs_the_same_however_many_photos_there_are() {
        // The third photo of the first person is a hundred times there.
        let set = made_up(8, 3, 0.8);
        let mut many = PhotoSet::default();
        for photo in 0..set.len() as u32 {
            (0..if photo == 2 { 100 } else { 1 })
                .for_each(|_| many.push(set.subject(photo), set.template(photo).cloned()));
        }
        let held = Holdings::count(many.with_template().map(|p| (0, many.subject(p))));
        let pairs = collect(&AllPairs::new(&many, |_| true, u64::MAX, 0), |_, _| true);
        let (genuine, impostor): (Vec<_>, Vec<_>) = pairs.iter().copied().partition(|p| p.genuine);
        let totals = Totals::Groups { groups: held.by_group(), weighed: Weighed::People, share: 1.0 };
        let weight = |p: &Pair| WEIGHT / held.sharing(0, p.subject_a, p.subject_b);
        let view = View::weighed(&genuine, &impostor, totals, 8, weight);
        let at = bin(0.3);
        let by_hand = |genuine: bool| {
            let mut shares = std::collections::BTreeMap::<_, [f64; 2]>::new();
            for pair in pairs.iter().filter(|p| p.genuine == genuine) {
                let [all, errors] = shares.entry((pair.subject_a, pair.subject_b)).or_default();
                *all += 1.0;
                *errors += f64::from(u8::from((bin(pair.score) >= at) != genuine));
            }
            let people = if genuine { 8.0 } else { 28.0 };
            // The same two people may be named in either order.
            let mut unordered = std::collections::BTreeMap::<_, [f64; 2]>::new();
            for ((a, b), [all, errors]) in shares {
                let sum = unordered.entry((a.min(b), a.max(b))).or_default();
                (sum[0], sum[1]) = (sum[0] + all, sum[1] + errors);
            }
            unordered.values().map(|[all, errors]| errors / all).sum::<f64>() / people
        };
        let rates = view.counted();
        assert!((rates.fmr(at).unwrap() - by_hand(false)).abs() < 1e-6);
        assert!((rates.fnmr(at).unwrap() - by_hand(true)).abs() < 1e-6);
        let count = impostor.iter().filter(|p| bin(p.score) >= at).count() as u64;
        assert_eq!((rates.false_matches(at), rates.impostor_comparisons()), (count, impostor.len() as u64));
        assert!(view.clone().near(1e-3).counted().threshold(1e-2) == rates.threshold(1e-2));
    }

    #[test]
    fn a_list_of_the_same_comparisons_gives_the_same_rates() {
        let (view, pairs) = view(6, 4);
        let totals = Totals::counted(pairs.iter().map(|p| (p.subject_a, p.subject_b, p.genuine)));
        let listed = View { totals, ..view.clone() };
        for repetition in 0..20 {
            let times = Times::drawn(6, 3, repetition);
            let (one, other) = (view.rates(&times), listed.rates(&times));
            assert_eq!((one.genuine_total, one.impostor_total), (other.genuine_total, other.impostor_total));
            assert_eq!(one.threshold(0.01), other.threshold(0.01));
        }
    }

    #[test]
    fn what_a_view_does_not_hold_is_not_made_up() {
        let (view, _) = view(10, 4);
        let all = view.counted();
        let near = view.clone().near(1e-3);
        let few = near.counted();
        assert_eq!(few.threshold(1e-3), all.threshold(1e-3));
        assert!(all.threshold(0.4).is_some() && few.threshold(0.4).is_none());
        assert!(all.equal_error_rate().is_some());
    }

    #[test]
    fn the_bootstrap_is_the_same_whatever_does_it_and_varies_with_its_seed() {
        let (view, _) = view(12, 4);
        let with = |threads, seed| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let bootstrap = Bootstrap { repetitions: 100, seed };
            pool.install(|| view.repeat(bootstrap, |_, rates| rates.fnmr_at(0.01)))
        };
        assert_eq!(with(1, 5), with(3, 5));
        assert_ne!(with(1, 5), with(1, 6));
    }

    #[test]
    fn an_interval_needs_nearly_all_repetitions() {
        let values = |missing: usize| (0..1000).map(move |i| (i >= missing).then_some(i as f64));
        assert_eq!(interval(values(0)), Some([25.0, 974.0]));
        assert!(interval(values(40)).is_some());
        assert_eq!(interval(values(60)), None);
    }

    /// The deviation of a bootstrapped FMR beside that of the same rate over fresh
    /// people: the interval must not be too narrow, nor absurdly wide.
    #[test]
    fn the_interval_is_as_wide_as_fresh_people_vary() {
        let threshold = bin(0.55);
        let (subjects, each, sets) = (40, 3, 60);
        let set = made_up(subjects * sets, each, 0.8);
        let of = |which: usize| {
            let include = |photo: u32| photo as usize / (subjects * each) == which;
            let pairs = collect(&AllPairs::new(&set, include, u64::MAX, 0), |_, _| true);
            let shifted: Vec<Pair> = pairs
                .iter()
                .map(|p| Pair {
                    subject_a: p.subject_a - (which * subjects) as u32,
                    subject_b: p.subject_b - (which * subjects) as u32,
                    ..*p
                })
                .collect();
            let (genuine, impostor): (Vec<_>, Vec<_>) = shifted.iter().copied().partition(|p| p.genuine);
            View::new(&genuine, &impostor, Totals::all_pairs(&vec![each as u64; subjects]), subjects)
        };
        let deviation = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
        };
        let fresh: Vec<f64> = (0..sets).map(|which| of(which).counted().fmr(threshold).unwrap()).collect();
        let bootstrap = Bootstrap { repetitions: 200, seed: 1 };
        let own: Vec<f64> =
            (0..6).map(|which| deviation(&of(which).repeat(bootstrap, |_, r| r.fmr(threshold).unwrap()))).collect();
        let ratio = own.iter().sum::<f64>() / own.len() as f64 / deviation(&fresh);
        assert!((0.8..2.0).contains(&ratio), "{ratio}");
    }

    proptest! {
        #[test]
        fn the_threshold_keeps_its_rate_and_is_the_lowest_that_does(
            impostor in prop::collection::vec(-20i8..20, 1..200), fmr in 0.0f64..1.0,
        ) {
            // Few distinct values make many ties.
            let pair = |(i, s): (usize, &i8)| Pair {
                score: f32::from(*s) / 20.0, a: 0, b: 0, subject_a: i as u32 % 7, subject_b: 7, genuine: false,
            };
            let pairs: Vec<Pair> = impostor.iter().enumerate().map(pair).collect();
            let totals = Totals::counted(pairs.iter().map(|p| (p.subject_a, p.subject_b, false)));
            let view = View::new(&[], &pairs, totals, 8);
            let rates = view.counted();
            let threshold = rates.threshold(fmr).unwrap();
            prop_assert!(rates.fmr(threshold).unwrap() <= fmr);
            if let Some(below) = pairs.iter().map(|p| bin(p.score)).filter(|b| *b < threshold).max() {
                prop_assert!(rates.fmr(below).unwrap() > fmr);
            }
        }
    }
}
