//! Points in time as certificates write them.

use super::ParseError;
use super::tlv::Tlv;
use crate::dates::{Date, Moment};

impl Moment {
    /// Reads a UTCTime (tag 17) or GeneralizedTime (tag 18) in UTC. Seconds may be missing;
    /// fractions are dropped.
    pub(crate) fn parse(tlv: &Tlv<'_>) -> Result<Self, ParseError> {
        let broken = || ParseError::malformed("a time");
        let text = tlv.value.strip_suffix(b"Z").ok_or_else(broken)?;
        let (year, rest) = match tlv.tag {
            0x17 => {
                let year = digits(text.get(..2)).ok_or_else(broken)?;
                // RFC 5280: 50…99 is the last century.
                (if year < 50 { 2000 + year } else { 1900 + year }, &text[2..])
            }
            0x18 => (digits(text.get(..4)).ok_or_else(broken)?, &text[4..]),
            _ => return Err(broken()),
        };
        let part = |at: usize| digits(rest.get(at..at + 2));
        let (month, day) = (part(0).ok_or_else(broken)?, part(2).ok_or_else(broken)?);
        let (hour, minute) = (part(4).ok_or_else(broken)?, part(6).ok_or_else(broken)?);
        let second = if rest.len() > 8 { part(8).ok_or_else(broken)? } else { 0 };
        if hour > 24 || minute > 59 || second > 60 {
            return Err(broken());
        }
        let date = Date::new(year as u16, month as u8, day as u8).ok_or_else(broken)?;
        Ok(Self(Self::of_date(date).0 + i64::from(hour * 3600 + minute * 60 + second)))
    }
}

fn digits(text: Option<&[u8]>) -> Option<u32> {
    text?.iter().try_fold(0u32, |value, &byte| byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::{der, tlv::TlvReader};

    fn moment(tag: u32, text: &str) -> Result<Moment, ParseError> {
        let bytes = der::tlv(tag, text.as_bytes());
        Moment::parse(&TlvReader::new(&bytes).read().unwrap())
    }

    #[test]
    fn both_forms_of_time_are_read() {
        assert_eq!(moment(0x17, "210201000000Z").unwrap().to_string(), "2021-02-01T00:00:00Z");
        assert_eq!(moment(0x17, "700101000000Z").unwrap(), Moment(0));
        assert_eq!(moment(0x18, "20390101235959.123Z").unwrap().to_string(), "2039-01-01T23:59:59Z");
        assert_eq!(moment(0x17, "2102010000Z").unwrap().to_string(), "2021-02-01T00:00:00Z");
    }

    #[test]
    fn times_that_are_none_are_refused() {
        for text in ["", "Z", "2102", "210230000000Z", "21020100000", "21x201000000Z", "210201250000Z"] {
            assert!(moment(0x17, text).is_err(), "{text}");
        }
        assert!(moment(0x18, "2Z").is_err());
    }
}
