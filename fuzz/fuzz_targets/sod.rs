//! EF.SOD of any bytes, alone and with what follows it as further files: a
//! verdict, and never AUTHENTIC without an anchor.
#![no_main]

use chinhchu::chip::{Anchors, CheckOptions, ChipFiles, Fields, Verdict, inspect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut files = ChipFiles::from_bytes([bytes.to_vec()]);
    files.add(b"\x61\x05\x5F\x1F\x02AB".to_vec());
    let inspection = inspect(&files, &Anchors::none(), &CheckOptions::default());
    assert!(inspection.verdict != Verdict::Authentic);
    let _ = inspection.to_json(Fields::Masked);
});
