//! What holds a key in memory: 32 bytes that are wiped when they are dropped and never printed.
//!
//! They lie in pages of their own ([`super::pages`]), which no core dump has; where the system refuses
//! such pages, on the heap.

#![forbid(unsafe_code)]

use std::fmt;
use std::sync::Once;

use zeroize::Zeroizing;

use super::pages::{self, Slot};

/// A key of 256 bits. Wiped when it is dropped; `Debug` hides it.
pub struct Secret(Kept);

enum Kept {
    Pages(Slot),
    Heap(Box<Zeroizing<[u8; Secret::BYTES]>>),
}

impl Secret {
    /// Its length.
    pub const BYTES: usize = pages::SLOT_BYTES;

    /// A new one, from the operating system.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn random() -> std::io::Result<Self> {
        let mut secret = Self::zero();
        getrandom::fill(secret.bytes_mut()).map_err(std::io::Error::other)?;
        Ok(secret)
    }

    /// Takes the bytes of a key over; the caller wipes its own copy.
    pub fn copied(bytes: &[u8; Self::BYTES]) -> Self {
        let mut secret = Self::zero();
        secret.bytes_mut().copy_from_slice(bytes);
        secret
    }

    /// One that is written in its place, so that there is no other copy.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn written<E>(write: impl FnOnce(&mut [u8; Self::BYTES]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self::zero();
        write(secret.bytes_mut())?;
        Ok(secret)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; Self::BYTES] {
        match &self.0 {
            Kept::Pages(slot) => slot,
            Kept::Heap(bytes) => bytes,
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8; Self::BYTES] {
        match &mut self.0 {
            Kept::Pages(slot) => slot,
            Kept::Heap(bytes) => bytes,
        }
    }

    fn zero() -> Self {
        static WARNED: Once = Once::new();
        match pages::slot() {
            Ok(slot) => Self(Kept::Pages(slot)),
            Err(error) => {
                WARNED.call_once(|| {
                    tracing::warn!(
                        "keys have no memory of their own ({error}): they are wiped, but a core dump would hold them; \
                         look at the limits of this process"
                    );
                });
                Self(Kept::Heap(Box::default()))
            }
        }
    }
}

impl Clone for Secret {
    fn clone(&self) -> Self {
        Self::copied(self.bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_holds_what_it_was_given_and_prints_nothing_of_it() {
        let one = Secret::copied(&[3; 32]);
        let same = one.clone();
        drop(one);
        assert_eq!(same.bytes(), &[3; 32]);
        assert_eq!(format!("{same:?}"), "Secret(…)");
        assert_ne!(Secret::random().unwrap().bytes(), Secret::random().unwrap().bytes());
        let written = Secret::written(|bytes| {
            bytes[31] = 9;
            Ok::<_, ()>(())
        });
        assert_eq!(written.unwrap().bytes()[31], 9);
        assert_eq!(Secret::written(|_| Err("no")).unwrap_err(), "no");
    }

    #[test]
    fn secrets_lie_in_pages_of_their_own_where_the_system_has_some() {
        let is_in_pages = matches!(Secret::copied(&[1; 32]).0, Kept::Pages(_));
        assert_eq!(is_in_pages, cfg!(target_os = "linux"));
    }
}
