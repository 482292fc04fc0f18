//! The comparison itself: units on several threads, each kept as soon as it is done.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc;

use super::checkpoint::{Checkpoint, CheckpointError};
use crate::search::{Join, Pair, SearchError};

/// Why an audit stopped before its end. What was done is kept in either case.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The checkpoint could not be written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// More pairs than there is room for.
    #[error("more than {pairs_max} pairs lie at or above the score")]
    TooManyPairs {
        /// How many there may be.
        pairs_max: usize,
    },
    /// The vectors could not be compared.
    #[error(transparent)]
    Search(SearchError),
    /// The units did not add up to all comparisons.
    #[error("{found} comparisons were made instead of {expected}; this is a defect of chinhchu, nothing was reported")]
    Incomplete {
        /// Comparisons there are.
        expected: u64,
        /// Comparisons made.
        found: u64,
    },
}

/// Told of every unit that is done: its comparisons, and pairs found so far in all.
pub type OnUnit<'a> = &'a mut dyn FnMut(u64, usize);

/// Does every unit that is not done yet on `threads` threads. `expected` is the number of
/// comparisons of all units.
///
/// Memory is bounded by `pairs_max`. What is found does not depend on the threads nor on
/// how often it was interrupted.
///
/// # Errors
/// [`RunError`]; what was done until then is in the checkpoint.
pub fn run(
    join: &Join<'_>,
    checkpoint: &mut Checkpoint,
    expected: u64,
    threads: usize,
    pairs_max: usize,
    on_unit: OnUnit<'_>,
) -> Result<(), RunError> {
    let todo: Vec<u32> = (0..join.units()).filter(|&unit| !checkpoint.is_done(unit)).collect();
    let (next, stop) = (AtomicU32::new(0), AtomicBool::new(false));
    let found = AtomicU64::new(checkpoint.pairs().len() as u64);
    let threads = threads.clamp(1, todo.len().max(1));
    let ended = std::thread::scope(|scope| {
        let (sender, done) = mpsc::sync_channel::<(u32, u64, Result<Vec<Pair>, SearchError>)>(threads);
        for _ in 0..threads {
            let sender = sender.clone();
            let (todo, next, stop, found) = (&todo, &next, &stop, &found);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let Some(&unit) = todo.get(next.fetch_add(1, Ordering::Relaxed) as usize) else { return };
                    // What others are finding meanwhile is added up where it is kept.
                    let room = (pairs_max as u64).saturating_sub(found.load(Ordering::Relaxed));
                    let pairs = join.run(unit, room as usize);
                    if let Ok(pairs) = &pairs {
                        found.fetch_add(pairs.len() as u64, Ordering::Relaxed);
                    }
                    if sender.send((unit, join.comparisons(unit), pairs)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut ended = Ok(());
        for (unit, comparisons, pairs) in done {
            let kept = match pairs {
                Err(SearchError::TooManyPairs { .. }) => Err(RunError::TooManyPairs { pairs_max }),
                Err(error) => Err(RunError::Search(error)),
                Ok(pairs) if checkpoint.pairs().len() + pairs.len() > pairs_max => {
                    Err(RunError::TooManyPairs { pairs_max })
                }
                Ok(pairs) => checkpoint.put(unit, comparisons, &pairs).map_err(RunError::from),
            };
            match kept {
                Ok(()) => on_unit(comparisons, checkpoint.pairs().len()),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    // The first tells; units under way are still taken, so that nobody waits.
                    if ended.is_ok() {
                        ended = Err(error);
                    }
                }
            }
        }
        ended
    });
    ended?;
    checkpoint.sync()?;
    match checkpoint.comparisons() {
        found if found == expected && checkpoint.is_complete() => Ok(()),
        found => Err(RunError::Incomplete { expected, found }),
    }
}
