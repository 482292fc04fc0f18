//! `chinhchu ledger witness`: watches a log from elsewhere.
//!
//! What a witness keeps is the last checkpoint it has seen. A log that was rolled back, cut or forked
//! does not go on from it, whoever has signed it.

use std::io;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;

use super::source::{self, LedgerSource};
use crate::cli::backend::GalleryArgs;
use crate::cli::settings::Settings;
use crate::cli::{Exit, Failure, Outcome, print};
use crate::ledger::note::{Algorithm, KeyName, SigningKey, VerifierKey};
use crate::ledger::witness::{Continued, compare_by_proof, cosign};

#[derive(Debug, Args)]
pub(super) struct WitnessArgs {
    /// The checkpoint that is kept; made where it is not there
    #[arg(long, value_name = "FILE")]
    keep: PathBuf,
    /// A verifier key of the log; needed for the first look
    #[arg(long, value_name = "KEY", value_parser = source::key)]
    log_key: Option<VerifierKey>,
    /// The key of this witness: what is kept is cosigned
    #[arg(long, value_name = "FILE")]
    witness_key: Option<PathBuf>,
    #[command(flatten)]
    gallery: GalleryArgs,
}

pub(super) async fn run(settings: &Settings, args: &WitnessArgs) -> Outcome {
    let cosigner = args.witness_key.as_ref().map(|path| SigningKey::read(path)).transpose().map_err(Failure::new)?;
    if cosigner.as_ref().is_some_and(|key| key.verifier().algorithm() != Algorithm::CosignatureV1) {
        return Err(Failure::new("--witness-key: this is the key of a log; `chinhchu ledger witness-key` makes one"));
    }
    let is_first = match args.keep.symlink_metadata() {
        Ok(_) => false,
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(Failure::new(format_args!("cannot read {}: {error}", args.keep.display()))),
    };
    if is_first && args.log_key.is_none() {
        return Err(Failure::new(
            "--log-key is missing: at the first look nothing else says which log this is; the operator's server names its \
             first key when it starts",
        ));
    }
    let place = args.gallery.place(settings)?;
    source::check_out(&args.keep, settings, &place)?;
    // What is there is a checkpoint, or nothing of ours to write over.
    let before = if is_first { None } else { Some(source::note(&args.keep)?) };
    let source = LedgerSource::open("ledger/witness", settings, &place).await?;
    let signed = source.checkpoint(None).await?;
    let keys = signed.keys().map_err(Failure::new)?;
    if args.log_key.as_ref().is_some_and(|trusted| !keys.contains(trusted)) {
        print::note("the log is not signed under this key: another log, or one made anew");
        return Ok(Exit::Negative);
    }
    let current = keys.verify(&signed.checkpoint).map_err(Failure::new)?;
    let mut told = format!("first look: {} entries", current.size);
    if let Some(before) = before {
        let kept = match keys.verify(&before) {
            Ok(kept) => kept,
            Err(why) => {
                print::note(&format!("what is kept is not signed by the log's keys: {why}"));
                return Ok(Exit::Negative);
            }
        };
        let stands = match kept.size > current.size {
            true => compare_by_proof(&kept, &current, &[]),
            // A proof from nothing to something is empty.
            false if kept.size == 0 => Ok(Continued::Grown),
            false => {
                let proven = source.checkpoint(Some(kept.size)).await?;
                let newer = keys.verify(&proven.checkpoint).map_err(Failure::new)?;
                // The log may have grown between the two questions: then both ends are proven.
                let from_kept = compare_by_proof(&kept, &newer, &proven.consistency);
                match newer == current {
                    true => from_kept,
                    false => {
                        let between = source.checkpoint(Some(current.size)).await?;
                        let last = keys.verify(&between.checkpoint).map_err(Failure::new)?;
                        from_kept.and_then(|_| compare_by_proof(&current, &last, &between.consistency))
                    }
                }
            }
        };
        match stands {
            Ok(Continued::Same) => told = format!("nothing new: {} entries", current.size),
            Ok(Continued::Grown) => told = format!("{} entries, {} before", current.size, kept.size),
            Err(fault) => {
                print::note(&fault.to_string());
                return Ok(Exit::Negative);
            }
        }
    }
    let mut note = signed.checkpoint;
    if let Some(key) = &cosigner {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let line = cosign(key, note.text(), now).ok_or_else(|| Failure::new("the checkpoint cannot be cosigned"))?;
        note = note.with(line);
    }
    source::write(Some(&args.keep), &note.to_string(), settings, &place)?;
    print::answer(&told)?;
    Ok(Exit::Success)
}

#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    /// Name of the witness, such as witness7.example.vn, or of the log: its origin
    #[arg(value_name = "NAME")]
    name: KeyName,
    /// File of the key, which must not be there yet; 0600
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn make_key(args: &KeyArgs, algorithm: Algorithm) -> Outcome {
    let made = SigningKey::create(&args.file, args.name.clone(), algorithm).map_err(Failure::new)?;
    print::answer(&made.verifier().to_string())?;
    Ok(Exit::Success)
}
