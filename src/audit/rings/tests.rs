use proptest::prelude::*;

use super::*;
use crate::audit::links::{LinkEvidence, gather};

const STRONG: f32 = 0.7;
/// Below it more than half of the links are chance.
const DOUBTFUL: f32 = 0.5;

/// Evidence by score: strong from [`STRONG`] on, doubtful from [`DOUBTFUL`] on.
fn said(score: f32) -> LinkEvidence {
    let chance_share = match score {
        s if s >= STRONG => 10f64.powf(-10.0 * f64::from(s - 0.5)),
        s if s >= DOUBTFUL => 0.3,
        _ => 0.8,
    };
    LinkEvidence { chance: 10f64.powf(-10.0 * f64::from(score)), chance_share, chance_share_high: chance_share }
}

fn links(of: &[(u32, u32, f32)]) -> Vec<RecordLink> {
    let mut links = gather(of.iter().copied(), |_, _| false, |_, _| 1).links;
    links.iter_mut().for_each(|link| link.evidence = said(link.score));
    links
}

fn members(of: &[(u32, u32, f32)]) -> Vec<Vec<u32>> {
    let mut members: Vec<Vec<u32>> = rings(&links(of)).rings.into_iter().map(|ring| ring.members).collect();
    members.sort_unstable();
    members
}

#[test]
fn template_pairs_of_two_subjects_make_one_link_with_the_best_score() {
    let pairs = [(5, 2, 0.6), (2, 5, 0.8), (7, 7, 0.9), (2, 5, 0.8), (9, 1, 0.7), (3, 4, 0.9), (4, 3, 0.6)];
    let gathered = gather(pairs, |a, b| (a, b) == (3, 4), |a, _| if a == 2 { 41 } else { 1 });
    let short: Vec<_> = gathered.links.iter().map(|l| (l.a, l.b, l.score, l.pairs, l.best)).collect();
    assert_eq!(short, [(1, 9, 0.7, 1, 4), (2, 5, 0.8, 3, 1)]);
    let cleared: Vec<_> = gathered.cleared.iter().map(|l| (l.a, l.b, l.score, l.pairs)).collect();
    assert_eq!(cleared, [(3, 4, 0.9, 2)]);
    // Of the 41 pairs compared of 2 and 5 a twentieth, three, reach 0.6; of one, that one does.
    let compared: Vec<_> = gathered.links.iter().map(|l| (l.compared, l.several)).collect();
    assert_eq!(compared, [(1, Some(0.7)), (41, Some(0.6))]);
    // Nothing is said for a link before it was graded.
    assert_eq!((gathered.links[1].evidence.weight(), gathered.links[1].evidence.grade()), (0.0, Grade::LikelyChance));
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
    let found = rings(&links);
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
    let found = rings(&links);
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
    let found = rings(&links);
    let ring = &found.rings[0];
    assert_eq!((ring.best_score, ring.weakest_link, ring.holds_to), (0.95, 0.6, 0.75));
    // As sure as its weakest necessary link, 3–4; and 1–2, 2–3 and 3–4 together.
    assert!((ring.evidence - 2.5).abs() < 1e-5 && (ring.evidence_total - 10.0).abs() < 1e-5, "{ring:?}");
    assert_eq!((ring.hangs_on, &ring.parts), (None, &vec![vec![1, 2, 3, 4]]));
    let scores: Vec<f32> = ring.links.iter().map(|&l| links[l as usize].score).collect();
    assert_eq!(scores, [0.95, 0.8, 0.75, 0.6]);
}

#[test]
fn evidence_ranks_not_size() {
    // Four records by doubtful links against two that are surely one person.
    let pairs = [(1, 2, 0.60), (1, 3, 0.61), (2, 3, 0.62), (3, 4, 0.63), (2, 4, 0.64), (8, 9, 0.9)];
    assert_eq!(ranked(&pairs), [&[8, 9][..], &[1, 2, 3, 4]]);
}

fn ranked(of: &[(u32, u32, f32)]) -> Vec<Vec<u32>> {
    rings(&links(of)).rings.into_iter().map(|ring| ring.members).collect()
}

#[test]
fn members_do_not_raise_a_ring_that_hangs_on_a_doubtful_link() {
    // Two tight groups that two doubtful links have made one: sure links by the dozen, and
    // still it may be two people. It lies below the weakest ring that strong links hold,
    // and names the link and the two groups.
    let pairs = [tight(0..6), tight(10..16), vec![(4, 10, 0.6), (3, 12, 0.55), (20, 21, 0.71)]].concat();
    assert_eq!(ranked(&pairs)[0], [20, 21]);
    let links = links(&pairs);
    let found = rings(&links);
    let hanging = &found.rings[1];
    let on = &links[hanging.hangs_on.unwrap() as usize];
    assert_eq!((on.a, on.b, on.score), (4, 10, 0.6));
    assert_eq!(hanging.parts, [(0..6).collect::<Vec<u32>>(), (10..16).collect()]);
    assert!(hanging.evidence < 0.6 && hanging.evidence_total > 10.0);
    // More members of either leave it where it is.
    let more = [tight(0..9), tight(10..19), vec![(4, 10, 0.6), (3, 12, 0.55), (20, 21, 0.71)]].concat();
    assert_eq!(ranked(&more)[0], [20, 21]);
    // Of rings as sure the larger one comes first.
    let sure = [tight(0..3), vec![(8, 9, 0.9)]].concat();
    assert_eq!(ranked(&sure), [&[0, 1, 2][..], &[8, 9]]);
}

#[test]
fn what_is_likely_chance_joins_only_two_records_that_have_nothing_else() {
    assert_eq!(members(&[(1, 2, 0.45)]), [[1, 2]]);
    // Not where one of them has another link, be it as poor: of many at random each record
    // would be in some ring.
    assert_eq!(members(&[(1, 2, 0.45), (2, 3, 0.44)]), Vec::<Vec<u32>>::new());
    // Two records of one person that both look a little like another's, by the same face,
    // support nothing.
    let looks_like = [(0, 9, 0.45), (2, 9, 0.44), (1, 9, 0.43)];
    assert_eq!(members(&[tight(0..4), looks_like.to_vec()].concat()), [[0, 1, 2, 3]]);
    // None is lost.
    assert_eq!(rings(&links(&[(1, 2, 0.45), (2, 3, 0.44)])).bridges.len(), 2);
}

/// Groups by the rule in its own words, again and again until nothing changes: slow.
fn rings_slowly(links: &[RecordLink]) -> Vec<Vec<u32>> {
    let mut groups: Vec<Vec<u32>> = links.iter().flat_map(|l| [vec![l.a], vec![l.b]]).collect();
    groups.sort_unstable();
    groups.dedup();
    let mut order: Vec<&RecordLink> = links.iter().collect();
    order.retain(|link| link.evidence.grade() > Grade::LikelyChance);
    order.sort_by(|x, y| y.score.total_cmp(&x.score).then((x.a, x.b).cmp(&(y.a, y.b))));
    let mut seen: Vec<&RecordLink> = Vec::new();
    for link in order {
        seen.push(link);
        while let Some((one, other)) = joinable(&groups, &seen) {
            let moved = groups.remove(one.max(other));
            groups[one.min(other)].extend(moved);
        }
    }
    for link in links.iter().filter(|link| link.evidence.grade() == Grade::LikelyChance) {
        let others = |of: u32| links.iter().filter(|l| [l.a, l.b].contains(&of)).count();
        if others(link.a) == 1 && others(link.b) == 1 {
            groups.retain(|group| !group.contains(&link.a) && !group.contains(&link.b));
            groups.push(vec![link.a, link.b]);
        }
    }
    groups.iter_mut().for_each(|group| group.sort_unstable());
    groups.retain(|group| group.len() > 1);
    groups.sort_unstable();
    groups
}

fn joinable(groups: &[Vec<u32>], seen: &[&RecordLink]) -> Option<(usize, usize)> {
    let of = |subject: u32| groups.iter().position(|group| group.contains(&subject)).unwrap();
    (0..groups.len()).flat_map(|x| (0..x).map(move |y| (x, y))).find(|&(x, y)| {
        let between: Vec<&&RecordLink> =
            seen.iter().filter(|l| [(x, y), (y, x)].contains(&(of(l.a), of(l.b)))).collect();
        let backs = |group: usize| {
            let mut ends: Vec<u32> =
                between.iter().flat_map(|l| [l.a, l.b]).filter(|subject| of(*subject) == group).collect();
            ends.sort_unstable();
            ends.dedup();
            ends.len() >= groups[group].len().min(2)
        };
        between.iter().any(|l| l.evidence.grade() == Grade::Strong) || (!between.is_empty() && backs(x) && backs(y))
    })
}

proptest! {
    #[test]
    fn rings_are_those_of_the_rule(
        pairs in prop::collection::vec((0u32..16, 0u32..16, 0u32..40), 0..40)
    ) {
        // Scores all different, so that the order is fixed by them.
        let pairs: Vec<(u32, u32, f32)> =
            pairs.iter().enumerate().map(|(i, &(a, b, s))| (a, b, 0.4 + s as f32 / 100.0 + i as f32 * 1e-5)).collect();
        let links = links(&pairs);
        // Strong first, whatever the doubtful ones would have done before.
        prop_assert_eq!(members(&pairs), rings_slowly(&links));
    }

    #[test]
    fn order_changes_nothing_and_nothing_is_lost(
        pairs in prop::collection::vec((0u32..40, 0u32..40, 0u32..40), 0..80), turn in 0usize..80
    ) {
        let pairs: Vec<(u32, u32, f32)> = pairs.iter().map(|&(a, b, s)| (a, b, 0.4 + s as f32 / 100.0)).collect();
        let straight = links(&pairs);
        let found = rings(&straight);
        let mut turned = straight.clone();
        turned.rotate_left(turn % straight.len().max(1));
        let again = rings(&turned);
        let short = |of: &Rings| -> Vec<(Vec<u32>, u64)> {
            of.rings.iter().map(|r| (r.members.clone(), r.evidence.to_bits())).collect()
        };
        prop_assert_eq!(short(&found), short(&again));
        let inside: usize = found.rings.iter().map(|ring| ring.links.len()).sum();
        prop_assert_eq!(inside + found.bridges.len(), straight.len());
        for ring in &found.rings {
            prop_assert!(ring.members.len() > 1 && ring.members.is_sorted());
            prop_assert!(ring.holds_to <= ring.best_score && ring.weakest_link <= ring.holds_to);
            let mut of_parts = ring.parts.concat();
            of_parts.sort_unstable();
            prop_assert_eq!(&of_parts, &ring.members);
            prop_assert_eq!(ring.parts.len() > 1, ring.hangs_on.is_some());
        }
        for bridge in &found.bridges {
            let link = &straight[bridge.link as usize];
            prop_assert!(link.evidence.grade() != Grade::Strong && bridge.ring_a.is_none_or(|ring| Some(ring) != bridge.ring_b));
        }
    }
}
