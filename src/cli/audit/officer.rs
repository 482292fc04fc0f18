//! `chinhchu audit decide` and `measure`: what investigators found, and what it says of
//! the audit.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::super::settings::Settings;
use super::super::{Exit, Failure, Outcome, galleries, print};
use crate::audit::{self, Finding, Measured, Outcome as Found, Results, Share};
use crate::gallery::{Note, SubjectId, Timestamp};
use crate::numbers;
use crate::workflow::NumberIds;
use crate::workflow::beneficiary::ClearPairRequest;

const DECIDE_EXAMPLES: &str = "\
Examples:
  chinhchu audit decide 17 --outcome fraud --reason 'same woman, two names' --officer o-7 --out audit
  chinhchu audit decide person-1 person-2 --outcome twins --reason 'birth records seen' --officer o-7 --out audit

A pair is the number of its row in pairs.csv, or two subject ids. Findings are kept with the
gallery, or with the audit where there is none, and later audits know them. Twins also become
a cleared pair of the gallery: they do not come up again, neither here nor at a counter. Of
several findings of one pair the last one holds.

Exit code: 0 recorded (durably), 2 there is no such pair, or it cannot be recorded.";

const MEASURE_EXAMPLES: &str = "\
Examples:
  chinhchu audit measure --out audit
  chinhchu audit measure --out audit --json

Exit code: 0 measured, 1 nothing was recorded yet, 2 the folder holds no audit or wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = DECIDE_EXAMPLES)]
pub(super) struct DecideArgs {
    /// The pair: its row in pairs.csv, or two subject ids
    #[arg(value_name = "PAIR", required = true, num_args = 1..=2)]
    pair: Vec<String>,
    /// What it was: fraud, twins, same-person (enrolled twice without intent) or
    /// capture-error (a capture stored with another's record)
    #[arg(long, value_name = "OUTCOME", value_parser = outcome_of)]
    outcome: Found,
    /// Why, in one line without long numbers
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Pseudonymous id of the officer
    #[arg(long, value_name = "ID")]
    officer: String,
    /// Folder of the audit
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Clear twins at this server, where one has the gallery open
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The `audit decide` answer.
#[derive(Serialize)]
struct Decided {
    recorded: bool,
    cleared: bool,
    outcome: Found,
    score: f32,
}

/// Runs `decide`.
pub(super) fn decide(settings: &Settings, args: DecideArgs) -> Outcome {
    let reason = Note::new(args.reason).map_err(|e| Failure::new(format_args!("--reason: {e}")))?;
    let officer = SubjectId::new(args.officer).map_err(|_| {
        Failure::new("--officer: an id is 1 to 128 bytes of text without control characters or spaces around it")
    })?;
    if settings.number_ids == NumberIds::Refuse && numbers::looks_like_one(officer.as_str()) {
        return Err(Failure::new(
            "--officer looks like a card or insurance number; use a pseudonym, or see [ids] in the configuration",
        ));
    }
    let kept = audit::open(&args.out)?;
    let (subjects, score) = pair(&kept.results, &args.pair)?;
    let finding = Finding::new(subjects.clone(), score, args.outcome, &reason, &officer, Timestamp::now())
        .map_err(Failure::new)?;
    // The gallery first: what is recorded as cleared is cleared.
    let cleared = match (args.outcome, &kept.inputs.gallery) {
        (Found::Twins, Some(gallery)) => {
            let [one, other] = subjects;
            let pair = ClearPairRequest { one, other, officer, reason };
            let done = galleries::clear_pair(gallery, settings, args.server.as_deref(), pair)?;
            if !done {
                print::note("neither of the two is enrolled any more; the finding is recorded, nothing is cleared");
            }
            done
        }
        _ => false,
    };
    let recorded = kept.record(&finding)?;
    if args.json {
        print::json(&Decided { recorded, cleared, outcome: args.outcome, score })?;
    } else {
        let what = if recorded { "recorded" } else { "this was recorded before" };
        let also = if cleared { "; the pair is cleared in the gallery" } else { "" };
        print::answer(&format!("{what}{also}"))?;
    }
    Ok(Exit::Success)
}

/// The subjects of a pair, and its score: of two records the best.
fn pair(results: &Results, typed: &[String]) -> Result<([SubjectId; 2], f32), Failure> {
    let found = match typed {
        [number] => {
            let number: u64 = number
                .parse()
                .map_err(|_| Failure::new("a pair is the number of its row in pairs.csv, or two subject ids"))?;
            results.pair(number)
        }
        [one, other] => results.pair_of(one, other),
        _ => None,
    };
    let found = found.ok_or_else(|| Failure::new("there is no such pair in this audit's pairs.csv"))?;
    let [a, b] = results.records_of(found).map(|record| SubjectId::new(&*record.id).map_err(Failure::new));
    Ok(([a?, b?], found.score))
}

/// An outcome as typed.
fn outcome_of(name: &str) -> Result<Found, String> {
    Found::from_name(name).ok_or_else(|| format!("an outcome is one of {}", Found::ALL.map(Found::name).join(", ")))
}

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = MEASURE_EXAMPLES)]
pub(super) struct MeasureArgs {
    /// Folder of the audit
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs `measure`.
pub(super) fn measure(args: MeasureArgs) -> Outcome {
    let measured = audit::open(&args.out)?.measure();
    if args.json {
        print::json(&measured)?
    } else {
        print::answer(&text(&measured))?
    }
    Ok(if measured.cases == 0 { Exit::Negative } else { Exit::Success })
}

fn text(of: &Measured) -> String {
    if of.cases == 0 {
        return format!("nothing was recorded yet of {} pairs; `chinhchu audit decide` does", of.links);
    }
    let share = |share: &Share| match share.value {
        Some(value) => format!("{:.0} % ({:.0} to {:.0})", 100.0 * value, 100.0 * share.low, 100.0 * share.high),
        None => "nothing looked into".to_owned(),
    };
    let mut text = format!("{} of {} pairs were looked into:", of.cases, of.links);
    for (outcome, count) in Found::ALL.iter().zip(of.precision.outcomes) {
        text += &format!(" {count} {}", outcome.name());
    }
    text += &format!(
        "\nthe same face was in both records in {}, fraud in {}",
        share(&of.precision.shares_face),
        share(&of.precision.fraud)
    );
    for band in &of.precision.bands {
        text += &format!(
            "\n  score {:.2} to {:.2}: {} found, {} looked into, the same face in {}",
            band.from,
            band.to,
            band.found,
            band.shares_face.of,
            share(&band.shares_face)
        );
    }
    if let Some(expected) = of.precision.expected {
        text += &format!(
            "\nof {} pairs, {:.0} ({:.0} to {:.0}) are expected to share a face",
            expected.links, expected.shares_face, expected.low, expected.high
        );
        if expected.links_without_case > 0 {
            text += &format!("; {} lie where none was looked into", expected.links_without_case);
        }
    }
    text
}
