//! Who is signed in, and what the pages need to know.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use prost_types::Timestamp;
use serde_json::{Value, json};
use tonic::body::Body;
use tonic::codegen::http::{Request, Response, StatusCode};

use super::Desk;
use super::routes::certificate;
use crate::access::Caller;
use crate::context::Principal;
use crate::desk::Session;
use crate::service::access::principal_key;
use crate::service::method::Method;
use crate::service::shared::Shared;

/// Somebody whose browser asks.
pub(super) struct Known {
    /// `None` on a server without access control.
    pub caller: Option<Caller>,
    pub session: Option<Arc<Session>>,
    /// May ask for decisions.
    pub may_decide: bool,
    /// May answer referrals.
    pub may_resolve: bool,
}

/// Nobody is known: nobody is signed in, or whoever is may not come from this machine.
pub(super) struct Unknown;

impl Known {
    /// What hand-overs know them by.
    pub(super) fn key(&self) -> String {
        self.caller.as_ref().map_or_else(|| "anonymous".to_owned(), |caller| principal_key(&caller.principal))
    }
}

impl Desk {
    /// Whose browser asks, by session and certificate.
    pub(super) async fn known(&self, shared: &Shared, request: &Request<()>) -> Result<Known, Unknown> {
        let Some(access) = &shared.access else {
            return Ok(Known { caller: None, session: None, may_decide: true, may_resolve: true });
        };
        let session = self.session(request.headers());
        let token = match (&session, self.session_id(request.headers())) {
            (Some(session), Some(id)) => Some(self.fresh_token(id, session).await.map_err(|_| Unknown)?),
            // One that is over is nobody, whatever the machine is.
            (None, Some(_)) => return Err(Unknown),
            _ => None,
        };
        let methods = [Method::VerifyBeneficiary, Method::ResolveReferral];
        let token = token.as_ref().map(|token| token.as_str());
        let who = access.who(certificate(request), token, methods).await;
        let (caller, [may_decide, may_resolve]) = who.map_err(|_| Unknown)?;
        Ok(Known { caller: Some(caller), session, may_decide, may_resolve })
    }

    /// The same for a browser that does something: a page of ours, where somebody is signed in.
    pub(super) async fn known_by_page(&self, shared: &Shared, request: &Request<()>) -> Result<Known, StatusCode> {
        let known = self.known(shared, request).await.map_err(|Unknown| StatusCode::UNAUTHORIZED)?;
        match known.session.as_ref().is_none_or(|session| self.has_csrf(session, request.headers())) {
            true => Ok(known),
            false => Err(StatusCode::FORBIDDEN),
        }
    }

    /// `GET /desk/me`
    pub(super) async fn me(&self, shared: &Shared, request: &Request<()>) -> Response<Body> {
        let answers = &self.0.answers;
        let (kind, is_test) = match (&self.0.provider, &self.0.test_people) {
            (Some(_), _) => ("oidc", false),
            (None, Some(_)) => ("test", true),
            (None, None) => ("none", false),
        };
        let known = match self.known(shared, request).await {
            Ok(known) => known,
            Err(Unknown) => {
                return answers.json(
                    StatusCode::UNAUTHORIZED,
                    &json!({ "signIn": kind, "loginUrl": "/desk/login", "test": is_test }),
                );
            }
        };
        let kind = match (&known.caller, &known.session) {
            (None, _) => "open",
            (Some(_), None) => "certificate",
            _ => kind,
        };
        let pages: Vec<&str> = [("desk", known.may_decide), ("officer", known.may_resolve)]
            .into_iter()
            .filter(|(_, may)| *may)
            .map(|(page, _)| page)
            .collect();
        let (person, machine) = match known.caller.as_ref().map(|caller| &caller.principal) {
            Some(Principal::Person { id, machine }) => {
                (Some(id.to_string()), machine.as_ref().map(ToString::to_string))
            }
            Some(Principal::Machine { name }) => (None, Some(name.to_string())),
            _ => (None, None),
        };
        let place = known.caller.as_ref().map(|caller| caller.place.clone()).unwrap_or_default();
        let roles: Vec<&str> = known
            .caller
            .as_ref()
            .map(|caller| caller.roles.iter().map(|role| role.name()).collect())
            .unwrap_or_default();
        let lasts = known.session.as_ref().map(|session| session.lasts(Instant::now()));
        let ends = lasts.map(|lasts| SystemTime::now() + lasts);
        let policies = &self.0.settings.policies;
        answers.json(
            StatusCode::OK,
            &json!({
                "signIn": kind,
                "loginUrl": "/desk/login",
                "test": is_test || kind == "open",
                "person": person,
                "machine": machine,
                "roles": roles,
                "unit": place.unit.as_deref(),
                "province": place.province.as_deref(),
                "pages": pages,
                "csrfToken": known.session.as_ref().map_or("", |session| session.csrf()),
                "expiresAt": ends.map(timestamp),
                // A desk's clock may be wrong.
                "secondsLeft": lasts.map(|lasts| lasts.as_secs()),
                "idleSeconds": known.session.as_ref().map(|_| self.0.sessions.rules().idle.as_secs()),
                "desk": {
                    "agentUrl": self.0.settings.agent,
                    "keepsPictures": shared.keeps_pictures.get().is_some_and(|keeps| keeps()),
                    "policies": {
                        "noCard": policies.no_card,
                        "child": policies.child,
                        "cannotLook": policies.cannot_look,
                        "covered": policies.covered,
                        "collector": policies.collector,
                        "homeVisit": policies.home_visit,
                    },
                },
            }),
        )
    }
}

/// A time as in the contract's JSON.
pub(super) fn timestamp(at: SystemTime) -> Value {
    Timestamp::from(at).to_string().into()
}
