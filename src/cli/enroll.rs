//! `chinhchu enroll`: one subject from its photos, or many from a manifest.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::backend::{Backend, GalleryArgs, Place, Roles};
use super::bulk::{self, BulkPlan};
use super::settings::Settings;
use super::{Exit, Failure, GlobalArgs, Outcome, caller, options, photo, print, runtime};
use crate::face::FaceReport;
use crate::gallery::{Attributes, EnrolMode, LegalBasis, Note, RequestId, Source, SubjectId, Vouch};
use crate::workflow::{EnrolOutcome, EnrolRequest, PROBE_FRAMES_MAX, Photo};

const USAGE: &str = "\
chinhchu enroll [OPTIONS] <SUBJECT_ID> <PHOTO>...
       chinhchu enroll [OPTIONS] --manifest <FILE>";

const EXAMPLES: &str = "\
Examples:
  chinhchu enroll person-1 photo.jpg --data people --create
  chinhchu enroll person-1 left.jpg right.jpg --data people --add --source live
  chinhchu enroll --manifest people.csv --data people --scheme social --json
  chinhchu enroll person-1 photo.jpg --clerk C-3 --server http://127.0.0.1:50051

A manifest is a CSV file with the columns subject_id and path, one photo a row, in
any order; relative paths start at the manifest's folder, and several rows may name the
same subject. The columns scheme (several divided by ; | or +), province, unit,
captured_at (2024-03-05, or with time and offset), source, clerk_id and legal_basis go before
the options of these names where a row fills them; other columns are ignored. A row that fails is listed
on standard error with its line, and does not stop the others.

Each row is durable before the next one of its subject begins. After an interruption
run the same command again: rows that were done are recognised by subject, content of
the photo and options, for a month, and are not done twice. (With --replace every
row is done again, which ends in the same state.)

Subject ids are pseudonyms: never use the card number itself.

The photos must show one person, and with --add the person of the record; where they do
not agree, --officer and --reason record who looked at them and vouches for it. With a
manifest this holds for each photo of a subject after the first. Whoever is named by
--clerk answers no case of the record as an officer.

Exit code: 0 enrolled, 1 some rows of the manifest failed, 2 a photo cannot be used,
the subject is there already, the gallery cannot be used, or wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, override_usage = USAGE)]
pub struct EnrollArgs {
    /// Whom to enrol
    #[arg(value_name = "SUBJECT_ID", required_unless_present = "manifest", conflicts_with = "manifest")]
    subject: Option<String>,
    /// 1 to 5 photos of that person; `-` is standard input
    #[arg(value_name = "PHOTO", required_unless_present = "manifest", num_args = 1..=PROBE_FRAMES_MAX)]
    photos: Vec<PathBuf>,
    /// Enrol everybody in this CSV file (columns subject_id,path)
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    gallery: GalleryArgs,
    /// Make the gallery where there is none
    #[arg(long, conflicts_with = "server")]
    create: bool,
    /// Add the photos to a subject that is there
    #[arg(long, conflicts_with = "replace")]
    add: bool,
    /// Replace a subject that is there
    #[arg(long)]
    replace: bool,
    /// Where the photos come from: the card's chip, the person present, anything else
    #[arg(long, value_enum, default_value_t = SourceArg::Other, value_name = "SOURCE")]
    source: SourceArg,
    /// Take live photos of poor quality too
    #[arg(long)]
    accept_poor: bool,
    /// Pseudonymous id of the officer who has looked at photos that do not agree with each
    /// other or with the record, and vouches that they are one person's
    #[arg(long, value_name = "ID", requires = "reason", conflicts_with = "manifest", help_heading = "Vouching")]
    officer: Option<String>,
    /// Why; kept with the record
    #[arg(long, value_name = "TEXT", requires = "officer", conflicts_with = "manifest", help_heading = "Vouching")]
    reason: Option<String>,
    /// Pseudonymous id of the clerk who enrols; kept with the record
    #[arg(long, value_name = "ID", value_parser = options::id)]
    clerk: Option<SubjectId>,
    /// Reference to the legal basis or consent that the enrolment rests on; kept with the record
    #[arg(long, value_name = "REF", value_parser = options::legal_basis)]
    legal_basis: Option<LegalBasis>,
    /// Scheme the subject draws from: social, health or unemployment; may be repeated
    #[arg(long, value_name = "SCHEME", help_heading = "Attributes", value_parser = options::scheme)]
    scheme: Vec<String>,
    /// Province code
    #[arg(long, value_name = "CODE", help_heading = "Attributes")]
    province: Option<String>,
    /// Unit of enrolment
    #[arg(long, value_name = "NAME", help_heading = "Attributes")]
    unit: Option<String>,
    /// Name of this enrolment, so that trying again does it once
    #[arg(long, value_name = "ID", conflicts_with = "manifest")]
    request_id: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Where photos come from, as typed; the variants are [`Source`]'s.
// They have no doc comments: clap would make a paragraph of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SourceArg {
    Chip,
    Live,
    Other,
}

/// What will be done.
enum EnrollPlan {
    One { subject: SubjectId, photos: Vec<PathBuf>, request_id: Option<RequestId>, roles: Roles },
    Many(PathBuf),
}

/// The answer for one subject.
#[derive(Serialize)]
struct EnrollAnswer<'a> {
    enrolled: u64,
    templates: u32,
    commit: u64,
    replayed: bool,
    photos: &'a [FaceReport],
    failed: [(); 0],
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: EnrollArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let settings = Settings::new(global)?;
    let place = args.gallery.place(&settings)?;
    let mode = match (args.add, args.replace) {
        (true, _) => EnrolMode::Add,
        (_, true) => EnrolMode::Replace,
        _ => EnrolMode::Create,
    };
    let source = match args.source {
        SourceArg::Chip => Source::Chip,
        SourceArg::Live => Source::Live,
        SourceArg::Other => Source::Other,
    };
    let vouch = match (args.officer, args.reason) {
        (Some(officer), Some(reason)) => Some(Vouch {
            officer: SubjectId::new(officer)
                .map_err(|_| Failure::new("--officer: an id is 1 to 128 bytes of text without spaces around it"))?,
            reason: Note::new(reason).map_err(Failure::new)?,
        }),
        _ => None,
    };
    let attributes =
        Attributes { schemes: args.scheme.into_iter().collect(), province: args.province, unit: args.unit };
    let plan = match (args.manifest, args.subject) {
        (Some(manifest), _) => EnrollPlan::Many(manifest),
        (None, Some(subject)) => EnrollPlan::One {
            subject: SubjectId::new(subject).map_err(Failure::new)?,
            roles: Roles::photos(&args.photos)?,
            photos: args.photos,
            request_id: args.request_id.map(RequestId::new).transpose().map_err(Failure::new)?,
        },
        (None, None) => return Err(Failure::new("name a subject and photos, or --manifest FILE")),
    };
    match plan {
        EnrollPlan::One { subject, photos, request_id, roles } => {
            let bytes = photo::read_all(&photos, settings.limits.encoded_bytes_max)?;
            let photos = bytes.into_iter().map(|bytes| Photo { bytes, source, captured_at: None }).collect();
            let accept_poor = args.accept_poor;
            let (by, legal_basis) = (args.clerk, args.legal_basis);
            let request =
                EnrolRequest { request_id, subject, mode, attributes, photos, by, accept_poor, vouch, legal_basis };
            runtime::block_on(one(&settings, &place, args.create, request, &roles, args.json))
        }
        EnrollPlan::Many(manifest) => {
            let plan = BulkPlan {
                manifest,
                mode,
                source,
                attributes,
                clerk: args.clerk,
                legal_basis: args.legal_basis,
                accept_poor: args.accept_poor,
            };
            runtime::block_on(many(&settings, &place, args.create, plan, args.json))
        }
    }
}

async fn one(
    settings: &Settings,
    place: &Place,
    create: bool,
    request: EnrolRequest,
    roles: &Roles,
    json: bool,
) -> Outcome {
    let backend = Backend::gallery(settings, place, request.photos.len(), create).await?;
    let EnrolOutcome { receipt, photos } =
        backend.enrol(&caller::context("enroll"), request).await.map_err(|e| e.told(roles))?;
    if json {
        print::json(&EnrollAnswer {
            enrolled: 1,
            templates: receipt.templates,
            commit: receipt.commit,
            replayed: receipt.replayed,
            photos: &photos,
            failed: [],
        })?;
    } else {
        let before = if receipt.replayed { ", by an earlier request with this id" } else { "" };
        let remarks = print::remarks("photo", &photos);
        print::answer(&format!("enrolled{before}; templates of the subject: {}{remarks}", receipt.templates))?;
    }
    Ok(Exit::Success)
}

async fn many(settings: &Settings, place: &Place, create: bool, plan: BulkPlan, json: bool) -> Outcome {
    // The manifest is looked at before anything is opened.
    let rows = plan.rows()?;
    let photos = usize::try_from(rows).unwrap_or(usize::MAX);
    let backend = Backend::gallery(settings, place, photos, create).await?;
    let report = bulk::run(plan, rows, &backend, settings).await?;
    if json {
        print::json(&report)?;
    } else {
        print::answer(&format!(
            "{} of {} rows enrolled, {} were there already, {} failed",
            report.enrolled,
            report.rows,
            report.unchanged,
            report.failed.len()
        ))?;
    }
    Ok(if report.failed.is_empty() { Exit::Success } else { Exit::Negative })
}
