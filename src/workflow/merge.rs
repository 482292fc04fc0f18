//! What the searches by several generations found, as one list.

use std::collections::HashSet;

use super::WorkflowError;
use super::generation::Generation;
use crate::face::RecipeDigest;
use crate::gallery::{Answered, Candidate, SubjectId};
use crate::matching::{Fmr, Fnmr, Reference};

/// A subject that the search by one generation found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hit {
    pub(super) subject: SubjectId,
    /// By the generation's scale.
    pub(super) score: f32,
    /// False match rate of one comparison at this score.
    pub(super) fmr: Fmr,
    /// Share of true mates expected to score less.
    pub(super) fnmr: Option<Fnmr>,
    /// The generation's recipe.
    pub(super) recipe: RecipeDigest,
}

/// The candidates of one generation for a probe of so many different captures, as they are
/// ordered.
pub(super) fn hits(
    generation: &Generation,
    distinct: usize,
    candidates: Vec<Candidate>,
) -> Result<Vec<Hit>, WorkflowError> {
    // A gallery holds references of every kind.
    let curve = generation.curve(distinct, Reference::Any)?;
    let hit = |Candidate { subject, score, .. }| {
        let (fmr, fnmr) = (curve.fmr(score), curve.fnmr(score));
        Hit { subject, score, fmr, fnmr, recipe: generation.recipe() }
    };
    Ok(candidates.into_iter().map(hit).collect())
}

/// Lists that are each best first, as one: by rising false match rate, because scores of two
/// generations say nothing of each other, each list in its own order; each subject once, where it
/// is rarest.
pub(super) fn merged(lists: Vec<Vec<Hit>>) -> Vec<Hit> {
    let mut rest: Vec<_> = lists.into_iter().map(|list| list.into_iter().peekable()).collect();
    let mut all = Vec::new();
    let mut known = HashSet::new();
    loop {
        let heads = rest.iter_mut().enumerate().filter_map(|(at, list)| list.peek().map(|hit| (at, hit.fmr.rate)));
        // Of equal ones the first list's.
        let next = heads.min_by(|one, other| one.1.total_cmp(&other.1));
        let Some(hit) = next.and_then(|(at, _)| rest[at].next()) else { return all };
        if known.insert(hit.subject.clone()) {
            all.push(hit);
        }
    }
}

/// How a search was answered whose parts were answered in these ways: approximately where one of
/// them was, at the lowest recall.
pub(super) fn answered_together(parts: impl Iterator<Item = Answered>) -> Answered {
    let worse = |one, other| match (one, other) {
        (Answered::Approximately { recall: one }, Answered::Approximately { recall: other }) => {
            Answered::Approximately { recall: one.min(other) }
        }
        (one @ Answered::Approximately { .. }, _) | (_, one @ Answered::Approximately { .. }) => one,
        (one @ Answered::ExactlyInstead(_), _) | (_, one @ Answered::ExactlyInstead(_)) => one,
        (Answered::Exactly, Answered::Exactly) => Answered::Exactly,
    };
    parts.reduce(worse).unwrap_or(Answered::Exactly)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gallery::Instead;

    fn hit(subject: &str, score: f32, rate: f64, recipe: u8) -> Hit {
        let subject = SubjectId::new(subject).unwrap();
        let fmr = Fmr { rate, extrapolated: false };
        Hit { subject, score, fmr, fnmr: None, recipe: RecipeDigest([recipe; 32]) }
    }

    fn order(lists: Vec<Vec<Hit>>) -> Vec<(String, u8)> {
        merged(lists).iter().map(|hit| (hit.subject.as_str().to_owned(), hit.recipe.0[0])).collect()
    }

    #[test]
    fn candidates_of_two_generations_are_ordered_by_how_rare_they_are_and_not_by_score() {
        let first = vec![hit("a", 0.9, 1e-9, 1), hit("b", 0.8, 1e-4, 1), hit("c", 0.7, 1e-2, 1)];
        let second = vec![hit("d", 0.3, 1e-6, 2), hit("c", 0.2, 1e-5, 2), hit("a", 0.1, 1e-3, 2)];
        let named = |(subject, recipe): (&str, u8)| (subject.to_owned(), recipe);
        assert_eq!(order(vec![first, second]), [("a", 1), ("d", 2), ("c", 2), ("b", 1)].map(named));
    }

    #[test]
    fn the_order_of_one_generation_stays_also_where_rates_are_equal() {
        let floor = vec![hit("z", 0.9, 1e-12, 1), hit("b", 0.8, 1e-12, 1)];
        assert_eq!(order(vec![floor]), [("z".to_owned(), 1), ("b".to_owned(), 1)]);
        assert!(order(vec![Vec::new(), Vec::new()]).is_empty());
    }

    #[test]
    fn one_approximate_part_makes_the_whole_approximate() {
        let approximate = |recall| Answered::Approximately { recall };
        let instead = Answered::ExactlyInstead(Instead::Off);
        let of = |parts: &[Answered]| answered_together(parts.iter().copied());
        assert_eq!(of(&[instead, approximate(0.9), approximate(0.8)]), approximate(0.8));
        assert_eq!(of(&[Answered::Exactly, instead]), instead);
        assert_eq!(of(&[Answered::Exactly]), Answered::Exactly);
    }
}
