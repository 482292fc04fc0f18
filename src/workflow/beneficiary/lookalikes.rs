//! Single characters that look like one of the Vietnamese alphabet, and stand for it in
//! records because a keyboard, a font or an old encoding put them there.
//!
//! The rows are those of Unicode's confusables.txt (18.0.0) that lead from one character
//! to one letter of a name in Latin letters, cut down to what keyboards and encodings
//! give: Latin, Greek and Cyrillic. Left out is what confusables.txt needs for its own
//! end and what would make one name of two: everything of several characters (`rn`,
//! `m`), of `l` and `I`, and of digits. Its skeletons (UTS 39, 4) are for finding
//! spoofs; they are no normalisation and are not used.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::text;

/// A character, and the letter it is taken for. Letters that differ from it in case
/// only are rows of their own where they look alike as well.
const LETTERS: [(char, char); 55] = [
    // LATIN CAPITAL LETTER ETH and AFRICAN D have one skeleton with D WITH STROKE; their
    // small letters stand for its small letter because programs change case.
    ('\u{D0}', 'Đ'),
    ('\u{F0}', 'đ'),
    ('\u{189}', 'Đ'),
    ('\u{256}', 'đ'),
    // DOTLESS I, ALPHA, SCRIPT G, DOTLESS J.
    ('\u{131}', 'i'),
    ('\u{251}', 'a'),
    ('\u{261}', 'g'),
    ('\u{237}', 'j'),
    // Greek. The capital iota by its name: confusables.txt leads it, like I, to l.
    ('\u{391}', 'A'),
    ('\u{392}', 'B'),
    ('\u{395}', 'E'),
    ('\u{396}', 'Z'),
    ('\u{397}', 'H'),
    ('\u{399}', 'I'),
    ('\u{39A}', 'K'),
    ('\u{39C}', 'M'),
    ('\u{39D}', 'N'),
    ('\u{39F}', 'O'),
    ('\u{3A1}', 'P'),
    ('\u{3A4}', 'T'),
    ('\u{3A5}', 'Y'),
    ('\u{3A7}', 'X'),
    ('\u{3B1}', 'a'),
    ('\u{3B9}', 'i'),
    ('\u{3BD}', 'v'),
    ('\u{3BF}', 'o'),
    ('\u{3C1}', 'p'),
    ('\u{3C5}', 'u'),
    // Cyrillic; the Ukrainian capital I by its name, as above.
    ('\u{405}', 'S'),
    ('\u{406}', 'I'),
    ('\u{408}', 'J'),
    ('\u{410}', 'A'),
    ('\u{412}', 'B'),
    ('\u{415}', 'E'),
    ('\u{41A}', 'K'),
    ('\u{41C}', 'M'),
    ('\u{41D}', 'H'),
    ('\u{41E}', 'O'),
    ('\u{420}', 'P'),
    ('\u{421}', 'C'),
    ('\u{422}', 'T'),
    ('\u{423}', 'Y'),
    ('\u{425}', 'X'),
    ('\u{430}', 'a'),
    ('\u{435}', 'e'),
    ('\u{43E}', 'o'),
    ('\u{440}', 'p'),
    ('\u{441}', 'c'),
    ('\u{443}', 'y'),
    ('\u{445}', 'x'),
    ('\u{455}', 's'),
    ('\u{456}', 'i'),
    ('\u{458}', 'j'),
    ('\u{51A}', 'Q'),
    ('\u{51B}', 'q'),
];

/// A combining mark, the Vietnamese one it is taken for, and over which small letters.
const MARKS: [(char, char, &str); 5] = [
    // CARON for BREVE: Ǎ for Ă.
    ('\u{30C}', '\u{306}', "a"),
    // INVERTED BREVE for CIRCUMFLEX: Ȃ for Â.
    ('\u{311}', '\u{302}', "aeo"),
    // GREEK PERISPOMENI for TILDE.
    ('\u{342}', '\u{303}', "aeiouy"),
    // LEFT ARROWHEAD ABOVE and RIGHT HALF RING ABOVE, which have one skeleton with HOOK
    // ABOVE.
    ('\u{350}', '\u{309}', "aeiouy"),
    ('\u{357}', '\u{309}', "aeiouy"),
];

/// The name decomposed (NFD), without what cannot be seen, in letters of the alphabet
/// where they only looked like them.
pub(super) fn fold(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut base = ' ';
    for c in text::visible(name).nfd() {
        let small = base.to_ascii_lowercase();
        match c {
            // The dot of Turkish İ, which Vietnamese letters do not carry.
            '\u{307}' if small == 'i' => {}
            // SHORT and LONG STROKE OVERLAY: the d of đ, taken apart.
            '\u{335}' | '\u{336}' if small == 'd' && out.ends_with(base) => {
                out.pop();
                out.push(if base == 'D' { 'Đ' } else { 'đ' });
            }
            _ if is_combining_mark(c) => {
                let row = MARKS.iter().find(|(mark, _, over)| *mark == c && over.contains(small));
                out.push(row.map_or(c, |(_, mark, _)| *mark));
            }
            _ => {
                base = LETTERS.iter().find(|(from, _)| *from == c).map_or(c, |(_, to)| *to);
                out.push(base);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_lead_to_letters_of_names_and_never_from_one_to_another() {
        let vietnamese = "AĂÂBCDĐEÊGHIKLMNOÔƠPQRSTUƯVXYFJWZ";
        for (from, to) in LETTERS {
            assert!(vietnamese.contains(to) || vietnamese.to_lowercase().contains(to), "{to}");
            assert!(!from.is_ascii() && !vietnamese.contains(from), "{from}");
        }
        let from: std::collections::BTreeSet<char> = LETTERS.iter().map(|(from, _)| *from).collect();
        assert_eq!(from.len(), LETTERS.len());
        for c in vietnamese.chars().flat_map(|c| [c, c.to_lowercase().next().unwrap_or(c)]) {
            assert_eq!(fold(&c.to_string()).nfc().collect::<String>(), c.to_string());
        }
    }

    #[test]
    fn marks_of_other_languages_stay_over_other_letters() {
        for name in ["Dvořák", "Işık", "Zoë", "Łukasz", "Čapek", "Ağa"] {
            let kept: String = name.nfd().collect();
            assert_eq!(fold(name), kept.replace('ı', "i"), "{name}");
        }
    }
}
