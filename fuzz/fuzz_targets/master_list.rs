//! What an operator installs: certificates, revocation lists, master lists, in
//! DER, BER or PEM.
#![no_main]

use chinhchu::chip::Anchors;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut anchors = Anchors::none();
    if anchors.add_bytes("fuzz", bytes).is_ok() {
        assert!(!anchors.sources().is_empty());
    }
});
