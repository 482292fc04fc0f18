//! EF.COM: the card's unsigned index of data groups (ICAO 9303-10, 4.6.1).

use super::ParseError;
use super::error::InStructure;
use super::files::FileId;
use super::tlv::TlvReader;

/// EF.COM: the card's unsigned index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Com {
    /// LDS version, such as `0107`.
    pub lds_version: String,
    /// Data groups it lists, in order.
    pub groups: Vec<u8>,
}

impl Com {
    /// Parses an EF.COM file.
    ///
    /// # Errors
    /// [`ParseError`] where the file is no EF.COM.
    pub fn parse(file: &[u8]) -> Result<Self, ParseError> {
        const WHAT: &str = "EF.COM";
        let mut fields = TlvReader::new(file).expect(0x60).within(WHAT)?.children();
        let version = fields.expect(0x5F01).within(WHAT)?.value;
        let tags = fields.find(0x5C).within(WHAT)?.ok_or(ParseError::malformed(WHAT))?;
        let mut groups = Vec::new();
        for &tag in tags.value {
            match FileId::from_tag(u32::from(tag)) {
                Some(FileId::Group(number)) if !groups.contains(&number) => groups.push(number),
                Some(FileId::Group(_)) => {}
                _ => return Err(ParseError::malformed(WHAT)),
            }
        }
        Ok(Self { lds_version: String::from_utf8_lossy(version).into_owned(), groups })
    }
}
