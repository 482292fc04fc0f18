//! The language of a caller's answers: `accept-language` (RFC 9110, 12.5.4), matched by primary
//! language (RFC 4647, 3.4).

use tonic::codegen::http::HeaderMap;

/// The weight 1. Weights are thousandths, since they have three decimals.
const WEIGHT_ONE: u16 = 1000;
/// Language ranges that are read; further ones are ignored.
const RANGES_MAX: usize = 32;

/// A language that the sentences for people exist in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Language {
    /// For callers that ask for neither.
    #[default]
    Vietnamese,
    English,
}

impl Language {
    /// The language that the headers of a call ask for, or Vietnamese.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all("accept-language").into_iter().filter_map(|value| value.to_str().ok());
        Self::among(values.flat_map(|value| value.split(',')).take(RANGES_MAX))
    }

    /// The language with the highest weight among the ranges; of equal ones the first.
    fn among<'a>(ranges: impl Iterator<Item = &'a str>) -> Self {
        let mut best = (Self::default(), 0);
        let mut refused = Vec::new();
        let mut any = 0;
        for (range, weight) in ranges.filter_map(weight_of) {
            let primary = range.split('-').next().unwrap_or_default();
            match primary.to_ascii_lowercase().as_str() {
                "*" => any = weight,
                "vi" if weight == 0 => refused.push(Self::Vietnamese),
                "en" if weight == 0 => refused.push(Self::English),
                "vi" if weight > best.1 => best = (Self::Vietnamese, weight),
                "en" if weight > best.1 => best = (Self::English, weight),
                _ => {}
            }
        }
        // `*` asks for any language but those that are refused by a weight of 0.
        if best.1 == 0 && any > 0 && refused.contains(&Self::Vietnamese) && !refused.contains(&Self::English) {
            return Self::English;
        }
        best.0
    }

    /// Its language tag (BCP 47), for `google.rpc.LocalizedMessage`.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Vietnamese => "vi",
            Self::English => "en",
        }
    }
}

/// A language range and its weight in thousandths. `None` where the weight cannot be read.
fn weight_of(typed: &str) -> Option<(&str, u16)> {
    let mut parts = typed.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?;
    let Some(parameter) = parts.next() else { return Some((range, WEIGHT_ONE)) };
    let (name, value) = parameter.split_once('=')?;
    let weight: f32 = value.trim().parse().ok()?;
    if !name.trim().eq_ignore_ascii_case("q") || !(0.0..=1.0).contains(&weight) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
    Some((range, (weight * f32::from(WEIGHT_ONE)).round() as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(typed: &str) -> Language {
        let mut headers = HeaderMap::new();
        headers.insert("accept-language", typed.parse().unwrap());
        Language::of(&headers)
    }

    #[test]
    fn the_known_language_with_the_highest_weight_is_taken() {
        assert_eq!(of("en"), Language::English);
        assert_eq!(of("en-GB, vi;q=0.9"), Language::English);
        assert_eq!(of("vi-VN, en;q=0.9"), Language::Vietnamese);
        assert_eq!(of("en;q=0.5, vi;q=0.6"), Language::Vietnamese);
        assert_eq!(of("fr, en;q=0.1"), Language::English);
        assert_eq!(of("EN ; Q=1"), Language::English);
        assert_eq!(of("en, vi"), Language::English, "the first of equals");
        assert_eq!(of("*, en;q=0.4"), Language::English, "a language that is named goes before any");
        assert_eq!(of("vi;q=0, *"), Language::English);
    }

    #[test]
    fn vietnamese_is_taken_where_no_known_language_is_asked_for() {
        for typed in ["", "*", "fr", "en;q=0", "en;q=2", "en;q=x", "en;level=1", "vietnamese", ",,;", "fr;q=0.9, de"] {
            assert_eq!(of(typed), Language::Vietnamese, "{typed}");
        }
        assert_eq!(Language::of(&HeaderMap::new()), Language::Vietnamese);
    }

    #[test]
    fn several_headers_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append("accept-language", "fr".parse().unwrap());
        headers.append("accept-language", "en;q=0.3".parse().unwrap());
        assert_eq!(Language::of(&headers), Language::English);
    }
}
