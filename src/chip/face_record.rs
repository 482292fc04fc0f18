//! The two face image records that a biometric data block may hold: ISO/IEC 19794-5:2005 and
//! ISO/IEC 39794-5:2019.

use super::ParseError;
use super::dg2::{DeclaredType, PHOTOS_MAX, picture_format};
use super::error::InStructure;
use super::tlv::TlvReader;

const OLD: &str = "the ISO/IEC 19794-5 record";
const NEW: &str = "the ISO/IEC 39794-5 record";
/// Facial Record Header: "FAC", version, length, number of images.
const HEADER_BYTES: usize = 14;
/// Facial Information Block, before the feature points.
const FACE_BYTES: usize = 20;
/// One feature point.
const POINT_BYTES: usize = 8;
/// Image Information Block, before the picture.
const IMAGE_BYTES: usize = 12;
/// Within how many bytes of its declared offset a picture is searched for.
const SEARCH_BYTES: usize = 16;

/// A picture within a record.
pub(super) struct RawImage<'a> {
    pub bytes: &'a [u8],
    pub declared: Option<DeclaredType>,
    pub size: (u16, u16),
    pub feature_points: usize,
}

/// What a record holds.
#[derive(Default)]
pub(super) struct FaceRecord<'a> {
    /// The pictures that could be read, none of them empty.
    pub images: Vec<RawImage<'a>>,
    /// Whether a length was off.
    pub lengths_off: bool,
    /// Number of declared pictures that are empty or malformed.
    pub unread: usize,
}

/// Parses an ISO/IEC 19794-5:2005 record (section 5): big-endian blocks of fixed layout but for the
/// feature points. Empty or malformed pictures are skipped; the error is for records without a
/// readable picture.
pub(super) fn iso19794(record: &[u8]) -> Result<FaceRecord<'_>, ParseError> {
    let short = || ParseError::malformed(OLD);
    let count = usize::from(u16_at(record, 12).ok_or_else(short)?);
    let declared_length = u32_at(record, 8).ok_or_else(short)?;
    if count == 0 {
        return Err(short());
    }
    if count > PHOTOS_MAX {
        return Err(ParseError::TooLarge { what: OLD, max: PHOTOS_MAX });
    }
    let mut out = FaceRecord { lengths_off: declared_length != record.len(), ..FaceRecord::default() };
    let mut at = HEADER_BYTES;
    for index in 0..count {
        let last = index + 1 == count;
        let Some((image, end, off)) = image19794(record, at, last) else {
            // Where the next one would begin is not known.
            out.unread += count - index;
            break;
        };
        out.lengths_off |= off;
        match image {
            Some(image) => out.images.push(image),
            None => out.unread += 1,
        }
        at = end;
    }
    if out.images.is_empty() { Err(short()) } else { Ok(out) }
}

/// The picture of the block at offset `at` (`None` if empty), the block's end, and whether a length
/// was inconsistent. `None` for a truncated block.
fn image19794(record: &[u8], at: usize, last: bool) -> Option<(Option<RawImage<'_>>, usize, bool)> {
    let length = u32_at(record, at)?;
    let feature_points = usize::from(u16_at(record, at + 4)?);
    let info = at + FACE_BYTES + feature_points * POINT_BYTES;
    let declared = record.get(info + 1).map(|kind| match kind {
        0 => Some(DeclaredType::Jpeg),
        1 => Some(DeclaredType::Jpeg2000),
        _ => None,
    });
    let size = (u16_at(record, info + 2).unwrap_or(0), u16_at(record, info + 4).unwrap_or(0));
    // The last picture ends with the record, whatever the declared lengths.
    let declared_end = at.saturating_add(length);
    let end = if last { record.len() } else { declared_end.min(record.len()) };
    let declared_start = info + IMAGE_BYTES;
    // The search must not find the picture of the next block.
    let own = if last { record } else { &record[..end] };
    let (start, moved) = match picture_start(own, declared_start, at + FACE_BYTES) {
        Some(start) => (start, start != declared_start),
        // No known format found: the decoder decides.
        None => (declared_start, false),
    };
    let off = moved || (last && declared_end != record.len());
    let bytes = record.get(start..end).filter(|bytes| !bytes.is_empty());
    let image = bytes.map(|bytes| RawImage { bytes, declared: declared.flatten(), size, feature_points });
    // A length shorter than the block's own header does not locate the next block.
    (last || declared_end > at).then_some((image, end, off))
}

fn u16_at(record: &[u8], at: usize) -> Option<u16> {
    record.get(at..at + 2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
}

fn u32_at(record: &[u8], at: usize) -> Option<usize> {
    record.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize)
}

/// Offset of a picture: the declared one, else one near it, else one right after the block header,
/// for records whose count of feature points is wrong.
fn picture_start(record: &[u8], declared: usize, without_points: usize) -> Option<usize> {
    let begins = |at: usize| record.get(at..).is_some_and(|rest| picture_format(rest).is_some());
    if begins(declared) {
        return Some(declared);
    }
    let near = declared.saturating_sub(SEARCH_BYTES)..=declared.saturating_add(SEARCH_BYTES);
    let after = without_points..=without_points + IMAGE_BYTES + SEARCH_BYTES;
    near.chain(after).find(|&at| begins(at))
}

/// ISO/IEC 39794-5:2019 (ASN.1 in DER): the pictures of all representations.
///
/// `A1 / 65 / A1 representations / 30… / A1 image / A0 two-dimensional / A0
/// block / 80 picture, A1 / A0 kind / 80`. Everything else describes the face
/// and is passed over.
///
/// Empty or malformed representations are skipped; the error is for records without a readable
/// picture.
pub(super) fn iso39794(record: &[u8]) -> Result<FaceRecord<'_>, ParseError> {
    let mut outer = TlvReader::new(record);
    // The block may come with or without the CBEFF choice around it.
    let block = match outer.peek() {
        Some(0xA1) => outer.read().within(NEW)?.children().expect(0x65).within(NEW)?,
        _ => outer.expect(0x65).within(NEW)?,
    };
    let representations = block.children().find(0xA1).within(NEW)?.ok_or(ParseError::malformed(NEW))?;
    let mut out = FaceRecord::default();
    let mut failure = ParseError::malformed(NEW);
    for representation in representations.children() {
        match representation.within(NEW).and_then(|representation| image39794(representation.children())) {
            Ok(Some(image)) if image.bytes.is_empty() || out.images.len() == PHOTOS_MAX => out.unread += 1,
            Ok(Some(image)) => out.images.push(image),
            Ok(None) => {}
            Err(error) => {
                out.unread += 1;
                failure = error;
            }
        }
    }
    if out.images.is_empty() { Err(failure) } else { Ok(out) }
}

/// The picture of a representation; `None` for a three-dimensional shape.
fn image39794(mut representation: TlvReader<'_>) -> Result<Option<RawImage<'_>>, ParseError> {
    let Some(image) = representation.find(0xA1).within(NEW)? else { return Ok(None) };
    let Some(flat) = image.children().find(0xA0).within(NEW)? else { return Ok(None) };
    let Some(block) = flat.children().find(0xA0).within(NEW)? else { return Ok(None) };
    let mut fields = block.children();
    let picture = fields.expect(0x80).within(NEW)?;
    let information = fields.optional(0xA1).within(NEW)?.map(|field| field.children());
    Ok(Some(RawImage {
        bytes: picture.value,
        declared: information.and_then(declared_kind),
        size: information.and_then(declared_size).unwrap_or((0, 0)),
        feature_points: 0,
    }))
}

/// imageDataFormat: A0 { 80 code }: 2 JPEG, 3 and 4 JPEG 2000 lossy and lossless, 5 PNG. Codes 0
/// and 1 are "unknown" and "other".
fn declared_kind(mut information: TlvReader<'_>) -> Option<DeclaredType> {
    let code = information.find(0xA0).ok()??.children().find(0x80).ok()??.value;
    match code {
        [2] => Some(DeclaredType::Jpeg),
        [3 | 4] => Some(DeclaredType::Jpeg2000),
        [5] => Some(DeclaredType::Png),
        _ => None,
    }
}

/// imageSizeBlock: A7 { 80 width, 81 height }.
fn declared_size(mut information: TlvReader<'_>) -> Option<(u16, u16)> {
    let mut size = information.find(0xA7).ok()??.children();
    let mut side = |tag| match size.find(tag).ok()??.value {
        [low] => Some(u16::from(*low)),
        [high, low] | [0, high, low] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    };
    Some((side(0x80)?, side(0x81)?))
}
