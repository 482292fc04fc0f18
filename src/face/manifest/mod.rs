//! `pack.toml`: bytes in, a checked [`Manifest`] out. Pure, so that it can be
//! fuzzed; files are the business of [`super::Pack`].

mod raw;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use self::raw::{RawManifest, bad};
use super::{PackError, RecipeDigest};

/// Version of the manifest format read here.
const VERSION: u32 = 1;
/// Longest manifest, in bytes.
pub(super) const MANIFEST_BYTES_MAX: u64 = 64 << 10;
/// Longest name of a file, input or output, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// Longest template, in values.
const DIMENSION_MAX: usize = 4096;

/// How pixels become a template, apart from the networks: crop rules, alignment
/// and resampling. Part of the recipe; raise it with every change that moves
/// templates.
const METHOD: &str = "arcface-five-points similarity method-2";

/// Colour planes a network takes, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Luma of ITU-R BT.601.
    Grey,
}

impl Colour {
    /// Number of planes.
    pub fn planes(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Grey => 1,
        }
    }
}

/// What a network is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Finds faces.
    Detector,
    /// Finds eyes, nose and mouth in a face.
    Landmarks,
    /// Turns an aligned face into numbers.
    Embedder,
    /// Estimates where the head points.
    Pose,
    /// Tells a live face from a picture of one.
    Liveness,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Detector => "detector",
            Self::Landmarks => "landmarks",
            Self::Embedder => "embedder",
            Self::Pose => "pose",
            Self::Liveness => "liveness",
        })
    }
}

/// How a network's input and output are to be read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Family {
    /// UltraFace: `scores` and `boxes` already decoded, 0…1 of the input.
    UltraFace,
    /// YuNet: anchor-free maps at strides 8, 16 and 32, with five points.
    YuNet,
    /// PFLD: 68 points in the face's box.
    Pfld68,
    /// Any embedder of 112x112 faces aligned to ArcFace's template.
    ArcFace112 {
        /// Values it gives.
        dimension: usize,
        /// Whether the embedding is the mean of the face's and its mirror image's.
        mirrored: bool,
        /// Length that the embedding of an upright frontal face nearly always has.
        /// Below it other quarter turns of the picture are tried too.
        norm_sure: Option<f32>,
    },
    /// HopeNet: three times 66 bins of 3 degrees.
    HopeNet66,
    /// MiniFASNet: logits, one of which is "live".
    MiniFasNet {
        /// The crop is the face's box grown by this factor about its centre.
        box_scale: f32,
        /// Index of the logit for a live face.
        live_class: usize,
    },
}

impl Family {
    /// The name it has in `pack.toml`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::UltraFace => "ultraface",
            Self::YuNet => "yunet",
            Self::Pfld68 => "pfld68",
            Self::ArcFace112 { .. } => "arcface112",
            Self::HopeNet66 => "hopenet66",
            Self::MiniFasNet { .. } => "minifasnet",
        }
    }
}

/// One network of a pack.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkSpec {
    /// What it is for.
    pub role: Role,
    /// How to talk to it.
    pub family: Family,
    /// Its file, a plain name inside the pack's folder.
    pub file: String,
    /// SHA-256 of that file.
    pub sha256: [u8; 32],
    /// Terms it may be used under.
    pub licence: String,
    /// Where it comes from.
    pub source: String,
    /// Name of its input.
    pub input: String,
    /// Names of its outputs, in the order the family defines.
    pub outputs: Vec<String>,
    /// Planes of its input.
    pub colour: Colour,
    /// Subtracted from each 0…255 value, per plane.
    pub mean: [f32; 3],
    /// Divides what is left, per plane.
    pub divisor: [f32; 3],
}

/// A checked `pack.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Name of the pack.
    pub name: String,
    /// One line about it.
    pub description: String,
    /// Name of its calibration file, inside the pack's folder.
    pub calibration: Option<String>,
    /// Name of its quality model, inside the pack's folder.
    pub quality: Option<String>,
    /// Finds faces.
    pub detector: NetworkSpec,
    /// Finds the points; `None` takes those of the detector.
    pub landmarks: Option<NetworkSpec>,
    /// Makes the template.
    pub embedder: NetworkSpec,
    /// Head pose, where the pack has it.
    pub pose: Option<NetworkSpec>,
    /// Liveness, where the pack has it.
    pub liveness: Option<NetworkSpec>,
}

impl Manifest {
    /// Reads the bytes of a `pack.toml`.
    ///
    /// Everything is checked that can be without opening the files it names:
    /// version, families, digests, plain file names, finite normalisation.
    pub fn parse(bytes: &[u8]) -> Result<Self, PackError> {
        if bytes.len() as u64 > MANIFEST_BYTES_MAX {
            return Err(bad(format!("it has {} bytes, at most {MANIFEST_BYTES_MAX} make sense", bytes.len())));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| bad("it is not UTF-8 text"))?;
        // The version comes first: a newer format may hold anything else.
        let table: toml::Table = toml::from_str(text).map_err(|e| bad(e.message()))?;
        match table.get("version").and_then(toml::Value::as_integer) {
            Some(found) if found == i64::from(VERSION) => {}
            Some(found) => return Err(PackError::Version { found, known: VERSION }),
            None => return Err(bad("`version` is missing")),
        }
        let raw: RawManifest = table.try_into().map_err(|e: toml::de::Error| bad(e.message()))?;
        debug_assert_eq!(raw.version, VERSION);
        raw.check()
    }

    /// Every network, in the order of the pipeline.
    pub fn networks(&self) -> impl Iterator<Item = &NetworkSpec> {
        std::iter::once(&self.detector)
            .chain(&self.landmarks)
            .chain(std::iter::once(&self.embedder))
            .chain(&self.pose)
            .chain(&self.liveness)
    }

    /// Values in a template.
    pub fn dimension(&self) -> usize {
        match self.embedder.family {
            Family::ArcFace112 { dimension, .. } => dimension,
            // `check` lets no other family embed.
            _ => 0,
        }
    }

    /// Length of an embedding below which the picture may be turned.
    pub(super) fn norm_sure(&self) -> Option<f32> {
        match self.embedder.family {
            Family::ArcFace112 { norm_sure, .. } => norm_sure,
            _ => None,
        }
    }

    /// Digest of everything that moves a template: the files of the networks a
    /// picture goes through, what they are fed, how the face is aligned and
    /// averaged. Pose and liveness are not part of it.
    pub fn recipe(&self) -> RecipeDigest {
        let mut text = format!("chinhchu recipe 1\n{METHOD}\n");
        for spec in [Some(&self.detector), self.landmarks.as_ref(), Some(&self.embedder)] {
            match spec {
                Some(spec) => spec.describe(&mut text),
                None => text.push_str("landmarks: the detector's five\n"),
            }
        }
        RecipeDigest(Sha256::digest(text.as_bytes()).into())
    }
}

impl NetworkSpec {
    /// One line of the recipe. Floats as bits: no rounding, one spelling.
    fn describe(&self, text: &mut String) {
        use std::fmt::Write;
        let bits = |values: &[f32; 3]| values.map(|v| format!("{:08x}", v.to_bits())).join(",");
        let (mean, divisor) = (bits(&self.mean), bits(&self.divisor));
        let _ = writeln!(
            text,
            "{}: {:?} sha256={} colour={:?} mean={mean} divisor={divisor} outputs={}",
            self.role,
            self.family,
            RecipeDigest(self.sha256),
            self.colour,
            self.outputs.join(","),
        );
    }
}
