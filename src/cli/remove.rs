//! `chinhchu remove`: takes a subject with all its templates out of a gallery.

use clap::Args;
use serde::Serialize;

use super::backend::{Backend, GalleryArgs, Roles};
use super::settings::Settings;
use super::{Exit, Failure, GlobalArgs, Outcome, caller, print, runtime};
use crate::gallery::SubjectId;
use crate::workflow::reason::Reason;

const EXAMPLES: &str = "\
Examples:
  chinhchu remove person-1 --data people
  chinhchu remove person-1 --server http://127.0.0.1:50051 --json

Exit code: 0 removed (durably), 1 there is no such subject, 2 the gallery cannot be
used or wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RemoveArgs {
    /// Whom to remove
    #[arg(value_name = "SUBJECT_ID")]
    subject: String,
    #[command(flatten)]
    gallery: GalleryArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The `remove` answer.
#[derive(Serialize)]
struct RemoveAnswer {
    removed: bool,
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: RemoveArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let settings = Settings::new(global)?;
    let place = args.gallery.place(&settings)?;
    let subject = SubjectId::new(args.subject).map_err(Failure::new)?;

    runtime::block_on(async {
        let backend = Backend::existing(&settings, &place, 1).await?;
        let removed = match backend.remove(&caller::context("remove"), &subject, None).await {
            Ok(_) => true,
            Err(error) if error.is(Reason::SubjectUnknown) => false,
            Err(error) => return Err(error.told(&Roles::none())),
        };
        if args.json {
            print::json(&RemoveAnswer { removed })?;
        } else {
            print::answer(if removed { "removed" } else { "no such subject; nothing was removed" })?;
        }
        Ok(if removed { Exit::Success } else { Exit::Negative })
    })
}
