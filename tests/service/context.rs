//! What a use case learns of the call it works for.

use std::time::{Duration, Instant};

use chinhchu::context::{Principal, RequestContext};
use chinhchu::service::pb;
use chinhchu::service::pb::beneficiary_client::BeneficiaryClient;
use chinhchu::service::pb::gallery_client::GalleryClient;
use chinhchu::service::pb::verification_client::VerificationClient;

use crate::bulk::row;
use crate::fake::Running;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TIME: Duration = Duration::from_secs(25);

/// A request under a trace that the caller has for `TIME`.
fn traced<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01").parse().unwrap());
    request.set_timeout(TIME);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn every_use_case_learns_the_caller_its_trace_its_transaction_and_its_deadline() {
    let server = Running::start(|_| {}).await;
    let channel = server.channel().await;
    let mut verification = VerificationClient::new(channel.clone());
    let mut gallery = GalleryClient::new(channel.clone());
    let mut beneficiary = BeneficiaryClient::new(channel);
    let before = Instant::now();
    let image = || b"x".to_vec();

    let verify = pb::VerifyRequest { reference: image(), probes: vec![image()], ..Default::default() };
    verification.verify(traced(verify)).await.unwrap();
    verification.assess(traced(pb::AssessRequest { image: image(), kind: 0 })).await.unwrap();
    let identify = pb::IdentifyRequest { probes: vec![image()], ..Default::default() };
    verification.identify(traced(identify)).await.unwrap();
    gallery.enroll(traced(row(0, b"x"))).await.unwrap();
    gallery.bulk_enroll(traced(tokio_stream::iter([row(1, b"x"), row(2, b"x")]))).await.unwrap();
    let remove = pb::RemoveRequest { subject_id: "somebody".into(), ..Default::default() };
    gallery.remove(traced(remove)).await.unwrap();
    gallery.get_subject(traced(pb::GetSubjectRequest { subject_id: "somebody".into() })).await.unwrap();
    let clear = pb::ClearPairRequest {
        subject_id_a: "a".into(),
        subject_id_b: "b".into(),
        officer_id: "o".into(),
        reason: "twins".into(),
    };
    beneficiary.clear_pair(traced(clear)).await.unwrap();
    let without_transaction = server.control.contexts.lock().unwrap().len();
    beneficiary.new_challenge(traced(pb::NewChallengeRequest { transaction_id: "t-1".into() })).await.unwrap();
    let decide = pb::VerifyBeneficiaryRequest {
        transaction_id: "t-1".into(),
        subject_id: "somebody".into(),
        scheme: pb::Scheme::Social.into(),
        frames: vec![image()],
        ..Default::default()
    };
    beneficiary.verify_beneficiary(traced(decide)).await.unwrap();
    let resolve = pb::ResolveReferralRequest {
        transaction_id: "t-1".into(),
        officer_id: "o".into(),
        outcome: pb::Outcome::Deny.into(),
        reason: "another person".into(),
        ..Default::default()
    };
    beneficiary.resolve_referral(traced(resolve)).await.unwrap();

    let mut calls = server.control.order.lock().unwrap().clone();
    let contexts = server.control.contexts.lock().unwrap().clone();
    assert_eq!(contexts.len(), calls.len());
    for (at, (call, context)) in calls.iter().zip(&contexts).enumerate() {
        assert_eq!(context.principal(), &Principal::Anonymous, "{call}");
        assert!(context.roles().is_empty(), "{call}");
        assert_eq!(context.trace().map(|trace| trace.to_string()).as_deref(), Some(TRACE), "{call}");
        assert_eq!(context.transaction(), (at >= without_transaction).then_some("t-1"), "{call}");
        let deadline = context.deadline().unwrap_or_else(|| panic!("{call} has no deadline"));
        assert!(deadline > before && deadline <= Instant::now() + TIME, "{call}");
    }
    calls.sort_unstable();
    calls.dedup();
    // All that the service calls but `ready`, which no caller asks for.
    assert_eq!(calls.len(), 10, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_deadline_has_the_servers() {
    let server = Running::start(|options| options.deadline_max = TIME).await;
    let (before, mut gallery) = (Instant::now(), GalleryClient::new(server.channel().await));
    let remove = pb::RemoveRequest { subject_id: "somebody".into(), ..Default::default() };
    gallery.remove(remove).await.unwrap();
    gallery.bulk_enroll(tokio_stream::iter([row(1, b"x")])).await.unwrap();
    let contexts: Vec<RequestContext> = server.control.contexts.lock().unwrap().clone();
    let deadline = contexts[0].deadline().expect("the server's");
    assert!(deadline >= before + TIME && deadline <= Instant::now() + TIME);
    assert_eq!(contexts[1].deadline(), None, "a bulk enrolment lasts as long as rows come");
}
