//! Whether two spellings are one Vietnamese name.
//!
//! Unicode has several ways to write one letter, keyboards put a tone on another
//! vowel of the syllable (`HÒA`, `HOÀ`), and older records and machine-readable
//! zones have no marks at all. So names are compared
//!
//! 1. with their marks: canonical composition aside (NFC and NFD are one), letter
//!    case aside, runs of space as one, the tone of each syllable wherever it
//!    stands in it;
//! 2. where one side has no marks, without them: `đ` as `d`, hyphens as spaces,
//!    apostrophes and dots dropped, and a zone that is full as a beginning only.
//!
//! Two spellings that both have marks, and other ones, are two names: `THANH` and
//! `THÀNH` may be brothers. So are `LÝ` and `LÍ`: which of the two vowels a name
//! has is the bearer's choice and stands in the papers.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::evidence::FieldState;

/// Marks of the five tones: grave, tilde, hook, acute, dot below.
const TONES: [char; 5] = ['\u{300}', '\u{303}', '\u{309}', '\u{301}', '\u{323}'];
/// Characters of the name line of a TD1 zone: a name that fills it may go on.
const ZONE_CHARS: usize = 30;

/// Compares the record's name with the chip's: in full, where the chip has it,
/// and as its machine-readable zone has it.
pub(super) fn compare(record: &str, full: Option<&str>, zone: Option<&str>) -> FieldState {
    let (with_marks, without) = (marked(record), plain(record));
    if let Some(full) = full.filter(|full| has_marks(full) || zone.is_none()) {
        return if marked(full) == with_marks {
            FieldState::Agrees
        } else if (!has_marks(record) || !has_marks(full)) && plain(full) == without {
            FieldState::AgreesWithoutMarks
        } else {
            FieldState::Differs
        };
    }
    match full.or(zone) {
        None => FieldState::NotOnChip,
        Some(chip) => {
            let chip = plain(chip);
            let cut = chip.chars().count() + 1 >= ZONE_CHARS && without.starts_with(&chip);
            match () {
                () if chip == without && !has_marks(record) => FieldState::Agrees,
                () if chip == without || cut => FieldState::AgreesWithoutMarks,
                () => FieldState::Differs,
            }
        }
    }
}

/// Whether any letter carries a mark or is `đ`.
fn has_marks(name: &str) -> bool {
    name.nfd().any(|c| is_combining_mark(c) || matches!(c, 'đ' | 'Đ'))
}

/// The name in small letters, decomposed, each syllable's tone moved to its end.
fn marked(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let small = name.to_lowercase();
    for syllable in small.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        let mut tones = String::new();
        for c in syllable.nfd() {
            if TONES.contains(&c) { tones.push(c) } else { out.push(c) }
        }
        out.push_str(&tones);
    }
    out
}

/// The name as a machine-readable zone writes it (ICAO 9303-3, 4.6 and section 6):
/// letters without marks, one space between words.
fn plain(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.to_lowercase().nfd() {
        match c {
            'đ' => out.push('d'),
            _ if is_combining_mark(c) => {}
            '\'' | '\u{2019}' | '.' => {}
            '-' | ',' => out.push(' '),
            _ => out.push(c),
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::FieldState::{Agrees, AgreesWithoutMarks, Differs, NotOnChip};
    use super::*;

    #[test]
    fn one_name_is_one_however_it_is_typed() {
        let decomposed: String = "Nguyễn Thử Nghiệm".nfd().collect();
        for record in
            ["NGUYỄN THỬ NGHIỆM", "nguyễn  thử nghiệm ", "Nguyễn Thử Nghiệm", &decomposed, "Nguyễn\u{a0}Thử Nghiệm"]
        {
            assert_eq!(compare(record, Some("NGUYỄN THỬ NGHIỆM"), Some("NGUYEN THU NGHIEM")), Agrees, "{record}");
        }
        for (one, other) in [("Hoà", "Hòa"), ("THUÝ", "Thúy"), ("Quyền", "Quyề\u{6e}"), ("Khoẻ", "khỏe")] {
            assert_eq!(compare(one, Some(other), None), Agrees, "{one} {other}");
        }
    }

    #[test]
    fn a_side_without_marks_agrees_but_says_so() {
        assert_eq!(compare("NGUYEN THU NGHIEM", Some("NGUYỄN THỬ NGHIỆM"), None), AgreesWithoutMarks);
        assert_eq!(compare("Đỗ Thị Đào", None, Some("DO THI DAO")), AgreesWithoutMarks);
        assert_eq!(compare("DO THI DAO", None, Some("DO THI DAO")), Agrees);
        assert_eq!(compare("H'Bia Niê-Kdăm", None, Some("HBIA NIE KDAM")), AgreesWithoutMarks);
        // Thirty letters of a longer name.
        let long = "CÔNG TẰNG TÔN NỮ THỊ THANH THUỶ TIÊN";
        assert_eq!(compare(long, None, Some("CONG TANG TON NU THI THANH THU")), AgreesWithoutMarks);
        assert_eq!(compare(long, None, Some("CONG TANG TON NU")), Differs);
    }

    #[test]
    fn other_marks_are_another_name() {
        for (one, other) in [("Thanh", "Thành"), ("Thánh", "Thành"), ("Lý", "Lí"), ("Đức", "Dức"), ("Tân", "Tấn")]
        {
            let expected = if has_marks(one) { Differs } else { AgreesWithoutMarks };
            assert_eq!(compare(one, Some(other), None), expected, "{one} {other}");
        }
        assert_eq!(compare("Nguyễn Văn An", Some("Nguyễn Văn Anh"), None), Differs);
        assert_eq!(compare("Nguyễn Văn An", None, None), NotOnChip);
    }

    proptest! {
        #[test]
        fn a_name_agrees_with_itself_in_any_composition_and_case(name in "[a-zA-ZàÁảãạăằắÂấêỆđĐơờưỮ ]{1,20}") {
            prop_assume!(!name.trim().is_empty());
            let (composed, decomposed): (String, String) = (name.nfc().collect(), name.nfd().collect());
            for other in [composed.to_uppercase(), decomposed.to_lowercase(), composed, decomposed] {
                prop_assert_eq!(compare(&name, Some(&other), None), Agrees);
            }
        }

        #[test]
        fn any_texts_are_compared(one in ".{0,20}", other in ".{0,20}") {
            let _ = compare(&one, Some(&other), Some(&other));
        }
    }
}
