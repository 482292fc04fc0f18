//! `chinhchu evaluate` and `chinhchu calibrate`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use npyz::WriterBuilder;
use serde_json::Value;

use crate::need_assets;
use crate::support::{PATIENCE, chinhchu, dimension, photo, root, run, signal, text, wait, with_comment};

/// A photo under another name, in other bytes, so that it is no duplicate.
fn copy(folder: &Path, from: &str, to: &str) {
    let bytes = fs::read(photo(from)).unwrap();
    fs::write(folder.join(to), with_comment(&bytes, to)).unwrap();
}

fn evaluate(manifest: &Path, out: &Path, more: &[&str]) -> crate::support::Ran {
    let mut args = vec!["evaluate", "--replicates", "100", "--manifest"];
    let (manifest, out) = (text(manifest), text(out));
    args.extend([&manifest[..], "--out", &out[..]]);
    args.extend(more);
    run(args)
}

fn report(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap()
}

/// Templates of made-up people, photos in turns: `people.csv` and `t.npy`.
fn made_up(folder: &Path, people: usize, photos: usize) -> (PathBuf, PathBuf) {
    let dimension = dimension();
    let mut state = 0x1234_5678_9abc_def0u64;
    let mut unit = move || {
        // Xorshift64 (Marsaglia, 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let mut csv = "subject_id,path,sex,age,source\n".to_owned();
    let npy = folder.join("t.npy");
    let file = fs::File::create(&npy).unwrap();
    let mut matrix = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&[(people * photos) as u64, dimension as u64])
        .writer(file)
        .begin_nd()
        .unwrap();
    for person in 0..people {
        // Sixteen dimensions, as far as strangers are concerned: so there are look-alikes.
        let face: Vec<f32> = (0..16).map(|_| unit()).collect();
        for number in 0..photos {
            let mut row: Vec<f32> = face.iter().map(|v| v + 0.8 * unit()).collect();
            let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
            row.iter_mut().for_each(|v| *v /= length);
            row.resize(dimension, 0.0);
            matrix.extend(row).unwrap();
            let (sex, source) = (["f", "m"][person % 2], if number == 0 { "chip" } else { "live" });
            csv += &format!("secret{person},{person}-{number}.jpg,{sex},{},{source}\n", 20 + person % 50);
        }
    }
    matrix.finish().unwrap();
    let manifest = folder.join("people.csv");
    fs::write(&manifest, csv).unwrap();
    (manifest, npy)
}

#[test]
fn bad_rows_are_told_by_line_and_the_others_are_compared() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (from, to) in [("obama.jpg", "o1.jpg"), ("obama2.jpg", "o2.jpg"), ("biden.jpg", "b1.jpg")] {
        copy(at, from, to);
    }
    fs::copy(at.join("o1.jpg"), at.join("again.jpg")).unwrap();
    fs::write(at.join("text.jpg"), "no photo").unwrap();
    let list = at.join("m.csv");
    let mut rows = b"subject_id,path,pose\n\
        secretA,o1.jpg,x\n\
        secretA,o2.jpg,x\n\
        secretB,b1.jpg,x\n\
        secretA,gone.jpg,x\n\
        secretA,o1.jpg,x\n\
        secretB,o1.jpg,x\n\
        ,o2.jpg,x\n\
        secretC,text.jpg,x\n\
        secretD,b1.jpg,y\n\
        secretA,again.jpg,x\n"
        .to_vec();
    rows.extend(b"\xff\xfe,o2.jpg,x\n");
    fs::write(&list, rows).unwrap();
    let out = at.join("report");
    let ran = evaluate(&list, &out, &["--only", "pose=x"]).ended(1);
    assert_eq!(ran.stderr, "");
    let found = report(&out);
    assert_eq!((&found["genuine"], &found["impostor"]), (&3.into(), &3.into()));
    assert_eq!((&found["photos"], &found["subjects"], &found["failures"]), (&5.into(), &3.into(), &1.into()));
    assert_eq!(found["failure_reasons"]["IMAGE_FORMAT"], 1);
    let left_out: Vec<(u64, &str)> = found["left_out"]["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| (l["line"].as_u64().unwrap(), l["reason"].as_str().unwrap()))
        .collect();
    let expected =
        [(5, "FILE_MISSING"), (6, "DUPLICATE_ROW"), (7, "CONFLICTING_LABEL"), (8, "BAD_ROW"), (12, "BAD_ROW")];
    assert_eq!(left_out, expected);
    // One picture in two files is compared, and told.
    assert_eq!(
        (&found["same_pictures"]["count"], &found["same_pictures"]["lines"][0]["line"]),
        (&1.into(), &11.into())
    );
    // So few comparisons support no rate.
    assert!(found["fnmr_at_fmr"].as_array().unwrap().iter().all(|p| p["fnmr"].is_null()));
    // Nobody is named, and no path of a photo.
    let here = text(at);
    for name in ["report.json", "index.html", "det.svg", "scores.svg", "threshold.svg"] {
        let content = fs::read_to_string(out.join(name)).unwrap();
        assert!(!content.contains("secret") && !content.contains("o1.jpg") && !content.contains(&here), "{name}");
    }

    // Again, from what was kept, with other parallelism: the same bytes.
    let first = fs::read(out.join("report.json")).unwrap();
    let page = fs::read(out.join("index.html")).unwrap();
    evaluate(&list, &out, &["--only", "pose=x", "--workers", "1"]).ended(1);
    assert_eq!(fs::read(out.join("report.json")).unwrap(), first);
    assert_eq!(fs::read(out.join("index.html")).unwrap(), page);
    // With the end of the cache torn off, and without one.
    let cache = out.join("templates.cache");
    let kept = fs::read(&cache).unwrap();
    fs::write(&cache, &kept[..kept.len() - 100]).unwrap();
    evaluate(&list, &out, &["--only", "pose=x"]).ended(1);
    assert_eq!(fs::read(out.join("report.json")).unwrap(), first);
    let bare = at.join("bare");
    evaluate(&list, &bare, &["--only", "pose=x", "--no-cache"]).ended(1);
    assert_eq!(fs::read(bare.join("report.json")).unwrap(), first);
    assert!(!bare.join("templates.cache").exists());
}

#[test]
fn what_was_done_before_an_interruption_is_kept() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let mut csv = "subject_id,path\n".to_owned();
    for i in 0..12 {
        let name = format!("p{i}.jpg");
        copy(folder.path(), if i % 2 == 0 { "obama.jpg" } else { "biden.jpg" }, &name);
        csv += &format!("s{},{name}\n", i % 2);
    }
    let list = folder.path().join("m.csv");
    fs::write(&list, csv).unwrap();
    let out = folder.path().join("report");
    let mut child = chinhchu()
        .args(["evaluate", "--workers", "1", "--manifest", &text(&list), "--out", &text(&out)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let cache = out.join("templates.cache");
    let size = || fs::metadata(&cache).map_or(0, |m| m.len());
    let begun = Instant::now();
    // A header and a template or two.
    while size() < 4000 && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
    }
    signal(&child, libc::SIGINT);
    assert_ne!(wait(&mut child), Some(2));
    let kept = size();
    assert!(kept >= 4000);
    let first = fs::read(&cache).unwrap();
    evaluate(&list, &out, &[]).ended(0);
    // What was there is used, not written anew; the rest follows.
    let all = fs::read(&cache).unwrap();
    let whole = usize::try_from(kept).unwrap() / 2200 * 2000;
    assert!(all.len() as u64 >= kept && all[..whole] == first[..whole]);
    let fresh = folder.path().join("fresh");
    evaluate(&list, &fresh, &[]).ended(0);
    assert_eq!(fs::read(out.join("report.json")).unwrap(), fs::read(fresh.join("report.json")).unwrap());
}

#[test]
fn rates_groups_and_calibrations_come_from_templates_that_are_there() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let (list, npy) = made_up(folder.path(), 60, 4);
    let (out, npy) = (folder.path().join("report"), text(&npy));
    let more = [
        "--templates",
        &npy,
        "--by",
        "sex",
        "--by",
        "age:25",
        "--frames",
        "3",
        "--seeds",
        "3",
        "--project-to",
        "1000",
        "--json",
    ];
    let printed = evaluate(&list, &out, &more).ended(0).json();
    let found = report(&out);
    assert_eq!(printed, found);
    assert_eq!((&found["genuine"], &found["impostor"]), (&360.into(), &28_320.into()));
    let hundredth = &found["fnmr_at_fmr"][0];
    assert_eq!(hundredth["fmr"], 0.01);
    let number = |name: &str| hundredth[name].as_f64().unwrap();
    assert!(number("low") <= number("fnmr") && number("fnmr") <= number("high") && number("false_matches") <= 283.0);
    let groups: Vec<(&str, &str)> = found["slices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (s["column"].as_str().unwrap(), s["value"].as_str().unwrap()))
        .collect();
    // FMR 1e-3 needs 30,000 comparisons: no threshold, so no groups either.
    assert!(groups.is_empty(), "{groups:?}");
    assert!(!fs::read_to_string(out.join("index.html")).unwrap().contains("secret"));

    // A calibration from the evaluation's folder is one from the photos it was of.
    let file = folder.path().join("calibration.toml");
    let fit = |from: [&str; 2], more: &[&str]| {
        let out = text(&file);
        let mut args = vec!["calibrate", "--population", "made-up \"people\"", "--date", "2026-01-02", "--out", &out];
        args.extend(from);
        args.extend(more);
        run(args)
    };
    let (manifest, evaluation) = (text(&list), text(&out));
    // A run that gives no report does not change what the evaluation there was of.
    evaluate(&list, &out, &["--templates", &npy, "--only", "sex=x"]).refused(&["no row has sex=x"]);
    fit(["--manifest", &manifest], &["--templates", &npy]).ended(0);
    let first = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let answer = fit(["--evaluation", &evaluation], &["--json"]).ended(0).json();
    assert_eq!(fs::read_to_string(&file).unwrap(), first);
    // With four photos nobody has one left to compare a probe of four with.
    assert_eq!((answer["curves"].as_array().unwrap().len(), answer["skipped"].as_array().unwrap().len()), (3, 2));
    assert!(first.contains("version = 3") && first.contains("2026-01-02") && !first.contains("secret"));

    // Another kind of reference is added to the file.
    let chip = ["--templates", &npy, "--reference", "chip", "--references", "source=chip", "--frames", "1"];
    fit(["--manifest", &manifest], &chip).ended(0);
    let both = fs::read_to_string(&file).unwrap();
    assert_eq!((both.matches("reference = \"any\"").count(), both.matches("reference = \"chip\"").count()), (3, 1));

    // The engine takes it, for the recipe it is of.
    let pack = folder.path().join("pack");
    fs::create_dir(&pack).unwrap();
    for entry in fs::read_dir(root().join("models/default")).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("calibration.toml") {
            fs::copy(&path, pack.join(path.file_name().unwrap())).unwrap();
        }
    }
    fs::copy(&file, pack.join("calibration.toml")).unwrap();
    run(["models", "verify", &text(&pack)]).ended(0);

    // Too little is refused, and the older file stays.
    let few = folder.path().join("few");
    fs::create_dir(&few).unwrap();
    let (list, npy) = made_up(&few, 4, 2);
    fit(["--manifest", &text(&list)], &["--templates", &text(&npy)])
        .refused(&["no calibration was written", "too few"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), both);
}

#[test]
fn lists_of_pairs_are_compared_and_their_faults_told() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (from, to) in
        [("obama.jpg", "A_1/A_1_0001.jpg"), ("obama2.jpg", "A_1/A_1_0002.jpg"), ("biden.jpg", "B_2/B_2_0001.jpg")]
    {
        fs::create_dir_all(at.join(to).parent().unwrap()).unwrap();
        copy(at, from, to);
    }
    let (one, two, other) = ("A_1/A_1_0001.jpg", "A_1/A_1_0002.jpg", "B_2/B_2_0001.jpg");
    let list = at.join("pairs.csv");
    fs::write(
        &list,
        format!(
            "a,b,label\n{one},{two},same\n{one},{other},0\n{two},{one},1\n{one},{other},genuin\n{two},gone.jpg,0\n{one},{one},1\n"
        ),
    )
    .unwrap();
    let lfw = at.join("pairs.txt");
    fs::write(&lfw, "1\nA_1\t1\t2\nA_1\t1\tB_2\t1\nA_1\t1\tB_2\t9\n").unwrap();
    let lines = |out: &Path| -> Vec<(u64, String)> {
        let found = report(out);
        assert_eq!(
            (&found["genuine"], &found["impostor"], &found["compared"]),
            (&1.into(), &1.into(), &"a list".into())
        );
        let lines = found["left_out"]["lines"].as_array().unwrap();
        lines.iter().map(|l| (l["line"].as_u64().unwrap(), l["reason"].as_str().unwrap().to_owned())).collect()
    };
    let out = at.join("csv");
    run(["evaluate", "--replicates", "100", "--pairs", &text(&list), "--out", &text(&out)]).ended(1);
    let told: Vec<_> = lines(&out).into_iter().map(|(line, reason)| format!("{line} {reason}")).collect();
    // What makes no sense by itself first, then what the photos say.
    assert_eq!(told, ["5 BAD_ROW", "4 DUPLICATE_ROW", "6 FILE_MISSING", "7 BAD_ROW"]);
    let out = at.join("lfw");
    run(["evaluate", "--replicates", "100", "--pairs", &text(&lfw), "--out", &text(&out)]).ended(1);
    assert!(lines(&out).iter().all(|(line, reason)| *line == 4 && reason == "FILE_MISSING"));

    // With a manifest that says otherwise than the list.
    let manifest = at.join("m.csv");
    fs::write(&manifest, format!("subject_id,path\nx,{one}\ny,{two}\nz,{other}\n")).unwrap();
    let out = at.join("both");
    run([
        "evaluate",
        "--manifest",
        &text(&manifest),
        "--pairs",
        &text(&list),
        "--out",
        &text(&out),
        "--replicates",
        "100",
    ])
    .ended(1);
    let found = report(&out);
    assert_eq!((&found["genuine"], &found["impostor"]), (&0.into(), &1.into()));
    assert!(found["left_out"]["reasons"]["CONFLICTING_LABEL"] == 2, "{}", found["left_out"]);
}

#[test]
fn attacks_are_counted_by_type() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let rows = [("obama.jpg", ""), ("obama2.jpg", "bona_fide"), ("biden.jpg", "print"), ("obama.jpg", "replay")];
    let mut csv = "subject_id,path,attack\n".to_owned();
    for (i, (from, attack)) in rows.iter().enumerate() {
        copy(folder.path(), from, &format!("{i}.jpg"));
        csv += &format!("s{i},{i}.jpg,{attack}\n");
    }
    let list = folder.path().join("m.csv");
    fs::write(&list, csv).unwrap();
    let out = folder.path().join("pad");
    let found = evaluate(&list, &out, &["--pad", "--frames", "2", "--seeds", "3", "--json"]).ended(0).json();
    assert_eq!((&found["pad"]["bona_fide"], &found["pad"]["attacks"]), (&2.into(), &2.into()));
    let types: Vec<_> = found["pad"]["apcer"].as_array().unwrap().iter().map(|a| a["attack"].clone()).collect();
    assert_eq!(types, ["print", "replay"]);
    // Four presentations support no rate.
    assert!(found["pad"]["bpcer"]["rate"].is_null() && found["pad"]["bpcer"]["not_resolved"].is_string());
    let limits = &found["pad"]["bpcer_limits"];
    assert!(limits["people"] == 2 && limits["people_share"].as_f64().unwrap() > 0.7, "{limits}");
    // Nobody has two captures of a kind.
    let frames = &found["pad"]["frames"]["rates"];
    assert_eq!(frames.as_array().unwrap().len(), 4);
    assert_eq!((&frames[0]["bpcer"]["comparisons"], &frames[1]["bpcer"]["comparisons"]), (&6.into(), &0.into()));
    assert!(out.join("index.html").is_file());
    let told = evaluate(&list, &out, &["--pad"]).ended(0).stdout;
    assert!(told.contains("if presentations were independent") && told.contains("of people"), "{told}");
    fs::write(&list, "subject_id,path\ns,0.jpg\n").unwrap();
    evaluate(&list, &out, &["--pad"]).refused(&["attack"]);
    // A word for live people is no type of attack, and a row that ends early is not live.
    fs::write(&list, "subject_id,path,attack\ns,0.jpg,\ns,1.jpg,Live\n").unwrap();
    evaluate(&list, &out, &["--pad"]).refused_last(&[&text(&list), "line 3", "Live", "bona_fide"]);
    fs::write(&list, "subject_id,path,attack\ns,0.jpg,\ns,1.jpg\nt,2.jpg,print\n").unwrap();
    let told = evaluate(&list, &out, &["--pad"]).ended(1).stdout;
    assert!(told.contains("1 live and 1 attack") && told.contains("the first is line 3"), "{told}");
    // Nothing is asked for that this test does not have.
    for other in [["--by", "attack"], ["--within", "attack"], ["--cross-fit", "3"], ["--project-to", "9"]] {
        evaluate(&list, &out, &[&["--pad"], &other[..]].concat()).refused(&["--pad", other[0]]);
    }
}

#[test]
fn input_that_cannot_be_used_is_refused_in_one_line() {
    need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report");
    let list = folder.path().join("m.csv");
    run(["evaluate", "--out", &text(&out)]).refused(&["--manifest"]);
    evaluate(&list, &out, &[]).refused(&["m.csv", "check the path"]);
    fs::write(&list, "subject_id,path\na,gone.jpg\n").unwrap();
    evaluate(&list, &out, &[]).refused(&["nothing to compare", "line 2"]);
    evaluate(&list, &out, &["--by", "sex"]).refused(&["no column sex", "subject_id, path"]);
    evaluate(&list, &out, &["--only", "pose"]).refused(&["COLUMN=VALUE"]);
    evaluate(&list, &out, &["--only", "subject_id=b"]).refused(&["no row has subject_id=b", "check the spelling"]);
    evaluate(&list, &out, &["--templates", &text(&list)]).refused(&["no .npy file"]);
    run(["calibrate", "--population", "x", "--evaluation", &text(folder.path())])
        .refused(&["--evaluation", "inputs.json"]);
    assert!(!out.join("report.json").exists());
}
