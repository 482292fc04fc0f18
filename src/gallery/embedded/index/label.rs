//! Who the rows of the index belong to, in eight bytes a row.
//!
//! A subject has a number and so has every set of attributes that is searched by;
//! a row's label is these two. Numbers hold for this process and its index file.
//! Ids lie end to end: some ten bytes a subject beside the id itself. A number is
//! never given to another subject: searches go on with views that are older.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashTable;

use crate::gallery::embedded::record::TraitsRecord;
use crate::gallery::{Attributes, IndexFilter, Restricted, SubjectId};
use crate::search;

/// Ids stored together.
const CHUNK: usize = 1024;

/// What comes back with a template found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label {
    /// Whose it is.
    pub(super) subject: u32,
    /// What is known of that subject.
    pub(super) traits: u32,
}

impl search::Label for Label {
    fn to_bits(&self) -> u64 {
        u64::from(self.subject) << 32 | u64::from(self.traits)
    }

    fn from_bits(bits: u64) -> Self {
        Self { subject: (bits >> 32) as u32, traits: bits as u32 }
    }
}

/// What can be searched by: attributes, and whether the record is restricted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct SearchedBy {
    pub(super) schemes: BTreeSet<String>,
    pub(super) province: Option<String>,
    pub(super) restricted: bool,
}

impl SearchedBy {
    pub(super) fn of(attributes: &Attributes, restricted: bool) -> Self {
        Self { schemes: attributes.schemes.clone(), province: attributes.province.clone(), restricted }
    }

    fn pass(&self, filter: &IndexFilter) -> bool {
        filter.admits(&self.schemes, self.province.as_deref(), self.restricted)
    }
}

/// Ids of subjects with neighbouring numbers, end to end.
#[derive(Clone, Default)]
struct Chunk {
    text: String,
    /// Where each ends in `text`. An empty one belongs to nobody any more.
    ends: Vec<u32>,
}

impl Chunk {
    fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)? as usize;
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.text.get(begin..end)
    }
}

#[derive(Default)]
struct Known {
    chunks: Vec<Arc<Chunk>>,
    subjects: u32,
    /// Numbers by id.
    numbers: HashTable<u32>,
    traits: Vec<SearchedBy>,
    numbers_of_traits: HashMap<SearchedBy, u32>,
    /// Templates with each set of traits.
    templates: Vec<u64>,
}

fn id_at(chunks: &[Arc<Chunk>], number: u32) -> Option<&str> {
    chunks.get(number as usize / CHUNK)?.get(number as usize % CHUNK)
}

/// Every number given out.
#[derive(Default)]
pub(super) struct Labels {
    known: RwLock<Known>,
    hasher: RandomState,
}

/// A filter, ready for labels of one view.
pub(super) struct LabelFilter {
    /// By number of traits; `None` lets all pass.
    traits: Option<Vec<bool>>,
    /// It asks for a scheme or a province.
    narrow: bool,
    excluded: HashSet<u32>,
}

impl LabelFilter {
    pub(super) fn passes(&self, label: Label) -> bool {
        self.traits.as_ref().is_none_or(|pass| pass.get(label.traits as usize) == Some(&true))
            && (self.excluded.is_empty() || !self.excluded.contains(&label.subject))
    }

    /// True where it may let few through.
    pub(super) fn is_narrow(&self) -> bool {
        self.narrow
    }
}

impl Labels {
    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The label of a subject with these attributes; numbers are given out where
    /// there are none. `None` when all four billion numbers are used up.
    pub(super) fn label(&self, subject: &str, traits: &SearchedBy) -> Option<Label> {
        let mut known = self.write();
        let subject = match self.find(&known, subject) {
            Some(number) => number,
            None => self.append(&mut known, subject)?,
        };
        Some(Label { subject, traits: known.number_of(traits)? })
    }

    fn find(&self, known: &Known, subject: &str) -> Option<u32> {
        let is_it = |&number: &u32| id_at(&known.chunks, number) == Some(subject);
        known.numbers.find(self.hasher.hash_one(subject), is_it).copied()
    }

    fn append(&self, known: &mut Known, subject: &str) -> Option<u32> {
        let number = known.subjects;
        known.subjects = number.checked_add(1)?;
        if (number as usize).is_multiple_of(CHUNK) {
            known.chunks.push(Arc::default());
        }
        let chunk = Arc::make_mut(known.chunks.last_mut()?);
        chunk.text.push_str(subject);
        // At most 1,024 ids of 128 bytes.
        chunk.ends.push(chunk.text.len() as u32);
        if !subject.is_empty() {
            let Known { numbers, chunks, .. } = known;
            let rehash = |&number: &u32| self.hasher.hash_one(id_at(chunks, number).unwrap_or_default());
            numbers.insert_unique(self.hasher.hash_one(subject), number, rehash);
        }
        Some(number)
    }

    /// Ids of subjects, in the order of their numbers given.
    pub(super) fn ids(&self, numbers: impl Iterator<Item = u32>) -> Vec<Option<SubjectId>> {
        let known = self.read();
        numbers.map(|number| id_at(&known.chunks, number).and_then(|id| SubjectId::new(id).ok())).collect()
    }

    /// A filter for views taken before this call or soon after.
    pub(super) fn label_filter(&self, filter: &IndexFilter) -> LabelFilter {
        let known = self.read();
        let excluded = filter.excluded.iter().filter_map(|id| self.find(&known, id.as_str())).collect();
        let narrow = filter.scheme.is_some() || filter.province.is_some();
        // Where nobody is restricted, nobody is asked.
        let leaves_out = filter.restricted == Restricted::LeftOut && known.traits.iter().any(|one| one.restricted);
        let traits = (narrow || leaves_out).then(|| known.traits.iter().map(|traits| traits.pass(filter)).collect());
        LabelFilter { traits, narrow, excluded }
    }

    /// Templates of all subjects whose attributes pass.
    pub(super) fn templates(&self, filter: &IndexFilter) -> u64 {
        let known = self.read();
        let each = known.traits.iter().zip(&known.templates);
        each.filter(|(traits, _)| traits.pass(filter)).map(|(_, &count)| count).sum()
    }

    /// Counts templates that came and went.
    pub(super) fn count(&self, came: impl Iterator<Item = Label>, gone: impl Iterator<Item = Label>) {
        let mut known = self.write();
        let mut add = |label: Label, by: i64| {
            if let Some(count) = known.templates.get_mut(label.traits as usize) {
                *count = count.saturating_add_signed(by);
            }
        };
        came.for_each(|label| add(label, 1));
        gone.for_each(|label| add(label, -1));
    }

    /// Whether a label's numbers were given out.
    pub(super) fn knows(&self, label: Label) -> bool {
        let known = self.read();
        (label.traits as usize) < known.traits.len()
            && id_at(&known.chunks, label.subject).is_some_and(|id| !id.is_empty())
    }

    /// All numbers as they are now, cheaply.
    pub(super) fn freeze(&self) -> Frozen {
        let known = self.read();
        Frozen { chunks: known.chunks.clone(), subjects: known.subjects, traits: known.traits.clone() }
    }

    /// Numbers read from a file; `None` where they make no sense. An empty id stands
    /// for a number that nobody has any more.
    pub(super) fn restore<'t>(ids: impl Iterator<Item = &'t str>, traits: Vec<TraitsRecord>) -> Option<Self> {
        let labels = Self::default();
        let mut known = labels.write();
        for id in ids {
            let fits = id.is_empty() || (SubjectId::new(id).is_ok() && labels.find(&known, id).is_none());
            if !fits {
                return None;
            }
            labels.append(&mut known, id)?;
        }
        for (number, TraitsRecord { schemes, province, restricted }) in traits.into_iter().enumerate() {
            let schemes = schemes.into_iter().collect();
            if known.number_of(&SearchedBy { schemes, province, restricted })? as usize != number {
                return None;
            }
        }
        drop(known);
        Some(labels)
    }
}

impl Known {
    fn number_of(&mut self, traits: &SearchedBy) -> Option<u32> {
        if let Some(&number) = self.numbers_of_traits.get(traits) {
            return Some(number);
        }
        let number = u32::try_from(self.traits.len()).ok()?;
        self.traits.push(traits.clone());
        self.templates.push(0);
        self.numbers_of_traits.insert(traits.clone(), number);
        Some(number)
    }
}

/// All numbers at one moment.
pub(super) struct Frozen {
    chunks: Vec<Arc<Chunk>>,
    pub(super) subjects: u32,
    traits: Vec<SearchedBy>,
}

impl Frozen {
    pub(super) fn id(&self, number: u32) -> &str {
        id_at(&self.chunks, number).unwrap_or_default()
    }

    pub(super) fn traits(&self) -> Vec<TraitsRecord> {
        let record = |SearchedBy { schemes, province, restricted }: &SearchedBy| TraitsRecord {
            schemes: schemes.iter().cloned().collect(),
            province: province.clone(),
            restricted: *restricted,
        };
        self.traits.iter().map(record).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traits(schemes: &[&str], province: Option<&str>) -> SearchedBy {
        let schemes = schemes.iter().map(|&scheme| scheme.to_owned()).collect();
        SearchedBy { schemes, province: province.map(Into::into), restricted: false }
    }

    #[test]
    fn a_number_stays_its_subjects_and_comes_back_from_a_file() {
        let labels = Labels::default();
        let (health, social) = (traits(&["health"], Some("79")), traits(&["health", "social"], None));
        let name = |i: u32| format!("subject-{i}-ế");
        for i in 0..3000 {
            let label = labels.label(&name(i), if i % 3 == 0 { &health } else { &social }).unwrap();
            assert_eq!(label.subject, i);
            assert_eq!(labels.label(&name(i), &health).unwrap().subject, i);
        }
        let frozen = labels.freeze();
        // Number 7 is used no more.
        let ids: Vec<&str> = (0..frozen.subjects).map(|i| if i == 7 { "" } else { frozen.id(i) }).collect();
        let back = Labels::restore(ids.iter().copied(), frozen.traits()).unwrap();
        for i in (0..3000).filter(|i| *i != 7) {
            assert_eq!(back.label(&name(i), &social).unwrap(), labels.label(&name(i), &social).unwrap());
        }
        assert_eq!(back.label(&name(7), &health).unwrap().subject, 3000);
        assert_eq!(back.ids([0, 7, 9999].into_iter())[0].as_ref().map(|id| id.as_str()), Some(name(0).as_str()));
        assert!(!back.knows(Label { subject: 7, traits: 0 }) && back.knows(Label { subject: 8, traits: 1 }));
        assert!(Labels::restore(["a", "a"].into_iter(), Vec::new()).is_none(), "one id under two numbers");
        assert!(Labels::restore([" a"].into_iter(), Vec::new()).is_none(), "not an id");
    }

    #[test]
    fn a_sieve_lets_through_whom_the_filter_describes() {
        let labels = Labels::default();
        let a = labels.label("a", &traits(&["health"], Some("79"))).unwrap();
        let b = labels.label("b", &traits(&["health", "social"], Some("01"))).unwrap();
        let c = labels.label("c", &traits(&[], None)).unwrap();
        labels.count([a, a, b, c].into_iter(), [a].into_iter());
        let id = |text: &str| SubjectId::new(text).unwrap();
        let passing = |filter: IndexFilter| {
            let label_filter = labels.label_filter(&filter);
            [a, b, c].map(|label| label_filter.passes(label))
        };
        assert_eq!(passing(IndexFilter::default()), [true, true, true]);
        let health = IndexFilter { scheme: Some("health".into()), ..IndexFilter::default() };
        let without = |name: &str| IndexFilter { excluded: BTreeSet::from([id(name)]), ..health.clone() };
        assert_eq!(passing(without("nobody")), [true, true, false]);
        assert_eq!(passing(without("a")), [false, true, false]);
        // Earlier programs stored what they were given.
        let old = labels.label("old", &traits(&["Health ", "pension"], Some("1"))).unwrap();
        for (scheme, province, found) in
            [("health", "01", true), ("pension", "1", true), ("social", "01", false), ("health", "10", false)]
        {
            let filter =
                IndexFilter { scheme: Some(scheme.into()), province: Some(province.into()), ..Default::default() };
            assert_eq!(labels.label_filter(&filter).passes(old), found, "{scheme} {province}");
        }
        let there = IndexFilter { province: Some("79".into()), ..health.clone() };
        assert_eq!(passing(there.clone()), [true, false, false]);
        let without = IndexFilter { excluded: BTreeSet::from([id("b"), id("c")]), ..Default::default() };
        assert_eq!(passing(without), [true, false, false]);
        assert_eq!([labels.templates(&health), labels.templates(&there)], [2, 1]);
        assert_eq!(labels.templates(&IndexFilter::default()), 3);
        // One who is restricted passes where restricted ones are asked for, and others pass as before.
        let restricted = SearchedBy { restricted: true, ..traits(&["health"], Some("79")) };
        let d = labels.label("d", &restricted).unwrap();
        let included = IndexFilter { restricted: Restricted::Included, ..IndexFilter::default() };
        for (filter, found) in [(IndexFilter::default(), false), (included, true)] {
            let label_filter = labels.label_filter(&filter);
            assert_eq!((label_filter.passes(d), label_filter.passes(a)), (found, true));
            assert!(!label_filter.is_narrow());
        }
    }
}
