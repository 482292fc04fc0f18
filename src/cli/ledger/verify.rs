//! `chinhchu ledger verify`: whether the log is what was signed, and what was kept elsewhere.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::source::{self, LedgerSource};
use crate::cli::backend::{GalleryArgs, Place};
use crate::cli::settings::Settings;
use crate::cli::{Exit, Failure, Outcome, print, runtime};
use crate::gallery::{GalleryError, LedgerFault, LedgerReport, trusted_keys, verify_ledger};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::key_change::LogKeys;
use crate::ledger::note::VerifierKey;
use crate::ledger::tree::{MemoryNodes, RightEdge};
use crate::ledger::verify::{self, Leaf, NoNodes};
use crate::ledger::witness::compare;
use crate::workflow::beneficiary::{PAGE_MAX, PageRequest};
use crate::workflow::ledger::EntryFilter;

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// A verifier key of the log that is trusted [default: that of [ledger] in the configuration]
    #[arg(long, value_name = "KEY", value_parser = source::key)]
    log_key: Option<VerifierKey>,
    /// A checkpoint or receipt that was kept elsewhere: finds a log that was rolled back, cut or forked
    #[arg(long, value_name = "FILE")]
    witness: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    gallery: GalleryArgs,
}

/// What came of it; field names are a contract.
#[derive(Debug, Default, Serialize)]
struct VerifyAnswer {
    valid: bool,
    /// The first thing that is wrong.
    fault: Option<String>,
    /// The first entry that is, or may be, not what was entered.
    first_entry: Option<u64>,
    /// Entries in the tree.
    entries: u64,
    /// Of how many the contents are there, and are those that were entered.
    opened: u64,
    /// Entries that no checkpoint covers yet.
    unsequenced: u64,
    /// Entries before this one have no contents any more.
    pruned: u64,
    /// Signed checkpoints that fit.
    checkpoints: u64,
    /// Checkpoints or receipts from elsewhere that the log goes on from.
    witnesses: usize,
    /// Whether a key was named that the log must be signed under.
    key_trusted: bool,
}

impl VerifyAnswer {
    /// Of a log of which the witnesses that were named, and a key where one was, have been read.
    fn of(checked: &Result<LedgerReport, LedgerFault>, witnesses: usize, key_trusted: bool) -> Self {
        match checked {
            Err(fault) => Self {
                fault: Some(fault.to_string()),
                first_entry: fault.first_entry(),
                key_trusted,
                ..Self::default()
            },
            Ok(LedgerReport { log, unsequenced, pruned, .. }) => Self {
                valid: true,
                entries: log.entries,
                opened: log.opened,
                unsequenced: *unsequenced,
                pruned: *pruned,
                checkpoints: log.checkpoints,
                witnesses,
                key_trusted,
                ..Self::default()
            },
        }
    }
}

pub(super) fn run(settings: &Settings, args: &VerifyArgs) -> Outcome {
    let trusted = source::trusted(settings, args.log_key.as_ref())?;
    if trusted.is_none() {
        print::note(
            "no key is named, by --log-key or [ledger] in the configuration: the log's own is believed, which whoever made \
             a new log would have put there",
        );
    }
    let checked = match args.gallery.place(settings)? {
        Place::Folder(folder) => source::read_folder(&folder, settings, |tables| {
            let head = tables.head()?.ok_or(GalleryError::NoLedger)?;
            let remembered = match trusted_keys(&head, trusted.as_ref()) {
                Ok(keys) => remembered(args, &keys)?,
                Err(fault) => return Ok(Err(fault)),
            };
            Ok(verify_ledger(tables, trusted.as_ref(), &remembered)?)
        })?,
        place @ Place::Server(_) => runtime::wait(of_server(settings, args, &place, trusted.as_ref()))?,
    };
    let answer = VerifyAnswer::of(&checked, args.witness.len(), trusted.is_some());
    if args.json {
        print::json(&answer)?;
    } else {
        print::answer(&told(&answer))?;
    }
    Ok(if answer.valid { Exit::Success } else { Exit::Negative })
}

fn remembered(args: &VerifyArgs, keys: &LogKeys) -> Result<Vec<Checkpoint>, Failure> {
    args.witness.iter().map(|path| source::kept(path, keys)).collect()
}

/// Reads every entry from a server and makes the tree anew.
async fn of_server(
    settings: &Settings,
    args: &VerifyArgs,
    place: &Place,
    trusted: Option<&VerifierKey>,
) -> Result<Result<LedgerReport, LedgerFault>, Failure> {
    let source = LedgerSource::open("ledger/verify", settings, place).await?;
    let signed = source.checkpoint(None).await?;
    let keys = signed.keys().map_err(Failure::new)?;
    if trusted.is_some_and(|trusted| !keys.contains(trusted)) {
        return Ok(Err(LedgerFault::OtherKey));
    }
    let remembered = remembered(args, &keys)?;
    let current = keys.verify(&signed.checkpoint).map_err(Failure::new)?;
    let size = current.size;
    let (mut leaves, mut token) = (Vec::<Leaf>::new(), String::new());
    while (leaves.len() as u64) < size {
        let page = source.entries(&EntryFilter::default(), PageRequest { size: PAGE_MAX, token }).await?;
        leaves.extend(page.entries);
        match page.next {
            Some(next) => token = next,
            None => break,
        }
    }
    leaves.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    let (mut edge, mut nodes) = (RightEdge::default(), MemoryNodes::default());
    for leaf in &leaves {
        let Ok(_) = edge.append(leaf.commitment.leaf_hash(), &mut nodes);
    }
    let missing = leaves.iter().find(|leaf| leaf.opening.is_none() && leaf.index >= signed.pruned);
    let missing = missing.map(|leaf| LedgerFault::Missing { index: leaf.index });
    let all = leaves.into_iter().map(Ok::<_, std::convert::Infallible>);
    let Ok(checked) = verify::verify(all, &NoNodes::default(), [Ok(signed.checkpoint.clone())], &keys);
    let log = match checked.map_err(LedgerFault::from).and_then(|log| missing.map_or(Ok(log), Err)) {
        Ok(log) => log,
        Err(fault) => return Ok(Err(fault)),
    };
    for one in &remembered {
        let stands = compare(one, &current, &nodes).map_err(Failure::new)?;
        if let Err(fault) = stands {
            return Ok(Err(LedgerFault::Witness(fault)));
        }
    }
    let unsequenced = signed.entries.saturating_sub(size);
    Ok(Ok(LedgerReport { log, unsequenced, pruned: signed.pruned, keys }))
}

fn told(answer: &VerifyAnswer) -> String {
    if let Some(fault) = &answer.fault {
        return format!("something is wrong: {fault}");
    }
    let VerifyAnswer { entries, opened, unsequenced, pruned, checkpoints, witnesses, .. } = answer;
    let mut text = format!(
        "nothing is wrong: {entries} entries, {opened} with their contents, under {checkpoints} signed checkpoints"
    );
    if *pruned > 0 {
        text += &format!("; contents before entry {pruned} were pruned");
    }
    if *unsequenced > 0 {
        text += &format!("; {unsequenced} more are not signed yet");
    }
    match witnesses {
        0 => text += ". A log that was rolled back or made anew by the signer is found with --witness alone",
        _ => text += &format!(". It goes on from {witnesses} kept elsewhere"),
    }
    text
}
