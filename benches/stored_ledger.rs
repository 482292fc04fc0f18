//! The transparency log of a gallery in a folder: entering, taking into the tree, checking all of it
//! and proving one entry, from the disk.
//!
//! ```text
//! cargo bench --bench stored_ledger [-- ENTRIES]
//! ```

mod support;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chinhchu::context::{Principal, RequestContext};
use chinhchu::face::RecipeDigest;
use chinhchu::gallery::{self, EmbeddedOptions, Gallery, LedgerSetup, LedgerTiles, verify_ledger};
use chinhchu::ledger::entry::{Code, Digest, DigestOf, Entry, Kind, LedgerKey, Score};
use chinhchu::ledger::note::{Algorithm, SigningKey};
use chinhchu::ledger::receipt::Receipt;
use chinhchu::ledger::tile::TileNodes;
use chinhchu::tools::SplitMix;

use self::support::Failure;

/// Entries where none are asked for.
const ENTRIES: u64 = 1_000_000;
/// Callers at once.
const CALLERS: u64 = 512;
/// Receipts made.
const RECEIPTS: usize = 2000;
/// Targets: of ten million entries, and of one proof.
const CHECK_MAX: Duration = Duration::from_secs(60);
const PROOF_MAX: Duration = Duration::from_millis(1);

fn main() -> ExitCode {
    let entries = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(ENTRIES);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    support::end("stored_ledger", runtime.block_on(run(entries)))
}

/// What a decision of a counter says.
fn fill(number: u64) -> impl FnOnce(&mut Entry, &LedgerKey) + Send {
    move |entry: &mut Entry, key: &LedgerKey| {
        let code = |text: &str| Code::new(text).expect("a code");
        let score = |what, value, threshold| Score { what: code(what), value, threshold: Some(threshold) };
        entry.transaction = Some(key.transaction(&format!("claim-{number}")));
        entry.attempt = 1;
        entry.subjects = vec![key.subject(&format!("record-{}", number % 100_000))];
        let digest = |of, byte| Digest { of, sha256: [byte; 32] };
        entry.digests =
            vec![digest(DigestOf::Policy, 1), digest(DigestOf::Recipe, 2), digest(DigestOf::Calibration, 3)];
        entry.evidence = ["chip", "liveness", "chip_face", "reference_face", "duplicates"].map(code).to_vec();
        entry.scores =
            vec![score("chip_face", 0.62, 0.41), score("reference_face", 0.7, 0.41), score("liveness", 0.98, 0.5)];
        entry.chip_verdict = Some(code("AUTHENTIC"));
        entry.outcome = Some(code("APPROVE"));
    }
}

async fn enter(gallery: &Arc<Gallery>, entries: u64) -> Result<Duration, Failure> {
    let context =
        RequestContext::new(Principal::Person { id: "9b2f6c0e-1d8a".into(), machine: Some("counter-q1".into()) })
            .with_unit("BHXH-Q1")
            .with_method("VerifyBeneficiary");
    let began = Instant::now();
    let callers = (0..CALLERS).map(|caller| {
        let (gallery, context) = (Arc::clone(gallery), context.clone());
        tokio::spawn(async move {
            for number in (caller..entries).step_by(CALLERS as usize) {
                gallery.enter_with(&context, Kind::Decision, fill(number)).await?;
            }
            Ok::<_, gallery::GalleryError>(())
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await??;
    }
    Ok(began.elapsed())
}

async fn run(entries: u64) -> Result<bool, Failure> {
    let folder = tempfile::tempdir()?;
    let origin = "ledger.example.vn/gallery".parse()?;
    let signer = Arc::new(SigningKey::from_seed(origin, Algorithm::Ed25519, &[1; 32]));
    let ledger = LedgerSetup {
        key: LedgerKey::from_bytes([7; 32]),
        begin_with: Some(signer.verifier().clone()),
        sign_at_once: Vec::new(),
    };
    let options = EmbeddedOptions { ledger: Some(ledger), ..EmbeddedOptions::default() };
    let gallery = Arc::new(gallery::open(folder.path(), RecipeDigest([1; 32]), 8, options)?);
    let took = enter(&gallery, entries).await?;
    println!("{entries} decisions entered by {CALLERS} callers: {:.0} a second", entries as f64 / took.as_secs_f64());
    let began = Instant::now();
    gallery.sequence(&signer).await?;
    let each = began.elapsed().as_secs_f64() * 1e6 / entries as f64;
    println!("taken into the tree and signed, 4096 at a time: {each:.2} us each");

    let random = move |size: u64| {
        let mut random = SplitMix(1);
        move || random.next() % size
    };
    let mut times = gallery
        .read_ledger(move |tables| {
            let head = tables.head()?.expect("a log");
            let (size, checkpoint) = (head.signed(), head.checkpoint.expect("a checkpoint"));
            let mut next = random(size);
            let mut times = Vec::with_capacity(RECEIPTS);
            for _ in 0..RECEIPTS {
                let index = next();
                let began = Instant::now();
                let leaf = tables.entries(index, 1)?.remove(0);
                let nodes = TileNodes::new(LedgerTiles(tables), size);
                let made = Receipt::prove(&nodes, index, checkpoint.clone(), leaf.opening.as_ref());
                times.push(began.elapsed());
                assert!(made.is_ok(), "every node is there");
            }
            Ok(times)
        })
        .await?;
    times.sort_unstable();
    let proof = times[times.len() / 2];
    println!(
        "a receipt, of {RECEIPTS} at random: median {:.0} us, longest {:.0} us",
        proof.as_secs_f64() * 1e6,
        times.last().copied().unwrap_or_default().as_secs_f64() * 1e6
    );
    drop(gallery);

    let bytes = std::fs::metadata(folder.path().join("chinhchu.redb"))?.len();
    println!("{:.0} bytes of the file an entry, free pages included", bytes as f64 / entries as f64);
    let mut took = Duration::ZERO;
    gallery::read_ledger_at(folder.path(), &EmbeddedOptions::default(), &mut |tables| {
        let began = Instant::now();
        let report = verify_ledger(tables, Some(signer.verifier()), &[])?.expect("nobody touched it");
        took = began.elapsed();
        assert_eq!((report.log.entries, report.log.opened), (entries, entries));
        Ok(())
    })?;
    let of_ten_million = took.mul_f64(1e7 / entries as f64);
    println!(
        "checked whole, one core: {:.1} s; {:.1} s for ten million (target: at most {} s)",
        took.as_secs_f64(),
        of_ten_million.as_secs_f64(),
        CHECK_MAX.as_secs()
    );
    Ok(of_ten_million <= CHECK_MAX && proof <= PROOF_MAX)
}
