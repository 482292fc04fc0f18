//! A gallery is backed up beside its running server, and restored: on the command line.

use std::fs;
use std::path::Path;

use crate::need_assets;
use crate::seal_serving::made_keys;
use crate::support::{Ran, Serving, SmallDisk, photo, root, run, text};

fn with(config: &str, words: &[&str]) -> Ran {
    run(words.iter().copied().chain(["--config", config]).map(str::to_owned).collect::<Vec<_>>())
}

/// The answer of a search, without what is of its moment.
fn found(config: &str, probe: &str, data: &Path) -> serde_json::Value {
    with(config, &["identify", probe, "--data", &text(data), "--json"]).ended(0).json()["candidates"].clone()
}

#[test]
fn a_sealed_gallery_is_backed_up_while_it_is_served_and_whoever_is_erased_since_stays_erased() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let config = made_keys(folder.path(), "");
    let (data, backups) = (text(&at("people")), text(&at("backups")));
    let [obama, obama2, biden] = ["obama.jpg", "obama2.jpg", "biden.jpg"].map(|name| text(&photo(name)));
    with(&config, &["enroll", "record-one", &obama, "--data", &data, "--create"]).ended(0);
    with(&config, &["enroll", "record-two", &biden, "--data", &data]).ended(0);
    let before = found(&config, &obama2, &at("people"));

    let serving = Serving::start_with(&at("people"), &["--config", &config]);
    let take = ["backup", "--to", &backups, "--data", &data, "--json"];
    let first = with(&config, &take).ended(0).json();
    assert_eq!((&first["served"], &first["sealed"], &first["subjects"]), (&true.into(), &true.into(), &2.into()));
    assert_eq!(first["chunks"], first["chunks_written"]);
    run(["enroll", "record-three", &text(&photo("obama3.jpg")), "--server", &serving.url]).ended(0);
    let second = with(&config, &take).ended(0).json();
    assert_eq!(second["subjects"], 3);
    // Then nothing but the log, which says that backups were taken.
    let third = with(&config, &take).ended(0).json();
    assert!(third["chunks_written"].as_u64() < third["chunks"].as_u64(), "{third}");
    assert_eq!(serving.terminate(), Some(0));

    let from = ["--from", &backups];
    let listed = with(&config, &[&["backup", "list", "--json"], &from[..]].concat()).ended(0).json();
    assert_eq!(listed["backups"].as_array().unwrap().len(), 3);
    let id = first["id"].as_str().unwrap();
    let verified = with(&config, &[&["backup", "verify", id, "--json"], &from[..]].concat()).ended(0).json();
    assert_eq!((&verified["whole"], &verified["rows"]), (&true.into(), &first["rows"]));

    // Erased since: not in what is restored.
    let erase = ["subject", "erase", "record-two", "--by", "o-1", "--reason", "asked for", "--requester", "person"];
    with(&config, &[&erase[..], &["--data", &data]].concat()).ended(0);
    let restored = text(&at("restored"));
    let restore = [&["restore", "--to", &restored, "--backup", id, "--json"], &from[..]].concat();
    let made = with(&config, &restore).ended(0).json();
    assert_eq!((&made["subjects"], &made["left_out"]), (&1.into(), &1.into()), "{made}");
    with(&config, &restore).refused(&["there is a gallery", "empty folder"]);
    assert_eq!(found(&config, &obama2, &at("restored")), before);
    with(&config, &["identify", &biden, "--data", &restored]).ended(1);
    with(&config, &["ledger", "verify", "--data", &restored]).ended(0);
    let entries = with(&config, &["ledger", "show", "--kind", "restored", "--data", &restored, "--json"]).ended(0);
    assert!(entries.stdout.contains(id), "{}", entries.stdout);
    with(&config, &["keys", "status", "--data", &restored]).ended(0);

    // What is damaged is told, and what was asked for in a wrong way.
    let manifest = at("backups").join("backups").join(id);
    let whole = fs::read(&manifest).unwrap();
    fs::write(&manifest, &whole[..whole.len() - 3]).unwrap();
    let told = with(&config, &[&["backup", "verify", id], &from[..]].concat()).ended(1).stdout;
    assert!(told.contains("DAMAGED"), "{told}");
    with(&config, &[&["backup", "list"], &from[..]].concat()).ended(1);
    fs::write(&manifest, &whole).unwrap();
    run([&["backup", "list"], &from[..]].concat()).refused(&["no key", "[backup]"]);
    with(&config, &["backup", "list", "--from", &data]).refused(&["there are no backups"]);
    with(&config, &["backup", "--data", &data, "--to", &text(&at("people/backups"))]).refused(&["gallery's folder"]);
    for inside in [at("restored/again"), at("backups/chunks/again")] {
        let to = text(&inside);
        with(&config, &[&["restore", "--to", &to], &from[..]].concat()).refused(&["name a place outside"]);
        assert!(!inside.exists());
    }
    let to = text(&at("early"));
    let early = [&["restore", "--to", &to, "--at", "2020-01-01"], &from[..]].concat();
    with(&config, &early).refused(&["no backup", "from then or before"]);
    assert!(!at("early").exists());
}

#[test]
fn a_gallery_in_the_clear_needs_a_backup_key_and_older_backups_go() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let data = text(&at("people"));
    let [obama, biden] = ["obama.jpg", "biden.jpg"].map(|name| text(&photo(name)));
    fs::write(at("none.toml"), "").unwrap();
    run(["keys", "new-master", &text(&at("backup.key"))]).ended(0);
    let ledger = "[ledger]\norigin = \"backup.test/log\"\n";
    let backup = "[backup]\nto = \"backups\"\nkey = { file = \"backup.key\" }\nkeep = 2\n";
    fs::write(at("c.toml"), format!("{ledger}{backup}")).unwrap();
    let (config, none) = (text(&at("c.toml")), text(&at("none.toml")));
    with(&config, &["enroll", "record-one", &obama, "--data", &data, "--create"]).ended(0);
    with(&config, &["enroll", "record-two", &biden, "--data", &data]).ended(0);
    with(&none, &["backup", "--data", &data, "--to", &text(&at("backups"))]).refused(&["no key", "[backup]"]);
    let beside = ["backup", "--data", &data, "--to", &text(folder.path())].map(str::to_owned);
    with(&config, &beside.each_ref().map(String::as_str)).refused(&["lies in the folder of the backups"]);
    let take = || with(&config, &["backup", "--data", &data, "--json"]).ended(0).json();
    let first = take();
    let erase = ["subject", "erase", "record-two", "--by", "o-1", "--reason", "asked for", "--requester", "person"];
    with(&config, &[&erase[..], &["--data", &data]].concat()).ended(0);
    let second = take();
    assert_eq!((&first["sealed"], &first["subjects"], &second["subjects"]), (&false.into(), &2.into(), &1.into()));
    assert!(second["pruned"]["backups"].as_array().unwrap().is_empty());
    // By the log of the later backup.
    let id = first["id"].as_str().unwrap();
    let ran = with(&config, &["restore", "--to", &text(&at("restored")), "--backup", id, "--json"]).ended(0);
    assert!(ran.stderr.contains("captures.key"), "{}", ran.stderr);
    let made = ran.json();
    assert_eq!((&made["subjects"], &made["left_out"]), (&1.into(), &1.into()), "{made}");
    let database = fs::read(at("restored/chinhchu.redb")).unwrap();
    assert!(!database.windows(10).any(|window| window == b"record-two"));
    // And who is named.
    fs::write(at("erased.txt"), "record-one\n\n").unwrap();
    let named = ["restore", "--to", &text(&at("named")), "--without", &text(&at("erased.txt")), "--json"];
    assert_eq!(with(&config, &named).ended(0).json()["subjects"], 0);
    // All of one in a file.
    let file = text(&at("people.cbk"));
    let to_file = ["backup", "--data", &data, "--to", &file, "--json"];
    let streamed = with(&config, &to_file).ended(0).json();
    assert_eq!((&streamed["chunks"], &streamed["pruned"]), (&streamed["chunks_written"], &serde_json::Value::Null));
    with(&config, &to_file).refused(&["nothing is written over"]);
    with(&config, &["backup", "--data", &data, "--to", &file, "--keep", "2"]).refused(&["--keep"]);
    assert_eq!(with(&config, &["backup", "verify", "--from", &file, "--json"]).ended(0).json()["id"], streamed["id"]);
    let made = with(&config, &["restore", "--from", &file, "--to", &text(&at("of-a-file")), "--json"]).ended(0).json();
    assert_eq!((&made["subjects"], &made["backup"]), (&1.into(), &streamed["id"]));
    let output = crate::support::chinhchu()
        .args(["backup", "--config", &config, "--data", &data, "--to", "-"])
        .output()
        .unwrap();
    assert!(output.status.success() && output.stdout.starts_with(b"chinhchu.stream\n"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 subjects"));
    let piped = at("piped.cbk");
    fs::write(&piped, &output.stdout).unwrap();
    with(&config, &["backup", "verify", "--from", &text(&piped)]).ended(0);
    for cut in [0, 10, output.stdout.len() / 2, output.stdout.len() - 1] {
        fs::write(&piped, &output.stdout[..cut]).unwrap();
        with(&config, &["restore", "--from", &text(&piped), "--to", &text(&at("cut"))]).refused(&["cut"]);
    }
    let mut altered = output.stdout.clone();
    altered[200] ^= 1;
    fs::write(&piped, altered).unwrap();
    with(&config, &["backup", "verify", "--from", &text(&piped)]).ended(1);
    assert!(!at("cut").exists());
    let third = take();
    assert_eq!(third["pruned"]["backups"][0], first["id"]);
    with(&config, &["backup", "verify"]).ended(0);
    with(&none, &["backup", "prune", "--from", &text(&at("backups"))]).refused(&["no key"]);
    assert_eq!(
        with(&config, &["backup", "prune", "--keep", "1", "--json"]).ended(0).json()["backups"][0],
        second["id"]
    );
    let listed = with(&config, &["backup", "list", "--json"]).ended(0).json();
    assert_eq!(listed["backups"].as_array().unwrap().len(), 1);
}

#[test]
fn nobody_who_was_erased_or_left_out_comes_back_through_a_gallery_that_was_restored_in_between() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let data = text(&at("people"));
    let [obama, obama2, biden] = ["obama.jpg", "obama2.jpg", "biden.jpg"].map(|name| text(&photo(name)));
    run(["keys", "new-master", &text(&at("backup.key"))]).ended(0);
    let ledger = "[ledger]\norigin = \"backup.test/log\"\n";
    let backup = "[backup]\nto = \"backups\"\nkey = { file = \"backup.key\" }\n";
    fs::write(at("c.toml"), format!("{ledger}{backup}")).unwrap();
    let config = text(&at("c.toml"));
    let take = |data: &str| {
        let taken = with(&config, &["backup", "--data", data, "--json"]).ended(0).json();
        taken["id"].as_str().unwrap().to_owned()
    };
    let restore = |to: &str, more: &[&str]| {
        let ran = with(&config, &[&["restore", "--to", &text(&at(to)), "--json"], more].concat()).ended(0);
        (ran.json(), ran.stderr)
    };
    let counts = |made: &serde_json::Value| (made["subjects"].as_u64().unwrap(), made["left_out"].as_u64().unwrap());
    with(&config, &["enroll", "record-one", &obama, "--data", &data, "--create"]).ended(0);
    with(&config, &["enroll", "record-two", &biden, "--data", &data]).ended(0);
    let first = take(&data);
    let erase = ["subject", "erase", "record-two", "--by", "o-1", "--reason", "asked for", "--requester", "person"];
    with(&config, &[&erase[..], &["--data", &data]].concat()).ended(0);
    let erased = take(&data);

    // The log of the restored gallery is that of the first backup: that it lacks somebody is entered in it.
    assert_eq!(counts(&restore("one", &["--backup", &first]).0), (1, 1));
    let one = text(&at("one"));
    take(&one);
    assert_eq!(counts(&restore("two", &["--backup", &first]).0), (1, 1));
    fs::remove_file(at("backups/backups").join(&erased)).unwrap();
    assert_eq!(counts(&restore("three", &["--backup", &first]).0), (1, 1), "the restored gallery's log alone says it");

    // The same for those who were named; a mark that an editor begins a file with, and who is not there, are told apart.
    fs::write(at("named.txt"), "\u{feff}record-one\nRECORD-TWO\n").unwrap();
    let (made, told) = restore("four", &["--backup", &first, "--without", &text(&at("named.txt"))]);
    assert_eq!((counts(&made), &made["not_found"]), ((0, 2), &1.into()));
    assert!(told.contains("--without: 1 of the ids"), "{told}");
    take(&text(&at("four")));
    assert_eq!(counts(&restore("five", &["--backup", &first]).0), (0, 2));

    // Who was enrolled anew is there: the erasure was of what was known before.
    with(&config, &["enroll", "record-two", &biden, "--data", &one]).ended(0);
    let again = take(&one);
    assert_eq!(counts(&restore("six", &["--backup", &again]).0), (2, 0));
    with(&config, &["identify", &obama2, "--data", &text(&at("six"))]).ended(0);
}

#[test]
fn on_a_full_disk_no_backup_is_written_and_earlier_ones_stay() {
    need_assets!();
    let Some(disk) = SmallDisk::mount(module_path!(), 256 << 10) else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (data, backups) = (text(&at("people")), text(&disk.path().join("backups")));
    run(["keys", "new-master", &text(&at("backup.key"))]).ended(0);
    fs::write(at("c.toml"), "[backup]\nkey = { file = \"backup.key\" }\n").unwrap();
    let config = text(&at("c.toml"));
    let take = || with(&config, &["backup", "--data", &data, "--to", &backups, "--json"]);
    with(&config, &["enroll", "record-one", &text(&photo("obama.jpg")), "--data", &data, "--create"]).ended(0);
    let first = take().ended(0).json();
    let mut filler = fs::File::create(disk.path().join("filler")).unwrap();
    while std::io::Write::write_all(&mut filler, &[7; 4096]).is_ok() {}
    with(&config, &["enroll", "record-two", &text(&photo("biden.jpg")), "--data", &data]).ended(0);
    take().refused(&["is full", "earlier ones are as they were"]);
    let listed = with(&config, &["backup", "list", "--from", &backups, "--json"]).ended(0).json();
    assert_eq!(listed["backups"][0]["id"], first["id"]);
    assert_eq!(listed["backups"].as_array().unwrap().len(), 1);
    with(&config, &["backup", "verify", "--from", &backups]).ended(0);
    fs::remove_file(disk.path().join("filler")).unwrap();
    drop(filler);
    assert_eq!(take().ended(0).json()["subjects"], 2);
    let id = first["id"].as_str().unwrap();
    // One in the clear is not restored past a later one that cannot be opened, unless that is meant.
    let listed = with(&config, &["backup", "list", "--from", &backups, "--json"]).ended(0).json();
    let later = disk.path().join("backups/backups").join(listed["backups"][1]["id"].as_str().unwrap());
    fs::write(later, b"cut").unwrap();
    let to = text(&at("restored"));
    let restore = ["restore", "--from", &backups, "--to", &to, "--backup", id];
    with(&config, &restore).refused(&["who was erased", "--without"]);
    fs::write(at("nobody.txt"), "").unwrap();
    with(&config, &[&restore[..], &["--without", &text(&at("nobody.txt"))]].concat()).ended(0);
}

/// As an operator would every night.
#[test]
fn the_drill_restores_the_newest_backup_beside_the_server_and_compares() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let config = made_keys(folder.path(), "");
    // With what answers depend on: rates by another curve are other answers.
    let more = "[backup]\nto = \"backups\"\n[engine]\ncurve = \"pooled\"\ndefault_fpir = 0.5\n";
    fs::write(&config, format!("{}{more}", fs::read_to_string(&config).unwrap())).unwrap();
    let data = text(&at("people"));
    let [obama, obama2, biden] = ["obama.jpg", "obama2.jpg", "biden.jpg"].map(|name| text(&photo(name)));
    with(&config, &["enroll", "record-one", &obama, "--data", &data, "--create"]).ended(0);
    let serving = Serving::start_with(&at("people"), &["--config", &config]);
    with(&config, &["backup", "--data", &data]).ended(0);
    let keys = fs::read(at("subjects/keys")).unwrap();
    let drill = |more: &[&str]| {
        let mut command = std::process::Command::new(root().join("scripts/restore-drill"));
        command.env("CHINHCHU_PROGRAM", env!("CARGO_BIN_EXE_chinhchu")).args([
            "--config",
            &config,
            "--server",
            &serving.url,
        ]);
        let output = command.args(more).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), told)
    };
    let (code, told) = drill(&["--probe", &obama2]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("the same answer"), "{told}");
    assert!(fs::read(at("subjects/keys")).unwrap() == keys, "the server's keys are as they were");
    // Somebody came since: another answer, and the drill says so.
    run(["enroll", "record-two", &biden, "--server", &serving.url]).ended(0);
    let (code, told) = drill(&["--probe", &biden]);
    assert_eq!(code, Some(1), "{told}");
    assert_eq!(serving.terminate(), Some(0));
}
