//! What a decision costs: chip, three captures, 1:1 with chip and reference, 1:N
//! over a hundred thousand subjects, and the commit, against the bare networks it
//! runs, in turns. And what keeping fingerprints of its captures adds, where each has been
//! used in every transaction before.
//!
//! ```text
//! cargo bench --bench beneficiary
//! cargo bench --bench beneficiary -- ledger    # throughput with a transparency log and without
//! cargo bench --bench beneficiary -- sealed    # one decision in a sealed gallery and in a clear one
//! cargo bench --bench beneficiary -- backup    # one decision while the gallery is backed up and while it is not
//! ```

mod support;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chinhchu::chip::{Anchors, Personal, Sex};
use chinhchu::context::RequestContext;
use chinhchu::face::fingerprint::FingerprintKey;
use chinhchu::face::{Pipeline, PoolOptions, Role, Wants};
use chinhchu::gallery::{self, DecisionKey, EmbeddedOptions, LedgerSetup, Outcome, RequestId, SubjectId};
use chinhchu::ledger::entry::LedgerKey;
use chinhchu::ledger::note::{Algorithm, SigningKey};
use chinhchu::sealing::{KeyStoreOptions, MasterKey, Secret};
use chinhchu::tools::forge::{CardDraft, ForgedCard, HolderDraft};
use chinhchu::workflow::Engine;
use chinhchu::workflow::beneficiary::{BeneficiaryRequest, Policies, PolicyFile, Record, Scheme};

use self::support::{Failure, back_up_beside, end, engine_options, fill, is_set_up, jpeg, photo, pool_options};

/// Subjects in the gallery, one template each.
const SUBJECTS: u64 = 100_000;
/// Decisions measured, after a tenth as many to warm up.
const DECISIONS: usize = 100;
/// Captures and the chip's photo, shorter side in pixels.
const CAPTURE_SIDE: u32 = 480;
const CHIP_SIDE: u32 = 413;
/// Target: p50 over the bare networks, at most.
const RATIO_MAX: f64 = 2.5;
/// Target: p50 with fingerprints of captures over that without, at most.
const CAPTURES_RATIO_MAX: f64 = 1.03;
/// Callers at once, decisions of each in a round, and rounds, where the log is measured.
const CALLERS: usize = 8;
const EACH: usize = 5;
const LEDGER_ROUNDS: usize = 9;
/// Target: throughput with a transparency log over that without, at least.
const LEDGER_RATIO_MIN: f64 = 0.95;
/// Target: p50 in a sealed gallery over that in a clear one, at most.
const SEALED_RATIO_MAX: f64 = 1.05;
/// Backups beside decisions, each followed by as many decisions alone.
const BACKUPS: usize = 12;
/// Target: p50 while a backup is taken over that while none is, at most.
const BACKUP_RATIO_MAX: f64 = 1.10;

fn main() -> ExitCode {
    if !is_set_up() {
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let is_asked = |what: &str| std::env::args().any(|word| word == what);
    let done = runtime.block_on(async {
        match () {
            () if is_asked("ledger") => ledger().await,
            () if is_asked("sealed") => sealed().await,
            () if is_asked("backup") => backup().await,
            () => run().await,
        }
    });
    end("beneficiary", done)
}

/// A sample photo as JPEG, mirrored where asked.
fn capture(name: &str, mirrored: bool) -> Result<Vec<u8>, Failure> {
    let photo = photo(name, CAPTURE_SIDE)?;
    jpeg(&if mirrored { image::imageops::flip_horizontal(&photo) } else { photo })
}

/// A card, its holder, and the captures of one claim.
struct Claim {
    chip_photo: Vec<u8>,
    card: ForgedCard,
    number: Personal,
    name: Personal,
    frames: Vec<Vec<u8>>,
}

impl Claim {
    fn new() -> Result<Self, Failure> {
        let chip_photo = jpeg(&photo("obama.jpg", CHIP_SIDE)?)?;
        let holder = HolderDraft::nobody();
        let (number, name) = (Personal::new(&*holder.number), Personal::new(&*holder.name));
        let card = CardDraft { holder, ..CardDraft::new(b"bench", chip_photo.clone()) }.forge()?;
        // Two photos, and one of them mirrored: three to analyse, two different ones.
        let frames = [("obama2.jpg", false), ("obama3.jpg", false), ("obama3.jpg", true)];
        let frames = frames.iter().map(|&(name, mirrored)| capture(name, mirrored)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { chip_photo, card, number, name, frames })
    }

    /// The rules to decide by. Press photos are no live captures: liveness is measured, and not
    /// decided on.
    fn rules(&self) -> Result<(Anchors, Policies), Failure> {
        let mut anchors = Anchors::none();
        anchors.add_bytes("csca", &self.card.csca)?;
        let policy: PolicyFile = toml::from_str(
            "without = [\"quality\"]\nfirst_sight = \"enrol\"\nliveness_min = 0.0\nquality_min = 0.0\n\
             on = { attempts_many = \"accept\", capture_seen_before = \"accept\", frames_repeated = \"accept\" }",
        )?;
        Ok((anchors, Policies::new(&[("bench".to_owned(), policy)].into())?))
    }

    fn request(&self, kind: &str, index: usize) -> Result<BeneficiaryRequest, Failure> {
        Ok(BeneficiaryRequest {
            unit: None,
            presented_by: None,
            key: DecisionKey::new(RequestId::new(format!("{kind}-{index}"))?, 1)?,
            subject: SubjectId::new("the one")?,
            scheme: Scheme::Social,
            policy: "bench".into(),
            record: Record {
                number: Some(self.number.clone()),
                name: Some(self.name.clone()),
                birth: Some(Personal::new("1988")),
                sex: Some(Sex::Male),
            },
            chip_files: self.card.files.iter().map(|(_, bytes)| bytes.clone()).collect(),
            active: None,
            frames: self.frames.clone(),
        })
    }
}

/// How long a decision takes, which must approve.
async fn decide(engine: &Engine, request: BeneficiaryRequest) -> Result<Duration, Failure> {
    let began = Instant::now();
    let outcome = engine.verify_beneficiary(&RequestContext::internal("benchmark"), request).await?;
    let took = began.elapsed();
    match outcome.decided.outcome {
        Outcome::Approve => Ok(took),
        _ => Err(format!("not approved: {:?}", outcome.decided).into()),
    }
}

/// A full gallery for an engine, in a folder of its own.
async fn filled(
    engine: &Engine,
    options: EmbeddedOptions,
) -> Result<(Arc<gallery::Gallery>, tempfile::TempDir), Failure> {
    let (recipe, dimension) = (engine.recipe(), engine.pack().dimension());
    let folder = tempfile::tempdir()?;
    let gallery = Arc::new(gallery::open(folder.path(), recipe, dimension, options)?);
    let began = Instant::now();
    fill(&gallery, recipe, dimension, SUBJECTS).await?;
    println!("{SUBJECTS} subjects enrolled in {:.1} s", began.elapsed().as_secs_f64());
    Ok((gallery, folder))
}

/// Decisions of several callers at once, with a transparency log and without, in turns.
async fn ledger() -> Result<bool, Failure> {
    let claim = Arc::new(Claim::new()?);
    let origin = "ledger.example.vn/bench".parse()?;
    let signer = Arc::new(SigningKey::from_seed(origin, Algorithm::Ed25519, &[1; 32]));
    let setup = LedgerSetup {
        key: LedgerKey::from_bytes([7; 32]),
        begin_with: Some(signer.verifier().clone()),
        sign_at_once: Vec::new(),
    };
    let engine = Engine::open(&engine_options(pool_options()))?;
    let mut engines = Vec::new();
    let mut folders = Vec::new();
    for ledger in [None, Some(setup)] {
        let options = EmbeddedOptions { ledger, ..EmbeddedOptions::default() };
        let (gallery, folder) = filled(&engine, options).await?;
        if gallery.has_ledger() {
            let (gallery, signer) = (Arc::clone(&gallery), Arc::clone(&signer));
            tokio::spawn(async move { gallery.keep_sequencing(&signer, Duration::from_millis(400)).await });
        }
        let (anchors, policies) = claim.rules()?;
        engines.push(engine.clone().with_gallery(gallery)?.with_decision_rules(anchors, policies)?);
        folders.push(folder);
    }
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..=LEDGER_ROUNDS {
        for (of, engine) in engines.iter().enumerate() {
            let began = Instant::now();
            let callers = (0..CALLERS).map(|caller| {
                let (engine, claim) = (engine.clone(), Arc::clone(&claim));
                tokio::spawn(async move {
                    for index in 0..EACH {
                        let request = claim.request(&format!("{of}-{round}-{caller}"), index)?;
                        decide(&engine, request).await?;
                    }
                    Ok::<_, Failure>(())
                })
            });
            for caller in callers.collect::<Vec<_>>() {
                caller.await??;
            }
            // The first round warms up.
            if round > 0 {
                rates[of].push((CALLERS * EACH) as f64 / began.elapsed().as_secs_f64());
            }
        }
    }
    let [without, with] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    println!("decisions a second of {CALLERS} callers, medians of {LEDGER_ROUNDS} rounds of {}", CALLERS * EACH);
    println!("without a log {without:>8.2}\nwith one      {with:>8.2}");
    let ratio = with / without;
    println!("ratio {ratio:.3} (target: at least {LEDGER_RATIO_MIN})");
    Ok(ratio >= LEDGER_RATIO_MIN)
}

/// Decisions of one caller in a clear and in a sealed gallery, with captures kept, in turns.
async fn sealed() -> Result<bool, Failure> {
    let claim = Claim::new()?;
    let engine = Engine::open(&engine_options(pool_options()))?;
    let keys = tempfile::tempdir()?;
    let master = MasterKey::new(Secret::random()?);
    let keys = KeyStoreOptions { path: keys.path().join("keys"), copy: None, master, previous: None, read_only: false };
    let mut engines = Vec::new();
    let mut folders = Vec::new();
    for sealing in [None, Some(keys)] {
        let (gallery, folder) = filled(&engine, EmbeddedOptions { sealing, ..EmbeddedOptions::default() }).await?;
        let (anchors, policies) = claim.rules()?;
        let own = engine.clone().with_gallery(gallery)?.with_decision_rules(anchors, policies)?;
        engines.push(own.with_capture_key(FingerprintKey::random()?));
        folders.push(folder);
    }
    let mut times = [Vec::new(), Vec::new()];
    for index in 0..DECISIONS + DECISIONS / 10 {
        for (of, engine) in engines.iter().enumerate() {
            let took = decide(engine, claim.request(&format!("sealed-{of}"), index)?).await?;
            if index >= DECISIONS / 10 {
                times[of].push(took.as_secs_f64() * 1e3);
            }
        }
    }
    let [clear, sealed] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    let ratio = sealed / clear;
    println!("decision p50: clear {clear:.2} ms, sealed {sealed:.2} ms");
    println!("ratio {ratio:.3} (target: at most {SEALED_RATIO_MAX})");
    Ok(ratio <= SEALED_RATIO_MAX)
}

/// Decisions of one caller while a sealed gallery is backed up from nothing, and as many while it is not, in turns.
async fn backup() -> Result<bool, Failure> {
    let claim = Claim::new()?;
    let engine = Engine::open(&engine_options(pool_options()))?;
    let folder = tempfile::tempdir()?;
    let master = MasterKey::new(Secret::random()?);
    let keys =
        KeyStoreOptions { path: folder.path().join("keys"), copy: None, master, previous: None, read_only: false };
    let options = EmbeddedOptions { sealing: Some(keys), ..EmbeddedOptions::default() };
    let (gallery, _folder) = filled(&engine, options).await?;
    let (anchors, policies) = claim.rules()?;
    let engine = engine.with_gallery(Arc::clone(&gallery))?.with_decision_rules(anchors, policies)?;
    let engine = engine.with_capture_key(FingerprintKey::random()?);
    let mut index = 0;
    let mut once = async || {
        index += 1;
        decide(&engine, claim.request("backup", index)?).await
    };
    for _ in 0..DECISIONS / 10 {
        once().await?;
    }
    let (mut alone, mut beside, mut megabytes, mut seconds) = (Vec::new(), Vec::new(), 0.0, 0.0);
    for turn in 0..BACKUPS {
        let to = folder.path().join(format!("backup-{turn}"));
        let has_ended = Arc::new(AtomicBool::new(false));
        let backup = back_up_beside(&gallery, &to, &has_ended);
        let before = beside.len();
        while !has_ended.load(Ordering::Acquire) {
            beside.push(once().await?.as_secs_f64() * 1e3);
        }
        let (written, took) = backup.join().map_err(|_| "the backup's thread ended by a fault")??;
        megabytes += written.manifest.bytes() as f64 / 1e6;
        seconds += took;
        std::fs::remove_dir_all(&to)?;
        for _ in before..beside.len() {
            alone.push(once().await?.as_secs_f64() * 1e3);
        }
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let (without, with) = (median(&mut alone), median(&mut beside));
    println!("{BACKUPS} first backups beside decisions: {:.0} MB/s", megabytes / seconds);
    println!("decision p50 of {}: alone {without:.2} ms, while a backup is taken {with:.2} ms", alone.len());
    let ratio = with / without;
    println!("ratio {ratio:.3} (target: at most {BACKUP_RATIO_MAX})");
    Ok(ratio <= BACKUP_RATIO_MAX)
}

async fn run() -> Result<bool, Failure> {
    let engine = Engine::open(&engine_options(pool_options()))?;
    let (gallery, _folder) = filled(&engine, EmbeddedOptions::default()).await?;
    let claim = Claim::new()?;
    let (anchors, policies) = claim.rules()?;
    let with_captures = Engine::open(&engine_options(pool_options()))?
        .with_gallery(Arc::clone(&gallery))?
        .with_decision_rules(anchors, policies)?
        .with_capture_key(FingerprintKey::random()?);
    let (anchors, policies) = claim.rules()?;
    let engine = engine.with_gallery(gallery)?.with_decision_rules(anchors, policies)?;

    let mut pipeline = Pipeline::new(engine.pack(), &PoolOptions { workers: 1, ..pool_options() })?;
    pipeline.analyze(&claim.chip_photo, Wants { liveness: true, ..Wants::default() })?;
    let (mut whole, mut kept, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..DECISIONS + DECISIONS / 10 {
        let took = decide(&engine, claim.request("without", index)?).await?;
        let took_with_captures = decide(&with_captures, claim.request("with", index)?).await?;
        // The chip's photo and every capture through the three networks of a template,
        // and the captures through that of liveness.
        let mut sum = Duration::ZERO;
        for photo in 0..=claim.frames.len() {
            for role in [Role::Detector, Role::Landmarks, Role::Embedder] {
                sum += pipeline.time_bare(role).ok_or("a network did not run")?;
            }
            if photo > 0 {
                sum += pipeline.time_bare(Role::Liveness).ok_or("the liveness network did not run")?;
            }
        }
        if index >= DECISIONS / 10 {
            whole.push(took);
            kept.push(took_with_captures);
            bare.push(sum);
        }
    }
    whole.sort_unstable();
    kept.sort_unstable();
    bare.sort_unstable();
    let at = |times: &[Duration], share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("decision  p50 {:>8.2} ms   p95 {:>8.2} ms", at(&whole, 0.5), at(&whole, 0.95));
    println!("with captures kept  p50 {:>8.2} ms   p95 {:>8.2} ms", at(&kept, 0.5), at(&kept, 0.95));
    println!("networks  p50 {:>8.2} ms", at(&bare, 0.5));
    let ratio = at(&whole, 0.5) / at(&bare, 0.5);
    println!("ratio {ratio:.2} (target: below {RATIO_MAX})");
    let captures_ratio = at(&kept, 0.5) / at(&whole, 0.5);
    println!("ratio of captures kept {captures_ratio:.3} (target: at most {CAPTURES_RATIO_MAX})");
    Ok(ratio < RATIO_MAX && captures_ratio <= CAPTURES_RATIO_MAX)
}
