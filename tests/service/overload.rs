//! More than the server can do: who is let in, in which order, and what the others are told.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chinhchu::gallery::{Attributes, EnrolMode, Source, SubjectId};
use chinhchu::service::{Client, ClientError};
use chinhchu::workflow::{EnrolRequest, IdentifyRequest, Photo};
use tokio::task::JoinHandle;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::fake::{Running, SOON, verify_request};

/// Time for what was sent to be where it waits. Where it is not enough, a test sees less
/// than it could and fails nobody.
const ARRIVED: Duration = Duration::from_millis(300);
/// What each call takes that teaches a server what calls take.
const LESSON: Duration = Duration::from_millis(300);

/// A call that is under way.
type Call = JoinHandle<Result<(), ClientError>>;

fn enrol_request() -> EnrolRequest {
    EnrolRequest {
        by: None,
        request_id: None,
        subject: SubjectId::new("somebody").unwrap(),
        mode: EnrolMode::Create,
        attributes: Attributes::default(),
        photos: vec![Photo { bytes: b"face".to_vec(), source: Source::Other, captured_at: None }],
        accept_poor: false,
        legal_basis: None,
        vouch: None,
    }
}

fn verify(client: &Client, reference: &'static [u8]) -> Call {
    let client = client.clone();
    tokio::spawn(async move { client.verify(verify_request(reference)).await.map(drop) })
}

fn enrol(client: &Client) -> Call {
    let client = client.clone();
    tokio::spawn(async move { client.enrol(enrol_request()).await.map(drop) })
}

fn identify(client: &Client) -> Call {
    let client = client.clone();
    let request = IdentifyRequest { probes: vec![b"face".to_vec()], scope: None, filter: Default::default() };
    tokio::spawn(async move { client.identify(request).await.map(drop) })
}

fn row(client: &Client) -> Call {
    let client = client.clone();
    tokio::spawn(async move { client.bulk_enrol(tokio_stream::iter([enrol_request()])).await.map(drop) })
}

/// A server with one turn at a time that knows that a call takes at least so long.
async fn taught(tweak: impl FnOnce(&mut chinhchu::service::ServeOptions)) -> Running {
    let server = Running::start(|options| {
        options.turns_max = 1;
        options.turn_wait_max = Duration::from_secs(600);
        tweak(options);
    })
    .await;
    let client = server.client().await;
    let call = verify(&client, b"slow");
    server.control.until_running(1).await;
    tokio::time::sleep(LESSON).await;
    server.control.gate.add_permits(1);
    call.await.unwrap().unwrap();
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_cannot_be_done_in_time_is_refused_and_never_reaches_the_engine() {
    let server = taught(|_| {}).await;
    let client = server.client().await;
    let running = verify(&client, b"slow");
    server.control.until_running(1).await;
    let begun = server.control.begun();

    let hasty = client.clone().with_deadline(LESSON);
    let refused = hasty.verify(verify_request(b"x")).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (Code::ResourceExhausted, "BUSY"), "{refused}");
    let hint = refused.retry_after.expect("when to come back");
    assert!(hint >= Duration::from_millis(50) && hint <= Duration::from_secs(20), "{hint:?}");
    assert!(refused.trace.is_some(), "a refusal names its trace too");

    // One with enough time waits for its turn; health waits for none, nor do calls without photos.
    let patient = verify(&client, b"x");
    client.subject(&SubjectId::new("somebody").unwrap()).await.unwrap();
    let mut health = HealthClient::new(server.channel().await);
    assert_eq!(health.check(HealthCheckRequest::default()).await.unwrap().into_inner().status, 1);
    server.control.gate.add_permits(1);
    running.await.unwrap().unwrap();
    patient.await.unwrap().unwrap();
    assert_eq!(server.control.begun(), begun + 2, "the refused call reached the engine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_too_long_in_time_refuses_however_much_time_a_call_has() {
    let server = taught(|options| options.turn_wait_max = LESSON).await;
    let client = server.client().await;
    let running = verify(&client, b"slow");
    server.control.until_running(1).await;
    // Each that waits is as much work as may be waited for.
    let refused = async {
        let mut waiting = Vec::new();
        loop {
            waiting.push(verify(&client, b"x"));
            tokio::time::sleep(Duration::from_millis(20)).await;
            if let Some(at) = waiting.iter().position(JoinHandle::is_finished) {
                break (waiting.remove(at).await.unwrap().unwrap_err(), waiting);
            }
        }
    };
    let (refused, waiting) = tokio::time::timeout(SOON, refused).await.expect("somebody is refused");
    assert_eq!(refused.reason, "BUSY");
    assert!(waiting.len() < 20, "{} were let in to wait", waiting.len());
    server.control.gate.add_permits(1);
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_goes_before_identification_before_enrolment_before_rows() {
    let server = Running::start(|options| options.turns_max = 1).await;
    let client = server.client().await;
    let running = verify(&client, b"slow");
    server.control.until_running(1).await;
    let mut calls = Vec::new();
    // The first to come are the last to be served.
    let verification = |client: &Client| verify(client, b"x");
    let kinds: [fn(&Client) -> Call; 4] = [row, enrol, identify, verification];
    for call in kinds {
        calls.push(call(&client));
        tokio::time::sleep(ARRIVED).await;
    }
    server.control.gate.add_permits(1);
    running.await.unwrap().unwrap();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let order = server.control.order.lock().unwrap().clone();
    assert_eq!(order, ["verify", "verify", "identify", "enrol", "enrol"]);
    assert_eq!(server.control.running_most.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_and_whose_caller_goes_is_never_worked_on() {
    let server = Running::start(|options| options.turns_max = 1).await;
    let client = server.client().await;
    let running = verify(&client, b"slow");
    server.control.until_running(1).await;
    // One hangs up, one loses its connection, one has no more time.
    let gone = verify(&client, b"gone");
    let other = server.client().await;
    let lost = tokio::spawn(async move { other.verify(verify_request(b"lost")).await });
    let hasty = client.clone().with_deadline(ARRIVED);
    let late = hasty.verify(verify_request(b"late")).await.unwrap_err();
    assert_eq!(late.code, Code::DeadlineExceeded, "{late}");
    gone.abort();
    lost.abort();
    assert!(gone.await.is_err() && lost.await.is_err());
    // Its turn comes after theirs would have.
    let next = verify(&client, b"x");
    tokio::time::sleep(ARRIVED).await;
    server.control.gate.add_permits(1);
    running.await.unwrap().unwrap();
    next.await.unwrap().unwrap();
    assert_eq!(server.control.begun(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_places_are_taken_an_enrolment_that_waits_makes_room_for_a_verification() {
    let server = Running::start(|options| {
        options.turns_max = 1;
        options.requests_in_flight_max = 2;
    })
    .await;
    let client = server.client().await;
    let running = verify(&client, b"slow");
    server.control.until_running(1).await;
    let waiting = enrol(&client);
    tokio::time::sleep(ARRIVED).await;
    let urgent = verify(&client, b"x");
    let refused = tokio::time::timeout(SOON, waiting).await.expect("it made room").unwrap().unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (Code::ResourceExhausted, "BUSY"));
    assert!(refused.retry_after.is_some());
    server.control.gate.add_permits(1);
    running.await.unwrap().unwrap();
    urgent.await.unwrap().unwrap();
    assert_eq!(*server.control.order.lock().unwrap(), ["verify", "verify"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_when_the_server_stops_is_still_served() {
    let mut server = Running::start(|options| options.turns_max = 1).await;
    let client = server.client().await;
    let running = verify(&client, b"slow");
    server.control.until_running(1).await;
    let waiting = verify(&client, b"x");
    tokio::time::sleep(ARRIVED).await;
    server.stop();
    tokio::time::sleep(ARRIVED).await;
    server.control.gate.add_permits(1);
    running.await.unwrap().unwrap();
    waiting.await.unwrap().expect("it was let in before the server began to stop");
    server.ended().await.unwrap();
}

/// A log that is kept.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Calls that are refused, far more than lines.
const REFUSED: u64 = 500;

/// Everything on one thread, so that its log is this test's alone.
#[tokio::test]
async fn hundreds_of_refusals_are_a_few_lines_of_the_log() {
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || written.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut server = Running::start(|options| options.requests_in_flight_max = 1).await;
    let client = server.client().await;
    let running = verify(&client, b"slow");
    server.control.until_running(1).await;
    // Side by side: one after the other they would be slowed down.
    let refused: Vec<_> = (0..REFUSED).map(|_| verify(&client, b"x")).collect();
    for call in refused {
        assert_eq!(call.await.unwrap().unwrap_err().reason, "BUSY");
    }
    server.control.gate.add_permits(1);
    running.await.unwrap().unwrap();
    drop(client);
    server.stop();
    server.ended().await.unwrap();

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let told: Vec<_> = log.lines().filter(|line| line.contains("BUSY")).collect();
    // The sums are told every five seconds, and at the end.
    assert!(!told.is_empty() && told.len() < 20, "{log}");
    let count = |line: &&str| -> u64 {
        let (_, after) = line.split_once(" count=").expect("a sum");
        after.split_whitespace().next().unwrap().parse().unwrap()
    };
    assert_eq!(told.iter().map(count).sum::<u64>(), REFUSED, "{log}");
    assert!(told.iter().all(|line| line.contains("method=\"Verify\"") && line.contains("WARN")), "{log}");
}
