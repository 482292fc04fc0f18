//! Enrolling a stream.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chinhchu::gallery::{Attributes, EnrolMode, RequestId, Source, SubjectId};
use chinhchu::service::pb;
use chinhchu::workflow::{EnrolRequest, Photo};
use tonic::Code;
use tonic_types::StatusExt;

use crate::fake::Running;

pub fn row(index: usize, photo: &[u8]) -> pb::EnrollRequest {
    request(index, photo).into()
}

fn request(index: usize, photo: &[u8]) -> EnrolRequest {
    EnrolRequest {
        by: None,
        request_id: Some(RequestId::new(format!("row-{index}")).unwrap()),
        subject: SubjectId::new(format!("subject {index}")).unwrap(),
        mode: EnrolMode::Create,
        attributes: Attributes::default(),
        photos: vec![Photo { bytes: photo.to_vec(), source: Source::Other, captured_at: None }],
        accept_poor: false,
        legal_basis: None,
        vouch: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_rows_are_listed_and_stop_nobody_and_the_stream_can_be_sent_again() {
    let server = Running::start(|_| {}).await;
    let client = server.client().await;
    let rows = || (0..100).map(|i| request(i, if i % 10 == 3 { b"faceless" } else { b"face" })).collect::<Vec<_>>();
    let outcome = client.bulk_enrol(tokio_stream::iter(rows())).await.unwrap();
    assert_eq!((outcome.rows, outcome.committed, outcome.replayed, outcome.failed), (100, 90, 0, 10));
    assert!(!outcome.failures_truncated);
    let failed: Vec<u64> = outcome.failures.iter().map(|failure| failure.row).collect();
    assert_eq!(failed, (0..10).map(|i| i * 10 + 3).collect::<Vec<u64>>());
    for failure in &outcome.failures {
        assert_eq!((failure.reason.as_str(), failure.field.as_str()), ("NO_FACE", "photos[0]"));
        assert!(failure.en.is_ascii() && !failure.vi.is_ascii());
    }

    let again = client.bulk_enrol(tokio_stream::iter(rows())).await.unwrap();
    assert_eq!((again.rows, again.committed, again.replayed, again.failed), (100, 0, 90, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_with_bad_ids_fail_alone() {
    let server = Running::start(|_| {}).await;
    let mut raw = pb::gallery_client::GalleryClient::new(server.channel().await);
    let rows = [
        row(0, b"face"),
        pb::EnrollRequest { subject_id: String::new(), ..row(1, b"face") },
        pb::EnrollRequest { request_id: "has spaces".into(), ..row(2, b"face") },
        pb::EnrollRequest { mode: 77, ..row(3, b"face") },
    ];
    let answer = raw.bulk_enroll(tokio_stream::iter(rows)).await.unwrap().into_inner();
    assert_eq!((answer.rows, answer.committed, answer.failed), (4, 1, 3));
    let reasons: Vec<_> = answer.failures.iter().map(|failure| failure.reason.as_str()).collect();
    assert_eq!(reasons, ["BAD_SUBJECT_ID", "BAD_REQUEST_ID", "OUT_OF_RANGE"]);
    assert!(answer.failures.iter().all(|failure| failure.code == i32::from(Code::InvalidArgument)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_stream_is_an_empty_enrolment() {
    let server = Running::start(|_| {}).await;
    let outcome = server.client().await.bulk_enrol(tokio_stream::iter(Vec::new())).await.unwrap();
    assert_eq!(outcome, chinhchu::service::BulkOutcome::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_worked_on_side_by_side_up_to_the_bound_over_all_streams() {
    let server = Running::start(|options| {
        options.bulk_rows_in_flight_max = 6;
        options.turns_max = 8;
    })
    .await;
    let client = server.client().await;
    let calls: Vec<_> = (0..2)
        .map(|call| {
            let client = client.clone();
            let rows: Vec<_> = (0..50).map(|i| request(call * 1000 + i, b"slow")).collect();
            tokio::spawn(async move { client.bulk_enrol(tokio_stream::iter(rows)).await })
        })
        .collect();
    server.control.until_running(6).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.control.gate.add_permits(100);
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().committed, 50);
    }
    assert_eq!(server.control.running_most.load(Ordering::SeqCst), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_engine_is_waited_for_and_fails_no_row() {
    let server = Running::start(|_| {}).await;
    server.control.busy_tries.store(37, Ordering::SeqCst);
    let rows: Vec<_> = (0..20).map(|i| request(i, b"face")).collect();
    let outcome = server.client().await.bulk_enrol(tokio_stream::iter(rows)).await.unwrap();
    assert_eq!((outcome.committed, outcome.failed), (20, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_stalls_is_ended() {
    let server = Running::start(|options| options.bulk_idle_max = Duration::from_millis(100)).await;
    let mut raw = pb::gallery_client::GalleryClient::new(server.channel().await);
    let (rows, stream) = tokio::sync::mpsc::channel(4);
    rows.send(row(0, b"face")).await.unwrap();
    let status = raw.bulk_enroll(tokio_stream::wrappers::ReceiverStream::new(stream)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(status.get_details_error_info().unwrap().reason, "DEADLINE_EXCEEDED");
    drop(rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_caller_that_has_gone_are_dropped() {
    let server = Running::start(|_| {}).await;
    let client = server.client().await;
    let rows: Vec<_> = (0..50).map(|i| request(i, b"slow")).collect();
    let call = tokio::spawn(async move { client.bulk_enrol(tokio_stream::iter(rows)).await });
    crate::fake::soon(|| server.control.running.load(Ordering::SeqCst) > 1).await;
    call.abort();
    server.control.until_running(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_enrolment_is_not_cut_by_the_deadline_of_single_calls() {
    let server = Running::start(|options| options.deadline_max = Duration::from_millis(50)).await;
    let client = server.client().await;
    let call = tokio::spawn(async move { client.bulk_enrol(tokio_stream::iter([request(0, b"slow")])).await });
    server.control.until_running(1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.control.gate.add_permits(1);
    assert_eq!(call.await.unwrap().unwrap().committed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_over_the_message_limit_ends_the_stream_with_the_limit_named() {
    let server = Running::start(|options| options.message_bytes_max = 1 << 20).await;
    let rows = vec![request(0, b"face"), request(1, &vec![1; 2 << 20])];
    let error = server.client().await.bulk_enrol(tokio_stream::iter(rows)).await.unwrap_err();
    assert_eq!(error.reason, "MESSAGE_TOO_LARGE");
}
