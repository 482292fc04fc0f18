//! What was compared, and at which score.

use serde::{Deserialize, Serialize};

use crate::audit::left_out::LeftOutCount;

/// How the threshold was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdAsked {
    /// As a false match rate, by the pack's calibration.
    Fmr(f64),
    /// As the number of chance pairs one is ready to look at.
    ExpectChance(f64),
    /// As a score.
    Score(f32),
}

/// What was compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// What was audited, as the auditor named it.
    pub source: String,
    /// What it was compared with, where that is another gallery.
    pub against: Option<String>,
    /// The earlier audit whose pairs are left out (only pairs with something new).
    pub since: Option<String>,
    /// Filters in force, one line each.
    pub filters: Vec<String>,
    /// Digest of the recipe of all templates, where known.
    pub recipe: Option<String>,
    /// Scores at or above it are found.
    pub threshold: f32,
    /// How it was asked for.
    pub asked: ThresholdAsked,
    /// Templates compared.
    pub templates: u64,
    /// Their subjects.
    pub subjects: u64,
    /// Pairs of templates of different subjects that were decided, each counted once.
    pub comparisons: u64,
    /// What took no part.
    pub left_out: Vec<LeftOutCount>,
    /// The table that names each row of a list that took no part, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out_list: Option<String>,
    /// Pairs of subjects at or above the threshold that an officer cleared (twins).
    pub cleared: u64,
}
