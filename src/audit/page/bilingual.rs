//! What the page says, in Vietnamese and in English, and its style.

use maud::{Markup, Render, html};

use crate::audit::chance::{ChanceVerdict, Estimate, KindOfPair};
use crate::audit::left_out::LeftOutUnit;
use crate::audit::measure::PairOutcome;
use crate::audit::results::LinkKind;
use crate::evaluation::{grouped, printable};
use crate::matching::FMR_FLOOR;

/// One text in both languages; the page shows the one chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    pub vi: &'static str,
    pub en: &'static str,
}

pub(super) const fn words(vi: &'static str, en: &'static str) -> Words {
    Words { vi, en }
}

impl Render for Words {
    fn render(&self) -> Markup {
        both(self.vi, self.en)
    }
}

/// Two texts of which the page shows one.
pub(super) fn both(vi: &str, en: &str) -> Markup {
    html! { span lang="vi" { (printable(vi)) } span lang="en" { (printable(en)) } }
}

/// The texts of repeated parts come from the style, once for ten thousand rings. Which
/// language is shown is a radio button and two rules: no script.
pub(super) const STYLE: &str = "\
body{font:15px/1.5 sans-serif;color:#222;max-width:72rem;margin:1.5rem auto;padding:0 1rem}\
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #ccc}\
.lang{float:right}#vi:checked~main [lang=en],#en:checked~main [lang=vi]{display:none}\
.headline{font-size:1.15rem;background:#f1f6fb;border-left:5px solid #2166ac;padding:.8rem 1rem}\
.warn{background:#fdf1ef;border-color:#b2182b}.note{color:#555;font-size:.9rem}\
table{border-collapse:collapse;width:100%;font-size:.88rem}svg{width:100%;height:auto}\
th,td{text-align:left;padding:.2rem .5rem;border-bottom:1px solid #ddd;vertical-align:top;overflow-wrap:anywhere}\
.facts td:first-child{width:45%;color:#444}td.s{font-variant-numeric:tabular-nums;white-space:nowrap}\
details{margin:.6rem 0}summary{cursor:pointer;font-weight:bold}\
tbody{content-visibility:auto}.h{break-after:avoid}.h th{background:#eef2f6;padding-top:.5rem}\
.d td{color:#8a5a00}.m td{color:#444}img{height:6rem;margin:.2rem;border:1px solid #ccc}\
.h i{font-style:normal;font-weight:normal;margin-left:.9rem}\
.n::before{content:\"Nhóm \"}#en:checked~main .n::before{content:\"Ring \"}\
.c::after{content:\" hồ sơ\"}#en:checked~main .c::after{content:\" records\"}\
.k::after{content:\" liên kết\"}#en:checked~main .k::after{content:\" links\"}\
.b::before{content:\"cao nhất \"}#en:checked~main .b::before{content:\"best \"}\
.w::before{content:\"yếu nhất \"}#en:checked~main .w::before{content:\"weakest \"}\
.o::before{content:\"giữ được đến \"}#en:checked~main .o::before{content:\"holds to \"}\
.e::before{content:\"bằng chứng \"}#en:checked~main .e::before{content:\"evidence \"}\
@media print{body{margin:0;max-width:none;font-size:11px}.lang{display:none}h2{break-after:avoid}\
details:not([open]){display:none}thead{display:table-header-group}tr{break-inside:avoid}}";

pub(super) fn verdict(verdict: Option<ChanceVerdict>) -> Words {
    match verdict {
        None => words(
            "Không ước lượng được số cặp do ngẫu nhiên: kho quá nhỏ và không có hiệu chuẩn.",
            "How many pairs chance gives is not known: the gallery is too small and there is no calibration.",
        ),
        Some(ChanceVerdict::NothingFound) => {
            words("Không có cặp hồ sơ nào đạt ngưỡng.", "No pair of records reaches the threshold.")
        }
        Some(ChanceVerdict::Little) => words(
            "Ngẫu nhiên chỉ giải thích được một phần nhỏ các cặp tìm thấy.",
            "Chance explains little of what was found.",
        ),
        Some(ChanceVerdict::Partly) => {
            words("Ngẫu nhiên giải thích được một phần các cặp tìm thấy.", "Chance explains part of what was found.")
        }
        Some(ChanceVerdict::PerhapsMostly) => words(
            "Có thể phần lớn các cặp tìm thấy chỉ là ngẫu nhiên: khoảng ước lượng không loại trừ điều đó.",
            "Chance may explain most of what was found: the interval does not rule it out.",
        ),
        Some(ChanceVerdict::Mostly) => words(
            "Phần lớn các cặp tìm thấy chỉ là ngẫu nhiên: người khác nhau nhưng giống nhau. Hãy kiểm tra lại với FMR thấp hơn.",
            "Chance explains most of what was found: different people who look alike. Audit again with a lower FMR.",
        ),
    }
}

pub(super) fn unit(unit: LeftOutUnit) -> Words {
    match unit {
        LeftOutUnit::Photos => words("ảnh", "photos"),
        LeftOutUnit::Templates => words("mẫu khuôn mặt", "templates"),
        LeftOutUnit::Subjects => words("hồ sơ", "records"),
        LeftOutUnit::Pairs => words("cặp hồ sơ", "pairs of records"),
    }
}

pub(super) fn kind_of_pair(kind: KindOfPair) -> Words {
    match kind {
        KindOfPair::Any => words("mọi cặp", "all pairs"),
        KindOfPair::Alike => words("cùng giới tính và nhóm tuổi, nơi biết được", "same sex and age group, where known"),
        KindOfPair::Unlike => words("các cặp còn lại", "other pairs"),
    }
}

pub(super) fn link_kind(kind: LinkKind) -> Words {
    match kind {
        LinkKind::Strong => words("chắc", "strong"),
        LinkKind::Doubtful => words("ngờ", "doubtful"),
        LinkKind::Bridge => words("không nối", "not followed"),
    }
}

pub(super) fn outcome(outcome: PairOutcome) -> Words {
    match outcome {
        PairOutcome::Fraud => words("gian lận", "fraud"),
        PairOutcome::Twins => {
            words("hai người giống nhau (sinh đôi, anh chị em)", "two people alike (twins, siblings)")
        }
        PairOutcome::SamePerson => words("một người, đăng ký hai lần", "one person enrolled twice"),
        PairOutcome::CaptureError => words("lỗi chụp ảnh", "capture error"),
        PairOutcome::UnrelatedLookAlikes => {
            words("hai người giống nhau, không họ hàng", "two people alike, not related")
        }
        PairOutcome::Undecided => words("đã xem, chưa kết luận", "looked into, undecided"),
    }
}

/// A number of pairs as a person writes it.
pub(super) fn pairs_text(pairs: f64) -> String {
    match pairs {
        p if p >= 9.95 => grouped(p.round() as u64),
        p if p >= 0.0995 => format!("{p:.1}"),
        p if p >= 0.000_995 => format!("{p:.4}").trim_end_matches('0').to_owned(),
        p => format!("{p:.0e}"),
    }
}

/// A false match rate as a person reads it; no curve says less than one in 10¹².
pub(super) fn rate_text(fmr: Option<f64>) -> String {
    match fmr {
        None => "–".to_owned(),
        Some(fmr) if fmr <= FMR_FLOOR => format!("≤{FMR_FLOOR:.0e}"),
        Some(fmr) => format!("{fmr:.0e}"),
    }
}

/// A number of pairs with its interval.
pub(super) fn estimate(estimate: Estimate) -> String {
    let Estimate { value, low, high, .. } = estimate;
    format!("{} ({}–{})", pairs_text(value), pairs_text(low), pairs_text(high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_pairs_read_as_people_write_them() {
        for (pairs, text) in
            [(12_345.6, "12\u{202f}346"), (9.96, "10"), (1.23, "1.2"), (0.012, "0.012"), (1.2e-7, "1e-7"), (0.0, "0e0")]
        {
            assert_eq!(pairs_text(pairs), text);
        }
    }

    #[test]
    fn the_style_cannot_end_the_element_it_stands_in() {
        assert!(!STYLE.contains('<') && !STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
