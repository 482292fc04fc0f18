//! `chinhchu case`: what was decided, who waits for an officer, what officers answered, which
//! captures were used before, which pairs of records were cleared, and the pictures of cases that wait.

mod answer;
mod captures;
mod evidence;
mod list;
mod pairs;
mod pictures;
mod show;

use clap::{Args, Subcommand};

use super::settings::Settings;
use super::{Failure, GlobalArgs, Outcome, runtime};
use crate::gallery::{self, Note};

const EXAMPLES: &str = "\
Examples:
  chinhchu case list --waiting --data people
  chinhchu case list --subject person-1 --since 2026-11-01 --server http://127.0.0.1:50051
  chinhchu case list --outcome deny --reason CHIP_ALTERED --all --json --data people
  chinhchu case show 7d9f-01 --data people
  chinhchu case pictures 7d9f-01 --attempt 1 --out pictures --config chinhchu.toml --data people
  chinhchu case resolve 7d9f-01 --attempt 2 --outcome approve --officer O-12 \\
      --reason 'papers compared' --data people
  chinhchu case captures --since 2026-11-01 --data people
  chinhchu case pairs --state waiting --data people
  chinhchu case clear person-1 person-2 --officer O-12 --reason twins --data people
  chinhchu case unclear person-1 person-2 --officer O-12 --reason 'not twins' --data people
  chinhchu case resolve 7d9f-01 --outcome deny --reason 'another person' \\
      --server https://engine.example:50051 --ca ca.pem --token-file token

An officer may answer the last attempt of whatever did not approve. What the engine
decided stays; the answer stands beside it. Nobody answers a case they presented, or one
about a record they enrolled or vouched for. Where the card was shown to be wrong, or the
face to be another person's, it takes two officers to approve; one is enough to deny.
The codes of reasons: docs/reasons.md. No model pack is needed.

Exit code: 0 found or done, 1 nothing found, 2 refused, the gallery cannot be used, or
wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CaseArgs {
    #[command(subcommand)]
    action: CaseAction,
}

#[derive(Debug, Subcommand)]
enum CaseAction {
    /// Show a decision: reasons, evidence, what officers answered
    #[command(after_help = EXAMPLES)]
    Show(show::CaseShowArgs),
    /// Write the pictures of a decision that waits for an officer into files
    #[command(after_help = EXAMPLES)]
    Pictures(pictures::PicturesArgs),
    /// List decisions, oldest first
    #[command(after_help = EXAMPLES)]
    List(list::CaseListArgs),
    /// Answer a decision that did not approve, as an officer
    #[command(after_help = EXAMPLES)]
    Resolve(answer::ResolveArgs),
    /// List captures that were used in another transaction before, oldest first
    #[command(after_help = EXAMPLES)]
    Captures(captures::CapturesArgs),
    /// List pairs of records that officers cleared, by the ids of both
    #[command(after_help = EXAMPLES)]
    Pairs(pairs::PairsArgs),
    /// Clear two records that share a face for a good reason, such as twins
    #[command(after_help = EXAMPLES)]
    Clear(pairs::PairArgs),
    /// End the clearing of a pair
    #[command(after_help = EXAMPLES)]
    Unclear(pairs::PairArgs),
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: CaseArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let settings = Settings::new(global)?;
    runtime::block_on(async {
        match args.action {
            CaseAction::Show(args) => show::run(&settings, args).await,
            CaseAction::Pictures(args) => pictures::run(&settings, args).await,
            CaseAction::List(args) => list::run(&settings, args).await,
            CaseAction::Resolve(args) => answer::run(&settings, args).await,
            CaseAction::Captures(args) => captures::list(&settings, args).await,
            CaseAction::Pairs(args) => pairs::list(&settings, args).await,
            CaseAction::Clear(args) => pairs::clear(&settings, args).await,
            CaseAction::Unclear(args) => pairs::unclear(&settings, args).await,
        }
    })
}

/// An outcome as it stands in answers.
fn outcome_name(outcome: gallery::Outcome) -> &'static str {
    match outcome {
        gallery::Outcome::Approve => "APPROVE",
        gallery::Outcome::Refer => "REFER",
        gallery::Outcome::Deny => "DENY",
    }
}

/// An officer's reason as typed. What is wrong with it is said without repeating it: it may hold
/// somebody's number.
fn note(typed: String) -> Result<Note, Failure> {
    Note::new(typed).map_err(|error| Failure::new(format_args!("--reason: {error}")))
}
