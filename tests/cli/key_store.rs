//! `chinhchu keys status`, `keys seal`, `keys rotate` and `config check`: what a server would refuse a sealed gallery
//! and its key store for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config_check::gallery;
use crate::master_key::{configured, made};
use crate::support::{Ran, assert_documented, run, text};

const STORES: &str = "key_store = \"keys/subjects\"\nkey_store_copy = \"copies/subjects\"\n";

/// Every file of a folder and of those in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
        }
    }
    found
}

/// A folder with a master key, a gallery in the clear, and the configuration of both.
struct Set {
    folder: tempfile::TempDir,
    config: String,
}

impl Set {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        made(&folder.path().join("master.key"));
        fs::create_dir(folder.path().join("copies")).unwrap();
        gallery(&folder.path().join("people"));
        let config = text(&configured(folder.path(), &format!("key = {{ file = \"master.key\" }}\n{STORES}")));
        Self { folder, config }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, words: &[&str]) -> Ran {
        run([&["--config", &self.config], words].concat())
    }

    fn status(&self) -> Ran {
        self.run(&["keys", "status", "--json"])
    }

    fn check(&self) -> Ran {
        self.run(&["config", "check", "--json"])
    }
}

#[test]
fn status_changes_no_byte_and_tells_a_copy_that_is_gone() {
    let set = Set::new();
    set.run(&["keys", "seal"]).ended(0);
    let before = files(set.folder.path());
    let whole = set.status().ended(0).json();
    assert_documented("sealing.md", &whole);
    assert_eq!((&whole["copy_state"], &whole["gallery"]["state"]), (&"alike".into(), &"sealed".into()));
    assert_eq!(whole["gallery"]["fault"], Value::Null);
    let checked = set.check().ended(0).json();
    assert_eq!(checked["gallery"]["looked"], "whole");
    assert_documented("operating.md", &checked["gallery"]);
    assert!(files(set.folder.path()) == before);

    fs::remove_file(set.at("copies/subjects")).unwrap();
    assert_eq!(set.status().ended(1).json()["copy_state"], "missing");
    assert!(set.run(&["keys", "status"]).ended(1).stdout.contains("copies/subjects  its copy, which is not there"));
    assert!(!set.at("copies/subjects").exists(), "whoever asks makes none");

    // A key that no check asks for: what is sealed is not looked at, and that is said.
    let program = set.at("unseal");
    fs::write(&program, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let config = format!("key = {{ command = [\"{}\"] }}\n{STORES}", text(&program));
    configured(set.folder.path(), &config);
    assert_eq!(set.check().ended(0).json()["gallery"]["looked"], "closed");
}

#[test]
fn what_a_server_refuses_a_check_of_the_configuration_refuses_and_status_tells() {
    let (set, other) = (Set::new(), Set::new());
    // In the clear, and not to be sealed by the server.
    set.check().refused(&["not sealed", "keys seal"]);
    assert_eq!(set.status().ended(1).json()["gallery"]["state"], "clear");
    // Killed in the first moments of sealing.
    let begun = set.at("people/chinhchu.redb.sealed");
    fs::write(&begun, "").unwrap();
    set.run(&["keys", "status"]).ended(1);
    set.run(&["keys", "seal"]).ended(0);
    set.run(&["keys", "seal"]).ended(0);
    set.check().ended(0);

    // The key store of another gallery, sealed under the same master key.
    fs::copy(set.at("master.key"), other.at("master.key")).unwrap();
    other.run(&["keys", "seal"]).ended(0);
    let swap = |from: &Set, to: &Set| {
        for name in ["keys/subjects", "copies/subjects"] {
            fs::copy(from.at(name), to.at(name)).unwrap();
        }
    };
    let kept = files(&set.at("keys"));
    swap(&other, &set);
    let said = "is not the one of this gallery";
    set.check().refused(&[said]);
    let told = set.status().ended(1).json();
    assert!(told["gallery"]["fault"].as_str().unwrap().contains(said), "{told}");
    assert_documented("sealing.md", &told);
    assert!(set.run(&["keys", "status"]).ended(1).stdout.contains(said));
    set.run(&["keys", "seal"]).refused(&[said]);
    // One that is not there, and its copy alone; and both gone.
    for name in ["keys/subjects", "copies/subjects"] {
        fs::remove_file(set.at(name)).unwrap();
        for words in [&["config", "check"][..], &["keys", "status"], &["keys", "seal"]] {
            set.run(words).refused(&["there is no key store"]);
        }
    }
    // The one file under both names.
    for (path, bytes) in kept {
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    fs::hard_link(set.at("keys/subjects"), set.at("copies/subjects")).unwrap();
    for words in [&["config", "check"][..], &["keys", "status"]] {
        set.run(words).refused(&["one and the same file"]);
    }
    fs::remove_file(set.at("copies/subjects")).unwrap();

    // The configured folder is not there: the keys are told all the same.
    fs::rename(set.at("people"), set.at("elsewhere")).unwrap();
    let gone = set.status().ended(1).json();
    assert_eq!((&gone["found"], &gone["gallery"]["state"]), (&true.into(), &"missing".into()));
    let gone = set.run(&["keys", "status"]).ended(1).stdout;
    assert!(gone.contains("people  this folder is not there") && !gone.contains("no gallery is named"), "{gone}");
    set.run(&["keys", "status", "--data", &text(&set.at("people"))]).refused(&["people", "no gallery"]);
}

#[test]
fn status_and_rotation_refuse_keys_in_a_gallerys_folder() {
    let set = Set::new();
    made(&set.at("second.key"));
    gallery(&set.at("others"));
    let before = files(set.folder.path());
    let keys = "key = { file = \"second.key\" }\nprevious_key = { file = \"master.key\" }";
    for (stores, name) in [
        ("key_store = \"people/keys\"", "sealing.key_store"),
        ("key_store = \"keys/s\"\nkey_store_copy = \"people/copy\"", "sealing.key_store_copy"),
        // That of a gallery which is not the configured one.
        ("key_store = \"others/keys\"", "sealing.key_store"),
    ] {
        configured(set.folder.path(), &format!("{keys}\n{stores}"));
        for words in [&["keys", "status"][..], &["keys", "rotate"], &["config", "check"]] {
            set.run(words).refused(&[name, "gallery's folder", "line"]);
        }
    }
    let after = files(set.folder.path());
    assert!(before.keys().eq(after.keys()), "nothing was made");
}
