//! Where the issuer's keys are read: a file, or the issuer itself.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::Uri;

use super::super::fetch::{FetchError, Fetcher};
use crate::access::token::{
    DISCOVERY_BYTES_MAX, DiscoveryError, KEY_SET_BYTES_MAX, KeySet, KeySetError, KeysFrom, SkippedKey, TokenSettings,
    keys_address,
};
use crate::regular;

/// Why the keys could not be read. The text of an error about a file begins with the key of the
/// configuration that names it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The file of keys, or of certificates, cannot be used.
    #[error("{key}: {}: {why}", .path.display())]
    File {
        /// `access.tokens.keys` or `access.tokens.ca`
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The issuer's discovery document cannot be had or is not to be believed.
    #[error("the issuer's discovery document at {at}: {why}")]
    Discovery {
        /// Its address.
        at: Uri,
        /// What is wrong.
        why: String,
    },
    /// Its key set cannot be had or is none.
    #[error("the issuer's keys at {at}: {why}")]
    Keys {
        /// Their address.
        at: Uri,
        /// What is wrong.
        why: String,
    },
}

/// Whether the keys of a file, by their digest, may take the place of others while the server runs;
/// where not, why.
pub type KeysApproval = Arc<dyn Fn([u8; 32]) -> Result<(), String> + Send + Sync>;

/// Token settings whose files were read and found good.
pub struct OpenedTokens {
    pub(super) settings: TokenSettings,
    pub(super) source: Source,
    /// Keys of a file.
    pub(super) keys: Option<KeySet>,
    /// Which file that was.
    pub(super) mark: Option<FileMark>,
    /// See [`Self::digest`].
    digest: Option<[u8; 32]>,
}

/// Where keys are read.
#[derive(Clone)]
pub(super) enum Source {
    File { path: PathBuf, approval: Option<KeysApproval> },
    Issuer { issuer: String, discovery: Uri, fetcher: Fetcher, refresh: Duration, max_age: Duration },
}

/// What an issuer answered.
pub(super) struct Answered {
    pub keys: KeySet,
    pub json: Vec<u8>,
}

/// What tells that a file was replaced or written.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct FileMark {
    inode: u64,
    bytes: u64,
    modified: Option<SystemTime>,
}

impl OpenedTokens {
    /// Reads the files that the settings name: key set and certificates. Asks nobody; blocks.
    ///
    /// # Errors
    /// [`KeysError::File`].
    pub fn open(settings: TokenSettings) -> Result<Self, KeysError> {
        match settings.keys.clone() {
            KeysFrom::File(path) => {
                // Looked at before it is read: one that changes meanwhile is read again.
                let mark = mark(&path);
                let keys = read_file(&path)?;
                let digest = Some(keys.digest());
                Ok(Self { settings, source: Source::File { path, approval: None }, keys: Some(keys), mark, digest })
            }
            KeysFrom::Issuer { discovery, ca, refresh, max_age } => {
                let key = "access.tokens.ca";
                if let Some(path) = &ca {
                    check_writers(key, path)?;
                }
                let (fetcher, digest) = Fetcher::new(ca.as_deref()).map_err(|error| KeysError::File {
                    key,
                    path: ca.unwrap_or_else(|| "the system's certificates".into()),
                    why: format!("{error}; name a PEM file with the certificates of the issuer's authority"),
                })?;
                let issuer = settings.rules.issuer().to_owned();
                let source = Source::Issuer { issuer, discovery, fetcher, refresh, max_age };
                Ok(Self { settings, source, keys: None, mark: None, digest })
            }
        }
    }

    /// The same, where a file of keys that changes while the server runs is first shown to
    /// `approval`. An issuer's keys are not: it answers for them.
    #[must_use]
    pub fn approved_by(mut self, approval: KeysApproval) -> Self {
        if let Source::File { approval: of_file, .. } = &mut self.source {
            *of_file = Some(approval);
        }
        self
    }

    /// SHA-256 of the file that decides whose tokens are believed, as it was read: of keys, or of the
    /// issuer's authorities. `None` where the system's authorities answer for the issuer.
    pub fn digest(&self) -> Option<[u8; 32]> {
        self.digest
    }

    /// The keys of the file, where one is named: for the log.
    pub fn keys(&self) -> Option<&KeySet> {
        self.keys.as_ref()
    }
}

/// The key set in a file.
pub(super) fn read_file(path: &Path) -> Result<KeySet, KeysError> {
    let key = "access.tokens.keys";
    let bad = |why: String| KeysError::File { key, path: path.to_owned(), why };
    let unreadable = |error: io::Error| bad(format!("{error}; save the issuer's key set (jwks_uri) there"));
    let json = regular::read(path, KEY_SET_BYTES_MAX as u64).map_err(unreadable)?;
    check_writers(key, path)?;
    let keys = KeySet::parse(&json).map_err(|error: KeySetError| bad(error.to_string()))?;
    if keys.skipped().any(|(why, _)| why == SkippedKey::Secret) {
        return Err(bad("it holds a secret key; save the issuer's public key set (jwks_uri) there".to_owned()));
    }
    if keys.is_empty() {
        let why = keys.skipped().next().map_or_else(|| "it is empty".to_owned(), |(why, _)| why.to_string());
        return Err(bad(format!("no key in it can be used ({why}); save the issuer's key set (jwks_uri) there")));
    }
    Ok(keys)
}

/// The same, where they are approved.
pub(super) fn read_approved(
    path: &Path,
    approval: impl Fn([u8; 32]) -> Result<(), String>,
) -> Result<KeySet, KeysError> {
    let keys = read_file(path)?;
    match approval(keys.digest()) {
        Ok(()) => Ok(keys),
        Err(why) => Err(KeysError::File { key: "access.tokens.keys", path: path.to_owned(), why }),
    }
}

/// Refuses a file that others than its owner may write: they could make themselves anybody.
fn check_writers(key: &'static str, path: &Path) -> Result<(), KeysError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.mode() & 0o022 != 0 => Err(KeysError::File {
            key,
            path: path.to_owned(),
            why: "others may write it, and so make tokens of anybody; chmod go-w".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Which file there is now; `None` where there is none.
pub(super) fn mark(path: &Path) -> Option<FileMark> {
    let metadata = fs::metadata(path).ok()?;
    Some(FileMark { inode: metadata.ino(), bytes: metadata.len(), modified: metadata.modified().ok() })
}

/// Asks the issuer for its discovery document and the keys it names.
pub(super) async fn ask(fetcher: &Fetcher, discovery: &Uri, issuer: &str) -> Result<Answered, KeysError> {
    let of_discovery = |why: String| KeysError::Discovery { at: discovery.clone(), why };
    let document = fetcher.get(discovery, DISCOVERY_BYTES_MAX).await;
    let document = document.map_err(|error: FetchError| of_discovery(error.to_string()))?;
    let at = keys_address(&document, issuer).map_err(|error: DiscoveryError| of_discovery(error.to_string()))?;
    let of_keys = |why: String| KeysError::Keys { at: at.clone(), why };
    let json = fetcher.get(&at, KEY_SET_BYTES_MAX).await.map_err(|error| of_keys(error.to_string()))?;
    let keys = KeySet::parse(&json).map_err(|error| of_keys(error.to_string()))?;
    Ok(Answered { keys, json })
}
