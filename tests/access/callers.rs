//! Who is known, by certificate and by the token of a real provider, and what each may do and see,
//! over TLS.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use chinhchu::access::AccessRules;
use chinhchu::context::Principal;
use chinhchu::gallery::{
    DecisionKey, HoldName, Note, Outcome, RequestAnswer, RequestId, RequestKind, Requester, StandingAction, SubjectId,
};
use chinhchu::service::tls::{ClientCertificates, Loaded, Tls, TlsOptions};
use chinhchu::service::token_keys::{OpenedTokens, TokenKeys};
use chinhchu::service::{AccessControl, AnswerCall, Client, ClientError, ClientOptions, RightsCall, methods, pb};
use chinhchu::workflow::beneficiary::{PageRequest, ResolveReferral};
use chinhchu::workflow::requests::RequestsWanted;
use serde_json::{Value, json};

use crate::fake::{Running, verify_request};
use crate::pki::{Pki, channel, client_leaf, start, url};
use crate::provider::Provider;
use crate::signer::{Signer, encoded};
use crate::tokens::section;

const ACCESS: &str = r#"
    [machines.payments]
    uri = "spiffe://vss.test/payments"
    roles = ["workflow"]
    [machines.desk]
    uri = "spiffe://vss.test/desk"
    roles = ["counter"]
    unit = "Q1"
    province = "79"
    [machines.office]
    uri = "spiffe://vss.test/office"
    people = ["counter", "officer"]
    unit = "Q1"
    province = "79"
    [machines.review]
    uri = "spiffe://vss.test/review"
    roles = ["auditor"]
    [machines.other-desk]
    uri = "spiffe://vss.test/other-desk"
    roles = ["counter"]
    unit = "Q2"
"#;

/// A server whose callers may come with a certificate, with a token, or with both.
struct Office {
    pki: Pki,
    provider: Provider,
    server: Running,
    access: AccessControl,
}

impl Office {
    async fn open() -> Option<Self> {
        let provider = Provider::start()?;
        let pki = Pki::new();
        for name in ["payments", "office", "other-desk", "review", "stranger"] {
            pki.issue(name, &client_leaf(name));
        }
        let names: Vec<_> = methods().into_iter().map(|(name, _)| name).collect();
        let rules = AccessRules::new(&toml::from_str(ACCESS).unwrap(), &names).unwrap();
        let opened = OpenedTokens::open(section(&provider.address).check().unwrap()).unwrap();
        let keys = TokenKeys::start(opened, None).await;
        let access = AccessControl::new(rules, Some(Arc::new(keys)));
        let options = TlsOptions { client_certificates: ClientCertificates::Optional, ..pki.options() };
        let tls = Tls::new(Loaded::read(&options).unwrap());
        let control = access.clone();
        let server = start(&tls, |options| options.access = Some(control)).await;
        Some(Self { pki, provider, server, access })
    }

    /// What a client with this certificate and this token brings.
    fn options(&self, certificate: Option<&str>, token: Option<&str>) -> ClientOptions {
        let token_file = token.map(|token| self.pki.write("token", token));
        match certificate {
            Some(name) => ClientOptions { token_file, ..self.pki.client(name) },
            None => ClientOptions { certificate: None, key: None, token_file, ..self.pki.client("desk") },
        }
    }

    async fn client(&self, certificate: Option<&str>, token: Option<&str>) -> Client {
        Client::connect_with(&url(&self.server), &self.options(certificate, token)).await.unwrap()
    }

    /// A token that the provider signs, of somebody with these claims beside the usual ones.
    fn token(&self, claims: Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut all = json!({
            "iss": self.provider.address, "aud": "chinhchu", "sub": "person-1", "iat": now, "exp": now + 600,
        });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        self.provider.sign(json!({"alg": "ES256", "typ": "at+jwt"}), all)
    }
}

fn reason<T>(answer: Result<T, ClientError>) -> String {
    match answer {
        Ok(_) => "answered".to_owned(),
        Err(error) => {
            assert!(!error.vi.is_empty() && !error.en.is_empty(), "{error:?}");
            error.reason
        }
    }
}

fn answer(officer: &str) -> ResolveReferral {
    ResolveReferral {
        key: DecisionKey::new(RequestId::new("t").unwrap(), 1).unwrap(),
        officer: SubjectId::new(officer).unwrap(),
        outcome: Outcome::Approve,
        reason: Note::new("papers compared").unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_known_by_its_certificate_its_token_or_both_and_by_nothing_else() {
    let Some(office) = Office::open().await else { return };
    let officer = office.provider.token("chinhchu", "ES256");
    let clerk = office.token(json!({"roles": ["counter"], "unit": "Q1"}));
    let elsewhere = office.token(json!({"roles": ["counter"], "unit": "Q2"}));
    let abroad = office.token(json!({"roles": ["counter"], "province": "01"}));
    for (certificate, token, expected) in [
        (Some("payments"), None, "answered"),
        (Some("desk"), None, "answered"),
        (None, Some(&clerk), "answered"),
        (Some("desk"), Some(&clerk), "answered"),
        (Some("office"), Some(&clerk), "answered"),
        // Where officers act, clerks bring a token as well.
        (Some("office"), None, "ROLE_NOT_ALLOWED"),
        (None, None, "UNAUTHENTICATED"),
        // Of the right authority, and nobody's.
        (Some("stranger"), None, "MACHINE_UNKNOWN"),
        (Some("stranger"), Some(&clerk), "MACHINE_UNKNOWN"),
        // The certificate of one place with the token of another.
        (Some("desk"), Some(&elsewhere), "CALLER_PLACES_DIFFER"),
        (Some("other-desk"), Some(&clerk), "CALLER_PLACES_DIFFER"),
        (Some("desk"), Some(&abroad), "CALLER_PLACES_DIFFER"),
        // An officer's unit is BHXH-Q1; and officers verify nobody.
        (Some("desk"), Some(&officer), "CALLER_PLACES_DIFFER"),
        (None, Some(&officer), "ROLE_NOT_ALLOWED"),
    ] {
        let client = office.client(certificate, token.map(String::as_str)).await;
        // A desk's answer has no rates, which this client asks for.
        let said = reason(client.verify(verify_request(b"x")).await).replace("BAD_ANSWER", "answered");
        assert_eq!(said, expected, "{certificate:?}, token {}", token.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_the_providers_own_and_in_force_is_refused_on_the_wire() {
    let Some(office) = Office::open().await else { return };
    let good = office.token(json!({"roles": ["auditor"]}));
    let parts: Vec<&str> = good.split('.').collect();
    let none = encoded(br#"{"alg":"none","typ":"at+jwt"}"#);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let hs256 = {
        use hmac::{Hmac, KeyInit, Mac};
        let message = format!("{}.{}", encoded(br#"{"alg":"HS256","typ":"at+jwt"}"#), parts[1]);
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(office.provider.keys().as_bytes()).unwrap();
        mac.update(message.as_bytes());
        format!("{message}.{}", encoded(&mac.finalize().into_bytes()))
    };
    let own = Signer::new("ES256");
    let claims = json!({"iss": office.provider.address, "aud": "chinhchu", "sub": "p", "iat": now, "exp": now + 60});
    for (what, token, expected) in [
        ("good", good.clone(), "answered"),
        ("none", format!("{none}.{}.", parts[1]), "TOKEN_REFUSED"),
        ("HS256 by the public keys", hs256, "TOKEN_REFUSED"),
        ("another signature", format!("{}.{}.{}", parts[0], parts[1], encoded(&[7; 64])), "TOKEN_REFUSED"),
        ("another key", own.token("key", &claims), "TOKEN_REFUSED"),
        ("another audience", office.token(json!({"aud": "payroll", "roles": ["auditor"]})), "TOKEN_REFUSED"),
        ("expired", office.token(json!({"iat": now - 900, "exp": now - 300, "roles": ["auditor"]})), "TOKEN_EXPIRED"),
        ("from the future", office.token(json!({"iat": now + 900, "exp": now + 1200})), "TOKEN_REFUSED"),
        ("another issuer", office.token(json!({"iss": "https://elsewhere.example"})), "TOKEN_REFUSED"),
        ("without a role", office.token(json!({"roles": ["root", "admin"]})), "ROLE_NOT_ALLOWED"),
        ("junk", "a.b.c".to_owned(), "TOKEN_REFUSED"),
    ] {
        let client = office.client(None, Some(&token)).await;
        let said = reason(client.count_subjects(Default::default()).await);
        assert_eq!(said, expected, "{what}");
    }
}

/// A new token makes the server ask, and those of the keys before end.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_signed_by_a_key_that_the_provider_has_withdrawn_is_refused() {
    let Some(office) = Office::open().await else { return };
    let good = office.token(json!({"roles": ["auditor"]}));
    let client = office.client(None, Some(&good)).await;
    assert_eq!(reason(client.count_subjects(Default::default()).await), "answered");
    office.provider.rotate();
    let renewed = office.token(json!({"roles": ["auditor"]}));
    let client = office.client(None, Some(&renewed)).await;
    assert_eq!(reason(client.count_subjects(Default::default()).await), "answered");
    let client = office.client(None, Some(&good)).await;
    assert_eq!(reason(client.count_subjects(Default::default()).await), "TOKEN_REFUSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_officer_answers_as_nobody_else() {
    let Some(office) = Office::open().await else { return };
    let token = office.token(json!({"sub": "officer-1", "roles": ["officer"], "unit": "Q1"}));
    let client = office.client(Some("office"), Some(&token)).await;
    assert_eq!(reason(client.resolve_referral(answer("officer-2")).await), "NOT_YOUR_ID");
    assert_eq!(reason(client.resolve_referral(answer("officer-1")).await), "answered");
    // Left out, it is the caller's own.
    let channel = office.channel(Some("office")).await;
    let mut beneficiary = pb::beneficiary_client::BeneficiaryClient::new(channel);
    let request = pb::ResolveReferralRequest {
        transaction_id: "t".into(),
        attempt: 1,
        officer_id: String::new(),
        outcome: pb::Outcome::Approve.into(),
        reason: "papers compared".into(),
    };
    let mut request = tonic::Request::new(request);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    beneficiary.resolve_referral(request).await.unwrap();
    // Whoever speaks for officers without being one is none.
    let client = office.client(Some("payments"), None).await;
    assert_eq!(reason(client.resolve_referral(answer("officer-1")).await), "ROLE_NOT_ALLOWED");
}

/// No one role can both free a record and erase it, and whoever is paid by a case frees none.
#[tokio::test(flavor = "multi_thread")]
async fn each_right_over_a_record_is_its_roles_own_and_done_in_the_callers_name() {
    let Some(office) = Office::open().await else { return };
    let subject = SubjectId::new("record-1").unwrap();
    let reason_given = Note::new("as was asked").unwrap();
    let hold = HoldName::new("VKS-12").unwrap();
    let actions = [
        StandingAction::Restrict(Requester::Person),
        StandingAction::Lift,
        StandingAction::Hold(hold.clone()),
        StandingAction::Release(hold),
    ];
    let tried = async |role: &str, by: Option<&SubjectId>| {
        let token = office.token(json!({"sub": format!("{role}-1"), "roles": [role], "unit": "Q1"}));
        let client = office.client(None, Some(&token)).await;
        let call = RightsCall { request_id: None, subject: &subject, by, reason: &reason_given };
        let mut told = Vec::new();
        for action in &actions {
            told.push(reason(client.change_standing(call, action).await));
        }
        told.push(reason(client.erase(call, Requester::Person, true).await));
        told.push(reason(client.report(&subject).await));
        told
    };
    let (yes, no) = ("answered", "ROLE_NOT_ALLOWED");
    for (role, expected) in [
        ("officer", [yes, no, yes, no, no, yes]),
        ("auditor", [yes, yes, yes, yes, no, yes]),
        ("registrar", [no, no, no, no, yes, no]),
        ("counter", [no; 6]),
        ("workflow", [no; 6]),
        ("operator", [no; 6]),
    ] {
        assert_eq!(tried(role, None).await, expected, "{role}");
    }
    // What a person asks for is entered and ended by whoever speaks with them, in their own name.
    let asked = async |role: &str, by: Option<&SubjectId>| {
        let token = office.token(json!({"sub": format!("{role}-1"), "roles": [role], "unit": "Q1"}));
        let client = office.client(None, Some(&token)).await;
        let call = RightsCall { request_id: None, subject: &subject, by, reason: &reason_given };
        let answer = |answer| AnswerCall { request_id: None, number: 7, answer, by, reason: &reason_given };
        [
            reason(client.open_request(call, RequestKind::Access, Requester::Person, None).await),
            reason(client.answer_request(answer(RequestAnswer::Acknowledge)).await),
            reason(client.answer_request(answer(RequestAnswer::Complete)).await),
            reason(client.requests(&RequestsWanted::default(), PageRequest::default()).await),
        ]
    };
    for (role, expected) in [("officer", yes), ("auditor", yes), ("registrar", yes), ("counter", no), ("workflow", no)]
    {
        assert_eq!(asked(role, None).await, [expected; 4], "{role}");
    }
    assert_eq!(office.server.control.opened.lock().unwrap().take().unwrap().by.as_str(), "registrar-1");
    assert_eq!(
        office.server.control.request_answered.lock().unwrap().take().unwrap().answer.by.as_str(),
        "registrar-1"
    );
    let somebody = SubjectId::new("somebody-else").unwrap();
    assert_eq!(asked("officer", Some(&somebody)).await[..3], ["NOT_YOUR_ID"; 3]);
    let erasure = office.server.control.erasure.lock().unwrap().take().unwrap();
    assert_eq!(erasure.erase.by.as_str(), "registrar-1", "in the caller's own name");
    let other = SubjectId::new("somebody-else").unwrap();
    assert_eq!(tried("auditor", Some(&other)).await[..4], ["NOT_YOUR_ID"; 4]);
}

/// Challenges for chips belong to whoever asked. A clerk is the same when the token was renewed
/// between question and answer, and is not the desk that they sit at.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_a_challenge_is_the_same_when_its_answer_comes_with_a_renewed_token() {
    let Some(office) = Office::open().await else { return };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let token = |expires_in_s: u64| {
        let exp = now + expires_in_s;
        office.token(json!({"sub": "clerk-1", "roles": ["counter"], "unit": "Q1", "exp": exp}))
    };
    let (first, renewed) = (token(600), token(1200));
    let transaction = RequestId::new("t-1").unwrap();
    let asks = async |certificate, token: Option<&String>| {
        let client = office.client(certificate, token.map(String::as_str)).await;
        client.new_challenge(&transaction).await.unwrap();
        office.server.control.contexts.lock().unwrap().last().unwrap().principal().clone()
    };
    let person = |machine: Option<&str>| Principal::Person { id: "clerk-1".into(), machine: machine.map(Into::into) };
    assert_eq!(asks(Some("desk"), None).await, Principal::Machine { name: "desk".into() });
    let asked = asks(Some("desk"), Some(&first)).await;
    assert_eq!(asked, person(Some("desk")));
    assert_eq!(asks(None, Some(&first)).await, person(None));

    let mut beneficiary = pb::beneficiary_client::BeneficiaryClient::new(office.channel(Some("desk")).await);
    let mut request = tonic::Request::new(pb::VerifyBeneficiaryRequest {
        transaction_id: "t-1".into(),
        subject_id: "s".into(),
        scheme: pb::Scheme::Social.into(),
        frames: vec![vec![1]],
        ..Default::default()
    });
    request.metadata_mut().insert("authorization", format!("Bearer {renewed}").parse().unwrap());
    beneficiary.verify_beneficiary(request).await.unwrap();
    let contexts = office.server.control.contexts.lock().unwrap();
    assert_eq!(contexts.last().unwrap().principal(), &asked);
}

impl Office {
    async fn channel(&self, certificate: Option<&str>) -> tonic::transport::Channel {
        let own = certificate.map(|name| [".pem", ".key"].map(|ending| self.pki.path(&format!("{name}{ending}"))));
        let own = own.as_ref().map(|[certificate, key]| (certificate.as_path(), key.as_path()));
        channel(&url(&self.server), &self.pki.path("ca.pem"), own).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desk_sees_no_score_and_sets_no_rate_and_a_workflow_system_does_both() {
    let Some(office) = Office::open().await else { return };
    let verify = async |certificate, fmr| {
        let mut client = pb::verification_client::VerificationClient::new(office.channel(Some(certificate)).await);
        let request =
            pb::VerifyRequest { reference: b"x".to_vec(), probes: vec![b"x".to_vec()], fmr, reference_kind: 0 };
        client.verify(request).await.map(tonic::Response::into_inner)
    };
    let whole = verify("payments", Some(1e-4)).await.unwrap();
    assert!(whole.score != 0.0 && whole.fmr.is_some() && whole.threshold.is_some());
    let desk = verify("desk", None).await.unwrap();
    assert_eq!(desk.decision, whole.decision);
    assert!(desk.score == 0.0 && desk.fmr.is_none() && desk.threshold.is_none() && desk.curve.is_none());
    assert!(desk.probes.iter().all(|probe| probe.liveness.is_none() && probe.quality.is_none()));
    let refused = verify("desk", Some(1e-4)).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    let details = tonic_types::StatusExt::get_error_details(&refused);
    assert_eq!(details.error_info().unwrap().reason, "FIELD_NOT_ALLOWED");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_are_read_anew_hold_for_the_next_call_on_an_open_connection() {
    let Some(office) = Office::open().await else { return };
    let client = office.client(Some("payments"), None).await;
    assert_eq!(reason(client.verify(verify_request(b"x")).await), "answered");
    let names: Vec<_> = methods().into_iter().map(|(name, _)| name).collect();
    let without = format!("{ACCESS}[roles.workflow]\nwithout = [\"Verify\"]\n");
    office.access.replace(AccessRules::new(&toml::from_str(&without).unwrap(), &names).unwrap());
    assert_eq!(reason(client.verify(verify_request(b"x")).await), "ROLE_NOT_ALLOWED");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_to_anyone_and_reflection_to_operators_alone() {
    let Some(office) = Office::open().await else { return };
    let channel = office.channel(None).await;
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel.clone());
    health.check(tonic_health::pb::HealthCheckRequest::default()).await.unwrap();
    let reflect = async |token: Option<String>| {
        use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
        let mut client = ServerReflectionClient::new(channel.clone());
        let mut request = tonic::Request::new(tokio_stream::empty());
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        client.server_reflection_info(request).await.map(drop).map_err(|status| status.code())
    };
    assert_eq!(reflect(None).await, Err(tonic::Code::Unauthenticated));
    let auditor = office.token(json!({"roles": ["auditor"]}));
    assert_eq!(reflect(Some(auditor)).await, Err(tonic::Code::PermissionDenied));
    let operator = office.token(json!({"roles": ["operator"]}));
    assert_eq!(reflect(Some(operator)).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desk_names_no_policy_and_a_machine_nobody_but_itself() {
    let Some(office) = Office::open().await else { return };
    let ask = async |certificate, policy: &str| {
        let channel = office.channel(Some(certificate)).await;
        let mut beneficiary = pb::beneficiary_client::BeneficiaryClient::new(channel);
        let request = pb::VerifyBeneficiaryRequest {
            transaction_id: "t".into(),
            attempt: 1,
            subject_id: "s".into(),
            scheme: pb::Scheme::Social.into(),
            frames: vec![b"x".to_vec()],
            policy: policy.into(),
            ..Default::default()
        };
        match beneficiary.verify_beneficiary(request).await {
            Ok(_) => "answered".to_owned(),
            Err(status) => {
                let details = tonic_types::StatusExt::get_error_details(&status);
                details.error_info().map(|info| info.reason.clone()).unwrap_or_default()
            }
        }
    };
    // Whoever chose among policies with different rates would decide by the laxest.
    assert_eq!(ask("desk", "loose").await, "FIELD_NOT_ALLOWED");
    for (certificate, policy) in [("desk", ""), ("desk", "default"), ("payments", "loose")] {
        assert_eq!(ask(certificate, policy).await, "answered", "{certificate} {policy:?}");
    }
    let end = async |officer: &str| {
        let channel = office.channel(Some("review")).await;
        let mut cases = pb::cases_client::CasesClient::new(channel);
        let request = pb::UnclearPairRequest {
            subject_id_a: "a".into(),
            subject_id_b: "b".into(),
            officer_id: officer.into(),
            reason: "no twins".into(),
        };
        cases.unclear_pair(request).await.map(drop).map_err(|status| {
            let details = tonic_types::StatusExt::get_error_details(&status);
            details.error_info().map(|info| info.reason.clone()).unwrap_or_default()
        })
    };
    assert_eq!(end("officer-1").await, Err("NOT_YOUR_ID".to_owned()));
    assert_eq!(end("").await, Ok(()));
}
