//! An ONNX file taken apart into nodes and weights, and put together again.
//!
//! Field numbers are those of `onnx.proto3` (ONNX 1.16, IR version 10). What is
//! not changed is written as it stood in the file.

#[cfg(test)]
pub(in crate::face) mod made;

use std::borrow::Cow;
use std::collections::HashSet;

use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field};

use crate::float32;

/// `ModelProto.ir_version`: from this on an initializer need not be an input too.
const IR_VERSION_MIN: u64 = 4;
/// `TensorProto.DataType.FLOAT`.
const FLOAT: i32 = 1;
/// `TensorProto.DataType`: `UINT8`, `INT8`, `INT32`, `INT64`.
const UINT8: i32 = 2;
const INT8: i32 = 3;
const INT32: i32 = 6;
const INT64: i32 = 7;
/// Most values of one tensor that are looked into; no slopes or weights that are
/// rewritten come near it.
const VALUES_MAX: i64 = 1 << 24;

/// `NodeProto`, what is needed of it.
#[derive(Clone, PartialEq, Message)]
pub(in crate::face) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
    #[prost(string, tag = "7")]
    pub domain: String,
}

impl Node {
    /// Whether it is this one of ONNX's own operators.
    pub fn is(&self, op_type: &str) -> bool {
        self.op_type == op_type && self.domain.is_empty()
    }

    /// `group` of a convolution; one where it names none.
    pub fn group(&self) -> i64 {
        self.int(GROUP).unwrap_or(1)
    }

    /// An integer attribute; `None` where it names none.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.attribute.iter().find(|a| a.name == name).map(|a| a.i)
    }
}

const GROUP: &str = "group";

/// `AttributeProto`, integers only.
#[derive(Clone, PartialEq, Message)]
pub(in crate::face) struct Attribute {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(int64, tag = "3")]
    pub i: i64,
    #[prost(int64, repeated, tag = "8")]
    pub ints: Vec<i64>,
    #[prost(int32, tag = "20")]
    kind: i32,
}

impl Attribute {
    /// `AttributeProto.AttributeType.GRAPH` and `GRAPHS`.
    fn has_graph(&self) -> bool {
        matches!(self.kind, 5 | 10)
    }

    /// `AttributeProto.AttributeType.INT`.
    pub fn int(name: &str, i: i64) -> Self {
        Self { name: name.into(), i, ints: Vec::new(), kind: 2 }
    }

    /// `AttributeProto.AttributeType.INTS`.
    pub fn ints(name: &str, ints: &[i64]) -> Self {
        Self { name: name.into(), i: 0, ints: ints.to_vec(), kind: 7 }
    }
}

/// `TensorProto` without its values, so that these are not copied.
#[derive(Clone, PartialEq, Message)]
struct Head {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
}

/// The values of a float `TensorProto`.
#[derive(Clone, PartialEq, Message)]
struct Values {
    #[prost(float, repeated, tag = "4")]
    float_data: Vec<f32>,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

/// The values of an integer `TensorProto` of at most 64 bits.
#[derive(Clone, PartialEq, Message)]
struct Integers {
    #[prost(int32, repeated, tag = "5")]
    int32_data: Vec<i32>,
    #[prost(int64, repeated, tag = "7")]
    int64_data: Vec<i64>,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

/// A float `TensorProto` of our own.
#[derive(Clone, PartialEq, Message)]
struct NewTensor {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

/// `ValueInfoProto`, its name.
#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}

/// `ValueInfoProto` of a tensor: `TypeProto.tensor_type` is field 1 of `type`.
#[derive(Clone, PartialEq, Message)]
struct ValueInfo {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TypeProto {
    #[prost(message, optional, tag = "1")]
    tensor: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorType {
    #[prost(int32, tag = "1")]
    element: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
struct Shape {
    #[prost(message, repeated, tag = "1")]
    dims: Vec<Dimension>,
}

/// A side: a number, or a name where it is free.
#[derive(Clone, PartialEq, Message)]
struct Dimension {
    #[prost(int64, optional, tag = "1")]
    value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    name: Option<String>,
}

impl ValueInfo {
    fn shape(&mut self) -> Option<&mut Option<Shape>> {
        Some(&mut self.kind.as_mut()?.tensor.as_mut()?.shape)
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

/// What is wrong with the bytes of a model, as a sentence: they are not a whole one, or a
/// float32 constant holds what is no number. `None` says only that this is not so.
///
/// An infinite constant of a single value is a bound that bounds nothing, and fine.
pub(super) fn fault(model: &[u8]) -> Option<String> {
    const PART: &str = "it is no ONNX network, or only a part of one";
    let Some(model) = fields(model) else { return Some(PART.to_owned()) };
    // ModelProto: 7 graph.
    let Some(graph) = model.iter().find(|field| field.number == 7) else { return Some(PART.to_owned()) };
    let Some(graph) = fields(graph.content) else { return Some(PART.to_owned()) };
    if !graph.iter().any(|field| field.number == 1) {
        return Some("its graph has no operators".to_owned());
    }
    graph.iter().filter(|field| field.number == 5).find_map(|field| {
        let Ok(head) = Head::decode(field.content) else { return Some(PART.to_owned()) };
        let tensor = Tensor { head, content: Cow::Borrowed(field.content) };
        let values = tensor.floats()?;
        let unfit = |v: &f32| v.is_nan() || (v.is_infinite() && values.len() > 1);
        let name = tensor.head.name.chars().take(64).flat_map(char::escape_default).collect::<String>();
        values.iter().any(unfit).then(|| format!("its constant `{name}` holds a value that is not finite"))
    })
}

fn put(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

fn field_of(number: u32, message: &impl Message) -> Vec<u8> {
    let mut field = Vec::new();
    put(&mut field, number, &message.encode_to_vec());
    field
}

/// A node and how it is written.
pub(super) struct Step<'a> {
    pub node: Node,
    content: Cow<'a, [u8]>,
}

impl Step<'_> {
    pub fn new(node: Node) -> Self {
        Self { content: Cow::Owned(node.encode_to_vec()), node }
    }

    /// Gives a convolution other inputs and another group; all else it says stays.
    pub fn set_inputs(&mut self, input: Vec<String>, group: i64) -> Option<()> {
        let mut content = Vec::with_capacity(self.content.len() + 64);
        input.iter().for_each(|name| put(&mut content, 1, name.as_bytes()));
        for field in fields(&self.content)? {
            let group_of_old = field.number == 5 && Attribute::decode(field.content).is_ok_and(|a| a.name == GROUP);
            if field.number != 1 && !group_of_old {
                content.extend_from_slice(field.whole);
            }
        }
        put(&mut content, 5, &Attribute::int(GROUP, group).encode_to_vec());
        self.node = Node::decode(&*content).ok()?;
        self.content = Cow::Owned(content);
        Some(())
    }
}

/// A constant and how it is written.
pub(super) struct Tensor<'a> {
    head: Head,
    content: Cow<'a, [u8]>,
}

impl Tensor<'_> {
    fn new(name: String, dims: &[i64], values: &[f32]) -> Self {
        let raw_data = float32::encode(values);
        let new = NewTensor { dims: dims.to_vec(), data_type: FLOAT, name: name.clone(), raw_data };
        let head = Head { dims: dims.to_vec(), data_type: FLOAT, name };
        Self { head, content: Cow::Owned(new.encode_to_vec()) }
    }

    pub fn dims(&self) -> &[i64] {
        &self.head.dims
    }

    /// Its values; `None` where they are no float32 in this file, or not as many as
    /// its shape says.
    pub fn floats(&self) -> Option<Vec<f32>> {
        let count = self.count()?;
        if self.head.data_type != FLOAT {
            return None;
        }
        let Values { float_data, raw_data } = Values::decode(&*self.content).ok()?;
        let values = if raw_data.is_empty() { float_data } else { float32::decode(&raw_data)? };
        (values.len() as i64 == count).then_some(values)
    }

    /// Its values; `None` where they are no integers of 8, 32 or 64 bits in this file,
    /// or not as many as its shape says.
    pub fn integers(&self) -> Option<Vec<i64>> {
        let count = self.count()?;
        let kind = self.head.data_type;
        if ![UINT8, INT8, INT32, INT64].contains(&kind) {
            return None;
        }
        let Integers { int32_data, int64_data, raw_data } = Integers::decode(&*self.content).ok()?;
        let values: Vec<i64> = match kind {
            INT64 if raw_data.is_empty() => int64_data,
            _ if raw_data.is_empty() => int32_data.into_iter().map(i64::from).collect(),
            UINT8 => raw_data.into_iter().map(i64::from).collect(),
            INT8 => raw_data.into_iter().map(|b| i64::from(b.cast_signed())).collect(),
            INT32 => {
                let (raw, rest) = raw_data.as_chunks::<4>();
                rest.is_empty().then(|| raw.iter().map(|b| i64::from(i32::from_le_bytes(*b))).collect())?
            }
            _ => {
                let (raw, rest) = raw_data.as_chunks::<8>();
                rest.is_empty().then(|| raw.iter().map(|b| i64::from_le_bytes(*b)).collect())?
            }
        };
        (values.len() as i64 == count).then_some(values)
    }

    /// Number of values by its shape; `None` where there are none or too many.
    fn count(&self) -> Option<i64> {
        let mut dims = self.head.dims.iter();
        dims.try_fold(1i64, |product, &d| product.checked_mul(d).filter(|p| (1..=VALUES_MAX).contains(p)))
    }
}

/// What a field of a graph, neither node nor constant, is about.
enum Describes {
    /// An input of the whole, by name.
    Input(String),
    /// An output of the whole.
    Output,
    /// Type and shape of a value within, by name.
    Value(String),
    /// Anything else.
    Other,
}

/// The graph of a model.
pub(super) struct Graph<'a> {
    pub steps: Vec<Step<'a>>,
    tensors: Vec<Tensor<'a>>,
    /// What is neither, and what it is about.
    others: Vec<(Describes, Cow<'a, [u8]>)>,
    /// All names there are.
    names: HashSet<String>,
    inputs: HashSet<String>,
    outputs: HashSet<String>,
}

impl<'a> Graph<'a> {
    /// GraphProto: 1 node, 5 initializer, 11 input, 12 output, 13 value_info.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut graph = Self {
            steps: Vec::new(),
            tensors: Vec::new(),
            others: Vec::new(),
            names: HashSet::new(),
            inputs: HashSet::new(),
            outputs: HashSet::new(),
        };
        for field in fields(bytes)? {
            let (content, whole) = (Cow::Borrowed(field.content), Cow::Borrowed(field.whole));
            match field.number {
                1 => {
                    let node = Node::decode(field.content).ok()?;
                    // A graph within a node may read whatever is around it.
                    if node.attribute.iter().any(Attribute::has_graph) {
                        return None;
                    }
                    graph.names.extend(node.output.iter().cloned());
                    graph.steps.push(Step { node, content });
                }
                5 => {
                    let head = Head::decode(field.content).ok()?;
                    graph.names.insert(head.name.clone());
                    graph.tensors.push(Tensor { head, content });
                }
                11 => {
                    let Named { name } = Named::decode(field.content).ok()?;
                    graph.inputs.insert(name.clone());
                    graph.others.push((Describes::Input(name), whole));
                }
                12 => {
                    graph.outputs.insert(Named::decode(field.content).ok()?.name);
                    graph.others.push((Describes::Output, whole));
                }
                13 => graph.others.push((Describes::Value(Named::decode(field.content).ok()?.name), whole)),
                _ => graph.others.push((Describes::Other, whole)),
            }
        }
        Some(graph)
    }

    /// A constant by its name; `None` where a caller may put another in its place.
    pub fn tensor(&self, name: &str) -> Option<&Tensor<'a>> {
        self.tensors.iter().find(|t| t.head.name == name && !self.inputs.contains(name))
    }

    /// Whether a value is an output of the whole.
    pub fn is_output(&self, name: &str) -> bool {
        self.outputs.contains(name)
    }

    /// A name that nothing has yet.
    pub fn fresh(&mut self, base: &str, what: &str) -> String {
        let mut name = format!("{base}/{what}");
        while !self.names.insert(name.clone()) {
            name.push('_');
        }
        name
    }

    /// Adds a constant of float32 values.
    pub fn add(&mut self, name: String, dims: &[i64], values: &[f32]) {
        self.names.insert(name.clone());
        self.tensors.push(Tensor::new(name, dims, values));
    }

    /// Gives each float32 constant the values that `change` makes of its own, where it
    /// makes any; whether it did of one.
    pub fn change_floats(&mut self, change: impl Fn(&[f32]) -> Option<Vec<f32>>) -> bool {
        let mut changed = false;
        for tensor in self.tensors.iter_mut().filter(|t| !self.inputs.contains(&t.head.name)) {
            if let Some(values) = tensor.floats().and_then(|values| change(&values)) {
                *tensor = Tensor::new(tensor.head.name.clone(), &tensor.head.dims, &values);
                changed = true;
            }
        }
        changed
    }

    /// Takes all inputs but `input` out that no node reads or that a constant of the
    /// file is the default of; whether there was one. A caller could put something in
    /// their place, which ours never does.
    pub fn keep_input(&mut self, input: &str) -> bool {
        let constants: HashSet<&str> = self.tensors.iter().map(|t| t.head.name.as_str()).collect();
        let read = self.read_tensors();
        let needless: HashSet<String> = self
            .inputs
            .iter()
            .filter(|name| *name != input && (constants.contains(name.as_str()) || !read.contains(name.as_str())))
            .cloned()
            .collect();
        self.inputs.retain(|name| !needless.contains(name));
        let is_needless =
            |describes: &Describes| matches!(describes, Describes::Input(name) if needless.contains(name));
        self.others.retain(|(describes, _)| !is_needless(describes));
        !needless.is_empty()
    }

    /// Lets the height and the width of `input` (batch, planes, height, width) be any, for
    /// a network of convolutions alone that was exported for one size; whether they were
    /// fixed. What the file says of other shapes, which hang on them, goes.
    pub fn free_sides(&mut self, input: &str) -> Option<bool> {
        let named = |describes: &Describes| matches!(describes, Describes::Input(name) if name == input);
        let Some((_, whole)) = self.others.iter_mut().find(|(describes, _)| named(describes)) else {
            return Some(false);
        };
        let field = fields(whole)?.pop()?;
        let mut info = ValueInfo::decode(field.content).ok()?;
        let Some(Shape { dims }) = info.shape()? else { return Some(false) };
        let [_, _, height, width] = &mut dims[..] else { return Some(false) };
        if height.value.is_none() || width.value.is_none() {
            return Some(false);
        }
        for (side, name) in [(height, "height"), (width, "width")] {
            *side = Dimension { value: None, name: Some(name.into()) };
        }
        *whole = Cow::Owned(field_of(11, &info));
        self.others.retain(|(describes, _)| !matches!(describes, Describes::Value(_)));
        for (_, whole) in self.others.iter_mut().filter(|(describes, _)| matches!(describes, Describes::Output)) {
            let field = fields(whole)?.pop()?;
            let mut info = ValueInfo::decode(field.content).ok()?;
            *info.shape()? = None;
            *whole = Cow::Owned(field_of(12, &info));
        }
        Some(true)
    }

    /// Drops what the file says of the shapes of these values.
    pub fn forget_shapes(&mut self, of: &HashSet<String>) {
        self.others.retain(|(describes, _)| !matches!(describes, Describes::Value(name) if of.contains(name)));
    }

    /// Which constants are read by nodes.
    fn read_tensors(&self) -> HashSet<&str> {
        self.steps.iter().flat_map(|step| step.node.input.iter().map(String::as_str)).collect()
    }
}

/// A model and its graph.
pub(super) struct Model<'a> {
    parts: Vec<Field<'a>>,
    pub graph: Graph<'a>,
    /// Constants that nobody reads in the file; ONNX Runtime is left to say so.
    unread: HashSet<String>,
}

impl<'a> Model<'a> {
    /// ModelProto: 1 ir_version, 7 graph. `None` where nothing should be rewritten.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let parts = fields(bytes)?;
        let ir_version = parts.iter().find(|f| f.number == 1).and_then(|f| decode_varint(&mut &*f.content).ok())?;
        let [graph] = parts.iter().filter(|f| f.number == 7).collect::<Vec<_>>()[..] else { return None };
        if ir_version < IR_VERSION_MIN {
            return None;
        }
        let graph = Graph::read(graph.content)?;
        let read = graph.read_tensors();
        let unread =
            graph.tensors.iter().map(|t| &t.head.name).filter(|name| !read.contains(name.as_str())).cloned().collect();
        Some(Self { parts, graph, unread })
    }

    /// The file, without the constants that nobody reads any more.
    pub fn write(&self) -> Vec<u8> {
        let read = self.graph.read_tensors();
        let mut graph = Vec::new();
        self.graph.steps.iter().for_each(|step| put(&mut graph, 1, &step.content));
        self.graph.others.iter().for_each(|(_, whole)| graph.extend_from_slice(whole));
        for tensor in &self.graph.tensors {
            let name = tensor.head.name.as_str();
            if read.contains(name) || self.unread.contains(name) {
                put(&mut graph, 5, &tensor.content);
            }
        }
        let mut out = Vec::with_capacity(graph.len() + 1024);
        for part in &self.parts {
            match part.number {
                7 => put(&mut out, 7, &graph),
                _ => out.extend_from_slice(part.whole),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::made::{MadeModel, conv};
    use super::*;

    #[test]
    fn a_convolution_with_other_weights_keeps_what_else_it_says() {
        let mut node = conv(&["in", "w"], "x", 3);
        // `auto_pad`, a string (4), which is not taken apart here.
        let mut padding = Vec::new();
        put(&mut padding, 1, b"auto_pad");
        put(&mut padding, 4, b"SAME_UPPER");
        let mut content = node.encode_to_vec();
        put(&mut content, 5, &padding);
        node.name = "a".into();
        let mut step = Step { node: Node::decode(&*content).unwrap(), content: Cow::Owned(content) };
        step.set_inputs(vec!["in".into(), "wider".into()], 16).unwrap();
        assert_eq!((step.node.input[1].as_str(), step.node.group()), ("wider", 16));
        assert!(step.content.windows(padding.len()).any(|w| w == padding));
        assert_eq!(step.node.attribute.iter().filter(|a| a.name == GROUP).count(), 1);
    }

    #[test]
    fn a_constant_that_a_caller_may_replace_is_none() {
        let mut made = MadeModel::new(7);
        made.tensor("w", &[1], &[1.0]).tensor("v", &[1], &[1.0]).named(11, "w");
        let bytes = made.bytes();
        let graph = Model::read(&bytes).unwrap().graph;
        assert!(graph.tensor("w").is_none() && graph.tensor("v").is_some());
    }

    #[test]
    fn fixed_sides_become_free_and_nothing_else_of_the_input_changes() {
        let mut made = MadeModel::new(7);
        made.tensor("w", &[1, 3, 1, 1], &[1.0; 3]).node(conv(&["in", "w"], "out", 1));
        made.shaped(11, "in", &[1, 3, 64, 32]).shaped(12, "out", &[1, 1, 64, 32]).shaped(13, "out", &[1, 1, 64, 32]);
        let bytes = made.bytes();
        let mut model = Model::read(&bytes).unwrap();
        assert_eq!(model.graph.free_sides("in"), Some(true));
        let sides = |graph: &Graph<'_>| {
            let is_value = |describes: &Describes| !matches!(describes, Describes::Other);
            let infos = graph.others.iter().filter(|(describes, _)| is_value(describes));
            let shapes = infos.map(|(_, whole)| {
                let mut info = ValueInfo::decode(fields(whole).unwrap()[0].content).unwrap();
                info.shape().unwrap().clone().map(|shape| shape.dims.iter().map(|d| d.value).collect::<Vec<_>>())
            });
            shapes.collect::<Vec<_>>()
        };
        assert_eq!(sides(&model.graph), [Some(vec![Some(1), Some(3), None, None]), None]);
        assert_eq!(model.graph.free_sides("in"), Some(false), "they are free");
        assert_eq!(model.graph.free_sides("no input"), Some(false));
    }

    #[test]
    fn a_shape_that_does_not_fit_its_values_gives_none() {
        for dims in [&[3][..], &[1, 1], &[-2], &[0], &[i64::MAX, i64::MAX]] {
            assert_eq!(Tensor::new("w".into(), dims, &[1.0, 2.0]).floats(), None);
        }
        assert_eq!(Tensor::new("w".into(), &[2, 1], &[1.0, 2.0]).floats(), Some(vec![1.0, 2.0]));
    }
}
