//! Ids that stay, findings that are corrected and taken back, and finished audits that are run
//! again.

use std::path::Path;

use chinhchu::audit::IdKey;
use serde_json::Value;

use crate::galleries::*;
use crate::made::*;
use crate::support::*;

fn decide(out: &Path, pair: &[&str], more: &[&str]) -> Ran {
    let out = text(out);
    let always = ["--reason", "giấy khai sinh", "--officer", "o-7", "--out", &out];
    run([&["audit", "decide"], pair, &always, more].concat())
}

fn show(out: &Path, what: &[&str]) -> Ran {
    run([&["audit", "show"], what, &["--out", &text(out), "--json"]].concat())
}

fn findings(out: &Path, more: &[&str]) -> Ran {
    run([&["audit", "findings", "--out", &text(out)], more].concat())
}

#[test]
fn a_pair_goes_by_its_id_in_every_audit_of_a_gallery_and_a_ring_by_its_own_while_it_grows() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out, elsewhere) =
        (folder.path().join("people"), folder.path().join("out"), folder.path().join("elsewhere"));
    let people = people(200, 50);
    enrol(&open(&data).unwrap(), &people);
    audit_gallery(&data, &out, &[]).ended(1);
    let ids = |out: &Path| {
        let rows = csv_rows(&out.join("pairs.csv"));
        let of = |row: &std::collections::BTreeMap<String, String>| {
            let mut pair = [row["subject_a"].clone(), row["subject_b"].clone()];
            pair.sort();
            (pair, (row["pair_id"].clone(), row["ring_stable_id"].clone()))
        };
        rows.iter().map(of).collect::<std::collections::BTreeMap<_, _>>()
    };
    let before = ids(&out);
    assert!(before.len() > 3 && before.values().all(|(pair, _)| pair.starts_with("P-") && pair.len() == 10));

    // The ring of a record, its number, its id and its beginning, a pair of it: one and the same.
    let (pair, (pair_id, ring_id)) = before.iter().find(|(_, (_, ring))| !ring.is_empty()).unwrap();
    let by_record = show(&out, &[&pair[0]]).ended(0).json();
    assert_eq!(by_record["ring_stable_id"], ring_id.as_str());
    assert!(by_record["members"].as_array().unwrap().iter().any(|member| member["subject_id"] == pair[0].as_str()));
    let number = by_record["ring_id"].to_string();
    for name in [&number, ring_id, &ring_id[..7].to_lowercase(), pair_id, &pair[1]] {
        assert_eq!(show(&out, &[name]).ended(0).json(), by_record, "{name}");
    }
    show(&out, &["s99999"]).ended(1);
    show(&out, &["R-ZZZZZZZZZZ"]).ended(1);
    // A number is a ring's, unless it is said to be a record's.
    show(&out, &["--record", &number]).ended(1);

    // A further capture of the face, under another name; and another folder.
    let row = people.owners.iter().position(|owner| *owner == pair[0]).unwrap();
    let new = enrolment_of(open(&data).unwrap().recipe(), "a-new-one", &people.vectors[row..=row], "01");
    let context = chinhchu::context::RequestContext::internal("test");
    block_on(open(&data).unwrap().enrol(&context, new, None)).unwrap();
    let summary = audit_gallery(&data, &out, &["--json"]).ended(1).json();
    assert_eq!((&summary["changes"]["records_new"], &summary["changes"]["rings_grown"]), (&1.into(), &1.into()));
    let after = ids(&out);
    assert!(before.iter().all(|(pair, ids)| after[pair] == *ids), "pairs and rings keep their ids");
    let page = std::fs::read_to_string(out.join("index.html")).unwrap();
    assert!(page.contains(pair_id.as_str()) && page.contains(ring_id.as_str()) && page.contains("id=\"changes\""));
    let told = std::fs::read_to_string(out.join("changes.csv")).unwrap();
    assert!(told.contains(&format!("ring,grown,{ring_id},a-new-one,")), "{told}");
    audit_gallery(&data, &elsewhere, &[]).ended(1);
    assert!(ids(&elsewhere).iter().all(|(pair, ids)| after[pair].0 == ids.0), "the gallery has the key");
    // It tells whoever has only ids nothing: another gallery of the same people has others.
    let other = folder.path().join("other");
    enrol(&open(&other).unwrap(), &people);
    audit_gallery(&other, &folder.path().join("third"), &[]).ended(1);
    assert!(ids(&folder.path().join("third")).iter().all(|(pair, ids)| before[pair].0 != ids.0));
}

#[test]
fn a_finding_is_echoed_corrected_and_taken_back_and_its_history_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let (matrix, ids) = people(200, 51).write(folder.path());
    let out = folder.path().join("out");
    audit(&matrix, &ids, &out, &[]).ended(1);
    findings(&out, &[]).ended(1);
    let row = &csv_rows(&out.join("pairs.csv"))[0];
    let (id, a, b) = (row["pair_id"].as_str(), row["subject_a"].as_str(), row["subject_b"].as_str());
    let (a, b) = if a < b { (a, b) } else { (b, a) };

    let told = decide(&out, &[&id.to_lowercase()], &["--outcome", "fraud"]).ended(0).stdout;
    for part in [id, a, b, "fraud recorded", &format!("({})", row["ring_stable_id"])] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let decided = decide(&out, &[b, a], &["--outcome", "undecided", "--json"]).ended(0).json();
    assert_eq!((&decided["pair_id"], &decided["subject_a"]), (&id.into(), &a.into()));
    assert_eq!((&decided["was"]["outcome"], &decided["was"]["officer"]), (&"fraud".into(), &"o-7".into()));
    let measured = run(["audit", "measure", "--out", &text(&out)]).ended(1).stdout;
    assert!(measured.contains("nothing was recorded yet"), "undecided is not counted: {measured}");
    let told = decide(&out, &[&id[..6]], &["--take-back"]).ended(0).stdout;
    assert!(told.contains("taken back") && told.contains("before: undecided"), "{told}");
    decide(&out, &[id], &["--take-back"]).refused(&["nothing that was found of this pair holds"]);
    decide(&out, &[id], &["--take-back", "--outcome", "fraud"]).refused(&["--take-back", "cannot be used with"]);
    decide(&out, &[id], &[]).refused(&["--outcome"]);

    findings(&out, &[]).ended(1);
    let all = findings(&out, &["--history", "--json"]).ended(0).json();
    let entries = all["findings"].as_array().unwrap();
    let outcomes: Vec<&Value> = entries.iter().map(|entry| &entry["outcome"]).collect();
    assert_eq!(outcomes, ["fraud", "undecided", "taken-back"]);
    assert!(entries.iter().all(|entry| entry["holds"] == false && entry["pair_id"] == id));
    assert!(entries.iter().all(|entry| entry["recorded_by"].as_str().unwrap().contains("uid ")));
    assert_eq!(findings(&out, &[b, a, "--json"]).ended(0).json(), all, "of one pair every entry is listed");
    decide(&out, &[id], &["--outcome", "same-person"]).ended(0);
    let held = findings(&out, &[]).ended(0).stdout;
    assert!(held.contains("same-person") && !held.contains("fraud"), "{held}");

    // What names several, a ring, or nothing.
    let first = id.chars().nth(2).unwrap();
    decide(&out, &[&format!("P-{first}")], &["--outcome", "fraud"]).refused(&["a pair is an id"]);
    decide(&out, &[&row["ring_stable_id"]], &["--outcome", "fraud"]).refused(&["the id of a ring"]);
    decide(&out, &["P-ZZZZZZZZZZZZ"], &["--outcome", "fraud"]).refused(&["no such pair"]);
}

/// Officers' reasons and ids of records are whatever somebody typed.
#[test]
fn hostile_text_in_names_and_reasons_forges_no_line_no_cell_and_no_element() {
    let folder = tempfile::tempdir().unwrap();
    let mut people = people(120, 52);
    for owner in &mut people.owners {
        *owner = format!("=<b>{owner}\u{202e}");
    }
    let (matrix, ids) = people.write(folder.path());
    let out = folder.path().join("out");
    audit(&matrix, &ids, &out, &[]).ended(1);
    let id = csv_rows(&out.join("pairs.csv"))[0]["pair_id"].clone();
    let reason = "=cmd|' /C calc'!A0 <script>alert(1)</script>";
    let decide =
        ["audit", "decide", &id, "--outcome", "unrelated-look-alikes", "--officer", "+o-7", "--reason", reason];
    let told = run([&decide[..], &["--out", &text(&out)]].concat()).ended(0).stdout;
    assert_eq!(told.lines().count(), 1, "{told}");
    audit(&matrix, &ids, &out, &[]).ended(1);
    let page = std::fs::read_to_string(out.join("index.html")).unwrap();
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(1)") && !page.contains("<b>s"));
    let cleared = &csv_rows(&out.join("cleared.csv"))[0];
    assert!(cleared["reason"].starts_with("'=cmd") && cleared["officer"] == "'+o-7", "{cleared:?}");
    let changes = std::fs::read_to_string(out.join("changes.csv")).unwrap();
    assert!(changes.contains(&format!("pair_gone,cleared,{id},'=<b>")), "{changes}");
    let listed = findings(&out, &[]).ended(0).stdout;
    assert_eq!(listed.lines().count(), 1, "{listed}");
}

#[test]
fn a_cleared_pair_is_named_as_such_found_by_decide_and_show_and_comes_back_when_corrected() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("people"), folder.path().join("out"));
    enrol(&open(&data).unwrap(), &people(200, 53));
    audit_gallery(&data, &out, &[]).ended(1);
    let row = csv_rows(&out.join("pairs.csv")).last().unwrap().clone();
    let (id, a, b) = (row["pair_id"].as_str(), row["subject_a"].as_str(), row["subject_b"].as_str());
    let decided = decide(&out, &[id], &["--outcome", "unrelated-look-alikes", "--json"]).ended(0).json();
    assert_eq!(decided["cleared"], true);
    audit_gallery(&data, &out, &[]).ended(1);
    let cleared = csv_rows(&out.join("cleared.csv"));
    assert_eq!((cleared.len(), &*cleared[0]["pair_id"], &*cleared[0]["finding"]), (1, id, "unrelated-look-alikes"));
    assert!(csv_rows(&out.join("pairs.csv")).iter().all(|row| row["pair_id"] != id));
    let page = std::fs::read_to_string(out.join("index.html")).unwrap();
    assert!(page.contains("Pairs that were cleared") && page.contains("giấy khai sinh"));
    let shown = show(&out, &[id]).ended(0).json();
    assert_eq!((&shown["cleared"][0]["pair_id"], &shown["cleared"][0]["officer"]), (&id.into(), &"o-7".into()));

    // It was "no such pair".
    let decided = decide(&out, &[b, a], &["--outcome", "fraud", "--json"]).ended(0).json();
    assert_eq!((&decided["recorded"], &decided["was"]["outcome"]), (&true.into(), &"unrelated-look-alikes".into()));
    assert_eq!(decided["clearing_ended"], true, "it comes up at a counter again");
    audit_gallery(&data, &out, &[]).ended(1);
    let row = csv_rows(&out.join("pairs.csv")).into_iter().find(|row| row["pair_id"] == id).expect("the pair");
    assert_eq!(row["finding"], "fraud", "the later finding holds in audits");
    assert!(!out.join("cleared.csv").exists());
}

/// Two pairs whose ids begin alike are made by trying keys.
#[test]
fn the_beginning_of_several_ids_names_none_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let (matrix, ids) = people(300, 54).write(folder.path());
    let (out, key) = (folder.path().join("out"), folder.path().join("out/ids.key"));
    audit(&matrix, &ids, &out, &["--score", "0.5"]).ended(1);
    let rows = csv_rows(&out.join("pairs.csv"));
    let begins_alike = (0..10_000).find_map(|_| {
        std::fs::remove_file(&key).unwrap();
        let key = IdKey::read_or_make(&key, None).unwrap();
        let mut seen = std::collections::BTreeMap::new();
        rows.iter().find_map(|row| {
            let mut pair = [row["subject_a"].as_str(), row["subject_b"].as_str()];
            pair.sort_unstable();
            let begin = key.pair(pair[0], pair[1]).to_string()[..6].to_owned();
            let before = seen.insert(begin.clone(), pair)?;
            (before != pair).then_some((begin, pair))
        })
    });
    let (begin, other) = begins_alike.expect("two that begin alike");
    audit(&matrix, &ids, &out, &["--score", "0.5"]).ended(1);
    decide(&out, &[&begin], &["--outcome", "fraud"]).refused(&[
        "the beginning of several ids",
        &begin,
        "type more of it",
    ]);
    let id = csv_rows(&out.join("pairs.csv"))
        .into_iter()
        .find(|row| other.contains(&&*row["subject_a"]) && other.contains(&&*row["subject_b"]))
        .expect("the pair")["pair_id"]
        .clone();
    let decided = decide(&out, &[&id], &["--outcome", "fraud", "--json"]).ended(0).json();
    assert_eq!([&decided["subject_a"], &decided["subject_b"]], other);
    show(&out, &[&begin]).refused(&["the beginning of several ids"]);
}
