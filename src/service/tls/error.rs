//! Why the files of TLS cannot be used: which file, what is wrong with it, what to do.

use std::fmt;
use std::path::{Path, PathBuf};

/// What a file of TLS is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFile {
    /// The own certificate and those it was signed with.
    Certificate,
    /// The key of the own certificate.
    Key,
    /// The authorities that sign servers' certificates.
    ServerCa,
    /// The authorities that sign the certificates of clients.
    ClientCa,
    /// A list of revoked certificates of clients.
    ClientCrl,
}

/// A file of TLS that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError {
    file: TlsFile,
    path: PathBuf,
    found: String,
    remedy: String,
}

impl TlsError {
    pub(super) fn new(file: TlsFile, path: &Path, found: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self { file, path: path.to_owned(), found: found.to_string(), remedy: remedy.to_string() }
    }

    /// What the file is for.
    pub fn file(&self) -> TlsFile {
        self.file
    }
}

/// One line: the file, what is wrong, what to do.
impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, found, remedy, .. } = self;
        write!(f, "{}: {found}; {remedy}", path.display())
    }
}

impl std::error::Error for TlsError {}
