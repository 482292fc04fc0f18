//! What holds a key in memory: 32 bytes that are wiped when they are dropped and never printed.

use std::fmt;

use zeroize::Zeroizing;

/// A key of 256 bits. Wiped when it is dropped; `Debug` hides it.
#[derive(Clone)]
pub struct Secret(Box<Zeroizing<[u8; Secret::BYTES]>>);

impl Secret {
    /// Its length.
    pub const BYTES: usize = 32;

    /// A new one, from the operating system.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn random() -> std::io::Result<Self> {
        let mut secret = Self(Box::default());
        getrandom::fill(secret.0.as_mut_slice()).map_err(std::io::Error::other)?;
        Ok(secret)
    }

    /// Takes the bytes of a key over; the caller wipes its own copy.
    pub fn copied(bytes: &[u8; Self::BYTES]) -> Self {
        let mut secret = Self(Box::default());
        secret.0.copy_from_slice(bytes);
        secret
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
