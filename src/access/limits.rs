//! Bounds on what one principal may do, so that neither a mistake nor a stolen certificate uses up
//! the server or reads a gallery face by face.
//!
//! Calls a minute are bounded by a token bucket (the burst is a tenth of a minute's calls, and at
//! least one); calls at once and identifications a day by counts. A day begins at 00:00 UTC. All
//! of it is kept in memory: a restart begins anew, and each of several servers counts for itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::context::Role;

/// Principals that are remembered. Beyond it those are forgotten that are idle and have made no
/// identification today.
const PRINCIPALS_MAX: usize = 100_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Bounds on one principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls a minute.
    pub calls_per_minute: u32,
    /// Calls at once.
    pub calls_at_once: u32,
    /// 1:N searches a day that it asks for; those within a decision do not count.
    pub identifications_per_day: u32,
}

impl Limits {
    /// What a role may do without another configuration.
    pub(super) fn of_role(role: Role) -> Self {
        let (calls_per_minute, calls_at_once, identifications_per_day) = match role {
            // Systems that serve a whole country's desks.
            Role::Workflow => (60_000, 256, 100_000),
            Role::Registrar => (6_000, 64, 0),
            Role::Counter | Role::Clinic => (600, 16, 0),
            Role::Officer => (600, 16, 200),
            Role::Auditor => (600, 16, 2_000),
            Role::Operator => (600, 16, 0),
        };
        Self { calls_per_minute, calls_at_once, identifications_per_day }
    }

    /// Nothing at all.
    pub(super) fn none() -> Self {
        Self { calls_per_minute: 0, calls_at_once: 0, identifications_per_day: 0 }
    }

    /// The wider of both, bound by bound.
    pub(super) fn widest(self, other: Self) -> Self {
        Self {
            calls_per_minute: self.calls_per_minute.max(other.calls_per_minute),
            calls_at_once: self.calls_at_once.max(other.calls_at_once),
            identifications_per_day: self.identifications_per_day.max(other.identifications_per_day),
        }
    }
}

/// What the principals of a server have used up.
#[derive(Debug, Default)]
pub struct Usage(Arc<Mutex<HashMap<String, Used>>>);

#[derive(Debug)]
struct Used {
    /// Calls that may be made at once of those of a minute.
    tokens: f64,
    /// When that was so.
    at: Instant,
    /// Calls under way.
    under_way: u32,
    /// The day of the identifications, in days since 1970-01-01 UTC.
    day: u64,
    identifications: u32,
}

/// A call of a principal that counts as under way until this is dropped.
#[derive(Debug)]
pub struct CountedCall {
    usage: Arc<Mutex<HashMap<String, Used>>>,
    principal: String,
}

impl Drop for CountedCall {
    fn drop(&mut self) {
        if let Some(used) = lock(&self.usage).get_mut(&self.principal) {
            used.under_way = used.under_way.saturating_sub(1);
        }
    }
}

/// A bound is reached: when to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitReached {
    /// After so long a call may be let in.
    pub retry_after: Duration,
}

fn lock(used: &Mutex<HashMap<String, Used>>) -> std::sync::MutexGuard<'_, HashMap<String, Used>> {
    // No code panics while it holds the lock, so the data is whole.
    used.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Usage {
    /// Counts a call of a principal.
    ///
    /// # Errors
    /// [`LimitReached`] where it may not be made now; it counts for nothing then.
    pub fn enter(
        &self,
        principal: &str,
        limits: Limits,
        identifies: bool,
        now: Instant,
        wall: SystemTime,
    ) -> Result<CountedCall, LimitReached> {
        let since_epoch = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let day = since_epoch.as_secs() / DAY.as_secs();
        let per_second = f64::from(limits.calls_per_minute) / 60.0;
        let burst = (f64::from(limits.calls_per_minute) / 10.0).max(1.0);
        let mut all = lock(&self.0);
        if all.len() >= PRINCIPALS_MAX && !all.contains_key(principal) {
            all.retain(|_, used| used.under_way > 0 || (used.day == day && used.identifications > 0));
        }
        let used = all.entry(principal.to_owned()).or_insert_with(|| Used {
            tokens: burst,
            at: now,
            under_way: 0,
            day,
            identifications: 0,
        });
        let passed = now.saturating_duration_since(used.at).as_secs_f64();
        used.tokens = (used.tokens + passed * per_second).min(burst);
        used.at = now;
        if used.day != day {
            (used.day, used.identifications) = (day, 0);
        }
        if identifies && used.identifications >= limits.identifications_per_day {
            let of_day = since_epoch.as_secs() % DAY.as_secs();
            return Err(LimitReached { retry_after: DAY - Duration::from_secs(of_day) });
        }
        if used.under_way >= limits.calls_at_once {
            return Err(LimitReached { retry_after: Duration::from_secs(1) });
        }
        if used.tokens < 1.0 {
            let seconds = if per_second > 0.0 { (1.0 - used.tokens) / per_second } else { 60.0 };
            return Err(LimitReached { retry_after: Duration::from_secs_f64(seconds) });
        }
        used.tokens -= 1.0;
        used.under_way += 1;
        used.identifications += u32::from(identifies);
        Ok(CountedCall { usage: Arc::clone(&self.0), principal: principal.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { calls_per_minute: 60, calls_at_once: 2, identifications_per_day: 1 };
    const NOON: SystemTime = UNIX_EPOCH;

    #[test]
    fn calls_at_once_are_bounded_for_each_principal_and_fall_free_when_they_end() {
        let usage = Usage::default();
        let now = Instant::now();
        let enter = |who: &str| usage.enter(who, LIMITS, false, now, NOON);
        let first = enter("a").unwrap();
        let _second = enter("a").unwrap();
        assert!(enter("a").is_err());
        let _other = enter("b").expect("another's calls do not count");
        drop(first);
        assert!(enter("a").is_ok());
    }

    #[test]
    fn calls_a_minute_come_back_with_time_and_the_hint_says_when() {
        let usage = Usage::default();
        let begun = Instant::now();
        let enter =
            |after: f64| usage.enter("a", LIMITS, false, begun + Duration::from_secs_f64(after), NOON).map(drop);
        // The burst is a tenth of a minute's calls.
        for _ in 0..6 {
            enter(0.0).unwrap();
        }
        let LimitReached { retry_after } = enter(0.0).unwrap_err();
        assert!(retry_after <= Duration::from_secs(1) && retry_after > Duration::from_millis(900), "{retry_after:?}");
        assert!(enter(0.5).is_err());
        enter(1.01).unwrap();
        // However long it was silent, no more than the burst.
        for _ in 0..6 {
            enter(1000.0).unwrap();
        }
        assert!(enter(1000.0).is_err());
    }

    #[test]
    fn identifications_are_counted_by_the_day_and_refused_ones_are_not() {
        let usage = Usage::default();
        let begun = Instant::now();
        let at = |hours: u64, identifies| {
            let passed = Duration::from_secs(hours * 3600);
            usage.enter("a", LIMITS, identifies, begun + passed, NOON + passed).map(drop)
        };
        at(1, true).unwrap();
        let LimitReached { retry_after } = at(2, true).unwrap_err();
        assert_eq!(retry_after, Duration::from_secs(22 * 3600));
        at(2, false).expect("other calls go on");
        at(24, true).expect("the next day");
        assert!(at(25, true).is_err());
    }

    #[test]
    fn a_principal_that_may_do_nothing_is_refused_with_a_hint() {
        let refused = Usage::default().enter("a", Limits::none(), false, Instant::now(), NOON);
        assert!(refused.is_err());
    }
}
