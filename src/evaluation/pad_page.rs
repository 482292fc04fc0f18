//! The HTML report of a presentation attack detection test, in Vietnamese and English.

use super::html::{Page, grouped, percent, rate_cell};
use super::pad::{BONA_FIDE, ConfidenceLimits};
use super::pad_frames::FramesReport;
use super::page::left_out;
use super::rates::Rate;
use super::report::PadDocument;

/// Renders the report as a self-contained HTML page.
pub fn pad_page(document: &PadDocument) -> String {
    let mut page = Page::new("Presentation attack detection", "Phát hiện giả mạo khuôn mặt");
    let pad = &document.pad;
    let worst = pad.worst_attack.as_ref().and_then(|name| pad.apcer.iter().find(|a| a.attack == *name));
    match worst {
        Some(worst) => {
            let (passes, refused) = (percent(worst.apcer.rate), rate_cell(&pad.bpcer));
            page.headline(&format!(
                "At a liveness threshold of {}, the most successful attack ({}) passes in {passes} of presentations; of \
                 live people taken for an attack: {refused}.",
                pad.threshold, worst.attack
            ));
            page.headline(&format!(
                "Ở ngưỡng {}, kiểu tấn công thành công nhất ({}) lọt qua {passes} số lần thử; người thật bị coi là giả mạo: \
                 {refused}.",
                pad.threshold, worst.attack
            ));
        }
        None => page.headline(
            "No attack type has the 30 passes that a rate takes: not resolved. Chưa kiểu tấn công nào lọt qua đủ 30 lần để \
             nêu tỷ lệ.",
        ),
    }
    limits(&mut page, document);
    page.heading("Attacks", "Các kiểu tấn công");
    let row = |name: String, rate: &Rate, no_face: String| {
        [name, rate_cell(rate), grouped(rate.errors), grouped(rate.comparisons), no_face]
    };
    let without = |name: &str| grouped(pad.no_response.get(name).copied().unwrap_or(0));
    let mut rows: Vec<[String; 5]> = pad
        .apcer
        .iter()
        .map(|a| row(format!("APCER, {}: taken for live", a.attack), &a.apcer, without(&a.attack)))
        .collect();
    // Attack types without any detected face.
    let unseen =
        pad.no_response.keys().filter(|name| *name != BONA_FIDE && pad.apcer.iter().all(|a| a.attack != **name));
    rows.extend(unseen.map(|name| {
        let nothing = Rate::new(0, 0, None);
        row(format!("APCER, {name}: taken for live"), &nothing, without(name))
    }));
    rows.push(row("BPCER: live people taken for an attack".to_owned(), &pad.bpcer, without(BONA_FIDE)));
    rows.extend(pad.bpcer_at_apcer.iter().map(|b| {
        let name = format!("BPCER where no type's APCER exceeds {}", percent(Some(b.apcer)));
        match (b.threshold, &b.not_resolved) {
            (Some(threshold), _) => row(format!("{name} (threshold {threshold:.3})"), &b.bpcer, String::new()),
            (None, why) => {
                let why = why.clone().unwrap_or_else(|| "not resolved".to_owned());
                [name, why, "–".to_owned(), "–".to_owned(), String::new()]
            }
        }
    }));
    page.table(&["", "rate (95 %)", "errors", "presentations", "without a face"], &rows);
    page.note(
        "Presentations in which no face was found are counted apart: such an attack does not pass, and a live person is \
         asked for another picture.",
    );
    if let Some(report) = &pad.frames {
        frames(&mut page, report);
    }
    left_out(&mut page, &document.left_out);
    page.heading("How to read this", "Cách đọc");
    page.paragraph(&format!(
        "APCER: share of attacks of one type that are taken for live; the worst type counts, never a mean over types. \
         BPCER: share of live people taken for an attack. Intervals: {}. A rate that rests on fewer than 30 errors is not \
         printed. Terms: ISO/IEC 30107-3. This test says how the network fares on these attacks; it is no certification.",
        document.intervals
    ));
    page.paragraph(
        "APCER: tỷ lệ giả mạo bị coi là người thật, tính theo kiểu tấn công tệ nhất. BPCER: tỷ lệ người thật bị coi là giả \
         mạo. Kết quả chỉ đúng với các kiểu tấn công đã thử, không phải là chứng nhận.",
    );
    page.finish()
}

/// A table of upper confidence limits, if there are any.
fn limits(page: &mut Page, document: &PadDocument) {
    let pad = &document.pad;
    let attacks = pad.apcer.iter().map(|a| (format!("APCER, {}", a.attack), &a.apcer, &a.apcer_limits));
    let live = ("BPCER".to_owned(), &pad.bpcer, &pad.bpcer_limits);
    let rows: Vec<[String; 5]> = attacks
        .chain([live])
        .filter_map(|(name, rate, limits)| {
            let limits = limits.as_ref()?;
            let of = |part: u64, whole: u64| format!("{} of {}", grouped(part), grouped(whole));
            Some([
                name,
                of(rate.errors, rate.comparisons),
                at_most(limits.presentations),
                of(limits.people_with_errors, limits.people),
                at_most(Some(limits.people_share)),
            ])
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    page.heading("What few errors show", "Số lỗi quá ít cho biết điều gì");
    page.table(
        &["not resolved", "errors", "if presentations were independent", "people with an error", "share of people"],
        &rows,
    );
    page.note(
        "Upper 95 % confidence limits, one-sided, exact (Clopper–Pearson). Presentations of one person are alike, so the \
         limit over presentations is too low by an unknown amount; that over people holds for the share of people with at \
         least one error in as many presentations. Neither says anything of attacks, cameras or places that were not tried.",
    );
    page.note(
        "Giới hạn trên với độ tin cậy 95 % (một phía, Clopper–Pearson). Các lần thử của cùng một người giống nhau, nên giới \
         hạn tính theo số lần thử là quá thấp; giới hạn tính theo số người là tỷ lệ người có ít nhất một lỗi trong chừng ấy \
         lần thử. Không nói gì về kiểu tấn công, máy ảnh hoặc nơi chưa thử.",
    );
}

fn at_most(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("at most {}", percent(Some(share))))
}

/// Section on the fusion of several captures.
fn frames(page: &mut Page, report: &FramesReport) {
    page.heading("Several captures judged together", "Xét nhiều ảnh chụp cùng lúc");
    let cell = |rate: &Rate, limits: &Option<ConfidenceLimits>| match (rate.rate, limits) {
        (None, Some(limits)) => format!(
            "{} of {} draws, {} of {} people",
            grouped(rate.errors),
            grouped(rate.comparisons),
            grouped(limits.people_with_errors),
            grouped(limits.people)
        ),
        _ => rate_cell(rate),
    };
    let score = |score: Option<f32>| score.map_or_else(|| "–".to_owned(), |score| format!("{score:.3}"));
    let rows: Vec<[String; 6]> = report
        .rates
        .iter()
        .map(|rates| {
            let apcer = rates.apcer.iter().map(|a| format!("{}: {}", a.attack, cell(&a.apcer, &a.apcer_limits)));
            [
                format!("{}, {}", rates.frames, rates.rule.name()),
                apcer.collect::<Vec<_>>().join("; "),
                cell(&rates.bpcer, &rates.bpcer_limits),
                rates.equal_error.rate.map_or_else(|| "not resolved".to_owned(), |rate| percent(Some(rate))),
                score(rates.attack_highest),
                score(rates.live_lowest),
            ]
        })
        .collect();
    page.table(&["captures", "APCER", "BPCER", "equal error", "highest attack", "lowest live"], &rows);
    page.note(&format!(
        "Captures of one person and kind are drawn in disjoint groups, with {} seeds. A rate takes 30 errors a seed, as \
         seeds share captures. VerifyBeneficiary takes the mean; where liveness is required of Verify and Identify, every \
         capture must pass (minimum). Equal error: where APCER of the worst type equals BPCER.",
        report.seeds
    ));
    page.note("Ảnh chụp của một người được chia ngẫu nhiên thành từng nhóm; mỗi nhóm được xét như một lần thử.");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::pad::{Presentation, pad};
    use super::super::pad_frames::pad_frames;
    use super::super::pad_text::pad_text;
    use super::super::report::EvaluationInputs;
    use super::super::view::Bootstrap;
    use super::*;

    #[test]
    fn the_page_names_every_type_and_those_no_face_was_seen_of() {
        let bootstrap = Bootstrap { repetitions: 100, seed: 1 };
        let made = |attack: Option<&str>, count: u32, score: fn(u32) -> Option<f32>| {
            let one = |i| Presentation { attack: attack.map(str::to_owned), subject: i % 50, score: score(i) };
            (0..count).map(one).collect::<Vec<_>>()
        };
        let half = |i: u32| Some(if i.is_multiple_of(2) { 0.9 } else { 0.1 });
        let mut all = made(None, 400, half);
        all.extend(made(Some("<print>"), 400, half));
        all.extend(made(Some("mask"), 7, |_| None));
        let document = PadDocument::new(EvaluationInputs::default(), bootstrap, pad(&all, 50, 0.5, bootstrap));
        assert_eq!(document.pad.no_response, BTreeMap::from([("mask".to_owned(), 7)]));
        let text = pad_page(&document);
        assert!(
            text.contains("the most successful attack (&lt;print&gt;) passes in 50.0 % of presentations"),
            "{text}"
        );
        assert!(text.contains("<td>APCER, mask: taken for live</td>") && text.contains("<td>7</td>"));
        // Ten percent of 400 prints are 40 passes, five are too few.
        assert!(
            text.contains("exceeds 10.0 % (threshold ")
                && text.contains("exceeds 5.00 %</td><td>attacks that may pass: 20")
        );
        assert!(text.contains("BPCER: live people taken for an attack") && !text.contains("<print>"));
        assert!(!text.contains("What few errors show") && !text.contains("judged together"), "all is resolved");
    }

    #[test]
    fn the_page_says_what_few_errors_show_and_of_several_captures_who_was_wrong() {
        let bootstrap = Bootstrap { repetitions: 100, seed: 1 };
        let made = |attack: Option<&str>, score: f32| {
            let one = |i| Presentation { attack: attack.map(str::to_owned), subject: i % 8, score: Some(score) };
            (0u32..192).map(one).collect::<Vec<_>>()
        };
        let mut all = made(None, 0.9);
        all.extend(made(Some("print"), 0.1));
        let mut rates = pad(&all, 8, 0.5, bootstrap);
        rates.frames = Some(pad_frames(&all, 8, 0.5, 3, 2, bootstrap));
        let text = pad_page(&PadDocument::new(EvaluationInputs::default(), bootstrap, rates.clone()));
        for part in [
            "<td>APCER, print</td><td>0 of 192</td><td>at most 1.55 %</td><td>0 of 8</td><td>at most 31.2 %</td>",
            "not resolved",
            "Giới hạn trên",
            "<td>3, minimum</td><td>print: 0 of 128 draws, 0 of 8 people</td>",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let terminal_text = pad_text(&rates, str::to_owned);
        assert!(
            terminal_text
                .contains("APCER not resolved (0 of 192; at most 1.55 % if presentations were independent, 31.2 % of")
        );
        assert!(terminal_text.contains("3 captures, minimum: BPCER 0 of 128 draws"), "{terminal_text}");
    }
}
