mod rerun;

use std::path::Path;

use super::*;
use crate::audit::{CollectedTemplate, LeftOutRow};

const DIMENSION: usize = 64;
/// Subjects; those from 40 on have the face of the one 40 before, which nobody else is like.
const SUBJECTS: usize = 45;

fn collection() -> Collection {
    collection_of(&(0..SUBJECTS).map(|number| (number, number % 40)).collect::<Vec<_>>())
}

/// People by number, with the number of their face.
fn collection_of(people: &[(usize, usize)]) -> Collection {
    let mut collection = Collection::new();
    for &(number, face) in people {
        let subject = collection.subject(&format!("s{number:02}")).unwrap();
        let mut vector = [0.0; DIMENSION];
        vector[face] = 1.0;
        collection.push("0", &vector, CollectedTemplate { subject, captured_at: None, quality: None }).unwrap();
    }
    collection.finish().unwrap();
    collection
}

fn request(filters: &Filters, pairs_max: usize) -> Request<'_> {
    Request {
        source: "made up".to_owned(),
        against: None,
        gallery: None,
        sources: vec!["/made/up".into()],
        command: CommandLine { line: "chinhchu audit".into(), version: "1.2.3".into(), pack: Some("a pack".into()) },
        asked: ThresholdAsked::Score(0.5),
        filters,
        since: None,
        known: &[],
        restart: false,
        sampled_max: 10_000,
        pairs_max,
        threads: 2,
        locale: CsvLocale::Plain,
        words: &|_| None,
        key: None,
    }
}

/// What an observer was told.
#[derive(Default)]
struct Told {
    resumed: Option<Resumed>,
    done: u64,
    pairs: usize,
    ended: bool,
}

impl Observer for Told {
    fn begins(&mut self, resumed: Resumed) {
        self.resumed = Some(resumed);
    }

    fn advances(&mut self, done: u64, pairs: usize) {
        (self.done, self.pairs) = (done, pairs);
    }

    fn ends(&mut self) {
        self.ended = true;
    }
}

fn audited(out: &Path, pairs_max: usize, told: &mut Told) -> Result<Results, TaskError> {
    audited_of(&collection(), out, pairs_max, told)
}

fn audited_of(collection: &Collection, out: &Path, pairs_max: usize, told: &mut Told) -> Result<Results, TaskError> {
    let filters = Filters::default();
    run_request(&request(&filters, pairs_max), collection, out, told)
}

fn run_request(
    request: &Request<'_>,
    collection: &Collection,
    out: &Path,
    told: &mut Told,
) -> Result<Results, TaskError> {
    let folder = AuditFolder::open(out).unwrap();
    let prepared =
        BegunAudit::new(&RequestContext::internal("test"), request, &folder)?.loaded(collection, vec![None])?;
    // Everybody has one template.
    let all = collection.rows() as u64;
    let comparisons = if request.since.is_none() { all * (all - 1) / 2 } else { prepared.size().comparisons };
    assert_eq!((prepared.size().subjects, prepared.size().comparisons), (all, comparisons));
    prepared.run(None, ReportOptions { locale: CsvLocale::Plain, thumbnail: None }, told)
}

fn ids(results: &Results) -> Vec<[String; 2]> {
    let mut ids: Vec<_> =
        results.pairs.iter().map(|pair| results.records_of(pair).map(|record| record.id.clone())).collect();
    ids.sort();
    ids
}

#[test]
fn an_audit_finds_keeps_and_tells_and_the_folder_opens_as_what_it_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut told = Told::default();
    let found = audited(folder.path(), 100, &mut told).unwrap();
    let expected: Vec<[String; 2]> = (0..5).map(|n| [format!("s{n:02}"), format!("s{}", n + 40)]).collect();
    assert_eq!(ids(&found), expected);
    assert_eq!((found.summary.pairs, found.summary.rings, found.summary.compared.source.as_str()), (5, 5, "made up"));
    let resumed = told.resumed.unwrap();
    assert_eq!((resumed.all, resumed.done, resumed.goes_on, resumed.damaged), (990, 0, false, false));
    assert_eq!((told.done, told.pairs, told.ended), (990, 5, true));
    let kept = store::open(folder.path()).unwrap();
    assert!(kept.results == found && kept.inputs.gallery.is_none(), "{kept:?}");

    // Again: nothing is compared twice.
    let mut told = Told::default();
    let again = audited(folder.path(), 100, &mut told).unwrap();
    assert_eq!(ids(&again), expected);
    assert!(told.resumed.is_some_and(|resumed| resumed.complete && resumed.done == 990));
}

#[test]
fn more_pairs_than_are_held_stop_it_and_say_what_is_known_of_fewer() {
    let folder = tempfile::tempdir().unwrap();
    let mut told = Told::default();
    match audited(folder.path(), 2, &mut told) {
        Err(TaskError::TooManyPairs { pairs_max: 2, score: 0.5, share, instead: None }) => assert!(share < 1.0),
        other => panic!("{other:?}"),
    }
    assert!(told.ended && store::open(folder.path()).is_err());
    assert_eq!(ids(&audited(folder.path(), 100, &mut told).unwrap()).len(), 5);
}

fn missing(line: u64) -> LeftOutRow {
    let (list, file, reason) = ("people.csv".into(), "a.jpg".into(), "FILE_MISSING".into());
    LeftOutRow { list, line, file, reason, detail: String::new() }
}

#[test]
fn an_audit_of_something_else_is_refused_and_every_file_of_the_first_stays_as_it_was() {
    let out = tempfile::tempdir().unwrap();
    let mut first = collection();
    first.leave_out("FILE_MISSING", 1);
    first.list_left_out(missing(7));
    let found = audited_of(&first, out.path(), 100, &mut Told::default()).unwrap();
    assert_eq!(found.left_out, [missing(7)]);
    let files = || {
        let mut files: Vec<_> = std::fs::read_dir(out.path()).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files.into_iter().map(|path| (std::fs::read(&path).unwrap(), path)).collect::<Vec<_>>()
    };
    let before = files();
    // One template has another name, and no row was left out.
    let mut other = Collection::new();
    for row in 0..first.rows() as u32 {
        let subject = other.subject(first.subject_id(first.groups()[row as usize])).unwrap();
        other
            .push(
                &format!("x{row}"),
                first.vector(row),
                CollectedTemplate { subject, captured_at: None, quality: None },
            )
            .unwrap();
    }
    let filters = Filters::default();
    let elsewhere = Request { sources: vec!["/made/up/otherwise".into()], ..request(&filters, 100) };
    let refused = run_request(&elsewhere, &other, out.path(), &mut Told::default()).unwrap_err();
    assert!(refused.to_string().contains("--restart"), "{refused}");
    let (filters, nothing) = (Filters::default(), Collection::new());
    let (request, folder) = (request(&filters, 100), AuditFolder::open(out.path()).unwrap());
    assert!(
        BegunAudit::new(&RequestContext::internal("test"), &request, &folder)
            .unwrap()
            .loaded(&nothing, vec![None])
            .is_err()
    );
    assert!(files() == before);
}

#[test]
fn where_nothing_is_left_to_compare_the_rows_left_out_are_listed_all_the_same() {
    let out = tempfile::tempdir().unwrap();
    let filters = Filters::default();
    let (request, folder) = (request(&filters, 100), AuditFolder::open(out.path()).unwrap());
    let mut collection = Collection::new();
    collection.leave_out("FILE_MISSING", 1);
    collection.list_left_out(missing(2));
    let error = BegunAudit::new(&RequestContext::internal("test"), &request, &folder)
        .unwrap()
        .loaded(&collection, vec![None])
        .err()
        .expect("nothing");
    assert!(error.to_string().contains("1 x the photo's file is missing"), "{error}");
    let listed = std::fs::read_to_string(folder.file(AuditFile::LeftOut)).unwrap();
    assert!(listed.contains("people.csv,2,a.jpg,FILE_MISSING"), "{listed}");
}
