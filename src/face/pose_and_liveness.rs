//! What is looked at beside the template: head pose and liveness. Their networks
//! are loaded when first asked for.

use super::geometry::Region;
use super::manifest::Family;
use super::runtime::{Network, Source};
use super::sample::{Normalise, Place, Scratch, resize};
use super::softmax::softmax;
use super::{FaceError, PackError, Pose};
use crate::imaging::RgbImage;

/// HopeNet's bins: 66 of 3 degrees, the first at −99 (Ruiz, Chong, Rehg, 2018).
const BINS: usize = 66;
const BIN_DEGREES: f32 = 3.0;
const FIRST_BIN_DEGREES: f32 = -99.0;
/// The pose network sees the face's box grown by a quarter on each side.
const POSE_GROWTH: f32 = 0.25;

/// A network that looks at a square crop around the face.
struct CropNetwork {
    network: Network,
    side: usize,
    normalise: Normalise,
    input: Vec<f32>,
}

impl CropNetwork {
    fn load(source: &Source<'_>) -> Result<Self, PackError> {
        let network = Network::load(source)?;
        let side = match *network.shape() {
            [1 | -1, 3, height @ 32..=1024, width] if height == width => width as usize,
            ref other => return Err(source.unfit(format!("its input has the shape {other:?}, not 1x3xNxN"))),
        };
        Ok(Self { network, side, normalise: Normalise::new(source.spec), input: vec![0.0; 3 * side * side] })
    }

    fn run<R>(
        &mut self,
        image: &RgbImage,
        crop: &Region,
        scratch: &mut Scratch,
        read: impl FnOnce(&[&[f32]]) -> Result<R, FaceError>,
    ) -> Result<R, FaceError> {
        resize(image, crop, Place::whole(self.side, self.side), &self.normalise, scratch, &mut self.input);
        self.network.run([1, 3, self.side, self.side], &self.input, read)
    }

    /// Runs the network again on what it saw last, for benchmarks.
    fn rerun(&mut self) -> Result<(), FaceError> {
        self.network.run([1, 3, self.side, self.side], &self.input, |_| Ok(()))
    }
}

/// Where the head points.
pub(super) struct PoseNetwork(CropNetwork);

impl PoseNetwork {
    pub fn load(source: &Source<'_>) -> Result<Self, PackError> {
        let inner = CropNetwork::load(source)?;
        for shape in inner.network.output_shapes() {
            if !matches!(shape[..], [_, last] if last == BINS as i64 || last == -1) {
                return Err(source.unfit(format!("an output has the shape {shape:?}, not 1x{BINS}")));
            }
        }
        Ok(Self(inner))
    }

    /// See [`CropNetwork::rerun`].
    pub fn rerun(&mut self) -> Result<(), FaceError> {
        self.0.rerun()
    }

    pub fn estimate(&mut self, image: &RgbImage, face: &Region, scratch: &mut Scratch) -> Result<Pose, FaceError> {
        let whole = Region::of(image.width(), image.height());
        let crop = face.grown(POSE_GROWTH, POSE_GROWTH, POSE_GROWTH, POSE_GROWTH).within(&whole).unwrap_or(*face);
        self.0.run(image, &crop, scratch, |outputs| {
            let angle = |values: &[f32]| {
                let expected: f32 = softmax(values.to_vec()).iter().enumerate().map(|(i, p)| i as f32 * p).sum();
                finite(expected * BIN_DEGREES + FIRST_BIN_DEGREES, "pose")
            };
            Ok(Pose { yaw: angle(outputs[0])?, pitch: angle(outputs[1])?, roll: angle(outputs[2])? })
        })
    }
}

/// Whether a face is live.
pub(super) struct LivenessNetwork {
    inner: CropNetwork,
    box_scale: f32,
    live_class: usize,
}

impl LivenessNetwork {
    pub fn load(source: &Source<'_>) -> Result<Self, PackError> {
        let inner = CropNetwork::load(source)?;
        let Family::MiniFasNet { box_scale, live_class } = source.spec.family else {
            return Err(source.unfit(format!("family \"{}\" does not tell liveness", source.spec.family.name())));
        };
        let classes = inner.network.output_shapes()[0].last().copied().unwrap_or(0);
        if classes != -1 && classes <= live_class as i64 {
            return Err(source.unfit(format!("it has {classes} classes, class {live_class} is not one of them")));
        }
        Ok(Self { inner, box_scale, live_class })
    }

    /// See [`CropNetwork::rerun`].
    pub fn rerun(&mut self) -> Result<(), FaceError> {
        self.inner.rerun()
    }

    /// Probability of the live class, 0…1.
    pub fn score(&mut self, image: &RgbImage, face: &Region, scratch: &mut Scratch) -> Result<f32, FaceError> {
        let crop = liveness_crop(face, self.box_scale, image.width() as f32, image.height() as f32);
        let live_class = self.live_class;
        self.inner.run(image, &crop, scratch, |outputs| {
            let live = softmax(outputs[0].to_vec()).get(live_class).copied();
            finite(live.unwrap_or(f32::NAN), "liveness")
        })
    }
}

/// The face's box grown about its centre, as far as the picture allows, and
/// shifted inside the picture (as the network was trained: Silent-Face).
fn liveness_crop(face: &Region, box_scale: f32, width: f32, height: f32) -> Region {
    let scale = box_scale.min(width / face.width).min(height / face.height);
    let (w, h) = (face.width * scale, face.height * scale);
    let [x, y] = face.centre();
    let left = (x - w / 2.0).clamp(0.0, (width - w).max(0.0));
    let top = (y - h / 2.0).clamp(0.0, (height - h).max(0.0));
    Region { left, top, width: w, height: h }
}

fn finite(value: f32, of: &str) -> Result<f32, FaceError> {
    if value.is_finite() { Ok(value) } else { Err(FaceError::Inference(format!("the {of} network gave no number"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_liveness_crop_stays_inside_and_keeps_the_box_shape(
            left in -50.0f32..600.0, top in -50.0f32..400.0, width in 10.0f32..300.0, height in 10.0f32..300.0,
        ) {
            let face = Region { left, top, width, height };
            let crop = liveness_crop(&face, 2.7, 640.0, 480.0);
            prop_assert!(crop.left >= 0.0 && crop.top >= 0.0);
            prop_assert!(crop.right() <= 640.01 && crop.bottom() <= 480.01);
            prop_assert!((crop.width / crop.height - width / height).abs() < 1e-3 * width / height);
        }
    }
}
