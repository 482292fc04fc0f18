//! A case around a person and a transaction: what happened before, who looks next, and what a
//! fraudster and an accomplice at the desk run into.

use chinhchu::context::RequestContext;
use chinhchu::face::fingerprint::FingerprintKey;
use chinhchu::gallery::{Attributes, DecisionFilter, Note, Outcome, PairState, RequestId, Source, Timestamp};
use chinhchu::service::Client;
use chinhchu::tools::forge::Flaw;
use chinhchu::workflow::beneficiary::{
    BeneficiaryRequest, CaseDecision, ClearPairRequest, PageRequest, ResolveReferral, SubjectFilter,
};
use chinhchu::workflow::{CaseRules, EnrolRequest, Photo};

use crate::need_assets;
use crate::support::*;

/// The claim, presented by a clerk, as this attempt.
fn presented(request: BeneficiaryRequest, clerk: &str, attempt: u32) -> BeneficiaryRequest {
    let key = chinhchu::gallery::DecisionKey { attempt, ..request.key.clone() };
    BeneficiaryRequest { key, presented_by: Some(id(clerk)), ..request }
}

fn altered(transaction: &str) -> BeneficiaryRequest {
    let chip_files = FIRST.card(Some(Flaw::AlteredName));
    BeneficiaryRequest { chip_files, ..claim(transaction, "record-1", &FIRST, &["obama2.jpg"]) }
}

fn answer(transaction: &str, attempt: u32, officer: &str, outcome: Outcome) -> ResolveReferral {
    let reason = Note::new("đã xem giấy tờ gốc").unwrap();
    ResolveReferral { key: key(transaction, attempt), officer: id(officer), outcome, reason }
}

async fn case(client: &Client, transaction: &str) -> CaseDecision {
    client.case(&RequestId::new(transaction).unwrap(), None).await.expect("decided")
}

async fn waiting(client: &Client) -> Vec<String> {
    let filter = DecisionFilter { waiting: true, ..DecisionFilter::default() };
    let page = client.decisions(filter, PageRequest::default()).await.unwrap();
    page.entries.iter().map(|head| head.key.transaction.as_str().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_claim_is_no_dead_end_and_against_an_altered_card_two_officers_approve() {
    need_assets!();
    let counter = Counter::open().await;
    let client = &counter.client;
    let request = presented(altered("t-1"), "clerk-1", 1);
    let denied = counter.decide(request.clone()).await;
    assert_eq!((denied.decided.outcome, denied.resolutions.len()), (Outcome::Deny, 0));
    assert!(waiting(client).await.is_empty());

    let involved = client.resolve_referral(answer("t-1", 1, "clerk-1", Outcome::Approve)).await.unwrap_err();
    assert_eq!(involved.reason, "OFFICER_INVOLVED", "an officer who approves their own case");
    let first = client.resolve_referral(answer("t-1", 1, "officer-1", Outcome::Approve)).await.unwrap();
    assert_eq!((first.outcome, first.officers, first.officers_needed), (Outcome::Refer, 1, 2));
    assert_eq!(waiting(client).await, ["t-1"], "the second officer is expected");
    // By when, a day after the decision where nothing else is configured, in the list and of the case itself.
    let by = Some(Timestamp(denied.decided_at.0 + 24 * 3_600_000));
    let listed =
        client.decisions(DecisionFilter { waiting: true, ..DecisionFilter::default() }, PageRequest::default());
    assert_eq!(listed.await.unwrap().entries[0].answer_by, by);
    assert_eq!(case(client, "t-1").await.answer_by, by);
    let twice = ResolveReferral {
        reason: Note::new("vẫn đúng").unwrap(),
        ..answer("t-1", 1, "officer-1", Outcome::Approve)
    };
    assert_eq!(client.resolve_referral(twice).await.unwrap_err().reason, "ALREADY_RESOLVED");
    let second = client.resolve_referral(answer("t-1", 1, "officer-2", Outcome::Approve)).await.unwrap();
    assert_eq!((second.outcome, second.officers), (Outcome::Approve, 2));
    assert!(waiting(client).await.is_empty());

    // What the engine said stays, what the officers said stands beside it.
    let again = counter.decide(request).await;
    assert_eq!((again.decided.outcome, again.resolutions.len()), (Outcome::Deny, 2));
    assert_eq!((&again.decided, &again.evidence), (&denied.decided, &denied.evidence));
    let case = case(client, "t-1").await;
    assert_eq!((case.subject, case.presented_by, case.waits), (id("record-1"), Some(id("clerk-1")), false));
    assert_eq!(case.outcome.resolutions, again.resolutions);
    assert_eq!(case.answer_by, None, "it waits for nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_card_is_not_forgotten_for_an_attempt_without_it() {
    need_assets!();
    let counter = Counter::open().await;
    let denied = counter.decide(presented(altered("t-1"), "clerk-1", 1)).await;
    assert_decided(&denied, Outcome::Deny, &["CHIP_ALTERED"]);
    let without = BeneficiaryRequest { chip_files: Vec::new(), ..claim("t-1", "record-1", &FIRST, &["obama2.jpg"]) };
    let referred = counter.decide(presented(without, "clerk-1", 2)).await;
    assert_eq!(referred.decided.outcome, Outcome::Refer);
    let first = counter.client.resolve_referral(answer("t-1", 2, "officer-1", Outcome::Approve)).await.unwrap();
    assert_eq!((first.outcome, first.officers, first.officers_needed), (Outcome::Refer, 1, 2));
    let second = counter.client.resolve_referral(answer("t-1", 2, "officer-2", Outcome::Approve)).await.unwrap();
    assert_eq!(second.outcome, Outcome::Approve);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_ran_out_of_attempts_is_taken_up_by_an_officer() {
    need_assets!();
    let counter = Counter::open().await;
    let wrong = |attempt| presented(claim("t-1", "record-1", &FIRST, &["biden.jpg"]), "clerk-1", attempt);
    for attempt in 1..=3 {
        assert_ne!(counter.decide(wrong(attempt)).await.decided.outcome, Outcome::Approve);
    }
    assert_eq!(counter.refused(wrong(4)).await, "ATTEMPTS_USED_UP");
    let stale = counter.client.resolve_referral(answer("t-1", 2, "officer-1", Outcome::Approve)).await.unwrap_err();
    assert_eq!(stale.reason, "NOT_REFERRED", "the last attempt is the case");
    let resolved = counter.client.resolve_referral(answer("t-1", 3, "officer-1", Outcome::Deny)).await.unwrap();
    assert_eq!(resolved.outcome, Outcome::Deny);
    assert_eq!(counter.refused(wrong(4)).await, "TRANSACTION_CLOSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_attempts_are_seen_behind_a_later_approval_and_too_many_in_a_day_refer() {
    need_assets!();
    let counter = Counter::open().await;
    let claim = |transaction: &str, photo: &str, attempt| {
        let request =
            BeneficiaryRequest { policy: "strict".into(), ..claim(transaction, "record-1", &FIRST, &[photo]) };
        presented(request, "clerk-1", attempt)
    };
    for attempt in 1..=2 {
        let denied = counter.decide(claim("t-1", "biden.jpg", attempt)).await;
        assert_eq!(denied.decided.outcome, Outcome::Deny);
    }
    let approved = counter.decide(claim("t-1", "obama2.jpg", 3)).await;
    assert_decided(&approved, Outcome::Approve, &[]);
    let history = approved.evidence.history.unwrap();
    let earlier: Vec<_> = history.transaction.iter().map(|one| (one.attempt, one.outcome)).collect();
    assert_eq!(earlier, [(1, Outcome::Deny), (2, Outcome::Deny)]);
    assert_eq!(history.transaction[0].reasons, ["CHIP_FACE_DIFFERS"]);
    assert_eq!((history.others.count, history.last_day), (0, 3));

    // A fourth attempt elsewhere is seen with the three before.
    let elsewhere = counter.decide(claim("t-2", "biden.jpg", 1)).await;
    let history = elsewhere.evidence.history.unwrap();
    assert_eq!((history.others.count, history.others.denied, history.last_day), (3, 2, 4));
    assert_eq!(history.others.reasons, [("CHIP_FACE_DIFFERS".to_owned(), 2)]);
    counter.decide(claim("t-3", "obama2.jpg", 1)).await;
    assert_decided(&counter.decide(claim("t-4", "obama2.jpg", 1)).await, Outcome::Approve, &[]);
    let seventh = counter.decide(claim("t-5", "obama2.jpg", 1)).await;
    assert_decided(&seventh, Outcome::Refer, &["ATTEMPTS_MANY"]);

    let by_reason = DecisionFilter { reason: Some("CHIP_FACE_DIFFERS".to_owned()), ..DecisionFilter::default() };
    let found = counter.client.decisions(by_reason, PageRequest::default()).await.unwrap();
    assert_eq!((found.entries.len(), found.next), (3, None));
    let of_record = DecisionFilter { subject: Some(id("record-1")), ..DecisionFilter::default() };
    let first = PageRequest { size: 4, ..PageRequest::default() };
    let page = counter.client.decisions(of_record.clone(), first).await.unwrap();
    let next = PageRequest { size: 4, token: page.next.clone().unwrap() };
    let rest = counter.client.decisions(of_record, next.clone()).await.unwrap();
    assert_eq!((page.entries.len(), rest.entries.len(), rest.next), (4, 3, None));
    let pairs = counter.client.pairs(None, next).await.unwrap_err();
    assert_eq!((pairs.reason.as_str(), pairs.field.as_deref()), ("BAD_PAGE_TOKEN", Some("page_token")));
}

/// Where many ask for one record at once, none of their attempts goes uncounted.
#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_are_made_at_once_are_all_counted() {
    need_assets!();
    let counter = Counter::open().await;
    let calls = (1..=8).map(|number| {
        let request = BeneficiaryRequest {
            policy: "strict".into(),
            ..claim(&format!("t-{number}"), "record-1", &FIRST, &["obama2.jpg"])
        };
        // Past the server's own limits, which are tested elsewhere.
        let engine = counter.engine.clone();
        let desk = RequestContext::internal("desk");
        tokio::spawn(async move { engine.verify_beneficiary(&desk, request).await.expect("a decision") })
    });
    let calls: Vec<_> = calls.collect();
    let mut counted = Vec::new();
    for call in calls {
        let outcome = call.await.unwrap();
        let last_day = outcome.evidence.history.unwrap().last_day;
        assert_eq!(outcome.decided.outcome == Outcome::Approve, last_day <= 6);
        counted.push(last_day);
    }
    counted.sort_unstable();
    assert_eq!(counted, (1..=8).collect::<Vec<u32>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_cleared_by_one_officer_alone_hides_nobody_where_two_are_asked_for() {
    need_assets!();
    let counter = Counter::open_by(anchors(), CaseRules { clear_officers: 2, ..CaseRules::default() }, None).await;
    let client = &counter.client;
    counter.decide(claim("t-1", "record-1", &FIRST, &["obama2.jpg"])).await;
    let second = |transaction: &str| claim(transaction, "record-2", &SECOND_CARD, &["obama2.jpg"]);
    assert_decided(&counter.decide(second("t-2")).await, Outcome::Refer, &["DUPLICATE_FACE"]);
    let pair = |officer: &str| ClearPairRequest {
        one: id("record-1"),
        other: id("record-2"),
        officer: id(officer),
        reason: Note::new("sinh đôi").unwrap(),
    };
    let first = client.clear_pair(pair("officer-1")).await.unwrap();
    assert_eq!((first.officers, first.officers_needed), (1, 2));
    // What one has cleared, another uses: it is not in force.
    assert_decided(&counter.decide(second("t-3")).await, Outcome::Refer, &["DUPLICATE_FACE"]);
    let listed = client.pairs(Some(PairState::Waiting), PageRequest::default()).await.unwrap();
    assert_eq!(listed.entries.len(), 1);
    assert_eq!(listed.entries[0].entries[0].officer, id("officer-1"));
    assert_eq!(client.clear_pair(pair("officer-2")).await.unwrap().officers, 2);
    assert_decided(&counter.decide(second("t-4")).await, Outcome::Approve, &[]);

    // And what was cleared can be taken back.
    let ended = client.unclear_pair(pair("officer-3")).await.unwrap();
    assert_eq!((ended.pair.entries.len(), ended.replayed), (3, false));
    assert_decided(&counter.decide(second("t-5")).await, Outcome::Refer, &["DUPLICATE_FACE"]);
    assert!(client.pairs(Some(PairState::InForce), PageRequest::default()).await.unwrap().entries.is_empty());
    assert_eq!(client.pairs(None, PageRequest::default()).await.unwrap().entries, [ended.pair]);
    let unknown = ClearPairRequest { other: id("nobody"), ..pair("officer-3") };
    assert_eq!(client.unclear_pair(unknown).await.unwrap_err().reason, "PAIR_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn subjects_are_listed_and_counted() {
    need_assets!();
    let counter = Counter::open().await;
    counter.decide(claim("t-1", "record-1", &FIRST, &["obama2.jpg"])).await;
    let enrolment = EnrolRequest {
        request_id: None,
        subject: id("record-9"),
        mode: Default::default(),
        attributes: Attributes { schemes: ["social".to_owned()].into(), ..Attributes::default() },
        photos: vec![Photo { bytes: photo("biden.jpg"), source: Source::Other, captured_at: None }],
        by: Some(id("clerk-1")),
        accept_poor: true,
        legal_basis: None,
        vouch: None,
    };
    counter.client.enrol(enrolment).await.unwrap();
    assert_eq!(counter.client.subject(&id("record-9")).await.unwrap().enrolled_by, [id("clerk-1")]);
    let listed = async |scheme: Option<&str>, size| {
        let filter = SubjectFilter { scheme: scheme.map(Into::into), ..SubjectFilter::default() };
        counter.client.subjects(filter, PageRequest { size, ..PageRequest::default() }).await
    };
    let page = listed(Some("social"), 1).await.unwrap();
    assert_eq!((page.entries.len(), page.entries[0].subject.clone()), (1, id("record-1")));
    assert!(page.next.is_some());
    assert_eq!(listed(None, 0).await.unwrap().entries.len(), 2);
    assert!(listed(Some("health"), 0).await.unwrap().entries.is_empty());
    assert_eq!(listed(Some("heatlh"), 0).await.unwrap_err().reason, "OUT_OF_RANGE");
    assert_eq!(listed(None, 1001).await.unwrap_err().reason, "OUT_OF_RANGE");
    let count = counter.client.count_subjects(SubjectFilter::default()).await.unwrap();
    assert_eq!((count.subjects, count.templates), (2, 2));
    let social = SubjectFilter { scheme: Some("social".into()), ..SubjectFilter::default() };
    assert_eq!(counter.client.count_subjects(social).await.unwrap().subjects, 2);
}

/// The photo written anew: another quality and size.
fn written_anew(name: &str, quality: u8, percent: u32) -> Vec<u8> {
    let picture = image::load_from_memory(&photo(name)).unwrap().to_rgb8();
    let (width, height) = picture.dimensions();
    let size = |side: u32| side * percent / 100;
    let picture = image::imageops::resize(&picture, size(width), size(height), image::imageops::FilterType::Triangle);
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(&picture).unwrap();
    bytes
}

/// Staff who invent visits send the same picture again: over twenty records, written anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_is_used_for_record_after_record_is_seen() {
    need_assets!();
    let capture_key = FingerprintKey::random().unwrap();
    let counter = Counter::open_by(anchors(), CaseRules::default(), Some(capture_key)).await;
    let claim = |number: u32, frame: Vec<u8>| BeneficiaryRequest {
        policy: "pictures".into(),
        unit: Some(format!("unit-{number}")),
        frames: vec![frame],
        ..claim(&format!("t-{number}"), &format!("record-{number}"), &FIRST, &[])
    };
    let first = counter.decide(claim(1, photo("obama2.jpg"))).await;
    assert_decided(&first, Outcome::Approve, &[]);
    assert_eq!(first.evidence.history.unwrap().captures, Some(Vec::new()), "looked up, and new");
    for number in 2..=20 {
        let frame = match number {
            2 => photo("obama2.jpg"),
            number => written_anew("obama2.jpg", 40 + 2 * number as u8, 40 + 3 * number),
        };
        let outcome = counter.decide(claim(number, frame)).await;
        assert_ne!(outcome.decided.outcome, Outcome::Approve);
        assert!(against(&outcome).contains(&"CAPTURE_SEEN_BEFORE"), "record {number}: {:?}", against(&outcome));
        let seen = outcome.evidence.history.unwrap().captures.unwrap();
        let first = seen.iter().find(|one| one.transaction == "t-1").expect("the first use");
        assert_eq!((&first.subject, first.unit.as_deref(), first.frame), (&id("record-1"), Some("unit-1"), 0));
        assert_eq!(first.distance.is_none(), number == 2, "the same file");
    }
    let listed = counter.client.repeated_captures(None, None, PageRequest::default()).await.unwrap();
    assert_eq!((listed.entries.len(), listed.next), (19, None));
    let entry = &listed.entries[0];
    assert_eq!((entry.decision.key.transaction.as_str(), entry.unit.as_deref()), ("t-2", Some("unit-2")));
    assert_eq!(entry.captures[0].transaction, "t-1");
    // Another capture of the same person is new, and so is one of somebody else.
    let other = counter.decide(claim(21, photo("obama3.jpg"))).await;
    assert!(!against(&other).contains(&"CAPTURE_SEEN_BEFORE"), "{:?}", other.evidence.history);
    // A retake within a transaction may hold what was sent before.
    let retake = BeneficiaryRequest { key: key("t-21", 2), ..claim(21, photo("obama3.jpg")) };
    assert!(!against(&counter.decide(retake).await).contains(&"CAPTURE_SEEN_BEFORE"));
}
