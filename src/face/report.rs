//! What the pipeline found in one picture.

use serde::Serialize;

use super::print::FacePrint;
use super::quality::{Flaw, Quality};
use super::template::Template;
use crate::imaging::Format;

/// A rectangle in pixels of the upright full-size picture; may reach past its
/// edges where the face is cut.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rect {
    /// Left edge.
    pub left: f32,
    /// Top edge.
    pub top: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

/// Head pose in degrees. Zero is straight into the camera.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pose {
    /// Turn to the side.
    pub yaw: f32,
    /// Nod.
    pub pitch: f32,
    /// Tilt in the picture plane.
    pub roll: f32,
}

/// What was seen in one picture. Holds nothing that identifies the person.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaceReport {
    /// Format of the bytes.
    #[serde(serialize_with = "lower")]
    pub format: Format,
    /// Width of the upright full-size picture, in pixels.
    pub width: u32,
    /// Height of the upright full-size picture, in pixels.
    pub height: u32,
    /// The face used.
    pub face: Rect,
    /// The detector's confidence in it, 0…1.
    #[serde(skip_serializing_if = "is_kept_back")]
    pub detection: f32,
    /// Distance between the eyes' centres, in full-size pixels.
    #[serde(skip_serializing_if = "is_kept_back")]
    pub eye_distance: f32,
    /// Quarter turns clockwise by which the picture had to be turned for a face
    /// to be found: 0…3.
    pub quarter_turns: u8,
    /// Faces found.
    pub faces: u32,
    /// True where another face is of comparable size: the operator should see to
    /// it that one person stands before the camera.
    pub second_face: bool,
    /// True where the face reaches past the picture's edge.
    pub cut: bool,
    /// Length of the embedding before normalisation; `None` where the face was not
    /// embedded.
    pub norm: Option<f32>,
    /// Head pose, where asked for and the pack has the network.
    pub pose: Option<Pose>,
    /// Liveness score 0…1, 1 is live, where asked for and the pack has the network.
    pub liveness: Option<f32>,
    /// Whether that score reaches the threshold in force; `None` where it was not
    /// judged.
    pub live: Option<bool>,
    /// How good the capture is, where asked for and the pack has a model of it.
    pub quality: Option<Quality>,
    /// What the profile in force finds wrong with it, the gravest first; empty where
    /// it was not judged.
    pub flaws: Vec<Flaw>,
}

/// A measure that a server keeps from its caller: neither is 0 of a face that was found.
fn is_kept_back(measure: &f32) -> bool {
    *measure == 0.0
}

fn lower<S: serde::Serializer>(format: &Format, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{format:?}").to_lowercase())
}

/// What to look at beyond the template.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wants {
    /// Measure quality; the pose in it comes from the alignment points.
    pub quality: bool,
    /// Run the pose network.
    pub pose: bool,
    /// Run the liveness network.
    pub liveness: bool,
}

/// One picture, understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// The face as numbers.
    pub template: Template,
    /// What was seen.
    pub report: FaceReport,
    /// What a copy of the picture is known by.
    pub print: FacePrint,
}
