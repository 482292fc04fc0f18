//! Scaled decoding of image bytes from a stranger: the size that was promised at
//! every scale, and never a panic. A picture that is read at one scale is not
//! damaged at another.
#![no_main]

use chinhchu::imaging::{self, ImageError, Limits};
use chinhchu_fuzz::{install_hook, must_not_panic};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: install_hook(), |bytes: &[u8]| {
    must_not_panic(|| {
        let limits = Limits { encoded_bytes_max: 1 << 20, pixels_max: 1 << 20, decode_bytes_max: 64 << 20 };
        let mut is_read = None;
        for short_side_min in [u32::MAX, 64, 16, 1] {
            let decoded = imaging::decode_scaled(bytes, &limits, short_side_min);
            if let Ok(decoded) = &decoded {
                let scale = decoded.scale;
                assert!(matches!(scale, 1 | 2 | 4 | 8));
                assert_eq!(decoded.image.width(), decoded.full_size.0.div_ceil(scale));
                assert_eq!(decoded.image.height(), decoded.full_size.1.div_ceil(scale));
            }
            // A smaller scale may fit a limit that a larger one breaks.
            if !matches!(decoded, Err(ImageError::TooMuchMemory { .. })) {
                assert_eq!(*is_read.get_or_insert(decoded.is_ok()), decoded.is_ok());
            }
        }
    });
});
