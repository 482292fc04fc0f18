//! The open connections: a bounded number. At the bound the connection that has been silent the
//! longest is cut to make room for a new one.
//!
//! A connection is silent while none of its calls is under way: one that never sent a byte, one
//! that sends headers without end, one that is kept open for later. A caller that is silent
//! therefore loses at most a connection that it can make anew, and keeps nobody out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::refusal_budget::RefusalBudget;
use super::tls::PeerCertificate;

/// What happens to a new connection when there are as many as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenFull {
    /// It gets the place of the connection that has been silent the longest, which is cut.
    CutSilent,
    /// It waits. For servers that do not count the calls of their connections.
    Wait,
}

/// All open connections of a server.
pub(super) struct Connections {
    max: usize,
    when_full: WhenFull,
    /// Cancelled when all are to be cut.
    cut: CancellationToken,
    /// The open ones, by their numbers.
    open: Mutex<BTreeMap<u64, Arc<Activity>>>,
    /// When the server began.
    begun: Instant,
    /// Number of the next connection.
    next: AtomicU64,
    /// How many were cut for new ones since [`Connections::take_cut`].
    cut_for_others: AtomicU64,
    /// How many were cut for being idle since then.
    cut_idle: AtomicU64,
}

/// Whether a connection is silent, and since when.
pub(super) struct Activity {
    /// Calls under way.
    calls: AtomicUsize,
    /// When it was last not silent, in milliseconds since the server began.
    last: AtomicU64,
    /// When the server began.
    begun: Instant,
    cut: CancellationToken,
    /// The certificate that the other end proved, where it did.
    certificate: OnceLock<Arc<PeerCertificate>>,
    /// Refusals that this connection is answered at once.
    pub refusal_budget: RefusalBudget,
}

impl Activity {
    /// Resolves when the connection is to end.
    pub(super) fn cut(&self) -> CancellationToken {
        self.cut.clone()
    }

    /// Counts a call as under way until the answer is dropped.
    pub(super) fn call(self: &Arc<Self>) -> ActiveCall {
        self.calls.fetch_add(1, Ordering::Relaxed);
        ActiveCall(Arc::clone(self))
    }

    /// The certificate that the other end proved.
    pub(super) fn certificate(&self) -> Option<&Arc<PeerCertificate>> {
        self.certificate.get()
    }

    /// Says so, once.
    pub(super) fn set_certificate(&self, certificate: Arc<PeerCertificate>) {
        // A connection makes one handshake.
        let _ = self.certificate.set(certificate);
    }

    fn touch(&self) {
        self.last.store(millis(self.begun), Ordering::Relaxed);
    }

    /// Since when it is silent, in milliseconds since the server began; `None` where it is not.
    fn silent_since(&self) -> Option<u64> {
        (self.calls.load(Ordering::Relaxed) == 0).then(|| self.last.load(Ordering::Relaxed))
    }
}

/// Whole milliseconds since then.
fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A call under way, during which its connection does not count as silent.
pub(super) struct ActiveCall(Arc<Activity>);

impl Drop for ActiveCall {
    fn drop(&mut self) {
        // In this order: whoever reads that there is no call reads when the last one ended.
        self.0.touch();
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection's place among the open ones, free again when dropped.
pub(super) struct ConnectionSlot {
    of: Arc<Connections>,
    /// Number of the connection; no two have the same.
    pub number: u64,
    pub activity: Arc<Activity>,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.of.open().remove(&self.number);
    }
}

impl Connections {
    /// At most `max` at once; all end when `cut` is cancelled.
    pub(super) fn new(max: usize, when_full: WhenFull, cut: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            max,
            when_full,
            cut,
            open: Mutex::default(),
            begun: Instant::now(),
            next: AtomicU64::new(0),
            cut_for_others: AtomicU64::new(0),
            cut_idle: AtomicU64::new(0),
        })
    }

    fn open(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<Activity>>> {
        // No code panics while it holds the lock, so the data is whole.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new connection, if need be that of a silent one, which is cut. `None`
    /// where every connection has a call under way.
    pub(super) fn enter(self: &Arc<Self>) -> Option<ConnectionSlot> {
        let mut open = self.open();
        if open.len() >= self.max {
            if self.when_full == WhenFull::Wait {
                return None;
            }
            let silent = open.iter().filter_map(|(number, of)| Some((of.silent_since()?, *number))).min();
            let (_, number) = silent?;
            if let Some(gone) = open.remove(&number) {
                gone.cut.cancel();
                self.cut_for_others.fetch_add(1, Ordering::Relaxed);
            }
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let activity = Arc::new(Activity {
            calls: AtomicUsize::new(0),
            last: AtomicU64::new(millis(self.begun)),
            begun: self.begun,
            cut: self.cut.child_token(),
            certificate: OnceLock::new(),
            refusal_budget: RefusalBudget::of_connection(),
        });
        open.insert(number, Arc::clone(&activity));
        drop(open);
        Some(ConnectionSlot { of: Arc::clone(self), number, activity })
    }

    /// Cuts the connections that have been silent for at least `silent_max`.
    pub(super) fn cut_idle(&self, silent_max: Duration) {
        let latest = self.begun.elapsed().checked_sub(silent_max).map_or(0, |at| at.as_millis());
        let mut open = self.open();
        let before = open.len();
        open.retain(|_, of| {
            let cut = latest > 0 && of.silent_since().is_some_and(|since| u128::from(since) <= latest);
            if cut {
                of.cut.cancel();
            }
            !cut
        });
        self.cut_idle.fetch_add((before - open.len()) as u64, Ordering::Relaxed);
    }

    /// Cuts the connections whose certificate is so, with calls or without, and says how many. Their
    /// places are free once they have ended.
    pub(super) fn cut_certificates(&self, is_bad: impl Fn(&PeerCertificate) -> bool) -> usize {
        let with_one = |of: &&Arc<Activity>| of.certificate.get().is_some() && !of.cut.is_cancelled();
        // Not while the lock is held: signatures are checked.
        let all: Vec<Arc<Activity>> = self.open().values().filter(with_one).cloned().collect();
        let bad = all.iter().filter(|of| of.certificate().is_some_and(|certificate| is_bad(certificate)));
        bad.map(|of| of.cut.cancel()).count()
    }

    /// How many were cut since the last call of this: for new ones, and for being idle.
    pub(super) fn take_cut(&self) -> (u64, u64) {
        (self.cut_for_others.swap(0, Ordering::Relaxed), self.cut_idle.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(max: usize) -> Arc<Connections> {
        Connections::new(max, WhenFull::CutSilent, CancellationToken::new())
    }

    #[test]
    fn at_the_bound_the_connection_that_is_silent_the_longest_is_cut() {
        let all = connections(3);
        let places: Vec<_> = (0..3).map(|_| all.enter().unwrap()).collect();
        places[0].activity.touch();
        std::thread::sleep(Duration::from_millis(3));
        // The first connection is the oldest, and has had a call since.
        drop(places[0].activity.call());
        places[1].activity.last.store(0, Ordering::Relaxed);
        let newcomer = all.enter().unwrap();
        let cut: Vec<_> = places.iter().map(|place| place.activity.cut.is_cancelled()).collect();
        assert_eq!(cut, [false, true, false]);
        assert_eq!(all.take_cut(), (1, 0));
        assert_eq!(all.take_cut(), (0, 0));
        // The place of a connection that was cut has been given away: its end frees no other.
        drop(places);
        assert_eq!(all.open().len(), 1);
        drop(newcomer);
        assert_eq!(all.open().len(), 0);
    }

    #[test]
    fn a_connection_with_a_call_is_never_cut_and_new_ones_wait() {
        let all = connections(2);
        let places: Vec<_> = (0..2).map(|_| all.enter().unwrap()).collect();
        let calls: Vec<_> = places.iter().map(|place| place.activity.call()).collect();
        assert!(all.enter().is_none());
        drop(calls);
        assert!(all.enter().is_some());
    }

    #[test]
    fn connections_whose_calls_are_not_counted_are_never_cut() {
        let all = Connections::new(1, WhenFull::Wait, CancellationToken::new());
        let place = all.enter().unwrap();
        assert!(all.enter().is_none() && !place.activity.cut.is_cancelled());
        drop(place);
        assert!(all.enter().is_some());
    }

    #[test]
    fn idle_connections_are_cut_and_busy_ones_are_not() {
        let all = connections(9);
        let (idle, busy) = (all.enter().unwrap(), all.enter().unwrap());
        let call = busy.activity.call();
        std::thread::sleep(Duration::from_millis(20));
        let fresh = all.enter().unwrap();
        all.cut_idle(Duration::from_millis(10));
        let cut = [&idle, &busy, &fresh].map(|place| place.activity.cut.is_cancelled());
        assert_eq!(cut, [true, false, false]);
        assert_eq!(all.take_cut(), (0, 1));
        drop(call);
    }

    #[test]
    fn all_connections_end_with_the_server() {
        let cut = CancellationToken::new();
        let all = Connections::new(2, WhenFull::CutSilent, cut.clone());
        let place = all.enter().unwrap();
        cut.cancel();
        assert!(place.activity.cut().is_cancelled());
    }
}
