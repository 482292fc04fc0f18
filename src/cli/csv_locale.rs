//! How CSV files are written, as typed.

use crate::table::CsvLocale;

/// How CSV files are written, as typed.
// The variants have no doc comments: clap would make a paragraph of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum CsvLocaleArg {
    #[default]
    En,
    Vi,
    Plain,
}

impl From<CsvLocaleArg> for CsvLocale {
    fn from(typed: CsvLocaleArg) -> Self {
        match typed {
            CsvLocaleArg::En => Self::En,
            CsvLocaleArg::Vi => Self::Vi,
            CsvLocaleArg::Plain => Self::Plain,
        }
    }
}
