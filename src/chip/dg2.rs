//! DG2: the pictures of the face, in either of its two encodings.
//!
//! `75 / 7F61 / 02, 7F60… / A1, 5F2E or 7F2E` (ICAO 9303-10, 4.7.2). The content of the biometric
//! data block decides its encoding, not the tag around it: `FAC` begins an ISO/IEC 19794-5:2005
//! record, `A1 65` an ISO/IEC 39794-5 one. The picture's first bytes decide its format.

use super::ParseError;
use super::error::InStructure;
use super::face_record::{self, RawImage};
use super::tlv::{Tlv, TlvError, TlvReader};
use crate::imaging::{self, Format};

const WHAT: &str = "DG2";
/// Most pictures read from one DG2.
pub const PHOTOS_MAX: usize = 16;
/// By how many bytes a length inside DG2 may exceed its parent: in genuine documents some are off
/// by a few.
const SLACK_BYTES: usize = 16;

/// Which standard a picture was wrapped in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaceEncoding {
    /// ISO/IEC 19794-5:2005.
    Iso19794,
    /// ISO/IEC 39794-5:2019.
    Iso39794,
}

/// A picture of DG2, not decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Dg2Photo {
    /// The picture's file: JPEG or JPEG 2000 as a rule.
    pub bytes: Vec<u8>,
    /// Its format by its first bytes; `None` if unknown.
    pub format: Option<Format>,
    /// The format its header declares, where it declares one.
    pub declared: Option<DeclaredType>,
    /// The record format that held it.
    pub encoding: FaceEncoding,
    /// Width and height its header declares, in pixels; 0 where it does not say.
    pub declared_size: (u16, u16),
    /// Number of feature points in its record.
    pub feature_points: usize,
}

/// The image data type a header may declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeclaredType {
    /// JPEG.
    Jpeg,
    /// JPEG 2000.
    Jpeg2000,
    /// PNG, in ISO/IEC 39794-5 alone.
    Png,
}

impl Dg2Photo {
    /// Whether the header declares another format than the picture has.
    pub fn declared_type_differs(&self) -> bool {
        match (self.format, self.declared) {
            (Some(Format::Jpeg), Some(declared)) => declared != DeclaredType::Jpeg,
            (Some(Format::Jp2 | Format::J2k), Some(declared)) => declared != DeclaredType::Jpeg2000,
            (Some(Format::Png), Some(declared)) => declared != DeclaredType::Png,
            (Some(_), Some(_)) => true,
            _ => false,
        }
    }
}

impl std::fmt::Debug for Dg2Photo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Photo({:?}, {:?}, {} bytes)", self.encoding, self.format, self.bytes.len())
    }
}

/// A parsed DG2.
#[derive(Debug, Clone)]
pub struct Dg2 {
    /// The pictures, in the order of the file; at least one.
    pub photos: Vec<Dg2Photo>,
    /// Whether a length was inconsistent and was tolerated.
    pub lengths_off: bool,
    /// Number of templates and pictures that were skipped because they were malformed or empty.
    pub unread: usize,
}

impl Dg2 {
    /// Parses a DG2 file.
    ///
    /// # Errors
    /// [`ParseError`] where the file is no DG2, or none of its records holds a picture.
    pub fn parse(file: &[u8]) -> Result<Self, ParseError> {
        let outer = TlvReader::new(file).expect(0x75).within(WHAT)?;
        let mut state = Dg2Builder::default();
        let group = state.next(&mut outer.children(), Some(0x7F61))?;
        let mut templates = group.children();
        // The declared count of templates is not trusted: they are read to the end of the group.
        templates.optional(0x02).within(WHAT)?;
        while !templates.is_empty() {
            let template = match state.next(&mut templates, None) {
                Ok(template) => template,
                // The start of the next template is unknown.
                Err(error) => {
                    state.pass_over(Err(error));
                    break;
                }
            };
            if template.tag == 0x7F60 {
                let held = state.photos.len() + state.unread;
                let read = state.template(template.children());
                // A template without a block holds no picture either.
                if read.is_ok() && held == state.photos.len() + state.unread {
                    state.unread += 1;
                }
                state.pass_over(read);
            }
        }
        state.finish("the photo in DG2")
    }

    /// Parses one biometric data block without its wrapping: a bare ISO/IEC
    /// 19794-5 or 39794-5 record.
    ///
    /// # Errors
    /// [`ParseError`] where the record is of no known format, or cut short.
    pub fn parse_record(record: &[u8]) -> Result<Self, ParseError> {
        let mut state = Dg2Builder::default();
        let read = state.block(record);
        state.pass_over(read);
        state.finish("the photo in the face record")
    }
}

#[derive(Default)]
struct Dg2Builder {
    photos: Vec<Dg2Photo>,
    lengths_off: bool,
    unread: usize,
    /// The error of the first template or picture that was skipped.
    failure: Option<ParseError>,
}

impl Dg2Builder {
    /// Counts a template or picture that could not be parsed: one readable picture is enough.
    fn pass_over(&mut self, read: Result<(), ParseError>) {
        if let Err(error) = read {
            self.unread += 1;
            self.failure.get_or_insert(error);
        }
    }

    fn finish(self, what: &'static str) -> Result<Dg2, ParseError> {
        if self.photos.is_empty() {
            return Err(self.failure.unwrap_or(ParseError::malformed(what)));
        }
        Ok(Dg2 { photos: self.photos, lengths_off: self.lengths_off, unread: self.unread })
    }

    /// The next TLV, with tag `tag` if given; up to [`SLACK_BYTES`] may be missing at its end.
    fn next<'a>(&mut self, reader: &mut TlvReader<'a>, tag: Option<u32>) -> Result<Tlv<'a>, ParseError> {
        let found = reader.peek().unwrap_or(0);
        if let Some(expected) = tag.filter(|&tag| tag != found) {
            return Err(TlvError::Unexpected { expected, found }).within(WHAT);
        }
        let exact = TlvReader::clone(reader).read().is_ok();
        self.lengths_off |= !exact;
        reader.read_clipped(SLACK_BYTES).within(WHAT)
    }

    fn template(&mut self, mut fields: TlvReader<'_>) -> Result<(), ParseError> {
        while !fields.is_empty() {
            // After a block whose declared length was too short, the remaining bytes are no TLV.
            if !self.photos.is_empty() && fields.peek().is_none_or(|tag| !matches!(tag, 0xA1 | 0x5F2E | 0x7F2E)) {
                self.lengths_off = true;
                return Ok(());
            }
            let rest = fields.rest();
            let field = self.next(&mut fields, None)?;
            if matches!(field.tag, 0x5F2E | 0x7F2E) {
                // The record's own lengths may exceed the block's.
                let header = field.raw.len() - field.value.len();
                let reach = rest.len().min(field.raw.len() + SLACK_BYTES);
                let roomy = if fields.is_empty() { field.value } else { &rest[header..reach] };
                let next_is_block = fields.peek().is_some_and(|tag| matches!(tag, 0xA1 | 0x5F2E | 0x7F2E));
                let read = self.block(if next_is_block { field.value } else { roomy });
                self.pass_over(read);
            }
        }
        Ok(())
    }

    fn block(&mut self, block: &[u8]) -> Result<(), ParseError> {
        let (encoding, record) = if block.starts_with(b"FAC\0") {
            (FaceEncoding::Iso19794, face_record::iso19794(block)?)
        } else {
            (FaceEncoding::Iso39794, face_record::iso39794(block)?)
        };
        let face_record::FaceRecord { images, lengths_off, unread } = record;
        self.lengths_off |= lengths_off;
        self.unread += unread;
        for RawImage { bytes, declared, size, feature_points } in images {
            // Pictures beyond [`PHOTOS_MAX`] are ignored.
            if self.photos.len() == PHOTOS_MAX {
                self.unread += 1;
                continue;
            }
            self.photos.push(Dg2Photo {
                format: picture_format(bytes),
                bytes: bytes.to_vec(),
                declared,
                encoding,
                declared_size: size,
                feature_points,
            });
        }
        Ok(())
    }
}

/// The format of a picture by its first bytes. JPEG and JPEG 2000 are tested first and by their own
/// signatures, because this also searches for pictures in records with wrong lengths; other formats
/// are recognised by `imaging`.
pub(crate) fn picture_format(bytes: &[u8]) -> Option<Format> {
    if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
        Some(Format::Jpeg)
    } else if bytes.starts_with(b"\0\0\0\x0cjP  \r\n\x87\n") {
        Some(Format::Jp2)
    } else if bytes.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]) {
        Some(Format::J2k)
    } else {
        imaging::sniff(bytes)
    }
}
