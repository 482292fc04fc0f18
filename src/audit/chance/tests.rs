use rayon::ThreadPoolBuilder;

use super::*;
use crate::audit::links::{Grade, RecordLink, gather, strong_chance_max, strong_from};
use crate::audit::results::tests::curve;
use crate::evaluation::SplitMix;
use crate::matching::{Dot, FnmrPoint, Knot, Tail};
use crate::search::Matrix;

const DIMENSION: usize = 64;

/// Rows of made-up people, and whose they truly are.
#[derive(Default)]
struct Made {
    values: Vec<f32>,
    groups: Vec<u32>,
    people: Vec<u32>,
    strata: Vec<Option<u32>>,
}

impl Made {
    fn push(&mut self, group: u32, person: u32, stratum: Option<u32>, raw: &[f32]) {
        let length = raw.iter().map(|v| v * v).sum::<f32>().sqrt();
        self.values.extend(raw.iter().map(|v| v / length));
        self.groups.push(group);
        self.people.push(person);
        self.strata.push(stratum);
    }

    fn matrix(&self) -> Matrix<&[f32]> {
        Matrix::new(DIMENSION, &self.values[..]).unwrap()
    }

    /// Scores of all pairs of different people, falling.
    fn non_mates(&self) -> Vec<f32> {
        let rows: Vec<&[f32]> = self.values.chunks(DIMENSION).collect();
        let dot = Dot::best();
        let mut scores = Vec::new();
        for a in 0..rows.len() {
            scores.extend((0..a).filter(|&b| self.people[a] != self.people[b]).map(|b| dot.score(rows[a], rows[b])));
        }
        scores.sort_unstable_by(|a, b| b.total_cmp(a));
        scores
    }

    fn comparisons(&self) -> u64 {
        let count = |a: usize| (0..a).filter(|&b| self.groups[a] != self.groups[b]).count() as u64;
        (0..self.groups.len()).map(count).sum()
    }

    fn chance(&self, calibration: Option<&Curve>, sampled_max: u64, stratified: bool) -> Chance {
        let matrix = self.matrix();
        let side = Side { vectors: &matrix, groups: &self.groups };
        let first = SamplingSide { side, strata: stratified.then_some(&self.strata[..]) };
        let comparisons = self.comparisons();
        Chance::sample(&SamplingPlan {
            first,
            second: None,
            shared: None,
            comparisons,
            calibration,
            sampled_max,
            seed: 1,
        })
        .unwrap()
    }
}

/// Nearly normal, deviation 1.
fn noise(random: &mut SplitMix) -> Vec<f32> {
    let mut uniform = || random.next() as f32 / u64::MAX as f32 - 0.5;
    (0..DIMENSION).map(|_| (uniform() + uniform() + uniform()) * 2.0).collect()
}

/// `subjects` of which the first `doubled` are enrolled under a second name; everybody
/// with `captures`.
fn made(subjects: u32, doubled: u32, captures: usize) -> Made {
    let (mut random, mut made) = (SplitMix(11), Made::default());
    let faces: Vec<Vec<f32>> = (0..subjects).map(|_| noise(&mut random)).collect();
    for group in 0..subjects + doubled {
        let person = group % subjects;
        for _ in 0..captures {
            let day = noise(&mut random);
            let shown: Vec<f32> =
                faces[person as usize].iter().zip(&day).map(|(face, day)| 0.85 * face + 0.53 * day).collect();
            made.push(group, person, Some(person % 2), &shown);
        }
    }
    made
}

/// A calibration that says how many mates are missed, and FMRs that are far off.
fn calibration() -> Curve {
    let knot = |score, fmr| Knot { score, fmr, factor: Some(1.5) };
    let miss = |score, fnmr| FnmrPoint { score, fnmr };
    Curve {
        knots: vec![knot(0.0, 0.5), knot(0.5, 0.1)],
        tail: Tail { slope: 10.0, curvature: 0.0 },
        genuine_comparisons: 100,
        misses: vec![miss(0.5, 0.01), miss(0.6, 0.1), miss(0.7, 0.4), miss(0.8, 0.9)],
        ..curve()
    }
}

/// The expectation is near what different people truly give, where that is `counts`.
fn near(chance: &Chance, made: &Made, counts: &[usize], times: f64) {
    let truth = made.non_mates();
    for &count in counts {
        let score = truth[count - 1];
        let expected = chance.expected(score).unwrap();
        let off = expected.value / count as f64;
        assert!((1.0 / times..times).contains(&off), "{off} times {count} at {score}: {chance:?}");
        assert!(expected.low <= count as f64 && count as f64 <= expected.high, "{expected:?} for {count}");
    }
}

#[test]
fn what_is_expected_is_what_different_people_give() {
    let made = made(900, 0, 1);
    let chance = made.chance(None, 100_000, false);
    assert_eq!((chance.own.len(), chance.own[0].of), (1, KindOfPair::Any));
    assert!((90_000..101_000).contains(&chance.own[0].sampled), "{}", chance.own[0].sampled);
    near(&chance, &made, &[4000, 400, 100, 30], 1.6);
    assert!(!chance.expected(0.3).unwrap().extrapolated && chance.expected(0.7).unwrap().extrapolated);
}

#[test]
fn a_gallery_full_of_duplicates_does_not_inflate_the_estimate_much() {
    // Half of the people are enrolled twice: at 0.55 their pairs outnumber chance by
    // hundreds to one.
    for (subjects, captures) in [(400, 1), (160, 3)] {
        let made = made(subjects, subjects / 2, captures);
        let chance = made.chance(Some(&calibration()), u64::MAX >> 8, false);
        let kind = &chance.own[0];
        let pairs = u64::from(subjects / 2) * (captures * captures) as u64;
        assert!((pairs * 8 / 10..=pairs + 5).contains(&kind.set_aside), "{} of {pairs}", kind.set_aside);
        assert!((0.4..0.65).contains(&kind.set_aside_from), "{}", kind.set_aside_from);
        near(&chance, &made, &[4000, 400, 40], 1.8);
        // Left among the non-mates they would be taken for chance.
        let rows: Vec<&[f32]> = made.values.chunks(DIMENSION).collect();
        let all = (0..rows.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        let naive = all
            .filter(|&(a, b)| made.groups[a] != made.groups[b] && Dot::best().score(rows[a], rows[b]) >= 0.55)
            .count() as f64;
        assert!(naive > 50.0 * chance.expected(0.55).unwrap().value, "{naive}");
    }
}

#[test]
fn pairs_alike_are_sampled_apart_and_weighted() {
    let (mut random, mut made) = (SplitMix(5), Made::default());
    let kinds: Vec<Vec<f32>> = (0..4).map(|_| noise(&mut random)).collect();
    for subject in 0..900u32 {
        let face = noise(&mut random);
        let kind = subject % 5;
        // One in five is of unknown kind.
        let common = if kind < 4 { 0.45 } else { 0.0 };
        let shown: Vec<f32> = face.iter().zip(&kinds[kind as usize % 4]).map(|(f, k)| f + common * k).collect();
        made.push(subject, subject, (kind < 4).then_some(kind), &shown);
    }
    let chance = made.chance(None, 100_000, true);
    let [alike, unlike] = &chance.own[..] else { panic!("{:?}", chance.own) };
    assert_eq!((alike.of, unlike.of), (KindOfPair::Alike, KindOfPair::Unlike));
    assert_eq!(alike.comparisons.round(), 4.0 * 180.0 * 179.0 / 2.0);
    assert!((alike.comparisons + unlike.comparisons - made.comparisons() as f64).abs() < 1e-3);
    let at = |kind: &SampledKind, score: f32| kind.curve.fmr(score).rate * kind.comparisons;
    assert!(at(alike, 0.45) > 3.0 * at(unlike, 0.45));
    near(&chance, &made, &[4000, 400, 60], 1.7);
}

#[test]
fn two_galleries_are_sampled_across() {
    let (one, other) = (made(400, 0, 1), made(700, 0, 1));
    let (matrix, second) = (one.matrix(), other.matrix());
    // The first 400 of both are drawn with the same numbers, but are other people.
    let elsewhere: Vec<u32> = other.groups.iter().map(|g| g + 1000).collect();
    let plan = SamplingPlan {
        first: SamplingSide { side: Side { vectors: &matrix, groups: &one.groups }, strata: None },
        second: Some(SamplingSide { side: Side { vectors: &second, groups: &elsewhere }, strata: None }),
        shared: None,
        comparisons: 280_000,
        calibration: Some(&calibration()),
        sampled_max: 60_000,
        seed: 3,
    };
    let chance = Chance::sample(&plan).unwrap();
    assert!((59_000..61_000).contains(&chance.own[0].sampled), "{}", chance.own[0].sampled);
    let truth: Vec<f32> = {
        let mut scores: Vec<f32> = one
            .values
            .chunks(DIMENSION)
            .flat_map(|a| other.values.chunks(DIMENSION).map(move |b| Dot::best().score(a, b)))
            .collect();
        scores.sort_unstable_by(|a, b| b.total_cmp(a));
        scores
    };
    let off = chance.expected(truth[2799]).unwrap().value / 2800.0;
    assert!((0.7..1.4).contains(&off), "{off}");
}

#[test]
fn a_gallery_against_itself_or_a_part_of_it_expects_each_pair_once() {
    // Some are there twice, so that what is set aside is tried too.
    let all = made(300, 40, 2);
    let alone = all.chance(Some(&calibration()), u64::MAX >> 8, true);
    let matrix = all.matrix();
    let mark = |row: usize| -> [u8; 16] { std::array::from_fn(|i| (row >> (8 * (i % 4))) as u8) };
    // The whole, and every other subject.
    for (part, every) in [("the whole", 1), ("a part", 2)] {
        let chosen: Vec<usize> = (0..all.groups.len()).filter(|&row| all.groups[row].is_multiple_of(every)).collect();
        let mut first = Made::default();
        for &row in &chosen {
            let of = (all.groups[row], all.people[row], all.strata[row]);
            first.push(of.0, of.1, of.2, &all.values[row * DIMENSION..][..DIMENSION]);
        }
        let marks: Vec<[u8; 16]> = chosen.iter().copied().chain(0..all.groups.len()).map(mark).collect();
        let shared = SharedTemplates::find(&marks, chosen.len());
        let is_in = |row: usize| all.groups[row].is_multiple_of(every);
        let pairs = || (0..all.groups.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        let decided: Vec<(usize, usize)> =
            pairs().filter(|&(a, b)| all.groups[a] != all.groups[b] && (is_in(a) || is_in(b))).collect();
        let first_matrix = first.matrix();
        let with = |sampled_max: u64| {
            let plan = SamplingPlan {
                first: SamplingSide {
                    side: Side { vectors: &first_matrix, groups: &first.groups },
                    strata: Some(&first.strata[..]),
                },
                second: Some(SamplingSide {
                    side: Side { vectors: &matrix, groups: &all.groups },
                    strata: Some(&all.strata[..]),
                }),
                shared: Some(&shared),
                comparisons: decided.len() as u64,
                calibration: Some(&calibration()),
                sampled_max,
                seed: 1,
            };
            Chance::sample(&plan).unwrap()
        };
        let whole = with(u64::MAX >> 8);
        let (sampled, of) = whole.own.iter().fold((0, 0.0), |(n, of), kind| (n + kind.sampled, of + kind.comparisons));
        assert!((of - decided.len() as f64).abs() < 1e-3, "{part}: {of}");
        // But for a few pairs of one person that score too low to be looked at one by one.
        assert!((decided.len() as u64 - 10..=decided.len() as u64).contains(&sampled), "{part}: {sampled}");
        if every == 1 {
            // Set aside, counted and fitted alike.
            let counts =
                |chance: &Chance| chance.own.iter().map(|kind| (kind.sampled, kind.set_aside)).collect::<Vec<_>>();
            assert_eq!(counts(&whole), counts(&alone));
            for score in [0.3, 0.45, 0.6] {
                let (one, other) = (alone.expected(score).unwrap(), whole.expected(score).unwrap());
                assert!((one.value / other.value - 1.0).abs() < 1e-6, "{score}: {one:?} {other:?}");
            }
        }
        let mut truth: Vec<f32> = decided
            .iter()
            .filter(|&&(a, b)| all.people[a] != all.people[b])
            .map(|&(a, b)| {
                Dot::best().score(&all.values[a * DIMENSION..][..DIMENSION], &all.values[b * DIMENSION..][..DIMENSION])
            })
            .collect();
        truth.sort_unstable_by(|a, b| b.total_cmp(a));
        let some = with(60_000);
        for count in [4000, 400] {
            for chance in [&whole, &some] {
                let off = chance.expected(truth[count - 1]).unwrap().value / count as f64;
                assert!((0.7..1.4).contains(&off), "{part}: {off} times {count}");
            }
        }
    }
}

#[test]
fn a_small_gallery_goes_by_the_calibration_and_says_so() {
    let made = made(50, 0, 1);
    let chance = made.chance(Some(&calibration()), 100_000, false);
    assert!(chance.own.is_empty() && chance.not_own.as_ref().unwrap().contains("too few"));
    assert_eq!(chance.expected(0.5), chance.by_calibration(0.5));
    assert!((chance.expected(0.5).unwrap().value - 122.5).abs() < 1e-6);
    let nothing = made.chance(None, 100_000, false);
    assert_eq!((nothing.expected(0.5), nothing.score_for(10.0), nothing.explains(0.5, 3)), (None, None, None));
}

#[test]
fn the_number_of_threads_changes_nothing_and_the_seed_does() {
    let made = made(400, 50, 2);
    let matrix = made.matrix();
    let with = |threads: usize, seed: u64| {
        let side = Side { vectors: &matrix, groups: &made.groups };
        let first = SamplingSide { side, strata: Some(&made.strata[..]) };
        let (second, shared, calibration) = (None, None, None);
        let plan =
            SamplingPlan { first, second, shared, comparisons: 1_000_000, calibration, sampled_max: 60_000, seed };
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Chance::sample(&plan).unwrap())
    };
    assert_eq!(with(1, 7), with(3, 7));
    assert_ne!(with(1, 7), with(1, 8));
}

#[test]
fn the_score_for_so_many_pairs_is_the_lowest() {
    let chance = Chance { comparisons: 1_000_000, own: Vec::new(), not_own: None, calibration: Some(calibration()) };
    let score = chance.score_for(5000.0).unwrap();
    assert!(chance.expected(score).unwrap().value <= 5000.0);
    assert!(chance.expected(score.next_down()).unwrap().value > 5000.0);
    // One in a million of as many comparisons is never reached at a score below 1.
    assert_eq!(chance.score_for(0.1), None);
}

#[test]
fn it_is_said_plainly_when_chance_explains_most() {
    let chance = Chance { comparisons: 1_000, own: Vec::new(), not_own: None, calibration: Some(calibration()) };
    // At 0.5 a tenth of all: 100, between 67 and 150.
    let verdict = |pairs| chance.explains(0.5, pairs).unwrap().verdict;
    assert_eq!(verdict(0), ChanceVerdict::NothingFound);
    assert_eq!(verdict(90), ChanceVerdict::Mostly);
    assert_eq!(verdict(250), ChanceVerdict::PerhapsMostly);
    assert_eq!(verdict(500), ChanceVerdict::Partly);
    assert_eq!(verdict(5000), ChanceVerdict::Little);
    assert_eq!(chance.explains(0.5, 50).unwrap().share, 1.0);
}

/// Links of records by their best score, and how many template pairs reached the score.
fn links(of: &[(u32, u32, f32)], meetings: &Meetings) -> Vec<RecordLink> {
    gather(of.iter().copied(), |_, _| false, |a, b| meetings.pairs(a, b)).links
}

#[test]
fn a_link_is_strong_where_chance_hardly_gives_one_like_it() {
    let calibration = Curve { tail: Tail { slope: 40.0, curvature: 0.0 }, ..calibration() };
    // A thousand records of one template each: 499,500 pairs, a tenth of which reach 0.5, and
    // a third less with every hundredth.
    let groups: Vec<u32> = (0..1000).collect();
    let meetings = Meetings::within(&groups);
    let chance = Chance { comparisons: 499_500, own: Vec::new(), not_own: None, calibration: Some(calibration) };
    let mut of: Vec<(u32, u32, f32)> = (0..10).map(|i| (2 * i, 2 * i + 1, 0.505)).collect();
    of.extend((100..300).map(|i| (2 * i, 2 * i + 1, 0.9)));
    let mut graded = links(&of, &meetings);
    let told = LinkChance::grade(&chance, &meetings, 0.5, &mut graded);
    assert!((told.expected().unwrap() - 49_950.0).abs() < 1.0, "{:?}", told.expected());
    assert!(told.bands().windows(2).all(|w| w[0].chance_share >= w[1].chance_share && w[0].to > w[1].to));
    let evidence = |a: u32| graded.iter().find(|link| link.a == a).unwrap().evidence;
    assert_eq!((evidence(0).grade(), evidence(0).weight()), (Grade::LikelyChance, 0.0));
    assert_eq!(evidence(200).grade(), Grade::Strong);
    assert_eq!((strong_from(&graded), strong_chance_max(&graded)), (Some(0.9), Some(evidence(200).chance)));
    // Where chance gives next to nothing, every link is strong, and its weight bounded.
    let nothing = Chance { comparisons: 0, ..chance };
    LinkChance::grade(&nothing, &meetings, 0.5, &mut graded);
    assert!(graded.iter().all(|link| link.evidence.grade() == Grade::Strong && link.evidence.weight() == 6.0));
    assert_eq!(strong_from(&graded), Some(0.505));
}

/// Records of so many captures, and what chance gives of their template pairs: `pairs` at or
/// above 0.5, and a third less with every hundredth.
fn records(sizes: &[usize], pairs: f64) -> (Meetings, Chance) {
    let groups: Vec<u32> = (0u32..).zip(sizes).flat_map(|(record, &of)| std::iter::repeat_n(record, of)).collect();
    let meetings = Meetings::within(&groups);
    let comparisons: u64 = meetings.record_pairs().iter().map(|(pairs, count)| pairs * *count as u64).sum();
    let knot = |score, fmr| Knot { score, fmr, factor: Some(1.5) };
    let knots = vec![knot(0.0, 0.5), knot(0.5, pairs / comparisons as f64)];
    let curve = Curve { knots, tail: Tail { slope: 40.0, curvature: 0.0 }, ..calibration() };
    (meetings, Chance { comparisons, own: Vec::new(), not_own: None, calibration: Some(curve) })
}

#[test]
fn the_same_score_says_less_of_records_with_many_captures() {
    // The best of ninety thousand comparisons of strangers is higher than one of them.
    let (meetings, chance) = records(&[vec![300; 2], vec![1; 398]].concat(), 50.0);
    let mut graded = links(&[(0, 1, 0.8), (2, 3, 0.8), (1, 4, 0.8)], &meetings);
    LinkChance::grade(&chance, &meetings, 0.6, &mut graded);
    assert_eq!([0, 1, 2].map(|at| graded[at].compared), [90_000, 300, 1]);
    let evidence = |at: usize| graded[at].evidence;
    // One bound of one pair; the lower of two, twice, of many.
    assert!((evidence(0).chance / evidence(2).chance / 180_000.0 - 1.0).abs() < 1e-9);
    assert!(
        evidence(0).chance_share >= evidence(1).chance_share && evidence(1).chance_share >= evidence(2).chance_share
    );
    assert!(evidence(0).grade() < evidence(2).grade(), "{graded:?}");
}

#[test]
fn many_captures_that_agree_are_as_sure_as_they_look() {
    // No curve says less than one in 10¹² of a score; ninety thousand times that would make the
    // best of ninety thousand pairs nothing special, however many of them agree.
    let (meetings, chance) = records(&[vec![300; 4], vec![1; 4_000]].concat(), 50.0);
    let mut pairs = vec![(0u32, 1u32, 0.95f32); 30_000];
    pairs.push((2, 3, 0.95));
    let mut graded = links(&pairs, &meetings);
    LinkChance::grade(&chance, &meetings, 0.6, &mut graded);
    assert_eq!(graded.iter().map(|link| link.several).collect::<Vec<_>>(), [Some(0.95), None]);
    assert!(graded[0].evidence.chance < 1e-10 && graded[1].evidence.chance > 1e-8, "{graded:?}");
}

#[test]
fn a_link_is_strong_only_where_it_is_so_at_the_upper_end_of_what_chance_gives() {
    // The tail of a small gallery is fitted to few pairs: it may give several times as much.
    let graded = |factor: f32| {
        let (meetings, mut chance) = records(&[1; 1_000], 5.0);
        chance.calibration.as_mut().unwrap().knots.iter_mut().for_each(|knot| knot.factor = Some(f64::from(factor)));
        let of: Vec<(u32, u32, f32)> = (0..40).map(|i| (2 * i, 2 * i + 1, 0.52)).collect();
        let mut graded = links(&of, &meetings);
        LinkChance::grade(&chance, &meetings, 0.5, &mut graded);
        graded[0].evidence
    };
    let (sure, unsure) = (graded(1.01), graded(4.0));
    assert_eq!((sure.chance, sure.chance_share), (unsure.chance, unsure.chance_share));
    assert!(unsure.chance_share_high > 2.0 * sure.chance_share_high, "{sure:?} {unsure:?}");
    assert!(unsure.weight() < sure.weight());
}

#[test]
fn one_person_with_hundreds_of_captures_does_not_make_strangers_sure() {
    // Fifty links of strangers at 0.53, as many as chance is expected to give; and one
    // person under two records with 265 captures each, whose 70,225 template pairs lie at the
    // same score. By template pairs chance would be one in a thousand there.
    let (meetings, chance) = records(&[vec![265; 2], vec![5; 198]].concat(), 150.0);
    let mut pairs = vec![(0u32, 1u32, 0.53f32); 70_225];
    pairs[..5_000].iter_mut().for_each(|pair| pair.2 = 0.9);
    pairs.extend((0..50).map(|i| (2 + 2 * i, 3 + 2 * i, 0.53)));
    let by_pairs = LocalChance::new(&chance, 0.5, pairs.iter().map(|pair| pair.2));
    let band = by_pairs.bands().iter().find(|band| band.found > 1_000).unwrap();
    assert!(band.expected.unwrap() / (band.found as f64) < 0.001, "{band:?}");
    let mut graded = links(&pairs, &meetings);
    LinkChance::grade(&chance, &meetings, 0.5, &mut graded);
    let (person, strangers) = graded.split_first().unwrap();
    assert_eq!((person.evidence.grade(), person.compared), (Grade::Strong, 70_225));
    assert_eq!(strangers.len(), 50);
    assert!(strangers.iter().all(|link| link.evidence.grade() == Grade::LikelyChance), "{:?}", strangers[0]);
}

#[test]
fn a_ring_of_many_records_does_not_make_strangers_sure() {
    // One person under forty names, some of whose 780 links are as poor as those of strangers:
    // what they say of the ring, better ones have said. Ten links of strangers are doubtful
    // where ten are expected.
    let (meetings, chance) = records(&[1; 1_000], 10.0);
    let ring = (0..40u32).flat_map(|a| (0..a).map(move |b| (b, a, if b == 0 || a % 3 == 0 { 0.8 } else { 0.505 })));
    let strangers = (0..10).map(|i| (100 + 2 * i, 101 + 2 * i, 0.505));
    let mut graded = links(&ring.chain(strangers).collect::<Vec<_>>(), &meetings);
    LinkChance::grade(&chance, &meetings, 0.5, &mut graded);
    assert!(graded.iter().filter(|link| link.a >= 100).all(|link| link.evidence.grade() == Grade::LikelyChance));
    assert!(graded.iter().filter(|link| link.score > 0.7).all(|link| link.evidence.grade() == Grade::Strong));
}
