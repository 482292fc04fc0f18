//! DG1: the machine-readable zone (ICAO 9303-3 to -6) of cards and passports.

use super::ParseError;
use super::error::InStructure;
use super::personal::{BirthDate, Personal, Sex};
use super::tlv::TlvReader;
use crate::dates::Date;

const WHAT: &str = "DG1";
/// Digits of a Vietnamese citizen's number (Decree 137/2015, article 13).
const VIETNAM_NUMBER_DIGITS: usize = 12;

/// Which layout a zone has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MrzLayout {
    /// Three lines of 30: cards.
    Td1,
    /// Two lines of 36: larger cards.
    Td2,
    /// Two lines of 44: passports.
    Td3,
}

/// A parsed machine-readable zone.
#[derive(Debug, Clone)]
pub struct Mrz {
    /// Which layout it has.
    pub layout: MrzLayout,
    /// Document code, such as `ID`, `P`.
    pub document_code: String,
    /// Issuing state or organisation, three letters (`D` for Germany).
    pub issuing_state: String,
    /// Document number.
    pub document_number: Personal,
    /// The personal number: Vietnam's twelve digits from a TD1 card's optional
    /// data, elsewhere the optional data of a passport.
    pub personal_number: Option<Personal>,
    /// Names as written: surname, then given names, spaced.
    pub name: Personal,
    /// Date of birth. Its year has two digits: read in this century unless that date is in the
    /// future.
    pub birth: Option<BirthDate>,
    /// The alternative reading in the last century, if `birth` is in this one: `25` is a child or a
    /// centenarian.
    pub birth_other: Option<BirthDate>,
    /// Whether the field for the date of birth is filled but no date.
    pub birth_unreadable: bool,
    /// Sex.
    pub sex: Option<Sex>,
    /// Last day of validity.
    pub expires: Option<Date>,
    /// Nationality, three letters.
    pub nationality: String,
    /// Names of the fields whose check digit is wrong.
    pub wrong_check_digits: Vec<&'static str>,
}

impl Mrz {
    /// Parses a DG1 file. `today` decides the century of the birth date.
    ///
    /// # Errors
    /// [`ParseError`] where the file is no DG1 with a zone of three lines.
    pub fn parse(file: &[u8], today: Date) -> Result<Self, ParseError> {
        let mut outer = TlvReader::new(file).expect(0x61).within(WHAT)?.children();
        let zone = outer.expect(0x5F1F).within(WHAT)?.value;
        Self::parse_zone(zone, today)
    }

    /// Parses the zone itself: its lines one after the other.
    ///
    /// # Errors
    /// [`ParseError`] where the zone has another length, characters that no zone has, or a check
    /// digit that does not fit.
    pub fn parse_zone(zone: &[u8], today: Date) -> Result<Self, ParseError> {
        if !zone.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'<') {
            return Err(ParseError::malformed("the machine-readable zone"));
        }
        match zone.len() {
            90 => Ok(td1(zone, today)),
            72 => Ok(two_lines(zone, MrzLayout::Td2, today)),
            88 => Ok(two_lines(zone, MrzLayout::Td3, today)),
            _ => Err(ParseError::malformed("the machine-readable zone")),
        }
    }
}

fn td1(zone: &[u8], today: Date) -> Mrz {
    let (first, second, third) = (&zone[..30], &zone[30..60], &zone[60..90]);
    let mut checks = Checks::default();
    let (mut number, mut optional) = (text(&first[5..14]), &first[15..30]);
    if first[14] == b'<' {
        // A number of more than nine characters continues in the optional data, followed by its
        // check digit (9303-5, 4.2.2.1, note j).
        let end = optional.iter().position(|&byte| byte == b'<').unwrap_or(optional.len());
        if let [more @ .., digit] = &optional[..end] {
            let whole = [&first[5..14], more].concat();
            checks.check("document number", &whole, *digit);
            number = text(&whole);
            optional = &optional[end..];
        }
    } else {
        checks.check("document number", &first[5..14], first[14]);
    }
    checks.check("birth date", &second[..6], second[6]);
    checks.check("expiry date", &second[8..14], second[14]);
    let composite = [&first[5..30], &second[..7], &second[8..15], &second[18..29]].concat();
    checks.check("composite", &composite, second[29]);
    let state = text(&first[2..5]);
    let (birth, birth_other) = birth(&second[..6], today);
    let birth_unreadable = birth.is_none() && is_filled(&second[..6]);
    Mrz {
        layout: MrzLayout::Td1,
        document_code: text(&first[..2]),
        personal_number: personal_number(&state, optional),
        issuing_state: state,
        document_number: Personal::new(number),
        name: name(third),
        birth,
        birth_other,
        birth_unreadable,
        sex: sex(second[7]),
        expires: expiry(&second[8..14]),
        nationality: text(&second[15..18]),
        wrong_check_digits: checks.wrong,
    }
}

fn two_lines(zone: &[u8], layout: MrzLayout, today: Date) -> Mrz {
    let (first, second) = zone.split_at(zone.len() / 2);
    let end = second.len() - 1;
    let mut checks = Checks::default();
    let passport = layout == MrzLayout::Td3;
    let mut optional = if passport { &second[28..42] } else { &second[28..35] };
    let mut number = text(&second[..9]);
    if !passport && second[9] == b'<' {
        let stop = optional.iter().position(|&byte| byte == b'<').unwrap_or(optional.len());
        if let [more @ .., digit] = &optional[..stop] {
            let whole = [&second[..9], more].concat();
            checks.check("document number", &whole, *digit);
            number = text(&whole);
            optional = &optional[stop..];
        }
    } else {
        checks.check("document number", &second[..9], second[9]);
    }
    checks.check("birth date", &second[13..19], second[19]);
    checks.check("expiry date", &second[21..27], second[27]);
    // An empty optional field may have < for its check digit.
    if passport && !(second[42] == b'<' && optional.iter().all(|&byte| byte == b'<')) {
        checks.check("optional data", optional, second[42]);
    }
    checks.check("composite", &[&second[..10], &second[13..20], &second[21..end]].concat(), second[end]);
    let state = text(&first[2..5]);
    let (birth, birth_other) = birth(&second[13..19], today);
    let birth_unreadable = birth.is_none() && is_filled(&second[13..19]);
    Mrz {
        layout,
        document_code: text(&first[..2]),
        personal_number: personal_number(&state, optional),
        issuing_state: state,
        document_number: Personal::new(number),
        name: name(&first[5..]),
        birth,
        birth_other,
        birth_unreadable,
        sex: sex(second[20]),
        expires: expiry(&second[21..27]),
        nationality: text(&second[10..13]),
        wrong_check_digits: checks.wrong,
    }
}

/// The citizen's number in the optional data: in Vietnam its first twelve digits, whatever follows.
fn personal_number(state: &str, optional: &[u8]) -> Option<Personal> {
    if state == "VNM" {
        let digits = optional.get(..VIETNAM_NUMBER_DIGITS)?;
        let more = optional.get(VIETNAM_NUMBER_DIGITS).is_some_and(u8::is_ascii_digit);
        return (digits.iter().all(u8::is_ascii_digit) && !more).then(|| Personal::new(text(digits)));
    }
    let text = text(optional);
    (!text.is_empty()).then(|| Personal::new(text))
}

#[derive(Default)]
struct Checks {
    wrong: Vec<&'static str>,
}

impl Checks {
    fn check(&mut self, field: &'static str, data: &[u8], digit: u8) {
        if check_digit(data) != digit {
            self.wrong.push(field);
        }
    }
}

/// The check digit of a field: weights 7, 3, 1 (ICAO 9303-3, 4.9).
pub fn check_digit(data: &[u8]) -> u8 {
    let value = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'Z' => u32::from(byte - b'A') + 10,
        _ => 0,
    };
    let sum: u32 = data.iter().zip([7, 3, 1].into_iter().cycle()).map(|(&byte, weight)| value(byte) * weight).sum();
    b'0' + (sum % 10) as u8
}

/// Field content: fillers at the end dropped, those inside read as spaces.
fn text(field: &[u8]) -> String {
    let text: String = field.iter().map(|&byte| if byte == b'<' { ' ' } else { char::from(byte) }).collect();
    text.trim().to_owned()
}

fn name(field: &[u8]) -> Personal {
    Personal::new(text(field).split_whitespace().collect::<Vec<_>>().join(" "))
}

fn sex(byte: u8) -> Option<Sex> {
    match byte {
        b'M' => Some(Sex::Male),
        b'F' => Some(Sex::Female),
        _ => None,
    }
}

fn two_digits(pair: &[u8]) -> Option<u8> {
    match pair {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some((tens - b'0') * 10 + ones - b'0'),
        _ => None,
    }
}

/// Whether a field holds anything but fillers.
fn is_filled(field: &[u8]) -> bool {
    field.iter().any(|&byte| byte != b'<')
}

/// The possible readings of a birth date, that of this century first. Dates in the future are
/// excluded; unknown parts are fillers or zeros.
fn birth(field: &[u8], today: Date) -> (Option<BirthDate>, Option<BirthDate>) {
    let part = |pair: &[u8]| two_digits(pair).filter(|&value| value != 0);
    let (month, day) = (part(&field[2..4]), part(&field[4..6]));
    let Some(year) = two_digits(&field[..2]).map(u16::from) else { return (None, None) };
    let has_come = |year| Date::new(year, month.unwrap_or(1), day.unwrap_or(1)).is_some_and(|start| start <= today);
    let read = |year| BirthDate::new(year, month, month.and(day)).filter(|_| has_come(year));
    // These two centuries cover everybody alive.
    match (read(2000 + year), read(1900 + year)) {
        (None, last) => (last, None),
        both => both,
    }
}

/// Chips have existed since 2004, so every date of expiry is in this century.
fn expiry(field: &[u8]) -> Option<Date> {
    let (year, month, day) = (two_digits(&field[..2])?, two_digits(&field[2..4])?, two_digits(&field[4..6])?);
    Date::new(2000 + u16::from(year), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn today() -> Date {
        Date::new(2026, 6, 1).unwrap()
    }

    #[test]
    fn the_specimens_of_the_standard_are_read() {
        // ICAO 9303-4 and -5, appendix: Anna Maria Eriksson of Utopia.
        let passport = b"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L898902C36UTO7408122F1204159ZE184226B<<<<<10";
        let mrz = Mrz::parse_zone(passport, today()).unwrap();
        assert_eq!(mrz.wrong_check_digits, [""; 0]);
        assert_eq!((mrz.name.reveal(), mrz.document_number.reveal()), ("ERIKSSON ANNA MARIA", "L898902C3"));
        assert_eq!(mrz.birth.unwrap().reveal_iso(), "1974-08-12");
        assert_eq!(mrz.expires, Date::new(2012, 4, 15));
        let card = b"I<UTOD231458907<<<<<<<<<<<<<<<7408122F1204159UTO<<<<<<<<<<<6ERIKSSON<<ANNA<MARIA<<<<<<<<<<";
        let mrz = Mrz::parse_zone(card, today()).unwrap();
        assert_eq!((mrz.wrong_check_digits.len(), mrz.layout), (0, MrzLayout::Td1));
        assert_eq!((mrz.sex, mrz.personal_number.is_none()), (Some(Sex::Female), true));
    }

    #[test]
    fn a_long_document_number_goes_on_in_the_optional_data() {
        // ICAO 9303-5, 4.2.2.1 note j.
        let mut card =
            b"I<UTOD23145890<7349<<<<<<<<<<<7408122F1204159UTO<<<<<<<<<<<0ERIKSSON<<ANNA<MARIA<<<<<<<<<<".to_vec();
        let whole = check_digit(b"D23145890734");
        card[18] = whole;
        let composite = [&card[5..30], &card[30..37], &card[38..45], &card[48..59]].concat();
        card[59] = check_digit(&composite);
        let mrz = Mrz::parse_zone(&card, today()).unwrap();
        assert_eq!(mrz.document_number.reveal(), "D23145890734");
        assert!(mrz.wrong_check_digits.is_empty());
    }

    #[test]
    fn the_vietnamese_number_is_found_and_a_wrong_digit_named() {
        let mut card =
            b"IDVNM0880123450001088012345<<08801019M3001017VNM<<<<<<<<<<<0NGUYEN<<VAN<A<<<<<<<<<<<<<<<<<".to_vec();
        card[14] = check_digit(&card[5..14]);
        card[36] = check_digit(&card[30..36]);
        card[44] = check_digit(&card[38..44]);
        card[59] = check_digit(&[&card[5..30], &card[30..37], &card[38..45], &card[48..59]].concat());
        let mrz = Mrz::parse_zone(&card, today()).unwrap();
        assert_eq!(mrz.personal_number.unwrap().reveal(), "001088012345");
        assert!(mrz.wrong_check_digits.is_empty());
        card[36] = if card[36] == b'0' { b'1' } else { b'0' };
        assert_eq!(Mrz::parse_zone(&card, today()).unwrap().wrong_check_digits, ["birth date", "composite"]);
    }

    #[test]
    fn a_birth_date_that_is_none_is_told_from_one_that_is_not_there() {
        let zone = |birth: &str| {
            format!("IDVNM0880123450001088012345<<0{birth}0M3001017VNM<<<<<<<<<<<0NGUYEN<<VAN<A<<<<<<<<<<<<<<<<<")
        };
        for (birth, read, unreadable) in [("880101", true, false), ("881301", false, true), ("<<<<<<", false, false)] {
            let mrz = Mrz::parse_zone(zone(birth).as_bytes(), today()).unwrap();
            assert_eq!((mrz.birth.is_some(), mrz.birth_unreadable), (read, unreadable), "{birth}");
        }
    }

    #[test]
    fn a_birth_date_with_fillers_keeps_what_it_has() {
        let read = |field: &[u8]| birth(field, today()).0.map(|date| date.reveal());
        assert_eq!(read(b"88<<<<"), Some((1988, None, None)));
        assert_eq!(read(b"2605<<"), Some((2026, Some(5), None)));
        assert_eq!(read(b"260602"), Some((1926, Some(6), Some(2))));
        // Some states write zeros for what they do not know.
        assert_eq!(read(b"880200"), Some((1988, Some(2), None)));
        assert_eq!(read(b"880000"), Some((1988, None, None)));
        assert_eq!(read(b"880015"), Some((1988, None, None)));
        assert_eq!(read(b"8800<<"), Some((1988, None, None)));
        assert_eq!(read(b"000000"), Some((2000, None, None)));
        assert_eq!(read(b"<<<<<<"), None);
        assert_eq!(read(b"881301"), None);
    }

    #[test]
    fn a_year_that_can_be_of_two_centuries_is_read_in_both() {
        let readings = |field: &[u8]| {
            let (one, other) = birth(field, today());
            [one, other].map(|date| date.map(|date| date.reveal_iso()))
        };
        let iso = |text: &str| Some(text.to_owned());
        assert_eq!(readings(b"250701"), [iso("2025-07-01"), iso("1925-07-01")]);
        assert_eq!(readings(b"260601"), [iso("2026-06-01"), iso("1926-06-01")]);
        // It has not come yet, so it is one.
        assert_eq!(readings(b"260602"), [iso("1926-06-02"), None]);
        assert_eq!(readings(b"880201"), [iso("1988-02-01"), None]);
        // 1900 had no such day.
        assert_eq!(readings(b"000229"), [iso("2000-02-29"), None]);
    }

    proptest! {
        #[test]
        fn any_zone_is_read_or_refused(zone in "[A-Z0-9<]{72}|[A-Z0-9<]{88}|[A-Z0-9<]{90}|.{0,90}") {
            let _ = Mrz::parse_zone(zone.as_bytes(), today());
        }
    }
}
