//! Distinguished names (RFC 5280, 4.1.2.4) with a tolerant comparison.

use super::error::InStructure;
use super::tlv::{Tlv, TlvReader};
use super::{ParseError, oid};

const WHAT: &str = "a distinguished name";
/// Most attributes in a name; genuine ones have seven.
const ATTRIBUTES_MAX: usize = 64;

/// A distinguished name.
///
/// Two names are equal if they hold the same attributes, whatever their order, string type, letter
/// case and spacing: genuine documents (Malaysia) write the same name in two orders.
#[derive(Debug, Clone)]
pub struct Name {
    attributes: Vec<(Vec<u8>, String)>,
    key: Vec<(Vec<u8>, String)>,
}

impl Name {
    pub(crate) fn parse(reader: &mut TlvReader<'_>) -> Result<Self, ParseError> {
        let mut attributes = Vec::new();
        for set in reader.expect(0x30).within(WHAT)?.children() {
            for attribute in set.within(WHAT)?.children() {
                let mut fields = attribute.within(WHAT)?.children();
                let arcs = fields.expect(0x06).within(WHAT)?.value.to_vec();
                let value = fields.read().within(WHAT)?;
                if attributes.len() == ATTRIBUTES_MAX {
                    return Err(ParseError::TooLarge { what: WHAT, max: ATTRIBUTES_MAX });
                }
                attributes.push((arcs, text(&value)));
            }
        }
        let normal = |value: &String| value.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let mut key: Vec<_> = attributes.iter().map(|(arcs, value)| (arcs.clone(), normal(value))).collect();
        key.sort();
        Ok(Self { attributes, key })
    }

    /// The countryName attribute in capitals, if present.
    pub fn country(&self) -> Option<String> {
        self.attributes.iter().find(|(arcs, _)| arcs == oid::COUNTRY).map(|(_, value)| value.trim().to_uppercase())
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Name {}

impl std::hash::Hash for Name {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (arcs, value)) in self.attributes.iter().enumerate() {
            let label = match arcs.as_slice() {
                oid::COUNTRY => "C",
                oid::ORGANISATION => "O",
                oid::ORGANISATIONAL_UNIT => "OU",
                oid::COMMON_NAME => "CN",
                [0x55, 0x04, 0x05] => "serialNumber",
                [0x55, 0x04, 0x07] => "L",
                [0x55, 0x04, 0x08] => "ST",
                other => &oid::dotted(other),
            };
            let comma = if index == 0 { "" } else { ", " };
            // Control characters of a hostile certificate must not reach terminals.
            let value: String = value.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
            write!(f, "{comma}{label}={value}")?;
        }
        Ok(())
    }
}

impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Any of the string types X.509 allows, as text.
pub(crate) fn text(tlv: &Tlv<'_>) -> String {
    match tlv.tag {
        // BMPString
        0x1E => {
            let units = tlv.value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        // T61String: Latin-1 is what is found in it
        0x14 => tlv.value.iter().map(|&byte| char::from(byte)).collect(),
        _ => String::from_utf8_lossy(tlv.value).into_owned(),
    }
}
