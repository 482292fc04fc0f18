//! The messages of `onnx.proto3` (ONNX 1.16, IR version 10), with the fields that are read or
//! written here.

use prost::Message;

/// `TensorProto.DataType`.
pub(super) const FLOAT: i32 = 1;
pub(super) const UINT8: i32 = 2;
pub(super) const INT8: i32 = 3;
pub(super) const INT32: i32 = 6;
pub(super) const INT64: i32 = 7;
/// Name of the attribute with the number of groups of a convolution.
pub(super) const GROUP: &str = "group";

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
    pub(super) kind: i32,
}

impl Attribute {
    /// `AttributeProto.AttributeType.GRAPH` and `GRAPHS`.
    pub(super) fn has_graph(&self) -> bool {
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
pub(super) struct TensorHeader {
    #[prost(int64, repeated, tag = "1")]
    pub(super) dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub(super) data_type: i32,
    #[prost(string, tag = "8")]
    pub(super) name: String,
}

/// The values of a float `TensorProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct FloatValues {
    #[prost(float, repeated, tag = "4")]
    pub(super) float_data: Vec<f32>,
    #[prost(bytes = "vec", tag = "9")]
    pub(super) raw_data: Vec<u8>,
}

/// The values of an integer `TensorProto` of at most 64 bits.
#[derive(Clone, PartialEq, Message)]
pub(super) struct IntegerValues {
    #[prost(int32, repeated, tag = "5")]
    pub(super) int32_data: Vec<i32>,
    #[prost(int64, repeated, tag = "7")]
    pub(super) int64_data: Vec<i64>,
    #[prost(bytes = "vec", tag = "9")]
    pub(super) raw_data: Vec<u8>,
}

/// A float `TensorProto` of our own.
#[derive(Clone, PartialEq, Message)]
pub(super) struct NewTensor {
    #[prost(int64, repeated, tag = "1")]
    pub(super) dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub(super) data_type: i32,
    #[prost(string, tag = "8")]
    pub(super) name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub(super) raw_data: Vec<u8>,
}

/// `ValueInfoProto`, its name.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ValueName {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

/// `ValueInfoProto` of a tensor: `TypeProto.tensor_type` is field 1 of `type`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ValueInfo {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, optional, tag = "2")]
    pub(super) kind: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TypeProto {
    #[prost(message, optional, tag = "1")]
    pub(super) tensor: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorType {
    #[prost(int32, tag = "1")]
    pub(super) element: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<TensorShape>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorShape {
    #[prost(message, repeated, tag = "1")]
    pub(super) dims: Vec<Dimension>,
}

/// A side: a number, or a name where it is free.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Dimension {
    #[prost(int64, optional, tag = "1")]
    pub(super) value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub(super) name: Option<String>,
}

impl ValueInfo {
    pub(super) fn shape(&mut self) -> Option<&mut Option<TensorShape>> {
        Some(&mut self.kind.as_mut()?.tensor.as_mut()?.shape)
    }
}
