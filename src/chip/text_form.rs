//! Recognises files that were sent as text: hexadecimal or base64 instead of bytes, or a directory
//! listing. They are reported, never decoded for use.

use super::pem;
use super::tlv::TlvHeader;
use crate::hex;

/// Fewest decoded bytes for a text to be taken for an encoded file.
const BYTES_MIN: usize = 4;

/// The decoded bytes of hexadecimal (digits alone, or separated by white space, `:` or `,`, with or
/// without `0x`) or base64 text, if they are exactly one TLV; words and numbers of an ordinary text
/// hardly ever are.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    // The first characters rule out nearly all files, whatever their size.
    let begins = text.iter().take(64).all(|&byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    if !begins || text.is_empty() {
        return None;
    }
    [hexadecimal(text), pem::base64(text)].into_iter().flatten().find(|bytes| is_one_tlv(bytes))
}

/// Description of a text file's kind, if recognised.
pub(super) fn name(text: &[u8]) -> Option<&'static str> {
    let head = String::from_utf8_lossy(&text[..text.len().min(4096)]).to_lowercase();
    if head.lines().any(|line| line.starts_with("dn:")) {
        return Some(
            "a directory in LDIF, as the ICAO PKD hands it out; take the master lists out of it \
             (CscaMasterListData, base64) and name those",
        );
    }
    decode(text)?;
    let is_hex =
        hexadecimal(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)).is_some_and(|bytes| is_one_tlv(&bytes));
    Some(if is_hex {
        "its hexadecimal text; turn it into bytes with `xxd -r -p`"
    } else {
        "its base64 text; turn it into bytes with `base64 -d`"
    })
}

fn is_one_tlv(bytes: &[u8]) -> bool {
    let Ok(header) = TlvHeader::parse(bytes) else { return false };
    let length = header.length.and_then(|length| header.bytes.checked_add(length));
    bytes.len() >= BYTES_MIN && length == Some(bytes.len())
}

fn hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    let mut all = Vec::with_capacity(text.len());
    for word in text.split(|byte| byte.is_ascii_whitespace() || matches!(byte, b':' | b',')) {
        let digits = word.strip_prefix(b"0x").or(word.strip_prefix(b"0X")).unwrap_or(word);
        all.extend_from_slice(digits);
    }
    hex::decode(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chip::der;

    #[test]
    fn text_that_stands_for_a_file_is_told_from_notes() {
        for text in ["6104 5F1F 0141", "61:04:5f:1f:01:41", "0x61, 0x04, 0x5F, 0x1F, 0x01, 0x41\n", "YQRfHwFB\n"] {
            assert_eq!(decode(text.as_bytes()), Some(vec![0x61, 0x04, 0x5F, 0x1F, 0x01, 0x41]), "{text}");
        }
        for note in ["", "a note about this card", "abcd", "12345678", "face", "0x", "YQRfHwFBQQ=="] {
            assert_eq!(decode(note.as_bytes()), None, "{note}");
        }
        // A binary file whose bytes are all printable is still no text.
        assert_eq!(decode(&der::tlv(0x30, b"2")), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (decode(&bytes), name(&bytes));
        }

        #[test]
        fn what_is_written_as_text_is_known(value in proptest::collection::vec(any::<u8>(), 2..200)) {
            let file = der::tlv(0x61, &value);
            prop_assert_eq!(decode(hex::encode(&file).as_bytes()), Some(file));
        }
    }
}
