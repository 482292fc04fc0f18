//! Accepting connections: a bounded number, each of which the server can cut, over
//! TCP and, from processes of the same user alone, over a Unix socket.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::Stream;
use tokio_util::sync::{CancellationToken, PollSemaphore, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

/// Pause after an accept that failed for want of file descriptors or memory: the
/// next would fail at once, and the loop would eat a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where connections come from.
pub(super) trait Accept: Send + Unpin {
    /// One of them.
    type Stream: AsyncRead + AsyncWrite + Connected + Send + Unpin;

    /// The next one.
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<Self::Stream>>;
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        let (stream, _) = ready!(TcpListener::poll_accept(self, context))?;
        // Answers are small and wanted at once. Failing to set it is no reason to refuse
        // the connection.
        let _ = stream.set_nodelay(true);
        Poll::Ready(Ok(stream))
    }
}

/// A Unix socket for the processes of one user.
pub(super) struct OneUser {
    pub listener: UnixListener,
    /// The user's id.
    pub uid: u32,
}

impl Accept for OneUser {
    type Stream = UnixStream;

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
        loop {
            let (stream, _) = ready!(self.listener.poll_accept(context))?;
            // The kernel says who it is; file permissions alone would have to be right.
            if stream.peer_cred().is_ok_and(|peer| peer.uid() == self.uid) {
                return Poll::Ready(Ok(stream));
            }
            tracing::warn!("a process of another user was turned away from the socket in the data folder");
        }
    }
}

/// Connections as they come, at most so many at once.
pub(super) struct Incoming<L> {
    listener: L,
    places: PollSemaphore,
    place: Option<OwnedSemaphorePermit>,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
    cut: CancellationToken,
}

impl<L> Incoming<L> {
    /// Accepts from `listener`; every connection ends when `cut` is cancelled.
    pub(super) fn new(listener: L, connections_max: usize, cut: CancellationToken) -> Self {
        let places = PollSemaphore::new(Arc::new(Semaphore::new(connections_max)));
        Self { listener, places, place: None, pause: None, cut }
    }
}

impl<L: Accept> Stream for Incoming<L> {
    type Item = io::Result<Connection<L::Stream>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        if self.place.is_none() {
            self.place = ready!(self.places.poll_acquire(context));
        }
        match ready!(self.listener.poll_accept(context)) {
            Ok(stream) => {
                let ended = Box::pin(self.cut.clone().cancelled_owned());
                Poll::Ready(Some(Ok(Connection { stream, ended, _place: self.place.take() })))
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                self.pause = Some(Box::pin(tokio::time::sleep(ACCEPT_PAUSE)));
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}

/// A connection that fails once the server cuts it.
pub(super) struct Connection<S> {
    stream: S,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl<S: Connected> Connected for Connection<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // HTTP/2 always has a read pending, so checking here ends every connection.
        if self.ended.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
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
