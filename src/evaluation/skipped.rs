//! Rows of the input that an evaluation left out, and rows that share a picture.

use std::collections::BTreeMap;

use serde::Serialize;

/// Most rows listed individually; further ones are only counted.
const LINES_MAX: usize = 1000;

/// Rows that were left out, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SkippedRows {
    /// Number of rows.
    pub count: u64,
    /// Number by reason.
    pub reasons: BTreeMap<String, u64>,
    /// The first of them individually.
    pub lines: Vec<SkippedRow>,
}

/// A row that was left out. Holds nothing about the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedRow {
    /// 1-based line in the manifest or list.
    pub line: u64,
    /// Stable code.
    pub reason: String,
    /// What is wrong with it.
    pub what: String,
}

impl SkippedRows {
    /// Adds a row.
    pub fn add(&mut self, line: u64, reason: &str, what: &str) {
        self.count += 1;
        *self.reasons.entry(reason.to_owned()).or_insert(0) += 1;
        if self.lines.len() < LINES_MAX {
            self.lines.push(SkippedRow { line, reason: reason.to_owned(), what: what.to_owned() });
        }
    }
}

/// Rows whose file has the same bytes as that of an earlier row. They are compared like any others:
/// many data sets have some, and published figures include them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SamePictures {
    /// Number of rows.
    pub count: u64,
    /// Those that name another person than the earlier row, so that a label is wrong.
    pub of_another_person: u64,
    /// The first of them individually.
    pub lines: Vec<SamePicture>,
}

/// Two rows with the same picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SamePicture {
    /// 1-based line of the later row.
    pub line: u64,
    /// Line of the earlier.
    pub earlier_line: u64,
    /// Whether both name one person.
    pub same_person: bool,
}

impl SamePictures {
    /// Adds a row.
    pub fn add(&mut self, line: u64, earlier_line: u64, same_person: bool) {
        self.count += 1;
        self.of_another_person += u64::from(!same_person);
        if self.lines.len() < LINES_MAX {
            self.lines.push(SamePicture { line, earlier_line, same_person });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_what_was_left_out_stays_short() {
        let mut left_out = SkippedRows::default();
        (0..100_000).for_each(|line| left_out.add(line, "FILE_MISSING", "no such file"));
        assert_eq!((left_out.count, left_out.reasons["FILE_MISSING"], left_out.lines.len()), (100_000, 100_000, 1000));
    }
}
