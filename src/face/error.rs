//! Why a picture gives no template, and why a model pack cannot be used.

use std::path::{Path, PathBuf};

use super::role::Role;
use super::template::RecipeDigest;
use crate::imaging::ImageError;

/// Why a picture gave no template.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FaceError {
    /// The bytes did not become a picture.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// No face was found, not in quarter turns either.
    #[error("no face was found; take the photo again, from the front and in even light")]
    NoFace,
    /// No face was found, and the picture is burnt out.
    #[error("no face was found, and most of the photo is burnt out; use less light and take it again")]
    TooBright,
    /// No face was found, and the picture is black.
    #[error("no face was found, and most of the photo is black; use more light and take it again")]
    TooDark,
    /// Eyes, nose or mouth lie outside the picture.
    #[error("the face is cut off by the edge of the photo; take it again with the whole face inside")]
    FaceCut,
    /// The face has too few pixels to be compared.
    #[error(
        "the face is too small ({eye_distance:.0} pixels between the eyes, at least {eye_distance_min:.0} needed); move closer"
    )]
    FaceTooSmall {
        /// Distance between the eyes, in pixels.
        eye_distance: f32,
        /// What is needed.
        eye_distance_min: f32,
    },
    /// A network failed or gave numbers that are not finite.
    #[error("the model pack failed on this photo ({0}); check the pack with `chinhchu models verify`")]
    Inference(String),
    /// The caller is gone; the work was dropped.
    #[error("the request was cancelled")]
    Cancelled,
}

impl FaceError {
    /// Whether the picture itself is why: whoever looks at it again, with this model pack,
    /// finds the same. Not so where a network failed, the work was dropped, or a limit that
    /// the operator sets was passed.
    pub fn is_of_the_picture(&self) -> bool {
        match self {
            Self::Image(
                ImageError::TooManyBytes { .. } | ImageError::TooManyPixels { .. } | ImageError::TooMuchMemory { .. },
            )
            | Self::Inference(_)
            | Self::Cancelled => false,
            Self::Image(_)
            | Self::NoFace
            | Self::TooBright
            | Self::TooDark
            | Self::FaceCut
            | Self::FaceTooSmall { .. } => true,
        }
    }
}

/// Why a model pack cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// There is no such folder, or no `pack.toml` in it.
    #[error("no model pack at {path} (no readable pack.toml: {detail}); name its folder with --pack or CHINHCHU_PACK")]
    NoPack {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// The manifest is not one.
    #[error("pack.toml makes no sense: {detail}; restore it from where the pack came from")]
    Manifest {
        /// What is wrong with it.
        detail: String,
    },
    /// The manifest is of another version.
    #[error("pack.toml has version {found}, this program reads {known}; use the program the pack was made for")]
    Version {
        /// Version in the file.
        found: i64,
        /// Version read here.
        known: u32,
    },
    /// A family this program does not know.
    #[error("pack.toml: [{role}] has the unknown family \"{family}\"; known are {known}")]
    UnknownFamily {
        /// Whose family.
        role: Role,
        /// What it says.
        family: String,
        /// What it may say.
        known: String,
    },
    /// A file name that could lead out of the pack's folder.
    #[error("pack.toml: \"{name}\" is not a plain file name; put the file into the pack's folder")]
    UnsafePath {
        /// What it says.
        name: String,
    },
    /// A network's file is not there.
    #[error("the model pack lacks {path}; run scripts/setup to fetch it")]
    MissingFile {
        /// The file.
        path: PathBuf,
    },
    /// A network's file cannot be read.
    #[error("cannot read {path}: {detail}; check the file and its permissions")]
    UnreadableFile {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        detail: String,
    },
    /// A network's file is not the one the manifest names.
    #[error(
        "{path} was altered or is another file (SHA-256 {found}, pack.toml says {expected}); delete it and run scripts/setup"
    )]
    AlteredFile {
        /// The file.
        path: PathBuf,
        /// Digest the manifest gives.
        expected: RecipeDigest,
        /// Digest of the file.
        found: RecipeDigest,
    },
    /// ONNX Runtime cannot be had.
    #[error(
        "ONNX Runtime cannot be loaded: {detail}; run scripts/setup, or name the library with CHINHCHU_ONNXRUNTIME"
    )]
    Runtime {
        /// Where it was looked for and what went wrong.
        detail: String,
    },
    /// A network does not fit what the manifest says of it.
    #[error("the {role} network {file} does not fit its pack.toml: {detail}; correct pack.toml or use another pack")]
    Network {
        /// What it is for.
        role: Role,
        /// Its file.
        file: String,
        /// Where they differ.
        detail: String,
    },
    /// The pack's projection is not what its manifest says.
    #[error("the projection {path} does not fit its pack.toml: {detail}; correct pack.toml or restore the file")]
    Projection {
        /// Its file.
        path: PathBuf,
        /// Where they differ.
        detail: String,
    },
    /// The pack's quality model is not there.
    #[error("the model pack lacks its quality model {path}; {}", quality_remedy(path))]
    MissingQuality {
        /// Its file.
        path: PathBuf,
    },
    /// The pack's quality model was fitted on faces of another recipe.
    #[error(
        "the quality model {path} is for recipe {found}, the model pack makes {expected}; {}",
        quality_remedy(path)
    )]
    QualityOfAnotherRecipe {
        /// Its file.
        path: PathBuf,
        /// Recipe in the file.
        found: String,
        /// Recipe of the pack.
        expected: RecipeDigest,
    },
    /// The pack's quality model cannot be used.
    #[error("the quality model {path} cannot be used: {detail}; {}", quality_remedy(path))]
    Quality {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The operating system gave no thread.
    #[error("cannot start a worker thread: {detail}; allow the program more threads or ask for fewer workers")]
    Thread {
        /// What the system said.
        detail: String,
    },
}

/// What to do about a quality model that cannot be used.
fn quality_remedy(path: &Path) -> String {
    let pack = path.parent().unwrap_or(Path::new("PACK")).display();
    format!(
        "restore it from where the pack came from, or fit one for this pack (`cargo run --release --example \
         fit_quality -- MANIFEST --pack {pack} --date YYYY-MM-DD`, MANIFEST as scripts/lib/cfp-dev names it)"
    )
}
