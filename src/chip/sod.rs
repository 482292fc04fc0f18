//! EF.SOD: what the issuer signed (ICAO 9303-10, 4.6.2).

use std::collections::BTreeMap;

use super::ber::to_definite;
use super::cms::{SignedData, SignerError, SignerInfo};
use super::crypto::{AlgorithmIdentifier, Hash, KeyError, PublicKey, SignatureError, SignatureScheme};
use super::error::InStructure;
use super::finding::Finding;
use super::reason::Reason;
use super::tlv::TlvReader;
use super::x509::Certificate;
use super::{ParseError, oid};

const LDS: &str = "the LDS security object";
/// Largest EF.SOD: genuine ones have 1 to 4 KB. Keeps any nesting cheap to walk.
const SOD_BYTES_MAX: usize = 64 << 10;
/// Most certificates tried for one signer: all that a file can hold. Usually the first fits; the
/// bound limits the time for a file full of copies.
const CANDIDATES_MAX: usize = 16;
/// RSA keys below this are weak (NIST SP 800-57 part 1, table 2: 112 bits).
const RSA_STRONG_BITS: u32 = 2048;

/// The signed list of hashes.
#[derive(Debug, Clone)]
pub struct SecurityObject {
    /// 0, or 1 where the versions below are there.
    pub version: u8,
    /// The hash of the data groups.
    pub hash: Hash,
    /// Hash by data group.
    pub groups: BTreeMap<u8, Vec<u8>>,
    /// LDS version, such as `0107`.
    pub lds_version: Option<String>,
    /// Unicode version, such as `040000`.
    pub unicode_version: Option<String>,
    /// Whether version information is present but malformed.
    pub versions_unread: bool,
}

impl SecurityObject {
    /// Parses an LDSSecurityObject, version 0 or 1.
    fn parse(bytes: &[u8]) -> Result<Self, Finding> {
        let broken = |error: ParseError| Finding::of(Reason::LdsObjectUnreadable).with(error);
        let mut outer = TlvReader::new(bytes);
        let mut fields = outer.expect(0x30).within(LDS).map_err(broken)?.children();
        let version = match fields.expect(0x02).within(LDS).map_err(broken)?.value {
            [version @ 0..=1] => *version,
            _ => return Err(broken(ParseError::malformed(LDS))),
        };
        let algorithm = AlgorithmIdentifier::parse(&mut fields).map_err(broken)?;
        let hash = Hash::from_oid(&algorithm.oid)
            .ok_or_else(|| Finding::of(Reason::HashUnsupported).with(oid::dotted(&algorithm.oid)))?;
        let groups = hashes(&mut fields, hash).map_err(broken)?;
        let mut out = Self { version, hash, groups, lds_version: None, unicode_version: None, versions_unread: false };
        // Nothing depends on the version information: malformed values are ignored.
        if !fields.is_empty() {
            let mut versions = fields.expect(0x30).map(|info| info.children());
            let mut next = || {
                let field = versions.as_mut().ok()?.read().ok()?;
                std::str::from_utf8(field.value).ok().map(str::to_owned)
            };
            out.lds_version = next();
            out.unicode_version = next();
            out.versions_unread = out.lds_version.is_none() || out.unicode_version.is_none();
        }
        Ok(out)
    }
}

fn hashes(fields: &mut TlvReader<'_>, hash: Hash) -> Result<BTreeMap<u8, Vec<u8>>, ParseError> {
    let mut groups = BTreeMap::new();
    for entry in fields.expect(0x30).within(LDS)?.children() {
        let mut entry = entry.within(LDS)?.children();
        let number = match entry.expect(0x02).within(LDS)?.value {
            [number @ 1..=16] => *number,
            _ => return Err(ParseError::malformed(LDS)),
        };
        let digest = entry.expect(0x04).within(LDS)?.value;
        if digest.len() != hash.bytes() || groups.insert(number, digest.to_vec()).is_some() {
            return Err(ParseError::malformed(LDS));
        }
    }
    if groups.is_empty() { Err(ParseError::malformed(LDS)) } else { Ok(groups) }
}

/// Whether a content type is that of an LDSSecurityObject: ICAO's identifier, its predecessors, or
/// id-data, which China uses.
fn is_lds(arcs: &[u8]) -> bool {
    matches!(arcs, oid::LDS_SECURITY_OBJECT | oid::LDS_SECURITY_OBJECT_SDU | oid::LDS_SECURITY_OBJECT_DRAFT | oid::DATA)
}

/// A parsed EF.SOD. Nothing in it is checked yet.
#[derive(Clone)]
pub struct Sod {
    data: SignedData,
    /// The signed list of hashes.
    pub object: SecurityObject,
}

/// Result of checking the signature of an EF.SOD.
pub struct SignatureCheck {
    /// The signer's certificate, where one was found.
    pub signer: Option<Certificate>,
    /// The signature's scheme, where it holds.
    pub scheme: Option<SignatureScheme>,
    /// The signer's signingTime attribute.
    pub signing_time: Option<crate::dates::Moment>,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Sod {
    /// Parses an EF.SOD file, DER or BER.
    ///
    /// # Errors
    /// The [`Finding`] that says why the file is no security object.
    pub fn parse(file: &[u8]) -> Result<Self, Finding> {
        let broken = |error: ParseError| Finding::of(Reason::SodUnreadable).with(error);
        if file.len() > SOD_BYTES_MAX {
            return Err(Finding::of(Reason::FileTooLarge).with("SOD"));
        }
        let file = to_definite(file).within("EF.SOD").map_err(broken)?;
        let outer = TlvReader::new(&file).expect(0x77).within("EF.SOD").map_err(broken)?;
        let data = SignedData::parse(outer.value).map_err(broken)?;
        if !is_lds(&data.content_type) {
            return Err(Finding::of(Reason::SodContentType).with(oid::dotted(&data.content_type)));
        }
        let object = SecurityObject::parse(&data.content)?;
        Ok(Self { data, object })
    }

    /// Checks the signature with the certificate that came with the file, or
    /// one of `others` where none came.
    pub fn check_signature(&self, others: &[Certificate]) -> SignatureCheck {
        let mut best: Option<SignatureCheck> = None;
        for signer in &self.data.signers {
            let check = self.check_signer(signer, others);
            if check.scheme.is_some() {
                return check;
            }
            best.get_or_insert(check);
        }
        // A SignedData without a signer does not parse.
        best.unwrap_or(SignatureCheck {
            signer: None,
            scheme: None,
            signing_time: None,
            findings: vec![Finding::of(Reason::SodUnreadable)],
        })
    }

    fn check_signer(&self, signer: &SignerInfo, others: &[Certificate]) -> SignatureCheck {
        let mut findings = Vec::new();
        let own = self.data.certificates.iter();
        let named: Vec<&Certificate> = own.clone().chain(others).filter(|cert| signer.names(cert)).collect();
        // If the signer identifier names none of them, all certificates of the file are tried: the
        // signature decides whose it is.
        let loose = named.is_empty();
        let candidates: Vec<&Certificate> =
            if loose { own.filter(|cert| cert.may_sign_documents()).collect() } else { named };
        let mut out =
            SignatureCheck { signer: None, scheme: None, signing_time: signer.signing_time(), findings: vec![] };
        let unread = self.data.certificates_unread.first();
        let unread = unread.map(|error| Finding::of(Reason::SignerCertificateUnreadable).with(error));
        let mut failure = unread.clone().unwrap_or(Finding::of(Reason::SignerCertificateMissing));
        if signer.signing_time_unread() {
            out.findings.push(Finding::of(Reason::OptionalUnreadable).with("signing time"));
        }
        for certificate in candidates.into_iter().take(CANDIDATES_MAX) {
            match signer.verify(&self.data, &certificate.key, |left, right| is_lds(left) && is_lds(right)) {
                Ok(scheme) => {
                    if signer.declared_scheme() != Some(scheme) {
                        let detail = format!("EF.SOD: {}", scheme.describe_in_full());
                        findings.push(Finding::of(Reason::SignatureParametersLoose).with(detail));
                    }
                    if loose {
                        findings.push(Finding::of(Reason::SignerNamedLoosely));
                    }
                    if self.data.content_type != oid::LDS_SECURITY_OBJECT {
                        let dotted = oid::dotted(&self.data.content_type);
                        findings.push(Finding::of(Reason::ContentTypeLoose).with(dotted));
                    }
                    findings.extend(weaknesses(certificate, scheme.hash(), "the signature"));
                    if self.object.hash.is_weak() {
                        findings.push(Finding::of(Reason::WeakHash).with("the data groups"));
                    }
                    out.scheme = Some(scheme);
                    out.signer = Some(certificate.clone());
                    out.findings.extend(findings);
                    return out;
                }
                Err(error) => {
                    // A failure with a certificate that the signer does not name is not reported
                    // while the named one may be among the unreadable.
                    if loose && unread.is_some() {
                        continue;
                    }
                    failure = signer_finding(&error);
                    out.signer = Some(certificate.clone());
                }
            }
        }
        out.findings.push(failure);
        out
    }
}

/// Findings about weak keys and hashes.
pub(super) fn weaknesses(certificate: &Certificate, hash: Hash, what: &str) -> Vec<Finding> {
    let mut out = Vec::new();
    if hash.is_weak() {
        out.push(Finding::of(Reason::WeakHash).with(what));
    }
    if let Ok(PublicKey::Rsa(key)) = PublicKey::from_spki(&certificate.key)
        && key.bits() < RSA_STRONG_BITS
    {
        out.push(Finding::of(Reason::WeakKey).with(format!("RSA {}", key.bits())));
    }
    out
}

fn signer_finding(error: &SignerError) -> Finding {
    let reason = match error {
        SignerError::Digest(_) => Reason::HashUnsupported,
        SignerError::Attributes | SignerError::ContentType => Reason::SignedAttributesWrong,
        SignerError::ContentDigest => Reason::HashesAltered,
        SignerError::Signature(error) => signature_reason(error),
    };
    Finding::of(reason).with(error)
}

/// What a failed signature check means for a card.
pub(super) fn signature_reason(error: &SignatureError) -> Reason {
    match error {
        SignatureError::Wrong => Reason::SignatureWrong,
        SignatureError::Algorithm(_) | SignatureError::Key(KeyError::Algorithm(_) | KeyError::EllipticCurve(_)) => {
            Reason::SignatureUnsupported
        }
        SignatureError::Key(KeyError::UnknownParameters) => Reason::CurveForged,
        SignatureError::Key(_) => Reason::KeyInvalid,
    }
}
