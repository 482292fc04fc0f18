//! Tokens that were verified, by their SHA-256, so that a clerk's next call costs no signature.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::access::PersonClaims;

/// Most tokens that are remembered. Only verified ones are, so that a flood of others pushes
/// none out.
const TOKENS_MAX: usize = 8192;

/// Claims of tokens by digest. Holds for one set of rules and keys.
#[derive(Default)]
pub(super) struct Cache(Mutex<Generations>);

/// When the younger half is full, the older one is forgotten: no clock, no list of uses.
#[derive(Default)]
struct Generations {
    younger: HashMap<[u8; 32], PersonClaims>,
    older: HashMap<[u8; 32], PersonClaims>,
}

impl Cache {
    pub(super) fn find(&self, digest: &[u8; 32]) -> Option<PersonClaims> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claims) = known.younger.get(digest) {
            return Some(claims.clone());
        }
        let claims = known.older.remove(digest)?;
        known.add(*digest, claims.clone());
        Some(claims)
    }

    pub(super) fn add(&self, digest: [u8; 32], claims: PersonClaims) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(digest, claims);
    }

    pub(super) fn remove(&self, digest: &[u8; 32]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.younger.remove(digest);
        known.older.remove(digest);
    }
}

impl Generations {
    fn add(&mut self, digest: [u8; 32], claims: PersonClaims) {
        if self.younger.len() >= TOKENS_MAX / 2 {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(digest, claims);
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::context::Roles;

    fn digest(number: usize) -> [u8; 32] {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_le_bytes());
        digest
    }

    fn claims(number: usize) -> PersonClaims {
        let subject = format!("person-{number}");
        PersonClaims { subject, roles: Roles::NONE, unit: None, province: None, expires_at: UNIX_EPOCH }
    }

    #[test]
    fn it_stays_within_its_bound_and_keeps_what_is_used() {
        let cache = Cache::default();
        cache.add(digest(0), claims(0));
        for number in 1..3 * TOKENS_MAX {
            cache.add(digest(number), claims(number));
            assert_eq!(cache.find(&digest(0)), Some(claims(0)), "{number}");
        }
        let known = cache.0.lock().unwrap();
        assert!(known.younger.len() + known.older.len() <= TOKENS_MAX);
        drop(known);
        assert_eq!(cache.find(&digest(1)), None);
        cache.remove(&digest(0));
        assert_eq!(cache.find(&digest(0)), None);
    }
}
