//! What loading files of anchors gives: sources, skipped certificates, errors.

use std::path::PathBuf;

use super::ParseError;
use super::master_list::{MasterListError, Voucher};

/// What to do about a certificate that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unreadable {
    /// Leave it out and list it in [`Anchors::skipped`](super::Anchors::skipped): cards that need it are UNANCHORED at best,
    /// others are not affected.
    #[default]
    Skip,
    /// Load nothing.
    Stop,
}

/// A certificate that was left out, as it could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The file it is in.
    pub name: String,
    /// 1-based number of the certificate in the file; `None` where the file holds a single one.
    pub number: Option<usize>,
    /// Why it could not be read.
    pub error: ParseError,
}

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.number {
            Some(number) => write!(f, "certificate {number} of {} cannot be read: {}", self.name, self.error),
            None => write!(f, "{} cannot be read: {}", self.name, self.error),
        }
    }
}

/// What was loaded from one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorSource {
    /// File name, or the name given to [`Anchors::add_bytes`](super::Anchors::add_bytes).
    pub name: String,
    /// What it is.
    pub kind: SourceKind,
    /// Certificates in it, those already known included.
    pub certificates: usize,
}

/// What kind of file a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// A certificate of a country authority, or a link certificate.
    Authority,
    /// A document signer's certificate: never an anchor.
    Signer,
    /// A master list whose signature holds.
    MasterList {
        /// How it is signed.
        scheme: String,
        /// Who vouches for its signer.
        voucher: Voucher,
    },
    /// A revocation list.
    RevocationList {
        /// How many certificates it revokes.
        revoked: usize,
    },
}

/// Why anchors could not be loaded. Nothing is dropped silently: what is not
/// fatal is in [`Anchors::skipped`](super::Anchors::skipped).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is neither certificate, master list nor revocation list, and must not be skipped: it
    /// is the only file, or by its name or PEM label a revocation list, without which revoked
    /// signers would pass.
    #[error("{name} is not a certificate, a master list or a revocation list: {source}")]
    Unreadable {
        /// The file.
        name: String,
        /// Why.
        source: ParseError,
    },
    /// A master list that must not be used.
    #[error("{name}: {source}")]
    MasterList {
        /// The file.
        name: String,
        /// Why.
        source: MasterListError,
    },
    /// Nothing to trust was found.
    #[error("no country certificate (.cer, .crt, .der, .pem) and no master list (.ml) in {0}")]
    Nothing(PathBuf),
    /// Too many or too large files.
    #[error("{0} is too large for a folder or file of certificates")]
    TooLarge(PathBuf),
}
