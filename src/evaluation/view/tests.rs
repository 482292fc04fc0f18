use super::super::groups::PhotoCounts;
use super::super::histogram::WEIGHT;
use super::super::pairs::{AllPairs, collect};
use super::super::set::PhotoSet;
use super::super::set::tests::made_up;
use super::*;
use crate::matching::Weighting;
use proptest::prelude::*;

fn view(subjects: usize, each: usize) -> (ComparisonView, Vec<ScoredComparison>) {
    let set = made_up(subjects, each, 0.8);
    let pairs = collect(&AllPairs::new(&set, |_| true, u64::MAX, 0), |_, _| true);
    let (genuine, impostor): (Vec<_>, Vec<_>) = pairs.iter().copied().partition(|p| p.genuine);
    let totals = Totals::all_pairs(&vec![each as u64; subjects]);
    (ComparisonView::new(&genuine, &impostor, totals, subjects), pairs)
}

#[test]
fn a_person_taken_twice_counts_as_two_would() {
    let (view, pairs) = view(6, 4);
    let times = Multiplicities(vec![2, 0, 1, 3, 1, 1]);
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
    // The third photo of the first person is present a hundred times.
    let set = made_up(8, 3, 0.8);
    let mut many = PhotoSet::default();
    for photo in 0..set.len() as u32 {
        (0..if photo == 2 { 100 } else { 1 }).for_each(|_| many.push(set.subject(photo), set.template(photo).cloned()));
    }
    let held = PhotoCounts::count(many.with_template().map(|p| (0, many.subject(p))));
    let pairs = collect(&AllPairs::new(&many, |_| true, u64::MAX, 0), |_, _| true);
    let (genuine, impostor): (Vec<_>, Vec<_>) = pairs.iter().copied().partition(|p| p.genuine);
    let totals = Totals::Groups { groups: held.by_group(), weighed: Weighting::People, share: 1.0 };
    let weight = |p: &ScoredComparison| WEIGHT / held.sharing(0, p.subject_a, p.subject_b);
    let view = ComparisonView::weighed(&genuine, &impostor, totals, 8, weight);
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
    let listed = ComparisonView { totals, ..view.clone() };
    for repetition in 0..20 {
        let times = Multiplicities::drawn(6, 3, repetition);
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

/// Compares the deviation of a bootstrapped FMR with that over independent samples of people: the
/// interval must be neither too narrow nor far too wide.
#[test]
fn the_interval_is_as_wide_as_fresh_people_vary() {
    let threshold = bin(0.55);
    let (subjects, each, sets) = (40, 3, 60);
    let set = made_up(subjects * sets, each, 0.8);
    let of = |which: usize| {
        let include = |photo: u32| photo as usize / (subjects * each) == which;
        let pairs = collect(&AllPairs::new(&set, include, u64::MAX, 0), |_, _| true);
        let shifted: Vec<ScoredComparison> = pairs
            .iter()
            .map(|p| ScoredComparison {
                subject_a: p.subject_a - (which * subjects) as u32,
                subject_b: p.subject_b - (which * subjects) as u32,
                ..*p
            })
            .collect();
        let (genuine, impostor): (Vec<_>, Vec<_>) = shifted.iter().copied().partition(|p| p.genuine);
        ComparisonView::new(&genuine, &impostor, Totals::all_pairs(&vec![each as u64; subjects]), subjects)
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
        let pair = |(i, s): (usize, &i8)| ScoredComparison {
            score: f32::from(*s) / 20.0, a: 0, b: 0, subject_a: i as u32 % 7, subject_b: 7, genuine: false,
        };
        let pairs: Vec<ScoredComparison> = impostor.iter().enumerate().map(pair).collect();
        let totals = Totals::counted(pairs.iter().map(|p| (p.subject_a, p.subject_b, false)));
        let view = ComparisonView::new(&[], &pairs, totals, 8);
        let rates = view.counted();
        let threshold = rates.threshold(fmr).unwrap();
        prop_assert!(rates.fmr(threshold).unwrap() <= fmr);
        if let Some(below) = pairs.iter().map(|p| bin(p.score)).filter(|b| *b < threshold).max() {
            prop_assert!(rates.fmr(below).unwrap() > fmr);
        }
    }
}
