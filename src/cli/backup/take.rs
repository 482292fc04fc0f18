//! `chinhchu backup`: from a gallery's folder, or from the server that has it open.

use std::cell::RefCell;
use std::io::{self, BufWriter, IsTerminal};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::TakeArgs;
use super::settings::is_file;
use crate::backup::{BackupError, BackupId, BackupKeys, BackupWriter, Keep, Pruned, Repository, Written};
use crate::cli::settings::Settings;
use crate::cli::{Exit, Failure, Outcome, caller, date, print, runtime};
use crate::gallery::{self, GalleryError, RowBatch, RowsHead, Timestamp};
use crate::private::{self, Partial, Readers};
use crate::service::local::RowsSnapshot;

/// Bytes between two lines of progress.
const TOLD_EVERY: u64 = 64 << 20;

/// The answer; field names are a contract.
#[derive(Serialize)]
struct TakenAnswer {
    id: BackupId,
    gallery: String,
    taken_at: String,
    /// The last commit that is in it.
    commit: u64,
    subjects: u64,
    templates: u64,
    /// Entries of the transparency log.
    entries: u64,
    /// Whether the gallery is sealed.
    sealed: bool,
    /// Id of the backup key.
    key_id: String,
    rows: u64,
    /// Bytes of these.
    bytes: u64,
    chunks: u64,
    /// Of these, those that were not there yet.
    chunks_written: u64,
    /// Bytes of the files of these.
    bytes_written: u64,
    seconds: f64,
    /// Whether a server handed it on.
    served: bool,
    pruned: Option<PrunedAnswer>,
}

/// What was taken away; field names are a contract.
#[derive(Serialize)]
pub(super) struct PrunedAnswer {
    backups: Vec<BackupId>,
    files: u64,
    bytes: u64,
    /// Backups are read at the moment: chunks wait for the next time.
    waits_for_readers: bool,
}

impl PrunedAnswer {
    pub(super) fn of(pruned: Pruned) -> Self {
        let Pruned { backups, files, bytes, is_read } = pruned;
        Self { backups, files, bytes, waits_for_readers: is_read }
    }

    pub(super) fn line(&self) -> String {
        let waits = if self.waits_for_readers { "; a backup is read, and chunks wait for the next time" } else { "" };
        format!("{} backups taken away, {} files with {} bytes{waits}", self.backups.len(), self.files, self.bytes)
    }
}

/// Where a backup goes.
enum Target {
    Folder(Repository),
    /// A file that has its name when it is whole.
    File(Partial),
    Output,
}

impl Target {
    /// The one typed, else the configured folder. Nothing is written over.
    fn of(settings: &Settings, args: &TakeArgs, data: &Path) -> Result<Self, Failure> {
        let keeps = args.keep.keep.or(args.keep.keep_days).is_some();
        match args.to.as_deref() {
            Some(to) if keeps && (is_file(to) || to == Path::new("-")) => {
                Err(Failure::new("--keep and --keep-days are of a folder of backups, and --to names a file"))
            }
            Some(to) if to == Path::new("-") => match (args.json, io::stdout().is_terminal()) {
                (true, _) => {
                    Err(Failure::new("--to -: the backup goes to standard output, so --json cannot; leave it out"))
                }
                (_, true) => Err(Failure::new(
                    "--to -: a terminal cannot hold a backup; send it on, as in `| ssh vault 'cat > people.cbk'`",
                )),
                _ => Ok(Self::Output),
            },
            Some(to) if is_file(to) => {
                settings.check_backups_apart(to, data)?;
                let failed = |error: io::Error| Failure::new(format_args!("--to {}: {error}", to.display()));
                if to.symlink_metadata().is_ok() {
                    return Err(Failure::new(format_args!(
                        "--to {}: there is a file already; nothing is written over",
                        to.display()
                    )));
                }
                Partial::create(to, Readers::Owner).map(Self::File).map_err(failed)
            }
            _ => {
                let to: PathBuf = settings.backups(args.to.as_deref(), "--to")?;
                settings.check_backups_apart(&to, data)?;
                Repository::open_or_make(&to).map(Self::Folder).map_err(Failure::new)
            }
        }
    }
}

/// What is written as rows come.
struct Taking<'a> {
    target: &'a Target,
    keys: &'a Arc<BackupKeys>,
    bytes_a_second: Option<u64>,
    writer: Option<BackupWriter>,
    bytes: u64,
    told: u64,
    shows: bool,
}

impl Taking<'_> {
    fn begin(&mut self, head: &RowsHead) -> Result<(), BackupError> {
        let (keys, head, rate) = (Arc::clone(self.keys), head.clone(), self.bytes_a_second);
        self.writer = Some(match self.target {
            Target::Folder(repository) => BackupWriter::begin(repository, keys, head, rate)?,
            Target::File(partial) => {
                let out = partial.file().try_clone().map_err(|error| BackupError::io_at(&error, partial.path()))?;
                BackupWriter::stream(
                    partial.path(),
                    Box::new(BufWriter::with_capacity(1 << 20, out)),
                    keys,
                    head,
                    rate,
                )?
            }
            Target::Output => {
                BackupWriter::stream(Path::new("standard output"), Box::new(io::stdout()), keys, head, rate)?
            }
        });
        Ok(())
    }

    fn take(&mut self, batch: &RowBatch) -> Result<(), BackupError> {
        self.bytes += batch.bytes.len() as u64;
        if self.shows && self.bytes >= self.told + TOLD_EVERY {
            self.told = self.bytes;
            eprint!("\r{} MB read", self.bytes >> 20);
        }
        self.writer.as_mut().map_or(Ok(()), |writer| writer.take(batch))
    }

    fn finish(&mut self) -> Result<Written, Failure> {
        if self.told > 0 {
            eprintln!();
        }
        let writer = self.writer.take().ok_or_else(|| Failure::new("nothing was read of the gallery"))?;
        writer.finish().map_err(Failure::new)
    }
}

pub(super) fn run(settings: &Settings, args: TakeArgs) -> Outcome {
    let Some(folder) = args.data.clone().or_else(|| settings.data.clone()) else {
        return Err(Failure::new("no gallery named; give --data DIR, or `data` under [gallery] in the configuration"));
    };
    if !gallery::is_at(&folder) {
        return Err(Failure::new(format_args!("there is no gallery at {}; check --data", folder.display())));
    }
    let keys = settings.backup_keys()?;
    // Threads that are begun from here on as well.
    gallery::lower_priority();
    let begun = Instant::now();
    let target = Target::of(settings, &args, &folder)?;
    let rate = args.rate.or(settings.backup.rate_mb()).map(|mb| mb * 1_000_000);
    let (written, served) = written(settings, &folder, &target, &keys, rate)?;
    let mut exit = Exit::Success;
    let pruned = match (&target, settings.backup.keep(&args.keep)) {
        (Target::Folder(_), Keep { newest: None, days: None }) | (Target::File(_) | Target::Output, _) => None,
        (Target::Folder(repository), keep) => match repository.prune(&keys, keep, Timestamp::now()) {
            Ok(pruned) => Some(PrunedAnswer::of(pruned)),
            // The backup is there, and that is what was asked for first.
            Err(error) => {
                print::note(&format!(
                    "the backup {} was written, and no earlier one was taken away: {error}; docs/backup.md says what to do",
                    written.manifest.id
                ));
                exit = Exit::Negative;
                None
            }
        },
    };
    let answer = answer(&written, served, begun.elapsed().as_secs_f64(), pruned);
    match target {
        Target::File(partial) => {
            let path = partial.path().to_owned();
            let kept = partial.keep().and_then(|()| private::sync_folder(path.parent().unwrap_or(Path::new("."))));
            kept.map_err(|error| Failure::new(format_args!("--to {}: {error}", path.display())))?;
        }
        // What is printed would be in the backup.
        Target::Output => {
            text(&answer).lines().for_each(print::note);
            return Ok(Exit::Success);
        }
        Target::Folder(_) => {}
    }
    match args.json {
        true => print::json(&answer)?,
        false => print::answer(&text(&answer))?,
    }
    Ok(exit)
}

/// A backup of a gallery, and whether a server handed it on.
fn written(
    settings: &Settings,
    folder: &Path,
    target: &Target,
    keys: &Arc<BackupKeys>,
    bytes_a_second: Option<u64>,
) -> Result<(Written, bool), Failure> {
    let shows = io::stderr().is_terminal();
    let taking = Taking { target, keys, bytes_a_second, writer: None, bytes: 0, told: 0, shows };
    let (taking, failed) = (RefCell::new(taking), RefCell::new(None));
    let keep = |result: Result<(), BackupError>| match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            *failed.borrow_mut() = Some(Failure::new(error));
            ControlFlow::Break(GalleryError::Closing)
        }
    };
    let options = settings.gallery_options(folder);
    let read = match options {
        Ok(options) => gallery::read_rows(
            &caller::context("backup"),
            folder,
            &options,
            &mut |head| keep(taking.borrow_mut().begin(head)),
            &mut |batch| keep(taking.borrow_mut().take(&batch)),
        ),
        Err(failure) => return Err(failure),
    };
    match (failed.into_inner(), read) {
        (Some(failure), _) => Err(failure),
        (None, Ok(())) => Ok((taking.into_inner().finish()?, false)),
        (None, Err(GalleryError::InUse(_))) => Ok((served(folder, taking.into_inner())?, true)),
        (None, Err(error)) => Err(settings.blame_folder(folder, Failure::new(error))),
    }
}

/// The same, from the server that has the folder open.
fn served(folder: &Path, mut taking: Taking<'_>) -> Result<Written, Failure> {
    runtime::wait(async {
        let mut rows = RowsSnapshot::open(folder).await.map_err(Failure::new)?;
        taking.begin(rows.head()).map_err(Failure::new)?;
        while let Some(batch) = rows.next().await.map_err(Failure::new)? {
            taking.take(&batch).map_err(Failure::new)?;
        }
        Ok(())
    })?;
    taking.finish()
}

fn answer(written: &Written, served: bool, seconds: f64, pruned: Option<PrunedAnswer>) -> TakenAnswer {
    let Written { manifest, chunks, chunks_written, bytes_written } = written;
    let head = &manifest.head;
    TakenAnswer {
        id: manifest.id.clone(),
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
        chunks: *chunks,
        chunks_written: *chunks_written,
        bytes_written: *bytes_written,
        seconds,
        served,
        pruned,
    }
}

fn text(answer: &TakenAnswer) -> String {
    let TakenAnswer { id, subjects, templates, commit, bytes, bytes_written, chunks, chunks_written, seconds, .. } =
        answer;
    let from = if answer.served { ", from the server that has it open" } else { "" };
    let pruned = answer.pruned.as_ref().map(|pruned| format!("\n{}", pruned.line())).unwrap_or_default();
    format!(
        "backup {id}: {subjects} subjects, {templates} templates, up to commit {commit}{from}\n\
         {bytes} bytes of rows in {chunks} chunks; {chunks_written} chunks with {bytes_written} bytes were new, {seconds:.1} s{pruned}"
    )
}
