//! `chinhchu ledger checkpoint`: the newest signed checkpoint.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::source::{self, LedgerSource};
use crate::cli::backend::GalleryArgs;
use crate::cli::settings::Settings;
use crate::cli::{Exit, Failure, Outcome, print};
use crate::ledger::note::Note;

#[derive(Debug, Args)]
pub(super) struct CheckpointArgs {
    /// Write the checkpoint into this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object, with the log's keys
    #[arg(long, conflicts_with = "out")]
    json: bool,
    #[command(flatten)]
    gallery: GalleryArgs,
}

/// A checkpoint; field names are a contract.
#[derive(Serialize)]
struct CheckpointAnswer {
    origin: String,
    /// Entries that it covers.
    size: u64,
    /// Of the tree over them, in hexadecimal.
    root: String,
    /// Entries there are, those that are not signed yet included.
    entries: u64,
    /// Entries before this one have no contents any more.
    pruned: u64,
    /// The log's first verifier key.
    first_key: String,
    /// The one that signs now.
    key: String,
    /// Notes of the changes between the two.
    key_changes: Vec<String>,
    /// The signed note.
    checkpoint: String,
}

pub(super) async fn run(settings: &Settings, args: CheckpointArgs) -> Outcome {
    let place = args.gallery.place(settings)?;
    let source = LedgerSource::open("ledger/checkpoint", settings, &place).await?;
    let signed = source.checkpoint(None).await?;
    let keys = signed.keys().map_err(Failure::new)?;
    let checkpoint = keys.verify(&signed.checkpoint).map_err(Failure::new)?;
    if !args.json {
        source::write(args.out.as_ref(), &signed.checkpoint.to_string(), settings, &place)?;
        return Ok(Exit::Success);
    }
    print::json(&CheckpointAnswer {
        origin: checkpoint.origin.to_string(),
        size: checkpoint.size,
        root: checkpoint.root.to_string(),
        entries: signed.entries,
        pruned: signed.pruned,
        first_key: signed.first_key.to_string(),
        key: keys.current().to_string(),
        key_changes: signed.key_changes.iter().map(Note::to_string).collect(),
        checkpoint: signed.checkpoint.to_string(),
    })?;
    Ok(Exit::Success)
}
