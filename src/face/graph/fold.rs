//! Quantised constants computed once, when the network is loaded.
//!
//! A network may store its weights as integers of eight bits with a scale for each
//! block of values, and dequantise them as it runs. ONNX Runtime keeps such nodes for
//! kernels on integers, which it does not have for blocks: it computes the same floats
//! anew for every face. Here they become float32 constants, by the formula of the ONNX
//! specification, so every value is the one that ONNX Runtime would compute:
//!
//! ```text
//! DequantizeLinear(x, scale, zero) = (x − zero) · scale
//! ```
//!
//! A `Reshape` of a constant becomes a constant as well.

use std::collections::HashSet;

use super::onnx::{Node, OnnxGraph};

/// `axis` of `DequantizeLinear` where the node names none.
const AXIS: i64 = 1;

/// Puts constants in the place of what is computed from constants alone; whether
/// there was any.
pub(super) fn fold(graph: &mut OnnxGraph<'_>) -> bool {
    let mut folded: HashSet<String> = HashSet::new();
    // Nodes stand in the order in which they run: a reshape sees what was folded before.
    for at in 0..graph.steps.len() {
        let node = &graph.steps[at].node;
        let [output] = &node.output[..] else { continue };
        if graph.is_output(output) {
            continue;
        }
        let Some((dims, values)) = dequantised(graph, node).or_else(|| reshaped(graph, node)) else { continue };
        let output = output.clone();
        graph.add(output.clone(), &dims, &values);
        folded.insert(output);
    }
    graph.steps.retain(|step| !step.node.output.iter().any(|output| folded.contains(output)));
    graph.forget_shapes(&folded);
    !folded.is_empty()
}

/// What a `DequantizeLinear` of constants gives: with one scale for all values, one for
/// each place along an axis, or one for each block along it.
fn dequantised(graph: &OnnxGraph<'_>, node: &Node) -> Option<(Vec<i64>, Vec<f32>)> {
    let (quantised, scale, zero) = match &node.input[..] {
        [quantised, scale] => (quantised, scale, None),
        [quantised, scale, zero] => (quantised, scale, Some(zero).filter(|name| !name.is_empty())),
        _ => return None,
    };
    if !node.is("DequantizeLinear") {
        return None;
    }
    let (quantised, scales) = (graph.tensor(quantised)?, graph.tensor(scale)?);
    // First of all: from here on every side is at least 1.
    let (values, scale_values) = (quantised.integers()?, scales.floats()?);
    let dims = quantised.dims();
    let axis = usize::try_from(node.int("axis").unwrap_or(AXIS)).ok()?;
    let block = node.int("block_size").unwrap_or(0);
    let zeros = match zero {
        Some(name) => {
            let zeros = graph.tensor(name)?;
            (zeros.dims() == scales.dims()).then(|| zeros.integers())??
        }
        None => Vec::new(),
    };
    // Values before, along and after the axis, and how many along it share a scale.
    let length = *dims.get(axis).unwrap_or(&1);
    let share = match scales.dims() {
        [] => length,
        [1] if length != 1 && block == 0 => length,
        [count] if block == 0 && dims.len() > axis && *count == length => 1,
        blocks if block > 0 && blocks.len() == dims.len() && dims.len() > axis => {
            let fits = |(i, (&of_scales, &of_values)): (usize, (&i64, &i64))| {
                of_scales == if i == axis { (of_values as u64).div_ceil(block as u64) as i64 } else { of_values }
            };
            blocks.iter().zip(dims).enumerate().all(fits).then_some(block)?
        }
        _ => return None,
    };
    let (length, share) = (usize::try_from(length).ok()?, usize::try_from(share).ok()?);
    let after: usize = dims.iter().skip(axis + 1).map(|&d| d as usize).product();
    let per_row = length.div_ceil(share);
    let along_axis_only = scales.dims().len() <= 1;
    let value = |(at, &value): (usize, &i64)| {
        let (before, along, behind) = (at / (length * after), at / after % length, at % after);
        let block = along / share;
        let of = if along_axis_only { block } else { (before * per_row + block) * after + behind };
        let zero = zeros.get(of).copied().unwrap_or(0);
        Some((value - zero) as f32 * *scale_values.get(of)?)
    };
    let values = values.iter().enumerate().map(value).collect::<Option<_>>()?;
    Some((dims.to_vec(), values))
}

/// A float constant in another shape that is a constant, too, and names every side.
fn reshaped(graph: &OnnxGraph<'_>, node: &Node) -> Option<(Vec<i64>, Vec<f32>)> {
    let [data, shape] = &node.input[..] else { return None };
    if !node.is("Reshape") {
        return None;
    }
    let (dims, values) = (graph.tensor(shape)?.integers()?, graph.tensor(data)?.floats()?);
    let count = dims.iter().try_fold(1i64, |product, &d| product.checked_mul(d).filter(|p| *p > 0))?;
    (count == values.len() as i64).then_some((dims, values))
}

#[cfg(test)]
mod tests {
    use super::super::onnx::made::{MadeModel, node, operators, tensors};
    use super::super::onnx::{Attribute, Node};
    use super::super::{Rewrite, faster};

    fn dequantise(attributes: &[(&str, i64)]) -> Node {
        let attribute = attributes.iter().map(|&(name, i)| Attribute::int(name, i)).collect();
        Node { attribute, ..node("DequantizeLinear", &["q", "s", "z"], "w") }
    }

    fn made(attributes: &[(&str, i64)], scale_dims: &[i64], scales: &[f32]) -> MadeModel {
        let mut made = MadeModel::new(7);
        made.integers("q", &[2, 3], &[1, -2, 3, 4, 5, -6], true);
        made.tensor("s", scale_dims, scales).integers("z", scale_dims, &vec![1; scales.len()], true);
        made.node(dequantise(attributes)).node(node("MatMul", &["in", "w"], "out"));
        made
    }

    fn folded(attributes: &[(&str, i64)], scale_dims: &[i64], scales: &[f32]) -> Vec<(String, Vec<i64>, Vec<f32>)> {
        let before = made(attributes, scale_dims, scales).bytes();
        let after = faster(&before, Rewrite::Exact, "in");
        assert_eq!(operators(&after), ["MatMul"]);
        tensors(&after)
    }

    #[test]
    fn scales_for_all_for_an_axis_and_for_blocks_are_those_of_the_specification() {
        let weights = |values: [f32; 6]| vec![("w".to_owned(), vec![2, 3], values.to_vec())];
        assert_eq!(folded(&[], &[], &[0.5]), weights([0.0, -1.5, 1.0, 1.5, 2.0, -3.5]));
        assert_eq!(folded(&[("axis", 0)], &[2], &[1.0, 2.0]), weights([0.0, -3.0, 2.0, 6.0, 8.0, -14.0]));
        assert_eq!(folded(&[], &[3], &[1.0, 2.0, 3.0]), weights([0.0, -6.0, 6.0, 3.0, 8.0, -21.0]));
        // Blocks of two along the second axis: the last is short.
        let blocks = [("axis", 1), ("block_size", 2)];
        assert_eq!(
            folded(&blocks, &[2, 2], &[1.0, 10.0, 100.0, 1000.0]),
            weights([0.0, -3.0, 20.0, 300.0, 400.0, -7000.0])
        );
        let blocks = [("axis", 0), ("block_size", 2)];
        assert_eq!(folded(&blocks, &[1, 3], &[1.0, 2.0, 3.0]), weights([0.0, -6.0, 6.0, 3.0, 8.0, -21.0]));
    }

    #[test]
    fn a_reshape_of_what_was_folded_is_folded() {
        let mut made = made(&[], &[], &[1.0]);
        made.integers("shape", &[2], &[3, 2], false).node(node("Reshape", &["w", "shape"], "v"));
        made.node(node("MatMul", &["out", "v"], "end"));
        let after = faster(&made.bytes(), Rewrite::Exact, "in").into_owned();
        assert_eq!(operators(&after), ["MatMul", "MatMul"]);
        assert!(tensors(&after).contains(&("v".to_owned(), vec![3, 2], vec![0.0, -3.0, 2.0, 3.0, 4.0, -7.0])));
    }

    #[test]
    fn values_of_no_size_are_left_to_onnx_runtime() {
        for dims in [&[0, 3][..], &[2, 0], &[-1, -6], &[i64::MAX, i64::MAX]] {
            let mut made = MadeModel::new(7);
            made.integers("q", dims, &[], true).tensor("s", &[], &[1.0]).integers("z", &[], &[0], true);
            made.node(dequantise(&[])).node(node("MatMul", &["in", "w"], "out"));
            assert_eq!(faster(&made.bytes(), Rewrite::Exact, "in"), made.bytes(), "{dims:?}");
        }
    }

    #[test]
    fn scales_that_do_not_fit_are_left_to_onnx_runtime() {
        for (attributes, dims, count) in [
            (&[][..], &[2][..], 2),
            (&[("axis", 5)], &[3], 3),
            (&[("axis", -1)], &[3], 3),
            (&[("axis", 1), ("block_size", 2)], &[2, 3], 6),
            (&[("axis", 1), ("block_size", 2)], &[2], 2),
            (&[("axis", 1), ("block_size", -2)], &[2, 2], 4),
        ] {
            let before = made(attributes, dims, &vec![1.0; count]).bytes();
            assert_eq!(faster(&before, Rewrite::Exact, "in"), before, "{attributes:?} {dims:?}");
        }
    }
}
