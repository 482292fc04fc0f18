//! Sections of the HTML report on groups of people: differentials, ageing, and the cross-fit.

use super::aging::Aging;
use super::cross_fit::CrossFit;
use super::differentials::{Differential, FixedThreshold, WorstGroup};
use super::html::{Page, grouped, rate_cell, scientific};
use super::report::EvaluationReport;
use super::slices::Ratio;

/// Adds those sections for which the report has results.
pub(super) fn sections(page: &mut Page, report: &EvaluationReport) {
    for differentials in &report.differentials {
        page.heading(
            &format!("Differentials by {}", differentials.by),
            &format!("Chênh lệch giữa các nhóm theo {}", differentials.by),
        );
        differentials.at.iter().for_each(|at| differential(page, at));
    }
    if !report.differentials.is_empty() {
        page.note(
            "FMR within a group: impostor comparisons of two people of the group. Over stated: that FMR over the one the \
             threshold is for; above 1, people of the group match wrongly more often than is stated. Groups of fewer \
             than 30 people are listed and do not count as the worst. Terms: ISO/IEC 19795-10.",
        );
        page.note(
            "FMR trong nhóm: so hai người khác nhau của cùng một nhóm. So với mức đã nêu: lớn hơn 1 nghĩa là người của nhóm \
             này bị khớp nhầm nhiều hơn mức đã nêu. Nhóm dưới 30 người vẫn được liệt kê nhưng không tính là nhóm kém nhất.",
        );
    }
    report.aging.iter().for_each(|aging| self::aging(page, aging));
    if let Some(check) = &report.cross_fit {
        cross_fit(page, check);
    }
}

fn of(threshold: &FixedThreshold) -> String {
    let whose = match threshold.stated {
        true => format!("the calibration's curve, {}", threshold.of),
        false => threshold.of.clone(),
    };
    format!("{} by {whose}", scientific(threshold.for_fmr))
}

fn times(ratio: Ratio) -> String {
    match (ratio.times, ratio.low, ratio.high) {
        (Some(times), Some(low), Some(high)) => format!("{times:.2} ({low:.2}–{high:.2})"),
        (Some(times), ..) => format!("{times:.2}"),
        _ => "–".to_owned(),
    }
}

fn differential(page: &mut Page, at: &Differential) {
    page.paragraph(&format!("Threshold {:.4}: FMR {}", at.threshold.threshold, of(&at.threshold)));
    let mut rows: Vec<[String; 7]> = vec![
        [
            "all comparisons · tất cả".to_owned(),
            "–".to_owned(),
            rate_cell(&at.fmr),
            times(at.fmr_over_stated),
            "1".to_owned(),
            rate_cell(&at.fnmr),
            "1".to_owned(),
        ],
        [
            "within any group · trong cùng nhóm".to_owned(),
            "–".to_owned(),
            rate_cell(&at.within_fmr),
            times(at.within_fmr_over_stated),
            "–".to_owned(),
            "–".to_owned(),
            "–".to_owned(),
        ],
    ];
    rows.extend(at.groups.iter().map(|group| {
        [
            group.group.clone(),
            format!("{} / {}", grouped(group.photos as u64), grouped(group.subjects as u64)),
            rate_cell(&group.fmr),
            times(group.fmr_over_stated),
            times(group.fmr_over_pooled),
            rate_cell(&group.fnmr),
            times(group.fnmr_over_pooled),
        ]
    }));
    page.table(
        &["group", "photos / people", "FMR within", "over stated", "over all", "FNMR within", "over all"],
        &rows,
    );
    for (what, vi, worst) in [("FMR", "FMR", &at.worst_fmr), ("FNMR", "FNMR", &at.worst_fnmr)] {
        if let Some(text) = summary(what, vi, worst) {
            page.paragraph(&text);
        }
    }
}

fn summary(what: &str, vi: &str, worst: &WorstGroup) -> Option<String> {
    let group = worst.group.as_ref()?;
    Some(format!(
        "Highest {what} of {} groups: {group}; {} times that of all comparisons, {} times the geometric mean of the groups. \
         {vi} cao nhất: nhóm {group}.",
        worst.groups,
        times(worst.over_pooled),
        times(worst.over_geometric_mean)
    ))
}

fn aging(page: &mut Page, aging: &Aging) {
    match aging.by {
        "age" => page.heading("FNMR by age", "FNMR theo tuổi"),
        by => {
            let note = if by.contains("ages") { " (by age)" } else { "" };
            page.heading(&format!("FNMR by years between the photos{note}"), "FNMR theo số năm giữa hai ảnh");
        }
    }
    let rows: Vec<[String; 5]> = aging
        .bands
        .iter()
        .flat_map(|band| {
            let years = match band.to {
                Some(to) => format!("{}–<{to}", band.from),
                None => format!("{} and more", band.from),
            };
            band.at.iter().map(move |at| {
                [
                    years.clone(),
                    grouped(band.subjects as u64),
                    grouped(at.fnmr.comparisons),
                    of(&at.threshold),
                    rate_cell(&at.fnmr),
                ]
            })
        })
        .collect();
    page.table(&["years · năm", "people", "comparisons", "threshold for FMR", "FNMR (95 %)"], &rows);
    if aging.unknown > 0 {
        page.note(&format!("{} comparisons of one person lack the value.", grouped(aging.unknown)));
    }
}

/// How the fits were made, and which groups were the worst in them.
fn fits(check: &CrossFit) -> String {
    let mut text = format!(
        "{} folds of the people, {} fits. Every comparison is judged by a fit without either of its people.",
        check.folds, check.fits
    );
    let worst: Vec<String> = check.worst_groups.iter().map(|w| format!("{} in {} of them", w.group, w.fits)).collect();
    if !worst.is_empty() {
        text += &format!(" The worst group: {}.", worst.join(", "));
    }
    text
}

fn cross_fit(page: &mut Page, check: &CrossFit) {
    page.heading(
        "Cross-fit: are the stated rates true for people left out?",
        "Kiểm tra chéo: tỷ lệ đã nêu có đúng với người chưa thấy không?",
    );
    page.paragraph(&fits(check));
    let rows: Vec<[String; 7]> = check
        .rows
        .iter()
        .flat_map(|row| {
            row.at.iter().map(move |at| {
                let ends = match (at.low, at.high) {
                    (Some(low), Some(high)) => format!("{low:.1e} to {high:.1e}"),
                    _ => "–".to_owned(),
                };
                [
                    format!("{}, {}", row.curve, row.group),
                    scientific(at.fmr),
                    format!("{:.4}–{:.4}", at.threshold_min, at.threshold_max),
                    format!("{:.2e}", at.seen),
                    format!("{:.2}", at.times),
                    format!("{ends}{}", at.inside.map_or("", |inside| if inside { "" } else { ": outside" })),
                    format!("{} of {}", grouped(at.false_matches), grouped(at.comparisons)),
                ]
            })
        })
        .collect();
    page.table(
        &[
            "curve, comparisons within",
            "FMR stated",
            "thresholds",
            "seen",
            "over stated",
            "stated interval",
            "false matches",
        ],
        &rows,
    );
    let worst: Vec<String> = check.worst_groups.iter().map(|w| format!("{} ({})", w.group, w.fits)).collect();
    let worst = if worst.is_empty() { "none".to_owned() } else { worst.join(", ") };
    page.note(&format!(
        "{} folds of people, {} fits: both people of every comparison are left out of the fit that judges it. The worst \
         group, and in how many fits: {worst}.",
        check.folds, check.fits
    ));
    page.note("Mỗi phép so được đánh giá bằng đường cong dựng từ những người khác. Lớn hơn 1 là nhiều hơn mức đã nêu.");
}
