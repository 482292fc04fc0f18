//! Packs that cannot be used, and what is said about them.

use std::path::Path;

use chinhchu::face::{FacePool, Pack, PackError, RecipeDigest, Role};
use sha2::{Digest, Sha256};

use crate::support::{options, pack, pack_folder};

const FILES: [&str; 5] = ["fr_detect.onnx", "fr_landmark.onnx", "fr_feature.onnx", "fr_pose.onnx", "fr_liveness.onnx"];

/// A folder with the default pack's `pack.toml`, changed by `edit`, without weights
/// and without a quality model, which is bound to the recipe that `edit` may change.
fn folder(edit: impl Fn(String) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let manifest = std::fs::read_to_string(pack_folder("default").join("pack.toml")).unwrap();
    let manifest = replaced(manifest, "quality = \"quality.toml\"\n", "");
    std::fs::write(folder.path().join("pack.toml"), edit(manifest)).unwrap();
    folder
}

fn add_weights(folder: &Path) {
    for file in FILES {
        std::fs::copy(pack_folder("default").join(file), folder.join(file)).unwrap();
    }
}

fn error(folder: &Path) -> PackError {
    Pack::load(folder).map(|_| ()).unwrap_err()
}

/// Loads, which must succeed, and starts, which must not.
fn start_error(folder: &Path) -> PackError {
    let pack = Pack::load(folder).expect("files and digests agree");
    FacePool::start(&pack, &options(1)).map(|_| ()).unwrap_err()
}

fn replaced(text: String, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

#[test]
fn a_folder_without_a_manifest_is_no_pack() {
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(error(empty.path()), PackError::NoPack { .. }));
    assert!(error(&empty.path().join("nowhere")).to_string().contains("--pack"));
}

#[test]
fn a_missing_network_is_named_with_the_way_to_get_it() {
    let folder = folder(|text| text);
    let said = error(folder.path());
    assert!(matches!(&said, PackError::MissingFile { path } if path.ends_with("fr_detect.onnx")), "{said}");
    assert!(said.to_string().contains("scripts/setup"), "{said}");
}

#[test]
fn an_altered_network_is_refused_with_both_digests() {
    let folder = folder(|text| text);
    std::fs::write(folder.path().join("fr_detect.onnx"), b"not the network").unwrap();
    let said = error(folder.path());
    let PackError::AlteredFile { expected, found, .. } = &said else { panic!("{said}") };
    assert!(expected.to_string().starts_with("6c0256cc") && expected != found);
    assert!(said.to_string().contains(&found.to_string()), "{said}");
}

#[test]
fn one_flipped_bit_in_a_network_is_seen() {
    let Some(_) = pack("default") else { return };
    let folder = folder(|text| text);
    add_weights(folder.path());
    let path = folder.path().join("fr_pose.onnx");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(error(folder.path()), PackError::AlteredFile { .. }));
}

#[test]
fn a_network_that_is_a_folder_is_unreadable() {
    let folder = folder(|text| text);
    std::fs::create_dir(folder.path().join("fr_detect.onnx")).unwrap();
    assert!(matches!(error(folder.path()), PackError::UnreadableFile { .. }));
}

#[test]
fn a_file_outside_the_pack_is_never_opened() {
    let folder = folder(|text| replaced(text, "\"fr_detect.onnx\"", "\"../fr_detect.onnx\""));
    assert!(matches!(error(folder.path()), PackError::UnsafePath { .. }));
}

#[test]
fn an_unknown_family_is_refused() {
    let folder = folder(|text| replaced(text, "\"ultraface\"", "\"retinaface\""));
    assert!(matches!(error(folder.path()), PackError::UnknownFamily { role: Role::Detector, .. }));
}

#[test]
fn a_network_in_the_wrong_role_is_refused_at_the_start() {
    let Some(_) = pack("default") else { return };
    // Pose and liveness are loaded late, but must not fail late.
    for (one, other) in [("fr_feature", "fr_landmark"), ("fr_pose", "fr_liveness"), ("fr_detect", "fr_feature")] {
        let folder = folder(|text| {
            let digest = |name: &str| {
                let after = text.split(&format!("\"{name}.onnx\"\nsha256 = \"")).nth(1).unwrap();
                after[..64].to_owned()
            };
            let (a, b) = (digest(one), digest(other));
            let swapped = text.replace(&a, "HELD").replace(&b, &a).replace("HELD", &b);
            swapped
                .replace(&format!("\"{one}.onnx\""), "HELD")
                .replace(&format!("\"{other}.onnx\""), &format!("\"{one}.onnx\""))
                .replace("HELD", &format!("\"{other}.onnx\""))
        });
        add_weights(folder.path());
        let said = start_error(folder.path());
        assert!(matches!(said, PackError::Network { .. }), "{one} as {other}: {said}");
    }
}

#[test]
fn a_wrong_output_name_is_refused_and_named() {
    let Some(_) = pack("default") else { return };
    let folder = folder(|text| replaced(text, "\"scores\"", "\"scored\""));
    add_weights(folder.path());
    let said = start_error(folder.path());
    assert!(matches!(said, PackError::Network { role: Role::Detector, .. }));
    assert!(said.to_string().contains("`scored`"), "{said}");
}

#[test]
fn an_embedder_of_another_dimension_is_refused() {
    let Some(_) = pack("default") else { return };
    let folder = folder(|text| replaced(text, "dimension = 512", "dimension = 128"));
    add_weights(folder.path());
    assert!(matches!(start_error(folder.path()), PackError::Network { role: Role::Embedder, .. }));
}

#[test]
fn bytes_that_are_no_network_are_refused_even_with_the_right_digest() {
    let Some(_) = pack("default") else { return };
    let garbage = b"not a network";
    let digest = RecipeDigest(Sha256::digest(garbage).into()).to_string();
    let folder = folder(|text| {
        let old = "6c0256ccd3164f844736a401faf936ec2930764a87ae39442180887d0c5c8854";
        replaced(text, old, &digest)
    });
    add_weights(folder.path());
    std::fs::write(folder.path().join("fr_detect.onnx"), garbage).unwrap();
    assert!(matches!(start_error(folder.path()), PackError::Network { role: Role::Detector, .. }));
}

#[test]
fn a_quality_model_of_another_recipe_or_none_is_refused_by_name() {
    if pack("default").is_none() {
        return;
    }
    let folder = folder(|text| replaced(text, "[detector]", "quality = \"quality.toml\"\n[detector]"));
    add_weights(folder.path());
    let said = error(folder.path()).to_string();
    assert!(said.contains("quality.toml"), "{said}");
    let text = std::fs::read_to_string(pack_folder("default").join("quality.toml")).unwrap();
    let other = text.lines().map(|line| match line.starts_with("recipe") {
        true => format!("recipe = \"{}\"", "ab".repeat(32)),
        false => line.to_owned(),
    });
    std::fs::write(folder.path().join("quality.toml"), other.collect::<Vec<_>>().join("\n")).unwrap();
    let said = error(folder.path()).to_string();
    assert!(said.contains("recipe"), "{said}");
    std::fs::write(folder.path().join("quality.toml"), text).unwrap();
    assert!(Pack::load(folder.path()).unwrap().quality().is_some());
}
