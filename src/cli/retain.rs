//! `chinhchu gallery retain`: takes away what is kept no longer, and what the last run of that did.

use std::path::Path;

use serde::Serialize;

use super::settings::Settings;
use super::{Exit, Failure, Outcome, caller, date, galleries, print};
use crate::gallery::{RetentionCounts, RetentionOptions, RetentionRun};

/// What to do where a server has the gallery.
pub(super) const RETAIN_AT_SERVER: &str = "--server: a server does this by itself, at its start and every 24 hours, by [retention] of its own configuration: \
     set that there and restart it, and its log says what went. `gallery retain --data DIR` works in a folder that no \
     server has open";

/// The answer; field names are a contract.
#[derive(Serialize)]
struct RetainAnswer {
    /// Nothing was taken away: these would be.
    dry_run: bool,
    #[serde(flatten)]
    run: RunShown,
}

/// What a run did; field names are a contract.
#[derive(Serialize)]
pub(super) struct RunShown {
    began_at: String,
    ended_at: String,
    #[serde(flatten)]
    counts: RetentionCounts,
}

impl RunShown {
    pub(super) fn of(run: &RetentionRun) -> Self {
        Self { began_at: date::shown(run.began_at), ended_at: date::shown(run.ended_at), counts: run.counts }
    }

    /// The line of the last run in `gallery show`.
    pub(super) fn line(&self) -> String {
        format!("\nretention  {}  took away {}", self.ended_at, self.text())
    }

    /// `3 decisions, 0 requests of people, 2 entries about standing and the pictures of 1 cases`, and what
    /// was kept.
    fn text(&self) -> String {
        let RetentionCounts { decisions, requests, standing_entries, pictures, kept } = self.counts;
        let taken = format!(
            "{decisions} decisions, {requests} requests of people, {standing_entries} entries about standing and the \
             pictures of {pictures} cases"
        );
        match kept {
            0 => taken,
            kept => format!("{taken}; {kept} more are old enough and are kept, as something stands against it"),
        }
    }
}

/// Runs the command on the gallery in a folder that nobody has open.
pub(super) async fn run(settings: &Settings, folder: &Path, dry_run: bool, json: bool) -> Outcome {
    let rules = settings.retention_rules();
    if !rules.is_any() {
        return Err(Failure::new(
            "no [retention] in the configuration: everything is kept. Name days under it, and the file by --config",
        ));
    }
    let gallery = galleries::open(folder, settings).map_err(|failure| settings.blame_folder(folder, failure))?;
    let options = RetentionOptions { dry_run, ..RetentionOptions::default() };
    let context = caller::context("gallery/retain");
    let run = gallery.retain(&context, &rules, options).await.map_err(Failure::new)?;
    let shown = RunShown::of(&run);
    match json {
        true => print::json(&RetainAnswer { dry_run, run: shown })?,
        false => {
            print::answer(&format!("{}: {}", if dry_run { "would take away" } else { "took away" }, shown.text()))?
        }
    }
    Ok(Exit::Success)
}
