//! ECDSA (FIPS 186-4, 6.4; BSI TR-03111, 4.2) on every curve of [`EllipticCurve`].
//!
//! Short Weierstrass arithmetic in Jacobian coordinates over Montgomery residues, generic in the
//! number of limbs. The constants of each curve and a table of multiples of its base point are
//! computed once.

use std::sync::OnceLock;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{NonZero, Odd, Uint};

use super::curve::{EllipticCurve, hex};

/// Window width of scalar multiplication, in bits; a table holds 16 multiples of a point.
const WINDOW_BITS: usize = 4;

/// An affine point in big-endian coordinates, each as wide as its field.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct EcPoint {
    pub x: Vec<u8>,
    pub y: Vec<u8>,
}

type Fe<const L: usize> = FixedMontyForm<L>;

#[derive(Clone, Copy)]
struct Jacobian<const L: usize> {
    x: Fe<L>,
    y: Fe<L>,
    z: Fe<L>,
}

/// A curve's parameters in Montgomery form, with 0…15 times its base point.
struct Domain<const L: usize> {
    p: FixedMontyParams<L>,
    n: FixedMontyParams<L>,
    order: NonZero<Uint<L>>,
    order_bits: usize,
    bytes: usize,
    a: Fe<L>,
    b: Fe<L>,
    base: [Jacobian<L>; 16],
}

/// Runs `$body` with `$domain` bound to the constants of `$curve`.
macro_rules! on_curve {
    ($curve:expr, $domain:ident => $body:expr) => {
        on_curve!(@ $curve, $domain => $body;
            P224 4, P256 4, P384 6, P521 9, Bp224 4, Bp256 4, Bp320 5, Bp384 6, Bp512 8)
    };
    (@ $curve:expr, $domain:ident => $body:expr; $($name:ident $limbs:literal),*) => {
        match $curve {
            $(EllipticCurve::$name => {
                static DOMAIN: OnceLock<Option<Domain<$limbs>>> = OnceLock::new();
                match DOMAIN.get_or_init(|| Domain::new(EllipticCurve::$name)) {
                    Some($domain) => $body,
                    None => Default::default(),
                }
            })*
        }
    };
}

/// Whether `(r, s)` is a valid signature of `digest` by `key`. False for a key that is not on the
/// curve.
pub(crate) fn verify(curve: EllipticCurve, key: &EcPoint, digest: &[u8], r: &[u8], s: &[u8]) -> bool {
    on_curve!(curve, domain => domain.verify(key, digest, r, s).unwrap_or(false))
}

/// Verifies a signature that is `r` and `s` one after the other, each as wide as the order
/// (TR-03111, 5.2.1), which is as wide as the field on every curve here.
pub(crate) fn verify_plain(curve: EllipticCurve, key: &EcPoint, digest: &[u8], signature: &[u8]) -> bool {
    if signature.len() != 2 * curve.bytes() {
        return false;
    }
    let (r, s) = signature.split_at(signature.len() / 2);
    verify(curve, key, digest, r, s)
}

/// Whether a point is on its curve.
pub(super) fn is_on_curve(curve: EllipticCurve, point: &EcPoint) -> bool {
    on_curve!(curve, domain => domain.affine(point).is_some())
}

/// Decompresses a point: the one with this x whose y has the given parity. `None` on P-224, whose p
/// is not 3 mod 4, so that the square root is not a single power.
pub(super) fn decompress(curve: EllipticCurve, x: &[u8], odd: bool) -> Option<EcPoint> {
    on_curve!(curve, domain => domain.decompress(x, odd))
}

/// The public point of a private scalar. For test cards and tests only: not constant time.
pub(crate) fn public_point(curve: EllipticCurve, private: &[u8]) -> Option<EcPoint> {
    on_curve!(curve, domain => {
        let scalar = domain.scalar(private)?;
        domain.to_affine(&domain.combine(&scalar, &domain.base, None))
    })
}

/// Signs a digest with the given nonce, as `(r, s)`. For test cards and tests only: not constant
/// time, and nonces must not repeat.
pub(crate) fn sign_for_tests(
    curve: EllipticCurve,
    private: &[u8],
    nonce: &[u8],
    digest: &[u8],
) -> Option<(Vec<u8>, Vec<u8>)> {
    on_curve!(curve, domain => domain.sign(private, nonce, digest))
}

/// A number from big-endian bytes; `None` where it does not fit.
fn uint<const L: usize>(bytes: &[u8]) -> Option<Uint<L>> {
    let start = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len());
    let digits = &bytes[start..];
    let mut padded = [0u8; 9 * 8];
    let width = L * 8;
    if digits.len() > width || width > padded.len() {
        return None;
    }
    padded[width - digits.len()..width].copy_from_slice(digits);
    Some(Uint::from_be_slice(&padded[..width]))
}

impl<const L: usize> Domain<L> {
    fn new(curve: EllipticCurve) -> Option<Self> {
        let parameters = curve.parameters();
        let number = |text| uint::<L>(&hex(text));
        let p = FixedMontyParams::new_vartime(Odd::new(number(parameters.p)?).into_option()?);
        let order = number(parameters.n)?;
        let n = FixedMontyParams::new_vartime(Odd::new(order).into_option()?);
        let element = |text| Some(Fe::new(&number(text)?, &p));
        let generator = Jacobian { x: element(parameters.gx)?, y: element(parameters.gy)?, z: Fe::one(&p) };
        let mut domain = Self {
            n,
            order: NonZero::new(order).into_option()?,
            order_bits: parameters.order_bits,
            bytes: parameters.bytes,
            a: element(parameters.a)?,
            b: element(parameters.b)?,
            base: [generator; 16],
            p,
        };
        domain.base = domain.table(&generator);
        Some(domain)
    }

    fn infinity(&self) -> Jacobian<L> {
        Jacobian { x: Fe::one(&self.p), y: Fe::one(&self.p), z: Fe::zero(&self.p) }
    }

    /// 0, 1, … 15 times a point.
    fn table(&self, point: &Jacobian<L>) -> [Jacobian<L>; 16] {
        let mut table = [self.infinity(); 16];
        for index in 1..table.len() {
            table[index] = self.add(&table[index - 1], point);
        }
        table
    }

    /// "dbl-2007-bl" of the Explicit-Formulas Database.
    fn double(&self, q: &Jacobian<L>) -> Jacobian<L> {
        if is_zero(&q.z) {
            return *q;
        }
        let xx = q.x.square();
        let yy = q.y.square();
        let yyyy = yy.square();
        let zz = q.z.square();
        let s = ((q.x + yy).square() - xx - yyyy).double();
        let m = xx.double() + xx + self.a * zz.square();
        let x = m.square() - s.double();
        let y = m * (s - x) - yyyy.double().double().double();
        let z = (q.y + q.z).square() - yy - zz;
        Jacobian { x, y, z }
    }

    /// "add-2007-bl" of the Explicit-Formulas Database; equal points and infinity are handled
    /// apart.
    fn add(&self, q: &Jacobian<L>, r: &Jacobian<L>) -> Jacobian<L> {
        if is_zero(&q.z) {
            return *r;
        }
        if is_zero(&r.z) {
            return *q;
        }
        let z1z1 = q.z.square();
        let z2z2 = r.z.square();
        let u1 = q.x * z2z2;
        let u2 = r.x * z1z1;
        let s1 = q.y * r.z * z2z2;
        let s2 = r.y * q.z * z1z1;
        let h = u2 - u1;
        if is_zero(&h) {
            return if s1.as_montgomery() == s2.as_montgomery() { self.double(q) } else { self.infinity() };
        }
        let i = h.double().square();
        let j = h * i;
        let w = (s2 - s1).double();
        let v = u1 * i;
        let x = w.square() - j - v.double();
        let y = w * (v - x) - (s1 * j).double();
        let z = ((q.z + r.z).square() - z1z1 - z2z2) * h;
        Jacobian { x, y, z }
    }

    /// `k` times the point of `table`, plus `other.0` times the point of the table `other.1`
    /// (Shamir's trick with four-bit windows).
    fn combine(
        &self,
        k: &Uint<L>,
        table: &[Jacobian<L>; 16],
        other: Option<(&Uint<L>, &[Jacobian<L>; 16])>,
    ) -> Jacobian<L> {
        let digit = |scalar: &Uint<L>, at: usize| {
            let bit = at * WINDOW_BITS;
            (scalar.as_words()[bit / 64] >> (bit % 64)) as usize & 0xF
        };
        let mut sum = self.infinity();
        for at in (0..self.order_bits.div_ceil(WINDOW_BITS)).rev() {
            for _ in 0..WINDOW_BITS {
                sum = self.double(&sum);
            }
            sum = self.add(&sum, &table[digit(k, at)]);
            if let Some((scalar, multiples)) = other {
                sum = self.add(&sum, &multiples[digit(scalar, at)]);
            }
        }
        sum
    }

    /// The point in Montgomery form; `None` if it is not on the curve.
    fn affine(&self, point: &EcPoint) -> Option<Jacobian<L>> {
        let (x, y) = (uint::<L>(&point.x)?, uint::<L>(&point.y)?);
        if &x >= self.p.modulus().as_ref() || &y >= self.p.modulus().as_ref() {
            return None;
        }
        let (x, y) = (Fe::new(&x, &self.p), Fe::new(&y, &self.p));
        let right = self.right_side(&x);
        (y.square().as_montgomery() == right.as_montgomery()).then(|| Jacobian { x, y, z: Fe::one(&self.p) })
    }

    /// x³ + ax + b.
    fn right_side(&self, x: &Fe<L>) -> Fe<L> {
        (x.square() + self.a) * *x + self.b
    }

    fn to_affine(&self, q: &Jacobian<L>) -> Option<EcPoint> {
        let inverse = q.z.invert_vartime().into_option()?;
        let squared = inverse.square();
        let (x, y) = ((q.x * squared).retrieve(), (q.y * squared * inverse).retrieve());
        Some(EcPoint { x: self.field_bytes(&x), y: self.field_bytes(&y) })
    }

    /// Big-endian bytes as wide as a coordinate.
    fn field_bytes(&self, value: &Uint<L>) -> Vec<u8> {
        let bytes = value.to_be_bytes();
        let all: &[u8] = bytes.as_ref();
        all[all.len().saturating_sub(self.bytes)..].to_vec()
    }

    fn decompress(&self, x: &[u8], odd: bool) -> Option<EcPoint> {
        let x = uint::<L>(x)?;
        let modulus: &Uint<L> = self.p.modulus().as_ref();
        if &x >= modulus || modulus.as_words()[0] & 3 != 3 {
            return None;
        }
        let right = self.right_side(&Fe::new(&x, &self.p));
        let exponent = (modulus.wrapping_add(&Uint::ONE)).shr_vartime(2);
        let root = right.pow_vartime(&exponent);
        if root.square().as_montgomery() != right.as_montgomery() {
            return None;
        }
        let y = if (root.retrieve().as_words()[0] & 1 == 1) == odd { root } else { -root };
        Some(EcPoint { x: self.field_bytes(&x), y: self.field_bytes(&y.retrieve()) })
    }

    /// A scalar of 1…n−1.
    fn scalar(&self, bytes: &[u8]) -> Option<Uint<L>> {
        let value = uint::<L>(bytes)?;
        (value != Uint::ZERO && value < *self.order.as_ref()).then_some(value)
    }

    /// The leftmost bits of a digest, as a residue of the order.
    fn digest_scalar(&self, digest: &[u8]) -> Option<Uint<L>> {
        // Every order is a whole number of bytes wide but that of P-521, which is wider than any
        // digest.
        let width = self.order_bits.div_ceil(8);
        Some(uint::<L>(&digest[..digest.len().min(width)])?.rem_vartime(&self.order))
    }

    fn verify(&self, key: &EcPoint, digest: &[u8], r: &[u8], s: &[u8]) -> Option<bool> {
        let key = self.affine(key)?;
        let (r, s) = (self.scalar(r)?, self.scalar(s)?);
        let inverse = Fe::new(&s, &self.n).invert_vartime().into_option()?;
        let u1 = (Fe::new(&self.digest_scalar(digest)?, &self.n) * inverse).retrieve();
        let u2 = (Fe::new(&r, &self.n) * inverse).retrieve();
        let sum = self.combine(&u1, &self.base, Some((&u2, &self.table(&key))));
        let inverse = sum.z.invert_vartime().into_option()?;
        let x = (sum.x * inverse.square()).retrieve();
        Some(x.rem_vartime(&self.order) == r)
    }

    fn sign(&self, private: &[u8], nonce: &[u8], digest: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let (private, nonce) = (self.scalar(private)?, self.scalar(nonce)?);
        let point = self.to_affine(&self.combine(&nonce, &self.base, None))?;
        let r = uint::<L>(&point.x)?.rem_vartime(&self.order);
        let inverse = Fe::new(&nonce, &self.n).invert_vartime().into_option()?;
        let z = Fe::new(&self.digest_scalar(digest)?, &self.n);
        let s = (inverse * (z + Fe::new(&r, &self.n) * Fe::new(&private, &self.n))).retrieve();
        (r != Uint::ZERO && s != Uint::ZERO).then(|| (self.field_bytes(&r), self.field_bytes(&s)))
    }
}

fn is_zero<const L: usize>(value: &Fe<L>) -> bool {
    *value.as_montgomery() == Uint::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::crypto::Hash;

    fn scalar(curve: EllipticCurve, seed: u8) -> Vec<u8> {
        let mut bytes = Hash::Sha512.digest(&[seed]);
        bytes.truncate(curve.bytes() - 2);
        bytes
    }

    #[test]
    fn every_curve_has_its_base_point_on_it_and_its_order_right() {
        for curve in EllipticCurve::ALL {
            let parameters = curve.parameters();
            let base = EcPoint { x: hex(parameters.gx), y: hex(parameters.gy) };
            assert!(is_on_curve(curve, &base), "{}", curve.name());
            assert!(public_point(curve, &[1]).unwrap() == base, "{}", curve.name());
            // (n−1)G has the base point's x and the other y: n is the order.
            let mut last = hex(parameters.n);
            *last.last_mut().unwrap() -= 1;
            let negative = public_point(curve, &last).unwrap();
            assert!(negative.x == base.x && negative.y != base.y, "{}", curve.name());
        }
    }

    #[test]
    fn a_signature_verifies_and_nothing_near_it_does() {
        for curve in EllipticCurve::ALL {
            let (private, nonce) = (scalar(curve, 1), scalar(curve, 2));
            let key = public_point(curve, &private).unwrap();
            for hash in Hash::ALL {
                let digest = hash.digest(b"message");
                let (r, s) = sign_for_tests(curve, &private, &nonce, &digest).unwrap();
                let name = curve.name();
                assert!(verify(curve, &key, &digest, &r, &s), "{name}");
                assert!(verify_plain(curve, &key, &digest, &[r.clone(), s.clone()].concat()), "{name}");
                assert!(!verify(curve, &key, &hash.digest(b"messagf"), &r, &s), "{name}");
                assert!(!verify(curve, &key, &digest, &s, &r), "{name}");
                let mut flipped = s.clone();
                *flipped.last_mut().unwrap() ^= 1;
                assert!(!verify(curve, &key, &digest, &r, &flipped), "{name}");
                let other = public_point(curve, &nonce).unwrap();
                assert!(!verify(curve, &other, &digest, &r, &s), "{name}");
            }
        }
    }

    #[test]
    fn zero_the_order_and_points_off_the_curve_are_refused() {
        for curve in EllipticCurve::ALL {
            let parameters = curve.parameters();
            let mut key = public_point(curve, &[7]).unwrap();
            let digest = [5u8; 32];
            for (r, s) in
                [(vec![0], vec![1]), (vec![1], vec![0]), (hex(parameters.n), vec![1]), (vec![1], vec![0xFF; 90])]
            {
                assert!(!verify(curve, &key, &digest, &r, &s));
            }
            assert!(!verify_plain(curve, &key, &digest, &[]));
            assert!(!verify_plain(curve, &key, &digest, &[1; 33]));
            key.y[10] ^= 1;
            assert!(!is_on_curve(curve, &key));
            assert!(!is_on_curve(curve, &EcPoint { x: hex(parameters.p), y: vec![0] }));
        }
    }

    #[test]
    fn compressed_points_come_back_where_the_field_allows() {
        for curve in EllipticCurve::ALL {
            let point = public_point(curve, &scalar(curve, 3)).unwrap();
            let odd = point.y.last().unwrap() & 1 == 1;
            let back = decompress(curve, &point.x, odd);
            assert!(
                if curve == EllipticCurve::P224 { back.is_none() } else { back == Some(point) },
                "{}",
                curve.name()
            );
        }
    }
}
