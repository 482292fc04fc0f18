//! What Identify over gRPC costs in a large gallery, over the search itself and the
//! probe's inference, in turns.
//!
//! ```text
//! cargo bench --bench identify [-- TEMPLATES]       default 1,000,000
//! ```
//!
//! The gallery is the embedded one, on disk under the temporary folder (4 GB for a
//! million), filled with face-like vectors (`search::Population`) under the pack's own
//! recipe, so that a real photo is the probe. Client and server share the machine.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chinhchu::face::{Pipeline, PoolOptions, RecipeDigest, Role, Template, Wants};
use chinhchu::gallery::{
    Attributes, EmbeddedGallery, EmbeddedOptions, EnrolMode, Enrolment, Filter, Gallery, NewTemplate, Scope, Source,
    SubjectId,
};
use chinhchu::imaging::Limits;
use chinhchu::search::Population;
use chinhchu::service::{Client, ServeOptions, bind};
use chinhchu::workflow::{Engine, EngineOptions, EnrolRequest, IdentifyRequest, Photo};

/// Templates unless told otherwise.
const TEMPLATES: u64 = 1_000_000;
/// Enrolments under way while the gallery is filled.
const AT_ONCE: u64 = 4_096;
/// Calls measured, after a tenth as many to warm up.
const CALLS: usize = 200;
/// Shorter side of the photos, as in `cfp-dev`.
const SIDE: u32 = 250;
/// Target: medians, at most.
const RATIO_MAX: f64 = 1.5;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !root.join(".cache/photos/obama.jpg").exists() || !root.join("models/default/fr_feature.onnx").exists() {
        eprintln!("SKIPPED: weights or photos are not there; run scripts/setup");
        return ExitCode::SUCCESS;
    }
    // Cargo adds `--bench`.
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let Ok(templates) = words.next().map_or(Ok(TEMPLATES), |word| word.parse()) else {
        eprintln!("identify: how many templates? give a number, or nothing for {TEMPLATES}");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match std::env::set_current_dir(root).map_err(Failure::from).and_then(|()| runtime.block_on(run(root, templates))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("identify: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A sample photo, scaled, as JPEG.
fn photo(root: &Path, name: &str) -> Result<Vec<u8>, Failure> {
    let picture = image::load_from_memory(&std::fs::read(root.join(".cache/photos").join(name))?)?;
    let scale = f64::from(SIDE) / f64::from(picture.width().min(picture.height()));
    let scaled = |length: u32| (f64::from(length) * scale).round() as u32;
    let filter = image::imageops::FilterType::Triangle;
    let small = picture.resize_exact(scaled(picture.width()), scaled(picture.height()), filter).to_rgb8();
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 90).encode_image(&small)?;
    Ok(jpeg)
}

async fn fill(gallery: &Arc<EmbeddedGallery>, recipe: RecipeDigest, templates: u64) -> Result<(), Failure> {
    let population = Population::new(1);
    let mut tasks = tokio::task::JoinSet::new();
    for first in (0..templates).step_by(AT_ONCE as usize) {
        let vectors = population.references(first, AT_ONCE.min(templates - first) as usize);
        for (number, vector) in (first..).zip(vectors.chunks_exact(Population::DIMENSION)) {
            let template = Template::from_raw(recipe, vector).map_err(|_| "a vector without a length")?;
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

async fn run(root: &Path, templates: u64) -> Result<bool, Failure> {
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
    if engine.pack().dimension() != Population::DIMENSION {
        return Err("the pack's templates have another dimension than the population".into());
    }
    let folder = tempfile::tempdir()?;
    let recipe = engine.recipe();
    let opened = EmbeddedGallery::open(folder.path(), recipe, Population::DIMENSION, EmbeddedOptions::default())?;
    let gallery = Arc::new(opened);
    let began = Instant::now();
    fill(&gallery, recipe, templates).await?;
    println!("{templates} face-like templates enrolled in {:.0} s", began.elapsed().as_secs_f64());
    let engine = engine.with_gallery(Arc::clone(&gallery) as _)?;
    let enrolled = Photo { bytes: photo(root, "obama.jpg")?, source: Source::Other, captured_at: None };
    let subject = SubjectId::new("the one")?;
    let request = EnrolRequest {
        request_id: None,
        subject: subject.clone(),
        mode: EnrolMode::Create,
        attributes: Attributes::default(),
        photos: vec![enrolled],
        accept_poor: true,
    };
    engine.enrol(request).await?;

    let mut serve = ServeOptions::default();
    serve.listen.set_port(0);
    let bound = bind(engine.clone(), serve).await?;
    let client = Client::connect(&format!("http://{}", bound.local_addr())).await?;
    let server = tokio::spawn(bound.serve(std::future::pending()));

    let probe = photo(root, "obama2.jpg")?;
    let request = IdentifyRequest { probes: vec![probe.clone()], scope: None, filter: Filter::default() };
    let wants = Wants { quality: true, liveness: true, pose: false };
    let mut pipeline = Pipeline::new(engine.pack(), &one)?;
    let template = pipeline.analyze(&probe, wants)?.template;
    // The networks that Identify runs for a probe, as captures are judged by default.
    let networks = [Role::Detector, Role::Landmarks, Role::Embedder, Role::Liveness];
    let [mut whole, mut searching, mut inferring, mut analysing] = [const { Vec::<Duration>::new() }; 4];
    for call in 0..CALLS + CALLS / 10 {
        let began = Instant::now();
        let outcome = client.identify(request.clone()).await?;
        let took = began.elapsed();
        if outcome.candidates.first().is_none_or(|best| best.subject != subject) {
            return Err("the one was not found".into());
        }
        let score = outcome.threshold.ok_or("an answer without a threshold")?.score;
        let began = Instant::now();
        let found = gallery.search(&template, Scope::Within(score), &Filter::default()).await?;
        let search = began.elapsed();
        if found.len() != outcome.candidates.len() {
            return Err("the search alone finds something else".into());
        }
        let mut bare = Duration::ZERO;
        for role in networks {
            bare += pipeline.time_bare(role).ok_or("a network did not run")?;
        }
        let began = Instant::now();
        pipeline.analyze(&probe, wants)?;
        let analysis = began.elapsed();
        if call >= CALLS / 10 {
            whole.push(took);
            searching.push(search);
            inferring.push(bare);
            analysing.push(analysis);
        }
    }
    server.abort();
    let [whole, searching, inferring, analysing] = [whole, searching, inferring, analysing].map(summary);
    println!("Identify over gRPC        p50 {:>7.2} ms   p99 {:>7.2} ms", whole.0, whole.1);
    println!("the search itself         p50 {:>7.2} ms   p99 {:>7.2} ms", searching.0, searching.1);
    println!("the probe's networks      p50 {:>7.2} ms   p99 {:>7.2} ms", inferring.0, inferring.1);
    println!("the probe, file to answer p50 {:>7.2} ms   p99 {:>7.2} ms", analysing.0, analysing.1);
    let ratio = whole.0 / (searching.0 + inferring.0);
    println!("Identify over search and networks {ratio:.2} (target: at most {RATIO_MAX})");
    println!("… over search and the probe's whole analysis {:.2}", whole.0 / (searching.0 + analysing.0));
    Ok(ratio <= RATIO_MAX)
}

/// Median and 99th percentile, in milliseconds.
fn summary(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    (at(0.5), at(0.99))
}
