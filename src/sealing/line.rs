//! How keys and shares are written: one line of text with check bytes, and each has one spelling.

#![forbid(unsafe_code)]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// Longest line that is read, in bytes; those that are written are shorter.
pub(super) const BYTES_MAX: usize = 256;
/// Longest part that is encoded, in bytes.
const PART_BYTES_MAX: usize = 64;
/// Base64 digits of that part.
const DIGITS_MAX: usize = PART_BYTES_MAX.div_ceil(3) * 4;

/// A line of a prefix, the bytes in base64url without padding, and a line break.
pub(super) fn written(prefix: &str, bytes: &[u8]) -> Zeroizing<String> {
    let mut digits = Zeroizing::new([0; DIGITS_MAX]);
    let length = URL_SAFE_NO_PAD.encode_slice(bytes, digits.as_mut_slice()).expect("no longer than the longest part");
    // Room for all of it: a string that grows leaves its earlier bytes behind.
    let mut line = Zeroizing::new(String::with_capacity(prefix.len() + length + 1));
    line.push_str(prefix);
    line.push_str(std::str::from_utf8(&digits[..length]).expect("base64"));
    line.push('\n');
    line
}

/// Decodes exactly `N` bytes of base64url; `None` for another length, other characters and padding.
pub(super) fn decoded<const N: usize>(digits: &[u8]) -> Option<Zeroizing<[u8; N]>> {
    const { assert!(N.is_multiple_of(3) && N <= PART_BYTES_MAX, "whole groups of digits have one spelling") };
    let mut bytes = Zeroizing::new([0; N]);
    if digits.len() != N / 3 * 4 {
        return None;
    }
    let length = URL_SAFE_NO_PAD.decode_slice(digits, bytes.as_mut_slice()).ok()?;
    (length == N).then_some(bytes)
}
