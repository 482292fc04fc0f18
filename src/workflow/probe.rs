//! The probe: one to five captures of the person present, as one template.

use super::copies::Together;
use super::engine::check_count;
use super::photos_analysed::photos_are_analysed;
use super::{Engine, Field, Kind, WorkflowError};
use crate::face::{Analysis, Template};
use crate::matching::{Reference, compare, fuse};

/// Captures of one person whose templates score below the threshold of this false
/// match rate are taken for different people. Lenient: the frames of one sitting
/// score far above it, and a retake costs seconds.
const FRAMES_AGREE_FMR: f64 = 1e-2;

/// The fused template of a probe and what was seen in each frame.
pub(super) struct Probe {
    pub(super) template: Template,
    pub(super) analyses: Vec<Analysis>,
    /// What they look like together, and which of them are one picture.
    pub(super) together: Together,
}

impl Engine {
    /// Queues the frames behind whatever else `ahead` names, fuses them, and hands
    /// back the analyses of `ahead` in order.
    pub(super) async fn probe(
        &self,
        ahead: Vec<(Field, Vec<u8>)>,
        frames: Vec<Vec<u8>>,
    ) -> Result<(Vec<Analysis>, Probe), WorkflowError> {
        check_count(frames.len())?;
        let others = ahead.len();
        let frames = frames.into_iter().enumerate().map(|(i, bytes)| (Field::Probe(i), bytes, self.wants(Kind::Live)));
        let photos = ahead.into_iter().map(|(field, bytes)| (field, bytes, self.wants(Kind::Chip))).chain(frames);
        let mut ahead = self.analyze_all(photos.collect()).await?;
        photos_are_analysed();
        for analysis in &mut ahead[..others] {
            self.judge_capture(&mut analysis.report, Kind::Chip);
        }
        let together = self.check_frames(&mut ahead[others..])?;
        let analyses: Vec<Analysis> = ahead.drain(others..).collect();
        let templates: Vec<Template> = analyses.iter().map(|analysis| analysis.template.clone()).collect();
        self.check_agreement(&templates)?;
        // Frames that agree cannot cancel out; were they to, they would not be one person.
        // A picture sent twice is no second frame.
        let different: Vec<Template> = together.one_of_each(&templates).cloned().collect();
        let template = fuse(&different).ok_or(WorkflowError::ProbesDisagree)?;
        Ok((ahead, Probe { template, analyses, together }))
    }

    /// One person's frames, not a mixture that would match two people half-way.
    pub(super) fn check_agreement(&self, templates: &[Template]) -> Result<(), WorkflowError> {
        if templates.len() < 2 {
            return Ok(());
        }
        let threshold = self.curve(1, Reference::Any)?.threshold(FRAMES_AGREE_FMR)?.score;
        for (i, left) in templates.iter().enumerate() {
            for right in &templates[i + 1..] {
                if compare(left, right)? < threshold {
                    return Err(WorkflowError::ProbesDisagree);
                }
            }
        }
        Ok(())
    }
}
