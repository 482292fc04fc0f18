//! Networks rewritten so that ONNX Runtime runs them faster, with the same
//! result to the bit.
//!
//! ONNX Runtime 1.31 has no fast kernel for `PRelu`: it leaves the layout that
//! its convolutions work in, and branches on the sign of every value. On the
//! default pack's embedder that is more than half of the whole time. The same
//! function in operators that stay in the layout:
//!
//! ```text
//! PRelu(x, a) = x where x > 0, a·x elsewhere
//!             = Relu(x) + (−a) · Relu((−1) · x)
//! ```
//!
//! where the two products are 1x1 convolutions of each channel with itself. One
//! of the two terms is always zero and −1 and the sign cost nothing, so there is
//! one rounding on either side, the same one.
//!
//! The file is taken apart only as far as needed: what is not understood is
//! copied byte by byte, and a file that does not parse is left to ONNX Runtime,
//! which says what is wrong with it. Field numbers are those of `onnx.proto3`
//! (ONNX 1.16, IR version 10).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field};

/// `ModelProto.ir_version`: from this on an initializer need not be an input too.
const IR_VERSION_MIN: u64 = 4;
/// `TensorProto.DataType.FLOAT`.
const FLOAT: i32 = 1;

/// `NodeProto`, what is needed of it.
#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<Attribute>,
    #[prost(string, tag = "7")]
    domain: String,
}

/// `AttributeProto`, integers only.
#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, tag = "3")]
    i: i64,
    #[prost(int64, repeated, tag = "8")]
    ints: Vec<i64>,
    #[prost(int32, tag = "20")]
    kind: i32,
}

impl Attribute {
    /// `AttributeProto.AttributeType.GRAPH` and `GRAPHS`.
    fn has_graph(&self) -> bool {
        matches!(self.kind, 5 | 10)
    }

    /// `AttributeProto.AttributeType.INT`.
    fn int(name: &str, i: i64) -> Self {
        Self { name: name.into(), i, ints: Vec::new(), kind: 2 }
    }

    /// `AttributeProto.AttributeType.INTS`.
    fn ints(name: &str, ints: &[i64]) -> Self {
        Self { name: name.into(), i: 0, ints: ints.to_vec(), kind: 7 }
    }
}

/// `TensorProto`, what is needed of a float one.
#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(float, repeated, tag = "4")]
    float_data: Vec<f32>,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

impl Tensor {
    /// One value per channel of a 1x1 convolution of every channel with itself.
    fn per_channel(name: String, values: &[f32]) -> Self {
        let raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { dims: vec![values.len() as i64, 1, 1, 1], data_type: FLOAT, float_data: Vec::new(), name, raw_data }
    }

    fn floats(&self) -> Vec<f32> {
        let (raw, _) = self.raw_data.as_chunks::<4>();
        if raw.is_empty() { self.float_data.clone() } else { raw.iter().map(|b| f32::from_le_bytes(*b)).collect() }
    }

    /// The values of a slope of shape Cx1x1 or 1xCx1x1; `None` for other shapes.
    fn slopes(&self) -> Option<Vec<f32>> {
        let (&[channels, 1, 1] | &[1, channels, 1, 1]) = self.dims.as_slice() else { return None };
        let values = self.floats();
        (self.data_type == FLOAT && values.len() as i64 == channels && channels > 0).then_some(values)
    }
}

/// A field of a message as it stands in the file, key included.
struct Field<'a> {
    number: u32,
    /// The whole field.
    whole: &'a [u8],
    /// What is in it, for a field with a length; the varint, for a number.
    content: &'a [u8],
}

/// The fields of a message in their order; `None` where it is not one.
fn fields(message: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut rest = message;
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let start = rest;
        let (number, wire) = decode_key(&mut rest).ok()?;
        let mut inside = rest;
        if wire == WireType::LengthDelimited {
            decode_varint(&mut inside).ok()?;
        }
        skip_field(wire, number, &mut rest, Default::default()).ok()?;
        let whole = &start[..start.len() - rest.len()];
        let content = inside.get(..inside.len().checked_sub(rest.len())?)?;
        fields.push(Field { number, whole, content });
    }
    Some(fields)
}

fn put(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

/// The network with every `PRelu` after a convolution in other operators, or as
/// it is where there is none.
pub(super) fn without_prelu(model: &[u8]) -> Cow<'_, [u8]> {
    rewritten(model).map_or(Cow::Borrowed(model), Cow::Owned)
}

fn rewritten(model: &[u8]) -> Option<Vec<u8>> {
    // ModelProto: 1 ir_version, 7 graph.
    let parts = fields(model)?;
    let ir_version = parts.iter().find(|f| f.number == 1).and_then(|f| decode_varint(&mut &*f.content).ok())?;
    let [graph] = parts.iter().filter(|f| f.number == 7).collect::<Vec<_>>()[..] else { return None };
    if ir_version < IR_VERSION_MIN {
        return None;
    }
    let graph = rewritten_graph(graph.content)?;
    let mut out = Vec::with_capacity(model.len() + graph.len() / 16);
    for part in &parts {
        match part.number {
            7 => put(&mut out, 7, &graph),
            _ => out.extend_from_slice(part.whole),
        }
    }
    Some(out)
}

/// GraphProto: 1 node, 5 initializer.
fn rewritten_graph(graph: &[u8]) -> Option<Vec<u8>> {
    let parts = fields(graph)?;
    let nodes: Vec<Option<Node>> =
        parts.iter().map(|f| if f.number == 1 { Node::decode(f.content).ok() } else { None }).collect();
    // A graph within a node may read whatever is around it.
    if nodes.iter().flatten().any(|node| node.attribute.iter().any(Attribute::has_graph)) {
        return None;
    }
    let mut slopes: HashMap<String, Vec<f32>> = HashMap::new();
    let mut channels_of_weights: HashMap<String, i64> = HashMap::new();
    let mut names = HashSet::new();
    for part in parts.iter().filter(|f| f.number == 5) {
        let tensor = Tensor::decode(part.content).ok()?;
        names.insert(tensor.name.clone());
        if let [channels, _, _, _] = tensor.dims[..] {
            channels_of_weights.insert(tensor.name.clone(), channels);
        }
        if let Some(values) = tensor.slopes() {
            slopes.insert(tensor.name, values);
        }
    }
    let mut channels_of = HashMap::new();
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for node in nodes.iter().flatten() {
        names.extend(node.output.iter().cloned());
        node.input.iter().for_each(|input| *uses.entry(input).or_default() += 1);
        if let ("Conv", "", [_, weights, ..], [output]) =
            (&*node.op_type, &*node.domain, &node.input[..], &node.output[..])
            && let Some(&channels) = channels_of_weights.get(weights)
        {
            channels_of.insert(output.as_str(), channels);
        }
    }
    // The slopes of a node that can be rewritten: after a convolution over height
    // and width, and with one slope for each of its channels.
    let slopes_of = |node: &Node| -> Option<&Vec<f32>> {
        let [input, slope] = &node.input[..] else { return None };
        let values = slopes.get(slope)?;
        let fits = node.op_type == "PRelu" && node.domain.is_empty() && node.output.len() == 1;
        (fits && channels_of.get(input.as_str()) == Some(&(values.len() as i64))).then_some(values)
    };
    let mut replaced: HashMap<&str, usize> = HashMap::new();
    for node in nodes.iter().flatten().filter(|node| slopes_of(node).is_some()) {
        *replaced.entry(&node.input[1]).or_default() += 1;
    }
    if replaced.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(graph.len() + graph.len() / 16);
    for (part, node) in parts.iter().zip(&nodes) {
        if let Some((node, slopes)) = node.as_ref().and_then(|node| Some((node, slopes_of(node)?))) {
            replace(node, slopes, &mut names, &mut out);
            continue;
        }
        // A slope that nobody else reads; ONNX Runtime would warn of it.
        let unused = part.number == 5
            && Tensor::decode(part.content).is_ok_and(|t| {
                replaced.get(t.name.as_str()).is_some_and(|&replaced| uses.get(t.name.as_str()) == Some(&replaced))
            });
        if !unused {
            out.extend_from_slice(part.whole);
        }
    }
    Some(out)
}

fn replace(node: &Node, slopes: &[f32], names: &mut HashSet<String>, out: &mut Vec<u8>) {
    let (x, y) = (&node.input[0], &node.output[0]);
    let mut fresh = |what: &str| {
        let mut name = format!("{y}/{what}");
        while !names.insert(name.clone()) {
            name.push('_');
        }
        name
    };
    let [turn, negated, below, fall, fallen, above] =
        ["turn", "negated", "below", "fall", "fallen", "above"].map(&mut fresh);
    let apply = |op_type: &str, input: &[&String], output: &String, attribute: Vec<Attribute>| Node {
        input: input.iter().map(|&name| name.clone()).collect(),
        output: vec![output.clone()],
        name: output.clone(),
        op_type: op_type.into(),
        attribute,
        domain: String::new(),
    };
    let scaled = || {
        vec![
            Attribute::int("group", slopes.len() as i64),
            Attribute::ints("kernel_shape", &[1, 1]),
            Attribute::ints("pads", &[0; 4]),
            Attribute::ints("strides", &[1, 1]),
        ]
    };
    let nodes = [
        apply("Conv", &[x, &turn], &negated, scaled()),
        apply("Relu", &[&negated], &below, Vec::new()),
        apply("Conv", &[&below, &fall], &fallen, scaled()),
        apply("Relu", &[x], &above, Vec::new()),
        apply("Add", &[&fallen, &above], y, Vec::new()),
    ];
    for node in nodes {
        put(out, 1, &node.encode_to_vec());
    }
    let minus: Vec<f32> = slopes.iter().map(|v| -v).collect();
    put(out, 5, &Tensor::per_channel(turn, &vec![-1.0; slopes.len()]).encode_to_vec());
    put(out, 5, &Tensor::per_channel(fall, &minus).encode_to_vec());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A model of one convolution with three channels and a `PRelu`.
    fn model(ir_version: u64, slope_dims: &[i64], slopes: &[f32]) -> Vec<u8> {
        let node = |op_type: &str, input: &[&str], output: &str| Node {
            input: input.iter().map(|&s| s.into()).collect(),
            output: vec![output.into()],
            op_type: op_type.into(),
            ..Node::default()
        };
        let mut graph = Vec::new();
        put(&mut graph, 1, &node("Conv", &["in", "w"], "x").encode_to_vec());
        put(&mut graph, 1, &node("PRelu", &["x", "a"], "y").encode_to_vec());
        put(&mut graph, 2, b"a name");
        put(
            &mut graph,
            5,
            &Tensor { dims: slope_dims.into(), ..Tensor::per_channel("a".into(), slopes) }.encode_to_vec(),
        );
        put(
            &mut graph,
            5,
            &Tensor { dims: vec![3, 1, 1, 1], ..Tensor::per_channel("w".into(), &[1.0; 3]) }.encode_to_vec(),
        );
        let mut model = Vec::new();
        encode_key(1, WireType::Varint, &mut model);
        encode_varint(ir_version, &mut model);
        put(&mut model, 2, b"who made it");
        put(&mut model, 7, &graph);
        put(&mut model, 8, &[8, 9]);
        model
    }

    fn operators(model: &[u8]) -> Vec<String> {
        let graph = fields(model).unwrap().into_iter().find(|f| f.number == 7).unwrap().content;
        let nodes = fields(graph).unwrap().into_iter().filter(|f| f.number == 1);
        nodes.map(|f| Node::decode(f.content).unwrap().op_type).collect()
    }

    #[test]
    fn a_prelu_after_a_convolution_becomes_convolutions_and_all_else_stays() {
        for dims in [&[3, 1, 1][..], &[1, 3, 1, 1]] {
            let before = model(7, dims, &[0.1, -0.2, 1.5]);
            let after = without_prelu(&before);
            assert_eq!(operators(&after), ["Conv", "Conv", "Relu", "Conv", "Relu", "Add"]);
            let kept = |model: &[u8]| -> Vec<Vec<u8>> {
                fields(model).unwrap().iter().filter(|f| f.number != 7).map(|f| f.whole.to_vec()).collect()
            };
            assert_eq!(kept(&before), kept(&after));
            let graph = fields(&after).unwrap().into_iter().find(|f| f.number == 7).unwrap().content;
            let tensors: Vec<Tensor> = fields(graph)
                .unwrap()
                .iter()
                .filter(|f| f.number == 5)
                .map(|f| Tensor::decode(f.content).unwrap())
                .collect();
            let values: Vec<Vec<f32>> = tensors.iter().map(Tensor::floats).collect();
            assert_eq!(values, [vec![-1.0; 3], vec![-0.1, 0.2, -1.5], vec![1.0; 3]], "the slope itself is gone");
        }
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
            b"no model at all".to_vec(),
            Vec::new(),
        ] {
            assert!(matches!(without_prelu(&untouched), Cow::Borrowed(bytes) if bytes == untouched));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_broken(noise in prop::collection::vec(any::<u8>(), 0..40), at in 0usize..200) {
            let mut broken = model(7, &[3, 1, 1], &[0.1; 3]);
            let at = at.min(broken.len());
            broken.splice(at..(at + noise.len()).min(broken.len()), noise);
            without_prelu(&broken);
        }
    }
}
