//! Which pictures are one picture: captures of each other, and of what they are compared
//! with. A camera never takes the same picture twice, not of a person who holds still.

use serde::{Deserialize, Serialize};

use crate::face::{Analysis, FaceReport, Template};
use crate::gallery::{NewTemplate, Source, Timestamp};
use crate::matching::{connected_groups, dot};

/// Templates at least this alike are of one picture, whatever their prints: two pictures of
/// a moment differ by more than a change of file format does.
const SAME_TEMPLATE: f32 = 0.9995;
/// Templates and prints at least this alike, both, are of one picture in two files; and so
/// are those of the second row. Between frames of one sitting: of 2,208 pairs of `pad-dev`'s
/// live captures of one person, many of one video, none scores above 0.9888, and no two
/// prints are more alike than 0.9990 (`examples/copies.rs`).
const SAME_FRAME: [(f32, f32); 2] = [(0.99, 0.98), (0.93, 0.9993)];
/// The same for a capture and the picture it is compared with, which are of other days and
/// cameras; prints are compared warped, because a picture that is shown again is stretched
/// or seen at an angle. Of 11,250 pairs of `cfp-dev`'s frontal photos of one person, which
/// were gathered from the web, 104 are taken for one picture: 20 have templates that score
/// 0.9999 or more, and some of the others are crops of one photo.
const REFERENCE_PICTURE: (f32, f32) = (0.3, 0.97);
/// A capture that scores this much against the picture it is compared with is that picture,
/// whatever its print: one that was lit anew in a program, or has something drawn on it. 95
/// of the 11,250 pairs score so much, of which the prints of 90 are alike as well.
const REFERENCE_SCORE: f32 = 0.93;
/// A picture and its mirror image: templates that score at least this much, prints that are
/// at least this alike once one is mirrored, and more alike so than as they are. Between two
/// pictures of one person the second is rare, between frames of one sitting the third:
/// whoever is looked at has the same side to the light.
const MIRRORED: (f32, f32) = (0.9, 0.94);
/// A capture that scores this much against an enrolled template, of which no print is kept,
/// is its picture, where both may be of one sitting before one camera: see [`SAME_FRAME`].
const ENROLLED_TODAY: f32 = 0.99;
/// The same where the template is of another day. 65 of `cfp-dev`'s 11,250 pairs score so
/// much, all with prints that are alike as well.
const ENROLLED_BEFORE: f32 = 0.96;
/// A template that is older, in milliseconds, is of another day.
const DAY: u64 = 24 * 60 * 60 * 1000;
/// A face that moves less than this between frames, in distances between its eyes,
/// does not move: a person who holds still sways by more.
const STILL_MAX: f32 = 0.002;

/// What several frames of one probe look like together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frames {
    /// One frame: nothing to compare.
    Single,
    /// Different pictures of one person who moved a little.
    Natural,
    /// The same picture more than once.
    Repeated,
    /// Different files between which the face does not move at all.
    Still,
}

/// The frames of one probe, and which of them are one picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Together {
    /// What they look like.
    pub(super) frames: Frames,
    /// The number of each frame's picture, from 0: the same where they are one picture, or
    /// where nothing moves between them.
    pub(super) pictures: Vec<usize>,
}

impl Together {
    /// Looks at the frames of one probe.
    pub(super) fn of(frames: &[Analysis]) -> Self {
        let mut links = Vec::new();
        for (i, one) in frames.iter().enumerate() {
            for (j, other) in frames.iter().enumerate().skip(i + 1) {
                if is_same_frame(one, other) {
                    links.push((i, j, Frames::Repeated));
                } else if is_still(one, other) {
                    links.push((i, j, Frames::Still));
                }
            }
        }
        let any = |kind| links.iter().any(|(.., of)| *of == kind);
        let seen = match frames.len() {
            0 | 1 => Frames::Single,
            _ if any(Frames::Repeated) => Frames::Repeated,
            _ if any(Frames::Still) => Frames::Still,
            _ => Frames::Natural,
        };
        let same = |i: usize, j: usize| links.iter().any(|link| (link.0, link.1) == (i, j));
        Self { frames: seen, pictures: connected_groups(frames.len(), same) }
    }

    /// How many pictures they are: what frames count for in every rate.
    pub(super) fn distinct(&self) -> usize {
        self.pictures.iter().max().map_or(0, |last| last + 1)
    }

    /// The first frame of each picture: all that is compared.
    pub(super) fn one_of_each<'a, T>(&'a self, frames: &'a [T]) -> impl Iterator<Item = &'a T> {
        (0..self.distinct()).filter_map(|picture| self.all_of(picture, frames).next())
    }

    /// The frames of one picture.
    pub(super) fn all_of<'a, T>(&'a self, picture: usize, frames: &'a [T]) -> impl Iterator<Item = &'a T> {
        self.pictures.iter().zip(frames).filter(move |(of, _)| **of == picture).map(|(_, frame)| frame)
    }
}

/// Whether two frames of one sitting are one and the same picture, however it was encoded,
/// resized or cropped in between (`examples/copies.rs` has the figures).
pub fn is_same_frame(one: &Analysis, other: &Analysis) -> bool {
    let score = dot(one.template.vector(), other.template.vector());
    if score >= SAME_TEMPLATE {
        return true;
    }
    // Prints cost more to compare.
    let likely = || SAME_FRAME.iter().filter(|(least, _)| score >= *least);
    if score < MIRRORED.0 && likely().next().is_none() {
        return false;
    }
    let likeness = one.print.likeness(&other.print);
    let is_mirrored = score >= MIRRORED.0 && likeness.mirrored >= MIRRORED.1 && likeness.mirrored > likeness.direct;
    is_mirrored || likely().any(|(_, alike)| likeness.best() >= *alike)
}

/// Whether a capture is its reference's own picture, shown or sent again: more like it than
/// captures of a living person ever are.
pub fn is_reference_picture(capture: &Analysis, reference: &Analysis) -> bool {
    let score = dot(capture.template.vector(), reference.template.vector());
    let alike = || capture.print.warped_likeness(&reference.print).best() >= REFERENCE_PICTURE.1;
    score >= REFERENCE_SCORE || (score >= REFERENCE_PICTURE.0 && alike())
}

/// Whether a capture, taken now, is the very picture that an enrolled template was made of;
/// `changed_at` is when the record was last changed, for a picture of which no time is known.
pub(super) fn is_enrolled_picture(
    capture: &Template,
    enrolled: &NewTemplate,
    changed_at: Timestamp,
    now: Timestamp,
) -> bool {
    let taken = enrolled.captured_at.unwrap_or(changed_at);
    let least = match enrolled.source {
        // No counter's camera took a chip's photo.
        Source::Chip => REFERENCE_SCORE,
        _ if now.0.saturating_sub(taken.0) > DAY => ENROLLED_BEFORE,
        _ => ENROLLED_TODAY,
    };
    let enrolled = &enrolled.template;
    capture.recipe() == enrolled.recipe() && dot(capture.vector(), enrolled.vector()) >= least
}

fn is_still(one: &Analysis, other: &Analysis) -> bool {
    moved(&one.report, &other.report) < STILL_MAX
}

/// How far the face's box moved or grew, in distances between the eyes.
fn moved(one: &FaceReport, other: &FaceReport) -> f32 {
    let (a, b) = (one.face, other.face);
    let steps = [a.left - b.left, a.top - b.top, a.width - b.width, a.height - b.height];
    steps.iter().map(|step| step.abs()).fold(0.0, f32::max) / one.eye_distance.max(1.0)
}

#[cfg(test)]
mod tests {
    use super::super::capture::tests::frame;
    use super::*;

    #[test]
    fn frames_are_told_apart_from_one_picture_sent_twice() {
        let (a, b) = ([1.0, 0.1, 0.0], [1.0, -0.1, 0.1]);
        let seen = |frames: &[Analysis]| {
            let together = Together::of(frames);
            (together.frames, together.pictures)
        };
        assert_eq!(seen(&[frame(a, 10.0)]), (Frames::Single, vec![0]));
        assert_eq!(seen(&[frame(a, 10.0), frame(b, 11.0)]), (Frames::Natural, vec![0, 1]));
        assert_eq!(seen(&[frame(a, 10.0), frame(b, 11.0), frame(a, 12.0)]), (Frames::Repeated, vec![0, 1, 0]));
        assert_eq!(seen(&[frame(a, 10.0), frame(b, 10.0)]), (Frames::Still, vec![0, 0]));
    }

    #[test]
    fn an_enrolled_picture_is_known_sooner_where_it_is_a_chips_or_of_another_day() {
        let now = Timestamp(9 * DAY);
        let at = |score: f32| frame([score, (1.0 - score * score).sqrt(), 0.0], 1.0).template;
        let enrolled = |source, captured_at| {
            let template = frame([1.0, 0.0, 0.0], 1.0).template;
            NewTemplate { template, source, captured_at, quality: None }
        };
        let seen = |score, source, captured_at, changed_at| {
            is_enrolled_picture(&at(score), &enrolled(source, captured_at), Timestamp(changed_at), now)
        };
        let (today, before) = (now.0 - DAY / 2, now.0 - 2 * DAY);
        for source in [Source::Live, Source::Other] {
            // Two captures of one sitting score up to 0.989.
            assert!(!seen(0.985, source, None, today) && seen(0.995, source, None, today));
            assert!(seen(0.97, source, None, before) && !seen(0.95, source, None, before));
            // When it was taken goes before when it was enrolled; a time to come is no other day.
            assert!(
                seen(0.97, source, Some(Timestamp(before)), today)
                    && !seen(0.97, source, Some(Timestamp(today)), before)
            );
            assert!(!seen(0.97, source, Some(Timestamp(now.0 + 5 * DAY)), before));
        }
        assert!(seen(0.94, Source::Chip, None, today) && !seen(0.92, Source::Chip, None, before));
    }

    #[test]
    fn one_picture_sent_five_times_counts_as_one_frame() {
        let frames: Vec<Analysis> = (0..5).map(|_| frame([1.0, 0.1, 0.0], 10.0)).collect();
        let together = Together::of(&frames);
        assert_eq!((together.distinct(), together.one_of_each(&frames).count()), (1, 1));
        let four = [frame([1.0, 0.1, 0.0], 1.0), frame([1.0, 0.0, 0.1], 2.0), frame([1.0, 0.1, 0.0], 3.0)];
        let together = Together::of(&four);
        let kept: Vec<f32> = together.one_of_each(&four).map(|one| one.report.face.left).collect();
        assert_eq!((together.distinct(), kept), (2, vec![1.0, 2.0]));
        assert_eq!(together.all_of(0, &four).count(), 2);
    }
}
