//! Accepts connections over TCP and over Unix sockets, and makes their TLS handshakes; the server can
//! cut each of them. [`Connections`] decides how many there are at once.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tokio_stream::Stream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::transport::server::Connected;

use super::connections::{Activity, ConnectionSlot, Connections};
use super::tls::{self, Secured, Tls};
use crate::access::CertificateNames;

/// Pause after an accept that failed, as for want of file descriptors: the next one would fail
/// at once, and the loop would take a whole core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Pause before a connection that found no place is tried again.
const BOUND_PAUSE: Duration = Duration::from_millis(20);
/// Length of the client connection preface (RFC 9113, 3.4), which begins every connection of HTTP/2. The
/// head of a request of HTTP/1.1 is longer.
const PREFACE_BYTES: usize = 24;

/// A listener that connections are accepted from.
pub(super) trait Accept: Send + Unpin {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Accepts the next connection.
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<Self::Stream>>;
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        let (stream, _) = ready!(TcpListener::poll_accept(self, context))?;
        // Answers are small and wanted at once. A connection without this option is slower and
        // works.
        let _ = stream.set_nodelay(true);
        Poll::Ready(Ok(stream))
    }
}

/// A Unix socket that accepts the processes of one user alone.
pub(super) struct OneUser {
    pub listener: UnixListener,
    /// The effective user id of these processes.
    pub uid: u32,
}

impl Accept for OneUser {
    type Stream = UnixStream;

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
        loop {
            let (stream, _) = ready!(self.listener.poll_accept(context))?;
            // The kernel tells the other end's user, whatever the file's permissions are.
            if stream.peer_cred().is_ok_and(|peer| peer.uid() == self.uid) {
                return Poll::Ready(Ok(stream));
            }
            tracing::warn!("a process of another user was turned away from the socket in the data folder");
        }
    }
}

/// The stream of accepted connections that have a place.
pub(super) struct Incoming<L: Accept> {
    listener: L,
    connections: Arc<Connections>,
    /// Time a connection has to send the preface.
    preface_max: Duration,
    /// A connection that was accepted and waits for a place.
    waiting: Option<L::Stream>,
    /// Nothing is accepted before this ends.
    pause: Option<Pin<Box<Sleep>>>,
    /// TLS, and how long a handshake may take.
    tls: Option<(Tls, Duration)>,
    /// Handshakes under way. They end with this.
    handshakes: JoinSet<Option<Connection<L::Stream>>>,
}

impl<L: Accept> Incoming<L> {
    /// Accepts from `listener`. A connection that has not sent the preface of HTTP/2, or as
    /// many bytes of HTTP/1.1, after `preface_max` is cut.
    pub(super) fn new(listener: L, connections: Arc<Connections>, preface_max: Duration) -> Self {
        let (tls, handshakes) = (None, JoinSet::new());
        Self { listener, connections, preface_max, waiting: None, pause: None, tls, handshakes }
    }

    /// The same inside TLS. A connection whose handshake takes longer than `handshake_max` is cut.
    pub(super) fn with_tls(self, tls: Option<Tls>, handshake_max: Duration) -> Self {
        Self { tls: tls.map(|tls| (tls, handshake_max)), ..self }
    }

    fn pause(&mut self, time: Duration) {
        self.pause = Some(Box::pin(tokio::time::sleep(time)));
    }
}

impl<L: Accept> Stream for Incoming<L> {
    type Item = io::Result<Connection<L::Stream>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            match this.handshakes.poll_join_next(context) {
                Poll::Ready(Some(Ok(Some(connection)))) => return Poll::Ready(Some(Ok(connection))),
                // It failed, and was counted.
                Poll::Ready(Some(Ok(None))) => continue,
                Poll::Ready(Some(Err(error))) => {
                    tracing::error!(%error, "a handshake ended by itself");
                    continue;
                }
                Poll::Ready(None) | Poll::Pending => {}
            }
            if let Some(pause) = &mut this.pause {
                ready!(pause.as_mut().poll(context));
                this.pause = None;
            }
            let stream = match this.waiting.take() {
                Some(stream) => stream,
                None => match ready!(this.listener.poll_accept(context)) {
                    Ok(stream) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        this.pause(ACCEPT_PAUSE);
                        return Poll::Ready(Some(Err(error)));
                    }
                },
            };
            let Some(slot) = this.connections.enter() else {
                this.waiting = Some(stream);
                this.pause(BOUND_PAUSE);
                continue;
            };
            let preface_max = this.preface_max;
            let Some((tls, handshake_max)) = this.tls.clone() else {
                return Poll::Ready(Some(Ok(Connection::new(Secured::Plain(stream), slot, preface_max))));
            };
            // A task of its own: whoever is slow holds up nobody, and each core makes some.
            this.handshakes.spawn(async move {
                let stream = tls::handshake(&tls, stream, &slot.activity, handshake_max).await?;
                Some(Connection::new(stream, slot, preface_max))
            });
        }
    }
}

/// A connection whose reads and writes fail once the server cuts it, and whose reads where the preface,
/// or as many bytes of HTTP/1.1, do not come in time.
pub(super) struct Connection<S> {
    stream: Secured<S>,
    /// Resolves when the connection is cut.
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Bytes of the preface that are still to come, and the end of the time for them.
    preface: Option<(usize, Pin<Box<Sleep>>)>,
    slot: ConnectionSlot,
}

impl<S> Connection<S> {
    /// The preface may take so long from now.
    fn new(stream: Secured<S>, slot: ConnectionSlot, preface_max: Duration) -> Self {
        let ended = Box::pin(slot.activity.cut().cancelled_owned());
        let preface = Some((PREFACE_BYTES, Box::pin(tokio::time::sleep(preface_max))));
        Self { stream, ended, preface, slot }
    }

    /// An error once the connection is cut; before, what waits here is woken when it is.
    fn check_cut(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.ended.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

/// The connection of a call, in its request's extensions.
#[derive(Clone)]
pub(super) struct Peer {
    /// Number of the connection; no two have the same.
    pub number: u64,
    pub activity: Arc<Activity>,
    /// The names in its client certificate, where one was verified.
    pub certificate: Option<Arc<CertificateNames>>,
}

impl<S> Connected for Connection<S> {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        let activity = Arc::clone(&self.slot.activity);
        let certificate = activity.certificate().map(|certificate| Arc::clone(&certificate.names));
        Peer { number: self.slot.number, activity, certificate }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // HTTP/2 always has a read pending, and HTTP/1.1 one or a write, so that checking in both ends
        // every connection.
        self.check_cut(context)?;
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Some((missing, until)) = &mut self.preface {
            let came = buffer.filled().len() - before;
            if came >= *missing {
                self.preface = None;
            } else {
                *missing -= came;
                if until.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check_cut(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_cut(context)?;
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
