//! Protocol Buffers wire format: splits a message into its fields without decoding them.

use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field};

/// A field of a message, borrowed from the file.
pub(super) struct WireField<'a> {
    pub number: u32,
    /// The encoded field, with its key.
    pub whole: &'a [u8],
    /// The content of a length-delimited field, or the encoded number.
    pub content: &'a [u8],
}

/// The fields of a message in order; `None` if the bytes are no valid message.
pub(super) fn fields(message: &[u8]) -> Option<Vec<WireField<'_>>> {
    let mut rest = message;
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let start = rest;
        let (number, wire) = decode_key(&mut rest).ok()?;
        let mut inside = rest;
        if wire == WireType::LengthDelimited {
            decode_varint(&mut inside).ok()?;
        }
        skip_field(wire, number, &mut rest, Default::default()).ok()?;
        let whole = &start[..start.len() - rest.len()];
        let content = inside.get(..inside.len().checked_sub(rest.len())?)?;
        fields.push(WireField { number, whole, content });
    }
    Some(fields)
}

/// Appends a length-delimited field.
pub(super) fn put(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

/// A length-delimited field that holds `message`.
pub(super) fn field_of(number: u32, message: &impl Message) -> Vec<u8> {
    let mut field = Vec::new();
    put(&mut field, number, &message.encode_to_vec());
    field
}
