//! Files made to hurt: a verdict with its reason, never a panic, never AUTHENTIC.

use std::time::Instant;

use chinhchu::chip::{
    Anchors, Certificate, ChipFiles, Dg2, Dg13, Dg13Scope, GroupState, MasterList, Reason, Sod, Verdict, inspect,
    to_definite,
};
use chinhchu::tools::forge::{CardDraft, KeyKind};
use proptest::prelude::*;

use crate::data::chip_data;
use crate::forged::{PHOTO, anchors, files, options};

fn card() -> chinhchu::tools::forge::ForgedCard {
    CardDraft { key: KeyKind::P256, ..CardDraft::new(b"hostile", PHOTO.to_vec()) }.forge().unwrap()
}

fn tlv(tag: &[u8], value: &[u8]) -> Vec<u8> {
    [tag, &[0x84], &(value.len() as u32).to_be_bytes(), value].concat()
}

#[test]
fn a_dg2_of_a_hundred_megabytes_is_refused_with_its_reason() {
    let card = card();
    let mut files: Vec<Vec<u8>> =
        card.files.iter().filter(|(name, _)| name != "DG2.bin").map(|(_, b)| b.clone()).collect();
    let began = Instant::now();
    files.push(tlv(&[0x75], &vec![0; 100 << 20]));
    let made = began.elapsed();
    let inspection = inspect(&ChipFiles::from_bytes(files), &anchors(&card), &options());
    assert!(inspection.found(Reason::FileTooLarge) && inspection.verdict == Verdict::Unreadable, "{made:?}");
}

#[test]
fn a_security_file_beyond_any_genuine_size_is_not_walked() {
    let nested = [[0x30, 0x80].repeat(30), [0x30, 0x00].repeat(100_000)].concat();
    let inspection = inspect(&ChipFiles::from_bytes([tlv(&[0x77], &nested)]), &Anchors::none(), &options());
    assert!(inspection.found(Reason::FileTooLarge) && inspection.verdict == Verdict::Unreadable);
}

#[test]
fn a_file_that_claims_more_than_it_holds_is_damaged() {
    let card = card();
    for number in ["DG1.bin", "DG2.bin", "DG13.bin", "EF_SOD.bin"] {
        let cut = card.files.iter().map(
            |(name, bytes)| {
                if name == number { bytes[..bytes.len() - 1].to_vec() } else { bytes.clone() }
            },
        );
        let inspection = inspect(&ChipFiles::from_bytes(cut), &anchors(&card), &options());
        assert!(inspection.found(Reason::FileDamaged), "{number}");
        assert_eq!(inspection.verdict, Verdict::Unreadable, "{number}");
    }
}

#[test]
fn no_single_flipped_bit_makes_another_authentic_card() {
    let card = card();
    let (anchors, genuine) = (anchors(&card), files(&card));
    assert_eq!(inspect(&genuine, &anchors, &options()).verdict, Verdict::Authentic);
    for (index, (name, bytes)) in card.files.iter().enumerate() {
        if name == "EF_COM.bin" {
            continue; // Unsigned, and nothing depends on it.
        }
        // Every bit of the head, where the structure is, and a sample of the rest.
        let step = if name == "EF_SOD.bin" { 37 } else { 11 };
        for bit in (0..bytes.len() * 8).filter(|bit| *bit < 64 || bit % step == 0) {
            let flipped = card.files.iter().enumerate().map(|(other, (_, bytes))| {
                let mut bytes = bytes.clone();
                if other == index {
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
                bytes
            });
            let inspection = inspect(&ChipFiles::from_bytes(flipped), &anchors, &options());
            // A bit in EF.SOD may be one that no one signs (a version, a digest
            // algorithm listed twice): then everything signed is still the same.
            let harmless = inspection
                .holder()
                .is_some_and(|holder| holder.number.as_ref().map(|number| number.reveal()) == Some("999088000017"))
                && inspection.photo().is_some_and(|photo| photo.bytes == PHOTO);
            let lost = inspection.data_groups.values().any(|state| *state == GroupState::Absent);
            assert!(
                inspection.verdict != Verdict::Authentic || harmless || lost,
                "{name} bit {bit}: {:?}",
                inspection.findings
            );
        }
    }
}

#[test]
fn several_pictures_and_lengths_that_are_off_are_read() {
    let record = |photos: &[&[u8]], total_off: i32, points: u16| {
        let mut out = b"FAC\x00010\x00".to_vec();
        let blocks: Vec<Vec<u8>> = photos
            .iter()
            .map(|photo| {
                let length = (32 + photo.len() + usize::from(points) * 8) as u32;
                let mut block = length.to_be_bytes().to_vec();
                block.extend(points.to_be_bytes());
                block.extend([0; 14]);
                block.extend(vec![0; usize::from(points) * 8]);
                block.extend([1, 0, 0, 10, 0, 20, 0, 0, 0, 0, 0, 0]);
                block.extend(*photo);
                block
            })
            .collect();
        let body = blocks.concat();
        out.extend(((14 + body.len()) as i32 + total_off).to_be_bytes());
        out.extend((photos.len() as u16).to_be_bytes());
        out.extend(body);
        out
    };
    let second: Vec<u8> = [&[0xFF, 0xD8, 0xFF, 0xDB][..], &[9; 30]].concat();
    let two = Dg2::parse_record(&record(&[PHOTO, &second], 0, 3)).unwrap();
    assert_eq!((two.photos.len(), two.photos[1].bytes.as_slice()), (2, second.as_slice()));
    assert_eq!((two.photos[0].feature_points, two.photos[0].declared_size), (3, (10, 20)));
    assert!(!two.lengths_off);
    for off in [-9, -1, 1, 9] {
        let read = Dg2::parse_record(&record(&[PHOTO], off, 0)).unwrap();
        assert!(read.lengths_off && read.photos[0].bytes == PHOTO, "{off}");
    }
    // The number of feature points is not true: the picture is found after the block.
    let mut lies = record(&[PHOTO], 0, 0);
    lies[19] = 1;
    let read = Dg2::parse_record(&lies).unwrap();
    assert_eq!(read.photos[0].bytes, PHOTO);
    // Lengths of the TLVs around it run a few bytes past the end.
    let inner = record(&[PHOTO], 0, 0);
    let block = [&[0x5F, 0x2E, 0x81, inner.len() as u8 + 4][..], &inner].concat();
    let template = [&[0x7F, 0x60, 0x81, block.len() as u8 + 4][..], &block].concat();
    let group = [&[0x7F, 0x61, 0x81, template.len() as u8 + 3, 2, 1, 1][..], &template].concat();
    let file = [&[0x75, 0x81, group.len() as u8][..], &group].concat();
    let read = Dg2::parse(&file).unwrap();
    assert!(read.lengths_off && read.photos[0].bytes == PHOTO);
}

#[test]
fn damaged_genuine_documents_never_become_authentic_by_another_road() {
    let Some(root) = chip_data("damaged_genuine_documents_never_become_authentic_by_another_road") else { return };
    let bytes = std::fs::read(root.join("sod/NZ_EF_SOD.bin")).unwrap();
    let mut anchors = Anchors::none();
    anchors.add_bytes("csca", &std::fs::read(root.join("sod/NZ_CSCA.der")).unwrap()).unwrap();
    let genuine = Sod::parse(&bytes).unwrap().object.groups;
    for at in (0..bytes.len()).step_by(7) {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        let inspection = inspect(&ChipFiles::from_bytes([bad]), &anchors, &options());
        let same = inspection.security_object.as_ref().is_some_and(|object| object.groups == genuine);
        assert!(inspection.verdict != Verdict::Authentic || same, "byte {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn parsers_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), prefix in 0usize..6) {
        let prefixes: [&[u8]; 6] = [b"", b"FAC\x00010\x00", &[0xA1, 0x65], &[0x75, 0x7F, 0x7F, 0x61], &[0x77, 0x80, 0x30, 0x80], &[0x30, 0x82]];
        let bytes = [prefixes[prefix], &bytes].concat();
        let _ = to_definite(&bytes);
        let _ = Dg2::parse(&bytes);
        let _ = Dg2::parse_record(&bytes);
        let _ = Dg13::parse(&bytes, Dg13Scope::Everything);
        let _ = Sod::parse(&bytes);
        let _ = MasterList::parse(&bytes);
        let _ = Certificate::parse(&bytes);
        let _ = inspect(&ChipFiles::from_bytes([bytes]), &Anchors::none(), &options());
    }

    #[test]
    fn a_mangled_card_is_judged_and_never_panics(
        file in 0usize..5,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let card = card();
        let mut all: Vec<Vec<u8>> = card.files.iter().map(|(_, bytes)| bytes.clone()).collect();
        let file = file % all.len();
        for (at, value) in edits {
            let length = all[file].len();
            all[file][at.index(length)] = value;
        }
        let _ = inspect(&ChipFiles::from_bytes(all), &anchors(&card), &options()).to_json(chinhchu::chip::Fields::Masked);
    }
}
