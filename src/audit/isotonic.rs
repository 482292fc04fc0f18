//! Shares that rise, or fall, from band to band.

/// `counts` are (part, whole) of one band after the other. Neighbours whose share
/// `part / whole` would fall are pooled until none does (pool adjacent violators; Ayer
/// et al., "An empirical distribution function for sampling with incomplete
/// information", 1955); a band without a whole counts as the highest share there is.
/// Returns the share of every band; infinite where a pool has no whole.
pub(super) fn rising(counts: &[(f64, f64)]) -> Vec<f64> {
    // Part, whole, bands.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for &(part, whole) in counts {
        let mut last = (part, whole, 1);
        while let Some(before) = pools.pop() {
            // Shares compared without dividing: a whole may be zero.
            if before.0 * last.1 <= last.0 * before.1 {
                pools.push(before);
                break;
            }
            last = (before.0 + last.0, before.1 + last.1, before.2 + last.2);
        }
        pools.push(last);
    }
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { f64::INFINITY };
    pools.iter().flat_map(|&(part, whole, bands)| std::iter::repeat_n(share(part, whole), bands)).collect()
}

/// The same for shares that fall from band to band.
pub(super) fn falling(counts: &[(f64, f64)]) -> Vec<f64> {
    let reversed: Vec<(f64, f64)> = counts.iter().rev().copied().collect();
    let mut shares = rising(&reversed);
    shares.reverse();
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shares_rise_and_keep_the_total(counts in prop::collection::vec((0u32..50, 1u32..100), 1..40)) {
            let counts: Vec<(f64, f64)> = counts.iter().map(|&(p, w)| (f64::from(p), f64::from(w))).collect();
            let shares = rising(&counts);
            prop_assert_eq!(shares.len(), counts.len());
            prop_assert!(shares.windows(2).all(|w| w[0] <= w[1] + 1e-12));
            let kept: f64 = shares.iter().zip(&counts).map(|(share, (_, whole))| share * whole).sum();
            prop_assert!((kept - counts.iter().map(|(part, _)| part).sum::<f64>()).abs() < 1e-6);
            let fallen = falling(&counts);
            prop_assert!(fallen.windows(2).all(|w| w[0] >= w[1] - 1e-12));
        }
    }

    #[test]
    fn what_is_in_order_stays_and_what_is_not_is_pooled() {
        assert_eq!(rising(&[(1.0, 10.0), (2.0, 10.0), (9.0, 10.0)]), [0.1, 0.2, 0.9]);
        assert_eq!(rising(&[(4.0, 10.0), (2.0, 10.0), (9.0, 10.0)]), [0.3, 0.3, 0.9]);
        assert_eq!(falling(&[(1.0, 0.0), (2.0, 10.0)]), [f64::INFINITY, 0.2]);
        assert_eq!(falling(&[(2.0, 10.0), (1.0, 0.0)]), [0.3, 0.3]);
    }
}
