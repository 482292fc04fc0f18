//! Reads and checks the files of TLS: certificates, keys, authorities, revocation lists.

use std::path::Path;
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::certificate::{Parsed, shown, system_time};
use super::error::{TlsError, TlsFile};
use crate::{private, regular};

/// Largest file of certificates or of a key, in bytes.
const BYTES_MAX: u64 = 4 << 20;
/// Largest revocation list, in bytes: those of large authorities hold a million entries.
const LIST_BYTES_MAX: u64 = 64 << 20;
/// How a PEM section begins.
const PEM_BEGIN: &[u8] = b"-----BEGIN";

/// Reads a file that others may read.
fn read(file: TlsFile, path: &Path, bytes_max: u64) -> Result<Vec<u8>, TlsError> {
    regular::read(path, bytes_max).map_err(|error| {
        TlsError::new(file, path, format_args!("cannot be read: {error}"), "check path and permissions")
    })
}

/// Certificates of a PEM file, at least one.
pub(in crate::service) fn certificates(file: TlsFile, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(file, path, BYTES_MAX)?;
    let bad = |found: String| TlsError::new(file, path, found, "name a file of certificates in PEM");
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let all = all.map_err(|error| bad(format!("is no PEM: {error}")))?;
    if all.is_empty() {
        return Err(bad("holds no certificate".to_owned()));
    }
    match all.iter().position(|one| Parsed::new(one).is_none()) {
        Some(place) => Err(bad(format!("certificate {} of it cannot be read", place + 1))),
        None => Ok(all),
    }
}

/// The key of a PEM file that its owner alone may read.
fn key(file: TlsFile, path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = private::read_secret(path, BYTES_MAX)
        .map_err(|error| TlsError::new(file, path, format_args!("cannot be used: {error}"), "see to the key's file"))?;
    // Not what the reader says: it quotes the line, which may be of a key.
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| {
        let remedy = "name a file with one unencrypted key in PEM (PKCS #8, SEC 1 or PKCS #1)";
        TlsError::new(file, path, "holds no private key", remedy)
    })
}

/// A certificate that holds now, with its key.
pub(in crate::service) struct Identity {
    /// The certificate, those it was signed with, and the key.
    pub certified: CertifiedKey,
    /// When it expires.
    pub expires_at: SystemTime,
    /// SHA-256 of the certificates.
    pub digest: [u8; 32],
}

/// Reads the certificate that this end proves to the other, and its key.
pub(in crate::service) fn identity(
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
    now: SystemTime,
) -> Result<Identity, TlsError> {
    let bad = |found: String, remedy| TlsError::new(TlsFile::Certificate, certificate, found, remedy);
    let chain = certificates(TlsFile::Certificate, certificate)?;
    let own = chain.first().and_then(Parsed::new);
    let own = own.ok_or_else(|| bad("holds no certificate".to_owned(), "name a certificate"))?;
    if own.not_after <= now {
        return Err(bad(format!("expired on {}", shown(own.not_after)), "nobody accepts it; install a new one"));
    }
    if own.not_before > now {
        let found = format!("holds from {} only", shown(own.not_before));
        return Err(bad(found, "nobody accepts it yet; wait, or see to this machine's clock"));
    }
    let digest = digest(chain.iter().map(AsRef::as_ref));
    let bad_key = |found| TlsError::new(TlsFile::Key, key, found, "name the key that the certificate was made for");
    let certified = CertifiedKey::from_der(chain, self::key(TlsFile::Key, key)?, provider);
    let certified = certified.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            bad_key(format!("is not the key of the certificate {}", certificate.display()))
        }
        _ => bad_key("is of a kind that is not supported (ECDSA, Ed25519 and RSA are)".to_owned()),
    })?;
    Ok(Identity { certified, expires_at: own.not_after, digest })
}

/// Refuses a certificate that was made for clients: no client connects to a server that shows it.
pub(super) fn check_is_for_servers(certificate: &Path) -> Result<(), TlsError> {
    let file = TlsFile::Certificate;
    let chain = certificates(file, certificate)?;
    match chain.first().and_then(Parsed::new) {
        Some(own) if !own.is_for_servers => {
            let found = "was made for clients alone (extended key usage without serverAuth)";
            let remedy = "no client accepts it of a server; name a certificate that was made for servers";
            Err(TlsError::new(file, certificate, found, remedy))
        }
        _ => Ok(()),
    }
}

/// The authorities of clients.
pub(super) struct Authorities {
    pub certificates: Vec<CertificateDer<'static>>,
    /// Authorities that were left out, as they have expired, with the times.
    pub expired: Vec<String>,
    /// SHA-256 of all certificates in the file: it changes when the file does, not by itself.
    pub digest: [u8; 32],
}

/// Authorities of a PEM file. Those that have expired are left out; one at least must not have.
pub(super) fn authorities(path: &Path, now: SystemTime) -> Result<Authorities, TlsError> {
    let file = TlsFile::ClientCa;
    let all = certificates(file, path)?;
    let digest = digest(all.iter().map(AsRef::as_ref));
    let mut found = Authorities { certificates: Vec::new(), expired: Vec::new(), digest };
    for (place, certificate) in all.into_iter().enumerate() {
        let Some(parsed) = Parsed::new(&certificate) else { continue };
        if !parsed.is_authority {
            let what = format!("certificate {} of it is none of an authority (CA:TRUE)", place + 1);
            return Err(TlsError::new(file, path, what, "name the authorities that sign clients' certificates alone"));
        }
        match parsed.not_after < now {
            true => found.expired.push(format!("certificate {}, {}", place + 1, shown(parsed.not_after))),
            false => found.certificates.push(certificate),
        }
    }
    match found.certificates.is_empty() {
        true => Err(TlsError::new(file, path, "every authority in it has expired", "install the authority's new one")),
        false => Ok(found),
    }
}

/// A revocation list that one of the authorities has signed.
pub(super) struct RevocationList {
    pub der: CertificateRevocationListDer<'static>,
    /// The issuer's name, in DER.
    pub issuer: Vec<u8>,
    pub revoked: usize,
    pub issued_at: SystemTime,
    /// When its successor is due.
    pub due_at: SystemTime,
}

/// The revocation lists of a file in PEM, or the one in DER.
pub(super) fn revocation_lists(
    path: &Path,
    authorities: &[CertificateDer<'static>],
    now: SystemTime,
) -> Result<Vec<RevocationList>, TlsError> {
    let file = TlsFile::ClientCrl;
    let bytes = read(file, path, LIST_BYTES_MAX)?;
    let bad = |found: String| TlsError::new(file, path, found, "name revocation lists in PEM or DER");
    let is_pem = bytes.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN);
    let lists = match is_pem {
        true => CertificateRevocationListDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>(),
        false => Ok(vec![CertificateRevocationListDer::from(bytes)]),
    };
    let lists = lists.map_err(|error| bad(format!("is no PEM: {error}")))?;
    if lists.is_empty() {
        return Err(bad("holds no revocation list".to_owned()));
    }
    lists.into_iter().map(|der| revocation_list(path, der, authorities, now)).collect()
}

fn revocation_list(
    path: &Path,
    der: CertificateRevocationListDer<'static>,
    authorities: &[CertificateDer<'static>],
    now: SystemTime,
) -> Result<RevocationList, TlsError> {
    let error = |found: String, remedy: &str| TlsError::new(TlsFile::ClientCrl, path, found, remedy);
    let list = match CertificateRevocationList::from_der(&der) {
        Ok(([], list)) => list,
        _ => return Err(error("is no revocation list".to_owned(), "name revocation lists in PEM or DER")),
    };
    let signed = authorities.iter().any(|authority| match X509Certificate::from_der(authority) {
        Ok((_, authority)) => {
            authority.subject().as_raw() == list.issuer().as_raw()
                && list.verify_signature(authority.public_key()).is_ok()
        }
        Err(_) => false,
    });
    if !signed {
        let found = "is signed by none of the authorities in client_ca".to_owned();
        return Err(error(found, "add its authority to client_ca, or take the list out"));
    }
    let newer = "fetch the authority's newest list";
    let Some(due_at) = list.next_update().map(system_time) else {
        return Err(error("does not say when its successor is due (nextUpdate)".to_owned(), newer));
    };
    if due_at <= now {
        return Err(error(format!("its successor was due on {}", shown(due_at)), newer));
    }
    let issued_at = system_time(list.last_update());
    if issued_at > now {
        let found = format!("it is of {}, which is yet to come", shown(issued_at));
        return Err(error(found, "see to this machine's clock"));
    }
    let (issuer, revoked) = (list.issuer().as_raw().to_owned(), list.iter_revoked_certificates().count());
    Ok(RevocationList { issuer, revoked, issued_at, due_at, der })
}

/// SHA-256 of several pieces, in order.
pub(super) fn digest<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut digest = Sha256::new();
    for piece in pieces {
        digest.update((piece.len() as u64).to_be_bytes());
        digest.update(piece);
    }
    digest.finalize().into()
}
