//! Layer: lets pass what the table of methods has, for those who may call it, and says who calls.
//!
//! Closed by default: a path that is not in [`TABLE`](crate::service::method::TABLE) is
//! answered `UNIMPLEMENTED` here, also where a service on the router would answer it; and what no
//! row of the table allows a caller is refused. On a server without access control every caller is
//! anonymous and may call every method of the table.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::{Code, Status};
use tower::Service;

use super::{Answer, Answered, AuthorisedCall, Call, TracedRequest, refuse};
use crate::access::CertificateNames;
use crate::context::{Principal, RequestContext};
use crate::service::access::{self, Authorised, NotAuthorised};
use crate::service::incoming::Peer;
use crate::service::language::Language;
use crate::service::method::Method;
use crate::service::refusal::ServiceRefusal;
use crate::service::shared::Shared;
use crate::service::trace::Trace;

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
    S: Service<AuthorisedCall, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer<Authorising<S::Future>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.next.poll_ready(context)
    }

    fn call(&mut self, TracedRequest { trace, request }: TracedRequest) -> Self::Future {
        let Some(method) = Method::of(request.uri().path()) else {
            // Not the path: it is whatever a caller typed.
            tracing::debug!(trace = %trace.id(), "refused: no method of the table");
            return Answer::ready(unlisted());
        };
        let Some(access) = &self.shared.access else {
            let call = of(access::open(), method, trace, request);
            return Answer::Below { call: Authorising::Known { call: self.next.call(call) } };
        };
        match access.authorise(method, certificate(&request), request.headers()) {
            Ok(authorised) => {
                let call = of(authorised, method, trace, request);
                Answer::Below { call: Authorising::Known { call: self.next.call(call) } }
            }
            Err(refusal) if refusal.is_unknown_key() => {
                // The service that was polled ready is the one to call.
                let clone = self.next.clone();
                let mut ready = std::mem::replace(&mut self.next, clone);
                let (access, shared) = (access.clone(), Arc::clone(&self.shared));
                let answer = async move {
                    match access.authorise_again(method, certificate(&request), request.headers()).await {
                        Ok(authorised) => ready.call(of(authorised, method, trace, request)).await,
                        Err(refusal) => Ok(refused(&shared, refusal, method, &trace, &request)),
                    }
                };
                Answer::Below { call: Authorising::Asking { answer: Box::pin(answer) } }
            }
            Err(refusal) => Answer::ready(refused(&self.shared, refusal, method, &trace, &request)),
        }
    }
}

/// The names in the certificate of a request's connection.
fn certificate(request: &Request<Body>) -> Option<&CertificateNames> {
    request.extensions().get::<Peer>()?.certificate.as_deref()
}

/// A call that may be made.
fn of(authorised: Authorised, method: Method, trace: Trace, request: Request<Body>) -> AuthorisedCall {
    let Authorised { context, fields, policies, counted } = authorised;
    let language = Language::of(request.headers());
    let context = context.with_trace(trace.id()).with_method(method.name());
    let call = Call { language, context, fields, policies, _counted: counted.map(Arc::new), entry: None };
    AuthorisedCall { method, trace, call, request }
}

/// The response to a call that may not be made. It is counted, and the log names the machine it came
/// from, never a person.
fn refused(
    shared: &Shared,
    refusal: NotAuthorised,
    method: Method,
    trace: &Trace,
    request: &Request<Body>,
) -> Response<Body> {
    let NotAuthorised { reason, retry_after, token, caller } = refusal;
    let machine = shared.access.as_ref().and_then(|access| access.machine(certificate(request)));
    if let Some(noted) = &shared.noted {
        let by_machine = || machine.clone().map_or(Principal::Anonymous, |name| Principal::Machine { name });
        let context = caller.map_or_else(|| RequestContext::new(by_machine()), |caller| *caller);
        noted.refused(context.with_trace(trace.id()), method, reason);
    }
    let name = machine.as_deref();
    tracing::debug!(method = method.name(), machine = name, trace = %trace.id(), reason = reason.code(), "not authorised");
    shared.refusals.add_not_authorised(method, reason, machine);
    refuse(ServiceRefusal::NotAuthorised { reason, retry_after, token }, Language::of(request.headers()))
}

pin_project! {
    /// A call whose caller is known, or whose token waits for the issuer's keys.
    #[project = AuthorisingProjection]
    pub(in crate::service) enum Authorising<F> {
        Known { #[pin] call: F },
        Asking { answer: Pin<Box<dyn Future<Output = Answered> + Send>> },
    }
}

impl<F: Future<Output = Answered>> Future for Authorising<F> {
    type Output = Answered;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answered> {
        match self.project() {
            AuthorisingProjection::Known { call } => call.poll(context),
            AuthorisingProjection::Asking { answer } => answer.as_mut().poll(context),
        }
    }
}

/// The response to a method that is not in the table. Without error details, as every gRPC
/// server answers: what calls it is a client of another server or of another version.
fn unlisted() -> Response<Body> {
    Status::new(Code::Unimplemented, "this server has no such method").into_http()
}
