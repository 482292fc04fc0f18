//! The HTML report of an evaluation, for management: self-contained, in Vietnamese and English.

use super::html::{Page, grouped, percent, rate_cell, scientific, with_interval};
use super::plots::Plots;
use super::report::EvaluationReport;
use super::skipped::SkippedRows;

/// FMRs for the headline; the first with a resolved FNMR is used.
const HEADLINE_FMRS: [f64; 3] = [1e-4, 1e-3, 1e-2];
/// Shares of photos discarded that the page lists; all are in the JSON.
const DISCARDED_SHOWN: [f64; 2] = [0.05, 0.1];
/// Groups of lines listed on the page; all are in the JSON.
const LINES_SHOWN: usize = 20;

/// Renders an evaluation as an HTML page.
pub fn page(report: &EvaluationReport, plots: &Plots) -> String {
    let mut page = Page::new("Evaluation of face matching", "Đánh giá so khớp khuôn mặt");
    headline(&mut page, report);
    compared(&mut page, report);
    rates(&mut page, report);
    page.heading("Errors against each other", "Đường cong DET");
    page.svg(&plots.det);
    page.heading("Scores", "Phân bố điểm so khớp");
    page.svg(&plots.scores);
    page.heading("Choosing a threshold", "Chọn ngưỡng");
    page.svg(&plots.threshold);
    slices(&mut page, report);
    super::differential_page::sections(&mut page, report);
    discard(&mut page, report, plots);
    one_to_many(&mut page, report);
    fusion(&mut page, report);
    calibration(&mut page, report);
    absent(&mut page, report);
    labels(&mut page, report);
    manifest_warnings(&mut page, report);
    left_out(&mut page, &report.left_out);
    page.heading("How to read this", "Cách đọc");
    page.paragraph(&format!(
        "FMR: share of comparisons of different people that match. FNMR: share of comparisons of one person that do \
         not. FRR counts photos without a usable face as rejections, too. Intervals: {}. A rate that rests on fewer \
         than 30 errors is not printed. Terms: ISO/IEC 19795-1.",
        report.intervals
    ));
    page.paragraph(
        "FMR: tỷ lệ hai người khác nhau bị coi là một. FNMR: tỷ lệ một người bị coi là hai. Tỷ lệ dựa trên ít hơn 30 lỗi thì \
         không được in.",
    );
    page.finish()
}

fn headline(page: &mut Page, report: &EvaluationReport) {
    let known = |fmr: f64| report.fnmr_at_fmr.iter().find(|p| p.fmr == fmr && p.fnmr.is_some());
    let Some(point) = HEADLINE_FMRS.iter().find_map(|fmr| known(*fmr)) else {
        page.headline(
            "The data supports no error rate: there are too few comparisons, or too few errors among them. \
             Dữ liệu chưa đủ để nêu tỷ lệ lỗi.",
        );
        return;
    };
    let one_in = (1.0 / point.fmr).round() as u64;
    page.headline(&format!(
        "If one comparison in {} between different people may wrongly match, {} of genuine people are not recognised \
         at the first try (95 % interval {} to {}).",
        grouped(one_in),
        percent(point.fnmr),
        percent(point.low),
        percent(point.high)
    ));
    page.headline(&format!(
        "Nếu chấp nhận cứ {} lần so hai người khác nhau thì một lần khớp nhầm, {} người thật không được nhận ra ngay lần đầu \
         (khoảng tin cậy 95 %: {} đến {}).",
        grouped(one_in),
        percent(point.fnmr),
        percent(point.low),
        percent(point.high)
    ));
}

fn compared(page: &mut Page, report: &EvaluationReport) {
    page.heading("What was compared", "Dữ liệu so sánh");
    let mut rows = vec![
        ["data".to_owned(), report.source.clone()],
        ["model pack".to_owned(), report.pack.clone()],
        ["recipe".to_owned(), report.recipe.get(..16).unwrap_or(&report.recipe).to_owned()],
        ["photos".to_owned(), grouped(report.photos)],
        ["people".to_owned(), grouped(report.subjects)],
        ["people with one photo (impostor comparisons only)".to_owned(), grouped(report.subjects_with_one_photo)],
        ["photos without a usable face (failures to acquire)".to_owned(), grouped(report.failures)],
        ["comparisons of one person".to_owned(), grouped(report.genuine)],
        ["comparisons of different people".to_owned(), format!("{} ({})", grouped(report.impostor), report.compared())],
        ["rows left out".to_owned(), grouped(report.left_out.count)],
        [
            "rows with the picture of an earlier row (compared as any others)".to_owned(),
            grouped(report.same_pictures.count),
        ],
        ["… under another name".to_owned(), grouped(report.same_pictures.of_another_person)],
    ];
    if report.weighed == "people" {
        rows.push([
            "what weighs the same in rates".to_owned(),
            "every pair of people; every person in FNMR".to_owned(),
        ]);
    }
    if !report.only.is_empty() {
        rows.insert(1, ["only photos with".to_owned(), report.only.join(", ")]);
    }
    if let Some(date) = &report.date {
        rows.insert(0, ["date".to_owned(), date.clone()]);
    }
    page.table(&["", ""], &rows);
}

fn rates(page: &mut Page, report: &EvaluationReport) {
    page.heading("Error rates", "Tỷ lệ lỗi");
    let rows: Vec<[String; 6]> = report
        .fnmr_at_fmr
        .iter()
        .map(|p| {
            let fnmr = match (p.fnmr, &p.not_resolved) {
                (Some(_), _) => with_interval(p.fnmr, p.low, p.high),
                (None, why) => why.clone().unwrap_or_else(|| "not resolved".to_owned()),
            };
            [
                scientific(p.fmr),
                p.threshold.map_or("–".to_owned(), |t| format!("{t:.4}")),
                fnmr,
                p.misses.map_or("–".to_owned(), grouped),
                p.false_matches.map_or("–".to_owned(), grouped),
                percent(p.frr),
            ]
        })
        .collect();
    page.table(&["FMR", "threshold", "FNMR (95 %)", "misses", "false matches", "FRR"], &rows);
    let equal = &report.equal_error;
    page.paragraph(&match equal.rate {
        Some(_) => format!("Equal error rate: {}.", with_interval(equal.rate, equal.low, equal.high)),
        None => "Equal error rate: not resolved.".to_owned(),
    });
}

fn slices(page: &mut Page, report: &EvaluationReport) {
    if report.slices.is_empty() {
        return;
    }
    page.heading("Where it is worse", "Nhóm nào kém hơn");
    let times = |t: Option<f64>, low: Option<f64>, high: Option<f64>| match (t, low, high) {
        (Some(t), Some(low), Some(high)) => format!("{t:.2} ({low:.2}–{high:.2})"),
        (Some(t), ..) => format!("{t:.2}"),
        _ => "–".to_owned(),
    };
    let rows: Vec<[String; 7]> = report
        .slices
        .iter()
        .flat_map(|slice| {
            slice.at.iter().map(|at| {
                let (m, n) = (at.fmr_ratio, at.fnmr_ratio);
                [
                    format!("{} = {}", slice.column, slice.value),
                    format!("{} / {}", grouped(slice.photos as u64), grouped(slice.subjects as u64)),
                    scientific(at.overall_fmr),
                    rate_cell(&at.fmr),
                    times(m.times, m.low, m.high),
                    rate_cell(&at.fnmr),
                    times(n.times, n.low, n.high),
                ]
            })
        })
        .collect();
    page.table(
        &["group", "photos / people", "FMR overall", "FMR within", "times overall", "FNMR within", "times overall"],
        &rows,
    );
    page.note("Thresholds are those of the overall FMR. Both photos of a comparison are of the group.");
}

fn discard(page: &mut Page, report: &EvaluationReport, plots: &Plots) {
    if report.discard.is_empty() {
        return;
    }
    page.heading("Does quality foretell errors?", "Chất lượng ảnh có báo trước lỗi không?");
    if let Some(svg) = &plots.discard {
        page.svg(svg);
    }
    let rows: Vec<[String; 5]> = report
        .discard
        .iter()
        .flat_map(|curve| {
            curve.points.iter().filter(|p| DISCARDED_SHOWN.contains(&p.discarded)).map(|p| {
                let lowered = match (p.lowered_by, p.lowered_by_low, p.lowered_by_high) {
                    (Some(by), Some(low), Some(high)) => {
                        // No "-0".
                        let [by, low, high] = [by, low, high].map(|share| (share * 100.0).round() + 0.0);
                        format!("{by} % ({low} to {high})")
                    }
                    _ => "–".to_owned(),
                };
                [
                    curve.measure.clone(),
                    percent(Some(p.discarded)),
                    rate_cell(&p.fnmr),
                    rate_cell(&p.fnmr_threshold_anew),
                    lowered,
                ]
            })
        })
        .collect();
    page.table(
        &["measure", "discarded", "FNMR, threshold fixed", "FNMR, threshold anew", "lowered by (threshold anew)"],
        &rows,
    );
}

fn one_to_many(page: &mut Page, report: &EvaluationReport) {
    if let Some(test) = &report.open_set {
        page.heading("Finding a person among many (1:N)", "Tìm một người giữa nhiều người (1:N)");
        page.paragraph(&format!(
            "{} people enrolled with one photo each, {} splits; {} searches for enrolled people, {} for others. Rank 1: {}.",
            test.gallery,
            test.splits,
            grouped(test.mated_searches),
            grouped(test.non_mated_searches),
            with_interval(test.rank_one, test.rank_one_low, test.rank_one_high)
        ));
        let rows: Vec<[String; 4]> = test
            .fnir_at_fpir
            .iter()
            .map(|p| {
                [
                    percent(Some(p.fpir)),
                    p.threshold.map_or("–".to_owned(), |t| format!("{t:.4}")),
                    p.not_resolved.clone().unwrap_or_else(|| rate_cell(&p.fnir)),
                    p.false_positives.to_string(),
                ]
            })
            .collect();
        page.table(&["FPIR", "threshold", "FNIR (95 %)", "photos with a false positive"], &rows);
    }
    if !report.projections.is_empty() {
        page.heading("Larger galleries, projected", "Dự báo cho kho ảnh lớn hơn");
        let rows: Vec<[String; 6]> = report
            .projections
            .iter()
            .map(|p| {
                [
                    grouped(p.gallery),
                    p.curve.clone(),
                    percent(Some(p.fpir)),
                    format!("{:.1e}", p.fmr),
                    if p.decades_extrapolated > 0.0 {
                        format!("{:.1} powers of ten", p.decades_extrapolated)
                    } else {
                        "no".to_owned()
                    },
                    p.not_resolved.clone().unwrap_or_else(|| with_interval(p.fnir, p.low, p.high)),
                ]
            })
            .collect();
        page.table(&["people", "curve", "FPIR", "FMR it takes", "extrapolated by", "FNIR expected (95 %)"], &rows);
        page.note("What is extrapolated rests on a fitted tail; the interval says how sure the fit is, not the shape.");
    }
}

fn fusion(page: &mut Page, report: &EvaluationReport) {
    let Some(fusion) = &report.fusion else { return };
    page.heading("Several captures", "Nhiều ảnh chụp");
    page.paragraph(&format!(
        "{} photos of one person as a probe, another as the reference, {} people, {} seeds; FNMR at FMR {} with each \
         way's own threshold. To be used: {}.",
        fusion.frames,
        fusion.people,
        fusion.seeds,
        scientific(fusion.fmr),
        fusion.winner
    ));
    let points = |v: Option<f64>| v.map_or("–".to_owned(), |v| format!("{:+.2}", v * 100.0));
    let rows: Vec<[String; 3]> = fusion
        .ways
        .iter()
        .map(|w| {
            let over = format!("{} ({} to {})", points(w.over_mean), points(w.over_mean_low), points(w.over_mean_high));
            [w.way.clone(), rate_cell(&w.fnmr), over]
        })
        .collect();
    page.table(&["way", "FNMR (95 %)", "over the plain mean, points of percent (95 %)"], &rows);
}

fn calibration(page: &mut Page, report: &EvaluationReport) {
    if let Some(check) = &report.calibration_check {
        page.heading("Do the stated rates hold for others?", "Tỷ lệ đã nêu có đúng với người khác không?");
        let rows: Vec<[String; 3]> = check
            .rates
            .iter()
            .map(|r| [scientific(r.fmr), format!("{} of {}", r.inside, r.splits.len()), percent(Some(r.share))])
            .collect();
        page.table(&["FMR", "splits whose interval held", "share"], &rows);
        page.note(
            "The calibration is fitted on half of the people; the rate seen on the other half should lie in the interval \
             it states in 95 of 100 cases.",
        );
    }
}

/// Section on warnings about the manifest.
fn manifest_warnings(page: &mut Page, report: &EvaluationReport) {
    if report.doubts.is_empty() {
        return;
    }
    page.heading("Values to check", "Giá trị cần kiểm tra");
    report.doubts.iter().for_each(|warning| page.note(&format!("{}.", warning.sentence())));
}

/// Section on requested results that are missing.
fn absent(page: &mut Page, report: &EvaluationReport) {
    if report.absent.is_empty() {
        return;
    }
    page.heading("Asked for and not there", "Được yêu cầu nhưng không có");
    let rows: Vec<[String; 2]> =
        report.absent.iter().map(|absent| [absent.name().to_owned(), absent.why.clone()]).collect();
    page.table(&["what", "why"], &rows);
}

fn labels(page: &mut Page, report: &EvaluationReport) {
    if report.suspected_labels.is_empty() {
        return;
    }
    page.heading("Labels to check", "Nhãn cần kiểm tra");
    page.note("Photos under two names that score as one person's do. Lines are those of the manifest.");
    let rows: Vec<[String; 3]> = report
        .suspected_labels
        .iter()
        .map(|s| [s.line_a.to_string(), s.line_b.to_string(), format!("{:.3}", s.score)])
        .collect();
    page.table(&["line", "and line", "score"], &rows);
}

pub(super) fn left_out(page: &mut Page, left_out: &SkippedRows) {
    page.heading("Left out", "Những gì bị bỏ qua");
    if left_out.count == 0 {
        page.paragraph("Nothing. Không có.");
        return;
    }
    let rows: Vec<[String; 2]> = left_out.reasons.iter().map(|(r, n)| [r.clone(), grouped(*n)]).collect();
    page.table(&["reason", "rows"], &rows);
    let rows: Vec<[String; 3]> = left_out
        .lines
        .iter()
        .take(LINES_SHOWN)
        .map(|l| [format!("line {}", l.line), l.reason.clone(), l.what.clone()])
        .collect();
    page.table(&["", "reason", "what"], &rows);
    if left_out.count > LINES_SHOWN as u64 {
        page.note("The first of them; report.json lists more.");
    }
}

#[cfg(test)]
mod tests {
    use super::super::evaluate::tests::{report, small};
    use super::super::manifest_warnings::ManifestWarning;
    use super::super::plots::plots;
    use super::*;

    #[test]
    fn the_page_is_self_contained_and_safe_and_says_what_was_left_out() {
        let report = report();
        let text = page(&report, &plots(&report));
        // The only URL is SVG's namespace.
        let addresses = text.matches("http").count() - text.matches("http://www.w3.org/2000/svg").count();
        assert!(addresses == 0 && !text.contains("<script") && !text.contains("src=") && !text.contains("@import"));
        assert!(text.contains("half = &lt;first&gt; &amp; &quot;half&quot;") && !text.contains("<first>"));
        for part in ["line 17", "FILE_MISSING", "Đánh giá", "not resolved", "Rank 1", "1\u{202f}000\u{202f}000"] {
            assert!(text.contains(part), "{part}");
        }
        assert_eq!(text.matches("<svg").count(), text.matches("</svg>").count());
        for tag in ["table", "tr", "td", "th", "h2", "p"] {
            let opened = text.matches(&format!("<{tag}>")).count() + text.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, text.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }

    /// Names of columns, values, files and packs are untrusted input.
    #[test]
    fn whatever_a_file_brings_is_text_and_never_an_element() {
        let hostile = |what: &str| format!("\"><script>{what}</script>'&");
        let mut report = report();
        report.source = hostile("source");
        report.pack = hostile("pack");
        report.recipe = hostile("recipe");
        report.date = Some(hostile("date"));
        report.only = vec![hostile("only")];
        report.within = Some(hostile("within"));
        report.intervals = hostile("intervals");
        report.slices[0].column = hostile("column");
        report.slices[0].value = hostile("value");
        report.discard[0].measure = hostile("measure");
        report.projections[0].curve = hostile("curve");
        report.fusion.as_mut().unwrap().winner = hostile("winner");
        report.fusion.as_mut().unwrap().ways[0].way = hostile("way");
        report.absent[0].why = hostile("why");
        let differentials = &mut report.differentials[0];
        differentials.by = hostile("by");
        differentials.at[0].groups[0].group = hostile("group");
        differentials.at[0].worst_fmr.group = Some(hostile("worst"));
        differentials.at[0].threshold.of = hostile("of");
        let cross_fit = report.cross_fit.as_mut().unwrap();
        cross_fit.rows[0].group = hostile("cross");
        report.left_out.add(18, "REASON", &hostile("what"));
        report.left_out.reasons.insert(hostile("reason"), 1);
        report.doubts =
            vec![ManifestWarning { column: hostile("doubt"), what: "not a number", lines: vec![1], count: 1 }];
        let plots = plots(&report);
        let text = page(&report, &plots);
        assert!(!text.contains("<script") && !text.contains("</script"));
        for what in [
            "source",
            "pack",
            "date",
            "only",
            "within",
            "intervals",
            "column",
            "value",
            "measure",
            "curve",
            "winner",
            "way",
            "why",
            "by",
            "group",
            "worst",
            "of",
            "cross",
            "what",
            "reason",
            "doubt",
        ] {
            assert!(text.contains(&format!("&quot;&gt;&lt;script&gt;{what}&lt;/script&gt;'&amp;")), "{what}");
        }
        // The plots stand alone, too.
        let discard = plots.discard.unwrap();
        assert!(discard.as_str().contains("&lt;script&gt;measure") && !discard.as_str().contains("<script"));
    }

    #[test]
    fn the_cross_fit_is_shown_by_group_and_where_it_is_not_there_the_page_says_why() {
        let full_report = report();
        let text = page(&full_report, &plots(&full_report));
        for part in ["Cross-fit", "3 folds", "pooled, all groups", "pooled, second", "&lt;first&gt;"] {
            assert!(text.contains(part), "{part}");
        }
        assert!(text.contains("Asked for and not there") && text.contains("no curve of a worst group"));
        let small_report = small();
        let text = page(&small_report, &plots(&small_report));
        assert!(!text.contains("Cross-fit"));
        for part in
            ["Asked for and not there", "<td>cross-fit</td>", "are too few", "<td>several captures as one probe</td>"]
        {
            assert!(text.contains(part), "{part}");
        }
    }
}
