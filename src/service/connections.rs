//! The connections there are: a bounded number, of which the one that has been silent the
//! longest goes where another one wants in.
//!
//! A connection is silent while no call of it is under way: one that never sent a byte, one
//! that sends headers without end, one that is kept open for later. Silence costs a caller
//! at most a connection that it makes anew; it never keeps others out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::hurry::Hurry;

/// What to do at the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtTheBound {
    /// The connection that has been silent the longest is cut.
    CutSilent,
    /// Who comes waits: calls of these connections are not counted.
    Wait,
}

/// All open connections of a server.
pub(super) struct Connections {
    max: usize,
    at_the_bound: AtTheBound,
    /// Cancelled when all are cut.
    cut: CancellationToken,
    open: Mutex<BTreeMap<u64, Arc<Activity>>>,
    begun: Instant,
    next: AtomicU64,
    /// Cut for others, and for being idle, since it was last asked.
    made_room: AtomicU64,
    idle: AtomicU64,
}

/// What one connection does.
pub(super) struct Activity {
    calls: AtomicUsize,
    /// When it was last not silent, in milliseconds since the server began.
    last: AtomicU64,
    begun: Instant,
    cut: CancellationToken,
    /// Its refusals that are told at once.
    pub hurry: Hurry,
}

impl Activity {
    /// Resolves when the connection is to end.
    pub(super) fn cut(&self) -> CancellationToken {
        self.cut.clone()
    }

    /// A call of it, until the answer is dropped.
    pub(super) fn call(self: &Arc<Self>) -> Call {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Call(Arc::clone(self))
    }

    fn touch(&self) {
        self.last.store(millis(self.begun), Ordering::Relaxed);
    }

    /// Since when it is silent, in milliseconds since the server began.
    fn silent_since(&self) -> Option<u64> {
        (self.calls.load(Ordering::Relaxed) == 0).then(|| self.last.load(Ordering::Relaxed))
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A call under way: its connection is not silent.
pub(super) struct Call(Arc<Activity>);

impl Drop for Call {
    fn drop(&mut self) {
        // In this order: whoever sees no call sees when it ended.
        self.0.touch();
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place among the connections, given back when dropped.
pub(super) struct Place {
    of: Arc<Connections>,
    pub number: u64,
    pub activity: Arc<Activity>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.open().remove(&self.number);
    }
}

impl Connections {
    /// At most `max` at once; all end when `cut` is cancelled.
    pub(super) fn new(max: usize, at_the_bound: AtTheBound, cut: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            max,
            at_the_bound,
            cut,
            open: Mutex::default(),
            begun: Instant::now(),
            next: AtomicU64::new(0),
            made_room: AtomicU64::new(0),
            idle: AtomicU64::new(0),
        })
    }

    fn open(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<Activity>>> {
        // Nothing is left half done under it.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more, if need be that of a silent one, which is cut. `None` where all
    /// are busy.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut open = self.open();
        if open.len() >= self.max {
            if self.at_the_bound == AtTheBound::Wait {
                return None;
            }
            let silent = open.iter().filter_map(|(number, of)| Some((of.silent_since()?, *number))).min();
            let (_, number) = silent?;
            if let Some(gone) = open.remove(&number) {
                gone.cut.cancel();
                self.made_room.fetch_add(1, Ordering::Relaxed);
            }
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let activity = Arc::new(Activity {
            calls: AtomicUsize::new(0),
            last: AtomicU64::new(millis(self.begun)),
            begun: self.begun,
            cut: self.cut.child_token(),
            hurry: Hurry::of_connection(),
        });
        open.insert(number, Arc::clone(&activity));
        drop(open);
        Some(Place { of: Arc::clone(self), number, activity })
    }

    /// Cuts those that have been silent for so long.
    pub(super) fn reap(&self, silent_max: Duration) {
        let latest = self.begun.elapsed().checked_sub(silent_max).map_or(0, |at| at.as_millis());
        let mut open = self.open();
        let before = open.len();
        open.retain(|_, of| {
            let goes = latest > 0 && of.silent_since().is_some_and(|since| u128::from(since) <= latest);
            if goes {
                of.cut.cancel();
            }
            !goes
        });
        self.idle.fetch_add((before - open.len()) as u64, Ordering::Relaxed);
    }

    /// How many were cut since this was last asked: for others, and for being idle.
    pub(super) fn take_cut(&self) -> (u64, u64) {
        (self.made_room.swap(0, Ordering::Relaxed), self.idle.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(max: usize) -> Arc<Connections> {
        Connections::new(max, AtTheBound::CutSilent, CancellationToken::new())
    }

    #[test]
    fn at_the_bound_the_one_that_is_silent_the_longest_goes() {
        let all = connections(3);
        let places: Vec<_> = (0..3).map(|_| all.enter().unwrap()).collect();
        places[0].activity.touch();
        std::thread::sleep(Duration::from_millis(3));
        // The first was there first, and has had a call since.
        drop(places[0].activity.call());
        places[1].activity.last.store(0, Ordering::Relaxed);
        let newcomer = all.enter().unwrap();
        let cut: Vec<_> = places.iter().map(|place| place.activity.cut.is_cancelled()).collect();
        assert_eq!(cut, [false, true, false]);
        assert_eq!(all.take_cut(), (1, 0));
        assert_eq!(all.take_cut(), (0, 0));
        // The place of one that was cut was given away: its own end gives none back.
        drop(places);
        assert_eq!(all.open().len(), 1);
        drop(newcomer);
        assert_eq!(all.open().len(), 0);
    }

    #[test]
    fn a_connection_with_a_call_is_never_cut_and_newcomers_wait() {
        let all = connections(2);
        let places: Vec<_> = (0..2).map(|_| all.enter().unwrap()).collect();
        let calls: Vec<_> = places.iter().map(|place| place.activity.call()).collect();
        assert!(all.enter().is_none());
        drop(calls);
        assert!(all.enter().is_some());
    }

    #[test]
    fn those_whose_calls_are_not_counted_wait() {
        let all = Connections::new(1, AtTheBound::Wait, CancellationToken::new());
        let place = all.enter().unwrap();
        assert!(all.enter().is_none() && !place.activity.cut.is_cancelled());
        drop(place);
        assert!(all.enter().is_some());
    }

    #[test]
    fn idle_ones_are_reaped_and_busy_ones_are_not() {
        let all = connections(9);
        let (idle, busy) = (all.enter().unwrap(), all.enter().unwrap());
        let call = busy.activity.call();
        std::thread::sleep(Duration::from_millis(20));
        let fresh = all.enter().unwrap();
        all.reap(Duration::from_millis(10));
        let cut = [&idle, &busy, &fresh].map(|place| place.activity.cut.is_cancelled());
        assert_eq!(cut, [true, false, false]);
        assert_eq!(all.take_cut(), (0, 1));
        drop(call);
    }

    #[test]
    fn all_end_with_the_server() {
        let cut = CancellationToken::new();
        let all = Connections::new(2, AtTheBound::CutSilent, cut.clone());
        let place = all.enter().unwrap();
        cut.cancel();
        assert!(place.activity.cut().is_cancelled());
    }
}
