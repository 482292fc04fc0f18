//! An officer's reason.

use std::fmt;

use super::GalleryError;
use crate::numbers;
use crate::text::visible;

/// A reason in an officer's words: 1–500 characters without control characters
/// and without a long number, which would be somebody's. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Note(String);

impl Note {
    /// Most characters.
    pub const CHARS_MAX: usize = 500;
    /// Wraps what an earlier program checked and stored.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// Checks and wraps a text.
    ///
    /// # Errors
    /// [`GalleryError::BadNote`].
    pub fn new(text: impl Into<String>) -> Result<Self, GalleryError> {
        let text = text.into();
        if is_fit(&text, Self::CHARS_MAX) { Ok(Self(text)) } else { Err(GalleryError::BadNote) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text can be kept with a record: something can be seen of it, it is at most so long, in one
/// line, and holds no long number.
pub(super) fn is_fit(text: &str, chars_max: usize) -> bool {
    let is_of_length = !visible(text).is_empty() && text.chars().count() <= chars_max;
    is_of_length && !text.chars().any(char::is_control) && !numbers::stands_in(text)
}

impl fmt::Debug for Note {
    // What is said about people stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Note(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_short_and_holds_nobodys_number() {
        for good in
            ["Sinh đôi, đã xem giấy khai sinh.", "twins; seen on 21.11.2026", "seen 21/11/2026 08:30", "a", "12345678"]
        {
            assert!(Note::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "  ",
            "two\nlines",
            "card 079123456789",
            "079 123 456 789",
            "079.123.456-789",
            "079\u{200b}123456",
            "079–123–456",
            "001058_000123",
            "025_123_456",
            "025/123/456",
            "٠٠١٠٥٨٠٠٠١٢٣",
            "\u{200b}",
        ] {
            assert!(Note::new(bad).is_err(), "{bad}");
        }
        assert!(Note::new("đ".repeat(500)).is_ok() && Note::new("đ".repeat(501)).is_err());
        assert_eq!(format!("{:?}", Note::new("mother's twin").unwrap()), "Note(…)");
    }
}
