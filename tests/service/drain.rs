//! Health, and an orderly end.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chinhchu::service::{Client, pb};
use tokio_stream::StreamExt;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::fake::{Running, SOON, soon, verify_request};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_flight_finishes_while_nothing_new_is_taken() {
    let mut server = Running::start(|_| {}).await;
    let client = server.client().await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.verify(verify_request(b"slow")).await }
    });
    server.control.until_running(1).await;
    server.stop();

    // Soon nobody gets in, on a new connection or on the old one.
    let url = server.url.clone();
    let refused = async {
        while Client::connect(&url).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, refused).await.unwrap();
    assert_eq!(client.verify(verify_request(b"x")).await.unwrap_err().code, Code::Unavailable);
    assert_eq!(server.control.begun(), 1);

    server.control.gate.add_permits(1);
    call.await.unwrap().expect("the call in flight was answered");
    server.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drain_is_bounded_and_what_still_runs_is_dropped_and_told() {
    let mut server = Running::start(|options| options.drain = Duration::from_millis(200)).await;
    let client = server.client().await;
    let call = tokio::spawn(async move { client.verify(verify_request(b"slow")).await });
    server.control.until_running(1).await;
    let control = std::sync::Arc::clone(&server.control);
    server.stop();
    server.ended().await.unwrap();
    let error = call.await.unwrap().unwrap_err();
    assert_eq!((error.code, error.reason.as_str()), (Code::Unavailable, "SHUTTING_DOWN"));
    assert!(error.retry_after.is_some());
    assert_eq!(control.running.load(Ordering::SeqCst), 0, "work outlived the drain");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_turns_to_not_serving_when_draining_and_a_watch_does_not_hold_the_server_up() {
    let mut server = Running::start(|options| options.drain = Duration::from_secs(3600)).await;
    let mut health = HealthClient::new(server.channel().await);
    for service in ["", "chinhchu.v1.Verification", "chinhchu.v1.Gallery"] {
        let request = HealthCheckRequest { service: service.into() };
        let status = health.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{service}");
    }
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::Serving);
    server.stop();
    let told = tokio::time::timeout(SOON, watch.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(told.status(), ServingStatus::NotServing);
    server.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn health_follows_the_engine() {
    let server = Running::start(|options| options.ready_every = Duration::from_millis(10)).await;
    let mut health = HealthClient::new(server.channel().await);
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    for (able, status) in
        [(true, ServingStatus::Serving), (false, ServingStatus::NotServing), (true, ServingStatus::Serving)]
    {
        server.control.able.store(able, Ordering::SeqCst);
        let told = tokio::time::timeout(SOON, watch.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(told.status(), status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_server_stops_at_once() {
    let mut server = Running::start(|options| options.drain = Duration::from_secs(3600)).await;
    let _idle = server.client().await;
    let began = Instant::now();
    server.stop();
    server.ended().await.unwrap();
    assert!(began.elapsed() < SOON);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_enrolment_does_not_outlast_the_drain_and_what_was_begun_is_done() {
    let mut server = Running::start(|options| options.drain = Duration::from_secs(3600)).await;
    let mut raw = pb::gallery_client::GalleryClient::new(server.channel().await);
    let (rows, stream) = tokio::sync::mpsc::channel(4);
    let call = tokio::spawn(async move { raw.bulk_enroll(tokio_stream::wrappers::ReceiverStream::new(stream)).await });
    rows.send(crate::bulk::row(0, b"slow")).await.unwrap();
    server.control.until_running(1).await;
    let control = std::sync::Arc::clone(&server.control);
    server.stop();
    // The stream stays open and no row comes; the row in work finishes.
    tokio::time::sleep(Duration::from_millis(50)).await;
    control.gate.add_permits(1);
    let status = call.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    soon(|| control.running.load(Ordering::SeqCst) == 0).await;
    assert_eq!(control.gate.available_permits(), 0, "the row in work was dropped");
    server.ended().await.unwrap();
    drop(rows);
}
