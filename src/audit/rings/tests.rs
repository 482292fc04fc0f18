use proptest::prelude::*;

use super::*;

const STRONG: f32 = 0.7;

fn links(of: &[(u32, u32, f32)]) -> Vec<Link> {
    gather(of.iter().copied(), |_, _| false, |score| f64::from(score) * 10.0).links
}

fn members(of: &[(u32, u32, f32)]) -> Vec<Vec<u32>> {
    let mut members: Vec<Vec<u32>> = rings(&links(of), STRONG).rings.into_iter().map(|ring| ring.members).collect();
    members.sort_unstable();
    members
}

#[test]
fn template_pairs_of_two_subjects_make_one_link_with_the_best_score() {
    let pairs = [(5, 2, 0.6), (2, 5, 0.8), (7, 7, 0.9), (2, 5, 0.8), (9, 1, 0.7), (3, 4, 0.9), (4, 3, 0.6)];
    let gathered = gather(pairs, |a, b| (a, b) == (3, 4), f64::from);
    let short: Vec<_> = gathered.links.iter().map(|l| (l.a, l.b, l.score, l.pairs, l.best)).collect();
    assert_eq!(short, [(1, 9, 0.7, 1, 4), (2, 5, 0.8, 3, 1)]);
    assert_eq!((gathered.cleared, gathered.cleared_pairs), (1, 2));
    assert_eq!(gathered.links[1].weight, f64::from(0.8f32));
}

#[test]
fn strong_links_make_chains_and_doubtful_ones_do_not() {
    assert_eq!(members(&[(1, 2, 0.8), (2, 3, 0.75), (3, 4, 0.9)]), [[1, 2, 3, 4]]);
    // A line of doubtful links: the best pair, and then the next that stands alone.
    assert_eq!(members(&[(1, 2, 0.6), (2, 3, 0.59), (3, 4, 0.58)]), [[1, 2], [3, 4]]);
}

/// Everyone with everyone, at 0.9.
fn tight(of: std::ops::Range<u32>) -> Vec<(u32, u32, f32)> {
    of.clone().flat_map(|a| (a + 1..of.end).map(move |b| (a, b, 0.9))).collect()
}

#[test]
fn one_doubtful_edge_between_two_tight_groups_does_not_make_them_one_ring() {
    let mut pairs = [tight(0..5), tight(10..14)].concat();
    pairs.push((4, 10, 0.69));
    let links = links(&pairs);
    let found = rings(&links, STRONG);
    assert_eq!(found.rings.len(), 2);
    let [bridge] = found.bridges[..] else { panic!("{:?}", found.bridges) };
    assert_eq!((links[bridge.link as usize].a, links[bridge.link as usize].b), (4, 10));
    assert_eq!((bridge.ring_a, bridge.ring_b), (found.ring_of(0), found.ring_of(13)));
    // Nor does one record that resembles all of the other group.
    pairs.extend((11..14).map(|b| (4, b, 0.65)));
    assert_eq!(members(&pairs).len(), 2);
    // Another that does so, too, does, and so does one strong link.
    assert_eq!(members(&[pairs.clone(), vec![(3, 12, 0.6)]].concat()).len(), 1);
    assert_eq!(members(&[pairs, vec![(3, 12, 0.7)]].concat()).len(), 1);
}

#[test]
fn a_record_alone_joins_a_group_where_two_of_its_members_speak_for_it() {
    let ring = tight(0..4);
    assert_eq!(members(&[ring.clone(), vec![(0, 9, 0.6)]].concat()), [[0, 1, 2, 3]]);
    assert_eq!(members(&[ring.clone(), vec![(0, 9, 0.6), (2, 9, 0.55)]].concat()), [[0, 1, 2, 3, 9]]);
    // Who is not taken in is not lost.
    let links = links(&[ring, vec![(0, 9, 0.6)]].concat());
    let found = rings(&links, STRONG);
    assert_eq!((found.bridges.len(), found.bridges[0].ring_a, found.bridges[0].ring_b), (1, Some(0), None));
}

#[test]
fn support_gathers_over_groups_that_join() {
    // 1–2 and 3–4 come together by two links; then 5–6, backed by 1 and by 4, do.
    let pairs = [(1, 2, 0.8), (3, 4, 0.8), (5, 6, 0.8), (1, 5, 0.69), (4, 6, 0.68), (1, 3, 0.6), (2, 4, 0.59)];
    assert_eq!(members(&pairs), [[1, 2, 3, 4, 5, 6]]);
}

#[test]
fn a_ring_says_what_holds_it_together() {
    let links = links(&[(1, 2, 0.95), (2, 3, 0.8), (1, 3, 0.6), (3, 4, 0.75)]);
    let found = rings(&links, STRONG);
    let ring = &found.rings[0];
    assert_eq!((ring.best_score, ring.weakest_link, ring.holds_to), (0.95, 0.6, 0.75));
    assert!((ring.evidence - 25.0).abs() < 1e-5, "{}", ring.evidence);
    let scores: Vec<f32> = ring.links.iter().map(|&l| links[l as usize].score).collect();
    assert_eq!(scores, [0.95, 0.8, 0.75, 0.6]);
}

#[test]
fn evidence_ranks_not_size() {
    // Four records by doubtful links against two that are surely one person.
    let weigh = |score: f32| if score < 0.7 { 0.5 } else { 5.0 };
    let pairs = [(1, 2, 0.60), (1, 3, 0.61), (2, 3, 0.62), (3, 4, 0.63), (2, 4, 0.64), (8, 9, 0.9)];
    let found = rings(&gather(pairs, |_, _| false, weigh).links, STRONG);
    let members: Vec<_> = found.rings.iter().map(|ring| ring.members.as_slice()).collect();
    assert_eq!(members, [&[8, 9][..], &[1, 2, 3, 4]]);
}

/// Groups by the rule in its own words, again and again until nothing changes: slow.
fn rings_slowly(links: &[Link], strong_from: f32) -> Vec<Vec<u32>> {
    let mut groups: Vec<Vec<u32>> = links.iter().flat_map(|l| [vec![l.a], vec![l.b]]).collect();
    groups.sort_unstable();
    groups.dedup();
    let mut order: Vec<&Link> = links.iter().collect();
    order.sort_by(|x, y| y.score.total_cmp(&x.score).then((x.a, x.b).cmp(&(y.a, y.b))));
    let mut seen: Vec<&Link> = Vec::new();
    for link in order {
        seen.push(link);
        while let Some((one, other)) = joinable(&groups, &seen, strong_from) {
            let moved = groups.remove(one.max(other));
            groups[one.min(other)].extend(moved);
        }
    }
    groups.iter_mut().for_each(|group| group.sort_unstable());
    groups.retain(|group| group.len() > 1);
    groups.sort_unstable();
    groups
}

fn joinable(groups: &[Vec<u32>], seen: &[&Link], strong_from: f32) -> Option<(usize, usize)> {
    let of = |subject: u32| groups.iter().position(|group| group.contains(&subject)).unwrap();
    (0..groups.len()).flat_map(|x| (0..x).map(move |y| (x, y))).find(|&(x, y)| {
        let between: Vec<&&Link> = seen.iter().filter(|l| [(x, y), (y, x)].contains(&(of(l.a), of(l.b)))).collect();
        let backs = |group: usize| {
            let mut ends: Vec<u32> =
                between.iter().flat_map(|l| [l.a, l.b]).filter(|subject| of(*subject) == group).collect();
            ends.sort_unstable();
            ends.dedup();
            ends.len() >= groups[group].len().min(2)
        };
        between.iter().any(|l| l.score >= strong_from) || (!between.is_empty() && backs(x) && backs(y))
    })
}

proptest! {
    #[test]
    fn rings_are_those_of_the_rule(
        pairs in prop::collection::vec((0u32..16, 0u32..16, 0u32..40), 0..40)
    ) {
        // Scores all different, so that the order is fixed by them.
        let pairs: Vec<(u32, u32, f32)> =
            pairs.iter().enumerate().map(|(i, &(a, b, s))| (a, b, 0.5 + s as f32 / 100.0 + i as f32 * 1e-5)).collect();
        let links = links(&pairs);
        // Strong first, whatever the doubtful ones would have done before.
        prop_assert_eq!(members(&pairs), rings_slowly(&links, STRONG));
    }

    #[test]
    fn order_changes_nothing_and_nothing_is_lost(
        pairs in prop::collection::vec((0u32..40, 0u32..40, 0u32..40), 0..80), turn in 0usize..80
    ) {
        let pairs: Vec<(u32, u32, f32)> = pairs.iter().map(|&(a, b, s)| (a, b, 0.5 + s as f32 / 100.0)).collect();
        let straight = links(&pairs);
        let found = rings(&straight, STRONG);
        let mut turned = straight.clone();
        turned.rotate_left(turn % straight.len().max(1));
        let again = rings(&turned, STRONG);
        let short = |of: &Rings| -> Vec<(Vec<u32>, u64)> {
            of.rings.iter().map(|r| (r.members.clone(), r.evidence.to_bits())).collect()
        };
        prop_assert_eq!(short(&found), short(&again));
        let inside: usize = found.rings.iter().map(|ring| ring.links.len()).sum();
        prop_assert_eq!(inside + found.bridges.len(), straight.len());
        for ring in &found.rings {
            prop_assert!(ring.members.len() > 1 && ring.members.is_sorted());
            prop_assert!(ring.holds_to <= ring.best_score && ring.weakest_link <= ring.holds_to);
        }
        for bridge in &found.bridges {
            let link = &straight[bridge.link as usize];
            prop_assert!(link.score < STRONG && bridge.ring_a.is_none_or(|ring| Some(ring) != bridge.ring_b));
        }
    }
}
