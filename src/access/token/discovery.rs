//! Where an issuer's keys are, by its discovery document: which addresses may be asked, and what
//! of the answer is believed.
//!
//! Source: OpenID Connect Discovery 1.0, 4 (document and its validation).

use std::net::IpAddr;

use http::Uri;
use serde::Deserialize;

/// Largest discovery document that is read, in bytes.
pub const DISCOVERY_BYTES_MAX: usize = 64 << 10;
/// Where it stands below the issuer.
const PATH: &str = "/.well-known/openid-configuration";

/// Why a discovery document is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// No JSON object with `issuer` and `jwks_uri`.
    #[error("it is no discovery document: a JSON object with \"issuer\" and \"jwks_uri\"")]
    NotADocument,
    /// It is another issuer's.
    #[error("the document is another issuer's; the configured issuer must be the same, character by character")]
    OtherIssuer,
    /// `jwks_uri` must not be asked.
    #[error("its jwks_uri cannot be used: {0}")]
    Address(&'static str),
    /// An address for signing in is missing, or must not be asked.
    #[error("its {0} cannot be used: {1}")]
    SignIn(&'static str, &'static str),
}

/// Where people sign in, by an issuer's discovery document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInAddresses {
    /// Where a browser is sent.
    pub authorization: Uri,
    /// Where a code is exchanged for a token.
    pub token: Uri,
    /// Where a browser is sent to sign out, where the issuer has such.
    pub end_session: Option<Uri>,
}

/// The address of an issuer's discovery document.
///
/// # Errors
/// Where the issuer is no address that may be asked, and why.
pub fn discovery_address(issuer: &str) -> Result<Uri, &'static str> {
    let uri = web_address(issuer, true)?;
    if uri.query().is_some() {
        return Err("an issuer has no query");
    }
    format!("{}{PATH}", issuer.trim_end_matches('/')).parse().map_err(|_| "it is no URL")
}

/// Where the keys are, by the issuer's discovery document.
///
/// # Errors
/// [`DiscoveryError`] where the document is not to be believed.
pub fn keys_address(document: &[u8], issuer: &str) -> Result<Uri, DiscoveryError> {
    #[derive(Deserialize)]
    struct Document {
        issuer: String,
        jwks_uri: String,
    }
    let document: Document = serde_json::from_slice(document).map_err(|_| DiscoveryError::NotADocument)?;
    if document.issuer != issuer {
        return Err(DiscoveryError::OtherIssuer);
    }
    // Who is asked over TLS must not send us where there is none.
    let is_plain = issuer.starts_with("http://");
    web_address(&document.jwks_uri, is_plain).map_err(DiscoveryError::Address)
}

/// Where people sign in, by the issuer's discovery document.
///
/// # Errors
/// [`DiscoveryError`] where the document is not to be believed.
pub fn sign_in_addresses(document: &[u8], issuer: &str) -> Result<SignInAddresses, DiscoveryError> {
    #[derive(Deserialize)]
    struct Document {
        issuer: String,
        authorization_endpoint: Option<String>,
        token_endpoint: Option<String>,
        end_session_endpoint: Option<String>,
    }
    let document: Document = serde_json::from_slice(document).map_err(|_| DiscoveryError::NotADocument)?;
    if document.issuer != issuer {
        return Err(DiscoveryError::OtherIssuer);
    }
    let is_plain = issuer.starts_with("http://");
    let of = |key, address: Option<String>| match address {
        None => Err(DiscoveryError::SignIn(key, "it is missing")),
        Some(address) => web_address(&address, is_plain).map_err(|why| DiscoveryError::SignIn(key, why)),
    };
    Ok(SignInAddresses {
        authorization: of("authorization_endpoint", document.authorization_endpoint)?,
        token: of("token_endpoint", document.token_endpoint)?,
        end_session: document.end_session_endpoint.map(|at| of("end_session_endpoint", Some(at))).transpose()?,
    })
}

/// An absolute `https` address; `http` only on loopback, and where `may_be_plain`.
///
/// # Errors
/// Where it is none that may be asked, and why.
pub fn web_address(address: &str, may_be_plain: bool) -> Result<Uri, &'static str> {
    if address.contains('#') {
        return Err("it has a fragment (#)");
    }
    let uri: Uri = address.parse().map_err(|_| "it is no URL")?;
    let authority = uri.authority().ok_or("it is no URL with a host")?;
    if authority.as_str().contains('@') {
        return Err("it has a user name in it");
    }
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if is_loopback(authority.host()) && may_be_plain => Ok(uri),
        Some("http") => Err("it must be https, except on loopback"),
        _ => Err("it must be https"),
    }
}

/// Whether the host of an address is the machine itself.
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_is_asked_except_on_loopback() {
        let path = "/.well-known/openid-configuration";
        for (issuer, expected) in [
            ("https://login.example.vn/realms/counters", format!("https://login.example.vn/realms/counters{path}")),
            ("https://login.example.vn/", format!("https://login.example.vn{path}")),
            ("http://127.0.0.1:8080", format!("http://127.0.0.1:8080{path}")),
            ("http://[::1]:8080/x", format!("http://[::1]:8080/x{path}")),
        ] {
            assert_eq!(discovery_address(issuer).map(|uri| uri.to_string()), Ok(expected));
        }
        for wrong in [
            "http://login.example.vn",
            "http://127.0.0.1.example.vn",
            "http://localhost@login.example.vn",
            "https://user@login.example.vn",
            "https://login.example.vn?realm=a",
            "https://login.example.vn#a",
            "file:///etc/passwd",
            "login.example.vn",
            "/realms",
            "",
        ] {
            assert!(discovery_address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn people_sign_in_where_the_issuers_own_document_says_and_only_over_tls() {
        let document = |issuer: &str, token: &str| {
            format!(
                r#"{{"issuer":"{issuer}","jwks_uri":"https://a.vn/k","authorization_endpoint":"https://a.vn/auth",
                "token_endpoint":"{token}"}}"#
            )
        };
        let of = |document: &str| sign_in_addresses(document.as_bytes(), "https://a.vn/r");
        let found = of(&document("https://a.vn/r", "https://a.vn/token")).unwrap();
        assert_eq!((found.token.to_string().as_str(), found.end_session), ("https://a.vn/token", None));
        assert_eq!(of(&document("https://b.vn/r", "https://a.vn/token")), Err(DiscoveryError::OtherIssuer));
        let refused = of(&document("https://a.vn/r", "http://a.vn/token"));
        assert!(matches!(refused, Err(DiscoveryError::SignIn("token_endpoint", _))), "{refused:?}");
        let missing = of(r#"{"issuer":"https://a.vn/r"}"#);
        assert!(matches!(missing, Err(DiscoveryError::SignIn("authorization_endpoint", _))), "{missing:?}");
    }

    #[test]
    fn a_document_of_another_issuer_or_with_an_unsafe_address_is_not_believed() {
        let document = |issuer: &str, keys: &str| format!(r#"{{"issuer":"{issuer}","jwks_uri":"{keys}","x":[]}}"#);
        let of = |document: &str| keys_address(document.as_bytes(), "https://a.vn/r");
        assert_eq!(of(&document("https://a.vn/r", "https://keys.b.vn/k")).unwrap(), "https://keys.b.vn/k");
        for other in ["https://a.vn/r/", "https://a.vn", "https://A.vn/r", "http://a.vn/r"] {
            assert_eq!(of(&document(other, "https://a.vn/k")), Err(DiscoveryError::OtherIssuer), "{other}");
        }
        for keys in ["http://a.vn/k", "http://127.0.0.1/k", "file:///k", "/k"] {
            assert!(matches!(of(&document("https://a.vn/r", keys)), Err(DiscoveryError::Address(_))), "{keys}");
        }
        for wrong in [
            "",
            "[]",
            "{}",
            r#"{"issuer":"https://a.vn/r"}"#,
            r#"{"issuer":"https://a.vn/r","issuer":"x","jwks_uri":"https://a.vn"}"#,
        ] {
            assert_eq!(of(wrong), Err(DiscoveryError::NotADocument), "{wrong}");
        }
        let plain = document("http://127.0.0.1:80", "http://127.0.0.1:80/k");
        assert!(keys_address(plain.as_bytes(), "http://127.0.0.1:80").is_ok());
    }
}
