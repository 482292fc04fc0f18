//! `PRelu` in operators that stay in the layout of the convolutions, with the same
//! result to the bit.
//!
//! ONNX Runtime 1.31 has no fast kernel for `PRelu`: it leaves the layout, and
//! branches on the sign of every value. On the default pack's embedder that is
//! more than half of the whole time. The same function:
//!
//! ```text
//! PRelu(x, a) = x where x > 0, a·x elsewhere
//!             = Relu(x) + (−a) · Relu((−1) · x)
//! ```
//!
//! where the two products are 1x1 convolutions of each channel with itself. One
//! of the two terms is always zero and −1 and the sign cost nothing, so there is
//! one rounding on either side, the same one.

use std::collections::HashMap;

use super::onnx::{Attribute, GraphNode, Node, OnnxGraph};

/// Puts other operators in the place of every `PRelu` after a convolution, or after a
/// convolution and its batch normalisation, which ONNX Runtime makes one; whether there
/// was one.
pub(super) fn replace(graph: &mut OnnxGraph<'_>) -> Option<bool> {
    let mut channels_of: HashMap<&str, i64> = HashMap::new();
    for GraphNode { node, .. } in &graph.steps {
        if let ([_, weights, ..], [output]) = (&node.input[..], &node.output[..])
            && node.is("Conv")
            && let Some(&[channels, _, _, _]) = graph.tensor(weights).map(|t| t.dims())
        {
            channels_of.insert(output, channels);
        }
        if let ([input, ..], [output, ..]) = (&node.input[..], &node.output[..])
            && node.is("BatchNormalization")
            && let Some(&channels) = channels_of.get(input.as_str())
        {
            channels_of.insert(output, channels);
        }
    }
    // After a convolution over height and width, and with one slope for each of its
    // channels.
    let slopes_of = |node: &Node| -> Option<Vec<f32>> {
        let ([input, slope], [_]) = (&node.input[..], &node.output[..]) else { return None };
        let channels = *channels_of.get(input.as_str()).filter(|_| node.is("PRelu"))?;
        let slopes = graph.tensor(slope)?;
        let fits = matches!(*slopes.dims(), [c, 1, 1] | [1, c, 1, 1] if c == channels);
        slopes.floats().filter(|_| fits)
    };
    let found: Vec<(usize, Vec<f32>)> =
        graph.steps.iter().enumerate().filter_map(|(at, step)| Some((at, slopes_of(&step.node)?))).collect();
    // From the last on, so that places do not move.
    for (at, slopes) in found.iter().rev() {
        let node = graph.steps[*at].node.clone();
        let steps = in_other_words(graph, &node, slopes);
        graph.steps.splice(at..=at, steps);
    }
    Some(!found.is_empty())
}

fn in_other_words<'a>(graph: &mut OnnxGraph<'a>, node: &Node, slopes: &[f32]) -> [GraphNode<'a>; 5] {
    let (x, y) = (&node.input[0], &node.output[0]);
    let [turn, negated, below, fall, fallen, above] =
        ["turn", "negated", "below", "fall", "fallen", "above"].map(|what| graph.fresh(y, what));
    let apply = |op_type: &str, input: &[&String], output: &String, attribute: Vec<Attribute>| {
        GraphNode::new(Node {
            input: input.iter().map(|&name| name.clone()).collect(),
            output: vec![output.clone()],
            name: output.clone(),
            op_type: op_type.into(),
            attribute,
            domain: String::new(),
        })
    };
    let channels = slopes.len() as i64;
    let scaled = || {
        vec![
            Attribute::int("group", channels),
            Attribute::ints("kernel_shape", &[1, 1]),
            Attribute::ints("pads", &[0; 4]),
            Attribute::ints("strides", &[1, 1]),
        ]
    };
    let steps = [
        apply("Conv", &[x, &turn], &negated, scaled()),
        apply("Relu", &[&negated], &below, Vec::new()),
        apply("Conv", &[&below, &fall], &fallen, scaled()),
        apply("Relu", &[x], &above, Vec::new()),
        apply("Add", &[&fallen, &above], y, Vec::new()),
    ];
    let minus: Vec<f32> = slopes.iter().map(|v| -v).collect();
    graph.add(turn, &[channels, 1, 1, 1], &vec![-1.0; slopes.len()]);
    graph.add(fall, &[channels, 1, 1, 1], &minus);
    steps
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::onnx::made::{MadeModel, around, conv, node, operators, tensors};
    use super::super::{Rewrite, faster};

    /// A model of one convolution with three channels and a `PRelu`.
    fn model(ir_version: u64, slope_dims: &[i64], slopes: &[f32]) -> Vec<u8> {
        let mut made = MadeModel::new(ir_version);
        made.node(conv(&["in", "w"], "x", 1)).node(node("PRelu", &["x", "a"], "y"));
        made.tensor("a", slope_dims, slopes).tensor("w", &[3, 1, 1, 1], &[1.0; 3]).bytes()
    }

    #[test]
    fn a_prelu_after_a_convolution_becomes_convolutions_and_all_else_stays() {
        for dims in [&[3, 1, 1][..], &[1, 3, 1, 1]] {
            let before = model(7, dims, &[0.1, -0.2, 1.5]);
            let after = faster(&before, Rewrite::Exact, "in");
            assert_eq!(operators(&after), ["Conv", "Conv", "Relu", "Conv", "Relu", "Add"]);
            assert_eq!(around(&before), around(&after));
            let values: Vec<Vec<f32>> = tensors(&after).into_iter().map(|(_, _, values)| values).collect();
            assert_eq!(values, [vec![1.0; 3], vec![-1.0; 3], vec![-0.1, 0.2, -1.5]], "the slope itself is gone");
        }
    }

    #[test]
    fn a_prelu_after_a_normalised_convolution_is_rewritten_too() {
        let mut made = MadeModel::new(7);
        made.tensor("w", &[3, 1, 1, 1], &[1.0; 3]).tensor("a", &[3, 1, 1], &[0.1; 3]);
        for name in ["g", "b", "m", "v"] {
            made.tensor(name, &[3], &[1.0; 3]);
        }
        made.node(conv(&["in", "w"], "x", 1)).node(node("BatchNormalization", &["x", "g", "b", "m", "v"], "n"));
        made.node(node("PRelu", &["n", "a"], "y"));
        let after = faster(&made.bytes(), Rewrite::Exact, "in").into_owned();
        assert_eq!(operators(&after), ["Conv", "BatchNormalization", "Conv", "Relu", "Conv", "Relu", "Add"]);
    }

    #[test]
    fn a_slope_that_another_node_reads_stays() {
        let mut made = MadeModel::new(7);
        made.tensor("w", &[1, 1, 1, 1], &[1.0]).tensor("a", &[1, 1, 1], &[0.5]);
        made.node(conv(&["in", "w"], "x", 1)).node(node("PRelu", &["x", "a"], "y"));
        made.node(node("Mul", &["y", "a"], "z"));
        let before = made.bytes();
        let after = faster(&before, Rewrite::Exact, "in");
        assert!(tensors(&after).iter().any(|(name, ..)| name == "a"));
    }

    #[test]
    fn what_cannot_be_rewritten_is_left_alone() {
        for untouched in [
            model(3, &[3, 1, 1], &[0.1; 3]),
            // One slope for all channels, and one for every column.
            model(7, &[1, 1, 1], &[0.1]),
            model(7, &[3], &[0.1; 3]),
            // More slopes than channels.
            model(7, &[4, 1, 1], &[0.1; 4]),
        ] {
            assert!(matches!(faster(&untouched, Rewrite::Exact, "in"), Cow::Borrowed(bytes) if bytes == untouched));
        }
    }
}
