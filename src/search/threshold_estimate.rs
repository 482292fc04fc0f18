//! An estimate of the threshold that a search for the k nearest will have at the end of a stage.
//!
//! The threshold that a stage begins with is the k-th best score of the rows before it, which are
//! fewer: most rows that pass it are dropped at the end of the stage. So the first pass uses the
//! threshold that the end of the stage is likely to have. Where the estimate was too high, the
//! stage's rows between the real threshold and the estimate are scanned again: a wrong estimate
//! costs time, never a hit.

/// Standard deviations by which the estimate stays below the likeliest value.
const CAUTION: f64 = 2.5;

/// Largest share of the rows that may be hits; above it nothing is estimated.
const SHARE_MAX: f64 = 0.05;

/// What one search has seen of its scores: the parameters of the estimate.
pub(super) struct ThresholdEstimate {
    /// Hits wanted; `None` where all above a score are.
    best: Option<usize>,
    /// The deviation of scores as the floors told it, the least of these: a few rows of the
    /// same person lift a floor, and tell nothing of what others score.
    deviation: f64,
}

impl ThresholdEstimate {
    pub(super) fn new(best: Option<usize>) -> Self {
        Self { best, deviation: f64::INFINITY }
    }

    /// The threshold to expect after `later` rows, from the one after `seen` rows, `floor`; never
    /// less than that. Scores of strangers are taken to be normal about zero, as
    /// those of faces nearly are.
    pub(super) fn floor(&mut self, floor: f32, seen: u64, later: u64) -> f32 {
        let Some(best) = self.best else { return floor };
        let quantile = |rows: u64| Some(best as f64 / rows as f64).filter(|share| *share <= SHARE_MAX).map(quantile);
        let (Some(now), Some(then)) = (quantile(seen), quantile(later)) else { return floor };
        if floor <= 0.0 || best == 0 {
            return floor;
        }
        self.deviation = self.deviation.min(f64::from(floor) / now);
        // The share of rows above the last of k hits is known to one part in √k; the score
        // for it, of a normal distribution, to so much.
        let doubt = CAUTION / ((best as f64).sqrt() * then * then);
        floor.max((self.deviation * then * (1.0 - doubt)) as f32)
    }
}

/// The score in deviations that a share of a normal distribution lies above (Abramowitz and
/// Stegun, 26.2.23), for shares up to one half.
fn quantile(share: f64) -> f64 {
    let t = (-2.0 * share.ln()).sqrt();
    t - (2.515_517 + t * (0.802_853 + t * 0.010_328)) / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (share, deviations) in [(0.5, 0.0), (0.05, 1.644_854), (1e-3, 3.090_232), (1e-6, 4.753_424)] {
            assert!((quantile(share) - deviations).abs() < 5e-4, "{share}: {}", quantile(share));
        }
    }

    #[test]
    fn hopes_rise_with_the_rows_and_never_lie_below_the_floor() {
        let mut hope = ThresholdEstimate::new(Some(10));
        assert_eq!(hope.floor(f32::MIN, 0, 4096), f32::MIN);
        let hoped = hope.floor(0.30, 4096, 20_480);
        assert!((0.31..0.36).contains(&hoped), "{hoped}");
        // A mate was found: nothing more is hoped of the others.
        assert_eq!(hope.floor(0.7, 20_480, 86_016), 0.7);
        assert!(hope.floor(0.36, 20_480, 86_016) < 0.42);
        for (floor, seen, later) in [(0.2, 10, 20), (0.2, 0, 0), (-0.5, 4096, 8192), (0.0, 4096, 8192)] {
            assert_eq!(hope.floor(floor, seen, later), floor);
        }
        assert_eq!(ThresholdEstimate::new(None).floor(0.55, 4096, 1 << 20), 0.55);
        assert_eq!(ThresholdEstimate::new(Some(0)).floor(f32::MIN, 4096, 1 << 20), f32::MIN);
    }
}
