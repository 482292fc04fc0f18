//! The text report of a presentation attack detection test.

use super::html::percent;
use super::pad::{ConfidenceLimits, PadReport};
use super::rates::Rate;

/// Renders the report as lines; `shown` makes the name of an attack type safe for a terminal.
pub fn pad_text(pad: &PadReport, shown: impl Fn(&str) -> String) -> String {
    let mut text = format!(
        "{} live and {} attack presentations at a liveness threshold of {}\n  BPCER {}",
        pad.bona_fide,
        pad.attacks,
        pad.threshold,
        known(&pad.bpcer, &pad.bpcer_limits)
    );
    for of in &pad.apcer {
        text += &format!("\n  APCER {}, attack {}", known(&of.apcer, &of.apcer_limits), shown(&of.attack));
    }
    for rates in pad.frames.iter().flat_map(|frames| &frames.rates) {
        let plural = if rates.frames == 1 { "" } else { "s" };
        let bpcer = drawn(&rates.bpcer, &rates.bpcer_limits);
        text += &format!("\n  {} capture{plural}, {}: BPCER {bpcer}", rates.frames, rates.rule.name());
        for of in &rates.apcer {
            text += &format!("; APCER {}, attack {}", drawn(&of.apcer, &of.apcer_limits), shown(&of.attack));
        }
    }
    text
}

/// A rate, or its upper limits.
fn known(rate: &Rate, limits: &Option<ConfidenceLimits>) -> String {
    let counted = format!("{} of {}", rate.errors, rate.comparisons);
    match (rate.rate, limits) {
        (Some(_), _) => format!("{} ({counted})", percent(rate.rate)),
        (None, None) => format!("not resolved ({counted})"),
        (None, Some(limits)) => format!(
            "not resolved ({counted}; at most {} if presentations were independent, {} of people, {} of {} with an error)",
            percent(limits.presentations),
            percent(Some(limits.people_share)),
            limits.people_with_errors,
            limits.people
        ),
    }
}

/// The same for groups of captures that were drawn with several seeds.
fn drawn(rate: &Rate, limits: &Option<ConfidenceLimits>) -> String {
    match (rate.rate, limits) {
        (None, Some(limits)) => format!(
            "{} of {} draws, {} of {} people",
            rate.errors, rate.comparisons, limits.people_with_errors, limits.people
        ),
        _ => known(rate, limits),
    }
}
