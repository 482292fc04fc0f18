//! Labelled photos: templates with the person, and columns of the manifest.

use std::collections::HashMap;

use crate::face::{RecipeDigest, Template};
use crate::matching::RecipeMismatch;

/// A categorical column of the manifest, interned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManifestColumn {
    values: Vec<String>,
    index: HashMap<String, u32>,
    of_photo: Vec<u32>,
}

/// Most distinct values of a column; further ones become [`OTHER`].
const VALUES_MAX: usize = 10_000;
/// Value that stands for those beyond [`VALUES_MAX`].
const OTHER: &str = "(others)";

impl ManifestColumn {
    /// Appends the value of the next photo.
    pub fn push(&mut self, value: &str) {
        let value = if self.values.len() >= VALUES_MAX && !self.index.contains_key(value) { OTHER } else { value };
        let code = match self.index.get(value) {
            Some(&code) => code,
            None => {
                let code = self.values.len() as u32;
                self.values.push(value.to_owned());
                self.index.insert(value.to_owned(), code);
                code
            }
        };
        self.of_photo.push(code);
    }

    /// The value of a photo; empty if missing.
    pub fn value(&self, photo: u32) -> &str {
        self.of_photo.get(photo as usize).and_then(|&code| self.values.get(code as usize)).map_or("", String::as_str)
    }
}

/// A numeric measure of photos, such as a quality component.
#[derive(Debug, Clone, PartialEq)]
pub struct PhotoMeasure {
    /// Its name with the unit.
    pub name: String,
    /// Whether it is an overall quality, which the fusion experiment tries as a weight.
    pub overall: bool,
    /// By photo; `None` if not measured. Higher is expected to be better.
    pub values: Vec<Option<f32>>,
}

/// Labelled photos, with or without a template.
#[derive(Debug, Clone, Default)]
pub struct PhotoSet {
    templates: Vec<Option<Template>>,
    owners: Vec<u32>,
    subjects: usize,
    /// Columns of the manifest with their names; each has a value for every photo.
    pub columns: Vec<(String, ManifestColumn)>,
    /// Measures of the photos.
    pub measures: Vec<PhotoMeasure>,
    /// By photo: 1-based line of the input that first names it.
    pub lines: Vec<u64>,
}

impl PhotoSet {
    /// Adds a photo of `subject`; `None` is a photo that gave no template: a failure
    /// to acquire.
    pub fn push(&mut self, subject: u32, template: Option<Template>) {
        self.subjects = self.subjects.max(subject as usize + 1);
        self.owners.push(subject);
        self.templates.push(template);
    }

    /// Number of photos.
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// True without photos.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Number of people.
    pub fn subjects(&self) -> usize {
        self.subjects
    }

    /// The person of a photo.
    pub fn subject(&self, photo: u32) -> u32 {
        self.owners[photo as usize]
    }

    /// The template of a photo.
    pub fn template(&self, photo: u32) -> Option<&Template> {
        self.templates[photo as usize].as_ref()
    }

    /// Photos with a template, ascending.
    pub fn with_template(&self) -> impl Iterator<Item = u32> {
        (0..self.len() as u32).filter(|&photo| self.templates[photo as usize].is_some())
    }

    /// Photos that have a template and that `include` accepts, by person.
    pub fn by_subject(&self, include: impl Fn(u32) -> bool) -> Vec<Vec<u32>> {
        let mut of_subject = vec![Vec::new(); self.subjects];
        for photo in self.with_template().filter(|&photo| include(photo)) {
            of_subject[self.subject(photo) as usize].push(photo);
        }
        of_subject
    }

    /// The recipe of all templates; `None` without templates.
    ///
    /// # Errors
    /// [`RecipeMismatch`] where two were made by different recipes.
    pub fn recipe(&self) -> Result<Option<RecipeDigest>, RecipeMismatch> {
        let mut recipes = self.templates.iter().flatten().map(Template::recipe);
        let Some(left) = recipes.next() else { return Ok(None) };
        match recipes.find(|&right| right != left) {
            Some(right) => Err(RecipeMismatch { left, right }),
            None => Ok(Some(left)),
        }
    }

    /// A column by its name.
    pub fn column(&self, name: &str) -> Option<&ManifestColumn> {
        self.columns.iter().find(|(of, _)| of == name).map(|(_, column)| column)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::random::SplitMix;

    /// A synthetic set with `each` photos per subject: a random vector per subject, plus `noise`
    /// times another random vector in each photo.
    pub fn made_up(subjects: usize, each: usize, noise: f32) -> PhotoSet {
        let mut random = SplitMix(7);
        let mut unit = || random.next() as f32 / u64::MAX as f32 - 0.5;
        let mut set = PhotoSet::default();
        for subject in 0..subjects {
            let face: Vec<f32> = (0..16).map(|_| unit()).collect();
            for _ in 0..each {
                let raw: Vec<f32> = face.iter().map(|v| v + noise * unit()).collect();
                set.push(subject as u32, Some(Template::from_raw(RecipeDigest([0; 32]), &raw).unwrap()));
            }
        }
        set
    }

    #[test]
    fn a_photo_without_a_template_counts_and_is_not_compared() {
        let mut set = made_up(2, 2, 0.1);
        set.push(1, None);
        assert_eq!((set.len(), set.subjects(), set.with_template().count()), (5, 2, 4));
        assert_eq!(set.by_subject(|_| true), [vec![0, 1], vec![2, 3]]);
    }

    #[test]
    fn templates_of_two_recipes_are_told() {
        let mut set = made_up(1, 2, 0.1);
        assert!(set.recipe().unwrap().is_some());
        set.push(1, Some(Template::from_raw(RecipeDigest([1; 32]), &[1.0; 16]).unwrap()));
        assert!(set.recipe().is_err());
    }

    #[test]
    fn a_column_with_a_value_for_each_photo_stays_bounded() {
        let mut column = ManifestColumn::default();
        for i in 0..2 * VALUES_MAX {
            column.push(&i.to_string());
        }
        assert_eq!((column.value(5), column.value(VALUES_MAX as u32 + 5)), ("5", OTHER));
        assert_eq!(column.value(u32::MAX), "");
    }
}
