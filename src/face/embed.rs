//! The aligned face as numbers.

use super::geometry::{Five, Similarity};
use super::manifest::Family;
use super::runtime::{Network, Source};
use super::sample::{Beyond, Normalise, Scratch, warp};
use super::{FaceError, PackError};
use crate::imaging::RgbImage;

/// Side of an aligned face, in pixels.
const SIDE: usize = 112;
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

/// An embedder of the ArcFace family.
pub(super) struct Embedder {
    network: Network,
    normalise: Normalise,
    mirrored: bool,
    input: Vec<f32>,
}

impl Embedder {
    pub fn load(source: &Source<'_>) -> Result<Self, PackError> {
        let network = Network::load(source)?;
        let spec = source.spec;
        let (dimension, mirrored) = match spec.family {
            Family::ArcFace112 { dimension, mirrored, .. } => (dimension as i64, mirrored),
            _ => return Err(source.unfit(format!("family \"{}\" makes no templates", spec.family.name()))),
        };
        if !matches!(*network.shape(), [1 | -1, 3, 112 | -1, 112 | -1]) {
            return Err(source.unfit(format!("its input has the shape {:?}, not 1x3x112x112", network.shape())));
        }
        if !matches!(network.output_shapes()[0][..], [_, last] if last == dimension || last == -1) {
            let found = &network.output_shapes()[0];
            return Err(source.unfit(format!("its output has the shape {found:?}, pack.toml says 1x{dimension}")));
        }
        Ok(Self { network, normalise: Normalise::new(spec), mirrored, input: vec![0.0; 3 * SIDE * SIDE] })
    }

    /// Lays the face onto the template.
    pub fn align(&mut self, image: &RgbImage, onto_template: &Similarity, scratch: &mut Scratch) {
        warp(image, &onto_template.inverse(), SIDE, Beyond::Black, &self.normalise, scratch, &mut self.input);
    }

    /// The embedding of the face aligned last, as the network gives it.
    pub fn embed(&mut self) -> Result<Vec<f32>, FaceError> {
        let shape = [1, 3, SIDE, SIDE];
        let copy = |outputs: &[&[f32]]| Ok(outputs[0].to_vec());
        let mut embedding = self.network.run(shape, &self.input, copy)?;
        if self.mirrored {
            self.input.chunks_exact_mut(SIDE).for_each(<[f32]>::reverse);
            let other = self.network.run(shape, &self.input, copy)?;
            embedding.iter_mut().zip(other).for_each(|(a, b)| *a = (*a + b) / 2.0);
        }
        Ok(embedding)
    }

    /// Runs the network again on what it saw last, for benchmarks.
    pub fn rerun(&mut self) -> Result<(), FaceError> {
        self.network.run([1, 3, SIDE, SIDE], &self.input, |_| Ok(()))
    }
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
