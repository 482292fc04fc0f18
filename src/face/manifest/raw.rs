//! `pack.toml` as it is written, and what is checked of it.

use serde::Deserialize;

use super::{
    Colour, DIMENSION_MAX, EMBEDDERS_MAX, EmbedderSpec, Family, Manifest, NAME_BYTES_MAX, NetworkSpec, ProjectionSpec,
    Role,
};
use crate::face::{PackError, RecipeDigest};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawManifest {
    pub(super) version: u32,
    name: String,
    #[serde(default)]
    description: String,
    calibration: Option<String>,
    quality: Option<String>,
    detector: RawNetwork,
    landmarks: RawNetwork,
    /// Version 1.
    embedder: Option<RawNetwork>,
    /// Version 2.
    embedders: Option<Vec<RawNetwork>>,
    projection: Option<RawProjection>,
    pose: Option<RawNetwork>,
    liveness: Option<RawNetwork>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProjection {
    file: String,
    sha256: String,
    dimension: usize,
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
    weight: Option<f32>,
    box_scale: Option<f32>,
    live_class: Option<usize>,
}

impl RawManifest {
    pub(super) fn check(self) -> Result<Manifest, PackError> {
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
        let embedders = embedders(self.version, self.embedder, self.embedders)?;
        let projection = self.projection.map(|raw| raw.check(self.version)).transpose()?;
        let dimension: usize = embedders.iter().map(|embedder| embedder.dimension).sum();
        if dimension > DIMENSION_MAX {
            return Err(bad(format!("the embedders give {dimension} values, at most {DIMENSION_MAX} are read")));
        }
        Ok(Manifest {
            name: self.name,
            description: self.description,
            calibration: self.calibration,
            quality: self.quality,
            detector,
            landmarks,
            embedders,
            projection,
            pose: self.pose.map(|raw| raw.check(Role::Pose)).transpose()?,
            liveness: self.liveness.map(|raw| raw.check(Role::Liveness)).transpose()?,
        })
    }
}

/// The embedders of either version, their weights checked.
fn embedders(
    version: u32,
    one: Option<RawNetwork>,
    several: Option<Vec<RawNetwork>>,
) -> Result<Vec<EmbedderSpec>, PackError> {
    let raw = match (version, one, several) {
        (1, Some(one), None) if one.weight.is_some() => return Err(bad("[embedder] of version 1 has no `weight`")),
        (1, Some(one), None) => vec![one],
        (1, ..) => return Err(bad("version 1 has one [embedder]; several [[embedders]] are of version 2")),
        (_, None, Some(several)) => several,
        _ => return Err(bad("version 2 has [[embedders]] and no [embedder]")),
    };
    if !(1..=EMBEDDERS_MAX).contains(&raw.len()) {
        return Err(bad(format!("it has {} embedders, not 1 to {EMBEDDERS_MAX}", raw.len())));
    }
    let weights: Vec<f32> = raw.iter().map(|raw| raw.weight.unwrap_or(1.0)).collect();
    if weights.iter().any(|weight| !(0.0..=1e6).contains(weight)) {
        return Err(bad("[[embedders]] `weight` is not a number from 0 to 1,000,000"));
    }
    if weights.iter().sum::<f32>() == 0.0 {
        return Err(bad("the weights of the [[embedders]] sum to nothing; give each its share of the score"));
    }
    if weights.iter().any(|weight| *weight < 1e-6) {
        return Err(bad("an embedder of weight 0 takes its time and changes nothing; take it out of [[embedders]]"));
    }
    let checked = raw.into_iter().zip(weights).enumerate().map(|(index, (raw, weight))| {
        if index > 0 && raw.norm_sure.is_some() {
            return Err(bad("`norm_sure` is of the first embedder; the others have none"));
        }
        let network = raw.check(Role::Embedder)?;
        match network.family {
            Family::ArcFace112 { dimension, mirrored, .. } => Ok(EmbedderSpec { network, dimension, mirrored, weight }),
            // `check` lets no other family embed.
            _ => Err(bad("a network of [[embedders]] makes no templates")),
        }
    });
    let checked = checked.collect::<Result<Vec<EmbedderSpec>, PackError>>()?;
    let files: std::collections::HashSet<&str> = checked.iter().map(|e| e.network.file.as_str()).collect();
    if files.len() < checked.len() {
        return Err(bad("two of the [[embedders]] have the same file; name it once, with the sum of the weights"));
    }
    Ok(checked)
}

impl RawProjection {
    fn check(self, version: u32) -> Result<ProjectionSpec, PackError> {
        if version < 2 {
            return Err(bad("a [projection] is of version 2"));
        }
        check_file_name(&self.file)?;
        if !(1..=DIMENSION_MAX).contains(&self.dimension) {
            return Err(bad(format!("[projection] `dimension` is not within 1…{DIMENSION_MAX}")));
        }
        let RecipeDigest(sha256) =
            self.sha256.parse().map_err(|_| bad("[projection] `sha256` is not 64 hexadecimal digits"))?;
        Ok(ProjectionSpec { file: self.file, sha256, dimension: self.dimension })
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
        let embeds =
            self.dimension.is_some() || self.mirrored.is_some() || self.norm_sure.is_some() || self.weight.is_some();
        if role != Role::Embedder && embeds {
            return Err(bad(format!("[{role}] has no `dimension`, `mirrored`, `norm_sure` or `weight`")));
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

pub(super) fn bad(detail: impl Into<String>) -> PackError {
    PackError::Manifest { detail: detail.into() }
}
