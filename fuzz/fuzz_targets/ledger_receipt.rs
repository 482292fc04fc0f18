//! Receipts, from whoever shows one: what is read is written the same, and what is proven is an entry
//! of the log.
#![no_main]

#[path = "../../tests/ledger/log.rs"]
#[allow(dead_code)]
mod log;

use std::sync::OnceLock;

use chinhchu::ledger::receipt::Receipt;
use chinhchu::ledger::witness::WitnessPolicy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The log of the seeds.
    static LOG: OnceLock<log::Log> = OnceLock::new();
    let log = LOG.get_or_init(|| log::Log::of(11));
    let Ok(receipt) = Receipt::parse(bytes) else { return };
    assert_eq!(receipt.to_string().as_bytes(), bytes);
    for asked in [None, Some(log.commitment(3))] {
        if let Ok(proven) = receipt.verify(asked, &log::keys(), &WitnessPolicy::default()) {
            assert_eq!(proven.checkpoint, log.checkpoint(11), "nothing else is signed");
            assert_eq!(proven.commitment, log.commitment(proven.index), "nothing else is in it");
        }
    }
});
