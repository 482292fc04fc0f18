//! Vectors that an index does not hold in memory.
//!
//! The scan needs a vector's float original only where its codes leave the
//! decision open: tens of rows in a search of millions. So an index may hold codes
//! alone and ask for these few by key.

use super::SearchError;

/// Where an index finds the vectors that it does not hold.
///
/// Whoever lets an index leave vectors outside promises that every key of a
/// [`View`](super::View) is found by what the view's searches read from, with the
/// values that were inserted, bit for bit.
pub trait Originals: Send + Sync {
    /// Hands the vectors of `keys`, which ascend, to `take`, each with its place
    /// among `keys`. Keys that are not there are passed over.
    ///
    /// # Errors
    /// [`SearchError::Unreadable`] where they cannot be read.
    fn read(&self, keys: &[u64], take: &mut dyn FnMut(usize, &[f32])) -> Result<(), SearchError>;
}

/// For views whose vectors are all in memory.
pub struct NoOriginals;

impl Originals for NoOriginals {
    fn read(&self, _: &[u64], _: &mut dyn FnMut(usize, &[f32])) -> Result<(), SearchError> {
        Ok(())
    }
}

/// The vectors of `keys`, in any order, each with its place; an error where one is
/// not there or of another dimension.
pub(super) fn read_all(
    originals: Option<&dyn Originals>,
    keys: &[u64],
    dimension: usize,
    mut take: impl FnMut(usize, &[f32]),
) -> Result<(), SearchError> {
    let originals = originals.ok_or(SearchError::Missing)?;
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_unstable_by_key(|&at| keys[at]);
    let ascending: Vec<u64> = order.iter().map(|&at| keys[at]).collect();
    let mut found = 0;
    originals.read(&ascending, &mut |at, vector| {
        if vector.len() == dimension
            && let Some(&at) = order.get(at)
        {
            found += 1;
            take(at, vector);
        }
    })?;
    if found == keys.len() { Ok(()) } else { Err(SearchError::Missing) }
}
