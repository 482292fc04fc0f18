//! Eyes, nose and mouth: 68 points in the face's box, and the five of them that
//! align it.

use super::geometry::{Five, Point, Region, Similarity, distance};
use super::runtime::{Network, Source};
use super::sample::{Beyond, Normalise, Place, Scratch, resize, warp};
use super::{FaceError, PackError};
use crate::imaging::RgbImage;

/// Points of the iBUG 68 scheme whose means are the five: both eyelids of each
/// eye without its corners, the nose's tip, outer and inner corner of the mouth.
const FIVE_OF_68: [&[usize]; 5] = [&[37, 38, 40, 41], &[43, 44, 46, 47], &[30], &[48, 60], &[54, 64]];
/// The crop is a square on the longer side of the detector's box, moved down by
/// this share of it. Found on `cfp-dev`: with the box squeezed as it is FNMR at
/// FMR 1e-3 is 2.21 %, with the square 1.97 %, moved down 1.89 %.
const CROP_DOWN: f32 = 0.05;
/// Points the network gives.
pub(super) const POINTS: usize = 68;
/// Values the network gives.
const VALUES: usize = 2 * POINTS;
/// Where the five lie in a crop the network finds easiest, as shares of its side:
/// their medians over `cfp-dev`'s frontal photos, made symmetric. The second look
/// is at a crop turned and scaled to have them there.
const FIVE_EXPECTED: Five = [[0.3185, 0.2115], [0.6815, 0.2115], [0.5, 0.4553], [0.3475, 0.6426], [0.6525, 0.6426]];

/// Where eyes, nose and mouth are, in pixels of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Points {
    /// The five that align the face.
    pub five: Five,
    /// All of the iBUG 68 scheme, where the pack has a network for them.
    pub all: Option<[Point; POINTS]>,
    /// Mean distance between what the first and the second look took for the five,
    /// in eye distances: large where the network is unsure.
    pub shift: Option<f32>,
}

impl Points {
    /// Five points that a detector gave.
    pub fn five(five: Five) -> Self {
        Self { five, all: None, shift: None }
    }

    /// In a picture that is `x` times as wide and `y` times as high.
    pub fn scaled(&self, x: f32, y: f32) -> Self {
        let scale = |p: Point| [p[0] * x, p[1] * y];
        Self { five: self.five.map(scale), all: self.all.map(|all| all.map(scale)), shift: self.shift }
    }
}

/// PFLD (Guo et al., 2019) with 68 points.
pub(super) struct Landmarks {
    network: Network,
    side: usize,
    normalise: Normalise,
    input: Vec<f32>,
}

impl Landmarks {
    pub fn load(source: &Source<'_>) -> Result<Self, PackError> {
        let network = Network::load(source)?;
        let spec = source.spec;
        let side = match *network.shape() {
            [1 | -1, 1, height @ 16..=1024, width] if height == width => width as usize,
            ref other => return Err(source.unfit(format!("its input has the shape {other:?}, not 1x1xNxN"))),
        };
        if !matches!(network.output_shapes()[0][..], [_, last] if last == VALUES as i64 || last == -1) {
            let found = &network.output_shapes()[0];
            return Err(source.unfit(format!("its output has the shape {found:?}, not 1x{VALUES}")));
        }
        Ok(Self { network, side, normalise: Normalise::new(spec), input: vec![0.0; side * side] })
    }

    /// The points of the face in `region`: a first look at the box as it is, a
    /// second at the face laid upright.
    ///
    /// On `cfp-dev`'s frontal photos the second look lowers FNMR at FMR 1e-3 from
    /// 1.95 to 1.90 %, for one more run of the smallest network.
    pub fn find(&mut self, image: &RgbImage, region: &Region, scratch: &mut Scratch) -> Result<Points, FaceError> {
        let (place, region) = (Place::whole(self.side, self.side), crop(region));
        resize(image, &region, place, &self.normalise, scratch, &mut self.input);
        let first = self.look()?.map(|[x, y]| [region.left + x * region.width, region.top + y * region.height]);
        let five = five_of(&first);

        let side = self.side as f32;
        let expected = FIVE_EXPECTED.map(|[x, y]| [x * side, y * side]);
        let Some(to_picture) = Similarity::fit(&expected, &five) else {
            return Ok(Points { five, all: Some(first), shift: None });
        };
        warp(image, &to_picture, self.side, Beyond::Edge, &self.normalise, scratch, &mut self.input);
        let second = self.look()?.map(|[x, y]| to_picture.apply([x * side, y * side]));
        let moved = five_of(&second);
        let apart = five.iter().zip(&moved).map(|(a, b)| distance(*a, *b)).sum::<f32>() / 5.0;
        let shift = apart / distance(moved[0], moved[1]).max(1.0);
        Ok(Points { five: moved, all: Some(second), shift: Some(shift) })
    }

    /// All points in what the input holds, as shares of its side.
    fn look(&mut self) -> Result<[Point; POINTS], FaceError> {
        self.network.run(self.shape(), &self.input, |outputs| points_of(outputs[0]))
    }

    fn shape(&self) -> [usize; 4] {
        [1, 1, self.side, self.side]
    }

    /// Runs the network again on what it saw last, for benchmarks.
    pub fn rerun(&mut self) -> Result<(), FaceError> {
        self.network.run(self.shape(), &self.input, |_| Ok(()))
    }
}

fn crop(face: &Region) -> Region {
    let ([x, y], side) = (face.centre(), face.width.max(face.height));
    Region { left: x - side / 2.0, top: y + (CROP_DOWN - 0.5) * side, width: side, height: side }
}

fn points_of(values: &[f32]) -> Result<[Point; POINTS], FaceError> {
    // Within a few boxes' reach: anything else is a broken network.
    let sane = values.iter().all(|v| v.abs() < 8.0);
    <[Point; POINTS]>::try_from(values.as_chunks::<2>().0)
        .ok()
        .filter(|_| sane)
        .ok_or_else(|| FaceError::Inference("the landmark network gave no points".into()))
}

fn five_of(points: &[Point; POINTS]) -> Five {
    FIVE_OF_68.map(|indices| -> Point {
        [0, 1].map(|axis| indices.iter().map(|&i| points[i][axis]).sum::<f32>() / indices.len() as f32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_are_means_of_the_right_points() {
        let values: Vec<f32> = (0..VALUES).map(|i| (i / 2) as f32 / 100.0 + (i % 2) as f32).collect();
        let five = five_of(&points_of(&values).unwrap());
        for (point, expected) in five.iter().zip([0.39, 0.45, 0.30, 0.54, 0.59]) {
            assert!((point[0] - expected).abs() < 1e-5 && (point[1] - expected - 1.0).abs() < 1e-5, "{point:?}");
        }
        assert!(points_of(&values[1..]).is_err());
        assert!(points_of(&[f32::NAN; VALUES]).is_err());
    }
}
