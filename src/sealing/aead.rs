//! Authenticated encryption: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), by the crate
//! `chacha20poly1305`, which NCC Group has reviewed.
//!
//! A box is a nonce of 24 random bytes, the ciphertext and a tag of 16 bytes. Random nonces of that
//! length never meet: after 2⁸⁰ boxes under one key the chance is 2⁻³³. What a box belongs to goes in
//! as associated data, piece by piece, each with its length before it, so that no two lists of pieces
//! read alike.

#![forbid(unsafe_code)]

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::Secret;

/// Bytes of a box before what is in it.
pub const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// By how much a box is longer than what is in it.
pub const OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// Not what was sealed: another key, another place, or altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it was not sealed under this key and for this place, or it was changed")]
pub struct NotAuthentic;

fn cipher(key: &Secret) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.bytes().into())
}

/// What a box belongs to, as one string of bytes that no other list of pieces gives.
fn associated(place: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(place.iter().map(|piece| piece.len() + 4).sum());
    for piece in place {
        // Names and keys of rows; none is near four GiB.
        bytes.extend_from_slice(&(piece.len() as u32).to_le_bytes());
        bytes.extend_from_slice(piece);
    }
    bytes
}

/// Seals `contents` for a place, behind what is in `into` already.
///
/// # Errors
/// Where the system has no random numbers.
pub fn seal_into(into: &mut Vec<u8>, key: &Secret, place: &[&[u8]], contents: &[u8]) -> std::io::Result<()> {
    seal_written(into, key, place, contents.len(), |into| into.extend_from_slice(contents))
}

/// The same of contents that are written where they are sealed, so that there is no copy of them in the
/// clear: `write` appends them to what it is given, `len` bytes and no more.
///
/// # Errors
/// As [`seal_into`].
pub fn seal_written(
    into: &mut Vec<u8>,
    key: &Secret,
    place: &[&[u8]],
    len: usize,
    write: impl FnOnce(&mut Vec<u8>),
) -> std::io::Result<()> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(std::io::Error::other)?;
    debug::note(&nonce);
    // At once: where it had to grow meanwhile, the clear bytes would stay in the place it left.
    into.reserve_exact(len + OVERHEAD_BYTES);
    into.extend_from_slice(&nonce);
    let begin = into.len();
    write(into);
    debug_assert_eq!(into.len() - begin, len);
    let buffer = &mut into[begin..];
    let tag = cipher(key).encrypt_inout_detached(&XNonce::from(nonce), &associated(place), buffer.into());
    // Fails beyond 256 GiB alone.
    into.extend_from_slice(&tag.map_err(std::io::Error::other)?);
    Ok(())
}

/// Seals `contents` for a place.
///
/// # Errors
/// As [`seal_into`].
pub fn seal(key: &Secret, place: &[&[u8]], contents: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut sealed = Vec::new();
    seal_into(&mut sealed, key, place, contents)?;
    Ok(sealed)
}

/// What is in a box; wiped when it is dropped.
///
/// # Errors
/// [`NotAuthentic`].
pub fn open(key: &Secret, place: &[&[u8]], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(NotAuthentic)?;
    let (contents, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(NotAuthentic)?;
    let mut opened = Zeroizing::new(contents.to_vec());
    decrypt(key, place, *nonce, &mut opened, *tag).map(|()| opened)
}

/// Opens a box where it lies, so that no copy is made: the contents. After a failure nothing of it is
/// left in the clear.
///
/// # Errors
/// [`NotAuthentic`].
pub fn open_in_place<'b>(key: &Secret, place: &[&[u8]], sealed: &'b mut [u8]) -> Result<&'b mut [u8], NotAuthentic> {
    let (nonce, rest) = sealed.split_first_chunk_mut::<NONCE_BYTES>().ok_or(NotAuthentic)?;
    let (contents, tag) = rest.split_last_chunk_mut::<TAG_BYTES>().ok_or(NotAuthentic)?;
    decrypt(key, place, *nonce, contents, *tag).map(|()| contents)
}

fn decrypt(
    key: &Secret,
    place: &[&[u8]],
    nonce: [u8; NONCE_BYTES],
    contents: &mut [u8],
    tag: [u8; TAG_BYTES],
) -> Result<(), NotAuthentic> {
    let (nonce, tag) = (XNonce::from(nonce), Tag::from(tag));
    let done = cipher(key).decrypt_inout_detached(&nonce, &associated(place), contents.into(), &tag);
    done.map_err(|_| NotAuthentic)
}

/// Looks, in debug builds, whether a nonce comes twice.
#[cfg(debug_assertions)]
mod debug {
    use std::collections::HashSet;
    use std::sync::{Mutex, PoisonError};

    /// Nonces that are remembered at most.
    const KEPT_MAX: usize = 1 << 20;

    static SEEN: Mutex<Option<HashSet<[u8; super::NONCE_BYTES]>>> = Mutex::new(None);

    pub(super) fn note(nonce: &[u8; super::NONCE_BYTES]) {
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = seen.get_or_insert_default();
        if seen.len() < KEPT_MAX {
            assert!(seen.insert(*nonce), "a nonce was used twice");
        }
    }
}

#[cfg(not(debug_assertions))]
mod debug {
    pub(super) fn note(_: &[u8; super::NONCE_BYTES]) {}
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_sealed_opens_in_its_place_alone(
            contents in prop::collection::vec(any::<u8>(), 0..200),
            table in "[a-z]{0,6}",
            row in prop::collection::vec(any::<u8>(), 0..9),
            bit in any::<prop::sample::Index>(),
        ) {
            let (key, other) = (Secret::random().unwrap(), Secret::random().unwrap());
            let place = [table.as_bytes(), row.as_slice()];
            let mut sealed = seal(&key, &place, &contents).unwrap();
            prop_assert_eq!(sealed.len(), contents.len() + OVERHEAD_BYTES);
            let opened = open(&key, &place, &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), contents.as_slice());
            let mut in_place = sealed.clone();
            prop_assert_eq!(open_in_place(&key, &place, &mut in_place).unwrap(), contents.as_slice());
            let mut in_place = sealed.clone();
            prop_assert!(open_in_place(&other, &place, &mut in_place).is_err());
            prop_assert_eq!(&in_place, &sealed);
            prop_assert!(open(&other, &place, &sealed).is_err());
            prop_assert!(open(&key, &[table.as_bytes()], &sealed).is_err());
            let joined = [table.as_bytes(), row.as_slice()].concat();
            prop_assert!(open(&key, &[&joined, &[]], &sealed).is_err() || row.is_empty());
            for cut in 0..sealed.len() {
                prop_assert!(open(&key, &place, &sealed[..cut]).is_err());
            }
            let bit = bit.index(8 * sealed.len());
            sealed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(open(&key, &place, &sealed).is_err());
        }
    }

    #[test]
    fn the_same_contents_are_never_sealed_alike() {
        let key = Secret::random().unwrap();
        let one = seal(&key, &[b"t"], b"the same").unwrap();
        let other = seal(&key, &[b"t"], b"the same").unwrap();
        assert!(one != other && one[..NONCE_BYTES] != other[..NONCE_BYTES]);
    }

    /// Published: draft-irtf-cfrg-xchacha-03, A.3.1. A box is nonce, ciphertext, tag; the associated
    /// data there is one piece without its length, so the cipher is called as `open` calls it.
    #[test]
    fn the_cipher_is_the_published_one() {
        let key: [u8; 32] = std::array::from_fn(|i| 0x80 + i as u8);
        let nonce: [u8; 24] = std::array::from_fn(|i| 0x40 + i as u8);
        let aad = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let mut text = *b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let secret = Secret::copied(&key);
        let tag =
            cipher(&secret).encrypt_inout_detached(&XNonce::from(nonce), &aad, text.as_mut_slice().into()).unwrap();
        assert_eq!(crate::hex::encode(&text[..16]), "bd6d179d3e83d43b9576579493c0e939");
        assert_eq!(crate::hex::encode(&tag), "c0875924c1c7987947deafd8780acf49");
    }

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "a nonce was used twice")]
    fn a_nonce_that_comes_twice_is_noticed() {
        debug::note(&[7; NONCE_BYTES]);
        debug::note(&[7; NONCE_BYTES]);
    }
}
