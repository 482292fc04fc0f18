//! A finished audit that is run again: the earlier run is kept, ids stay, and it is said what has
//! changed.

use std::fs;

use super::*;
use crate::audit::findings::{PairFinding, Statement};
use crate::audit::measure::PairOutcome;
use crate::audit::results::{PairChange, RingChange};
use crate::audit::store::KeptAudit;
use crate::gallery::{Note, SubjectId};

/// Everybody of [`collection`].
fn everybody() -> Vec<(usize, usize)> {
    (0..SUBJECTS).map(|number| (number, number % 40)).collect()
}

fn again(people: &[(usize, usize)], out: &Path) -> Results {
    audited_of(&collection_of(people), out, 100, &mut Told::default()).unwrap()
}

/// The runs that are kept.
fn runs(out: &Path) -> Vec<std::path::PathBuf> {
    let Ok(runs) = fs::read_dir(out.join("runs")) else { return Vec::new() };
    let mut runs: Vec<_> = runs.map(|run| run.unwrap().path()).collect();
    runs.sort();
    runs
}

fn ring_of<'a>(results: &'a Results, id: &str) -> &'a crate::audit::RingFound {
    let record = results.record_named(id).expect("a record with a link");
    &results.rings[results.records[record as usize].ring.expect("a ring") as usize]
}

fn pair_id(results: &Results, one: &str, other: &str) -> String {
    results.pair_of_records(one, other).and_then(|pair| pair.id()).expect("an id").to_string()
}

fn decide(kept: &KeptAudit, one: &str, other: &str, statement: Statement) {
    let id = |text: &str| SubjectId::new(text).unwrap();
    let context = RequestContext::internal("test");
    let finding =
        PairFinding::new(&context, [id(one), id(other)], 1.0, statement, &Note::new("seen").unwrap(), &id("o-7"))
            .unwrap();
    assert!(kept.record(&finding).unwrap());
}

#[test]
fn the_earlier_run_is_kept_as_it_was_and_pairs_and_rings_have_the_same_ids() {
    let out = tempfile::tempdir().unwrap();
    let first = again(&everybody(), out.path());
    let run = first.summary.run.as_ref().unwrap();
    assert_eq!((&*run.version, run.pack.as_deref(), &*run.command), ("1.2.3", Some("a pack"), "chinhchu audit"));
    assert_eq!(run.user.as_deref(), Some("chinhchu (test)"));
    assert!(run.began <= run.finished && run.finished.ends_with('Z') && run.templates.len() == 64);
    assert!(first.summary.changes.is_none() && runs(out.path()).is_empty());
    for number in 1..=2 {
        let second = again(&everybody(), out.path());
        let kept = runs(out.path());
        assert_eq!(kept.len(), number);
        assert!(kept[0].file_name().unwrap().to_string_lossy().starts_with(&run.finished[..10]), "named for its day");
        if number == 1 {
            assert!(store::open(&kept[0]).unwrap().results == first);
        }
        let changes = second.summary.changes.as_ref().unwrap();
        assert_eq!(
            (changes.records_new, changes.records_left, changes.pairs_new, changes.pairs_gone),
            (Some(0), Some(0), 0, 0)
        );
        assert!(second.changed_rings.is_empty());
        assert!(second.links == first.links && second.rings == first.rings, "ids among them");
        assert!(store::open(out.path()).unwrap().results == second);
    }
}

#[test]
fn what_came_and_went_is_told_and_rings_that_grow_and_shrink_keep_their_ids() {
    let out = tempfile::tempdir().unwrap();
    let mut people = everybody();
    people.extend([(50, 1), (51, 2), (52, 3), (53, 3)]);
    // A ring of six that will fall apart: its faces are one now.
    people.extend((60..66).map(|number| (number, 60)));
    let first = again(&people, out.path());
    let id = |results: &Results, record: &str| ring_of(results, record).id.unwrap().to_string();

    // s00 and s40 gain s70; s51 leaves s02 and s42; s44 leaves s04 alone; of the six, two have
    // another face now; s71 and s72 are new; s03's four and s01's three become one.
    let mut later: Vec<(usize, usize)> =
        people.iter().copied().filter(|&(number, _)| number != 51 && number != 44).collect();
    for (number, face) in &mut later {
        match *number {
            60 | 61 => *face = 61,
            1 | 41 | 50 => *face = 3,
            _ => {}
        }
    }
    later.extend([(70, 0), (71, 45), (72, 45)]);
    let second = again(&later, out.path());
    assert_eq!(id(&second, "s00"), id(&first, "s00"), "grown");
    assert_eq!(id(&second, "s02"), id(&first, "s02"), "shrunk");
    assert_eq!(id(&second, "s63"), id(&first, "s60"), "the larger part");
    assert_eq!(id(&second, "s01"), id(&first, "s03"), "merged: that of the larger");
    assert!(first.rings.iter().all(|ring| ring.id.unwrap().to_string() != id(&second, "s61")), "the smaller part");
    assert_eq!(pair_id(&second, "s40", "s00"), pair_id(&first, "s00", "s40"));

    let change = |record: &str| {
        let of = ring_of(&second, record).id.unwrap();
        let change = second.changed_rings.iter().find(|ring| ring.id.is_same(&of)).expect("a change");
        (change.change, change.joined.join(" "), change.left.join(" "))
    };
    let told = |change, joined: &str, left: &str| (change, joined.to_owned(), left.to_owned());
    assert_eq!(change("s00"), told(RingChange::Grown, "s70", ""));
    assert_eq!(change("s02"), told(RingChange::Shrunk, "", "s51"));
    assert_eq!(change("s63"), told(RingChange::Split, "", "s60 s61"));
    assert_eq!(change("s61"), told(RingChange::Split, "s60 s61", ""));
    assert_eq!(change("s03"), told(RingChange::Merged, "s01 s41 s50", ""));
    assert_eq!(change("s71"), told(RingChange::New, "s71 s72", ""));
    let gone: Vec<_> = second.changed_rings.iter().filter(|ring| ring.change == RingChange::Gone).collect();
    assert_eq!(
        gone.iter().map(|ring| ring.left.join(" ")).collect::<std::collections::BTreeSet<_>>(),
        ["s01 s41 s50".to_owned(), "s04 s44".to_owned()].into()
    );

    let changes = second.summary.changes.as_ref().unwrap();
    assert_eq!((changes.records_new, changes.records_left), (Some(3), Some(2)));
    assert_eq!(
        [changes.rings_new, changes.rings_grown, changes.rings_shrunk, changes.rings_merged, changes.rings_split],
        [1, 1, 1, 1, 2]
    );
    let pairs = |change| second.changed_pairs.iter().filter(|pair| pair.change == change).count();
    // s70 with two, s71 with s72; three of s01 with four of s03; s51 with two, s44 with s04; two of
    // the six with the other four.
    assert_eq!(
        [PairChange::NewRecord, PairChange::NewlyFound, PairChange::RecordLeft, PairChange::NotFound].map(pairs),
        [3, 12, 3, 8]
    );
    let csv = fs::read_to_string(out.path().join("changes.csv")).unwrap();
    assert_eq!(csv.lines().filter(|line| line.starts_with("pair_new,")).count(), 15);
    assert!(csv.contains(&format!("ring,grown,{},s70,,,3,joined,", id(&second, "s00"))), "{csv}");
    assert!(store::open(out.path()).unwrap().results == second);
}

#[test]
fn a_run_that_stops_leaves_the_finished_one_in_place_and_goes_on_where_it_was() {
    let out = tempfile::tempdir().unwrap();
    let first = again(&everybody(), out.path());
    let mut people = everybody();
    people.extend([(50, 0), (51, 1)]);
    let mut told = Told::default();
    assert!(matches!(
        audited_of(&collection_of(&people), out.path(), 2, &mut told),
        Err(TaskError::TooManyPairs { .. })
    ));
    assert!(store::open(out.path()).unwrap().results == first && runs(out.path()).is_empty());
    // Somebody asks for something else meanwhile.
    let filters = Filters::default();
    let other = Request { sources: vec!["/other".into()], ..request(&filters, 100) };
    let refused = run_request(&other, &collection_of(&people[1..]), out.path(), &mut Told::default()).unwrap_err();
    assert!(refused.to_string().contains("--restart"), "{refused}");
    let second = again(&people, out.path());
    assert_eq!(second.summary.changes.as_ref().unwrap().records_new, Some(2));
    assert!(!out.path().join(AuditFile::NextCheckpoint.name()).exists());
    let mut told = Told::default();
    audited_of(&collection_of(&people), out.path(), 100, &mut told).unwrap();
    assert!(told.resumed.unwrap().complete, "nothing is compared twice");
}

#[test]
fn a_run_killed_while_it_replaces_the_earlier_one_loses_neither_and_keeps_it_once() {
    let out = tempfile::tempdir().unwrap();
    let first = again(&everybody(), out.path());
    let file = |name: &str| out.path().join(name);
    let before = ["checkpoint", "summary.json"].map(|name| fs::read(file(name)).unwrap());
    let mut people = everybody();
    people.extend([(50, 0)]);
    let second = again(&people, out.path());

    // Before the summary: all other files are the new run's, and the folder of the earlier run is
    // there, or was being gathered.
    fs::rename(file("checkpoint"), file("checkpoint.next")).unwrap();
    fs::write(file("checkpoint"), &before[0]).unwrap();
    fs::write(file("summary.json"), &before[1]).unwrap();
    fs::create_dir(file("runs/2001-01-01T00-00-00Z.partial")).unwrap();
    fs::write(file("runs/2001-01-01T00-00-00Z.partial/pairs.csv"), "cut").unwrap();
    assert!(matches!(store::open(out.path()), Err(AuditStoreError::TwoRuns { .. })), "never half of each");
    let mut told = Told::default();
    let third = audited_of(&collection_of(&people), out.path(), 100, &mut told).unwrap();
    assert!(told.resumed.unwrap().complete);
    assert_eq!(runs(out.path()).len(), 1);
    assert!(store::open(&runs(out.path())[0]).unwrap().results == first);
    assert!(
        third.links == second.links && third.rings == second.rings && third.summary.changes == second.summary.changes
    );

    // After the summary, before the checkpoint has its name.
    fs::rename(file("checkpoint"), file("checkpoint.next")).unwrap();
    fs::write(file("checkpoint"), &before[0]).unwrap();
    let mut told = Told::default();
    audited_of(&collection_of(&people), out.path(), 100, &mut told).unwrap();
    assert!(told.resumed.unwrap().complete && !file("checkpoint.next").exists());
    assert_eq!(runs(out.path()).len(), 2);
}

#[test]
fn restart_gives_up_what_is_unfinished_and_keeps_what_is_finished() {
    let out = tempfile::tempdir().unwrap();
    let first = again(&everybody(), out.path());
    let filters = Filters::default();
    let other = Request { sources: vec!["/other".into()], restart: true, ..request(&filters, 100) };
    let people: Vec<(usize, usize)> = (0..10).map(|number| (number, number / 2)).collect();
    let second = run_request(&other, &collection_of(&people), out.path(), &mut Told::default()).unwrap();
    assert!(second.summary.changes.is_none(), "another audit is not compared with");
    assert!(store::open(&runs(out.path())[0]).unwrap().results == first);
    assert!(store::open(out.path()).unwrap().results == second);
}

#[test]
fn an_earlier_run_that_is_damaged_is_kept_and_does_not_stand_in_the_way() {
    let out = tempfile::tempdir().unwrap();
    again(&everybody(), out.path());
    fs::write(out.path().join("audit.results"), "damaged").unwrap();
    let second = again(&everybody(), out.path());
    assert!(second.summary.changes.is_none());
    assert_eq!(fs::read(runs(out.path())[0].join("audit.results")).unwrap(), b"damaged");
    assert!(store::open(out.path()).unwrap().results == second);
}

#[test]
fn a_pair_that_was_cleared_is_listed_apart_and_comes_back_when_that_is_taken_back() {
    let out = tempfile::tempdir().unwrap();
    let first = again(&everybody(), out.path());
    let kept = store::open(out.path()).unwrap();
    decide(&kept, "s40", "s00", Statement::Found(PairOutcome::UnrelatedLookAlikes));
    decide(&kept, "s41", "s01", Statement::Found(PairOutcome::Undecided));
    let second = again(&everybody(), out.path());
    assert_eq!((second.links.len(), second.cleared.len(), second.summary.compared.cleared), (4, 1, 1));
    let cleared = &second.cleared[0];
    assert_eq!(cleared.clearing.outcome, Some(PairOutcome::UnrelatedLookAlikes));
    assert_eq!((&*cleared.clearing.officer, &*cleared.clearing.reason), ("o-7", "seen"));
    assert_eq!(cleared.id.unwrap().to_string(), pair_id(&first, "s00", "s40"));
    assert_eq!(second.changed_pairs.iter().map(|pair| pair.change).collect::<Vec<_>>(), [PairChange::Cleared]);
    // What is undecided stays in the list.
    let open = second.links.iter().find(|link| link.finding.is_some()).unwrap();
    assert_eq!(open.finding, Some(PairOutcome::Undecided));
    let csv = fs::read_to_string(out.path().join("cleared.csv")).unwrap();
    assert!(csv.contains(",s00,s40,1,1,unrelated-look-alikes,o-7,seen,"), "{csv}");

    decide(&store::open(out.path()).unwrap(), "s00", "s40", Statement::TakenBack);
    let third = again(&everybody(), out.path());
    assert_eq!((third.links.len(), third.cleared.len()), (5, 0));
    assert_eq!(third.changed_pairs.iter().map(|pair| pair.change).collect::<Vec<_>>(), [PairChange::ClearedNoMore]);
    assert!(!out.path().join("cleared.csv").exists(), "a table of an earlier run");
    // Findings are of the audit, and an earlier run knows them, too.
    assert_eq!(store::open(&runs(out.path())[0]).unwrap().findings.history("s00", "s40").len(), 2);
}

#[test]
fn an_audit_that_names_another_has_its_ids_and_one_that_lost_its_key_says_nothing_false_of_records() {
    let [out, known, since] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let mut people = everybody();
    people.push((50, 0));
    let first = again(&people, out.path());
    let filters = Filters::default();
    let folders = [out.path().to_owned()];
    let named = Request { known: &folders, ..request(&filters, 100) };
    let second = run_request(&named, &collection_of(&people), known.path(), &mut Told::default()).unwrap();
    assert!(second.links == first.links && second.rings == first.rings);
    // Only what is new, of a ring that was there: it has that one's id.
    people.push((51, 0));
    let newer = Request { since: Some(out.path()), ..request(&filters, 100) };
    let third = run_request(&newer, &collection_of(&people), since.path(), &mut Told::default()).unwrap();
    assert_eq!(third.links.len(), 3);
    assert!(ring_of(&third, "s51").id.unwrap().is_same(&ring_of(&first, "s50").id.unwrap()));

    fs::remove_file(out.path().join("ids.key")).unwrap();
    let later = again(&people[..people.len() - 1], out.path());
    let changes = later.summary.changes.as_ref().unwrap();
    assert_eq!((changes.records_new, changes.pairs_new, changes.pairs_gone), (None, 0, 0));
    assert_ne!(pair_id(&later, "s00", "s40"), pair_id(&first, "s00", "s40"));
    assert!(ring_of(&later, "s00").id.unwrap().is_same(&ring_of(&first, "s00").id.unwrap()), "inherited");
}
