//! Which clients are let in, and what those are told that are not.

use std::sync::Arc;

use chinhchu::service::tls::{ClientCertificates, Loaded, Tls, TlsOptions};
use chinhchu::service::{Client, ClientError, ClientOptions};
use chinhchu::tools::{Leaf, Purpose};
use rustls::AlertDescription as Alert;
use rustls::version::{TLS12, TLS13};

use crate::fake::{Running, verify_request};
use crate::pki::{Pki, client_leaf, connect, expired, handshake, not_yet_valid, start, url};

/// Connects and calls. The first call may be what is refused.
async fn call(server: &Running, options: &ClientOptions) -> Result<(), ClientError> {
    connect(server, options).await?.verify(verify_request(b"x")).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_certificate_of_the_authority_is_let_in() {
    let pki = Pki::new();
    let server = start(&pki.tls(), |_| {}).await;
    call(&server, &pki.client("desk")).await.unwrap();
    // By name as well as by address.
    let by_name = url(&server).replace("127.0.0.1", "localhost");
    let client = Client::connect_with(&by_name, &pki.client("desk")).await.unwrap();
    client.verify(verify_request(b"x")).await.unwrap();
    assert_eq!(server.control.begun(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_certificate_does_not_hold_is_refused_before_any_call() {
    let mut pki = Pki::new();
    let other = Pki::new();
    pki.issue("expired", &expired(client_leaf("expired")));
    pki.issue("not-yet-valid", &not_yet_valid(client_leaf("not-yet-valid")));
    pki.issue("revoked", &client_leaf("revoked"));
    pki.revoke("revoked");
    // Of an authority that the server does not know.
    let foreign = other.issue("foreign", &client_leaf("foreign"));
    pki.write("foreign.pem", &foreign.certificate);
    pki.write("foreign.key", &foreign.key);
    let self_made = rcgen::generate_simple_self_signed(["desk.example".to_owned()]).unwrap();
    pki.write("self-made.pem", &self_made.cert.pem());
    pki.write("self-made.key", &self_made.signing_key.serialize_pem());

    let server = start(&pki.tls(), |_| {}).await;
    for (name, alert) in [
        (None, Alert::CertificateRequired),
        (Some("expired"), Alert::CertificateExpired),
        (Some("not-yet-valid"), Alert::CertificateExpired),
        (Some("revoked"), Alert::CertificateRevoked),
        (Some("foreign"), Alert::UnknownCA),
        (Some("self-made"), Alert::UnknownCA),
        // Of the right authority, and made for servers.
        (Some("server"), Alert::UnsupportedCertificate),
    ] {
        let refused = handshake(&server, pki.raw_client(name, &[&TLS13])).await.expect_err("refused");
        assert_eq!(refused, rustls::Error::AlertReceived(alert), "{name:?}");
    }
    handshake(&server, pki.raw_client(Some("desk"), &[&TLS13])).await.expect("let in");
    assert_eq!(server.control.begun(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_refused_learns_why_and_what_to_do() {
    let mut pki = Pki::new();
    let other = Pki::new();
    pki.issue("revoked", &client_leaf("revoked"));
    pki.revoke("revoked");
    pki.issue("expired", &expired(client_leaf("expired")));
    let server = start(&pki.tls(), |_| {}).await;
    let desk = pki.client("desk");
    let without = ClientOptions { certificate: None, key: None, ..desk.clone() };
    for (options, reason, said) in [
        (without, "CERTIFICATE_REFUSED", "--cert FILE"),
        (pki.client("revoked"), "CERTIFICATE_REFUSED", "revoked"),
        (pki.client("server"), "CERTIFICATE_REFUSED", "another purpose"),
        (ClientOptions { ca: desk.ca.clone(), ..other.client("desk") }, "CERTIFICATE_REFUSED", "no authority"),
        // What the client finds before it connects.
        (pki.client("expired"), "TLS_FILE", "expired on"),
        (ClientOptions { key: Some(pki.path("server.key")), ..desk.clone() }, "TLS_FILE", "is not the key"),
        (ClientOptions { ca: Some(other.path("ca.pem")), ..desk.clone() }, "SERVER_NOT_TRUSTED", "--ca"),
        (ClientOptions { ca: None, ..desk.clone() }, "BAD_ADDRESS", "--ca FILE"),
        (ClientOptions { key: None, ..desk.clone() }, "BAD_ADDRESS", "--key FILE"),
        (ClientOptions { certificate: None, ..desk.clone() }, "BAD_ADDRESS", "--cert FILE"),
    ] {
        let error = call(&server, &options).await.expect_err(said);
        assert_eq!(error.reason, reason, "{error}");
        assert!(error.message.contains(said), "{said}: {error}");
        assert!(!error.vi.is_empty() && error.vi != error.en, "{error:?}");
    }
    assert_eq!(server.control.begun(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_on_with_no_server_that_it_does_not_trust() {
    let pki = Pki::new();
    pki.issue("elsewhere", &Leaf { dns: vec!["other.example".into()], ..Leaf::new(Purpose::Server, "x") });
    let options =
        TlsOptions { certificate: pki.path("elsewhere.pem"), key: pki.path("elsewhere.key"), ..pki.options() };
    let server = start(&Tls::new(Loaded::read(&options).unwrap()), |_| {}).await;
    let error = call(&server, &pki.client("desk")).await.expect_err("another machine's certificate");
    assert_eq!(error.reason, "SERVER_NOT_TRUSTED", "{error}");
    assert!(error.message.contains("other.example"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_text_and_tls_do_not_mix_and_say_so() {
    let pki = Pki::new();
    let (inside, plain) = (start(&pki.tls(), |_| {}).await, Running::start(|_| {}).await);

    let error = call(&plain, &pki.client("desk")).await.expect_err("TLS to a plain port");
    assert_eq!(error.reason, "TLS_FAILED", "{error}");
    assert!(error.message.contains("http://"), "{error}");

    let spoke_plain = async { Client::connect(&inside.url).await?.verify(verify_request(b"x")).await.map(drop) };
    let error = spoke_plain.await.expect_err("plain text to a TLS port");
    assert!(error.message.contains("https://"), "{error}");
    assert_eq!((inside.control.begun(), plain.control.begun()), (0, 0));
    // Nobody was disturbed.
    call(&inside, &pki.client("desk")).await.unwrap();
    plain.client().await.verify(verify_request(b"x")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_optional_where_that_is_configured_and_are_checked_all_the_same() {
    let mut pki = Pki::new();
    pki.issue("revoked", &client_leaf("revoked"));
    pki.revoke("revoked");
    let options = TlsOptions { client_certificates: ClientCertificates::Optional, ..pki.options() };
    let server = start(&Tls::new(Loaded::read(&options).unwrap()), |_| {}).await;
    call(&server, &ClientOptions { certificate: None, key: None, ..pki.client("desk") }).await.unwrap();
    call(&server, &pki.client("desk")).await.unwrap();
    let refused = handshake(&server, pki.raw_client(Some("revoked"), &[&TLS13])).await.expect_err("revoked");
    assert_eq!(refused, rustls::Error::AlertReceived(Alert::CertificateRevoked));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_authorities_each_is_checked_by_its_own_list() {
    let (mut pki, mut other) = (Pki::new(), Pki::new());
    for (one, name) in [(&mut pki, "one"), (&mut other, "other")] {
        one.issue(name, &client_leaf(name));
        one.revoke(name);
    }
    let both = [pki.authority.certificate(), other.authority.certificate()].concat();
    pki.write("both.pem", &both);
    for name in ["desk", "other"] {
        let text = |ending: &str| std::fs::read_to_string(other.path(&format!("{name}.{ending}"))).unwrap();
        pki.write(&format!("other-{name}.pem"), &text("pem"));
        pki.write(&format!("other-{name}.key"), &text("key"));
    }
    let with_lists = |lists: Vec<std::path::PathBuf>| {
        let options = TlsOptions { client_ca: Some(pki.path("both.pem")), client_crl: lists, ..pki.options() };
        Loaded::read(&options).unwrap()
    };
    // Only the first has a list: of the other all pass, and the operator is told.
    let loaded = with_lists(vec![pki.path("ca.crl")]);
    assert!(loaded.warnings.iter().any(|warning| warning.contains("cannot be revoked")), "{:?}", loaded.warnings);
    let tls = Tls::new(loaded);
    let server = start(&tls, |_| {}).await;
    let admitted = async |name| handshake(&server, pki.raw_client(Some(name), &[&TLS13])).await.is_ok();
    for (name, expected) in [("desk", true), ("one", false), ("other-desk", true), ("other-other", true)] {
        assert_eq!(admitted(name).await, expected, "{name}");
    }
    let loaded = with_lists(vec![pki.path("ca.crl"), other.path("ca.crl")]);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    tls.replace(loaded);
    for (name, expected) in [("desk", true), ("one", false), ("other-desk", true), ("other-other", false)] {
        assert_eq!(admitted(name).await, expected, "{name}");
    }
}

/// A session that is resumed would be let in without a look at the certificate.
#[tokio::test(flavor = "multi_thread")]
async fn no_session_is_ever_resumed() {
    let pki = Pki::new();
    let options = TlsOptions { min_version: chinhchu::service::tls::MinVersion::Tls12, ..pki.options() };
    let server = start(&Tls::new(Loaded::read(&options).unwrap()), |_| {}).await;
    for version in [&TLS12, &TLS13] {
        // rustls keeps what it could resume with the configuration.
        let config = Arc::new(pki.raw_client(Some("desk"), &[version]));
        for _ in 0..3 {
            let tcp = tokio::net::TcpStream::connect(crate::pki::address(&server)).await.unwrap();
            let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
            let mut stream = tokio_rustls::TlsConnector::from(Arc::clone(&config)).connect(name, tcp).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, crate::pki::PREFACE).await.unwrap();
            tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 16]).await.unwrap();
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Full), "{version:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_goes_along_with_each_call_and_never_in_plain_text_to_another_machine() {
    let pki = Pki::new();
    let token = pki.write("token", "aaa.bbb.ccc\n");
    let server = start(&pki.tls(), |_| {}).await;
    let with_token = |options| ClientOptions { token_file: Some(token.clone()), ..options };
    let client = connect(&server, &with_token(pki.client("desk"))).await.unwrap();
    client.verify(verify_request(b"x")).await.unwrap();
    // Read anew for each call.
    std::fs::remove_file(&token).unwrap();
    let error = client.verify(verify_request(b"x")).await.expect_err("no token any more");
    assert_eq!(error.reason, "TOKEN_FILE", "{error}");
    assert_eq!(server.control.begun(), 1);

    pki.write("token", "aaa.bbb.ccc\n");
    let error = Client::connect_with("http://192.0.2.1:50051", &with_token(ClientOptions::default())).await;
    let error = error.expect_err("plain text");
    assert!(error.reason == "BAD_ADDRESS" && error.message.contains("https://"), "{error}");
    let plain = Running::start(|_| {}).await;
    let local = Client::connect_with(&plain.url, &with_token(ClientOptions::default())).await.unwrap();
    local.verify(verify_request(b"x")).await.unwrap();
    // A certificate that would not be proved is not silently left out.
    let error = Client::connect_with(&plain.url, &pki.client("desk")).await.expect_err("http with --cert");
    assert!(error.reason == "BAD_ADDRESS" && error.message.contains("https://"), "{error}");
}
