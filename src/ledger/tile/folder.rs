//! A log as a folder of tiles: written for a web server to serve, and read back.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{TileId, TileKind, TileSource, WIDTH, entries, hashes, leaves};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::commitment::Commitment;
use crate::ledger::note::{NOTE_BYTES_MAX, Note};
use crate::ledger::tree::{NodeId, NodeSource, TreeError};
use crate::private::{self, Readers};
use crate::regular;

/// Name of the newest checkpoint.
const CHECKPOINT: &str = "checkpoint";

/// Why a folder of tiles cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not of the length that a tile of its name has, or has no commitments in it.
    #[error("{path} is no tile of its name: it was cut or altered")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The checkpoint cannot be read as one.
    #[error("{path} is no checkpoint: {why}")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The folder has a tile of another log, or of another past of this one.
    #[error("{path} holds other hashes than this log: the folder is of another log, or one of the two was altered")]
    OtherLog {
        /// The tile.
        path: PathBuf,
    },
    /// The log lacks what its checkpoint says.
    #[error("the log lacks {0}")]
    Missing(NodeId),
    /// The log's nodes or leaves cannot be read.
    #[error("the log cannot be read: {0}")]
    Log(Box<dyn std::error::Error + Send + Sync>),
}

/// Writes a log as it was at a checkpoint into a folder, or brings a folder that has an earlier state
/// up to date: tiles that are there are compared, those that are not are added, the checkpoint is
/// replaced last. `leaf` gives the commitment of an entry.
///
/// What is killed on the way goes on when it is run again. Partial tiles of earlier sizes stay.
///
/// # Errors
/// [`FolderError`]; [`FolderError::OtherLog`] where a tile is there already and is another.
pub fn export<S, F, E>(folder: &Path, nodes: &S, leaf: F, checkpoint: &Note) -> Result<(), FolderError>
where
    S: NodeSource<Error = E>,
    F: Fn(u64) -> Result<Option<Commitment>, E>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let path = folder.join(CHECKPOINT);
    let size = parsed(&path, checkpoint)?.size;
    let log = |error: E| FolderError::Log(error.into());
    for tile in TileId::all(size) {
        let bytes = match tile.kind {
            TileKind::Hashes(level) => hashes(nodes, level, tile.index, tile.width).map_err(|error| match error {
                TreeError::Source(error) => log(error),
                TreeError::Missing(id) => FolderError::Missing(id),
                TreeError::OutOfRange { what, .. } => FolderError::Missing(NodeId::leaf(what)),
            })?,
            TileKind::Entries => {
                let first = tile.index * WIDTH;
                let commitments = (first..first + u64::from(tile.width))
                    .map(|index| leaf(index).map_err(log)?.ok_or(FolderError::Missing(NodeId::leaf(index))));
                entries(&commitments.collect::<Result<Vec<_>, _>>()?)
            }
        };
        put(&folder.join(tile.to_string()), &bytes)?;
    }
    private::write(&path, Readers::All, checkpoint.to_string().as_bytes()).map_err(failed(&path))
}

/// Writes a tile by a rename, so that a reader never finds half of one. One that a crash of the
/// machine left with another length is written anew.
fn put(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    match regular::read(path, bytes.len() as u64 + 1) {
        Ok(there) if there == bytes => return Ok(()),
        Ok(there) if there.len() == bytes.len() => return Err(FolderError::OtherLog { path: path.to_owned() }),
        _ => {}
    }
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(failed(parent))?;
    let partial = path.with_added_extension("partial");
    let written = File::create(&partial).and_then(|mut file| file.write_all(bytes));
    written.and_then(|()| fs::rename(&partial, path)).map_err(failed(path))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { path, source }
}

/// A folder of tiles, of this program or of another.
#[derive(Debug, Clone)]
pub struct TileFolder {
    folder: PathBuf,
}

impl TileFolder {
    /// The log in this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The newest checkpoint, not verified.
    ///
    /// # Errors
    /// [`FolderError`] where it is not there or is none.
    pub fn checkpoint(&self) -> Result<Note, FolderError> {
        let path = self.folder.join(CHECKPOINT);
        let bytes = regular::read(&path, NOTE_BYTES_MAX as u64).map_err(failed(&path))?;
        let note =
            Note::parse(&bytes).map_err(|why| FolderError::Checkpoint { path: path.clone(), why: why.to_string() })?;
        parsed(&path, &note).map(|_| note)
    }

    /// The commitments of a log of `size` entries, in order. An error ends them.
    pub fn leaves(&self, size: u64) -> impl Iterator<Item = Result<Commitment, FolderError>> {
        let bundles = TileId::all(size).take_while(|tile| tile.kind == TileKind::Entries);
        bundles.flat_map(move |tile| match self.bundle(tile) {
            Ok(leaves) => leaves.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    fn bundle(&self, tile: TileId) -> Result<Vec<Commitment>, FolderError> {
        let missing = || FolderError::Missing(NodeId::leaf(tile.index * WIDTH));
        let bytes = self.read(tile)?.ok_or_else(missing)?;
        let damaged = || FolderError::Damaged { path: self.folder.join(tile.to_string()) };
        leaves(&bytes).ok_or_else(damaged)
    }

    /// The bytes of a tile, or as many of the full one where a partial one is no longer there.
    fn read(&self, tile: TileId) -> Result<Option<Vec<u8>>, FolderError> {
        for there in [tile, TileId { width: WIDTH as u16, ..tile }] {
            let path = self.folder.join(there.to_string());
            let mut bytes = match regular::read(&path, there.bytes() as u64) {
                Ok(bytes) if bytes.len() == there.bytes() => bytes,
                Ok(_) => return Err(FolderError::Damaged { path }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(_) if fs::metadata(&path).is_ok_and(|file| file.len() > there.bytes() as u64) => {
                    return Err(FolderError::Damaged { path });
                }
                Err(error) => return Err(failed(&path)(error)),
            };
            bytes.truncate(tile.bytes());
            return Ok(Some(bytes));
        }
        Ok(None)
    }
}

impl TileSource for TileFolder {
    type Error = FolderError;

    fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, FolderError> {
        self.read(TileId { kind: TileKind::Hashes(level), index, width })
    }
}

fn parsed(path: &Path, note: &Note) -> Result<Checkpoint, FolderError> {
    Checkpoint::parse(note.text())
        .map_err(|why| FolderError::Checkpoint { path: path.to_owned(), why: why.to_string() })
}
