//! Bit reader for entropy-coded segments.
//!
//! Bytes go through a small window from which stuffed zero bytes have been removed (T.81 F.1.2.3),
//! so that the bit buffer can be refilled eight bytes at a time without testing each. The window
//! always holds at least one more MCU, or the end of the segment followed by zeros; overruns are
//! detected once per MCU, by counting.

/// Bytes of the window that hold data: a power of two, small enough to stay in
/// the first-level cache.
const WINDOW: usize = 4096;

const TAIL: usize = 8;

/// Most bytes one MCU takes: six blocks of one DC symbol (16 + 11 bits) and 63
/// AC symbols (16 + 10 bits), and the bit buffer's reach beyond it.
const MCU_BYTES_MAX: usize = 6 * (27 + 63 * 26usize).div_ceil(8) + 32;

const _: () = assert!(WINDOW >= 2 * MCU_BYTES_MAX && WINDOW.is_power_of_two());

/// Unstuffed bytes, with a tail so that eight can be read at any position.
pub(super) type Window = [u8; WINDOW + TAIL];

/// The bytes of a scan, one restart segment at a time.
pub(super) struct ScanBytes<'a> {
    bytes: &'a [u8],
    at: usize,
    window: Box<Window>,
    /// Bytes of the window that are data.
    end: usize,
    /// Whether a marker is next: no more data in this segment.
    is_last: bool,
}

/// The bit buffer: the next bits left-aligned in a word. A separate value, so that it stays in
/// registers.
#[derive(Clone, Copy)]
pub(super) struct Bits {
    /// The next bits, first at the top. Below `count` they may already hold
    /// the bits that a refill will put there again.
    pub(super) buffer: u64,
    count: u32,
    /// Place of the next byte in the window.
    at: usize,
}

impl Bits {
    const NONE: Self = Self { buffer: 0, count: 0, at: 0 };

    /// Drops `length` bits, at most as many as the buffer holds.
    #[inline(always)]
    pub(super) fn drop(&mut self, length: u32) {
        debug_assert!(length <= self.count);
        self.buffer <<= length;
        self.count -= length;
    }

    /// Fills the buffer to at least 56 bits.
    #[inline(always)]
    pub(super) fn refill(&mut self, window: &Window) {
        // The mask changes nothing (`ScanBytes::prepare` leaves room); it is what
        // shows that no bound is passed.
        let from = self.at & (WINDOW - 1);
        if let Some(next) = window[from..].first_chunk::<8>() {
            self.buffer |= u64::from_be_bytes(*next) >> self.count;
        }
        self.at += ((63 - self.count) >> 3) as usize;
        self.count |= 56;
    }
}

impl<'a> ScanBytes<'a> {
    /// Begins at the first byte after the scan header.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> (Self, Bits) {
        let source = Self { bytes, at, window: Box::new([0; WINDOW + TAIL]), end: 0, is_last: false };
        (source, Bits::NONE)
    }

    /// The bytes [`Bits::refill`] reads from.
    #[inline(always)]
    pub(super) fn window(&self) -> &Window {
        &self.window
    }

    /// Makes sure that the next MCU lies in the window. `None` where the file
    /// ends within the segment.
    #[inline(always)]
    pub(super) fn prepare(&mut self, bits: &mut Bits) -> Option<()> {
        if self.end.saturating_sub(bits.at) < MCU_BYTES_MAX && !self.is_last {
            return self.fill(bits);
        }
        Some(())
    }

    /// Whether only bits that were there have been used. Once per MCU.
    #[inline(always)]
    pub(super) fn is_within(&self, bits: &Bits) -> bool {
        self.left(bits).is_some()
    }

    /// Bits left in the window; `None` where more were used than there were.
    #[inline(always)]
    fn left(&self, bits: &Bits) -> Option<usize> {
        (8 * self.end + bits.count as usize).checked_sub(8 * bits.at)
    }

    #[cold]
    #[inline(never)]
    fn fill(&mut self, bits: &mut Bits) -> Option<()> {
        let from = bits.at.min(self.end);
        bits.at -= from;
        self.window.copy_within(from..self.end, 0);
        let mut end = self.end - from;
        // Leaves room for zeros behind the end of a segment.
        let full = WINDOW - MCU_BYTES_MAX;
        while end < full {
            let next = self.bytes.get(self.at..)?;
            if let (Some(word), Some(place)) = (next.first_chunk::<8>(), self.window[end..].first_chunk_mut::<8>()) {
                *place = *word;
                // Detects 0xFF bytes with the zero-byte test on the complement. False positives
                // occur only above the first true one.
                let ones = !u64::from_le_bytes(*word);
                let found = ones.wrapping_sub(0x0101_0101_0101_0101) & !ones & 0x8080_8080_8080_8080;
                if found == 0 {
                    end += 8;
                    self.at += 8;
                    continue;
                }
                let clean = (found.trailing_zeros() / 8) as usize;
                end += clean;
                self.at += clean;
            }
            match *self.bytes.get(self.at..)? {
                [0xFF, 0x00, ..] => {
                    self.window[end] = 0xFF;
                    end += 1;
                    self.at += 2;
                }
                [0xFF, _, ..] => {
                    self.is_last = true;
                    break;
                }
                [0xFF] | [] => return None,
                [byte, ..] => {
                    self.window[end] = byte;
                    end += 1;
                    self.at += 1;
                }
            }
        }
        self.end = end;
        if self.is_last {
            self.window[end..].fill(0);
        }
        Some(())
    }

    /// Ends a segment: fewer than eight bits of padding may be left, and
    /// `marker` must be next. Begins the next segment.
    pub(super) fn finish(&mut self, bits: &mut Bits, marker: u8) -> Option<()> {
        if !self.is_last {
            // Data may end exactly where the window does.
            self.fill(bits)?;
        }
        if !self.is_last || self.left(bits)? >= 8 {
            return None;
        }
        if self.bytes.get(self.at..self.at + 2)? != [0xFF, marker] {
            return None;
        }
        self.at += 2;
        (self.end, self.is_last, *bits) = (0, false, Bits::NONE);
        Some(())
    }
}
