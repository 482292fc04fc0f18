//! Open-set identification test: FPIR and FNIR of 1:N searches, and their projection to larger
//! galleries.
//!
//! An *open-set* test (ISO/IEC 19795-1): half of the people are enrolled with one photo each; the
//! other photos of those are *mated* searches, the photos of the other half *non-mated* ones. FPIR
//! is the share of non-mated searches that find anybody, FNIR the share of mated searches that do
//! not find their own. Several random splits are made, so that each person is enrolled in some and
//! not in others; errors of one photo in several splits count once for the rule of 30.

use rayon::prelude::*;
use serde::Serialize;

use super::histogram::{bin, edge};
use super::pairs::ScoredComparison;
use super::rates::{Rate, too_few};
use super::set::PhotoSet;
use super::view::{Bootstrap, ComparisonView, ERRORS_MIN, NOBODY, Totals, interval};
use crate::matching::{Curve, Dot};
use crate::random::SplitMix;

/// FPIRs that FNIR is reported at.
const FPIRS: [f64; 4] = [0.1, 0.03, 0.01, 0.001];
/// Number of random splits.
const SPLITS: u64 = 10;
/// Most people enrolled per split.
const GALLERY_MAX: usize = 10_000;
/// Most mated and most non-mated searches per split.
const SEARCHES_MAX: usize = 5_000;
/// FPIR of projections.
pub(super) const PROJECTED_FPIR: f64 = 0.01;

/// The open-set test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpenSet {
    /// People enrolled, one photo each.
    pub gallery: usize,
    /// Number of random splits.
    pub splits: u64,
    /// Mated searches (the person is enrolled), over all splits.
    pub mated_searches: u64,
    /// Non-mated searches (the person is not enrolled), over all splits.
    pub non_mated_searches: u64,
    /// Rank-1 identification rate: share of mated searches whose best candidate is the right
    /// person.
    pub rank_one: Option<f64>,
    /// Lower end of its 95 % interval.
    pub rank_one_low: Option<f64>,
    /// Upper end.
    pub rank_one_high: Option<f64>,
    /// FNIR at FPIRs.
    pub fnir_at_fpir: Vec<FnirAtFpir>,
}

/// FNIR at an FPIR.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FnirAtFpir {
    /// FPIR: share of non-mated searches that return anybody.
    pub fpir: f64,
    /// The lowest threshold with at most this FPIR; `None` if it rests on too few errors.
    pub threshold: Option<f32>,
    /// Non-mated photos whose search returns anybody.
    pub false_positives: u64,
    /// FNIR: share of mated searches that do not return the person.
    pub fnir: Rate,
    /// Why there is no rate.
    pub not_resolved: Option<String>,
}

/// Expected error rates with a larger gallery.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GalleryProjection {
    /// Source of the threshold: `these comparisons`, or the calibration's curve, `pooled` or the
    /// name of its worst group.
    pub curve: String,
    /// Size of the gallery: templates, one per person.
    pub gallery: u64,
    /// FPIR asked for.
    pub fpir: f64,
    /// The FMR needed for it: 1 − (1 − FMR)ᴺ = FPIR.
    pub fmr: f64,
    /// The threshold for it, by that curve.
    pub threshold: f32,
    /// By how many powers of ten that FMR is below the lowest counted one; 0 if it is not
    /// extrapolated.
    pub decades_extrapolated: f64,
    /// Share of mated searches expected to miss.
    pub fnir: Option<f64>,
    /// Lower end of its 95 % interval, the threshold's uncertainty included.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Why there is no rate.
    pub not_resolved: Option<String>,
}

/// Result of one search.
struct OpenSetSearch {
    photo: u32,
    subject: u32,
    /// Score with the person's own enrolled photo; `None` for non-mated searches.
    mate: Option<f32>,
    /// Highest score with an enrolled photo of another person.
    other: f32,
}

/// Runs the test; `None` with fewer than four people, or if nobody has two photos.
pub fn open_set(set: &PhotoSet, bootstrap: Bootstrap) -> Option<OpenSet> {
    let splits: Vec<(usize, Vec<OpenSetSearch>)> = (0..SPLITS).filter_map(|n| split(set, bootstrap.seed, n)).collect();
    let gallery = splits.first()?.0;
    let searches: Vec<OpenSetSearch> = splits.into_iter().flat_map(|(_, searches)| searches).collect();
    let pair = |search: &OpenSetSearch, score, genuine| {
        let (subject_a, subject_b) = (search.subject, if genuine { search.subject } else { NOBODY });
        ScoredComparison { score, a: search.photo, b: search.photo, subject_a, subject_b, genuine }
    };
    let mated: Vec<ScoredComparison> = searches.iter().filter_map(|s| Some(pair(s, s.mate?, true))).collect();
    let others: Vec<ScoredComparison> =
        searches.iter().filter(|s| s.mate.is_none()).map(|s| pair(s, s.other, false)).collect();
    let totals = |pairs: &[ScoredComparison], more: &[ScoredComparison]| {
        Totals::counted(pairs.iter().chain(more).map(|p| (p.subject_a, p.subject_b, p.genuine)))
    };
    let view = ComparisonView::new(&mated, &others, totals(&mated, &others), set.subjects());
    let rates = view.counted();
    let repeated = view.repeat(bootstrap, |_, rates| FPIRS.map(|fpir| rates.fnmr_at(fpir)));

    let points = FPIRS.iter().enumerate().map(|(i, &fpir)| {
        let at = rates.threshold(fpir);
        let false_positives = at.map_or(0, |at| photos(others.iter().filter(|p| bin(p.score) >= at)));
        let resolved = at.filter(|_| false_positives >= ERRORS_MIN);
        let misses = resolved.map_or(0, |at| photos(mated.iter().filter(|p| bin(p.score) < at)));
        let ends = interval(repeated.iter().map(|row| row[i]));
        let mut fnir = Rate::new(misses, mated.len() as u64, ends);
        // The rate is over searches; the number of errors is that of distinct photos.
        fnir.rate = fnir.rate.and(resolved).and_then(|at| rates.fnmr(at));
        let why = resolved.is_none().then(|| too_few(false_positives, "photos with a false positive"));
        FnirAtFpir { fpir, threshold: resolved.map(edge), false_positives, fnir, not_resolved: why }
    });

    // Rank one is missed if another person scores at least as high; hits are given the score 1,
    // misses −1.
    let ranks: Vec<ScoredComparison> =
        searches.iter().filter_map(|s| Some(pair(s, if s.mate? > s.other { 1.0 } else { -1.0 }, true))).collect();
    let rank_view = ComparisonView::new(&ranks, &[], totals(&ranks, &[]), set.subjects());
    let ends = interval(rank_view.repeat(bootstrap, |_, rates| rates.fnmr(0)));
    Some(OpenSet {
        gallery,
        splits: SPLITS,
        mated_searches: mated.len() as u64,
        non_mated_searches: others.len() as u64,
        rank_one: rank_view.counted().fnmr(0).map(|missed| 1.0 - missed),
        rank_one_low: ends.map(|[_, high]| 1.0 - high),
        rank_one_high: ends.map(|[low, _]| 1.0 - low),
        fnir_at_fpir: points.collect(),
    })
}

/// Number of distinct photos.
fn photos<'a>(pairs: impl Iterator<Item = &'a ScoredComparison>) -> u64 {
    let mut photos: Vec<u32> = pairs.map(|p| p.a).collect();
    photos.sort_unstable();
    photos.dedup();
    photos.len() as u64
}

/// Size of the gallery and all searches of one split.
fn split(set: &PhotoSet, seed: u64, number: u64) -> Option<(usize, Vec<OpenSetSearch>)> {
    let mut random = SplitMix::stream(seed ^ 0x0570, number);
    let own = set.by_subject(|_| true);
    let (mut several, mut single): (Vec<usize>, Vec<usize>) =
        (0..own.len()).filter(|&s| !own[s].is_empty()).partition(|&s| own[s].len() > 1);
    let people = several.len() + single.len();
    let enrolled = (people / 2).min(several.len()).min(GALLERY_MAX);
    if people < 4 || enrolled == 0 {
        return None;
    }
    random.choose(&mut several, enrolled);
    single.extend(several.split_off(enrolled));
    let mut gallery: Vec<u32> = Vec::with_capacity(enrolled);
    let mut mated: Vec<u32> = Vec::new();
    for &subject in &several {
        let mut photos = own[subject].clone();
        random.choose(&mut photos, 1);
        gallery.push(photos[0]);
        mated.extend(&photos[1..]);
    }
    let mut others: Vec<u32> = single.iter().flat_map(|&subject| own[subject].iter().copied()).collect();
    for searches in [&mut mated, &mut others] {
        random.choose(searches, SEARCHES_MAX);
        searches.truncate(SEARCHES_MAX);
    }
    let dot = Dot::best();
    let search = |photo: u32| -> Option<OpenSetSearch> {
        let (probe, subject) = (set.template(photo)?, set.subject(photo));
        let mut found = OpenSetSearch { photo, subject, mate: None, other: f32::MIN };
        for &reference in &gallery {
            let score = dot.score(probe.vector(), set.template(reference)?.vector());
            if set.subject(reference) == subject {
                found.mate = Some(score);
            } else {
                found.other = found.other.max(score);
            }
        }
        Some(found)
    };
    let searches: Vec<u32> = mated.into_iter().chain(others).collect();
    Some((gallery.len(), searches.into_par_iter().filter_map(search).collect()))
}

/// What to expect of a gallery of `gallery` people with one template each, at an FPIR of 1 % and
/// the threshold that `curve` gives for it, which is reported as `of`. FNIR is taken from the
/// genuine comparisons in `view`.
pub fn project(
    view: &ComparisonView,
    of: &str,
    curve: &Curve,
    gallery: u64,
    bootstrap: Bootstrap,
) -> GalleryProjection {
    let fpir = PROJECTED_FPIR;
    // −expm1(ln1p(−x)/N) is accurate for large N.
    let fmr = -((-fpir).ln_1p() / gallery.max(1) as f64).exp_m1();
    let decades = (curve.fmr_supported() / fmr).log10().max(0.0);
    let mut projection = GalleryProjection {
        curve: of.to_owned(),
        gallery,
        fpir,
        fmr,
        threshold: f32::NAN,
        decades_extrapolated: decades,
        fnir: None,
        low: None,
        high: None,
        not_resolved: None,
    };
    let threshold = |fmr: f64| curve.threshold(fmr.clamp(crate::matching::FMR_FLOOR, 0.5));
    let (Ok(at), Ok(high)) = (threshold(fmr), threshold(0.5)) else {
        projection.not_resolved = Some("no threshold for this rate".to_owned());
        return projection;
    };
    projection.threshold = at.score.max(high.score);
    let factor = curve.fmr_interval(at.score).map_or(1.0, |ends| ends.high / curve.fmr(at.score).rate);
    let ends = [threshold(fmr * factor), threshold(fmr / factor)].map(|t| t.map_or(at.score, |t| t.score));
    let rates = view.counted();
    let misses = rates.misses(bin(at.score));
    let hits = rates.genuine_comparisons().saturating_sub(misses);
    if misses.min(hits) < ERRORS_MIN {
        projection.not_resolved = Some(too_few(misses.min(hits), "misses, or hits"));
        return projection;
    }
    let repeated = view.repeat(bootstrap, |_, rates| ends.map(|end| rates.fnmr(bin(end))));
    projection.fnir = rates.fnmr(bin(at.score));
    projection.low = interval(repeated.iter().map(|row| row[0])).map(|e| e[0]);
    projection.high = interval(repeated.iter().map(|row| row[1])).map(|e| e[1]);
    projection
}

#[cfg(test)]
mod tests {
    use super::super::fit::{CurveDescription, fit_curve};
    use super::super::material::{ComparisonPlan, Material};
    use super::super::pairs::AllPairs;
    use super::super::set::tests::made_up;
    use super::*;

    const BOOTSTRAP: Bootstrap = Bootstrap { repetitions: 100, seed: 1 };

    #[test]
    fn people_who_are_easily_told_apart_are_found_first() {
        let test = open_set(&made_up(40, 4, 0.05), BOOTSTRAP).unwrap();
        assert_eq!((test.gallery, test.mated_searches, test.non_mated_searches), (20, 10 * 60, 10 * 80));
        assert_eq!((test.rank_one, test.rank_one_low), (Some(1.0), Some(1.0)));
        // No miss at all: not resolved, and not a rate of nothing.
        assert!(test.fnir_at_fpir.iter().all(|p| p.fnir.rate.is_none()));
    }

    #[test]
    fn missed_and_wrong_people_are_counted_where_there_are_enough() {
        let test = open_set(&made_up(150, 4, 1.0), BOOTSTRAP).unwrap();
        let tenth = &test.fnir_at_fpir[0];
        assert!(tenth.false_positives >= 30 && tenth.fnir.rate.is_some(), "{tenth:?}");
        assert!(tenth.fnir.low < tenth.fnir.rate && tenth.fnir.rate < tenth.fnir.high);
        let rank_one = test.rank_one.unwrap();
        assert!(rank_one < 0.9 && test.rank_one_low.unwrap() < rank_one);
        let thousandth = &test.fnir_at_fpir[3];
        assert!(thousandth.fnir.rate.is_none() && thousandth.not_resolved.is_some(), "{thousandth:?}");
    }

    #[test]
    fn there_is_no_test_without_people() {
        assert_eq!(open_set(&made_up(3, 4, 0.1), BOOTSTRAP), None);
        assert_eq!(open_set(&made_up(30, 1, 0.1), BOOTSTRAP), None);
    }

    #[test]
    fn a_larger_gallery_takes_a_higher_score_and_says_how_far_it_guesses() {
        let set = made_up(80, 4, 0.6);
        let curve = fit_curve(&AllPairs::new(&set, |_| true, u64::MAX, 0), 80, CurveDescription::unlabelled()).unwrap();
        let material = Material::make(&set, ComparisonPlan::AllPairs { comparisons_max: u64::MAX, seed: 0 });
        let to = |gallery| project(&material.whole(), "own", &curve, gallery, BOOTSTRAP);
        let (one, hundred) = (to(1), to(100));
        assert!((one.fmr - 0.01).abs() < 1e-12 && one.decades_extrapolated == 0.0);
        assert!((hundred.fmr * 100.0 - 0.01).abs() < 1e-4 && hundred.decades_extrapolated > 0.5);
        assert!(hundred.threshold > one.threshold && hundred.fnir > one.fnir, "{one:?} {hundred:?}");
        assert!(hundred.low <= hundred.fnir && hundred.fnir <= hundred.high, "{hundred:?}");
    }
}
