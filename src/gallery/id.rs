//! What a gallery is known by.

use std::fmt;

/// What a gallery is known by, wherever its folder lies: made at random with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct GalleryId([u8; GalleryId::BYTES]);

impl GalleryId {
    pub(super) const BYTES: usize = 16;

    /// A new one.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub(super) fn random() -> std::io::Result<Self> {
        crate::random::secret().map(Self)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// Reads 32 hexadecimal digits.
    pub fn from_text(text: &str) -> Option<Self> {
        let is_hex = text.len() == 2 * Self::BYTES && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_hex)?;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for GalleryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for GalleryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GalleryId({self})")
    }
}
