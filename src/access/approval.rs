//! Two people for every change of what decisions are made by: approvals of a configuration, each an
//! operator's signature of its digest.
//!
//! The digest is of certificates, policies, access, keys and authorities of callers, calibrations and
//! recipes. An approval is one
//! line, `NAME SIGNATURE`: the operator's name in the configuration, and an Ed25519 signature
//! (RFC 8032) in base64 of the text `chinhchu configuration v1`, a line break, the digest as 64
//! hexadecimal digits, and a line break.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::AccessSettingsError;
use crate::hex;

/// How many operators must approve.
pub const APPROVALS_NEEDED: usize = 2;
/// First line of what is signed.
const DOMAIN: &str = "chinhchu configuration v1";
/// Bytes of an Ed25519 public key.
const KEY_BYTES: usize = 32;

/// The operators who may approve, by name, with their public keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operators(BTreeMap<String, String>);

/// An operator's approval of one digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The operator's name in the configuration.
    pub operator: String,
    signature: Vec<u8>,
}

/// A configuration that not enough operators have approved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{approved} of {APPROVALS_NEEDED} operators have approved the configuration {digest}; each does by `chinhchu config \
     approve`"
)]
pub struct NotApproved {
    /// How many have.
    pub approved: usize,
    /// The digest, in hexadecimal digits.
    pub digest: String,
}

impl Operators {
    /// Checks the keys of a configuration.
    ///
    /// # Errors
    /// [`AccessSettingsError`] for a key that is none, one that two operators share, and fewer
    /// operators than must approve.
    pub fn new(keys: &BTreeMap<String, String>) -> Result<Self, AccessSettingsError> {
        let mut seen = BTreeSet::new();
        for (name, key) in keys {
            let place = format!("access.operators.{name}");
            if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
                return Err(AccessSettingsError::new(place, "the name must be one word"));
            }
            let bytes = STANDARD.decode(key).ok().filter(|bytes| bytes.len() == KEY_BYTES).ok_or_else(|| {
                let problem = "this is no Ed25519 public key in base64; `chinhchu config operator-key` prints it";
                AccessSettingsError::new(place.clone(), problem)
            })?;
            if !seen.insert(bytes) {
                return Err(AccessSettingsError::new(
                    place,
                    "two operators have this key; each has a key of their own",
                ));
            }
        }
        if !keys.is_empty() && keys.len() < APPROVALS_NEEDED {
            let problem = format!("it takes {APPROVALS_NEEDED} operators to approve a change; name one more, or none");
            return Err(AccessSettingsError::new("access.operators", problem));
        }
        Ok(Self(keys.clone()))
    }

    /// Whether changes take no approval.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The operator's public key in base64.
    pub fn key_of(&self, operator: &str) -> Option<&str> {
        self.0.get(operator).map(String::as_str)
    }

    /// Whether enough different operators have approved a digest.
    ///
    /// # Errors
    /// [`NotApproved`].
    pub fn check(&self, digest: &[u8; 32], approvals: &[Approval]) -> Result<(), NotApproved> {
        let text = signed(digest);
        let approved: BTreeSet<&str> = approvals
            .iter()
            .filter(|approval| {
                let key = self.0.get(&approval.operator).and_then(|key| STANDARD.decode(key).ok());
                key.is_some_and(|key| {
                    UnparsedPublicKey::new(&ED25519, key).verify(text.as_bytes(), &approval.signature).is_ok()
                })
            })
            .map(|approval| approval.operator.as_str())
            .collect();
        match approved.len() {
            enough if enough >= APPROVALS_NEEDED => Ok(()),
            approved => Err(NotApproved { approved, digest: hex::encode(digest) }),
        }
    }
}

impl Approval {
    /// An operator's approval of a digest, by the operator's key (PKCS #8); `None` where the key is
    /// none.
    pub fn sign(operator: &str, digest: &[u8; 32], key: &[u8]) -> Option<Self> {
        let signature = pair(key)?.sign(signed(digest).as_bytes()).as_ref().to_vec();
        Some(Self { operator: operator.to_owned(), signature })
    }

    /// The approvals of a file; lines that are none are left out, as approvals of other digests are.
    pub fn read(text: &str) -> Vec<Self> {
        let one = |line: &str| {
            let (operator, signature) = line.trim().split_once(' ')?;
            Some(Self { operator: operator.to_owned(), signature: STANDARD.decode(signature.trim()).ok()? })
        };
        text.lines().filter_map(one).collect()
    }

    /// The approval as a line of a file, without its end.
    pub fn line(&self) -> String {
        format!("{} {}", self.operator, STANDARD.encode(&self.signature))
    }
}

/// A new operator's key as PKCS #8, and the public key in base64; `None` where the system has no
/// random numbers.
pub fn new_operator_key() -> Option<(Vec<u8>, String)> {
    let key = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).ok()?.as_ref().to_vec();
    let public = public_key(&key)?;
    Some((key, public))
}

/// The public key of an operator's key (PKCS #8), in base64; `None` where it is none.
pub fn public_key(key: &[u8]) -> Option<String> {
    Some(STANDARD.encode(pair(key)?.public_key()))
}

fn pair(key: &[u8]) -> Option<Ed25519KeyPair> {
    Ed25519KeyPair::from_pkcs8(key).or_else(|_| Ed25519KeyPair::from_pkcs8_maybe_unchecked(key)).ok()
}

fn signed(digest: &[u8; 32]) -> String {
    format!("{DOMAIN}\n{}\n", hex::encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: [u8; 32] = [7; 32];

    fn two() -> (Operators, [Vec<u8>; 2]) {
        let [(a, public_a), (b, public_b)] = [new_operator_key().unwrap(), new_operator_key().unwrap()];
        let keys = [("an".to_owned(), public_a), ("binh".to_owned(), public_b)].into();
        (Operators::new(&keys).unwrap(), [a, b])
    }

    #[test]
    fn a_configuration_takes_two_different_operators() {
        let (operators, [a, b]) = two();
        let approve = |name: &str, key: &[u8]| Approval::sign(name, &DIGEST, key).unwrap();
        let approved = |approvals: &[Approval]| operators.check(&DIGEST, approvals).map_err(|none| none.approved);
        assert_eq!(approved(&[]), Err(0));
        assert_eq!(approved(&[approve("an", &a)]), Err(1));
        assert_eq!(approved(&[approve("an", &a), approve("an", &a)]), Err(1), "one twice");
        assert_eq!(approved(&[approve("an", &a), approve("binh", &a)]), Err(1), "by the key of another");
        assert_eq!(approved(&[approve("an", &a), approve("chi", &b)]), Err(1), "an unknown operator");
        assert_eq!(approved(&[approve("an", &a), approve("binh", &b)]), Ok(()));
        let other = Approval::sign("binh", &[8; 32], &b).unwrap();
        assert_eq!(approved(&[approve("an", &a), other]), Err(1), "of another configuration");
    }

    #[test]
    fn approvals_are_read_as_they_were_written_and_other_lines_are_left_out() {
        let (operators, [a, b]) = two();
        let lines = [("an", &a), ("binh", &b)].map(|(name, key)| Approval::sign(name, &DIGEST, key).unwrap().line());
        let text = format!("# by hand\n\n{}\r\nnobody\nx !!!\n  {}\n", lines[0], lines[1]);
        let read = Approval::read(&text);
        assert_eq!(read.len(), 2);
        assert_eq!(operators.check(&DIGEST, &read), Ok(()));
    }

    #[test]
    fn keys_that_are_none_or_shared_and_a_single_operator_are_refused() {
        let (_, [a, _]) = two();
        let key = public_key(&a).unwrap();
        let refused = |keys: &[(&str, &str)]| {
            let keys = keys.iter().map(|(name, key)| ((*name).to_owned(), (*key).to_owned())).collect();
            Operators::new(&keys).unwrap_err().to_string()
        };
        assert!(refused(&[("an", "AAAA"), ("binh", &key)]).contains("access.operators.an: this is no Ed25519"));
        assert!(refused(&[("an", &key), ("binh", &key)]).contains("two operators"));
        assert!(refused(&[("an", &key)]).contains("one more"));
        assert!(refused(&[("an b", &key), ("binh", &key)]).contains("one word"));
        assert!(Operators::new(&BTreeMap::new()).unwrap().is_empty());
        assert_eq!(public_key(b"no key"), None);
    }
}
