//! Exact upper confidence limits for a proportion with few errors (Clopper and Pearson).

/// Probability that the limit lies below the true share, one-sided.
const BEYOND: f64 = 0.05;
/// Bisection steps: more than the bits of an `f64`.
const STEPS: u32 = 80;

/// The exact one-sided upper 95 % confidence limit of a proportion of which `errors` were observed
/// in `trials` independent trials (Clopper and Pearson, Biometrika 26, 1934): the proportion at
/// which so few errors occur in 5 % of samples. With no error it is about 3 / `trials` (the rule of
/// three of ISO/IEC 19795-1). `None` without trials.
pub(super) fn upper_limit(errors: u64, trials: u64) -> Option<f64> {
    if trials == 0 {
        return None;
    }
    if errors >= trials {
        return Some(1.0);
    }
    let (mut low, mut high) = (errors as f64 / trials as f64, 1.0);
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if at_most(errors, trials, middle) > BEYOND { low = middle } else { high = middle }
    }
    Some(high)
}

/// Probability of at most `errors` in `trials`, each an error with probability `share`,
/// which lies strictly between 0 and 1.
fn at_most(errors: u64, trials: u64, share: f64) -> f64 {
    let odds = share.ln() - (-share).ln_1p();
    let mut term_ln = trials as f64 * (-share).ln_1p();
    let mut sum = term_ln.exp();
    for k in 1..=errors {
        term_ln += ((trials - k + 1) as f64 / k as f64).ln() + odds;
        sum += term_ln.exp();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(value: Option<f64>, expected: f64) {
        let value = value.unwrap();
        assert!((value - expected).abs() < 1e-12, "{value} is not {expected}");
    }

    #[test]
    fn limits_without_errors_are_those_of_the_closed_form() {
        for trials in [1u64, 8, 192, 1_000_000] {
            near(upper_limit(0, trials), 1.0 - 0.05f64.powf(1.0 / trials as f64));
        }
        // All trials but one: 1 − share^trials = 0.05.
        near(upper_limit(7, 8), 0.95f64.powf(1.0 / 8.0));
    }

    #[test]
    fn limits_are_those_of_the_published_tables() {
        // One-sided 95 % limits, as quantiles of the beta distribution: qbeta(0.95, x + 1, n − x).
        for (errors, trials, limit) in [(1, 10, 0.394_163), (2, 20, 0.282_619), (5, 100, 0.102_253)] {
            let value = upper_limit(errors, trials).unwrap();
            assert!((value - limit).abs() < 5e-7, "{errors} of {trials}: {value}");
        }
    }

    #[test]
    fn nothing_tried_shows_nothing_and_all_errors_leave_everything_open() {
        assert_eq!(upper_limit(0, 0), None);
        assert_eq!(upper_limit(3, 3), Some(1.0));
    }

    proptest! {
        #[test]
        fn the_limit_lies_above_the_share_seen_and_rises_with_errors_and_falls_with_trials(
            errors in 0u64..30, more in 1u64..5000,
        ) {
            let trials = errors + more;
            let limit = upper_limit(errors, trials).unwrap();
            prop_assert!(limit > errors as f64 / trials as f64 && limit <= 1.0);
            prop_assert!(upper_limit(errors + 1, trials).unwrap() >= limit);
            prop_assert!(upper_limit(errors, trials + 1).unwrap() < limit);
        }
    }
}
