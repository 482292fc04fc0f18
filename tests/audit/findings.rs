//! What investigators find, kept and known later.

use crate::galleries::*;
use crate::made::*;
use crate::support::*;

fn decide(out: &std::path::Path, pair: &[&str], outcome: &str) -> Ran {
    let out = text(out);
    let more = ["--outcome", outcome, "--reason", "giấy khai sinh", "--officer", "o-7", "--out", &out, "--json"];
    run([&["audit", "decide"], pair, &more].concat())
}

#[test]
fn findings_of_vectors_are_kept_with_the_audit_shown_and_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (matrix, ids) = people(800, 40).write(folder.path());
    let out = folder.path().join("out");
    let pairs = audit(&matrix, &ids, &out, &["--json"]).ended(1).json()["links"].as_u64().unwrap();
    let measure = || run(["audit", "measure", "--out", &text(&out), "--json"]);
    assert_eq!(measure().ended(1).json()["cases"], 0);

    let rows = csv_rows(&out.join("pairs.csv"));
    let ring = rows[0]["ring_id"].clone();
    let shown = run(["audit", "show", &ring, "--out", &text(&out), "--json"]).ended(0).json();
    let of_ring: Vec<_> = rows.iter().filter(|row| row["ring_id"] == ring).collect();
    assert_eq!(shown["pairs"].as_array().unwrap().len(), of_ring.len());
    assert_eq!(shown["pairs"][0]["subject_a"].as_str().unwrap(), of_ring[0]["subject_a"]);
    assert_eq!(
        shown["members"].as_array().unwrap().len(),
        csv_rows(&out.join("rings.csv")).iter().filter(|row| row["ring_id"] == ring).count()
    );
    let told = run(["audit", "show", &ring, "--out", &text(&out)]).ended(0).stdout;
    assert!(told.contains(&rows[0]["subject_a"]) && told.contains("score"), "{told}");
    run(["audit", "show", "99999", "--out", &text(&out)]).ended(1);

    // By number and by ids; the same again changes nothing.
    assert_eq!(decide(&out, &["1"], "fraud").ended(0).json()["recorded"], true);
    let both = [rows[0]["subject_b"].as_str(), rows[0]["subject_a"].as_str()];
    assert_eq!(decide(&out, &both, "fraud").ended(0).json()["recorded"], false);
    let last = rows.last().unwrap();
    let twins = [last["subject_a"].as_str(), last["subject_b"].as_str()];
    assert_eq!(decide(&out, &twins, "twins").ended(0).json()["cleared"], false);
    let measured = measure().ended(0).json();
    assert_eq!(measured["outcomes"], serde_json::json!([1, 1, 0, 0]));
    assert_eq!((measured["cases"].clone(), measured["links"].clone()), (2.into(), pairs.into()));
    assert!(run(["audit", "measure", "--out", &text(&out)]).ended(0).stdout.contains("1 fraud 1 twins"));

    // The report knows them from now on; twins do not come up again.
    let summary = audit(&matrix, &ids, &out, &["--json"]).ended(1).json();
    assert_eq!((summary["links"].clone(), summary["compared"]["cleared"].clone()), ((pairs - 1).into(), 1.into()));
    assert_eq!(csv_rows(&out.join("pairs.csv"))[0]["finding"], "fraud");
    assert_eq!(measure().ended(0).json()["cases"], 2);
    // So does another audit that is told of this one.
    let later = folder.path().join("later");
    let summary = audit(&matrix, &ids, &later, &["--known", &text(&out), "--json"]).ended(1).json();
    assert_eq!(summary["links"], pairs - 1);

    decide(&out, &["99999"], "fraud").refused(&["no such pair"]);
    decide(&out, &["s00000", "s00001x"], "fraud").refused(&["no such pair"]);
    decide(&out, &["1"], "murder").refused(&["an outcome is one of fraud, twins, same-person, capture-error"]);
    let number = [
        "audit",
        "decide",
        "1",
        "--outcome",
        "fraud",
        "--officer",
        "o",
        "--out",
        &text(&out),
        "--reason",
        "079123456789",
    ];
    run(number).refused(&["--reason", "nine or more digits"]);
    // Nothing reads the tables back: whoever sorts one and saves it changes no pair's number.
    for name in ["pairs.csv", "rings.csv"] {
        std::fs::write(out.join(name), "sorted and saved\n").unwrap();
    }
    assert_eq!(decide(&out, &["1"], "fraud").ended(0).json()["recorded"], false);
    run(["audit", "show", &ring, "--out", &text(&out)]).ended(0);
    let results = out.join("audit.results");
    let whole = std::fs::read(&results).unwrap();
    let mut spoilt = whole.clone();
    spoilt[whole.len() / 2] ^= 1;
    std::fs::write(&results, spoilt).unwrap();
    decide(&out, &["1"], "fraud").refused(&["audit.results, line", "damaged", "run that audit again"]);
    std::fs::write(&results, whole).unwrap();

    let log = out.join("findings.log");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    measure().refused(&["findings.log, line 1", "damaged"]);
}

#[test]
fn twins_of_a_gallery_become_a_cleared_pair_and_every_later_audit_knows_the_findings() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("people"), folder.path().join("out"));
    enrol(&open(&data).unwrap(), &people(400, 41));
    audit_gallery(&data, &out, &[]).ended(1);
    let rows = csv_rows(&out.join("pairs.csv"));
    let last = rows.last().unwrap().clone();
    let twins = [last["subject_a"].as_str(), last["subject_b"].as_str()];
    assert_eq!(decide(&out, &twins, "twins").ended(0).json()["cleared"], true);
    decide(&out, &["1"], "capture-error").ended(0);
    let cleared = block_on(open(&data).unwrap().cleared_with(&id(twins[0]))).unwrap();
    assert_eq!(cleared.iter().map(|other| other.as_str()).collect::<Vec<_>>(), [twins[1]]);

    let later = folder.path().join("later");
    let summary = audit_gallery(&data, &later, &["--json"]).ended(1).json();
    assert_eq!(summary["compared"]["cleared"], 1);
    let pair = if twins[0] < twins[1] { (twins[0], twins[1]) } else { (twins[1], twins[0]) };
    assert!(!found_subjects(&later).contains(&(pair.0.to_owned(), pair.1.to_owned())));
    let first = &csv_rows(&later.join("pairs.csv"))[0];
    assert_eq!(
        (first["template_a"].as_str(), first["finding"].as_str()),
        (rows[0]["template_a"].as_str(), "capture-error")
    );
}

/// A ring is told by what it hangs on; a folder that an earlier version wrote has no such
/// columns and is shown all the same.
#[test]
fn a_ring_is_shown_with_the_doubtful_link_it_hangs_on_and_old_folders_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (matrix, ids) = people(800, 40).write(folder.path());
    audit(&matrix, &ids, folder.path(), &[]).ended(1);
    // The earlier version kept tables alone.
    std::fs::remove_file(folder.path().join("audit.results")).unwrap();
    let write = |name: &str, lines: &[&str]| std::fs::write(folder.path().join(name), lines.join("\n") + "\n").unwrap();
    let show = |more: &[&str]| run([&["audit", "show", "1", "--out", &text(folder.path())], more].concat()).ended(0);
    let rings = "ring_id,subject_id,links,best_score,weakest_link,members,evidence,holds_to,member_links,\
                 member_best_score,schemes,province,enrolled";
    let pairs = "subject_a,subject_b,template_a,template_b,score,fmr,ring_id,link,quality_a,quality_b,captured_a,\
                 captured_b,chance_pairs,chance_share";
    write("rings.csv", &[rings, "1,a,1,0.53,0.53,2,0.4,0.53,1,0.53,,,", "1,b,1,0.53,0.53,2,0.4,0.53,1,0.53,,,"]);
    write("pairs.csv", &[&format!("{pairs},finding"), "a,b,t1,t2,0.53,1e-5,1,doubtful,,,,,1e2,0.4,"]);
    let old = show(&["--json"]).json();
    assert!(old["hangs_on"].is_null() && old["pairs"][0]["link_compared"].is_null(), "{old}");
    assert_eq!(old["pairs"][0]["chance_share"], 0.4);
    assert!(!show(&[]).stdout.contains("hangs on"));

    let rings = format!("{rings},evidence_total,parts,part,hangs_on_a,hangs_on_b");
    let [a, b] = ["a", "b"].map(|id| format!("1,{id},1,0.53,0.53,2,0.4,0.53,1,0.53,,,,0.4,2,1,a,b"));
    write("rings.csv", &[&rings, &a, &b]);
    let pairs = format!("{pairs},link_compared,link_chance,finding");
    write("pairs.csv", &[&pairs, "a,b,t1,t2,0.53,1e-5,1,doubtful,,,,,1e2,0.4,68842,1e-1,"]);
    let new = show(&["--json"]).json();
    assert_eq!((&new["hangs_on"], &new["parts"]), (&serde_json::json!(["a", "b"]), &2.into()));
    assert_eq!(new["pairs"][0]["link_compared"], 68842);
    assert!(show(&[]).stdout.contains("hangs on that of a and b"), "{}", show(&[]).stdout);
}
