//! Layer: takes calls in JSON for calls of gRPC, by their heads, and answers them in JSON.
//!
//! What is not gRPC and calls nothing ends here. gRPC passes untouched.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tonic::body::Body;
use tonic::codegen::http::{Response, Version};
use tower::Service;

use super::{Answered, TracedRequest};
use crate::service::json;

/// Speaks JSON to those who do.
#[derive(Clone)]
pub(in crate::service) struct SpeakJson<S> {
    next: S,
}

impl<S> SpeakJson<S> {
    pub(super) fn new(next: S) -> Self {
        Self { next }
    }
}

impl<S> Service<TracedRequest> for SpeakJson<S>
where
    S: Service<TracedRequest, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Spoken<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.next.poll_ready(context)
    }

    fn call(&mut self, TracedRequest { trace, request }: TracedRequest) -> Self::Future {
        if json::is_grpc(&request) && request.version() == Version::HTTP_2 {
            return Spoken::Grpc { call: self.next.call(TracedRequest { trace, request }) };
        }
        let (request, call) = match json::accept(json::drained(request)) {
            Ok(accepted) => accepted,
            Err(response) => return Spoken::Json { answer: Box::pin(std::future::ready(Ok(response))) },
        };
        let called = self.next.call(TracedRequest { trace, request });
        let answer = async move {
            let Ok(response) = called.await;
            Ok(json::answer(response, &call).await)
        };
        Spoken::Json { answer: Box::pin(answer) }
    }
}

pin_project! {
    /// A call over gRPC, or one over JSON.
    #[project = SpokenProjection]
    pub(in crate::service) enum Spoken<F> {
        Grpc { #[pin] call: F },
        Json { answer: Pin<Box<dyn Future<Output = Answered> + Send>> },
    }
}

impl<F: Future<Output = Answered>> Future for Spoken<F> {
    type Output = Answered;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answered> {
        match self.project() {
            SpokenProjection::Grpc { call } => call.poll(context),
            SpokenProjection::Json { answer } => answer.as_mut().poll(context),
        }
    }
}
