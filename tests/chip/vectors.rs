//! Signature checks against the vectors of Project Wycheproof: what others than ourselves
//! signed, and what must not be taken for a signature.

use chinhchu::chip::crypto::{AlgorithmIdentifier, EllipticCurve, Hash, PublicKey, Spki, verify};
use chinhchu::chip::tlv::TlvReader;
use wycheproof::rsa_pkcs1_verify as pkcs1;
use wycheproof::rsa_pss_verify as pss;
use wycheproof::{HashFunction, Mgf, TestResult, ecdsa};

/// ecdsa-plain-signatures (BSI TR-03111) and ecdsa-with-SHA2, without their last arcs.
const ECDSA_PLAIN: &[u8] = &[0x04, 0x00, 0x7f, 0x00, 0x07, 0x01, 0x01, 0x04, 0x01];
const ECDSA_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08];

/// What came of the vectors of a kind.
#[derive(Default)]
struct Ran {
    /// Counted, so that none are passed over unseen.
    accepted: usize,
    refused: usize,
    wrong: Vec<String>,
}

fn hash(function: HashFunction) -> Option<Hash> {
    match function {
        HashFunction::Sha1 => Some(Hash::Sha1),
        HashFunction::Sha2_224 => Some(Hash::Sha224),
        HashFunction::Sha2_256 => Some(Hash::Sha256),
        HashFunction::Sha2_384 => Some(Hash::Sha384),
        HashFunction::Sha2_512 => Some(Hash::Sha512),
        _ => None,
    }
}

/// The arc that names a hash in the identifiers of ECDSA with SHA-2 and of its plain form.
fn arc(hash: Hash, plain: bool) -> u8 {
    let place = [Hash::Sha224, Hash::Sha256, Hash::Sha384, Hash::Sha512].iter().position(|&one| one == hash);
    place.expect("no vector has SHA-1") as u8 + if plain { 2 } else { 1 }
}

fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len();
    let head = if length < 0x80 { vec![tag, length as u8] } else { vec![tag, 0x81, length as u8] };
    [head.as_slice(), value].concat()
}

fn spki(der: &[u8]) -> Spki {
    let mut fields = TlvReader::new(der).expect(0x30).unwrap().children();
    let mut algorithm = fields.expect(0x30).unwrap().children();
    let oid = algorithm.expect(0x06).unwrap().value.to_vec();
    let algorithm = AlgorithmIdentifier { oid, parameters: algorithm.rest().to_vec() };
    Spki { algorithm, key: fields.expect(0x03).unwrap().value[1..].to_vec() }
}

/// RSASSA-PSS-params (RFC 4055, 3.1), all written out.
fn pss_parameters(hash: Hash, mask: Hash, salt: usize) -> Vec<u8> {
    let algorithm = |hash: Hash| tlv(0x30, &tlv(0x06, hash.oid()));
    let generator = tlv(0x30, &[tlv(0x06, MGF1), algorithm(mask)].concat());
    let fields =
        [tlv(0xA0, &algorithm(hash)), tlv(0xA1, &generator), tlv(0xA2, &tlv(0x02, &[salt.try_into().unwrap()]))];
    tlv(0x30, &fields.concat())
}

struct Vector<'a> {
    key: &'a Spki,
    algorithm: &'a AlgorithmIdentifier,
    message: &'a [u8],
    signature: &'a [u8],
    result: TestResult,
}

impl Ran {
    /// Runs one vector. What may be accepted or refused is run all the same.
    fn run(&mut self, vector: &Vector<'_>, name: &dyn std::fmt::Display) {
        let Vector { key, algorithm, message, signature, result } = vector;
        let holds = verify(key, algorithm, None, message, signature).is_ok();
        match result {
            TestResult::Valid if !holds => self.wrong.push(format!("{name} must be accepted")),
            TestResult::Invalid if holds => self.wrong.push(format!("{name} must be refused")),
            _ => {}
        }
        *(if holds { &mut self.accepted } else { &mut self.refused }) += 1;
    }

    /// That all came out as they must, and that as many were run as there are.
    fn finish(self, accepted: usize, refused: usize) {
        assert!(self.wrong.is_empty(), "{} wrong:\n{}", self.wrong.len(), self.wrong.join("\n"));
        assert_eq!((self.accepted, self.refused), (accepted, refused));
    }
}

/// All vectors of a curve with SHA-2, as DER and as plain.
fn curve(of: EllipticCurve) -> Ran {
    let mut ran = Ran::default();
    let name = match of {
        EllipticCurve::P224 => "secp224r1",
        EllipticCurve::P256 => "secp256r1",
        EllipticCurve::P384 => "secp384r1",
        EllipticCurve::P521 => "secp521r1",
        other => other.name(),
    };
    for set in ecdsa::TestName::all() {
        // Loading is costly, and most sets are of other curves.
        if !set.json_data().contains(&format!("\"{name}\"")) {
            continue;
        }
        // Their names end so where a signature is r and s side by side (IEEE P1363).
        let plain = format!("{set:?}").ends_with("P1363");
        for group in ecdsa::TestSet::load(set).unwrap().test_groups {
            let Some(hash) = hash(group.hash) else { continue };
            let key = spki(&group.der);
            assert!(matches!(PublicKey::from_spki(&key), Ok(PublicKey::Ec { curve, .. }) if curve == of), "{set:?}");
            let oid = [if plain { ECDSA_PLAIN } else { ECDSA_SHA2 }, &[arc(hash, plain)]].concat();
            let algorithm = AlgorithmIdentifier { oid, parameters: Vec::new() };
            for test in &group.tests {
                let (message, signature) = (&*test.msg, &*test.sig);
                let vector = Vector { key: &key, algorithm: &algorithm, message, signature, result: test.result };
                ran.run(&vector, &format_args!("{set:?} {}: {}, {:?}", test.tc_id, test.comment, test.flags));
            }
        }
    }
    ran
}

macro_rules! curves {
    ($($test:ident $curve:ident $accepted:literal $refused:literal;)*) => {
        $(#[test]
        fn $test() {
            curve(EllipticCurve::$curve).finish($accepted, $refused);
        })*
    };
}

curves! {
    signatures_on_p224 P224 1111 1186;
    signatures_on_p256 P256 832 800;
    signatures_on_p384 P384 1010 1106;
    signatures_on_p521 P521 463 397;
    signatures_on_brainpool_224 Bp224 289 393;
    signatures_on_brainpool_256 Bp256 351 395;
    signatures_on_brainpool_320 Bp320 357 397;
    signatures_on_brainpool_384 Bp384 413 395;
    signatures_on_brainpool_512 Bp512 503 393;
}

#[test]
fn rsa_signatures_with_padding_of_pkcs1() {
    let mut ran = Ran::default();
    for set in pkcs1::TestName::all() {
        for group in pkcs1::TestSet::load(set).unwrap().test_groups {
            let Some(hash) = hash(group.hash) else { continue };
            let last = match hash {
                Hash::Sha1 => 5,
                Hash::Sha256 => 11,
                Hash::Sha384 => 12,
                Hash::Sha512 => 13,
                Hash::Sha224 => 14,
            };
            let algorithm = AlgorithmIdentifier { oid: [RSA, &[last]].concat(), parameters: vec![0x05, 0x00] };
            let key = spki(&group.der);
            for test in &group.tests {
                let (message, signature) = (&*test.msg, &*test.sig);
                let vector = Vector { key: &key, algorithm: &algorithm, message, signature, result: test.result };
                ran.run(&vector, &format_args!("{set:?} {}: {}, {:?}", test.tc_id, test.comment, test.flags));
            }
        }
    }
    ran.finish(109, 3255);
}

#[test]
fn rsa_signatures_with_padding_of_pss() {
    let mut ran = Ran::default();
    for set in pss::TestName::all() {
        // A mask of SHAKE is none that is read here.
        if set.json_data().contains("\"SHAKE") {
            continue;
        }
        for group in pss::TestSet::load(set).unwrap().test_groups {
            let masks = group.mgf_hash.map_or(Some(Hash::Sha1), hash);
            let (Some(hash), Some(mask), Mgf::Mgf1) = (hash(group.hash), masks, group.mgf) else { continue };
            let parameters = pss_parameters(hash, mask, group.salt_size);
            let algorithm = AlgorithmIdentifier { oid: [RSA, &[10]].concat(), parameters };
            let key = spki(&group.der);
            for test in &group.tests {
                let (message, signature) = (&*test.msg, &*test.sig);
                let vector = Vector { key: &key, algorithm: &algorithm, message, signature, result: test.result };
                ran.run(&vector, &format_args!("{set:?} {}: {}, {:?}", test.tc_id, test.comment, test.flags));
            }
        }
    }
    ran.finish(1734, 768);
}
