//! `chinhchu calibrate`: writes the calibration of a model pack.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::evaluate::{COMPARISONS_MAX_DEFAULT, WANTS, kept_inputs, start_threads};
use super::files::{self, Readers};
use super::labelled::{LabelledArgs, LabelledSet, Loader, RulesArgs, check_numbers};
use super::settings::Settings;
use super::{Exit, Failure, GlobalArgs, Outcome, date, outcome, print, runtime};
use crate::evaluation::{
    ComparisonRules, CurveDescription, FitError, FitInput, FittedCurves, GroupBy, GroupObservation, ListedComparisons,
    PhotoGroups, fit_curve, fit_population,
};
use crate::face::Wants;
use crate::matching::{CALIBRATION_VERSION, Calibration, Curve, CurveBasis, Reference};

const EXAMPLES: &str = "\
Examples:
  chinhchu calibrate --manifest people.csv --population \"2,000 pensioners of two provinces\"
  chinhchu calibrate --evaluation report --population \"2,000 pensioners\" --out calibration.toml
  chinhchu calibrate --manifest people.csv --reference chip --references source=chip \\
                     --population \"clinic captures against card photos\"
  chinhchu calibrate --manifest people.csv --groups region+sex --within set --weigh people \\
                     --population \"captures of three regions\"

A calibration turns scores into false match rates: counted where the data is plenty, a fitted
tail beyond, both with their uncertainty. It holds for one recipe of a model pack, for the
number of captures in a probe, and for what a probe is compared with; it names whose photos it
was fitted on. Fit it on your own people where you can.

A comparison takes the curve for its number of different captures and for its kind of
reference: --reference chip for the photo of a card's chip (also where it is the enrolled
reference), live for enrolled captures, any for everything else and for searches. Where there
is none of that kind it takes the one for any, and every answer says which curve it was.

With --groups there are two curves: of all people (pooled), and of the group with the highest
false match rate among those with enough people (--people-min) and 30 false matches. Rates are
stated by the second unless somebody asks for --curve pooled. Where few of the group's people
have several photos, its curves for several captures are derived, and say so.

Curves for other kinds of references stay in a file that is there already; those of this kind
are replaced. A file of another recipe is replaced altogether.

Exit code: 0 written, 1 written but some rows were left out, 2 the input cannot be used, is too
little, or wrong usage.";

/// Most frames of a probe.
const FRAMES_MAX: u32 = 5;

/// Parsed arguments.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CalibrateArgs {
    #[command(flatten)]
    labelled: LabelledArgs,
    /// Use the photos of the evaluation in this folder, and the templates it has kept
    #[arg(long, value_name = "DIR", conflicts_with_all = ["manifest", "pairs"])]
    evaluation: Option<PathBuf>,
    /// Whose photos they are: stands in the file and in every answer's small print
    #[arg(long, value_name = "TEXT")]
    population: String,
    /// What probes are compared with
    #[arg(long, value_enum, default_value_t, value_name = "KIND")]
    reference: ReferenceOption,
    /// References are the photos whose COLUMN of the manifest is VALUE, probes the others
    /// [default: every photo is both]
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = condition, conflicts_with = "pairs")]
    references: Option<(String, String)>,
    #[command(flatten)]
    rules: RulesArgs,
    /// Fit curves of their own for the worst of these groups, too: photos with the same value
    /// of a column, or of several, as population+sex
    #[arg(long, value_name = "COLUMN[:STEP][+COLUMN]", value_parser = GroupBy::parse, conflicts_with = "pairs")]
    groups: Option<GroupBy>,
    /// Most captures fused into a probe; a curve for each number up to it
    #[arg(long, value_name = "N", default_value_t = FRAMES_MAX, value_parser = clap::value_parser!(u32).range(1..=5))]
    frames: u32,
    /// Where to write it [default: calibration.toml in the model pack]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Folder to keep templates in while photos are looked at [default: nowhere]
    #[arg(long, value_name = "DIR", conflicts_with = "evaluation")]
    cache: Option<PathBuf>,
    /// Most comparisons made with single captures; beyond it, they are a random sample
    #[arg(long, value_name = "N", default_value_t = COMPARISONS_MAX_DEFAULT)]
    comparisons_max: u64,
    /// Day of the fit [default: today, UTC]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    date: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

// The variants have no doc comments: clap would make a paragraph of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum ReferenceOption {
    #[default]
    Any,
    Live,
    Chip,
}

fn condition(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((column, value)) if !column.is_empty() => Ok((column.to_owned(), value.to_owned())),
        _ => Err("write COLUMN=VALUE, for example source=chip".to_owned()),
    }
}

/// The `calibrate` answer.
#[derive(Serialize)]
struct CalibrateAnswer<'a> {
    out: &'a Path,
    recipe: String,
    left_out: u64,
    failures: u64,
    curves: Vec<CurveFitted>,
    /// Rates of every group, in descending order.
    groups: Vec<GroupObservation>,
    skipped: Vec<String>,
}

/// A fitted curve.
#[derive(Serialize)]
struct CurveFitted {
    probe_frames: u32,
    reference: &'static str,
    /// `pooled`, or the worst group.
    group: String,
    /// The unit that has equal weight in it.
    weighed: &'static str,
    /// `counted` or `derived`.
    basis: &'static str,
    subjects: u64,
    impostor_comparisons: u64,
    genuine_comparisons: u64,
    /// Lowest FMR that was counted.
    fmr_supported: f64,
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: CalibrateArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let settings = Settings::new(global)?;
    start_threads(&settings);
    let (labelled, cache) = match &args.evaluation {
        Some(folder) => (
            LabelledArgs { no_cache: args.labelled.no_cache, ..kept_inputs(folder)? },
            Some(folder.join("templates.cache")),
        ),
        None => (args.labelled.clone(), args.cache.as_ref().map(|folder| folder.join("templates.cache"))),
    };
    if let Some(folder) = &args.cache {
        std::fs::create_dir_all(folder)
            .map_err(|e| Failure::new(format_args!("--cache {}: {e}; check the path", folder.display())))?;
    }
    // The cache is shared with evaluations.
    let wants = if cache.is_some() { WANTS } else { Wants::default() };
    let loader = Loader::new(&settings, &labelled, cache.as_deref(), wants)?;
    let recipe = loader.recipe();
    let out = args.out.clone().unwrap_or_else(|| loader.pack_folder().join("calibration.toml"));
    let grouped = args.groups.iter().chain(&args.rules.within).flat_map(GroupBy::columns);
    let columns = args.references.iter().map(|(column, _)| column.as_str()).chain(grouped);
    let columns: Vec<String> = columns.map(str::to_owned).collect();
    if (labelled.manifest.is_none() || labelled.pairs.is_some()) && !columns.is_empty() {
        return Err(Failure::new(
            "--references, --groups and --within take a manifest with those columns, and no list of pairs; give \
             --manifest FILE",
        ));
    }
    let loaded = loader.load(&labelled, &columns)?;
    check_numbers(&loaded.set, &labelled, args.groups.iter().chain(&args.rules.within))?;

    let fit = fit(&loaded, &args);
    // Without a curve for single captures there is no calibration.
    let FittedCurves { pooled, worst, groups, skipped } =
        fit.map_err(|e| Failure::new(format_args!("no calibration was written: {e}")))?;
    let mut curves: Vec<Curve> = pooled.into_iter().chain(worst).collect();
    let fitted = curves.iter().map(fitted).collect();
    let kind = reference(args.reference);
    let older = Calibration::load(&out, recipe).map(|older| older.curves).unwrap_or_default();
    curves.extend(older.into_iter().filter(|curve| curve.reference != kind));
    let calibration = Calibration { version: CALIBRATION_VERSION, recipe: recipe.to_string(), curves };
    write_checked(&out, &calibration, recipe)?;

    let failures = loaded.inputs.failures.values().sum();
    let left_out = loaded.inputs.left_out.count;
    let answer =
        CalibrateAnswer { out: &out, recipe: recipe.to_string(), left_out, failures, curves: fitted, groups, skipped };
    if args.json {
        print::json(&answer)?;
    } else {
        print::answer(&text(&answer))?;
    }
    Ok(if left_out == 0 { Exit::Success } else { Exit::Negative })
}

fn fit(loaded: &LabelledSet, args: &CalibrateArgs) -> Result<FittedCurves, FitError> {
    let about = CurveDescription {
        reference: reference(args.reference),
        population: args.population.clone(),
        date: args.date.clone().unwrap_or_else(date::today),
        ..CurveDescription::unlabelled()
    };
    let set = &loaded.set;
    if let Some(pairs) = &loaded.pairs {
        // A list defines comparisons of single photos only.
        let curve = fit_curve(&ListedComparisons { set, pairs }, set.subjects(), about)?;
        return Ok(FittedCurves { pooled: vec![curve], worst: Vec::new(), groups: Vec::new(), skipped: Vec::new() });
    }
    let grouped = |by: &Option<GroupBy>| by.as_ref().and_then(|by| PhotoGroups::of(set, by));
    let (within, groups) = (grouped(&args.rules.within), grouped(&args.groups));
    let of = args.references.as_ref().and_then(|(column, value)| Some((set.column(column)?, value.as_str())));
    let is_reference = of.map(|(column, value)| move |photo: u32| column.value(photo) == value);
    fit_population(&FitInput {
        set,
        rules: ComparisonRules { within: within.as_ref(), weighed: args.rules.weigh.into() },
        groups: groups.as_ref(),
        people_min: args.rules.people_min,
        include: &|_| true,
        references: is_reference.as_ref().map(|of| of as &(dyn Fn(u32) -> bool + Sync)),
        frames_max: args.frames,
        comparisons_max: args.comparisons_max,
        about,
    })
}

fn reference(kind: ReferenceOption) -> Reference {
    match kind {
        ReferenceOption::Any => Reference::Any,
        ReferenceOption::Live => Reference::Live,
        ReferenceOption::Chip => Reference::Chip,
    }
}

/// Writes the file atomically, after checking that it can be loaded.
fn write_checked(out: &Path, calibration: &Calibration, recipe: crate::face::RecipeDigest) -> Result<(), Failure> {
    let text = calibration.to_toml();
    let folder = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let trial = folder.join(".calibration.trial.toml");
    files::write(&trial, Readers::All, text.as_bytes())?;
    let read = Calibration::load(&trial, recipe);
    // Best effort: a leftover is overwritten by the next run.
    let _ = std::fs::remove_file(&trial);
    read.map_err(|e| Failure::new(format_args!("the fit makes no sense, nothing was written: {e}")))?;
    files::write(out, Readers::All, text.as_bytes())
}

fn fitted(curve: &Curve) -> CurveFitted {
    CurveFitted {
        probe_frames: curve.probe_frames,
        reference: curve.reference.name(),
        group: curve.group.clone(),
        weighed: curve.weighed.name(),
        basis: curve.basis.name(),
        subjects: curve.subjects,
        impostor_comparisons: curve.impostor_comparisons,
        genuine_comparisons: curve.genuine_comparisons,
        fmr_supported: curve.fmr_supported(),
    }
}

fn text(answer: &CalibrateAnswer<'_>) -> String {
    let mut text = format!("{}: recipe {}", answer.out.display(), answer.recipe);
    for curve in &answer.curves {
        text += &format!(
            "\n{} capture(s) against {}, {}{}: {} people, {} impostor and {} genuine comparisons, counted down to FMR {}",
            curve.probe_frames,
            curve.reference,
            outcome::one_line(&curve.group),
            if curve.basis == CurveBasis::Derived.name() { " (derived)" } else { "" },
            curve.subjects,
            curve.impostor_comparisons,
            curve.genuine_comparisons,
            print::rate(curve.fmr_supported)
        );
    }
    for seen in &answer.groups {
        let rate = seen.fmr.map_or("cannot be told".to_owned(), print::rate);
        text += &format!(
            "\ngroup {}: FMR {rate} at the pooled threshold for {}, {} people, {} comparisons{}",
            outcome::one_line(&seen.group),
            print::rate(seen.pooled_fmr),
            seen.subjects,
            seen.impostor_comparisons,
            if seen.worst { ": the worst" } else { "" }
        );
    }
    for skipped in &answer.skipped {
        text += &format!("\nno curve for {}", outcome::one_line(skipped));
    }
    if answer.left_out + answer.failures > 0 {
        text += &format!(
            "\n{} rows left out, {} photos without a template; `chinhchu evaluate` on the same input lists them",
            answer.left_out, answer.failures
        );
    }
    text
}
