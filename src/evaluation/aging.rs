//! FNMR by age of the person, and by time elapsed between the two photos (template ageing).
//!
//! Both are read from columns of the manifest: `age`, in years at the time of the photo, and
//! `captured_at`, a date as `2024`, `2024-05` or `2024-05-17`. The age of a comparison is the
//! greater of the ages of its two photos. The time elapsed is the difference of the dates; if no
//! photo has a date, the difference of the ages, accurate to a year. Comparisons with a photo that
//! lacks the value are in no band.

use serde::Serialize;

use super::differentials::FixedThreshold;
use super::histogram::{WEIGHT, bin};
use super::material::Material;
use super::pairs::ScoredComparison;
use super::rates::Rate;
use super::set::{ManifestColumn, PhotoSet};
use super::view::{Bootstrap, ComparisonView, Totals, interval};
use crate::matching::{Weighting, compare};

/// Optional columns of the manifest.
pub const AGING_COLUMNS: [&str; 2] = [AGE, CAPTURED_AT];
pub(super) const AGE: &str = "age";
pub(super) const CAPTURED_AT: &str = "captured_at";
/// Width of an age band, in years.
const AGE_BAND: f64 = 10.0;
/// Ages from this on are invalid.
const AGE_MAX: f64 = 130.0;
/// Lower ends of the bands of elapsed time, in years; the last band has no upper end.
const YEARS: [f64; 5] = [0.0, 1.0, 2.0, 5.0, 10.0];

/// Lower and upper end of a band, in years; the last has no upper one.
type BandEnds = (f64, Option<f64>);

/// FNMR by band.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Aging {
    /// `age`, `years between (dates)` or `years between (ages)`.
    pub by: &'static str,
    /// Genuine comparisons in no band, because a value is missing or invalid.
    pub unknown: u64,
    /// The bands that have comparisons, ascending.
    pub bands: Vec<AgingBand>,
}

/// A band.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgingBand {
    /// Lower end, in years.
    pub from: f64,
    /// Upper end, not in it; `None`: without end.
    pub to: Option<f64>,
    /// People with comparisons in it.
    pub subjects: usize,
    /// By threshold.
    pub at: Vec<AgingPoint>,
}

/// FNMR of a band at a threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgingPoint {
    /// The threshold.
    #[serde(flatten)]
    pub threshold: FixedThreshold,
    /// FNMR there.
    pub fnmr: Rate,
}

/// FNMR by age and by time elapsed, each if the manifest has the columns for it.
pub fn aging(material: &Material<'_>, thresholds: &[FixedThreshold], bootstrap: Bootstrap) -> Vec<Aging> {
    let set = material.set();
    let (ages, dates) = (values(set, AGE, age), values(set, CAPTURED_AT, date));
    if thresholds.is_empty() || ages.is_none() && dates.is_none() {
        return Vec::new();
    }
    let genuine = material.genuine_pairs();
    let score = |a: u32, b: u32| compare(set.template(a)?, set.template(b)?).ok();
    let made = |by: &'static str, value: &dyn Fn(u32, u32) -> Option<f64>, band: &dyn Fn(f64) -> BandEnds| {
        let mut bands: Vec<(BandEnds, Vec<ScoredComparison>)> = Vec::new();
        let mut unknown = 0;
        for &(a, b) in &genuine {
            let (Some(of), Some(score)) = (value(a, b).map(band), score(a, b)) else {
                unknown += 1;
                continue;
            };
            let subject = set.subject(a);
            let pair = ScoredComparison { score, a, b, subject_a: subject, subject_b: subject, genuine: true };
            match bands.iter_mut().find(|(known, _)| *known == of) {
                Some((_, pairs)) => pairs.push(pair),
                None => bands.push((of, vec![pair])),
            }
        }
        bands.sort_by(|((x, _), _), ((y, _), _)| x.total_cmp(y));
        let weighed = material.rules().weighed;
        let bands: Vec<AgingBand> = bands
            .into_iter()
            .map(|((from, to), pairs)| {
                let (subjects, at) = rates(&pairs, weighed, set.subjects(), thresholds, bootstrap);
                AgingBand { from, to, subjects, at }
            })
            .collect();
        (!bands.is_empty()).then_some(Aging { by, unknown, bands })
    };
    let mut all = Vec::new();
    if let Some(ages) = &ages {
        let older = |a: u32, b: u32| Some(ages[a as usize]?.max(ages[b as usize]?));
        let band = |age: f64| {
            let from = (age / AGE_BAND).floor() * AGE_BAND;
            (from, Some(from + AGE_BAND))
        };
        all.extend(made("age", &older, &band));
    }
    let (by, years) = match (&dates, &ages) {
        (Some(dates), _) => ("years between (dates)", dates),
        (None, Some(ages)) => ("years between (ages)", ages),
        (None, None) => return all,
    };
    let between = |a: u32, b: u32| Some((years[a as usize]? - years[b as usize]?).abs());
    let band = |years: f64| {
        let next = YEARS.partition_point(|from| *from <= years).max(1);
        (YEARS[next - 1], YEARS.get(next).copied())
    };
    all.extend(made(by, &between, &band));
    all
}

/// Number of people in these comparisons, and FNMR at every threshold.
fn rates(
    pairs: &[ScoredComparison],
    weighed: Weighting,
    subjects: usize,
    thresholds: &[FixedThreshold],
    bootstrap: Bootstrap,
) -> (usize, Vec<AgingPoint>) {
    let counted = Totals::counted(pairs.iter().map(|p| (p.subject_a, p.subject_b, true)));
    let of_people = match &counted {
        Totals::Listed { genuine, .. } => genuine.clone(),
        _ => Vec::new(),
    };
    let view = match weighed {
        Weighting::Comparisons => ComparisonView::new(pairs, &[], counted, subjects),
        Weighting::People => {
            let genuine = of_people.iter().map(|&(a, b, _)| (a, b, WEIGHT)).collect();
            let share = |pair: &ScoredComparison| {
                let at = of_people.binary_search_by_key(&pair.subject_a, |(subject, ..)| *subject);
                at.map_or(WEIGHT, |at| (WEIGHT / of_people[at].2.max(1)).max(1))
            };
            ComparisonView::weighed(pairs, &[], Totals::Listed { genuine, impostor: Vec::new() }, subjects, share)
        }
    };
    let edges: Vec<i32> = thresholds.iter().map(|t| bin(t.threshold) + i32::from(t.stated)).collect();
    let rates = view.counted();
    let repeated = view.repeat(bootstrap, |_, rates| edges.iter().map(|&edge| rates.fnmr(edge)).collect::<Vec<_>>());
    let at = thresholds.iter().zip(&edges).enumerate().map(|(i, (threshold, &edge))| {
        let ends = interval(repeated.iter().map(|row| row[i]));
        let fnmr = Rate::weighed(rates.misses(edge), pairs.len() as u64, rates.fnmr(edge), ends);
        AgingPoint { threshold: threshold.clone(), fnmr }
    });
    (of_people.len(), at.collect())
}

/// The values of a column by photo; `None` without the column or without any valid value.
fn values(set: &PhotoSet, name: &str, read: fn(&str) -> Option<f64>) -> Option<Vec<Option<f64>>> {
    let column: &ManifestColumn = set.column(name)?;
    let values: Vec<Option<f64>> = (0..set.len() as u32).map(|photo| read(column.value(photo).trim())).collect();
    values.iter().any(Option::is_some).then_some(values)
}

pub(super) fn age(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|age| (0.0..AGE_MAX).contains(age))
}

/// A date in years since year 0; the middle of the period if only a year or month is given.
pub(super) fn date(text: &str) -> Option<f64> {
    // A time of day after the date is ignored.
    let day = text.split(['T', ' ']).next()?;
    let mut parts = day.split('-');
    let year = parts.next().filter(|year| year.len() == 4)?.parse::<f64>().ok()?;
    let within = |text: Option<&str>, most: f64| match text {
        None => Some(None),
        Some(text) => text.parse::<f64>().ok().filter(|value| (1.0..=most).contains(value)).map(Some),
    };
    let (month, day) = (within(parts.next(), 12.0)?, within(parts.next(), 31.0)?);
    if parts.next().is_some() {
        return None;
    }
    Some(match (month, day) {
        (None, _) => year + 0.5,
        (Some(month), None) => year + (month - 0.5) / 12.0,
        (Some(month), Some(day)) => year + (month - 1.0) / 12.0 + (day - 0.5) / 372.0,
    })
}

#[cfg(test)]
mod tests {
    use super::super::groups::ComparisonRules;
    use super::super::material::ComparisonPlan;
    use super::super::set::tests::made_up;
    use super::*;
    use crate::face::Template;

    const BOOTSTRAP: Bootstrap = Bootstrap { repetitions: 100, seed: 1 };

    fn threshold() -> FixedThreshold {
        FixedThreshold { of: "made up".into(), stated: false, for_fmr: 1e-3, threshold: 0.6 }
    }

    /// Five photos of each person: two of a day, one a year and a half later, two after
    /// ten years and more that are less alike.
    fn aged() -> PhotoSet {
        let fresh = made_up(60, 5, 0.3);
        let other = made_up(300, 1, 0.0);
        let mut set = PhotoSet::default();
        let (mut ages, mut dates) = (ManifestColumn::default(), ManifestColumn::default());
        for photo in 0..fresh.len() as u32 {
            let (subject, which) = (fresh.subject(photo), photo % 5);
            let drift = if which >= 3 { 1.0 } else { 0.0 };
            let raw: Vec<f32> = fresh
                .template(photo)
                .unwrap()
                .vector()
                .iter()
                .zip(other.template(photo).unwrap().vector())
                .map(|(own, else_)| own + drift * else_)
                .collect();
            set.push(subject, Some(Template::from_raw(fresh.template(0).unwrap().recipe(), &raw).unwrap()));
            dates.push(["2010-03-01", "2010-03-01", "2011-09", "2021", ""][which as usize]);
            ages.push(["58", "58", "59", "69", "not said"][which as usize]);
        }
        set.columns = vec![("age".to_owned(), ages), ("captured_at".to_owned(), dates)];
        set
    }

    #[test]
    fn misses_are_told_by_age_and_by_the_years_between() {
        let set = aged();
        for weighed in [Weighting::Comparisons, Weighting::People] {
            let rules = ComparisonRules { within: None, weighed };
            let material =
                Material::make_with(rules, &set, ComparisonPlan::AllPairs { comparisons_max: u64::MAX, seed: 0 });
            let found = aging(&material, &[threshold()], BOOTSTRAP);
            let [by_age, by_years] = &found[..] else { panic!("{found:?}") };
            assert_eq!((by_age.by, by_years.by), ("age", "years between (dates)"));
            // The fifth photo has no value: four comparisons of each person.
            assert_eq!((by_age.unknown, by_years.unknown), (240, 240));
            let ends: Vec<_> = by_years.bands.iter().map(|b| (b.from, b.to, b.at[0].fnmr.comparisons)).collect();
            assert_eq!(ends, [(0.0, Some(1.0), 60), (1.0, Some(2.0), 120), (5.0, Some(10.0), 60), (10.0, None, 120)]);
            let late = &by_years.bands[3];
            let (misses, early) = (&late.at[0].fnmr, &by_years.bands[1].at[0].fnmr);
            assert!(late.subjects == 60 && misses.rate.unwrap() > 0.3, "{misses:?}");
            assert!(misses.low < misses.rate && misses.rate < misses.high);
            // Too few misses within two years: no rate, not a rate of zero.
            assert!(early.rate.is_none() && early.not_resolved.is_some(), "{early:?}");
            let ages: Vec<_> = by_age.bands.iter().map(|b| (b.from, b.to, b.at[0].fnmr.comparisons)).collect();
            assert_eq!(ages, [(50.0, Some(60.0), 180), (60.0, Some(70.0), 180)]);
        }
    }

    #[test]
    fn without_dates_the_ages_say_how_many_years() {
        let mut set = aged();
        set.columns.retain(|(name, _)| name == "age");
        let material = Material::make(&set, ComparisonPlan::AllPairs { comparisons_max: u64::MAX, seed: 0 });
        let found = aging(&material, &[threshold()], BOOTSTRAP);
        assert_eq!(found[1].by, "years between (ages)");
        set.columns.clear();
        let material = Material::make(&set, ComparisonPlan::AllPairs { comparisons_max: u64::MAX, seed: 0 });
        assert_eq!(aging(&material, &[threshold()], BOOTSTRAP), []);
    }

    #[test]
    fn dates_are_read_as_far_as_they_go() {
        assert!((date("2024-05-17").unwrap() - 2024.378).abs() < 0.01);
        assert_eq!((date("2024"), date("2024-07-01T10:00:00Z").map(f64::floor)), (Some(2024.5), Some(2024.0)));
        for bad in ["", "24", "2024-13", "2024-01-32", "2024-01-01-01", "17.5.2024", "yesterday"] {
            assert_eq!(date(bad), None, "{bad}");
        }
        assert_eq!((age("58.5"), age("-1"), age("900"), age("old")), (Some(58.5), None, None, None));
    }
}
