//! `chinhchu ledger prove` and `check-receipt`: receipts, and checking them without the log.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::source::{self, LedgerSource};
use crate::cli::backend::GalleryArgs;
use crate::cli::settings::Settings;
use crate::cli::{Exit, Failure, Outcome, date, print};
use crate::gallery::{RequestId, Timestamp};
use crate::ledger::commitment::Commitment;
use crate::ledger::entry::Entry;
use crate::ledger::key_change::LogKeys;
use crate::ledger::note::{Note, VerifierKey};
use crate::ledger::receipt::Receipt;
use crate::ledger::witness::WitnessPolicy;
use crate::workflow::ledger::ProofOf;

#[derive(Debug, Args)]
pub(super) struct ProveArgs {
    /// The transaction whose decision is to be proven
    #[arg(value_name = "TRANSACTION_ID", conflicts_with = "entry")]
    transaction: Option<String>,
    /// Which attempt; the last where this is left out
    #[arg(long, value_name = "N", conflicts_with = "entry", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// The entry with this number, from 0
    #[arg(long, value_name = "N")]
    entry: Option<u64>,
    /// Leave out what was entered: the receipt proves a commitment alone
    #[arg(long)]
    without_contents: bool,
    /// Write the receipt into this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    gallery: GalleryArgs,
}

pub(super) async fn run(settings: &Settings, args: ProveArgs) -> Outcome {
    let of = match (args.entry, &args.transaction) {
        (Some(entry), _) => ProofOf::Entry(entry),
        (None, Some(id)) => ProofOf::Decision(RequestId::new(id.as_str()).map_err(Failure::new)?, args.attempt),
        (None, None) => return Err(Failure::new("name a transaction, or --entry N")),
    };
    let place = args.gallery.place(settings)?;
    let source = LedgerSource::open("ledger/prove", settings, &place).await?;
    let Some(proven) = source.prove(of).await? else {
        print::note("no such decision or entry, or it is not signed yet");
        return Ok(Exit::Negative);
    };
    let receipt = if args.without_contents { proven.receipt.without_contents() } else { proven.receipt };
    source::write(args.out.as_ref(), &receipt.to_string(), settings, &place)?;
    Ok(Exit::Success)
}

#[derive(Debug, Args)]
pub(super) struct CheckReceiptArgs {
    /// The receipt
    #[arg(value_name = "FILE")]
    receipt: PathBuf,
    /// The log's first verifier key, as it was kept
    #[arg(long, value_name = "KEY", value_parser = source::key)]
    log_key: VerifierKey,
    /// Where the key was changed since: the answer of `ledger checkpoint --json`, which has the notes
    /// of the changes
    #[arg(long, value_name = "FILE")]
    key_changes: Option<PathBuf>,
    /// The entry's commitment, where the receipt does not carry the contents
    #[arg(long, value_name = "HEX")]
    commitment: Option<Commitment>,
    /// Verifier keys of witnesses that must have cosigned
    #[arg(long, value_name = "KEY", value_parser = source::key)]
    witness_key: Vec<VerifierKey>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What is read of an answer of `ledger checkpoint --json`.
#[derive(serde::Deserialize)]
struct Changes {
    key_changes: Vec<String>,
}

/// What a receipt proves; field names are a contract.
#[derive(Serialize)]
struct ReceiptAnswer {
    valid: bool,
    index: u64,
    /// Entries of the log that the checkpoint covers.
    log_size: u64,
    origin: String,
    /// Names of witnesses that cosigned.
    witnesses: Vec<String>,
    entry: Option<Entry>,
    why_not: Option<String>,
}

pub(super) fn check(args: &CheckReceiptArgs) -> Outcome {
    let shown = args.receipt.display();
    let receipt = Receipt::parse(&source::read(&args.receipt)?);
    let receipt = receipt.map_err(|why| Failure::new(format_args!("{shown}: no receipt: {why}")))?;
    let mut keys = LogKeys::new(args.log_key.clone()).map_err(Failure::new)?;
    if let Some(path) = &args.key_changes {
        let failed = |why: &dyn std::fmt::Display| {
            Failure::new(format_args!("{}: no answer of `ledger checkpoint --json`: {why}", path.display()))
        };
        let Changes { key_changes } = serde_json::from_slice(&source::read(path)?).map_err(|why| failed(&why))?;
        for note in key_changes {
            let note = Note::parse(note.as_bytes()).map_err(|why| failed(&why))?;
            keys.change(&note).map_err(|why| failed(&why))?;
        }
    }
    let needed = args.witness_key.len();
    let policy = WitnessPolicy::new(args.witness_key.clone(), needed).map_err(Failure::new)?;
    let verified = receipt.verify(args.commitment, &keys, &policy);
    let entry = receipt.opening().and_then(|opening| Entry::opened(&opening));
    let answer = ReceiptAnswer {
        valid: verified.is_ok(),
        index: receipt.index,
        log_size: verified.as_ref().map_or(0, |proven| proven.checkpoint.size),
        origin: keys.origin().to_string(),
        witnesses: verified
            .as_ref()
            .map(|proven| proven.witnesses.iter().map(|one| one.witness.to_string()).collect())
            .unwrap_or_default(),
        entry: entry.filter(|_| verified.is_ok()),
        why_not: verified.as_ref().err().map(ToString::to_string),
    };
    if args.json {
        print::json(&answer)?;
    } else {
        print::answer(&told(&answer))?;
    }
    Ok(if answer.valid { Exit::Success } else { Exit::Negative })
}

fn told(answer: &ReceiptAnswer) -> String {
    let ReceiptAnswer { index, log_size, origin, witnesses, entry, why_not, .. } = answer;
    if let Some(why) = why_not {
        return format!("not proven: {why}");
    }
    let mut text = format!("proven: entry {index} of {origin}, by a signed checkpoint of {log_size} entries");
    if !witnesses.is_empty() {
        text += &format!(", cosigned by {}", witnesses.join(", "));
    }
    if let Some(entry) = entry {
        let outcome = entry.outcome.as_ref().map_or(String::new(), |outcome| format!(", {}", outcome.as_str()));
        text += &format!("; {} at {}{outcome}", entry.kind.name(), date::shown(Timestamp(entry.at_ms)));
    }
    text
}
