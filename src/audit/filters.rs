//! Which records are compared.

use crate::gallery::{Subject, Timestamp, same_province, same_scheme};

/// Which records are compared: those to which all of it applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    /// Draws from one of these.
    pub schemes: Vec<String>,
    /// Lives in one of these.
    pub provinces: Vec<String>,
    /// Enrolled at this time or later.
    pub enrolled_from: Option<Timestamp>,
    /// Enrolled before this time.
    pub enrolled_before: Option<Timestamp>,
    /// In words, for people and for the checkpoint.
    pub lines: Vec<String>,
}

/// What is known of a record.
pub struct FilterFacts<'a> {
    /// Schemes it draws from.
    pub schemes: Vec<&'a str>,
    /// Where it lives.
    pub province: Option<&'a str>,
    /// When it was enrolled.
    pub enrolled_at: Option<Timestamp>,
}

impl Filters {
    /// Whether all records are compared.
    pub fn is_empty(&self) -> bool {
        self.schemes.is_empty() && self.provinces.is_empty() && !self.by_time()
    }

    /// Whether the time of enrolment matters.
    pub fn by_time(&self) -> bool {
        self.enrolled_from.is_some() || self.enrolled_before.is_some()
    }

    /// The same of a subject of a gallery.
    ///
    /// # Errors
    /// Why it is left out, as a fixed word.
    pub fn wants_subject(&self, subject: &Subject) -> Result<(), &'static str> {
        self.wants(FilterFacts {
            schemes: subject.attributes.schemes.iter().map(String::as_str).collect(),
            province: subject.attributes.province.as_deref(),
            enrolled_at: Some(subject.enrolled_at),
        })
    }

    /// `Err` with the code of the reason where a record is not compared. What is not
    /// known does not apply.
    ///
    /// # Errors
    /// Why it is left out, as a fixed word.
    pub fn wants(&self, known: FilterFacts<'_>) -> Result<(), &'static str> {
        let drawn = |stored: &&str| self.schemes.iter().any(|wanted| same_scheme(stored, wanted));
        if !self.schemes.is_empty() && !known.schemes.iter().any(drawn) {
            return Err("OTHER_SCHEME");
        }
        let lives = |stored: &str| self.provinces.iter().any(|wanted| same_province(stored, wanted));
        if !self.provinces.is_empty() && !known.province.is_some_and(lives) {
            return Err("OTHER_PROVINCE");
        }
        let in_time = |at: Timestamp| {
            self.enrolled_from.is_none_or(|from| at >= from) && self.enrolled_before.is_none_or(|before| at < before)
        };
        if self.by_time() && !known.enrolled_at.is_some_and(in_time) {
            return Err("ENROLLED_OUTSIDE");
        }
        Ok(())
    }
}
