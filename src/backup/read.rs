//! Reads a backup: chunk by chunk, each checked; and verifies one without restoring it.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::error::BackupError;
use super::keys::{BackupKey, BackupKeys};
use super::manifest::{BackupId, ChunkRecord, Manifest};
use super::repository::{Held, Repository};
use crate::gallery::{RowBatch, Rows};
use crate::hex;
use crate::regular;
use crate::sealing::aead;

/// What a chunk's file begins with: `ccbk`, and the version of what follows, the sealed rows.
pub(super) const CHUNK_HEAD: &[u8; 8] = b"ccbk\x01\0\0\0";
/// Longest file of a chunk: one row may be longer than a chunk.
pub(super) const CHUNK_FILE_BYTES_MAX: u64 = 1 << 30;

/// What a chunk is sealed for.
pub(super) fn chunk_place(name: &[u8; 32]) -> [&[u8]; 3] {
    [b"chinhchu backup chunk", CHUNK_HEAD, name]
}

/// Where chunks of backups lie: a folder, or a file with one backup.
pub trait ChunkSource: Send + Sync {
    /// The file that a chunk of this name lies in.
    fn path_of(&self, name: &[u8; 32]) -> PathBuf;

    /// The file that a manifest lies in.
    fn manifest_path(&self, id: &BackupId) -> PathBuf;

    /// The bytes of a chunk's file.
    ///
    /// # Errors
    /// [`BackupError::Damaged`] where it is missing, [`BackupError::Io`].
    fn chunk(&self, name: &[u8; 32]) -> Result<Vec<u8>, BackupError>;

    /// Keeps chunks from being taken away as long as what is returned lives.
    ///
    /// # Errors
    /// [`BackupError::Io`].
    fn hold(&self) -> Result<Option<Held>, BackupError> {
        Ok(None)
    }
}

impl ChunkSource for Repository {
    fn path_of(&self, name: &[u8; 32]) -> PathBuf {
        self.chunk_path(name)
    }

    fn manifest_path(&self, id: &BackupId) -> PathBuf {
        self.manifest(id)
    }

    fn chunk(&self, name: &[u8; 32]) -> Result<Vec<u8>, BackupError> {
        let path = self.chunk_path(name);
        regular::read(&path, CHUNK_FILE_BYTES_MAX).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BackupError::damaged(&path, "is missing"),
            _ => BackupError::io(&error, &path),
        })
    }

    fn hold(&self) -> Result<Option<Held>, BackupError> {
        self.read_lock()
    }
}

/// Rows of a backup, in the order in which they are restored.
pub struct BackupReader {
    source: Arc<dyn ChunkSource>,
    keys: Arc<BackupKeys>,
    /// What it is of.
    manifest: Manifest,
    left: VecDeque<(String, ChunkRecord)>,
    _lock: Option<Held>,
}

impl BackupReader {
    /// Begins to read a backup.
    ///
    /// # Errors
    /// [`BackupError::Io`].
    pub fn begin(source: Arc<dyn ChunkSource>, keys: Arc<BackupKeys>, manifest: Manifest) -> Result<Self, BackupError> {
        let lock = source.hold()?;
        Ok(Self { source, left: listed(&manifest, |_| true), keys, manifest, _lock: lock })
    }

    /// The same, of the rows of one table.
    #[must_use]
    pub fn of_table(mut self, table: &str) -> Self {
        self.left = listed(&self.manifest, |name| name == table);
        self
    }

    /// The next rows; `None` behind the last.
    ///
    /// # Errors
    /// [`BackupError::Damaged`], [`BackupError::Io`].
    pub fn next_batch(&mut self) -> Result<Option<RowBatch>, BackupError> {
        let Some((table, chunk)) = self.left.pop_front() else { return Ok(None) };
        let key = key_of(&self.keys, &self.manifest, self.source.as_ref())?;
        read_chunk(self.source.as_ref(), key, table, &chunk).map(Some)
    }
}

fn listed(manifest: &Manifest, is_wanted: impl Fn(&str) -> bool) -> VecDeque<(String, ChunkRecord)> {
    let wanted = manifest.tables.iter().filter(|table| is_wanted(&table.name));
    wanted.flat_map(|table| table.chunks.iter().map(|chunk| (table.name.clone(), chunk.clone()))).collect()
}

fn key_of<'k>(
    keys: &'k BackupKeys,
    manifest: &Manifest,
    source: &dyn ChunkSource,
) -> Result<&'k BackupKey, BackupError> {
    keys.of(manifest.key).ok_or_else(|| BackupError::OtherKey {
        path: source.manifest_path(&manifest.id),
        needed: manifest.key,
        given: keys.ids(),
    })
}

fn read_chunk(
    source: &dyn ChunkSource,
    key: &BackupKey,
    table: String,
    chunk: &ChunkRecord,
) -> Result<RowBatch, BackupError> {
    let name = chunk.name();
    let path = source.path_of(&name);
    let damaged = |what| BackupError::damaged(&path, what);
    let mut bytes = source.chunk(&name)?;
    match bytes.first_chunk::<{ CHUNK_HEAD.len() }>() {
        Some(head) if head == CHUNK_HEAD => {}
        Some([b'c', b'c', b'b', b'k', found, ..]) if *found > 1 => {
            return Err(BackupError::Newer { path, found: u32::from(*found), known: 1 });
        }
        _ => return Err(damaged("is no chunk, or was cut")),
    }
    let rest = &mut bytes[CHUNK_HEAD.len()..];
    let opened = aead::open_in_place(key.chunks(), &chunk_place(&name), rest);
    let contents = opened.map_err(|_| damaged("was altered, cut short, or put in another's place"))?.to_vec();
    let mut rows = 0;
    for row in Rows::of(&contents) {
        row.ok_or_else(|| damaged("holds rows that are cut short"))?;
        rows += 1;
    }
    if key.name(&table, &contents) != name || rows != chunk.rows || contents.len() as u64 != chunk.bytes {
        return Err(damaged("does not hold what the manifest says"));
    }
    Ok(RowBatch { table, rows, bytes: contents })
}

/// Something in a backup that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// The table whose rows it has.
    pub table: String,
    /// How many rows these are.
    pub rows: u64,
    /// What is wrong.
    pub what: String,
}

/// What verifying a backup came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Chunks that were read.
    pub chunks: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// What is not as it was written.
    pub damage: Vec<Damage>,
}

/// Reads all of a backup and checks it, without restoring it: every chunk is there, opens, and has the rows that
/// the manifest says, and these are as many records as the gallery had.
///
/// # Errors
/// [`BackupError::OtherKey`], [`BackupError::Io`] where it cannot be read; damage is told, and is no error.
pub fn verify(
    source: &dyn ChunkSource,
    keys: &BackupKeys,
    manifest: &Manifest,
    progress: &mut dyn FnMut(u64),
) -> Result<Verified, BackupError> {
    let _lock = source.hold()?;
    let key = key_of(keys, manifest, source)?;
    let mut verified = Verified { chunks: 0, rows: 0, bytes: 0, damage: Vec::new() };
    for (table, chunk) in listed(manifest, |_| true) {
        let damage = |file, what| Damage { file, table: table.clone(), rows: chunk.rows, what };
        match read_chunk(source, key, table.clone(), &chunk) {
            Ok(batch) => {
                verified.rows += batch.rows;
                verified.bytes += batch.bytes.len() as u64;
            }
            Err(BackupError::Damaged { path, what }) => verified.damage.push(damage(path, what.to_owned())),
            Err(BackupError::Io { path, why }) => verified.damage.push(damage(path, format!("cannot be read: {why}"))),
            Err(error) => return Err(error),
        }
        verified.chunks += 1;
        progress(verified.bytes);
    }
    let counted = [
        ("subjects", manifest.head.subjects),
        ("templates", manifest.head.templates),
        ("ledger_commitments", manifest.head.entries),
    ];
    for (table, rows) in counted {
        // Of the log, what was pruned with its commitments would be fewer, never more.
        let found = manifest.rows_of(table);
        if found != rows {
            let what = format!("has {found} rows of {table}, and says {rows}");
            verified.damage.push(Damage {
                file: source.manifest_path(&manifest.id),
                table: table.to_owned(),
                rows,
                what,
            });
        }
    }
    Ok(verified)
}

impl Repository {
    /// What a chunk's file is named, for lists.
    pub(super) fn chunk_name(chunk: &ChunkRecord) -> String {
        hex::encode(&chunk.name)
    }
}
