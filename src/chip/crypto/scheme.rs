//! Signature schemes of certificates and CMS: algorithm identifiers, and verification.

use super::{Hash, KeyError, PublicKey, Spki, ecdsa};
use crate::chip::error::InStructure;
use crate::chip::tlv::TlvReader;
use crate::chip::{ParseError, der, oid};

/// An AlgorithmIdentifier: arcs of the algorithm, and its parameters undecoded.
#[derive(Clone, PartialEq, Eq)]
pub struct AlgorithmIdentifier {
    /// Arcs of the object identifier.
    pub oid: Vec<u8>,
    /// The parameters' TLV; empty where there are none.
    pub parameters: Vec<u8>,
}

impl AlgorithmIdentifier {
    pub(crate) fn parse(reader: &mut TlvReader<'_>) -> Result<Self, ParseError> {
        const WHAT: &str = "an algorithm identifier";
        let mut fields = reader.expect(0x30).within(WHAT)?.children();
        let oid = fields.expect(0x06).within(WHAT)?.value.to_vec();
        Ok(Self { oid, parameters: fields.rest().to_vec() })
    }
}

/// A signature scheme with its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureScheme {
    /// RSASSA-PKCS1-v1_5.
    Pkcs1(Hash),
    /// RSASSA-PSS: hash of the message, and hash of the mask generation function.
    Pss(Hash, Hash),
    /// ECDSA.
    Ecdsa(Hash),
}

impl SignatureScheme {
    /// The hash over the message.
    pub fn hash(self) -> Hash {
        match self {
            Self::Pkcs1(hash) | Self::Pss(hash, _) | Self::Ecdsa(hash) => hash,
        }
    }

    /// Decodes a signature algorithm; `None` if unsupported. `fallback` is the hash to use where
    /// the algorithm names none (rsaEncryption in a SignedData: its digestAlgorithm).
    pub fn resolve(algorithm: &AlgorithmIdentifier, fallback: Option<Hash>) -> Option<Self> {
        let arcs = algorithm.oid.as_slice();
        let scheme = match arcs {
            oid::SHA1_RSA | oid::SHA1_RSA_OIW => Self::Pkcs1(Hash::Sha1),
            oid::SHA224_RSA => Self::Pkcs1(Hash::Sha224),
            oid::SHA256_RSA => Self::Pkcs1(Hash::Sha256),
            oid::SHA384_RSA => Self::Pkcs1(Hash::Sha384),
            oid::SHA512_RSA => Self::Pkcs1(Hash::Sha512),
            oid::RSA => Self::Pkcs1(fallback?),
            oid::RSA_PSS => {
                let parameters = PssParameters::parse(&algorithm.parameters)?;
                let hash = parameters.hash.unwrap_or(Hash::Sha1);
                Self::Pss(hash, parameters.mask.unwrap_or(Hash::Sha1))
            }
            oid::ECDSA_SHA1 => Self::Ecdsa(Hash::Sha1),
            oid::ECDSA_SHA224 => Self::Ecdsa(Hash::Sha224),
            oid::ECDSA_SHA256 => Self::Ecdsa(Hash::Sha256),
            oid::ECDSA_SHA384 => Self::Ecdsa(Hash::Sha384),
            oid::ECDSA_SHA512 => Self::Ecdsa(Hash::Sha512),
            oid::EC | oid::ECDSA_RECOMMENDED | oid::ECDSA_SPECIFIED => Self::Ecdsa(fallback?),
            // BSI TR-03111, 5.2.1.1: the last arc is the hash.
            [plain @ .., last] if plain == oid::ECDSA_PLAIN => Self::Ecdsa(match last {
                1 => Hash::Sha1,
                2 => Hash::Sha224,
                3 => Hash::Sha256,
                4 => Hash::Sha384,
                5 => Hash::Sha512,
                _ => return None,
            }),
            _ => return None,
        };
        Some(scheme)
    }

    /// For reports, with the hash of the mask: `RSASSA-PSS SHA-256 MGF1 SHA-1`.
    pub(crate) fn describe_in_full(self) -> String {
        match self {
            Self::Pss(_, mask) => format!("{} MGF1 {}", self.describe(), mask.name()),
            _ => self.describe(),
        }
    }

    /// For reports: `RSASSA-PSS SHA-256`.
    pub fn describe(self) -> String {
        match self {
            Self::Pkcs1(hash) => format!("RSA PKCS#1 v1.5 {}", hash.name()),
            Self::Pss(hash, _) => format!("RSASSA-PSS {}", hash.name()),
            Self::Ecdsa(hash) => format!("ECDSA {}", hash.name()),
        }
    }
}

/// RSASSA-PSS-params (RFC 4055, 3.1); `None` for omitted fields, whose defaults are SHA-1 and a
/// salt of 20 bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct PssParameters {
    hash: Option<Hash>,
    mask: Option<Hash>,
    /// Salt length in bytes. If omitted, any length is accepted: signers who omit it use 20 or the
    /// length of the hash.
    salt: Option<usize>,
}

impl PssParameters {
    /// Parses the parameters of an algorithm identifier; absent parameters and NULL mean all
    /// defaults.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut out = Self::default();
        let mut outer = TlvReader::new(bytes);
        if outer.is_empty() || outer.peek() == Some(0x05) {
            return Some(out);
        }
        for field in outer.expect(0x30).ok()?.children() {
            let field = field.ok()?;
            match field.tag {
                0xA0 => out.hash = Some(Hash::from_oid(&AlgorithmIdentifier::parse(&mut field.children()).ok()?.oid)?),
                0xA1 => {
                    let generator = AlgorithmIdentifier::parse(&mut field.children()).ok()?;
                    if generator.oid != oid::MGF1 {
                        return None;
                    }
                    // A mask generation function without parameters has the default hash, too.
                    let mut inside = TlvReader::new(&generator.parameters);
                    if !inside.is_empty() && inside.peek() != Some(0x05) {
                        out.mask = Some(Hash::from_oid(&AlgorithmIdentifier::parse(&mut inside).ok()?.oid)?);
                    }
                }
                0xA2 => {
                    out.salt = Some(match field.children().expect(0x02).ok()?.value {
                        [length @ 0..=0x7F] | [0, length] => usize::from(*length),
                        [high @ 0..=0x7F, low] => usize::from(u16::from_be_bytes([*high, *low])),
                        _ => return None,
                    });
                }
                0xA3 => {}
                _ => return None,
            }
        }
        Some(out)
    }

    /// The schemes to try for parameters with omitted fields: the defaults; the hash of the message
    /// for the mask as well, as some faulty signers do; and, if the hash is omitted, `fallback` or
    /// every supported hash.
    fn readings(self, fallback: Option<Hash>) -> Vec<SignatureScheme> {
        let mut hashes = vec![self.hash.unwrap_or(Hash::Sha1)];
        if self.hash.is_none() {
            hashes.extend(match fallback {
                Some(hash) => vec![hash],
                None => Hash::ALL.to_vec(),
            });
        }
        let mut out = Vec::new();
        for hash in hashes {
            let masks = match self.mask {
                Some(mask) => vec![mask],
                None => vec![Hash::Sha1, hash],
            };
            for scheme in masks.into_iter().map(|mask| SignatureScheme::Pss(hash, mask)) {
                if !out.contains(&scheme) {
                    out.push(scheme);
                }
            }
        }
        out
    }
}

/// Why a signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The signature does not verify over this message with this key.
    #[error("the signature is wrong")]
    Wrong,
    /// The algorithm is not supported, or does not fit the key's type.
    #[error("signature algorithm {0} is not supported with this key")]
    Algorithm(String),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Checks a signature over `message`.
///
/// `fallback` is the hash named beside the algorithm (a SignerInfo's digestAlgorithm), if any. It
/// is tried if the algorithm names no hash, and if the signature does not verify with the hash that
/// it names; both are chosen by the signer, so this admits no forgery. Omitted parameters of
/// RSASSA-PSS are likewise tried with their defaults and with the values that faulty signers use.
/// Returns the scheme that verified; if it differs from [`SignatureScheme::resolve`], callers
/// report that.
///
/// # Errors
/// [`SignatureError`] where the signature is not of this message and key, or its parameters are not
/// known.
pub fn verify(
    spki: &Spki,
    algorithm: &AlgorithmIdentifier,
    fallback: Option<Hash>,
    message: &[u8],
    signature: &[u8],
) -> Result<SignatureScheme, SignatureError> {
    let key = PublicKey::from_spki(spki)?;
    let unsupported = || SignatureError::Algorithm(oid::dotted(&algorithm.oid));
    let declared = SignatureScheme::resolve(algorithm, fallback).ok_or_else(unsupported)?;
    let (mut candidates, mut salt) = (vec![declared], None);
    match (declared, fallback) {
        (SignatureScheme::Pkcs1(hash), Some(other)) if other != hash => candidates.push(SignatureScheme::Pkcs1(other)),
        (SignatureScheme::Ecdsa(hash), Some(other)) if other != hash => candidates.push(SignatureScheme::Ecdsa(other)),
        (SignatureScheme::Pss(..), _) => {
            let parameters = PssParameters::parse(&algorithm.parameters).ok_or_else(unsupported)?;
            (candidates, salt) = (parameters.readings(fallback), parameters.salt);
        }
        _ => {}
    }
    for scheme in candidates {
        let digest = scheme.hash().digest(message);
        let holds = match (&key, scheme) {
            (PublicKey::Rsa(key), SignatureScheme::Pkcs1(hash)) => key.verify_pkcs1(hash, &digest, signature),
            (PublicKey::Rsa(key), SignatureScheme::Pss(hash, mask)) => {
                key.verify_pss(hash, mask, salt, &digest, signature)
            }
            (PublicKey::Ec { curve, point, .. }, SignatureScheme::Ecdsa(_)) => match integers(signature) {
                Some((r, s)) => ecdsa::verify(*curve, &point.0, &digest, r, s),
                // Plain format of TR-03111; some signers use it under the other format's
                // identifier.
                None => ecdsa::verify_plain(*curve, &point.0, &digest, signature),
            },
            _ => return Err(unsupported()),
        };
        if holds {
            return Ok(scheme);
        }
    }
    Err(SignatureError::Wrong)
}

/// Parses an Ecdsa-Sig-Value (RFC 3279, 2.2.3): a DER sequence of two integers. `None` for any
/// other encoding of the same numbers and for trailing bytes.
pub(crate) fn integers(signature: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut fields = TlvReader::new(signature).expect(0x30).ok()?.children();
    let (r, s) = (fields.expect(0x02).ok()?.value, fields.expect(0x02).ok()?.value);
    let written = der::sequence(&[&der::integer(r), &der::integer(s)]);
    (written == signature).then_some((r, s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::der;

    #[test]
    fn parameters_left_out_are_tried_as_signers_mean_them() {
        let hash = |hash: Hash| der::sequence(&[&der::oid(hash.oid())]);
        let sha256 = der::tlv(0xA0, &hash(Hash::Sha256));
        let mgf1 = der::tlv(0xA1, &der::sequence(&[&der::oid(oid::MGF1), &hash(Hash::Sha256)]));
        let bare_mgf1 = der::tlv(0xA1, &der::sequence(&[&der::oid(oid::MGF1)]));
        let readings = |bytes: &[u8], fallback| PssParameters::parse(bytes).map(|found| found.readings(fallback));
        use Hash::{Sha1, Sha256, Sha384};
        // Nothing left out, nothing guessed.
        let whole = der::sequence(&[&sha256, &mgf1]);
        assert_eq!(readings(&whole, Some(Sha384)), Some(vec![SignatureScheme::Pss(Sha256, Sha256)]));
        for no_mask in [der::sequence(&[&sha256]), der::sequence(&[&sha256, &bare_mgf1])] {
            let expected = vec![SignatureScheme::Pss(Sha256, Sha1), SignatureScheme::Pss(Sha256, Sha256)];
            assert_eq!(readings(&no_mask, None), Some(expected));
        }
        for absent in [&[][..], &[0x05, 0x00], &[0x30, 0x00]] {
            let expected =
                [(Sha1, Sha1), (Sha384, Sha1), (Sha384, Sha384)].map(|(hash, mask)| SignatureScheme::Pss(hash, mask));
            assert_eq!(readings(absent, Some(Sha384)), Some(expected.to_vec()));
            assert_eq!(readings(absent, None).unwrap().len(), 9);
        }
        let unknown = der::sequence(&[&der::tlv(0xA1, &der::sequence(&[&der::oid(oid::RSA)]))]);
        assert_eq!(readings(&unknown, None), None);
    }
}
