//! What calls take: moving estimates by method, from the calls that were done. Its turn is
//! what a call takes from others; what comes after, a search or a commit, only its deadline
//! has to hold.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::method::Method;

/// The weight of the latest call: one in so many.
const WEIGHT: f64 = 8.0;
/// So many mean deviations above the mean lies what nearly every call keeps to.
const DEVIATIONS: f64 = 2.0;

/// The paces of all methods.
#[derive(Debug, Default)]
pub(super) struct Paces(BTreeMap<Method, Pace>);

#[derive(Debug, Default)]
struct Pace {
    turn: Moving,
    /// Seconds of a turn per photo.
    photo: Moving,
    /// From the turn's end to the call's.
    after: Moving,
}

/// A moving mean, in seconds, and how far from it values lie on average.
#[derive(Debug, Default)]
struct Moving {
    seen: bool,
    mean: f64,
    deviation: f64,
}

impl Moving {
    fn note(&mut self, value: f64) {
        if !self.seen {
            *self = Self { seen: true, mean: value, deviation: value / 4.0 };
        }
        let off = value - self.mean;
        self.deviation += (off.abs() - self.deviation) / WEIGHT;
        self.mean += off / WEIGHT;
    }

    fn most(&self) -> f64 {
        self.mean + DEVIATIONS * self.deviation
    }
}

/// What a call is expected to take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cost {
    /// Its turn, on average.
    pub turn: Duration,
    /// All of it, on average.
    pub usual: Duration,
    /// What few exceed, all of it.
    pub most: Duration,
}

impl Paces {
    /// A turn ended with its work.
    pub(super) fn note_turn(&mut self, method: Method, photos: usize, took: Duration) {
        let pace = self.0.entry(method).or_default();
        pace.turn.note(took.as_secs_f64());
        pace.photo.note(took.as_secs_f64() / photos.max(1) as f64);
    }

    /// A call ended so long after its turn.
    pub(super) fn note_after(&mut self, method: Method, took: Duration) {
        self.0.entry(method).or_default().after.note(took.as_secs_f64());
    }

    /// A turn was given up after so long: it would have taken longer still, which is news
    /// only where that is more than the mean.
    pub(super) fn note_turn_given_up(&mut self, method: Method, photos: usize, after: Duration) {
        if self.0.get(&method).is_none_or(|pace| after.as_secs_f64() > pace.turn.mean) {
            self.note_turn(method, photos, after);
        }
    }

    /// The same of a call after its turn.
    pub(super) fn note_after_given_up(&mut self, method: Method, after: Duration) {
        if self.0.get(&method).is_none_or(|pace| after.as_secs_f64() > pace.after.mean) {
            self.note_after(method, after);
        }
    }

    /// What a call with so many photos takes; before they are known, what the method's calls
    /// take. Of a method that was never called, what the others do; nothing where none was.
    pub(super) fn cost(&self, method: Method, photos: Option<usize>) -> Cost {
        let (turn, usual, most) = match self.0.get(&method).filter(|pace| pace.turn.seen) {
            Some(Pace { turn, photo, after }) => {
                let mean = photos.map_or(turn.mean, |photos| photo.mean * photos.max(1) as f64);
                let most = mean + DEVIATIONS * turn.deviation + after.most();
                (mean, mean + after.mean, most)
            }
            None => {
                let mean = self.0.values().map(|pace| pace.turn.mean).sum::<f64>() / self.0.len().max(1) as f64;
                (mean, mean, mean)
            }
        };
        let [turn, usual, most] = [turn, usual, most].map(Duration::from_secs_f64);
        Cost { turn, usual, most }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn nothing_is_expected_before_anything_was_seen() {
        assert_eq!(Paces::default().cost(Method::Verify, Some(2)).most, Duration::ZERO);
    }

    #[test]
    fn an_estimate_follows_what_calls_take_and_says_what_most_keep_to() {
        let mut paces = Paces::default();
        for _ in 0..50 {
            paces.note_turn(Method::Verify, 2, SECOND);
        }
        let steady = paces.cost(Method::Verify, None);
        assert!(steady.usual.abs_diff(SECOND) < SECOND / 100 && steady.most < SECOND * 11 / 10, "{steady:?}");
        for _ in 0..50 {
            paces.note_turn(Method::Verify, 2, 3 * SECOND);
            paces.note_turn(Method::Verify, 2, SECOND);
        }
        let uneven = paces.cost(Method::Verify, None);
        assert!(uneven.most > 3 * SECOND && uneven.usual < 3 * SECOND, "{uneven:?}");
    }

    #[test]
    fn what_comes_after_a_turn_counts_for_the_deadline_and_not_for_the_turn() {
        let mut paces = Paces::default();
        paces.note_turn(Method::Identify, 1, SECOND);
        for _ in 0..50 {
            paces.note_after(Method::Identify, 5 * SECOND);
        }
        let cost = paces.cost(Method::Identify, Some(1));
        assert_eq!((cost.turn, cost.usual), (SECOND, 6 * SECOND));
        assert!(cost.most >= 6 * SECOND);
    }

    #[test]
    fn more_photos_take_longer_once_they_are_known() {
        let mut paces = Paces::default();
        for _ in 0..50 {
            paces.note_turn(Method::Verify, 2, SECOND);
            paces.note_turn(Method::Verify, 6, 3 * SECOND);
        }
        let (few, many) = (paces.cost(Method::Verify, Some(2)), paces.cost(Method::Verify, Some(6)));
        assert!(many.usual.abs_diff(3 * few.usual) < SECOND / 100, "{few:?} {many:?}");
    }

    #[test]
    fn a_method_that_was_never_called_is_taken_for_the_others() {
        let mut paces = Paces::default();
        paces.note_turn(Method::Verify, 2, SECOND);
        assert_eq!(paces.cost(Method::Enroll, None).usual, SECOND);
    }

    #[test]
    fn a_call_given_up_teaches_that_calls_are_longer_and_never_that_they_are_shorter() {
        let mut paces = Paces::default();
        paces.note_turn(Method::Verify, 2, SECOND);
        paces.note_turn_given_up(Method::Verify, 2, SECOND / 10);
        assert_eq!(paces.cost(Method::Verify, None).usual, SECOND);
        paces.note_turn_given_up(Method::Verify, 2, 9 * SECOND);
        assert_eq!(paces.cost(Method::Verify, None).usual, 2 * SECOND);
    }
}
