//! One named file per defect, in `fuzz/seeds`, where the fuzzer starts from too.
//!
//! Every file is made here, from nothing genuine. `CHINHCHU_BLESS=1` writes them
//! again; without it the files must be those made and must come to what is
//! expected.

use std::path::PathBuf;

use chinhchu::chip::{Anchors, ChipFiles, Date, Dg2, Dg13, Dg13Scope, Moment, inspect, to_definite};
use chinhchu::tools::forge::{
    CardDraft, CertificateDraft, Flaw, KeyKind, TestAuthority, TestKey, master_list, revocation_list,
};

use crate::forged::{PHOTO, now, options};

struct Defect {
    target: &'static str,
    name: &'static str,
    bytes: Vec<u8>,
    expect: &'static str,
}

fn tlv(tag: u32, value: &[u8]) -> Vec<u8> {
    let tag: Vec<u8> = tag.to_be_bytes().into_iter().skip_while(|&byte| byte == 0).collect();
    [&tag[..], &[0x82], &(value.len() as u16).to_be_bytes(), value].concat()
}

fn tlvs() -> Vec<Defect> {
    let defect = |name, bytes: &[u8], expect| Defect { target: "tlv", name, bytes: bytes.to_vec(), expect };
    vec![
        defect("sound", &[0x30, 0x03, 0x02, 0x01, 0x05], "read"),
        defect("sound_indefinite", &[0x30, 0x80, 0x24, 0x80, 0x04, 0x01, 7, 0x04, 0x01, 8, 0, 0, 0, 0], "read"),
        defect("length_beyond_end", &[0x30, 0x84, 0x7F, 0xFF, 0xFF, 0xFF, 1], "cut short"),
        defect("length_of_five_bytes", &[0x30, 0x85, 1, 1, 1, 1, 1, 0], "a length that is not allowed"),
        defect("length_reserved", &[0x30, 0xFF, 0], "a length that is not allowed"),
        defect("tag_padded", &[0x7F, 0x80, 0x01, 0x00], "a tag that is not allowed"),
        defect("tag_of_four_bytes", &[0x7F, 0x81, 0x81, 0x01, 0x00], "a tag that is not allowed"),
        defect("tag_alone", &[0x7F, 0x61], "cut short"),
        defect("indefinite_primitive", &[0x04, 0x80, 1, 0, 0], "an indefinite length where none may be"),
        defect("indefinite_without_end", &[0x30, 0x80, 0x02, 0x01, 0x01], "cut short"),
        defect("pieces_of_another_type", &[0x24, 0x80, 0x02, 0x01, 1, 0, 0], "tag 4 expected, 2 found"),
        defect("nested_without_end", &[0x30, 0x80].repeat(2000), "nested too deep"),
    ]
}

fn face_record(images: u16, points: u16, length: u32, photo: &[u8]) -> Vec<u8> {
    let mut out = b"FAC\x00010\x00".to_vec();
    out.extend((14 + 32 + photo.len() as u32).to_be_bytes());
    out.extend(images.to_be_bytes());
    out.extend(length.to_be_bytes());
    out.extend(points.to_be_bytes());
    out.extend([0; 14]);
    out.extend([1, 0, 0, 10, 0, 20, 0, 0, 0, 0, 0, 0]);
    out.extend(photo);
    out
}

fn wrapped(tag: u32, record: &[u8]) -> Vec<u8> {
    let template = tlv(0x7F60, &[tlv(0xA1, &[0x88, 0x02, 0x00, 0x08]), tlv(tag, record)].concat());
    tlv(0x75, &tlv(0x7F61, &[&[0x02, 0x01, 0x01][..], &template].concat()))
}

fn pictures() -> Vec<Defect> {
    let defect = |name, bytes: Vec<u8>, expect| Defect { target: "dg2", name, bytes, expect };
    let length = 32 + PHOTO.len() as u32;
    let good = face_record(1, 0, length, PHOTO);
    let bad = "the ISO/IEC 19794-5 record is not as its standard says";
    let modern = |picture: &[u8]| {
        let image = tlv(0xA1, &tlv(0xA0, &tlv(0xA0, picture)));
        tlv(0xA1, &tlv(0x65, &tlv(0xA1, &tlv(0x30, &image))))
    };
    let template = |block: &[u8]| tlv(0x7F60, &[tlv(0xA1, &[0x88, 0x02, 0x00, 0x08]), block.to_vec()].concat());
    let after = |first: &[u8]| {
        let templates = [&[0x02, 0x01, 0x02][..], first, &template(&tlv(0x5F2E, &good))].concat();
        tlv(0x75, &tlv(0x7F61, &templates))
    };
    let mut cut = wrapped(0x5F2E, &good);
    cut.truncate(cut.len() - 30);
    vec![
        defect("sound_19794", wrapped(0x5F2E, &good), "1 photos"),
        defect("sound_19794_under_the_other_tag", wrapped(0x7F2E, &good), "1 photos"),
        defect("sound_39794", wrapped(0x7F2E, &modern(&tlv(0x80, PHOTO))), "1 photos"),
        defect("length_too_short", wrapped(0x5F2E, &face_record(1, 0, length - 7, PHOTO)), "1 photos, lengths off"),
        defect("length_too_long", wrapped(0x5F2E, &face_record(1, 0, length + 7, PHOTO)), "1 photos, lengths off"),
        defect("length_absurd", wrapped(0x5F2E, &face_record(1, 0, u32::MAX, PHOTO)), "1 photos, lengths off"),
        defect(
            "feature_points_beyond_end",
            wrapped(0x5F2E, &face_record(1, u16::MAX, length, PHOTO)),
            "1 photos, lengths off",
        ),
        defect("no_images", wrapped(0x5F2E, &face_record(0, 0, length, PHOTO)), bad),
        defect(
            "images_without_number",
            wrapped(0x5F2E, &face_record(u16::MAX, 0, length, PHOTO)),
            "the ISO/IEC 19794-5 record is too large: more than 16",
        ),
        // The first is good: the second does not take it along.
        defect("second_image_missing", wrapped(0x5F2E, &face_record(2, 0, length, PHOTO)), "1 photos"),
        defect("header_alone", wrapped(0x5F2E, b"FAC\x00010\x00"), bad),
        defect("picture_missing_19794", wrapped(0x5F2E, &face_record(1, 0, length, &[])), bad),
        defect(
            "picture_missing_39794",
            wrapped(0x7F2E, &modern(&[])),
            "the ISO/IEC 39794-5 record: tag 80 expected, 0 found",
        ),
        defect(
            "record_of_no_standard",
            wrapped(0x5F2E, b"ZZZ"),
            "the ISO/IEC 39794-5 record: tag 65 expected, 5A found",
        ),
        defect(
            "no_template",
            tlv(0x75, &tlv(0x7F61, &[0x02, 0x01, 0x00])),
            "the photo in DG2 is not as its standard says",
        ),
        defect("first_template_broken", after(&template(&tlv(0x5F2E, b"FAC\x00010\x00nothing"))), "1 photos"),
        defect("first_template_empty", after(&template(&tlv(0x5F2E, b""))), "1 photos"),
        defect("first_template_without_block", after(&template(&[])), "1 photos"),
        defect("first_template_of_no_tags", after(&tlv(0x7F60, &[0xFF; 9])), "1 photos"),
        defect("other_group", vec![0x61, 0x00], "DG2: tag 75 expected, 61 found"),
        defect("cut", cut, "DG2: cut short"),
    ]
}

/// Replaces the `nth` occurrence of some bytes by others as long.
fn replace(bytes: &[u8], from: &[u8], to: &[u8], nth: usize) -> Vec<u8> {
    let at = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(from)).nth(nth).expect("bytes to replace");
    let mut out = bytes.to_vec();
    out[at..at + to.len()].copy_from_slice(to);
    out
}

fn security_files() -> Vec<Defect> {
    let defect = |name, bytes: Vec<u8>, expect| Defect { target: "sod", name, bytes, expect };
    let sod = |flaw| {
        let card = CardDraft { flaw, key: KeyKind::P256, ..CardDraft::new(b"corpus", PHOTO.to_vec()) };
        card.forge().unwrap().files.into_iter().find(|(name, _)| name == "EF_SOD.bin").unwrap().1
    };
    let good = sod(None);
    let lds = [0x67, 0x81, 0x08, 0x01, 0x01, 0x01];
    let sha256 = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
    let mut other_hash = sha256;
    other_hash[8] = 0x09;
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    vec![
        defect("sound", good.clone(), "UNANCHORED NO_ANCHORS"),
        defect("signed_with_another_key", sod(Some(Flaw::WrongSigner)), "ALTERED SIGNATURE_WRONG"),
        defect("curve_of_its_own_making", sod(Some(Flaw::ForgedCurve)), "UNTRUSTED CURVE_FORGED"),
        defect("signer_is_an_authority", sod(Some(Flaw::SignerIsAuthority)), "UNTRUSTED SIGNER_UNSUITABLE"),
        defect("last_byte_flipped", flipped, "ALTERED SIGNATURE_WRONG"),
        defect(
            "content_type_of_another",
            replace(&good, &lds, &[0x67, 0x81, 0x08, 0x02, 0x02, 0x02], 0),
            "UNREADABLE SOD_CONTENT_TYPE",
        ),
        defect(
            "signed_type_of_another",
            replace(&good, &lds, &[0x67, 0x81, 0x08, 0x02, 0x02, 0x02], 1),
            "ALTERED SIGNED_ATTRIBUTES_WRONG",
        ),
        defect(
            "group_twice",
            replace(&good, &[0x02, 0x01, 0x02, 0x04], &[0x02, 0x01, 0x01, 0x04], 0),
            "UNREADABLE LDS_OBJECT_UNREADABLE",
        ),
        defect(
            "group_seventeen",
            replace(&good, &[0x02, 0x01, 0x02, 0x04], &[0x02, 0x01, 0x11, 0x04], 0),
            "UNREADABLE LDS_OBJECT_UNREADABLE",
        ),
        defect(
            "group_renumbered",
            replace(&good, &[0x02, 0x01, 0x02, 0x04], &[0x02, 0x01, 0x03, 0x04], 0),
            "ALTERED HASHES_ALTERED",
        ),
        defect("hash_unknown", replace(&good, &sha256, &other_hash, 1), "UNREADABLE HASH_UNSUPPORTED"),
        defect("cut", good[..good.len() / 2].to_vec(), "UNREADABLE FILE_DAMAGED"),
        defect(
            "indefinite_without_end",
            [&[0x77, 0x80, 0x30, 0x80][..], &good[8..40]].concat(),
            "UNREADABLE SOD_UNREADABLE",
        ),
        defect("empty", vec![0x77, 0x00], "UNREADABLE SOD_UNREADABLE"),
    ]
}

fn persons() -> Vec<Defect> {
    let defect = |name, bytes: Vec<u8>, expect| Defect { target: "dg13", name, bytes, expect };
    let entry = |id: u8, text: &str| tlv(0x30, &[&[0x02, 0x01, id][..], &tlv(0x0C, text.as_bytes())].concat());
    let deep = (0..20).fold(Vec::new(), |inner, _| tlv(0x30, &inner));
    let values = tlv(0x30, &[&[0x02, 0x01, 0x02][..], &tlv(0x0C, b"x").repeat(40)].concat());
    let mut cut = tlv(0x6D, &entry(0x02, "Nam"));
    let last = cut.len() - 4;
    cut[last] = 0x09;
    vec![
        defect("sound", Dg13::encode(&[(1, vec!["999088000017".into()]), (4, vec!["Nam".into()])]), "2 entries"),
        defect("id_unknown", tlv(0x6D, &entry(0x7E, "?")), "1 entries"),
        defect("no_entries", vec![0x6D, 0x00], "DG13 is not as its standard says"),
        defect("nested_too_deep", tlv(0x6D, &deep), "DG13: nested too deep"),
        defect("too_many_entries", tlv(0x6D, &entry(0x01, "x").repeat(200)), "DG13 is too large: more than 64"),
        defect("too_many_values", tlv(0x6D, &values), "DG13 is too large: more than 16"),
        defect("string_beyond_end", cut, "DG13: cut short"),
        defect("other_group", vec![0x61, 0x00], "DG13: tag 6D expected, 61 found"),
    ]
}

fn lists() -> Vec<Defect> {
    let defect = |name, bytes: Vec<u8>, expect| Defect { target: "master_list", name, bytes, expect };
    let date = |year| Date { year, month: 1, day: 1 };
    let key = |label| TestKey::new(b"corpus", label, KeyKind::P256);
    let authority = TestAuthority::new(key("root"), "CSCA");
    let root =
        authority.issue(&CertificateDraft::new("CSCA", 1, date(2020), date(2040)).authority(), &key("root")).unwrap();
    let mut draft = CertificateDraft::new("Master List Signer", 2, date(2020), date(2030));
    draft.master_lists = true;
    let signer = authority.issue(&draft, &key("signer")).unwrap();
    let stranger = TestAuthority::new(key("stranger"), "STRANGER").issue(&draft, &key("signer")).unwrap();
    let made = Moment::of_date(date(2024));
    let certificates = [root.der().to_vec()];
    let good = master_list(&certificates, &key("signer"), &signer, made);
    let list_type = [0x67, 0x81, 0x08, 0x01, 0x01, 0x02];
    // The version of the listed certificate becomes a boolean.
    let broken = replace(&good, &[0xA0, 0x03, 0x02, 0x01, 0x02], &[0xA1, 0x03, 0x02, 0x01, 0x02], 0);
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let signature = "list: the signature of the master list does not hold: the signature is wrong";
    vec![
        defect("sound", good.clone(), "1 sources"),
        defect("sound_certificate", root.der().to_vec(), "1 sources"),
        defect("sound_revocation_list", revocation_list(&authority, &[7, 8], made, now()), "1 sources"),
        defect("last_byte_flipped", flipped, signature),
        defect("signed_with_another_key", master_list(&certificates, &key("other"), &signer, made), signature),
        defect(
            "issuer_unknown",
            master_list(&certificates, &key("signer"), &stranger, made),
            "list: the signer of the master list was not issued",
        ),
        defect("certificate_broken", broken, "list: the signature of the master list does not hold"),
        defect(
            "content_type_of_another",
            replace(&good, &list_type, &[0x67, 0x81, 0x08, 0x01, 0x01, 0x01], 0),
            "list: the master list is not as its standard says",
        ),
        defect("cut", good[..good.len() - 9].to_vec(), "list: the signed data: cut short"),
        defect("armour_without_end", b"-----BEGIN CERTIFICATE-----\nMAA=\n".to_vec(), "list is not a certificate"),
        defect("text", b"not a certificate\n".to_vec(), "list is not a certificate"),
        defect("hexadecimal", b"30 03 02 01 05\n".to_vec(), "list is not a certificate, a master list or"),
        defect("base64", b"MAMCAQU=\n".to_vec(), "list is not a certificate, a master list or"),
        defect("directory", b"version: 1\ndn: c=DE,dc=data\n".to_vec(), "list is not a certificate"),
        defect(
            "armour_between_latin_1",
            b"Autorit\xe9\n-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n\xe9".to_vec(),
            "list is not a certificate",
        ),
    ]
}

fn outcome(defect: &Defect) -> String {
    let bytes = &defect.bytes;
    match defect.target {
        "tlv" => to_definite(bytes).map_or_else(|error| error.to_string(), |_| "read".to_owned()),
        "dg2" => Dg2::parse(bytes).map_or_else(
            |error| error.to_string(),
            |dg2| format!("{} photos{}", dg2.photos.len(), if dg2.lengths_off { ", lengths off" } else { "" }),
        ),
        "sod" => {
            let inspection = inspect(&ChipFiles::from_bytes([bytes.clone()]), &Anchors::none(), &options());
            format!("{} {}", inspection.verdict.code(), inspection.findings[0].reason.code())
        }
        "dg13" => Dg13::parse(bytes, Dg13Scope::Everything)
            .map_or_else(|error| error.to_string(), |dg13| format!("{} entries", dg13.entries.len())),
        _ => {
            let mut anchors = Anchors::none();
            let added = anchors.add_bytes("list", bytes);
            added.map_or_else(|error| error.to_string(), |()| format!("{} sources", anchors.sources().len()))
        }
    }
}

#[test]
fn every_defect_has_its_file_and_comes_to_what_is_expected() {
    let seeds = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let bless = std::env::var_os("CHINHCHU_BLESS").is_some();
    let mut wrong = Vec::new();
    for defect in [tlvs(), pictures(), security_files(), persons(), lists()].into_iter().flatten() {
        let found = outcome(&defect);
        if !found.starts_with(defect.expect) {
            wrong.push(format!("{}/{}: {found}", defect.target, defect.name));
        }
        let path = seeds.join(defect.target).join(format!("{}.bin", defect.name));
        if bless {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &defect.bytes).unwrap();
        }
        let committed = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(committed == defect.bytes, "{} is not what is made; run with CHINHCHU_BLESS=1", path.display());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
