//! Lines of JSON with a checksum each: CRC-32 of the JSON in hexadecimal, a space, the JSON, a
//! line break.

use std::io::{self, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::hex;

/// The line of a value, with its line break.
pub(super) fn encode(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(value)?;
    let mut line = Vec::with_capacity(json.len() + 10);
    write!(line, "{} ", hex::encode(&crc32fast::hash(&json).to_be_bytes()))?;
    line.extend(json);
    line.push(b'\n');
    Ok(line)
}

/// The value of a line with its line break; `None` where it was altered, cut short, or is of
/// another kind.
pub(super) fn decode<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    let (crc, json) = line.strip_suffix(b"\n")?.split_at_checked(9)?;
    let crc = u32::from_be_bytes(hex::decode_array(crc.strip_suffix(b" ")?)?);
    if crc32fast::hash(json) != crc {
        return None;
    }
    serde_json::from_slice(json).ok()
}
