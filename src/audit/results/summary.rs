//! `summary.json`.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::{ChangesSummary, Compared, ResultsInput, RunInfo};
use crate::audit::chance::{Estimate, Explained, KindOfPair};
use crate::audit::cost::AuditCost;
use crate::audit::links::{Grade, strong_chance_max, strong_from};
use crate::matching::{Curve, CurveName};

/// `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Which curve of that calibration: pooled, or of its worst group.
    pub calibration: Option<CurveName>,
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
    /// From which score on every link found is strong; absent where the best is not.
    pub strong_from: Option<f32>,
    /// Links that were not followed.
    pub bridges: u64,
    /// Links (pairs of records) that strangers are expected to give, at most; absent where
    /// nothing is known of chance.
    pub expected_chance_links: Option<f64>,
    /// The largest `link_chance` (in `pairs.csv`) of a strong link; absent where none is.
    pub strong_chance_max: Option<f64>,
    /// Strong links, followed all of them.
    #[serde(default)]
    pub strong_links: u64,
    /// Rings that hang on a link that is not strong.
    #[serde(default)]
    pub rings_doubtful: u64,
    /// What was compared.
    pub compared: Compared,
    /// What the audit took, by part; like `seconds` other every time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<AuditCost>,
    /// Which run it was; other every time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunInfo>,
    /// What has changed since the earlier run of the same audit, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<ChangesSummary>,
}

/// One kind of sampled non-mates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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

impl Summary {
    /// The summary of what was found; `seconds`, `cost`, `run` and `changes` are not known yet.
    pub(super) fn new(found: &ResultsInput<'_>) -> Self {
        let ResultsInput { compared, links, rings, chance, link_chance, .. } = found;
        let at = compared.threshold;
        let pairs = links.iter().map(|link| u64::from(link.pairs)).sum();
        let expected = chance.expected(at);
        Self {
            templates: compared.templates,
            subjects: compared.subjects,
            comparisons: compared.comparisons,
            threshold: at,
            fmr: found.fmr(at),
            pairs,
            rings: rings.rings.len() as u64,
            expected_chance_pairs: expected.map(|e| e.value),
            seconds: 0.0,
            chance: expected,
            chance_by_calibration: chance.by_calibration(at),
            calibration: chance.calibration.as_ref().map(Curve::name),
            chance_not_own: chance.not_own.clone(),
            sampled: chance
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
            explained: chance.explains(at, pairs),
            links: links.len() as u64,
            ring_members: rings.members(),
            strong_from: strong_from(links),
            bridges: rings.bridges.len() as u64,
            expected_chance_links: link_chance.expected(),
            strong_chance_max: strong_chance_max(links),
            strong_links: links.iter().filter(|link| link.evidence.grade() == Grade::Strong).count() as u64,
            rings_doubtful: rings.rings.iter().filter(|ring| ring.hangs_on.is_some()).count() as u64,
            compared: (*compared).clone(),
            cost: None,
            run: None,
            changes: None,
        }
    }

    /// Writes `summary.json`.
    ///
    /// # Errors
    /// What writing gives.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut out, self)?;
        writeln!(out)?;
        out.flush()
    }
}
