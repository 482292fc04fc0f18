//! What surrounds every call: a place or a refusal, a deadline, an end when the
//! server stops, its trace, and a line of telemetry that names nobody.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::{Layer, Service};
use tracing::Instrument;

use super::incoming::Peer;
use super::language::Language;
use super::refusal::{Manner, Refusal};
use super::trace::{TRACEPARENT, Trace};
use super::uploads::{Cut, Uploads};
use crate::workflow::words::Reason;

/// Field of a call's span: the keyed digest of its transaction, where it has one.
pub(super) const TRANSACTION: &str = "transaction";

/// Shortest and longest retry hint, and the weight (one in so many) of the latest
/// call in the smoothed duration it comes from.
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(5);
const PACE_WEIGHT: u64 = 8;

/// What all connections share.
pub(super) struct Shared {
    /// One permit per call in flight.
    pub places: Semaphore,
    /// Longest time for a call.
    pub deadline_max: Duration,
    /// Largest message, named in the refusal of a larger one.
    pub message_bytes_max: usize,
    /// Cancelled when the server begins to drain: nothing new is taken.
    pub closing: CancellationToken,
    /// Cancelled when the drain is over: what still runs is dropped.
    pub ended: CancellationToken,
    /// Smoothed duration of a call, in microseconds.
    pub pace_us: AtomicU64,
    /// Calls whose message is still coming.
    pub uploads: Arc<Uploads>,
    /// One permit per bulk enrolment: they last, and must leave places to others.
    pub bulk: Semaphore,
    /// Longest time a call may wait for more of its message.
    pub upload_idle_max: Duration,
    /// Refusals for want of a place since they were last told, by call.
    pub refusals: Mutex<BTreeMap<&'static str, u64>>,
}

/// Longest wait for the place of a call that is ended for another.
const DISPLACED_MAX: Duration = Duration::from_millis(100);

impl Shared {
    /// How long a refused caller should wait: about the time until a place falls
    /// free, which is at most the time one call takes.
    fn retry_after(&self) -> Duration {
        Duration::from_micros(self.pace_us.load(Ordering::Relaxed)).clamp(RETRY_MIN, RETRY_MAX)
    }

    /// A place for a call, or that of one whose message does not come.
    async fn place(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(place) = self.places.try_acquire() {
            return Some(place);
        }
        if !self.uploads.displace() {
            return None;
        }
        tokio::time::timeout(DISPLACED_MAX, self.places.acquire()).await.ok()?.ok()
    }

    /// Says in one line per call how many were refused for want of a place: line by line
    /// they would fill the log just when it is read.
    pub(super) fn tell_refusals(&self) {
        for (method, count) in std::mem::take(&mut *self.refusals()) {
            tracing::warn!(method, count, reason = Reason::Busy.code(), "refused for want of a place");
        }
    }

    fn refusals(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        // Nothing is left half done under it.
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        // A lost update between two threads costs nothing: this is a hint.
        let old = self.pace_us.load(Ordering::Relaxed);
        self.pace_us.store(old - old / PACE_WEIGHT + took / PACE_WEIGHT, Ordering::Relaxed);
    }
}

/// The calls of `chinhchu.v1`. Health and reflection go by untouched: they must
/// answer when all places are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Verify,
    Identify,
    Assess,
    Enroll,
    BulkEnroll,
    Remove,
    GetSubject,
    VerifyBeneficiary,
    ResolveReferral,
    ClearPair,
}

impl Method {
    fn of(path: &str) -> Option<Self> {
        match path {
            "/chinhchu.v1.Verification/Verify" => Some(Self::Verify),
            "/chinhchu.v1.Verification/Identify" => Some(Self::Identify),
            "/chinhchu.v1.Verification/Assess" => Some(Self::Assess),
            "/chinhchu.v1.Gallery/Enroll" => Some(Self::Enroll),
            "/chinhchu.v1.Gallery/BulkEnroll" => Some(Self::BulkEnroll),
            "/chinhchu.v1.Gallery/Remove" => Some(Self::Remove),
            "/chinhchu.v1.Gallery/GetSubject" => Some(Self::GetSubject),
            "/chinhchu.v1.Beneficiary/VerifyBeneficiary" => Some(Self::VerifyBeneficiary),
            "/chinhchu.v1.Beneficiary/ResolveReferral" => Some(Self::ResolveReferral),
            "/chinhchu.v1.Beneficiary/ClearPair" => Some(Self::ClearPair),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Verify => "Verify",
            Self::Identify => "Identify",
            Self::Assess => "Assess",
            Self::Enroll => "Enroll",
            Self::BulkEnroll => "BulkEnroll",
            Self::Remove => "Remove",
            Self::GetSubject => "GetSubject",
            Self::VerifyBeneficiary => "VerifyBeneficiary",
            Self::ResolveReferral => "ResolveReferral",
            Self::ClearPair => "ClearPair",
        }
    }

    /// Time the call has: the caller's, cut to the server's. A bulk enrolment lasts
    /// as long as rows keep coming, or as its caller says.
    fn time(self, headers: &HeaderMap, max: Duration) -> Option<Duration> {
        let asked = headers.get("grpc-timeout").and_then(|value| grpc_timeout(value.as_bytes()));
        match self {
            Self::BulkEnroll => asked,
            _ => Some(asked.map_or(max, |asked| asked.min(max))),
        }
    }
}

/// Reads a `grpc-timeout`: 1–8 digits and a unit (gRPC over HTTP/2, "Requests").
/// `None` for anything else, which is then as if it were not there.
fn grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Wraps the routes in [`Manners`].
#[derive(Clone)]
pub(super) struct MannersLayer(pub Arc<Shared>);

impl<S> Layer<S> for MannersLayer {
    type Service = Manners<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Manners { inner, shared: Arc::clone(&self.0) }
    }
}

/// The routes, with manners.
#[derive(Clone)]
pub(super) struct Manners<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Request<Body>> for Manners<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The service that was polled ready is the one to call.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let Some(method) = Method::of(request.uri().path()) else {
            // Health, reflection, and calls that this version does not have.
            let trace = Trace::of(request.headers());
            let call = inner.call(request);
            return Box::pin(async move {
                let mut response = call.await?;
                response.headers_mut().insert(TRACEPARENT, trace.header());
                Ok(response)
            });
        };
        let shared = Arc::clone(&self.shared);
        // Its connection is not silent meanwhile.
        let under_way = request.extensions().get::<Peer>().map(|peer| peer.activity.call());
        let trace = Trace::of(request.headers());
        let span = tracing::info_span!(
            "call",
            method = method.name(),
            trace = trace.id(),
            span = trace.span_id(),
            transaction = tracing::field::Empty
        );
        let call = async move {
            let _under_way = under_way;
            let mut record = Record::begin(method);
            let mut response = admitted(&shared, method, &mut inner, request).await;
            response.headers_mut().insert(TRACEPARENT, trace.header());
            record.end(&shared, &response);
            Ok(response)
        };
        Box::pin(call.instrument(span))
    }
}

/// Takes a place and runs the call in it until it is done, its time is up or the
/// server ends. Whichever comes first drops the rest, and so the work.
async fn admitted<S>(shared: &Shared, method: Method, inner: &mut S, request: Request<Body>) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let language = Language::of(request.headers());
    let refuse = |manner| refuse(manner, language);
    if shared.closing.is_cancelled() {
        return refuse(Manner::ShuttingDown);
    }
    let busy = || refuse(Manner::Busy { retry_after: shared.retry_after() });
    let Some(_place) = shared.place().await else { return busy() };
    let bulk = (method == Method::BulkEnroll).then(|| shared.bulk.try_acquire());
    if matches!(bulk, Some(Err(_))) {
        return busy();
    }
    let time = method.time(request.headers(), shared.deadline_max);
    let too_late = async {
        match time {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    let (upload, request) = {
        let (parts, body) = request.into_parts();
        let (upload, body) = shared.uploads.watch(body);
        (upload, Request::from_parts(parts, body))
    };
    let cut = async {
        match method {
            // It has its own time between rows.
            Method::BulkEnroll => std::future::pending().await,
            _ => upload.cut(shared.upload_idle_max).await,
        }
    };
    tokio::select! {
        biased;
        Ok(response) = inner.call(request) => explained(response, shared.message_bytes_max, language),
        () = shared.ended.cancelled() => refuse(Manner::ShuttingDown),
        () = too_late => refuse(Manner::DeadlineExceeded),
        cut = cut => match cut {
            Cut::Stalled => refuse(Manner::UploadStalled),
            Cut::Displaced => busy(),
        },
    }
}

fn refuse(manner: Manner, language: Language) -> Response<Body> {
    Refusal::from(manner).into_status(language).into_http()
}

/// Gives details to what tonic refuses itself: messages too large or not of this
/// contract. Every status of the handlers has details already.
fn explained(response: Response<Body>, bytes_max: usize, language: Language) -> Response<Body> {
    let plain = response.extensions().get::<Status>().filter(|status| status.details().is_empty());
    match plain.map(Status::code) {
        Some(Code::OutOfRange) => refuse(Manner::MessageTooLarge { bytes_max }, language),
        Some(Code::Internal) => refuse(Manner::BadMessage, language),
        _ => response,
    }
}

/// One call's line in the log. Dropped before its end, it says that the caller
/// went.
struct Record {
    method: Method,
    began: Instant,
    ended: bool,
}

impl Record {
    fn begin(method: Method) -> Self {
        Self { method, began: Instant::now(), ended: false }
    }

    fn end(&mut self, shared: &Shared, response: &Response<Body>) {
        self.ended = true;
        let took = self.began.elapsed();
        let ms = took.as_secs_f64() * 1e3;
        match response.extensions().get::<Status>() {
            None => {
                shared.note(took);
                tracing::info!(code = "OK", ms, "done");
            }
            Some(status) => {
                let info = status.get_details_error_info();
                let reason = info.as_ref().map_or("", |info| info.reason.as_str());
                if reason == Reason::Busy.code() {
                    *shared.refusals().entry(self.method.name()).or_default() += 1;
                    tracing::debug!(code = ?status.code(), reason, ms, "refused");
                } else {
                    tracing::info!(code = ?status.code(), reason, ms, "refused");
                }
            }
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.ended {
            tracing::info!(code = ?Code::Cancelled, ms = self.began.elapsed().as_secs_f64() * 1e3, "the caller went");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::server::NamedService;

    #[test]
    fn every_call_of_the_contract_has_manners() {
        let set = <prost_types::FileDescriptorSet as prost::Message>::decode(crate::service::DESCRIPTORS).unwrap();
        let mut calls = 0;
        for file in set.file.iter().filter(|file| file.package() == "chinhchu.v1") {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/chinhchu.v1.{}/{}", service.name(), method.name());
                    assert_eq!(Method::of(&path).map(Method::name), Some(method.name()), "{path}");
                    calls += 1;
                }
            }
        }
        assert_eq!(calls, 10);
        type Health = tonic_health::pb::health_server::HealthServer<tonic_health::server::HealthService>;
        assert_eq!(Method::of(&format!("/{}/Check", Health::NAME)), None);
    }

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        assert_eq!(grpc_timeout(b"5S"), Some(Duration::from_secs(5)));
        assert_eq!(grpc_timeout(b"250m"), Some(Duration::from_millis(250)));
        assert_eq!(grpc_timeout(b"7u"), Some(Duration::from_micros(7)));
        assert_eq!(grpc_timeout(b"1H"), Some(Duration::from_secs(3600)));
        assert_eq!(grpc_timeout(b"99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for wrong in [&b""[..], b"S", b"5", b"-5S", b"123456789S", b"5s", b"1.5S", b"\xff\xff"] {
            assert_eq!(grpc_timeout(wrong), None);
        }
    }

    #[test]
    fn a_call_gets_the_shorter_of_the_two_times() {
        let max = Duration::from_secs(30);
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", value.parse().unwrap());
            headers
        };
        assert_eq!(Method::Verify.time(&HeaderMap::new(), max), Some(max));
        assert_eq!(Method::Verify.time(&with("1S"), max), Some(Duration::from_secs(1)));
        assert_eq!(Method::Verify.time(&with("2M"), max), Some(max));
        assert_eq!(Method::Verify.time(&with("nonsense"), max), Some(max));
        assert_eq!(Method::BulkEnroll.time(&HeaderMap::new(), max), None);
        assert_eq!(Method::BulkEnroll.time(&with("2M"), max), Some(Duration::from_secs(120)));
    }
}
