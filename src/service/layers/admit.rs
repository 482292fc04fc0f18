//! Layer: lets a call in or refuses it, by its headers, in microseconds and before its message
//! is read.
//!
//! A call that is let in holds a place among the calls in flight until its response is there.
//! Health and reflection take none: they must answer when all places are taken.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use tokio::sync::OwnedSemaphorePermit;
use tonic::body::Body;
use tonic::codegen::http::Response;
use tower::Service;

use super::{Answer, Answered, AuthorisedCall, refuse};
use crate::service::admission::{Busy, QueueEntry};
use crate::service::connections::ActiveCall;
use crate::service::incoming::Peer;
use crate::service::method::Method;
use crate::service::refusal::ServiceRefusal;
use crate::service::shared::Shared;

/// Longest wait for the place of a call that is ended to make room for another.
const DISPLACED_MAX: Duration = Duration::from_millis(100);

/// Lets calls in.
#[derive(Clone)]
pub(in crate::service) struct Admit<S> {
    next: S,
    shared: Arc<Shared>,
}

impl<S> Admit<S> {
    pub(super) fn new(next: S, shared: Arc<Shared>) -> Self {
        Self { next, shared }
    }
}

impl<S> Service<AuthorisedCall> for Admit<S>
where
    S: Service<AuthorisedCall, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer<Admitted<S::Future>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.next.poll_ready(context)
    }

    fn call(&mut self, mut of: AuthorisedCall) -> Self::Future {
        let method = of.method;
        if method.is_exempt() {
            return Answer::Below { call: Admitted::Running { call: self.next.call(of), held: None } };
        }
        // While a call is under way its connection does not count as silent.
        let peer = of.request.extensions().get::<Peer>();
        let (number, under_way) = (peer.map_or(0, |peer| peer.number), peer.map(|peer| peer.activity.call()));
        let time = method.time(of.request.headers(), self.shared.deadline_max);
        let (entry, place) = match admit(&self.shared, method, number, time) {
            Ok(admitted) => admitted,
            Err(refusal) => return self.refuse_at_once(of, refusal, time, under_way),
        };
        of.call.entry = entry;
        if let Some(deadline) = time.and_then(|time| Instant::now().checked_add(time)) {
            of.call.context = of.call.context.with_deadline(deadline);
        }
        let Some(place) = place else {
            // The service that was polled ready is the one to call.
            let clone = self.next.clone();
            let ready = std::mem::replace(&mut self.next, clone);
            let waiting = call_when_placed(Arc::clone(&self.shared), ready, of, under_way);
            return Answer::Below { call: Admitted::Waiting { answer: Box::pin(waiting) } };
        };
        match Held::new(&self.shared, method, place, under_way) {
            Ok(held) => Answer::Below { call: Admitted::Running { call: self.next.call(of), held: Some(held) } },
            Err(busy) => Answer::ready(refuse_busy(&self.shared, &of, busy)),
        }
    }
}

impl<S> Admit<S>
where
    S: Service<AuthorisedCall>,
{
    /// The answer to a call that is not let in. Under overload most calls end here: without a
    /// span, a line in the log or a wait, unless the caller comes again too often.
    fn refuse_at_once(
        &self,
        of: AuthorisedCall,
        refusal: ServiceRefusal,
        time: Option<Duration>,
        under_way: Option<ActiveCall>,
    ) -> Answer<Admitted<S::Future>> {
        tracing::debug!(method = of.method.name(), trace = %of.trace.id(), ?refusal, "refused at once");
        let response = refuse(refusal, of.call.language);
        let connection = of.request.extensions().get::<Peer>().map(|peer| &peer.activity.refusal_budget);
        let Some(delay) = self.shared.refusal_budget.delay(connection, time, Instant::now()) else {
            return Answer::ready(response);
        };
        // Dropped here, so that nothing more of its message is kept.
        drop(of);
        let answer = async move {
            let _under_way = under_way;
            tokio::time::sleep(delay).await;
            Ok(response)
        };
        Answer::Below { call: Admitted::Waiting { answer: Box::pin(answer) } }
    }
}

/// Whether a call that has `time` is let in: its entry in the queue, if its method takes turns,
/// and its place, if one is free. Without a place, that of another call falls free soon.
fn admit(
    shared: &Shared,
    method: Method,
    peer: u64,
    time: Option<Duration>,
) -> Result<(Option<QueueEntry>, Option<OwnedSemaphorePermit>), ServiceRefusal> {
    if shared.closing.is_cancelled() {
        shared.refusals.add_closing(method);
        return Err(ServiceRefusal::ShuttingDown);
    }
    let let_in = || {
        let entry = shared.admission.enter(method, peer, time)?;
        let place = match Arc::clone(&shared.places).try_acquire_owned() {
            Ok(place) => Some(place),
            // That of a call whose message does not come, or of one that waits and matters less.
            Err(_) if shared.uploads.displace() || shared.admission.displace_below(method) => None,
            Err(_) => return Err(shared.admission.refuse_for_place(method)),
        };
        Ok((entry, place))
    };
    let_in().map_err(|Busy { cause, retry_after }| {
        shared.refusals.add(method, Some(cause), Some(retry_after));
        ServiceRefusal::Busy { retry_after }
    })
}

/// Waits for the place of another call, and then makes this one.
async fn call_when_placed<S>(
    shared: Arc<Shared>,
    mut next: S,
    of: AuthorisedCall,
    under_way: Option<ActiveCall>,
) -> Answered
where
    S: Service<AuthorisedCall, Response = Response<Body>, Error = Infallible>,
{
    let free = tokio::time::timeout(DISPLACED_MAX, Arc::clone(&shared.places).acquire_owned());
    let held = match free.await {
        Ok(Ok(place)) => Held::new(&shared, of.method, place, under_way),
        _ => Err(shared.admission.refuse_for_place(of.method)),
    };
    match held {
        Ok(_held) => next.call(of).await,
        Err(busy) => Ok(refuse_busy(&shared, &of, busy)),
    }
}

/// The response to a call that was let in and found no place after all.
fn refuse_busy(shared: &Shared, of: &AuthorisedCall, Busy { cause, retry_after }: Busy) -> Response<Body> {
    shared.refusals.add(of.method, Some(cause), Some(retry_after));
    tracing::debug!(method = of.method.name(), trace = %of.trace.id(), ?cause, "refused");
    refuse(ServiceRefusal::Busy { retry_after }, of.call.language)
}

/// What a call in flight holds.
pub(in crate::service) struct Held {
    _place: OwnedSemaphorePermit,
    /// A bulk enrolment's share of the places.
    _bulk: Option<OwnedSemaphorePermit>,
    _under_way: Option<ActiveCall>,
}

impl Held {
    /// Bulk enrolments take a second permit, since they last and must leave places to others.
    fn new(
        shared: &Shared,
        method: Method,
        place: OwnedSemaphorePermit,
        under_way: Option<ActiveCall>,
    ) -> Result<Self, Busy> {
        let bulk = match method {
            Method::BulkEnroll => match Arc::clone(&shared.bulk).try_acquire_owned() {
                Ok(permit) => Some(permit),
                Err(_) => return Err(shared.admission.refuse_for_place(method)),
            },
            _ => None,
        };
        Ok(Self { _place: place, _bulk: bulk, _under_way: under_way })
    }
}

pin_project! {
    /// A call that was let in, or one whose answer waits: for a place, or for a refusal's time.
    #[project = AdmittedProjection]
    pub(in crate::service) enum Admitted<F> {
        Running { #[pin] call: F, held: Option<Held> },
        Waiting { answer: Pin<Box<dyn Future<Output = Answered> + Send>> },
    }
}

impl<F: Future<Output = Answered>> Future for Admitted<F> {
    type Output = Answered;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answered> {
        match self.project() {
            AdmittedProjection::Running { call, held } => {
                let answered = ready!(call.poll(context));
                // The place falls free with the response, not with whoever reads it.
                drop(held.take());
                Poll::Ready(answered)
            }
            AdmittedProjection::Waiting { answer } => answer.as_mut().poll(context),
        }
    }
}
