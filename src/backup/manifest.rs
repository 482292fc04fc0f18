//! What a backup is of, and which chunks it has: a manifest and its bytes.
//!
//! | bytes | |
//! |---|---|
//! | 16 | `chinhchu.backup` and a line feed |
//! | 4 | version, at present 1 |
//! | 8 | id of the backup key |
//! | the rest | a protobuf message, sealed for the manifest's own name and these 28 bytes |

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use prost::Message;
use sha2::{Digest as _, Sha256};

use super::error::BackupError;
use super::keys::{BackupKey, BackupKeys};
use crate::gallery::{GalleryId, RowsHead, Timestamp};
use crate::hex;
use crate::sealing::{KeyId, aead};

const MAGIC: &[u8; 16] = b"chinhchu.backup\n";
const VERSION: u32 = 1;
const HEAD_BYTES: usize = 28;
/// Longest manifest: of some 40 TB.
pub(super) const MANIFEST_BYTES_MAX: u64 = 1 << 30;

/// What a backup is called: when it was taken, UTC, to the millisecond, and four random digits. In the order of these
/// texts backups were taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupId(String);

impl BackupId {
    /// A new one.
    pub(super) fn new(at: Timestamp) -> std::io::Result<Self> {
        let mut random = [0; 2];
        getrandom::fill(&mut random).map_err(std::io::Error::other)?;
        let at = jiff::Timestamp::from_millisecond(i64::try_from(at.0).unwrap_or(i64::MAX))
            .map_err(std::io::Error::other)?;
        Ok(Self(format!("{}-{}", at.strftime("%Y%m%dT%H%M%S%.3fZ"), hex::encode(&random))))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BackupId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_one = text.len() == 25
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 => byte == b'T',
                15 => byte == b'.',
                19 => byte == b'Z',
                20 => byte == b'-',
                21.. => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
                _ => byte.is_ascii_digit(),
            });
        if is_one { Ok(Self(text.to_owned())) } else { Err("a backup is named as in 20261130T235959.120Z-3fa9") }
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for BackupId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[derive(Clone, PartialEq, Message)]
struct ManifestRecord {
    #[prost(bytes = "vec", tag = "1")]
    gallery: Vec<u8>,
    #[prost(uint64, tag = "2")]
    commit: u64,
    #[prost(uint64, tag = "3")]
    taken_at: u64,
    #[prost(uint64, tag = "4")]
    subjects: u64,
    #[prost(uint64, tag = "5")]
    templates: u64,
    #[prost(uint64, tag = "6")]
    entries: u64,
    #[prost(uint32, tag = "7")]
    layout: u32,
    /// None of a gallery in the clear.
    #[prost(bytes = "vec", optional, tag = "8")]
    key_store: Option<Vec<u8>>,
    /// In the order in which they are restored.
    #[prost(message, repeated, tag = "9")]
    tables: Vec<TableRecord>,
    /// Version of the program that wrote it.
    #[prost(string, tag = "10")]
    program: String,
}

/// A table and its chunks, in the order of its rows.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TableRecord {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, repeated, tag = "2")]
    pub chunks: Vec<ChunkRecord>,
}

/// A chunk of a table.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ChunkRecord {
    /// 32 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub name: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub rows: u64,
    /// Bytes of the rows, before they are sealed.
    #[prost(uint64, tag = "3")]
    pub bytes: u64,
}

impl ChunkRecord {
    pub(super) fn name(&self) -> [u8; 32] {
        self.name.as_slice().try_into().unwrap_or_default()
    }
}

/// What a backup is of, and which chunks it has.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// What it is called.
    pub id: BackupId,
    /// What it is of.
    pub head: RowsHead,
    /// The key that it is sealed under.
    pub key: KeyId,
    /// SHA-256 of its bytes.
    pub digest: [u8; 32],
    pub(super) tables: Vec<TableRecord>,
}

fn place<'a>(id: &'a BackupId, head: &'a [u8]) -> [&'a [u8]; 3] {
    [b"chinhchu backup manifest", id.as_str().as_bytes(), head]
}

impl Manifest {
    /// How many rows it has.
    pub fn rows(&self) -> u64 {
        self.chunks().map(|chunk| chunk.rows).sum()
    }

    /// How many bytes these are.
    pub fn bytes(&self) -> u64 {
        self.chunks().map(|chunk| chunk.bytes).sum()
    }

    /// Rows of a table.
    pub fn rows_of(&self, table: &str) -> u64 {
        let of = self.tables.iter().filter(|one| one.name == table);
        of.flat_map(|one| &one.chunks).map(|chunk| chunk.rows).sum()
    }

    pub(super) fn chunks(&self) -> impl Iterator<Item = &ChunkRecord> {
        self.tables.iter().flat_map(|table| &table.chunks)
    }

    /// Its bytes, and it with their digest.
    pub(super) fn sealed(
        id: BackupId,
        head: RowsHead,
        tables: Vec<TableRecord>,
        key: &BackupKey,
    ) -> std::io::Result<(Vec<u8>, Self)> {
        let record = ManifestRecord {
            gallery: head.gallery.bytes().to_vec(),
            commit: head.commit,
            taken_at: head.taken_at.0,
            subjects: head.subjects,
            templates: head.templates,
            entries: head.entries,
            layout: head.layout,
            key_store: head.key_store.map(|id| id.to_vec()),
            tables,
            program: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let mut bytes = [MAGIC.as_slice(), &VERSION.to_le_bytes(), &key.id().0].concat();
        let first = bytes.clone();
        aead::seal_into(&mut bytes, key.manifests(), &place(&id, &first), &record.encode_to_vec())?;
        let digest = Sha256::digest(&bytes).into();
        Ok((bytes, Self { id, head, key: key.id(), digest, tables: record.tables }))
    }

    /// The key that a manifest at `path` says it is sealed under.
    pub(super) fn key_of(bytes: &[u8], path: &Path) -> Result<KeyId, BackupError> {
        let cut = || BackupError::damaged(path, "is no manifest of a backup, or was cut");
        let head = bytes.first_chunk::<HEAD_BYTES>().filter(|head| head.starts_with(MAGIC)).ok_or_else(cut)?;
        let version = u32::from_le_bytes(head[16..20].try_into().expect("four bytes"));
        match version {
            VERSION => Ok(KeyId(head[20..].try_into().expect("eight bytes"))),
            newer if newer > VERSION => Err(BackupError::Newer { path: path.to_owned(), found: newer, known: VERSION }),
            _ => Err(cut()),
        }
    }

    /// The manifest that lies at `path`.
    pub(super) fn open(id: BackupId, bytes: &[u8], keys: &BackupKeys, path: &Path) -> Result<Self, BackupError> {
        let needed = Self::key_of(bytes, path)?;
        let key = keys.of(needed).ok_or_else(|| BackupError::OtherKey {
            path: path.to_owned(),
            needed,
            given: keys.ids(),
        })?;
        let (head, boxed) = bytes.split_at(HEAD_BYTES);
        let altered = || BackupError::damaged(path, "was altered, cut short, or put in another's place");
        let opened = aead::open(key.manifests(), &place(&id, head), boxed).map_err(|_| altered())?;
        let record = ManifestRecord::decode(opened.as_slice()).map_err(|_| altered())?;
        if record.tables.iter().flat_map(|table| &table.chunks).any(|chunk| chunk.name.len() != 32) {
            return Err(altered());
        }
        let head = RowsHead {
            gallery: GalleryId::from_bytes(&record.gallery).ok_or_else(altered)?,
            commit: record.commit,
            taken_at: Timestamp(record.taken_at),
            subjects: record.subjects,
            templates: record.templates,
            entries: record.entries,
            layout: record.layout,
            key_store: record.key_store.map(|id| id.try_into()).transpose().map_err(|_| altered())?,
        };
        Ok(Self { id, head, key: needed, digest: Sha256::digest(bytes).into(), tables: record.tables })
    }
}
