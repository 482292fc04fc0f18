//! JPEG decoding: by `jpeg_scaled` where it supports the file, else by `zune-jpeg`.

mod quality;
mod structure;

use image::metadata::Orientation;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::budget::{isolate_panics, malformed, unsupported};
use super::{Decoded, Format, ImageError, Limits, RgbImage, denominator_for, jpeg_scaled, orient, pixels};
use structure::{CodingProcess, JpegStructure};

pub(super) fn decode(bytes: &[u8], limits: &Limits, short_side_min: Option<u32>) -> Result<Decoded, ImageError> {
    let structure = JpegStructure::read(bytes, |width, height| limits.check_pixels(width, height, u64::MAX))?;
    let (width, height) = (structure.width, structure.height);
    let orientation =
        structure.exif.clone().map_or(Orientation::NoTransforms, |range| orient::from_exif(&bytes[range]));

    let mut scale = denominator_for(width, height, short_side_min);
    let mut picture = None;
    if structure.coding == CodingProcess::Sequential && structure.interleaved {
        limits.check_memory(scaled_bytes(&structure, orientation, scale))?;
        let size = (width.div_ceil(scale), height.div_ceil(scale));
        picture = jpeg_scaled::try_decode(bytes, scale).filter(|image| (image.width, image.height) == size);
    }
    let picture = match picture {
        Some(picture) => picture,
        None => {
            scale = 1;
            limits.check_memory(full_bytes(&structure, orientation, bytes.len()))?;
            let data = decode_full(bytes, &structure)?;
            RgbImage::new(width, height, data).ok_or_else(|| malformed(Format::Jpeg, "a picture of the wrong size"))?
        }
    };
    let upright = Decoded::upright(picture, orientation, Format::Jpeg, (width, height), scale);
    Ok(Decoded { jpeg_quality: structure.quality, ..upright })
}

/// Colour model of the coded samples, by libjpeg's rules (jdapimin.c, `default_decompress_parms`):
/// the Adobe segment decides, then the component identifiers.
enum ColourModel {
    Grey,
    YCbCr,
    Rgb,
    /// CMYK with 0 for full ink, as Adobe's programs write it. Files without an Adobe segment are
    /// read the same way, as by browsers and Pillow.
    InvertedCmyk,
    Ycck,
}

fn colour_model(structure: &JpegStructure) -> ColourModel {
    match (structure.components.len(), structure.adobe_transform) {
        (1, _) => ColourModel::Grey,
        (3, Some(0)) => ColourModel::Rgb,
        (3, _) if structure.named_rgb() => ColourModel::Rgb,
        (3, _) => ColourModel::YCbCr,
        (_, Some(2)) => ColourModel::Ycck,
        _ => ColourModel::InvertedCmyk,
    }
}

fn decode_full(bytes: &[u8], structure: &JpegStructure) -> Result<Vec<u8>, ImageError> {
    let colours = colour_model(structure);
    // The decoder does not get the Adobe segment, so it assumes YCbCr for three components and CMYK
    // for four; with the same output colour space it returns samples unconverted.
    let output_colours = match colours {
        ColourModel::Grey => ColorSpace::Luma,
        ColourModel::YCbCr => ColorSpace::RGB,
        ColourModel::Rgb if structure.named_rgb() => ColorSpace::RGB,
        ColourModel::Rgb => ColorSpace::YCbCr,
        ColourModel::InvertedCmyk | ColourModel::Ycck => ColorSpace::CMYK,
    };
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(output_colours);
    let kept = structure.pixels_only(bytes);
    let samples = isolate_panics(Format::Jpeg, || {
        JpegDecoder::new_with_options(ZCursor::new(&kept), options).decode().map_err(translate)
    })?;
    Ok(match colours {
        ColourModel::Grey => pixels::grey_to_rgb(&samples),
        ColourModel::YCbCr | ColourModel::Rgb => samples,
        ColourModel::InvertedCmyk => pixels::inverted_cmyk_to_rgb(samples),
        ColourModel::Ycck => pixels::ycck_to_rgb(samples),
    })
}

/// The decoder's messages quote values from the data; ours are fixed.
fn translate(error: DecodeErrors) -> ImageError {
    let bad = |detail| malformed(Format::Jpeg, detail);
    match error {
        DecodeErrors::ExhaustedData | DecodeErrors::IoErrors(_) => ImageError::Truncated(Format::Jpeg),
        DecodeErrors::FormatStatic("Premature end of buffer") => ImageError::Truncated(Format::Jpeg),
        DecodeErrors::Unsupported(_) => unsupported(Format::Jpeg, "its coding"),
        DecodeErrors::HuffmanDecode(_) => bad("a Huffman table or code is wrong"),
        DecodeErrors::DqtError(_) => bad("a quantisation table is wrong"),
        DecodeErrors::SosError(_) => bad("a scan header is wrong"),
        DecodeErrors::SofError(_) => bad("the frame header is wrong"),
        DecodeErrors::MCUError(_) => bad("its coded data is wrong"),
        _ => bad("its data is wrong"),
    }
}

/// Memory of a scaled decode: the result, a second one where it is turned on
/// its side, and two rows of units of every component at full width.
fn scaled_bytes(structure: &JpegStructure, orientation: Orientation, scale: u32) -> u64 {
    let pixels = u64::from(structure.width.div_ceil(scale)) * u64::from(structure.height.div_ceil(scale));
    pixels * 3 * buffers(orientation) + row_bytes(structure)
}

/// Memory of a full decode by `zune-jpeg`: the copy of the pixel-making bytes,
/// the result in the components it comes in, its rows, and the coefficients
/// (16 bits each, padded to whole units) where a picture is coded in passes.
fn full_bytes(structure: &JpegStructure, orientation: Orientation, encoded_bytes: usize) -> u64 {
    let pixels = u64::from(structure.width) * u64::from(structure.height);
    let sample_bytes = match structure.components.len() {
        // Grey and its RGB stand side by side for a moment.
        1 => 1 + 3 * buffers(orientation),
        3 => 3 * buffers(orientation),
        // Squeezed to RGB in place; turning or giving back the rest copies.
        _ => 4 + 3,
    };
    let (h_max, v_max) = structure.sampling_max();
    let mcus = u64::from(structure.width).div_ceil(8 * h_max) * u64::from(structure.height).div_ceil(8 * v_max);
    let blocks: u64 = structure.components.iter().map(|c| mcus * u64::from(c.h) * u64::from(c.v)).sum();
    let in_passes = structure.coding == CodingProcess::Progressive || !structure.interleaved;
    let coefficient_bytes = if in_passes { blocks * 64 * 2 } else { 0 };
    encoded_bytes as u64 + pixels * sample_bytes + coefficient_bytes + row_bytes(structure)
}

fn row_bytes(structure: &JpegStructure) -> u64 {
    let (h_max, v_max) = structure.sampling_max();
    let row = u64::from(structure.width).div_ceil(8 * h_max) * 8 * h_max;
    // Coefficients, the same upsampled, and upsampling's scratch: 16-bit each.
    row * 8 * v_max * structure.components.len() as u64 * 2 * 3
}

fn buffers(orientation: Orientation) -> u64 {
    if orient::swaps_sides(orientation) { 2 } else { 1 }
}
