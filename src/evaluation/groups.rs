//! Groups of photos by columns of the manifest, and the rules of comparison that use them.

use std::collections::HashMap;

use super::set::PhotoSet;
use crate::matching::{GROUP_BYTES_MAX, Weighting};

/// Group name of photos without a value.
const NONE: &str = "(none)";
/// Group name of values in a binned column that are no number, or too large to be binned.
const NO_NUMBER: &str = "(not a number)";
/// Most columns of a combined grouping.
const PARTS_MAX: usize = 8;

/// A grouping of photos by one column or by the combination of several.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupBy {
    parts: Vec<GroupColumn>,
}

/// One column of a grouping.
#[derive(Debug, Clone, PartialEq)]
struct GroupColumn {
    column: String,
    /// Bin width for numbers; `None` groups by value.
    width: Option<f64>,
}

impl GroupBy {
    /// Reads `COLUMN`, or `COLUMN:WIDTH` for numbers, several of them joined by `+`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<GroupColumn> = text.split('+').map(GroupColumn::parse).collect::<Result<_, _>>()?;
        if let Some(twice) = parts.iter().enumerate().find(|(i, p)| parts[..*i].iter().any(|q| q.column == p.column)) {
            return Err(format!("it names the column {} twice", twice.1.column));
        }
        if parts.len() > PARTS_MAX {
            return Err(format!("at most {PARTS_MAX} columns can be combined"));
        }
        Ok(Self { parts })
    }

    /// Names of its columns.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|part| part.column.as_str())
    }

    /// Names of its binned columns.
    pub fn numbers(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter(|part| part.width.is_some()).map(|part| part.column.as_str())
    }

    /// Its name: the columns, joined by `+`.
    pub fn name(&self) -> String {
        self.columns().collect::<Vec<_>>().join("+")
    }

    /// Name of the group of photos with these values, given in the order of [`Self::columns`]. With
    /// several columns it is `sex=F, set=a`; columns without a value are left out, unless all are
    /// empty.
    pub fn group(&self, values: &[&str]) -> String {
        let named = self.parts.iter().zip(values).filter(|(_, value)| !value.trim().is_empty());
        let mut name = match &self.parts[..] {
            [part] => named.map(|(_, value)| part.group(value)).collect::<String>(),
            _ => {
                let of = |(part, value): (&GroupColumn, &&str)| format!("{}={}", part.column, part.group(value));
                named.map(of).collect::<Vec<_>>().join(", ")
            }
        };
        if name.is_empty() {
            name = NONE.to_owned();
        }
        name
    }
}

impl GroupColumn {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        match text.rsplit_once(':') {
            None if !text.is_empty() => Ok(Self { column: text.to_owned(), width: None }),
            Some((column, width)) if !column.is_empty() => match width.parse::<f64>() {
                Ok(width) if width > 0.0 && width.is_finite() => {
                    Ok(Self { column: column.to_owned(), width: Some(width) })
                }
                _ => Err("groups of numbers have a positive width, for example age:10".to_owned()),
            },
            _ => Err("name a column, for example sex, or age:10, or several joined by +: sex+set".to_owned()),
        }
    }

    fn group(&self, value: &str) -> String {
        let value = value.trim();
        match self.width {
            None => value.to_owned(),
            Some(width) => match value.parse::<f64>() {
                Ok(number) if number.is_finite() => {
                    let low = (number / width).floor() * width;
                    if !low.is_finite() {
                        return NO_NUMBER.to_owned();
                    }
                    format!("{low}–<{}", low + width)
                }
                _ => NO_NUMBER.to_owned(),
            },
        }
    }
}

/// The group of every photo of a set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhotoGroups {
    names: Vec<String>,
    of_photo: Vec<u32>,
}

impl PhotoGroups {
    /// Groups the photos of `set`; `None` if it lacks a column.
    pub fn of(set: &PhotoSet, by: &GroupBy) -> Option<Self> {
        let columns = by.columns().map(|name| set.column(name)).collect::<Option<Vec<_>>>()?;
        let mut groups = Self::default();
        let mut index: HashMap<String, u32> = HashMap::new();
        for photo in 0..set.len() as u32 {
            let values: Vec<&str> = columns.iter().map(|column| column.value(photo)).collect();
            let name = by.group(&values);
            let next = index.len() as u32;
            let group = *index.entry(name).or_insert_with_key(|name| {
                groups.names.push(name.clone());
                next
            });
            groups.of_photo.push(group);
        }
        Some(groups)
    }

    /// The intersection: photos are in one group if they are in both groupings.
    pub fn and(&self, other: &Self) -> Self {
        let mut both = Self::default();
        let mut index: HashMap<(u32, u32), u32> = HashMap::new();
        for photo in 0..self.of_photo.len() as u32 {
            let (own, theirs) = (self.group(photo), other.group(photo));
            let next = index.len() as u32;
            let group = *index.entry((own, theirs)).or_insert_with(|| {
                both.names.push(format!("{}, {}", self.name(own), other.name(theirs)));
                next
            });
            both.of_photo.push(group);
        }
        both
    }

    /// Number of a photo's group; groups are numbered in the order of their first photos.
    pub fn group(&self, photo: u32) -> u32 {
        self.of_photo.get(photo as usize).copied().unwrap_or(u32::MAX)
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// True without photos.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The name of a group.
    pub fn name(&self, group: u32) -> &str {
        self.names.get(group as usize).map_or("", String::as_str)
    }

    /// Name of a group for a calibration file: bounded in length, without control characters.
    pub fn kept_name(&self, group: u32) -> String {
        let mut name: String = self.name(group).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        while name.len() > GROUP_BYTES_MAX {
            name.pop();
        }
        name
    }
}

/// Which comparisons are made, and the unit that has equal weight in rates.
#[derive(Debug, Clone, Copy, Default)]
pub struct ComparisonRules<'a> {
    /// If set, only photos of the same group are compared.
    pub within: Option<&'a PhotoGroups>,
    /// The unit that has equal weight.
    pub weighed: Weighting,
}

impl ComparisonRules<'_> {
    /// Number of the group within which this photo is compared; 0 without groups.
    pub fn comparison_group(&self, photo: u32) -> u32 {
        self.within.map_or(0, |groups| groups.group(photo))
    }
}

/// Number of photos by group and person, from which the weights of comparisons follow if every pair
/// of people has equal weight.
#[derive(Debug, Clone, Default)]
pub struct PhotoCounts {
    photos: HashMap<(u32, u32), u64>,
}

impl PhotoCounts {
    /// Counts photos given as (group, person).
    pub fn count(photos: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut held = Self::default();
        photos.for_each(|key| *held.photos.entry(key).or_insert(0) += 1);
        held
    }

    /// Number of photos of a person in a group.
    pub fn of(&self, group: u32, owner: u32) -> u64 {
        self.photos.get(&(group, owner)).copied().unwrap_or(0)
    }

    /// Number of comparisons in `group` that share the weight of the pair of people `a` and `b`, or
    /// of the person if they are equal.
    pub fn sharing(&self, group: u32, a: u32, b: u32) -> u64 {
        let own = self.of(group, a);
        if a == b { own * own.saturating_sub(1) / 2 } else { own * self.of(group, b) }.max(1)
    }

    /// People with their number of photos, by group; groups and people ascend.
    pub fn by_group(&self) -> Vec<Vec<(u32, u64)>> {
        let mut all: Vec<(u32, u32, u64)> = self.photos.iter().map(|(&(group, owner), &n)| (group, owner, n)).collect();
        all.sort_unstable();
        all.chunk_by(|x, y| x.0 == y.0).map(|group| group.iter().map(|&(_, owner, n)| (owner, n)).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::set::ManifestColumn;
    use super::super::set::tests::made_up;
    use super::*;

    #[test]
    fn numbers_fall_into_groups() {
        let by = GroupBy::parse("age:10").unwrap();
        for (value, group) in [("37", "30–<40"), ("40", "40–<50"), ("", "(none)"), ("old", "(not a number)")] {
            assert_eq!(by.group(&[value]), group);
        }
        assert_eq!(GroupBy::parse("sex").unwrap().group(&[" f "]), "f");
        for bad in ["age:0", "", " ", ":5", "sex+", "+", "a+b+c+d+e+f+g+h+i", "sex+sex", "age:5+age:10"] {
            assert!(GroupBy::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn several_columns_name_their_values_and_leave_out_those_without() {
        let by = GroupBy::parse("population+sex+age:10").unwrap();
        assert_eq!((by.name(), by.columns().count()), ("population+sex+age".to_owned(), 3));
        assert_eq!(by.group(&["asia", "F", "34"]), "population=asia, sex=F, age=30–<40");
        assert_eq!(by.group(&["cfp", "", " "]), "population=cfp");
        assert_eq!(by.group(&["", "", ""]), "(none)");
    }

    #[test]
    fn photos_are_grouped_by_the_same_values_in_all_columns() {
        let mut set = made_up(2, 2, 0.1);
        for (name, values) in [("sex", ["F", "F", "M", "M"]), ("set", ["a", "b", "a", "a"])] {
            let mut column = ManifestColumn::default();
            values.iter().for_each(|value| column.push(value));
            set.columns.push((name.to_owned(), column));
        }
        let groups = PhotoGroups::of(&set, &GroupBy::parse("sex+set").unwrap()).unwrap();
        let names: Vec<&str> = (0..4).map(|photo| groups.name(groups.group(photo))).collect();
        assert_eq!(names, ["sex=F, set=a", "sex=F, set=b", "sex=M, set=a", "sex=M, set=a"]);
        assert_eq!(groups.len(), 3);
        let of = |name: &str| PhotoGroups::of(&set, &GroupBy::parse(name).unwrap()).unwrap();
        let both = of("sex").and(&of("set"));
        assert_eq!((both.len(), both.group(2) == both.group(3), both.group(0) == both.group(1)), (3, true, false));
        assert_eq!(PhotoGroups::of(&set, &GroupBy::parse("age").unwrap()), None);
    }

    #[test]
    fn what_a_calibration_keeps_is_short_and_printable() {
        let long = PhotoGroups { names: vec![format!("a\n{}", "ạ".repeat(200))], of_photo: vec![0] };
        let kept = long.kept_name(0);
        assert!(kept.len() <= GROUP_BYTES_MAX && kept.starts_with("a ạ"));
    }

    #[test]
    fn a_comparison_shares_the_weight_of_its_pair_of_people() {
        let held = PhotoCounts::count([(0, 1), (0, 1), (0, 1), (0, 2), (0, 2), (1, 1)].into_iter());
        assert_eq!((held.sharing(0, 1, 2), held.sharing(0, 1, 1), held.sharing(1, 1, 1)), (6, 3, 1));
        assert_eq!(held.by_group(), [vec![(1, 3), (2, 2)], vec![(1, 1)]]);
    }
}
