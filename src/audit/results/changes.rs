//! What has changed since an earlier run of the same audit.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::{RecordFound, Results, RingFound};
use crate::audit::ids::{EarlierRing, IdKey, StableId, ring_ids, show_enough};
use crate::audit::seen::SeenMarks;

/// Figures of what has changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChangesSummary {
    /// When the earlier run finished, UTC (RFC 3339), where it says so.
    pub since: Option<String>,
    /// Where it is kept, within the audit's folder.
    pub kept_in: String,
    /// The score from which on pairs were found then.
    pub threshold_before: f32,
    /// Records compared now and not then; absent where the earlier run kept no list of them.
    pub records_new: Option<u64>,
    /// Records compared then and not now.
    pub records_left: Option<u64>,
    /// Pairs of records found now and not then.
    pub pairs_new: u64,
    /// Pairs of records found then and not now.
    pub pairs_gone: u64,
    /// Rings of none of whose members a ring was found then.
    pub rings_new: u64,
    /// Rings that only gained members.
    pub rings_grown: u64,
    /// Rings that only lost members.
    pub rings_shrunk: u64,
    /// Rings that gained and lost members.
    pub rings_exchanged: u64,
    /// Rings with members of several earlier ones.
    pub rings_merged: u64,
    /// Rings that were part of another one.
    pub rings_split: u64,
    /// Rings that are there no more.
    pub rings_gone: u64,
}

/// What became of a pair of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairChange {
    /// New: one of the records was not compared then.
    NewRecord,
    /// New: it was cleared then.
    ClearedNoMore,
    /// New: both records were compared then, and are found now (new captures, another score).
    NewlyFound,
    /// Gone: one of the records is not compared any more.
    RecordLeft,
    /// Gone: it was cleared.
    Cleared,
    /// Gone: both records were compared, and are not found any more.
    NotFound,
}

impl PairChange {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::NewRecord, Self::ClearedNoMore, Self::NewlyFound, Self::RecordLeft, Self::Cleared, Self::NotFound];

    /// As in `changes.csv`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NewRecord => "new_record",
            Self::ClearedNoMore => "cleared_no_more",
            Self::NewlyFound => "newly_found",
            Self::RecordLeft => "record_left",
            Self::Cleared => "cleared",
            Self::NotFound => "not_found",
        }
    }

    /// Whether the pair is there now.
    pub fn is_new(self) -> bool {
        matches!(self, Self::NewRecord | Self::ClearedNoMore | Self::NewlyFound)
    }
}

/// A pair of records that came or went.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangedPair {
    /// What became of it.
    pub change: PairChange,
    /// Its stable id.
    pub id: StableId,
    /// The ids of the two records, the first in byte order first.
    pub records: [String; 2],
    /// Its best score: now, or then where it is gone.
    pub score: f32,
}

/// What became of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RingChange {
    /// No member was in a ring then.
    New,
    /// It gained members.
    Grown,
    /// It lost members, who are in no ring now.
    Shrunk,
    /// It gained members and lost others.
    Exchanged,
    /// Several earlier rings have members in it.
    Merged,
    /// It is a part of an earlier ring that fell apart.
    Split,
    /// It is there no more.
    Gone,
}

impl RingChange {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::New, Self::Grown, Self::Shrunk, Self::Exchanged, Self::Merged, Self::Split, Self::Gone];

    /// As in `changes.csv`.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Grown => "grown",
            Self::Shrunk => "shrunk",
            Self::Exchanged => "exchanged",
            Self::Merged => "merged",
            Self::Split => "split",
            Self::Gone => "gone",
        }
    }
}

/// A ring that is not as it was.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangedRing {
    /// What became of it.
    pub change: RingChange,
    /// Its stable id.
    pub id: StableId,
    /// Members now; then, where it is gone.
    pub members: u64,
    /// Records that were not in the ring of this id.
    pub joined: Vec<String>,
    /// Records that were in the ring of this id, and are not.
    pub left: Vec<String>,
    /// Other rings of which it has members, or which have members of it.
    pub others: Vec<StableId>,
}

// Who shares a face with whom stays out of logs.
impl std::fmt::Debug for ChangedPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChangedPair({})", self.change.name())
    }
}

impl std::fmt::Debug for ChangedRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChangedRing({})", self.change.name())
    }
}

/// An earlier run of the same audit.
pub struct EarlierRun<'a> {
    /// What it found.
    pub results: &'a Results,
    /// Records it compared, where it kept a list of them.
    pub records: Option<&'a SeenMarks>,
    /// Where it is kept, within the audit's folder.
    pub kept_in: String,
}

impl Results {
    /// Gives pairs and rings their stable ids. Rings of `earlier` results keep theirs.
    pub fn give_ids(&mut self, key: &IdKey, earlier: Option<&Self>) {
        let Self { records, links, cleared, .. } = self;
        let pair = |a: u32, b: u32| key.pair(&records[a as usize].id, &records[b as usize].id);
        links.iter_mut().for_each(|link| link.id = Some(pair(link.a, link.b)));
        cleared.iter_mut().for_each(|found| found.id = Some(pair(found.a, found.b)));
        let ids = links.iter_mut().map(|link| &mut link.id).chain(cleared.iter_mut().map(|found| &mut found.id));
        show_enough(&mut ids.flatten().collect::<Vec<_>>());
        let earlier = earlier.map(|earlier| earlier.earlier_rings(key)).unwrap_or_default();
        let rings: Vec<Vec<&str>> = self.rings.iter().map(|ring| member_ids(&self.records, ring)).collect();
        let ids = ring_ids(key, &rings, &earlier);
        self.rings.iter_mut().zip(ids).for_each(|(ring, id)| ring.id = Some(id));
    }

    /// Rings for a later audit. Those of earlier programs have the ids that they would be given now.
    fn earlier_rings(&self, key: &IdKey) -> Vec<EarlierRing<'_>> {
        let members: Vec<Vec<&str>> = self.rings.iter().map(|ring| member_ids(&self.records, ring)).collect();
        let anew = ring_ids(key, &members, &[]);
        let rings = self.rings.iter().zip(members).zip(anew);
        rings.map(|((ring, members), anew)| EarlierRing { id: ring.id.unwrap_or(anew), members }).collect()
    }

    /// Says what has changed since an earlier run. Ids were given before.
    pub fn compare(&mut self, key: &IdKey, earlier: &EarlierRun<'_>, records: &SeenMarks) {
        let Results { summary, .. } = earlier.results;
        let mut told = ChangesSummary {
            since: summary.run.as_ref().map(|run| run.finished.clone()),
            kept_in: earlier.kept_in.clone(),
            threshold_before: summary.threshold,
            records_new: earlier.records.map(|before| records.not_in(before)),
            records_left: earlier.records.map(|before| before.not_in(records)),
            ..ChangesSummary::default()
        };
        self.changed_pairs = changed_pairs(key, earlier, self, records);
        told.pairs_new = self.changed_pairs.iter().filter(|pair| pair.change.is_new()).count() as u64;
        told.pairs_gone = self.changed_pairs.len() as u64 - told.pairs_new;
        self.changed_rings = changed_rings(&earlier.results.earlier_rings(key), self);
        for ring in &self.changed_rings {
            *match ring.change {
                RingChange::New => &mut told.rings_new,
                RingChange::Grown => &mut told.rings_grown,
                RingChange::Shrunk => &mut told.rings_shrunk,
                RingChange::Exchanged => &mut told.rings_exchanged,
                RingChange::Merged => &mut told.rings_merged,
                RingChange::Split => &mut told.rings_split,
                RingChange::Gone => &mut told.rings_gone,
            } += 1;
        }
        self.summary.changes = Some(told);
    }
}

fn member_ids<'a>(records: &'a [RecordFound], ring: &RingFound) -> Vec<&'a str> {
    ring.members.iter().map(|&member| records[member as usize].id.as_str()).collect()
}

/// Pairs of record ids, the first in byte order first, with their best score.
type Pairs<'a> = HashMap<[&'a str; 2], f32>;

/// Pairs found, and pairs cleared.
fn pairs(of: &Results) -> (Pairs<'_>, Pairs<'_>) {
    let ids = |a: u32, b: u32| {
        let mut ids = [a, b].map(|record| of.records[record as usize].id.as_str());
        ids.sort_unstable();
        ids
    };
    let found = of.links.iter().map(|link| (ids(link.a, link.b), link.score));
    (found.collect(), of.cleared.iter().map(|pair| (ids(pair.a, pair.b), pair.score)).collect())
}

/// New ones first, the best score first.
fn changed_pairs(key: &IdKey, earlier: &EarlierRun<'_>, now: &Results, records: &SeenMarks) -> Vec<ChangedPair> {
    let ((before, cleared_before), (found, cleared)) = (pairs(earlier.results), pairs(now));
    let mut changed = Vec::new();
    let mut push = |change: PairChange, ids: &[&str; 2], score: f32| {
        changed.push(ChangedPair { change, id: key.pair(ids[0], ids[1]), records: ids.map(str::to_owned), score });
    };
    let is_new = |id: &str| earlier.records.is_some_and(|before| !before.contains(&key.record(id)));
    for (ids, &score) in found.iter().filter(|(ids, _)| !before.contains_key(*ids)) {
        let change = match ids.iter().any(|id| is_new(id)) {
            true => PairChange::NewRecord,
            false if cleared_before.contains_key(ids) => PairChange::ClearedNoMore,
            false => PairChange::NewlyFound,
        };
        push(change, ids, score);
    }
    for (ids, &score) in before.iter().filter(|(ids, _)| !found.contains_key(*ids)) {
        let change = match cleared.contains_key(ids) {
            true => PairChange::Cleared,
            false if ids.iter().any(|id| !records.contains(&key.record(id))) => PairChange::RecordLeft,
            false => PairChange::NotFound,
        };
        push(change, ids, score);
    }
    changed.sort_by(|x, y| {
        let order = y.change.is_new().cmp(&x.change.is_new()).then(y.score.total_cmp(&x.score));
        order.then_with(|| x.records.cmp(&y.records))
    });
    show_enough(&mut changed.iter_mut().map(|pair| &mut pair.id).collect::<Vec<_>>());
    changed
}

/// Rings of now by rank, then those that are gone by their rank.
fn changed_rings(before: &[EarlierRing<'_>], now: &Results) -> Vec<ChangedRing> {
    let place_before: HashMap<&str, usize> = places(before.iter().map(|ring| ring.members.as_slice()));
    let members: Vec<Vec<&str>> = now.rings.iter().map(|ring| member_ids(&now.records, ring)).collect();
    let place_now: HashMap<&str, usize> = places(members.iter().map(Vec::as_slice));
    let place_of: HashMap<_, usize> = before.iter().enumerate().map(|(place, ring)| (ring.id.key(), place)).collect();
    let mut changed = Vec::new();
    let mut kept = vec![false; before.len()];
    for (members, id) in members.iter().zip(now.rings.iter().map(|ring| ring.id)) {
        let Some(id) = id else { continue };
        let same = place_of.get(&id.key()).copied();
        let from: BTreeSet<usize> = members.iter().filter_map(|member| place_before.get(member).copied()).collect();
        let others = from.iter().filter(|&&place| Some(place) != same).map(|&place| before[place].id).collect();
        let of_same = same.map_or(&[][..], |place| &before[place].members);
        let joined = without(members, of_same);
        let left = without(of_same, members);
        let change = match same {
            _ if from.len() > 1 => RingChange::Merged,
            None if from.is_empty() => RingChange::New,
            None => RingChange::Split,
            Some(_) if left.iter().any(|id| place_now.contains_key(id.as_str())) => RingChange::Split,
            Some(_) => match (joined.is_empty(), left.is_empty()) {
                (true, true) => {
                    same.into_iter().for_each(|place| kept[place] = true);
                    continue;
                }
                (false, true) => RingChange::Grown,
                (true, false) => RingChange::Shrunk,
                (false, false) => RingChange::Exchanged,
            },
        };
        same.into_iter().for_each(|place| kept[place] = true);
        let members = members.len() as u64;
        changed.push(ChangedRing { change, id, members, joined, left, others });
    }
    for (ring, _) in before.iter().zip(kept).filter(|(_, kept)| !kept) {
        let into: BTreeSet<usize> = ring.members.iter().filter_map(|member| place_now.get(member).copied()).collect();
        changed.push(ChangedRing {
            change: RingChange::Gone,
            id: ring.id,
            members: ring.members.len() as u64,
            joined: Vec::new(),
            left: without(&ring.members, &[]),
            others: into.into_iter().filter_map(|place| now.rings[place].id).collect(),
        });
    }
    changed
}

/// By member, the place of its ring.
fn places<'a>(rings: impl Iterator<Item = impl AsRef<[&'a str]>>) -> HashMap<&'a str, usize> {
    let mut places = HashMap::new();
    for (place, ring) in rings.enumerate() {
        places.extend(ring.as_ref().iter().map(|&member| (member, place)));
    }
    places
}

/// Those of `these` that are not among `those`, in byte order.
fn without(these: &[&str], those: &[&str]) -> Vec<String> {
    let those: BTreeSet<&str> = those.iter().copied().collect();
    let mut left: Vec<String> = these.iter().filter(|id| !those.contains(*id)).map(|id| (*id).to_owned()).collect();
    left.sort_unstable();
    left
}
