//! Text that a spreadsheet takes for a formula, made inert and found again.
//!
//! A cell that begins with `=`, `+`, `-`, `@` (or their wide forms, or spaces before them) is
//! computed when the file is opened: a subject id may read a file or call a program (CSV
//! injection, CWE-1236). An apostrophe before it makes it text. An apostrophe that was there gets
//! another, so that every text comes back as it was.
//!
//! A spreadsheet may divide lines at other separators than the file's (Vietnam's divide at `;`).
//! So what follows a separator or a line break inside a cell is treated as a cell of its own.

use std::borrow::Cow;

use crate::text::is_invisible;

/// What some spreadsheet may divide cells at.
const SEPARATORS: [char; 6] = [',', ';', '\t', '\n', '\r', '|'];
/// What begins a formula, and the wide and small forms that some of them normalise.
const FORMULA: [char; 13] = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '﹦', '﹢', '﹣', '﹫', '−'];
const MARK: char = '\'';

/// Whether a part of a cell must be marked.
fn is_marked(part: &str) -> bool {
    part.starts_with(MARK)
        || part.trim_start_matches(|c: char| c.is_whitespace() || is_invisible(c) || c == '"').starts_with(FORMULA)
}

/// Whether a whole cell begins with what some spreadsheets pass over before they look.
fn begins_with_control(cell: &str) -> bool {
    cell.starts_with(['\t', '\r', '\n', '\0'])
}

/// The cell as it is written.
pub(super) fn inert(text: &str) -> Cow<'_, str> {
    if !text.contains(SEPARATORS) && !is_marked(text) && !begins_with_control(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 2);
    for part in text.split_inclusive(SEPARATORS) {
        if is_marked(part) {
            out.push(MARK);
        }
        out.push_str(part);
    }
    if begins_with_control(&out) {
        out.insert(0, MARK);
    }
    Cow::Owned(out)
}

/// The text of a cell that was written by [`inert`]. Text of others stays as it is, but for an
/// apostrophe that made a formula inert.
pub(crate) fn original(cell: &str) -> Cow<'_, str> {
    if !cell.contains(MARK) {
        return Cow::Borrowed(cell);
    }
    let whole = cell.strip_prefix(MARK).filter(|rest| begins_with_control(rest)).unwrap_or(cell);
    let parts = whole.split_inclusive(SEPARATORS);
    Cow::Owned(parts.map(|part| part.strip_prefix(MARK).filter(|rest| is_marked(rest)).unwrap_or(part)).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_spreadsheet_would_compute_is_marked_and_other_text_is_not() {
        for (text, written) in [
            ("=1+1", "'=1+1"),
            ("+84901234567", "'+84901234567"),
            ("-5", "'-5"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("  =cmd|' /C calc'!A0", "'  =cmd|'' /C calc'!A0"),
            ("\u{200b}=1", "'\u{200b}=1"),
            ("\u{feff}=1", "'\u{feff}=1"),
            ("＝1", "'＝1"),
            ("\tx", "'\tx"),
            ("\rx", "'\rx"),
            ("a;=1", "a;'=1"),
            ("two\n=1", "two\n'=1"),
            ("\"=1", "'\"=1"),
            ("'x", "''x"),
            ("person-1", "person-1"),
            ("a=b, c", "a=b, c"),
            ("H'Hen Niê", "H'Hen Niê"),
            ("", ""),
        ] {
            assert_eq!(inert(text), written, "{text:?}");
            assert_eq!(original(written), text, "{written:?}");
        }
        // Written by others: an apostrophe that is none of ours.
        for text in ["'quoted'", "' x", "'"] {
            assert_eq!(original(text), text);
        }
        assert_eq!(original("'=1"), "=1", "as a spreadsheet means it");
    }

    proptest! {
        #[test]
        fn every_text_comes_back_and_no_part_of_it_begins_a_formula(
            text in "[=+@'\t\r\n;,| \"a\u{200b}＝-]{0,12}",
        ) {
            let written = inert(&text);
            prop_assert_eq!(original(&written), text.as_str());
            for part in written.split(SEPARATORS) {
                let seen = part.trim_start_matches(|c: char| c.is_whitespace() || is_invisible(c) || c == '"');
                prop_assert!(!seen.starts_with(FORMULA), "{written:?}");
            }
        }
    }
}
