//! Versions and cipher suites: nothing below what is configured, and no key exchange without forward
//! secrecy. Suites that rustls does not have are asked for by openssl.

use std::process::{Command, Stdio};

use chinhchu::service::tls::{Loaded, MinVersion, Tls, TlsOptions};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, Error};

use crate::fake::{Running, verify_request};
use crate::pki::{Pki, address, connect, handshake, start};

fn with_1_2(pki: &Pki) -> TlsOptions {
    TlsOptions { min_version: MinVersion::Tls12, ..pki.options() }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_1_2_is_spoken_only_where_it_is_configured() {
    let pki = Pki::new();
    let tls = pki.tls();
    let server = start(&tls, |_| {}).await;
    let refused = handshake(&server, pki.raw_client(Some("desk"), &[&TLS12])).await.expect_err("1.3 is the least");
    assert_eq!(refused, Error::AlertReceived(AlertDescription::ProtocolVersion));
    handshake(&server, pki.raw_client(Some("desk"), &[&TLS13])).await.unwrap();

    tls.replace(Loaded::read(&with_1_2(&pki)).unwrap());
    handshake(&server, pki.raw_client(Some("desk"), &[&TLS12])).await.unwrap();
    // Whoever speaks 1.3 still gets it.
    handshake(&server, pki.raw_client(Some("desk"), &[&TLS13])).await.unwrap();
    connect(&server, &pki.client("desk")).await.unwrap().verify(verify_request(b"x")).await.unwrap();
    // And whoever has no certificate is refused by either.
    for version in [&TLS12, &TLS13] {
        handshake(&server, pki.raw_client(None, &[version])).await.expect_err("no certificate");
    }
}

/// A server whose key is RSA, so that suites of RSA could be chosen, if it had any. `None`, with a
/// message, where there is no openssl.
async fn rsa_server(pki: &Pki, min_version: MinVersion) -> Option<Running> {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout"])
        .arg(pki.path("rsa.key"))
        .arg("-out")
        .arg(pki.path("rsa.pem"))
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no openssl here, whose suites are asked for");
        return None;
    }
    let key = std::fs::read_to_string(pki.path("rsa.key")).unwrap();
    pki.write("rsa.key", &key);
    let options = TlsOptions {
        certificate: pki.path("rsa.pem"),
        key: pki.path("rsa.key"),
        client_ca: None,
        client_crl: Vec::new(),
        min_version,
        ..pki.options()
    };
    Some(start(&Tls::new(Loaded::read(&options).unwrap()), |_| {}).await)
}

/// What `openssl s_client` says to these arguments.
fn s_client(server: &Running, args: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-alpn", "h2", "-connect", address(server)])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    [output.stdout, output.stderr].concat().iter().map(|&byte| char::from(byte)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn suites_without_forward_secrecy_or_with_cbc_are_refused() {
    let pki = Pki::new();
    let Some(server) = rsa_server(&pki, MinVersion::Tls12).await else { return };
    for suite in ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305"] {
        let said = s_client(&server, &["-tls1_2", "-cipher", suite]);
        assert!(said.contains(&format!("Cipher is {suite}")), "{suite}: {said}");
    }
    for suite in [
        "AES128-SHA",
        "AES256-SHA256",
        "AES128-GCM-SHA256", // RSA key exchange
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-RSA-AES256-SHA384", // CBC
        "DHE-RSA-AES128-GCM-SHA256",
    ] {
        // What openssl offers besides takes security level 0.
        let said = s_client(&server, &["-tls1_2", "-cipher", &format!("{suite}:@SECLEVEL=0")]);
        assert!(said.contains("alert handshake failure"), "the server must refuse {suite}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_below_the_configured_one_are_refused() {
    let pki = Pki::new();
    let all = ["-tls1", "-tls1_1", "-tls1_2", "-tls1_3"];
    for (least, refused) in [(MinVersion::Tls13, &all[..3]), (MinVersion::Tls12, &all[..2])] {
        let Some(server) = rsa_server(&pki, least).await else { return };
        for version in all {
            let said = s_client(&server, &[version, "-cipher", "ALL:@SECLEVEL=0"]);
            match refused.contains(&version) {
                true => {
                    assert!(said.contains("SSL alert number") && said.contains("Cipher is (NONE)"), "{version}: {said}")
                }
                false => {
                    assert!(said.contains("Cipher is ") && !said.contains("Cipher is (NONE)"), "{version}: {said}")
                }
            }
        }
    }
}
