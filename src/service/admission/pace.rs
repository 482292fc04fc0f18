//! What calls take: moving estimates by method, from the calls that were done.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::method::Method;

/// The weight of the latest call: one in so many.
const WEIGHT: f64 = 8.0;
/// So many mean deviations above the mean lies what nearly every call keeps to.
const DEVIATIONS: f64 = 2.0;

/// The paces of all methods. Times are those from a call's turn to its end.
#[derive(Debug, Default)]
pub(super) struct Paces(BTreeMap<Method, Pace>);

#[derive(Debug)]
struct Pace {
    /// Seconds of a call.
    mean: f64,
    /// Mean distance of a call from it.
    deviation: f64,
    /// Seconds per photo.
    photo: f64,
}

/// What a call is expected to take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cost {
    /// On average.
    pub usual: Duration,
    /// What few exceed.
    pub most: Duration,
}

impl Paces {
    /// A call was done.
    pub(super) fn note(&mut self, method: Method, photos: usize, took: Duration) {
        let took = took.as_secs_f64();
        let photo = took / photos.max(1) as f64;
        let pace = self.0.entry(method).or_insert(Pace { mean: took, deviation: took / 4.0, photo });
        let off = took - pace.mean;
        pace.deviation += (off.abs() - pace.deviation) / WEIGHT;
        pace.mean += off / WEIGHT;
        pace.photo += (photo - pace.photo) / WEIGHT;
    }

    /// A call was given up after so long: it would have taken longer still, which is news
    /// only where that is more than the mean.
    pub(super) fn note_given_up(&mut self, method: Method, photos: usize, after: Duration) {
        if self.0.get(&method).is_none_or(|pace| after.as_secs_f64() > pace.mean) {
            self.note(method, photos, after);
        }
    }

    /// What a call with so many photos takes; before they are known, what the method's calls
    /// take. Of a method that was never called, what the others do; nothing where none was.
    pub(super) fn cost(&self, method: Method, photos: Option<usize>) -> Cost {
        let (usual, deviation) = match self.0.get(&method) {
            Some(pace) => {
                let usual = photos.map_or(pace.mean, |photos| pace.photo * photos.max(1) as f64);
                (usual, pace.deviation)
            }
            None => (self.0.values().map(|pace| pace.mean).sum::<f64>() / self.0.len().max(1) as f64, 0.0),
        };
        Cost { usual: Duration::from_secs_f64(usual), most: Duration::from_secs_f64(usual + DEVIATIONS * deviation) }
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
            paces.note(Method::Verify, 2, SECOND);
        }
        let steady = paces.cost(Method::Verify, None);
        assert!(steady.usual.abs_diff(SECOND) < SECOND / 100 && steady.most < SECOND * 11 / 10, "{steady:?}");
        for _ in 0..50 {
            paces.note(Method::Verify, 2, 3 * SECOND);
            paces.note(Method::Verify, 2, SECOND);
        }
        let uneven = paces.cost(Method::Verify, None);
        assert!(uneven.most > 3 * SECOND && uneven.usual < 3 * SECOND, "{uneven:?}");
    }

    #[test]
    fn more_photos_take_longer_once_they_are_known() {
        let mut paces = Paces::default();
        for _ in 0..50 {
            paces.note(Method::Verify, 2, SECOND);
            paces.note(Method::Verify, 6, 3 * SECOND);
        }
        let (few, many) = (paces.cost(Method::Verify, Some(2)), paces.cost(Method::Verify, Some(6)));
        assert!(many.usual.abs_diff(3 * few.usual) < SECOND / 100, "{few:?} {many:?}");
    }

    #[test]
    fn a_method_that_was_never_called_is_taken_for_the_others() {
        let mut paces = Paces::default();
        paces.note(Method::Verify, 2, SECOND);
        assert_eq!(paces.cost(Method::Enroll, None).usual, SECOND);
    }

    #[test]
    fn a_call_given_up_teaches_that_calls_are_longer_and_never_that_they_are_shorter() {
        let mut paces = Paces::default();
        paces.note(Method::Verify, 2, SECOND);
        paces.note_given_up(Method::Verify, 2, SECOND / 10);
        assert_eq!(paces.cost(Method::Verify, None).usual, SECOND);
        paces.note_given_up(Method::Verify, 2, 9 * SECOND);
        assert_eq!(paces.cost(Method::Verify, None).usual, 2 * SECOND);
    }
}
