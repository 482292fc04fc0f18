//! Published private keys: those of this repository's test authorities. Anybody can sign with them,
//! so a server refuses them as anchors.

use super::crypto::{EllipticCurve, Hash, public_point};

/// What every name of a test certificate holds.
pub const TEST_MARK: &str = "TEST - NOT GENUINE";

/// Seeds published in this repository: the default of `chinhchu chip forge-test-card`, the
/// demonstration, the tests and the benchmarks.
const PUBLISHED_SEEDS: [&[u8]; 9] =
    [b"test", b"demo", b"tests", b"beneficiary tests", b"stranger", b"bench", b"corpus", b"hostile", b"source"];
/// Curves and labels of their authorities' keys.
const CURVES: [EllipticCurve; 2] = [EllipticCurve::P256, EllipticCurve::P384];
const LABELS: [&str; 2] = ["authority", "impostor"];

/// Public keys (points) of the authorities of the published seeds: anybody can sign with them.
pub(super) fn published_keys() -> Vec<Vec<u8>> {
    let all = PUBLISHED_SEEDS.iter().flat_map(|seed| CURVES.map(|curve| LABELS.map(|label| (seed, curve, label))));
    all.flatten().map(|(seed, curve, label)| point(curve, &scalar(seed, label, curve))).collect()
}

/// The private key of a seed and a label.
pub(crate) fn scalar(seed: &[u8], label: &str, curve: EllipticCurve) -> Vec<u8> {
    // A little shorter than the order; test keys need not be uniform.
    expand(seed, label, curve.bytes() - 2)
}

/// Its public point, uncompressed.
pub(crate) fn point(curve: EllipticCurve, private: &[u8]) -> Vec<u8> {
    // A scalar of zero has no point; no seed is known to give one.
    public_point(curve, private).map(|point| [vec![4], point.x, point.y].concat()).unwrap_or_default()
}

/// `length` pseudo-random bytes derived from a seed and a label.
pub(crate) fn expand(seed: &[u8], label: &str, length: usize) -> Vec<u8> {
    let hash = Hash::Sha512;
    let blocks = (0..length.div_ceil(hash.bytes()) as u32)
        .map(|counter| hash.digest_of(&[b"chinhchu test card", seed, label.as_bytes(), &counter.to_be_bytes()]));
    let mut out: Vec<u8> = blocks.flatten().collect();
    out.truncate(length);
    out
}
