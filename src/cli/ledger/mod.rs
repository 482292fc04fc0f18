//! `chinhchu ledger`: what was done, provably: who did what, receipts, checkpoints, and whether
//! anybody changed the log.

mod checkpoint;
mod export;
mod prove;
mod show;
mod source;
mod verify;
mod witness;

use clap::{Args, Subcommand};

use super::settings::Settings;
use super::{GlobalArgs, Outcome, runtime};
use crate::ledger::note::Algorithm;

const EXAMPLES: &str = "\
Examples:
  chinhchu ledger verify --config chinhchu.toml
  chinhchu ledger verify --data copy --log-key 'ledger.example.vn/counter+…' --witness kept.checkpoint
  chinhchu ledger show --subject person-1 --config chinhchu.toml     who looked at this record?
  chinhchu ledger show --kind identify --since 2026-11-01 --server https://engine.example:50051 --ca ca.pem
  chinhchu ledger prove 7d9f-01 --out 7d9f-01.tlog-proof --config chinhchu.toml
  chinhchu ledger check-receipt 7d9f-01.tlog-proof --log-key 'ledger.example.vn/counter+…'
  chinhchu ledger checkpoint --out kept.checkpoint --config chinhchu.toml
  chinhchu ledger export --csv log.csv --config chinhchu.toml
  chinhchu ledger export --tiles www --data copy
  chinhchu ledger witness-key witness7.example.vn witness.key
  chinhchu ledger witness --keep kept.checkpoint --witness-key witness.key --server http://127.0.0.1:50051

The log begins with [ledger] in the configuration. Its first verifier key stands in the
server's log and in `ledger checkpoint --json`: keep it where whoever runs the server cannot
change it, and a checkpoint or receipt as well. docs/ledger.md has the formats.

Exit code: 0 found, done, or nothing wrong; 1 nothing found, or something is wrong with the
log; 2 refused, the gallery cannot be used, or wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct LedgerArgs {
    #[command(subcommand)]
    action: LedgerAction,
}

#[derive(Debug, Subcommand)]
enum LedgerAction {
    /// Check the whole log: the first entry that was changed, removed, inserted or moved
    #[command(after_help = EXAMPLES)]
    Verify(verify::VerifyArgs),
    /// List entries, oldest first: by transaction, subject, principal, unit, time, reason
    #[command(after_help = EXAMPLES)]
    Show(show::ShowArgs),
    /// Write entries as CSV or JSON lines, or the tree as tiles for any web server
    #[command(after_help = EXAMPLES)]
    Export(export::ExportArgs),
    /// Print the receipt of a decision, or of an entry by its number
    #[command(after_help = EXAMPLES)]
    Prove(prove::ProveArgs),
    /// Check a receipt without the log, by a key of it
    #[command(after_help = EXAMPLES)]
    CheckReceipt(prove::CheckReceiptArgs),
    /// Print the newest signed checkpoint
    #[command(after_help = EXAMPLES)]
    Checkpoint(checkpoint::CheckpointArgs),
    /// Watch a log from elsewhere: that it goes on from what was kept; cosigns where a key is given
    #[command(after_help = EXAMPLES)]
    Witness(witness::WitnessArgs),
    /// Make the key of a witness
    #[command(after_help = EXAMPLES)]
    WitnessKey(witness::KeyArgs),
    /// Make a signing key for a log, to change keys to: ledger.signing_key, with the old one in
    /// ledger.replaces
    #[command(after_help = EXAMPLES)]
    SigningKey(witness::KeyArgs),
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: LedgerArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let settings = Settings::new(global)?;
    match args.action {
        LedgerAction::Verify(args) => verify::run(&settings, &args),
        LedgerAction::Show(args) => runtime::wait(show::run(&settings, args)),
        LedgerAction::Export(args) => export::run(&settings, &args),
        LedgerAction::Prove(args) => runtime::wait(prove::run(&settings, args)),
        LedgerAction::CheckReceipt(args) => prove::check(&args),
        LedgerAction::Checkpoint(args) => runtime::wait(checkpoint::run(&settings, args)),
        LedgerAction::Witness(args) => runtime::wait(witness::run(&settings, &args)),
        LedgerAction::WitnessKey(args) => witness::make_key(&args, Algorithm::CosignatureV1),
        LedgerAction::SigningKey(args) => witness::make_key(&args, Algorithm::Ed25519),
    }
}
