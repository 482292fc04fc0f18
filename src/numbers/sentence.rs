//! Whether a sentence carries somebody's number, among the dates, times, sums of money and
//! ids that people write.

use super::{SHORTEST, is_day, is_digits, is_made_by_a_machine, is_of_province, looks_like_one, seen};
use crate::text;

/// Most signs between the groups of one number in a sentence, and most characters where one
/// of them is a letter.
const SIGNS_MAX: usize = 6;
const LETTER_GAP_MAX: usize = 3;

/// Whether a sentence carries what looks like anybody's number: nine digits or more whose
/// groups stand one sign or space apart, or a citizen's number in groups further apart.
/// Dates, times of day, UUIDs and digests are none.
pub(crate) fn stands_in(sentence: &str) -> bool {
    let groups = groups(&without_what_is_no_number(&seen(sentence)));
    let mut close = groups.chunk_by(|_, next| next.is_close());
    let mut near = groups.chunk_by(|_, next| next.is_near());
    close.any(|run| run.iter().map(Group::count).sum::<usize>() >= SHORTEST)
        || near.any(|run| (0..run.len()).any(|from| begins_with_a_citizens(&run[from..])))
}

/// Whether the first groups together are a citizen's number.
fn begins_with_a_citizens(groups: &[Group]) -> bool {
    let mut joined = String::new();
    groups.iter().any(|group| {
        joined.push_str(&group.digits);
        is_of_province(&joined)
    })
}

/// What stands in a sentence for a word that is no number.
const PASSED_OVER: char = '…';

/// A sentence without its UUIDs, digests, dates, times of day, sums of money and ids.
fn without_what_is_no_number(sentence: &str) -> String {
    let is_of_token = |c: char| c.is_alphanumeric() || c == '-';
    let mut out = String::new();
    for part in sentence.split_inclusive(|c| !is_of_token(c)) {
        let token = part.trim_matches(|c: char| !c.is_alphanumeric());
        if is_made_by_a_machine(token) {
            out.extend([PASSED_OVER, ' ']);
        } else {
            out.push_str(part);
        }
    }
    let words: Vec<&str> = out.split_whitespace().collect();
    let mut next = words.iter().skip(1);
    let mut last = "";
    let kept = words.iter().map(|word| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let after = next.next().map(|next| next.trim_matches(|c: char| !c.is_alphanumeric() && !is_money_sign(c)));
        let before = std::mem::replace(&mut last, bare);
        let passed = bare.split(text::is_dash).all(is_moment) || is_money(word, before, after) || is_a_counter(bare);
        if passed { "…" } else { word }
    });
    kept.collect::<Vec<_>>().join(" ")
}

/// Digits in groups of three beside the name of a currency, or two such with a dash between
/// them; a fraction of two digits and a rate (`/tháng`) may follow.
fn is_money(word: &str, before: &str, after: Option<&str>) -> bool {
    let is_currency = |name: &str| {
        const CURRENCIES: [&str; 9] = ["đồng", "đ", "vnđ", "vnd", "vn", "usd", "eur", "nghìn", "ngàn"];
        CURRENCIES.contains(&&*name.to_lowercase()) || (!name.is_empty() && name.chars().all(is_money_sign))
    };
    let core = word.trim_matches(|c: char| !c.is_alphanumeric() && !is_money_sign(c));
    let rate = |(_, rate): &(&str, &str)| rate.chars().all(char::is_alphabetic);
    let core = core.split_once('/').filter(rate).map_or(core, |(core, _)| core);
    let is_sign = |c: char| c.is_alphabetic() || is_money_sign(c);
    let figure = core.trim_matches(is_sign);
    let (head, tail) = core.split_once(figure).unwrap_or_default();
    let attached = is_currency(head) || is_currency(tail);
    let beside =
        || is_currency(before) || after.is_some_and(|after| is_currency(after.split('/').next().unwrap_or(after)));
    (attached || beside()) && !figure.is_empty() && figure.split(text::is_dash).all(is_sum)
}

fn is_money_sign(c: char) -> bool {
    matches!(c, '₫' | '$' | '€')
}

/// Digits in groups of three, with a fraction of two digits or none.
fn is_sum(figure: &str) -> bool {
    let whole = match figure.char_indices().rev().nth(2) {
        Some((at, ',' | '.')) if is_digits(&figure[at + 1..]) => &figure[..at],
        _ => figure,
    };
    let mut groups = whole.split(['.', ',']);
    let first = groups.next().unwrap_or_default();
    let mut threes = groups.peekable();
    (1..=3).contains(&first.len())
        && is_digits(first)
        && !first.starts_with('0')
        && threes.peek().is_some()
        && threes.all(|group| group.len() == 3 && is_digits(group))
}

/// An id that is counted up, such as `VN-2026-0001234`: it begins with letters, has signs in
/// it, and is judged as ids are. A run of nine digits is judged as a number wherever it stands.
fn is_a_counter(word: &str) -> bool {
    let longest = word.split(|c: char| !c.is_numeric()).map(|run| run.chars().count()).max().unwrap_or(0);
    let is_sign = |c: char| text::is_dash(c) || matches!(c, '_' | '/' | '.');
    word.chars().take(2).filter(|c| c.is_alphabetic()).count() == 2
        && word.contains(is_sign)
        && word.chars().all(|c| c.is_alphanumeric() || is_sign(c))
        && longest < SHORTEST
        && !looks_like_one(word)
}

/// Digits in a row, and what stands between them and those before.
struct Group {
    digits: String,
    gap: String,
    /// Digits of the group before.
    before: usize,
}

impl Group {
    fn count(&self) -> usize {
        self.digits.chars().count()
    }

    /// One sign or space away. A stroke counts after three digits only: a date has two.
    fn is_close(&self) -> bool {
        let mut gap = self.gap.chars();
        match (gap.next(), gap.next()) {
            (Some('/' | '\\'), None) => self.before >= 3,
            (Some(sign), None) => !sign.is_alphabetic() && !matches!(sign, ':' | ';' | '%' | '(' | ')' | PASSED_OVER),
            _ => false,
        }
    }

    /// Some signs away, or one letter with a sign or two.
    fn is_near(&self) -> bool {
        let signs = self.gap.chars().count();
        let letters = self.gap.chars().filter(|c| c.is_alphabetic()).count();
        !self.gap.contains(PASSED_OVER)
            && match letters {
                0 => (1..=SIGNS_MAX).contains(&signs),
                1 => signs <= LETTER_GAP_MAX,
                _ => false,
            }
    }
}

fn groups(text: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut gap = String::new();
    for c in text.chars() {
        match (c.is_numeric(), groups.last_mut()) {
            (true, Some(last)) if gap.is_empty() => last.digits.push(c),
            (true, last) => {
                let before = last.map_or(0, |last| last.count());
                groups.push(Group { digits: c.into(), gap: std::mem::take(&mut gap), before });
            }
            (false, _) => gap.push(c),
        }
    }
    groups
}

fn is_moment(word: &str) -> bool {
    is_date(word) || is_time(word)
}

/// A date with signs between its parts, day or year first, the month and year or the day and
/// month of one, or years alone; a time may follow it after a `T`.
fn is_date(word: &str) -> bool {
    let (day, time) = word.split_once('T').unwrap_or((word, "0:00"));
    let parts: Vec<&str> = day.split(|c| matches!(c, '/' | '.') || text::is_dash(c)).collect();
    let year = |part: &str| part.len() == 4 && is_day(part, "1", "1");
    let date = match parts.as_slice() {
        _ if !parts.iter().all(|part| !part.is_empty() && is_digits(part)) => false,
        years if years.iter().all(|part| year(part)) => true,
        [first, month, last] => is_day(last, month, first) || is_day(first, month, last),
        [month, of] if year(of) => is_day(of, month, "1"),
        [day, month] if word.contains('/') => is_day("2000", month, day),
        _ => false,
    };
    date && is_time(time.trim_end_matches('Z'))
}

/// A time of day: `10:30`, `10:30:05`, `10h30`.
fn is_time(word: &str) -> bool {
    let parts: Vec<&str> = word.split([':', 'h', 'g']).collect();
    let fits =
        |part: &str, below: u32| part.len() <= 2 && is_digits(part) && part.parse().is_ok_and(|n: u32| n < below);
    match parts.as_slice() {
        [hour, minute] => fits(hour, 24) && fits(minute, 60),
        [hour, minute, second] => fits(hour, 24) && fits(minute, 60) && fits(second, 61),
        _ => false,
    }
}
