//! Why an audit stopped.

use crate::audit::chance::Chance;
use crate::audit::left_out::LeftOutCount;
use crate::audit::run::RunError;
use crate::audit::store::AuditStoreError;
use crate::matching::CalibrationError;
use crate::search::SearchError;

/// Why an audit stopped. What was done until then is kept in any case. Names nobody.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// The folder, or that of an earlier audit, cannot be used.
    #[error(transparent)]
    Store(#[from] AuditStoreError),
    /// No template is left.
    #[error("{}", nothing(.left_out, *.list))]
    Nothing {
        /// Why.
        left_out: Vec<LeftOutCount>,
        /// The table of rows that took no part, where there is one.
        list: Option<&'static str>,
    },
    /// No score leaves so few chance pairs.
    #[error("no score leaves {pairs} chance pairs{}; ask for a --score or a --fmr", because(.why.as_deref()))]
    NoScore {
        /// Chance pairs asked for.
        pairs: f64,
        /// Why the gallery's own non-mates say nothing.
        why: Option<String>,
    },
    /// A false match rate was asked for, and nothing says at which score it is.
    #[error("the model pack has no calibration; ask for a --score")]
    NoCalibration,
    /// No score has the false match rate asked for.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// More pairs than are held.
    #[error(
        "more than {pairs_max} pairs lie at or above the score {score}, found after {:.1} % of the comparisons",
        100.0 * .share
    )]
    TooManyPairs {
        /// Pairs held at most.
        pairs_max: usize,
        /// The score.
        score: f32,
        /// Share of the comparisons made until then.
        share: f64,
        /// What to ask for instead, where anything is known of chance.
        instead: Option<AskInstead>,
    },
    /// Vectors cannot be compared.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The comparison went wrong.
    #[error(transparent)]
    Run(RunError),
}

/// What to ask for where too many pairs were found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AskInstead {
    /// Pairs that chance alone gives then.
    pub pairs: f64,
    /// The score.
    pub score: f32,
    /// The false match rate.
    pub fmr: f64,
}

impl AskInstead {
    pub(super) fn of(chance: &Chance, comparisons: u64, pairs_max: usize) -> Option<Self> {
        // A hundredth leaves room for real ones.
        let pairs = pairs_max as f64 / 100.0;
        let score = chance.score_for(pairs)?;
        let fmr = chance.calibration.as_ref().map(|curve| curve.fmr(score).rate);
        Some(Self { pairs, score, fmr: fmr.unwrap_or(pairs / comparisons.max(1) as f64) })
    }
}

fn nothing(left_out: &[LeftOutCount], list: Option<&str>) -> String {
    let reasons: Vec<String> = left_out.iter().map(|out| format!("{} x {}", out.count, out.en)).collect();
    let listed = list.map(|name| format!("; {name} in the audit's folder lists them")).unwrap_or_default();
    match reasons.is_empty() {
        true => "nothing to compare: there are no templates".to_owned(),
        false => format!("nothing to compare: no template is left ({}){listed}", reasons.join("; ")),
    }
}

fn because(why: Option<&str>) -> String {
    why.map(|why| format!(" ({why})")).unwrap_or_default()
}
