//! `pack.toml`: bytes in, a checked [`Manifest`] out. Pure, so that it can be
//! fuzzed; files are the business of [`super::Pack`].

mod raw;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use self::raw::{RawManifest, bad};
use super::error::PackError;
use super::role::Role;
use super::template::RecipeDigest;
use crate::typed;

/// Versions of the manifest format read here: 1 has one `[embedder]`, 2 has one or more
/// `[[embedders]]` and may have a `[projection]`.
const VERSIONS: std::ops::RangeInclusive<u32> = 1..=2;
/// Longest name of a file, input or output, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// Longest template, in values.
const DIMENSION_MAX: usize = 4096;
/// Most embedders of a pack.
const EMBEDDERS_MAX: usize = 4;

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

/// An embedder and its share in the template.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbedderSpec {
    /// The network.
    pub network: NetworkSpec,
    /// Values it gives.
    pub dimension: usize,
    /// Whether the embedding is the mean of the face's and its mirror image's.
    pub mirrored: bool,
    /// Weight of its cosine in the comparison score, above 0; the weights of all
    /// embedders of a pack are divided by their sum.
    pub weight: f32,
}

/// A matrix that the scaled embeddings, one behind the other, are multiplied by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionSpec {
    /// Its file, a plain name inside the pack's folder: `.npy`, float32, one row for each
    /// value of the template, one column for each value of the embedders, and perhaps a last
    /// one that is added to the product.
    pub file: String,
    /// SHA-256 of that file.
    pub sha256: [u8; 32],
    /// Values of the template.
    pub dimension: usize,
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
    /// Make the template: each from the same aligned face. The first one's length says
    /// how sure it is (see [`Family::ArcFace112`]).
    pub embedders: Vec<EmbedderSpec>,
    /// Applied to their values, where the pack has one.
    pub projection: Option<ProjectionSpec>,
    /// Head pose, where the pack has it.
    pub pose: Option<NetworkSpec>,
    /// Liveness, where the pack has it.
    pub liveness: Option<NetworkSpec>,
}

impl Manifest {
    /// Longest manifest, in bytes.
    pub const BYTES_MAX: u64 = 64 << 10;

    /// Reads the bytes of a `pack.toml`.
    ///
    /// Everything is checked that can be without opening the files it names:
    /// version, families, digests, plain file names, finite normalisation.
    ///
    /// # Errors
    /// [`PackError`] for what is not TOML, and for the first key that is missing, unknown or out of
    /// range.
    pub fn parse(bytes: &[u8]) -> Result<Self, PackError> {
        if bytes.len() as u64 > Self::BYTES_MAX {
            return Err(bad(format!("it has {} bytes, at most {} make sense", bytes.len(), Self::BYTES_MAX)));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| bad("it is not UTF-8 text"))?;
        // The version comes first: a newer format may hold anything else.
        let table: toml::Table = toml::from_str(text).map_err(|e| bad(typed::plain(e.message())))?;
        match table.get("version").and_then(toml::Value::as_integer) {
            Some(found) if VERSIONS.map(i64::from).any(|known| known == found) => {}
            Some(found) => return Err(PackError::Version { found, known: *VERSIONS.end() }),
            None => return Err(bad("`version` is missing")),
        }
        let raw: RawManifest = table.try_into().map_err(|e: toml::de::Error| bad(typed::plain(e.message())))?;
        raw.check()
    }

    /// Every network, in the order of the pipeline.
    pub fn networks(&self) -> impl Iterator<Item = &NetworkSpec> {
        std::iter::once(&self.detector)
            .chain(&self.landmarks)
            .chain(self.embedders.iter().map(|embedder| &embedder.network))
            .chain(&self.pose)
            .chain(&self.liveness)
    }

    /// Values in a template.
    pub fn dimension(&self) -> usize {
        match &self.projection {
            Some(projection) => projection.dimension,
            None => self.embedded_dimension(),
        }
    }

    /// Values that the embedders give together.
    pub(super) fn embedded_dimension(&self) -> usize {
        self.embedders.iter().map(|embedder| embedder.dimension).sum()
    }

    /// Length of an embedding below which the picture may be turned.
    pub(super) fn norm_sure(&self) -> Option<f32> {
        match self.embedders.first()?.network.family {
            Family::ArcFace112 { norm_sure, .. } => norm_sure,
            _ => None,
        }
    }

    /// Digest of everything that moves a template: the files of the networks a
    /// picture goes through, what they are fed, how the face is aligned, what is averaged,
    /// weighed and projected. Pose and liveness are not part of it.
    pub fn recipe(&self) -> RecipeDigest {
        let mut text = format!("chinhchu recipe 1\n{METHOD}\n");
        self.detector.describe(&mut text);
        match &self.landmarks {
            Some(spec) => spec.describe(&mut text),
            None => text.push_str("landmarks: the detector's five\n"),
        }
        // A single embedder's weight moves nothing, and the recipes of packs that have one
        // are older than weights.
        let fused = self.embedders.len() > 1;
        for embedder in &self.embedders {
            embedder.network.describe(&mut text);
            if fused {
                text.push_str(&format!("weight={:08x}\n", embedder.weight.to_bits()));
            }
        }
        if let Some(ProjectionSpec { sha256, dimension, .. }) = &self.projection {
            text.push_str(&format!("projection: {dimension} sha256={}\n", RecipeDigest(*sha256)));
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
