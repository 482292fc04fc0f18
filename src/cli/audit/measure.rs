//! `chinhchu audit measure`: how precise was the audit, by what investigators found?

use std::path::PathBuf;

use clap::Args;

use super::super::{Exit, Outcome, print};
use crate::audit::{self, MeasuredPrecision, PairOutcome, Share};

const EXAMPLES: &str = "\
Examples:
  chinhchu audit measure --out audit
  chinhchu audit measure --out audit --json

Exit code: 0 measured, 1 nothing was recorded yet, 2 the folder holds no audit or wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct MeasureArgs {
    /// Folder of the audit
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: MeasureArgs) -> Outcome {
    let measured = audit::open(&args.out)?.measure();
    if args.json {
        print::json(&measured)?
    } else {
        print::answer(&text(&measured))?
    }
    Ok(if measured.cases == 0 { Exit::Negative } else { Exit::Success })
}

fn text(of: &MeasuredPrecision) -> String {
    if of.cases == 0 {
        return format!("nothing was recorded yet of {} pairs; `chinhchu audit decide` does", of.links);
    }
    let share = |share: &Share| match share.value {
        Some(value) => format!("{:.0} % ({:.0} to {:.0})", 100.0 * value, 100.0 * share.low, 100.0 * share.high),
        None => "nothing looked into".to_owned(),
    };
    let mut text = format!("{} of {} pairs were looked into:", of.cases, of.links);
    let count = |outcome: &PairOutcome| of.precision.by_outcome.get(outcome.name()).copied().unwrap_or_default();
    for outcome in PairOutcome::ALL.iter().filter(|outcome| outcome.shares_face().is_some()) {
        text += &format!(" {} {}", count(outcome), outcome.name());
    }
    match count(&PairOutcome::Undecided) {
        0 => {}
        open => text += &format!("; {open} more remain undecided and are not counted"),
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
