//! Texts of checkpoints and of changes of keys, paths of tiles, entry bundles: what is read is
//! written the same. The first byte says what the others are.
#![no_main]

use chinhchu::ledger::checkpoint::Checkpoint;
use chinhchu::ledger::key_change::{KeyChange, LogKeys};
use chinhchu::ledger::note::{Algorithm, Note, SigningKey};
use chinhchu::ledger::tile::{self, TileId};
use libfuzzer_sys::fuzz_target;

fn key(seed: u8) -> SigningKey {
    let name = "ledger.example.vn/gallery".parse().expect("a name");
    SigningKey::from_seed(name, Algorithm::Ed25519, &[seed; 32])
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    match kind {
        b'c' => {
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                assert_eq!(checkpoint.text(), text);
            }
        }
        b'k' => {
            // Signed by both, so that it is read.
            let Some(note) = Note::sign(&text, &[&key(1), &key(2)]) else { return };
            let mut keys = LogKeys::new(key(1).verifier().clone()).expect("a log's key");
            if let Ok(change) = KeyChange::verify(&note) {
                let is_own = change.before == *key(1).verifier() && change.after == *key(2).verifier();
                assert_eq!(keys.change(&note).is_ok(), is_own);
            }
        }
        b't' => {
            if let Ok(tile) = TileId::parse(&text) {
                assert_eq!(tile.to_string(), text);
            }
        }
        _ => {
            if let Some(leaves) = tile::leaves(rest) {
                assert_eq!(tile::entries(&leaves), rest);
            }
        }
    }
});
