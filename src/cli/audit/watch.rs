//! How far an audit is: a bar, a line on how long it will take, and what is said where it is
//! stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::super::{Failure, print};
use super::messages::duration;
use crate::audit::{Observer, Resumed};
use crate::service;

/// The remaining time is told once so much was done.
const PROBE: Duration = Duration::from_secs(2);

/// How far the audit is, for whoever interrupts it.
#[derive(Default)]
pub(super) struct AuditProgress {
    done: AtomicU64,
    all: AtomicU64,
}

impl AuditProgress {
    fn share(&self) -> Option<f64> {
        let all = self.all.load(Ordering::Relaxed);
        (all > 0).then(|| self.done.load(Ordering::Relaxed) as f64 / all as f64)
    }

    /// Ends the program at the first Ctrl-C or SIGTERM. Whatever is under way can be
    /// cut: all that counts is in files that bear it.
    ///
    /// The end is that of `_exit`: `exit` would run the destructors of ONNX Runtime while
    /// workers run its networks, which then fail on photos that nothing is wrong with.
    pub(super) fn end_at_signals(self: &Arc<Self>) -> Result<(), Failure> {
        let status = Arc::clone(self);
        let cannot = |e: std::io::Error| Failure::new(format_args!("cannot listen for Ctrl-C: {e}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
        let signals = runtime.block_on(async { service::signals() }).map_err(cannot)?;
        let watch = move || {
            runtime.block_on(signals);
            let far = match status.share() {
                Some(share) => format!("after {:.1} % of the comparisons", 100.0 * share),
                None => "before the comparison began".to_owned(),
            };
            print::note(&format!("stopped {far}; what was done is kept: run the same command again to go on"));
            signal_hook::low_level::exit(2);
        };
        std::thread::Builder::new().name("signals".into()).spawn(watch).map(drop).map_err(cannot)
    }
}

/// Tells a terminal how far the comparison is.
pub(super) struct Watch<'a> {
    status: &'a AuditProgress,
    bar: ProgressBar,
    begun: Instant,
    before: u64,
    all: u64,
    told: bool,
}

impl<'a> Watch<'a> {
    pub(super) fn new(status: &'a AuditProgress) -> Self {
        Self { status, bar: ProgressBar::hidden(), begun: Instant::now(), before: 0, all: 0, told: false }
    }
}

impl Observer for Watch<'_> {
    fn begins(&mut self, resumed: Resumed) {
        let Resumed { all, done, goes_on, complete, damaged } = resumed;
        if damaged {
            print::note("the checkpoint was damaged; what cannot be trusted is done again");
        }
        self.status.all.store(all, Ordering::Relaxed);
        self.status.done.store(done, Ordering::Relaxed);
        if goes_on {
            let share = self.status.share().unwrap_or_default();
            print::note(&format!("going on where an earlier run stopped: {:.1} % are done", 100.0 * share));
        }
        (self.bar, self.begun) = (bar(all, done), Instant::now());
        (self.before, self.all, self.told) = (done, all, complete);
    }

    fn advances(&mut self, done: u64, pairs: usize) {
        self.status.done.store(done, Ordering::Relaxed);
        self.bar.set_position(done);
        self.bar.set_message(format!("{pairs} pairs"));
        let elapsed = self.begun.elapsed();
        if !self.told && elapsed >= PROBE && done < self.all {
            self.told = true;
            let rate = (done - self.before) as f64 / elapsed.as_secs_f64();
            let left = Duration::from_secs_f64((self.all - done) as f64 / rate.max(1.0));
            let line = format!("{:.2} billion comparisons a second: about {} left", rate / 1e9, duration(left));
            self.bar.suspend(|| print::note(&line));
        }
    }

    fn ends(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn bar(all: u64, done: u64) -> ProgressBar {
    // By comparisons: units differ in size.
    let bar = ProgressBar::new(all).with_position(done);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent} % compared, {msg}, {eta} left") {
        bar.set_style(style);
    }
    bar.reset_eta();
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
