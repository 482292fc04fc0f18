//! Certificates, authorities and lists change while calls are in flight: nobody who may call loses a
//! call, and whoever may not any more is cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chinhchu::service::tls::{Loaded, TlsOptions};
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fake::{SOON, verify_request};
use crate::pki::{Pki, address, certificates, client_leaf, connect, handshake, server_leaf, start};

const CALLERS: usize = 8;
const RELOADS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn certificates_change_under_load_and_no_call_fails() {
    let pki = Arc::new(Pki::new());
    let tls = pki.tls();
    let server = start(&tls, |_| {}).await;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| {
            let (stop, done, options) = (Arc::clone(&stop), Arc::clone(&done), pki.client("desk"));
            let url = crate::pki::url(&server);
            tokio::spawn(async move {
                let client = chinhchu::service::Client::connect_with(&url, &options).await.unwrap();
                while !stop.load(Ordering::SeqCst) {
                    client.verify(verify_request(b"x")).await.unwrap();
                    // Half of them connect anew each time, also in the middle of a reload.
                    if number % 2 == 0 {
                        let anew = chinhchu::service::Client::connect_with(&url, &options).await.unwrap();
                        anew.verify(verify_request(b"x")).await.unwrap();
                    }
                    done.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for _ in 0..RELOADS {
        let before = done.load(Ordering::SeqCst);
        pki.issue("server", &server_leaf());
        pki.write_list();
        tls.replace(Loaded::read(&pki.options()).unwrap());
        // Everybody has called since.
        crate::fake::soon(|| done.load(Ordering::SeqCst) >= before + CALLERS).await;
        let shown = handshake(&server, pki.raw_client(Some("desk"), &[&TLS13])).await.unwrap();
        assert_eq!(shown, certificates(&pki.path("server.pem")), "new handshakes are made by the new one");
    }
    stop.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.expect("no call failed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_used_changes_nothing() {
    let pki = Pki::new();
    let tls = pki.tls();
    let server = start(&tls, |_| {}).await;
    let was = certificates(&pki.path("server.pem"));
    pki.issue("server", &server_leaf());
    pki.write("server.key", "half a fi");
    Loaded::read(&pki.options()).expect_err("all or nothing");
    let shown = handshake(&server, pki.raw_client(Some("desk"), &[&TLS13])).await.unwrap();
    assert_eq!(shown, was);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_client_loses_its_open_connection_and_the_others_go_on() {
    let mut pki = Pki::new();
    pki.issue("thief", &client_leaf("thief"));
    let tls = pki.tls();
    let server = start(&tls, |_| {}).await;
    let (desk, thief) =
        (connect(&server, &pki.client("desk")).await.unwrap(), connect(&server, &pki.client("thief")).await.unwrap());
    thief.verify(verify_request(b"x")).await.unwrap();
    let slow = |client: &chinhchu::service::Client| {
        let client = client.clone();
        tokio::spawn(async move { client.verify(verify_request(b"slow")).await })
    };
    let (of_desk, of_thief) = (slow(&desk), slow(&thief));
    server.control.until_running(2).await;

    pki.revoke("thief");
    tls.replace(Loaded::read(&pki.options()).unwrap());
    // The call in flight ends, before it is answered.
    let cut = tokio::time::timeout(SOON, of_thief).await.expect("it is cut").unwrap();
    cut.expect_err("revoked");
    server.control.until_running(1).await;
    let error = thief.verify(verify_request(b"x")).await.expect_err("and makes no new one");
    assert!(error.reason == "CERTIFICATE_REFUSED" && error.message.contains("revoked"), "{error}");

    server.control.gate.add_permits(1);
    of_desk.await.unwrap().expect("the other's call goes on");
    desk.verify(verify_request(b"x")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_an_authority_that_is_taken_out_are_cut() {
    let (pki, other) = (Pki::new(), Pki::new());
    let tls = pki.tls();
    let server = start(&tls, |_| {}).await;
    let desk = connect(&server, &pki.client("desk")).await.unwrap();
    let call = tokio::spawn({
        let desk = desk.clone();
        async move { desk.verify(verify_request(b"slow")).await }
    });
    server.control.until_running(1).await;
    let options =
        TlsOptions { client_ca: Some(other.path("ca.pem")), client_crl: vec![other.path("ca.crl")], ..pki.options() };
    tls.replace(Loaded::read(&options).unwrap());
    tokio::time::timeout(SOON, call).await.expect("it is cut").unwrap().expect_err("not let in any more");
    assert_eq!(desk.verify(verify_request(b"x")).await.expect_err("nor anew").reason, "CERTIFICATE_REFUSED");
}

/// The server checks a certificate by the list of the moment; a list that comes while a handshake is
/// under way must not be missed by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_began_before_a_revocation_ends_without_a_connection() {
    let mut pki = Pki::new();
    pki.issue("thief", &client_leaf("thief"));
    let tls = pki.tls();
    let server = start(&tls, |_| {}).await;
    let config = Arc::new(pki.raw_client(Some("thief"), &[&TLS13]));
    let mut client = rustls::ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap();
    let mut tcp = TcpStream::connect(address(&server)).await.unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    tcp.write_all(&hello).await.unwrap();
    // The server's flight; the client's own, with its certificate, is kept back.
    while client.is_handshaking() {
        let mut bytes = [0; 4096];
        let read = tcp.read(&mut bytes).await.unwrap();
        assert_ne!(read, 0, "the server speaks");
        client.read_tls(&mut &bytes[..read]).unwrap();
        client.process_new_packets().unwrap();
    }
    pki.revoke("thief");
    tls.replace(Loaded::read(&pki.options()).unwrap());
    let mut flight = Vec::new();
    std::io::Write::write_all(&mut client.writer(), crate::pki::PREFACE).unwrap();
    while client.wants_write() {
        client.write_tls(&mut flight).unwrap();
    }
    tcp.write_all(&flight).await.unwrap();
    // Nothing of HTTP/2 comes: the connection ends.
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(SOON, tcp.read_to_end(&mut rest)).await.expect("it is closed");
    if ended.is_ok() && !rest.is_empty() {
        client.read_tls(&mut rest.as_slice()).unwrap();
        let spoken = client.process_new_packets().map_or(0, |state| state.plaintext_bytes_to_read());
        assert_eq!(spoken, 0, "a revoked client got as far as HTTP/2");
    }
}
