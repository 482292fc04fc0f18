//! Bytes to pixels: recognise the format by content, bound what it may cost,
//! decode, turn upright.

mod error;

pub use error::ImageError;

/// What an image may cost before it is refused. Checked before allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest encoded size, in bytes.
    pub encoded_bytes_max: usize,
    /// Largest picture, in pixels (width times height as the header declares).
    pub pixels_max: u64,
    /// Largest memory decoding may take, in bytes, the result included.
    pub decode_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { encoded_bytes_max: 16 << 20, pixels_max: 50_000_000, decode_bytes_max: 512 << 20 }
    }
}

/// An image format, recognised by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// JPEG (ISO/IEC 10918-1).
    Jpeg,
    /// PNG (ISO/IEC 15948).
    Png,
    /// WebP.
    WebP,
    /// JPEG 2000 in its JP2 box format (ISO/IEC 15444-1 annex I).
    Jp2,
    /// JPEG 2000, raw codestream (ISO/IEC 15444-1 annex A).
    J2k,
}

/// An 8-bit RGB picture, upright, rows from the top, no padding.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbImage {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl RgbImage {
    /// Wraps `data`, which holds `width * height * 3` bytes in R, G, B order.
    ///
    /// Returns `None` where the length does not fit or a side is zero.
    pub fn new(width: u32, height: u32, data: Vec<u8>) -> Option<Self> {
        let bytes = (width as usize).checked_mul(height as usize)?.checked_mul(3)?;
        (bytes != 0 && bytes == data.len()).then_some(Self { width, height, data })
    }

    /// Width in pixels, at least 1.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, at least 1.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels: R, G, B, row by row.
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

impl std::fmt::Debug for RgbImage {
    // Pixels of a face never reach a log through a stray `{:?}`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RgbImage({}x{})", self.width, self.height)
    }
}

/// A decoded picture and how it was had.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// The upright pixels.
    pub image: RgbImage,
    /// The format the bytes were in.
    pub format: Format,
    /// Upright size of the picture in the file, before scaled decoding.
    pub full_size: (u32, u32),
    /// 1 for a full decode; 2, 4 or 8 where the picture was decoded at that
    /// fraction of its size.
    pub scale: u32,
}

/// Recognises a format from the first bytes; names and declared types lie.
pub fn sniff(_bytes: &[u8]) -> Option<Format> {
    None
}

/// Decodes at full size.
pub fn decode(_bytes: &[u8], _limits: &Limits) -> Result<Decoded, ImageError> {
    Err(ImageError::Empty)
}

/// Decodes at the smallest scale (1, 1/2, 1/4, 1/8) whose shorter side is
/// still at least `short_side_min` pixels, where the format can; otherwise at
/// full size.
pub fn decode_scaled(_bytes: &[u8], _limits: &Limits, _short_side_min: u32) -> Result<Decoded, ImageError> {
    Err(ImageError::Empty)
}
