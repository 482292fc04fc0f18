//! Hexadecimal encoding of bytes.

/// Encodes bytes as lower-case hexadecimal.
pub(crate) fn encode(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// Decodes hexadecimal of either case; `None` for other characters or an odd number of digits.
pub(crate) fn decode(digits: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    base16ct::mixed::decode_vec(digits).ok()
}

/// Decodes exactly `N` bytes; `None` as for [`decode`], and for another length.
pub(crate) fn decode_array<const N: usize>(digits: impl AsRef<[u8]>) -> Option<[u8; N]> {
    decode(digits)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_byte_is_two_digits_and_nothing_else_is_a_byte() {
        assert_eq!((encode(&[0, 9, 10, 255]), encode(&[])), ("00090aff".to_owned(), String::new()));
        assert_eq!(decode_array("00090aFF"), Some([0, 9, 10, 255]));
        assert_eq!(decode_array::<4>("00090aff00"), None);
        for wrong in ["0", "0g", "+1", " 01", "0x01", "đ0"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn digits_are_the_bytes_again(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(decode(encode(&bytes)), Some(bytes));
        }
    }
}
