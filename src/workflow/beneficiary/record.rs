//! What the chip says against what the benefit record says, field by field.
//!
//! What the record says was typed, by a clerk or by a spreadsheet. That one field of it
//! cannot be read is no fault of the person at the counter and none a clerk can mend:
//! it is evidence, and neither differs nor stops the request.

use super::evidence::{FieldState, RecordEvidence};
use super::names;
use crate::chip::{BirthDate, Holder, Personal, Sex};
use crate::numbers::{CITIZEN_DIGITS, FORMER_DIGITS, is_a_number, is_digits, is_former, is_of_citizen};
use crate::text;

/// What the benefit record says of the person. Comes with the request, is
/// compared, and is forgotten: nothing of it is stored or logged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The citizen's number on the record, as it was typed.
    pub number: Option<Personal>,
    /// Full name, as it was typed.
    pub name: Option<Personal>,
    /// Date of birth as far as it is known, as it was typed; read as
    /// [`BirthDate::from_text`] does.
    pub birth: Option<Personal>,
    /// Sex.
    pub sex: Option<Sex>,
}

/// Compares field by field; `holder` is what the chip says under a signature that
/// holds.
pub(super) fn compare(record: &Record, holder: Option<&Holder>) -> RecordEvidence {
    let nobody = Holder::default();
    let holder = holder.unwrap_or(&nobody);
    RecordEvidence {
        number: number(shown(&record.number), holder),
        name: name(shown(&record.name), holder),
        birth_date: birth(shown(&record.birth), holder),
        sex: match (record.sex, holder.sex) {
            (None, _) => FieldState::NotInRecord,
            (Some(_), None) => FieldState::NotOnChip,
            (Some(record), Some(chip)) if record == chip => FieldState::Agrees,
            (Some(_), Some(_)) => FieldState::Differs,
        },
    }
}

/// A text of which something can be seen.
fn shown(text: &Option<Personal>) -> Option<String> {
    text.as_ref().map(|text| text::visible(text.reveal())).filter(|text| !text.is_empty())
}

/// Only two whole numbers of citizens can differ. Whatever else does not agree was
/// written in a way that tells nothing of the person. A card that shows two numbers is a
/// ground of its own: the record agrees with either of them.
fn number(record: Option<String>, holder: &Holder) -> FieldState {
    let record = record.map(|text| text::number(&text)).filter(|number| !number.is_empty());
    let shown = |number: &Personal| Some(text::number(number.reveal())).filter(|number| !number.is_empty());
    let chip: Vec<String> = holder.number.iter().chain(&holder.other_numbers).filter_map(shown).collect();
    let record = match (record, chip.is_empty()) {
        (None, _) => return FieldState::NotInRecord,
        (Some(_), true) => return FieldState::NotOnChip,
        (Some(record), false) => record,
    };
    let padded = |length: usize| format!("{record:0>length$}");
    // A spreadsheet takes the zeros in front of a number away: one or two of a citizen's,
    // one of an old card's.
    let former = if record.len() + 1 == FORMER_DIGITS { padded(FORMER_DIGITS) } else { record.clone() };
    if !is_a_number(&former) {
        return FieldState::Unreadable;
    }
    if is_a_number(&record) && chip.contains(&record) {
        return FieldState::Agrees;
    }
    if !is_digits(&record) {
        return FieldState::Unreadable;
    }
    if (CITIZEN_DIGITS - 2..CITIZEN_DIGITS).contains(&record.len()) && chip.contains(&padded(CITIZEN_DIGITS)) {
        return FieldState::AgreesPadded;
    }
    if (is_former(&former) || is_of_citizen(&former))
        && holder.former_numbers.iter().any(|number| text::number(number.reveal()) == former)
    {
        return FieldState::AgreesFormer;
    }
    match (is_of_citizen(&record), chip.iter().all(|chip| is_of_citizen(chip))) {
        (true, true) => FieldState::Differs,
        (true, false) => FieldState::UnreadableOnChip,
        (false, _) => FieldState::Unreadable,
    }
}

fn name(record: Option<String>, holder: &Holder) -> FieldState {
    let Some(record) = record.filter(|name| !names::is_blank(name)) else { return FieldState::NotInRecord };
    match shown(&holder.name) {
        None => FieldState::NotOnChip,
        Some(full) => names::compare(&record, Some(&full), shown(&holder.name_plain).as_deref()),
    }
}

/// A year of two digits has two readings; the record agrees with either. A date that nobody
/// alive was born on stands for none.
fn birth(record: Option<String>, holder: &Holder) -> FieldState {
    let Some(record) = record else { return FieldState::NotInRecord };
    let read = BirthDate::from_text(&record).filter(BirthDate::is_of_somebody);
    let chip: Vec<BirthDate> =
        [holder.birth, holder.birth_other].into_iter().flatten().filter(BirthDate::is_of_somebody).collect();
    let chip_shows = holder.birth.is_some() || holder.birth_unreadable;
    match read {
        _ if !chip_shows => FieldState::NotOnChip,
        None => FieldState::Unreadable,
        Some(record) if chip.iter().any(|chip| record.agrees_with(chip)) => FieldState::Agrees,
        Some(_) if chip.is_empty() => FieldState::UnreadableOnChip,
        Some(_) => FieldState::Differs,
    }
}

#[cfg(test)]
mod tests {
    use super::FieldState::{
        Agrees, AgreesFormer, AgreesPadded, Differs, NotInRecord, NotOnChip, Unreadable, UnreadableOnChip,
    };
    use super::*;

    const NUMBER: &str = "079088000017";
    const FORMER: &str = "012345678";

    fn holder() -> Holder {
        Holder {
            number: Some(Personal::new(NUMBER)),
            former_numbers: vec![Personal::new(FORMER)],
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
            birth: Some(Personal::new(birth)),
            sex: Some(sex),
        }
    }

    fn of_number(number: &str) -> FieldState {
        let record = Record { number: Some(Personal::new(number)), ..Record::default() };
        compare(&record, Some(&holder())).number
    }

    #[test]
    fn every_field_is_compared_by_itself() {
        let all = |state| RecordEvidence { number: state, name: state, birth_date: state, sex: state };
        let same = record("079 088 000 017", "Nguyễn Thử Nghiệm", "1988", Sex::Male);
        assert_eq!(compare(&same, Some(&holder())), all(Agrees));
        let other = record("079088000018", "Nguyễn Thử", "1988-03", Sex::Female);
        assert_eq!(compare(&other, Some(&holder())), all(Differs));
        assert_eq!(compare(&same, None), all(NotOnChip));
        assert_eq!(compare(&Record::default(), Some(&holder())), all(NotInRecord));
        // Nothing that can be seen is nothing.
        let blank = record("\u{200b} - ", "\u{feff}'", "\u{200e}", Sex::Male);
        assert_eq!(compare(&blank, Some(&holder())), RecordEvidence { sex: Agrees, ..all(NotInRecord) });
    }

    #[test]
    fn only_another_whole_number_differs() {
        // Each of these denied a person once; the card was theirs.
        for (typed, state) in [
            (NUMBER, Agrees),
            ("0790 8800 0017", Agrees),
            ("079.088.000.017", Agrees),
            ("079-088-000‑017", Agrees),
            ("'079088000017", Agrees),
            ("079088\u{200b}000017\u{feff}", Agrees),
            ("０７９０８８００００１７", Agrees),
            ("079088000017.0", Agrees),
            ("79088000017", AgreesPadded),
            ("79 088 000 017", AgreesPadded),
            ("79088000017.0", AgreesPadded),
            (FORMER, AgreesFormer),
            ("012 345 678", AgreesFormer),
            ("12345678", AgreesFormer),
            // Written so that nothing can be told of the person.
            ("7.9088E+10", Unreadable),
            ("9.99E+11", Unreadable),
            ("O79O88OOOO17", Unreadable),
            ("07908800001", Unreadable),
            ("0790880000170", Unreadable),
            ("87654321", Unreadable),
            ("987654321", Unreadable),
            ("1234567890", Unreadable),
            ("DN4790123456789", Unreadable),
            ("CCCD 079088000017", Unreadable),
            ("079088000017/079088000018", Unreadable),
            ("000000000000", Unreadable),
            ("0", Unreadable),
            ("không có", Unreadable),
            ("\u{fffd}79088000017", Unreadable),
            // Another person's.
            ("079088000018", Differs),
            ("001088000017", Differs),
            ("０７９０８８００００１８", Differs),
        ] {
            assert_eq!(of_number(typed), state, "{typed}");
        }
    }

    #[test]
    fn a_number_that_lost_two_zeros_agrees_with_a_chip_that_has_them() {
        let holder = Holder { number: Some(Personal::new("001088000017")), ..Holder::default() };
        let typed = |number: &str| Record { number: Some(Personal::new(number)), ..Record::default() };
        assert_eq!(compare(&typed("1088000017"), Some(&holder)).number, AgreesPadded);
        assert_eq!(compare(&typed("1088000018"), Some(&holder)).number, Unreadable);
        // An old number is not a citizen's that lost three zeros.
        let odd = Holder { number: Some(Personal::new("000088000017")), ..Holder::default() };
        assert_eq!(compare(&typed("088000017"), Some(&odd)).number, Unreadable);
    }

    #[test]
    fn a_document_of_another_country_has_other_numbers() {
        let holder = Holder { number: Some(Personal::new("ZE184226B")), ..Holder::default() };
        let typed = |number: &str| Record { number: Some(Personal::new(number)), ..Record::default() };
        assert_eq!(compare(&typed("ze 184226 b"), Some(&holder)).number, Agrees);
        assert_eq!(compare(&typed(NUMBER), Some(&holder)).number, UnreadableOnChip);
        assert_eq!(compare(&typed("9.99E+11"), Some(&holder)).number, Unreadable);
    }

    #[test]
    fn the_side_that_cannot_be_read_is_the_one_that_is_named() {
        let of = |record: &str, chip: &str| {
            let typed = Record { number: Some(Personal::new(record)), ..Record::default() };
            compare(&typed, Some(&Holder { number: Some(Personal::new(chip)), ..Holder::default() })).number
        };
        for chip in ["000000000000", "079O88000017", "07908800001"] {
            assert_eq!((of(NUMBER, chip), of("0", chip)), (UnreadableOnChip, Unreadable), "{chip}");
        }
        let of = |record: &str, chip: &str| {
            let typed = Record { name: Some(Personal::new(record)), ..Record::default() };
            compare(&typed, Some(&Holder { name: Some(Personal::new(chip)), ..Holder::default() })).name
        };
        assert_eq!(of("Nguyễn Thử", "NGUY\u{fffd}N TH\u{fffd}"), UnreadableOnChip);
        assert_eq!(of("Nguy\u{fffd}n Thử", "NGUYỄN THỬ"), Unreadable);
        let of = |record: &str, birth_unreadable| {
            let typed = Record { birth: Some(Personal::new(record)), ..Record::default() };
            compare(&typed, Some(&Holder { birth_unreadable, ..Holder::default() })).birth_date
        };
        assert_eq!((of("1988", true), of("1988", false)), (UnreadableOnChip, NotOnChip));
        // Neither can be read: the card does name a date.
        assert_eq!((of("không rõ", true), of("không rõ", false)), (Unreadable, NotOnChip));
    }

    /// Every card with such an entry would fit every record with one.
    #[test]
    fn what_stands_for_no_number_agrees_with_nothing() {
        for blank in [
            "0",
            "1",
            "000000000",
            "000000000000",
            "ABC",
            "không có",
            "-1",
            "0000",
            "999",
            "999999999",
            "12345678",
            "123456789",
            "111111111111",
            "999.999.999.999",
        ] {
            let holder = Holder {
                number: Some(Personal::new(blank)),
                former_numbers: vec![Personal::new(blank), Personal::new("000000000")],
                ..Holder::default()
            };
            let record = Record { number: Some(Personal::new(blank)), ..Record::default() };
            assert_eq!(compare(&record, Some(&holder)).number, Unreadable, "{blank}");
            let full = Holder { number: Some(Personal::new(NUMBER)), ..holder };
            assert_eq!(compare(&record, Some(&full)).number, Unreadable, "{blank}");
        }
    }

    /// Spreadsheets and databases write these where no date was entered: every such record
    /// would fit every such card.
    #[test]
    fn a_date_that_nobody_alive_was_born_on_agrees_with_nothing() {
        let of = |record: &str, chip: &str| {
            let typed = Record { birth: Some(Personal::new(record)), ..Record::default() };
            compare(&typed, Some(&Holder { birth: BirthDate::from_text(chip), ..Holder::default() })).birth_date
        };
        for none in ["01/01/1900", "1900", "30/12/1899", "1753-01-01", "0001-01-01", "9999-12-31"] {
            assert_eq!(
                (of(none, none), of(none, "1988"), of("1988", none)),
                (Unreadable, Unreadable, UnreadableOnChip)
            );
        }
        assert_eq!((of("01/01/1970", "1970-01-01"), of("1905", "01/01/1905")), (Agrees, Agrees));
    }

    /// That the card shows two numbers is said by a ground of its own, which refers.
    #[test]
    fn a_card_with_two_numbers_agrees_with_a_record_that_has_either() {
        let holder = Holder { other_numbers: vec![Personal::new("079088000018")], ..holder() };
        for (number, state) in [
            (NUMBER, Agrees),
            ("079 088 000 018", Agrees),
            ("79088000018", AgreesPadded),
            (FORMER, AgreesFormer),
            ("079088000019", Differs),
        ] {
            let record = Record { number: Some(Personal::new(number)), ..Record::default() };
            assert_eq!(compare(&record, Some(&holder)).number, state, "{number}");
        }
    }

    #[test]
    fn a_year_or_a_month_in_the_record_agrees_with_a_full_date_in_it() {
        for (birth, state) in [
            ("1988", Agrees),
            ("02/1988", Agrees),
            ("01/02/1988", Agrees),
            ("１９８８", Agrees),
            ("1988\u{200b}-02-01T00:00:00", Agrees),
            ("1987", Differs),
            ("03/1988", Differs),
            ("02/02/1988", Differs),
            // No clerk can mend these, and they say nothing of the person.
            ("32174", Unreadable),
            ("01/02/88", Unreadable),
            ("31/02/1988", Unreadable),
            ("long ago", Unreadable),
            ("############", Unreadable),
        ] {
            let record = Record { birth: Some(Personal::new(birth)), ..Record::default() };
            assert_eq!(compare(&record, Some(&holder())).birth_date, state, "{birth}");
        }
    }

    #[test]
    fn either_reading_of_a_year_of_two_digits_agrees() {
        // A zone says 25: somebody of a hundred years, or a child.
        let holder =
            Holder { birth: BirthDate::from_text("2025"), birth_other: BirthDate::from_text("1925"), ..holder() };
        for (birth, state) in [("1925", Agrees), ("2025-07-01", Agrees), ("1926", Differs)] {
            let record = Record { birth: Some(Personal::new(birth)), ..Record::default() };
            assert_eq!(compare(&record, Some(&holder)).birth_date, state, "{birth}");
        }
    }
}
