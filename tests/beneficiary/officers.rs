//! What officers add.

use chinhchu::context::{Reach, RequestContext};
use chinhchu::gallery::{Filter, Note, Outcome};
use chinhchu::workflow::beneficiary::{BeneficiaryRequest, ClearPairRequest, PageRequest, ResolveReferral};
use chinhchu::workflow::{IdentifyRequest, IdentifyScope, WorkflowError};

use crate::need_assets;
use crate::support::*;

fn resolve(transaction: &str, outcome: Outcome) -> ResolveReferral {
    ResolveReferral {
        key: key(transaction, 1),
        officer: id("officer-7"),
        outcome,
        reason: Note::new("Đã đối chiếu giấy tờ gốc").unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_referral_is_resolved_once_and_closes_its_transaction() {
    need_assets!();
    let counter = Counter::open().await;
    counter.decide(claim("t-1", "record-1", &FIRST, &["obama2.jpg"])).await;
    let mut request = claim("t-2", "record-1", &FIRST, &["obama2.jpg"]);
    request.record.sex = Some(chinhchu::chip::Sex::Female);
    assert_decided(&counter.decide(request.clone()).await, Outcome::Refer, &["SEX_DIFFERS"]);

    let before = counter.client.subject(&id("record-1")).await.unwrap().last_verified["social"];
    let resolved = counter.client.resolve_referral(resolve("t-2", Outcome::Approve)).await.unwrap();
    assert_eq!(resolved.outcome, Outcome::Approve);
    let after = counter.client.subject(&id("record-1")).await.unwrap().last_verified["social"];
    assert!(after == resolved.resolved_at && after >= before);
    // The same answer again is the same; another is refused.
    assert_eq!(counter.client.resolve_referral(resolve("t-2", Outcome::Approve)).await.unwrap(), resolved);
    let error = counter.client.resolve_referral(resolve("t-2", Outcome::Deny)).await.unwrap_err();
    assert_eq!(error.reason, "ALREADY_RESOLVED");
    // The decision itself stays; a retake comes too late.
    assert_eq!(counter.decide(request.clone()).await.decided.outcome, Outcome::Refer);
    request.key = key("t-2", 2);
    assert_eq!(counter.refused(request).await, "TRANSACTION_CLOSED");

    for (key, reason, field) in [
        (key("t-1", 1), "NOT_REFERRED", "attempt"),
        (key("t-9", 1), "TRANSACTION_UNKNOWN", "transaction_id"),
        // The transaction is there; it is the number of the attempt that is wrong.
        (key("t-1", 7), "ATTEMPT_UNKNOWN", "attempt"),
    ] {
        let answer = ResolveReferral { key, ..resolve("t-1", Outcome::Deny) };
        let error = counter.client.resolve_referral(answer).await.unwrap_err();
        assert_eq!((error.reason.as_str(), error.field.as_deref()), (reason, Some(field)));
    }
    let error = counter.client.resolve_referral(resolve("t-2", Outcome::Refer)).await.unwrap_err();
    assert_eq!((error.reason.as_str(), error.field.as_deref()), ("OUT_OF_RANGE", Some("outcome")));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_for_the_first_time_belongs_to_the_place_that_enrolled_it_whose_officer_clears_its_pairs() {
    need_assets!();
    let counter = Counter::open().await;
    let at = |unit: &str| RequestContext::anonymous().with_reach(Reach::OwnPlace).with_unit(unit).with_province("1");
    let comes = |transaction, subject, unit: &str| {
        let request =
            BeneficiaryRequest { unit: Some(unit.into()), ..claim(transaction, subject, &FIRST, &["obama2.jpg"]) };
        let context = at(unit);
        let engine = counter.engine.clone();
        async move { engine.verify_beneficiary(&context, request).await.unwrap() }
    };
    assert!(comes("t-1", "record-1", "U1").await.enrolled);
    let subject = counter.client.subject(&id("record-1")).await.unwrap();
    assert_eq!((subject.attributes.unit.as_deref(), subject.attributes.province.as_deref()), (Some("U1"), Some("01")));
    assert_decided(&comes("t-2", "record-2", "U2").await, Outcome::Refer, &["DUPLICATE_FACE"]);

    let pair = || ClearPairRequest {
        one: id("record-1"),
        other: id("record-2"),
        officer: id("officer-7"),
        reason: Note::new("Sinh đôi").unwrap(),
    };
    let error = counter.engine.clear_pair(&at("U3"), pair()).await.unwrap_err();
    assert!(matches!(error, WorkflowError::OutOfReach), "{error}");
    assert!(!counter.engine.clear_pair(&at("U1"), pair()).await.unwrap().replayed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_that_was_cleared_is_not_reported_again_and_is_there_for_an_audit() {
    need_assets!();
    let counter = Counter::open().await;
    let pair = |one, other| ClearPairRequest {
        one: id(one),
        other: id(other),
        officer: id("officer-7"),
        reason: Note::new("Sinh đôi").unwrap(),
    };
    let error = counter.client.clear_pair(pair("record-1", "record-2")).await.unwrap_err();
    assert_eq!(error.reason, "SUBJECT_UNKNOWN", "neither is enrolled");
    counter.decide(claim("t-1", "record-1", &FIRST, &["obama2.jpg"])).await;
    let referred = counter.decide(claim("t-2", "record-2", &SECOND_CARD, &["obama2.jpg"])).await;
    assert_decided(&referred, Outcome::Refer, &["DUPLICATE_FACE"]);

    // The second is not enrolled yet: that is how twins come to the counter.
    assert!(!counter.client.clear_pair(pair("record-2", "record-1")).await.unwrap().replayed);
    assert!(counter.client.clear_pair(pair("record-1", "record-2")).await.unwrap().replayed);
    let error = counter.client.clear_pair(pair("record-1", "record-1")).await.unwrap_err();
    assert_eq!(error.reason, "SAME_PAIR");

    let approved = counter.decide(claim("t-3", "record-2", &SECOND_CARD, &["obama2.jpg"])).await;
    assert_decided(&approved, Outcome::Approve, &[]);
    let found = approved.evidence.duplicates.unwrap();
    assert!(found.candidates.is_empty() && found.cleared == 1);
    // The other way round as well.
    let first = counter.decide(claim("t-4", "record-1", &FIRST, &["obama2.jpg"])).await;
    assert_decided(&first, Outcome::Approve, &[]);

    let identify = async |claimed: Option<&str>| {
        let request = IdentifyRequest {
            probes: vec![photo("obama2.jpg")],
            scope: Some(IdentifyScope::Nearest(5)),
            filter: Filter { claimed: claimed.map(id), ..Filter::default() },
        };
        let found = counter.client.identify(request).await.unwrap().candidates;
        found.into_iter().map(|one| one.subject.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(identify(None).await.len(), 2);
    assert!(identify(Some("record-1")).await.is_empty());
    assert_eq!(identify(Some("record-3")).await.len(), 2);

    let pairs = counter.client.pairs(None, PageRequest::default()).await.unwrap().entries;
    assert_eq!(pairs.len(), 1);
    assert_eq!((pairs[0].first.as_str(), pairs[0].second.as_str()), ("record-1", "record-2"));
    let entry = &pairs[0].entries[0];
    assert_eq!((entry.officer.as_str(), entry.reason.as_str()), ("officer-7", "Sinh đôi"));
    // With the record goes what was cleared for it.
    counter.client.remove(&id("record-1"), None).await.unwrap();
    assert!(counter.client.pairs(None, PageRequest::default()).await.unwrap().entries.is_empty());
}
