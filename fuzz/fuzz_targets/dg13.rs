//! DG13: read or refused, and what is not asked for is not read.
#![no_main]

use chinhchu::chip::{Dg13, Dg13Scope};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(dg13) = Dg13::parse(bytes, Dg13Scope::Identity) {
        assert!(dg13.entries.iter().all(|entry| entry.values.is_none() == entry.id.is_sensitive()));
        let _ = (dg13.birth(), dg13.sex(), dg13.issued(), dg13.expires());
    }
    let _ = Dg13::parse(bytes, Dg13Scope::Everything);
});
