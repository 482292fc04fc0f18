//! A presentation attack test as one page, in Vietnamese and English.

use super::pad::BONA_FIDE;
use super::page::{Page, grouped, left_out, percent, rate_cell};
use super::rates::Rate;
use super::report::PadDocument;

/// The page of a presentation attack test.
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
    // Types of which no presentation showed a face.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::pad::{Presentation, pad};
    use super::super::report::Inputs;
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
        let document = PadDocument::new(Inputs::default(), bootstrap, pad(&all, 50, 0.5, bootstrap));
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
    }
}
