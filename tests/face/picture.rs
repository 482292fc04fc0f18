//! What seeded pictures are made with: places of eyes, random numbers, pixels
//! between pixels.

use chinhchu::tools::SplitMix;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;

/// Where the eyes are, in pixels of the picture.
#[derive(Debug, Clone, Copy)]
pub struct Eyes {
    left: [f32; 2],
    right: [f32; 2],
}

impl Eyes {
    /// Where they usually lie in the detector's box.
    pub fn of(left: f32, top: f32, width: f32, height: f32) -> Self {
        let at = |x: f32| [left + x * width, top + 0.2615 * height];
        Self { left: at(0.2833), right: at(0.7074) }
    }

    /// Pixels between them.
    pub fn apart(&self) -> f32 {
        (self.right[0] - self.left[0]).hypot(self.right[1] - self.left[1])
    }

    /// The point between them.
    pub fn middle(&self) -> [f32; 2] {
        [(self.left[0] + self.right[0]) / 2.0, (self.left[1] + self.right[1]) / 2.0]
    }
}

/// A generator of numbers: the same pictures in every run.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        let mut numbers = SplitMix(self.0);
        let next = numbers.next();
        self.0 = numbers.0;
        next
    }

    /// Evenly from `low` to `high`.
    pub fn within(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// 0 to `count`, without `count` itself.
    pub fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    /// One or minus one.
    pub fn sign(&mut self) -> f32 {
        if self.below(2) == 0 { -1.0 } else { 1.0 }
    }
}

/// The picture as a JPEG.
pub fn jpeg(photo: &RgbImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(photo).unwrap();
    bytes
}

/// The picture between its pixels, from the four around; `x` and `y` lie within it.
pub fn sample(photo: &RgbImage, x: f32, y: f32) -> [f32; 3] {
    let (ix, iy) = (x as u32, y as u32);
    let (fx, fy) = (x.fract(), y.fract());
    let at = |dx: u32, dy: u32| photo.get_pixel((ix + dx).min(photo.width() - 1), (iy + dy).min(photo.height() - 1)).0;
    let corners = [
        (at(0, 0), (1.0 - fx) * (1.0 - fy)),
        (at(1, 0), fx * (1.0 - fy)),
        (at(0, 1), (1.0 - fx) * fy),
        (at(1, 1), fx * fy),
    ];
    [0, 1, 2].map(|c| corners.iter().map(|(p, w)| f32::from(p[c]) * w).sum::<f32>())
}
