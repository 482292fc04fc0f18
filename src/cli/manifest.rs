//! Manifests: CSV files with a header, one photo a row.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::Failure;

/// Longest record read, in bytes of all its fields.
const RECORD_BYTES_MAX: usize = 64 << 10;

/// One row that can be acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Line in the file, from 1; the header is line 1.
    pub line: u64,
    /// The row's `subject_id`; empty where the manifest is read without.
    pub subject: String,
    /// The photo; relative paths are taken from the manifest's folder.
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
}

/// A manifest being read, row by row, in bounded memory.
///
/// Byte order mark, CRLF, quoted fields, further columns and blank lines are fine.
pub(super) struct Manifest {
    shown: String,
    folder: PathBuf,
    reader: csv::Reader<File>,
    subject_column: Option<usize>,
    path_column: usize,
    record: csv::ByteRecord,
}

impl Manifest {
    /// Opens a manifest and finds its columns.
    pub(super) fn open(path: &Path, columns: Columns) -> Result<Self, Failure> {
        let shown = path.display().to_string();
        let bad = |what: &dyn std::fmt::Display| Failure::new(format_args!("manifest {shown}: {what}"));
        let file = File::open(path).map_err(|e| bad(&format_args!("cannot be opened ({e}); check the path")))?;
        if file.metadata().is_ok_and(|m| m.is_dir()) {
            return Err(bad(&"it is a folder; name a CSV file"));
        }
        let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(file);
        let header = reader.byte_headers().map_err(|e| bad(&format_args!("cannot be read ({e})")))?;
        let column = |name: &str| header.iter().position(|field| field.eq_ignore_ascii_case(name.as_bytes()));
        let need = match columns {
            Columns::SubjectAndPath => "subject_id,path",
            Columns::Path => "path",
        };
        let missing = || bad(&format_args!("the first line must name the columns {need}"));
        let path_column = column("path").ok_or_else(missing)?;
        let subject_column = match columns {
            Columns::SubjectAndPath => Some(column("subject_id").ok_or_else(missing)?),
            Columns::Path => None,
        };
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { shown, folder, reader, subject_column, path_column, record: csv::ByteRecord::new() })
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
        let line = self.record.position().map_or(0, csv::Position::line);
        let bad = |what| BadRow { line, what };
        if self.record.as_slice().len() > RECORD_BYTES_MAX {
            return Err(bad("the row is too long; is a quotation mark left open?"));
        }
        let field = |column: usize| match self.record.get(column) {
            None | Some(b"") => Ok(None),
            Some(bytes) => std::str::from_utf8(bytes)
                .map(Some)
                .map_err(|_| bad("the row is not UTF-8 text; save the manifest as UTF-8")),
        };
        let path = field(self.path_column)?.ok_or_else(|| bad("the path is missing"))?;
        let subject = match self.subject_column {
            Some(column) => field(column)?.ok_or_else(|| bad("the subject_id is missing"))?,
            None => "",
        };
        Ok(Row { line, subject: subject.to_owned(), path: self.folder.join(path) })
    }
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
        let text = b"\xef\xbb\xbfPath,pose,Subject_ID\r\n\"a, b.jpg\",front,p1\r\n\r\nc.jpg,side,p2,more\r\n";
        assert_eq!(rows(text, Columns::SubjectAndPath), [row(2, "p1", "a, b.jpg"), row(4, "p2", "c.jpg")]);
    }

    #[test]
    fn a_bad_row_does_not_hide_the_ones_after_it() {
        let read = rows(b"subject_id,path\np1\n,x.jpg\n\xff,y.jpg\np2,z.jpg\n", Columns::SubjectAndPath);
        let lines: Vec<_> = read.iter().map(|r| r.as_ref().map_err(|b| b.line).map(|r| r.line)).collect();
        assert_eq!(lines, [Err(2), Err(3), Err(4), Ok(5)]);
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
        std::fs::write(&path, "subject_id,path\n\n").unwrap();
        assert!(Manifest::count(&path, Columns::SubjectAndPath).is_err());
        std::fs::write(&path, "").unwrap();
        assert!(Manifest::open(&path, Columns::Path).is_err());
    }
}
