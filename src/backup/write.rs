//! Writes a backup: cuts rows into chunks, seals those that are not there yet, and names them all in a
//! manifest at the end.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use super::cut::Cutter;
use super::error::BackupError;
use super::file::Stream;
use super::keys::BackupKeys;
use super::manifest::{BackupId, ChunkRecord, Manifest, TableRecord};
use super::read::{CHUNK_HEAD, chunk_place};
use super::repository::{Held, Repository};
use crate::gallery::{RowBatch, RowsHead, lower_priority};
use crate::private;
use crate::sealing::aead;

/// Threads that name, seal and write chunks; while one waits for the disk, the other works.
const THREADS: usize = 2;
/// Chunks that wait for them; with these, memory is bounded by some tens of megabytes.
const WAITING_MAX: usize = 4;

/// What a backup came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The backup.
    pub manifest: Manifest,
    /// Its chunks.
    pub chunks: u64,
    /// Of these, those that were not there.
    pub chunks_written: u64,
    /// Bytes of the files of these.
    pub bytes_written: u64,
}

struct Task {
    table: usize,
    at: usize,
    chunk: RowBatch,
}

/// Where chunks go.
enum Target {
    Folder(Repository),
    Stream(Stream),
}

impl Target {
    fn path(&self) -> &Path {
        match self {
            Self::Folder(repository) => repository.path(),
            Self::Stream(stream) => &stream.path,
        }
    }
}

struct Shared {
    target: Target,
    keys: Arc<BackupKeys>,
    /// The chunks of each table, in order.
    done: Mutex<Vec<(String, Vec<Option<ChunkRecord>>)>>,
    /// Folders of its files.
    folders: Mutex<BTreeSet<PathBuf>>,
    failed: Mutex<Option<BackupError>>,
    chunks_written: AtomicU64,
    bytes_written: AtomicU64,
}

impl Shared {
    fn store(&self, Task { table, at, chunk }: Task) -> Result<(), BackupError> {
        let key = self.keys.first();
        let name = key.name(&chunk.table, &chunk.bytes);
        let len = CHUNK_HEAD.len() + chunk.bytes.len() + aead::OVERHEAD_BYTES;
        let is_there = match &self.target {
            // One of another length was damaged since: it is written again.
            Target::Folder(repository) => {
                fs::metadata(repository.chunk_path(&name)).is_ok_and(|file| file.is_file() && file.len() == len as u64)
            }
            Target::Stream(stream) => stream.has(&name),
        };
        if let Target::Folder(repository) = &self.target
            && let Some(folder) = repository.chunk_path(&name).parent()
        {
            // Of one that is there as well: a backup that was killed wrote it, and did not make its name durable.
            private::make_folder(folder).map_err(|error| BackupError::io(&error, self.target.path()))?;
            self.folders.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
        }
        if !is_there {
            let failed = |error: std::io::Error| BackupError::io(&error, self.target.path());
            let mut sealed = CHUNK_HEAD.to_vec();
            aead::seal_into(&mut sealed, key.chunks(), &chunk_place(&name), &chunk.bytes).map_err(failed)?;
            match &self.target {
                Target::Folder(repository) => repository.write(&repository.chunk_path(&name), &sealed)?,
                Target::Stream(stream) => stream.put(&name, &sealed)?,
            }
            self.chunks_written.fetch_add(1, Ordering::Relaxed);
            self.bytes_written.fetch_add(sealed.len() as u64, Ordering::Relaxed);
        }
        let record = ChunkRecord { name: name.to_vec(), rows: chunk.rows, bytes: chunk.bytes.len() as u64 };
        self.done.lock().unwrap_or_else(PoisonError::into_inner)[table].1[at] = Some(record);
        Ok(())
    }

    fn run(&self, tasks: &Receiver<Task>) {
        lower_priority();
        for task in tasks {
            // After a failure what waits is only taken, so that nobody waits for a place.
            if self.failure().is_some() {
                continue;
            }
            if let Err(error) = self.store(task) {
                self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    }

    fn failure(&self) -> Option<BackupError> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Keeps to a number of bytes a second.
struct Pace {
    bytes_a_second: Option<u64>,
    begun: Instant,
    bytes: u64,
}

impl Pace {
    fn keep(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        if let Some(rate) = self.bytes_a_second {
            let due = Duration::from_secs_f64(self.bytes as f64 / rate as f64);
            std::thread::sleep(due.saturating_sub(self.begun.elapsed()));
        }
    }
}

/// A backup that is being written. Without [`BackupWriter::finish`] there is none.
pub struct BackupWriter {
    shared: Arc<Shared>,
    head: RowsHead,
    cutter: Cutter,
    tasks: Option<Sender<Task>>,
    threads: Vec<JoinHandle<()>>,
    pace: Pace,
    _lock: Option<Held>,
}

impl BackupWriter {
    /// Begins a backup of the gallery that `head` tells of; not more than so many bytes of rows are taken a second.
    ///
    /// # Errors
    /// [`BackupError::Busy`], [`BackupError::Io`].
    pub fn begin(
        repository: &Repository,
        keys: Arc<BackupKeys>,
        head: RowsHead,
        bytes_a_second: Option<u64>,
    ) -> Result<Self, BackupError> {
        let lock = repository.lock()?;
        Self::to(Target::Folder(repository.clone()), keys, head, bytes_a_second, Some(lock))
    }

    /// The same, into a stream that messages name `path`: everything is written to it, in pieces.
    ///
    /// # Errors
    /// [`BackupError::DiskFull`], [`BackupError::Io`].
    pub fn stream(
        path: &Path,
        out: Box<dyn Write + Send>,
        keys: Arc<BackupKeys>,
        head: RowsHead,
        bytes_a_second: Option<u64>,
    ) -> Result<Self, BackupError> {
        Self::to(Target::Stream(Stream::begin(path, out)?), keys, head, bytes_a_second, None)
    }

    fn to(
        target: Target,
        keys: Arc<BackupKeys>,
        head: RowsHead,
        bytes_a_second: Option<u64>,
        lock: Option<Held>,
    ) -> Result<Self, BackupError> {
        let cutter = Cutter::new(keys.first());
        let shared = Arc::new(Shared {
            target,
            keys,
            done: Mutex::default(),
            folders: Mutex::default(),
            failed: Mutex::default(),
            chunks_written: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
        });
        let (tasks, waiting) = crossbeam_channel::bounded(WAITING_MAX);
        let mut threads = Vec::new();
        for _ in 0..THREADS {
            let (own, waiting) = (Arc::clone(&shared), waiting.clone());
            let thread = std::thread::Builder::new().name("backup".into()).spawn(move || own.run(&waiting));
            threads.push(thread.map_err(|error| BackupError::io(&error, shared.target.path()))?);
        }
        let pace = Pace { bytes_a_second, begun: Instant::now(), bytes: 0 };
        Ok(Self { shared, head, cutter, tasks: Some(tasks), threads, pace, _lock: lock })
    }

    /// Takes rows, in the order in which a gallery hands them on.
    ///
    /// # Errors
    /// [`BackupError::DiskFull`], [`BackupError::Io`]: also of what was taken before.
    pub fn take(&mut self, batch: &RowBatch) -> Result<(), BackupError> {
        self.pace.keep(batch.bytes.len());
        let cut = || BackupError::damaged(self.shared.target.path(), "was sent rows that are cut short");
        let full = self.cutter.take(batch).ok_or_else(cut)?;
        full.into_iter().try_for_each(|chunk| self.store(chunk))
    }

    fn store(&mut self, chunk: RowBatch) -> Result<(), BackupError> {
        if let Some(error) = self.shared.failure() {
            return Err(error);
        }
        let (table, at) = {
            let mut done = self.shared.done.lock().unwrap_or_else(PoisonError::into_inner);
            if done.last().is_none_or(|(name, _)| *name != chunk.table) {
                done.push((chunk.table.clone(), Vec::new()));
            }
            let table = done.len() - 1;
            done[table].1.push(None);
            (table, done[table].1.len() - 1)
        };
        if let Some(tasks) = &self.tasks {
            // They take tasks as long as this lives.
            let _ = tasks.send(Task { table, at, chunk });
        }
        Ok(())
    }

    fn join(&mut self) {
        self.tasks = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                let why = "a thread that wrote chunks has ended; this is a defect of chinhchu".to_owned();
                let error = BackupError::Io { path: self.shared.target.path().to_owned(), why };
                self.shared.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    }

    /// Ends the backup: all rows were taken. It is there from here on.
    ///
    /// # Errors
    /// As [`BackupWriter::take`].
    pub fn finish(mut self) -> Result<Written, BackupError> {
        if let Some(last) = self.cutter.finish() {
            self.store(last)?;
        }
        self.join();
        if let Some(error) = self.shared.failure() {
            return Err(error);
        }
        let target = &self.shared.target;
        if let Target::Folder(repository) = target {
            let folders = std::mem::take(&mut *self.shared.folders.lock().unwrap_or_else(PoisonError::into_inner));
            for folder in folders.iter().chain([&repository.chunks()]) {
                repository.sync(folder)?;
            }
        }
        let done = std::mem::take(&mut *self.shared.done.lock().unwrap_or_else(PoisonError::into_inner));
        let tables: Vec<TableRecord> = done
            .into_iter()
            .map(|(name, chunks)| TableRecord { name, chunks: chunks.into_iter().flatten().collect() })
            .collect();
        let failed = |error: std::io::Error| BackupError::io(&error, target.path());
        let id = BackupId::new(self.head.taken_at).map_err(failed)?;
        let chunks = tables.iter().map(|table| table.chunks.len() as u64).sum();
        let (bytes, manifest) =
            Manifest::sealed(id, self.head.clone(), tables, self.shared.keys.first()).map_err(failed)?;
        match target {
            Target::Folder(repository) => {
                repository.write(&repository.manifest(&manifest.id), &bytes)?;
                repository.sync(&repository.manifests())?;
            }
            Target::Stream(stream) => stream.finish(&manifest.id, &bytes)?,
        }
        Ok(Written {
            manifest,
            chunks,
            chunks_written: self.shared.chunks_written.load(Ordering::Relaxed),
            bytes_written: self.shared.bytes_written.load(Ordering::Relaxed),
        })
    }
}

impl Drop for BackupWriter {
    fn drop(&mut self) {
        self.join();
    }
}
