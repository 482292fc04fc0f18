//! What the server learns of a client by its handshake.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::*;
use crate::service::connections::{Connections, WhenFull};
use crate::service::incoming::{Incoming, Peer};
use crate::tools::{Leaf, Purpose, TestAuthority};

/// Connects by TLS, with a certificate or without, and gives what the handlers' layers are told.
async fn peer(own: Option<Leaf>) -> Peer {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        crate::private::write(&path, crate::private::Readers::Owner, text.as_bytes()).unwrap();
        path
    };
    let authority = TestAuthority::new().unwrap();
    let server = Leaf { dns: vec!["localhost".into()], ..Leaf::new(Purpose::Server, "server") };
    let server = authority.issue(&server).unwrap();
    let options = TlsOptions {
        certificate: write("server.pem", &server.certificate),
        key: write("server.key", &server.key),
        client_ca: Some(write("ca.pem", authority.certificate())),
        client_crl: Vec::new(),
        client_certificates: ClientCertificates::Optional,
        min_version: MinVersion::default(),
    };
    let tls = Tls::new(Loaded::read(&options).unwrap());
    let max = std::time::Duration::from_secs(60);
    let connections = Connections::new(9, WhenFull::CutSilent, CancellationToken::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut incoming = Incoming::new(listener, connections, max).with_tls(Some(tls), max);

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own.map(|leaf| authority.issue(&leaf).unwrap()) {
        Some(issued) => {
            let chain = vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap()).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    let tcp = TcpStream::connect(address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let connecting = connector.connect(ServerName::try_from("localhost").unwrap(), tcp);
    let (client, accepted) = tokio::join!(connecting, incoming.next());
    let _client = client.unwrap();
    accepted.unwrap().unwrap().connect_info()
}

#[tokio::test]
async fn the_names_in_a_clients_certificate_are_told_to_whoever_decides_what_it_may_do() {
    let leaf = Leaf {
        uris: vec!["spiffe://vss.test/Desk".into()],
        dns: vec!["Desk-1.Example".into()],
        ..Leaf::new(Purpose::Client, "a common name is no name of a machine")
    };
    let names = peer(Some(leaf)).await.certificate.expect("it proved one");
    assert_eq!(
        (&*names.uris, &*names.dns),
        (&["spiffe://vss.test/Desk".to_owned()][..], &["desk-1.example".to_owned()][..])
    );
}

#[tokio::test]
async fn a_client_without_a_certificate_has_no_names() {
    assert!(peer(None).await.certificate.is_none());
}
