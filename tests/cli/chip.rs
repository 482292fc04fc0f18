//! `chinhchu chip`, and `verify` with chip files.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::need_assets;
use crate::support::{photo, root, run, text};

/// Smallest bytes that pass for a JPEG by their beginning.
const PICTURE: &[u8] = b"\xff\xd8\xff\xe0 a picture that is never decoded \xff\xd9";

/// A card forged by the program; needs neither networks nor photos.
fn forged(folder: &std::path::Path, name: &str, more: &[&str]) -> String {
    let picture = folder.join("picture.jpg");
    fs::write(&picture, PICTURE).unwrap();
    let out = text(&folder.join(name));
    let args = ["chip", "forge-test-card", &text(&picture), "--out", &out];
    run(args.into_iter().chain(more.iter().copied())).ended(0);
    out
}

#[test]
fn a_forged_card_is_authentic_with_its_authority_and_unanchored_without() {
    let folder = tempfile::tempdir().unwrap();
    let card = forged(folder.path(), "card", &[]);
    let csca = format!("{card}/csca");
    let answer = run(["chip", "inspect", &card, "--csca", &csca, "--json"]).ended(0).json();
    assert_eq!(answer["verdict"], "AUTHENTIC");
    for group in ["DG1", "DG2", "DG13"] {
        assert_eq!(answer["data_groups"][group], "matches");
    }
    assert!(answer["signer"]["subject"].to_string().contains("TEST - NOT GENUINE"));
    assert!(answer["anchor"]["subject"].to_string().contains("TEST - NOT GENUINE"));
    assert!(answer["reasons"][0]["en"].is_string() && answer["reasons"][0]["vi"].is_string());

    let answer = run(["chip", "inspect", &card, "--json"]).ended(1).json();
    assert_eq!((&answer["verdict"], &answer["reasons"][0]["code"]), (&"UNANCHORED".into(), &"NO_ANCHORS".into()));
    assert!(answer["anchor"].is_null());
    // By its certificate alone, too, and by the configuration.
    let certificate = format!("{csca}/test_csca.cer");
    run(["chip", "inspect", &card, "--csca", &certificate]).ended(0);
    let config = folder.path().join("chinhchu.toml");
    fs::write(&config, "[chip]\ncsca = \"card/csca\"\n").unwrap();
    run(["--config", &text(&config), "chip", "inspect", &card]).ended(0);
}

#[test]
fn a_certificate_that_cannot_be_read_is_left_out_and_named_or_stops_as_configured() {
    let folder = tempfile::tempdir().unwrap();
    let card = forged(folder.path(), "card", &[]);
    let csca = format!("{card}/csca");
    fs::write(format!("{csca}/foreign.cer"), b"0\x03\x02\x01\x05").unwrap();
    let answer = run(["chip", "inspect", &card, "--csca", &csca, "--json"]).ended(0).json();
    assert_eq!(answer["csca_unreadable"].as_array().unwrap().len(), 1);
    let told = run(["chip", "inspect", &card, "--csca", &csca]).ended(0).stdout;
    assert!(told.contains("foreign.cer"), "{told}");
    let config = folder.path().join("chinhchu.toml");
    fs::write(&config, "[chip]\ncsca = \"card/csca\"\ncsca_unreadable = \"stop\"\n").unwrap();
    let stopped = run(["--config", &text(&config), "chip", "inspect", &card]).ended(2);
    assert!(stopped.stderr.contains("foreign.cer"), "{stopped:?}");
    // A revocation list that is left out would revoke nothing.
    fs::rename(format!("{csca}/foreign.cer"), format!("{csca}/foreign.crl")).unwrap();
    let stopped = run(["chip", "inspect", &card, "--csca", &csca]).ended(2);
    assert!(stopped.stderr.contains("foreign.crl"), "{stopped:?}");
}

#[test]
fn personal_fields_are_stars_unless_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--number", "999075000023", "--name", "Đặng Thị Thử", "--birth-date", "1975-06-30", "--female"];
    let card = forged(folder.path(), "card", &options);
    let secrets = ["999075000023", "ĐẶNG", "DANG", "1975", "30/06", "Xã Thử"];
    let masked = run(["chip", "inspect", &card]).ended(1);
    let masked_json = run(["chip", "inspect", &card, "--json"]).ended(1);
    for secret in secrets {
        assert!(!masked.stdout.contains(secret) && !masked_json.stdout.contains(secret), "{secret}");
    }
    assert!(masked.stdout.starts_with("UNANCHORED\n") && masked.stdout.contains("*********023"), "{masked:?}");
    let shown = run(["chip", "inspect", &card, "--show-personal"]).ended(1).stdout;
    for secret in secrets {
        assert!(shown.contains(secret), "{secret} is not in {shown}");
    }
    let answer = run(["chip", "inspect", &card, "--show-personal", "--json"]).ended(1).json();
    assert_eq!(answer["mrz"]["name"], "DANG THI THU");
    assert_eq!(answer["mrz"]["sex"], "F");
}

#[test]
fn every_flaw_is_found_by_inspect() {
    let folder = tempfile::tempdir().unwrap();
    for (flaw, verdict) in [
        ("altered-photo", "ALTERED"),
        ("wrong-signer", "ALTERED"),
        ("photo-not-signed", "ALTERED"),
        ("revoked", "UNTRUSTED"),
        ("expired", "UNTRUSTED"),
        ("wrong-authority", "UNTRUSTED"),
        ("sod-cut", "UNREADABLE"),
        ("photo-twice", "UNREADABLE"),
    ] {
        let card = forged(folder.path(), flaw, &["--flaw", flaw]);
        let answer = run(["chip", "inspect", &card, "--csca", &format!("{card}/csca"), "--json"]).ended(1).json();
        assert_eq!(answer["verdict"], verdict, "{flaw}");
    }
}

#[test]
fn the_photo_is_exported_and_one_that_nobody_signed_is_called_so() {
    let folder = tempfile::tempdir().unwrap();
    let out = text(&folder.path().join("out.jpg"));
    let card = forged(folder.path(), "card", &[]);
    let ran = run(["chip", "inspect", &card, "--photo-out", &out]).ended(1);
    assert!(ran.stdout.contains(&out) && !ran.stdout.contains("not authenticated"), "{ran:?}");
    assert_eq!(fs::read(&out).unwrap(), PICTURE);
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600, "a face is its owner's alone");
    let altered = forged(folder.path(), "altered", &["--flaw", "altered-photo"]);
    let ran = run(["chip", "inspect", &altered, "--photo-out", &out]).ended(1);
    assert!(ran.stdout.contains("not authenticated"), "{ran:?}");
    let none = forged(folder.path(), "none", &["--flaw", "no-photo"]);
    run(["chip", "inspect", &none, "--photo-out", &out]).refused(&["--photo-out", "no photo"]);
}

#[test]
fn a_security_file_alone_gets_its_verdict_and_says_what_was_not_checked() {
    let folder = tempfile::tempdir().unwrap();
    let card = forged(folder.path(), "card", &[]);
    let alone = folder.path().join("alone");
    fs::create_dir(&alone).unwrap();
    fs::copy(format!("{card}/EF_SOD.bin"), alone.join("whatever.name")).unwrap();
    let answer = run(["chip", "inspect", &text(&alone), "--csca", &format!("{card}/csca"), "--json"]).ended(0).json();
    let codes: Vec<_> = answer["reasons"].as_array().unwrap().iter().map(|reason| reason["code"].clone()).collect();
    assert!(codes.contains(&"NO_GROUP_CHECKED".into()), "{codes:?}");
    assert_eq!(answer["data_groups"]["DG2"], "absent");
    // The file itself may be named.
    run(["chip", "inspect", &format!("{card}/EF_SOD.bin"), "--csca", &format!("{card}/csca")]).ended(0);
}

#[test]
fn what_is_no_chip_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let empty = text(folder.path());
    run(["chip", "inspect", &empty]).refused(&[&empty, "no chip file"]);
    run(["chip", "inspect", "/no/such/folder"]).refused(&["/no/such/folder"]);
    let card = forged(folder.path(), "card", &[]);
    run(["chip", "inspect", &card, "--csca", "/no/such"]).refused(&["--csca", "/no/such"]);
    run(["chip", "inspect", &card, "--csca", &empty]).refused(&["--csca", "no country certificate"]);
    let picture = text(&folder.path().join("picture.jpg"));
    run(["chip", "forge-test-card", &picture, "--out", &card]).refused(&["not empty"]);
    let new = text(&folder.path().join("new"));
    run(["chip", "forge-test-card", &picture, "--out", &new, "--flaw", "list"]).refused(&["altered-photo", "--flaw"]);
    run(["chip", "forge-test-card", &picture, "--out", &new, "--number", "123"]).refused(&["twelve digits"]);
    run(["chip", "forge-test-card", &format!("{card}/EF_SOD.bin"), "--out", &new]).refused(&["not a JPEG"]);
}

#[test]
fn verify_takes_a_chip_on_either_side_and_an_altered_one_never_matches() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let [face, capture, other] = ["obama.jpg", "obama2.jpg", "biden.jpg"].map(|name| text(&photo(name)));
    let forge = |name: &str, flaw: &[&str]| {
        let out = text(&folder.path().join(name));
        run(["chip", "forge-test-card", &face, "--out", &out].iter().chain(flaw)).ended(0);
        out
    };
    let card = forge("card", &[]);
    let csca = format!("{card}/csca");
    let answer = run(["verify", &card, &capture, "--csca", &csca, "--json"]).ended(0).json();
    assert_eq!((&answer["decision"], &answer["chip"]["verdict"]), (&"match".into(), &"AUTHENTIC".into()));
    assert!(answer.get("chips").is_none());
    let plain = run(["verify", &face, &capture, "--json"]).ended(0).json();
    assert_eq!(answer["score"], plain["score"], "the chip's photo is the photo");
    assert!(plain.get("chip").is_none());
    run(["verify", &card, &other, "--csca", &csca]).ended(1);

    // Unanchored matches and says so; the probe's side; a DG2 file by itself.
    let ran = run(["verify", &capture, &card]).ended(0);
    assert!(ran.stdout.starts_with("MATCH\n") && ran.stdout.contains("chip UNANCHORED"), "{ran:?}");
    let dg2 = format!("{card}/DG2.bin");
    assert_eq!(run(["verify", &dg2, &capture, "--json"]).ended(0).json()["score"], plain["score"]);
    let both = run(["verify", &card, &card, "--csca", &csca, "--json"]).ended(0).json();
    assert_eq!(both["chips"].as_array().unwrap().len(), 2);

    for flaw in ["altered-name", "expired", "sod-cut"] {
        let bad = forge(flaw, &["--flaw", flaw]);
        let answer = run(["verify", &bad, &capture, "--csca", &csca, "--json"]).ended(1).json();
        assert_eq!(answer["decision"], "no_match", "{flaw}");
        assert!(answer["score"].as_f64() >= answer["threshold"].as_f64(), "{flaw}: the face itself is the same");
        assert_ne!(answer["chip"]["verdict"], "AUTHENTIC", "{flaw}");
    }
    let bad = forge("altered-photo", &["--flaw", "altered-photo"]);
    let ran = run(["verify", &bad, &capture]).ended(1);
    assert!(ran.stdout.starts_with("NO MATCH\n") && ran.stdout.contains("GROUP_ALTERED"), "{ran:?}");
    // Nor where its photo cannot even be decoded.
    fs::write(
        format!("{bad}/DG2.bin"),
        fs::read(format!("{card}/DG2.bin")).unwrap().iter().rev().copied().collect::<Vec<_>>(),
    )
    .unwrap();
    run(["verify", &bad, &capture]).refused(&["no photo"]);
    let mut dg2 = fs::read(format!("{card}/DG2.bin")).unwrap();
    let end = dg2.len();
    dg2[end - 60_000..].fill(0xff);
    fs::write(format!("{bad}/DG2.bin"), dg2).unwrap();
    let answer = run(["verify", &bad, &capture, "--json"]).ended(1).json();
    assert_eq!((&answer["decision"], &answer["chip"]["verdict"]), (&"no_match".into(), &"ALTERED".into()));
    assert!(answer["score"].is_null() && answer["not_compared"].as_str().unwrap().contains("reference"));
    let none = forge("no-photo", &["--flaw", "no-photo"]);
    run(["verify", &none, &capture]).refused(&["reference", "no photo"]);
    let nothing = text(&folder.path().join("card/csca"));
    run(["verify", &nothing, &capture]).refused(&["no chip file"]);
}

#[test]
fn the_shared_documents_come_to_their_verdicts_on_the_command_line() {
    let data = std::env::var_os("CHINHCHU_TESTDATA").map_or_else(|| root().join("../shared/data"), Into::into);
    let chip = root().join(data).join("chip");
    if !chip.is_dir() {
        eprintln!("SKIPPED: the shared documents on the command line: no chip test data; set CHINHCHU_TESTDATA");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for file in ["EF_COM", "EF_SOD", "Datagroup1", "Datagroup2", "Datagroup3", "Datagroup14"] {
        let file = format!("{file}.bin");
        fs::copy(chip.join("bsi").join(&file), folder.path().join(&file)).unwrap();
    }
    let answer = run(["chip", "inspect", &text(folder.path()), "--json"]).ended(1).json();
    assert_eq!(answer["verdict"], "UNANCHORED");
    assert_eq!(answer["data_groups"]["DG2"], "matches");
    // A second security file beside it: files of two cards.
    fs::copy(chip.join("bsi/NZ2013_EF_SOD.BIN"), folder.path().join("another")).unwrap();
    let answer = run(["chip", "inspect", &text(folder.path()), "--json"]).ended(1).json();
    assert_eq!((&answer["verdict"], &answer["reasons"][0]["code"]), (&"UNREADABLE".into(), &"FILE_TWICE".into()));
    let [sod, csca] = ["sod/DE_EF_SOD.bin", "sod/DE_CSCA.der"].map(|path| text(&chip.join(path)));
    let answer = run(["chip", "inspect", &sod, "--csca", &csca, "--json"]).ended(0).json();
    assert_eq!(answer["verdict"], "AUTHENTIC");
}
