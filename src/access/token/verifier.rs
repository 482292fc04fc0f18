//! Checks tokens by the rules and the keys in force.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::cache::Cache;
use super::parts::{BYTES_MAX, Parts, decoded};
use super::{KeySet, TokenError, TokenRules};
use crate::access::PersonClaims;

/// Checks bearer tokens. Rules and keys may be replaced at any moment: a check that has begun
/// ends by those it began with.
pub struct TokenVerifier {
    in_force: RwLock<Arc<InForce>>,
}

/// What tokens are checked by.
#[derive(Clone)]
struct InForce {
    rules: Arc<TokenRules>,
    keys: Option<Keys>,
    /// Of these rules and these keys.
    verified: Arc<Cache>,
}

#[derive(Clone)]
struct Keys {
    set: Arc<KeySet>,
    /// When they are too old to be used, unless they are read again before.
    good_until: Option<SystemTime>,
}

impl TokenVerifier {
    /// Checks by these rules, and refuses everything until [`Self::install`] brings keys.
    pub fn new(rules: TokenRules) -> Self {
        let in_force = InForce { rules: Arc::new(rules), keys: None, verified: Arc::default() };
        Self { in_force: RwLock::new(Arc::new(in_force)) }
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<TokenRules> {
        Arc::clone(&self.in_force().rules)
    }

    /// Keys that the issuer has now: those it no longer has are refused from here on. They are
    /// used until `good_until`, if that is given.
    pub fn install(&self, keys: KeySet, good_until: Option<SystemTime>) {
        self.replace(|now| {
            let is_same = now.keys.as_ref().is_some_and(|known| known.set.digest() == keys.digest());
            let verified = if is_same { Arc::clone(&now.verified) } else { Arc::default() };
            InForce { keys: Some(Keys { set: Arc::new(keys), good_until }), verified, ..now.clone() }
        });
    }

    /// Other rules, after a reload. The keys stay where they are of the same issuer and the
    /// caller says that they come from the same place.
    pub fn replace_rules(&self, rules: TokenRules, keep_keys: bool) {
        self.replace(|now| {
            let is_same_issuer = now.rules.issuer == rules.issuer;
            let keys = now.keys.clone().filter(|_| keep_keys && is_same_issuer);
            InForce { rules: Arc::new(rules), keys, verified: Arc::default() }
        });
    }

    /// Whom a token names, where it is to be believed at `now`.
    ///
    /// # Errors
    /// [`TokenError`], which holds no part of the token.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<PersonClaims, TokenError> {
        if token.len() > BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let in_force = self.in_force();
        let keys = in_force.usable_keys(now);
        let digest: [u8; 32] = Sha256::digest(token).into();
        if keys.is_ok()
            && let Some(claims) = in_force.verified.find(&digest)
        {
            if claims.expires_at + in_force.rules.clock_skew > now {
                return Ok(claims);
            }
            in_force.verified.remove(&digest);
            return Err(TokenError::Expired);
        }
        let parts = Parts::of(token)?;
        if !in_force.rules.algorithms.contains(&parts.header.algorithm) {
            return Err(TokenError::Algorithm);
        }
        keys?.verify(&parts.header, parts.signed, &parts.signature)?;
        let claims = in_force.rules.apply(&decoded(parts.claims)?, now)?;
        in_force.verified.add(digest, claims.clone());
        Ok(claims)
    }

    fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, by: impl FnOnce(&InForce) -> InForce) {
        let mut in_force = self.in_force.write().unwrap_or_else(PoisonError::into_inner);
        *in_force = Arc::new(by(&in_force));
    }
}

impl InForce {
    fn usable_keys(&self, now: SystemTime) -> Result<&KeySet, TokenError> {
        match &self.keys {
            None => Err(TokenError::KeysMissing),
            Some(keys) if keys.good_until.is_some_and(|until| until < now) => Err(TokenError::KeysTooOld),
            Some(keys) => Ok(&keys.set),
        }
    }
}
