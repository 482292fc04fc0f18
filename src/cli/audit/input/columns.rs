//! What lists say of records and captures beside whose they are.

use std::borrow::Cow;
use std::path::Path;

use super::super::super::manifest::{BadRow, Manifest};
use super::super::super::{Failure, date};
use crate::audit::{Collection, FilterFacts, Filters};
use crate::gallery::Timestamp;

const NO_TIME: &str =
    "it is no time from 1970 until now; write 2024-03-05, or 2024-03-05T08:30:00+07:00 (05/03/2024 may mean two days)";
const NO_AGE: &str = "it is no age in years; write 40, or name groups in a column age_group";
const NO_QUALITY: &str = "it is no number from 0 to 100";
/// Oldest age that is one.
const AGE_MAX: f64 = 150.0;

/// A column, and its name in the first line.
#[derive(Debug, Clone)]
struct ListColumn {
    place: usize,
    name: String,
}

/// Columns of a list beside those it must have.
#[derive(Debug, Clone)]
pub(super) struct TemplateColumns {
    template_id: Option<ListColumn>,
    recipe: Option<ListColumn>,
    captured_at: Option<ListColumn>,
    quality: Option<ListColumn>,
    sex: Option<ListColumn>,
    age: Option<ListColumn>,
    age_group: Option<ListColumn>,
    scheme: Option<ListColumn>,
    province: Option<ListColumn>,
    enrolled_at: Option<ListColumn>,
}

/// A cell that does not say what its column is for. Says nothing of whom it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadCell {
    line: u64,
    column: String,
    what: &'static str,
}

impl BadCell {
    /// The failure, naming the list.
    pub(super) fn of(&self, list: &Path) -> Failure {
        let Self { line, column, what } = self;
        Failure::new(format_args!("{}, line {line}, column {column}: {what}", list.display()))
    }
}

/// What a row says. Empty texts say nothing.
pub(super) struct Says<'m> {
    pub template_id: Cow<'m, str>,
    pub recipe: Cow<'m, str>,
    pub captured_at: Option<Timestamp>,
    pub quality: Option<f32>,
    sex: Cow<'m, str>,
    age: Option<u32>,
    age_group: Cow<'m, str>,
    schemes: Cow<'m, str>,
    province: Cow<'m, str>,
    enrolled_at: Option<Timestamp>,
}

impl TemplateColumns {
    /// Finds them in the first line; an error where one that `filters` need is missing.
    pub(super) fn find(names: &[String], filters: &Filters, path: &Path) -> Result<Self, Failure> {
        let find = |wanted: &[&str]| {
            let place = names.iter().position(|name| wanted.iter().any(|of| name.trim().eq_ignore_ascii_case(of)))?;
            Some(ListColumn { place, name: names[place].clone() })
        };
        let columns = Self {
            template_id: find(&["template_id"]),
            recipe: find(&["recipe"]),
            captured_at: find(&["captured_at", "capture_date", "date"]),
            quality: find(&["quality"]),
            sex: find(&["sex", "gender"]),
            age: find(&["age"]),
            age_group: find(&["age_group"]),
            scheme: find(&["scheme", "schemes"]),
            province: find(&["province"]),
            enrolled_at: find(&["enrolled_at"]),
        };
        let needed = [
            (!filters.schemes.is_empty() && columns.scheme.is_none(), "--scheme", "scheme"),
            (!filters.provinces.is_empty() && columns.province.is_none(), "--province", "province"),
            (filters.by_time() && columns.enrolled_at.is_none(), "--enrolled-from and --enrolled-to", "enrolled_at"),
        ];
        match needed.iter().find(|(missing, ..)| *missing) {
            Some((_, option, column)) => Err(Failure::new(format_args!(
                "{}: there is no column {column}, which {option} needs; its first line names {}",
                path.display(),
                names.join(", ")
            ))),
            None => Ok(columns),
        }
    }

    /// The same of photos, whose quality is measured, and which are called by their paths.
    pub(super) fn of_photos(self) -> Self {
        Self { quality: None, template_id: None, recipe: None, ..self }
    }

    /// What the row read last, in this line, says. A value that cannot be meant is an error,
    /// and never taken for nothing.
    pub(super) fn read<'m>(&self, manifest: &'m Manifest, line: u64) -> Result<Says<'m>, BadCell> {
        let bad = |column: &ListColumn, what| BadCell { line, column: column.name.clone(), what };
        let text = |column: &Option<ListColumn>| match column {
            Some(column) => manifest.text(column.place, line).map_err(|BadRow { what, .. }| bad(column, what)),
            None => Ok(Cow::Borrowed("")),
        };
        let time = |column: &Option<ListColumn>| match (column, text(column)?) {
            (Some(column), text) if !text.is_empty() => {
                date::moment(text.trim()).map(Some).ok_or_else(|| bad(column, NO_TIME))
            }
            _ => Ok(None),
        };
        let number = |column: &Option<ListColumn>, max: f64, what| match (column, text(column)?) {
            (Some(column), text) if !text.is_empty() => {
                let number = manifest.number(column.place).trim().parse::<f64>().ok();
                let number = number.filter(|number| (0.0..=max).contains(number));
                number.map(Some).ok_or_else(|| bad(column, what))
            }
            _ => Ok(None),
        };
        Ok(Says {
            template_id: text(&self.template_id)?,
            recipe: text(&self.recipe)?,
            captured_at: time(&self.captured_at)?,
            quality: number(&self.quality, 100.0, NO_QUALITY)?.map(|quality| quality as f32),
            sex: text(&self.sex)?,
            age: number(&self.age, AGE_MAX, NO_AGE)?.map(|age| age as u32),
            age_group: text(&self.age_group)?,
            schemes: text(&self.scheme)?,
            province: text(&self.province)?,
            enrolled_at: time(&self.enrolled_at)?,
        })
    }
}

impl Says<'_> {
    /// `Err` with the code of the reason where the row is not compared.
    pub(super) fn wanted(&self, filters: &Filters) -> Result<(), &'static str> {
        filters.wants(FilterFacts {
            schemes: self.schemes.split([';', '|', ',']).map(str::trim).collect(),
            province: Some(&*self.province).filter(|province| !province.is_empty()),
            enrolled_at: self.enrolled_at,
        })
    }

    /// Notes what the row says of its subject.
    pub(super) fn note(&self, subject: u32, into: &mut Collection) {
        let sex = self.sex.to_lowercase();
        let age = match (&*self.age_group, self.age) {
            ("", None) => String::new(),
            // In tens, as faces change.
            ("", Some(age)) => format!("{}-{}", age / 10 * 10, age / 10 * 10 + 9),
            (group, _) => group.to_owned(),
        };
        let (sex, age) = (into.category(&sex), into.category(&age));
        let (schemes, province) = (into.text_number(&self.schemes), into.text_number(&self.province));
        let facts = into.facts_mut(subject);
        // The first row that says so.
        facts.sex = if facts.sex == 0 { sex } else { facts.sex };
        facts.age = if facts.age == 0 { age } else { facts.age };
        facts.enrolled_at = facts.enrolled_at.or(self.enrolled_at);
        facts.schemes = if facts.schemes == 0 { schemes } else { facts.schemes };
        facts.province = if facts.province == 0 { province } else { facts.province };
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::super::manifest::Columns;
    use super::*;

    /// When it was captured and enrolled, quality and age.
    type Read = (Option<Timestamp>, Option<Timestamp>, Option<f32>, Option<u32>);

    /// What the first row of a list says, or why not.
    fn read(list: impl AsRef<[u8]>) -> Result<Read, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ids.csv");
        std::fs::write(&path, list).unwrap();
        let mut manifest = Manifest::open(&path, Columns::Subject).unwrap();
        let columns = TemplateColumns::find(&manifest.columns(), &Filters::default(), &path).unwrap();
        let line = manifest.next().unwrap().unwrap().map_err(|bad| bad.what.to_string())?.line;
        let says = columns.read(&manifest, line).map_err(|bad| bad.of(Path::new("ids.csv")).to_string())?;
        Ok((says.captured_at, says.enrolled_at, says.quality, says.age))
    }

    #[test]
    fn what_a_row_says_is_read_and_empty_cells_say_nothing() {
        let midnight = Timestamp(19_787 * 86_400_000);
        let first = "subject_id;capture_date;enrolled_at;quality;age\n";
        assert_eq!(
            read(format!("{first}a;2024-03-05;2024-03-05T07:00:00+07:00;61,5;40\n")),
            Ok((Some(midnight), Some(midnight), Some(61.5), Some(40)))
        );
        assert_eq!(read(format!("{first}a;;;;\n")), Ok((None, None, None, None)));
        // Without its cells, what stands in it may be another column's.
        assert!(read(format!("{first}a\n")).unwrap_err().contains("fewer cells"));
    }

    /// A day that could not be read was taken for none, and nobody was told.
    #[test]
    fn a_value_that_cannot_be_meant_is_told_with_line_and_column_and_without_the_value() {
        for (column, value, part) in [
            ("captured_at", "06/03/2024", "2024-03-05"),
            ("date", "2024-02-30", "no time"),
            ("Capture_Date", "2999-01-01", "until now"),
            ("enrolled_at", "1969-12-31", "from 1970"),
            ("quality", "good", "from 0 to 100"),
            ("quality", "101", "from 0 to 100"),
            ("age", "forty", "age_group"),
            ("age", "-1", "age_group"),
        ] {
            let told = read(format!("subject_id,{column}\na,{value}\n")).unwrap_err();
            assert!(told.starts_with(&format!("ids.csv, line 2, column {column}: ")), "{told}");
            assert!(told.contains(part) && !told.contains(value), "{told}");
        }
        let told = read(b"subject_id,captured_at\na,\xe0\n").unwrap_err();
        assert!(told.contains("line 2, column captured_at") && told.contains("UTF-8"), "{told}");
    }
}
