//! How long calls take: moving estimates by method, from the calls that were done. The turn of
//! a call delays others; what comes after it, a search or a commit, counts for the call's own
//! deadline alone.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::method::Method;

/// The latest call has a weight of one in so many.
const WEIGHT: f64 = 8.0;
/// Nearly every call takes less than the mean and so many mean deviations.
const DEVIATIONS: f64 = 2.0;

/// The estimates of all methods.
#[derive(Debug, Default)]
pub(super) struct DurationEstimates(BTreeMap<Method, MethodEstimate>);

/// The estimates of one method, in seconds.
#[derive(Debug, Default)]
struct MethodEstimate {
    /// A turn.
    turn: MovingMean,
    /// A turn, by its number of photos.
    turn_per_photo: MovingMean,
    /// From the end of the turn to that of the call.
    after: MovingMean,
}

/// A moving mean, and the moving mean of the values' distances from it.
#[derive(Debug, Default)]
struct MovingMean {
    /// Without a value, both are 0.
    has_value: bool,
    mean: f64,
    deviation: f64,
}

impl MovingMean {
    /// Adds a value. The deviation begins at a quarter of the first one.
    fn add(&mut self, value: f64) {
        if !self.has_value {
            *self = Self { has_value: true, mean: value, deviation: value / 4.0 };
        }
        let off = value - self.mean;
        self.deviation += (off.abs() - self.deviation) / WEIGHT;
        self.mean += off / WEIGHT;
    }

    /// What few values exceed.
    fn most(&self) -> f64 {
        self.mean + DEVIATIONS * self.deviation
    }
}

/// How long a call is expected to take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ExpectedDuration {
    /// The mean of its turn.
    pub turn: Duration,
    /// The mean of the whole call.
    pub usual: Duration,
    /// What few calls exceed.
    pub most: Duration,
}

impl DurationEstimates {
    /// Adds a turn that ended when its work was done.
    pub(super) fn note_turn(&mut self, method: Method, photos: usize, took: Duration) {
        let estimate = self.0.entry(method).or_default();
        estimate.turn.add(took.as_secs_f64());
        estimate.turn_per_photo.add(took.as_secs_f64() / photos.max(1) as f64);
    }

    /// Adds a call that ended so long after its turn.
    pub(super) fn note_after(&mut self, method: Method, took: Duration) {
        self.0.entry(method).or_default().after.add(took.as_secs_f64());
    }

    /// Adds a turn that was given up after so long. It would have taken longer still, so that it
    /// counts only where it took longer than the mean.
    pub(super) fn note_turn_given_up(&mut self, method: Method, photos: usize, after: Duration) {
        if self.0.get(&method).is_none_or(|estimate| after.as_secs_f64() > estimate.turn.mean) {
            self.note_turn(method, photos, after);
        }
    }

    /// Adds a call that was given up so long after its turn, in the same way.
    pub(super) fn note_after_given_up(&mut self, method: Method, after: Duration) {
        if self.0.get(&method).is_none_or(|estimate| after.as_secs_f64() > estimate.after.mean) {
            self.note_after(method, after);
        }
    }

    /// How long a call with so many photos takes; while their number is not known, how long
    /// calls of the method take. For a method that was never called it is the mean of all
    /// others, and 0 where there are none.
    pub(super) fn expect(&self, method: Method, photos: Option<usize>) -> ExpectedDuration {
        let (turn, usual, most) = match self.0.get(&method).filter(|estimate| estimate.turn.has_value) {
            Some(MethodEstimate { turn, turn_per_photo, after }) => {
                let mean = photos.map_or(turn.mean, |photos| turn_per_photo.mean * photos.max(1) as f64);
                let most = mean + DEVIATIONS * turn.deviation + after.most();
                (mean, mean + after.mean, most)
            }
            None => {
                let mean = self.0.values().map(|estimate| estimate.turn.mean).sum::<f64>() / self.0.len().max(1) as f64;
                (mean, mean, mean)
            }
        };
        let [turn, usual, most] = [turn, usual, most].map(Duration::from_secs_f64);
        ExpectedDuration { turn, usual, most }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn nothing_is_expected_before_anything_was_seen() {
        assert_eq!(DurationEstimates::default().expect(Method::Verify, Some(2)).most, Duration::ZERO);
    }

    #[test]
    fn an_estimate_follows_what_calls_take_and_says_what_most_keep_to() {
        let mut estimates = DurationEstimates::default();
        for _ in 0..50 {
            estimates.note_turn(Method::Verify, 2, SECOND);
        }
        let steady = estimates.expect(Method::Verify, None);
        assert!(steady.usual.abs_diff(SECOND) < SECOND / 100 && steady.most < SECOND * 11 / 10, "{steady:?}");
        for _ in 0..50 {
            estimates.note_turn(Method::Verify, 2, 3 * SECOND);
            estimates.note_turn(Method::Verify, 2, SECOND);
        }
        let uneven = estimates.expect(Method::Verify, None);
        assert!(uneven.most > 3 * SECOND && uneven.usual < 3 * SECOND, "{uneven:?}");
    }

    #[test]
    fn what_comes_after_a_turn_counts_for_the_deadline_and_not_for_the_turn() {
        let mut estimates = DurationEstimates::default();
        estimates.note_turn(Method::Identify, 1, SECOND);
        for _ in 0..50 {
            estimates.note_after(Method::Identify, 5 * SECOND);
        }
        let expected = estimates.expect(Method::Identify, Some(1));
        assert_eq!((expected.turn, expected.usual), (SECOND, 6 * SECOND));
        assert!(expected.most >= 6 * SECOND);
    }

    #[test]
    fn more_photos_take_longer_once_they_are_known() {
        let mut estimates = DurationEstimates::default();
        for _ in 0..50 {
            estimates.note_turn(Method::Verify, 2, SECOND);
            estimates.note_turn(Method::Verify, 6, 3 * SECOND);
        }
        let (few, many) = (estimates.expect(Method::Verify, Some(2)), estimates.expect(Method::Verify, Some(6)));
        assert!(many.usual.abs_diff(3 * few.usual) < SECOND / 100, "{few:?} {many:?}");
    }

    #[test]
    fn a_method_that_was_never_called_is_taken_for_the_others() {
        let mut estimates = DurationEstimates::default();
        estimates.note_turn(Method::Verify, 2, SECOND);
        assert_eq!(estimates.expect(Method::Enroll, None).usual, SECOND);
    }

    #[test]
    fn a_call_given_up_teaches_that_calls_are_longer_and_never_that_they_are_shorter() {
        let mut estimates = DurationEstimates::default();
        estimates.note_turn(Method::Verify, 2, SECOND);
        estimates.note_turn_given_up(Method::Verify, 2, SECOND / 10);
        assert_eq!(estimates.expect(Method::Verify, None).usual, SECOND);
        estimates.note_turn_given_up(Method::Verify, 2, 9 * SECOND);
        assert_eq!(estimates.expect(Method::Verify, None).usual, 2 * SECOND);
    }
}
