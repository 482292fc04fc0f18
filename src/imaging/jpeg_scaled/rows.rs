//! Converts rows of components to rows of RGB.

use super::colour;
use super::scan::Plane;

/// Rows of components to rows of RGB.
pub(super) struct Emit {
    width: usize,
    /// Luma pixels per chroma pixel, across and down: 1 or 2.
    h: usize,
    v: usize,
    sums: Vec<u16>,
    cb: Vec<u8>,
    cr: Vec<u8>,
}

impl Emit {
    /// Scratch for a picture of `width` pixels.
    pub(super) fn new(width: usize, planes: &[Plane<'_>]) -> Self {
        let (mut h, mut v) = (1, 1);
        if let [y, cb, _] = planes {
            h = (y.h * y.block_width) / (cb.h * cb.block_width);
            v = (y.v * y.block_height) / (cb.v * cb.block_height);
        }
        let scratch = if h * v > 1 { width + 2 } else { 0 };
        Self { width, h, v, sums: vec![0; scratch], cb: vec![0; scratch], cr: vec![0; scratch] }
    }

    /// Emits the rows that are complete after a row of MCUs. If chroma rows are doubled, the last
    /// row is deferred until the chroma below it is known.
    #[inline(always)]
    pub(super) fn mcu_row(
        &mut self,
        mcu_row: usize,
        is_last: bool,
        planes: &[Plane<'_>],
        height: usize,
        out: &mut [u8],
    ) {
        let Some(y) = planes.first() else { return };
        let rows = y.rows_per_mcu();
        let wait = self.v - 1;
        let from = (mcu_row * rows).saturating_sub(wait);
        let to = if is_last { height } else { (mcu_row + 1) * rows - wait };
        for row in from..to {
            // Row 0 of the buffers is the one held over.
            let luma = y.row(row + 1 - mcu_row * rows);
            let out = &mut out[row * self.width * 3..][..self.width * 3];
            let [_, cb, cr] = planes else {
                colour::grey_to_rgb(luma, out);
                continue;
            };
            let chroma_first = mcu_row * cb.rows_per_mcu();
            if self.h * self.v == 1 {
                let at = row + 1 - chroma_first;
                colour::to_rgb(luma, cb.row(at), cr.row(at), out);
                continue;
            }
            let near = row / self.v;
            let far = match (self.v, row % 2) {
                (1, _) => near,
                (_, 0) => near.saturating_sub(1),
                _ => (near + 1).min(cb.height - 1),
            };
            let (near, far) = (near + 1 - chroma_first, far + 1 - chroma_first);
            colour::upsample(cb.row(near), cb.row(far), self.h == 2, &mut self.sums, &mut self.cb);
            colour::upsample(cr.row(near), cr.row(far), self.h == 2, &mut self.sums, &mut self.cr);
            colour::to_rgb(luma, &self.cb, &self.cr, out);
        }
    }
}
