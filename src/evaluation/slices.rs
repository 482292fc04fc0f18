//! Error rates within groups of photos at thresholds fixed over all photos.

use serde::Serialize;

use super::groups::{GroupBy, PhotoGroups};
use super::histogram::bin;
use super::material::Material;
use super::rates::{OperatingPoint, Rate};
use super::set::PhotoSet;
use super::view::{Bootstrap, ERRORS_MIN, Rates, interval};

/// FMRs whose thresholds are evaluated within groups.
pub(super) const SLICE_FMRS: [f64; 2] = [1e-3, 1e-4];
/// Most groups of a column that are reported, the largest first.
const GROUPS_MAX: usize = 50;

/// The rates within one group of photos.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slice {
    /// Column of the manifest.
    pub column: String,
    /// The group's value in it.
    pub value: String,
    /// Photos with a template.
    pub photos: usize,
    /// People they are of.
    pub subjects: usize,
    /// Rates at thresholds that are fixed over all photos.
    pub at: Vec<SlicePoint>,
}

/// The rates within a group at one threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SlicePoint {
    /// FMR over all photos.
    pub overall_fmr: f64,
    /// The threshold for it.
    pub threshold: f32,
    /// FMR between people of this group.
    pub fmr: Rate,
    /// Ratio of the group's FMR to the overall FMR.
    pub fmr_ratio: Ratio,
    /// FNMR within this group.
    pub fnmr: Rate,
    /// Ratio of the group's FNMR to the overall FNMR.
    pub fnmr_ratio: Ratio,
}

/// Ratio of a group's rate to that of all photos, if both rest on enough errors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Ratio {
    /// The ratio.
    pub times: Option<f64>,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// Rates within each group, over the comparisons of two photos of the group, at the thresholds of
/// `points`, which are fixed over all photos.
pub fn slices(material: &Material<'_>, points: &[OperatingPoint], by: &[GroupBy], bootstrap: Bootstrap) -> Vec<Slice> {
    let thresholds: Vec<(f64, f32)> =
        points.iter().filter(|p| SLICE_FMRS.contains(&p.fmr)).filter_map(|p| Some((p.fmr, p.threshold?))).collect();
    if by.is_empty() || thresholds.is_empty() {
        return Vec::new();
    }
    let lowest = thresholds.iter().map(|(_, at)| bin(*at)).min().unwrap_or(i32::MIN);
    let whole = material.whole().above(lowest);
    let at_all = |rates: &Rates<'_>| -> Vec<[Option<f64>; 2]> {
        thresholds.iter().map(|(_, at)| [rates.fmr(bin(*at)), rates.fnmr(bin(*at))]).collect()
    };
    let overall = at_all(&whole.counted());
    let overall_repeated = whole.repeat(bootstrap, |_, rates| at_all(rates));
    let mut slices = Vec::new();
    for group_by in by {
        let Some(groups) = PhotoGroups::of(material.set(), group_by) else { continue };
        for (group, photos, subjects) in sizes(material.set(), &groups) {
            let view = material.view(|photo| groups.group(photo) == group).above(lowest);
            let rates = view.counted();
            let repeated = view.repeat(bootstrap, |_, rates| at_all(rates));
            let at = thresholds.iter().enumerate().map(|(i, &(overall_fmr, threshold))| {
                let edge = bin(threshold);
                let made = |kind: usize, errors: u64, comparisons: u64, rate: Option<f64>, overall_errors: u64| {
                    let ends = interval(repeated.iter().map(|row| row[i][kind]));
                    let rate = Rate::weighed(errors, comparisons, rate, ends);
                    let ratios =
                        repeated.iter().zip(&overall_repeated).map(|(own, all)| over(own[i][kind], all[i][kind]));
                    let known = rate.rate.is_some() && overall_errors >= ERRORS_MIN;
                    let ends = interval(ratios).filter(|_| known);
                    let times = over(rate.rate, overall[i][kind]).filter(|_| known);
                    (rate, Ratio { times, low: ends.map(|e| e[0]), high: ends.map(|e| e[1]) })
                };
                let all = whole.counted();
                let (matches, misses) = (rates.false_matches(edge), rates.misses(edge));
                let (fmr, fmr_ratio) =
                    made(0, matches, rates.impostor_comparisons(), rates.fmr(edge), all.false_matches(edge));
                let (fnmr, fnmr_ratio) =
                    made(1, misses, rates.genuine_comparisons(), rates.fnmr(edge), all.misses(edge));
                SlicePoint { overall_fmr, threshold, fmr, fmr_ratio, fnmr, fnmr_ratio }
            });
            let at = at.collect();
            slices.push(Slice { column: group_by.name(), value: groups.name(group).to_owned(), photos, subjects, at });
        }
    }
    slices
}

pub(super) fn over(part: Option<f64>, whole: Option<f64>) -> Option<f64> {
    let (part, whole) = (part?, whole?);
    (whole > 0.0).then(|| part / whole)
}

/// The largest groups as (group, photos, people), sorted by name.
pub(super) fn sizes(set: &PhotoSet, groups: &PhotoGroups) -> Vec<(u32, usize, usize)> {
    let mut photos: std::collections::BTreeMap<u32, Vec<u32>> = Default::default();
    set.with_template().for_each(|photo| photos.entry(groups.group(photo)).or_default().push(photo));
    let mut sizes: Vec<(u32, usize, usize)> = photos
        .into_iter()
        .map(|(group, photos)| {
            let mut subjects: Vec<u32> = photos.iter().map(|&photo| set.subject(photo)).collect();
            subjects.sort_unstable();
            subjects.dedup();
            (group, photos.len(), subjects.len())
        })
        .collect();
    sizes.sort_by(|x, y| y.1.cmp(&x.1).then_with(|| groups.name(x.0).cmp(groups.name(y.0))));
    sizes.truncate(GROUPS_MAX);
    sizes.sort_by(|x, y| groups.name(x.0).cmp(groups.name(y.0)));
    sizes
}

#[cfg(test)]
mod tests {
    use super::super::material::ComparisonPlan;
    use super::super::rates::overall;
    use super::super::set::ManifestColumn;
    use super::super::set::tests::made_up;
    use super::*;
    use crate::face::Template;

    const BOOTSTRAP: Bootstrap = Bootstrap { repetitions: 100, seed: 1 };

    #[test]
    fn people_who_look_alike_have_a_multiple_of_the_overall_rate() {
        // Half of the people have a large component of their vectors in common.
        let base = made_up(120, 4, 0.5);
        let common = base.template(0).unwrap().vector().to_vec();
        let mut set = PhotoSet::default();
        let mut column = ManifestColumn::default();
        for photo in 0..base.len() as u32 {
            let (subject, template) = (base.subject(photo), base.template(photo).unwrap());
            let alike = subject >= 60;
            let raw: Vec<f32> =
                template.vector().iter().zip(&common).map(|(v, c)| v + if alike { 0.9 * c } else { 0.0 }).collect();
            set.push(subject, Some(Template::from_raw(template.recipe(), &raw).unwrap()));
            column.push(if alike { "alike" } else { "plain" });
        }
        set.columns.push(("kind".to_owned(), column));
        let material = Material::make(&set, ComparisonPlan::AllPairs { comparisons_max: u64::MAX, seed: 0 });
        let points = overall(&material, &SLICE_FMRS, BOOTSTRAP).points;
        let slices = slices(&material, &points, &[GroupBy::parse("kind").unwrap()], BOOTSTRAP);
        let [alike, base] = &slices[..] else { panic!("{slices:?}") };
        assert_eq!((&alike.value[..], alike.photos, alike.subjects), ("alike", 240, 60));
        let point = &alike.at[0];
        assert!(point.fmr_ratio.times.unwrap() > 2.0 && point.fmr_ratio.low.unwrap() > 1.0, "{point:?}");
        assert!(point.fmr.low < point.fmr.rate && point.fmr.rate < point.fmr.high);
        // The others have too few false matches: no rate, not a rate of zero.
        assert_eq!(base.at[0].fmr.rate, None);
        assert!(base.at[0].fmr.not_resolved.is_some() && base.at[0].fmr_ratio == Ratio::default());
    }
}
