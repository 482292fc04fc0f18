//! One search, and what it has found so far.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::vector::{Hit, Wanted};

/// Rows waiting for their originals above which those that have become of no use
/// are looked for.
const WAITING_CHECKED: usize = 4096;

/// A hit in a heap whose top is the worst.
struct Ranked<L>(Hit<L>);

impl<L> Ord for Ranked<L> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.rank(&other.0)
    }
}

impl<L> PartialOrd for Ranked<L> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<L> PartialEq for Ranked<L> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<L> Eq for Ranked<L> {}

/// A row that may be a hit and whose vector lies outside memory.
pub(super) struct Waiting<L> {
    pub(super) key: u64,
    pub(super) label: L,
    /// Its score is at most this.
    pub(super) most: f64,
}

/// Rows that wait, and what is known of them.
struct Outside<L> {
    rows: Vec<Waiting<L>>,
    /// Rows above which `rows` is looked through for those of no use any more.
    checked_at: usize,
    /// The greatest scores that rows are known to have at least, as [`ordered`]
    /// integers, as many as hits are wanted: the worst is a floor.
    least: BinaryHeap<Reverse<i32>>,
}

/// One search and what it has found so far, shared between threads.
pub(super) struct Job<'q, L> {
    pub(super) query: &'q [f32],
    /// Hits wanted: all, or the best so many.
    pub(super) best: Option<usize>,
    /// True where some vectors lie outside memory.
    is_mixed: bool,
    /// The score below which nothing is of use any more, as an integer in the
    /// order of floats ([`ordered`]). Only rises.
    floor: AtomicI32,
    found: Mutex<BinaryHeap<Ranked<L>>>,
    outside: Mutex<Outside<L>>,
}

/// An integer that compares as the float does; −0 counts as 0.
fn ordered(score: f32) -> i32 {
    let bits = (score + 0.0).to_bits() as i32;
    if bits < 0 { i32::MIN.wrapping_sub(bits) } else { bits }
}

fn float(ordered: i32) -> f32 {
    f32::from_bits(if ordered < 0 { i32::MIN.wrapping_sub(ordered) } else { ordered } as u32)
}

impl<'q, L> Job<'q, L> {
    /// `live` bounds how many there are to be found; `is_mixed` says that some
    /// vectors lie outside memory.
    pub(super) fn new(query: &'q [f32], wanted: Wanted, live: u64, is_mixed: bool) -> Self {
        let (best, floor) = match wanted {
            Wanted::Within(score) => (None, score),
            Wanted::Nearest(k) => (Some(k.min(usize::try_from(live).unwrap_or(usize::MAX))), f32::MIN),
        };
        let outside = Outside { rows: Vec::new(), checked_at: WAITING_CHECKED, least: BinaryHeap::new() };
        let floor = AtomicI32::new(ordered(floor));
        Self { query, best, is_mixed, floor, found: Mutex::new(BinaryHeap::new()), outside: Mutex::new(outside) }
    }

    /// Scores below it are of no use.
    pub(super) fn floor(&self) -> f32 {
        // A floor that is out of date lets more through, nothing else.
        float(self.floor.load(Ordering::Relaxed))
    }

    pub(super) fn is_idle(&self) -> bool {
        self.best == Some(0)
    }

    fn outside(&self) -> MutexGuard<'_, Outside<L>> {
        self.outside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A row scores so much.
    pub(super) fn offer(&self, hit: Hit<L>) {
        if self.is_mixed {
            self.prove(&mut self.outside(), hit.score);
        }
        self.add(hit);
    }

    /// A row that waited scores so much.
    pub(super) fn add(&self, hit: Hit<L>) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        match self.best {
            Some(k) if found.len() == k => {
                if let Some(mut worst) = found.peek_mut()
                    && hit.rank(&worst.0).is_lt()
                {
                    *worst = Ranked(hit);
                }
            }
            _ => found.push(Ranked(hit)),
        }
        if let (Some(k), Some(worst)) = (self.best, found.peek())
            && found.len() == k
        {
            self.floor.fetch_max(ordered(worst.0.score), Ordering::Relaxed);
        }
    }

    /// A row scores between `least` and `row.most`, and its vector lies outside.
    pub(super) fn wait(&self, row: Waiting<L>, least: f64) {
        let mut outside = self.outside();
        // Rounding to float32 goes either way.
        self.prove(&mut outside, (least as f32).next_down());
        outside.rows.push(row);
        if outside.rows.len() >= outside.checked_at {
            let floor = f64::from(self.floor());
            outside.rows.retain(|row| row.most >= floor);
            outside.checked_at = WAITING_CHECKED.max(2 * outside.rows.len());
        }
    }

    /// Some row, told of once, scores at least `score`: as many such rows as hits
    /// are wanted make a floor.
    fn prove(&self, outside: &mut Outside<L>, score: f32) {
        let Some(k) = self.best else { return };
        // Of no use for a floor.
        if score.is_nan() || score <= f32::MIN {
            return;
        }
        let score = ordered(score);
        if outside.least.len() < k {
            outside.least.push(Reverse(score));
        } else if let Some(mut worst) = outside.least.peek_mut()
            && score > worst.0
        {
            *worst = Reverse(score);
        }
        if outside.least.len() == k
            && let Some(&Reverse(worst)) = outside.least.peek()
        {
            self.floor.fetch_max(worst, Ordering::Relaxed);
        }
    }

    /// Rows that wait for their originals and can still be hits.
    pub(super) fn take_waiting(&self) -> Vec<Waiting<L>> {
        let mut rows = std::mem::take(&mut self.outside().rows);
        let floor = f64::from(self.floor());
        rows.retain(|row| row.most >= floor);
        rows
    }

    /// Best first, ties by key.
    pub(super) fn into_hits(self) -> Vec<Hit<L>> {
        // Ascending by rank is best first.
        let found = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.into_sorted_vec().into_iter().map(|Ranked(hit)| hit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_order_of_floats_is_that_of_their_integers(a in any::<f32>(), b in any::<f32>()) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            prop_assert_eq!(a.partial_cmp(&b), Some(ordered(a).cmp(&ordered(b))));
            prop_assert_eq!(float(ordered(a)), a);
        }

        #[test]
        fn least_scores_never_lift_the_floor_above_the_last_hit(
            rows in prop::collection::vec((-1.0f32..1.0, 0.0f32..0.3, any::<bool>()), 1..60), k in 1usize..8,
        ) {
            let job = Job::new(&[], Wanted::Nearest(k), rows.len() as u64, true);
            for (key, &(score, doubt, held)) in (0u64..).zip(&rows) {
                if held {
                    job.offer(Hit { key, score, label: () });
                } else {
                    job.wait(Waiting { key, label: (), most: f64::from(score + doubt) }, f64::from(score - doubt));
                }
            }
            let mut scores: Vec<f32> = rows.iter().map(|row| row.0).collect();
            scores.sort_by(|a, b| b.total_cmp(a));
            let last = scores[k.min(scores.len()) - 1];
            prop_assert!(job.floor() <= last);
            for row in job.take_waiting() {
                job.add(Hit { key: row.key, score: rows[row.key as usize].0, label: () });
            }
            let found: Vec<f32> = job.into_hits().into_iter().map(|hit| hit.score).collect();
            prop_assert_eq!(found, &scores[..k.min(scores.len())]);
        }
    }
}
