//! A model pack: a folder with a `pack.toml` and the networks it names, each
//! checked against its SHA-256. Whether it can be used is found when it is loaded, for
//! every file it names ([`Pack::load`], [`Pack::inspect`]), and where its networks become
//! sessions, for whether they fit the manifest. What runs is made of the bytes that were checked:
//! they are read once, rewritten to run faster ([`super::graph`]), and kept so.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::error::PackError;
use super::graph::{check, prepared};
use super::manifest::{Manifest, NetworkSpec, ProjectionSpec};
use super::projection::Projection;
use super::quality::{QualityError, QualityModel};
use super::template::RecipeDigest;
use crate::regular;

/// Largest network file, in bytes. The largest ArcFace nets have about 260 MB.
const NETWORK_BYTES_MAX: u64 = 512 << 20;

/// Largest projection, in bytes: 4,096 by 4,096 float32 values and their header.
const PROJECTION_BYTES_MAX: u64 = (64 << 20) + 4096;

/// Longest quality model, in bytes.
const QUALITY_BYTES_MAX: u64 = 256 << 10;

/// A model pack, read from its `pack.toml` and verified file by file.
#[derive(Clone)]
pub struct Pack {
    dir: PathBuf,
    manifest: Manifest,
    recipe: RecipeDigest,
    /// One per network, in the order of [`Manifest::networks`], as it runs.
    files: Vec<Arc<[u8]>>,
    projection: Option<Arc<Projection>>,
    quality: Option<Arc<QualityModel>>,
}

/// A file that a pack is loaded from.
#[derive(Debug)]
pub struct Inspected {
    /// Its name, inside the pack's folder.
    pub file: String,
    /// What it is for: the role of a network, `projection` or `quality`.
    pub role: String,
    /// Why the pack cannot be loaded with it, if it cannot.
    pub fault: Option<PackError>,
}

impl Pack {
    /// Reads `dir/pack.toml`, checks every network and the projection against its SHA-256,
    /// and reads the quality model.
    ///
    /// # Errors
    /// [`PackError`] for the first file that cannot be used: networks in the order of
    /// [`Manifest::networks`], then the projection, then the quality model.
    pub fn load(dir: &Path) -> Result<Self, PackError> {
        let mut pack = Self::load_to_fit(dir)?;
        pack.quality = read_quality(dir, &pack.manifest)?.map(Arc::new);
        Ok(pack)
    }

    /// Reads every file that [`Pack::load`] reads, by the same code, and goes on after one
    /// that cannot be used: what is wrong with each, in the order they are read.
    pub fn inspect(dir: &Path, manifest: &Manifest) -> Vec<Inspected> {
        let networks = manifest.networks().map(|spec| Inspected {
            file: spec.file.clone(),
            role: spec.role.to_string(),
            fault: read_network(dir, spec).err(),
        });
        let projection = manifest.projection.iter().map(|spec| Inspected {
            file: spec.file.clone(),
            role: "projection".to_owned(),
            fault: read_projection(dir, manifest, spec).err(),
        });
        let quality = manifest.quality.iter().map(|file| Inspected {
            file: file.clone(),
            role: "quality".to_owned(),
            fault: read_quality(dir, manifest).err(),
        });
        networks.chain(projection).chain(quality).collect()
    }

    /// The quality model that `manifest`, of a pack in `dir`, names; `None` where it names
    /// none.
    ///
    /// # Errors
    /// [`PackError`] where its file is missing, of another recipe, or makes no sense.
    pub fn quality_of(dir: &Path, manifest: &Manifest) -> Result<Option<QualityModel>, PackError> {
        read_quality(dir, manifest)
    }

    /// The same as [`Pack::load`] without the quality model: what one is fitted with.
    ///
    /// # Errors
    /// As [`Pack::load`].
    pub fn load_to_fit(dir: &Path) -> Result<Self, PackError> {
        let no_pack = |e: std::io::Error| PackError::NoPack { path: dir.to_owned(), detail: e.to_string() };
        let bytes = regular::read(&dir.join("pack.toml"), Manifest::BYTES_MAX).map_err(no_pack)?;
        let manifest = Manifest::parse(&bytes)?;
        let files = manifest
            .networks()
            .map(|spec| Ok(prepared(&read_network(dir, spec)?, spec).into()))
            .collect::<Result<_, PackError>>()?;
        let projection = manifest.projection.as_ref().map(|spec| read_projection(dir, &manifest, spec)).transpose()?;
        let projection = projection.map(Arc::new);
        let recipe = manifest.recipe();
        Ok(Self { dir: dir.to_owned(), manifest, recipe, files, projection, quality: None })
    }

    /// The folder it was loaded from.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// What its `pack.toml` says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Digest of the recipe its templates are made by.
    pub fn recipe(&self) -> RecipeDigest {
        self.recipe
    }

    /// Values in a template.
    pub fn dimension(&self) -> usize {
        self.manifest.dimension()
    }

    /// Where its calibration is, if it names one.
    pub fn calibration(&self) -> Option<PathBuf> {
        self.manifest.calibration.as_ref().map(|name| self.dir.join(name))
    }

    /// Its quality model, if it has one.
    pub fn quality(&self) -> Option<&QualityModel> {
        self.quality.as_deref()
    }

    /// The network of `spec` as it runs: verified, then rewritten.
    pub(super) fn bytes(&self, spec: &NetworkSpec) -> Option<Arc<[u8]>> {
        self.manifest.networks().zip(&self.files).find(|(of, _)| *of == spec).map(|(_, bytes)| Arc::clone(bytes))
    }

    /// What the embeddings are multiplied by, if the pack says so.
    pub(super) fn projection(&self) -> Option<Arc<Projection>> {
        self.projection.clone()
    }
}

/// The file of a network: the one its manifest names, and a whole network.
fn read_network(dir: &Path, spec: &NetworkSpec) -> Result<Vec<u8>, PackError> {
    let bytes = read_verified(&dir.join(&spec.file), spec.sha256, NETWORK_BYTES_MAX)?;
    check(&bytes).map_err(|detail| PackError::Network { role: spec.role, file: spec.file.clone(), detail })?;
    Ok(bytes)
}

fn read_projection(dir: &Path, manifest: &Manifest, spec: &ProjectionSpec) -> Result<Projection, PackError> {
    let path = dir.join(&spec.file);
    let bytes = read_verified(&path, spec.sha256, PROJECTION_BYTES_MAX)?;
    Projection::read(&bytes, spec.dimension, manifest.embedded_dimension())
        .map_err(|detail| PackError::Projection { path, detail })
}

fn read_quality(dir: &Path, manifest: &Manifest) -> Result<Option<QualityModel>, PackError> {
    let Some(name) = &manifest.quality else { return Ok(None) };
    let path = dir.join(name);
    let bytes = regular::read(&path, QUALITY_BYTES_MAX).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => PackError::MissingQuality { path: path.clone() },
        _ => PackError::UnreadableFile { path: path.clone(), detail: e.to_string() },
    })?;
    let unusable = |detail: &str| PackError::Quality { path: path.clone(), detail: detail.to_owned() };
    let text = std::str::from_utf8(&bytes).map_err(|_| unusable("it is not UTF-8 text"))?;
    match QualityModel::parse(text, manifest.recipe()) {
        Ok(model) => Ok(Some(model)),
        Err(QualityError::Senseless(detail)) => Err(unusable(&detail)),
        Err(QualityError::OtherRecipe { found, expected }) => {
            Err(PackError::QualityOfAnotherRecipe { path, found, expected })
        }
    }
}

/// A whole file whose SHA-256 is the one expected.
fn read_verified(path: &Path, sha256: [u8; 32], bytes_max: u64) -> Result<Vec<u8>, PackError> {
    let bytes = regular::read(path, bytes_max).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => PackError::MissingFile { path: path.to_owned() },
        _ => PackError::UnreadableFile { path: path.to_owned(), detail: e.to_string() },
    })?;
    let found: [u8; 32] = Sha256::digest(&bytes).into();
    if found != sha256 {
        let (expected, found) = (RecipeDigest(sha256), RecipeDigest(found));
        return Err(PackError::AlteredFile { path: path.to_owned(), expected, found });
    }
    Ok(bytes)
}
