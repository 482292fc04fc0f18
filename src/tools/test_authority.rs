//! A test authority: certificates and keys for trying out TLS. Not for production: its key lies in a
//! file, and whoever reads that can be any machine.

use std::net::IpAddr;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use x509_parser::pem::Pem;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use crate::{hex, random};

/// Seconds of a day.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long the authority is valid.
const AUTHORITY_DAYS: u32 = 730;
/// How long what it issues is valid.
const LEAF_DAYS: u32 = 90;
/// Certificates are valid from so long ago: clocks differ.
const CLOCK_SKEW: Duration = Duration::from_secs(3600);

/// Why a test authority did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestAuthorityError {
    /// A name, or what was read, that makes no certificate.
    #[error("{0}")]
    Certificate(#[from] rcgen::Error),
    /// The authority's own files.
    #[error("the authority's {0} cannot be read; make a new authority in another folder")]
    Authority(&'static str),
    /// A certificate that is to be revoked.
    #[error("it is no certificate in PEM that this authority has issued; name one of its own")]
    NotOurs,
    /// No random numbers.
    #[error("the system gave no random numbers ({0}); see to /dev/urandom")]
    NoRandom(std::io::Error),
}

/// Which end of a connection a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The server's.
    Server,
    /// A client's.
    Client,
}

/// A certificate that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// For which end.
    pub purpose: Purpose,
    /// Common name, for people.
    pub name: String,
    /// DNS names.
    pub dns: Vec<String>,
    /// IP addresses.
    pub ips: Vec<IpAddr>,
    /// URIs.
    pub uris: Vec<String>,
    /// From when to when it is valid.
    pub valid: Range<SystemTime>,
}

impl Leaf {
    /// One without names of machines, valid from now for 90 days.
    pub fn new(purpose: Purpose, name: &str) -> Self {
        let (dns, ips, uris) = (Vec::new(), Vec::new(), Vec::new());
        Self { purpose, name: name.to_owned(), dns, ips, uris, valid: valid_for(LEAF_DAYS) }
    }
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// An authority, its key, and what it has revoked.
pub struct TestAuthority {
    certificate: String,
    expires_at: SystemTime,
    issuer: Issuer<'static, KeyPair>,
    revoked: Vec<(Vec<u8>, SystemTime)>,
}

fn valid_for(days: u32) -> Range<SystemTime> {
    let now = SystemTime::now();
    now - CLOCK_SKEW..now + DAY * days
}

impl TestAuthority {
    /// A new one, of a name that no other has.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn new() -> Result<Self, TestAuthorityError> {
        let mut params = CertificateParams::default();
        let number: [u8; 8] = random::secret().map_err(TestAuthorityError::NoRandom)?;
        let name = format!("chinhchu TEST authority {} - NOT FOR PRODUCTION", hex::encode(&number));
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let valid = valid_for(AUTHORITY_DAYS);
        (params.not_before, params.not_after) = (valid.start.into(), valid.end.into());
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        Ok(Self { certificate, expires_at: valid.end, issuer, revoked: Vec::new() })
    }

    /// One that was made before, of its three files.
    ///
    /// # Errors
    /// [`TestAuthorityError::Authority`], with which of them cannot be read.
    pub fn from_pem(certificate: &str, key: &str, list: &str) -> Result<Self, TestAuthorityError> {
        let unreadable = TestAuthorityError::Authority;
        let expires_at = parsed(certificate, |of| of.validity().not_after.timestamp());
        let expires_at = expires_at.and_then(|at| u64::try_from(at).ok()).ok_or(unreadable("certificate"))?;
        let key = KeyPair::from_pem(key).map_err(|_| unreadable("key"))?;
        let issuer = Issuer::from_ca_cert_pem(certificate, key).map_err(|_| unreadable("certificate"))?;
        Ok(Self {
            certificate: certificate.to_owned(),
            expires_at: SystemTime::UNIX_EPOCH + Duration::from_secs(expires_at),
            issuer,
            revoked: revoked(list).ok_or(unreadable("revocation list"))?,
        })
    }

    /// Its certificate, in PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Its key, in PEM.
    pub fn key(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Issues a certificate.
    ///
    /// # Errors
    /// [`TestAuthorityError::Certificate`] where a name cannot stand in one.
    pub fn issue(&self, leaf: &Leaf) -> Result<Issued, TestAuthorityError> {
        let mut params = CertificateParams::new(leaf.dns.clone())?;
        params.subject_alt_names.extend(leaf.ips.iter().map(|ip| SanType::IpAddress(*ip)));
        for uri in &leaf.uris {
            params.subject_alt_names.push(SanType::URI(uri.as_str().try_into()?));
        }
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, leaf.name.as_str());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match leaf.purpose {
            Purpose::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Purpose::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        params.use_authority_key_identifier_extension = true;
        // Nobody trusts it longer than the authority.
        let until = leaf.valid.end.min(self.expires_at);
        (params.not_before, params.not_after) = (leaf.valid.start.into(), until.into());
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Issued { certificate, key: key.serialize_pem() })
    }

    /// Revokes a certificate; false where it was revoked before.
    ///
    /// # Errors
    /// [`TestAuthorityError::NotOurs`]
    pub fn revoke(&mut self, certificate: &str) -> Result<bool, TestAuthorityError> {
        let authority = Pem::iter_from_buffer(self.certificate.as_bytes()).next().and_then(Result::ok);
        let authority = authority.ok_or(TestAuthorityError::Authority("certificate"))?;
        let authority = authority.parse_x509().map_err(|_| TestAuthorityError::Authority("certificate"))?;
        let serial = parsed(certificate, |of| {
            let is_ours = of.issuer().as_raw() == authority.subject().as_raw()
                && of.verify_signature(Some(authority.public_key())).is_ok();
            (is_ours && !of.is_ca()).then(|| of.raw_serial().to_owned())
        });
        let serial = serial.flatten().ok_or(TestAuthorityError::NotOurs)?;
        let is_new = !self.revoked.iter().any(|(old, _)| *old == serial);
        if is_new {
            self.revoked.push((serial, SystemTime::now()));
        }
        Ok(is_new)
    }

    /// The list of what it has revoked, in PEM. It is valid as long as the authority.
    ///
    /// # Errors
    /// [`TestAuthorityError::Certificate`] where the authority has expired.
    pub fn revocation_list(&self) -> Result<String, TestAuthorityError> {
        let revoked = self.revoked.iter().map(|(serial, at)| RevokedCertParams {
            serial_number: SerialNumber::from_slice(serial),
            revocation_time: (*at).into(),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: SystemTime::now().into(),
            next_update: self.expires_at.into(),
            crl_number: SerialNumber::from(self.revoked.len() as u64 + 1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.pem()?)
    }
}

/// Something of the first certificate of a PEM text.
fn parsed<T>(pem: &str, read: impl FnOnce(&X509Certificate<'_>) -> T) -> Option<T> {
    let pem = Pem::iter_from_buffer(pem.as_bytes()).next()?.ok()?;
    Some(read(&pem.parse_x509().ok()?))
}

/// The certificates that a list revokes, with the times.
fn revoked(list: &str) -> Option<Vec<(Vec<u8>, SystemTime)>> {
    let pem = Pem::iter_from_buffer(list.as_bytes()).next()?.ok()?;
    let (_, list) = CertificateRevocationList::from_der(&pem.contents).ok()?;
    let entries = list.iter_revoked_certificates().map(|one| {
        let at = u64::try_from(one.revocation_date.timestamp()).ok()?;
        Some((one.raw_serial().to_owned(), SystemTime::UNIX_EPOCH + Duration::from_secs(at)))
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_read_again_with_all_that_it_has_revoked() {
        let mut authority = TestAuthority::new().unwrap();
        let leaf = Leaf { dns: vec!["desk.example".into()], ..Leaf::new(Purpose::Client, "desk") };
        let [one, other] = [(); 2].map(|()| authority.issue(&leaf).unwrap().certificate);
        assert!(authority.revoke(&one).unwrap());
        let list = authority.revocation_list().unwrap();
        let mut again = TestAuthority::from_pem(authority.certificate(), &authority.key(), &list).unwrap();
        assert!(!again.revoke(&one).unwrap(), "it is on the list");
        assert!(again.revoke(&other).unwrap());
        assert_eq!(revoked(&again.revocation_list().unwrap()).unwrap().len(), 2);
    }

    #[test]
    fn only_what_it_issued_can_be_revoked() {
        let mut authority = TestAuthority::new().unwrap();
        let others = TestAuthority::new().unwrap();
        let foreign = others.issue(&Leaf::new(Purpose::Client, "x")).unwrap().certificate;
        let own = authority.certificate().to_owned();
        for certificate in [foreign.as_str(), own.as_str(), "", "no certificate"] {
            assert!(matches!(authority.revoke(certificate), Err(TestAuthorityError::NotOurs)));
        }
    }
}
