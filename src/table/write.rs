//! Writing a table.

use std::io::{self, Write};

use super::cell::inert;

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CsvLocale {
    /// Commas and decimal points, with the mark by which spreadsheets know UTF-8.
    #[default]
    En,
    /// Semicolons and decimal commas, as a spreadsheet set to Vietnamese reads and writes.
    Vi,
    /// As `En`, without the mark: for programs that do not know it.
    Plain,
}

impl CsvLocale {
    fn delimiter(self) -> u8 {
        if self == Self::Vi { b';' } else { b',' }
    }

    fn number(self, text: &str) -> String {
        if self == Self::Vi { text.replace('.', ",") } else { text.to_owned() }
    }
}

/// Writes a table row by row.
pub(crate) struct Writer<W: Write> {
    csv: csv::Writer<W>,
    locale: CsvLocale,
    /// Which columns hold numbers of our own.
    numbers: Vec<bool>,
}

impl<W: Write> Writer<W> {
    /// Begins a table. Columns among `numbers` hold numbers that are made here, which may be
    /// negative; all others hold text, whoever wrote it.
    pub(crate) fn begin(mut out: W, locale: CsvLocale, columns: &[&str], numbers: &[&str]) -> io::Result<Self> {
        if locale != CsvLocale::Plain {
            out.write_all("\u{feff}".as_bytes())?;
        }
        let mut csv = csv::WriterBuilder::new().delimiter(locale.delimiter()).from_writer(out);
        csv.write_record(columns)?;
        Ok(Self { csv, locale, numbers: columns.iter().map(|column| numbers.contains(column)).collect() })
    }

    /// Writes a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [&str; N]) -> io::Result<()> {
        self.cells(cells)
    }

    /// Writes a row of as many cells as there are columns.
    pub(crate) fn cells<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>) -> io::Result<()> {
        for (place, cell) in cells.into_iter().enumerate() {
            match self.numbers.get(place) {
                Some(true) => self.csv.write_field(self.locale.number(cell))?,
                _ => self.csv.write_field(&*inert(cell))?,
            }
        }
        Ok(self.csv.write_record(None::<&[u8]>)?)
    }

    /// Writes what is held back.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.csv.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_of_the_locale_and_text_is_inert() {
        let written = |locale| {
            let mut out = Vec::new();
            let mut table = Writer::begin(&mut out, locale, &["id", "score"], &["score"]).unwrap();
            table.row(["=1;2", "-0.25"]).unwrap();
            table.row(["Hòa", "1.5e-7"]).unwrap();
            table.end().unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(CsvLocale::Plain), "id,score\n'=1;2,-0.25\nHòa,1.5e-7\n");
        assert_eq!(written(CsvLocale::En), format!("\u{feff}{}", written(CsvLocale::Plain)));
        assert_eq!(written(CsvLocale::Vi), "\u{feff}id;score\n\"'=1;2\";-0,25\nHòa;1,5e-7\n");
    }
}
