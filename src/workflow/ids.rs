//! Ids that must not be: a person's number in place of a pseudonym, and ids that look
//! like another.
//!
//! Ids of subjects and officers stand in stores, decisions and answers that hold nothing
//! else of a person. A card number there names the person in each of them. What is
//! already in the gallery under such an id goes on working: refusing it at the counter
//! would turn its bearer away.

use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;

use super::{Field, WorkflowError};
use crate::gallery::SubjectId;
use crate::text;

/// What becomes of new ids that look like somebody's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberIds {
    /// Refused.
    #[default]
    Refuse,
    /// Taken: for operators whose pseudonyms are numbers of such a length.
    Accept,
}

/// Words people put before a number to say what it is.
const LABELS: [&str; 9] = ["cccd", "cmnd", "cmt", "bhxh", "bhyt", "sobhxh", "socccd", "socmnd", "sodinhdanh"];

impl NumberIds {
    /// Checks an id that is not known yet. The error names the field and never the id.
    pub(super) fn check(self, id: &SubjectId, field: &'static str) -> Result<(), WorkflowError> {
        let field = Field::Named(field);
        if id.as_str().chars().any(text::is_invisible) {
            return Err(WorkflowError::BadId { field });
        }
        match self {
            Self::Refuse if looks_like_a_number(id.as_str()) => Err(WorkflowError::NumberAsId { field }),
            _ => Ok(()),
        }
    }
}

/// Whether an id is, or carries, what looks like the number of a citizen (12 digits, or
/// 10 and 11 where zeros were lost), of an earlier identity card (9), of social insurance
/// (10), or of a health insurance card (two letters and 13 digits). No province has the
/// code 000, and no old number begins with 00: zeros in front make a counter of it.
///
/// Beside other digits (a counter after it, a province or a date) the number of a citizen is
/// told by its province; a UUID or a digest is none, whatever digits come together in it.
pub(crate) fn looks_like_a_number(id: &str) -> bool {
    if carries_a_citizens_number(id) {
        return true;
    }
    let id = text::number(id).replace(['/', ':', '#', '(', ')', '|', '=', '@', '+'], "");
    let digits: String = id.chars().filter(char::is_ascii_digit).collect();
    let of_citizen = digits.len() == 12 && !digits.starts_with("000");
    let shorter = (9..=11).contains(&digits.len()) && !digits.starts_with("00");
    if digits.len() == id.len() {
        return of_citizen || shorter;
    }
    // All digits in one run: in a UUID or a digest there are several.
    let one_run = id.contains(&digits);
    let [before, after] = match id.split_once(&digits) {
        Some((before, after)) => [before, after],
        None => return false,
    };
    let letters = before.to_lowercase();
    one_run
        && (of_citizen
            || (shorter && after.is_empty() && LABELS.contains(&letters.as_str()))
            || (digits.len() == 13
                && after.is_empty()
                && before.len() == 2
                && before.bytes().all(|b| b.is_ascii_alphabetic())))
}

/// Whether twelve digits in a row, or in groups of equal length, begin with the code of a
/// province (Circular 07/2016/TT-BCA, annex 1: 001 to 096).
fn carries_a_citizens_number(id: &str) -> bool {
    if is_made_by_a_machine(id) {
        return false;
    }
    let seen: String = id.nfkc().filter(|c| !text::is_invisible(*c)).collect();
    let groups: Vec<&str> = seen.split(|c: char| !c.is_numeric()).filter(|group| !group.is_empty()).collect();
    // Digits of another script: no pseudonym needs them.
    if groups.iter().any(|group| !group.is_ascii() && group.chars().count() >= SHORTEST) {
        return true;
    }
    let of_citizen = |digits: &str| {
        digits.len() == 12 && digits.get(..3).is_some_and(|code| ("001"..="096").contains(&code)) && digits.is_ascii()
    };
    (1..=4).any(|count| {
        groups.windows(count).any(|window| {
            let equal = window.iter().all(|group| group.len() == window[0].len());
            equal && of_citizen(&window.concat())
        })
    })
}

/// Fewest digits of anybody's number.
const SHORTEST: usize = 9;

/// A UUID, or a digest in hexadecimal digits of 128 bits or more.
fn is_made_by_a_machine(id: &str) -> bool {
    let digits: String = id.chars().filter(|c| *c != '-').collect();
    let dashes = id.len() - digits.len();
    let hexadecimal = digits.len() >= 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal && (dashes == 0 || (dashes == 4 && id.len() == 36))
}

/// Whether a text carries this very number.
pub(super) fn carries(text: &str, number: &str) -> bool {
    let number = text::number(number);
    let digits = number.len() >= 8 && number.bytes().all(|byte| byte.is_ascii_digit());
    digits && text::number(text).contains(&number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_somebodys_number_is_seen_and_a_pseudonym_is_none() {
        for number in [
            "079088000017",
            "999088000017",
            "079 088 000 017",
            "079.088.000.017",
            "079-088-000-017",
            "０７９０８８００００１７",
            "079088\u{200b}000017",
            "79088000017",
            "1088000017",
            "0123456789",
            "012345678",
            "7912345678",
            "CCCD079088000017",
            "cccd-079088000017",
            "person-079088000017",
            "079088000017-social",
            "DN4790123456789",
            "dn 4 79 0123456789",
            "BHXH: 7912345678",
            "cmnd/012345678",
            // A number is one with something before or behind it, too.
            "001058000123-1",
            "001058000123.1",
            "001058000123_2",
            "001058000123/1",
            "001058000123#1",
            "1-001058000123",
            "r1_001058000123",
            "79-001058000123",
            "79 - 001 058 000 123",
            "001058000123-20241129",
            "CCCD:001058000123;79",
            "cccd001058000123v2",
            "001058000123 001058000124",
            "٠٠١٠٥٨٠٠٠١٢٣",
        ] {
            assert!(looks_like_a_number(number), "{number}");
            let id = SubjectId::new(number).unwrap();
            let field = "subject_id";
            assert!(NumberIds::Refuse.check(&id, field).is_err(), "{number}");
            assert!(NumberIds::Accept.check(&id, field).is_ok() || number.contains('\u{200b}'), "{number}");
        }
        for id in [
            "record-1",
            "hồ sơ 1",
            "s12345678",
            "person-000000000017",
            "000000000017",
            "0012345678",
            "20261129015312345",
            "79012345",
            "b5e1f0a2-3c4d-4e5f-8a9b-0c1d2e3f4a5b",
            "12345678-1234-1234-1234-123456789012",
            "12345678-1234-1234-1234-001058000123",
            "deadbeefdeadbeefdeadbeef0a001058000123ff",
            "2026-11-29-000017",
            "3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea",
            "o-7",
            "VN-2026-0001234",
        ] {
            assert!(!looks_like_a_number(id), "{id}");
        }
    }

    #[test]
    fn an_id_is_no_other_for_characters_that_cannot_be_seen() {
        let id = SubjectId::new("record-1\u{200b}").unwrap();
        let error = NumberIds::Accept.check(&id, "subject_id").unwrap_err();
        assert!(matches!(&error, WorkflowError::BadId { field: Field::Named("subject_id") }), "{error}");
    }

    #[test]
    fn a_text_that_carries_the_number_of_the_record_is_seen() {
        assert!(carries("t-079088000017-1", "079 088 000 017") && carries("t079.088.000.017", "079088000017"));
        assert!(!carries("t-1", "079088000017") && !carries("t-1", "1") && !carries("t", ""));
    }
}
