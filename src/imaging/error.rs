use super::Format;

/// Why a picture could not be decoded. Always caused by the input: retrying with the same bytes
/// cannot succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// No bytes at all.
    #[error("the image is empty (0 bytes); send the photo again")]
    Empty,
    /// More bytes than the limit.
    #[error("the image has {bytes} bytes, the limit is {bytes_max}; send a smaller photo")]
    TooManyBytes {
        /// Size of the image.
        bytes: usize,
        /// The limit it broke.
        bytes_max: usize,
    },
    /// The first bytes belong to no format read here.
    #[error("not an image this program reads; send JPEG, PNG, WebP, BMP or JPEG 2000")]
    UnknownFormat,
    /// More pixels than the limit, by the header.
    #[error("the image is {width}x{height} pixels, the limit is {pixels_max} pixels; send a smaller photo")]
    TooManyPixels {
        /// Declared width.
        width: u32,
        /// Declared height.
        height: u32,
        /// The limit it broke.
        pixels_max: u64,
    },
    /// Decoding would take more memory than the limit.
    #[error("decoding the image would take {bytes} bytes of memory, the limit is {bytes_max}; send a smaller photo")]
    TooMuchMemory {
        /// Estimate of what decoding takes.
        bytes: u64,
        /// The limit it broke.
        bytes_max: u64,
    },
    /// More than one frame.
    #[error("the image is animated; send a single still photo")]
    Animated,
    /// The file ends before the picture does.
    #[error("the {0:?} image is cut short; send the photo again")]
    Truncated(Format),
    /// The bytes violate the format's specification.
    #[error("the {format:?} image is damaged ({detail}); send the photo again")]
    Malformed {
        /// The format it claims to be.
        format: Format,
        /// What the decoder found, without any image content.
        detail: String,
    },
    /// A valid picture with features that are not supported.
    #[error("this kind of {format:?} image is not supported ({detail}); send a plain 8-bit JPEG or PNG")]
    Unsupported {
        /// The format it is in.
        format: Format,
        /// What is not supported.
        detail: String,
    },
}
