//! Limits how many refusals a second are answered at once: further ones are answered later,
//! which slows down a caller that calls again as soon as it was refused. Even a refusal costs
//! something, and a thousand a second cost what answers would.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Refusals a second that one connection is answered at once, and as many more after a
/// silence.
const CONNECTION_RATE: f64 = 20.0;
/// The same for all connections together, for each turn that a server has.
const SERVER_RATE: f64 = 200.0;
/// How much later a refusal beyond the rate is answered.
const DELAY: Duration = Duration::from_millis(500);
/// The delay is at most one part in so many of the time that the call has, so that its caller
/// still learns why.
const SHARE: u32 = 4;

/// A token bucket of refusals that are answered at once; it holds a second's worth.
#[derive(Debug)]
pub(super) struct RefusalBudget {
    /// Tokens that are added a second, and most that there can be.
    rate: f64,
    /// Tokens left, and the time at which that was true.
    left: Mutex<(f64, Instant)>,
}

impl RefusalBudget {
    fn with_rate(rate: f64) -> Self {
        Self { rate, left: Mutex::new((rate, Instant::now())) }
    }

    /// The budget of one connection.
    pub(super) fn of_connection() -> Self {
        Self::with_rate(CONNECTION_RATE)
    }

    /// The budget of a server with so many turns.
    pub(super) fn of_server(turns: usize) -> Self {
        Self::with_rate(SERVER_RATE * turns as f64)
    }

    /// Takes a token, if there is one.
    fn take(&self, now: Instant) -> bool {
        // No code panics while it holds the lock, so the data is whole.
        let mut guard = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = *guard;
        let left = (left + now.saturating_duration_since(since).as_secs_f64() * self.rate).min(self.rate);
        let enough = left >= 1.0;
        *guard = (if enough { left - 1.0 } else { left }, now.max(since));
        enough
    }

    /// How much later to answer the refusal of a call that has `time`; `None` means at once.
    /// `self` is the server's budget, `connection` that of the call's connection.
    pub(super) fn delay(&self, connection: Option<&Self>, time: Option<Duration>, now: Instant) -> Option<Duration> {
        let at_once = connection.is_none_or(|connection| connection.take(now)) && self.take(now);
        (!at_once).then(|| time.map_or(DELAY, |time| DELAY.min(time / SHARE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_refusals_are_answered_at_once_and_many_later() {
        let (server, connection) = (RefusalBudget::of_server(1), RefusalBudget::of_connection());
        let now = Instant::now();
        let at_once = |now| (0..1000).filter(|_| server.delay(Some(&connection), None, now).is_none()).count();
        assert_eq!(at_once(now), 20);
        assert_eq!(server.delay(Some(&connection), None, now), Some(DELAY));
        // Another connection is not slowed down by it.
        assert_eq!(server.delay(Some(&RefusalBudget::of_connection()), None, now), None);
        assert_eq!(at_once(now + Duration::from_secs(60)), 20);
    }

    #[test]
    fn refusals_of_many_connections_together_are_limited_too() {
        let (server, now) = (RefusalBudget::of_server(1), Instant::now());
        let at_once = (0..1000).filter(|_| server.delay(Some(&RefusalBudget::of_connection()), None, now).is_none());
        assert_eq!(at_once.count(), 200);
    }

    #[test]
    fn a_caller_with_little_time_still_learns_why() {
        let (connection, now) = (RefusalBudget::of_connection(), Instant::now());
        let server = RefusalBudget::of_server(1);
        while server.delay(Some(&connection), None, now).is_none() {}
        let time = Duration::from_millis(200);
        assert!(server.delay(Some(&connection), Some(time), now).is_some_and(|delay| delay < time / 2));
    }
}
