//! The aligned face: its size, and where eyes, nose and mouth corners lie in it.

use super::geometry::{Five, Similarity};

/// Side of an aligned face, in pixels.
pub(super) const SIDE: usize = 112;
/// Where ArcFace's embedders expect eyes, nose and mouth corners (InsightFace).
const TEMPLATE: Five =
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]];
/// Distance between the eyes of an aligned face, in pixels.
pub(super) const ALIGNED_EYE_DISTANCE: f32 = 35.237_74;

/// The similarity that lays a face onto the template. `None` where the points
/// coincide.
pub(super) fn onto_template(points: &Five) -> Option<Similarity> {
    Similarity::fit(points, &TEMPLATE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::geometry::distance;

    #[test]
    fn the_eye_distance_is_the_templates() {
        assert!((distance(TEMPLATE[0], TEMPLATE[1]) - ALIGNED_EYE_DISTANCE).abs() < 1e-3);
    }
}
