//! Layer: ends a call at its deadline, when its message does not come, or with the server.
//!
//! Whichever is first drops the rest of the call, and so its work. The layer also gives error
//! details to what tonic refuses without any: messages that are too large or not of this
//! contract.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use pin_project_lite::pin_project;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::{Code, Status};
use tower::Service;

use super::{Answered, AuthorisedCall, refuse};
use crate::service::admission::{Busy, BusyCause};
use crate::service::language::Language;
use crate::service::method::Method;
use crate::service::refusal::ServiceRefusal;
use crate::service::shared::Shared;
use crate::service::uploads::UploadEnd;

/// Bounds calls in time.
#[derive(Clone)]
pub(in crate::service) struct EndAtDeadline<S> {
    routes: S,
    shared: Arc<Shared>,
}

impl<S> EndAtDeadline<S> {
    pub(super) fn new(routes: S, shared: Arc<Shared>) -> Self {
        Self { routes, shared }
    }
}

impl<S> Service<AuthorisedCall> for EndAtDeadline<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Bounded<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.routes.poll_ready(context)
    }

    fn call(&mut self, of: AuthorisedCall) -> Self::Future {
        let AuthorisedCall { method, call, request, .. } = of;
        if method.is_exempt() {
            return Bounded::Unbounded { call: self.routes.call(request) };
        }
        let (mut parts, body) = request.into_parts();
        let (upload, body) = self.shared.uploads.watch(body);
        let (language, entry, deadline) = (call.language, call.entry.clone(), call.context.deadline());
        // For the handler, which knows when the message is there.
        parts.extensions.insert(call);
        let handled = self.routes.call(Request::from_parts(parts, body));

        let shared = Arc::clone(&self.shared);
        let call = async move {
            let upload_ends = async {
                match method {
                    // It has its own time between rows.
                    Method::BulkEnroll => std::future::pending().await,
                    _ => upload.ended(shared.upload_idle_max).await,
                }
            };
            let refuse = |refusal| refuse(refusal, language);
            let response = tokio::select! {
                biased;
                Ok(response) = handled => {
                    let response = with_details(response, shared.message_bytes_max, language);
                    with_cause(response, entry.and_then(|entry| entry.refused_for()))
                }
                () = shared.ended.cancelled() => refuse(ServiceRefusal::ShuttingDown),
                () = at(deadline) => refuse(ServiceRefusal::DeadlineExceeded),
                end = upload_ends => match end {
                    UploadEnd::Stalled => refuse(ServiceRefusal::UploadStalled),
                    UploadEnd::Displaced => {
                        let Busy { cause, retry_after } = shared.admission.refuse_for_place(method);
                        with_cause(refuse(ServiceRefusal::Busy { retry_after }), Some(cause))
                    }
                },
            };
            Ok(response)
        };
        Bounded::Bounded { call: Box::pin(call) }
    }
}

/// Resolves at the deadline; never where there is none.
async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// Names, for the sums of refusals, why the queue refused the call.
fn with_cause(mut response: Response<Body>, cause: Option<BusyCause>) -> Response<Body> {
    if let Some(cause) = cause {
        response.extensions_mut().insert(cause);
    }
    response
}

/// Gives details to what tonic refuses itself. Every status of the handlers has details
/// already.
fn with_details(response: Response<Body>, bytes_max: usize, language: Language) -> Response<Body> {
    let without = response.extensions().get::<Status>().filter(|status| status.details().is_empty());
    match without.map(Status::code) {
        Some(Code::OutOfRange) => refuse(ServiceRefusal::MessageTooLarge { bytes_max }, language),
        Some(Code::Internal) => refuse(ServiceRefusal::BadMessage, language),
        _ => response,
    }
}

pin_project! {
    /// A call that ends in time; health and reflection last as long as their callers.
    #[project = BoundedProjection]
    pub(in crate::service) enum Bounded<F> {
        Unbounded { #[pin] call: F },
        Bounded { call: Pin<Box<dyn Future<Output = Answered> + Send>> },
    }
}

impl<F: Future<Output = Answered>> Future for Bounded<F> {
    type Output = Answered;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answered> {
        match self.project() {
            BoundedProjection::Unbounded { call } => call.poll(context),
            BoundedProjection::Bounded { call } => call.as_mut().poll(context),
        }
    }
}
