//! Disjoint groups of members that links join.

use std::collections::HashMap;

use super::RecordLink;

/// Subjects that have links, numbered by rank.
pub struct LinkedSubjects {
    /// Ascending.
    pub subjects: Vec<u32>,
}

impl LinkedSubjects {
    pub fn of(links: &[RecordLink]) -> Self {
        let mut subjects: Vec<u32> = links.iter().flat_map(|link| [link.a, link.b]).collect();
        subjects.sort_unstable();
        subjects.dedup();
        Self { subjects }
    }

    /// The numbers of the two of each link.
    pub fn ends(&self, links: &[RecordLink]) -> Vec<(u32, u32)> {
        // A table that hashes is looked into and never walked through: its order is that of
        // the day.
        let numbers: HashMap<u32, u32> = self.subjects.iter().copied().zip(0u32..).collect();
        links.iter().map(|link| (numbers[&link.a], numbers[&link.b])).collect()
    }
}

/// The places of links, those first that chance is least likely to give.
pub fn surest_first(links: &[RecordLink]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..links.len() as u32).collect();
    order.sort_unstable_by(|&x, &y| {
        let (x, y) = (&links[x as usize], &links[y as usize]);
        let by_share = x.evidence.chance_share.total_cmp(&y.evidence.chance_share);
        let by_chance = by_share.then(x.evidence.chance.total_cmp(&y.evidence.chance));
        by_chance.then(y.score.total_cmp(&x.score)).then((x.a, x.b).cmp(&(y.a, y.b)))
    });
    order
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
#[derive(Clone)]
pub struct LinkGroups {
    parents: Vec<u32>,
    sizes: Vec<u32>,
    /// By group and another group: support from members of the former.
    support: HashMap<(u32, u32), Support>,
    /// By group, the other groups there is support for; those that have become part of
    /// another since are still among them, without support.
    neighbours: Vec<Vec<u32>>,
}

impl LinkGroups {
    pub fn new(members: usize) -> Self {
        Self {
            parents: (0..members as u32).collect(),
            sizes: vec![1; members],
            support: HashMap::new(),
            neighbours: Vec::new(),
        }
    }

    /// Members.
    pub fn len(&self) -> usize {
        self.parents.len()
    }

    pub fn find(&mut self, member: u32) -> u32 {
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
    pub fn join(&mut self, a: u32, b: u32) -> bool {
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
    pub fn doubt(&mut self, a: u32, b: u32) {
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
