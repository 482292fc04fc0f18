//! Handshakes: each in a task of its own, within a deadline, so that slow ones hold up nobody.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{PeerCertificate, Tls};
use crate::service::connections::Activity;

/// Time in which a client may hear why its handshake failed, and bytes that it may send meanwhile.
const LET_HEAR_MAX: Duration = Duration::from_secs(1);
const LET_HEAR_BYTES_MAX: u64 = 64 << 10;

/// The bytes of a connection: as they are, or inside TLS.
pub(in crate::service) enum Secured<S> {
    Plain(S),
    Tls(Box<TlsStream<S>>),
}

/// Makes the handshake of a connection, within `max`. `None` where it fails, or where the
/// connection is cut meanwhile; the certificate that the client proved is then in `activity`.
pub(in crate::service) async fn handshake<S>(
    tls: &Tls,
    stream: S,
    activity: &Activity,
    max: Duration,
) -> Option<Secured<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let cut = activity.cut();
    let in_force = tls.in_force();
    let accepting = async {
        match TlsAcceptor::from(Arc::clone(&in_force.config)).accept(stream).into_fallible().await {
            Ok(stream) => Some(stream),
            Err((error, stream)) => {
                tls.0.failures.count(&error);
                let_hear(stream).await;
                None
            }
        }
    };
    let accepted = tokio::select! {
        // Its place was given to another.
        () = cut.cancelled() => return None,
        accepted = tokio::time::timeout(max, accepting) => accepted,
    };
    let Ok(stream) = accepted else {
        tls.0.failures.count(&io::Error::new(io::ErrorKind::TimedOut, "the client took too long"));
        return None;
    };
    let stream = stream?;
    if let Some(chain) = stream.get_ref().1.peer_certificates() {
        let certificate = Arc::new(PeerCertificate::new(chain)?);
        activity.set_certificate(Arc::clone(&certificate));
        // What is in force may have changed since the certificate was checked. Whoever changed it
        // before the line above looks at the connections that have a certificate; whoever changes it
        // after, at this one as well.
        let now = tls.in_force();
        if !Arc::ptr_eq(&now, &in_force) && !now.admits(&certificate) {
            return None;
        }
    }
    Some(Secured::Tls(Box::new(stream)))
}

/// Lets the client hear why its handshake failed: what it has sent and nobody has read would make the
/// system drop what was said to it.
async fn let_hear<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let _ = stream.shutdown().await;
    let mut rest = (&mut stream).take(LET_HEAR_BYTES_MAX);
    // Until the client closes, has had time enough, or sends on and on.
    let _ = tokio::time::timeout(LET_HEAR_MAX, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}

/// How many handshakes failed, and why the last one did, since they were told.
#[derive(Default)]
pub(super) struct Failures {
    count: AtomicU64,
    last: Mutex<String>,
}

impl Failures {
    fn count(&self, error: &io::Error) {
        // A probe that looks whether the port is open.
        if error.kind() == io::ErrorKind::UnexpectedEof || error.kind() == io::ErrorKind::ConnectionReset {
            return;
        }
        tracing::debug!(%error, "handshake failed");
        self.count.fetch_add(1, Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = error.to_string();
    }

    /// Tells them in the log.
    pub(super) fn tell(&self) {
        let failed = self.count.swap(0, Ordering::Relaxed);
        if failed > 0 {
            let last = std::mem::take(&mut *self.last.lock().unwrap_or_else(PoisonError::into_inner));
            tracing::warn!(failed, last, "TLS handshakes failed");
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secured<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secured<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
