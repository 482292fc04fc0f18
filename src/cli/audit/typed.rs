//! What was typed.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::super::{date, options};
use super::{decide, findings, measure, show};
use crate::audit::SAMPLED_MAX_DEFAULT;
use crate::cli::csv_locale::CsvLocaleArg;

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
  chinhchu audit show HS-0009 --out audit
  chinhchu audit decide P-7K2M9QXD --outcome twins --reason 'birth records seen' --officer o-7 --out audit
  chinhchu audit findings --out audit
  chinhchu audit measure --out audit

Compares all templates of different subjects and lists every pair at or above the score:
pairs.csv, rings.csv (records that share a face, the best evidence first), summary.json and
index.html, to be read and printed; left_out.csv lists photos that took no part, with line,
file and reason; cleared.csv pairs that an officer cleared; audit.results is for show, decide,
findings and measure. --same and --stale look at each record by itself
instead: same.csv lists subjects whose captures do not match each other, stale.csv records
without a verification for so many months.

The manifest and the list of ids are CSV files with the column subject_id; photos have a
column path, vectors may have template_id and recipe. Further columns are used where they are
there: sex, age or age_group, captured_at, quality, scheme, province, enrolled_at
(YYYY-MM-DD); a value that cannot be read is an error. The filters choose from the first gallery.

An audit that was stopped, however, goes on when the same command is run again. One that was
finished is made anew: the earlier run is kept under runs/, changes.csv and the report say what
changed since, and pairs and rings keep their ids (P-..., R-...). A gallery in
use is audited as it was when the audit began. The same input gives the same bytes, whatever
the number of threads, but for what is said of the run itself: when, how long, by whom and since
which earlier one. Ids are made under a key, ids.key in the gallery's folder or the audit's.

Exit code: 0 nothing found, 1 findings, 2 stopped, the input cannot be used, the disk is full,
or wrong usage.";

/// Pairs held at most where nobody says otherwise: more than anybody looks at.
const PAIRS_MAX_DEFAULT: usize = 2_000_000;
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
    pub(super) afterwards: Option<Afterwards>,
    /// Folder of the gallery [default: as configured]
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Photos: a CSV file with the columns subject_id and path
    #[arg(long, value_name = "FILE")]
    pub(super) manifest: Option<PathBuf>,
    /// Vectors: a .npy matrix of float32 rows of length 1
    #[arg(long, value_name = "FILE.npy", requires = "ids")]
    pub(super) vectors: Option<PathBuf>,
    /// Whose the vectors are: a CSV file with the column subject_id, a line for each
    #[arg(long, value_name = "FILE", requires = "vectors")]
    pub(super) ids: Option<PathBuf>,
    /// Compare with this gallery folder, manifest or .npy matrix instead of with itself;
    /// the same subject id in both is the same subject
    #[arg(long, value_name = "PATH", conflicts_with = "since")]
    pub(super) against: Option<PathBuf>,
    /// Whose the vectors of --against are
    #[arg(long, value_name = "FILE", requires = "against")]
    pub(super) against_ids: Option<PathBuf>,
    /// Folder for what is found; made where it is not there
    #[arg(long, value_name = "DIR", required = true)]
    pub(super) out: Option<PathBuf>,
    /// Score by false match rate, as the model pack is calibrated [default: 1e-6]
    #[arg(long, value_name = "RATE", value_parser = options::fmr)]
    pub(super) fmr: Option<f64>,
    /// Score by the number of chance pairs one is ready to look at, estimated on this gallery
    #[arg(long, value_name = "N", value_parser = chance_pairs)]
    pub(super) expect_chance: Option<f64>,
    /// The score itself
    #[arg(long, value_name = "SCORE", value_parser = score)]
    pub(super) score: Option<f32>,
    /// Only those who draw from this scheme; may be given several times
    #[arg(long, value_name = "SCHEME")]
    pub(super) scheme: Vec<String>,
    /// Only those who live in this province; may be given several times
    #[arg(long, value_name = "CODE")]
    pub(super) province: Vec<String>,
    /// Only those enrolled on this day (UTC) or later
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    pub(super) enrolled_from: Option<String>,
    /// Only those enrolled on this day (UTC) or earlier
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    pub(super) enrolled_to: Option<String>,
    /// Only pairs with a template that this earlier audit has not seen
    #[arg(long, value_name = "DIR")]
    pub(super) since: Option<PathBuf>,
    /// Folder of an earlier audit whose findings are known; may be given several times
    /// (those of the same gallery and of --since are known anyway)
    #[arg(long, value_name = "DIR")]
    pub(super) known: Vec<PathBuf>,
    /// Instead: each subject's captures that do not match each other
    #[arg(long)]
    pub(super) same: bool,
    /// Share of genuine pairs that score too low for --same
    #[arg(long, value_name = "RATE", value_parser = fnmr, default_value_t = FNMR_DEFAULT, requires = "same")]
    pub(super) fnmr: f64,
    /// Instead: records without a verification for so many months, by scheme
    #[arg(long, value_name = "MONTHS", value_parser = clap::value_parser!(u32).range(1..=1200))]
    pub(super) stale: Option<u32>,
    /// Day from which --stale counts back [default: today]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse, requires = "stale")]
    pub(super) as_of: Option<String>,
    /// How CSV files are written: en (commas, decimal points), vi (semicolons, decimal commas, as
    /// a spreadsheet set to Vietnamese has them), or plain (as en, without a byte order mark)
    #[arg(long, value_enum, default_value_t, value_name = "LOCALE")]
    pub(super) csv_locale: CsvLocaleArg,
    /// Comparisons sampled at most to estimate what chance gives
    #[arg(long, value_name = "N", default_value_t = SAMPLED_MAX_DEFAULT, value_parser = clap::value_parser!(u64).range(10_000..=100_000_000_000))]
    pub(super) sample: u64,
    /// Most pairs held; an audit that finds more stops with advice
    #[arg(long, value_name = "N", default_value_t = PAIRS_MAX_DEFAULT, value_parser = pairs_max)]
    pub(super) pairs_max: usize,
    /// Put small photos into index.html, which then holds people's faces
    #[arg(long, requires = "manifest")]
    pub(super) thumbnails: bool,
    /// Keep no templates of photos: an interrupted run looks at them again
    #[arg(long)]
    pub(super) no_cache: bool,
    /// Give up what an earlier run left in the folder without having finished; a run that was
    /// finished is kept under runs/
    #[arg(long)]
    pub(super) restart: bool,
    /// Print the summary as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// What is done with an audit afterwards.
#[derive(Debug, Subcommand)]
pub(super) enum Afterwards {
    /// Print one ring: by its number or id, by a pair or by a record in it
    Show(show::ShowArgs),
    /// Record what an investigator found of a pair, or take it back
    Decide(decide::DecideArgs),
    /// List what investigators found
    Findings(findings::FindingsArgs),
    /// How precise was the audit, by what was found?
    Measure(measure::MeasureArgs),
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
