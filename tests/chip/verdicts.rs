//! The shared chip data against the table of what it must come to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chinhchu::chip::crypto::PublicKey;
use chinhchu::chip::{
    Anchors, Certificate, CheckOptions, ChipFiles, Date, Dg2, Dg14, Dg15, Fields, Moment, Mrz, SourceKind, Voucher,
    inspect,
};
use serde::Deserialize;

use crate::data::chip_data;

#[derive(Deserialize)]
struct Table {
    card: Vec<Card>,
    file: Vec<Single>,
}

#[derive(Deserialize)]
struct Card {
    name: String,
    files: Vec<String>,
    csca: Vec<String>,
    verdict: String,
    reasons: Vec<String>,
    groups: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Single {
    path: String,
    kind: String,
    expect: String,
    picture: Option<String>,
}

fn table() -> Table {
    toml::from_str(include_str!("verdicts.toml")).expect("the table of verdicts")
}

fn options() -> CheckOptions {
    CheckOptions { now: Moment::of_date(Date { year: 2026, month: 1, day: 15 }), ..CheckOptions::default() }
}

fn read(root: &Path, path: &str) -> Vec<u8> {
    std::fs::read(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_document_comes_to_its_verdict() {
    let Some(root) = chip_data("every_document_comes_to_its_verdict") else { return };
    let mut failures = Vec::new();
    for card in table().card {
        let files = ChipFiles::from_bytes(card.files.iter().map(|path| read(&root, path)));
        let mut anchors = Anchors::none();
        for path in &card.csca {
            anchors.add_bytes(path, &read(&root, path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        }
        let inspection = inspect(&files, &anchors, &options());
        let found: Vec<&str> = inspection.findings.iter().map(|finding| finding.reason.code()).collect();
        let states: BTreeMap<String, String> = inspection
            .data_groups
            .iter()
            .map(|(number, state)| (format!("DG{number}"), state.code().to_owned()))
            .collect();
        let missing: Vec<_> = card.reasons.iter().filter(|reason| !found.contains(&reason.as_str())).collect();
        let right_groups = card.groups.as_ref().is_none_or(|groups| *groups == states);
        if inspection.verdict.code() != card.verdict || !missing.is_empty() || !right_groups {
            failures.push(format!(
                "{}: {} {:#?} {states:?}",
                card.name,
                inspection.verdict.code(),
                inspection.findings
            ));
        }
        assert_eq!(inspection.anchor.is_some(), inspection.verdict.code() == "AUTHENTIC", "{}", card.name);
        let json = inspection.to_json(Fields::Masked);
        assert_eq!(json["verdict"], inspection.verdict.code());
        assert!(!json.to_string().contains("MUSTERMANN"), "{}: a name is shown", card.name);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn pictures(dg2: &Dg2) -> String {
    let photo = &dg2.photos[0];
    let format = photo.format.map_or_else(|| "unknown".to_owned(), |format| format!("{format:?}").to_lowercase());
    let truth = if photo.declared_type_differs() { "lies" } else { "true" };
    format!("{} {} {format} {truth}", dg2.photos.len(), format!("{:?}", photo.encoding).to_lowercase())
}

#[test]
fn every_single_file_reads_as_it_should() {
    let Some(root) = chip_data("every_single_file_reads_as_it_should") else { return };
    let today = Date { year: 2026, month: 1, day: 15 };
    for file in table().file {
        let bytes = read(&root, &file.path);
        let certificate = |path: &str| Certificate::parse(&read(&root, path)).unwrap();
        let found = match file.kind.as_str() {
            "dg1" => {
                let mrz = Mrz::parse(&bytes, today).unwrap();
                let layout = format!("{:?}", mrz.layout).to_uppercase();
                format!("{layout} {} {} wrong check digits", mrz.issuing_state, mrz.wrong_check_digits.len())
            }
            "dg2" | "record" => {
                let parse = if file.kind == "dg2" { Dg2::parse } else { Dg2::parse_record };
                let dg2 = parse(&bytes).unwrap();
                if let Some(picture) = &file.picture {
                    assert!(dg2.photos[0].bytes == read(&root, picture), "{}: another picture", file.path);
                }
                pictures(&dg2)
            }
            "dg14" => {
                assert!(!Dg14::parse(&bytes).unwrap().protocols.is_empty());
                "read".to_owned()
            }
            "dg15" => PublicKey::from_spki(&Dg15::parse(&bytes).unwrap().key).unwrap().describe(),
            "certificate" => {
                let parsed = Certificate::parse(&bytes).unwrap();
                let key = PublicKey::from_spki(&parsed.key).unwrap().describe();
                match file.expect.strip_prefix("signed by ") {
                    Some(issuer) => {
                        parsed.verify_by(&certificate(issuer).key).unwrap();
                        assert!(parsed.verify_by(&parsed.key).is_err());
                        file.expect.clone()
                    }
                    None => {
                        parsed.verify_by(&parsed.key).unwrap();
                        if file.expect == "self-signed" { file.expect.clone() } else { format!("self-signed {key}") }
                    }
                }
            }
            "masterlist" => {
                let mut anchors = Anchors::none();
                anchors.add_bytes("list", &bytes).unwrap();
                format!("{} certificates", anchors.sources()[0].certificates)
            }
            other => panic!("kind {other}"),
        };
        assert_eq!(found, file.expect, "{}", file.path);
    }
}

#[test]
fn every_file_of_the_data_is_in_the_table() {
    let Some(root) = chip_data("every_file_of_the_data_is_in_the_table") else { return };
    let table = table();
    let singles = table.file.into_iter().flat_map(|file| [Some(file.path), file.picture].into_iter().flatten());
    let cards = table.card.into_iter().flat_map(|card| card.files.into_iter().chain(card.csca));
    let named: BTreeSet<String> = singles.chain(cards).collect();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            assert!(named.contains(&name), "{name} has no expected verdict");
        }
    }
}

#[test]
fn the_german_master_list_loads_whole_and_its_signature_holds() {
    let Some(root) = chip_data("the_german_master_list_loads_whole_and_its_signature_holds") else { return };
    let anchors = Anchors::load(&root.join("masterlists")).unwrap();
    let list = anchors.sources().iter().find(|source| source.name.ends_with(".ml")).unwrap();
    assert_eq!(list.certificates, 526);
    // One more than the list: the root beside it, of a later generation than the
    // one that issued the list's signer.
    assert_eq!(anchors.len() + anchors.signers().len(), 527);
    match &list.kind {
        SourceKind::MasterList { scheme, voucher } => {
            assert_eq!((scheme.as_str(), *voucher), ("ECDSA SHA-256", Voucher::List));
        }
        other => panic!("{other:?}"),
    }
    let mut bytes = read(&root, "masterlists/DE_ML_2024-04-10-10-54-13.ml");
    let middle = bytes.len() / 2;
    for at in [middle, bytes.len() - 1] {
        bytes[at] ^= 1;
        assert!(Anchors::none().add_bytes("list", &bytes).is_err(), "byte {at} flipped");
        bytes[at] ^= 1;
    }
}

#[test]
fn a_series_of_generations_loads_with_its_links() {
    let Some(root) = chip_data("a_series_of_generations_loads_with_its_links") else { return };
    let all = Anchors::load(&root.join("certs")).unwrap();
    assert_eq!((all.len(), all.self_signed()), (6, 4));
}

#[test]
fn a_folder_with_certificates_and_other_files_is_loaded() {
    let Some(root) = chip_data("a_folder_with_certificates_and_other_files_is_loaded") else { return };
    let anchors = Anchors::load(&root.join("sod")).unwrap();
    assert_eq!((anchors.len(), anchors.signers().len()), (6, 6));
    assert!(Anchors::load(&root.join("gmrtd-dg")).is_err());
}
