//! Retry hints: when refused callers should come back. They are spread so that callers come one
//! after the other, as fast as the server can take them.

use std::time::{Duration, Instant};

/// Shortest hint.
const MIN: Duration = Duration::from_millis(50);
/// Longest hint before it is spread.
const MAX: Duration = Duration::from_secs(15);
/// A hint is spread by up to one part in so many, below and above.
const SPREAD: f64 = 5.0;
/// The fractional part of the golden ratio: the fractions of its multiples fill 0 to 1 evenly,
/// however many are taken.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// The hints of one priority. Each caller gets another time, so that they do not all come back
/// at once to be refused again.
#[derive(Debug, Default)]
pub(super) struct RetryHints {
    /// The latest time given out.
    last: Option<Instant>,
    /// How many were given out.
    given: u32,
}

impl RetryHints {
    /// How long one more refused caller should wait: the queue is short enough again after
    /// `first`, and takes a call every `every` from then on.
    pub(super) fn next(&mut self, now: Instant, first: Duration, every: Duration) -> Duration {
        let first = now + first;
        let at = self.last.map_or(first, |last| first.max(last + every)).min(now + MAX);
        self.last = Some(at);
        self.given = self.given.wrapping_add(1);
        let share = (f64::from(self.given) * GOLDEN).fract();
        let spread = 1.0 + (2.0 * share - 1.0) / SPREAD;
        at.duration_since(now).mul_f64(spread).max(MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_told_to_come_one_after_the_other_and_never_all_at_once() {
        let (mut hints, now) = (RetryHints::default(), Instant::now());
        let (first, every) = (Duration::from_secs(1), Duration::from_millis(100));
        let told: Vec<_> = (0..50).map(|_| hints.next(now, first, every)).collect();
        for (turn, hint) in told.iter().enumerate() {
            let even = first + every * turn as u32;
            assert!(*hint >= even.mul_f64(0.79) && *hint <= even.mul_f64(1.21), "{turn}: {hint:?}");
        }
        let mut sorted = told.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), told.len());
    }

    #[test]
    fn a_hint_is_never_absurd() {
        let (mut hints, now) = (RetryHints::default(), Instant::now());
        for _ in 0..10_000 {
            let hint = hints.next(now, Duration::from_secs(3600), Duration::from_secs(1));
            assert!(hint >= MIN && hint <= MAX.mul_f64(1.21), "{hint:?}");
        }
        // Callers of long ago are forgotten.
        assert_eq!(hints.next(now + 2 * MAX, Duration::ZERO, Duration::ZERO), MIN);
    }
}
