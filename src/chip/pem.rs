//! PEM armour (RFC 7468), where operators keep certificates in it.

use super::tlv::Reader;
use super::{ParseError, oid};

const WHAT: &str = "a PEM file";
/// Most blocks of one file.
const BLOCKS_MAX: usize = 10_000;

/// The DER blocks of a file: its bytes as they are, or what its PEM holds.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Vec<u8>>, ParseError> {
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes.to_vec()]);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ParseError::malformed(WHAT))?;
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("-----BEGIN ") {
        let body = rest[start..].split_once('\n').ok_or(ParseError::malformed(WHAT))?.1;
        let (body, after) = body.split_once("-----END ").ok_or(ParseError::malformed(WHAT))?;
        if blocks.len() == BLOCKS_MAX {
            return Err(ParseError::TooLarge { what: WHAT, max: BLOCKS_MAX });
        }
        blocks.push(base64(body).ok_or(ParseError::malformed(WHAT))?);
        rest = after;
    }
    if blocks.is_empty() { Err(ParseError::malformed(WHAT)) } else { Ok(blocks) }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut buffer, mut bits) = (0u32, 0u32);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => continue,
            _ => return None,
        };
        buffer = buffer << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((buffer >> bits) as u8);
        }
    }
    Some(out)
}

/// Whether a block is a ContentInfo with SignedData.
pub(super) fn is_signed_data(block: &[u8]) -> bool {
    // The outer length may be indefinite: only the first tag inside counts.
    let Ok(header) = super::tlv::Header::parse(block) else { return false };
    let Some(inside) = block.get(header.bytes..) else { return false };
    header.tag == 0x30 && Reader::new(inside).expect(0x06).is_ok_and(|arcs| arcs.value == oid::SIGNED_DATA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn armour_is_taken_off() {
        let pem = b"note\n-----BEGIN CERTIFICATE-----\nMAMC\nAQU=\n-----END CERTIFICATE-----\n";
        assert_eq!(decode(pem).unwrap(), [vec![0x30, 0x03, 0x02, 0x01, 0x05]]);
        assert_eq!(decode(&[0x30, 0x00]).unwrap(), [vec![0x30, 0x00]]);
        for bad in ["", "text", "-----BEGIN X-----", "-----BEGIN X-----\nAA!\n-----END X-----"] {
            assert!(decode(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
