//! `chinhchu case resolve`: an officer's answer to a decision that did not approve.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{note, outcome_name};
use crate::cli::backend::GalleryArgs;
use crate::cli::case_records::{CaseRecords, OfficerAnswer};
use crate::cli::settings::Settings;
use crate::cli::{Exit, Failure, Outcome, date, options, outcome, print};
use crate::gallery::{self, DecisionKey, RequestId, SubjectId};

#[derive(Debug, Args)]
pub(super) struct ResolveArgs {
    /// The transaction's id, as sent with VerifyBeneficiary
    #[arg(value_name = "TRANSACTION_ID", value_parser = options::transaction)]
    transaction: RequestId,
    /// Which attempt; refused where a later one followed [default: the last]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// What the officer says
    #[arg(long, value_enum, value_name = "OUTCOME")]
    outcome: AnswerArg,
    /// Pseudonymous id of the officer; not needed with --server and --token-file, where the token
    /// names who it is
    #[arg(long, visible_alias = "by", value_name = "ID", value_parser = options::id)]
    officer: Option<SubjectId>,
    /// Why; kept with the decision
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    gallery: GalleryArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

// The variants have no doc comments: clap would make a paragraph of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AnswerArg {
    Approve,
    Deny,
}

/// The `case resolve` answer; field names are a contract.
#[derive(Serialize)]
struct ResolveAnswer<'a> {
    found: bool,
    transaction_id: &'a str,
    attempt: u32,
    /// What officers have made of it; `REFER` while another must answer.
    resolved: &'static str,
    /// When the last answer was committed.
    resolved_at: String,
    /// Officers who have approved.
    officers: u32,
    /// Officers it takes to approve.
    officers_needed: u32,
}

pub(super) async fn run(settings: &Settings, args: ResolveArgs) -> Outcome {
    let reason = note(args.reason)?;
    let place = args.gallery.place(settings)?;
    let officer = place.officer(args.officer)?;
    let records = CaseRecords::open("case/resolve", settings, &place).await?;
    let attempt = match args.attempt {
        Some(attempt) => Some(attempt),
        None => records.case(&args.transaction, None).await?.map(|case| case.outcome.key.attempt),
    };
    let resolved = match attempt {
        None => None,
        Some(attempt) => {
            let outcome = match args.outcome {
                AnswerArg::Approve => gallery::Outcome::Approve,
                AnswerArg::Deny => gallery::Outcome::Deny,
            };
            let key = DecisionKey::new(args.transaction, attempt).map_err(Failure::new)?;
            records.resolve(OfficerAnswer { key, officer, outcome, reason }).await?
        }
    };
    let Some(resolved) = resolved else {
        match args.json {
            true => print::json(&outcome::NotFound::default())?,
            false => print::answer("no such decision; nothing was recorded")?,
        }
        return Ok(Exit::Negative);
    };
    if args.json {
        print::json(&ResolveAnswer {
            found: true,
            transaction_id: resolved.key.transaction.as_str(),
            attempt: resolved.key.attempt,
            resolved: outcome_name(resolved.outcome),
            resolved_at: date::shown(resolved.resolved_at),
            officers: resolved.officers,
            officers_needed: resolved.officers_needed,
        })?;
    } else {
        let comes_to = match resolved.outcome {
            gallery::Outcome::Approve => "approved; the transaction is closed".to_owned(),
            gallery::Outcome::Deny => "denied; the transaction is closed".to_owned(),
            gallery::Outcome::Refer => format!(
                "recorded; another officer must approve as well ({} of {})",
                resolved.officers, resolved.officers_needed
            ),
        };
        let transaction = outcome::one_line(resolved.key.transaction.as_str());
        print::answer(&format!("{transaction}, attempt {}: {comes_to}", resolved.key.attempt))?;
    }
    Ok(Exit::Success)
}
