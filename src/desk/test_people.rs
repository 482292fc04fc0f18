//! Test people: who can be signed in as without a provider, for trying the pages out on loopback.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use super::digest::{SecretDigest, new_secret};
use super::sessions::Tokens;
use super::settings::TestPerson;
use crate::access::PersonClaims;

/// Most tokens at a time; beyond them all are forgotten, and whoever tries the pages out signs in again.
const TOKENS_MAX: usize = 1000;
/// How long one holds.
const LASTS: Duration = Duration::from_secs(12 * 3600);

/// The test people of a server, and the tokens that it gave them. Those are random, known to this
/// process alone, and never leave it: a page holds a session, and no token.
pub struct TestPeople {
    people: BTreeMap<String, TestPerson>,
    given: Mutex<HashMap<SecretDigest, PersonClaims>>,
}

impl TestPeople {
    /// These, by their names.
    pub fn new(people: BTreeMap<String, TestPerson>) -> Self {
        Self { people, given: Mutex::default() }
    }

    /// All, by their names.
    pub fn all(&self) -> impl Iterator<Item = (&str, &TestPerson)> {
        self.people.iter().map(|(name, person)| (name.as_str(), person))
    }

    /// A token for the person of this name; `None` where there is none.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn sign_in(&self, name: &str) -> io::Result<Option<Tokens>> {
        let Some(person) = self.people.get(name) else { return Ok(None) };
        let token = Zeroizing::new(new_secret()?);
        let expires_at = SystemTime::now() + LASTS;
        let claims = PersonClaims {
            subject: name.to_owned(),
            roles: person.roles,
            unit: person.unit.clone(),
            province: person.province.clone(),
            expires_at,
        };
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.len() >= TOKENS_MAX {
            given.clear();
        }
        given.insert(SecretDigest::of(&token), claims);
        Ok(Some(Tokens { access: token, expires_at: Some(expires_at), refresh: None }))
    }

    /// Whose token this is; `None` for one that was not given here, or is over.
    pub fn claims(&self, token: &str) -> Option<PersonClaims> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.get(&SecretDigest::of(token)).filter(|claims| claims.expires_at > SystemTime::now()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{Role, Roles};

    #[test]
    fn a_test_person_is_known_by_a_token_that_was_given_here_and_by_no_other() {
        let roles: Roles = [Role::Counter].into_iter().collect();
        let person = TestPerson { roles, unit: Some("Q1".into()), province: None };
        let people = TestPeople::new([("test-clerk".to_owned(), person)].into());
        assert!(people.sign_in("test-officer").unwrap().is_none());
        let tokens = people.sign_in("test-clerk").unwrap().unwrap();
        let claims = people.claims(&tokens.access).unwrap();
        assert_eq!((claims.subject.as_str(), claims.unit.as_deref()), ("test-clerk", Some("Q1")));
        assert_eq!(claims.roles, roles);
        assert!(people.claims("test-clerk").is_none() && people.claims("").is_none());
    }
}
