//! What takes no part in an audit, and why: counts for the report, and each row of a list in a
//! table of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::table::{CsvLocale, Writer};

/// A number of records that took no part, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOutCount {
    /// Stable code of the reason; empty in results of earlier programs.
    #[serde(default)]
    pub code: String,
    /// Why, in English.
    pub en: String,
    /// Why, in Vietnamese.
    pub vi: String,
    /// How many.
    pub count: u64,
    /// What was counted.
    pub unit: LeftOutUnit,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeftOutUnit {
    /// Photos.
    Photos,
    /// Templates.
    Templates,
    /// Subjects.
    Subjects,
    /// Pairs of subjects.
    Pairs,
}

/// A row of a list that took no part, other than by a filter that was asked for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOutRow {
    /// Name of the list.
    pub list: String,
    /// Line in it, from 1; the header is line 1.
    pub line: u64,
    /// The photo's file as the list gives it; empty where the row gives none.
    pub file: String,
    /// Stable code of the reason.
    pub reason: String,
    /// What is wrong with this very row, where more is known.
    pub detail: String,
}

// A file may be named for whom it shows.
impl fmt::Debug for LeftOutRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeftOutRow(line {}, {})", self.line, self.reason)
    }
}

/// The sentences, English and Vietnamese, of reasons that an engine gives for a photo without a
/// template, by code: those of whoever looked at the photos.
pub type EngineWords<'a> = &'a dyn Fn(&str) -> Option<(&'static str, &'static str)>;

/// What took no part, in words. Codes are those of
/// [`Collection::left_out`](crate::audit::Collection::left_out).
pub fn left_out(counts: &BTreeMap<String, u64>, engine: EngineWords<'_>) -> Vec<LeftOutCount> {
    counts
        .iter()
        .map(|(code, &count)| {
            let (en, vi, unit) = words(code, engine);
            LeftOutCount { code: code.clone(), en, vi, count, unit }
        })
        .collect()
}

/// Writes the table of rows that took no part.
///
/// # Errors
/// What writing gives.
pub fn write_left_out(
    rows: &[LeftOutRow],
    engine: EngineWords<'_>,
    out: impl Write,
    locale: CsvLocale,
) -> io::Result<()> {
    let columns = ["list", "line", "file", "reason", "en", "vi", "detail"];
    let mut table = Writer::begin(out, locale, &columns, &["line"])?;
    for row in rows {
        let (en, vi, _) = words(&row.reason, engine);
        table.row([&row.list, &row.line.to_string(), &row.file, &row.reason, &en, &vi, &row.detail])?;
    }
    table.end()
}

fn words(code: &str, engine: EngineWords<'_>) -> (String, String, LeftOutUnit) {
    let (en, vi, unit) = match code {
        "OTHER_RECIPE" => (
            "of people without a template of the model pack audited by",
            "của người chưa có mẫu thuộc bộ mô hình đang dùng để rà soát",
            LeftOutUnit::Templates,
        ),
        "OTHER_SCHEME" => ("of another scheme than asked for", "thuộc chế độ khác", LeftOutUnit::Templates),
        "OTHER_PROVINCE" => ("of another province than asked for", "thuộc tỉnh khác", LeftOutUnit::Templates),
        "ENROLLED_OUTSIDE" => (
            "enrolled at another time than asked for, or nobody knows when",
            "ghi danh ngoài khoảng thời gian đã chọn hoặc không rõ thời gian",
            LeftOutUnit::Templates,
        ),
        "STORED_LATER" => ("stored after the audit began", "được lưu sau khi bắt đầu rà soát", LeftOutUnit::Templates),
        "NO_TEMPLATE" => {
            ("no template: a row of zeros", "không có mẫu khuôn mặt (hàng toàn số 0)", LeftOutUnit::Templates)
        }
        "BAD_ROW" => {
            ("rows of the list that cannot be read", "dòng trong danh sách không đọc được", LeftOutUnit::Photos)
        }
        "DUPLICATE_ROW" => {
            ("the same photo of the same person again", "ảnh trùng lặp của cùng một người", LeftOutUnit::Photos)
        }
        "TOO_MANY" => ("more photos than are taken", "vượt quá số ảnh được nhận", LeftOutUnit::Photos),
        "FILE_MISSING" => ("the photo's file is missing", "thiếu tệp ảnh", LeftOutUnit::Photos),
        "FILE_UNREADABLE" => ("the photo's file cannot be read", "không đọc được tệp ảnh", LeftOutUnit::Photos),
        code => match engine(code) {
            Some((en, vi)) => return (format!("{en} ({code})"), format!("{vi} ({code})"), LeftOutUnit::Photos),
            None => return (code.to_owned(), code.to_owned(), LeftOutUnit::Photos),
        },
    };
    (en.to_owned(), vi.to_owned(), unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_words_in_both_languages() {
        let own = [
            "OTHER_SCHEME",
            "OTHER_PROVINCE",
            "ENROLLED_OUTSIDE",
            "STORED_LATER",
            "NO_TEMPLATE",
            "BAD_ROW",
            "DUPLICATE_ROW",
            "TOO_MANY",
            "FILE_MISSING",
            "FILE_UNREADABLE",
        ];
        for code in own {
            let found = left_out(&BTreeMap::from([(code.to_owned(), 3)]), &|_| None);
            assert!(found[0].en != code && found[0].en.is_ascii() && !found[0].vi.is_ascii(), "{code}: {found:?}");
            assert_eq!(found[0].count, 3);
        }
        let engine = |code: &str| (code == "NO_FACE").then_some(("no face", "không thấy mặt"));
        let found = left_out(&BTreeMap::from([("NEW".to_owned(), 1), ("NO_FACE".to_owned(), 1)]), &engine);
        assert_eq!(
            (&*found[0].en, &*found[1].en, &*found[1].vi),
            ("NEW", "no face (NO_FACE)", "không thấy mặt (NO_FACE)")
        );
    }

    #[test]
    fn the_table_names_list_line_file_and_reason_and_nothing_in_it_is_a_formula() {
        let row = LeftOutRow {
            list: "people.csv".into(),
            line: 7,
            file: "=HYPERLINK(1).jpg".into(),
            reason: "FILE_MISSING".into(),
            detail: "no such file; check the path".into(),
        };
        let mut csv = Vec::new();
        write_left_out(std::slice::from_ref(&row), &|_| None, &mut csv, CsvLocale::Plain).unwrap();
        let text = String::from_utf8(csv).unwrap();
        assert_eq!(
            text.lines().nth(1).unwrap(),
            "people.csv,7,'=HYPERLINK(1).jpg,FILE_MISSING,the photo's file is missing,thiếu tệp ảnh,no such file; check the path"
        );
        assert_eq!(format!("{row:?}"), "LeftOutRow(line 7, FILE_MISSING)");
    }
}
