//! Byte encoding of float32 vectors: IEEE 754, little-endian, values back to back. Used for stored,
//! cached and sent templates, index files and model weights.

/// Bytes per value.
pub(crate) const BYTES: usize = size_of::<f32>();

/// Encodes values.
pub(crate) fn encode(values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BYTES * values.len());
    append(&mut bytes, values);
    bytes
}

/// Appends the encoding of `values` to `bytes`.
pub(crate) fn append(bytes: &mut Vec<u8>, values: &[f32]) {
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

/// Decodes values bit for bit; `None` if the length is no multiple of [`BYTES`].
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<f32>> {
    Some(values(bytes)?.collect())
}

/// As [`decode`], as an iterator without an allocation.
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
