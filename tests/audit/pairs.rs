//! What is found: every pair, and no other.

use std::collections::BTreeSet;

use crate::made::*;
use crate::support::text;

/// Asserts what an audit of these people must find.
fn whole(people: &People, out: &std::path::Path) {
    let score: f32 = SCORE.parse().unwrap();
    let expected = people.brute_force(score);
    assert!(expected.len() > 20, "a test of nothing");
    assert_eq!(found_rows(out), expected);
}

#[test]
fn every_pair_at_or_above_the_score_is_found_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let people = people(2000, 1);
    let (matrix, ids) = people.write(folder.path());
    let out = folder.path().join("out");
    let ran = audit(&matrix, &ids, &out, &["--json"]).ended(1);
    whole(&people, &out);

    let summary = ran.json();
    let subjects: BTreeSet<&String> = people.owners.iter().collect();
    let mut comparisons = 0;
    for a in 0..people.owners.len() {
        comparisons += (a + 1..people.owners.len()).filter(|&b| people.owners[a] != people.owners[b]).count();
    }
    assert_eq!(summary["templates"], 2000);
    assert_eq!(summary["subjects"], subjects.len());
    assert_eq!(summary["comparisons"], comparisons);
    assert_eq!(summary["pairs"], csv_rows(&out.join("pairs.csv")).len());
    assert!(summary["seconds"].as_f64().unwrap() > 0.0 && summary["expected_chance_pairs"].is_number());
    let cost = &summary["cost"];
    let parts = ["reading", "preparing", "chance", "comparing", "checkpoints", "report"];
    let wall: f64 = parts.iter().map(|part| cost[part]["wall_seconds"].as_f64().unwrap()).sum();
    assert!(wall > 0.0 && wall <= summary["seconds"].as_f64().unwrap() + 1e-6, "{cost}");
    let safety = ["checkpoints", "report"].iter().map(|part| cost[part]["wall_seconds"].as_f64().unwrap());
    assert!((cost["safety_share"].as_f64().unwrap() - safety.sum::<f64>() / wall).abs() < 1e-9, "{cost}");
    assert!(cost["comparing"]["processor_seconds"].as_f64().unwrap() > 0.0 || !cfg!(target_os = "linux"), "{cost}");
    for row in csv_rows(&out.join("pairs.csv")) {
        assert!(row["score"].parse::<f32>().unwrap() >= 0.7 && row["subject_a"] != row["subject_b"]);
    }
    let rings: BTreeSet<String> = csv_rows(&out.join("rings.csv")).iter().map(|row| row["ring_id"].clone()).collect();
    assert_eq!(summary["rings"], rings.len());
}

#[test]
fn the_bytes_are_the_same_whatever_the_threads_and_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let people = people(1100, 2);
    let (matrix, ids) = people.write(folder.path());
    let outs = ["one", "two"].map(|name| folder.path().join(name));
    audit(&matrix, &ids, &outs[0], &["--workers", "1"]).ended(1);
    audit(&matrix, &ids, &outs[1], &["--workers", "2"]).ended(1);
    let expected = results(&outs[0]);
    assert_eq!(results(&outs[1]), expected);
    audit(&matrix, &ids, &outs[0], &[]).ended(1);
    assert_eq!(results(&outs[0]), expected);
}

#[test]
fn two_galleries_are_compared_with_each_other_and_the_same_id_is_the_same_person() {
    let folder = tempfile::tempdir().unwrap();
    let all = people(900, 3);
    let split = 500;
    let part = |range: std::ops::Range<usize>| People {
        vectors: all.vectors[range.clone()].to_vec(),
        owners: all.owners[range].to_vec(),
    };
    let (north, south) = (folder.path().join("north"), folder.path().join("south"));
    [&north, &south].into_iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    let (matrix, ids) = part(0..split).write(&north);
    let (second, second_ids) = part(split..900).write(&south);
    let out = folder.path().join("out");
    audit(&matrix, &ids, &out, &["--against", &text(&second), "--against-ids", &text(&second_ids)]).ended(1);
    let expected: BTreeSet<(usize, usize)> = all
        .brute_force(0.7)
        .into_iter()
        .filter(|&(a, b)| a < split && b >= split)
        .map(|(a, b)| (a, b - split))
        .collect();
    assert!(expected.len() > 5);
    let found: BTreeSet<(usize, usize)> = csv_rows(&out.join("pairs.csv"))
        .iter()
        .map(|row| (row["template_a"].parse().unwrap(), row["template_b"].parse().unwrap()))
        .collect();
    assert_eq!(found, expected);

    // Against itself: nobody is compared with himself, and each pair comes once.
    let (alone, itself) = (folder.path().join("alone"), folder.path().join("itself"));
    let sample = ["--sample", "1000000", "--json"];
    let alone = audit(&matrix, &ids, &alone, &sample).ended(1).json();
    let against = ["--against", &text(&matrix), "--against-ids", &text(&ids)];
    let ran = audit(&matrix, &ids, &itself, &[&against[..], &sample].concat()).ended(1);
    assert_eq!(found_rows(&itself), part(0..split).brute_force(0.7));
    // And counts, and is expected, once.
    let summary = ran.json();
    assert_eq!((&summary["comparisons"], &summary["pairs"]), (&alone["comparisons"], &alone["pairs"]));
    let expected = |summary: &serde_json::Value| summary["expected_chance_pairs"].as_f64().unwrap();
    let off = expected(&summary) / expected(&alone);
    assert!((0.999..1.001).contains(&off), "{off}");
    // The north against everybody: those who are in both once, the others too.
    let (everybody, all_ids) = all.write(folder.path());
    let country = folder.path().join("country");
    let against = ["--against", &text(&everybody), "--against-ids", &text(&all_ids), "--json"];
    let summary = audit(&matrix, &ids, &country, &against).ended(1).json();
    let expected: BTreeSet<_> = all.brute_force(0.7).into_iter().filter(|&(a, _)| a < split).collect();
    assert_eq!(found_rows(&country), expected);
    let met = |a: usize| (a + 1..900).filter(|&b| all.owners[a] != all.owners[b]).count();
    assert_eq!(summary["comparisons"], (0..split).map(met).sum::<usize>());
}

#[test]
fn an_audit_since_an_earlier_one_finds_what_is_new_and_both_together_find_all() {
    let folder = tempfile::tempdir().unwrap();
    let all = people(900, 4);
    let earlier = People { vectors: all.vectors[..600].to_vec(), owners: all.owners[..600].to_vec() };
    let then = folder.path().join("then");
    std::fs::create_dir(&then).unwrap();
    let (matrix, ids) = earlier.write(&then);
    let first = folder.path().join("first");
    audit(&matrix, &ids, &first, &[]).ended(1);

    let (matrix, ids) = all.write(folder.path());
    let second = folder.path().join("second");
    let ran = audit(&matrix, &ids, &second, &["--since", &text(&first), "--json"]).ended(1);
    let (before, new) = (found_rows(&first), found_rows(&second));
    assert!(new.iter().all(|&(_, b)| b >= 600) && new.len() > 5);
    assert_eq!(before.union(&new).copied().collect::<BTreeSet<_>>(), all.brute_force(0.7));
    assert_eq!(ran.json()["compared"]["since"], "first");

    // Nothing new: nothing found.
    let third = folder.path().join("third");
    let ran = audit(&matrix, &ids, &third, &["--since", &text(&second), "--json"]).ended(0);
    assert_eq!((ran.json()["pairs"].clone(), ran.json()["comparisons"].clone()), (0.into(), 0.into()));
    assert_eq!(found_rows(&third), BTreeSet::new());
}

#[test]
fn filters_choose_and_say_how_many_they_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let people = people(600, 5);
    let (matrix, _) = people.write(folder.path());
    let ids = folder.path().join("more.csv");
    let mut csv = "subject_id,scheme,province,enrolled_at,sex,age\n".to_owned();
    for (row, owner) in people.owners.iter().enumerate() {
        let number: usize = owner[1..].parse().unwrap();
        let scheme = if number.is_multiple_of(3) { "health" } else { "health; social" };
        let province = ["01", "79"][usize::from(number % 10 == 9 || row < 300)];
        csv += &format!("{owner},{scheme},{province},{}-05-01,{},40\n", 2020 + number % 3, ["f", "m"][number % 2]);
    }
    std::fs::write(&ids, csv).unwrap();
    let out = folder.path().join("out");
    let filters =
        ["--scheme", "social", "--province", "79", "--enrolled-from", "2021-01-01", "--enrolled-to", "2022-05-01"];
    let ran = audit(&matrix, &ids, &out, &[&filters[..], &["--json"]].concat());
    let wanted = |row: usize| {
        let number: usize = people.owners[row][1..].parse().unwrap();
        !number.is_multiple_of(3) && (number % 10 == 9 || row < 300)
    };
    let expected: BTreeSet<_> = people.brute_force(0.7).into_iter().filter(|&(a, b)| wanted(a) && wanted(b)).collect();
    assert!(!expected.is_empty());
    assert_eq!(found_rows(&out), expected);
    let summary = ran.json();
    let left_out: u64 =
        summary["compared"]["left_out"].as_array().unwrap().iter().map(|of| of["count"].as_u64().unwrap()).sum();
    assert_eq!(summary["templates"].as_u64().unwrap() + left_out, 600);
    assert_eq!(summary["compared"]["filters"].as_array().unwrap().len(), 4);
    // Whoever is alike in sex and age is looked at apart.
    let all = folder.path().join("all");
    let summary = audit(&matrix, &ids, &all, &["--sample", "200000", "--json"]).ended(1).json();
    assert_eq!(summary["sampled"].as_array().map(Vec::len), Some(2), "{summary}");
}

#[test]
fn the_score_can_be_asked_for_by_the_chance_pairs_one_is_ready_to_look_at() {
    let folder = tempfile::tempdir().unwrap();
    let people = people(800, 6);
    let (matrix, ids) = people.write(folder.path());
    let out = folder.path().join("out");
    let summary =
        audit(&matrix, &ids, &out, &["--expect-chance", "20", "--sample", "400000", "--json"]).ended(1).json();
    let expected = summary["expected_chance_pairs"].as_f64().unwrap();
    assert!(expected <= 20.0 && expected > 19.0, "{expected}");
    let score = summary["threshold"].as_f64().unwrap() as f32;
    assert_eq!(found_rows(&out), people.brute_force(score));
}

#[test]
fn rows_without_a_vector_are_listed_with_their_line_and_the_list_goes_when_there_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut people = people(300, 7);
    let (whole, ids) = people.write(folder.path());
    people.vectors[5] = vec![0.0; DIMENSION];
    people.vectors[70] = vec![0.0; DIMENSION];
    let gaps = write_npy(&folder.path().join("gaps.npy"), &people.vectors);
    let out = folder.path().join("out");
    let ran = audit(&gaps, &ids, &out, &[]).ended(1);
    assert!(ran.stdout.contains("2 were left out (2 templates: no template"), "{ran:?}");
    assert!(ran.stdout.contains("left_out.csv lists each row"), "{ran:?}");
    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["compared"]["left_out_list"], "left_out.csv");
    let rows = csv_rows(&out.join("left_out.csv"));
    let told: Vec<_> =
        rows.iter().map(|row| (&*row["list"], &*row["line"], &*row["reason"], &*row["detail"])).collect();
    let expected = [("7", "row 5 of gaps.npy"), ("72", "row 70 of gaps.npy")];
    assert_eq!(told, expected.map(|(line, detail)| ("ids.csv", line, "NO_TEMPLATE", detail)));

    let ran = audit(&whole, &ids, &out, &["--restart", "--json"]).ended(1);
    assert!(ran.json()["compared"]["left_out_list"].is_null() && !out.join("left_out.csv").exists());
}
