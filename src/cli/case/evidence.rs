//! The evidence of a decision: in short, for people, one line for each piece; and whole, in JSON.

use serde::ser::Error;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::captures::seen;
use super::outcome_name;
use crate::cli::{date, outcome, print};
use crate::workflow::beneficiary::{Comparison, Duplicates, Evidence, History};

/// The evidence in JSON as it is stored, with moments as all answers of the command line write them.
pub(super) fn json<S: Serializer>(of: &Evidence, to: S) -> Result<S::Ok, S::Error> {
    // By way of text, which keeps the digits of numbers in single precision.
    let stored = serde_json::to_string(of).and_then(|text| serde_json::from_str::<Value>(&text));
    let mut value = stored.map_err(S::Error::custom)?;
    let seen = of.history.iter().flat_map(|history| history.captures.iter().flatten());
    let shown = value.pointer_mut("/history/captures").and_then(Value::as_array_mut);
    for (seen, shown) in seen.zip(shown.into_iter().flatten()) {
        shown["at"] = date::shown(seen.at).into();
    }
    value.serialize(to)
}

/// One line each, each after a line break.
pub(super) fn text(of: &Evidence) -> String {
    let mut lines = Vec::new();
    if let Some(chip) = &of.chip {
        let found = chip.reasons.iter().map(|reason| reason.code()).collect::<Vec<_>>().join(", ");
        lines.push(format!(
            "chip {}{}",
            chip.verdict.code(),
            if found.is_empty() { found } else { format!(": {found}") }
        ));
        let fields = [
            ("number", of.record.number),
            ("name", of.record.name),
            ("date of birth", of.record.birth_date),
            ("sex", of.record.sex),
        ];
        let fields: Vec<String> = fields.iter().map(|(name, state)| format!("{name} {}", words(state))).collect();
        lines.push(format!("chip against record: {}", fields.join(", ")));
    }
    if let Some(scheme) = of.scheme {
        lines.push(format!("scheme {}", words(&scheme)));
    }
    lines.push(captures(of));
    if let Some(code) = &of.chip_photo_unusable {
        lines.push(format!("photo in the chip: not to be compared, {}", outcome::one_line(code)));
    }
    let comparisons = [("photo in the chip", &of.chip_face), ("enrolled photos", &of.reference_face)];
    lines.extend(comparisons.into_iter().filter_map(|(with, found)| Some(compared(with, found.as_ref()?))));
    if let Some(templates) = of.record_templates.filter(|templates| templates.groups > 1) {
        lines.push(format!(
            "enrolled photos do not agree: {} templates in {} groups, {} vouched for",
            templates.templates, templates.groups, templates.vouched
        ));
    }
    lines.extend(of.duplicates.as_ref().map(duplicates));
    lines.extend(of.history.as_ref().map(history).unwrap_or_default());
    lines.iter().map(|line| format!("\n  {line}")).collect()
}

/// The name that stands in JSON, for people.
fn words(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().replace('_', " ")
}

fn captures(of: &Evidence) -> String {
    let mut text = format!("captures {}", of.frames.len());
    if of.distinct_frames > 0 && of.distinct_frames as usize != of.frames.len() {
        text += &format!(" ({} different)", of.distinct_frames);
    }
    if let Some(quality) = of.quality {
        text += &format!(", quality {quality:.0}");
    }
    if let Some(liveness) = of.liveness {
        text += &format!(", liveness {liveness:.2}");
    }
    text
}

fn compared(with: &str, of: &Comparison) -> String {
    format!(
        "{with}: score {:.4}, fmr {}{}; it takes {:.4}, and below {:.4} they differ",
        of.score,
        print::rate(of.fmr.rate),
        print::extrapolated(of.fmr.extrapolated),
        of.threshold.score,
        of.refer_threshold.score
    )
}

fn duplicates(of: &Duplicates) -> String {
    let found = of.candidates.iter().map(|one| {
        let subject = outcome::one_line(one.subject.as_str());
        format!("{subject} (score {:.4}, fmr {})", one.score, print::rate(one.fmr.rate))
    });
    let found = found.collect::<Vec<_>>().join(", ");
    format!(
        "same face on other records: {}{}{}; {} templates searched",
        if found.is_empty() { "none" } else { &found },
        if of.truncated { " and more" } else { "" },
        if of.cleared > 0 { format!("; {} cleared by officers", of.cleared) } else { String::new() },
        of.templates
    )
}

fn history(of: &History) -> Vec<String> {
    let mut lines = Vec::new();
    for attempt in &of.transaction {
        let reasons = attempt.reasons.iter().map(|code| outcome::one_line(code)).collect::<Vec<_>>().join(", ");
        lines.push(format!("before: attempt {} {} {reasons}", attempt.attempt, outcome_name(attempt.outcome)));
    }
    let others = &of.others;
    let reasons = others.reasons.iter().map(|(code, count)| format!("; {} in {count}", outcome::one_line(code)));
    lines.push(format!(
        "other transactions of the record in {} days: {} attempts, {} denied, {} referred{}",
        of.days,
        others.count,
        others.denied,
        others.referred,
        reasons.collect::<String>()
    ));
    lines.push(format!("attempts about the record in 24 hours, this one included: {}", of.last_day));
    for earlier in of.captures.iter().flatten() {
        lines.push(format!("used before: {}", seen(earlier)));
    }
    lines
}
