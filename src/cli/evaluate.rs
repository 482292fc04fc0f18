//! `chinhchu evaluate`: error rates on labelled photos.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use super::files::{self, Readers};
use super::labelled::{CfpPart, LIVENESS, LabelledArgs, LabelledSet, Loader, TermsArgs, check_numbers};
use super::settings::Settings;
use super::{Exit, Failure, GlobalArgs, Outcome, date, print, runtime};
use crate::evaluation::{
    AGING_COLUMNS, BONA_FIDE, Bootstrap, EvaluationOptions, EvaluationReport, GroupBy, ManifestColumn, PadDocument,
    PhotoSet, Presentation, Rate, SkippedRows, evaluate, pad, pad_frames, pad_page, pad_text, page, plots,
};
use crate::face::Wants;
use crate::matching::{Calibration, Curve, CurveChoice};
use crate::workflow::beneficiary::Policy;

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

/// Fixes every random draw where nobody names a seed.
const SEED_DEFAULT: u64 = 1;
/// What the input folder's options are kept in.
const INPUTS_FILE: &str = "inputs.json";

/// What is looked at beside the template, for templates that are kept: the same for all
/// who keep them in one place.
pub(super) const WANTS: Wants = Wants { quality: true, pose: false, liveness: false };

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct EvaluateArgs {
    #[command(flatten)]
    labelled: LabelledArgs,
    /// Folder for the report; made where it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    terms: TermsArgs,
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

/// Comparisons where nobody says otherwise: minutes of work.
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
/// What stands in the way, as a sentence with an exit code.
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
    let grouped = args.by.iter().chain(&args.groups).chain(&args.terms.within);
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
    if args.terms.within.is_some() && args.labelled.pairs.is_some() {
        return Err(Failure::new("a list says which photos are compared; leave out --within or --pairs"));
    }
    let stated = stated_curves(&loader);
    let mut loaded = loader.load_with(&args.labelled, &columns, &AGING_COLUMNS)?;
    check_numbers(&loaded.set, &args.labelled, args.by.iter().chain(&args.groups).chain(&args.terms.within))?;
    loaded.inputs.date.clone_from(&args.date);
    let options = EvaluationOptions {
        bootstrap: Bootstrap { repetitions: args.replicates, seed: args.seed },
        by: args.by.clone(),
        within: args.terms.within.clone(),
        weighed: args.terms.weigh.into(),
        stated,
        groups: args.groups.clone(),
        people_min: args.terms.people_min,
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
    // What a calibration may be fitted on: an evaluation that gave a report.
    keep_inputs(&args)?;
    // The report last: where it is, all it is made of is there.
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

/// The curves of the pack's calibration for single photos: pooled, and of the worst group.
/// A pack without a calibration of its recipe states nothing.
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

/// Rayon's threads are as many as there are workers. A pool that was made already keeps
/// its number; results do not depend on it.
pub(super) fn start_threads(settings: &Settings) {
    let _ = rayon::ThreadPoolBuilder::new().num_threads(settings.workers()).build_global();
}

fn run_pad(args: &EvaluateArgs, settings: &Settings) -> Outcome {
    let cache = args.out.join("liveness.cache");
    let wants = Wants { liveness: true, ..Wants::default() };
    let loader = Loader::new(settings, &args.labelled, Some(&cache), wants)?;
    let mut loaded = loader.load(&args.labelled, &["attack".to_owned()])?;
    loaded.inputs.date.clone_from(&args.date);
    let LabelledSet { set, inputs, .. } = &loaded;
    let scores = set.measures.iter().find(|measure| measure.name == LIVENESS);
    let Some(scores) = scores else {
        return Err(Failure::new(
            "no photo has a liveness score; the model pack names no liveness network, or no photo shows a face",
        ));
    };
    let attacks = set.column("attack");
    if let Some(attacks) = attacks {
        check_attacks(set, attacks, &args.labelled)?;
    }
    let presentations: Vec<Presentation> = (0..set.len() as u32)
        .map(|photo| {
            let attack = attacks.map_or("", |column| column.value(photo)).trim();
            Presentation {
                attack: (!attack.is_empty() && !attack.eq_ignore_ascii_case(BONA_FIDE)).then(|| attack.to_owned()),
                subject: set.subject(photo),
                score: scores.values.get(photo as usize).copied().flatten(),
            }
        })
        .collect();
    let bootstrap = Bootstrap { repetitions: args.replicates, seed: args.seed };
    let policy = settings.policies.find("").map(|(_, policy)| policy.liveness_min());
    let threshold = args.liveness_threshold.or(policy).unwrap_or_else(|| Policy::default().liveness_min());
    let mut rates = pad(&presentations, set.subjects(), threshold, bootstrap);
    rates.frames = (args.frames > 0).then(|| {
        let frames_max = usize::from(args.frames);
        pad_frames(&presentations, set.subjects(), threshold, frames_max, args.seeds, bootstrap)
    });
    let document = PadDocument::new(inputs.clone(), bootstrap, rates);
    args.write("index.html", pad_page(&document).as_bytes())?;
    args.write("report.json", &json_bytes(&document)?)?;
    if args.json {
        print::json(&document)?;
    } else {
        let text = pad_text(&document.pad, super::outcome::one_line);
        let left_out = left_out(&document.left_out);
        print::answer(&format!("{text}{left_out}\nreport: {}", args.out.join("index.html").display()))?;
    }
    Ok(if document.left_out.count == 0 { Exit::Success } else { Exit::Negative })
}

/// What somebody may write for live people, and that names no attack.
const LIVE_WORDS: [&str; 8] = ["live", "real", "genuine", "bonafide", "bona-fide", "bona fide", "none", "no"];

/// An error where the type of an attack is a word for live people: they would count as an
/// attack that always passes.
fn check_attacks(set: &PhotoSet, attacks: &ManifestColumn, args: &LabelledArgs) -> Result<(), Failure> {
    let is_live = |value: &str| LIVE_WORDS.iter().any(|word| value.trim().eq_ignore_ascii_case(word));
    match (0..set.len() as u32).find(|&photo| is_live(attacks.value(photo))) {
        None => Ok(()),
        Some(photo) => Err(Failure::new(format_args!(
            "{}line {}: the attack is \"{}\"; for live people leave the column attack empty, or write bona_fide",
            args.manifest_named(),
            set.lines.get(photo as usize).copied().unwrap_or(0),
            attacks.value(photo).trim()
        ))),
    }
}

/// Rows left out and the first of them, as a line; empty where there is none.
fn left_out(left_out: &SkippedRows) -> String {
    match left_out.lines.first() {
        None => String::new(),
        Some(first) => format!(
            "\nrows left out: {}; the first is line {}: {} ({}); the report lists them",
            left_out.count,
            first.line,
            super::outcome::one_line(&first.what),
            first.reason
        ),
    }
}

/// Why there is no report, and what would help.
fn nothing_to_compare(report: &EvaluationReport) -> String {
    let photos = report.photos - report.failures;
    if report.photos == 0 && report.left_out.count == 0 && !report.only.is_empty() {
        let only = report.only.join(" and ");
        return format!("nothing to compare: no row has {only}; check the spelling of --only");
    }
    let why = match (report.left_out.lines.first(), report.failure_reasons.iter().next()) {
        (Some(line), _) => format!(" (line {}: {})", line.line, line.what),
        (None, Some((reason, count))) => format!(" ({count} x {reason})"),
        (None, None) => String::new(),
    };
    if let (Some(within), true) = (&report.within, photos > 1) {
        return format!(
            "nothing to compare: no two of the {photos} photos with a template are of the same {within}{why}; leave out \
             --within, or name another column"
        );
    }
    format!(
        "nothing to compare: {photos} photos gave a template, {} rows were left out{why}; give two photos at least that \
         can be used",
        report.left_out.count
    )
}

/// What a person in front of a terminal wants to know.
fn summary(report: &EvaluationReport, out: &Path) -> String {
    let mut text = format!(
        "{} photos of {} people: {} without a template; {} rows left out\n{} genuine and {} impostor comparisons ({})",
        report.photos,
        report.subjects,
        report.failures,
        report.left_out.count,
        report.genuine,
        report.impostor,
        super::outcome::one_line(&report.compared())
    );
    let percent = |rate: f64| format!("{:.2} %", rate * 100.0);
    let between = |low: Option<f64>, high: Option<f64>| match (low, high) {
        (Some(low), Some(high)) => format!(" ({} to {})", percent(low), percent(high)),
        _ => String::new(),
    };
    for p in &report.fnmr_at_fmr {
        text += &match (p.fnmr, p.threshold, &p.not_resolved) {
            (Some(fnmr), Some(threshold), _) => format!(
                "\n  FMR {:.0e}  threshold {threshold:.4}  FNMR {}{}",
                p.fmr,
                percent(fnmr),
                between(p.low, p.high)
            ),
            (_, _, why) => format!("\n  FMR {:.0e}  {}", p.fmr, why.as_deref().unwrap_or("not resolved")),
        };
    }
    if let Some(test) = &report.open_set
        && let Some(rank_one) = test.rank_one
    {
        let ends = between(test.rank_one_low, test.rank_one_high);
        text += &format!("\n1:N among {}: rank 1 {}{ends}", test.gallery, percent(rank_one));
    }
    for p in &report.projections {
        let expected = p.fnir.map_or("not resolved".to_owned(), |fnir| percent(fnir) + &between(p.low, p.high));
        let mark = match p.decades_extrapolated {
            0.0 => String::new(),
            decades => format!(", extrapolated by {decades:.1} powers of ten"),
        };
        text += &format!(
            "\nin a gallery of {}, by {}: FNIR {expected} at FPIR {}{mark}",
            p.gallery,
            super::outcome::one_line(&p.curve),
            percent(p.fpir)
        );
    }
    for curve in &report.discard {
        if let Some(p) = curve.points.iter().find(|p| p.discarded == 0.05)
            && let Some(by) = p.lowered_by
        {
            let ends = between(p.lowered_by_low, p.lowered_by_high);
            text += &format!("\nwithout the worst 5 % by {}: FNMR lowered by {}{ends}", curve.measure, percent(by));
        }
    }
    if let Some(fusion) = &report.fusion {
        text += &format!("\n{} captures, FNMR at FMR {:.0e}:", fusion.frames, fusion.fmr);
        let resolved = fusion.ways.iter().any(|way| way.fnmr.rate.is_some());
        if !resolved {
            text += " no way of fusing them is resolved, there are too few comparisons";
        }
        for way in fusion.ways.iter().filter(|_| resolved) {
            let rate = way.fnmr.rate.map_or("not resolved".to_owned(), percent);
            let over = way.over_mean.map_or(String::new(), |over| {
                format!(
                    ", over the plain mean {:+.2} points{}",
                    over * 100.0,
                    between(way.over_mean_low, way.over_mean_high)
                )
            });
            text += &format!("\n  {rate}  {}{over}", way.way);
        }
        text += &format!("\n  to be used: {}", fusion.winner);
    }
    if let Some(check) = &report.calibration_check {
        for rate in &check.rates {
            text += &format!(
                "\ncalibration: the interval for FMR {:.0e} held on the people left out in {} of {} splits",
                rate.fmr,
                rate.inside,
                rate.splits.len()
            );
        }
    }
    if let Some(check) = &report.cross_fit {
        text += &format!("\ncross-fit in {} folds, {} fits", check.folds, check.fits);
        for row in &check.rows {
            for at in &row.at {
                text += &format!(
                    "\ncross-fit, {} curve, {}: FMR {:.0e} stated, {:.2e} seen, {:.2} times ({} of {} comparisons){}",
                    row.curve,
                    super::outcome::one_line(&row.group),
                    at.fmr,
                    at.seen,
                    at.times,
                    at.false_matches,
                    at.comparisons,
                    if at.inside == Some(false) { ", outside the stated interval" } else { "" }
                );
            }
        }
    }
    for by in &report.differentials {
        for at in by.at.iter().filter(|at| at.threshold.stated) {
            let rate = |rate: &Rate| rate.rate.map_or("not resolved".to_owned(), percent);
            text += &format!(
                "\nby {} at {:.4}, stated FMR {:.0e} ({}): FMR {} within groups{}, FNMR {}",
                super::outcome::one_line(&by.by),
                at.threshold.threshold,
                at.threshold.for_fmr,
                super::outcome::one_line(&at.threshold.of),
                rate(&at.within_fmr),
                at.within_fmr_over_stated.times.map_or(String::new(), |t| format!(" ({t:.2} times the stated)")),
                rate(&at.fnmr)
            );
            if let Some(group) = &at.worst_fmr.group {
                let over =
                    at.worst_fmr.over_pooled.times.map_or(String::new(), |t| format!(", {t:.2} times the pooled"));
                text += &format!("; worst {}{over}", super::outcome::one_line(group));
            }
        }
    }
    text += &left_out(&report.left_out);
    for warning in &report.doubts {
        text += &format!("\n{}", super::outcome::one_line(&warning.sentence()));
    }
    for absent in &report.absent {
        text += &format!("\n{}: not there, {}", absent.name(), super::outcome::one_line(&absent.why));
    }
    if !report.suspected_labels.is_empty() {
        text += &format!("\n{} pairs of rows look like one person under two names", report.suspected_labels.len());
    }
    text + &format!("\nreport: {}", out.join("index.html").display())
}

fn json_bytes(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|e| {
        Failure::new(format_args!("cannot write the report as JSON: {e}; this is a defect of chinhchu"))
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// What an evaluation was of, so that a calibration can be fitted on the same photos.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptInputs {
    manifest: Option<PathBuf>,
    pairs: Option<PathBuf>,
    images: Option<PathBuf>,
    protocol: CfpPart,
    templates: Option<PathBuf>,
    only: Vec<(String, String)>,
    photos_max: u64,
}

impl EvaluateArgs {
    /// Writes a file of the report.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        files::write(&self.out.join(name), Readers::All, bytes)
    }
}

fn keep_inputs(args: &EvaluateArgs) -> Result<(), Failure> {
    let absolute = |path: &Option<PathBuf>| path.as_ref().map(|p| std::path::absolute(p).unwrap_or_else(|_| p.clone()));
    let LabelledArgs { manifest, pairs, images, protocol, templates, only, photos_max, .. } = &args.labelled;
    let inputs = KeptInputs {
        manifest: absolute(manifest),
        pairs: absolute(pairs),
        images: absolute(images),
        protocol: *protocol,
        templates: absolute(templates),
        only: only.clone(),
        photos_max: *photos_max,
    };
    args.write(INPUTS_FILE, &json_bytes(&inputs)?)
}

/// What the evaluation in `folder` was of.
pub(super) fn kept_inputs(folder: &Path) -> Result<LabelledArgs, Failure> {
    let path = folder.join(INPUTS_FILE);
    let what = |e: &dyn std::fmt::Display| {
        Failure::new(format_args!("{}: {e}; --evaluation takes the folder of a `chinhchu evaluate`", path.display()))
    };
    let bytes = fs::read(&path).map_err(|e| what(&e))?;
    let KeptInputs { manifest, pairs, images, protocol, templates, only, photos_max } =
        serde_json::from_slice(&bytes).map_err(|e| what(&e))?;
    Ok(LabelledArgs { manifest, pairs, images, protocol, templates, only, photos_max, no_cache: false })
}
