//! `same.csv` and `stale.csv`.

use std::io;

use super::{Changed, Stale};
use crate::audit::collection::Collection;
use crate::audit::records::utc_day;
use crate::audit::results::listed;
use crate::matching::Curve;
use crate::table::{CsvLocale, Writer};

/// Writes `same.csv`: subjects whose captures do not match each other.
///
/// # Errors
/// What writing gives.
pub fn write_same(
    out: &mut dyn io::Write,
    locale: CsvLocale,
    collection: &Collection,
    curve: &Curve,
    found: &[Changed],
) -> io::Result<()> {
    let columns = [
        "rank",
        "subject_id",
        "template_a",
        "template_b",
        "score",
        "fnmr",
        "captured_a",
        "captured_b",
        "quality_a",
        "quality_b",
        "captures",
        "pairs",
        "pairs_below",
        "changed_between",
        "changed_and",
        "captures_before",
        "best_score_across",
        "groups",
        "vouched",
    ];
    let numbers = [
        "rank",
        "score",
        "fnmr",
        "quality_a",
        "quality_b",
        "captures",
        "pairs",
        "pairs_below",
        "captures_before",
        "best_score_across",
        "groups",
    ];
    let mut table = Writer::begin(out, locale, &columns, &numbers)?;
    let quality = |of: Option<f32>| of.map(listed::quality).unwrap_or_default();
    for (rank, changed) in (1u64..).zip(found) {
        let (a, b) = changed.lowest;
        let [first, second] = [a, b].map(|row| collection.template(row));
        let day = |row: u32| utc_day(collection.template(row).captured_at);
        let split = changed.split;
        table.row([
            &rank.to_string(),
            collection.subject_id(changed.subject),
            collection.template_name(a),
            collection.template_name(b),
            &changed.lowest_score.to_string(),
            &curve.fnmr(changed.lowest_score).map(|fnmr| listed::scientific(fnmr.rate)).unwrap_or_default(),
            &utc_day(first.captured_at),
            &utc_day(second.captured_at),
            &quality(first.quality),
            &quality(second.quality),
            &changed.captures.to_string(),
            &changed.pairs.to_string(),
            &changed.below.to_string(),
            &split.map(|split| day(split.last_before)).unwrap_or_default(),
            &split.map(|split| day(split.first_after)).unwrap_or_default(),
            &split.map(|split| split.before.to_string()).unwrap_or_default(),
            &split.map(|split| split.best_across.to_string()).unwrap_or_default(),
            &changed.groups.to_string(),
            &changed.vouched.to_string(),
        ])?;
    }
    table.end()
}

/// Writes `stale.csv`: records without a verification for long.
///
/// # Errors
/// What writing gives.
pub fn write_stale(out: &mut dyn io::Write, locale: CsvLocale, found: &[Stale]) -> io::Result<()> {
    let columns = ["scheme", "subject_id", "last_verified", "enrolled", "months", "province"];
    let mut table = Writer::begin(out, locale, &columns, &["months"])?;
    for stale in found {
        table.row([
            &stale.scheme,
            &stale.subject,
            &utc_day(stale.last_verified),
            &utc_day(Some(stale.enrolled_at)),
            &stale.months.to_string(),
            &stale.province,
        ])?;
    }
    table.end()
}
