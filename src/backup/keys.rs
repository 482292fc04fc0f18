//! The keys of backups: what is sealed under them, how chunks are named and where they are cut.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::sealing::{KeyId, MasterKey, Secret};

/// What the backup key is derived for from the master key of sealing, where none is configured.
const OF_SEALING: &str = "chinhchu backup";

/// The keys that are derived from one backup key.
pub struct BackupKey {
    id: KeyId,
    manifests: Secret,
    chunks: Secret,
    names: Secret,
    cuts: Secret,
}

impl BackupKey {
    /// Those of a backup key.
    pub fn new(key: &MasterKey) -> Self {
        let of = |purpose| key.derived(purpose).key;
        Self {
            id: key.id(),
            manifests: of("chinhchu backup manifests"),
            chunks: of("chinhchu backup chunks"),
            names: of("chinhchu backup names"),
            cuts: of("chinhchu backup cuts"),
        }
    }

    /// Those of the key that is derived for backups from the master key of sealing.
    pub fn of_sealing(master: &MasterKey) -> Self {
        Self::new(&MasterKey::new(master.derived(OF_SEALING).key))
    }

    /// What it is told from others by.
    pub fn id(&self) -> KeyId {
        self.id
    }

    pub(super) fn manifests(&self) -> &Secret {
        &self.manifests
    }

    pub(super) fn chunks(&self) -> &Secret {
        &self.chunks
    }

    /// What a chunk is named: HMAC-SHA-256 of its table and contents.
    pub(super) fn name(&self, table: &str, contents: &[u8]) -> [u8; 32] {
        let mut mac = mac(&self.names);
        mac.update(&(table.len() as u32).to_le_bytes());
        mac.update(table.as_bytes());
        mac.update(contents);
        mac.finalize().into_bytes().into()
    }

    /// Hashes keys of rows, to cut behind some of them.
    pub(super) fn cutting(&self) -> Hmac<Sha256> {
        mac(&self.cuts)
    }
}

fn mac(key: &Secret) -> Hmac<Sha256> {
    Hmac::new_from_slice(key.bytes()).expect("a key of any length will do")
}

/// The key that backups are written under, and others that open earlier ones.
pub struct BackupKeys(Vec<BackupKey>);

impl BackupKeys {
    /// `first` is written under.
    pub fn new(first: BackupKey, others: impl IntoIterator<Item = BackupKey>) -> Self {
        Self(std::iter::once(first).chain(others).collect())
    }

    /// The one that is written under.
    pub fn first(&self) -> &BackupKey {
        &self.0[0]
    }

    pub(super) fn of(&self, id: KeyId) -> Option<&BackupKey> {
        self.0.iter().find(|key| key.id == id)
    }

    pub(super) fn ids(&self) -> String {
        self.0.iter().map(|key| key.id.to_string()).collect::<Vec<_>>().join(", ")
    }
}
