//! The text output of `chinhchu evaluate`.

use std::path::Path;

use super::super::outcome::one_line;
use crate::evaluation::{EvaluationReport, Rate, SkippedRows};

/// A line on the rows left out; empty if there are none.
pub(super) fn left_out(left_out: &SkippedRows) -> String {
    match left_out.lines.first() {
        None => String::new(),
        Some(first) => format!(
            "\nrows left out: {}; the first is line {}: {} ({}); the report lists them",
            left_out.count,
            first.line,
            one_line(&first.what),
            first.reason
        ),
    }
}

/// The error for an evaluation without any comparison: why, and what would help.
pub(super) fn nothing_to_compare(report: &EvaluationReport) -> String {
    let photos = report.photos - report.failures;
    if report.photos == 0 && report.left_out.count == 0 && !report.only.is_empty() {
        let only = report.only.join(" and ");
        return format!("nothing to compare: no row has {only}; check the spelling of --only");
    }
    let why = match (report.left_out.lines.first(), report.failure_reasons.iter().next()) {
        (Some(line), _) => format!(" (line {}: {})", line.line, line.what),
        (None, Some((reason, count))) => format!(" ({count} x {reason})"),
        (None, None) => String::new(),
    };
    if let (Some(within), true) = (&report.within, photos > 1) {
        return format!(
            "nothing to compare: no two of the {photos} photos with a template are of the same {within}{why}; leave out \
             --within, or name another column"
        );
    }
    format!(
        "nothing to compare: {photos} photos gave a template, {} rows were left out{why}; give two photos at least that \
         can be used",
        report.left_out.count
    )
}

/// Summary of a report for the terminal.
pub(super) fn summary(report: &EvaluationReport, out: &Path) -> String {
    let mut text = format!(
        "{} photos of {} people: {} without a template; {} rows left out\n{} genuine and {} impostor comparisons ({})",
        report.photos,
        report.subjects,
        report.failures,
        report.left_out.count,
        report.genuine,
        report.impostor,
        one_line(&report.compared())
    );
    let percent = |rate: f64| format!("{:.2} %", rate * 100.0);
    let between = |low: Option<f64>, high: Option<f64>| match (low, high) {
        (Some(low), Some(high)) => format!(" ({} to {})", percent(low), percent(high)),
        _ => String::new(),
    };
    for p in &report.fnmr_at_fmr {
        text += &match (p.fnmr, p.threshold, &p.not_resolved) {
            (Some(fnmr), Some(threshold), _) => format!(
                "\n  FMR {:.0e}  threshold {threshold:.4}  FNMR {}{}",
                p.fmr,
                percent(fnmr),
                between(p.low, p.high)
            ),
            (_, _, why) => format!("\n  FMR {:.0e}  {}", p.fmr, why.as_deref().unwrap_or("not resolved")),
        };
    }
    if let Some(test) = &report.open_set
        && let Some(rank_one) = test.rank_one
    {
        let ends = between(test.rank_one_low, test.rank_one_high);
        text += &format!("\n1:N among {}: rank 1 {}{ends}", test.gallery, percent(rank_one));
    }
    for p in &report.projections {
        let expected = p.fnir.map_or("not resolved".to_owned(), |fnir| percent(fnir) + &between(p.low, p.high));
        let mark = match p.decades_extrapolated {
            0.0 => String::new(),
            decades => format!(", extrapolated by {decades:.1} powers of ten"),
        };
        text += &format!(
            "\nin a gallery of {}, by {}: FNIR {expected} at FPIR {}{mark}",
            p.gallery,
            one_line(&p.curve),
            percent(p.fpir)
        );
    }
    for curve in &report.discard {
        if let Some(p) = curve.points.iter().find(|p| p.discarded == 0.05)
            && let Some(by) = p.lowered_by
        {
            let ends = between(p.lowered_by_low, p.lowered_by_high);
            text += &format!("\nwithout the worst 5 % by {}: FNMR lowered by {}{ends}", curve.measure, percent(by));
        }
    }
    if let Some(fusion) = &report.fusion {
        text += &format!("\n{} captures, FNMR at FMR {:.0e}:", fusion.frames, fusion.fmr);
        let resolved = fusion.ways.iter().any(|way| way.fnmr.rate.is_some());
        if !resolved {
            text += " no way of fusing them is resolved, there are too few comparisons";
        }
        for way in fusion.ways.iter().filter(|_| resolved) {
            let rate = way.fnmr.rate.map_or("not resolved".to_owned(), percent);
            let over = way.over_mean.map_or(String::new(), |over| {
                format!(
                    ", over the plain mean {:+.2} points{}",
                    over * 100.0,
                    between(way.over_mean_low, way.over_mean_high)
                )
            });
            text += &format!("\n  {rate}  {}{over}", way.way);
        }
        text += &format!("\n  to be used: {}", fusion.winner);
    }
    if let Some(check) = &report.calibration_check {
        for rate in &check.rates {
            text += &format!(
                "\ncalibration: the interval for FMR {:.0e} held on the people left out in {} of {} splits",
                rate.fmr,
                rate.inside,
                rate.splits.len()
            );
        }
    }
    if let Some(check) = &report.cross_fit {
        text += &format!("\ncross-fit in {} folds, {} fits", check.folds, check.fits);
        for row in &check.rows {
            for at in &row.at {
                text += &format!(
                    "\ncross-fit, {} curve, {}: FMR {:.0e} stated, {:.2e} seen, {:.2} times ({} of {} comparisons){}",
                    row.curve,
                    one_line(&row.group),
                    at.fmr,
                    at.seen,
                    at.times,
                    at.false_matches,
                    at.comparisons,
                    if at.inside == Some(false) { ", outside the stated interval" } else { "" }
                );
            }
        }
    }
    for by in &report.differentials {
        for at in by.at.iter().filter(|at| at.threshold.stated) {
            let rate = |rate: &Rate| rate.rate.map_or("not resolved".to_owned(), percent);
            text += &format!(
                "\nby {} at {:.4}, stated FMR {:.0e} ({}): FMR {} within groups{}, FNMR {}",
                one_line(&by.by),
                at.threshold.threshold,
                at.threshold.for_fmr,
                one_line(&at.threshold.of),
                rate(&at.within_fmr),
                at.within_fmr_over_stated.times.map_or(String::new(), |t| format!(" ({t:.2} times the stated)")),
                rate(&at.fnmr)
            );
            if let Some(group) = &at.worst_fmr.group {
                let over =
                    at.worst_fmr.over_pooled.times.map_or(String::new(), |t| format!(", {t:.2} times the pooled"));
                text += &format!("; worst {}{over}", one_line(group));
            }
        }
    }
    text += &left_out(&report.left_out);
    for warning in &report.doubts {
        text += &format!("\n{}", one_line(&warning.sentence()));
    }
    for absent in &report.absent {
        text += &format!("\n{}: not there, {}", absent.name(), one_line(&absent.why));
    }
    if !report.suspected_labels.is_empty() {
        text += &format!("\n{} pairs of rows look like one person under two names", report.suspected_labels.len());
    }
    text + &format!("\nreport: {}", out.join("index.html").display())
}
