//! `chinhchu verify`: 1:1.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::backend::{Backend, Roles};
use super::chip::finding_line;
use super::connection::ConnectionArgs;
use super::settings::Settings;
use super::source::{self, FaceSource};
use super::{Exit, Failure, GlobalArgs, Outcome, caller, options, print, runtime};
use crate::chip::reason::Effect;
use crate::chip::{Fields, Inspection};
use crate::face::FaceReport;
use crate::matching::Reference;
use crate::workflow::{Decision, Frames, PROBE_FRAMES_MAX, VerifyRequest, VerifyScores, VerifyShown};

const EXAMPLES: &str = "\
Examples:
  chinhchu verify card.jpg capture.jpg
  chinhchu verify card.jpg frame1.jpg frame2.jpg frame3.jpg --fmr 1e-6
  chinhchu verify card.jpg capture.jpg --json | jq .decision
  chinhchu verify card.jpg - < capture.jpg
  chinhchu verify card.jpg capture.jpg --server http://127.0.0.1:50051
  chinhchu verify card.jpg capture.jpg --server https://engine.example:50051 --ca ca.pem --cert me.pem --key me.key
  chinhchu verify card capture.jpg --csca csca     a folder of chip files

Several probes are frames of one person: their templates are averaged.
Photos are JPEG, PNG, WebP, BMP or JPEG 2000, recognised by content. Either side may also
be a DG2 file or a folder of chip files, whose chip is then checked: one that is not
AUTHENTIC or UNANCHORED never matches.

Exit code: 0 match, 1 no match or a chip that failed its check, 2 a photo cannot be used (no face, no image) or wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArgs {
    /// Photo, DG2 file or folder of chip files to compare with; `-` is standard input
    #[arg(value_name = "REFERENCE")]
    reference: PathBuf,
    /// 1 to 5 captures of one person, or their chip files; `-` is standard input
    #[arg(value_name = "PROBE", required = true, num_args = 1..=PROBE_FRAMES_MAX)]
    probes: Vec<PathBuf>,
    /// False match rate to decide at [default: 1e-5, or as configured]
    #[arg(long, value_name = "RATE", value_parser = options::fmr)]
    fmr: Option<f64>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Country certificates for chip files: a file, a master list (.ml), or a folder of them
    /// [default: as configured]
    #[arg(long, value_name = "PATH")]
    csca: Option<PathBuf>,
    /// Ask a running server instead of working here
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The `verify` answer; field names are a contract.
#[derive(Serialize)]
struct VerifyAnswer<'a> {
    decision: Decision,
    /// Absent where a server keeps them from this caller.
    #[serde(flatten)]
    scores: Option<ScoresAnswer<'a>>,
    recipe: &'a str,
    reference: &'a FaceReport,
    #[serde(flatten)]
    probes: print::Probes<'a>,
    frames: Frames,
    /// Different pictures that the probes are.
    distinct_frames: u32,
    /// A probe is the reference's own picture.
    copy_of_reference: bool,
    /// What the reference is taken for: `chip` or `any`.
    against: &'static str,
    /// The check of the first folder of chip files.
    #[serde(skip_serializing_if = "Option::is_none")]
    chip: Option<Value>,
    /// All of them, where there are several, in the order typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    chips: Option<Vec<Value>>,
}

/// What the decision rests on; field names are a contract.
#[derive(Serialize)]
struct ScoresAnswer<'a> {
    score: f32,
    fmr: f64,
    fmr_extrapolated: bool,
    fmr_requested: f64,
    threshold: f32,
    threshold_extrapolated: bool,
    #[serde(flatten)]
    curve: print::CurveShown<'a>,
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: VerifyArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let settings = Settings::new(global)?;
    let roles = Roles::verify(&args.reference, &args.probes)?;
    let anchors = source::anchors(args.csca.as_ref(), &settings)?;
    for skipped in anchors.skipped() {
        print::note(&format!("country certificates: {skipped}; it is left out"));
    }
    let read = |path: &PathBuf, role| FaceSource::read(path, role, settings.limits.encoded_bytes_max, &anchors);
    let reference = read(&args.reference, "reference")?;
    let probes = args.probes.iter().map(|path| read(path, "probe")).collect::<Result<Vec<_>, _>>()?;
    let sound = reference.is_sound() && probes.iter().all(FaceSource::is_sound);
    let against = if reference.is_of_chip { Reference::Chip } else { Reference::Any };
    let (reference, chip) = (reference.picture, reference.chip);
    let (probes, more): (Vec<_>, Vec<_>) = probes.into_iter().map(|probe| (probe.picture, probe.chip)).unzip();
    let chips: Vec<Inspection> = chip.into_iter().chain(more.into_iter().flatten()).collect();

    runtime::block_on(async {
        let backend = match &args.server {
            Some(url) => Backend::connect(&args.connection.to(url)).await?,
            None => Backend::engine(&settings, 1 + probes.len())?,
        };
        let request = VerifyRequest { reference, probes, fmr: args.fmr, against };
        let mut outcome = match backend.verify(&caller::context("verify"), request).await {
            Ok(outcome) => outcome,
            // A photo that cannot be compared is no way around a check that failed.
            Err(error) if !sound => return refused(&error.told(&roles), &chips, args.json),
            Err(error) => return Err(error.told(&roles)),
        };
        if !sound {
            // Whose photo it is says nothing where the photo itself is not to be believed.
            outcome.decision = Decision::NoMatch;
        }
        if args.json {
            print::json(&answer(&outcome, &chips))?
        } else {
            print::answer(&text(&outcome, &chips))?
        }
        Ok(match outcome.decision {
            Decision::Match => Exit::Success,
            Decision::NoMatch => Exit::Negative,
        })
    })
}

/// A chip that failed its check, and photos that could not be compared either.
fn refused(why: &Failure, chips: &[Inspection], json: bool) -> Outcome {
    if json {
        let told: Vec<Value> = chips.iter().map(|chip| chip.to_json(Fields::Masked)).collect();
        print::json(&serde_json::json!({
            "decision": Decision::NoMatch,
            "score": null,
            "not_compared": why.to_string(),
            "chip": told.first(),
        }))?;
    } else {
        print::answer(&format!("NO MATCH\nnot compared: {why}{}", chip_lines(chips)))?;
    }
    Ok(Exit::Negative)
}

fn answer<'a>(outcome: &'a VerifyShown, chips: &[Inspection]) -> VerifyAnswer<'a> {
    let told: Vec<Value> = chips.iter().map(|chip| chip.to_json(Fields::Masked)).collect();
    VerifyAnswer {
        chip: told.first().cloned(),
        chips: (told.len() > 1).then_some(told),
        decision: outcome.decision,
        scores: outcome.scores.as_ref().map(|of| ScoresAnswer {
            score: of.score,
            fmr: of.fmr.rate,
            fmr_extrapolated: of.fmr.extrapolated,
            fmr_requested: of.fmr_requested,
            threshold: of.threshold.score,
            threshold_extrapolated: of.threshold.extrapolated,
            curve: print::CurveShown::of(&of.curve),
        }),
        recipe: &outcome.recipe,
        reference: &outcome.reference,
        probes: print::Probes::of(&outcome.probes),
        frames: outcome.frames,
        distinct_frames: outcome.distinct,
        copy_of_reference: outcome.copy_of_reference,
        against: outcome.against.name(),
    }
}

fn text(outcome: &VerifyShown, chips: &[Inspection]) -> String {
    let word = match outcome.decision {
        Decision::Match => "MATCH",
        Decision::NoMatch => "NO MATCH",
    };
    let mut text = word.to_owned();
    match &outcome.scores {
        Some(scores) => text += &scores_text(scores),
        None => text += "\nthe server keeps score, rates and threshold from this caller",
    }
    text += &chip_lines(chips);
    text += &print::remarks("reference", std::slice::from_ref(&outcome.reference));
    text += &print::remarks("probe", &outcome.probes);
    if outcome.copy_of_reference {
        text += "\nnote: a probe is the reference's own picture; the score says nothing of a person who is there";
    }
    text + print::together(outcome.frames)
}

/// The score and its rates, after a line break.
fn scores_text(of: &VerifyScores) -> String {
    let side = if of.score >= of.threshold.score { "at or above" } else { "below" };
    let mut text = format!(
        "\nscore {:.4}, {side} the threshold {:.4} for a false match rate of {}{}\n",
        of.score,
        of.threshold.score,
        print::rate(of.fmr_requested),
        print::extrapolated(of.threshold.extrapolated),
    );
    text += &format!(
        "two different people reach this score at a rate of {}{}",
        print::rate(of.fmr.rate),
        print::extrapolated(of.fmr.extrapolated),
    );
    text + &print::curve(&of.curve)
}

/// The verdict of each chip and what stands behind it, each after a line break.
fn chip_lines(chips: &[Inspection]) -> String {
    let mut text = String::new();
    for chip in chips {
        text += &format!("\nchip {}", chip.verdict.code());
        for finding in chip.findings.iter().filter(|finding| finding.reason.effect() > Effect::Note) {
            text += &format!("\n  {}", finding_line(finding));
        }
    }
    text
}
