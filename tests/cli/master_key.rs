//! `chinhchu keys new-master | export | restore | master-id`, and `[sealing]` in the configuration.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Ran, assert_documented, chinhchu, ran, run, text};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A master key in a file, and its id.
pub fn made(path: &Path) -> String {
    run(["keys", "new-master", &text(path), "--json"]).ended(0).json()["key_id"].as_str().unwrap().to_owned()
}

/// Nothing that was printed has a part of the key that is secret.
fn assert_is_silent(ran: &Ran, key: &Path) {
    let line = fs::read_to_string(key).unwrap();
    let digits = line.trim_end().rsplit(':').next().unwrap().as_bytes().to_vec();
    let printed = format!("{}{}", ran.stdout, ran.stderr);
    for window in digits.windows(8) {
        assert!(!printed.contains(std::str::from_utf8(window).unwrap()), "{printed}");
    }
}

#[test]
fn a_master_key_is_split_and_restored_from_shares_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let id = made(&at("master.key"));
    assert_eq!(mode(&at("master.key")), 0o600);
    let key = text(&at("master.key"));
    let out = text(&at("shares"));
    let told = run(["keys", "export", "--key", &key, "--shares", "5", "--threshold", "3", "--out", &out]).ended(0);
    assert!(told.stdout.contains("any 3 of them") && told.stdout.contains(&id), "{told:?}");
    assert_is_silent(&told, &at("master.key"));
    let share = |number: u8| at("shares").join(format!("share-{number}.txt"));
    assert_eq!(mode(&at("shares")), 0o700);
    assert!((1..=5).all(|number| mode(&share(number)) == 0o600));

    // The key is gone; shares are all there is.
    let before = fs::read(at("master.key")).unwrap();
    fs::remove_file(at("master.key")).unwrap();
    let restore = |numbers: &[u8], out: &Path| {
        let shares: Vec<String> = numbers.iter().map(|&number| text(&share(number))).collect();
        run([&["keys".to_owned(), "restore".to_owned()], &shares[..], &["--out".to_owned(), text(out)]].concat())
    };
    restore(&[2, 5], &at("restored.key")).refused(&["2 shares are too few", "it takes 3", &id]);
    assert!(!at("restored.key").exists());
    let restored = restore(&[5, 1, 4], &at("restored.key")).ended(0);
    assert!(restored.stdout.contains(&id), "{restored:?}");
    assert_eq!(fs::read(at("restored.key")).unwrap(), before);
    assert_eq!(mode(&at("restored.key")), 0o600);
    restore(&[1, 2, 3], &at("restored.key")).refused(&["is there already"]);
    let shown = run(["keys", "master-id", "--key", &text(&at("restored.key")), "--json"]).ended(0);
    assert_eq!(shown.json()["key_id"], id.as_str());
    assert_is_silent(&shown, &at("restored.key"));
}

#[test]
fn shares_that_restore_no_key_are_told_by_what_is_wrong_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["a", "b"] {
        made(&at(name));
    }
    let export = |key: &str, out: &str| {
        let (key, out) = (text(&at(key)), text(&at(out)));
        run(["keys", "export", "--key", &key, "--shares", "3", "--threshold", "2", "--out", &out])
    };
    for (key, out) in [("a", "a1"), ("a", "a2"), ("b", "b1")] {
        export(key, out).ended(0);
    }
    export("a", "a1").refused(&["share-1.txt", "is there already"]);
    let restore = |one: &str, other: &str| {
        run(["keys", "restore", &text(&at(one)), &text(&at(other)), "--out", &text(&at("out"))])
    };
    restore("a1/share-1.txt", "b1/share-2.txt").refused(&["different keys"]);
    restore("a1/share-1.txt", "a2/share-2.txt").refused(&["different exports"]);
    restore("a1/share-1.txt", "a1/share-1.txt").refused(&["the same one, number 1"]);
    restore("a1/share-1.txt", "a").refused(&["master key itself"]);
    restore("a1/share-1.txt", "a1/share-9.txt").refused(&["share-9.txt"]);
    let mut damaged = fs::read(at("a1/share-2.txt")).unwrap();
    let last = damaged.len() - 9;
    damaged[last] = if damaged[last] == b'A' { b'B' } else { b'A' };
    fs::write(at("damaged.txt"), damaged).unwrap();
    // Read as keys are: not where others could have read it.
    restore("a1/share-1.txt", "damaged.txt").refused(&["damaged.txt", "others than its owner", "chmod 600"]);
    fs::set_permissions(at("damaged.txt"), fs::Permissions::from_mode(0o600)).unwrap();
    restore("a1/share-1.txt", "damaged.txt").refused(&["damaged.txt", "check bytes"]);
    assert!(!at("out").exists());
    // A share in the place of the key.
    run(["keys", "master-id", "--key", &text(&at("a1/share-1.txt"))]).refused(&["share", "keys restore"]);
    for (shares, threshold) in [("1", "1"), ("17", "2"), ("3", "1")] {
        let (key, out) = (text(&at("a")), text(&at("no")));
        let ran = run(["keys", "export", "--key", &key, "--shares", shares, "--threshold", threshold, "--out", &out]);
        ran.refused(&["16"]);
    }
    let (key, out) = (text(&at("a")), text(&at("no")));
    run(["keys", "export", "--key", &key, "--shares", "3", "--threshold", "4", "--out", &out]).refused(&["4 of 3"]);
    assert!(!at("no").exists());
}

/// Whoever copies the folder would have what opens it.
#[test]
fn no_key_and_no_share_is_written_into_a_gallerys_folder() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    crate::config_check::gallery(&at("others"));
    made(&at("master.key"));
    let (key, config) =
        (text(&at("master.key")), text(&configured(folder.path(), "key = { file = \"k\" }\nkey_store = \"s\"")));
    run(["keys", "export", "--key", &key, "--shares", "2", "--threshold", "2", "--out", &text(&at("shares"))]).ended(0);
    let shares = ["share-1.txt", "share-2.txt"].map(|name| text(&at("shares").join(name)));
    std::os::unix::fs::symlink(at("others"), at("link")).unwrap();
    // One that is there, also by a link; and the configured one, which is not.
    for inside in ["others", "link", "people"] {
        let within = |name: &str| text(&at(inside).join(name));
        let told = ["gallery's folder", "name a place outside"];
        let run = |words: &[&str]| run([&["--config", &config], words].concat());
        run(&["keys", "new-master", &within("new.key")]).refused(&told);
        run(&["keys", "restore", &shares[0], &shares[1], "--out", &within("restored.key")]).refused(&told);
        for out in [within("shares"), text(&at(inside))] {
            let export = ["keys", "export", "--key", &key, "--shares", "2", "--threshold", "2", "--out", &out];
            run(&export).refused(&told);
        }
    }
    assert!(!at("people").exists());
    let mut names: Vec<_> = fs::read_dir(at("others")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["LOCK", "VERSION", "chinhchu.redb"]);
}

#[test]
fn a_key_is_never_written_over_and_is_refused_where_others_can_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    made(&path);
    let before = fs::read(&path).unwrap();
    run(["keys", "new-master", &text(&path)]).refused(&["is there already"]);
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    run(["keys", "master-id", "--key", &text(&path)]).refused(&["chmod 600"]);
    run(["keys", "master-id"]).refused(&["--key FILE", "[sealing]"]);
}

/// A configuration with `[sealing]`.
pub fn configured(folder: &Path, sealing: &str) -> PathBuf {
    let path = folder.join("chinhchu.toml");
    fs::write(&path, format!("[gallery]\ndata = \"people\"\n\n[sealing]\n{sealing}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
fn the_configured_key_comes_from_a_file_a_credential_or_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let id = made(&folder.path().join("master.key"));
    let earlier = made(&folder.path().join("earlier.key"));
    let key = text(&folder.path().join("master.key"));
    let shown = |sealing: &str, credentials: Option<&Path>| {
        let config = configured(folder.path(), &format!("{sealing}\nkey_store = \"keys/subjects\""));
        let mut command = chinhchu();
        command.env_remove("CREDENTIALS_DIRECTORY").args(["--config", &text(&config), "keys", "master-id", "--json"]);
        command.envs(credentials.map(|folder| ("CREDENTIALS_DIRECTORY", folder)));
        ran(command.output().unwrap())
    };
    // A relative path is taken from the configuration's own folder.
    let both =
        shown("key = { file = \"master.key\" }\nprevious_key = { file = \"earlier.key\" }", None).ended(0).json();
    assert_eq!([&both["key_id"], &both["previous_key_id"]], [id.as_str(), earlier.as_str()]);
    let credential = "key = { credential = \"master.key\" }";
    assert_eq!(shown(credential, Some(folder.path())).ended(0).json()["key_id"], id.as_str());
    shown(credential, None).refused(&["sealing.key", "LoadCredential"]);
    let command = shown(&format!("key = {{ command = [\"/bin/cat\", \"{key}\"] }}"), None).ended(0);
    assert_eq!(command.json()["key_id"], id.as_str());
    shown("key = { command = [\"/bin/sh\", \"-c\", \"echo told >&2; exit 3\"] }", None)
        .refused(&["line 5", "exit code 3"]);
    shown("key = { file = \"gone.key\" }", None).refused(&["line 5", "gone.key", "new-master"]);
    shown(
        "key = { file = \"master.key\" }\nprevious_key = { command = [\"/bin/cat\", \"KEY\"] }"
            .replace("KEY", &key)
            .as_str(),
        None,
    )
    .refused(&["sealing.previous_key", &id]);
    let config = text(&configured(folder.path(), "key = { env = \"KEY\" }\nkey_store = \"k\""));
    run(["--config", &config, "keys", "master-id"]).refused(&["line 5", "one source"]);
}

#[test]
fn a_check_of_the_configuration_finds_keys_where_they_must_not_lie() {
    let folder = tempfile::tempdir().unwrap();
    made(&folder.path().join("master.key"));
    let check = |sealing: &str| {
        let config = text(&configured(folder.path(), sealing));
        run(["--config", &config, "config", "check", "--create", "--json"])
    };
    let codes = |ran: &Ran| {
        let found = ran.json()["findings"].as_array().unwrap().clone();
        found.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let file = "key = { file = \"master.key\" }\n";
    check(&format!("{file}key_store = \"people/keys\"")).refused(&["sealing.key_store", "gallery's folder", "line 6"]);
    std::os::unix::fs::symlink("people", folder.path().join("link")).unwrap();
    check(&format!("{file}key_store = \"link/keys\"")).refused(&["sealing.key_store", "gallery's folder"]);
    let apart = check(&format!("{file}key_store = \"keys/subjects\"")).ended(0);
    assert!(codes(&apart).iter().all(|code| !code.contains("KEY")), "{apart:?}");
    assert_eq!(apart.json()["sealing"]["key"], format!("the file {}", folder.path().join("master.key").display()));
    assert_is_silent(&apart, &folder.path().join("master.key"));
    let beside = check(&format!("{file}key_store = \"subjects\"")).ended(0);
    assert!(codes(&beside).contains(&"MASTER_KEY_WITH_KEYS".to_owned()));
    check("key = { file = \"gone.key\" }\nkey_store = \"keys/subjects\"").refused(&["line 5", "gone.key"]);

    // The master key in the gallery's folder.
    fs::create_dir(folder.path().join("people")).unwrap();
    fs::set_permissions(folder.path().join("people"), fs::Permissions::from_mode(0o700)).unwrap();
    crate::config_check::gallery(&folder.path().join("people"));
    fs::copy(folder.path().join("master.key"), folder.path().join("people/master.key")).unwrap();
    let stores = "key_store = \"keys/subjects\"\nseal = \"while_serving\"";
    let within = check(&format!("key = {{ file = \"people/master.key\" }}\n{stores}")).ended(1);
    assert!(codes(&within).contains(&"MASTER_KEY_WITH_DATA".to_owned()), "{within:?}");

    // A program that every user can write, and one that is not run by a check.
    let program = folder.path().join("unseal");
    fs::write(&program, "#!/bin/sh\ntouch \"$0.was-run\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o757)).unwrap();
    let command = format!("key = {{ command = [\"{}\"] }}\n{stores}", text(&program));
    assert!(codes(&check(&command).ended(1)).contains(&"KEY_COMMAND_OPEN".to_owned()));
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(!codes(&check(&command).ended(0)).contains(&"KEY_COMMAND_OPEN".to_owned()));
    assert!(!folder.path().join("unseal.was-run").exists());
}

/// A server does not start so, and a command is no other program: it would run what anybody can have put there.
#[test]
fn every_command_that_takes_the_master_key_refuses_what_a_server_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    crate::config_check::gallery(&at("people"));
    made(&at("master.key"));
    fs::copy(at("master.key"), at("people/master.key")).unwrap();
    let program = at("unseal");
    fs::write(&program, format!("#!/bin/sh\ntouch \"$0.was-run\"\ncat {}\n", text(&at("master.key")))).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o777)).unwrap();
    let within = "key = { file = \"people/master.key\" }\nkey_store = \"keys/subjects\"".to_owned();
    let open = format!("key = {{ command = [\"{}\"] }}\nkey_store = \"keys/subjects\"", text(&program));
    let commands: [&[&str]; 6] = [
        &["subject", "list"],
        &["subject", "report", "person-1"],
        &["ledger", "verify"],
        &["keys", "seal"],
        &["keys", "rotate"],
        &["keys", "master-id"],
    ];
    for (sealing, code) in [(&within, "MASTER_KEY_WITH_DATA"), (&open, "KEY_COMMAND_OPEN")] {
        let config = text(&configured(folder.path(), sealing));
        for command in commands {
            run([&["--config", &config][..], command].concat()).refused_last(&["dangerous set-up", code, "insist"]);
        }
    }
    assert!(!at("unseal.was-run").exists());
    let meant = format!("{open}\n[danger]\ninsist = [\"KEY_COMMAND_OPEN\"]");
    let config = text(&configured(folder.path(), &meant));
    run(["--config", &config, "keys", "master-id"]).ended(0);
    assert!(at("unseal.was-run").exists());
}

#[test]
fn the_status_of_a_key_store_that_is_not_made_yet_says_so_and_what_makes_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    made(&at("master.key"));
    let config = text(&configured(folder.path(), "key = { file = \"master.key\" }\nkey_store = \"keys/subjects\""));
    let status = |more: &[&str]| run([&["--config", &config, "keys", "status"][..], more].concat());
    let none = status(&[]).ended(1);
    assert!(none.stdout.contains("no key store yet") && none.stdout.contains("people  this folder is not there"));
    assert!(none.stderr.is_empty(), "{none:?}");
    let json = status(&["--json"]).ended(1).json();
    assert_eq!((&json["found"], &json["master_key_id"], &json["keys"]), (&false.into(), &Value::Null, &0.into()));
    status(&["--data", &text(&at("nowhere"))]).refused(&["nowhere"]);

    crate::config_check::gallery(&at("people"));
    let clear = status(&[]).ended(1);
    assert!(clear.stdout.contains("in the clear") && clear.stdout.contains("keys seal --data"), "{clear:?}");
    run(["--config", &config, "keys", "seal"]).ended(0);
    let sealed = status(&["--json"]).ended(0).json();
    assert_documented("sealing.md", &json);
    assert_documented("sealing.md", &sealed);
    assert_eq!((&sealed["found"], &sealed["gallery"]["state"]), (&true.into(), &"sealed".into()));
    assert_eq!(sealed["keys"].as_u64().unwrap() - sealed["left"].as_u64().unwrap(), 2, "those of its tables");

    // Where something is sealed a key store that is gone is no beginning.
    fs::remove_file(at("keys/subjects")).unwrap();
    status(&[]).refused(&["there is no key store", "put it back"]);
}

#[test]
fn a_check_of_the_configuration_says_where_the_copys_folder_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    made(&folder.path().join("master.key"));
    let sealing =
        "key = { file = \"master.key\" }\nkey_store = \"keys/subjects\"\nkey_store_copy = \"disk-2/subjects\"";
    let config = text(&configured(folder.path(), sealing));
    crate::config_check::gallery(&folder.path().join("people"));
    for command in [&["config", "check"][..], &["keys", "seal"]] {
        run([&["--config", &config][..], command].concat()).refused(&["disk-2", "mounted"]);
    }
    assert!(!folder.path().join("disk-2").exists() && !folder.path().join("keys/subjects").exists());
}
