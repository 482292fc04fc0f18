//! Where the next page of a list begins, as text that callers hand back.
//!
//! A token holds what kind of list it is of, four bytes of the gallery's id, the place, and a
//! CRC-32 of all that: a token of another list or gallery, or one that was cut, is told. It is no
//! secret and protects nothing.

use super::WorkflowError;
use crate::gallery::{GalleryId, SubjectId};
use crate::hex;

/// Which list a token is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Decisions = 1,
    Referrals = 2,
    Subjects = 3,
    Pairs = 4,
    Entries = 5,
    Requests = 6,
}

/// The token for the place after `place`.
pub(super) fn encode(list: List, gallery: GalleryId, place: &[u8]) -> String {
    let mut bytes = vec![list as u8];
    bytes.extend_from_slice(&gallery.bytes()[..4]);
    bytes.extend_from_slice(place);
    let check = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&check.to_le_bytes());
    hex::encode(&bytes)
}

/// The place that a token holds; `None` for the empty one, of the first page.
///
/// # Errors
/// [`WorkflowError::PageToken`] for one of another list or gallery, or none at all.
pub(super) fn decode(list: List, gallery: GalleryId, token: &str) -> Result<Option<Vec<u8>>, WorkflowError> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = hex::decode(token).ok_or(WorkflowError::PageToken)?;
    let (body, check) = bytes.split_last_chunk::<4>().ok_or(WorkflowError::PageToken)?;
    let head = [&[list as u8], &gallery.bytes()[..4]].concat();
    match body.strip_prefix(head.as_slice()) {
        Some(place) if crc32fast::hash(body) == u32::from_le_bytes(*check) => Ok(Some(place.to_vec())),
        _ => Err(WorkflowError::PageToken),
    }
}

/// The number that a token of decisions holds; 0 for the first page.
pub(super) fn number(place: Option<Vec<u8>>) -> Result<u64, WorkflowError> {
    let Some(place) = place else { return Ok(0) };
    Ok(u64::from_le_bytes(place.try_into().map_err(|_| WorkflowError::PageToken)?))
}

/// The subject that a token holds.
pub(super) fn subject(place: Vec<u8>) -> Result<SubjectId, WorkflowError> {
    let text = String::from_utf8(place).map_err(|_| WorkflowError::PageToken)?;
    SubjectId::new(text).map_err(|_| WorkflowError::PageToken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HERE: &str = "00112233445566778899aabbccddeeff";

    fn here() -> GalleryId {
        GalleryId::from_text(HERE).unwrap()
    }

    proptest! {
        #[test]
        fn a_token_gives_its_place_back_and_an_altered_one_nothing(
            place in prop::collection::vec(any::<u8>(), 0..40), at in any::<prop::sample::Index>(), bit in 0u8..8,
        ) {
            let token = encode(List::Subjects, here(), &place);
            prop_assert_eq!(decode(List::Subjects, here(), &token).unwrap(), Some(place));
            let mut bytes = hex::decode(&token).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(decode(List::Subjects, here(), &hex::encode(&bytes)).is_err());
        }

        #[test]
        fn no_text_makes_reading_panic(text in ".{0,60}") {
            let _ = decode(List::Pairs, here(), &text).map(|place| place.map(subject));
        }
    }

    #[test]
    fn a_token_is_of_one_list_and_one_gallery() {
        let token = encode(List::Decisions, here(), &7u64.to_le_bytes());
        assert_eq!(number(decode(List::Decisions, here(), &token).unwrap()).unwrap(), 7);
        assert!(decode(List::Referrals, here(), &token).is_err());
        let elsewhere = GalleryId::from_text(&HERE.replace('0', "1")).unwrap();
        assert!(decode(List::Decisions, elsewhere, &token).is_err());
        assert_eq!(number(decode(List::Decisions, here(), "").unwrap()).unwrap(), 0);
    }
}
