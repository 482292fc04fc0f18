//! What the pipeline found in one picture.

use serde::Serialize;

use super::quality::{Flaw, Quality};
use super::{FacePrint, Template};
use crate::imaging::{Format, ImageError};

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
    pub detection: f32,
    /// Distance between the eyes' centres, in full-size pixels.
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

/// Why a picture gave no template.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FaceError {
    /// The bytes did not become a picture.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// No face was found, not in quarter turns either.
    #[error("no face was found; take the photo again, from the front and in even light")]
    NoFace,
    /// No face was found, and the picture is burnt out.
    #[error("no face was found, and most of the photo is burnt out; use less light and take it again")]
    TooBright,
    /// No face was found, and the picture is black.
    #[error("no face was found, and most of the photo is black; use more light and take it again")]
    TooDark,
    /// Eyes, nose or mouth lie outside the picture.
    #[error("the face is cut off by the edge of the photo; take it again with the whole face inside")]
    FaceCut,
    /// The face has too few pixels to be compared.
    #[error(
        "the face is too small ({eye_distance:.0} pixels between the eyes, at least {eye_distance_min:.0} needed); move closer"
    )]
    FaceTooSmall {
        /// Distance between the eyes, in pixels.
        eye_distance: f32,
        /// What is needed.
        eye_distance_min: f32,
    },
    /// A network failed or gave numbers that are not finite.
    #[error("the model pack failed on this photo ({0}); check the pack with `chinhchu models verify`")]
    Inference(String),
    /// The caller is gone; the work was dropped.
    #[error("the request was cancelled")]
    Cancelled,
}

impl FaceError {
    /// Whether the picture itself is why: whoever looks at it again, with this model pack,
    /// finds the same. Not so where a network failed, the work was dropped, or a limit that
    /// the operator sets was passed.
    pub fn is_of_the_picture(&self) -> bool {
        match self {
            Self::Image(
                ImageError::TooManyBytes { .. } | ImageError::TooManyPixels { .. } | ImageError::TooMuchMemory { .. },
            )
            | Self::Inference(_)
            | Self::Cancelled => false,
            Self::Image(_)
            | Self::NoFace
            | Self::TooBright
            | Self::TooDark
            | Self::FaceCut
            | Self::FaceTooSmall { .. } => true,
        }
    }
}
