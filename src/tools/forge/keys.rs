use crypto_bigint::{BoxedUint, ConcatenatingMul};

use crate::chip::crypto::{
    AlgorithmIdentifier, EllipticCurve, Hash, Spki, explicit_parameters, mgf1_xor, power, sign_for_tests,
};
use crate::chip::test_keys::{expand, point, scalar};
use crate::chip::{der, oid};

/// Length of an RSA test key's primes.
const PRIME_BYTES: usize = 128;
const EXPONENT: u32 = 65_537;

/// What kind of key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA.
    Ec {
        /// The curve.
        curve: EllipticCurve,
        /// Whether the certificate writes the curve's parameters out.
        explicit: bool,
    },
    /// RSA 2048 with PKCS#1 v1.5 padding.
    RsaPkcs1,
    /// RSA 2048 with PSS padding and a salt of 20 bytes, unlike the hash's 32.
    RsaPss,
}

impl KeyKind {
    /// ECDSA on P-256, the named curve.
    pub const P256: Self = Self::Ec { curve: EllipticCurve::P256, explicit: false };
    /// ECDSA on P-384, the named curve.
    pub const P384: Self = Self::Ec { curve: EllipticCurve::P384, explicit: false };
}

/// A private key made from a seed. For test cards only.
#[derive(Clone)]
pub struct TestKey {
    kind: KeyKind,
    hash: Hash,
    /// Elliptic curves: the scalar. RSA: the private exponent.
    private: Vec<u8>,
    /// RSA: the modulus.
    modulus: Vec<u8>,
    spki: Spki,
}

impl TestKey {
    /// The key of a seed and a label.
    pub fn new(seed: &[u8], label: &str, kind: KeyKind) -> Self {
        let (spki, private, modulus) = match kind {
            KeyKind::Ec { curve, explicit } => {
                let private = scalar(seed, label, curve);
                let parameters = if explicit { explicit_parameters(curve) } else { der::oid(curve.oid()) };
                let algorithm = AlgorithmIdentifier { oid: oid::EC.to_vec(), parameters };
                (Spki { algorithm, key: point(curve, &private) }, private, Vec::new())
            }
            KeyKind::RsaPkcs1 | KeyKind::RsaPss => {
                let (modulus, private) = rsa_key(seed, label);
                let key = der::sequence(&[&der::integer(&modulus), &der::integer(&EXPONENT.to_be_bytes())]);
                let algorithm = AlgorithmIdentifier { oid: oid::RSA.to_vec(), parameters: vec![0x05, 0x00] };
                (Spki { algorithm, key }, private, modulus)
            }
        };
        let hash = match kind {
            KeyKind::Ec { curve, .. } if curve.bytes() >= 64 => Hash::Sha512,
            KeyKind::Ec { curve, .. } if curve.bytes() >= 48 => Hash::Sha384,
            _ => Hash::Sha256,
        };
        Self { kind, hash, private, modulus, spki }
    }

    /// The same key signing with another hash.
    pub fn with_hash(mut self, hash: Hash) -> Self {
        self.hash = hash;
        self
    }

    /// The public half.
    pub fn spki(&self) -> &Spki {
        &self.spki
    }

    /// The hash it signs with.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The same key with curve parameters of an attacker's choice: the public
    /// key itself as base point, so that 1 is its private key (CVE-2020-0601).
    pub(super) fn forged_spki(&self) -> Spki {
        let mut spki = self.spki.clone();
        if let KeyKind::Ec { curve, .. } = self.kind {
            let mut parameters = explicit_parameters(curve);
            let base = point(curve, &[1]);
            if let Some(at) = parameters.windows(base.len()).position(|window| window == base) {
                parameters[at..at + base.len()].copy_from_slice(&spki.key);
            }
            spki.algorithm.parameters = parameters;
        }
        spki
    }

    /// The encoded SubjectPublicKeyInfo.
    pub(super) fn encode(spki: &Spki) -> Vec<u8> {
        let algorithm = der::sequence(&[&der::oid(&spki.algorithm.oid), &spki.algorithm.parameters]);
        der::sequence(&[&algorithm, &der::bit_string(&spki.key)])
    }

    /// The encoded AlgorithmIdentifier of its signatures.
    pub(super) fn signature_algorithm(&self) -> Vec<u8> {
        let arcs = |arcs: [&[u8]; 5]| match self.hash {
            Hash::Sha1 => arcs[0].to_vec(),
            Hash::Sha224 => arcs[1].to_vec(),
            Hash::Sha256 => arcs[2].to_vec(),
            Hash::Sha384 => arcs[3].to_vec(),
            Hash::Sha512 => arcs[4].to_vec(),
        };
        match self.kind {
            KeyKind::Ec { .. } => der::sequence(&[&der::oid(&arcs([
                oid::ECDSA_SHA1,
                oid::ECDSA_SHA224,
                oid::ECDSA_SHA256,
                oid::ECDSA_SHA384,
                oid::ECDSA_SHA512,
            ]))]),
            KeyKind::RsaPkcs1 => {
                let name = arcs([oid::SHA1_RSA, oid::SHA224_RSA, oid::SHA256_RSA, oid::SHA384_RSA, oid::SHA512_RSA]);
                der::sequence(&[&der::oid(&name), &[0x05, 0x00]])
            }
            KeyKind::RsaPss => {
                let hash = der::sequence(&[&der::oid(self.hash.oid()), &[0x05, 0x00]]);
                let mask = der::sequence(&[&der::oid(oid::MGF1), &hash]);
                let parameters = der::sequence(&[&der::tlv(0xA0, &hash), &der::tlv(0xA1, &mask)]);
                der::sequence(&[&der::oid(oid::RSA_PSS), &parameters])
            }
        }
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let digest = self.hash.digest(message);
        match self.kind {
            KeyKind::Ec { curve, .. } => {
                let (r, s) = self.sign_digest(curve, &digest);
                der::sequence(&[&der::integer(&r), &der::integer(&s)])
            }
            KeyKind::RsaPkcs1 => {
                let algorithm = der::sequence(&[&der::oid(self.hash.oid()), &[0x05, 0x00]]);
                let info = der::sequence(&[&algorithm, &der::octets(&digest)]);
                let mut block = vec![0x00, 0x01];
                block.resize(self.modulus.len() - info.len() - 1, 0xFF);
                block.push(0);
                block.extend_from_slice(&info);
                self.raise(&block)
            }
            KeyKind::RsaPss => {
                let salt = expand(&digest, "salt", 20);
                let seed = self.hash.digest_of(&[&[0; 8], &digest, &salt]);
                let mut block = vec![0u8; self.modulus.len() - seed.len() - 1];
                let start = block.len() - salt.len();
                block[start - 1] = 1;
                block[start..].copy_from_slice(&salt);
                mgf1_xor(self.hash, &seed, &mut block);
                block[0] &= 0x7F;
                block.extend_from_slice(&seed);
                block.push(0xBC);
                self.raise(&block)
            }
        }
    }

    /// What a chip with this key answers to a challenge: plain ECDSA, or
    /// ISO/IEC 9796-2 scheme 1.
    pub fn answer(&self, challenge: &[u8]) -> Vec<u8> {
        if let KeyKind::Ec { curve, .. } = self.kind {
            let (r, s) = self.sign_digest(curve, &self.hash.digest(challenge));
            return [r, s].concat();
        }
        let own = expand(challenge, "chip nonce", self.modulus.len() - 1 - self.hash.bytes() - 2);
        let digest = self.hash.digest_of(&[&own, challenge]);
        let id = if self.hash == Hash::Sha1 { 0x33 } else { 0x34 };
        self.raise(&[vec![0x6A], own, digest, vec![id, 0xCC]].concat())
    }

    fn sign_digest(&self, curve: EllipticCurve, digest: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let nonce = expand(&[self.private.as_slice(), digest].concat(), "nonce", curve.bytes() - 2);
        sign_for_tests(curve, &self.private, &nonce, digest).unwrap_or_default()
    }

    fn raise(&self, block: &[u8]) -> Vec<u8> {
        power(block, &self.private, &self.modulus).unwrap_or_default()
    }
}

/// A 2048-bit modulus and its private exponent.
fn rsa_key(seed: &[u8], label: &str) -> (Vec<u8>, Vec<u8>) {
    let p = prime(seed, &format!("{label} p"));
    let q = prime(seed, &format!("{label} q"));
    let modulus = multiply(&p, &q);
    let less_one = |mut prime: Vec<u8>| {
        // A prime is odd: taking one clears its last bit.
        if let Some(last) = prime.last_mut() {
            *last &= 0xFE;
        }
        prime
    };
    let totient = multiply(&less_one(p), &less_one(q));
    // d = (1 + kφ)/e for the k that makes it whole: k ≡ −φ⁻¹ mod e, e prime.
    let (base, prime) = (u64::from(remainder(&totient, EXPONENT)), u64::from(EXPONENT));
    let inverse = (0..EXPONENT - 2).fold(1u64, |value, _| value * base % prime);
    let k = u64::from(EXPONENT) - inverse;
    (modulus, divide_whole(&totient, k as u32))
}

/// `(1 + k·value) / e`, which must come out whole.
fn divide_whole(value: &[u8], k: u32) -> Vec<u8> {
    let mut product = vec![0u8; value.len() + 4];
    let mut carry = 1u64;
    for (out, &byte) in product.iter_mut().rev().zip(value.iter().rev().chain(std::iter::repeat(&0))) {
        carry += u64::from(byte) * u64::from(k);
        *out = carry as u8;
        carry >>= 8;
    }
    let mut rest = 0u64;
    for byte in &mut product {
        rest = rest << 8 | u64::from(*byte);
        *byte = (rest / u64::from(EXPONENT)) as u8;
        rest %= u64::from(EXPONENT);
    }
    product
}

/// A probable prime of 1024 bits, its two highest bits set, that may go with
/// the exponent.
fn prime(seed: &[u8], label: &str) -> Vec<u8> {
    let small: Vec<u32> = (3..2000u32).filter(|n| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0)).collect();
    for attempt in 0u32.. {
        let mut candidate = expand(seed, &format!("{label} {attempt}"), PRIME_BYTES);
        candidate[0] |= 0xC0;
        candidate[PRIME_BYTES - 1] |= 1;
        if small.iter().any(|&n| remainder(&candidate, n) == 0) || remainder(&candidate, EXPONENT) == 1 {
            continue;
        }
        let mut exponent = candidate.clone();
        exponent[PRIME_BYTES - 1] &= 0xFE;
        // Fermat's test: random candidates that pass and are composite are
        // rarer than faults of the memory.
        let one = |value: Option<Vec<u8>>| {
            value.is_some_and(|value| {
                value.split_last().is_some_and(|(last, rest)| *last == 1 && rest.iter().all(|&b| b == 0))
            })
        };
        if [2, 3, 5].iter().all(|&base| one(power(&[base], &exponent, &candidate))) {
            return candidate;
        }
    }
    Vec::new()
}

fn remainder(value: &[u8], divisor: u32) -> u32 {
    value.iter().fold(0u64, |rest, &byte| (rest << 8 | u64::from(byte)) % u64::from(divisor)) as u32
}

fn multiply(left: &[u8], right: &[u8]) -> Vec<u8> {
    BoxedUint::from_be_slice_vartime(left)
        .concatenating_mul(BoxedUint::from_be_slice_vartime(right))
        .to_be_bytes()
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::crypto::verify;
    use crate::chip::tlv::TlvReader;

    #[test]
    fn every_kind_of_key_signs_what_verifies() {
        for kind in [KeyKind::P256, KeyKind::P384, KeyKind::RsaPkcs1, KeyKind::RsaPss] {
            let key = TestKey::new(b"keys", "one", kind);
            let bytes = key.signature_algorithm();
            let algorithm = AlgorithmIdentifier::parse(&mut TlvReader::new(&bytes)).unwrap();
            let mut signature = key.sign(b"message");
            assert!(verify(key.spki(), &algorithm, None, b"message", &signature).is_ok(), "{kind:?}");
            assert!(verify(key.spki(), &algorithm, None, b"massage", &signature).is_err(), "{kind:?}");
            *signature.last_mut().unwrap() ^= 1;
            assert!(verify(key.spki(), &algorithm, None, b"message", &signature).is_err(), "{kind:?}");
        }
    }
}
