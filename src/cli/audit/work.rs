//! The comparison, with what it costs said before and how far it is said meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::super::{Failure, outcome, print};
use super::folder::{self, CHECKPOINT, Folder};
use crate::audit::{Checkpoint, CheckpointError, Clock, Collection, Cost, Identity, RunError, run};
use crate::search::{Join, Matrix, Pair, SearchError, Side};
use crate::service;

/// The remaining time is told once so much was done.
const PROBE: Duration = Duration::from_secs(2);

/// How far the audit is, for whoever interrupts it.
#[derive(Default)]
pub(super) struct Status {
    done: AtomicU64,
    all: AtomicU64,
}

impl Status {
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

/// What is compared with what.
pub(super) enum Scope {
    /// All with each other.
    Within,
    /// Pairs with at least one of those that are marked.
    Fresh(Vec<bool>),
    /// Those of the first gallery with those of the second.
    Between,
}

/// Comparisons of a scope: pairs of rows of different subjects.
pub(super) fn comparisons(collection: &Collection, scope: &Scope) -> u64 {
    let count = |rows: &mut dyn Iterator<Item = u32>| {
        let mut counts = vec![0u64; collection.subjects()];
        rows.for_each(|group| counts[group as usize] += 1);
        counts
    };
    let groups = collection.groups();
    let within = |counts: &[u64]| {
        let pairs = |n: u64| u128::from(n) * u128::from(n.saturating_sub(1)) / 2;
        pairs(counts.iter().sum()) - counts.iter().map(|&n| pairs(n)).sum::<u128>()
    };
    let all = match scope {
        Scope::Within => within(&count(&mut groups.iter().copied())),
        Scope::Fresh(fresh) => {
            let old = groups.iter().zip(fresh).filter(|(_, fresh)| !**fresh).map(|(group, _)| *group);
            within(&count(&mut groups.iter().copied())) - within(&count(&mut { old }))
        }
        Scope::Between => {
            let (first, second) = groups.split_at(collection.first_rows());
            let [first, second] = [first, second].map(|side| count(&mut side.iter().copied()));
            let same: u128 = first.iter().zip(&second).map(|(a, b)| u128::from(*a) * u128::from(*b)).sum();
            u128::from(first.iter().sum::<u64>()) * u128::from(second.iter().sum::<u64>()) - same
        }
    };
    u64::try_from(all).unwrap_or(u64::MAX)
}

/// Vectors of both sides, to be joined.
pub(super) struct Sides<'a> {
    first: Matrix<&'a [f32]>,
    second: Matrix<&'a [f32]>,
    groups: [&'a [u32]; 2],
}

impl<'a> Sides<'a> {
    pub(super) fn of(collection: &'a Collection) -> Result<Self, Failure> {
        let split = collection.first_rows();
        let (first, second) = collection.values().split_at(split * collection.dimension());
        let groups = collection.groups().split_at(split);
        let matrix = |values| Matrix::new(collection.dimension(), values).map_err(Failure::new);
        Ok(Self { first: matrix(first)?, second: matrix(second)?, groups: [groups.0, groups.1] })
    }

    /// The first gallery, or the only one.
    pub(super) fn first(&self) -> Side<'_> {
        Side { vectors: &self.first, groups: self.groups[0] }
    }

    /// The second gallery.
    pub(super) fn second(&self) -> Side<'_> {
        Side { vectors: &self.second, groups: self.groups[1] }
    }

    fn join(&self, scope: &Scope, score: f32) -> Result<Join<'_>, SearchError> {
        match scope {
            Scope::Within => Join::within(self.first(), score),
            Scope::Fresh(fresh) => Join::within_fresh(self.first(), fresh, score),
            Scope::Between => Join::between(self.first(), self.second(), score),
        }
    }
}

/// What there is to do.
pub(super) struct Work<'a> {
    pub sides: &'a Sides<'a>,
    pub scope: &'a Scope,
    pub score: f32,
    pub comparisons: u64,
    pub threads: usize,
    pub pairs_max: usize,
    pub status: &'a Status,
    /// What to ask for where there are too many pairs.
    pub advice: &'a dyn Fn() -> String,
}

impl Work<'_> {
    /// Every pair at or above the score, by row; from where an earlier run stopped.
    /// `identity` lacks the number of units. What it took is added to `cost`.
    pub(super) fn pairs(&self, folder: &Folder, identity: Identity, cost: &mut Cost) -> Result<Vec<Pair>, Failure> {
        let mut clock = Clock::start();
        let join = self.sides.join(self.scope, self.score).map_err(Failure::new)?;
        cost.preparing += clock.lap();
        let identity = Identity { units: join.units(), ..identity };
        let path = folder.file(CHECKPOINT);
        let mut checkpoint = Checkpoint::open(&path, &identity).map_err(|e| self.refused(folder, &e))?;
        cost.checkpoints += clock.lap();
        if checkpoint.dropped_bytes() > 0 {
            print::note("the checkpoint was damaged; what cannot be trusted is done again");
        }
        self.status.all.store(self.comparisons, Ordering::Relaxed);
        self.status.done.store(checkpoint.comparisons(), Ordering::Relaxed);
        if checkpoint.units_done() > 0 && !checkpoint.is_complete() {
            let share = self.status.share().unwrap_or_default();
            print::note(&format!("going on where an earlier run stopped: {:.1} % are done", 100.0 * share));
        }
        let bar = bar(self.comparisons, checkpoint.comparisons());
        let (begun, before) = (Instant::now(), checkpoint.comparisons());
        let mut told = checkpoint.is_complete();
        let ended = run(&join, &mut checkpoint, self.comparisons, self.threads, self.pairs_max, &mut |more, found| {
            let done = self.status.done.fetch_add(more, Ordering::Relaxed) + more;
            bar.set_position(done);
            bar.set_message(format!("{found} pairs"));
            let elapsed = begun.elapsed();
            if !told && elapsed >= PROBE && done < self.comparisons {
                told = true;
                let rate = (done - before) as f64 / elapsed.as_secs_f64();
                let left = Duration::from_secs_f64((self.comparisons - done) as f64 / rate.max(1.0));
                let line = format!("{:.2} billion comparisons a second: about {} left", rate / 1e9, duration(left));
                bar.suspend(|| print::note(&line));
            }
        });
        bar.finish_and_clear();
        let kept = checkpoint.spent();
        cost.checkpoints += kept;
        cost.comparing = clock.lap() - kept;
        match ended {
            Ok(()) => {
                let pairs = checkpoint.into_pairs();
                cost.report += clock.lap();
                Ok(pairs)
            }
            Err(RunError::TooManyPairs { pairs_max }) => Err(Failure::new(format_args!(
                "more than {pairs_max} pairs lie at or above the score {}, found after {:.1} % of the comparisons; {}",
                self.score,
                100.0 * self.status.share().unwrap_or_default(),
                (self.advice)()
            ))),
            Err(RunError::Checkpoint(error)) => Err(self.refused(folder, &error)),
            Err(error) => Err(Failure::new(error)),
        }
    }

    fn refused(&self, folder: &Folder, error: &CheckpointError) -> Failure {
        match error {
            CheckpointError::Other(difference) => Failure::new(format_args!(
                "--out {}: {difference}; use another folder, or --restart to give up what is there",
                folder.path().display()
            )),
            CheckpointError::Io { path, source } => folder::unwritable(path, source),
            other => Failure::new(other),
        }
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

/// A duration as people say it.
pub(super) fn duration(of: Duration) -> String {
    match of.as_secs() {
        seconds @ 0..=99 => format!("{seconds} s"),
        seconds @ 100..=7199 => format!("{} min", seconds.div_ceil(60)),
        seconds @ 7200..=172_799 => format!("{:.1} h", seconds as f64 / 3600.0),
        seconds => format!("{:.1} days", seconds as f64 / 86_400.0),
    }
}

/// Bytes as people say them.
pub(super) fn bytes(of: u64) -> String {
    match of {
        0..=1_048_575 => format!("{} KiB", of.div_ceil(1024)),
        1_048_576..=1_073_741_823 => format!("{} MiB", of >> 20),
        _ => format!("{:.1} GiB", of as f64 / f64::from(1 << 30)),
    }
}

/// A number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    outcome::one_line(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::RowInfo;

    #[test]
    fn numbers_are_told_as_people_say_them() {
        assert_eq!([grouped(7), grouped(1234), grouped(999_999_500_000)], ["7", "1,234", "999,999,500,000"]);
        assert_eq!([bytes(1), bytes(3 << 20), bytes(5 << 30)], ["1 KiB", "3 MiB", "5.0 GiB"]);
        let told = [4, 100, 10_000, 200_000].map(|s| duration(Duration::from_secs(s)));
        assert_eq!(told, ["4 s", "2 min", "2.8 h", "2.3 days"]);
    }

    #[test]
    fn comparisons_are_those_of_rows_of_different_subjects() {
        let owners = [0u32, 0, 1, 2, 2, 2, 1, 3, 0];
        let mut collection = Collection::new();
        for (row, owner) in owners.into_iter().enumerate() {
            if row == 6 {
                collection.begin_second();
            }
            let subject = collection.subject(&format!("s{owner}")).unwrap();
            let info = RowInfo { subject, captured_at: None, quality: None };
            collection.push(&row.to_string(), &[1.0, 0.0], info).unwrap();
        }
        let count = |wanted: &dyn Fn(usize, usize) -> bool| {
            let pairs = (0..9).flat_map(|a| (a + 1..9).map(move |b| (a, b)));
            pairs.filter(|&(a, b)| owners[a] != owners[b] && wanted(a, b)).count() as u64
        };
        assert_eq!(comparisons(&collection, &Scope::Within), count(&|_, _| true));
        assert_eq!(comparisons(&collection, &Scope::Between), count(&|a, b| a < 6 && b >= 6));
        let fresh: Vec<bool> = (0..9).map(|row| row % 4 == 1).collect();
        assert_eq!(comparisons(&collection, &Scope::Fresh(fresh.clone())), count(&|a, b| fresh[a] || fresh[b]));
    }
}
