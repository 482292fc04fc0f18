//! How likely is it that a link between two records is chance?
//!
//! # What is evidence
//! Two records are linked by the best score of all their template pairs. The more pairs
//! there are the higher that is, of strangers, too. So what counts is how likely a best
//! score as high is *among so many template pairs of two strangers*.
//!
//! Templates of one record are alike, and their comparisons anything but independent. These
//! bounds hold however they hang together, and the lower is taken:
//!
//! - Of n pairs the best reaches a score with a chance of at most n × FMR: the chance that
//!   any of several events happens is at most the sum of their chances (Boole's
//!   inequality).
//! - A twentieth of n pairs reach a score with a chance of at most n × FMR over as many
//!   (Markov's inequality). So two records of one person with hundreds of
//!   captures each, nearly all of which agree, are as sure as they look, though no curve
//!   says of one score that it is less likely than [`FMR_FLOOR`](crate::matching::FMR_FLOOR).
//!
//! Two bounds are tried, so the lower counts twice (Bonferroni's correction), but of one
//! template pair, of which there is one. Where captures do hang together the bounds are too high, never too low:
//! large records of strangers look a little more like chance than they are. So the
//! effective number of pairs is taken to be all of them.
//!
//! # What follows from it
//! A link is one, whatever the number of template pairs behind it, and so is a pair of
//! records without a link. By band of chance (a quarter of a power of ten each), the
//! links expected of strangers over those found is the share of chance there: the local
//! false discovery rate (Efron, "Large-scale inference", 2010) of links. One record with
//! hundreds of captures that is there twice adds one link to one band, where its tens of
//! thousands of template pairs would make those of strangers at the same score seem rare.
//!
//! Nor may one person under fifty names: its 1,225 links would. Of links, the most unlikely
//! by chance first, only those are found that connect what was not connected before, so
//! that a record adds one at most. Those of strangers nearly always do.
//!
//! It is said twice: by the FMR that is estimated, and by the upper end of its interval of
//! 95 %, or ten times the estimate where that is less (far out in a fitted tail the
//! interval says nothing any more). A link is strong where chance is rare even if it gives as much as that; it is
//! likely chance where by the estimate more than half of its like are.
//!
//! Of sex and age group nothing is known here: the rate is that of all pairs together.

use super::{Chance, Estimate, Meetings};
use crate::audit::isotonic::falling;
use crate::audit::links::{LinkGroups, LinkedSubjects, RecordLink, several, surest_first};

/// Bands in one power of ten.
const BANDS_A_POWER: f64 = 4.0;
/// Powers of ten told apart; what is less likely is in the last band.
const POWERS_MAX: f64 = 15.0;
/// How many times the estimate the upper end of its interval counts for at most.
const HIGH_TIMES_MAX: f64 = 10.0;
/// Links expected where the expectation says none at all: keeps shares comparable.
const EXPECTED_MIN: f64 = 1e-12;

/// By evidence: links found, and links that strangers are expected to give.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkChance {
    bands: Vec<LinkBand>,
    expected: Option<f64>,
}

/// Links about as likely by chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkBand {
    /// The most likely: [`LinkEvidence::chance`](crate::audit::LinkEvidence::chance) is at most this.
    pub to: f64,
    /// Links found, of those that connect what better ones do not.
    pub found: u64,
    /// Links expected of strangers; 0 where nothing is known of chance.
    pub expected: f64,
    /// Share of chance among those found; never rises from band to band.
    pub chance_share: f64,
}

impl LinkChance {
    /// Sets the evidence of `links`, all those found at or above the score `from`, and
    /// says what it rests on. Where nothing is known of chance it is taken to give none.
    pub fn grade(chance: &Chance, meetings: &Meetings, from: f32, links: &mut [RecordLink]) -> Self {
        let record_pairs = meetings.record_pairs();
        let by = |rate: &dyn Fn(&Estimate) -> f64| {
            let rate = |score: f32| match chance.expected(score) {
                Some(expected) if chance.comparisons > 0 => (rate(&expected) / chance.comparisons as f64).min(1.0),
                _ => 0.0,
            };
            let chances: Vec<f64> = links.iter().map(|link| chance_of(link, &rate)).collect();
            (chances, Strangers::new(&record_pairs, rate(from)))
        };
        let (chances, strangers) = by(&|expected| expected.value);
        let (chances_high, strangers_high) = by(&|expected| expected.high.min(HIGH_TIMES_MAX * expected.value));
        links.iter_mut().zip(&chances).for_each(|(link, &chance)| link.evidence.chance = chance);
        let connecting = connecting(links);
        let bands = |chances: &[f64], strangers: &Strangers| bands(connecting.iter().map(|&at| chances[at]), strangers);
        let (of, of_high) = (bands(&chances, &strangers), bands(&chances_high, &strangers_high));
        for (link, (chance, chance_high)) in links.iter_mut().zip(chances.iter().zip(&chances_high)) {
            link.evidence.chance_share = of[place(*chance)].chance_share;
            link.evidence.chance_share_high = of_high[place(*chance_high)].chance_share.max(link.evidence.chance_share);
        }
        Self { bands: of, expected: chance.expected(from).map(|_| strangers.up_to(1.0)) }
    }

    /// The bands, from the most likely by chance to the least.
    pub fn bands(&self) -> &[LinkBand] {
        &self.bands
    }

    /// Links that strangers are expected to give, at most; `None` where nothing is known
    /// of chance.
    pub fn expected(&self) -> Option<f64> {
        self.expected
    }
}

/// How likely scores as high as those of a link are among so many template pairs of two
/// strangers, at most. `rate` is the FMR at a score.
fn chance_of(link: &RecordLink, rate: &dyn Fn(f32) -> f64) -> f64 {
    let pairs = link.compared as f64;
    let best = pairs * rate(link.score);
    if link.compared < 2 {
        return best.min(1.0);
    }
    let several = several(link.compared) as f64;
    let of_several = link.several.map_or(1.0, |score| pairs * rate(score) / several);
    (2.0 * best.min(of_several)).min(1.0)
}

/// The places of links that connect what better ones do not.
fn connecting(links: &[RecordLink]) -> Vec<usize> {
    let numbers = LinkedSubjects::of(links);
    let ends = numbers.ends(links);
    let mut groups = LinkGroups::new(numbers.subjects.len());
    let mut order: Vec<usize> = surest_first(links).into_iter().map(|place| place as usize).collect();
    order.retain(|&place| groups.join(ends[place].0, ends[place].1));
    order
}

/// Found beside expected.
fn bands(chances: impl Iterator<Item = f64>, strangers: &Strangers) -> Vec<LinkBand> {
    let count = (POWERS_MAX * BANDS_A_POWER) as usize + 1;
    let edge = |i: usize| if i < count { 10f64.powf(-(i as f64) / BANDS_A_POWER) } else { 0.0 };
    let mut found = vec![0u64; count];
    chances.for_each(|chance| found[place(chance)] += 1);
    let expected: Vec<f64> = (0..count).map(|i| strangers.up_to(edge(i)) - strangers.up_to(edge(i + 1))).collect();
    let counts: Vec<(f64, f64)> = expected.iter().zip(&found).map(|(e, f)| (e.max(EXPECTED_MIN), *f as f64)).collect();
    let mut shares = falling(&counts);
    // Before the first link found: what the share would be had one been found there.
    let empty = shares.iter().take_while(|share| share.is_infinite()).count();
    let one_found = counts[..empty].iter().map(|(expected, _)| expected).sum::<f64>();
    let least = shares.get(empty).copied().unwrap_or(0.0);
    shares[..empty].fill(one_found.max(least));
    (0..count)
        .map(|i| LinkBand { to: edge(i), found: found[i], expected: expected[i], chance_share: shares[i].min(1.0) })
        .collect()
}

fn place(chance: f64) -> usize {
    // No chance at all is infinitely many powers of ten.
    (-chance.log10() * BANDS_A_POWER).floor().clamp(0.0, POWERS_MAX * BANDS_A_POWER) as usize
}

/// Pairs of records by the number of template pairs they were compared in, added up.
struct Strangers {
    /// FMR of one template pair at the score asked for.
    rate: f64,
    /// By number of template pairs: that number, and of those up to it the record pairs
    /// and the template pairs.
    sums: Vec<(u64, f64, f64)>,
}

impl Strangers {
    fn new(record_pairs: &[(u64, f64)], rate: f64) -> Self {
        let (mut records, mut templates) = (0.0, 0.0);
        let sums = record_pairs.iter().map(|&(pairs, count)| {
            records += count;
            templates += count * pairs as f64;
            (pairs, records, templates)
        });
        Self { rate, sums: sums.collect() }
    }

    /// Links expected whose chance is at most this: of every pair of records that could
    /// have one as likely, this share; of the others, all that are at the score asked for.
    fn up_to(&self, chance: f64) -> f64 {
        if self.rate <= 0.0 || chance <= 0.0 {
            return 0.0;
        }
        let below = self.sums.partition_point(|(pairs, ..)| (*pairs as f64) * self.rate <= chance);
        let (records, templates) =
            if below == 0 { (0.0, 0.0) } else { (self.sums[below - 1].1, self.sums[below - 1].2) };
        let all = self.sums.last().map_or(0.0, |(_, records, _)| *records);
        templates * self.rate + (all - records) * chance
    }
}
