//! `chinhchu config check`, and what `serve` makes of a dangerous set-up.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chinhchu::chip::Date;
use chinhchu::face::{Manifest, RecipeDigest};
use chinhchu::gallery::{self, EmbeddedOptions, GalleryId};
use chinhchu::tools::forge::{CertificateDraft, KeyKind, TestAuthority, TestKey};

use crate::support::{Ran, run, text};

const PICTURE: &[u8] = b"\xff\xd8\xff\xe0 as much of a JPEG as a test card needs";

fn check(args: &[&str]) -> Ran {
    run([&["config", "check", "--json"], args].concat())
}

/// Codes, and whether each refuses.
fn codes(ran: &Ran) -> Vec<(String, bool)> {
    let json = ran.json();
    let all = json["findings"].as_array().unwrap();
    let judged = |one: &serde_json::Value| {
        (one["code"].as_str().unwrap().to_owned(), one["effect"] == "refuse" && one["insisted"] == false)
    };
    all.iter().map(judged).collect()
}

fn has(ran: &Ran, code: &str, refuses: bool) -> bool {
    codes(ran).contains(&(code.to_owned(), refuses))
}

/// Makes an empty gallery for the pack that is taken by default.
pub fn gallery(data: &Path) -> GalleryId {
    let pack = fs::read(crate::support::root().join("models/default/pack.toml")).unwrap();
    let recipe = Manifest::parse(&pack).unwrap().recipe();
    made(data, recipe)
}

fn made(data: &Path, recipe: RecipeDigest) -> GalleryId {
    let options = EmbeddedOptions { create: true, ..EmbeddedOptions::default() };
    gallery::open(data, recipe, 288, options).unwrap().id()
}

#[test]
fn a_gallery_that_a_server_would_not_open_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("people");
    let check = |more: &[&str]| run([&["config", "check", "--data", &text(&data)], more].concat());
    check(&[]).refused(&["people", "no gallery"]);
    check(&["--json"]).refused(&["people"]);
    check(&["--create"]).ended(0);
    assert!(!data.exists(), "it makes nothing");
    // A folder of something else is not made a gallery.
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(data.join("notes.txt"), "").unwrap();
    check(&["--create"]).refused(&["people"]);
    fs::remove_file(data.join("notes.txt")).unwrap();

    let id = gallery(&data);
    check(&[]).ended(0);
    // The one that is configured, and another.
    let config = folder.path().join("chinhchu.toml");
    let other = "0123456789abcdef0123456789abcdef";
    for (wanted, starts) in [(id.to_string(), true), (other.to_owned(), false)] {
        fs::write(&config, format!("[gallery]\ndata = \"people\"\nid = \"{wanted}\"\n")).unwrap();
        let ran = run(["--config", &text(&config), "config", "check"]);
        match starts {
            true => drop(ran.ended(0)),
            false => ran.refused(&["line 2", other, &id.to_string()]),
        }
    }
    fs::remove_file(data.join("chinhchu.redb")).unwrap();
    check(&[]).refused(&["people", "missing"]);
    fs::write(data.join("chinhchu.redb"), "no database").unwrap();
    check(&[]).refused(&["people"]);

    let stranger = folder.path().join("stranger");
    made(&stranger, RecipeDigest([7; 32]));
    run(["config", "check", "--data", &text(&stranger)]).refused(&["stranger", "--pack"]);
}

#[test]
fn what_is_called_like_a_certificate_and_is_none_is_named_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let csca = published(folder.path());
    let inside = |name: &str| Path::new(&csca).join(name);
    std::os::unix::fs::symlink("gone", inside("link.cer")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(inside("pipe.pem")).status().unwrap().success());
    fs::create_dir(inside("folder.crt")).unwrap();
    std::os::unix::fs::symlink("/dev/null", inside("device.der")).unwrap();
    fs::create_dir(inside("notes")).unwrap();
    let insist = ["--insist", "TEST_ANCHOR", "--csca", &csca];
    let found = check(&insist).ended(0).json();
    assert_eq!((&found["certificates"], &found["certificates_unreadable"]), (&1.into(), &4.into()));
    let told = run([&["config", "check"], &insist[..]].concat()).ended(0).stdout;
    for part in ["link.cer", "link to nothing", "pipe.pem", "a pipe", "folder.crt", "a folder", "device.der"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let config = folder.path().join("chinhchu.toml");
    fs::write(&config, format!("[chip]\ncsca = {csca:?}\ncsca_unreadable = \"stop\"\n")).unwrap();
    run(["--config", &text(&config), "config", "check"]).refused(&["line 2", "device.der", "a device"]);
    // A revocation list is never done without, and called what it is.
    std::os::unix::fs::symlink("gone", inside("list.crl")).unwrap();
    run([&["config", "check"], &insist[..]].concat()).refused(&["list.crl", "link to nothing"]);
    fs::remove_file(inside("list.crl")).unwrap();
    for broken in ["", "text", "\u{30}\u{5}abc"] {
        fs::write(inside("list.crl"), broken).unwrap();
        let ran = run([&["config", "check"], &insist[..]].concat());
        assert!(!ran.stderr.contains(": a certificate"), "{ran:?}");
        ran.refused(&["list.crl", "a revocation list"]);
    }
}

#[test]
fn an_address_beyond_this_machine_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("chinhchu.toml");
    fs::write(&config, "[server]\nlisten = \"0.0.0.0:50051\"\n").unwrap();
    for json in [&["--json"][..], &[]] {
        run([&["--config", &text(&config), "config", "check"], json].concat()).refused(&["line 2", "loopback"]);
    }
}

#[test]
fn a_folder_in_which_everybody_can_rename_the_rules_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("etc/rules");
    fs::create_dir_all(&inner).unwrap();
    let config = inner.join("chinhchu.toml");
    fs::write(&config, "").unwrap();
    let parents = [inner.clone(), folder.path().join("etc")];
    for parent in parents {
        for (mode, refuses) in [(0o777, true), (0o1777, false), (0o755, false)] {
            fs::set_permissions(&parent, fs::Permissions::from_mode(mode)).unwrap();
            let found = check(&["--config", &text(&config)]);
            assert_eq!(has(&found, "RULES_OPEN", true), refuses, "{} {mode:o}: {found:?}", parent.display());
        }
    }
}

#[test]
fn captures_without_liveness_and_rates_that_name_strangers_are_told_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("chinhchu.toml");
    fs::write(&config, "[engine]\ndefault_fpir = 0.5\n[capture]\nliveness = \"off\"\n[policies.a]\nfpir = 0.5\n")
        .unwrap();
    let found = check(&["--config", &text(&config)]).ended(0);
    assert!(has(&found, "FPIR_HIGH", false) && has(&found, "CAPTURE_LIVENESS_OFF", false), "{found:?}");
    let told = run(["config", "check", "--config", &text(&config)]).ended(0).stdout;
    for part in ["engine.default_fpir", "line 2", "capture.liveness", "line 4", "policies.a.fpir", "line 6"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn a_configuration_of_another_user_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("chinhchu.toml");
    fs::write(&config, "").unwrap();
    let rules = |found: &Ran| {
        let found = found.json();
        let all = found["findings"].as_array().unwrap().iter();
        let of_config =
            all.filter(|one| one["place"] == text(&config)).map(|one| one["code"].as_str().unwrap().to_owned());
        of_config.collect::<Vec<_>>()
    };
    assert_eq!(rules(&check(&["--config", &text(&config)])), [""; 0]);
    if let Err(error) = std::os::unix::fs::chown(&config, Some(65_534), None) {
        eprintln!("SKIPPED: {}: only root gives files away ({error})", module_path!());
        return;
    }
    let found = check(&["--config", &text(&config)]).ended(0);
    assert_eq!(rules(&found), ["RULES_OWNED_BY_OTHER"]);
    assert!(found.stdout.contains("owned by user 65534"), "{found:?}");
}

/// The certificate of the authority that `forge-test-card` makes.
fn published(folder: &Path) -> String {
    let photo = folder.join("photo.jpg");
    fs::write(&photo, PICTURE).unwrap();
    let card = folder.join("card");
    run(["chip", "forge-test-card", &text(&photo), "--out", &text(&card)]).ended(0);
    text(&card.join("csca"))
}

#[test]
fn the_published_test_authority_is_refused_under_any_file_name_and_insisted_on_by_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let csca = published(folder.path());
    fs::rename(format!("{csca}/test_csca.cer"), format!("{csca}/vietnam.der")).unwrap();
    let refused = check(&["--csca", &csca]).ended(1);
    assert_eq!(refused.json()["starts"], false);
    assert!(has(&refused, "TEST_ANCHOR", true) && refused.stdout.contains("vietnam.der"), "{refused:?}");
    let insisted = check(&["--csca", &csca, "--insist", "TEST_ANCHOR"]).ended(0);
    assert!(has(&insisted, "TEST_ANCHOR", false) && insisted.json()["starts"] == true, "{insisted:?}");
    // A checkout may be another user's.
    let insist = ["--insist", "TEST_ANCHOR", "--insist", "RULES_OWNED_BY_OTHER"];
    check(&[&["--csca", &csca, "--strict"], &insist[..]].concat()).ended(0);
    run(["config", "check", "--insist", "TEST_ANKER"]).refused(&["TEST_ANKER", "did you mean TEST_ANCHOR?"]);
    run(["config", "check", "--insist", "web_roots"]).refused(&["web_roots", "did you mean WEB_ROOTS?"]);
    run(["config", "check", "--insist", "everything"]).refused(&["everything", "they are TEST_ANCHOR, WEB_ROOTS"]);
}

#[test]
fn roots_of_the_web_are_no_country_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let date = |year| Date { year, month: 1, day: 1 };
    for number in 1..=4 {
        let key = TestKey::new(b"roots", &number.to_string(), KeyKind::P256);
        let authority = TestAuthority::new(key.clone(), "Global Root");
        let mut draft = CertificateDraft::new("Global Root", number, date(2020), date(2040)).authority();
        draft.country = "US".into();
        let root = authority.issue(&draft, &key).unwrap();
        fs::write(folder.path().join(format!("{number}.crt")), root.der()).unwrap();
    }
    let found = check(&["--csca", &text(folder.path())]).ended(1);
    assert!(has(&found, "WEB_ROOTS", true) && has(&found, "NO_ANCHOR_OF_VIETNAM", false), "{found:?}");

    // Those of this machine, where it has any.
    let machine = Path::new("/etc/ssl/certs");
    if machine.join("ca-certificates.crt").is_file() {
        let found = check(&["--csca", &text(machine)]).ended(1);
        assert!(has(&found, "WEB_ROOTS", true) && !has(&found, "TEST_ANCHOR", true), "{found:?}");
    }
    // And those of countries are.
    let data = std::env::var_os("CHINHCHU_TESTDATA").unwrap_or_else(|| "../shared/data".into());
    let lists = crate::support::root().join(data).join("chip/masterlists");
    if lists.is_dir() {
        let found = check(&["--csca", &text(&lists)]).ended(0);
        assert!(!has(&found, "WEB_ROOTS", true) && found.json()["certificates"].as_u64() > Some(400), "{found:?}");
    } else {
        eprintln!("SKIPPED: {}: no master list in CHINHCHU_TESTDATA", module_path!());
    }
}

#[test]
fn dangerous_policies_are_told_with_the_line_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chinhchu.toml");
    let config = text(&path);
    fs::write(
        &path,
        "[policies.a]\nchip_fmr = 0.4\nliveness_min = 0\n\n[policies.b]\nfirst_sight = \"enrol\"\n\
         on.chip_unanchored = \"accept\"\n",
    )
    .unwrap();
    let found = check(&["--config", &config]).ended(1);
    for (code, refuses) in
        [("FMR_VERY_HIGH", true), ("LIVENESS_OFF", false), ("UNANCHORED_SUFFICES", true), ("NO_ANCHOR", false)]
    {
        assert!(has(&found, code, refuses), "{code}: {found:?}");
    }
    let told = run(["config", "check", "--config", &config]).ended(1).stdout;
    for part in ["line 2", "line 3", "line 7", "policies.a.chip_fmr", "REFUSED", "warning"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    // Insisted on in the file itself; one that is misspelt is refused with its line.
    let insist = |codes: &str| {
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split_once("[policies.a]").unwrap().1;
        fs::write(&path, format!("[danger]\ninsist = [{codes}]\n[policies.a]{text}")).unwrap();
    };
    insist("\"FMR_VERY_HIGH\", \"UNANCHORED_SUFFICES\"");
    check(&["--config", &config]).ended(0);
    check(&["--config", &config, "--strict"]).ended(1);
    insist("\"FMR\"");
    run(["config", "check", "--config", &config]).refused(&["line 2", "danger.insist", "FMR_VERY_HIGH"]);
}

#[test]
fn a_data_folder_that_others_can_read_is_refused_and_one_that_a_group_can_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("people");
    gallery(&data);
    for file in ["LOCK", "VERSION"] {
        fs::set_permissions(data.join(file), fs::Permissions::from_mode(0o600)).unwrap();
    }
    for (of_folder, of_file, expected) in [
        (0o755, 0o600, Some(("DATA_OPEN", true))),
        (0o750, 0o640, Some(("DATA_OPEN_TO_GROUP", false))),
        // The folder lets the group in, and the file everybody.
        (0o710, 0o644, Some(("DATA_OPEN", true))),
        // Nobody gets as far as the file.
        (0o700, 0o644, None),
    ] {
        fs::set_permissions(&data, fs::Permissions::from_mode(of_folder)).unwrap();
        fs::set_permissions(data.join("chinhchu.redb"), fs::Permissions::from_mode(of_file)).unwrap();
        let found = check(&["--data", &text(&data)]);
        let all: Vec<_> = codes(&found).into_iter().filter(|(code, _)| code.starts_with("DATA_")).collect();
        assert_eq!(all, Vec::from_iter(expected.map(|(code, refuses)| (code.to_owned(), refuses))), "{of_folder:o}");
        assert!(expected.is_none() || found.stdout.contains(&format!("chmod -R go= {}", text(&data))), "{found:?}");
    }
    // What decides must not be written by others either.
    let config = folder.path().join("chinhchu.toml");
    fs::write(&config, "").unwrap();
    for (mode, expected) in [(0o646, Some(true)), (0o664, Some(false)), (0o644, None)] {
        fs::set_permissions(&config, fs::Permissions::from_mode(mode)).unwrap();
        let all = codes(&check(&["--config", &text(&config)]));
        let found = all.iter().find(|(code, _)| code.starts_with("RULES_OPEN"));
        assert_eq!(found.map(|(_, refuses)| *refuses), expected, "{mode:o}");
    }
}

#[test]
fn a_server_does_not_start_where_a_rule_refuses_and_says_how_to_insist() {
    crate::need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let csca = published(folder.path());
    let serve = ["serve", "--listen", "127.0.0.1:0", "--log", "off", "--csca", &csca];
    run(serve).refused(&["TEST_ANCHOR", "--insist TEST_ANCHOR", "[danger]"]);
    // It leaves nothing behind.
    let data = folder.path().join("people");
    run([&serve[..], &["--create", "--data", &text(&data)]].concat()).refused(&["TEST_ANCHOR"]);
    assert!(!data.exists());
}

#[test]
fn what_cannot_be_used_is_no_finding() {
    run(["config", "check", "--csca", "/nowhere"]).refused(&["--csca /nowhere"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chinhchu.toml");
    fs::write(&path, "[engine]\npack = \"none\"\n").unwrap();
    run(["--config", &text(&path), "config", "check"]).refused(&["line 2", "none"]);
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_refused_and_never_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = |name: &str| {
        let path = folder.path().join(name);
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        text(&path)
    };
    let config = pipe("chinhchu.toml");
    pipe("pack.toml");
    let pack = text(folder.path());
    for command in [&["config", "check"][..], &["serve"]] {
        run([&["--config", &config], command].concat()).refused_last(&["chinhchu.toml", "no regular file"]);
        run([&["--pack", &pack], command].concat()).refused_last(&["no regular file"]);
    }
}

#[test]
fn where_backups_go_is_told_and_what_stands_in_their_way() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let config = at("chinhchu.toml");
    gallery(&at("people"));
    let check = |section: &str, more: &[&str]| {
        fs::write(&config, format!("[gallery]\ndata = \"people\"\n{section}")).unwrap();
        run([&["config", "check", "--config", &text(&config)], more].concat())
    };
    assert_eq!(check("", &["--json"]).ended(0).json().get("backup"), None);
    run(["keys", "new-master", &text(&at("backup.key"))]).ended(0);
    let key = "key = { file = \"backup.key\" }\n";
    let whole = format!("[backup]\nto = \"backups\"\n{key}keep = 14\nkeep_days = 90\nrate_mb = 200\n");
    let strict = ["--json", "--strict", "--insist", "NO_ANCHOR"];
    let found = check(&whole, &strict).ended(0).json()["backup"].clone();
    assert_eq!(found["to"], text(&at("backups")));
    assert!(found["key"].as_str().unwrap().contains("backup.key"), "{found}");
    assert_eq!([&found["keep"], &found["keep_days"], &found["rate_mb"]], [14, 90, 200]);
    assert_eq!(found.get("problem"), None);
    crate::support::assert_documented("operating.md", &found);
    assert!(!at("backups").exists(), "it makes nothing");
    let told = check(&whole, &[]).ended(0).stdout;
    for part in ["backups: to ", "backup.key", "the newest 14 and those of 90 days stay", "at most 200 MB"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let secret = fs::read_to_string(at("backup.key")).unwrap();
    assert!(!told.contains(secret.trim()), "nothing of the key");

    let in_gallery = format!("[backup]\nto = \"people/backups\"\n{key}");
    let beside_key = format!("[backup]\nto = \".\"\n{key}");
    let others = format!("[backup]\nto = \"letters\"\n{key}");
    let in_file = format!("[backup]\nto = \"people.cbk\"\n{key}");
    fs::create_dir(at("letters")).unwrap();
    fs::write(at("letters/chinhchu-backups"), "2\n").unwrap();
    for (section, parts) in [
        ("[backup]\nto = \"backups\"\n", &["no key", "keys new-master"][..]),
        ("[backup]\nto = \"backups\"\nkey = { file = \"none.key\" }\n", &["none.key"]),
        (&in_gallery, &["gallery's folder"]),
        (&beside_key, &["lies in the folder of the backups"]),
        (&others, &["letters"]),
        (&in_file, &["backup.to", "names a file"]),
    ] {
        let told = check(section, &[]).ended(0).stdout;
        assert!(told.contains("no backup can be taken"), "{section}: {told}");
        assert!(parts.iter().all(|part| told.contains(part)), "{section}: {told}");
        // A server starts all the same; whoever wants more asks for it.
        let strict = check(section, &strict).ended(1).json();
        assert_eq!(strict["starts"], true);
        assert!(strict["backup"]["problem"].is_string());
    }
}
