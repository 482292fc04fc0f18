//! The pictures of a case that waits for an officer as they lie in a store.

use prost::Message;

use super::fault::StoreError;
use super::message::stored_id;
use crate::gallery::{CasePicture, PictureOf, StoredPictures, Timestamp};

/// The pictures of a decision as they lie on disk.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(in crate::gallery) struct CasePicturesRecord {
    #[prost(string, tag = "1")]
    pub subject: String,
    #[prost(uint64, tag = "2")]
    pub kept_at: u64,
    #[prost(uint64, tag = "3")]
    pub kept_until: u64,
    #[prost(message, repeated, tag = "4")]
    pub pictures: Vec<PictureRecord>,
    #[prost(uint32, tag = "5")]
    pub left_out: u32,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(in crate::gallery) struct PictureRecord {
    /// 1 a capture, 2 the chip's photo.
    #[prost(uint32, tag = "1")]
    pub kind: u32,
    /// Of a capture, its place among those of the decision.
    #[prost(uint32, tag = "2")]
    pub frame: u32,
    #[prost(bytes = "vec", tag = "3")]
    pub jpeg: Vec<u8>,
}

opaque!(CasePicturesRecord PictureRecord);

/// When the pictures of a decision were kept.
#[derive(Clone, PartialEq, Message)]
pub(in crate::gallery) struct PictureTimesRecord {
    #[prost(uint64, tag = "1")]
    pub kept_at: u64,
    #[prost(uint64, tag = "2")]
    pub kept_until: u64,
    #[prost(uint32, tag = "3")]
    pub pictures: u32,
}

impl CasePicturesRecord {
    pub(in crate::gallery) fn of(stored: &StoredPictures) -> Self {
        let picture = |CasePicture { of, jpeg }: &CasePicture| {
            let (kind, frame) = match of {
                PictureOf::Capture(frame) => (1, *frame),
                PictureOf::Chip => (2, 0),
            };
            PictureRecord { kind, frame, jpeg: jpeg.clone() }
        };
        Self {
            subject: stored.subject.as_str().to_owned(),
            kept_at: stored.kept_at.0,
            kept_until: stored.kept_until.0,
            pictures: stored.pictures.iter().map(picture).collect(),
            left_out: stored.left_out,
        }
    }

    pub(in crate::gallery) fn restore(self, number: u64) -> Result<StoredPictures, StoreError> {
        let picture = |PictureRecord { kind, frame, jpeg }: PictureRecord| {
            let of = match kind {
                1 => PictureOf::Capture(frame),
                2 => PictureOf::Chip,
                _ => return Err(StoreError::damaged("what a picture of a case shows is not known")),
            };
            Ok(CasePicture { of, jpeg })
        };
        Ok(StoredPictures {
            number,
            subject: stored_id(self.subject)?,
            kept_at: Timestamp(self.kept_at),
            kept_until: Timestamp(self.kept_until),
            pictures: self.pictures.into_iter().map(picture).collect::<Result<_, _>>()?,
            left_out: self.left_out,
        })
    }
}
