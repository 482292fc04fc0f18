//! What is promised of retention, for every store: what is old enough goes whole, nothing goes that
//! somebody still needs, and what went is said.

use std::sync::Arc;
use std::time::Duration;

use chinhchu::gallery::{
    self, CaptureBand, ChangeStanding, DecisionFilter, DecisionKey, EmbeddedOptions, Erase, Erasure, Gallery, HoldName,
    LedgerSetup, NewCapture, NewDecision, Outcome, ReadSet, RequestAnswer, RequestFilter, RequestId, RequestKind,
    Requester, Resolution, ResolveCommand, RetentionCounts, RetentionOptions, RetentionRules, RetentionRun, Scope,
    StandingAction, Timestamp, leaves,
};
use chinhchu::ledger::entry::{Entry, Kind};

use crate::ledger::{digest_key, signer};
use crate::memory::{MemoryIndex, MemoryStore};
use crate::requests::{answered, opened};
use crate::standing::note;
use crate::support::*;

promises!(
    embedded, super::embedded; sealed, super::embedded_and_sealed; memory, super::in_memory;
    postgres, crate::postgres::gallery => {
        without_rules_nothing_goes,
        decisions_go_with_all_their_attempts_and_with_what_they_are_listed_by,
        what_is_younger_stays,
        nothing_goes_that_a_referral_a_hold_or_a_restriction_needs,
        requests_go_once_they_have_ended,
        what_was_said_of_a_record_goes_once_nothing_is_in_force,
        a_dry_run_counts_what_would_go_and_takes_nothing,
    }
);

fn embedded() -> (Gallery, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (open(dir.path()).unwrap(), dir)
}

fn embedded_and_sealed() -> (Gallery, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (open_sealed(dir.path()).unwrap(), dir)
}

fn in_memory() -> (Gallery, ()) {
    (Gallery::new(Arc::new(MemoryStore::default()), vec![Arc::new(MemoryIndex::default())]).unwrap(), ())
}

/// Everything that is there already is old enough.
const EVERYTHING: RetentionRules =
    RetentionRules { decision_days: Some(0), request_days: Some(0), standing_days: Some(0), picture_days: Some(0) };
const BAND: CaptureBand = *b"band-two";

async fn run(gallery: &Gallery, rules: RetentionRules) -> RetentionRun {
    std::thread::sleep(Duration::from_millis(3));
    gallery.retain(&by(), &rules, RetentionOptions::default()).await.unwrap()
}

async fn retained(gallery: &Gallery) -> RetentionCounts {
    run(gallery, EVERYTHING).await.counts
}

fn key(transaction: &str, attempt: u32) -> DecisionKey {
    DecisionKey::new(RequestId::new(transaction).unwrap(), attempt).unwrap()
}

async fn decide(gallery: &Gallery, transaction: &str, attempt: u32, subject: &str, outcome: Outcome) {
    let new = NewDecision {
        captures: vec![NewCapture { fingerprint: vec![attempt as u8], bands: vec![BAND] }],
        captures_lifetime_ms: 1 << 40,
        ..crate::ledger::decision(transaction, attempt, subject, outcome)
    };
    gallery.decide(&by(), new).await.unwrap();
}

async fn answer(gallery: &Gallery, transaction: &str) {
    let resolution =
        Resolution { officer: id("o-2"), outcome: Outcome::Deny, reason: note("seen"), resolved_at: Timestamp(0) };
    let command = ResolveCommand { key: key(transaction, 1), resolution, officers_needed: 1 };
    gallery.resolve(&by(), command).await.unwrap();
}

async fn stand(gallery: &Gallery, subject: &str, action: StandingAction) {
    let change = ChangeStanding { subject: id(subject), action, by: id("o-1"), reason: note("as was asked") };
    gallery.change_standing(&by(), change, None).await.unwrap();
}

fn hold() -> StandingAction {
    StandingAction::Hold(HoldName::new("VKS-12").unwrap())
}

fn release() -> StandingAction {
    StandingAction::Release(HoldName::new("VKS-12").unwrap())
}

/// Transactions in every list of decisions, each list the same.
async fn listed(gallery: &Gallery, subject: &str) -> Vec<String> {
    let all = gallery.decisions_after(&DecisionFilter::default(), 0, 100).await.unwrap().decisions;
    let filter = DecisionFilter { subject: Some(id(subject)), ..DecisionFilter::default() };
    let of_subject = gallery.decisions_after(&filter, 0, 100).await.unwrap().decisions;
    let names = |heads: Vec<gallery::DecisionHead>| -> Vec<String> {
        heads.iter().map(|head| format!("{} {}", head.key.transaction.as_str(), head.key.attempt)).collect()
    };
    let of_all = all.iter().filter(|head| head.subject == id(subject)).cloned().collect();
    let (one, other) = (names(of_all), names(of_subject));
    assert_eq!(one, other);
    let wanted = ReadSet { decisions_about: Some(id(subject)), ..ReadSet::default() };
    assert_eq!(names(gallery.read(wanted).await.unwrap().about), one);
    one
}

async fn without_rules_nothing_goes(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    decide(&gallery, "t", 1, "a", Outcome::Deny).await;
    let number = opened(&gallery, "a", RequestKind::Access).await;
    answered(&gallery, number, RequestAnswer::Complete).await.unwrap();
    stand(&gallery, "a", hold()).await;
    stand(&gallery, "a", release()).await;
    assert!(!RetentionRules::default().is_any());
    assert_eq!(run(&gallery, RetentionRules::default()).await.counts, RetentionCounts::default());
    assert_eq!(listed(&gallery, "a").await, ["t 1"]);
    assert_eq!(gallery.requests_after(&RequestFilter::default(), 0, 9).await.unwrap().requests.len(), 1);
    assert_eq!(gallery.subject(&id("a")).await.unwrap().unwrap().standing.entries.len(), 2);
}

async fn decisions_go_with_all_their_attempts_and_with_what_they_are_listed_by(gallery: Gallery) {
    for subject in ["a", "b"] {
        create(&gallery, subject, &[1]).await.unwrap();
    }
    for attempt in [1, 2] {
        decide(&gallery, "t1", attempt, "a", Outcome::Deny).await;
    }
    decide(&gallery, "t2", 1, "a", Outcome::Approve).await;
    decide(&gallery, "t3", 1, "b", Outcome::Refer).await;
    answer(&gallery, "t3").await;
    assert_eq!(gallery.captures_sharing(&[BAND]).await.unwrap().captures.len(), 4);
    let counts = retained(&gallery).await;
    assert_eq!(counts, RetentionCounts { decisions: 4, ..RetentionCounts::default() });
    for subject in ["a", "b"] {
        assert!(listed(&gallery, subject).await.is_empty());
    }
    assert!(gallery.decision(&key("t1", 2)).await.unwrap().is_none());
    assert!(gallery.captures_sharing(&[BAND]).await.unwrap().captures.is_empty());
    let waiting = DecisionFilter { waiting: true, ..DecisionFilter::default() };
    assert!(gallery.decisions_after(&waiting, 0, 9).await.unwrap().decisions.is_empty());
    // The record is as it was, and what comes afterwards is numbered on.
    let subject = gallery.subject(&id("a")).await.unwrap().unwrap();
    assert!(subject.last_verified.contains_key("social"));
    assert_eq!(gallery.search(&template(1), Scope::Within(0.999), &Default::default()).await.unwrap().len(), 2);
    decide(&gallery, "t4", 1, "a", Outcome::Deny).await;
    assert_eq!(gallery.decision(&key("t4", 1)).await.unwrap().unwrap().number, 5);
    assert_eq!(listed(&gallery, "a").await, ["t4 1"]);
    let reason = note("the person asked");
    let erase = Erase { subject: id("a"), requester: Requester::Person, finding_open: false, by: id("r-1"), reason };
    assert_eq!(gallery.erase(&by(), erase, None).await.unwrap().erasure, Erasure::Erased);
    assert_eq!(retained(&gallery).await, RetentionCounts::default(), "nothing is left to take");
}

async fn what_is_younger_stays(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    decide(&gallery, "t", 1, "a", Outcome::Deny).await;
    let number = opened(&gallery, "a", RequestKind::Access).await;
    answered(&gallery, number, RequestAnswer::Complete).await.unwrap();
    stand(&gallery, "a", hold()).await;
    stand(&gallery, "a", release()).await;
    let rules =
        RetentionRules { decision_days: Some(1), request_days: Some(1), standing_days: Some(1), picture_days: Some(1) };
    assert_eq!(run(&gallery, rules).await.counts, RetentionCounts::default());
    assert_eq!(listed(&gallery, "a").await, ["t 1"]);
}

async fn nothing_goes_that_a_referral_a_hold_or_a_restriction_needs(gallery: Gallery) {
    for subject in ["waits", "held", "restricted"] {
        create(&gallery, subject, &[1]).await.unwrap();
        decide(&gallery, &format!("t-{subject}"), 1, subject, Outcome::Deny).await;
        let number = opened(&gallery, subject, RequestKind::Access).await;
        answered(&gallery, number, RequestAnswer::Complete).await.unwrap();
        stand(&gallery, subject, StandingAction::Restrict(Requester::Person)).await;
        stand(&gallery, subject, StandingAction::Lift).await;
    }
    decide(&gallery, "open", 1, "waits", Outcome::Refer).await;
    stand(&gallery, "held", hold()).await;
    stand(&gallery, "restricted", StandingAction::Restrict(Requester::Authority)).await;
    // Of each record its transaction, its request and its standing; and the open referral itself.
    let kept = RetentionCounts { kept: 10, ..RetentionCounts::default() };
    assert_eq!(retained(&gallery).await, kept);
    assert_eq!(listed(&gallery, "waits").await, ["t-waits 1", "open 1"]);
    for subject in ["held", "restricted"] {
        assert_eq!(listed(&gallery, subject).await, [format!("t-{subject} 1")]);
        assert_eq!(gallery.subject(&id(subject)).await.unwrap().unwrap().standing.entries.len(), 3);
    }
    // Each goes when what it was needed for has ended.
    answer(&gallery, "open").await;
    stand(&gallery, "held", release()).await;
    stand(&gallery, "restricted", StandingAction::Lift).await;
    let all = RetentionCounts { decisions: 4, requests: 3, standing_entries: 2 + 4 + 4, ..Default::default() };
    assert_eq!(retained(&gallery).await, all);
}

async fn requests_go_once_they_have_ended(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    for _ in 0..3 {
        opened(&gallery, "a", RequestKind::Access).await;
    }
    opened(&gallery, "erased", RequestKind::Erasure).await;
    answered(&gallery, 1, RequestAnswer::Complete).await.unwrap();
    answered(&gallery, 2, RequestAnswer::Acknowledge).await.unwrap();
    let reason = note("the person asked");
    let erase =
        Erase { subject: id("erased"), requester: Requester::Person, finding_open: false, by: id("r-1"), reason };
    gallery.erase(&by(), erase, None).await.unwrap();
    assert_eq!(retained(&gallery).await, RetentionCounts { requests: 2, ..RetentionCounts::default() });
    let numbers = async |filter: RequestFilter| {
        let page = gallery.requests_after(&filter, 0, 9).await.unwrap();
        page.requests.iter().map(|request| request.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(RequestFilter::default()).await, [2, 3]);
    assert_eq!(numbers(RequestFilter { subject: Some(id("a")), ..RequestFilter::default() }).await, [2, 3]);
    assert_eq!(numbers(RequestFilter { open: true, ..RequestFilter::default() }).await, [2, 3]);
    assert_eq!(opened(&gallery, "a", RequestKind::Access).await, 5, "no number is given out twice");
}

async fn what_was_said_of_a_record_goes_once_nothing_is_in_force(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    stand(&gallery, "a", StandingAction::Restrict(Requester::Person)).await;
    stand(&gallery, "a", StandingAction::Lift).await;
    let before = gallery.subject(&id("a")).await.unwrap().unwrap();
    assert_eq!(retained(&gallery).await, RetentionCounts { standing_entries: 2, ..RetentionCounts::default() });
    let after = gallery.subject(&id("a")).await.unwrap().unwrap();
    assert!(after.standing.entries.is_empty() && after.updated_at == before.updated_at);
    assert!(after.templates == before.templates && after.attributes == before.attributes);
    assert_eq!(gallery.search(&template(1), Scope::Within(0.999), &Default::default()).await.unwrap().len(), 1);
}

async fn a_dry_run_counts_what_would_go_and_takes_nothing(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    for attempt in [1, 2] {
        decide(&gallery, "t", attempt, "a", Outcome::Deny).await;
    }
    let number = opened(&gallery, "a", RequestKind::Access).await;
    answered(&gallery, number, RequestAnswer::Refuse).await.unwrap();
    std::thread::sleep(Duration::from_millis(3));
    let options = RetentionOptions { dry_run: true, ..RetentionOptions::default() };
    let would = gallery.retain(&by(), &EVERYTHING, options).await.unwrap();
    assert_eq!(would.counts, RetentionCounts { decisions: 2, requests: 1, ..RetentionCounts::default() });
    assert_eq!(listed(&gallery, "a").await, ["t 1", "t 2"]);
    assert!(gallery.last_retention().await.unwrap().is_none(), "it is no run");
    let did = run(&gallery, EVERYTHING).await;
    assert_eq!(did.counts, would.counts);
    assert!(gallery.last_retention().await.unwrap() == Some(did));
}

/// Every row that goes is taken out of the sum, and what the last run did outlasts the process.
#[test]
fn a_sealed_gallery_is_whole_after_retention_and_tells_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let setup = || LedgerSetup {
        key: digest_key(),
        begin_with: Some(signer(1).verifier().clone()),
        sign_at_once: vec![signer(1)],
    };
    let options = || EmbeddedOptions { ledger: Some(setup()), checked_bytes_max: 1 << 30, ..sealed(dir.path()) };
    let open = || gallery::open(&dir.path().join("data"), RECIPE, DIMENSION, options()).unwrap();
    let gallery = open();
    let did = block_on(async {
        for subject in ["a", "b"] {
            create(&gallery, subject, &[1]).await.unwrap();
            decide(&gallery, &format!("t-{subject}"), 1, subject, Outcome::Deny).await;
        }
        stand(&gallery, "b", hold()).await;
        let number = opened(&gallery, "a", RequestKind::Access).await;
        answered(&gallery, number, RequestAnswer::Complete).await.unwrap();
        run(&gallery, EVERYTHING).await
    });
    drop(gallery);
    let gallery = open();
    block_on(async {
        assert!(gallery.last_retention().await.unwrap() == Some(did));
        assert_eq!(listed(&gallery, "b").await, ["t-b 1"]);
        let again = run(&gallery, EVERYTHING).await.counts;
        assert_eq!((again.decisions, again.requests), (0, 0));
        let entries: Vec<Entry> = gallery
            .read_ledger(|tables| leaves(tables, 0).collect::<Result<Vec<_>, _>>())
            .await
            .unwrap()
            .iter()
            .map(|leaf| Entry::decode(&leaf.opening.as_ref().unwrap().contents).unwrap())
            .collect();
        let of_it = entries.iter().filter(|entry| entry.kind == Kind::Retention);
        let told: Vec<String> = of_it
            .map(|entry| {
                let reasons: Vec<_> = entry.reasons.iter().map(|reason| reason.as_str()).collect();
                format!("{} {} {}", entry.outcome.as_ref().unwrap(), entry.records.unwrap(), reasons.join(" "))
            })
            .collect();
        assert_eq!(told, ["begun 0 ", "done 1 decisions", "done 1 requests", "done 0 "]);
        assert!(entries.iter().all(|entry| entry.kind != Kind::Retention || entry.subjects.is_empty()));
        let whole = gallery.read_ledger(|tables| gallery::verify_ledger(tables, None, &[])).await.unwrap();
        assert!(whole.is_ok(), "{whole:?}");
    });
}
