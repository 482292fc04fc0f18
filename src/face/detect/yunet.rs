//! YuNet (Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", 2023):
//! one prediction per cell of three grids, no anchors, five points.

use super::{Detection, Region};
use crate::face::FaceError;

/// Pixels per cell of the three grids.
const STRIDES: [usize; 3] = [8, 16, 32];
/// Last dimension of each output: class, objectness, box and points per stride.
pub(super) const COLUMNS: [i64; 12] = [1, 1, 1, 1, 1, 1, 4, 4, 4, 10, 10, 10];
/// Boxes below this confidence are no faces.
const CONFIDENCE_MIN: f32 = 0.7;

/// `cls`, `obj`, `bbox` and `kps` at strides 8, 16, 32 to boxes on the canvas.
pub(super) fn decode(outputs: &[&[f32]], width: usize, height: usize) -> Result<Vec<Detection>, FaceError> {
    if outputs.len() != COLUMNS.len() {
        return Err(FaceError::Inference("the detector has not twelve outputs".into()));
    }
    let mut found = Vec::new();
    for (level, &stride) in STRIDES.iter().enumerate() {
        let columns = width / stride;
        let [classes, objects, boxes, points] = [0, 3, 6, 9].map(|kind| outputs[kind + level]);
        let (boxes, points) = (boxes.as_chunks::<4>().0, points.as_chunks::<10>().0);
        let cells = columns * (height / stride);
        if [classes.len(), objects.len(), boxes.len(), points.len()] != [cells; 4] {
            return Err(FaceError::Inference(format!("the detector's grid at stride {stride} is not {cells} cells")));
        }
        for cell in 0..cells {
            let confidence = (classes[cell].clamp(0.0, 1.0) * objects[cell].clamp(0.0, 1.0)).sqrt();
            // Also false for NaN.
            if confidence >= CONFIDENCE_MIN {
                let corner = [(cell % columns) as f32, (cell / columns) as f32];
                found.push(one(confidence, corner, stride as f32, &boxes[cell], &points[cell]));
            }
        }
    }
    Ok(found)
}

/// Offsets are in cells, from the cell's corner; sides are logarithms of cells.
fn one(confidence: f32, corner: [f32; 2], stride: f32, shape: &[f32; 4], points: &[f32; 10]) -> Detection {
    let [x, y] = [0, 1].map(|i| (corner[i] + shape[i]) * stride);
    let [width, height] = [2, 3].map(|i| shape[i].exp() * stride);
    let point = |i: usize| [0, 1].map(|axis| (points[2 * i + axis] + corner[axis]) * stride);
    Detection {
        region: Region { left: x - width / 2.0, top: y - height / 2.0, width, height },
        confidence,
        points: Some([0, 1, 2, 3, 4].map(point)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_becomes_a_box_around_its_own_corner() {
        // A canvas of 64x32: grids of 8x4, 4x2 and 2x1 cells; a face in cell (3, 1) at stride 16.
        let sizes = [32, 8, 2];
        let mut outputs: Vec<Vec<f32>> =
            COLUMNS.iter().enumerate().map(|(i, &c)| vec![0.0; sizes[i % 3] * c as usize]).collect();
        let cell = 7;
        outputs[1][cell] = 0.81;
        outputs[4][cell] = 1.0;
        outputs[7][cell * 4..][..4].copy_from_slice(&[0.5, 0.25, 2f32.ln(), 1f32.ln()]);
        outputs[10][cell * 10] = -1.0;
        let views: Vec<&[f32]> = outputs.iter().map(Vec::as_slice).collect();
        let found = decode(&views, 64, 32).unwrap();
        assert_eq!(found.len(), 1);
        let Detection { region, confidence, points } = found[0];
        assert!((confidence - 0.9).abs() < 1e-6);
        assert!((region.left - 40.0).abs() < 1e-3 && (region.top - 12.0).abs() < 1e-3, "{region:?}");
        assert!((region.width - 32.0).abs() < 1e-3 && (region.height - 16.0).abs() < 1e-3);
        assert_eq!(points.unwrap()[0], [32.0, 16.0]);
        assert_eq!(points.unwrap()[1], [48.0, 16.0]);
        assert!(decode(&views, 96, 32).is_err(), "a grid of another size is an error, not a panic");
    }
}
