//! A test authority in a scratch folder, a server inside TLS, and clients that rustls would not make
//! for honest callers.

use std::fs;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chinhchu::service::tls::{ClientCertificates, Loaded, MinVersion, Tls, TlsOptions};
use chinhchu::service::{Client, ClientError, ClientOptions, ServeOptions};
use chinhchu::tools::{Issued, Leaf, Purpose, TestAuthority};
use rcgen::{CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, SerialNumber};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::fake::{Running, SOON};

pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// An authority and its folder.
pub struct Pki {
    pub authority: TestAuthority,
    folder: tempfile::TempDir,
}

impl Pki {
    /// With a certificate for a server on this machine, one for the client `desk`, and an empty
    /// revocation list.
    pub fn new() -> Self {
        let pki = Self { authority: TestAuthority::new().unwrap(), folder: tempfile::tempdir().unwrap() };
        pki.write("ca.pem", pki.authority.certificate());
        pki.write_list();
        pki.issue("server", &server_leaf());
        pki.issue("desk", &client_leaf("desk"));
        pki
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Whole or not at all, for its owner alone.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let (path, new) = (self.path(name), self.path("new"));
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(new, &path).unwrap();
        path
    }

    /// Writes NAME.pem and NAME.key.
    pub fn issue(&self, name: &str, leaf: &Leaf) -> Issued {
        let issued = self.authority.issue(leaf).unwrap();
        self.write(&format!("{name}.pem"), &issued.certificate);
        self.write(&format!("{name}.key"), &issued.key);
        issued
    }

    pub fn write_list(&self) {
        self.write("ca.crl", &self.authority.revocation_list().unwrap());
    }

    /// A list that revokes nothing, of these times.
    pub fn list(&self, issued_at: SystemTime, due_at: SystemTime) -> PathBuf {
        let key = KeyPair::from_pem(&self.authority.key()).unwrap();
        let issuer = Issuer::from_ca_cert_pem(self.authority.certificate(), key).unwrap();
        let list = CertificateRevocationListParams {
            this_update: issued_at.into(),
            next_update: due_at.into(),
            crl_number: SerialNumber::from(7),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        self.write("dated.crl", &list.signed_by(&issuer).unwrap().pem().unwrap())
    }

    pub fn revoke(&mut self, name: &str) {
        let certificate = fs::read_to_string(self.path(&format!("{name}.pem"))).unwrap();
        assert!(self.authority.revoke(&certificate).unwrap());
        self.write_list();
    }

    /// TLS that demands a certificate of a client.
    pub fn options(&self) -> TlsOptions {
        TlsOptions {
            certificate: self.path("server.pem"),
            key: self.path("server.key"),
            client_ca: Some(self.path("ca.pem")),
            client_crl: vec![self.path("ca.crl")],
            client_certificates: ClientCertificates::Required,
            min_version: MinVersion::Tls13,
        }
    }

    pub fn tls(&self) -> Tls {
        Tls::new(Loaded::read(&self.options()).unwrap())
    }

    /// What the client NAME trusts and proves.
    pub fn client(&self, name: &str) -> ClientOptions {
        ClientOptions {
            ca: Some(self.path("ca.pem")),
            certificate: Some(self.path(&format!("{name}.pem"))),
            key: Some(self.path(&format!("{name}.key"))),
            token_file: None,
        }
    }

    /// A client of rustls that proves whatever NAME has, also what no honest client would prove.
    pub fn raw_client(&self, name: Option<&str>, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(certificates(&self.path("ca.pem")).remove(0)).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match name {
            Some(name) => {
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(certificates(&self.path(&format!("{name}.pem"))), key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }
}

/// What an HTTP/2 client begins with (RFC 9113, 3.4), and empty settings.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

pub fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(path).unwrap().collect::<Result<_, _>>().unwrap()
}

pub fn server_leaf() -> Leaf {
    let ips = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    Leaf { dns: vec!["localhost".into()], ips, ..Leaf::new(Purpose::Server, "server") }
}

pub fn client_leaf(name: &str) -> Leaf {
    Leaf { uris: vec![format!("spiffe://vss.test/{name}")], ..Leaf::new(Purpose::Client, name) }
}

/// The same, valid from so long ago until so long ago.
pub fn expired(leaf: Leaf) -> Leaf {
    let now = SystemTime::now();
    Leaf { valid: now - 2 * DAY..now - DAY, ..leaf }
}

/// The same, valid from tomorrow.
pub fn not_yet_valid(leaf: Leaf) -> Leaf {
    let now = SystemTime::now();
    Leaf { valid: now + DAY..now + 2 * DAY, ..leaf }
}

/// A server inside TLS.
pub async fn start(tls: &Tls, tweak: impl FnOnce(&mut ServeOptions)) -> Running {
    let tls = tls.clone();
    Running::start(|options| {
        options.tls = Some(tls);
        tweak(options);
    })
    .await
}

pub fn url(server: &Running) -> String {
    server.url.replace("http://", "https://")
}

pub fn address(server: &Running) -> &str {
    server.url.trim_start_matches("http://")
}

pub async fn connect(server: &Running, options: &ClientOptions) -> Result<Client, ClientError> {
    Client::connect_with(&url(server), options).await
}

/// Makes a handshake and waits for what the server says then. With TLS 1.3 it refuses a client's
/// certificate only after the client is done.
pub async fn handshake(server: &Running, config: ClientConfig) -> Result<Vec<CertificateDer<'static>>, rustls::Error> {
    let of_tls = |error: std::io::Error| match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) => error.clone(),
        None => panic!("no error of TLS: {error}"),
    };
    let tcp = TcpStream::connect(address(server)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(of_tls)?;
    let mut byte = [0; 1];
    // The server speaks once it knows which version of HTTP. Where it has refused already, it does not matter
    // what becomes of this.
    let _ = stream.write_all(PREFACE).await;
    let read = tokio::time::timeout(SOON, stream.read(&mut byte)).await.expect("the server says something");
    read.map_err(of_tls)?;
    Ok(stream.get_ref().1.peer_certificates().unwrap().to_vec())
}

/// Whether the other end closes the connection soon.
pub fn is_closed(mut stream: &std::net::TcpStream) -> bool {
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut bytes = [0; 1024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

/// A channel of tonic's to a server inside TLS, for services that [`Client`] has not.
pub async fn channel(url: &str, ca: &Path, own: Option<(&Path, &Path)>) -> tonic::transport::Channel {
    let mut roots = RootCertStore::empty();
    roots.add(certificates(ca).remove(0)).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match own {
        Some((certificate, key)) => builder
            .with_client_auth_cert(certificates(certificate), PrivateKeyDer::from_pem_file(key).unwrap())
            .unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let address = url.trim_start_matches("https://").to_owned();
    let connect = tower::service_fn(move |_: tonic::transport::Uri| {
        let (connector, address) = (connector.clone(), address.clone());
        async move {
            let tcp = TcpStream::connect(address).await?;
            let name = ServerName::try_from("localhost").unwrap();
            Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(connector.connect(name, tcp).await?))
        }
    });
    // The connector makes TLS itself.
    let plain = tonic::transport::Endpoint::from_shared(url.replace("https://", "http://")).unwrap();
    let endpoint = plain.origin(url.parse().unwrap());
    endpoint.connect_with_connector(connect).await.expect("the server listens")
}
