//! Callers that hold on to what others need and do nothing with it: connections that stay
//! silent, messages that do not come. Seen once: 520 connections that never said a word
//! kept every desk out for minutes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use chinhchu::service::pb;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::fake::{Running, SOON, verify_request};

/// What an HTTP/2 client begins with (RFC 9113, 3.4), and empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
/// HEADERS of a call without their end: CONTINUATION is to come, and never does.
const ENDLESS_HEADERS: &[u8] = b"\x00\x00\x01\x01\x00\x00\x00\x00\x01\x83";

/// The head of a request of HTTP/1.1 without its end.
const HALF_A_HEAD: &[u8] = b"POST /chinhchu.v1.Verification/Verify HTTP/1.1\r\nhost: localhost\r\nx: ";

impl Running {
    fn raw(&self) -> TcpStream {
        TcpStream::connect(self.url.trim_start_matches("http://")).unwrap()
    }
}

/// Whether the other end closes the connection soon.
fn is_closed(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut bytes = [0; 1024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            // Settings and pings.
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
            Err(_) => return true,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_keep_nobody_out() {
    let says: [&[u8]; 6] =
        [b"", b"PRI * HT", PREFACE, &[PREFACE, ENDLESS_HEADERS].concat(), b"POST /x HT", HALF_A_HEAD];
    for said in says {
        let server = Running::start(|options| options.connections_max = 4).await;
        let silent: Vec<TcpStream> = (0..20)
            .map(|_| {
                let mut stream = server.raw();
                stream.write_all(said).unwrap();
                stream
            })
            .collect();
        let begun = Instant::now();
        server.client().await.verify(verify_request(b"x")).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert!(is_closed(&silent[0]), "the oldest went first");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_does_not_begin_in_time_is_cut() {
    let server = Running::start(|options| options.preface_max = Duration::from_millis(200)).await;
    let mut slow = server.raw();
    let begun = Instant::now();
    // A byte now and then does not help.
    let mut sent = 0;
    while begun.elapsed() < SOON && slow.write_all(&PREFACE[sent..=sent]).is_ok() {
        sent = (sent + 1).min(20);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(begun.elapsed() >= Duration::from_millis(200) && is_closed(&slow));
    assert!(is_closed(&server.raw()));
}

/// Within the 30 s of hyper, which docs/json.md names.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_http_1_that_does_not_end_is_cut() {
    let server = Running::start(|_| {}).await;
    let mut slow = server.raw();
    slow.write_all(HALF_A_HEAD).unwrap();
    let begun = Instant::now();
    // A byte now and then does not help.
    while begun.elapsed() < Duration::from_secs(60) && slow.write_all(b"x").is_ok() {
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let lasted = begun.elapsed().as_secs();
    assert!((28..45).contains(&lasted) && is_closed(&slow), "{lasted} s");
    assert_eq!(server.control.begun(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_are_reaped_and_those_with_a_call_are_not() {
    let server = Running::start(|options| options.idle_max = Duration::from_millis(300)).await;
    let client = server.client().await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.verify(verify_request(b"slow")).await }
    });
    server.control.until_running(1).await;
    let mut idle = server.raw();
    idle.write_all(PREFACE).unwrap();
    assert!(is_closed(&idle));
    server.control.gate.add_permits(1);
    call.await.unwrap().unwrap();
    // A client whose connection was cut makes a new one by itself.
    tokio::time::sleep(Duration::from_millis(700)).await;
    client.verify(verify_request(b"x")).await.unwrap();
}

/// Opens a call and sends nothing of its message.
fn without_a_message(server: &Running) -> tokio::task::JoinHandle<Status> {
    let url = server.url.clone();
    tokio::spawn(async move {
        let channel = tonic::transport::Endpoint::from_shared(url).unwrap().connect().await.unwrap();
        let mut grpc = tonic::client::Grpc::new(channel);
        grpc.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<pb::VerifyRequest, pb::VerifyResponse>::default();
        let path = "/chinhchu.v1.Verification/Verify".parse().unwrap();
        let nothing = tonic::Request::new(tokio_stream::pending());
        grpc.client_streaming(nothing, path, codec).await.unwrap_err()
    })
}

async fn until_busy(server: &Running) {
    let client = server.client().await;
    // Lets the uploads in first: a call that asks whether all places are taken takes one itself,
    // and an upload that comes meanwhile would be refused for it.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let busy = async {
        while client.verify(verify_request(b"x")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, busy).await.expect("all places are taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_message_does_not_come_gives_its_place_back() {
    let server = Running::start(|options| {
        options.requests_in_flight_max = 2;
        options.upload_idle_max = Duration::from_millis(500);
    })
    .await;
    let calls = [without_a_message(&server), without_a_message(&server)];
    until_busy(&server).await;
    for call in calls {
        let status = call.await.unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        assert_eq!(status.get_details_error_info().unwrap().reason, "DEADLINE_EXCEEDED");
    }
    server.client().await.verify(verify_request(b"x")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_places_are_taken_the_longest_upload_makes_room() {
    let server = Running::start(|options| {
        options.requests_in_flight_max = 2;
        options.upload_idle_max = Duration::from_secs(60);
    })
    .await;
    let (first, second) = (without_a_message(&server), without_a_message(&server));
    until_busy(&server).await;
    let client = server.client().await;
    let served = async {
        while client.verify(verify_request(b"x")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, served).await.expect("an upload made room");
    // One made room, and is told to come back; that was enough.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let ended = [&first, &second].map(|call| call.is_finished());
    assert_eq!(ended.iter().filter(|ended| **ended).count(), 1, "{ended:?}");
    let status = if ended[0] { first } else { second }.await.unwrap();
    assert_eq!(status.get_details_error_info().unwrap().reason, "BUSY");
}

/// The work of a call is never taken for an upload: it is not ended for others.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_at_work_never_makes_room() {
    let server = Running::start(|options| options.requests_in_flight_max = 1).await;
    let client = server.client().await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.verify(verify_request(b"slow")).await }
    });
    server.control.until_running(1).await;
    tokio::time::sleep(Duration::from_millis(2200)).await;
    assert_eq!(client.verify(verify_request(b"x")).await.unwrap_err().reason, "BUSY");
    server.control.gate.add_permits(1);
    call.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_enrolments_that_send_nothing_leave_places_to_others() {
    let server = Running::start(|options| options.requests_in_flight_max = 8).await;
    let client = server.client().await;
    let open = |client: &chinhchu::service::Client| {
        let client = client.clone();
        tokio::spawn(async move { client.bulk_enrol(tokio_stream::pending()).await })
    };
    let streams: Vec<_> = (0..10).map(|_| open(&client)).collect();
    let refused = async {
        while streams.iter().filter(|stream| stream.is_finished()).count() < 8 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, refused).await.expect("all but two are refused");
    client.verify(verify_request(b"x")).await.unwrap();
}
