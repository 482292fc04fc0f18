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

use std::collections::BTreeMap;

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
    // Only subjects with links take part, numbered by rank.
    let mut subjects: Vec<u32> = links.iter().flat_map(|link| [link.a, link.b]).collect();
    subjects.sort_unstable();
    subjects.dedup();
    let number = |subject: u32| subjects.partition_point(|s| *s < subject) as u32;

    let mut best_first: Vec<u32> = (0..links.len() as u32).collect();
    best_first.sort_unstable_by(|&x, &y| {
        let (x, y) = (&links[x as usize], &links[y as usize]);
        y.score.total_cmp(&x.score).then((x.a, x.b).cmp(&(y.a, y.b)))
    });
    let mut groups = Groups::new(subjects.len());
    let doubtful = best_first.partition_point(|&link| links[link as usize].score >= strong_from);
    for &link in &best_first[..doubtful] {
        let Link { a, b, .. } = links[link as usize];
        groups.join(number(a), number(b));
    }
    for &link in &best_first[doubtful..] {
        let Link { a, b, .. } = links[link as usize];
        groups.doubt(number(a), number(b));
    }

    let mut members: BTreeMap<u32, Ring> = BTreeMap::new();
    let mut bridges = Vec::new();
    for &place in &best_first {
        let link = &links[place as usize];
        let (a, b) = (groups.find(number(link.a)), groups.find(number(link.b)));
        if a == b {
            members.entry(a).or_insert_with(Ring::empty).links.push(place);
        } else {
            bridges.push(Bridge { link: place, ring_a: None, ring_b: None });
        }
    }
    for (rank, &subject) in subjects.iter().enumerate() {
        if let Some(ring) = members.get_mut(&groups.find(rank as u32)) {
            ring.members.push(subject);
        }
    }
    let mut rings: Vec<Ring> = members.into_values().collect();
    rings.iter_mut().for_each(|ring| ring.weigh(links));
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
    fn empty() -> Self {
        let (members, links) = (Vec::new(), Vec::new());
        Self { members, links, best_score: 0.0, weakest_link: 0.0, holds_to: 0.0, evidence: 0.0 }
    }

    /// What its links say, which lie there the best first: the tree of the best links
    /// that connect all members (Kruskal).
    fn weigh(&mut self, all: &[Link]) {
        let number = |subject: u32| self.members.partition_point(|m| *m < subject) as u32;
        let mut tree = Groups::new(self.members.len());
        let mut left = self.members.len().saturating_sub(1);
        for link in self.links.iter().map(|&place| &all[place as usize]) {
            if left == 0 {
                break;
            }
            if tree.join(number(link.a), number(link.b)) {
                self.evidence += link.weight;
                self.holds_to = link.score;
                left -= 1;
            }
        }
        let score = |place: Option<&u32>| place.map_or(0.0, |&place| all[place as usize].score);
        (self.best_score, self.weakest_link) = (score(self.links.first()), score(self.links.last()));
    }
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
    /// By group, then by the other group: support from members of the former.
    support: BTreeMap<u32, BTreeMap<u32, Support>>,
}

impl Groups {
    fn new(members: usize) -> Self {
        Self { parents: (0..members as u32).collect(), sizes: vec![1; members], support: BTreeMap::new() }
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
        let known = self.support.entry(of).or_default();
        known.entry(to).and_modify(|known| *known = known.with(more)).or_insert(more);
    }

    /// Whether enough members of `one` are linked to `other`.
    fn backs(&self, one: u32, other: u32) -> bool {
        let support = self.support.get(&one).and_then(|to| to.get(&other));
        support.is_some_and(|support| support.several || self.sizes[one as usize] == 1)
    }

    fn merge(&mut self, one: u32, other: u32, open: &mut Vec<(u32, u32)>) {
        let neighbours = |group: u32| self.support.get(&group).map_or(0, BTreeMap::len);
        let (into, from) = if neighbours(one) >= neighbours(other) { (one, other) } else { (other, one) };
        let moved = self.support.remove(&from).unwrap_or_default();
        if let Some(own) = self.support.get_mut(&into) {
            own.remove(&from);
        }
        self.hang(from, into);
        for (neighbour, support) in moved.into_iter().filter(|(neighbour, _)| *neighbour != into) {
            self.support(into, neighbour, support);
            if let Some(theirs) = self.support.get_mut(&neighbour).and_then(|of| of.remove(&from)) {
                self.support(neighbour, into, theirs);
            }
            open.push((into, neighbour));
        }
    }
}

#[cfg(test)]
#[path = "rings_tests.rs"]
mod tests;
