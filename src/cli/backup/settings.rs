//! `[backup]`: where backups lie, under which key they are sealed, and which are kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::KeepArgs;
use crate::backup::{BackupError, BackupFile, BackupKey, BackupKeys, Keep, Repository};
use crate::cli::Failure;
use crate::cli::config::BackupSection;
use crate::cli::outcome::one_line;
use crate::cli::sealing::check_backups_go_elsewhere;
use crate::cli::settings::{Settings, whole};
use crate::sealing::KeySource;

/// `[backup]`, checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::cli) struct BackupSettings {
    to: Option<PathBuf>,
    key: Option<KeySource>,
    previous_key: Option<KeySource>,
    keep: Keep,
    rate_mb: Option<u64>,
}

impl BackupSettings {
    pub(in crate::cli) fn new(section: BackupSection) -> Result<Self, Failure> {
        let BackupSection { to, key, previous_key, keep, keep_days, rate_mb } = section;
        let checked = |name: &str, source: &Option<KeySource>| match source {
            Some(source) => source.check().map_err(|why| Failure::new(format_args!("{name}: {why}"))),
            None => Ok(()),
        };
        checked("backup.key", &key)?;
        checked("backup.previous_key", &previous_key)?;
        if previous_key.is_some() && previous_key == key {
            return Err(Failure::new("backup.previous_key is the same as key; name the earlier one, or take it out"));
        }
        Ok(Self {
            to,
            key,
            previous_key,
            keep: Keep {
                newest: whole("backup.keep", keep, 1, 100_000)?,
                days: whole("backup.keep_days", keep_days, 1, 36_500)?,
            },
            rate_mb: whole("backup.rate_mb", rate_mb, 1, 100_000)?,
        })
    }

    /// The folder of the backups.
    pub(in crate::cli) fn to(&self) -> Option<&Path> {
        self.to.as_deref()
    }

    /// How many megabytes are read a second, at most.
    pub(super) fn rate_mb(&self) -> Option<u64> {
        self.rate_mb
    }

    /// Which backups stay: what is typed, else what is configured.
    pub(super) fn keep(&self, typed: &KeepArgs) -> Keep {
        match (typed.keep, typed.keep_days) {
            (None, None) => self.keep,
            (newest, days) => Keep { newest, days },
        }
    }
}

/// What `config check` says of backups: where they would go and what a key comes from; nothing of a key. Field names
/// are a contract.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct BackupAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<PathBuf>,
    /// Absent where the key is derived from that of sealing.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_days: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_mb: Option<u64>,
    /// Why no backup could be taken as it is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl BackupAnswer {
    /// Whether a backup could be taken.
    pub(in crate::cli) fn is_in_order(&self) -> bool {
        self.problem.is_none()
    }

    pub(in crate::cli) fn lines(&self) -> Vec<String> {
        let to = self.to.as_ref().map_or("where --to says".to_owned(), |to| format!("to {}", to.display()));
        let key = self.key.as_deref().unwrap_or("derived from that of [sealing]");
        let previous = self.previous_key.as_ref().map_or(String::new(), |key| format!(", before it {key}"));
        let keeps = match (self.keep, self.keep_days) {
            (None, None) => "all stay".to_owned(),
            (Some(newest), None) => format!("the newest {newest} stay"),
            (None, Some(days)) => format!("those of {days} days stay"),
            (Some(newest), Some(days)) => format!("the newest {newest} and those of {days} days stay"),
        };
        let rate = self.rate_mb.map_or(String::new(), |rate| format!("; at most {rate} MB are read a second"));
        let mut lines = vec![one_line(&format!("backups: {to}; the key is {key}{previous}; {keeps}{rate}"))];
        lines.extend(self.problem.as_ref().map(|why| one_line(&format!("warning  no backup can be taken: {why}"))));
        lines
    }
}

/// Which folder of backups.
#[derive(Debug, Args)]
pub(in crate::cli) struct RepositoryArgs {
    /// Folder of the backups, or one in a file (NAME.cbk) to verify or restore [default: as configured]
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) from: Option<PathBuf>,
}

/// Ending of the name of a backup in one file.
const FILE_ENDING: &str = "cbk";

/// Whether a path names a backup in one file.
pub(in crate::cli) fn is_file(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == FILE_ENDING)
}

impl RepositoryArgs {
    /// The backup in one file that is named, where one is.
    pub(in crate::cli) fn file(&self, settings: &Settings) -> Result<Option<(BackupFile, Arc<BackupKeys>)>, Failure> {
        let Some(path) = self.from.as_deref().filter(|path| is_file(path)) else { return Ok(None) };
        let file = BackupFile::open(path).map_err(Failure::new)?;
        Ok(Some((file, settings.backup_keys()?)))
    }

    /// The folder, and the keys of what is in it.
    pub(in crate::cli) fn open(&self, settings: &Settings) -> Result<(Repository, Arc<BackupKeys>), Failure> {
        let path = settings.backups(self.from.as_deref(), "--from")?;
        let repository = Repository::open(&path).map_err(Failure::new)?;
        Ok((repository, settings.backup_keys()?))
    }
}

impl Settings {
    /// The folder of backups: the one typed, else the configured one.
    pub(in crate::cli) fn backups(&self, typed: Option<&Path>, option: &str) -> Result<PathBuf, Failure> {
        let path = typed.map(Path::to_owned).or_else(|| self.backup.to.clone());
        path.ok_or_else(|| {
            Failure::new(format_args!(
                "no folder of backups named; give {option} DIR, or `to` under [backup] in the configuration"
            ))
        })
    }

    /// What there is to say of backups; `None` where none are configured. Keys of files are read, nothing else is run or
    /// written.
    pub(in crate::cli) fn backup_answer(&self, data: Option<&Path>) -> Option<BackupAnswer> {
        let backup = &self.backup;
        if *backup == BackupSettings::default() {
            return None;
        }
        let shown = |source: &Option<KeySource>| source.as_ref().map(ToString::to_string);
        Some(BackupAnswer {
            to: backup.to.clone(),
            key: shown(&backup.key),
            previous_key: shown(&backup.previous_key),
            keep: backup.keep.newest,
            keep_days: backup.keep.days,
            rate_mb: backup.rate_mb,
            problem: self.check_backups(data).err().map(|why| why.to_string()),
        })
    }

    fn check_backups(&self, data: Option<&Path>) -> Result<(), Failure> {
        let backup = &self.backup;
        if backup.key.is_none() && self.sealing().is_none() {
            return Err(Failure::new(
                "there is no key for them; name one as `key` under [backup] (`chinhchu keys new-master FILE` makes one)",
            ));
        }
        for (name, source) in [("backup.key", &backup.key), ("backup.previous_key", &backup.previous_key)] {
            if let Some(source @ KeySource::File(_)) = source {
                source.read().map_err(|why| self.origin.blame(name, why))?;
            }
        }
        let Some(to) = &backup.to else { return Ok(()) };
        if is_file(to) || to.as_os_str() == "-" {
            let why = "it names a file, which is written once; name a folder, and a file with --to";
            return Err(self.origin.blame("backup.to", why));
        }
        if let Some(data) = data {
            self.check_backups_apart(to, data)?;
        }
        match Repository::open(to) {
            Ok(_) | Err(BackupError::NotThere(_)) => Ok(()),
            Err(why) => Err(self.origin.blame("backup.to", why)),
        }
    }

    /// Refuses a folder of backups in the folder of a gallery, or with keys in it.
    pub(super) fn check_backups_apart(&self, path: &Path, data: &Path) -> Result<(), Failure> {
        let own = [&self.backup.key, &self.backup.previous_key].into_iter().flatten();
        let own = own.filter_map(|source| match source {
            KeySource::File(path) => Some(path),
            KeySource::Credential(_) | KeySource::Command(_) => None,
        });
        let of_sealing = self.sealing().into_iter().flat_map(|sealing| sealing.files());
        check_backups_go_elsewhere(path, data, own.chain(of_sealing))
    }

    /// The keys of backups: those that are configured, else those that are derived from the master keys of
    /// sealing.
    pub(in crate::cli) fn backup_keys(&self) -> Result<Arc<BackupKeys>, Failure> {
        let read = |name: &str, source: &KeySource| source.read().map_err(|why| self.origin.blame(name, why));
        let previous =
            self.backup.previous_key.as_ref().map(|source| read("backup.previous_key", source)).transpose()?;
        let mut earlier: Vec<BackupKey> = previous.iter().map(BackupKey::new).collect();
        if let Some(source) = &self.backup.key {
            // Backups from before it was named are under those of sealing, which need not be there any more.
            return Ok(Arc::new(BackupKeys::new(BackupKey::new(&read("backup.key", source)?), earlier)));
        }
        let Some((master, previous)) = self.configured_keys(None)? else {
            return Err(Failure::new(
                "backups are sealed, and there is no key for them: name one as `key` under [backup] in the configuration \
                 (`chinhchu keys new-master FILE` makes one), and keep it where the backups are not",
            ));
        };
        earlier.extend(previous.iter().map(BackupKey::of_sealing));
        Ok(Arc::new(BackupKeys::new(BackupKey::of_sealing(&master), earlier)))
    }
}
