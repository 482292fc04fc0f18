//! What a data folder may hold when it is opened.

use std::fs;
use std::path::Path;

use chinhchu::gallery::{Fault, GalleryError};
use proptest::prelude::*;

use crate::disk::Disk;
use crate::model::{Model, Step, holds, write};
use crate::support::*;

fn filled() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    block_on(create(&open(dir.path()).unwrap(), "a", &[1, 2])).unwrap();
    dir
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| name != "LOCK")
        .collect();
    files.sort();
    files
}

#[test]
fn a_new_folder_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("a/b");
    drop(open(&dir).unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    let names: Vec<String> = files(&dir).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["VERSION", "chinhchu.redb"]);
    for name in ["VERSION", "chinhchu.redb", "LOCK"] {
        assert_eq!(mode(&dir.join(name)), 0o600, "{name}");
    }
    // One that was made for it by hand, too; what is done to it later is the operator's.
    let empty = outer.path().join("empty");
    fs::create_dir(&empty).unwrap();
    fs::set_permissions(&empty, fs::Permissions::from_mode(0o755)).unwrap();
    drop(open(&empty).unwrap());
    assert_eq!(mode(&empty), 0o700);
    fs::set_permissions(&empty, fs::Permissions::from_mode(0o750)).unwrap();
    drop(open(&empty).unwrap());
    assert_eq!(mode(&empty), 0o750);
}

#[test]
fn a_folder_in_use_is_refused_until_it_is_free() {
    let dir = filled();
    let first = open(dir.path()).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(&error, GalleryError::InUse(path) if path == dir.path()));
    assert_eq!(error.fault(), Fault::Service);
    block_on(create(&first, "b", &[1])).unwrap();
    drop(first);
    open(dir.path()).unwrap();
}

#[test]
fn a_folder_of_a_newer_version_is_refused_and_left_alone() {
    let dir = filled();
    fs::write(dir.path().join("VERSION"), "3\n").unwrap();
    let before = files(dir.path());
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, GalleryError::NewerVersion { found: 3, known: 2, .. }));
    assert!(error.to_string().contains("newer program"));
    assert_eq!(files(dir.path()), before);
}

#[test]
fn a_version_that_is_no_number_is_damage() {
    for text in ["", "one", "-1", "0", "99999999999"] {
        let dir = filled();
        fs::write(dir.path().join("VERSION"), text).unwrap();
        assert!(matches!(open(dir.path()).unwrap_err(), GalleryError::Damaged { .. }), "{text:?}");
    }
}

#[test]
fn garbage_in_place_of_the_database_is_damage_and_left_alone() {
    let garbage: [(&str, Vec<u8>); 4] = [
        ("empty", Vec::new()),
        ("text", b"subject,photo\n".repeat(1000)),
        ("zeros", vec![0; 1 << 20]),
        ("another database", [b"SQLite format 3\0".as_slice(), &[7; 1 << 16]].concat()),
    ];
    for (name, bytes) in garbage {
        let dir = filled();
        fs::write(dir.path().join("chinhchu.redb"), &bytes).unwrap();
        let error = open(dir.path()).unwrap_err();
        assert!(matches!(error, GalleryError::Damaged { .. }), "{name}: {error:?}");
        assert_eq!(error.fault(), Fault::Data);
        assert!(fs::read(dir.path().join("chinhchu.redb")).unwrap() == bytes, "{name} was changed");
    }
}

#[test]
fn a_database_cut_short_is_damage() {
    let dir = filled();
    let path = dir.path().join("chinhchu.redb");
    let bytes = fs::read(&path).unwrap();
    for len in [1, 100, 4096, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..len]).unwrap();
        let error = open(dir.path()).unwrap_err();
        assert!(matches!(error, GalleryError::Damaged { .. }), "{len}: {error:?}");
    }
}

#[test]
fn a_lost_database_is_never_quietly_begun_anew() {
    let dir = filled();
    fs::remove_file(dir.path().join("chinhchu.redb")).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(&error, GalleryError::Damaged { detail, .. } if detail.contains("missing")));
}

#[test]
fn a_folder_whose_making_was_interrupted_is_completed() {
    // Power went before the new database had its name, or before VERSION was written.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("chinhchu.redb.new"), b"half").unwrap();
    drop(open(dir.path()).unwrap());
    let dir = filled();
    fs::remove_file(dir.path().join("VERSION")).unwrap();
    let gallery = open(dir.path()).unwrap();
    assert_eq!(gallery.stats().templates, 2);
    assert_eq!(fs::read_to_string(dir.path().join("VERSION")).unwrap(), "2\n");
}

#[test]
fn a_file_in_place_of_the_folder_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "x").unwrap();
    assert!(matches!(open(&path).unwrap_err(), GalleryError::Storage(_)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn altered_bytes_are_damage_or_change_nothing(flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..=255), 1..4)) {
        use chinhchu::gallery::EnrolMode::Create;
        static DISK: std::sync::LazyLock<(Vec<u8>, Model)> = std::sync::LazyLock::new(|| {
            let disk = Disk::default();
            let gallery = disk.open().unwrap();
            let mut model = Model::default();
            for i in 0..8 {
                let step = Step::Enrol(i, Create, vec![u64::from(i); 9]);
                model.apply(&step);
                block_on(write(&gallery, &step, u64::from(i))).unwrap();
            }
            drop(gallery);
            (disk.bytes(), model)
        });
        let (bytes, model) = &*DISK;
        let mut bytes = bytes.clone();
        // Most of the file is empty; aim at what is not.
        let used: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] != 0).collect();
        for (at, flip) in flips {
            bytes[used[at.index(used.len())]] ^= flip;
        }
        match Disk::holding(bytes).open() {
            Ok(gallery) => prop_assert_eq!(block_on(holds(&gallery, model)), Ok(())),
            Err(GalleryError::Damaged { .. } | GalleryError::NewerVersion { .. }) => {}
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}
