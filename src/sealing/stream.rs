//! A sealed file: a stream of bytes in frames, each sealed under one key for its place.
//!
//! It begins with `chinhchu.box`, the version (four bytes) and the number of its key in the key store
//! (eight). Then come frames: the length of the box (four bytes), its highest bit set in the last one,
//! and the box ([`aead`]) of up to 1 MiB. A frame belongs to the file's head, to its number
//! and to whether it is the last, so frames cannot be moved, left out or cut off. All numbers are
//! little-endian.

#![forbid(unsafe_code)]

use std::io::{self, Read, Write};

use rayon::prelude::*;

use super::{Secret, aead};

const MAGIC: &[u8; 12] = b"chinhchu.box";
const VERSION: u32 = 1;
/// Length of what comes before the frames.
pub const HEAD_BYTES: usize = 12 + 4 + 8;
/// Bytes of contents in a frame, but for the last.
const FRAME_BYTES: usize = 1 << 20;
/// Frames that are opened together, on the threads that compute.
const FRAMES_TOGETHER: usize = 8;
const LAST: u32 = 1 << 31;

/// The head of a file, and the number of the key that it says it is sealed under.
fn head(key: u64) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..12].copy_from_slice(MAGIC);
    head[12..16].copy_from_slice(&VERSION.to_le_bytes());
    head[16..].copy_from_slice(&key.to_le_bytes());
    head
}

/// Under which key a file says it is sealed, by its first bytes; `None` for what is no sealed file, or
/// of another version.
pub fn key_of(first: &[u8]) -> Option<u64> {
    let bytes: &[u8; HEAD_BYTES] = first.first_chunk()?;
    let key = u64::from_le_bytes(*bytes.last_chunk()?);
    (*bytes == head(key)).then_some(key)
}

fn place<'a>(head: &'a [u8; HEAD_BYTES], number: &'a [u8; 8], is_last: bool) -> [&'a [u8]; 3] {
    [head, number, if is_last { b"last" } else { b"more" }]
}

fn altered() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file was altered, cut short, or sealed under another key")
}

/// Seals what is written to it. [`SealedWriter::finish`] ends it; without, it is cut short.
pub struct SealedWriter<W> {
    inner: W,
    key: Secret,
    head: [u8; HEAD_BYTES],
    number: u64,
    frame: zeroize::Zeroizing<Vec<u8>>,
}

impl<W: Write> SealedWriter<W> {
    /// Begins a file under the key of this number.
    ///
    /// # Errors
    /// Those of writing.
    pub fn begin(mut inner: W, number: u64, key: Secret) -> io::Result<Self> {
        let head = head(number);
        inner.write_all(&head)?;
        let frame = zeroize::Zeroizing::new(Vec::with_capacity(FRAME_BYTES));
        Ok(Self { inner, key, head, number: 0, frame })
    }

    fn put(&mut self, is_last: bool) -> io::Result<()> {
        let number = self.number.to_le_bytes();
        let sealed = aead::seal(&self.key, &place(&self.head, &number, is_last), &self.frame)?;
        let len = sealed.len() as u32 | if is_last { LAST } else { 0 };
        self.inner.write_all(&len.to_le_bytes())?;
        self.inner.write_all(&sealed)?;
        self.number += 1;
        self.frame.clear();
        Ok(())
    }

    /// Ends the file and hands it back.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(mut self) -> io::Result<W> {
        self.put(true)?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for SealedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.frame.len() == FRAME_BYTES {
            self.put(false)?;
        }
        let count = bytes.len().min(FRAME_BYTES - self.frame.len());
        self.frame.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// What is not a whole frame stays until the end.
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Opens what [`SealedWriter`] has sealed. Gives nothing of a frame that was altered.
pub struct SealedReader<R> {
    inner: R,
    key: Secret,
    head: [u8; HEAD_BYTES],
    number: u64,
    opened: zeroize::Zeroizing<Vec<u8>>,
    at: usize,
    has_ended: bool,
}

impl<R: Read> SealedReader<R> {
    /// Begins to read behind the head, which says that the file is sealed under the key of this number.
    pub fn begin(inner: R, number: u64, key: Secret) -> Self {
        let opened = zeroize::Zeroizing::default();
        Self { inner, key, head: head(number), number: 0, opened, at: 0, has_ended: false }
    }

    fn next_frame(&mut self) -> io::Result<(Vec<u8>, bool)> {
        let mut len = [0; 4];
        self.inner.read_exact(&mut len).map_err(|_| altered())?;
        let len = u32::from_le_bytes(len);
        let (len, is_last) = ((len & !LAST) as usize, len & LAST != 0);
        if len > FRAME_BYTES + aead::OVERHEAD_BYTES {
            return Err(altered());
        }
        let mut sealed = vec![0; len];
        self.inner.read_exact(&mut sealed).map_err(|_| altered())?;
        Ok((sealed, is_last))
    }

    fn refill(&mut self) -> io::Result<()> {
        let mut frames = Vec::with_capacity(FRAMES_TOGETHER);
        while frames.len() < FRAMES_TOGETHER && !self.has_ended {
            let (sealed, is_last) = self.next_frame()?;
            frames.push((self.number.to_le_bytes(), sealed, is_last));
            self.number += 1;
            self.has_ended = is_last;
        }
        let open = |(number, sealed, is_last): &([u8; 8], Vec<u8>, bool)| {
            aead::open(&self.key, &place(&self.head, number, *is_last), sealed)
        };
        let opened: Result<Vec<_>, _> = frames.par_iter().map(open).collect();
        self.opened.clear();
        for frame in opened.map_err(|_| altered())? {
            self.opened.extend_from_slice(&frame);
        }
        self.at = 0;
        Ok(())
    }
}

impl<R: Read> Read for SealedReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.opened.len() && !self.has_ended {
            self.refill()?;
        }
        let count = into.len().min(self.opened.len() - self.at);
        into[..count].copy_from_slice(&self.opened[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(contents: &[u8], key: &Secret) -> Vec<u8> {
        let mut writer = SealedWriter::begin(Vec::new(), 7, key.clone()).unwrap();
        for piece in contents.chunks(300_001) {
            writer.write_all(piece).unwrap();
        }
        writer.finish().unwrap()
    }

    fn opened(file: &[u8], key: &Secret) -> io::Result<Vec<u8>> {
        let number = key_of(file).ok_or_else(altered)?;
        let mut contents = Vec::new();
        SealedReader::begin(&file[HEAD_BYTES..], number, key.clone()).read_to_end(&mut contents)?;
        Ok(contents)
    }

    #[test]
    fn what_was_written_is_read_whatever_its_length() {
        let key = Secret::random().unwrap();
        for len in [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 9 * FRAME_BYTES, 20 * FRAME_BYTES + 5] {
            let contents: Vec<u8> = (0..len).map(|i| (i / 7) as u8).collect();
            let file = sealed(&contents, &key);
            assert_eq!(key_of(&file), Some(7));
            assert!(opened(&file, &key).unwrap() == contents, "{len}");
            assert!(len == 0 || opened(&file, &Secret::random().unwrap()).is_err());
        }
    }

    #[test]
    fn a_file_that_is_cut_swapped_or_altered_is_told_from_a_whole_one() {
        let key = Secret::random().unwrap();
        let contents: Vec<u8> = (0..3 * FRAME_BYTES + 9).map(|i| (i / 3) as u8).collect();
        let file = sealed(&contents, &key);
        let frame = 4 + FRAME_BYTES + aead::OVERHEAD_BYTES;
        for end in [10, HEAD_BYTES, HEAD_BYTES + 2, HEAD_BYTES + frame, HEAD_BYTES + 3 * frame, file.len() - 1] {
            assert!(opened(&file[..end], &key).is_err(), "{end}");
        }
        let mut swapped = file.clone();
        let (one, other) = swapped[HEAD_BYTES..].split_at_mut(frame);
        one.swap_with_slice(&mut other[..frame]);
        assert!(opened(&swapped, &key).is_err());
        let without = [&file[..HEAD_BYTES], &file[HEAD_BYTES + frame..]].concat();
        assert!(opened(&without, &key).is_err());
        // The end cannot be moved either.
        let mut ended = file[..HEAD_BYTES + frame].to_vec();
        ended[HEAD_BYTES + 3] |= 0x80;
        assert!(opened(&ended, &key).is_err());
        for at in (0..file.len()).step_by(199_999) {
            let mut altered = file.clone();
            altered[at] ^= 4;
            assert!(opened(&altered, &key).is_err(), "{at}");
        }
        // Trailing bytes are no part of it.
        assert!(opened(&[file.clone(), vec![1; 9]].concat(), &key).unwrap() == contents);
    }
}
