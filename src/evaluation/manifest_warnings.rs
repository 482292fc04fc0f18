//! Warnings about values of a manifest whose rows were used all the same: invalid numbers, ages and
//! dates, and people in several groups.

use serde::Serialize;

use super::aging;
use super::groups::{GroupBy, PhotoGroups};
use super::set::PhotoSet;

/// Lines that are listed.
const LINES_MAX: usize = 20;
/// Lines that a sentence names.
const LINES_SHOWN: usize = 3;

/// A warning about values of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ManifestWarning {
    /// The column, or several joined by `+`.
    pub column: String,
    /// What is wrong with the values.
    pub what: &'static str,
    /// Number of rows, or of people.
    pub count: u64,
    /// 1-based lines of the manifest: the first affected rows; for people in several groups, two
    /// rows of the first of them.
    pub lines: Vec<u64>,
}

impl ManifestWarning {
    /// The warning as a sentence: column, number, problem, and the first lines.
    pub fn sentence(&self) -> String {
        let lines: Vec<String> = self.lines.iter().take(LINES_SHOWN).map(u64::to_string).collect();
        let more = if self.lines.len() > LINES_SHOWN { ", …" } else { "" };
        format!("column {}: {}: {} (line {}{more})", self.column, self.what, self.count, lines.join(", "))
    }
}

/// Warnings about the columns of `set` that an evaluation reads: ages, dates, and those of `by` and
/// `groups`.
pub(super) fn manifest_warnings(set: &PhotoSet, by: &[GroupBy], groups: &[&GroupBy]) -> Vec<ManifestWarning> {
    let mut found: Vec<ManifestWarning> = Vec::new();
    let mut add = |doubt: Option<ManifestWarning>| found.extend(doubt);
    add(values(set, aging::AGE, "values that are no age from 0 to 130, taken as not known", |v| {
        aging::age(v).is_some()
    }));
    let dates = "values that are no date as 2024, 2024-05 or 2024-05-17, taken as not known";
    add(values(set, aging::CAPTURED_AT, dates, |v| aging::date(v).is_some()));
    let mut numbers: Vec<&str> = by.iter().chain(groups.iter().copied()).flat_map(GroupBy::numbers).collect();
    numbers.sort_unstable();
    numbers.dedup();
    for column in numbers {
        let what = "values that are no number, in a group of their own";
        add(values(set, column, what, |v| v.parse::<f64>().is_ok_and(f64::is_finite)));
    }
    by.iter().for_each(|by| add(several(set, by)));
    found
}

/// Non-empty values of a column that `reads` refuses.
fn values(set: &PhotoSet, name: &str, what: &'static str, reads: impl Fn(&str) -> bool) -> Option<ManifestWarning> {
    let column = set.column(name)?;
    let unread = (0..set.len() as u32).filter(|&photo| {
        let value = column.value(photo).trim();
        !value.is_empty() && !reads(value)
    });
    let photos: Vec<u32> = unread.collect();
    (!photos.is_empty()).then(|| ManifestWarning {
        column: name.to_owned(),
        what,
        count: photos.len() as u64,
        lines: photos.iter().take(LINES_MAX).filter_map(|&photo| set.lines.get(photo as usize).copied()).collect(),
    })
}

/// People whose photos are in several groups; not for binned numbers, because people's ages change.
fn several(set: &PhotoSet, by: &GroupBy) -> Option<ManifestWarning> {
    if by.numbers().next().is_some() {
        return None;
    }
    let groups = PhotoGroups::of(set, by)?;
    let mut first: Vec<Option<u32>> = vec![None; set.subjects()];
    let mut other: Vec<Option<u32>> = vec![None; set.subjects()];
    for photo in 0..set.len() as u32 {
        let person = set.subject(photo) as usize;
        match first[person] {
            None => first[person] = Some(photo),
            Some(earlier) if groups.group(earlier) != groups.group(photo) => {
                other[person].get_or_insert(photo);
            }
            Some(_) => {}
        }
    }
    let count = other.iter().flatten().count() as u64;
    let pair = first.iter().zip(&other).find_map(|(&first, &other)| first.zip(other))?;
    Some(ManifestWarning {
        column: by.name(),
        what: "people in several groups, whose comparisons across them are in none",
        count,
        lines: [pair.0, pair.1].iter().filter_map(|&photo| set.lines.get(photo as usize).copied()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::set::ManifestColumn;
    use super::super::set::tests::made_up;
    use super::*;

    fn set(columns: &[(&str, [&str; 6])]) -> PhotoSet {
        let mut set = made_up(3, 2, 0.1);
        for (name, values) in columns {
            let mut column = ManifestColumn::default();
            values.iter().for_each(|value| column.push(value));
            set.columns.push(((*name).to_owned(), column));
        }
        set.lines = (2..8).collect();
        set
    }

    #[test]
    fn values_that_are_no_ages_dates_or_numbers_are_told_with_their_lines() {
        let set = set(&[
            ("age", ["20", "old", "-5", "", "NaN", "1e30"]),
            ("captured_at", ["2024", "2024-13", "17/05/2024", "2024-05-17", "", "yesterday"]),
            ("height", ["1.7", "1.8", "tall", "", "inf", "1.6"]),
        ]);
        let by = [GroupBy::parse("height:0.1").unwrap()];
        let found = manifest_warnings(&set, &by, &[]);
        let of = |column: &str| found.iter().find(|doubt| doubt.column == column).map(|d| (d.count, d.lines.clone()));
        assert_eq!(of("age"), Some((4, vec![3, 4, 6, 7])));
        assert_eq!(of("captured_at"), Some((3, vec![3, 4, 7])));
        assert_eq!(of("height"), Some((2, vec![4, 6])));
        assert_eq!(found.len(), 3);
        assert!(found[0].sentence().starts_with("column age: values that are no age"), "{}", found[0].sentence());
        assert!(found[0].sentence().ends_with(": 4 (line 3, 4, 6, …)"), "{}", found[0].sentence());
    }

    #[test]
    fn a_person_in_two_groups_is_told() {
        let set = set(&[("sex", ["F", "F", "M", "F", "M", "M"]), ("age", ["19", "20", "20", "20", "20", "30"])]);
        let by = [GroupBy::parse("sex").unwrap(), GroupBy::parse("age:10").unwrap()];
        let found = manifest_warnings(&set, &by, &[]);
        assert_eq!(found.len(), 1, "people grow older: {found:?}");
        assert_eq!((found[0].count, &found[0].lines[..]), (1, &[4, 5][..]));
    }
}
