//! `chinhchu backup`: writes a backup, lists those that are there, verifies one without restoring it, and takes
//! away what is kept no longer.

mod list;
mod settings;
mod take;

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub(super) use self::settings::{BackupAnswer, BackupSettings, RepositoryArgs};
use super::settings::Settings;
use super::{GlobalArgs, Outcome, runtime};

const EXAMPLES: &str = "\
Examples:
  chinhchu backup --config chinhchu.toml --to /mnt/backups --data /srv/gallery
  chinhchu backup --config chinhchu.toml --keep 14 --rate 100 --json
  chinhchu backup list --config chinhchu.toml --from /mnt/backups
  chinhchu backup verify --config chinhchu.toml --from /mnt/backups
  chinhchu backup verify --config chinhchu.toml 20261130T235959.120Z-3fa9 --json
  chinhchu backup prune --config chinhchu.toml --keep 14 --keep-days 90
  chinhchu backup --config chinhchu.toml --to people.cbk
  chinhchu backup --config chinhchu.toml --to - | ssh vault 'cat > people.cbk'

A backup is of one moment, whether a server has the gallery open (which then hands it on; run this as the
server's user) or nobody has. Only what has changed since the backups that are there is written. It is
sealed under the backup key: [backup] key in the configuration, else a key derived from the master key of
[sealing]. Index files are not in it, nor are keys: the key store has a copy of its own (docs/sealing.md).

`verify` reads all of a backup (the newest unless one is named) and checks every byte, without restoring it.
`prune` keeps the newest N of each gallery, and those that are no older than D days; `backup` does the same
when it has written one, where --keep, --keep-days or [backup] says so. docs/backup.md tells more;
`chinhchu restore` makes a gallery of a backup.

Exit code: 0 done; 1 `verify` found damage, `list` a backup that cannot be opened, or a backup was written and
no earlier one could be taken away; 2 it cannot be done
(nothing of this backup is there then, and earlier ones are as they were), or wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct BackupArgs {
    #[command(subcommand)]
    action: Option<BackupAction>,
    #[command(flatten)]
    take: TakeArgs,
}

#[derive(Debug, Subcommand)]
enum BackupAction {
    /// List the backups that are there
    #[command(after_help = EXAMPLES)]
    List(ListArgs),
    /// Read all of a backup and check it, without restoring it
    #[command(after_help = EXAMPLES)]
    Verify(VerifyArgs),
    /// Take away backups that are kept no longer
    #[command(after_help = EXAMPLES)]
    Prune(PruneArgs),
}

#[derive(Debug, Args)]
struct TakeArgs {
    /// Folder of the backups, made where there is none; or a file (NAME.cbk, or - for standard output) that all of
    /// this one goes to [default: as configured]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Folder of the gallery [default: as configured]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Read at most so many megabytes of the gallery a second [default: as configured, else as fast as it goes]
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    rate: Option<u64>,
    #[command(flatten)]
    keep: KeepArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct KeepArgs {
    /// Keep the newest N backups of each gallery [default: as configured, else all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    keep: Option<u64>,
    /// Keep backups for D days at least [default: as configured]
    #[arg(long, value_name = "D", value_parser = clap::value_parser!(u64).range(1..=36_500))]
    keep_days: Option<u64>,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    repository: RepositoryArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// The backup [default: the newest]
    #[arg(value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    repository: RepositoryArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct PruneArgs {
    #[command(flatten)]
    repository: RepositoryArgs,
    #[command(flatten)]
    keep: KeepArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: BackupArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let settings = Settings::new(global)?;
    match args.action {
        None => take::run(&settings, args.take),
        Some(BackupAction::List(args)) => list::list(&settings, &args),
        Some(BackupAction::Verify(args)) => list::verify(&settings, &args),
        Some(BackupAction::Prune(args)) => list::prune(&settings, &args),
    }
}
