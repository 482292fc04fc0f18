//! Layer: lets pass what the table of methods has, for those who may call it, and says who calls.
//!
//! Closed by default: a path that is not in [`TABLE`](crate::service::method::TABLE) is
//! answered `UNIMPLEMENTED` here, also where a service on the router would answer it; and what no
//! row of the table allows a caller is refused. On a server without access control every caller is
//! anonymous and may call every method of the table.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::http::Response;
use tonic::{Code, Status};
use tower::Service;

use super::{Answer, AuthorisedCall, Call, TracedRequest, refuse};
use crate::service::access::{self, Authorised, NotAuthorised};
use crate::service::incoming::Peer;
use crate::service::language::Language;
use crate::service::method::Method;
use crate::service::refusal::ServiceRefusal;
use crate::service::shared::Shared;

/// Refuses methods that are not in the table, and callers who may not call them.
#[derive(Clone)]
pub(in crate::service) struct Authorise<S> {
    next: S,
    shared: Arc<Shared>,
}

impl<S> Authorise<S> {
    pub(super) fn new(next: S, shared: Arc<Shared>) -> Self {
        Self { next, shared }
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
        let language = Language::of(request.headers());
        let authorised = match &self.shared.access {
            None => Ok(access::open()),
            Some(access) => {
                let certificate = request.extensions().get::<Peer>().and_then(|peer| peer.certificate.as_deref());
                access.authorise(method, certificate, request.headers())
            }
        };
        let Authorised { context, fields, counted } = match authorised {
            Ok(authorised) => authorised,
            Err(NotAuthorised { reason, retry_after }) => {
                tracing::info!(method = method.name(), trace = %trace.id(), reason = reason.code(), "not authorised");
                return Answer::ready(refuse(ServiceRefusal::NotAuthorised { reason, retry_after }, language));
            }
        };
        let context = context.with_trace(trace.id());
        let call = Call { language, context, fields, _counted: counted.map(Arc::new), entry: None };
        Answer::Below { call: self.next.call(AuthorisedCall { method, trace, call, request }) }
    }
}

/// The response to a method that is not in the table. Without error details, as every gRPC
/// server answers: what calls it is a client of another server or of another version.
fn unlisted() -> Response<Body> {
    Status::new(Code::Unimplemented, "this server has no such method").into_http()
}
