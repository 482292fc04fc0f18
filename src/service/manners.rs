//! What surrounds every call: admission or a refusal, a deadline, an end when the
//! server stops, its trace, and a line of telemetry that names nobody.

use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::{Layer, Service};
use tracing::Instrument;

use super::admission::{Admission, Refused, Ticket, Why};
use super::hurry::Hurry;
use super::incoming::Peer;
use super::language::Language;
use super::method::Method;
use super::refusal::{Manner, Refusal};
use super::refusals::Refusals;
use super::trace::{TRACEPARENT, Trace};
use super::uploads::{Cut, Uploads};
use crate::workflow::words::Reason;

/// Field of a call's span: the keyed digest of its transaction, where it has one.
pub(super) const TRANSACTION: &str = "transaction";

/// What all connections share.
pub(super) struct Shared {
    /// One permit per call in flight.
    pub places: Arc<Semaphore>,
    /// Whose turn it is.
    pub admission: Arc<Admission>,
    /// Longest time for a call.
    pub deadline_max: Duration,
    /// Largest message, named in the refusal of a larger one.
    pub message_bytes_max: usize,
    /// Cancelled when the server begins to drain: nothing new is taken.
    pub closing: CancellationToken,
    /// Cancelled when the drain is over: what still runs is dropped.
    pub ended: CancellationToken,
    /// Calls whose message is still coming.
    pub uploads: Arc<Uploads>,
    /// One permit per bulk enrolment: they last, and must leave places to others.
    pub bulk: Semaphore,
    /// Longest time a call may wait for more of its message.
    pub upload_idle_max: Duration,
    /// Refusals for want of capacity.
    pub refusals: Refusals,
    /// Those that are told at once.
    pub hurry: Hurry,
}

/// Longest wait for the place of a call that is ended for another.
const DISPLACED_MAX: Duration = Duration::from_millis(100);

impl Shared {
    /// Lets a call in, by its headers: in microseconds, and without a look at its message.
    fn admit(&self, method: Method, request: &Request<Body>) -> Result<Admitted, Refused> {
        let time = method.time(request.headers(), self.deadline_max);
        let peer = request.extensions().get::<Peer>().map_or(0, |peer| peer.number);
        let ticket = self.admission.enter(method, peer, time)?;
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => Some(place),
            // One falls free soon: that of a message that does not come, or of a call that
            // waits and matters less.
            Err(_) if self.uploads.displace() || self.admission.displace_below(method) => None,
            Err(_) => return Err(self.admission.refuse_for_place(method)),
        };
        Ok(Admitted { ticket, place, until: time.and_then(|time| Instant::now().checked_add(time)) })
    }
}

/// A call that was let in.
struct Admitted {
    /// Where it takes a turn.
    ticket: Option<Ticket>,
    /// `None` where it has yet to fall free.
    place: Option<OwnedSemaphorePermit>,
    /// Its deadline.
    until: Option<Instant>,
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
        let trace = Trace::of(request.headers());
        let language = Language::of(request.headers());
        // Its connection is not silent meanwhile.
        let peer = request.extensions().get::<Peer>().cloned();
        let under_way = peer.as_ref().map(|peer| peer.activity.call());
        let admitted = if shared.closing.is_cancelled() {
            shared.refusals.add_closing(method);
            Err(Manner::ShuttingDown)
        } else {
            shared.admit(method, &request).map_err(|Refused { why, retry_after }| {
                shared.refusals.add(method, Some(why), Some(retry_after));
                Manner::Busy { retry_after }
            })
        };
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(manner) => {
                // Under overload most calls come this way: no span, no line, no waiting.
                tracing::debug!(method = method.name(), trace = %trace.id(), ?manner, "refused at once");
                let mut response = refuse(manner, language);
                response.headers_mut().insert(TRACEPARENT, trace.header());
                let time = method.time(request.headers(), shared.deadline_max);
                let connection = peer.as_ref().map(|peer| &peer.activity.hurry);
                let Some(pause) = shared.hurry.pause(connection, time, Instant::now()) else {
                    return Box::pin(ready(Ok(response)));
                };
                // Without it, nothing more of its message is kept.
                drop(request);
                return Box::pin(async move {
                    let _under_way = under_way;
                    tokio::time::sleep(pause).await;
                    Ok(response)
                });
            }
        };
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
            let mut response = serve(&shared, method, admitted, &mut inner, request).await;
            response.headers_mut().insert(TRACEPARENT, trace.header());
            record.end(&shared, &response);
            Ok(response)
        };
        Box::pin(call.instrument(span))
    }
}

/// Runs a call until it is done, its time is up or the server ends. Whichever comes first
/// drops the rest, and so the work.
async fn serve<S>(
    shared: &Shared,
    method: Method,
    admitted: Admitted,
    inner: &mut S,
    mut request: Request<Body>,
) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let language = Language::of(request.headers());
    let refuse = |manner| refuse(manner, language);
    let busy = || {
        let Refused { why, retry_after } = shared.admission.refuse_for_place(method);
        told(refuse(Manner::Busy { retry_after }), Some(why))
    };
    let Admitted { ticket, place, until } = admitted;
    let _place = match place {
        Some(place) => place,
        None => {
            let free = tokio::time::timeout(DISPLACED_MAX, Arc::clone(&shared.places).acquire_owned());
            let Ok(Ok(place)) = free.await else { return busy() };
            place
        }
    };
    let bulk = (method == Method::BulkEnroll).then(|| shared.bulk.try_acquire());
    if matches!(bulk, Some(Err(_))) {
        return busy();
    }
    if let Some(ticket) = &ticket {
        // For the handler, which knows when the message is there.
        request.extensions_mut().insert(ticket.clone());
    }
    let too_late = async {
        match until {
            Some(until) => tokio::time::sleep_until(until.into()).await,
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
        Ok(response) = inner.call(request) => {
            let response = explained(response, shared.message_bytes_max, language);
            told(response, ticket.and_then(|ticket| ticket.sent_away()))
        }
        () = shared.ended.cancelled() => refuse(Manner::ShuttingDown),
        () = too_late => refuse(Manner::DeadlineExceeded),
        cut = cut => match cut {
            Cut::Stalled => refuse(Manner::UploadStalled),
            Cut::Displaced => busy(),
        },
    }
}

/// Says to the sums why admission refused a call.
fn told(mut response: Response<Body>, why: Option<Why>) -> Response<Body> {
    if let Some(why) = why {
        response.extensions_mut().insert(why);
    }
    response
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
        let ms = self.began.elapsed().as_secs_f64() * 1e3;
        let Some(status) = response.extensions().get::<Status>() else {
            tracing::info!(code = "OK", ms, "done");
            return;
        };
        let info = status.get_details_error_info();
        let reason = info.as_ref().map_or("", |info| info.reason.as_str());
        if reason != Reason::Busy.code() {
            tracing::info!(code = ?status.code(), reason, ms, "refused");
            return;
        }
        let retry_after = status.get_details_retry_info().and_then(|info| info.retry_delay);
        shared.refusals.add(self.method, response.extensions().get::<Why>().copied(), retry_after);
        tracing::debug!(code = ?status.code(), reason, ms, "refused");
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.ended {
            tracing::info!(code = ?Code::Cancelled, ms = self.began.elapsed().as_secs_f64() * 1e3, "the caller went");
        }
    }
}
