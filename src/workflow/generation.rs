//! A model generation: a pack, the workers that run it, and what its scores mean.
//!
//! An engine has one, or two while people are enrolled again with a new pack. Templates of both
//! then lie in one gallery; a face is embedded by each, searched for in the index of each, and
//! judged by the calibration of each. Scores of two generations are never compared: what they
//! come to, the false match rate, is.

use std::path::PathBuf;

use super::beneficiary::Policies;
use super::engine::{BUSY_RETRY_AFTER_MS, check_rates};
use super::enrol::{AGREE_FMR, APART_FMR};
use super::{Field, PROBE_FRAMES_MAX, WorkflowError};
use crate::face::{
    Analysis, FaceError, FacePool, FaceReport, Pack, PoolOptions, RecipeDigest, Template, Ticket, Wants,
};
use crate::gallery::{AgreementScores, Subject};
use crate::matching::{Calibration, Curve, CurveChoice, FMR_FLOOR, Reference, Threshold, fuse};

/// Generations that an engine holds at most.
pub const GENERATIONS_MAX: usize = 2;

/// What a generation is made of.
#[derive(Debug, Clone)]
pub struct GenerationOptions {
    /// Folder of the model pack.
    pub pack: PathBuf,
    /// Calibration file; `None` takes `calibration.toml` in the pack.
    pub calibration: Option<PathBuf>,
}

/// A pack, its workers and its calibration.
pub struct Generation {
    pack: Pack,
    pool: FacePool,
    calibration: Calibration,
    calibration_digest: [u8; 32],
    choice: CurveChoice,
}

/// A photo, analysed by the first generation, and its templates by the further ones, in their
/// order. A further one may fail on a photo that the first can use.
pub(super) struct Analysed {
    pub(super) analysis: Analysis,
    pub(super) beside: Vec<Result<Template, WorkflowError>>,
}

/// The captures of a probe as one generation sees them.
pub(super) struct ProbeTemplates {
    /// Of each capture, in order.
    pub(super) captures: Vec<Template>,
    /// Of all different ones, fused.
    pub(super) probe: Template,
}

impl ProbeTemplates {
    /// Fuses the `different` ones of the captures' templates.
    ///
    /// # Errors
    /// [`WorkflowError::ProbesDisagree`] where they cancel out: they would not be one person.
    pub(super) fn of(captures: Vec<Template>, different: &[Template]) -> Result<Self, WorkflowError> {
        let probe = fuse(different).ok_or(WorkflowError::ProbesDisagree)?;
        Ok(Self { captures, probe })
    }
}

impl Generation {
    /// Loads the pack, binds the calibration and starts the workers.
    ///
    /// # Errors
    /// [`WorkflowError::Pack`] where a file of the pack is missing, altered or does not run;
    /// [`WorkflowError::Calibration`] where the calibration is not this recipe's or cannot answer
    /// the default rate.
    pub(super) fn open(
        options: &GenerationOptions,
        choice: CurveChoice,
        default_fmr: f64,
        pool: &PoolOptions,
    ) -> Result<Self, WorkflowError> {
        let pack = Pack::load(&options.pack)?;
        let path = options.calibration.clone().unwrap_or_else(|| pack.dir().join("calibration.toml"));
        let (calibration, calibration_digest) = Calibration::load_with_digest(&path, pack.recipe())?;
        check_rates(&calibration, choice, default_fmr, &Policies::default())?;
        let pool = FacePool::start(&pack, pool)?;
        Ok(Self { pack, pool, calibration, calibration_digest, choice })
    }

    /// The model pack.
    pub fn pack(&self) -> &Pack {
        &self.pack
    }

    /// The workers.
    pub fn pool(&self) -> &FacePool {
        &self.pool
    }

    /// What its scores mean.
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// SHA-256 of the calibration's file.
    pub fn calibration_digest(&self) -> [u8; 32] {
        self.calibration_digest
    }

    /// Recipe of its templates.
    pub fn recipe(&self) -> RecipeDigest {
        self.pack.recipe()
    }

    /// Whether the calibration can answer the default rate and every rate of the policies.
    pub(super) fn check_policies(&self, default_fmr: f64, policies: &Policies) -> Result<(), WorkflowError> {
        check_rates(&self.calibration, self.choice, default_fmr, policies)
    }

    /// The calibration of a probe with so many different frames against a kind of reference:
    /// the operator's choice of curve, or what stands in for it ([`Calibration::curve_for`]).
    pub(super) fn curve(&self, frames: usize, against: Reference) -> Result<&Curve, WorkflowError> {
        let frames = u32::try_from(frames).unwrap_or(u32::MAX);
        Ok(self.calibration.curve_for(self.choice, frames, against)?)
    }

    /// What is asked of templates that are enrolled together. Item `k − 1` of the scores is that
    /// at which a photo compared with `k` others agrees with one of them: each comparison is held
    /// to a `k`-th of [`AGREE_FMR`].
    pub(super) fn agreement_scores(&self) -> Result<AgreementScores, WorkflowError> {
        let curve = self.curve(1, Reference::Any)?;
        let others = 1..Subject::TEMPLATES_MAX + PROBE_FRAMES_MAX;
        let alike = others.map(|others| Ok(curve.threshold((AGREE_FMR / others as f64).max(FMR_FLOOR))?.score));
        let alike = alike.collect::<Result<_, WorkflowError>>()?;
        Ok(AgreementScores { recipe: self.recipe(), alike, apart: self.apart()? })
    }

    /// The score at which two templates of a record agree: that of enrolments at its most
    /// lenient, so that what was enrolled once never disagrees later.
    pub(super) fn agreement(&self) -> Result<Threshold, WorkflowError> {
        Ok(self.curve(1, Reference::Any)?.threshold(AGREE_FMR)?)
    }

    /// The score below which two templates keep their groups apart, whatever links these.
    pub(super) fn apart(&self) -> Result<f32, WorkflowError> {
        Ok(self.curve(1, Reference::Any)?.threshold(APART_FMR)?.score)
    }

    /// Queues photos for one worker.
    ///
    /// # Errors
    /// [`WorkflowError::Busy`] where the queue is full.
    fn begin(&self, photos: Vec<(Vec<u8>, Wants)>) -> Result<Ticket<Vec<Result<Analysis, FaceError>>>, WorkflowError> {
        let ticket = self.pool.try_analyze_together(photos);
        ticket.ok_or(WorkflowError::Busy { retry_after_ms: BUSY_RETRY_AFTER_MS })
    }
}

/// Analyses photos by the first of `generations`, all on one worker, and makes their templates by
/// the others meanwhile. The first photo that fails by the first decides. Dropping the future
/// cancels the work.
///
/// # Errors
/// [`WorkflowError::Busy`] where a queue is full; [`WorkflowError::Face`] for a photo that the
/// first generation cannot use, and where a network fails.
pub(super) async fn analyze(
    generations: &[&Generation],
    photos: Vec<(Field, Vec<u8>, Wants)>,
) -> Result<Vec<Analysed>, WorkflowError> {
    let Some((first, further)) = generations.split_first() else { return Ok(Vec::new()) };
    let copied = |_| photos.iter().map(|(_, bytes, _)| (bytes.clone(), Wants::default())).collect();
    let copies: Vec<Vec<_>> = further.iter().map(copied).collect();
    let (fields, photos): (Vec<_>, Vec<_>) =
        photos.into_iter().map(|(field, bytes, wants)| (field, (bytes, wants))).unzip();
    let ticket = first.begin(photos)?;
    let tickets = further.iter().zip(copies).map(|(one, photos)| one.begin(photos));
    let tickets = tickets.collect::<Result<Vec<_>, _>>()?;

    let failed = |source| WorkflowError::Face { field: Field::Request, source };
    let answers = ticket.await.map_err(failed)?;
    let mut analysed = Vec::with_capacity(answers.len());
    for (field, answer) in fields.iter().zip(answers) {
        let analysis = answer.map_err(|source| WorkflowError::Face { field: *field, source })?;
        analysed.push(Analysed { analysis, beside: Vec::with_capacity(further.len()) });
    }
    for ticket in tickets {
        for ((field, one), answer) in fields.iter().zip(&mut analysed).zip(ticket.await.map_err(failed)?) {
            one.beside.push(match answer {
                Ok(other) if is_one_face(&one.analysis.report, &other.report) => Ok(other.template),
                Ok(_) => Err(WorkflowError::FaceAmbiguous { field: *field }),
                // The engine's own fault is no photo's.
                Err(source @ (FaceError::Inference(_) | FaceError::Cancelled)) => {
                    return Err(WorkflowError::Face { field: *field, source });
                }
                Err(source) => Err(WorkflowError::Face { field: *field, source }),
            });
        }
    }
    Ok(analysed)
}

/// Whether two generations looked at one and the same face of a picture: each one's box holds the
/// middle of the other's.
fn is_one_face(one: &FaceReport, other: &FaceReport) -> bool {
    let holds = |outer: &FaceReport, inner: &FaceReport| {
        let (outer, inner) = (outer.face, inner.face);
        let (x, y) = (inner.left + inner.width / 2.0, inner.top + inner.height / 2.0);
        (outer.left..=outer.left + outer.width).contains(&x) && (outer.top..=outer.top + outer.height).contains(&y)
    };
    holds(one, other) && holds(other, one)
}

#[cfg(test)]
mod tests {
    use super::super::capture::tests::frame;
    use super::*;
    use crate::face::Rect;

    #[test]
    fn two_generations_that_look_at_different_people_of_one_picture_are_told() {
        let at = |left, top, width| FaceReport {
            face: Rect { left, top, width, height: width },
            ..frame([1.0, 0.0, 0.0], 0.0).report
        };
        assert!(is_one_face(&at(10.0, 10.0, 50.0), &at(14.0, 6.0, 56.0)));
        assert!(!is_one_face(&at(10.0, 10.0, 50.0), &at(70.0, 10.0, 50.0)), "somebody beside");
        assert!(!is_one_face(&at(10.0, 10.0, 200.0), &at(12.0, 12.0, 20.0)), "a face on a poster behind");
    }
}
