//! Weights too small to matter, set to zero.
//!
//! Some processors compute with subnormal numbers (below 1.2e-38) in microcode: an
//! operation that reads or gives one takes a hundred times as long. Training leaves such
//! numbers in channels that died: the embedder of the `faceplugin` pack has 8,938 subnormal
//! weights and 195,715 below 1e-12, its landmark network 26,567. On an Intel processor
//! they are most of the time that a face takes.
//!
//! Weights below 1e-12 beside others a million times as large are such leftovers: what they
//! add is below the last bit of a sum of float32. That the output of the packs' networks
//! stays what it is, to the bit, is tested; and that no value within them is subnormal any
//! more, on made-up pictures and on every processor. Flushing
//! subnormals in the processor's control register would do the same for values within,
//! but ONNX Runtime sets it only for the first session of a process.

use super::onnx::OnnxGraph;

/// Weights below this are set to zero ...
const TINY: f32 = 1e-12;
/// ... where they are also below this share of the largest of their tensor: a network
/// scaled down as a whole keeps its weights. Subnormal ones go all the same.
const SHARE: f32 = 1e-6;

/// Sets what is too small to zero; whether there was anything.
pub(super) fn clear(graph: &mut OnnxGraph<'_>) -> bool {
    graph.change_floats(|values| {
        let largest = values.iter().fold(0.0f32, |largest, v| largest.max(v.abs()));
        let below = (largest * SHARE).clamp(f32::MIN_POSITIVE, TINY);
        let is_tiny = |v: &f32| *v != 0.0 && v.abs() < below;
        values.iter().any(is_tiny).then(|| values.iter().map(|v| if is_tiny(v) { 0.0 } else { *v }).collect())
    })
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::super::onnx::made::{MadeModel, node, tensors};
    use super::super::{Rewrite, faster};

    fn cleared(weights: &[f32]) -> Vec<f32> {
        let mut made = MadeModel::new(7);
        made.tensor("w", &[weights.len() as i64], weights).node(node("Mul", &["in", "w"], "out"));
        tensors(&faster(&made.bytes(), Rewrite::Exact, "in")).remove(0).2
    }

    #[test]
    fn what_is_tiny_beside_the_rest_goes_and_a_small_network_stays() {
        assert_eq!(cleared(&[0.5, 1e-13, -1e-20, 1e-40, 1e-11]), [0.5, 0.0, 0.0, 0.0, 1e-11]);
        assert_eq!(cleared(&[1e-13, -3e-14, 1e-40]), [1e-13, -3e-14, 0.0]);
        let whole = MadeModel::new(7).tensor("w", &[2], &[0.5, 0.0]).node(node("Mul", &["in", "w"], "out")).bytes();
        assert!(matches!(faster(&whole, Rewrite::Exact, "in"), Cow::Borrowed(_)), "nothing to do");
    }

    proptest! {
        #[test]
        fn no_weight_is_subnormal_and_the_others_keep_their_bits(
            weights in prop::collection::vec(prop::num::f32::ANY, 1..50),
        ) {
            for (before, after) in weights.iter().zip(cleared(&weights)) {
                prop_assert!(!after.is_subnormal());
                prop_assert!(before.to_bits() == after.to_bits() || (after == 0.0 && before.abs() < 1e-12));
            }
        }
    }
}
