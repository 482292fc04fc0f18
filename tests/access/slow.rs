//! Clients that make no progress with their handshakes, beside those that work.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::version::TLS13;

use crate::fake::{Running, SOON, verify_request};
use crate::pki::{Pki, address, connect, is_closed, start};

fn raw(server: &Running) -> TcpStream {
    TcpStream::connect(address(server)).unwrap()
}

/// What a client says first.
fn hello(pki: &Pki) -> Vec<u8> {
    let config = Arc::new(pki.raw_client(None, &[&TLS13]));
    let mut client = rustls::ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_handshakes_hold_up_nobody() {
    let pki = Pki::new();
    let hello = hello(&pki);
    // Nothing at all, half a greeting, and a greeting whose answer is not answered.
    let said: [&[u8]; 3] = [b"", &hello[..hello.len() / 2], &hello];
    // Room for all of them: none is cut for another.
    let server = start(&pki.tls(), |options| options.handshake_max = Duration::from_secs(600)).await;
    let slow: Vec<TcpStream> = (0..300)
        .map(|number| {
            let mut stream = raw(&server);
            stream.write_all(said[number % said.len()]).unwrap();
            stream
        })
        .collect();
    // Each with a connection of its own.
    for _ in 0..20 {
        let client = connect(&server, &pki.client("desk")).await.unwrap();
        client.verify(verify_request(b"x")).await.unwrap();
    }
    for mut stream in slow {
        stream.set_nonblocking(true).unwrap();
        let mut bytes = [0; 4096];
        let is_open = match stream.read(&mut bytes) {
            Ok(read) => read > 0,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        };
        assert!(is_open, "there was room for it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_in_its_handshake_counts_and_is_the_first_to_go() {
    let pki = Pki::new();
    let hello = hello(&pki);
    let server = start(&pki.tls(), |options| {
        options.connections_max = 4;
        options.handshake_max = Duration::from_secs(600);
    })
    .await;
    let busy = connect(&server, &pki.client("desk")).await.unwrap();
    let call = tokio::spawn(async move { busy.verify(verify_request(b"slow")).await });
    server.control.until_running(1).await;
    let slow: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = raw(&server);
            stream.write_all(&hello).unwrap();
            stream
        })
        .collect();
    let begun = Instant::now();
    let client = connect(&server, &pki.client("desk")).await.unwrap();
    client.verify(verify_request(b"x")).await.unwrap();
    assert!(begun.elapsed() < SOON, "it waited for a handshake: {:?}", begun.elapsed());
    assert!(is_closed(&slow[0]), "the oldest went first");
    server.control.gate.add_permits(1);
    call.await.unwrap().expect("a connection with a call is never cut for another");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_is_not_done_in_time_is_cut() {
    let pki = Pki::new();
    let hello = hello(&pki);
    let server = start(&pki.tls(), |options| options.handshake_max = Duration::from_millis(300)).await;
    let mut trickle = raw(&server);
    let begun = Instant::now();
    // A byte now and then does not help.
    let mut sent = 0;
    while begun.elapsed() < SOON && sent < hello.len() && trickle.write_all(&hello[sent..=sent]).is_ok() {
        sent += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(begun.elapsed() >= Duration::from_millis(300) && is_closed(&trickle));
    let mut unanswered = raw(&server);
    unanswered.write_all(&hello).unwrap();
    assert!(is_closed(&unanswered) && is_closed(&raw(&server)));
    connect(&server, &pki.client("desk")).await.unwrap().verify(verify_request(b"x")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_until_http_2_begins_is_bounded_after_the_handshake_too() {
    let pki = Pki::new();
    let server = start(&pki.tls(), |options| options.preface_max = Duration::from_millis(200)).await;
    let tcp = tokio::net::TcpStream::connect(address(&server)).await.unwrap();
    let config = Arc::new(pki.raw_client(Some("desk"), &[&TLS13]));
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(config).connect(name, tcp).await.unwrap();
    let mut rest = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest);
    let _ = tokio::time::timeout(SOON, read).await.expect("a client that says nothing is cut");
}
