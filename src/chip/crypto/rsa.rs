//! RSA with a public key: PKCS#1 v1.5 and PSS (RFC 8017), and the message
//! recovery of ISO/IEC 9796-2 for Active Authentication.

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};

use super::Hash;
use crate::chip::der;

/// Largest modulus accepted, in bits. Country certificates have up to 6144.
pub const RSA_BITS_MAX: u32 = 8192;
/// Smallest modulus accepted, in bits: shorter keys can be factored on a laptop.
const RSA_BITS_MIN: u32 = 1024;
/// Largest public exponent: genuine ones have 2 to 32 bits. Bounds the time.
const EXPONENT_BITS_MAX: u32 = 64;

/// An RSA public key that may be used.
#[derive(Clone, PartialEq, Eq)]
pub struct RsaPublicKey {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    bits: u32,
}

impl RsaPublicKey {
    /// From big-endian bytes. `None` for an even or tiny modulus or exponent,
    /// or one too large.
    pub fn new(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let (modulus, exponent) = (trim(modulus), trim(exponent));
        let (bits, exponent_bits) = (bits(modulus), bits(exponent));
        let odd = |bytes: &[u8]| bytes.last().is_some_and(|byte| byte & 1 == 1);
        let fits = (RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) && (2..=EXPONENT_BITS_MAX).contains(&exponent_bits);
        (fits && odd(modulus) && odd(exponent)).then(|| Self {
            modulus: modulus.to_vec(),
            exponent: exponent.to_vec(),
            bits,
        })
    }

    /// Length of the modulus in bits.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// RSAVP1 (RFC 8017, 5.2.2): the signature raised to the public exponent, as wide as the
    /// modulus.
    pub(crate) fn raise(&self, signature: &[u8]) -> Option<Vec<u8>> {
        power(signature, &self.exponent, &self.modulus)
    }

    /// As [`Self::raise`], for signatures exactly as wide as the modulus, as RFC 8017 requires
    /// (8.1.2 and 8.2.2, step 1).
    fn raise_whole(&self, signature: &[u8]) -> Option<Vec<u8>> {
        if signature.len() == self.modulus.len() { self.raise(signature) } else { None }
    }

    /// RSASSA-PKCS1-v1_5: the encoded message is rebuilt and compared as a whole, so no forged
    /// padding passes. The NULL parameter of the hash may be missing.
    pub(super) fn verify_pkcs1(&self, hash: Hash, digest: &[u8], signature: &[u8]) -> bool {
        let Some(message) = self.raise_whole(signature) else { return false };
        [&[0x05, 0x00][..], &[]].into_iter().any(|parameters| {
            let algorithm = der::sequence(&[&der::oid(hash.oid()), parameters]);
            let info = der::sequence(&[&algorithm, &der::octets(digest)]);
            let Some(padding) = message.len().checked_sub(info.len() + 3).filter(|&padding| padding >= 8) else {
                return false;
            };
            let mut expected = vec![0x00, 0x01];
            expected.resize(2 + padding, 0xFF);
            expected.push(0x00);
            expected.extend_from_slice(&info);
            message == expected
        })
    }

    /// RSASSA-PSS (RFC 8017, 8.1.2) with a salt of `salt` bytes; of any length if `None`.
    pub(super) fn verify_pss(
        &self,
        hash: Hash,
        mask_hash: Hash,
        salt: Option<usize>,
        digest: &[u8],
        signature: &[u8],
    ) -> bool {
        let Some(message) = self.raise_whole(signature) else { return false };
        let encoded_bits = self.bits as usize - 1;
        let length = encoded_bits.div_ceil(8);
        let (lead, encoded) = message.split_at(message.len() - length);
        if lead.iter().any(|&byte| byte != 0) || encoded.last() != Some(&0xBC) {
            return false;
        }
        let Some(masked_length) = length.checked_sub(hash.bytes() + 1) else { return false };
        let mut block = encoded[..masked_length].to_vec();
        let seed = &encoded[masked_length..length - 1];
        let unused = 8 * length - encoded_bits;
        if block.first().is_none_or(|&byte| unused > 0 && byte >> (8 - unused) != 0) {
            return false;
        }
        mgf1_xor(mask_hash, seed, &mut block);
        block[0] &= 0xFF >> unused;
        let Some(start) = block.iter().position(|&byte| byte != 0) else { return false };
        let salt_fits = salt.is_none_or(|salt| salt == block.len() - start - 1);
        block[start] == 0x01 && salt_fits && hash.digest_of(&[&[0; 8], digest, &block[start + 1..]]) == seed
    }

    /// ISO/IEC 9796-2 scheme 1 with partial recovery, `rest` being the non-recoverable part: the
    /// signature of Active Authentication (ICAO 9303-11, 6.1). Returns the hash function; `None` if
    /// the signature is wrong.
    pub(crate) fn verify_iso9796(&self, rest: &[u8], signature: &[u8]) -> Option<Hash> {
        let raised = self.raise(signature)?;
        // The signer may send n − s instead of s; the right one ends in the trailer's nibble C.
        let message = if raised.last()? & 0x0F == 0x0C { raised } else { subtract(&self.modulus, &raised) };
        let (hash, trailer) = match message.as_slice() {
            [.., 0xBC] => (Hash::Sha1, 1),
            [.., id, 0xCC] => (
                match id {
                    0x33 => Hash::Sha1,
                    0x34 => Hash::Sha256,
                    0x35 => Hash::Sha512,
                    0x36 => Hash::Sha384,
                    0x38 => Hash::Sha224,
                    _ => return None,
                },
                2,
            ),
            _ => return None,
        };
        // 0110 1010 …: partial recovery, no more than one padding byte.
        if *message.first()? != 0x6A {
            return None;
        }
        let digest_at = message.len().checked_sub(trailer + hash.bytes())?;
        let recovered = message.get(1..digest_at)?;
        let digest = &message[digest_at..message.len() - trailer];
        (hash.digest_of(&[recovered, rest]) == digest).then_some(hash)
    }
}

/// XORs MGF1 (RFC 8017, B.2.1) of a seed over `block`.
pub(crate) fn mgf1_xor(hash: Hash, seed: &[u8], block: &mut [u8]) {
    for (counter, chunk) in block.chunks_mut(hash.bytes()).enumerate() {
        let mask = hash.digest_of(&[seed, &(counter as u32).to_be_bytes()]);
        chunk.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
}

/// `base` to the `exponent` modulo an odd `modulus`, as wide as the modulus.
/// `None` where the base is not smaller than the modulus.
pub(crate) fn power(base: &[u8], exponent: &[u8], modulus: &[u8]) -> Option<Vec<u8>> {
    let (base, exponent, modulus) = (trim(base), trim(exponent), trim(modulus));
    let less = base.len().cmp(&modulus.len()).then_with(|| base.cmp(modulus)).is_lt();
    if !less {
        return None;
    }
    let precision = (modulus.len() as u32 * 8).next_multiple_of(64);
    let number = |bytes, precision| BoxedUint::from_be_slice(bytes, precision).ok();
    let odd = Odd::new(number(modulus, precision)?).into_option()?;
    let parameters = BoxedMontyParams::new_vartime(odd);
    let exponent_precision = (exponent.len() as u32 * 8).next_multiple_of(64).max(64);
    let result = BoxedMontyForm::new(number(base, precision)?, &parameters)
        .pow_bounded_exp(&number(exponent, exponent_precision)?, bits(exponent))
        .retrieve();
    let bytes = result.to_be_bytes();
    Some(bytes[bytes.len() - modulus.len()..].to_vec())
}

/// `left − right` for numbers of one width, `left` the larger.
fn subtract(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut out = left.to_vec();
    let mut borrow = 0i16;
    for (out, &right) in out.iter_mut().rev().zip(right.iter().rev()) {
        let value = i16::from(*out) - i16::from(right) - borrow;
        borrow = i16::from(value < 0);
        *out = value.rem_euclid(256) as u8;
    }
    out
}

fn trim(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len())..]
}

fn bits(trimmed: &[u8]) -> u32 {
    trimmed.first().map_or(0, |first| trimmed.len() as u32 * 8 - first.leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_right_and_as_wide_as_the_modulus() {
        // 5^117 mod 10007, by hand and by any calculator.
        let expected = (0..117).fold(1u64, |value, _| value * 5 % 10_007);
        assert_eq!(power(&[5], &[117], &10_007u16.to_be_bytes()), Some((expected as u16).to_be_bytes().to_vec()));
        assert_eq!(power(&[0, 7], &[1], &[0, 7]), None);
        assert_eq!(power(&[], &[3], &[1, 1]), Some(vec![0, 0]));
    }

    #[test]
    fn subtraction_borrows() {
        assert_eq!(subtract(&[1, 0, 0], &[0, 0, 1]), [0, 255, 255]);
    }

    #[test]
    fn keys_that_cannot_be_used_are_refused() {
        let mut modulus = vec![0xC1; 256];
        assert_eq!(RsaPublicKey::new(&modulus, &[1, 0, 1]).unwrap().bits(), 2048);
        assert!(RsaPublicKey::new(&modulus, &[1]).is_none());
        assert!(RsaPublicKey::new(&modulus, &[4]).is_none());
        assert!(RsaPublicKey::new(&modulus, &[1; 40]).is_none());
        assert!(RsaPublicKey::new(&modulus[..64], &[1, 0, 1]).is_none());
        assert!(RsaPublicKey::new(&[0xC1; 2000], &[1, 0, 1]).is_none());
        modulus[255] = 0xC0;
        assert!(RsaPublicKey::new(&modulus, &[1, 0, 1]).is_none());
        assert!(RsaPublicKey::new(&[], &[]).is_none());
    }
}
