//! Sampled non-mates of a gallery, and the duplicates that hide among them.
//!
//! Rows are drawn, and all pairs of them of one kind are compared. In a gallery where
//! many are enrolled twice, some of these pairs are of one person, and at high scores
//! such pairs outnumber chance by far. They are set aside as follows.
//!
//! 1. From some score on, the fitted tail of the sample expects less than
//!    [`CHANCE_PAIRS_MAX`] pairs in all of it. Subjects with a pair above are taken for
//!    one person: all their pairs leave the sample, low ones too, and those through a
//!    common neighbour. So a person with five captures under each of two names is out
//!    even where one capture is like none.
//! 2. Those not recognised must be few against what is counted: how many of them are to
//!    be expected follows from those recognised and from the rate at which mates are
//!    missed at that score, and the last counted point of the curve rests on at least
//!    [`TIMES_LEFT_MIN`] times as many pairs. Further out the tail is extrapolated.
//! 3. Both depend on the curve, so they are repeated; the score only falls.
//!
//! What it costs: real look-alikes beyond the score of step 1 are set aside as well, so
//! the tail rests on those below it.

use std::collections::{BTreeMap, BTreeSet};

use super::{KindOfPair, SampledKind, SamplingPlan, SamplingSide};
use crate::audit::shared_templates::SharedTemplates;
use crate::evaluation::{
    ComparisonSource, CurveDescription, CurveShape, FitError, Histogram, ScoredComparison, SplitMix, bin, collect,
    edge, fit_curve_down_to, histograms,
};
use crate::matching::{Curve, Dot};
use crate::search::SearchError;

/// Chance pairs expected in a whole sample at or above the score from which on pairs are
/// set aside.
const CHANCE_PAIRS_MAX: f64 = 1.0;
/// How many times as many pairs as duplicates left a counted point rests on.
const TIMES_LEFT_MIN: f64 = 10.0;
/// Where the search for that score begins: hardly a stranger scores as high with any
/// pack, and half of the mates do with the default pack.
const SET_ASIDE_FROM_MAX: f32 = 0.7;
/// Pairs held one by one: the highest of a sample, this share of it. More duplicates than
/// that are not all seen.
const HELD_SHARE: f64 = 0.03;
/// Share of mates missed at any score, where nothing says.
const MISSED_UNKNOWN: f64 = 0.5;
/// Pairs in people under three names or more that say it.
const MISSED_PAIRS_MIN: f64 = 100.0;
/// Bounds of what is said of it: those who are not recognised may be of another kind.
const MISSED: std::ops::RangeInclusive<f64> = 0.05..=0.95;
/// Times that the score is looked for.
const ROUNDS: usize = 8;
/// Where a further round would change nothing.
const SCORE_STEP_MIN: f32 = 0.001;
/// Rows of a sample at most, from each side: 100 MB.
const ROWS_MAX: u64 = 50_000;

/// Why there is no curve.
#[derive(Debug)]
pub(super) enum SamplingRefusal {
    /// Vectors could not be read.
    Search(SearchError),
    /// The sample gives none.
    Fit(FitError),
}

impl From<SearchError> for SamplingRefusal {
    fn from(error: SearchError) -> Self {
        Self::Search(error)
    }
}

impl From<FitError> for SamplingRefusal {
    fn from(error: FitError) -> Self {
        Self::Fit(error)
    }
}

/// A gallery to draw from.
pub(super) struct Sample<'a> {
    plan: &'a SamplingPlan<'a>,
    /// Pairs of different subjects: all, and those alike. Each counts once.
    pairs: [f64; 2],
    /// Times they meet, those of templates that both galleries hold twice.
    meetings: f64,
}

impl<'a> Sample<'a> {
    pub fn new(plan: &'a SamplingPlan<'a>) -> Result<Self, SearchError> {
        for rows in [Some(plan.first), plan.second].into_iter().flatten() {
            let expected = rows.side.vectors.rows();
            let strata = rows.strata.map_or(expected, <[Option<u32>]>::len);
            for found in [rows.side.groups.len(), strata] {
                if found != expected {
                    return Err(SearchError::Groups { expected, found });
                }
            }
        }
        let meetings = pairs(&plan.first, plan.second.as_ref(), &|_| true);
        // What is in both galleries meets itself in the first alone.
        let again = plan.shared.map(|shared| {
            let mut is_shared = vec![false; plan.first.side.groups.len()];
            shared.rows().for_each(|row| is_shared[row as usize] = true);
            pairs(&plan.first, None, &|row| is_shared[row])
        });
        let [all, alike] = again.unwrap_or_default();
        Ok(Self { plan, pairs: [meetings[0] - all, meetings[1] - alike], meetings: meetings[0] })
    }

    /// Whether pairs alike and unlike can be told apart, and there are both.
    pub fn is_stratified(&self) -> bool {
        self.pairs[1] > 0.0 && self.pairs[1] < self.pairs[0]
    }

    fn pairs_of(&self, kind: KindOfPair) -> f64 {
        match kind {
            KindOfPair::Any => self.pairs[0],
            KindOfPair::Alike => self.pairs[1],
            KindOfPair::Unlike => self.pairs[0] - self.pairs[1],
        }
    }

    /// The curve of one kind of pairs.
    pub fn kind(&self, of: KindOfPair) -> Result<SampledKind, SamplingRefusal> {
        let share = self.pairs_of(of) / self.pairs[0].max(1.0);
        let kinds = if of == KindOfPair::Any { 1 } else { 2 };
        let wanted = self.pairs_of(of) / self.meetings.max(1.0);
        let drawn = Drawn::new(self.plan, of, wanted, self.plan.sampled_max / kinds)?;
        let (owners, aside) = set_aside(&drawn, self.plan.calibration)?;
        let merged = Merged { drawn: &drawn, owners: &owners };
        let about = CurveDescription { population: "this gallery".to_owned(), ..CurveDescription::unlabelled() };
        let curve = fit_curve_down_to(&merged, drawn.subjects, about, aside.matches_min)?;
        Ok(SampledKind {
            of,
            comparisons: self.plan.comparisons as f64 * share,
            sampled: curve.impostor_comparisons + aside.pairs,
            set_aside: aside.pairs,
            set_aside_from: aside.from,
            curve,
        })
    }
}

/// Pairs of rows of different subjects: all, and those of one stratum. Of the first side
/// those rows count that `counts` says.
fn pairs(first: &SamplingSide<'_>, second: Option<&SamplingSide<'_>>, counts: &dyn Fn(usize) -> bool) -> [f64; 2] {
    type Key<'k> = &'k dyn Fn(u32, Option<u32>) -> Option<u64>;
    let keys = |rows: &SamplingSide<'_>, counts: &dyn Fn(usize) -> bool, key: Key<'_>| -> Vec<u64> {
        let stratum = |i: usize| rows.strata.and_then(|strata| strata[i]);
        let groups = rows.side.groups.iter().enumerate().filter(|(i, _)| counts(*i));
        let mut keys: Vec<u64> = groups.filter_map(|(i, &group)| key(group, stratum(i))).collect();
        keys.sort_unstable();
        keys
    };
    let meet = |key: Key<'_>| {
        let other = second.map(|second| keys(second, &|_| true, key));
        meetings(&keys(first, counts, key), other.as_deref())
    };
    let all = meet(&|_, _| Some(0)) - meet(&|group, _| Some(u64::from(group)));
    let alike = meet(&|_, stratum| stratum.map(u64::from))
        - meet(&|group, stratum| stratum.map(|stratum| u64::from(stratum) << 32 | u64::from(group)));
    [all, alike]
}

/// Pairs of equal keys, of two of one sorted list or of one of each.
fn meetings(first: &[u64], second: Option<&[u64]>) -> f64 {
    let runs = first.chunk_by(|a, b| a == b);
    match second {
        None => runs.map(|run| run.len() as f64 * (run.len() as f64 - 1.0) / 2.0).sum(),
        Some(other) => runs
            .map(|run| {
                let (from, to) = (other.partition_point(|k| *k < run[0]), other.partition_point(|k| *k <= run[0]));
                run.len() as f64 * (to - from) as f64
            })
            .sum(),
    }
}

/// Rows drawn from both sides, by stratum, in memory.
struct Drawn<'a> {
    of: KindOfPair,
    sides: Vec<DrawnSide>,
    shared: Option<&'a SharedTemplates>,
    subjects: usize,
    dimension: usize,
    dot: Dot,
}

struct DrawnSide {
    /// By row, which of the side's it is.
    rows: Vec<u32>,
    values: Vec<f32>,
    /// By row, the subject, numbered anew for both sides together.
    owners: Vec<u32>,
    /// By row: rows of strata known lie together, those unknown at the end.
    strata: Vec<Option<u32>>,
}

impl<'a> Drawn<'a> {
    /// So many rows that about `pairs_max` of their pairs are of the kind, whose share
    /// among all that meet is `share`.
    fn new(plan: &SamplingPlan<'a>, of: KindOfPair, share: f64, pairs_max: u64) -> Result<Self, SearchError> {
        let dimension = plan.first.side.vectors.dimension();
        let halves = if plan.second.is_some() { 1.0 } else { 2.0 };
        let wanted = (halves * pairs_max as f64 / share.max(1e-9)).sqrt().ceil().min(ROWS_MAX as f64) as usize;
        let mut numbers: BTreeMap<u32, u32> = BTreeMap::new();
        let mut sides = Vec::new();
        for (stream, rows) in (0u64..).zip([Some(plan.first), plan.second].into_iter().flatten()) {
            let stratum = |row: u32| rows.strata.and_then(|strata| strata[row as usize]);
            let mut chosen = draw(rows.side.vectors.rows(), wanted, SplitMix::stream(plan.seed, stream));
            chosen.sort_by_key(|&row| (stratum(row).is_none(), stratum(row), row));
            let mut values = vec![0.0; chosen.len() * dimension];
            for (&row, into) in chosen.iter().zip(values.chunks_exact_mut(dimension.max(1))) {
                rows.side.vectors.read(row, into)?;
            }
            let owners = chosen
                .iter()
                .map(|&row| {
                    let next = numbers.len() as u32;
                    *numbers.entry(rows.side.groups[row as usize]).or_insert(next)
                })
                .collect();
            let strata = chosen.iter().map(|&row| stratum(row)).collect();
            sides.push(DrawnSide { rows: chosen, values, owners, strata });
        }
        let shared = plan.shared.filter(|_| sides.len() > 1);
        Ok(Self { of, sides, shared, subjects: numbers.len(), dimension, dot: Dot::best() })
    }

    /// Captures drawn, by subject; one drawn from both galleries is one.
    fn captures(&self) -> Vec<u32> {
        let mut captures = vec![0; self.subjects];
        let first: BTreeSet<u32> = match self.shared {
            Some(_) => self.sides[0].rows.iter().copied().collect(),
            None => BTreeSet::new(),
        };
        for (side, of) in self.sides.iter().enumerate() {
            for (&row, &owner) in of.rows.iter().zip(&of.owners) {
                let place = self.shared.filter(|_| side == 1).and_then(|shared| shared.place(row));
                if !place.is_some_and(|place| first.contains(&place)) {
                    captures[owner as usize] += 1;
                }
            }
        }
        captures
    }

    /// Whether the pair of a drawn row of the first gallery and one of the second is met
    /// from the other side, too, and counts there.
    fn is_second_time(&self, first: usize, second: usize) -> bool {
        self.shared.is_some_and(|shared| shared.is_second_time(self.sides[0].rows[first], self.sides[1].rows[second]))
    }
}

/// `wanted` of `rows` rows, or all, without repetition.
fn draw(rows: usize, wanted: usize, mut random: SplitMix) -> Vec<u32> {
    if wanted >= rows / 2 {
        let mut all: Vec<u32> = (0..rows as u32).collect();
        random.choose(&mut all, wanted);
        all.truncate(wanted);
        return all;
    }
    let mut chosen = BTreeSet::new();
    while chosen.len() < wanted {
        chosen.insert(random.below(rows) as u32);
    }
    chosen.into_iter().collect()
}

/// Drawn rows of which some subjects are taken for one.
struct Merged<'a> {
    drawn: &'a Drawn<'a>,
    /// By subject drawn, whom it is taken for.
    owners: &'a [u32],
}

impl ComparisonSource for Merged<'_> {
    fn rows(&self) -> usize {
        self.drawn.sides[0].owners.len()
    }

    fn row(&self, row: usize, visit: &mut dyn FnMut(ScoredComparison)) {
        let Drawn { of, sides, dimension, dot, .. } = self.drawn;
        let (first, other) = (&sides[0], &sides[sides.len() - 1]);
        // Within one gallery, every two rows once.
        let begin = if sides.len() == 1 { row + 1 } else { 0 };
        let key = |stratum: &Option<u32>| (stratum.is_none(), *stratum);
        let own = first.strata[row];
        let same = match own {
            Some(_) => {
                let from = other.strata.partition_point(|s| key(s) < key(&own)).max(begin);
                let to = other.strata.partition_point(|s| key(s) <= key(&own));
                from..to.max(from)
            }
            // Not known to agree with anybody.
            None => begin..begin,
        };
        let all = begin..other.owners.len();
        let ranges = match of {
            KindOfPair::Any => [all, 0..0],
            KindOfPair::Alike => [same, 0..0],
            KindOfPair::Unlike => [begin..same.start, same.end..all.end],
        };
        let vector = |side: &'_ DrawnSide, row: usize| -> std::ops::Range<usize> {
            debug_assert!(row < side.owners.len());
            row * dimension..(row + 1) * dimension
        };
        let mine = &first.values[vector(first, row)];
        let subject_a = self.owners[first.owners[row] as usize];
        for partner in ranges.into_iter().flatten() {
            let subject_b = self.owners[other.owners[partner] as usize];
            if subject_a != subject_b && !self.drawn.is_second_time(row, partner) {
                let score = dot.score(mine, &other.values[vector(other, partner)]);
                visit(ScoredComparison {
                    score,
                    a: row as u32,
                    b: partner as u32,
                    subject_a,
                    subject_b,
                    genuine: false,
                });
            }
        }
    }
}

/// What was set aside.
struct Aside {
    pairs: u64,
    from: f32,
    /// Pairs the last counted point rests on.
    matches_min: u64,
}

/// Whom each subject is taken for, and what that sets aside.
fn set_aside(drawn: &Drawn<'_>, calibration: Option<&Curve>) -> Result<(Vec<u32>, Aside), SamplingRefusal> {
    let nobody: Vec<u32> = (0..drawn.subjects as u32).collect();
    let source = Merged { drawn, owners: &nobody };
    let [_, all] = histograms(&source);
    let held = ((all.count() as f64 * HELD_SHARE) as u64).max(1);
    let held_from = all.holding_above(held).map_or(i32::MAX, |(at, _)| at);
    let mut highest = collect(&source, |_, at| at >= held_from);
    highest.sort_unstable_by(|x, y| y.score.total_cmp(&x.score).then((x.a, x.b).cmp(&(y.a, y.b))));
    let captures = drawn.captures();

    let mut from = SET_ASIDE_FROM_MAX.max(edge(held_from.min(bin(1.0))));
    let mut outcome = Err(FitError::NoTail);
    for _ in 0..ROUNDS {
        let OnePerson { owners, left } = take_for_one(&highest, from, &captures, calibration);
        let of_one = |pair: &&ScoredComparison| owners[pair.subject_a as usize] == owners[pair.subject_b as usize];
        let out = Histogram::of(highest.iter().filter(of_one).map(|pair| pair.score));
        let matches_min = (TIMES_LEFT_MIN * left).ceil() as u64;
        let shape = match CurveShape::of(&all.less(&out), matches_min) {
            Ok(shape) => shape,
            // What an earlier round gave stands.
            Err(error) => return outcome.map_err(|_: FitError| error.into()),
        };
        outcome = Ok((owners, Aside { pairs: out.count(), from, matches_min }));
        let next = shape.tail_score(CHANCE_PAIRS_MAX / all.count() as f64) as f32;
        let next = next.max(edge(held_from));
        if next > from - SCORE_STEP_MIN {
            break;
        }
        from = next;
    }
    Ok(outcome?)
}

/// Subjects taken for one person.
struct OnePerson {
    /// By subject, whom it is taken for.
    owners: Vec<u32>,
    /// How many pairs of one person are expected to be left.
    left: f64,
}

/// Takes subjects with a pair at or above `from` for one person.
///
/// Two subjects with k captures each are missed where all k are: the rate at which mates
/// are missed, to the k-th power. And for all that were recognised so many were not
/// (Horvitz and Thompson, 1952).
fn take_for_one(highest: &[ScoredComparison], from: f32, captures: &[u32], calibration: Option<&Curve>) -> OnePerson {
    let mut owners: Vec<u32> = (0..captures.len() as u32).collect();
    let mut recognised: Vec<(u32, u32)> = Vec::new();
    for pair in highest.iter().take_while(|pair| pair.score >= from) {
        let (a, b) = (pair.subject_a.min(pair.subject_b), pair.subject_a.max(pair.subject_b));
        recognised.push((a, b));
        let (a, b) = (root(&mut owners, a), root(&mut owners, b));
        owners[a.max(b) as usize] = a.min(b);
    }
    (0..owners.len() as u32).for_each(|subject| {
        let root = root(&mut owners, subject);
        owners[subject as usize] = root;
    });
    recognised.sort_unstable();
    recognised.dedup();
    let missed = missed(&owners, &recognised, captures, from, calibration);
    let left = recognised.iter().map(|&(a, b)| {
        let (a, b) = (captures[a as usize], captures[b as usize]);
        let missed = missed.powi(a.min(b).min(64) as i32);
        f64::from(a) * f64::from(b) * missed / (1.0 - missed)
    });
    OnePerson { left: left.sum(), owners }
}

/// The share of mates that score below `from`: what people under three names or more show,
/// some pairs of which are only known through a third; else what the calibration says.
fn missed(owners: &[u32], recognised: &[(u32, u32)], captures: &[u32], from: f32, calibration: Option<&Curve>) -> f64 {
    // By person: names, and pairs of names recognised, of those with one capture each.
    let mut people: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
    let single = |subject: u32| captures[subject as usize] == 1;
    for (&owner, _) in owners.iter().zip(captures).filter(|(_, captures)| **captures == 1) {
        people.entry(owner).or_default().0 += 1.0;
    }
    for &(a, _) in recognised.iter().filter(|(a, b)| single(*a) && single(*b)) {
        people.entry(owners[a as usize]).or_default().1 += 1.0;
    }
    let several = people.values().filter(|(names, _)| *names > 2.0);
    let (pairs, seen) =
        several.fold((0.0, 0.0), |(pairs, seen), (names, own)| (pairs + names * (names - 1.0) / 2.0, seen + own));
    let known = if pairs >= MISSED_PAIRS_MIN {
        Some(1.0 - seen / pairs)
    } else {
        calibration.and_then(|curve| curve.fnmr(from)).map(|fnmr| fnmr.rate)
    };
    known.map_or(MISSED_UNKNOWN, |missed| missed.clamp(*MISSED.start(), *MISSED.end()))
}

fn root(owners: &mut [u32], subject: u32) -> u32 {
    let mut at = subject;
    while owners[at as usize] != at {
        owners[at as usize] = owners[owners[at as usize] as usize];
        at = owners[at as usize];
    }
    at
}
