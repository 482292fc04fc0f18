//! Constants (`TensorProto`) of a graph.

use std::borrow::Cow;

use prost::Message;

use super::proto::{FLOAT, FloatValues, INT8, INT32, INT64, IntegerValues, NewTensor, TensorHeader, UINT8};
use crate::float32;

/// Most values of a tensor that is decoded; far above any tensor that is rewritten.
const VALUES_MAX: i64 = 1 << 24;

/// A constant with its encoding.
pub(in crate::face::graph) struct Tensor<'a> {
    pub(super) head: TensorHeader,
    pub(super) content: Cow<'a, [u8]>,
}

impl Tensor<'_> {
    pub(super) fn new(name: String, dims: &[i64], values: &[f32]) -> Self {
        let raw_data = float32::encode(values);
        let new = NewTensor { dims: dims.to_vec(), data_type: FLOAT, name: name.clone(), raw_data };
        let head = TensorHeader { dims: dims.to_vec(), data_type: FLOAT, name };
        Self { head, content: Cow::Owned(new.encode_to_vec()) }
    }

    pub fn dims(&self) -> &[i64] {
        &self.head.dims
    }

    /// Its float32 values; `None` for another type, for values outside the file, or if their number
    /// does not fit the shape.
    pub fn floats(&self) -> Option<Vec<f32>> {
        let count = self.count()?;
        if self.head.data_type != FLOAT {
            return None;
        }
        let FloatValues { float_data, raw_data } = FloatValues::decode(&*self.content).ok()?;
        let values = if raw_data.is_empty() { float_data } else { float32::decode(&raw_data)? };
        (values.len() as i64 == count).then_some(values)
    }

    /// Its integer values; `None` for types other than integers of 8, 32 or 64 bits, for values
    /// outside the file, or if their number does not fit the shape.
    pub fn integers(&self) -> Option<Vec<i64>> {
        let count = self.count()?;
        let kind = self.head.data_type;
        if ![UINT8, INT8, INT32, INT64].contains(&kind) {
            return None;
        }
        let IntegerValues { int32_data, int64_data, raw_data } = IntegerValues::decode(&*self.content).ok()?;
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

    /// Number of values by its shape; `None` if zero or too many.
    fn count(&self) -> Option<i64> {
        let mut dims = self.head.dims.iter();
        dims.try_fold(1i64, |product, &d| product.checked_mul(d).filter(|p| (1..=VALUES_MAX).contains(p)))
    }
}
