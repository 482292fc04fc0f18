//! Whether two spellings are one Vietnamese name.
//!
//! Unicode has several ways to write one letter, keyboards put a tone on another
//! vowel of the syllable (`HÒA`, `HOÀ`), programs write letters that only look like
//! those of the alphabet (`Ð`), copied text holds characters that cannot be seen, and
//! older records and machine-readable zones have no marks at all. So names are compared
//!
//! 1. with their marks: invisible characters dropped, single letters that look like one
//!    of the alphabet taken for it ([`super::lookalikes`]), canonical composition aside
//!    (NFC and NFD are one), letter case aside, runs of space as one, the tone of each
//!    syllable wherever it stands in it, a dash of any kind as a space, and an
//!    apostrophe or dot of any kind as nothing or as a space (`H'Hen`, `H’Hen`, `HHen`
//!    and `H Hen` stand in the papers of one person);
//! 2. where one side has no marks, without them: `đ` as `d`, and a zone that is full as
//!    a beginning only.
//!
//! Two spellings that both have marks, and other ones, are two names: `THANH` and
//! `THÀNH` may be brothers. So are `LÝ` and `LÍ`: which of the two vowels a name
//! has is the bearer's choice and stands in the papers. And `rn` is not `m`, `l` not
//! `I`, `0` not `O`.

use icu_properties::CodePointMapData;
use icu_properties::props::Script;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::evidence::FieldState;
use super::lookalikes;
use crate::text;

/// Marks of the five tones: grave, tilde, hook, acute, dot below.
const TONES: [char; 5] = ['\u{300}', '\u{303}', '\u{309}', '\u{301}', '\u{323}'];
/// Marks of vowels.
const CIRCUMFLEX: char = '\u{302}';
const BREVE: char = '\u{306}';
const HORN: char = '\u{31b}';
/// Characters of the name line of a TD1 zone: a name that fills it may go on.
const ZONE_CHARS: usize = 30;

/// Compares the record's name with the chip's: in full, where the chip has it,
/// and as its machine-readable zone has it. What does not agree differs only where
/// both can be read as names.
pub(super) fn compare(record: &str, full: Option<&str>, zone: Option<&str>) -> FieldState {
    let broken = |name: &str| says_nobody(name) || is_garbled(name);
    let chip = || [full, zone].into_iter().flatten();
    match compare_folded(&lookalikes::fold(record), full, zone) {
        // What stands for no name is everybody's.
        state if state.agrees() && says_nobody(record) && chip().all(says_nobody) => FieldState::Unreadable,
        FieldState::Differs if broken(record) => FieldState::Unreadable,
        FieldState::Differs if chip().any(broken) => FieldState::UnreadableOnChip,
        state => state,
    }
}

/// What programs and people write where there is no name.
const NO_NAMES: [&str; 20] = [
    "null",
    "null null",
    "none",
    "nil",
    "undefined",
    "unknown",
    "unk",
    "fnu lnu",
    "anonymous",
    "name",
    "noname",
    "no name",
    "không",
    "trống",
    "bỏ trống",
    "họ tên",
    "họ và tên",
    "vô danh",
    "ẩn danh",
    "khuyết danh",
];
/// And how a sentence that says so begins.
const NO_NAME_BEGINS: [&str; 11] = [
    "không có",
    "không rõ",
    "không biết",
    "không tên",
    "không xác định",
    "chưa có",
    "chưa rõ",
    "chưa biết",
    "chưa xác định",
    "chưa đặt tên",
    "chưa cập nhật",
];

/// Whether a text tells nobody from others: characters that no name has, a single letter
/// or one over and over, or words for no name.
fn says_nobody(name: &str) -> bool {
    let folded = lookalikes::fold(name);
    let mut letters = folded.nfc().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase);
    let first = letters.next();
    let one_letter = letters.all(|c| Some(c) == first) && !has_signs(&folded);
    // In brackets, too: `(null)`.
    let bare: String = folded.chars().filter(|c| !matches!(c, '(' | ')')).collect();
    let of: fn(&str) -> String = if has_signs(&bare) { marked } else { plain };
    let own = forms(&bare, of);
    let is = |words: &str| own.contains(&of(words));
    let begins = |words: &str| own.iter().any(|own| own == &of(words) || own.starts_with(&format!("{} ", of(words))));
    let stands_for_none = NO_NAMES.iter().any(|words| is(words)) || NO_NAME_BEGINS.iter().any(|words| begins(words));
    !is_readable(name) || one_letter || stands_for_none
}

/// Whether nothing of a name is there: no letter, no sign that could stand for one.
pub(super) fn is_blank(name: &str) -> bool {
    lookalikes::fold(name).chars().all(|c| c == ' ' || joins(c) || separates(c))
}

fn compare_folded(record: &str, full: Option<&str>, zone: Option<&str>) -> FieldState {
    let full = full.map(lookalikes::fold);
    let zone = zone.map(lookalikes::fold);
    let record_marks = has_marks(record);
    if let Some(full) = full.as_deref().filter(|full| has_marks(full) || zone.is_none()) {
        return if one_of(&forms(record, marked), &forms(full, marked)) {
            FieldState::Agrees
        } else if (!has_signs(record) || !has_signs(full)) && one_of(&forms(record, plain), &forms(full, plain)) {
            FieldState::AgreesWithoutMarks
        } else {
            FieldState::Differs
        };
    }
    let Some(chip) = full.or(zone) else { return FieldState::NotOnChip };
    let (record, chip) = (forms(record, plain), forms(&chip, plain));
    let full_zone = |chip: &String| chip.chars().count() + 1 >= ZONE_CHARS;
    let cut = chip.iter().filter(|chip| full_zone(chip)).any(|chip| record.iter().any(|name| name.starts_with(chip)));
    match () {
        () if one_of(&record, &chip) && !record_marks => FieldState::Agrees,
        () if one_of(&record, &chip) || cut => FieldState::AgreesWithoutMarks,
        () => FieldState::Differs,
    }
}

fn one_of(one: &[String], other: &[String]) -> bool {
    one.iter().any(|form| other.contains(form))
}

/// Apostrophes and dots, which may stand between letters of one word or of two.
fn joins(c: char) -> bool {
    text::is_apostrophe(c) || matches!(c, '.' | '·' | '․' | '‧' | '・')
}

/// Dashes and commas, which stand between words.
fn separates(c: char) -> bool {
    text::is_dash(c) || matches!(c, ',' | ';')
}

/// A folded name in each way its signs can be read, in the form `of` gives.
fn forms(name: &str, of: fn(&str) -> String) -> [String; 2] {
    let spaced: String = name.chars().map(|c| if separates(c) { ' ' } else { c }).collect();
    let apart: String = spaced.chars().map(|c| if joins(c) { ' ' } else { c }).collect();
    // The space beside an apostrophe goes with it.
    let parts: Vec<&str> = spaced.split(joins).map(str::trim).filter(|part| !part.is_empty()).collect();
    [of(&parts.concat()), of(&apart)]
}

/// Whether every character belongs to a name in Latin letters: none that a broken
/// encoding leaves, no digit, no other script.
fn is_readable(name: &str) -> bool {
    let scripts = CodePointMapData::<Script>::new();
    let fits = |c: char| match scripts.get(c) {
        Script::Latin => c.is_alphabetic(),
        Script::Inherited => is_combining_mark(c),
        _ => c == ' ' || joins(c) || separates(c) || matches!(c, '(' | ')'),
    };
    lookalikes::fold(name).chars().all(fits)
}

/// Whether a name holds letters, or pairs of them, that Vietnamese does not have: what VNI
/// or another old encoding leaves (`NGUYEÃN`, `ÑÖÙC`), and text in the wrong one
/// (`LÃª TÃº`). A foreign name has such letters, too; then two names that differ refer
/// instead of denying.
fn is_garbled(name: &str) -> bool {
    let mut before = ' ';
    lookalikes::fold(name).to_lowercase().nfc().any(|c| {
        let strange = !is_of_alphabet(c) || cannot_follow(before, c);
        before = c;
        strange
    })
}

/// Letters of the alphabet, those of English, and whatever is no letter.
fn is_of_alphabet(c: char) -> bool {
    if !c.is_alphabetic() || c.is_ascii() || c == 'đ' {
        return true;
    }
    let mut parts = std::iter::once(c).nfd();
    let Some(base) = parts.next() else { return true };
    let vowel = matches!(base, 'a' | 'e' | 'i' | 'o' | 'u' | 'y');
    let mut marks = 0;
    vowel
        && parts.all(|mark| {
            marks += 1;
            TONES.contains(&mark)
                || match mark {
                    CIRCUMFLEX => matches!(base, 'a' | 'e' | 'o'),
                    BREVE => base == 'a',
                    HORN => matches!(base, 'o' | 'u'),
                    _ => false,
                }
        })
        && marks > 0
}

/// VNI writes a letter's mark as a second letter; few of the pairs stand in a syllable.
fn cannot_follow(before: char, c: char) -> bool {
    match before {
        'a' => matches!(c, 'â' | 'á' | 'à' | 'ã' | 'ê' | 'é' | 'è' | 'ú' | 'ù' | 'õ'),
        'e' => matches!(c, 'â' | 'á' | 'à' | 'ã' | 'ù' | 'õ'),
        'o' => matches!(c, 'â' | 'ù' | 'õ'),
        'i' | 'u' | 'y' => matches!(c, 'ù' | 'õ'),
        _ => false,
    }
}

/// Whether any letter carries a sign above, below or beside it. The bar of `đ` is none:
/// dropping signs, as many programs do, leaves it.
fn has_signs(name: &str) -> bool {
    name.nfd().any(is_combining_mark)
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
            _ => out.push(c),
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::FieldState::{Agrees, AgreesWithoutMarks, Differs, NotOnChip, Unreadable, UnreadableOnChip};
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
    fn letters_that_only_look_like_those_of_the_alphabet_are_one_name() {
        for (record, chip) in [
            // Latin-1's eth and the African D, which fonts and old keyboards give for Đ.
            ("Ðỗ Thị Ðào", "ĐỖ THỊ ĐÀO"),
            ("ðỗ thị ðào", "ĐỖ THỊ ĐÀO"),
            ("Ɖỗ Thị Ɖào", "ĐỖ THỊ ĐÀO"),
            ("D\u{335}ỗ Thị d\u{336}ào", "ĐỖ THỊ ĐÀO"),
            // A caron for a breve, an inverted breve for a circumflex.
            ("Nguyễn Vǎn An", "NGUYỄN VĂN AN"),
            ("Trȃn Văn Ân", "TRÂN VĂN ÂN"),
            // A keyboard of another script, another language, and full width.
            ("Nguyễn Vаn Аn", "NGUYỄN VAN AN"),
            ("ΝGUYỄN VĂN ΑN", "NGUYỄN VĂN AN"),
            ("NGUYỄN VĂN BıNH", "NGUYỄN VĂN BINH"),
            ("ＮＧＵＹỄＮ ＶĂＮ ＡＮ", "NGUYỄN VĂN AN"),
        ] {
            assert_eq!(compare(record, Some(chip), None), Agrees, "{record}");
            assert_eq!(compare(chip, Some(record), None), Agrees, "{record}");
        }
        assert_eq!(compare("Ðỗ Thị Ðào", None, Some("DO THI DAO")), AgreesWithoutMarks);
        assert_eq!(compare("DO THI DAO", Some("ÐỖ THỊ ÐÀO"), None), AgreesWithoutMarks);
    }

    /// Dropping combining marks is the commonest way to strip a name, and leaves the Đ.
    #[test]
    fn a_name_that_was_stripped_of_all_but_its_d_agrees_without_marks() {
        for record in ["ĐO THI ĐAO", "DO THI DAO", "đo thi dao", "ÐO THI ÐAO"] {
            assert_eq!(compare(record, Some("ĐỖ THỊ ĐÀO"), Some("DO THI DAO")), AgreesWithoutMarks, "{record}");
        }
        assert_eq!(compare("ĐÔ THI ĐAO", Some("ĐỖ THỊ ĐÀO"), None), Differs);
    }

    /// An old encoding is nobody else's name.
    #[test]
    fn a_name_in_a_broken_encoding_cannot_be_read() {
        for (record, chip) in [
            ("NGUYEÃN HOØA ÑÖÙC", "NGUYỄN HÒA ĐỨC"),
            ("LÃª TÃº HÃ", "LÊ TÚ HÀ"),
            ("LEÂ VAÊN", "LÊ VĂN"),
            ("TRAÀN", "TRẦN"),
            ("Nguyeãn Thò Leâ", "NGUYỄN THỊ LỆ"),
            ("PHAÏM", "PHẠM"),
        ] {
            assert_eq!(compare(record, Some(chip), None), Unreadable, "{record}");
        }
        // No name of the language is taken for one.
        for name in [
            "Nguyễn",
            "Hoài",
            "Thuý",
            "Thúy",
            "Hoàng",
            "Toán",
            "Khoẻ",
            "Quý",
            "Quỳ",
            "Giàu",
            "Yến",
            "Oanh",
            "Uyên",
            "Loã",
            "Hoá",
            "Đoàn",
            "Ngoãn",
            "Tuấn",
            "Thuận",
            "Phượng",
            "Ướm",
            "Ưu",
            "Khuê",
            "Huệ",
            "Ẩn",
            "Ỷ",
            "Luỹ",
        ] {
            assert_eq!(compare(name, Some("NGUYỄN THỬ"), None), Differs, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_seen_makes_no_other_name() {
        for hidden in ["\u{200b}", "\u{200d}", "\u{feff}", "\u{ad}", "\u{200e}", "\u{202b}", "\u{34f}", "\u{fe0f}"] {
            let record = format!("Nguyễn{hidden} Thử {hidden}Nghi{hidden}ệm");
            assert_eq!(compare(&record, Some("NGUYỄN THỬ NGHIỆM"), None), Agrees, "{hidden:?}");
            // An invisible mark is no mark: this name has none.
            let bare = format!("NGUYEN{hidden} THU NGHIEM");
            assert_eq!(compare(&bare, None, Some("NGUYEN THU NGHIEM")), Agrees, "{hidden:?}");
            assert_eq!(compare(&bare, Some("NGUYỄN THỬ NGHIỆM"), None), AgreesWithoutMarks, "{hidden:?}");
        }
    }

    #[test]
    fn apostrophes_and_dashes_of_any_kind_are_one() {
        for record in ["H'Hen Niê", "H’Hen Niê", "HʼHen Niê", "H`Hen Niê", "H´Hen Niê", "H' Hen Niê", "HHen Niê"]
        {
            assert_eq!(compare(record, Some("H'HEN NIÊ"), Some("HHEN NIE")), Agrees, "{record}");
            assert_eq!(compare(record, None, Some("HHEN NIE")), AgreesWithoutMarks, "{record}");
        }
        assert_eq!(compare("H Hen Niê", Some("H'HEN NIÊ"), Some("HHEN NIE")), Agrees);
        for dash in ["-", "\u{2010}", "\u{2011}", "\u{2013}", "\u{2014}", "\u{2212}", " - ", " ", "\u{ff0d}"] {
            let record = format!("H'Bia Buôn{dash}Yă");
            assert_eq!(compare(&record, Some("H'BIA BUÔN-YĂ"), Some("HBIA BUON YA")), Agrees, "{dash}");
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
    fn a_name_near_another_stays_another() {
        // Brothers, sisters, neighbours: each pair is two people.
        for (one, other) in [
            ("Thánh", "Thành"),
            ("Lý", "Lí"),
            ("Đức", "Dức"),
            ("Tân", "Tấn"),
            ("Văn", "Vân"),
            ("Hiền", "Hiển"),
            ("Hiền", "Hiến"),
            ("Tuân", "Tuấn"),
            ("Sơn", "Sớn"),
            ("Hòa", "Hóa"),
            ("Dũng", "Dụng"),
            ("Mỹ", "Mỵ"),
            ("Ơn", "Ôn"),
            ("Tú", "Tứ"),
            ("Bẩy", "Bảy"),
            ("Đăng", "Đặng"),
            ("Lĩnh", "Lỉnh"),
            ("Nguyễn Văn An", "Nguyễn Văn Anh"),
            ("Nguyễn Văn An", "Nguyễn Vă Nan"),
            ("Trần Thị An", "Trần Thịa N"),
            ("Nguyễn Thị Hoa-Anh", "Nguyễn Thị Hoaanh"),
            ("Đỗ Nam", "Đỗ Narn"),
            ("Đỗ Lan", "Đỗ Ian"),
            ("Lê Tí", "Lê Tì"),
            ("Đinh Ngọc", "Đình Ngọc"),
            ("Nguyễn Bình", "Nguyễn Binh"),
        ] {
            assert_eq!(compare(one, Some(other), None), Differs, "{one} {other}");
            assert_eq!(compare(other, Some(one), None), Differs, "{one} {other}");
        }
        // Where one side has no marks at all, letters alone are left to tell.
        assert_eq!(compare("Thanh", Some("Thành"), None), AgreesWithoutMarks);
        assert_eq!(compare("Nguyen Van Narn", Some("Nguyễn Văn Nam"), None), Differs);
        assert_eq!(compare("Le Van Ian", None, Some("LE VAN LAN")), Differs);
        assert_eq!(compare("Nguyễn Văn An", None, None), NotOnChip);
    }

    #[test]
    fn a_name_that_came_broken_is_not_another_name() {
        for broken in [
            "Nguy?n Th? Nghi?m",
            "Nguy\u{fffd}n Th\u{fffd} Nghi\u{fffd}m",
            "Nguyá»…n Thá»\u{ad} Nghiá»‡m",
            "NGUYỄN TH0",
            "Нгуен Тху Нгхием",
            "阮試驗",
            "12345",
            "N/A",
        ] {
            assert_eq!(compare(broken, Some("NGUYỄN THỬ NGHIỆM"), Some("NGUYEN THU NGHIEM")), Unreadable, "{broken}");
            assert_eq!(compare("Nguyễn Thử Nghiệm", Some(broken), None), UnreadableOnChip, "{broken}");
        }
        assert!(is_blank(" - ") && is_blank("'.\u{200b}") && !is_blank("?") && !is_blank("Y"));
    }

    /// Every such record would fit every such card.
    #[test]
    fn what_stands_for_no_name_agrees_with_nothing() {
        for none in [
            "???",
            "X",
            "xxx",
            "NULL",
            "n/a",
            "KHÔNG CÓ",
            "Khong co",
            "không rõ",
            "Chưa cập nhật",
            "Không xác định",
            "Chưa đặt tên cho con",
            "(null)",
            "null null",
            "HỌ TÊN",
            "Nguy?n Th? Nghi?m",
            "Nguyá»…n Thá»\u{ad} Nghiá»‡m",
            "0",
        ] {
            assert_eq!(compare(none, Some(none), None), Unreadable, "{none}");
            assert_eq!(compare(none, None, Some(&none.to_uppercase())), Unreadable, "{none}");
            assert_eq!(compare(none, Some("NGUYỄN THỬ NGHIỆM"), None), Unreadable, "{none}");
            assert_eq!(compare("Nguyễn Thử Nghiệm", Some(none), None), UnreadableOnChip, "{none}");
        }
        // Names of people, whatever they sound like.
        for name in ["Khổng Cơ", "Y Thu", "Na", "Vỏ Danh", "Müller Anna", "Nguyễn Văn X"] {
            assert_eq!(compare(name, Some(&name.to_uppercase()), None), Agrees, "{name}");
        }
        assert_eq!(compare("KHONG CO", Some("KHỔNG CƠ"), Some("KHONG CO")), AgreesWithoutMarks);
        assert_eq!(compare("Khổng Cơ", None, Some("KHONG CO")), AgreesWithoutMarks);
    }

    proptest! {
        #[test]
        fn a_name_agrees_with_itself_in_any_composition_and_case(name in "[a-zA-ZàÁảãạăằắÂấêỆđĐơờưỮ ]{1,20}") {
            // One letter by itself is nobody's name.
            prop_assume!(!says_nobody(&name));
            let (composed, decomposed): (String, String) = (name.nfc().collect(), name.nfd().collect());
            for other in [composed.to_uppercase(), decomposed.to_lowercase(), composed, decomposed] {
                prop_assert_eq!(compare(&name, Some(&other), None), Agrees);
            }
        }

        #[test]
        fn any_texts_are_compared(one in ".{0,20}", other in ".{0,20}") {
            let _ = compare(&one, Some(&other), Some(&other));
            let _ = is_blank(&one);
        }
    }
}
