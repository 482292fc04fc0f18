//! Rewrites BER with indefinite lengths or constructed octet strings to definite lengths, for CMS
//! structures only.
//!
//! Some countries (New Zealand) write EF.SOD with indefinite lengths and constructed octet strings.
//! The parsers see definite lengths only. Elements with definite lengths are kept byte for byte, so
//! certificates inside and the signatures over them stay valid.

use std::borrow::Cow;

use super::der;
use super::tlv::{TlvError, TlvHeader};

/// Deepest nesting followed: a genuine SOD nests 13 deep, certificate included.
const DEPTH_MAX: usize = 32;
const OCTET_STRING: u8 = 0x04;
const OCTET_STRING_IN_PIECES: u32 = 0x24;

/// The first element of `bytes` with definite lengths throughout. Borrowed where nothing had to be
/// rewritten; bytes after the element are dropped.
///
/// # Errors
/// [`TlvError`] for inconsistent lengths, a missing end-of-contents marker, or nesting that is too
/// deep.
pub fn to_definite(bytes: &[u8]) -> Result<Cow<'_, [u8]>, TlvError> {
    let (end, changes) = measure(bytes, DEPTH_MAX)?;
    if !changes {
        return Ok(Cow::Borrowed(&bytes[..end]));
    }
    let mut out = Vec::with_capacity(end);
    rewrite(bytes, &mut out)?;
    Ok(Cow::Owned(out))
}

/// Length of the first element, and whether anything in it must be rewritten.
fn measure(bytes: &[u8], depth: usize) -> Result<(usize, bool), TlvError> {
    if depth == 0 {
        return Err(TlvError::TooDeep);
    }
    let header = TlvHeader::parse(bytes)?;
    let constructed = bytes[0] & 0x20 != 0;
    let Some(length) = header.length else {
        if !constructed {
            return Err(TlvError::Indefinite);
        }
        let mut at = header.bytes;
        loop {
            let rest = bytes.get(at..).ok_or(TlvError::Truncated)?;
            if rest.starts_with(&[0, 0]) {
                return Ok((at + 2, true));
            }
            at += measure(rest, depth - 1)?.0;
        }
    };
    let end = header.bytes.checked_add(length).ok_or(TlvError::BadLength)?;
    let body = bytes.get(header.bytes..end).ok_or(TlvError::Truncated)?;
    let mut changes = header.tag == OCTET_STRING_IN_PIECES;
    if constructed {
        let mut at = 0;
        while at < body.len() {
            let (step, changed) = measure(&body[at..], depth - 1)?;
            at += step;
            changes |= changed;
        }
    }
    Ok((end, changes))
}

/// Writes the first element of `bytes`, which [`measure`] has walked, and
/// returns its length there.
fn rewrite(bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, TlvError> {
    let (end, changes) = measure(bytes, DEPTH_MAX)?;
    if !changes {
        out.extend_from_slice(&bytes[..end]);
        return Ok(end);
    }
    let header = TlvHeader::parse(bytes)?;
    let body_end = if header.length.is_some() { end } else { end - 2 };
    let body = &bytes[header.bytes..body_end];
    let mut definite_body = Vec::with_capacity(body.len());
    let mut at = 0;
    if header.tag == OCTET_STRING_IN_PIECES {
        while at < body.len() {
            let mut piece = Vec::new();
            at += rewrite(&body[at..], &mut piece)?;
            let piece_header = TlvHeader::parse(&piece)?;
            if piece_header.tag != u32::from(OCTET_STRING) {
                return Err(TlvError::Unexpected { expected: u32::from(OCTET_STRING), found: piece_header.tag });
            }
            definite_body.extend_from_slice(&piece[piece_header.bytes..]);
        }
        der::push(out, u32::from(OCTET_STRING), &definite_body);
    } else {
        while at < body.len() {
            at += rewrite(&body[at..], &mut definite_body)?;
        }
        der::push(out, header.tag, &definite_body);
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definite_bytes_are_kept_as_they_are() {
        // A length of two bytes where one would do: valid BER, and part of the signed bytes.
        let bytes = [0x30, 0x81, 0x03, 0x02, 0x01, 0x05, 0xFF];
        let out = to_definite(&bytes).unwrap();
        assert!(matches!(out, Cow::Borrowed(_)));
        assert_eq!(&*out, &bytes[..6]);
    }

    #[test]
    fn indefinite_lengths_and_pieces_are_joined() {
        let bytes = [0x30, 0x80, 0x24, 0x80, 0x04, 0x01, 0xAA, 0x04, 0x02, 0xBB, 0xCC, 0, 0, 0x02, 0x01, 0x07, 0, 0];
        assert_eq!(&*to_definite(&bytes).unwrap(), [0x30, 0x08, 0x04, 0x03, 0xAA, 0xBB, 0xCC, 0x02, 0x01, 0x07]);
    }

    #[test]
    fn endless_nesting_and_missing_ends_are_refused() {
        let deep: Vec<u8> = [0x30, 0x80].repeat(200_000);
        assert_eq!(to_definite(&deep), Err(TlvError::TooDeep));
        assert_eq!(to_definite(&[0x30, 0x80, 0x02, 0x01, 0x01]), Err(TlvError::Truncated));
        assert_eq!(to_definite(&[0x04, 0x80, 0, 0]), Err(TlvError::Indefinite));
        let mixed = [0x24, 0x80, 0x02, 0x01, 0x01, 0, 0];
        assert_eq!(to_definite(&mixed), Err(TlvError::Unexpected { expected: 0x04, found: 0x02 }));
    }
}
