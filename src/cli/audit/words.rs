//! What the report says in words: both languages, for the auditor.

use std::collections::BTreeMap;

use crate::audit::{LeftOut, Unit};
use crate::workflow::words::Reason;

/// What took no part, in words. Codes are those of [`Collection::left_out`](crate::audit::Collection::left_out).
pub(super) fn left_out(counts: &BTreeMap<String, u64>) -> Vec<LeftOut> {
    counts
        .iter()
        .map(|(code, &count)| {
            let (en, vi, unit) = words(code);
            LeftOut { en, vi, count, unit }
        })
        .collect()
}

fn words(code: &str) -> (String, String, Unit) {
    let (en, vi, unit) = match code {
        "OTHER_SCHEME" => ("of another scheme than asked for", "thuộc chế độ khác", Unit::Templates),
        "OTHER_PROVINCE" => ("of another province than asked for", "thuộc tỉnh khác", Unit::Templates),
        "ENROLLED_OUTSIDE" => (
            "enrolled at another time than asked for, or nobody knows when",
            "ghi danh ngoài khoảng thời gian đã chọn hoặc không rõ thời gian",
            Unit::Templates,
        ),
        "STORED_LATER" => ("stored after the audit began", "được lưu sau khi bắt đầu rà soát", Unit::Templates),
        "NO_TEMPLATE" => ("no template: a row of zeros", "không có mẫu khuôn mặt (hàng toàn số 0)", Unit::Templates),
        "BAD_ROW" => ("rows of the list that cannot be read", "dòng trong danh sách không đọc được", Unit::Photos),
        "DUPLICATE_ROW" => {
            ("the same photo of the same person again", "ảnh trùng lặp của cùng một người", Unit::Photos)
        }
        "TOO_MANY" => ("more photos than are taken", "vượt quá số ảnh được nhận", Unit::Photos),
        "FILE_MISSING" => ("the photo's file is missing", "thiếu tệp ảnh", Unit::Photos),
        "FILE_UNREADABLE" => ("the photo's file cannot be read", "không đọc được tệp ảnh", Unit::Photos),
        code => match reason(code) {
            Some((en, vi)) => return (format!("{en} ({code})"), format!("{vi} ({code})"), Unit::Photos),
            None => return (code.to_owned(), code.to_owned(), Unit::Photos),
        },
    };
    (en.to_owned(), vi.to_owned(), unit)
}

/// The engine's own words for a photo without a template.
fn reason(code: &str) -> Option<(&'static str, &'static str)> {
    Reason::ALL.iter().find(|reason| reason.code() == code).map(|reason| (reason.en(), reason.vi()))
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
        for code in own.into_iter().chain(Reason::ALL.iter().map(|reason| reason.code())) {
            let found = left_out(&BTreeMap::from([(code.to_owned(), 3)]));
            assert!(found[0].en != code && found[0].en.is_ascii() && !found[0].vi.is_ascii(), "{code}: {found:?}");
            assert_eq!(found[0].count, 3);
        }
        assert_eq!(left_out(&BTreeMap::from([("NEW".to_owned(), 1)]))[0].en, "NEW");
    }
}
