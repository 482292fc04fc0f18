//! What an audit says in a terminal.

use std::path::Path;
use std::time::Duration;

use super::super::{Failure, outcome, print};
use crate::audit::{ChanceVerdict, ChangesSummary, LeftOutCount, LeftOutUnit, Summary, TaskError};
use crate::workflow::reason::Reason;

/// The engine's own words for a photo without a template.
pub(super) fn of_engine(code: &str) -> Option<(&'static str, &'static str)> {
    Reason::ALL.iter().find(|reason| reason.code() == code).map(|reason| (reason.en(), reason.vi()))
}

/// Why an audit stopped, and what to ask for instead.
pub(super) fn stopped(error: &TaskError) -> Failure {
    let TaskError::TooManyPairs { instead, .. } = error else { return Failure::new(error) };
    let resume = "or raise --pairs-max to go on";
    Failure::new(match instead {
        Some(instead) => format!(
            "{error}; chance alone gives about {} at --score {:.4} or --fmr {}: ask for that, with --restart, {resume}",
            grouped(instead.pairs as u64),
            instead.score,
            print::rate(instead.fmr)
        ),
        None => format!("{error}; ask for a higher score, with --restart, {resume}"),
    })
}

/// What a person in front of a terminal wants to know.
pub(super) fn found(summary: &Summary, page: &Path) -> String {
    let s = |is_one: bool| if is_one { "" } else { "s" };
    let mut text = format!(
        "{} pair{} of {} records at a score of {:.4} or above{}: {} ring{} of {} records",
        grouped(summary.pairs),
        s(summary.pairs == 1),
        grouped(summary.subjects),
        summary.threshold,
        summary.fmr.map(|fmr| format!(" (FMR {})", print::rate(fmr))).unwrap_or_default(),
        grouped(summary.rings),
        s(summary.rings == 1),
        grouped(summary.ring_members),
    );
    if let Some(chance) = summary.chance {
        text += &format!(
            "\nto expect by chance: {} pairs ({} to {}){}",
            print::rate(chance.value),
            print::rate(chance.low),
            print::rate(chance.high),
            print::extrapolated(chance.extrapolated)
        );
    }
    if let Some(curve) = &summary.calibration {
        text += &print::curve(curve);
    }
    match summary.explained.map(|explained| explained.verdict) {
        Some(ChanceVerdict::Mostly) => text += "\nCHANCE EXPLAINS MOST OF WHAT WAS FOUND; ask for a lower --fmr",
        Some(ChanceVerdict::PerhapsMostly) => {
            text += "\nchance may explain most of what was found; ask for a lower --fmr"
        }
        _ => {}
    }
    text += &left_out(&summary.compared.left_out, summary.compared.left_out_list.as_deref());
    if summary.compared.cleared > 0 {
        text += &format!("\n{} pairs of records were cleared before", grouped(summary.compared.cleared));
    }
    text += &summary.changes.as_ref().map(changes).unwrap_or_default();
    text + &format!("\nreport: {}", page.display())
}

/// What has changed since the earlier run, after a line break.
fn changes(of: &ChangesSummary) -> String {
    let since = of.since.as_deref().unwrap_or("an earlier program");
    let count = |number: u64, what: &str| (number > 0).then(|| format!("{} {what}", grouped(number)));
    let told: Vec<String> = [
        count(of.records_new.unwrap_or_default(), "records new"),
        count(of.records_left.unwrap_or_default(), "records gone"),
        count(of.pairs_new, "pairs of records new"),
        count(of.pairs_gone, "pairs of records gone"),
        count(of.rings_new, "rings new"),
        count(of.rings_grown, "rings grown"),
        count(of.rings_shrunk, "rings shrunk"),
        count(of.rings_exchanged, "rings with members gained and lost"),
        count(of.rings_merged, "rings merged"),
        count(of.rings_split, "rings split"),
        count(of.rings_gone, "rings gone"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let told = if told.is_empty() { "nothing has changed".to_owned() } else { told.join(", ") };
    format!("\nsince the run of {} (kept in {}): {told}", outcome::one_line(since), outcome::one_line(&of.kept_in))
}

/// What took no part, after a line break; nothing where all did.
pub(super) fn left_out(left_out: &[LeftOutCount], list: Option<&str>) -> String {
    if left_out.is_empty() {
        return String::new();
    }
    let all: u64 = left_out.iter().map(|out| out.count).sum();
    let reasons: Vec<String> = left_out
        .iter()
        .map(|out| {
            let unit = match out.unit {
                LeftOutUnit::Photos => "photos",
                LeftOutUnit::Templates => "templates",
                LeftOutUnit::Subjects => "records",
                LeftOutUnit::Pairs => "pairs of records",
            };
            format!("{} {unit}: {}", grouped(out.count), outcome::one_line(&out.en))
        })
        .collect();
    let listed = list.map(|name| format!("; {name} lists each row with its line, file and reason"));
    format!("\n{} were left out ({}){}", grouped(all), reasons.join("; "), listed.unwrap_or_default())
}

/// A duration as people say it.
pub(super) fn duration(of: Duration) -> String {
    match of.as_secs() {
        seconds @ 0..=99 => format!("{seconds} s"),
        seconds @ 100..=7199 => format!("{} min", seconds.div_ceil(60)),
        seconds @ 7200..=172_799 => format!("{:.1} h", seconds as f64 / 3600.0),
        seconds => format!("{:.1} days", seconds as f64 / 86_400.0),
    }
}

/// Bytes as people say them.
pub(super) fn bytes(of: u64) -> String {
    match of {
        0..=1_048_575 => format!("{} KiB", of.div_ceil(1024)),
        1_048_576..=1_073_741_823 => format!("{} MiB", of >> 20),
        _ => format!("{:.1} GiB", of as f64 / f64::from(1 << 30)),
    }
}

/// A number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    outcome::one_line(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_as_people_say_them() {
        assert_eq!([grouped(7), grouped(1234), grouped(999_999_500_000)], ["7", "1,234", "999,999,500,000"]);
        assert_eq!([bytes(1), bytes(3 << 20), bytes(5 << 30)], ["1 KiB", "3 MiB", "5.0 GiB"]);
        let told = [4, 100, 10_000, 200_000].map(|s| duration(Duration::from_secs(s)));
        assert_eq!(told, ["4 s", "2 min", "2.8 h", "2.3 days"]);
    }

    #[test]
    fn every_reason_of_the_engine_has_words_in_both_languages() {
        for reason in Reason::ALL {
            let (en, vi) = of_engine(reason.code()).expect("its words");
            assert!(en.is_ascii() && !vi.is_ascii(), "{}", reason.code());
        }
    }

    #[test]
    fn what_was_left_out_is_told_with_its_reasons_and_the_table_that_lists_it() {
        let out =
            |count, unit| LeftOutCount { code: "WHY".into(), en: "why".into(), vi: "tại sao".into(), count, unit };
        assert_eq!(left_out(&[], None), "");
        assert_eq!(left_out(&[out(7, LeftOutUnit::Templates)], None), "\n7 were left out (7 templates: why)");
        let told = left_out(&[out(1200, LeftOutUnit::Photos), out(7, LeftOutUnit::Templates)], Some("left_out.csv"));
        assert!(
            told.starts_with("\n1,207 were left out (1,200 photos: why; 7 templates: why); left_out.csv"),
            "{told}"
        );
    }
}
