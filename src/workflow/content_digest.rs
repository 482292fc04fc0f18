//! The digest of a request's content, by which a retry is told from another request.

use sha2::{Digest, Sha256};

/// SHA-256 over length-prefixed fields, so that no two requests share a text.
pub(super) struct ContentDigest(Sha256);

impl ContentDigest {
    pub(super) fn new(what: &str) -> Self {
        let mut digest = Self(Sha256::new());
        digest.field(what.as_bytes());
        digest
    }

    pub(super) fn field(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    pub(super) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
