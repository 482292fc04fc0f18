//! Whose rates a curve gives, what counts the same in them, and where they come from.

use serde::{Deserialize, Serialize};

use super::curve::Reference;

/// The group of a curve that counts everybody in its population.
pub const POOLED: &str = "pooled";

/// Which of a calibration's curves turns scores into rates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CurveChoice {
    /// That of the group with the highest false match rate; the pooled one where a
    /// calibration has no other.
    #[default]
    WorstGroup,
    /// That of the whole population.
    Pooled,
}

/// What counts the same in a rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weighting {
    /// Every comparison.
    #[default]
    Comparisons,
    /// Every pair of people, and in genuine comparisons every person, however many
    /// photos there are of them.
    People,
}

impl Weighting {
    /// Its name in files: `comparisons` or `people`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Comparisons => "comparisons",
            Self::People => "people",
        }
    }
}

/// Where a curve comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CurveBasis {
    /// Comparisons of this type and group, counted.
    #[default]
    Counted,
    /// The group's curve for single frames, its scores multiplied as much as fusing so many
    /// frames does with people of the population: the group has too few people with so
    /// many photos ([`super::worst_group::derived`]).
    Derived,
}

impl CurveBasis {
    /// Its name in files: `counted` or `derived`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Derived => "derived",
        }
    }
}

/// Which curve a rate was read from, as answers say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurveName {
    /// `pooled`, or the group whose curve it is.
    pub group: String,
    /// Whose faces: data set and selection.
    pub population: String,
    /// Whether it was counted or derived.
    pub basis: CurveBasis,
    /// What the probes were compared with.
    #[serde(default)]
    pub reference: Reference,
    /// Frames fused into a probe; 0 in answers of earlier programs, which did not say.
    #[serde(default)]
    pub probe_frames: u32,
}

pub(super) fn pooled() -> String {
    POOLED.to_owned()
}
