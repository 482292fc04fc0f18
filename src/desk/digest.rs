//! What stands in tables in the place of a secret that a browser or a program holds.

use std::io;

use sha2::{Digest, Sha256};

use crate::{hex, random};

/// SHA-256 of a secret. Looking up by it, or comparing it, tells nothing of the secret by its time.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SecretDigest([u8; 32]);

impl SecretDigest {
    pub(super) fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

/// A secret of 256 random bits, as 64 hexadecimal digits.
///
/// # Errors
/// Where the system has no random numbers.
pub(super) fn new_secret() -> io::Result<String> {
    Ok(hex::encode(&random::secret::<32>()?))
}
