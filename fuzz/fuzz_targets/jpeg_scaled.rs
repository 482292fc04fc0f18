//! Scaled decoding of image bytes from a stranger: never larger than the full
//! picture, and never a panic.
#![no_main]

use chinhchu::imaging::{self, Limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { encoded_bytes_max: 1 << 20, pixels_max: 1 << 20, decode_bytes_max: 64 << 20 };
    if let Ok(decoded) = imaging::decode_scaled(bytes, &limits, 16) {
        assert!(decoded.image.width() <= decoded.full_size.0);
        assert!(decoded.image.height() <= decoded.full_size.1);
    }
});
