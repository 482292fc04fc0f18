//! Tests of who may call what, through the request layers.

use std::time::SystemTime;

use tokio_util::sync::CancellationToken;
use tower::{ServiceExt, service_fn};

use super::*;
use crate::access::token::TokenError;
use crate::access::{AccessRules, AccessSettings, CertificateNames, PersonClaims};
use crate::context::{Principal, Reach, Role};
use crate::service::ServeOptions;
use crate::service::access::{AccessControl, TokenCheck, methods};
use crate::service::connections::{Connections, WhenFull};
use crate::service::incoming::Peer;
use crate::service::method::TABLE;

/// Which roles may call each method: what the table of methods promises.
const MAY: &str = "
Verify: workflow counter clinic
Identify: workflow officer auditor
Assess: workflow counter clinic registrar
Enroll: registrar officer
BulkEnroll: registrar
Remove: registrar
GetSubject: workflow registrar officer auditor
ListSubjects: registrar auditor
CountSubjects: registrar auditor operator
NewChallenge: workflow counter clinic
VerifyBeneficiary: workflow counter clinic
ResolveReferral: officer
ClearPair: officer
GetDecision: workflow counter clinic officer auditor
GetPictures: officer auditor
ListDecisions: workflow officer auditor
ListReferrals: officer auditor
ListRepeatedCaptures: auditor
ListClearedPairs: auditor
UnclearPair: officer auditor
Prove: workflow officer auditor
GetCheckpoint: workflow officer auditor operator
ListEntries: auditor
Restrict: officer auditor
LiftRestriction: auditor
Hold: officer auditor
ReleaseHold: auditor
Erase: registrar
ReportSubject: officer auditor
OpenRequest: registrar officer auditor
AcknowledgeRequest: registrar officer auditor
CloseRequest: registrar officer auditor
ListRequests: registrar officer auditor
Check: anyone
Watch: anyone
ServerReflectionInfo: operator
";

/// Tokens that are the names of roles, and of what is wrong with them.
struct RoleNames;

#[async_trait::async_trait]
impl TokenCheck for RoleNames {
    async fn check_again(&self, token: &str) -> Result<PersonClaims, TokenError> {
        match token {
            // By a key that the issuer has published meanwhile.
            "rotated" => self.check("auditor"),
            token => self.check(token),
        }
    }

    fn check(&self, token: &str) -> Result<PersonClaims, TokenError> {
        let roles = match token {
            "expired" => return Err(TokenError::Expired),
            "unchecked" => return Err(TokenError::KeysMissing),
            "withdrawn" | "rotated" => return Err(TokenError::KeyUnknown),
            "nobody" => Vec::new(),
            name => vec![Role::from_name(name).ok_or(TokenError::Signature)?],
        };
        Ok(PersonClaims {
            subject: format!("person-{token}"),
            roles: roles.into_iter().collect(),
            unit: Some("Q1".into()),
            province: None,
            expires_at: SystemTime::now(),
        })
    }
}

const SETTINGS: &str = r#"
    [machines.payments]
    uri = "urn:payments"
    roles = ["workflow"]
    [machines.elsewhere]
    uri = "urn:elsewhere"
    roles = ["counter"]
    unit = "Q2"
"#;

fn shared() -> Arc<Shared> {
    shared_with("")
}

fn shared_with(more: &str) -> Arc<Shared> {
    let settings: AccessSettings = toml::from_str(&format!("{SETTINGS}{more}")).unwrap();
    let names: Vec<_> = methods().iter().map(|(name, _)| *name).collect();
    let access = AccessControl::new(AccessRules::new(&settings, &names).unwrap(), Some(Arc::new(RoleNames)));
    Shared::new(&ServeOptions { access: Some(access), ..ServeOptions::default() }, false)
}

/// A call from a machine with this URI in its certificate, with these values of `authorization`:
/// what the handler is told, or the refusal's code and reason.
async fn call(
    shared: &Arc<Shared>,
    path: &str,
    uri: Option<&str>,
    authorization: &[&str],
) -> Result<Option<RequestContext>, (Code, String)> {
    let connections = Connections::new(1, WhenFull::Wait, CancellationToken::new());
    let slot = connections.enter().unwrap();
    let grpc =
        Request::builder().version(tonic::codegen::http::Version::HTTP_2).header("content-type", "application/grpc");
    let mut request = grpc.uri(path).body(Body::empty()).unwrap();
    for value in authorization {
        request.headers_mut().append("authorization", value.parse().unwrap());
    }
    let certificate = uri.map(|uri| Arc::new(CertificateNames { uris: vec![uri.to_owned()], dns: Vec::new() }));
    request.extensions_mut().insert(Peer { number: 1, activity: Arc::clone(&slot.activity), certificate });
    let (told, mut tell) = tokio::sync::mpsc::unbounded_channel();
    let routes = service_fn(move |request: Request<Body>| {
        told.send(request.extensions().get::<Call>().map(|call| call.context.clone())).unwrap();
        async { Ok::<_, Infallible>(Response::new(Body::empty())) }
    });
    let Ok(response) = RequestLayers(Arc::clone(shared)).layer(routes).oneshot(request).await;
    match response.extensions().get::<Status>() {
        None => Ok(tell.recv().await.expect("the routes were reached")),
        Some(status) => {
            assert!(tell.recv().await.is_none(), "{path} was reached and refused");
            let details = tonic_types::StatusExt::get_error_details(status);
            let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
            Err((status.code(), reason))
        }
    }
}

#[tokio::test]
async fn a_role_may_call_what_the_table_says_and_nothing_else() {
    let shared = shared();
    let may: Vec<(&str, Vec<&str>)> = MAY
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(method, roles)| (method, roles.split(' ').collect()))
        .collect();
    for row in &TABLE {
        let (_, roles) = may.iter().find(|(method, _)| *method == row.method.name()).expect(row.path);
        for role in Role::ALL {
            let answered = call(&shared, row.path, None, &[&format!("Bearer {}", role.name())]).await;
            let expected = roles.contains(&role.name()) || roles == &["anyone"];
            assert_eq!(answered.is_ok(), expected, "{} as {}: {answered:?}", row.path, role.name());
            if !expected {
                assert_eq!(answered.unwrap_err(), (Code::PermissionDenied, "ROLE_NOT_ALLOWED".into()));
            }
        }
        for (uri, tokens, refusal) in [
            (None, &[][..], (Code::Unauthenticated, "UNAUTHENTICATED")),
            (None, &["Bearer nobody"], (Code::PermissionDenied, "ROLE_NOT_ALLOWED")),
            (None, &["Bearer junk"], (Code::Unauthenticated, "TOKEN_REFUSED")),
            (None, &["Basic officer"], (Code::Unauthenticated, "TOKEN_REFUSED")),
            (None, &["Bearer withdrawn"], (Code::Unauthenticated, "TOKEN_REFUSED")),
            (None, &["Bearer expired"], (Code::Unauthenticated, "TOKEN_EXPIRED")),
            (None, &["Bearer unchecked"], (Code::Unavailable, "TOKEN_UNCHECKED")),
            (None, &["Bearer auditor", "Bearer officer"], (Code::Unauthenticated, "TOKEN_REFUSED")),
            (Some("urn:nobody"), &[], (Code::PermissionDenied, "MACHINE_UNKNOWN")),
            (Some("urn:nobody"), &["Bearer auditor"], (Code::PermissionDenied, "MACHINE_UNKNOWN")),
            (Some("urn:payments"), &["Bearer junk"], (Code::Unauthenticated, "TOKEN_REFUSED")),
            (Some("urn:elsewhere"), &["Bearer auditor"], (Code::PermissionDenied, "CALLER_PLACES_DIFFER")),
        ] {
            let answered = call(&shared, row.path, uri, tokens).await;
            match roles == &["anyone"] {
                true => assert!(answered.is_ok(), "{}", row.path),
                false => assert_eq!(answered.unwrap_err(), (refusal.0, refusal.1.into()), "{} {tokens:?}", row.path),
            }
        }
    }
}

#[tokio::test]
async fn a_handler_is_told_who_calls_in_which_roles_and_from_where() {
    let shared = shared();
    let officer = call(&shared, "/chinhchu.v1.Cases/GetDecision", None, &["bearer officer"]).await.unwrap().unwrap();
    assert_eq!(officer.principal(), &Principal::Person { id: "person-officer".into(), machine: None });
    assert_eq!((officer.unit(), officer.reach()), (Some("Q1"), Reach::OwnPlace));
    assert_eq!(officer.roles().iter().collect::<Vec<_>>(), [Role::Officer]);
    let payments = call(&shared, "/chinhchu.v1.Verification/Verify", Some("urn:payments"), &[]).await.unwrap().unwrap();
    assert_eq!(payments.principal(), &Principal::Machine { name: "payments".into() });
    assert_eq!((payments.unit(), payments.reach()), (None, Reach::Everything));
    let person = call(&shared, "/chinhchu.v1.Verification/Verify", Some("urn:payments"), &["Bearer counter"]).await;
    let expected = Principal::Person { id: "person-counter".into(), machine: Some("payments".into()) };
    assert_eq!(person.unwrap().unwrap().principal(), &expected);
}

#[tokio::test]
async fn a_caller_that_calls_too_often_is_refused_with_a_hint_and_others_are_not() {
    // The burst is a tenth of them.
    let shared = shared_with("[roles.clinic]\ncalls_per_minute = 20\n[roles.auditor]\nidentifications_per_day = 1");
    let verify = "/chinhchu.v1.Verification/Verify";
    for _ in 0..2 {
        call(&shared, verify, None, &["Bearer clinic"]).await.unwrap();
    }
    let refused = call(&shared, verify, None, &["Bearer clinic"]).await.unwrap_err();
    assert_eq!(refused, (Code::ResourceExhausted, "LIMIT_REACHED".into()));
    call(&shared, verify, None, &["Bearer counter"]).await.unwrap();
    let identify = "/chinhchu.v1.Verification/Identify";
    call(&shared, identify, None, &["Bearer auditor"]).await.unwrap();
    let refused = call(&shared, identify, None, &["Bearer auditor"]).await.unwrap_err();
    assert_eq!(refused, (Code::ResourceExhausted, "LIMIT_REACHED".into()));
    call(&shared, "/chinhchu.v1.Cases/ListReferrals", None, &["Bearer auditor"]).await.unwrap();
}

#[tokio::test]
async fn a_token_by_a_key_that_is_not_known_yet_is_believed_once_the_issuer_was_asked() {
    let shared = shared();
    let referrals = "/chinhchu.v1.Cases/ListReferrals";
    call(&shared, referrals, None, &["Bearer rotated"]).await.unwrap();
    let refused = call(&shared, referrals, None, &["Bearer withdrawn"]).await.unwrap_err();
    assert_eq!(refused, (Code::Unauthenticated, "TOKEN_REFUSED".into()));
}

#[tokio::test]
async fn rules_that_are_replaced_hold_for_the_next_call() {
    let shared = shared();
    let verify = "/chinhchu.v1.Verification/Verify";
    call(&shared, verify, Some("urn:payments"), &[]).await.unwrap();
    let none = AccessRules::new(&AccessSettings::default(), &[]).unwrap();
    shared.access.as_ref().unwrap().replace(none);
    let refused = call(&shared, verify, Some("urn:payments"), &[]).await.unwrap_err();
    assert_eq!(refused.1, "MACHINE_UNKNOWN");
}
