//! Ids that must not be: a person's number in place of a pseudonym, and ids that look
//! like another.
//!
//! Ids of subjects and officers stand in stores, decisions and answers that hold nothing
//! else of a person. A card number there names the person in each of them. What is
//! already in the gallery under such an id goes on working: refusing it at the counter
//! would turn its bearer away.

use serde::Deserialize;

use super::{Field, WorkflowError};
use crate::gallery::{Gallery, ReadSet, Records, SubjectId};
use crate::numbers;
use crate::text;

/// What becomes of new ids that look like somebody's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberIds {
    /// Refused.
    #[default]
    Refuse,
    /// Taken: for operators whose pseudonyms are numbers of such a length.
    Accept,
}

impl NumberIds {
    /// Checks an id that is not known yet. The error names the field and never the id.
    pub(super) fn check(self, id: &SubjectId, field: &'static str) -> Result<(), WorkflowError> {
        let field = Field::Named(field);
        if id.as_str().chars().any(text::is_invisible) {
            return Err(WorkflowError::BadId { field });
        }
        match self {
            Self::Refuse if numbers::looks_like_one(id.as_str()) => Err(WorkflowError::NumberAsId { field }),
            _ => Ok(()),
        }
    }

    /// Checks the id of a subject; one that is enrolled goes on being one.
    pub(super) async fn check_subject(
        self,
        gallery: &Gallery,
        id: &SubjectId,
        field: &'static str,
    ) -> Result<(), WorkflowError> {
        if self.check(id, field).is_ok() {
            return Ok(());
        }
        let wanted = ReadSet { subjects: vec![id.clone()], ..ReadSet::default() };
        self.check_subject_of(&gallery.read(wanted).await?, id, field)
    }

    /// The same where its records have been read already.
    pub(super) fn check_subject_of(
        self,
        records: &Records,
        id: &SubjectId,
        field: &'static str,
    ) -> Result<(), WorkflowError> {
        match self.check(id, field) {
            Err(error) if records.head(id).is_none() => Err(error),
            _ => Ok(()),
        }
    }

    /// The same of a text that is kept beside ids: a code, or a few words.
    pub(super) fn check_text(self, text: &str, field: &'static str) -> Result<(), WorkflowError> {
        match self {
            Self::Refuse if numbers::looks_like_one(text) || numbers::stands_in(text) => {
                Err(WorkflowError::NumberAsId { field: Field::Named(field) })
            }
            _ => Ok(()),
        }
    }
}

/// Whether an enrolment must name its legal basis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegalBasisRule {
    /// It may.
    #[default]
    Optional,
    /// It is refused without; and no decision enrols whom it sees first.
    Required,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_somebodys_number_is_refused_unless_the_operator_takes_them() {
        let number = SubjectId::new("079088000017").unwrap();
        let error = NumberIds::Refuse.check(&number, "subject_id").unwrap_err();
        assert!(matches!(&error, WorkflowError::NumberAsId { field: Field::Named("subject_id") }), "{error}");
        assert!(!error.to_string().contains("079"), "{error}");
        NumberIds::Accept.check(&number, "subject_id").unwrap();
        NumberIds::Refuse.check(&SubjectId::new("record-1").unwrap(), "subject_id").unwrap();
    }

    #[test]
    fn an_id_is_no_other_for_characters_that_cannot_be_seen() {
        let id = SubjectId::new("record-1\u{200b}").unwrap();
        let error = NumberIds::Accept.check(&id, "subject_id").unwrap_err();
        assert!(matches!(&error, WorkflowError::BadId { field: Field::Named("subject_id") }), "{error}");
    }
}
