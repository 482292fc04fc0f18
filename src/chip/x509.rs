//! Certificates and revocation lists (RFC 5280, as ICAO 9303-12 profiles them).
//!
//! Tolerant where genuine country certificates violate the standard (padded serials, unusual string
//! types, missing seconds), never about the signed bytes: signatures are checked over the bytes as
//! received.

use std::collections::HashSet;
use std::ops::Range;

use super::crypto::{AlgorithmIdentifier, Hash, SignatureError, SignatureScheme, Spki, verify};
use super::error::InStructure;
use super::name::Name;
use super::tlv::{Tlv, TlvReader};
use super::{ParseError, oid};
use crate::dates::Moment;
use crate::hex;

const WHAT: &str = "a certificate";
const CRL: &str = "a revocation list";
/// Largest certificate: the largest known has 3 KB.
pub(crate) const CERTIFICATE_BYTES_MAX: usize = 64 << 10;
/// Most extensions of a certificate.
const EXTENSIONS_MAX: usize = 64;

/// Bits of keyUsage, as in its first byte.
const DIGITAL_SIGNATURE: u8 = 0x80;
const KEY_CERT_SIGN: u8 = 0x04;

/// A parsed certificate. Nothing in it is checked yet.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    tbs: Range<usize>,
    /// Serial number, big-endian, without leading zeros.
    pub serial: Vec<u8>,
    /// Who signed it.
    pub issuer: Name,
    /// Whose key it is.
    pub subject: Name,
    /// Start of its validity.
    pub not_before: Moment,
    /// End of its validity.
    pub not_after: Moment,
    /// The key.
    pub key: Spki,
    /// The algorithm it is signed with.
    pub algorithm: AlgorithmIdentifier,
    signature: Vec<u8>,
    /// What its extensions say.
    pub extensions: Extensions,
}

/// The extensions that count here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extensions {
    /// basicConstraints' CA flag; `None` where there is no such extension.
    pub ca: Option<bool>,
    /// basicConstraints' bound on the authorities below this one; `None` where it names none.
    pub path_length: Option<u64>,
    /// keyUsage's first byte.
    pub key_usage: Option<u8>,
    /// extKeyUsage's purposes.
    pub extended_key_usage: Vec<Vec<u8>>,
    /// subjectKeyIdentifier.
    pub subject_key_id: Option<Vec<u8>>,
    /// authorityKeyIdentifier's key identifier.
    pub authority_key_id: Option<Vec<u8>>,
    /// privateKeyUsagePeriod: from, until.
    pub key_period: (Option<Moment>, Option<Moment>),
    /// Whether it names types of documents (ICAO 9303-12, 7.1.1.6).
    pub document_types: bool,
    /// Whether there is an unknown critical extension.
    pub unknown_critical: bool,
}

impl Certificate {
    /// Parses one certificate; bytes after it are an error.
    ///
    /// # Errors
    /// [`ParseError`] where the bytes are no certificate.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut reader = TlvReader::new(bytes);
        let certificate = Self::read(&mut reader)?;
        reader.finish().within(WHAT)?;
        Ok(certificate)
    }

    /// Parses the next certificate.
    pub(crate) fn read(reader: &mut TlvReader<'_>) -> Result<Self, ParseError> {
        let outer = reader.expect(0x30).within(WHAT)?;
        if outer.raw.len() > CERTIFICATE_BYTES_MAX {
            return Err(ParseError::TooLarge { what: WHAT, max: CERTIFICATE_BYTES_MAX });
        }
        let mut parts = outer.children();
        let tbs_tlv = parts.expect(0x30).within(WHAT)?;
        let algorithm = AlgorithmIdentifier::parse(&mut parts)?;
        let signature = bits(&parts.expect(0x03).within(WHAT)?, WHAT)?;
        let start = outer.raw.len() - outer.value.len();
        let tbs = start..start + tbs_tlv.raw.len();

        let mut fields = tbs_tlv.children();
        fields.optional(0xA0).within(WHAT)?;
        let serial = unsigned(fields.expect(0x02).within(WHAT)?.value);
        let tbs_algorithm = AlgorithmIdentifier::parse(&mut fields)?;
        // RFC 5280, 4.1.1.2: both must name the same algorithm.
        if tbs_algorithm.oid != algorithm.oid {
            return Err(ParseError::malformed(WHAT));
        }
        let issuer = Name::parse(&mut fields)?;
        let mut validity = fields.expect(0x30).within(WHAT)?.children();
        let not_before = Moment::parse(&validity.read().within(WHAT)?)?;
        let not_after = Moment::parse(&validity.read().within(WHAT)?)?;
        let subject = Name::parse(&mut fields)?;
        let key = Spki::parse(&mut fields)?;
        let mut extensions = Extensions::default();
        if let Some(wrapped) = fields.find(0xA3).within(WHAT)? {
            extensions = Extensions::parse(wrapped.children())?;
        }
        let der = outer.raw.to_vec();
        Ok(Self { der, tbs, serial, issuer, subject, not_before, not_after, key, algorithm, signature, extensions })
    }

    /// The certificate's bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 of the certificate's bytes; identifies it.
    pub fn fingerprint(&self) -> Vec<u8> {
        Hash::Sha256.digest(&self.der)
    }

    /// Verifies the certificate's signature with the key `issuer`. Its algorithm need not be the
    /// one used for documents.
    ///
    /// # Errors
    /// [`SignatureError`] where it was not signed by this key.
    pub fn verify_by(&self, issuer: &Spki) -> Result<SignatureScheme, SignatureError> {
        verify(issuer, &self.algorithm, None, &self.der[self.tbs.clone()], &self.signature)
    }

    /// Whether subject and issuer are equal.
    pub fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Whether it may sign certificates (basicConstraints and keyUsage). A certificate without both
    /// extensions (version 1, some early countries) may, since an operator installed it.
    pub fn may_sign_certificates(&self) -> bool {
        let usage = self.extensions.key_usage.is_none_or(|usage| usage & KEY_CERT_SIGN != 0);
        match self.extensions.ca {
            Some(ca) => ca && usage,
            None => usage && (self.extensions.key_usage.is_some() || self.is_self_issued()),
        }
    }

    /// Whether it looks like a country signing CA for travel and identity documents (ICAO 9303-12,
    /// 7.1): it has a countryName and at least one of a path length of 0, a privateKeyUsagePeriod,
    /// a documentTypeList, or a telling name. Of 538 certificates of country authorities (the
    /// German master list of 2024-04-10 among them) all do but one; of the 167 roots of the web in
    /// Debian's list and certifi's, one does.
    pub fn looks_like_country_authority(&self) -> bool {
        let Extensions { path_length, key_period, document_types, .. } = &self.extensions;
        let name = self.subject.to_string().to_lowercase();
        let named = ["csca", "country sign", "country-sign", "countrysign", "passport", "mrtd", "icao"];
        self.subject.country().is_some()
            && (*path_length == Some(0)
                || key_period.0.is_some()
                || key_period.1.is_some()
                || *document_types
                || named.iter().any(|word| name.contains(word)))
    }

    /// Whether it may sign documents: no CA, with digitalSignature among its key usages.
    pub fn may_sign_documents(&self) -> bool {
        self.extensions.ca != Some(true)
            && self.extensions.key_usage.is_none_or(|usage| usage & DIGITAL_SIGNATURE != 0)
            && !self.extensions.extended_key_usage.iter().any(|purpose| purpose == oid::MASTER_LIST_SIGNER)
            && !self.extensions.unknown_critical
    }

    /// Whether it may sign master lists (ICAO 9303-12, 7.1.1.1).
    pub fn may_sign_master_lists(&self) -> bool {
        let purposes = &self.extensions.extended_key_usage;
        purposes.is_empty() || purposes.iter().any(|purpose| purpose == oid::MASTER_LIST_SIGNER)
    }

    /// Whether a moment lies within its validity.
    pub fn is_valid_at(&self, at: Moment) -> bool {
        (self.not_before..=self.not_after).contains(&at)
    }

    /// Serial number in hexadecimal.
    pub fn serial_hex(&self) -> String {
        hex::encode(&self.serial)
    }

    /// Whether `id` identifies this certificate's key: it equals the subjectKeyIdentifier, or the
    /// SHA-1 of the key bits (RFC 5280, 4.2.1.2).
    pub fn has_key_id(&self, id: &[u8]) -> bool {
        self.extensions.subject_key_id.as_deref() == Some(id) || Hash::Sha1.digest(&self.key.key) == id
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({}, serial {})", self.subject, self.serial_hex())
    }
}

impl Extensions {
    fn parse(mut wrapped: TlvReader<'_>) -> Result<Self, ParseError> {
        const WHAT: &str = "certificate extensions";
        let mut out = Self::default();
        for (count, extension) in wrapped.expect(0x30).within(WHAT)?.children().enumerate() {
            if count == EXTENSIONS_MAX {
                return Err(ParseError::TooLarge { what: WHAT, max: EXTENSIONS_MAX });
            }
            let mut fields = extension.within(WHAT)?.children();
            let arcs = fields.expect(0x06).within(WHAT)?.value;
            let critical = fields.optional(0x01).within(WHAT)?.is_some_and(|flag| flag.value != [0]);
            let value = fields.expect(0x04).within(WHAT)?.value;
            let understood = out.take(arcs, value);
            // A malformed extension matters only if it is critical.
            out.unknown_critical |= critical && understood.is_none();
        }
        Ok(out)
    }

    /// Reads one extension; `None` where it is unknown or broken.
    fn take(&mut self, arcs: &[u8], value: &[u8]) -> Option<()> {
        let mut reader = TlvReader::new(value);
        match arcs {
            oid::EXT_BASIC_CONSTRAINTS => {
                let mut fields = reader.expect(0x30).ok()?.children();
                self.ca = Some(fields.optional(0x01).ok()?.is_some_and(|flag| flag.value != [0]));
                let length = fields.optional(0x02).ok()?.filter(|length| length.value.len() <= 8);
                self.path_length = length.map(|n| n.value.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)));
            }
            oid::EXT_KEY_USAGE => {
                self.key_usage = Some(reader.expect(0x03).ok()?.value.get(1).copied().unwrap_or(0));
            }
            oid::EXT_EXTENDED_KEY_USAGE => {
                for purpose in reader.expect(0x30).ok()?.children() {
                    self.extended_key_usage.push(purpose.ok()?.value.to_vec());
                }
            }
            oid::EXT_SUBJECT_KEY_ID => self.subject_key_id = Some(reader.expect(0x04).ok()?.value.to_vec()),
            oid::EXT_AUTHORITY_KEY_ID => {
                let id = reader.expect(0x30).ok()?.children().find(0x80).ok()?;
                self.authority_key_id = id.map(|id| id.value.to_vec());
            }
            oid::EXT_KEY_PERIOD => {
                for bound in reader.expect(0x30).ok()?.children() {
                    let bound = bound.ok()?;
                    let time = Moment::parse(&Tlv { tag: 0x18, ..bound }).ok();
                    match bound.tag {
                        0x80 => self.key_period.0 = time,
                        0x81 => self.key_period.1 = time,
                        _ => {}
                    }
                }
            }
            oid::EXT_DOCUMENT_TYPES => self.document_types = true,
            oid::EXT_SUBJECT_ALT_NAME
            | oid::EXT_ISSUER_ALT_NAME
            | oid::EXT_CRL_POINTS
            | oid::EXT_POLICIES
            | oid::EXT_NAME_CHANGE => {}
            _ => return None,
        }
        Some(())
    }
}

/// A revocation list.
#[derive(Clone)]
pub struct RevocationList {
    tbs: Vec<u8>,
    algorithm: AlgorithmIdentifier,
    signature: Vec<u8>,
    /// Who signed it.
    pub issuer: Name,
    /// When it was made.
    pub this_update: Moment,
    /// When the next one is due.
    pub next_update: Option<Moment>,
    revoked: HashSet<Vec<u8>>,
}

impl RevocationList {
    /// Parses a list; bytes after it are an error.
    ///
    /// # Errors
    /// [`ParseError`] where the bytes are no revocation list.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut reader = TlvReader::new(bytes);
        let outer = reader.expect(0x30).within(CRL)?;
        reader.finish().within(CRL)?;
        let mut parts = outer.children();
        let tbs = parts.expect(0x30).within(CRL)?;
        let algorithm = AlgorithmIdentifier::parse(&mut parts)?;
        let signature = bits(&parts.expect(0x03).within(CRL)?, CRL)?;
        let mut fields = tbs.children();
        fields.optional(0x02).within(CRL)?;
        AlgorithmIdentifier::parse(&mut fields)?;
        let issuer = Name::parse(&mut fields)?;
        let this_update = Moment::parse(&fields.read().within(CRL)?)?;
        let next_update = match fields.peek() {
            Some(0x17 | 0x18) => Some(Moment::parse(&fields.read().within(CRL)?)?),
            _ => None,
        };
        let mut revoked = HashSet::new();
        if let Some(entries) = fields.optional(0x30).within(CRL)? {
            for entry in entries.children() {
                let mut entry = entry.within(CRL)?.children();
                revoked.insert(unsigned(entry.expect(0x02).within(CRL)?.value));
            }
        }
        Ok(Self { tbs: tbs.raw.to_vec(), algorithm, signature, issuer, this_update, next_update, revoked })
    }

    /// Whether `issuer`'s key signed this list.
    pub fn verify_by(&self, issuer: &Spki) -> bool {
        verify(issuer, &self.algorithm, None, &self.tbs, &self.signature).is_ok()
    }

    /// SHA-256 of the signed part and the signature; identifies the list.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        use sha2::Digest;
        let mut digest = sha2::Sha256::new();
        digest.update((self.tbs.len() as u64).to_le_bytes());
        digest.update(&self.tbs);
        digest.update(&self.signature);
        digest.finalize().into()
    }

    /// Whether a serial number is on it.
    pub fn revokes(&self, serial: &[u8]) -> bool {
        self.revoked.contains(serial)
    }

    /// Number of revoked certificates.
    pub fn len(&self) -> usize {
        self.revoked.len()
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.revoked.is_empty()
    }
}

/// The bytes of a BIT STRING of whole bytes.
fn bits(tlv: &Tlv<'_>, what: &'static str) -> Result<Vec<u8>, ParseError> {
    match tlv.value {
        [0, bytes @ ..] => Ok(bytes.to_vec()),
        _ => Err(ParseError::malformed(what)),
    }
}

/// An INTEGER's bytes without leading zeros.
pub(crate) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    bytes[bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len())..].to_vec()
}
