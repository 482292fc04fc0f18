//! How well did an audit of a planted gallery do?

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Planted, adjusted_rand_index};
use crate::audit::{LinkGroups, Rings};
use crate::matching::Dot;
use crate::search::Pair;

/// What was found of what was planted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PlantedAgreement {
    /// Planted pairs of templates at or above the score.
    pub planted_pairs: u64,
    /// How many of those were not found.
    pub missed: u64,
    /// Pairs found that score below what was asked for, or otherwise than stated.
    pub made_up: u64,
    /// Pairs found that were not planted: chance.
    pub chance_pairs: u64,
    /// Rings planted that have a member with a found pair to another.
    pub planted_rings: u64,
    /// Agreement of the rings found with those planted over all subjects, where those in
    /// no ring are alone (adjusted Rand index: 1 is the same).
    pub rand_index: f64,
    /// The same over subjects of planted rings alone.
    pub rand_index_planted: f64,
    /// Bridges between planted rings.
    pub bridges: u64,
    /// How many of those ended in one ring.
    pub bridges_crossed: u64,
    /// Pairs of records of one planted ring with a template pair at or above the score.
    pub planted_links: u64,
    /// How many of those are not in one ring.
    pub planted_links_apart: u64,
    /// Pairs of records found linked that were not planted: chance.
    pub chance_links: u64,
    /// [`PlantedAgreement::rand_index`] of what the planted links alone would give: who scores
    /// below what was asked for belongs to no ring.
    pub rand_index_true_links: f64,
    /// The first rings, at most [`TOP_RINGS`].
    pub top_rings: u64,
    /// How many of those join no two people, but for planted look-alikes and twins.
    pub top_rings_of_one: u64,
    /// The first ring that joins two people, by its rank from 1; absent where none does.
    pub first_of_two: Option<u64>,
}

/// Rings at the head of the list that an auditor is sure to look at.
pub const TOP_RINGS: usize = 50;

impl PlantedAgreement {
    /// What does not hold of what an audit promises, one line each.
    pub fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let mut hold = |holds: bool, what: String| {
            if !holds {
                broken.push(what);
            }
        };
        hold(self.missed == 0, format!("{} planted pairs were missed", self.missed));
        hold(self.made_up == 0, format!("{} pairs were made up", self.made_up));
        let apart = self.planted_links_apart;
        hold(apart == 0, format!("{apart} of {} planted pairs of records are not in one ring", self.planted_links));
        let two = self.top_rings - self.top_rings_of_one;
        hold(two <= TOP_OF_TWO_MAX, format!("{two} of the first {} rings join different people", self.top_rings));
        let (is, true_links) = (self.rand_index, self.rand_index_true_links);
        let said = format!("the adjusted Rand index is {is:.4}, and {true_links:.4} of the planted links alone");
        hold(is >= RAND_INDEX_SHARE_MIN * true_links, said);
        broken
    }
}

/// Of the first rings, how many may join different people.
const TOP_OF_TWO_MAX: u64 = 2;
/// The adjusted Rand index of the rings, as a share of what the planted links alone give.
const RAND_INDEX_SHARE_MIN: f64 = 0.99;

/// Compares what an audit of `planted` at `score` found with what there is. `vectors`
/// are [`Planted::vectors`], `pairs` all template pairs found, twins among them.
pub fn agreement(planted: &Planted, vectors: &[f32], score: f32, pairs: &[Pair], rings: &Rings) -> PlantedAgreement {
    let dot = Dot::best();
    let row = |row: u32| &vectors[row as usize * super::DIMENSION..][..super::DIMENSION];
    let mut found: Vec<(u32, u32)> = pairs.iter().map(|pair| (pair.a, pair.b)).collect();
    found.sort_unstable();
    let made_up = pairs.iter().filter(|p| p.score < score || dot.score(row(p.a), row(p.b)) != p.score).count() as u64;
    let truth = planted.truth();
    let (mut planted_pairs, mut missed) = (0, 0);
    let mut linked = vec![false; truth.len()];
    let mut links: BTreeSet<(u32, u32)> = BTreeSet::new();
    let mut by_true_links = LinkGroups::new(truth.len());
    for (a, b) in planted.planted_pairs().filter(|&(a, b)| dot.score(row(a), row(b)) >= score) {
        planted_pairs += 1;
        missed += u64::from(found.binary_search(&(a, b)).is_err());
        let [a, b] = [a, b].map(|row| planted.groups()[row as usize]);
        if truth[a as usize] == truth[b as usize] {
            (linked[a as usize], linked[b as usize]) = (true, true);
            links.insert((a.min(b), a.max(b)));
            by_true_links.join(a, b);
        }
    }
    // Those in no ring are alone, each under a number of its own.
    let assigned: Vec<u32> = (0..truth.len() as u32)
        .map(|subject| rings.ring_of(subject).unwrap_or(rings.rings.len() as u32 + subject))
        .collect();
    let mut sizes = vec![0u32; truth.iter().max().map_or(0, |most| *most as usize + 1)];
    truth.iter().for_each(|&ring| sizes[ring as usize] += 1);
    let of_rings: Vec<usize> = (0..truth.len()).filter(|&subject| sizes[truth[subject] as usize] > 1).collect();
    let among = |labels: &[u32]| -> Vec<u32> { of_rings.iter().map(|&subject| labels[subject]).collect() };
    let mut rings_linked: Vec<u32> = (0..truth.len()).filter(|&s| linked[s]).map(|s| truth[s]).collect();
    rings_linked.sort_unstable();
    rings_linked.dedup();
    let in_one = |a: u32, b: u32| rings.ring_of(a).is_some() && rings.ring_of(a) == rings.ring_of(b);
    let by_true_links: Vec<u32> = (0..truth.len() as u32).map(|subject| by_true_links.find(subject)).collect();
    let planted_links: BTreeSet<(u32, u32)> = planted
        .planted_pairs()
        .map(|(a, b)| [a, b].map(|row| planted.groups()[row as usize]))
        .map(|[a, b]| (a.min(b), a.max(b)))
        .collect();
    let mut found_links: Vec<(u32, u32)> = pairs
        .iter()
        .map(|pair| [pair.a, pair.b].map(|row| planted.groups()[row as usize]))
        .map(|[a, b]| (a.min(b), a.max(b)))
        .collect();
    found_links.sort_unstable();
    found_links.dedup();
    // People that a planted look-alike, or being twins, makes one.
    let mut alike = LinkGroups::new(truth.len() + 1);
    planted.bridges().iter().chain(planted.twins()).for_each(|&(a, b)| {
        alike.join(truth[a as usize], truth[b as usize]);
    });
    let mut of_one = |members: &[u32]| {
        let mut people = members.iter().map(|&member| alike.find(truth[member as usize]));
        let first = people.next();
        people.all(|person| Some(person) == first)
    };
    let top: Vec<bool> = rings.rings.iter().take(TOP_RINGS).map(|ring| of_one(&ring.members)).collect();
    let first_of_two = rings.rings.iter().position(|ring| !of_one(&ring.members));
    let crossed = |&&(a, b): &&(u32, u32)| in_one(a, b);
    PlantedAgreement {
        planted_pairs,
        missed,
        made_up,
        chance_pairs: (pairs.len() as u64).saturating_sub(planted_pairs - missed),
        planted_rings: rings_linked.len() as u64,
        rand_index: adjusted_rand_index(truth, &assigned),
        rand_index_planted: adjusted_rand_index(&among(truth), &among(&assigned)),
        bridges: planted.bridges().len() as u64,
        bridges_crossed: planted.bridges().iter().filter(crossed).count() as u64,
        planted_links: links.len() as u64,
        planted_links_apart: links.iter().filter(|(a, b)| !in_one(*a, *b)).count() as u64,
        chance_links: found_links.iter().filter(|link| !planted_links.contains(link)).count() as u64,
        rand_index_true_links: adjusted_rand_index(truth, &by_true_links),
        top_rings: top.len() as u64,
        top_rings_of_one: top.iter().filter(|of_one| **of_one).count() as u64,
        first_of_two: first_of_two.map(|place| place as u64 + 1),
    }
}
