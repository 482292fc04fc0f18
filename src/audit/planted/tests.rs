use super::*;
use crate::matching::dot;

#[test]
fn agreement_is_one_for_the_same_groups_and_none_for_unrelated_ones() {
    assert_eq!(adjusted_rand_index(&[1, 1, 2, 2, 3], &[7, 7, 5, 5, 9]), 1.0);
    assert_eq!(adjusted_rand_index(&[1, 2, 3], &[4, 5, 6]), 1.0);
    // Hubert and Arabie's index of a table with sums worked out by hand: 3 pairs
    // together in one, 3 in the other, 1 in both, 15 in all.
    let index = adjusted_rand_index(&[0, 0, 0, 1, 2, 3], &[0, 0, 1, 1, 1, 2]);
    let by_hand = (1.0 - 12.0 / 15.0) / (3.5 - 12.0 / 15.0);
    assert!((index - by_hand).abs() < 1e-12, "{index}");
    let many: Vec<u32> = (0..10_000).map(|i| i % 10).collect();
    let unrelated: Vec<u32> = (0..10_000).map(|i| i / 10 % 10).collect();
    assert!(adjusted_rand_index(&many, &unrelated).abs() < 0.01);
}

#[test]
fn what_is_planted_is_there() {
    let planted = Planted::new(1, 2_000, 0.58);
    let vectors = planted.vectors();
    let row = |row: u32| &vectors[row as usize * 512..][..512];
    assert!((2_000..2_010).contains(&planted.groups().len()));
    let subjects = planted.truth().len();
    assert!(planted.groups().iter().all(|&g| (g as usize) < subjects) && planted.groups().is_sorted());
    // The largest ring, and captures between one and six (with a look-alike).
    let mut sizes = std::collections::BTreeMap::new();
    planted.truth().iter().for_each(|ring| *sizes.entry(ring).or_insert(0usize) += 1);
    assert_eq!(sizes.values().max(), Some(&RING_MAX));
    let captures: Vec<usize> = planted.groups().chunk_by(|a, b| a == b).map(<[u32]>::len).collect();
    assert!(captures.iter().all(|c| (1..=7).contains(c)) && captures.contains(&1) && captures.contains(&5));

    let together = |a: u32, b: u32| {
        planted.truth()[planted.groups()[a as usize] as usize] == planted.truth()[planted.groups()[b as usize] as usize]
    };
    let mates: Vec<f32> =
        planted.planted_pairs().filter(|&(a, b)| together(a, b)).map(|(a, b)| dot(row(a), row(b))).collect();
    let mean = mates.iter().sum::<f32>() / mates.len() as f32;
    assert!((0.6..0.75).contains(&mean) && mates.len() > 1_000, "{mean} of {}", mates.len());
    // A look-alike scores what was asked for, and its subjects are of two rings.
    assert_eq!(planted.bridges().len(), 2);
    for &(one, other) in planted.bridges() {
        let bridged = planted.planted_pairs().filter(|&(a, b)| {
            let groups = [a, b].map(|row| planted.groups()[row as usize]);
            groups == [one, other] || groups == [other, one]
        });
        let best = bridged.map(|(a, b)| (dot(row(a), row(b)) - 0.58).abs()).fold(1.0, f32::min);
        assert!(best < 1e-5 && planted.truth()[one as usize] != planted.truth()[other as usize], "{best}");
    }
    for &(one, other) in planted.twins() {
        assert!(one < other && planted.truth()[one as usize] != planted.truth()[other as usize]);
    }
}

/// The short form of `scripts/audit-planted`.
#[test]
fn every_planted_pair_is_found_and_rings_agree_with_those_planted() {
    use crate::audit::{Chance, LocalChance, Plan, Rows, agreement, gather, rings};
    use crate::search::{Join, Matrix, Side};

    const SCORE: f32 = 0.47;
    let planted = Planted::new(2, 1_500, SCORE + 0.01);
    let vectors = planted.vectors();
    let matrix = Matrix::new(DIMENSION, &vectors[..]).unwrap();
    let side = Side { vectors: &matrix, groups: planted.groups() };
    let join = Join::within(side, SCORE).unwrap();
    let pairs: Vec<_> = (0..join.units()).flat_map(|unit| join.run(unit, usize::MAX).unwrap()).collect();
    let comparisons = (0..join.units()).map(|unit| join.comparisons(unit)).sum();
    let first = Rows { side, strata: None };
    let (second, twice, calibration) = (None, None, None);
    let plan = Plan { first, second, twice, comparisons, calibration, sampled_max: 300_000, seed: 1 };
    let chance = Chance::sample(&plan).unwrap();
    let subjects = |i: usize| (planted.groups()[pairs[i].a as usize], planted.groups()[pairs[i].b as usize]);
    let local = LocalChance::new(&chance, SCORE, pairs.iter().map(|pair| pair.score));
    let gathered = gather(
        (0..pairs.len()).map(|i| (subjects(i).0, subjects(i).1, pairs[i].score)),
        |a, b| planted.twins().binary_search(&(a, b)).is_ok(),
        |score| local.weight(score),
    );
    assert_eq!(gathered.cleared, planted.twins().len() as u64);
    let found = rings(&gathered.links, local.strong_from());
    let agreement = agreement(&planted, &vectors, SCORE, &pairs, &found);
    assert_eq!((agreement.missed, agreement.made_up), (0, 0));
    assert!(agreement.planted_pairs > 1_000 && agreement.chance_pairs > 5, "{agreement:?}");
    // Chance pairs of people enrolled once are rings, too: that is what the index lacks to 1.
    assert!(agreement.rand_index > 0.98 && agreement.rand_index_planted > 0.98, "{agreement:?}");
    assert_eq!(agreement.bridges_crossed, 0, "{agreement:?} {}", local.strong_from());
    // What chance was expected to give is what it gave.
    let expected = chance.expected(SCORE).unwrap();
    let gave = agreement.chance_pairs as f64;
    assert!(expected.low <= gave && gave <= expected.high, "{expected:?} {gave} {chance:?}");
}
