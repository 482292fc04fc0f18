use std::fs;

use super::*;

fn id(text: &str) -> SubjectId {
    SubjectId::new(text).unwrap()
}

fn entry(a: &str, b: &str, statement: Statement, at: u64) -> PairFinding {
    let (context, note) = (RequestContext::internal("test"), Note::new("seen").unwrap());
    PairFinding { at, ..PairFinding::new(&context, [id(a), id(b)], 0.7, statement, &note, &id("officer-1")).unwrap() }
}

fn finding(a: &str, b: &str, outcome: PairOutcome, at: u64) -> PairFinding {
    entry(a, b, Statement::Found(outcome), at)
}

#[test]
fn the_last_finding_of_a_pair_holds_and_the_same_again_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("findings");
    assert!(Findings::record(&path, &finding("b", "a", PairOutcome::Fraud, 1)).unwrap());
    assert!(!Findings::record(&path, &finding("a", "b", PairOutcome::Fraud, 2)).unwrap());
    assert!(Findings::record(&path, &finding("a", "b", PairOutcome::Twins, 3)).unwrap());
    assert!(Findings::record(&path, &finding("a", "c", PairOutcome::Fraud, 4)).unwrap());
    let read = Findings::read(&path).unwrap();
    assert_eq!(read.get("b", "a").unwrap().outcome(), Some(PairOutcome::Twins));
    assert_eq!((read.iter().count(), read.get("b", "c")), (2, None));
    let mut merged = Findings::default();
    merged.merge(read.clone());
    merged.merge(read.clone());
    assert_eq!(merged, read, "what two files have is there once");
    let mut older = Findings::default();
    older.push(finding("a", "b", PairOutcome::Fraud, 2));
    merged.merge(older);
    assert_eq!(merged.get("a", "b"), read.get("a", "b"), "an older finding does not replace a later one");
    assert_eq!(merged.history("b", "a").len(), 3);
}

#[test]
fn a_finding_is_taken_back_by_an_entry_and_its_history_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("findings");
    let back = |at| entry("a", "b", Statement::TakenBack, at);
    assert!(matches!(Findings::record(&path, &back(1)), Err(FindingsError::NothingToTakeBack)));
    Findings::record(&path, &finding("a", "b", PairOutcome::Twins, 2)).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(Findings::record(&path, &back(3)).unwrap());
    assert!(fs::read(&path).unwrap().starts_with(&before), "nothing that was recorded is changed");
    let read = Findings::read(&path).unwrap();
    assert_eq!((read.get("a", "b"), read.iter().count(), read.pairs().count()), (None, 0, 1));
    assert_eq!(
        read.history("a", "b").iter().map(|entry| entry.statement.name()).collect::<Vec<_>>(),
        ["twins", "taken-back"]
    );
    assert!(matches!(Findings::record(&path, &back(4)), Err(FindingsError::NothingToTakeBack)));
    // The same finding holds again once it is recorded again.
    assert!(Findings::record(&path, &finding("a", "b", PairOutcome::Twins, 5)).unwrap());
    assert_eq!(Findings::read(&path).unwrap().get("a", "b").unwrap().at, 5);
    // What another file took back later does not hold, either.
    let mut merged = Findings::read(&path).unwrap();
    let mut other = Findings::default();
    other.push(back(6));
    merged.merge(other);
    assert_eq!(merged.get("a", "b"), None);
}

#[test]
fn a_line_of_an_earlier_program_is_read_and_one_of_an_unknown_outcome_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("findings");
    let line = |outcome: &str| {
        crate::audit::lines::encode(&serde_json::json!({
            "subject_a": "a", "subject_b": "b", "score": 0.9, "outcome": outcome, "reason": "seen", "officer": "o-7", "at": 7
        }))
        .unwrap()
    };
    fs::write(&path, line("same-person")).unwrap();
    let read = Findings::read(&path).unwrap();
    let held = read.get("a", "b").unwrap();
    assert_eq!((held.outcome(), &held.recorded_by), (Some(PairOutcome::SamePerson), &None));
    fs::write(&path, [line("same-person"), line("murder")].concat()).unwrap();
    assert!(matches!(Findings::read(&path), Err(FindingsError::Damaged { line: 2, .. })));
}

#[test]
fn a_line_cut_short_is_dropped_and_any_other_damage_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("findings");
    Findings::record(&path, &finding("a", "b", PairOutcome::Fraud, 1)).unwrap();
    let first = fs::read(&path).unwrap().len();
    Findings::record(&path, &finding("a", "c", PairOutcome::Fraud, 2)).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(Findings::read(&path).unwrap().iter().count(), usize::from(length >= first), "cut at {length}");
        assert!(Findings::record(&path, &finding("a", "d", PairOutcome::Twins, 3)).unwrap());
        assert_eq!(Findings::read(&path).unwrap().get("d", "a").unwrap().outcome(), Some(PairOutcome::Twins));
    }
    for at in 0..whole.len() {
        let mut spoilt = whole.clone();
        spoilt[at] ^= 2;
        fs::write(&path, &spoilt).unwrap();
        let read = Findings::read(&path);
        // The last line break altered looks like a line cut short.
        assert!(read.is_err() || at + 1 == whole.len(), "byte {at}");
    }
}

#[test]
fn a_finding_is_of_two_people_says_who_recorded_it_and_tells_logs_nothing() {
    let (context, note) = (RequestContext::internal("test"), Note::new("seen").unwrap());
    let statement = Statement::Found(PairOutcome::Fraud);
    let same = PairFinding::new(&context, [id("a"), id("a")], 0.7, statement, &note, &id("o"));
    assert!(matches!(same, Err(GalleryError::SamePair)));
    assert_eq!(format!("{:?}", finding("a", "b", PairOutcome::Fraud, 1)), "PairFinding(…)");
    let user = |name: Option<&str>| {
        principal_name(&RequestContext::new(Principal::OperatingSystemUser { uid: 7, name: name.map(Into::into) }))
    };
    assert_eq!([user(Some("lan")), user(None)], [Some("lan (uid 7)".to_owned()), Some("uid 7".to_owned())]);
    assert_eq!(principal_name(&RequestContext::anonymous()), None);
}
