//! What is written into the head of a key store's file after that was made, each label sealed under the
//! store key:
//!
//! | at byte | bytes | label |
//! |---|---|---|
//! | 128 | 56 | the id of the gallery that the keys are of |
//! | 192 | 48 | the number of the next key, for the number of keys in the file: it holds no longer once there are more. It is there while nobody has the store open or nothing was handed out yet, and not after a crash |
//! | 256 | 56 | which of the gallery's lists of destroyed keys this file is in keeping with: see [`KeyStore::destroy_listed`](super::KeyStore::destroy_listed) |
//! | 320 | 56 | the id of the gallery that these keys have served sealed |
//!
//! A label that is not there, of an earlier program's file, or that was torn, says nothing.

use std::io;

use super::KeyStoreError;
use super::file::{ID_BYTES, Place, StoreFile};
use crate::sealing::aead;

/// Bytes of a gallery's id.
pub(super) const GALLERY_BYTES: usize = 16;
/// Bytes of what a list of destroyed keys is told by.
pub(super) const LIST_BYTES: usize = 16;

/// What is written into a header after it was made.
#[derive(Clone, Copy)]
pub(super) enum Label {
    /// The gallery that the keys are of.
    Gallery,
    /// The number of the next key.
    Next,
    /// The list of destroyed keys.
    Destroyed,
    /// The gallery that was served sealed.
    Sealed,
}

impl Label {
    fn at(self) -> u64 {
        match self {
            Self::Gallery => 128,
            Self::Next => 192,
            Self::Destroyed => 256,
            Self::Sealed => 320,
        }
    }

    /// Bytes of its box.
    fn bytes(self) -> usize {
        aead::OVERHEAD_BYTES
            + match self {
                Self::Gallery | Self::Sealed => GALLERY_BYTES,
                Self::Next => size_of::<u64>(),
                Self::Destroyed => LIST_BYTES,
            }
    }

    fn place(self, id: &[u8; ID_BYTES], number: u64) -> Place<'_> {
        let what: &'static [u8] = match self {
            Self::Gallery => b"chinhchu key store's gallery v1",
            Self::Next => b"chinhchu next key v1",
            Self::Destroyed => b"chinhchu list of destroyed keys v1",
            Self::Sealed => b"chinhchu gallery served sealed v1",
        };
        Place { what, id, number: number.to_le_bytes() }
    }
}

impl StoreFile {
    /// What a label says; `None` where there is none, or none that was sealed here for this number.
    fn label(&self, label: Label, number: u64) -> Result<Option<Vec<u8>>, KeyStoreError> {
        let mut sealed = vec![0; label.bytes()];
        match self.file.read_exact_at(&mut sealed, label.at()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(self.failed(&error)),
        }
        let header = self.header();
        let opened = aead::open(&header.store_key, &label.place(&header.id, number).each(), &sealed);
        Ok(opened.ok().map(|contents| contents.to_vec()))
    }

    /// Writes a label; durable after [`StoreFile::sync`].
    fn write_label(&self, label: Label, number: u64, contents: &[u8]) -> Result<(), KeyStoreError> {
        let header = self.header();
        let place = label.place(&header.id, number);
        let sealed = aead::seal(&header.store_key, &place.each(), contents).map_err(|error| self.failed(&error))?;
        self.file.write_all_at(&sealed, label.at()).map_err(|error| self.failed(&error))
    }

    /// The id of a gallery under one of the two labels that say one; `None` before that was written.
    pub(super) fn gallery(&self, label: Label) -> Result<Option<[u8; GALLERY_BYTES]>, KeyStoreError> {
        Ok(self.label(label, 0)?.and_then(|id| id.try_into().ok()))
    }

    /// Writes it, durably.
    pub(super) fn put_gallery(&self, label: Label, gallery: &[u8; GALLERY_BYTES]) -> Result<(), KeyStoreError> {
        self.write_label(label, 0, gallery)?;
        self.sync()
    }

    /// What the list of destroyed keys is told by that this file is in keeping with.
    pub(super) fn list_of_destroyed(&self) -> Result<Option<[u8; LIST_BYTES]>, KeyStoreError> {
        Ok(self.label(Label::Destroyed, 0)?.and_then(|list| list.try_into().ok()))
    }

    /// Writes that; durable after [`StoreFile::sync`].
    pub(super) fn write_list_of_destroyed(&self, list: &[u8; LIST_BYTES]) -> Result<(), KeyStoreError> {
        self.write_label(Label::Destroyed, 0, list)
    }

    /// Writes what the labels of another file say of the gallery, where this one says nothing, durably.
    pub(super) fn take_labels_of(&self, other: &Self) -> Result<(), KeyStoreError> {
        for label in [Label::Gallery, Label::Sealed] {
            if let (None, Some(gallery)) = (self.gallery(label)?, other.gallery(label)?) {
                self.put_gallery(label, &gallery)?;
            }
        }
        Ok(())
    }

    /// The number of the next key, as the last program that closed the store left it; `None` where it did
    /// not come to that, or all that are made were handed out.
    pub(super) fn next(&self) -> Result<Option<u64>, KeyStoreError> {
        let slots = self.slots()?;
        let next = self.label(Label::Next, slots)?.and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
        Ok(next.filter(|next| *next < slots))
    }

    /// Writes the number of the next key, durably.
    pub(super) fn put_next(&self, next: u64) -> Result<(), KeyStoreError> {
        self.write_label(Label::Next, self.slots()?, &next.to_le_bytes())?;
        self.sync()
    }

    /// Takes that number away, durably.
    pub(super) fn forget_next(&self) -> Result<(), KeyStoreError> {
        let zeros = vec![0; Label::Next.bytes()];
        let done = self.file.write_all_at(&zeros, Label::Next.at()).and_then(|()| self.file.sync_data());
        done.map_err(|error| self.failed(&error))
    }
}
