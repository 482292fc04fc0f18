//! The issuer's public keys: a JSON Web Key Set, of which signature keys are kept.
//!
//! Source: RFC 7517 (JWK), RFC 7518, 6 (EC and RSA keys), RFC 8037 (OKP keys); NIST SP
//! 800-131A (RSA of at least 2048 bits), FIPS 186-5, A.1.1 (exponents from 65537).

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::parts::{Header, KID_BYTES_MAX};
use super::{Algorithm, TokenError};

/// Largest key set that is read, in bytes.
pub const KEY_SET_BYTES_MAX: usize = 256 << 10;
/// Most keys of a set, those that are skipped included.
pub const KEYS_MAX: usize = 64;
/// Most keys that are tried for one token, where several have one id.
const TRIED_MAX: usize = 4;
/// Sizes of RSA keys, in bits. Longer ones take longer to check than a call may wait.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// Smallest exponent of an RSA key.
const RSA_EXPONENT_MIN: u64 = 65537;
/// Longest exponent, in bytes: `ring` takes up to 33 bits.
const RSA_EXPONENT_BYTES_MAX: usize = 4;

/// Why a key set cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Longer than [`KEY_SET_BYTES_MAX`].
    #[error("the key set is longer than {KEY_SET_BYTES_MAX} bytes")]
    TooLong,
    /// No JSON object with a list `keys`.
    #[error("it is no JSON Web Key Set: a JSON object with a list \"keys\"")]
    NotAKeySet,
    /// More than [`KEYS_MAX`].
    #[error("the key set has more than {KEYS_MAX} keys")]
    TooManyKeys,
}

/// Why a key of a set is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum SkippedKey {
    /// For encryption, or another use.
    #[error("it is not for signatures")]
    OtherUse,
    /// A kind, curve or algorithm that no accepted token is signed with.
    #[error("its kind or algorithm is not used here")]
    OtherKind,
    /// A symmetric key, or one whose private part is published.
    #[error("it is secret: the private part must not be published, and tokens signed by it are refused")]
    Secret,
    /// RSA below 2048 or above 4096 bits, or with a small exponent.
    #[error("its RSA size is not 2048 to 4096 bits, or its exponent is below 65537")]
    RsaSize,
    /// Not as its kind demands.
    #[error("it is damaged")]
    Damaged,
    /// More than four keys have the same id.
    #[error("too many keys have its id")]
    SameId,
}

/// A key as it stands in a set. Fields of other types make it damaged, and not the set.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<serde::de::IgnoredAny>,
    k: Option<serde::de::IgnoredAny>,
}

#[derive(Clone, PartialEq, Eq)]
enum Public {
    /// A point, as `ring` takes it.
    Point(Vec<u8>),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

#[derive(Clone, PartialEq, Eq)]
struct Key {
    kid: Option<String>,
    algorithms: Vec<Algorithm>,
    public: Public,
}

/// Signature keys of an issuer.
///
/// `Debug` counts them.
#[derive(Clone)]
pub struct KeySet {
    keys: Vec<Key>,
    skipped: BTreeMap<SkippedKey, usize>,
    digest: [u8; 32],
}

impl KeySet {
    /// Reads a JSON Web Key Set. Keys that cannot be used are skipped. A set without any is one,
    /// too: an issuer that withdraws all its keys says so.
    ///
    /// # Errors
    /// [`KeySetError`] where it is too long or no key set.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        if json.len() > KEY_SET_BYTES_MAX {
            return Err(KeySetError::TooLong);
        }
        let set: Set = serde_json::from_slice(json).map_err(|_| KeySetError::NotAKeySet)?;
        if set.keys.len() > KEYS_MAX {
            return Err(KeySetError::TooManyKeys);
        }
        let mut found = Self { keys: Vec::new(), skipped: BTreeMap::new(), digest: Sha256::digest(json).into() };
        for value in set.keys {
            if let Err(why) = found.add(value) {
                *found.skipped.entry(why).or_default() += 1;
            }
        }
        Ok(found)
    }

    /// Whether it has no key that can be used.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many keys it has that can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Why keys were skipped, and how many.
    pub fn skipped(&self) -> impl Iterator<Item = (SkippedKey, usize)> + '_ {
        self.skipped.iter().map(|(&why, &count)| (why, count))
    }

    /// SHA-256 of the set as it was read.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    fn add(&mut self, value: Value) -> Result<(), SkippedKey> {
        let key = Key::of(serde_json::from_value(value).map_err(|_| SkippedKey::Damaged)?)?;
        if self.keys.contains(&key) {
            return Ok(());
        }
        let of_its_id = self.keys.iter().filter(|other| other.kid == key.kid).count();
        if key.kid.is_some() && of_its_id >= TRIED_MAX {
            return Err(SkippedKey::SameId);
        }
        self.keys.push(key);
        Ok(())
    }

    /// Checks a signature by the keys that the header names; where it names none, by the one
    /// key that fits.
    pub(super) fn verify(&self, header: &Header, signed: &[u8], signature: &[u8]) -> Result<(), TokenError> {
        let fitting = self.keys.iter().filter(|key| {
            let is_named = header.kid.is_none() || key.kid == header.kid;
            is_named && key.algorithms.contains(&header.algorithm)
        });
        let mut tried = 0;
        if header.kid.is_none() && fitting.clone().nth(1).is_some() {
            return Err(TokenError::KeyUnknown);
        }
        for key in fitting {
            if key.verifies(header.algorithm, signed, signature) {
                return Ok(());
            }
            tried += 1;
        }
        Err(if tried == 0 { TokenError::KeyUnknown } else { TokenError::Signature })
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({} keys)", self.keys.len())
    }
}

impl Key {
    fn of(jwk: Jwk) -> Result<Self, SkippedKey> {
        if jwk.d.is_some() || jwk.k.is_some() {
            return Err(SkippedKey::Secret);
        }
        let for_signatures = jwk.r#use.as_deref().is_none_or(|used| used == "sig")
            && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !for_signatures {
            return Err(SkippedKey::OtherUse);
        }
        if jwk.kid.as_ref().is_some_and(|kid| kid.len() > KID_BYTES_MAX) {
            return Err(SkippedKey::Damaged);
        }
        let (public, mut algorithms) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("EC", Some("P-256")) => (point(&jwk, 32)?, vec![Algorithm::Es256]),
            ("EC", Some("P-384")) => (point(&jwk, 48)?, vec![Algorithm::Es384]),
            ("OKP", Some("Ed25519")) => (Public::Point(sized(&jwk.x, 32)?), vec![Algorithm::EdDsa]),
            ("RSA", _) => (rsa(&jwk)?, vec![Algorithm::Rs256, Algorithm::Ps256]),
            _ => return Err(SkippedKey::OtherKind),
        };
        if let Some(name) = jwk.alg {
            let named = Algorithm::from_name(&name);
            algorithms.retain(|&algorithm| Some(algorithm) == named);
            if algorithms.is_empty() {
                return Err(SkippedKey::OtherKind);
            }
        }
        Ok(Self { kid: jwk.kid, algorithms, public })
    }

    fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        let by_point = |scheme: &'static dyn VerificationAlgorithm, point: &[u8]| {
            UnparsedPublicKey::new(scheme, point).verify(signed, signature)
        };
        let by_rsa = |scheme, n: &[u8], e: &[u8]| RsaPublicKeyComponents { n, e }.verify(scheme, signed, signature);
        let verified = match (&self.public, algorithm) {
            (Public::Point(point), Algorithm::Es256) => by_point(&signature::ECDSA_P256_SHA256_FIXED, point),
            (Public::Point(point), Algorithm::Es384) => by_point(&signature::ECDSA_P384_SHA384_FIXED, point),
            (Public::Point(point), Algorithm::EdDsa) => by_point(&signature::ED25519, point),
            (Public::Rsa { n, e }, Algorithm::Rs256) => by_rsa(&signature::RSA_PKCS1_2048_8192_SHA256, n, e),
            (Public::Rsa { n, e }, Algorithm::Ps256) => by_rsa(&signature::RSA_PSS_2048_8192_SHA256, n, e),
            _ => return false,
        };
        verified.is_ok()
    }
}

fn bytes(field: &Option<String>) -> Result<Vec<u8>, SkippedKey> {
    let text = field.as_deref().ok_or(SkippedKey::Damaged)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| SkippedKey::Damaged)
}

fn sized(field: &Option<String>, length: usize) -> Result<Vec<u8>, SkippedKey> {
    bytes(field).and_then(|bytes| if bytes.len() == length { Ok(bytes) } else { Err(SkippedKey::Damaged) })
}

/// An uncompressed point: SEC 1, 2.3.3. Whether it lies on the curve is checked with every
/// signature.
fn point(jwk: &Jwk, length: usize) -> Result<Public, SkippedKey> {
    Ok(Public::Point([vec![4], sized(&jwk.x, length)?, sized(&jwk.y, length)?].concat()))
}

fn rsa(jwk: &Jwk) -> Result<Public, SkippedKey> {
    let number = |field| {
        let bytes: Vec<u8> = bytes(field)?;
        // Some providers keep a sign byte of zero.
        Ok(bytes[bytes.iter().take_while(|&&byte| byte == 0).count()..].to_vec())
    };
    let (n, e): (Vec<u8>, Vec<u8>) = (number(&jwk.n)?, number(&jwk.e)?);
    let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
    let exponent = e.iter().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
    if !RSA_BITS.contains(&bits) || e.len() > RSA_EXPONENT_BYTES_MAX || exponent < RSA_EXPONENT_MIN {
        return Err(SkippedKey::RsaSize);
    }
    if n.last().is_none_or(|last| last & 1 == 0) || exponent & 1 == 0 {
        return Err(SkippedKey::Damaged);
    }
    Ok(Public::Rsa { n, e })
}
