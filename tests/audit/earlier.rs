//! Folders of audits that earlier programs made. The fixtures are of people made up: `earlier` and
//! `earlier-vi` were written by the program of before results were kept for programs, in tables
//! alone, `results-1` by that of before pairs and rings had stable ids. `shown.json`, `shown.txt` and
//! `measured.json` are what that program said of them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::made::csv_rows;
use crate::support::*;

/// A copy that may be written to.
fn earlier(name: &str, to: &Path) -> PathBuf {
    let from = root().join("tests/fixtures/audit").join(name);
    let folder = to.join(name);
    std::fs::create_dir(&folder).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    folder
}

fn said_of(name: &str, file: &str) -> String {
    std::fs::read_to_string(root().join("tests/fixtures/audit").join(name).join(file)).unwrap()
}

#[test]
fn show_and_measure_say_of_an_earlier_programs_folder_what_that_program_said() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["earlier", "earlier-vi", "results-1"] {
        let out = earlier(name, folder.path());
        let shown: Vec<Value> = serde_json::from_str(&said_of(name, "shown.json")).unwrap();
        assert!(shown.len() > 3);
        for ring in &shown {
            let id = ring["ring_id"].to_string();
            let ran = run(["audit", "show", &id, "--out", &text(&out), "--json"]).ended(0);
            assert_eq!(&ran.json(), ring, "{name}, ring {id}");
        }
        // With a doubtful link that a ring hangs on, and one that does without.
        assert!(
            shown.iter().any(|ring| !ring["hangs_on"].is_null()) && shown.iter().any(|ring| ring["hangs_on"].is_null())
        );
        let told = run(["audit", "show", "1", "--out", &text(&out)]).ended(0).stdout;
        assert_eq!(told, said_of(name, "shown.txt"));
        run(["audit", "show", "99999", "--out", &text(&out)]).ended(1);
        let measured: Value = serde_json::from_str(&said_of(name, "measured.json")).unwrap();
        let now = run(["audit", "measure", "--out", &text(&out), "--json"]).ended(0).json();
        // Fields may be added.
        for (field, value) in measured.as_object().unwrap() {
            assert_eq!(&now[field], value, "{name}: {field}");
        }
    }
}

#[test]
fn decide_records_pairs_of_an_earlier_programs_folder_by_number_and_by_ids() {
    let folder = tempfile::tempdir().unwrap();
    let out = earlier("earlier", folder.path());
    let decide = |pair: &[&str]| {
        let out = text(&out);
        let more = ["--outcome", "twins", "--reason", "seen", "--officer", "o-7", "--out", &out, "--json"];
        run([&["audit", "decide"], pair, &more].concat())
    };
    // Cells that a spreadsheet would compute come back as the ids they are.
    let shown: Vec<Value> = serde_json::from_str(&said_of("earlier", "shown.json")).unwrap();
    let pairs: Vec<&Value> = shown.iter().flat_map(|ring| ring["pairs"].as_array().unwrap()).collect();
    let pair = pairs.iter().find(|pair| pair["subject_a"].as_str().unwrap().starts_with('=')).expect("a formula");
    let ids = ["subject_b", "subject_a"].map(|side| pair[side].as_str().unwrap());
    let decided = decide(&ids).ended(0).json();
    assert_eq!((&decided["recorded"], &decided["score"]), (&true.into(), &pair["score"]));
    assert_eq!(decide(&[&pair["pair"].to_string()]).ended(0).json()["recorded"], false);
    let all = csv_rows(&out.join("pairs.csv")).len();
    decide(&[&(all + 1).to_string()]).refused(&["no such pair"]);
}

#[test]
fn an_earlier_programs_folder_that_lacks_a_table_or_was_not_finished_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for missing in ["pairs.csv", "rings.csv", "summary.json"] {
        let out = earlier("earlier", folder.path());
        std::fs::remove_file(out.join(missing)).unwrap();
        for command in [&["audit", "show", "1"][..], &["audit", "measure"]] {
            run([command, &["--out", &text(&out)]].concat()).refused(&[missing, "finished", "--out"]);
        }
        std::fs::remove_dir_all(out).unwrap();
    }
}

/// Findings of before are known, corrected and taken back; the first run by this program gives ids
/// and says what has changed since the run of the other.
#[test]
fn an_audit_of_an_earlier_program_is_run_again_with_its_findings_and_the_run_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let out = earlier("results-1", folder.path());
    let decide = |pair: &[&str], more: &[&str]| {
        let out = text(&out);
        let always = ["--reason", "seen", "--officer", "o-7", "--out", &out, "--json"];
        run([&["audit", "decide"], pair, &always, more].concat())
    };
    let before = csv_rows(&out.join("pairs.csv"));
    let corrected = decide(&["người thử-0039", "người thử-0022"], &["--outcome", "twins"]).ended(0).json();
    assert_eq!((&corrected["was"]["outcome"], &corrected["pair_id"]), (&"fraud".into(), &Value::Null));
    decide(&["2"], &["--take-back"]).ended(0);

    // By the name it was audited under: one of another name may be of other people.
    std::fs::rename(out.join("made-up.npy"), out.join("t.npy")).unwrap();
    let (matrix, ids) = (text(&out.join("t.npy")), text(&out.join("ids.csv")));
    let args = ["audit", "--vectors", &matrix, "--ids", &ids, "--score", "0.6", "--sample", "30000", "--json", "--out"];
    let ran = run([&args[..], &[&text(&out)]].concat()).ended(1);
    let summary = ran.json();
    let changes = &summary["changes"];
    assert_eq!((&changes["since"], &changes["records_new"]), (&Value::Null, &Value::Null), "it did not say");
    assert_eq!(
        (&changes["pairs_new"], &changes["pairs_gone"], &summary["compared"]["cleared"]),
        (&0.into(), &2.into(), &2.into())
    );
    let kept = out.join(changes["kept_in"].as_str().unwrap());
    assert_eq!(csv_rows(&kept.join("pairs.csv")), before);
    let shown = run(["audit", "show", "1", "--out", &text(&kept), "--json"]).ended(0).json();
    let said: Vec<Value> = serde_json::from_str(&said_of("results-1", "shown.json")).unwrap();
    assert_eq!(shown["members"], said[0]["members"]);
    // The one that was taken back says nothing any more.
    let rows = csv_rows(&out.join("pairs.csv"));
    assert!(rows.iter().all(|row| row["finding"].is_empty() && row["pair_id"].starts_with("P-")), "{rows:?}");
    let cleared = csv_rows(&out.join("cleared.csv"));
    assert_eq!(cleared.iter().map(|row| row["finding"].as_str()).collect::<Vec<_>>(), ["twins", "twins"]);
}
