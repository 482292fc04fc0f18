//! `chinhchu models`.

use std::fs;

use crate::need_assets;
use crate::support::{dimension, root, run, text};

#[test]
fn a_pack_is_listed_shown_and_found_right() {
    need_assets!();
    let list = run(["models", "list", "--json"]).ended(0).json();
    assert!(
        list["packs"].as_array().unwrap().iter().any(|p| p["folder"] == "models/default" && p["problem"].is_null())
    );
    let shown = run(["models", "show", "default", "--json"]).ended(0).json();
    assert_eq!(shown["dimension"], dimension());
    assert_eq!(shown["recipe"].as_str().unwrap().len(), 64);
    let roles: Vec<_> = shown["networks"].as_array().unwrap().iter().map(|n| n["role"].as_str().unwrap()).collect();
    assert!(roles.contains(&"detector") && roles.contains(&"embedder"), "{roles:?}");
    assert!(shown["networks"].as_array().unwrap().iter().all(|n| n["licence"] != ""));
    assert!(!shown["calibration"].as_array().unwrap().is_empty());
    assert_eq!(run(["models", "verify", "--json"]).ended(0).json()["ok"], true);
    assert!(run(["models", "show"]).ended(0).stdout.contains("recipe"));
}

#[test]
fn a_missing_and_an_altered_file_are_both_named() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(root().join("models/default")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let pack = text(folder.path());
    run(["models", "verify", &pack]).ended(0);
    fs::write(folder.path().join("fr_detect.onnx"), "altered").unwrap();
    fs::remove_file(folder.path().join("fr_feature.onnx")).unwrap();
    let verified = run(["models", "verify", &pack, "--json"]).ended(1).json();
    assert_eq!(verified["ok"], false);
    let status = |file: &str| {
        verified["files"].as_array().unwrap().iter().find(|f| f["file"] == file).unwrap()["status"].clone()
    };
    assert_eq!([status("fr_detect.onnx"), status("fr_feature.onnx")], ["altered", "missing"]);
    let told = run(["models", "verify", &pack]).ended(1);
    assert!(told.stdout.contains("ALTERED     fr_detect.onnx") && told.stdout.contains("scripts/setup"), "{told:?}");
}

#[test]
fn a_pack_that_is_not_there_or_makes_no_sense_is_refused() {
    run(["models", "verify", "no-such-pack"]).refused(&["no-such-pack", "models list"]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pack.toml"), "version = \"x\n").unwrap();
    run(["models", "show", &text(folder.path())]).refused(&["pack.toml"]);
}
