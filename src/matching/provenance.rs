//! Provenance of a calibration curve: group of people, weighting, counted or derived, and the name
//! that answers give it.

use serde::{Deserialize, Serialize};

use super::curve::Reference;

/// Group name of curves over the whole population.
pub const POOLED: &str = "pooled";

/// Which of a calibration's curves turns scores into rates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CurveChoice {
    /// The curve of the group with the highest false match rate; the pooled one if the calibration
    /// has no other.
    #[default]
    WorstGroup,
    /// The curve of the whole population.
    Pooled,
}

/// The unit that has equal weight in a rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weighting {
    /// Every comparison.
    #[default]
    Comparisons,
    /// Every pair of people, and in genuine comparisons every person, however many photos they
    /// have.
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
    /// Counted over comparisons of this type and group.
    #[default]
    Counted,
    /// Derived from the group's curve for single frames, with scores multiplied by the factor that
    /// fusing has in the whole population, because the group has too few people with enough photos
    /// ([`super::worst_group::derived`]).
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

/// Identifies in answers the curve that a rate was read from.
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
    /// Frames fused into a probe; 0 in answers stored by earlier versions, which did not record it.
    #[serde(default)]
    pub probe_frames: u32,
}

pub(super) fn pooled() -> String {
    POOLED.to_owned()
}
