//! The HTML page builder of the reports, and the formatting of numbers in them.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::rates::Rate;
use super::svg::{Svg, printable};

const STYLE: &str = "body{font:16px/1.5 sans-serif;color:#222;max-width:58rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #ccc}\
.vi{color:#555;font-weight:normal}table{border-collapse:collapse;width:100%;font-size:.9rem}\
th,td{text-align:right;padding:.25rem .6rem;border-bottom:1px solid #ddd}th:first-child,td:first-child{text-align:left}\
.headline{font-size:1.15rem;background:#f1f6fb;border-left:5px solid #2166ac;padding:.8rem 1rem}\
.no{color:#888;font-style:italic}svg{width:100%;height:auto}p.note{color:#555;font-size:.9rem}\
@media print{body{margin:0}h2{page-break-after:avoid}}";

/// An HTML page under construction.
pub(super) struct Page {
    english: &'static str,
    vietnamese: &'static str,
    elements: Vec<Markup>,
}

impl Page {
    pub fn new(english: &'static str, vietnamese: &'static str) -> Self {
        Self { english, vietnamese, elements: Vec::new() }
    }

    pub fn heading(&mut self, english: &str, vietnamese: &str) {
        let (english, vietnamese) = (printable(english), printable(vietnamese));
        self.elements.push(html! { h2 { (english) " " span.vi lang="vi" { "· " (vietnamese) } } });
    }

    pub fn headline(&mut self, text: &str) {
        self.elements.push(html! { p.headline { (printable(text)) } });
    }

    pub fn paragraph(&mut self, text: &str) {
        self.elements.push(html! { p { (printable(text)) } });
    }

    pub fn note(&mut self, text: &str) {
        self.elements.push(html! { p.note { (printable(text)) } });
    }

    pub fn svg(&mut self, svg: &Svg) {
        self.elements.push(html! { (svg) });
    }

    pub fn table<const N: usize>(&mut self, head: &[&str; N], rows: &[[String; N]]) {
        self.elements.push(html! {
            table {
                tr { @for cell in head { th { (cell) } } }
                @for row in rows {
                    "\n" tr { @for cell in row { td { (printable(cell)) } } }
                }
            }
        });
    }

    pub fn finish(self) -> String {
        let Self { english, vietnamese, elements } = self;
        let page = html! {
            (DOCTYPE) "\n"
            html lang="en" {
                head {
                    meta charset="utf-8";
                    title { (english) }
                    // The style is a constant; it must not be escaped.
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    "\n" h1 { (english) " " span.vi lang="vi" { (vietnamese) } }
                    @for element in &elements { "\n" (element) }
                    "\n"
                }
            }
            "\n"
        };
        page.into_string()
    }
}

pub(super) fn rate_cell(rate: &Rate) -> String {
    match &rate.not_resolved {
        Some(why) => why.clone(),
        None => with_interval(rate.rate, rate.low, rate.high),
    }
}

pub(super) fn with_interval(rate: Option<f64>, low: Option<f64>, high: Option<f64>) -> String {
    match (rate, low, high) {
        (None, ..) => "not resolved".to_owned(),
        (Some(_), Some(_), Some(_)) => format!("{} ({}–{})", percent(rate), percent(low), percent(high)),
        (Some(_), ..) => percent(rate),
    }
}

/// A share in percent, with more digits for smaller values.
pub(crate) fn percent(share: Option<f64>) -> String {
    match share.map(|s| s * 100.0) {
        None => "–".to_owned(),
        Some(0.0) => "0 %".to_owned(),
        Some(p) if p.abs() < 0.01 => format!("{p:.1e} %"),
        Some(p) if p.abs() < 10.0 => format!("{p:.2} %"),
        Some(p) => format!("{p:.1} %"),
    }
}

pub(super) fn scientific(rate: f64) -> String {
    format!("{rate:.0e}")
}

/// A number with its digits in groups of three.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(grouped(3_112_500), "3\u{202f}112\u{202f}500");
        assert_eq!((grouped(12), percent(Some(0.0195)), percent(None)), ("12".into(), "1.95 %".into(), "–".into()));
    }
}
