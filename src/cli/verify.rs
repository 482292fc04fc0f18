//! `chinhchu verify`: 1:1.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::backend::{Backend, Roles};
use super::settings::Settings;
use super::{Exit, Failure, GlobalArgs, Outcome, args, photo, print, runtime};
use crate::face::FaceReport;
use crate::workflow::{Decision, PROBE_FRAMES_MAX, VerifyOutcome, VerifyRequest};

const EXAMPLES: &str = "\
Examples:
  chinhchu verify card.jpg capture.jpg
  chinhchu verify card.jpg frame1.jpg frame2.jpg frame3.jpg --fmr 1e-6
  chinhchu verify card.jpg capture.jpg --json | jq .decision
  chinhchu verify card.jpg - < capture.jpg
  chinhchu verify card.jpg capture.jpg --server http://127.0.0.1:50051

Several probes are frames of one person: their templates are averaged.
Photos are JPEG, PNG, WebP or JPEG 2000, recognised by content.

Exit code: 0 match, 1 no match, 2 a photo cannot be used (no face, no image) or wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// Photo to compare with, for example the card's; `-` is standard input
    #[arg(value_name = "REFERENCE")]
    reference: PathBuf,
    /// 1 to 5 captures of one person; `-` is standard input
    #[arg(value_name = "PROBE", required = true, num_args = 1..=PROBE_FRAMES_MAX)]
    probes: Vec<PathBuf>,
    /// False match rate to decide at [default: 1e-5, or as configured]
    #[arg(long, value_name = "RATE", value_parser = args::fmr)]
    fmr: Option<f64>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Ask a running server instead of working here
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

/// The `verify` answer; field names are a contract.
#[derive(Serialize)]
struct Answer<'a> {
    decision: Decision,
    score: f32,
    fmr: f64,
    fmr_extrapolated: bool,
    fmr_requested: f64,
    threshold: f32,
    threshold_extrapolated: bool,
    recipe: &'a str,
    reference: &'a FaceReport,
    #[serde(flatten)]
    probes: print::Probes<'a>,
}

/// Runs the command.
pub fn run(global: &GlobalArgs, args: VerifyArgs) -> Outcome {
    runtime::start_log(global, "warn")?;
    let settings = Settings::new(global)?;
    let roles = Roles::verify(&args.reference, &args.probes)?;
    let read = |path: &PathBuf, role: &str| {
        photo::read(path, settings.limits.encoded_bytes_max)
            .map_err(|e| Failure::new(format_args!("{role} {}: {e}", path.display())))
    };
    let reference = read(&args.reference, "reference")?;
    let probes = args.probes.iter().map(|path| read(path, "probe")).collect::<Result<Vec<_>, _>>()?;

    runtime::block_on(async {
        let backend = match &args.server {
            Some(url) => Backend::connect(url).await?,
            None => Backend::engine(&settings, 1 + probes.len())?,
        };
        let request = VerifyRequest { reference, probes, fmr: args.fmr };
        let outcome = backend.verify(request).await.map_err(|e| e.told(&roles))?;
        if args.json {
            print::json(&answer(&outcome))?
        } else {
            print::answer(&text(&outcome))?
        }
        Ok(match outcome.decision {
            Decision::Match => Exit::Success,
            Decision::NoMatch => Exit::Negative,
        })
    })
}

fn answer(outcome: &VerifyOutcome) -> Answer<'_> {
    Answer {
        decision: outcome.decision,
        score: outcome.score,
        fmr: outcome.fmr.rate,
        fmr_extrapolated: outcome.fmr.extrapolated,
        fmr_requested: outcome.fmr_requested,
        threshold: outcome.threshold.score,
        threshold_extrapolated: outcome.threshold.extrapolated,
        recipe: &outcome.recipe,
        reference: &outcome.reference,
        probes: print::Probes::of(&outcome.probes),
    }
}

fn text(outcome: &VerifyOutcome) -> String {
    let (word, side) = match outcome.decision {
        Decision::Match => ("MATCH", "at or above"),
        Decision::NoMatch => ("NO MATCH", "below"),
    };
    let mut text = format!(
        "{word}\nscore {:.4}, {side} the threshold {:.4} for a false match rate of {}{}\n",
        outcome.score,
        outcome.threshold.score,
        print::rate(outcome.fmr_requested),
        print::extrapolated(outcome.threshold.extrapolated),
    );
    text += &format!(
        "two different people reach this score at a rate of {}{}",
        print::rate(outcome.fmr.rate),
        print::extrapolated(outcome.fmr.extrapolated),
    );
    text += &print::remarks("reference", std::slice::from_ref(&outcome.reference));
    text + &print::remarks("probe", &outcome.probes)
}
