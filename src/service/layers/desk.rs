//! Layer: answers requests for the pages, and puts the token of whoever is signed in on the calls that pages make.
//!
//! Nothing is decided here about a call: below, it is one of the person that the token is of. A call over gRPC, one
//! that brings a token of its own, and every call where there are no pages go by untouched.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tonic::body::Body;
use tonic::codegen::http::Response;
use tonic::codegen::http::header::AUTHORIZATION;
use tower::Service;

use super::{Answered, TracedRequest};
use crate::service::desk::Desk;
use crate::service::json;
use crate::service::shared::Shared;

/// Serves the pages.
#[derive(Clone)]
pub(in crate::service) struct ServePages<S> {
    next: S,
    shared: Arc<Shared>,
}

impl<S> ServePages<S> {
    pub(super) fn new(next: S, shared: Arc<Shared>) -> Self {
        Self { next, shared }
    }
}

impl<S> Service<TracedRequest> for ServePages<S>
where
    S: Service<TracedRequest, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = OfPages<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.next.poll_ready(context)
    }

    fn call(&mut self, TracedRequest { trace, request }: TracedRequest) -> Self::Future {
        let Some(desk) = self.shared.desk.clone() else {
            return OfPages::Below { call: self.next.call(TracedRequest { trace, request }) };
        };
        if Desk::is_own_path(request.uri().path()) {
            let (shared, calls) = (Arc::clone(&self.shared), self.next.clone());
            let request = json::drained(request);
            let answer = async move { Ok(desk.answer(&shared, calls, TracedRequest { trace, request }).await) };
            return OfPages::Own { answer: Box::pin(answer) };
        }
        let is_a_pages = self.shared.access.is_some()
            && !json::is_grpc(&request)
            && !request.headers().contains_key(AUTHORIZATION)
            && desk.session_id(request.headers()).is_some();
        if !is_a_pages {
            return OfPages::Below { call: self.next.call(TracedRequest { trace, request }) };
        }
        // The service that was polled ready is the one to call.
        let clone = self.next.clone();
        let mut ready = std::mem::replace(&mut self.next, clone);
        let answer = async move {
            match desk.as_person(request).await {
                Ok(request) => ready.call(TracedRequest { trace, request }).await,
                Err(status) => Ok(json::failed(&status)),
            }
        };
        OfPages::Own { answer: Box::pin(answer) }
    }
}

pin_project! {
    /// A call that is not of a page, or whatever is.
    #[project = OfPagesProjection]
    pub(in crate::service) enum OfPages<F> {
        Below { #[pin] call: F },
        Own { answer: Pin<Box<dyn Future<Output = Answered> + Send>> },
    }
}

impl<F: Future<Output = Answered>> Future for OfPages<F> {
    type Output = Answered;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answered> {
        match self.project() {
            OfPagesProjection::Below { call } => call.poll(context),
            OfPagesProjection::Own { answer } => answer.as_mut().poll(context),
        }
    }
}
