//! Parses an ONNX file into nodes and constants, and writes it again.
//!
//! Field numbers are those of `onnx.proto3` (ONNX 1.16, IR version 10). What is not changed is
//! written as it was in the file.

mod graph;
#[cfg(test)]
pub(in crate::face) mod made;
mod proto;
mod tensor;
mod wire;

use std::borrow::Cow;
use std::collections::HashSet;

use prost::Message;
use prost::encoding::decode_varint;

pub(super) use graph::{GraphNode, OnnxGraph};
use proto::TensorHeader;
pub(in crate::face) use proto::{Attribute, Node};
use tensor::Tensor;
use wire::{WireField, fields, put};

/// Lowest `ModelProto.ir_version` in which an initializer need not be an input, too.
const IR_VERSION_MIN: u64 = 4;

/// A sentence if the bytes are no complete model or a float32 constant is not finite; `None` does
/// not mean that the model is valid otherwise.
///
/// A single infinite value is allowed, as it may be the bound of a clipping operator.
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
        let Ok(head) = TensorHeader::decode(field.content) else { return Some(PART.to_owned()) };
        let tensor = Tensor { head, content: Cow::Borrowed(field.content) };
        let values = tensor.floats()?;
        let unfit = |v: &f32| v.is_nan() || (v.is_infinite() && values.len() > 1);
        let name = tensor.head.name.chars().take(64).flat_map(char::escape_default).collect::<String>();
        values.iter().any(unfit).then(|| format!("its constant `{name}` holds a value that is not finite"))
    })
}

/// A model and its graph.
pub(super) struct OnnxModel<'a> {
    parts: Vec<WireField<'a>>,
    pub graph: OnnxGraph<'a>,
    /// Constants unused in the original file; they are kept, so that ONNX Runtime reports them.
    unread: HashSet<String>,
}

impl<'a> OnnxModel<'a> {
    /// ModelProto: 1 ir_version, 7 graph. `None` for models that must not be rewritten.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let parts = fields(bytes)?;
        let ir_version = parts.iter().find(|f| f.number == 1).and_then(|f| decode_varint(&mut &*f.content).ok())?;
        let [graph] = parts.iter().filter(|f| f.number == 7).collect::<Vec<_>>()[..] else { return None };
        if ir_version < IR_VERSION_MIN {
            return None;
        }
        let graph = OnnxGraph::read(graph.content)?;
        let read = graph.read_tensors();
        let unread =
            graph.tensors.iter().map(|t| &t.head.name).filter(|name| !read.contains(name.as_str())).cloned().collect();
        Some(Self { parts, graph, unread })
    }

    /// The encoded model, without constants that became unused.
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
    use super::graph::Describes;
    use super::made::{MadeModel, conv};
    use super::proto::{GROUP, ValueInfo};
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
        let mut step = GraphNode { node: Node::decode(&*content).unwrap(), content: Cow::Owned(content) };
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
        let graph = OnnxModel::read(&bytes).unwrap().graph;
        assert!(graph.tensor("w").is_none() && graph.tensor("v").is_some());
    }

    #[test]
    fn fixed_sides_become_free_and_nothing_else_of_the_input_changes() {
        let mut made = MadeModel::new(7);
        made.tensor("w", &[1, 3, 1, 1], &[1.0; 3]).node(conv(&["in", "w"], "out", 1));
        made.shaped(11, "in", &[1, 3, 64, 32]).shaped(12, "out", &[1, 1, 64, 32]).shaped(13, "out", &[1, 1, 64, 32]);
        let bytes = made.bytes();
        let mut model = OnnxModel::read(&bytes).unwrap();
        assert_eq!(model.graph.free_sides("in"), Some(true));
        let sides = |graph: &OnnxGraph<'_>| {
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
