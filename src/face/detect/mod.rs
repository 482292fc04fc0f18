//! Where faces are: the detector's canvas, its families, and the choice of the
//! face that is meant.

mod ultraface;
mod yunet;

use super::geometry::{Five, Point, Region, distance};
use super::manifest::Family;
use super::runtime::{Network, Source};
use super::sample::{Normalise, Place, Scratch, resize};
use super::{FaceError, PackError};
use crate::imaging::RgbImage;

/// Boxes that overlap more than this show the same face. 0.3 is what UltraFace
/// and YuNet are published with.
const OVERLAP_MAX: f32 = 0.3;
/// Most boxes looked at: a crowd has fewer, a broken network may give thousands.
const BOXES_MAX: usize = 512;
/// Grey around the picture on the detector's canvas: the networks' zero.
const CANVAS_GREY: f32 = 127.0;
/// Longest side that a network of free size is given, in pixels. YuNet finds
/// faces of 10 to 300 pixels.
const FREE_SIDE: f32 = 320.0;
/// YuNet's sides are multiples of its largest stride.
const FREE_MULTIPLE: usize = 32;
/// The centre of another face lies at least this far from that of the one used, in
/// sides of its box.
const OTHER_FACE_APART: f32 = 0.75;
/// How much a face in the corner counts less than one in the middle.
const CENTRE_PULL: f32 = 0.5;
/// A face at least this much as large as the one used, by its side, may be the
/// one that is meant.
pub(super) const SECOND_FACE_SIDE: f32 = 0.5;

/// A face the detector found, in pixels of the picture it was shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Detection {
    pub region: Region,
    /// 0…1.
    pub confidence: f32,
    /// The five points, where the family gives them.
    pub points: Option<Five>,
}

/// A detector and the canvas it looks at.
pub(super) struct Detector {
    network: Network,
    family: Family,
    /// Width and height of the canvas; `None` where they are free.
    canvas: Option<(usize, usize)>,
    normalise: Normalise,
    input: Vec<f32>,
    shape: [usize; 4],
}

impl Detector {
    pub fn load(source: &Source<'_>) -> Result<Self, PackError> {
        let network = Network::load(source)?;
        let spec = source.spec;
        let canvas = match *network.shape() {
            [1 | -1, 3, -1, -1] => None,
            [1 | -1, 3, height @ 32..=4096, width @ 32..=4096] => Some((width as usize, height as usize)),
            ref other => return Err(source.unfit(format!("its input has the shape {other:?}, not 1x3xHxW"))),
        };
        let columns: &[i64] = match spec.family {
            Family::YuNet => &yunet::COLUMNS,
            _ => &ultraface::COLUMNS,
        };
        for (shape, &columns) in network.output_shapes().iter().zip(columns) {
            if !matches!(shape[..], [_, _, last] if last == columns || last == -1) {
                return Err(source.unfit(format!("an output has the shape {shape:?}, not 1xNx{columns}")));
            }
        }
        let normalise = Normalise::new(spec);
        Ok(Self { network, family: spec.family, canvas, normalise, input: Vec::new(), shape: [0; 4] })
    }

    /// Finds faces, best first. The picture is seen with an empty margin of
    /// `margin` times its size on every side: a face that fills the picture is
    /// found only so.
    pub fn find(&mut self, image: &RgbImage, margin: f32, scratch: &mut Scratch) -> Result<Vec<Detection>, FaceError> {
        let letterbox = Letterbox::new(image.width(), image.height(), margin, self.canvas);
        let (width, height) = letterbox.place.canvas;
        self.shape = [1, 3, height, width];
        self.input.resize(3 * width * height, 0.0);
        self.normalise.fill(CANVAS_GREY, &mut self.input);
        let whole = Region::of(image.width(), image.height());
        resize(image, &whole, letterbox.place, &self.normalise, scratch, &mut self.input);
        let family = self.family;
        let mut found = self.network.run(self.shape, &self.input, |outputs| match family {
            Family::YuNet => yunet::decode(outputs, width, height),
            _ => ultraface::decode(outputs, width as f32, height as f32),
        })?;
        // A broken network must not make boxes that cost a day to crop.
        let (limit_x, limit_y) = (4.0 * width as f32, 4.0 * height as f32);
        found.retain(|d| {
            let r = &d.region;
            let sane = r.width > 1.0 && r.height > 1.0 && r.width < limit_x && r.height < limit_y;
            let near = r.left.abs() < limit_x && r.top.abs() < limit_y;
            let points = d.points.iter().flatten().flatten().all(|v| v.abs() < limit_x.max(limit_y));
            sane && near && points && d.confidence.is_finite()
        });
        let mut found = merged(found);
        for detection in &mut found {
            letterbox.undo(detection);
        }
        Ok(found)
    }

    /// Runs the network again on what it saw last, for benchmarks.
    pub fn rerun(&mut self) -> Result<(), FaceError> {
        self.network.run(self.shape, &self.input, |_| Ok(()))
    }
}

/// How a picture lies on the detector's canvas: whole, undistorted, centred.
#[derive(Debug, Clone, Copy)]
struct Letterbox {
    place: Place,
    /// Picture pixels per canvas pixel.
    scale: Point,
}

impl Letterbox {
    fn new(width: u32, height: u32, margin: f32, canvas: Option<(usize, usize)>) -> Self {
        let (width, height) = (width as f32, height as f32);
        let (padded_width, padded_height) = (width * (1.0 + 2.0 * margin), height * (1.0 + 2.0 * margin));
        let canvas = canvas.unwrap_or_else(|| {
            let shrink = FREE_SIDE / padded_width.max(padded_height);
            [padded_width, padded_height]
                .map(|side| ((side * shrink).ceil() as usize).max(1).next_multiple_of(FREE_MULTIPLE))
                .into()
        });
        let shrink = (canvas.0 as f32 / padded_width).min(canvas.1 as f32 / padded_height);
        let fit = |side: f32, room: usize| ((side * shrink).round() as usize).clamp(1, room);
        let size = (fit(width, canvas.0), fit(height, canvas.1));
        let origin = ((canvas.0 - size.0) / 2, (canvas.1 - size.1) / 2);
        let scale = [width / size.0 as f32, height / size.1 as f32];
        Self { place: Place { canvas, origin, size }, scale }
    }

    fn point(&self, [x, y]: Point) -> Point {
        [(x - self.place.origin.0 as f32) * self.scale[0], (y - self.place.origin.1 as f32) * self.scale[1]]
    }

    fn undo(&self, detection: &mut Detection) {
        let region = &mut detection.region;
        let [left, top] = self.point([region.left, region.top]);
        *region = Region { left, top, width: region.width * self.scale[0], height: region.height * self.scale[1] };
        if let Some(points) = &mut detection.points {
            *points = points.map(|p| self.point(p));
        }
    }
}

/// Non-maximum suppression: of boxes that show the same face the most confident
/// stays. Best first.
fn merged(mut found: Vec<Detection>) -> Vec<Detection> {
    found.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    found.truncate(BOXES_MAX);
    let mut kept: Vec<Detection> = Vec::new();
    for detection in found {
        if kept.iter().all(|k| k.region.overlap(&detection.region) <= OVERLAP_MAX) {
            kept.push(detection);
        }
    }
    kept
}

/// The face that is meant: large, near the centre, surely a face; and the side of
/// the largest other face as a multiple of its own, 0 where there is none.
pub(super) fn choose(found: &[Detection], width: u32, height: u32) -> Option<(Detection, f32)> {
    let middle = [width as f32 / 2.0, height as f32 / 2.0];
    let reach = distance([0.0; 2], middle);
    let weight = |d: &Detection| {
        let off_centre = (distance(d.region.centre(), middle) / reach).min(1.0);
        d.region.side() * d.confidence * (1.0 - CENTRE_PULL * off_centre)
    };
    let (index, chosen) = found.iter().enumerate().max_by(|a, b| weight(a.1).total_cmp(&weight(b.1)))?;
    // A second box on the same face shows no second face.
    let others = found.iter().enumerate().filter(|(i, d)| {
        let apart = distance(d.region.centre(), chosen.region.centre());
        *i != index && apart > OTHER_FACE_APART * chosen.region.side()
    });
    let largest = others.map(|(_, d)| d.region.side()).fold(0.0, f32::max);
    Some((*chosen, largest / chosen.region.side()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn detection(left: f32, top: f32, side: f32, confidence: f32) -> Detection {
        Detection { region: Region { left, top, width: side, height: side }, confidence, points: None }
    }

    proptest! {
        #[test]
        fn the_letterbox_leads_back_and_does_not_distort(
            width in 1u32..5000, height in 1u32..5000, margin in 0.0f32..0.6, free: bool,
            u in 0.0f32..1.0, v in 0.0f32..1.0,
        ) {
            let canvas = (!free).then_some((320, 240));
            let letterbox = Letterbox::new(width, height, margin, canvas);
            let Place { canvas, origin, size } = letterbox.place;
            prop_assert!(origin.0 + size.0 <= canvas.0 && origin.1 + size.1 <= canvas.1);
            let [x, y] = [origin.0 as f32 + u * size.0 as f32, origin.1 as f32 + v * size.1 as f32];
            let [px, py] = letterbox.point([x, y]);
            prop_assert!((px - u * width as f32).abs() <= 0.002 * width as f32);
            prop_assert!((py - v * height as f32).abs() <= 0.002 * height as f32);
            // Sides are whole pixels: the distortion is at most what rounding one pixel gives.
            let shrink = (canvas.0 as f32 / (width as f32 * (1.0 + 2.0 * margin)))
                .min(canvas.1 as f32 / (height as f32 * (1.0 + 2.0 * margin)));
            for (side, fitted) in [(width, size.0), (height, size.1)] {
                prop_assert!((side as f32 * shrink - fitted as f32).abs() <= 0.51 || fitted == 1);
            }
        }

        #[test]
        fn suppression_keeps_the_best_and_no_two_of_one_face(
            boxes in prop::collection::vec((0.0f32..300.0, 0.0f32..300.0, 5.0f32..120.0, 0.5f32..1.0), 0..60),
        ) {
            let found: Vec<Detection> = boxes.iter().map(|&(l, t, s, c)| detection(l, t, s, c)).collect();
            let kept = merged(found.clone());
            for (i, a) in kept.iter().enumerate() {
                prop_assert!(found.contains(a));
                for b in &kept[..i] {
                    prop_assert!(a.region.overlap(&b.region) <= OVERLAP_MAX && b.confidence >= a.confidence);
                }
            }
            for lost in found.iter().filter(|d| !kept.contains(d)) {
                let better = |k: &&Detection| k.region.overlap(&lost.region) > OVERLAP_MAX && k.confidence >= lost.confidence;
                prop_assert!(kept.iter().find(better).is_some());
            }
        }
    }

    #[test]
    fn a_large_face_in_the_middle_wins_over_a_sure_one_in_the_corner() {
        let (middle, corner) = (detection(100.0, 80.0, 100.0, 0.9), detection(0.0, 0.0, 70.0, 1.0));
        let (chosen, other) = choose(&[corner, middle], 320, 240).unwrap();
        assert_eq!((chosen, other), (middle, 0.7));
        let (_, other) = choose(&[detection(0.0, 0.0, 30.0, 1.0), middle], 320, 240).unwrap();
        assert!(other < SECOND_FACE_SIDE, "a face in the background is no second face");
        assert_eq!(choose(&[middle], 320, 240).unwrap().1, 0.0);
        assert!(choose(&[], 320, 240).is_none());
    }
}
