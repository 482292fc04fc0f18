//! Packs, photos and pictures for the tests of `face`.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use chinhchu::face::{Analysis, FaceError, FacePool, Pack, PoolOptions, Wants};
use chinhchu::imaging::Limits;
use image::{DynamicImage, ImageFormat, RgbImage};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn pack_folder(name: &str) -> PathBuf {
    root().join("models").join(name)
}

pub fn options(workers: usize) -> PoolOptions {
    PoolOptions { workers, queue_max: 8, limits: Limits::default(), onnxruntime: library() }
}

/// ONNX Runtime where `scripts/setup` puts it; `None` leaves it to the program.
fn library() -> Option<PathBuf> {
    let entries = std::fs::read_dir(root().join(".cache/onnxruntime")).ok()?;
    entries.filter_map(|e| Some(e.ok()?.path())).find(|p| p.to_string_lossy().contains("libonnxruntime.so"))
}

/// A pack that comes with the program, or a note that the test is skipped. What
/// is there and cannot be used fails the test.
pub fn pack(name: &str) -> Option<Pack> {
    let runtime = std::env::var_os("CHINHCHU_ONNXRUNTIME").is_some() || library().is_some();
    let detector = if name == "yunet" { "face_detection_yunet_2023mar_int8bq.onnx" } else { "fr_detect.onnx" };
    if !runtime || !pack_folder(name).join(detector).exists() {
        eprintln!("SKIPPED: the weights of the {name} pack or ONNX Runtime are not there; run scripts/setup");
        return None;
    }
    Some(Pack::load(&pack_folder(name)).expect("the pack"))
}

/// One pool per pack for all tests: loading takes longer than most of them.
pub fn pool(name: &'static str) -> Option<&'static FacePool> {
    static DEFAULT: OnceLock<Option<FacePool>> = OnceLock::new();
    static YUNET: OnceLock<Option<FacePool>> = OnceLock::new();
    let slot = if name == "yunet" { &YUNET } else { &DEFAULT };
    slot.get_or_init(|| pack(name).map(|pack| FacePool::start(&pack, &options(2)).expect("a pool"))).as_ref()
}

/// A sample photo, or a note that the test is skipped.
pub fn photo(name: &str) -> Option<RgbImage> {
    let Ok(bytes) = std::fs::read(root().join(".cache/photos").join(name)) else {
        eprintln!("SKIPPED: sample photos are not there; run scripts/setup");
        return None;
    };
    Some(image::load_from_memory(&bytes).expect("a photo").into_rgb8())
}

/// Without loss, so that only what the test does changes the picture.
pub fn png(picture: &RgbImage) -> Vec<u8> {
    encoded(picture, ImageFormat::Png)
}

pub fn jpeg(picture: &RgbImage) -> Vec<u8> {
    encoded(picture, ImageFormat::Jpeg)
}

fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(picture.clone()).write_to(&mut bytes, format).expect("an encoder");
    bytes.into_inner()
}

pub fn analyze(pool: &FacePool, picture: &RgbImage) -> Result<Analysis, FaceError> {
    pool.analyze(png(picture), Wants::default()).wait()
}

/// The photo at a third of its size: plenty of face, and quick to encode.
pub fn small(picture: &RgbImage) -> RgbImage {
    image::imageops::thumbnail(picture, picture.width() / 3, picture.height() / 3)
}
