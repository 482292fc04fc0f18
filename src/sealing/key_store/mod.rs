//! The key store: the keys of subjects, tables and files, sealed, in a file of its own that lies
//! outside the data folder and its backups. Whoever destroys a key here makes useless what was sealed
//! under it, in the folder, on the pages that the database has freed, and in every copy of both.
//!
//! Keys have numbers, from 0 in the order in which they are handed out; none is ever handed out twice,
//! nor after its destruction. They are made in blocks ahead of their use, so that a new subject costs
//! no flush: what is handed out is on the disk already. What is left of a block when the store is closed is
//! handed out by the next program that opens it: the number of the next key is noted then, and the note is
//! taken away, durably, before anything is handed out; so a program that is killed leaves none, and what
//! was left of its block is never used. In place of a key that was destroyed lies what
//! says so, sealed for its number: bytes that a disk or somebody else put there destroy nothing.
//!
//! A store is of one gallery, whose id is written into it: see [`KeyStore::bind`].
//!
//! A second file, the copy, is kept like the first, on another disk: it has every key before that is
//! handed out, and a destruction is done when it is done in both.
//!
//! Overwriting in place reaches what the device shows under these addresses. Snapshots of a file
//! system and cells that a solid-state disk has set aside may keep older bytes: those open under the
//! store key alone, which a rotation replaces ([`KeyStore::rotate`]).

#![forbid(unsafe_code)]

mod bytes;
mod copy;
mod error;
mod file;
mod head;
mod labels;

use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use self::copy::reconciled_copy;
pub use self::error::KeyStoreError;
pub(crate) use self::file::overwrite_and_remove;
pub use self::file::sealed_under;
use self::file::{Header, Opened, SLOT_BYTES, StoreFile};
pub use self::head::KeyStoreHead;
use self::labels::{GALLERY_BYTES, LIST_BYTES, Label};
use super::{KeyId, MasterKey, Secret};

/// Keys made ahead at first, and at most; each block is twice the one before.
const BLOCK: std::ops::RangeInclusive<u64> = 64..=16_384;
/// Keys that are sealed anew at a time by a rotation.
const ROTATED_AT_ONCE: u64 = 1024;
/// Keys at hand that were opened lately.
const CACHED: usize = 64;

/// Where a key store lies and what opens it.
#[derive(Debug, Clone)]
pub struct KeyStoreOptions {
    /// Its file.
    pub path: PathBuf,
    /// A second file that is kept like it.
    pub copy: Option<PathBuf>,
    /// The master key under which a new one is sealed, and to which a rotation leads.
    pub master: MasterKey,
    /// The one before, as long as a rotation from it is not over.
    pub previous: Option<MasterKey>,
    /// Only look: nothing is written or locked, and what would be is kept in memory. Nobody else may have it
    /// open.
    pub read_only: bool,
}

impl KeyStoreOptions {
    fn masters(&self) -> impl Iterator<Item = &MasterKey> {
        std::iter::once(&self.master).chain(&self.previous)
    }
}

/// Looks whether the copy is a file of its own, in a folder that is there: on the disk that it is meant to survive,
/// none is made by the way.
fn check_copy(path: &Path, copy: Option<&Path>) -> Result<(), KeyStoreError> {
    let Some(copy) = copy else { return Ok(()) };
    check_copy_folder(copy)?;
    let file = |path: &Path| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    match file(path) {
        Some(one) if file(copy) == Some(one) => {
            Err(KeyStoreError::SameFile { path: path.to_owned(), copy: copy.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Looks whether the folder of a key store's copy is there.
///
/// # Errors
/// [`KeyStoreError::NoCopyFolder`].
pub fn check_copy_folder(copy: &Path) -> Result<(), KeyStoreError> {
    let folder = copy.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match folder.is_dir() {
        true => Ok(()),
        false => Err(KeyStoreError::NoCopyFolder { copy: copy.to_owned(), folder: folder.to_owned() }),
    }
}

/// An open key store. This process alone has it open.
pub struct KeyStore {
    options: KeyStoreOptions,
    handing_out: Mutex<HandingOut>,
    /// Written by whoever overwrites keys or changes the files; read by all others. Taken after
    /// `handing_out`.
    files: RwLock<Files>,
    /// Keys at hand, by the last digits of their numbers.
    cache: Vec<Mutex<Option<(u64, Secret)>>>,
    /// Nothing was handed out yet, and the file says which key is the next.
    is_noted: AtomicBool,
    copy_found: CopyFound,
}

/// How the copy of a key store was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyFound {
    /// None is kept.
    None,
    /// It has what the store has, and nothing else.
    Alike,
    /// It is not there; whoever opens the store to use it makes it.
    Missing,
    /// One of the two has what the other lacks; whoever opens the store to use it brings both up to date.
    Differs,
}

struct HandingOut {
    /// The number of the next key.
    next: u64,
    /// Keys before this one are made.
    made: u64,
    /// How many are made next.
    block: u64,
}

struct Files {
    main: StoreFile,
    copy: Option<StoreFile>,
    /// What a rotation under way writes.
    rotated: Option<StoreFile>,
}

/// How the keys of a store stand.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Examined {
    /// Keys that were destroyed.
    pub destroyed: u64,
    /// Keys that cannot be opened: what is sealed under them is lost, unless they are put back.
    pub unreadable: u64,
    /// Of these, the last ones, where nothing lies: of a block that was being made when the machine went
    /// down, which nobody was given; or lost.
    pub empty_at_end: u64,
}

/// How far a rotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Keys that are sealed anew.
    pub done: u64,
    /// Of so many.
    pub of: u64,
}

impl std::fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyStore").field("path", &self.options.path).finish_non_exhaustive()
    }
}

impl KeyStore {
    /// Opens the key store; where there is none and `create` says so, makes it.
    ///
    /// # Errors
    /// Any [`KeyStoreError`]; nothing is changed then but that a copy may have been brought up to date.
    pub fn open(options: KeyStoreOptions, create: bool) -> Result<Self, KeyStoreError> {
        check_copy(&options.path, options.copy.as_deref())?;
        let has_copy = options.copy.as_ref().is_some_and(|copy| copy.exists());
        let read_only = options.read_only;
        let opened = StoreFile::open(&options.path, options.masters(), read_only);
        let main = match opened.map_err(|error| error.of_store(options.copy.as_deref()))? {
            Some(main) => main,
            None if create && !has_copy => {
                let header = Header::random().map_err(|error| KeyStoreError::io(&options.path, &error))?;
                StoreFile::create(&options.path, &header, &options.master, read_only)?
            }
            None => return Err(KeyStoreError::NotThere(options.path)),
        };
        let copy = options.copy.as_ref().map(|path| reconciled_copy(&main, path, &options)).transpose()?;
        let found = match &copy {
            None => CopyFound::None,
            Some(_) if !has_copy && read_only => CopyFound::Missing,
            Some(copy) if main.differs_from_file() || copy.differs_from_file() => CopyFound::Differs,
            Some(_) => CopyFound::Alike,
        };
        let (made, noted) = (main.slots()?, main.next()?);
        let next = noted.unwrap_or(made);
        Ok(Self {
            options,
            handing_out: Mutex::new(HandingOut { next, made, block: *BLOCK.start() }),
            files: RwLock::new(Files { main, copy, rotated: None }),
            cache: std::iter::repeat_with(Mutex::default).take(CACHED).collect(),
            is_noted: AtomicBool::new(noted.is_some()),
            copy_found: found,
        })
    }

    /// How its copy was found, of a store that is only looked at: of another one it is like the store by now.
    pub fn copy_found(&self) -> CopyFound {
        self.copy_found
    }

    fn handing_out(&self) -> MutexGuard<'_, HandingOut> {
        self.handing_out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self) -> RwLockReadGuard<'_, Files> {
        self.files.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn files_to_change(&self) -> RwLockWriteGuard<'_, Files> {
        self.files.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn cached(&self, number: u64) -> MutexGuard<'_, Option<(u64, Secret)>> {
        self.cache[(number % CACHED as u64) as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it is told from others by, through all rotations.
    pub fn id(&self) -> [u8; 16] {
        self.files().main.header().id
    }

    /// The master key under which it is sealed.
    pub fn master(&self) -> KeyId {
        self.files().main.master()
    }

    /// Whether it is sealed under the master key of its options, so that the one before is needed no more.
    pub fn is_rotated(&self) -> bool {
        self.master() == self.options.master.id()
    }

    /// How many keys are made, those included that were destroyed or are not handed out yet.
    pub fn made(&self) -> u64 {
        self.handing_out().made
    }

    /// How many of them are handed out next, before more are made.
    pub fn left(&self) -> u64 {
        let handing_out = self.handing_out();
        handing_out.made - handing_out.next
    }

    /// Of which gallery the keys are; `None` before it was bound to one.
    ///
    /// # Errors
    /// [`KeyStoreError::Io`].
    pub fn gallery(&self) -> Result<Option<[u8; GALLERY_BYTES]>, KeyStoreError> {
        self.files().main.gallery(Label::Gallery)
    }

    /// Writes of which gallery the keys are, in both files, so that no other one is sealed under keys of this
    /// store. What was written of that before stays.
    ///
    /// # Errors
    /// [`KeyStoreError::Io`].
    pub fn bind(&self, gallery: &[u8; GALLERY_BYTES]) -> Result<(), KeyStoreError> {
        self.put_gallery_once(Label::Gallery, gallery)
    }

    /// Which gallery these keys have served sealed; `None` where that was never written. A clear gallery of
    /// this id is from before its sealing.
    ///
    /// # Errors
    /// [`KeyStoreError::Io`].
    pub fn served_sealed(&self) -> Result<Option<[u8; GALLERY_BYTES]>, KeyStoreError> {
        self.files().main.gallery(Label::Sealed)
    }

    /// Writes, in both files, that a gallery is sealed under these keys: whole, and in its place.
    ///
    /// # Errors
    /// [`KeyStoreError::Io`].
    pub fn serves_sealed(&self, gallery: &[u8; GALLERY_BYTES]) -> Result<(), KeyStoreError> {
        self.put_gallery_once(Label::Sealed, gallery)
    }

    /// Writes the id of a gallery into both files under a label; what stood there stays.
    fn put_gallery_once(&self, label: Label, gallery: &[u8; GALLERY_BYTES]) -> Result<(), KeyStoreError> {
        let files = self.files_to_change();
        for file in std::iter::once(&files.main).chain(&files.copy) {
            if file.gallery(label)?.is_none() {
                file.put_gallery(label, gallery)?;
            }
        }
        Ok(())
    }

    /// Says that keys with numbers below this one were used. Where the file says that one of them is the next,
    /// it is from before that, put back by somebody: then none of those that are made is handed out.
    pub fn used_below(&self, number: u64) {
        let mut handing_out = self.handing_out();
        if handing_out.next < number {
            handing_out.next = handing_out.made;
        }
    }

    /// Opens every key, and counts.
    ///
    /// # Errors
    /// [`KeyStoreError::Io`].
    pub fn examine(&self) -> Result<Examined, KeyStoreError> {
        let files = self.files();
        let mut examined = Examined::default();
        for run in files.main.runs()? {
            let (first, slots) = run?;
            for (number, slot) in (first..).zip(slots.chunks_exact(SLOT_BYTES)) {
                let is_empty = slot.iter().all(|byte| *byte == 0);
                examined.empty_at_end = if is_empty { examined.empty_at_end + 1 } else { 0 };
                match files.main.opened(number, slot) {
                    Opened::Key(_) => {}
                    Opened::Destroyed => examined.destroyed += 1,
                    Opened::Unreadable => examined.unreadable += 1,
                }
            }
        }
        Ok(examined)
    }

    /// Looks whether both files are where they were opened, before a key is made or destroyed in them. A copy that
    /// was taken away meanwhile is made anew.
    fn check_files(&self) -> Result<(), KeyStoreError> {
        let is_lost = |copy: &Option<StoreFile>| copy.as_ref().is_some_and(|copy| !copy.is_in_place());
        let files = self.files();
        if !files.main.is_in_place() {
            return Err(KeyStoreError::Gone(self.options.path.clone()));
        }
        if !is_lost(&files.copy) {
            return Ok(());
        }
        drop(files);
        let mut files = self.files_to_change();
        let Files { main, copy, .. } = &mut *files;
        if let Some(path) = self.options.copy.as_ref().filter(|_| is_lost(copy)) {
            tracing::error!(
                "the copy of the key store was taken away or replaced while it was in use; it is made anew"
            );
            check_copy(&self.options.path, self.options.copy.as_deref())?;
            *copy = Some(reconciled_copy(main, path, &self.options)?);
        }
        Ok(())
    }

    /// Hands out a new key; it is on the disk by now. Its number.
    ///
    /// # Errors
    /// [`KeyStoreError::Io`], also where the disk is full; [`KeyStoreError::Gone`].
    pub fn hand_out(&self) -> Result<u64, KeyStoreError> {
        let mut handing_out = self.handing_out();
        self.check_files()?;
        if self.is_noted.load(Ordering::Acquire) {
            // Before the first: whoever is killed from here on leaves no note of what is used by then.
            self.files().main.forget_next()?;
            self.is_noted.store(false, Ordering::Release);
        }
        if handing_out.next == handing_out.made {
            let files = self.files();
            let made = files.main.append_random(handing_out.made, handing_out.block)?;
            if let Some(copy) = &files.copy {
                copy.append(handing_out.made, &made)?;
            }
            handing_out.made += handing_out.block;
            handing_out.block = (2 * handing_out.block).min(*BLOCK.end());
        }
        handing_out.next += 1;
        Ok(handing_out.next - 1)
    }

    /// A key; `None` where it was destroyed.
    ///
    /// # Errors
    /// [`KeyStoreError::KeyDamaged`]; [`KeyStoreError::Damaged`] for a number that was never made;
    /// [`KeyStoreError::Io`].
    pub fn key(&self, number: u64) -> Result<Option<Secret>, KeyStoreError> {
        self.is_named(number);
        // Held until it is cached, so that a destruction, which clears the place afterwards, is not
        // overtaken.
        let mut cached = self.cached(number);
        if let Some((of, key)) = cached.as_ref()
            && *of == number
        {
            return Ok(Some(key.clone()));
        }
        let key = match self.files().main.opened_at(number)? {
            Opened::Key(key) => Some(key),
            Opened::Destroyed => None,
            Opened::Unreadable => {
                let KeyStoreOptions { path, copy, .. } = self.options.clone();
                return Err(KeyStoreError::KeyDamaged { path, copy, number });
            }
        };
        *cached = key.clone().map(|key| (number, key));
        Ok(key)
    }

    /// Destroys keys: overwrites them in both files, durably, also those that are destroyed already.
    ///
    /// # Errors
    /// [`KeyStoreError::Io`]: then some may be destroyed; do it again. [`KeyStoreError::Gone`].
    pub fn destroy(&self, numbers: &[u64]) -> Result<(), KeyStoreError> {
        self.destroy_and_note(numbers, None)
    }

    /// The same, and notes that the store is in keeping with the gallery's list of destroyed keys that `list`
    /// tells from all others: each key that is on it is destroyed by then. A store that was put back from
    /// before has another note, or none ([`KeyStore::list_of_destroyed`]).
    ///
    /// # Errors
    /// As [`KeyStore::destroy`].
    pub fn destroy_listed(&self, numbers: &[u64], list: &[u8; LIST_BYTES]) -> Result<(), KeyStoreError> {
        self.destroy_and_note(numbers, Some(list))
    }

    fn destroy_and_note(&self, numbers: &[u64], list: Option<&[u8; LIST_BYTES]>) -> Result<(), KeyStoreError> {
        self.check_files()?;
        if let Some(last) = numbers.iter().max() {
            self.is_named(*last);
        }
        {
            let files = self.files_to_change();
            let list = list.filter(|list| files.main.list_of_destroyed().ok().flatten() != Some(**list));
            if numbers.is_empty() && list.is_none() {
                return Ok(());
            }
            for file in files.copy.iter().chain(&files.rotated) {
                file.destroy(numbers)?;
                file.sync()?;
            }
            files.main.destroy(numbers)?;
            if let Some(list) = list {
                // Behind the keys: a copy of the file that is made in this moment has the note last.
                files.main.write_list_of_destroyed(list)?;
            }
            files.main.sync()?;
            if files.rotated.is_none() && !numbers.is_empty() && !self.options.read_only {
                // Of a rotation that was interrupted: it begins anew.
                let left = file::new_path(&self.options.path);
                file::overwrite_and_remove(&left).map_err(|error| KeyStoreError::io(&left, &error))?;
            }
        }
        for &number in numbers {
            let mut cached = self.cached(number);
            if cached.as_ref().is_some_and(|(of, _)| *of == number) {
                *cached = None;
            }
        }
        Ok(())
    }

    /// With which of the gallery's lists of destroyed keys the store is in keeping; `None` where that was
    /// never noted.
    ///
    /// # Errors
    /// [`KeyStoreError::Io`].
    pub fn list_of_destroyed(&self) -> Result<Option<[u8; LIST_BYTES]>, KeyStoreError> {
        self.files().main.list_of_destroyed()
    }

    /// Those of some keys, given in rising order, that are not destroyed; none that was never made.
    ///
    /// # Errors
    /// [`KeyStoreError::Io`].
    pub fn not_destroyed(&self, numbers: &[u64]) -> Result<Vec<u64>, KeyStoreError> {
        self.files().main.not_destroyed(numbers)
    }

    /// The numbers of all keys that are destroyed.
    ///
    /// # Errors
    /// [`KeyStoreError::Io`].
    pub fn destroyed(&self) -> Result<Vec<u64>, KeyStoreError> {
        let files = self.files();
        let mut found = Vec::new();
        for run in files.main.runs()? {
            let (first, slots) = run?;
            let each = (first..).zip(slots.chunks_exact(SLOT_BYTES));
            found
                .extend(each.filter(|(number, slot)| files.main.is_destroyed(*number, slot)).map(|(number, _)| number));
        }
        Ok(found)
    }

    /// Whoever names a key was given it: an index file, say, whose key no record of the gallery tells.
    fn is_named(&self, number: u64) {
        if self.is_noted.load(Ordering::Acquire) {
            self.used_below(number.saturating_add(1));
        }
    }

    /// Notes, at the end, which of the keys that are made is the next.
    fn note_next(&mut self) -> Result<(), KeyStoreError> {
        let HandingOut { next, made, .. } = *self.handing_out.get_mut().unwrap_or_else(PoisonError::into_inner);
        let main = &self.files.get_mut().unwrap_or_else(PoisonError::into_inner).main;
        match (*self.is_noted.get_mut(), next < made) {
            // Keys behind those were made in vain, and may be in one of the files alone.
            (false, true) if main.slots()? == made => main.put_next(next),
            (true, false) => main.forget_next(),
            _ => Ok(()),
        }
    }

    /// Seals every key anew, under a new store key, itself sealed under the master key of the options;
    /// goes on where an earlier one was interrupted. Keys are handed out, read and destroyed meanwhile.
    /// `progress` is told how far it is, and can stop it; another call goes on. A store that is only looked at stays
    /// as it is. The old files are
    /// overwritten and taken away. Whether this call ended it.
    ///
    /// # Errors
    /// [`KeyStoreError::Io`]: what was there is there still, and goes on being used.
    pub fn rotate(&self, progress: &mut dyn FnMut(Rotation) -> ControlFlow<()>) -> Result<bool, KeyStoreError> {
        {
            let mut files = self.files_to_change();
            if files.main.master() == self.options.master.id() || self.options.read_only {
                return Ok(false);
            }
            if files.rotated.is_none() {
                files.rotated = Some(file::begun_rotation(&files.main, &self.options)?);
            }
        }
        loop {
            let handing_out = self.handing_out();
            let mut files = self.files_to_change();
            let Files { main, copy, rotated } = &mut *files;
            // Another rotation may have been at work.
            let Some(new) = rotated.as_ref() else { return Ok(false) };
            let done = new.slots()?;
            if progress(Rotation { done, of: handing_out.made }).is_break() {
                return Ok(false);
            }
            if done < handing_out.made {
                new.append_resealed(main, done, ROTATED_AT_ONCE.min(handing_out.made - done))?;
                continue;
            }
            let Some(new) = rotated.take() else { return Ok(false) };
            new.take_labels_of(main)?;
            if let Some(list) = main.list_of_destroyed()? {
                new.write_list_of_destroyed(&list)?;
                new.sync()?;
            }
            let new = new.replacing(main, &self.options.path)?;
            *main = new;
            // It was noted in the earlier file.
            self.is_noted.store(false, Ordering::Release);
            if let Some(path) = self.options.copy.as_ref() {
                // Unlocked before it is opened again.
                drop(copy.take());
                *copy = Some(reconciled_copy(main, path, &self.options)?);
            }
            return Ok(true);
        }
    }
}

impl Drop for KeyStore {
    fn drop(&mut self) {
        if let Err(error) = self.note_next() {
            tracing::warn!(%error, "keys that are left of the last block cannot be noted; they are not used");
        }
    }
}

#[cfg(test)]
mod tests;
