//! Pictures of cases that wait for an officer: what is kept with a decision that did not approve, and
//! until when. A gallery that lies in the clear keeps none.

use super::{SubjectId, Timestamp};

/// Most pictures of one decision: five captures and the chip's photo.
pub const CASE_PICTURES_MAX: usize = 6;
/// Longest picture kept, in bytes. So one decision has 1.5 MiB of them at most, and the ten attempts of a
/// transaction 15 MiB.
pub const PICTURE_BYTES_MAX: usize = 256 << 10;

/// What a picture of a case shows. Captures come before the chip's photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PictureOf {
    /// A capture of the decision, by its place among them, from 0.
    Capture(u32),
    /// The photo of the card's chip (DG2).
    Chip,
}

/// A picture of a case.
#[derive(Clone, PartialEq, Eq)]
pub struct CasePicture {
    /// What it shows.
    pub of: PictureOf,
    /// Encoded as JPEG, without metadata; opaque to the gallery.
    pub jpeg: Vec<u8>,
}

/// Pictures about to be stored with a decision.
#[derive(Clone, PartialEq, Eq)]
pub struct NewPictures {
    /// At most [`CASE_PICTURES_MAX`], each of [`PICTURE_BYTES_MAX`] bytes at most.
    pub pictures: Vec<CasePicture>,
    /// Captures and photos of which no picture could be made.
    pub left_out: u32,
    /// For how many milliseconds they are kept, if the transaction is not closed before.
    pub lifetime_ms: u64,
}

/// The pictures of a decision in the store.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredPictures {
    /// Number of the decision.
    pub number: u64,
    /// About whom that is.
    pub subject: SubjectId,
    /// When it was committed, and they with it.
    pub kept_at: Timestamp,
    /// When their time is over.
    pub kept_until: Timestamp,
    /// Captures first, in their order.
    pub pictures: Vec<CasePicture>,
    /// Captures and photos of which no picture could be made.
    pub left_out: u32,
}

opaque!(CasePicture NewPictures StoredPictures);
