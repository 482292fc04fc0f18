//! Reading a table, as spreadsheets and programs write them.

use std::io::{self, Read};
use std::path::Path;

use crate::regular;

/// As much of a table is looked at to find what divides its columns.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// What may divide columns, the first where two are there as often.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// A table whose first line has not been read yet. Lines are counted as an editor counts them.
pub(crate) type Table = csv::Reader<Box<dyn Read + Send>>;

/// Opens a table, and says what divides its columns.
///
/// # Errors
/// As for [`regular::open`].
pub(crate) fn open(path: &Path) -> io::Result<(Table, u8)> {
    from_reader(regular::open(path)?)
}

fn from_reader(source: impl Read + Send + 'static) -> io::Result<(Table, u8)> {
    let mut lines = Lines::new(Utf8::new(source));
    let mut head = Vec::new();
    (&mut lines).take(HEAD_BYTES_MAX as u64).read_to_end(&mut head)?;
    let delimiter = match separator_line(&head) {
        Some((delimiter, length)) => {
            // The line stays, empty, so that those after it keep their numbers.
            head.drain(..length);
            delimiter
        }
        None => delimiter_of(head.split(|&byte| byte == b'\n').find(|line| !line.is_empty()).unwrap_or_default()),
    };
    let whole: Box<dyn Read + Send> = Box::new(io::Cursor::new(head).chain(lines));
    let reader = csv::ReaderBuilder::new().flexible(true).delimiter(delimiter).from_reader(whole);
    Ok((reader, delimiter))
}

/// A first line `sep=;`, by which some programs say what divides the columns: which, and the
/// length of the line without its break.
fn separator_line(head: &[u8]) -> Option<(u8, usize)> {
    let length = head.iter().position(|&byte| byte == b'\n')?;
    let line = head[..length].strip_prefix(b"\"").unwrap_or(&head[..length]);
    let line = line.strip_suffix(b"\"").unwrap_or(line);
    match line {
        [s, e, p, b'=', delimiter]
            if [*s, *e, *p].eq_ignore_ascii_case(b"sep") && (DELIMITERS.contains(delimiter) || *delimiter == b'|') =>
        {
            Some((*delimiter, length))
        }
        _ => None,
    }
}

/// What divides the columns of a first line: what is in it most often, outside of quotation.
fn delimiter_of(header: &[u8]) -> u8 {
    let count = |delimiter: u8| {
        let mut quoted = false;
        let bare = header.iter().filter(|&&byte| {
            quoted ^= byte == b'"';
            byte == delimiter && !quoted
        });
        bare.count()
    };
    // `max_by_key` takes the last of equals.
    DELIMITERS.into_iter().rev().max_by_key(|&delimiter| count(delimiter)).unwrap_or(b',')
}

/// What is wrong with a row that has more or fewer cells than the first line has columns: its
/// cells then stand under the wrong names. Empty cells at the end, which spreadsheets add and
/// leave out, count neither in the first line nor in the row.
pub(crate) fn row_fault(header: &csv::ByteRecord, row: &csv::ByteRecord) -> Option<&'static str> {
    let filled = |record: &csv::ByteRecord| {
        record.iter().rposition(|cell| !cell.trim_ascii().is_empty()).map_or(0, |last| last + 1)
    };
    if filled(row) > header.len() {
        return Some(
            "the row has more cells than the first line; put quotation marks around a cell with a separator in it",
        );
    }
    (row.len() < filled(header)).then_some("the row has fewer cells than the first line; is a separator missing?")
}

/// A number as text, with a decimal point: where columns are divided by something else, a comma
/// is a decimal one.
pub(crate) fn decimal_point(text: &str, delimiter: u8) -> String {
    if delimiter == b',' { text.to_owned() } else { text.replace(',', ".") }
}

/// UTF-8 of a text in UTF-8 or UTF-16, without its byte order mark. What is not UTF-8 stays as it
/// is; what is not UTF-16 becomes U+FFFD.
struct Utf8<R> {
    source: R,
    encoding: Option<Encoding>,
    /// Read, and not handed on yet; those from `at` on.
    ready: Vec<u8>,
    at: usize,
    /// An odd byte, and the first half of a pair.
    odd: Option<u8>,
    high: Option<u16>,
}

#[derive(Clone, Copy, PartialEq)]
enum Encoding {
    Utf8,
    Utf16 { big: bool },
}

impl<R: Read> Utf8<R> {
    fn new(source: R) -> Self {
        Self { source, encoding: None, ready: Vec::new(), at: 0, odd: None, high: None }
    }

    /// Reads the byte order mark.
    fn begin(&mut self) -> io::Result<Encoding> {
        let mut mark = Vec::new();
        (&mut self.source).take(3).read_to_end(&mut mark)?;
        let (encoding, rest) = match mark[..] {
            [0xEF, 0xBB, 0xBF] => (Encoding::Utf8, &[][..]),
            [0xFF, 0xFE, ..] => (Encoding::Utf16 { big: false }, &mark[2..]),
            [0xFE, 0xFF, ..] => (Encoding::Utf16 { big: true }, &mark[2..]),
            _ => (Encoding::Utf8, &mark[..]),
        };
        match encoding {
            Encoding::Utf8 => self.ready.extend(rest),
            Encoding::Utf16 { .. } => self.odd = rest.first().copied(),
        }
        self.encoding = Some(encoding);
        Ok(encoding)
    }

    fn add_unit(&mut self, unit: u16) {
        let units: &[u16] = match (self.high.take(), unit) {
            (None, 0xD800..=0xDBFF) => {
                self.high = Some(unit);
                return;
            }
            (None, _) => &[unit],
            (Some(high), _) => &[high, unit],
        };
        let mut bytes = [0; 4];
        for c in char::decode_utf16(units.iter().copied()) {
            let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
            self.ready.extend(c.encode_utf8(&mut bytes).as_bytes());
        }
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let encoding = match self.encoding {
            Some(encoding) => encoding,
            None => self.begin()?,
        };
        while self.at == self.ready.len() && !buffer.is_empty() {
            let Encoding::Utf16 { big } = encoding else { return self.source.read(buffer) };
            (self.ready, self.at) = (Vec::new(), 0);
            let mut bytes = [0; 8 << 10];
            let read = self.source.read(&mut bytes)?;
            if read == 0 {
                // Half a character at the end is none.
                if self.odd.take().is_none() && self.high.take().is_none() {
                    return Ok(0);
                }
                self.ready.extend(char::REPLACEMENT_CHARACTER.to_string().as_bytes());
                (self.odd, self.high) = (None, None);
                break;
            }
            for &byte in &bytes[..read] {
                match self.odd.take() {
                    None => self.odd = Some(byte),
                    Some(first) if big => self.add_unit(u16::from_be_bytes([first, byte])),
                    Some(first) => self.add_unit(u16::from_le_bytes([first, byte])),
                }
            }
        }
        let left = &self.ready[self.at..];
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.at += count;
        Ok(count)
    }
}

/// Text with `\n` as its only line break, one at its end, so that lines can be
/// counted.
struct Lines<R> {
    source: R,
    after_return: bool,
    ended_by_break: bool,
}

impl<R: Read> Lines<R> {
    fn new(source: R) -> Self {
        Self { source, after_return: false, ended_by_break: true }
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.source.read(buffer)?;
            if read == 0 {
                if self.ended_by_break || buffer.is_empty() {
                    return Ok(0);
                }
                self.ended_by_break = true;
                buffer[0] = b'\n';
                return Ok(1);
            }
            let mut kept = 0;
            for at in 0..read {
                let byte = buffer[at];
                let second_half = byte == b'\n' && self.after_return;
                self.after_return = byte == b'\r';
                if !second_half {
                    buffer[kept] = if byte == b'\r' { b'\n' } else { byte };
                    kept += 1;
                }
            }
            // Nothing kept means half of a line break; an empty answer would mean the end.
            if kept > 0 {
                self.ended_by_break = buffer[kept - 1] == b'\n';
                return Ok(kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(bytes: &[u8]) -> (Vec<Vec<String>>, u8) {
        let (mut table, delimiter) = from_reader(io::Cursor::new(bytes.to_vec())).unwrap();
        let header: Vec<String> = table.headers().unwrap().iter().map(str::to_owned).collect();
        let rest = table.records().map(|row| row.unwrap().iter().map(str::to_owned).collect());
        (std::iter::once(header).chain(rest).collect(), delimiter)
    }

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        let unit = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        format!("\u{feff}{text}").encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn what_spreadsheets_save_is_one_table() {
        let expected = vec![vec!["id", "name"], vec!["1", "Hòa 𝄞"], vec!["2", "a;b,c"]];
        let comma = "id,name\n1,Hòa 𝄞\n2,\"a;b,c\"\n";
        let semicolon = "id;name\r\n1;Hòa 𝄞\r\n2;\"a;b,c\"\r\n";
        let tab = "id\tname\r1\tHòa 𝄞\r2\ta;b,c\r";
        let mut files =
            vec![format!("sep=;\r\n{semicolon}"), format!("\"sep=,\"\n{comma}"), format!("SEP=;\n{semicolon}")];
        files.extend([comma, semicolon, tab].map(str::to_owned));
        for text in files {
            let marked = format!("\u{feff}{text}");
            let all = [text.as_bytes().to_vec(), marked.into_bytes(), utf16(&text, false), utf16(&text, true)];
            for bytes in all {
                assert_eq!(rows(&bytes).0, expected, "{text:?} {:?}", &bytes[..4]);
            }
        }
        assert_eq!(rows(b"path\na;b\n").0, [["path"], ["a;b"]], "a single column has no delimiter");
        assert_eq!(rows(b"\"a,b,c\";d\n1;2\n").1, b';', "what is quoted divides nothing");
        assert_eq!(rows(b"").0, [Vec::<String>::new()]);
    }

    #[test]
    fn a_row_has_as_many_cells_as_the_first_line_but_for_empty_ones_at_the_end() {
        let fault = |header: &[&str], row: &[&str]| {
            row_fault(&csv::ByteRecord::from(header.to_vec()), &csv::ByteRecord::from(row.to_vec()))
        };
        for (header, row) in [
            (&["a", "b"][..], &["1", "2"][..]),
            (&["a", "b"], &["1", "2", "", " "]),
            (&["a", "b", ""], &["1", "2"]),
            (&["a", "b", ""], &["1", "2", "beside the table"]),
            (&["a", "b"], &["", ""]),
        ] {
            assert_eq!(fault(header, row), None, "{header:?} {row:?}");
        }
        for (header, row, what) in [
            (&["a", "b"][..], &["1", "2", "3"][..], "more"),
            (&["a", "b"], &["1", "2", "", "3"], "more"),
            (&["a", "b"], &["1"], "fewer"),
            (&["a", "b", "c", ""], &["1", "2"], "fewer"),
        ] {
            assert!(fault(header, row).unwrap().contains(what), "{header:?} {row:?}");
        }
    }

    #[test]
    fn half_a_character_at_the_end_is_no_end_of_the_world() {
        for cut in 1..=3 {
            let whole = utf16("id\n𝄞", false);
            let read = rows(&whole[..whole.len() - cut]).0;
            assert_eq!(read, [["id"], ["\u{fffd}"]], "{cut}");
        }
    }

    #[test]
    fn a_line_break_split_between_two_reads_is_one() {
        struct OneByOne<'a>(&'a [u8]);
        impl Read for OneByOne<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let length = buffer.len().min(1);
                self.0.read(&mut buffer[..length])
            }
        }
        let mut text = String::new();
        Lines::new(OneByOne(b"a\r\nb\r\r\nc")).read_to_string(&mut text).unwrap();
        assert_eq!(text, "a\nb\n\nc\n");
    }
}
