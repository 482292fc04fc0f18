//! `chinhchu subject request open|acknowledge|close|list`: what people ask about their records, and by
//! when that is due.

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::backend::GalleryArgs;
use super::case_records::{AnswerOf, CaseRecords};
use super::listing::{self, Entry, ListArgs};
use super::rights::{ByArgs, RequesterArg, opened};
use super::settings::Settings;
use super::{Exit, Failure, Outcome, date, options, outcome, print};
use crate::gallery::{
    Clock, Note, RequestAnswer, RequestId, RequestKind, RequestState, RequestStep, Requester, SubjectId,
    SubjectRequest, Timestamp,
};
use crate::workflow::requests::{RequestOutcome, RequestsWanted};

const EXAMPLES: &str = "\
Examples:
  chinhchu subject request open person-1 --data people --kind access --requester person \\
    --by A-2 --reason 'asked in writing' --received 2026-03-02
  chinhchu subject request acknowledge 7 --data people --by A-2 --reason 'told that it is valid'
  chinhchu subject request close 7 --data people --outcome completed --by A-2 --reason 'report handed over'
  chinhchu subject request list --data people --overdue

A request has a number and two clocks, fixed when it is received: [rights] in the
configuration, 2 days to acknowledge it, 15 to carry it out, 20 for an erasure. Days are
calendar days of Vietnam; the day of receipt does not count, the last one counts whole. To
enter a request does nothing to the record. `subject erase` ends the requests about the record
it erases: number, kind and times stay. docs/rights.md tells more.

Exit code: 0 done, or requests were listed; 1 no such request, or none to list; 2 refused, the
gallery cannot be used, or wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RequestArgs {
    #[command(subcommand)]
    action: RequestAction,
}

#[derive(Debug, Subcommand)]
enum RequestAction {
    /// Enter what a person asks for
    #[command(after_help = EXAMPLES)]
    Open(OpenArgs),
    /// Note that whoever asked was told that it came, and whether it can be carried out
    #[command(after_help = EXAMPLES)]
    Acknowledge(AcknowledgeArgs),
    /// End a request: it was carried out, or it is refused
    #[command(after_help = EXAMPLES)]
    Close(CloseArgs),
    /// List requests, and which are overdue
    #[command(after_help = EXAMPLES)]
    List(RequestListArgs),
}

/// What is asked for, as typed; the variants are [`RequestKind`]'s.
// They have no doc comments: clap would make a paragraph of each.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindArg {
    Access,
    Correction,
    Restriction,
    Erasure,
    Objection,
}

impl From<KindArg> for RequestKind {
    fn from(typed: KindArg) -> Self {
        match typed {
            KindArg::Access => Self::Access,
            KindArg::Correction => Self::Correction,
            KindArg::Restriction => Self::Restriction,
            KindArg::Erasure => Self::Erasure,
            KindArg::Objection => Self::Objection,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OutcomeArg {
    Completed,
    Refused,
}

#[derive(Debug, Args)]
struct OpenArgs {
    /// About whose record; it need not be enrolled
    #[arg(value_name = "SUBJECT_ID", value_parser = options::id)]
    subject: SubjectId,
    /// What is asked for; objection is withdrawal of consent as well
    #[arg(long, value_enum, value_name = "KIND")]
    kind: KindArg,
    /// Who asks
    #[arg(long, value_enum, value_name = "WHO")]
    requester: RequesterArg,
    /// When the office received it: a day, or a day and time with its offset [default: now]
    #[arg(long, value_name = "WHEN", value_parser = received)]
    received: Option<Timestamp>,
    #[command(flatten)]
    by: ByArgs,
}

#[derive(Debug, Args)]
struct AcknowledgeArgs {
    /// Number of the request
    #[arg(value_name = "NUMBER")]
    number: u64,
    #[command(flatten)]
    by: ByArgs,
}

#[derive(Debug, Args)]
struct CloseArgs {
    /// Number of the request
    #[arg(value_name = "NUMBER")]
    number: u64,
    /// What became of it
    #[arg(long, value_enum, value_name = "OUTCOME")]
    outcome: OutcomeArg,
    #[command(flatten)]
    by: ByArgs,
}

#[derive(Debug, Args)]
struct RequestListArgs {
    /// Only those about this subject
    #[arg(long, value_name = "SUBJECT_ID", value_parser = options::id)]
    subject: Option<SubjectId>,
    /// Only those that have not ended
    #[arg(long)]
    open: bool,
    /// Only those that are late
    #[arg(long)]
    overdue: bool,
    #[command(flatten)]
    list: ListArgs,
    #[command(flatten)]
    gallery: GalleryArgs,
}

fn received(text: &str) -> Result<Timestamp, String> {
    date::moment(text)
        .ok_or_else(|| "it is no time until now; write 2026-03-05, or 2026-03-05T08:30:00+07:00".to_owned())
}

/// Runs the command.
pub(super) async fn run(settings: &Settings, args: RequestArgs) -> Outcome {
    match args.action {
        RequestAction::Open(args) => open(settings, args).await,
        RequestAction::Acknowledge(args) => {
            answer("subject/request/acknowledge", settings, args.number, RequestAnswer::Acknowledge, args.by).await
        }
        RequestAction::Close(args) => {
            let outcome = match args.outcome {
                OutcomeArg::Completed => RequestAnswer::Complete,
                OutcomeArg::Refused => RequestAnswer::Refuse,
            };
            answer("subject/request/close", settings, args.number, outcome, args.by).await
        }
        RequestAction::List(args) => list(settings, args).await,
    }
}

/// The answer to a change of a request; field names are a contract.
#[derive(Serialize)]
struct RequestAnswered<'a> {
    done: bool,
    /// `null` where there is none of this number.
    request: Option<RequestShown<'a>>,
    commit: Option<u64>,
    replayed: bool,
}

async fn open(settings: &Settings, args: OpenArgs) -> Outcome {
    let OpenArgs { subject, kind, requester, received, by } = args;
    let (records, of, json) = opened("subject/request/open", settings, subject, by).await?;
    let done = records.open_request(&of, kind.into(), requester.into(), received).await?;
    tell(Some(&done), json)
}

async fn answer(command: &'static str, settings: &Settings, number: u64, answer: RequestAnswer, by: ByArgs) -> Outcome {
    let place = by.gallery.place(settings)?;
    let reason = Note::new(by.reason).map_err(Failure::new)?;
    let request_id = by.request_id.map(RequestId::new).transpose().map_err(Failure::new)?;
    let records = CaseRecords::open(command, settings, &place).await?;
    let done = records.answer_request(&AnswerOf { number, answer, by: by.by, reason, request_id }).await?;
    tell(done.as_ref(), by.json)
}

fn tell(done: Option<&RequestOutcome>, json: bool) -> Outcome {
    match (done, json) {
        (done, true) => print::json(&RequestAnswered {
            done: done.is_some(),
            request: done.map(|done| RequestShown::of(&done.request)),
            commit: done.map(|done| done.commit),
            replayed: done.is_some_and(|done| done.replayed),
        })?,
        (Some(done), false) => print::answer(&RequestShown::of(&done.request).line())?,
        (None, false) => print::answer("no request of this number; nothing was done")?,
    }
    Ok(if done.is_some() { Exit::Success } else { Exit::Negative })
}

async fn list(settings: &Settings, args: RequestListArgs) -> Outcome {
    let records = CaseRecords::open("subject/request/list", settings, &args.gallery.place(settings)?).await?;
    let wanted = RequestsWanted { subject: args.subject, open: args.open, overdue: args.overdue };
    let page = async |page| records.requests(&wanted, page).await;
    listing::print(&args.list, "requests", "no such request", page).await
}

/// A request of a person; field names are a contract.
#[derive(Serialize)]
pub(super) struct RequestShown<'a> {
    number: u64,
    /// `null` once the record was erased.
    subject_id: Option<&'a SubjectId>,
    kind: RequestKind,
    requester: Requester,
    state: RequestState,
    received_at: String,
    acknowledge_by: String,
    complete_by: String,
    opened: StepShown<'a>,
    acknowledged: Option<StepShown<'a>>,
    closed: Option<StepShown<'a>>,
    /// The clock that has run out; `null` where it is in time or has ended.
    late: Option<Clock>,
    /// Calendar days behind the last one; a day that has begun counts.
    days_late: u64,
}

#[derive(Serialize)]
struct StepShown<'a> {
    by: Option<&'a SubjectId>,
    reason: Option<&'a str>,
    at: String,
}

impl<'a> StepShown<'a> {
    fn of(step: &'a RequestStep) -> Self {
        let reason = step.reason.as_ref().map(Note::as_str);
        Self { by: step.by.as_ref(), reason, at: date::shown(step.at) }
    }
}

impl<'a> RequestShown<'a> {
    pub(super) fn of(of: &'a SubjectRequest) -> Self {
        let late = of.late(Timestamp::now());
        Self {
            number: of.number,
            subject_id: of.subject.as_ref(),
            kind: of.kind,
            requester: of.requester,
            state: of.state(),
            received_at: date::shown(of.received_at),
            acknowledge_by: date::shown(of.acknowledge_by),
            complete_by: date::shown(of.complete_by),
            opened: StepShown::of(&of.opened),
            acknowledged: of.acknowledged.as_ref().map(StepShown::of),
            closed: of.closed.as_ref().map(|(_, step)| StepShown::of(step)),
            late: late.map(|late| late.clock),
            days_late: late.map_or(0, |late| late.days),
        }
    }

    /// `7  access  person-1  open  received …  acknowledge by …  complete by …  2 days late (acknowledge)`.
    pub(super) fn line(&self) -> String {
        let subject = self.subject_id.map_or_else(|| "(erased)".to_owned(), |id| outcome::one_line(id.as_str()));
        let (kind, state) = (self.kind.name(), self.state.name());
        let mut line = format!("{}  {kind}  {subject}  {state}  received {}", self.number, self.received_at);
        match &self.closed {
            Some(closed) => line += &format!("  ended {}", closed.at),
            None => line += &format!("  complete by {}", self.complete_by),
        }
        if self.state == RequestState::Open {
            line += &format!("  acknowledge by {}", self.acknowledge_by);
        }
        if let Some(clock) = self.late {
            let (days, what) =
                (self.days_late, if clock == Clock::Complete { "to complete" } else { "to acknowledge" });
            line += &format!("  {days} {} late {what}", if days == 1 { "day" } else { "days" });
        }
        line
    }
}

impl Entry for SubjectRequest {
    fn line(&self) -> String {
        RequestShown::of(self).line()
    }

    fn object(&self) -> impl Serialize {
        RequestShown::of(self)
    }
}
