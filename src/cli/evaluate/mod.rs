//! `chinhchu evaluate`: error rates on labelled photos.

mod inputs;
mod pad;
mod summary;

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::files::{self, Readers};
use super::labelled::{LabelledArgs, Loader, RulesArgs, check_numbers};
use super::settings::Settings;
use super::{Exit, Failure, GlobalArgs, Outcome, date, print, runtime};
use crate::evaluation::{AGING_COLUMNS, Bootstrap, EvaluationOptions, GroupBy, evaluate, page, plots};
use crate::face::Wants;
use crate::matching::{Calibration, Curve, CurveChoice};
use inputs::keep_inputs;
pub(super) use inputs::kept_inputs;
use pad::run_pad;
use summary::{nothing_to_compare, summary};

const EXAMPLES: &str = "\
Examples:
  chinhchu evaluate --manifest people.csv --out report
  chinhchu evaluate --manifest people.csv --only pose=frontal --by sex --by age:10 --out report
  chinhchu evaluate --manifest people.csv --within set --by sex --by sex+set --weigh people \\
                    --cross-fit 10 --groups sex --out report
  chinhchu evaluate --manifest people.csv --frames 3 --splits 20 --project-to 1000000 --out report
  chinhchu evaluate --pairs lfw/pairs.txt --images lfw --out report
  chinhchu evaluate --pairs cfp/Protocol --protocol fp --out report
  chinhchu evaluate --pad --manifest presentations.csv --out report
  chinhchu evaluate --pad --frames 5 --manifest presentations.csv --out report

The manifest is a CSV file with the columns subject_id,path and any others; relative paths
start at its folder. All photos are compared with each other, or the pairs of a list. With
--pad it has a column attack instead: empty or bona_fide for live people, otherwise the type
of attack.

FNMR by age and by the years between two photos is there where the manifest has the columns
age (years) and captured_at (2024, 2024-05 or 2024-05-17).

DIR gets report.json, index.html (self-contained, for management), det.svg, scores.svg and
threshold.svg. It also keeps templates.cache, so that a run that was interrupted goes on where
it was: that file is biometric data, readable by its owner alone; --no-cache does without.

No rate is printed on fewer than 30 errors. Intervals are those of a bootstrap over people.
The same input gives the same bytes, whatever the number of threads.

Exit code: 0 done, 1 done but some rows were left out (the report lists them), 2 the input
cannot be used or supports no comparison, the disk is full, or wrong usage.";

/// Default of `--seed`.
const SEED_DEFAULT: u64 = 1;

/// Measurements taken with the templates in a cache: the same for all commands that share one.
pub(super) const WANTS: Wants = Wants { quality: true, pose: false, liveness: false };

/// Parsed arguments.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct EvaluateArgs {
    #[command(flatten)]
    labelled: LabelledArgs,
    /// Folder for the report; made where it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    rules: RulesArgs,
    /// Rates within the groups of a column, as sex, of a column of numbers in steps, as
    /// age:10, or of several columns, as sex+set, and how far they are apart; may be given
    /// several times
    #[arg(long, value_name = "COLUMN[:STEP][+COLUMN]", value_parser = GroupBy::parse)]
    by: Vec<GroupBy>,
    /// Compare ways of fusing so many captures into a probe; with --pad, of judging up to so
    /// many together; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=5))]
    frames: u8,
    /// Draws of captures per person for --frames
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Check the calibration on so many splits of the people; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1000))]
    splits: u64,
    /// Check the calibration by a cross-fit in so many folds of the people, the worst group
    /// found anew in each; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = folds, conflicts_with = "pairs")]
    cross_fit: u64,
    /// Groups among which the cross-fit finds the worst [default: none, the pooled curve alone]
    #[arg(long, value_name = "COLUMN[+COLUMN]", value_parser = GroupBy::parse, requires = "cross_fit")]
    groups: Option<GroupBy>,
    /// Expected FNIR in a gallery of so many people, by the pack's curves as well; may be
    /// given several times
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000_000))]
    project_to: Vec<u64>,
    /// Repetitions of the bootstrap behind intervals
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(100..=100_000))]
    replicates: u64,
    /// Fixes every random draw
    #[arg(long, value_name = "N", default_value_t = SEED_DEFAULT)]
    seed: u64,
    /// Most comparisons made; beyond it, impostor pairs are a random sample
    #[arg(long, value_name = "N", default_value_t = COMPARISONS_MAX_DEFAULT)]
    comparisons_max: u64,
    /// Test presentation attack detection instead: APCER and BPCER by the column attack
    #[arg(long, requires = "manifest", conflicts_with_all = [
        "pairs", "templates", "by", "within", "weigh", "people_min", "splits", "cross_fit", "groups", "project_to",
        "comparisons_max"
    ])]
    pad: bool,
    /// Liveness score from which on a face is taken for live, 0 to 1 [default: liveness_min
    /// of the default policy]
    #[arg(long, value_name = "SCORE", value_parser = share, requires = "pad")]
    liveness_threshold: Option<f32>,
    /// Day to put on the report [default: none, so that the same input gives the same bytes]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    date: Option<String>,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// Default of `--comparisons-max`: minutes of work.
pub(super) const COMPARISONS_MAX_DEFAULT: u64 = 5_000_000_000;

fn folds(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(folds @ (0 | 3..=50)) => Ok(folds),
        _ => Err("a cross-fit takes 3 to 50 folds, or 0 for none".to_owned()),
    }
}

fn share(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(score) if (0.0..=1.0).contains(&score) => Ok(score),
        _ => Err("a liveness score lies between 0 and 1".to_owned()),
    }
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]: a sentence and an exit code.
pub fn run(global: &GlobalArgs, args: EvaluateArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let settings = Settings::new(global)?;
    fs::create_dir_all(&args.out).map_err(|e| files::unwritable(&args.out, &e))?;
    start_threads(&settings);
    if args.pad {
        return run_pad(&args, &settings);
    }
    let cache = args.out.join("templates.cache");
    let loader = Loader::new(&settings, &args.labelled, Some(&cache), WANTS)?;
    let grouped = args.by.iter().chain(&args.groups).chain(&args.rules.within);
    let columns: Vec<String> = grouped.flat_map(GroupBy::columns).map(str::to_owned).collect();
    if args.labelled.manifest.is_none() && !columns.is_empty() {
        return Err(Failure::new("--by takes a manifest with that column; give --manifest FILE"));
    }
    if args.groups.is_some() && args.cross_fit == 0 {
        return Err(Failure::new("--groups are those of a cross-fit; give --cross-fit 3 to 50, or leave out --groups"));
    }
    if let Some((_, by)) = args.by.iter().enumerate().find(|(i, by)| args.by[..*i].contains(by)) {
        return Err(Failure::new(format_args!("--by {} is there twice; leave out one", by.name())));
    }
    if args.rules.within.is_some() && args.labelled.pairs.is_some() {
        return Err(Failure::new("a list says which photos are compared; leave out --within or --pairs"));
    }
    let stated = stated_curves(&loader);
    let mut loaded = loader.load_with(&args.labelled, &columns, &AGING_COLUMNS)?;
    check_numbers(&loaded.set, &args.labelled, args.by.iter().chain(&args.groups).chain(&args.rules.within))?;
    loaded.inputs.date.clone_from(&args.date);
    let options = EvaluationOptions {
        bootstrap: Bootstrap { repetitions: args.replicates, seed: args.seed },
        by: args.by.clone(),
        within: args.rules.within.clone(),
        weighed: args.rules.weigh.into(),
        stated,
        groups: args.groups.clone(),
        people_min: args.rules.people_min,
        folds: args.cross_fit,
        frames: usize::from(args.frames),
        seeds: args.seeds,
        splits: args.splits,
        project_to: args.project_to.clone(),
        comparisons_max: args.comparisons_max,
    };
    let plan = loaded.plan(args.comparisons_max, args.seed);
    let report = evaluate(&loaded.set, plan, loaded.inputs.clone(), &options);
    if report.genuine + report.impostor == 0 {
        return Err(Failure::new(nothing_to_compare(&report)));
    }
    let drawn = plots(&report);
    // Kept only for an evaluation that gave a report, so that calibrate can rely on it.
    keep_inputs(&args)?;
    // report.json is written last: if it exists, the other files do, too.
    args.write("det.svg", drawn.det.as_str().as_bytes())?;
    args.write("scores.svg", drawn.scores.as_str().as_bytes())?;
    args.write("threshold.svg", drawn.threshold.as_str().as_bytes())?;
    if let Some(discard) = &drawn.discard {
        args.write("discard.svg", discard.as_str().as_bytes())?;
    }
    args.write("index.html", page(&report, &drawn).as_bytes())?;
    args.write("report.json", &json_bytes(&report)?)?;
    if args.json {
        print::json(&report)?;
    } else {
        print::answer(&summary(&report, &args.out))?;
    }
    Ok(if report.left_out.count == 0 { Exit::Success } else { Exit::Negative })
}

/// The curves of the pack's calibration for single photos: pooled, and of the worst group; empty if
/// the pack has no calibration for its recipe.
fn stated_curves(loader: &Loader<'_>) -> Vec<Curve> {
    let path = loader.pack_folder().join("calibration.toml");
    let Ok(calibration) = Calibration::load(&path, loader.recipe()) else { return Vec::new() };
    let of = |choice| calibration.curve(choice, 1).ok().cloned();
    let (pooled, worst) = (of(CurveChoice::Pooled), of(CurveChoice::WorstGroup));
    pooled.into_iter().chain(worst).fold(Vec::new(), |mut curves: Vec<Curve>, curve| {
        if curves.iter().all(|known| known.group != curve.group) {
            curves.push(curve);
        }
        curves
    })
}

/// Starts as many Rayon threads as there are workers. If the pool exists already, its size stays;
/// results do not depend on it.
pub(super) fn start_threads(settings: &Settings) {
    let _ = rayon::ThreadPoolBuilder::new().num_threads(settings.workers()).build_global();
}

fn json_bytes(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|e| {
        Failure::new(format_args!("cannot write the report as JSON: {e}; this is a defect of chinhchu"))
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}

impl EvaluateArgs {
    /// Writes a file of the report.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        files::write(&self.out.join(name), Readers::All, bytes)
    }
}
