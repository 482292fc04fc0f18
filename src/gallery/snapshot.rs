//! A whole gallery as it is at one moment, part by part.

use tokio::sync::mpsc;

use super::{ClearedPair, GalleryError, Subject, Timestamp};
use crate::face::RecipeDigest;

/// What a snapshot is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotHead {
    /// Recipes of the templates, each with the number of their values; at least one, oldest
    /// first.
    pub recipes: Vec<(RecipeDigest, usize)>,
    /// Subjects that follow.
    pub subjects: u64,
    /// Templates of these subjects.
    pub templates: u64,
    /// Every template that is stored after the snapshot has this id or a higher one.
    pub template_next: u64,
    /// The clock when it was taken.
    pub taken_at: Timestamp,
    /// Id of the master key that the gallery's keys are sealed under; `None` for one in the clear.
    pub master_key: Option<[u8; 8]>,
}

/// One part of a snapshot: subjects in the store's own order, then cleared pairs likewise.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum SnapshotPart {
    /// A subject with its templates.
    Subject(Subject),
    /// Two subjects who share a face for a good reason.
    Cleared(ClearedPair),
}

/// What comes through the channel. The end is said, so that a sender that is gone is
/// never taken for it.
pub(super) enum Sent {
    Part(Box<SnapshotPart>),
    End,
}

/// A gallery as it was at one moment. Writes go on meanwhile and do not show.
///
/// Take the parts without long pauses: a store keeps what the snapshot needs, and one
/// that is not read for a minute ends with an error.
pub struct GallerySnapshot {
    head: SnapshotHead,
    parts: mpsc::Receiver<Result<Sent, GalleryError>>,
    ended: bool,
}

impl GallerySnapshot {
    pub(super) fn new(head: SnapshotHead, parts: mpsc::Receiver<Result<Sent, GalleryError>>) -> Self {
        Self { head, parts, ended: false }
    }

    /// One whose parts are all at hand: subjects in some order, then cleared pairs.
    pub fn whole(head: SnapshotHead, parts: Vec<SnapshotPart>) -> Self {
        let (sender, received) = mpsc::channel(parts.len() + 1);
        let sent = parts.into_iter().map(|part| Sent::Part(Box::new(part))).chain([Sent::End]);
        // There is room for all of them.
        sent.for_each(|part| drop(sender.try_send(Ok(part))));
        Self::new(head, received)
    }

    /// What it is of.
    pub fn head(&self) -> &SnapshotHead {
        &self.head
    }

    /// The next part; `None` after the last one, and only then.
    ///
    /// # Errors
    /// Whatever the store met, and [`GalleryError::Closing`] where it closed meanwhile:
    /// then what came before is not the whole gallery.
    pub async fn next(&mut self) -> Result<Option<SnapshotPart>, GalleryError> {
        if self.ended {
            return Ok(None);
        }
        match self.parts.recv().await {
            Some(Ok(Sent::Part(part))) => Ok(Some(*part)),
            Some(Ok(Sent::End)) => {
                self.ended = true;
                Ok(None)
            }
            Some(Err(error)) => Err(error),
            None => Err(GalleryError::Closing),
        }
    }
}
