//! Which records are compared, and what lists say of them.

use std::borrow::Cow;
use std::path::Path;

use super::super::Failure;
use super::super::manifest::Manifest;
use super::input::time;
use crate::audit::Collection;
use crate::gallery::{Subject, Timestamp, same_province, same_scheme};

/// Which records are compared: those to which all of it applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filters {
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
pub(super) struct Known<'a> {
    pub schemes: Vec<&'a str>,
    pub province: Option<&'a str>,
    pub enrolled_at: Option<Timestamp>,
}

impl Filters {
    /// Whether all records are compared.
    pub(super) fn is_empty(&self) -> bool {
        self.schemes.is_empty() && self.provinces.is_empty() && !self.by_time()
    }

    fn by_time(&self) -> bool {
        self.enrolled_from.is_some() || self.enrolled_before.is_some()
    }

    /// The same of a subject of a gallery.
    pub(super) fn wants_subject(&self, subject: &Subject) -> Result<(), &'static str> {
        self.wants(Known {
            schemes: subject.attributes.schemes.iter().map(String::as_str).collect(),
            province: subject.attributes.province.as_deref(),
            enrolled_at: Some(subject.enrolled_at),
        })
    }

    /// `Err` with the code of the reason where a record is not compared. What is not
    /// known does not apply.
    pub(super) fn wants(&self, known: Known<'_>) -> Result<(), &'static str> {
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

/// Columns of a list beside those it must have.
#[derive(Debug, Clone, Default)]
pub(super) struct TemplateColumns {
    template_id: Option<usize>,
    recipe: Option<usize>,
    captured_at: Option<usize>,
    quality: Option<usize>,
    sex: Option<usize>,
    age: Option<usize>,
    age_group: Option<usize>,
    scheme: Option<usize>,
    province: Option<usize>,
    enrolled_at: Option<usize>,
}

impl TemplateColumns {
    /// Finds them in the first line; an error where one that `filters` need is missing.
    pub(super) fn find(names: &[String], filters: &Filters, path: &Path) -> Result<Self, Failure> {
        let find = |wanted: &[&str]| {
            names.iter().position(|name| wanted.iter().any(|wanted| name.trim().eq_ignore_ascii_case(wanted)))
        };
        let columns = Self {
            template_id: find(&["template_id"]),
            recipe: find(&["recipe"]),
            captured_at: find(&["captured_at", "capture_date", "date"]),
            quality: find(&["quality"]),
            sex: find(&["sex", "gender"]),
            age: find(&["age"]),
            age_group: find(&["age_group"]),
            scheme: find(&["scheme", "schemes"]),
            province: find(&["province"]),
            enrolled_at: find(&["enrolled_at"]),
        };
        let needed = [
            (!filters.schemes.is_empty() && columns.scheme.is_none(), "--scheme", "scheme"),
            (!filters.provinces.is_empty() && columns.province.is_none(), "--province", "province"),
            (filters.by_time() && columns.enrolled_at.is_none(), "--enrolled-from and --enrolled-to", "enrolled_at"),
        ];
        match needed.iter().find(|(missing, ..)| *missing) {
            Some((_, option, column)) => Err(Failure::new(format_args!(
                "{}: there is no column {column}, which {option} needs; its first line names {}",
                path.display(),
                names.join(", ")
            ))),
            None => Ok(columns),
        }
    }

    fn text(column: Option<usize>, manifest: &Manifest) -> Option<Cow<'_, str>> {
        column.map(|column| manifest.field(column)).filter(|text| !text.is_empty())
    }

    /// Whether the row that was read last is compared.
    pub(super) fn wanted(&self, manifest: &Manifest, filters: &Filters) -> Result<(), &'static str> {
        let schemes = Self::text(self.scheme, manifest).unwrap_or_default();
        let province = Self::text(self.province, manifest);
        filters.wants(Known {
            schemes: schemes.split([';', '|', ',']).map(str::trim).collect(),
            province: province.as_deref(),
            enrolled_at: Self::text(self.enrolled_at, manifest).and_then(|text| time(&text)),
        })
    }

    /// Notes what the row says of its subject.
    pub(super) fn note(&self, manifest: &Manifest, subject: u32, into: &mut Collection) {
        let sex = Self::text(self.sex, manifest).map(|sex| sex.to_lowercase());
        let age = match (Self::text(self.age_group, manifest), Self::text(self.age, manifest)) {
            (Some(group), _) => Some(group.into_owned()),
            // In tens, as faces change.
            (None, Some(age)) => age.parse::<u32>().ok().map(|age| format!("{}-{}", age / 10 * 10, age / 10 * 10 + 9)),
            (None, None) => None,
        };
        let sex = sex.map_or(0, |sex| into.category(&sex));
        let age = age.map_or(0, |age| into.category(&age));
        let enrolled_at = Self::text(self.enrolled_at, manifest).and_then(|text| time(&text));
        let schemes = into.text_number(&Self::text(self.scheme, manifest).unwrap_or_default());
        let province = into.text_number(&Self::text(self.province, manifest).unwrap_or_default());
        let facts = into.facts_mut(subject);
        // The first row that says so.
        facts.sex = if facts.sex == 0 { sex } else { facts.sex };
        facts.age = if facts.age == 0 { age } else { facts.age };
        facts.enrolled_at = facts.enrolled_at.or(enrolled_at);
        facts.schemes = if facts.schemes == 0 { schemes } else { facts.schemes };
        facts.province = if facts.province == 0 { province } else { facts.province };
    }

    /// Name of the row's template.
    pub(super) fn template_id<'m>(&self, manifest: &'m Manifest) -> Option<Cow<'m, str>> {
        Self::text(self.template_id, manifest)
    }

    /// Recipe of the row's template.
    pub(super) fn recipe<'m>(&self, manifest: &'m Manifest) -> Option<Cow<'m, str>> {
        Self::text(self.recipe, manifest)
    }

    /// When the row's picture was taken.
    pub(super) fn captured_at(&self, manifest: &Manifest) -> Option<Timestamp> {
        Self::text(self.captured_at, manifest).and_then(|text| time(&text))
    }

    /// Quality of the row's picture.
    pub(super) fn quality(&self, manifest: &Manifest) -> Option<f32> {
        let quality = manifest.number(self.quality?).parse::<f32>().ok();
        quality.filter(|quality| (0.0..=100.0).contains(quality))
    }
}
