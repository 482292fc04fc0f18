//! How values and names lie in the database: checksummed in a clear gallery, sealed in a sealed one.
//!
//! A checksummed value: see [`message`](super::message). A sealed one begins with [`SEALED_VERSION`], says
//! under how many keys it is sealed (one, or two for what is about two subjects), their numbers in the
//! key store, eight bytes each, and holds the message as [`aead`] seals it. The box belongs to table,
//! row and this head: a value is not readable in another place, nor under another key. What is about a
//! subject is sealed under the subject's key, what is about two under both, all else under a key of its
//! table. So once a subject's key is destroyed, nothing that was ever written of the subject can be
//! read, wherever its bytes are left.
//!
//! Rows that are found by what names somebody (subject ids, transactions, request ids, pairs) have a
//! keyed hash in its place: 128 bits of HMAC-SHA-256, in hexadecimal. Whoever has the key can try an id
//! he knows, and read none. Numbers of templates, decisions and captures name nobody and stay.

use std::collections::HashMap;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use prost::Message;
use sha2::Sha256;

use super::fault::StoreError;
use super::message::{self as record, SealingRecord};
use crate::gallery::{CaptureBand, DecisionKey, GalleryError, GalleryId, RequestId, SubjectId};
use crate::hex;
use crate::sealing::{KeyStore, KeyStoreError, KeyStoreHead, KeyStoreOptions, Secret, aead};

/// First byte of a sealed value.
const SEALED_VERSION: u8 = 2;
/// Bytes of a keyed hash that stand for a name.
const NAME_BYTES: usize = 16;

/// Tables whose values are sealed in a sealed gallery.
const TABLES: [&str; 15] = [
    "gallery",
    "subjects",
    "templates",
    "requests",
    "decisions",
    "cleared",
    "changes",
    "decision_heads",
    "captures",
    "challenges",
    "ledger_entries",
    "subject_requests",
    "case_pictures",
    "picture_times",
    "destroyed_keys",
];

/// Under whose key a value is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gallery) enum Owner {
    /// The table's: it is about nobody.
    Table,
    /// That of one subject.
    Subject(u64),
    /// Those of two subjects: gone with either.
    Pair(u64, u64),
}

impl Owner {
    /// Both owners' together.
    pub(in crate::gallery) fn of_both(one: Self, other: Self) -> Self {
        match (one, other) {
            (Self::Subject(one), Self::Subject(other)) => Self::Pair(one, other),
            _ => Self::Table,
        }
    }
}

/// How a gallery's values and names lie in its database.
pub(in crate::gallery) enum Protection {
    /// Values bear a checksum, names stand as they are.
    Checksummed,
    /// Values are sealed, names hashed.
    Sealed(Box<Sealing>),
}

/// The open keys of a gallery.
pub(in crate::gallery) struct Sealing {
    keys: KeyStore,
    record: SealingRecord,
    /// From which those of the tables are derived.
    of_tables: Secret,
    tables: HashMap<&'static str, Secret>,
    names: Secret,
    rows: Secret,
}

fn mac(key: &Secret) -> Hmac<Sha256> {
    Hmac::new_from_slice(key.bytes()).expect("a key of any length will do")
}

/// A key for one purpose: HMAC-SHA-256 of the purpose under another key.
fn derived(key: &Secret, purpose: &[&[u8]]) -> Secret {
    let mut mac = mac(key);
    for piece in purpose {
        mac.update(&(piece.len() as u32).to_le_bytes());
        mac.update(piece);
    }
    let mut bytes: [u8; Secret::BYTES] = mac.finalize().into_bytes().into();
    let secret = Secret::copied(&bytes);
    zeroize::Zeroize::zeroize(&mut bytes);
    secret
}

impl Protection {
    /// That of a new gallery, with new keys where it is to be sealed, and what its record says of them. `clear`
    /// is the gallery in the clear that is to be sealed, its folder and its id: the id of a new one is not sure to
    /// stay.
    pub(in crate::gallery) fn create(
        options: Option<&KeyStoreOptions>,
        clear: Option<(&Path, Option<GalleryId>)>,
    ) -> Result<(Self, Option<SealingRecord>), StoreError> {
        let Some(options) = options else { return Ok((Self::Checksummed, None)) };
        let keys = KeyStore::open(options.clone(), true)?;
        let id = clear.and_then(|(_, id)| id);
        if let Some((path, id)) = clear {
            check_never_served(&keys, options, path, id)?;
        }
        check_not_taken(&keys, options, id)?;
        if let Some(id) = id {
            keys.bind(id.bytes())?;
        }
        let (of_tables, of_names) = (keys.hand_out()?, keys.hand_out()?);
        let record = SealingRecord { key_store: keys.id().to_vec(), of_tables, of_names };
        let sealing = Sealing::open(keys, record.clone())?;
        Ok((Self::Sealed(Box::new(sealing)), Some(record)))
    }

    /// That of a gallery that is there.
    pub(in crate::gallery) fn open(
        record: Option<&SealingRecord>,
        options: Option<&KeyStoreOptions>,
        path: &Path,
        id: Option<GalleryId>,
    ) -> Result<Self, StoreError> {
        let (record, options) = match (record, options) {
            (None, None) => return Ok(Self::Checksummed),
            (None, Some(options)) => return Err(not_sealed(options, path, id)),
            (Some(_), None) => return Err(GalleryError::SealingNeeded(path.to_owned()).into()),
            (Some(record), Some(options)) => (record, options),
        };
        // Before a copy that is not there is made of a store that is older: that would pass for one.
        let head = KeyStoreHead::look(&options.path, options.copy.as_deref());
        if head.is_ok_and(|head| head.is_some_and(|head| is_older(&head, record))) {
            return Err(GalleryError::OlderKeyStore(options.path.clone()).into());
        }
        let keys = KeyStore::open(options.clone(), false)?;
        if keys.id().as_slice() != record.key_store {
            return Err(GalleryError::OtherKeyStore(options.path.clone()).into());
        }
        if keys.made() < record.keys_to() {
            return Err(GalleryError::OlderKeyStore(options.path.clone()).into());
        }
        keys.used_below(record.keys_to());
        match (gallery_of(&keys)?, id) {
            (None, Some(id)) => keys.bind(id.bytes())?,
            // Sealed together before key stores knew of which gallery they are: whoever refused the second
            // one would lock its people out.
            (Some(of), Some(id)) if of != id => tracing::warn!(
                key_store = %options.path.display(),
                "the key store is shared with another gallery; only one of the two can be open at a time, and whoever \
                 loses or moves it loses both"
            ),
            _ => {}
        }
        Ok(Self::Sealed(Box::new(Sealing::open(keys, record.clone())?)))
    }

    /// The key store of a sealed gallery.
    pub(in crate::gallery) fn keys(&self) -> Option<&KeyStore> {
        match self {
            Self::Checksummed => None,
            Self::Sealed(sealing) => Some(&sealing.keys),
        }
    }

    /// The number of the subject's key that a value says it is sealed under.
    pub(in crate::gallery) fn subject_key_in(&self, row: &[u8]) -> Result<Option<u64>, StoreError> {
        let Self::Sealed(sealing) = self else { return Ok(None) };
        match sealing.owner_of("subjects", row)?.0 {
            Owner::Subject(number) => Ok(Some(number)),
            Owner::Table | Owner::Pair(..) => Err(StoreError::damaged("a record of subjects is under no key of one")),
        }
    }

    /// The numbers of all subjects' keys that a value says it is sealed under; none in a clear gallery, and of what
    /// is about nobody.
    pub(in crate::gallery) fn subject_keys_in(&self, table: &str, row: &[u8]) -> Result<Vec<u64>, StoreError> {
        let Self::Sealed(sealing) = self else { return Ok(Vec::new()) };
        Ok(match sealing.owner_of(table, row)?.0 {
            Owner::Table => Vec::new(),
            Owner::Subject(number) => vec![number],
            Owner::Pair(one, other) => vec![one, other],
        })
    }

    /// Makes the bytes of a value for the row `key` of `table`.
    pub(in crate::gallery) fn wrap(
        &self,
        table: &'static str,
        key: &[u8],
        owner: Owner,
        message: &impl Message,
    ) -> Result<Vec<u8>, StoreError> {
        let Self::Sealed(sealing) = self else { return Ok(record::seal(table, key, message)) };
        let secret = sealing.secret(table, owner)?.ok_or_else(|| destroyed(table))?;
        let mut bytes = sealing.head(owner);
        let head = bytes.clone();
        let write = |into: &mut Vec<u8>| message.encode(into).expect("a vector has room for any message");
        aead::seal_written(&mut bytes, &secret, &place(table, key, &head), message.encoded_len(), write)
            .map_err(no_random_numbers)?;
        Ok(bytes)
    }

    /// Reads a value back, or says why it cannot be trusted.
    pub(in crate::gallery) fn unwrap<M: Message + Default>(
        &self,
        table: &'static str,
        key: &[u8],
        bytes: &[u8],
    ) -> Result<M, StoreError> {
        let Self::Sealed(sealing) = self else { return record::unseal(table, key, bytes) };
        let (owner, len) = sealing.owner_of(table, bytes)?;
        let (head, boxed) = bytes.split_at(len);
        let secret = sealing.secret(table, owner)?.ok_or_else(|| destroyed(table))?;
        let opened = aead::open(&secret, &place(table, key, head), boxed);
        let opened = opened.map_err(|_| StoreError::damaged(format!("a record of {table} was altered or moved")))?;
        M::decode(opened.as_slice()).map_err(|_| StoreError::damaged(format!("a record of {table} cannot be read")))
    }

    /// What stands for a subject in the keys of rows.
    pub(in crate::gallery) fn subject(&self, id: &SubjectId) -> String {
        self.subject_named(id.as_str())
    }

    /// The same of an id that was stored.
    pub(in crate::gallery) fn subject_named(&self, id: &str) -> String {
        self.name(b"subject", id)
    }

    /// What stands for a transaction.
    pub(in crate::gallery) fn transaction(&self, id: &RequestId) -> String {
        self.name(b"transaction", id.as_str())
    }

    /// What stands for a request id.
    pub(in crate::gallery) fn request(&self, id: &RequestId) -> String {
        self.name(b"request", id.as_str())
    }

    /// What stands for a key that captures are found by.
    pub(in crate::gallery) fn band(&self, band: &CaptureBand) -> CaptureBand {
        let Self::Sealed(sealing) = self else { return *band };
        let hash = sealing.hash(b"band", band);
        let mut blinded = CaptureBand::default();
        blinded.copy_from_slice(&hash[..CaptureBand::default().len()]);
        blinded
    }

    /// Hashes rows, in a sealed gallery.
    pub(in crate::gallery) fn row_hasher(&self) -> Option<Hmac<Sha256>> {
        match self {
            Self::Checksummed => None,
            Self::Sealed(sealing) => Some(mac(&sealing.rows)),
        }
    }

    fn name(&self, kind: &[u8], text: &str) -> String {
        match self {
            Self::Checksummed => text.to_owned(),
            Self::Sealed(sealing) => hex::encode(&sealing.hash(kind, text.as_bytes())[..NAME_BYTES]),
        }
    }
}

/// Whether keys that the gallery uses are not in its key store.
pub(in crate::gallery) fn is_older(head: &KeyStoreHead, record: &SealingRecord) -> bool {
    head.id.as_slice() == record.key_store && head.made < record.keys_to()
}

/// Refuses a gallery in the clear that these keys have served sealed: it is from before that, or somebody has
/// put it in the place of the sealed one.
pub(in crate::gallery) fn check_never_served(
    keys: &KeyStore,
    options: &KeyStoreOptions,
    path: &Path,
    id: Option<GalleryId>,
) -> Result<(), StoreError> {
    match keys.served_sealed()?.and_then(|served| GalleryId::from_bytes(&served)) {
        Some(served) if Some(served) == id => {
            Err(GalleryError::SealedBefore { path: path.to_owned(), key_store: options.path.clone() }.into())
        }
        _ => Ok(()),
    }
}

/// Refuses keys that are another gallery's.
fn check_not_taken(keys: &KeyStore, options: &KeyStoreOptions, id: Option<GalleryId>) -> Result<(), StoreError> {
    match gallery_of(keys)?.filter(|of| Some(*of) != id) {
        Some(gallery) => Err(GalleryError::KeyStoreTaken { path: options.path.clone(), gallery }.into()),
        None => Ok(()),
    }
}

/// Why a gallery in the clear is not opened with keys. That it may be sealed is said of none whose sealing these
/// keys would be refused for.
fn not_sealed(options: &KeyStoreOptions, path: &Path, id: Option<GalleryId>) -> StoreError {
    let looked_at = KeyStoreOptions { read_only: true, ..options.clone() };
    let checked = match KeyStore::open(looked_at, false) {
        Ok(keys) => check_never_served(&keys, options, path, id).and_then(|()| check_not_taken(&keys, options, id)),
        Err(KeyStoreError::NotThere(_)) => Ok(()),
        Err(error) => Err(error.into()),
    };
    checked.err().unwrap_or_else(|| GalleryError::NotSealed(path.to_owned()).into())
}

/// Of which gallery the keys of a store are.
fn gallery_of(keys: &KeyStore) -> Result<Option<GalleryId>, StoreError> {
    Ok(keys.gallery()?.and_then(|id| GalleryId::from_bytes(&id)))
}

pub(in crate::gallery) fn destroyed(table: &str) -> StoreError {
    StoreError::damaged(format!(
        "a record of {table} is sealed under a key that was destroyed: the folder is from before somebody was erased, or a key was destroyed by other means"
    ))
}

fn no_random_numbers(error: std::io::Error) -> StoreError {
    StoreError::Redb(redb::Error::Io(error))
}

fn place<'a>(table: &'a str, key: &'a [u8], head: &'a [u8]) -> [&'a [u8]; 4] {
    [b"chinhchu record", table.as_bytes(), key, head]
}

impl Sealing {
    fn open(keys: KeyStore, record: SealingRecord) -> Result<Self, StoreError> {
        let key = |number| {
            keys.key(number)?.ok_or_else(|| StoreError::damaged("the key of the gallery's tables was destroyed"))
        };
        let (of_tables, of_names) = (key(record.of_tables)?, key(record.of_names)?);
        let each = TABLES.iter().map(|&table| (table, derived(&of_tables, &[b"table", table.as_bytes()])));
        Ok(Self {
            tables: each.collect(),
            names: of_names,
            rows: derived(&of_tables, &[b"rows"]),
            keys,
            record,
            of_tables,
        })
    }

    fn head(&self, owner: Owner) -> Vec<u8> {
        let (count, first, second) = match owner {
            Owner::Table => (1, self.record.of_tables, None),
            Owner::Subject(number) => (1, number, None),
            Owner::Pair(one, other) => (2, one.min(other), Some(one.max(other))),
        };
        let mut head = vec![SEALED_VERSION, count];
        for number in std::iter::once(first).chain(second) {
            head.extend_from_slice(&number.to_le_bytes());
        }
        head
    }

    /// Under whose key a value says that it is sealed, and how long its head is.
    fn owner_of(&self, table: &str, bytes: &[u8]) -> Result<(Owner, usize), StoreError> {
        let cut_short = || StoreError::damaged(format!("a record of {table} is cut short"));
        let (&[version, count], rest) = bytes.split_first_chunk().ok_or_else(cut_short)?;
        if version > SEALED_VERSION {
            return Err(StoreError::Newer { found: u32::from(version), known: u32::from(SEALED_VERSION) });
        }
        if version < SEALED_VERSION {
            return Err(StoreError::damaged(format!("a record of {table} is not sealed")));
        }
        let (numbers, _) = rest.as_chunks::<8>();
        let number = |at: usize| numbers.get(at).map(|bytes| u64::from_le_bytes(*bytes)).ok_or_else(cut_short);
        match count {
            1 if number(0)? == self.record.of_tables => Ok((Owner::Table, 10)),
            1 => Ok((Owner::Subject(number(0)?), 10)),
            2 => Ok((Owner::Pair(number(0)?, number(1)?), 18)),
            _ => Err(StoreError::damaged(format!("a record of {table} is sealed in no known way"))),
        }
    }

    /// The key of an owner; `None` where it was destroyed.
    fn secret(&self, table: &'static str, owner: Owner) -> Result<Option<Secret>, StoreError> {
        Ok(match owner {
            Owner::Table => match self.tables.get(table) {
                Some(secret) => Some(secret.clone()),
                None => Some(derived(&self.of_tables, &[b"table", table.as_bytes()])),
            },
            Owner::Subject(number) => self.keys.key(number)?,
            Owner::Pair(one, other) => {
                let (first, second) = (self.keys.key(one.min(other))?, self.keys.key(one.max(other))?);
                first.zip(second).map(|(first, second)| derived(&first, &[b"pair", second.bytes()]))
            }
        })
    }

    fn hash(&self, kind: &[u8], text: &[u8]) -> [u8; 32] {
        let mut mac = mac(&self.names);
        mac.update(kind);
        mac.update(&[0]);
        mac.update(text);
        mac.finalize().into_bytes().into()
    }
}

/// Under which key a decision lies. Attempts of one transaction order by number.
pub(in crate::gallery) fn decision_key(protection: &Protection, key: &DecisionKey) -> String {
    format!("{} {:010}", protection.transaction(&key.transaction), key.attempt)
}

/// Under which key a cleared pair lies, in this order.
pub(in crate::gallery) fn cleared_key(protection: &Protection, one: &SubjectId, other: &SubjectId) -> String {
    format!("{}\0{}", protection.subject(one), protection.subject(other))
}
