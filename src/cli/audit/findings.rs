//! `chinhchu audit findings`: what investigators found, with its history.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::super::{Exit, Outcome, outcome, print};
use super::named;
use crate::audit::{self, KeptAudit, PairFinding, listed};
use crate::gallery::SubjectId;

const EXAMPLES: &str = "\
Examples:
  chinhchu audit findings --out audit
  chinhchu audit findings --history --out audit
  chinhchu audit findings P-7K2M9QXD --out audit --json

Lists what holds of each pair, in the order of the pairs; with --history, or of one pair, every
entry, the oldest first. Of a gallery these are the findings of all its audits. A finding is
corrected by another one, and taken back, with `chinhchu audit decide`.

Exit code: 0 listed, 1 nothing was recorded, 2 there is no such pair, the folder holds no audit or
wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct FindingsArgs {
    /// Only those of this pair: its id, its row in pairs.csv, or two subject ids
    #[arg(value_name = "PAIR", num_args = 0..=2)]
    pair: Vec<String>,
    /// Every entry, also those that hold no more
    #[arg(long)]
    history: bool,
    /// Folder of the audit
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The `audit findings` answer.
#[derive(Serialize)]
struct Answer<'a> {
    findings: Vec<FindingShown<'a>>,
}

/// An entry.
#[derive(Serialize)]
struct FindingShown<'a> {
    pair_id: Option<String>,
    subject_a: &'a str,
    subject_b: &'a str,
    /// The outcome, or `taken-back`.
    outcome: &'static str,
    /// Whether it is what holds of the pair.
    holds: bool,
    score: f32,
    reason: &'a str,
    officer: &'a str,
    at: String,
    recorded_by: Option<&'a str>,
}

/// Runs the command.
pub(super) fn run(args: FindingsArgs) -> Outcome {
    let kept = audit::open(&args.out)?;
    let is_of_one = !args.pair.is_empty();
    let findings = match is_of_one {
        true => {
            let [a, b] = named::pair(&kept, &args.pair)?.subjects;
            of_pair(&kept, [&a, &b])
        }
        false => kept.findings.pairs().flat_map(|entries| shown(&kept, entries)).collect(),
    };
    let all = args.history || is_of_one;
    let answer = Answer { findings: findings.into_iter().filter(|entry| all || entry.holds).collect() };
    match (args.json, answer.findings.is_empty()) {
        (true, _) => print::json(&answer)?,
        (false, true) => print::answer("nothing that was found holds; `chinhchu audit decide` records")?,
        (false, false) => print::answer(&text(&answer))?,
    }
    Ok(if answer.findings.is_empty() { Exit::Negative } else { Exit::Success })
}

fn of_pair<'a>(kept: &'a KeptAudit, [a, b]: [&SubjectId; 2]) -> Vec<FindingShown<'a>> {
    shown(kept, kept.findings.history(a.as_str(), b.as_str())).collect()
}

fn shown<'a>(kept: &'a KeptAudit, entries: &'a [PairFinding]) -> impl Iterator<Item = FindingShown<'a>> {
    entries.iter().enumerate().map(move |(place, entry)| FindingShown {
        pair_id: kept.pair_id(&entry.subject_a, &entry.subject_b).map(|id| id.to_string()),
        subject_a: &entry.subject_a,
        subject_b: &entry.subject_b,
        outcome: entry.statement.name(),
        holds: place + 1 == entries.len() && entry.outcome().is_some(),
        score: entry.score,
        reason: &entry.reason,
        officer: &entry.officer,
        at: listed::moment(entry.at),
        recorded_by: entry.recorded_by.as_deref(),
    })
}

fn text(of: &Answer<'_>) -> String {
    let lines = of.findings.iter().map(|entry| {
        let [a, b, officer, reason] =
            [entry.subject_a, entry.subject_b, entry.officer, entry.reason].map(outcome::one_line);
        let id = entry.pair_id.as_deref().map(|id| format!("{id}  ")).unwrap_or_default();
        let by = entry.recorded_by.map(|by| format!(", recorded by {}", outcome::one_line(by))).unwrap_or_default();
        let holds = if entry.holds { "" } else { "  (holds no more)" };
        format!("{id}{a} - {b}  {}{holds}  {}  {officer}{by}: {reason}", entry.outcome, entry.at)
    });
    lines.collect::<Vec<_>>().join("\n")
}
