//! One bounded request over HTTP/1.1: for the issuer's documents and tokens, and for results that are sent to
//! benefit systems. Follows no redirect: an answer from another place than the one that was asked is
//! somebody else's.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::regular;

/// Longest time for name, connection and TLS handshake.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Longest time for the whole answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Largest file of certificates, in bytes.
const CA_BYTES_MAX: u64 = 4 << 20;

/// Why a document could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    #[error("it did not answer within {} s", .0.as_secs())]
    Slow(Duration),
    #[error("it does not speak HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("it answered {0}{redirect}", redirect = if .0.is_redirection() { "; redirects are not followed" } else { "" })]
    Status(StatusCode),
    #[error("its answer is longer than {0} bytes, or broke off")]
    Body(usize),
    #[error("its address cannot be used")]
    Address,
}

/// Asks over HTTP, by TLS where the address says `https`.
#[derive(Clone)]
pub(super) struct Fetcher(TlsConnector);

impl Fetcher {
    /// Trusts the certificates of `ca`, or those of the system. Reads files; gives SHA-256 of `ca`.
    pub(super) fn new(ca: Option<&Path>) -> io::Result<(Self, Option<[u8; 32]>)> {
        let mut roots = RootCertStore::empty();
        let mut digest = None;
        match ca {
            Some(path) => {
                let pem = regular::read(path, CA_BYTES_MAX)?;
                digest = Some(Sha256::digest(&pem).into());
                for certificate in CertificateDer::pem_slice_iter(&pem) {
                    let certificate = certificate.map_err(|_| io::Error::other("it is no PEM file"))?;
                    let unusable = |_| io::Error::other("a certificate in it cannot be read");
                    roots.add(certificate).map_err(unusable)?;
                }
            }
            // The system's store may have some that cannot be read, among a hundred that can.
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        }
        if roots.is_empty() && ca.is_some() {
            return Err(io::Error::other("there is no certificate in it"));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok((Self(TlsConnector::from(Arc::new(config))), digest))
    }

    /// The body at this address, of at most `bytes_max`.
    pub(super) async fn get(&self, uri: &Uri, bytes_max: usize) -> Result<Vec<u8>, FetchError> {
        let question = Question { method: Method::GET, headers: &[], body: Bytes::new() };
        match self.ask(uri, question, bytes_max).await? {
            (StatusCode::OK, body) => Ok(body),
            (status, _) => Err(FetchError::Status(status)),
        }
    }

    /// Sends this there: the status, and the body of at most `bytes_max`.
    pub(super) async fn post(
        &self,
        uri: &Uri,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
        bytes_max: usize,
    ) -> Result<(StatusCode, Vec<u8>), FetchError> {
        self.ask(uri, Question { method: Method::POST, headers, body: body.into() }, bytes_max).await
    }

    async fn ask(
        &self,
        uri: &Uri,
        question: Question<'_>,
        bytes_max: usize,
    ) -> Result<(StatusCode, Vec<u8>), FetchError> {
        let answered = timeout(ANSWER_MAX, self.ask_unhurried(uri, question, bytes_max)).await;
        answered.unwrap_or(Err(FetchError::Slow(ANSWER_MAX)))
    }

    async fn ask_unhurried(
        &self,
        uri: &Uri,
        question: Question<'_>,
        bytes_max: usize,
    ) -> Result<(StatusCode, Vec<u8>), FetchError> {
        let host = uri.host().ok_or(FetchError::Address)?.trim_matches(['[', ']']);
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let connect = async {
            let stream = TcpStream::connect((host, port)).await.map_err(FetchError::Connect)?;
            if !is_tls {
                return Ok(Stream::Plain(stream));
            }
            let name = ServerName::try_from(host.to_owned()).map_err(|_| FetchError::Address)?;
            let stream = self.0.connect(name, stream).await.map_err(FetchError::Connect)?;
            Ok(Stream::Tls(Box::new(stream)))
        };
        match timeout(CONNECT_MAX, connect).await {
            Err(_) => Err(FetchError::Slow(CONNECT_MAX)),
            Ok(Err(error)) => Err(error),
            Ok(Ok(Stream::Plain(stream))) => ask(stream, uri, question, bytes_max).await,
            Ok(Ok(Stream::Tls(stream))) => ask(stream, uri, question, bytes_max).await,
        }
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

/// What is sent.
struct Question<'a> {
    method: Method,
    headers: &'a [(&'a str, &'a str)],
    body: Bytes,
}

async fn ask<S>(
    stream: S,
    uri: &Uri,
    question: Question<'_>,
    bytes_max: usize,
) -> Result<(StatusCode, Vec<u8>), FetchError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Dropped with this future, and the connection with it.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let authority = uri.authority().ok_or(FetchError::Address)?;
    let mut request = Request::builder()
        .method(question.method)
        .uri(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(HOST, authority.as_str())
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("chinhchu/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close");
    for (name, value) in question.headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(question.body)).map_err(|_| FetchError::Address)?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = answer.into_body();
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(FetchError::Body(bytes_max));
    }
    let body = Limited::new(body, bytes_max).collect().await.map_err(|_| FetchError::Body(bytes_max))?;
    Ok((status, body.to_bytes().to_vec()))
}
