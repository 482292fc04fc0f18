//! Any bytes as an image: an answer or an error, never a panic, a hang or
//! memory beyond the limits.
#![no_main]

use chinhchu::imaging::{self, Limits};
use chinhchu_fuzz::{install_hook, must_not_panic};
use libfuzzer_sys::fuzz_target;

/// Small, so that a run spends its time on parsing instead of on pixels.
const LIMITS: Limits = Limits { encoded_bytes_max: 1 << 20, pixels_max: 1 << 20, decode_bytes_max: 64 << 20 };

fuzz_target!(init: install_hook(), |data: &[u8]| {
    must_not_panic(|| {
        for short_side_min in [u32::MAX, 16] {
            if let Ok(decoded) = imaging::decode_scaled(data, &LIMITS, short_side_min) {
                let (width, height) = decoded.full_size;
                assert!(u64::from(width) * u64::from(height) <= LIMITS.pixels_max);
                let image = decoded.image;
                assert_eq!(image.data().len(), image.width() as usize * image.height() as usize * 3);
                assert_eq!(image.width(), width.div_ceil(decoded.scale));
                assert_eq!(image.height(), height.div_ceil(decoded.scale));
            }
        }
    });
});
