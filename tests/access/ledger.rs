//! The transparency log of a real server: everything that its callers do is entered before they are
//! answered, what access control refuses as well, and receipts hold without the server.

use std::path::Path;

use chinhchu::ledger::entry::LedgerKey;
use serde_json::{Value, json};

use crate::made::Server;
use crate::need_assets;
use crate::office::Office;
use crate::support::{self, PATIENCE, Ran, photo, run, text};

fn open_office() -> Office {
    Office::open("[ledger]\norigin = \"ledger.example.vn/test\"\n")
}

/// Ends a server by SIGTERM, so that it enters and signs what is left.
fn end(mut server: Server) {
    support::signal(&server.child, libc::SIGTERM);
    let began = std::time::Instant::now();
    while server.child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < PATIENCE, "it does not end");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn entries(ran: &Ran) -> Vec<Value> {
    ran.json()["entries"].as_array().unwrap().iter().map(|one| one["entry"].clone()).collect()
}

fn kinds(entries: &[Value]) -> Vec<String> {
    entries.iter().map(|entry| entry["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn whatever_callers_do_is_entered_and_a_person_can_be_told_who_looked() {
    need_assets!();
    let office = open_office();
    let server = office.server(&[]);
    let [face, same] = ["obama.jpg", "obama2.jpg"].map(|name| text(&photo(name)));
    let subject = "pensioner-of-the-year";
    let [workflow, auditor, officer, clerk] =
        [("system-1", "workflow"), ("auditor-1", "auditor"), ("officer-1", "officer"), ("clerk-1", "counter")]
            .map(|(name, role)| office.token(name, role));
    office.by_desk(&server, &["enroll", subject, &face]).ended(0);
    office.by_desk(&server, &["verify", &face, &same]).ended(0);
    office.by_desk(&server, &["verify", &face, &same]).ended(0);
    office.by(&server, &workflow, &["identify", &same, "--nearest", "1"]).ended(0);
    office.by(&server, &auditor, &["subject", "show", subject]).ended(0);
    office.by(&server, &auditor, &["subject", "show", "somebody-else"]).ended(1);
    office.by(&server, &auditor, &["subject", "list"]).ended(0);
    office.by(&server, &auditor, &["subject", "count"]).ended(0);
    office.by(&server, &officer, &["case", "show", "t-1"]).ended(1);
    office.by(&server, &auditor, &["case", "list"]).ended(1);
    // Refused: a clerk who searches the gallery, and a stranger.
    office.by(&server, &clerk, &["identify", &same]).refused(&["Your role may not do this"]);
    office.by(&server, &office.made.beside("nobody.token"), &["identify", &same]).refused(&["nobody.token"]);
    // An audit of the folder is handed a snapshot by the server that has it open.
    office.here(&["audit", "--out", &office.made.beside("audit")]).ended(0);
    office.by_desk(&server, &["remove", subject]).ended(0);

    // The clerk's refusal is entered within a second.
    let list = ["ledger", "show", "--all", "--json"];
    let refused = || {
        let ran = office.by(&server, &auditor, &["ledger", "show", "--kind", "access_refused", "--json"]);
        (ran.code == Some(0)).then(|| entries(&ran))
    };
    let began = std::time::Instant::now();
    let refused = loop {
        if let Some(found) = refused() {
            break found;
        }
        assert!(began.elapsed() < PATIENCE);
        std::thread::sleep(std::time::Duration::from_millis(100));
    };
    assert_eq!(refused[0]["principal"], "clerk-1");
    assert_eq!((&refused[0]["method"], &refused[0]["reasons"][0]), (&json!("Identify"), &json!("ROLE_NOT_ALLOWED")));
    office.by_desk(&server, &["identify", &same]).refused(&["Your role may not do this"]);

    let about = office.by(&server, &auditor, &["ledger", "show", "--subject", subject, "--json"]).ended(0);
    let about = entries(&about);
    let who: Vec<_> =
        about.iter().map(|one| (one["kind"].as_str().unwrap(), one["principal"].as_str().unwrap())).collect();
    assert_eq!(
        who[..4],
        [("enrolment", "desk"), ("identify", "system-1"), ("record_read", "auditor-1"), ("look_up", "auditor-1"),]
    );
    assert_eq!(who[4], ("removal", "desk"));
    assert!(about[0]["unit"] == "Q1" && about[0]["method"] == "Enroll");
    // Only auditors may ask.
    office.by(&server, &workflow, &list).refused(&["Your role may not do this"]);
    office.by(&server, &clerk, &["ledger", "prove", "t-1"]).refused(&["Your role may not do this"]);

    // Signed within a second or so, by the key that the server names when it starts.
    let checkpoint = office.by(&server, &workflow, &["ledger", "checkpoint", "--json"]).ended(0).json();
    assert_eq!(checkpoint["origin"], "ledger.example.vn/test");
    let key = checkpoint["first_key"].as_str().unwrap().to_owned();
    // Waits until that entry is signed.
    office.by(&server, &auditor, &["ledger", "prove", "--entry", "10"]).ended(0);
    let whole = office.by(&server, &auditor, &["ledger", "verify", "--log-key", &key, "--json"]).ended(0).json();
    assert!(whole["valid"] == true && whole["entries"].as_u64().unwrap() > 10, "{whole}");

    // A witness elsewhere keeps the checkpoint, cosigned.
    let [kept, witness_key] = ["kept.checkpoint", "witness.key"].map(|name| office.made.beside(name));
    run(["ledger", "witness-key", "witness7.example.vn", &witness_key]).ended(0);
    let watch = ["ledger", "witness", "--keep", &kept, "--witness-key", &witness_key];
    office.by(&server, &workflow, &watch).refused(&["--log-key is missing"]);
    office.by(&server, &workflow, &[&watch[..], &["--log-key", &key]].concat()).ended(0);
    let cosigned = std::fs::read_to_string(&kept).unwrap();
    assert!(cosigned.contains("— witness7.example.vn "), "{cosigned}");
    office.by(&server, &workflow, &watch).ended(0);
    end(server);

    // A refusal of the desk is found by its unit.
    let by_unit = ["ledger", "show", "--unit", "Q1", "--kind", "access_refused", "--json"];
    assert_eq!(entries(&office.here(&by_unit).ended(0))[0]["principal"], "desk");

    // After the end: counts of Verify by the desk, and not a name, id or number anywhere.
    let all = office.here(&list).ended(0);
    for secret in [subject, "somebody-else"] {
        assert!(!all.stdout.contains(secret), "{secret}");
    }
    let all = entries(&all);
    let counts: Vec<_> = all.iter().filter(|one| one["kind"] == "calls").collect();
    assert!(counts.len() == 1 && counts[0]["principal"] == "desk", "{counts:?}");
    assert_eq!(counts[0]["calls"], json!([{ "method": "Verify", "outcome": "OK", "count": 2 }]));
    assert_eq!(kinds(&all)[0], "start");
    let snapshot = all.iter().find(|one| one["kind"] == "snapshot").unwrap();
    assert!(snapshot["records"] == 1 && snapshot["principal_kind"] == "os_user", "{snapshot}");
    office.here(&["ledger", "verify", "--witness", &kept]).ended(0);
    for file in std::fs::read_dir(office.people()).unwrap() {
        assert!(!file.unwrap().file_name().to_string_lossy().contains("signing"), "no signing key lies with the data");
    }
}

#[test]
fn a_receipt_is_fetched_kept_and_checked_without_the_log() {
    need_assets!();
    let office = open_office();
    let server = office.server(&[]);
    let auditor = office.token("auditor-1", "auditor");
    let face = text(&photo("obama.jpg"));
    office.by_desk(&server, &["enroll", "person-1", &face]).ended(0);
    let receipt = office.made.beside("0.tlog-proof");
    let enrolled =
        entries(&office.by(&server, &auditor, &["ledger", "show", "--kind", "enrolment", "--json"]).ended(0));
    assert_eq!(enrolled.len(), 1);
    let first = office.by(&server, &auditor, &["ledger", "show", "--kind", "enrolment", "--json"]).ended(0).json();
    let index = first["entries"][0]["index"].to_string();
    office.by(&server, &auditor, &["ledger", "prove", "--entry", &index, "--out", &receipt]).ended(0);
    let key = office.by(&server, &auditor, &["ledger", "checkpoint", "--json"]).ended(0).json();
    let key = key["first_key"].as_str().unwrap().to_owned();
    let check = |file: &str| run(["ledger", "check-receipt", file, "--log-key", &key, "--json"]);
    let proven = check(&receipt).ended(0).json();
    assert!(proven["valid"] == true && proven["entry"]["kind"] == "enrolment", "{proven}");
    // Whoever has no auditor's role gets the proof, and not what was entered.
    let workflow = office.token("system-1", "workflow");
    let bare = office.made.beside("bare.tlog-proof");
    office.by(&server, &workflow, &["ledger", "prove", "--entry", &index, "--out", &bare]).ended(0);
    assert!(!std::fs::read_to_string(&bare).unwrap().contains("\nextra "));
    check(&bare).ended(1);
    let commitment = first["entries"][0]["commitment"].as_str().unwrap();
    run(["ledger", "check-receipt", &bare, "--log-key", &key, "--commitment", commitment]).ended(0);
    // A bit of it, and another key.
    let whole = std::fs::read_to_string(&receipt).unwrap();
    let changed = whole.replacen("index ", "index 1", 1);
    std::fs::write(office.made.beside("changed.tlog-proof"), changed).unwrap();
    check(&office.made.beside("changed.tlog-proof")).ended(1);
    office.by(&server, &auditor, &["ledger", "prove", "--entry", "999999"]).ended(1);
    office.by(&server, &auditor, &["ledger", "prove", "nobody-asked"]).ended(1);
    // In the call: an entry of this moment is signed while the call waits.
    office.by_desk(&server, &["enroll", "person-2", &face]).ended(0);
    let again = office.by(&server, &auditor, &["ledger", "show", "--kind", "enrolment", "--json"]).ended(0).json();
    let newest = again["entries"][1]["index"].to_string();
    office.by(&server, &auditor, &["ledger", "prove", "--entry", &newest]).ended(0);
    end(server);
    // What is in the way of being lost is not written over.
    let [database, key_file] = [format!("{}/chinhchu.redb", office.people()), office.made.beside("ledger-digest.key")];
    for path in [&database, &key_file, &office.made.config(), &office.people(), "/dev/null"] {
        office.here(&["ledger", "export", "--csv", path]).refused(&["name another file"]);
        office.here(&["ledger", "checkpoint", "--out", path]).refused(&["name another file"]);
    }
    // The same from the folder, and exports. What a command enters it signs.
    office.here(&["ledger", "prove", "--entry", &index]).ended(0);
    let [csv, lines, tiles] = ["log.csv", "log.jsonl", "tiles"].map(|name| office.made.beside(name));
    office.here(&["ledger", "export", "--csv", &csv]).ended(0);
    office.here(&["ledger", "export", "--jsonl", &lines]).ended(0);
    office.here(&["ledger", "export", "--tiles", &tiles]).ended(0);
    let told = office.here(&["ledger", "verify", "--json"]).ended(0).json();
    assert_eq!(told["unsequenced"], 0);
    let rows = std::fs::read_to_string(&lines).unwrap();
    assert!(rows.lines().count() > 5 && rows.lines().all(|line| line.starts_with("{\"index\":")), "{rows}");
    assert!(std::fs::read_to_string(&csv).unwrap().contains("enrolment"));
    assert!(Path::new(&tiles).join("tile/0/000.p").is_dir() && Path::new(&tiles).join("checkpoint").is_file());
    independent(&tiles, &receipt, &key);
}

/// Checks exported tiles and a receipt with programs that share no code with ours: the script's own
/// code, and a package that others wrote where scripts/setup could fetch it.
fn independent(tiles: &str, receipt: &str, key: &str) {
    let root = support::root();
    let mut ways = vec![("python3".to_owned(), true)];
    match std::fs::read_to_string(root.join(".cache/ledger-verifier/python")) {
        Ok(python) => ways.push((python.trim().to_owned(), false)),
        Err(_) => println!("SKIPPED: no aics-tlog: scripts/setup fetches it where there is Python 3.12 or 3.13"),
    }
    for (python, is_hashes_only) in ways {
        let check = |tiles: &str| {
            let mut command = std::process::Command::new(&python);
            command.arg("-B").arg(root.join("scripts/lib/check_ledger.py")).args(["log", tiles, "--key", key]);
            command.args(["--receipt", receipt]).args(is_hashes_only.then_some("--hashes-only"));
            command.output().unwrap()
        };
        let ran = check(tiles);
        assert!(ran.status.success(), "{python}: {}", String::from_utf8_lossy(&ran.stdout));
        let leaf = Path::new(tiles).join("tile/entries/000.p");
        let bundle = std::fs::read_dir(&leaf).unwrap().next().unwrap().unwrap().path();
        let whole = std::fs::read(&bundle).unwrap();
        let mut changed = whole.clone();
        changed[10] ^= 1;
        std::fs::write(&bundle, changed).unwrap();
        assert_eq!(check(tiles).status.code(), Some(1), "{python} sees a changed leaf");
        std::fs::write(&bundle, whole).unwrap();
    }
}

#[test]
fn keys_of_the_log_are_made_once_and_another_key_or_name_is_refused_with_its_line() {
    need_assets!();
    let office = open_office();
    let face = text(&photo("obama.jpg"));
    run(["gallery", "init", &office.people(), "--config", &office.made.config()]).ended(0);
    let [signing, digests] = ["ledger-signing.key", "ledger-digest.key"].map(|name| office.made.beside(name));
    for key in [&signing, &digests] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600, "{key}");
    }
    office.here(&["enroll", "person-1", &face]).ended(0);
    let entered = entries(&office.here(&["ledger", "show", "--kind", "enrolment", "--json"]).ended(0));
    assert_eq!((&entered[0]["principal_kind"], &entered[0]["method"]), (&json!("os_user"), &json!("enroll")));
    // A command that cannot sign does nothing.
    let whole = std::fs::read(&signing).unwrap();
    std::fs::remove_file(&signing).unwrap();
    office.here(&["subject", "show", "person-1"]).refused(&["ledger.signing_key"]);
    assert!(!Path::new(&signing).exists());
    std::fs::write(&signing, whole).unwrap();
    std::fs::set_permissions(&signing, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    // Without the configuration nobody gets in, to write or to read.
    for command in [&["enroll", "person-2", &face][..], &["subject", "show", "person-1"], &["identify", &face]] {
        run([command, &["--data", &office.people()]].concat()).refused(&["transparency log", "[ledger]"]);
    }
    // The key lost, another key, another name: told, and nothing is made in its place.
    let kept = std::fs::read(&digests).unwrap();
    std::fs::remove_file(&digests).unwrap();
    office.here(&["subject", "show", "person-1"]).refused(&["ledger.digest_key"]);
    assert!(!Path::new(&digests).exists());
    LedgerKey::load_or_create(Path::new(&digests)).unwrap();
    office.here(&["subject", "show", "person-1"]).refused(&["digests is another one", "restore"]);
    std::fs::write(&digests, kept).unwrap();
    let config = std::fs::read_to_string(office.made.config()).unwrap();
    std::fs::write(office.made.config(), config.replace("vn/test", "vn/other")).unwrap();
    run(["serve", "--config", &office.made.config(), "--data", &office.people()])
        .refused_last(&["ledger.origin", "ledger.example.vn/test"]);
    std::fs::write(office.made.config(), &config).unwrap();
    // A change of keys: both are needed over it, and the log says that it was done.
    let old = office.made.beside("old.key");
    std::fs::rename(&signing, &old).unwrap();
    let replacing = |of: &str| format!("{config}replaces = \"{of}\"\nsigning_key = \"next.key\"\n");
    std::fs::write(office.made.config(), replacing("old.key")).unwrap();
    run(["serve", "--config", &office.made.config(), "--data", &office.people()]).refused_last(&["next.key"]);
    run(["ledger", "signing-key", "ledger.example.vn/test", &office.made.beside("next.key")]).ended(0);
    let server = Server::start_with(&office.made, &["--data", &office.people()]);
    let auditor = office.token("auditor-1", "auditor");
    let changed = office.by(&server, &auditor, &["ledger", "show", "--kind", "keys_changed", "--json"]).ended(0);
    assert_eq!(entries(&changed).len(), 1);
    let signed = office.by(&server, &auditor, &["ledger", "checkpoint", "--json"]).ended(0).json();
    assert!(signed["first_key"] != signed["key"] && signed["key_changes"].as_array().unwrap().len() == 1);
    end(server);
    office.here(&["ledger", "verify", "--log-key", signed["first_key"].as_str().unwrap()]).ended(0);
    // A restart with what has not changed tells of no change.
    let server = Server::start_with(&office.made, &["--data", &office.people()]);
    let all = entries(&office.by(&server, &auditor, &["ledger", "show", "--all", "--json"]).ended(0));
    assert_eq!(kinds(&all).iter().filter(|kind| *kind == "start").count(), 2);
    assert_eq!(kinds(&all).iter().filter(|kind| kind.ends_with("_changed")).count(), 1, "{:?}", kinds(&all));
    end(server);
}
