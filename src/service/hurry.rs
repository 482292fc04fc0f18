//! Whoever calls again as soon as it was refused, over and over, is told so a moment later:
//! even a refusal costs something, and a thousand a second cost what answers would.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Refusals a second that one connection is told at once, and as many more after a silence.
const CONNECTION_RATE: f64 = 20.0;
/// The same for all connections, for each turn that a server has.
const SERVER_RATE: f64 = 200.0;
/// How much later those beyond are told.
const PAUSE: Duration = Duration::from_millis(500);
/// At most this share of the time that the call has: it must still hear why.
const SHARE: u32 = 4;

/// Refusals that are told at once: so many a second (a token bucket that holds a second's).
#[derive(Debug)]
pub(super) struct Hurry {
    rate: f64,
    /// How many are left, and since when that has been true.
    left: Mutex<(f64, Instant)>,
}

impl Hurry {
    fn at(rate: f64) -> Self {
        Self { rate, left: Mutex::new((rate, Instant::now())) }
    }

    /// Of one connection.
    pub(super) fn of_connection() -> Self {
        Self::at(CONNECTION_RATE)
    }

    /// Of a server with so many turns.
    pub(super) fn of_server(turns: usize) -> Self {
        Self::at(SERVER_RATE * turns as f64)
    }

    fn take(&self, now: Instant) -> bool {
        // Nothing is left half done under it.
        let mut guard = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = *guard;
        let left = (left + now.saturating_duration_since(since).as_secs_f64() * self.rate).min(self.rate);
        let enough = left >= 1.0;
        *guard = (if enough { left - 1.0 } else { left }, now.max(since));
        enough
    }

    /// How long a refusal waits: of this server, of a call that comes by `connection` and has
    /// so much time. `None` where it is told at once.
    pub(super) fn pause(&self, connection: Option<&Self>, time: Option<Duration>, now: Instant) -> Option<Duration> {
        let at_once = connection.is_none_or(|of| of.take(now)) && self.take(now);
        (!at_once).then(|| time.map_or(PAUSE, |time| PAUSE.min(time / SHARE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_refusals_are_told_at_once_and_a_storm_of_them_later() {
        let (server, connection, now) = (Hurry::of_server(1), Hurry::of_connection(), Instant::now());
        let at_once = |now| (0..1000).filter(|_| server.pause(Some(&connection), None, now).is_none()).count();
        assert_eq!(at_once(now), 20);
        assert_eq!(server.pause(Some(&connection), None, now), Some(PAUSE));
        // Another connection is not held to blame.
        assert_eq!(server.pause(Some(&Hurry::of_connection()), None, now), None);
        assert_eq!(at_once(now + Duration::from_secs(60)), 20);
    }

    #[test]
    fn many_connections_together_are_a_storm_too() {
        let (server, now) = (Hurry::of_server(1), Instant::now());
        let told = (0..1000).filter(|_| server.pause(Some(&Hurry::of_connection()), None, now).is_none());
        assert_eq!(told.count(), 200);
    }

    #[test]
    fn a_caller_with_little_time_still_hears_why() {
        let (connection, now) = (Hurry::of_connection(), Instant::now());
        let server = Hurry::of_server(1);
        while server.pause(Some(&connection), None, now).is_none() {}
        let time = Duration::from_millis(200);
        assert!(server.pause(Some(&connection), Some(time), now).is_some_and(|pause| pause < time / 2));
    }
}
