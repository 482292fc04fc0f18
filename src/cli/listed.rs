//! Rows of a manifest of people to enrol: whom, which photo, and what else the row says of both.

use super::manifest::{BadRow, Columns, Manifest, Row};
use super::{Failure, date};
use crate::gallery::{Attributes, LegalBasis, Scheme, Source, SubjectId, Timestamp};

/// A row that can be acted on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Listed {
    pub row: Row,
    /// What holds for all rows, with what this one says in its place.
    pub attributes: Attributes,
    pub source: Source,
    /// When the photo was taken.
    pub captured_at: Option<Timestamp>,
    /// Pseudonymous id of who enrols, where the row says so.
    pub clerk: Option<SubjectId>,
    /// What the enrolment rests on in law, where the row says so.
    pub legal_basis: Option<LegalBasis>,
}

/// A manifest of people to enrol. Its columns `scheme` (or `schemes`), `province`, `unit`,
/// `captured_at`, `source`, `clerk_id` and `legal_basis` are read where they are there; a field that
/// is empty leaves what holds for all rows.
pub(super) struct People {
    manifest: Manifest,
    scheme: Option<usize>,
    province: Option<usize>,
    unit: Option<usize>,
    captured_at: Option<usize>,
    source: Option<usize>,
    clerk: Option<usize>,
    legal_basis: Option<usize>,
    attributes: Attributes,
    all_from: Source,
}

impl People {
    /// Opens the manifest; `attributes` and `source` hold for all rows that say nothing else.
    pub(super) fn open(path: &std::path::Path, attributes: Attributes, source: Source) -> Result<Self, Failure> {
        let manifest = Manifest::open(path, Columns::SubjectAndPath)?;
        let names = manifest.columns();
        let find = |wanted: &[&str]| {
            let mut found =
                (0..names.len()).filter(|&place| wanted.iter().any(|name| names[place].eq_ignore_ascii_case(name)));
            let first = found.next();
            match found.next() {
                None => Ok(first),
                Some(_) => Err(Failure::new(format_args!(
                    "manifest {}: the first line names the column {} several times; leave one, rename the others",
                    path.display(),
                    wanted.join(" or ")
                ))),
            }
        };
        Ok(Self {
            scheme: find(&["scheme", "schemes"])?,
            province: find(&["province"])?,
            unit: find(&["unit"])?,
            captured_at: find(&["captured_at", "capture_date"])?,
            source: find(&["source"])?,
            clerk: find(&["clerk_id"])?,
            legal_basis: find(&["legal_basis"])?,
            manifest,
            attributes,
            all_from: source,
        })
    }

    /// The next row; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Result<Listed, BadRow>>, Failure> {
        Ok(self.manifest.next()?.map(|row| row.and_then(|row| self.listed(row))))
    }

    fn listed(&self, row: Row) -> Result<Listed, BadRow> {
        let line = row.line;
        let bad = |what| BadRow { line, what };
        let text = |column: Option<usize>| -> Result<Option<String>, BadRow> {
            let text = column.map(|column| self.manifest.text(column, line)).transpose()?;
            Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
        };
        let mut attributes = self.attributes.clone();
        if let Some(schemes) = text(self.scheme)? {
            let parts = schemes.split([';', '|', ',', '+']).filter(|part| !part.trim().is_empty());
            let named = parts.map(|part| Scheme::from_text(part).map(|scheme| scheme.name().to_owned()));
            attributes.schemes = named.collect::<Option<_>>().ok_or_else(|| {
                bad("the scheme is none of social, health and unemployment; several are divided by ; | or +")
            })?;
        }
        attributes.province = text(self.province)?.or(attributes.province);
        attributes.unit = text(self.unit)?.or(attributes.unit);
        let captured_at = text(self.captured_at)?.map(|text| date::moment(&text).ok_or_else(|| bad(NO_TIME)));
        let source =
            text(self.source)?.map(|text| source(&text).ok_or_else(|| bad("the source is none of chip, live, other")));
        let clerk = text(self.clerk)?.map(|id| SubjectId::new(id).map_err(|_| bad(NO_CLERK)));
        let legal_basis = text(self.legal_basis)?.map(|text| LegalBasis::new(text).map_err(|_| bad(NO_BASIS)));
        Ok(Listed {
            clerk: clerk.transpose()?,
            legal_basis: legal_basis.transpose()?,
            row,
            attributes,
            source: source.transpose()?.unwrap_or(self.all_from),
            captured_at: captured_at.transpose()?,
        })
    }
}

const NO_CLERK: &str = "clerk_id is 1 to 128 bytes of text without control characters";

const NO_BASIS: &str = "legal_basis is a reference of 1 to 200 characters without a number of nine or more digits";

const NO_TIME: &str = "captured_at is no time from 1970 until now; write 2024-03-05, or 2024-03-05T08:30:00+07:00 (05/03/2024 may mean two days)";

fn source(text: &str) -> Option<Source> {
    let all = [("chip", Source::Chip), ("live", Source::Live), ("other", Source::Other)];
    all.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, source)| source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: impl AsRef<[u8]>) -> Vec<Result<Listed, BadRow>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("people.csv");
        std::fs::write(&path, text).unwrap();
        let all = Attributes { schemes: ["health".to_owned()].into(), province: Some("01".into()), unit: None };
        let mut people = People::open(&path, all, Source::Other).unwrap();
        std::iter::from_fn(|| people.next().unwrap()).collect()
    }

    #[test]
    fn a_row_says_more_of_its_person_and_an_empty_field_leaves_what_holds_for_all() {
        let rows = read(
            "subject_id;path;Schemes;province;unit;captured_at;source\n\
             p1;a.jpg;BHXH|bảo hiểm y tế;79;Quận 1;2024-03-05;live\n\
             p2;b.jpg;;;;;\n\
             p3;c.jpg;social+unemployment;48;;2024-03-05T08:30:00+07:00;Chip\n",
        );
        let rows: Vec<Listed> = rows.into_iter().map(Result::unwrap).collect();
        let schemes = |row: &Listed| row.attributes.schemes.iter().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(rows.iter().map(schemes).collect::<Vec<_>>(), ["health social", "health", "social unemployment"]);
        let provinces: Vec<_> = rows.iter().map(|row| row.attributes.province.as_deref().unwrap()).collect();
        assert_eq!(provinces, ["79", "01", "48"]);
        assert_eq!(rows[0].attributes.unit.as_deref(), Some("Quận 1"));
        let times: Vec<_> = rows.iter().map(|row| row.captured_at).collect();
        let midnight = 19_787 * 86_400_000;
        assert_eq!(times, [Some(Timestamp(midnight)), None, Some(Timestamp(midnight + 90 * 60_000))]);
        assert_eq!(rows.iter().map(|row| row.source).collect::<Vec<_>>(), [Source::Live, Source::Other, Source::Chip]);
    }

    /// Somebody was enrolled without the scheme that the row named.
    #[test]
    fn a_row_in_another_encoding_fails_and_its_attributes_are_not_dropped() {
        for column in ["scheme", "province", "unit", "captured_at", "source", "clerk_id", "legal_basis"] {
            let mut text = format!("subject_id,path,{column},note\np1,a.jpg,").into_bytes();
            text.extend(b"H\xe0 N\xf4i,x\np2,b.jpg,,\xe0\n");
            let rows = read(text);
            let bad = rows[0].as_ref().unwrap_err();
            assert!(bad.line == 2 && bad.what.contains("UTF-8"), "{bad:?}");
            // What nobody reads does not matter.
            assert!(rows[1].is_ok(), "{column}");
        }
    }

    #[test]
    fn what_cannot_be_meant_fails_its_row_and_says_nothing_of_the_person() {
        for (column, value, part) in [
            ("scheme", "pension fund", "social, health"),
            ("captured_at", "06/03/2024", "2024-03-05"),
            ("captured_at", "2999-01-01", "until now"),
            ("captured_at", "2024-02-30", "no time"),
            ("source", "scan", "chip, live, other"),
            ("clerk_id", "a\u{7}b", "control characters"),
            ("legal_basis", "consent 079088000017", "nine or more digits"),
        ] {
            let rows = read(format!("subject_id,path,{column}\np1,a.jpg,{value}\np2,b.jpg,\n"));
            let bad = rows[0].as_ref().unwrap_err();
            assert!(bad.line == 2 && bad.what.contains(part) && !bad.what.contains(value), "{bad:?}");
            assert!(rows[1].is_ok());
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("people.csv");
        std::fs::write(&path, "subject_id,path,scheme,schemes\n").unwrap();
        assert!(
            People::open(&path, Attributes::default(), Source::Other).err().unwrap().to_string().contains("several")
        );
    }
}
