//! Image bytes from a stranger: decoding returns within its bounds, with a
//! picture or with an error.
#![no_main]

use chinhchu::imaging::{self, Limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { encoded_bytes_max: 1 << 20, pixels_max: 1 << 20, decode_bytes_max: 64 << 20 };
    if let Ok(decoded) = imaging::decode(bytes, &limits) {
        assert!(u64::from(decoded.image.width()) * u64::from(decoded.image.height()) <= limits.pixels_max);
    }
});
