use super::super::groups::{GroupBy, PhotoGroups};
use super::super::set::ManifestColumn;
use super::super::set::tests::made_up;
use super::*;

fn counts(source: &impl ComparisonSource) -> (u64, u64) {
    let [genuine, impostor] = histograms(source);
    (genuine.count(), impostor.count())
}

#[test]
fn every_pair_is_made_once() {
    let set = made_up(5, 4, 0.4);
    let all = AllPairs::new(&set, |_| true, u64::MAX, 0);
    assert_eq!(counts(&all), (5 * 6, 190 - 30));
    let mut compared: Vec<_> = collect(&all, |_, _| true).iter().map(|p| (p.a.min(p.b), p.a.max(p.b))).collect();
    compared.sort_unstable();
    compared.dedup();
    assert_eq!(compared.len(), 190);
}

#[test]
fn a_sample_makes_every_genuine_pair_and_no_impostor_pair_twice() {
    let set = made_up(30, 4, 0.4);
    let sample = AllPairs::new(&set, |_| true, 2000, 9);
    assert!(sample.is_sample());
    let (genuine, impostor) = counts(&sample);
    assert_eq!(genuine, 30 * 6);
    assert!((1500..=2000).contains(&impostor), "{impostor}");
    let mut compared: Vec<_> = collect(&sample, |_, _| true).iter().map(|p| (p.a.min(p.b), p.a.max(p.b))).collect();
    let made = compared.len();
    compared.sort_unstable();
    compared.dedup();
    assert_eq!(compared.len(), made);
}

#[test]
fn a_probe_never_meets_a_photo_it_is_made_of() {
    let set = made_up(5, 4, 0.4);
    let drawn = |frames, seed| ProbeComparisons::drawn(&set, |_| true, |_| true, frames, 3, seed);
    assert_eq!(counts(&drawn(3, 1)), (5 * 3, 5 * 3 * 16));
    assert_eq!(histograms(&drawn(3, 1)), histograms(&drawn(3, 1)));
    assert_ne!(histograms(&drawn(3, 1)), histograms(&drawn(3, 2)));
    // Nobody has a photo left to compare a probe of four with.
    assert_eq!(drawn(4, 1).rows(), 0);
}

/// Photos whose column says in which of two groups they are.
fn in_two_groups(set: &PhotoSet, second: impl Fn(u32) -> bool) -> PhotoGroups {
    let mut column = ManifestColumn::default();
    (0..set.len() as u32).for_each(|photo| column.push(if second(photo) { "b" } else { "a" }));
    let mut set = set.clone();
    set.columns = vec![("group".to_owned(), column)];
    PhotoGroups::of(&set, &GroupBy::parse("group").unwrap()).unwrap()
}

#[test]
fn comparisons_within_groups_are_those_of_each_group_alone() {
    let set = made_up(6, 4, 0.4);
    let groups = in_two_groups(&set, |photo| photo >= 10);
    let rules = ComparisonRules { within: Some(&groups), ..ComparisonRules::default() };
    let [genuine, impostor] = histograms(&AllPairs::new(&set, |_| true, u64::MAX, 0).with_rules(rules));
    let of = |second: bool| histograms(&AllPairs::new(&set, |p| (p >= 10) == second, u64::MAX, 0));
    let ([ga, ia], [gb, ib]) = (of(false), of(true));
    assert_eq!((genuine, impostor), (ga.merge(&gb), ia.merge(&ib)));
    let probes = ProbeComparisons::drawn_with(rules, &set, |_| true, |_| true, 2, 10, 1);
    assert!(probes.rows() > 0);
    assert!(collect(&probes, |_, _| true).iter().all(|pair| (pair.a >= 10) == (pair.b >= 10)));
}

#[test]
fn every_pair_of_people_and_every_person_weighs_the_same() {
    // People with one to five photos, in two groups; some in both.
    let full = made_up(6, 5, 0.4);
    let mut set = PhotoSet::default();
    for photo in (0..full.len() as u32).filter(|p| p % 5 <= full.subject(*p)) {
        set.push(full.subject(photo), full.template(photo).cloned());
    }
    let groups = in_two_groups(&set, |photo| photo % 2 == 1);
    let rules = ComparisonRules { within: Some(&groups), weighed: Weighting::People };
    let all = AllPairs::new(&set, |_| true, u64::MAX, 0).with_rules(rules);
    let fused = ProbeComparisons::drawn_with(rules, &set, |_| true, |_| true, 2, 3, 1);
    let weights = |source: &dyn ComparisonSource| {
        let mut sums: HashMap<(u32, u32, u32), u64> = HashMap::new();
        for row in 0..source.rows() {
            source.row(row, &mut |pair| {
                let (low, high) = (pair.subject_a.min(pair.subject_b), pair.subject_a.max(pair.subject_b));
                *sums.entry((groups.group(pair.a), low, high)).or_default() += source.weight(&pair);
            });
        }
        sums
    };
    for sums in [weights(&all), weights(&fused)] {
        assert!(sums.len() > 10);
        for (key, sum) in sums {
            assert!((sum as f64 / WEIGHT as f64 - 1.0).abs() < 1e-6, "{key:?}: {sum}");
        }
    }
}

#[test]
fn photos_of_one_kind_meet_those_of_the_other_alone() {
    let set = made_up(5, 4, 0.4);
    let chip = |photo: u32| photo.is_multiple_of(4);
    let source = ProbeComparisons::drawn(&set, |p| !chip(p), chip, 3, 10, 1);
    // One way to choose three of three.
    assert_eq!(counts(&source), (5, 5 * 4));
    assert!(collect(&source, |_, _| true).iter().all(|pair| chip(pair.b) && !chip(pair.a)));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let set = made_up(20, 4, 0.4);
    let with = |threads| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
            .install(|| histograms(&AllPairs::new(&set, |_| true, u64::MAX, 0)))
    };
    assert_eq!(with(1), with(3));
}
