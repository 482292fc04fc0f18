//! Stable ids of pairs and rings: the same in every later audit of the same records, and short
//! enough to type.
//!
//! An id is `P-` (a pair of records) or `R-` (a ring) and digits of Crockford's base 32, made by
//! HMAC-SHA-256 of the record ids in byte order under the [`IdKey`] of the gallery or of the audit's
//! folder. Record ids can be guessed, so without the key nobody can tell from an id whose it is.
//!
//! An id has [`DIGITS`] digits. As many of the first are shown as tell it from all others of its
//! audit, [`SHOWN_MIN`] at least; whoever types at least [`TYPED_MIN`] of them names it, unless
//! another begins with the same.

mod key;
mod rings;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::key::{IdKey, IdKeyError};
pub(super) use self::rings::{EarlierRing, ring_ids};

/// Digits of an id: 80 bits.
const DIGITS: usize = 16;
/// Digits shown at least: 40 bits.
const SHOWN_MIN: usize = 8;
/// Digits typed at least.
const TYPED_MIN: usize = 4;
/// Crockford's digits: without I, L, O and U, which are misread.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What an id is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdKind {
    /// Two records.
    Pair,
    /// A ring.
    Ring,
}

impl IdKind {
    fn letter(self) -> char {
        match self {
            Self::Pair => 'P',
            Self::Ring => 'R',
        }
    }

    fn of_letter(letter: char) -> Option<Self> {
        match letter.to_ascii_uppercase() {
            'P' => Some(Self::Pair),
            'R' => Some(Self::Ring),
            _ => None,
        }
    }
}

/// The stable id of a pair or ring. Displayed with as many digits as are shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StableId {
    kind: IdKind,
    digits: [u8; DIGITS],
    shown: u8,
}

impl StableId {
    /// The id that begins with these 80 bits.
    fn of_bits(kind: IdKind, bytes: [u8; 10]) -> Self {
        let bits = bytes.iter().fold(0u128, |bits, &byte| bits << 8 | u128::from(byte));
        let mut digits = [0; DIGITS];
        for (place, digit) in digits.iter_mut().enumerate() {
            *digit = ALPHABET[(bits >> (5 * (DIGITS - 1 - place)) & 31) as usize];
        }
        Self { kind, digits, shown: SHOWN_MIN as u8 }
    }

    /// Whether both are of the same pair or ring, however many digits either shows.
    pub fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind && self.digits == other.digits
    }

    /// What tells it from all others, however many digits it shows.
    pub(super) fn key(&self) -> (IdKind, [u8; DIGITS]) {
        (self.kind, self.digits)
    }

    /// All digits.
    fn text(&self) -> &str {
        // ASCII, by construction.
        str::from_utf8(&self.digits).unwrap_or_default()
    }

    /// Digits that both begin with; none of a pair and a ring.
    fn common(&self, other: &Self) -> usize {
        if self.kind != other.kind {
            return 0;
        }
        self.digits.iter().zip(&other.digits).take_while(|(a, b)| a == b).count()
    }
}

impl fmt::Display for StableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.kind.letter(), &self.text()[..usize::from(self.shown)])
    }
}

// Beside a record's id it says who shares a face; alone it does not, and it stays out of logs all
// the same.
impl fmt::Debug for StableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StableId({:?})", self.kind)
    }
}

/// As results keep it: all digits, with a point behind those that are shown.
impl From<StableId> for String {
    fn from(id: StableId) -> Self {
        let (shown, rest) = id.text().split_at(usize::from(id.shown));
        format!("{}-{shown}.{rest}", id.kind.letter())
    }
}

impl TryFrom<String> for StableId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let of = |text: &str| {
            let (kind, digits) = text.split_once('-')?;
            let mut letters = kind.chars();
            let kind = letters.next().filter(|_| letters.next().is_none()).and_then(IdKind::of_letter)?;
            let (shown, rest) = digits.split_once('.')?;
            let is_digit = |byte: &u8| ALPHABET.contains(byte);
            let digits: [u8; DIGITS] = [shown, rest].concat().into_bytes().try_into().ok()?;
            let whole = shown.len() >= SHOWN_MIN && digits.iter().all(is_digit);
            whole.then_some(Self { kind, digits, shown: shown.len() as u8 })
        };
        of(&text).ok_or("no id of a pair or ring")
    }
}

/// Makes each id show as many digits as tell it from all others.
pub(super) fn show_enough(ids: &mut [&mut StableId]) {
    ids.sort_unstable();
    for at in 0..ids.len() {
        let neighbours = [at.checked_sub(1), Some(at + 1)];
        let common = neighbours.into_iter().flatten().filter_map(|other| ids.get(other)).map(|id| id.common(ids[at]));
        let enough = common.max().map_or(SHOWN_MIN, |common| common + 1);
        ids[at].shown = enough.clamp(SHOWN_MIN, DIGITS) as u8;
    }
}

/// An id, or its first digits, as somebody typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedId {
    kind: IdKind,
    digits: String,
}

impl TypedId {
    /// `None` where the text is no id. Case does not matter; what is misread (`O`, `I`, `L`) is
    /// taken as what it is misread for.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, digits) = text.trim().split_once('-')?;
        let mut letters = kind.chars();
        let kind = letters.next().filter(|_| letters.next().is_none()).and_then(IdKind::of_letter)?;
        let digits: Option<String> = digits
            .chars()
            .map(|typed| match typed.to_ascii_uppercase() {
                'O' => Some('0'),
                'I' | 'L' => Some('1'),
                digit => u8::try_from(digit).is_ok_and(|digit| ALPHABET.contains(&digit)).then_some(digit),
            })
            .collect();
        let digits = digits.filter(|digits| (TYPED_MIN..=DIGITS).contains(&digits.len()))?;
        Some(Self { kind, digits })
    }

    /// What it is of.
    pub fn kind(&self) -> IdKind {
        self.kind
    }

    /// Whether it can be this id.
    pub fn names(&self, id: &StableId) -> bool {
        self.kind == id.kind && id.text().starts_with(&self.digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(kind: IdKind, number: u128) -> StableId {
        StableId::of_bits(kind, number.to_be_bytes()[6..].try_into().unwrap())
    }

    #[test]
    fn an_id_is_read_as_it_was_kept_and_typed_as_it_is_shown() {
        for number in [0, 1, 31, 32, 0xDEAD_BEEF_0123_4567_89AB, (1 << 80) - 1] {
            for kind in [IdKind::Pair, IdKind::Ring] {
                let id = id(kind, number);
                assert_eq!(StableId::try_from(String::from(id)), Ok(id));
                let shown = id.to_string();
                assert_eq!(shown.len(), 2 + SHOWN_MIN);
                for typed in [shown.clone(), shown.to_lowercase(), shown[..6].to_owned(), format!(" {shown} ")] {
                    let typed = TypedId::parse(&typed).unwrap();
                    assert!(typed.names(&id) && typed.kind() == kind);
                }
            }
        }
        assert_eq!(id(IdKind::Pair, (1 << 80) - 1).to_string(), "P-ZZZZZZZZ");
        assert_eq!(id(IdKind::Ring, 1 << 40).to_string(), "R-00000001");
        assert!(TypedId::parse("r-OOOOOOOi").unwrap().names(&id(IdKind::Ring, 1 << 40)));
    }

    #[test]
    fn what_is_no_id_is_not_taken_for_one() {
        for wrong in
            ["", "P", "P-", "P-123", "Q-12345678", "PP-12345678", "P-12345U78", "P-1234567890ABCDEFG", "17", "P-12 45"]
        {
            assert_eq!(TypedId::parse(wrong), None, "{wrong}");
        }
        for wrong in ["", "P-0000000000000000", "P-0000.000000000000", "P-00000000.0000000", "X-00000000.00000000"] {
            assert!(StableId::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    /// 40 bits meet now and then among millions of pairs: such ids show more digits, and what was
    /// written down of the shorter names either.
    #[test]
    fn ids_that_begin_alike_show_as_many_digits_as_tell_them_apart() {
        let mut ids = [
            id(IdKind::Pair, 5 << 40),
            id(IdKind::Pair, 5 << 40 | 1),
            id(IdKind::Pair, 7 << 40),
            id(IdKind::Ring, 5 << 40),
        ];
        show_enough(&mut ids.iter_mut().collect::<Vec<_>>());
        let shown: Vec<usize> = ids.iter().map(|id| id.to_string().len() - 2).collect();
        assert_eq!(shown, [16, 16, 8, 8]);
        let typed = TypedId::parse("P-00000005").unwrap();
        assert_eq!(ids.iter().filter(|id| typed.names(id)).count(), 2);
        let longer = TypedId::parse(&ids[1].to_string()).unwrap();
        assert_eq!(ids.iter().filter(|id| longer.names(id)).count(), 1);
    }
}
