//! Layer: the span of a call, and its line in the log.
//!
//! The line has the code, the reason of a refusal, and the milliseconds it took; the span has
//! method, trace and, where there is one, a digest of the transaction. Neither names a person.
//! Refusals for want of capacity are counted instead and written as sums.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use pin_project_lite::pin_project;
use tonic::body::Body;
use tonic::codegen::http::Response;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::Service;
use tracing::instrument::Instrumented;
use tracing::{Instrument, Span};

use super::{Answered, AuthorisedCall};
use crate::context::RequestContext;
use crate::service::admission::BusyCause;
use crate::service::ledger::NotedCalls;
use crate::service::method::Method;
use crate::service::shared::Shared;
use crate::workflow::reason::Reason;

/// Field of a call's span: the keyed digest of its transaction, where it has one.
pub(in crate::service) const TRANSACTION: &str = "transaction";

/// Logs calls.
#[derive(Clone)]
pub(in crate::service) struct LogCall<S> {
    next: S,
    shared: Arc<Shared>,
}

impl<S> LogCall<S> {
    pub(super) fn new(next: S, shared: Arc<Shared>) -> Self {
        Self { next, shared }
    }
}

impl<S> Service<AuthorisedCall> for LogCall<S>
where
    S: Service<AuthorisedCall, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Logged<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.next.poll_ready(context)
    }

    fn call(&mut self, of: AuthorisedCall) -> Self::Future {
        if of.method.is_exempt() {
            return Logged::Silent { call: self.next.call(of) };
        }
        let method = of.method;
        let span = tracing::info_span!(
            "call",
            method = method.name(),
            trace = %of.trace.id(),
            span = of.trace.span_id(),
            transaction = tracing::field::Empty
        );
        let shared = Arc::clone(&self.shared);
        let context = shared.noted.is_some().then(|| of.call.context.clone());
        let record = CallRecord { method, shared, context, span: span.clone(), began: Instant::now(), ended: false };
        let call = span.in_scope(|| self.next.call(of));
        Logged::Recorded { call: call.instrument(span), record }
    }
}

pin_project! {
    /// A call that is logged when it ends; health and reflection are not.
    #[project = LoggedProjection]
    pub(in crate::service) enum Logged<F> {
        Silent { #[pin] call: F },
        Recorded { #[pin] call: Instrumented<F>, record: CallRecord },
    }
}

impl<F: Future<Output = Answered>> Future for Logged<F> {
    type Output = Answered;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answered> {
        match self.project() {
            LoggedProjection::Silent { call } => call.poll(context),
            LoggedProjection::Recorded { call, record } => {
                let Ok(response) = ready!(call.poll(context));
                record.end(&response);
                Poll::Ready(Ok(response))
            }
        }
    }
}

/// One call's line in the log. Dropped before the call's end, it says that the caller went.
pub(in crate::service) struct CallRecord {
    method: Method,
    shared: Arc<Shared>,
    /// Who calls, where that is noted for the transparency log.
    context: Option<RequestContext>,
    span: Span,
    began: Instant,
    ended: bool,
}

impl CallRecord {
    fn end(&mut self, response: &Response<Body>) {
        self.ended = true;
        let _entered = self.span.enter();
        let ms = self.began.elapsed().as_secs_f64() * 1e3;
        let Some(status) = response.extensions().get::<Status>() else {
            tracing::info!(code = "OK", ms, "done");
            self.note("OK");
            return;
        };
        let info = status.get_details_error_info();
        let reason = info.as_ref().map_or("", |info| info.reason.as_str());
        let known = Reason::from_code(reason);
        match (&self.shared.noted, &self.context, known) {
            (Some(noted), Some(context), Some(known)) if status.code() == Code::PermissionDenied => {
                noted.refused(context.clone(), self.method, known);
            }
            _ => self.note(known.map_or("FAILED", Reason::code)),
        }
        if reason != Reason::Busy.code() {
            tracing::info!(code = ?status.code(), reason, ms, "refused");
            return;
        }
        let retry_after = status.get_details_retry_info().and_then(|info| info.retry_delay);
        let cause = response.extensions().get::<BusyCause>().copied();
        self.shared.refusals.add(self.method, cause, retry_after);
        tracing::debug!(code = ?status.code(), reason, ms, "refused");
    }
}

impl CallRecord {
    /// Notes what came of a call that enters nothing of its own.
    fn note(&self, outcome: &'static str) {
        if let (Some(noted), Some(context)) = (&self.shared.noted, &self.context)
            && NotedCalls::counts(self.method)
        {
            noted.ended(context, self.method, outcome);
        }
    }
}

impl Drop for CallRecord {
    fn drop(&mut self) {
        if !self.ended {
            let _entered = self.span.enter();
            let ms = self.began.elapsed().as_secs_f64() * 1e3;
            // Of one that writes it is not certain whether it was done.
            tracing::info!(code = ?Code::Cancelled, ms, writes = self.method.writes(), "the caller went");
            self.note(Reason::Cancelled.code());
        }
    }
}
