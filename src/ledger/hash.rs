//! Hashes of the Merkle tree: SHA-256 with a prefix that tells leaves from inner nodes (RFC 6962,
//! section 2.1; RFC 9162, section 2.1.1).
//!
//! `sha2` rather than `ring`: on messages of one or two blocks it takes less time, as it uses the
//! same instructions with less around them (`benches/README.md`, "Transparency log").

use std::fmt;

use sha2::{Digest, Sha256};

use super::encoding;
use crate::hex;

/// Before the data of a leaf.
const LEAF_PREFIX: u8 = 0;
/// Before the hashes of a node's two children.
const NODE_PREFIX: u8 = 1;

/// SHA-256 of a leaf, of an inner node or of a whole tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; Hash::BYTES]);

impl Hash {
    /// Length of a hash.
    pub const BYTES: usize = 32;

    /// Root of the tree without leaves: SHA-256 of nothing.
    pub const EMPTY: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae,
        0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);

    /// The hash of these bytes, which are one already.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// `SHA-256(0x00 || data)`: the hash of a leaf.
    pub fn leaf(data: &[u8]) -> Self {
        Self(Sha256::new_with_prefix([LEAF_PREFIX]).chain_update(data).finalize().into())
    }

    /// `SHA-256(0x01 || left || right)`: the hash of the node over two.
    pub fn node(left: &Self, right: &Self) -> Self {
        let mut message = [NODE_PREFIX; 1 + 2 * Self::BYTES];
        message[1..=Self::BYTES].copy_from_slice(&left.0);
        message[1 + Self::BYTES..].copy_from_slice(&right.0);
        Self(Sha256::digest(message).into())
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// As the C2SP formats write it.
    pub fn to_base64(&self) -> String {
        encoding::base64(&self.0)
    }

    /// Reads [`Hash::to_base64`]; `None` for any other text.
    pub fn from_base64(text: &str) -> Option<Self> {
        encoding::array_from_base64(text).map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_tree_is_the_hash_of_nothing() {
        assert_eq!(Hash::EMPTY.0, <[u8; 32]>::from(Sha256::digest([])));
        assert_eq!(Hash::from_base64("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="), Some(Hash::EMPTY));
    }

    /// The leaves are known answers of Certificate Transparency's tests.
    #[test]
    fn a_leaf_is_never_a_node() {
        let leaf = |text: &str| Hash::leaf(text.as_bytes()).to_string();
        assert_eq!(leaf(""), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        assert_eq!(leaf("L123456"), "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56");
        let (left, right) = (Hash::leaf(b"l"), Hash::leaf(b"r"));
        let joined = [left.0, right.0].concat();
        assert_ne!(Hash::node(&left, &right), Hash::leaf(&joined));
        assert_ne!(Hash::node(&left, &right), Hash::node(&right, &left));
        assert_eq!(Hash::node(&left, &right).0, <[u8; 32]>::from(Sha256::digest([&[1][..], &joined].concat())));
    }
}
