//! A progress bar on standard error, only where that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How far a long run is.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar of `rows` steps; hidden where standard error is no terminal.
    pub(super) fn start(rows: u64) -> Self {
        let bar = ProgressBar::new(rows);
        let template = "{bar:30} {human_pos} of {human_len} photos, {per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self(bar)
    }

    /// One row is done.
    pub(super) fn step(&self) {
        self.0.inc(1);
    }

    /// Writes a line to standard error without tearing the bar.
    pub(super) fn note(&self, line: &str) {
        self.0.suspend(|| super::print::note(line));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
