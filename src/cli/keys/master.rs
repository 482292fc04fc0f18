//! `chinhchu keys new-master | export | restore | master-id`: the master key, and its shares.

use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::sealing::check_key_goes_elsewhere;
use crate::cli::settings::Settings;
use crate::cli::{Exit, Failure, GlobalArgs, Outcome, print};
use crate::private;
use crate::sealing::{self, KeySource, MasterKey, SHARES_MAX, Share};

pub(super) const EXAMPLES: &str = "\
Examples:
  chinhchu keys new-master /root/master.key
  chinhchu keys export --key /root/master.key --shares 5 --threshold 3 --out /root/shares
  chinhchu keys restore usb-1/share-1.txt usb-2/share-4.txt usb-3/share-5.txt --out /root/master.key
  chinhchu --config chinhchu.toml keys master-id

The master key seals the other keys, which seal what is at rest ([sealing] in the configuration,
docs/sealing.md). It is one line of text in a file of its own, readable by its owner alone (0600), and
is never printed; its id may be known by all. Whoever loses it loses everybody who is enrolled.

`export` splits it into shares for custodians, each a file of its own (share-1.txt, ...): any K of the N
restore it, and fewer say nothing of it. It takes the configured key (--config), or the one of --key.
Hand each share to its custodian, on paper or on a medium of its own; try `restore` with K of them;
remove the folder; and keep no two shares in one place.

Files are never written over, nor written into a gallery's folder. Shares are read, as keys are, where
nobody but their owner can read them (chmod 600); from a medium without permissions copy them first. `restore` says which share is damaged, is there twice, or is of another
key or another export; the key that it writes is the one whose id the shares bear.

Exit code: 0 done, 2 it cannot be done, or wrong usage.";

/// Longest file of a share, in bytes.
const SHARE_BYTES_MAX: u64 = 512;

#[derive(Debug, Args)]
pub(super) struct NewMasterArgs {
    /// File of the key, which must not be there yet; 0600
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// How many shares to make, one for each custodian: 2 to 16
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=i64::from(SHARES_MAX)))]
    shares: u8,
    /// How many of them restore the key: 2 to N
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u8).range(2..=i64::from(SHARES_MAX)))]
    threshold: u8,
    /// Folder for the shares; made where there is none
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// File of the master key [default: the configured key]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// Files of the shares, as many as it takes or more
    #[arg(value_name = "SHARE", required = true)]
    shares: Vec<PathBuf>,
    /// File of the key, which must not be there yet; 0600
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct MasterIdArgs {
    /// File of the master key [default: the configured key]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The answer of each of the four.
#[derive(Default, Serialize)]
struct MasterAnswer {
    /// What the key is told from others by.
    key_id: String,
    /// Where it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// The key before it, over a change of keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_key_id: Option<String>,
    /// What was written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<PathBuf>,
    /// How many of the shares restore the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<u8>,
}

pub(super) fn make(global: &GlobalArgs, args: &NewMasterArgs) -> Outcome {
    check_goes_elsewhere(global, &args.file)?;
    let key = MasterKey::create(&args.file).map_err(|error| unwritten(&args.file, &error))?;
    let text = format!(
        "{}  the master key {}, secret: [sealing] key; split it among custodians (chinhchu keys export) before \
         anything is sealed under it",
        args.file.display(),
        key.id()
    );
    tell(
        text,
        MasterAnswer { key_id: key.id().to_string(), files: vec![args.file.clone()], ..Default::default() },
        args.json,
    )
}

pub(super) fn export(global: &GlobalArgs, args: &ExportArgs) -> Outcome {
    check_goes_elsewhere(global, &args.out)?;
    let (_, key, _) = read(global, args.key.as_deref())?;
    let shares = sealing::split(&key, args.shares, args.threshold).map_err(Failure::new)?;
    let path = |share: &Share| args.out.join(format!("share-{}.txt", share.number()));
    // None of them, where one is there: shares of two exports do not go together.
    if let Some(taken) = shares.iter().map(path).find(|path| path.symlink_metadata().is_ok()) {
        return Err(unwritten(&taken, &ErrorKind::AlreadyExists.into()));
    }
    private::make_folder(&args.out)
        .map_err(|e| Failure::new(format_args!("cannot make the folder {}: {e}; name another", args.out.display())))?;
    for share in &shares {
        share.write_new(&path(share)).map_err(|error| unwritten(&path(share), &error))?;
    }
    let files: Vec<PathBuf> = shares.iter().map(path).collect();
    let (n, k) = (shares.len(), args.threshold);
    let mut lines: Vec<String> = files
        .iter()
        .enumerate()
        .map(|(at, file)| format!("{}  share {} of {n} of the master key {}, secret", file.display(), at + 1, key.id()))
        .collect();
    lines.push(format!(
        "any {k} of them restore the key, and fewer say nothing of it: hand each to a custodian of its own, try \
         `chinhchu keys restore` with {k} of them, then remove the folder"
    ));
    let answer = MasterAnswer { key_id: key.id().to_string(), files, threshold: Some(k), ..Default::default() };
    tell(lines.join("\n"), answer, args.json)
}

pub(super) fn restore(global: &GlobalArgs, args: &RestoreArgs) -> Outcome {
    check_goes_elsewhere(global, &args.out)?;
    let shares: Vec<Share> = args.shares.iter().map(|path| read_share(path)).collect::<Result<_, _>>()?;
    let key = sealing::restore(&shares).map_err(Failure::new)?;
    key.write_new(&args.out).map_err(|error| unwritten(&args.out, &error))?;
    let text =
        format!("{}  the master key {}, secret: restored of {} shares", args.out.display(), key.id(), shares.len());
    tell(
        text,
        MasterAnswer { key_id: key.id().to_string(), files: vec![args.out.clone()], ..Default::default() },
        args.json,
    )
}

pub(super) fn tell_id(global: &GlobalArgs, args: &MasterIdArgs) -> Outcome {
    let (source, key, previous) = read(global, args.key.as_deref())?;
    let mut text = format!("{}  {source}", key.id());
    if let Some(previous) = &previous {
        text.push_str(&format!("\n{}  the key before it (sealing.previous_key)", previous.id()));
    }
    let answer = MasterAnswer {
        key_id: key.id().to_string(),
        source: Some(source.to_string()),
        previous_key_id: previous.map(|previous| previous.id().to_string()),
        ..Default::default()
    };
    tell(text, answer, args.json)
}

/// The key of a file, or the configured one with the one before it.
fn read(global: &GlobalArgs, file: Option<&Path>) -> Result<(KeySource, MasterKey, Option<MasterKey>), Failure> {
    if let Some(file) = file {
        let source = KeySource::File(file.to_owned());
        let key = source.read().map_err(Failure::new)?;
        return Ok((source, key, None));
    }
    let settings = Settings::new(global)?;
    let unnamed = || {
        Failure::new(
            "no master key is named: name its file by --key FILE, or a configuration with [sealing] by --config",
        )
    };
    let sealing = settings.sealing().ok_or_else(unnamed)?;
    match settings.configured_keys(None)? {
        Some((key, previous)) => Ok((sealing.key.clone(), key, previous)),
        None => Err(unnamed()),
    }
}

/// What is written must not lie in a gallery's folder. A configuration that cannot be read says of none: here it may be
/// in the making.
fn check_goes_elsewhere(global: &GlobalArgs, path: &Path) -> Result<(), Failure> {
    let data = Settings::new(global).ok().and_then(|settings| settings.data);
    check_key_goes_elsewhere(path, data.as_deref())
}

fn read_share(path: &Path) -> Result<Share, Failure> {
    let fail = |why: &dyn Display| Failure::new(format_args!("the share {}: {why}", path.display()));
    let bytes = Zeroizing::new(private::read_secret(path, SHARE_BYTES_MAX).map_err(|error| fail(&error))?);
    Share::parse(&bytes).map_err(|why| fail(&why))
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        ErrorKind::AlreadyExists => Failure::new(format_args!(
            "{path} is there already, and is not overwritten; name another, or remove it yourself"
        )),
        _ => Failure::new(format_args!("cannot write {path}: {error}; check the folder and its permissions")),
    }
}

fn tell(text: String, answer: MasterAnswer, json: bool) -> Outcome {
    match json {
        true => print::json(&answer)?,
        false => print::answer(&text)?,
    }
    Ok(Exit::Success)
}
