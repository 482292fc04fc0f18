//! Standard output carries the answer, standard error everything else.

use std::io::{self, Write};

use serde::Serialize;

use super::{Failure, outcome};
use crate::face::FaceReport;
use crate::matching::{CurveBasis, CurveName, POOLED};
use crate::workflow::Frames;

/// Writes the answer to standard output, with a line break at its end.
///
/// A reader that went away (`| head -1`) is no error; a full disk behind a
/// redirection is.
pub(super) fn answer(text: &str) -> Result<(), Failure> {
    part(&format!("{text}\n")).map(drop)
}

/// Writes a part of the answer as it is; false where the reader went away.
pub(super) fn part(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Failure::new(format_args!("cannot write to standard output: {e}"))),
    }
}

/// Writes the answer as one JSON object.
pub(super) fn json(answer_object: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(answer_object).map_err(|e| {
        Failure::new(format_args!("cannot write the answer as JSON: {e}; this is a defect of chinhchu"))
    })?;
    answer(&text)
}

/// Writes one line to standard error, marked as ours.
pub(super) fn note(line: &str) {
    // Where standard error is closed there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "chinhchu: {line}");
}

/// A rate as people read it: `1e-5`, `0.012`.
pub(super) fn rate(rate: f64) -> String {
    if rate >= 0.001 || rate == 0.0 {
        let text = format!("{rate:.4}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let text = format!("{rate:.1e}");
    text.replace(".0e", "e")
}

/// A mark on numbers that rest on a fitted tail instead of counted comparisons.
pub(super) fn extrapolated(is: bool) -> &'static str {
    if is { " (extrapolated)" } else { "" }
}

/// Which calibration curve the rates of an answer are of; field names are a contract.
#[derive(Serialize)]
pub(super) struct CurveShown<'a> {
    /// `pooled`, or the group whose curve it is.
    calibration_group: &'a str,
    /// Whose faces it was fitted on.
    calibration_population: &'a str,
    /// It was derived from other curves, not counted.
    calibration_derived: bool,
    /// What its captures were compared with: `any`, `live` or `chip`.
    calibration_reference: &'static str,
    /// Captures fused into a probe of it.
    calibration_frames: u32,
}

impl<'a> CurveShown<'a> {
    pub(super) fn of(curve: &'a CurveName) -> Self {
        Self {
            calibration_group: &curve.group,
            calibration_population: &curve.population,
            calibration_derived: curve.basis == CurveBasis::Derived,
            calibration_reference: curve.reference.name(),
            calibration_frames: curve.probe_frames,
        }
    }
}

/// The same for people, after a line break.
pub(super) fn curve(curve: &CurveName) -> String {
    let derived = match curve.basis {
        CurveBasis::Counted => "",
        CurveBasis::Derived => ", derived from its curve for single captures",
    };
    // A calibration may come from anywhere: it does not steer the terminal.
    let (group, population) = (outcome::one_line(&curve.group), outcome::one_line(&curve.population));
    match curve.group == POOLED {
        true => format!("\nrates are those of all people calibrated on ({population})"),
        false => format!("\nrates are those of the worst group calibrated on, {group}{derived} ({population})"),
    }
}

/// `probe`, the first; and `probes`, all of them, where there are several.
#[derive(Serialize)]
pub(super) struct Probes<'a> {
    probe: Option<&'a FaceReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probes: Option<&'a [FaceReport]>,
}

impl<'a> Probes<'a> {
    pub(super) fn of(reports: &'a [FaceReport]) -> Self {
        Self { probe: reports.first(), probes: (reports.len() > 1).then_some(reports) }
    }
}

/// What a person should know about the photos, one line each, each after a line
/// break; nothing where all is well.
pub(super) fn remarks(role: &str, reports: &[FaceReport]) -> String {
    let mut text = String::new();
    for (i, report) in reports.iter().enumerate() {
        let which = if reports.len() > 1 { format!("{role} {}", i + 1) } else { role.to_owned() };
        let mut remark = |what: &str| text.push_str(&format!("\nnote: {which}: {what}"));
        for flaw in &report.flaws {
            remark(&format!("{} ({})", flaw.en(), flaw.vi()));
        }
        if report.live == Some(false) {
            remark("the liveness score is low: it may be a picture of a picture (Có thể là ảnh chụp lại từ ảnh khác.)");
        }
        if report.second_face {
            remark("another face of comparable size is in the picture; the largest near the centre was used");
        }
        if report.quarter_turns != 0 {
            remark(&format!(
                "the face was found after turning the picture by {} degrees",
                90 * u32::from(report.quarter_turns)
            ));
        }
        if report.cut {
            remark("the face reaches past the edge of the picture");
        }
    }
    text
}

/// What a person should know about the frames together.
pub(super) fn together(frames: Frames) -> &'static str {
    match frames {
        Frames::Single | Frames::Natural => "",
        Frames::Repeated => "\nnote: the probes hold the same picture more than once, which counts once",
        Frames::Still => "\nnote: the face does not move between the probes; those count as one",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_like_rates() {
        for (value, text) in [(1e-5, "1e-5"), (3.14e-7, "3.1e-7"), (0.01, "0.01"), (0.5, "0.5"), (0.0, "0"), (1.0, "1")]
        {
            assert_eq!(rate(value), text);
        }
    }
}
