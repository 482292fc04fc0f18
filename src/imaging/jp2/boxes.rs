//! Parses the boxes of a JP2 file (ISO/IEC 15444-1, annex I): location of the codestream, and what
//! decoding costs.

use std::ops::Range;

use super::super::budget::{malformed, unsupported};
use super::super::{Format, ImageError};

const CUT: ImageError = ImageError::Truncated(Format::Jp2);

/// Channels an output may have: four colours or three and alpha.
const CHANNELS_MAX: usize = 4;

/// Location of the codestream, and properties from the header box.
pub(super) struct Jp2Boxes {
    pub(super) codestream: Range<usize>,
    /// Number of channels after palette lookup; `None` without a palette.
    pub(super) channels: Option<u8>,
    /// Size of the header box in bytes; decoding copies its profiles and palettes.
    pub(super) header_bytes: u64,
}

impl Jp2Boxes {
    /// A codestream without boxes.
    pub(super) fn raw(bytes: &[u8]) -> Self {
        Self { codestream: 0..bytes.len(), channels: None, header_bytes: 0 }
    }

    /// Parses up to the first codestream; what follows is ignored.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let mut at = 0;
        let mut header = None;
        loop {
            let next = Jp2Box::read(bytes, at)?;
            match &next.name {
                b"jp2h" if header.is_some() => return Err(bad("two header boxes")),
                b"jp2h" => header = Some((header_channels(&bytes[next.body.clone()])?, next.body.len() as u64)),
                b"jp2c" => {
                    let (channels, header_bytes) = header.ok_or_else(|| bad("no header box before the picture"))?;
                    return Ok(Self { codestream: next.body, channels, header_bytes });
                }
                _ => {}
            }
            at = next.body.end;
        }
    }
}

struct Jp2Box {
    name: [u8; 4],
    body: Range<usize>,
}

impl Jp2Box {
    fn read(bytes: &[u8], at: usize) -> Result<Self, ImageError> {
        let &[l3, l2, l1, l0, ref name @ ..] = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()).ok_or(CUT)?;
        let (start, length) = match u32::from_be_bytes([l3, l2, l1, l0]) {
            0 => (at + 8, bytes.len() - at),
            1 => {
                let length = bytes.get(at + 8..).and_then(|rest| rest.first_chunk::<8>()).ok_or(CUT)?;
                (at + 16, usize::try_from(u64::from_be_bytes(*length)).map_err(|_| CUT)?)
            }
            length => (at + 8, usize::try_from(length).map_err(|_| CUT)?),
        };
        let end = at.checked_add(length).filter(|&end| end <= bytes.len()).ok_or(CUT)?;
        if end < start {
            return Err(bad("a box shorter than its own header"));
        }
        Ok(Self { name: *name, body: start..end })
    }
}

/// Number of channels that a palette expands to, if there is one. Refuses palettes and colour
/// spaces that would expand without bound or decode to wrong colours.
fn header_channels(header: &[u8]) -> Result<Option<u8>, ImageError> {
    const CIELAB: [u8; 4] = [0, 0, 0, 14];
    let (mut at, mut columns, mut mapped) = (0, None, None);
    while at < header.len() {
        let next = Jp2Box::read(header, at)?;
        let body = &header[next.body.clone()];
        match &next.name {
            b"pclr" => columns = Some(usize::from(*body.get(2).ok_or_else(|| bad("a short palette"))?)),
            b"cmap" => mapped = Some(body.len() / 4),
            b"colr" if body.first() == Some(&1) && body.get(3..7) == Some(&CIELAB) => {
                return Err(unsupported(Format::Jp2, "CIELab colours"));
            }
            _ => {}
        }
        at = next.body.end;
    }
    let Some(columns) = columns else {
        return Ok(None);
    };
    let channels = mapped.unwrap_or(columns);
    if columns > CHANNELS_MAX || !(1..=CHANNELS_MAX).contains(&channels) {
        return Err(unsupported(Format::Jp2, "a palette of more than four colours"));
    }
    Ok(Some(channels as u8))
}

fn bad(detail: &str) -> ImageError {
    malformed(Format::Jp2, detail)
}
