//! Quality measures of a capture: one table of codes, units and the components of ISO/IEC 29794-5
//! they follow.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

macro_rules! measures {
    ($($(#[$doc:meta])* $variant:ident, $code:literal, $unit:literal, $component:literal;)*) => {
        /// A quality component.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Measure {
            $($(#[$doc])* $variant,)*
        }

        impl Measure {
            /// Every measure there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable code, used in answers and in configuration.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// Its unit.
            pub fn unit(self) -> &'static str {
                match self { $(Self::$variant => $unit),* }
            }

            /// The component of ISO/IEC 29794-5:2025 it stands for. Where "own" is
            /// said the way of measuring is ours.
            pub fn component(self) -> &'static str {
                match self { $(Self::$variant => $component),* }
            }
        }
    };
}

measures! {
    /// Distance between the eyes' centres, in pixels of the file.
    EyeDistance, "eye_distance", "px", "inter-eye distance";
    /// Turn of the head, from the alignment points; 0 looks into the camera.
    Yaw, "yaw", "degrees", "head pose (yaw); own regression from five points";
    /// Nod of the head, from the alignment points.
    Pitch, "pitch", "degrees", "head pose (pitch); own regression from five points";
    /// Tilt in the picture plane, from the alignment.
    Roll, "roll", "degrees", "head pose (roll)";
    /// Probability that the head is turned far to the side, where angles can no longer be measured.
    Turned, "turned", "probability", "head pose; own";
    /// Energy of the finest detail over detail an octave coarser.
    Sharpness, "sharpness", "octaves", "sharpness; own";
    /// Luma that three quarters of the face stay below.
    Bright, "upper_quartile", "luma 0-255", "under-exposure prevention; own";
    /// Share of burnt-out pixels in the half of the face with the fewest.
    Burnt, "burnt", "share", "over-exposure prevention; own";
    /// Share of reflections in the eye with the fewest: light in both lenses of glasses.
    Glare, "glare", "share", "eyes visible; own";
    /// Brightness of the darker half over the brighter, the worse of left against
    /// right and upper against lower.
    Evenness, "evenness", "ratio", "illumination uniformity; own";
    /// Deviation of luma over its mean.
    Contrast, "contrast", "ratio", "luminance variance; own";
    /// Height of the eyes' openings over their width, mean of both.
    EyesOpen, "eyes_open", "ratio", "eyes open; eye aspect ratio (Soukupova and Cech, 2016)";
    /// Height of the mouth's opening over the distance between the eyes.
    MouthOpen, "mouth_open", "ratio", "mouth closed";
    /// Probability that something covers a part of the face.
    Occluded, "occluded", "probability", "face occlusion prevention; own";
    /// Share of the face's box inside the picture.
    Inside, "inside", "share", "crop of the face image";
    /// Quality of a JPEG by its tables, on the scale of the Independent JPEG Group.
    JpegQuality, "jpeg_quality", "1-100", "no compression artefacts";
    /// Steps between the 8x8 blocks of a JPEG over other steps.
    Blockiness, "blockiness", "ratio", "no compression artefacts; own";
    /// Side of the largest other face over this one's; 0 where there is none.
    OtherFace, "other_face", "ratio", "single face present";
}

impl Measure {
    /// Number of measures.
    pub const COUNT: usize = Self::ALL.len();

    /// The measure with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|measure| measure.code() == code)
    }
}

/// Quality of a capture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Capture quality, 0…100: a hundred times the score expected against another
    /// photo of the same person, as far as the picture tells.
    pub capture: f32,
    /// Predicted utility, 0…100: the same, the length of the embedding known.
    /// `None` where the face was not embedded.
    pub utility: Option<f32>,
    measures: [Option<f32>; Measure::COUNT],
}

impl Quality {
    /// Puts one together; values that are not finite count as not measured.
    pub fn new(capture: f32, utility: Option<f32>, measured: impl IntoIterator<Item = (Measure, f32)>) -> Self {
        let mut measures = [None; Measure::COUNT];
        for (measure, value) in measured {
            measures[measure as usize] = Some(value).filter(|v| v.is_finite());
        }
        Self { capture, utility, measures }
    }

    /// A measure's value; `None` where the pack or the picture cannot tell.
    pub fn get(&self, measure: Measure) -> Option<f32> {
        self.measures[measure as usize]
    }

    /// Every measure that was taken.
    pub fn iter(&self) -> impl Iterator<Item = (Measure, f32)> {
        Measure::ALL.iter().filter_map(|&measure| Some((measure, self.get(measure)?)))
    }
}

impl Serialize for Quality {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Measures<'a>(&'a Quality);
        impl Serialize for Measures<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().map(|(measure, value)| (measure.code(), value)))
            }
        }
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("capture", &self.capture)?;
        map.serialize_entry("utility", &self.utility)?;
        map.serialize_entry("measures", &Measures(self))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_found_again() {
        for &measure in Measure::ALL {
            assert_eq!(Measure::from_code(measure.code()), Some(measure));
            assert!(!measure.unit().is_empty() && !measure.component().is_empty());
        }
    }

    #[test]
    fn what_was_not_measured_is_not_there() {
        let quality = Quality::new(50.0, None, [(Measure::Yaw, 3.0), (Measure::Pitch, f32::NAN)]);
        assert_eq!(quality.get(Measure::Yaw), Some(3.0));
        assert_eq!(quality.get(Measure::Pitch), None);
        let json = serde_json::to_value(quality).unwrap();
        assert_eq!(json["measures"], serde_json::json!({"yaw": 3.0}));
        assert!(json["utility"].is_null());
    }
}
