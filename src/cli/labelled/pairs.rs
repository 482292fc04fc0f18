//! Loads the photos of lists of pairs, and determines their people.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};

use super::{CfpPart, LabelledArgs, Loader, PendingPhoto, PhotoRow};
use crate::cli::Failure;
use crate::cli::progress::Progress;
use crate::evaluation::{BadLine, ListedPair, ListedPhotos, PairList, PairListRow, Protocol};

/// Most pairs of a list.
const PAIRS_MAX: usize = 20_000_000;

impl Loader<'_> {
    /// The pairs of a list whose photos and people are in a manifest.
    pub(super) fn pairs_of_manifest(&mut self, list: &Path, args: &LabelledArgs) -> Result<Vec<ListedPair>, Failure> {
        let mut list = open_list(list, args)?;
        let mut kept = ListedPairs::default();
        while let Some(row) = self.next_row(&mut list)? {
            let find = |path: &PathBuf| self.photo_of.get(path).copied().unwrap_or(Err("NOT_IN_MANIFEST"));
            let taken = both_loaded(find(&row.a), find(&row.b)).and_then(|[a, b]| {
                if (self.set.subject(a) == self.set.subject(b)) != row.genuine {
                    return Err(("CONFLICTING_LABEL", "the label contradicts the manifest"));
                }
                kept.push(a, b, row.genuine)
            });
            if let Err((reason, what)) = taken {
                self.left_out.add(row.line, reason, what);
            }
        }
        Ok(kept.pairs)
    }

    /// The pairs of a list without a manifest; people are named in the list or follow from genuine
    /// pairs.
    pub(super) fn pairs_alone(&mut self, path: &Path, args: &LabelledArgs) -> Result<Vec<ListedPair>, Failure> {
        let mut list = open_list(path, args)?;
        let mut photos: Vec<(PathBuf, u64)> = Vec::new();
        let mut number: HashMap<PathBuf, u32> = HashMap::new();
        let mut people: HashMap<String, u32> = HashMap::new();
        let mut owner: Vec<Option<u32>> = Vec::new();
        let mut rows: Vec<(u64, u32, u32, bool)> = Vec::new();
        while let Some(row) = self.next_row(&mut list)? {
            if rows.len() == PAIRS_MAX || photos.len() as u64 + 2 > self.photos_max {
                self.left_out.add(row.line, "TOO_MANY", "more pairs or photos than are taken");
                continue;
            }
            let mut intern = |path: PathBuf, subject: Option<&String>| -> u32 {
                let next = photos.len() as u32;
                let at = *number.entry(path.clone()).or_insert(next);
                if at == next {
                    photos.push((path, row.line));
                    owner.push(subject.map(|name| {
                        let next = people.len() as u32;
                        *people.entry(name.clone()).or_insert(next)
                    }));
                }
                at
            };
            let named = row.subjects.as_ref();
            let (a, b) = (intern(row.a, named.map(|s| &s[0])), intern(row.b, named.map(|s| &s[1])));
            rows.push((row.line, a, b, row.genuine));
        }
        if rows.is_empty() {
            return Err(Failure::new(format_args!("pair list {}: it has no pair that can be used", path.display())));
        }
        let owners = owners(&owner, &rows);
        let progress = Progress::start(photos.len() as u64);
        let mut pending: VecDeque<PendingPhoto> = VecDeque::new();
        let mut photo_rows = photos.iter().zip(&owners).map(|((path, line), subject)| PhotoRow {
            line: *line,
            subject: *subject,
            path: path.clone(),
            values: Vec::new(),
        });
        loop {
            while pending.len() < self.window {
                let Some(next) = photo_rows.next() else { break };
                let begun = self.start(next, false)?;
                pending.push_back(begun);
                progress.step();
            }
            let Some(next) = pending.pop_front() else { break };
            self.finish(next)?;
        }
        let mut kept = ListedPairs::default();
        for (line, a, b, genuine) in rows {
            let find =
                |photo: u32| self.photo_of.get(&photos[photo as usize].0).copied().unwrap_or(Err("FILE_MISSING"));
            let taken = both_loaded(find(a), find(b)).and_then(|[photo_a, photo_b]| {
                if (owners[a as usize] == owners[b as usize]) != genuine {
                    return Err(("CONFLICTING_LABEL", "other lines say the opposite of these two photos"));
                }
                kept.push(photo_a, photo_b, genuine)
            });
            if let Err((reason, what)) = taken {
                self.left_out.add(line, reason, what);
            }
        }
        Ok(kept.pairs)
    }

    /// The next well-formed row of a list; malformed ones are reported.
    fn next_row(&mut self, list: &mut PairList) -> Result<Option<PairListRow>, Failure> {
        while let Some(row) = list.next_pair().map_err(Failure::new)? {
            match row {
                Ok(row) => return Ok(Some(row)),
                Err(BadLine { line, what }) => self.left_out.add(line, "BAD_ROW", what),
            }
        }
        Ok(None)
    }
}

/// Why a row is left out: reason code and text.
type Refused = (&'static str, &'static str);

/// Both photos of a row, or why one is missing.
fn both_loaded(a: Result<u32, &'static str>, b: Result<u32, &'static str>) -> Result<[u32; 2], Refused> {
    a.and_then(|a| b.map(|b| [a, b])).map_err(|reason| (reason, "one of its photos was left out"))
}

/// Distinct pairs.
#[derive(Default)]
struct ListedPairs {
    pairs: Vec<ListedPair>,
    seen: HashSet<(u32, u32)>,
}

impl ListedPairs {
    fn push(&mut self, a: u32, b: u32, genuine: bool) -> Result<(), Refused> {
        if a == b {
            return Err(("BAD_ROW", "a photo is compared with itself"));
        }
        if self.pairs.len() == PAIRS_MAX {
            return Err(("TOO_MANY", "more pairs than are taken"));
        }
        if !self.seen.insert((a.min(b), a.max(b))) {
            return Err(("DUPLICATE_ROW", "the same pair as in an earlier line"));
        }
        self.pairs.push(ListedPair { a, b, genuine });
        Ok(())
    }
}

fn open_list(path: &Path, args: &LabelledArgs) -> Result<PairList, Failure> {
    let protocol = match args.protocol {
        CfpPart::Ff => Protocol::FrontalFrontal,
        CfpPart::Fp => Protocol::FrontalProfile,
    };
    PairList::open(path, &ListedPhotos { folder: args.images.clone(), protocol }).map_err(Failure::new)
}

/// The person of each photo: as named, else the same as that of the photos connected to it by
/// genuine pairs.
fn owners(named: &[Option<u32>], rows: &[(u64, u32, u32, bool)]) -> Vec<u32> {
    if let Some(all) = named.iter().copied().collect::<Option<Vec<u32>>>() {
        return all;
    }
    let mut parent: Vec<u32> = (0..named.len() as u32).collect();
    fn root(parent: &mut [u32], mut of: u32) -> u32 {
        while parent[of as usize] != of {
            parent[of as usize] = parent[parent[of as usize] as usize];
            of = parent[of as usize];
        }
        of
    }
    for &(_, a, b, _) in rows.iter().filter(|row| row.3) {
        let (a, b) = (root(&mut parent, a), root(&mut parent, b));
        parent[a.max(b) as usize] = a.min(b);
    }
    let mut number: HashMap<u32, u32> = HashMap::new();
    (0..named.len() as u32)
        .map(|photo| {
            let next = number.len() as u32;
            *number.entry(root(&mut parent, photo)).or_insert(next)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genuine_pairs_say_whose_photos_are_where_nobody_else_does() {
        let rows = [(2, 0, 1, true), (3, 1, 2, true), (4, 3, 4, true), (5, 0, 3, false), (6, 5, 0, false)];
        assert_eq!(owners(&[None; 6], &rows), [0, 0, 0, 1, 1, 2]);
        assert_eq!(owners(&[Some(4), Some(4), Some(1)], &[]), [4, 4, 1]);
    }
}
