//! Renders plots as SVG: axes, lines, bands and areas. `maud` builds the elements and escapes all
//! text.

use std::borrow::Cow;

use maud::{Markup, Render, html};

/// Size in user units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 440.0;
/// Room for labels.
const LEFT: f64 = 78.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 42.0;
const BOTTOM: f64 = 56.0;
/// Height of a line of the legend, width of an entry without its name, and an upper estimate of the
/// width of a letter.
const LEGEND_LINE: f64 = 20.0;
const LEGEND_ROOM: f64 = 42.0;
const LETTER: f64 = 6.6;

/// An axis with its tick marks.
pub(crate) struct PlotAxis {
    label: String,
    from: f64,
    to: f64,
    logarithmic: bool,
    marks: Vec<(f64, String)>,
}

impl PlotAxis {
    /// Even steps from `from` to `to`.
    pub fn linear(label: &str, from: f64, to: f64, step: f64) -> Self {
        let count = ((to - from) / step).round() as usize;
        let decimals = if step < 1.0 { 2 } else { 0 };
        let marks = (0..=count).map(|i| from + step * i as f64).map(|v| (v, format!("{v:.decimals$}"))).collect();
        Self { label: label.to_owned(), from, to, logarithmic: false, marks }
    }

    /// Powers of ten from `from` to `to`, both exponents.
    pub fn powers(label: &str, from: i32, to: i32) -> Self {
        let marks = (from..=to).map(|power| (10f64.powi(power), rate_text(power))).collect();
        let ends = [from, to].map(|power| 10f64.powi(power));
        Self { label: label.to_owned(), from: ends[0], to: ends[1], logarithmic: true, marks }
    }

    /// Counts, by powers of ten from `from` to `to`, both exponents.
    pub fn counts(label: &str, from: i32, to: i32) -> Self {
        let text = |power: i32| match power {
            -3..=0 => format!("{}", 10f64.powi(power)),
            1..=3 => format!("{}", 10u32.pow(power.unsigned_abs())),
            _ => format!("1e{power}"),
        };
        let marks = (from..=to).map(|power| (10f64.powi(power), text(power))).collect();
        Self { marks, ..Self::powers(label, from, to) }
    }

    /// Position along the axis, 0…1; values outside are clamped.
    fn share(&self, value: f64) -> f64 {
        let of = |v: f64| if self.logarithmic { v.max(f64::MIN_POSITIVE).ln() } else { v };
        ((of(value) - of(self.from)) / (of(self.to) - of(self.from))).clamp(0.0, 1.0)
    }
}

fn rate_text(power: i32) -> String {
    match power {
        0 => "100 %".to_owned(),
        -1 => "10 %".to_owned(),
        -2 => "1 %".to_owned(),
        -3 => "0.1 %".to_owned(),
        -4 => "0.01 %".to_owned(),
        _ => format!("1e{power}"),
    }
}

/// A plot as an SVG document; can be embedded in an HTML page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Svg(String);

impl Svg {
    /// The document.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Render for Svg {
    // Safe to embed unescaped: built by `Plot::finish` from markup only.
    fn render_to(&self, buffer: &mut String) {
        buffer.push_str(&self.0);
    }
}

/// A plot under construction.
pub(crate) struct Plot {
    x: PlotAxis,
    y: PlotAxis,
    body: Vec<Markup>,
    legend: Vec<(String, &'static str)>,
    title: String,
}

impl Plot {
    pub fn new(title: &str, x: PlotAxis, y: PlotAxis) -> Self {
        Self { x, y, body: Vec::new(), legend: Vec::new(), title: title.to_owned() }
    }

    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (LEFT + self.x.share(x) * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - self.y.share(y) * (HEIGHT - TOP - BOTTOM))
    }

    fn path(&self, points: impl Iterator<Item = (f64, f64)>) -> String {
        let places = points.map(|(x, y)| self.at(x, y));
        places.map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
    }

    /// Adds a line through points, with an entry in the legend.
    pub fn line(&mut self, name: &str, colour: &'static str, points: &[(f64, f64)]) {
        let path = self.path(points.iter().copied());
        self.body.push(html! { polyline points=(path) fill="none" stroke=(colour) stroke-width="2" {} });
        self.legend.push((name.to_owned(), colour));
    }

    /// Adds a band between lower and upper ends.
    pub fn band(&mut self, name: &str, colour: &'static str, ends: &[(f64, f64, f64)]) {
        let lower_ends = ends.iter().map(|(x, low, _)| (*x, *low));
        let path = self.path(lower_ends.chain(ends.iter().rev().map(|(x, _, high)| (*x, *high))));
        self.body.push(html! { polygon points=(path) fill=(colour) fill-opacity="0.2" stroke="none" {} });
        self.legend.push((name.to_owned(), colour));
    }

    /// Adds an area from the bottom up to points.
    pub fn area(&mut self, name: &str, colour: &'static str, points: &[(f64, f64)]) {
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
        let floor = self.y.from;
        let closed = [(first.0, floor)].into_iter().chain(points.iter().copied()).chain([(last.0, floor)]);
        let path = self.path(closed);
        self.body.push(html! { polygon points=(path) fill=(colour) fill-opacity="0.35" stroke=(colour) {} });
        self.legend.push((name.to_owned(), colour));
    }

    /// Renders the plot.
    pub fn finish(self) -> Svg {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let (legend, legend_height) = legend(&self.legend);
        let height = HEIGHT + legend_height;
        let title = printable(&self.title);
        let columns = self.x.marks.iter().map(|(value, text)| (tenths(self.at(*value, self.y.from).0), text));
        let rows = self.y.marks.iter().map(|(value, text)| (self.at(self.x.from, *value).1, text));
        let turned = format!("translate(18 {:.1}) rotate(-90)", (TOP + bottom) / 2.0);
        let document = html! {
            svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (WIDTH) " " (height) } font-family="sans-serif"
                font-size="12" fill="#222" role="img" {
                "\n" title { (title) }
                "\n" rect width=(WIDTH) height=(height) fill="#fff" {}
                "\n" text x=(LEFT) y="24" font-size="15" { (title) }
                @for (x, text) in columns {
                    "\n" line x1=(x) y1=(TOP) x2=(x) y2=(bottom) stroke="#ddd" {}
                    text x=(x) y=(tenths(bottom + 18.0)) text-anchor="middle" { (printable(text)) }
                }
                @for (y, text) in rows {
                    "\n" line x1=(LEFT) y1=(tenths(y)) x2=(right) y2=(tenths(y)) stroke="#ddd" {}
                    text x=(tenths(LEFT - 8.0)) y=(tenths(y + 4.0)) text-anchor="end" { (printable(text)) }
                }
                @for element in &self.body { "\n" (element) }
                "\n" rect x=(LEFT) y=(TOP) width=(tenths(right - LEFT)) height=(tenths(bottom - TOP)) fill="none"
                    stroke="#666" {}
                (legend)
                "\n" text x=(tenths((LEFT + right) / 2.0)) y=(tenths(HEIGHT - 14.0)) text-anchor="middle" {
                    (printable(&self.x.label))
                }
                "\n" text transform=(turned) text-anchor="middle" { (printable(&self.y.label)) }
                "\n"
            }
            "\n"
        };
        Svg(document.into_string())
    }
}

/// The legend below the plot, and its height.
fn legend(entries: &[(String, &'static str)]) -> (Markup, f64) {
    let (mut x, mut y) = (LEFT, HEIGHT + LEGEND_LINE / 2.0);
    let mut placed = Vec::new();
    for (name, colour) in entries {
        let width = LEGEND_ROOM + LETTER * name.chars().count() as f64;
        if x > LEFT && x + width > WIDTH - RIGHT {
            (x, y) = (LEFT, y + LEGEND_LINE);
        }
        placed.push((x, y, name, colour));
        x += width;
    }
    let legend = html! {
        @for (x, y, name, colour) in placed {
            "\n" rect x=(tenths(x)) y=(tenths(y - 9.0)) width="14" height="10" fill=(colour) fill-opacity="0.6" {}
            text x=(tenths(x + 20.0)) y=(tenths(y)) { (printable(name)) }
        }
    };
    (legend, if entries.is_empty() { 0.0 } else { y - HEIGHT + LEGEND_LINE / 2.0 })
}

/// A coordinate, rounded to tenths.
fn tenths(value: f64) -> String {
    format!("{value:.1}")
}

/// Text with control characters replaced by spaces; most of them are not allowed in XML.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        return text.replace(char::is_control, " ").into();
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legend_goes_on_in_the_next_line_where_it_is_full() {
        let height = |letters: usize, count: usize| legend(&vec![("a".repeat(letters), "#b00"); count]).1;
        assert_eq!([0, 1, 2, 3, 5].map(|count| height(40, count)), [0.0, 20.0, 20.0, 40.0, 60.0]);
        assert_eq!(height(2, 5), 20.0);
    }

    #[test]
    fn names_cannot_break_out_of_the_plot() {
        let mut plot = Plot::new("a<b", PlotAxis::linear("x & y", 0.0, 1.0, 0.5), PlotAxis::powers("rate", -3, 0));
        plot.line("\"</svg>\u{1}<script>", "#b00", &[(0.0, 1e-3), (2.0, 5.0)]);
        let text = plot.finish();
        let text = text.as_str();
        assert!(
            !text.contains("<script") && text.contains("&lt;/svg&gt; &lt;script&gt;") && text.contains("x &amp; y")
        );
        // One short name takes one line below the frame.
        assert!(text.contains("viewBox=\"0 0 720 460\""), "{text}");
        // Both ends of the line are at opposite corners of the frame, not beyond them.
        assert!(text.contains("78.0,384.0 702.0,42.0"), "{text}");
    }
}
