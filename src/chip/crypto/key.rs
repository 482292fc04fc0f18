//! Public keys as certificates carry them.

use super::curve::hex as curve_hex;
use super::ecdsa::{EcPoint, decompress, is_on_curve};
use super::scheme::AlgorithmIdentifier;
use super::{EllipticCurve, RsaPublicKey};
use crate::chip::error::InStructure;
use crate::chip::tlv::TlvReader;
use crate::chip::{ParseError, der, oid};

/// A SubjectPublicKeyInfo, its key not yet decoded: a certificate with an unsupported key still
/// loads; the error comes when the key is used.
#[derive(Clone, PartialEq, Eq)]
pub struct Spki {
    /// Kind of key and its parameters.
    pub algorithm: AlgorithmIdentifier,
    /// The key's bits.
    pub key: Vec<u8>,
}

impl Spki {
    pub(crate) fn parse(reader: &mut TlvReader<'_>) -> Result<Self, ParseError> {
        const WHAT: &str = "a public key";
        let mut fields = reader.expect(0x30).within(WHAT)?.children();
        let algorithm = AlgorithmIdentifier::parse(&mut fields)?;
        let bits = fields.expect(0x03).within(WHAT)?.value;
        let [0, key @ ..] = bits else { return Err(ParseError::malformed(WHAT)) };
        Ok(Self { algorithm, key: key.to_vec() })
    }
}

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Neither RSA nor elliptic curve.
    #[error("key algorithm {0} is not supported")]
    Algorithm(String),
    /// A named curve that is not among ours.
    #[error("curve {0} is not supported")]
    EllipticCurve(String),
    /// Explicit curve parameters that match no known curve: with parameters of the attacker's
    /// choice a forged certificate can verify (CVE-2020-0601).
    #[error("explicit curve parameters are not those of a known curve")]
    UnknownParameters,
    /// A point that is not on its curve, or an RSA key out of bounds.
    #[error("the public key is not valid")]
    Invalid,
}

/// A decoded public key.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKey {
    /// RSA.
    Rsa(RsaPublicKey),
    /// A point on a known curve.
    Ec {
        /// The curve.
        curve: EllipticCurve,
        /// Whether the certificate gives explicit parameters instead of the curve's name.
        explicit: bool,
        /// The point.
        #[doc(hidden)]
        point: EcPointOpaque,
    },
}

/// A validated point.
#[derive(Clone, PartialEq, Eq)]
pub struct EcPointOpaque(pub(crate) EcPoint);

impl PublicKey {
    /// Decodes a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`KeyError`] for an algorithm or curve that is not known, and for a key that is no point or
    /// number of it.
    pub fn from_spki(spki: &Spki) -> Result<Self, KeyError> {
        let arcs = spki.algorithm.oid.as_slice();
        if arcs == oid::RSA || arcs == oid::RSA_PSS {
            let mut fields = TlvReader::new(&spki.key).expect(0x30).map_err(|_| KeyError::Invalid)?.children();
            let modulus = fields.expect(0x02).map_err(|_| KeyError::Invalid)?.value;
            let exponent = fields.expect(0x02).map_err(|_| KeyError::Invalid)?.value;
            return RsaPublicKey::new(modulus, exponent).map(Self::Rsa).ok_or(KeyError::Invalid);
        }
        if arcs != oid::EC {
            return Err(KeyError::Algorithm(oid::dotted(arcs)));
        }
        let parameters = &spki.algorithm.parameters;
        let parameters = TlvReader::new(parameters).read().map_err(|_| KeyError::UnknownParameters)?;
        let (curve, explicit) = match parameters.tag {
            0x06 => {
                let curve = EllipticCurve::from_oid(parameters.value);
                (curve.ok_or_else(|| KeyError::EllipticCurve(oid::dotted(parameters.value)))?, false)
            }
            0x30 => (match_parameters(parameters.children()).ok_or(KeyError::UnknownParameters)?, true),
            _ => return Err(KeyError::UnknownParameters),
        };
        let point = decode_point(curve, &spki.key).ok_or(KeyError::Invalid)?;
        Ok(Self::Ec { curve, explicit, point: EcPointOpaque(point) })
    }

    /// For reports: `RSA 4096`, `brainpoolP256r1`, `P-384 (explicit)`.
    pub fn describe(&self) -> String {
        match self {
            Self::Rsa(key) => format!("RSA {}", key.bits()),
            Self::Ec { curve, explicit: false, .. } => curve.name().to_owned(),
            Self::Ec { curve, explicit: true, .. } => format!("{} (explicit parameters)", curve.name()),
        }
    }
}

/// SEC 1, 2.3.4: uncompressed, or compressed where the curve allows.
fn decode_point(curve: EllipticCurve, bytes: &[u8]) -> Option<EcPoint> {
    let width = curve.bytes();
    match (bytes.first()?, bytes.len().checked_sub(1)?) {
        (0x04, length) if length == 2 * width => {
            let point = EcPoint { x: bytes[1..=width].to_vec(), y: bytes[1 + width..].to_vec() };
            is_on_curve(curve, &point).then_some(point)
        }
        (&form @ (0x02 | 0x03), length) if length == width => decompress(curve, &bytes[1..], form == 0x03),
        _ => None,
    }
}

/// The known curve whose field, equation, base point, order and cofactor all equal the explicit
/// parameters (SpecifiedECDomain, SEC 1, C.2; TR-03111, D.1). A seed is ignored.
fn match_parameters(mut fields: TlvReader<'_>) -> Option<EllipticCurve> {
    let version = fields.expect(0x02).ok()?.value;
    if !matches!(version, [1..=3]) {
        return None;
    }
    let mut field = fields.expect(0x30).ok()?.children();
    if field.expect(0x06).ok()?.value != oid::PRIME_FIELD {
        return None;
    }
    let p = field.expect(0x02).ok()?.value;
    let mut equation = fields.expect(0x30).ok()?.children();
    let (a, b) = (equation.expect(0x04).ok()?.value, equation.expect(0x04).ok()?.value);
    equation.optional(0x03).ok()?;
    if !field.is_empty() || !equation.is_empty() {
        return None;
    }
    let base = fields.expect(0x04).ok()?.value;
    let order = fields.expect(0x02).ok()?.value;
    let cofactor = fields.optional(0x02).ok()?;
    if cofactor.is_some_and(|cofactor| cofactor.value != [1]) || !fields.is_empty() {
        return None;
    }
    EllipticCurve::ALL.into_iter().find(|curve| {
        let parameters = curve.parameters();
        let equals = |bytes: &[u8], text| trim(bytes) == trim(&curve_hex(text));
        let base_matches = || {
            let (gx, gy) = (curve_hex(parameters.gx), curve_hex(parameters.gy));
            let odd = gy.last().is_some_and(|byte| byte & 1 == 1);
            match base {
                [0x04, point @ ..] => *point == [gx, gy].concat(),
                [form @ (0x02 | 0x03), x @ ..] => *x == gx && (*form == 0x03) == odd,
                _ => false,
            }
        };
        equals(p, parameters.p)
            && equals(a, parameters.a)
            && equals(b, parameters.b)
            && equals(order, parameters.n)
            && base_matches()
    })
}

/// Explicit parameters of a curve, for test cards and tests.
pub(crate) fn explicit_parameters(curve: EllipticCurve) -> Vec<u8> {
    let parameters = curve.parameters();
    let base = [vec![0x04], curve_hex(parameters.gx), curve_hex(parameters.gy)].concat();
    der::sequence(&[
        &der::integer(&[1]),
        &der::sequence(&[&der::oid(oid::PRIME_FIELD), &der::integer(&curve_hex(parameters.p))]),
        &der::sequence(&[&der::octets(&curve_hex(parameters.a)), &der::octets(&curve_hex(parameters.b))]),
        &der::octets(&base),
        &der::integer(&curve_hex(parameters.n)),
        &der::integer(&[1]),
    ])
}

fn trim(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::crypto::public_point;

    fn spki(curve: EllipticCurve, parameters: Vec<u8>) -> Spki {
        let point = public_point(curve, &[9]).unwrap();
        let algorithm = AlgorithmIdentifier { oid: oid::EC.to_vec(), parameters };
        Spki { algorithm, key: [vec![4], point.x, point.y].concat() }
    }

    #[test]
    fn written_out_parameters_of_a_known_curve_are_that_curve() {
        for curve in EllipticCurve::ALL {
            let key = PublicKey::from_spki(&spki(curve, explicit_parameters(curve))).unwrap();
            assert!(matches!(key, PublicKey::Ec { curve: found, explicit: true, .. } if found == curve));
            let named = PublicKey::from_spki(&spki(curve, der::oid(curve.oid()))).unwrap();
            assert!(matches!(named, PublicKey::Ec { curve: found, explicit: false, .. } if found == curve));
        }
    }

    #[test]
    fn a_curve_with_any_one_bit_changed_is_refused() {
        for curve in EllipticCurve::ALL {
            let good = explicit_parameters(curve);
            for bit in 0..good.len() * 8 {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                // The version alone may be 1, 2 or 3: it changes no number.
                let version_only =
                    good[..bit / 8].ends_with(&[0x02, 0x01]) && bit / 8 < 8 && matches!(bad[bit / 8], 1..=3);
                // A base point may be given compressed, but not with both coordinates.
                let result = PublicKey::from_spki(&spki(curve, bad));
                assert_eq!(result.is_ok(), version_only, "{} bit {bit}", curve.name());
            }
        }
    }

    #[test]
    fn a_base_point_of_the_attackers_choice_is_refused() {
        // CVE-2020-0601: the true public key as base point, private key 1.
        let curve = EllipticCurve::P384;
        let good = explicit_parameters(curve);
        let parameters = curve.parameters();
        let own = public_point(curve, &[9]).unwrap();
        let base = [curve_hex(parameters.gx), curve_hex(parameters.gy)].concat();
        let at = good.windows(base.len()).position(|window| window == base).unwrap();
        let mut bad = good.clone();
        bad[at..at + base.len()].copy_from_slice(&[own.x, own.y].concat());
        assert!(matches!(PublicKey::from_spki(&spki(curve, bad)), Err(KeyError::UnknownParameters)));
    }
}
