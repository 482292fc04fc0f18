//! Memory for keys: pages of their own, between guard pages, that are in no core dump, in no child
//! process, and on no swap disk where the system permits that.
//!
//! Pages are mapped in chunks that are never given back; a free list hands out slots of one key each.
//! A slot is wiped when it is dropped, so that one that is handed out is always zero.

#![allow(unsafe_code, reason = "memory with advice of its own, which the standard library does not ask for")]

use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zeroize::Zeroize;

/// Bytes of a slot: one key.
pub(super) const SLOT_BYTES: usize = 32;
/// Bytes of the first chunk; each is twice the one before, up to the largest.
const CHUNK_BYTES_MIN: usize = 64 << 10;
/// Bytes of the largest chunk: a million keys then take 40 mappings.
const CHUNK_BYTES_MAX: usize = 1 << 20;

type Bytes = [u8; SLOT_BYTES];

static ARENA: Arena = Arena::new();

/// A slot that nobody else has, all zero.
///
/// # Errors
/// Where the system gives no such pages.
pub(super) fn slot() -> io::Result<Slot> {
    ARENA.slot()
}

/// Hands out slots.
///
/// Invariant: every pointer in `free`, and every one from `next` on, `left` of them, is to a slot of
/// its own in a chunk that stays mapped for ever, readable and writable, all zero, and no [`Slot`] has
/// it.
struct Arena(Mutex<Slots>);

struct Slots {
    free: Vec<NonNull<Bytes>>,
    next: NonNull<Bytes>,
    left: usize,
    /// Bytes of the chunk that is mapped next.
    chunk_bytes: usize,
    /// The system has refused to keep a chunk off the swap disk; it is not asked again, and it was told.
    swaps: bool,
}

// SAFETY: by the invariant nobody else has the memory that the pointers are to, so they may be used by
// any one thread.
unsafe impl Send for Slots {}

/// One key's memory.
///
/// Invariant: `at` is to a slot of `arena` that nobody else has, in neither the free list nor another
/// `Slot`.
pub(super) struct Slot {
    at: NonNull<Bytes>,
    arena: &'static Arena,
}

// SAFETY: it owns its bytes as a `Box` does, and hands out references by the same rules.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Arena {
    const fn new() -> Self {
        let chunk_bytes = CHUNK_BYTES_MIN;
        Self(Mutex::new(Slots { free: Vec::new(), next: NonNull::dangling(), left: 0, chunk_bytes, swaps: false }))
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        // Nothing is half done where a thread panics: each change is one push or pop.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&'static self) -> io::Result<Slot> {
        let mut slots = self.slots();
        if let Some(at) = slots.free.pop() {
            return Ok(Slot { at, arena: self });
        }
        if slots.left == 0 {
            slots.grow()?;
        }
        let at = slots.next;
        slots.left -= 1;
        // SAFETY: `at` was one of `left + 1` slots of a chunk, so that one slot further is within the
        // chunk or just behind it.
        slots.next = unsafe { at.add(1) };
        Ok(Slot { at, arena: self })
    }
}

impl Slots {
    /// Maps another chunk. The rest of the one before was used up.
    fn grow(&mut self) -> io::Result<()> {
        let bytes = self.chunk_bytes;
        let at = mapped(bytes)?;
        (self.next, self.left) = (at, bytes / SLOT_BYTES);
        self.chunk_bytes = (bytes * 2).min(CHUNK_BYTES_MAX);
        if !self.swaps {
            self.swaps = !is_locked(at, bytes);
        }
        Ok(())
    }
}

/// Pages for so many bytes, all zero, with a guard page at either end.
#[cfg(target_os = "linux")]
fn mapped(bytes: usize) -> io::Result<NonNull<Bytes>> {
    use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect, munmap};
    let page = rustix::param::page_size();
    let whole = bytes.next_multiple_of(page) + 2 * page;
    // SAFETY: the system chooses where, so that nothing of ours is mapped over.
    let start = unsafe { mmap_anonymous(std::ptr::null_mut(), whole, ProtFlags::empty(), MapFlags::PRIVATE) }?;
    // SAFETY: one page into a mapping of more than two.
    let inner = unsafe { start.byte_add(page) };
    let length = whole - 2 * page;
    // SAFETY: the pages are of the mapping that was just made, which nobody has a reference to.
    let prepared = unsafe {
        mprotect(inner, length, MprotectFlags::READ | MprotectFlags::WRITE)
            .and_then(|()| madvise(inner, length, Advice::LinuxDontDump))
            // Not wiped but gone in a child that goes on without `exec`: a key of zeros would seal.
            .and_then(|()| madvise(inner, length, Advice::LinuxDontFork))
    };
    if let Err(error) = prepared {
        // SAFETY: the mapping is whole, and nobody has a reference to it.
        let _ = unsafe { munmap(start, whole) };
        return Err(error.into());
    }
    NonNull::new(inner.cast()).ok_or_else(|| io::Error::other("it mapped the page at address 0"))
}

#[cfg(not(target_os = "linux"))]
fn mapped(_: usize) -> io::Result<NonNull<Bytes>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Keeps a chunk off the swap disk; says so once where that is refused.
#[cfg(target_os = "linux")]
fn is_locked(at: NonNull<Bytes>, bytes: usize) -> bool {
    // SAFETY: the pages are those of a chunk; that they stay in memory changes no content.
    let locked = unsafe { rustix::mm::mlock(at.as_ptr().cast(), bytes) };
    if let Err(error) = locked {
        tracing::warn!(
            "keys may be written to the swap disk (mlock: {error}): raise the limit of locked memory \
             (LimitMEMLOCK= in the unit, ulimit -l), or encrypt the swap disk, or have none"
        );
    }
    locked.is_ok()
}

#[cfg(not(target_os = "linux"))]
fn is_locked(_: NonNull<Bytes>, _: usize) -> bool {
    true
}

impl Deref for Slot {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        // SAFETY: the slot is mapped for ever, was zero from the start, and is borrowed with `self`.
        unsafe { self.at.as_ref() }
    }
}

impl DerefMut for Slot {
    fn deref_mut(&mut self) -> &mut Bytes {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { self.at.as_mut() }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.zeroize();
        self.arena.slots().free.push(self.at);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;

    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;

    fn arena() -> &'static Arena {
        Box::leak(Box::new(Arena::new()))
    }

    /// What happens to a key's memory.
    #[derive(Debug, Clone)]
    enum Step {
        Take(Bytes),
        Write(usize, Bytes),
        Drop(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => any::<Bytes>().prop_map(Step::Take),
            1 => (any::<usize>(), any::<Bytes>()).prop_map(|(at, bytes)| Step::Write(at, bytes)),
            2 => any::<usize>().prop_map(Step::Drop),
        ]
    }

    proptest! {
        #[test]
        fn slots_hold_what_boxes_on_the_heap_hold(steps in prop::collection::vec(step(), 0..200)) {
            let arena = arena();
            let mut slots: Vec<Slot> = Vec::new();
            let mut boxes: Vec<Box<Zeroizing<Bytes>>> = Vec::new();
            for step in steps {
                match step {
                    Step::Take(bytes) => {
                        let mut slot = arena.slot().unwrap();
                        prop_assert_eq!(&*slot, &[0; SLOT_BYTES], "it was wiped");
                        *slot = bytes;
                        slots.push(slot);
                        boxes.push(Box::new(Zeroizing::new(bytes)));
                    }
                    Step::Write(at, bytes) if !slots.is_empty() => {
                        let at = at % slots.len();
                        *slots[at] = bytes;
                        **boxes[at] = bytes;
                    }
                    Step::Drop(at) if !slots.is_empty() => {
                        let at = at % slots.len();
                        drop(slots.swap_remove(at));
                        drop(boxes.swap_remove(at));
                    }
                    Step::Write(..) | Step::Drop(_) => {}
                }
                prop_assert!(slots.iter().zip(&boxes).all(|(slot, held)| **slot == ***held));
            }
        }
    }

    #[test]
    fn a_slot_is_wiped_when_it_is_dropped_and_then_handed_out_again() {
        let arena = arena();
        let mut slot = arena.slot().unwrap();
        *slot = [7; SLOT_BYTES];
        let at = slot.at;
        drop(slot);
        let again = arena.slot().unwrap();
        assert_eq!((again.at, *again), (at, [0; SLOT_BYTES]));
    }

    #[test]
    fn many_slots_live_at_once_and_none_is_anothers() {
        let arena = arena();
        let held: Vec<Slot> = (0..100_000u32)
            .map(|number| {
                let mut slot = arena.slot().unwrap();
                slot[..4].copy_from_slice(&number.to_le_bytes());
                slot
            })
            .collect();
        assert!((0u32..).zip(&held).all(|(number, slot)| slot[..4] == number.to_le_bytes()));
        let places: std::collections::HashSet<usize> = held.iter().map(|slot| slot.at.as_ptr() as usize).collect();
        assert!(places.len() == held.len() && places.iter().all(|place| place % SLOT_BYTES == 0));
    }

    #[test]
    fn threads_share_the_slots() {
        let arena = arena();
        std::thread::scope(|scope| {
            for thread in 0..8u8 {
                scope.spawn(move || {
                    for round in 0..2_000usize {
                        let mut held: Vec<Slot> = (0..round % 7).map(|_| arena.slot().unwrap()).collect();
                        held.iter_mut().for_each(|slot| slot.fill(thread));
                        assert!(held.iter().all(|slot| **slot == [thread; SLOT_BYTES]));
                    }
                });
            }
        });
    }

    /// Flags of the mapping that an address is in, as the kernel tells them (proc_pid_smaps(5)).
    fn flags(address: usize) -> Option<String> {
        let maps = fs::read_to_string("/proc/self/smaps").ok()?;
        let range = |line: &str| {
            let (from, to) = line.split(' ').next()?.split_once('-')?;
            Some(usize::from_str_radix(from, 16).ok()?..usize::from_str_radix(to, 16).ok()?)
        };
        let mut lines = maps.lines().skip_while(|line| range(line).is_none_or(|range| !range.contains(&address)));
        lines.find_map(|line| line.strip_prefix("VmFlags:")).map(|flags| format!("{flags} "))
    }

    #[test]
    fn the_pages_are_left_out_of_dumps_and_of_child_processes_and_are_guarded() {
        let slot = arena().slot().unwrap();
        let first = slot.at.as_ptr() as usize;
        let page = rustix::param::page_size();
        assert_eq!(first % page, 0, "the first slot of a chunk begins its first page");
        let own = flags(first).expect("a mapping");
        for flag in [" rd ", " wr ", " dd ", " dc "] {
            assert!(own.contains(flag), "{flag}: {own}");
        }
        for guard in [first - 1, first + CHUNK_BYTES_MIN] {
            let guard = flags(guard).expect("a mapping");
            assert!(!guard.contains(" rd ") && !guard.contains(" wr "), "{guard}");
        }
    }
}
