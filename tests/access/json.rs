//! Calls in JSON inside TLS: the certificate says who calls, over either version of HTTP.

use std::sync::Arc;

use chinhchu::service::tls::{Loaded, Tls, TlsOptions};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::bytes::Bytes;
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::fake::{Running, SOON};
use crate::pki::{Pki, address, client_leaf, start};

const VERIFY: &str = "/chinhchu.v1.Verification/Verify";

async fn connect(
    pki: &Pki,
    server: &Running,
    name: Option<&str>,
    offers: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut config = pki.raw_client(name, &[&TLS13]);
    config.alpn_protocols = offers.iter().map(|name| name.as_bytes().to_vec()).collect();
    let tcp = TcpStream::connect(address(server)).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), tcp).await
}

fn verify(reference: &str, uri: &str) -> Request<Full<Bytes>> {
    let body = format!(r#"{{"reference":"{reference}","probes":["eA=="]}}"#);
    let builder = Request::post(uri).header("content-type", "application/json").header("host", "localhost");
    builder.body(Full::from(body)).unwrap()
}

/// Status and body of a call.
async fn called(stream: TlsStream<TcpStream>, reference: &str) -> (u16, Value) {
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let response = match is_http2 {
        true => {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(verify(reference, &format!("https://localhost{VERIFY}"))).await
        }
        false => {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(verify(reference, VERIFY)).await
        }
    };
    let (parts, body) = response.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status.as_u16(), serde_json::from_slice(&body).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_port_speaks_both_versions_to_those_with_a_certificate() {
    let pki = Pki::new();
    let server = start(&pki.tls(), |_| {}).await;
    for (offers, spoken) in
        [(&["h2", "http/1.1"][..], Some(&b"h2"[..])), (&["http/1.1"], Some(b"http/1.1")), (&[], None)]
    {
        let stream = connect(&pki, &server, Some("desk"), offers).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), spoken);
        let (status, answer) = called(stream, "eA==").await;
        assert_eq!((status, &answer["decision"]), (200, &Value::from("DECISION_MATCH")), "{offers:?}");
    }
    // Nobody without one gets as far as HTTP.
    let said = match connect(&pki, &server, None, &["http/1.1"]).await {
        Err(error) => error.to_string(),
        Ok(mut stream) => stream.read_u8().await.expect_err("refused").to_string(),
    };
    assert!(said.contains("CertificateRequired"), "{said}");
    // A protocol that is not spoken here.
    let said = connect(&pki, &server, Some("desk"), &["spdy/3"]).await.expect_err("refused").to_string();
    assert!(said.contains("NoApplicationProtocol"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_client_loses_its_connection_of_http_1() {
    let mut pki = Pki::new();
    pki.issue("thief", &client_leaf("thief"));
    let tls: Tls = pki.tls();
    let server = start(&tls, |_| {}).await;
    let mut idle = connect(&pki, &server, Some("thief"), &["http/1.1"]).await.unwrap();
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(connect(&pki, &server, Some("thief"), &["http/1.1"]).await.unwrap()))
            .await
            .unwrap();
    tokio::spawn(connection);
    // "slow"
    let call = tokio::spawn(sender.send_request(verify("c2xvdw==", VERIFY)));
    server.control.until_running(1).await;
    pki.revoke("thief");
    let options: TlsOptions = pki.options();
    tls.replace(Loaded::read(&options).unwrap());
    tokio::time::timeout(SOON, call).await.expect("it is cut").unwrap().expect_err("revoked");
    // The work ends with the connection.
    server.control.until_running(0).await;
    let mut byte = [0];
    let read = tokio::time::timeout(SOON, idle.read(&mut byte)).await.expect("it is cut as well");
    assert!(!matches!(read, Ok(1..)), "{read:?}");
}
