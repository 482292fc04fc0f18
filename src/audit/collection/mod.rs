//! What is audited: templates with their owners, and what the report says of both.

mod marks;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

pub use self::marks::Mark;
use super::left_out::LeftOutRow;
use super::names::{Names, NumberedNames};
use super::results::Clearing;
use crate::face::RecipeDigest;
use crate::gallery::{ClearedPair, PairState, SubjectId, Timestamp};

/// How far a unit vector's length may be from 1; as for templates.
const LENGTH_ERROR_MAX: f64 = 1e-3;
/// Different values of sex or age group that are told apart.
const GROUPS_MAX: usize = 1000;

/// What is known of a template beside its vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CollectedTemplate {
    /// Number of its subject.
    pub subject: u32,
    /// When its picture was taken, where known.
    pub captured_at: Option<Timestamp>,
    /// Quality of the picture, 0–100, where known.
    pub quality: Option<f32>,
}

/// What is known of a subject beside the face.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CollectedSubject {
    /// Number of the sex, from 1; 0 where it is not known.
    pub sex: u16,
    /// Number of the age group, from 1; 0 where it is not known.
    pub age: u16,
    /// First enrolment, where known.
    pub enrolled_at: Option<Timestamp>,
    /// Number of the text that names its schemes; see [`Collection::text`].
    pub schemes: u32,
    /// Number of the text that names its province.
    pub province: u32,
}

/// Why a template or subject cannot be taken. Names nobody.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CollectionError {
    /// Not the length of the others.
    #[error("a vector has {found} values, the others have {expected}; compare templates of one model pack only")]
    Dimension {
        /// Values of the others.
        expected: usize,
        /// Values of this one.
        found: usize,
    },
    /// NaN or infinite.
    #[error("a vector has values that are not finite; make it again")]
    NotFinite,
    /// Not a unit vector.
    #[error("a vector is {length:.4} long instead of 1; divide every vector by its length first")]
    NotNormalised {
        /// How long it is.
        length: f64,
    },
    /// Another recipe than the others'.
    #[error("templates of two recipes ({first} and {other}) cannot be compared; make both with the same model pack")]
    TwoRecipes {
        /// Recipe of the first.
        first: RecipeDigest,
        /// Recipe of the other.
        other: RecipeDigest,
    },
    /// Not a subject id.
    #[error("a subject id is 1 to 128 bytes of text without control characters or spaces around it")]
    BadSubject,
    /// Two of one subject with the same name.
    #[error("two templates of one subject have the same template id; give each its own")]
    DuplicateTemplate,
    /// More than can be numbered.
    #[error("more than {max} templates; audit parts of the gallery against each other with --against")]
    TooMany {
        /// How many there may be.
        max: u64,
    },
}

/// Templates in memory, row after row, and whose they are. The rows of a second
/// gallery, if any, come behind those of the first; a subject id that is in both is one
/// subject.
#[derive(Debug, Default)]
pub struct Collection {
    recipe: Option<RecipeDigest>,
    dimension: usize,
    values: Vec<f32>,
    groups: Vec<u32>,
    facts: Vec<CollectedTemplate>,
    names: Names,
    subjects: NumberedNames,
    subject_facts: Vec<CollectedSubject>,
    categories: NumberedNames,
    texts: NumberedNames,
    cleared: BTreeMap<(u32, u32), Clearing>,
    left_out: BTreeMap<String, u64>,
    left_out_rows: Vec<LeftOutRow>,
    vouched: BTreeSet<u32>,
    second_from: Option<usize>,
    second_subjects_from: Option<u32>,
}

impl Collection {
    /// Most rows: the join's.
    pub const ROWS_MAX: u64 = 1 << 31;

    /// An empty one, of any recipe and dimension.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says which recipe made what follows.
    ///
    /// # Errors
    /// [`CollectionError`] where templates of another recipe are there already.
    pub fn set_recipe(&mut self, recipe: RecipeDigest) -> Result<(), CollectionError> {
        match self.recipe {
            Some(first) if first != recipe => Err(CollectionError::TwoRecipes { first, other: recipe }),
            _ => {
                self.recipe = Some(recipe);
                Ok(())
            }
        }
    }

    /// Makes room.
    pub fn reserve(&mut self, rows: usize, dimension: usize) {
        self.values.reserve_exact(rows.saturating_mul(dimension));
        self.groups.reserve_exact(rows);
        self.facts.reserve_exact(rows);
    }

    /// The number of a subject, new or not.
    ///
    /// # Errors
    /// [`CollectionError`] for an id that cannot be one, and for too many subjects.
    pub fn subject(&mut self, id: &str) -> Result<u32, CollectionError> {
        if let Some(known) = self.subjects.find(id) {
            return Ok(known);
        }
        SubjectId::new(id).map_err(|_| CollectionError::BadSubject)?;
        self.subject_facts.push(CollectedSubject::default());
        Ok(self.subjects.number(id))
    }

    /// What is known of a subject, to be changed.
    pub fn facts_mut(&mut self, subject: u32) -> &mut CollectedSubject {
        &mut self.subject_facts[subject as usize]
    }

    /// The number of a value of sex or age group; 0 for none, and beyond 1000 of them.
    pub fn category(&mut self, value: &str) -> u16 {
        let value = value.trim();
        if value.is_empty() || self.categories.find(value).is_none() && self.categories.names().len() >= GROUPS_MAX {
            return 0;
        }
        self.categories.number(value) as u16 + 1
    }

    /// The number of a text that many subjects share; 0 for none.
    pub fn text_number(&mut self, text: &str) -> u32 {
        match text.trim() {
            "" => 0,
            text => self.texts.number(text) + 1,
        }
    }

    /// The text of a number.
    pub fn text(&self, number: u32) -> &str {
        number.checked_sub(1).map_or("", |number| self.texts.names().get(number))
    }

    /// Whether a subject is in the second gallery only.
    pub fn is_second_only(&self, subject: u32) -> bool {
        self.second_subjects_from.is_some_and(|from| subject >= from)
    }

    /// Takes a template; `false` for a vector of zeros, which stands for none and is
    /// counted as left out.
    ///
    /// # Errors
    /// [`CollectionError`] for a vector of another dimension or without length, and for too many.
    pub fn push(&mut self, name: &str, vector: &[f32], facts: CollectedTemplate) -> Result<bool, CollectionError> {
        if self.groups.is_empty() {
            self.dimension = vector.len();
        }
        if vector.len() != self.dimension || vector.is_empty() {
            return Err(CollectionError::Dimension { expected: self.dimension, found: vector.len() });
        }
        let length = vector.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
        if !length.is_finite() {
            return Err(CollectionError::NotFinite);
        }
        if length == 0.0 {
            self.leave_out("NO_TEMPLATE", 1);
            return Ok(false);
        }
        if (length - 1.0).abs() > LENGTH_ERROR_MAX {
            return Err(CollectionError::NotNormalised { length });
        }
        if self.groups.len() as u64 >= Self::ROWS_MAX {
            return Err(CollectionError::TooMany { max: Self::ROWS_MAX });
        }
        self.values.extend_from_slice(vector);
        self.groups.push(facts.subject);
        self.facts.push(facts);
        self.names.push(name);
        Ok(true)
    }

    /// An officer vouched that the template pushed last is of the same person as its subject's
    /// others that were vouched for.
    pub fn vouch_for_last(&mut self) {
        if let Some(last) = self.groups.len().checked_sub(1) {
            self.vouched.insert(last as u32);
        }
    }

    /// Whether an officer vouched for a template.
    pub fn is_vouched(&self, row: u32) -> bool {
        self.vouched.contains(&row)
    }

    /// What follows is of the second gallery.
    pub fn begin_second(&mut self) {
        self.second_from = Some(self.groups.len());
        self.second_subjects_from = Some(self.subject_facts.len() as u32);
    }

    /// Counts what is not compared, by a stable code of the reason.
    pub fn leave_out(&mut self, reason: &str, count: u64) {
        if count > 0 {
            *self.left_out.entry(reason.to_owned()).or_insert(0) += count;
        }
    }

    /// Keeps a row of a list that is not compared; it is counted by [`Collection::leave_out`].
    pub fn list_left_out(&mut self, row: LeftOutRow) {
        self.left_out_rows.push(row);
    }

    /// Two subjects, both of whom are here, who share a face for a good reason, where that is in
    /// force. The officer who cleared them last is named.
    pub fn clear(&mut self, pair: &ClearedPair) {
        let Some(entry) = pair.round().last().filter(|_| pair.state(Timestamp::now()) == PairState::InForce) else {
            return;
        };
        let [one, other] = [&pair.first, &pair.second].map(|id| self.subjects.find(id.as_str()));
        if let (Some(one), Some(other)) = (one, other)
            && one != other
        {
            let clearing = Clearing {
                outcome: None,
                officer: entry.officer.as_str().to_owned(),
                reason: entry.reason.as_str().to_owned(),
                at: Some(entry.at.0),
            };
            self.cleared.insert((one.min(other), one.max(other)), clearing);
        }
    }

    /// To be called when all is there: finds what only shows in the whole.
    ///
    /// # Errors
    /// [`CollectionError`] where what was collected does not fit together.
    pub fn finish(&mut self) -> Result<(), CollectionError> {
        let second = self.second_from.unwrap_or(self.groups.len());
        for side in [0..second, second..self.groups.len()] {
            let mut rows: Vec<u32> = side.map(|row| row as u32).collect();
            let key = |row: &u32| (self.groups[*row as usize], self.names.get(*row));
            rows.par_sort_unstable_by(|a, b| key(a).cmp(&key(b)));
            if rows.par_windows(2).any(|pair| key(&pair[0]) == key(&pair[1])) {
                return Err(CollectionError::DuplicateTemplate);
            }
        }
        Ok(())
    }

    /// Recipe of all templates, where known.
    pub fn recipe(&self) -> Option<RecipeDigest> {
        self.recipe
    }

    /// Values in a template.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Rows of both galleries.
    pub fn rows(&self) -> usize {
        self.groups.len()
    }

    /// Rows of the first gallery, or of the only one.
    pub fn first_rows(&self) -> usize {
        self.second_from.unwrap_or(self.groups.len())
    }

    /// Whether there is a second gallery.
    pub fn has_second(&self) -> bool {
        self.second_from.is_some()
    }

    /// Values of all rows, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The vector of a row.
    pub fn vector(&self, row: u32) -> &[f32] {
        let start = row as usize * self.dimension;
        &self.values[start..start + self.dimension]
    }

    /// By row, the number of its subject.
    pub fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// What is known of a template.
    pub fn template(&self, row: u32) -> &CollectedTemplate {
        &self.facts[row as usize]
    }

    /// The name of a template: its id in the gallery, the path of its photo, or its row.
    pub fn template_name(&self, row: u32) -> &str {
        self.names.get(row)
    }

    /// Number of subjects that are named, with or without templates.
    pub fn subjects(&self) -> usize {
        self.subject_facts.len()
    }

    /// Number of subjects with a template.
    pub fn subjects_with_templates(&self) -> usize {
        let mut seen = vec![false; self.subject_facts.len()];
        self.groups.iter().for_each(|&group| seen[group as usize] = true);
        seen.into_iter().filter(|&has| has).count()
    }

    /// The id of a subject.
    pub fn subject_id(&self, subject: u32) -> &str {
        self.subjects.names().get(subject)
    }

    /// The number of a subject id.
    pub fn find_subject(&self, id: &str) -> Option<u32> {
        self.subjects.find(id)
    }

    /// What is known of a subject.
    pub fn subject_facts(&self, subject: u32) -> &CollectedSubject {
        &self.subject_facts[subject as usize]
    }

    /// Pairs of subjects who were cleared in the gallery, the lower number first.
    pub fn cleared(&self) -> &BTreeMap<(u32, u32), Clearing> {
        &self.cleared
    }

    /// What is not compared, by reason.
    pub fn left_out(&self) -> &BTreeMap<String, u64> {
        &self.left_out
    }

    /// Rows of lists among those, but for what a filter left out.
    pub fn left_out_rows(&self) -> &[LeftOutRow] {
        &self.left_out_rows
    }

    /// Memory held, in bytes, about.
    pub fn bytes(&self) -> u64 {
        let rows = self.values.capacity() * 4
            + self.groups.capacity() * 4
            + self.facts.capacity() * size_of::<CollectedTemplate>()
            + self.subject_facts.capacity() * size_of::<CollectedSubject>();
        rows as u64 + self.names.bytes() + self.subjects.names().bytes()
    }
}
