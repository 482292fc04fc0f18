//! A backup in one file, or in a stream that something else takes away.
//!
//! | bytes | |
//! |---|---|
//! | 16 | `chinhchu.stream` and a line feed |
//! | 4 | version, at present 1 |
//! | | pieces, to the end |
//!
//! A piece is its length (8 bytes, little-endian), its name (32 bytes; of the manifest its id and zeros) and as many
//! bytes as its length says: those of a chunk's file, or of the manifest. The manifest comes last: a file without one was cut.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::error::BackupError;
use super::keys::BackupKeys;
use super::manifest::{BackupId, MANIFEST_BYTES_MAX, Manifest};
use super::read::{CHUNK_FILE_BYTES_MAX, ChunkSource};
use crate::regular;

const MAGIC: &[u8; 16] = b"chinhchu.stream\n";
const VERSION: u32 = 1;
const HEAD_BYTES: u64 = 20;
const PIECE_HEAD_BYTES: usize = 40;
/// Bytes of an id in the place of a name.
const ID_BYTES: usize = 25;

/// Where a backup is streamed to.
pub(super) struct Stream {
    /// As messages name it.
    pub(super) path: PathBuf,
    written: Mutex<Written>,
}

struct Written {
    out: Box<dyn Write + Send>,
    /// Chunks that are in it.
    names: HashSet<[u8; 32]>,
}

impl Stream {
    pub(super) fn begin(path: &Path, mut out: Box<dyn Write + Send>) -> Result<Self, BackupError> {
        let head = [MAGIC.as_slice(), &VERSION.to_le_bytes()].concat();
        out.write_all(&head).map_err(|error| BackupError::io(&error, path))?;
        let written = Mutex::new(Written { out, names: HashSet::new() });
        Ok(Self { path: path.to_owned(), written })
    }

    /// Whether a chunk is in it already; it is from here on, and whoever asked first writes it.
    pub(super) fn has(&self, name: &[u8; 32]) -> bool {
        !self.written.lock().unwrap_or_else(PoisonError::into_inner).names.insert(*name)
    }

    pub(super) fn put(&self, name: &[u8; 32], bytes: &[u8]) -> Result<(), BackupError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let head = [(bytes.len() as u64).to_le_bytes().as_slice(), name].concat();
        let done = written.out.write_all(&head).and_then(|()| written.out.write_all(bytes));
        done.map_err(|error| BackupError::io(&error, &self.path))
    }

    /// Ends it with its manifest.
    pub(super) fn finish(&self, id: &BackupId, manifest: &[u8]) -> Result<(), BackupError> {
        let mut name = [0; 32];
        name[..ID_BYTES].copy_from_slice(id.as_str().as_bytes());
        self.put(&name, manifest)?;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.out.flush().map_err(|error| BackupError::io(&error, &self.path))
    }
}

/// A backup in one file.
#[derive(Debug)]
pub struct BackupFile {
    path: PathBuf,
    file: File,
    /// Where each chunk lies, and how long it is.
    chunks: HashMap<[u8; 32], (u64, u64)>,
    id: BackupId,
    manifest: Vec<u8>,
}

impl BackupFile {
    /// The one at `path`.
    ///
    /// # Errors
    /// [`BackupError::NotThere`], [`BackupError::Damaged`] where it was cut or is none, [`BackupError::Newer`],
    /// [`BackupError::Io`].
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => BackupError::NotThere(path.to_owned()),
            _ => BackupError::io(&error, path),
        };
        let damaged = |what| BackupError::damaged(path, what);
        let file = regular::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let mut head = [0; HEAD_BYTES as usize];
        if len < HEAD_BYTES {
            return Err(damaged("is no backup in one file, or was cut"));
        }
        file.read_exact_at(&mut head, 0).map_err(failed)?;
        let version = u32::from_le_bytes(head[16..].try_into().expect("four bytes"));
        if !head.starts_with(MAGIC) || version == 0 {
            return Err(damaged("is no backup in one file"));
        }
        if version > VERSION {
            return Err(BackupError::Newer { path: path.to_owned(), found: version, known: VERSION });
        }
        let (mut chunks, mut at) = (HashMap::new(), HEAD_BYTES);
        let mut last = None;
        while at < len {
            let mut piece = [0; PIECE_HEAD_BYTES];
            let contents = at + PIECE_HEAD_BYTES as u64;
            if contents > len {
                return Err(damaged("was cut"));
            }
            file.read_exact_at(&mut piece, at).map_err(failed)?;
            let bytes = u64::from_le_bytes(piece[..8].try_into().expect("eight bytes"));
            let name: [u8; 32] = piece[8..].try_into().expect("thirty-two bytes");
            at = contents.checked_add(bytes).filter(|end| *end <= len).ok_or_else(|| damaged("was cut"))?;
            chunks.insert(name, (contents, bytes));
            last = Some((name, contents, bytes));
        }
        let (name, contents, bytes) = last.ok_or_else(|| damaged("was cut"))?;
        let id = str::from_utf8(&name[..ID_BYTES]).ok().and_then(|id| id.parse().ok());
        let id = id.filter(|_| bytes <= MANIFEST_BYTES_MAX).ok_or_else(|| damaged("was cut: it has no manifest"))?;
        let mut manifest = vec![0; bytes as usize];
        file.read_exact_at(&mut manifest, contents).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file, chunks, id, manifest })
    }

    /// Its manifest.
    ///
    /// # Errors
    /// [`BackupError::OtherKey`], [`BackupError::Damaged`], [`BackupError::Newer`].
    pub fn manifest(&self, keys: &BackupKeys) -> Result<Manifest, BackupError> {
        Manifest::open(self.id.clone(), &self.manifest, keys, &self.path)
    }
}

impl ChunkSource for BackupFile {
    fn path_of(&self, _: &[u8; 32]) -> PathBuf {
        self.path.clone()
    }

    fn manifest_path(&self, _: &BackupId) -> PathBuf {
        self.path.clone()
    }

    fn chunk(&self, name: &[u8; 32]) -> Result<Vec<u8>, BackupError> {
        let missing = || BackupError::damaged(&self.path, "lacks a chunk");
        let (at, bytes) =
            self.chunks.get(name).filter(|(_, bytes)| *bytes <= CHUNK_FILE_BYTES_MAX).ok_or_else(missing)?;
        let mut chunk = vec![0; *bytes as usize];
        self.file.read_exact_at(&mut chunk, *at).map_err(|error| BackupError::io(&error, &self.path))?;
        Ok(chunk)
    }
}
