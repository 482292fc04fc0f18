//! What is promised of how a record stands, for every store: nobody erases evidence that is still
//! needed, a restricted record is neither found by a search nor approved by itself, and what is
//! erased is gone.

use std::collections::BTreeSet;
use std::sync::Arc;

use chinhchu::gallery::{
    self, Basis, ChallengeOwner, ChangeStanding, ClearPair, DecisionFilter, DecisionKey, EnrolMode, Enrolment, Erase,
    Erasure, ErasureReceipt, Filter, Gallery, GalleryError, HoldName, LegalBasis, NewCapture, NewChallenge,
    NewDecision, Note, Obstacle, Outcome, ReadSet, RequestId, Requester, Resolution, ResolveCommand, Restricted, Scope,
    Searched, SnapshotPart, StandingAction, SubjectHead, Timestamp, Watermark,
};

use crate::memory::{MemoryIndex, MemoryStore};
use crate::support::*;

promises!(
    embedded, super::embedded; memory, super::in_memory; mixed, super::embedded_store_and_memory_index;
    postgres, crate::postgres::gallery => {
        a_restricted_record_is_left_out_of_searches_and_stays_in_snapshots,
        a_restriction_and_a_hold_are_kept_with_who_why_and_when,
        restrictions_of_several_requesters_or_reasons_stand_beside_each_other_until_each_has_ended,
        an_erasure_that_waits_and_a_restriction_end_each_for_itself,
        a_hold_is_not_put_under_the_name_of_another,
        a_hold_ends_by_its_own_name_alone,
        a_change_of_standing_is_done_once_by_its_request_id,
        a_restricted_record_is_never_approved_by_itself_and_an_officer_may,
        nothing_is_added_to_a_restricted_record,
        nobody_removes_or_replaces_evidence_that_is_still_needed,
        an_erasure_waits_for_what_stands_against_it_and_can_then_be_carried_out,
        an_erasure_that_is_no_longer_wanted_is_lifted,
        what_is_erased_is_gone_and_others_stay,
        an_erasure_is_done_once_by_its_request_id,
        an_erased_id_can_be_enrolled_anew,
        nothing_is_erased_of_whom_nothing_is_kept,
        a_decision_whose_record_was_restricted_meanwhile_is_outdated,
        whoever_comes_restricted_is_no_news_and_whose_restriction_ends_is,
        the_legal_basis_of_each_enrolment_is_kept,
    }
);

fn embedded() -> (Gallery, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (open(dir.path()).unwrap(), dir)
}

fn in_memory() -> (Gallery, ()) {
    (Gallery::new(Arc::new(MemoryStore::default()), vec![Arc::new(MemoryIndex::default())]).unwrap(), ())
}

fn embedded_store_and_memory_index() -> (Gallery, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = gallery::open_parts(dir.path(), RECIPE, DIMENSION, options()).unwrap();
    (Gallery::new(store, vec![Arc::new(MemoryIndex::default())]).unwrap(), dir)
}

pub fn note(text: &str) -> Note {
    Note::new(text).unwrap()
}

fn change(subject: &str, action: StandingAction) -> ChangeStanding {
    ChangeStanding { subject: id(subject), action, by: id("o-1"), reason: note("as was asked") }
}

async fn stand(gallery: &Gallery, subject: &str, action: StandingAction) -> Result<u64, GalleryError> {
    gallery.change_standing(&by(), change(subject, action), None).await.map(|receipt| receipt.commit)
}

fn restrict() -> StandingAction {
    StandingAction::Restrict(Requester::Person)
}

fn hold(name: &str) -> StandingAction {
    StandingAction::Hold(HoldName::new(name).unwrap())
}

fn release(name: &str) -> StandingAction {
    StandingAction::Release(HoldName::new(name).unwrap())
}

fn erase(subject: &str) -> Erase {
    let reason = note("the person asked");
    Erase { subject: id(subject), requester: Requester::Person, finding_open: false, by: id("r-1"), reason }
}

async fn erased(gallery: &Gallery, erase: Erase) -> Erasure {
    gallery.erase(&by(), erase, None).await.unwrap().erasure
}

async fn head(gallery: &Gallery, subject: &str) -> Option<SubjectHead> {
    let wanted = ReadSet { subjects: vec![id(subject)], ..ReadSet::default() };
    gallery.read(wanted).await.unwrap().head(&id(subject)).cloned()
}

fn decision(transaction: &str, subject: &str, outcome: Outcome) -> NewDecision {
    NewDecision {
        pictures: None,
        captures: Vec::new(),
        captures_lifetime_ms: 0,
        challenge: None,
        unit: None,
        province: None,
        key: DecisionKey::new(RequestId::new(transaction).unwrap(), 1).unwrap(),
        content: [1; 32],
        subject: id(subject),
        scheme: "social".to_owned(),
        outcome,
        reasons: Vec::new(),
        presented_by: None,
        answer: vec![7],
        enrolment: None,
        basis: None,
        facts: crate::ledger::facts(),
    }
}

async fn answer(gallery: &Gallery, transaction: &str, outcome: Outcome) {
    let resolution = Resolution { officer: id("o-2"), outcome, reason: note("seen"), resolved_at: Timestamp(0) };
    let key = DecisionKey::new(RequestId::new(transaction).unwrap(), 1).unwrap();
    gallery.resolve(&by(), ResolveCommand { key, resolution, officers_needed: 1 }).await.unwrap();
}

async fn found(gallery: &Gallery, seed: u64, filter: &Filter) -> Vec<String> {
    let found = gallery.search(&template(seed), Scope::Within(0.999), filter).await.unwrap();
    found.iter().map(|one| one.subject.as_str().to_owned()).collect()
}

async fn a_restricted_record_is_left_out_of_searches_and_stays_in_snapshots(gallery: Gallery) {
    for subject in ["a", "b"] {
        create(&gallery, subject, &[1]).await.unwrap();
    }
    stand(&gallery, "a", restrict()).await.unwrap();
    let all = Filter { restricted: Restricted::Included, ..Filter::default() };
    assert_eq!(found(&gallery, 1, &Filter::default()).await, ["b"]);
    assert_eq!(found(&gallery, 1, &all).await, ["a", "b"]);
    assert_eq!(gallery.look_up(&template(1), 5, &Filter::default()).await.unwrap().candidates.len(), 1);
    assert_eq!(gallery.templates_in(&Filter::default()).await.unwrap(), 1);
    assert_eq!(gallery.templates_in(&all).await.unwrap(), 2);
    let named = Filter { excluded: [id("a")].into(), ..Filter::default() };
    assert_eq!(gallery.templates_in(&named).await.unwrap(), 1, "one that is left out is not counted off twice");
    let stats = gallery.stats();
    assert_eq!((stats.subjects, stats.templates, stats.by_recipe), (2, 2, vec![(RECIPE, 2)]), "it is stored");
    let mut snapshot = gallery.snapshot().await.unwrap();
    let mut seen = Vec::new();
    while let Some(part) = snapshot.next().await.unwrap() {
        if let SnapshotPart::Subject(subject) = part {
            seen.push((subject.id.as_str().to_owned(), subject.standing.is_restricted()));
        }
    }
    assert_eq!(seen, [("a".to_owned(), true), ("b".to_owned(), false)]);
    stand(&gallery, "a", StandingAction::Lift).await.unwrap();
    assert_eq!(found(&gallery, 1, &Filter::default()).await, ["a", "b"]);
}

async fn a_restriction_and_a_hold_are_kept_with_who_why_and_when(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    stand(&gallery, "a", restrict()).await.unwrap();
    stand(&gallery, "a", hold("VKS-12")).await.unwrap();
    let again = gallery.change_standing(&by(), change("a", restrict()), None).await.unwrap();
    assert!(!again.replayed, "without a request id it is done, and changes nothing");
    let head = head(&gallery, "a").await.unwrap();
    let restriction = head.standing.restriction().unwrap();
    assert!(restriction.by == id("o-1") && restriction.reason == note("as was asked") && restriction.at.0 > 0);
    assert!(restriction.action == restrict());
    assert_eq!(head.standing.holds().len(), 1);
    assert_eq!(head.standing.entries.len(), 2, "what is so already is not said twice");
    let unknown = stand(&gallery, "nobody", restrict()).await;
    assert!(matches!(unknown, Err(GalleryError::UnknownSubject)));
    stand(&gallery, "a", StandingAction::Lift).await.unwrap();
    assert!(matches!(stand(&gallery, "a", StandingAction::Lift).await, Err(GalleryError::NotRestricted)));
    let subject = gallery.subject(&id("a")).await.unwrap().unwrap();
    assert_eq!(subject.standing.entries.len(), 3, "what was said stays said");
}

/// What a court has restricted does not end because the person's own wish has, nor is one of the two lost
/// because the other came first.
async fn restrictions_of_several_requesters_or_reasons_stand_beside_each_other_until_each_has_ended(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    stand(&gallery, "a", restrict()).await.unwrap();
    stand(&gallery, "a", hold("one")).await.unwrap();
    stand(&gallery, "a", StandingAction::Restrict(Requester::Authority)).await.unwrap();
    let other = ChangeStanding { reason: note("for another reason"), ..change("a", restrict()) };
    gallery.change_standing(&by(), other, None).await.unwrap();
    let numbers = async || {
        let head = head(&gallery, "a").await.unwrap();
        head.standing.restrictions().iter().map(|(number, _)| *number).collect::<Vec<_>>()
    };
    assert_eq!(numbers().await, [1, 3, 4]);
    match stand(&gallery, "a", StandingAction::Lift).await {
        Err(GalleryError::SeveralRestrictions { numbers }) => assert_eq!(numbers, [1, 3, 4]),
        other => panic!("{other:?}"),
    }
    for number in [0, 2, 5] {
        let none = stand(&gallery, "a", StandingAction::LiftOne(number)).await;
        assert!(matches!(none, Err(GalleryError::NotRestricted)), "{number}");
    }
    for (number, left) in [(3, vec![1, 4]), (1, vec![4])] {
        stand(&gallery, "a", StandingAction::LiftOne(number)).await.unwrap();
        assert_eq!(numbers().await, left);
        assert!(found(&gallery, 1, &Filter::default()).await.is_empty(), "the record takes no part yet");
    }
    let again = stand(&gallery, "a", StandingAction::LiftOne(1)).await;
    assert!(matches!(again, Err(GalleryError::NotRestricted)), "it ends once");
    stand(&gallery, "a", StandingAction::Lift).await.unwrap();
    assert_eq!(found(&gallery, 1, &Filter::default()).await, ["a"]);
}

async fn an_erasure_that_waits_and_a_restriction_end_each_for_itself(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    stand(&gallery, "a", hold("one")).await.unwrap();
    stand(&gallery, "a", StandingAction::Restrict(Requester::Authority)).await.unwrap();
    assert!(matches!(erased(&gallery, erase("a")).await, Erasure::Waits(_)));
    let office = Erase { requester: Requester::Office, ..erase("a") };
    assert!(matches!(erased(&gallery, office).await, Erasure::Waits(_)));
    let asked_again = Erase { finding_open: true, ..erase("a") };
    assert!(matches!(erased(&gallery, asked_again).await, Erasure::Waits(_)));
    let standing = head(&gallery, "a").await.unwrap().standing;
    let numbers: Vec<u32> = standing.restrictions().iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [2, 4, 5], "of each requester's erasure what was said last");
    stand(&gallery, "a", StandingAction::LiftOne(2)).await.unwrap();
    assert!(head(&gallery, "a").await.unwrap().standing.erasure().is_some(), "the person's wish stands");
    for number in [4, 5] {
        stand(&gallery, "a", StandingAction::LiftOne(number)).await.unwrap();
    }
    let standing = head(&gallery, "a").await.unwrap().standing;
    assert!(!standing.is_restricted() && standing.erasure().is_none());
}

/// One release would end two holds.
async fn a_hold_is_not_put_under_the_name_of_another(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    stand(&gallery, "a", hold("VKS-12")).await.unwrap();
    stand(&gallery, "a", hold("VKS-12")).await.unwrap();
    let other = ChangeStanding { reason: note("another order"), ..change("a", hold("VKS-12")) };
    let refused = gallery.change_standing(&by(), other.clone(), None).await;
    assert!(matches!(refused, Err(GalleryError::HoldNameTaken)));
    assert_eq!(head(&gallery, "a").await.unwrap().standing.entries.len(), 1);
    stand(&gallery, "a", release("VKS-12")).await.unwrap();
    gallery.change_standing(&by(), other, None).await.unwrap();
    assert_eq!(head(&gallery, "a").await.unwrap().standing.holds().len(), 1);
}

async fn a_hold_ends_by_its_own_name_alone(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    for name in ["one", "two"] {
        stand(&gallery, "a", hold(name)).await.unwrap();
    }
    assert!(matches!(stand(&gallery, "a", release("three")).await, Err(GalleryError::UnknownHold)));
    stand(&gallery, "a", release("one")).await.unwrap();
    assert!(matches!(stand(&gallery, "a", release("one")).await, Err(GalleryError::UnknownHold)));
    let held = head(&gallery, "a").await.unwrap();
    assert_eq!(held.standing.holds().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["two"]);
    assert_eq!(found(&gallery, 1, &Filter::default()).await, ["a"], "a hold restricts nobody");
    let approved = gallery.decide(&by(), decision("t", "a", Outcome::Approve)).await;
    assert!(approved.is_ok(), "nor does it stop a payment");
}

async fn a_change_of_standing_is_done_once_by_its_request_id(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    let name = || Some(retry("once", 1));
    let first = gallery.change_standing(&by(), change("a", restrict()), name()).await.unwrap();
    stand(&gallery, "a", StandingAction::Lift).await.unwrap();
    let again = gallery.change_standing(&by(), change("a", restrict()), name()).await.unwrap();
    assert!(again.replayed && again.commit == first.commit);
    assert!(!head(&gallery, "a").await.unwrap().standing.is_restricted(), "a late retry changes nothing");
    let other = gallery.change_standing(&by(), change("a", restrict()), Some(retry("once", 2))).await;
    assert!(matches!(other, Err(GalleryError::RequestIdReused)));
}

async fn a_restricted_record_is_never_approved_by_itself_and_an_officer_may(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    stand(&gallery, "a", restrict()).await.unwrap();
    let refused = gallery.decide(&by(), decision("t", "a", Outcome::Approve)).await;
    assert!(matches!(refused, Err(GalleryError::RecordRestricted)), "whatever decides");
    gallery.decide(&by(), decision("t", "a", Outcome::Refer)).await.unwrap();
    answer(&gallery, "t", Outcome::Approve).await;
    let head = head(&gallery, "a").await.unwrap();
    assert!(head.last_verified.contains_key("social") && head.standing.is_restricted());
}

async fn nothing_is_added_to_a_restricted_record(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    stand(&gallery, "a", restrict()).await.unwrap();
    let refused = gallery.enrol(&by(), enrolment("a", EnrolMode::Add, &[1]), None).await;
    assert!(matches!(refused, Err(GalleryError::RecordRestricted)));
    stand(&gallery, "a", StandingAction::Lift).await.unwrap();
    stand(&gallery, "a", hold("one")).await.unwrap();
    gallery.enrol(&by(), enrolment("a", EnrolMode::Add, &[1]), None).await.unwrap();
}

/// A registrar who is in league with whoever defrauds a scheme has the record removed, or its photos
/// replaced, before anybody looks.
async fn nobody_removes_or_replaces_evidence_that_is_still_needed(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    let is_kept = async || {
        let removed = gallery.remove(&by(), &id("a"), None).await;
        let replaced = gallery.enrol(&by(), enrolment("a", EnrolMode::Replace, &[2]), None).await;
        assert_eq!(matches!(removed, Err(GalleryError::RecordKept)), matches!(replaced, Err(GalleryError::RecordKept)));
        matches!(removed, Err(GalleryError::RecordKept))
    };
    gallery.decide(&by(), decision("t", "a", Outcome::Refer)).await.unwrap();
    assert!(is_kept().await, "a referral waits");
    answer(&gallery, "t", Outcome::Deny).await;
    stand(&gallery, "a", hold("one")).await.unwrap();
    assert!(is_kept().await, "a hold");
    stand(&gallery, "a", release("one")).await.unwrap();
    stand(&gallery, "a", restrict()).await.unwrap();
    assert!(is_kept().await, "a restriction");
    stand(&gallery, "a", StandingAction::Lift).await.unwrap();
    assert_eq!(gallery.subject(&id("a")).await.unwrap().unwrap().templates.len(), 1);
    gallery.remove(&by(), &id("a"), None).await.unwrap();
}

async fn an_erasure_waits_for_what_stands_against_it_and_can_then_be_carried_out(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    gallery.decide(&by(), decision("t", "a", Outcome::Refer)).await.unwrap();
    stand(&gallery, "a", hold("VKS-12")).await.unwrap();
    let all = vec![Obstacle::ReferralOpen, Obstacle::LegalHold, Obstacle::FindingOpen];
    let asked = erased(&gallery, Erase { finding_open: true, ..erase("a") }).await;
    assert_eq!(asked, Erasure::Waits(all));
    let restricted = head(&gallery, "a").await.unwrap();
    let asked = restricted.standing.erasure().unwrap();
    assert!(restricted.standing.is_restricted() && asked.by == id("r-1") && asked.reason == note("the person asked"));
    assert!(found(&gallery, 1, &Filter::default()).await.is_empty());

    // Each ends on its own, and asking again says what is left.
    answer(&gallery, "t", Outcome::Deny).await;
    let left = vec![Obstacle::LegalHold];
    assert_eq!(erased(&gallery, erase("a")).await, Erasure::Waits(left.clone()));
    let before = head(&gallery, "a").await.unwrap().standing.entries.len();
    assert_eq!(erased(&gallery, erase("a")).await, Erasure::Waits(left));
    assert_eq!(head(&gallery, "a").await.unwrap().standing.entries.len(), before, "the same is not said twice");
    stand(&gallery, "a", release("VKS-12")).await.unwrap();
    assert!(head(&gallery, "a").await.is_some(), "nothing goes by itself");
    assert_eq!(erased(&gallery, erase("a")).await, Erasure::Erased);
    assert!(head(&gallery, "a").await.is_none());
}

async fn an_erasure_that_is_no_longer_wanted_is_lifted(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    stand(&gallery, "a", hold("one")).await.unwrap();
    assert!(matches!(erased(&gallery, erase("a")).await, Erasure::Waits(_)));
    stand(&gallery, "a", StandingAction::Lift).await.unwrap();
    let head = head(&gallery, "a").await.unwrap();
    assert!(!head.standing.is_restricted() && head.standing.erasure().is_none() && !head.standing.holds().is_empty());
}

async fn what_is_erased_is_gone_and_others_stay(gallery: Gallery) {
    let content = |byte| NewCapture { fingerprint: vec![byte], bands: vec![[byte; 8]] };
    let owner = |name: &str| ChallengeOwner { transaction: RequestId::new(name).unwrap(), asked_by: [3; 32] };
    for (number, subject) in [(1u8, "a"), (2, "b")] {
        create(&gallery, subject, &[u64::from(number)]).await.unwrap();
        for transaction in ["t1", "t2"] {
            let name = format!("{transaction}-{subject}");
            let new = NewDecision {
                captures: vec![content(number)],
                captures_lifetime_ms: 1_000_000,
                ..decision(&name, subject, Outcome::Deny)
            };
            gallery.decide(&by(), new).await.unwrap();
            let challenge = NewChallenge { owner: owner(&name), digest: [number; 32], lifetime_ms: 1_000_000 };
            gallery.issue_challenge(&by(), challenge).await.unwrap();
        }
    }
    for other in ["b", "c"] {
        let clear = ClearPair {
            first: id("a"),
            second: id(other),
            officer: id("o-1"),
            reason: note("twins"),
            officers_needed: 1,
            lifetime_ms: None,
        };
        gallery.clear_pair(&by(), clear).await.unwrap();
    }
    assert_eq!(erased(&gallery, erase("a")).await, Erasure::Erased);

    assert!(gallery.subject(&id("a")).await.unwrap().is_none());
    assert_eq!(gallery.list(None, 10).await.unwrap(), [id("b")]);
    assert!(found(&gallery, 1, &Filter { restricted: Restricted::Included, ..Filter::default() }).await.is_empty());
    assert_eq!(found(&gallery, 2, &Filter::default()).await, ["b"]);
    let stats = gallery.stats();
    assert_eq!((stats.subjects, stats.templates, stats.by_recipe), (1, 1, vec![(RECIPE, 1)]));
    for filter in [DecisionFilter::default(), DecisionFilter { since: Some(Timestamp(1)), ..Default::default() }] {
        let listed = gallery.decisions_after(&filter, 0, 10).await.unwrap().decisions;
        assert!(listed.len() == 2 && listed.iter().all(|one| one.subject == id("b")));
    }
    let about = DecisionFilter { subject: Some(id("a")), ..DecisionFilter::default() };
    assert!(gallery.decisions_after(&about, 0, 10).await.unwrap().decisions.is_empty());
    for (subject, is_there) in [("a", false), ("b", true)] {
        for transaction in ["t1", "t2"] {
            let name = format!("{transaction}-{subject}");
            let transaction = RequestId::new(&name).unwrap();
            assert_eq!(gallery.last_decision(&transaction).await.unwrap().is_some(), is_there);
            let wanted = ReadSet { challenges_of: Some(owner(&name)), ..ReadSet::default() };
            assert_eq!(gallery.read(wanted).await.unwrap().challenges.len(), usize::from(is_there));
        }
    }
    assert!(gallery.captures_sharing(&[[1; 8]]).await.unwrap().captures.is_empty());
    assert_eq!(gallery.captures_sharing(&[[2; 8]]).await.unwrap().captures.len(), 2);
    assert!(gallery.cleared_pairs(None, 10).await.unwrap().is_empty());
    // Numbers are never given out again.
    let (next, _) = gallery.decide(&by(), decision("t3", "b", Outcome::Deny)).await.unwrap();
    assert_eq!(next.number, 5);
}

async fn an_erasure_is_done_once_by_its_request_id(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    stand(&gallery, "a", hold("one")).await.unwrap();
    let told = |done: ErasureReceipt| (done.erasure, done.receipt);
    let (waits, first) = told(gallery.erase(&by(), erase("a"), Some(retry("once", 1))).await.unwrap());
    let (again, receipt) = told(gallery.erase(&by(), erase("a"), Some(retry("once", 1))).await.unwrap());
    assert!(waits == again && receipt.replayed && receipt.commit == first.commit);
    stand(&gallery, "a", release("one")).await.unwrap();
    let (erased, _) = told(gallery.erase(&by(), erase("a"), Some(retry("then", 1))).await.unwrap());
    create(&gallery, "a", &[2]).await.unwrap();
    let (again, receipt) = told(gallery.erase(&by(), erase("a"), Some(retry("then", 1))).await.unwrap());
    assert!(erased == Erasure::Erased && again == Erasure::Erased && receipt.replayed);
    assert!(head(&gallery, "a").await.is_some(), "a late retry erases nobody who came since");
    let other = gallery.erase(&by(), erase("a"), Some(retry("then", 2))).await;
    assert!(matches!(other, Err(GalleryError::RequestIdReused)));
}

async fn an_erased_id_can_be_enrolled_anew(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    stand(&gallery, "a", restrict()).await.unwrap();
    assert_eq!(erased(&gallery, erase("a")).await, Erasure::Erased, "a restriction is nothing against it");
    create(&gallery, "a", &[2]).await.unwrap();
    let anew = head(&gallery, "a").await.unwrap();
    assert!(anew.standing.entries.is_empty() && anew.last_verified.is_empty());
    assert_eq!(found(&gallery, 2, &Filter::default()).await, ["a"]);
}

async fn nothing_is_erased_of_whom_nothing_is_kept(gallery: Gallery) {
    let unknown = gallery.erase(&by(), erase("nobody"), None).await;
    assert!(matches!(unknown, Err(GalleryError::UnknownSubject)));
    // One who was never enrolled, and of whom there are decisions.
    gallery.decide(&by(), decision("t", "claimed", Outcome::Refer)).await.unwrap();
    let kept = gallery.erase(&by(), erase("claimed"), None).await;
    assert!(matches!(kept, Err(GalleryError::RecordKept)));
    answer(&gallery, "t", Outcome::Deny).await;
    assert_eq!(erased(&gallery, erase("claimed")).await, Erasure::Erased);
    assert!(gallery.last_decision(&RequestId::new("t").unwrap()).await.unwrap().is_none());
}

fn basis(subject: Option<SubjectHead>, as_of: u64, seed: u64) -> Option<Basis> {
    Some(Basis {
        subject,
        cleared_with: Vec::new(),
        searched: Some(vec![Searched { probe: template(seed), score: 0.9, as_of: Watermark(as_of) }]),
        newest: None,
        captures_before: None,
    })
}

async fn a_decision_whose_record_was_restricted_meanwhile_is_outdated(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    let read = head(&gallery, "a").await;
    let commit = stand(&gallery, "a", restrict()).await.unwrap();
    let made = |subject, outcome| NewDecision { basis: basis(subject, commit, 1), ..decision("t", "a", outcome) };
    let outdated = gallery.decide(&by(), made(read, Outcome::Approve)).await;
    assert!(matches!(outdated, Err(GalleryError::Outdated)), "it is made anew, and then refers");
    gallery.decide(&by(), made(head(&gallery, "a").await, Outcome::Refer)).await.unwrap();
}

async fn whoever_comes_restricted_is_no_news_and_whose_restriction_ends_is(gallery: Gallery) {
    let before = create(&gallery, "a", &[1]).await.unwrap().commit;
    create(&gallery, "b", &[1]).await.unwrap();
    let restricted = stand(&gallery, "b", restrict()).await.unwrap();
    let head = head(&gallery, "a").await;
    let made =
        |name, as_of| NewDecision { basis: basis(head.clone(), as_of, 1), ..decision(name, "a", Outcome::Refer) };
    gallery.decide(&by(), made("t", before)).await.unwrap();
    stand(&gallery, "b", StandingAction::Lift).await.unwrap();
    // The search did not see `b`, and would now.
    let outdated = gallery.decide(&by(), made("u", restricted)).await;
    assert!(matches!(outdated, Err(GalleryError::Outdated)));
}

async fn the_legal_basis_of_each_enrolment_is_kept(gallery: Gallery) {
    let on = |basis: Option<&str>, mode| Enrolment {
        legal_basis: basis.map(|text| LegalBasis::new(text).unwrap()),
        ..enrolment("a", mode, &[1])
    };
    let bases = async || {
        let subject = gallery.subject(&id("a")).await.unwrap().unwrap();
        assert!(subject.legal_bases.iter().all(|one| one.at.0 > 0));
        subject.legal_bases.iter().map(|one| one.basis.as_str().to_owned()).collect::<Vec<_>>()
    };
    gallery.enrol(&by(), on(Some("Luật 41/2024 Điều 5"), EnrolMode::Create), None).await.unwrap();
    gallery.enrol(&by(), on(Some("consent 7"), EnrolMode::Add), None).await.unwrap();
    gallery.enrol(&by(), on(None, EnrolMode::Add), None).await.unwrap();
    assert_eq!(bases().await, ["Luật 41/2024 Điều 5", "consent 7"]);
    gallery.enrol(&by(), on(Some("consent 8"), EnrolMode::Replace), None).await.unwrap();
    assert_eq!(bases().await, ["consent 8"], "a replaced record rests on the new one");
}

/// Whoever opens the folder anew finds records as they stood, also where the index is read from its
/// file.
#[test]
fn a_restriction_survives_a_closed_gallery() {
    let dir = tempfile::tempdir().unwrap();
    block_on(async {
        let gallery = open(dir.path()).unwrap();
        for subject in ["a", "b"] {
            create(&gallery, subject, &[1]).await.unwrap();
        }
        stand(&gallery, "a", restrict()).await.unwrap();
        stand(&gallery, "b", hold("one")).await.unwrap();
        drop(gallery);
        let gallery = open(dir.path()).unwrap();
        assert_eq!(found(&gallery, 1, &Filter::default()).await, ["b"]);
        let all = Filter { restricted: Restricted::Included, ..Filter::default() };
        assert_eq!(found(&gallery, 1, &all).await.into_iter().collect::<BTreeSet<_>>().len(), 2);
        assert!(head(&gallery, "b").await.unwrap().standing.is_kept());
    });
}
