//! A progress bar on standard error, only where that is a terminal; a line in the log
//! where a server is long in coming.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::gallery;

/// Opening that takes no longer needs no bar.
const QUICK: Duration = Duration::from_secs(1);
/// How often the log tells how far an opening is.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// How far a long run is.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar of `rows` steps; hidden where standard error is no terminal.
    pub(super) fn start(rows: u64) -> Self {
        Self(bar_of(rows, "photos"))
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

fn bar_of(steps: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    let template = format!("{{bar:30}} {{human_pos}} of {{human_len}} {what}, {{per_sec}}, {{eta}} left");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// A bar while a large gallery is opened.
pub(super) fn opening_bar() -> gallery::Progress {
    let (begun, bar) = (Instant::now(), OnceLock::new());
    Arc::new(move |done, total| {
        if done >= total {
            bar.get().iter().for_each(|bar: &&ProgressBar| bar.finish_and_clear());
        } else if begun.elapsed() > QUICK {
            bar.get_or_init(|| bar_of(total, "templates")).set_position(done);
        }
    })
}

/// A line in the log now and then while a large gallery is opened.
pub(super) fn opening_log() -> gallery::Progress {
    now_and_then(TOLD_EVERY, |done, total| tracing::info!(templates = done, of = total, "opening the gallery"))
}

/// Tells no more often than `every`.
fn now_and_then(every: Duration, tell: impl Fn(u64, u64) + Send + Sync + 'static) -> gallery::Progress {
    let last = Mutex::new(Instant::now());
    Arc::new(move |done, total| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= every {
            *last = Instant::now();
            tell(done, total);
        }
    })
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn a_long_opening_is_told_of_and_a_quick_one_is_not() {
        let told = Arc::new(AtomicU64::new(0));
        let count = |every| {
            let told = Arc::clone(&told);
            now_and_then(every, move |done, total| {
                assert!(done <= total);
                told.fetch_add(1, Ordering::Relaxed);
            })
        };
        let (long, quick) = (count(Duration::ZERO), count(Duration::from_secs(3600)));
        for done in 0..=9 {
            long(done, 9);
            quick(done, 9);
        }
        assert_eq!(told.load(Ordering::Relaxed), 10);
    }
}
