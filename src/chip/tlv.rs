//! Tag-length-value (TLV) parsing for all chip files.
//!
//! Strict about bounds; accepts what BER allows: tags of up to three bytes and definite lengths of
//! up to four, minimal or not. Indefinite lengths are refused; CMS structures go through
//! `super::ber` first. Values are borrowed, so no length makes it allocate.

/// Longest tag in bytes: ICAO 9303 and CMS need two; one to spare.
const TAG_BYTES_MAX: usize = 3;
/// Most bytes of a length after its first: 4 GiB, beyond every bound here.
const LENGTH_BYTES_MAX: usize = 4;

/// Why bytes are not the TLV they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlvError {
    /// The bytes end inside a tag, a length or a value.
    #[error("cut short")]
    Truncated,
    /// A tag longer than three bytes, or one that is padded.
    #[error("a tag that is not allowed")]
    BadTag,
    /// A reserved length byte or a length of more than four bytes.
    #[error("a length that is not allowed")]
    BadLength,
    /// An indefinite length where only definite ones may stand.
    #[error("an indefinite length where none may be")]
    Indefinite,
    /// Another tag stands where this one must.
    #[error("tag {expected:X} expected, {found:X} found")]
    Unexpected {
        /// The tag the format asks for.
        expected: u32,
        /// The tag in its place; 0 where the bytes end.
        found: u32,
    },
    /// Bytes are left over where none may be.
    #[error("bytes left over")]
    Trailing,
    /// Nested deeper than any genuine file.
    #[error("nested too deep")]
    TooDeep,
}

/// One tag with its value, borrowed from the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// The tag bytes read as one big-endian number: `0x30`, `0x7F61`.
    pub tag: u32,
    /// Tag, length and value.
    pub raw: &'a [u8],
    /// The value.
    pub value: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// Whether the encoding is constructed: the value consists of TLVs (bit 6 of the first tag
    /// byte).
    pub fn is_constructed(&self) -> bool {
        self.raw.first().is_some_and(|byte| byte & 0x20 != 0)
    }

    /// A reader of the TLVs in the value.
    pub fn children(&self) -> TlvReader<'a> {
        TlvReader::new(self.value)
    }
}

impl std::fmt::Debug for Tlv<'_> {
    // Values can be personal data and must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tlv({:X}, {} bytes)", self.tag, self.value.len())
    }
}

/// A cursor over consecutive TLVs.
#[derive(Clone, Copy)]
pub struct TlvReader<'a> {
    rest: &'a [u8],
}

impl<'a> TlvReader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes not yet read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next TLV.
    ///
    /// # Errors
    /// [`TlvError`] where the object is cut short or its length is not DER.
    pub fn read(&mut self) -> Result<Tlv<'a>, TlvError> {
        let header = TlvHeader::parse(self.rest)?;
        let length = header.length.ok_or(TlvError::Indefinite)?;
        let end = header.bytes.checked_add(length).ok_or(TlvError::BadLength)?;
        let raw = self.rest.get(..end).ok_or(TlvError::Truncated)?;
        self.rest = &self.rest[end..];
        Ok(Tlv { tag: header.tag, raw, value: &raw[header.bytes..] })
    }

    /// The next TLV; if its length exceeds the remaining bytes by at most `slack`, the value is cut
    /// there. Only for the inside of DG2, where lengths in genuine documents are off by a few
    /// bytes.
    ///
    /// # Errors
    /// As [`TlvReader::read`].
    pub fn read_clipped(&mut self, slack: usize) -> Result<Tlv<'a>, TlvError> {
        let header = TlvHeader::parse(self.rest)?;
        let length = header.length.ok_or(TlvError::Indefinite)?;
        let end = header.bytes.checked_add(length).ok_or(TlvError::BadLength)?;
        if end > self.rest.len().saturating_add(slack) {
            return Err(TlvError::Truncated);
        }
        let raw = &self.rest[..end.min(self.rest.len())];
        self.rest = &self.rest[raw.len()..];
        Ok(Tlv { tag: header.tag, raw, value: &raw[header.bytes..] })
    }

    /// The tag of the next TLV, `None` at the end or where it is not one.
    pub fn peek(&self) -> Option<u32> {
        TlvHeader::parse(self.rest).ok().map(|header| header.tag)
    }

    /// The next TLV, which must have this tag.
    ///
    /// # Errors
    /// [`TlvError`] as [`TlvReader::read`], and where the next object has another tag.
    pub fn expect(&mut self, tag: u32) -> Result<Tlv<'a>, TlvError> {
        let found = self.peek().unwrap_or(0);
        if found != tag {
            // The end of the bytes or a malformed header is reported as such, not as a wrong tag.
            if !self.rest.is_empty() {
                TlvHeader::parse(self.rest)?;
            }
            return Err(TlvError::Unexpected { expected: tag, found });
        }
        self.read()
    }

    /// The next TLV where it has this tag.
    ///
    /// # Errors
    /// As [`TlvReader::read`].
    pub fn optional(&mut self, tag: u32) -> Result<Option<Tlv<'a>>, TlvError> {
        if self.peek() == Some(tag) { self.read().map(Some) } else { Ok(None) }
    }

    /// The first TLV of this tag from here on; those before it are skipped.
    ///
    /// # Errors
    /// As [`TlvReader::read`].
    pub fn find(&mut self, tag: u32) -> Result<Option<Tlv<'a>>, TlvError> {
        while !self.is_empty() {
            let tlv = self.read()?;
            if tlv.tag == tag {
                return Ok(Some(tlv));
            }
        }
        Ok(None)
    }

    /// Checks that everything has been read.
    ///
    /// # Errors
    /// [`TlvError`] where something follows.
    pub fn finish(&self) -> Result<(), TlvError> {
        if self.rest.is_empty() { Ok(()) } else { Err(TlvError::Trailing) }
    }
}

impl<'a> Iterator for TlvReader<'a> {
    type Item = Result<Tlv<'a>, TlvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let item = self.read();
        if item.is_err() {
            self.rest = &[];
        }
        Some(item)
    }
}

/// A tag and a length, without the value.
#[derive(Clone, Copy)]
pub(crate) struct TlvHeader {
    /// The tag bytes as one number.
    pub tag: u32,
    /// Bytes of tag and length together.
    pub bytes: usize,
    /// Bytes of the value; `None` for an indefinite length.
    pub length: Option<usize>,
}

impl TlvHeader {
    /// Reads the header at the start of `bytes`; the value need not be there.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, TlvError> {
        let mut at = 0;
        let mut next = || {
            let byte = bytes.get(at).copied().ok_or(TlvError::Truncated);
            at += 1;
            byte
        };
        let first = next()?;
        let mut tag = u32::from(first);
        if first & 0x1F == 0x1F {
            let mut bytes_read = 1;
            loop {
                let byte = next()?;
                bytes_read += 1;
                // A leading 0x80 pads the tag number.
                if bytes_read > TAG_BYTES_MAX || (bytes_read == 2 && byte == 0x80) {
                    return Err(TlvError::BadTag);
                }
                tag = tag << 8 | u32::from(byte);
                if byte & 0x80 == 0 {
                    break;
                }
            }
        }
        let length = match next()? {
            0x80 => None,
            short @ 0..=0x7F => Some(usize::from(short)),
            long => {
                let count = usize::from(long & 0x7F);
                if count > LENGTH_BYTES_MAX {
                    return Err(TlvError::BadLength);
                }
                let mut length = 0u64;
                for _ in 0..count {
                    length = length << 8 | u64::from(next()?);
                }
                Some(usize::try_from(length).map_err(|_| TlvError::BadLength)?)
            }
        };
        Ok(Self { tag, bytes: at, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_lengths_of_several_bytes_are_read() {
        let bytes = [0x7F, 0x61, 0x82, 0x00, 0x03, 0x02, 0x01, 0x09, 0x5F, 0x2E, 0x81, 0x01, 0xAA];
        let mut reader = TlvReader::new(&bytes);
        let first = reader.read().unwrap();
        assert_eq!((first.tag, first.value.len(), first.is_constructed()), (0x7F61, 3, true));
        let second = reader.expect(0x5F2E).unwrap();
        assert_eq!((second.value, second.is_constructed()), (&[0xAA][..], false));
        reader.finish().unwrap();
    }

    #[test]
    fn a_length_beyond_the_end_is_cut_short_and_never_allocated() {
        for bytes in [&[0x30][..], &[0x30, 0x05, 1], &[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF], &[0x1F], &[0x30, 0x82, 1]] {
            assert_eq!(TlvReader::new(bytes).read(), Err(TlvError::Truncated));
        }
    }

    #[test]
    fn what_ber_forbids_is_refused() {
        assert_eq!(TlvReader::new(&[0x30, 0x85, 1, 1, 1, 1, 1]).read(), Err(TlvError::BadLength));
        assert_eq!(TlvReader::new(&[0x30, 0x80, 0, 0]).read(), Err(TlvError::Indefinite));
        assert_eq!(TlvReader::new(&[0x7F, 0x80, 0x01, 0x00]).read(), Err(TlvError::BadTag));
        assert_eq!(TlvReader::new(&[0x7F, 0x81, 0x81, 0x01, 0x00]).read(), Err(TlvError::BadTag));
    }

    #[test]
    fn only_a_few_missing_bytes_are_clipped() {
        let bytes = [0x5F, 0x2E, 0x05, 1, 2, 3];
        assert_eq!(TlvReader::new(&bytes).read_clipped(2).unwrap().value, [1, 2, 3]);
        assert_eq!(TlvReader::new(&bytes).read_clipped(1), Err(TlvError::Truncated));
    }
}
