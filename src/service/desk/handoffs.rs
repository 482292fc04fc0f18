//! Records that benefit systems hand over: opening one, showing it to the page, and telling what came of it.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http_body_util::BodyExt;
use serde_json::{Value, json};
use tonic::body::Body;
use tonic::codegen::http::header::{ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use tonic::codegen::http::{HeaderValue, Method as Verb, Request, Response, StatusCode, Uri, Version};
use tower::ServiceExt;

use super::Desk;
use super::me::timestamp;
use super::routes::{Calls, certificate, whole};
use crate::access::token::bearer;
use crate::context::Principal;
use crate::desk::{HandoffFault, HandoffResult, OpenHandoff, SystemSettings};
use crate::service::access::{AccessControl, principal_key};
use crate::service::convert;
use crate::service::incoming::Peer;
use crate::service::layers::TracedRequest;
use crate::service::method::Method;
use crate::service::origin;
use crate::service::pb;
use crate::service::shared::Shared;
use crate::service::trace::Trace;
use crate::workflow::beneficiary::DEFAULT_POLICY;

/// Name of the benefit system on a server without access control, where none is known.
const OPEN_SYSTEM: &str = "open";
/// After so many seconds a look-up that was refused is worth another try.
const LOOK_AGAIN_SECONDS: u32 = 2;
/// The method that says what came of it.
const GET_DECISION: &str = "/chinhchu.v1.Cases/GetDecision";

/// A benefit system that asks.
struct System {
    /// What hand-overs know it by.
    key: String,
    /// Its name in `[desk.systems]`.
    name: String,
}

impl Desk {
    /// `POST /desk/sessions`, by a benefit system.
    pub(super) async fn open_handoff(
        &self,
        shared: &Shared,
        calls: impl Calls,
        trace: Trace,
        request: &Request<()>,
        sent: Body,
    ) -> Response<Body> {
        let system = match self.system(shared, request).await {
            Ok(system) => system,
            Err(status) => return self.problem(status, "this caller may not open records for a desk"),
        };
        let address = self.0.settings.address.clone().or_else(|| {
            let scheme = if self.0.cookies.is_tls { "https" } else { "http" };
            origin::authority(request).map(|authority| format!("{scheme}://{authority}"))
        });
        let sent = match whole(sent).await {
            Ok(sent) => sent,
            Err(status) => return self.problem(status, "at most 64 KiB of JSON, within 10 s"),
        };
        // Not where it is wrong: the reader's errors may repeat what was sent.
        let Some(opened) = read(&sent) else {
            return self.problem(StatusCode::BAD_REQUEST, "it is no record: docs/desk.md has its fields");
        };
        if let Err(problem) = check(&opened) {
            return self.problem(StatusCode::BAD_REQUEST, &problem);
        }
        let is_default = opened.policy.is_empty() || opened.policy == DEFAULT_POLICY;
        let desks_may = |access: &AccessControl| access.rules().roles().desks_may_name(&opened.policy);
        if !is_default && !shared.access.as_ref().is_none_or(desks_may) {
            let problem =
                "policy: no desk may name it; the server's [access.roles.counter] and [access.roles.clinic] say which";
            return self.problem(StatusCode::BAD_REQUEST, problem);
        }
        let settings = self.0.settings.systems.get(&system.name);
        let may_return = |url: &String| settings.is_some_and(|settings: &SystemSettings| settings.may_return_to(url));
        if opened.return_url.as_ref().is_some_and(|url| !may_return(url)) {
            return self.problem(
                StatusCode::BAD_REQUEST,
                "returnUrl is not below an address that [desk.systems] names for this caller as return_to",
            );
        }
        if !opened.transaction_id.is_empty()
            && let Err(fault) = decision(calls, trace, request, &opened, None).await
        {
            return self.fault(fault);
        }
        match self.0.handoffs.open(system.key, opened, Instant::now()) {
            Ok(Ok(handoff)) => {
                let until = SystemTime::now() + handoff.until.saturating_duration_since(Instant::now());
                let url = format!("{}/desk/?session={}", address.unwrap_or_default(), handoff.id);
                let answer = json!({
                    "id": handoff.id,
                    "url": url,
                    "transactionId": handoff.opened.transaction_id,
                    "expiresAt": timestamp(until),
                });
                self.0.answers.json(StatusCode::CREATED, &answer)
            }
            Ok(Err(fault)) => self.fault(fault),
            Err(_) => self.0.answers.empty(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// Whether a benefit system has handed over another record, or another scheme, under the transaction of a decision
    /// that is asked for: whatever would come of it, the system could take it for its own.
    pub(in crate::service) fn is_handed_over_otherwise(&self, asked: &pb::VerifyBeneficiaryRequest) -> bool {
        let scheme = asked.scheme().as_str_name();
        self.0.handoffs.is_of_another(&asked.transaction_id, &asked.subject_id, scheme, Instant::now())
    }

    /// `GET /desk/sessions/ID`, by the benefit system that opened it.
    pub(super) async fn handoff_state(
        &self,
        shared: &Shared,
        calls: impl Calls,
        trace: Trace,
        request: &Request<()>,
        id: &str,
    ) -> Response<Body> {
        let system = match self.system(shared, request).await {
            Ok(system) => system,
            Err(status) => return self.problem(status, "this caller may not open records for a desk"),
        };
        let handoff = match self.0.handoffs.of_owner(id, &system.key, Instant::now()) {
            Ok(handoff) => handoff,
            Err(fault) => return self.fault(fault),
        };
        let decision = match decision(calls, trace, request, &handoff.opened, None).await {
            Ok(decision) => decision,
            Err(fault) => return self.fault(fault),
        };
        let state = match (&decision, &handoff.clerk) {
            (Some(_), _) => "decided",
            (None, Some(_)) => "begun",
            (None, None) => "waiting",
        };
        let mut answer = json!({ "id": handoff.id, "transactionId": handoff.opened.transaction_id, "state": state });
        if let Some(decision) = decision {
            answer["attempt"] = decision["attempt"].clone();
            answer["outcome"] = decision["outcome"].clone();
            answer["decidedAt"] = decision["decidedAt"].clone();
            answer["retake"] = decision["retake"].as_bool().unwrap_or(false).into();
            answer["resolved"] = decision["resolved"].clone();
        }
        self.0.answers.json(StatusCode::OK, &answer)
    }

    /// `GET /desk/handoff/ID`, by the page.
    pub(super) async fn handoff(&self, shared: &Shared, request: &Request<()>, id: &str) -> Response<Body> {
        let known = match self.known(shared, request).await {
            Ok(known) if known.may_decide => known,
            Ok(_) => return self.0.answers.empty(StatusCode::FORBIDDEN),
            Err(_) => return self.0.answers.empty(StatusCode::UNAUTHORIZED),
        };
        match self.0.handoffs.take(id, &known.key(), Instant::now()) {
            Ok(handoff) => {
                let until = SystemTime::now() + handoff.until.saturating_duration_since(Instant::now());
                let OpenHandoff { transaction_id, subject_id, scheme, policy, record, return_url } = handoff.opened;
                let answer = json!({
                    "id": handoff.id,
                    "transactionId": transaction_id,
                    "attempt": 1,
                    "subjectId": subject_id,
                    "scheme": scheme,
                    "policy": policy,
                    "record": record,
                    "returnUrl": return_url,
                    "expiresAt": timestamp(until),
                });
                self.0.answers.json(StatusCode::OK, &answer)
            }
            Err(fault) => self.fault(fault),
        }
    }

    /// `POST /desk/handoff/ID/done`, by the page: what was decided goes to the system, and the browser may go back there.
    pub(super) async fn handoff_done(
        &self,
        shared: &Arc<Shared>,
        calls: impl Calls,
        trace: Trace,
        request: &Request<()>,
        id: &str,
    ) -> Response<Body> {
        let known = match self.known_by_page(shared, request).await {
            Ok(known) if known.may_decide => known,
            Ok(_) => return self.0.answers.empty(StatusCode::FORBIDDEN),
            Err(status) => return self.0.answers.empty(status),
        };
        let handoff = match self.0.handoffs.take(id, &known.key(), Instant::now()) {
            Ok(handoff) => handoff,
            Err(fault) => return self.fault(fault),
        };
        let token = match (&known.session, self.session_id(request.headers())) {
            (Some(session), Some(id)) => self.fresh_token(id, session).await.ok(),
            _ => None,
        };
        let bearer = token.and_then(|token| HeaderValue::try_from(format!("Bearer {}", token.as_str())).ok());
        let decision = match decision(calls, trace, request, &handoff.opened, bearer).await {
            Ok(decision) => decision,
            Err(fault) => return self.fault(fault),
        };
        if let Some(decision) = decision {
            let text = |key: &str| decision[key].as_str().unwrap_or_default().to_owned();
            let result = HandoffResult {
                attempt: decision["attempt"].as_u64().and_then(|attempt| u32::try_from(attempt).ok()).unwrap_or(1),
                outcome: text("outcome"),
                decided_at: text("decidedAt"),
            };
            let system = handoff.owner.strip_prefix("machine ").unwrap_or(OPEN_SYSTEM);
            let is_new = self.0.handoffs.note(id, result.clone(), Instant::now());
            if let Some(webhook) = self.0.webhooks.get(system).filter(|_| is_new) {
                webhook.send(id, &handoff.opened.transaction_id, &result, shared.closing.clone());
            }
        }
        let back = handoff.opened.return_url.map(|url| {
            let join = if url.contains('?') { '&' } else { '?' };
            format!("{url}{join}session={id}")
        });
        self.0.answers.json(StatusCode::OK, &json!({ "returnUrl": back }))
    }

    /// The benefit system that asks, by its certificate or token.
    async fn system(&self, shared: &Shared, request: &Request<()>) -> Result<System, StatusCode> {
        let Some(access) = &shared.access else {
            return Ok(System { key: "anonymous".to_owned(), name: OPEN_SYSTEM.to_owned() });
        };
        let sent = request.headers().get_all(AUTHORIZATION).iter().map(|value| value.as_bytes());
        let token = bearer(sent).map_err(|_| StatusCode::UNAUTHORIZED)?;
        let who = access.who(certificate(request), token, [Method::VerifyBeneficiary]).await;
        let (caller, [may]) = who.map_err(|_| StatusCode::UNAUTHORIZED)?;
        if !may {
            return Err(StatusCode::FORBIDDEN);
        }
        match &caller.principal {
            Principal::Machine { name } if self.0.settings.systems.contains_key(&**name) => {
                Ok(System { key: principal_key(&caller.principal), name: name.to_string() })
            }
            _ => Err(StatusCode::FORBIDDEN),
        }
    }

    fn fault(&self, fault: HandoffFault) -> Response<Body> {
        let status = match fault {
            HandoffFault::Text(_) | HandoffFault::Missing(_) => StatusCode::BAD_REQUEST,
            HandoffFault::TooMany | HandoffFault::NotLookedUp => StatusCode::SERVICE_UNAVAILABLE,
            HandoffFault::Unknown => StatusCode::NOT_FOUND,
            HandoffFault::Taken | HandoffFault::OtherRecord => StatusCode::CONFLICT,
        };
        let mut response = self.problem(status, &fault.to_string());
        if fault == HandoffFault::NotLookedUp {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(LOOK_AGAIN_SECONDS));
        }
        response
    }

    fn problem(&self, status: StatusCode, message: &str) -> Response<Body> {
        self.0.answers.json(status, &json!({ "message": message }))
    }
}

/// A record as a benefit system sends it: a JSON object. (The reader would take a list for its fields in order.)
fn read(sent: &[u8]) -> Option<OpenHandoff> {
    let value: Value = serde_json::from_slice(sent).ok()?;
    let is_whole = value.is_object() && value.get("record").is_none_or(Value::is_object);
    is_whole.then(|| serde_json::from_value(value).ok())?
}

/// Refuses what no decision could be made of, while the system that sent it can still mend it.
///
/// # Errors
/// The field, and what it takes.
fn check(opened: &OpenHandoff) -> Result<(), String> {
    let OpenHandoff { transaction_id, subject_id, scheme, record, .. } = opened;
    let scheme = match scheme.as_str() {
        // The clerk chooses.
        "" => pb::Scheme::Social,
        name => pb::Scheme::from_str_name(name)
            .filter(|scheme| *scheme != pb::Scheme::Unspecified)
            .ok_or("scheme: SCHEME_SOCIAL, SCHEME_HEALTH or SCHEME_UNEMPLOYMENT, or none, and the clerk chooses")?,
    };
    match record.sex.as_str() {
        "" => {}
        name => pb::Sex::from_str_name(name).map(drop).ok_or("record.sex: SEX_MALE, SEX_FEMALE, or none")?,
    }
    let claim = pb::VerifyBeneficiaryRequest {
        // Made where it is empty.
        transaction_id: if transaction_id.is_empty() { "t".to_owned() } else { transaction_id.clone() },
        subject_id: subject_id.clone(),
        scheme: scheme.into(),
        ..Default::default()
    };
    convert::beneficiary_request(claim).map(drop).map_err(|error| error.to_string())
}

/// The last decision of a transaction, as whoever asks may see it, by the call that anybody would make; `None` where
/// there is none for them.
///
/// # Errors
/// [`HandoffFault::OtherRecord`] where it is not about what was handed over: another record's approval pays nobody here;
/// [`HandoffFault::NotLookedUp`] where that cannot be told: a decision that was not looked up is not one that is not made.
async fn decision(
    calls: impl Calls,
    trace: Trace,
    request: &Request<()>,
    opened: &OpenHandoff,
    bearer: Option<HeaderValue>,
) -> Result<Option<Value>, HandoffFault> {
    let Some(found) = found_decision(calls, trace, request, &opened.transaction_id, bearer).await? else {
        return Ok(None);
    };
    let is_of =
        found["subjectId"] == *opened.subject_id && (opened.scheme.is_empty() || found["scheme"] == *opened.scheme);
    if is_of { Ok(Some(found["decision"].clone())) } else { Err(HandoffFault::OtherRecord) }
}

/// The answer of that call.
async fn found_decision(
    calls: impl Calls,
    trace: Trace,
    request: &Request<()>,
    transaction: &str,
    bearer: Option<HeaderValue>,
) -> Result<Option<Value>, HandoffFault> {
    let mut call = Request::new(Body::new(json!({ "transactionId": transaction }).to_string()));
    *call.method_mut() = Verb::POST;
    *call.uri_mut() = Uri::from_static(GET_DECISION);
    *call.version_mut() = Version::HTTP_2;
    let headers = call.headers_mut();
    for name in [AUTHORIZATION, ACCEPT_LANGUAGE] {
        if let Some(value) = request.headers().get(&name) {
            headers.insert(name, value.clone());
        }
    }
    if let Some(bearer) = bearer {
        headers.insert(AUTHORIZATION, bearer);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(peer) = request.extensions().get::<Peer>() {
        call.extensions_mut().insert(peer.clone());
    }
    let Ok(response) = calls.oneshot(TracedRequest { trace, request: call }).await;
    match response.status() {
        StatusCode::OK => {
            let answer = response.into_body().collect().await.map_err(|_| HandoffFault::NotLookedUp)?.to_bytes();
            serde_json::from_slice(&answer).map(Some).map_err(|_| HandoffFault::NotLookedUp)
        }
        // There is none, or none that this caller may see.
        StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => Ok(None),
        _ => Err(HandoffFault::NotLookedUp),
    }
}

#[cfg(test)]
mod tests {
    use tonic::codegen::http::HeaderMap;

    use super::*;

    /// Asks a server that answers the look-up like this.
    async fn found(status: StatusCode, answer: &'static str) -> Result<Option<Value>, HandoffFault> {
        let calls = tower::service_fn(move |_: TracedRequest| async move {
            let mut response = Response::new(Body::new(answer.to_owned()));
            *response.status_mut() = status;
            Ok::<_, std::convert::Infallible>(response)
        });
        let opened = OpenHandoff { transaction_id: "t".into(), subject_id: "record".into(), ..Default::default() };
        decision(calls, Trace::of(&HeaderMap::new()), &Request::new(()), &opened, None).await
    }

    /// Who is told that nothing is decided opens the record once more, or waits for what is there.
    #[tokio::test]
    async fn a_decision_that_was_not_looked_up_is_not_taken_for_one_that_is_not_made() {
        for status in [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN] {
            assert_eq!(found(status, "{}").await, Ok(None));
        }
        for status in [429, 503, 504, 500, 401] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(found(status, "{}").await, Err(HandoffFault::NotLookedUp), "{status}");
        }
        assert_eq!(found(StatusCode::OK, "{").await, Err(HandoffFault::NotLookedUp));
        let decided = r#"{"subjectId": "record", "decision": {"attempt": 1}}"#;
        assert_eq!(found(StatusCode::OK, decided).await, Ok(Some(json!({"attempt": 1}))));
        let other = r#"{"subjectId": "other", "decision": {"attempt": 1}}"#;
        assert_eq!(found(StatusCode::OK, other).await, Err(HandoffFault::OtherRecord));
    }
}
