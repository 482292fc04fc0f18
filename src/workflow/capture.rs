//! Captures held to their rules: quality by a profile, liveness by a threshold, and that several
//! frames look like several moments.

use super::capture_rules::{CaptureRules, Kind, Level};
use super::copies::{Frames, Together};
use super::{Engine, Field, WorkflowError};
use crate::context::RequestContext;
use crate::face::quality::Flaw;
use crate::face::{Analysis, FaceError, FaceReport, Wants};

/// How often a face's box must fit into the picture, by the tighter side, for a verdict of
/// "not live" to mean an attack: liveness networks look at the face with what is around it
/// (the default pack's at 2.7 times the box). Of live captures as they are and cropped, 62 %
/// of `pad-dev`'s below it and 2.0 % of those above score below 0.5, of `asia-dev`'s 36 and
/// 5.5 %; of `pad-dev`'s printed photos 1.3 % of those below it pass, of 570 above none
/// (`examples/liveness_crops.rs`).
const ROOM_MIN: f32 = 1.5;

/// A capture, assessed for the screen.
#[derive(Debug, Clone, PartialEq)]
pub struct AssessOutcome {
    /// What was seen, with quality and flaws.
    pub face: FaceReport,
    /// Nothing is wrong with it by the profile asked for.
    pub accepted: bool,
}

impl Engine {
    /// Says what is wrong with a capture before anything is compared: detection and
    /// quality only. Needs no gallery and stores nothing.
    ///
    /// # Errors
    /// [`WorkflowError::Face`] where there is no face to assess, [`WorkflowError::Busy`] where
    /// the queue is full, [`WorkflowError::DeadlineExceeded`] where the deadline has passed
    /// already.
    pub async fn assess(
        &self,
        context: &RequestContext,
        photo: Vec<u8>,
        kind: Kind,
    ) -> Result<AssessOutcome, WorkflowError> {
        context.check_deadline()?;
        let failed = |source: FaceError| WorkflowError::Face { field: Field::Image, source };
        let wants = Wants { quality: true, ..Wants::default() };
        let ticket = self
            .pool()
            .try_assess(photo, wants)
            .ok_or(WorkflowError::Busy { retry_after_ms: super::engine::BUSY_RETRY_AFTER_MS })?;
        let mut face = ticket.await.map_err(failed)?;
        self.judge_capture(&mut face, kind);
        Ok(AssessOutcome { accepted: face.flaws.is_empty(), face })
    }

    /// Fills in flaws and the verdict on liveness.
    pub(super) fn judge_capture(&self, report: &mut FaceReport, kind: Kind) {
        judge(self.rules(), report, kind);
    }

    /// What to measure of a picture for Verify and Identify.
    pub(super) fn wants(&self, kind: Kind) -> Wants {
        let rules = self.rules();
        Wants {
            quality: rules.quality != Level::Off,
            liveness: rules.liveness != Level::Off && kind == Kind::Live,
            pose: false,
        }
    }

    /// Judges the frames of a probe, and refuses what the rules require otherwise.
    pub(super) fn check_frames(&self, frames: &mut [Analysis]) -> Result<Together, WorkflowError> {
        let rules = self.rules();
        for (i, frame) in frames.iter_mut().enumerate() {
            self.judge_capture(&mut frame.report, Kind::Live);
            let field = Field::Probe(i);
            if rules.quality == Level::Required {
                refuse_flaws(field, &frame.report)?;
            }
            // A pack without the network cannot show that anybody is live.
            if rules.liveness == Level::Required && frame.report.live != Some(true) {
                return Err(not_live(field, &frame.report));
            }
        }
        let seen = Together::of(frames);
        match seen.frames {
            Frames::Repeated | Frames::Still if rules.liveness == Level::Required => Err(WorkflowError::FramesRepeated),
            _ => Ok(seen),
        }
    }
}

/// See [`Engine::judge_capture`].
fn judge(rules: &CaptureRules, report: &mut FaceReport, kind: Kind) {
    let profile = match kind {
        Kind::Live => &rules.live,
        Kind::Chip => &rules.chip,
    };
    report.flaws = report.quality.as_ref().map_or_else(Vec::new, |quality| profile.judge(quality));
    report.live = report.liveness.map(|score| score >= rules.liveness_min);
    if kind == Kind::Live && report.live == Some(false) && room(report) < ROOM_MIN {
        report.flaws.push(Flaw::Close);
        report.flaws.sort_unstable();
    }
}

/// [`WorkflowError::CaptureRefused`] where the report names flaws of quality.
pub(super) fn refuse_flaws(field: Field, report: &FaceReport) -> Result<(), WorkflowError> {
    if report.flaws.iter().any(|flaw| flaw.is_of_quality()) {
        Err(WorkflowError::CaptureRefused { field, flaws: report.flaws.clone() })
    } else {
        Ok(())
    }
}

/// Refuses a capture that does not count as live: with the advice to move back where the
/// face fills the picture.
fn not_live(field: Field, report: &FaceReport) -> WorkflowError {
    match report.flaws.contains(&Flaw::Close) {
        true => WorkflowError::CaptureRefused { field, flaws: vec![Flaw::Close] },
        false => WorkflowError::NotLive { field },
    }
}

/// How often the face's box fits into the picture, by the tighter side; 1 where it fills
/// the width or the height.
fn room(report: &FaceReport) -> f32 {
    (report.width as f32 / report.face.width).min(report.height as f32 / report.face.height)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::face::{RecipeDigest, Rect, Template};
    use crate::imaging::Format;

    pub fn frame(raw: [f32; 3], left: f32) -> Analysis {
        let report = FaceReport {
            format: Format::Jpeg,
            width: 100,
            height: 100,
            face: Rect { left, top: 10.0, width: 50.0, height: 60.0 },
            detection: 1.0,
            eye_distance: 25.0,
            quarter_turns: 0,
            faces: 1,
            second_face: false,
            cut: false,
            norm: Some(1.0),
            pose: None,
            liveness: None,
            live: None,
            quality: None,
            flaws: Vec::new(),
        };
        Analysis {
            template: Template::from_raw(RecipeDigest([1; 32]), &raw).unwrap(),
            report,
            print: Default::default(),
        }
    }

    #[test]
    fn a_capture_that_is_not_live_is_refused_whatever_its_room_and_told_to_move_back_where_there_is_little() {
        let Analysis { mut report, .. } = frame([1.0, 0.1, 0.0], 10.0);
        // 100x100 with a face of 50x60: it fits 1.67 times.
        assert!((room(&report) - 100.0 / 60.0).abs() < 1e-6);
        assert!(matches!(not_live(Field::Probe(0), &report), WorkflowError::NotLive { field: Field::Probe(0) }));
        report.flaws = vec![Flaw::Close];
        let refused = not_live(Field::Probe(0), &report);
        assert!(matches!(refused, WorkflowError::CaptureRefused { flaws, .. } if flaws == [Flaw::Close]));
        assert!(refuse_flaws(Field::Probe(0), &report).is_ok(), "it is no flaw of quality");
        report.flaws = vec![Flaw::Close, Flaw::Dark];
        assert!(refuse_flaws(Field::Probe(0), &report).is_err());
    }

    #[test]
    fn only_a_live_capture_that_scores_low_and_fills_the_picture_is_told_to_move_back() {
        let Analysis { report, .. } = frame([1.0, 0.1, 0.0], 10.0);
        let judged = |kind: Kind, liveness: Option<f32>, height: f32| {
            let mut report = FaceReport { liveness, face: Rect { height, ..report.face }, ..report.clone() };
            judge(&CaptureRules::default(), &mut report, kind);
            (report.live, report.flaws)
        };
        assert_eq!(judged(Kind::Live, Some(0.2), 70.0), (Some(false), vec![Flaw::Close]));
        assert_eq!(judged(Kind::Live, Some(0.2), 60.0), (Some(false), vec![]), "enough room: it stays not live");
        assert_eq!(judged(Kind::Live, Some(0.8), 70.0), (Some(true), vec![]));
        assert_eq!(judged(Kind::Live, None, 70.0), (None, vec![]));
        assert_eq!(judged(Kind::Chip, Some(0.2), 70.0), (Some(false), vec![]));
    }
}
