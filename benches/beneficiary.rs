//! What a decision costs: chip, three captures, 1:1 with chip and reference, 1:N
//! over a hundred thousand subjects, and the commit, against the bare networks it
//! runs, in turns.
//!
//! ```text
//! cargo bench --bench beneficiary
//! ```

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chinhchu::chip::forge::{CardDraft, HolderDraft};
use chinhchu::chip::{Anchors, BirthDate, Personal, Sex};
use chinhchu::face::{Pipeline, PoolOptions, RecipeDigest, Role, Template, Wants};
use chinhchu::gallery::{
    Attributes, DecisionKey, EmbeddedGallery, EmbeddedOptions, EnrolMode, Enrolment, Gallery, NewTemplate, Outcome,
    RequestId, Source, SubjectId,
};
use chinhchu::imaging::Limits;
use chinhchu::workflow::beneficiary::{BeneficiaryRequest, Policies, PolicyFile, Record, Scheme};
use chinhchu::workflow::{Engine, EngineOptions};

/// Subjects in the gallery, one template each.
const SUBJECTS: usize = 100_000;
/// Enrolments that share commits while the gallery is filled.
const AT_ONCE: usize = 2_000;
/// Decisions measured, after a tenth as many to warm up.
const DECISIONS: usize = 100;
/// Captures and the chip's photo, shorter side in pixels.
const CAPTURE_SIDE: u32 = 480;
const CHIP_SIDE: u32 = 413;
/// Target: p50 over the bare networks, at most.
const RATIO_MAX: f64 = 2.5;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !root.join(".cache/photos/obama.jpg").exists() || !root.join("models/default/fr_feature.onnx").exists() {
        eprintln!("SKIPPED: weights or photos are not there; run scripts/setup");
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match std::env::set_current_dir(root).map_err(Failure::from).and_then(|()| runtime.block_on(run(root))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("beneficiary: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A sample photo, scaled, mirrored where asked, as JPEG.
fn photo(root: &Path, name: &str, side: u32, mirrored: bool) -> Result<Vec<u8>, Failure> {
    let picture = image::load_from_memory(&std::fs::read(root.join(".cache/photos").join(name))?)?;
    let scale = f64::from(side) / f64::from(picture.width().min(picture.height()));
    let scaled = |length: u32| (f64::from(length) * scale).round() as u32;
    let filter = image::imageops::FilterType::Triangle;
    let small = picture.resize_exact(scaled(picture.width()), scaled(picture.height()), filter).to_rgb8();
    let small = if mirrored { image::imageops::flip_horizontal(&small) } else { small };
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 90).encode_image(&small)?;
    Ok(jpeg)
}

/// A direction nobody has: pseudo-random values of either sign.
fn stranger(recipe: RecipeDigest, dimension: usize, seed: u64) -> Result<Template, Failure> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let raw: Vec<f32> = (0..dimension).map(|_| next()).collect();
    Template::from_raw(recipe, &raw).map_err(|_| "a vector without a length".into())
}

async fn fill(gallery: &Arc<EmbeddedGallery>, recipe: RecipeDigest, dimension: usize) -> Result<(), Failure> {
    for start in (0..SUBJECTS).step_by(AT_ONCE) {
        let mut tasks = tokio::task::JoinSet::new();
        for number in start..SUBJECTS.min(start + AT_ONCE) {
            let template = stranger(recipe, dimension, number as u64 + 1)?;
            let enrolment = Enrolment {
                subject: SubjectId::new(format!("s{number}"))?,
                mode: EnrolMode::Create,
                attributes: Attributes::default(),
                templates: vec![NewTemplate { template, source: Source::Other, captured_at: None, quality: None }],
            };
            let gallery = Arc::clone(gallery);
            tasks.spawn(async move { gallery.enrol(enrolment, None).await });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
    }
    Ok(())
}

async fn run(root: &Path) -> Result<bool, Failure> {
    let pool = PoolOptions { workers: 0, queue_max: 64, limits: Limits::default(), onnxruntime: None };
    let one = PoolOptions { workers: 1, ..pool.clone() };
    let options = EngineOptions {
        pack: root.join("models/default"),
        calibration: None,
        pool,
        default_fmr: 1e-5,
        default_fpir: 0.01,
        capture: Default::default(),
    };
    let engine = Engine::open(&options)?;
    let (recipe, dimension) = (engine.recipe(), engine.pack().dimension());
    let folder = tempfile::tempdir()?;
    let gallery = Arc::new(EmbeddedGallery::open(folder.path(), recipe, dimension, EmbeddedOptions::default())?);
    let began = Instant::now();
    fill(&gallery, recipe, dimension).await?;
    println!("{SUBJECTS} subjects enrolled in {:.1} s", began.elapsed().as_secs_f64());

    let chip_photo = photo(root, "obama.jpg", CHIP_SIDE, false)?;
    let holder = HolderDraft::nobody();
    let (number, name) = (Personal::new(&*holder.number), Personal::new(&*holder.name));
    let card = CardDraft { holder, ..CardDraft::new(b"bench", chip_photo.clone()) }.forge()?;
    let mut anchors = Anchors::none();
    anchors.add_bytes("csca", &card.csca)?;
    // Press photos are no live captures: liveness is measured, and not decided on.
    let policy: PolicyFile =
        toml::from_str("without = [\"quality\"]\nfirst_sight = \"enrol\"\nliveness_min = 0.0\nquality_min = 0.0")?;
    let policies = Policies::new(&[("bench".to_owned(), policy)].into())?;
    let engine = engine.with_gallery(gallery)?.with_counter(anchors, policies)?;
    // Three different pictures: two photos, and one of them mirrored.
    let frames = [("obama2.jpg", false), ("obama3.jpg", false), ("obama3.jpg", true)];
    let frames = frames
        .iter()
        .map(|&(name, mirrored)| photo(root, name, CAPTURE_SIDE, mirrored))
        .collect::<Result<Vec<_>, _>>()?;
    let request = |index: usize| -> Result<BeneficiaryRequest, Failure> {
        Ok(BeneficiaryRequest {
            key: DecisionKey::new(RequestId::new(format!("bench-{index}"))?, 1)?,
            subject: SubjectId::new("the one")?,
            scheme: Scheme::Social,
            policy: "bench".into(),
            record: Record {
                number: Some(number.clone()),
                name: Some(name.clone()),
                birth: BirthDate::from_text("1988"),
                sex: Some(Sex::Male),
            },
            chip_files: card.files.iter().map(|(_, bytes)| bytes.clone()).collect(),
            active: None,
            frames: frames.clone(),
        })
    };

    let mut pipeline = Pipeline::new(engine.pack(), &one)?;
    pipeline.analyze(&chip_photo, Wants { liveness: true, ..Wants::default() })?;
    let (mut whole, mut bare) = (Vec::new(), Vec::new());
    for index in 0..DECISIONS + DECISIONS / 10 {
        let request = request(index)?;
        let began = Instant::now();
        let outcome = engine.verify_beneficiary(request).await?;
        let took = began.elapsed();
        if outcome.decided.outcome != Outcome::Approve {
            return Err(format!("not approved: {:?}", outcome.decided).into());
        }
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
            bare.push(sum);
        }
    }
    whole.sort_unstable();
    bare.sort_unstable();
    let at = |times: &[Duration], share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("decision  p50 {:>8.2} ms   p95 {:>8.2} ms", at(&whole, 0.5), at(&whole, 0.95));
    println!("networks  p50 {:>8.2} ms", at(&bare, 0.5));
    let ratio = at(&whole, 0.5) / at(&bare, 0.5);
    println!("ratio {ratio:.2} (target: below {RATIO_MAX})");
    Ok(ratio < RATIO_MAX)
}
