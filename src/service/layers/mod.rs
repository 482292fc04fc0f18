//! The request layers: what is done for every call around its handler.
//!
//! From the outermost to the innermost:
//!
//! | layer | what it does |
//! |---|---|
//! | [`trace`] | continues the caller's trace, or begins one, and names it in the answer's headers |
//! | [`desk`] | answers requests for pages; gives a call from a page its person's token |
//! | [`json`] | takes a call in JSON for one of gRPC, by its head; answers it in JSON |
//! | [`authorise`] | finds the method in the table, says who calls, refuses what is not there and whoever may not |
//! | [`admit`] | refuses what cannot be answered in time, by the headers alone; holds the call's place |
//! | [`log`] | opens the call's span and writes its line |
//! | [`deadline`] | ends the call at its deadline, when its message does not come, or with the server |
//! | [`transcode`] | makes the body of a call in JSON a message |
//!
//! The types of what passes from layer to layer keep the order: [`admit`] and the layers below
//! take an [`AuthorisedCall`], which only [`authorise`] makes. A call that no layer knows
//! therefore reaches no handler.
//!
//! A call that is let in costs one allocation for its future, in [`deadline`]; the futures of
//! the other layers are plain types. Of a call over gRPC no layer reads or copies a message.

#[cfg(test)]
mod access_tests;
mod admit;
mod authorise;
mod deadline;
mod desk;
mod json;
mod log;
#[cfg(test)]
mod tests;
mod trace;
mod transcode;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::{Code, Status};
use tower::Layer;

use self::admit::Admit;
use self::authorise::Authorise;
use self::deadline::EndAtDeadline;
use self::desk::ServePages;
use self::json::SpeakJson;
use self::log::LogCall;
pub(super) use self::log::TRANSACTION;
use self::trace::ContinueTrace;
use self::transcode::Transcode;
use super::admission::QueueEntry;
use super::language::Language;
use super::method::Method;
use super::refusal::{Refusal, ServiceRefusal};
use super::shared::Shared;
use super::trace::Trace;
use crate::access::{CountedCall, Fields, PolicyChoice};
use crate::context::RequestContext;

/// What every layer answers with.
type Answered = Result<Response<Body>, Infallible>;

/// Puts all request layers around the routes.
#[derive(Clone)]
pub(super) struct RequestLayers(pub Arc<Shared>);

impl<S> Layer<S> for RequestLayers {
    type Service = ContinueTrace<ServePages<SpeakJson<Authorise<Admit<LogCall<EndAtDeadline<Transcode<S>>>>>>>>;

    fn layer(&self, routes: S) -> Self::Service {
        let shared = || Arc::clone(&self.0);
        let bounded = EndAtDeadline::new(Transcode::new(routes, shared()), shared());
        let logged = LogCall::new(bounded, shared());
        let authorised = Authorise::new(Admit::new(logged, shared()), shared());
        ContinueTrace::new(ServePages::new(SpeakJson::new(authorised), shared()))
    }
}

/// A request with its trace: what [`trace`] hands to [`desk`], that to [`json`], and that to [`authorise`].
pub(super) struct TracedRequest {
    pub trace: Trace,
    pub request: Request<Body>,
}

/// A call that may be made: what [`authorise`] hands to the layers below it.
pub(super) struct AuthorisedCall {
    method: Method,
    trace: Trace,
    /// For the handler.
    call: Call,
    request: Request<Body>,
}

/// What a handler needs to know of its call beside the message. Without one it does nothing:
/// then the call came around the layers.
#[derive(Clone)]
pub(super) struct Call {
    /// The language of the sentences in the answer.
    pub language: Language,
    /// Who calls, in which roles, under which trace, and until when.
    pub context: RequestContext,
    /// What the caller sees of the answer.
    pub fields: Fields,
    /// Policies that its caller may name.
    pub policies: PolicyChoice,
    /// Counts as one of the caller's calls until the last clone is dropped.
    pub _counted: Option<Arc<CountedCall>>,
    /// The call's entry in the queue; `None` for methods that take no turn.
    pub entry: Option<QueueEntry>,
}

impl Call {
    /// The call that a request belongs to.
    ///
    /// # Errors
    /// `INTERNAL` where no layer has let the request pass.
    pub(super) fn of<T>(request: &tonic::Request<T>) -> Result<Self, Status> {
        request.extensions().get::<Self>().cloned().ok_or_else(|| {
            tracing::error!("a handler was reached around the request layers");
            Status::new(Code::Internal, "the call was not authorised; this is a defect of chinhchu")
        })
    }
}

/// The response to a call that the service itself refuses.
fn refuse(refusal: ServiceRefusal, language: Language) -> Response<Body> {
    Refusal::from(refusal).into_status(language).into_http()
}

pin_project! {
    /// The answer of a layer: there already, or that of the layer below.
    #[project = AnswerProjection]
    pub(super) enum Answer<F> {
        Ready { response: Option<Response<Body>> },
        Below { #[pin] call: F },
    }
}

impl<F> Answer<F> {
    fn ready(response: Response<Body>) -> Self {
        Self::Ready { response: Some(response) }
    }
}

impl<F: Future<Output = Answered>> Future for Answer<F> {
    type Output = Answered;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answered> {
        match self.project() {
            AnswerProjection::Ready { response } => Poll::Ready(Ok(response.take().expect("polled after its end"))),
            AnswerProjection::Below { call } => call.poll(context),
        }
    }
}
