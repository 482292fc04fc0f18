//! How is a copy of a picture told from another picture of the same person?
//!
//! ```sh
//! cargo run --release --example copies -- "$(scripts/lib/cfp-dev)" "$(scripts/lib/pad-dev)"
//! ```
//!
//! Prints the likeness of prints and the comparison score of templates, of every kind of
//! copy against its original, and of different pictures of one person; the share of copies
//! found and of false alarms at the limits that the engine judges by.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use chinhchu::face::{Analysis, Pack, Pipeline, PoolOptions, Wants};
use chinhchu::matching::dot;
use chinhchu::workflow::{is_reference_picture, is_same_frame};
use clap::Parser;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{ImageFormat, Rgb, RgbImage};

/// How is a copy of a picture told from another picture of the same person?
#[derive(Parser)]
struct Arguments {
    /// CSV files with the columns `subject_id,path`, and `pose` or `attack` where there
    /// are such: profile photos and attacks are left out.
    manifests: Vec<PathBuf>,
    /// Folder of the model pack.
    #[arg(long, default_value = "models/default")]
    pack: PathBuf,
    /// Write the figures of every pair to this CSV file, with the paths of different
    /// pictures: in sets gathered from the web, some are one picture.
    #[arg(long)]
    pairs: Option<PathBuf>,
    /// Copies are made of every so-manieth picture.
    #[arg(long, default_value_t = 10)]
    every: usize,
}

fn jpeg(image: &RgbImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory does not fail.
    let _ = JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(image);
    bytes
}

fn png(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let _ = image.write_to(&mut bytes, ImageFormat::Png);
    bytes.into_inner()
}

fn resized(image: &RgbImage, by: f32) -> RgbImage {
    let side = |length: u32| ((length as f32 * by) as u32).max(1);
    imageops::resize(image, side(image.width()), side(image.height()), FilterType::Triangle)
}

/// `shares` of left, top, right and bottom cut off.
fn cropped(image: &RgbImage, shares: [f32; 4]) -> RgbImage {
    let (w, h) = (image.width() as f32, image.height() as f32);
    let [left, top, right, bottom] = shares;
    let (x, y) = ((w * left) as u32, (h * top) as u32);
    let (width, height) = ((w * (1.0 - left - right)) as u32, (h * (1.0 - top - bottom)) as u32);
    imageops::crop_imm(image, x, y, width.max(1), height.max(1)).to_image()
}

/// Shown larger in a window on a screen with another gamma, and captured from it.
fn screen(image: &RgbImage) -> RgbImage {
    let mut shown = resized(image, 1.37);
    for pixel in shown.pixels_mut() {
        pixel.0 = pixel.0.map(|v| (255.0 * (f32::from(v) / 255.0).powf(0.85) * 0.94 + 6.0).min(255.0) as u8);
    }
    let mut page = RgbImage::from_pixel(shown.width() * 3 / 2, shown.height() * 3 / 2, Rgb([235, 236, 240]));
    let (x, y) = (i64::from(shown.width() / 4), i64::from(shown.height() / 5));
    imageops::overlay(&mut page, &shown, x, y);
    page
}

/// Wider or higher by so much, as a screen of another shape shows it.
fn stretched(image: &RgbImage, wide: f32, high: f32) -> RgbImage {
    let side = |length: u32, by: f32| ((length as f32 * by) as u32).max(1);
    imageops::resize(image, side(image.width(), wide), side(image.height(), high), FilterType::Triangle)
}

/// Seen from the left: its right edge is shorter by `by`, and the whole narrower by half as
/// much; the rest is the grey of a table.
fn seen_from_the_side(image: &RgbImage, by: f32) -> RgbImage {
    let (w, h) = (image.width() as f32, image.height() as f32);
    let width = w * (1.0 - by / 2.0);
    RgbImage::from_fn(width as u32, image.height(), |x, y| {
        // Depth grows to the right: 1 at the left edge, 1 / (1 - by) at the right.
        let share = x as f32 / width;
        let depth = 1.0 / (1.0 - by * share);
        let source_x = share * depth * (1.0 - by) * w;
        let source_y = h / 2.0 + (y as f32 - h / 2.0) * depth;
        let inside = source_x >= 0.0 && source_y >= 0.0;
        match image.get_pixel_checked(source_x as u32, source_y as u32).filter(|_| inside) {
            Some(pixel) => *pixel,
            None => Rgb([120; 3]),
        }
    })
}

type Kind = (&'static str, fn(&RgbImage) -> Vec<u8>);
const KINDS: [Kind; 22] = [
    ("PNG of the pixels", png),
    ("JPEG, quality 90", |image| jpeg(image, 90)),
    ("JPEG, quality 50", |image| jpeg(image, 50)),
    ("JPEG, quality 25", |image| jpeg(image, 25)),
    ("resized by 0.75", |image| jpeg(&resized(image, 0.75), 85)),
    ("resized by 0.5", |image| jpeg(&resized(image, 0.5), 85)),
    ("resized by 1.5", |image| jpeg(&resized(image, 1.5), 85)),
    ("cropped by 2 % at one side", |image| jpeg(&cropped(image, [0.02, 0.0, 0.0, 0.0]), 85)),
    ("cropped by 5 % all around", |image| jpeg(&cropped(image, [0.05; 4]), 85)),
    ("cropped by 10 % at two sides", |image| jpeg(&cropped(image, [0.1, 0.1, 0.0, 0.0]), 85)),
    ("brighter by a sixth", |image| {
        let mut image = image.clone();
        image.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|v| (f32::from(v) * 7.0 / 6.0).min(255.0) as u8));
        jpeg(&image, 85)
    }),
    ("smoothed", |image| jpeg(&imageops::blur(image, 1.0), 85)),
    ("captured from a screen", |image| jpeg(&screen(image), 85)),
    ("mirrored", |image| jpeg(&imageops::flip_horizontal(image), 85)),
    ("wider by 10 %", |image| jpeg(&stretched(image, 1.1, 1.0), 85)),
    ("wider by 20 %", |image| jpeg(&stretched(image, 1.2, 1.0), 85)),
    ("wider by 35 %", |image| jpeg(&stretched(image, 1.35, 1.0), 85)),
    ("higher by 15 %", |image| jpeg(&stretched(image, 1.0, 1.15), 85)),
    ("higher by 30 %", |image| jpeg(&stretched(image, 1.0, 1.3), 85)),
    ("mirrored, wider by 15 %", |image| jpeg(&stretched(&imageops::flip_horizontal(image), 1.15, 1.0), 85)),
    ("seen from the side, 15 %", |image| jpeg(&seen_from_the_side(image, 0.15), 85)),
    ("seen from the side, 30 %", |image| jpeg(&seen_from_the_side(image, 0.3), 85)),
];

/// Likeness of two prints as they are and warped, and the score of the templates.
#[derive(Clone, Copy, serde::Serialize)]
struct Pair {
    print: f32,
    mirrored: f32,
    warped: f32,
    warped_mirrored: f32,
    score: f32,
}

/// What pairs of one kind came to.
#[derive(Default)]
struct Tally {
    pairs: Vec<Pair>,
    /// Taken for one frame, and for the reference's own picture.
    same_frame: usize,
    reference: usize,
    unusable: usize,
    /// Time the warping took.
    warping: Duration,
}

impl Tally {
    fn add(&mut self, one: &Analysis, other: &Analysis) {
        let plain = one.print.likeness(&other.print);
        let begun = Instant::now();
        let warped = one.print.warped_likeness(&other.print);
        self.warping += begun.elapsed();
        self.pairs.push(Pair {
            print: plain.direct,
            mirrored: plain.mirrored,
            warped: warped.direct,
            warped_mirrored: warped.mirrored,
            score: dot(one.template.vector(), other.template.vector()),
        });
        self.same_frame += usize::from(is_same_frame(one, other));
        self.reference += usize::from(is_reference_picture(one, other));
    }

    fn print(mut self, name: &str) {
        let count = self.pairs.len().max(1);
        let mut quantiles = |of: fn(&Pair) -> f32| {
            self.pairs.sort_by(|a, b| of(a).total_cmp(&of(b)));
            let at = |share: f64| self.pairs.get((share * (count - 1) as f64) as usize).map_or(f32::NAN, of);
            let shares = [0.0, 0.01, 0.05, 0.5, 0.95, 0.99, 0.999, 1.0];
            shares.map(|share| format!("{:.4}", at(share))).join(" ")
        };
        let prints = quantiles(|pair| pair.print.max(pair.mirrored));
        let warped = quantiles(|pair| pair.warped.max(pair.warped_mirrored));
        let scores = quantiles(|pair| pair.score);
        let percent = |of: usize| 100.0 * of as f64 / count as f64;
        println!(
            "{name:32} {:6} pairs, {} unusable; one frame {:.2} % ({}), the reference's picture {:.2} % ({})\n    \
             prints {prints}\n    warped {warped}\n    scores {scores}",
            self.pairs.len(),
            self.unusable,
            percent(self.same_frame),
            self.same_frame,
            percent(self.reference),
            self.reference,
        );
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("copies: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let pack = Pack::load(&arguments.pack)?;
    let options = PoolOptions { workers: 1, queue_max: 1, limits: Default::default(), onnxruntime: None };
    let mut pipeline = Pipeline::new(&pack, &options)?;
    let to_table = |path| csv::WriterBuilder::new().has_headers(false).from_path(path);
    let mut table = arguments.pairs.as_ref().map(to_table).transpose()?;
    if let Some(table) = &mut table {
        table.write_record(["kind", "one", "other", "print", "mirrored", "warped", "warped_mirrored", "score"])?;
    }
    println!("quantiles: least, 1 %, 5 %, median, 95 %, 99 %, 99.9 %, most");
    for manifest in &arguments.manifests {
        println!("\n{}", manifest.display());
        let folder = manifest.parent().unwrap_or(Path::new("."));
        let mut people: BTreeMap<String, Vec<(String, Analysis)>> = BTreeMap::new();
        let mut kinds: Vec<Tally> = KINDS.iter().map(|_| Tally::default()).collect();
        let rows =
            csv::Reader::from_path(manifest)?.deserialize().collect::<Result<Vec<BTreeMap<String, String>>, _>>()?;
        let wanted = |row: &&BTreeMap<String, String>| {
            let is = |column: &str, values: &[&str]| row.get(column).is_none_or(|of| values.contains(&of.as_str()));
            is("pose", &["frontal"]) && is("attack", &[""])
        };
        for (at, row) in rows.iter().filter(wanted).enumerate() {
            let (Some(subject), Some(path)) = (row.get("subject_id"), row.get("path")) else {
                return Err("the columns subject_id and path are needed".into());
            };
            let bytes = std::fs::read(folder.join(path))?;
            let Ok(original) = pipeline.analyze(&bytes, Wants::default()) else { continue };
            if at % arguments.every == 0 {
                let picture = image::load_from_memory(&bytes)?.into_rgb8();
                for ((_, copy), tally) in KINDS.iter().zip(&mut kinds) {
                    match pipeline.analyze(&copy(&picture), Wants::default()) {
                        Ok(copied) => tally.add(&original, &copied),
                        Err(_) => tally.unusable += 1,
                    }
                }
            }
            people.entry(subject.clone()).or_default().push((path.clone(), original));
        }
        for ((name, _), tally) in KINDS.iter().zip(kinds) {
            if let Some(table) = &mut table {
                tally.pairs.iter().try_for_each(|pair| table.serialize((name, "", "", pair)))?;
            }
            tally.print(name);
        }
        let mut different = Tally::default();
        for pictures in people.values() {
            for (i, (path, one)) in pictures.iter().enumerate() {
                for (other_path, other) in &pictures[i + 1..] {
                    different.add(one, other);
                    if let (Some(table), Some(pair)) = (&mut table, different.pairs.last()) {
                        table.serialize(("different", path, other_path, pair))?;
                    }
                }
            }
        }
        let mean = 1e3 * different.warping.as_secs_f64() / different.pairs.len().max(1) as f64;
        different.print("different pictures of one person");
        println!("a comparison of two prints, warped, takes {mean:.2} ms in the mean");
    }
    Ok(())
}
