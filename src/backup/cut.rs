//! Cuts rows into chunks, so that a row that came, went or changed changes the chunk that it is in, and no other.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::keys::BackupKey;
use crate::gallery::{RowBatch, Rows};

/// Bytes of a chunk at least, but for the last of a table: a file and a flush cost the same for fewer.
pub(super) const CHUNK_BYTES_MIN: usize = 512 << 10;
/// Bytes behind these that a chunk has on average.
const CHUNK_BYTES_SPAN: u64 = 1536 << 10;
/// Bytes of a chunk at most, unless one row has more.
pub(super) const CHUNK_BYTES_MAX: usize = 8 << 20;

/// Collects rows until it cuts.
pub(super) struct Cutter {
    hasher: Hmac<Sha256>,
    open: RowBatch,
}

impl Cutter {
    pub(super) fn new(key: &BackupKey) -> Self {
        Self { hasher: key.cutting(), open: RowBatch::of("") }
    }

    /// Whether a chunk ends behind a row. The chance is the row's share of [`CHUNK_BYTES_SPAN`]; which rows it
    /// falls on depends on their keys, so that it is the same in the next backup.
    fn ends_behind(&self, key: &[u8], row_bytes: usize) -> bool {
        if self.open.bytes.len() < CHUNK_BYTES_MIN {
            return false;
        }
        let mut hasher = self.hasher.clone();
        hasher.update(key);
        let hash: [u8; 32] = hasher.finalize().into_bytes().into();
        let drawn = u64::from_le_bytes(hash[..8].try_into().expect("eight of its bytes"));
        self.open.bytes.len() >= CHUNK_BYTES_MAX
            || drawn < (u64::MAX / CHUNK_BYTES_SPAN).saturating_mul(row_bytes as u64)
    }

    /// Takes rows in; gives chunks that are full. `None` where rows are cut short.
    pub(super) fn take(&mut self, batch: &RowBatch) -> Option<Vec<RowBatch>> {
        let mut full = Vec::new();
        if self.open.table != batch.table {
            full.extend(self.finish());
            self.open = RowBatch::of(&batch.table);
        }
        for row in Rows::of(&batch.bytes) {
            let (key, value) = row?;
            self.open.push(key, value);
            if self.ends_behind(key, key.len() + value.len() + 8) {
                full.push(std::mem::replace(&mut self.open, RowBatch::of(&batch.table)));
            }
        }
        Some(full)
    }

    /// The last chunk of the table.
    pub(super) fn finish(&mut self) -> Option<RowBatch> {
        let last = std::mem::replace(&mut self.open, RowBatch::of(""));
        (last.rows > 0).then_some(last)
    }
}
