//! Finding what the set-up fetched: weights, ONNX Runtime, sample photos.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chinhchu::face::PoolOptions;
use chinhchu::gallery::{self, EmbeddedOptions};
use chinhchu::imaging::Limits;
use chinhchu::workflow::{Engine, EngineOptions};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pack() -> PathBuf {
    std::env::var_os("CHINHCHU_PACK").map_or_else(|| root().join("models/default"), PathBuf::from)
}

/// A sample photo, or a note that the test is skipped.
pub fn photo(name: &str) -> Option<Vec<u8>> {
    let found = std::fs::read(root().join(".cache/photos").join(name)).ok();
    if found.is_none() {
        eprintln!("SKIPPED: sample photos are not there; run scripts/setup");
    }
    found
}

/// The engine on the default pack, or a note that the test is skipped. What is
/// there and cannot be used fails the test.
pub fn engine(workers: usize, queue_max: usize) -> Option<Engine> {
    let weights = pack().join("fr_feature.onnx").exists();
    let runtime = std::env::var_os("CHINHCHU_ONNXRUNTIME").is_some() || root().join(".cache/onnxruntime").is_dir();
    if !(weights && runtime) {
        eprintln!("SKIPPED: weights or ONNX Runtime are not there; run scripts/setup");
        return None;
    }
    let options = EngineOptions {
        pack: pack(),
        calibration: None,
        second: None,
        curve: Default::default(),
        pool: PoolOptions { workers, queue_max, limits: Limits::default(), onnxruntime: None },
        default_fmr: 1e-5,
        default_fpir: 0.01,
        capture: Default::default(),
    };
    Some(Engine::open(&options).expect("the default pack"))
}

/// The same engine with an empty gallery in `folder`.
pub fn with_gallery(engine: Engine, folder: &Path) -> Engine {
    let (recipe, dimension) = (engine.recipe(), engine.pack().dimension());
    let gallery = gallery::open(folder, recipe, dimension, EmbeddedOptions::default()).expect("a new gallery");
    engine.with_gallery(Arc::new(gallery)).expect("the pack's recipe")
}

/// A picture of nobody: a gradient.
pub fn faceless() -> Vec<u8> {
    let wall = image::RgbImage::from_fn(320, 240, |x, y| image::Rgb([(x / 2) as u8, (y / 2) as u8, 120]));
    let mut png = std::io::Cursor::new(Vec::new());
    wall.write_to(&mut png, image::ImageFormat::Png).expect("a PNG");
    png.into_inner()
}
