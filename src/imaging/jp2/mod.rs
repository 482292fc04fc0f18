//! JPEG 2000, boxed or raw, by `hayro-jpeg2000`.

mod boxes;
mod codestream;

use hayro_jpeg2000::{
    ColorSpace, DecodeError, DecodeSettings, DecoderContext, DecodingError, FormatError, Image, MarkerError,
};

use super::budget::{isolate_panics, malformed, unsupported};
use super::{Decoded, Format, ImageError, Limits, RgbImage, denominator_for, pixels};
use boxes::Jp2Boxes;
use codestream::Codestream;

/// Most pixels. Bit-plane decoding costs some twenty times more per pixel than a JPEG, and a
/// hostile file can require the most expensive kind with few bytes. Chips carry less than a
/// megapixel (ICAO 9303-10 recommends 12 to 20 KB).
const PIXELS_MAX: u64 = 8_000_000;

pub(super) fn decode(
    bytes: &[u8],
    limits: &Limits,
    format: Format,
    short_side_min: Option<u32>,
) -> Result<Decoded, ImageError> {
    let boxes = match format {
        Format::Jp2 => Jp2Boxes::read(bytes)?,
        _ => Jp2Boxes::raw(bytes),
    };
    let stream = Codestream::read(&bytes[boxes.codestream.clone()], format, |width, height| {
        limits.check_pixels(width, height, PIXELS_MAX)
    })?;
    let channels = u64::from(boxes.channels.unwrap_or(stream.components));
    let (width, height) = (stream.width, stream.height);
    let pixels = u64::from(width) * u64::from(height);
    // Planes of floats: decoded, and once more where they are sorted or looked
    // up in a palette; then the samples and their RGB.
    let plane_bytes = pixels * 4 * (u64::from(stream.components) + channels) + pixels * (channels + 3);
    limits.check_memory(plane_bytes + stream.working_bytes + 4 * boxes.header_bytes)?;

    // The decoder would refuse trailing bytes.
    let bytes = &bytes[..boxes.codestream.end];
    let denominator = denominator_for(width, height, short_side_min);
    let settings = DecodeSettings {
        resolve_palette_indices: true,
        // Strict mode cannot handle a last tile-part of unknown length.
        strict: !stream.open_ended,
        target_resolution: (denominator > 1).then(|| ((width / denominator).max(1), (height / denominator).max(1))),
    };
    let (size, data) = isolate_panics(format, || {
        let image = Image::new(bytes, &settings).map_err(|error| translate(error, format))?;
        let size = (image.width(), image.height());
        let mut context = DecoderContext::default();
        let decoded = image.decode(&mut context).map_err(|error| translate(error, format))?;
        let channels = decoded.components().len();
        let samples = decoded.data_u8();
        let data = match (channels, image.color_space().num_channels(), image.has_alpha(), image.color_space()) {
            (.., ColorSpace::Unknown { .. }) => return Err(unsupported(format, "its colour space")),
            (1, 1, false, _) => pixels::grey_to_rgb(&samples),
            (2, 1, true, _) => pixels::grey_alpha_to_rgb(&samples),
            (3, 3, false, _) => samples,
            (4, 3, true, _) => pixels::rgba_to_rgb(samples),
            (4, 4, false, _) => pixels::cmyk_to_rgb(samples),
            _ => return Err(unsupported(format, "its colour space")),
        };
        Ok((size, data))
    })?;

    let scale = [1, 2, 4, 8]
        .into_iter()
        .find(|&scale| size == (width.div_ceil(scale), height.div_ceil(scale)))
        .ok_or_else(|| malformed(format, "a size that changes"))?;
    let image = RgbImage::new(size.0, size.1, data).ok_or_else(|| malformed(format, "a picture of the wrong size"))?;
    Ok(Decoded { image, format, full_size: (width, height), scale, jpeg_quality: None })
}

fn translate(error: DecodeError, format: Format) -> ImageError {
    match error {
        DecodeError::Decoding(DecodingError::UnexpectedEof) | DecodeError::Marker(MarkerError::Expected("EOC")) => {
            ImageError::Truncated(format)
        }
        DecodeError::Format(FormatError::Unsupported) | DecodeError::Color(_) => {
            unsupported(format, "its colour space")
        }
        DecodeError::Marker(MarkerError::Unsupported) => unsupported(format, "a marker of an extension"),
        DecodeError::Format(_) => malformed(format, "its boxes are wrong"),
        DecodeError::Marker(_) => malformed(format, "its markers are wrong"),
        DecodeError::Tile(_) => malformed(format, "its tiles are wrong"),
        DecodeError::Validation(_) => malformed(format, "its coding parameters are wrong"),
        DecodeError::Decoding(_) => malformed(format, "its coded data is wrong"),
    }
}
