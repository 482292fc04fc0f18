//! The audit as one page that an investigator reads from top to bottom and prints.
//!
//! Self-contained: no script, no address, nothing loaded; it opens offline and from a
//! read-only folder. Rings lie in blocks of a hundred of which the first is open, and
//! what a browser does not show it does not lay out, so ten thousand rings are no
//! burden. What is open is what prints. Size is bounded ([`RINGS_BYTES_MAX`] and a few
//! other sections of fixed size); the CSV files have everything.

mod bilingual;
mod changes;
mod cleared;
mod rings;
mod run;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use maud::{DOCTYPE, Markup, PreEscaped, html};

use self::bilingual::{STYLE, Words, both, estimate, kind_of_pair, pairs_text, unit, verdict, words};
use self::changes::changes;
use self::cleared::cleared;
use self::rings::{bridges, rings};
use self::run::run;
use super::chance::{Band, ChanceVerdict, Estimate};
use super::results::{Capture, Results, ThresholdAsked};
use crate::evaluation::{Plot, PlotAxis, Svg, grouped, percent, printable};
use crate::matching::POOLED;

/// Most bytes of rings on the page, photos included: with the rest, less than 20 MB.
const RINGS_BYTES_MAX: usize = 17_000_000;
const OBSERVED: &str = "#2166ac";
const CHANCE: &str = "#b2182b";
/// Bars narrower than this share of the axis would be invisible: the axis has at least
/// this many units of score.
const AXIS_MIN: f64 = 0.1;

/// The photo of a capture as a small JPEG, where it is at hand. Asked for one by one, as the
/// page is written.
pub type Thumbnail<'a> = &'a dyn Fn(&Capture) -> Option<Vec<u8>>;

impl Results {
    /// Writes `index.html`, with photos where `thumbnail` is given.
    ///
    /// # Errors
    /// What writing gives.
    pub fn write_page(&self, mut out: impl Write, thumbnail: Option<Thumbnail<'_>>) -> io::Result<()> {
        out.write_all(self.page(thumbnail).into_string().as_bytes())?;
        out.flush()
    }

    fn page(&self, thumbnail: Option<Thumbnail<'_>>) -> Markup {
        html! {
            (DOCTYPE) "\n"
            html lang="vi" {
                head {
                    meta charset="utf-8";
                    "\n" meta http-equiv="Content-Security-Policy"
                        content="default-src 'none'; style-src 'unsafe-inline'; img-src data:";
                    "\n" title { "Kiểm tra toàn bộ kho khuôn mặt · Audit of the gallery" }
                    // A constant: quotation marks in it must stay.
                    "\n" style { (PreEscaped(STYLE)) }
                }
                body {
                    "\n" input.lang type="radio" name="lang" id="en"; label.lang for="en" { "English" }
                    "\n" input.lang type="radio" name="lang" id="vi" checked; label.lang for="vi" { "Tiếng Việt" }
                    "\n" main {
                        "\n" h1 { (both("Kiểm tra toàn bộ kho khuôn mặt", "Audit of the whole gallery")) }
                        (self.headline())
                        (run(self))
                        (changes(self))
                        (self.what_was_compared())
                        (self.left_out())
                        (self.chance())
                        (rings(self, thumbnail))
                        (bridges(self))
                        (cleared(self))
                        (how_to_read())
                        "\n"
                    }
                }
            }
            "\n"
        }
    }

    fn headline(&self) -> Markup {
        let summary = &self.summary;
        let verdict_of = summary.explained.map(|explained| explained.verdict);
        let calm =
            matches!(verdict_of, Some(ChanceVerdict::NothingFound | ChanceVerdict::Little | ChanceVerdict::Partly));
        let class = if calm { "headline" } else { "headline warn" };
        let [rings, links, members] = [summary.rings, summary.links, summary.ring_members].map(grouped);
        let (vi, en) = match (summary.pairs, summary.chance) {
            (0, _) => (String::new(), String::new()),
            (pairs, expected) => {
                let pairs = grouped(pairs);
                let (by_vi, by_en) = match expected {
                    Some(expected) => (
                        format!(" Riêng ngẫu nhiên được dự tính cho khoảng {} cặp mẫu.", estimate(expected)),
                        format!(" Chance alone is expected to give about {} template pairs.", estimate(expected)),
                    ),
                    None => Default::default(),
                };
                (
                    format!("Tìm thấy {links} cặp hồ sơ ({pairs} cặp mẫu); {members} hồ sơ thuộc {rings} nhóm.{by_vi}"),
                    format!(
                        "{links} pairs of records ({pairs} template pairs); {members} records in {rings} rings.{by_en}"
                    ),
                )
            }
        };
        html! { "\n" p class=(class) { b { (verdict(verdict_of)) } " " (both(&vi, &en)) } }
    }

    fn what_was_compared(&self) -> Markup {
        let compared = &self.summary.compared;
        let asked = match compared.asked {
            ThresholdAsked::Fmr(fmr) => {
                both(&format!("FMR {fmr:e} theo hiệu chuẩn"), &format!("FMR {fmr:e} by the calibration"))
            }
            ThresholdAsked::ExpectChance(pairs) => {
                both(&format!("dự tính {pairs} cặp do ngẫu nhiên"), &format!("{pairs} pairs expected by chance"))
            }
            ThresholdAsked::Score(_) => both("điểm do người kiểm tra chọn", "a score the auditor chose"),
        };
        let fmr = self.summary.fmr.map_or_else(|| "–".to_owned(), |fmr| format!("{fmr:.1e}"));
        let mut rows = vec![(words("dữ liệu", "data"), text(&compared.source))];
        let mut optional = |label: Words, value: &Option<String>| {
            if let Some(value) = value {
                rows.push((label, text(value)));
            }
        };
        optional(words("so với kho", "against"), &compared.against);
        optional(words("chỉ những gì mới từ lần kiểm tra", "only what is new since the audit"), &compared.since);
        optional(words("công thức tạo mẫu", "recipe"), &compared.recipe);
        if !compared.filters.is_empty() {
            rows.push((words("bộ lọc", "filters"), text(&compared.filters.join("; "))));
        }
        rows.extend([
            (words("hồ sơ", "records"), text(&grouped(compared.subjects))),
            (words("mẫu khuôn mặt", "templates"), text(&grouped(compared.templates))),
            (
                words("cặp mẫu của hai hồ sơ khác nhau đã so", "template pairs of different records, all decided"),
                text(&grouped(compared.comparisons)),
            ),
            (words("ngưỡng (điểm)", "threshold (score)"), html! { (compared.threshold) " – " (asked) }),
            (words("FMR tại ngưỡng", "FMR at the threshold"), text(&fmr)),
            (words("tỷ lệ đó là của", "whose rate that is"), self.whose_rate()),
            (
                words(
                    "cặp đã được cán bộ xác nhận là hai người (liệt kê riêng)",
                    "pairs an officer has cleared as two people (listed apart)",
                ),
                text(&grouped(compared.cleared)),
            ),
        ]);
        html! { (heading(words("Đã so sánh những gì", "What was compared"))) (facts(&rows)) }
    }

    /// Whose false match rate the page states.
    fn whose_rate(&self) -> Markup {
        match &self.summary.calibration {
            Some(curve) if curve.group == POOLED => both(
                "mọi người trong tập hiệu chuẩn; có nhóm người có tỷ lệ cao hơn",
                "everybody whom the model pack was calibrated on; for some groups it is higher",
            ),
            Some(curve) => {
                let group = &curve.group;
                both(
                    &format!("nhóm người có tỷ lệ cao nhất trong tập hiệu chuẩn: {group}"),
                    &format!("the group with the highest rate that the model pack was calibrated on: {group}"),
                )
            }
            None => both("chính kho dữ liệu này, không theo hiệu chuẩn", "this gallery's own, not by the calibration"),
        }
    }

    fn left_out(&self) -> Markup {
        html! {
            (heading(words("Những gì không được so sánh", "What was left out")))
            @if self.summary.compared.left_out.is_empty() {
                "\n" p { (both("Không có gì bị bỏ qua.", "Nothing was left out.")) }
            } @else {
                "\n" table.facts {
                    @for line in &self.summary.compared.left_out {
                        "\n" tr { td { (both(&line.vi, &line.en)) } td { (grouped(line.count)) " " (unit(line.unit)) } }
                    }
                }
            }
        }
    }

    fn chance(&self) -> Markup {
        let summary = &self.summary;
        let said = |estimated: Option<Estimate>| match estimated {
            None => text("–"),
            Some(estimated) => html! {
                (estimate(estimated))
                @if estimated.extrapolated {
                    " – " (both("ngoại suy từ đuôi phân bố", "extrapolated by a fitted tail"))
                }
            },
        };
        let mut rows = vec![(words("cặp mẫu tìm thấy", "template pairs found"), text(&grouped(summary.pairs)))];
        if summary.sampled.is_empty() {
            let why = summary.chance_not_own.as_deref().unwrap_or_default();
            rows.push((
                words("dự tính từ chính kho này", "expected, from this gallery's own records"),
                text(&format!("– {why}")),
            ));
        } else {
            rows.push((
                words(
                    "dự tính từ chính kho này (khoảng 95 %)",
                    "expected, from this gallery's own records (95 % interval)",
                ),
                said(summary.chance),
            ));
        }
        rows.push((
            words(
                "dự tính theo hiệu chuẩn của mô hình (khoảng 95 %)",
                "expected, by the model pack's calibration (95 % interval)",
            ),
            said(summary.chance_by_calibration),
        ));
        if let Some(explained) = summary.explained.filter(|_| summary.pairs > 0) {
            let ends = [explained.share, explained.low, explained.high].map(|share| percent(Some(share)));
            rows.push((
                words("phần ngẫu nhiên giải thích được", "share that chance explains"),
                text(&format!("{} ({}–{})", ends[0], ends[1], ends[2])),
            ));
        }
        let sampled = summary.sampled.iter().map(|kind| {
            let which = kind_of_pair(kind.of);
            let [sampled, people, aside] = [kind.sampled, kind.people, kind.set_aside].map(grouped);
            let (from, expected) = (kind.set_aside_from, pairs_text(kind.expected));
            both(
                &format!(
                    "Mẫu khảo sát ({}): {sampled} cặp của {people} người; {aside} cặp có điểm từ {from:.3} trở lên bị gạt ra vì \
                      giống như của cùng một người; dự tính {expected} cặp.",
                    which.vi
                ),
                &format!(
                    "Sampled ({}): {sampled} pairs of {people} people; {aside} pairs at or above {from:.3} were set aside \
                      because they score as one person's do; {expected} expected.",
                    which.en
                ),
            )
        });
        let read = both(
            "Cột xanh: số cặp mẫu tìm thấy theo điểm. Đường đỏ: số cặp mà riêng ngẫu nhiên được dự tính cho. Nơi hai đường gần \
             nhau, phần lớn các cặp là ngẫu nhiên.",
            "Blue: template pairs found, by score. Red: what chance alone is expected to give. Where the two meet, most \
             pairs are chance.",
        );
        html! {
            (heading(words("Ngẫu nhiên cho bao nhiêu cặp?", "How many would chance give?")))
            (facts(&rows))
            @for kind in sampled { (note(&kind)) }
            @if let Some(plot) = self.plot() { "\n" (plot) (note(&read)) }
        }
    }

    /// Found beside expected, by band of scores.
    fn plot(&self) -> Option<Svg> {
        let bands = &self.bands[..self.bands.partition_point(|band| band.from < 0.995)];
        let most = bands.iter().map(|band| (band.found as f64).max(band.expected.unwrap_or(0.0))).fold(0.0, f64::max);
        let from = ((f64::from(bands.first()?.from) * 20.0).floor() / 20.0).min(1.0 - AXIS_MIN);
        let top = (most.max(1.0).log10().floor() as i32 + 1).max(1);
        let mut plot = Plot::new(
            "Số cặp tìm thấy và số cặp do ngẫu nhiên · Pairs found and expected by chance",
            PlotAxis::linear("điểm so khớp · comparison score", from, 1.0, 0.05),
            PlotAxis::counts("cặp mẫu trong mỗi 0,01 điểm · template pairs per 0.01", -2, top),
        );
        let steps = |value: &dyn Fn(&Band) -> f64| -> Vec<(f64, f64)> {
            let ends = |b: &Band| [(f64::from(b.from), value(b)), (f64::from(b.to), value(b))];
            bands.iter().flat_map(ends).collect()
        };
        plot.area("tìm thấy · found", OBSERVED, &steps(&|band| band.found as f64));
        let known: Vec<(&Band, Estimate)> =
            bands.iter().filter_map(|band| Some((band, band.expected_above?))).collect();
        if !known.is_empty() {
            // The interval of a band is that of the expectation at its lower end.
            let middle = |band: &Band| f64::from(band.from + band.to) / 2.0;
            let by = |end: f64, value: f64| if value > 0.0 { end / value } else { 1.0 };
            let ends: Vec<(f64, f64, f64)> = known
                .iter()
                .map(|(band, e)| {
                    let expected = band.expected.unwrap_or(0.0);
                    (middle(band), expected * by(e.low, e.value), expected * by(e.high, e.value))
                })
                .collect();
            let line: Vec<(f64, f64)> =
                known.iter().map(|(band, _)| (middle(band), band.expected.unwrap_or(0.0))).collect();
            plot.band("khoảng 95 % · 95 % interval", CHANCE, &ends);
            plot.line("do ngẫu nhiên · expected by chance", CHANCE, &line);
        }
        Some(plot.finish())
    }
}

/// A text that somebody else may have written.
fn text(text: &str) -> Markup {
    html! { (printable(text)) }
}

fn heading(text: Words) -> Markup {
    html! { "\n" h2 { (text) } }
}

/// A remark.
fn note(text: &Markup) -> Markup {
    html! { "\n" p.note { (text) } }
}

/// Labels and values.
fn facts(rows: &[(Words, Markup)]) -> Markup {
    html! {
        "\n" table.facts {
            @for (label, value) in rows { "\n" tr { td { (label) } td { (value) } } }
        }
    }
}

fn how_to_read() -> Markup {
    let lines = [
        words(
            "Hai hồ sơ có liên kết khi ít nhất một cặp mẫu khuôn mặt của họ đạt ngưỡng. Điểm cao chưa phải là kết luận: mỗi cặp cần được \
             cán bộ kiểm tra.",
            "Two records are linked where at least one pair of their templates reaches the threshold. A score is no verdict: each pair \
             is for an officer to look into.",
        ),
        words(
            "Ngẫu nhiên: trong các liên kết có bằng chứng tương tự, bao nhiêu phần là của người lạ. Bằng chứng của một liên kết là mức khó xảy ra \
             của những điểm cao như vậy trong ngần ấy cặp mẫu của hai người lạ; mỗi liên kết được tính một lần, dù hai hồ sơ có bao nhiêu \
             ảnh.",
            "Chance: of links with about the same evidence, the share that strangers give. The evidence of a link is how unlikely scores as \
             high are among as many template pairs of two strangers; each link counts once, however many captures its records have.",
        ),
        words(
            "Cặp mẫu: số cặp đạt ngưỡng / số cặp đã so của hai hồ sơ.",
            "Template pairs: those that reach the threshold / those of the two records that were compared.",
        ),
        words(
            "Liên kết chắc: trong các liên kết tương tự, ngẫu nhiên chiếm nhiều nhất một phần hai mươi, kể cả ở cận trên của ước lượng. Liên kết \
             ngờ: ở cận trên thì nhiều hơn, dù giá trị ước lượng có thể nhỏ.",
            "A strong link: of links like it, at most one in twenty is chance, also at the upper end of the estimate. A doubtful link: more at that \
             end, even where the estimate itself is small.",
        ),
        words(
            "Một liên kết ngờ duy nhất không nối hai nhóm, cũng không đưa thêm hồ sơ vào nhóm. Liên kết mà quá nửa số tương tự là ngẫu nhiên chỉ \
             nối hai hồ sơ không có liên kết nào khác. Những liên kết không nối nằm trong danh sách riêng.",
            "A single doubtful link joins no two groups, and takes no record into one. One of whose like more than half are chance joins only \
             two records that have no other link. What was not followed is listed.",
        ),
        words(
            "Bằng chứng của nhóm: theo lũy thừa của mười, mức khó xảy ra do ngẫu nhiên của liên kết yếu nhất mà nhóm không thể thiếu. Thêm hồ sơ \
             không làm nhóm đứng cao hơn nhóm chắc hơn.",
            "Evidence of a ring: by how many powers of ten chance is unlikely to have given the weakest link that it cannot do without. More \
             members do not raise it above a ring that is surer.",
        ),
        words(
            "Giữ được đến: nếu chỉ tính các liên kết trên điểm này thì nhóm tách ra.",
            "Holds to: with links above this score alone the ring would fall apart.",
        ),
        words(
            "Mã (P- của cặp hồ sơ, R- của nhóm) giữ nguyên khi kiểm tra lại; số thứ tự của nhóm là thứ hạng trong lần này.",
            "Ids (P- of pairs of records, R- of rings) stay the same when the audit is run again; the number of a ring is its rank in this run.",
        ),
        words(
            "FMR: tỷ lệ hai người khác nhau đạt điểm này, theo hiệu chuẩn của mô hình. Chất lượng ảnh: 0 đến 100.",
            "FMR: share of comparisons of different people that reach this score, by the model pack's calibration. Quality: 0 to 100.",
        ),
    ];
    html! {
        (heading(words("Cách đọc", "How to read this")))
        "\n" ul { @for line in lines { "\n" li { (line) } } }
    }
}
