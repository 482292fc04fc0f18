//! Many short texts in one piece of memory.

use std::hash::{BuildHasher, Hasher, RandomState};

use hashbrown::HashTable;

/// Texts by number, from 0. Ids of forty million templates are forty million small
/// allocations otherwise.
#[derive(Debug, Clone, Default)]
pub struct Names {
    text: String,
    /// Where each ends.
    ends: Vec<u64>,
}

impl Names {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds one.
    pub fn push(&mut self, name: &str) {
        self.text.push_str(name);
        self.ends.push(self.text.len() as u64);
    }

    /// The text of a number; empty beyond the last.
    pub fn get(&self, number: u32) -> &str {
        let number = number as usize;
        let start = number.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(number).copied().unwrap_or(start);
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Memory held, in bytes.
    pub fn bytes(&self) -> u64 {
        (self.text.capacity() + self.ends.capacity() * size_of::<u64>()) as u64
    }
}

/// [`Names`] that are all different, found by text.
#[derive(Debug, Clone, Default)]
pub struct NumberedNames {
    names: Names,
    table: HashTable<u32>,
    hashing: RandomState,
}

impl NumberedNames {
    /// The number of a text, the next one where it is new.
    pub fn number(&mut self, name: &str) -> u32 {
        let Self { names, table, hashing } = self;
        let hash = |text: &str| hashed(hashing, text);
        let next = names.len() as u32;
        let of = hash(name);
        if let Some(&known) = table.find(of, |&number| names.get(number) == name) {
            return known;
        }
        names.push(name);
        table.insert_unique(of, next, |&number| hash(names.get(number)));
        next
    }

    /// The number of a text that is there.
    pub fn find(&self, name: &str) -> Option<u32> {
        self.table.find(hashed(&self.hashing, name), |&number| self.names.get(number) == name).copied()
    }

    /// The texts by number.
    pub fn names(&self) -> &Names {
        &self.names
    }
}

fn hashed(hashing: &RandomState, text: &str) -> u64 {
    let mut hasher = hashing.build_hasher();
    hasher.write(text.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_has_one_number_and_every_number_its_text() {
        let mut numbers = NumberedNames::default();
        for round in 0..2 {
            for n in 0..2000u32 {
                assert_eq!(numbers.number(&format!("người {n}")), n, "round {round}");
            }
        }
        assert_eq!(numbers.number(""), 2000);
        assert_eq!((numbers.names().get(7), numbers.names().get(2000), numbers.names().get(9999)), ("người 7", "", ""));
        assert_eq!((numbers.find("người 1999"), numbers.find("x")), (Some(1999), None));
    }
}
