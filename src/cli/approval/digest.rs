//! The digest that operators approve: of everything a server decides by, and of who may call it.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Settings, SetupArgs};
use crate::chip::Anchors;
use crate::cli::Failure;
use crate::cli::tls;
use crate::matching::CurveChoice;
use crate::regular;
use crate::service::token_keys::OpenedTokens;

/// Largest file of a model pack that goes into the digest, in bytes.
const PACK_BYTES_MAX: u64 = 16 << 20;
/// Files of a model pack that say what its scores mean. Its networks are named by their digests in
/// `pack.toml`.
const PACK_FILES: [&str; 3] = ["pack.toml", "calibration.toml", "quality.toml"];

/// The files that say whom a server knows, by SHA-256. What a part of the server has read itself
/// stands here as it was read, so that what is approved is what comes into force.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::cli) struct CallerFiles {
    /// Keys of tokens, or the authorities that answer for their issuer.
    pub tokens: Option<[u8; 32]>,
    /// Authorities of clients' certificates.
    pub authorities: Option<[u8; 32]>,
}

impl CallerFiles {
    /// As they are now.
    pub(in crate::cli) fn read(settings: &Settings) -> Result<Self, Failure> {
        Ok(Self { tokens: Self::read_tokens(settings)?, authorities: Self::read_authorities(settings)? })
    }

    /// Of the token keys as they were read, and the authorities as they are now.
    pub(in crate::cli) fn with_tokens(tokens: Option<[u8; 32]>, settings: &Settings) -> Result<Self, Failure> {
        Ok(Self { tokens, authorities: Self::read_authorities(settings)? })
    }

    /// Of the authorities as they were read, and the token keys as they are now.
    pub(in crate::cli) fn with_authorities(of: Option<[u8; 32]>, settings: &Settings) -> Result<Self, Failure> {
        Ok(Self { tokens: Self::read_tokens(settings)?, authorities: of })
    }

    fn read_tokens(settings: &Settings) -> Result<Option<[u8; 32]>, Failure> {
        let Some(tokens) = settings.access.as_ref().and_then(|access| access.tokens.clone()) else { return Ok(None) };
        let opened = OpenedTokens::open(tokens).map_err(|error| settings.origin.explain(Failure::new(error)))?;
        Ok(opened.digest())
    }

    fn read_authorities(settings: &Settings) -> Result<Option<[u8; 32]>, Failure> {
        tls::client_authorities(settings)
    }
}

/// Digest of what decisions are made by and who may call: the configuration as written, what was
/// typed in place of it, country certificates, model packs with their calibrations, keys of tokens,
/// authorities of clients, and the rules about dangerous set-ups that are insisted on. Revocation
/// lists are left out: their issuers sign them, and they change every day. So is the server's own
/// certificate, which lets nobody in.
pub(super) fn digest(
    settings: &Settings,
    typed: &SetupArgs,
    anchors: &Anchors,
    callers: CallerFiles,
) -> Result<[u8; 32], Failure> {
    let mut digest = Sha256::new();
    let mut field = |name: &str, value: &[u8]| {
        digest.update((name.len() as u64).to_le_bytes());
        digest.update(name);
        digest.update((value.len() as u64).to_le_bytes());
        digest.update(value);
    };
    field("configuration", &settings.origin.digest());
    field("certificates", &anchors.certificates_digest());
    let packs = [Some(settings.pack_folder()?), settings.second_pack().map(Path::to_owned)];
    for folder in packs.into_iter().flatten() {
        for name in PACK_FILES {
            let path = folder.join(name);
            match regular::read(&path, PACK_BYTES_MAX) {
                Ok(bytes) => field(name, &Sha256::digest(bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => field(name, &[]),
                Err(error) => return Err(Failure::new(format_args!("cannot read {}: {error}", path.display()))),
            }
        }
    }
    // As resolved: a flag or a variable goes before the configuration.
    field(
        "curve",
        match settings.curve {
            CurveChoice::WorstGroup => b"worst_group",
            CurveChoice::Pooled => b"pooled",
        },
    );
    field("default_fmr", &settings.default_fmr.to_bits().to_le_bytes());
    field("default_fpir", &settings.default_fpir.to_bits().to_le_bytes());
    field("onnxruntime", path_bytes(settings.onnxruntime()).as_bytes());
    // A typed folder that is the configured one is none of its own.
    let folder = typed
        .data
        .as_ref()
        .filter(|folder| absolute(folder) != settings.data.as_deref().map_or_else(PathBuf::new, absolute));
    field("data", path_bytes(folder.map(PathBuf::as_path)).as_bytes());
    field("token keys", callers.tokens.as_ref().map_or(&[], |digest| digest));
    field("authorities of clients", callers.authorities.as_ref().map_or(&[], |digest| digest));
    let mut insisted: Vec<&str> = typed.insist.iter().chain(&settings.insist).map(|rule| rule.code).collect();
    insisted.sort_unstable();
    insisted.dedup();
    field("insisted", insisted.join(",").as_bytes());
    Ok(digest.finalize().into())
}

fn absolute(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

/// A path that may have been typed from any folder; empty where there is none.
fn path_bytes(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| absolute(path).to_string_lossy().into_owned())
}
