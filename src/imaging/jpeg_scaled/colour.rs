//! Y, Cb, Cr to R, G, B (JFIF 1.02, full range) and the upsampling of chroma
//! at full size.

/// Converts rows of equal length; `out` takes three bytes a pixel.
///
/// `R = Y + 1.402 Cr'`, `G = Y − 0.344136 Cb' − 0.714136 Cr'`,
/// `B = Y + 1.772 Cb'`, in 16-bit fixed point, within one level of exact.
#[inline(always)]
pub(super) fn to_rgb(y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
    let chroma = cb.iter().zip(cr);
    for ((out, &y), (&cb, &cr)) in out.chunks_exact_mut(3).zip(y).zip(chroma) {
        let (y, cb, cr) = (i16::from(y), i16::from(cb) - 128, i16::from(cr) - 128);
        // Constants are fractions of 2^16 beyond the whole multiples; operands
        // are taken 64 times, so that truncated products do not add up.
        let r = y + cr + rounded(high(cr << 6, 26_345)); // 0.402
        let g = y - cr - rounded(high(cb << 6, 22_553) - high(cr << 6, 18_734)); // 0.344136, 1 - 0.714136
        let b = y + 2 * cb - rounded(high(cb << 6, 14_942)); // 2 - 1.772
        out.copy_from_slice(&[level(r), level(g), level(b)]);
    }
}

/// High half of a 16-bit product.
#[inline(always)]
fn high(a: i16, b: i32) -> i16 {
    ((i32::from(a) * b) >> 16) as i16
}

#[inline(always)]
fn rounded(x: i16) -> i16 {
    (x + 32) >> 6
}

#[inline(always)]
fn level(x: i16) -> u8 {
    x.clamp(0, 255) as u8
}

/// Grey to R = G = B.
#[inline(always)]
pub(super) fn grey_to_rgb(y: &[u8], out: &mut [u8]) {
    for (out, &y) in out.chunks_exact_mut(3).zip(y) {
        out.fill(y);
    }
}

/// Doubles a row of chroma where needed, by the triangle filter: an output
/// sample is three parts of the nearest input sample and one of the next
/// nearest, in each direction that is doubled.
///
/// `near` and `far` are the rows above and below the output's centre, nearest
/// first; equal where rows are not doubled. `sums` and `out` are scratch and
/// result, at least as long as `near` and, doubled, twice that.
#[inline(always)]
pub(super) fn upsample(near: &[u8], far: &[u8], is_doubled: bool, sums: &mut [u16], out: &mut [u8]) {
    let count = near.len();
    let Some(sums) = sums.get_mut(..count) else { return };
    for ((sum, &near), &far) in sums.iter_mut().zip(near).zip(far) {
        *sum = 3 * u16::from(near) + u16::from(far);
    }
    if !is_doubled {
        for (out, &sum) in out.iter_mut().zip(&*sums) {
            *out = ((sum + 2) >> 2) as u8;
        }
        return;
    }
    let (Some(&first), Some(&last)) = (sums.first(), sums.last()) else { return };
    let out = &mut out[..2 * count];
    out[0] = ((4 * first + 8) >> 4) as u8;
    out[2 * count - 1] = ((4 * last + 7) >> 4) as u8;
    // Between the centres of two neighbours lie two output samples. The
    // roundings differ so that they do not drift together.
    for (out, pair) in out[1..].chunks_exact_mut(2).zip(sums.windows(2)) {
        let &[left, right] = pair else { return };
        out.copy_from_slice(&[((3 * left + right + 7) >> 4) as u8, ((3 * right + left + 8) >> 4) as u8]);
    }
}
