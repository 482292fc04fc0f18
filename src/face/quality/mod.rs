//! Face image quality after ISO/IEC 29794-5: measures, overall values and flaws of a capture.
//!
//! ```text
//! aligned crop ─ light ─┐
//! points, box, norm ────┴─ signals, view ── QualityModel ─ Quality ─ Profile::judge ─ flaws
//! ```
//!
//! Measures follow the components of ISO/IEC 29794-5:2025 where it has them;
//! [`Measure::component`] says which. Two overall values stand beside them, each a
//! prediction of the comparison score against another photo of the same person:
//! *capture* without the embedder, *utility* with the length of the embedding.

mod cells;
mod flaw;
mod light;
mod measure;
mod model;
mod profile;
mod signals;
mod study;
mod view;

pub use cells::CellTable;
pub use flaw::Flaw;
pub use measure::{Measure, Quality};
pub use model::{Form, QualityError, QualityModel, Term};
pub use profile::{Profile, ProfileError, Range};
pub use study::Study;
pub use view::{HiddenUnit, Standard, ViewClass, ViewClassifier};

pub(super) use light::{Crop, Light, blockiness};
pub(super) use signals::DetectedFace;

use super::geometry::{Point, distance};
use super::landmarks::POINTS;
use signals::Signals;

/// Everything measured of a face beside its [`DetectedFace`].
pub(super) struct FaceMeasurements<'a> {
    /// Measurements on its pixels.
    pub light: &'a Light,
    /// Quality of a JPEG by its tables, 1…100; `None` for other formats.
    pub jpeg_quality: Option<f32>,
    /// Blockiness; `None` unless the picture was decoded at full size.
    pub blockiness: Option<f32>,
    /// Side of the largest other face over this one's.
    pub other_face: f32,
}

/// Computes the quality of a capture.
pub(super) fn assess(model: &QualityModel, seen: &DetectedFace, measured: &FaceMeasurements) -> Quality {
    let signals = Signals::new(seen, measured.light, &model.cells);
    let nan = |value: Option<f32>| value.unwrap_or(f32::NAN);
    let percent = |score: f32| (100.0 * score).clamp(0.0, 100.0);
    let (eyes_open, mouth_open) = seen.points.all.as_ref().map_or((f32::NAN, f32::NAN), openings);
    let light = measured.light;
    let chances = model.view.chances(&signals, light);
    let chance = |class: ViewClass| chances.map_or(f32::NAN, |chances| chances[class as usize]);
    Quality::new(
        model.capture.value(&signals).map_or(0.0, percent),
        seen.norm.and_then(|_| model.utility.value(&signals)).map(percent),
        [
            (Measure::EyeDistance, seen.eye_distance),
            (Measure::Yaw, nan(model.yaw.value(&signals))),
            (Measure::Pitch, nan(model.pitch.value(&signals))),
            (Measure::Roll, -seen.fit.b.atan2(seen.fit.a).to_degrees()),
            (Measure::Turned, chance(ViewClass::Turned)),
            (Measure::Sharpness, light.sharpness),
            (Measure::Bright, light.upper_quartile),
            (Measure::Burnt, light.burnt),
            (Measure::Glare, light.glare),
            (Measure::Evenness, light.evenness),
            (Measure::Contrast, light.contrast),
            (Measure::EyesOpen, eyes_open),
            (Measure::MouthOpen, mouth_open),
            (Measure::Occluded, chance(ViewClass::Covered)),
            (Measure::Inside, seen.inside),
            (Measure::JpegQuality, nan(measured.jpeg_quality)),
            (Measure::Blockiness, nan(measured.blockiness)),
            (Measure::OtherFace, measured.other_face),
        ],
    )
}

/// The eye aspect ratio (Soukupova and Cech, 2016), mean of both eyes; and the height
/// of the mouth's opening over the distance between the eyes.
fn openings(points: &[Point; POINTS]) -> (f32, f32) {
    let apart = |a: usize, b: usize| distance(points[a], points[b]);
    let eye = |at: usize| (apart(at + 1, at + 5) + apart(at + 2, at + 4)) / (2.0 * apart(at, at + 3)).max(1e-3);
    let middle = |a: usize, b: usize| [(points[a][0] + points[b][0]) / 2.0, (points[a][1] + points[b][1]) / 2.0];
    let eyes = distance(middle(36, 39), middle(42, 45)).max(1e-3);
    let mouth = (apart(61, 67) + apart(62, 66) + apart(63, 65)) / 3.0;
    ((eye(36) + eye(42)) / 2.0, mouth / eyes)
}
