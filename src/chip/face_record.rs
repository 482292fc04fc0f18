//! The two face records a biometric data block may hold.

use super::ParseError;
use super::dg2::{DeclaredType, PHOTOS_MAX, picture_format};
use super::error::InStructure;
use super::tlv::Reader;

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
/// How far from its declared place a picture is looked for.
const SEARCH_BYTES: usize = 16;

/// A picture within a record.
pub(super) struct RawImage<'a> {
    pub bytes: &'a [u8],
    pub declared: Option<DeclaredType>,
    pub size: (u16, u16),
    pub feature_points: usize,
}

/// ISO/IEC 19794-5:2005, 5: big-endian blocks of fixed layout but for the
/// feature points. Also tells whether a length was off.
pub(super) fn iso19794(record: &[u8]) -> Result<(Vec<RawImage<'_>>, bool), ParseError> {
    let short = || ParseError::malformed(OLD);
    let u16_at = |at: usize| record.get(at..at + 2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
    let u32_at = |at: usize| record.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize);
    let declared_length = u32_at(8).ok_or_else(short)?;
    let count = usize::from(u16_at(12).ok_or_else(short)?);
    if count == 0 {
        return Err(short());
    }
    if count > PHOTOS_MAX {
        return Err(ParseError::TooLarge { what: OLD, max: PHOTOS_MAX });
    }
    let mut off = declared_length != record.len();
    let mut images = Vec::with_capacity(count);
    let mut at = HEADER_BYTES;
    for index in 0..count {
        let length = u32_at(at).ok_or_else(short)?;
        let feature_points = usize::from(u16_at(at + 4).ok_or_else(short)?);
        let info = at + FACE_BYTES + feature_points * POINT_BYTES;
        let declared = record.get(info + 1).map(|kind| match kind {
            0 => Some(DeclaredType::Jpeg),
            1 => Some(DeclaredType::Jpeg2000),
            _ => None,
        });
        let size = (u16_at(info + 2).unwrap_or(0), u16_at(info + 4).unwrap_or(0));
        let last = index + 1 == count;
        // The last picture ends where the record does, whatever the lengths say.
        let declared_end = at.saturating_add(length);
        let end = if last { record.len() } else { declared_end.min(record.len()) };
        off |= last && declared_end != record.len();
        let declared_start = info + IMAGE_BYTES;
        let (start, moved) = match picture_start(record, declared_start, at + FACE_BYTES) {
            Some(start) => (start, start != declared_start),
            // Nothing known there: leave the judgement to the decoder.
            None => (declared_start, false),
        };
        off |= moved;
        let bytes = record.get(start..end).filter(|bytes| !bytes.is_empty()).ok_or_else(short)?;
        images.push(RawImage { bytes, declared: declared.flatten(), size, feature_points });
        at = end;
    }
    Ok((images, off))
}

/// Where a picture begins: at its place, or else near it, or else right after
/// a block whose number of feature points is not true.
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
pub(super) fn iso39794(record: &[u8]) -> Result<Vec<RawImage<'_>>, ParseError> {
    let mut outer = Reader::new(record);
    // The block may come with or without the CBEFF choice around it.
    let block = match outer.peek() {
        Some(0xA1) => outer.read().within(NEW)?.children().expect(0x65).within(NEW)?,
        _ => outer.expect(0x65).within(NEW)?,
    };
    let representations = block.children().find(0xA1).within(NEW)?.ok_or(ParseError::malformed(NEW))?;
    let mut images = Vec::new();
    for representation in representations.children() {
        let representation = representation.within(NEW)?;
        // Three-dimensional shapes hold no picture that can be compared.
        let Some(image) = representation.children().find(0xA1).within(NEW)? else { continue };
        let Some(flat) = image.children().find(0xA0).within(NEW)? else { continue };
        let Some(block) = flat.children().find(0xA0).within(NEW)? else { continue };
        let mut fields = block.children();
        let picture = fields.expect(0x80).within(NEW)?;
        if images.len() == PHOTOS_MAX {
            return Err(ParseError::TooLarge { what: NEW, max: PHOTOS_MAX });
        }
        let information = fields.optional(0xA1).within(NEW)?.map(|field| field.children());
        images.push(RawImage {
            bytes: picture.value,
            declared: information.and_then(declared_kind),
            size: information.and_then(declared_size).unwrap_or((0, 0)),
            feature_points: 0,
        });
    }
    Ok(images)
}

/// imageDataFormat: A0 { 80 code }: 2 JPEG, 3 and 4 JPEG 2000 lossy and
/// lossless, 5 PNG. Code 0 and 1 are "unknown" and "other".
fn declared_kind(mut information: Reader<'_>) -> Option<DeclaredType> {
    let code = information.find(0xA0).ok()??.children().find(0x80).ok()??.value;
    match code {
        [2] => Some(DeclaredType::Jpeg),
        [3 | 4] => Some(DeclaredType::Jpeg2000),
        [5] => Some(DeclaredType::Png),
        _ => None,
    }
}

/// imageSizeBlock: A7 { 80 width, 81 height }.
fn declared_size(mut information: Reader<'_>) -> Option<(u16, u16)> {
    let mut size = information.find(0xA7).ok()??.children();
    let mut side = |tag| match size.find(tag).ok()??.value {
        [low] => Some(u16::from(*low)),
        [high, low] | [0, high, low] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    };
    Some((side(0x80)?, side(0x81)?))
}
