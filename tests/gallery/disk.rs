//! A disk in memory that knows what a power cut would leave of it, and that can
//! be told to fail.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use chinhchu::gallery::{self, BackendFactory, EmbeddedOptions, Gallery, GalleryError};
use redb::StorageBackend;

use crate::support::*;

/// The unit that reaches the disk whole or not at all.
const PAGE: usize = 4096;

#[derive(Debug, Clone)]
enum Event {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

/// What a flush was about to make durable.
#[derive(Debug, Clone)]
pub struct Sync {
    durable: Vec<u8>,
    pending: Vec<Event>,
}

#[derive(Debug, Clone, Copy)]
pub struct Trouble {
    /// Operations that still succeed.
    pub after: u64,
    /// Operations that fail then, before all is well again.
    pub lasting: u64,
    pub kind: io::ErrorKind,
}

#[derive(Debug, Default)]
struct State {
    /// What the program sees.
    live: Vec<u8>,
    /// What a power cut leaves at least.
    durable: Vec<u8>,
    /// Written since the last flush, in order.
    pending: Vec<Event>,
    /// What each flush so far was about to make durable, where recording.
    flushes: Option<Vec<Vec<Event>>>,
    /// What was durable when that began.
    recorded_from: Vec<u8>,
    /// Told of each flush before it begins, where recording.
    watcher: Watcher,
    trouble: Option<Trouble>,
    /// Trouble that begins at the next flush, and how long it lasts.
    flush_trouble: Option<u64>,
    /// How often an operation was made to fail.
    failures: u64,
    /// A flush failed: the system forgot what it could not write.
    lost: bool,
    random: u64,
}

#[derive(Default)]
struct Watcher(Option<Box<dyn FnMut() + Send>>);

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watcher")
    }
}

#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Mutex<State>>);

impl Disk {
    pub fn holding(bytes: Vec<u8>) -> Self {
        let disk = Self::default();
        disk.state().live = bytes.clone();
        disk.state().durable = bytes;
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn open(&self) -> Result<Gallery, GalleryError> {
        self.open_with(options())
    }

    pub fn open_with(&self, options: EmbeddedOptions) -> Result<Gallery, GalleryError> {
        let disk = self.clone();
        let factory: BackendFactory = Arc::new(move || {
            let mut state = disk.state();
            if std::mem::take(&mut state.lost) {
                state.live = state.durable.clone();
                state.pending.clear();
            }
            drop(state);
            Ok(Box::new(disk.clone()))
        });
        gallery::open_on(factory, RECIPE, DIMENSION, options)
    }

    /// Keeps every flush from now on.
    pub fn record(&self) {
        let mut state = self.state();
        state.flushes = Some(Vec::new());
        state.recorded_from = state.durable.clone();
    }

    /// The same, and tells of each flush before it begins: to see what else lies on disks by then.
    pub fn record_with(&self, watcher: impl FnMut() + Send + 'static) {
        self.record();
        self.state().watcher = Watcher(Some(Box::new(watcher)));
    }

    /// What each flush was about to make durable, made one at a time.
    pub fn each_sync(&self) -> impl Iterator<Item = Sync> {
        let state = self.state();
        let mut durable = state.recorded_from.clone();
        let flushes = state.flushes.clone().unwrap_or_default();
        flushes.into_iter().map(move |pending| {
            let sync = Sync { durable: durable.clone(), pending };
            durable = sync.cut(|| true);
            sync
        })
    }

    pub fn syncs(&self) -> Vec<Sync> {
        self.each_sync().collect()
    }

    pub fn sync_count(&self) -> usize {
        self.state().flushes.as_ref().map_or(0, Vec::len)
    }

    pub fn fail(&self, trouble: Trouble) {
        self.state().trouble = Some(trouble);
    }

    /// The next flush reports failure although all of it reaches the disk, and so
    /// do the operations after it, `lasting` failures in all.
    pub fn fail_next_flush(&self, lasting: u64) {
        let mut state = self.state();
        state.flush_trouble = Some(lasting);
        state.random = 0;
    }

    pub fn heal(&self) {
        self.state().flush_trouble = None;
        self.state().trouble = None;
    }

    pub fn failures(&self) -> u64 {
        self.state().failures
    }

    /// The power goes: only what was flushed is left.
    pub fn cut(&self) -> Vec<u8> {
        self.state().durable.clone()
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.state().live.clone()
    }
}

impl Sync {
    /// What a power cut during this flush leaves: of the pages written since the
    /// last one, those that `reached` chooses.
    pub fn cut(&self, mut reached: impl FnMut() -> bool) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for event in &self.pending {
            match event {
                // A file that grew may be as short as before; what is written behind its end makes it longer.
                Event::SetLen(len) if reached() => bytes.resize(*len as usize, 0),
                Event::SetLen(_) => {}
                Event::Write(offset, data) => {
                    let mut at = *offset as usize;
                    let mut rest = data.as_slice();
                    while !rest.is_empty() {
                        let (page, after) = rest.split_at(rest.len().min(PAGE - at % PAGE));
                        if reached() {
                            bytes.resize(bytes.len().max(at + page.len()), 0);
                            bytes[at..at + page.len()].copy_from_slice(page);
                        }
                        at += page.len();
                        rest = after;
                    }
                }
            }
        }
        bytes
    }
}

/// A small generator: the same choices every time.
pub fn coin(seed: u64) -> impl FnMut() -> bool {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 63 == 1
    }
}

impl State {
    fn may_fail(&mut self) -> io::Result<()> {
        let Some(trouble) = &mut self.trouble else { return Ok(()) };
        if trouble.after > 0 {
            trouble.after -= 1;
            return Ok(());
        }
        if trouble.lasting == 0 {
            self.trouble = None;
            return Ok(());
        }
        trouble.lasting -= 1;
        let kind = trouble.kind;
        self.failures += 1;
        Err(kind.into())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.state();
        state.may_fail()?;
        let offset = offset as usize;
        let found = state.live.get(offset..offset + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        state.may_fail()?;
        state.live.resize(len as usize, 0);
        state.pending.push(Event::SetLen(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        if let Some(lasting) = state.flush_trouble.take() {
            state.trouble = Some(Trouble { after: 0, lasting, kind: io::ErrorKind::Other });
        }
        let sync = Sync { durable: state.durable.clone(), pending: std::mem::take(&mut state.pending) };
        if let Err(error) = state.may_fail() {
            // None, all or some pages made it; the others are forgotten as soon as the
            // cache is.
            state.random += 1;
            state.durable = match state.random % 3 {
                0 => sync.cut(|| false),
                1 => sync.cut(|| true),
                _ => sync.cut(coin(state.random)),
            };
            state.lost = true;
            return Err(error);
        }
        state.durable = state.live.clone();
        if state.flushes.is_some()
            && let Some(watcher) = &mut state.watcher.0
        {
            watcher();
        }
        if let Some(flushes) = &mut state.flushes {
            flushes.push(sync.pending);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.may_fail()?;
        let offset = offset as usize;
        state.live[offset..offset + data.len()].copy_from_slice(data);
        state.pending.push(Event::Write(offset as u64, data.to_vec()));
        Ok(())
    }
}
