//! A decision is made once, and asked for as often as one likes.

use chinhchu::context::RequestContext;
use chinhchu::gallery::Outcome;
use chinhchu::service::pb;
use prost::Message;

use crate::need_assets;
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_gets_the_same_bytes_and_does_nothing_twice() {
    need_assets!();
    let counter = Counter::open().await;
    let request = claim("t-1", "record-1", &FIRST, &["obama2.jpg"]);
    let mut raw = pb::beneficiary_client::BeneficiaryClient::new(counter.channel().await);
    let wire = pb::VerifyBeneficiaryRequest::from(request.clone());
    let first = raw.verify_beneficiary(wire.clone()).await.unwrap().into_inner().encode_to_vec();
    for _ in 0..3 {
        let again = raw.verify_beneficiary(wire.clone()).await.unwrap().into_inner().encode_to_vec();
        assert_eq!(first, again);
    }
    let stats = counter.engine.stats(&RequestContext::internal("test")).await.unwrap();
    assert_eq!((stats.subjects, stats.templates), (1, 1));

    // Also after the server was started anew, and after the transaction went on.
    let engine_commit = counter.decide(request.clone()).await.commit;
    let folder = counter.close().await;
    let engine = engine(folder.path(), anchors());
    let again = engine.verify_beneficiary(&RequestContext::internal("test"), request).await.unwrap();
    assert_eq!(again.commit, engine_commit);
    assert_eq!(pb::VerifyBeneficiaryResponse::from(again).encode_to_vec(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_identical_calls_at_once_are_decided_once() {
    need_assets!();
    let counter = Counter::open().await;
    let request = claim("t-1", "record-1", &FIRST, &["obama2.jpg", "obama3.jpg"]);
    let calls: Vec<_> = (0..6)
        .map(|_| {
            let (client, request) = (counter.client.clone(), request.clone());
            tokio::spawn(async move { client.verify_beneficiary(request).await.unwrap() })
        })
        .collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_decided(&answers[0], Outcome::Approve, &[]);
    let stats = counter.engine.stats(&RequestContext::internal("test")).await.unwrap();
    assert_eq!((stats.subjects, stats.templates), (1, 1));
    // One commit did it all: the next one carries the next number.
    let next = counter.decide(claim("t-2", "record-1", &FIRST, &["obama2.jpg"])).await;
    assert_eq!(next.commit, answers[0].commit + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_goes_leaves_the_work_to_the_next() {
    need_assets!();
    let counter = Counter::open().await;
    let request = claim("t-1", "record-1", &FIRST, &["obama2.jpg"]);
    let hasty = counter.client.clone().with_deadline(std::time::Duration::from_millis(15));
    let _ = hasty.verify_beneficiary(request.clone()).await;
    assert_decided(&counter.decide(request).await, Outcome::Approve, &[]);
    assert_eq!(counter.engine.stats(&RequestContext::internal("test")).await.unwrap().templates, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_content_under_a_used_id_is_refused() {
    need_assets!();
    let counter = Counter::open().await;
    let request = claim("t-1", "record-1", &FIRST, &["biden.jpg"]);
    assert_decided(&counter.decide(request.clone()).await, Outcome::Deny, &["CHIP_FACE_DIFFERS"]);
    let mut other = request.clone();
    other.frames = vec![photo("obama2.jpg")];
    assert_eq!(counter.refused(other.clone()).await, "TRANSACTION_REUSED");
    let mut policy = request.clone();
    policy.policy = "careful".into();
    assert_eq!(counter.refused(policy).await, "TRANSACTION_REUSED");
    // As the next attempt it is a retake; under another record it is not.
    other.key = key("t-1", 2);
    let mut stranger = other.clone();
    stranger.subject = id("record-2");
    assert_eq!(counter.refused(stranger).await, "TRANSACTION_REUSED");
    assert_decided(&counter.decide(other).await, Outcome::Approve, &[]);
    // The first answer stays what it was.
    assert_eq!(counter.decide(request).await.decided.outcome, Outcome::Deny);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retake_is_the_next_attempt_and_attempts_are_bounded() {
    need_assets!();
    let counter = Counter::open().await;
    let attempt = |attempt, capture| {
        let mut request = claim("t-1", "record-1", &FIRST, &[capture]);
        request.key = key("t-1", attempt);
        request
    };
    assert_eq!(counter.refused(attempt(2, "biden.jpg")).await, "ATTEMPT_OUT_OF_ORDER");
    counter.decide(attempt(1, "biden.jpg")).await;
    // A wrong number is told as one, also where it is above the policy's: there are attempts left.
    for wrong in [3, 5] {
        assert_eq!(counter.refused(attempt(wrong, "biden.jpg")).await, "ATTEMPT_OUT_OF_ORDER");
    }
    counter.decide(attempt(2, "biden.jpg")).await;
    counter.decide(attempt(3, "biden.jpg")).await;
    for over in [4, 5] {
        assert_eq!(counter.refused(attempt(over, "biden.jpg")).await, "ATTEMPTS_USED_UP");
    }
    // Nobody is sent to an attempt that will be refused.
    for number in 1..=3 {
        let mut request = claim("t-3", "record-9", &FIRST, &["biden.jpg"]);
        (request.key, request.chip_files) = (key("t-3", number), Vec::new());
        let told = pb::VerifyBeneficiaryResponse::from(counter.decide(request).await);
        let again = number < 3;
        assert_eq!(told.retake, again, "attempt {number}");
        assert_eq!(told.message_vi.contains("đọc chip"), again, "{}", told.message_vi);
        assert_eq!(told.citizen_vi.contains("thử lại"), again, "{}", told.citizen_vi);
        assert!(!told.message_vi.contains("đọc lại"), "{}", told.message_vi);
        assert!(told.reasons.iter().all(|reason| again || !reason.message_vi.contains("đọc chip;")));
    }

    let approved = claim("t-2", "record-1", &FIRST, &["obama2.jpg"]);
    assert_decided(&counter.decide(approved.clone()).await, Outcome::Approve, &[]);
    // Closed is closed, whatever the number: no other one would be taken.
    for attempt in [2, 3, 9] {
        let mut more = approved.clone();
        more.key = key("t-2", attempt);
        assert_eq!(counter.refused(more).await, "TRANSACTION_CLOSED");
    }
}
