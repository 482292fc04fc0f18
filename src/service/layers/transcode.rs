//! Layer: reads the body of a call in JSON and makes it the message of a gRPC call. The innermost layer,
//! so that a body is read only once its call has a place and a deadline.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::Full;
use pin_project_lite::pin_project;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tower::Service;

use super::{Answered, Call};
use crate::service::json::{self, ConnectCall};
use crate::service::language::Language;
use crate::service::shared::Shared;

/// Makes messages of bodies in JSON.
#[derive(Clone)]
pub(in crate::service) struct Transcode<S> {
    routes: S,
    shared: Arc<Shared>,
}

impl<S> Transcode<S> {
    pub(super) fn new(routes: S, shared: Arc<Shared>) -> Self {
        Self { routes, shared }
    }
}

impl<S> Service<Request<Body>> for Transcode<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Transcoded<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.routes.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Some(call) = request.extensions_mut().remove::<ConnectCall>() else {
            return Transcoded::Grpc { call: self.routes.call(request) };
        };
        // The service that was polled ready is the one to call.
        let clone = self.routes.clone();
        let mut ready = std::mem::replace(&mut self.routes, clone);
        let bytes_max = self.shared.message_bytes_max;
        let answer = async move {
            let (parts, body) = request.into_parts();
            match json::framed(body, &call, bytes_max).await {
                Ok(framed) => ready.call(Request::from_parts(parts, Body::new(Full::from(framed)))).await,
                Err(fault) => {
                    let language = parts.extensions.get::<Call>().map(|call| call.language);
                    let language = language.unwrap_or_else(|| Language::of(&parts.headers));
                    Ok(fault.refusal(bytes_max).into_status(language).into_http())
                }
            }
        };
        Transcoded::Json { answer: Box::pin(answer) }
    }
}

pin_project! {
    /// A call over gRPC, or one over JSON.
    #[project = TranscodedProjection]
    pub(in crate::service) enum Transcoded<F> {
        Grpc { #[pin] call: F },
        Json { answer: Pin<Box<dyn Future<Output = Answered> + Send>> },
    }
}

impl<F: Future<Output = Answered>> Future for Transcoded<F> {
    type Output = Answered;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answered> {
        match self.project() {
            TranscodedProjection::Grpc { call } => call.poll(context),
            TranscodedProjection::Json { answer } => answer.as_mut().poll(context),
        }
    }
}
