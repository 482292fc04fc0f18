//! `[access]` as an operator writes it: what cannot be meant stops the start with file and line, and
//! `chinhchu access check` says what a configuration allows.

use crate::made::Made;
use crate::need_assets;
use crate::support::run;

const MACHINES: &str = "\
[access.machines.payments]
uri = \"spiffe://vss.test/payments\"
roles = [\"workflow\"]
[access.machines.desk]
uri = \"spiffe://vss.test/desk\"
roles = [\"counter\"]
unit = \"Q1\"
province = \"79\"
[access.machines.office]
uri = \"spiffe://vss.test/office\"
people = [\"counter\", \"officer\"]
unit = \"Q1\"
province = \"79\"
";

#[test]
fn a_table_of_access_that_cannot_be_meant_stops_the_start_with_its_line_and_a_remedy() {
    need_assets!();
    let made = Made::new();
    let first = made.configure(MACHINES);
    let check = || run(["config", "check", "--config", &made.config()]);
    assert_ne!(check().code, Some(2));
    let end = first + MACHINES.lines().count();
    for (more, line, parts) in [
        (
            "[access.machines.b]\nuri = \"urn:b\"\nroles = [\"root\"]\n",
            end + 2,
            ["roles", "no role `root`", "workflow, counter"],
        ),
        ("[access.machines.b]\nuri = \"urn:b\"\nroles = [\"officer\"]\n", end + 2, ["roles", "officer", "a person"]),
        ("[access.machines.b]\nroles = [\"clinic\"]\n", end, ["access.machines.b", "`uri` or `dns`", "give it"]),
        (
            "[access.machines.second]\nuri = \"spiffe://vss.test/desk\"\nroles = [\"clinic\"]\n",
            end,
            ["access.machines", "known by the same name", "a name of its own"],
        ),
        (
            "[access.roles.clinic]\nwithout = [\"Verify\", \"Verify\"]\n",
            end + 1,
            ["without", "`Verify`", "twice; remove one"],
        ),
        ("[access.roles.clinic]\nwithout = [\"Guess\"]\n", end + 1, ["without", "no method `Guess`", "docs/access.md"]),
        ("[access.roles.chef]\n", end, ["access.roles.chef", "no role `chef`", "auditor"]),
        ("[access.roles.clinic]\nfields = [\"names\"]\n", end + 1, ["fields", "`names`", "match_scores"]),
        ("[access.machines.desk]\nuri = \"urn:x\"\n", end, ["duplicate key", "line", "chinhchu.toml"]),
        ("[access.tokens]\nissuer = \"https://login.example\"\n", end, ["access.tokens", "audience", "audience"]),
        (
            "[access.tokens]\nissuer = \"https://login.example\"\naudience = \"a\"\nkeys = \"absent.json\"\n",
            end + 3,
            ["access.tokens.keys", "absent.json", "No such file"],
        ),
        (
            "[access.tokens]\nissuer = \"https://login.example\"\naudience = \"a\"\nalgorithms = [\"none\"]\n",
            end + 3,
            ["access.tokens.algorithms", "none", "ES256"],
        ),
        ("[access.operators]\nan = \"x\"\n", end + 1, ["access.operators.an", "Ed25519", "operator-key"]),
        ("[access.guests]\n", end, ["guests", "unknown field", "machines"]),
    ] {
        made.configure(&format!("{MACHINES}{more}"));
        let place = format!("line {line}");
        let ran = check();
        assert_eq!(ran.code, Some(2), "{more}: {ran:?}");
        for part in ["chinhchu.toml", place.as_str(), parts[0], parts[1], parts[2]] {
            assert!(ran.stderr.contains(part), "{more}: no {part:?} in {}", ran.stderr);
        }
        let served = run(["serve", "--config", &made.config()]);
        assert_eq!(served.code, Some(2), "{more}: {served:?}");
    }
}

#[test]
fn a_key_that_others_can_read_stops_the_start() {
    use std::os::unix::fs::PermissionsExt;
    need_assets!();
    let made = Made::new();
    made.configure(MACHINES);
    std::fs::set_permissions(made.path("server.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    run(["config", "check", "--config", &made.config()]).refused(&["line 5", "tls.key", "server.key", "chmod 600"]);
    std::fs::remove_file(made.path("server.key")).unwrap();
    run(["config", "check", "--config", &made.config()]).refused(&["line 5", "tls.key", "server.key"]);
}

#[test]
fn machines_that_could_never_be_known_stop_the_start() {
    need_assets!();
    let made = Made::new();
    let first = made.configure(MACHINES);
    let whole = std::fs::read_to_string(made.config()).unwrap();
    let without = whole.replace("client_ca = \"pki/ca.pem\"\nclient_crl = [\"pki/ca.crl\"]\n", "");
    std::fs::write(made.config(), &without).unwrap();
    let line = format!("line {}: access.machines", first - 2);
    let parts = [line.as_str(), "no machine can be known", "tls.client_ca"];
    run(["config", "check", "--config", &made.config()]).refused(&parts);
    run(["serve", "--config", &made.config()]).refused_last(&parts);
    std::fs::write(made.config(), MACHINES).unwrap();
    run(["config", "check", "--config", &made.config()]).refused(&["line 1: access.machines", "tls.client_ca"]);
    // People are known by their tokens alone.
    let keys = made.beside("jwks.json");
    std::fs::write(&keys, crate::signer::key_set(&[crate::signer::Signer::ed25519([1; 32]).jwk("one")])).unwrap();
    let tokens = "[access.tokens]\nissuer = \"https://login.example\"\naudience = \"a\"\nkeys = \"jwks.json\"\n";
    std::fs::write(made.config(), tokens).unwrap();
    assert_ne!(run(["config", "check", "--config", &made.config()]).code, Some(2));
}

#[test]
fn a_certificate_for_clients_is_none_for_a_server_and_names_no_machine_can_have_get_none() {
    need_assets!();
    let made = Made::new();
    for end in ["pem", "key"] {
        std::fs::copy(made.path(&format!("desk.{end}")), made.path(&format!("server.{end}"))).unwrap();
    }
    let parts = ["line 4: tls.certificate", "server.pem", "made for clients alone", "made for servers"];
    run(["config", "check", "--config", &made.config()]).refused(&parts);
    run(["serve", "--config", &made.config()]).refused_last(&parts);
    made.keys(&["client"], &["--name", "x", "--uri", "nonsense"]).refused(&["--uri: this is no URI"]);
    made.keys(&["client"], &["--name", "x", "--dns", "*.test"]).refused(&["--dns: this is no name of one machine"]);
    assert!(!made.path("x.pem").exists() && !made.path("x.key").exists());
}

#[test]
fn access_check_says_why_something_is_allowed_and_why_not() {
    let made = Made::new();
    made.configure(&format!("{MACHINES}[access.roles.counter]\nfields = [\"measures\"]\nwithout = [\"Assess\"]\n"));
    let ask = |args: &[&str]| run([&["access", "check", "--config", made.config().as_str()], args].concat());
    let says = |args: &[&str], code, parts: &[&str]| {
        let ran = ask(args).ended(code);
        for part in parts {
            assert!(ran.stdout.contains(part), "{args:?}: no {part:?} in {}", ran.stdout);
        }
    };
    says(&["--as", "payments", "Identify"], 0, &["as workflow", "every record and case", "identifications a day"]);
    says(&["--as", "desk", "Verify"], 0, &["as counter", "measures"]);
    says(&["--as", "desk", "Identify"], 1, &["ROLE_NOT_ALLOWED", "roles that may: workflow, officer, auditor"]);
    says(&["--as", "desk", "Assess"], 1, &["ROLE_NOT_ALLOWED", "workflow, clinic"]);
    ask(&["--as", "guest", "Verify"]).refused(&["--as", "[access.machines]"]);
    says(&["Verify"], 1, &["UNAUTHENTICATED"]);
    says(&["Health/Check"], 0, &["everybody"]);
    let officer =
        ["--as", "office", "--roles", "officer,auditor", "--unit", "Q1", "--province", "79", "ResolveReferral"];
    says(&officer, 0, &["as officer", "the unit Q1"]);
    says(&["--as", "office", "--roles", "officer", "--unit", "Q2", "Verify"], 1, &["CALLER_PLACES_DIFFER"]);
    // The machine lets people through as counters and officers alone.
    says(&["--as", "office", "--roles", "auditor", "ListClearedPairs"], 1, &["ROLE_NOT_ALLOWED"]);
    says(&["--roles", "auditor", "ListClearedPairs"], 0, &["as auditor", "every record and case"]);
    // What is behind it: a role that the machine holds back, one that was taken a method, two places.
    let held = ["as counter, officer alone", "access.machines.office.people", "takes away from this person: auditor"];
    says(&["--as", "office", "--roles", "auditor", "ListClearedPairs"], 1, &held);
    let held = ["access.machines.desk.people", "takes away from this person: officer"];
    says(&["--as", "desk", "--roles", "officer", "ResolveReferral"], 1, &held);
    says(&officer, 0, &["takes away from this person: auditor"]);
    says(&["--as", "desk", "Assess"], 1, &["access.roles.counter.without takes Assess away"]);
    says(&["--as", "desk", "--roles", "officer", "Verify"], 1, &["without one, as counter"]);
    let differ = ["the machine desk is of the unit Q1 in the province 79", "the token of the unit Q2"];
    says(&["--as", "desk", "--roles", "officer", "--unit", "Q2", "Verify"], 1, &differ);
    says(&["--roles", "officer", "--unit", "Q1", "Enroll"], 0, &["only to vouch"]);
    let registrar = ask(&["--roles", "officer,registrar", "--unit", "Q1", "Enroll"]).ended(0).stdout;
    assert!(!registrar.contains("vouch"), "{registrar}");
    let json = ask(&["--as", "office", "--roles", "auditor", "ListClearedPairs", "--json"]).ended(1).json();
    assert_eq!(json["roles_not_let_through"], serde_json::json!(["auditor"]));
    assert_eq!(json["remarks"].as_array().unwrap().len(), 1);
    let json = ask(&["--as", "desk", "Verify", "--json"]).ended(0).json();
    assert_eq!(
        (&json["allowed"], &json["roles"][0], &json["fields"][0]),
        (&true.into(), &"counter".into(), &"measures".into())
    );
    let json = ask(&["--as", "desk", "Identify", "--json"]).ended(1).json();
    assert_eq!((&json["allowed"], &json["reason"]), (&false.into(), &"ROLE_NOT_ALLOWED".into()));
    ask(&["--as", "desk", "Guess"]).refused(&["Guess", "docs/access.md"]);
    ask(&["--roles", "root", "Verify"]).refused(&["root", "auditor"]);
    made.configure("");
    ask(&["--as", "desk", "Verify"]).refused(&["[access]"]);
}
