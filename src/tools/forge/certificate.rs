use super::{TEST_MARK, TestKey};
use crate::chip::crypto::Hash;
use crate::chip::error::InStructure;
use crate::chip::test_keys::expand;
use crate::chip::tlv::TlvReader;
use crate::chip::{Certificate, ParseError, der, oid};
use crate::dates::{Date, Moment};

/// A certificate to be issued.
#[derive(Clone)]
pub struct CertificateDraft {
    /// Common name; the mark of a test is put in front.
    pub name: String,
    /// Country, two letters.
    pub country: String,
    /// Serial number.
    pub serial: u32,
    /// Start of validity.
    pub not_before: Moment,
    /// End of validity.
    pub not_after: Moment,
    /// Whether it may issue certificates.
    pub authority: bool,
    /// Whether it may sign master lists.
    pub master_lists: bool,
    /// Whether it carries key identifiers.
    pub key_ids: bool,
    /// Whether it writes out curve parameters of an attacker's choice.
    pub forged_curve: bool,
}

impl CertificateDraft {
    /// A draft that is valid from one date until another.
    pub fn new(name: &str, serial: u32, from: Date, until: Date) -> Self {
        Self {
            name: name.to_owned(),
            country: "VN".to_owned(),
            serial,
            not_before: Moment::of_date(from),
            not_after: Moment::of_date(until),
            authority: false,
            master_lists: false,
            key_ids: true,
            forged_curve: false,
        }
    }

    /// The same as an authority.
    pub fn authority(mut self) -> Self {
        self.authority = true;
        self
    }
}

/// A test authority: a key and a name.
#[derive(Clone)]
pub struct TestAuthority {
    /// Its key.
    pub key: TestKey,
    name: Vec<u8>,
}

impl TestAuthority {
    /// An authority of a name.
    pub fn new(key: TestKey, name: &str) -> Self {
        Self { key, name: distinguished_name("VN", name) }
    }

    /// Issues a certificate for a key.
    ///
    /// # Errors
    /// [`ParseError`] where the draft makes a certificate that cannot be.
    pub fn issue(&self, draft: &CertificateDraft, key: &TestKey) -> Result<Certificate, ParseError> {
        let algorithm = self.key.signature_algorithm();
        let spki = if draft.forged_curve { key.forged_spki() } else { key.spki().clone() };
        let extension = |arcs: &[u8], critical: bool, value: Vec<u8>| {
            let flag: &[u8] = if critical { &[0x01, 0x01, 0xFF] } else { &[] };
            der::sequence(&[&der::oid(arcs), flag, &der::octets(&value)])
        };
        // keyCertSign and cRLSign, or digitalSignature.
        let usage: &[u8] = if draft.authority { &[0x03, 0x02, 0x01, 0x06] } else { &[0x03, 0x02, 0x07, 0x80] };
        let mut extensions = vec![extension(oid::EXT_KEY_USAGE, true, usage.to_vec())];
        if draft.authority {
            let value = der::sequence(&[&[0x01, 0x01, 0xFF]]);
            extensions.push(extension(oid::EXT_BASIC_CONSTRAINTS, true, value));
        }
        if draft.master_lists {
            let value = der::sequence(&[&der::oid(oid::MASTER_LIST_SIGNER)]);
            extensions.push(extension(oid::EXT_EXTENDED_KEY_USAGE, true, value));
        }
        if draft.key_ids {
            let issuer_id = der::sequence(&[&der::tlv(0x80, &Hash::Sha1.digest(&self.key.spki().key))]);
            extensions.push(extension(oid::EXT_AUTHORITY_KEY_ID, false, issuer_id));
            let own_id = der::octets(&Hash::Sha1.digest(&spki.key));
            extensions.push(extension(oid::EXT_SUBJECT_KEY_ID, false, own_id));
        }
        let tbs = der::sequence(&[
            &der::tlv(0xA0, &der::integer(&[2])),
            &der::integer(&draft.serial.to_be_bytes()),
            &algorithm,
            &self.name,
            &der::sequence(&[&time(draft.not_before), &time(draft.not_after)]),
            &distinguished_name(&draft.country, &draft.name),
            &TestKey::encode(&spki),
            &der::tlv(0xA3, &der::tlv(0x30, &extensions.concat())),
        ]);
        let signature = self.key.sign(&tbs);
        Certificate::parse(&der::sequence(&[&tbs, &algorithm, &der::bit_string(&signature)]))
    }
}

/// A revocation list of serial numbers.
pub fn revocation_list(authority: &TestAuthority, serials: &[u32], made: Moment, next: Moment) -> Vec<u8> {
    let algorithm = authority.key.signature_algorithm();
    let entries: Vec<Vec<u8>> =
        serials.iter().map(|serial| der::sequence(&[&der::integer(&serial.to_be_bytes()), &time(made)])).collect();
    let mut fields = vec![der::integer(&[1]), algorithm.clone(), authority.name.clone(), time(made), time(next)];
    if !entries.is_empty() {
        fields.push(der::tlv(0x30, &entries.concat()));
    }
    let tbs = der::tlv(0x30, &fields.concat());
    let signature = authority.key.sign(&tbs);
    der::sequence(&[&tbs, &algorithm, &der::bit_string(&signature)])
}

fn distinguished_name(country: &str, name: &str) -> Vec<u8> {
    let attribute = |arcs: &[u8], tag, text: &str| {
        der::tlv(0x31, &der::sequence(&[&der::oid(arcs), &der::tlv(tag, text.as_bytes())]))
    };
    der::sequence(&[
        &attribute(oid::COUNTRY, 0x13, country),
        &attribute(oid::ORGANISATION, 0x0C, &format!("chinhchu {TEST_MARK}")),
        &attribute(oid::COMMON_NAME, 0x0C, &format!("{TEST_MARK} {name}")),
    ])
}

/// UTCTime until 2049, GeneralizedTime from then on.
pub(super) fn time(at: Moment) -> Vec<u8> {
    let digits: String = at.to_string().chars().filter(char::is_ascii_digit).collect();
    if at.date().year < 2050 {
        der::tlv(0x17, format!("{}Z", &digits[2..]).as_bytes())
    } else {
        der::tlv(0x18, format!("{digits}Z").as_bytes())
    }
}

/// Issuer and serial number as the certificate writes them.
pub(super) fn issuer_and_serial(certificate: &Certificate) -> (Vec<u8>, Vec<u8>) {
    let find = || -> Result<(Vec<u8>, Vec<u8>), ParseError> {
        const WHAT: &str = "a certificate";
        let mut outer = TlvReader::new(certificate.der()).expect(0x30).within(WHAT)?.children();
        let mut fields = outer.expect(0x30).within(WHAT)?.children();
        fields.optional(0xA0).within(WHAT)?;
        let serial = fields.expect(0x02).within(WHAT)?.raw.to_vec();
        fields.expect(0x30).within(WHAT)?;
        Ok((fields.expect(0x30).within(WHAT)?.raw.to_vec(), serial))
    };
    // A parsed certificate has both.
    find().unwrap_or_default()
}

/// A serial number from a seed.
pub(super) fn serial(seed: &[u8], label: &str) -> u32 {
    expand(seed, label, 4).iter().fold(0u32, |value, &byte| value << 8 | u32::from(byte)) >> 1 | 1
}
