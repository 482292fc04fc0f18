//! `chinhchu case list`: decisions in the order in which they were made.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::outcome_name;
use crate::cli::backend::GalleryArgs;
use crate::cli::case_records::CaseRecords;
use crate::cli::listing::{self, Entry, ListArgs};
use crate::cli::settings::Settings;
use crate::cli::{Outcome, date, options, outcome};
use crate::gallery::{self, DecisionFilter, DecisionHead, SubjectId, Timestamp};
use crate::workflow::beneficiary::ReasonCode;

#[derive(Debug, Args)]
pub(super) struct CaseListArgs {
    /// Only those that wait for an officer
    #[arg(long)]
    waiting: bool,
    /// Only decisions about this subject
    #[arg(long, value_name = "SUBJECT_ID", value_parser = options::id)]
    subject: Option<SubjectId>,
    /// Only decisions of this time or later: 2026-03-05 (its midnight in UTC), or a time with offset
    #[arg(long, value_name = "TIME", value_parser = date::bound)]
    since: Option<Timestamp>,
    /// Only decisions before this time
    #[arg(long, value_name = "TIME", value_parser = date::bound)]
    until: Option<Timestamp>,
    /// Only decisions that came out like this, before any officer looked at them
    #[arg(long, value_enum, value_name = "OUTCOME")]
    outcome: Option<OutcomeArg>,
    /// Only decisions in whose way this reason stood
    #[arg(long, value_name = "CODE", value_parser = reason)]
    reason: Option<ReasonCode>,
    /// Only cases that this unit presented
    #[arg(long, value_name = "UNIT")]
    unit: Option<String>,
    /// Only cases of this province
    #[arg(long, value_name = "CODE")]
    province: Option<String>,
    #[command(flatten)]
    list: ListArgs,
    #[command(flatten)]
    gallery: GalleryArgs,
}

/// An outcome as typed; the variants are [`gallery::Outcome`]'s.
// They have no doc comments: clap would make a paragraph of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutcomeArg {
    Approve,
    Refer,
    Deny,
}

/// The code of a reason as typed.
fn reason(code: &str) -> Result<ReasonCode, String> {
    ReasonCode::from_code(code).ok_or_else(|| "there is no reason of this code; docs/reasons.md lists them".to_owned())
}

/// A decision in a list; field names are a contract.
#[derive(Serialize)]
struct CaseListed<'a> {
    transaction_id: &'a str,
    attempt: u32,
    subject_id: &'a SubjectId,
    scheme: &'a str,
    /// What the engine decided.
    outcome: &'static str,
    /// Codes of the reasons that stood in its way, the gravest first.
    reasons: &'a [String],
    decided_at: String,
    /// Unit that presented it, where it was named.
    unit: Option<&'a str>,
    /// Province of the record, or else of the caller.
    province: Option<&'a str>,
    /// What officers made of it, where that closed the transaction.
    resolved: Option<&'static str>,
    /// An officer is expected to look at it.
    waits: bool,
    /// Until when, where it waits.
    answer_by: Option<String>,
}

pub(super) async fn run(settings: &Settings, args: CaseListArgs) -> Outcome {
    let records = CaseRecords::open("case/list", settings, &args.gallery.place(settings)?).await?;
    let filter = DecisionFilter {
        subject: args.subject,
        since: args.since,
        until: args.until,
        outcome: args.outcome.map(|outcome| match outcome {
            OutcomeArg::Approve => gallery::Outcome::Approve,
            OutcomeArg::Refer => gallery::Outcome::Refer,
            OutcomeArg::Deny => gallery::Outcome::Deny,
        }),
        reason: args.reason.map(|reason| reason.code().to_owned()),
        waiting: args.waiting,
        unit: args.unit,
        province: args.province,
    };
    let page = async |page| records.decisions(&filter, page).await;
    listing::print(&args.list, "cases", "no such decision", page).await
}

impl Entry for DecisionHead {
    fn line(&self) -> String {
        let reasons = self.reasons.iter().map(|code| outcome::one_line(code)).collect::<Vec<_>>().join(", ");
        let mut line = format!(
            "{}  {:<7}  {}  attempt {}  {}  {}",
            date::shown(self.decided_at),
            outcome_name(self.outcome),
            outcome::one_line(self.key.transaction.as_str()),
            self.key.attempt,
            outcome::one_line(self.subject.as_str()),
            outcome::one_line(&self.scheme),
        );
        if !reasons.is_empty() {
            line += &format!("  {reasons}");
        }
        if let Some(resolved) = self.resolved {
            line += &format!("  officers: {}", outcome_name(resolved));
        }
        if self.waits {
            line += "  waits for an officer";
            if let Some(by) = self.answer_by {
                let is_late = if by < Timestamp::now() { " (overdue)" } else { "" };
                line += &format!(" until {}{is_late}", date::shown(by));
            }
        }
        line
    }

    fn object(&self) -> impl Serialize {
        CaseListed {
            transaction_id: self.key.transaction.as_str(),
            attempt: self.key.attempt,
            subject_id: &self.subject,
            scheme: &self.scheme,
            outcome: outcome_name(self.outcome),
            reasons: &self.reasons,
            decided_at: date::shown(self.decided_at),
            unit: self.unit.as_deref(),
            province: self.province.as_deref(),
            resolved: self.resolved.map(outcome_name),
            waits: self.waits,
            answer_by: self.answer_by.map(date::shown),
        }
    }
}
