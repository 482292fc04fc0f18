//! TLS of the server: its certificate, the certificates of clients, and both read anew while it runs.
//!
//! ```text
//! files -> Loaded::read (all of them checked) -> Tls (in force) -> handshakes
//!                                                    `-> watch: expiry, health, connections to cut
//! ```
//!
//! TLS 1.3, and 1.2 with ECDHE and AEAD where that is configured (rustls has no other suites); ALPN
//! `h2` or `http/1.1`. Sessions are never resumed: each connection proves its certificate anew, by the authorities
//! and revocation lists of that moment.

mod certificate;
mod client_verifier;
mod error;
mod files;
mod handshake;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::UnixTime;
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use tokio::sync::watch as channel;

use self::certificate::shown;
use self::client_verifier::ClientVerifier;
pub use self::error::{TlsError, TlsFile};
use self::files::{Authorities, RevocationList};
use self::handshake::Failures;

pub(super) use self::certificate::PeerCertificate;
pub(super) use self::files::{certificates, identity};
pub(super) use self::handshake::{Secured, handshake};
pub use self::watch::CERTIFICATE_HEALTH;
pub(super) use self::watch::watch;

/// What HTTP/2 is called in ALPN (RFC 9113, 3.2).
pub(super) const ALPN: &[u8] = b"h2";
/// The same of HTTP/1.1 (RFC 7301, 6), which a server speaks for calls in JSON.
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// Whether clients must have a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificates {
    /// A client without one is refused.
    #[default]
    Required,
    /// A client without one is let in; one that it has is checked.
    Optional,
}

/// Oldest version of TLS that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
pub enum MinVersion {
    /// With ECDHE and AEAD. Windows 10 and Windows Server 2019 speak no newer one.
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3.
    #[default]
    #[serde(rename = "1.3")]
    Tls13,
}

impl MinVersion {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static FROM_1_2: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
        match self {
            Self::Tls12 => &FROM_1_2,
            Self::Tls13 => &FROM_1_2[..1],
        }
    }
}

/// The files of TLS, and what is asked of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// The server's certificate in PEM, followed by those it was signed with.
    pub certificate: PathBuf,
    /// Its key in PEM, which its owner alone may read.
    pub key: PathBuf,
    /// The authorities that sign certificates of clients, in PEM. Without, none is asked for.
    pub client_ca: Option<PathBuf>,
    /// Lists of revoked certificates of clients, in PEM or DER, each signed by one of `client_ca`.
    pub client_crl: Vec<PathBuf>,
    /// Whether clients must have a certificate, where `client_ca` is named.
    pub client_certificates: ClientCertificates,
    /// Oldest version of TLS.
    pub min_version: MinVersion,
}

impl TlsOptions {
    /// Every file that is named.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.certificate, &self.key].into_iter().chain(&self.client_ca).chain(&self.client_crl)
    }

    /// SHA-256 of the authorities of clients as [`Loaded::client_authorities`] has it, read now; `None`
    /// where none are named.
    ///
    /// # Errors
    /// [`TlsError`] where the file cannot be read.
    pub fn client_authorities(&self) -> Result<Option<[u8; 32]>, TlsError> {
        let digest = |path: &PathBuf| {
            let all = files::certificates(TlsFile::ClientCa, path)?;
            Ok(files::digest(all.iter().map(AsRef::as_ref)))
        };
        self.client_ca.as_ref().map(digest).transpose()
    }
}

/// What was read of one kind of file, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsPart {
    /// Which kind.
    pub file: TlsFile,
    /// SHA-256 of the content.
    pub digest: [u8; 32],
    /// What it is, as `expires 2026-11-29 21:17 UTC`.
    pub what: String,
    /// How much there is: authorities, lists, revoked certificates.
    pub amounts: Vec<(&'static str, usize)>,
}

/// Files that were read and checked, and are not in force yet.
#[derive(Debug)]
pub struct Loaded {
    in_force: InForce,
    /// What was read, the server's certificate first.
    pub parts: Vec<TlsPart>,
    /// What the operator should know of it.
    pub warnings: Vec<String>,
}

/// What handshakes are made by.
struct InForce {
    config: Arc<ServerConfig>,
    /// Checks certificates of clients, where there are any.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// When the server's certificate expires.
    expires_at: SystemTime,
    /// The revocation list whose successor is due first: when it was issued, and when that is.
    list: Option<(SystemTime, SystemTime)>,
}

impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InForce").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl InForce {
    /// Whether the certificate would be let in now.
    fn admits(&self, peer: &PeerCertificate) -> bool {
        match (&self.verifier, peer.parts()) {
            (Some(verifier), Some((own, between))) => {
                verifier.verify_client_cert(own, between, UnixTime::now()).is_ok()
            }
            // No certificate of a client means anything any more.
            _ => false,
        }
    }
}

impl Loaded {
    /// Reads and checks every file.
    ///
    /// # Errors
    /// [`TlsError`], with the file and what to do.
    pub fn read(options: &TlsOptions) -> Result<Self, TlsError> {
        let now = SystemTime::now();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        files::check_is_for_servers(&options.certificate)?;
        let own = files::identity(&options.certificate, &options.key, &provider, now)?;
        let mut parts = vec![TlsPart {
            file: TlsFile::Certificate,
            digest: own.digest,
            what: format!("expires {}", shown(own.expires_at)),
            amounts: Vec::new(),
        }];
        let mut warnings = Vec::new();
        let clients = match &options.client_ca {
            None => None,
            Some(_) => Some(Clients::read(options, now, &mut parts, &mut warnings)?),
        };
        let list = clients.as_ref().and_then(|clients| clients.list);
        let verifier = clients.map(|clients| clients.verifier(options, &provider)).transpose()?;
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(options.min_version.versions())
            .map_err(|error| {
                TlsError::new(TlsFile::Certificate, &options.certificate, error, "this is a defect of chinhchu")
            })?;
        let config = match &verifier {
            Some(verifier) => config.with_client_cert_verifier(Arc::clone(verifier)),
            None => config.with_no_client_auth(),
        };
        let mut config = config.with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(own.certified)));
        config.alpn_protocols = vec![ALPN.to_vec(), ALPN_HTTP1.to_vec()];
        // A resumed session would be let in by a certificate that nobody looked at again.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let in_force = InForce { config: Arc::new(config), verifier, expires_at: own.expires_at, list };
        Ok(Self { in_force, parts, warnings })
    }

    /// When the server's certificate expires.
    pub fn expires_at(&self) -> SystemTime {
        self.in_force.expires_at
    }

    /// SHA-256 of the authorities of clients; `None` where none are named.
    pub fn client_authorities(&self) -> Option<[u8; 32]> {
        self.parts.iter().find(|part| part.file == TlsFile::ClientCa).map(|part| part.digest)
    }
}

/// What certificates of clients are checked by.
struct Clients {
    authorities: Authorities,
    lists: Vec<RevocationList>,
    /// See [`InForce::list`].
    list: Option<(SystemTime, SystemTime)>,
}

impl Clients {
    fn read(
        options: &TlsOptions,
        now: SystemTime,
        parts: &mut Vec<TlsPart>,
        warnings: &mut Vec<String>,
    ) -> Result<Self, TlsError> {
        let path = options.client_ca.as_deref().unwrap_or(std::path::Path::new(""));
        let authorities = files::authorities(path, now)?;
        let mut lists = Vec::new();
        for path in &options.client_crl {
            lists.extend(files::revocation_lists(path, &authorities.certificates, now)?);
        }
        // The first list of an issuer is the one that counts.
        lists.sort_by_key(|list| std::cmp::Reverse(list.issued_at));
        let issuers: BTreeSet<&[u8]> = lists.iter().map(|list| &*list.issuer).collect();
        for expired in &authorities.expired {
            warnings.push(format!("an authority of clients has expired and is left out: {expired}"));
        }
        if lists.is_empty() {
            warnings
                .push("no revocation list: a client's certificate that is stolen is let in until it expires".into());
        } else if issuers.len() < authorities.certificates.len() {
            warnings.push(format!(
                "of {} authorities of clients {} have a revocation list: certificates of the others cannot be revoked",
                authorities.certificates.len(),
                issuers.len()
            ));
        }
        parts.push(TlsPart {
            file: TlsFile::ClientCa,
            digest: authorities.digest,
            what: authorities.certificates.len().to_string(),
            amounts: vec![("authorities of clients", authorities.certificates.len())],
        });
        let revoked = lists.iter().map(|list| list.revoked).sum();
        parts.push(TlsPart {
            file: TlsFile::ClientCrl,
            digest: files::digest(lists.iter().map(|list| list.der.as_ref())),
            what: format!("{}, {revoked} revoked", lists.len()),
            amounts: vec![("revocation lists of clients", lists.len()), ("revoked clients", revoked)],
        });
        // Of each issuer the newest one counts.
        let newest = issuers.iter().filter_map(|issuer| lists.iter().find(|list| *list.issuer == **issuer));
        let list = newest.map(|list| (list.issued_at, list.due_at)).min_by_key(|(_, due)| *due);
        Ok(Self { authorities, lists, list })
    }

    fn verifier(
        self,
        options: &TlsOptions,
        provider: &Arc<rustls::crypto::CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let path = options.client_ca.as_deref().unwrap_or(std::path::Path::new(""));
        let bad = |error: &dyn fmt::Display| {
            let found = format!("cannot be used: {error}");
            TlsError::new(TlsFile::ClientCa, path, found, "name authorities and revocation lists of X.509, version 3")
        };
        let mut roots = RootCertStore::empty();
        for authority in self.authorities.certificates {
            roots.add(authority).map_err(|error| bad(&error))?;
        }
        let issuers = self.lists.iter().map(|list| list.issuer.clone()).collect();
        let lists = self.lists.into_iter().map(|list| list.der).collect();
        let required = options.client_certificates == ClientCertificates::Required;
        let verifier = ClientVerifier::new(Arc::new(roots), lists, issuers, required, provider);
        Ok(Arc::new(verifier.map_err(|error| bad(&error))?))
    }
}

/// TLS of a server. Clones share what is in force.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    in_force: channel::Sender<Arc<InForce>>,
    /// Handshakes that failed.
    failures: Failures,
}

impl Tls {
    /// Puts it in force.
    pub fn new(loaded: Loaded) -> Self {
        let in_force = channel::Sender::new(Arc::new(loaded.in_force));
        Self(Arc::new(Shared { in_force, failures: Failures::default() }))
    }

    /// Puts it in the place of what is in force: new handshakes are made by it, connections go on,
    /// but for those whose client's certificate it does not let in.
    pub fn replace(&self, loaded: Loaded) {
        self.0.in_force.send_replace(Arc::new(loaded.in_force));
    }

    fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.0.in_force.borrow())
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(..)")
    }
}

/// Two are equal where they are one.
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Tls {}
