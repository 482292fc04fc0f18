use std::path::Path;

use super::*;
use crate::audit::cost::{AuditCost, Clock};
use crate::audit::left_out::LeftOutRow;
use crate::audit::lines;
use crate::audit::results::tests::{HANGING, PAIRS, found};
use crate::table::CsvLocale;

/// Results as a run keeps them, in a folder.
fn kept(folder: &Path, pairs: &[(u32, u32, f32)]) -> Results {
    let mut found = found(pairs, "=người \"1\", \n").results();
    found.left_out.push(LeftOutRow {
        list: "people.csv".into(),
        line: 7,
        file: "a.jpg".into(),
        reason: "FILE_MISSING".into(),
        detail: String::new(),
    });
    let report = ReportOptions { locale: CsvLocale::Plain, thumbnail: None };
    let (cost, clock) = (AuditCost::default(), Clock::start());
    let at = std::time::Instant::now();
    AuditFolder::open(folder).unwrap().keep_results(&mut found, report, at, cost, clock).unwrap();
    found
}

#[test]
fn what_a_run_kept_is_opened_as_it_was_and_gives_the_same_tables_page_and_summary() {
    for pairs in [&PAIRS[..], &HANGING, &[]] {
        let folder = tempfile::tempdir().unwrap();
        let written = kept(folder.path(), pairs);
        let opened = results(folder.path()).unwrap();
        assert!(opened == written, "{opened:?} is not {written:?}");
        let file = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
        let bytes = |write: &dyn Fn(&mut Vec<u8>) -> std::io::Result<()>| {
            let mut bytes = Vec::new();
            write(&mut bytes).unwrap();
            bytes
        };
        assert!(bytes(&|out| opened.write_pairs(out, CsvLocale::Plain)) == file(PAIRS_CSV));
        assert!(bytes(&|out| opened.write_rings(out, CsvLocale::Plain)) == file(RINGS));
        assert!(bytes(&|out| opened.write_page(out, None)) == file(PAGE));
        assert!(bytes(&|out| opened.summary.write(out)) == file(SUMMARY));
    }
}

/// `super::PAIRS` is hidden by the pairs of the tests.
const PAIRS_CSV: &str = super::PAIRS;

#[test]
fn results_that_were_altered_or_cut_are_an_error_and_never_fewer_pairs() {
    let folder = tempfile::tempdir().unwrap();
    kept(folder.path(), &PAIRS);
    let path = folder.path().join(RESULTS);
    let whole = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8], what: &str| {
        std::fs::write(&path, bytes).unwrap();
        match results(folder.path()) {
            Err(AuditStoreError::Damaged { .. }) => {}
            other => panic!("{what}: {other:?}"),
        }
    };
    // Every place would take minutes; these are in every line.
    for length in (0..whole.len()).step_by(53) {
        refused(&whole[..length], "cut");
    }
    for at in (0..whole.len()).step_by(47) {
        let mut spoilt = whole.clone();
        spoilt[at] ^= 2;
        refused(&spoilt, "altered");
    }
    // A line taken out, or twice there, is as bad as one that was altered.
    let lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
    for at in 1..lines.len() - 1 {
        refused(&[&lines[..at], &lines[at + 1..]].concat().concat(), "a line less");
        refused(&[&lines[..=at], &lines[at..]].concat().concat(), "a line twice");
    }
    std::fs::write(&path, &whole).unwrap();
    results(folder.path()).unwrap();
}

#[test]
fn numbers_that_lead_beyond_what_is_there_are_damage_though_the_checksum_holds() {
    let folder = tempfile::tempdir().unwrap();
    let mut astray = kept(folder.path(), &PAIRS);
    astray.links[0].best = 1_000;
    let mut bytes = Vec::new();
    format::write_body(&astray, &mut bytes).unwrap();
    format::write_end(&astray, &mut bytes).unwrap();
    std::fs::write(folder.path().join(RESULTS), bytes).unwrap();
    assert!(matches!(results(folder.path()), Err(AuditStoreError::Damaged { .. })));
}

#[test]
fn a_newer_version_another_runs_summary_and_no_summary_are_each_told() {
    let folder = tempfile::tempdir().unwrap();
    kept(folder.path(), &PAIRS);
    let summary = folder.path().join(SUMMARY);
    let text = std::fs::read_to_string(&summary).unwrap();
    // Spaces are nobody's business, another audit's figures are.
    std::fs::write(&summary, text.replace("  ", " ")).unwrap();
    results(folder.path()).unwrap();
    std::fs::write(&summary, text.replace("\"threshold\": 0.5", "\"threshold\": 0.6")).unwrap();
    assert!(matches!(results(folder.path()), Err(AuditStoreError::TwoRuns { .. })));
    std::fs::write(&summary, "{}").unwrap();
    assert!(matches!(results(folder.path()), Err(AuditStoreError::Unreadable { .. })));
    std::fs::remove_file(&summary).unwrap();
    assert!(matches!(results(folder.path()), Err(AuditStoreError::NotFinished { .. })));

    let head = serde_json::json!({"format": "chinhchu audit results", "version": format::VERSION + 1, "more": 1});
    std::fs::write(folder.path().join(RESULTS), lines::encode(&head).unwrap()).unwrap();
    let newer = results(folder.path()).unwrap_err();
    assert!(matches!(newer, AuditStoreError::Newer { found: 3, .. }) && newer.to_string().contains("newer program"));
}

/// A folder of a program that kept tables alone gives the same views, but for what tables do not
/// have and digits they leave out.
#[test]
fn the_tables_of_an_earlier_program_are_opened_as_what_they_were_written_from() {
    for pairs in [&PAIRS[..], &HANGING, &[]] {
        let folder = tempfile::tempdir().unwrap();
        let written = kept(folder.path(), pairs);
        std::fs::remove_file(folder.path().join(RESULTS)).unwrap();
        let opened = results(folder.path()).unwrap();
        assert_eq!(opened.summary, written.summary);
        assert!(opened.bands.is_empty() && opened.left_out.is_empty());
        // Those programs gave no ids.
        let mut written = written;
        written.links.iter_mut().for_each(|link| link.id = None);
        written.rings.iter_mut().for_each(|ring| ring.id = None);
        let rows = |of: &Results| {
            let mut tables = (Vec::new(), Vec::new());
            of.write_pairs(&mut tables.0, CsvLocale::Plain).unwrap();
            of.write_rings(&mut tables.1, CsvLocale::Plain).unwrap();
            tables
        };
        assert!(rows(&opened) == rows(&written), "{opened:?}");
        // A bridge has no ring that numbers its two records.
        let ids = |of: &Results| -> Vec<[String; 2]> {
            let bridges = of.bridges.iter().map(|&link| &of.links[link as usize]);
            bridges
                .map(|link| {
                    let mut ends = [link.a, link.b].map(|record| of.records[record as usize].id.clone());
                    ends.sort();
                    ends
                })
                .collect()
        };
        assert_eq!(ids(&opened), ids(&written));
    }
}

#[test]
fn tables_that_do_not_go_together_or_make_no_sense_are_told_without_what_is_in_them() {
    let folder = tempfile::tempdir().unwrap();
    kept(folder.path(), &PAIRS);
    std::fs::remove_file(folder.path().join(RESULTS)).unwrap();
    let pairs = std::fs::read_to_string(folder.path().join(PAIRS_CSV)).unwrap();
    let rings = std::fs::read_to_string(folder.path().join(RINGS)).unwrap();
    let refused = |name: &str, text: &str, part: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        let told = results(folder.path()).unwrap_err().to_string();
        assert!(told.contains(part) && told.contains("--out") && !told.contains("người"), "{told}");
        std::fs::write(folder.path().join(PAIRS_CSV), &pairs).unwrap();
        std::fs::write(folder.path().join(RINGS), &rings).unwrap();
    };
    refused(PAIRS_CSV, &pairs.replace(",strong,", ",steel,"), "pairs.csv: row");
    refused(PAIRS_CSV, &pairs.replace(",0.97,", ",much,"), "pairs.csv: row 1 cannot be read");
    refused(PAIRS_CSV, &pairs.replace("score", "points"), "pairs.csv: row 1 cannot be read");
    refused(PAIRS_CSV, &pairs.replace(",fraud", ",murder"), "pairs.csv: row");
    refused(RINGS, rings.lines().next().unwrap(), "does not go with");
    for name in [PAIRS_CSV, RINGS] {
        std::fs::remove_file(folder.path().join(name)).unwrap();
        let told = results(folder.path()).unwrap_err();
        assert!(matches!(told, AuditStoreError::NotFinished { .. }), "{told:?}");
        std::fs::write(folder.path().join(PAIRS_CSV), &pairs).unwrap();
        std::fs::write(folder.path().join(RINGS), &rings).unwrap();
    }
}
