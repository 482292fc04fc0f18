//! What the chip says against what the benefit record says, field by field.

use super::evidence::{FieldState, RecordEvidence};
use super::names;
use crate::chip::{BirthDate, Holder, Personal, Sex};

/// What the benefit record says of the person. Comes with the request, is
/// compared, and is forgotten: nothing of it is stored or logged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The citizen's number on the record.
    pub number: Option<Personal>,
    /// Full name.
    pub name: Option<Personal>,
    /// Date of birth, as far as it is known.
    pub birth: Option<BirthDate>,
    /// Sex.
    pub sex: Option<Sex>,
}

/// Compares field by field; `holder` is what the chip says under a signature that
/// holds.
pub(super) fn compare(record: &Record, holder: Option<&Holder>) -> RecordEvidence {
    fn state<R, C>(record: Option<R>, chip: Option<C>, agree: impl FnOnce(R, C) -> FieldState) -> FieldState {
        match (record, chip) {
            (None, _) => FieldState::NotInRecord,
            (Some(_), None) => FieldState::NotOnChip,
            (Some(record), Some(chip)) => agree(record, chip),
        }
    }
    let agree = |same: bool| if same { FieldState::Agrees } else { FieldState::Differs };
    let nobody = Holder::default();
    let holder = holder.unwrap_or(&nobody);
    let text = |personal: &Option<Personal>| {
        personal.as_ref().map(|text| text.reveal().trim().to_owned()).filter(|text| !text.is_empty())
    };
    RecordEvidence {
        number: state(text(&record.number), text(&holder.number), |record, chip| {
            agree(digits(&record) == digits(&chip))
        }),
        name: state(text(&record.name), text(&holder.name), |record, full| {
            names::compare(&record, Some(&full), text(&holder.name_plain).as_deref())
        }),
        birth_date: state(record.birth, holder.birth, |record, chip| agree(record.agrees_with(&chip))),
        sex: state(record.sex, holder.sex, |record, chip| agree(record == chip)),
    }
}

/// A number without the spaces and dots people group it by.
fn digits(number: &str) -> String {
    number.chars().filter(|c| !c.is_whitespace() && !matches!(c, '.' | '-')).collect::<String>().to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder() -> Holder {
        Holder {
            number: Some(Personal::new("999088000017")),
            name: Some(Personal::new("NGUYỄN THỬ NGHIỆM")),
            name_plain: Some(Personal::new("NGUYEN THU NGHIEM")),
            birth: BirthDate::from_text("1988-02-01"),
            sex: Some(Sex::Male),
            ..Holder::default()
        }
    }

    fn record(number: &str, name: &str, birth: &str, sex: Sex) -> Record {
        Record {
            number: Some(Personal::new(number)),
            name: Some(Personal::new(name)),
            birth: BirthDate::from_text(birth),
            sex: Some(sex),
        }
    }

    #[test]
    fn every_field_is_compared_by_itself() {
        let all = |state| RecordEvidence { number: state, name: state, birth_date: state, sex: state };
        let same = record("999 088 000 017", "Nguyễn Thử Nghiệm", "1988", Sex::Male);
        assert_eq!(compare(&same, Some(&holder())), all(FieldState::Agrees));
        let other = record("999088000018", "Nguyễn Thử", "1988-03", Sex::Female);
        assert_eq!(compare(&other, Some(&holder())), all(FieldState::Differs));
        assert_eq!(compare(&same, None), all(FieldState::NotOnChip));
        assert_eq!(compare(&Record::default(), Some(&holder())), all(FieldState::NotInRecord));
        let blank = Record { number: Some(Personal::new(" ")), ..Record::default() };
        assert_eq!(compare(&blank, Some(&holder())).number, FieldState::NotInRecord);
    }

    #[test]
    fn a_year_or_a_month_in_the_record_agrees_with_a_full_date_in_it() {
        for (birth, state) in [
            ("1988", FieldState::Agrees),
            ("02/1988", FieldState::Agrees),
            ("01/02/1988", FieldState::Agrees),
            ("1987", FieldState::Differs),
            ("03/1988", FieldState::Differs),
            ("02/02/1988", FieldState::Differs),
        ] {
            let record = Record { birth: BirthDate::from_text(birth), ..Record::default() };
            assert_eq!(compare(&record, Some(&holder())).birth_date, state, "{birth}");
        }
    }
}
