//! The end that has the gallery.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::super::ERROR_DOMAIN;
use super::super::connections::{AtTheBound, Connections};
use super::super::incoming::{Incoming, OneUser};
use super::pb::piece::Content;
use super::pb::snapshots_server::SnapshotsServer;
use super::{STALL_MAX, VERSION, convert, pb, socket};
use crate::gallery::{Fault, Gallery, GalleryError, GallerySnapshot, SnapshotPart};

/// Snapshots handed on at once. Each keeps a thread, and on disk what is replaced in the
/// meantime.
const AT_ONCE_MAX: usize = 2;
/// Time a connection has to begin to speak.
const PREFACE_MAX: Duration = Duration::from_secs(10);
/// Connections at once: those above are told that all places are taken.
const CONNECTIONS_MAX: usize = 16;
/// A message is sent once it has so many bytes of vectors.
const BATCH_BYTES: usize = 256 << 10;
/// Cleared pairs in one message.
const BATCH_PAIRS: usize = 1024;
/// Messages ready before they are asked for.
const BATCHES_AHEAD: usize = 2;
/// Largest frame, as everywhere in the service.
const FRAME_BYTES_MAX: u32 = 256 << 10;
/// Time that a last word has to reach its reader.
const FLUSH_MAX: Duration = Duration::from_millis(500);

/// The socket of a gallery's folder, ready to hand on snapshots.
pub struct Snapshots {
    folder: PathBuf,
    listener: UnixListener,
    uid: u32,
    gallery: Arc<Gallery>,
}

impl Snapshots {
    /// Makes the socket in `folder`, which holds `gallery` and whose lock is held for
    /// it: a socket that is there belongs to nobody any more, and is replaced.
    ///
    /// # Errors
    /// What the system said: no socket can be made there, or its path is too long.
    pub fn bind(folder: &Path, gallery: Arc<Gallery>) -> io::Result<Self> {
        Self::for_user(folder, gallery, socket::own_uid()?)
    }

    /// The same for processes of another user, for tests of who is turned away.
    pub(super) fn for_user(folder: &Path, gallery: Arc<Gallery>, uid: u32) -> io::Result<Self> {
        let listener = socket::listen(folder)?;
        Ok(Self { folder: folder.to_owned(), listener, uid, gallery })
    }

    /// Hands on snapshots until `shutdown` resolves. Those under way then end with an
    /// error, whoever reads them or not; the socket is gone when this returns.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self { folder, listener, uid, gallery } = self;
        let (closing, cut) = (CancellationToken::new(), CancellationToken::new());
        let places = Arc::new(Semaphore::new(AT_ONCE_MAX));
        let connections = Connections::new(CONNECTIONS_MAX, AtTheBound::Wait, cut.clone());
        let server = Server::builder()
            .max_frame_size(FRAME_BYTES_MAX)
            .add_service(SnapshotsServer::new(Handler { gallery, places, closing: closing.clone() }))
            .serve_with_incoming_shutdown(
                Incoming::new(OneUser { listener, uid }, connections, PREFACE_MAX),
                closing.clone().cancelled_owned(),
            );
        let mut server = pin!(server);
        let failed = tokio::select! {
            result = &mut server => result.err(),
            () = shutdown => None,
        };
        if let Some(error) = failed {
            tracing::error!(%error, "snapshots are not handed on any more");
        }
        socket::remove(&folder);
        closing.cancel();
        // Readers that hang are cut.
        let _ = timeout(FLUSH_MAX, &mut server).await;
        cut.cancel();
    }
}

struct Handler {
    gallery: Arc<Gallery>,
    places: Arc<Semaphore>,
    closing: CancellationToken,
}

#[tonic::async_trait]
impl pb::snapshots_server::Snapshots for Handler {
    type ReadStream = ReceiverStream<Result<pb::Piece, Status>>;

    async fn read(&self, request: Request<pb::ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let version = request.into_inner().version;
        if version != VERSION {
            let message = format!("it hands on snapshots of version {VERSION}, asked for was {version}");
            return Err(status(Code::FailedPrecondition, "VERSION", format!("{message}; use one version of chinhchu")));
        }
        if self.closing.is_cancelled() {
            return Err(closing());
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let message = format!("it hands on {AT_ONCE_MAX} already; run the same command again when one is read");
            status(Code::ResourceExhausted, "BUSY", message)
        })?;
        let snapshot = self.gallery.snapshot().await.map_err(|error| refusal(&error))?;
        let (sender, pieces) = mpsc::channel(BATCHES_AHEAD);
        tokio::spawn(hand_on(snapshot, sender, self.closing.clone(), place));
        Ok(Response::new(ReceiverStream::new(pieces)))
    }
}

type Sender = mpsc::Sender<Result<pb::Piece, Status>>;

/// Sends a snapshot to its end, or says why not.
async fn hand_on(snapshot: GallerySnapshot, sender: Sender, token: CancellationToken, _place: OwnedSemaphorePermit) {
    let ended = tokio::select! {
        biased;
        () = token.cancelled() => Err(closing()),
        ended = send_all(snapshot, &sender) => ended,
    };
    match ended {
        Ok(Some(end)) => {
            tracing::info!(subjects = end.subjects, templates = end.templates, "a snapshot was handed on");
        }
        Ok(None) => tracing::info!("a snapshot was not read to its end"),
        Err(error) => {
            tracing::warn!(reason = error.message(), "a snapshot was broken off");
            // Where it is not taken the stream ends without its end, which says it too.
            let _ = timeout(FLUSH_MAX, sender.send(Err(error))).await;
        }
    }
}

/// What was sent; `None` where the reader has gone.
async fn send_all(mut snapshot: GallerySnapshot, sender: &Sender) -> Result<Option<pb::End>, Status> {
    let send = async |content: Content| match timeout(STALL_MAX, sender.send(Ok(pb::Piece { content: Some(content) })))
        .await
    {
        Ok(sent) => Ok(sent.is_ok()),
        Err(_) => Err(stalled()),
    };
    if !send(Content::Head(convert::head_to_wire(&snapshot.head()))).await? {
        return Ok(None);
    }
    let (mut batch, mut bytes) = (pb::Batch::default(), 0);
    let mut end = pb::End::default();
    loop {
        let next = snapshot.next().await.map_err(|error| refusal(&error))?;
        let ended = next.is_none();
        match next {
            Some(SnapshotPart::Subject(subject)) => {
                let subject = convert::subject_to_wire(subject);
                end.subjects += 1;
                end.templates += subject.templates.len() as u64;
                bytes += subject.templates.iter().map(|template| template.vector.len()).sum::<usize>();
                batch.subjects.push(subject);
            }
            Some(SnapshotPart::Cleared(pair)) => {
                end.cleared += 1;
                batch.cleared.push(convert::cleared_to_wire(pair));
            }
            None => {}
        }
        let full = bytes >= BATCH_BYTES || batch.cleared.len() >= BATCH_PAIRS;
        if full || ended && (!batch.subjects.is_empty() || !batch.cleared.is_empty()) {
            bytes = 0;
            if !send(Content::Batch(std::mem::take(&mut batch))).await? {
                return Ok(None);
            }
        }
        if ended {
            return Ok(send(Content::End(end)).await?.then_some(end));
        }
    }
}

fn closing() -> Status {
    let message = "it is shutting down; run the same command again when it has ended or serves again";
    status(Code::Unavailable, "SHUTTING_DOWN", message)
}

fn stalled() -> Status {
    status(Code::Unavailable, "STALLED", "the snapshot was not read for a minute; run the same command again")
}

fn refusal(error: &GalleryError) -> Status {
    let (code, reason) = match error.fault() {
        Fault::Data => (Code::DataLoss, "DAMAGED"),
        Fault::Service => (Code::Unavailable, "GALLERY"),
        Fault::Caller => (Code::Internal, "GALLERY"),
    };
    status(code, reason, error.to_string())
}

/// A status in our own words, told by its details from one of the transport's.
fn status(code: Code, reason: &str, message: impl Into<String>) -> Status {
    let details = ErrorDetails::with_error_info(reason, ERROR_DOMAIN, []);
    Status::with_error_details(code, message, details)
}
