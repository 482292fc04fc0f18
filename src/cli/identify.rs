//! `chinhchu identify`: 1:N.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::backend::{Backend, GalleryArgs, Roles};
use super::settings::Settings;
use super::{Exit, GlobalArgs, Outcome, caller, options, outcome, photo, print, runtime};
use crate::gallery::{Answered, Filter, Instead, SubjectId};
use crate::workflow::{
    CANDIDATES_DEFAULT, CANDIDATES_MAX, Frames, IdentifyOutcome, IdentifyRequest, IdentifyScope, PROBE_FRAMES_MAX,
};

const EXAMPLES: &str = "\
Examples:
  chinhchu identify capture.jpg --data people
  chinhchu identify capture.jpg --data people --fpir 0.001 --json
  chinhchu identify capture.jpg --data people --nearest 5
  chinhchu identify capture.jpg --server http://127.0.0.1:50051 --nearest 20 --approximate
  chinhchu identify frame1.jpg frame2.jpg --server http://127.0.0.1:50051
  chinhchu identify capture.jpg --data people --scheme social --province 79
  chinhchu identify capture.jpg --data people --exclude A-017 --exclude A-018

--fpir is the share of searches for people who are NOT enrolled that may return
somebody anyway. The larger the gallery, the higher the score it takes.
--nearest returns the best K, however low they score: read their fmr. With --approximate
some of them may be missed, where the server keeps a graph ([gallery] graph); without one
the answer is exact. It says which it is. A gallery opened by --data keeps no graph.

Exit code: 0 candidates found, 1 none, 2 a photo cannot be used or wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct IdentifyArgs {
    /// 1 to 5 captures of one person; `-` is standard input
    #[arg(value_name = "PHOTO", required = true, num_args = 1..=PROBE_FRAMES_MAX)]
    photos: Vec<PathBuf>,
    #[command(flatten)]
    gallery: GalleryArgs,
    /// False positive identification rate [default: 0.01, or as configured]
    #[arg(long, value_name = "RATE", value_parser = options::fpir)]
    fpir: Option<f64>,
    /// Most candidates returned with --fpir [default: 20]
    #[arg(long, value_name = "N", requires = "fpir", value_parser = candidates)]
    limit: Option<usize>,
    /// The best K whatever their score, instead of a rate
    #[arg(long, value_name = "K", conflicts_with = "fpir", value_parser = candidates)]
    nearest: Option<usize>,
    /// Let the server look the best K up in its graph, which may miss some
    #[arg(long, requires = "nearest")]
    approximate: bool,
    /// Only subjects that draw from this scheme
    #[arg(long, value_name = "SCHEME", value_parser = options::scheme)]
    scheme: Option<String>,
    /// Only subjects of this province
    #[arg(long, value_name = "CODE", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    province: Option<String>,
    /// Not this subject; may be given up to 1000 times
    #[arg(long, value_name = "SUBJECT_ID", value_parser = options::id)]
    exclude: Vec<SubjectId>,
    /// Who the person says to be: left out, with those an officer has cleared with it
    #[arg(long, value_name = "SUBJECT_ID", value_parser = options::id)]
    claimed: Option<SubjectId>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A number of candidates as typed.
fn candidates(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if (1..=CANDIDATES_MAX).contains(&n) => Ok(n),
        _ => Err(format!("ask for 1 to {CANDIDATES_MAX} candidates")),
    }
}

/// The `identify` answer; field names are a contract.
#[derive(Serialize)]
struct IdentifyAnswer<'a> {
    candidates: Vec<Candidate<'a>>,
    /// Nobody was missed.
    exact: bool,
    /// Why it is exact though `--approximate` was given.
    exact_because: Option<&'static str>,
    /// Where it is not exact: the share of the true nearest that the graph finds.
    graph_recall: Option<f64>,
    truncated: bool,
    templates: u64,
    threshold: Option<f32>,
    threshold_extrapolated: Option<bool>,
    expected_chance_hits: f64,
    expected_chance_hits_extrapolated: bool,
    expected_miss: Option<f64>,
    expected_miss_extrapolated: Option<bool>,
    #[serde(flatten)]
    curve: print::CurveShown<'a>,
    recipe: &'a str,
    #[serde(flatten)]
    probes: print::Probes<'a>,
    frames: Frames,
    /// Different pictures that the photos are.
    distinct_frames: u32,
}

#[derive(Serialize)]
struct Candidate<'a> {
    subject_id: &'a SubjectId,
    score: f32,
    fmr: f64,
    fmr_extrapolated: bool,
    /// Where it is not the answer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    recipe: Option<&'a str>,
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: IdentifyArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let settings = Settings::new(global)?;
    let place = args.gallery.place(&settings)?;
    let roles = Roles::photos(&args.photos)?;
    let scope = match (args.nearest, args.fpir) {
        (Some(k), _) if args.approximate => Some(IdentifyScope::NearestApproximate(k)),
        (Some(k), _) => Some(IdentifyScope::Nearest(k)),
        (None, Some(fpir)) => Some(IdentifyScope::Fpir { fpir, limit: args.limit.unwrap_or(CANDIDATES_DEFAULT) }),
        (None, None) => None,
    };
    let filter = Filter {
        scheme: args.scheme,
        province: args.province,
        excluded: args.exclude.into_iter().collect(),
        claimed: args.claimed,
        ..Filter::default()
    };
    let probes = photo::read_all(&args.photos, settings.limits.encoded_bytes_max)?;

    runtime::block_on(async {
        let backend = Backend::existing(&settings, &place, probes.len()).await?;
        let found = backend
            .identify(&caller::context("identify"), IdentifyRequest { probes, scope, filter })
            .await
            .map_err(|e| e.told(&roles))?;
        if args.json {
            print::json(&answer(&found))?
        } else {
            print::answer(&text(&found))?
        }
        Ok(if found.candidates.is_empty() { Exit::Negative } else { Exit::Success })
    })
}

fn answer(found: &IdentifyOutcome) -> IdentifyAnswer<'_> {
    IdentifyAnswer {
        candidates: found
            .candidates
            .iter()
            .map(|c| Candidate {
                subject_id: &c.subject,
                score: c.score,
                fmr: c.fmr.rate,
                fmr_extrapolated: c.fmr.extrapolated,
                recipe: c.recipe.as_deref(),
            })
            .collect(),
        exact: !matches!(found.answered, Answered::Approximately { .. }),
        exact_because: match found.answered {
            Answered::ExactlyInstead(instead) => Some(because(instead).0),
            _ => None,
        },
        graph_recall: match found.answered {
            Answered::Approximately { recall } => Some(recall),
            _ => None,
        },
        truncated: found.truncated,
        templates: found.templates,
        threshold: found.threshold.map(|t| t.score),
        threshold_extrapolated: found.threshold.map(|t| t.extrapolated),
        expected_chance_hits: found.expected_chance_hits,
        expected_chance_hits_extrapolated: found.expected_extrapolated,
        expected_miss: found.expected_miss.map(|m| m.rate),
        expected_miss_extrapolated: found.expected_miss.map(|m| m.extrapolated),
        curve: print::CurveShown::of(&found.curve),
        recipe: &found.recipe,
        probes: print::Probes::of(&found.probes),
        frames: found.frames,
        distinct_frames: found.distinct,
    }
}

/// Why a look-up was answered exactly: for programs, and for people.
fn because(instead: Instead) -> (&'static str, &'static str) {
    match instead {
        Instead::Off => ("graph_off", "no graph is kept here"),
        Instead::NotReady => ("graph_not_ready", "the graph is not ready"),
        Instead::FewPass => ("few_pass", "few pass the filter"),
    }
}

fn text(found: &IdentifyOutcome) -> String {
    let mut text = match (found.candidates.len(), found.threshold) {
        (0, Some(t)) => format!("NOBODY among {} templates scores {:.4} or above", found.templates, t.score),
        (0, None) => "NOBODY: there is no template to compare with".to_owned(),
        (1, _) => "1 candidate".to_owned(),
        (n, _) => format!("{n} candidates"),
    };
    for (rank, c) in found.candidates.iter().enumerate() {
        text += &format!(
            "\n{:>4}  score {:.4}  fmr {:>8}{}  {}",
            rank + 1,
            c.score,
            print::rate(c.fmr.rate),
            print::extrapolated(c.fmr.extrapolated),
            // An id may have come from anywhere: it does not steer the terminal.
            outcome::one_line(c.subject.as_str()),
        );
    }
    if found.truncated {
        text += "\n      and more; raise --limit to see them";
    }
    // The nearest are not bounded by a score: nobody is missed for being below one.
    let (at, miss) = match found.threshold {
        Some(_) => ("", found.expected_miss),
        None => (" at or above the last one's score", None),
    };
    if found.threshold.is_some() || !found.candidates.is_empty() {
        text += &format!(
            "\nto expect by chance among {} templates{at}: {} hits{}",
            found.templates,
            print::rate(found.expected_chance_hits),
            print::extrapolated(found.expected_extrapolated),
        );
    }
    match found.answered {
        Answered::Exactly => {}
        Answered::Approximately { recall } => {
            text += &format!("\napproximate: of the nearest the graph finds {:.1} %", 100.0 * recall);
        }
        Answered::ExactlyInstead(instead) => text += &format!("\nexact: {}", because(instead).1),
    }
    if let Some(miss) = miss {
        let note = print::extrapolated(miss.extrapolated);
        text += &format!("\nshare of enrolled people missed at this score: {}{note}", print::rate(miss.rate));
    }
    text += &print::curve(&found.curve);
    text += &print::remarks("photo", &found.probes);
    text + print::together(found.frames)
}
