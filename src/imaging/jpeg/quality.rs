//! The quality setting of a JPEG, estimated from its quantisation table.

/// Quality 1…100 on the scale of the Independent JPEG Group's encoder, from the sum of quantisation
/// table 0: its tables are one table scaled, so the sum gives the scale whatever the order of values
/// (libjpeg, jcparam.c). `None` if the DQT segment does not begin with table 0.
pub(super) fn quality_of_table(segment: &[u8]) -> Option<f32> {
    /// Sum of the luminance table of ISO/IEC 10918-1, annex K.
    const SUM: f32 = 3685.0;
    let (&kind, values) = segment.split_first()?;
    let sum: u32 = match kind {
        0x00 => values.get(..64)?.iter().map(|&v| u32::from(v)).sum(),
        0x10 => values.get(..128)?.as_chunks::<2>().0.iter().map(|&v| u32::from(u16::from_be_bytes(v))).sum(),
        _ => return None,
    };
    let percent = 100.0 * sum as f32 / SUM;
    let quality = if percent <= 100.0 { (200.0 - percent) / 2.0 } else { 5000.0 / percent };
    Some(quality.clamp(1.0, 100.0))
}
