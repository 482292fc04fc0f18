//! The client's connections: each remembers why its server ended it, and calls that fail with it say
//! so. HTTP/2 forgets what failed below it, and a server that refuses a client's certificate says so
//! only after the client's end of the handshake is done.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::transport::Channel;
use tower::Service;

use super::{ClientError, client_tls};

/// How an alert of TLS begins: its content type, and the first byte of its version (RFC 8446, 5.1).
/// An HTTP/2 frame of that length is never sent.
const TLS_ALERT: [u8; 2] = [0x15, 0x03];

/// Why the server ended the last connection, where it was for TLS.
#[derive(Debug, Clone, Default)]
pub(super) struct Cause(Arc<Mutex<Option<ClientError>>>);

impl Cause {
    fn set(&self, cause: Option<ClientError>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = cause;
    }

    fn get(&self) -> Option<ClientError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The stream of a new connection; `is_plain` where TLS is not expected.
    pub(super) fn watch<S>(&self, stream: S, is_plain: bool) -> Watched<S> {
        self.set(None);
        Watched { stream, cause: self.clone(), is_plain }
    }
}

/// A stream that remembers how it ended.
pub(super) struct Watched<S> {
    stream: S,
    cause: Cause,
    /// It is of HTTP/2 in plain text, and nothing has come yet.
    is_plain: bool,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let Poll::Ready(came) = &read else { return read };
        let is_first_plain = std::mem::take(&mut self.is_plain);
        let cause = match came {
            Ok(()) if is_first_plain && buffer.filled()[before..].starts_with(&TLS_ALERT) => {
                let why = "the server speaks TLS; begin the address with https://, and name its authority with --ca";
                Some(ClientError::tls_failed(why))
            }
            Ok(()) => None,
            Err(error) => client_tls::explain(error),
        };
        if cause.is_some() {
            self.cause.set(cause);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A channel whose calls, where they fail with their connection, say what ended that.
#[derive(Debug, Clone)]
pub(super) struct Explained {
    pub channel: Channel,
    pub cause: Cause,
}

impl Service<Request<Body>> for Explained {
    type Response = Response<Body>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context).map_err(|error| explained(error, &self.cause))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (call, cause) = (self.channel.call(request), self.cause.clone());
        Box::pin(async move {
            let answered = call.await;
            answered.map_err(|error| explained(error, &cause))
        })
    }
}

/// The error itself, or what ended its connection, as a status that says so.
fn explained(error: tonic::transport::Error, cause: &Cause) -> Box<dyn Error + Send + Sync> {
    match client_tls::explain(&error).or_else(|| cause.get()) {
        Some(cause) => cause.into_status().into(),
        None => error.into(),
    }
}
