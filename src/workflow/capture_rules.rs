//! What is asked of captures, and what their flaws advise.

use serde::Deserialize;

use crate::face::quality::{Flaw, Profile};

/// A liveness network's score from which on a face counts as live, where nothing
/// else is configured.
pub const LIVENESS_MIN: f32 = 0.5;

/// How much a check weighs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Not run.
    Off,
    /// Run and reported.
    #[default]
    Advisory,
    /// Run, and a capture that does not pass is refused.
    Required,
}

/// What is asked of captures. Beneficiary decisions have policies of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct CaptureRules {
    /// Weight of quality in Verify and Identify.
    pub quality: Level,
    /// Weight of liveness in Verify and Identify, and of the frames' consistency.
    pub liveness: Level,
    /// Score from which on a face counts as live, 0…1.
    pub liveness_min: f32,
    /// What is asked of a picture taken now.
    pub live: Profile,
    /// What is asked of the photo in a chip, and of any other that is what it is.
    pub chip: Profile,
}

impl Default for CaptureRules {
    fn default() -> Self {
        Self {
            quality: Level::Advisory,
            liveness: Level::Advisory,
            liveness_min: LIVENESS_MIN,
            live: Profile::live(),
            chip: Profile::chip(),
        }
    }
}

/// Which profile a picture is judged by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// Taken now.
    #[default]
    Live,
    /// From a chip or an archive.
    Chip,
}

/// What the flaws advise, the gravest first.
pub(super) fn advice(flaws: &[Flaw]) -> String {
    flaws.iter().map(|flaw| flaw.en()).collect::<Vec<_>>().join(" ")
}
