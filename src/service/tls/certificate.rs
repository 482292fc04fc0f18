//! What a certificate says: its names, from when to when it holds, who issued it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{ASN1Time, FromDer, GeneralName, X509Certificate};

use crate::access::CertificateNames;

/// Seconds of a day.
const DAY_SECONDS: u64 = 24 * 3600;

/// The certificate that a caller has proved to have, while its connection is open.
pub(in crate::service) struct PeerCertificate {
    /// The caller's own first, then what it sent along.
    chain: Vec<CertificateDer<'static>>,
    /// When the first of them expires: until then nothing changes by itself.
    pub(super) expires_at: SystemTime,
    /// Its names.
    pub names: Arc<CertificateNames>,
}

impl PeerCertificate {
    /// Of a chain that was verified. `None` where it is empty, or where the caller's own cannot be
    /// read, which verification rules out.
    pub(super) fn new(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let own = Parsed::new(chain.first()?)?;
        let expires_at = chain.iter().filter_map(|one| Some(Parsed::new(one)?.not_after)).min()?;
        let chain = chain.iter().map(|one| one.clone().into_owned()).collect();
        Some(Self { chain, expires_at, names: Arc::new(own.names) })
    }

    /// The caller's own, and those between it and an authority.
    pub(super) fn parts(&self) -> Option<(&CertificateDer<'static>, &[CertificateDer<'static>])> {
        self.chain.split_first()
    }
}

/// What is read of a certificate.
pub(super) struct Parsed {
    pub names: CertificateNames,
    pub not_before: SystemTime,
    pub not_after: SystemTime,
    /// The issuer's name, in DER.
    pub issuer: Vec<u8>,
    /// It may sign other certificates.
    pub is_authority: bool,
    /// It may stand for a server (extended key usage, RFC 5280, 4.2.1.12: without, for anything).
    pub is_for_servers: bool,
}

impl Parsed {
    pub(super) fn new(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let mut names = CertificateNames::default();
        // A certificate with this extension twice is not valid (RFC 5280, 4.2).
        let alternative = certificate.subject_alternative_name().ok()?;
        let usage = certificate.extended_key_usage().ok()?;
        for name in alternative.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::URI(uri) => names.uris.push((*uri).to_owned()),
                GeneralName::DNSName(name) => names.dns.push(name.to_ascii_lowercase()),
                _ => {}
            }
        }
        Some(Self {
            names,
            not_before: system_time(certificate.validity().not_before),
            not_after: system_time(certificate.validity().not_after),
            issuer: certificate.issuer().as_raw().to_owned(),
            is_authority: certificate.is_ca(),
            is_for_servers: usage.is_none_or(|usage| usage.value.server_auth || usage.value.any),
        })
    }
}

/// The system's time of a certificate's; 1970 for what lies before it.
pub(super) fn system_time(time: ASN1Time) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(time.timestamp()).unwrap_or(0))
}

/// `2026-11-29 21:17 UTC`
pub(super) fn shown(time: SystemTime) -> String {
    match jiff::Timestamp::try_from(time) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => "a time out of range".to_owned(),
    }
}

/// Whole days from `now` to `then`; negative where it has passed.
pub(super) fn days_until(then: SystemTime, now: SystemTime) -> i64 {
    let days = |time: Duration| i64::try_from(time.as_secs() / DAY_SECONDS).unwrap_or(i64::MAX);
    match then.duration_since(now) {
        Ok(left) => days(left),
        Err(passed) => -1 - days(passed.duration()),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    #[test]
    fn the_names_that_machines_are_known_by_are_read() {
        let mut params = CertificateParams::new(["Desk-1.Example".to_owned(), "10.0.0.1".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::URI("spiffe://vss/Payments".try_into().unwrap()));
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let names = Parsed::new(certificate.der()).unwrap().names;
        // A URI is compared as it stands, a DNS name without regard to case (RFC 4343).
        assert_eq!(names.uris, ["spiffe://vss/Payments"]);
        assert_eq!(names.dns, ["desk-1.example"]);
    }

    #[test]
    fn a_time_that_has_passed_by_an_hour_is_no_day_ahead() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let hour = Duration::from_secs(3600);
        for (then, days) in [(now - hour, -1), (now, 0), (now + hour, 0), (now + hour * 24, 1), (now - hour * 25, -2)] {
            assert_eq!(days_until(then, now), days);
        }
        assert_eq!(shown(now), "2023-11-14 22:13 UTC");
    }
}
