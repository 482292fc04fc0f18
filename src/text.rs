//! Normalises text from cards, records and spreadsheets: invisible characters, white space,
//! full-width forms, and the formatting of numbers.

use icu_properties::props::{Dash, DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

/// From U+FF01 to U+FF5E stand the ASCII characters from `!` to `~`, as wide as an
/// ideograph (block Halfwidth and Fullwidth Forms).
const FULL_WIDTH: std::ops::RangeInclusive<u32> = 0xFF01..=0xFF5E;
const FULL_WIDTH_OFFSET: u32 = 0xFF01 - 0x21;
/// Characters that some systems write for the apostrophe of `H'Hen`: those that
/// Unicode's confusables.txt (18.0.0) maps to U+0027 among Latin, modifier and common
/// ones.
const APOSTROPHES: &str = "'`´ʹʻʼʽʾˈˊˋ˴΄᾽᾿῾‘’‛′‵Ꞌꞌ";
/// Symbols that confusables.txt maps to the hyphen and that Unicode does not list as
/// dashes.
const HYPHENS: &str = "\u{2d7}\u{2043}\u{2796}\u{ad}";

/// Whether a character is invisible: default ignorable (zero-width spaces and joiners, soft hyphen,
/// byte order mark, direction and variation marks), another format character, or a control
/// character that is no white space.
pub(crate) fn is_invisible(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::Format
        || (c.is_control() && !c.is_whitespace())
}

/// Whether it is a dash of any kind.
pub(crate) fn is_dash(c: char) -> bool {
    CodePointSetData::new::<Dash>().contains(c) || HYPHENS.contains(c)
}

/// Whether a character is an apostrophe or is commonly used as one.
pub(crate) fn is_apostrophe(c: char) -> bool {
    APOSTROPHES.contains(c)
}

/// The visible text: invisible characters removed, white space as plain spaces, full-width ASCII as
/// ASCII, trimmed.
pub(crate) fn visible(text: &str) -> String {
    let shown = text.chars().filter(|&c| !is_invisible(c)).map(|c| match c {
        // U+2800, the blank Braille pattern, looks like a space but is not white space by Unicode.
        _ if c.is_whitespace() || c == '\u{2800}' => ' ',
        _ if FULL_WIDTH.contains(&u32::from(c)) => char::from_u32(u32::from(c) - FULL_WIDTH_OFFSET).unwrap_or(c),
        _ => c,
    });
    shown.collect::<String>().trim().to_owned()
}

/// A number without separators (spaces, dots, commas, dashes, quotes, underscores), with letters in
/// capitals. A zero fraction, as spreadsheets write it (`79088000017.0`), is removed, too.
pub(crate) fn number(text: &str) -> String {
    let text = visible(text);
    let text = whole(&text).unwrap_or(&text);
    let separates = |c: char| {
        c == ' ' || is_dash(c) || is_apostrophe(c) || matches!(c, '.' | ',' | '"' | '_' | '·' | '․' | '。' | '﹒' | '‚')
    };
    text.chars().filter(|&c| !separates(c)).collect::<String>().to_uppercase()
}

/// The digits before `.0` or `.00`, where nothing else is there.
fn whole(text: &str) -> Option<&str> {
    let (whole, fraction) = text.split_once(['.', ','])?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole) && whole.len() > 3 && matches!(fraction, "0" | "00")).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_dropped_and_nothing_else() {
        let hidden = "\u{200b}\u{200d}\u{feff}\u{ad}\u{200e}\u{202a}\u{2066}\u{34f}\u{fe0f}\u{180e}\u{7f}\u{0}\u{fff9}";
        assert!(hidden.chars().all(is_invisible));
        assert_eq!(visible(&format!(" a{hidden}b\u{a0}\u{3000}c\t")), "ab  c");
        assert_eq!(visible("Ｎｇｕｙễｎ ０７９"), "Nguyễn 079");
        assert!(!"aĐ\u{300}\u{31b}\n \u{a0}-'?\u{fffd}".chars().any(is_invisible));
    }

    #[test]
    fn a_number_is_its_digits_however_they_are_grouped() {
        for text in [
            "079088000017",
            "079 088 000 017",
            "079.088.000-017",
            "079‑088–000—017",
            "\u{200b}079088\u{2060}000017\u{feff}",
            "０７９０８８００００１７",
            "'079088000017",
            "\"079088000017\"",
            "079,088,000,017",
            "079088000017.0",
            "079\u{a0}088\u{202f}000\u{2009}017",
        ] {
            assert_eq!(number(text), "079088000017", "{text}");
        }
        assert_eq!(number("9.99E+11"), "999E+11");
        assert_eq!(number("o79088000017"), "O79088000017");
        assert_eq!(number(" \u{200b} - . "), "");
    }
}
