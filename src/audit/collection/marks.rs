//! Digests of what is audited: of each template with its owner, and of all of it.

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::Collection;

/// Half a SHA-256 of a subject's id and a vector: the same template again, whatever row
/// or file it is in.
pub type Mark = [u8; 16];

impl Collection {
    /// By row, the mark of its template.
    pub fn marks(&self) -> Vec<Mark> {
        (0..self.rows() as u32).into_par_iter().map(|row| self.mark(row)).collect()
    }

    fn mark(&self, row: u32) -> Mark {
        let id = self.subject_id(self.groups[row as usize]).as_bytes();
        let mut digest = Sha256::new();
        digest.update((id.len() as u32).to_le_bytes());
        digest.update(id);
        let mut bytes = [0; 4 * 64];
        for values in self.vector(row).chunks(64) {
            for (into, value) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(values) {
                *into = value.to_le_bytes();
            }
            digest.update(&bytes[..4 * values.len()]);
        }
        let digest: [u8; 32] = digest.finalize().into();
        let mut mark = [0; 16];
        mark.copy_from_slice(&digest[..16]);
        mark
    }

    /// Digest of everything pairs depend on: who, which templates, in which order, and
    /// what they are called. `marks` are those of [`Collection::marks`].
    pub fn digest(&self, marks: &[Mark]) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update((self.dimension as u64).to_le_bytes());
        digest.update((self.first_rows() as u64).to_le_bytes());
        digest.update(self.recipe.map_or([0; 32], |recipe| recipe.0));
        for (row, mark) in marks.iter().enumerate() {
            let name = self.names.get(row as u32).as_bytes();
            digest.update(mark);
            digest.update((name.len() as u32).to_le_bytes());
            digest.update(name);
        }
        digest.finalize().into()
    }
}
