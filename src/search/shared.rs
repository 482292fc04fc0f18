//! The state of an index that its callers share with the threads that work beside them: what
//! searches begin from, where each key is, and the order of their locks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};

use super::blocks::State;
use super::codes::Codes;
use super::kernel::Kernel;
use super::originals::Originals;
use super::places::Places;
use crate::matching::Dot;

/// What the index shares with the thread that fits a rotation anew.
pub(super) struct Shared<L> {
    pub(super) dimension: usize,
    pub(super) vectors_max: u64,
    pub(super) bytes_limit: u64,
    /// Bytes of these that are left to something else.
    pub(super) bytes_aside: AtomicU64,
    pub(super) originals: Option<Arc<dyn Originals>>,
    /// Rows before the first rotation is fitted.
    pub(super) fit_min: usize,
    pub(super) dot: Dot,
    pub(super) kernel: Kernel,
    /// What searches begin from. Locked for the time of a change to memory.
    pub(super) published: RwLock<Arc<State<L>>>,
    /// Taken before `published`, by writers only.
    pub(super) places: Mutex<Places>,
    /// True while a rotation is being fitted beside the work.
    pub(super) fitting: AtomicBool,
}

impl<L: Clone + Send + Sync> Shared<L> {
    pub(super) fn state(&self) -> Arc<State<L>> {
        Arc::clone(&self.published.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// True where memory has a limit.
    pub(super) fn is_bounded(&self) -> bool {
        self.bytes_limit < u64::MAX
    }

    /// Bytes it may take itself.
    pub(super) fn bytes_max(&self) -> u64 {
        self.bytes_limit.saturating_sub(self.bytes_aside.load(Ordering::Acquire))
    }

    pub(super) fn originals(&self) -> Option<&dyn Originals> {
        self.originals.as_deref()
    }

    pub(super) fn published(&self) -> RwLockWriteGuard<'_, Arc<State<L>>> {
        self.published.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn places(&self) -> MutexGuard<'_, Places> {
        // Nothing between the lock and its release can panic half-way: every
        // refusal comes before the first change.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts new codes into block `number`, where it still has the old ones.
    pub(super) fn swap_codes(&self, number: u32, old: Option<&Arc<Codes>>, new: Codes) {
        let _places = self.places();
        let mut published = self.published();
        let state = Arc::make_mut(&mut *published);
        if let Some(block) = state.blocks.get_mut(&number) {
            let unchanged = match (old, &block.codes) {
                (None, None) => true,
                (Some(old), Some(codes)) => Arc::ptr_eq(old, codes),
                _ => false,
            };
            if unchanged && block.coded_rows() == new.rows() {
                Arc::make_mut(block).codes = Some(Arc::new(new));
            }
        }
    }
}
