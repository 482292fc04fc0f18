//! What bad input gets: one line that says what is wrong and what to do.

use std::path::Path;

use crate::made::*;
use crate::support::*;

/// Writes a list of ids with a first line.
fn list(folder: &Path, name: &str, first: &str, rows: impl Iterator<Item = String>) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, format!("{first}\n{}", rows.map(|row| row + "\n").collect::<String>())).unwrap();
    path
}

#[test]
fn every_kind_of_bad_vectors_or_ids_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let people = people(60, 20);
    let (matrix, ids) = people.write(dir);
    let out = dir.join("out");
    let owner = |row: usize| people.owners[row].clone();
    let with = |name: &str, row: usize, vector: Vec<f32>| {
        let mut vectors = people.vectors.clone();
        vectors[row] = vector;
        write_npy(&dir.join(name), &vectors)
    };

    let long = with("long.npy", 17, people.vectors[17].iter().map(|v| v * 3.0).collect());
    audit(&long, &ids, &out, &[]).refused(&["long.npy, row 17", "line 19", "3.0000 long", "divide every vector"]);
    let nan = with("nan.npy", 3, vec![f32::NAN; DIMENSION]);
    audit(&nan, &ids, &out, &[]).refused(&["nan.npy, row 3", "not finite"]);
    let few = list(dir, "few.csv", "subject_id", (0..59).map(owner));
    audit(&matrix, &few, &out, &[]).refused(&["60 rows", "59", "one line for each vector"]);
    let twice =
        list(dir, "twice.csv", "subject_id,template_id", (0..60).map(|row| format!("{},{}", owner(row), row / 2)));
    audit(&matrix, &twice, &out, &[]).refused(&["two templates of one subject have the same template id"]);
    let recipe = |row: usize| ["aa", "bb"][usize::from(row > 40)].repeat(32);
    let recipes =
        list(dir, "recipes.csv", "subject_id,recipe", (0..60).map(|row| format!("{},{}", owner(row), recipe(row))));
    audit(&matrix, &recipes, &out, &[]).refused(&["row 41", "two recipes", "same model pack"]);
    let one_row = |name: &str, bad: &str| {
        let row = |row: usize| if row == 5 { bad.to_owned() } else { format!("{},1", owner(row)) };
        list(dir, name, "subject_id,x", (0..60).map(row))
    };
    let no_id = one_row("no_id.csv", ",1");
    audit(&matrix, &no_id, &out, &[]).refused(&["no_id.csv, line 7", "subject_id is missing"]);
    let short = one_row("short.csv", "someone");
    audit(&matrix, &short, &out, &[]).refused(&["short.csv, line 7", "fewer cells"]);
    let long = one_row("long.csv", "someone,1,2");
    audit(&matrix, &long, &out, &[]).refused(&["long.csv, line 7", "more cells"]);
    let no_column = list(dir, "no_column.csv", "person", (0..60).map(owner));
    audit(&matrix, &no_column, &out, &[]).refused(&["no_column.csv", "must name the columns subject_id"]);
    audit(&matrix, &ids, &out, &["--province", "79"]).refused(&["no column province", "--province"]);
    audit(&ids, &ids, &out, &[]).refused(&["ids.csv", "is no .npy file"]);
    audit(&dir.join("none.npy"), &ids, &out, &[]).refused(&["none.npy", "cannot be opened"]);
    let empty = list(dir, "empty.csv", "subject_id", std::iter::empty());
    audit(&matrix, &empty, &out, &[]).refused(&["empty.csv", "no rows"]);
    let zeros = write_npy(&dir.join("zeros.npy"), &vec![vec![0.0; DIMENSION]; 60]);
    audit(&zeros, &ids, &out, &[]).refused(&["nothing to compare", "60 x", "row of zeros", "left_out.csv"]);
    assert_eq!(csv_rows(&out.join("left_out.csv")).len(), 60);
    let doubles = dir.join("doubles.npy");
    let header = b"\x93NUMPY\x01\x00\x46\x00{'descr': '<f8', 'fortran_order': False, 'shape': (60, 32), }";
    std::fs::write(&doubles, [&header[..], &[b' '; 10], &[0; 60 * 32 * 8]].concat()).unwrap();
    audit(&doubles, &ids, &out, &[]).refused(&["doubles.npy", "float32"]);
    let cut = dir.join("cut.npy");
    std::fs::write(&cut, &std::fs::read(&matrix).unwrap()[..3000]).unwrap();
    audit(&cut, &ids, &out, &[]).refused(&["cut.npy", "cannot be read"]);
}

/// A day that could not be read was taken for none, and nobody was told: chance, filters and who
/// comes first went by what was left.
#[test]
fn a_value_of_a_list_that_cannot_be_read_is_one_line_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let people = people(60, 22);
    let (matrix, _) = people.write(dir);
    let out = dir.join("out");
    for (column, bad, part) in [
        ("captured_at", "06/03/2024", "no time from 1970 until now; write 2024-03-05"),
        ("enrolled_at", "2024-13-01", "no time"),
        ("age", "forty", "no age in years"),
        ("quality", "good", "no number from 0 to 100"),
    ] {
        let good = if column.ends_with("_at") { "2024-03-05" } else { "40" };
        let row = |row: usize| format!("{},{}", people.owners[row], if row == 5 { bad } else { good });
        let ids = list(dir, "said.csv", &format!("subject_id,{column}"), (0..60).map(row));
        let ran = audit(&matrix, &ids, &out, &[]);
        ran.refused(&["said.csv, line 7, column", column, part]);
        assert!(!ran.stderr.contains(bad), "{ran:?}");
    }
    // Of photos, too, before one is looked at: there are none.
    let photo = |row: usize| format!("{},{row}.jpg,{}", people.owners[row], if row == 5 { "5.3.2024" } else { "" });
    let photos = list(dir, "photos.csv", "subject_id,path,captured_at", (0..60).map(photo));
    let args = ["audit", "--manifest", &text(&photos), "--score", "0.5", "--out", &text(&out)];
    run(args).refused(&["photos.csv, line 7, column captured_at", "no time"]);
    assert!(!out.join("summary.json").exists());
}

#[test]
fn wrong_usage_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let (matrix, ids) = people(60, 21).write(folder.path());
    let out = folder.path().join("out");
    run(["audit", "--out", &text(&out)]).refused(&["nothing to audit", "--data", "--manifest", "--vectors"]);
    run(["audit", "--data", "x"]).refused(&["--out"]);
    run(["audit", "--data", &text(folder.path()), "--out", &text(&out)]).refused(&["there is no gallery at"]);
    audit(&matrix, &ids, &out, &["--fmr", "1e-6", "--score", "0.5"]).refused(&["cannot be used with"]);
    audit(&matrix, &ids, &out, &["--score", "7"]).refused(&["a score lies between"]);
    audit(&matrix, &ids, &out, &["--expect-chance", "0"]).refused(&["a number of pairs lies between"]);
    audit(&matrix, &ids, &out, &["--data", "x"]).refused(&["cannot be used with"]);
    audit(&matrix, &ids, &out, &["--since", &text(folder.path())]).refused(&["templates.seen", "--since takes"]);
    audit(&matrix, &ids, &out, &["--known", &text(folder.path())]).refused_last(&["inputs.json"]);
    audit(&matrix, &ids, &out, &["--against", &text(&matrix)]).refused(&["--against-ids"]);
    audit(&matrix, &ids, &out, &["--against", "nowhere"]).refused(&["--against nowhere", "check the path"]);
    audit(&matrix, &ids, &out, &["--stale", "12"]).refused(&["--stale", "--data"]);
    let day = ["--enrolled-from", "2024-05-01", "--enrolled-to", "2024-04-01"];
    audit(&matrix, &ids, &out, &day).refused(&["--enrolled-from is after --enrolled-to"]);
    audit(&matrix, &ids, &out, &["--enrolled-from", "2023-02-29"]).refused(&["2023-02-29 is no day"]);
    run(["audit", "show", "1", "--out", &text(folder.path())]).refused(&["rings.csv", "--out"]);
    run(["audit", "measure", "--out", &text(folder.path())]).refused(&["summary.json", "--out"]);
}
