//! Numbers the state gives to people: what one looks like, what stands in its place where
//! there is none, and whether a text carries one.
//!
//! - A citizen's number: twelve digits, three for the province or country of registration,
//!   one for century and sex, two for the year of birth, six at random (Decree
//!   137/2015/NĐ-CP, article 13; codes in Circular 07/2016/TT-BCA, annexes).
//! - The number of the identity cards before it: nine digits.
//! - Social insurance: ten digits; on a health insurance card two letters and thirteen.
//!
//! Texts come as people type them: digits may be grouped by anything, be those of another
//! script, or have characters between them that cannot be seen.

mod sentence;

use unicode_normalization::UnicodeNormalization;

pub(crate) use self::sentence::stands_in;
use crate::text;

/// Digits of a citizen's number.
pub(crate) const CITIZEN_DIGITS: usize = 12;
/// Digits of the number on identity cards before those of twelve.
pub(crate) const FORMER_DIGITS: usize = 9;
/// Fewest digits of anybody's number.
const SHORTEST: usize = FORMER_DIGITS;
/// Shortest number that is compared: a document's of any country has at least so many
/// characters.
const CHARS_MIN: usize = 5;
/// No province and no country has this code: such a number is a placeholder.
const NO_PROVINCE: &str = "000";
/// Codes of provinces. Between them and those of countries, which begin at 101, is nothing.
const PROVINCES: std::ops::RangeInclusive<&str> = "001"..="096";
/// No number of an earlier card begins so.
const NO_FORMER: &str = "00";
/// Words people put before a number to say what it is.
const LABELS: [&str; 20] = [
    "cccd",
    "cmnd",
    "cmt",
    "cmtnd",
    "bhxh",
    "bhyt",
    "sobhxh",
    "sobhyt",
    "msbhxh",
    "socccd",
    "socmnd",
    "sodinhdanh",
    "maso",
    "so",
    "số",
    "sđt",
    "sdt",
    "đt",
    "dt",
    "tel",
];
/// Most digits that may stand behind a citizen's number in one run: a counter or a date.
const BEHIND_MAX: usize = 8;
/// Most digits of a counter that may stand before one.
const COUNTER_MAX: usize = 2;

/// Whether every character is an ASCII digit.
pub(crate) fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text, as [`text::number`] gives it, tells one person from others: not what
/// stands where there is no number, such as `0`, `999999999`, `123456789` or a word.
/// Numbers of other countries have letters, too.
pub(crate) fn is_a_number(number: &str) -> bool {
    number.len() >= CHARS_MIN
        && number.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
        && !(number.len() == CITIZEN_DIGITS && is_digits(number) && number.starts_with(NO_PROVINCE))
        && !(is_digits(number) && is_typed_in_place_of_one(number))
}

/// Whether digits are those a hand puts where a field must not be empty: one or two digits
/// over and over, or the row of them up from 1 or down from 9. A row from 0 is none: numbers
/// of Hà Nội's earlier cards began with 01.
fn is_typed_in_place_of_one(digits: &str) -> bool {
    let digits = digits.as_bytes();
    let repeats = |unit: usize| digits.iter().zip(&digits[unit..]).all(|(one, next)| one == next);
    let steps = |step: u8| digits.windows(2).all(|pair| (pair[0] - b'0' + step) % 10 == pair[1] - b'0');
    repeats(1) || repeats(2) || (digits[0] == b'1' && steps(1)) || (digits[0] == b'9' && steps(9))
}

/// Whether a number can be a living citizen's. The fourth digit is 0 and 1 for those born
/// in the 20th century, 2 and 3 in the 21st.
pub(crate) fn is_of_citizen(number: &str) -> bool {
    number.len() == CITIZEN_DIGITS
        && is_digits(number)
        && matches!(number.as_bytes()[3], b'0'..=b'3')
        && is_a_number(number)
}

/// Whether a number can be that of an earlier identity card.
pub(crate) fn is_former(number: &str) -> bool {
    number.len() == FORMER_DIGITS && is_digits(number) && !number.starts_with(NO_FORMER) && is_a_number(number)
}

/// A citizen's number with the code of a province: told from other digits by it.
fn is_of_province(digits: &str) -> bool {
    is_of_citizen(digits) && PROVINCES.contains(&&digits[..3])
}

/// Whether an id is, or carries, what looks like the number of a citizen (12 digits, or
/// 10 and 11 where zeros were lost), of an earlier identity card (9), of social insurance
/// (10), or of a health insurance card (two letters and 13 digits). No province has the
/// code 000, and no old number begins with 00: zeros in front make a counter of it.
///
/// Beside other digits the number of a citizen is told by its province: in groups of equal
/// length, before up to eight digits, behind a date or a counter of one or two digits.
/// A UUID or a digest is none, whatever digits come together in it.
pub(crate) fn looks_like_one(typed: &str) -> bool {
    if is_made_by_a_machine(typed) {
        return false;
    }
    if groups_hold_a_citizens(typed) {
        return true;
    }
    let id: String = text::number(typed).chars().filter(|c| c.is_alphanumeric()).collect();
    let digits: String = id.chars().filter(char::is_ascii_digit).collect();
    // Where signs stand between them, they may be anything that is counted: of a province, then.
    let of_citizen = if seen(typed).contains(&digits) { is_of_citizen(&digits) } else { is_of_province(&digits) };
    let shorter = (SHORTEST..CITIZEN_DIGITS).contains(&digits.len()) && !digits.starts_with(NO_FORMER);
    if digits.len() == id.len() {
        return of_citizen || shorter;
    }
    // All digits in one run: ids that a program counts up have several.
    let Some((before, after)) = id.split_once(&digits).filter(|_| !digits.is_empty()) else { return false };
    let labelled = || LABELS.contains(&before.to_lowercase().as_str());
    let insured = || digits.len() == 13 && before.len() == 2 && before.bytes().all(|b| b.is_ascii_alphabetic());
    of_citizen || (after.is_empty() && ((shorter && labelled()) || insured()))
}

/// Whether a text carries this very number.
pub(crate) fn carries(text: &str, number: &str) -> bool {
    let number = text::number(number);
    number.len() >= 8 && is_digits(&number) && text::number(text).contains(&number)
}

/// A text without what cannot be seen, digits of any script as they are.
fn seen(text: &str) -> String {
    text.nfkc().filter(|c| !text::is_invisible(*c)).collect()
}

/// Whether an id's digits hold a citizen's number: in groups of equal length, whatever
/// stands between them, or in one run with a date or a counter before or behind it.
fn groups_hold_a_citizens(id: &str) -> bool {
    let seen = seen(id);
    let groups: Vec<&str> = seen.split(|c: char| !c.is_numeric()).filter(|group| !group.is_empty()).collect();
    // Digits of another script: no pseudonym needs them.
    if groups.iter().any(|group| !group.is_ascii() && group.chars().count() >= SHORTEST) {
        return true;
    }
    let in_groups = (1..=CITIZEN_DIGITS).any(|count| {
        groups.windows(count).any(|window| {
            let equal = window.iter().all(|group| group.len() == window[0].len());
            equal && is_of_province(&window.concat())
        })
    });
    in_groups || groups.iter().any(|group| is_lengthened(group))
}

/// Whether a citizen's number has digits before or behind it without a sign between.
fn is_lengthened(digits: &str) -> bool {
    let more = digits.len().saturating_sub(CITIZEN_DIGITS);
    if more == 0 || more > BEHIND_MAX || !is_digits(digits) {
        return false;
    }
    let (before, last) = digits.split_at(more);
    is_of_province(&digits[..CITIZEN_DIGITS])
        || (is_of_province(last) && (more <= COUNTER_MAX || is_packed_date(before)))
}

/// A UUID, or a digest in hexadecimal digits of 128 bits or more.
fn is_made_by_a_machine(id: &str) -> bool {
    let digits: String = id.chars().filter(|c| *c != '-').collect();
    let dashes = id.len() - digits.len();
    let hexadecimal = digits.len() >= 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal && (is_grouped_as_uuid(id) || (dashes == 0 && !is_digits(id)))
}

/// Groups of 8, 4, 4, 4 and 12 (RFC 9562, section 4).
fn is_grouped_as_uuid(id: &str) -> bool {
    id.split('-').map(str::len).eq([8, 4, 4, 4, 12])
}

fn is_day(year: &str, month: &str, day: &str) -> bool {
    let value = |part: &str| part.parse::<u32>().unwrap_or(0);
    let year_fits = match year.len() {
        4 => (1900..2100).contains(&value(year)),
        2 => true,
        _ => false,
    };
    year_fits
        && (1..=2).contains(&month.len())
        && (1..=2).contains(&day.len())
        && (1..=12).contains(&value(month))
        && (1..=31).contains(&value(day))
}

/// Eight or six digits of a date, year first or day first.
fn is_packed_date(digits: &str) -> bool {
    match digits.len() {
        8 => is_day(&digits[..4], &digits[4..6], &digits[6..]) || is_day(&digits[4..], &digits[2..4], &digits[..2]),
        6 => is_day(&digits[..2], &digits[2..4], &digits[4..]) || is_day(&digits[4..], &digits[2..4], &digits[..2]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
            "001x058x000x123",
            "001~058~000~123",
            // Without a sign between: what was counted up, or begins with a day.
            "0010580001231",
            "00105800012302",
            "00105800012320241129",
            "1001058000123",
            "20241129001058000123",
            "29112024001058000123",
            "241129001058000123",
            "r20241129001058000123",
        ] {
            assert!(looks_like_one(number), "{number}");
        }
        for id in [
            "record-1",
            "hồ sơ 1",
            "s12345678",
            "person-000000000017",
            "000000000017",
            "0012345678",
            "20261129015312345",
            "20261129015312",
            "1764374000123",
            "20261029015312345",
            "0000000000123",
            "79012345",
            "b5e1f0a2-3c4d-4e5f-8a9b-0c1d2e3f4a5b",
            "12345678-1234-1234-1234-123456789012",
            "12345678-1234-1234-1234-001058000123",
            "deadbeefdeadbeefdeadbeef0a001058000123ff",
            "2026-11-29-000017",
            "3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea",
            "o-7",
            "VN-2026-0001234",
            "VN-2026-00001234",
            "202600001234",
            "20261129-0001",
            "1234-5678-9012",
        ] {
            assert!(!looks_like_one(id), "{id}");
        }
    }

    #[test]
    fn what_is_typed_where_there_is_no_number_tells_nobody_from_others() {
        for blank in [
            "",
            "0",
            "-",
            "ABC",
            "0000",
            "999",
            "000000000",
            "999999999",
            "111111111111",
            "123456789",
            "1234567890",
            "123456789012",
            "000123456789",
            "987654321",
            "121212121212",
            "KHÔNGCÓ",
        ] {
            assert!(!is_a_number(blank) && !is_of_citizen(blank) && !is_former(blank), "{blank}");
        }
        for number in ["079088000017", "012345678", "123456798", "ZE184226B", "C01X00T47", "001001001001"] {
            assert!(is_a_number(number), "{number}");
        }
        // A code no province has; a birth in the 22nd century.
        assert!(!is_of_citizen("000088000017") && !is_of_citizen("079488000017") && is_of_citizen("179288000017"));
        assert!(is_former("012345678") && !is_former("001234567") && !is_former("0123456789"));
    }

    #[test]
    fn a_number_in_a_sentence_is_seen_however_it_is_grouped() {
        for number in [
            "card 079123456789",
            "079 123 456 789",
            "079.123.456-789",
            "079\u{200b}123456",
            "079–123–456",
            "001058_000123",
            "025_123_456",
            "025/123/456",
            "001:058:000:123",
            "001|058|000|123",
            "001~058~000~123",
            "001+058+000+123",
            "001..058..000..123",
            "001--058--000--123",
            "001 - 058 - 000 - 123",
            "001x058x000x123",
            "001, 058, 000, 123",
            "001 / 058 / 000 / 123",
            "0 0 1 0 5 8 0 0 0 1 2 3",
            "001058, 000123",
            "٠٠١٠٥٨٠٠٠١٢٣",
            "Sinh đôi với 0912 345 678.",
            "người có số (001)(058)(000)(123)",
            "id=001058000123",
            "20/11/2026 001058000123",
            "001----058----000----123",
            r#"“001”, “058”, “000”, “123”"#,
            "001 || 058 || 000 || 123",
            "CCCD-001058000123",
            "BHXH-7912345678",
            "SĐT:0912345678",
            "SĐT-0912-345-678",
            "hs001058000123",
        ] {
            assert!(stands_in(number), "{number}");
        }
        for sentence in [
            "Sinh đôi, đã xem giấy khai sinh.",
            "twins; seen on 21.11.2026",
            "seen 21/11/2026 08:30",
            "2026-11-21T08:30:15Z và 2026-11-22T08:30:15Z",
            "từ 20/11/2026 đến 25/11/2026, lúc 10:30:15 và 11h45",
            "20-11-2026 10:30:00",
            "12345678",
            "đã chi 125.000.000 đồng và 3.500.000đ",
            "3.500.000, 2.000.000",
            "request 123e4567-e89b-12d3-a456-426614174000",
            "12345678-1234-1234-1234-123456789012",
            "(sha256:3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea)",
            "sha1=00105800012300105800012300105800012300ab.",
            "10:30-11:45, 12:00-13:15, 14:00-15:45",
            // The ids of records, as officers name them.
            "Trùng với hồ sơ VN-2026-0001234 và VN-2026-0001235.",
            "Hồ sơ HS-2026-11-000123 quầy 3",
            "Chi 123.456.789đ/tháng, rồi 123.456.789 đồng/năm, 1.234.567,50 đồng, VND 123.456.789 và $1,234,567.00",
            "từ 2.340.000-3.500.000 đồng, Số tiền 123.456.789 ₫",
            "các ngày 05/11, 06/11, 07/11, 08/11",
            "năm 2024-2025-2026, 2024/2025/2026 và 2024 2025 2026",
        ] {
            assert!(!stands_in(sentence), "{sentence}");
        }
    }

    #[test]
    fn a_text_that_carries_the_number_of_the_record_is_seen() {
        assert!(carries("t-079088000017-1", "079 088 000 017") && carries("t079.088.000.017", "079088000017"));
        assert!(!carries("t-1", "079088000017") && !carries("t-1", "1") && !carries("t", ""));
    }

    proptest! {
        #[test]
        fn no_uuid_and_no_digest_is_a_number(bytes in prop::array::uniform32(any::<u8>())) {
            let digest = crate::hex::encode(&bytes);
            let uuid = [&digest[..8], &digest[8..12], &digest[12..16], &digest[16..20], &digest[20..32]].join("-");
            for made in [&digest, &digest[..40], &uuid] {
                prop_assert!(!looks_like_one(made), "{}", made);
                let sentence = format!("Đã xem {made}, đúng.");
                prop_assert!(!stands_in(&sentence), "{}", sentence);
            }
        }

        #[test]
        fn a_citizens_number_is_seen_between_whatever_words_and_signs(
            province in 1u32..=96, rest in 0u32..=399_999_999,
            before in "[a-zđ ]{0,6}", sign in "[ .,_|~+:=*#x-]{1,2}", after in "[a-zđ ]{0,6}",
        ) {
            prop_assume!(sign.chars().filter(|&c| c == 'x').count() < 2);
            let number = format!("{province:03}{rest:09}");
            prop_assume!(is_of_citizen(&number));
            let sentence = format!("{before}{number}{after}");
            prop_assert!(stands_in(&sentence), "{}", sentence);
            let groups = [&number[..3], &number[3..6], &number[6..9], &number[9..]].join(&sign);
            prop_assert!(looks_like_one(&groups), "{}", groups);
            let sentence = format!("{before} {groups} {after}");
            prop_assert!(stands_in(&sentence), "{}", sentence);
        }

        #[test]
        fn any_text_is_looked_at_without_harm(text in any::<String>()) {
            let _ = (looks_like_one(&text), stands_in(&text), is_of_citizen(&text), is_former(&text), is_a_number(&text));
        }
    }
}
