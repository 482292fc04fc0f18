//! Contents of entries and openings, as stores and receipts carry them: what is read has these bytes
//! only, and can be listed.
#![no_main]

use chinhchu::ledger::commitment::{Commitment, Opening};
use chinhchu::ledger::entry::{Entry, EntryTable, Listed};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entry) = Entry::decode(bytes) {
        assert_eq!(entry.encode().as_deref(), Ok(bytes));
        let listed = Listed { index: 0, commitment: Commitment::from_bytes([0; 32]), entry: Some(&entry) };
        let line: serde_json::Value = serde_json::from_str(&listed.to_json()).expect("a line of JSON");
        assert_eq!(line["entry"]["kind"], entry.kind.name());
        let mut out = Vec::new();
        let mut table = EntryTable::begin(&mut out, Default::default()).expect("a table");
        table.row(&listed).and_then(|()| table.end()).expect("a row");
    }
    if let Some(opening) = Opening::from_bytes(bytes) {
        assert_eq!(opening.to_bytes(), bytes);
        assert!(opening.commitment().is_opened_by(&opening));
    }
});
