//! `chinhchu case pairs`, `clear` and `unclear`: records that share a face for a good reason.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::note;
use crate::cli::backend::GalleryArgs;
use crate::cli::case_records::{CaseRecords, OfficerOnPair};
use crate::cli::listing::{self, Entry, ListArgs};
use crate::cli::settings::Settings;
use crate::cli::{Exit, Failure, Outcome, date, options, outcome, print};
use crate::gallery::{ClearedPair, PairEntryKind, PairState, SubjectId, Timestamp};

#[derive(Debug, Args)]
pub(super) struct PairsArgs {
    /// Only pairs that stand like this
    #[arg(long, value_enum, value_name = "STATE")]
    state: Option<StateArg>,
    #[command(flatten)]
    list: ListArgs,
    #[command(flatten)]
    gallery: GalleryArgs,
}

/// How a pair stands, as typed; the variants are [`PairState`]'s.
// They have no doc comments: clap would make a paragraph of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum StateArg {
    InForce,
    Waiting,
    Ended,
    Expired,
}

impl From<StateArg> for PairState {
    fn from(state: StateArg) -> Self {
        match state {
            StateArg::InForce => Self::InForce,
            StateArg::Waiting => Self::Waiting,
            StateArg::Ended => Self::Ended,
            StateArg::Expired => Self::Expired,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct PairArgs {
    /// The one
    #[arg(value_name = "SUBJECT_ID", value_parser = options::id)]
    one: SubjectId,
    /// The other
    #[arg(value_name = "SUBJECT_ID", value_parser = options::id)]
    other: SubjectId,
    /// Pseudonymous id of the officer; not needed with --server and --token-file, where the token
    /// names who it is
    #[arg(long, visible_alias = "by", value_name = "ID", value_parser = options::id)]
    officer: Option<SubjectId>,
    /// Why; kept with the pair
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    gallery: GalleryArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl PairArgs {
    /// The officer's word, and the records that it is about.
    async fn open(&self, settings: &Settings) -> Result<(CaseRecords, OfficerOnPair), Failure> {
        let reason = note(self.reason.clone())?;
        let place = self.gallery.place(settings)?;
        let officer = place.officer(self.officer.clone())?;
        let (one, other) = (self.one.clone(), self.other.clone());
        Ok((CaseRecords::open("case/pair", settings, &place).await?, OfficerOnPair { one, other, officer, reason }))
    }
}

/// A pair in a list; field names are a contract.
#[derive(Serialize)]
struct PairListed<'a> {
    subject_id_a: &'a SubjectId,
    subject_id_b: &'a SubjectId,
    state: PairState,
    /// Officers it takes to clear the pair.
    officers_needed: u32,
    /// When it ends by itself.
    expires_at: Option<String>,
    /// What officers said, oldest first.
    entries: Vec<EntryListed<'a>>,
    /// Number of the entry that the present clearing begins with, from 0.
    round_from: usize,
}

#[derive(Serialize)]
struct EntryListed<'a> {
    /// This ended the clearing.
    ended: bool,
    officer_id: &'a SubjectId,
    reason: &'a str,
    at: String,
}

pub(super) async fn list(settings: &Settings, args: PairsArgs) -> Outcome {
    let records = CaseRecords::open("case/pairs", settings, &args.gallery.place(settings)?).await?;
    let page = async |page| records.pairs(args.state.map(PairState::from), page).await;
    listing::print(&args.list, "pairs", "no such pair", page).await
}

impl Entry for ClearedPair {
    fn line(&self) -> String {
        let officers = self.round().iter().filter(|entry| entry.kind == PairEntryKind::Cleared).count();
        let state = match self.state(Timestamp::now()) {
            PairState::InForce => "in force".to_owned(),
            PairState::Waiting => {
                format!("waiting for another officer ({officers} of {})", self.officers_needed)
            }
            PairState::Ended => "ended".to_owned(),
            PairState::Expired => "expired".to_owned(),
        };
        let mut line = format!(
            "{} - {}  {state}",
            outcome::one_line(self.first.as_str()),
            outcome::one_line(self.second.as_str())
        );
        if let Some(end) = self.expires_at {
            line += &format!("  until {}", date::shown(end));
        }
        for entry in &self.entries {
            let what = match entry.kind {
                PairEntryKind::Cleared => "cleared",
                PairEntryKind::Ended => "ended",
            };
            let [officer, reason] = [entry.officer.as_str(), entry.reason.as_str()].map(outcome::one_line);
            line += &format!("  [{what} by {officer}, {}: {reason}]", date::shown(entry.at));
        }
        line
    }

    fn object(&self) -> impl Serialize {
        let entries = self.entries.iter().map(|entry| EntryListed {
            ended: entry.kind == PairEntryKind::Ended,
            officer_id: &entry.officer,
            reason: entry.reason.as_str(),
            at: date::shown(entry.at),
        });
        PairListed {
            subject_id_a: &self.first,
            subject_id_b: &self.second,
            state: self.state(Timestamp::now()),
            officers_needed: self.officers_needed,
            expires_at: self.expires_at.map(date::shown),
            entries: entries.collect(),
            round_from: self.round_from,
        }
    }
}

/// The `case clear` answer; field names are a contract.
#[derive(Serialize)]
struct ClearAnswer {
    /// It is in force now.
    cleared: bool,
    /// This officer had cleared it before.
    replayed: bool,
    /// Officers who have cleared it.
    officers: u32,
    /// Officers it takes.
    officers_needed: u32,
}

pub(super) async fn clear(settings: &Settings, args: PairArgs) -> Outcome {
    let (records, request) = args.open(settings).await?;
    let Some(pair) = records.clear(request).await? else {
        match args.json {
            true => print::json(&ClearAnswer { cleared: false, replayed: false, officers: 0, officers_needed: 0 })?,
            false => print::answer("neither is enrolled; nothing was cleared")?,
        }
        return Ok(Exit::Negative);
    };
    let cleared = pair.officers >= pair.officers_needed;
    let (officers, officers_needed) = (pair.officers, pair.officers_needed);
    if args.json {
        print::json(&ClearAnswer { cleared, replayed: pair.replayed, officers, officers_needed })?;
    } else {
        let before = if pair.replayed { "; this was recorded before" } else { "" };
        print::answer(&match cleared {
            true => format!("cleared: neither is reported as a duplicate of the other{before}"),
            false => {
                format!(
                    "recorded; another officer must clear the pair as well ({officers} of {officers_needed}){before}"
                )
            }
        })?;
    }
    Ok(Exit::Success)
}

/// The `case unclear` answer; field names are a contract.
#[derive(Serialize)]
struct UnclearAnswer {
    /// It is not in force any more.
    ended: bool,
    /// It had been ended before.
    replayed: bool,
}

pub(super) async fn unclear(settings: &Settings, args: PairArgs) -> Outcome {
    let (records, request) = args.open(settings).await?;
    let ended = records.unclear(request).await?;
    match (args.json, ended) {
        (true, ended) => {
            print::json(&UnclearAnswer { ended: ended.is_some(), replayed: ended.unwrap_or_default() })?;
        }
        (false, None) => print::answer("the pair was never cleared; nothing was ended")?,
        (false, Some(before)) => {
            let before = if before { "; this was recorded before" } else { "" };
            print::answer(&format!("ended: both are reported as duplicates of each other again{before}"))?;
        }
    }
    Ok(if ended.is_some() { Exit::Success } else { Exit::Negative })
}
