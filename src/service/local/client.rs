//! The client: reads a snapshot from the process that has the folder open.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tonic::transport::{Endpoint, Uri};
use tonic::{Status, Streaming};
use tonic_types::StatusExt;
use tower::service_fn;

use super::pb::piece::Content;
use super::pb::snapshots_client::SnapshotsClient;
use super::{LocalError, STALL_MAX, VERSION, convert, pb, socket};
use crate::gallery::{SnapshotHead, SnapshotPart};

/// HTTP/2 flow-control window: how many bytes the server may send before they are read.
const WINDOW_BYTES: u32 = 512 << 10;
/// Largest HTTP/2 frame, in bytes, as the server sends it.
const FRAME_BYTES: u32 = 256 << 10;
/// Largest message that is read, in bytes. One subject may have 64 templates of 4096 values
/// of each of two recipes, which is 2 MiB.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// A gallery as it was at one moment, read from the process that has its folder open.
pub struct Snapshot {
    folder: PathBuf,
    head: SnapshotHead,
    pieces: Streaming<pb::Piece>,
    /// Parts that were received and not yet taken.
    ready: VecDeque<SnapshotPart>,
    /// How much was received.
    received: pb::End,
    ended: bool,
}

impl Snapshot {
    /// Asks for a snapshot of the gallery in `folder`.
    ///
    /// # Errors
    /// [`LocalError`], also where no process answers at the socket.
    pub async fn open(folder: &Path) -> Result<Self, LocalError> {
        let cut = |status: &Status| broken(folder, status);
        let client = connected(folder).await?;
        let mut client = client.max_decoding_message_size(MESSAGE_BYTES_MAX);
        let asked = timeout(STALL_MAX, client.read(pb::ReadRequest { version: VERSION })).await;
        let asked = asked.map_err(|_| stalled(folder))?;
        let mut pieces = asked.map_err(|status| cut(&status))?.into_inner();
        let malformed = |what| LocalError::Malformed { folder: folder.to_owned(), what };
        let head = match next(&mut pieces, folder).await? {
            Content::Head(head) => convert::head_from_wire(head).map_err(malformed)?,
            _ => return Err(malformed("it does not begin with its head")),
        };
        let (folder, ready, received) = (folder.to_owned(), VecDeque::new(), pb::End::default());
        Ok(Self { folder, head, pieces, ready, received, ended: false })
    }

    /// Recipes and size of the gallery.
    pub fn head(&self) -> &SnapshotHead {
        &self.head
    }

    /// The next part, in the order of [`GallerySnapshot`](crate::gallery::GallerySnapshot);
    /// `None` after the last one, and only then.
    ///
    /// # Errors
    /// [`LocalError`] where the rest cannot be read. The parts before it are then not the whole
    /// gallery.
    pub async fn next(&mut self) -> Result<Option<SnapshotPart>, LocalError> {
        loop {
            if let Some(part) = self.ready.pop_front() {
                return Ok(Some(part));
            }
            if self.ended {
                return Ok(None);
            }
            let content = next(&mut self.pieces, &self.folder).await?;
            self.take(content).map_err(|what| LocalError::Malformed { folder: self.folder.clone(), what })?;
        }
    }

    /// Takes in one message.
    fn take(&mut self, content: Content) -> Result<(), convert::Malformed> {
        match content {
            Content::Head(_) => return Err("it has two heads"),
            Content::Batch(batch) => {
                self.received.subjects += batch.subjects.len() as u64;
                self.received.cleared += batch.cleared.len() as u64;
                for subject in batch.subjects {
                    self.received.templates += subject.templates.len() as u64;
                    self.ready.push_back(SnapshotPart::Subject(convert::subject_from_wire(subject, &self.head)?));
                }
                for pair in batch.cleared {
                    self.ready.push_back(SnapshotPart::Cleared(convert::cleared_from_wire(pair)?));
                }
            }
            Content::End(end) => {
                let promised = (self.head.subjects, self.head.templates);
                if end != self.received || (end.subjects, end.templates) != promised {
                    return Err("it does not add up");
                }
                self.ended = true;
            }
        }
        Ok(())
    }
}

/// A client of the process of the same user that has `folder` open.
pub(super) async fn connected(folder: &Path) -> Result<SnapshotsClient<tonic::transport::Channel>, LocalError> {
    let not_served = |source| LocalError::NotServed { folder: folder.to_owned(), source };
    let stream = socket::connect(folder).await.map_err(not_served)?;
    let other = || Ok::<_, io::Error>(stream.peer_cred()?.uid() != socket::own_uid()?);
    if other().map_err(not_served)? {
        return Err(LocalError::OtherUser { folder: folder.to_owned() });
    }
    client(stream).await.map_err(|error| LocalError::Cut { folder: folder.to_owned(), cause: error.to_string() })
}

/// A client on a connected socket.
async fn client(stream: UnixStream) -> Result<SnapshotsClient<tonic::transport::Channel>, tonic::transport::Error> {
    let mut stream = Some(stream);
    let connector = service_fn(move |_: Uri| {
        // Only this connection was checked, so no second one is made where it breaks.
        let stream = stream.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected));
        async move { stream.map(TokioIo::new) }
    });
    // HTTP needs a host name; nothing looks it up.
    let endpoint = Endpoint::from_static("http://snapshots.invalid")
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES);
    Ok(SnapshotsClient::new(endpoint.connect_with_connector(connector).await?))
}

/// Receives the next message.
async fn next(pieces: &mut Streaming<pb::Piece>, folder: &Path) -> Result<Content, LocalError> {
    let malformed = |what| LocalError::Malformed { folder: folder.to_owned(), what };
    match timeout(STALL_MAX, pieces.message()).await {
        Err(_) => Err(stalled(folder)),
        Ok(Err(status)) => Err(broken(folder, &status)),
        Ok(Ok(None)) => {
            Err(LocalError::Cut { folder: folder.to_owned(), cause: "its last piece is missing".to_owned() })
        }
        Ok(Ok(Some(piece))) => piece.content.ok_or_else(|| malformed("a piece holds nothing this program knows")),
    }
}

/// The error of a status: what the server says, or how the connection failed.
pub(super) fn broken(folder: &Path, status: &Status) -> LocalError {
    let folder = folder.to_owned();
    match status.get_details_error_info() {
        Some(_) => LocalError::Refused { folder, message: status.message().to_owned() },
        None => LocalError::Cut { folder, cause: status.message().to_owned() },
    }
}

pub(super) fn stalled(folder: &Path) -> LocalError {
    LocalError::Stalled { folder: folder.to_owned(), seconds: STALL_MAX.as_secs() }
}
