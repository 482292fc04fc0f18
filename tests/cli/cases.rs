//! `chinhchu subject` and `chinhchu case`: the life of cases by the command line, on a folder and
//! against a server.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::counter::{Both, configure, copy, day_at_the_counter};
use crate::need_assets;
use crate::support::{Serving, assert_documented, chinhchu, manifest, photo, read_lines, run, signal, text, wait};

/// A field of every entry of a list.
fn each(list: &Value, array: &str, field: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    list[array].as_array().unwrap().iter().map(|entry| text(&entry[field])).collect()
}

#[test]
fn the_whole_life_of_cases_is_read_and_answered_by_the_command_line_here_and_by_a_server() {
    need_assets!();
    let scratch = tempfile::tempdir().unwrap();
    let config = configure(scratch.path());
    let [data, served] = ["people", "served"].map(|name| scratch.path().join(name));
    day_at_the_counter(&data, &config);
    copy(&data, &served);
    let both = Both { folder: text(&data), server: Serving::start_with(&served, &["--config", &config]) };

    subjects(&both);
    lists(&both);
    captures(&both);
    shows(&both);
    officers(&both);
    pairs(&both);
    rights(&both);

    // A folder that a server has open is the server's.
    run(["case", "list", "--data", &text(&served)]).refused(&["in use", "--server URL"]);
    assert_eq!(both.server.terminate(), Some(0));
    run(["case", "list", "--data", &text(&served)]).ended(0);
    duties(&served, &config);
}

/// What is overdue and what is kept no longer is said by a server, with numbers alone.
fn duties(data: &Path, config: &str) {
    let (folder, days) =
        (text(data), "\n[cases]\nhistory_days = 1\ncapture_days = 1\n[retention]\ndecision_days = 1\n");
    let with_days = Path::new(config).with_file_name("retention.toml");
    std::fs::write(&with_days, std::fs::read_to_string(config).unwrap() + days).unwrap();
    let with_days = text(&with_days);
    let retain = ["gallery", "retain", "--data", &folder, "--json"];
    run(retain.iter().chain(&["--config", config])).refused(&["[retention]"]);
    let answer = run(retain.iter().chain(&["--config", &with_days, "--dry-run"])).ended(0).json();
    assert_eq!((&answer["dry_run"], &answer["decisions"], &answer["kept"]), (&json!(true), &json!(0), &json!(0)));
    assert_documented("rights.md", &answer);
    run(["gallery", "retain", "--server", "http://127.0.0.1:1"])
        .refused(&["a server does this by itself", "--data DIR"]);
    let show = || run(["gallery", "show", &folder, "--json", "--config", config]).ended(0).json()["retention"].clone();
    assert_eq!(show(), Value::Null, "a dry run is none");
    let did = run(retain.iter().chain(&["--config", &with_days])).ended(0).json();
    assert_eq!((&show()["ended_at"], &show()["decisions"]), (&did["ended_at"], &json!(0)));

    let ask = ["subject", "request", "open", "record-1", "--kind", "access", "--requester", "person", "--by", "o-1"];
    run(ask.iter().chain(&["--reason", "asked", "--received", "2026-03-02", "--data", &folder])).ended(0);
    let mut child = chinhchu()
        .args(["serve", "--listen", "127.0.0.1:0", "--data", &folder, "--config", &with_days])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = read_lines(child.stderr.take().unwrap());
    let (mut overdue, mut retention) = (None, None);
    while overdue.is_none() || retention.is_none() {
        let line = lines.recv_timeout(Duration::from_secs(60)).expect("the server says both");
        if line.contains("requests of people are overdue") {
            overdue = Some(line);
        } else if line.contains("retention took away") {
            retention = Some(line);
        }
    }
    let (overdue, retention) = (overdue.unwrap(), retention.unwrap());
    assert!(overdue.contains("overdue=1") && overdue.contains("open=1") && !overdue.contains("record-1"), "{overdue}");
    assert!(retention.contains("decisions=0") && retention.contains("kept=0"), "{retention}");
    signal(&child, libc::SIGTERM);
    assert_eq!(wait(&mut child), Some(0));
}

fn subjects(both: &Both) {
    let all = both.json(&["subject", "list"], 0);
    assert_eq!(each(&all, "subjects", "subject_id"), ["record-1", "record-3"]);
    assert_eq!(all["next"], Value::Null);
    let one = &all["subjects"][1];
    assert_eq!((&one["schemes"], &one["province"], &one["unit"]), (&json!(["health"]), &json!("79"), &json!("Quận 1")));
    assert_eq!(one["templates"], 1);
    let filtered = |filter: &[&str], code| both.json(&[&["subject", "list"], filter].concat(), code);
    assert_eq!(each(&filtered(&["--scheme", "bhyt"], 0), "subjects", "subject_id"), ["record-3"]);
    assert!(each(&filtered(&["--province", "1"], 1), "subjects", "subject_id").is_empty());
    // Page by page: the same list, and no token of another.
    let first = both.json(&["subject", "list", "--limit", "1"], 0);
    assert_eq!(each(&first, "subjects", "subject_id"), ["record-1"]);
    let next = first["next"].as_str().unwrap();
    let second = both.json(&["subject", "list", "--after", next, "--all"], 0);
    assert_eq!(each(&second, "subjects", "subject_id"), ["record-3"]);
    let told = both.text(&["subject", "list", "--limit", "1"], 0);
    assert!(told.starts_with("record-1  templates 1  ") && told.contains(&format!("--after {next}")), "{told}");
    both.refused(&["case", "list", "--after", next], &["--after", "no token of this list"]);
    both.refused(&["subject", "list", "--after", "zz"], &["--after", "no token of this list"]);
    assert_eq!(both.text(&["subject", "list", "--province", "1"], 1), "no such subject is enrolled\n");

    let shown = both.json(&["subject", "show", "record-3"], 0);
    assert_eq!((&shown["found"], &shown["enrolled_by"]), (&json!(true), &json!(["clerk-2"])));
    assert_eq!((&shown["templates"][0]["source"], &shown["last_verified"]), (&json!("chip"), &json!({})));
    assert!(!shown.to_string().contains("vector"), "{shown}");
    let shown = both.json(&["subject", "show", "record-1"], 0);
    assert!(shown["last_verified"]["social"].as_str().unwrap().ends_with('Z'), "{shown}");
    let told = both.text(&["subject", "show", "record-3"], 0);
    for part in ["record-3  schemes health  province 79  unit Quận 1\n", "  chip", "\nenrolled by clerk-2"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(both.json(&["subject", "show", "record-9"], 1), json!({ "found": false }));
    assert_eq!(both.text(&["subject", "show", "record-9"], 1), "no such subject\n");
    both.refused(&["subject", "show", " record-1"], &["1 to 128 bytes"]);

    assert_eq!(both.json(&["subject", "count"], 0), json!({ "subjects": 2, "templates": 2 }));
    assert_eq!(both.json(&["subject", "count", "--scheme", "health"], 0), json!({ "subjects": 1, "templates": 1 }));
    assert_eq!(both.text(&["subject", "count", "--province", "99"], 0), "0 subjects, 0 templates\n");
}

fn lists(both: &Both) {
    let cases = |filter: &[&str], code| {
        let list = both.json(&[&["case", "list"], filter].concat(), code);
        let each = |field| each(&list, "cases", field);
        each("transaction_id").into_iter().zip(each("attempt")).map(|(of, attempt)| of + "/" + &attempt).collect()
    };
    let none: [&str; 0] = [];
    let all: Vec<String> = cases(&[], 0);
    assert_eq!(all, ["t-1/1", "t-2/1", "t-3/1", "t-3/2", "t-4/1"]);
    assert_eq!(cases(&["--waiting"], 0), ["t-2/1", "t-4/1"]);
    assert_eq!(cases(&["--waiting", "--subject", "record-2"], 0), ["t-4/1"]);
    assert_eq!(cases(&["--waiting", "--limit", "1", "--reason", "DUPLICATE_FACE"], 0), ["t-4/1"]);
    assert_eq!(cases(&["--outcome", "deny"], 0), ["t-3/1", "t-3/2"]);
    assert_eq!(cases(&["--reason", "SEX_DIFFERS"], 0), ["t-2/1"]);
    assert_eq!(cases(&["--subject", "record-9"], 1), none);
    assert_eq!(cases(&["--since", "2999-01-01"], 1), none);
    assert_eq!(cases(&["--since", "2020-01-01", "--until", "2999-01-01T00:00:00+07:00"], 0), all);
    assert_eq!(cases(&["--until", "2020-01-01"], 1), none);
    // A list in parts is the list.
    let first = both.json(&["case", "list", "--limit", "2"], 0);
    let rest = cases(&["--all", "--after", first["next"].as_str().unwrap()], 0);
    assert_eq!(rest, all[2..]);
    let told = both.text(&["case", "list", "--waiting"], 0);
    let lines: Vec<&str> = told.lines().collect();
    assert!(
        lines[0].contains(
            "REFER    t-2  attempt 1  record-1  social  CAPTURE_SEEN_BEFORE, SEX_DIFFERS  waits for an officer until 20"
        ),
        "{told}"
    );
    assert_eq!(lines.len(), 2);
    let list = both.json(&["case", "list"], 0);
    for (case, waits) in list["cases"].as_array().unwrap().iter().zip([false, true, false, false, true]) {
        assert_eq!(case["answer_by"].is_string(), waits, "{case}");
    }
    let shown = both.json(&["case", "show", "t-2"], 0);
    assert_eq!(shown["answer_by"], list["cases"][1]["answer_by"]);

    both.refused(&["case", "list", "--reason", "UGLY"], &["docs/reasons.md"]);
    both.refused(&["case", "list", "--since", "05/03/2026"], &["2026-03-05"]);
    both.refused(&["case", "list", "--outcome", "maybe"], &["approve", "refer", "deny"]);
    both.refused(&["case", "list", "--limit", "0"], &["1 or more"]);
    both.refused(&["case", "list", "--limit", "3", "--all"], &["--all"]);
}

/// Every claim brought the capture of the first.
fn captures(both: &Both) {
    let list = both.json(&["case", "captures"], 0);
    let each_of = |list: &Value, field| each(list, "repeated_captures", field);
    assert_eq!(each_of(&list, "transaction_id"), ["t-2", "t-3", "t-3", "t-4"]);
    let last = &list["repeated_captures"][3];
    assert_eq!((&last["subject_id"], &last["unit"]), (&json!("record-2"), &json!("unit-7")));
    assert_eq!((&last["outcome"], &last["waits"], &last["resolved"]), (&json!("REFER"), &json!(true), &Value::Null));
    // Where it had been used: by each of them, oldest first; the same file.
    let earlier: Vec<Value> = last["captures"].as_array().unwrap().clone();
    let uses: Vec<_> = earlier.iter().map(|one| (&one["transaction_id"], &one["attempt"])).collect();
    let [one, two] = [json!(1), json!(2)];
    let [first, second, third] = ["t-1", "t-2", "t-3"].map(|transaction| json!(transaction));
    assert_eq!(uses, [(&first, &one), (&second, &one), (&third, &one), (&third, &two)]);
    for one in &earlier {
        assert_eq!((&one["subject_id"], &one["frame"]), (&json!("record-1"), &json!(0)));
        assert_eq!((&one["unit"], &one["distance"]), (&Value::Null, &Value::Null));
    }
    let parts = both.json(&["case", "captures", "--limit", "1"], 0);
    let rest = both.json(&["case", "captures", "--all", "--after", parts["next"].as_str().unwrap()], 0);
    assert_eq!(each_of(&rest, "transaction_id"), ["t-3", "t-3", "t-4"]);
    both.refused(&["case", "list", "--after", "zz"], &["--after", "no token of this list"]);

    let told = both.text(&["case", "captures"], 0);
    let line = told.lines().next().unwrap();
    let seen = "[capture 0 (the same file) in t-1, attempt 1, of record record-1, 20";
    assert!(line.contains("REFER    t-2  attempt 1  record-1  ") && line.contains(seen), "{told}");
    assert!(told.lines().last().unwrap().contains("  unit unit-7  [capture 0 "), "{told}");
    let shown = both.text(&["case", "show", "t-2"], 0);
    assert!(shown.contains(&format!("\n  used before: {}", &seen[1..])), "{shown}");
    assert_eq!(both.text(&["case", "captures", "--since", "2999-01-01"], 1), "no capture was used before\n");
}

fn shows(both: &Both) {
    let shown = both.json(&["case", "show", "t-3"], 0);
    assert_eq!((&shown["outcome"], &shown["attempt"], &shown["waits"]), (&json!("DENY"), &json!(2), &json!(false)));
    assert_eq!((&shown["officers_needed"], &shown["resolved"]), (&json!(2), &Value::Null));
    assert_eq!((&shown["subject_id"], &shown["clerk_id"]), (&json!("record-1"), &json!("clerk-1")));
    let reason = &shown["reasons"][0];
    assert_eq!((&reason["code"], &reason["consequence"]), (&json!("CHIP_ALTERED"), &json!("deny")));
    assert!(reason["message_vi"].as_str().unwrap().contains("chip"), "{reason}");
    let earlier = &shown["evidence"]["history"]["transaction"][0];
    assert_eq!((&earlier["attempt"], &earlier["outcome"]), (&json!(1), &json!("DENY")));
    assert!(!shown.to_string().contains("999088000017") && !shown.to_string().contains("Nguyễn"), "{shown}");

    let told = both.text(&["case", "show", "t-3"], 0);
    for part in [
        "DENY  t-3, attempt 2, of record record-1 (social), 20",
        "\npresented by clerk-1\npolicy counter\n",
        "\n  CHIP_ALTERED  deny: The chip's data is not what its issuer signed.",
        "(Dữ liệu của chip không đúng với bản cơ quan cấp đã ký.",
        "\n  chip ALTERED",
        "\n  before: attempt 1 DENY CHIP_ALTERED",
        "\n  other transactions of the record in 30 days: 2 attempts, 0 denied, 1 referred; CAPTURE_SEEN_BEFORE in 1; \
         SEX_DIFFERS in 1",
        "\nan officer may take it up; to approve it takes two\n",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let told = both.text(&["case", "show", "t-3", "--attempt", "1"], 0);
    assert!(told.ends_with("attempt 2 followed; officers answer the last one\n"), "{told}");
    let told = both.text(&["case", "show", "t-4"], 0);
    for part in [
        "\n  DUPLICATE_FACE  refer",
        "same face on other records: record-1 (score 0.",
        "\nwaits for an officer until 20",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let told = both.text(&["case", "show", "t-1"], 0);
    assert!(told.starts_with("APPROVE  t-1") && told.ends_with("waits for nobody\n"), "{told}");
    assert_eq!(both.json(&["case", "show", "t-9"], 1), json!({ "found": false }));
    assert_eq!(both.text(&["case", "show", "t-1", "--attempt", "2"], 1), "no such decision\n");
    both.refused(&["case", "show", "t 1"], &["a transaction's id is"]);
    both.refused(&["case", "show", "t-1", "--attempt", "0"], &["between 1 and"]);
}

fn officers(both: &Both) {
    let resolve = |transaction: &'static str, outcome: &'static str, officer: &'static str| {
        ["case", "resolve", transaction, "--outcome", outcome, "--officer", officer, "--reason", "đã xem giấy tờ gốc"]
    };
    both.refused(&resolve("t-2", "deny", "clerk-1"), &["presented"]);
    both.refused(&resolve("t-1", "deny", "officer-1"), &["was approved"]);
    assert_eq!(both.text(&resolve("t-9", "deny", "officer-1"), 1), "no such decision; nothing was recorded\n");
    let later = [&resolve("t-2", "deny", "officer-1")[..], &["--attempt", "7"]].concat();
    assert_eq!(both.json(&later, 1), json!({ "found": false }));
    // What is refused is not repeated: it may be somebody's number.
    let number = "079088000123";
    let with_number = ["case", "resolve", "t-2", "--outcome", "deny", "--officer", "officer-1", "--reason", number];
    let by_number = ["case", "resolve", "t-2", "--outcome", "deny", "--officer", number, "--reason", "seen"];
    for (args, part) in [(with_number, "--reason"), (by_number, "officer_id")] {
        for ran in both.run(&args) {
            ran.refused(&[part]);
            assert!(!ran.stderr.contains(number), "{ran:?}");
        }
    }

    let answer = both.json(&resolve("t-2", "deny", "officer-1"), 0);
    let expected = json!({
        "found": true, "transaction_id": "t-2", "attempt": 1, "resolved": "DENY", "resolved_at": null,
        "officers": 0, "officers_needed": 1,
    });
    assert_eq!(answer, expected);
    assert_eq!(
        both.text(&resolve("t-2", "deny", "officer-1"), 0),
        "t-2, attempt 1: denied; the transaction is closed\n"
    );
    both.refused(&resolve("t-2", "approve", "officer-2"), &["resolved"]);

    // Against an altered card it takes two, and an earlier attempt is past.
    let past = [&resolve("t-3", "approve", "officer-1")[..], &["--attempt", "1"]].concat();
    both.refused(&past, &["only the last attempt"]);
    let told = both.text(&resolve("t-3", "approve", "officer-1"), 0);
    assert_eq!(told, "t-3, attempt 2: recorded; another officer must approve as well (1 of 2)\n");
    let told = both.text(&["case", "show", "t-3"], 0);
    assert!(told.contains("\nofficer officer-1  APPROVE  20") && told.contains("  đã xem giấy tờ gốc\n"), "{told}");
    assert!(told.contains("\nwaits for another officer to approve as well (1 of 2) until 20"), "{told}");
    assert_eq!(each(&both.json(&["case", "list", "--waiting"], 0), "cases", "transaction_id"), ["t-3", "t-4"]);
    let answer = both.json(&resolve("t-3", "approve", "officer-2"), 0);
    assert_eq!((&answer["resolved"], &answer["officers"]), (&json!("APPROVE"), &json!(2)));
    let shown = both.json(&["case", "show", "t-3"], 0);
    assert_eq!((&shown["outcome"], &shown["resolved"]), (&json!("DENY"), &json!("APPROVE")), "what was decided stays");
    assert_eq!(each(&shown, "officer_answers", "officer_id"), ["officer-1", "officer-2"]);
    let told = both.text(&["case", "list", "--outcome", "deny"], 0);
    assert!(told.lines().nth(1).unwrap().ends_with("CHIP_ALTERED, CAPTURE_SEEN_BEFORE  officers: APPROVE"), "{told}");
}

/// Whoever defrauds a scheme has no evidence erased, and the person of a record learns what is kept.
fn rights(both: &Both) {
    fn by<'a>(action: &[&'a str], who: &'a str) -> Vec<&'a str> {
        [&["subject"], action, &["--by", who, "--reason", "theo yêu cầu"]].concat()
    }
    let answer = |args: &[&str], code| {
        let answer = both.json(args, code);
        if !args.contains(&"show") {
            assert_documented("rights.md", &answer);
        }
        answer
    };
    let person = ["--requester", "person"];
    let restrict = by(&[&["restrict", "record-3"][..], &person].concat(), "auditor-1");
    assert_eq!(answer(&restrict, 0)["action"], "restricted");
    assert_eq!(
        each(&answer(&["subject", "list", "--standing", "restricted"], 0), "subjects", "subject_id"),
        ["record-3"]
    );
    // What a court restricts beside the person does not end with that.
    answer(&by(&["restrict", "record-3", "--requester", "authority"], "auditor-1"), 0);
    both.refused(&by(&["lift", "record-3"], "auditor-1"), &["numbers 1, 2", "--number"]);
    let told = both.text(&["subject", "report", "record-3"], 0);
    for part in [
        "1. hạn chế xử lý theo yêu cầu của chủ thể dữ liệu / restricted by the request of the person [restricted]",
        "2. hạn chế xử lý theo yêu cầu của cơ quan có thẩm quyền / restricted by the request of an authority [restricted]",
        "đang có hiệu lực / in force",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(answer(&by(&["lift", "record-3", "--number", "1"], "auditor-1"), 0)["done"], true);
    let standing = answer(&["subject", "show", "record-3"], 0)["standing"].clone();
    let stands = |of: &Value| (of["number"].as_u64(), of["in_force"].as_bool(), of["ended"].as_u64());
    let stands: Vec<_> = standing.as_array().unwrap().iter().map(stands).collect();
    assert_eq!(stands, [(Some(1), Some(false), None), (Some(2), Some(true), None), (Some(3), Some(false), Some(1))]);
    assert_eq!(answer(&by(&["lift", "record-3"], "auditor-1"), 0)["done"], true);
    assert_eq!(answer(&by(&["lift", "record-3"], "auditor-1"), 1)["missing"], "NOT_RESTRICTED");
    // What is not there is said, and an officer is named by either word.
    let told = both.text(&by(&["lift", "record-3"], "auditor-1"), 1);
    assert_eq!(told, "the record is not restricted; nothing was done\n");
    let as_officer = ["subject", "release", "nobody", "VKS-1", "--officer", "auditor-1", "--reason", "theo yêu cầu"];
    assert_eq!(both.text(&as_officer, 1), "nobody is enrolled under this id; nothing was done\n");
    let told = both.text(&by(&["release", "record-3", "VKS-1"], "auditor-1"), 1);
    assert_eq!(told, "no legal hold of this name is on the record; nothing was done\n");
    assert_eq!(both.text(&by(&["hold", "record-3", "VKS-12"], "auditor-1"), 0), "held\n");
    both.refused(&by(&["hold", "record-3", "079088000017"], "auditor-1"), &["nobody's number"]);

    let erase = |subject| by(&[&["erase", subject][..], &person].concat(), "registrar-1");
    let waits = answer(&erase("record-3"), 1);
    assert_eq!((&waits["erased"], &waits["restricted"]), (&json!(false), &json!(true)));
    assert_eq!(waits["waits_for"], json!(["LEGAL_HOLD"]));
    let list = |standing, code| answer(&["subject", "list", "--standing", standing], code);
    assert_eq!(each(&list("held", 0), "subjects", "subject_id"), ["record-3"]);
    assert_eq!(each(&list("erasure-waits", 0), "subjects", "subject_id"), ["record-3"]);
    list("erasure-ready", 1);

    let told = both.text(&["subject", "report", "record-3"], 0);
    for part in ["Mã hồ sơ / record: record-3", "Hạn chế xử lý / restricted: có / yes", "Ai đã xem / who looked"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    let report = answer(&["subject", "report", "record-3"], 0);
    assert_eq!((&report["templates"], &report["accesses"]), (&json!(1), &Value::Null));
    assert!(!report.to_string().contains("vector"), "{report}");
    assert_eq!(answer(&["subject", "report", "nobody"], 1), json!({ "found": false }));

    // What a person asks for has a number and its clocks, is answered, and ends with an erasure.
    let open = |subject, kind, received| {
        let what = [&["request", "open", subject, "--kind", kind, "--received", received][..], &person].concat();
        answer(&by(&what, "auditor-1"), 0)["request"].clone()
    };
    let asked = open("record-3", "access", "2026-03-02T10:00:00+07:00");
    assert_eq!(
        (&asked["number"], &asked["state"], &asked["subject_id"]),
        (&json!(1), &json!("open"), &json!("record-3"))
    );
    let due = |of: &Value| [of["acknowledge_by"].clone(), of["complete_by"].clone()];
    assert_eq!(due(&asked), [json!("2026-03-04T17:00:00Z"), json!("2026-03-17T17:00:00Z")]);
    assert_eq!(open("record-3", "erasure", "2026-03-02")["complete_by"], "2026-03-22T17:00:00Z");
    assert_eq!(open("nobody", "access", "2026-03-02")["number"], 3, "whoever asks need not be enrolled");
    let numbers = |args: &[&str], code| {
        let listed = both.json(&[&["subject", "request", "list"][..], args].concat(), code);
        listed["requests"].as_array().unwrap().iter().map(|one| one["number"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&["--overdue"], 0), [1, 2, 3]);
    let told = both.text(&["subject", "request", "list", "--overdue", "--subject", "nobody"], 0);
    assert!(
        told.starts_with("3  access  nobody  open  received 2026-03-02") && told.contains(" days late to complete"),
        "{told}"
    );
    let told = answer(&by(&["request", "acknowledge", "1"], "auditor-1"), 0);
    assert_eq!((&told["done"], &told["request"]["state"]), (&json!(true), &json!("acknowledged")));
    let close = |number, outcome| by(&["request", "close", number, "--outcome", outcome], "auditor-1");
    assert_eq!(answer(&close("3", "completed"), 0)["request"]["closed"]["by"], "auditor-1");
    both.refused(&close("3", "refused"), &["has ended before"]);
    assert_eq!(
        answer(&close("99", "completed"), 1),
        json!({ "done": false, "request": null, "commit": null, "replayed": false })
    );
    assert_eq!(numbers(&["--open"], 0), [1, 2]);
    let report = answer(&["subject", "report", "record-3"], 0);
    assert_eq!(report["requests"].as_array().unwrap().len(), 2);
    let told = both.text(&["subject", "report", "record-3"], 0);
    let asked = "Yêu cầu / request: 1. được biết dữ liệu nào đang lưu giữ / to be told what is kept [access]";
    assert!(told.contains(asked) && told.contains("đã xác nhận tiếp nhận / acknowledged [acknowledged]"), "{told}");

    assert_eq!(answer(&by(&["release", "record-3", "other"], "auditor-1"), 1)["done"], false);
    assert_eq!(answer(&by(&["release", "record-3", "VKS-12"], "auditor-1"), 0)["action"], "released");
    assert_eq!(each(&list("erasure-ready", 0), "subjects", "subject_id"), ["record-3"]);
    assert_eq!(both.text(&erase("record-3"), 0), "erased\n");
    assert_eq!(numbers(&["--open"], 1), [0; 0]);
    let listed = answer(&["subject", "request", "list"], 0);
    let states: Vec<_> = listed["requests"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["superseded", "completed", "completed"]);
    assert_eq!(listed["requests"][0]["subject_id"], Value::Null, "what stays names nobody");
    assert_eq!(answer(&["subject", "show", "record-3"], 1), json!({ "found": false }));
    assert_eq!(answer(&erase("record-3"), 1)["erased"], false, "nothing is kept any more");
    both.refused(&["subject", "erase", "record-1", "--requester", "person", "--reason", "x"], &["by"]);
}

fn pairs(both: &Both) {
    fn word<'a>(verb: &'a str, other: &'a str, officer: &'a str) -> [&'a str; 8] {
        ["case", verb, "record-1", other, "--by", officer, "--reason", "Sinh đôi"]
    }
    assert_eq!(both.text(&["case", "pairs"], 1), "no such pair\n");
    let told = both.text(&word("clear", "record-2", "officer-1"), 0);
    assert_eq!(told, "cleared: neither is reported as a duplicate of the other\n");
    let again = json!({ "cleared": true, "replayed": true, "officers": 1, "officers_needed": 1 });
    assert_eq!(both.json(&word("clear", "record-2", "officer-1"), 0), again);
    both.refused(&word("clear", "record-1", "officer-1"), &["two different"]);
    let strangers = ["case", "clear", "record-8", "record-9", "--officer", "officer-1", "--reason", "Sinh đôi"];
    assert_eq!(both.text(&strangers, 1), "neither is enrolled; nothing was cleared\n");

    let listed = both.json(&["case", "pairs", "--state", "in_force"], 0);
    let expected = json!({
        "subject_id_a": "record-1", "subject_id_b": "record-2", "state": "in_force", "officers_needed": 1,
        "expires_at": null, "round_from": 0,
        "entries": [{ "ended": false, "officer_id": "officer-1", "reason": "Sinh đôi", "at": null }],
    });
    assert_eq!(listed["pairs"], json!([expected]));
    for state in ["waiting", "ended", "expired"] {
        assert_eq!(both.json(&["case", "pairs", "--state", state], 1)["pairs"], json!([]));
    }
    assert_eq!(both.json(&word("unclear", "record-2", "officer-2"), 0), json!({ "ended": true, "replayed": false }));
    assert_eq!(both.json(&word("unclear", "record-2", "officer-2"), 0), json!({ "ended": true, "replayed": true }));
    let told = both.text(&["case", "pairs", "--state", "ended"], 0);
    assert!(told.starts_with("record-1 - record-2  ended  [cleared by officer-1, 20"), "{told}");
    assert!(told.contains("  [ended by officer-2, 20") && told.ends_with("Z: Sinh đôi]\n"), "{told}");
    let never = both.text(&word("unclear", "record-3", "officer-1"), 1);
    assert_eq!(never, "the pair was never cleared; nothing was ended\n");
}

#[test]
fn with_two_officers_configured_a_pair_cleared_by_one_waits_on_a_folder_too() {
    need_assets!();
    let scratch = tempfile::tempdir().unwrap();
    let [data, config] = ["people", "chinhchu.toml"].map(|name| text(&scratch.path().join(name)));
    std::fs::write(&config, "[cases]\nclear_officers = 2\nclear_days = 30\n").unwrap();
    run(["enroll", "a", &text(&photo("obama.jpg")), "--data", &data, "--create"]).ended(0);
    run(["enroll", "b", &text(&photo("obama2.jpg")), "--data", &data]).ended(0);
    let clear = |officer: &str| {
        let pair = ["case", "clear", "b", "a", "--officer", officer, "--reason", "twins", "--data", &data];
        run(pair.iter().chain(&["--config", config.as_str()])).ended(0).stdout
    };
    assert_eq!(clear("o-1"), "recorded; another officer must clear the pair as well (1 of 2)\n");
    let told = run(["case", "pairs", "--state", "waiting", "--data", &data]).ended(0).stdout;
    assert!(told.starts_with("a - b  waiting for another officer (1 of 2)  until 20"), "{told}");
    assert_eq!(clear("o-2"), "cleared: neither is reported as a duplicate of the other\n");
    let pairs = run(["case", "pairs", "--state", "in_force", "--json", "--data", &data]).ended(0).json();
    assert!(pairs["pairs"][0]["expires_at"].as_str().unwrap().ends_with('Z'), "{pairs}");
}

#[test]
fn who_enrolled_is_kept_by_a_flag_and_by_a_manifests_column() {
    need_assets!();
    let scratch = tempfile::tempdir().unwrap();
    let data = text(&scratch.path().join("people"));
    let [obama, biden] = ["obama.jpg", "biden.jpg"].map(|name| text(&photo(name)));
    let list = text(&manifest(scratch.path(), []));
    std::fs::write(&list, format!("subject_id,path,clerk_id\na,{obama},clerk-1\nb,{biden},\n")).unwrap();
    let enroll = |clerk: &str| {
        let all = ["enroll", "--manifest", &list, "--data", &data, "--create", "--json", "--clerk", clerk];
        run(all).ended(0).json()
    };
    assert_eq!(enroll("clerk-2")["enrolled"], 2);
    // Begun again by another, it does nothing twice.
    assert_eq!(enroll("clerk-3")["unchanged"], 2);
    for (subject, clerk) in [("a", "clerk-1"), ("b", "clerk-2")] {
        let shown = run(["subject", "show", subject, "--json", "--data", &data]).ended(0).json();
        assert_eq!(shown["enrolled_by"], json!([clerk]));
    }
    run(["enroll", "c", &obama, "--clerk", "079088000123", "--data", &data]).refused(&["clerk_id"]);
}

#[test]
fn an_entry_is_one_line_whatever_its_id_holds() {
    need_assets!();
    let scratch = tempfile::tempdir().unwrap();
    let data = text(&scratch.path().join("people"));
    let photo = text(&photo("obama.jpg"));
    run(["enroll", "a\u{2028}b", &photo, "--data", &data, "--create"]).ended(0);
    for what in ["list", "show"] {
        let whom = if what == "show" { &["a\u{2028}b"][..] } else { &[] };
        let told = run(["subject", what, "--data", &data].iter().chain(whom)).ended(0).stdout;
        assert!(told.starts_with("a b") && !told.contains('\u{2028}'), "{told:?}");
    }
}

#[test]
fn a_gallery_that_is_not_there_and_wrong_usage_are_told_in_one_line() {
    run(["case", "list", "--data", "/no/where"]).refused(&["there is no gallery at /no/where"]);
    run(["subject", "show", "a", "--data", "/no/where", "--json"]).refused(&["/no/where"]);
    run(["case", "list"]).refused(&["--data DIR", "--server URL"]);
    run(["subject", "list", "--server", "http://127.0.0.1:1"]).refused(&["--server http://127.0.0.1:1"]);
    run(["case", "resolve", "t-1", "--outcome", "refer", "--officer", "o", "--reason", "r"])
        .refused(&["approve, deny"]);
    run(["case", "resolve", "t-1", "--outcome", "deny", "--officer", "o"]).refused(&["--reason"]);
    run(["case", "clear", "a", "--officer", "o", "--reason", "r"]).refused(&["SUBJECT_ID"]);
    run(["case", "pairs", "--state", "open"]).refused(&["in_force", "waiting", "ended", "expired"]);
    run(["case"]).refused(&["chinhchu"]);
}
