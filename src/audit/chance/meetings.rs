//! How many template pairs of two records were compared, and how many records there are
//! that were compared in so many.

use std::collections::BTreeMap;

use crate::audit::shared_templates::SharedTemplates;

/// Template pairs by record pair, for every kind of audit.
///
/// A record has three counts (u, v, w); two records are compared in `u·v' + v·u' − w·w'`
/// template pairs:
///
/// | audit | u | v | w |
/// |---|---|---|---|
/// | a gallery with itself | templates | templates | templates |
/// | only what is new | new templates | templates | new templates |
/// | two galleries | templates in the first | templates in the second | templates in both |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meetings {
    /// By record.
    counts: Vec<[u32; 3]>,
}

impl Meetings {
    /// Of all templates of one gallery. `groups` has the number of the record, by row.
    pub fn within(groups: &[u32]) -> Self {
        let mut counts = nobody(groups);
        groups.iter().for_each(|&group| counts[group as usize].iter_mut().for_each(|count| *count += 1));
        Self { counts }
    }

    /// Of pairs with a template that is new, by row.
    ///
    /// # Panics
    /// Where `fresh` has not one value a row.
    pub fn fresh(groups: &[u32], fresh: &[bool]) -> Self {
        assert_eq!(groups.len(), fresh.len());
        let mut counts = nobody(groups);
        for (&group, &fresh) in groups.iter().zip(fresh) {
            let [new, all, again] = &mut counts[group as usize];
            *all += 1;
            *new += u32::from(fresh);
            *again += u32::from(fresh);
        }
        Self { counts }
    }

    /// Of templates of one gallery with those of another, both `groups` numbered alike.
    /// `shared` knows the templates that both hold.
    pub fn between(first: &[u32], second: &[u32], shared: Option<&SharedTemplates>) -> Self {
        let mut counts = nobody(first);
        counts.resize(counts.len().max(nobody(second).len()), [0; 3]);
        first.iter().for_each(|&group| counts[group as usize][0] += 1);
        second.iter().for_each(|&group| counts[group as usize][1] += 1);
        for row in shared.into_iter().flat_map(SharedTemplates::rows) {
            counts[first[row as usize] as usize][2] += 1;
        }
        Self { counts }
    }

    /// Template pairs in which two records were compared.
    pub fn pairs(&self, a: u32, b: u32) -> u64 {
        let of = |record: u32| self.counts.get(record as usize).copied().unwrap_or_default();
        met(of(a), of(b))
    }

    /// Numbers of template pairs, ascending, each with the number of record pairs that
    /// were compared in so many.
    pub fn record_pairs(&self) -> Vec<(u64, f64)> {
        let mut classes: BTreeMap<[u32; 3], f64> = BTreeMap::new();
        self.counts.iter().for_each(|&of| *classes.entry(of).or_default() += 1.0);
        let classes: Vec<([u32; 3], f64)> = classes.into_iter().collect();
        let mut by_pairs: BTreeMap<u64, f64> = BTreeMap::new();
        for (i, &(one, many)) in classes.iter().enumerate() {
            for &(other, others) in &classes[..=i] {
                let count = if one == other { many * (many - 1.0) / 2.0 } else { many * others };
                let pairs = met(one, other);
                if pairs > 0 && count > 0.0 {
                    *by_pairs.entry(pairs).or_default() += count;
                }
            }
        }
        by_pairs.into_iter().collect()
    }
}

fn nobody(groups: &[u32]) -> Vec<[u32; 3]> {
    vec![[0; 3]; groups.iter().max().map_or(0, |most| *most as usize + 1)]
}

fn met([u, v, w]: [u32; 3], [u2, v2, w2]: [u32; 3]) -> u64 {
    let product = |a: u32, b: u32| u64::from(a) * u64::from(b);
    (product(u, v2) + product(v, u2)).saturating_sub(product(w, w2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: [u32; 9] = [0, 0, 1, 2, 2, 2, 1, 3, 0];

    /// What `Meetings` says is what counting row by row gives.
    fn same(meetings: &Meetings, compared: &dyn Fn(usize, usize) -> bool) {
        let count = |a: u32, b: u32| {
            let rows = |of: u32| (0..GROUPS.len()).filter(move |&row| GROUPS[row] == of);
            rows(a).flat_map(|x| rows(b).map(move |y| (x.min(y), x.max(y)))).filter(|&(x, y)| compared(x, y)).count()
        };
        let mut by_pairs: BTreeMap<u64, f64> = BTreeMap::new();
        for (a, b) in (0..4).flat_map(|a| (0..a).map(move |b| (a, b))) {
            assert_eq!(meetings.pairs(a, b), count(a, b) as u64, "{a} {b}");
            assert_eq!(meetings.pairs(a, b), meetings.pairs(b, a));
            if count(a, b) > 0 {
                *by_pairs.entry(count(a, b) as u64).or_default() += 1.0;
            }
        }
        assert_eq!(meetings.record_pairs(), by_pairs.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn two_records_meet_in_the_template_pairs_that_were_compared() {
        same(&Meetings::within(&GROUPS), &|_, _| true);
        let fresh: Vec<bool> = (0..9).map(|row| row % 4 == 1).collect();
        same(&Meetings::fresh(&GROUPS, &fresh), &|a, b| fresh[a] || fresh[b]);
        same(&Meetings::between(&GROUPS[..6], &GROUPS[6..], None), &|a, b| a < 6 && b >= 6);
    }

    #[test]
    fn a_gallery_against_itself_meets_as_in_its_own_audit() {
        // So the same link weighs the same in either.
        let marks: Vec<[u8; 16]> = (0..18).map(|row| [row % 9; 16]).collect();
        let shared = SharedTemplates::find(&marks, 9);
        let both = Meetings::between(&GROUPS, &GROUPS, Some(&shared));
        same(&both, &|_, _| true);
        assert_eq!(both.record_pairs(), Meetings::within(&GROUPS).record_pairs());
    }
}
