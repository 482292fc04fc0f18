//! The three parts of a token, and its header. Nothing in them is proved yet.
//!
//! Source: RFC 7515, 3.1 and 4.1 (compact serialisation, header); RFC 9068, 2.1 (`at+jwt`).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::json::Object;
use super::{Algorithm, TokenError};

/// Longest token that is looked at, in bytes.
pub const BYTES_MAX: usize = 8 << 10;
/// Longest id of a key, in bytes.
pub(super) const KID_BYTES_MAX: usize = 256;

/// What the header says: which key should have signed, and how.
#[derive(PartialEq, Eq)]
pub(super) struct Header {
    pub algorithm: Algorithm,
    pub kid: Option<String>,
}

/// A token taken apart.
pub(super) struct Parts<'a> {
    pub header: Header,
    /// What is signed: the first two parts with the dot between them.
    pub signed: &'a [u8],
    /// The second part, encoded: decoded once the signature is right.
    pub claims: &'a str,
    pub signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        // Two dots make a signed token; four make an encrypted one.
        let (header, claims) =
            signed.split_once('.').filter(|(_, rest)| !rest.contains('.')).ok_or(TokenError::Malformed)?;
        Ok(Self {
            header: Header::parse(&decoded(header)?)?,
            signed: signed.as_bytes(),
            claims,
            signature: decoded(signature)?,
        })
    }
}

/// Strict base64url: no padding, no spaces, no bits left over.
pub(super) fn decoded(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, TokenError> {
        let object = Object::parse(bytes).ok_or(TokenError::Malformed)?;
        let text = |name| object.text(name).map_err(|()| TokenError::Malformed);
        let algorithm = text("alg")?.ok_or(TokenError::Malformed)?;
        let algorithm = Algorithm::from_name(algorithm).ok_or(TokenError::Algorithm)?;
        if object.0.contains_key("crit") {
            return Err(TokenError::Extension);
        }
        match text("typ")? {
            Some(kind) if is_access_token(kind) => {}
            _ => return Err(TokenError::WrongKind),
        }
        // Where keys are said to be found (jku, jwk, x5u, x5c) is never looked at.
        let kid = text("kid")?;
        if kid.is_some_and(|kid| kid.len() > KID_BYTES_MAX) {
            return Err(TokenError::KeyUnknown);
        }
        Ok(Self { algorithm, kid: kid.map(str::to_owned) })
    }
}

/// Media types are compared without regard to case, and `application/` may stand before them.
fn is_access_token(kind: &str) -> bool {
    let kind = match kind.get(.."application/".len()) {
        Some(head) if head.eq_ignore_ascii_case("application/") => &kind[head.len()..],
        _ => kind,
    };
    kind.eq_ignore_ascii_case("JWT") || kind.eq_ignore_ascii_case("at+jwt")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str) -> String {
        format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header))
    }

    fn refused(token: &str) -> TokenError {
        Parts::of(token).err().expect("a refusal")
    }

    #[test]
    fn a_token_has_exactly_three_parts_of_strict_base64url() {
        let good = token(r#"{"alg":"ES256","typ":"JWT"}"#);
        assert!(Parts::of(&good).is_ok());
        for wrong in ["", ".", "..", "...", "a.b", "a.b.c.d.e", "Bearer a.b.c"] {
            assert_eq!(refused(wrong), TokenError::Malformed, "{wrong}");
        }
        let header = good.split('.').next().unwrap();
        for wrong in [format!("{header}=.e30.AA"), format!("{header}.e30.AB"), format!(" {good}"), format!("{good}\n")]
        {
            assert_eq!(refused(&wrong), TokenError::Malformed, "{wrong}");
        }
        assert_eq!(refused(&format!("{good}{}", "A".repeat(BYTES_MAX))), TokenError::TooLong);
    }

    #[test]
    fn only_access_tokens_with_a_listed_algorithm_and_no_extension_are_looked_at() {
        for kind in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"] {
            assert!(Parts::of(&token(&format!(r#"{{"alg":"EdDSA","typ":"{kind}"}}"#))).is_ok(), "{kind}");
        }
        for (header, expected) in [
            (r#"{"alg":"ES256"}"#, TokenError::WrongKind),
            (r#"{"alg":"ES256","typ":"id+jwt"}"#, TokenError::WrongKind),
            (r#"{"alg":"ES256","typ":"dpop+jwt"}"#, TokenError::WrongKind),
            (r#"{"alg":"ES256","typ":"logout+jwt"}"#, TokenError::WrongKind),
            (r#"{"alg":"ES256","typ":null}"#, TokenError::Malformed),
            (r#"{"alg":"none","typ":"JWT"}"#, TokenError::Algorithm),
            (r#"{"alg":"HS256","typ":"JWT"}"#, TokenError::Algorithm),
            (r#"{"alg":["ES256"],"typ":"JWT"}"#, TokenError::Malformed),
            (r#"{"typ":"JWT"}"#, TokenError::Malformed),
            (r#"{"alg":"ES256","alg":"none","typ":"JWT"}"#, TokenError::Malformed),
            (r#"{"alg":"ES256","typ":"JWT","crit":["exp"]}"#, TokenError::Extension),
            (r#"{"alg":"ES256","typ":"JWT","crit":null}"#, TokenError::Extension),
            (r#"{"alg":"ES256","typ":"JWT","kid":7}"#, TokenError::Malformed),
            ("[]", TokenError::Malformed),
            ("", TokenError::Malformed),
        ] {
            assert_eq!(refused(&token(header)), expected, "{header}");
        }
        let long = format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{}"}}"#, "k".repeat(KID_BYTES_MAX + 1));
        assert_eq!(refused(&token(&long)), TokenError::KeyUnknown);
    }
}
