//! How likely is it that a pair of this score is chance, given what else was found?
//!
//! In a band of scores, the pairs expected by chance over the pairs found there: the
//! local false discovery rate (Efron, "Large-scale inference", 2010). It looks at the
//! band alone, so a thousand sure pairs at 0.8 do not lend their weight to one at 0.56.

use super::Chance;
use crate::audit::isotonic::falling;

/// Width of a band.
const BAND: f32 = 0.01;
/// The highest score there is, and a little for rounding.
const SCORE_MAX: f32 = 1.01;
/// Up to which share of chance in its band a link is strong.
const STRONG_SHARE_MAX: f64 = 0.05;
/// Most powers of ten that a link weighs: no fitted tail tells one in a million from
/// less.
const WEIGHT_MAX: f64 = 6.0;
/// Pairs expected where the expectation says none at all: keeps shares comparable.
const EXPECTED_MIN: f64 = 1e-12;

/// By band of scores: what was found, what chance is expected to give, and the share of
/// chance that follows.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalChance {
    from: f32,
    bands: Vec<Band>,
}

/// One band of scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    /// Its lowest score.
    pub from: f32,
    /// Where the next one begins.
    pub to: f32,
    /// Template pairs found.
    pub found: u64,
    /// Pairs expected by chance; `None` where nothing is known.
    pub expected: Option<f64>,
    /// Share of chance among those found, 0…1; never rises from band to band.
    pub chance_share: f64,
}

impl LocalChance {
    /// Of the scores of all template pairs found at or above `from`. Where nothing is
    /// known of chance it is taken to give none.
    pub fn new(chance: &Chance, from: f32, scores: impl IntoIterator<Item = f32>) -> Self {
        let count = (((SCORE_MAX - from) / BAND).ceil() as usize).clamp(1, 300);
        let edge = |i: usize| from + i as f32 * BAND;
        let mut found = vec![0u64; count];
        for score in scores {
            found[place(from, count, score)] += 1;
        }
        // Above the highest score there is nothing: a rate that no curve lets fall further
        // is not counted there.
        let above: Vec<Option<f64>> = (0..=count).map(|i| chance.expected(edge(i)).map(|e| e.value)).collect();
        let expected: Vec<Option<f64>> = above.windows(2).map(|ends| Some(ends[0]? - ends[1]?)).collect();
        let counts: Vec<(f64, f64)> = expected
            .iter()
            .zip(&found)
            .map(|(expected, found)| (expected.unwrap_or(0.0).max(EXPECTED_MIN), *found as f64))
            .collect();
        let mut shares = falling(&counts);
        // Below the first pair found: what the share would be had one been found there.
        let empty = shares.iter().take_while(|share| share.is_infinite()).count();
        let one_found = counts[..empty].iter().map(|(expected, _)| expected).sum::<f64>();
        let least = shares.get(empty).copied().unwrap_or(0.0);
        shares[..empty].fill(one_found.max(least));
        let bands = (0..count)
            .map(|i| Band {
                from: edge(i),
                to: edge(i + 1),
                found: found[i],
                expected: expected[i],
                chance_share: shares[i].min(1.0),
            })
            .collect();
        Self { from, bands }
    }

    /// The bands, ascending; the first begins at the score asked for.
    pub fn bands(&self) -> &[Band] {
        &self.bands
    }

    /// The share of chance among pairs of about this score, 0…1.
    pub fn share(&self, score: f32) -> f64 {
        self.bands[place(self.from, self.bands.len(), score)].chance_share
    }

    /// Powers of ten that chance is unlikely by, 0…6: what a link of this score weighs.
    pub fn weight(&self, score: f32) -> f64 {
        -self.share(score).max(10f64.powf(-WEIGHT_MAX)).log10()
    }

    /// From which score on a link is strong: at most one in twenty of its band is chance.
    /// Infinite where none is.
    pub fn strong_from(&self) -> f32 {
        let first = self.bands.iter().find(|band| band.chance_share <= STRONG_SHARE_MAX);
        first.map_or(f32::INFINITY, |band| band.from)
    }
}

fn place(from: f32, count: usize, score: f32) -> usize {
    // A float below zero, or no number, becomes 0.
    (((score - from) / BAND).floor() as usize).min(count - 1)
}
