//! What is compared with what, and how many comparisons that is.

use crate::audit::chance::Meetings;
use crate::audit::collection::{Collection, Mark};
use crate::audit::seen::SeenMarks;
use crate::audit::shared_templates::SharedTemplates;

/// What is compared with what.
pub(super) enum AuditScope {
    /// All with each other.
    Within,
    /// Pairs with at least one of those that are marked.
    Fresh(Vec<bool>),
    /// Those of the first gallery with those of the second.
    Between,
}

impl AuditScope {
    /// Of the templates of an audit; `since` are those that an earlier one has seen.
    pub(super) fn of(collection: &Collection, since: Option<&SeenMarks>, marks: &[Mark]) -> Self {
        match since {
            Some(seen) => Self::Fresh(marks.iter().map(|mark| !seen.contains(mark)).collect()),
            None if collection.has_second() => Self::Between,
            None => Self::Within,
        }
    }

    /// Comparisons: pairs of rows of different subjects.
    pub(super) fn comparisons(&self, collection: &Collection) -> u64 {
        let count = |rows: &mut dyn Iterator<Item = u32>| {
            let mut counts = vec![0u64; collection.subjects()];
            rows.for_each(|group| counts[group as usize] += 1);
            counts
        };
        let groups = collection.groups();
        let within = |counts: &[u64]| {
            let pairs = |n: u64| u128::from(n) * u128::from(n.saturating_sub(1)) / 2;
            pairs(counts.iter().sum()) - counts.iter().map(|&n| pairs(n)).sum::<u128>()
        };
        let all = match self {
            Self::Within => within(&count(&mut groups.iter().copied())),
            Self::Fresh(fresh) => {
                let old = groups.iter().zip(fresh).filter(|(_, fresh)| !**fresh).map(|(group, _)| *group);
                within(&count(&mut groups.iter().copied())) - within(&count(&mut { old }))
            }
            Self::Between => {
                let (first, second) = groups.split_at(collection.first_rows());
                let [first, second] = [first, second].map(|side| count(&mut side.iter().copied()));
                let same: u128 = first.iter().zip(&second).map(|(a, b)| u128::from(*a) * u128::from(*b)).sum();
                u128::from(first.iter().sum::<u64>()) * u128::from(second.iter().sum::<u64>()) - same
            }
        };
        u64::try_from(all).unwrap_or(u64::MAX)
    }

    /// By two records, how many template pairs are compared.
    pub(super) fn meetings(&self, collection: &Collection, shared: Option<&SharedTemplates>) -> Meetings {
        let groups = collection.groups();
        match self {
            Self::Within => Meetings::within(groups),
            Self::Fresh(fresh) => Meetings::fresh(groups, fresh),
            Self::Between => {
                let (first, second) = groups.split_at(collection.first_rows());
                Meetings::between(first, second, shared)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::CollectedTemplate;

    #[test]
    fn comparisons_are_those_of_rows_of_different_subjects() {
        let owners = [0u32, 0, 1, 2, 2, 2, 1, 3, 0];
        let mut collection = Collection::new();
        for (row, owner) in owners.into_iter().enumerate() {
            if row == 6 {
                collection.begin_second();
            }
            let subject = collection.subject(&format!("s{owner}")).unwrap();
            let info = CollectedTemplate { subject, captured_at: None, quality: None };
            collection.push(&row.to_string(), &[1.0, 0.0], info).unwrap();
        }
        let count = |wanted: &dyn Fn(usize, usize) -> bool| {
            let pairs = (0..9).flat_map(|a| (a + 1..9).map(move |b| (a, b)));
            pairs.filter(|&(a, b)| owners[a] != owners[b] && wanted(a, b)).count() as u64
        };
        assert_eq!(AuditScope::Within.comparisons(&collection), count(&|_, _| true));
        assert_eq!(AuditScope::Between.comparisons(&collection), count(&|a, b| a < 6 && b >= 6));
        let fresh: Vec<bool> = (0..9).map(|row| row % 4 == 1).collect();
        assert_eq!(AuditScope::Fresh(fresh.clone()).comparisons(&collection), count(&|a, b| fresh[a] || fresh[b]));
    }
}
