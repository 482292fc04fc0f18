//! Synthetic cards, for tests and demonstrations.
//!
//! Everything is made from a seed: the same seed gives the same keys and the
//! same files. Every certificate says in its name that it is a test. Keys and
//! signatures here are not constant in time and nonces come from the seed:
//! **for nothing but test cards**.

mod card;
mod certificate;
mod keys;

pub use card::{CardDraft, Flaw, ForgedCard, HolderDraft};
pub use certificate::{CertificateDraft, TestAuthority, revocation_list};
pub use keys::{KeyKind, TestKey};

use crate::dates::Moment;
use super::{der, oid};

/// What every name of a test certificate holds.
pub const TEST_MARK: &str = "TEST - NOT GENUINE";

/// Seeds that are written in this repository for everybody to read: the default of
/// `chinhchu chip forge-test-card`, the demonstration, the tests and the benchmarks.
const PUBLISHED_SEEDS: [&[u8]; 9] =
    [b"test", b"demo", b"tests", b"beneficiary tests", b"stranger", b"bench", b"corpus", b"hostile", b"source"];

/// Public keys (points) of the authorities of the published seeds: anybody can sign with them.
pub fn published_keys() -> Vec<Vec<u8>> {
    let kinds = [KeyKind::P256, KeyKind::P384];
    let labels = ["authority", "impostor"];
    let all = PUBLISHED_SEEDS.iter().flat_map(|seed| kinds.map(|kind| labels.map(|label| (seed, kind, label))));
    all.flatten().map(|(seed, kind, label)| TestKey::new(seed, label, kind).spki().key.clone()).collect()
}

/// Bytes from a seed, as many as wanted.
pub(super) fn expand(seed: &[u8], label: &str, length: usize) -> Vec<u8> {
    let hash = super::crypto::Hash::Sha512;
    let blocks = (0..length.div_ceil(hash.bytes()) as u32)
        .map(|counter| hash.digest_of(&[b"chinhchu test card", seed, label.as_bytes(), &counter.to_be_bytes()]));
    let mut out: Vec<u8> = blocks.flatten().collect();
    out.truncate(length);
    out
}

/// A SignedData of one signer, by issuer and serial number; without a signing time
/// where `signed_at` is `None`.
pub(super) fn signed_data(
    content_type: &[u8],
    content: &[u8],
    signer: &TestKey,
    certificate: &super::Certificate,
    signed_at: Option<Moment>,
) -> Vec<u8> {
    let hash = signer.hash();
    let digest_algorithm = der::sequence(&[&der::oid(hash.oid())]);
    let attribute = |arcs: &[u8], value: Vec<u8>| der::sequence(&[&der::oid(arcs), &der::tlv(0x31, &value)]);
    let mut attributes = vec![
        attribute(oid::CONTENT_TYPE, der::oid(content_type)),
        attribute(oid::MESSAGE_DIGEST, der::octets(&hash.digest(content))),
    ];
    attributes.extend(signed_at.map(|at| attribute(oid::SIGNING_TIME, certificate::time(at))));
    let attributes = der::set_of(&attributes);
    let signature = signer.sign(&attributes);
    // Signed as SET, carried as [0].
    let mut carried = attributes;
    carried[0] = 0xA0;
    let (issuer, serial) = certificate::issuer_and_serial(certificate);
    let signer_info = der::sequence(&[
        &der::integer(&[1]),
        &der::sequence(&[&issuer, &serial]),
        &digest_algorithm,
        &carried,
        &signer.signature_algorithm(),
        &der::octets(&signature),
    ]);
    let data = der::sequence(&[
        &der::integer(&[3]),
        &der::tlv(0x31, &digest_algorithm),
        &der::sequence(&[&der::oid(content_type), &der::tlv(0xA0, &der::octets(content))]),
        &der::tlv(0xA0, certificate.der()),
        &der::tlv(0x31, &signer_info),
    ]);
    der::sequence(&[&der::oid(oid::SIGNED_DATA), &der::tlv(0xA0, &data)])
}

/// A master list of certificates, signed by `signer`.
pub fn master_list(
    certificates: &[Vec<u8>],
    signer: &TestKey,
    certificate: &super::Certificate,
    signed_at: Moment,
) -> Vec<u8> {
    let content = der::sequence(&[&der::integer(&[0]), &der::set_of(certificates)]);
    signed_data(oid::MASTER_LIST, &content, signer, certificate, Some(signed_at))
}
