//! Manifests: CSV files with a header, one photo a row.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use super::Failure;
use crate::table::{self, Table};

/// What is said of a row in another encoding.
const NOT_TEXT: &str = "the row is not UTF-8 text; save the manifest as UTF-8";

/// What is said of a row that takes in the lines after it.
const LEFT_OPEN: &str = "the row goes on over several lines; is a quotation mark left open?";

/// Longest record read, in bytes of all its fields.
const RECORD_BYTES_MAX: usize = 64 << 10;

/// One row that can be acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Line in the file, from 1; the header is line 1.
    pub line: u64,
    /// The row's `subject_id`; empty where the manifest is read without.
    pub subject: String,
    /// The photo; relative paths are taken from the manifest's folder. Empty where the
    /// manifest is read without.
    pub path: PathBuf,
}

/// One row that cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadRow {
    /// Line in the file, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub what: &'static str,
}

/// Which columns must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Columns {
    /// `subject_id` and `path`.
    SubjectAndPath,
    /// `path`.
    Path,
    /// `subject_id`.
    Subject,
}

/// A manifest being read, row by row, in bounded memory.
///
/// Everything that [`table`] reads is fine, and so are further columns and blank lines.
pub(super) struct Manifest {
    shown: String,
    folder: PathBuf,
    reader: Table,
    delimiter: u8,
    subject_column: Option<usize>,
    path_column: Option<usize>,
    header: csv::ByteRecord,
    record: csv::ByteRecord,
}

impl Manifest {
    /// Opens a manifest and finds its columns.
    pub(super) fn open(path: &Path, columns: Columns) -> Result<Self, Failure> {
        let shown = path.display().to_string();
        let bad = |what: &dyn std::fmt::Display| Failure::new(format_args!("manifest {shown}: {what}"));
        let (mut reader, delimiter) = table::open(path).map_err(|e| match e.kind() {
            io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput => bad(&format_args!("{e}; name a CSV file")),
            _ => bad(&format_args!("cannot be opened ({e}); check the path")),
        })?;
        let header = reader.byte_headers().map_err(|e| bad(&format_args!("cannot be read ({e})")))?.clone();
        let column =
            |name: &str| header.iter().position(|field| field.trim_ascii().eq_ignore_ascii_case(name.as_bytes()));
        let (need, subject, photo) = match columns {
            Columns::SubjectAndPath => ("subject_id,path", true, true),
            Columns::Path => ("path", false, true),
            Columns::Subject => ("subject_id", true, false),
        };
        let missing = || bad(&format_args!("the first line must name the columns {need}"));
        let once = |name: &str| {
            let named = header.iter().filter(|field| field.trim_ascii().eq_ignore_ascii_case(name.as_bytes()));
            match named.count() {
                0 => Err(missing()),
                1 => Ok(column(name)),
                count => Err(bad(&twice(name, count))),
            }
        };
        let path_column = if photo { once("path")? } else { None };
        let subject_column = if subject { once("subject_id")? } else { None };
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let record = csv::ByteRecord::new();
        Ok(Self { shown, folder, reader, delimiter, subject_column, path_column, header, record })
    }

    /// The names of all columns, as the first line has them.
    pub(super) fn columns(&self) -> Vec<String> {
        self.header.iter().map(|field| String::from_utf8_lossy(field.trim_ascii()).into_owned()).collect()
    }

    /// Where a column is that is there once, named in just these letters; `None` where it is
    /// not. One that is there twice may mean either.
    pub(super) fn column(&self, names: &[String], name: &str) -> Result<Option<usize>, Failure> {
        let mut places = names.iter().enumerate().filter(|(_, of)| *of == name).map(|(place, _)| place);
        let first = places.next();
        match places.count() {
            0 => Ok(first),
            more => Err(Failure::new(format_args!("manifest {}: {}", self.shown, twice(name, more + 1)))),
        }
    }

    /// A field of the row read last; empty where the row has none, or no text.
    pub(super) fn field(&self, column: usize) -> Cow<'_, str> {
        let field = self.record.get(column).and_then(|field| std::str::from_utf8(field.trim_ascii()).ok());
        table::original(field.unwrap_or_default())
    }

    /// The photo's path in the row read last, as the manifest gives it; empty where it gives
    /// none, or no text.
    pub(super) fn path_given(&self) -> Cow<'_, str> {
        self.path_column.map_or(Cow::Borrowed(""), |column| self.field(column))
    }

    /// A field where what it says is kept: bytes that are no text fail the row, and are not
    /// taken for nothing.
    pub(super) fn text(&self, column: usize, line: u64) -> Result<Cow<'_, str>, BadRow> {
        let field = self.record.get(column).unwrap_or_default();
        match std::str::from_utf8(field.trim_ascii()) {
            Ok(text) => Ok(table::original(text)),
            Err(_) => Err(BadRow { line, what: NOT_TEXT }),
        }
    }

    /// The same where it is a number: a decimal comma is a point.
    pub(super) fn number(&self, column: usize) -> String {
        table::decimal_point(&self.field(column), self.delimiter)
    }

    /// Number of rows of the manifest at `path`, bad ones included; an error where
    /// there are none.
    pub(super) fn count(path: &Path, columns: Columns) -> Result<u64, Failure> {
        let mut manifest = Self::open(path, columns)?;
        let mut rows = 0;
        while manifest.advance()? {
            rows += 1;
        }
        if rows == 0 {
            return Err(Failure::new(format_args!("manifest {}: it has no rows after its header", manifest.shown)));
        }
        Ok(rows)
    }

    /// Reads the next record. A failing disk is an error, never the end.
    fn advance(&mut self) -> Result<bool, Failure> {
        self.reader
            .read_byte_record(&mut self.record)
            .map_err(|e| Failure::new(format_args!("manifest {}: cannot be read ({e})", self.shown)))
    }

    /// The next row, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Result<Row, BadRow>>, Failure> {
        Ok(self.advance()?.then(|| self.row()))
    }

    fn row(&self) -> Result<Row, BadRow> {
        // The reader stands behind the line break that ends the record. (It knows
        // where it began looking for the record, but that may be blank lines before.)
        let breaks_inside = self.record.as_slice().iter().filter(|&&byte| byte == b'\n').count() as u64;
        // Where a quotation mark is left open, the last line break is the record's own.
        let left_open = self.record.iter().next_back().is_some_and(|last| last.ends_with(b"\n"));
        let own = u64::from(!left_open);
        let line = self.reader.position().line().saturating_sub(own + breaks_inside);
        let bad = |what| BadRow { line, what };
        if self.record.as_slice().len() > RECORD_BYTES_MAX {
            return Err(bad("the row is too long; is a quotation mark left open?"));
        }
        let not_text = |_| bad(NOT_TEXT);
        let field = |column: usize| match self.record.get(column) {
            // All rows up to the next quotation mark are in it: no name of a file.
            Some(bytes) if bytes.contains(&b'\n') => Err(bad(LEFT_OPEN)),
            Some(bytes) if !bytes.trim_ascii().is_empty() => {
                std::str::from_utf8(bytes.trim_ascii()).map(|text| Some(table::original(text))).map_err(not_text)
            }
            _ => Ok(None),
        };
        if let Some(fault) = table::row_fault(&self.header, &self.record) {
            return Err(bad(if breaks_inside > 0 { LEFT_OPEN } else { fault }));
        }
        let path = match self.path_column {
            Some(column) => self.folder.join(&*field(column)?.ok_or_else(|| bad("the path is missing"))?),
            None => PathBuf::new(),
        };
        let subject = match self.subject_column {
            Some(column) => field(column)?.ok_or_else(|| bad("the subject_id is missing"))?,
            None => Cow::Borrowed(""),
        };
        Ok(Row { line, subject: subject.into_owned(), path })
    }
}

/// What is wrong with a header that names a column several times.
fn twice(name: &str, count: usize) -> String {
    format!("the first line names the column {name} {count} times; leave one, rename the others")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8], columns: Columns) -> Vec<Result<Row, BadRow>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.csv");
        std::fs::write(&path, text).unwrap();
        let mut manifest = Manifest::open(&path, columns).unwrap();
        let mut rows = Vec::new();
        while let Some(row) = manifest.next().unwrap() {
            rows.push(row.map(|r| Row { path: r.path.strip_prefix(folder.path()).unwrap().to_owned(), ..r }));
        }
        assert_eq!(Manifest::count(&path, columns).unwrap(), rows.len() as u64);
        rows
    }

    fn row(line: u64, subject: &str, path: &str) -> Result<Row, BadRow> {
        Ok(Row { line, subject: subject.into(), path: path.into() })
    }

    #[test]
    fn spreadsheet_exports_are_read() {
        let text = b"\xef\xbb\xbfPath,pose,Subject_ID\r\n\"a, b.jpg\",front,p1\r\n\r\nc.jpg,side,p2,,\r\n";
        assert_eq!(rows(text, Columns::SubjectAndPath), [row(2, "p1", "a, b.jpg"), row(4, "p2", "c.jpg")]);
    }

    #[test]
    fn lines_are_counted_as_an_editor_does_whatever_breaks_them() {
        let text = "subject_id,path,note\n\np1,a.jpg,\"two\nlines\"\n\n\np2, b.jpg ,\np3,c.jpg,";
        for line_break in ["\n", "\r\n", "\r"] {
            let text = text.replace('\n', line_break);
            let expected = [row(3, "p1", "a.jpg"), row(7, "p2", "b.jpg"), row(8, "p3", "c.jpg")];
            assert_eq!(rows(text.as_bytes(), Columns::SubjectAndPath), expected, "{line_break:?}");
        }
    }

    #[test]
    fn a_bad_row_does_not_hide_the_ones_after_it() {
        let read = rows(b"subject_id,path\np1\n,x.jpg\n\xff,y.jpg\np2,z.jpg\n", Columns::SubjectAndPath);
        let lines: Vec<_> = read.iter().map(|r| r.as_ref().map_err(|b| b.line).map(|r| r.line)).collect();
        assert_eq!(lines, [Err(2), Err(3), Err(4), Ok(5)]);
    }

    /// A separator too many or too few puts every cell after it under the wrong name.
    #[test]
    fn a_row_longer_or_shorter_than_the_first_line_is_refused_by_its_line() {
        let read = rows(
            b"subject_id,path,province\np1,a.jpg,79\np2,b,c.jpg,79\np3,d.jpg\np4,e.jpg,,,\np5,f.jpg,01\n",
            Columns::SubjectAndPath,
        );
        let told: Vec<_> = read.iter().filter_map(|row| row.as_ref().err()).collect();
        assert_eq!(told.iter().map(|row| row.line).collect::<Vec<_>>(), [3, 4]);
        assert!(told[0].what.contains("more cells") && told[1].what.contains("fewer cells"));
        let taken: Vec<_> = read.iter().flatten().map(|row| row.subject.as_str()).collect();
        assert_eq!(taken, ["p1", "p4", "p5"]);
    }

    #[test]
    fn a_quotation_mark_left_open_is_told_with_its_line() {
        for (text, expected) in [
            (&b"subject_id,path\np1,a.jpg\np2,\"b.jpg\np3,c.jpg\n"[..], vec![Ok(2), Err(3)]),
            (b"subject_id,path\np1,a.jpg\np2,\"b.jpg", vec![Ok(2), Err(3)]),
            (b"subject_id,path\n\"p1,a.jpg\np2\",b.jpg\np3,c.jpg\n", vec![Err(2), Ok(4)]),
        ] {
            let read = rows(text, Columns::SubjectAndPath);
            let lines: Vec<_> = read.iter().map(|r| r.as_ref().map_err(|b| b.line).map(|r| r.line)).collect();
            assert_eq!(lines, expected);
            let told = read.iter().find_map(|r| r.as_ref().err()).unwrap();
            assert!(told.what.contains("quotation mark"));
        }
    }

    #[test]
    fn further_columns_can_be_read_beside_the_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.csv");
        std::fs::write(&path, b"subject_id,path, sex \np1,a.jpg, f \np2,b.jpg,\np3,c.jpg,\xff\n").unwrap();
        let mut manifest = Manifest::open(&path, Columns::SubjectAndPath).unwrap();
        assert_eq!(manifest.columns(), ["subject_id", "path", "sex"]);
        for sex in ["f", "", ""] {
            assert!(manifest.next().unwrap().unwrap().is_ok());
            assert_eq!(manifest.field(2), sex);
        }
    }

    #[test]
    fn absolute_paths_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.csv");
        std::fs::write(&path, "path\n/photos/a.jpg\n").unwrap();
        let row = Manifest::open(&path, Columns::Path).unwrap().next().unwrap().unwrap().unwrap();
        assert_eq!(row.path, PathBuf::from("/photos/a.jpg"));
    }

    #[test]
    fn a_manifest_without_the_columns_or_without_rows_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.csv");
        std::fs::write(&path, "id,file\n1,a.jpg\n").unwrap();
        let failure = Manifest::open(&path, Columns::SubjectAndPath).err().expect("refused").to_string();
        assert!(failure.contains("subject_id,path"), "{failure}");
        for header in ["subject_id,path,Subject_ID", "path,subject_id,path"] {
            std::fs::write(&path, format!("{header}\np,a.jpg,q\n")).unwrap();
            let failure = Manifest::open(&path, Columns::SubjectAndPath).err().expect("refused").to_string();
            assert!(failure.contains("2 times"), "{failure}");
        }
        std::fs::write(&path, "subject_id,path,note,note\np,a.jpg,x,y\n").unwrap();
        assert!(Manifest::count(&path, Columns::SubjectAndPath).is_ok(), "what nobody asks for may be there twice");
        std::fs::write(&path, "subject_id,path\n\n").unwrap();
        assert!(Manifest::count(&path, Columns::SubjectAndPath).is_err());
        std::fs::write(&path, "").unwrap();
        assert!(Manifest::open(&path, Columns::Path).is_err());
    }
}
