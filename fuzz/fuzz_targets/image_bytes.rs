//! Image bytes from a stranger: decoding returns within its bounds, with a
//! picture or with an error.
#![no_main]

use chinhchu::imaging::{self, Limits};
use chinhchu_fuzz::{install_hook, must_not_panic};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: install_hook(), |bytes: &[u8]| {
    must_not_panic(|| {
        let limits = Limits { encoded_bytes_max: 1 << 20, pixels_max: 1 << 20, decode_bytes_max: 64 << 20 };
        if let Ok(decoded) = imaging::decode(bytes, &limits) {
            let (width, height) = (decoded.image.width(), decoded.image.height());
            assert!(u64::from(width) * u64::from(height) <= limits.pixels_max);
            assert_eq!((width, height), decoded.full_size);
        }
    });
});
