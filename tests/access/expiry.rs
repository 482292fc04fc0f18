//! What expires while the server runs: certificates of clients, revocation lists, its own certificate.

use std::time::{Duration, SystemTime};

use chinhchu::service::tls::{CERTIFICATE_HEALTH, Loaded, Tls, TlsOptions};
use chinhchu::tools::Leaf;
use rustls::version::TLS13;
use rustls::{AlertDescription, Error};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::fake::{SOON, verify_request};
use crate::pki::{self, DAY, Pki, client_leaf, connect, handshake, server_leaf, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_ends_with_its_clients_certificate() {
    let pki = Pki::new();
    let now = SystemTime::now();
    let brief = Leaf { valid: now - Duration::from_secs(60)..now + Duration::from_secs(3), ..client_leaf("brief") };
    pki.issue("brief", &brief);
    let server = start(&pki.tls(), |_| {}).await;
    let client = connect(&server, &pki.client("brief")).await.unwrap();
    let call = tokio::spawn(async move { client.verify(verify_request(b"slow")).await });
    server.control.until_running(1).await;
    tokio::time::timeout(SOON, call).await.expect("it is cut").unwrap().expect_err("expired");
    assert!(SystemTime::now() >= now + Duration::from_secs(2), "and not before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_out_of_date_refuses_new_connections_and_open_ones_go_on() {
    let pki = Pki::new();
    let due_at = SystemTime::now() + Duration::from_secs(3);
    let list = pki.list(SystemTime::now() - DAY, due_at);
    let tls = Tls::new(Loaded::read(&TlsOptions { client_crl: vec![list], ..pki.options() }).unwrap());
    let server = start(&tls, |_| {}).await;
    let client = connect(&server, &pki.client("desk")).await.unwrap();
    client.verify(verify_request(b"x")).await.unwrap();
    // Times in lists are whole seconds.
    let left = due_at.duration_since(SystemTime::now()).unwrap_or_default() + Duration::from_secs(1);
    tokio::time::sleep(left).await;
    let refused = handshake(&server, pki.raw_client(Some("desk"), &[&TLS13])).await.expect_err("out of date");
    assert_eq!(refused, Error::AlertReceived(AlertDescription::UnknownCA));
    client.verify(verify_request(b"x")).await.expect("it was let in by a list that was current");
    // Its successor lets clients in again.
    tls.replace(Loaded::read(&pki.options()).unwrap());
    handshake(&server, pki.raw_client(Some("desk"), &[&TLS13])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_of_a_certificate_that_is_about_to_expire_and_of_nothing_else() {
    let pki = Pki::new();
    let now = SystemTime::now();
    pki.issue("server", &Leaf { valid: now - DAY..now + 6 * DAY, ..server_leaf() });
    let tls = pki.tls();
    let server = start(&tls, |_| {}).await;
    let own = (pki.path("desk.pem"), pki.path("desk.key"));
    let channel = pki::channel(&pki::url(&server), &pki.path("ca.pem"), Some((&own.0, &own.1))).await;
    let health = HealthClient::new(channel);
    let status = async |service: &str| {
        let request = HealthCheckRequest { service: service.to_owned() };
        health.clone().check(request).await.map(|answer| answer.into_inner().status())
    };
    let becomes = async |expected| {
        let changed = async {
            while status(CERTIFICATE_HEALTH).await.ok() != Some(expected) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, changed).await.expect("health follows the certificate");
    };
    becomes(ServingStatus::NotServing).await;
    for service in ["", "chinhchu.v1.Verification", "chinhchu.v1.Beneficiary"] {
        assert_eq!(status(service).await.unwrap(), ServingStatus::Serving, "{service:?}: people are served");
    }
    pki.issue("server", &server_leaf());
    tls.replace(Loaded::read(&pki.options()).unwrap());
    becomes(ServingStatus::Serving).await;
}
