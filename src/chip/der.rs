//! DER encoding, for the rewriting of BER and for test cards.

/// Appends one TLV with a minimal length.
pub fn push(out: &mut Vec<u8>, tag: u32, value: &[u8]) {
    let tag_bytes = tag.to_be_bytes();
    let skip = tag_bytes.iter().take_while(|&&byte| byte == 0).count().min(3);
    out.extend_from_slice(&tag_bytes[skip..]);
    match value.len() {
        short @ 0..=0x7F => out.push(short as u8),
        long => {
            let length = long.to_be_bytes();
            let skip = length.iter().take_while(|&&byte| byte == 0).count();
            out.push(0x80 | (length.len() - skip) as u8);
            out.extend_from_slice(&length[skip..]);
        }
    }
    out.extend_from_slice(value);
}

/// One TLV.
pub fn tlv(tag: u32, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 8);
    push(&mut out, tag, value);
    out
}

/// A TLV around several parts.
pub fn wrap(tag: u32, parts: &[&[u8]]) -> Vec<u8> {
    tlv(tag, &parts.concat())
}

/// A SEQUENCE of parts.
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    wrap(0x30, parts)
}

/// A SET OF, its parts in DER order.
pub fn set_of(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut sorted: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    sorted.sort_unstable();
    wrap(0x31, &sorted)
}

/// A non-negative INTEGER from its big-endian bytes.
pub fn integer(bytes: &[u8]) -> Vec<u8> {
    let digits = bytes.iter().position(|&byte| byte != 0).map_or(&[][..], |at| &bytes[at..]);
    let mut value = Vec::with_capacity(digits.len() + 1);
    if digits.first().is_none_or(|&byte| byte & 0x80 != 0) {
        value.push(0);
    }
    value.extend_from_slice(digits);
    tlv(0x02, &value)
}

/// An OBJECT IDENTIFIER from its encoded arcs.
pub fn oid(arcs: &[u8]) -> Vec<u8> {
    tlv(0x06, arcs)
}

/// A BIT STRING of whole bytes.
pub fn bit_string(bytes: &[u8]) -> Vec<u8> {
    wrap(0x03, &[&[0], bytes])
}

/// An OCTET STRING.
pub fn octets(bytes: &[u8]) -> Vec<u8> {
    tlv(0x04, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::tlv::TlvReader;

    #[test]
    fn what_is_written_reads_back() {
        for length in [0, 1, 0x7F, 0x80, 0xFF, 0x100, 70_000] {
            for tag in [0x30, 0x5F1F, 0x7F61] {
                let bytes = tlv(tag, &vec![7; length]);
                let mut reader = TlvReader::new(&bytes);
                let back = reader.read().unwrap();
                assert_eq!((back.tag, back.value.len()), (tag, length));
                reader.finish().unwrap();
            }
        }
    }

    #[test]
    fn integers_are_minimal_and_never_negative() {
        assert_eq!(integer(&[]), [2, 1, 0]);
        assert_eq!(integer(&[0, 0, 1]), [2, 1, 1]);
        assert_eq!(integer(&[0x80]), [2, 2, 0, 0x80]);
    }
}
