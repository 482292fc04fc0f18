//! Eyes, nose and mouth: 68 points in the face's box, and the five of them that
//! align it.

use ort::environment::Environment;

use super::geometry::{Five, Point, Region};
use super::manifest::NetworkSpec;
use super::runtime::{Effort, Network};
use super::sample::{Normalise, Place, Scratch, resize};
use super::{FaceError, PackError};
use crate::imaging::RgbImage;

/// Points of the iBUG 68 scheme whose means are the five: both eyelids of each
/// eye without its corners, the nose's tip, outer and inner corner of the mouth.
const FIVE_OF_68: [&[usize]; 5] = [&[37, 38, 40, 41], &[43, 44, 46, 47], &[30], &[48, 60], &[54, 64]];
/// Values the network gives.
const VALUES: usize = 136;

/// PFLD (Guo et al., 2019) with 68 points.
pub(super) struct Landmarks {
    network: Network,
    side: usize,
    normalise: Normalise,
    input: Vec<f32>,
}

impl Landmarks {
    pub fn load(
        environment: &Environment,
        spec: &NetworkSpec,
        bytes: &[u8],
        effort: Effort,
    ) -> Result<Self, PackError> {
        let network = Network::load(environment, spec, bytes, effort)?;
        let unfit = |detail: String| PackError::Network { role: spec.role, file: spec.file.clone(), detail };
        let side = match *network.shape() {
            [1 | -1, 1, height @ 16..=1024, width] if height == width => width as usize,
            ref other => return Err(unfit(format!("its input has the shape {other:?}, not 1x1xNxN"))),
        };
        if !matches!(network.output_shapes()[0][..], [_, last] if last == VALUES as i64 || last == -1) {
            let found = &network.output_shapes()[0];
            return Err(unfit(format!("its output has the shape {found:?}, not 1x{VALUES}")));
        }
        Ok(Self { network, side, normalise: Normalise::new(spec), input: vec![0.0; side * side] })
    }

    /// The five points of the face in `region`, which is squeezed into the
    /// network's square as it is.
    pub fn find(&mut self, image: &RgbImage, region: &Region, scratch: &mut Scratch) -> Result<Five, FaceError> {
        let place = Place::whole(self.side, self.side);
        resize(image, region, place, &self.normalise, scratch, &mut self.input);
        let points = self.network.run(self.shape(), &self.input, |outputs| five_of(outputs[0]))?;
        Ok(points.map(|[x, y]| [region.left + x * region.width, region.top + y * region.height]))
    }

    fn shape(&self) -> [usize; 4] {
        [1, 1, self.side, self.side]
    }

    /// Runs the network again on what it saw last, for benchmarks.
    pub fn rerun(&mut self) -> Result<(), FaceError> {
        self.network.run(self.shape(), &self.input, |_| Ok(()))
    }
}

fn five_of(values: &[f32]) -> Result<Five, FaceError> {
    let points = values.as_chunks::<2>().0;
    // Within a few boxes' reach: anything else is a broken network.
    if values.len() != VALUES || !values.iter().all(|v| v.abs() < 8.0) {
        return Err(FaceError::Inference("the landmark network gave no points".into()));
    }
    Ok(FIVE_OF_68.map(|indices| -> Point {
        [0, 1].map(|axis| indices.iter().map(|&i| points[i][axis]).sum::<f32>() / indices.len() as f32)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_are_means_of_the_right_points() {
        let values: Vec<f32> = (0..VALUES).map(|i| (i / 2) as f32 / 100.0 + (i % 2) as f32).collect();
        let five = five_of(&values).unwrap();
        for (point, expected) in five.iter().zip([0.39, 0.45, 0.30, 0.54, 0.59]) {
            assert!((point[0] - expected).abs() < 1e-5 && (point[1] - expected - 1.0).abs() < 1e-5, "{point:?}");
        }
        assert!(five_of(&values[1..]).is_err());
        assert!(five_of(&[f32::NAN; VALUES]).is_err());
    }
}
