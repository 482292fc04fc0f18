//! Quality requirements: accepted ranges of measures, and the flaws of a capture outside them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Flaw, Measure, Quality};

/// An accept range, both ends included; `None` is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Lowest value accepted.
    pub min: Option<f32>,
    /// Highest value accepted.
    pub max: Option<f32>,
}

/// Quality requirements for a capture. In configuration a table: the code of a measure, or
/// `capture` or `utility`, to `{ min, max }`; what is not named keeps its default.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    ranges: [Range; Measure::COUNT],
    /// Least capture quality, 0…100.
    pub capture_min: f32,
    /// Least predicted utility, 0…100.
    pub utility_min: f32,
}

/// A range that makes no sense, or one for something that is not measured.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct ProfileError(String);

/// How much less sharp, in octaves, the crop of a turned head may be without being
/// called blurred. Of `cfp-dev`'s profile photos that seem blurred it explains 25 of
/// 35, of frontal ones blurred on purpose 6 of 1085.
const TURNED_BLUR: f32 = 0.2;

const fn at_least(min: f32) -> Range {
    Range { min: Some(min), max: None }
}

const fn at_most(max: f32) -> Range {
    Range { min: None, max: Some(max) }
}

const fn within(min: f32, max: f32) -> Range {
    Range { min: Some(min), max: Some(max) }
}

impl Profile {
    /// For captures that can be repeated. 98 to 99.5 % of the frontal photos of `cfp-dev` are
    /// inside each limit, so that an ordinary picture passes and every seeded degradation of one
    /// does not.
    pub fn live() -> Self {
        Self::of(
            &[
                (Measure::EyeDistance, at_least(32.0)),
                (Measure::Yaw, within(-20.0, 20.0)),
                (Measure::Turned, at_most(0.2)),
                (Measure::Pitch, within(-26.0, 12.0)),
                (Measure::Roll, within(-12.0, 12.0)),
                (Measure::Sharpness, at_least(-0.1)),
                (Measure::Bright, at_least(46.0)),
                (Measure::Burnt, at_most(0.04)),
                (Measure::Glare, at_most(0.35)),
                (Measure::Evenness, at_least(0.45)),
                (Measure::Contrast, at_least(0.10)),
                (Measure::EyesOpen, at_least(0.14)),
                (Measure::MouthOpen, at_most(0.40)),
                (Measure::Occluded, at_most(0.2)),
                (Measure::Inside, at_least(0.75)),
                (Measure::JpegQuality, at_least(30.0)),
                (Measure::Blockiness, at_most(1.8)),
                (Measure::OtherFace, at_most(0.5)),
            ],
            40.0,
            40.0,
        )
    }

    /// For the photo in a chip, which cannot be retaken: only what makes a comparison meaningless
    /// is refused.
    pub fn chip() -> Self {
        Self::of(
            &[
                (Measure::EyeDistance, at_least(16.0)),
                (Measure::Yaw, within(-35.0, 35.0)),
                (Measure::Turned, at_most(0.9)),
                (Measure::Roll, within(-30.0, 30.0)),
                (Measure::Sharpness, at_least(-0.6)),
                (Measure::Bright, at_least(30.0)),
                (Measure::Burnt, at_most(0.25)),
                (Measure::Occluded, at_most(0.9)),
                (Measure::OtherFace, at_most(0.8)),
            ],
            20.0,
            20.0,
        )
    }

    fn of(ranges: &[(Measure, Range)], capture_min: f32, utility_min: f32) -> Self {
        let mut profile = Self { ranges: [Range::default(); Measure::COUNT], capture_min, utility_min };
        for &(measure, range) in ranges {
            profile.ranges[measure as usize] = range;
        }
        profile
    }

    /// The accept range of a measure.
    pub fn range(&self, measure: Measure) -> Range {
        self.ranges[measure as usize]
    }

    /// The same with some ranges replaced.
    ///
    /// # Errors
    /// A name that is no measure's code, a range whose ends are not finite or not in
    /// order, an overall value outside 0…100 or with a `max`.
    pub fn with(mut self, changes: &BTreeMap<String, Range>) -> Result<Self, ProfileError> {
        for (code, &range) in changes {
            let ends = [range.min, range.max];
            let ordered = !matches!(ends, [Some(min), Some(max)] if min > max);
            if !ordered || ends.iter().flatten().any(|v| !v.is_finite()) {
                return Err(ProfileError(format!("the range of `{code}` makes no sense")));
            }
            let overall = match code.as_str() {
                "capture" => Some(&mut self.capture_min),
                "utility" => Some(&mut self.utility_min),
                _ => None,
            };
            match (overall, Measure::from_code(code)) {
                (Some(min), _) => match range {
                    Range { min: Some(value), max: None } if (0.0..=100.0).contains(&value) => *min = value,
                    _ => return Err(ProfileError(format!("`{code}` takes a `min` of 0 to 100 and no `max`"))),
                },
                (None, Some(measure)) => self.ranges[measure as usize] = range,
                (None, None) => {
                    let known: Vec<_> = Measure::ALL.iter().map(|m| m.code()).collect();
                    return Err(ProfileError(format!("`{code}` is not measured; there are {}", known.join(", "))));
                }
            }
        }
        Ok(self)
    }

    /// What is wrong with a capture, the gravest first; empty where it is accepted.
    ///
    /// Measures that another flaw makes unreliable do not count: sharpness of a black picture means
    /// nothing. The two overall values give a flaw only if no specific flaw explains them.
    pub fn judge(&self, quality: &Quality) -> Vec<Flaw> {
        let mut found: Vec<Flaw> = Measure::ALL
            .iter()
            .filter_map(|&measure| {
                let (value, Range { min, max }) = (quality.get(measure)?, self.range(measure));
                let out = min.is_some_and(|min| value < min) || max.is_some_and(|max| value > max);
                out.then(|| flaw_of(measure))
            })
            .collect();
        found.sort_unstable();
        found.dedup();
        let has = |flaw: Flaw, found: &[Flaw]| found.contains(&flaw);
        // A face cannot be reported as turned and as covered: the more probable of both is used.
        if has(Flaw::Turned, &found) && has(Flaw::Occluded, &found) {
            let sure = |measure: Measure| quality.get(measure).unwrap_or(0.0);
            let covered = sure(Measure::Occluded) > sure(Measure::Turned);
            found.retain(|&flaw| flaw != if covered { Flaw::Turned } else { Flaw::Occluded });
        }
        // Beside the nose of a turned head lies background, often out of focus.
        if has(Flaw::Turned, &found) && has(Flaw::Blurred, &found) {
            let least = self.range(Measure::Sharpness).min.unwrap_or(f32::NEG_INFINITY) - TURNED_BLUR;
            let turned = quality.get(Measure::Turned).is_some_and(|chance| chance > 0.5);
            if turned && quality.get(Measure::Sharpness).is_some_and(|sharpness| sharpness > least) {
                found.retain(|&flaw| flaw != Flaw::Blurred);
            }
        }
        for cause in found.clone() {
            if has(cause, &found) {
                found.retain(|flaw| !hides(cause).contains(flaw));
            }
        }
        if found.is_empty() && quality.capture < self.capture_min {
            found.push(Flaw::Poor);
        }
        if found.is_empty() && quality.utility.is_some_and(|utility| utility < self.utility_min) {
            found.push(Flaw::Useless);
        }
        found
    }
}

fn flaw_of(measure: Measure) -> Flaw {
    match measure {
        Measure::EyeDistance => Flaw::FarAway,
        Measure::Yaw | Measure::Turned => Flaw::Turned,
        Measure::Pitch => Flaw::Nodded,
        Measure::Roll => Flaw::Tilted,
        Measure::Sharpness => Flaw::Blurred,
        Measure::Bright => Flaw::Dark,
        Measure::Burnt => Flaw::Bright,
        Measure::Glare => Flaw::Glare,
        Measure::Evenness => Flaw::Uneven,
        Measure::Contrast => Flaw::Flat,
        Measure::EyesOpen => Flaw::EyesClosed,
        Measure::MouthOpen => Flaw::MouthOpen,
        Measure::Occluded => Flaw::Occluded,
        Measure::Inside => Flaw::Cut,
        Measure::JpegQuality | Measure::Blockiness => Flaw::Compressed,
        Measure::OtherFace => Flaw::OtherFace,
    }
}

/// Flaws whose measures are unreliable if `cause` is present.
fn hides(cause: Flaw) -> &'static [Flaw] {
    const TEXTURE: &[Flaw] = &[Flaw::Occluded, Flaw::Flat, Flaw::EyesClosed, Flaw::MouthOpen];
    const LIGHT: &[Flaw] = &[
        Flaw::Glare,
        Flaw::FarAway,
        Flaw::Tilted,
        Flaw::OtherFace,
        Flaw::Blurred,
        Flaw::Occluded,
        Flaw::Uneven,
        Flaw::Flat,
        Flaw::EyesClosed,
        Flaw::MouthOpen,
        Flaw::Turned,
        Flaw::Nodded,
        Flaw::Cut,
    ];
    // The points of a face that is turned or covered lie where they would not.
    const SHAPE: &[Flaw] = &[
        Flaw::Glare,
        Flaw::FarAway,
        Flaw::Uneven,
        Flaw::Flat,
        Flaw::EyesClosed,
        Flaw::MouthOpen,
        Flaw::Nodded,
        Flaw::Tilted,
        Flaw::Cut,
    ];
    match cause {
        Flaw::Dark | Flaw::Bright => LIGHT,
        Flaw::Blurred => &[
            Flaw::FarAway,
            Flaw::Turned,
            Flaw::Nodded,
            Flaw::Tilted,
            Flaw::Occluded,
            Flaw::OtherFace,
            Flaw::Flat,
            Flaw::EyesClosed,
            Flaw::MouthOpen,
        ],
        Flaw::Compressed => TEXTURE,
        Flaw::Turned | Flaw::Occluded => SHAPE,
        // The points of eyes that are not seen are guesses.
        Flaw::Glare => &[Flaw::FarAway, Flaw::Tilted, Flaw::Nodded, Flaw::EyesClosed],
        Flaw::Nodded | Flaw::Uneven => &[Flaw::EyesClosed, Flaw::MouthOpen],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quality(measured: &[(Measure, f32)]) -> Quality {
        Quality::new(90.0, Some(90.0), measured.iter().copied())
    }

    #[test]
    fn every_measure_outside_its_range_has_a_flaw_and_inside_none() {
        for &measure in Measure::ALL {
            let Range { min, max } = Profile::live().range(measure);
            for (end, step) in min.map(|v| (v, -1e-3)).into_iter().chain(max.map(|v| (v, 1e-3))) {
                assert_eq!(Profile::live().judge(&quality(&[(measure, end)])), []);
                assert_eq!(Profile::live().judge(&quality(&[(measure, end + step)])), [flaw_of(measure)]);
            }
            assert!(min.is_some() || max.is_some(), "{measure:?} is asked for by `live`");
        }
    }

    #[test]
    fn what_the_dark_hides_is_not_held_against_a_capture() {
        let dark = quality(&[(Measure::Bright, 5.0), (Measure::Evenness, 0.0), (Measure::Occluded, 1.0)]);
        assert_eq!(Profile::live().judge(&dark), [Flaw::Dark]);
    }

    #[test]
    fn of_turned_and_covered_the_surer_stands() {
        let judge = |turned, covered| {
            Profile::live().judge(&quality(&[(Measure::Turned, turned), (Measure::Occluded, covered)]))
        };
        assert_eq!(judge(0.9, 0.5), [Flaw::Turned]);
        assert_eq!(judge(0.5, 0.9), [Flaw::Occluded]);
    }

    #[test]
    fn what_lies_beside_a_turned_head_does_not_make_it_blurred_but_blur_makes_a_head_look_turned() {
        let judge = |turned, sharpness| {
            Profile::live().judge(&quality(&[(Measure::Turned, turned), (Measure::Sharpness, sharpness)]))
        };
        assert_eq!(judge(0.9, -0.2), [Flaw::Turned]);
        assert_eq!(judge(0.9, -0.7), [Flaw::Blurred]);
        assert_eq!(judge(0.3, -0.2), [Flaw::Blurred]);
    }

    #[test]
    fn the_overall_values_speak_only_where_no_flaw_explains_them() {
        let poor = |measured: Vec<(Measure, f32)>| Quality::new(5.0, Some(5.0), measured);
        assert_eq!(Profile::live().judge(&poor(vec![])), [Flaw::Poor]);
        assert_eq!(Profile::live().judge(&poor(vec![(Measure::Roll, 40.0)])), [Flaw::Tilted]);
        assert_eq!(Profile::live().judge(&Quality::new(90.0, Some(5.0), [])), [Flaw::Useless]);
        assert_eq!(Profile::live().judge(&Quality::new(90.0, None, [])), []);
    }

    #[test]
    fn configuration_replaces_what_it_names_and_nothing_else() {
        let change = |code: &str, min, max| BTreeMap::from([(code.to_owned(), Range { min, max })]);
        let changed = Profile::live().with(&change("roll", Some(-5.0), Some(5.0))).unwrap();
        assert_eq!(changed.range(Measure::Roll), within(-5.0, 5.0));
        assert_eq!(changed.range(Measure::Yaw), Profile::live().range(Measure::Yaw));
        assert_eq!(Profile::live().with(&change("capture", Some(7.0), None)).unwrap().capture_min, 7.0);
        for bad in [
            change("rol", None, None),
            change("roll", Some(5.0), Some(-5.0)),
            change("roll", Some(f32::NAN), None),
            change("capture", None, Some(50.0)),
            change("utility", Some(101.0), None),
        ] {
            assert!(Profile::live().with(&bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_chip_refuses_live_refuses_too(values in prop::collection::vec(prop::option::of(-120f32..260.0), Measure::COUNT)) {
            let measured = Measure::ALL.iter().zip(values).filter_map(|(&m, v)| Some((m, v?)));
            let quality = Quality::new(90.0, Some(90.0), measured);
            if !Profile::chip().judge(&quality).is_empty() {
                prop_assert!(!Profile::live().judge(&quality).is_empty());
            }
        }
    }
}
