//! A model pack's `pack.toml` may be anything at all: reading it returns, with a
//! manifest or with an error.
#![no_main]

use chinhchu::face::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Manifest::parse(bytes);
});
