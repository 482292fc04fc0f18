//! One picture through every step, on one thread.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ort::environment::Environment;

use super::detect::{Detection, Detector, SECOND_FACE_SIDE, choose};
use super::embed::{ALIGNED_EYE_DISTANCE, Embedder, onto_template};
use super::extras::{LivenessNetwork, PoseNetwork};
use super::geometry::{Five, Region, Similarity, distance};
use super::landmarks::{Landmarks, Points};
use super::manifest::{NetworkSpec, Role};
use super::quality::{self, Crop, Measured, Study};
use super::runtime::{self, Effort};
use super::sample::{Exposure, Scratch, exposure, spread, turned};
use super::{Analysis, FaceError, FaceReport, Pack, PackError, PoolOptions, Rect, Template, Wants};
use crate::imaging::{self, Decoded, Limits, RgbImage};

/// Shortest side a picture is decoded at to look for faces, in pixels: the
/// detectors look at 240 to 320, the rest is for the face's own sharpness. At twice
/// that a portrait needs no second, finer decode.
const SEARCH_SIDE_MIN: u32 = 480;
/// Empty margins, as shares of the picture's size, in the order they are tried.
const MARGINS: [f32; 2] = [0.0, 0.5];
/// Picture pixels per pixel of the aligned face below which a picture that was
/// decoded at a fraction is decoded again, finer: the face is never enlarged while
/// the file has more of it.
const SHARPNESS_MIN: f32 = 1.0;
/// Faces with fewer pixels between the eyes are refused. The embedder looks at
/// 35; below half of that most of what it looks for is not there.
const EYE_DISTANCE_MIN: f32 = 16.0;
/// How far outside the picture an alignment point may lie, in eye distances:
/// what the landmark network may be wrong by.
const OUTSIDE_MAX: f32 = 0.1;
/// Width over height of the box of a whole face. On `cfp-dev`'s frontal photos it
/// is 0.50 to 1.32; a face of which the edge leaves half is below or above.
const SHAPE_WHOLE: RangeInclusive<f32> = 0.48..=1.4;
/// A picture is taken as turned only where the embedding gets longer by this
/// factor. UltraFace finds every upside-down face as well: of `cfp-dev`'s frontal
/// photos this keeps all upright ones and rights 95 to 99 % of turned ones.
const TURN_GAIN_MIN: f32 = 1.2;
/// How far past the edge the box of a whole face may reach, as a share of it.
const CUT_MIN: f32 = 0.05;

/// What each step of the last picture took.
#[derive(Debug, Clone, Copy, Default)]
pub struct StageTimes {
    /// Bytes to pixels.
    pub decode: Duration,
    /// Looking for faces, every try.
    pub detect: Duration,
    /// Eyes, nose and mouth.
    pub landmarks: Duration,
    /// Laying the face onto the template.
    pub align: Duration,
    /// Embedding and normalising.
    pub embed: Duration,
    /// Measuring quality, where asked for.
    pub quality: Duration,
    /// Pose and liveness networks, where asked for.
    pub extras: Duration,
}

/// The pipeline on the calling thread: what a worker of a
/// [`FacePool`](super::FacePool) runs, for benchmarks and offline tools.
pub struct Pipeline {
    environment: Environment,
    pack: Arc<Pack>,
    limits: Limits,
    detector: Detector,
    landmarks: Option<Landmarks>,
    embedder: Embedder,
    pose: Option<PoseNetwork>,
    liveness: Option<LivenessNetwork>,
    crop: Crop,
    scratch: Scratch,
    times: StageTimes,
}

/// A picture understood at one of its four turns.
struct Seen<'a> {
    /// The pixels the face was cut from: the picture as decoded first, or turned,
    /// or decoded again.
    image: Cow<'a, RgbImage>,
    turns: u8,
    region: Region,
    confidence: f32,
    points: Points,
    fit: Similarity,
    faces: u32,
    other_face: f32,
    /// `None` in an assessment.
    template: Option<Template>,
}

impl Seen<'_> {
    /// Length of the embedding; without one every turn is as good as another.
    fn norm(&self) -> f32 {
        self.template.as_ref().map_or(f32::INFINITY, Template::norm)
    }
}

impl Pipeline {
    /// Loads the networks that make templates; pose and liveness are loaded when
    /// first asked for. `options.workers` and `queue_max` mean nothing here.
    pub fn new(pack: &Pack, options: &PoolOptions) -> Result<Self, PackError> {
        Self::with(Arc::new(pack.clone()), options)
    }

    pub(super) fn with(pack: Arc<Pack>, options: &PoolOptions) -> Result<Self, PackError> {
        let environment = runtime::environment(options.onnxruntime.as_deref())?;
        let manifest = pack.manifest();
        let bytes = |spec: &NetworkSpec| bytes(&pack, spec);
        let spec = &manifest.detector;
        let detector = Detector::load(&environment, spec, &bytes(spec)?, Effort::Run)?;
        let landmarks = match &manifest.landmarks {
            Some(spec) => Some(Landmarks::load(&environment, spec, &bytes(spec)?, Effort::Run)?),
            None => None,
        };
        let spec = &manifest.embedder;
        let embedder = Embedder::load(&environment, spec, &bytes(spec)?, Effort::Run)?;
        Ok(Self {
            environment,
            limits: options.limits,
            detector,
            landmarks,
            embedder,
            pose: None,
            liveness: None,
            crop: Crop::default(),
            scratch: Scratch::default(),
            times: StageTimes::default(),
            pack,
        })
    }

    /// Checks that the networks loaded late fit their manifest too.
    pub(super) fn inspect_late_networks(pack: &Pack, environment: &Environment) -> Result<(), PackError> {
        if let Some(spec) = &pack.manifest().pose {
            PoseNetwork::load(environment, spec, &bytes(pack, spec)?, Effort::Inspect)?;
        }
        if let Some(spec) = &pack.manifest().liveness {
            LivenessNetwork::load(environment, spec, &bytes(pack, spec)?, Effort::Inspect)?;
        }
        Ok(())
    }

    /// Encoded photo to template and report.
    pub fn analyze(&mut self, photo: &[u8], wants: Wants) -> Result<Analysis, FaceError> {
        self.analyze_unless(photo, wants, &AtomicBool::new(false))
    }

    /// The same, giving up between steps once `cancelled` is set.
    pub(super) fn analyze_unless(
        &mut self,
        photo: &[u8],
        wants: Wants,
        cancelled: &AtomicBool,
    ) -> Result<Analysis, FaceError> {
        let (report, template) = self.look_at(photo, wants, true, cancelled)?;
        let template = template.ok_or_else(|| FaceError::Inference("the face was not embedded".into()))?;
        Ok(Analysis { template, report })
    }

    /// What can be said of a photo without embedding the face: for the capture
    /// screen, at the price of the detector and of quality.
    ///
    /// Quarter turns are only tried where no face is found.
    pub fn assess(&mut self, photo: &[u8], wants: Wants) -> Result<FaceReport, FaceError> {
        self.assess_unless(photo, wants, &AtomicBool::new(false))
    }

    /// The same, giving up between steps once `cancelled` is set.
    pub(super) fn assess_unless(
        &mut self,
        photo: &[u8],
        wants: Wants,
        cancelled: &AtomicBool,
    ) -> Result<FaceReport, FaceError> {
        self.look_at(photo, wants, false, cancelled).map(|(report, _)| report)
    }

    /// Everything a quality model is fitted on; the pose network is asked where wanted.
    pub fn study(&mut self, photo: &[u8], wants: Wants) -> Result<Study, FaceError> {
        let go_on = || Ok(());
        let coarse = imaging::decode_scaled(photo, &self.limits, SEARCH_SIDE_MIN)?;
        let seen = self.upright(photo, &coarse, true, &go_on)?;
        let pose = if wants.pose { self.pose(&seen.image, &seen.region, &go_on)? } else { None };
        let light = self.crop.measure(&seen.image, &seen.fit, &mut self.scratch);
        let template = seen.template.clone().ok_or_else(|| FaceError::Inference("no embedding".into()))?;
        Ok(Study::new(&facts(&seen, &coarse), light, template, pose))
    }

    fn look_at(
        &mut self,
        photo: &[u8],
        wants: Wants,
        embed: bool,
        cancelled: &AtomicBool,
    ) -> Result<(FaceReport, Option<Template>), FaceError> {
        let go_on = || if cancelled.load(Ordering::Relaxed) { Err(FaceError::Cancelled) } else { Ok(()) };
        self.times = StageTimes::default();
        go_on()?;
        let clock = Instant::now();
        let coarse = imaging::decode_scaled(photo, &self.limits, SEARCH_SIDE_MIN)?;
        self.times.decode += clock.elapsed();

        let seen = self.upright(photo, &coarse, embed, &go_on)?;
        let Seen { image, turns, region, .. } = &seen;

        go_on()?;
        let clock = Instant::now();
        let quality = if wants.quality { self.quality(&coarse, &seen) } else { None };
        self.times.quality = clock.elapsed();
        let clock = Instant::now();
        let pose = if wants.pose { self.pose(image, region, &go_on)? } else { None };
        let liveness = if wants.liveness { self.liveness(image, region, &go_on)? } else { None };
        self.times.extras = clock.elapsed();

        let (width, height) = coarse.full_size;
        let (fx, fy) = zoom(&coarse, &seen);
        let face = turned_back(region, *turns, image).scaled(fx, fy);
        let report = FaceReport {
            format: coarse.format,
            width,
            height,
            face: Rect { left: face.left, top: face.top, width: face.width, height: face.height },
            detection: seen.confidence,
            eye_distance: facts(&seen, &coarse).eye_distance,
            quarter_turns: *turns,
            faces: seen.faces,
            second_face: seen.other_face >= SECOND_FACE_SIDE,
            cut: reaches_out(&face, width as f32, height as f32),
            norm: seen.template.as_ref().map(Template::norm),
            quality,
            live: None,
            flaws: Vec::new(),
            pose,
            liveness,
        };
        Ok((report, seen.template))
    }

    /// What each step of the last picture took.
    pub fn times(&self) -> StageTimes {
        self.times
    }

    /// Runs the bare network of a role once more on what it saw last, and times
    /// it: what inference alone costs. `None` where no picture went through it.
    pub fn time_bare(&mut self, role: Role) -> Option<Duration> {
        let clock = Instant::now();
        match role {
            Role::Detector => self.detector.rerun(),
            Role::Landmarks => self.landmarks.as_mut()?.rerun(),
            Role::Embedder => self.embedder.rerun(),
            Role::Pose | Role::Liveness => return None,
        }
        .ok()?;
        Some(clock.elapsed())
    }

    fn quality(&mut self, coarse: &Decoded, seen: &Seen<'_>) -> Option<quality::Quality> {
        let pack = Arc::clone(&self.pack);
        let model = pack.quality()?;
        let light = self.crop.measure(&seen.image, &seen.fit, &mut self.scratch);
        let measured = Measured {
            light: &light,
            jpeg_quality: coarse.jpeg_quality,
            // Scaled decoding takes the blocks away.
            blockiness: (coarse.scale == 1).then(|| quality::blockiness(&seen.image, &seen.region)).flatten(),
            other_face: seen.other_face,
        };
        Some(quality::assess(model, &facts(seen, coarse), &measured))
    }

    /// The face as the picture stands; in quarter turns too, where none was found
    /// or where the embedding is so short that the picture may be turned.
    fn upright<'a>(
        &mut self,
        photo: &[u8],
        coarse: &'a Decoded,
        embed: bool,
        go_on: &dyn Fn() -> Result<(), FaceError>,
    ) -> Result<Seen<'a>, FaceError> {
        let norm_sure = self.pack.manifest().norm_sure();
        let first = self.look(photo, coarse, 0, embed, go_on);
        let norm_min = match &first {
            Ok(seen) if norm_sure.is_none_or(|sure| seen.norm() >= sure) => return first,
            Ok(seen) => seen.norm() * TURN_GAIN_MIN,
            // Half a face is nobody's; a turned whole one may have been taken for half a one.
            // Nor does a face that lies on its side or head have its points where they seem to be.
            Err(FaceError::FaceCut | FaceError::FaceTooSmall { .. }) if embed => norm_sure.unwrap_or(f32::INFINITY),
            Err(FaceError::NoFace | FaceError::TooBright | FaceError::TooDark) => 0.0,
            Err(_) => return first,
        };
        let mut best: Option<Seen<'a>> = None;
        for turns in 1..4 {
            match self.look(photo, coarse, turns, embed, go_on) {
                Ok(seen) => {
                    let norm_min = best.as_ref().map_or(norm_min, Seen::norm);
                    if seen.norm() > norm_min {
                        best = Some(seen);
                    }
                }
                Err(
                    FaceError::NoFace
                    | FaceError::TooBright
                    | FaceError::TooDark
                    | FaceError::FaceCut
                    | FaceError::FaceTooSmall { .. },
                ) => {}
                Err(e) => return Err(e),
            }
        }
        best.map_or(first, Ok)
    }

    /// Detects, finds the points, aligns and embeds, with the picture turned.
    fn look<'a>(
        &mut self,
        photo: &[u8],
        coarse: &'a Decoded,
        turns: u8,
        embed: bool,
        go_on: &dyn Fn() -> Result<(), FaceError>,
    ) -> Result<Seen<'a>, FaceError> {
        let mut image = match turns {
            0 => Cow::Borrowed(&coarse.image),
            _ => Cow::Owned(turned(&coarse.image, turns).ok_or(FaceError::NoFace)?),
        };
        let clock = Instant::now();
        let found = self.detect(&image, go_on)?;
        self.times.detect += clock.elapsed();
        let (Detection { mut region, confidence, points }, other_face) =
            choose(&found, image.width(), image.height()).ok_or(FaceError::NoFace)?;

        go_on()?;
        let clock = Instant::now();
        let mut points = match (&mut self.landmarks, points) {
            (Some(landmarks), _) => landmarks.find(&image, &region, &mut self.scratch)?,
            (None, Some(five)) => Points::five(five),
            (None, None) => return Err(FaceError::Inference("the detector gave no points".into())),
        };
        self.times.landmarks += clock.elapsed();
        let mut fit = onto_template(&points.five).ok_or(FaceError::NoFace)?;
        check_whole(&region, &points.five, &fit, &image)?;
        check_size(&fit, coarse.scale)?;

        go_on()?;
        let clock = Instant::now();
        let finer = self.sharpen(photo, coarse, &fit, turns)?;
        self.times.decode += clock.elapsed();
        let clock = Instant::now();
        if let Some(finer) = finer {
            // Coordinates from here on are those of the finer picture.
            let zoom = |fine: u32, coarse: u32| fine as f32 / coarse as f32;
            let (x, y) = (zoom(finer.width(), image.width()), zoom(finer.height(), image.height()));
            points = points.scaled(x, y);
            region = region.scaled(x, y);
            fit = onto_template(&points.five).ok_or(FaceError::NoFace)?;
            image = Cow::Owned(finer);
        }
        let faces = found.len() as u32;
        if !embed {
            self.times.align += clock.elapsed();
            return Ok(Seen { image, turns, region, confidence, points, fit, faces, other_face, template: None });
        }
        self.embedder.align(&image, &fit, &mut self.scratch);
        self.times.align += clock.elapsed();

        go_on()?;
        let clock = Instant::now();
        let raw = self.embedder.embed()?;
        let template = Template::from_raw(self.pack.recipe(), &raw)
            .map_err(|_| FaceError::Inference("the embedding is zero or not finite".into()))?;
        self.times.embed += clock.elapsed();
        Ok(Seen { image, turns, region, confidence, points, fit, faces, other_face, template: Some(template) })
    }

    /// Faces in the picture as it is, or else with a margin around it.
    fn detect(
        &mut self,
        image: &RgbImage,
        go_on: &dyn Fn() -> Result<(), FaceError>,
    ) -> Result<Vec<Detection>, FaceError> {
        for margin in MARGINS {
            go_on()?;
            let found = self.detector.find(image, margin, &mut self.scratch)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        // Too dark or too bright to see: look again with the light spread out.
        if let Some(spread) = spread(image) {
            go_on()?;
            let found = self.detector.find(&spread, MARGINS[0], &mut self.scratch)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Err(match exposure(image) {
            Exposure::Burnt => FaceError::TooBright,
            Exposure::Black => FaceError::TooDark,
            Exposure::Fair => FaceError::NoFace,
        })
    }

    /// The picture again, as finely decoded as the face needs, where it was
    /// decoded too coarsely.
    fn sharpen(
        &self,
        photo: &[u8],
        coarse: &Decoded,
        fit: &Similarity,
        turns: u8,
    ) -> Result<Option<RgbImage>, FaceError> {
        let sharpness = 1.0 / fit.scale();
        if coarse.scale <= 1 || sharpness >= SHARPNESS_MIN {
            return Ok(None);
        }
        let mut scale = coarse.scale;
        while scale > 1 && sharpness * ((coarse.scale / scale) as f32) < SHARPNESS_MIN {
            scale /= 2;
        }
        let short_side = coarse.full_size.0.min(coarse.full_size.1);
        let fine = imaging::decode_scaled(photo, &self.limits, short_side / scale)?;
        match turns {
            0 => Ok(Some(fine.image)),
            _ => Ok(turned(&fine.image, turns)),
        }
    }

    fn pose(
        &mut self,
        image: &RgbImage,
        face: &Region,
        go_on: &dyn Fn() -> Result<(), FaceError>,
    ) -> Result<Option<super::Pose>, FaceError> {
        go_on()?;
        let Some(spec) = &self.pack.manifest().pose else { return Ok(None) };
        let network = match &mut self.pose {
            Some(network) => network,
            slot => {
                let network = bytes(&self.pack, spec)
                    .and_then(|bytes| PoseNetwork::load(&self.environment, spec, &bytes, Effort::Run))
                    .map_err(|e| FaceError::Inference(e.to_string()))?;
                slot.insert(network)
            }
        };
        network.estimate(image, face, &mut self.scratch).map(Some)
    }

    fn liveness(
        &mut self,
        image: &RgbImage,
        face: &Region,
        go_on: &dyn Fn() -> Result<(), FaceError>,
    ) -> Result<Option<f32>, FaceError> {
        go_on()?;
        let Some(spec) = &self.pack.manifest().liveness else { return Ok(None) };
        let network = match &mut self.liveness {
            Some(network) => network,
            slot => {
                let network = bytes(&self.pack, spec)
                    .and_then(|bytes| LivenessNetwork::load(&self.environment, spec, &bytes, Effort::Run))
                    .map_err(|e| FaceError::Inference(e.to_string()))?;
                slot.insert(network)
            }
        };
        network.score(image, face, &mut self.scratch).map(Some)
    }
}

/// Pixels of the file per pixel of the picture the face was cut from, across and down.
fn zoom(coarse: &Decoded, seen: &Seen) -> (f32, f32) {
    let (width, height) = sides(&seen.image, seen.turns);
    (coarse.full_size.0 as f32 / width, coarse.full_size.1 as f32 / height)
}

/// What quality needs to know of a face.
fn facts<'a>(seen: &'a Seen, coarse: &Decoded) -> quality::Seen<'a> {
    let whole = Region::of(seen.image.width(), seen.image.height());
    let (fx, fy) = zoom(coarse, seen);
    quality::Seen {
        points: &seen.points,
        fit: &seen.fit,
        inside: seen.region.within(&whole).map_or(0.0, |inside| inside.area()) / seen.region.area(),
        detection: seen.confidence,
        eye_distance: distance(seen.points.five[0], seen.points.five[1]) * (fx * fy).sqrt(),
        norm: seen.template.as_ref().map(Template::norm),
    }
}

fn bytes(pack: &Pack, spec: &NetworkSpec) -> Result<Arc<[u8]>, PackError> {
    pack.bytes(spec.role).ok_or_else(|| PackError::MissingFile { path: pack.dir().join(&spec.file) })
}

/// Eyes, nose and mouth must be in the picture: what is made up beyond its edge
/// is nobody's face; where the box stays clear of the edges, points outside are only
/// wrong, as those of a turned head often are. Detectors squeeze the box of a face cut by the edge into
/// what is left of it, and the points with it; so a box at the edge must also
/// have the shape of a face.
fn check_whole(region: &Region, points: &Five, fit: &Similarity, image: &RgbImage) -> Result<(), FaceError> {
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
fn check_size(fit: &Similarity, scale: u32) -> Result<(), FaceError> {
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
