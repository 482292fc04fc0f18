//! A clear gallery with a log is sealed, used, checked, forgets a person and gets another master key, all
//! of it on the command line.

use std::fs;

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

    let erase = ["subject", "erase", "record-one", "--by", "o-1", "--reason", "asked for", "--requester", "person"];
    with(&first, &erase).ended(0);
    with(&first, &["identify", &obama2]).ended(1);
    with(&first, &["ledger", "verify"]).ended(0);
    let files = fs::read_dir(at("people")).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap_or_default());
    let holds = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    assert!(files.into_iter().all(|bytes| !holds(&bytes, "record-one") && !holds(&bytes, "record-two")));

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
