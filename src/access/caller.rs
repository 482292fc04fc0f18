//! What a caller has proved about itself, before the configuration says what that means.

use std::fmt;
use std::time::SystemTime;

use crate::context::Roles;

/// The names in a client certificate that was verified: what machines are known by.
///
/// Source: RFC 5280, 4.2.1.6 (subject alternative names).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CertificateNames {
    /// URIs, as they stand in the certificate.
    pub uris: Vec<String>,
    /// DNS names, in lower case.
    pub dns: Vec<String>,
}

/// What a verified token says of a person.
///
/// Source: OpenID Connect Core 1.0, 2; RFC 9068 (access tokens).
#[derive(Clone, PartialEq, Eq)]
pub struct PersonClaims {
    /// The issuer's id of the person (`sub`).
    pub subject: String,
    /// Roles of ours among those that the token names.
    pub roles: Roles,
    /// The office or facility that the person works in, where the token names one.
    pub unit: Option<String>,
    /// The province that the person works in, where the token names one.
    pub province: Option<String>,
    /// When the token expires.
    pub expires_at: SystemTime,
}

/// Names identify machines and what they are for: they are counted.
impl fmt::Debug for CertificateNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateNames({} URIs, {} DNS names)", self.uris.len(), self.dns.len())
    }
}

/// Who it is stays out of logs.
impl fmt::Debug for PersonClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersonClaims").field("roles", &self.roles).finish_non_exhaustive()
    }
}
