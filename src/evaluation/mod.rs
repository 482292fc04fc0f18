//! Performance testing after ISO/IEC 19795-1: error rates of the engine, and the fitting of
//! calibrations.
//!
//! Terms are those of ISO/IEC 19795-1: a *genuine* comparison is of two captures
//! of one person, an *impostor* comparison of two persons; FMR and FNMR are the
//! shares of them on the wrong side of a threshold, where a score at or above
//! the threshold matches.
//!
//! ```text
//! PhotoSet ─ PairSource ─┬─ Material ─ View ─┬─ overall, slices, discard_curves
//!  (templates,  (what is │  (counted and     └─ project
//!   owners)     compared)│   held)
//!                        └─ fit_curve ─ matching::Curve     open_set, fusion, coverage
//! ```
//!
//! # What is promised
//! - The same input gives the same bits, whatever the number of threads: counts are sums of
//!   integers, kept comparisons are sorted, every random draw has its own seed.
//! - Memory is bounded: scores are counted on a fixed grid ([`Histogram`]), and only comparisons
//!   near errors are kept individually ([`Material`]).
//! - No rate on fewer than 30 errors, and an interval with every rate that respects that
//!   comparisons share people ([`ComparisonView`]). Presentation attack tests, in which errors are
//!   few, give upper limits instead ([`ConfidenceLimits`]).

mod aging;
mod binomial;
mod coverage;
mod cross_fit;
mod differential_page;
mod differentials;
mod discard;
mod evaluate;

mod fit;
mod fusion;
mod groups;
mod histogram;
mod html;
mod least_squares;
mod lists;
mod manifest_warnings;
mod material;
mod open_set;
mod pad;
mod pad_frames;
mod pad_page;
mod pad_text;
mod page;
mod pairs;
mod plots;
mod rates;
mod report;
mod set;
mod skipped;
mod slices;
mod svg;
mod view;
mod worst_group;

pub(crate) use crate::random::SplitMix;
pub use aging::{AGING_COLUMNS, Aging, AgingBand, AgingPoint, aging};
pub use coverage::{Coverage, RateCoverage, SplitOutcome, coverage};
pub use cross_fit::{CrossFit, CrossFitPoint, CrossFitRow, WorstGroupCount, cross_fit};
pub use differentials::{
    Differential, Differentials, FixedThreshold, GroupRates, WorstGroup, differentials, fixed_thresholds,
};
pub use discard::{DiscardCurve, DiscardPoint, discard_curves};
pub use evaluate::{EvaluationOptions, evaluate};
pub use fit::{CurveDescription, FitError, fit_curve};
pub(crate) use fit::{CurveShape, fit_curve_down_to};
pub use fusion::{FusionMethodResult, FusionReport, fusion};
pub use groups::{ComparisonRules, GroupBy, PhotoCounts, PhotoGroups};
pub use histogram::{Histogram, WEIGHT, WeightedHistogram, bin, edge};
pub(crate) use html::{grouped, percent};
pub use lists::{BadLine, ListError, ListedPhotos, PairList, PairListRow, Protocol};
pub use manifest_warnings::ManifestWarning;
pub use material::{ComparisonPlan, Material};
pub use open_set::{FnirAtFpir, GalleryProjection, OpenSet, open_set, project};
pub use pad::{AttackRate, BONA_FIDE, BpcerAtApcer, ConfidenceLimits, PadReport, Presentation, pad};
pub use pad_frames::{FramesRates, FramesReport, FusionRule, pad_frames};
pub use pad_page::pad_page;
pub use pad_text::pad_text;
pub use page::page;
pub use pairs::{
    AllPairs, ComparisonSource, ListedComparisons, ListedPair, ProbeComparisons, ScoredComparison, collect, histograms,
    scan, tallies,
};
pub use plots::{Plots, plots};
pub use rates::{DetPoint, EqualError, OperatingPoint, Overall, Rate, overall};
pub use report::{EvaluationInputs, EvaluationReport, MissingPart, PadDocument, SuspectedLabel};
pub use set::{ManifestColumn, PhotoMeasure, PhotoSet};
pub use skipped::{SamePicture, SamePictures, SkippedRow, SkippedRows};
pub use slices::{Ratio, Slice, SlicePoint, slices};
pub use svg::Svg;
pub(crate) use svg::{Plot, PlotAxis, printable};
pub use view::{Bootstrap, ComparisonView, ERRORS_MIN, Totals};
pub use worst_group::{FitInput, FittedCurves, GROUP_PEOPLE_MIN, GroupObservation, fit_population};
