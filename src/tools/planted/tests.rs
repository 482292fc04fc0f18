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
    assert!((2_000..2_100).contains(&planted.groups().len()));
    let subjects = planted.truth().len();
    assert!(planted.groups().iter().all(|&g| (g as usize) < subjects) && planted.groups().is_sorted());
    // The largest ring.
    let mut sizes = std::collections::BTreeMap::new();
    planted.truth().iter().for_each(|ring| *sizes.entry(ring).or_insert(0usize) += 1);
    assert_eq!(sizes.values().max(), Some(&RING_MAX));
    // Heavy-tailed: half of the records have one capture (or one more, with a look-alike), few
    // have very many, and one person is there twice with as many as there may be.
    let captures: Vec<usize> = planted.groups().chunk_by(|a, b| a == b).map(<[u32]>::len).collect();
    let with = |least: usize| captures.iter().filter(|c| **c >= least).count() as f64 / subjects as f64;
    assert!((0.4..0.6).contains(&with(2)) && (0.05..0.16).contains(&with(10)), "{} {}", with(2), with(10));
    assert_eq!((captures.iter().max(), captures.iter().filter(|c| **c == 100).count() >= 2), (Some(&100), true));

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
fn every_planted_pair_is_found_and_rings_are_those_planted_however_many_captures() {
    use crate::audit::{Chance, LinkChance, Meetings, gather, rings};
    use crate::matching::fixture;
    use crate::search::{Join, Matrix, Side};

    // FMR 4e-5. What chance gives is told, not sampled: a gallery that a test can afford is too
    // small for a sample, most of its template pairs being of a few large records.
    const SCORE: f32 = 0.43;
    let planted = Planted::new(2, 2_000, SCORE + 0.01);
    let vectors = planted.vectors();
    let matrix = Matrix::new(DIMENSION, &vectors[..]).unwrap();
    let side = Side { vectors: &matrix, groups: planted.groups() };
    let join = Join::within(side, SCORE).unwrap();
    let pairs: Vec<_> = (0..join.units()).flat_map(|unit| join.run(unit, usize::MAX).unwrap()).collect();
    let comparisons = (0..join.units()).map(|unit| join.comparisons(unit)).sum();
    let curve = fixture::curve(&[(0.0, 0.5), (f64::from(SCORE), 4e-5)], Some(2.0), 50.0);
    let chance = Chance { comparisons, own: Vec::new(), not_own: None, calibration: Some(curve) };
    let subjects = |i: usize| (planted.groups()[pairs[i].a as usize], planted.groups()[pairs[i].b as usize]);
    let meetings = Meetings::within(planted.groups());
    let mut gathered = gather(
        (0..pairs.len()).map(|i| (subjects(i).0, subjects(i).1, pairs[i].score)),
        |a, b| planted.twins().binary_search(&(a, b)).is_ok(),
        |a, b| meetings.pairs(a, b),
    );
    assert_eq!(gathered.cleared.len(), planted.twins().len());
    let link_chance = LinkChance::grade(&chance, &meetings, SCORE, &mut gathered.links);
    let found = rings(&gathered.links);
    let agreement = agreement(&planted, &vectors, SCORE, &pairs, &found);
    assert_eq!(agreement.broken(), Vec::<String>::new(), "{agreement:?}");
    assert!(agreement.planted_links > 1_000 && agreement.chance_links > 2, "{agreement:?}");
    assert_eq!(agreement.top_rings, found.rings.len().min(TOP_RINGS) as u64);
    assert_eq!(agreement.bridges_crossed, 0, "{agreement:?}");
    // Links of strangers are at most what is expected, whatever hangs together.
    assert!(
        agreement.chance_links as f64 <= 1.5 * link_chance.expected().unwrap(),
        "{agreement:?} {:?}",
        link_chance.expected()
    );
}

/// The promises are no formality: rings that are wrong break them.
#[test]
fn wrong_rings_break_the_promises() {
    use crate::audit::{LinkEvidence, gather, rings};
    use crate::search::Pair;

    let planted = Planted::new(3, 1_000, 0.5);
    let vectors = planted.vectors();
    let row = |row: u32| &vectors[row as usize * DIMENSION..][..DIMENSION];
    let true_pairs: Vec<Pair> = planted
        .planted_pairs()
        .map(|(a, b)| Pair { a, b, score: crate::matching::Dot::best().score(row(a), row(b)) })
        .filter(|pair| pair.score >= 0.5)
        .collect();
    let group = |row: u32| planted.groups()[row as usize];
    let same = |pair: &&Pair| planted.truth()[group(pair.a) as usize] == planted.truth()[group(pair.b) as usize];
    let sure = LinkEvidence { chance: 1e-12, chance_share: 1e-6, chance_share_high: 1e-6 };
    let of = |wrong: &[(u32, u32)], left_out: usize| {
        let links =
            true_pairs.iter().filter(same).skip(left_out).map(|pair| (group(pair.a), group(pair.b), pair.score));
        let wrong = wrong.iter().map(|&(a, b)| (a, b, 0.9));
        let mut links = gather(links.chain(wrong), |_, _| false, |_, _| 1).links;
        links.iter_mut().for_each(|link| link.evidence = sure);
        agreement(&planted, &vectors, 0.5, &true_pairs, &rings(&links)).broken()
    };
    assert_eq!(of(&[], 0), Vec::<String>::new());
    // Most links left out: planted pairs of records are apart.
    let broken = of(&[], true_pairs.iter().filter(same).count() - 1);
    assert!(broken.iter().any(|line| line.contains("not in one ring")), "{broken:?}");
    assert!(broken.iter().any(|line| line.contains("Rand index")), "{broken:?}");
    // Every planted ring tied to the next: the first rings are of many people.
    let members: Vec<u32> = true_pairs.iter().filter(same).map(|pair| group(pair.a)).collect();
    let tied: Vec<(u32, u32)> = members.windows(2).map(|two| (two[0], two[1])).filter(|(a, b)| a != b).collect();
    assert!(of(&tied, 0).iter().any(|line| line.contains("Rand index")), "{:?}", of(&tied, 0));
    // Three pairs of rings tied, among the first fifty.
    let mut firsts: Vec<(u32, u32)> = members.iter().map(|&m| (planted.truth()[m as usize], m)).collect();
    firsts.sort_unstable();
    firsts.dedup_by_key(|(ring, _)| *ring);
    let three: Vec<(u32, u32)> = firsts.chunks_exact(2).take(3).map(|two| (two[0].1, two[1].1)).collect();
    assert!(of(&three, 0).iter().any(|line| line.starts_with("3 of the first")), "{:?}", of(&three, 0));
}
