//! The parts of a gallery's snapshot, taken into a collection.

use super::collection::{CollectedTemplate, Collection, CollectionError};
use super::filters::Filters;
use crate::face::RecipeDigest;
use crate::gallery::{SnapshotHead, SnapshotPart, StoredTemplate, Subject};

/// What a source turned out to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SnapshotTaken {
    /// Of a gallery: templates stored later have this id or a higher one.
    pub template_next: Option<u64>,
    /// Templates left out because they were stored after the audit began.
    pub later: u64,
}

/// Fills a collection with the parts of a snapshot.
pub struct SnapshotFiller<'a> {
    filters: &'a Filters,
    before: Option<u64>,
    recipe: Option<RecipeDigest>,
    taken: SnapshotTaken,
}

impl<'a> SnapshotFiller<'a> {
    /// Those that `filters` let through; of templates, those with an id below `before`.
    pub fn new(filters: &'a Filters, before: Option<u64>) -> Self {
        Self { filters, before, recipe: None, taken: SnapshotTaken::default() }
    }

    /// Takes what the gallery is of, and by which of its recipes, with so many values in a
    /// template, it is audited.
    ///
    /// # Errors
    /// Another recipe than that of templates taken before.
    pub fn begin(
        &mut self,
        head: &SnapshotHead,
        (recipe, dimension): (RecipeDigest, usize),
        into: &mut Collection,
    ) -> Result<(), CollectionError> {
        self.taken.template_next = Some(self.before.unwrap_or(head.template_next));
        self.recipe = Some(recipe);
        into.set_recipe(recipe)?;
        if self.filters.is_empty() {
            // Capped: the number is read from a file.
            into.reserve(usize::try_from(head.templates).unwrap_or(0).min(1 << 26), dimension);
        }
        Ok(())
    }

    /// Takes a part.
    ///
    /// # Errors
    /// What cannot be taken of it.
    pub fn take(&mut self, part: SnapshotPart, into: &mut Collection) -> Result<(), CollectionError> {
        match part {
            SnapshotPart::Subject(subject) => self.subject(&subject, into),
            SnapshotPart::Cleared(pair) => {
                into.clear(&pair);
                Ok(())
            }
        }
    }

    fn subject(&mut self, subject: &Subject, into: &mut Collection) -> Result<(), CollectionError> {
        let later = |id: u64| self.before.is_some_and(|before| id >= before);
        let is_own = |stored: &StoredTemplate| self.recipe.is_none_or(|own| stored.content.template.recipe() == own);
        let own: Vec<&StoredTemplate> = subject.templates.iter().filter(|stored| is_own(stored)).collect();
        if own.is_empty() {
            // Whoever has some of this recipe is compared by those.
            into.leave_out("OTHER_RECIPE", subject.templates.len() as u64);
            return Ok(());
        }
        let fresh = own.iter().filter(|template| later(template.id)).count() as u64;
        self.taken.later += fresh;
        if let Err(reason) = self.filters.wants_subject(subject) {
            into.leave_out(reason, own.len() as u64 - fresh);
            return Ok(());
        }
        if fresh == own.len() as u64 {
            return Ok(());
        }
        let number = into.subject(subject.id.as_str())?;
        let schemes: Vec<&str> = subject.attributes.schemes.iter().map(String::as_str).collect();
        let schemes = into.text_number(&schemes.join(", "));
        let province = into.text_number(subject.attributes.province.as_deref().unwrap_or_default());
        let info = into.facts_mut(number);
        (info.enrolled_at, info.schemes, info.province) = (Some(subject.enrolled_at), schemes, province);
        for template in own.into_iter().filter(|template| !later(template.id)) {
            let content = &template.content;
            let facts =
                CollectedTemplate { subject: number, captured_at: content.captured_at, quality: content.quality };
            let pushed = into.push(&template.id.to_string(), content.template.vector(), facts)?;
            if pushed && subject.vouched.iter().any(|one| one.templates.contains(&template.id)) {
                into.vouch_for_last();
            }
        }
        Ok(())
    }

    /// Counts what was left out at the end.
    pub fn end(self, into: &mut Collection) -> SnapshotTaken {
        into.leave_out("STORED_LATER", self.taken.later);
        self.taken
    }
}
