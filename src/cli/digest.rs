//! `chinhchu digest`: what a transaction is called in the log of a server.

use std::io::ErrorKind;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::settings::Settings;
use super::{Exit, Failure, GlobalArgs, Outcome, print, runtime};
use crate::service::LogKey;

const EXAMPLES: &str = "\
Examples:
  chinhchu digest 2b0a7c1e-5d0e-4a7e-9f0c-2f6f0d1f6f7a --data people
  grep $(chinhchu digest \"$TRANSACTION\" --data people) server.log

The log of `chinhchu serve` names a transaction by 16 hexadecimal digits, made of its id
and of the key in log.key in the data folder: so a line can be found by those who know
the transaction and may read the folder, and says nothing to anyone else.

Exit code: 0 done, 2 the folder has no key (no server has run on it) or wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DigestArgs {
    /// The transaction's id, as sent with VerifyBeneficiary
    #[arg(value_name = "TRANSACTION_ID")]
    transaction: String,
    /// Folder of the gallery [default: as configured]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The `digest` answer.
#[derive(Serialize)]
struct DigestAnswer {
    digest: String,
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: DigestArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let settings = Settings::new(global)?;
    let Some(folder) = args.data.or_else(|| settings.data.clone()) else {
        return Err(Failure::new("name the gallery's folder with --data DIR"));
    };
    let key = LogKey::read(&folder).map_err(|error| {
        let path = folder.join(LogKey::FILE);
        match error.kind() {
            ErrorKind::NotFound => Failure::new(format_args!(
                "there is no {}; a server makes it when it first opens the folder",
                path.display()
            )),
            _ => Failure::new(format_args!("cannot read {}: {error}", path.display())),
        }
    })?;
    let digest = key.digest(&args.transaction);
    if args.json {
        print::json(&DigestAnswer { digest })?;
    } else {
        print::answer(&digest)?;
    }
    Ok(Exit::Success)
}
