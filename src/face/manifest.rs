//! `pack.toml`: bytes in, a checked [`Manifest`] out. Pure, so that it can be
//! fuzzed; files are the business of [`super::Pack`].

use serde::Deserialize;
use sha2::{Digest, Sha256};

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    version: u32,
    name: String,
    #[serde(default)]
    description: String,
    calibration: Option<String>,
    quality: Option<String>,
    detector: RawNetwork,
    landmarks: RawNetwork,
    embedder: RawNetwork,
    pose: Option<RawNetwork>,
    liveness: Option<RawNetwork>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNetwork {
    family: String,
    file: Option<String>,
    sha256: Option<String>,
    licence: Option<String>,
    source: Option<String>,
    input: Option<String>,
    outputs: Option<Vec<String>>,
    colour: Option<Colour>,
    mean: Option<Vec<f32>>,
    divisor: Option<Vec<f32>>,
    dimension: Option<usize>,
    mirrored: Option<bool>,
    norm_sure: Option<f32>,
    box_scale: Option<f32>,
    live_class: Option<usize>,
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

impl RawManifest {
    fn check(self) -> Result<Manifest, PackError> {
        if self.name.is_empty() || self.name.len() > NAME_BYTES_MAX || self.name.chars().any(char::is_control) {
            return Err(bad("`name` is empty, too long or has control characters"));
        }
        for name in self.calibration.iter().chain(&self.quality) {
            check_file_name(name)?;
        }
        let landmarks = if self.landmarks.family == "detector" {
            if self.landmarks.file.is_some() || self.landmarks.sha256.is_some() {
                return Err(bad("[landmarks] of family \"detector\" has no file of its own"));
            }
            None
        } else {
            Some(self.landmarks.check(Role::Landmarks)?)
        };
        let detector = self.detector.check(Role::Detector)?;
        if landmarks.is_none() && detector.family != Family::YuNet {
            return Err(bad(format!(
                "[landmarks] asks for the detector's points, but a detector of family \"{}\" gives none",
                detector.family.name()
            )));
        }
        Ok(Manifest {
            name: self.name,
            description: self.description,
            calibration: self.calibration,
            quality: self.quality,
            detector,
            landmarks,
            embedder: self.embedder.check(Role::Embedder)?,
            pose: self.pose.map(|raw| raw.check(Role::Pose)).transpose()?,
            liveness: self.liveness.map(|raw| raw.check(Role::Liveness)).transpose()?,
        })
    }
}

impl RawNetwork {
    fn check(self, role: Role) -> Result<NetworkSpec, PackError> {
        let known: &[&str] = match role {
            Role::Detector => &["ultraface", "yunet"],
            Role::Landmarks => &["pfld68", "detector"],
            Role::Embedder => &["arcface112"],
            Role::Pose => &["hopenet66"],
            Role::Liveness => &["minifasnet"],
        };
        if !known.contains(&self.family.as_str()) {
            return Err(PackError::UnknownFamily { role, family: printable(&self.family), known: known.join(", ") });
        }
        if role != Role::Embedder && (self.dimension.is_some() || self.mirrored.is_some() || self.norm_sure.is_some()) {
            return Err(bad(format!("[{role}] has no `dimension`, `mirrored` or `norm_sure`")));
        }
        if role != Role::Liveness && (self.box_scale.is_some() || self.live_class.is_some()) {
            return Err(bad(format!("[{role}] has no `box_scale` or `live_class`")));
        }
        let (family, outputs_needed) = match self.family.as_str() {
            "ultraface" => (Family::UltraFace, 2),
            "yunet" => (Family::YuNet, 12),
            "pfld68" => (Family::Pfld68, 1),
            "hopenet66" => (Family::HopeNet66, 3),
            "arcface112" => {
                let dimension = self.dimension.ok_or_else(|| missing(role, "dimension"))?;
                if !(1..=DIMENSION_MAX).contains(&dimension) {
                    return Err(bad(format!("[{role}] `dimension` is not within 1…{DIMENSION_MAX}")));
                }
                if self.norm_sure.is_some_and(|norm| !(0.0..1e6).contains(&norm)) {
                    return Err(bad(format!("[{role}] `norm_sure` is no length")));
                }
                let (mirrored, norm_sure) = (self.mirrored.unwrap_or(false), self.norm_sure);
                (Family::ArcFace112 { dimension, mirrored, norm_sure }, 1)
            }
            _ => {
                let box_scale = self.box_scale.ok_or_else(|| missing(role, "box_scale"))?;
                let live_class = self.live_class.ok_or_else(|| missing(role, "live_class"))?;
                if !(0.5..=8.0).contains(&box_scale) || live_class >= 16 {
                    return Err(bad(format!("[{role}] `box_scale` is not within 0.5…8, or `live_class` above 15")));
                }
                (Family::MiniFasNet { box_scale, live_class }, 1)
            }
        };
        let file = self.file.ok_or_else(|| missing(role, "file"))?;
        check_file_name(&file)?;
        let sha256 = self.sha256.ok_or_else(|| missing(role, "sha256"))?;
        let RecipeDigest(sha256) =
            sha256.parse().map_err(|_| bad(format!("[{role}] `sha256` is not 64 hexadecimal digits")))?;
        let outputs = self.outputs.ok_or_else(|| missing(role, "outputs"))?;
        let input = self.input.ok_or_else(|| missing(role, "input"))?;
        if outputs.len() != outputs_needed {
            return Err(bad(format!(
                "[{role}] names {} outputs, family \"{}\" has {outputs_needed}",
                outputs.len(),
                family.name()
            )));
        }
        if outputs.iter().chain([&input]).any(|n| n.is_empty() || n.len() > NAME_BYTES_MAX || n.contains('\0')) {
            return Err(bad(format!("[{role}] names an input or output that cannot be one")));
        }
        let colour = self.colour.ok_or_else(|| missing(role, "colour"))?;
        if (role == Role::Landmarks) != (colour == Colour::Grey) {
            return Err(bad(format!("[{role}] does not take the colour order {colour:?}")));
        }
        let mean = per_plane(role, "mean", self.mean)?;
        let divisor = per_plane(role, "divisor", self.divisor)?;
        if divisor.iter().any(|d| *d < 1e-3) {
            return Err(bad(format!("[{role}] `divisor` is not above zero")));
        }
        Ok(NetworkSpec {
            role,
            family,
            file,
            sha256,
            licence: self.licence.ok_or_else(|| missing(role, "licence"))?,
            source: self.source.ok_or_else(|| missing(role, "source"))?,
            input,
            outputs,
            colour,
            mean,
            divisor,
        })
    }
}

fn per_plane(role: Role, name: &'static str, values: Option<Vec<f32>>) -> Result<[f32; 3], PackError> {
    let values = values.ok_or_else(|| missing(role, name))?;
    let planes = match values[..] {
        [all] => [all; 3],
        [a, b, c] => [a, b, c],
        _ => return Err(bad(format!("[{role}] `{name}` has {} numbers; give one, or three", values.len()))),
    };
    if planes.iter().all(|v| v.abs() <= 1e4) {
        Ok(planes)
    } else {
        Err(bad(format!("[{role}] `{name}` is not a number a picture can be normalised with")))
    }
}

/// A plain name: no folder, no way out of the pack's own.
fn check_file_name(name: &str) -> Result<(), PackError> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if plain && !name.is_empty() && !name.starts_with('.') && name.len() <= NAME_BYTES_MAX {
        Ok(())
    } else {
        Err(PackError::UnsafePath { name: printable(name) })
    }
}

/// Text from a manifest, safe to print and short.
fn printable(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_default).collect()
}

fn missing(role: Role, field: &str) -> PackError {
    bad(format!("[{role}] has no `{field}`"))
}

fn bad(detail: impl Into<String>) -> PackError {
    PackError::Manifest { detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &str = include_str!("../../models/default/pack.toml");
    const YUNET: &str = include_str!("../../models/yunet/pack.toml");

    #[test]
    fn the_packs_that_come_with_the_program_parse() {
        let default = Manifest::parse(DEFAULT.as_bytes()).unwrap();
        assert_eq!((default.dimension(), default.networks().count()), (512, 5));
        let yunet = Manifest::parse(YUNET.as_bytes()).unwrap();
        assert!(yunet.landmarks.is_none());
        assert_ne!(default.recipe(), yunet.recipe());
    }

    #[test]
    fn the_recipe_changes_with_what_moves_a_template_and_with_nothing_else() {
        let recipe = |text: &str| Manifest::parse(text.as_bytes()).unwrap().recipe();
        let base = recipe(DEFAULT);
        let moved = [
            ("\"bgr\"", "\"rgb\""),
            ("mean = [127.0]", "mean = [127.5]"),
            ("divisor = [256.0]", "divisor = [255.0]"),
            ("dimension = 512", "dimension = 512\nmirrored = true"),
            ("norm_sure = 3.0", "norm_sure = 2.5"),
            ("sha256 = \"f10b", "sha256 = \"f10c"),
        ];
        for (from, to) in moved {
            assert_ne!(recipe(&DEFAULT.replacen(from, to, 1)), base, "{from} -> {to}");
        }
        let unmoved = [
            ("name = \"default\"", "name = \"other\""),
            ("sha256 = \"afa7", "sha256 = \"afa8"),
            ("box_scale = 2.7", "box_scale = 4.0"),
            ("file = \"fr_feature.onnx\"", "file = \"renamed.onnx\""),
        ];
        for (from, to) in unmoved {
            assert_eq!(recipe(&DEFAULT.replacen(from, to, 1)), base, "{from} -> {to}");
        }
    }

    #[test]
    fn a_file_outside_the_pack_is_refused() {
        for name in ["../fr_detect.onnx", "/etc/passwd", "a/b.onnx", "..", ".hidden", "", "a\\\\b.onnx"] {
            let text = DEFAULT.replacen("\"fr_detect.onnx\"", &format!("\"{name}\""), 1);
            let error = Manifest::parse(text.as_bytes()).unwrap_err();
            assert!(matches!(error, PackError::UnsafePath { .. }), "{name}: {error}");
        }
    }

    #[test]
    fn an_unknown_family_is_named_with_those_that_are_known() {
        let text = DEFAULT.replacen("\"ultraface\"", "\"retinaface\"", 1);
        let error = Manifest::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(error, PackError::UnknownFamily { role: Role::Detector, .. }));
        let said = error.to_string();
        assert!(said.contains("retinaface") && said.contains("ultraface, yunet"), "{said}");
    }

    #[test]
    fn a_newer_manifest_says_that_it_is_newer() {
        let text = DEFAULT.replacen("version = 1", "version = 2\nnews = true", 1);
        assert!(matches!(Manifest::parse(text.as_bytes()), Err(PackError::Version { found: 2, .. })));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let cases = [
            ("dimension = 512", "dimension = 0"),
            ("dimension = 512", "dimensions = 512"),
            ("norm_sure = 3.0", "norm_sure = -1.0"),
            ("divisor = [256.0]", "divisor = [0.0]"),
            ("divisor = [256.0]", "divisor = [nan]"),
            ("mean = [127.0]", "mean = [127.0, 1.0]"),
            ("sha256 = \"6c", "sha256 = \"zz"),
            ("\"pfld68\"", "\"detector\""),
            ("\"grey\"", "\"rgb\""),
            ("outputs = [\"scores\", \"boxes\"]", "outputs = [\"scores\"]"),
            ("[detector]", "[detektor]"),
            ("name = \"default\"", "name = \"\""),
        ];
        for (from, to) in cases {
            let text = DEFAULT.replacen(from, to, 1);
            assert_ne!(text, DEFAULT, "{from}");
            let error = Manifest::parse(text.as_bytes()).unwrap_err();
            assert!(matches!(error, PackError::Manifest { .. }), "{to}: {error}");
        }
        assert!(Manifest::parse(&[0xff; 10]).is_err());
        assert!(Manifest::parse(&vec![b' '; 1 << 20]).is_err());
    }
}
