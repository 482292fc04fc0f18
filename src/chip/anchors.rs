//! The country certificates an operator trusts: loaded once, shared by all.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::crypto::Scheme;
use super::master_list::{LIST_BYTES_MAX, MasterList, MasterListError, Voucher};
use super::name::Name;
use super::x509::{Certificate, RevocationList};
use super::{ParseError, pem};

/// Most files read from a folder of certificates.
const FOLDER_FILES_MAX: usize = 10_000;
/// Endings of the files read from a folder; others are passed over.
const ENDINGS: [&str; 8] = ["cer", "crt", "cert", "der", "pem", "ml", "crl", "csca"];

/// Country certificates (CSCA), link certificates, revocation lists, and
/// document signers supplied for cards that do not carry theirs.
#[derive(Default)]
pub struct Anchors {
    pub(super) authorities: Vec<Authority>,
    pub(super) by_subject: HashMap<Name, Vec<usize>>,
    pub(super) by_key_id: HashMap<Vec<u8>, Vec<usize>>,
    pub(super) lists: Vec<Revocations>,
    signers: Vec<Certificate>,
    known: HashSet<Vec<u8>>,
    sources: Vec<AnchorSource>,
}

/// One certificate that may issue others.
pub(super) struct Authority {
    pub certificate: Certificate,
    pub source: String,
    /// Found out when first needed: hundreds are loaded, few are used.
    self_signed: OnceLock<bool>,
}

impl Authority {
    /// Whether its own key signed it.
    pub fn is_self_signed(&self) -> bool {
        *self.self_signed.get_or_init(|| {
            self.certificate.is_self_issued() && self.certificate.verify_by(&self.certificate.key).is_ok()
        })
    }

    /// Whether it is the same authority's certificate for a new key, signed by
    /// its earlier one (Russia hands these out as its CSCA certificate). The
    /// operator who installs it vouches for it. One that names its own key, or
    /// none, and is not signed by it is damaged instead.
    pub fn is_renewal(&self) -> bool {
        let earlier = self.certificate.extensions.authority_key_id.as_ref();
        self.certificate.is_self_issued() && earlier.is_some_and(|id| !self.certificate.has_key_id(id))
    }

    /// Whether a chain may end here. Anything else is a link from one name to
    /// another and must lead to an anchor.
    pub fn is_anchor(&self) -> bool {
        self.is_self_signed() || self.is_renewal()
    }
}

/// A revocation list, and the authorities whose key signed it.
pub(super) struct Revocations {
    pub list: RevocationList,
    signed_by: OnceLock<Vec<usize>>,
}

impl Revocations {
    pub fn signed_by(&self, authorities: &[Authority]) -> &[usize] {
        self.signed_by.get_or_init(|| {
            let named = authorities.iter().enumerate().filter(|(_, one)| one.certificate.subject == self.list.issuer);
            named.filter(|(_, one)| self.list.verify_by(&one.certificate.key)).map(|(index, _)| index).collect()
        })
    }
}

/// What one file gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorSource {
    /// The file's name, or what the caller called it.
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

/// Why anchors could not be loaded. Nothing is dropped silently: one broken
/// file stops the loading, and is named.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is neither certificate, master list nor revocation list.
    #[error("{name} is not a certificate, a master list or a revocation list: {source}")]
    Unreadable {
        /// Which.
        name: String,
        /// Why.
        source: ParseError,
    },
    /// A master list that must not be used.
    #[error("{name}: {source}")]
    MasterList {
        /// Which.
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

impl Anchors {
    /// No anchors: every card is UNANCHORED at best.
    pub fn none() -> Self {
        Self::default()
    }

    /// Loads a file, or every certificate, master list and revocation list of a
    /// folder (not of its sub-folders).
    pub fn load(path: &Path) -> Result<Self, AnchorError> {
        let io = |source| AnchorError::Io { path: path.to_owned(), source };
        let mut files = Vec::new();
        if std::fs::metadata(path).map_err(io)?.is_dir() {
            for entry in std::fs::read_dir(path).map_err(io)? {
                let file = entry.map_err(io)?.path();
                let ending = file.extension().map(|ending| ending.to_string_lossy().to_lowercase());
                if file.is_file() && ending.is_some_and(|ending| ENDINGS.contains(&&*ending)) {
                    files.push(file);
                }
                if files.len() > FOLDER_FILES_MAX {
                    return Err(AnchorError::TooLarge(path.to_owned()));
                }
            }
            files.sort();
        } else {
            files.push(path.to_owned());
        }
        let mut out = Self::default();
        let mut lists = Vec::new();
        for file in files {
            let io = |source| AnchorError::Io { path: file.clone(), source };
            if std::fs::metadata(&file).map_err(io)?.len() > LIST_BYTES_MAX as u64 {
                return Err(AnchorError::TooLarge(file));
            }
            let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            let bytes = std::fs::read(&file).map_err(io)?;
            // Master lists come last: a certificate beside them may vouch for them.
            match out.add(&name, &bytes)? {
                Added::Done => {}
                Added::MasterList(list) => lists.push((name, list)),
            }
        }
        for (name, list) in lists {
            out.add_master_list(&name, list)?;
        }
        if out.authorities.is_empty() { Err(AnchorError::Nothing(path.to_owned())) } else { Ok(out) }
    }

    /// Adds one certificate, master list or revocation list, in DER, BER or
    /// PEM. `name` is for reports.
    pub fn add_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<(), AnchorError> {
        match self.add(name, bytes)? {
            Added::Done => Ok(()),
            Added::MasterList(list) => self.add_master_list(name, list),
        }
    }

    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<Added, AnchorError> {
        let unreadable = |source| AnchorError::Unreadable { name: name.to_owned(), source };
        let blocks = pem::decode(bytes).map_err(unreadable)?;
        for block in &blocks {
            if pem::is_signed_data(block) {
                let list = MasterList::parse(block);
                let list = list.map_err(|source| AnchorError::MasterList { name: name.to_owned(), source })?;
                return Ok(Added::MasterList(list));
            }
            let kind = match Certificate::parse(block) {
                Ok(certificate) => self.add_certificate(name, certificate),
                Err(error) => {
                    // A revocation list is told from a certificate by what is in it.
                    let list = RevocationList::parse(block).map_err(|_| unreadable(error))?;
                    let revoked = list.len();
                    self.lists.push(Revocations { list, signed_by: OnceLock::new() });
                    SourceKind::RevocationList { revoked }
                }
            };
            let certificates = usize::from(!matches!(kind, SourceKind::RevocationList { .. }));
            self.sources.push(AnchorSource { name: name.to_owned(), kind, certificates });
        }
        Ok(Added::Done)
    }

    fn add_certificate(&mut self, source: &str, certificate: Certificate) -> SourceKind {
        let authority = certificate.may_sign_certificates();
        if self.known.insert(certificate.fingerprint()) {
            if authority {
                let index = self.authorities.len();
                self.by_subject.entry(certificate.subject.clone()).or_default().push(index);
                if let Some(id) = &certificate.extensions.subject_key_id {
                    self.by_key_id.entry(id.clone()).or_default().push(index);
                }
                self.authorities.push(Authority {
                    certificate,
                    source: source.to_owned(),
                    self_signed: OnceLock::new(),
                });
            } else {
                self.signers.push(certificate);
            }
        }
        if authority { SourceKind::Authority } else { SourceKind::Signer }
    }

    fn add_master_list(&mut self, name: &str, list: MasterList) -> Result<(), AnchorError> {
        let supplied = self.authorities.iter().map(|one| &one.certificate);
        let (scheme, voucher) =
            list.verify(supplied).map_err(|source| AnchorError::MasterList { name: name.to_owned(), source })?;
        let certificates = list.certificates.len();
        for certificate in list.certificates {
            self.add_certificate(name, certificate);
        }
        let kind = SourceKind::MasterList { scheme: scheme_name(scheme), voucher };
        self.sources.push(AnchorSource { name: name.to_owned(), kind, certificates });
        Ok(())
    }

    /// What was loaded, file by file.
    pub fn sources(&self) -> &[AnchorSource] {
        &self.sources
    }

    /// Number of certificates that may issue others, links included, each once.
    pub fn len(&self) -> usize {
        self.authorities.len()
    }

    /// Whether there is nothing to trust.
    pub fn is_empty(&self) -> bool {
        self.authorities.is_empty()
    }

    /// Number of self-signed certificates among them. Checks every signature:
    /// for reports, not for every card.
    pub fn self_signed(&self) -> usize {
        self.authorities.iter().filter(|one| one.is_self_signed()).count()
    }

    /// Document signers' certificates supplied beside the anchors.
    pub fn signers(&self) -> &[Certificate] {
        &self.signers
    }
}

impl std::fmt::Debug for Anchors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Anchors({} certificates, {} revocation lists)", self.authorities.len(), self.lists.len())
    }
}

enum Added {
    Done,
    MasterList(MasterList),
}

fn scheme_name(scheme: Scheme) -> String {
    scheme.describe()
}
