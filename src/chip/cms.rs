//! SignedData (RFC 5652) as EF.SOD and master lists use it.

use super::ber::to_definite;
use super::crypto::{AlgorithmIdentifier, Hash, SignatureError, SignatureScheme, Spki, verify};
use super::error::InStructure;
use super::name::Name;
use super::tlv::TlvReader;
use super::x509::{Certificate, unsigned};
use super::{ParseError, der, oid};
use crate::dates::Moment;

const WHAT: &str = "the signed data";
/// Most signers read; ICAO 9303-10 asks for exactly one.
const SIGNERS_MAX: usize = 4;
/// Most certificates read from one SignedData.
const CERTIFICATES_MAX: usize = 16;
/// Most signed attributes; genuine documents have two to four.
const ATTRIBUTES_MAX: usize = 32;

/// A parsed SignedData. Nothing in it is checked yet.
#[derive(Clone)]
pub struct SignedData {
    /// Arcs of the content's type.
    pub content_type: Vec<u8>,
    /// The content.
    pub content: Vec<u8>,
    /// Its certificates, as far as they could be parsed.
    pub certificates: Vec<Certificate>,
    /// One error for each certificate that could not be parsed.
    pub certificates_unread: Vec<ParseError>,
    /// The signers that could be read; at least one.
    pub signers: Vec<SignerInfo>,
}

/// How a signer names its certificate.
#[derive(Clone)]
pub enum SignerId {
    /// By issuer and serial number.
    IssuerSerial(Name, Vec<u8>),
    /// By key identifier.
    KeyId(Vec<u8>),
}

/// One signer.
#[derive(Clone)]
pub struct SignerInfo {
    /// Whose certificate.
    pub id: SignerId,
    /// The hash of the content; `None` where it is unknown.
    pub digest: Option<Hash>,
    digest_oid: Vec<u8>,
    attributes: Option<SignedAttributes>,
    /// The algorithm of the signature.
    pub algorithm: AlgorithmIdentifier,
    signature: Vec<u8>,
}

/// What the signer signed beside the content.
#[derive(Clone)]
struct SignedAttributes {
    /// The encoding as received, under the tag SET OF (0x31) that is signed.
    as_written: Vec<u8>,
    /// The same with the attributes in DER order; equal to `as_written` if they were.
    sorted: Vec<u8>,
    content_type: Option<Vec<u8>>,
    message_digest: Option<Vec<u8>>,
    signing_time: Option<Moment>,
    signing_time_unread: bool,
}

/// Why a signer's signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// The digest algorithm is not one read here.
    #[error("digest algorithm {0} is not supported")]
    Digest(String),
    /// contentType or messageDigest is missing among the signed attributes.
    #[error("a signed attribute is missing")]
    Attributes,
    /// The signed content type is not the content's.
    #[error("the signed content type is another")]
    ContentType,
    /// The content's hash is not the signed one.
    #[error("the content does not have the signed hash")]
    ContentDigest,
    /// The signature does not hold.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl SignedData {
    /// Parses a ContentInfo that holds SignedData, in DER or BER. Trailing bytes are dropped.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let bytes = to_definite(bytes).within(WHAT)?;
        let mut info = TlvReader::new(&bytes).expect(0x30).within(WHAT)?.children();
        if info.expect(0x06).within(WHAT)?.value != oid::SIGNED_DATA {
            return Err(ParseError::malformed(WHAT));
        }
        let mut explicit = info.expect(0xA0).within(WHAT)?.children();
        let mut fields = explicit.expect(0x30).within(WHAT)?.children();
        fields.expect(0x02).within(WHAT)?;
        fields.expect(0x31).within(WHAT)?;
        let mut encapsulated = fields.expect(0x30).within(WHAT)?.children();
        let content_type = encapsulated.expect(0x06).within(WHAT)?.value.to_vec();
        let mut wrapped = encapsulated.expect(0xA0).within(WHAT)?.children();
        let content = wrapped.expect(0x04).within(WHAT)?.value.to_vec();
        let mut out = Self {
            content_type,
            content,
            certificates: Vec::new(),
            certificates_unread: Vec::new(),
            signers: Vec::new(),
        };
        if let Some(set) = fields.optional(0xA0).within(WHAT)? {
            out.read_certificates(set.children())?;
        }
        fields.optional(0xA1).within(WHAT)?;
        let mut unread = None;
        for (count, signer) in fields.expect(0x31).within(WHAT)?.children().enumerate() {
            if count == SIGNERS_MAX {
                return Err(ParseError::TooLarge { what: WHAT, max: SIGNERS_MAX });
            }
            match signer.within(WHAT).and_then(|signer| SignerInfo::parse(signer.children())) {
                Ok(signer) => out.signers.push(signer),
                // One readable signer is enough.
                Err(error) => unread = Some(error),
            }
        }
        if out.signers.is_empty() { Err(unread.unwrap_or(ParseError::malformed(WHAT))) } else { Ok(out) }
    }

    /// Arcs of the content type, without parsing the rest; `None` if the bytes are no SignedData.
    pub fn content_type_of(bytes: &[u8]) -> Option<Vec<u8>> {
        let bytes = to_definite(bytes).ok()?;
        let mut info = TlvReader::new(&bytes).expect(0x30).ok()?.children();
        (info.expect(0x06).ok()?.value == oid::SIGNED_DATA).then_some(())?;
        let mut fields = info.expect(0xA0).ok()?.children().expect(0x30).ok()?.children();
        fields.expect(0x02).ok()?;
        fields.expect(0x31).ok()?;
        Some(fields.expect(0x30).ok()?.children().expect(0x06).ok()?.value.to_vec())
    }

    fn read_certificates(&mut self, set: TlvReader<'_>) -> Result<(), ParseError> {
        for (count, certificate) in set.enumerate() {
            if count == CERTIFICATES_MAX {
                return Err(ParseError::TooLarge { what: WHAT, max: CERTIFICATES_MAX });
            }
            match Certificate::parse(certificate.within(WHAT)?.raw) {
                Ok(certificate) => self.certificates.push(certificate),
                Err(error) => self.certificates_unread.push(error),
            }
        }
        Ok(())
    }
}

impl SignerInfo {
    fn parse(mut fields: TlvReader<'_>) -> Result<Self, ParseError> {
        const WHAT: &str = "a signer";
        fields.expect(0x02).within(WHAT)?;
        let id = match fields.peek() {
            Some(0x80 | 0xA0) => SignerId::KeyId(fields.read().within(WHAT)?.value.to_vec()),
            _ => {
                let mut parts = fields.expect(0x30).within(WHAT)?.children();
                let issuer = Name::parse(&mut parts)?;
                SignerId::IssuerSerial(issuer, unsigned(parts.expect(0x02).within(WHAT)?.value))
            }
        };
        let digest_oid = AlgorithmIdentifier::parse(&mut fields)?.oid;
        let attributes = match fields.optional(0xA0).within(WHAT)? {
            Some(set) => Some(SignedAttributes::parse(set.value)?),
            None => None,
        };
        let algorithm = AlgorithmIdentifier::parse(&mut fields)?;
        let signature = fields.expect(0x04).within(WHAT)?.value.to_vec();
        Ok(Self { id, digest: Hash::from_oid(&digest_oid), digest_oid, attributes, algorithm, signature })
    }

    /// The signingTime attribute.
    pub fn signing_time(&self) -> Option<Moment> {
        self.attributes.as_ref().and_then(|attributes| attributes.signing_time)
    }

    /// Whether there is a signingTime that violates RFC 5652, 11.3, or several that differ.
    pub fn signing_time_unread(&self) -> bool {
        self.attributes.as_ref().is_some_and(|attributes| attributes.signing_time_unread)
    }

    /// The scheme as the algorithm identifier declares it, defaults filled in.
    pub fn declared_scheme(&self) -> Option<SignatureScheme> {
        SignatureScheme::resolve(&self.algorithm, self.digest)
    }

    /// Whether this names a certificate exactly.
    pub fn names(&self, certificate: &Certificate) -> bool {
        match &self.id {
            SignerId::IssuerSerial(issuer, serial) => certificate.serial == *serial && certificate.issuer == *issuer,
            SignerId::KeyId(id) => certificate.has_key_id(id),
        }
    }

    /// Checks content, signed attributes and signature against a key.
    ///
    /// `allows` says whether the signed content type may differ from the one in the structure: some
    /// countries sign one and write the other.
    pub fn verify(
        &self,
        data: &SignedData,
        key: &Spki,
        allows: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Result<SignatureScheme, SignerError> {
        let hash = self.digest.ok_or_else(|| SignerError::Digest(oid::dotted(&self.digest_oid)))?;
        let check = |message: &[u8]| verify(key, &self.algorithm, Some(hash), message, &self.signature);
        let Some(attributes) = &self.attributes else {
            return Ok(check(&data.content)?);
        };
        let signed_type = attributes.content_type.as_deref().ok_or(SignerError::Attributes)?;
        let signed_digest = attributes.message_digest.as_deref().ok_or(SignerError::Attributes)?;
        if signed_type != data.content_type && !allows(signed_type, &data.content_type) {
            return Err(SignerError::ContentType);
        }
        if hash.digest(&data.content) != signed_digest {
            return Err(SignerError::ContentDigest);
        }
        match check(&attributes.as_written) {
            Err(SignatureError::Wrong) if attributes.sorted != attributes.as_written => Ok(check(&attributes.sorted)?),
            other => Ok(other?),
        }
    }
}

impl SignedAttributes {
    fn parse(value: &[u8]) -> Result<Self, ParseError> {
        const WHAT: &str = "the signed attributes";
        // The signature covers the tag SET OF (0x31), not the context tag in the message (RFC 5652,
        // 5.4).
        let as_written = der::tlv(0x31, value);
        let mut out = Self {
            as_written,
            sorted: Vec::new(),
            content_type: None,
            message_digest: None,
            signing_time: None,
            signing_time_unread: false,
        };
        let mut parts = Vec::new();
        for attribute in TlvReader::new(value) {
            let attribute = attribute.within(WHAT)?;
            if parts.len() == ATTRIBUTES_MAX {
                return Err(ParseError::TooLarge { what: WHAT, max: ATTRIBUTES_MAX });
            }
            parts.push(attribute.raw.to_vec());
            let mut fields = attribute.children();
            let arcs = fields.expect(0x06).within(WHAT)?.value;
            // A required attribute that violates the standard is an error; an optional one is
            // ignored.
            let mut values = || Ok(fields.expect(0x31).within(WHAT)?.children());
            let is_duplicate = match arcs {
                oid::CONTENT_TYPE => {
                    out.content_type.replace(values()?.expect(0x06).within(WHAT)?.value.to_vec()).is_some()
                }
                oid::MESSAGE_DIGEST => {
                    out.message_digest.replace(values()?.expect(0x04).within(WHAT)?.value.to_vec()).is_some()
                }
                oid::SIGNING_TIME => {
                    match values().and_then(|mut values| Moment::parse(&values.read().within(WHAT)?)) {
                        Ok(time) if out.signing_time.is_none_or(|other| other == time) => {
                            out.signing_time = Some(time);
                        }
                        // Where two times differ, neither is used.
                        _ => out.signing_time_unread = true,
                    }
                    false
                }
                _ => false,
            };
            if is_duplicate {
                return Err(ParseError::malformed(WHAT));
            }
        }
        out.signing_time = out.signing_time.filter(|_| !out.signing_time_unread);
        out.sorted = der::set_of(&parts);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attribute(arcs: &[u8], value: &[u8]) -> Vec<u8> {
        der::sequence(&[&der::oid(arcs), &der::tlv(0x31, value)])
    }

    fn with(more: &[Vec<u8>]) -> Result<SignedAttributes, ParseError> {
        let content_type = attribute(oid::CONTENT_TYPE, &der::oid(oid::LDS_SECURITY_OBJECT));
        let digest = attribute(oid::MESSAGE_DIGEST, &der::octets(&[7; 32]));
        SignedAttributes::parse(&[content_type, digest, more.concat()].concat())
    }

    #[test]
    fn a_signing_time_that_is_none_is_dropped_and_the_rest_counts() {
        // It made EF.SOD "damaged", however often the chip was read again.
        let time = |tag, text: &str| attribute(oid::SIGNING_TIME, &der::tlv(tag, text.as_bytes()));
        let read = |times: &[Vec<u8>]| {
            let read = with(times).unwrap();
            assert!(read.content_type.is_some() && read.message_digest.is_some());
            (read.signing_time.is_some(), read.signing_time_unread)
        };
        let good = || time(0x17, "230315000000Z");
        assert_eq!(read(&[good()]), (true, false));
        for (tag, text) in [
            (0x17, "230315000000"),
            (0x17, "230315070000+0700"),
            (0x18, "20230315070000.5+0700"),
            (0x0C, "2023-03-15"),
            (0x17, ""),
        ] {
            assert_eq!(read(&[time(tag, text)]), (false, true), "{text}");
        }
        let unset = der::sequence(&[&der::oid(oid::SIGNING_TIME), &der::tlv(0x30, &[])]);
        for broken in [attribute(oid::SIGNING_TIME, &[]), unset] {
            assert_eq!(read(&[broken]), (false, true));
        }
        // A repeated time counts once; two different times count as none.
        assert_eq!(read(&[good(), good()]), (true, false));
        assert_eq!(read(&[good(), time(0x17, "240315000000Z")]), (false, true));
        // Unknown attributes may have any content.
        assert_eq!(read(&[der::sequence(&[&der::oid(oid::COUNTRY)])]), (false, false));
    }

    #[test]
    fn what_is_required_must_be_as_it_should() {
        assert!(with(&[attribute(oid::CONTENT_TYPE, &der::oid(oid::DATA))]).is_err());
        assert!(SignedAttributes::parse(&attribute(oid::MESSAGE_DIGEST, &[])).is_err());
    }

    proptest! {
        #[test]
        fn any_attributes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = SignedAttributes::parse(&bytes);
            let _ = SignedAttributes::parse(&attribute(oid::SIGNING_TIME, &bytes));
            let _ = SignedData::content_type_of(&bytes);
        }
    }
}
