//! The pages over HTTP: their files, signing in, and records that benefit systems hand over.
//!
//! | request | answer |
//! |---|---|
//! | `GET /desk/`, `/desk/officer`, `/desk/assets/NAME` | pages and their files |
//! | `GET /desk/me` | who is signed in, and what the pages need to know |
//! | `GET /desk/login`, `/desk/callback`; `POST /desk/test-login`, `/desk/logout` | signing in and out |
//! | `GET /desk/qr.svg?text=` | a QR code |
//! | `POST /desk/sessions`, `GET /desk/sessions/ID` | for benefit systems: opens a record, what came of it |
//! | `GET /desk/handoff/ID`, `POST /desk/handoff/ID/done` | for the page: the record, and that it is done with |
//!
//! What pages do beside that are calls of the contract; [`Desk::as_person`] puts the token of whoever is signed in on them, and
//! everything else about them is decided as for any call. docs/desk.md has the details.

mod answers;
mod handoffs;
mod html;
mod me;
mod provider;
mod routes;
mod signing;
mod test_login;
mod webhook;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::header::{AUTHORIZATION, COOKIE};
use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue, Request};

use self::answers::Answers;
use self::provider::{Provider, ProviderFault};
pub use self::test_login::TestTokens;
use self::webhook::Webhook;
use super::refusal::{Refusal, ServiceRefusal};
use crate::access::token::TokenSettings;
use crate::desk::{Cookies, DeskSettings, Handoffs, SESSION_COOKIE, Session, Sessions, SignIns, TestPeople};
use crate::service::language::Language;
use crate::workflow::reason::Reason;

/// What a page sends with whatever it does.
const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");
/// Of a page that nobody works at: the request does not count as use of the session.
const UNATTENDED: HeaderName = HeaderName::from_static("x-unattended");

/// The pages of a server.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    settings: DeskSettings,
    cookies: Cookies,
    answers: Answers,
    sessions: Sessions,
    sign_ins: SignIns,
    handoffs: Handoffs,
    test_people: Option<Arc<TestPeople>>,
    provider: Option<Provider>,
    /// Where results go, by the names of the systems.
    webhooks: HashMap<String, Arc<Webhook>>,
}

/// Why there are no pages. The text begins with the key of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {why}")]
pub struct DeskError {
    /// The key.
    pub key: &'static str,
    /// What is wrong, and what to do.
    pub why: String,
}

impl Desk {
    /// Pages by these settings, of a server inside TLS or not, that other machines reach or not. `tokens` is how
    /// people are known. Reads files; asks nobody.
    ///
    /// # Errors
    /// [`DeskError`] for sign-in without tokens, test people on a server that other machines reach, and files that
    /// cannot be used.
    pub fn open(
        settings: DeskSettings,
        tokens: Option<&TokenSettings>,
        is_tls: bool,
        is_loopback: bool,
    ) -> Result<Self, DeskError> {
        let bad = |key, why: &str| Err(DeskError { key, why: why.to_owned() });
        if !settings.test_people.is_empty() && !is_loopback {
            return bad(
                "desk.test_people",
                "whoever reaches the server could be any of them: listen on 127.0.0.1, or take them out",
            );
        }
        let provider = match (&settings.sign_in, tokens, &settings.address) {
            (None, ..) => None,
            (Some(sign_in), Some(tokens), Some(address)) => Some(Provider::open(sign_in, tokens, address)?),
            (Some(_), None, _) => {
                return bad("desk.sign_in", "it takes [access.tokens]: the issuer where people sign in");
            }
            (Some(_), Some(_), None) => return bad("desk.sign_in", "it takes desk.address"),
        };
        let mut webhooks = HashMap::new();
        for (name, system) in &settings.systems {
            if let Some((address, key)) = &system.webhook {
                webhooks.insert(name.clone(), Arc::new(Webhook::open(address, key)?));
            }
        }
        let people = settings.test_people.clone();
        Ok(Self(Arc::new(Inner {
            cookies: Cookies { is_tls },
            answers: Answers::new(settings.agent.as_deref(), is_tls),
            sessions: Sessions::new(settings.sessions),
            sign_ins: SignIns::default(),
            handoffs: Handoffs::default(),
            test_people: (!people.is_empty()).then(|| Arc::new(TestPeople::new(people))),
            provider,
            webhooks,
            settings,
        })))
    }

    /// The test people, whose tokens [`TestTokens`] believes.
    pub fn test_people(&self) -> Option<Arc<TestPeople>> {
        self.0.test_people.clone()
    }

    /// Whether a request is for the pages.
    pub(super) fn is_own_path(path: &str) -> bool {
        path == "/desk" || path.starts_with("/desk/")
    }

    /// The id of the session that a request names.
    pub(super) fn session_id<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let cookies = headers.get_all(COOKIE).iter().map(|value| value.as_bytes());
        self.0.cookies.find(cookies, SESSION_COOKIE)
    }

    /// The session that a request names. `None` where it names none, or one that is over.
    fn session(&self, headers: &HeaderMap) -> Option<Arc<Session>> {
        let (id, now) = (self.session_id(headers)?, Instant::now());
        match headers.contains_key(UNATTENDED) {
            true => self.0.sessions.look(id, now),
            false => self.0.sessions.find(id, now),
        }
    }

    /// A call of the contract that a page makes: with the token of whoever is signed in.
    ///
    /// # Errors
    /// UNAUTHENTICATED where the session is over, PERMISSION_DENIED where the page is none of ours,
    /// UNAVAILABLE where the provider does not give the next token.
    pub(super) async fn as_person(&self, mut request: Request<Body>) -> Result<Request<Body>, Status> {
        let language = Language::of(request.headers());
        // Not the machine's certificate alone: whoever thought to be signed in would act as nobody.
        let over = || {
            let refusal =
                ServiceRefusal::NotAuthorised { reason: Reason::Unauthenticated, retry_after: None, token: None };
            Refusal::from(refusal).into_status(language)
        };
        let id = self.session_id(request.headers()).ok_or_else(over)?.to_owned();
        let session = self.0.sessions.find(&id, Instant::now()).ok_or_else(over)?;
        if !self.has_csrf(&session, request.headers()) {
            return Err(Status::permission_denied("x-csrf-token is missing or another session's"));
        }
        let token = self.fresh_token(&id, &session).await.map_err(|fault| match fault {
            ProviderFault::Refused(_) => over(),
            ProviderFault::Away(_) => Status::unavailable("the OpenID provider does not answer"),
        })?;
        let value = HeaderValue::try_from(format!("Bearer {}", token.as_str())).map_err(|_| over())?;
        request.headers_mut().insert(AUTHORIZATION, value);
        Ok(request)
    }

    fn has_csrf(&self, session: &Session, headers: &HeaderMap) -> bool {
        let mut sent = headers.get_all(CSRF).iter();
        let one = sent.next().filter(|_| sent.next().is_none());
        one.and_then(|token| token.to_str().ok()).is_some_and(|token| session.is_csrf(token))
    }

    /// The access token of a session, the next one where it is nearly over. Ends the session where the
    /// provider gives none.
    async fn fresh_token(&self, id: &str, session: &Session) -> Result<zeroize::Zeroizing<String>, ProviderFault> {
        let is_fresh = |tokens: &crate::desk::Tokens| !tokens.is_stale(SystemTime::now());
        let tokens = session.tokens();
        let Some(provider) = self.0.provider.as_ref().filter(|_| !is_fresh(&tokens)) else { return Ok(tokens.access) };
        let _one = session.refreshing.lock().await;
        let tokens = session.tokens();
        let Some(refresh) = tokens.refresh.clone().filter(|_| !is_fresh(&tokens)) else { return Ok(tokens.access) };
        match provider.refresh(refresh).await {
            Ok(next) => {
                let access = next.access.clone();
                session.replace_tokens(next);
                Ok(access)
            }
            Err(fault @ ProviderFault::Refused(_)) => {
                self.0.sessions.end(id);
                Err(fault)
            }
            // Its last seconds are still good.
            Err(_) if tokens.expires_at.is_some_and(|at| at > SystemTime::now()) => Ok(tokens.access),
            Err(fault) => {
                tracing::warn!(%fault, "a signed-in person gets no next token");
                Err(fault)
            }
        }
    }
}

impl PartialEq for Desk {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Desk {}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Desk")
    }
}
