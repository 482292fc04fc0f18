//! Two operators approve what decisions are made by, before a server starts with it and before it
//! takes it at a signal.

use crate::made::{Made, Server};
use crate::need_assets;
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
    // The same one twice is one.
    approve(&made, "an", &an.0, &first).ended(0);
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
