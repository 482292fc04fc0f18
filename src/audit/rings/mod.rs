//! Who belongs together? Links between records, and rings of linked records.
//!
//! # What makes a ring
//! A link is *strong* where chance hardly gives one of its score in this gallery
//! (`LocalChance` says from which score on), else it is *doubtful*.
//!
//! - Strong links always join, whatever the shape: in A–B–C the middle record may have
//!   two captures, each of them like one neighbour.
//! - A doubtful link joins two records that stand alone.
//! - To join a group of several members, doubtful links must come from at least two
//!   of its members. So one look-alike between two tight groups does not make them one
//!   ring, nor does one record that resembles a whole group of another person's; and a
//!   line of doubtful links does not grow from record to record, as it would through
//!   half a gallery where the score asked for is low.
//!
//! Nothing is lost: doubtful links that were not followed are [`Bridge`]s.
//!
//! The outcome does not depend on the order of the links, nor on anything but them.
//! Time is that of sorting them; groups that meet are merged smaller into larger.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// Two subjects some of whose templates score at or above the audit's threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The subject with the lower number.
    pub a: u32,
    /// The subject with the higher number.
    pub b: u32,
    /// Best score of the template pairs.
    pub score: f32,
    /// How many template pairs there are.
    pub pairs: u32,
    /// The best of them, by its place in the list that was gathered; the first of equals.
    pub best: u32,
    /// Powers of ten that chance is unlikely by; not negative, never falls with the score.
    pub weight: f64,
}

/// What [`gather`] made of template pairs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gathered {
    /// By (a, b), ascending.
    pub links: Vec<Link>,
    /// Pairs of subjects left out because an officer cleared them.
    pub cleared: u64,
    /// Template pairs of those.
    pub cleared_pairs: u64,
}

/// Makes one link of all template pairs of two subjects. `pairs` are (subject, subject,
/// score) of template pairs in the caller's order; those of one subject with itself are
/// passed over. `cleared` is asked with the lower number first, once for each two
/// subjects. `weight` gives [`Link::weight`] by score (`LocalChance::weight`).
pub fn gather(
    pairs: impl IntoIterator<Item = (u32, u32, f32)>,
    mut cleared: impl FnMut(u32, u32) -> bool,
    weight: impl Fn(f32) -> f64,
) -> Gathered {
    let mut sorted: Vec<(u32, u32, f32, u32)> = (0u32..)
        .zip(pairs)
        .filter(|(_, (a, b, _))| a != b)
        .map(|(place, (a, b, score))| (a.min(b), a.max(b), score, place))
        .collect();
    sorted.sort_unstable_by(|x, y| (x.0, x.1).cmp(&(y.0, y.1)).then(y.2.total_cmp(&x.2)).then(x.3.cmp(&y.3)));
    let mut gathered = Gathered::default();
    for same in sorted.chunk_by(|x, y| (x.0, x.1) == (y.0, y.1)) {
        let (a, b, score, best) = same[0];
        if cleared(a, b) {
            gathered.cleared += 1;
            gathered.cleared_pairs += same.len() as u64;
        } else {
            let pairs = u32::try_from(same.len()).unwrap_or(u32::MAX);
            gathered.links.push(Link { a, b, score, pairs, best, weight: weight(score) });
        }
    }
    gathered
}

/// Linked subjects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ring {
    /// At least two subjects, ascending.
    pub members: Vec<u32>,
    /// The links inside, by their place in the list given, the best score first.
    pub links: Vec<u32>,
    /// Best score of a link inside.
    pub best_score: f32,
    /// Lowest score of a link inside.
    pub weakest_link: f32,
    /// The highest score up to which the ring holds together: with links above it alone
    /// it would fall apart.
    pub holds_to: f32,
    /// Sum of the weights of the best links that hold the ring together: each member
    /// counts once, by its best connection, however many links it has besides.
    pub evidence: f64,
}

/// A doubtful link that was not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// Its place in the list of links.
    pub link: u32,
    /// The ring of its first subject, if it is in one.
    pub ring_a: Option<u32>,
    /// The ring of its second subject, if it is in one.
    pub ring_b: Option<u32>,
}

/// Rings, the one with the most evidence first, and what was left between them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rings {
    /// By evidence, then by best score, both falling.
    pub rings: Vec<Ring>,
    /// The best score first.
    pub bridges: Vec<Bridge>,
    /// Subject and ring, by subject.
    of: Vec<(u32, u32)>,
}

impl Rings {
    /// The ring of a subject, by its place in [`Rings::rings`].
    pub fn ring_of(&self, subject: u32) -> Option<u32> {
        self.of.binary_search_by_key(&subject, |(of, _)| *of).ok().map(|at| self.of[at].1)
    }

    /// Subjects in any ring.
    pub fn members(&self) -> u64 {
        self.of.len() as u64
    }
}

/// Makes rings of links. Those that score at or above `strong_from` are strong.
///
/// `links` are of different subjects, at most one for each two (as [`gather`] makes
/// them), fewer than 2³².
pub fn rings(links: &[Link], strong_from: f32) -> Rings {
    // Only subjects with links take part, numbered by rank. (Tables that hash are looked
    // into and never walked through: their order is that of the day.)
    let mut subjects: Vec<u32> = links.iter().flat_map(|link| [link.a, link.b]).collect();
    subjects.sort_unstable();
    subjects.dedup();
    let numbers: HashMap<u32, u32> = subjects.iter().copied().zip(0u32..).collect();
    let mut best_first: Vec<BestFirst> =
        (0u32..).zip(links).map(|(place, link)| (falling(link.score), link.a, link.b, place)).collect();
    best_first.sort_unstable();
    let ends: Vec<(u32, u32)> = best_first.iter().map(|(_, a, b, _)| (numbers[a], numbers[b])).collect();

    let mut groups = Groups::new(subjects.len());
    let strong = best_first.partition_point(|&(.., place)| links[place as usize].score >= strong_from);
    ends[..strong].iter().for_each(|&(a, b)| _ = groups.join(a, b));
    ends[strong..].iter().for_each(|&(a, b)| groups.doubt(a, b));

    // What its links say of a ring comes from the tree of the best that connect its
    // members (Kruskal, all rings at once).
    let mut tree = Groups::new(subjects.len());
    let (mut rings, mut bridges): (Vec<Ring>, _) = (Vec::new(), Vec::new());
    let mut of_group: Vec<Option<u32>> = vec![None; subjects.len()];
    for (&(.., place), &(a, b)) in best_first.iter().zip(&ends) {
        let link = &links[place as usize];
        let group = groups.find(a);
        if group != groups.find(b) {
            bridges.push(Bridge { link: place, ring_a: None, ring_b: None });
            continue;
        }
        let ring = *of_group[group as usize].get_or_insert_with(|| {
            rings.push(Ring::beginning(link.score));
            rings.len() as u32 - 1
        });
        let ring = &mut rings[ring as usize];
        ring.links.push(place);
        ring.weakest_link = link.score;
        if tree.join(a, b) {
            ring.evidence += link.weight;
            ring.holds_to = link.score;
        }
    }
    for (number, &subject) in (0u32..).zip(&subjects) {
        if let Some(ring) = of_group[groups.find(number) as usize] {
            rings[ring as usize].members.push(subject);
        }
    }
    rings.sort_unstable_by(|x, y| {
        let by_worth = y.evidence.total_cmp(&x.evidence).then(y.best_score.total_cmp(&x.best_score));
        by_worth.then_with(|| x.members.cmp(&y.members))
    });
    let mut of: Vec<(u32, u32)> =
        (0u32..).zip(&rings).flat_map(|(i, ring)| ring.members.iter().map(move |&member| (member, i))).collect();
    of.sort_unstable();
    let mut found = Rings { rings, bridges: Vec::new(), of };
    for bridge in &mut bridges {
        let link = &links[bridge.link as usize];
        (bridge.ring_a, bridge.ring_b) = (found.ring_of(link.a), found.ring_of(link.b));
    }
    found.bridges = bridges;
    found
}

impl Ring {
    /// Before its first link, the best.
    fn beginning(best_score: f32) -> Self {
        let (members, links) = (Vec::new(), Vec::new());
        Self { members, links, best_score, weakest_link: best_score, holds_to: best_score, evidence: 0.0 }
    }
}

/// What links are sorted by, and the place of one.
type BestFirst = (u32, u32, u32, u32);

/// A number that falls where the score rises, in the order of `f32::total_cmp`.
fn falling(score: f32) -> u32 {
    let bits = score.to_bits();
    if bits >> 31 == 0 { !bits & (u32::MAX >> 1) } else { bits }
}

/// Which members of a group doubtful links to another group come from: one of them, and
/// whether there are more.
#[derive(Debug, Clone, Copy)]
struct Support {
    from: u32,
    several: bool,
}

impl Support {
    fn with(self, other: Self) -> Self {
        Self { several: self.several || other.several || self.from != other.from, ..self }
    }
}

/// Disjoint groups of numbered members, with what speaks for joining them.
struct Groups {
    parents: Vec<u32>,
    sizes: Vec<u32>,
    /// By group and another group: support from members of the former.
    support: HashMap<(u32, u32), Support>,
    /// By group, the other groups there is support for; those that have become part of
    /// another since are still among them, without support.
    neighbours: Vec<Vec<u32>>,
}

impl Groups {
    fn new(members: usize) -> Self {
        Self {
            parents: (0..members as u32).collect(),
            sizes: vec![1; members],
            support: HashMap::new(),
            neighbours: Vec::new(),
        }
    }

    fn find(&mut self, member: u32) -> u32 {
        let mut at = member;
        while self.parents[at as usize] != at {
            // Halving the path.
            let above = self.parents[self.parents[at as usize] as usize];
            self.parents[at as usize] = above;
            at = above;
        }
        at
    }

    /// Makes two groups one; false where they are. For groups without support.
    fn join(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        if a != b {
            let (into, from) = if self.sizes[a as usize] >= self.sizes[b as usize] { (a, b) } else { (b, a) };
            self.hang(from, into);
        }
        a != b
    }

    fn hang(&mut self, from: u32, into: u32) {
        self.parents[from as usize] = into;
        self.sizes[into as usize] += self.sizes[from as usize];
    }

    /// Takes a doubtful link between two members into account.
    fn doubt(&mut self, a: u32, b: u32) {
        let (group_a, group_b) = (self.find(a), self.find(b));
        if group_a == group_b {
            return;
        }
        self.support(group_a, group_b, Support { from: a, several: false });
        self.support(group_b, group_a, Support { from: b, several: false });
        // Groups that have become one may have enough to join others.
        let mut open = vec![(group_a, group_b)];
        while let Some((one, other)) = open.pop() {
            let (one, other) = (self.find(one), self.find(other));
            if one != other && self.backs(one, other) && self.backs(other, one) {
                self.merge(one, other, &mut open);
            }
        }
    }

    fn support(&mut self, of: u32, to: u32, more: Support) {
        if let Some(known) = self.support.get_mut(&(of, to)) {
            *known = known.with(more);
            return;
        }
        self.support.insert((of, to), more);
        if self.neighbours.is_empty() {
            self.neighbours = vec![Vec::new(); self.parents.len()];
        }
        self.neighbours[of as usize].push(to);
    }

    /// Whether enough members of `one` are linked to `other`.
    fn backs(&self, one: u32, other: u32) -> bool {
        let support = self.support.get(&(one, other));
        support.is_some_and(|support| support.several || self.sizes[one as usize] == 1)
    }

    fn merge(&mut self, one: u32, other: u32, open: &mut Vec<(u32, u32)>) {
        let neighbours = |group: u32| self.neighbours[group as usize].len();
        let (into, from) = if neighbours(one) >= neighbours(other) { (one, other) } else { (other, one) };
        self.support.remove(&(into, from));
        self.support.remove(&(from, into));
        self.hang(from, into);
        for neighbour in std::mem::take(&mut self.neighbours[from as usize]) {
            let Some(support) = self.support.remove(&(from, neighbour)) else { continue };
            self.support(into, neighbour, support);
            if let Some(theirs) = self.support.remove(&(neighbour, from)) {
                self.support(neighbour, into, theirs);
            }
            open.push((into, neighbour));
        }
    }
}
