//! Signing in at the provider, or as a test person, and signing out.

use std::time::Instant;

use serde_json::json;
use tonic::body::Body;
use tonic::codegen::http::header::COOKIE;
use tonic::codegen::http::{Request, Response, StatusCode};

use super::Desk;
use super::html::{self, Text};
use super::provider::ProviderFault;
use super::routes::{certificate, field, query, whole, with_cookie};
use crate::desk::{SESSION_COOKIE, SIGN_IN_COOKIE, Tokens, is_page_path};
use crate::service::method::Method;
use crate::service::shared::Shared;

impl Desk {
    /// `GET /desk/login?next=`: to the provider, or to the choice of a test person.
    pub(super) async fn sign_in(&self, request: &Request<()>) -> Response<Body> {
        let next = page_asked_for(query(request, "next"));
        if let Some(provider) = &self.0.provider {
            let Ok(begun) = self.0.sign_ins.begin(&next, Instant::now()) else {
                return self.failed(StatusCode::INTERNAL_SERVER_ERROR, &html::SIGN_IN_FAILED);
            };
            return match provider.authorization(&begun).await {
                Ok(address) => {
                    let cookie = self.0.cookies.set(SIGN_IN_COOKIE, &begun.browser);
                    with_cookie(self.0.answers.redirect(&address), &cookie)
                }
                Err(fault) => {
                    tracing::warn!(%fault, "nobody can sign in");
                    self.failed(StatusCode::SERVICE_UNAVAILABLE, &html::PROVIDER_AWAY)
                }
            };
        }
        let Some(people) = &self.0.test_people else {
            return self.text(StatusCode::NOT_FOUND, &html::NO_SIGN_IN, None);
        };
        let shown = people.all().map(|(name, person)| {
            let mut roles: Vec<&str> = person.roles.iter().map(|role| role.name()).collect();
            roles.extend(person.unit.as_deref());
            (name, roles.join(", "))
        });
        self.0.answers.html(StatusCode::OK, html::test_sign_in_page(shown, &next))
    }

    /// `GET /desk/callback?code=&state=`: back from the provider.
    pub(super) async fn signed_in(&self, shared: &Shared, request: &Request<()>) -> Response<Body> {
        let cookies = request.headers().get_all(COOKIE).iter().map(|value| value.as_bytes());
        let browser = self.0.cookies.find(cookies, SIGN_IN_COOKIE);
        let pending = match (browser, query(request, "state")) {
            (Some(browser), Some(state)) => self.0.sign_ins.finish(browser, &state, Instant::now()),
            _ => None,
        };
        let (Some(provider), Some(pending), Some(code)) = (&self.0.provider, pending, query(request, "code")) else {
            return self.failed(StatusCode::BAD_REQUEST, &html::SIGN_IN_FAILED);
        };
        let response = match provider.exchange(&code, &pending.verifier).await {
            Ok(tokens) => self.begin(shared, request, tokens, &pending.next).await,
            Err(fault) => {
                tracing::warn!(%fault, "a sign-in failed");
                match fault {
                    ProviderFault::Refused(_) => self.failed(StatusCode::BAD_REQUEST, &html::SIGN_IN_FAILED),
                    ProviderFault::Away(_) => self.failed(StatusCode::SERVICE_UNAVAILABLE, &html::PROVIDER_AWAY),
                }
            }
        };
        with_cookie(response, &self.0.cookies.clear(SIGN_IN_COOKIE))
    }

    /// `POST /desk/test-login`
    pub(super) async fn test_sign_in(&self, shared: &Shared, request: &Request<()>, sent: Body) -> Response<Body> {
        let Some(people) = self.0.test_people.clone() else {
            return self.text(StatusCode::NOT_FOUND, &html::NO_SIGN_IN, None);
        };
        let form = match whole(sent).await {
            Ok(form) => form,
            Err(status) => return self.0.answers.empty(status),
        };
        let next = page_asked_for(field(&form, "next"));
        match people.sign_in(&field(&form, "person").unwrap_or_default()) {
            Ok(Some(tokens)) => self.begin(shared, request, tokens, &next).await,
            Ok(None) => self.failed(StatusCode::BAD_REQUEST, &html::SIGN_IN_FAILED),
            Err(_) => self.failed(StatusCode::INTERNAL_SERVER_ERROR, &html::SIGN_IN_FAILED),
        }
    }

    /// A session for whoever these tokens are of, in the place of any that the browser had.
    async fn begin(&self, shared: &Shared, request: &Request<()>, tokens: Tokens, next: &str) -> Response<Body> {
        let refused = || self.failed(StatusCode::FORBIDDEN, &html::ACCOUNT_REFUSED);
        let Some(access) = &shared.access else { return refused() };
        if let Err(refusal) = access.person(&tokens.access).await {
            tracing::warn!(reason = refusal.reason.code(), "a sign-in brought a token that is not believed");
            return refused();
        }
        let methods = [Method::VerifyBeneficiary, Method::ResolveReferral];
        // Also whether the person may come from this machine.
        match access.who(certificate(request), Some(&tokens.access), methods).await {
            Ok((_, may)) if may.contains(&true) => {}
            _ => return refused(),
        }
        if let Some(earlier) = self.session_id(request.headers()) {
            self.0.sessions.end(earlier);
        }
        match self.0.sessions.begin(tokens, Instant::now()) {
            Ok(Some(started)) => {
                tracing::info!("somebody signed in at a page");
                with_cookie(self.0.answers.redirect(next), &self.0.cookies.set(SESSION_COOKIE, &started.id))
            }
            Ok(None) => self.failed(StatusCode::SERVICE_UNAVAILABLE, &html::TOO_MANY),
            Err(_) => self.failed(StatusCode::INTERNAL_SERVER_ERROR, &html::SIGN_IN_FAILED),
        }
    }

    /// `POST /desk/logout`: the session is over here, and where the browser can go to end it at the provider.
    pub(super) async fn sign_out(&self, request: &Request<()>) -> Response<Body> {
        let Some(session) = self.session(request.headers()) else {
            return with_cookie(self.0.answers.empty(StatusCode::NO_CONTENT), &self.0.cookies.clear(SESSION_COOKIE));
        };
        if !self.has_csrf(&session, request.headers()) {
            return self.0.answers.empty(StatusCode::FORBIDDEN);
        }
        if let Some(id) = self.session_id(request.headers()) {
            self.0.sessions.end(id);
        }
        let at_provider = match &self.0.provider {
            Some(provider) => provider.end_session().await,
            None => None,
        };
        let response = self.0.answers.json(StatusCode::OK, &json!({ "endSessionUrl": at_provider }));
        with_cookie(response, &self.0.cookies.clear(SESSION_COOKIE))
    }

    fn failed(&self, status: StatusCode, text: &Text) -> Response<Body> {
        self.text(status, text, Some(("/desk/login", "Đăng nhập lại", "Sign in again")))
    }
}

/// Where a browser goes after the sign-in: the page that it named, if it is one of ours.
fn page_asked_for(next: Option<String>) -> String {
    next.filter(|next| is_page_path(next)).unwrap_or_else(|| "/desk/".to_owned())
}
