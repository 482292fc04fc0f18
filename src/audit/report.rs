//! What an audit found, as files: `pairs.csv`, `rings.csv`, `summary.json`.
//!
//! The columns and fields named first are a contract; further ones follow them. The
//! same findings give the same bytes: nothing here depends on the clock, but for
//! `seconds` and `cost` in the summary, which the caller states.
//!
//! These files name subjects, because that is their purpose. Nothing else does: no
//! error of this module carries an id.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::chance::{Chance, Estimate, Explained, KindOfPair};
use super::chance_local::LocalChance;
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
    /// How long the audit took.
    pub seconds: f64,
    /// And what of it, where it was measured.
    pub cost: Option<Cost>,
}

/// `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Templates compared.
    pub templates: u64,
    /// Their subjects.
    pub subjects: u64,
    /// Pairs of templates of different subjects that were decided, each counted once.
    pub comparisons: u64,
    /// Scores at or above it are found.
    pub threshold: f32,
    /// FMR at the threshold, by the pack's calibration; else by the gallery's own
    /// non-mates.
    pub fmr: Option<f64>,
    /// Template pairs found.
    pub pairs: u64,
    /// Rings.
    pub rings: u64,
    /// Pairs expected by chance, by the gallery's own non-mates, else by the calibration.
    pub expected_chance_pairs: Option<f64>,
    /// How long the audit took.
    pub seconds: f64,
    /// The expectation with its interval.
    pub chance: Option<Estimate>,
    /// By the pack's calibration alone.
    pub chance_by_calibration: Option<Estimate>,
    /// Why there is no expectation of the gallery's own.
    pub chance_not_own: Option<String>,
    /// What the expectation of the gallery's own rests on.
    pub sampled: Vec<Sampled>,
    /// How much of what was found chance explains.
    pub explained: Option<Explained>,
    /// Pairs of subjects.
    pub links: u64,
    /// Subjects in rings.
    pub ring_members: u64,
    /// From which score on a link is strong; absent where none is.
    pub strong_from: Option<f32>,
    /// Doubtful links that were not followed.
    pub bridges: u64,
    /// What was compared.
    pub compared: Compared,
    /// What the audit took, by part; like `seconds` other every time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// One kind of sampled non-mates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sampled {
    /// Which.
    pub of: KindOfPair,
    /// Comparisons of the audit that are of this kind.
    pub comparisons: u64,
    /// How many were sampled.
    pub sampled: u64,
    /// How many of those were set aside as one person's.
    pub set_aside: u64,
    /// From which score on.
    pub set_aside_from: f32,
    /// People the rest is of.
    pub people: u64,
    /// Expected by chance, of this kind.
    pub expected: f64,
}

/// What a link is to the rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// Within a ring; chance hardly gives its score.
    Strong,
    /// Within a ring; chance may give its score.
    Doubtful,
    /// Doubtful and not followed.
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
            Some(ring) if a == b && link.score >= self.local.strong_from() => (Some(ring), LinkKind::Strong),
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

    /// Writes `pairs.csv`: every template pair found, the best score first.
    ///
    /// # Errors
    /// What writing gives.
    pub fn write_pairs(&self, out: impl Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(PAIR_COLUMNS)?;
        let mut order: Vec<u32> = (0..self.pairs.len() as u32).collect();
        order.sort_unstable_by(|&x, &y| {
            let (x, y) = (&self.pairs[x as usize], &self.pairs[y as usize]);
            y.score.total_cmp(&x.score).then((x.a, x.b).cmp(&(y.a, y.b)))
        });
        for pair in order.iter().map(|&place| &self.pairs[place as usize]) {
            let [one, other] = [pair.a, pair.b].map(|row| self.records.template(row));
            let Some(link) = self.link(one.subject, other.subject) else { continue };
            let [subject_a, subject_b] = [one.subject, other.subject].map(|subject| self.records.subject(subject));
            let (ring, kind) = self.kind(link);
            let expected = self.chance.expected(pair.score);
            let finding = self.records.finding(link.a, link.b);
            csv.write_record([
                &*subject_a.id,
                &*subject_b.id,
                &*one.id,
                &*other.id,
                &pair.score.to_string(),
                &self.fmr(pair.score).map(scientific).unwrap_or_default(),
                &ring.map(|ring| ring_id(ring).to_string()).unwrap_or_default(),
                kind.name(),
                &quality(one.quality),
                &quality(other.quality),
                &*one.captured,
                &*other.captured,
                &expected.map(|e| scientific(e.value)).unwrap_or_default(),
                &format!("{:.4}", self.local.share(pair.score)),
                finding.map_or("", Outcome::name),
            ])?;
        }
        csv.flush()
    }

    /// Writes `rings.csv`: a row for every member, rings by rank, members by number.
    /// `links`, `best_score`, `weakest_link` and what follows are the ring's; the
    /// `member_` columns the member's own.
    ///
    /// # Errors
    /// What writing gives.
    pub fn write_rings(&self, out: impl Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(RING_COLUMNS)?;
        for (place, ring) in (0u32..).zip(&self.rings.rings) {
            // Links lie there the best first, so a member's first is its best.
            let mut own: Vec<(u64, f32)> = vec![(0, 0.0); ring.members.len()];
            for link in ring.links.iter().map(|&link| &self.links[link as usize]) {
                for member in [link.a, link.b].iter().filter_map(|m| ring.members.binary_search(m).ok()) {
                    own[member].1 = if own[member].0 == 0 { link.score } else { own[member].1 };
                    own[member].0 += 1;
                }
            }
            for (&member, (links, best)) in ring.members.iter().zip(own) {
                let facts = self.records.subject(member);
                csv.write_record([
                    &*ring_id(place).to_string(),
                    &*facts.id,
                    &ring.links.len().to_string(),
                    &ring.best_score.to_string(),
                    &ring.weakest_link.to_string(),
                    &ring.members.len().to_string(),
                    &format!("{:.3}", ring.evidence),
                    &ring.holds_to.to_string(),
                    &links.to_string(),
                    &best.to_string(),
                    &*facts.schemes,
                    &*facts.province,
                    &*facts.enrolled,
                ])?;
            }
        }
        csv.flush()
    }

    /// The summary.
    pub fn summary(&self) -> Summary {
        let at = self.compared.threshold;
        let pairs = self.links.iter().map(|link| u64::from(link.pairs)).sum();
        let expected = self.chance.expected(at);
        let strong_from = self.local.strong_from();
        Summary {
            templates: self.compared.templates,
            subjects: self.compared.subjects,
            comparisons: self.compared.comparisons,
            threshold: at,
            fmr: self.fmr(at),
            pairs,
            rings: self.rings.rings.len() as u64,
            expected_chance_pairs: expected.map(|e| e.value),
            seconds: self.seconds,
            chance: expected,
            chance_by_calibration: self.chance.by_calibration(at),
            chance_not_own: self.chance.not_own.clone(),
            sampled: self
                .chance
                .own
                .iter()
                .map(|kind| Sampled {
                    of: kind.of,
                    comparisons: kind.comparisons.round() as u64,
                    sampled: kind.sampled,
                    set_aside: kind.set_aside,
                    set_aside_from: kind.set_aside_from,
                    people: kind.curve.subjects,
                    expected: kind.curve.fmr(at).rate * kind.comparisons,
                })
                .collect(),
            explained: self.chance.explains(at, pairs),
            links: self.links.len() as u64,
            ring_members: self.rings.members(),
            strong_from: strong_from.is_finite().then_some(strong_from),
            bridges: self.rings.bridges.len() as u64,
            compared: self.compared.clone(),
            cost: self.cost,
        }
    }

    /// Writes `summary.json`.
    ///
    /// # Errors
    /// What writing gives.
    pub fn write_summary(&self, mut out: impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut out, &self.summary())?;
        writeln!(out)?;
        out.flush()
    }
}

const PAIR_COLUMNS: [&str; 15] = [
    "subject_a",
    "subject_b",
    "template_a",
    "template_b",
    "score",
    "fmr",
    "ring_id",
    "link",
    "quality_a",
    "quality_b",
    "captured_a",
    "captured_b",
    "chance_pairs",
    "chance_share",
    "finding",
];

const RING_COLUMNS: [&str; 13] = [
    "ring_id",
    "subject_id",
    "links",
    "best_score",
    "weakest_link",
    "members",
    "evidence",
    "holds_to",
    "member_links",
    "member_best_score",
    "schemes",
    "province",
    "enrolled",
];

/// The number a ring goes by: its rank, from 1.
pub fn ring_id(place: u32) -> u64 {
    u64::from(place) + 1
}

pub(super) fn scientific(value: f64) -> String {
    format!("{value:.3e}")
}

fn quality(quality: Option<f32>) -> String {
    quality.map(|quality| format!("{quality:.1}")).unwrap_or_default()
}

#[cfg(test)]
#[path = "report_tests.rs"]
pub(super) mod tests;
