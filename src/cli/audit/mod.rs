//! `chinhchu audit`: which records of a gallery share a face.

mod filters;
mod folder;
mod input;
mod officer;
mod records;
mod report;
mod show;
mod thumbnails;
mod words;
mod work;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{ArgGroup, Args, Subcommand};

use self::filters::Filters;
use self::folder::{CACHE, CHECKPOINT, Folder, KeptInputs, SEEN};
use self::input::{Reading, Source};
use self::thumbnails::Photos;
use self::work::{Scope, Sides, Status, Work, comparisons};
use super::settings::Settings;
use super::{Exit, Failure, GlobalArgs, Outcome, args, date, evaluate, print, runtime};
use crate::audit::{
    Asked, Chance, Checkpoint, Collection, Findings, Identity, KnownTemplates, Mark, Rows, SAMPLED_MAX_DEFAULT, hex,
};
use crate::face::Pack;
use crate::gallery::Timestamp;
use crate::matching::{Calibration, Curve, Fnmr};
use crate::search::Join;

const EXAMPLES: &str = "\
Examples:
  chinhchu audit --data people --fmr 1e-6 --out audit
  chinhchu audit --data people --expect-chance 100 --province 79 --out audit
  chinhchu audit --data people --since audit-2026-05 --out audit-2026-06
  chinhchu audit --manifest people.csv --out audit
  chinhchu audit --vectors t.npy --ids ids.csv --score 0.55 --out audit
  chinhchu audit --data north --against south --out audit
  chinhchu audit --same --stale 12 --data people --out records
  chinhchu audit show 1 --out audit
  chinhchu audit decide 17 --outcome twins --reason 'birth records seen' --officer o-7 --out audit
  chinhchu audit measure --out audit

Compares all templates of different subjects and lists every pair at or above the score:
pairs.csv, rings.csv (records that share a face, the best evidence first), summary.json and
index.html, to be read and printed. --same and --stale look at each record by itself
instead: same.csv lists subjects whose captures do not match each other, stale.csv records
without a verification for so many months.

The manifest and the list of ids are CSV files with the column subject_id; photos have a
column path, vectors may have template_id and recipe. Further columns are used where they are
there: sex, age or age_group, captured_at, quality, scheme, province, enrolled_at
(YYYY-MM-DD). The filters choose from the first gallery.

An audit that was stopped, however, goes on when the same command is run again. A gallery in
use is audited as it was when the audit began. The same input gives the same bytes, whatever
the number of threads; only summary.json says how long it took.

Exit code: 0 nothing found, 1 findings, 2 stopped, the input cannot be used, the disk is full,
or wrong usage.";

/// False match rate where nobody asks for anything.
const FMR_DEFAULT: f64 = 1e-6;
/// Pairs held at most where nobody says otherwise: more than anybody looks at.
const PAIRS_MAX_DEFAULT: usize = 2_000_000;
/// Fixes the sample of non-mates.
const SEED: u64 = 1;
/// Share of genuine pairs that score below what `--same` asks for.
const FNMR_DEFAULT: f64 = 0.001;

/// What was typed.
#[derive(Debug, Args)]
#[command(
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    group(ArgGroup::new("source").args(["data", "manifest", "vectors"])),
    group(ArgGroup::new("threshold").args(["fmr", "expect_chance", "score"]))
)]
pub struct AuditArgs {
    #[command(subcommand)]
    afterwards: Option<Afterwards>,
    /// Folder of the gallery [default: as configured]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Photos: a CSV file with the columns subject_id and path
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Vectors: a .npy matrix of float32 rows of length 1
    #[arg(long, value_name = "FILE.npy", requires = "ids")]
    vectors: Option<PathBuf>,
    /// Whose the vectors are: a CSV file with the column subject_id, a line for each
    #[arg(long, value_name = "FILE", requires = "vectors")]
    ids: Option<PathBuf>,
    /// Compare with this gallery folder, manifest or .npy matrix instead of with itself;
    /// the same subject id in both is the same subject
    #[arg(long, value_name = "PATH", conflicts_with = "since")]
    against: Option<PathBuf>,
    /// Whose the vectors of --against are
    #[arg(long, value_name = "FILE", requires = "against")]
    against_ids: Option<PathBuf>,
    /// Folder for what is found; made where it is not there
    #[arg(long, value_name = "DIR", required = true)]
    out: Option<PathBuf>,
    /// Score by false match rate, as the model pack is calibrated [default: 1e-6]
    #[arg(long, value_name = "RATE", value_parser = args::fmr)]
    fmr: Option<f64>,
    /// Score by the number of chance pairs one is ready to look at, estimated on this gallery
    #[arg(long, value_name = "N", value_parser = chance_pairs)]
    expect_chance: Option<f64>,
    /// The score itself
    #[arg(long, value_name = "SCORE", value_parser = score, allow_negative_numbers = true)]
    score: Option<f32>,
    /// Only those who draw from this scheme; may be given several times
    #[arg(long, value_name = "SCHEME")]
    scheme: Vec<String>,
    /// Only those who live in this province; may be given several times
    #[arg(long, value_name = "CODE")]
    province: Vec<String>,
    /// Only those enrolled on this day (UTC) or later
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    enrolled_from: Option<String>,
    /// Only those enrolled on this day (UTC) or earlier
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    enrolled_to: Option<String>,
    /// Only pairs with a template that this earlier audit has not seen
    #[arg(long, value_name = "DIR")]
    since: Option<PathBuf>,
    /// Folder of an earlier audit whose findings are known; may be given several times
    /// (those of the same gallery and of --since are known anyway)
    #[arg(long, value_name = "DIR")]
    known: Vec<PathBuf>,
    /// Instead: each subject's captures that do not match each other
    #[arg(long)]
    same: bool,
    /// Share of genuine pairs that score too low for --same
    #[arg(long, value_name = "RATE", value_parser = fnmr, default_value_t = FNMR_DEFAULT, requires = "same")]
    fnmr: f64,
    /// Instead: records without a verification for so many months, by scheme
    #[arg(long, value_name = "MONTHS", value_parser = clap::value_parser!(u32).range(1..=1200))]
    stale: Option<u32>,
    /// Day from which --stale counts back [default: today]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse, requires = "stale")]
    as_of: Option<String>,
    /// Comparisons sampled at most to estimate what chance gives
    #[arg(long, value_name = "N", default_value_t = SAMPLED_MAX_DEFAULT, value_parser = clap::value_parser!(u64).range(10_000..=100_000_000_000))]
    sample: u64,
    /// Most pairs held; an audit that finds more stops with advice
    #[arg(long, value_name = "N", default_value_t = PAIRS_MAX_DEFAULT, value_parser = pairs_max)]
    pairs_max: usize,
    /// Put small photos into index.html, which then holds people's faces
    #[arg(long, requires = "manifest")]
    thumbnails: bool,
    /// Keep no templates of photos: an interrupted run looks at them again
    #[arg(long)]
    no_cache: bool,
    /// Give up what an earlier run left in the folder
    #[arg(long)]
    restart: bool,
    /// Print the summary as one JSON object
    #[arg(long)]
    json: bool,
}

/// What is done with an audit afterwards.
#[derive(Debug, Subcommand)]
enum Afterwards {
    /// Print one ring
    Show(show::ShowArgs),
    /// Record what an investigator found of a pair
    Decide(officer::DecideArgs),
    /// How precise was the audit, by what was found?
    Measure(officer::MeasureArgs),
}

fn chance_pairs(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(pairs) if (1e-6..=1e9).contains(&pairs) => Ok(pairs),
        _ => Err("a number of pairs lies between 1e-6 and 1e9, for example 100".to_owned()),
    }
}

fn score(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(score) if (-1.0..=1.0).contains(&score) => Ok(score),
        _ => Err("a score lies between -1 and 1, for example 0.55".to_owned()),
    }
}

fn fnmr(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (1e-6..=0.5).contains(&rate) => Ok(rate),
        _ => Err("a false non-match rate lies between 1e-6 and 0.5, for example 0.001".to_owned()),
    }
}

fn pairs_max(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(pairs @ 1..=100_000_000) => Ok(pairs),
        _ => Err("hold 1 to 100000000 pairs".to_owned()),
    }
}

/// What will be done.
struct Plan {
    first: Source,
    second: Option<Source>,
    out: PathBuf,
    asked: Asked,
    filters: Filters,
    since: Option<PathBuf>,
}

impl Plan {
    fn new(args: &AuditArgs, settings: &Settings) -> Result<Self, Failure> {
        let data = args.data.as_ref().or(settings.data.as_ref().filter(|_| args.manifest.is_none()));
        let first = match (&args.manifest, &args.vectors, &args.ids, data) {
            (Some(manifest), ..) => Source::Manifest(manifest.clone()),
            (None, Some(matrix), Some(ids), _) => Source::Vectors { matrix: matrix.clone(), ids: ids.clone() },
            (None, _, _, Some(data)) => Source::Gallery(data.clone()),
            _ => {
                return Err(Failure::new(
                    "nothing to audit; give --data DIR, --manifest FILE, or --vectors FILE.npy with --ids FILE",
                ));
            }
        };
        let second = args.against.as_ref().map(|path| Source::of_path(path, args.against_ids.as_ref())).transpose()?;
        let out = args.out.clone().ok_or_else(|| Failure::new("name a folder with --out DIR"))?;
        let asked = match (args.fmr, args.expect_chance, args.score) {
            (Some(fmr), ..) => Asked::Fmr(fmr),
            (_, Some(pairs), _) => Asked::ExpectChance(pairs),
            (_, _, Some(score)) => Asked::Score(score),
            _ => Asked::Fmr(FMR_DEFAULT),
        };
        Ok(Self { first, second, out, asked, filters: filters_of(args)?, since: args.since.clone() })
    }

    fn sources(&self) -> impl Iterator<Item = &Source> {
        std::iter::once(&self.first).chain(&self.second)
    }

    /// Folder of the gallery, if it is one.
    fn gallery(&self) -> Option<PathBuf> {
        match &self.first {
            Source::Gallery(folder) => Some(std::path::absolute(folder).unwrap_or_else(|_| folder.clone())),
            _ => None,
        }
    }
}

fn filters_of(args: &AuditArgs) -> Result<Filters, Failure> {
    let day = |text: &String, and: u64| {
        let days = date::days(text).ok_or_else(|| Failure::new(format_args!("{text} is no day from 1970 on")))?;
        Ok::<_, Failure>(Timestamp((days + and) * 86_400_000))
    };
    let enrolled_from = args.enrolled_from.as_ref().map(|text| day(text, 0)).transpose()?;
    let enrolled_before = args.enrolled_to.as_ref().map(|text| day(text, 1)).transpose()?;
    if let (Some(from), Some(before)) = (enrolled_from, enrolled_before)
        && from >= before
    {
        return Err(Failure::new("--enrolled-from is after --enrolled-to; nobody is enrolled then"));
    }
    let mut lines = Vec::new();
    let mut note = |name: &str, values: &[String]| {
        if !values.is_empty() {
            lines.push(format!("{name} {}", values.join(", ")));
        }
    };
    let sorted = |values: &[String]| {
        let mut values = values.to_vec();
        values.sort();
        values.dedup();
        values
    };
    let (schemes, provinces) = (sorted(&args.scheme), sorted(&args.province));
    note("scheme", &schemes);
    note("province", &provinces);
    note("enrolled from", args.enrolled_from.as_slice());
    note("enrolled to", args.enrolled_to.as_slice());
    Ok(Filters { schemes, provinces, enrolled_from, enrolled_before, lines })
}

/// Runs the command.
pub fn run(global: &GlobalArgs, args: AuditArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    match args.afterwards {
        Some(Afterwards::Show(show)) => show::run(show),
        Some(Afterwards::Decide(decide)) => officer::decide(&Settings::new(global)?, decide),
        Some(Afterwards::Measure(measure)) => officer::measure(measure),
        None => {
            let settings = Settings::new(global)?;
            let plan = Plan::new(&args, &settings)?;
            let folder = Folder::open(&plan.out)?;
            let status = Arc::new(Status::default());
            status.end_at_signals()?;
            evaluate::start_threads(&settings);
            if args.same || args.stale.is_some() {
                return records::run(&settings, &args, &plan, &folder);
            }
            audit(&settings, &args, &plan, &folder, &status)
        }
    }
}

/// The calibration of the model pack, if it is of this recipe and dimension.
fn calibration(settings: &Settings, collection: &Collection) -> Result<Curve, Failure> {
    let pack = Pack::load(&settings.pack_folder()?).map_err(Failure::new)?;
    if let Some(recipe) = collection.recipe()
        && recipe != pack.recipe()
    {
        return Err(Failure::new(format_args!(
            "the templates are of recipe {recipe}, the model pack makes {}; name theirs with --pack, or ask for a --score",
            pack.recipe()
        )));
    }
    if pack.dimension() != collection.dimension() {
        return Err(Failure::new(format_args!(
            "the templates have {} values, those of the model pack {}; name theirs with --pack, or ask for a --score",
            collection.dimension(),
            pack.dimension()
        )));
    }
    let path = pack.calibration().ok_or_else(|| {
        Failure::new("the model pack has no calibration; ask for a --score, or run `chinhchu calibrate`")
    })?;
    let calibration = Calibration::load(&path, pack.recipe()).map_err(Failure::new)?;
    calibration.curve(1).cloned().map_err(Failure::new)
}

/// Reads the galleries. `before` bounds those in use, one number each.
fn load(
    settings: &Settings,
    args: &AuditArgs,
    plan: &Plan,
    folder: &Folder,
    before: &[Option<u64>],
) -> Result<(Collection, Vec<Option<u64>>), Failure> {
    let reading = Reading { settings, cache: (!args.no_cache).then(|| folder.file(CACHE)) };
    let everything = Filters::default();
    let mut collection = Collection::new();
    let mut template_next = Vec::new();
    for (i, source) in plan.sources().enumerate() {
        let filters = if i == 0 { &plan.filters } else { &everything };
        if i > 0 {
            collection.begin_second();
        }
        let taken = source.load(&reading, filters, before.get(i).copied().flatten(), &mut collection)?;
        if taken.later > 0 {
            print::note(&format!(
                "{} templates were stored after this audit began and are left out; audit them later with --since",
                taken.later
            ));
        }
        template_next.push(taken.template_next);
    }
    collection.finish().map_err(Failure::new)?;
    Ok((collection, template_next))
}

fn audit(settings: &Settings, args: &AuditArgs, plan: &Plan, folder: &Folder, status: &Status) -> Outcome {
    let begun = Instant::now();
    // Now, so that what is wrong with them does not show on Monday; findings are read at
    // the end again.
    let since = args.since.as_ref().map(|folder| KnownTemplates::read(&folder.join(SEEN))).transpose();
    let since = since.map_err(Failure::new)?;
    known_findings(args, plan, folder)?;
    if args.restart {
        folder.clear()?;
    }
    let path = folder.file(CHECKPOINT);
    let earlier = Checkpoint::identity(&path).map_err(Failure::new)?;
    // An audit that goes on is of what was there when it began.
    let before = earlier.filter(|_| !folder.is_finished()).map(|identity| identity.before).unwrap_or_default();
    let (collection, template_next) = load(settings, args, plan, folder, &before)?;
    let rows = [collection.first_rows(), collection.rows() - collection.first_rows()];
    if rows[0] == 0 || plan.second.is_some() && rows[1] == 0 {
        return Err(Failure::new(nothing(&collection)));
    }
    let marks = collection.marks();
    let (scope, since) = scope_of(since, plan, &marks);
    let comparisons = comparisons(&collection, &scope);
    let bytes =
        collection.bytes() + Join::bytes(collection.rows(), collection.dimension()) + 32 * args.pairs_max as u64;
    print::note(&format!(
        "{} templates of {} subjects: {} comparisons on {} threads, up to {} of memory",
        work::grouped(collection.rows() as u64),
        work::grouped(collection.subjects_with_templates() as u64),
        work::grouped(comparisons),
        settings.workers(),
        work::bytes(bytes),
    ));

    let curve = match (calibration(settings, &collection), plan.asked) {
        (Err(failure), Asked::Fmr(_)) => return Err(failure),
        (curve, _) => curve.ok(),
    };
    let sides = Sides::of(&collection)?;
    let chance = chance(&collection, &sides, plan, comparisons, curve.as_ref(), args.sample)?;
    let score = match plan.asked {
        Asked::Score(score) => score,
        Asked::ExpectChance(pairs) => chance.score_for(pairs).ok_or_else(|| {
            Failure::new(format_args!(
                "no score leaves {pairs} chance pairs{}; ask for a --score or a --fmr",
                chance.not_own.as_ref().map(|why| format!(" ({why})")).unwrap_or_default()
            ))
        })?,
        Asked::Fmr(fmr) => match &curve {
            Some(curve) => curve.threshold(fmr).map_err(Failure::new)?.score,
            None => return Err(Failure::new("the model pack has no calibration; ask for a --score")),
        },
    };
    let identity = Identity {
        templates: hex(&collection.digest(&marks)),
        score_bits: score.to_bits(),
        filters: plan.filters.lines.join("; "),
        since,
        units: 0,
        before: template_next,
    };
    let advice = || advice(&chance, comparisons, args.pairs_max);
    let work = Work {
        sides: &sides,
        scope: &scope,
        score,
        comparisons,
        threads: settings.workers(),
        pairs_max: args.pairs_max,
        status,
        advice: &advice,
    };
    folder.keep_inputs(&KeptInputs { gallery: plan.gallery() })?;
    let pairs = work.pairs(folder, identity)?;
    let findings = known_findings(args, plan, folder)?;
    let photos = Photos::of(args, plan, &collection, settings.limits);
    let thumbnail = |row: u32| photos.as_ref().and_then(|photos| photos.thumbnail(row));
    let found = report::Found {
        collection: &collection,
        plan,
        chance,
        score,
        comparisons,
        pairs,
        findings,
        marks: &marks,
        thumbnail: photos.is_some().then_some(&thumbnail),
    };
    // The list of templates before the summary, which says that all is there.
    let seen = KnownTemplates::new(marks.clone());
    folder.write(SEEN, |out| seen.write(out))?;
    let summary = found.write(folder, begun)?;
    if args.json {
        print::json(&summary)?;
    } else {
        print::answer(&report::text(&summary, folder.path()))?;
    }
    Ok(if summary.pairs == 0 { Exit::Success } else { Exit::Negative })
}

/// Why there is nothing to compare.
fn nothing(collection: &Collection) -> String {
    let left_out = words::left_out(collection.left_out());
    let reasons: Vec<String> = left_out.iter().map(|out| format!("{} x {}", out.count, out.en)).collect();
    match reasons.is_empty() {
        true => "nothing to compare: there are no templates".to_owned(),
        false => format!("nothing to compare: no template is left ({})", reasons.join("; ")),
    }
}

/// What is compared with what, and the digest of the earlier audit.
fn scope_of(since: Option<KnownTemplates>, plan: &Plan, marks: &[Mark]) -> (Scope, Option<String>) {
    match (since, &plan.second) {
        (Some(seen), _) => {
            let fresh = marks.iter().map(|mark| !seen.contains(mark)).collect();
            (Scope::Fresh(fresh), Some(seen.digest()))
        }
        (None, Some(_)) => (Scope::Between, None),
        (None, None) => (Scope::Within, None),
    }
}

/// What chance is expected to give.
fn chance(
    collection: &Collection,
    sides: &Sides<'_>,
    plan: &Plan,
    comparisons: u64,
    calibration: Option<&Curve>,
    sampled_max: u64,
) -> Result<Chance, Failure> {
    let strata: Vec<Option<u32>> = collection
        .groups()
        .iter()
        .map(|&group| {
            let info = collection.subject_facts(group);
            let known = info.sex > 0 || info.age > 0;
            known.then(|| u32::from(info.sex) << 16 | u32::from(info.age))
        })
        .collect();
    // Where only one of the two is known of anybody, that one tells alike from unlike.
    let known = strata.iter().any(Option::is_some);
    let (first, second) = strata.split_at(collection.first_rows());
    let plan = crate::audit::Plan {
        first: Rows { side: sides.first(), strata: known.then_some(first) },
        second: plan.second.as_ref().map(|_| Rows { side: sides.second(), strata: known.then_some(second) }),
        comparisons,
        calibration,
        sampled_max,
        seed: SEED,
    };
    Chance::sample(&plan).map_err(Failure::new)
}

/// What to ask for instead where too many pairs were found.
fn advice(chance: &Chance, comparisons: u64, pairs_max: usize) -> String {
    // A hundredth leaves room for real ones.
    let fewer = pairs_max as f64 / 100.0;
    let resume = "or raise --pairs-max to go on";
    match chance.score_for(fewer) {
        Some(score) => {
            let fmr = chance.calibration.as_ref().map(|curve| curve.fmr(score).rate);
            let fmr = fmr.unwrap_or(fewer / comparisons.max(1) as f64);
            format!(
                "chance alone gives about {} at --score {score:.4} or --fmr {}: ask for that, with --restart, {resume}",
                work::grouped(fewer as u64),
                print::rate(fmr)
            )
        }
        None => format!("ask for a higher score, with --restart, {resume}"),
    }
}

/// What is known of pairs from this audit and those before it.
fn known_findings(args: &AuditArgs, plan: &Plan, folder: &Folder) -> Result<Findings, Failure> {
    let gallery = plan.gallery();
    let mut findings = folder::read_findings(&folder::findings_file(folder.path(), gallery.as_deref()))?;
    for earlier in args.known.iter().chain(&args.since) {
        findings.merge(folder::findings_of(earlier)?);
    }
    Ok(findings)
}

/// The lowest score that at most this share of genuine pairs stays below.
fn score_at_fnmr(curve: &Curve, rate: f64) -> Option<(f32, Fnmr)> {
    let (mut low, mut high) = (-1.0f32, 1.0f32);
    curve.fnmr(low).filter(|at| at.rate <= rate)?;
    while low.next_up() < high {
        let middle = low + (high - low) / 2.0;
        let middle = if middle <= low { low.next_up() } else { middle };
        if curve.fnmr(middle)?.rate <= rate { low = middle } else { high = middle }
    }
    curve.fnmr(low).map(|at| (low, at))
}

/// Numbers of subjects of pairs of ids.
fn pair_numbers<T>(
    collection: &Collection,
    pairs: impl Iterator<Item = (String, String, T)>,
) -> BTreeMap<(u32, u32), T> {
    pairs
        .filter_map(|(a, b, value)| {
            let (a, b) = (collection.find_subject(&a)?, collection.find_subject(&b)?);
            Some(((a.min(b), a.max(b)), value))
        })
        .collect()
}
