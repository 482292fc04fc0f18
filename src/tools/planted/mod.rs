//! A gallery whose duplicates are known, for measuring an audit: nobody's faces.
//!
//! On [`Population`]'s faces: people enrolled under 2 to 50 names, chains in which each
//! record shares a face with the next and with no other, pairs of rings with one
//! look-alike capture between them, twins, and people enrolled once, in no order. Most
//! records have one capture and few have hundreds, as in real galleries; one person is
//! there under two names with hundreds each. The same for a seed, on every machine.

mod check;
#[cfg(test)]
mod tests;

use std::ops::Range;

use rayon::prelude::*;

pub use self::check::{PlantedAgreement, TOP_RINGS, agreement};
use crate::random::SplitMix;
use crate::tools::{Like, Population};

/// Whose scores the figures here are made for.
const LIKE: Like = Like::Faceplugin;
/// Values in a vector.
pub const DIMENSION: usize = LIKE.dimension();
/// Structures in 200,000 templates; fewer templates have fewer, and one of each at least.
const PER_TEMPLATES: f64 = 200_000.0;
const RINGS: f64 = 2_000.0;
const CHAINS: f64 = 200.0;
const BRIDGES: f64 = 200.0;
const TWINS: f64 = 500.0;
/// The largest ring; one of every gallery is.
const RING_MAX: usize = 50;
/// Subjects in a ring that a bridge leads to.
const BRIDGED: Range<usize> = 3..7;
/// Subjects in a chain.
const CHAINED: Range<usize> = 3..7;
/// Square of the share of a capture that is the face: the expected score of two such.
const LIKENESS: Range<f64> = 0.62..0.80;
/// The same for chains, where there is one pair of captures to find.
const LIKENESS_CHAINED: Range<f64> = 0.82..0.88;
/// Score of the faces of twins.
const TWINS_SCORE: f64 = 0.92;
/// Most captures of a record. Of all records a k-th has k captures or more: half have
/// one, one in a hundred has a hundred.
const CAPTURES_MAX: usize = 500;
/// In a small gallery a record has at most this share of all captures.
const CAPTURES_SHARE_MAX: usize = 20;
/// Numbers of the population from which what is not a face is drawn.
const DAYS: u64 = 1 << 40;

/// What a capture shows.
#[derive(Debug, Clone, Copy)]
enum PlantedShows {
    /// A face, and this square of a share of it.
    Face { face: Face, likeness: f64 },
    /// Something with exactly this score against the capture of another row.
    LookAlike { of: usize, score: f64 },
}

#[derive(Debug, Clone, Copy)]
enum Face {
    Person(u64),
    /// The twin of a person.
    Twin(u64),
}

/// A planted gallery.
pub struct Planted {
    population: Population,
    rows: Vec<PlantedShows>,
    groups: Vec<u32>,
    truth: Vec<u32>,
    twins: Vec<(u32, u32)>,
    bridges: Vec<(u32, u32)>,
    /// By structure, its rows.
    structures: Vec<Vec<u32>>,
}

/// Subjects in the making, in the order they are thought of.
struct PlantingPlan {
    random: SplitMix,
    people: u64,
    captures_max: usize,
    /// Captures, ring and structure, by subject.
    subjects: Vec<(Vec<PlantedShows>, u32, Option<u32>)>,
    rings: u32,
    structures: u32,
}

impl Planted {
    /// About so many templates; look-alikes between rings score `bridge_score`.
    pub fn new(seed: u64, templates: usize, bridge_score: f32) -> Self {
        let captures_max = (templates / CAPTURES_SHARE_MAX).clamp(1, CAPTURES_MAX);
        let random = SplitMix::stream(seed, 0);
        let mut plan = PlantingPlan { random, people: 0, captures_max, subjects: Vec::new(), rings: 0, structures: 0 };
        let many = |per: f64| ((per * templates as f64 / PER_TEMPLATES).round() as usize).max(1);
        plan.largest_records();
        (0..many(RINGS)).for_each(|i| plan.ring_of_any_size(i == 0));
        (0..many(CHAINS)).for_each(|_| plan.chain());
        let bridges: Vec<[usize; 2]> = (0..many(BRIDGES)).map(|_| plan.bridge()).collect();
        let twins: Vec<[usize; 2]> = (0..many(TWINS)).map(|_| plan.twins()).collect();
        let mut made: usize = plan.subjects.iter().map(|(captures, ..)| captures.len()).sum();
        while made < templates {
            let person = plan.person();
            made += plan.subject(&[person], LIKENESS, None);
        }
        plan.shuffled(seed, &bridges, &twins, f64::from(bridge_score))
    }

    /// By row, the number of the subject.
    pub fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// By subject, the number of the ring it belongs to; those alone have one of their
    /// own.
    pub fn truth(&self) -> &[u32] {
        &self.truth
    }

    /// Twins, the lower number first, ascending: what an officer has cleared.
    pub fn twins(&self) -> &[(u32, u32)] {
        &self.twins
    }

    /// Subjects of two rings with a look-alike capture, the lower number first.
    pub fn bridges(&self) -> &[(u32, u32)] {
        &self.bridges
    }

    /// Pairs of rows of different subjects that were planted together, the lower first:
    /// all that may score high for another reason than chance.
    pub fn planted_pairs(&self) -> impl Iterator<Item = (u32, u32)> {
        self.structures.iter().flat_map(move |rows| {
            rows.iter().enumerate().flat_map(move |(i, &a)| {
                let others = rows[i + 1..].iter();
                others.filter(move |&&b| self.groups[a as usize] != self.groups[b as usize]).map(move |&b| (a, b))
            })
        })
    }

    /// The vectors, [`DIMENSION`] values each, row after row.
    pub fn vectors(&self) -> Vec<f32> {
        let dimension = DIMENSION;
        let mut values = vec![0.0; self.rows.len() * dimension];
        let each = values.par_chunks_exact_mut(dimension).enumerate();
        each.for_each(|(row, into)| into.copy_from_slice(&self.vector(row)));
        values
    }

    fn vector(&self, row: usize) -> Vec<f32> {
        let day = || self.population.capture(DAYS + row as u64, 0);
        match self.rows[row] {
            PlantedShows::Face { face, likeness } => {
                mixed(&self.face(face), &day(), likeness.sqrt(), (1.0 - likeness).sqrt())
            }
            PlantedShows::LookAlike { of, score } => {
                let of = self.vector(of);
                let day = day();
                // What is left of the day beside it, so that the score is what was asked for.
                let along: f64 = of.iter().zip(&day).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                let beside = mixed(&day, &of, 1.0, -along);
                mixed(&of, &beside, score, (1.0 - score * score).sqrt())
            }
        }
    }

    fn face(&self, face: Face) -> Vec<f32> {
        match face {
            Face::Person(person) => self.population.capture(person, 0),
            Face::Twin(person) => {
                let (one, own) = (self.population.capture(person, 0), self.population.capture(person + DAYS / 2, 0));
                mixed(&one, &own, TWINS_SCORE, (1.0 - TWINS_SCORE * TWINS_SCORE).sqrt())
            }
        }
    }
}

/// The unit vector along a sum.
fn mixed(a: &[f32], b: &[f32], of_a: f64, of_b: f64) -> Vec<f32> {
    let sum: Vec<f64> = a.iter().zip(b).map(|(a, b)| of_a * f64::from(*a) + of_b * f64::from(*b)).collect();
    let length = sum.iter().map(|v| v * v).sum::<f64>().sqrt();
    sum.iter().map(|v| (v / length) as f32).collect()
}

impl PlantingPlan {
    fn person(&mut self) -> Face {
        self.people += 1;
        Face::Person(self.people)
    }

    fn within(&mut self, range: Range<usize>) -> usize {
        range.start + self.random.below(range.len())
    }

    fn likeness(&mut self, range: &Range<f64>) -> f64 {
        range.start + (range.end - range.start) * self.random.below(1 << 20) as f64 / f64::from(1 << 20)
    }

    /// A subject of the newest ring with captures of each of `faces`; further ones, of a
    /// number drawn, are of the first. Returns how many.
    fn subject(&mut self, faces: &[Face], likeness: Range<f64>, structure: Option<u32>) -> usize {
        // Of the drawn numbers up to n, a k-th is n / k or less.
        let drawn = self.random.below(1 << 20) + 1;
        let captures = ((1 << 20) / drawn).min(self.captures_max);
        self.subject_with(captures, faces, likeness, structure)
    }

    fn subject_with(&mut self, captures: usize, faces: &[Face], likeness: Range<f64>, structure: Option<u32>) -> usize {
        let more = captures - 1;
        let shown: Vec<Face> = faces.iter().copied().chain(std::iter::repeat_n(faces[0], more)).collect();
        let captures: Vec<PlantedShows> =
            shown.into_iter().map(|face| PlantedShows::Face { face, likeness: self.likeness(&likeness) }).collect();
        let count = captures.len();
        let ring = match structure {
            Some(_) => self.rings,
            None => {
                self.rings += 1;
                self.rings
            }
        };
        self.subjects.push((captures, ring, structure));
        count
    }

    /// Subjects that share a face, in the newest structure. Returns the last of them.
    fn ring(&mut self, size: usize) -> usize {
        self.rings += 1;
        let face = self.person();
        for _ in 0..size {
            self.subject(&[face], LIKENESS, Some(self.structures));
        }
        self.subjects.len() - 1
    }

    /// One person under two names, with as many captures under each as there may be.
    fn largest_records(&mut self) {
        (self.structures, self.rings) = (self.structures + 1, self.rings + 1);
        let face = self.person();
        for _ in 0..2 {
            self.subject_with(self.captures_max, &[face], LIKENESS, Some(self.structures));
        }
    }

    fn ring_of_any_size(&mut self, largest: bool) {
        self.structures += 1;
        let size = match self.random.below(100) {
            _ if largest => RING_MAX,
            0..60 => 2,
            60..80 => self.within(3..6),
            80..95 => self.within(6..13),
            _ => self.within(13..RING_MAX + 1),
        };
        self.ring(size);
    }

    fn chain(&mut self) {
        (self.structures, self.rings) = (self.structures + 1, self.rings + 1);
        let mut before = self.person();
        for _ in 0..self.within(CHAINED) {
            let next = self.person();
            self.subject(&[before, next], LIKENESS_CHAINED, Some(self.structures));
            before = next;
        }
    }

    fn bridge(&mut self) -> [usize; 2] {
        self.structures += 1;
        [(); 2].map(|()| {
            let size = self.within(BRIDGED);
            self.ring(size)
        })
    }

    fn twins(&mut self) -> [usize; 2] {
        self.structures += 1;
        let Face::Person(person) = self.person() else { return [0; 2] };
        [Face::Person(person), Face::Twin(person)].map(|face| {
            self.rings += 1;
            self.subject(&[face], LIKENESS, Some(self.structures));
            self.subjects.len() - 1
        })
    }

    /// Subjects in no order, with the look-alikes between rings.
    fn shuffled(mut self, seed: u64, bridges: &[[usize; 2]], twins: &[[usize; 2]], bridge_score: f64) -> Planted {
        let count = self.subjects.len();
        let mut order: Vec<usize> = (0..count).collect();
        self.random.choose(&mut order, count);
        let mut number = vec![0u32; count];
        (0u32..).zip(&order).for_each(|(to, &from)| number[from] = to);
        let mut planted = Planted {
            population: Population::new(LIKE, seed),
            rows: Vec::new(),
            groups: Vec::new(),
            truth: Vec::new(),
            twins: twins.iter().map(|two| ordered(two.map(|subject| number[subject]))).collect(),
            bridges: bridges.iter().map(|two| ordered(two.map(|subject| number[subject]))).collect(),
            structures: vec![Vec::new(); self.structures as usize + 1],
        };
        planted.twins.sort_unstable();
        let mut first_row = vec![0usize; count];
        for (group, &from) in (0u32..).zip(&order) {
            let (captures, ring, structure) = &self.subjects[from];
            first_row[from] = planted.rows.len();
            // The look-alike's row is known once all have one: filled in below.
            let look_alike =
                bridges.iter().any(|two| two[1] == from).then_some(PlantedShows::LookAlike { of: 0, score: 0.0 });
            for shows in captures.iter().copied().chain(look_alike) {
                if let Some(structure) = structure {
                    planted.structures[*structure as usize].push(planted.rows.len() as u32);
                }
                planted.groups.push(group);
                planted.rows.push(shows);
            }
            planted.truth.push(*ring);
        }
        for [of, by] in bridges {
            let row = first_row[*by] + self.subjects[*by].0.len();
            planted.rows[row] = PlantedShows::LookAlike { of: first_row[*of], score: bridge_score };
        }
        planted
    }
}

fn ordered([a, b]: [u32; 2]) -> (u32, u32) {
    (a.min(b), a.max(b))
}

/// How well two ways of dividing the same things into groups agree: 1 where they are
/// the same, 0 on average where they have nothing to do with each other (Hubert and
/// Arabie, "Comparing partitions", 1985). `one` and `other` name the group of each
/// thing.
///
/// # Panics
/// Where they are of different length.
pub fn adjusted_rand_index(one: &[u32], other: &[u32]) -> f64 {
    assert_eq!(one.len(), other.len());
    let pairs = |mut keys: Vec<u64>| -> f64 {
        keys.sort_unstable();
        keys.chunk_by(|a, b| a == b).map(|same| same.len() as f64 * (same.len() as f64 - 1.0) / 2.0).sum()
    };
    let whole = |keys: &[u32]| pairs(keys.iter().map(|&key| u64::from(key)).collect());
    let both = pairs(one.iter().zip(other).map(|(&a, &b)| u64::from(a) << 32 | u64::from(b)).collect());
    let (in_one, in_other) = (whole(one), whole(other));
    let all = one.len() as f64 * (one.len() as f64 - 1.0) / 2.0;
    let by_chance = if all > 0.0 { in_one * in_other / all } else { 0.0 };
    let most = (in_one + in_other) / 2.0;
    // Nothing together in either, or everything: they agree.
    if most == by_chance { 1.0 } else { (both - by_chance) / (most - by_chance) }
}
