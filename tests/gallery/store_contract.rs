//! The contract of record stores, written against the trait alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use chinhchu::gallery::{
    Attributes, Basis, Change, ClearPair, ClearedPair, Command, DecisionKey, EnrolMode, Enrolment, GalleryError,
    NewDecision, Note, Outcome, ReadSet, RecordStore, RequestId, Resolution, ResolveCommand, Searched, SnapshotPart,
    Subject, Timestamp, Watermark,
};

use crate::memory::MemoryStore;
use crate::support::*;

type Store = Arc<dyn RecordStore>;

promises!(
    embedded, super::embedded; sealed, super::embedded_and_sealed; memory, super::in_memory;
    postgres, crate::postgres::store => {
        one_read_has_everything_of_one_commit,
        a_command_is_carried_out_once_and_whole,
        a_refused_command_writes_nothing,
        the_log_tells_every_change_in_order,
        a_decision_about_what_has_changed_is_outdated,
        of_two_who_bring_one_face_the_second_is_outdated,
        a_decision_enrols_and_notes_the_verification_together,
        an_answer_to_a_referral_is_kept_and_notes_the_verification,
        pairs_are_read_from_either_side_and_paged_once,
        a_snapshot_is_of_one_moment_and_says_its_end,
        what_was_closed_answers_nothing,
    }
);

fn embedded() -> (Store, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = chinhchu::gallery::open_parts(dir.path(), RECIPE, DIMENSION, options()).unwrap();
    (store, dir)
}

fn embedded_and_sealed() -> (Store, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (store, _) = chinhchu::gallery::open_parts(&data, RECIPE, DIMENSION, sealed(dir.path())).unwrap();
    (store, dir)
}

fn in_memory() -> (Store, ()) {
    (Arc::new(MemoryStore::default()), ())
}

fn enrol(subject: &str, mode: EnrolMode, seeds: &[u64]) -> Command {
    Command::Enrol(enrolment(subject, mode, seeds), None)
}

fn key(transaction: &str, attempt: u32) -> DecisionKey {
    DecisionKey::new(RequestId::new(transaction).unwrap(), attempt).unwrap()
}

fn decision(transaction: &str, subject: &str, outcome: Outcome) -> NewDecision {
    NewDecision {
        pictures: None,
        captures: Vec::new(),
        captures_lifetime_ms: 0,
        challenge: None,
        unit: None,
        province: None,
        presented_by: None,
        reasons: Vec::new(),
        key: key(transaction, 1),
        content: [1; 32],
        subject: id(subject),
        scheme: "social".into(),
        outcome,
        answer: vec![7; 10],
        enrolment: None,
        basis: None,
        facts: crate::ledger::facts(),
    }
}

fn clear(first: &str, second: &str) -> Command {
    Command::Clear(ClearPair {
        first: id(first),
        second: id(second),
        officer: id("o-1"),
        reason: Note::new("twins").unwrap(),
        officers_needed: 1,
        lifetime_ms: None,
    })
}

fn subjects(ids: &[&str]) -> ReadSet {
    ReadSet { subjects: ids.iter().map(|&name| id(name)).collect(), ..ReadSet::default() }
}

async fn head(store: &Store, subject: &str) -> Option<chinhchu::gallery::SubjectHead> {
    store.read(subjects(&[subject])).await.unwrap().head(&id(subject)).cloned()
}

async fn one_read_has_everything_of_one_commit(store: Store) {
    store.commit(&by(), Command::Enrol(enrolment("a", EnrolMode::Create, &[1, 2]), Some(retry("r", 1)))).await.unwrap();
    store.commit(&by(), enrol("b", EnrolMode::Create, &[3])).await.unwrap();
    store.commit(&by(), clear("a", "b")).await.unwrap();
    store.commit(&by(), clear("a", "z")).await.unwrap();
    let last = store.commit(&by(), Command::Decide(decision("t", "a", Outcome::Refer))).await.unwrap().receipt.commit;

    let all = ReadSet {
        request: Some(RequestId::new("r").unwrap()),
        decision: Some(key("t", 1)),
        templates: true,
        cleared_with: Some(id("a")),
        arrived_after: Some(Watermark(1)),
        ..subjects(&["a", "nobody"])
    };
    let records = store.read(all).await.unwrap();
    assert_eq!((records.as_of, records.commit), (Watermark(last), last + 1));
    assert_eq!(records.request.as_ref().unwrap().templates, 2);
    assert_eq!(records.decision.as_ref().unwrap().subject, id("a"));
    assert!(records.decision == records.last_decision);
    let a = records.subject(&id("a")).unwrap().unwrap();
    let templates: Vec<_> = a.templates.iter().map(|template| template.content.clone()).collect();
    assert_eq!(templates, [1, 2].map(new_template), "bit for bit, oldest first");
    assert!(records.subject(&id("nobody")).unwrap().is_none());
    assert_eq!(records.cleared_with, [id("b"), id("z")]);
    assert_eq!(records.cleared_heads.iter().map(|head| head.id.as_str()).collect::<Vec<_>>(), ["b"]);
    let arrived = records.arrived.unwrap();
    assert_eq!(arrived.iter().map(|one| one.subject.as_str()).collect::<Vec<_>>(), ["b"], "after the first commit");
    assert!(records.room > 0 && records.room <= records.templates_max - 3);

    // What is not asked for is not read.
    let little = store.read(subjects(&["a"])).await.unwrap();
    assert!(little.templates.is_empty() && little.decision.is_none() && little.arrived.is_none());
    assert!(little.request.is_none() && little.cleared_with.is_empty());
    let decided = ReadSet { decision: Some(key("t", 1)), decided_subject: true, ..ReadSet::default() };
    assert_eq!(store.read(decided).await.unwrap().subjects[0].id, id("a"));
    let page = store.subjects_after(None, 1).await.unwrap();
    let rest = store.subjects_after(page.last(), 9).await.unwrap();
    let all: BTreeSet<_> = page.iter().chain(&rest).cloned().collect();
    assert!(all.into_iter().eq([id("a"), id("b")]) && (page.len(), rest.len()) == (1, 1));
    assert_eq!((store.sizes().subjects, store.sizes().templates), (2, 3));
}

async fn a_command_is_carried_out_once_and_whole(store: Store) {
    let command = || Command::Enrol(enrolment("a", EnrolMode::Create, &[1]), Some(retry("r", 1)));
    let first = store.commit(&by(), command()).await.unwrap();
    assert!(!first.receipt.replayed && first.receipt.templates == 1);
    let again = store.commit(&by(), command()).await.unwrap();
    assert!(again.receipt.replayed && again.receipt.commit == first.receipt.commit);
    let other = Command::Remove(id("a"), Some(retry("r", 2)));
    assert!(matches!(store.commit(&by(), other).await, Err(GalleryError::RequestIdReused)));
    assert_eq!(store.sizes().templates, 1);
    // One after the other, each on top of the last: numbers of commits rise, ids do not come back.
    let before = head(&store, "a").await.unwrap();
    let receipt = store.commit(&by(), enrol("a", EnrolMode::Replace, &[2, 3])).await.unwrap().receipt;
    assert!(receipt.commit > first.receipt.commit);
    let after = head(&store, "a").await.unwrap();
    assert!(after.templates.iter().all(|new| before.templates.iter().all(|old| new > old)));
    assert_eq!(after.enrolled_at, before.enrolled_at);
    store.commit(&by(), Command::Remove(id("a"), None)).await.unwrap();
    assert!(head(&store, "a").await.is_none());
    assert_eq!((store.sizes().subjects, store.sizes().templates), (0, 0));
}

async fn a_refused_command_writes_nothing(store: Store) {
    store.commit(&by(), enrol("a", EnrolMode::Create, &[1])).await.unwrap();
    let before = store.read(subjects(&["a"])).await.unwrap();
    let refused = [
        enrol("a", EnrolMode::Create, &[2]),
        enrol("a", EnrolMode::Add, &[2; Subject::TEMPLATES_MAX]),
        enrol("b", EnrolMode::Create, &[]),
        Command::Enrol(Enrolment { agreement: asked(vec![0.99], 0.0), ..enrolment("a", EnrolMode::Add, &[5]) }, None),
        Command::Remove(id("b"), None),
        clear("x", "y"),
        clear("a", "a"),
        Command::Resolve(ResolveCommand {
            key: key("t", 1),
            resolution: Resolution {
                officer: id("o"),
                outcome: Outcome::Deny,
                reason: Note::new("no").unwrap(),
                resolved_at: Timestamp(0),
            },
            officers_needed: 1,
        }),
        Command::Decide(NewDecision { key: key("t", 2), ..decision("t", "a", Outcome::Deny) }),
    ];
    for command in refused {
        assert!(store.commit(&by(), command).await.is_err());
    }
    assert!(store.read(subjects(&["a"])).await.unwrap() == before, "not even a commit's number is used up");
    assert!(store.changes(before.as_of).await.unwrap().changes.is_empty());
}

async fn the_log_tells_every_change_in_order(store: Store) {
    let begun = store.last_change();
    let first = store.commit(&by(), enrol("a", EnrolMode::Create, &[1, 2])).await.unwrap().receipt.commit;
    assert_eq!(store.last_change(), Watermark(first));
    let quiet = store.commit(&by(), clear("a", "b")).await.unwrap().receipt.commit;
    assert!(store.last_change() < Watermark(quiet), "nothing that an index follows");
    let mut moves = enrolment("a", EnrolMode::Add, &[3]);
    moves.attributes = Attributes { province: Some("79".into()), ..Attributes::default() };
    store.commit(&by(), Command::Enrol(moves, None)).await.unwrap();
    store.commit(&by(), enrol("b", EnrolMode::Create, &[4])).await.unwrap();
    let last = store.commit(&by(), Command::Remove(id("b"), None)).await.unwrap().receipt.commit;

    // Whoever follows from any point on ends up with what is there.
    for from in [begun, Watermark(first), Watermark(quiet), Watermark(last)] {
        let log = store.changes(from).await.unwrap();
        assert_eq!(log.up_to, Watermark(last));
        assert_eq!(log.template_next, 5);
        let mut there: std::collections::BTreeMap<u64, Option<String>> = Default::default();
        let heads = store.read(subjects(&["a"])).await.unwrap();
        if from >= Watermark(first) {
            there.extend(heads.head(&id("a")).unwrap().templates[..2].iter().map(|&id| (id, None)));
        }
        if from >= Watermark(last) {
            continue;
        }
        for change in log.changes {
            match change {
                Change::Added { id, attributes, .. } => drop(there.insert(id, attributes.province)),
                Change::Removed { id } => drop(there.remove(&id)),
                Change::Relabelled { attributes, templates, .. } => {
                    for id in templates {
                        there.entry(id).and_modify(|province| province.clone_from(&attributes.province));
                    }
                }
            }
        }
        let expected = heads.head(&id("a")).unwrap().templates.iter().map(|&id| (id, Some("79".to_owned())));
        assert_eq!(there, expected.collect(), "{from:?}");
    }
}

/// What a decision about `subject` rests on now.
async fn basis(store: &Store, subject: &str, seed: u64, score: f32) -> Basis {
    let wanted = ReadSet { cleared_with: Some(id(subject)), ..subjects(&[subject]) };
    let records = store.read(wanted).await.unwrap();
    Basis {
        captures_before: None,
        newest: None,
        subject: records.head(&id(subject)).cloned(),
        cleared_with: records.cleared_with,
        searched: Some(vec![Searched { probe: template(seed), score, as_of: records.as_of }]),
    }
}

async fn a_decision_about_what_has_changed_is_outdated(store: Store) {
    store.commit(&by(), enrol("a", EnrolMode::Create, &[1])).await.unwrap();
    store.commit(&by(), enrol("b", EnrolMode::Create, &[64])).await.unwrap();
    let decide = |transaction: &str, basis| {
        Command::Decide(NewDecision { basis: Some(basis), ..decision(transaction, "a", Outcome::Approve) })
    };
    for (round, between) in [
        enrol("a", EnrolMode::Add, &[1]),
        clear("a", "b"),
        Command::Decide(decision("another", "a", Outcome::Approve)),
        enrol("a", EnrolMode::Replace, &[1]),
        Command::Remove(id("a"), None),
    ]
    .into_iter()
    .enumerate()
    {
        let rests_on = basis(&store, "a", 1, 0.9).await;
        store.commit(&by(), between).await.unwrap();
        let outdated = store.commit(&by(), decide(&format!("t{round}"), rests_on)).await;
        assert!(matches!(outdated, Err(GalleryError::Outdated)), "{round}");
        let again = basis(&store, "a", 1, 0.9).await;
        store.commit(&by(), decide(&format!("t{round}"), again)).await.unwrap();
    }
    // What has nothing to do with it outdates nothing; nor is an answer asked for again outdated.
    let rests_on = basis(&store, "a", 1, 0.9).await;
    store.commit(&by(), enrol("c", EnrolMode::Create, &[64])).await.unwrap();
    store.commit(&by(), decide("t9", rests_on.clone())).await.unwrap();
    store.commit(&by(), enrol("a", EnrolMode::Create, &[1])).await.unwrap();
    assert!(store.commit(&by(), decide("t9", rests_on)).await.unwrap().receipt.replayed);
}

/// The guarantee rests on the store alone: neither of the two searched what the other committed.
async fn of_two_who_bring_one_face_the_second_is_outdated(store: Store) {
    let claim = |subject: &str, basis| NewDecision {
        enrolment: Some(enrolment(subject, EnrolMode::Create, &[1])),
        basis: Some(basis),
        ..decision(&format!("t-{subject}"), subject, Outcome::Approve)
    };
    let (one, other) = (basis(&store, "one", 1, 0.9).await, basis(&store, "other", 1, 0.9).await);
    let far = basis(&store, "far", 1, 0.9).await;
    store.commit(&by(), Command::Decide(claim("one", one))).await.unwrap();
    let second = store.commit(&by(), Command::Decide(claim("other", other))).await;
    assert!(matches!(second, Err(GalleryError::Outdated)));
    assert!(head(&store, "other").await.is_none());
    // One whose face is another's is none the worse for it.
    let [searched] = far.searched.as_deref().unwrap() else { panic!("one search") };
    let searched = Some(vec![Searched { probe: template(64), ..searched.clone() }]);
    let elsewhere = Basis { searched, ..far };
    let other_face =
        NewDecision { enrolment: Some(enrolment("far", EnrolMode::Create, &[64])), ..claim("far", elsewhere) };
    store.commit(&by(), Command::Decide(other_face)).await.unwrap();
    // Nor is one who was cleared with the newcomer.
    store.commit(&by(), clear("one", "twin")).await.unwrap();
    let before = basis(&store, "twin", 1, 0.9).await;
    store.commit(&by(), enrol("one", EnrolMode::Add, &[1])).await.unwrap();
    store.commit(&by(), Command::Decide(claim("twin", before))).await.unwrap();
    // Together in one group as well: whichever comes second is outdated.
    let (third, fourth) = (basis(&store, "third", 2, 0.9).await, basis(&store, "fourth", 2, 0.9).await);
    let claims = [("third", third), ("fourth", fourth)].map(|(subject, basis)| {
        let enrolment = Some(enrolment(subject, EnrolMode::Create, &[2]));
        Command::Decide(NewDecision { enrolment, ..claim(subject, basis) })
    });
    let by = by();
    let [third, fourth] = claims.map(|claim| store.commit(&by, claim));
    let (third, fourth) = tokio::join!(third, fourth);
    assert_eq!(usize::from(third.is_ok()) + usize::from(fourth.is_ok()), 1, "exactly one");
}

async fn a_decision_enrols_and_notes_the_verification_together(store: Store) {
    let enrolling = NewDecision {
        enrolment: Some(enrolment("s", EnrolMode::Create, &[1])),
        ..decision("t", "s", Outcome::Approve)
    };
    let committed = store.commit(&by(), Command::Decide(enrolling.clone())).await.unwrap();
    let stored = committed.decision.unwrap();
    assert_eq!((stored.commit, stored.answer.len()), (committed.receipt.commit, 10));
    assert_eq!(head(&store, "s").await.unwrap().last_verified.get("social"), Some(&stored.decided_at));
    let again = store.commit(&by(), Command::Decide(enrolling)).await.unwrap();
    assert!(again.receipt.replayed && again.decision == Some(stored));
    let other = NewDecision { content: [2; 32], ..decision("t", "s", Outcome::Approve) };
    assert!(matches!(store.commit(&by(), Command::Decide(other)).await, Err(GalleryError::TransactionReused)));
    let next = NewDecision { key: key("t", 2), ..decision("t", "s", Outcome::Deny) };
    assert!(matches!(store.commit(&by(), Command::Decide(next)).await, Err(GalleryError::TransactionClosed)));
}

async fn an_answer_to_a_referral_is_kept_and_notes_the_verification(store: Store) {
    store.commit(&by(), enrol("s", EnrolMode::Create, &[1])).await.unwrap();
    store.commit(&by(), Command::Decide(decision("t", "s", Outcome::Refer))).await.unwrap();
    let answer = |outcome| {
        let reason = Note::new("seen").unwrap();
        let resolution = Resolution { officer: id("o"), outcome, reason, resolved_at: Timestamp(0) };
        Command::Resolve(ResolveCommand { key: key("t", 1), resolution, officers_needed: 1 })
    };
    let resolved = store.commit(&by(), answer(Outcome::Approve)).await.unwrap().decision.unwrap();
    let resolution = resolved.resolution().unwrap().clone();
    assert!(resolution.resolved_at > Timestamp(0), "the store's own clock");
    assert_eq!(head(&store, "s").await.unwrap().last_verified.get("social"), Some(&resolution.resolved_at));
    let again = store.commit(&by(), answer(Outcome::Approve)).await.unwrap();
    assert!(again.receipt.replayed && again.decision == Some(resolved));
    assert!(matches!(store.commit(&by(), answer(Outcome::Deny)).await, Err(GalleryError::AlreadyResolved)));
}

async fn pairs_are_read_from_either_side_and_paged_once(store: Store) {
    for subject in ["a", "b", "c"] {
        store.commit(&by(), enrol(subject, EnrolMode::Create, &[1])).await.unwrap();
    }
    for (one, other) in [("a", "b"), ("b", "c"), ("a", "c")] {
        assert!(!store.commit(&by(), clear(one, other)).await.unwrap().receipt.replayed);
    }
    assert!(store.commit(&by(), clear("a", "b")).await.unwrap().receipt.replayed);
    let cleared = async |subject: &str| {
        let wanted = ReadSet { cleared_with: Some(id(subject)), ..ReadSet::default() };
        store.read(wanted).await.unwrap().cleared_with
    };
    assert_eq!(cleared("b").await, [id("a"), id("c")]);
    let ids = |pairs: Vec<ClearedPair>| pairs.into_iter().map(|pair| (pair.first, pair.second)).collect::<Vec<_>>();
    let all = ids(store.pairs_after(None, 9).await.unwrap());
    let sorted: BTreeSet<_> = all.iter().cloned().collect();
    assert!(sorted.into_iter().eq([(id("a"), id("b")), (id("a"), id("c")), (id("b"), id("c"))]) && all.len() == 3);
    assert_eq!(ids(store.pairs_after(Some(&all[0]), 1).await.unwrap()), all[1..2]);
    store.commit(&by(), Command::Remove(id("b"), None)).await.unwrap();
    assert_eq!(ids(store.pairs_after(None, 9).await.unwrap()), [(id("a"), id("c"))]);
    assert!(cleared("b").await.is_empty());
}

async fn a_snapshot_is_of_one_moment_and_says_its_end(store: Store) {
    store.commit(&by(), enrol("a", EnrolMode::Create, &[1, 2])).await.unwrap();
    store.commit(&by(), enrol("b", EnrolMode::Create, &[3])).await.unwrap();
    store.commit(&by(), clear("a", "b")).await.unwrap();
    let mut snapshot = store.snapshot().await.unwrap();
    store.commit(&by(), Command::Remove(id("a"), None)).await.unwrap();
    let head = snapshot.head();
    assert_eq!((head.subjects, head.templates, head.recipes.as_slice()), (2, 3, [(RECIPE, DIMENSION)].as_slice()));
    let mut parts = Vec::new();
    while let Some(part) = snapshot.next().await.unwrap() {
        parts.push(match part {
            SnapshotPart::Subject(subject) => format!("{} {}", subject.id.as_str(), subject.templates.len()),
            SnapshotPart::Cleared(pair) => format!("{}-{}", pair.first.as_str(), pair.second.as_str()),
            _ => unreachable!("a part of a kind that came later"),
        });
    }
    // Subjects in the store's own order, then pairs.
    parts[..2].sort_unstable();
    assert_eq!(parts, ["a 2", "b 1", "a-b"]);
    assert!(snapshot.next().await.unwrap().is_none(), "the end stays the end");
}

async fn what_was_closed_answers_nothing(store: Store) {
    store.commit(&by(), enrol("a", EnrolMode::Create, &[1])).await.unwrap();
    store.close();
    store.close();
    assert!(store.commit(&by(), enrol("b", EnrolMode::Create, &[1])).await.is_err());
    assert!(store.read(subjects(&["a"])).await.is_err());
}
