//! Layer: continues the trace of a call.
//!
//! The call goes on with the trace of its `traceparent` header, or begins a new one. Every
//! response, also one of health or reflection and every refusal, carries the call's own
//! `traceparent`.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tower::Service;

use super::{Answered, TracedRequest};
use crate::service::trace::{TRACEPARENT, Trace};

/// Gives each request its trace.
#[derive(Clone)]
pub(in crate::service) struct ContinueTrace<S> {
    next: S,
}

impl<S> ContinueTrace<S> {
    pub(super) fn new(next: S) -> Self {
        Self { next }
    }
}

impl<S> Service<Request<Body>> for ContinueTrace<S>
where
    S: Service<TracedRequest, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Traced<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.next.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let trace = Trace::of(request.headers());
        Traced { call: self.next.call(TracedRequest { trace, request }), trace }
    }
}

pin_project! {
    /// A call whose response will name its trace.
    pub(in crate::service) struct Traced<F> {
        #[pin]
        call: F,
        trace: Trace,
    }
}

impl<F: Future<Output = Answered>> Future for Traced<F> {
    type Output = Answered;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answered> {
        let this = self.project();
        let Ok(mut response) = ready!(this.call.poll(context));
        response.headers_mut().insert(TRACEPARENT, this.trace.header());
        Poll::Ready(Ok(response))
    }
}
