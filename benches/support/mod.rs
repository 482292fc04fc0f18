//! What the benchmarks of engine and server share.

// Each of them uses a part of it.
#![allow(dead_code)]

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use chinhchu::backup::{BackupKey, BackupKeys, BackupWriter, Repository, Written};
use chinhchu::context::RequestContext;
use chinhchu::face::{PoolOptions, RecipeDigest, Template};
use chinhchu::gallery::{self, Attributes, EnrolMode, Enrolment, Gallery, NewTemplate, Source, SubjectId};
use chinhchu::imaging::Limits;
use chinhchu::sealing::{MasterKey, Secret};
use chinhchu::tools::{Like, Population};
use chinhchu::workflow::EngineOptions;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use tokio::runtime::Handle;

/// Enrolments under way while a gallery is filled: they share commits.
const AT_ONCE: u64 = 4_096;
/// Quality of the photos' JPEG files.
const JPEG_QUALITY: u8 = 90;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The project's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether weights, ONNX Runtime and photos are there; says so where they are not.
pub fn is_set_up() -> bool {
    let needed = [".cache/photos/obama.jpg", ".cache/onnxruntime", "models/default/fr_feature.onnx"];
    let is_there = needed.iter().all(|path| root().join(path).exists());
    if !is_there {
        eprintln!("SKIPPED: weights, ONNX Runtime or photos are not there; run scripts/setup");
    }
    is_there
}

/// Ends a benchmark: `false` where a target was missed.
pub fn end(name: &str, done: Result<bool, Failure>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One worker a core.
pub fn pool_options() -> PoolOptions {
    PoolOptions { workers: 0, queue_max: 64, limits: Limits::default(), onnxruntime: None }
}

/// The default pack.
pub fn engine_options(pool: PoolOptions) -> EngineOptions {
    EngineOptions {
        pack: root().join("models/default"),
        calibration: None,
        second: None,
        curve: Default::default(),
        pool,
        default_fmr: 1e-5,
        default_fpir: 0.01,
        capture: Default::default(),
    }
}

/// A sample photo whose shorter side is `side` pixels.
pub fn photo(name: &str, side: u32) -> Result<RgbImage, Failure> {
    let path = root().join(".cache/photos").join(name);
    let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}; run scripts/setup", path.display()))?;
    let picture = image::load_from_memory(&bytes)?;
    let (width, height) = (picture.width(), picture.height());
    let scaled = |length: u32| (f64::from(length) * f64::from(side) / f64::from(width.min(height))).round() as u32;
    Ok(picture.resize_exact(scaled(width), scaled(height), FilterType::Triangle).to_rgb8())
}

/// A picture as a JPEG file.
pub fn jpeg(picture: &RgbImage) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY).encode_image(picture)?;
    Ok(bytes)
}

/// Enrols so many face-like subjects with a template each: `s0`, `s1`, …. Templates are
/// those of the population that has `dimension` values in a vector.
pub async fn fill(
    gallery: &Arc<Gallery>,
    recipe: RecipeDigest,
    dimension: usize,
    subjects: u64,
) -> Result<(), Failure> {
    fill_named(gallery, recipe, dimension, subjects, |number| format!("s{number}")).await
}

/// The same under ids of one's own.
#[allow(dead_code, reason = "not every benchmark has ids of its own")]
pub async fn fill_named(
    gallery: &Arc<Gallery>,
    recipe: RecipeDigest,
    dimension: usize,
    subjects: u64,
    id: impl Fn(u64) -> String,
) -> Result<(), Failure> {
    let like = Like::ALL.into_iter().find(|like| like.dimension() == dimension);
    let population = Population::new(like.ok_or("no population has templates of the pack's dimension")?, 1);
    let mut tasks = tokio::task::JoinSet::new();
    for first in (0..subjects).step_by(AT_ONCE as usize) {
        let vectors = population.references(first, AT_ONCE.min(subjects - first) as usize);
        for (number, vector) in (first..).zip(vectors.chunks_exact(population.dimension())) {
            let template = Template::from_raw(recipe, vector).map_err(|_| "a vector without a length")?;
            let enrolment = Enrolment {
                by: None,
                legal_basis: None,
                subject: SubjectId::new(id(number))?,
                mode: EnrolMode::Create,
                attributes: Attributes::default(),
                templates: vec![NewTemplate { template, source: Source::Other, captured_at: None, quality: None }],
                agreement: chinhchu::gallery::Agreement::Known,
            };
            let gallery = Arc::clone(gallery);
            tasks.spawn(async move { gallery.enrol(&RequestContext::internal("test"), enrolment, None).await });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
    }
    Ok(())
}

/// A backup, with the seconds that it took.
pub type Taken = Result<(Written, f64), String>;

/// The keys of every backup here.
pub fn backup_keys() -> Arc<BackupKeys> {
    Arc::new(BackupKeys::new(BackupKey::new(&MasterKey::new(Secret::copied(&[8; 32]))), []))
}

/// Takes a backup, with the seconds that it took.
pub async fn back_up(gallery: &Gallery, to: &Path) -> Result<(Written, f64), Failure> {
    let repository = Repository::open_or_make(to)?;
    let began = Instant::now();
    let mut rows = gallery.rows().await?;
    let mut writer = BackupWriter::begin(&repository, backup_keys(), rows.head().clone(), None)?;
    while let Some(batch) = rows.next().await? {
        writer.take(&batch)?;
    }
    let written = writer.finish()?;
    Ok((written, began.elapsed().as_secs_f64()))
}

/// The same as a program beside the server does: on a thread of its own, whose priority is as low.
pub fn back_up_beside(gallery: &Arc<Gallery>, to: &Path, has_ended: &Arc<AtomicBool>) -> JoinHandle<Taken> {
    let (gallery, to, has_ended) = (Arc::clone(gallery), to.to_owned(), Arc::clone(has_ended));
    let runtime = Handle::current();
    std::thread::spawn(move || {
        gallery::lower_priority();
        let done = runtime.block_on(back_up(&gallery, &to)).map_err(|error| error.to_string());
        has_ended.store(true, Ordering::Release);
        done
    })
}
