//! Admission, deadlines, cancelled callers, sizes.

use std::time::Duration;

use chinhchu::service::{ServeError, ServeOptions, bind, pb};
use chinhchu::workflow::VerifyRequest;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::fake::{Control, Fake, Running, SOON, verify_request};

#[tokio::test]
async fn an_address_others_can_reach_is_refused_with_an_explanation() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:443"] {
        let mut options = ServeOptions::default();
        options.listen = address.parse().unwrap();
        let error = bind(Fake(Control::new()), options).await.map(|_| ()).unwrap_err();
        assert!(matches!(error, ServeError::NotLoopback(_)));
        assert!(error.to_string().contains("not encrypted") && error.to_string().contains("127.0.0.1"), "{error}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_named_in_the_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = ServeOptions::default();
    options.listen = taken.local_addr().unwrap();
    let error = bind(Fake(Control::new()), options).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, ServeError::Bind { .. }));
    assert!(error.to_string().contains(&taken.local_addr().unwrap().to_string()), "{error}");
}

#[tokio::test]
async fn options_that_could_serve_nobody_are_refused() {
    let tweaks: [fn(&mut ServeOptions); 4] = [
        |options| options.requests_in_flight_max = 0,
        |options| options.requests_in_flight_max = usize::MAX,
        |options| options.connections_max = 0,
        |options| options.deadline_max = Duration::ZERO,
    ];
    for tweak in tweaks {
        let mut options = ServeOptions::default();
        tweak(&mut options);
        let error = bind(Fake(Control::new()), options).await.map(|_| ()).unwrap_err();
        assert!(matches!(error, ServeError::BadOption(_)), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_bound_callers_are_told_when_to_come_back_and_health_still_answers() {
    let server = Running::start(|options| options.requests_in_flight_max = 2).await;
    let client = server.client().await;
    let slow: Vec<_> = (0..2)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.verify(verify_request(b"slow")).await })
        })
        .collect();
    server.control.until_running(2).await;

    let refused = client.verify(verify_request(b"x")).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (Code::ResourceExhausted, "BUSY"));
    assert!(refused.retry_after.is_some_and(|hint| hint >= Duration::from_millis(50)));
    assert_eq!(server.control.begun(), 2, "a refused call reached the engine");
    let mut health = HealthClient::new(server.channel().await);
    assert_eq!(health.check(HealthCheckRequest::default()).await.unwrap().into_inner().status, 1);

    server.control.gate.add_permits(2);
    for call in slow {
        call.await.unwrap().unwrap();
    }
    client.verify(verify_request(b"x")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_refuses_a_large_message_without_reading_it() {
    let server = Running::start(|options| options.requests_in_flight_max = 1).await;
    let client = server.client().await;
    let slow = tokio::spawn({
        let client = client.clone();
        async move { client.verify(verify_request(b"slow")).await }
    });
    server.control.until_running(1).await;
    let large =
        VerifyRequest { reference: vec![1; 40 << 20], probes: vec![vec![2]], fmr: None, against: Default::default() };
    let refused = client.verify(large).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (Code::ResourceExhausted, "BUSY"), "{refused}");
    server.control.gate.add_permits(1);
    slow.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_deadline_drops_its_work_and_frees_its_place() {
    let server = Running::start(|options| options.requests_in_flight_max = 1).await;
    let client = server.client().await.with_deadline(Duration::from_millis(300));
    let error = client.verify(verify_request(b"slow")).await.unwrap_err();
    assert_eq!((error.code, error.reason.as_str()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    server.control.until_running(0).await;
    // The place falls free with the work; a call that finds it taken would be refused.
    let answered = async {
        while client.verify(verify_request(b"x")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, answered).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_deadline_gets_the_servers() {
    let server = Running::start(|options| options.deadline_max = Duration::from_millis(200)).await;
    let mut raw = pb::verification_client::VerificationClient::new(server.channel().await);
    let slow =
        || pb::VerifyRequest { reference: b"slow".to_vec(), probes: vec![vec![1]], fmr: None, reference_kind: 0 };
    let status = raw.verify(slow()).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(status.get_details_error_info().unwrap().reason, "DEADLINE_EXCEEDED");
    server.control.until_running(0).await;

    // A longer one is cut to it.
    let mut request = tonic::Request::new(slow());
    request.set_timeout(Duration::from_secs(3600));
    assert_eq!(raw.verify(request).await.unwrap_err().code(), Code::DeadlineExceeded);
    server.control.until_running(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_whose_caller_has_gone_is_dropped() {
    let server = Running::start(|_| {}).await;
    // One call is cancelled on a connection that lives on, one loses its connection.
    let client = server.client().await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.verify(verify_request(b"slow")).await }
    });
    server.control.until_running(1).await;
    call.abort();
    server.control.until_running(0).await;
    client.verify(verify_request(b"x")).await.unwrap();

    let other = server.client().await;
    let call = tokio::spawn(async move { other.verify(verify_request(b"slow")).await });
    server.control.until_running(1).await;
    call.abort();
    assert!(call.await.is_err());
    server.control.until_running(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_and_five_captures_of_eight_megabytes_pass() {
    let server = Running::start(|_| {}).await;
    let photo = |value: u8| vec![value; 8 << 20];
    let request = VerifyRequest {
        reference: photo(0),
        probes: (1..=5).map(photo).collect(),
        fmr: None,
        against: Default::default(),
    };
    server.client().await.verify(request).await.unwrap();
    let seen = server.control.verify.lock().unwrap().take().unwrap();
    assert_eq!(seen.probes.len(), 5);
    assert!(seen.probes.iter().zip(1..).all(|(probe, value)| *probe == photo(value)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_over_the_limit_is_refused_with_the_limit_named() {
    let server = Running::start(|options| options.message_bytes_max = 1 << 20).await;
    let client = server.client().await;
    for bytes in [(1 << 20) + 1, 30 << 20] {
        let request =
            VerifyRequest { reference: vec![1; bytes], probes: vec![vec![2]], fmr: None, against: Default::default() };
        let refused = client.verify(request).await.unwrap_err();
        assert_eq!((refused.code, refused.reason.as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
        assert!(refused.message.contains("1048576"), "{refused}");
        assert_eq!(refused.retry_after, None, "trying again cannot help");
    }
    assert_eq!(server.control.begun(), 0);
    client.verify(verify_request(b"x")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_bound_wait_while_all_have_calls() {
    let server = Running::start(|options| options.connections_max = 1).await;
    let first = server.client().await;
    let slow = tokio::spawn(async move { first.verify(verify_request(b"slow")).await });
    server.control.until_running(1).await;
    let url = server.url.clone();
    let second = tokio::spawn(async move {
        let client = chinhchu::service::Client::connect(&url).await?;
        client.verify(verify_request(b"x")).await
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.control.begun(), 1, "the second connection was served");
    server.control.gate.add_permits(1);
    slow.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
}
