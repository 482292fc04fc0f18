//! The card holder: identity data of DG13 and DG1, merged.

use super::dg13::{Dg13, Dg13Id};
use super::inspection::Inspection;
use super::personal::{BirthDate, Personal, Sex};
use crate::dates::Date;
use crate::numbers::is_a_number;
use crate::text;

/// The card holder, by signed data only. DG13 takes precedence over DG1: it has the name with
/// diacritics and full dates.
#[derive(Debug, Clone, Default)]
pub struct Holder {
    /// The citizen's number; elsewhere the personal number.
    pub number: Option<Personal>,
    /// Further numbers that the card gives as the citizen's number, on cards that contradict
    /// themselves ([`Reason::NumbersDisagree`](super::Reason::NumbersDisagree)).
    pub other_numbers: Vec<Personal>,
    /// Numbers of earlier identity cards, where DG13 names them.
    pub former_numbers: Vec<Personal>,
    /// Document number of the machine-readable zone.
    pub document_number: Option<Personal>,
    /// Full name: with diacritics from DG13, else in capitals from the machine-readable zone.
    pub name: Option<Personal>,
    /// The name in the machine-readable zone, in capitals without diacritics.
    pub name_plain: Option<Personal>,
    /// Date of birth.
    pub birth: Option<BirthDate>,
    /// The alternative reading a century earlier, if only the machine-readable zone gives the date
    /// and its two-digit year is ambiguous.
    pub birth_other: Option<BirthDate>,
    /// Whether the chip has a date of birth, but an invalid one.
    pub birth_unreadable: bool,
    /// Sex.
    pub sex: Option<Sex>,
    /// Day of issue, from DG13: about the age of the photo.
    pub issued: Option<Date>,
    /// Last day of validity; `None` too for a card without one.
    pub expires: Option<Date>,
}

impl Inspection {
    /// Who the card is of, by signed data alone; `None` where neither DG1 nor
    /// DG13 is signed.
    pub fn holder(&self) -> Option<Holder> {
        let mrz = self.mrz.as_ref().filter(|_| self.is_signed(1));
        let dg13 = self.dg13.as_ref().filter(|_| self.is_signed(13));
        if mrz.is_none() && dg13.is_none() {
            return None;
        }
        let zone_name = mrz.map(|mrz| mrz.name.clone());
        let full_birth = dg13.and_then(Dg13::birth);
        let zone_number = mrz.and_then(|mrz| mrz.personal_number.as_ref());
        let mut numbers: Vec<Personal> = Vec::new();
        for shown in dg13.into_iter().flat_map(Dg13::numbers).chain(zone_number) {
            if numbers.iter().all(|known| text::number(known.reveal()) != text::number(shown.reveal())) {
                numbers.push(shown.clone());
            }
        }
        // Placeholders such as `-` are used only if there is no number, and never count as a second
        // number.
        numbers.sort_by_key(|shown| !is_a_number(&text::number(shown.reveal())));
        let mut numbers = numbers.into_iter();
        let number = numbers.next();
        let birth = full_birth.or(mrz.and_then(|mrz| mrz.birth));
        let names_birth =
            dg13.is_some_and(|dg13| dg13.first(Dg13Id::Birth).is_some()) || mrz.is_some_and(|mrz| mrz.birth_unreadable);
        Some(Holder {
            number,
            other_numbers: numbers.filter(|shown| is_a_number(&text::number(shown.reveal()))).collect(),
            former_numbers: dg13.map(Dg13::former_numbers).unwrap_or_default(),
            document_number: mrz.map(|mrz| mrz.document_number.clone()),
            name: dg13.and_then(|dg13| dg13.name().cloned()).or(zone_name.clone()),
            name_plain: zone_name,
            birth,
            birth_unreadable: birth.is_none() && names_birth,
            birth_other: mrz.and_then(|mrz| mrz.birth_other).filter(|_| full_birth.is_none()),
            sex: dg13.and_then(Dg13::sex).or(mrz.and_then(|mrz| mrz.sex)),
            issued: dg13.and_then(Dg13::issued),
            expires: mrz.and_then(|mrz| mrz.expires).or(dg13.and_then(Dg13::expires)),
        })
    }
}
