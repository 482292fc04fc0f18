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
        let length = text.chars().count();
        let unfit = visible(&text).is_empty() || length > Self::CHARS_MAX || text.chars().any(char::is_control);
        if unfit || numbers::stands_in(&text) { Err(GalleryError::BadNote) } else { Ok(Self(text)) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
