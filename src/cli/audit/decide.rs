//! `chinhchu audit decide`: records what an investigator found of a pair, or takes it back.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::super::connection::ConnectionArgs;
use super::super::galleries::{self, PairChanged};
use super::super::settings::Settings;
use super::super::{Exit, Failure, Outcome, caller, outcome, print};
use super::named::{self, PairChosen};
use crate::audit::{self, KeptAudit, PairFinding, PairOutcome, Statement, listed};
use crate::gallery::{Note, SubjectId};
use crate::numbers;
use crate::workflow::NumberIds;
use crate::workflow::beneficiary::ClearPairRequest;

const EXAMPLES: &str = "\
Examples:
  chinhchu audit decide P-7K2M9QXD --outcome fraud --reason 'same woman, two names' --officer o-7 --out audit
  chinhchu audit decide 17 --outcome undecided --reason 'photo requested' --officer o-7 --out audit
  chinhchu audit decide person-1 person-2 --outcome twins --reason 'birth records seen' --officer o-7 --out audit
  chinhchu audit decide P-7K2M9QXD --take-back --reason 'wrong row' --officer o-7 --out audit

A pair is its id (P-..., of which the first four digits may do), the number of its row in
pairs.csv, or two subject ids in either order. The id stays the same when the audit is run
again; the number does not. What was recorded, and of whom, is printed.

Findings are kept with the gallery, or with the audit where there is none, and later audits know
them. Twins and unrelated look-alikes also become a cleared pair of the gallery: audits list them
apart, and they do not come up at a counter. Of several findings of one pair the last one holds;
all of them are kept, and `chinhchu audit findings` lists them.

Exit code: 0 recorded (durably), 2 there is no such pair, or it cannot be recorded.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DecideArgs {
    /// The pair: its id, its row in pairs.csv, or two subject ids
    #[arg(value_name = "PAIR", required = true, num_args = 1..=2)]
    pair: Vec<String>,
    /// What it was: fraud, twins, same-person (enrolled twice without intent),
    /// capture-error (a capture stored with another's record), unrelated-look-alikes or
    /// undecided (looked into, and still open)
    #[arg(long, value_name = "OUTCOME", value_parser = outcome_of, required_unless_present = "take_back")]
    outcome: Option<PairOutcome>,
    /// What was found before does not hold any more; it stays in the history
    #[arg(long, conflicts_with = "outcome")]
    take_back: bool,
    /// Why, in one line without long numbers
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Pseudonymous id of the officer
    #[arg(long, visible_alias = "by", value_name = "ID")]
    officer: String,
    /// Folder of the audit
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Clear twins and look-alikes at this server, where one has the gallery open
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    #[command(flatten)]
    connection: ConnectionArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The `audit decide` answer.
#[derive(Serialize)]
struct Decided<'a> {
    recorded: bool,
    cleared: bool,
    outcome: &'static str,
    score: f32,
    pair_id: Option<String>,
    subject_a: &'a str,
    subject_b: &'a str,
    ring_id: Option<u64>,
    ring_stable_id: Option<String>,
    /// What held before.
    was: Option<Earlier<'a>>,
    /// The pair was cleared in the gallery, and is not any more.
    clearing_ended: bool,
}

/// What held before.
#[derive(Serialize)]
struct Earlier<'a> {
    /// `cleared` where that was done in the gallery.
    outcome: &'static str,
    officer: &'a str,
    reason: &'a str,
    at: Option<String>,
}

/// Runs the command.
pub(super) fn run(settings: &Settings, args: DecideArgs) -> Outcome {
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
    let pair = named::pair(&kept, &args.pair)?;
    let statement = args.outcome.map_or(Statement::TakenBack, Statement::Found);
    let was = earlier(&kept, &pair);
    if args.take_back && kept.findings.get(pair.subjects[0].as_str(), pair.subjects[1].as_str()).is_none() {
        return Err(Failure::new(match was {
            Some(_) => {
                "the pair was cleared in the gallery, and not by a finding of an audit; end that with \
                 `chinhchu case unclear`"
            }
            None => "nothing that was found of this pair holds; there is nothing to take back",
        }));
    }
    // The gallery first: what is recorded as cleared is cleared.
    let clears = args.outcome.is_some_and(PairOutcome::clears);
    let was_cleared = was.as_ref().is_some_and(|was| was.clears);
    let request = || {
        let [one, other] = pair.subjects.clone();
        let (officer, reason) = (officer.clone(), reason.clone());
        ClearPairRequest { one, other, officer, reason }
    };
    let server = args.server.as_deref().map(|url| args.connection.to(url));
    let server = server.as_ref();
    let (cleared, ended) = match &kept.inputs.gallery {
        Some(gallery) if clears => {
            let changed = galleries::clear_pair(gallery, settings, server, request())?;
            match changed {
                PairChanged::Done => {}
                PairChanged::AnotherOfficer => print::note(
                    "the operator asks for two officers: the pair is cleared in the gallery once another one clears it",
                ),
                PairChanged::NotThere => {
                    print::note("neither of the two is enrolled any more; the finding is recorded, nothing is cleared");
                }
            }
            (changed == PairChanged::Done, false)
        }
        // It must come up at a counter again.
        Some(gallery) if was_cleared => {
            (false, galleries::unclear_pair(gallery, settings, server, request())? == PairChanged::Done)
        }
        _ => (false, false),
    };
    let subjects = pair.subjects.clone();
    let finding = PairFinding::new(&caller::context("audit"), subjects, pair.score, statement, &reason, &officer);
    let recorded = kept.record(&finding.map_err(Failure::new)?)?;
    let ring = pair.link.and_then(|link| link.ring);
    let decided = Decided {
        recorded,
        cleared,
        outcome: statement.name(),
        score: pair.score,
        pair_id: pair.id.map(|id| id.to_string()),
        subject_a: pair.subjects[0].as_str(),
        subject_b: pair.subjects[1].as_str(),
        ring_id: ring.map(audit::ring_id),
        ring_stable_id: ring.and_then(|ring| kept.results.rings[ring as usize].id).map(|id| id.to_string()),
        was: was.map(|was| was.told),
        clearing_ended: ended,
    };
    if args.json {
        print::json(&decided)?;
    } else {
        print::answer(&text(&decided))?;
    }
    Ok(Exit::Success)
}

/// What held of a pair before, and whether it cleared the pair.
struct Was<'a> {
    told: Earlier<'a>,
    clears: bool,
}

/// What holds of a pair: the later of what an investigator found, and of what the gallery did.
fn earlier<'a>(kept: &'a KeptAudit, pair: &PairChosen<'a>) -> Option<Was<'a>> {
    let [a, b] = pair.subjects.each_ref().map(SubjectId::as_str);
    let last = kept.findings.history(a, b).last();
    let in_gallery = pair.clearing.filter(|clearing| clearing.outcome.is_none());
    let later = in_gallery.filter(|clearing| last.is_none_or(|last| clearing.at > Some(last.at)));
    if let Some(clearing) = later {
        let (officer, reason) = (clearing.officer.as_str(), clearing.reason.as_str());
        let told = Earlier { outcome: "cleared", officer, reason, at: clearing.at.map(listed::moment) };
        return Some(Was { told, clears: true });
    }
    let last = last?;
    let outcome = last.outcome()?;
    let at = Some(listed::moment(last.at));
    let told = Earlier { outcome: outcome.name(), officer: &last.officer, reason: &last.reason, at };
    Some(Was { told, clears: outcome.clears() })
}

fn text(of: &Decided<'_>) -> String {
    let [a, b] = [of.subject_a, of.subject_b].map(outcome::one_line);
    let id = of.pair_id.as_deref().map(|id| format!("{id}: ")).unwrap_or_default();
    let ring = match (of.ring_id, &of.ring_stable_id) {
        (Some(number), Some(id)) => format!(", in ring {number} ({id})"),
        (Some(number), None) => format!(", in ring {number}"),
        _ => String::new(),
    };
    let what = match (of.recorded, of.outcome) {
        (true, "taken-back") => "what was found is taken back".to_owned(),
        (true, outcome) => format!("{outcome} recorded"),
        (false, outcome) => format!("{outcome}; this was recorded before"),
    };
    let mut text = format!("{id}{a} and {b}, score {:.4}{ring}: {what}", of.score);
    if of.cleared {
        text += "; the pair is cleared in the gallery";
    }
    if let Some(was) = of.was.as_ref().filter(|_| of.recorded) {
        let [officer, reason] = [was.officer, was.reason].map(outcome::one_line);
        let at = was.at.as_deref().map(|at| format!(", {at}")).unwrap_or_default();
        text += &format!("\nbefore: {} ({officer}{at}: {reason})", was.outcome);
    }
    if of.clearing_ended {
        text += "\nthe pair is no longer cleared in the gallery, and comes up at a counter again";
    }
    text
}

/// An outcome as typed.
fn outcome_of(name: &str) -> Result<PairOutcome, String> {
    PairOutcome::from_name(name)
        .ok_or_else(|| format!("an outcome is one of {}", PairOutcome::ALL.map(PairOutcome::name).join(", ")))
}
