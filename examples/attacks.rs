//! Simulated presentation attacks for `chinhchu evaluate --pad`.
//!
//! ```sh
//! cargo run --release --example attacks -- /path/to/cfp-dev/manifest.csv --out /tmp/attacks
//! chinhchu evaluate --pad --manifest /tmp/attacks/manifest.csv --out report
//! ```
//!
//! Frontal photos as bona fide presentations, and of some of them a print, a screen and
//! a cut-out mask as a camera might see them, drawn in seeded ways
//! (`tests/face/attack.rs`). **These are simulations**: what they say of a network is a
//! hint, no error rate of it. Photos are of people: the folder belongs outside any
//! repository.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chinhchu::face::{Pack, Pipeline, PoolOptions, Wants};
use clap::Parser;
use image::RgbImage;
use rayon::prelude::*;
use serde::Deserialize;

#[path = "../tests/face/attack.rs"]
mod attack;
#[path = "../tests/face/picture.rs"]
mod picture;
use attack::{Attack, Portrait, attack};
use picture::{Eyes, Random};

type Failure = Box<dyn Error + Send + Sync>;

/// Fixes every drawing.
const SEED: u64 = 30_107;

/// Draws presentation attacks of labelled photos.
#[derive(Parser)]
struct Arguments {
    /// CSV file with the columns `subject_id,path,pose`; paths from its folder.
    manifest: PathBuf,
    /// Folder of the model pack.
    #[arg(long, default_value = "models/default")]
    pack: PathBuf,
    /// Folder for the pictures and their manifest.
    #[arg(long)]
    out: PathBuf,
    /// Attacks of every so-manieth frontal photo; all of them are bona fide.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
}

#[derive(Deserialize)]
struct Row {
    subject_id: String,
    path: PathBuf,
    pose: String,
}

/// A photo and where the eyes are.
struct Looked {
    photo: RgbImage,
    eyes: Eyes,
}

impl Looked {
    fn portrait(&self) -> Portrait<'_> {
        Portrait { photo: &self.photo, eyes: self.eyes }
    }
}

/// The file of an attack on the photo at a place of the set.
fn name(at: usize, kind: Attack) -> String {
    format!("{at}-{}.jpg", kind.name())
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("attacks: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let pack = Pack::load(&arguments.pack)?;
    let options = PoolOptions { workers: 1, queue_max: 1, limits: Default::default(), onnxruntime: None };
    let mut pipeline = Pipeline::new(&pack, &options)?;
    let folder = std::path::absolute(arguments.manifest.parent().unwrap_or(Path::new(".")))?;
    let rows = csv::Reader::from_path(&arguments.manifest)?.deserialize().collect::<Result<Vec<Row>, _>>()?;
    let frontal: Vec<Row> = rows.into_iter().filter(|row| row.pose == "frontal").collect();
    std::fs::create_dir_all(&arguments.out)?;
    let mut manifest = csv::Writer::from_path(arguments.out.join("manifest.csv"))?;
    manifest.write_record(["subject_id", "path", "attack"])?;
    for row in &frontal {
        let path = folder.join(&row.path);
        let path = path.to_str().ok_or("a path is not UTF-8; rename the folder")?;
        manifest.write_record([row.subject_id.as_str(), path, "bona_fide"])?;
    }
    let mut look = |row: &Row| -> Result<Looked, Failure> {
        let bytes = std::fs::read(folder.join(&row.path))?;
        let face = pipeline.assess(&bytes, Wants::default())?.face;
        let photo = image::load_from_memory(&bytes)?.into_rgb8();
        Ok(Looked { photo, eyes: Eyes::of(face.left, face.top, face.width, face.height) })
    };
    let mut attacked = Vec::new();
    for (at, row) in frontal.iter().enumerate().step_by(arguments.every as usize) {
        // Somebody else wears the mask: the first after half of the set.
        let mut others = frontal.iter().cycle().skip(at + frontal.len() / 2).take(frontal.len());
        let Some(other) = others.find(|other| other.subject_id != row.subject_id) else {
            return Err("all photos show one person; the mask needs another to wear it".into());
        };
        attacked.push((at, look(row)?, look(other)?));
    }
    attacked.par_iter().try_for_each(|(at, of, by)| -> Result<(), Failure> {
        for (i, kind) in Attack::ALL.into_iter().enumerate() {
            let mut random = Random(SEED ^ ((*at as u64) << 8 | i as u64));
            std::fs::write(
                arguments.out.join(name(*at, kind)),
                attack(kind, of.portrait(), by.portrait(), &mut random),
            )?;
        }
        Ok(())
    })?;
    for (at, ..) in &attacked {
        for kind in Attack::ALL {
            manifest.write_record([frontal[*at].subject_id.as_str(), &name(*at, kind), kind.name()])?;
        }
    }
    manifest.flush()?;
    println!(
        "{} bona fide and {} simulated attack presentations: {}",
        frontal.len(),
        attacked.len() * Attack::ALL.len(),
        arguments.out.join("manifest.csv").display()
    );
    Ok(())
}
