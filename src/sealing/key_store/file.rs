//! The file of a key store.
//!
//! A header of 4096 bytes: [`MAGIC`], the version (four bytes), the store's id (16), how often its
//! store key was replaced (four), the id of the master key (eight), the store key sealed under that
//! (72), CRC-32 of all this (four), zeros. Then the keys, each sealed under the store key for its
//! number, 72 bytes. All numbers are little-endian. This of a header is never changed: a rotation makes a
//! new file.
//!
//! Labels are written into its zeros later: see [`labels`](super::labels).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::bytes::Bytes;
use super::head::{Head, slots_in};
use super::{KeyStoreError, KeyStoreOptions};
use crate::overlay::Overlay;
use crate::private;
use crate::sealing::{KeyId, MasterKey, Secret, aead};

pub(super) const MAGIC: &[u8; 12] = b"chinhchu.key";
pub(super) const VERSION: u32 = 1;
/// How long to wait for a lock that may be gone in a moment, and between two tries.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
const LOCK_PAUSE: Duration = Duration::from_millis(10);
pub(super) const HEADER_BYTES: u64 = 4096;
/// Of the header up to its checksum.
pub(super) const SUMMED_BYTES: usize = 12 + 4 + ID_BYTES + 4 + 8 + SLOT_BYTES;
pub(super) const ID_BYTES: usize = 16;
/// Where the id of the master key stands; the store key comes behind it.
pub(super) const MASTER_AT: std::ops::Range<usize> = 36..44;
/// A key in its box.
pub(super) const SLOT_BYTES: usize = Secret::BYTES + aead::OVERHEAD_BYTES;
/// Keys that are read at a time where all are.
const READ_AT_ONCE: u64 = 4096;

/// A key as it lies in the file.
pub(super) type Slot = [u8; SLOT_BYTES];

/// What a slot says.
pub(super) enum Opened {
    Key(Secret),
    /// The key was destroyed. That is sealed as a key is: bytes that somebody, or a disk, has put there
    /// destroy nothing.
    Destroyed,
    /// Neither.
    Unreadable,
}

/// What a file begins with, opened.
#[derive(Clone)]
pub(super) struct Header {
    pub(super) id: [u8; ID_BYTES],
    pub(super) epoch: u32,
    pub(super) store_key: Secret,
}

impl Header {
    /// That of a new store.
    pub(super) fn random() -> io::Result<Self> {
        let id = crate::random::secret()?;
        Ok(Self { id, epoch: 0, store_key: Secret::random()? })
    }

    /// That of the file that takes its place in a rotation.
    pub(super) fn successor(&self) -> io::Result<Self> {
        Ok(Self { id: self.id, epoch: self.epoch.wrapping_add(1), store_key: Secret::random()? })
    }

    /// Whether it is of the rotation that follows.
    pub(super) fn follows(&self, before: &Self) -> bool {
        self.id == before.id && self.epoch == before.epoch.wrapping_add(1)
    }

    fn encode(&self, master: &MasterKey) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES as usize);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&master.id().0);
        let place = store_key_place(&self.id, self.epoch);
        aead::seal_into(&mut bytes, master.secret(), &place.each(), self.store_key.bytes())?;
        let sum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes.resize(HEADER_BYTES as usize, 0);
        Ok(bytes)
    }
}

/// What a sealed key belongs to.
pub(super) struct Place<'a> {
    pub(super) what: &'static [u8],
    pub(super) id: &'a [u8; ID_BYTES],
    pub(super) number: [u8; 8],
}

impl Place<'_> {
    pub(super) fn each(&self) -> [&[u8]; 3] {
        [self.what, self.id, &self.number]
    }
}

fn store_key_place(id: &[u8; ID_BYTES], epoch: u32) -> Place<'_> {
    Place { what: b"chinhchu store key v1", id, number: u64::from(epoch).to_le_bytes() }
}

/// Of what says that a key was destroyed.
fn tombstone_place(id: &[u8; ID_BYTES], number: u64) -> Place<'_> {
    Place { what: b"chinhchu destroyed key v1", id, number: number.to_le_bytes() }
}

fn slot_place(id: &[u8; ID_BYTES], number: u64) -> Place<'_> {
    Place { what: b"chinhchu key v1", id, number: number.to_le_bytes() }
}

/// Where a rotation writes the file that takes the place of the one at `path`.
pub(super) fn new_path(path: &Path) -> PathBuf {
    with_suffix(path, ".new")
}

/// Where the file lies whose place at `path` another has taken, until it is overwritten.
pub(super) fn old_path(path: &Path) -> PathBuf {
    with_suffix(path, ".old")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The file that a rotation of `main` writes: the one that an interrupted rotation has begun, or a new
/// one.
pub(super) fn begun_rotation(main: &StoreFile, options: &KeyStoreOptions) -> Result<StoreFile, KeyStoreError> {
    let (new, master) = (new_path(&options.path), &options.master);
    match StoreFile::open(&new, std::iter::once(master), false) {
        Ok(Some(begun)) if begun.header.follows(&main.header) => return Ok(begun),
        // One that cannot be gone on with, perhaps under a third key.
        Ok(_) | Err(KeyStoreError::OtherMaster { .. } | KeyStoreError::Damaged { .. }) => {}
        Err(error) => return Err(error),
    }
    overwrite_and_remove(&new).map_err(|error| KeyStoreError::io(&new, &error))?;
    let header = main.header.successor().map_err(|error| KeyStoreError::io(&new, &error))?;
    StoreFile::create(&new, &header, master, false)
}

/// Overwrites a file with zeros and takes it away; where there is none, all is well.
pub(crate) fn overwrite_and_remove(path: &Path) -> io::Result<()> {
    let file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    overwrite(&file)?;
    fs::remove_file(path)
}

fn overwrite(file: &File) -> io::Result<()> {
    let zeros = [0; 1 << 16];
    let len = file.metadata()?.len();
    let mut at = 0;
    while at < len {
        let count = zeros.len().min(usize::try_from(len - at).unwrap_or(usize::MAX));
        file.write_all_at(&zeros[..count], at)?;
        at += count as u64;
    }
    file.sync_all()
}

/// Under which master key the key store at `path` says that it is sealed; `None` where there is none, or
/// none that can be read.
pub fn sealed_under(path: &Path) -> Option<KeyId> {
    let mut head = [0; MASTER_AT.end];
    io::Read::read_exact(&mut crate::regular::open(path).ok()?, &mut head).ok()?;
    head.starts_with(MAGIC).then(|| master_in(&head))
}

/// The id of the master key in a head.
pub(super) fn master_in(head: &[u8]) -> KeyId {
    let mut id = KeyId([0; 8]);
    id.0.copy_from_slice(&head[MASTER_AT]);
    id
}

/// An open file of keys. Locked as long as it lives, unless it is only looked at.
pub(super) struct StoreFile {
    pub(super) path: PathBuf,
    pub(super) file: Bytes,
    header: Header,
    master: KeyId,
}

impl StoreFile {
    /// The file at `path`; `None` where there is none. One that is only looked at is neither written nor locked,
    /// but nobody else may have it open at this moment.
    pub(super) fn open<'m>(
        path: &Path,
        masters: impl Iterator<Item = &'m MasterKey>,
        read_only: bool,
    ) -> Result<Option<Self>, KeyStoreError> {
        let failed = |error: io::Error| KeyStoreError::io(path, &error);
        match crate::regular::open(path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        }
        let to_read = private::open_secret(path).map_err(failed)?;
        let file = match read_only {
            true => {
                lock(path, || to_read.try_lock_shared())?;
                to_read.unlock().map_err(failed)?;
                Bytes::Memory(Overlay::over(to_read).map_err(failed)?)
            }
            false => {
                let file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
                lock(path, || file.try_lock())?;
                Bytes::File(file)
            }
        };
        let Head { id, epoch, master: needed, sealed_store_key } =
            Head::read(path, |bytes| file.read_exact_at(bytes, 0))?;
        let masters: Vec<&MasterKey> = masters.collect();
        let Some(master) = masters.iter().find(|master| master.id() == needed) else {
            let given = masters.first().map_or(KeyId([0; 8]), |master| master.id());
            return Err(KeyStoreError::OtherMaster { path: path.to_owned(), needed, given });
        };
        let damaged = |detail| KeyStoreError::Damaged { path: path.to_owned(), detail };
        let opened = aead::open(master.secret(), &store_key_place(&id, epoch).each(), &sealed_store_key);
        let opened = opened.map_err(|_| damaged("its store key was altered"))?;
        let store_key: &[u8; Secret::BYTES] =
            opened.as_slice().try_into().map_err(|_| damaged("its store key has another length"))?;
        let header = Header { id, epoch, store_key: Secret::copied(store_key) };
        Ok(Some(Self { path: path.to_owned(), file, header, master: needed }))
    }

    /// A new file without keys, in place of whatever is there; in memory where nothing is to be written.
    pub(super) fn create(
        path: &Path,
        header: &Header,
        master: &MasterKey,
        read_only: bool,
    ) -> Result<Self, KeyStoreError> {
        let failed = |error: io::Error| KeyStoreError::io(path, &error);
        let bytes = header.encode(master).map_err(failed)?;
        if read_only {
            let file = Bytes::Memory(Overlay::empty());
            file.write_all_at(&bytes, 0).map_err(failed)?;
            return Ok(Self { path: path.to_owned(), file, header: header.clone(), master: master.id() });
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            private::make_folder(parent).map_err(failed)?;
        }
        // Whole when it has its name: a head that was cut short would be taken for damage.
        private::write(path, private::Readers::Owner, &bytes).map_err(failed)?;
        Self::open(path, std::iter::once(master), false)?.ok_or_else(|| KeyStoreError::NotThere(path.to_owned()))
    }

    /// Whether anything was written to it that the file does not have, as it is only looked at.
    pub(super) fn differs_from_file(&self) -> bool {
        matches!(&self.file, Bytes::Memory(overlay) if overlay.is_written())
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    pub(super) fn master(&self) -> KeyId {
        self.master
    }

    pub(super) fn failed(&self, error: &io::Error) -> KeyStoreError {
        KeyStoreError::io(&self.path, error)
    }

    /// Whether it is the file that lies at its path still.
    pub(super) fn is_in_place(&self) -> bool {
        let Bytes::File(file) = &self.file else { return true };
        let identity = |found: io::Result<fs::Metadata>| found.ok().map(|found| (found.dev(), found.ino()));
        let own = identity(file.metadata());
        own.is_some() && own == identity(fs::metadata(&self.path))
    }

    /// How many whole keys are in it.
    pub(super) fn slots(&self) -> Result<u64, KeyStoreError> {
        self.file.len().map(slots_in).map_err(|error| self.failed(&error))
    }

    /// Writes keys from number `first` on, durably.
    pub(super) fn append(&self, first: u64, slots: &[u8]) -> Result<(), KeyStoreError> {
        let done = self.file.write_all_at(slots, offset(first)).and_then(|()| self.file.sync_data());
        done.map_err(|error| self.failed(&error))
    }

    /// Makes new keys from number `first` on, durably. As they lie there.
    pub(super) fn append_random(&self, first: u64, count: u64) -> Result<Vec<u8>, KeyStoreError> {
        let mut slots = Vec::with_capacity(count as usize * SLOT_BYTES);
        for number in first..first + count {
            let key = Secret::random().map_err(|error| self.failed(&error))?;
            self.seal(&mut slots, number, &key)?;
        }
        self.append(first, &slots)?;
        Ok(slots)
    }

    fn seal(&self, into: &mut Vec<u8>, number: u64, key: &Secret) -> Result<(), KeyStoreError> {
        let place = slot_place(&self.header.id, number);
        aead::seal_into(into, &self.header.store_key, &place.each(), key.bytes()).map_err(|error| self.failed(&error))
    }

    /// Seals that a key was destroyed.
    fn bury(&self, into: &mut Vec<u8>, number: u64) -> Result<(), KeyStoreError> {
        let place = tombstone_place(&self.header.id, number);
        let nothing = [0; Secret::BYTES];
        aead::seal_into(into, &self.header.store_key, &place.each(), &nothing).map_err(|error| self.failed(&error))
    }

    /// Takes keys of another file over, sealed under this one's store key, durably.
    pub(super) fn append_resealed(&self, other: &Self, first: u64, count: u64) -> Result<(), KeyStoreError> {
        let mut slots = Vec::with_capacity(count as usize * SLOT_BYTES);
        for number in first..first + count {
            let slot = other.slot(number)?;
            match other.opened(number, &slot) {
                Opened::Key(key) => self.seal(&mut slots, number, &key)?,
                Opened::Destroyed => self.bury(&mut slots, number)?,
                Opened::Unreadable => slots.extend_from_slice(&slot),
            }
        }
        self.append(first, &slots)
    }

    /// Overwrites keys; those beyond the end are not there. Durable after [`StoreFile::sync`].
    pub(super) fn destroy(&self, numbers: &[u64]) -> Result<(), KeyStoreError> {
        let slots = self.slots()?;
        for &number in numbers.iter().filter(|number| **number < slots) {
            let mut tombstone = Vec::with_capacity(SLOT_BYTES);
            self.bury(&mut tombstone, number)?;
            self.put(number, &tombstone)?;
        }
        Ok(())
    }

    /// Those of some keys, in rising order, that are not destroyed; those beyond the end are not there.
    pub(super) fn not_destroyed(&self, numbers: &[u64]) -> Result<Vec<u64>, KeyStoreError> {
        let slots = self.slots()?;
        let mut found = Vec::new();
        for near in numbers.chunk_by(|one, other| one / READ_AT_ONCE == other / READ_AT_ONCE) {
            let first = near[0] / READ_AT_ONCE * READ_AT_ONCE;
            let run = self.read(first, READ_AT_ONCE.min(slots.saturating_sub(first)))?;
            let slot = |number: u64| run.chunks_exact(SLOT_BYTES).nth((number - first) as usize);
            let is_left = |number: &u64| slot(*number).is_some_and(|slot| !self.is_destroyed(*number, slot));
            found.extend(near.iter().copied().filter(is_left));
        }
        Ok(found)
    }

    /// Whether a slot says that the key of this number was destroyed.
    pub(super) fn is_destroyed(&self, number: u64, slot: &[u8]) -> bool {
        aead::open(&self.header.store_key, &tombstone_place(&self.header.id, number).each(), slot).is_ok()
    }

    /// Writes over what lies in a slot; durable after [`StoreFile::sync`].
    pub(super) fn put(&self, number: u64, slot: &[u8]) -> Result<(), KeyStoreError> {
        self.file.write_all_at(slot, offset(number)).map_err(|error| self.failed(&error))
    }

    pub(super) fn sync(&self) -> Result<(), KeyStoreError> {
        self.file.sync_data().map_err(|error| self.failed(&error))
    }

    /// The same under the name that it was given meanwhile.
    pub(super) fn renamed(self, path: &Path) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// Takes the place of `before`, which lies at `path`; that is overwritten.
    pub(super) fn replacing(self, before: &Self, path: &Path) -> Result<Self, KeyStoreError> {
        let rename = || {
            fs::rename(&self.path, path)?;
            private::sync_folder(path.parent().unwrap_or(Path::new("")))
        };
        rename().map_err(|error| self.failed(&error))?;
        if let Bytes::File(file) = &before.file
            && let Err(error) = overwrite(file)
        {
            tracing::warn!(%error, "the key store's earlier file could not be overwritten");
        }
        Ok(self.renamed(path))
    }

    /// Keys from number `first` on as they lie there, `count` of them.
    pub(super) fn read(&self, first: u64, count: u64) -> Result<Vec<u8>, KeyStoreError> {
        let mut bytes = vec![0; count as usize * SLOT_BYTES];
        self.read_into(first, &mut bytes).map(|()| bytes)
    }

    fn read_into(&self, first: u64, slots: &mut [u8]) -> Result<(), KeyStoreError> {
        match self.file.read_exact_at(slots, offset(first)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let detail = "a key is asked for that it does not have";
                Err(KeyStoreError::Damaged { path: self.path.clone(), detail })
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Every key as it lies there, some at a time, each run with the number of its first.
    pub(super) fn runs(&self) -> Result<impl Iterator<Item = Result<(u64, Vec<u8>), KeyStoreError>>, KeyStoreError> {
        let slots = self.slots()?;
        let each = (0..slots).step_by(READ_AT_ONCE as usize);
        Ok(each.map(move |first| Ok((first, self.read(first, READ_AT_ONCE.min(slots - first))?))))
    }

    /// Whether a key, or what is left of one that was destroyed, lies in the slots from number `first` on.
    pub(super) fn has_key_from(&self, first: u64) -> Result<bool, KeyStoreError> {
        for number in first..self.slots()? {
            if !matches!(self.opened_at(number)?, Opened::Unreadable) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn slot(&self, number: u64) -> Result<Slot, KeyStoreError> {
        let mut slot = [0; SLOT_BYTES];
        self.read_into(number, &mut slot).map(|()| slot)
    }

    /// What a slot says under this number.
    pub(super) fn opened(&self, number: u64, slot: &[u8]) -> Opened {
        let (id, store_key) = (&self.header.id, &self.header.store_key);
        if let Ok(key) = aead::open(store_key, &slot_place(id, number).each(), slot)
            && let Ok(key) = key.as_slice().try_into()
        {
            return Opened::Key(Secret::copied(key));
        }
        if self.is_destroyed(number, slot) { Opened::Destroyed } else { Opened::Unreadable }
    }

    /// What the slot of a key says.
    pub(super) fn opened_at(&self, number: u64) -> Result<Opened, KeyStoreError> {
        Ok(self.opened(number, &self.slot(number)?))
    }
}

fn offset(number: u64) -> u64 {
    HEADER_BYTES + number * SLOT_BYTES as u64
}

/// A program that this process starts (`[sealing] key = { command }`) has its locks, until it is itself:
/// so a file that was closed just now can be locked still, for a moment.
fn lock(path: &Path, try_lock: impl Fn() -> Result<(), TryLockError>) -> Result<(), KeyStoreError> {
    let begun = Instant::now();
    loop {
        match try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_PATIENCE => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => return Err(KeyStoreError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(KeyStoreError::io(path, &error)),
        }
    }
}
