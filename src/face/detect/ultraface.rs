//! UltraFace ("Ultra-Light-Fast-Generic-Face-Detector-1MB"): scores and boxes
//! that the network has decoded already.

use super::{Detection, Region};
use crate::face::FaceError;

/// Last dimension of each output.
pub(super) const COLUMNS: [i64; 2] = [2, 4];
/// Boxes below this confidence are no faces.
pub(super) const CONFIDENCE_MIN: f32 = 0.7;

/// `scores` Nx2 (background, face) and `boxes` Nx4 (left, top, right, bottom,
/// 0…1 of the canvas) to boxes on the canvas.
pub(super) fn decode(outputs: &[&[f32]], width: f32, height: f32) -> Result<Vec<Detection>, FaceError> {
    let [scores, boxes] = outputs else {
        return Err(FaceError::Inference("the detector has not two outputs".into()));
    };
    let (scores, boxes) = (scores.as_chunks::<2>().0, boxes.as_chunks::<4>().0);
    let found = scores.iter().zip(boxes).filter(|([_, face], _)| *face >= CONFIDENCE_MIN);
    Ok(found
        .map(|(&[_, confidence], &[left, top, right, bottom])| Detection {
            region: Region {
                left: left * width,
                top: top * height,
                width: (right - left) * width,
                height: (bottom - top) * height,
            },
            confidence,
            points: None,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_scaled_to_the_canvas_and_unsure_ones_dropped() {
        let scores = [0.1, 0.9, 0.6, 0.4];
        let boxes = [0.25, 0.5, 0.75, 1.0, 0.0, 0.0, 1.0, 1.0];
        let found = decode(&[&scores, &boxes], 320.0, 240.0).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].region, Region { left: 80.0, top: 120.0, width: 160.0, height: 120.0 });
        assert!(decode(&[&scores], 320.0, 240.0).is_err());
    }
}
