//! `chinhchu backup list | verify | prune`.

use std::io::IsTerminal;

use serde::Serialize;

use super::take::PrunedAnswer;
use super::{ListArgs, PruneArgs, VerifyArgs};
use crate::backup::{self, BackupId, BackupKeys, ChunkSource, Damage, Keep, Listed, Manifest, Verified};
use crate::cli::settings::Settings;
use crate::cli::{Exit, Failure, Outcome, date, print};
use crate::gallery::Timestamp;

/// A backup in a list; field names are a contract.
#[derive(Serialize)]
struct ListedAnswer {
    id: BackupId,
    /// Why it cannot be opened; then nothing else is known of it.
    fault: Option<String>,
    #[serde(flatten)]
    of: Option<OfAnswer>,
}

#[derive(Serialize)]
struct OfAnswer {
    gallery: String,
    taken_at: String,
    commit: u64,
    subjects: u64,
    templates: u64,
    entries: u64,
    sealed: bool,
    key_id: String,
    rows: u64,
    bytes: u64,
}

impl OfAnswer {
    fn of(manifest: &Manifest) -> Self {
        let head = &manifest.head;
        Self {
            gallery: head.gallery.to_string(),
            taken_at: date::shown(head.taken_at),
            commit: head.commit,
            subjects: head.subjects,
            templates: head.templates,
            entries: head.entries,
            sealed: head.key_store.is_some(),
            key_id: manifest.key.to_string(),
            rows: manifest.rows(),
            bytes: manifest.bytes(),
        }
    }
}

#[derive(Serialize)]
struct ListAnswer {
    /// Oldest first.
    backups: Vec<ListedAnswer>,
}

pub(super) fn list(settings: &Settings, args: &ListArgs) -> Outcome {
    let (repository, keys) = args.repository.open(settings)?;
    let listed = repository.list(&keys).map_err(Failure::new)?;
    let backups: Vec<ListedAnswer> = listed
        .into_iter()
        .map(|Listed { id, manifest }| match manifest {
            Ok(manifest) => ListedAnswer { id, fault: None, of: Some(OfAnswer::of(&manifest)) },
            Err(fault) => ListedAnswer { id, fault: Some(fault), of: None },
        })
        .collect();
    let is_whole = backups.iter().all(|one| one.fault.is_none());
    match args.json {
        true => print::json(&ListAnswer { backups })?,
        false if backups.is_empty() => print::answer("no backups are there")?,
        false => {
            let line = |one: &ListedAnswer| match &one.of {
                Some(of) => format!(
                    "{}  gallery {}, {} subjects, {} templates, up to commit {}, {} bytes",
                    one.id, of.gallery, of.subjects, of.templates, of.commit, of.bytes
                ),
                None => format!("{}  {}", one.id, one.fault.as_deref().unwrap_or_default()),
            };
            print::answer(&backups.iter().map(line).collect::<Vec<_>>().join("\n"))?;
        }
    }
    Ok(if is_whole { Exit::Success } else { Exit::Negative })
}

/// The answer; field names are a contract.
#[derive(Serialize)]
struct VerifiedAnswer {
    id: BackupId,
    whole: bool,
    chunks: u64,
    rows: u64,
    bytes: u64,
    damage: Vec<Damage>,
    #[serde(flatten)]
    of: Option<OfVerified>,
}

#[derive(Serialize)]
struct OfVerified {
    gallery: String,
    taken_at: String,
    commit: u64,
    subjects: u64,
    templates: u64,
}

/// A backup in one file.
fn verify_file(settings: &Settings, args: &VerifyArgs) -> Option<Outcome> {
    let verified = || -> Result<Option<Exit>, Failure> {
        let Some((file, keys)) = args.repository.file(settings)? else { return Ok(None) };
        if args.id.is_some() {
            return Err(Failure::new("a file has one backup; leave its name out"));
        }
        let manifest = file.manifest(&keys).map_err(Failure::new)?;
        whole(&file, &keys, &manifest, args.json).map(Some)
    };
    verified().transpose()
}

pub(super) fn verify(settings: &Settings, args: &VerifyArgs) -> Outcome {
    if let Some(outcome) = verify_file(settings, args) {
        return outcome;
    }
    let (repository, keys) = args.repository.open(settings)?;
    let id = args.id.as_deref().map(str::parse::<BackupId>).transpose().map_err(Failure::new)?;
    let newest = || {
        // One that cannot be opened may be of any gallery.
        let is_ours = |id: &BackupId| match (settings.gallery_id, repository.read_manifest(id, &keys)) {
            (Some(of), Ok(manifest)) => manifest.head.gallery == of,
            _ => true,
        };
        let none = || Failure::new(format_args!("there are no backups at {}", repository.path().display()));
        repository.ids().map_err(Failure::new)?.into_iter().rev().find(is_ours).ok_or_else(none)
    };
    let id = id.map_or_else(newest, Ok)?;
    let manifest = match repository.read_manifest(&id, &keys) {
        Ok(manifest) => manifest,
        Err(error) if error.is_damage() => {
            let damage = Damage {
                file: repository.path().join("backups").join(id.as_str()),
                table: String::new(),
                rows: 0,
                what: error.to_string(),
            };
            return told(
                &VerifiedAnswer { id, whole: false, chunks: 0, rows: 0, bytes: 0, damage: vec![damage], of: None },
                args.json,
            );
        }
        Err(error) => return Err(Failure::new(error)),
    };
    whole(&repository, &keys, &manifest, args.json)
}

/// Reads all of a backup, and says what was found.
fn whole(source: &dyn ChunkSource, keys: &BackupKeys, manifest: &Manifest, json: bool) -> Outcome {
    let shows = std::io::stderr().is_terminal();
    let mut progress = |bytes: u64| {
        if shows {
            eprint!("\r{} MB verified", bytes >> 20);
        }
    };
    let verified = backup::verify(source, keys, manifest, &mut progress).map_err(Failure::new);
    if shows {
        eprintln!();
    }
    let Verified { chunks, rows, bytes, damage } = verified?;
    let head = &manifest.head;
    let of = OfVerified {
        gallery: head.gallery.to_string(),
        taken_at: date::shown(head.taken_at),
        commit: head.commit,
        subjects: head.subjects,
        templates: head.templates,
    };
    let (id, whole) = (manifest.id.clone(), damage.is_empty());
    told(&VerifiedAnswer { id, whole, chunks, rows, bytes, damage, of: Some(of) }, json)
}

fn told(answer: &VerifiedAnswer, json: bool) -> Outcome {
    if json {
        print::json(answer)?;
    } else {
        let VerifiedAnswer { id, chunks, rows, bytes, damage, .. } = answer;
        let first = match answer.whole {
            true => format!("backup {id} is whole: {rows} rows in {chunks} chunks, {bytes} bytes"),
            false => format!("backup {id} is DAMAGED: it cannot be restored as it is"),
        };
        let line = |one: &Damage| {
            let of =
                if one.table.is_empty() { String::new() } else { format!(" ({} rows of {})", one.rows, one.table) };
            format!("\n  {}{of}: {}", one.file.display(), one.what)
        };
        print::answer(&damage.iter().map(line).fold(first, |text, line| text + &line))?;
    }
    Ok(if answer.whole { Exit::Success } else { Exit::Negative })
}

pub(super) fn prune(settings: &Settings, args: &PruneArgs) -> Outcome {
    let (repository, keys) = args.repository.open(settings)?;
    let keep = settings.backup.keep(&args.keep);
    if keep == Keep::default() {
        return Err(Failure::new(
            "nothing says which backups stay; give --keep N or --keep-days D, or name them under [backup]",
        ));
    }
    let pruned = PrunedAnswer::of(repository.prune(&keys, keep, Timestamp::now()).map_err(Failure::new)?);
    match args.json {
        true => print::json(&pruned)?,
        false => print::answer(&pruned.line())?,
    }
    Ok(Exit::Success)
}
