//! The texts of an entry: codes of this program, and the operator's own names of machines, people and
//! offices. Neither can be a sentence, and neither is a number of a person.
//!
//! What is *read* is checked by alphabet and length alone, rules that never change; that a label is no
//! person's number is checked when it is made.

use std::fmt;

use crate::numbers;

/// Most bytes of a code.
const CODE_BYTES_MAX: usize = 64;
/// Most bytes of a label, as of names in the configuration.
const LABEL_BYTES_MAX: usize = 128;
/// Most digits together in a code: fewer than any number of a person has.
const CODE_DIGITS_MAX: usize = 8;

/// A text that is no code or no label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAWord {
    /// It has other characters or another length than a code.
    #[error(
        "a code has 1 to {CODE_BYTES_MAX} of A-Z a-z 0-9 _ . / - and no more than {CODE_DIGITS_MAX} digits together"
    )]
    Code,
    /// It has control characters or outer spaces, or another length than a label.
    #[error("a label has 1 to {LABEL_BYTES_MAX} bytes without control characters and outer spaces")]
    Label,
    /// It looks like the number of a person.
    #[error("it looks like the number of a person")]
    Number,
}

/// A stable code: of a reason, an outcome, a kind of evidence; a method.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(String);

impl Code {
    /// The code of this text.
    ///
    /// # Errors
    /// [`NotAWord::Code`].
    pub fn new(text: impl Into<String>) -> Result<Self, NotAWord> {
        let text = text.into();
        let is_written_so = (1..=CODE_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte));
        let digits = text.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
        let is_code = is_written_so && digits.is_none_or(|digits| digits <= CODE_DIGITS_MAX);
        if is_code { Ok(Self(text)) } else { Err(NotAWord::Code) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name that the operator gives: of a machine, a person (a pseudonym), an office, an account.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

impl Label {
    /// The label of this text. [`LedgerKey::label`](super::LedgerKey::label) makes one of any text.
    ///
    /// # Errors
    /// [`NotAWord::Label`], [`NotAWord::Number`].
    pub fn new(text: impl Into<String>) -> Result<Self, NotAWord> {
        let label = Self::read(text.into())?;
        if numbers::looks_like_one(&label.0) { Err(NotAWord::Number) } else { Ok(label) }
    }

    /// The label of a text that was one when it was entered.
    pub(super) fn read(text: String) -> Result<Self, NotAWord> {
        let is_label =
            (1..=LABEL_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control) && text.trim() == text;
        if is_label { Ok(Self(text)) } else { Err(NotAWord::Label) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says nothing: a label may name a person.
impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Label(..)")
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl serde::Serialize for Label {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_holds_no_sentence_and_no_number_of_a_person() {
        for good in ["APPROVE", "chip_face", "/chinhchu.v1.Gallery/Enroll", "cli/subject-remove", "P-256", "12345678"] {
            assert!(Code::new(good).is_ok(), "{good}");
        }
        let long = "A".repeat(65);
        for wrong in ["", "two words", "tên", "a,b", "a\n", "079088000017", "x123456789", "x=1", &long] {
            assert_eq!(Code::new(wrong), Err(NotAWord::Code), "{wrong}");
        }
    }

    #[test]
    fn a_label_is_the_operators_name_and_no_number_of_a_person() {
        for good in ["counter-q1", "9b2f6c0e-1d8a-4c52-a3f0-6d6a3c1b7e55", "BHXH Quận 1", "clerk 17"] {
            assert!(Label::new(good).is_ok(), "{good}");
        }
        let long = "A".repeat(129);
        for wrong in ["", " a", "a ", "a\tb", "a\u{7f}", &long] {
            assert_eq!(Label::new(wrong), Err(NotAWord::Label), "{wrong}");
        }
        for number in ["079088000017", "079 088 000 017", "HS4010012345678"] {
            assert_eq!(Label::new(number), Err(NotAWord::Number), "{number}");
        }
    }
}
