//! Who belongs together? Rings of linked records.
//!
//! # What makes a ring
//! How sure a link is says its [`LinkEvidence`](super::LinkEvidence): *strong* where chance hardly gives one like
//! it in this gallery, *doubtful* where it gives up to half of them, else *likely chance*.
//!
//! - Strong links always join, whatever the shape: in A–B–C the middle record may have
//!   two captures, each of them like one neighbour.
//! - A doubtful link joins two records that stand alone.
//! - To join a group of several members, doubtful links must come from at least two
//!   of its members. So one look-alike between two tight groups does not make them one
//!   ring, nor does one record that resembles a whole group of another person's; and a
//!   line of doubtful links does not grow from record to record, as it would through
//!   half a gallery where the score asked for is low.
//! - A link that is likely chance joins two records that have no other link. It supports
//!   nothing: one person's records look like another's together, so several such links
//!   say hardly more than one.
//!
//! Nothing is lost: links that were not followed are [`Bridge`]s.
//!
//! # Which ring comes first
//! A ring is as sure as the link it hangs on: the weakest of those that it cannot do
//! without, which are the best that connect its members ([`Ring::evidence`]). So members
//! never raise it, and two sure rings that a doubtful link has made one lie below every
//! ring that strong links hold, and say which link that is ([`Ring::hangs_on`]). Of rings
//! as sure, the one with the most evidence in all comes first ([`Ring::evidence_total`]).
//!
//! The outcome does not depend on the order of the links, nor on anything but them.
//! Time is that of sorting them; groups that meet are merged smaller into larger.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::links::{Grade, LinkGroups, LinkedSubjects, RecordLink, surest_first};

/// Linked subjects.
#[derive(Debug, Clone, PartialEq)]
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
    /// Weight of the link it hangs on: how many powers of ten chance is unlikely by to
    /// have made it one. It never rises with the number of members.
    pub evidence: f64,
    /// Sum of the weights of the best links that hold the ring together: each member
    /// counts once, by its best connection, however many links it has besides.
    pub evidence_total: f64,
    /// The link it hangs on, by its place in the list given, where that is not strong:
    /// without it the ring would be several.
    pub hangs_on: Option<u32>,
    /// Members by part, ascending, the part of the lowest first: those that strong links
    /// alone hold together. One part where they hold all of them.
    pub parts: Vec<Vec<u32>>,
}

/// A link that was not followed: doubtful, or likely chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bridge {
    /// Its place in the list of links.
    pub link: u32,
    /// The ring of its first subject, if it is in one.
    pub ring_a: Option<u32>,
    /// The ring of its second subject, if it is in one.
    pub ring_b: Option<u32>,
}

/// Rings, the surest first, and what was left between them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rings {
    /// By evidence, then by evidence in all, then by best score, all falling.
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

/// Makes rings of links.
///
/// `links` are of different subjects, at most one for each two (as [`gather`](super::gather)
/// makes them), fewer than 2³², with their evidence.
pub fn rings(links: &[RecordLink]) -> Rings {
    // Only subjects with links take part.
    let numbers = LinkedSubjects::of(links);
    let (subjects, ends) = (&numbers.subjects, numbers.ends(links));
    let surest_first = surest_first(links);
    let of_grade = |grade: Grade| {
        let is = move |place: &&u32| links[**place as usize].evidence.grade() == grade;
        surest_first.iter().filter(is).map(|&place| ends[place as usize])
    };

    let mut groups = LinkGroups::new(subjects.len());
    of_grade(Grade::Strong).for_each(|(a, b)| _ = groups.join(a, b));
    let mut strong = groups.clone();
    of_grade(Grade::Doubtful).for_each(|(a, b)| groups.doubt(a, b));
    let mut degrees = vec![0u32; subjects.len()];
    ends.iter().flat_map(|&(a, b)| [a, b]).for_each(|end| degrees[end as usize] += 1);
    for (a, b) in of_grade(Grade::LikelyChance) {
        if degrees[a as usize] == 1 && degrees[b as usize] == 1 {
            groups.join(a, b);
        }
    }

    let (mut rings, of_group, bridges) = told(links, &ends, &mut groups);
    // The best links that connect the members (Kruskal, all rings at once).
    let mut tree = LinkGroups::new(subjects.len());
    for &place in &surest_first {
        let (a, b) = ends[place as usize];
        let Some(ring) = of_group[groups.find(a) as usize].filter(|_| groups.find(a) == groups.find(b)) else {
            continue;
        };
        if tree.join(a, b) {
            let (ring, evidence) = (&mut rings[ring as usize], links[place as usize].evidence);
            ring.evidence = evidence.weight();
            ring.evidence_total += evidence.weight();
            ring.hangs_on = (evidence.grade() != Grade::Strong).then_some(place);
        }
    }
    let mut part_of: HashMap<u32, usize> = HashMap::new();
    for (number, &subject) in (0u32..).zip(subjects) {
        if let Some(ring) = of_group[groups.find(number) as usize] {
            let ring = &mut rings[ring as usize];
            ring.members.push(subject);
            let part = *part_of.entry(strong.find(number)).or_insert_with(|| {
                ring.parts.push(Vec::new());
                ring.parts.len() - 1
            });
            ring.parts[part].push(subject);
        }
    }
    ranked(links, rings, bridges)
}

/// Rings with their links and what scores say of them, the ring of every group, and the
/// links outside of any.
fn told(
    links: &[RecordLink],
    ends: &[(u32, u32)],
    groups: &mut LinkGroups,
) -> (Vec<Ring>, Vec<Option<u32>>, Vec<Bridge>) {
    let mut best_first: Vec<BestFirst> =
        (0u32..).zip(links).map(|(place, link)| (falling(link.score), link.a, link.b, place)).collect();
    best_first.sort_unstable();
    let mut tree = LinkGroups::new(groups.len());
    let (mut rings, mut bridges): (Vec<Ring>, _) = (Vec::new(), Vec::new());
    let mut of_group: Vec<Option<u32>> = vec![None; groups.len()];
    for (.., place) in best_first {
        let (link, (a, b)) = (&links[place as usize], ends[place as usize]);
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
            ring.holds_to = link.score;
        }
    }
    (rings, of_group, bridges)
}

/// The surest ring first, and where bridges lead to.
fn ranked(links: &[RecordLink], mut rings: Vec<Ring>, mut bridges: Vec<Bridge>) -> Rings {
    rings.sort_unstable_by(|x, y| {
        let by_evidence = y.evidence.total_cmp(&x.evidence).then(y.evidence_total.total_cmp(&x.evidence_total));
        by_evidence.then(y.best_score.total_cmp(&x.best_score)).then_with(|| x.members.cmp(&y.members))
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
        Self {
            members: Vec::new(),
            links: Vec::new(),
            best_score,
            weakest_link: best_score,
            holds_to: best_score,
            evidence: 0.0,
            evidence_total: 0.0,
            hangs_on: None,
            parts: Vec::new(),
        }
    }
}

/// What links are sorted by, and the place of one.
type BestFirst = (u32, u32, u32, u32);

/// A number that falls where the score rises, in the order of `f32::total_cmp`.
fn falling(score: f32) -> u32 {
    let bits = score.to_bits();
    if bits >> 31 == 0 { !bits & (u32::MAX >> 1) } else { bits }
}
