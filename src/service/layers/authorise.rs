//! Layer: lets pass what the table of methods has, and says who calls.
//!
//! Closed by default: a path that is not in [`TABLE`](crate::service::method::TABLE) is
//! answered `UNIMPLEMENTED` here, also where a service on the router would answer it. Every
//! caller is anonymous until callers can say who they are, and an anonymous caller may call
//! every method of the table.

use std::convert::Infallible;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::http::Response;
use tonic::{Code, Status};
use tower::Service;

use super::{Answer, AuthorisedCall, Call, TracedRequest};
use crate::context::RequestContext;
use crate::service::language::Language;
use crate::service::method::Method;

/// Refuses methods that are not in the table.
#[derive(Clone)]
pub(in crate::service) struct Authorise<S> {
    next: S,
}

impl<S> Authorise<S> {
    pub(super) fn new(next: S) -> Self {
        Self { next }
    }
}

impl<S> Service<TracedRequest> for Authorise<S>
where
    S: Service<AuthorisedCall, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.next.poll_ready(context)
    }

    fn call(&mut self, TracedRequest { trace, request }: TracedRequest) -> Self::Future {
        let Some(method) = Method::of(request.uri().path()) else {
            // Not the path: it is whatever a caller typed.
            tracing::debug!(trace = %trace.id(), "refused: no method of the table");
            return Answer::ready(unlisted());
        };
        let context = RequestContext::anonymous().with_trace(trace.id());
        let call = Call { language: Language::of(request.headers()), context, entry: None };
        Answer::Below { call: self.next.call(AuthorisedCall { method, trace, call, request }) }
    }
}

/// The response to a method that is not in the table. Without error details, as every gRPC
/// server answers: what calls it is a client of another server or of another version.
fn unlisted() -> Response<Body> {
    Status::new(Code::Unimplemented, "this server has no such method").into_http()
}
