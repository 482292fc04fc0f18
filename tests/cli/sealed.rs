//! A clear gallery with a log is sealed, used, checked, forgets a person and gets another master key, all
//! of it on the command line; and a sealed one keeps pictures of cases that wait.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::counter::{configure, day_at_the_counter};
use crate::need_assets;
use crate::support::{Serving, photo, run, text};

#[test]
fn a_gallery_is_sealed_used_checked_and_its_master_key_is_changed() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    run(["keys", "new-master", &text(&at("master/m1.key"))]).refused(&["cannot write"]);
    fs::create_dir(at("master")).unwrap();
    fs::create_dir(at("copy")).unwrap();
    for key in ["master/m1.key", "master/m2.key"] {
        run(["keys", "new-master", &text(&at(key))]).ended(0);
    }
    let config = |name: &str, keys: &str| {
        let sealing = if keys.is_empty() {
            String::new()
        } else {
            format!("[sealing]\n{keys}\nkey_store = \"subjects/keys\"\nkey_store_copy = \"copy/keys\"\n")
        };
        let ledger = "[ledger]\norigin = \"sealed.test/log\"\n";
        fs::write(at(name), format!("{sealing}{ledger}")).unwrap();
        text(&at(name))
    };
    let clear = config("clear.toml", "");
    let first = config("first.toml", "key = { file = \"master/m1.key\" }");
    let both = config("both.toml", "key = { file = \"master/m2.key\" }\nprevious_key = { file = \"master/m1.key\" }");
    let second = config("second.toml", "key = { file = \"master/m2.key\" }");
    let data = text(&at("people"));
    let with = |config: &str, words: &[&str]| {
        let more = ["--config", config, "--data", &data];
        run(words.iter().copied().chain(more).map(str::to_owned).collect::<Vec<_>>())
    };
    let [obama, obama2, biden] = ["obama.jpg", "obama2.jpg", "biden.jpg"].map(|name| text(&photo(name)));
    with(&clear, &["enroll", "record-one", &obama, "--create"]).ended(0);
    with(&clear, &["enroll", "record-two", &biden]).ended(0);
    // Neither is taken for the other.
    with(&first, &["subject", "list"]).refused(&["not sealed", "keys seal"]);
    assert_eq!(with(&first, &["keys", "seal", "--json"]).ended(0).json()["sealed"], true);
    assert_eq!(with(&first, &["keys", "seal", "--json"]).ended(0).json()["sealed"], false);
    with(&clear, &["subject", "list"]).refused(&["is sealed", "[sealing]"]);

    assert_eq!(
        with(&first, &["identify", &obama2, "--json"]).ended(0).json()["candidates"][0]["subject_id"],
        "record-one"
    );
    with(&first, &["ledger", "verify"]).ended(0);
    with(&clear, &["ledger", "verify"]).refused(&["is sealed"]);
    let report = with(&first, &["subject", "report", "record-two"]).ended(0).stdout;
    assert!(report.contains("record-two") && report.contains("face templates"), "{report}");

    let open = ["subject", "request", "open", "079088000017", "--kind", "access", "--requester", "person"];
    let by = ["--by", "o-1", "--reason", "asked for"];
    with(&first, &[open.as_slice(), by.as_slice()].concat()).refused(&["number"]);

    let key_files = || ["subjects/keys", "copy/keys"].map(|name| (at(name), fs::read(at(name)).unwrap()));
    let before = key_files();
    let erase = ["subject", "erase", "record-one", "--by", "o-1", "--reason", "asked for", "--requester", "person"];
    with(&first, &erase).ended(0);
    with(&first, &["identify", &obama2]).ended(1);
    with(&first, &["ledger", "verify"]).ended(0);
    let files = fs::read_dir(at("people")).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap_or_default());
    let holds = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    assert!(files.into_iter().all(|bytes| !holds(&bytes, "record-one") && !holds(&bytes, "record-two")));

    // Keys from before the erasure are told by what looks, and destroyed by what opens.
    let present = key_files();
    let put =
        |files: &[(std::path::PathBuf, Vec<u8>)]| files.iter().for_each(|(to, keys)| fs::write(to, keys).unwrap());
    put(&before);
    let status = with(&first, &["keys", "status", "--json"]).ended(1).json();
    assert_eq!(status["gallery"]["to_destroy"], 1, "{status}");
    assert!(with(&first, &["keys", "status"]).ended(1).stdout.contains("1 keys that were given up"));
    put(&present);
    let status = with(&first, &["keys", "status", "--json"]).ended(0).json();
    assert_eq!((&status["gallery"]["to_destroy"], &status["copy_state"]), (&json!(0), &json!("alike")));

    // Another master key: not without the one until now.
    with(&second, &["subject", "list"]).refused(&["master key"]);
    with(&second, &["config", "check"]).refused(&["sealing.key", "is sealed under the master key"]);
    run(["keys", "rotate", "--config", &first]).refused(&["previous_key"]);
    assert_eq!(run(["keys", "status", "--config", &both, "--json"]).ended(0).json()["rotation_due"], true);
    run(["keys", "rotate", "--config", &both]).ended(0);
    assert_eq!(run(["keys", "status", "--config", &second, "--json"]).ended(0).json()["rotation_due"], false);
    assert!(with(&second, &["subject", "list"]).ended(0).stdout.contains("record-two"));
    with(&first, &["subject", "list"]).refused(&["master key"]);
    let told = run(["keys", "status", "--config", &second]).ended(0).stdout;
    assert!(told.contains("no gallery is named"), "{told}");
    let status = run(["keys", "status", "--config", &second, "--json"]).ended(0).json();
    assert_eq!((status["destroyed"].as_u64() > Some(0), status["unreadable"].as_u64()), (true, Some(0)));
    assert_eq!(fs::read(at("subjects/keys")).unwrap()[4096..], fs::read(at("copy/keys")).unwrap()[4096..]);
}

#[test]
fn the_pictures_of_a_case_that_waits_are_written_for_an_officer_until_it_is_answered() {
    need_assets!();
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let config = configure(scratch.path());
    for folder in ["master", "keys"] {
        fs::create_dir(at(folder)).unwrap();
    }
    run(["keys", "new-master", &text(&at("master/key"))]).ended(0);
    let sealing = "[sealing]\nkey = { file = \"master/key\" }\nkey_store = \"keys/subjects\"\n";
    fs::write(&config, fs::read_to_string(&config).unwrap() + sealing).unwrap();
    let data = at("people");
    day_at_the_counter(&data, &config);
    let place = ["--config", &config, "--data", &text(&data)].map(str::to_owned);
    let here = |words: &[&str]| run(words.iter().map(|word| (*word).to_owned()).chain(place.clone()));
    let out = text(&at("out"));
    let pictures = |transaction: &str, more: &[&str]| {
        here(&[&["case", "pictures", transaction, "--out", &out, "--json"], more].concat())
    };

    let found = pictures("t-2", &[]).ended(0).json();
    assert_eq!((&found["attempt"], &found["none_reason"], &found["left_out"]), (&json!(1), &json!(null), &json!(0)));
    assert!(found["kept_until"].as_str().unwrap().ends_with('Z'));
    let kinds: Vec<_> = found["pictures"].as_array().unwrap().iter().map(|one| (&one["kind"], &one["frame"])).collect();
    assert_eq!(kinds, [(&json!("capture"), &json!(0)), (&json!("chip_photo"), &json!(null))]);
    for picture in found["pictures"].as_array().unwrap() {
        let path = Path::new(picture["path"].as_str().unwrap());
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read(path).unwrap().starts_with(b"\xff\xd8\xff"));
    }
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o700);
    let first = pictures("t-3", &["--attempt", "1"]).ended(0).json();
    assert_eq!(first["attempt"], 1);
    assert!(here(&["case", "pictures", "t-3", "--out", &out]).ended(0).stdout.contains("t-3, attempt 2: 2 pictures"));
    // An approval has none, and what there is not has none.
    let never = pictures("t-1", &[]).ended(1).json();
    assert_eq!((&never["none_reason"], &never["pictures"]), (&json!("never_kept"), &json!([])));
    assert_eq!(pictures("t-9", &[]).ended(1).json(), json!({ "found": false }));
    let report = here(&["subject", "report", "record-1", "--json"]).ended(0).json();
    assert_eq!(report["pictures"], 6, "two of each attempt that did not approve");

    let answer = ["case", "resolve", "t-2", "--outcome", "deny", "--officer", "O-12", "--reason", "seen"];
    here(&answer).ended(0);
    assert_eq!(pictures("t-2", &[]).ended(1).json()["none_reason"], "no_longer_kept");
    // A server gives the same.
    let server = Serving::start_with(&data, &["--config", &config]);
    let there = text(&at("there"));
    let served = run(["case", "pictures", "t-4", "--out", &there, "--json", "--server", &server.url]).ended(0).json();
    assert_eq!(served["pictures"].as_array().unwrap().len(), 2);
    run(["case", "pictures", "t-2", "--out", &there, "--server", &server.url]).ended(1);
    assert_eq!(server.terminate(), Some(0));
    // The operator keeps none any more: what there is goes with the next run, named in [retention] or not.
    let none = at("none.toml");
    fs::write(&none, fs::read_to_string(&config).unwrap() + "[cases]\npicture_days = 0\n").unwrap();
    let retain = ["gallery", "retain", "--json", "--config", &text(&none), "--data", &text(&data)].map(str::to_owned);
    assert_eq!(run(retain.clone()).ended(0).json()["pictures"], 3);
    assert_eq!(run(retain).ended(0).json()["pictures"], 0);
    assert_eq!(pictures("t-4", &[]).ended(1).json()["none_reason"], "no_longer_kept");
    let checked = run(["config", "check", "--config", &text(&none), "--json"]);
    assert_eq!(checked.json()["picture_days"], 0);
    assert_eq!(run(["config", "check", "--config", &config, "--json"]).json()["picture_days"], 30);
}

/// Nothing of a gallery is sealed under a key that is not its own: not even by who reads it from its server, and
/// needs no key for that.
#[test]
fn an_audit_of_a_served_gallery_takes_no_other_master_key_than_the_gallerys() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for key in ["m1.key", "m2.key"] {
        run(["keys", "new-master", &text(&at(key))]).ended(0);
    }
    let config = |name: &str, key: &str, store: &str| {
        fs::write(at(name), format!("[sealing]\nkey = {{ file = \"{key}\" }}\nkey_store = \"{store}\"\n")).unwrap();
        text(&at(name))
    };
    let right = config("right.toml", "m1.key", "subjects/keys");
    let data = text(&at("people"));
    for (id, name) in [("a", "obama.jpg"), ("b", "obama2.jpg")] {
        run(["enroll", id, &text(&photo(name)), "--create", "--config", &right, "--data", &data]).ended(0);
    }
    let server = Serving::start_with(&at("people"), &["--config", &right]);
    let out = text(&at("out"));
    let audit = |config: &str| run(["audit", "--data", &data, "--fmr", "1e-3", "--out", &out, "--config", config]);
    let wrong = config("wrong.toml", "m2.key", "subjects/keys");
    audit(&wrong).refused(&["sealing.key", "is sealed under the master key"]);
    // Nor where the key store is another one as well.
    let wrong = config("elsewhere.toml", "m2.key", "other/keys");
    audit(&wrong).refused_last(&["sealing.key", "is sealed under the master key"]);
    assert!(!at("out/checkpoint").exists());
    audit(&right).ended(1);
    assert_eq!(server.terminate(), Some(0));
}
