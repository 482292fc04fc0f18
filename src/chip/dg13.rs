//! DG13 of Vietnam's citizen card: the holder's data as Unicode text.
//!
//! Tag `6D` with entries `30 L 02 01 id …`. No specification and no genuine DG13 is public: the
//! layout is the one reported by people who read their own cards, and **this parser has been tested
//! only against its own encoder**. So it is tolerant: it accepts entries at any depth and strings
//! of any type, and keeps unknown entries.

use super::error::InStructure;
use super::name;
use super::personal::{BirthDate, Personal, Sex};
use super::tlv::{Tlv, TlvError, TlvReader};
use super::{ParseError, der};
use crate::dates::Date;
use crate::text;

const WHAT: &str = "DG13";
/// Most entries read; about sixteen are reported on genuine cards.
const ENTRIES_MAX: usize = 64;
/// Most values of one entry.
const VALUES_MAX: usize = 16;
/// Deepest nesting.
const DEPTH_MAX: usize = 8;

/// Identifier of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dg13Id {
    /// 01: the citizen's number, twelve digits.
    Number,
    /// 02: full name.
    Name,
    /// 03: date of birth.
    Birth,
    /// 04: sex.
    Sex,
    /// 05: nationality.
    Nationality,
    /// 06: ethnicity. Sensitive.
    Ethnicity,
    /// 07: religion. Sensitive.
    Religion,
    /// 08: place of origin. Sensitive.
    Origin,
    /// 09: place of residence. Sensitive.
    Residence,
    /// 0A: identifying features. Sensitive.
    Features,
    /// 0B: day of issue.
    Issued,
    /// 0C: day of expiry.
    Expires,
    /// 0D: father and mother. Sensitive.
    Parents,
    /// 10: numbers of earlier identity cards.
    FormerNumber,
    /// Any other id: kept and treated as sensitive.
    Other(u8),
}

impl Dg13Id {
    /// From the file's number.
    pub fn from_number(number: u8) -> Self {
        match number {
            0x01 => Self::Number,
            0x02 => Self::Name,
            0x03 => Self::Birth,
            0x04 => Self::Sex,
            0x05 => Self::Nationality,
            0x06 => Self::Ethnicity,
            0x07 => Self::Religion,
            0x08 => Self::Origin,
            0x09 => Self::Residence,
            0x0A => Self::Features,
            0x0B => Self::Issued,
            0x0C => Self::Expires,
            0x0D => Self::Parents,
            0x10 => Self::FormerNumber,
            other => Self::Other(other),
        }
    }

    /// The file's number.
    pub fn number(self) -> u8 {
        match self {
            Self::Number => 0x01,
            Self::Name => 0x02,
            Self::Birth => 0x03,
            Self::Sex => 0x04,
            Self::Nationality => 0x05,
            Self::Ethnicity => 0x06,
            Self::Religion => 0x07,
            Self::Origin => 0x08,
            Self::Residence => 0x09,
            Self::Features => 0x0A,
            Self::Issued => 0x0B,
            Self::Expires => 0x0C,
            Self::Parents => 0x0D,
            Self::FormerNumber => 0x10,
            Self::Other(other) => other,
        }
    }

    /// Whether it is sensitive personal data that no decision needs: decoded only with
    /// [`Dg13Scope::Everything`].
    pub fn is_sensitive(self) -> bool {
        !matches!(
            self,
            Self::Number
                | Self::Name
                | Self::Birth
                | Self::Sex
                | Self::Nationality
                | Self::Issued
                | Self::Expires
                | Self::FormerNumber
        )
    }

    /// Its name in reports.
    pub fn label(self) -> String {
        match self {
            Self::Number => "number".into(),
            Self::Name => "name".into(),
            Self::Birth => "birth_date".into(),
            Self::Sex => "sex".into(),
            Self::Nationality => "nationality".into(),
            Self::Ethnicity => "ethnicity".into(),
            Self::Religion => "religion".into(),
            Self::Origin => "origin".into(),
            Self::Residence => "residence".into(),
            Self::Features => "features".into(),
            Self::Issued => "issued".into(),
            Self::Expires => "expires".into(),
            Self::Parents => "parents".into(),
            Self::FormerNumber => "former_number".into(),
            Self::Other(number) => format!("field_{number:02x}"),
        }
    }
}

/// How much of DG13 is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dg13Scope {
    /// Number, name, birth date, sex, nationality, issue, expiry, and numbers of earlier cards.
    /// Other values are not decoded.
    #[default]
    Identity,
    /// Everything. Never stored and never logged.
    Everything,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dg13Entry {
    /// Its identifier.
    pub id: Dg13Id,
    /// Its strings in order; `None` if outside the requested scope.
    pub values: Option<Vec<Personal>>,
}

/// A parsed DG13.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dg13 {
    /// The entries, in the order of the file.
    pub entries: Vec<Dg13Entry>,
}

impl Dg13 {
    /// Parses a DG13 file.
    ///
    /// # Errors
    /// [`ParseError`] where the file is no DG13.
    pub fn parse(file: &[u8], scope: Dg13Scope) -> Result<Self, ParseError> {
        let outer = TlvReader::new(file).expect(0x6D).within(WHAT)?;
        let mut out = Self { entries: Vec::new() };
        out.collect(outer.children(), scope, DEPTH_MAX)?;
        if out.entries.is_empty() { Err(ParseError::malformed(WHAT)) } else { Ok(out) }
    }

    fn collect(&mut self, row: TlvReader<'_>, scope: Dg13Scope, depth: usize) -> Result<(), ParseError> {
        if depth == 0 {
            return Err(TlvError::TooDeep).within(WHAT);
        }
        for tlv in row {
            let tlv = tlv.within(WHAT)?;
            if !tlv.is_constructed() {
                continue;
            }
            let Some((id, values)) = entry(&tlv) else {
                self.collect(tlv.children(), scope, depth - 1)?;
                continue;
            };
            if self.entries.len() == ENTRIES_MAX {
                return Err(ParseError::TooLarge { what: WHAT, max: ENTRIES_MAX });
            }
            let is_in_scope = scope == Dg13Scope::Everything || !id.is_sensitive();
            let values = if is_in_scope { Some(strings(values)?) } else { None };
            self.entries.push(Dg13Entry { id, values });
        }
        Ok(())
    }

    /// The first value of this id that has visible characters.
    pub fn first(&self, id: Dg13Id) -> Option<&Personal> {
        self.values(id).next()
    }

    /// The values of all entries of this id that have visible characters.
    fn values(&self, id: Dg13Id) -> impl Iterator<Item = &Personal> {
        let entries = self.entries.iter().filter(move |entry| entry.id == id);
        entries
            .filter_map(|entry| entry.values.as_ref())
            .flatten()
            .filter(|value| !text::visible(value.reveal()).is_empty())
    }

    /// Numbers of earlier identity cards.
    pub fn former_numbers(&self) -> Vec<Personal> {
        self.values(Dg13Id::FormerNumber).cloned().collect()
    }

    /// Every value given as the citizen's number; a well-formed card has one.
    pub fn numbers(&self) -> impl Iterator<Item = &Personal> {
        self.values(Dg13Id::Number)
    }

    /// The citizen's number.
    pub fn number(&self) -> Option<&Personal> {
        self.first(Dg13Id::Number)
    }

    /// Full name, with its marks.
    pub fn name(&self) -> Option<&Personal> {
        self.first(Dg13Id::Name)
    }

    /// Date of birth, as far as it is known.
    pub fn birth(&self) -> Option<BirthDate> {
        BirthDate::from_text(self.first(Dg13Id::Birth)?.reveal())
    }

    /// Sex.
    pub fn sex(&self) -> Option<Sex> {
        Sex::from_text(self.first(Dg13Id::Sex)?.reveal())
    }

    /// Day of issue.
    pub fn issued(&self) -> Option<Date> {
        BirthDate::from_text(self.first(Dg13Id::Issued)?.reveal())?.full()
    }

    /// Day of expiry; `None` too for a card without one.
    pub fn expires(&self) -> Option<Date> {
        BirthDate::from_text(self.first(Dg13Id::Expires)?.reveal())?.full()
    }

    /// Writes a DG13 file of entries with values, each a UTF8String, several in a nested SEQUENCE.
    /// Used to make test cards, and the only encoder this parser has been tested against.
    pub fn encode(entries: &[(u8, Vec<String>)]) -> Vec<u8> {
        let rows: Vec<Vec<u8>> = entries
            .iter()
            .map(|(id, values)| {
                let strings: Vec<Vec<u8>> = values.iter().map(|value| der::tlv(0x0C, value.as_bytes())).collect();
                let strings = strings.concat();
                let body = if values.len() == 1 { strings } else { der::tlv(0x30, &strings) };
                der::sequence(&[&der::tlv(0x02, &[*id]), &body])
            })
            .collect();
        der::tlv(0x6D, &der::tlv(0x30, &rows.concat()))
    }
}

/// `30 L 02 01 id …`: the id, and what follows it.
fn entry<'a>(tlv: &Tlv<'a>) -> Option<(Dg13Id, TlvReader<'a>)> {
    let mut fields = tlv.children();
    match (tlv.tag, fields.expect(0x02).ok()?.value) {
        (0x30, [number]) => Some((Dg13Id::from_number(*number), fields)),
        _ => None,
    }
}

/// The strings of an entry: 0C, 13 or 16 by themselves or nested once in 30.
fn strings(values: TlvReader<'_>) -> Result<Vec<Personal>, ParseError> {
    let mut out = Vec::new();
    for value in values {
        let value = value.within(WHAT)?;
        let row = if value.tag == 0x30 { value.children() } else { TlvReader::new(value.raw) };
        for string in row {
            let string = string.within(WHAT)?;
            if !matches!(string.tag, 0x0C | 0x13 | 0x16 | 0x1E) {
                continue;
            }
            if out.len() == VALUES_MAX {
                return Err(ParseError::TooLarge { what: WHAT, max: VALUES_MAX });
            }
            out.push(Personal::new(name::text(&string).trim()));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Vec<(u8, Vec<String>)> {
        let entry = |id, values: &[&str]| (id, values.iter().map(|&value| value.to_owned()).collect());
        vec![
            entry(0x01, &["001088012345"]),
            entry(0x02, &["Nguyễn Văn Thử"]),
            entry(0x03, &["01/02/1988"]),
            entry(0x04, &["Nam"]),
            entry(0x07, &["Không"]),
            entry(0x0B, &["15/06/2022"]),
            entry(0x0D, &["Nguyễn Văn Cha", "Trần Thị Mẹ"]),
            entry(0x10, &["", "012345678"]),
            entry(0x2F, &["?"]),
        ]
    }

    #[test]
    fn sensitive_values_are_not_read_unless_asked_for() {
        let file = Dg13::encode(&sample());
        let dg13 = Dg13::parse(&file, Dg13Scope::Identity).unwrap();
        assert_eq!(dg13.number().unwrap().reveal(), "001088012345");
        assert_eq!(dg13.name().unwrap().reveal(), "Nguyễn Văn Thử");
        assert_eq!(dg13.birth().unwrap().reveal_iso(), "1988-02-01");
        assert_eq!((dg13.sex(), dg13.issued()), (Some(Sex::Male), Date::new(2022, 6, 15)));
        assert_eq!(dg13.former_numbers(), [Personal::new("012345678")]);
        let unread: Vec<_> = dg13.entries.iter().filter(|entry| entry.values.is_none()).map(|entry| entry.id).collect();
        assert_eq!(unread, [Dg13Id::Religion, Dg13Id::Parents, Dg13Id::Other(0x2F)]);
        assert!(!format!("{dg13:?}").contains("Nguy"));
        let everything = Dg13::parse(&file, Dg13Scope::Everything).unwrap();
        assert_eq!(everything.entries[6].values.as_ref().map(Vec::len), Some(2));
    }

    #[test]
    fn every_string_type_and_nesting_is_read() {
        for tag in [0x0C, 0x13, 0x16] {
            let string = der::tlv(tag, b"Nam");
            for body in [string.clone(), der::tlv(0x30, &string)] {
                let file = der::tlv(0x6D, &der::sequence(&[&[0x02, 0x01, 0x04], &body]));
                assert_eq!(Dg13::parse(&file, Dg13Scope::Identity).unwrap().sex(), Some(Sex::Male));
            }
        }
    }

    #[test]
    fn a_file_without_entries_or_nested_without_end_is_refused() {
        assert!(Dg13::parse(&[0x6D, 0x00], Dg13Scope::Identity).is_err());
        let deep = (0..40).fold(Vec::new(), |nested, _| der::tlv(0x30, &nested));
        assert!(Dg13::parse(&der::tlv(0x6D, &deep), Dg13Scope::Identity).is_err());
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_back(
            entries in proptest::collection::vec((any::<u8>(), proptest::collection::vec("[^\\s]{1,20}", 1..5)), 1..20),
        ) {
            let back = Dg13::parse(&Dg13::encode(&entries), Dg13Scope::Everything).unwrap();
            let back: Vec<(u8, Vec<String>)> = back
                .entries
                .iter()
                .map(|entry| {
                    let values = entry.values.as_ref().unwrap().iter().map(|value| value.reveal().to_owned()).collect();
                    (entry.id.number(), values)
                })
                .collect();
            prop_assert_eq!(back, entries);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Dg13::parse(&der::tlv(0x6D, &bytes), Dg13Scope::Everything);
        }
    }
}
