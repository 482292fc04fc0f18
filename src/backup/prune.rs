//! Takes backups away that are kept no longer, and chunks that no backup names.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use super::error::BackupError;
use super::keys::BackupKeys;
use super::manifest::{BackupId, Manifest};
use super::repository::Repository;
use crate::gallery::Timestamp;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Which backups of each gallery stay: what either says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// The newest so many.
    pub newest: Option<u64>,
    /// Those that are not older than so many days.
    pub days: Option<u64>,
}

/// What was taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Backups.
    pub backups: Vec<BackupId>,
    /// Files of chunks that no backup names, those that an interrupted backup left included.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Backups are read at the moment: chunks wait for the next time.
    pub is_read: bool,
}

impl Repository {
    /// Takes backups away, and what only they had. The newest of each gallery stays in any case: the one with the most
    /// commits, and of several with as many the one taken last by `now`, since a clock may have been wrong.
    ///
    /// # Errors
    /// [`BackupError::Busy`]; [`BackupError::OtherKey`], [`BackupError::Damaged`] of a backup whose chunks cannot be
    /// told from others': then nothing is taken away. [`BackupError::Io`].
    pub fn prune(&self, keys: &BackupKeys, keep: Keep, now: Timestamp) -> Result<Pruned, BackupError> {
        let _lock = self.lock()?;
        let mut manifests = Vec::new();
        for id in self.ids()? {
            manifests.push(self.read_manifest(&id, keys)?);
        }
        manifests.sort_by_key(|manifest| {
            let Manifest { id, head, .. } = manifest;
            (head.commit, head.taken_at <= now, id.clone())
        });
        let mut pruned = Pruned::default();
        let mut named = HashSet::new();
        let mut gone = Vec::new();
        // From the newest on.
        for (at, manifest) in manifests.iter().enumerate().rev() {
            let newer =
                manifests[at + 1..].iter().filter(|other| other.head.gallery == manifest.head.gallery).count() as u64;
            let age = now.0.saturating_sub(manifest.head.taken_at.0);
            let is_kept = match (keep.newest, keep.days) {
                (None, None) => true,
                (count, days) => {
                    count.is_some_and(|count| newer < count) || days.is_some_and(|days| age <= days * DAY_MS)
                }
            };
            match is_kept || newer == 0 {
                true => named.extend(manifest.chunks().map(Self::chunk_name)),
                false => gone.push(manifest.id.clone()),
            }
        }
        gone.reverse();
        for id in &gone {
            let path = self.manifest(id);
            fs::remove_file(&path).map_err(|error| BackupError::io(&error, &path))?;
        }
        // Manifests first: none that is there may name a chunk that is not.
        self.sync(&self.manifests())?;
        pruned.backups = gone;
        let Some(_alone) = self.without_readers()? else {
            pruned.is_read = true;
            return Ok(pruned);
        };
        remove_others(&self.manifests(), &|name| name.parse::<BackupId>().is_ok(), &mut pruned)?;
        let failed = |error: io::Error| BackupError::io(&error, &self.chunks());
        for folder in fs::read_dir(self.chunks()).map_err(failed)? {
            let folder = folder.map_err(failed)?.path();
            if folder.is_dir() {
                remove_others(&folder, &|name| named.contains(name), &mut pruned)?;
            }
        }
        Ok(pruned)
    }
}

/// Removes the files of a folder of which nothing says that they stay.
fn remove_others(folder: &Path, stays: &dyn Fn(&str) -> bool, pruned: &mut Pruned) -> Result<(), BackupError> {
    let failed = |error: io::Error| BackupError::io(&error, folder);
    for file in fs::read_dir(folder).map_err(failed)? {
        let file = file.map_err(failed)?;
        let name = file.file_name();
        // Others' files are left alone: ours are named by digits, with an ending while they are written.
        let name = name.to_str().unwrap_or_default();
        let is_ours = name.trim_end_matches(".partial").len() >= 25;
        if !is_ours || stays(name) {
            continue;
        }
        pruned.files += 1;
        pruned.bytes += file.metadata().map_err(failed)?.len();
        fs::remove_file(file.path()).map_err(failed)?;
    }
    Ok(())
}
