//! Two operators approve what decisions are made by, before a server starts with it and before it
//! takes it at a signal.

use crate::made::{Made, Server};
use crate::need_assets;
use crate::signer::{Signer, key_set};
use crate::support::{self, run};

/// An operator's key, made by the program, and the line of the configuration.
fn operator(made: &Made, name: &str) -> (String, String) {
    let file = made.beside(&format!("{name}.key"));
    let told = run(["config", "operator-key", &file]).ended(0).stdout;
    let public = told.lines().find_map(|line| line.strip_prefix("NAME = ")).expect("the line for the configuration");
    (file, format!("{name} = {public}\n"))
}

fn digest(made: &Made) -> (String, bool) {
    let answer = run(["config", "digest", "--config", &made.config(), "--json"]).ended(0).json();
    (answer["digest"].as_str().unwrap().to_owned(), answer["approved"].as_bool().unwrap())
}

fn approve(made: &Made, name: &str, key: &str, digest: &str) -> support::Ran {
    run(["config", "approve", "--config", &made.config(), "--as", name, "--key", key, "--digest", digest])
}

/// Loosened: more strangers pass.
const LOOSER: &str = "[policies.pension]\nchip_fmr = 1e-3\n";
const POLICY: &str = "[policies.pension]\nchip_fmr = 1e-4\n";

#[test]
fn a_change_takes_two_operators_at_the_start_and_at_a_signal() {
    need_assets!();
    let made = Made::new();
    let [an, binh, chi] = ["an", "binh", "chi"].map(|name| operator(&made, name));
    let gallery = format!("[gallery]\ndata = \"{}\"\n[cases]\ncapture_days = 0\n", made.beside("people"));
    let operators = format!("[access.operators]\n{}{}", an.1, binh.1);
    let machine = "[access.machines.desk]\nuri = \"spiffe://vss.test/desk\"\nroles = [\"workflow\"]\n";
    let with = |policy: &str, operators: &str| made.configure(&format!("{gallery}{policy}{machine}{operators}"));
    with(POLICY, &operators);
    std::fs::create_dir_all(made.beside("people")).unwrap();
    let serve = || run(["serve", "--config", &made.config(), "--create"]);
    serve().refused_last(&["0 of 2 operators", "config approve"]);
    let (first, approved) = digest(&made);
    assert!(!approved);
    // An operator approves what they have read, by their own key.
    approve(&made, "an", &an.0, &"0".repeat(64)).refused(&["--digest", &first]);
    approve(&made, "an", &binh.0, &first).refused(&["not the key of an"]);
    approve(&made, "eve", &chi.0, &first).refused(&["--as eve"]);
    approve(&made, "an", &an.0, &first).ended(0);
    serve().refused_last(&["1 of 2 operators"]);
    // The same one twice is one, and says so.
    let approvals = made.config() + ".approvals";
    let before = std::fs::read(&approvals).unwrap();
    assert!(approve(&made, "an", &an.0, &first).ended(0).stdout.contains("before"));
    assert_eq!(std::fs::read(&approvals).unwrap(), before, "no second line");
    serve().refused_last(&["1 of 2 operators"]);
    let check = || run(["config", "check", "--config", &made.config(), "--create", "--json"]);
    assert!(check().ended(1).json()["approval"]["missing"].as_str().unwrap().contains("1 of 2 operators"));
    approve(&made, "binh", &binh.0, &first).ended(0);
    assert_eq!(check().ended(0).json()["approval"]["digest"], first);
    assert_eq!(digest(&made), (first.clone(), true));
    let server = Server::start_with(&made, &["--create"]);
    // A change that nobody has approved is told and not taken.
    with(LOOSER, &operators);
    support::signal(&server.child, libc::SIGHUP);
    let told = server.said("reload failed");
    assert!(told.contains("0 of 2 operators") && told.contains("chinhchu.toml"), "{told}");
    let (second, approved) = digest(&made);
    assert!(!approved && second != first, "a policy is part of what is approved");
    approve(&made, "an", &an.0, &second).ended(0);
    approve(&made, "binh", &binh.0, &second).ended(0);
    support::signal(&server.child, libc::SIGHUP);
    assert!(server.said("reloaded").contains("policies"));
    drop(server);
    // Nobody names operators of their own: those before them approve who comes next.
    with(LOOSER, &format!("[access.operators]\n{}{}", binh.1, chi.1));
    let (third, _) = digest(&made);
    approve(&made, "chi", &chi.0, &third).refused(&["--as chi"]);
    approve(&made, "binh", &binh.0, &third).ended(0);
    serve().refused_last(&["1 of 2 operators", "before this one"]);
    approve(&made, "an", &an.0, &third).ended(0);
    let server = Server::start_with(&made, &[]);
    drop(server);
    // Without a configuration nobody has approved anything.
    let people = made.beside("people");
    run(["serve", "--data", &people]).refused_last(&["no configuration is named (--config): 0 of 2 operators"]);
    // From now on the new ones do; taking all of them out is a change like any other.
    with(POLICY, "");
    serve().refused_last(&["0 of 2 operators"]);
    let (fourth, _) = digest(&made);
    approve(&made, "chi", &chi.0, &fourth).ended(0);
    approve(&made, "binh", &binh.0, &fourth).ended(0);
    drop(Server::start_with(&made, &[]));
    with(LOOSER, "");
    assert!(check().ended(0).json()["approval"].is_null(), "nobody approves any more");
}

#[test]
fn an_operators_key_is_its_owners_alone_and_nothing_is_overwritten() {
    use std::os::unix::fs::PermissionsExt;
    need_assets!();
    let made = Made::new();
    let [an, binh] = ["an", "binh"].map(|name| operator(&made, name));
    let mode = |path: &str| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&an.0), 0o600);
    let before = std::fs::read(&an.0).unwrap();
    run(["config", "operator-key", &an.0]).refused(&["an.key", "not there"]);
    assert_eq!(std::fs::read(&an.0).unwrap(), before);
    made.configure(&format!("[access.operators]\n{}{}", an.1, binh.1));
    let (digest, _) = digest(&made);
    std::fs::set_permissions(&an.0, std::fs::Permissions::from_mode(0o640)).unwrap();
    approve(&made, "an", &an.0, &digest).refused(&["an.key", "chmod 600"]);
    let approvals = made.config() + ".approvals";
    assert!(!std::path::Path::new(&approvals).exists(), "nothing was approved");
}

/// A configuration with token keys in a file, which holds one key.
fn with_token_keys(made: &Made, more: &str) -> std::path::PathBuf {
    let keys = std::path::PathBuf::from(made.beside("jwks.json"));
    write_keys(&keys, 1);
    let tokens =
        "[access.tokens]\nissuer = \"https://login.example.vn\"\naudience = \"chinhchu\"\nkeys = \"jwks.json\"\n";
    let machine = "[access.machines.desk]\nuri = \"spiffe://vss.test/desk\"\nroles = [\"workflow\"]\n";
    made.configure(&format!("{machine}{tokens}{more}"));
    keys
}

/// So many keys, whole or not at all.
fn write_keys(path: &std::path::Path, count: u8) {
    let keys: Vec<_> = (1..=count).map(|seed| Signer::ed25519([seed; 32]).jwk(&format!("key-{seed}"))).collect();
    let new = path.with_extension("new");
    std::fs::write(&new, key_set(&keys)).unwrap();
    std::fs::rename(new, path).unwrap();
}

#[test]
fn who_may_call_and_what_is_typed_are_part_of_what_operators_approve() {
    need_assets!();
    let made = Made::new();
    let [an, binh] = ["an", "binh"].map(|name| operator(&made, name));
    let keys = with_token_keys(&made, &format!("[access.operators]\n{}{}", an.1, binh.1));
    let (first, _) = digest(&made);
    let typed = |more: &[&str]| {
        let told = run([&["config", "digest", "--config", &made.config()], more].concat()).ended(0).stdout;
        told.trim().to_owned()
    };
    assert_eq!(typed(&["--curve", "worst-group"]), first, "as it is without a word");
    assert_ne!(typed(&["--curve", "pooled"]), first, "another curve");
    assert_ne!(typed(&["--data", &made.beside("others")]), first, "other people");
    // A key of whoever would like to be an officer, and an authority of whoever would like to be a desk.
    write_keys(&keys, 2);
    assert_ne!(digest(&made).0, first, "a key for tokens");
    write_keys(&keys, 1);
    let mut authorities = std::fs::read_to_string(made.path("ca.pem")).unwrap();
    let whole = authorities.clone();
    authorities += &std::fs::read_to_string(Made::new().path("ca.pem")).unwrap();
    std::fs::write(made.path("ca.pem"), authorities).unwrap();
    assert_ne!(digest(&made).0, first, "an authority of clients");
    std::fs::write(made.path("ca.pem"), whole).unwrap();
    // What is renewed day by day takes nobody's word.
    made.keys(&["revoke"], &[&support::text(&made.path("desk.pem"))]).ended(0);
    made.keys(&["server"], &["--name", "localhost", "--file", "second"]).ended(0);
    for end in ["pem", "key"] {
        std::fs::rename(made.path(&format!("second.{end}")), made.path(&format!("server.{end}"))).unwrap();
    }
    assert_eq!(digest(&made).0, first, "revocation lists and the server's own certificate");
    for (name, key) in [("an", &an.0), ("binh", &binh.0)] {
        approve(&made, name, key, &first).ended(0);
    }
    drop(Server::start(&made));
    run(["serve", "--config", &made.config(), "--curve", "pooled"]).refused_last(&["0 of 2 operators"]);
}

#[test]
fn a_running_server_knows_nobody_new_until_two_operators_have_approved_them() {
    need_assets!();
    let made = Made::new();
    let [an, binh] = ["an", "binh"].map(|name| operator(&made, name));
    let keys = with_token_keys(&made, &format!("[access.operators]\n{}{}", an.1, binh.1));
    let both = |digest: &str| {
        approve(&made, "an", &an.0, digest).ended(0);
        approve(&made, "binh", &binh.0, digest).ended(0);
    };
    both(&digest(&made).0);
    let server = Server::start(&made);
    // Read by itself, and not taken.
    write_keys(&keys, 2);
    let told = server.said("the keys for tokens could not be read");
    assert!(told.contains("0 of 2 operators") && told.contains("jwks.json"), "{told}");
    let (second, _) = digest(&made);
    support::signal(&server.child, libc::SIGHUP);
    let told = server.said("reload failed");
    assert!(told.contains("0 of 2 operators") && told.contains(&second), "{told}");
    both(&second);
    assert!(server.said("keys for tokens").contains("keys=2"), "taken as soon as it is approved");
    let other = std::fs::read_to_string(Made::new().path("ca.pem")).unwrap();
    let authorities = std::fs::read_to_string(made.path("ca.pem")).unwrap();
    std::fs::write(made.path("ca.pem"), authorities + &other).unwrap();
    support::signal(&server.child, libc::SIGHUP);
    assert!(server.said("reload failed").contains("0 of 2 operators"));
    both(&digest(&made).0);
    support::signal(&server.child, libc::SIGHUP);
    let told = server.said("reloaded");
    assert!(told.contains("authorities of clients") && told.contains("token keys"), "{told}");
}

#[test]
fn without_operators_keys_are_taken_at_once_and_a_reload_says_which_are_new_and_that_some_are_gone() {
    need_assets!();
    let made = Made::new();
    let keys = with_token_keys(&made, "");
    let server = Server::start(&made);
    write_keys(&keys, 2);
    support::signal(&server.child, libc::SIGHUP);
    let told = server.said("reloaded");
    let changed = told.split("unchanged").next().unwrap();
    assert!(changed.contains("token keys") && changed.contains("(2)"), "{told}");
    write_keys(&keys, 1);
    support::signal(&server.child, libc::SIGHUP);
    let told = server.said("reloaded");
    assert!(told.contains("fewer_than_before") && told.contains("token keys: 1 instead of 2"), "{told}");
}
