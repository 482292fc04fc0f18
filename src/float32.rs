//! The one byte layout of vectors of 32-bit floats: IEEE 754, little-endian, value after value.
//! Templates are stored, cached and sent so, indexes and networks are read so.

/// Bytes of a value.
pub(crate) const BYTES: usize = size_of::<f32>();

/// The bytes of values.
pub(crate) fn encode(values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BYTES * values.len());
    append(&mut bytes, values);
    bytes
}

/// Appends the bytes of values.
pub(crate) fn append(bytes: &mut Vec<u8>, values: &[f32]) {
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

/// The values of bytes, bit for bit; `None` where a value is cut short.
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<f32>> {
    Some(values(bytes)?.collect())
}

/// The same one by one, without memory of their own.
pub(crate) fn values(bytes: &[u8]) -> Option<impl ExactSizeIterator<Item = f32> + '_> {
    let (values, rest) = bytes.as_chunks::<BYTES>();
    rest.is_empty().then(|| values.iter().map(|&bytes| f32::from_le_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_layout_is_little_endian_and_what_is_cut_short_is_nothing() {
        assert_eq!(encode(&[1.0, -2.0]), [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
        assert_eq!(decode(&[]), Some(vec![]));
        for length in [1, 3, 5, 7] {
            assert_eq!(decode(&[0; 8][..length]), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn every_value_comes_back_bit_for_bit(bits in prop::collection::vec(any::<u32>(), 0..20)) {
            let values: Vec<f32> = bits.iter().map(|&bits| f32::from_bits(bits)).collect();
            let back = decode(&encode(&values)).unwrap();
            prop_assert_eq!(back.iter().map(|value| value.to_bits()).collect::<Vec<_>>(), bits);
        }
    }
}
