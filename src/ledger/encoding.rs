//! Base64 and decimal numbers as the C2SP formats write them: each value has one spelling, and no
//! other is read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Largest number of leaves and largest index: programs that check logs count with 63 bits.
pub(super) const NUMBER_MAX: u64 = i64::MAX as u64;

/// Base64 with padding (RFC 4648, section 4).
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes [`base64`]; `None` for anything that it would not have written.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Decodes exactly `N` bytes.
pub(super) fn array_from_base64<const N: usize>(text: &str) -> Option<[u8; N]> {
    from_base64(text)?.try_into().ok()
}

/// An ASCII decimal of 0…[`NUMBER_MAX`] without leading zeros.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let has_leading_zero = text.len() > 1 && text.starts_with('0');
    if !is_plain || has_leading_zero {
        return None;
    }
    text.parse().ok().filter(|number| *number <= NUMBER_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("9223372036854775807"), Some(NUMBER_MAX));
        for wrong in ["", "00", "01", "+1", "-1", " 1", "1 ", "1.0", "0x1", "9223372036854775808", "١"] {
            assert_eq!(decimal(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn bytes_have_one_spelling() {
        assert_eq!(from_base64("Zg=="), Some(b"f".to_vec()));
        // Padding that is missing or too much, bits that nothing stands for, another alphabet, spaces.
        for wrong in ["Zg", "Zg=", "Zg===", "Zh==", "Z_==", "Zg==\n", " Zg==", "Zg==Zg=="] {
            assert_eq!(from_base64(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes in prop::collection::vec(any::<u8>(), 0..50), number in 0..=NUMBER_MAX) {
            prop_assert_eq!(from_base64(&base64(&bytes)), Some(bytes));
            prop_assert_eq!(decimal(&number.to_string()), Some(number));
        }

        #[test]
        fn what_is_read_is_written_so(text in "[A-Za-z0-9+/=]{0,12}") {
            if let Some(bytes) = from_base64(&text) {
                prop_assert_eq!(base64(&bytes), text);
            }
        }
    }
}
