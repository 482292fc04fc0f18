//! The graph of a model: nodes, constants, and descriptions of inputs, outputs and shapes.

use std::borrow::Cow;
use std::collections::HashSet;

use prost::Message;

use super::proto::{Attribute, Dimension, GROUP, Node, TensorHeader, TensorShape, ValueInfo, ValueName};
use super::tensor::Tensor;
use super::wire::{field_of, fields, put};

/// A node with its encoding.
pub(in crate::face::graph) struct GraphNode<'a> {
    pub node: Node,
    pub(super) content: Cow<'a, [u8]>,
}

impl GraphNode<'_> {
    pub fn new(node: Node) -> Self {
        Self { content: Cow::Owned(node.encode_to_vec()), node }
    }

    /// Sets inputs and `group` of a convolution and keeps everything else.
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

/// What a field of a graph other than nodes and constants describes.
pub(super) enum Describes {
    /// An input of the graph, by name.
    Input(String),
    /// An output of the graph.
    Output,
    /// Type and shape of an intermediate value, by name.
    Value(String),
    /// Anything else.
    Other,
}

/// The graph of a model.
pub(in crate::face::graph) struct OnnxGraph<'a> {
    pub steps: Vec<GraphNode<'a>>,
    pub(super) tensors: Vec<Tensor<'a>>,
    /// Encoded fields other than nodes and constants, with what they describe.
    pub(super) others: Vec<(Describes, Cow<'a, [u8]>)>,
    /// All names in use.
    names: HashSet<String>,
    pub(super) inputs: HashSet<String>,
    outputs: HashSet<String>,
}

impl<'a> OnnxGraph<'a> {
    /// GraphProto: 1 node, 5 initializer, 11 input, 12 output, 13 value_info.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
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
                    // A nested graph may read any value of the outer one, so such models are not rewritten.
                    if node.attribute.iter().any(Attribute::has_graph) {
                        return None;
                    }
                    graph.names.extend(node.output.iter().cloned());
                    graph.steps.push(GraphNode { node, content });
                }
                5 => {
                    let head = TensorHeader::decode(field.content).ok()?;
                    graph.names.insert(head.name.clone());
                    graph.tensors.push(Tensor { head, content });
                }
                11 => {
                    let ValueName { name } = ValueName::decode(field.content).ok()?;
                    graph.inputs.insert(name.clone());
                    graph.others.push((Describes::Input(name), whole));
                }
                12 => {
                    graph.outputs.insert(ValueName::decode(field.content).ok()?.name);
                    graph.others.push((Describes::Output, whole));
                }
                13 => graph.others.push((Describes::Value(ValueName::decode(field.content).ok()?.name), whole)),
                _ => graph.others.push((Describes::Other, whole)),
            }
        }
        Some(graph)
    }

    /// A constant by its name; `None` if it is the default of an input, which callers may override.
    pub fn tensor(&self, name: &str) -> Option<&Tensor<'a>> {
        self.tensors.iter().find(|t| t.head.name == name && !self.inputs.contains(name))
    }

    /// Whether a value is an output of the graph.
    pub fn is_output(&self, name: &str) -> bool {
        self.outputs.contains(name)
    }

    /// Reserves an unused name made from `base` and `what`.
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

    /// Replaces the values of each float32 constant for which `change` returns new ones. Returns
    /// whether there was one.
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

    /// Removes all inputs but `input` that no node reads or that have a constant of the file as
    /// default. Returns whether there was one. Callers could override such inputs; ours never do.
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

    /// Makes height and width of `input` (batch, planes, height, width) dynamic, for purely
    /// convolutional networks exported for one size. Returns whether they were fixed. Removes the
    /// declared shapes of other values, which depend on them.
    pub fn free_sides(&mut self, input: &str) -> Option<bool> {
        let named = |describes: &Describes| matches!(describes, Describes::Input(name) if name == input);
        let Some((_, whole)) = self.others.iter_mut().find(|(describes, _)| named(describes)) else {
            return Some(false);
        };
        let field = fields(whole)?.pop()?;
        let mut info = ValueInfo::decode(field.content).ok()?;
        let Some(TensorShape { dims }) = info.shape()? else { return Some(false) };
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

    /// Removes the declared shapes of these values.
    pub fn forget_shapes(&mut self, of: &HashSet<String>) {
        self.others.retain(|(describes, _)| !matches!(describes, Describes::Value(name) if of.contains(name)));
    }

    /// Names of the values that nodes read.
    pub(super) fn read_tensors(&self) -> HashSet<&str> {
        self.steps.iter().flat_map(|step| step.node.input.iter().map(String::as_str)).collect()
    }
}
