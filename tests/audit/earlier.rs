//! Folders of audits that an earlier program made, which kept its results in tables alone. The
//! fixtures are of people made up, written by the program of before results were kept for programs;
//! `shown.json`, `shown.txt` and `measured.json` are what that program said of them.

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

fn said(name: &str, file: &str) -> String {
    std::fs::read_to_string(root().join("tests/fixtures/audit").join(name).join(file)).unwrap()
}

#[test]
fn show_and_measure_say_of_an_earlier_programs_folder_what_that_program_said() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["earlier", "earlier-vi"] {
        let out = earlier(name, folder.path());
        let shown: Vec<Value> = serde_json::from_str(&said(name, "shown.json")).unwrap();
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
        assert_eq!(told, said(name, "shown.txt"));
        run(["audit", "show", "99999", "--out", &text(&out)]).ended(1);
        let measured: Value = serde_json::from_str(&said(name, "measured.json")).unwrap();
        assert_eq!(run(["audit", "measure", "--out", &text(&out), "--json"]).ended(0).json(), measured, "{name}");
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
    let shown: Vec<Value> = serde_json::from_str(&said("earlier", "shown.json")).unwrap();
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
