//! Template pairs found beside those expected by chance, by band of scores: what the
//! report draws.
//!
//! Nothing of a link follows from it. One record with hundreds of captures that is there
//! twice has more template pairs than all the others together; how sure a link is says
//! [`super::LinkChance`], which counts records.

use serde::{Deserialize, Serialize};

use super::{Chance, Estimate};

/// Width of a band.
const BAND: f32 = 0.01;
/// The highest score there is, and a little for rounding.
const SCORE_MAX: f32 = 1.01;
/// By band of scores: what was found, and what chance is expected to give.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalChance {
    bands: Vec<Band>,
}

/// One band of scores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Its lowest score.
    pub from: f32,
    /// Where the next one begins.
    pub to: f32,
    /// Template pairs found.
    pub found: u64,
    /// Pairs expected by chance; `None` where nothing is known.
    pub expected: Option<f64>,
    /// Pairs expected at or above its lowest score.
    pub expected_above: Option<Estimate>,
}

impl LocalChance {
    /// Of the scores of all template pairs found at or above `from`.
    pub fn new(chance: &Chance, from: f32, scores: impl IntoIterator<Item = f32>) -> Self {
        let count = (((SCORE_MAX - from) / BAND).ceil() as usize).clamp(1, 300);
        let edge = |i: usize| from + i as f32 * BAND;
        let mut found = vec![0u64; count];
        for score in scores {
            found[place(from, count, score)] += 1;
        }
        // Above the highest score there is nothing: a rate that no curve lets fall further
        // is not counted there.
        let above: Vec<Option<Estimate>> = (0..=count).map(|i| chance.expected(edge(i))).collect();
        let expected: Vec<Option<f64>> = above.windows(2).map(|ends| Some(ends[0]?.value - ends[1]?.value)).collect();
        let bands = (0..count)
            .map(|i| Band {
                from: edge(i),
                to: edge(i + 1),
                found: found[i],
                expected: expected[i],
                expected_above: above[i],
            })
            .collect();
        Self { bands }
    }

    /// The bands, ascending; the first begins at the score asked for.
    pub fn bands(&self) -> &[Band] {
        &self.bands
    }
}

fn place(from: f32, count: usize, score: f32) -> usize {
    // A float below zero, or no number, becomes 0.
    (((score - from) / BAND).floor() as usize).min(count - 1)
}
