//! The client's end of TLS: which servers it trusts, what it proves about itself, and why a
//! connection failed, in words.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::codegen::http::uri::Scheme;
use tonic::transport::{Endpoint, Uri};
use tower::service_fn;

use super::ClientError;
use super::client_stream::{Cause, Explained};
use super::tls::{self, TlsError, TlsFile};

/// Port of `https` where an address names none.
const HTTPS_PORT: u16 = 443;
/// The same of `http`.
const HTTP_PORT: u16 = 80;

/// An endpoint whose connector makes TLS itself: tonic, where any crate of a program has its TLS
/// built in, refuses to connect to `https` without a configuration of its own, so the scheme goes
/// into the requests alone.
fn endpoint(uri: &Uri) -> Endpoint {
    let mut parts = uri.clone().into_parts();
    parts.scheme = Some(Scheme::HTTP);
    let plain = Uri::from_parts(parts).expect("another scheme of an address that is whole");
    Endpoint::from(plain).origin(uri.clone())
}

/// What a client trusts and proves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientOptions {
    /// Authorities in PEM, one of which must have signed the server's certificate. Needed with
    /// `https`.
    pub ca: Option<PathBuf>,
    /// The client's own certificate in PEM, where the server asks for one.
    pub certificate: Option<PathBuf>,
    /// Its key in PEM, which its owner alone may read.
    pub key: Option<PathBuf>,
    /// A file with a bearer token, which its owner alone may read; read anew for each call.
    pub token_file: Option<PathBuf>,
}

/// Connects, by an endpoint with these properties.
pub(super) async fn connect(
    uri: Uri,
    options: &ClientOptions,
    with: impl FnOnce(Endpoint) -> Endpoint,
) -> Result<Explained, ClientError> {
    let cause = Cause::default();
    let watching = cause.clone();
    let endpoint = with(endpoint(&uri));
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let connected = if uri.scheme_str() == Some("https") {
        let config = config(options).map_err(|error| *error)?;
        let name = ServerName::try_from(host.clone()).map_err(|_| {
            ClientError::bad_address(format!("{host} is neither a DNS name nor an IP address; correct the address"))
        })?;
        let connector = TlsConnector::from(Arc::new(config));
        let port = uri.port_u16().unwrap_or(HTTPS_PORT);
        let connect = service_fn(move |_: Uri| {
            let (connector, name) = (connector.clone(), name.clone());
            let (host, watching) = (host.clone(), watching.clone());
            async move {
                let stream = connector.connect(name, open(host, port).await?).await?;
                Ok::<_, io::Error>(TokioIo::new(watching.watch(stream, false)))
            }
        });
        endpoint.connect_with_connector(connect).await
    } else {
        check_plain(&host, options).map_err(|error| *error)?;
        let port = uri.port_u16().unwrap_or(HTTP_PORT);
        let connect = service_fn(move |_: Uri| {
            let (host, watching) = (host.clone(), watching.clone());
            async move { Ok::<_, io::Error>(TokioIo::new(watching.watch(open(host, port).await?, true))) }
        });
        endpoint.connect_with_connector(connect).await
    };
    let explained = connected.map(|channel| Explained { channel, cause });
    explained.map_err(|error| {
        explain(&error).unwrap_or_else(|| {
            // The outer errors say "transport error"; the innermost one says which.
            let mut cause: &dyn Error = &error;
            while let Some(inner) = cause.source() {
                cause = inner;
            }
            ClientError::unreachable(&cause.to_string())
        })
    })
}

async fn open(host: String, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    // As on the server's end.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Whether plain text will do.
fn check_plain(host: &str, options: &ClientOptions) -> Result<(), Box<ClientError>> {
    let bad = |why: &str| Err(Box::new(ClientError::bad_address(why.to_owned())));
    if options.ca.is_some() || options.certificate.is_some() || options.key.is_some() {
        return bad(
            "with http:// no certificate is checked and none is proved; begin the address with https://, or leave out \
             --ca, --cert and --key (CHINHCHU_CA, CHINHCHU_CERT, CHINHCHU_KEY)",
        );
    }
    let is_loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if options.token_file.is_some() && !is_loopback {
        return bad(
            "a token is not sent in plain text to another machine, where whoever listens could use it; begin the \
             address with https://",
        );
    }
    Ok(())
}

/// What handshakes are made by.
fn config(options: &ClientOptions) -> Result<ClientConfig, Box<ClientError>> {
    let bad = |why: String| Box::new(ClientError::bad_address(why));
    let files = |error: TlsError| Box::new(ClientError::bad_files(&error));
    let Some(ca) = &options.ca else {
        return Err(bad(
            "with https:// name the authorities that the server's certificate may be signed by: --ca FILE (CHINHCHU_CA)"
                .to_owned(),
        ));
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    for authority in tls::certificates(TlsFile::ServerCa, ca).map_err(files)? {
        let added = roots.add(authority);
        added.map_err(|error| bad(format!("--ca {}: {error}", ca.display())))?;
    }
    let defect = |error: rustls::Error| bad(format!("TLS cannot be set up: {error}"));
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(defect)?
        .with_root_certificates(roots);
    let mut config = match (&options.certificate, &options.key) {
        (Some(certificate), Some(key)) => {
            let own = tls::identity(certificate, key, &provider, SystemTime::now()).map_err(files)?;
            builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(own.certified)))
        }
        (None, None) => builder.with_no_client_auth(),
        (Some(_), None) => return Err(bad("--cert needs its key: --key FILE".to_owned())),
        (None, Some(_)) => return Err(bad("--key needs its certificate: --cert FILE".to_owned())),
    };
    config.alpn_protocols = vec![tls::ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The error of a failed handshake, or of a connection that the server ended by an alert. `None` for
/// other causes.
pub(super) fn explain(error: &(dyn Error + 'static)) -> Option<ClientError> {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = inner.and_then(|inner| inner.downcast_ref()).or_else(|| error.downcast_ref::<rustls::Error>());
        if let Some(tls) = tls {
            return Some(of_rustls(tls));
        }
        next = error.source();
    }
    None
}

fn of_rustls(error: &rustls::Error) -> ClientError {
    use CertificateError as Of;
    match error {
        rustls::Error::InvalidCertificate(of) => ClientError::not_trusted(&match of {
            Of::UnknownIssuer => {
                "it is signed by none of the authorities in --ca; name the file of the server's authority".to_owned()
            }
            Of::Expired | Of::ExpiredContext { .. } => {
                "it has expired; its operator must install a new one, or see to this machine's clock".to_owned()
            }
            Of::NotValidYet | Of::NotValidYetContext { .. } => {
                "it is not valid yet; see to the clocks of both machines".to_owned()
            }
            Of::NotValidForNameContext { presented, .. } => {
                format!("it is for {}, not for this address; connect by a name of it", presented.join(", "))
            }
            Of::NotValidForName => "it is for other names; connect by a name of it".to_owned(),
            Of::InvalidPurpose | Of::InvalidPurposeContext { .. } => {
                "it is made for clients, not for servers; its operator must install another".to_owned()
            }
            Of::BadSignature => {
                "it is not signed by the authority in --ca that it names; name the file of the server's authority"
                    .to_owned()
            }
            of => format!("{of}; its operator must install another"),
        }),
        rustls::Error::AlertReceived(alert) => of_alert(*alert),
        rustls::Error::InvalidMessage(_) => ClientError::tls_failed(
            "what answers does not speak TLS; name its TLS port, or begin the address with http:// where it has none",
        ),
        rustls::Error::PeerIncompatible(_) => ClientError::tls_failed(
            "it speaks no version or cipher suite of TLS that is safe; it must speak TLS 1.2 or 1.3",
        ),
        error => ClientError::tls_failed(&format!("{error}; see the server's log")),
    }
}

fn of_alert(alert: AlertDescription) -> ClientError {
    use AlertDescription as Of;
    ClientError::certificate_refused(match alert {
        Of::CertificateRequired => "it demands a client's certificate; name one with --cert FILE and --key FILE",
        Of::UnknownCA => {
            "it knows no authority that signed the client's certificate, or has no current revocation list of it; ask \
             its operator"
        }
        Of::CertificateExpired => {
            "the client's certificate has expired, or is not valid yet; install a new one, or see to the clocks"
        }
        Of::CertificateRevoked => "the client's certificate is revoked; ask for a new one",
        Of::UnsupportedCertificate => "the client's certificate is made for another purpose; name one for clients",
        Of::BadCertificate | Of::CertificateUnknown | Of::DecryptError | Of::AccessDenied => {
            "it does not take the client's certificate; ask its operator"
        }
        Of::ProtocolVersion => {
            return ClientError::tls_failed("the server speaks no version of TLS that this client speaks (1.2, 1.3)");
        }
        alert => {
            let why = format!("the server ended the connection ({alert:?}); see the server's log");
            return ClientError::tls_failed(&why);
        }
    })
}
