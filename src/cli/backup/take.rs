//! `chinhchu backup`: from a gallery's folder, or from the server that has it open.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::TakeArgs;
use crate::backup::{BackupError, BackupId, BackupKeys, BackupWriter, Keep, Pruned, Repository, Written};
use crate::cli::settings::Settings;
use crate::cli::{Exit, Failure, Outcome, caller, date, print, runtime};
use crate::gallery::{self, GalleryError, RowBatch, RowsHead, Timestamp};
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

/// What is written as rows come.
struct Taking<'a> {
    repository: &'a Repository,
    keys: &'a Arc<BackupKeys>,
    bytes_a_second: Option<u64>,
    writer: Option<BackupWriter>,
    bytes: u64,
    told: u64,
    shows: bool,
}

impl Taking<'_> {
    fn begin(&mut self, head: &RowsHead) -> Result<(), BackupError> {
        let writer = BackupWriter::begin(self.repository, Arc::clone(self.keys), head.clone(), self.bytes_a_second)?;
        self.writer = Some(writer);
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
    let to: PathBuf = settings.backups(args.to.as_deref(), "--to")?;
    settings.check_backups_apart(&to, &folder)?;
    let keys = settings.backup_keys()?;
    let begun = Instant::now();
    let repository = Repository::open_or_make(&to).map_err(Failure::new)?;
    let rate = args.rate.or(settings.backup.rate_mb()).map(|mb| mb * 1_000_000);
    let (written, served) = written(settings, &folder, &repository, &keys, rate)?;
    let keep = settings.backup.keep(&args.keep);
    let pruned = match keep {
        Keep { newest: None, days: None } => None,
        keep => match repository.prune(&keys, keep, Timestamp::now()) {
            Ok(pruned) => Some(PrunedAnswer::of(pruned)),
            // The backup is there, and that is what was asked for first.
            Err(error) => {
                return Err(Failure::new(format_args!(
                    "the backup {} was written, and none was taken away: {error}",
                    written.manifest.id
                )));
            }
        },
    };
    let answer = answer(&written, served, begun.elapsed().as_secs_f64(), pruned);
    match args.json {
        true => print::json(&answer)?,
        false => print::answer(&text(&answer))?,
    }
    Ok(Exit::Success)
}

/// A backup of a gallery, and whether a server handed it on.
fn written(
    settings: &Settings,
    folder: &Path,
    repository: &Repository,
    keys: &Arc<BackupKeys>,
    bytes_a_second: Option<u64>,
) -> Result<(Written, bool), Failure> {
    let shows = std::io::stderr().is_terminal();
    let taking = Taking { repository, keys, bytes_a_second, writer: None, bytes: 0, told: 0, shows };
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
