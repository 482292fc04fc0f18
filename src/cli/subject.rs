//! `chinhchu subject`: who is enrolled, and what is kept of one subject. Never a template's values.

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::backend::GalleryArgs;
use super::case_records::CaseRecords;
use super::listing::{self, Entry, ListArgs};
use super::report;
use super::requests;
use super::rights;
use super::settings::Settings;
use super::{Exit, Failure, GlobalArgs, Outcome, date, options, outcome, print, runtime};
use crate::gallery::{Attributes, Source, SubjectId};
use crate::service::SubjectInfo;
use crate::workflow::beneficiary::{StandingFilter, SubjectCount, SubjectFilter, SubjectSummary};

const EXAMPLES: &str = "\
Examples:
  chinhchu subject list --data people --scheme social --province 79
  chinhchu subject list --server http://127.0.0.1:50051 --all --json
  chinhchu subject show person-1 --data people
  chinhchu subject count --data people --scheme health
  chinhchu subject list --data people --standing erasure-ready
  chinhchu subject report person-1 --data people
  chinhchu subject restrict person-1 --data people --by A-2 --requester person \\
    --reason 'says that the photo is of another'
  chinhchu subject hold person-1 VKS-2026-12 --data people --by A-2 --reason 'order of the court'
  chinhchu subject erase person-1 --data people --by R-1 --requester person --reason 'consent withdrawn'
  chinhchu subject request list --data people --overdue

Subjects are listed in byte order of their ids; those of a sealed gallery in an order of its own. What is shown is what is kept beside the
face: schemes, province, unit, when each scheme was last verified, who enrolled and who
vouched, and of each template its source, time and quality. No model pack is needed.

A restricted record is in no 1:N search, and a decision about it goes to an officer.
Restrictions of several requesters, or for several reasons, stand beside each other: `lift`
ends one, by its --number where there are several, and the record takes part again when all
have ended. A legal
hold keeps a record from being removed, replaced or erased. `erase` takes away everything that
is kept; where a referral waits, a hold is on the record or --finding-open is given, the record
is restricted instead, and `erase` again does it later. docs/rights.md tells more.

Exit code: 0 found, counted or done; 1 nothing found, nothing to lift or release, or the
erasure waits; 2 the gallery cannot be used or wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SubjectArgs {
    #[command(subcommand)]
    action: SubjectAction,
}

#[derive(Debug, Subcommand)]
enum SubjectAction {
    /// List who is enrolled
    #[command(after_help = EXAMPLES)]
    List(SubjectListArgs),
    /// Show what is kept of a subject
    #[command(after_help = EXAMPLES)]
    Show(SubjectShowArgs),
    /// Count subjects and their templates
    #[command(after_help = EXAMPLES)]
    Count(SubjectCountArgs),
    /// Restrict a record
    #[command(after_help = EXAMPLES)]
    Restrict(rights::RestrictArgs),
    /// End a restriction, or withdraw an erasure that waits
    #[command(after_help = EXAMPLES)]
    Lift(rights::LiftArgs),
    /// Put a legal hold on a record
    #[command(after_help = EXAMPLES)]
    Hold(rights::HoldArgs),
    /// End a legal hold
    #[command(after_help = EXAMPLES)]
    Release(rights::HoldArgs),
    /// Erase everything that is kept of a subject, or restrict the record until that can be
    #[command(after_help = EXAMPLES)]
    Erase(rights::EraseArgs),
    /// Enter, answer and list what people ask about their records
    Request(requests::RequestArgs),
    /// Tell what is kept of a person, why, and who looked at it
    #[command(after_help = EXAMPLES)]
    Report(report::ReportArgs),
}

#[derive(Debug, Args)]
struct FilterArgs {
    /// Only subjects that draw from this scheme
    #[arg(long, value_name = "SCHEME", value_parser = options::scheme)]
    scheme: Option<String>,
    /// Only subjects of this province
    #[arg(long, value_name = "CODE", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    province: Option<String>,
}

#[derive(Debug, Args)]
struct SubjectListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Only records that stand so
    #[arg(long, value_enum, value_name = "STANDING")]
    standing: Option<StandingArg>,
    #[command(flatten)]
    list: ListArgs,
    #[command(flatten)]
    gallery: GalleryArgs,
}

/// How records stand, as typed; the variants are [`StandingFilter`]'s.
// They have no doc comments: clap would make a paragraph of each.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum StandingArg {
    Restricted,
    Held,
    ErasureWaits,
    ErasureReady,
}

impl From<StandingArg> for StandingFilter {
    fn from(typed: StandingArg) -> Self {
        match typed {
            StandingArg::Restricted => Self::Restricted,
            StandingArg::Held => Self::Held,
            StandingArg::ErasureWaits => Self::ErasureWaits,
            StandingArg::ErasureReady => Self::ErasureReady,
        }
    }
}

#[derive(Debug, Args)]
struct SubjectShowArgs {
    /// Whom to show
    #[arg(value_name = "SUBJECT_ID", value_parser = options::id)]
    subject: SubjectId,
    #[command(flatten)]
    gallery: GalleryArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct SubjectCountArgs {
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    gallery: GalleryArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: SubjectArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let settings = Settings::new(global)?;
    match args.action {
        SubjectAction::List(args) => runtime::block_on(list(&settings, args)),
        SubjectAction::Show(args) => runtime::block_on(show(&settings, args)),
        SubjectAction::Count(args) => runtime::block_on(count(&settings, args)),
        SubjectAction::Restrict(args) => runtime::block_on(rights::restrict(&settings, args)),
        SubjectAction::Lift(args) => runtime::block_on(rights::lift(&settings, args)),
        SubjectAction::Hold(args) => runtime::block_on(rights::hold(&settings, args)),
        SubjectAction::Release(args) => runtime::block_on(rights::release(&settings, args)),
        SubjectAction::Erase(args) => runtime::block_on(rights::erase(&settings, args)),
        SubjectAction::Request(args) => runtime::block_on(requests::run(&settings, args)),
        SubjectAction::Report(args) => runtime::block_on(report::run(&settings, args)),
    }
}

impl From<FilterArgs> for SubjectFilter {
    fn from(args: FilterArgs) -> Self {
        Self { scheme: args.scheme, province: args.province, standing: None }
    }
}

async fn list(settings: &Settings, args: SubjectListArgs) -> Outcome {
    let records = CaseRecords::open("subject/list", settings, &args.gallery.place(settings)?).await?;
    let filter = SubjectFilter { standing: args.standing.map(Into::into), ..args.filter.into() };
    let page = async |page| records.subjects(&filter, page).await;
    listing::print(&args.list, "subjects", "no such subject is enrolled", page).await
}

/// A subject in a list; field names are a contract.
#[derive(Serialize)]
struct SubjectListed<'a> {
    subject_id: &'a SubjectId,
    #[serde(flatten)]
    attributes: AttributesShown<'a>,
    templates: usize,
    enrolled_at: String,
    updated_at: String,
    restricted: bool,
    holds: usize,
    erasure_waits: bool,
}

/// What is known beside the face.
#[derive(Serialize)]
struct AttributesShown<'a> {
    schemes: Vec<&'a str>,
    province: Option<&'a str>,
    unit: Option<&'a str>,
}

impl<'a> AttributesShown<'a> {
    fn of(attributes: &'a Attributes) -> Self {
        Self {
            schemes: attributes.schemes.iter().map(String::as_str).collect(),
            province: attributes.province.as_deref(),
            unit: attributes.unit.as_deref(),
        }
    }

    /// `  schemes …  province …  unit …`, as far as they are known.
    fn text(&self) -> String {
        let schemes = (!self.schemes.is_empty()).then(|| self.schemes.join(", "));
        let parts = [("schemes", schemes.as_deref()), ("province", self.province), ("unit", self.unit)];
        let known = parts.into_iter().filter_map(|(name, value)| Some((name, value?)));
        // What was enrolled may have come from anywhere: it does not steer the terminal.
        known.map(|(name, value)| format!("  {name} {}", outcome::one_line(value))).collect()
    }
}

impl Entry for SubjectSummary {
    fn line(&self) -> String {
        format!(
            "{}  templates {}{}  enrolled {}  changed {}{}",
            outcome::one_line(self.subject.as_str()),
            self.templates,
            AttributesShown::of(&self.attributes).text(),
            date::shown(self.enrolled_at),
            date::shown(self.updated_at),
            self.standing(),
        )
    }

    fn object(&self) -> impl Serialize {
        SubjectListed {
            subject_id: &self.subject,
            attributes: AttributesShown::of(&self.attributes),
            templates: self.templates,
            enrolled_at: date::shown(self.enrolled_at),
            updated_at: date::shown(self.updated_at),
            restricted: self.restricted,
            holds: self.holds,
            erasure_waits: self.erasure_waits,
        }
    }
}

impl SubjectSummary {
    /// `  restricted  holds 1  erasure waits`, as far as it is so.
    fn standing(&self) -> String {
        let holds = if self.holds > 0 { format!("  holds {}", self.holds) } else { String::new() };
        let restricted = if self.restricted { "  restricted" } else { "" };
        let waits = if self.erasure_waits { "  erasure waits" } else { "" };
        format!("{restricted}{holds}{waits}")
    }
}

/// The `subject show` answer; field names are a contract.
#[derive(Serialize)]
struct SubjectShown<'a> {
    found: bool,
    subject_id: &'a SubjectId,
    #[serde(flatten)]
    attributes: AttributesShown<'a>,
    templates: Vec<TemplateShown>,
    /// Time of the last successful verification by scheme.
    last_verified: std::collections::BTreeMap<&'a str, String>,
    enrolled_at: String,
    updated_at: String,
    /// What officers vouched for, oldest first.
    vouched: Vec<VouchShown<'a>>,
    /// Who enrolled any of its templates, as far as they were named.
    enrolled_by: Vec<&'a SubjectId>,
    /// Whether it is restricted.
    restricted: bool,
    /// What was said of how the record stands, oldest first.
    standing: Vec<rights::StandingShown<'a>>,
    /// Legal bases of its enrolments, oldest first.
    legal_bases: Vec<rights::BasisShown<'a>>,
}

#[derive(Serialize)]
struct TemplateShown {
    id: u64,
    source: Source,
    captured_at: Option<String>,
    quality: Option<f32>,
}

#[derive(Serialize)]
struct VouchShown<'a> {
    officer_id: &'a SubjectId,
    reason: &'a str,
    at: String,
    /// Ids of the templates that the record had then.
    templates: &'a [u64],
}

async fn show(settings: &Settings, args: SubjectShowArgs) -> Outcome {
    let records = CaseRecords::open("subject/show", settings, &args.gallery.place(settings)?).await?;
    let Some(subject) = records.subject(&args.subject).await? else {
        match args.json {
            true => print::json(&outcome::NotFound::default())?,
            false => print::answer("no such subject")?,
        }
        return Ok(Exit::Negative);
    };
    let shown = shown(&subject);
    if args.json {
        print::json(&shown)?;
    } else {
        print::answer(&text(&shown))?;
    }
    Ok(Exit::Success)
}

fn shown(of: &SubjectInfo) -> SubjectShown<'_> {
    let template = |one: &crate::service::TemplateInfo| TemplateShown {
        id: one.id,
        source: one.source,
        captured_at: one.captured_at.map(date::shown),
        quality: one.quality,
    };
    SubjectShown {
        found: true,
        subject_id: &of.id,
        attributes: AttributesShown::of(&of.attributes),
        templates: of.templates.iter().map(template).collect(),
        last_verified: of.last_verified.iter().map(|(scheme, at)| (scheme.as_str(), date::shown(*at))).collect(),
        enrolled_at: date::shown(of.enrolled_at),
        updated_at: date::shown(of.updated_at),
        vouched: of
            .vouched
            .iter()
            .map(|one| VouchShown {
                officer_id: &one.vouch.officer,
                reason: one.vouch.reason.as_str(),
                at: date::shown(one.at),
                templates: &one.templates,
            })
            .collect(),
        enrolled_by: of.enrolled_by.iter().collect(),
        restricted: of.standing.is_restricted(),
        standing: rights::StandingShown::all(&of.standing).collect(),
        legal_bases: of.legal_bases.iter().map(rights::BasisShown::of).collect(),
    }
}

fn text(of: &SubjectShown<'_>) -> String {
    let id = |id: &SubjectId| outcome::one_line(id.as_str());
    let mut text = format!(
        "{}{}\nenrolled {}  changed {}",
        id(of.subject_id),
        of.attributes.text(),
        of.enrolled_at,
        of.updated_at
    );
    for template in &of.templates {
        let captured = template.captured_at.as_ref().map(|at| format!("  captured {at}")).unwrap_or_default();
        let quality = template.quality.map(|quality| format!("  quality {quality:.0}")).unwrap_or_default();
        let source = match template.source {
            Source::Chip => "chip",
            Source::Live => "live",
            Source::Other => "other",
        };
        text += &format!("\ntemplate {}  {source}{captured}{quality}", template.id);
    }
    for (scheme, at) in &of.last_verified {
        text += &format!("\nverified  {}  {at}", outcome::one_line(scheme));
    }
    if of.last_verified.is_empty() {
        text += "\nnever verified";
    }
    for by in &of.enrolled_by {
        text += &format!("\nenrolled by {}", id(by));
    }
    for vouch in &of.vouched {
        text += &format!(
            "\nvouched for by {}  {}  templates {}  {}",
            id(vouch.officer_id),
            vouch.at,
            vouch.templates.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
            outcome::one_line(vouch.reason),
        );
    }
    for basis in &of.legal_bases {
        text += &format!("\nlegal basis  {}  {}", basis.at, outcome::one_line(basis.legal_basis));
    }
    if of.restricted {
        text += "\nrestricted";
    }
    for entry in &of.standing {
        text += &format!("\n{}", entry.line());
    }
    text
}

/// The `subject count` answer; field names are a contract.
#[derive(Serialize)]
struct SubjectCounted {
    subjects: u64,
    templates: u64,
}

async fn count(settings: &Settings, args: SubjectCountArgs) -> Outcome {
    let records = CaseRecords::open("subject/count", settings, &args.gallery.place(settings)?).await?;
    let SubjectCount { subjects, templates } = records.count_subjects(args.filter.into()).await?;
    match args.json {
        true => print::json(&SubjectCounted { subjects, templates })?,
        false => print::answer(&format!("{subjects} subjects, {templates} templates"))?,
    }
    Ok::<_, Failure>(Exit::Success)
}
