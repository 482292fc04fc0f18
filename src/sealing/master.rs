//! The master key: it seals the other keys and nothing else.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Secret;

/// What a key is told from others by; says nothing of the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::hex::encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The key above all others. `Debug` shows its id alone.
#[derive(Clone)]
pub struct MasterKey(Secret);

impl MasterKey {
    /// The master key that these bytes are.
    pub fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// What it is told from others by: the first bytes of HMAC-SHA-256 under it.
    pub fn id(&self) -> KeyId {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.bytes()).expect("a key of any length will do");
        mac.update(b"chinhchu master key id v1");
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        KeyId(id)
    }

    /// Itself.
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id())
    }
}
