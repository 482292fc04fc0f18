//! The documents of an evaluation and of a presentation attack detection test, as they are written
//! to `report.json`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::aging::Aging;
use super::coverage::Coverage;
use super::cross_fit::CrossFit;
use super::differentials::Differentials;
use super::discard::DiscardCurve;
use super::fusion::FusionReport;
use super::histogram::Histogram;
use super::manifest_warnings::ManifestWarning;
use super::open_set::{GalleryProjection, OpenSet};
use super::pad::PadReport;
use super::rates::{DetPoint, EqualError, OperatingPoint};
use super::skipped::{SamePictures, SkippedRows};
use super::slices::Slice;
use super::view::Bootstrap;

/// Version of the document.
pub(super) const VERSION: u32 = 1;

/// Two rows labelled as different people that score as high as one person's photos: probably a
/// wrong label.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SuspectedLabel {
    /// Line of the one photo.
    pub line_a: u64,
    /// Line of the other.
    pub line_b: u64,
    /// Their score.
    pub score: f32,
}

/// Descriptive fields of the inputs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EvaluationInputs {
    /// Name of the model pack.
    pub pack: String,
    /// Recipe of the templates.
    pub recipe: String,
    /// File name of the manifest or list, without its folder.
    pub source: String,
    /// Day of the evaluation, if given.
    pub date: Option<String>,
    /// Conditions photos had to meet.
    pub only: Vec<String>,
    /// Rows left out.
    pub left_out: SkippedRows,
    /// Photos that gave no template, by reason.
    pub failures: BTreeMap<String, u64>,
    /// Rows with the picture of an earlier one.
    pub same_pictures: SamePictures,
}

/// A requested result that the data does not support.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissingPart {
    /// Name of the report's field: `cross_fit`, `calibration_check`, `projections` or `fusion`.
    pub part: &'static str,
    /// Why it is missing, and what would help.
    pub why: String,
}

impl MissingPart {
    /// The field's name in words.
    pub fn name(&self) -> &'static str {
        match self.part {
            "cross_fit" => "cross-fit",
            "calibration_check" => "check of the calibration on splits",
            "projections" => "projection to larger galleries",
            _ => "several captures as one probe",
        }
    }
}

/// Results of an evaluation. Names and order of fields are a contract.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvaluationReport {
    /// Version of this document.
    pub version: u32,
    /// Day of the evaluation, where named.
    pub date: Option<String>,
    /// File name of the manifest or list.
    pub source: String,
    /// Conditions photos had to meet.
    pub only: Vec<String>,
    /// Model pack.
    pub pack: String,
    /// Recipe of the templates.
    pub recipe: String,
    /// Number of photos, including those without a template.
    pub photos: u64,
    /// People they are of.
    pub subjects: u64,
    /// People with a single template; they take part in impostor comparisons only.
    pub subjects_with_one_photo: u64,
    /// Photos that gave no template: failures to acquire.
    pub failures: u64,
    /// Failures to acquire by reason.
    pub failure_reasons: BTreeMap<String, u64>,
    /// Rows left out.
    pub left_out: SkippedRows,
    /// Rows with the picture of an earlier one.
    pub same_pictures: SamePictures,
    /// `all pairs`, `a sample of all pairs`, or `a list`.
    pub compared: &'static str,
    /// If only photos with equal values in some columns are compared: those columns, joined by `+`.
    pub within: Option<String>,
    /// The unit that has equal weight in rates: `comparisons`; or `people`: every pair of people,
    /// and in genuine comparisons every person, however many photos they have.
    pub weighed: &'static str,
    /// Genuine comparisons.
    pub genuine: u64,
    /// Impostor comparisons.
    pub impostor: u64,
    /// Bootstrap of the intervals.
    pub intervals: String,
    /// FNMR at FMRs.
    pub fnmr_at_fmr: Vec<OperatingPoint>,
    /// The equal error rate.
    pub equal_error: EqualError,
    /// The DET curve, as far as both rates rest on enough errors.
    pub det: Vec<DetPoint>,
    /// Rates within groups.
    pub slices: Vec<Slice>,
    /// Demographic differentials: rates of groups compared with each other and with the
    /// calibration.
    pub differentials: Vec<Differentials>,
    /// FNMR by age and by time elapsed, if the manifest has the columns.
    pub aging: Vec<Aging>,
    /// Error-versus-discard curves.
    pub discard: Vec<DiscardCurve>,
    /// Open-set identification test.
    pub open_set: Option<OpenSet>,
    /// Projections to larger galleries.
    pub projections: Vec<GalleryProjection>,
    /// Fusion of several captures.
    pub fusion: Option<FusionReport>,
    /// Calibration check by random splits.
    pub calibration_check: Option<Coverage>,
    /// Cross-fit of the pooled curve and that of the worst group.
    pub cross_fit: Option<CrossFit>,
    /// Why the calibration could not be checked.
    pub calibration_problem: Option<String>,
    /// Requested results that are missing, wholly or in part.
    pub absent: Vec<MissingPart>,
    /// Warnings about the manifest's values.
    pub doubts: Vec<ManifestWarning>,
    /// Pairs of rows that probably have a wrong label.
    pub suspected_labels: Vec<SuspectedLabel>,
    /// Genuine and impostor score histograms for the plots; not part of the JSON.
    #[serde(skip)]
    pub scores: [Histogram; 2],
}

impl EvaluationReport {
    /// Which comparisons were made, as text.
    pub fn compared(&self) -> String {
        match &self.within {
            Some(within) => format!("{} within the same {within}", self.compared),
            None => self.compared.to_owned(),
        }
    }
}

/// Report document of a presentation attack detection test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PadDocument {
    /// Version of this document.
    pub version: u32,
    /// Day of the evaluation, where named.
    pub date: Option<String>,
    /// File name of the manifest.
    pub source: String,
    /// Model pack.
    pub pack: String,
    /// Rows left out.
    pub left_out: SkippedRows,
    /// Bootstrap of the intervals.
    pub intervals: String,
    /// The rates.
    pub pad: PadReport,
}

impl PadDocument {
    /// The document for a test's results.
    pub fn new(inputs: EvaluationInputs, bootstrap: Bootstrap, pad: PadReport) -> Self {
        Self {
            version: VERSION,
            date: inputs.date,
            source: inputs.source,
            pack: inputs.pack,
            left_out: inputs.left_out,
            intervals: intervals(bootstrap),
            pad,
        }
    }
}

/// How intervals are determined, as text.
pub(super) fn intervals(bootstrap: Bootstrap) -> String {
    format!("95 %, bootstrap over subjects, {} repetitions, seed {}", bootstrap.repetitions, bootstrap.seed)
}

#[cfg(test)]
mod tests {
    use super::super::evaluate::tests::small;
    use super::*;

    #[test]
    fn what_is_compared_is_said_with_the_groups_it_stays_in() {
        let within = EvaluationReport { within: Some("set+sex".into()), ..small() };
        assert_eq!(
            (small().compared(), within.compared()),
            ("all pairs".into(), "all pairs within the same set+sex".into())
        );
    }
}
