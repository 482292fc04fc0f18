//! Chances from logits.

/// The chances of logits, in their place: they are positive and their sum is one, also where the
/// logits are large.
pub(crate) fn softmax<T: AsMut<[f32]>>(mut logits: T) -> T {
    let values = logits.as_mut();
    let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    values.iter_mut().for_each(|value| *value = (*value - largest).exp());
    let sum: f32 = values.iter().sum();
    values.iter_mut().for_each(|value| *value /= sum);
    logits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_sum_to_one_and_large_logits_are_survived() {
        let p = softmax([1000.0, 1001.0, 990.0]);
        assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-6 && p[1] > p[0] && p[0] > p[2]);
        assert_eq!(softmax(vec![0.0, 0.0]), [0.5, 0.5]);
        assert!(softmax(Vec::new()).is_empty());
    }
}
