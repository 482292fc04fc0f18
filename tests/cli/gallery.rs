//! Enrol, identify, remove on one data folder.

use std::fs;

use crate::need_assets;
use crate::support::{SmallDisk, photo, run, text};

#[test]
fn an_enrolled_person_is_found_and_a_removed_one_is_not() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let data = text(&folder.path().join("people"));
    let [obama, obama2, obama3, biden] =
        ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg"].map(|name| text(&photo(name)));

    let enrolled =
        run(["enroll", "person-1", &obama, "--data", &data, "--create", "--json", "--scheme", "social"]).ended(0);
    let answer = enrolled.json();
    assert_eq!((&answer["enrolled"], &answer["templates"]), (&1.into(), &1.into()));
    assert_eq!(answer["failed"].as_array().unwrap().len(), 0);
    run(["enroll", "person-2", &biden, "--data", &data, "--create"]).ended(0);
    run(["enroll", "person-1", &obama2, "--data", &data, "--create"]).refused(&["already enrolled"]);
    let added = run(["enroll", "person-1", &obama2, "--data", &data, "--create", "--add", "--json"]).ended(0);
    assert_eq!(added.json()["templates"], 2);

    let found = run(["identify", &obama3, "--data", &data, "--json"]).ended(0).json();
    assert_eq!(found["candidates"].as_array().unwrap().len(), 1);
    let candidate = &found["candidates"][0];
    assert_eq!(candidate["subject_id"], "person-1");
    assert!(candidate["score"].as_f64().unwrap() >= found["threshold"].as_f64().unwrap());
    assert!(candidate["fmr"].as_f64().unwrap() < 0.01);
    assert_eq!(found["templates"], 3);
    assert!(found["expected_chance_hits"].as_f64().unwrap() <= 0.011);
    assert_eq!(found["probe"]["format"], "jpeg");

    let nearest = run(["identify", &obama3, "--data", &data, "--nearest", "5", "--json"]).ended(0).json();
    let ids: Vec<_> = nearest["candidates"].as_array().unwrap().iter().map(|c| c["subject_id"].clone()).collect();
    assert_eq!(ids, ["person-1", "person-2"]);
    assert!(nearest["threshold"].is_null());
    let as_text = |filter: &[&str], code| {
        let whom = ["identify", &obama3, "--data", &data, "--nearest", "5"];
        run(whom.iter().chain(filter).copied()).ended(code).stdout
    };
    let said = as_text(&[], 0);
    assert!(said.contains("the last one's score") && !said.contains("missed"), "no score left anybody out: {said}");
    assert_eq!(as_text(&["--province", "79"], 1).lines().next(), Some("NOBODY: there is no template to compare with"));

    let filtered = |filter: &[&str]| {
        let whom = ["identify", &obama3, "--data", &data, "--nearest", "5", "--json"];
        let found = run(whom.iter().chain(filter).copied()).json();
        let ids = found["candidates"].as_array().unwrap().iter().map(|c| c["subject_id"].as_str().unwrap().to_owned());
        (ids.collect::<Vec<_>>(), found["templates"].as_u64().unwrap())
    };
    assert_eq!(filtered(&["--scheme", "social"]), (vec!["person-1".to_owned()], 2));
    assert_eq!(filtered(&["--exclude", "person-1"]), (vec!["person-2".to_owned()], 1));
    assert_eq!(filtered(&["--claimed", "person-2"]), (vec!["person-1".to_owned()], 2));
    assert_eq!(filtered(&["--province", "79"]), (vec![], 0));
    run(["identify", &obama3, "--data", &data, "--scheme", ""]).refused(&["--scheme"]);

    assert_eq!(run(["remove", "person-1", "--data", &data, "--json"]).ended(0).json()["removed"], true);
    assert_eq!(run(["remove", "person-1", "--data", &data, "--json"]).ended(1).json()["removed"], false);
    let gone = run(["identify", &obama3, "--data", &data, "--json"]).ended(1).json();
    assert_eq!(gone["candidates"].as_array().unwrap().len(), 0);
    run(["enroll", "person-1", &obama, "--data", &data, "--create"]).ended(0);
}

#[test]
fn replacing_leaves_only_the_new_photos() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let data = text(folder.path());
    let [obama, obama2, biden] = ["obama.jpg", "obama2.jpg", "biden.jpg"].map(|name| text(&photo(name)));
    run(["enroll", "p", &obama, &obama2, "--data", &data, "--create"]).ended(0);
    let replaced = run(["enroll", "p", &biden, "--data", &data, "--create", "--replace", "--json"]).ended(0);
    assert_eq!(replaced.json()["templates"], 1);
    run(["identify", &obama2, "--data", &data]).ended(1);
    run(["identify", &biden, "--data", &data]).ended(0);
}

#[test]
fn a_folder_that_is_not_there_is_a_mistake_to_search_and_to_take_from() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("no-people");
    let photo = tempfile::NamedTempFile::new().unwrap();
    run(["identify", &text(photo.path()), "--data", &text(&data)]).refused(&["no gallery at", "--data"]);
    run(["remove", "p", "--data", &text(&data)]).refused(&["no gallery at"]);
    assert!(!data.exists(), "looking must not make a folder");
}

#[test]
fn a_data_folder_of_a_newer_version_or_that_is_damaged_is_refused_and_kept() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let data = text(folder.path());
    let obama = text(&photo("obama.jpg"));
    run(["enroll", "p", &obama, "--data", &data, "--create"]).ended(0);
    let version = folder.path().join("VERSION");
    let known = fs::read(&version).unwrap();
    fs::write(&version, "4000000000\n").unwrap();
    run(["identify", &obama, "--data", &data, "--json"]).refused(&["version", "newer program"]);
    run(["enroll", "q", &obama, "--data", &data, "--create"]).refused(&["version"]);
    fs::write(&version, known).unwrap();
    run(["identify", &obama, "--data", &data]).ended(0);
}

#[test]
fn a_full_disk_refuses_the_write_and_keeps_what_was_acknowledged() {
    need_assets!();
    let Some(disk) = SmallDisk::mount(module_path!(), 24 << 20) else { return };
    let data = text(&disk.path().join("people"));
    let [obama, obama2, biden] = ["obama.jpg", "obama2.jpg", "biden.jpg"].map(|name| text(&photo(name)));
    run(["enroll", "p", &obama, "--data", &data, "--create"]).ended(0);

    let filler = disk.path().join("filler");
    fill(&filler);
    // The store may have room inside its file for a while; then it must say so.
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(&biden).unwrap();
    let photos: Vec<_> =
        (0..4000).map(|i| (format!("q{i}"), text(&crate::bulk::variant(folder.path(), &bytes, i % 4)))).collect();
    let list = crate::support::manifest(folder.path(), photos.iter().map(|(s, p)| (s.as_str(), p.clone())));
    let full = run(["enroll", "--manifest", &text(&list), "--data", &data, "--create", "--json"]);
    full.refused(&["disk is full", "run the same command again"]);

    fs::remove_file(&filler).unwrap();
    let found = run(["identify", &obama2, "--data", &data, "--json"]).ended(0).json();
    assert_eq!(found["candidates"][0]["subject_id"], "p");
}

/// Fills the disk to its last block.
pub fn fill(path: &std::path::Path) {
    use std::io::Write;
    let mut file = fs::File::create(path).unwrap();
    for block in [1 << 20, 4096, 1] {
        let bytes = vec![0u8; block];
        while file.write_all(&bytes).is_ok() {}
    }
}

/// At a path that is mistyped, or where the disk is not mounted, everybody would look new.
#[test]
fn a_gallery_is_made_where_that_was_asked_for_and_nowhere_else() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let (obama, data) = (text(&photo("obama.jpg")), text(&folder.path().join("people")));
    let commands: [&[&str]; 5] = [
        &["enroll", "p", &obama, "--data", &data],
        &["identify", &obama, "--data", &data],
        &["remove", "p", "--data", &data],
        &["serve", "--listen", "127.0.0.1:0", "--log", "off", "--data", &data],
        &["gallery", "show", &data],
    ];
    for command in commands {
        run(command).refused(&["no gallery", &data, "gallery init"]);
        assert!(!folder.path().join("people").exists(), "{command:?} made something");
    }
    let made = run(["gallery", "init", &data, "--json"]).ended(0).json();
    assert_eq!((made["subjects"].as_u64(), made["gallery"].as_str().unwrap().len()), (Some(0), 32));
    run(["gallery", "init", &data]).refused(&["there is a gallery", &data]);
    run(["enroll", "p", &obama, "--data", &data]).ended(0);
    let shown = run(["gallery", "show", &data, "--json"]).ended(0).json();
    assert_eq!(run(["gallery", "show", "--data", &data, "--json"]).ended(0).json(), shown, "as other commands take it");
    run(["gallery", "init", "--data", &data]).refused(&["there is a gallery", &data]);
    run(["gallery", "show", &data, "--data", &data]).refused(&["cannot be used with"]);
    run(["gallery", "show"]).refused(&["no gallery named", "--data DIR"]);
    assert_eq!((shown["subjects"].as_u64(), &shown["gallery"]), (Some(1), &made["gallery"]));

    // A folder with something else in it is a mistake, too, and stays as it is.
    let other = folder.path().join("documents");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("letter.txt"), "dear").unwrap();
    for command in [&["gallery", "init"][..], &["enroll", "p", &obama, "--create", "--data"]] {
        run(command.iter().copied().chain([text(&other).as_str()])).refused(&["other files"]);
        assert_eq!(std::fs::read_dir(&other).unwrap().count(), 1);
    }
    // A fresh file system is empty.
    let mounted = folder.path().join("mounted");
    std::fs::create_dir_all(mounted.join("lost+found")).unwrap();
    run(["gallery", "init", &text(&mounted)]).ended(0);
}

/// Two folders may change places; the configuration says which gallery it means.
#[test]
fn a_pinned_id_lets_no_other_gallery_in() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = ["here", "there"].map(|name| text(&folder.path().join(name)));
    let id =
        |path: &str| run(["gallery", "init", path, "--json"]).ended(0).json()["gallery"].as_str().unwrap().to_owned();
    let (mine, other) = (id(&here), id(&there));
    assert_ne!(mine, other);
    let config = folder.path().join("chinhchu.toml");
    std::fs::write(&config, format!("[gallery]\nid = \"{mine}\"\n")).unwrap();
    let with = |args: &[&str]| run(["--config", &text(&config)].into_iter().chain(args.iter().copied()));
    with(&["gallery", "show", &here]).ended(0);
    let obama = text(&photo("obama.jpg"));
    with(&["enroll", "p", &obama, "--data", &here]).ended(0);
    for command in [&["gallery", "show", &there][..], &["enroll", "p", &obama, "--data", &there]] {
        with(command).refused(&["there", &mine, &other]);
    }
    // Nor is one made that would have another id.
    let new = text(&folder.path().join("new"));
    with(&["enroll", "p", &obama, "--create", "--data", &new]).refused(&["no gallery", &new]);
    std::fs::write(&config, "[gallery]\nid = \"people\"\n").unwrap();
    with(&["gallery", "show", &here]).refused(&["gallery.id", "32 hexadecimal digits"]);
}

/// A gallery of the old pack goes on while the new one takes over: nobody is enrolled again at
/// once, nobody is missed meanwhile.
#[test]
fn a_second_pack_enrols_and_finds_beside_the_first() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let data = text(&folder.path().join("people"));
    let [obama, obama2, biden] = ["obama.jpg", "obama2.jpg", "biden.jpg"].map(|name| text(&photo(name)));
    let old = "models/faceplugin";
    run(["--pack", old, "enroll", "person-1", &obama, "--data", &data, "--create"]).ended(0);
    run(["identify", &obama2, "--data", &data]).refused(&["--second-pack models/faceplugin"]);
    let both = |args: &[&str]| run([&["--second-pack", old], args].concat());

    let found = both(&["identify", &obama2, "--data", &data, "--json"]).ended(0).json();
    let candidate = &found["candidates"][0];
    assert_eq!(candidate["subject_id"], "person-1");
    assert!(candidate["recipe"].is_string() && candidate["recipe"] != found["recipe"], "on a scale of its own");
    let enrolled = both(&["enroll", "person-2", &biden, "--data", &data, "--json"]).ended(0).json();
    assert_eq!(enrolled["templates"], 2, "one by each pack");
    let found = both(&["identify", &biden, "--data", &data, "--json"]).ended(0).json();
    assert_eq!(found["candidates"].as_array().unwrap().len(), 1, "each subject once");
    assert!(found["candidates"][0].get("recipe").is_none());

    let shown = both(&["gallery", "show", "--data", &data, "--json"]).ended(0).json();
    let shares = shown["by_pack"].as_array().unwrap();
    let shares: Vec<u64> = shares.iter().map(|share| share["templates"].as_u64().unwrap()).collect();
    assert_eq!((shares, &shown["templates"]), (vec![1, 2], &3.into()));
    let said = both(&["gallery", "show", "--data", &data]).ended(0).stdout;
    assert!(said.contains("1 templates of the model pack") && said.contains("2 templates of the model pack"), "{said}");

    // Neither alone: whom it cannot compare, it would not find.
    run(["identify", &biden, "--data", &data]).refused(&["--second-pack models/faceplugin"]);
    run(["config", "check", "--data", &data]).refused(&["--second-pack models/faceplugin"]);
    assert_eq!(both(&["config", "check", "--data", &data, "--json"]).json()["starts"], true);
    run(["--second-pack", "models/default", "identify", &biden, "--data", &data]).refused(&["same templates"]);
    // An audit is by one pack's scores, and says who has none of its templates.
    let out = text(&folder.path().join("audit"));
    let audited = both(&["audit", "--data", &data, "--out", &out, "--score", "0.9", "--json"]).ended(0).json();
    assert_eq!(audited["compared"]["templates"], 1, "{audited}");
    assert!(audited["compared"]["left_out"][0]["code"] == "OTHER_RECIPE", "{audited}");
}
