//! PEM (RFC 7468) around certificates and lists.

use super::cms::SignedData;
use super::tlv::TlvReader;
use super::{ParseError, oid, text_form};

const WHAT: &str = "a PEM file";
const CERTIFICATE: &str = "a certificate";
const JOINED: &str = "a certificate or list in DER joined to a PEM file; put it in a file of its own";
/// Most blocks of one file.
const BLOCKS_MAX: usize = 10_000;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
/// The label of a revocation list (RFC 7468, 7).
const CRL_BEGIN: &[u8] = b"-----BEGIN X509 CRL-----";

/// The DER blocks of a file: the file itself, or each PEM block decoded. Text around PEM blocks may
/// be in any encoding. Other files are an error that names what they are.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Result<Vec<u8>, ParseError>>, ParseError> {
    if bytes.first() == Some(&0x30) && text_form::decode(bytes).is_none() {
        return Ok(vec![Ok(bytes.to_vec())]);
    }
    let mut blocks = Vec::new();
    let mut rest = bytes;
    let joined = || Err(ParseError::Instead { what: "PEM", found: JOINED });
    while let Some(start) = find(rest, BEGIN) {
        if blocks.len() == BLOCKS_MAX {
            return Err(ParseError::TooLarge { what: WHAT, max: BLOCKS_MAX });
        }
        if has_der(&rest[..start]) {
            blocks.push(joined());
        }
        let Some(line) = rest[start..].iter().position(|&byte| matches!(byte, b'\n' | b'\r')) else {
            blocks.push(Err(ParseError::malformed(WHAT)));
            rest = &[];
            break;
        };
        let body = &rest[start + line..];
        let Some(end) = find(body, END) else {
            blocks.push(Err(ParseError::malformed(WHAT)));
            rest = &[];
            break;
        };
        blocks.push(base64(&body[..end]).ok_or(ParseError::malformed(WHAT)));
        rest = &body[end + END.len()..];
    }
    if !blocks.is_empty() {
        if has_der(rest) {
            blocks.push(joined());
        }
        return Ok(blocks);
    }
    Err(match text_form::name(bytes) {
        Some(found) => ParseError::Instead { what: CERTIFICATE, found },
        None => ParseError::malformed(CERTIFICATE),
    })
}

/// Whether the bytes around PEM blocks hold the start of a DER or BER structure: a SEQUENCE whose
/// first element is a SEQUENCE (certificates, revocation lists) or an object identifier (master
/// lists).
fn has_der(around: &[u8]) -> bool {
    around.windows(2).enumerate().any(|(at, pair)| {
        let lengths = match pair {
            [0x30, 0x80] => 0,
            [0x30, length @ 0x81..=0x84] => usize::from(length - 0x80),
            _ => return false,
        };
        matches!(around.get(at + 2 + lengths), Some(0x30 | 0x06))
    })
}

/// Whether the file has a PEM label of a revocation list.
pub(super) fn is_revocation_list(bytes: &[u8]) -> bool {
    find(bytes, CRL_BEGIN).is_some()
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut buffer, mut bits) = (0u32, 0u32);
    for byte in text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()) {
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
    // The outer length may be indefinite, so only the first tag inside is tested.
    let Ok(header) = super::tlv::TlvHeader::parse(block) else { return false };
    let Some(inside) = block.get(header.bytes..) else { return false };
    header.tag == 0x30 && TlvReader::new(inside).expect(0x06).is_ok_and(|arcs| arcs.value == oid::SIGNED_DATA)
}

/// Whether SignedData is a certificate bundle (content type id-data) and no master list.
pub(super) fn is_bundle(block: &[u8]) -> bool {
    // A bundle has no signer (RFC 5652, 5.2), so [`SignedData::parse`] would refuse it.
    SignedData::content_type_of(block).is_some_and(|arcs| arcs == oid::DATA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn armour_is_taken_off_whatever_is_written_around_it() {
        let pem = b"note\n-----BEGIN CERTIFICATE-----\nMAMC\nAQU=\n-----END CERTIFICATE-----\n";
        let block = || Ok(vec![0x30, 0x03, 0x02, 0x01, 0x05]);
        assert_eq!(decode(pem).unwrap(), [block()]);
        // A comment in Latin-1, and line ends of classic Mac OS.
        let latin = [b"Autorit\xe9 n\xb0 1\n", &pem[..], b"\xe9\n"].concat();
        assert_eq!(decode(&latin).unwrap(), [block()]);
        let mac: Vec<u8> = pem.iter().map(|&byte| if byte == b'\n' { b'\r' } else { byte }).collect();
        assert_eq!(decode(&mac).unwrap(), [block()]);
        assert_eq!(decode(&[0x30, 0x00]).unwrap(), [Ok(vec![0x30, 0x00])]);
        for bad in ["", "text", "-----BEGIN X-----", "-----BEGIN X-----\nAA!\n-----END X-----"] {
            assert!(!decode(bad.as_bytes()).is_ok_and(|blocks| blocks.iter().all(Result::is_ok)), "{bad}");
        }
    }

    #[test]
    fn der_joined_to_armour_is_told_and_a_comment_is_not() {
        let pem = b"-----BEGIN CERTIFICATE-----\nMAMCAQU=\n-----END CERTIFICATE-----\n";
        let der = [0x30, 0x82, 0x01, 0x00, 0x30, 0x81, 0xF0];
        let note = "Ng\u{e0}y 30/01/2020 0\u{82}0 \u{1ea5}\n".as_bytes();
        for (file, blocks) in [
            ([&pem[..], &der].concat(), vec![true, false]),
            ([&pem[..], &der, pem].concat(), vec![true, false, true]),
            ([b"note ", &der[..], pem].concat(), vec![false, true]),
            ([note, pem, note].concat(), vec![true]),
        ] {
            let found = decode(&file).unwrap();
            assert_eq!(found.iter().map(Result::is_ok).collect::<Vec<_>>(), blocks);
        }
    }

    #[test]
    fn one_damaged_block_leaves_the_others() {
        let block = |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        let blocks = decode([block("MAMCAQU="), block("M!"), block("MAMCAQY=")].concat().as_bytes()).unwrap();
        assert_eq!(blocks.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn what_is_no_certificate_is_called_what_it_is() {
        let told = |text: &str| decode(text.as_bytes()).unwrap_err().to_string();
        assert!(told("30 03 02 01 05\n").contains("hexadecimal"));
        assert!(told("MAMCAQU=\n").contains("base64"));
        assert!(told("version: 1\ndn: c=DE,dc=data\nCscaMasterListData:: MAMC\n").contains("LDIF"));
    }
}
