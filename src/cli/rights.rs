//! `chinhchu subject restrict|lift|hold|release|erase`: how records stand, and erasure.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::backend::GalleryArgs;
use super::case_records::{CaseRecords, RightsOf, StandingChanged};
use super::settings::Settings;
use super::{Exit, Failure, Outcome, date, options, outcome, print};
use crate::gallery::{
    Erasure, HoldName, Note, Obstacle, RecordedBasis, RequestId, Requester, Standing, StandingAction, StandingEntry,
    SubjectId,
};
use crate::workflow::reason::Reason;

/// By whose request, as typed; the variants are [`Requester`]'s.
// They have no doc comments: clap would make a paragraph of each.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum RequesterArg {
    Person,
    Authority,
    Office,
}

impl From<RequesterArg> for Requester {
    fn from(typed: RequesterArg) -> Self {
        match typed {
            RequesterArg::Person => Self::Person,
            RequesterArg::Authority => Self::Authority,
            RequesterArg::Office => Self::Office,
        }
    }
}

/// Who does it, and why.
#[derive(Debug, Args)]
pub(super) struct ByArgs {
    /// Pseudonymous id of who does it; may be left out where the server knows who calls
    #[arg(long, visible_alias = "officer", value_name = "ID", value_parser = options::id)]
    pub(super) by: Option<SubjectId>,
    /// Why, without names and numbers of people; kept with the record
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
    /// Name of this request, so that trying again does it once
    #[arg(long, value_name = "ID")]
    pub(super) request_id: Option<String>,
    #[command(flatten)]
    pub(super) gallery: GalleryArgs,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// What was typed.
#[derive(Debug, Args)]
pub(super) struct RestrictArgs {
    /// Whose record
    #[arg(value_name = "SUBJECT_ID", value_parser = options::id)]
    subject: SubjectId,
    /// By whose request
    #[arg(long, value_enum, value_name = "WHO")]
    requester: RequesterArg,
    #[command(flatten)]
    by: ByArgs,
}

/// What was typed.
#[derive(Debug, Args)]
pub(super) struct LiftArgs {
    /// Whose record
    #[arg(value_name = "SUBJECT_ID", value_parser = options::id)]
    subject: SubjectId,
    /// Number of the restriction, or of the erasure that waits, as `subject report` and `show` have it;
    /// needed where several are in force
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    number: Option<u32>,
    #[command(flatten)]
    by: ByArgs,
}

/// What was typed.
#[derive(Debug, Args)]
pub(super) struct HoldArgs {
    /// Whose record
    #[arg(value_name = "SUBJECT_ID", value_parser = options::id)]
    subject: SubjectId,
    /// Name of the hold, as that of the case file
    #[arg(value_name = "HOLD", value_parser = hold_name)]
    hold: HoldName,
    #[command(flatten)]
    by: ByArgs,
}

/// What was typed.
#[derive(Debug, Args)]
pub(super) struct EraseArgs {
    /// Of whom
    #[arg(value_name = "SUBJECT_ID", value_parser = options::id)]
    subject: SubjectId,
    /// By whose request
    #[arg(long, value_enum, value_name = "WHO")]
    requester: RequesterArg,
    /// A finding of an audit about the record is open: restrict it, and erase it later
    #[arg(long)]
    finding_open: bool,
    #[command(flatten)]
    by: ByArgs,
}

fn hold_name(text: &str) -> Result<HoldName, String> {
    HoldName::new(text).map_err(|error| error.to_string())
}

/// The answer to a change of standing; field names are a contract.
#[derive(Serialize)]
struct StandingAnswer {
    done: bool,
    /// What was done; `null` where nothing was.
    action: Option<&'static str>,
    /// Where nothing was done, what is not there: `SUBJECT_UNKNOWN`, `NOT_RESTRICTED` or `HOLD_UNKNOWN`.
    missing: Option<&'static str>,
    commit: Option<u64>,
    replayed: bool,
}

/// The answer to an erasure; field names are a contract.
#[derive(Serialize)]
struct ErasureAnswer {
    erased: bool,
    /// The record is restricted until what it waits for has ended.
    restricted: bool,
    waits_for: Vec<Obstacle>,
    commit: Option<u64>,
    /// Number of its entry in the transparency log, from 0; `null` where none is kept.
    entry: Option<u64>,
    replayed: bool,
}

pub(super) async fn opened(
    command: &'static str,
    settings: &Settings,
    subject: SubjectId,
    by: ByArgs,
) -> Result<(CaseRecords, RightsOf, bool), Failure> {
    let place = by.gallery.place(settings)?;
    let reason = Note::new(by.reason).map_err(Failure::new)?;
    let request_id = by.request_id.map(RequestId::new).transpose().map_err(Failure::new)?;
    let records = CaseRecords::open(command, settings, &place).await?;
    Ok((records, RightsOf { subject, by: by.by, reason, request_id }, by.json))
}

async fn changed(
    command: &'static str,
    settings: &Settings,
    subject: SubjectId,
    by: ByArgs,
    action: StandingAction,
) -> Outcome {
    let (records, of, json) = opened(command, settings, subject, by).await?;
    let name = action.name();
    let (done, missing) = match records.change_standing(&of, action.clone()).await? {
        StandingChanged::Done(receipt) => (Some(receipt), None),
        StandingChanged::Missing(reason) => (None, Some(reason)),
    };
    match (&missing, json) {
        (_, true) => print::json(&StandingAnswer {
            done: done.is_some(),
            action: done.as_ref().map(|_| name),
            missing: missing.map(Reason::code),
            commit: done.as_ref().map(|done| done.commit),
            replayed: done.as_ref().is_some_and(|done| done.replayed),
        })?,
        (None, false) => print::answer(name)?,
        (Some(reason), false) => print::answer(&not_there(*reason, &action))?,
    }
    Ok(if done.is_some() { Exit::Success } else { Exit::Negative })
}

/// What is not there of what was asked for.
fn not_there(reason: Reason, action: &StandingAction) -> String {
    let what = match (reason, action) {
        (Reason::NotRestricted, StandingAction::LiftOne(number)) => {
            format!("no restriction and no waiting erasure number {number} is in force on this record")
        }
        (Reason::NotRestricted, _) => "the record is not restricted".to_owned(),
        (Reason::HoldUnknown, _) => "no legal hold of this name is on the record".to_owned(),
        _ => "nobody is enrolled under this id".to_owned(),
    };
    format!("{what}; nothing was done")
}

pub(super) async fn restrict(settings: &Settings, args: RestrictArgs) -> Outcome {
    let action = StandingAction::Restrict(args.requester.into());
    changed("subject/restrict", settings, args.subject, args.by, action).await
}

pub(super) async fn lift(settings: &Settings, args: LiftArgs) -> Outcome {
    let action = args.number.map_or(StandingAction::Lift, StandingAction::LiftOne);
    changed("subject/lift", settings, args.subject, args.by, action).await
}

pub(super) async fn hold(settings: &Settings, args: HoldArgs) -> Outcome {
    changed("subject/hold", settings, args.subject, args.by, StandingAction::Hold(args.hold)).await
}

pub(super) async fn release(settings: &Settings, args: HoldArgs) -> Outcome {
    changed("subject/release", settings, args.subject, args.by, StandingAction::Release(args.hold)).await
}

pub(super) async fn erase(settings: &Settings, args: EraseArgs) -> Outcome {
    let EraseArgs { subject, requester, finding_open, by } = args;
    let (records, of, json) = opened("subject/erase", settings, subject, by).await?;
    let done = records.erase(&of, requester.into(), finding_open).await?;
    let waits_for = match done.as_ref().map(|done| &done.erasure) {
        Some(Erasure::Waits(against)) => against.clone(),
        _ => Vec::new(),
    };
    let erased = done.as_ref().is_some_and(|done| done.erasure == Erasure::Erased);
    let answer = ErasureAnswer {
        erased,
        restricted: done.is_some() && !erased,
        waits_for,
        commit: done.as_ref().map(|done| done.commit),
        entry: done.as_ref().and_then(|done| done.entry),
        replayed: done.as_ref().is_some_and(|done| done.replayed),
    };
    let receipt = answer.entry.map(|entry| {
        format!("; entry {entry} of the transparency log: `chinhchu ledger prove --entry {entry}` gives the receipt")
    });
    let receipt = receipt.unwrap_or_default();
    match (json, &done) {
        (true, _) => print::json(&answer)?,
        (false, None) => print::answer(
            "nothing is kept of this subject; nothing was erased (of an earlier erasure `chinhchu ledger show --subject ID` \
             tells the entry, where a log is kept)",
        )?,
        (false, Some(_)) if erased => print::answer(&format!("erased{receipt}"))?,
        (false, Some(_)) => {
            let against: Vec<&str> = answer.waits_for.iter().map(|one| obstacle(*one)).collect();
            let text = format!(
                "restricted, not erased: {}; once that has ended, ask again{receipt}",
                if against.is_empty() { "it had to wait".to_owned() } else { against.join(", ") }
            );
            print::answer(&text)?;
        }
    }
    Ok(if erased { Exit::Success } else { Exit::Negative })
}

/// What stands against an erasure.
fn obstacle(of: Obstacle) -> &'static str {
    match of {
        Obstacle::ReferralOpen => "a referral waits for an officer",
        Obstacle::LegalHold => "a legal hold is on it",
        Obstacle::FindingOpen => "a finding of an audit is open",
    }
}

/// What was said of a record's standing; field names are a contract.
#[derive(Serialize)]
pub(super) struct StandingShown<'a> {
    /// Its place among what was said, from 1.
    number: u32,
    action: &'static str,
    /// It is a restriction, an erasure that waits or a hold, and has not ended.
    in_force: bool,
    /// What it ended, where that was one of several.
    ended: Option<u32>,
    requester: Option<Requester>,
    hold: Option<&'a str>,
    by: &'a SubjectId,
    reason: &'a str,
    at: String,
}

impl<'a> StandingShown<'a> {
    /// Everything that was said of a record, oldest first.
    pub(super) fn all(of: &'a Standing) -> impl Iterator<Item = Self> {
        of.numbered().into_iter().map(|(number, in_force, entry)| Self::of(number, in_force, entry))
    }

    fn of(number: u32, in_force: bool, entry: &'a StandingEntry) -> Self {
        let (requester, hold) = match &entry.action {
            StandingAction::Restrict(requester) | StandingAction::AskErasure { requester, .. } => {
                (Some(*requester), None)
            }
            StandingAction::Hold(name) | StandingAction::Release(name) => (None, Some(name.as_str())),
            StandingAction::Lift | StandingAction::LiftOne(_) => (None, None),
        };
        let ended = match entry.action {
            StandingAction::LiftOne(number) => Some(number),
            _ => None,
        };
        let (by, reason, at) = (&entry.by, entry.reason.as_str(), date::shown(entry.at));
        Self { number, action: entry.action.name(), in_force, ended, requester, hold, by, reason, at }
    }

    pub(super) fn line(&self) -> String {
        let hold = self.hold.map(|name| format!(" {name}")).unwrap_or_default();
        let ended = self.ended.map(|number| format!(" number {number}")).unwrap_or_default();
        let (by, reason) = (outcome::one_line(self.by.as_str()), outcome::one_line(self.reason));
        let in_force = if self.in_force { "  in force" } else { "" };
        format!("{}. {}{hold}{ended} by {by}  {}{in_force}  {reason}", self.number, self.action, self.at)
    }
}

/// A legal basis; field names are a contract.
#[derive(Serialize)]
pub(super) struct BasisShown<'a> {
    pub(super) legal_basis: &'a str,
    pub(super) at: String,
}

impl<'a> BasisShown<'a> {
    pub(super) fn of(of: &'a RecordedBasis) -> Self {
        Self { legal_basis: of.basis.as_str(), at: date::shown(of.at) }
    }
}
