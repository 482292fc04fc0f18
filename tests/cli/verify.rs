//! `chinhchu verify` on real photos.

use std::fs;
use std::process::Stdio;

use crate::need_assets;
use crate::support::{blank_png, chinhchu, photo, ran, run, text};

#[test]
fn the_same_person_matches_and_another_does_not() {
    need_assets!();
    let genuine = run(["verify", &text(&photo("obama.jpg")), &text(&photo("obama2.jpg")), "--json"]).ended(0);
    assert_eq!(genuine.stderr, "");
    let answer = genuine.json();
    assert_eq!(answer["decision"], "match");
    assert!(answer["score"].as_f64().unwrap() >= answer["threshold"].as_f64().unwrap());
    assert_eq!(answer["fmr_requested"], 1e-5);
    assert!(answer["fmr"].as_f64().unwrap() <= 1e-5);
    assert!(answer["fmr_extrapolated"].is_boolean() && answer["threshold_extrapolated"].is_boolean());
    assert_eq!(answer["recipe"].as_str().unwrap().len(), 64);
    assert_eq!(answer["reference"]["format"], "jpeg");
    assert_eq!(answer["probe"]["quarter_turns"], 0);
    assert!(answer.get("probes").is_none());

    let impostor = run(["verify", &text(&photo("obama.jpg")), &text(&photo("biden.jpg")), "--json"]).ended(1);
    assert_eq!(impostor.json()["decision"], "no_match");
}

#[test]
fn people_get_a_few_readable_lines() {
    need_assets!();
    let ran = run(["verify", &text(&photo("obama.jpg")), &text(&photo("biden.jpg")), "--fmr", "1e-3"]).ended(1);
    assert!(ran.stdout.starts_with("NO MATCH\n") && ran.stdout.contains("0.001"), "{ran:?}");
    assert!(ran.stdout.lines().count() <= 5, "{ran:?}");
}

#[test]
fn several_probes_are_reported_one_by_one() {
    need_assets!();
    let [a, b, c] = ["obama.jpg", "obama2.jpg", "obama3.jpg"].map(|name| text(&photo(name)));
    let answer = run(["verify", &a, &b, &c, "--json"]).ended(0).json();
    assert_eq!(answer["probes"].as_array().unwrap().len(), 2);
    assert_eq!(answer["probe"], answer["probes"][0]);
    run(["verify", &a, &b, &b, &b, &b, &b, &b]).refused(&["--help"]);
}

#[test]
fn a_photo_may_come_by_standard_input() {
    need_assets!();
    let mut command = chinhchu();
    command.args(["verify", &text(&photo("obama.jpg")), "-", "--json"]);
    command.stdin(Stdio::from(fs::File::open(photo("obama2.jpg")).unwrap()));
    assert_eq!(ran(command.output().unwrap()).ended(0).json()["decision"], "match");
}

#[test]
fn every_unusable_photo_is_told_in_one_line_naming_its_side() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let good = fs::read(photo("obama.jpg")).unwrap();
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("empty.jpg", Vec::new(), "empty"),
        ("text.jpg", b"this is not a photo".to_vec(), "not an image"),
        ("truncated.jpg", good[..good.len() / 2].to_vec(), "cut short"),
        ("one-pixel.png", blank_png(1, 1), ""),
        ("no-face.png", blank_png(320, 240), "no face"),
        // A header alone: SOI, then nothing that makes sense.
        ("header.jpg", b"\xff\xd8\xff\xe0".to_vec(), ""),
        ("huge.png", huge_png(), "30000x30000"),
    ];
    let reference = text(&photo("obama.jpg"));
    for (name, bytes, part) in cases {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let path = text(&path);
        run(["verify", &reference, &path, "--json"]).refused(&[&format!("probe {path}: "), part]);
        run(["verify", &path, &reference]).refused(&[&format!("reference {path}: "), part]);
    }
}

/// The first bytes of a PNG that says it has 30,000 by 30,000 pixels.
fn huge_png() -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    png.extend(30_000u32.to_be_bytes());
    png.extend(30_000u32.to_be_bytes());
    png.extend([8, 2, 0, 0, 0]);
    png.extend(crc32(&png[12..]).to_be_bytes());
    png
}

/// CRC-32 of PNG (ISO/IEC 15948 annex D), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[test]
fn a_pack_with_an_altered_or_missing_file_is_refused() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let pack = folder.path().join("pack");
    fs::create_dir(&pack).unwrap();
    for entry in fs::read_dir(crate::support::root().join("models/default")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, pack.join(path.file_name().unwrap())).unwrap();
    }
    let [a, b] = ["obama.jpg", "obama2.jpg"].map(|name| text(&photo(name)));
    run(["--pack", &text(&pack), "verify", &a, &b]).ended(0);

    let network = pack.join("fr_feature.onnx");
    let mut bytes = fs::read(&network).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&network, &bytes).unwrap();
    run(["--pack", &text(&pack), "verify", &a, &b]).refused(&["fr_feature.onnx", "altered", "scripts/setup"]);
    fs::remove_file(&network).unwrap();
    run(["--pack", &text(&pack), "verify", &a, &b]).refused(&["fr_feature.onnx", "scripts/setup"]);
    run(["--pack", "/no/pack", "verify", &a, &b]).refused(&["/no/pack", "--pack"]);
    run(["--onnxruntime", "/no/lib.so", "verify", &a, &b]).refused(&["ONNX Runtime"]);
}
