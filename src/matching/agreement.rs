//! Groups templates by person from pairwise comparison scores.
//!
//! A template belongs to a group if it matches one of its templates; it need not match each, since
//! a record has frontal and side views, and photos taken years apart.
//!
//! Chains of matching pairs can connect two people: over two similar side views, or over morphed
//! pictures. So two groups are not joined if any two of their templates score too low for one
//! person. Groups are joined in descending order of their best pair: agglomerative clustering with
//! cannot-link constraints (Davidson and Ravi, PKDD 2005).

/// Connected components of the graph whose edges are the `linked` pairs of `count` items. Returns
/// the group number of each item; groups are numbered from 0 in the order of their first items.
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
    // So far a group is identified by its first item; number groups in that order.
    let firsts: Vec<usize> = (0..count).filter(|&i| group[i] == i).collect();
    group.iter().map(|name| firsts.binary_search(name).unwrap_or_default()).collect()
}

/// Whether two templates can be of one person, by their comparison score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TemplateLikeness {
    /// They match; holds the score.
    Alike(f32),
    /// The score decides nothing.
    Open,
    /// The score is too low for one person.
    Apart,
}

impl TemplateLikeness {
    /// Classifies `score`: at or above `alike` the templates match, below `apart` they are of two
    /// people.
    pub fn of(score: f32, alike: f32, apart: f32) -> Self {
        match score {
            score if score >= alike => Self::Alike(score),
            score if score < apart => Self::Apart,
            _ => Self::Open,
        }
    }
}

/// Groups `count` templates by person. Returns the group number of each, numbered from 0 in the
/// order of their first templates. No group has two templates that `link` calls
/// [`TemplateLikeness::Apart`].
pub fn person_groups(count: usize, mut link: impl FnMut(usize, usize) -> TemplateLikeness) -> Vec<usize> {
    let mut alike = Vec::new();
    // `apart[i * count + j]`: whether the groups first numbered `i` and `j` hold two templates that
    // are apart.
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

    /// Regression: frontal and side view of one person, side and frontal view of another, and the
    /// side views match. Both people were paid on one record.
    #[test]
    fn a_chain_over_side_views_joins_no_two_people() {
        assert_eq!(of_scores(&[&[], &[0.5], &[0.25, 0.458], &[0.155, 0.3, 0.6]]), [0, 0, 1, 1]);
        // The pairs of one person may all have middling scores.
        assert_eq!(of_scores(&[&[], &[0.5], &[0.25, 0.458], &[0.21, 0.3, 0.6]]), [0; 4]);
        assert_eq!(of_scores(&[&[], &[0.3]]), [0, 1]);
        assert_eq!(person_groups(0, |_, _| TemplateLikeness::Open), [0usize; 0]);
    }

    /// Groups are joined in descending order of scores, whatever the order of templates.
    #[test]
    fn the_order_of_templates_changes_nothing() {
        // Template 1 matches both, 2 better; 0 and 2 are apart.
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
        // A later item may connect two earlier groups.
        assert_eq!(connected_groups(3, |i, j| (i, j) != (0, 1)), [0, 0, 0]);
    }
}
