//! Every method of every service, called over TLS in every role: what `docs/access.md` does not
//! allow is refused.

use std::sync::Arc;

use chinhchu::access::AccessRules;
use chinhchu::context::Role;
use chinhchu::service::tls::{ClientCertificates, Loaded, Tls, TlsOptions};
use chinhchu::service::token_keys::{OpenedTokens, TokenKeys};
use chinhchu::service::{AccessControl, methods};
use http_body_util::{BodyExt, Full};
use prost::bytes::Bytes;
use serde_json::json;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::{Service, ServiceExt};

use crate::fake::Running;
use crate::issuer::{claims, of_file};
use crate::pki::{Pki, channel, client_leaf, start, url};
use crate::signer::{Signer, key_set};
use crate::support::root;

/// The page that people read.
fn page() -> Vec<(String, Vec<bool>)> {
    let text = std::fs::read_to_string(root().join("docs/access.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")).filter(|line| line.contains('/'));
    rows.map(|row| {
        let mut cells = row.trim_end_matches('|').split('|').map(str::trim);
        let path = cells.next().unwrap().trim_end_matches('`').to_owned();
        (path, cells.map(|cell| !cell.is_empty()).collect())
    })
    .collect()
}

/// Messages of no bytes, whatever the method takes and gives.
#[derive(Default)]
struct Nothing;

impl Codec for Nothing {
    type Encode = ();
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        Self
    }
    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Nothing {
    type Item = ();
    type Error = Status;
    fn encode(&mut self, (): (), _: &mut EncodeBuf<'_>) -> Result<(), Status> {
        Ok(())
    }
}

impl Decoder for Nothing {
    type Item = ();
    type Error = Status;
    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        use prost::bytes::Buf;
        bytes.advance(bytes.remaining());
        Ok(Some(()))
    }
}

/// What came of a call without content: the code, and the reason where there is one. In JSON it is the same.
async fn called(channel: &Channel, path: &str, token: Option<&str>) -> (Code, String) {
    let (code, reason) = over_grpc(channel, path, token).await;
    match in_json(channel, path, token).await {
        (200, _) => assert_eq!(code, Code::Ok, "{path}"),
        // No method, and one that streams: nothing is decided.
        (404, told) if told.is_empty() => assert_eq!(code, Code::Unimplemented, "{path}"),
        (415, _) => assert!(["Bulk", "Watch", "Reflection"].iter().any(|name| path.contains(name)), "{path}"),
        (status, told) => assert_eq!(told, reason, "{path}: {status} {code:?}"),
    }
    (code, reason)
}

/// The HTTP status of the same call in JSON, and the reason where there is one.
async fn in_json(channel: &Channel, path: &str, token: Option<&str>) -> (u16, String) {
    let mut request = http::Request::post(path).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = tonic::body::Body::new(Full::from(Bytes::from_static(b"{}")));
    let response = channel.clone().ready().await.unwrap().call(request.body(body).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let details = told["details"].as_array().map(Vec::as_slice).unwrap_or_default();
    let reason = details.iter().find_map(|detail| detail["debug"]["reason"].as_str());
    (status, reason.unwrap_or_default().to_owned())
}

async fn over_grpc(channel: &Channel, path: &str, token: Option<&str>) -> (Code, String) {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let mut request = tonic::Request::new(tokio_stream::once(()));
    request.set_timeout(std::time::Duration::from_secs(20));
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let answered = client.streaming(request, path.parse().unwrap(), Nothing).await;
    let status = match answered {
        // The first answer, or the end without one; a watch goes on for ever.
        Ok(answer) => answer.into_inner().message().await.err(),
        Err(status) => Some(status),
    };
    let Some(status) = status else { return (Code::Ok, String::new()) };
    let reason = status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default();
    (status.code(), reason)
}

/// A server that knows a machine of each role but officer, and officers by tokens of a file.
async fn office(pki: &Pki) -> Running {
    let mut access = String::new();
    for role in Role::ALL.iter().map(|role| role.name()).filter(|role| *role != "officer") {
        pki.issue(role, &client_leaf(role));
        access += &format!(
            "[machines.{role}]\nuri = \"spiffe://vss.test/{role}\"\nroles = [\"{role}\"]\nunit = \"Q1\"\nprovince = \"79\"\n"
        );
    }
    pki.issue("nobody", &client_leaf("nobody"));
    let names: Vec<_> = methods().into_iter().map(|(name, _)| name).collect();
    let rules = AccessRules::new(&toml::from_str(&access).unwrap(), &names).unwrap();
    let signer = Signer::ed25519([1; 32]);
    let keys = pki.path("jwks.json");
    std::fs::write(&keys, key_set(&[signer.jwk("one")])).unwrap();
    let keys = TokenKeys::start(OpenedTokens::open(of_file(&keys).check().unwrap()).unwrap(), None).await;
    let control = AccessControl::new(rules, Some(Arc::new(keys)));
    let options = TlsOptions { client_certificates: ClientCertificates::Optional, ..pki.options() };
    let tls = Tls::new(Loaded::read(&options).unwrap());
    start(&tls, |options| options.access = Some(control)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_call_what_the_page_of_access_says_and_nothing_else() {
    let page = page();
    assert!(page.len() > 20, "the page has a row for each method: {page:?}");
    let pki = Pki::new();
    let server = office(&pki).await;
    let channel = async |name: &str| {
        let own = [".pem", ".key"].map(|ending| pki.path(&format!("{name}{ending}")));
        channel(&url(&server), &pki.path("ca.pem"), Some((&own[0], &own[1]))).await
    };
    let mut person = claims();
    let more = json!({"roles": ["officer"], "unit": "Q1", "province": "79"});
    person.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let officer = Signer::ed25519([1; 32]).token("one", &person);
    let bare = crate::pki::channel(&url(&server), &pki.path("ca.pem"), None).await;
    for (at, role) in Role::ALL.iter().enumerate() {
        let is_person = role.name() == "officer";
        let channel = if is_person { bare.clone() } else { channel(role.name()).await };
        for (method, may) in &page {
            let said = called(&channel, &format!("/{method}"), is_person.then_some(officer.as_str())).await;
            let refused = said == (Code::PermissionDenied, "ROLE_NOT_ALLOWED".to_owned());
            // An officer enrols photos to vouch for alone, and this request has none.
            let is_no_vouch = is_person && method.ends_with("/Enroll");
            assert_eq!(refused, !may[at] || is_no_vouch, "{method} as {}: {said:?}", role.name());
            assert!(!matches!(said.0, Code::Unauthenticated | Code::Unimplemented), "{method}: {said:?}");
        }
        // What is in no row is refused, or is not there, also to those who may call everything beside it.
        for method in ["chinhchu.v1.Verification/Guess", "chinhchu.local.v1.Snapshots/Read", "x/y"] {
            let (code, _) = called(&channel, &format!("/{method}"), is_person.then_some(officer.as_str())).await;
            assert_eq!(code, Code::Unimplemented, "{method} as {}", role.name());
        }
    }
    let nobody = channel("nobody").await;
    for (method, may) in page {
        let by_nobody = called(&bare, &format!("/{method}"), None).await;
        let by_stranger = called(&nobody, &format!("/{method}"), None).await;
        if method.starts_with("grpc.health") {
            assert!(may.iter().all(|may| *may) && by_nobody.0 == Code::Ok && by_stranger.0 == Code::Ok, "{method}");
        } else {
            assert_eq!(by_nobody, (Code::Unauthenticated, "UNAUTHENTICATED".to_owned()), "{method}");
            assert_eq!(by_stranger, (Code::PermissionDenied, "MACHINE_UNKNOWN".to_owned()), "{method}");
        }
    }
}
