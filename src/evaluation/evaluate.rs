//! Runs all analyses of a labelled set and collects their results in one report.

use super::aging::aging;
use super::coverage::coverage;
use super::cross_fit::{CrossFit, cross_fit};
use super::differentials::{differentials, fixed_thresholds};
use super::discard::discard_curves;
use super::fit::{CurveDescription, FitError, fit_curve};
use super::fusion::fusion;
use super::groups::{ComparisonRules, GroupBy, PhotoGroups};
use super::histogram::edge;
use super::manifest_warnings::manifest_warnings;
use super::material::{ComparisonPlan, Material};
use super::open_set::{GalleryProjection, open_set, project};
use super::pairs::{AllPairs, ListedComparisons};
use super::rates::overall;
use super::report::{EvaluationInputs, EvaluationReport, MissingPart, SuspectedLabel, VERSION, intervals};
use super::set::PhotoSet;
use super::slices::slices;
use super::view::Bootstrap;
use super::worst_group::FitInput;
use crate::matching::{Curve, Weighting};

/// Most suspected labels listed.
const SUSPECTS_MAX: usize = 20;
/// FMRs that FNMR is reported at.
const FMRS: [f64; 5] = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6];

/// Options of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationOptions {
    /// Bootstrap for intervals.
    pub bootstrap: Bootstrap,
    /// Groupings to report on.
    pub by: Vec<GroupBy>,
    /// If set, only photos of the same group are compared.
    pub within: Option<GroupBy>,
    /// The unit that has equal weight.
    pub weighed: Weighting,
    /// Curves of the model pack's calibration for single photos.
    pub stated: Vec<Curve>,
    /// Grouping in which the cross-fit determines the worst group.
    pub groups: Option<GroupBy>,
    /// Fewest people of a worst group in the cross-fit.
    pub people_min: u64,
    /// Folds of the cross-fit; 0 leaves it out.
    pub folds: u64,
    /// Frames of the fusion experiment; 0 leaves it out.
    pub frames: usize,
    /// Seeds of the fusion experiment.
    pub seeds: u64,
    /// Splits of the calibration check; 0 leaves it out.
    pub splits: u64,
    /// Galleries to project 1:N to.
    pub project_to: Vec<u64>,
    /// Most comparisons made.
    pub comparisons_max: u64,
}

/// Evaluates `set` with the comparisons of `plan`.
pub fn evaluate(
    set: &PhotoSet,
    plan: ComparisonPlan<'_>,
    inputs: EvaluationInputs,
    options: &EvaluationOptions,
) -> EvaluationReport {
    let bootstrap = options.bootstrap;
    let within = options.within.as_ref().and_then(|by| PhotoGroups::of(set, by));
    let rules = ComparisonRules { within: within.as_ref(), weighed: options.weighed };
    let material = Material::make_with(rules, set, plan);
    let overall = overall(&material, &FMRS, bootstrap);
    let all_pairs = matches!(plan, ComparisonPlan::AllPairs { .. });
    let mut found = PartOutcomes::default();
    let projections = found.or_missing("projections", projections(&material, plan, options)).unwrap_or_default();
    // Only if requested, and only with all pairs, not with a list.
    let check =
        (all_pairs && options.splits > 0).then(|| coverage(set, rules, options.splits, options.comparisons_max));
    let calibration_check = check.and_then(|check| found.or_missing("calibration_check", check));
    if options.splits > 0 && !all_pairs {
        found.add_missing("calibration_check", "a list says which photos are compared; leave out --pairs".to_owned());
    }
    let groups = options.groups.as_ref().and_then(|by| PhotoGroups::of(set, by));
    let fitting = FitInput {
        set,
        rules,
        groups: groups.as_ref(),
        people_min: options.people_min,
        include: &|_| true,
        references: None,
        frames_max: 1,
        comparisons_max: options.comparisons_max,
        about: CurveDescription::unlabelled(),
    };
    let checked = (all_pairs && options.folds > 0).then(|| cross_fit(&fitting, options.folds));
    let cross_fit = checked.and_then(|checked| found.or_missing("cross_fit", checked));
    if let Some(check) = &cross_fit {
        found.add_missing_curves(check, options);
    }
    let thresholds = fixed_thresholds(&overall.points, &options.stated);
    // Searches and fused probes use all photos, so they are left out if comparisons are restricted
    // to groups.
    let through_all = all_pairs && rules.within.is_none();
    let fusion = if through_all { fusion(set, &set.measures, options.frames, options.seeds, bootstrap) } else { None };
    if options.frames > 0 && fusion.is_none() {
        found.add_missing_fusion(options, through_all);
    }
    let with_template = set.with_template().count() as u64;
    EvaluationReport {
        version: VERSION,
        date: inputs.date,
        source: inputs.source,
        only: inputs.only,
        pack: inputs.pack,
        recipe: inputs.recipe,
        photos: set.len() as u64,
        subjects: set.subjects() as u64,
        subjects_with_one_photo: set.by_subject(|_| true).iter().filter(|own| own.len() == 1).count() as u64,
        failures: set.len() as u64 - with_template,
        failure_reasons: inputs.failures,
        left_out: inputs.left_out,
        same_pictures: inputs.same_pictures,
        compared: match (all_pairs, material.is_sample) {
            (false, _) => "a list",
            (true, false) => "all pairs",
            (true, true) => "a sample of all pairs",
        },
        within: options.within.as_ref().filter(|_| all_pairs).map(GroupBy::name),
        weighed: material.rules().weighed.name(),
        genuine: material.genuine.count(),
        impostor: material.impostor.count(),
        intervals: intervals(bootstrap),
        slices: slices(&material, &overall.points, &options.by, bootstrap),
        differentials: differentials(&material, &thresholds, &options.by, bootstrap),
        aging: aging(&material, &thresholds, bootstrap),
        fnmr_at_fmr: overall.points,
        equal_error: overall.equal_error,
        det: overall.det,
        discard: discard_curves(&material, &set.measures, bootstrap),
        open_set: if through_all { open_set(set, bootstrap) } else { None },
        projections,
        fusion,
        calibration_check,
        cross_fit,
        calibration_problem: found.calibration_problem,
        absent: found.absent,
        doubts: manifest_warnings(set, &options.by, &options.within.iter().chain(&options.groups).collect::<Vec<_>>()),
        suspected_labels: suspected_labels(&material),
        scores: [material.genuine, material.impostor],
    }
}

/// Collects why requested results are missing.
#[derive(Default)]
struct PartOutcomes {
    calibration_problem: Option<String>,
    absent: Vec<MissingPart>,
}

impl PartOutcomes {
    fn add_missing(&mut self, part: &'static str, why: String) {
        self.absent.push(MissingPart { part, why });
    }

    /// The result, or `None` and an entry in the list of missing results.
    fn or_missing<T>(&mut self, part: &'static str, found: Result<T, FitError>) -> Option<T> {
        match found {
            Ok(found) => Some(found),
            Err(e) => {
                let left = match part {
                    "cross_fit" => "among the people outside two folds, ",
                    "calibration_check" => "among one half of the people, ",
                    _ => "",
                };
                let folds = if part == "cross_fit" { ", or more folds" } else { "" };
                self.add_missing(part, format!("{left}{e}{folds}"));
                self.calibration_problem = Some(e.to_string());
                None
            }
        }
    }

    /// Adds the curves for which the cross-fit has no rows.
    fn add_missing_curves(&mut self, check: &CrossFit, options: &EvaluationOptions) {
        let has = |curve: &str| check.rows.iter().any(|row| row.curve == curve);
        if !has("pooled") {
            self.add_missing(
                "cross_fit",
                "the pooled curve does not reach FMR 1e-4 in every fit; use more people".to_owned(),
            );
        }
        if options.groups.is_some() && !has("worst group") {
            let why = format!(
                "no group has {} people and enough comparisons in every fit, so there is no curve of a worst group; use \
                 more people, other --groups or a lower --people-min",
                options.people_min
            );
            self.add_missing("cross_fit", why);
        }
    }

    /// Adds why there is no fusion experiment.
    fn add_missing_fusion(&mut self, options: &EvaluationOptions, through_all: bool) {
        let why = match through_all {
            true => format!("fewer than two people have {} photos with a template", options.frames + 1),
            false => "probes are compared with the photos of all people; leave out --within and --pairs".to_owned(),
        };
        self.add_missing("fusion", why);
    }
}

fn projections(
    material: &Material<'_>,
    plan: ComparisonPlan<'_>,
    options: &EvaluationOptions,
) -> Result<Vec<GalleryProjection>, FitError> {
    if options.project_to.is_empty() {
        return Ok(Vec::new());
    }
    let set = material.set();
    let about = CurveDescription::unlabelled();
    let curve: Curve = match plan {
        ComparisonPlan::AllPairs { comparisons_max, seed } => fit_curve(
            &AllPairs::new(set, |_| true, comparisons_max, seed).with_rules(material.rules()),
            set.subjects(),
            about,
        )?,
        ComparisonPlan::Listed(pairs) => fit_curve(&ListedComparisons { set, pairs }, set.subjects(), about)?,
    };
    let view = material.whole();
    let curves: Vec<(&str, &Curve)> = std::iter::once(("these comparisons", &curve))
        .chain(options.stated.iter().map(|curve| (curve.group.as_str(), curve)))
        .collect();
    let to = |&gallery: &u64| {
        let to = |&(of, curve): &(&str, &Curve)| project(&view, of, curve, gallery, options.bootstrap);
        curves.iter().map(to).collect::<Vec<_>>()
    };
    Ok(options.project_to.iter().flat_map(to).collect())
}

/// Pairs of people with different labels that score at least as high as the upper quartile of
/// genuine scores.
fn suspected_labels(material: &Material<'_>) -> Vec<SuspectedLabel> {
    let lines = &material.set().lines;
    let best = material.genuine.count().div_ceil(4).max(1);
    let Some((from, _)) = material.genuine.holding_above(best) else { return Vec::new() };
    let line = |photo: u32| lines.get(photo as usize).copied().unwrap_or(0);
    let held = material.impostor_held().iter().take_while(|pair| pair.score >= edge(from));
    held.take(SUSPECTS_MAX)
        .map(|pair| SuspectedLabel { line_a: line(pair.a), line_b: line(pair.b), score: pair.score })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::set::tests::made_up;
    use super::super::set::{ManifestColumn, PhotoMeasure};
    use super::*;

    pub fn options() -> EvaluationOptions {
        EvaluationOptions {
            bootstrap: Bootstrap { repetitions: 100, seed: 1 },
            by: vec![GroupBy::parse("half").unwrap()],
            within: None,
            weighed: Weighting::Comparisons,
            stated: Vec::new(),
            groups: Some(GroupBy::parse("half").unwrap()),
            people_min: 20,
            folds: 3,
            frames: 3,
            seeds: 4,
            splits: 2,
            project_to: vec![1_000_000],
            comparisons_max: u64::MAX,
        }
    }

    pub fn report() -> EvaluationReport {
        let mut set = made_up(80, 5, 0.8);
        let mut column = ManifestColumn::default();
        (0..set.len()).for_each(|photo| column.push(if photo < 200 { "<first> & \"half\"" } else { "second" }));
        set.columns.push(("half".to_owned(), column));
        set.measures.push(PhotoMeasure {
            name: "norm".into(),
            overall: true,
            values: (0..400).map(|i| Some((i % 7) as f32)).collect(),
        });
        set.lines = (2..402).collect();
        set.push(3, None);
        let mut inputs =
            EvaluationInputs { pack: "made up".into(), source: "m.csv".into(), ..EvaluationInputs::default() };
        inputs.left_out.add(17, "FILE_MISSING", "no such file; check the path");
        inputs.failures.insert("NO_FACE".into(), 1);
        evaluate(&set, ComparisonPlan::AllPairs { comparisons_max: u64::MAX, seed: 0 }, inputs, &options())
    }

    #[test]
    fn everything_is_in_the_document_and_the_same_input_gives_the_same_bytes() {
        let one = report();
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(text, serde_json::to_string(&report()).unwrap());
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&json["genuine"], &json["impostor"], &json["failures"]), (&800.into(), &79_000.into(), &1.into()));
        let point = &json["fnmr_at_fmr"][1];
        for field in ["fmr", "threshold", "fnmr", "low", "high", "misses", "genuine", "false_matches", "impostor"] {
            assert!(point[field].is_number(), "{field} in {point}");
        }
        assert!(json["fnmr_at_fmr"][4]["fnmr"].is_null() && json["fnmr_at_fmr"][4]["not_resolved"].is_string());
        assert_eq!(json["slices"].as_array().unwrap().len(), 2);
        assert_eq!(json["projections"][0]["gallery"], 1_000_000);
        assert_eq!(json["projections"][0]["curve"], "these comparisons");
        assert_eq!((&json["weighed"], &json["within"]), (&"comparisons".into(), &serde_json::Value::Null));
        let differential = &json["differentials"][0];
        assert_eq!((&differential["by"], differential["at"].as_array().unwrap().len()), (&"half".into(), 1));
        let at = &differential["at"][0];
        for field in
            ["of", "stated", "for_fmr", "fmr", "threshold", "fnmr", "within_fmr", "worst_fmr", "worst_fnmr", "groups"]
        {
            assert!(!at[field].is_null(), "{field} in {at}");
        }
        assert_eq!(json["cross_fit"]["fits"], 6);
        assert!(json["aging"].as_array().unwrap().is_empty());
        assert_eq!(json["calibration_check"]["rates"].as_array().unwrap().len(), 2);
        assert!(json["open_set"]["rank_one"].is_number() && json["fusion"]["winner"].is_string());
        assert_eq!(json["left_out"]["lines"][0]["line"], 17);
        assert!(!json["discard"][0]["points"].as_array().unwrap().is_empty());
        // A third of the people are too few for a worst group.
        assert_eq!((json["absent"].as_array().unwrap().len(), &json["absent"][0]["part"]), (1, &"cross_fit".into()));
        assert!(json["absent"][0]["why"].as_str().unwrap().contains("--people-min"), "{}", json["absent"]);
    }

    /// An evaluation of a set too small for anything but rates.
    pub fn small() -> EvaluationReport {
        let mut set = made_up(6, 2, 0.8);
        let mut column = ManifestColumn::default();
        (0..set.len()).for_each(|photo| column.push(if photo < 6 { "first" } else { "second" }));
        set.columns.push(("half".to_owned(), column));
        evaluate(
            &set,
            ComparisonPlan::AllPairs { comparisons_max: u64::MAX, seed: 0 },
            EvaluationInputs::default(),
            &options(),
        )
    }

    #[test]
    fn what_was_asked_for_and_is_not_there_is_told_with_the_reason() {
        let report = small();
        assert!(report.cross_fit.is_none() && report.calibration_check.is_none() && report.fusion.is_none());
        let parts: Vec<&str> = report.absent.iter().map(|absent| absent.part).collect();
        assert_eq!(parts, ["projections", "calibration_check", "cross_fit", "fusion"]);
        assert!(report.absent.iter().all(|absent| absent.why.contains("few")), "{:?}", report.absent);
        assert!(report.calibration_problem.unwrap().contains("too few"));
    }

    #[test]
    fn one_person_under_two_names_is_suspected() {
        let mut set = made_up(40, 4, 0.3);
        // A photo of the first person labelled as the second.
        let template = set.template(0).cloned();
        set.push(1, template);
        set.lines = (2..).take(set.len()).collect();
        let material = Material::make(&set, ComparisonPlan::AllPairs { comparisons_max: u64::MAX, seed: 0 });
        let suspects = suspected_labels(&material);
        assert!(suspects.iter().any(|s| (s.line_a, s.line_b) == (2, 162)), "{suspects:?}");
    }
}
