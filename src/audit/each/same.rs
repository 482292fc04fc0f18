//! A subject's captures over time that do not match each other: a benefit that may have
//! changed hands, or a capture stored with the wrong record.

use rayon::prelude::*;

use crate::audit::collection::Collection;
use crate::gallery::groups_of_one_record;
use crate::matching::{Dot, TemplateLikeness};

/// A subject some of whose captures do not match.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// Number of the subject.
    pub subject: u32,
    /// Captures it has.
    pub captures: u32,
    /// Pairs of captures.
    pub pairs: u32,
    /// Pairs below the score.
    pub below: u32,
    /// The pair that scores lowest, by rows, the earlier capture first.
    pub lowest: (u32, u32),
    /// Its score.
    pub lowest_score: f32,
    /// Groups that its captures fall into: those of one person are alike, over others if
    /// need be. More than one is a record of two people, or of captures too poor to tell.
    pub groups: u32,
    /// Captures that an officer vouched for; they count as alike.
    pub vouched: u32,
    /// Where captures before and after do not match at all.
    pub split: Option<Split>,
}

/// A point in time across which no pair of captures matches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// Row of the last capture before.
    pub last_before: u32,
    /// Row of the first capture after.
    pub first_after: u32,
    /// Captures before.
    pub before: u32,
    /// Best score of a pair across: below the score asked for.
    pub best_across: f32,
}

/// Genuine pairs of captures that were looked at, and subjects some of whose captures
/// score below `score`, or whose captures fall into several groups of alike ones, `alike`
/// being the score that two of them reach and `apart` the one below which they are apart
/// (what enrolments and decisions ask of a record):
/// first those whose captures fall apart at a point in time, the
/// lowest score across first; then the others, the lowest score first.
///
/// Captures are ordered by the day they were taken, those without one last, then as they
/// lie. Deterministic, whatever the number of threads.
pub fn changed(collection: &Collection, score: f32, (alike, apart): (f32, f32)) -> (u64, Vec<Changed>) {
    let mut rows: Vec<u32> = (0..collection.rows() as u32).collect();
    let key = |&row: &u32| {
        let info = collection.template(row);
        (info.subject, info.captured_at.is_none(), info.captured_at, row)
    };
    rows.par_sort_unstable_by_key(key);
    let groups: Vec<&[u32]> =
        rows.chunk_by(|&a, &b| collection.template(a).subject == collection.template(b).subject).collect();
    let pairs = groups.iter().map(|group| group.len() as u64 * (group.len() as u64 - 1) / 2).sum();
    let dot = Dot::best();
    let mut found: Vec<Changed> =
        groups.into_par_iter().filter_map(|group| look_at(collection, group, score, (alike, apart), dot)).collect();
    found.sort_by(|x, y| {
        let across = |of: &Changed| of.split.map_or(f32::INFINITY, |split| split.best_across);
        across(x).total_cmp(&across(y)).then(x.lowest_score.total_cmp(&y.lowest_score)).then(x.subject.cmp(&y.subject))
    });
    (pairs, found)
}

fn look_at(collection: &Collection, rows: &[u32], score: f32, (alike, apart): (f32, f32), dot: Dot) -> Option<Changed> {
    let count = rows.len();
    let (mut below, mut lowest) = (0, None::<(f32, u32, u32)>);
    // By number of captures before the split: the best score across it.
    let mut across = vec![f32::NEG_INFINITY; count];
    let mut links = Vec::with_capacity(count * count / 2);
    let vouched = |at: usize| collection.is_vouched(rows[at]);
    for i in 0..count {
        for j in i + 1..count {
            let found = dot.score(collection.vector(rows[i]), collection.vector(rows[j]));
            below += u32::from(found < score);
            links.push(TemplateLikeness::of(found, alike, apart));
            if lowest.is_none_or(|(least, ..)| found < least) {
                lowest = Some((found, rows[i], rows[j]));
            }
            for best in &mut across[i + 1..=j] {
                *best = best.max(found);
            }
        }
    }
    let (lowest_score, earlier, later) = lowest?;
    // Pairs lie row by row, each row beginning behind its own item.
    let link = |i: usize, j: usize| links[i * (2 * count - i - 1) / 2 + j - i - 1];
    let groups = groups_of_one_record(count, vouched, link).into_iter().max().map_or(0, |last| last as u32 + 1);
    if below == 0 && groups < 2 {
        return None;
    }
    let split = (1..count).min_by(|&x, &y| across[x].total_cmp(&across[y])).filter(|&at| across[at] < score);
    Some(Changed {
        subject: collection.template(rows[0]).subject,
        captures: count as u32,
        pairs: (count * (count - 1) / 2) as u32,
        below,
        lowest: (earlier, later),
        lowest_score,
        groups,
        vouched: (0..count).filter(|&at| vouched(at)).count() as u32,
        split: split.map(|at| Split {
            last_before: rows[at - 1],
            first_after: rows[at],
            before: at as u32,
            best_across: across[at],
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::collection::CollectedTemplate;
    use crate::gallery::Timestamp;

    /// Captures of each subject as angles with the day they were taken.
    fn collection(subjects: &[&[(f32, u64)]]) -> Collection {
        let mut collection = Collection::new();
        for (i, captures) in subjects.iter().enumerate() {
            let subject = collection.subject(&format!("s{i}")).unwrap();
            for (j, (angle, day)) in captures.iter().enumerate() {
                let info = CollectedTemplate { subject, captured_at: Some(Timestamp(day * 86_400_000)), quality: None };
                collection.push(&format!("{i}-{j}"), &[angle.cos(), angle.sin()], info).unwrap();
            }
        }
        collection
    }

    #[test]
    fn a_benefit_that_changed_hands_comes_before_one_bad_capture() {
        let collection = collection(&[
            // Steady.
            &[(0.0, 1), (0.1, 2), (0.05, 3)],
            // One bad capture between good ones: no point in time parts them.
            &[(0.0, 1), (1.5, 2), (0.1, 3)],
            // Another person from day 20 on; stored out of order.
            &[(1.4, 20), (0.0, 1), (0.1, 2), (1.5, 30)],
            &[(0.3, 1)],
        ]);
        let (pairs, found) = changed(&collection, 0.5, (0.0, -1.0));
        assert_eq!(pairs, 3 + 3 + 6);
        assert_eq!(found.iter().map(|changed| changed.subject).collect::<Vec<_>>(), [2, 1]);
        let split = found[0].split.unwrap();
        let names = [split.last_before, split.first_after].map(|row| collection.template_name(row));
        assert_eq!((names, split.before, found[0].below), (["2-2", "2-0"], 2, 4));
        assert!(split.best_across < 0.5 && found[1].split.is_none() && found[1].below == 2);
        assert!(changed(&collection, -0.5, (-1.0, -1.0)).1.is_empty());
    }

    #[test]
    fn a_record_of_two_people_is_found_though_no_pair_scores_below_and_one_an_officer_vouched_for_is_said_so() {
        let (near, far) = (0.0f32, 1.2f32);
        let mut collection = Collection::new();
        for (subject, vouched) in [("two", false), ("seen", true)] {
            let subject = collection.subject(subject).unwrap();
            for (i, angle) in [near, far, near + 0.1].into_iter().enumerate() {
                let info = CollectedTemplate { subject, captured_at: None, quality: None };
                collection.push(&format!("{subject}-{i}"), &[angle.cos(), angle.sin()], info).unwrap();
                if vouched {
                    collection.vouch_for_last();
                }
            }
        }
        // cos 1.2 = 0.36: above the score asked for, and below that of alike ones.
        let (_, found) = changed(&collection, 0.3, (0.5, -1.0));
        assert_eq!(found.iter().map(|one| (one.subject, one.groups, one.below)).collect::<Vec<_>>(), [(0, 2, 0)]);
        // A pair that scores below is listed whoever vouched, with how many were vouched for.
        let (_, found) = changed(&collection, 0.4, (0.5, -1.0));
        assert_eq!(found.iter().map(|one| (one.groups, one.vouched)).collect::<Vec<_>>(), [(2, 0), (1, 3)]);
    }
}
