//! What an audit writes is opened by spreadsheets: nothing in it is computed there, Vietnamese
//! survives, and it is read back as it was.

use crate::made::*;
use crate::support::*;

/// Ids of others: formulas, commands, a name.
const HOSTILE: [&str; 6] = ["=HYPERLINK(1)", "+84901", "-5", "@SUM(A1)", "Nguyễn Thử", "'already"];

fn hostile_people() -> People {
    let mut people = people(600, 77);
    // The people who share a face with another are hostile.
    for owner in &mut people.owners {
        let number: usize = owner[1..].parse().unwrap();
        if number % 10 == 9 {
            *owner = format!("{} {number}", HOSTILE[number / 10 % HOSTILE.len()]);
        }
    }
    people
}

#[test]
fn ids_that_begin_a_formula_are_inert_in_every_locale_and_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let (matrix, ids) = hostile_people().write(folder.path());
    let mut shown = Vec::new();
    for (locale, delimiter) in [("en", b','), ("vi", b';'), ("plain", b',')] {
        let out = folder.path().join(locale);
        audit(&matrix, &ids, &out, &["--csv-locale", locale]).ended(1);
        for name in ["pairs.csv", "rings.csv"] {
            let bytes = std::fs::read(out.join(name)).unwrap();
            assert_eq!(bytes.starts_with("\u{feff}".as_bytes()), locale != "plain", "{locale} {name}");
            let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(&bytes[..]);
            let score = reader.headers().unwrap().iter().position(|column| column.ends_with("score")).unwrap();
            let mut hostile = 0;
            for row in reader.records() {
                let row = row.unwrap();
                assert!(row.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r'])), "{row:?}");
                assert_eq!(row[score].contains(','), locale == "vi", "{row:?}");
                hostile += row.iter().filter(|cell| cell.starts_with('\'')).count();
            }
            assert!(hostile > 0, "{name} has none of the ids this is about");
        }
        // Read back by the program, whichever way it was written.
        let mut pairs: Vec<_> = run(["audit", "show", "1", "--out", &text(&out), "--json"]).ended(0).json()["pairs"]
            .as_array()
            .unwrap()
            .clone();
        // Each folder has a key of its own.
        pairs.iter_mut().for_each(|pair| drop(pair.as_object_mut().unwrap().remove("pair_id").expect("an id")));
        shown.push(pairs);
        let summary = run([
            "audit",
            "decide",
            "1",
            "--outcome",
            "fraud",
            "--reason",
            "seen",
            "--officer",
            "o-7",
            "--out",
            &text(&out),
            "--json",
        ]);
        assert_eq!(summary.ended(0).json()["recorded"], true);
    }
    assert!(shown[0] == shown[1] && shown[1] == shown[2], "{shown:?}");
    let first: Vec<&str> =
        shown[0].iter().flat_map(|p| [p["subject_a"].as_str().unwrap(), p["subject_b"].as_str().unwrap()]).collect();
    assert!(first.iter().any(|id| HOSTILE.iter().any(|hostile| id.starts_with(hostile))), "{first:?}");
    // What was written is a list that can be read: the ids are the same people.
    let again = folder.path().join("again");
    let rows: String = hostile_people().owners.iter().map(|owner| format!("\"{owner}\"\t\n")).collect();
    let utf16: Vec<u8> =
        format!("\u{feff}subject_id\tnote\n{rows}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let list = folder.path().join("ids.txt");
    std::fs::write(&list, utf16).unwrap();
    audit(&matrix, &list, &again, &["--csv-locale", "plain"]).ended(1);
    let pairs = |out: &std::path::Path| without_ids(std::fs::read(out.join("pairs.csv")).unwrap());
    assert_eq!(pairs(&again), pairs(&folder.path().join("plain")));
}
