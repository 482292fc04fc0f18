//! Depthwise convolutions of an odd number of channels, filled up with zeros.
//!
//! ONNX Runtime runs a depthwise convolution in its fast layout only where the
//! channels are a multiple of the layout's block. The liveness network of the
//! default pack has 13, 26, 52, 77, 103, 231 and 308 of them: each leaves the
//! layout, runs on a slow path, and comes back. Filled up to a multiple of 16 they
//! stay in it:
//!
//! ```text
//! Conv to C channels ─ (PRelu, Relu, depthwise Conv) ... ─ Conv from C channels
//!        │                          │                            │
//!   rows of zeros           slopes, filters of zeros       columns of zeros
//! ```
//!
//! The added channels hold zero from end to end and are multiplied by zero where
//! they are left again, so that no sum has another term that counts. The sums are
//! made by another kernel, in another order: the result differs in its last digits.

use std::collections::{HashMap, HashSet};

use super::onnx::{Node, OnnxGraph};

/// Channels of a block, of the widest layout ONNX Runtime has (AVX-512); a
/// multiple of the others'.
const BLOCK: i64 = 16;
/// Fewer channels are not filled up: the zeros would be most of them.
const CHANNELS_MIN: i64 = 8;

/// What a node does with a chain of values that are to be wider.
enum ConvolutionPart {
    /// A convolution over all channels, whose output begins a chain or whose input
    /// ends one.
    Across { to: i64 },
    /// A depthwise convolution within a chain.
    Depthwise,
    /// Slopes for each channel of a chain.
    Slopes,
    /// The same for every channel, and zero of zero.
    Pointwise,
}

/// Values of one number of channels, from the convolution that makes them to those
/// that take them.
struct OperatorChain {
    channels: i64,
    depthwise: bool,
    /// Whether all who read it can take zeros.
    fits: bool,
}

/// Widens every chain that has a depthwise convolution in it; whether there was
/// one. `None` where the weights are not what their shapes say.
pub(super) fn widen(graph: &mut OnnxGraph<'_>) -> Option<bool> {
    let mut chains: Vec<OperatorChain> = Vec::new();
    let mut chain_of: HashMap<String, usize> = HashMap::new();
    for step in &graph.steps {
        let node = &step.node;
        let chain = node.input.first().and_then(|input| chain_of.get(input)).copied();
        let channels = chain.map(|chain| chains[chain].channels);
        let part = part(graph, node, channels);
        // Read in another place than where data goes in, by whatever node.
        let elsewhere = node.input.iter().skip(1).filter_map(|input| chain_of.get(input));
        elsewhere.for_each(|&chain| chains[chain].fits = false);
        match (&part, chain) {
            (None, Some(chain)) => chains[chain].fits = false,
            (Some(ConvolutionPart::Depthwise), Some(chain)) => chains[chain].depthwise = true,
            _ => {}
        }
        let [output] = &node.output[..] else { continue };
        let made = match part {
            Some(ConvolutionPart::Across { to }) if to % BLOCK != 0 && to >= CHANNELS_MIN => {
                chains.push(OperatorChain { channels: to, depthwise: false, fits: true });
                Some(chains.len() - 1)
            }
            Some(ConvolutionPart::Depthwise | ConvolutionPart::Slopes | ConvolutionPart::Pointwise) => chain,
            _ => None,
        };
        if let Some(made) = made {
            chains[made].fits &= !graph.is_output(output);
            chain_of.insert(output.clone(), made);
        }
    }
    chain_of.retain(|_, chain| chains[*chain].fits && chains[*chain].depthwise);
    if chain_of.is_empty() {
        return Some(false);
    }
    let width = |value: &str| {
        chain_of.get(value).map(|&chain| (chains[chain].channels as u64).next_multiple_of(BLOCK as u64) as i64)
    };
    for at in 0..graph.steps.len() {
        let node = graph.steps[at].node.clone();
        let (Some(input), Some(output)) = (node.input.first(), node.output.first()) else { continue };
        let (from, to) = (width(input), width(output));
        if from.is_none() && to.is_none() {
            continue;
        }
        let mut inputs = node.input.clone();
        if node.is("Conv") {
            let depthwise = node.group() > 1;
            inputs[1] = wider(graph, &inputs[1], to, from.filter(|_| !depthwise))?;
            if inputs.len() > 2 {
                inputs[2] = wider(graph, &inputs[2], to, None)?;
            }
            let group = if depthwise { to? } else { 1 };
            graph.steps[at].set_inputs(inputs, group)?;
        } else if node.is("PRelu") {
            inputs[1] = wider(graph, &inputs[1], to, None)?;
            graph.steps[at] = super::onnx::GraphNode::new(Node { input: inputs, ..node });
        }
    }
    graph.forget_shapes(&chain_of.into_keys().collect::<HashSet<_>>());
    Some(true)
}

/// What a node is to a chain of `channels`, or to none; `None` where it is nothing
/// that can be widened.
fn part(graph: &OnnxGraph<'_>, node: &Node, channels: Option<i64>) -> Option<ConvolutionPart> {
    let dims = |at: usize| node.input.get(at).and_then(|name| graph.tensor(name)).map(|t| t.dims());
    if node.is("Relu") {
        return Some(ConvolutionPart::Pointwise);
    }
    if node.is("PRelu") {
        return match *dims(1)? {
            [c, 1, 1] if Some(c) == channels => Some(ConvolutionPart::Slopes),
            _ => None,
        };
    }
    let &[to, from, _, _] = dims(1).filter(|_| node.is("Conv"))? else { return None };
    let bias_fits = match node.input.len() {
        2 => true,
        3 => matches!(dims(2), Some(&[biases]) if biases == to),
        _ => false,
    };
    match node.group() {
        _ if !bias_fits => None,
        1 if channels.is_none_or(|channels| channels == from) => Some(ConvolutionPart::Across { to }),
        group if from == 1 && group == to && Some(to) == channels => Some(ConvolutionPart::Depthwise),
        _ => None,
    }
}

/// A new constant: the old one with zeros up to so many rows and columns.
fn wider(graph: &mut OnnxGraph<'_>, name: &str, rows: Option<i64>, columns: Option<i64>) -> Option<String> {
    let tensor = graph.tensor(name)?;
    let values = tensor.floats()?;
    let mut dims = tensor.dims().to_vec();
    let (rows_before, columns_before) = (*dims.first()?, dims.get(1).copied().unwrap_or(1));
    let (rows, columns) = (rows.unwrap_or(rows_before), columns.unwrap_or(columns_before));
    // All that is not rows and columns.
    let cell = values.len() / usize::try_from(rows_before * columns_before).ok()?.max(1);
    let row = usize::try_from(columns_before).ok()? * cell;
    let row_wider = usize::try_from(columns).ok()? * cell;
    let mut wider = vec![0.0; usize::try_from(rows).ok()? * row_wider];
    for (to, from) in wider.chunks_exact_mut(row_wider).zip(values.chunks_exact(row)) {
        to.get_mut(..row)?.copy_from_slice(from);
    }
    dims[0] = rows;
    if let Some(second) = dims.get_mut(1) {
        *second = columns;
    }
    let fresh = graph.fresh(name, "wider");
    graph.add(fresh.clone(), &dims, &wider);
    Some(fresh)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::onnx::made::{MadeModel, conv, node, shapes_of, tensors};
    use super::super::{Rewrite, faster};

    /// Twelve channels between two convolutions: slopes, a filter for each, a bias.
    fn chain() -> MadeModel {
        let ramp = |count: usize| (1..=count).map(|i| i as f32).collect::<Vec<_>>();
        let mut made = MadeModel::new(7);
        made.tensor("w", &[12, 2, 1, 1], &ramp(24)).tensor("b", &[12], &ramp(12));
        made.tensor("a", &[12, 1, 1], &ramp(12)).tensor("d", &[12, 1, 3, 3], &ramp(108));
        made.tensor("v", &[5, 12, 1, 1], &ramp(60));
        made.node(conv(&["in", "w", "b"], "x", 1)).node(node("PRelu", &["x", "a"], "y"));
        made.node(conv(&["y", "d"], "z", 12)).node(node("Relu", &["z"], "r")).node(conv(&["r", "v"], "out", 1));
        made
    }

    #[test]
    fn a_chain_is_filled_up_with_zeros_from_end_to_end() {
        let mut made = chain();
        let before = made.named(12, "out").named(13, "z").named(13, "out").bytes();
        let after = faster(&before, Rewrite::Rounding, "in");
        assert_eq!(shapes_of(&after), ["out"], "shapes that are no longer true are not told");
        let find = |name: &str| tensors(&after).into_iter().find(|(n, ..)| n == name).unwrap();
        let zeros = |values: &[f32]| values.iter().all(|&v| v == 0.0);
        for (name, dims, kept) in
            [("w/wider", vec![16, 2, 1, 1], 24), ("b/wider", vec![16], 12), ("d/wider", vec![16, 1, 3, 3], 108)]
        {
            let (_, found, values) = find(name);
            assert_eq!(found, dims, "{name}");
            assert!(values[..kept].iter().enumerate().all(|(i, &v)| v == i as f32 + 1.0) && zeros(&values[kept..]));
        }
        let (_, dims, values) = find("v/wider");
        assert_eq!(dims, [5, 16, 1, 1]);
        for (row, values) in values.chunks(16).enumerate() {
            assert!(values[..12].iter().enumerate().all(|(i, &v)| v == (row * 12 + i) as f32 + 1.0));
            assert!(zeros(&values[12..]));
        }
        assert!(!tensors(&after).iter().any(|(name, ..)| ["w", "b", "a", "d", "v"].contains(&name.as_str())));
    }

    #[test]
    fn a_chain_that_anybody_else_reads_is_left_alone() {
        let with = |change: fn(&mut MadeModel) -> &mut MadeModel| {
            let mut made = chain();
            change(&mut made);
            made.bytes()
        };
        for (why, model) in [
            ("another operator", with(|m| m.node(node("Sigmoid", &["y"], "s")))),
            ("a sum", with(|m| m.node(node("Add", &["in", "z"], "s")))),
            ("the caller", with(|m| m.named(12, "r"))),
            ("groups", with(|m| m.tensor("g", &[12, 6, 1, 1], &[1.0; 72]).node(conv(&["y", "g"], "s", 2)))),
        ] {
            let after = faster(&model, Rewrite::Rounding, "in");
            assert!(!tensors(&after).iter().any(|(name, ..)| name.ends_with("wider")), "{why}");
        }
    }

    #[test]
    fn what_has_whole_blocks_or_no_depthwise_convolution_is_left_alone() {
        let mut whole = MadeModel::new(7);
        whole.tensor("w", &[32, 2, 1, 1], &[1.0; 64]).tensor("d", &[32, 1, 3, 3], &[1.0; 288]);
        whole.tensor("v", &[5, 32, 1, 1], &[1.0; 160]);
        whole.node(conv(&["in", "w"], "x", 1)).node(conv(&["x", "d"], "y", 32)).node(conv(&["y", "v"], "out", 1));
        let mut plain = MadeModel::new(7);
        plain.tensor("w", &[12, 2, 1, 1], &[1.0; 24]).tensor("v", &[5, 12, 1, 1], &[1.0; 60]);
        plain.node(conv(&["in", "w"], "x", 1)).node(conv(&["x", "v"], "out", 1));
        for model in [whole.bytes(), plain.bytes()] {
            assert!(matches!(faster(&model, Rewrite::Rounding, "in"), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn weights_that_are_not_what_their_shape_says_leave_the_file_alone() {
        let mut made = chain();
        made.tensor("short", &[7, 12, 1, 1], &[1.0; 3]).node(conv(&["z", "short"], "s", 1));
        let model = made.bytes();
        assert!(matches!(faster(&model, Rewrite::Rounding, "in"), Cow::Borrowed(_)));
    }
}
