//! Signed notes and keys, from whoever hands on a checkpoint: what is read is written the same, and
//! nothing is believed that the key's holder did not sign.
#![no_main]

use chinhchu::ledger::note::{Algorithm, Note, SigningKey, VerifierKey};
use libfuzzer_sys::fuzz_target;

/// What the key has signed (`fuzz/seeds/ledger_note`).
const SIGNED: &str = "ledger.example.vn/gallery\n11\n";

fuzz_target!(|bytes: &[u8]| {
    let name = "ledger.example.vn/gallery".parse().expect("a name");
    let key = SigningKey::from_seed(name, Algorithm::Ed25519, &[1; 32]);
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
        if note.verify(&[key.verifier()]).is_ok() {
            assert!(note.text().starts_with(SIGNED), "nobody has signed it");
        }
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
    }
    let _ = text.parse::<SigningKey>();
});
