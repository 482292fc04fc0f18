//! Backups of galleries: sealed, incremental, verifiable without restoring.
//!
//! ```text
//! gallery::read_rows, Gallery::rows -> BackupWriter -> [repository] -> BackupReader -> gallery::restore
//! ```
//!
//! A *repository* is a folder. A backup in it is a manifest (`backups/ID`) and the chunks that it names
//! (`chunks/xx/NAME`): rows of one table, as the gallery stores them. Chunks are cut where a keyed hash of a row's
//! key says so, and are named by a keyed hash of what is in them: rows that have not changed since the backup
//! before make the same chunks, which are there and are not written again. Manifest and chunks are sealed
//! under keys that are derived from the backup key; a chunk belongs to its name, a manifest to its own.
//!
//! Each file answers one question: what the keys are (`keys`), where rows are cut (`cut`), what a manifest says
//! (`manifest`), how a backup lies in one file (`file`), how the folder lies and who may use it (`repository`), how a backup is written (`write`), read and verified
//! (`read`), and which go (`prune`).

#![forbid(unsafe_code)]

mod cut;
mod error;
mod file;
mod keys;
mod manifest;
mod prune;
mod read;
mod repository;
#[cfg(test)]
mod tests;
mod write;

pub use self::error::BackupError;
pub use self::file::BackupFile;
pub use self::keys::{BackupKey, BackupKeys};
pub use self::manifest::{BackupId, Manifest};
pub use self::prune::{Keep, Pruned};
pub use self::read::{BackupReader, ChunkSource, Damage, Verified, verify};
pub use self::repository::{Listed, Repository};
pub use self::write::{BackupWriter, Written};
