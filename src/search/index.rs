//! The index: who may change it, where each key lies.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::SearchError;
use super::blocks::{BLOCK_ROWS, Block, Blocks};
use super::view::{Hit, View};
use crate::matching::Dot;

/// Vectors an index holds unless told otherwise. 20 million vectors of 512
/// values are 41 GB, what a machine with 64 GB can spare.
pub const VECTORS_MAX_DEFAULT: u64 = 20_000_000;

/// Longest vector accepted, as a power of two: the product of two such lengths
/// bounds every partial sum of a dot product (Cauchy–Schwarz), so that no score
/// is ever infinite or NaN.
const LENGTH_MAX: f64 = (1u64 << 60) as f64;

/// A vector about to be inserted.
#[derive(Clone)]
pub struct Entry<L> {
    /// Its key, not yet in the index.
    pub key: u64,
    /// Handed back with a hit; the index does not look at it.
    pub label: L,
    /// As many values as the index has dimensions.
    pub vector: Vec<f32>,
}

/// Vectors of one dimension under 64-bit keys, searched exactly.
///
/// Shared by reference: searches run while others insert. A search sees every
/// change whose call returned before it began, and all or nothing of each
/// [`Index::apply`].
pub struct Index<L = ()> {
    dimension: usize,
    vectors_max: u64,
    dot: Dot,
    /// What searches begin from. Locked for the time of a change to memory.
    published: RwLock<Arc<Blocks<L>>>,
    /// Taken before `published`, by writers only.
    places: Mutex<Places>,
}

/// Where keys lie and which rows are free.
#[derive(Default)]
struct Places {
    by_key: HashMap<u64, (u32, u32)>,
    /// Free rows by block: one block is filled before the next is touched, so
    /// that a batch of inserts changes few blocks.
    free: BTreeMap<u32, Vec<u32>>,
}

impl<L: Clone + Send + Sync> Index<L> {
    /// An empty index for vectors of `dimension` values, at most `vectors_max` of them.
    pub fn new(dimension: usize, vectors_max: u64) -> Self {
        Self::with_kernel(dimension, vectors_max, Dot::best())
    }

    /// The same with a kernel of one's choice; results do not depend on it.
    pub fn with_kernel(dimension: usize, vectors_max: u64, dot: Dot) -> Self {
        Self {
            // A vector without values has no direction: nothing can be inserted
            // into such an index, but it must not divide by zero either.
            dimension: dimension.max(1),
            vectors_max: vectors_max.min(u64::from(u32::MAX) * BLOCK_ROWS as u64),
            dot,
            published: RwLock::new(Arc::new(Blocks { blocks: Vec::new(), live: 0 })),
            places: Mutex::default(),
        }
    }

    /// Values in a vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// How many vectors it may hold.
    pub fn vectors_max(&self) -> u64 {
        self.vectors_max
    }

    /// Vectors in it.
    pub fn len(&self) -> u64 {
        self.view().len()
    }

    /// True where it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The index as it is now, for any number of searches that must agree.
    pub fn view(&self) -> View<L> {
        let blocks = Arc::clone(&self.published.read().unwrap_or_else(PoisonError::into_inner));
        View::new(blocks, self.dimension, self.dot)
    }

    /// Whether a vector can be searched for or inserted.
    pub fn check(&self, vector: &[f32]) -> Result<(), SearchError> {
        check(vector, self.dimension)
    }

    /// Adds one vector.
    pub fn insert(&self, key: u64, label: L, vector: &[f32]) -> Result<(), SearchError> {
        self.apply(&[], vec![Entry { key, label, vector: vector.to_vec() }])
    }

    /// Removes one vector; false where there was none.
    pub fn remove(&self, key: u64) -> bool {
        let present = self.places().by_key.contains_key(&key);
        // Removing alone cannot be refused.
        present && self.apply(&[key], Vec::new()).is_ok()
    }

    /// Removes, then inserts, as one change: searches see both or neither. Keys
    /// to remove that are not there are passed over. Refused as a whole, with
    /// nothing changed, where one entry is.
    pub fn apply(&self, removed: &[u64], inserted: Vec<Entry<L>>) -> Result<(), SearchError> {
        let mut places = self.places();
        let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);

        let leaving: std::collections::HashSet<u64> =
            removed.iter().copied().filter(|key| places.by_key.contains_key(key)).collect();
        let mut arriving = std::collections::HashSet::with_capacity(inserted.len());
        for entry in &inserted {
            self.check(&entry.vector)?;
            let taken = places.by_key.contains_key(&entry.key) && !leaving.contains(&entry.key);
            if taken || !arriving.insert(entry.key) {
                return Err(SearchError::KeyTaken);
            }
        }
        let live = published.live - leaving.len() as u64 + inserted.len() as u64;
        if live > self.vectors_max {
            return Err(SearchError::Full { max: self.vectors_max });
        }

        let state = Arc::make_mut(&mut *published);
        for key in leaving {
            if let Some((block, row)) = places.by_key.remove(&key) {
                Arc::make_mut(&mut state.blocks[block as usize]).free(row as usize);
                places.free.entry(block).or_default().push(row);
            }
        }
        for entry in inserted {
            let (block, row) = places.take_row(&mut state.blocks);
            Arc::make_mut(&mut state.blocks[block as usize]).put(row as usize, entry.key, entry.label, &entry.vector);
            places.by_key.insert(entry.key, (block, row));
        }
        state.live = live;
        Ok(())
    }

    /// [`View::within`] on the index as it is now.
    pub fn within<F>(&self, query: &[f32], score: f32, filter: F) -> Result<Vec<Hit<L>>, SearchError>
    where
        F: Fn(u64) -> bool + Sync,
    {
        self.view().within(query, score, filter)
    }

    /// [`View::nearest`] on the index as it is now.
    pub fn nearest<F>(&self, query: &[f32], k: usize, filter: F) -> Result<Vec<Hit<L>>, SearchError>
    where
        F: Fn(u64) -> bool + Sync,
    {
        self.view().nearest(query, k, filter)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // Nothing between the lock and its release can panic half-way: every
        // refusal comes before the first change.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// A free row: one given up earlier, else the next of the last block, else
    /// the first of a new one.
    fn take_row<L: Clone>(&mut self, blocks: &mut Vec<Arc<Block<L>>>) -> (u32, u32) {
        while let Some(mut rows) = self.free.first_entry() {
            let block = *rows.key();
            if let Some(row) = rows.get_mut().pop() {
                return (block, row);
            }
            rows.remove();
        }
        if blocks.last().is_none_or(|last| last.rows() == BLOCK_ROWS) {
            blocks.push(Arc::new(Block::new()));
        }
        let last = blocks.len() - 1;
        (last as u32, blocks[last].rows() as u32)
    }
}

pub(super) fn check(vector: &[f32], dimension: usize) -> Result<(), SearchError> {
    if vector.len() != dimension {
        return Err(SearchError::Dimension { expected: dimension, found: vector.len() });
    }
    let length = vector.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
    // False for NaN as well.
    if length <= LENGTH_MAX { Ok(()) } else { Err(SearchError::NotFinite) }
}
