//! What a token must be to be believed, apart from its signature.
//!
//! Source: RFC 9068, 4 (validating access tokens); RFC 8725 (best current practices).

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::json::Object;
use super::{Algorithm, TokenError};
use crate::access::PersonClaims;
use crate::context::{Role, Roles};
use crate::{numbers, text};

/// Longest subject, in bytes: it is kept with decisions, where ids have this bound.
const SUBJECT_BYTES_MAX: usize = 128;
/// Longest unit and province, in bytes.
const PLACE_BYTES_MAX: usize = 64;
/// Latest time that is taken for one: the end of the year 9999, in seconds since 1970.
const SECONDS_MAX: f64 = 253_402_300_799.0;
/// Claims that only ID and logout tokens have (OpenID Connect Core 1.0, 3.1.3.6; Back-Channel
/// Logout 1.0, 2.4).
const OF_OTHER_KINDS: [&str; 4] = ["at_hash", "c_hash", "s_hash", "events"];
/// What the claim `typ`, which some providers add, says in access tokens.
const KINDS: [&str; 3] = ["Bearer", "JWT", "at+jwt"];

/// Where a claim stands: its name, or names of objects that lead to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClaimPath(Vec<String>);

impl ClaimPath {
    /// Names with dots between them; a URL is one name.
    pub(super) fn of(path: &str) -> Self {
        match path.contains("://") {
            true => Self(vec![path.to_owned()]),
            false => Self(path.split('.').map(str::to_owned).collect()),
        }
    }

    fn find<'a>(&self, claims: &'a Object) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(claims.0.get(first)?, |value, name| value.get(name))
    }
}

/// What a token must be: made by [`TokensSection::check`](super::TokensSection::check).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRules {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) clock_skew: Duration,
    pub(super) lifetime_max: Duration,
    pub(super) roles_claim: ClaimPath,
    pub(super) unit_claim: ClaimPath,
    pub(super) province_claim: ClaimPath,
    /// The issuer's names of our roles; where empty, ours.
    pub(super) role_names: BTreeMap<String, Role>,
    /// Whether subjects may look like somebody's number.
    pub(super) takes_numbers: bool,
}

impl TokenRules {
    /// The issuer whose tokens are believed.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// How far the issuer's clock may be from this one's.
    pub fn clock_skew(&self) -> Duration {
        self.clock_skew
    }

    /// The same, where subjects may look like somebody's number: for operators whose
    /// pseudonyms do.
    #[must_use]
    pub fn accepting_numbers(self) -> Self {
        Self { takes_numbers: true, ..self }
    }

    /// Reads claims whose signature has been checked.
    pub(super) fn apply(&self, claims: &[u8], now: SystemTime) -> Result<PersonClaims, TokenError> {
        let claims = Object::parse(claims).ok_or(TokenError::Malformed)?;
        if claims.text("iss") != Ok(Some(&self.issuer)) {
            return Err(TokenError::Issuer);
        }
        if !self.is_for_us(claims.0.get("aud")) {
            return Err(TokenError::Audience);
        }
        check_kind(&claims)?;
        let expires_at = self.check_times(&claims, now)?;
        Ok(PersonClaims {
            subject: self.subject(&claims)?,
            roles: self.roles(&claims)?,
            unit: place(&claims, &self.unit_claim).map_err(|()| TokenError::UnitClaim)?,
            province: place(&claims, &self.province_claim).map_err(|()| TokenError::ProvinceClaim)?,
            expires_at,
        })
    }

    fn is_for_us(&self, audience: Option<&Value>) -> bool {
        match audience {
            Some(Value::String(one)) => *one == self.audience,
            Some(Value::Array(several)) => {
                several.iter().all(Value::is_string) && several.iter().any(|one| *one == *self.audience)
            }
            _ => false,
        }
    }

    fn check_times(&self, claims: &Object, now: SystemTime) -> Result<SystemTime, TokenError> {
        let issued = time(claims, "iat")?.ok_or(TokenError::Times)?;
        let expires = time(claims, "exp")?.ok_or(TokenError::Times)?;
        let begins = time(claims, "nbf")?.map_or(issued, |begins| begins.max(issued));
        if expires + self.clock_skew <= now {
            return Err(TokenError::Expired);
        }
        if begins > now + self.clock_skew {
            return Err(TokenError::NotYetValid);
        }
        match expires.duration_since(issued) {
            Ok(lifetime) if lifetime <= self.lifetime_max => Ok(expires),
            Ok(_) => Err(TokenError::LivesTooLong),
            Err(_) => Err(TokenError::Times),
        }
    }

    fn subject(&self, claims: &Object) -> Result<String, TokenError> {
        let subject = claims.text("sub").ok().flatten().ok_or(TokenError::Subject)?;
        if !is_plain(subject, SUBJECT_BYTES_MAX) {
            return Err(TokenError::Subject);
        }
        match !self.takes_numbers && numbers::looks_like_one(subject) {
            true => Err(TokenError::SubjectIsNumber),
            false => Ok(subject.to_owned()),
        }
    }

    /// Roles of ours among those named; others are other programs' and mean nothing here.
    fn roles(&self, claims: &Object) -> Result<Roles, TokenError> {
        let names = match self.roles_claim.find(claims) {
            None => return Ok(Roles::NONE),
            Some(Value::Array(names)) => names.as_slice(),
            Some(one @ Value::String(_)) => std::slice::from_ref(one),
            Some(_) => return Err(TokenError::RolesClaim),
        };
        let names = names.iter().map(|name| name.as_str().ok_or(TokenError::RolesClaim));
        let roles = names.map(|name| name.map(|name| self.role(name))).collect::<Result<Vec<_>, _>>()?;
        Ok(roles.into_iter().flatten().collect())
    }

    fn role(&self, name: &str) -> Option<Role> {
        match self.role_names.is_empty() {
            true => Role::from_name(name),
            false => self.role_names.get(name).copied(),
        }
    }
}

/// Refuses claims that say what else the token is, or that it needs more than to be shown.
fn check_kind(claims: &Object) -> Result<(), TokenError> {
    if claims.0.contains_key("cnf") {
        return Err(TokenError::BoundToKey);
    }
    let of_another = OF_OTHER_KINDS.iter().any(|name| claims.0.contains_key(*name));
    match claims.text("typ") {
        Ok(None) if !of_another => Ok(()),
        Ok(Some(kind)) if !of_another && KINDS.iter().any(|known| known.eq_ignore_ascii_case(kind)) => Ok(()),
        _ => Err(TokenError::WrongKind),
    }
}

/// A NumericDate (RFC 7519, 2), which may have decimals.
fn time(claims: &Object, name: &str) -> Result<Option<SystemTime>, TokenError> {
    let Some(value) = claims.0.get(name) else { return Ok(None) };
    match value.as_f64() {
        Some(seconds) if (0.0..=SECONDS_MAX).contains(&seconds) => {
            Ok(Some(UNIX_EPOCH + Duration::from_secs_f64(seconds)))
        }
        _ => Err(TokenError::Times),
    }
}

/// A unit or a province, where the token has one; an error where that is no plain short text. An
/// empty one is none: providers write that for people without.
fn place(claims: &Object, path: &ClaimPath) -> Result<Option<String>, ()> {
    match path.find(claims) {
        None => Ok(None),
        Some(Value::String(place)) if place.is_empty() => Ok(None),
        Some(Value::String(place)) if is_plain(place, PLACE_BYTES_MAX) => Ok(Some(place.clone())),
        Some(_) => Err(()),
    }
}

/// Whether a text is what it looks like: not empty, short, without control and invisible
/// characters and without space around it.
fn is_plain(of: &str, bytes_max: usize) -> bool {
    !of.is_empty()
        && of.len() <= bytes_max
        && of.trim() == of
        && !of.chars().any(|c| c.is_control() || text::is_invisible(c))
}
