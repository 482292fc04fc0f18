//! The schemes a benefit is drawn from: one vocabulary for decisions, attributes and
//! filters, and what earlier programs stored read by it.

use unicode_normalization::UnicodeNormalization;

use crate::text;

/// What a benefit is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Social insurance: pensions.
    Social,
    /// Health insurance.
    Health,
    /// Unemployment insurance.
    Unemployment,
}

impl Scheme {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Social, Self::Health, Self::Unemployment];
    /// Their names, for messages.
    pub const NAMES: &'static str = "social, health, unemployment";

    /// Its name in the gallery: `social`, `health`, `unemployment`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Social => "social",
            Self::Health => "health",
            Self::Unemployment => "unemployment",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.name() == name)
    }

    /// As people and programs write it: its name in any case and with what surrounds it,
    /// the name of the wire contract (`SCHEME_SOCIAL`), or Vietnamese (`BHXH`, `bảo hiểm
    /// xã hội`).
    pub fn from_text(typed: &str) -> Option<Self> {
        let text: String = text::visible(typed).to_lowercase().nfc().collect();
        let words = text.split(|c: char| c == ' ' || c == '_' || text::is_dash(c)).filter(|word| !word.is_empty());
        let text = words.collect::<Vec<_>>().join(" ");
        match text.strip_prefix("scheme ").unwrap_or(&text) {
            "social" | "social insurance" | "bhxh" | "bảo hiểm xã hội" => Some(Self::Social),
            "health" | "health insurance" | "bhyt" | "bảo hiểm y tế" => Some(Self::Health),
            "unemployment" | "unemployment insurance" | "bhtn" | "bảo hiểm thất nghiệp" => {
                Some(Self::Unemployment)
            }
            _ => None,
        }
    }

    /// A stored scheme by the vocabulary. Programs before it stored whatever they were
    /// given; what it does not know is kept as it is.
    pub fn of_stored(stored: &str) -> &str {
        Self::from_text(stored).map_or(stored, |scheme| scheme.name())
    }
}

/// Whether a stored scheme is the one searched by.
pub(crate) fn same_scheme(stored: &str, wanted: &str) -> bool {
    stored == wanted || (Scheme::from_name(stored).is_none() && Scheme::of_stored(stored) == wanted)
}

/// A province's code without what cannot be seen, its lost zero put back: spreadsheets
/// make `1` of `01`.
pub(crate) fn province_code(typed: &str) -> String {
    let code = text::visible(typed);
    if code.len() == 1 && code.bytes().all(|byte| byte.is_ascii_digit()) { format!("0{code}") } else { code }
}

/// Whether a stored province is the one searched by.
pub(crate) fn same_province(stored: &str, wanted: &str) -> bool {
    stored == wanted || province_code(stored) == province_code(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_is_one_however_it_is_written() {
        // Each was once stored as typed, and then missed by `scheme=social`.
        for typed in
            ["social", "Social ", "SOCIAL", "SCHEME_SOCIAL", "scheme-social", "so\u{200b}cial", "ＢＨＸＨ", "bhxh"]
        {
            assert_eq!(Scheme::from_text(typed), Some(Scheme::Social), "{typed}");
            assert!(same_scheme(typed, "social") && !same_scheme(typed, "health"), "{typed}");
        }
        let decomposed: String = "Bảo hiểm y tế".nfd().collect();
        assert_eq!(Scheme::from_text(&decomposed), Some(Scheme::Health));
        assert_eq!(Scheme::from_text("SCHEME_UNEMPLOYMENT"), Some(Scheme::Unemployment));
        for other in ["", "pension", "socail", "social health", "scheme", "SCHEME_UNSPECIFIED", "1"] {
            assert_eq!(Scheme::from_text(other), None, "{other}");
            assert_eq!(Scheme::of_stored(other), other);
        }
        for scheme in Scheme::ALL {
            assert_eq!(Scheme::from_name(scheme.name()), Some(scheme));
            assert_eq!(Scheme::from_text(scheme.name()), Some(scheme));
            assert!(Scheme::NAMES.contains(scheme.name()));
        }
    }

    #[test]
    fn a_province_is_one_with_and_without_its_zero() {
        assert!(same_province("1", "01") && same_province(" 79 ", "79") && same_province("７９", "79"));
        assert!(!same_province("1", "10") && !same_province("", "00") && !same_province("79", "7"));
    }
}
