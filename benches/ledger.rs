//! The transparency log: entering, checking all of it, proving one entry; and which SHA-256 takes
//! less time.
//!
//! ```text
//! cargo bench --bench ledger
//! ```

use std::collections::HashMap;
use std::convert::Infallible;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use chinhchu::context;
use chinhchu::ledger::checkpoint::Checkpoint;
use chinhchu::ledger::commitment::{Commitment, Opening, Salt};
use chinhchu::ledger::entry::{Code, Digest, DigestOf, Entry, Kind, Label, LedgerKey, Principal, Score};
use chinhchu::ledger::hash::Hash;
use chinhchu::ledger::key_change::LogKeys;
use chinhchu::ledger::note::{Algorithm, Note, SigningKey};
use chinhchu::ledger::receipt::Receipt;
use chinhchu::ledger::tile::{TileNodes, TileSource, WIDTH};
use chinhchu::ledger::tree::{self, NodeId, NodeSink, RightEdge};
use chinhchu::ledger::verify::{Leaf, verify};
use chinhchu::ledger::witness::WitnessPolicy;
use chinhchu::tools::SplitMix;

/// Entries of the log.
const ENTRIES: u64 = 10_000_000;
/// Entries from one checkpoint to the next: of a second in which so many were made.
const EACH_CHECKPOINT: u64 = 100;
/// Targets.
const VERIFY_MAX: Duration = Duration::from_secs(60);
const PROOF_MAX: Duration = Duration::from_millis(1);
/// Proofs that are made.
const PROOFS: usize = 20_000;
/// Rounds of the two SHA-256 in turns, and digests in each.
const ROUNDS: usize = 9;
const DIGESTS: u32 = 300_000;

const ORIGIN: &str = "ledger.example.vn/gallery";

fn main() -> ExitCode {
    sha256();
    let key = SigningKey::from_seed(ORIGIN.parse().expect("a name"), Algorithm::Ed25519, &[1; 32]);
    let keys = LogKeys::new(key.verifier().clone()).expect("a log's key");
    let entries = Entries::new();
    let log = Log::enter(&entries, &key);
    let is_verified = log.verify(&entries, &keys);
    let is_proven = log.prove(&entries, &keys);
    println!("targets: {ENTRIES} entries checked in at most {} s: {}", VERIFY_MAX.as_secs(), met(is_verified));
    println!("         an inclusion proof made in at most {} us: {}", PROOF_MAX.as_micros(), met(is_proven));
    if is_verified && is_proven { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "missed" }
}

/// `sha2` and `ring` in turns, on messages as long as those of a leaf, a node and a commitment.
fn sha256() {
    println!("SHA-256, medians of {ROUNDS} rounds of {DIGESTS} in turns, one core");
    for (what, length) in [("leaf", 33), ("node", 65), ("commitment", 400)] {
        let (mut ours, mut rings) = (Vec::new(), Vec::new());
        let mut message = vec![7; length];
        for _ in 0..ROUNDS {
            ours.push(time(&mut message, |message| {
                black_box(<sha2::Sha256 as sha2::Digest>::digest(message));
            }));
            rings.push(time(&mut message, |message| {
                black_box(ring::digest::digest(&ring::digest::SHA256, message));
            }));
        }
        let [ours, rings] = [median(&mut ours), median(&mut rings)].map(|time| time.as_secs_f64() * 1e9);
        println!("  {what:10} {length:3} bytes: sha2 {ours:4.0} ns, ring {rings:4.0} ns, ratio {:.2}", ours / rings);
    }
}

fn time(message: &mut [u8], digest: impl Fn(&[u8])) -> Duration {
    let began = Instant::now();
    for number in 0..DIGESTS {
        message[1..5].copy_from_slice(&number.to_be_bytes());
        digest(black_box(message));
    }
    began.elapsed() / DIGESTS
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Makes the entries of a log, each with a salt of its own, always the same.
struct Entries {
    contents: Vec<u8>,
}

impl Entries {
    /// A decision, with all that a decision has.
    fn new() -> Self {
        let key = LedgerKey::from_bytes([7; 32]);
        let code = |text| Code::new(text).expect("a code");
        let id = "9b2f6c0e-1d8a-4c52-a3f0-6d6a3c1b7e55";
        let person = context::Principal::Person { id: id.into(), machine: Some("counter-q1-03".into()) };
        let digest = |of, byte| Digest { of, sha256: [byte; 32] };
        let score = |what, value, threshold| Score { what: code(what), value, threshold: Some(threshold) };
        let entry = Entry {
            unit: Some(Label::new("BHXH-Q1").expect("a label")),
            method: Some(code("/chinhchu.v1.Verification/VerifyBeneficiary")),
            transaction: Some(key.transaction("claim-2026-000017")),
            attempt: 1,
            subjects: vec![key.subject("record-1")],
            digests: vec![digest(DigestOf::Policy, 1), digest(DigestOf::Recipe, 2), digest(DigestOf::Calibration, 3)],
            evidence: ["chip", "liveness", "chip_face", "reference_face", "duplicates"].map(code).to_vec(),
            scores: vec![
                score("chip_face", 0.6251, 0.4101),
                score("reference_face", 0.7003, 0.4101),
                score("liveness", 0.9871, 0.5),
            ],
            chip_verdict: Some(code("AUTHENTIC")),
            outcome: Some(code("REFER")),
            reasons: ["CHIP_NOT_PROVEN", "DUPLICATE_FACE"].map(code).to_vec(),
            ..Entry::new(Kind::Decision, 1_790_000_000_123, Principal::of(&person, &key))
        };
        Self { contents: entry.encode().expect("a whole entry") }
    }

    fn opening(&self, index: u64) -> Opening {
        let mut random = SplitMix(index);
        let mut salt = [0; 32];
        salt.as_chunks_mut::<8>().0.iter_mut().for_each(|part| *part = random.next().to_be_bytes());
        let mut contents = self.contents.clone();
        // Each entry is another: of a score two bytes differ.
        let end = contents.len();
        contents[end - 2..].copy_from_slice(&(index as u16).to_be_bytes());
        Opening { salt: Salt::from_bytes(salt), contents }
    }
}

/// What a store would keep of a log: commitments, tiles, checkpoints.
struct Log {
    commitments: Vec<Commitment>,
    tiles: Tiles,
    checkpoints: Vec<Note>,
    edge: RightEdge,
}

#[derive(Default)]
struct Tiles(HashMap<(u8, u64), Vec<u8>>);

impl NodeSink for Tiles {
    type Error = Infallible;

    fn put(&mut self, id: NodeId, hash: Hash) -> Result<(), Infallible> {
        if id.level.is_multiple_of(8) {
            self.0.entry((id.level / 8, id.index / WIDTH)).or_default().extend(hash.as_bytes());
        }
        Ok(())
    }
}

impl TileSource for Tiles {
    type Error = Infallible;

    fn tile(&self, level: u8, index: u64, _: u16) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.0.get(&(level, index)).cloned())
    }
}

impl Log {
    fn enter(entries: &Entries, key: &SigningKey) -> Self {
        let mut log = Self {
            commitments: Vec::with_capacity(ENTRIES as usize),
            tiles: Tiles::default(),
            checkpoints: Vec::new(),
            edge: RightEdge::default(),
        };
        let (mut entering, mut signing) = (Duration::ZERO, Duration::ZERO);
        while log.edge.size() < ENTRIES {
            let first = log.edge.size();
            let began = Instant::now();
            for index in first..first + EACH_CHECKPOINT {
                let commitment = entries.opening(index).commitment();
                let Ok(_) = log.edge.append(commitment.leaf_hash(), &mut log.tiles);
                log.commitments.push(commitment);
            }
            entering += began.elapsed();
            let began = Instant::now();
            let (size, root) = (log.edge.size(), log.edge.root());
            let checkpoint = Checkpoint { origin: ORIGIN.parse().expect("a name"), size, root, extensions: Vec::new() };
            log.checkpoints.push(checkpoint.sign(&[key]).expect("the log's key"));
            signing += began.elapsed();
        }
        let checkpoints = log.checkpoints.len();
        println!(
            "entered: {:.2} us an entry (commitment, leaf, nodes); a checkpoint made and signed in {:.0} us",
            entering.as_secs_f64() * 1e6 / ENTRIES as f64,
            signing.as_secs_f64() * 1e6 / checkpoints as f64,
        );
        let tiles: usize = log.tiles.0.values().map(Vec::len).sum();
        let nodes = tiles as f64 / ENTRIES as f64;
        let contents = entries.contents.len();
        println!(
            "kept of a decision: {contents} bytes of contents and 32 of salt, which can be pruned; 32 of commitment and {nodes:.1} of tiles"
        );
        println!("a checkpoint has {} bytes", log.checkpoints[checkpoints - 1].to_string().len());
        log
    }

    fn verify(&self, entries: &Entries, keys: &LogKeys) -> bool {
        let leaves = (0..ENTRIES).map(|index| {
            let commitment = self.commitments[index as usize];
            Ok::<_, Infallible>(Leaf { index, commitment, opening: Some(entries.opening(index)) })
        });
        let nodes = TileNodes::new(&self.tiles, ENTRIES);
        let checkpoints = self.checkpoints.iter().cloned().map(Ok);
        let began = Instant::now();
        let Ok(report) = verify(leaves, &nodes, checkpoints, keys);
        let took = began.elapsed();
        let report = report.expect("a log that nobody touched");
        assert_eq!((report.opened, report.signed), (ENTRIES, ENTRIES));
        println!(
            "checked: {ENTRIES} entries with contents, {} checkpoints with signatures, in {:.1} s on one core",
            report.checkpoints,
            took.as_secs_f64()
        );
        took <= VERIFY_MAX
    }

    fn prove(&self, entries: &Entries, keys: &LogKeys) -> bool {
        let mut random = SplitMix(1);
        let (mut made, mut checked) = (Vec::with_capacity(PROOFS), Vec::with_capacity(PROOFS));
        let mut length = 0;
        for _ in 0..PROOFS {
            let index = random.next() % ENTRIES;
            let began = Instant::now();
            let proof = tree::inclusion_proof(&TileNodes::new(&self.tiles, ENTRIES), index, ENTRIES);
            made.push(began.elapsed());
            assert!(proof.is_ok(), "every node is there");
            let checkpoint = self.checkpoints.last().expect("a checkpoint").clone();
            let nodes = TileNodes::new(&self.tiles, ENTRIES);
            let receipt = Receipt::prove(&nodes, index, checkpoint, Some(&entries.opening(index))).expect("an entry");
            let receipt = receipt.to_string();
            length = receipt.len();
            let began = Instant::now();
            let receipt = Receipt::parse(receipt.as_bytes()).expect("a receipt");
            receipt.verify(None, keys, &WitnessPolicy::default()).expect("its entry");
            checked.push(began.elapsed());
        }
        let worst = made.iter().max().copied().unwrap_or_default();
        let (made, checked) = (median(&mut made), median(&mut checked));
        println!(
            "an inclusion proof of {PROOFS} at random: median {:.0} us, longest {:.0} us; a receipt of {length} bytes read \
             and verified in {:.0} us",
            made.as_secs_f64() * 1e6,
            worst.as_secs_f64() * 1e6,
            checked.as_secs_f64() * 1e6,
        );
        made <= PROOF_MAX
    }
}
