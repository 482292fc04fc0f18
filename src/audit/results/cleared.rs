//! Pairs of records that an officer cleared: found like the others, and shown apart from them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::audit::ids::StableId;
use crate::audit::measure::PairOutcome;

/// Who cleared a pair, and why. Empty texts are not known.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Clearing {
    /// What the pair was found to be; absent where it was cleared in the gallery, at a counter.
    pub outcome: Option<PairOutcome>,
    /// Pseudonymous id of the officer.
    pub officer: String,
    /// Why, in the officer's words.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub at: Option<u64>,
}

impl fmt::Debug for Clearing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clearing(…)")
    }
}

/// Two records that score at or above the threshold and were cleared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClearedFound {
    /// The record with the lower number.
    pub a: u32,
    /// The record with the higher number.
    pub b: u32,
    /// Best score of the template pairs.
    pub score: f32,
    /// Template pairs found of the two.
    pub pairs: u32,
    /// The pair's stable id.
    pub id: Option<StableId>,
    /// Who cleared it, and why.
    pub clearing: Clearing,
}
