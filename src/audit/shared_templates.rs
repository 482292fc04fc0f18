//! Templates that both of two galleries hold.
//!
//! A pair of such templates meets twice, once from either side. It is one pair all the
//! same: in what was found, in what was compared, and in what chance is expected to give.
//! The second time is the one where the row of the first gallery comes after the row at
//! which that gallery has the other template.

use super::collection::Mark;

/// Of a row whose template the other gallery does not hold.
const ALONE: u32 = u32::MAX;

/// Which rows of two galleries are of the same templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedTemplates {
    /// By row of both galleries: the row of the first that has the same template.
    places: Vec<u32>,
    first_rows: usize,
}

impl SharedTemplates {
    /// Compares the marks of all rows, those of the first gallery in front. Where a mark
    /// is there several times, the first of one gallery goes with the first of the other.
    pub fn find(marks: &[Mark], first_rows: usize) -> Self {
        let mut places = vec![ALONE; marks.len()];
        let (first, second) = (0..first_rows as u32, first_rows as u32..marks.len() as u32);
        let sorted = |rows: std::ops::Range<u32>| {
            let mut rows: Vec<u32> = rows.collect();
            rows.sort_unstable_by_key(|&row| (marks[row as usize], row));
            rows
        };
        let (first, second) = (sorted(first), sorted(second));
        let (mut a, mut b) = (first.iter().peekable(), second.iter().peekable());
        while let (Some(&&one), Some(&&other)) = (a.peek(), b.peek()) {
            let order = marks[one as usize].cmp(&marks[other as usize]);
            if order.is_eq() {
                (places[one as usize], places[other as usize]) = (one, one);
            }
            if order.is_le() {
                a.next();
            }
            if order.is_ge() {
                b.next();
            }
        }
        Self { places, first_rows }
    }

    /// Whether the pair of a row of the first gallery and one of the second (counted from
    /// its own beginning) was met before.
    pub fn is_second_time(&self, first: u32, second: u32) -> bool {
        let (a, b) = (self.places[first as usize], self.places[self.first_rows + second as usize]);
        a != ALONE && b != ALONE && b < a
    }

    /// Rows of the first gallery whose template the second holds, too.
    pub fn rows(&self) -> impl Iterator<Item = u32> {
        self.places[..self.first_rows].iter().copied().filter(|&place| place != ALONE)
    }

    /// The row of the first gallery that has the same template as a row of the second.
    pub fn place(&self, second: u32) -> Option<u32> {
        Some(self.places[self.first_rows + second as usize]).filter(|&place| place != ALONE)
    }

    /// Pairs of different subjects that meet twice. `groups` are the subjects of the
    /// first gallery's rows.
    pub fn pairs(&self, groups: &[u32]) -> u64 {
        let mut owners: Vec<u32> = self.rows().map(|row| groups[row as usize]).collect();
        owners.sort_unstable();
        let pairs = |n: usize| (n as u64) * (n as u64).saturating_sub(1) / 2;
        pairs(owners.len()) - owners.chunk_by(|a, b| a == b).map(|run| pairs(run.len())).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_pair_is_met_once_for_the_first_time() {
        // Templates by letter, whose they are by the number behind; the galleries share
        // some, and each has one of them twice.
        let first = [(b'a', 0u32), (b'b', 0), (b'c', 1), (b'd', 2), (b'c', 1), (b'e', 3)];
        let second = [(b'd', 2u32), (b'c', 1), (b'x', 4), (b'b', 0), (b'b', 0), (b'e', 3)];
        let mark = |&(letter, _): &(u8, u32)| [letter; 16];
        let marks: Vec<Mark> = first.iter().chain(&second).map(mark).collect();
        let shared = SharedTemplates::find(&marks, first.len());
        assert_eq!(shared.rows().collect::<Vec<_>>(), [1, 2, 3, 5]);

        // By row of either gallery, those that go together as one.
        let name = |side: usize, row: usize| match side {
            0 => (0, row),
            _ => shared.place(row as u32).map_or((1, row), |place| (0, place as usize)),
        };
        let (mut met, mut kept, mut again) = (BTreeSet::new(), 0, 0);
        for (i, a) in first.iter().enumerate() {
            for (j, b) in second.iter().enumerate().filter(|(_, b)| b.1 != a.1) {
                let (x, y) = (name(0, i), name(1, j));
                met.insert((x.min(y), x.max(y)));
                assert!(a.0 != b.0);
                match shared.is_second_time(i as u32, j as u32) {
                    true => again += 1,
                    false => kept += 1,
                }
            }
        }
        assert_eq!(kept, met.len());
        let groups: Vec<u32> = first.iter().map(|of| of.1).collect();
        assert_eq!(shared.pairs(&groups), again);
        assert_eq!(again, 6);
    }

    #[test]
    fn galleries_that_share_nothing_meet_once() {
        let shared = SharedTemplates::find(&[[1; 16], [2; 16], [3; 16]], 1);
        assert_eq!((shared.rows().count(), shared.pairs(&[0]), shared.place(1)), (0, 0, None));
        assert!(!shared.is_second_time(0, 0) && !shared.is_second_time(0, 1));
    }
}
