//! Decisions in the gallery: once, whole, and in order. The public functions are promises of the
//! contract.

use std::sync::Arc;

use chinhchu::gallery::{
    Answered, Basis, ClearPair, ClearedPair, DecisionKey, EnrolMode, Filter, Gallery, GalleryError, NewDecision, Note,
    Outcome, ReadSet, RequestId, Resolution, ResolveCommand, Scope, Searched, Timestamp,
};

use crate::disk::{Disk, coin};
use crate::support::*;

fn key(transaction: &str, attempt: u32) -> DecisionKey {
    DecisionKey::new(RequestId::new(transaction).unwrap(), attempt).unwrap()
}

/// A decision about `s`; an approval of content 1 enrols it.
fn decision(key: DecisionKey, content: u8, outcome: Outcome) -> NewDecision {
    NewDecision {
        pictures: None,
        captures: Vec::new(),
        captures_lifetime_ms: 0,
        challenge: None,
        unit: None,
        province: None,
        presented_by: None,
        reasons: Vec::new(),
        key,
        content: [content; 32],
        subject: id("s"),
        scheme: "social".into(),
        outcome,
        answer: vec![content; 100],
        enrolment: None,
        basis: None,
        facts: crate::ledger::facts(),
    }
}

fn enrolling(key: DecisionKey) -> NewDecision {
    NewDecision { enrolment: Some(enrolment("s", EnrolMode::Create, &[1])), ..decision(key, 1, Outcome::Approve) }
}

fn resolution(outcome: Outcome) -> Resolution {
    Resolution { officer: id("officer"), outcome, reason: Note::new("seen").unwrap(), resolved_at: Timestamp(0) }
}

fn answer(transaction: &str, attempt: u32, outcome: Outcome) -> ResolveCommand {
    ResolveCommand { key: key(transaction, attempt), resolution: resolution(outcome), officers_needed: 1 }
}

fn pair(one: &str, other: &str) -> ClearPair {
    ClearPair {
        first: id(one),
        second: id(other),
        officer: id("officer"),
        reason: Note::new("twins").unwrap(),
        officers_needed: 1,
        lifetime_ms: None,
    }
}

fn empty() -> (Arc<Gallery>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Arc::new(open(dir.path()).unwrap()), dir)
}

pub fn a_decision_is_stored_once_with_its_enrolment_and_the_time_of_the_verification(gallery: Arc<Gallery>) {
    block_on(async {
        assert!(gallery.decision(&key("t", 1)).await.unwrap().is_none());
        let (stored, replayed) = gallery.decide(&by(), enrolling(key("t", 1))).await.unwrap();
        assert!(!replayed && stored.answer == vec![1; 100] && stored.resolution().is_none());
        let (again, replayed) = gallery.decide(&by(), enrolling(key("t", 1))).await.unwrap();
        assert!(replayed && again == stored);
        let subject = gallery.subject(&id("s")).await.unwrap().unwrap();
        assert_eq!((subject.templates.len(), subject.last_verified.get("social")), (1, Some(&stored.decided_at)));
        assert_eq!(gallery.within(&template(1), 0.99).await.unwrap().len(), 1, "found at once");
        let other = decision(key("t", 1), 2, Outcome::Approve);
        assert!(matches!(gallery.decide(&by(), other).await, Err(GalleryError::TransactionReused)));
        // An enrolment that comes too late takes the decision with it.
        let late = gallery.decide(&by(), enrolling(key("t-2", 1))).await;
        assert!(matches!(late, Err(GalleryError::SubjectExists)));
        assert!(gallery.decision(&key("t-2", 1)).await.unwrap().is_none());
    });
}

pub fn attempts_follow_each_other_until_one_closes_the_transaction(gallery: Arc<Gallery>) {
    block_on(async {
        let out_of_order = gallery.decide(&by(), decision(key("t", 2), 1, Outcome::Refer)).await;
        assert!(matches!(out_of_order, Err(GalleryError::AttemptOutOfOrder { expected: 1 })));
        gallery.decide(&by(), decision(key("t", 1), 1, Outcome::Deny)).await.unwrap();
        gallery.decide(&by(), decision(key("t", 2), 2, Outcome::Refer)).await.unwrap();
        // Transactions whose ids begin alike are others.
        gallery.decide(&by(), decision(key("t2", 1), 1, Outcome::Refer)).await.unwrap();
        gallery.decide(&by(), decision(key("t!", 1), 1, Outcome::Refer)).await.unwrap();
        let last = gallery.last_decision(&RequestId::new("t").unwrap()).await.unwrap().unwrap();
        assert_eq!((last.key, last.outcome), (key("t", 2), Outcome::Refer));

        let early = gallery.resolve(&by(), answer("t", 1, Outcome::Deny)).await;
        assert!(matches!(early, Err(GalleryError::NotReferred)), "it is not the last");
        let unknown = gallery.resolve(&by(), answer("t", 3, Outcome::Deny)).await;
        assert!(matches!(unknown, Err(GalleryError::UnknownAttempt)));
        let unknown = gallery.resolve(&by(), answer("u", 1, Outcome::Deny)).await;
        assert!(matches!(unknown, Err(GalleryError::UnknownTransaction)));
        let (resolved, replayed) = gallery.resolve(&by(), answer("t", 2, Outcome::Approve)).await.unwrap();
        assert!(!replayed && resolved.outcome == Outcome::Refer);
        assert_eq!(resolved.resolution().unwrap().outcome, Outcome::Approve);
        let (again, replayed) = gallery.resolve(&by(), answer("t", 2, Outcome::Approve)).await.unwrap();
        assert!(replayed && again == resolved);
        let other = gallery.resolve(&by(), answer("t", 2, Outcome::Deny)).await;
        assert!(matches!(other, Err(GalleryError::AlreadyResolved)));
        let after = gallery.decide(&by(), decision(key("t", 3), 3, Outcome::Approve)).await;
        assert!(matches!(after, Err(GalleryError::TransactionClosed)));
        // A late retry still gets its answer.
        assert!(gallery.decide(&by(), decision(key("t", 1), 1, Outcome::Deny)).await.unwrap().1);
        let stranger = NewDecision { subject: id("x"), ..decision(key("t2", 2), 2, Outcome::Refer) };
        assert!(matches!(gallery.decide(&by(), stranger).await, Err(GalleryError::TransactionReused)));
    });
}

pub fn pairs_are_cleared_for_both_and_forgotten_with_either(gallery: Arc<Gallery>) {
    block_on(async {
        assert!(matches!(gallery.clear_pair(&by(), pair("a", "b")).await, Err(GalleryError::UnknownSubject)));
        assert!(matches!(gallery.clear_pair(&by(), pair("a", "a")).await, Err(GalleryError::SamePair)));
        create(&gallery, "a", &[1]).await.unwrap();
        assert!(!gallery.clear_pair(&by(), pair("b", "a")).await.unwrap().1.replayed);
        assert!(gallery.clear_pair(&by(), pair("a", "b")).await.unwrap().1.replayed);
        gallery.clear_pair(&by(), pair("a", "c")).await.unwrap();
        // Ids that begin alike are others.
        create(&gallery, "ab", &[2]).await.unwrap();
        gallery.clear_pair(&by(), pair("ab", "z")).await.unwrap();
        assert_eq!(gallery.cleared_with(&id("a")).await.unwrap(), [id("b"), id("c")]);
        assert_eq!(gallery.cleared_with(&id("b")).await.unwrap(), [id("a")]);

        let ids = |pairs: Vec<ClearedPair>| pairs.into_iter().map(|pair| (pair.first, pair.second)).collect::<Vec<_>>();
        let all = ids(gallery.cleared_pairs(None, 10).await.unwrap());
        let mut sorted = all.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [(id("a"), id("b")), (id("a"), id("c")), (id("ab"), id("z"))]);
        assert_eq!(ids(gallery.cleared_pairs(None, 1).await.unwrap()), all[..1]);
        assert_eq!(ids(gallery.cleared_pairs(Some(&all[0]), 10).await.unwrap()), all[1..]);

        gallery.enrol(&by(), enrolment("c", EnrolMode::Replace, &[3]), None).await.unwrap();
        assert!(gallery.cleared_with(&id("c")).await.unwrap().is_empty(), "whoever c is, officers have not seen them");
        assert!(!gallery.clear_pair(&by(), pair("a", "c")).await.unwrap().1.replayed);
        gallery.enrol(&by(), enrolment("c", EnrolMode::Replace, &[4]), None).await.unwrap();
        assert!(gallery.cleared_with(&id("c")).await.unwrap().is_empty());
        gallery.remove(&by(), &id("a"), None).await.unwrap();
        assert_eq!(ids(gallery.cleared_pairs(None, 10).await.unwrap()), [(id("ab"), id("z"))]);
    });
}

/// Each searches and commits as a counter does, and again where that is outdated. Whichever
/// engine decides, at least one of the two finds the other.
pub fn of_two_claims_at_one_moment_at_least_one_finds_the_other(gallery: Arc<Gallery>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    async fn claim(gallery: &Gallery, subject: &str, seed: u64) -> bool {
        let probe = template(seed);
        loop {
            let wanted = ReadSet { subjects: vec![id(subject)], cleared_with: Some(id(subject)), ..ReadSet::default() };
            let records = gallery.read(wanted).await.unwrap();
            let found = gallery.find(&probe, Scope::Within(0.999), &Filter::default()).await.unwrap();
            // So that the others search before anybody commits.
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            let finds = found.candidates.iter().any(|candidate| candidate.subject != id(subject));
            let outcome = if finds { Outcome::Refer } else { Outcome::Approve };
            let claim = NewDecision {
                subject: id(subject),
                enrolment: (!finds).then(|| enrolment(subject, EnrolMode::Create, &[seed])),
                basis: Some(Basis {
                    captures_before: None,
                    newest: None,
                    subject: records.head(&id(subject)).cloned(),
                    cleared_with: records.cleared_with,
                    searched: Some(vec![Searched { probe: probe.clone(), score: 0.999, as_of: found.as_of }]),
                }),
                ..decision(key(&format!("t-{subject}"), 1), 1, outcome)
            };
            match gallery.decide(&by(), claim).await {
                Err(GalleryError::Outdated) => {}
                decided => {
                    decided.unwrap();
                    return finds;
                }
            }
        }
    }
    runtime.block_on(async {
        for seed in 0..24u64 {
            let claims = (0..3).map(|number| {
                let gallery = Arc::clone(&gallery);
                tokio::spawn(async move { claim(&gallery, &format!("s{seed}-{number}"), seed).await })
            });
            let mut unnoticed = 0;
            for claim in claims.collect::<Vec<_>>() {
                unnoticed += usize::from(!claim.await.unwrap());
            }
            // Faces come from a few directions: a later one may be an earlier one's.
            assert!(unnoticed <= 1, "{unnoticed} claims with one face were approved");
        }
    });
}

pub fn a_snapshot_of_a_gallery_is_of_one_moment(gallery: Arc<Gallery>) {
    block_on(async {
        create(&gallery, "a", &[1, 2]).await.unwrap();
        gallery.clear_pair(&by(), pair("a", "b")).await.unwrap();
        let mut snapshot = gallery.snapshot().await.unwrap();
        create(&gallery, "b", &[3]).await.unwrap();
        assert_eq!((snapshot.head().subjects, snapshot.head().templates), (1, 2));
        let mut parts = 0;
        while snapshot.next().await.unwrap().is_some() {
            parts += 1;
        }
        assert_eq!(parts, 2);
    });
}

pub fn a_look_up_says_how_it_was_answered_and_names_the_nearest(gallery: Arc<Gallery>) {
    block_on(async {
        for number in 0..20u64 {
            create(&gallery, &format!("s{number:02}"), &[number * 3]).await.unwrap();
        }
        let found = gallery.look_up(&template(6), 3, &Filter::default()).await.unwrap();
        let exact = gallery.nearest(&template(6), 3).await.unwrap();
        match found.answered {
            Answered::Approximately { recall } => assert!((0.0..=1.0).contains(&recall)),
            Answered::Exactly | Answered::ExactlyInstead(_) => assert_eq!(found.candidates, exact),
        }
    });
}

#[test]
fn decisions_and_pairs_are_there_after_reopening() {
    let (gallery, dir) = empty();
    let stored = block_on(async {
        let stored = gallery.decide(&by(), enrolling(key("t", 1))).await.unwrap().0;
        gallery.clear_pair(&by(), pair("s", "b")).await.unwrap();
        stored
    });
    drop(gallery);
    let gallery = open(dir.path()).unwrap();
    block_on(async {
        assert!(gallery.decision(&key("t", 1)).await.unwrap().unwrap() == stored);
        assert_eq!(gallery.cleared_with(&id("b")).await.unwrap(), [id("s")]);
    });
}

#[test]
fn a_folder_from_before_there_were_decisions_gets_its_tables() {
    let (gallery, dir) = empty();
    block_on(create(&gallery, "a", &[1])).unwrap();
    drop(gallery);
    {
        let database = redb::Database::open(dir.path().join("chinhchu.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        for table in ["decisions", "cleared"] {
            let table: redb::TableDefinition<&str, &[u8]> = redb::TableDefinition::new(table);
            assert!(transaction.delete_table(table).unwrap());
        }
        transaction.commit().unwrap();
    }
    let gallery = open(dir.path()).unwrap();
    block_on(async {
        assert_eq!(gallery.stats().subjects, 1);
        gallery.decide(&by(), enrolling(key("t", 1))).await.unwrap();
        gallery.clear_pair(&by(), pair("a", "s")).await.unwrap();
    });
}

#[test]
fn an_altered_decision_is_damage_and_not_an_answer() {
    let (gallery, dir) = empty();
    block_on(gallery.decide(&by(), enrolling(key("t", 1)))).unwrap();
    drop(gallery);
    {
        use redb::ReadableTable;
        let database = redb::Database::open(dir.path().join("chinhchu.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let table: redb::TableDefinition<&str, &[u8]> = redb::TableDefinition::new("decisions");
            let mut table = transaction.open_table(table).unwrap();
            let (name, mut value) = {
                let (name, value) = table.first().unwrap().unwrap();
                (name.value().to_owned(), value.value().to_vec())
            };
            let last = value.len() - 1;
            value[last] ^= 1;
            table.insert(name.as_str(), value.as_slice()).unwrap();
        }
        transaction.commit().unwrap();
    }
    let gallery = open(dir.path()).unwrap();
    assert!(matches!(block_on(gallery.decision(&key("t", 1))), Err(GalleryError::Damaged { .. })));
    assert!(matches!(block_on(gallery.decide(&by(), enrolling(key("t", 1)))), Err(GalleryError::Damaged { .. })));
}

#[test]
fn a_power_cut_leaves_decision_enrolment_and_verification_together_or_none_of_them() {
    let disk = Disk::default();
    let gallery = disk.open().unwrap();
    disk.record();
    block_on(gallery.decide(&by(), enrolling(key("t", 1)))).unwrap();
    drop(gallery);
    let (mut before, mut after) = (false, false);
    for (number, sync) in disk.syncs().iter().enumerate() {
        for cut in 0..4 {
            let mut coin = coin((number * 4 + cut) as u64);
            let bytes = match cut {
                0 => sync.cut(|| false),
                1 => sync.cut(|| true),
                _ => sync.cut(&mut coin),
            };
            let survivor = Disk::holding(bytes).open().unwrap();
            block_on(async {
                let decided = survivor.decision(&key("t", 1)).await.unwrap();
                let subject = survivor.subject(&id("s")).await.unwrap();
                assert_eq!(decided.is_some(), subject.is_some());
                assert!(subject.as_ref().is_none_or(|subject| subject.last_verified.contains_key("social")));
                (before, after) = (before || decided.is_none(), after || decided.is_some());
                // And the retry puts right what is missing.
                survivor.decide(&by(), enrolling(key("t", 1))).await.unwrap();
                assert_eq!(survivor.stats().templates, 1);
            });
        }
    }
    assert!(before && after, "cuts fell on both sides of the commit");
}
