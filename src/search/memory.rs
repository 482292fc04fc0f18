//! Memory that is read in one stream.

#![allow(unsafe_code, reason = "memory in large pages, which the standard library does not ask for")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// A page of the larger kind.
const PAGE_BYTES: usize = 2 << 20;

/// At most this part of an allocation lies idle so that it fills its last page.
const IDLE: usize = 32;

/// Values side by side, room for a fixed number of them: like a `Vec`, but
/// aligned to large pages and put on them where the system has some. The stream
/// of the first pass is then read a quarter faster, because the processor reads
/// ahead only within a page.
///
/// Invariant: `values` points to memory for `capacity` values of `T`, of which
/// the first `len` are initialised, and nobody else has it.
pub(super) struct Large<T: Copy> {
    values: NonNull<T>,
    len: usize,
    capacity: usize,
}

// SAFETY: it owns its values as a `Vec` does and hands out references by the
// same rules.
unsafe impl<T: Copy + Send> Send for Large<T> {}
// SAFETY: as above.
unsafe impl<T: Copy + Sync> Sync for Large<T> {}

impl<T: Copy> Large<T> {
    /// Room for `capacity` values.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        const { assert!(size_of::<T>() > 0) };
        let layout = Self::layout(capacity);
        if layout.size() == 0 {
            return Self { values: NonNull::dangling(), len: 0, capacity: 0 };
        }
        // SAFETY: the layout's size is not zero.
        let memory = unsafe { alloc(layout) };
        let Some(values) = NonNull::new(memory.cast::<T>()) else { handle_alloc_error(layout) };
        advise(memory, layout);
        Self { values, len: 0, capacity }
    }

    fn layout(capacity: usize) -> Layout {
        let Ok(small) = Layout::array::<T>(capacity) else { panic!("more than the address space was asked for") };
        // A page at the end of which little would lie idle is taken as a whole.
        let up = small.size().next_multiple_of(PAGE_BYTES);
        let size = if up - small.size() <= up / IDLE { up } else { small.size() };
        if size < PAGE_BYTES {
            return small;
        }
        Layout::from_size_align(size, PAGE_BYTES).unwrap_or(small)
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Appends a value.
    ///
    /// # Panics
    /// Where there is no room.
    pub(super) fn push(&mut self, value: T) {
        self.extend_from_slice(&[value]);
    }

    /// Appends values.
    ///
    /// # Panics
    /// Where there is no room for them.
    pub(super) fn extend_from_slice(&mut self, values: &[T]) {
        assert!(values.len() <= self.capacity - self.len, "no room for {} more values", values.len());
        // SAFETY: there is room for them behind the first `len`; `values` is
        // borrowed and so lies elsewhere.
        unsafe { self.values.add(self.len).copy_from_nonoverlapping(NonNull::from(values).cast(), values.len()) };
        self.len += values.len();
    }
}

impl<T: Copy> Deref for Large<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the first `len` values are initialised and borrowed with `self`.
        unsafe { std::slice::from_raw_parts(self.values.as_ptr(), self.len) }
    }
}

impl<T: Copy> DerefMut for Large<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.values.as_ptr(), self.len) }
    }
}

impl<T: Copy> Clone for Large<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::with_capacity(self.capacity);
        copy.extend_from_slice(self);
        copy
    }
}

impl<T: Copy> Drop for Large<T> {
    fn drop(&mut self) {
        let layout = Self::layout(self.capacity);
        if layout.size() > 0 {
            // SAFETY: the memory came from `alloc` with this very layout; the
            // values are `Copy` and need no dropping.
            unsafe { dealloc(self.values.as_ptr().cast(), layout) };
        }
    }
}

/// Asks for large pages wherever a whole one fits.
fn advise(memory: *mut u8, layout: Layout) {
    #[cfg(target_os = "linux")]
    if layout.align() == PAGE_BYTES {
        let whole = layout.size() / PAGE_BYTES * PAGE_BYTES;
        // SAFETY: the pages lie within the allocation, and the advice changes
        // neither contents nor access rights. Where it is refused, small pages do.
        let _ = unsafe { rustix::mm::madvise(memory.cast(), whole, rustix::mm::Advice::LinuxHugepage) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (memory, layout);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_holds_what_a_vec_holds(
            parts in prop::collection::vec(prop::collection::vec(any::<[u32; 5]>(), 0..40), 0..12),
            spare in 0usize..3,
            large: bool,
        ) {
            let expected: Vec<[u32; 5]> = parts.concat();
            let room = expected.len() + spare + if large { PAGE_BYTES / 10 } else { 0 };
            let mut held = Large::with_capacity(room);
            for part in &parts {
                match part.as_slice() {
                    [one] => held.push(*one),
                    many => held.extend_from_slice(many),
                }
            }
            prop_assert_eq!(&held[..], &expected[..]);
            let mut copy = held.clone();
            copy.iter_mut().for_each(|value| value[0] ^= 1);
            prop_assert_eq!(&held[..], &expected[..]);
            prop_assert!(copy.iter().zip(&expected).all(|(a, b)| a[0] == b[0] ^ 1 && a[1..] == b[1..]));
            drop(held);
            prop_assert_eq!(copy.len(), expected.len());
            prop_assert_eq!(copy.capacity(), room);
        }
    }

    #[test]
    #[should_panic(expected = "no room")]
    fn it_never_writes_beyond_its_room() {
        let mut held = Large::with_capacity(3);
        (0..4u64).for_each(|value| held.push(value));
    }
}
