//! What is meant by an id, a number or a name that somebody typed.

use super::{ClearedFound, LinkFound, Results};
use crate::audit::ids::{StableId, TypedId};

/// A pair of records of the audit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PairNamed<'a> {
    /// Found, and not cleared when the audit ended.
    Link(&'a LinkFound),
    /// Cleared when the audit ended.
    Cleared(&'a ClearedFound),
}

impl PairNamed<'_> {
    /// The numbers of its records.
    pub fn records(&self) -> [u32; 2] {
        match self {
            Self::Link(link) => [link.a, link.b],
            Self::Cleared(cleared) => [cleared.a, cleared.b],
        }
    }

    /// Best score of the two records.
    pub fn score(&self) -> f32 {
        match self {
            Self::Link(link) => link.score,
            Self::Cleared(cleared) => cleared.score,
        }
    }

    /// Its stable id; absent in folders of earlier programs.
    pub fn id(&self) -> Option<StableId> {
        match self {
            Self::Link(link) => link.id,
            Self::Cleared(cleared) => cleared.id,
        }
    }
}

impl Results {
    /// All pairs of records, those that are cleared behind the others.
    pub fn all_pairs(&self) -> impl Iterator<Item = PairNamed<'_>> {
        self.links.iter().map(PairNamed::Link).chain(self.cleared.iter().map(PairNamed::Cleared))
    }

    /// Pairs whose id begins as typed.
    pub fn pairs_named(&self, typed: &TypedId) -> Vec<PairNamed<'_>> {
        self.all_pairs().filter(|pair| pair.id().is_some_and(|id| typed.names(&id))).collect()
    }

    /// The pair of two records, by their ids in either order.
    pub fn pair_of_records(&self, one: &str, other: &str) -> Option<PairNamed<'_>> {
        self.all_pairs().find(|pair| {
            let [a, b] = pair.records().map(|record| self.records[record as usize].id.as_str());
            (a, b) == (one, other) || (b, a) == (one, other)
        })
    }

    /// The places of rings whose id begins as typed.
    pub fn rings_named(&self, typed: &TypedId) -> Vec<u32> {
        let is = |id: &Option<StableId>| id.is_some_and(|id| typed.names(&id));
        (0u32..).zip(&self.rings).filter(|(_, ring)| is(&ring.id)).map(|(place, _)| place).collect()
    }

    /// The number of the record of this id, where a pair names it.
    pub fn record_named(&self, id: &str) -> Option<u32> {
        self.records.iter().position(|record| record.id == id).and_then(|at| u32::try_from(at).ok())
    }
}
