//! Which ring of an earlier audit is which of this one? Rings gain and lose members, and keep
//! their ids.
//!
//! Of all rings of the earlier audit and of this one that have a record in common, those with the
//! most in common are the same; of as many, the surer of the earlier audit first, then the surer of
//! this one. Each is the same as one other at most: of a ring that falls apart the largest part
//! keeps the id, and rings that become one have the id of the largest of them. What is left is new,
//! and its id is of its members.

use std::collections::{HashMap, HashSet};

use super::{IdKey, StableId, show_enough};

/// A ring of an earlier audit.
pub(in crate::audit) struct EarlierRing<'a> {
    pub id: StableId,
    pub members: Vec<&'a str>,
}

/// Ids of the rings of this audit; `rings` are their members' ids, the surest ring first, as are
/// those of the earlier audit.
pub(in crate::audit) fn ring_ids(key: &IdKey, rings: &[Vec<&str>], earlier: &[EarlierRing<'_>]) -> Vec<StableId> {
    let mut ids: Vec<Option<StableId>> = vec![None; rings.len()];
    let mut taken = vec![false; earlier.len()];
    for (_, before, now) in most_in_common_first(rings, earlier) {
        if !taken[before] && ids[now].is_none() {
            (taken[before], ids[now]) = (true, Some(earlier[before].id));
        }
    }
    let mut used: HashSet<_> = earlier.iter().map(|ring| ring.id.digits).collect();
    let mut ids: Vec<StableId> = ids
        .into_iter()
        .zip(rings)
        .map(|(kept, members)| {
            kept.unwrap_or_else(|| {
                let mut sorted = members.clone();
                sorted.sort_unstable();
                // An id that a ring has had since it was other people's is not given twice.
                let fresh = (0..).map(|attempt| key.ring(sorted.iter().copied(), attempt));
                let mut fresh = fresh.filter(|id| used.insert(id.digits));
                fresh.next().unwrap_or_else(|| key.ring(sorted.iter().copied(), 0))
            })
        })
        .collect();
    show_enough(&mut ids.iter_mut().collect::<Vec<_>>());
    ids
}

/// Members in common, the place of the earlier ring, and the place of this audit's.
fn most_in_common_first(rings: &[Vec<&str>], earlier: &[EarlierRing<'_>]) -> Vec<(usize, usize, usize)> {
    let ring_of: HashMap<&str, usize> = rings
        .iter()
        .enumerate()
        .flat_map(|(place, members)| members.iter().map(move |&member| (member, place)))
        .collect();
    let mut common = Vec::new();
    for (before, ring) in earlier.iter().enumerate() {
        let mut now: Vec<usize> = ring.members.iter().filter_map(|member| ring_of.get(member).copied()).collect();
        now.sort_unstable();
        common.extend(now.chunk_by(|a, b| a == b).map(|same| (same.len(), before, same[0])));
    }
    common.sort_by_key(|&(count, before, now)| (std::cmp::Reverse(count), before, now));
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> IdKey {
        let folder = tempfile::tempdir().unwrap();
        IdKey::read_or_make(&folder.path().join("key"), None).unwrap()
    }

    /// Rings as words, a letter a member.
    fn of<'a>(words: &[&'a str]) -> Vec<Vec<&'a str>> {
        words.iter().map(|word| word.split("").filter(|letter| !letter.is_empty()).collect()).collect()
    }

    fn after<'a>(ids: &[StableId], words: &[&'a str]) -> Vec<EarlierRing<'a>> {
        ids.iter().zip(of(words)).map(|(&id, members)| EarlierRing { id, members }).collect()
    }

    #[test]
    fn a_ring_keeps_its_id_when_it_gains_and_loses_members_and_changes_its_rank() {
        let key = key();
        let words = ["abc", "de"];
        let first = ring_ids(&key, &of(&words), &[]);
        assert_eq!(ring_ids(&key, &of(&["cba", "ed"]), &[]), first, "the order of members is nobody's business");
        let later = ring_ids(&key, &of(&["xy", "def", "ab"]), &after(&first, &words));
        assert!(later[2].is_same(&first[0]) && later[1].is_same(&first[1]));
        assert!(!later[0].is_same(&first[0]) && !later[0].is_same(&first[1]));
    }

    #[test]
    fn the_largest_part_keeps_the_id_and_rings_that_become_one_have_that_of_the_largest() {
        let key = key();
        let words = ["abcde", "fg", "hij"];
        let first = ring_ids(&key, &of(&words), &[]);
        let split = ring_ids(&key, &of(&["ab", "cde", "fghij"]), &after(&first, &words));
        assert!(split[1].is_same(&first[0]) && split[2].is_same(&first[2]));
        assert!(first.iter().all(|id| !id.is_same(&split[0])), "the smaller part is a ring of its own");
        // As many on either side: the surer ring keeps it.
        let even = ring_ids(&key, &of(&["ab", "cd"]), &after(&first[..1], &["abcd"]));
        assert!(even[0].is_same(&first[0]) && !even[1].is_same(&first[0]));
    }

    #[test]
    fn no_two_rings_have_one_id_though_members_come_back_that_once_had_it() {
        let key = key();
        let first = ring_ids(&key, &of(&["ab"]), &[]);
        // The ring of a and b has become that of b and x, and a ring of a and b would be made anew.
        let second = after(&first, &["xy"]);
        let third = ring_ids(&key, &of(&["ab", "xy"]), &second);
        assert!(third[1].is_same(&first[0]) && !third[0].is_same(&third[1]));
    }
}
