//! Tests of the layers as they are stacked, and of the router behind them.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::{ServiceExt, service_fn};

use super::*;
use crate::context::Principal;
use crate::gallery::{
    ClearedPair, DecisionFilter, DecisionHead, PairState, Receipt, RequestId, Subject, SubjectId, Timestamp,
};
use crate::service::handlers::Handlers;
use crate::service::local::pb as local;
use crate::service::method::{Admittance, TABLE};
use crate::service::pb::verification_server::Verification;
use crate::service::server::router;
use crate::service::{Backend, LogKey, ServeOptions, pb};
use crate::workflow::beneficiary::{
    BeneficiaryOutcome, BeneficiaryRequest, CaseDecision, ClearPairRequest, IssuedChallenge, ListPage, PageRequest,
    PairChange, RepeatedCapture, ResolveReferral, ResolvedReferral, SubjectCount, SubjectFilter, SubjectSummary,
    UnclearPairRequest,
};
use crate::workflow::{
    AssessOutcome, EnrolOutcome, EnrolRequest, IdentifyOutcome, IdentifyRequest, Kind, VerifyOutcome, VerifyRequest,
    WorkflowError,
};

/// Paths that a server must not answer.
const UNLISTED: [&str; 5] = [
    "/",
    "/chinhchu.v1.Verification/Guess",
    "/chinhchu.v1.Gallery/Snapshot",
    "/chinhchu.local.v1.Snapshots/Read",
    "/grpc.health.v1.Health/List",
];

/// What a call that reached the routes looked like: its path, and its context.
type Reached = Arc<Mutex<Vec<(String, Option<RequestContext>)>>>;

fn request(path: &str, headers: &[(&'static str, &str)]) -> Request<Body> {
    let grpc =
        Request::builder().version(tonic::codegen::http::Version::HTTP_2).header("content-type", "application/grpc");
    let mut request = grpc.uri(path).body(Body::empty()).unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

/// Makes one call to routes that note it and answer at once.
async fn call(shared: &Arc<Shared>, reached: &Reached, request: Request<Body>) -> Response<Body> {
    let reached = Arc::clone(reached);
    let routes = service_fn(move |request: Request<Body>| {
        let context = request.extensions().get::<Call>().map(|call| call.context.clone());
        reached.lock().unwrap().push((request.uri().path().to_owned(), context));
        async { Ok::<_, Infallible>(Response::new(Body::empty())) }
    });
    let Ok(response) = RequestLayers(Arc::clone(shared)).layer(routes).oneshot(request).await;
    response
}

fn code(response: &Response<Body>) -> Option<Code> {
    response.extensions().get::<Status>().map(Status::code)
}

#[tokio::test]
async fn every_method_of_the_table_reaches_its_handler_and_nothing_else_does() {
    let (shared, reached) = (Shared::new(&ServeOptions::default(), false), Reached::default());
    for row in &TABLE {
        let response = call(&shared, &reached, request(row.path, &[])).await;
        assert_eq!(code(&response), None, "{}", row.path);
    }
    let paths: Vec<_> = reached.lock().unwrap().drain(..).map(|(path, _)| path).collect();
    assert!(paths.iter().map(String::as_str).eq(TABLE.iter().map(|row| row.path)), "{paths:?}");
    for path in UNLISTED {
        let response = call(&shared, &reached, request(path, &[])).await;
        assert_eq!(code(&response), Some(Code::Unimplemented), "{path}");
        assert!(response.headers().contains_key("traceparent"), "{path}");
    }
    assert!(reached.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_handler_learns_who_calls_under_which_trace_and_until_when() {
    let (shared, reached) = (Shared::new(&ServeOptions::default(), false), Reached::default());
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let before = Instant::now();
    let headers = [("traceparent", parent.as_str()), ("grpc-timeout", "5S")];
    call(&shared, &reached, request("/chinhchu.v1.Gallery/Remove", &headers)).await;
    let (_, context) = reached.lock().unwrap().pop().unwrap();
    let context = context.expect("a context");
    assert_eq!(context.principal(), &Principal::Anonymous);
    assert!(context.roles().is_empty());
    assert_eq!(context.trace().expect("a trace").to_string(), trace);
    let deadline = context.deadline().expect("a deadline");
    assert!(deadline >= before + Duration::from_secs(5) && deadline <= Instant::now() + Duration::from_secs(5));
}

#[tokio::test]
async fn a_server_that_drains_lets_in_what_is_exempt_alone() {
    let (shared, reached) = (Shared::new(&ServeOptions::default(), false), Reached::default());
    shared.closing.cancel();
    for row in &TABLE {
        let response = call(&shared, &reached, request(row.path, &[])).await;
        let expected = (row.admittance != Admittance::Exempt).then_some(Code::Unavailable);
        assert_eq!(code(&response), expected, "{}", row.path);
    }
}

/// Routes that never answer.
async fn never(_: Request<Body>) -> Answered {
    std::future::pending().await
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_and_its_place_falls_free_with_the_response() {
    let shared = Shared::new(&ServeOptions::default(), false);
    let places = shared.places.available_permits();
    let layered = RequestLayers(Arc::clone(&shared)).layer(service_fn(never));
    let mut late = Box::pin(layered.oneshot(request("/chinhchu.v1.Verification/Verify", &[("grpc-timeout", "1m")])));
    assert!(std::future::poll_fn(|context| Poll::Ready(late.as_mut().poll(context).is_pending())).await);
    assert_eq!(shared.places.available_permits(), places - 1);
    let Ok(response) = (&mut late).await;
    assert_eq!(code(&response), Some(Code::DeadlineExceeded));
    // Before the response has been sent, and before the call's future is dropped.
    assert_eq!(shared.places.available_permits(), places);
}

#[tokio::test]
async fn a_call_whose_caller_goes_leaves_its_place_and_its_turn_to_others() {
    let options = ServeOptions { turns_max: 1, requests_in_flight_max: 1, ..ServeOptions::default() };
    let shared = Shared::new(&options, false);
    let path = "/chinhchu.v1.Verification/Verify";
    let layered = RequestLayers(Arc::clone(&shared)).layer(service_fn(never));
    let mut gone = Box::pin(layered.oneshot(request(path, &[])));
    assert!(std::future::poll_fn(|context| Poll::Ready(gone.as_mut().poll(context).is_pending())).await);
    let reached = Reached::default();
    let refused = call(&shared, &reached, request(path, &[])).await;
    assert_eq!(code(&refused), Some(Code::ResourceExhausted));
    drop(gone);
    assert_eq!(code(&call(&shared, &reached, request(path, &[])).await), None);
    assert_eq!(reached.lock().unwrap().len(), 1);
}

/// A backend that no call may reach.
struct Unreachable;

#[async_trait]
impl Backend for Unreachable {
    async fn verify(&self, _: &RequestContext, _: VerifyRequest) -> Result<VerifyOutcome, WorkflowError> {
        unreachable!()
    }

    async fn assess(&self, _: &RequestContext, _: Vec<u8>, _: Kind) -> Result<AssessOutcome, WorkflowError> {
        unreachable!()
    }

    async fn identify(&self, _: &RequestContext, _: IdentifyRequest) -> Result<IdentifyOutcome, WorkflowError> {
        unreachable!()
    }

    async fn enrol(&self, _: &RequestContext, _: EnrolRequest) -> Result<EnrolOutcome, WorkflowError> {
        unreachable!()
    }

    async fn remove(&self, _: &RequestContext, _: &SubjectId, _: Option<RequestId>) -> Result<Receipt, WorkflowError> {
        unreachable!()
    }

    async fn subject(&self, _: &RequestContext, _: &SubjectId) -> Result<Subject, WorkflowError> {
        unreachable!()
    }

    async fn new_challenge(&self, _: &RequestContext, _: &RequestId) -> Result<IssuedChallenge, WorkflowError> {
        unreachable!()
    }

    async fn verify_beneficiary(
        &self,
        _: &RequestContext,
        _: BeneficiaryRequest,
    ) -> Result<BeneficiaryOutcome, WorkflowError> {
        unreachable!()
    }

    async fn resolve_referral(
        &self,
        _: &RequestContext,
        _: ResolveReferral,
    ) -> Result<ResolvedReferral, WorkflowError> {
        unreachable!()
    }

    async fn clear_pair(&self, _: &RequestContext, _: ClearPairRequest) -> Result<PairChange, WorkflowError> {
        unreachable!()
    }

    async fn unclear_pair(&self, _: &RequestContext, _: UnclearPairRequest) -> Result<PairChange, WorkflowError> {
        unreachable!()
    }

    async fn case(
        &self,
        _: &RequestContext,
        _: &RequestId,
        _: Option<u32>,
    ) -> Result<Option<CaseDecision>, WorkflowError> {
        unreachable!()
    }

    async fn decisions(
        &self,
        _: &RequestContext,
        _: &DecisionFilter,
        _: &PageRequest,
    ) -> Result<ListPage<DecisionHead>, WorkflowError> {
        unreachable!()
    }

    async fn repeated_captures(
        &self,
        _: &RequestContext,
        _: Option<Timestamp>,
        _: Option<Timestamp>,
        _: &PageRequest,
    ) -> Result<ListPage<RepeatedCapture>, WorkflowError> {
        unreachable!()
    }

    async fn pairs(
        &self,
        _: &RequestContext,
        _: Option<PairState>,
        _: &PageRequest,
    ) -> Result<ListPage<ClearedPair>, WorkflowError> {
        unreachable!()
    }

    async fn subjects(
        &self,
        _: &RequestContext,
        _: SubjectFilter,
        _: &PageRequest,
    ) -> Result<ListPage<SubjectSummary>, WorkflowError> {
        unreachable!()
    }

    async fn count_subjects(&self, _: &RequestContext, _: SubjectFilter) -> Result<SubjectCount, WorkflowError> {
        unreachable!()
    }

    async fn ready(&self) -> Result<(), WorkflowError> {
        Ok(())
    }
}

fn handlers(options: &ServeOptions, shared: &Shared) -> Arc<Handlers> {
    Arc::new(Handlers::new(Arc::new(Unreachable), options, LogKey::random().unwrap(), shared))
}

#[tokio::test]
async fn a_handler_that_is_reached_around_the_layers_does_nothing() {
    let options = ServeOptions::default();
    let handlers = handlers(&options, &Shared::new(&options, false));
    let status = handlers.verify(tonic::Request::new(pb::VerifyRequest::default())).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
}

/// A service that is in no table: it hands out templates, and is for a Unix socket alone.
#[derive(Clone, Default)]
struct Stray(Arc<AtomicUsize>);

#[tonic::async_trait]
impl local::snapshots_server::Snapshots for Stray {
    type ReadStream = tokio_stream::Empty<Result<local::Piece, Status>>;

    async fn read(&self, _: tonic::Request<local::ReadRequest>) -> Result<tonic::Response<Self::ReadStream>, Status> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(tonic::Response::new(tokio_stream::empty()))
    }

    type RowsStream = tokio_stream::Empty<Result<local::RowsPiece, Status>>;

    async fn rows(&self, _: tonic::Request<local::RowsRequest>) -> Result<tonic::Response<Self::RowsStream>, Status> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(tonic::Response::new(tokio_stream::empty()))
    }
}

async fn listen() -> (SocketAddr, TcpListenerStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener.local_addr().unwrap(), TcpListenerStream::new(listener))
}

async fn channel(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// Asks for a snapshot: the code of the refusal, if it is refused.
async fn read(channel: Channel) -> Option<Code> {
    let mut client = local::snapshots_client::SnapshotsClient::new(channel);
    client.read(local::ReadRequest { version: 1 }).await.err().map(|status| status.code())
}

#[tokio::test]
async fn a_service_on_the_router_that_is_not_in_the_table_is_not_reached() {
    let stray = Stray::default();
    let service = || local::snapshots_server::SnapshotsServer::new(stray.clone());

    // Without the layers it answers.
    let (address, incoming) = listen().await;
    let open = tokio::spawn(Server::builder().add_service(service()).serve_with_incoming(incoming));
    assert_eq!(read(channel(address).await).await, None);
    assert_eq!(stray.0.load(Ordering::SeqCst), 1);
    open.abort();

    let options = ServeOptions::default();
    let shared = Shared::new(&options, false);
    let (_, health) = tonic_health::server::health_reporter();
    let router = router(&options, handlers(&options, &shared), health, &shared).unwrap().add_service(service());
    let (address, incoming) = listen().await;
    let closed = tokio::spawn(router.serve_with_incoming(incoming));
    let channel = channel(address).await;
    assert_eq!(read(channel.clone()).await, Some(Code::Unimplemented));
    assert_eq!(stray.0.load(Ordering::SeqCst), 1, "it was reached");
    // What is in the table is answered over the same connection.
    HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap();
    closed.abort();
}
