//! Do close crops and small pictures of live people look like attacks to the liveness
//! network, and can they be told apart from attacks?
//!
//! ```sh
//! cargo run --release --example liveness_crops -- /path/to/manifest.csv
//! ```
//!
//! Each photo of the manifest is looked at as it is, cropped so that the face's box takes
//! a given share of the picture, and scaled down to a given distance between the eyes.
//! Attacks are changed in the same ways. Prints, by what was done and by what was then
//! measured, how many live captures score below the threshold and how many attacks score
//! at or above it. A manifest without the column `attack` shows live people alone; of one
//! with the column `pose`, frontal photos are taken.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chinhchu::face::{FaceReport, Pack, Pipeline, PoolOptions, Rect, Wants};
use clap::Parser;
use image::imageops::{FilterType, crop_imm, resize};
use image::{ImageFormat, RgbImage};
use serde::Deserialize;

type Failure = Box<dyn Error + Send + Sync>;

/// Shares of the picture's height or width, whichever is larger, that the face's box takes.
const SHARES: [f32; 7] = [0.35, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];
/// Distances between the eyes, in pixels.
const EYE_DISTANCES: [f32; 8] = [16.0, 18.0, 20.0, 24.0, 32.0, 40.0, 50.0, 60.0];
/// Width over height of a crop: a portrait.
const PORTRAIT: f32 = 0.75;
/// Upper ends of the bins of room around the face, in sides of its box.
const ROOMS: [f32; 6] = [1.25, 1.5, 1.75, 2.0, 2.7, f32::INFINITY];
/// Upper ends of the bins of distance between the eyes, in pixels.
const EYES: [f32; 8] = [20.0, 24.0, 32.0, 40.0, 50.0, 60.0, 80.0, f32::INFINITY];
/// Room below which the engine advises to move back where a capture scores low
/// (`ROOM_MIN` of `src/workflow/capture.rs`).
const ROOM_MIN: f32 = 1.5;
/// Room from which on pictures are counted by the distance between the eyes.
const ROOM_ENOUGH: f32 = 2.0;

/// Looks at labelled captures as they are, cropped and scaled down.
#[derive(Parser)]
struct Arguments {
    /// CSV file with the column `path`, and `attack` (empty for live people) or `pose` (of
    /// which frontal photos are taken); paths from its folder.
    manifest: PathBuf,
    /// Folder of the model pack.
    #[arg(long, default_value = "models/default")]
    pack: PathBuf,
    /// Score from which on a face counts as live.
    #[arg(long, default_value_t = 0.5)]
    threshold: f32,
    /// Look at every Nth photo.
    #[arg(long, default_value_t = 1)]
    every: usize,
    /// Pipelines that work side by side.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Writes what was measured of each picture as CSV.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Row {
    path: PathBuf,
    #[serde(default)]
    attack: String,
    #[serde(default)]
    pose: String,
}

/// What was done to a photo.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    None,
    /// Cropped to this share of the face's box.
    Crop(f32),
    /// Scaled down to this distance between the eyes.
    Scale(f32),
}

impl Change {
    fn name(self) -> String {
        match self {
            Self::None => "as it is".to_owned(),
            Self::Crop(share) => format!("face's box fills {:.0} %", share * 100.0),
            Self::Scale(eyes) => format!("eyes {eyes:.0} px apart"),
        }
    }
}

/// What was measured of one picture.
struct Look {
    live: bool,
    change: Change,
    /// `None` where no usable face was found.
    seen: Option<Seen>,
}

struct Seen {
    liveness: f32,
    /// How often the face's box fits into the picture, by the tighter side.
    room: f32,
    eye_distance: f32,
    capture: f32,
    report: FaceReport,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("liveness_crops: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let pack = Pack::load(&arguments.pack)?;
    let folder = arguments.manifest.parent().unwrap_or(Path::new("."));
    let rows = csv::Reader::from_path(&arguments.manifest)?.deserialize().collect::<Result<Vec<Row>, _>>()?;
    let rows: Vec<Row> = rows
        .into_iter()
        .filter(|row| row.pose.is_empty() || row.pose == "frontal")
        .step_by(arguments.every.max(1))
        .collect();
    let share = rows.len().div_ceil(arguments.workers.max(1)).max(1);
    let looks: Vec<Look> = std::thread::scope(|scope| {
        let workers: Vec<_> = rows.chunks(share).map(|rows| scope.spawn(|| look_at_all(&pack, folder, rows))).collect();
        let joined = workers.into_iter().map(|worker| worker.join().map_err(|_| "a worker panicked")?);
        Ok::<_, Failure>(joined.collect::<Result<Vec<_>, Failure>>()?.into_iter().flatten().collect())
    })?;
    if let Some(path) = &arguments.csv {
        write_csv(path, &looks)?;
    }
    print_tables(&looks, arguments.threshold);
    Ok(())
}

fn look_at_all(pack: &Pack, folder: &Path, rows: &[Row]) -> Result<Vec<Look>, Failure> {
    let options = PoolOptions { workers: 1, queue_max: 1, limits: Default::default(), onnxruntime: None };
    let mut pipeline = Pipeline::new(pack, &options)?;
    let mut looks = Vec::new();
    for row in rows {
        let live = matches!(row.attack.trim(), "" | "bona_fide");
        let bytes = std::fs::read(folder.join(&row.path))?;
        let whole = look(&mut pipeline, &bytes);
        if let Some(seen) = &whole {
            let photo = image::load_from_memory(&bytes)?.into_rgb8();
            for share in SHARES {
                if let Some(cropped) = cropped(&photo, seen.report.face, share) {
                    let seen = look(&mut pipeline, &png(&cropped)?);
                    looks.push(Look { live, change: Change::Crop(share), seen });
                }
            }
            for eyes in EYE_DISTANCES {
                let scale = eyes / seen.eye_distance;
                if scale < 1.0 {
                    let side = |length: u32| ((length as f32 * scale).round() as u32).max(1);
                    let small = resize(&photo, side(photo.width()), side(photo.height()), FilterType::Triangle);
                    let seen = look(&mut pipeline, &png(&small)?);
                    looks.push(Look { live, change: Change::Scale(eyes), seen });
                }
            }
        }
        looks.push(Look { live, change: Change::None, seen: whole });
    }
    Ok(looks)
}

fn look(pipeline: &mut Pipeline, bytes: &[u8]) -> Option<Seen> {
    let report = pipeline.assess(bytes, Wants { liveness: true, quality: true, pose: false }).ok()?;
    let room = (report.width as f32 / report.face.width).min(report.height as f32 / report.face.height);
    Some(Seen {
        liveness: report.liveness?,
        room,
        eye_distance: report.eye_distance,
        capture: report.quality.as_ref()?.capture,
        report,
    })
}

/// The part of a photo around the face in which its box takes `share` of the tighter side;
/// `None` where the photo does not reach so far.
fn cropped(photo: &RgbImage, face: Rect, share: f32) -> Option<RgbImage> {
    let height = (face.height / share).max(face.width / share / PORTRAIT);
    let (wide, high) = ((height * PORTRAIT).round(), height.round());
    let (left, top) = (face.left + (face.width - wide) / 2.0, face.top + (face.height - high) / 2.0);
    let (room_x, room_y) = (photo.width() as f32 - wide, photo.height() as f32 - high);
    if room_x < 0.0 || room_y < 0.0 {
        return None;
    }
    let (left, top) = (left.clamp(0.0, room_x), top.clamp(0.0, room_y));
    Some(crop_imm(photo, left as u32, top as u32, wide as u32, high as u32).to_image())
}

fn png(photo: &RgbImage) -> Result<Vec<u8>, Failure> {
    let mut bytes = Cursor::new(Vec::new());
    photo.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

fn write_csv(path: &Path, looks: &[Look]) -> Result<(), Failure> {
    let mut file = std::io::BufWriter::new(File::create(path)?);
    writeln!(file, "live,change,liveness,room,eye_distance,capture,inside")?;
    for Look { live, change, seen } in looks {
        write!(file, "{},{}", u8::from(*live), change.name())?;
        match seen {
            Some(s) => {
                let inside = inside(s.report.face, s.report.width as f32, s.report.height as f32);
                writeln!(file, ",{},{},{},{},{inside}", s.liveness, s.room, s.eye_distance, s.capture)?;
            }
            None => writeln!(file, ",,,,,")?,
        }
    }
    Ok(file.flush()?)
}

/// Share of the face's box, grown to 2.7 times its sides about its centre, inside the picture.
fn inside(face: Rect, width: f32, height: f32) -> f32 {
    let side = |start: f32, length: f32, whole: f32| {
        let (middle, half) = (start + length / 2.0, length * 1.35);
        ((middle + half).min(whole) - (middle - half).max(0.0)).max(0.0) / (2.0 * half)
    };
    side(face.left, face.width, width) * side(face.top, face.height, height)
}

/// Live captures and attacks of one row of a table.
#[derive(Default)]
struct Counts {
    /// Live, attacks: pictures, without a usable face, errors.
    of: [[usize; 3]; 2],
}

impl Counts {
    fn add(&mut self, look: &Look, threshold: f32) {
        let counts = &mut self.of[usize::from(!look.live)];
        counts[0] += 1;
        match &look.seen {
            None => counts[1] += 1,
            Some(seen) => counts[2] += usize::from((seen.liveness >= threshold) != look.live),
        }
    }
}

fn print_table(title: &str, rows: impl Iterator<Item = (String, Counts)>) {
    println!("\n{title:32} {:>28} {:>28}", "live taken for attack", "attack taken for live");
    for (name, counts) in rows {
        let cell = |[all, unseen, errors]: [usize; 3]| match all {
            0 => "–".to_owned(),
            _ => {
                let seen = all - unseen;
                let rate = 100.0 * errors as f64 / seen.max(1) as f64;
                format!("{errors} of {seen} ({rate:.1} %), {unseen} unseen")
            }
        };
        println!("{name:32} {:>28} {:>28}", cell(counts.of[0]), cell(counts.of[1]));
    }
}

fn print_tables(looks: &[Look], threshold: f32) {
    let changes = std::iter::once(Change::None).chain(SHARES.map(Change::Crop)).chain(EYE_DISTANCES.map(Change::Scale));
    print_table(
        "what was done",
        changes.map(|change| {
            let mut counts = Counts::default();
            looks.iter().filter(|look| look.change == change).for_each(|look| counts.add(look, threshold));
            (change.name(), counts)
        }),
    );
    let bins = |ends: &[f32], value: fn(&Seen) -> f32, wanted: &dyn Fn(&Look, &Seen) -> bool| {
        let mut rows: BTreeMap<usize, Counts> = BTreeMap::new();
        for look in looks {
            if let Some(seen) = look.seen.as_ref().filter(|seen| wanted(look, seen)) {
                let bin = ends.iter().position(|end| value(seen) < *end).unwrap_or(ends.len() - 1);
                rows.entry(bin).or_default().add(look, threshold);
            }
        }
        let named = |(bin, counts): (usize, Counts)| {
            let low = bin.checked_sub(1).map_or(0.0, |below| ends[below]);
            (format!("{low} to {}", ends[bin]), counts)
        };
        rows.into_iter().map(named).collect::<Vec<_>>()
    };
    let scaled = |change| matches!(change, Change::None | Change::Scale(_));
    let cropped = |change| matches!(change, Change::None | Change::Crop(_));
    let by_room = bins(&ROOMS, |seen| seen.room, &|look, _| cropped(look.change));
    print_table("box fits into picture, times", by_room.into_iter());
    let rule = bins(&[ROOM_MIN, f32::INFINITY], |seen| seen.room, &|look, _| cropped(look.change));
    print_table("… by the engine's rule", rule.into_iter());
    let by_eyes = bins(&EYES, |seen| seen.eye_distance, &|look, seen| scaled(look.change) && seen.room >= ROOM_ENOUGH);
    print_table("eye distance, px, room enough", by_eyes.into_iter());
}
