//! `chinhchu models`.

use std::fs;

use crate::need_assets;
use crate::support::{dimension, root, run, text};

#[test]
fn a_pack_is_listed_shown_and_found_right() {
    need_assets!();
    let list = run(["models", "list", "--json"]).ended(0).json();
    assert_eq!(run(["models", "--json"]).ended(0).json(), list);
    assert_eq!(run(["models"]).ended(0).stdout, run(["models", "list"]).ended(0).stdout);
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
    let folder = copied();
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

/// The default pack in a folder of its own.
fn copied() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(root().join("models/default")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

#[test]
fn what_loading_a_pack_would_refuse_is_not_found_right() {
    need_assets!();
    let folder = copied();
    let pack = text(folder.path());
    let right = run(["models", "verify", &pack, "--json"]).ended(0).json();
    let role = |found: &serde_json::Value, role: &str| {
        found["files"].as_array().unwrap().iter().find(|f| f["role"] == role).unwrap().clone()
    };
    assert_eq!(role(&right, "quality")["status"], "ok");
    assert_eq!((&right["networks_fit"], &role(&right, "quality")["problem"]), (&true.into(), &().into()));
    let work = tempfile::tempdir().unwrap();
    let [list, out] = ["one.csv", "one.npy"].map(|name| text(&work.path().join(name)));
    fs::write(&list, "subject_id,path\np,none.jpg\n").unwrap();
    let load = || run(["embed", "--pack", &pack, "--manifest", &list, "--out", &out]).ended(2).stderr;

    let quality = folder.path().join("quality.toml");
    let own = fs::read_to_string(&quality).unwrap();
    let other = fs::read_to_string(root().join("models/sface/quality.toml")).unwrap();
    for (changed, status, why) in [
        (None, "missing", "lacks its quality model"),
        (Some(other), "other_recipe", "is for recipe"),
        (Some(own.replacen("constant = ", "constant = inf # ", 1)), "unusable", "a form has"),
        (Some("\u{1}".to_owned()), "unusable", "cannot be used"),
    ] {
        match changed {
            Some(changed) => fs::write(&quality, changed).unwrap(),
            None => fs::remove_file(&quality).unwrap(),
        }
        let found = run(["models", "verify", &pack, "--json"]).ended(1).json();
        let found = role(&found, "quality");
        assert_eq!(found["status"], status);
        let problem = found["problem"].as_str().unwrap();
        assert!(problem.contains(why) && problem.contains("--example fit_quality"), "{problem}");
        assert!(load().contains(why), "what loads the pack says the same");
        let told = run(["models", "verify", &pack]).ended(1).stdout;
        assert!(told.contains(why) && told.contains("this pack cannot be used as it is"), "{told}");
        assert!(run(["models", "show", &pack]).ended(0).stdout.contains(why));
    }
    fs::write(&quality, own).unwrap();

    // A calibration that has no curve for single photos, and a network that does not fit.
    let calibration = folder.path().join("calibration.toml");
    let right = fs::read_to_string(&calibration).unwrap();
    fs::write(&calibration, right.split("[[curves]]").next().unwrap().to_owned() + "curves = []\n").unwrap();
    let found = role(&run(["models", "verify", &pack, "--json"]).ended(1).json(), "calibration");
    assert_eq!(found["status"], "unusable");
    fs::write(&calibration, right).unwrap();
    let manifest = folder.path().join("pack.toml");
    let changed = fs::read_to_string(&manifest).unwrap().replacen("box_scale = 2.7", "box_scale = 2.6", 1);
    fs::write(&manifest, changed.replacen("\"617\"", "\"616\"", 1)).unwrap();
    let found = run(["models", "verify", &pack, "--json"]).ended(1).json();
    assert_eq!((&found["networks_fit"], &found["ok"]), (&false.into(), &false.into()));
    assert!(found["networks_problem"].as_str().unwrap().contains("616"), "{found}");
}

#[test]
fn lists_say_by_what_quality_is_measured() {
    need_assets!();
    let packs = run(["models", "list", "--json"]).ended(0).json();
    let default = packs["packs"].as_array().unwrap().iter().find(|p| p["name"] == "default").unwrap().clone();
    assert_eq!((&default["quality"], &default["quality_problem"]), (&"quality.toml".into(), &().into()));
    assert!(run(["models", "list"]).ended(0).stdout.contains("quality by quality.toml"));
    let shown = run(["models", "show", "default", "--json"]).ended(0).json();
    assert_eq!(shown["quality"]["file"], "quality.toml");
    assert!(shown["quality"]["photos"].as_u64().unwrap() > 0 && shown["quality_problem"].is_null());
}

#[test]
fn a_pack_that_is_not_there_or_makes_no_sense_is_refused() {
    run(["models", "verify", "no-such-pack"]).refused(&["no-such-pack", "models list"]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pack.toml"), "version = \"x\n").unwrap();
    run(["models", "show", &text(folder.path())]).refused(&["pack.toml"]);
}
