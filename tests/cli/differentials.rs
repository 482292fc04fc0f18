//! Groups of people: `chinhchu evaluate --by`, the cross-fit, and the worst group's curve
//! from `chinhchu calibrate` to an answer.

use std::fs;
use std::path::{Path, PathBuf};

use npyz::WriterBuilder;
use serde_json::Value;

use crate::need_assets;
use crate::support::{dimension, photo, root, run, text};

/// Templates of made-up people in two sets; every second person shares a part of the face
/// with the others of that kind. The photos have dates, and people ages.
fn two_kinds(folder: &Path, people: usize, photos: usize) -> (PathBuf, PathBuf) {
    let dimension = dimension();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut unit = move || {
        // Xorshift64 (Marsaglia, 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let mut csv = "subject_id,path,kind,set,age,captured_at\n".to_owned();
    let npy = folder.join("t.npy");
    let mut matrix = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&[(people * photos) as u64, dimension as u64])
        .writer(fs::File::create(&npy).unwrap())
        .begin_nd()
        .unwrap();
    for person in 0..people {
        let face: Vec<f32> = (0..16).map(|_| unit()).collect();
        let alike = person % 2 == 0;
        for number in 0..photos {
            let mut row: Vec<f32> = face.iter().map(|v| v + 0.5 * unit()).collect();
            if alike {
                row.iter_mut().take(8).for_each(|v| *v += 0.16);
            }
            let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
            row.iter_mut().for_each(|v| *v /= length);
            row.resize(dimension, 0.0);
            matrix.extend(row).unwrap();
            let (kind, set) = (["alike", "plain"][person % 2], ["a", "b"][person / 2 % 2]);
            let year = 2010 + 4 * number;
            csv += &format!("secret{person},{person}-{number}.jpg,{kind},{set},{},{year}\n", 60 + 4 * number);
        }
    }
    matrix.finish().unwrap();
    let manifest = folder.join("people.csv");
    fs::write(&manifest, csv).unwrap();
    (manifest, npy)
}

fn report(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap()
}

/// The default pack with another calibration.
fn pack_with(folder: &Path, calibration: &Path) -> PathBuf {
    let pack = folder.join("pack");
    fs::create_dir(&pack).unwrap();
    for entry in fs::read_dir(root().join("models/default")).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("calibration.toml") {
            fs::copy(&path, pack.join(path.file_name().unwrap())).unwrap();
        }
    }
    fs::copy(calibration, pack.join("calibration.toml")).unwrap();
    pack
}

#[test]
fn an_evaluation_says_for_whom_it_is_worse_and_whether_stated_rates_are_true() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let (manifest, npy) = two_kinds(folder.path(), 320, 3);
    let out = folder.path().join("report");
    let (manifest, npy, shown) = (text(&manifest), text(&npy), text(&out));
    let mut args =
        vec!["evaluate", "--replicates", "100", "--manifest", &manifest, "--templates", &npy, "--out", &shown];
    args.extend(["--within", "set", "--by", "kind", "--by", "kind+set", "--weigh", "people"]);
    args.extend(["--cross-fit", "4", "--groups", "kind", "--people-min", "20"]);
    args.extend(["--project-to", "1000000", "--project-to", "80000000"]);
    let ran = run(args.clone()).ended(0);
    let found = report(&out);
    assert_eq!((&found["within"], &found["weighed"]), (&"set".into(), &"people".into()));
    // Only comparisons within a set: half of the people meet the other half never.
    assert_eq!(found["impostor"], 2 * (160 * 159 / 2) * 9);
    // A search goes through all photos.
    assert!(found["open_set"].is_null());

    let by = found["differentials"].as_array().unwrap();
    assert_eq!(by.iter().map(|by| by["by"].as_str().unwrap()).collect::<Vec<_>>(), ["kind", "kind+set"]);
    let own = &by[0]["at"][0];
    assert_eq!(
        (&own["of"], &own["for_fmr"], &own["stated"]),
        (&"these comparisons".into(), &1e-3.into(), &false.into())
    );
    assert_eq!(own["worst_fmr"]["group"], "alike");
    let ratio = &own["worst_fmr"]["over_pooled"];
    assert!(ratio["times"].as_f64().unwrap() > 1.3 && ratio["low"].as_f64() < ratio["times"].as_f64(), "{ratio}");
    assert!(own["groups"][0]["fmr_over_stated"]["times"].as_f64().unwrap() > 1.3);
    // The pack's calibration is looked at as well.
    assert!(by[0]["at"].as_array().unwrap().iter().any(|at| at["stated"] == true));
    let names: Vec<&str> =
        by[1]["at"][0]["groups"].as_array().unwrap().iter().map(|g| g["group"].as_str().unwrap()).collect();
    assert_eq!(names, ["kind=alike, set=a", "kind=alike, set=b", "kind=plain, set=a", "kind=plain, set=b"]);

    let check = &found["cross_fit"];
    assert_eq!((&check["fits"], &check["worst_groups"][0]["group"]), (&10.into(), &"alike".into()));
    let row = |curve: &str, group: &str| {
        let rows = check["rows"].as_array().unwrap();
        rows.iter().find(|row| row["curve"] == curve && row["group"] == group).unwrap()["at"][0].clone()
    };
    let worst = row("worst group", "alike");
    assert_eq!(worst["comparisons"], 2 * (80 * 79 / 2) * 9);
    assert!(worst["times"].as_f64().unwrap() < row("pooled", "alike")["times"].as_f64().unwrap());

    let aging = found["aging"].as_array().unwrap();
    assert_eq!((&aging[0]["by"], &aging[1]["by"]), (&"age".into(), &"years between (dates)".into()));
    let bands: Vec<(f64, u64)> = aging[1]["bands"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| (b["from"].as_f64().unwrap(), b["at"][0]["fnmr"]["comparisons"].as_u64().unwrap()))
        .collect();
    assert_eq!(bands, [(2.0, 640), (5.0, 320)]);

    // Each gallery by the curve of these comparisons and by the pack's.
    let curves: Vec<&str> =
        found["projections"].as_array().unwrap().iter().map(|p| p["curve"].as_str().unwrap()).collect();
    assert!(curves.len() >= 4 && curves.iter().filter(|c| **c == "these comparisons").count() == 2, "{curves:?}");
    assert!(curves.contains(&"pooled"), "{curves:?}");

    let page = fs::read_to_string(out.join("index.html")).unwrap();
    for part in
        ["Differentials by kind+set", "Chênh lệch giữa các nhóm", "FNMR theo số năm giữa hai ảnh", "người chưa thấy"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(ran.stdout.contains("cross-fit, worst group curve") && !page.contains("secret"), "{}", ran.stdout);

    // The same input gives the same bytes.
    let before = fs::read(out.join("report.json")).unwrap();
    args.extend(["--workers", "1"]);
    run(args).ended(0);
    assert_eq!(fs::read(out.join("report.json")).unwrap(), before);
}

#[test]
fn an_operator_chooses_whose_rates_are_stated_and_every_answer_says_it() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (manifest, npy) = two_kinds(at, 300, 3);
    let file = at.join("calibration.toml");
    let (list, matrix, out) = (text(&manifest), text(&npy), text(&file));
    let mut args = vec!["calibrate", "--manifest", &list, "--templates", &matrix, "--population", "two kinds"];
    args.extend(["--groups", "kind", "--within", "set", "--weigh", "people", "--people-min", "100"]);
    args.extend(["--date", "2026-01-02", "--out", &out, "--json"]);
    let answer = run(args).ended(0).json();
    let groups = answer["groups"].as_array().unwrap();
    assert_eq!(
        (&groups[0]["group"], &groups[0]["worst"], &groups[1]["worst"]),
        (&"alike".into(), &true.into(), &false.into())
    );
    assert_eq!(
        (&groups[0]["subjects"], &groups[0]["impostor_comparisons"]),
        (&150.into(), &(2 * (75 * 74 / 2) * 9).into())
    );
    let written = fs::read_to_string(&file).unwrap();
    assert!(written.contains("version = 3") && !written.contains("secret"));
    for part in ["group = \"pooled\"", "group = \"alike\"", "weighed = \"people\"", "basis = \"counted\""] {
        assert!(written.contains(part), "{part}");
    }

    let pack = text(&pack_with(at, &file));
    let shown = run(["models", "show", &pack]).ended(0).stdout;
    assert!(shown.contains("the group alike") && shown.contains("all people"), "{shown}");
    let config = at.join("chinhchu.toml");
    fs::write(&config, "[engine]\ncurve = \"pooled\"\n").unwrap();
    let (a, b, config) = (text(&photo("obama.jpg")), text(&photo("obama2.jpg")), text(&config));
    let verify = |more: &[&str]| {
        let mut args = vec!["verify", &a, &b, "--fmr", "1e-3", "--pack", &pack];
        args.extend(more);
        run(args)
    };
    let said = |more: &[&str]| {
        let mut args = more.to_vec();
        args.push("--json");
        let ran = verify(&args);
        serde_json::from_str::<Value>(&ran.stdout).unwrap()
    };
    let worst = said(&[]);
    assert_eq!((&worst["calibration_group"], &worst["calibration_derived"]), (&"alike".into(), &false.into()));
    assert_eq!(worst["calibration_population"], "two kinds");
    let pooled = said(&["--curve", "pooled"]);
    assert_eq!(pooled["calibration_group"], "pooled");
    assert!(pooled["threshold"].as_f64().unwrap() < worst["threshold"].as_f64().unwrap());
    assert_eq!(said(&["--config", &config])["calibration_group"], "pooled");
    assert_eq!(said(&["--config", &config, "--curve", "worst-group"])["calibration_group"], "alike");
    assert!(verify(&[]).stdout.contains("rates are those of the worst group calibrated on, alike (two kinds)"));
    assert!(verify(&["--curve", "pooled"]).stdout.contains("rates are those of all people calibrated on"));
    verify(&["--curve", "best"]).refused(&["worst-group", "pooled"]);
}

#[test]
fn what_cannot_be_compared_or_grouped_is_refused() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let (manifest, npy) = two_kinds(folder.path(), 20, 2);
    let (manifest, npy, out) = (text(&manifest), text(&npy), text(&folder.path().join("report")));
    let with = |more: &[&str]| {
        let mut args = vec!["evaluate", "--manifest", &manifest, "--templates", &npy, "--out", &out];
        args.extend(more);
        run(args)
    };
    with(&["--within", "sex"]).refused(&["no column sex", "kind"]);
    with(&["--by", "kind+"]).refused(&["name a column"]);
    with(&["--groups", "kind"]).refused(&["--cross-fit"]);
    // Two folds left out of two leave nobody to fit on.
    with(&["--cross-fit", "2"]).refused(&["3 to 50"]);
    with(&["--cross-fit", "0", "--groups", "kind"]).refused(&["--cross-fit 3 to 50"]);
    with(&["--by", "kind+kind"]).refused(&["kind twice"]);
    with(&["--by", "kind", "--by", "kind"]).refused(&["--by kind", "twice"]);
    with(&["--by", " "]).refused(&["name a column"]);
    with(&["--by", "kind:10"]).refused(&[&manifest, "column kind", "number"]);
    with(&["--within", "path"]).refused(&["no two of the 40 photos", "--within"]);
    with(&["--date", "2026-02-30"]).refused(&["2026-02-30", "calendar"]);
    with(&["--weigh", "photos"]).refused(&["comparisons", "people"]);
    let list = folder.path().join("pairs.csv");
    fs::write(&list, "a,b,label\nx.jpg,y.jpg,1\n").unwrap();
    run(["evaluate", "--pairs", &text(&list), "--weigh", "people", "--out", &out]).refused(&["--weigh"]);
    run(["calibrate", "--pairs", &text(&list), "--within", "set", "--population", "x"]).refused(&["--within"]);
    // Too few people for a fit in folds: the report says so, and has the rest.
    let told =
        with(&["--cross-fit", "3", "--groups", "kind", "--replicates", "100", "--within", "set"]).ended(0).stdout;
    assert!(told.contains("impostor comparisons (all pairs within the same set)"), "{told}");
    let line = told.lines().find(|line| line.starts_with("cross-fit: not there")).unwrap_or_else(|| panic!("{told}"));
    assert!(line.contains("are too few"), "{line}");
    let page = fs::read_to_string(Path::new(&out).join("index.html")).unwrap();
    assert!(page.contains("Asked for and not there") && page.contains("<td>cross-fit</td>"));
    let found = report(Path::new(&out));
    assert!(found["cross_fit"].is_null() && found["calibration_problem"].as_str().unwrap().contains("too few"));
}

#[test]
fn what_a_manifest_says_wrongly_is_refused_or_told_with_its_column_and_line() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let (manifest, npy) = two_kinds(folder.path(), 20, 2);
    let right = fs::read_to_string(&manifest).unwrap();
    let (shown, npy, out) = (text(&manifest), text(&npy), text(&folder.path().join("report")));
    let with = |csv: &str| {
        fs::write(&manifest, csv).unwrap();
        let mut args = vec!["evaluate", "--manifest", &shown, "--templates", &npy, "--out", &out];
        args.extend(["--replicates", "100", "--by", "kind", "--by", "age:10"]);
        run(args)
    };
    let lines: Vec<&str> = right.lines().collect();
    // Every column twice that is looked at, one of them only where it is there.
    for column in ["subject_id", "path", "kind", "age", "captured_at"] {
        let twice: Vec<String> = lines.iter().map(|l| format!("{l},x")).collect();
        let twice = twice.join("\n").replacen(",x\n", &format!(",{column}\n"), 1);
        with(&twice).refused(&[&shown, &format!("column {column} 2 times")]);
    }
    with("").refused(&[&shown, "subject_id,path"]);
    with(lines[0]).refused(&[&shown, "no rows"]);
    // Line 3 ends early: it is left out. Lines 4 to 6 are taken, and what they say is told.
    let mut wrong: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let kept = |line: &str, columns: usize| line.split(',').take(columns).collect::<Vec<_>>().join(",");
    wrong[2] = kept(lines[2], 2);
    wrong[3] = kept(lines[3], 4) + ",old,2010";
    wrong[4] = kept(lines[4], 4) + ",60,2024-13";
    wrong[5] = kept(lines[5], 2) + ",plain,a,60,2010";
    let told = with(&wrong.join("\n")).ended(1).stdout;
    for part in [
        "the first is line 3: the row has fewer cells",
        "column age: values that are no age from 0 to 130, taken as not known: 1 (line 4)",
        "column age: values that are no number, in a group of their own: 1 (line 4)",
        "column captured_at: values that are no date",
        "column kind: people in several groups",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert_eq!(report(Path::new(&out))["doubts"][0]["lines"], serde_json::json!([4]));
    let page = fs::read_to_string(Path::new(&out).join("index.html")).unwrap();
    assert!(page.contains("Values to check") && page.contains("(line 4)"));
}
