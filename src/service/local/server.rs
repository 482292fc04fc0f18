//! The server: sends snapshots of the gallery that this process has open.

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
use super::super::connections::{Connections, WhenFull};
use super::super::incoming::{Incoming, OneUser};
use super::pb::piece::Content;
use super::pb::snapshots_server::SnapshotsServer;
use super::{STALL_MAX, VERSION, convert, pb, socket};
use crate::context::{Principal, RequestContext};
use crate::gallery::{Fault, Gallery, GalleryError, GallerySnapshot, Look, SnapshotPart};
use crate::ledger::entry::Kind;

/// Most snapshots that are sent at once. Each keeps a thread, and keeps on disk what is
/// replaced meanwhile.
const AT_ONCE_MAX: usize = 2;
/// Time a connection has to send the preface of HTTP/2.
const PREFACE_MAX: Duration = Duration::from_secs(10);
/// Most open connections; further ones wait.
const CONNECTIONS_MAX: usize = 16;
/// A message is sent once its vectors have so many bytes.
const BATCH_BYTES: usize = 256 << 10;
/// Most cleared pairs in one message.
const BATCH_PAIRS: usize = 1024;
/// Most messages that are made before they are asked for.
const BATCHES_AHEAD: usize = 2;
/// Largest HTTP/2 frame, in bytes, as everywhere in the service.
const FRAME_BYTES_MAX: u32 = 256 << 10;
/// Time that the last message has to reach its reader.
pub(super) const FLUSH_MAX: Duration = Duration::from_millis(500);

/// The socket of a gallery's folder, at which snapshots can be served.
pub struct Snapshots {
    folder: PathBuf,
    listener: UnixListener,
    uid: u32,
    gallery: Arc<Gallery>,
}

impl Snapshots {
    /// Makes the socket in `folder`, whose `gallery` and lock this process has: a socket that is
    /// already there is left over, and is replaced.
    ///
    /// # Errors
    /// What the system says where no socket can be made there, or its path is too long.
    pub fn bind(folder: &Path, gallery: Arc<Gallery>) -> io::Result<Self> {
        Self::for_user(folder, gallery, socket::own_uid()?)
    }

    /// The same for processes of another user, for tests of who is refused.
    pub(super) fn for_user(folder: &Path, gallery: Arc<Gallery>, uid: u32) -> io::Result<Self> {
        let listener = socket::listen(folder)?;
        Ok(Self { folder: folder.to_owned(), listener, uid, gallery })
    }

    /// Serves snapshots until `shutdown` resolves. Those under way then end with an error,
    /// whether they are read or not. The socket is gone when this returns.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self { folder, listener, uid, gallery } = self;
        let (closing, cut) = (CancellationToken::new(), CancellationToken::new());
        let places = Arc::new(Semaphore::new(AT_ONCE_MAX));
        let connections = Connections::new(CONNECTIONS_MAX, WhenFull::Wait, cut.clone());
        let server = Server::builder()
            .max_frame_size(FRAME_BYTES_MAX)
            .add_service(SnapshotsServer::new(SnapshotService { gallery, places, closing: closing.clone() }))
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
        // Readers that do not read are cut.
        let _ = timeout(FLUSH_MAX, &mut server).await;
        cut.cancel();
    }
}

/// Answers calls at the socket.
struct SnapshotService {
    gallery: Arc<Gallery>,
    places: Arc<Semaphore>,
    closing: CancellationToken,
}

#[tonic::async_trait]
impl pb::snapshots_server::Snapshots for SnapshotService {
    type ReadStream = ReceiverStream<Result<pb::Piece, Status>>;

    async fn read(&self, request: Request<pb::ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let place = self.let_in(request.into_inner().version, "Snapshots/Read").await?;
        let snapshot = self.gallery.snapshot().await.map_err(|error| refusal(&error))?;
        let (sender, pieces) = mpsc::channel(BATCHES_AHEAD);
        tokio::spawn(send(snapshot, sender, self.closing.clone(), place));
        Ok(Response::new(ReceiverStream::new(pieces)))
    }

    type RowsStream = ReceiverStream<Result<pb::RowsPiece, Status>>;

    async fn rows(&self, request: Request<pb::RowsRequest>) -> Result<Response<Self::RowsStream>, Status> {
        let place = self.let_in(request.into_inner().version, "Snapshots/Rows").await?;
        let rows = self.gallery.rows().await.map_err(|error| refusal(&error))?;
        let (sender, pieces) = mpsc::channel(BATCHES_AHEAD);
        tokio::spawn(super::rows::send(rows, sender, self.closing.clone(), place));
        Ok(Response::new(ReceiverStream::new(pieces)))
    }
}

impl SnapshotService {
    /// Takes a place for what is asked for, and enters in the log that the gallery is handed on.
    async fn let_in(&self, version: u32, method: &'static str) -> Result<OwnedSemaphorePermit, Status> {
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
        // Processes of one user alone are let in: this one's.
        let context = RequestContext::new(Principal::of_this_process()).with_method(method);
        let records = usize::try_from(self.gallery.stats().subjects).unwrap_or(usize::MAX);
        let entered = self.gallery.enter_look(&context, Look::new(Kind::Snapshot).of_records(records)).await;
        entered.map_err(|error| refusal(&error))?;
        Ok(place)
    }
}

type PieceSender = mpsc::Sender<Result<pb::Piece, Status>>;

/// Sends a snapshot to its end, or the error that ended it.
async fn send(snapshot: GallerySnapshot, sender: PieceSender, token: CancellationToken, _place: OwnedSemaphorePermit) {
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
            // Where it is not read the stream ends without its last message, which is an error too.
            let _ = timeout(FLUSH_MAX, sender.send(Err(error))).await;
        }
    }
}

/// Sends every part. Returns how much was sent, or `None` where the reader has gone.
async fn send_all(mut snapshot: GallerySnapshot, sender: &PieceSender) -> Result<Option<pb::End>, Status> {
    let send_piece = async |content: Content| match timeout(
        STALL_MAX,
        sender.send(Ok(pb::Piece { content: Some(content) })),
    )
    .await
    {
        Ok(sent) => Ok(sent.is_ok()),
        Err(_) => Err(stalled()),
    };
    if !send_piece(Content::Head(convert::head_to_wire(snapshot.head()))).await? {
        return Ok(None);
    }
    let head = snapshot.head().clone();
    let (mut batch, mut bytes) = (pb::Batch::default(), 0);
    let mut end = pb::End::default();
    loop {
        let next = snapshot.next().await.map_err(|error| refusal(&error))?;
        let ended = next.is_none();
        match next {
            Some(SnapshotPart::Subject(subject)) => {
                let subject = convert::subject_to_wire(subject, &head);
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
            if !send_piece(Content::Batch(std::mem::take(&mut batch))).await? {
                return Ok(None);
            }
        }
        if ended {
            return Ok(send_piece(Content::End(end)).await?.then_some(end));
        }
    }
}

pub(super) fn closing() -> Status {
    let message = "it is shutting down; run the same command again when it has ended or serves again";
    status(Code::Unavailable, "SHUTTING_DOWN", message)
}

pub(super) fn stalled() -> Status {
    status(Code::Unavailable, "STALLED", "the snapshot was not read for a minute; run the same command again")
}

pub(super) fn refusal(error: &GalleryError) -> Status {
    let (code, reason) = match error.fault() {
        Fault::Data => (Code::DataLoss, "DAMAGED"),
        Fault::Service => (Code::Unavailable, "GALLERY"),
        Fault::Caller => (Code::Internal, "GALLERY"),
    };
    status(code, reason, error.to_string())
}

/// A status with details, which tell it from a status of the transport.
fn status(code: Code, reason: &str, message: impl Into<String>) -> Status {
    let details = ErrorDetails::with_error_info(reason, ERROR_DOMAIN, []);
    Status::with_error_details(code, message, details)
}
