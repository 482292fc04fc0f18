//! Reading files anew while the server runs (SIGHUP): all of them are read and checked before
//! any takes the place of what is in force; where one cannot be used, nothing changes.
//!
//! What can be read anew is a list of [`Part`]s. A part is what changes at one instant; it may
//! consist of several named [`Item`]s, by which the log says what has changed.

mod parts;

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(super) use self::parts::{AccessPart, DecisionRules};
use super::ledger_work::Changed;
use super::settings::Settings;
use super::{Failure, GlobalArgs, outcome};
use crate::hex;
use crate::service::Hangups;

/// Hexadecimal digits of a digest in the log: enough to tell two apart.
const DIGEST_SHOWN: usize = 16;

/// How often files that are read anew without a signal are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// A reload that takes longer is told of, again and again.
const RELOAD_USUAL: Duration = Duration::from_secs(30);

/// Something that is read from files, and can be read again.
pub(super) trait Part: Send {
    /// Reads and checks all of it by the settings given. Changes nothing.
    fn prepare(&self, settings: &Settings) -> Result<Prepared, Failure>;

    /// Of files that are read anew as soon as they change, without a signal: how they are now.
    fn stamp(&self, settings: &Settings) -> Option<Stamp> {
        let _ = settings;
        None
    }
}

/// How files were when they were looked at: another stamp means that one has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp(Vec<Option<(SystemTime, u64, u64)>>);

impl Stamp {
    /// Time of change, length and number of each file; a missing one counts as well.
    pub(super) fn of<'a>(files: impl Iterator<Item = &'a PathBuf>) -> Self {
        let look = |path: &PathBuf| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
        };
        Self(files.map(look).collect())
    }
}

/// What a part has read and checked, ready to be put in force.
pub(super) struct Prepared {
    /// What is in it.
    pub items: Vec<Item>,
    /// Puts it in force. Must not fail: everything was checked before.
    pub install: Box<dyn FnOnce() + Send>,
}

/// One kind of thing that was read, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// `policies`
    pub name: &'static str,
    /// SHA-256 of its content.
    pub digest: [u8; 32],
    /// How much it is: `3 certificates`.
    pub count: String,
    /// What of it must not become less without a warning, and how much of it there is.
    pub amounts: Vec<(&'static str, usize)>,
}

impl Item {
    /// What there is less of than `before`: `1 revocation list instead of 2`.
    fn less_than<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = String> + 'a {
        let now = |name| self.amounts.iter().find(|(of, _)| *of == name).map_or(0, |(_, amount)| *amount);
        let both = before.amounts.iter().map(move |&(name, was)| (name, was, now(name)));
        both.filter(|(_, was, now)| now < was).map(|(name, was, now)| format!("{name}: {now} instead of {was}"))
    }
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({})", self.name, &hex::encode(&self.digest)[..DIGEST_SHOWN], self.count)
    }
}

/// Everything that is read anew on SIGHUP.
pub(super) struct Reloader {
    global: GlobalArgs,
    parts: Vec<Box<dyn Part>>,
    in_force: Vec<Item>,
    /// Those of the last reload.
    settings: Settings,
    /// How the files of each part were when they were last read, in the order of the parts.
    stamps: Vec<Option<Stamp>>,
    /// Those the server started with: some of them hold until it ends.
    started_with: Settings,
    /// Sections of the configuration in force, which must still be there.
    sections: Vec<String>,
}

impl Reloader {
    /// Reads everything for the first time and puts it in force.
    pub(super) fn start(global: &GlobalArgs, settings: Settings, parts: Vec<Box<dyn Part>>) -> Result<Self, Failure> {
        let sections = settings.origin.sections();
        let mut reloader = Self {
            global: global.clone(),
            stamps: stamps(&parts, &settings),
            parts,
            in_force: Vec::new(),
            settings: settings.clone(),
            started_with: settings,
            sections,
        };
        let prepared = reloader.prepare(&reloader.started_with)?;
        reloader.in_force = install(prepared);
        Ok(reloader)
    }

    /// What is in force.
    pub(super) fn in_force(&self) -> &[Item] {
        &self.in_force
    }

    fn prepare(&self, settings: &Settings) -> Result<Vec<Prepared>, Failure> {
        self.parts.iter().map(|part| part.prepare(settings)).collect()
    }

    /// Reads everything anew, the configuration first.
    fn reload(&mut self) -> Result<Reloaded, Failure> {
        let settings = Settings::new(&self.global)?;
        let sections = settings.origin.sections();
        if let Some(lost) = self.sections.iter().find(|section| !sections.contains(section)) {
            return Err(settings.origin.blame_file(format_args!(
                "[{lost}] is no longer there, as in a file half written; write it again, if only [{lost}] with nothing \
                 under it, or restart the server"
            )));
        }
        // Before they are read: a change while they are is seen at the next look.
        let stamps = stamps(&self.parts, &settings);
        let in_force = install(self.prepare(&settings)?);
        let (changed, same): (Vec<Item>, Vec<Item>) =
            in_force.iter().cloned().partition(|item| !self.in_force.contains(item));
        let waiting = self.started_with.held_until_restart(&settings);
        let before = |item: &Item| self.in_force.iter().find(|one| one.name == item.name);
        let fewer = in_force.iter().flat_map(|item| before(item).into_iter().flat_map(|old| item.less_than(old)));
        let fewer = fewer.collect();
        self.in_force = in_force;
        self.sections = sections;
        (self.stamps, self.settings) = (stamps, settings);
        Ok(Reloaded { changed, same, waiting, fewer })
    }

    /// Reads anew the parts whose files have changed since they were last read, by the configuration
    /// of the last reload; gives what is new. Each part for itself: nobody asked for the others.
    fn reload_changed(&mut self) -> Vec<Result<Vec<Item>, Failure>> {
        let mut done = Vec::new();
        for (part, last) in self.parts.iter().zip(&mut self.stamps) {
            let now = part.stamp(&self.settings);
            if now == *last {
                continue;
            }
            // Where it fails, the next change is waited for.
            *last = now;
            done.push(part.prepare(&self.settings).map(|prepared| {
                let items = install(vec![prepared]);
                let is_new = |item: &Item| !self.in_force.contains(item);
                let new: Vec<Item> = items.into_iter().filter(is_new).collect();
                for item in &new {
                    self.in_force.retain(|old| old.name != item.name);
                    self.in_force.push(item.clone());
                }
                new
            }));
        }
        done
    }

    /// The same, told in the log.
    fn reload_changed_and_tell(&mut self) {
        for done in self.reload_changed() {
            match done {
                Ok(new) => tracing::info!(changed = list(&new), "files have changed: read anew"),
                Err(failure) => tracing::error!(
                    "files have changed and cannot be used, so that all stays as it was: {}",
                    outcome::one_line(&failure.to_string())
                ),
            }
        }
    }

    /// Reads everything anew, told in the log.
    fn reload_and_tell(&mut self) {
        match self.reload() {
            Ok(Reloaded { changed, same, waiting, fewer }) => {
                let (changed, unchanged) = (list(&changed), list(&same));
                if fewer.is_empty() {
                    tracing::info!(changed, unchanged, "reloaded");
                } else {
                    let fewer = fewer.join("; ");
                    tracing::warn!(changed, unchanged, fewer_than_before = fewer, "reloaded");
                }
                if !waiting.is_empty() {
                    tracing::warn!(keys = waiting.join(", "), "changed in the configuration; takes a restart");
                }
            }
            Err(failure) => tracing::error!(
                in_force = list(&self.in_force),
                "reload failed, and everything stays as it was: {}",
                outcome::one_line(&failure.to_string())
            ),
        }
    }

    fn changed_since(&self, before: &[Item]) -> Vec<Changed> {
        let is_new = |item: &&Item| !before.contains(item);
        let was = |item: &Item| before.iter().find(|one| one.name == item.name).map(|one| one.digest);
        self.in_force.iter().filter(is_new).map(|item| (item.clone(), was(item))).collect()
    }

    /// Reads anew at every SIGHUP, and what has changed every minute, one at a time, until the
    /// server closes.
    /// What has changed is told to `changes`, where somebody listens.
    pub(super) async fn follow(
        self,
        mut hangups: Hangups,
        changes: mpsc::UnboundedSender<Vec<Changed>>,
        closing: CancellationToken,
    ) {
        let mut reloader = self;
        loop {
            let before = reloader.in_force.clone();
            let is_asked_for = tokio::select! {
                () = closing.cancelled() => return,
                () = hangups.next() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let mut work = tokio::task::spawn_blocking(move || {
                match is_asked_for {
                    true => reloader.reload_and_tell(),
                    false => reloader.reload_changed_and_tell(),
                }
                reloader
            });
            let done = loop {
                match tokio::time::timeout(RELOAD_USUAL, &mut work).await {
                    Ok(done) => break done,
                    Err(_) => tracing::warn!("files are still being read anew: does their disk answer?"),
                }
            };
            match done {
                Ok(done) => {
                    reloader = done;
                    let changed = reloader.changed_since(&before);
                    if !changed.is_empty() {
                        let _ = changes.send(changed);
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "a reload failed; there will be no other until a restart");
                    return;
                }
            }
        }
    }
}

/// What came of it.
struct Reloaded {
    changed: Vec<Item>,
    same: Vec<Item>,
    /// Keys of the configuration that have changed and are not read anew.
    waiting: Vec<&'static str>,
    /// What there is less of than before.
    fewer: Vec<String>,
}

fn stamps(parts: &[Box<dyn Part>], settings: &Settings) -> Vec<Option<Stamp>> {
    parts.iter().map(|part| part.stamp(settings)).collect()
}

fn install(prepared: Vec<Prepared>) -> Vec<Item> {
    let mut items = Vec::new();
    for Prepared { items: of_part, install } in prepared {
        install();
        items.extend(of_part);
    }
    items
}

/// The items for a line of the log.
pub(super) fn list(items: &[Item]) -> String {
    match items {
        [] => "nothing".to_owned(),
        items => items.iter().map(Item::to_string).collect::<Vec<_>>().join("; "),
    }
}

#[cfg(test)]
mod tests;
