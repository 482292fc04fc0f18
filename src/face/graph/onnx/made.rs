//! Builds ONNX models for tests, and inspects them.

use prost::encoding::{WireType, encode_key, encode_varint};

use super::graph::Describes;
use super::proto::{
    Dimension, FLOAT, GROUP, INT8, INT64, NewTensor, TensorShape, TensorType, TypeProto, ValueInfo, ValueName,
};
use super::wire::field_of;
use super::*;

pub fn node(op_type: &str, input: &[&str], output: &str) -> Node {
    Node {
        input: input.iter().map(|&s| s.into()).collect(),
        output: vec![output.into()],
        op_type: op_type.into(),
        ..Node::default()
    }
}

pub fn conv(input: &[&str], output: &str, group: i64) -> Node {
    Node { attribute: vec![Attribute::int(GROUP, group)], ..node("Conv", input, output) }
}

pub struct MadeModel {
    ir_version: u64,
    graph: Vec<u8>,
}

impl MadeModel {
    pub fn new(ir_version: u64) -> Self {
        let mut graph = Vec::new();
        put(&mut graph, 2, b"a name");
        Self { ir_version, graph }
    }

    pub fn node(&mut self, node: Node) -> &mut Self {
        put(&mut self.graph, 1, &node.encode_to_vec());
        self
    }

    pub fn tensor(&mut self, name: &str, dims: &[i64], values: &[f32]) -> &mut Self {
        put(&mut self.graph, 5, &Tensor::new(name.into(), dims, values).content);
        self
    }

    /// A constant of bytes (`INT8`) or of 64 bits (`INT64`).
    pub fn integers(&mut self, name: &str, dims: &[i64], values: &[i64], bytes: bool) -> &mut Self {
        let raw_data = match bytes {
            true => values.iter().map(|&v| (v as i8).cast_unsigned()).collect(),
            false => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        };
        let data_type = if bytes { INT8 } else { INT64 };
        let tensor = NewTensor { dims: dims.to_vec(), data_type, name: name.into(), raw_data };
        put(&mut self.graph, 5, &tensor.encode_to_vec());
        self
    }

    /// A float32 value with its shape; fields as for [`named`](Self::named).
    pub fn shaped(&mut self, number: u32, name: &str, sides: &[i64]) -> &mut Self {
        let dims = sides.iter().map(|&side| Dimension { value: Some(side), name: None }).collect();
        let tensor = TensorType { element: FLOAT, shape: Some(TensorShape { dims }) };
        let kind = Some(TypeProto { tensor: Some(tensor) });
        self.graph.extend(field_of(number, &ValueInfo { name: name.into(), kind }));
        self
    }

    /// 11 input, 12 output, 13 value_info.
    pub fn named(&mut self, number: u32, name: &str) -> &mut Self {
        put(&mut self.graph, number, &ValueName { name: name.into() }.encode_to_vec());
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut model = Vec::new();
        encode_key(1, WireType::Varint, &mut model);
        encode_varint(self.ir_version, &mut model);
        put(&mut model, 2, b"who made it");
        put(&mut model, 7, &self.graph);
        put(&mut model, 8, &[8, 9]);
        model
    }
}

/// The model with every value its nodes make as an output of the whole.
pub fn with_all_values(model: &[u8]) -> Vec<u8> {
    let mut model = OnnxModel::read(model).unwrap();
    let made: Vec<Vec<u8>> = model
        .graph
        .steps
        .iter()
        .flat_map(|step| &step.node.output)
        .filter(|name| !name.is_empty() && !model.graph.is_output(name))
        .map(|name| field_of(12, &ValueName { name: name.clone() }))
        .collect();
    model.graph.others.extend(made.iter().map(|field| (Describes::Output, Cow::Borrowed(field.as_slice()))));
    model.write()
}

/// Names of the inputs of the whole, sorted.
pub fn inputs_of(model: &[u8]) -> Vec<String> {
    let mut inputs: Vec<String> = OnnxModel::read(model).unwrap().graph.inputs.into_iter().collect();
    inputs.sort();
    inputs
}

/// All of the model but its graph.
pub fn around(model: &[u8]) -> Vec<Vec<u8>> {
    fields(model).unwrap().iter().filter(|f| f.number != 7).map(|f| f.whole.to_vec()).collect()
}

/// Names of what nodes do, in order.
pub fn operators(model: &[u8]) -> Vec<String> {
    OnnxModel::read(model).unwrap().graph.steps.iter().map(|step| step.node.op_type.clone()).collect()
}

/// All float32 constants: name, shape, values.
pub fn tensors(model: &[u8]) -> Vec<(String, Vec<i64>, Vec<f32>)> {
    let graph = OnnxModel::read(model).unwrap().graph;
    let all = graph.tensors.iter();
    all.filter_map(|t| Some((t.head.name.clone(), t.head.dims.clone(), t.floats()?))).collect()
}

/// Names of the values whose shapes the file gives.
pub fn shapes_of(model: &[u8]) -> Vec<String> {
    let others = OnnxModel::read(model).unwrap().graph.others;
    let named = others.into_iter().filter_map(|(describes, _)| match describes {
        Describes::Value(name) => Some(name),
        _ => None,
    });
    named.collect()
}
