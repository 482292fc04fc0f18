//! How a caller's word for a call and the server's log come together.

use chinhchu::service::pb;
use chinhchu::service::pb::verification_client::VerificationClient;
use tonic::metadata::MetadataMap;

use crate::fake::Running;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn request(reference: &[u8], traceparent: Option<&str>) -> tonic::Request<pb::VerifyRequest> {
    let message =
        pb::VerifyRequest { reference: reference.to_vec(), probes: vec![b"x".to_vec()], fmr: None, reference_kind: 0 };
    let mut request = tonic::Request::new(message);
    if let Some(value) = traceparent {
        request.metadata_mut().insert("traceparent", value.parse().unwrap());
    }
    request
}

/// Trace and span of an answer's headers.
fn named(metadata: &MetadataMap) -> (String, String) {
    let value = metadata.get("traceparent").expect("every answer has one").to_str().unwrap();
    let parts: Vec<_> = value.split('-').collect();
    assert_eq!((parts.len(), parts[0]), (4, "00"), "{value}");
    (parts[1].to_owned(), parts[2].to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_and_an_error_name_the_callers_trace_and_their_own_span() {
    let server = Running::start(|_| {}).await;
    let mut raw = VerificationClient::new(server.channel().await);
    let given = format!("00-{TRACE}-{PARENT}-01");
    let answer = raw.verify(request(b"x", Some(&given))).await.unwrap();
    let error = raw.verify(request(b"faceless", Some(&given))).await.unwrap_err();
    let (first, second) = (named(answer.metadata()), named(error.metadata()));
    assert_eq!((first.0.as_str(), second.0.as_str()), (TRACE, TRACE));
    assert!(first.1 != PARENT && first.1 != second.1, "each call is a span of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_trace_begins_one_which_the_client_tells() {
    let server = Running::start(|_| {}).await;
    let mut raw = VerificationClient::new(server.channel().await);
    let mut seen = Vec::new();
    for given in [None, Some("nonsense"), Some("00-0-0-00")] {
        seen.push(named(raw.verify(request(b"x", given)).await.unwrap().metadata()).0);
    }
    let error = server.client().await.verify(crate::fake::verify_request(b"faceless")).await.unwrap_err();
    seen.push(error.trace.expect("the server names it"));
    assert!(seen.iter().all(|trace| trace.len() == 32));
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 4, "each call has a trace of its own");
}
