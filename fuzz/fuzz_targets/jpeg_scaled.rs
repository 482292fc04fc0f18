//! Scaled decoding of image bytes from a stranger: it returns, and what it
//! returns is the full picture divided by the scale, rounded up.
#![no_main]

use chinhchu::imaging::{self, Limits};
use chinhchu_fuzz::{install_hook, must_not_panic};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: install_hook(), |bytes: &[u8]| {
    must_not_panic(|| {
        let limits = Limits { encoded_bytes_max: 1 << 20, pixels_max: 1 << 20, decode_bytes_max: 64 << 20 };
        if let Ok(decoded) = imaging::decode_scaled(bytes, &limits, 2) {
            let (width, height) = decoded.full_size;
            assert_eq!(decoded.image.width(), width.div_ceil(decoded.scale));
            assert_eq!(decoded.image.height(), height.div_ceil(decoded.scale));
        }
    });
});
