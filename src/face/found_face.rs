//! A face as it was found: in which pixels, whether it is whole and large enough, and
//! where that is in the file.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::aligned::ALIGNED_EYE_DISTANCE;
use super::geometry::{Five, Region, Similarity, distance};
use super::landmarks::Points;
use super::{FaceError, FacePrint, Template, quality};
use crate::imaging::{Decoded, RgbImage};

/// Faces with fewer pixels between the eyes are refused. The embedder looks at
/// 35; below half of that most of what it looks for is not there.
const EYE_DISTANCE_MIN: f32 = 16.0;
/// How far outside the picture an alignment point may lie, in eye distances:
/// what the landmark network may be wrong by.
const OUTSIDE_MAX: f32 = 0.1;
/// Width over height of the box of a whole face. On `cfp-dev`'s frontal photos it
/// is 0.50 to 1.32; a face of which the edge leaves half is below or above.
const SHAPE_WHOLE: RangeInclusive<f32> = 0.48..=1.4;
/// How far past the edge the box of a whole face may reach, as a share of it.
const CUT_MIN: f32 = 0.05;

/// A picture understood at one of its four turns.
pub(super) struct FoundFace<'a> {
    /// The pixels the face was cut from: the picture as decoded first, or turned,
    /// or decoded again.
    pub image: Cow<'a, RgbImage>,
    pub turns: u8,
    pub region: Region,
    pub confidence: f32,
    pub points: Points,
    pub fit: Similarity,
    pub faces: u32,
    pub other_face: f32,
    /// `None` in an assessment.
    pub template: Option<Template>,
    /// Empty in an assessment.
    pub print: FacePrint,
}

impl FoundFace<'_> {
    /// Length of the embedding; without one every turn is as good as another.
    pub fn norm(&self) -> f32 {
        self.template.as_ref().map_or(f32::INFINITY, Template::norm)
    }

    /// Pixels of the file per pixel of the picture the face was cut from, across and down.
    fn zoom(&self, coarse: &Decoded) -> (f32, f32) {
        let (width, height) = sides(&self.image, self.turns);
        (coarse.full_size.0 as f32 / width, coarse.full_size.1 as f32 / height)
    }

    /// What quality needs to know of the face.
    pub fn facts(&self, coarse: &Decoded) -> quality::DetectedFace<'_> {
        let whole = Region::of(self.image.width(), self.image.height());
        let (fx, fy) = self.zoom(coarse);
        quality::DetectedFace {
            points: &self.points,
            fit: &self.fit,
            inside: self.region.within(&whole).map_or(0.0, |inside| inside.area()) / self.region.area(),
            detection: self.confidence,
            eye_distance: distance(self.points.five[0], self.points.five[1]) * (fx * fy).sqrt(),
            norm: self.template.as_ref().map(Template::norm),
        }
    }

    /// The face's box in the file, and whether it reaches past its edge.
    pub fn in_file(&self, coarse: &Decoded) -> (Region, bool) {
        let (fx, fy) = self.zoom(coarse);
        let face = turned_back(&self.region, self.turns, &self.image).scaled(fx, fy);
        let (width, height) = coarse.full_size;
        (face, reaches_out(&face, width as f32, height as f32))
    }
}

/// Eyes, nose and mouth must be in the picture: what is made up beyond its edge
/// is nobody's face; where the box stays clear of the edges, points outside are only
/// wrong, as those of a turned head often are. Detectors squeeze the box of a face cut
/// by the edge into what is left of it, and the points with it; so a box at the edge
/// must also have the shape of a face.
pub(super) fn check_whole(region: &Region, points: &Five, fit: &Similarity, image: &RgbImage) -> Result<(), FaceError> {
    let slack = OUTSIDE_MAX * ALIGNED_EYE_DISTANCE / fit.scale();
    let within = |v: f32, length: u32| v >= -slack && v <= (length - 1) as f32 + slack;
    let inside = points.iter().all(|&[x, y]| within(x, image.width()) && within(y, image.height()));
    let squeezed = !SHAPE_WHOLE.contains(&(region.width / region.height));
    let whole = inside || clear(region, image.width() as f32, image.height() as f32);
    if whole && !(squeezed && reaches_out(region, image.width() as f32, image.height() as f32)) {
        Ok(())
    } else {
        Err(FaceError::FaceCut)
    }
}

/// By the scale of the whole face, not the eyes alone, which come close together
/// when a head turns.
pub(super) fn check_size(fit: &Similarity, scale: u32) -> Result<(), FaceError> {
    let eye_distance = ALIGNED_EYE_DISTANCE / fit.scale() * scale as f32;
    if eye_distance >= EYE_DISTANCE_MIN {
        Ok(())
    } else {
        Err(FaceError::FaceTooSmall { eye_distance, eye_distance_min: EYE_DISTANCE_MIN })
    }
}

/// Further from every edge than a cut face's box.
fn clear(face: &Region, width: f32, height: f32) -> bool {
    let (x, y) = (CUT_MIN * face.width, CUT_MIN * face.height);
    face.left > x && face.top > y && face.right() < width - x && face.bottom() < height - y
}

fn reaches_out(face: &Region, width: f32, height: f32) -> bool {
    let (x, y) = (CUT_MIN * face.width, CUT_MIN * face.height);
    face.left < -x || face.top < -y || face.right() > width + x || face.bottom() > height + y
}

/// Width and height of the picture before it was turned.
fn sides(image: &RgbImage, turns: u8) -> (f32, f32) {
    let (width, height) = (image.width() as f32, image.height() as f32);
    if turns.is_multiple_of(2) { (width, height) } else { (height, width) }
}

/// A box of the turned picture, in the picture as it was before.
fn turned_back(region: &Region, turns: u8, image: &RgbImage) -> Region {
    let (width, height) = sides(image, turns);
    let Region { left, top, width: w, height: h } = *region;
    match turns {
        0 => *region,
        1 => Region { left: top, top: height - left - w, width: h, height: w },
        2 => Region { left: width - left - w, top: height - top - h, width: w, height: h },
        _ => Region { left: width - top - h, top: left, width: h, height: w },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::aligned::onto_template;
    use crate::face::picture::turned;

    #[test]
    fn a_box_found_in_a_turned_picture_is_reported_where_it_is_in_the_picture() {
        // One white pixel at (5, 2) of a 9x7 picture.
        let mut data = vec![0u8; 9 * 7 * 3];
        data[(2 * 9 + 5) * 3..][..3].fill(255);
        let image = RgbImage::new(9, 7, data).unwrap();
        for turns in 0..4 {
            let turned = turned(&image, turns).unwrap();
            let at = turned.data().as_chunks::<3>().0.iter().position(|p| p[0] == 255).unwrap() as u32;
            let (x, y) = (at % turned.width(), at / turned.width());
            let region = Region { left: x as f32, top: y as f32, width: 1.0, height: 1.0 };
            let back = turned_back(&region, turns, &turned);
            assert_eq!(back, Region { left: 5.0, top: 2.0, width: 1.0, height: 1.0 }, "{turns} turns");
        }
    }

    #[test]
    fn a_face_whose_mouth_lies_outside_is_cut() {
        let image = RgbImage::new(100, 100, vec![0; 30_000]).unwrap();
        let points: Five = [[30.0, 60.0], [70.0, 60.0], [50.0, 80.0], [34.0, 101.0], [66.0, 101.0]];
        let fit = onto_template(&points).unwrap();
        let face = Region { left: 10.0, top: 40.0, width: 60.0, height: 80.0 };
        assert_eq!(check_whole(&face, &points, &fit, &image), Ok(()), "a rounding error is no cut");
        let lower = points.map(|[x, y]| [x, y + 10.0]);
        let low = Region { top: 18.0, ..face };
        assert_eq!(check_whole(&face, &lower, &fit, &image), Err(FaceError::FaceCut));
        assert_eq!(check_whole(&low, &lower, &fit, &image), Err(FaceError::FaceCut), "too near the edge to say");
        let clear = Region { top: 10.0, ..face };
        assert_eq!(check_whole(&clear, &lower, &fit, &image), Ok(()), "a face in the middle is not cut");
    }

    #[test]
    fn a_face_squeezed_against_the_edge_is_cut_and_a_slim_one_inside_is_not() {
        let image = RgbImage::new(100, 100, vec![0; 30_000]).unwrap();
        let points: Five = [[6.0, 40.0], [20.0, 40.0], [13.0, 55.0], [8.0, 70.0], [18.0, 70.0]];
        let fit = onto_template(&points).unwrap();
        let squeezed = Region { left: -4.0, top: 20.0, width: 30.0, height: 70.0 };
        assert_eq!(check_whole(&squeezed, &points, &fit, &image), Err(FaceError::FaceCut));
        assert_eq!(check_whole(&Region { left: 5.0, ..squeezed }, &points, &fit, &image), Ok(()));
    }

    #[test]
    fn a_tiny_face_is_refused_with_its_size() {
        let points: Five = [[3.0, 5.0], [13.0, 5.0], [8.0, 11.0], [4.0, 17.0], [12.0, 17.0]];
        let fit = onto_template(&points).unwrap();
        assert!(
            matches!(check_size(&fit, 1), Err(FaceError::FaceTooSmall { eye_distance, .. }) if eye_distance < 16.0)
        );
        assert_eq!(check_size(&fit, 4), Ok(()));
    }
}
