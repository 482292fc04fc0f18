//! Rewrites the type errors of the TOML, JSON and command-line parsers for people who do not know
//! Rust's type names.

/// Type names in library messages, and their replacement.
const WORDS: [(&str, &str); 13] = [
    ("invalid type: ", "wrong kind of value: "),
    ("floating point ", "the number "),
    ("integer ", "the whole number "),
    ("boolean ", "the value "),
    ("invalid digit found in string", "it takes a whole number"),
    ("cannot parse integer from empty string", "it takes a whole number"),
    ("number too large to fit in target type", "the number is too large"),
    ("number too small to fit in target type", "it takes a whole number, 0 or more"),
    ("invalid float literal", "it takes a number"),
    ("cannot parse float from empty string", "it takes a number"),
    ("sequence, expected", "a list, expected"),
    ("map, expected", "a table, expected"),
    ("string \"", "the text \""),
];

/// Expected types, as libraries name them at the end of a message, and their replacement.
const EXPECTED: [(&[&str], &str); 6] = [
    (&["usize", "u8", "u16", "u32", "u64", "isize", "i8", "i16", "i32", "i64"], "a whole number"),
    (&["f32", "f64"], "a number"),
    (&["a boolean"], "true or false"),
    (&["a string", "a borrowed string", "path string", "a string or bytes"], "text"),
    (&["a sequence"], "a list"),
    (&["a map"], "a table"),
];

/// The message with Rust's type names replaced.
pub(crate) fn plain(message: &str) -> String {
    const NEGATIVE: &str = "invalid value: integer `-";
    let (what, expected) = match message.rsplit_once("expected ") {
        Some((what, expected)) => {
            let known = EXPECTED.iter().find(|(names, _)| names.contains(&expected.trim()));
            let words = known.map_or(expected, |(_, words)| words);
            let from = if what.starts_with(NEGATIVE) && expected.trim().starts_with('u') { ", 0 or more" } else { "" };
            (what, format!("expected {words}{from}"))
        }
        None => (message, String::new()),
    };
    // A number too large for the integer type.
    for wide in ["` as i128", "` as u128"] {
        if let Some(number) = what.trim_end().strip_suffix(',').and_then(|what| what.strip_suffix(wide))
            && let Some((_, number)) = number.rsplit_once('`')
        {
            return format!("the whole number `{number}` is too large");
        }
    }
    // The value is quoted and stays as written.
    let mut out = format!("{what}{expected}");
    for (theirs, ours) in WORDS {
        if let Some(at) = out.find(theirs)
            && !out[..at].contains(['"', '`'])
        {
            out.replace_range(at..at + theirs.len(), ours);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types_become_words_and_values_stay() {
        for (theirs, ours) in [
            (
                "invalid type: string \"two\", expected usize",
                "wrong kind of value: the text \"two\", expected a whole number",
            ),
            (
                "invalid value: integer `-1`, expected u32",
                "invalid value: the whole number `-1`, expected a whole number, 0 or more",
            ),
            (
                "invalid type: string \"map, expected integer u8\", expected f64",
                "wrong kind of value: the text \"map, expected integer u8\", expected a number",
            ),
            ("invalid type: sequence, expected a string", "wrong kind of value: a list, expected text"),
            ("unknown field `x`, expected one of `a`, `b`", "unknown field `x`, expected one of `a`, `b`"),
            (
                "invalid type: integer `99999999999999999999` as i128, expected usize",
                "the whole number `99999999999999999999` is too large",
            ),
            ("no good", "no good"),
        ] {
            assert_eq!(plain(theirs), ours);
        }
    }
}
