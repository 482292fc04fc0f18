//! How well did an audit of a planted gallery do?

use serde::Serialize;

use super::{Planted, adjusted_rand_index};
use crate::audit::rings::Rings;
use crate::matching::Dot;
use crate::search::Pair;

/// What was found of what was planted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
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
}

/// Compares what an audit of `planted` at `score` found with what there is. `vectors`
/// are [`Planted::vectors`], `pairs` all template pairs found, twins among them.
pub fn agreement(planted: &Planted, vectors: &[f32], score: f32, pairs: &[Pair], rings: &Rings) -> Agreement {
    let dot = Dot::best();
    let row = |row: u32| &vectors[row as usize * super::DIMENSION..][..super::DIMENSION];
    let mut found: Vec<(u32, u32)> = pairs.iter().map(|pair| (pair.a, pair.b)).collect();
    found.sort_unstable();
    let made_up = pairs.iter().filter(|p| p.score < score || dot.score(row(p.a), row(p.b)) != p.score).count() as u64;
    let (mut planted_pairs, mut missed) = (0, 0);
    let mut linked = vec![false; planted.truth().len()];
    for (a, b) in planted.planted_pairs().filter(|&(a, b)| dot.score(row(a), row(b)) >= score) {
        planted_pairs += 1;
        missed += u64::from(found.binary_search(&(a, b)).is_err());
        let [a, b] = [a, b].map(|row| planted.groups()[row as usize] as usize);
        if planted.truth()[a] == planted.truth()[b] {
            (linked[a], linked[b]) = (true, true);
        }
    }
    let truth = planted.truth();
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
    let crossed = |&&(a, b): &&(u32, u32)| rings.ring_of(a).is_some() && rings.ring_of(a) == rings.ring_of(b);
    Agreement {
        planted_pairs,
        missed,
        made_up,
        chance_pairs: (pairs.len() as u64).saturating_sub(planted_pairs - missed),
        planted_rings: rings_linked.len() as u64,
        rand_index: adjusted_rand_index(truth, &assigned),
        rand_index_planted: adjusted_rand_index(&among(truth), &among(&assigned)),
        bridges: planted.bridges().len() as u64,
        bridges_crossed: planted.bridges().iter().filter(crossed).count() as u64,
    }
}
