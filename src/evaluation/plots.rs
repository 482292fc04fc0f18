//! The plots of an evaluation.

use super::histogram::{Histogram, edge};
use super::report::EvaluationReport;
use super::svg::{Plot, PlotAxis, Svg};
use super::view::ERRORS_MIN;

const GENUINE: &str = "#1b7837";
const IMPOSTOR: &str = "#b2182b";
const BAND: &str = "#2166ac";
const CURVES: [&str; 8] = ["#2166ac", "#b2182b", "#1b7837", "#762a83", "#e08214", "#4d4d4d", "#35978f", "#c51b7d"];
/// Bars of the score histograms, of 2⁻¹⁶ · 1024 each: 1/64 of a score.
const BAR_BINS: i32 = 1024;

/// Self-contained SVG documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plots {
    /// DET curve: FNMR against FMR, with its 95 % band.
    pub det: Svg,
    /// Score distributions.
    pub scores: Svg,
    /// FMR and FNMR against the threshold.
    pub threshold: Svg,
    /// FNMR against the share of photos discarded; `None` without measures.
    pub discard: Option<Svg>,
}

/// Draws the plots of a report.
pub fn plots(report: &EvaluationReport) -> Plots {
    Plots {
        det: det(report),
        scores: scores(&report.scores),
        threshold: threshold(&report.scores),
        discard: discard(report),
    }
}

/// Exponent of the largest power of ten below all values, at least `least` and below 0.
fn power_below(values: impl Iterator<Item = f64>, least: i32) -> i32 {
    let lowest = values.filter(|v| *v > 0.0).fold(1.0, f64::min);
    (lowest.log10().floor() as i32).clamp(least, -1)
}

fn det(report: &EvaluationReport) -> Svg {
    let least = report.det.last().map_or(-4, |p| p.fmr.log10().floor() as i32);
    let mut plot = Plot::new(
        "DET: false non-matches against false matches",
        PlotAxis::powers("false match rate (FMR)", least.max(-9), -1),
        PlotAxis::powers(
            "false non-match rate (FNMR)",
            power_below(report.det.iter().map(|p| p.low.unwrap_or(p.fnmr)), -4),
            0,
        ),
    );
    let band: Vec<(f64, f64, f64)> = report.det.iter().filter_map(|p| Some((p.fmr, p.low?, p.high?))).collect();
    plot.band("95 % interval, over people", BAND, &band);
    plot.line("FNMR", BAND, &report.det.iter().map(|p| (p.fmr, p.fnmr)).collect::<Vec<_>>());
    plot.finish()
}

fn scores([genuine, impostor]: &[Histogram; 2]) -> Svg {
    let bars = |histogram: &Histogram| {
        let mut bars = vec![0u64; 128];
        for (bin, count) in histogram.bins() {
            bars[(bin.div_euclid(BAR_BINS) + 64).clamp(0, 127) as usize] += count;
        }
        let whole = histogram.count().max(1) as f64;
        let at = |i: usize| f64::from(edge((i as i32 - 64) * BAR_BINS));
        bars.into_iter()
            .enumerate()
            .flat_map(|(i, count)| [(at(i), count as f64 / whole), (at(i + 1), count as f64 / whole)])
            .filter(|(score, _)| (-0.5..=1.0).contains(score))
            .collect::<Vec<_>>()
    };
    let (genuine, impostor) = (bars(genuine), bars(impostor));
    let most = genuine.iter().chain(&impostor).map(|(_, share)| *share).fold(0.0, f64::max);
    let top = if most > 0.2 { 1.0 } else { 0.2 };
    let mut plot = Plot::new(
        "How often which score comes up",
        PlotAxis::linear("comparison score", -0.5, 1.0, 0.25),
        PlotAxis::linear("share of comparisons", 0.0, top, top / 4.0),
    );
    plot.area("different people", IMPOSTOR, &impostor);
    plot.area("the same person", GENUINE, &genuine);
    plot.finish()
}

fn threshold([genuine, impostor]: &[Histogram; 2]) -> Svg {
    let grid = (-128..=256).map(|step| step * BAR_BINS / 4);
    let resolved = |at: i32, errors: u64, of: &Histogram| {
        (errors >= ERRORS_MIN).then(|| (f64::from(edge(at)), errors as f64 / of.count() as f64))
    };
    let fmr: Vec<_> = grid.clone().filter_map(|at| resolved(at, impostor.at_or_above(at), impostor)).collect();
    let fnmr: Vec<_> = grid.filter_map(|at| resolved(at, genuine.count() - genuine.at_or_above(at), genuine)).collect();
    let mut plot = Plot::new(
        "Error rates against the threshold, where 30 errors support them",
        PlotAxis::linear("threshold", -0.5, 1.0, 0.25),
        PlotAxis::powers("error rate", power_below(fmr.iter().chain(&fnmr).map(|(_, rate)| *rate), -9), 0),
    );
    plot.line("FMR: different people match", IMPOSTOR, &fmr);
    plot.line("FNMR: the same person does not", GENUINE, &fnmr);
    plot.finish()
}

fn discard(report: &EvaluationReport) -> Option<Svg> {
    let first = report.discard.first()?;
    let none = first.fnmr.rate?;
    let curves: Vec<Vec<(f64, f64)>> = report
        .discard
        .iter()
        .map(|curve| {
            let left = curve.points.iter().filter_map(|p| Some((p.discarded * 100.0, p.fnmr.rate?)));
            std::iter::once((0.0, none)).chain(left).collect()
        })
        .collect();
    let mut plot = Plot::new(
        "FNMR left when the photos with the lowest values are discarded",
        PlotAxis::linear("photos discarded, %", 0.0, 20.0, 5.0),
        PlotAxis::powers(
            "FNMR at the threshold fixed over all photos",
            power_below(curves.iter().flatten().map(|(_, rate)| *rate), -4),
            0,
        ),
    );
    for ((curve, points), colour) in report.discard.iter().zip(&curves).zip(CURVES.iter().cycle()) {
        plot.line(&curve.measure, colour, points);
    }
    Some(plot.finish())
}
