//! Who is signed in at a browser. A session is known by a random id in a cookie, and holds the token that
//! its person's calls are made with; the browser never sees the token.
//!
//! Source: OWASP Session Management; OAuth 2.0 for Browser-Based Applications (backend for frontend).

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use zeroize::Zeroizing;

use super::digest::{SecretDigest, new_secret};

/// Most sessions at a time: somebody is signed in for each.
const SESSIONS_MAX: usize = 20_000;

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionRules {
    /// Without a call.
    pub idle: Duration,
    /// In all.
    pub whole: Duration,
}

/// What the provider gave for a person.
#[derive(Clone)]
pub struct Tokens {
    /// Goes with each call.
    pub access: Zeroizing<String>,
    /// Until when the access token holds, where the provider says.
    pub expires_at: Option<SystemTime>,
    /// Gets the next one, where the provider gives such.
    pub refresh: Option<Zeroizing<String>>,
}

/// Somebody who is signed in.
pub struct Session {
    csrf: String,
    csrf_digest: SecretDigest,
    ends: Instant,
    tokens: Mutex<Tokens>,
    used: Mutex<Instant>,
    /// Held while the next token is fetched, so that it is fetched once.
    pub refreshing: tokio::sync::Mutex<()>,
}

/// A session that has begun.
pub struct Started {
    /// Its id, for the cookie.
    pub id: String,
    /// The session.
    pub session: Arc<Session>,
}

/// All sessions of a server.
pub struct Sessions {
    rules: SessionRules,
    by_id: Mutex<HashMap<SecretDigest, Arc<Session>>>,
}

impl Sessions {
    /// None yet.
    pub fn new(rules: SessionRules) -> Self {
        Self { rules, by_id: Mutex::default() }
    }

    /// Begins a session of its own id, whatever the browser sent: nobody can have known it before.
    /// `None` where there are too many.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn begin(&self, tokens: Tokens, now: Instant) -> io::Result<Option<Started>> {
        let (id, csrf) = (new_secret()?, new_secret()?);
        let session = Arc::new(Session {
            csrf_digest: SecretDigest::of(&csrf),
            csrf,
            ends: now + self.rules.whole,
            tokens: Mutex::new(tokens),
            used: Mutex::new(now),
            refreshing: tokio::sync::Mutex::default(),
        });
        let mut by_id = self.lock();
        if by_id.len() >= SESSIONS_MAX {
            by_id.retain(|_, session| !session.is_over(self.rules, now));
            if by_id.len() >= SESSIONS_MAX {
                return Ok(None);
            }
        }
        by_id.insert(SecretDigest::of(&id), Arc::clone(&session));
        Ok(Some(Started { id, session }))
    }

    /// The session of this id, which counts as used now. `None` where it is over.
    pub fn find(&self, id: &str, now: Instant) -> Option<Arc<Session>> {
        let session = self.look(id, now)?;
        *session.used.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Some(session)
    }

    /// The same without counting as use: a page that nobody works at asks whether it has ended.
    pub fn look(&self, id: &str, now: Instant) -> Option<Arc<Session>> {
        let id = SecretDigest::of(id);
        let mut by_id = self.lock();
        let session = by_id.get(&id)?;
        if session.is_over(self.rules, now) {
            by_id.remove(&id);
            return None;
        }
        Some(Arc::clone(session))
    }

    /// Ends a session; true where there was one.
    pub fn end(&self, id: &str) -> bool {
        self.lock().remove(&SecretDigest::of(id)).is_some()
    }

    /// How long sessions last.
    pub fn rules(&self) -> SessionRules {
        self.rules
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SecretDigest, Arc<Session>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// What a page sends in `x-csrf-token` with whatever it does: a page of another site cannot read it.
    pub fn csrf(&self) -> &str {
        &self.csrf
    }

    /// Whether this is the session's.
    pub fn is_csrf(&self, token: &str) -> bool {
        SecretDigest::of(token) == self.csrf_digest
    }

    /// How long it lasts from now on, if it is used.
    pub fn lasts(&self, now: Instant) -> Duration {
        self.ends.saturating_duration_since(now)
    }

    /// The tokens now.
    pub fn tokens(&self) -> Tokens {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts the next tokens in their place.
    pub fn replace_tokens(&self, tokens: Tokens) {
        *self.tokens.lock().unwrap_or_else(PoisonError::into_inner) = tokens;
    }

    fn is_over(&self, rules: SessionRules, now: Instant) -> bool {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        now >= self.ends || now.saturating_duration_since(used) >= rules.idle
    }
}

impl Tokens {
    /// Whether the access token is over, or nearly.
    pub fn is_stale(&self, now: SystemTime) -> bool {
        const EARLIER: Duration = Duration::from_secs(20);
        self.expires_at.is_some_and(|at| at <= now + EARLIER)
    }
}

/// Tokens stay out of logs.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: SessionRules = SessionRules { idle: Duration::from_secs(900), whole: Duration::from_secs(36_000) };

    fn tokens() -> Tokens {
        Tokens { access: Zeroizing::new("token".into()), expires_at: None, refresh: None }
    }

    #[test]
    fn a_session_ends_when_nobody_uses_it_and_after_its_whole_time_even_if_somebody_does() {
        let (sessions, start) = (Sessions::new(RULES), Instant::now());
        let begin = || sessions.begin(tokens(), start).unwrap().unwrap();
        let seconds = |count| start + Duration::from_secs(count);
        let idle = begin();
        assert!(sessions.find(&idle.id, seconds(899)).is_some());
        assert!(sessions.find(&idle.id, seconds(899 + 900)).is_none());
        assert!(sessions.find(&idle.id, seconds(0)).is_none(), "it does not come back");
        let looked_at = begin();
        for at in (0..900).step_by(10) {
            assert!(sessions.look(&looked_at.id, seconds(at)).is_some());
        }
        assert!(sessions.look(&looked_at.id, seconds(900)).is_none(), "looking is no use");
        let busy = begin();
        for at in (600..36_000).step_by(600) {
            assert!(sessions.find(&busy.id, seconds(at)).is_some(), "{at}");
        }
        assert!(sessions.find(&busy.id, seconds(36_000)).is_none());
    }

    #[test]
    fn only_its_own_token_is_a_sessions() {
        let sessions = Sessions::new(RULES);
        let one = sessions.begin(tokens(), Instant::now()).unwrap().unwrap();
        let other = sessions.begin(tokens(), Instant::now()).unwrap().unwrap();
        assert!(one.session.is_csrf(one.session.csrf()));
        assert!(
            !one.session.is_csrf(other.session.csrf()) && !one.session.is_csrf("") && !one.session.is_csrf(&one.id)
        );
        assert!(sessions.find(other.session.csrf(), Instant::now()).is_none());
        assert!(sessions.end(&one.id) && !sessions.end(&one.id));
        assert!(sessions.find(&one.id, Instant::now()).is_none());
        assert_eq!(format!("{:?} {:?}", other.session, other.session.tokens()), "Session Tokens");
    }
}
