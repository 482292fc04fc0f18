//! Checks of [`Limits`] before allocation, and panic isolation for third-party decoders.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Format, ImageError, Limits};

/// Memory every decode may need besides what grows with the picture: tables,
/// row buffers of small pictures, parsed headers. Measured below 300 KiB for
/// every format; rounded up.
pub(super) const DECODE_BYTES_FIXED: u64 = 1 << 20;

impl Limits {
    pub(super) fn check_encoded(&self, bytes: &[u8]) -> Result<(), ImageError> {
        if bytes.is_empty() {
            return Err(ImageError::Empty);
        }
        if bytes.len() > self.encoded_bytes_max {
            return Err(ImageError::TooManyBytes { bytes: bytes.len(), bytes_max: self.encoded_bytes_max });
        }
        Ok(())
    }

    /// Checks the size a header declares. `format_pixels_max` is the format's own bound, if lower.
    pub(super) fn check_pixels(&self, width: u32, height: u32, format_pixels_max: u64) -> Result<(), ImageError> {
        let pixels_max = self.pixels_max.min(format_pixels_max);
        if u64::from(width) * u64::from(height) > pixels_max {
            return Err(ImageError::TooManyPixels { width, height, pixels_max });
        }
        Ok(())
    }

    /// Checks an estimate of all memory that decoding holds at its peak.
    pub(super) fn check_memory(&self, bytes: u64) -> Result<(), ImageError> {
        let bytes = bytes.saturating_add(DECODE_BYTES_FIXED);
        if bytes > self.decode_bytes_max {
            return Err(ImageError::TooMuchMemory { bytes, bytes_max: self.decode_bytes_max });
        }
        Ok(())
    }
}

/// Runs a third-party decoder; a panic inside becomes an error.
///
/// The decoders are memory-safe, so a panic is a failed bounds check or assertion on hostile input;
/// the picture is refused. Unwind safety holds because every buffer the decoder touched is dropped.
pub(super) fn isolate_panics<T>(
    format: Format,
    decode: impl FnOnce() -> Result<T, ImageError>,
) -> Result<T, ImageError> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| Err(malformed(format, "it upsets the decoder")))
}

pub(super) fn malformed(format: Format, detail: &str) -> ImageError {
    ImageError::Malformed { format, detail: detail.to_owned() }
}

pub(super) fn unsupported(format: Format, detail: &str) -> ImageError {
    ImageError::Unsupported { format, detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panicking_decoder_becomes_an_error_with_a_fixed_detail() {
        let got: Result<(), _> = isolate_panics(Format::Png, || panic!("secret pixel 12"));
        assert_eq!(got, Err(malformed(Format::Png, "it upsets the decoder")));
    }

    #[test]
    fn pixel_counts_beyond_32_bits_are_still_counted() {
        let limits = Limits::default();
        let got = limits.check_pixels(u32::MAX, u32::MAX, u64::MAX);
        assert!(matches!(got, Err(ImageError::TooManyPixels { .. })));
    }
}
