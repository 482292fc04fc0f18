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
