//! Which of several templates show one person: groups by who is alike with whom.
//!
//! A template agrees with others where it is alike with one of them; not with each, since
//! a record has photos from the front and the side, and of years apart. So templates fall
//! into groups, and those of one person into one.
//!
//! A chain of alike pairs can lead from one person to another: over two side views that
//! happen to be alike, over pictures mixed of both. So two groups stay apart where two of
//! their templates are further from each other than those of one person are: groups are
//! joined by their most alike pair, the most alike first, as in agglomerative clustering
//! with a cannot-link constraint (Davidson and Ravi, PKDD 2005).

/// The number of each item's group, from 0 in the order of their first items. Items are in
/// one group where a chain of `linked` pairs leads from the one to the other.
pub fn connected_groups(count: usize, mut linked: impl FnMut(usize, usize) -> bool) -> Vec<usize> {
    let mut group: Vec<usize> = (0..count).collect();
    for i in 0..count {
        for j in i + 1..count {
            if group[i] != group[j] && linked(i, j) {
                let (kept, gone) = (group[i].min(group[j]), group[i].max(group[j]));
                group.iter_mut().filter(|of| **of == gone).for_each(|of| *of = kept);
            }
        }
    }
    // A group is named by its first item so far: number them in that order.
    let firsts: Vec<usize> = (0..count).filter(|&i| group[i] == i).collect();
    group.iter().map(|name| firsts.binary_search(name).unwrap_or_default()).collect()
}

/// What two templates say of whether they are of one person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TemplateLikeness {
    /// They are alike: how much.
    Alike(f32),
    /// Nothing.
    Open,
    /// They are too far from each other.
    Apart,
}

impl TemplateLikeness {
    /// By a comparison score, the score at which two are alike, and the one below which they
    /// are apart.
    pub fn of(score: f32, alike: f32, apart: f32) -> Self {
        match score {
            score if score >= alike => Self::Alike(score),
            score if score < apart => Self::Apart,
            _ => Self::Open,
        }
    }
}

/// The number of each template's group, from 0 in the order of their first items: those of
/// one person are in one group, and no group has two that are apart.
pub fn person_groups(count: usize, mut link: impl FnMut(usize, usize) -> TemplateLikeness) -> Vec<usize> {
    let mut alike = Vec::new();
    // Row by row, by the number a group had at first: whether two groups hold some that are.
    let mut apart = vec![false; count * count];
    for i in 0..count {
        for j in i + 1..count {
            match link(i, j) {
                TemplateLikeness::Alike(score) => alike.push((score, i, j)),
                TemplateLikeness::Apart => (apart[i * count + j], apart[j * count + i]) = (true, true),
                TemplateLikeness::Open => {}
            }
        }
    }
    alike.sort_by(|(one, ..), (other, ..)| other.total_cmp(one));
    let mut group: Vec<usize> = (0..count).collect();
    for (_, i, j) in alike {
        let (kept, gone) = (group[i].min(group[j]), group[i].max(group[j]));
        if kept == gone || apart[kept * count + gone] {
            continue;
        }
        group.iter_mut().filter(|of| **of == gone).for_each(|of| *of = kept);
        for other in 0..count {
            if apart[gone * count + other] {
                (apart[kept * count + other], apart[other * count + kept]) = (true, true);
            }
        }
    }
    connected_groups(count, |i, j| group[i] == group[j])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_scores(scores: &[&[f32]]) -> Vec<usize> {
        person_groups(scores.len(), |i, j| TemplateLikeness::of(scores[j][i], 0.4, 0.2))
    }

    /// Seen: a front and a side view of one, a side and a front view of another; the side
    /// views are alike. Both people were paid on the one record.
    #[test]
    fn a_chain_over_side_views_joins_no_two_people() {
        assert_eq!(of_scores(&[&[], &[0.5], &[0.25, 0.458], &[0.155, 0.3, 0.6]]), [0, 0, 1, 1]);
        // Of one person all the pairs may be so-so.
        assert_eq!(of_scores(&[&[], &[0.5], &[0.25, 0.458], &[0.21, 0.3, 0.6]]), [0; 4]);
        assert_eq!(of_scores(&[&[], &[0.3]]), [0, 1]);
        assert_eq!(person_groups(0, |_, _| TemplateLikeness::Open), [0usize; 0]);
    }

    /// The most alike are joined first, in whatever order they came.
    #[test]
    fn the_order_of_templates_changes_nothing() {
        // 1 is alike with both, more with 2; 0 and 2 are apart.
        let scores = [[1.0, 0.45, 0.1], [0.45, 1.0, 0.6], [0.1, 0.6, 1.0]];
        for order in [[0usize, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
            let of = person_groups(3, |i, j| TemplateLikeness::of(scores[order[i]][order[j]], 0.4, 0.2));
            let place = |item: usize| of[order.iter().position(|at| *at == item).unwrap()];
            assert!(place(1) == place(2) && place(0) != place(1), "{order:?}");
        }
    }

    #[test]
    fn a_chain_of_alike_templates_is_one_group_and_a_stranger_another() {
        let links = [(0, 1), (1, 4), (2, 3)];
        let linked = |i, j| links.contains(&(i, j));
        assert_eq!(connected_groups(6, linked), [0, 0, 1, 1, 0, 2]);
        assert_eq!(connected_groups(0, linked), [0usize; 0]);
        assert_eq!(connected_groups(3, |_, _| false), [0, 1, 2]);
        // The later item may tie the earlier ones together.
        assert_eq!(connected_groups(3, |i, j| (i, j) != (0, 1)), [0, 0, 0]);
    }
}
