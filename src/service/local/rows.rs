//! Rows of a gallery as they are stored: from the server, and for the program that backs them up.

use std::path::{Path, PathBuf};

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::client::{self, stalled};
use super::pb::rows_piece::Content;
use super::server::{FLUSH_MAX, closing, refusal, stalled as not_read};
use super::{LocalError, STALL_MAX, VERSION, pb};
use crate::gallery::{GalleryId, GalleryRows, RowBatch, RowsHead, Timestamp};

/// Largest message that is read, in bytes: a batch, with one row that may have the pictures of a case.
const MESSAGE_BYTES_MAX: usize = 256 << 20;

pub(super) type RowsSender = mpsc::Sender<Result<pb::RowsPiece, Status>>;

fn head_to_wire(head: &RowsHead) -> pb::RowsHead {
    pb::RowsHead {
        gallery: head.gallery.to_string(),
        commit: head.commit,
        taken_at_ms: head.taken_at.0,
        subjects: head.subjects,
        templates: head.templates,
        entries: head.entries,
        layout: head.layout,
        key_store: head.key_store.map(|id| id.to_vec()).unwrap_or_default(),
    }
}

fn head_from_wire(head: pb::RowsHead) -> Result<RowsHead, &'static str> {
    let key_store = match head.key_store.as_slice() {
        [] => None,
        id => Some(id.try_into().map_err(|_| "the id of its key store has another length")?),
    };
    Ok(RowsHead {
        gallery: GalleryId::from_text(&head.gallery).ok_or("its gallery's id is not one")?,
        commit: head.commit,
        taken_at: Timestamp(head.taken_at_ms),
        subjects: head.subjects,
        templates: head.templates,
        entries: head.entries,
        layout: head.layout,
        key_store,
    })
}

/// Sends rows to their end, or the error that ended them.
pub(super) async fn send(
    rows: GalleryRows,
    sender: RowsSender,
    token: CancellationToken,
    _place: OwnedSemaphorePermit,
) {
    let ended = tokio::select! {
        biased;
        () = token.cancelled() => Err(closing()),
        ended = send_all(rows, &sender) => ended,
    };
    match ended {
        Ok(Some(end)) => tracing::info!(rows = end.rows, "the gallery's rows were handed on to a backup"),
        Ok(None) => tracing::info!("a backup was not read to its end"),
        Err(error) => {
            tracing::warn!(reason = error.message(), "a backup was broken off");
            // Where it is not read the stream ends without its last message, which is an error too.
            let _ = timeout(FLUSH_MAX, sender.send(Err(error))).await;
        }
    }
}

/// Sends every batch. Returns how much was sent, or `None` where the reader has gone.
async fn send_all(mut rows: GalleryRows, sender: &RowsSender) -> Result<Option<pb::RowsEnd>, Status> {
    let send_piece = async |content: Content| {
        let piece = pb::RowsPiece { content: Some(content) };
        timeout(STALL_MAX, sender.send(Ok(piece))).await.map(|sent| sent.is_ok()).map_err(|_| not_read())
    };
    if !send_piece(Content::Head(head_to_wire(rows.head()))).await? {
        return Ok(None);
    }
    let mut end = pb::RowsEnd::default();
    while let Some(RowBatch { table, rows, bytes }) = rows.next().await.map_err(|error| refusal(&error))? {
        end.batches += 1;
        end.rows += rows;
        if !send_piece(Content::Batch(pb::RowBatch { table, rows, content: bytes })).await? {
            return Ok(None);
        }
    }
    Ok(send_piece(Content::End(end)).await?.then_some(end))
}

/// A gallery's rows as they were at one moment, read from the process that has its folder open.
pub struct RowsSnapshot {
    folder: PathBuf,
    head: RowsHead,
    pieces: Streaming<pb::RowsPiece>,
    /// How much was received.
    received: pb::RowsEnd,
    has_ended: bool,
}

impl RowsSnapshot {
    /// Asks for the rows of the gallery in `folder`.
    ///
    /// # Errors
    /// [`LocalError`], also where no process answers at the socket.
    pub async fn open(folder: &Path) -> Result<Self, LocalError> {
        let client = client::connected(folder).await?;
        let mut client = client.max_decoding_message_size(MESSAGE_BYTES_MAX);
        let asked = timeout(STALL_MAX, client.rows(pb::RowsRequest { version: VERSION })).await;
        let asked = asked.map_err(|_| stalled(folder))?;
        let mut pieces = asked.map_err(|status| client::broken(folder, &status))?.into_inner();
        let malformed = |what| LocalError::Malformed { folder: folder.to_owned(), what };
        let head = match next(&mut pieces, folder).await? {
            Content::Head(head) => head_from_wire(head).map_err(malformed)?,
            _ => return Err(malformed("it does not begin with its head")),
        };
        let received = pb::RowsEnd::default();
        Ok(Self { folder: folder.to_owned(), head, pieces, received, has_ended: false })
    }

    /// What they are of.
    pub fn head(&self) -> &RowsHead {
        &self.head
    }

    /// The next rows, in the order of [`GalleryRows`]; `None` after the last ones, and only then.
    ///
    /// # Errors
    /// [`LocalError`] where the rest cannot be read. What came before is then not the whole gallery.
    pub async fn next(&mut self) -> Result<Option<RowBatch>, LocalError> {
        if self.has_ended {
            return Ok(None);
        }
        let malformed = |what| LocalError::Malformed { folder: self.folder.clone(), what };
        match next(&mut self.pieces, &self.folder).await? {
            Content::Head(_) => Err(malformed("it has two heads")),
            Content::Batch(pb::RowBatch { table, rows, content }) => {
                self.received.batches += 1;
                self.received.rows += rows;
                Ok(Some(RowBatch { table, rows, bytes: content }))
            }
            Content::End(end) if end == self.received => {
                self.has_ended = true;
                Ok(None)
            }
            Content::End(_) => Err(malformed("it does not add up")),
        }
    }
}

/// Receives the next message.
async fn next(pieces: &mut Streaming<pb::RowsPiece>, folder: &Path) -> Result<Content, LocalError> {
    match timeout(STALL_MAX, pieces.message()).await {
        Err(_) => Err(stalled(folder)),
        Ok(Err(status)) => Err(client::broken(folder, &status)),
        Ok(Ok(None)) => {
            Err(LocalError::Cut { folder: folder.to_owned(), cause: "its last piece is missing".to_owned() })
        }
        Ok(Ok(Some(piece))) => piece.content.ok_or(LocalError::Malformed {
            folder: folder.to_owned(),
            what: "a piece holds nothing this program knows",
        }),
    }
}
