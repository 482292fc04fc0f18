//! DG2 and bare face records of both standards: pictures within bounds, or an error.
#![no_main]

use chinhchu::chip::{Dg2, PHOTOS_MAX};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for parsed in [Dg2::parse(bytes), Dg2::parse_record(bytes)].into_iter().flatten() {
        assert!((1..=PHOTOS_MAX).contains(&parsed.photos.len()));
        assert!(parsed.photos.iter().all(|photo| photo.bytes.len() <= bytes.len()));
    }
});
