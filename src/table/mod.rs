//! Tables as CSV files, for spreadsheets and for programs: one writer for all that are written,
//! one reader for all that are read.
//!
//! What is written is text to a spreadsheet and never a formula (`cell`), keeps Vietnamese
//! letters, and comes back from the reader as it was. The reader takes what spreadsheets save:
//! commas, semicolons or tabs, a line `sep=;`, UTF-8 with or without a byte order mark, UTF-16,
//! any line breaks.

mod cell;
mod read;
mod write;

pub(crate) use cell::original;
pub(crate) use read::{Table, decimal_point, open, row_fault};
pub use write::CsvLocale;
pub(crate) use write::Writer;
