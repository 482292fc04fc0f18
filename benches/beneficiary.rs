//! What a decision costs: chip, three captures, 1:1 with chip and reference, 1:N
//! over a hundred thousand subjects, and the commit, against the bare networks it
//! runs, in turns. And what keeping fingerprints of its captures adds, where each has been
//! used in every transaction before.
//!
//! ```text
//! cargo bench --bench beneficiary
//! ```

mod support;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chinhchu::chip::{Anchors, Personal, Sex};
use chinhchu::context::RequestContext;
use chinhchu::face::fingerprint::FingerprintKey;
use chinhchu::face::{Pipeline, PoolOptions, Role, Wants};
use chinhchu::gallery::{self, DecisionKey, EmbeddedOptions, Outcome, RequestId, SubjectId};
use chinhchu::tools::forge::{CardDraft, HolderDraft};
use chinhchu::workflow::Engine;
use chinhchu::workflow::beneficiary::{BeneficiaryRequest, Policies, PolicyFile, Record, Scheme};

use self::support::{Failure, end, engine_options, fill, is_set_up, jpeg, photo, pool_options};

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

fn main() -> ExitCode {
    if !is_set_up() {
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    end("beneficiary", runtime.block_on(run()))
}

/// A sample photo as JPEG, mirrored where asked.
fn capture(name: &str, mirrored: bool) -> Result<Vec<u8>, Failure> {
    let photo = photo(name, CAPTURE_SIDE)?;
    jpeg(&if mirrored { image::imageops::flip_horizontal(&photo) } else { photo })
}

async fn run() -> Result<bool, Failure> {
    let engine = Engine::open(&engine_options(pool_options()))?;
    let (recipe, dimension) = (engine.recipe(), engine.pack().dimension());
    let folder = tempfile::tempdir()?;
    let gallery = Arc::new(gallery::open(folder.path(), recipe, dimension, EmbeddedOptions::default())?);
    let began = Instant::now();
    fill(&gallery, recipe, dimension, SUBJECTS).await?;
    println!("{SUBJECTS} subjects enrolled in {:.1} s", began.elapsed().as_secs_f64());

    let chip_photo = jpeg(&photo("obama.jpg", CHIP_SIDE)?)?;
    let holder = HolderDraft::nobody();
    let (number, name) = (Personal::new(&*holder.number), Personal::new(&*holder.name));
    let card = CardDraft { holder, ..CardDraft::new(b"bench", chip_photo.clone()) }.forge()?;
    let anchors = || -> Result<Anchors, Failure> {
        let mut anchors = Anchors::none();
        anchors.add_bytes("csca", &card.csca)?;
        Ok(anchors)
    };
    // Press photos are no live captures: liveness is measured, and not decided on.
    let policy: PolicyFile = toml::from_str(
        "without = [\"quality\"]\nfirst_sight = \"enrol\"\nliveness_min = 0.0\nquality_min = 0.0\n\
         on = { attempts_many = \"accept\", capture_seen_before = \"accept\", frames_repeated = \"accept\" }",
    )?;
    let policies = Policies::new(&[("bench".to_owned(), policy)].into())?;
    let with_captures = Engine::open(&engine_options(pool_options()))?
        .with_gallery(Arc::clone(&gallery))?
        .with_decision_rules(anchors()?, policies.clone())?
        .with_capture_key(FingerprintKey::random()?);
    let engine = engine.with_gallery(gallery)?.with_decision_rules(anchors()?, policies)?;
    // Two photos, and one of them mirrored: three to analyse, two different ones.
    let frames = [("obama2.jpg", false), ("obama3.jpg", false), ("obama3.jpg", true)];
    let frames = frames.iter().map(|&(name, mirrored)| capture(name, mirrored)).collect::<Result<Vec<_>, _>>()?;
    let request = |kind: &str, index: usize| -> Result<BeneficiaryRequest, Failure> {
        Ok(BeneficiaryRequest {
            unit: None,
            presented_by: None,
            key: DecisionKey::new(RequestId::new(format!("{kind}-{index}"))?, 1)?,
            subject: SubjectId::new("the one")?,
            scheme: Scheme::Social,
            policy: "bench".into(),
            record: Record {
                number: Some(number.clone()),
                name: Some(name.clone()),
                birth: Some(Personal::new("1988")),
                sex: Some(Sex::Male),
            },
            chip_files: card.files.iter().map(|(_, bytes)| bytes.clone()).collect(),
            active: None,
            frames: frames.clone(),
        })
    };

    let mut pipeline = Pipeline::new(engine.pack(), &PoolOptions { workers: 1, ..pool_options() })?;
    pipeline.analyze(&chip_photo, Wants { liveness: true, ..Wants::default() })?;
    let decide = async |engine: &Engine, request| -> Result<Duration, Failure> {
        let began = Instant::now();
        let outcome = engine.verify_beneficiary(&RequestContext::internal("benchmark"), request).await?;
        let took = began.elapsed();
        match outcome.decided.outcome {
            Outcome::Approve => Ok(took),
            _ => Err(format!("not approved: {:?}", outcome.decided).into()),
        }
    };
    let (mut whole, mut kept, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..DECISIONS + DECISIONS / 10 {
        let took = decide(&engine, request("without", index)?).await?;
        let took_with_captures = decide(&with_captures, request("with", index)?).await?;
        // The chip's photo and every capture through the three networks of a template,
        // and the captures through that of liveness.
        let mut sum = Duration::ZERO;
        for photo in 0..=frames.len() {
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
