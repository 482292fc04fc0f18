//! Synthetic cards, for tests and demonstrations.
//!
//! Everything is made from a seed: the same seed gives the same keys and the
//! same files. Every certificate says in its name that it is a test. Keys and
//! signatures here are not constant in time and nonces come from the seed:
//! **for nothing but test cards**.

mod card;
mod certificate;
mod keys;

pub use crate::chip::test_keys::TEST_MARK;
pub use card::{CardDraft, Flaw, ForgedCard, HolderDraft};
pub use certificate::{CertificateDraft, TestAuthority, revocation_list};
pub use keys::{KeyKind, TestKey};

use crate::chip::{Certificate, der, oid};
use crate::dates::Moment;

/// A SignedData of one signer, by issuer and serial number; without a signing time
/// where `signed_at` is `None`.
pub(super) fn signed_data(
    content_type: &[u8],
    content: &[u8],
    signer: &TestKey,
    certificate: &Certificate,
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
    certificate: &Certificate,
    signed_at: Moment,
) -> Vec<u8> {
    let content = der::sequence(&[&der::integer(&[0]), &der::set_of(certificates)]);
    signed_data(oid::MASTER_LIST, &content, signer, certificate, Some(signed_at))
}
