//! A file as a check sees it: what is written to it stays in memory, and no byte of the file changes.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

const PAGE_BYTES: usize = 4096;

/// A file, and what was written since it was opened here. Reads tell both together.
#[derive(Debug)]
pub(crate) struct Overlay {
    /// `None` where there is no file.
    file: Option<File>,
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    len: u64,
    /// Of the file, so much is seen: it may have been cut here since.
    file_len: u64,
    pages: HashMap<u64, Box<[u8; PAGE_BYTES]>>,
}

impl Overlay {
    /// Over a file that is open for reading.
    pub(crate) fn over(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        let written = Written { len, file_len: len, pages: HashMap::new() };
        Ok(Self { file: Some(file), written: Mutex::new(written) })
    }

    /// Over nothing: an empty file in memory.
    pub(crate) fn empty() -> Self {
        Self { file: None, written: Mutex::default() }
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn len(&self) -> u64 {
        self.written().len
    }

    /// Whether anything was written.
    pub(crate) fn is_written(&self) -> bool {
        !self.written().pages.is_empty()
    }

    pub(crate) fn set_len(&self, len: u64) {
        let mut written = self.written();
        written.len = len;
        written.file_len = written.file_len.min(len);
        written.pages.retain(|page, _| page * (PAGE_BYTES as u64) < len);
        // What lies behind the end is zeros when it is there again.
        let cut = (len % PAGE_BYTES as u64) as usize;
        if let Some(last) = written.pages.get_mut(&(len / PAGE_BYTES as u64)) {
            last[cut..].fill(0);
        }
    }

    /// Fills `out` from `offset` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] where there is less; those of reading.
    pub(crate) fn read_exact_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        let written = self.written();
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > written.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (page, at, piece) in pieces(offset, out.len()) {
            let out = &mut out[piece];
            match written.pages.get(&page) {
                Some(bytes) => out.copy_from_slice(&bytes[at..at + out.len()]),
                None => self.read_file(&written, page * PAGE_BYTES as u64 + at as u64, out)?,
            }
        }
        Ok(())
    }

    /// Writes `bytes` from `offset` on.
    ///
    /// # Errors
    /// Those of reading the page that is written to.
    pub(crate) fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut written = self.written();
        for (page, at, piece) in pieces(offset, bytes.len()) {
            if !written.pages.contains_key(&page) {
                let mut whole = Box::new([0; PAGE_BYTES]);
                self.read_file(&written, page * PAGE_BYTES as u64, whole.as_mut_slice())?;
                written.pages.insert(page, whole);
            }
            let bytes = &bytes[piece];
            if let Some(whole) = written.pages.get_mut(&page) {
                whole[at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
        written.len = written.len.max(offset + bytes.len() as u64);
        Ok(())
    }

    /// What the file has; zeros behind its end.
    fn read_file(&self, written: &Written, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = usize::try_from(written.file_len.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        out[there..].fill(0);
        match &self.file {
            Some(file) => file.read_exact_at(&mut out[..there], offset),
            None => Ok(()),
        }
    }
}

/// The pages that `len` bytes from `offset` on touch: the page's number, where in it they begin, and which of
/// the bytes.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let from = offset + done as u64;
        let at = (from % PAGE_BYTES as u64) as usize;
        let piece = done..len.min(done + PAGE_BYTES - at);
        done = piece.end;
        Some((from / PAGE_BYTES as u64, at, piece))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Write(u64, Vec<u8>),
        Cut(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0u64..20_000, proptest::collection::vec(any::<u8>(), 0..9000))
                .prop_map(|(at, bytes)| Step::Write(at, bytes)),
            (0u64..24_000).prop_map(Step::Cut),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn it_reads_as_a_file_that_was_written_to_and_the_file_stays(
            start in proptest::collection::vec(any::<u8>(), 0..10_000),
            steps in proptest::collection::vec(step(), 0..8),
            has_file in any::<bool>(),
        ) {
            let start = if has_file { start } else { Vec::new() };
            let mut file = tempfile::NamedTempFile::new().unwrap();
            io::Write::write_all(&mut file, &start).unwrap();
            let overlay = match has_file {
                true => Overlay::over(File::open(file.path()).unwrap()).unwrap(),
                false => Overlay::empty(),
            };
            let mut twin = start.clone();
            for step in steps {
                match step {
                    Step::Write(at, bytes) => {
                        let end = at as usize + bytes.len();
                        twin.resize(twin.len().max(end), 0);
                        twin[at as usize..end].copy_from_slice(&bytes);
                        overlay.write_all_at(&bytes, at).unwrap();
                    }
                    Step::Cut(len) => {
                        twin.resize(len as usize, 0);
                        overlay.set_len(len);
                    }
                }
                prop_assert_eq!(overlay.len(), twin.len() as u64);
                let mut read = vec![1; twin.len()];
                overlay.read_exact_at(&mut read, 0).unwrap();
                prop_assert!(read == twin);
                prop_assert!(overlay.read_exact_at(&mut [0; 2], twin.len() as u64 - 1.min(twin.len() as u64)).is_err());
            }
            prop_assert!(std::fs::read(file.path()).unwrap() == start);
        }
    }
}
