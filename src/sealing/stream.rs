//! A sealed file: a stream of bytes in frames, each sealed under one key for its place.
//!
//! It begins with `chinhchu.box`, the version (four bytes) and the number of its key in the key store
//! (eight). Then come frames: the length of the box (four bytes), its highest bit set in the last one,
//! and the box ([`aead`]) of up to 1 MiB. A frame belongs to the file's head, to its number
//! and to whether it is the last, so frames cannot be moved, left out or cut off. All numbers are
//! little-endian.

#![forbid(unsafe_code)]

use std::io::{self, Read, Write};
use std::ops::Range;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use super::{Secret, aead};

const MAGIC: &[u8; 12] = b"chinhchu.box";
const VERSION: u32 = 1;
/// Length of what comes before the frames.
pub const HEAD_BYTES: usize = 12 + 4 + 8;
/// Bytes of contents in a frame, but for the last.
const FRAME_BYTES: usize = 1 << 20;
/// Frames that are opened ahead of who reads them.
const FRAMES_AHEAD: usize = 4;
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

/// The contents of a frame, opened where it lay.
struct Frame {
    bytes: Buffer,
    contents: Range<usize>,
    is_last: bool,
}

/// Wiped when it is dropped, and used for many frames before that.
type Buffer = zeroize::Zeroizing<Vec<u8>>;

/// Opens what [`SealedWriter`] has sealed; a thread of its own reads and opens the frames that come
/// next. Gives nothing of a frame that was altered.
pub struct SealedReader {
    frame: Option<Frame>,
    opened: Option<Receiver<io::Result<Frame>>>,
    used: Option<Sender<Buffer>>,
    ahead: Option<JoinHandle<()>>,
}

/// What reads ahead.
struct Ahead<R> {
    inner: R,
    key: Secret,
    head: [u8; HEAD_BYTES],
    number: u64,
}

impl<R: Read> Ahead<R> {
    fn next(&mut self, mut bytes: Buffer) -> io::Result<Frame> {
        let mut len = [0; 4];
        self.inner.read_exact(&mut len).map_err(|_| altered())?;
        let len = u32::from_le_bytes(len);
        let (len, is_last) = ((len & !LAST) as usize, len & LAST != 0);
        if !(aead::OVERHEAD_BYTES..=FRAME_BYTES + aead::OVERHEAD_BYTES).contains(&len) {
            return Err(altered());
        }
        // Grows once: all frames but the last have one length.
        bytes.resize(len, 0);
        self.inner.read_exact(&mut bytes).map_err(|_| altered())?;
        let number = self.number.to_le_bytes();
        self.number += 1;
        let place = place(&self.head, &number, is_last);
        let contents = aead::open_in_place(&self.key, &place, &mut bytes).map_err(|_| altered())?;
        let contents = aead::NONCE_BYTES..aead::NONCE_BYTES + contents.len();
        Ok(Frame { bytes, contents, is_last })
    }

    /// Until the last frame, the first fault, or nobody reads on.
    fn run(mut self, used: &Receiver<Buffer>, opened: &Sender<io::Result<Frame>>) {
        while let Ok(bytes) = used.recv() {
            let frame = self.next(bytes);
            let is_over = frame.as_ref().map_or(true, |frame| frame.is_last);
            if opened.send(frame).is_err() || is_over {
                return;
            }
        }
    }
}

impl SealedReader {
    /// Begins to read behind the head, which says that the file is sealed under the key of this number.
    ///
    /// # Errors
    /// Where the system has no thread for it.
    pub fn begin(inner: impl Read + Send + 'static, number: u64, key: Secret) -> io::Result<Self> {
        let ((used, take), (give, opened)) = (mpsc::channel(), mpsc::channel());
        for _ in 0..FRAMES_AHEAD {
            let _ = used.send(Buffer::default());
        }
        let ahead = Ahead { inner, key, head: head(number), number: 0 };
        let ahead = std::thread::Builder::new().name("sealed-file".into()).spawn(move || ahead.run(&take, &give))?;
        Ok(Self { frame: None, opened: Some(opened), used: Some(used), ahead: Some(ahead) })
    }

    /// Hands back the frame that was read, and takes the next.
    fn advance(&mut self) -> io::Result<()> {
        if let (Some(frame), Some(used)) = (self.frame.take(), &self.used) {
            // Nobody takes it where all is read.
            let _ = used.send(frame.bytes);
        }
        let opened = self.opened.as_ref().ok_or_else(altered)?;
        self.frame = Some(opened.recv().map_err(|_| altered())??);
        Ok(())
    }
}

impl Read for SealedReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match &mut self.frame {
                Some(frame) if !frame.contents.is_empty() => {
                    let count = into.len().min(frame.contents.len());
                    let begin = frame.contents.start;
                    into[..count].copy_from_slice(&frame.bytes[begin..begin + count]);
                    frame.contents.start += count;
                    return Ok(count);
                }
                Some(frame) if frame.is_last => return Ok(0),
                _ => self.advance()?,
            }
        }
    }
}

impl Drop for SealedReader {
    fn drop(&mut self) {
        (self.opened, self.used) = (None, None);
        if let Some(ahead) = self.ahead.take() {
            // It has nothing to say.
            let _ = ahead.join();
        }
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
        SealedReader::begin(io::Cursor::new(file[HEAD_BYTES..].to_vec()), number, key.clone())?
            .read_to_end(&mut contents)?;
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
        // Whoever stops reading leaves no thread behind.
        let mut reader = SealedReader::begin(io::Cursor::new(file[HEAD_BYTES..].to_vec()), 7, key.clone()).unwrap();
        reader.read_exact(&mut [0; 9]).unwrap();
        drop(reader);
        // Trailing bytes are no part of it.
        assert!(opened(&[file.clone(), vec![1; 9]].concat(), &key).unwrap() == contents);
    }
}
