//! The trust anchors: country certificates (CSCA) that the operator installed, loaded once and
//! shared by all requests.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

use super::anchor_files::{AnchorError, AnchorSource, Skipped, SourceKind, Unreadable};
use super::crypto::SignatureScheme;
use super::master_list::{LIST_BYTES_MAX, MasterList, MasterListError};
use super::name::Name;
use super::x509::{Certificate, RevocationList};
use super::{ParseError, pem};
use crate::regular;

/// Most files read from a folder of certificates.
const FOLDER_FILES_MAX: usize = 10_000;
/// File extensions read from a folder; files with others are ignored. Certificate bundles (`p7b`,
/// `ldif`, …) are recognised only to report them as unsupported.
const ENDINGS: [&str; 12] = ["cer", "crt", "cert", "der", "pem", "ml", "crl", "csca", "p7b", "p7c", "p7s", "ldif"];

const REVOCATION_LIST: &str = "a revocation list";

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
    skipped: Vec<Skipped>,
    /// SHA-256 of everything loaded, computed on first use.
    pub(super) digest: OnceLock<[u8; 32]>,
}

/// One certificate that may issue others.
pub(super) struct Authority {
    pub certificate: Certificate,
    pub source: String,
    /// Computed on first use: hundreds of certificates are loaded, few are used.
    self_signed: OnceLock<bool>,
}

impl Authority {
    /// Whether the certificate's signature verifies with its own key.
    pub fn is_self_signed(&self) -> bool {
        *self.self_signed.get_or_init(|| {
            self.certificate.is_self_issued() && self.certificate.verify_by(&self.certificate.key).is_ok()
        })
    }

    /// Whether it is a link certificate (ICAO 9303-12, 5): a country's certificate for a new key,
    /// signed by its earlier one, under the same name or a new one of the same country. Where the
    /// earlier key is not installed, the link certificate itself is the anchor, because the
    /// operator chose to install it (Russia publishes nothing else). A certificate that is not
    /// self-signed and yet names no other issuer, neither by name nor by key identifier, is damaged
    /// and is no link.
    pub fn is_link(&self) -> bool {
        let Certificate { subject, issuer, .. } = &self.certificate;
        let earlier = self.certificate.extensions.authority_key_id.as_ref();
        let other_key = earlier.is_some_and(|id| !self.certificate.has_key_id(id));
        let one_country = subject.country().is_some() && subject.country() == issuer.country();
        !self.is_self_signed() && if subject == issuer { other_key } else { one_country }
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

impl Anchors {
    /// No anchors: every card is UNANCHORED at best.
    pub fn none() -> Self {
        Self::default()
    }

    /// Loads a file, or every certificate, master list and revocation list of a
    /// folder (not of its sub-folders). Certificates that cannot be read are left
    /// out and listed in [`Anchors::skipped`].
    ///
    /// # Errors
    /// [`AnchorError`] for a file or folder that cannot be read, and for the first certificate or
    /// list in it that cannot.
    pub fn load(path: &Path) -> Result<Self, AnchorError> {
        Self::load_with(path, Unreadable::Skip)
    }

    /// As [`Anchors::load`], with a choice of what to do about a certificate that cannot be read.
    ///
    /// Whatever `unreadable` says, these are errors: a master list that is damaged or whose
    /// signature is wrong, a revocation list that cannot be read, a file that the system cannot
    /// read, and that no certificate is left.
    ///
    /// # Errors
    /// As [`Anchors::load`], but for what `unreadable` says is to be skipped.
    pub fn load_with(path: &Path, unreadable: Unreadable) -> Result<Self, AnchorError> {
        let io = |source| AnchorError::Io { path: path.to_owned(), source };
        let mut out = Self::default();
        let mut files = Vec::new();
        if std::fs::metadata(path).map_err(io)?.is_dir() {
            for entry in std::fs::read_dir(path).map_err(io)? {
                let file = entry.map_err(io)?.path();
                if ENDINGS.contains(&&*ending(&file)) {
                    files.push(file);
                }
                if files.len() > FOLDER_FILES_MAX {
                    return Err(AnchorError::TooLarge(path.to_owned()));
                }
            }
            files.sort();
            // A folder, pipe or broken link with a certificate's file extension is reported, not
            // ignored.
            let mut regular = Vec::new();
            for file in files {
                match regular::other_kind(&file) {
                    None => regular.push(file),
                    Some(found) => out.skip_no_file(&file, found)?,
                }
            }
            files = regular;
        } else {
            files.push(path.to_owned());
        }
        let mut lists = Vec::new();
        for file in files {
            let io = |source| AnchorError::Io { path: file.clone(), source };
            let ending = ending(&file);
            // LDIF exports of the ICAO PKD are large; their file extension says enough.
            let is_bundle = ending == "ldif";
            if std::fs::metadata(&file).map_err(io)?.len() > LIST_BYTES_MAX as u64 && !is_bundle {
                return Err(AnchorError::TooLarge(file));
            }
            let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            let mut bytes = Vec::new();
            let open = regular::open(&file).map_err(io)?;
            open.take(LIST_BYTES_MAX as u64).read_to_end(&mut bytes).map_err(io)?;
            // Master lists are verified last: the issuer of a list's signer may be among the other
            // files.
            match out.add(&name, &bytes) {
                Ok(Added::Done) => {}
                Ok(Added::MasterList(list)) => lists.push((name, list)),
                // Never skipped: a revocation list that is left out revokes nothing.
                Err(AnchorError::Unreadable { name, source })
                    if unreadable == Unreadable::Skip && ending != "crl" && !pem::is_revocation_list(&bytes) =>
                {
                    out.skipped.push(Skipped { name, number: None, error: source });
                }
                Err(error) => return Err(error),
            }
        }
        for (name, list) in lists {
            out.add_master_list(&name, *list)?;
        }
        match out.skipped.first() {
            Some(Skipped { name, number: Some(number), error }) if unreadable == Unreadable::Stop => {
                let source = MasterListError::Certificate { number: *number, source: error.clone() };
                Err(AnchorError::MasterList { name: name.clone(), source })
            }
            Some(Skipped { name, error, .. }) if unreadable == Unreadable::Stop || out.authorities.is_empty() => {
                Err(AnchorError::Unreadable { name: name.clone(), source: error.clone() })
            }
            _ if out.authorities.is_empty() => Err(AnchorError::Nothing(path.to_owned())),
            _ => Ok(out),
        }
    }

    /// Skips a folder entry that has a certificate's file extension but is no regular file.
    fn skip_no_file(&mut self, path: &Path, found: &'static str) -> Result<(), AnchorError> {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let error = ParseError::Instead { what: "a file", found };
        // Without the revocation list, revoked certificates would pass.
        if ending(path) == "crl" {
            return Err(AnchorError::Unreadable { name, source: error });
        }
        self.skipped.push(Skipped { name, number: None, error });
        Ok(())
    }

    /// Adds one certificate, master list or revocation list, in DER, BER or
    /// PEM. `name` is for reports. Of a file of several certificates those that can be
    /// read are added, and the others listed in [`Anchors::skipped`]; where none can, that
    /// is the error.
    ///
    /// # Errors
    /// [`AnchorError`] where the bytes are neither certificate, nor revocation list, nor master
    /// list, or contradict what is there.
    pub fn add_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<(), AnchorError> {
        match self.add(name, bytes)? {
            Added::Done => Ok(()),
            Added::MasterList(list) => self.add_master_list(name, *list),
        }
    }

    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<Added, AnchorError> {
        self.digest.take();
        let unreadable = |source| AnchorError::Unreadable { name: name.to_owned(), source };
        // The file name or PEM label says what a broken file was meant to be.
        let is_revocation_list = ending(Path::new(name)) == "crl" || pem::is_revocation_list(bytes);
        let of_list = |error| match error {
            ParseError::Malformed { .. } if is_revocation_list => ParseError::malformed(REVOCATION_LIST),
            ParseError::Instead { found, .. } if is_revocation_list => {
                ParseError::Instead { what: REVOCATION_LIST, found }
            }
            error => error,
        };
        let blocks = pem::decode(bytes).map_err(|error| unreadable(of_list(error)))?;
        let several = blocks.len() > 1;
        let (mut added, mut skipped) = (0, Vec::new());
        for (index, block) in blocks.into_iter().enumerate() {
            let number = several.then_some(index + 1);
            let block = match block {
                Ok(block) => block,
                Err(error) => {
                    skipped.push(Skipped { name: name.to_owned(), number, error });
                    continue;
                }
            };
            let block = &*block;
            if pem::is_signed_data(block) {
                if pem::is_bundle(block) {
                    return Err(unreadable(ParseError::Instead {
                        what: "a certificate",
                        found: "a PKCS #7 bundle (.p7b, .p7c); take the certificates out with \
                                `openssl pkcs7 -inform DER -in FILE -print_certs -out certificates.pem`",
                    }));
                }
                let list = MasterList::parse(block);
                let list = list.map_err(|source| AnchorError::MasterList { name: name.to_owned(), source })?;
                return Ok(Added::MasterList(Box::new(list)));
            }
            let kind = match Certificate::parse(block) {
                Ok(certificate) => self.add_certificate(name, certificate),
                // Certificate and revocation list are told apart by parsing.
                Err(of_certificate) => match RevocationList::parse(block) {
                    Ok(list) => {
                        let revoked = list.len();
                        self.lists.push(Revocations { list, signed_by: OnceLock::new() });
                        SourceKind::RevocationList { revoked }
                    }
                    Err(of_list) => {
                        let error = if is_revocation_list { of_list } else { of_certificate };
                        skipped.push(Skipped { name: name.to_owned(), number, error });
                        continue;
                    }
                },
            };
            added += 1;
            let certificates = usize::from(!matches!(kind, SourceKind::RevocationList { .. }));
            self.sources.push(AnchorSource { name: name.to_owned(), kind, certificates });
        }
        match skipped.first() {
            Some(first) if added == 0 || pem::is_revocation_list(bytes) => Err(unreadable(first.error.clone())),
            _ => {
                self.skipped.extend(skipped);
                Ok(Added::Done)
            }
        }
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
        let unread = list.unread.iter().cloned();
        self.skipped.extend(unread.map(|(number, error)| Skipped {
            name: name.to_owned(),
            number: Some(number),
            error,
        }));
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

    /// Certificates that were left out, as they could not be read.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
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

/// `cer`
fn ending(path: &Path) -> String {
    path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

enum Added {
    Done,
    MasterList(Box<MasterList>),
}

fn scheme_name(scheme: SignatureScheme) -> String {
    scheme.describe()
}
