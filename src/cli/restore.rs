//! `chinhchu restore`: makes a gallery of a backup, in an empty folder.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::backup::RepositoryArgs;
use super::sealing::check_restored_goes_elsewhere;
use super::settings::Settings;
use super::{Exit, Failure, GlobalArgs, Outcome, caller, date, print, runtime};
use crate::backup::{BackupError, BackupId, BackupKeys, BackupReader, ChunkSource, Manifest, Repository};
use crate::gallery::{self, EmbeddedOptions, ErasedAfter, GalleryError, RestoreFrom, SubjectId, Timestamp, Without};
use crate::ledger::entry::{Code, KeyedDigest};
use crate::regular;

const EXAMPLES: &str = "\
Examples:
  chinhchu restore --config chinhchu.toml --from /mnt/backups --to /srv/restored
  chinhchu restore --config chinhchu.toml --from people.cbk --to /srv/restored
  chinhchu restore --config chinhchu.toml --from /mnt/backups --to /srv/restored --at 2026-11-30T20:00:00+07:00
  chinhchu restore --config chinhchu.toml --from /mnt/backups --to /srv/restored --backup 20261130T235959.120Z-3fa9 --json

The folder must be empty, or not be there yet: nothing is written over. The newest backup is restored
unless --backup or --at says which; all of it is checked on the way. The gallery keeps its id, and its log
goes on with an entry that says that it was restored; the same [ledger] and [sealing] must be configured as
for the gallery, with the key store as it is now. Stop the server first where it has that key store open.

Erased people stay erased. A sealed gallery is restored without everything whose key was destroyed. One in
the clear is restored without everybody whom the log of a later backup says to have been erased. Who was
erased after the last backup of a gallery in the clear is known to nobody: name them with --without (subject
ids, one a line), or erase them again (docs/backup.md).

Exit code: 0 restored, 2 it cannot be done (then no gallery is in the folder), or wrong usage.";

/// Longest list of people to leave out.
const WITHOUT_BYTES_MAX: u64 = 64 << 20;

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RestoreArgs {
    #[command(flatten)]
    repository: RepositoryArgs,
    /// Folder for the gallery: empty, or not there yet
    #[arg(long, value_name = "EMPTYDIR")]
    to: PathBuf,
    /// The backup [default: the newest]
    #[arg(long, value_name = "ID", conflicts_with = "at")]
    backup: Option<String>,
    /// The newest backup from this time or before: a day (its beginning, UTC), or a day and time
    #[arg(long, value_name = "TIME", value_parser = date::bound)]
    at: Option<Timestamp>,
    /// Leave out these people: a file of subject ids, one a line
    #[arg(long, value_name = "FILE")]
    without: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The answer; field names are a contract.
#[derive(Serialize)]
struct RestoredAnswer {
    backup: BackupId,
    taken_at: String,
    gallery: String,
    folder: PathBuf,
    /// The last commit of the backup …
    commit: u64,
    /// … and that of the restored gallery.
    restored_commit: u64,
    subjects: u64,
    templates: u64,
    /// Records that were left out: of people who were erased since, or are named.
    left_out: u64,
    /// Of those whom --without names so many are in no row that can be read.
    not_found: u64,
    /// Number of the log's entry; `null` where no log is kept.
    entry: Option<u64>,
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: RestoreArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let settings = Settings::new(global)?;
    let backups = args.repository.from.as_deref().or(settings.backup.to()).filter(|path| path.is_dir());
    check_restored_goes_elsewhere(&args.to, backups)?;
    let options = options(&settings, &args.to)?;
    let (source, keys, manifest, without) = match args.repository.file(&settings)? {
        Some((file, keys)) => {
            if args.backup.is_some() || args.at.is_some() {
                return Err(Failure::new("a file has one backup; leave --backup and --at out"));
            }
            let (manifest, subjects) = (file.manifest(&keys).map_err(Failure::new)?, named(&args)?);
            let source: Arc<dyn ChunkSource> = Arc::new(file);
            (source, keys, manifest, Without { subjects, ..Without::default() })
        }
        None => {
            let (repository, keys) = args.repository.open(&settings)?;
            let manifest = chosen(&args, &settings, &repository, &keys)?;
            let without = without(&args, &repository, &keys, &manifest, options.ledger.is_some())?;
            let source: Arc<dyn ChunkSource> = Arc::new(repository);
            (source, keys, manifest, without)
        }
    };
    let name = Code::new(format!("backup.{}", manifest.id)).map_err(Failure::new)?;
    let from = RestoreFrom { head: manifest.head.clone(), name, digest: manifest.digest, without };
    let mut reader = BackupReader::begin(source, keys, manifest.clone()).map_err(Failure::new)?;
    // What the backup cannot give goes round the gallery, whose errors are its own.
    let failed: RefCell<Option<BackupError>> = RefCell::new(None);
    let mut next = || {
        reader.next_batch().map_err(|error| {
            *failed.borrow_mut() = Some(error);
            GalleryError::Closing
        })
    };
    let made = gallery::restore(&caller::context("restore"), &args.to, &options, &from, &mut next);
    let made = match (failed.into_inner(), made) {
        (Some(error), _) => return Err(Failure::new(error)),
        (None, made) => made.map_err(|error| explained(error, &manifest))?,
    };
    let answer = RestoredAnswer {
        backup: manifest.id.clone(),
        taken_at: date::shown(manifest.head.taken_at),
        gallery: manifest.head.gallery.to_string(),
        folder: args.to,
        commit: manifest.head.commit,
        restored_commit: made.commit,
        subjects: made.subjects,
        templates: made.templates,
        left_out: made.left_out,
        not_found: made.not_found,
        entry: made.entry,
    };
    if settings.lacks_capture_key(&answer.folder) {
        print::note(
            "the key of fingerprints of captures, captures.key, is in no backup: put it into the folder before a server \
             starts there, or captures from before the backup are not known again",
        );
    }
    if made.not_found > 0 {
        print::note(&format!(
            "--without: {} of the ids are in no row of this backup that can be read; ids are compared letter by letter, so \
             look for one that is mistyped",
            made.not_found
        ));
    }
    match args.json {
        true => print::json(&answer)?,
        false => print::answer(&text(&answer))?,
    }
    Ok(Exit::Success)
}

fn explained(error: GalleryError, manifest: &Manifest) -> Failure {
    match error {
        GalleryError::Damaged { detail, .. } => Failure::new(format_args!(
            "the backup {} cannot be restored: {detail}; restore an earlier one",
            manifest.id
        )),
        error => Failure::new(error),
    }
}

fn chosen(
    args: &RestoreArgs,
    settings: &Settings,
    repository: &Repository,
    keys: &BackupKeys,
) -> Result<Manifest, Failure> {
    match &args.backup {
        Some(id) => {
            let id: BackupId = id.parse().map_err(Failure::new)?;
            repository.read_manifest(&id, keys).map_err(Failure::new)
        }
        // As it is shown, a backup's time is cut to the second.
        None => {
            let at = args.at.map(|at| if at.0 % 1000 == 0 { Timestamp(at.0 + 999) } else { at });
            repository.newest(keys, settings.gallery_id, at).map_err(Failure::new)
        }
    }
}

/// The other backups of the same gallery that can be opened and may tell who was erased after this one: later ones, and
/// those of a gallery that was restored in between. Of a gallery in the clear nobody else than those that cannot be
/// opened may know it.
fn others(
    args: &RestoreArgs,
    repository: &Repository,
    keys: &BackupKeys,
    manifest: &Manifest,
) -> Result<Vec<Manifest>, Failure> {
    let mut found = Vec::new();
    for id in repository.ids().map_err(Failure::new)?.iter().rev().filter(|id| **id != manifest.id) {
        match repository.read_manifest(id, keys) {
            Ok(other) if other.head.gallery == manifest.head.gallery => {
                if other.head.commit > manifest.head.commit || *id > manifest.id {
                    found.push(other);
                }
            }
            Ok(_) => {}
            Err(error) if *id < manifest.id || manifest.head.key_store.is_some() || args.without.is_some() => {
                print::note(&format!("another backup is passed over: {error}"));
            }
            Err(error) => {
                return Err(Failure::new(format_args!(
                    "a later backup, which may say who was erased since, cannot be opened ({error}); name who was with \
                     --without FILE, which may be empty"
                )));
            }
        }
    }
    Ok(found)
}

/// With what the gallery is made: no key of its log is made anew, and no folder is looked into.
fn options(settings: &Settings, to: &Path) -> Result<EmbeddedOptions, Failure> {
    let ledger = settings.ledger.as_ref().map(|ledger| ledger.kept(&settings.origin)).transpose()?;
    let sealing = settings.sealing_options(to)?;
    // A copy from before a gallery was sealed is not made in its place.
    Ok(EmbeddedOptions { ledger, sealing, seal_while_serving: false, ..settings.looked_at_options() })
}

/// Those whom a file names.
fn named(args: &RestoreArgs) -> Result<BTreeSet<SubjectId>, Failure> {
    let mut subjects = BTreeSet::new();
    let Some(path) = &args.without else { return Ok(subjects) };
    let unusable = |why: &dyn std::fmt::Display| Failure::new(format_args!("--without {}: {why}", path.display()));
    let bytes = regular::read(path, WITHOUT_BYTES_MAX).map_err(|error| unusable(&error))?;
    let text = String::from_utf8(bytes).map_err(|_| unusable(&"it is not UTF-8 text"))?;
    // Some editors begin a file with it.
    let text = text.trim_start_matches('\u{feff}');
    for (number, line) in (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty()) {
        let id = SubjectId::new(line).map_err(|error| unusable(&format_args!("line {number}: {error}")))?;
        subjects.insert(id);
    }
    Ok(subjects)
}

/// Who is left out: those who are named, and those of a gallery in the clear whom the log of another backup says to have
/// been erased since.
fn without(
    args: &RestoreArgs,
    repository: &Repository,
    keys: &Arc<BackupKeys>,
    manifest: &Manifest,
    has_ledger: bool,
) -> Result<Without, Failure> {
    let subjects = named(args)?;
    let (mut erased, mut destroyed) = (BTreeSet::<KeyedDigest>::new(), Vec::new());
    for later in others(args, repository, keys, manifest)? {
        // In a sealed gallery the key store says it, and this only what a key store from before does not.
        let is_sealed = manifest.head.key_store.is_some();
        if later.head.key_store.is_some() != is_sealed && args.without.is_none() {
            return Err(Failure::new(format_args!(
                "the backup {} is from before the gallery was sealed, and nothing here says who was erased since; restore a \
                 later one, or name who was erased with --without FILE",
                manifest.id
            )));
        }
        let later_is_clear = later.head.key_store.is_none();
        let has_later_commits = later.head.commit > manifest.head.commit;
        let after =
            ErasedAfter { entries: has_later_commits.then_some(manifest.head.entries), time: manifest.head.taken_at };
        let reader =
            BackupReader::begin(Arc::new(repository.clone()), Arc::clone(keys), later).map_err(Failure::new)?;
        let mut reader = reader.of_table(if is_sealed { "destroyed_keys" } else { "ledger_entries" });
        loop {
            let batch = match reader.next_batch() {
                Ok(Some(batch)) => batch,
                Ok(None) => break,
                Err(error) if is_sealed => {
                    print::note(&format!("a later backup's list of destroyed keys is passed over: {error}"));
                    break;
                }
                Err(error) => return Err(Failure::new(error)),
            };
            if is_sealed {
                destroyed.push(batch);
            } else if has_ledger && later_is_clear {
                gallery::erased_in(&batch, after, &mut erased).map_err(Failure::new)?;
            }
        }
    }
    Ok(Without { subjects, erased, destroyed })
}

fn text(answer: &RestoredAnswer) -> String {
    let RestoredAnswer { backup, taken_at, gallery, folder, commit, subjects, templates, left_out, .. } = answer;
    let erased = match left_out {
        0 => String::new(),
        count => format!("\n{count} records were left out: of people who were erased since, or are named"),
    };
    let entry = match answer.entry {
        Some(number) => format!("\nits log goes on with entry {number}, which says so"),
        None => String::new(),
    };
    format!(
        "gallery {gallery} restored into {} from backup {backup} of {taken_at}, up to commit {commit}: {subjects} subjects, \
         {templates} templates{erased}{entry}",
        folder.display()
    )
}
