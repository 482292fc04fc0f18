//! Packs that cannot be used, and what is said about them.

use std::path::Path;

use chinhchu::face::{FacePool, Pack, PackError, RecipeDigest, Role};
use sha2::{Digest, Sha256};

use crate::support::{options, pack, pack_folder};

const FILES: [&str; 5] = ["fr_detect.onnx", "fr_landmark.onnx", "fr_feature.onnx", "fr_pose.onnx", "fr_liveness.onnx"];

/// A folder with the `pack.toml` of the pack with one embedder, changed by `edit`, without weights
/// and without a quality model, which is bound to the recipe that `edit` may change.
fn folder(edit: impl Fn(String) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let manifest = std::fs::read_to_string(pack_folder("faceplugin").join("pack.toml")).unwrap();
    let manifest = replaced(manifest, "quality = \"quality.toml\"\n", "");
    std::fs::write(folder.path().join("pack.toml"), edit(manifest)).unwrap();
    folder
}

fn add_weights(folder: &Path) {
    for file in FILES {
        std::fs::copy(pack_folder("faceplugin").join(file), folder.join(file)).unwrap();
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
    let Some(_) = pack("faceplugin") else { return };
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
    let Some(_) = pack("faceplugin") else { return };
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
    let Some(_) = pack("faceplugin") else { return };
    let folder = folder(|text| replaced(text, "\"scores\"", "\"scored\""));
    add_weights(folder.path());
    let said = start_error(folder.path());
    assert!(matches!(said, PackError::Network { role: Role::Detector, .. }));
    assert!(said.to_string().contains("`scored`"), "{said}");
}

#[test]
fn an_embedder_of_another_dimension_is_refused() {
    let Some(_) = pack("faceplugin") else { return };
    let folder = folder(|text| replaced(text, "dimension = 512", "dimension = 128"));
    add_weights(folder.path());
    assert!(matches!(start_error(folder.path()), PackError::Network { role: Role::Embedder, .. }));
}

#[test]
fn bytes_that_are_no_network_are_refused_even_with_the_right_digest() {
    let Some(_) = pack("faceplugin") else { return };
    let garbage = b"not a network";
    let digest = RecipeDigest(Sha256::digest(garbage).into()).to_string();
    let folder = folder(|text| {
        let old = "6c0256ccd3164f844736a401faf936ec2930764a87ae39442180887d0c5c8854";
        replaced(text, old, &digest)
    });
    add_weights(folder.path());
    std::fs::write(folder.path().join("fr_detect.onnx"), garbage).unwrap();
    assert!(matches!(error(folder.path()), PackError::Network { role: Role::Detector, .. }));
}

#[test]
fn a_quality_model_of_another_recipe_or_none_is_refused_by_name() {
    if pack("faceplugin").is_none() {
        return;
    }
    let folder = folder(|text| replaced(text, "[detector]", "quality = \"quality.toml\"\n[detector]"));
    add_weights(folder.path());
    let said = error(folder.path()).to_string();
    assert!(said.contains("quality.toml"), "{said}");
    let text = std::fs::read_to_string(pack_folder("faceplugin").join("quality.toml")).unwrap();
    let other = text.lines().map(|line| match line.starts_with("recipe") {
        true => format!("recipe = \"{}\"", "ab".repeat(32)),
        false => line.to_owned(),
    });
    std::fs::write(folder.path().join("quality.toml"), other.collect::<Vec<_>>().join("\n")).unwrap();
    let said = error(folder.path()).to_string();
    assert!(said.contains("recipe") && said.contains("--example fit_quality"), "{said}");
    std::fs::write(folder.path().join("quality.toml"), text).unwrap();
    assert!(Pack::load(folder.path()).unwrap().quality().is_some());
}

/// A folder with the fused pack's `pack.toml`, changed by `edit`, its weights and its
/// projection, without a quality model.
fn fused(edit: impl Fn(String) -> String) -> Option<tempfile::TempDir> {
    pack("default")?;
    let (folder, from) = (tempfile::tempdir().unwrap(), pack_folder("default"));
    for entry in std::fs::read_dir(&from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let manifest = std::fs::read_to_string(from.join("pack.toml")).unwrap();
    let manifest = replaced(manifest, "quality = \"quality.toml\"\n", "");
    std::fs::write(folder.path().join("pack.toml"), edit(manifest)).unwrap();
    Some(folder)
}

#[test]
fn a_projection_of_another_size_than_the_embedders_is_refused_with_both_sizes() {
    let Some(folder) = fused(|text| replaced(text, "dimension = 288", "dimension = 320")) else { return };
    let said = error(folder.path());
    assert!(matches!(&said, PackError::Projection { .. }), "{said}");
    assert!(said.to_string().contains("[288, 641]") && said.to_string().contains("320 rows"), "{said}");
}

#[test]
fn an_altered_projection_is_refused_and_a_missing_one_named() {
    let Some(folder) = fused(|text| text) else { return };
    let path = folder.path().join("projection.npy");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(error(folder.path()), PackError::AlteredFile { .. }));
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(error(folder.path()), PackError::MissingFile { path } if path.ends_with("projection.npy")));
}

#[test]
fn a_fused_pack_without_one_of_its_embedders_says_which_and_how_to_get_it() {
    let Some(folder) = fused(|text| text) else { return };
    std::fs::remove_file(folder.path().join("face_recognition_sface_2021dec_int8bq.onnx")).unwrap();
    let said = error(folder.path()).to_string();
    assert!(said.contains("sface") && said.contains("scripts/setup"), "{said}");
}

#[test]
fn the_score_of_the_fused_pack_without_its_projection_is_the_weighted_mean_of_its_embedders_scores() {
    use chinhchu::face::{Pipeline, Wants};
    use chinhchu::matching::compare;
    let section = |text: &str, keep: usize| {
        let (start, end) = (text.find("[[embedders]]").unwrap(), text.find("# The first embedder's").unwrap());
        let parts: Vec<&str> = text[start..end].split("[[embedders]]").skip(1).collect();
        let kept = if keep < 2 { format!("[[embedders]]{}", parts[keep]) } else { text[start..end].to_owned() };
        format!("{}{kept}{}", &text[..start], &text[text.find("[pose]").unwrap()..])
    };
    let photos = ["obama.jpg", "obama2.jpg", "biden.jpg"];
    let photos: Vec<Vec<u8>> =
        photos.iter().filter_map(|name| Some(crate::support::png(&crate::support::photo(name)?))).collect();
    if photos.len() < 3 {
        return;
    }
    let mut scores = Vec::new();
    for keep in 0..3 {
        let Some(folder) = fused(|text| section(&text, keep)) else { return };
        let pack = Pack::load(folder.path()).unwrap();
        let mut pipeline = Pipeline::new(&pack, &options(1)).unwrap();
        let templates: Vec<_> =
            photos.iter().map(|photo| pipeline.analyze(photo, Wants::default()).unwrap().template).collect();
        scores.push([(0, 1), (0, 2)].map(|(a, b)| compare(&templates[a], &templates[b]).unwrap()));
    }
    for pair in 0..2 {
        let mean = 0.3 * scores[0][pair] + 0.7 * scores[1][pair];
        assert!((scores[2][pair] - mean).abs() < 1e-5, "{scores:?}");
    }
}

/// A pack that was made anew throughout: the file in `folder` has other bytes, and `pack.toml`
/// their digest.
fn forge(folder: &Path, file: &str, bytes: &[u8]) {
    std::fs::write(folder.join(file), bytes).unwrap();
    let manifest = std::fs::read_to_string(folder.join("pack.toml")).unwrap();
    let (before, after) = manifest.split_once(&format!("\"{file}\"\nsha256 = \"")).unwrap();
    let digest = RecipeDigest(Sha256::digest(bytes).into());
    std::fs::write(folder.join("pack.toml"), format!("{before}\"{file}\"\nsha256 = \"{digest}{}", &after[64..]))
        .unwrap();
}

#[test]
fn a_network_that_is_none_or_a_part_of_one_is_told_before_the_quality_model_of_another_recipe() {
    let Some(_) = pack("faceplugin") else { return };
    let folder = folder(|text| replaced(text, "[detector]", "quality = \"quality.toml\"\n[detector]"));
    add_weights(folder.path());
    std::fs::copy(pack_folder("faceplugin").join("quality.toml"), folder.path().join("quality.toml")).unwrap();
    assert!(Pack::load(folder.path()).is_ok());
    let whole = std::fs::read(folder.path().join("fr_feature.onnx")).unwrap();
    for part in [&whole[..whole.len() / 2], &whole[..whole.len() - 1], b"not a network"] {
        forge(folder.path(), "fr_feature.onnx", part);
        let said = error(folder.path());
        assert!(matches!(said, PackError::Network { role: Role::Embedder, .. }), "{said}");
        assert!(said.to_string().contains("fr_feature.onnx"), "{said}");
    }
}

#[test]
fn a_forged_projection_is_refused_and_told_before_the_quality_model() {
    let Some(folder) = fused(|text| replaced(text, "[detector]", "quality = \"quality.toml\"\n\n[detector]")) else {
        return;
    };
    assert!(Pack::load(folder.path()).is_ok());
    let right = std::fs::read(folder.path().join("projection.npy")).unwrap();
    let header = right.len() - 288 * 641 * 4;
    let set = |bytes: &mut [u8], row: usize, column: usize, value: f32| {
        let at = header + (row * 641 + column) * 4;
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    };
    type Change<'a> = &'a dyn Fn(&mut Vec<u8>);
    let changes: [(Change<'_>, &str); 5] = [
        (&|bytes| set(bytes, 7, 640, 3e38), "last column"),
        (&|bytes| set(bytes, 7, 3, 3e38), "row 8 is"),
        (&|bytes| (0..640).for_each(|column| set(bytes, 287, column, 0.0)), "row 288 is"),
        (&|bytes| bytes.copy_within(header..header + 641 * 4, header + 641 * 4), "rows 1 and 2"),
        (&|bytes| bytes.extend([7; 32]), "32 bytes follow"),
    ];
    for (change, why) in changes {
        let mut bytes = right.clone();
        change(&mut bytes);
        forge(folder.path(), "projection.npy", &bytes);
        let said = error(folder.path());
        assert!(matches!(said, PackError::Projection { .. }) && said.to_string().contains(why), "{said}");
    }
}
