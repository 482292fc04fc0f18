//! Which of several templates show one person: groups by who is alike with whom.
//!
//! A template agrees with others where it is alike with one of them; not with each, since
//! a record has photos from the front and the side, and of years apart. So templates fall
//! into groups, and those of one person into one.

/// The number of each item's group, from 0 in the order of their first items. Items are in
/// one group where a chain of `linked` pairs leads from the one to the other.
pub fn groups(count: usize, mut linked: impl FnMut(usize, usize) -> bool) -> Vec<usize> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_alike_templates_is_one_group_and_a_stranger_another() {
        let links = [(0, 1), (1, 4), (2, 3)];
        let linked = |i, j| links.contains(&(i, j));
        assert_eq!(groups(6, linked), [0, 0, 1, 1, 0, 2]);
        assert_eq!(groups(0, linked), [0usize; 0]);
        assert_eq!(groups(3, |_, _| false), [0, 1, 2]);
        // The later item may tie the earlier ones together.
        assert_eq!(groups(3, |i, j| (i, j) != (0, 1)), [0, 0, 0]);
    }
}
