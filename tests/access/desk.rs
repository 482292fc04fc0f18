//! The commands of desks and officers against a server that knows its callers: what they show, what
//! they need not be told, and what the log says of calls that are refused.

use crate::made::Server;
use crate::need_assets;
use crate::office::Office;
use crate::support::{Ran, photo, run, text};

/// An office, with its server at work.
struct Desk {
    office: Office,
    server: Server,
}

impl Desk {
    fn open() -> Self {
        let office = Office::open("");
        let server = office.server(&["--log", "debug"]);
        Self { office, server }
    }

    fn token(&self, subject: &str, role: &str) -> String {
        self.office.token(subject, role)
    }

    fn by_desk(&self, command: &[&str]) -> Ran {
        self.office.by_desk(&self.server, command)
    }

    fn by_token(&self, token: &str, command: &[&str]) -> Ran {
        self.office.by(&self.server, token, command)
    }
}

#[test]
fn a_desk_that_sees_no_scores_is_told_the_decision() {
    need_assets!();
    let desk = Desk::open();
    let [face, same, other] = ["obama.jpg", "obama2.jpg", "biden.jpg"].map(|name| text(&photo(name)));
    // A registrar sees measures: this person is a counter alone.
    let counter = desk.token("clerk-1", "counter");
    let json = desk.by_token(&counter, &["verify", &face, &same, "--json"]).ended(0).json();
    assert_eq!(json["decision"], "match");
    let answer = json.as_object().unwrap();
    for kept in ["score", "fmr", "fmr_requested", "threshold", "threshold_extrapolated", "calibration_group"] {
        assert!(!answer.contains_key(kept), "{kept} in {json}");
    }
    let seen = json["reference"].as_object().unwrap();
    assert!(seen.contains_key("face") && !seen.contains_key("detection") && !seen.contains_key("eye_distance"));
    let told = desk.by_token(&counter, &["verify", &face, &other]).ended(1).stdout;
    assert!(told.starts_with("NO MATCH\n") && told.contains("keeps score") && !told.contains("0.0000"), "{told}");
    // Whoever may see them does.
    let workflow = desk.token("system-1", "workflow");
    let json = desk.by_token(&workflow, &["verify", &face, &same, "--json"]).ended(0).json();
    assert!(json["score"].as_f64().unwrap() > 0.0 && json["reference"]["detection"].as_f64().unwrap() > 0.0);
}

#[test]
fn an_officer_whom_the_token_names_need_not_say_who_they_are() {
    need_assets!();
    let desk = Desk::open();
    for (subject, name) in [("person-1", "obama.jpg"), ("person-2", "biden.jpg")] {
        desk.by_desk(&["enroll", subject, &text(&photo(name))]).ended(0);
    }
    let officer = desk.token("officer-7", "officer");
    let clear = ["case", "clear", "person-1", "person-2", "--reason", "twins"];
    desk.by_desk(&clear).refused(&["--officer ID (or --by ID) is missing", "--token-file"]);
    run([&clear[..], &["--data", &desk.office.made.beside("others")]].concat())
        .refused(&["--officer ID (or --by ID) is missing"]);
    desk.by_token(&officer, &clear).ended(0);
    let auditor = desk.token("auditor-1", "auditor");
    let pairs = desk.by_token(&auditor, &["case", "pairs", "--json"]).ended(0).stdout;
    assert!(pairs.contains("officer-7"), "{pairs}");
    desk.by_token(&officer, &["case", "unclear", "person-1", "person-2", "--reason", "not twins"]).ended(0);
    let resolve = ["case", "resolve", "t-1", "--attempt", "1", "--outcome", "deny", "--reason", "seen"];
    // Nobody asked about this transaction; the officer was let through to be told so.
    assert!(desk.by_token(&officer, &resolve).ended(1).stdout.contains("no such decision"));
    desk.by_token(&officer, &[&resolve[..], &["--officer", "officer-8"]].concat())
        .refused(&["somebody else as its author"]);
}

#[test]
fn calls_that_access_control_refuses_are_told_in_the_log_without_the_persons_name() {
    need_assets!();
    let desk = Desk::open();
    let face = text(&photo("obama.jpg"));
    desk.by_desk(&["identify", &face]).refused(&["Your role may not do this"]);
    let line = desk.server.said("not authorised");
    assert!(line.contains("ROLE_NOT_ALLOWED") && line.contains("Identify") && line.contains("desk"), "{line}");
    let sum = desk.server.said("refused: may not call");
    assert!(sum.contains("WARN") && sum.contains("ROLE_NOT_ALLOWED") && sum.contains("count=1"), "{sum}");
    let clerk = desk.token("clerk-of-the-year", "counter");
    desk.by_token(&clerk, &["identify", &face]).refused(&["Your role may not do this"]);
    let line = desk.server.said("not authorised");
    assert!(!line.contains("clerk-of-the-year") && !line.contains("machine"), "{line}");
}
