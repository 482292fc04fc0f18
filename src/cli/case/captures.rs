//! `chinhchu case captures`: decisions with a capture that had taken part in another transaction.

use clap::Args;
use serde::Serialize;

use super::outcome_name;
use crate::cli::backend::GalleryArgs;
use crate::cli::case_records::CaseRecords;
use crate::cli::listing::{self, Entry, ListArgs};
use crate::cli::settings::Settings;
use crate::cli::{Outcome, date, outcome};
use crate::gallery::{SubjectId, Timestamp};
use crate::workflow::beneficiary::{CaptureSeen, RepeatedCapture};

#[derive(Debug, Args)]
pub(super) struct CapturesArgs {
    /// Only decisions of this time or later: 2026-03-05 (its midnight in UTC), or a time with offset
    #[arg(long, value_name = "TIME", value_parser = date::bound)]
    since: Option<Timestamp>,
    /// Only decisions before this time
    #[arg(long, value_name = "TIME", value_parser = date::bound)]
    until: Option<Timestamp>,
    #[command(flatten)]
    list: ListArgs,
    #[command(flatten)]
    gallery: GalleryArgs,
}

/// A decision with captures used before; field names are a contract.
#[derive(Serialize)]
struct CapturesListed<'a> {
    transaction_id: &'a str,
    attempt: u32,
    subject_id: &'a SubjectId,
    unit: Option<&'a str>,
    /// What the engine decided.
    outcome: &'static str,
    decided_at: String,
    /// What officers made of it, where that closed the transaction.
    resolved: Option<&'static str>,
    /// An officer is expected to look at it.
    waits: bool,
    /// The earlier uses, oldest first for each capture.
    captures: Vec<SeenListed<'a>>,
}

#[derive(Serialize)]
struct SeenListed<'a> {
    /// Which capture of the decision, from 0.
    frame: u32,
    /// Where it had been used.
    transaction_id: &'a str,
    attempt: u32,
    subject_id: &'a SubjectId,
    unit: Option<&'a str>,
    decided_at: String,
    /// In how many bits of their fingerprints the two differ; null where the files are the same.
    distance: Option<u32>,
}

pub(super) async fn list(settings: &Settings, args: CapturesArgs) -> Outcome {
    let records = CaseRecords::open("case/captures", settings, &args.gallery.place(settings)?).await?;
    let page = async |page| records.repeated_captures(args.since, args.until, page).await;
    listing::print(&args.list, "repeated_captures", "no capture was used before", page).await
}

/// An earlier use in words: which capture, of what, and where it was used.
pub(super) fn seen(of: &CaptureSeen) -> String {
    let [transaction, subject] = [of.transaction.as_str(), of.subject.as_str()].map(outcome::one_line);
    let unit = of.unit.as_deref().map(|unit| format!(", unit {}", outcome::one_line(unit))).unwrap_or_default();
    let how = match of.distance {
        None => "the same file".to_owned(),
        Some(bits) => format!("a copy, {bits} bits apart"),
    };
    format!(
        "capture {} ({how}) in {transaction}, attempt {}, of record {subject}{unit}, {}",
        of.frame,
        of.attempt,
        date::shown(of.at)
    )
}

impl Entry for RepeatedCapture {
    fn line(&self) -> String {
        let of = &self.decision;
        let unit = self.unit.as_deref().map(|unit| format!("  unit {}", outcome::one_line(unit))).unwrap_or_default();
        let mut line = format!(
            "{}  {:<7}  {}  attempt {}  {}{unit}",
            date::shown(of.decided_at),
            outcome_name(of.outcome),
            outcome::one_line(of.key.transaction.as_str()),
            of.key.attempt,
            outcome::one_line(of.subject.as_str()),
        );
        for earlier in &self.captures {
            line += &format!("  [{}]", seen(earlier));
        }
        if let Some(resolved) = of.resolved {
            line += &format!("  officers: {}", outcome_name(resolved));
        }
        if of.waits {
            line += "  waits for an officer";
        }
        line
    }

    fn object(&self) -> impl Serialize {
        let of = &self.decision;
        let captures = self.captures.iter().map(|earlier| SeenListed {
            frame: earlier.frame,
            transaction_id: &earlier.transaction,
            attempt: earlier.attempt,
            subject_id: &earlier.subject,
            unit: earlier.unit.as_deref(),
            decided_at: date::shown(earlier.at),
            distance: earlier.distance,
        });
        CapturesListed {
            transaction_id: of.key.transaction.as_str(),
            attempt: of.key.attempt,
            subject_id: &of.subject,
            unit: self.unit.as_deref(),
            outcome: outcome_name(of.outcome),
            decided_at: date::shown(of.decided_at),
            resolved: of.resolved.map(outcome_name),
            waits: of.waits,
            captures: captures.collect(),
        }
    }
}
