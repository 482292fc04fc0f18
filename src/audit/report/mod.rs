//! What an audit found, as files: `pairs.csv`, `rings.csv`, `summary.json`.
//!
//! The columns and fields named first are a contract; further ones follow them. The
//! same findings give the same bytes: nothing here depends on the clock, but for
//! `seconds` and `cost` in the summary, which the caller states.
//!
//! These files name subjects, because that is their purpose. Nothing else does: no
//! error of this module carries an id.

mod summary;
mod tables;
#[cfg(test)]
pub(super) mod tests;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use self::summary::{Sampled, Summary};
pub(crate) use self::tables::TABLE_NUMBERS;
use super::chance::{Chance, Grade, LinkChance, LocalChance};
use super::cost::Cost;
use super::measure::Outcome;
use super::rings::{Link, Rings};
use crate::search::Pair;

/// What is known of subjects and templates, by their numbers in the audit.
pub trait Records {
    /// What is known of a subject.
    fn subject(&self, subject: u32) -> SubjectFacts<'_>;
    /// What is known of a template, by its row.
    fn template(&self, row: u32) -> TemplateFacts<'_>;
    /// What an investigator found of two subjects, the lower number first.
    fn finding(&self, _subject_a: u32, _subject_b: u32) -> Option<Outcome> {
        None
    }
    /// The photo of a template as a small JPEG, where photos are at hand and were asked
    /// for.
    fn thumbnail(&self, _row: u32) -> Option<Cow<'_, [u8]>> {
        None
    }
}

/// What is known of a subject. Empty texts are not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubjectFacts<'a> {
    /// Pseudonymous id.
    pub id: Cow<'a, str>,
    /// Schemes, as a person reads them (`health, social`).
    pub schemes: Cow<'a, str>,
    /// Province code.
    pub province: Cow<'a, str>,
    /// Day of enrolment, `YYYY-MM-DD`.
    pub enrolled: Cow<'a, str>,
    /// Of the second gallery of an audit of two against each other.
    pub second_gallery: bool,
}

/// What is known of a template.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TemplateFacts<'a> {
    /// The subject, by its number.
    pub subject: u32,
    /// Id of the template in its gallery; for photos, their path in the manifest.
    pub id: Cow<'a, str>,
    /// Day of the capture, `YYYY-MM-DD`; empty where not known.
    pub captured: Cow<'a, str>,
    /// Quality of the capture, 0–100.
    pub quality: Option<f32>,
}

/// A number of records that took no part, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Why, in English.
    pub en: String,
    /// Why, in Vietnamese.
    pub vi: String,
    /// How many.
    pub count: u64,
    /// What was counted.
    pub unit: Unit,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Photos.
    Photos,
    /// Templates.
    Templates,
    /// Subjects.
    Subjects,
    /// Pairs of subjects.
    Pairs,
}

/// How the threshold was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// As a false match rate, by the pack's calibration.
    Fmr(f64),
    /// As the number of chance pairs one is ready to look at.
    ExpectChance(f64),
    /// As a score.
    Score(f32),
}

/// What was compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// What was audited, as the auditor named it.
    pub source: String,
    /// What it was compared with, where that is another gallery.
    pub against: Option<String>,
    /// The earlier audit whose pairs are left out (only pairs with something new).
    pub since: Option<String>,
    /// Filters in force, one line each.
    pub filters: Vec<String>,
    /// Digest of the recipe of all templates, where known.
    pub recipe: Option<String>,
    /// Scores at or above it are found.
    pub threshold: f32,
    /// How it was asked for.
    pub asked: Asked,
    /// Templates compared.
    pub templates: u64,
    /// Their subjects.
    pub subjects: u64,
    /// Pairs of templates of different subjects that were decided, each counted once.
    pub comparisons: u64,
    /// What took no part.
    pub left_out: Vec<LeftOut>,
    /// Pairs of subjects at or above the threshold that an officer cleared (twins).
    pub cleared: u64,
}

/// All that the report is made of.
#[derive(Clone, Copy)]
pub struct ReportData<'a> {
    /// Subjects and templates.
    pub records: &'a dyn Records,
    /// What was compared.
    pub compared: &'a Compared,
    /// Template pairs at or above the threshold, by row; those of cleared subjects may
    /// be among them, and are passed over.
    pub pairs: &'a [Pair],
    /// As `gather` made them of `pairs`.
    pub links: &'a [Link],
    /// As `rings` made them of `links`.
    pub rings: &'a Rings,
    /// What chance is expected to give.
    pub chance: &'a Chance,
    /// The same beside what was found, for all of `pairs` that are not cleared.
    pub local: &'a LocalChance,
    /// What the evidence of `links` rests on.
    pub link_chance: &'a LinkChance,
    /// How long the audit took.
    pub seconds: f64,
    /// And what of it, where it was measured.
    pub cost: Option<Cost>,
}

/// What a link is to the rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// Within a ring; chance hardly gives a link like it.
    Strong,
    /// Within a ring; chance may give a link like it.
    Doubtful,
    /// Not followed: doubtful, or likely chance.
    Bridge,
}

impl LinkKind {
    /// As in `pairs.csv`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strong => "strong",
            Self::Doubtful => "doubtful",
            Self::Bridge => "bridge",
        }
    }
}

impl ReportData<'_> {
    /// The link of two subjects.
    fn link(&self, a: u32, b: u32) -> Option<&Link> {
        let key = (a.min(b), a.max(b));
        self.links.binary_search_by_key(&key, |link| (link.a, link.b)).ok().map(|at| &self.links[at])
    }

    /// The ring of a link, by its place, and what the link is to it.
    pub(super) fn kind(&self, link: &Link) -> (Option<u32>, LinkKind) {
        let (a, b) = (self.rings.ring_of(link.a), self.rings.ring_of(link.b));
        match a {
            Some(ring) if a == b && link.evidence.grade() == Grade::Strong => (Some(ring), LinkKind::Strong),
            Some(ring) if a == b => (Some(ring), LinkKind::Doubtful),
            _ => (None, LinkKind::Bridge),
        }
    }

    /// FMR at a score, by the pack's calibration, else by the gallery's own non-mates.
    pub(super) fn fmr(&self, score: f32) -> Option<f64> {
        if let Some(curve) = &self.chance.calibration {
            return Some(curve.fmr(score).rate);
        }
        let expected = self.chance.expected(score)?;
        (self.chance.comparisons > 0).then(|| expected.value / self.chance.comparisons as f64)
    }
}

/// The number a ring goes by: its rank, from 1.
pub fn ring_id(place: u32) -> u64 {
    u64::from(place) + 1
}
