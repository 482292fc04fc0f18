//! Messages about faces, their quality, and error rates.

use super::{BadAnswer, present};
use crate::face::quality::{Flaw, Measure, Quality};
use crate::face::{FaceReport, Pose, Rect};
use crate::imaging::Format;
use crate::matching::{CurveBasis, CurveName, Fmr, Fnmr, Reference, Threshold};
use crate::service::pb;

impl From<Format> for pb::ImageFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Jpeg => Self::Jpeg,
            Format::Png => Self::Png,
            Format::WebP => Self::Webp,
            Format::Jp2 => Self::Jp2,
            Format::J2k => Self::J2k,
            Format::Bmp => Self::Bmp,
        }
    }
}

fn format(value: i32) -> Result<Format, BadAnswer> {
    match pb::ImageFormat::try_from(value) {
        Ok(pb::ImageFormat::Jpeg) => Ok(Format::Jpeg),
        Ok(pb::ImageFormat::Png) => Ok(Format::Png),
        Ok(pb::ImageFormat::Webp) => Ok(Format::WebP),
        Ok(pb::ImageFormat::Jp2) => Ok(Format::Jp2),
        Ok(pb::ImageFormat::J2k) => Ok(Format::J2k),
        Ok(pb::ImageFormat::Bmp) => Ok(Format::Bmp),
        Ok(pb::ImageFormat::Unspecified) | Err(_) => Err(BadAnswer("format")),
    }
}

impl From<FaceReport> for pb::FaceReport {
    fn from(report: FaceReport) -> Self {
        let Rect { left, top, width, height } = report.face;
        Self {
            format: pb::ImageFormat::from(report.format).into(),
            width: report.width,
            height: report.height,
            face: Some(pb::Rect { left, top, width, height }),
            detection: report.detection,
            eye_distance: report.eye_distance,
            quarter_turns: report.quarter_turns.into(),
            faces: report.faces,
            second_face: report.second_face,
            cut: report.cut,
            norm: report.norm,
            pose: report.pose.map(|Pose { yaw, pitch, roll }| pb::Pose { yaw, pitch, roll }),
            liveness: report.liveness,
            live: report.live,
            quality: report.quality.map(Into::into),
            flaws: report.flaws.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Quality> for pb::Quality {
    fn from(quality: Quality) -> Self {
        let measures = quality
            .iter()
            .map(|(measure, value)| pb::QualityMeasure {
                code: measure.code().into(),
                value,
                unit: measure.unit().into(),
            })
            .collect();
        Self { capture: quality.capture, utility: quality.utility, measures }
    }
}

impl From<pb::Quality> for Quality {
    /// Leaves out measures that this client does not know.
    fn from(quality: pb::Quality) -> Self {
        let measured = quality.measures.iter().filter_map(|m| Some((Measure::from_code(&m.code)?, m.value)));
        Self::new(quality.capture, quality.utility, measured)
    }
}

impl From<Flaw> for pb::Flaw {
    fn from(flaw: Flaw) -> Self {
        Self { code: flaw.code().into(), message_vi: flaw.vi().into(), message_en: flaw.en().into() }
    }
}

impl TryFrom<pb::FaceReport> for FaceReport {
    type Error = BadAnswer;

    fn try_from(report: pb::FaceReport) -> Result<Self, BadAnswer> {
        let pb::Rect { left, top, width, height } = present(report.face, "face")?;
        Ok(Self {
            format: format(report.format)?,
            width: report.width,
            height: report.height,
            face: Rect { left, top, width, height },
            detection: report.detection,
            eye_distance: report.eye_distance,
            quarter_turns: u8::try_from(report.quarter_turns).map_err(|_| BadAnswer("quarter_turns"))?,
            faces: report.faces,
            second_face: report.second_face,
            cut: report.cut,
            norm: report.norm,
            pose: report.pose.map(|pb::Pose { yaw, pitch, roll }| Pose { yaw, pitch, roll }),
            liveness: report.liveness,
            live: report.live,
            quality: report.quality.map(Into::into),
            flaws: report.flaws.iter().filter_map(|flaw| Flaw::from_code(&flaw.code)).collect(),
        })
    }
}

/// Converts the reports of an answer.
pub(super) fn reports(reports: Vec<pb::FaceReport>) -> Result<Vec<FaceReport>, BadAnswer> {
    reports.into_iter().map(FaceReport::try_from).collect()
}

impl From<Fmr> for pb::Fmr {
    fn from(Fmr { rate, extrapolated }: Fmr) -> Self {
        Self { rate, extrapolated }
    }
}

impl From<pb::Fmr> for Fmr {
    fn from(pb::Fmr { rate, extrapolated }: pb::Fmr) -> Self {
        Self { rate, extrapolated }
    }
}

impl From<CurveName> for pb::CalibrationCurve {
    fn from(CurveName { group, population, basis, reference, probe_frames }: CurveName) -> Self {
        let reference = wire_reference(reference);
        Self { group, population, derived: basis == CurveBasis::Derived, reference, probe_frames }
    }
}

impl From<pb::CalibrationCurve> for CurveName {
    fn from(
        pb::CalibrationCurve { group, population, derived, reference, probe_frames }: pb::CalibrationCurve,
    ) -> Self {
        let basis = if derived { CurveBasis::Derived } else { CurveBasis::Counted };
        Self { group, population, basis, reference: reference_kind(reference).unwrap_or_default(), probe_frames }
    }
}

/// A kind of reference on the wire.
pub(super) fn wire_reference(reference: Reference) -> i32 {
    i32::from(match reference {
        Reference::Any => pb::ReferenceKind::Any,
        Reference::Live => pb::ReferenceKind::Live,
        Reference::Chip => pb::ReferenceKind::Chip,
    })
}

/// A kind of reference from the wire; `None` for one of a later contract.
pub(super) fn reference_kind(value: i32) -> Option<Reference> {
    Some(match pb::ReferenceKind::try_from(value).ok()? {
        pb::ReferenceKind::Unspecified | pb::ReferenceKind::Any => Reference::Any,
        pb::ReferenceKind::Live => Reference::Live,
        pb::ReferenceKind::Chip => Reference::Chip,
    })
}

impl From<Threshold> for pb::Threshold {
    fn from(Threshold { score, extrapolated }: Threshold) -> Self {
        Self { score, extrapolated }
    }
}

impl From<pb::Threshold> for Threshold {
    fn from(pb::Threshold { score, extrapolated }: pb::Threshold) -> Self {
        Self { score, extrapolated }
    }
}

impl From<Fnmr> for pb::Fnmr {
    fn from(Fnmr { rate, extrapolated }: Fnmr) -> Self {
        Self { rate, extrapolated }
    }
}

impl From<pb::Fnmr> for Fnmr {
    fn from(pb::Fnmr { rate, extrapolated }: pb::Fnmr) -> Self {
        Self { rate, extrapolated }
    }
}
