//! The probe: one to five captures of the person present, as one template.

use super::copies::Together;
use super::engine::check_count;
use super::generation::{Generation, ProbeTemplates, analyze};
use super::photos_analysed::photos_are_analysed;
use super::{Engine, Field, Kind, WorkflowError};
use crate::face::{Analysis, Template};
use crate::matching::{Reference, compare};

/// Captures of one person whose templates score below the threshold of this false
/// match rate are taken for different people. Lenient: the frames of one sitting
/// score far above it, and a retake costs seconds.
const FRAMES_AGREE_FMR: f64 = 1e-2;

/// The templates of a probe and what was seen in each frame.
pub(super) struct Probe {
    /// As each of the generations asked for sees it, in their order; at least one.
    pub(super) by: Vec<ProbeTemplates>,
    pub(super) analyses: Vec<Analysis>,
    /// What they look like together, and which of them are one picture.
    pub(super) together: Together,
}

impl Probe {
    /// As the first generation sees it.
    pub(super) fn first(&self) -> &ProbeTemplates {
        // `Engine::fused` makes one at least.
        &self.by[0]
    }
}

impl Engine {
    /// Queues the frames behind whatever else `ahead` names, fuses them, and hands
    /// back the analyses of `ahead` in order. `generations` are those that see them, the first
    /// one first.
    pub(super) async fn probe(
        &self,
        generations: &[&Generation],
        ahead: Vec<(Field, Vec<u8>)>,
        frames: Vec<Vec<u8>>,
    ) -> Result<(Vec<Analysis>, Probe), WorkflowError> {
        check_count(frames.len())?;
        let others = ahead.len();
        let frames = frames.into_iter().enumerate().map(|(i, bytes)| (Field::Probe(i), bytes, self.wants(Kind::Live)));
        let photos = ahead.into_iter().map(|(field, bytes)| (field, bytes, self.wants(Kind::Chip))).chain(frames);
        let mut photos = analyze(generations, photos.collect()).await?;
        photos_are_analysed();
        let frames = photos.split_off(others);
        let mut ahead: Vec<Analysis> = photos.into_iter().map(|photo| photo.analysis).collect();
        ahead.iter_mut().for_each(|analysis| self.judge_capture(&mut analysis.report, Kind::Chip));
        let (mut analyses, beside): (Vec<_>, Vec<_>) =
            frames.into_iter().map(|frame| (frame.analysis, frame.beside)).unzip();
        let together = self.check_frames(&mut analyses)?;
        let by = self.fused(&analyses, beside, &together)?;
        Ok((ahead, Probe { by, analyses, together }))
    }

    /// The captures' templates by each generation that saw them, and their fusion. A picture sent
    /// twice is no second frame.
    pub(super) fn fused(
        &self,
        captures: &[Analysis],
        beside: Vec<Vec<Result<Template, WorkflowError>>>,
        together: &Together,
    ) -> Result<Vec<ProbeTemplates>, WorkflowError> {
        let first: Vec<Template> = captures.iter().map(|capture| capture.template.clone()).collect();
        self.check_agreement(&first)?;
        let mut by = vec![first];
        for capture in beside {
            for (number, template) in capture.into_iter().enumerate() {
                // Whoever is not looked for by each generation may be missed.
                let template = template?;
                match by.get_mut(number + 1) {
                    Some(templates) => templates.push(template),
                    None => by.push(vec![template]),
                }
            }
        }
        let fused = by.into_iter().map(|templates| {
            let different: Vec<Template> = together.one_of_each(&templates).cloned().collect();
            ProbeTemplates::of(templates, &different)
        });
        fused.collect()
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
