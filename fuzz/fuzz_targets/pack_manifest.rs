//! A model pack's `pack.toml` may be anything at all: reading it returns, with a
//! manifest or with an error.
#![no_main]

use chinhchu::face::Manifest;
use chinhchu_fuzz::{install_hook, must_not_panic};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: install_hook(), |bytes: &[u8]| {
    must_not_panic(|| {
        let _ = Manifest::parse(bytes);
    });
});
