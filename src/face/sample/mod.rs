//! Pixels to tensors: antialiased resizing of a box, and the warp of a face,
//! straight into the planes a network takes.

mod resize;
#[cfg(test)]
pub(super) mod tests;
mod warp;

use self::resize::Axis;
pub(super) use self::resize::resize;
pub(super) use self::warp::{Beyond, warp};
use super::manifest::{Colour, NetworkSpec};

/// Luma of ITU-R BT.601.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// Turns 0…255 values into what a network takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Normalise {
    colour: Colour,
    /// Per plane of the network: `value · scale + shift`.
    scale: [f32; 3],
    shift: [f32; 3],
}

impl Normalise {
    /// Red, green and blue as they are, 0…255.
    pub const PLAIN: Self = Self { colour: Colour::Rgb, scale: [1.0; 3], shift: [0.0; 3] };

    pub fn new(spec: &NetworkSpec) -> Self {
        let scale = spec.divisor.map(|d| 1.0 / d);
        Self { colour: spec.colour, scale, shift: [0, 1, 2].map(|i| -spec.mean[i] * scale[i]) }
    }

    pub fn planes(&self) -> usize {
        self.colour.planes()
    }

    /// Fills all planes with one grey value, 0…255.
    pub fn fill(&self, value: f32, out: &mut [f32]) {
        let plane = out.len() / self.planes();
        for (i, values) in out.chunks_exact_mut(plane).enumerate() {
            values.fill(value * self.scale[i] + self.shift[i]);
        }
    }

    /// Fills a network's planes from red, green and blue planes of 0…255 as large.
    pub fn planes_of(&self, rgb: &[f32], out: &mut [f32]) {
        let plane = rgb.len() / 3;
        for at in 0..plane {
            self.put([rgb[at], rgb[plane + at], rgb[2 * plane + at]], out, plane, at);
        }
    }

    /// Writes one pixel.
    #[inline(always)]
    fn put(&self, rgb: [f32; 3], out: &mut [f32], plane: usize, at: usize) {
        match self.colour {
            Colour::Grey => {
                let luma = rgb[0] * LUMA[0] + rgb[1] * LUMA[1] + rgb[2] * LUMA[2];
                out[at] = luma * self.scale[0] + self.shift[0];
            }
            Colour::Rgb | Colour::Bgr => {
                let order = if self.colour == Colour::Rgb { [0, 1, 2] } else { [2, 1, 0] };
                for (i, &channel) in order.iter().enumerate() {
                    out[i * plane + at] = rgb[channel] * self.scale[i] + self.shift[i];
                }
            }
        }
    }
}

/// Where in a tensor's planes the pixels go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Width and height of the planes.
    pub canvas: (usize, usize),
    /// Top left corner of the pixels.
    pub origin: (usize, usize),
    /// Width and height they fill.
    pub size: (usize, usize),
}

impl Place {
    pub fn whole(width: usize, height: usize) -> Self {
        Self { canvas: (width, height), origin: (0, 0), size: (width, height) }
    }
}

/// Buffers kept between pictures.
#[derive(Default)]
pub(super) struct Scratch {
    horizontal: Axis,
    vertical: Axis,
    row: Vec<f32>,
    reduced: Vec<u8>,
}
