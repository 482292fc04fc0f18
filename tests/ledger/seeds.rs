//! What the fuzz targets start from (`fuzz/seeds/ledger_*`): whole notes, receipts and entries, so
//! that a fuzzer gets past the first line.

use std::path::Path;
use std::{env, fs};

use chinhchu::context;
use chinhchu::ledger::entry::{Calls, Code, Digest, DigestOf, Entry, Kind, LedgerKey, Principal, Score};
use chinhchu::ledger::key_change::KeyChange;
use chinhchu::ledger::tile;

use crate::log::{Log, signing_key, witness_key};

fn entries() -> Vec<(&'static str, Vec<u8>)> {
    let key = LedgerKey::from_bytes([3; 32]);
    let code = |text| Code::new(text).unwrap();
    let person = context::Principal::Person { id: "clerk-17".into(), machine: Some("counter-q1".into()) };
    let digest = |of, byte| Digest { of, sha256: [byte; 32] };
    let decision = Entry {
        unit: Some(key.label("BHXH-Q1")),
        named: Some(key.label("officer-3")),
        method: Some(code("/chinhchu.v1.Verification/VerifyBeneficiary")),
        transaction: Some(key.transaction("claim")),
        attempt: 2,
        subjects: vec![key.subject("record-1")],
        digests: vec![digest(DigestOf::Policy, 1), digest(DigestOf::Recipe, 2)],
        evidence: vec![code("chip"), code("chip_face")],
        scores: vec![Score { what: code("chip_face"), value: 0.625, threshold: Some(0.41) }],
        chip_verdict: Some(code("UNANCHORED")),
        outcome: Some(code("REFER")),
        reasons: vec![code("CHIP_NOT_PROVEN")],
        ..Entry::new(Kind::Decision, 1_790_000_000_123, Principal::of(&person, &key))
    };
    let machine = Principal::of(&context::Principal::Machine { name: "payments".into() }, &key);
    let counts = Entry {
        since_ms: 1_790_000_000_000,
        calls: vec![Calls { method: code("/chinhchu.v1.Verification/Verify"), outcome: code("OK"), count: 41 }],
        ..Entry::new(Kind::Calls, 1_790_000_060_000, machine.clone())
    };
    let pack = Entry {
        digests: vec![digest(DigestOf::Pack, 4)],
        replaced: vec![digest(DigestOf::Pack, 5)],
        ..Entry::new(Kind::PackChanged, 1_790_000_000_000, machine.clone())
    };
    let export = Entry { records: Some(0), ..Entry::new(Kind::Export, 1_790_000_000_000, machine) };
    [("decision", decision), ("calls", counts), ("pack", pack), ("export", export)]
        .map(|(name, entry)| (name, entry.encode().unwrap()))
        .to_vec()
}

fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let log = Log::of(11);
    let tagged = |kind: u8, bytes: &[u8]| [&[kind], bytes].concat();
    let change = KeyChange::sign(11, &signing_key(1), &signing_key(2)).unwrap();
    let leaves: Vec<_> = (0..3).map(|index| log.commitment(index)).collect();
    let mut seeds = vec![
        ("ledger_note", "checkpoint", log.signed(11).to_string().into_bytes()),
        ("ledger_note", "log-key", signing_key(1).verifier().to_string().into_bytes()),
        ("ledger_note", "witness-key", witness_key(7).verifier().to_string().into_bytes()),
        ("ledger_checkpoint", "checkpoint", tagged(b'c', log.checkpoint(11).text().as_bytes())),
        ("ledger_checkpoint", "key-change", tagged(b'k', change.text().as_bytes())),
        ("ledger_checkpoint", "tile", tagged(b't', b"tile/0/x001/x234/067.p/12")),
        ("ledger_checkpoint", "entries", tagged(b'e', &tile::entries(&leaves))),
        ("ledger_receipt", "whole", log.receipt(3, 11).to_string().into_bytes()),
        ("ledger_receipt", "without-contents", log.receipt(3, 11).without_contents().to_string().into_bytes()),
        ("ledger_receipt", "last", log.receipt(10, 11).to_string().into_bytes()),
        ("ledger_entry", "opening", log.receipt(3, 11).extra.unwrap()),
    ];
    seeds.extend(entries().into_iter().map(|(name, bytes)| ("ledger_entry", name, bytes)));
    seeds
}

/// Where the formats have changed on purpose, `CHINHCHU_WRITE_SEEDS=1` writes them anew.
#[test]
fn the_fuzz_targets_start_from_what_this_program_writes() {
    for (target, name, bytes) in seeds() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target).join(name);
        if env::var_os("CHINHCHU_WRITE_SEEDS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        assert!(fs::read(&path).unwrap_or_default() == bytes, "{} is another", path.display());
    }
}
