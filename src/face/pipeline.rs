//! One picture through every step, on one thread.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ort::environment::Environment;

use super::aligned::onto_template;
use super::detect::{Detection, Detector, SECOND_FACE_SIDE, choose};
use super::embed::{Embedders, Embedding};
use super::found_face::{FoundFace, check_size, check_whole};
use super::geometry::{Region, Similarity};
use super::landmarks::{Landmarks, Points};
use super::manifest::NetworkSpec;
use super::picture::{Exposure, exposure, spread, turned};
use super::pose_and_liveness::{LivenessNetwork, PoseNetwork};
use super::quality::{self, Crop, FaceMeasurements, Study};
use super::role::Role;
use super::runtime::{self, Effort, Source};
use super::sample::Scratch;
use super::{Analysis, FaceError, FacePrint, FaceReport, Pack, PackError, PoolOptions, Rect, Template, Wants};
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
/// A picture is taken as turned only where the embedding gets longer by this
/// factor. UltraFace finds every upside-down face as well: of `cfp-dev`'s frontal
/// photos this keeps all upright ones and rights 95 to 99 % of turned ones.
const TURN_GAIN_MIN: f32 = 1.2;
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
    pub pose_and_liveness: Duration,
}

/// The pipeline on the calling thread: what a worker of a
/// [`FacePool`](super::FacePool) runs, for benchmarks and offline tools.
pub struct Pipeline {
    environment: Environment,
    pack: Arc<Pack>,
    limits: Limits,
    detector: Detector,
    landmarks: Option<Landmarks>,
    embedders: Embedders,
    pose: Option<PoseNetwork>,
    liveness: Option<LivenessNetwork>,
    crop: Crop,
    scratch: Scratch,
    times: StageTimes,
}

impl Pipeline {
    /// Loads the networks that make templates; pose and liveness are loaded when
    /// first asked for. `options.workers` and `queue_max` mean nothing here.
    ///
    /// # Errors
    /// [`PackError`] where ONNX Runtime is missing or a network does not load or run.
    pub fn new(pack: &Pack, options: &PoolOptions) -> Result<Self, PackError> {
        Self::with(Arc::new(pack.clone()), options)
    }

    pub(super) fn with(pack: Arc<Pack>, options: &PoolOptions) -> Result<Self, PackError> {
        let environment = runtime::environment(options.onnxruntime.as_deref())?;
        let manifest = pack.manifest();
        let source = |spec| source(&pack, &environment, spec, Effort::Run);
        let detector = Detector::load(&source(&manifest.detector)?)?;
        let landmarks = match &manifest.landmarks {
            Some(spec) => Some(Landmarks::load(&source(spec)?)?),
            None => None,
        };
        let embedders = Embedders::load(manifest, pack.projection(), source)?;
        Ok(Self {
            environment,
            limits: options.limits,
            detector,
            landmarks,
            embedders,
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
            PoseNetwork::load(&source(pack, environment, spec, Effort::Inspect)?)?;
        }
        if let Some(spec) = &pack.manifest().liveness {
            LivenessNetwork::load(&source(pack, environment, spec, Effort::Inspect)?)?;
        }
        Ok(())
    }

    /// Makes a session of every network and checks that it fits the manifest, as starting
    /// does; runs none.
    ///
    /// # Errors
    /// [`PackError::Runtime`] where ONNX Runtime cannot be loaded, [`PackError::Network`] for
    /// the first network that does not fit.
    pub fn inspect(pack: &Pack, onnxruntime: Option<&Path>) -> Result<(), PackError> {
        let environment = runtime::environment(onnxruntime)?;
        let manifest = pack.manifest();
        let source = |spec| source(pack, &environment, spec, Effort::Inspect);
        Detector::load(&source(&manifest.detector)?)?;
        if let Some(spec) = &manifest.landmarks {
            Landmarks::load(&source(spec)?)?;
        }
        Embedders::load(manifest, None, source)?;
        Self::inspect_late_networks(pack, &environment)
    }

    /// Encoded photo to template and report.
    ///
    /// # Errors
    /// [`FaceError`] where the bytes are no picture, or hold no face that can be used.
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
        let (report, template, print) = self.look_at(photo, wants, true, cancelled)?;
        let template = template.ok_or_else(|| FaceError::Inference("the face was not embedded".into()))?;
        Ok(Analysis { template, report, print })
    }

    /// What can be said of a photo without embedding the face: for the capture
    /// screen, at the price of the detector and of quality.
    ///
    /// Quarter turns are only tried where no face is found.
    ///
    /// # Errors
    /// As [`Pipeline::analyze`].
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
        self.look_at(photo, wants, false, cancelled).map(|(report, ..)| report)
    }

    /// Everything a quality model is fitted on; the pose network is asked where wanted.
    ///
    /// # Errors
    /// As [`Pipeline::analyze`].
    pub fn study(&mut self, photo: &[u8], wants: Wants) -> Result<Study, FaceError> {
        let go_on = || Ok(());
        let coarse = imaging::decode_scaled(photo, &self.limits, SEARCH_SIDE_MIN)?;
        let seen = self.upright(photo, &coarse, true, &go_on)?;
        let pose = if wants.pose { self.pose(&seen.image, &seen.region, &go_on)? } else { None };
        let light = self.crop.measure(&seen.image, &seen.fit, &mut self.scratch);
        let template = seen.template.clone().ok_or_else(|| FaceError::Inference("no embedding".into()))?;
        Ok(Study::new(&seen.facts(&coarse), light, template, pose))
    }

    fn look_at(
        &mut self,
        photo: &[u8],
        wants: Wants,
        embed: bool,
        cancelled: &AtomicBool,
    ) -> Result<(FaceReport, Option<Template>, FacePrint), FaceError> {
        let go_on = || if cancelled.load(Ordering::Relaxed) { Err(FaceError::Cancelled) } else { Ok(()) };
        self.times = StageTimes::default();
        go_on()?;
        let clock = Instant::now();
        let coarse = imaging::decode_scaled(photo, &self.limits, SEARCH_SIDE_MIN)?;
        self.times.decode += clock.elapsed();

        let seen = self.upright(photo, &coarse, embed, &go_on)?;
        let FoundFace { image, turns, region, .. } = &seen;

        go_on()?;
        let clock = Instant::now();
        let quality = if wants.quality { self.quality(&coarse, &seen) } else { None };
        self.times.quality = clock.elapsed();
        let clock = Instant::now();
        let pose = if wants.pose { self.pose(image, region, &go_on)? } else { None };
        let liveness = if wants.liveness { self.liveness(image, region, &go_on)? } else { None };
        self.times.pose_and_liveness = clock.elapsed();

        let (width, height) = coarse.full_size;
        let (face, cut) = seen.in_file(&coarse);
        let report = FaceReport {
            format: coarse.format,
            width,
            height,
            face: Rect { left: face.left, top: face.top, width: face.width, height: face.height },
            detection: seen.confidence,
            eye_distance: seen.facts(&coarse).eye_distance,
            quarter_turns: *turns,
            faces: seen.faces,
            second_face: seen.other_face >= SECOND_FACE_SIDE,
            cut,
            norm: seen.template.as_ref().map(Template::norm),
            quality,
            live: None,
            flaws: Vec::new(),
            pose,
            liveness,
        };
        Ok((report, seen.template, seen.print))
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
            Role::Embedder => self.embedders.rerun(),
            Role::Pose => self.pose.as_mut()?.rerun(),
            Role::Liveness => self.liveness.as_mut()?.rerun(),
        }
        .ok()?;
        Some(clock.elapsed())
    }

    fn quality(&mut self, coarse: &Decoded, seen: &FoundFace<'_>) -> Option<quality::Quality> {
        let pack = Arc::clone(&self.pack);
        let model = pack.quality()?;
        let light = self.crop.measure(&seen.image, &seen.fit, &mut self.scratch);
        let measured = FaceMeasurements {
            light: &light,
            jpeg_quality: coarse.jpeg_quality,
            // Scaled decoding takes the blocks away.
            blockiness: (coarse.scale == 1).then(|| quality::blockiness(&seen.image, &seen.region)).flatten(),
            other_face: seen.other_face,
        };
        Some(quality::assess(model, &seen.facts(coarse), &measured))
    }

    /// The face as the picture stands; in quarter turns too, where none was found
    /// or where the embedding is so short that the picture may be turned.
    fn upright<'a>(
        &mut self,
        photo: &[u8],
        coarse: &'a Decoded,
        embed: bool,
        go_on: &dyn Fn() -> Result<(), FaceError>,
    ) -> Result<FoundFace<'a>, FaceError> {
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
        let mut best: Option<FoundFace<'a>> = None;
        for turns in 1..4 {
            match self.look(photo, coarse, turns, embed, go_on) {
                Ok(seen) => {
                    let norm_min = best.as_ref().map_or(norm_min, FoundFace::norm);
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
    ) -> Result<FoundFace<'a>, FaceError> {
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
            return Ok(FoundFace {
                image,
                turns,
                region,
                confidence,
                points,
                fit,
                faces,
                other_face,
                template: None,
                print: FacePrint::default(),
            });
        }
        self.embedders.align(&image, &fit, &mut self.scratch);
        self.times.align += clock.elapsed();

        go_on()?;
        let clock = Instant::now();
        let print = self.embedders.print();
        let Embedding { values, norm } = self.embedders.embed()?;
        let template = Template::from_raw(self.pack.recipe(), &values)
            .map_err(|_| FaceError::Inference("the embedding is zero or not finite".into()))?
            .with_norm(norm);
        self.times.embed += clock.elapsed();
        Ok(FoundFace {
            image,
            turns,
            region,
            confidence,
            points,
            fit,
            faces,
            other_face,
            template: Some(template),
            print,
        })
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
        let source = || source(&self.pack, &self.environment, spec, Effort::Run);
        let network = loaded(&mut self.pose, || PoseNetwork::load(&source()?))?;
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
        let source = || source(&self.pack, &self.environment, spec, Effort::Run);
        let network = loaded(&mut self.liveness, || LivenessNetwork::load(&source()?))?;
        network.score(image, face, &mut self.scratch).map(Some)
    }
}

/// The network in `slot`, loaded where it is not yet.
fn loaded<N>(slot: &mut Option<N>, load: impl FnOnce() -> Result<N, PackError>) -> Result<&mut N, FaceError> {
    match slot {
        Some(network) => Ok(network),
        slot => Ok(slot.insert(load().map_err(|e| FaceError::Inference(e.to_string()))?)),
    }
}

fn source<'a>(
    pack: &Pack,
    environment: &'a Environment,
    spec: &'a NetworkSpec,
    effort: Effort,
) -> Result<Source<'a>, PackError> {
    let missing = || PackError::MissingFile { path: pack.dir().join(&spec.file) };
    Ok(Source { environment, spec, bytes: pack.bytes(spec).ok_or_else(missing)?, effort })
}
