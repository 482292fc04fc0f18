//! A log to export: entries, keys, a witness, checkpoints.

use std::convert::Infallible;
use std::path::Path;

use chinhchu::context;
use chinhchu::ledger::checkpoint::Checkpoint;
use chinhchu::ledger::commitment::{Commitment, Opening, Salt};
use chinhchu::ledger::entry::{Code, Entry, Kind, LedgerKey, Principal};
use chinhchu::ledger::key_change::LogKeys;
use chinhchu::ledger::note::{Algorithm, Note, SigningKey};
use chinhchu::ledger::receipt::Receipt;
use chinhchu::ledger::tile;
use chinhchu::ledger::tree::{self, MemoryNodes, RightEdge};
use chinhchu::ledger::witness;

pub const ORIGIN: &str = "ledger.example.vn/gallery";

pub fn signing_key(seed: u8) -> SigningKey {
    SigningKey::from_seed(ORIGIN.parse().unwrap(), Algorithm::Ed25519, &[seed; 32])
}

pub fn witness_key(seed: u8) -> SigningKey {
    let name = format!("witness{seed}.example.vn").parse().unwrap();
    SigningKey::from_seed(name, Algorithm::CosignatureV1, &[seed; 32])
}

pub fn keys() -> LogKeys {
    LogKeys::new(signing_key(1).verifier().clone()).unwrap()
}

/// A log with everything that a store would keep of it.
pub struct Log {
    openings: Vec<Opening>,
    pub edge: RightEdge,
    nodes: MemoryNodes,
}

impl Log {
    /// A log of so many entries; entry `other` is one of another hand.
    pub fn with(size: u64, other: Option<u64>) -> Self {
        let mut log = Self { openings: Vec::new(), edge: RightEdge::default(), nodes: MemoryNodes::default() };
        for number in 0..size {
            let opening = opening(number, if other == Some(number) { 2 } else { 1 });
            log.edge.append(opening.commitment().leaf_hash(), &mut log.nodes).unwrap();
            log.openings.push(opening);
        }
        log
    }

    pub fn of(size: u64) -> Self {
        Self::with(size, None)
    }

    pub fn commitment(&self, index: u64) -> Commitment {
        self.openings[index as usize].commitment()
    }

    pub fn checkpoint(&self, size: u64) -> Checkpoint {
        let root = tree::root(&self.nodes, size).unwrap();
        Checkpoint { origin: ORIGIN.parse().unwrap(), size, root, extensions: Vec::new() }
    }

    /// Signed by the log, cosigned by two witnesses.
    pub fn signed(&self, size: u64) -> Note {
        let note = self.checkpoint(size).sign(&[&signing_key(1)]).unwrap();
        [7, 8].into_iter().fold(note, |note, seed| {
            let line = witness::cosign(&witness_key(seed), note.text(), 1_790_000_000).unwrap();
            note.with(line)
        })
    }

    pub fn receipt(&self, index: u64, size: u64) -> Receipt {
        let opening = &self.openings[index as usize];
        Receipt::prove(&self.nodes, index, self.signed(size), Some(opening)).unwrap()
    }

    pub fn export(&self, folder: &Path, size: u64) {
        let leaf = |index: u64| Ok::<_, Infallible>(self.openings.get(index as usize).map(Opening::commitment));
        tile::export(folder, &self.nodes, leaf, &self.signed(size)).unwrap();
    }
}

/// What is entered for a read of a record, with a salt that the test knows.
fn opening(number: u64, hand: u8) -> Opening {
    let key = LedgerKey::from_bytes([3; 32]);
    let machine = Principal::of(&context::Principal::Machine { name: "counter-q1".into() }, &key);
    let entry = Entry {
        method: Some(Code::new("/chinhchu.v1.Gallery/GetSubject").unwrap()),
        subjects: vec![key.subject(&format!("record-{number}"))],
        ..Entry::new(Kind::RecordRead, 1_790_000_000_000 + number, machine)
    };
    let mut salt = [hand; 32];
    salt[..8].copy_from_slice(&number.to_be_bytes());
    Opening { salt: Salt::from_bytes(salt), contents: entry.encode().unwrap() }
}
