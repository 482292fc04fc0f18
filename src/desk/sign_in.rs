//! Sign-ins under way at an OpenID provider: what must come back with the browser, and what proves that it
//! is this server that comes for the token.
//!
//! Source: OpenID Connect Core 1.0, 3.1 (code flow); RFC 7636 (PKCE); RFC 9700 (best current practice).

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::digest::{SecretDigest, new_secret};

/// Longest time at the provider.
const TIME_MAX: Duration = Duration::from_secs(600);
/// Most at a time; beyond them the oldest is forgotten.
const PENDING_MAX: usize = 10_000;
/// Longest path of a page, in bytes.
const PATH_BYTES_MAX: usize = 200;

/// Sign-ins that have begun.
#[derive(Default)]
pub struct SignIns(Mutex<VecDeque<Waiting>>);

struct Waiting {
    browser: SecretDigest,
    state: SecretDigest,
    since: Instant,
    pending: Pending,
}

/// What is needed when the browser comes back.
pub struct Pending {
    /// Proves that whoever fetches the token began the sign-in (RFC 7636, 4.1).
    pub verifier: Zeroizing<String>,
    /// The page that was asked for.
    pub next: String,
}

/// A sign-in that begins.
pub struct Begun {
    /// For the cookie: the sign-in ends in the browser that it began in.
    pub browser: String,
    /// Comes back with the code.
    pub state: String,
    /// What the provider keeps of the verifier (RFC 7636, 4.2, `S256`).
    pub challenge: String,
}

impl SignIns {
    /// Begins one. `next` is the page that was asked for; what is none becomes the desk.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn begin(&self, next: &str, now: Instant) -> io::Result<Begun> {
        let begun_by = new_secret()?;
        let (state, verifier) = (new_secret()?, Zeroizing::new(new_secret()?));
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let next = if is_page_path(next) { next } else { "/desk/" }.to_owned();
        let waiting = Waiting {
            browser: SecretDigest::of(&begun_by),
            state: SecretDigest::of(&state),
            since: now,
            pending: Pending { verifier, next },
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|waiting| now.saturating_duration_since(waiting.since) < TIME_MAX);
        if all.len() >= PENDING_MAX {
            all.pop_front();
        }
        all.push_back(waiting);
        Ok(Begun { browser: begun_by, state, challenge })
    }

    /// Ends the one that this browser began, once. `None` where it began none of this state, or too long ago.
    pub fn finish(&self, browser: &str, state: &str, now: Instant) -> Option<Pending> {
        let (browser, state) = (SecretDigest::of(browser), SecretDigest::of(state));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|waiting| waiting.browser == browser && waiting.state == state)?;
        let waiting = all.remove(at)?;
        (now.saturating_duration_since(waiting.since) < TIME_MAX).then_some(waiting.pending)
    }
}

/// Whether this is the address of one of the pages, without a host: where a browser may be sent.
pub fn is_page_path(path: &str) -> bool {
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"/?=&-_".contains(&c);
    path.starts_with("/desk/") && !path.contains("//") && path.len() <= PATH_BYTES_MAX && path.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_ends_once_in_the_browser_and_with_the_state_that_it_began_with() {
        let (sign_ins, now) = (SignIns::default(), Instant::now());
        let one = sign_ins.begin("/desk/officer", now).unwrap();
        let other = sign_ins.begin("/desk/", now).unwrap();
        assert!(sign_ins.finish(&other.browser, &one.state, now).is_none(), "another browser");
        assert!(sign_ins.finish(&one.browser, &other.state, now).is_none(), "another state");
        let ended = sign_ins.finish(&one.browser, &one.state, now).unwrap();
        assert_eq!(ended.next, "/desk/officer");
        assert_eq!(URL_SAFE_NO_PAD.encode(Sha256::digest(ended.verifier.as_bytes())), one.challenge);
        assert!(sign_ins.finish(&one.browser, &one.state, now).is_none(), "twice");
        assert!(sign_ins.finish(&other.browser, &other.state, now + TIME_MAX).is_none(), "too late");
    }

    #[test]
    fn a_flood_of_sign_ins_is_bounded() {
        let (sign_ins, now) = (SignIns::default(), Instant::now());
        for _ in 0..PENDING_MAX + 5 {
            sign_ins.begin("/desk/", now).unwrap();
        }
        assert_eq!(sign_ins.0.lock().unwrap().len(), PENDING_MAX);
    }

    #[test]
    fn a_browser_is_sent_to_a_page_of_this_server_and_nowhere_else() {
        assert!(is_page_path("/desk/") && is_page_path("/desk/officer") && is_page_path("/desk/?session=0a-f_Z"));
        for elsewhere in [
            "https://x.example/desk/",
            "//x.example/desk/",
            "/desk//x.example",
            "/desk/\\x.example",
            "/desk/%2f%2fx.example",
            "/desk/\r\nset-cookie: a=b",
            "/desk",
            "/other",
            "",
        ] {
            assert!(!is_page_path(elsewhere), "{elsewhere:?}");
        }
        let (sign_ins, now) = (SignIns::default(), Instant::now());
        let begun = sign_ins.begin("//x.example", now).unwrap();
        assert_eq!(sign_ins.finish(&begun.browser, &begun.state, now).unwrap().next, "/desk/");
    }
}
